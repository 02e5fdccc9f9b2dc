"""Oracles: value, gradient and Hessian products of an expression, as optimizers ask for them."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad._native.memory import Memory, same
from matgrad.compilation import Compilation, own_batch
from matgrad.constants import batch_of, check_real, copies, cores_of, frozen, real
from matgrad.coordinates import Coordinates, coordinates_of
from matgrad.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.stages import CONSTANT, CURVATURE, GRADIENT, VALUE, Level
from matgrad.formulas import Formula
from matgrad.objective import Structure, names_of, objective_of
from matgrad.parametrizations import by_variable, chart_of
from matgrad.points import OnFailure, Point, advance, gradient, product, start

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Array: TypeAlias = NDArray[Any]

# For how many shapes of x an oracle stays compiled; each may hold matrices made of the constants.
KEPT = 16


@dataclass
class Counts:
    """What an oracle has computed; what it knew already is not counted, a batch counts once.

    `tests` are Cholesky factorisations that only tell whether a variable is positive definite. A
    Hessian counts as one of `hessp`, a Jacobian as one of `gradients`, too.
    """

    values: int = 0
    gradients: int = 0
    hessp: int = 0
    factorisations: int = 0
    tests: int = 0


class Oracle:
    """Answers an optimizer: value, gradient and Hessian products of a scalar, or residuals.

    One program computes them all. A matrix is factorised once for the value, the gradient and
    every Hessian product at a point, in whichever order they are asked for.

    Parameters
    ----------
    subject : str, Expression or Formula
        A scalar, or a column vector of residuals.
    wrt : str or sequence of str, optional
        The variables that move, in the order in which a flat vector holds them; that of a formula
        if it is left out.
    structure : {"symmetric", "positive_definite"} or mapping of str to str, optional
        What the variables that move are, or what any variable is by its name. Of a symmetric
        variable the symmetric part is used, and gradients are symmetric.
    parametrization : str or mapping of str to str
        How the variables are written in x: "full", "vech", "scaled-vech", "cholesky" or
        "log-cholesky"; see `matgrad.parametrizations`. All but "full" make a variable symmetric.
    on_failure : {"inf", "nan", "raise"}
        What a value is where it is not finite, or where a variable is not positive definite that
        should be: inf, NaN, or numpy.linalg.LinAlgError. Derivatives are NaN there. A test for
        definiteness is a Cholesky factorisation of its own; "cholesky" and "log-cholesky" need
        none.
    **constants : array_like
        All other variables. They are copied. None can have the name of an argument above but
        ``subject``.

    Attributes
    ----------
    counts : Counts
        How many values, gradients, Hessian products and factorisations have been computed, and
        tests for definiteness.

    Raises
    ------
    TypeError
        If a constant is missing, has no variable or is not real.
    ValueError
        If a variable is unknown, or one that moves is diagonal or orthogonal; if a constant is not
        symmetric or diagonal as declared, or holds NaN or inf. One with a batch may: only its own
        problems fail. Whether shapes fit the first x shows.

    Notes
    -----
    x is flat, or has the shape of the only variable. Leading axes of x and of the constants are a
    batch: so many independent problems at once. For a matrix of 1 x m an x of shape (1, m) is that
    matrix, and not a batch of one.

    The gradient of det holds for singular matrices. Its Hessian here takes an inverse: it is NaN at
    a singular matrix and inexact near one, where `matgrad.cofactors.hessian_product` is right.

    The last point is known by its content, so an optimizer may change x in place. Nothing that is
    returned shares memory with it. Large results lie in memory that serves again once nobody holds
    them or a view of them. Gradients of a batch that have 32 KB or more and take no factorisation
    are handed out and not kept, nor is their point: asked for twice, they are computed twice,
    unless Hessian products have been asked for. Oracles can be used by several threads, and
    pickled.

    Examples
    --------
    >>> import numpy as np
    >>> from matgrad import Oracle
    >>> C = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> oracle = Oracle("logdet(S) + tr(inv(S)*C)", "S", C=C)
    >>> value, gradient = oracle.value_and_gradient(C)
    >>> bool(np.isclose(value, 2 + np.log(3))), bool(np.allclose(gradient, 0))
    (True, True)
    >>> oracle.counts.factorisations
    1
    """

    def __init__(
        self,
        subject: str | Expression | Formula,
        /,
        wrt: str | Sequence[str] | None = None,
        *,
        structure: Structure = None,
        parametrization: str | Mapping[str, str] = "full",
        on_failure: OnFailure = "inf",
        **constants: ArrayLike,
    ) -> None:
        if on_failure not in get_args(OnFailure):
            raise ValueError(f"Oracle takes on_failure inf, nan or raise; got {on_failure!r}")
        names = names_of(subject, wrt)
        by_name = by_variable(parametrization, names)
        self._objective = objective_of(subject, names, structure, by_name)
        self._charts = {
            variable: chart_of(by_name[variable.name], variable)
            for variable in self._objective.variables
        }
        self._on_failure: OnFailure = on_failure
        self._memory = Memory()
        self._set_constants(constants)

    def _set_constants(self, constants: Mapping[str, ArrayLike]) -> None:
        objective = self._objective
        self._constants = copies(objective, constants)
        self._inference = infer(objective.expressions(1), objective.models(1))
        arrays = {name: np.asarray(each) for name, each in self._constants.items()}
        self._coordinates = coordinates_of(self._charts, self._inference, arrays)
        self._order = 1
        self.counts = Counts()
        self._forget()

    def _forget(self) -> None:
        """Start anew: nothing compiled, no last point."""
        self._compilations: dict[tuple[tuple[int, ...], np.dtype[Any]], Compilation] = {}
        self._last: Point | None = None
        self._lock = Lock()

    def with_constants(self, /, **constants: ArrayLike) -> Self:
        """Return an oracle of the same expression with some constants exchanged.

        It derives nothing anew, so that it is cheap for each part of a large data set.

        Examples
        --------
        >>> from matgrad import Oracle, catalog
        >>> oracle = Oracle(catalog["ridge"], X=[[1.0]], y=[2.0], **{"lambda": 0.0})
        >>> float(oracle.with_constants(y=[3.0]).value([1.0]))
        4.0
        """
        other = copy(self)
        other._memory = self._memory
        other._set_constants({**self._constants, **constants})
        cores = [cores_of(each._objective, each._constants) for each in (self, other)]
        if cores[0] == cores[1]:
            other._coordinates = self._coordinates
        return other

    @property
    def wrt(self) -> tuple[str, ...]:
        """The names of the variables that move."""
        return tuple(variable.name for variable in self._objective.variables)

    @property
    def expression(self) -> Expression:
        """What the oracle is of."""
        return self._objective.value

    @property
    def constants(self) -> dict[str, Any]:
        """The other variables by name, as read-only arrays; numbers of Python remain such."""
        return dict(self._constants)

    @property
    def size(self) -> int:
        """The length of a flat vector, which the constants, or else the first x, determine."""
        if self._coordinates is None:
            raise ValueError(f"no constant of {self.expression} shows the size of x, nor has an x")
        return self._coordinates.size

    @property
    def is_scalar(self) -> bool:
        """Whether it is of a scalar, and not of residuals."""
        return self._objective.is_scalar

    def axes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the batch of the results for an x of this shape, and the axes of one x.

        It settles the size as an x does: what asks for axes then flattens x.

        Raises
        ------
        ValueError
            If no x has this shape, or its batch does not broadcast with that of the constants.

        Examples
        --------
        >>> import numpy as np
        >>> from matgrad import Oracle
        >>> Oracle("x'*A*x", "x", A=np.ones((5, 2, 2))).axes((4, 1, 2))
        ((4, 5), (2,))
        """
        coordinates = self._measured(shape)
        own = own_batch(coordinates, shape)
        batch = batch_of(self._objective, self._constants, own)
        self._coordinates = coordinates
        return batch, shape[len(own) :]

    def prepare(self) -> None:
        """Derive what `hessp`, `hess`, `operator` and `jacobian` need, before the first point.

        Otherwise the first of them does, and computes the point where that happens once more.
        """
        self._order = 2

    def value(self, x: ArrayLike) -> Any:
        """Return the value: a number, or one for each problem of a batch."""
        self._require("value", scalar=True)
        value = self._reach(x, VALUE).value
        return value.copy() if value.ndim else value

    def gradient(self, x: ArrayLike) -> Array:
        """Return the gradient, in the shape of x behind the batch axes."""
        return self.value_and_gradient(x)[1]

    def value_and_gradient(self, x: ArrayLike) -> tuple[Any, Array]:
        """Return the value and the gradient."""
        self._require("value_and_gradient", scalar=True)
        point = self._reach(x, GRADIENT)
        value = point.value
        return (value.copy() if value.ndim else value), self._shaped(point, gradient(point))

    def hessp(self, x: ArrayLike, p: ArrayLike) -> Array:
        """Return the Hessian at x times p, which has the shape of x."""
        self._require("hessp", scalar=True)
        point = self._reach(x, CURVATURE)
        return self._shaped(point, self._product(point, self._direction(point, p)))

    def hess(self, x: ArrayLike) -> Array:
        """Return the Hessian by flat vectors, of shape (..., size, size)."""
        self._require("hess", scalar=True)
        return self._columns(x)

    def operator(self, x: ArrayLike) -> "LinearOperator":
        """Return the Hessian at x as an operator of SciPy, which keeps what x shares with it.

        Raises
        ------
        ImportError
            If SciPy is not installed.
        ValueError
            If there is a batch.
        """
        from matgrad.adapters.scipy import operator

        self._require("operator", scalar=True)
        point = self._reach(x, CURVATURE)
        if batch := point.compilation.batch:
            raise ValueError(f"operator needs a single problem; got a batch of shape {batch}")

        def multiplied(p: Array) -> Array:
            return self._product(point, real("p", p).astype(point.x.dtype, copy=False))

        return operator(self.size, multiplied, point.x.dtype)

    def residual(self, x: ArrayLike) -> Array:
        """Return the residuals, of shape (..., m)."""
        self._require("residual", scalar=False)
        residual: Array = self._reach(x, VALUE).value.copy()
        return residual

    def jacobian(self, x: ArrayLike) -> Array:
        """Return the Jacobian of the residuals by flat vectors, of shape (..., m, size)."""
        self._require("jacobian", scalar=False)
        return self._columns(x)

    def pack(self, /, **variables: ArrayLike) -> Array:
        """Return the flat vector of the variables.

        Examples
        --------
        >>> from matgrad import Oracle
        >>> oracle = Oracle("logdet(S)", "S", parametrization="log-cholesky")
        >>> oracle.pack(S=[[1.0, 2.0], [2.0, 5.0]])
        array([0., 2., 0.])
        """
        if variables.keys() != set(self.wrt):
            got = ", ".join(variables) or "nothing"
            raise TypeError(f"pack needs {', '.join(self.wrt)}; got {got}")
        arrays = {name: real(name, each) for name, each in variables.items()}
        coordinates = self._measured(arrays=arrays)
        packed = coordinates.pack(arrays)
        self._coordinates = coordinates
        return packed

    def unpack(self, x: ArrayLike) -> dict[str, Array]:
        """Return the variables by name, from a flat vector.

        Examples
        --------
        >>> from matgrad import Oracle
        >>> oracle = Oracle("logdet(S)", "S", parametrization="log-cholesky")
        >>> oracle.unpack([0.0, 2.0, 0.0])
        {'S': array([[1., 2.],
               [2., 5.]])}
        """
        array = real("x", x)
        coordinates = self._measured(array.shape)
        batch = own_batch(coordinates, array.shape)
        self._coordinates = coordinates
        return coordinates.unpack(array.reshape(*batch, coordinates.size))

    def _reach(self, x: ArrayLike, level: Level) -> Point:
        """Return the point at x, computed at least up to a level."""
        array = np.asarray(x)
        if level > GRADIENT:
            self._order = 2
        point = self._last
        if point is None or not same(point.source, array) or point.compilation.order < self._order:
            point = start(array, self._compiled(array.shape, array.dtype), level)
        before = point.level
        if before < level:
            point = advance(point, level, self._on_failure)
            if point.compilation.keeps(level):
                self._last = point
            self._count(point.compilation, before, level)
        return point

    def _compiled(self, lengths: tuple[int, ...], dtype: np.dtype[Any]) -> Compilation:
        last = self._last
        if last is not None and last.source.shape == lengths and last.source.dtype is dtype:
            found: Compilation | None = last.compilation
        else:
            found = self._compilations.get((lengths, dtype))
        if found is None or found.order < self._order:
            check_real("x", dtype, "x")
            coordinates = self._measured(lengths)
            found = Compilation(
                self._objective,
                self._order,
                coordinates,
                self._constants,
                lengths,
                dtype,
                self._memory,
            )
            # Only now: an x that is refused settles nothing.
            self._coordinates = coordinates
            self._count(found, Level.NOTHING, CONSTANT)
            with self._lock:
                if len(self._compilations) == KEPT:
                    del self._compilations[next(iter(self._compilations))]
                self._compilations[lengths, dtype] = found
        return found

    def _measured(
        self, lengths: tuple[int, ...] | None = None, arrays: Mapping[str, Array] | None = None
    ) -> Coordinates:
        """Return the coordinates, which the axes of x or the variables may have to determine."""
        if self._coordinates is not None:
            return self._coordinates
        known = {name: np.asarray(each) for name, each in self._constants.items()}
        found = coordinates_of(self._charts, self._inference, known | dict(arrays or {}), lengths)
        if found is None:
            raise ValueError(
                f"Oracle cannot tell the sizes of {', '.join(self.wrt)} in {self.expression} "
                "from x; pack them once"
            )
        return found

    def _count(self, compilation: Compilation, before: Level, level: Level) -> None:
        values, gradients, factorisations = compilation.stages.tally(before, level)
        counts = self.counts
        with self._lock:
            counts.values += values
            counts.gradients += gradients
            if factorisations:
                counts.factorisations += factorisations
            if compilation.definite:
                counts.tests += values * len(compilation.definite)

    def _product(self, point: Point, p: Array) -> Array:
        with self._lock:
            self.counts.hessp += 1
        return product(point, p)

    def _columns(self, x: ArrayLike) -> Array:
        """Return the matrix whose products are those along p, from all unit vectors at once."""
        point = self._reach(x, CURVATURE)
        size = point.compilation.coordinates.size
        units = np.eye(size, dtype=point.x.dtype)
        ones = (1,) * len(point.compilation.batch)
        found = self._product(point, units.reshape(size, *ones, size))
        return np.moveaxis(found, 0, -1).copy()

    def _direction(self, point: Point, p: ArrayLike) -> Array:
        array = real("p", p)
        wanted = point.source.shape
        if array.shape != wanted:
            raise ValueError(f"hessp needs p of the shape of x, {wanted}; got {array.shape}")
        return array.reshape(point.x.shape).astype(point.x.dtype, copy=False)

    def _shaped(self, point: Point, flat: Array) -> Array:
        """Return a flat result in the shape of x, behind the batch."""
        core = point.compilation.core
        return flat if len(core) == 1 else flat.reshape((*flat.shape[:-1], *core))

    def _require(self, method: str, *, scalar: bool) -> None:
        if self._objective.is_scalar != scalar:
            kind, others = (
                ("a column", "residual and jacobian")
                if scalar
                else ("a scalar", "value, gradient and hessp")
            )
            raise TypeError(f"{self.expression} is {kind}, which has no {method}, but {others}")

    def __getstate__(self) -> dict[str, Any]:
        made_anew = ("_compilations", "_last", "_lock", "_memory")
        kept = {name: each for name, each in self.__dict__.items() if name not in made_anew}
        return {**kept, "counts": replace(self.counts)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # NumPy's copies can be written to.
        self._constants = {name: frozen(each) for name, each in self._constants.items()}
        self._memory = Memory()
        self._forget()

    def __repr__(self) -> str:
        return f"<Oracle of {self.expression} by {', '.join(self.wrt)}>"
