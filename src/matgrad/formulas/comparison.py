"""A declared derivative beside differences of the value.

The value is a function on a curve t -> X + t E; its slope at 0 is what the derivative says about
the direction E. Where the value is analytic, the slope is the imaginary part at t = ih over h,
exact to rounding because nothing is subtracted (Squire and Trapp, SIAM Review 40, 1998); elsewhere
it is a central difference, extrapolated once (Richardson).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matgrad.expression import Expression
    from matgrad.formulas.formula import Formula

Array: TypeAlias = NDArray[Any]
Curve: TypeAlias = Callable[[complex], Array]

COMPLEX_STEP = 2.0**-100
REAL_STEP = 2.0**-9

# The largest relative error that is right, by the method that measured.
ALLOWED = {"complex step": 1e-11, "differences": 1e-7, "both sides": 1e-11}

# Functions that have no complex derivative.
NOT_ANALYTIC = frozenset({"abs", "conj", "sign", "relu", "norm", "norm1"})

BATCH = (3,)


class Comparison(NamedTuple):
    """What a check of a formula has found.

    Parameters
    ----------
    formula : str
        The id of the formula.
    method : str
        What measured: "complex step", "differences", or "both sides" of an identity.
    error : float
        The largest difference, relative to the largest entry, or to the value over the variable
        if that is larger: all that is left of a derivative of 0 is rounding.
    """

    formula: str
    method: str
    error: float

    @property
    def allowed(self) -> float:
        """The largest error that the method leaves to a right formula."""
        return ALLOWED[self.method]

    @property
    def ok(self) -> bool:
        """Whether the error is allowed; NaN never is."""
        return self.error <= self.allowed

    def __str__(self) -> str:
        verdict = "right" if self.ok else "WRONG"
        return f"{self.formula}: {verdict}, off by {self.error:.1e} from {self.method}"


def compare(formula: "Formula", rng: "np.random.Generator", dims: Mapping[str, int]) -> Comparison:
    """Compare a formula with what measures it, on a batch of samples."""
    arrays = formula.sample(rng, BATCH, **dims)
    value, declared = formula.value_and_gradient_at(arrays, layout=_layout(formula))
    method, measured = _MEASURES[formula.kind](formula, arrays)
    return Comparison(
        formula.id, method, _relative_error(declared, measured, _size(formula, arrays, value))
    )


def _layout(formula: "Formula") -> Any:
    """Return the layout in which all axes of the output come before those of the variable."""
    return "denominator" if formula.kind in ("differential", "identity") else "tensor"


def _size(formula: "Formula", arrays: Mapping[str, Array], value: Array) -> Array:
    """Return how large a derivative may be expected in each member of the batch."""
    order = {"gradient": 1, "jacobian": 1, "hessian": 2}.get(formula.kind, 0)
    variable = _largest(arrays[formula.wrt]) if order else np.ones(BATCH)
    return np.asarray(_largest(value) / np.where(variable > 0, variable, 1.0) ** order)


def _relative_error(declared: Array, measured: Array, size: Array) -> float:
    """Return the largest difference in each member of the batch, over its largest entry."""
    scale = np.maximum(np.maximum(_largest(declared), _largest(measured)), size)
    difference = _largest(_members(declared) - _members(measured))
    return float(np.max(difference / np.maximum(scale, np.finfo(float).tiny)))


def _largest(arrays: Array) -> Array:
    """Return the largest entry of each member of a batch, 0 if there is none."""
    return np.asarray(np.abs(_members(arrays)).max(axis=-1, initial=0))


def _members(arrays: Array) -> Array:
    return np.reshape(arrays, (*BATCH, -1))


def _identity(formula: "Formula", arrays: Mapping[str, Array]) -> tuple[str, Array]:
    return "both sides", formula.value.evaluate(**_for(formula.value, arrays))


def _differential(formula: "Formula", arrays: Mapping[str, Array]) -> tuple[str, Array]:
    """Measure how the value moves when every variable moves along its increment."""
    moves = {name: arrays[f"d{name}"] for name in formula.increments}
    return _slope(formula.value, _curve(formula.value, arrays, moves))


def _gradient(formula: "Formula", arrays: Mapping[str, Array]) -> tuple[str, Array]:
    """Measure the slope along every entry of the variable, all entries at once."""
    directions, weights = _directions(formula, arrays[formula.wrt])
    curve = _curve(formula.value, arrays, {formula.wrt: directions})
    method, slopes = _slope(formula.value, curve)
    return method, np.moveaxis(slopes, 0, -1) * weights


def _hessian(formula: "Formula", arrays: Mapping[str, Array]) -> tuple[str, Array]:
    """Measure slopes along one entry of slopes along another."""
    directions, _ = _directions(formula, arrays[formula.wrt])
    moves = {formula.wrt: directions[:, None]}

    def slope(t: complex) -> Array:
        moved = dict(arrays) | {formula.wrt: arrays[formula.wrt] + t * directions}
        return _slope(formula.value, _curve(formula.value, moved, moves))[1]

    return "differences", np.moveaxis(_extrapolated(slope), (0, 1), (-2, -1))


_MEASURES: Mapping[str, Callable[["Formula", Mapping[str, Array]], tuple[str, Array]]] = {
    "gradient": _gradient,
    "jacobian": _gradient,
    "hessian": _hessian,
    "differential": _differential,
    "identity": _identity,
}


def _directions(formula: "Formula", X: Array) -> tuple[Array, Array]:
    """Return a direction for every entry of a variable, and what its slope is multiplied by.

    The (i, j) entry of a symmetric matrix moves together with the (j, i) entry. The derivative by
    the free entry is that slope; the Frobenius gradient has half of it at both places.
    """
    core = X.shape[len(BATCH) :]
    size = int(np.prod(core))
    directions = np.eye(size).reshape(size, *core)
    weights = np.ones(len(directions))
    if formula.convention != "independent":
        directions = np.maximum(directions, directions.mT)
        if formula.convention == "symmetric":
            weights /= directions.sum(axis=(-2, -1))
    return directions[:, None], weights


def _curve(value: "Expression", arrays: Mapping[str, Array], moves: Mapping[str, Array]) -> Curve:
    def at(t: complex) -> Array:
        moved = {name: arrays[name] + t * move for name, move in moves.items()}
        return value.evaluate(**_for(value, dict(arrays) | moved))

    return at


def _for(expression: "Expression", arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: arrays[name] for name in expression.variables}


def _slope(value: "Expression", curve: Curve) -> tuple[str, Array]:
    if is_analytic(value):
        return "complex step", np.asarray(curve(1j * COMPLEX_STEP).imag / COMPLEX_STEP)
    return "differences", _extrapolated(curve)


def _extrapolated(curve: Curve) -> Array:
    near, far = (_central(curve, step) for step in (REAL_STEP / 2, REAL_STEP))
    return (4 * near - far) / 3


def _central(curve: Curve, step: float) -> Array:
    return (curve(step) - curve(-step)) / (2 * step)


def is_analytic(value: "Expression") -> bool:
    """Return whether an expression has a complex derivative wherever it has a real one."""
    from matgrad.expression.nodes import Call

    calls = {node.function for node in value.walk() if isinstance(node, Call)}
    return calls.isdisjoint(NOT_ANALYTIC)
