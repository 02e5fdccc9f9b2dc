"""Kernels and oracles in JAX: jit, vmap, every mode of differentiation, singular matrices."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import matgrad
from matgrad import cofactors

from . import frameworks
from .problems import PROBLEMS

jax = pytest.importorskip("jax")
adapter = pytest.importorskip("matgrad.adapters.jax")
test_util: Any = pytest.importorskip("jax.test_util")
jnp = jax.numpy

KERNELS = frameworks.arguments()
ORACLES = frameworks.oracles()


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    # Not `jax.enable_x64`, which the threads that call back do not see.
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def check(f: Callable[..., Any], arguments: tuple[Any, ...], order: int) -> None:
    test_util.check_grads(f, arguments, order)
    test_util.check_grads(jax.jit(f), arguments, order)


def kernel(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(adapter, name)
    return (lambda X: function(X)[1]) if name == "slogdet" else function


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_the_value_and_both_modes_of_differentiation_under_jit(name: str) -> None:
    arguments = tuple(map(jnp.asarray, KERNELS[name]))
    expected = getattr(matgrad, name)(*KERNELS[name])
    value = jax.jit(kernel(name))(*arguments)
    np.testing.assert_array_equal(value, expected[1] if name == "slogdet" else expected)
    check(kernel(name), arguments, 1 if name == "adjugate" else 2)


def test_det_is_right_at_singular_matrices_where_that_of_jax_is_not() -> None:
    X = frameworks.singular()
    np.testing.assert_allclose(
        jax.vmap(jax.grad(adapter.det))(X), matgrad.adjugate(X).mT, atol=1e-12
    )
    E = np.random.default_rng(0).normal(size=X.shape)
    _, product = jax.jvp(jax.vmap(jax.grad(adapter.det)), (X,), (E,))
    np.testing.assert_allclose(product, cofactors.hessian_product(X, E), atol=1e-12)
    _, theirs = jax.jvp(jax.vmap(jax.grad(jnp.linalg.det)), (X,), (E,))
    assert not np.allclose(theirs, product, atol=1e-6)


@pytest.mark.parametrize("name", ["det", "slogdet"])
def test_hessians_by_any_mix_of_modes_under_vmap_are_the_same(name: str) -> None:
    X = jnp.asarray(KERNELS[name][0])
    found = [
        jax.jit(jax.vmap(outer(inner(kernel(name)))))(X)
        for outer in (jax.jacfwd, jax.jacrev)
        for inner in (jax.jacfwd, jax.jacrev)
    ]
    for hessian in found[1:]:
        np.testing.assert_allclose(hessian, found[0], rtol=1e-9, atol=1e-9)


def test_vmap_aligns_batches_of_different_lengths() -> None:
    rng = np.random.default_rng(3)
    A, X = jnp.asarray(rng.normal(size=(6, 2, 4))), jnp.asarray(rng.normal(size=(6, 5, 4, 2)))
    expected = adapter.trace_product(A[:, None], X)
    np.testing.assert_array_equal(jax.vmap(adapter.trace_product)(A, X), expected)
    np.testing.assert_array_equal(
        jax.vmap(adapter.trace_product, in_axes=(1, None))(jnp.moveaxis(A, 0, 1), X[0]),
        adapter.trace_product(A[:, None], X[0]),
    )


@pytest.mark.parametrize("name", ORACLES)
def test_an_oracle_can_be_differentiated_twice_in_both_modes_and_under_vmap(name: str) -> None:
    oracle, x = ORACLES[name]
    f, point = adapter.function(oracle), jnp.asarray(x)
    np.testing.assert_array_equal(jax.jit(f)(point), oracle.value(x))
    check(f, (point,), 2)
    pair = jnp.stack([point, 1.1 * point])
    hessians = jax.jit(jax.vmap(jax.hessian(f)))(pair)
    for inner in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(hessians[1], jax.jacrev(inner(f))(pair[1]), rtol=1e-9, atol=1e-9)


def test_transposes_that_nothing_derives_are_refused_in_a_sentence() -> None:
    for f in (adapter.trace, adapter.det, lambda X: adapter.trace_product(jnp.eye(2), X)):
        with pytest.raises(NotImplementedError, match=r"no transpose of .*; take jax.vjp"):
            jax.linear_transpose(f, jnp.eye(2))(jnp.ones(()))


def test_a_batch_of_no_problems_has_no_values() -> None:
    oracle, x = ORACLES["matrix"]
    assert adapter.function(oracle)(jnp.zeros((0, *x.shape))).shape == (0,)


def test_residuals_can_be_differentiated_once_in_both_modes() -> None:
    oracle, x = frameworks.residuals()
    f, point = adapter.function(oracle), jnp.asarray(x)
    check(f, (point,), 1)
    check(jax.vmap(f), (point,), 1)
    for hessian in (jax.hessian(f), jax.jacfwd(jax.jacfwd(f)), jax.jacrev(jax.jacrev(f))):
        with pytest.raises(NotImplementedError, match=r"no derivative of the Jacobian of X\*b"):
            hessian(point[0])


@pytest.mark.parametrize("name", PROBLEMS)
def test_an_optimizer_of_jax_reaches_the_optimum_of_the_gradient_by_hand(name: str) -> None:
    problem = PROBLEMS[name]()
    minimize = pytest.importorskip("jax.scipy.optimize").minimize
    found = minimize(
        adapter.function(problem.oracle), jnp.asarray(problem.start), method="BFGS", tol=1e-9
    )
    _, gradient = problem.by_hand(np.asarray(found.x))
    assert np.abs(gradient).max() < 1e-5  # where the line search of JAX gives up


ON_ONE_CORE = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, jax.numpy as jnp
from matgrad.adapters.jax import det
f = jax.jit(lambda X: det(X @ X).sum() + det(X).sum())
X = jnp.ones((2000, 16, 16))
for _ in range(5):
    value = f(X + 1) + det(X + 1).sum()
print(float(value))
"""


def test_nothing_waits_for_ever_on_one_core() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ON_ONE_CORE], capture_output=True, text=True, timeout=120, check=True
    )
    assert float(run.stdout) == 0.0


def test_float32_is_what_jax_computes_with_unless_told_otherwise() -> None:
    jax.config.update("jax_enable_x64", False)
    oracle, x = ORACLES["matrix"]
    assert adapter.det(np.eye(3)).dtype == jnp.float32
    assert jax.jit(jax.grad(adapter.function(oracle)))(jnp.asarray(x)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: adapter.det(jnp.ones((2, 2), complex)), TypeError, "float64; got complex128"),
        (lambda: adapter.det(jnp.ones((2, 2), jnp.bfloat16)), TypeError, "got bfloat16"),
        (lambda: adapter.det(jnp.ones((2, 3))), ValueError, "det: .*size 3"),
        (
            lambda: jax.jit(adapter.det)(jnp.ones((5, 2, 3))),
            ValueError,
            r"det needs arrays that fit \(n,n\)->\(\); got shapes \(5, 2, 3\)",
        ),
        (
            lambda: jax.hessian(lambda X: adapter.adjugate(X).sum())(jnp.eye(3)),
            NotImplementedError,
            "no derivative of the second derivative of det",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
