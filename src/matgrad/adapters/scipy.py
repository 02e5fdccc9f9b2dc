"""An oracle for SciPy: `minimize`, `least_squares`, `root`, and the Hessian as an operator.

>>> import numpy as np
>>> from matgrad import Oracle, catalog
>>> from matgrad.adapters.scipy import minimize
>>> X, y = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])
>>> minimize(Oracle(catalog["least-squares"], X=X, y=y), [0.0, 0.0], method="BFGS").x.round(6)
array([1., 2.])
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.adapters.requirement import required

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]

# The methods of `scipy.optimize.minimize` that ask for Hessian products, and for the Hessian.
BY_PRODUCTS = frozenset({"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"})
BY_HESSIAN = frozenset({"dogleg", "trust-exact"})


def minimize(oracle: "Oracle", x0: ArrayLike, *, method: str | None = None, **options: Any) -> Any:
    """Minimise a scalar by `scipy.optimize.minimize`, with the derivatives that a method uses.

    Parameters
    ----------
    oracle : Oracle
        The scalar.
    x0 : array_like
        Where it starts, flat or in the shape of the only variable.
    method : str, optional
        As for SciPy. "Newton-CG", "trust-ncg", "trust-krylov" and "trust-constr" get Hessian
        products, "dogleg" and "trust-exact" the Hessian, others value and gradient.
    **options
        Other arguments of SciPy's function, such as ``bounds`` and ``tol``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        Its ``x`` is flat.
    """
    optimize = required("scipy.optimize", "optimize", "SciPy")
    asked = (method or "").lower()
    if asked in BY_PRODUCTS:
        oracle.prepare()
        options = {"hessp": oracle.hessp, **options}
    elif asked in BY_HESSIAN:
        oracle.prepare()
        options = {"hess": oracle.hess, **options}
    return optimize.minimize(
        oracle.value_and_gradient, np.ravel(x0), jac=True, method=method, **options
    )


def least_squares(oracle: "Oracle", x0: ArrayLike, **options: Any) -> Any:
    """Minimise a sum of squares of residuals by `scipy.optimize.least_squares`."""
    optimize = required("scipy.optimize", "optimize", "SciPy")
    oracle.prepare()
    return optimize.least_squares(oracle.residual, np.ravel(x0), jac=oracle.jacobian, **options)


def root(oracle: "Oracle", x0: ArrayLike, **options: Any) -> Any:
    """Find where all residuals are zero by `scipy.optimize.root`; of a scalar, its gradient."""
    optimize = required("scipy.optimize", "optimize", "SciPy")
    oracle.prepare()
    if oracle.is_scalar:
        return optimize.root(oracle.gradient, np.ravel(x0), jac=oracle.hess, **options)
    return optimize.root(oracle.residual, np.ravel(x0), jac=oracle.jacobian, **options)


def operator(size: int, product: Callable[[Array], Array], dtype: np.dtype[Any]) -> Any:
    """Return a symmetric operator of SciPy from the function that multiplies by it."""
    linalg = required("scipy.sparse.linalg", "optimize", "SciPy")

    def matvec(p: Array) -> Array:
        return product(np.reshape(p, size))

    return linalg.LinearOperator((size, size), matvec=matvec, rmatvec=matvec, dtype=dtype)
