"""Names: the kind of variable that a name is by convention, and what declares it another."""

import re
from collections.abc import Iterable, Mapping

from matgrad.expression.dimension import Kind
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.nodes import STRUCTURES, Variable

CONSTANTS = ("I", "ones", "zeros")

# The kinds of variables by the keyword of `parse` that declares them.
DECLARATIONS: Mapping[str, Kind] = {
    "scalars": Kind.SCALAR,
    "vectors": Kind.COLUMN,
    "matrices": Kind.MATRIX,
}

GREEK: Mapping[str, str] = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "omicron": "ο",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
}


def conventional_kind(name: str) -> Kind:
    """Return the kind of a name: Greek letters are scalars, then its first letter decides.

    Examples
    --------
    >>> [conventional_kind(name).value for name in ("lambda", "lambda_1", "Sigma", "weights")]
    ['scalar', 'scalar', 'matrix', 'column']
    """
    if stem_and_index(name)[0] in GREEK:
        return Kind.SCALAR
    return Kind.MATRIX if name[0].isupper() else Kind.COLUMN


def stem_and_index(name: str) -> tuple[str, str]:
    """Return a name in two parts, of which the second is written as an index.

    Examples
    --------
    >>> stem_and_index("sigma_x"), stem_and_index("x1"), stem_and_index("weights")
    (('sigma', 'x'), ('x', '1'), ('weights', ''))
    """
    match = re.fullmatch(r"([A-Za-z]+)(?:_?(\d+)|_(\w+))?", name)
    return (match[1], match[2] or match[3] or "") if match else (name, "")


class Declarations:
    """What the keywords of `parse` say about names.

    Parameters
    ----------
    **keywords : iterable of str, or one name
        Of `DECLARATIONS` and `STRUCTURES`.

    Raises
    ------
    ValueError
        If they contradict each other, or name what cannot be a variable.
    """

    def __init__(self, **keywords: Iterable[str]) -> None:
        self.keywords = {
            keyword: (names,) if isinstance(names, str) else tuple(names)
            for keyword, names in keywords.items()
        }
        for keyword, names in self.keywords.items():
            for name in names:
                self._refuse_impossible(keyword, name)

    def variable(self, name: str) -> Variable:
        """Return the variable of a name, of its declared or conventional kind."""
        structure = frozenset(word for word in STRUCTURES if name in self.keywords.get(word, ()))
        declared = self._declared(name) or conventional_kind(name)
        if structure and declared is not Kind.MATRIX:
            raise ValueError(
                f"{'= and '.join(sorted(structure))}= is for matrices; "
                f"{name} is {Variable(name, declared).description}"
            )
        return Variable(name, declared, structure)

    def refuse_unused(self, variables: Mapping[str, Variable], text: str) -> None:
        """Raise ValueError where a keyword names a variable that the text does not have."""
        for keyword, names in self.keywords.items():
            for name in names:
                if name not in variables:
                    raise ValueError(
                        f"{keyword}= names {name}, but {text} has {_listed(variables)}"
                    )

    def _declared(self, name: str) -> Kind | None:
        kinds = [kind for key, kind in DECLARATIONS.items() if name in self.keywords.get(key, ())]
        if len(kinds) > 1:
            raise ValueError(f"{name} is declared as {' and as '.join(k.value for k in kinds)}")
        return kinds[0] if kinds else None

    @staticmethod
    def _refuse_impossible(keyword: str, name: str) -> None:
        if name in FUNCTIONS or name in CONSTANTS or not re.fullmatch(r"[A-Za-z]\w*", name):
            raise ValueError(f"{keyword}= names {name!r}, which cannot be a variable")


def declarations(variables: Iterable[Variable]) -> dict[str, tuple[str, ...]]:
    """Return the keywords of `parse` that declare these variables as they are."""
    keywords: dict[str, tuple[str, ...]] = {}
    for variable in variables:
        words = [word for word in STRUCTURES if word in variable.structure]
        if variable.declared is not conventional_kind(variable.name):
            words += [key for key, kind in DECLARATIONS.items() if kind is variable.declared]
        for word in words:
            keywords[word] = (*keywords.get(word, ()), variable.name)
    return keywords


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the most similar of the known names, if one is."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _listed(variables: Mapping[str, Variable]) -> str:
    return "the variables " + ", ".join(variables) if variables else "no variables"
