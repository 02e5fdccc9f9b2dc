"""An oracle for Pymanopt: cost, Euclidean gradient and Euclidean Hessian on a manifold."""

from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from matgrad.adapters.requirement import required

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]


def problem(oracle: "Oracle", manifold: Any) -> Any:
    """Return the `pymanopt.Problem` that minimises a scalar on a manifold.

    Parameters
    ----------
    oracle : Oracle
        A scalar of one variable, in the parametrization "full".
    manifold : pymanopt.manifolds.Manifold
        Its points have the shape of the variable: ``Sphere(n)``, ``Stiefel(n, p)``,
        ``SymmetricPositiveDefinite(n)``.

    Examples
    --------
    >>> import numpy as np
    >>> import pymanopt
    >>> from matgrad import Oracle, catalog
    >>> from matgrad.adapters.pymanopt import problem
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> on_sphere = problem(Oracle(catalog["rayleigh-quotient"], A=A), pymanopt.manifolds.Sphere(3))
    >>> float(on_sphere.cost(np.array([0.0, 1.0, 0.0])))
    2.0
    """
    pymanopt = required("pymanopt", "optimize", "Pymanopt")
    on_manifold = pymanopt.function.numpy(manifold)

    def cost(X: Array) -> float:
        return float(oracle.value(X))

    def gradient(X: Array) -> Array:
        return oracle.gradient(X)

    def hessian(X: Array, direction: Array) -> Array:
        return oracle.hessp(X, direction)

    return pymanopt.Problem(
        manifold,
        on_manifold(cost),
        euclidean_gradient=on_manifold(gradient),
        euclidean_hessian=on_manifold(hessian),
    )
