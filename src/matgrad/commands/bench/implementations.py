"""The implementations that are measured, each by the fastest of its own idioms.

What was tried and given up: SciPy's `check_finite=False` (no faster on a batch); PyTorch's
gradients by autograd, and by det times inv (one factorisation too many, 1.3 times slower), and
its `out=` (not faster); JAX's gradient of det as det times inv (up to n = 3 it has a closed form
of det, and the gradient of that is ten times faster; beyond there is no difference), and its
`trace` (half as fast as the sum of its `diagonal`).

No implementation but matgrad has an adjugate: for the others stands det(X) inv(X), which is the
adjugate of a regular matrix only. No other has a det or slogdet with its gradient in one call.
SciPy has det and inv alone.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Implementation:
    """A library that is loaded, and how its functions are called.

    Attributes
    ----------
    version
        Its version, as the table shows it.
    functions
        The function for each operation that the library has, on arrays of the library.
    array
        Makes an array of the library from one of NumPy.
    wait
        Waits for the results of functions that return before they are done.
    takes_out
        Whether the functions write into the arrays that `out=` names.
    """

    version: str
    functions: Mapping[str, Function]
    array: Callable[[Array], Any] | None = None
    wait: Callable[[Any], Any] | None = None
    takes_out: bool = False


def _matgrad() -> Implementation:
    from matgrad import __version__, linalg
    from matgrad._native import chosen
    from matgrad.commands.bench.cases import OPERATIONS

    functions = {name: getattr(linalg, name) for name in OPERATIONS}
    return Implementation(f"{__version__} ({chosen()})", functions, takes_out=True)


def _numpy() -> Implementation:
    det, inv, slogdet = np.linalg.det, np.linalg.inv, np.linalg.slogdet

    def adjugate(X: Array) -> Array:
        adjugate: Array = det(X)[:, None, None] * inv(X)
        return adjugate

    def det_and_gradient(X: Array) -> tuple[Array, Array]:
        value = det(X)
        return value, value[:, None, None] * inv(X).mT

    def quadratic_trace(X: Array, A: Array, Q: Array) -> Array:
        return np.asarray(np.einsum("...ij,...ij->...", X @ A, Q.mT @ X))

    def quadratic_trace_and_gradient(X: Array, A: Array, Q: Array) -> tuple[Array, Array]:
        XA, QX = X @ A, Q.mT @ X
        return np.einsum("...ij,...ij->...", XA, QX), QX @ A.mT + Q @ XA

    functions: dict[str, Function] = {
        "trace": lambda X: np.einsum("...ii->...", X),
        "trace_product": lambda A, X: np.einsum("...ij,...ji->...", A, X),
        "quadratic_trace": quadratic_trace,
        "quadratic_trace_and_gradient": quadratic_trace_and_gradient,
        "det": det,
        "slogdet": slogdet,
        "inv": inv,
        "adjugate": adjugate,
        "det_and_gradient": det_and_gradient,
        "slogdet_and_gradient": lambda X: (*slogdet(X), inv(X).mT),
    }
    return Implementation(np.__version__, functions)


def _scipy() -> Implementation:
    import scipy

    def det(X: Array) -> Array:
        """Keep the dtype, where SciPy returns float64 for float32."""
        return np.asarray(scipy.linalg.det(X), X.dtype)

    def inv(X: Array) -> Array:
        """Spare SciPy the search for a structure that X does not have."""
        inverse: Array = scipy.linalg.inv(X, assume_a="general")
        return inverse

    def det_and_gradient(X: Array) -> tuple[Array, Array]:
        value = det(X)
        return value, value[:, None, None] * inv(X).mT

    functions: dict[str, Function] = {
        "det": det,
        "inv": inv,
        "adjugate": lambda X: det(X)[:, None, None] * inv(X),
        "det_and_gradient": det_and_gradient,
    }
    return Implementation(scipy.__version__, functions)


def _torch() -> Implementation:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)

    def lu(X: Any) -> tuple[Any, Any, Any, Any]:
        """Return what `lu_solve` takes, the pivots, and the sign of the permutation."""
        LU, rows = torch.linalg.lu_factor(X)
        unmoved = torch.arange(1, X.shape[-1] + 1, dtype=rows.dtype)
        sign = 1 - 2 * ((rows != unmoved).sum(-1) % 2)
        return LU, rows, LU.diagonal(dim1=-2, dim2=-1), sign

    def det_and_adjugate(X: Any, *, transposed: bool) -> Any:
        LU, rows, pivots, sign = lu(X)
        det = sign * pivots.prod(-1)
        scaled = torch.diag_embed(det[:, None].expand(pivots.shape))
        return det, torch.linalg.lu_solve(LU, rows, scaled, adjoint=transposed)

    def slogdet_and_gradient(X: Any) -> Any:
        LU, rows, pivots, sign = lu(X)
        identity = torch.eye(X.shape[-1], dtype=X.dtype).expand_as(X)
        inverse = torch.linalg.lu_solve(LU, rows, identity, adjoint=True)
        return sign * pivots.sign().prod(-1), pivots.abs().log().sum(-1), inverse

    def quadratic_trace_and_gradient(X: Any, A: Any, Q: Any) -> Any:
        XA, QX = X @ A, Q.mT @ X
        return (XA * QX).sum((-2, -1)), QX @ A.mT + Q @ XA

    functions = {
        "trace": lambda X: X.diagonal(dim1=-2, dim2=-1).sum(-1),
        "trace_product": lambda A, X: (A * X.mT).sum((-2, -1)),
        "quadratic_trace": lambda X, A, Q: ((X @ A) * (Q.mT @ X)).sum((-2, -1)),
        "quadratic_trace_and_gradient": quadratic_trace_and_gradient,
        "det": torch.linalg.det,
        "slogdet": torch.linalg.slogdet,
        "inv": torch.linalg.inv,
        "adjugate": lambda X: det_and_adjugate(X, transposed=False)[1],
        "det_and_gradient": lambda X: det_and_adjugate(X, transposed=True),
        "slogdet_and_gradient": slogdet_and_gradient,
    }
    return Implementation(torch.__version__, functions, array=torch.from_numpy)


def _jax() -> Implementation:
    os.environ.update(JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")
    import jax
    import jax.numpy as jnp

    det, inv, slogdet = jnp.linalg.det, jnp.linalg.inv, jnp.linalg.slogdet
    det_and_gradient = jax.vmap(jax.value_and_grad(det))

    def slogdet_and_gradient(X: Any) -> Any:
        if X.shape[-1] > 3:
            return (*slogdet(X), inv(X).mT)
        value, gradient = det_and_gradient(X)
        return jnp.sign(value), jnp.log(jnp.abs(value)), gradient / value[:, None, None]

    def quadratic_trace_and_gradient(X: Any, A: Any, Q: Any) -> Any:
        XA, QX = X @ A, Q.mT @ X
        return (XA * QX).sum((-2, -1)), QX @ A.mT + Q @ XA

    functions: dict[str, Function] = {
        "trace": lambda X: jnp.diagonal(X, axis1=-2, axis2=-1).sum(-1),
        "trace_product": lambda A, X: (A * X.mT).sum((-2, -1)),
        "quadratic_trace": lambda X, A, Q: ((X @ A) * (Q.mT @ X)).sum((-2, -1)),
        "quadratic_trace_and_gradient": quadratic_trace_and_gradient,
        "det": det,
        "slogdet": slogdet,
        "inv": inv,
        "adjugate": lambda X: det_and_gradient(X)[1].mT,
        "det_and_gradient": det_and_gradient,
        "slogdet_and_gradient": slogdet_and_gradient,
    }
    compiled = {name: jax.jit(function) for name, function in functions.items()}
    return Implementation(jax.__version__, compiled, jnp.asarray, jax.block_until_ready)


LOADERS: dict[str, Callable[[], Implementation]] = {
    "matgrad": _matgrad,
    "numpy": _numpy,
    "scipy": _scipy,
    "torch": _torch,
    "jax": _jax,
}
