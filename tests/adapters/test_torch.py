"""Kernels and oracles in PyTorch: every mode of differentiation, vmap, singular matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import matgrad
from matgrad import Oracle, cofactors

from . import frameworks
from .problems import PROBLEMS

torch = pytest.importorskip("torch")
adapter = pytest.importorskip("matgrad.adapters.torch")
make_fx: Any = pytest.importorskip("torch.fx.experimental.proxy_tensor").make_fx

# PyTorch's own, when forward mode is first used.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

KERNELS = frameworks.arguments()
ORACLES = frameworks.oracles()


def tensors(*arrays: Any) -> tuple[Any, ...]:
    return tuple(torch.tensor(each, requires_grad=True) for each in arrays)


def kernel(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(adapter, name)
    return (lambda X: function(X)[1]) if name == "slogdet" else function


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_the_value_and_both_modes_of_differentiation(name: str) -> None:
    expected = getattr(matgrad, name)(*KERNELS[name])
    value = kernel(name)(*tensors(*KERNELS[name])).detach()
    np.testing.assert_array_equal(value, expected[1] if name == "slogdet" else expected)
    assert torch.autograd.gradcheck(
        kernel(name),
        tensors(*KERNELS[name]),
        check_forward_ad=True,
        check_batched_grad=name != "adjugate",  # its gradient is not made of PyTorch's functions
    )


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "adjugate"])
def test_a_kernel_can_be_differentiated_twice(name: str) -> None:
    assert torch.autograd.gradgradcheck(kernel(name), tensors(*KERNELS[name]))


def test_det_is_right_at_singular_matrices_where_that_of_pytorch_is_not() -> None:
    X = frameworks.singular()
    (S,) = tensors(X)
    (gradient,) = torch.autograd.grad(adapter.det(S).sum(), S)
    np.testing.assert_allclose(gradient, matgrad.adjugate(X).mT, atol=1e-12)
    E = np.random.default_rng(0).normal(size=X.shape)
    _, product = torch.autograd.functional.vhp(
        lambda S: adapter.det(S).sum(), torch.tensor(X), torch.tensor(E)
    )
    np.testing.assert_allclose(product, cofactors.hessian_product(X, E), atol=1e-12)
    (theirs,) = torch.autograd.grad(torch.linalg.det(S).sum(), S)
    assert not np.allclose(theirs, matgrad.adjugate(X).mT, atol=1e-6)


@pytest.mark.parametrize("f", [kernel("det"), adapter.function(ORACLES["matrix"][0])])
def test_hessian_products_from_either_side_are_the_same(f: Callable[..., Any]) -> None:
    X, E = torch.tensor(ORACLES["matrix"][1]), torch.eye(3, dtype=torch.float64).flip(0) + 1
    _, expected = torch.func.jvp(torch.func.grad(f), (X,), (E,))
    for product in (torch.autograd.functional.hvp, torch.autograd.functional.vhp):
        np.testing.assert_allclose(product(f, X, E)[1], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["det", "slogdet"])
def test_hessians_by_any_mix_of_modes_under_vmap_are_the_same(name: str) -> None:
    X = torch.tensor(KERNELS[name][0])
    func = torch.func
    found = [
        func.vmap(outer(inner(kernel(name))))(X)
        for outer, inner in [
            (func.jacfwd, func.jacrev),
            (func.jacrev, func.jacfwd),
            (func.jacrev, func.jacrev),
        ]
    ]
    for hessian in found[1:]:
        np.testing.assert_allclose(hessian, found[0], rtol=1e-9, atol=1e-9)


def test_vmap_aligns_batches_of_different_lengths() -> None:
    rng = np.random.default_rng(3)
    A, X = torch.tensor(rng.normal(size=(6, 2, 4))), torch.tensor(rng.normal(size=(6, 5, 4, 2)))
    expected = adapter.trace_product(A[:, None], X)
    vmap = torch.func.vmap
    assert torch.equal(vmap(adapter.trace_product)(A, X), expected)
    assert torch.equal(
        vmap(adapter.trace_product, in_dims=(1, None))(A.movedim(0, 1), X[0]),
        adapter.trace_product(A[:, None], X[0]),
    )


@pytest.mark.parametrize("name", ORACLES)
def test_an_oracle_can_be_differentiated_twice_in_both_modes_and_under_vmap(name: str) -> None:
    oracle, x = ORACLES[name]
    f, (point,) = adapter.function(oracle), tensors(x)
    assert torch.equal(f(point).detach(), torch.as_tensor(oracle.value(x)))
    assert torch.autograd.gradcheck(f, (point,), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(f, (point,))
    pair = torch.stack([point, 1.1 * point]).detach()
    hessians = torch.func.vmap(torch.func.hessian(f))(pair)
    for inner in (torch.func.jacrev, torch.func.jacfwd):
        hessian = torch.func.jacrev(inner(f))(pair[1])
        np.testing.assert_allclose(hessians[1], hessian, rtol=1e-9, atol=1e-9)


def test_a_batch_of_no_problems_has_no_values() -> None:
    oracle, x = ORACLES["matrix"]
    assert adapter.function(oracle)(torch.zeros((0, *x.shape))).shape == (0,)


def test_residuals_can_be_differentiated_once_in_both_modes() -> None:
    oracle, x = frameworks.residuals()
    f, (point,) = adapter.function(oracle), tensors(x)
    assert torch.autograd.gradcheck(f, (point,), check_forward_ad=True, check_batched_grad=True)
    with pytest.raises(NotImplementedError, match=r"no derivative of the Jacobian of X\*b"):
        torch.func.hessian(f)(point[0])


def test_residuals_are_counted_where_zero_is_outside_the_domain() -> None:
    for A in (np.eye(2), np.stack([np.eye(2)] * 5)):
        f = adapter.function(Oracle("log(A*x)", "x", A=A, on_failure="raise"))
        x = torch.tensor([[2.0, 4.0]] * 3, dtype=torch.float64)
        found = torch.func.vmap(torch.func.jacrev(f))(x)
        np.testing.assert_allclose(found, np.broadcast_to(A / [2.0, 4.0], found.shape))


@pytest.mark.parametrize("name", PROBLEMS)
def test_an_optimizer_of_pytorch_reaches_the_optimum_of_the_gradient_by_hand(name: str) -> None:
    problem = PROBLEMS[name]()
    f = adapter.function(problem.oracle)
    (x,) = tensors(problem.start)
    optimizer = torch.optim.LBFGS([x], max_iter=200, tolerance_grad=1e-10, tolerance_change=0)

    def closure() -> Any:
        optimizer.zero_grad()
        value = f(x)
        value.backward()
        return value

    optimizer.step(closure)
    _, gradient = problem.by_hand(x.detach().numpy())
    assert np.abs(gradient).max() < 1e-8
    counts = problem.oracle.counts
    assert counts.factorisations <= counts.values


def test_nothing_is_differentiated_that_is_not_recorded() -> None:
    oracle, x = ORACLES["matrix"]
    fresh = oracle.with_constants()
    adapter.function(fresh)(torch.tensor(x))
    assert (fresh.counts.values, fresh.counts.gradients) == (1, 0)


TRACED = {
    "det": adapter.det,
    "its gradient": torch.func.grad(adapter.det),
    "oracle": adapter.function(ORACLES["matrix"][0]),
    "its derivative": torch.func.grad(adapter.function(ORACLES["matrix"][0])),
}


@pytest.mark.parametrize("name", TRACED)
def test_a_tracer_records_calls_and_no_results(name: str) -> None:
    f, X = TRACED[name], torch.tensor(ORACLES["matrix"][1])
    graph, Y = make_fx(f)(X), X + torch.eye(3)
    np.testing.assert_allclose(graph(Y), f(Y), rtol=1e-12)
    np.testing.assert_allclose(gradient_of_sum(graph, Y), gradient_of_sum(f, Y), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")  # PyTorch's own
@pytest.mark.parametrize("name", TRACED)
def test_linearize_gives_the_derivative(name: str) -> None:
    f, X = TRACED[name], torch.tensor(ORACLES["matrix"][1])
    dX = X.mT / 8
    value, push = torch.func.linearize(f, X)
    np.testing.assert_allclose(value, f(X), rtol=1e-12)
    h = 1e-5
    difference = (f(X + h * dX) - f(X - h * dX)) / (2 * h)
    np.testing.assert_allclose(push(dX), difference, rtol=1e-7, atol=1e-7)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # its own
@pytest.mark.parametrize("name", ["det", "oracle"])  # none breaks within `torch.func`
def test_a_compiled_graph_breaks_around_a_call(name: str) -> None:
    f, X = TRACED[name], torch.tensor(ORACLES["matrix"][1])
    compiled, Y = torch.compile(lambda X: 2 * f(X), backend="eager"), X + torch.eye(3)
    for point in (X, Y):
        np.testing.assert_allclose(compiled(point), 2 * f(point), rtol=1e-12)
    np.testing.assert_allclose(gradient_of_sum(compiled, Y), 2 * gradient_of_sum(f, Y), rtol=1e-12)


def gradient_of_sum(f: Callable[..., Any], X: Any) -> Any:
    (X,) = tensors(X.numpy())
    return torch.autograd.grad(f(X).sum(), X)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_dtypes_are_those_of_the_kernels(dtype: Any) -> None:
    X = np.eye(3, dtype=dtype)
    np.testing.assert_array_equal(adapter.det(torch.tensor(X)), matgrad.det(X), strict=True)


def test_arguments_of_several_dtypes_have_gradients_in_their_own() -> None:
    X, A, Q = tensors(*(np.arange(1.0, 5.0).reshape(2, 2) + k for k in range(3)))
    single = [X.detach().float().requires_grad_(), A, torch.arange(3, 7).reshape(2, 2)]
    value = adapter.quadratic_trace(*single)
    assert value.dtype == torch.float64
    found = torch.autograd.grad(value, single[:2], create_graph=True)
    assert [each.dtype for each in found] == [torch.float32, torch.float64]
    expected = torch.autograd.grad(torch.trace(X @ A @ X.mT @ Q), (X, A))
    for some, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(some.detach(), others)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_an_oracle_of_whole_numbers_is_float64(dtype: Any) -> None:
    x = torch.ones(2, dtype=dtype)
    value = adapter.function(Oracle("exp(b'*x)", "x", b=[0.25, 0.25]))(x)
    residual = adapter.function(Oracle("A*x/3", "x", A=np.eye(2)))(x)
    np.testing.assert_allclose(value, np.exp(0.5), strict=True)
    np.testing.assert_allclose(residual, np.full(2, 1 / 3), strict=True)


def test_lists_and_arrays_are_taken_for_tensors() -> None:
    rows = [[2.0, 1.0], [1.0, 3.0]]
    for given in (rows, np.array(rows)):
        np.testing.assert_allclose(adapter.det(given), 5.0, rtol=1e-6)
        np.testing.assert_allclose(adapter.function(Oracle("tr(X)", "X"))(given), 5.0)


def test_tensors_that_are_negative_by_a_bit_are_themselves() -> None:
    X = torch.tensor([[2.0 - 1.0j, 4.0j], [1.0j, 3.0 - 3.0j]], dtype=torch.complex128).conj().imag
    assert X.is_neg()
    np.testing.assert_allclose(adapter.det(X), np.linalg.det([[1.0, -4.0], [-1.0, 3.0]]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: adapter.det(torch.ones(2, 2, dtype=torch.complex128)), TypeError, "is complex"),
        (lambda: adapter.det(torch.ones(2, 2, device="meta")), TypeError, "CPU; .* is on meta"),
        (lambda: adapter.det(torch.ones(2, 3)), ValueError, "det: .*size 3"),
        (
            lambda: torch.func.vmap(adapter.det)(torch.ones(5, 2, 3)),
            ValueError,
            r"det needs arrays that fit \(n,n\)->\(\); got shapes \(2, 3\)",
        ),
        (
            lambda: torch.func.hessian(lambda X: adapter.adjugate(X).sum())(torch.eye(3)),
            NotImplementedError,
            "no derivative of the second derivative of det",
        ),
        (
            lambda: torch.func.jacfwd(torch.func.jacfwd(adapter.det))(torch.eye(3)),
            NotImplementedError,
            "cannot nest forward modes through det; take jacfwd of jacrev",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
