"""An oracle for Ipopt by cyipopt: `minimize_ipopt`, and a `Problem` with bounds and constraints."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.adapters.oracles import count_of
from matgrad.adapters.requirement import required

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]


def minimize(oracle: "Oracle", x0: ArrayLike, **options: Any) -> Any:
    """Minimise a scalar by `cyipopt.minimize_ipopt`, with its gradient and its Hessian.

    Ipopt takes the Hessian with those of all constraints only: where one has none, a dictionary
    without ``hess``, it approximates both.

    Parameters
    ----------
    oracle : Oracle
        The scalar.
    x0 : array_like
        Where it starts.
    **options
        Other arguments of `minimize_ipopt`, such as ``bounds`` and ``constraints``.
    """
    cyipopt = required("cyipopt", "optimize", "cyipopt")
    if _have_hessians(options.get("constraints", ())):
        oracle.prepare()
        options = {"hess": oracle.hess, **options}
    return cyipopt.minimize_ipopt(oracle.value_and_gradient, np.ravel(x0), jac=True, **options)


def _have_hessians(constraints: Any) -> bool:
    listed = constraints if isinstance(constraints, list | tuple) else [constraints]
    return all(isinstance(each, dict) and each.get("hess") is not None for each in listed)


def problem(
    oracle: "Oracle",
    *,
    constraints: "Oracle | None" = None,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    constraints_lower: ArrayLike = 0.0,
    constraints_upper: ArrayLike = 0.0,
) -> Any:
    """Return a `cyipopt.Problem`.

    Parameters
    ----------
    oracle : Oracle
        The scalar that is minimised.
    constraints : Oracle, optional
        Residuals of the same variables in the same places of x, which stay between two bounds.
        With them Ipopt approximates the Hessian; without them it gets that of the oracle.
    lower, upper : array_like, optional
        Bounds of x, flat or in the shape of the only variable.
    constraints_lower, constraints_upper : array_like
        Bounds of the residuals; 0 and 0 make them equations.

    Raises
    ------
    TypeError
        If the oracle has residuals, or the constraints have none.
    ValueError
        If bounds are neither one number nor one for each of what they bound, or x holds other
        variables for the constraints than for the oracle.
    """
    cyipopt = required("cyipopt", "optimize", "cyipopt")
    if not oracle.is_scalar:
        raise TypeError(f"problem minimises a scalar; got the residuals of {oracle!r}")
    n, m = oracle.size, 0
    callbacks: Any = _Callbacks(oracle)
    if constraints is not None:
        m = count_of(constraints, n)
        _refuse_other_variables(oracle, constraints)
        callbacks = _Constrained(oracle, constraints)
    found = cyipopt.Problem(
        n=n,
        m=m,
        problem_obj=callbacks,
        lb=_bounds("lower", -np.inf if lower is None else lower, n),
        ub=_bounds("upper", np.inf if upper is None else upper, n),
        cl=_bounds("constraints_lower", constraints_lower, m),
        cu=_bounds("constraints_upper", constraints_upper, m),
    )
    if constraints is not None:
        found.add_option("hessian_approximation", "limited-memory")
    return found


def _refuse_other_variables(oracle: "Oracle", constraints: "Oracle") -> None:
    """Refuse constraints to which x means something else: in order, shape or parametrization."""
    x = np.linspace(1, 2, oracle.size)
    own, others = oracle.unpack(x), constraints.unpack(x)
    if own.keys() != others.keys() or not all(np.array_equal(own[k], others[k]) for k in own):
        raise ValueError(
            f"problem needs constraints of {', '.join(own)} in the same places of x and "
            f"parametrizations as in {oracle!r}; got {constraints!r}"
        )


class _Objective:
    """The callbacks that every problem has."""

    def __init__(self, oracle: "Oracle") -> None:
        self.oracle = oracle

    def objective(self, x: Array) -> float:
        return float(self.oracle.value(x))

    def gradient(self, x: Array) -> Array:
        return self.oracle.gradient(x)


class _Callbacks(_Objective):
    """Those without constraints: the Hessian is dense, its lower triangle row by row."""

    def __init__(self, oracle: "Oracle") -> None:
        oracle.prepare()
        super().__init__(oracle)

    def constraints(self, x: Array) -> Array:
        return np.zeros(0)

    def jacobian(self, x: Array) -> Array:
        return np.zeros(0)

    def hessianstructure(self) -> tuple[Array, Array]:
        rows, columns = np.tril_indices(self.oracle.size)
        return rows, columns

    def hessian(self, x: Array, multipliers: Array, factor: float) -> Array:
        lower: Array = factor * self.oracle.hess(x)[self.hessianstructure()]
        return lower


class _Constrained(_Objective):
    """Those with constraints, whose Jacobian is dense."""

    def __init__(self, oracle: "Oracle", residuals: "Oracle") -> None:
        residuals.prepare()
        super().__init__(oracle)
        self.residuals = residuals

    def constraints(self, x: Array) -> Array:
        return self.residuals.residual(x)

    def jacobian(self, x: Array) -> Array:
        return self.residuals.jacobian(x).ravel()


def _bounds(name: str, given: ArrayLike, size: int) -> Array:
    bounds = np.asarray(given, float)
    if bounds.size not in (1, size):
        raise ValueError(
            f"problem needs {name} to be a number, or {size} of them; got {bounds.size}, "
            f"of shape {bounds.shape}"
        )
    return np.broadcast_to(bounds.ravel(), size).copy()
