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

# The methods of `scipy.optimize.minimize` that want values alone, Hessian products, the Hessian.
BY_VALUES = frozenset({"nelder-mead", "powell", "cobyla", "cobyqa"})
BY_PRODUCTS = frozenset({"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"})
BY_HESSIAN = frozenset({"dogleg", "trust-exact"})

# The methods of `scipy.optimize.root` that want the Jacobian.
BY_JACOBIAN = frozenset({"hybr", "lm"})


def minimize(oracle: "Oracle", x0: ArrayLike, *, method: Any = None, **options: Any) -> Any:
    """Minimise a scalar by `scipy.optimize.minimize`, with the derivatives that a method uses.

    Parameters
    ----------
    oracle : Oracle
        The scalar.
    x0 : array_like
        Where it starts, flat or in the shape of the only variable.
    method : str or callable, optional
        As for SciPy. "Newton-CG", "trust-ncg", "trust-krylov" and "trust-constr" get Hessian
        products, "dogleg" and "trust-exact" the Hessian, "Nelder-Mead", "Powell", "COBYLA" and
        "COBYQA" the value, others value and gradient.
    **options
        Other arguments of SciPy's function, such as ``bounds`` and ``tol``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        Its ``x`` is flat.
    """
    optimize = required("scipy.optimize", "optimize", "SciPy")
    asked = method.lower() if isinstance(method, str) else ""
    if asked in BY_VALUES:
        return optimize.minimize(oracle.value, np.ravel(x0), method=method, **options)
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
    function, jacobian = (
        (oracle.gradient, oracle.hess) if oracle.is_scalar else (oracle.residual, oracle.jacobian)
    )
    if options.get("method", "hybr").lower() in BY_JACOBIAN:
        oracle.prepare()
        options = {"jac": jacobian, **options}
    return optimize.root(function, np.ravel(x0), **options)


def operator(size: int, product: Callable[[Array], Array], dtype: np.dtype[Any]) -> Any:
    """Return a symmetric operator of SciPy from the function that multiplies by it."""
    linalg = required("scipy.sparse.linalg", "optimize", "SciPy")

    def matvec(p: Array) -> Array:
        return product(np.reshape(p, size))

    return linalg.LinearOperator((size, size), matvec=matvec, rmatvec=matvec, dtype=dtype)
