"""What is wrong with a wrong derivative: the usual mistakes, each tried against the differences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from matgrad.differences.points import Array

CLOSE = 10.0  # estimated errors within which a guess fits
FEW = 0.05  # part of the entries that is "a few"


@dataclass(frozen=True)
class Evidence:
    """One point at which a claim is wrong; arrays have the shape of the derivative there."""

    x: Array
    value: Array
    claimed: Array
    measured: Array  # NaN where nothing was measured
    uncertainty: Array
    precision: float
    terms: Mapping[str, Array]

    @property
    def known(self) -> Array:
        """Where differences were taken."""
        return np.isfinite(self.measured)

    def allowed(self) -> Array:
        """Return the distance at which claimed and measured are still the same."""
        largest = np.abs(self.measured[self.known]).max(initial=0)
        slack: Array = CLOSE * self.uncertainty + self.precision ** (1 / 3) * largest
        return slack

    def fits(self, guess: Array) -> bool:
        """Whether a guess explains every entry measured."""
        off = np.abs(guess - self.measured) > self.allowed()
        return not (off & self.known).any()

    def differing(self) -> Array:
        """Return the entries whose claimed derivative is not what was measured."""
        off = np.abs(self.claimed - self.measured)
        smallest = np.sqrt(self.precision) * np.abs(self.claimed)
        differing: Array = off > np.fmax(CLOSE * self.uncertainty, smallest)
        return differing & self.known


def diagnose(evidence: Evidence) -> str:
    """Return the first explanation that fits, as a sentence."""
    for sentence, guess in _guesses(evidence):
        if evidence.fits(guess):
            return sentence
    return _few(evidence) or _missing_term(evidence) or "no simple mistake explains it"


def _guesses(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    g = evidence.claimed
    yield "the sign is wrong", -g
    factor = _factor(g, evidence.measured)
    yield f"a factor is missing: the derivative is {_factor_name(factor, evidence)} it", factor * g
    if g.ndim < 2 or g.shape[-1] != g.shape[-2]:
        return
    turned, diagonal = np.swapaxes(g, -1, -2), g * np.eye(g.shape[-1])
    yield (
        "transposed: it is in numerator layout where denominator is expected, or inversely",
        turned,
    )
    yield "transposed, and the sign is wrong", -turned
    factor = _factor(turned, evidence.measured)
    named = _factor_name(factor, evidence)
    yield f"transposed, and a factor is missing: the derivative is {named} it", factor * turned
    yield "the symmetric part is missing: it is G where G + G' is right", g + turned
    yield "the symmetric part is missing: it is G where (G + G')/2 is right", (g + turned) / 2
    yield (
        "the convention for symmetric matrices: it is free where symmetric is expected",
        (g + diagonal) / 2,
    )
    yield (
        "the convention for symmetric matrices: it is symmetric where free is expected",
        2 * g - diagonal,
    )
    for name, part in (("upper", np.tril), ("lower", np.triu)):
        yield f"f does not read the {name} triangle: pass symmetric", part(g + turned) - diagonal


def _factor(guess: Array, target: Array) -> float:
    """Return the factor that brings a guess closest to a target, where that is known."""
    known = np.isfinite(target)
    largest = np.abs(guess[known]).max(initial=0)
    if not largest:
        return 0.0
    unit = guess[known] / largest
    return float(np.sum(unit * target[known]) / np.sum(unit**2) / largest)


def _factor_name(factor: float, evidence: Evidence) -> str:
    if evidence.value.size == 1 and evidence.value.item():
        value = evidence.value.item()
        for name, known in (("f(x) times", value), ("1/f(x) times", 1 / value)):
            if np.isclose(factor, known, rtol=evidence.precision ** (1 / 3), atol=0):
                return name
    return f"{factor:.6g} times"


def _few(evidence: Evidence) -> str | None:
    differing, known = evidence.differing(), evidence.known
    count = int(differing.sum())
    if not 0 < count <= max(1, FEW * known.sum()):
        return None
    places = [str(tuple(map(int, place))) for place in np.argwhere(differing)[:3]]
    more = ", ..." if count > 3 else ""
    noun = "entry is" if count == 1 else "entries are"
    return f"{count} {noun} wrong, {', '.join(places)}{more}; the others measured are right"


def _missing_term(evidence: Evidence) -> str | None:
    """Look for one term whose multiple is the difference."""
    missing = evidence.measured - evidence.claimed
    for name, term in _terms(evidence):
        factor = _factor(term, missing)
        if factor and evidence.fits(evidence.claimed + factor * term):
            return _term_sentence(name, factor, named=name in evidence.terms)
    return None


def _terms(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    yield from evidence.terms.items()
    x, shape = evidence.x, evidence.claimed.shape
    if x.shape == shape:
        yield "x", x
    yield "1, the same for all entries", np.ones(shape)
    if len(shape) == 2 and shape[0] == shape[1]:
        yield "I", np.eye(shape[0])
        yield "its own transpose", evidence.claimed.T
        if x.shape == shape:
            yield "x'", x.T


def _term_sentence(name: str, factor: float, *, named: bool) -> str:
    if named and np.isclose(abs(factor), 2, rtol=1e-3):
        return f"the term {name} has the wrong sign"
    if named and np.isclose(factor, 1, rtol=1e-3):
        return f"one term is missing: {name}"
    if named and np.isclose(factor, -1, rtol=1e-3):
        return f"one term is too many: {name}"
    return f"one term is missing: {factor:.6g} times {name}"
