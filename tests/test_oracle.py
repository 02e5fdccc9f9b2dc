"""Oracles: what they compute, what they remember, what they say where they cannot."""

import doctest
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import Oracle, catalog, parse
from matgrad.differences import jacobian
from matgrad.formulas import Formula

Array = NDArray[Any]

PARAMETRIZATIONS = ("full", "vech", "scaled-vech", "cholesky", "log-cholesky")

LIKELIHOOD = Formula(
    "likelihood",
    "Gaussian negative log-likelihood of a sample covariance C",
    "logdet(S) + tr(inv(S)*C)",
    "S",
    "inv(S) - inv(S)*C*inv(S)",
    sources=(),
    symmetric="C",
    positive_definite="S",
)


def definite(n: int, *batch: int, seed: int = 0) -> Array:
    A = np.random.default_rng(seed).normal(size=(*batch, n, 2 * n))
    return A @ A.mT / (2 * n) + np.eye(n)


def likelihood(S: Array, C: Array) -> Array:
    value: Array = np.linalg.slogdet(S)[1] + np.trace(np.linalg.solve(S, C), axis1=-2, axis2=-1)
    return value


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_the_value_is_that_of_numpy_and_the_gradient_that_of_differences(
    parametrization: str,
) -> None:
    C, S = definite(4, seed=1), definite(4, seed=2)
    oracle = Oracle(LIKELIHOOD, C=C, parametrization=parametrization)
    x = oracle.pack(S=S)
    value, gradient = oracle.value_and_gradient(x)
    assert value == pytest.approx(likelihood(S, C), rel=1e-13)

    def of_x(x: Array) -> Array:
        return likelihood(np.stack([oracle.unpack(each)["S"] for each in x]), C)

    np.testing.assert_allclose(gradient, jacobian(of_x, x, ndim=1), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_a_batch_is_its_problems_one_by_one(parametrization: str) -> None:
    C, S = definite(3, 5, seed=1), definite(3, 5, seed=2)
    oracle = Oracle(LIKELIHOOD, C=C, parametrization=parametrization)
    x = oracle.pack(S=S)
    values, gradients = oracle.value_and_gradient(x)
    assert values.shape == (5,)
    assert gradients.shape == x.shape
    for k in range(5):
        value, gradient = oracle.with_constants(C=C[k]).value_and_gradient(x[k])
        assert values[k] == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(gradients[k], gradient, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_a_batch_without_problems_has_results_without_entries(parametrization: str) -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(3), parametrization=parametrization)
    values, gradients = oracle.value_and_gradient(np.zeros((0, oracle.size)))
    assert values.shape == (0,)
    assert gradients.shape == (0, oracle.size)


def test_one_point_of_a_batch_of_constants_has_a_gradient_for_each() -> None:
    C, S = definite(3, 5, seed=1), definite(3)
    values, gradients = Oracle(LIKELIHOOD, C=C).value_and_gradient(S)
    assert values.shape == (5,)
    assert gradients.shape == (5, 3, 3)


def test_a_gradient_that_does_not_depend_on_x_is_repeated_over_the_batch() -> None:
    A = np.arange(6.0).reshape(2, 3)
    values, gradients = Oracle(catalog["trace-product"], A=A).value_and_gradient(np.ones((4, 6)))
    np.testing.assert_array_equal(values, np.full(4, 15.0))
    np.testing.assert_array_equal(gradients, np.tile(A.T.ravel(), (4, 1)))


@pytest.mark.parametrize("x", [np.ones(2), np.ones((3, 2))])
def test_results_that_are_repeated_over_the_batch_can_be_written_to(x: Array) -> None:
    oracle = Oracle("x'*x + alpha*sum(x)", "x", alpha=np.arange(3.0))
    product = oracle.hessp(x, x)
    assert product.shape == (3, 2)
    product[0] = 0
    np.testing.assert_array_equal(product, [[0, 0], [2, 2], [2, 2]])


def test_the_symmetric_part_of_a_symmetric_variable_is_used() -> None:
    S = definite(3)
    skew = np.array([[0.0, 1, 2], [-1, 0, 3], [-2, -3, 0]])
    oracle = Oracle(LIKELIHOOD, C=np.eye(3))
    value, gradient = oracle.value_and_gradient(S + skew)
    assert value == pytest.approx(oracle.value(S), rel=1e-14)
    np.testing.assert_array_equal(gradient, gradient.T)


@pytest.mark.parametrize("objective", [catalog["log-determinant"], "log(det(X))"])
def test_separate_calls_at_one_point_factorise_once(objective: Any) -> None:
    S = definite(4)
    oracle = Oracle(objective, "X")
    oracle.value(S)
    oracle.gradient(S)
    oracle.value_and_gradient(S.copy())
    assert (oracle.counts.values, oracle.counts.gradients) == (1, 1)
    assert oracle.counts.factorisations == 1


@pytest.mark.parametrize(("parametrization", "tests"), [("vech", 1), ("log-cholesky", 0)])
def test_what_is_definite_by_its_parametrization_is_not_tested(
    parametrization: str, tests: int
) -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(3), parametrization=parametrization)
    x = oracle.pack(S=definite(3))
    oracle.value(x)
    oracle.gradient(x)
    assert (oracle.counts.factorisations, oracle.counts.tests) == (1, tests)


def test_a_point_is_known_by_its_content() -> None:
    S = definite(4)
    oracle = Oracle(catalog["log-determinant"])
    first = oracle.value(S)
    S *= 2
    assert oracle.value(S) == pytest.approx(first + 4 * np.log(2), rel=1e-14)


def test_results_do_not_alias_the_cache() -> None:
    S = definite(4, 3)
    oracle = Oracle(catalog["log-determinant"])
    value, gradient = oracle.value_and_gradient(S)
    expected = value.copy(), gradient.copy()
    value[...], gradient[...] = 0, 0
    oracle.value(S)[...] = 0
    for found, wanted in zip(oracle.value_and_gradient(S), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_points_of_many_shapes_take_no_more_memory_than_those_of_a_few() -> None:
    oracle = Oracle("x'*inv(A)*x", "x", A=np.eye(100))

    tracemalloc.start()
    used = []
    for batch in range(1, 61):
        oracle.value(np.ones((batch, 100)))
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert used[59] < 1.5 * used[29]


def test_constants_are_copied() -> None:
    C, S = definite(3), definite(3, seed=1)
    oracle = Oracle(LIKELIHOOD, C=C)
    before = oracle.value(S)
    C[...] = 0
    oracle.value(2 * S)
    assert oracle.value(S) == before
    assert not oracle.constants["C"].flags.writeable


@pytest.mark.parametrize(("on_failure", "value"), [("inf", np.inf), ("nan", np.nan)])
def test_outside_the_domain_the_value_is_as_asked_and_the_gradient_nan(
    on_failure: Any, value: float
) -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(2), on_failure=on_failure)
    for S in (np.zeros((2, 2)), -np.eye(2), np.full((2, 2), np.nan)):
        found, gradient = oracle.value_and_gradient(S)
        np.testing.assert_equal(found, value)
        assert np.isnan(gradient).all()


def test_outside_the_domain_an_error_is_raised_if_asked_for_and_nothing_is_remembered() -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(2), on_failure="raise")
    good = oracle.value(np.eye(2))
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError, match="x is outside the domain: a matrix is"):
            oracle.value(-np.eye(2))
    assert oracle.value(np.eye(2)) == good


def test_a_failure_in_a_batch_is_its_own() -> None:
    S = np.stack([definite(3), -np.eye(3), definite(3, seed=4)])
    oracle = Oracle(LIKELIHOOD, C=np.eye(3))
    values, gradients = oracle.value_and_gradient(S)
    np.testing.assert_array_equal(np.isinf(values), [False, True, False])
    np.testing.assert_array_equal(np.isnan(gradients).all(axis=(1, 2)), [False, True, False])
    strict = Oracle(LIKELIHOOD, C=np.eye(3), on_failure="raise")
    with pytest.raises(np.linalg.LinAlgError, match="in problem 1 of the batch"):
        strict.value(S)


def test_a_constant_that_is_not_finite_is_refused_unless_it_is_one_of_a_batch() -> None:
    bad = np.full((3, 3), np.nan)
    with pytest.raises(ValueError, match="finite constants; C holds NaN or inf"):
        Oracle(LIKELIHOOD, C=bad)
    values = Oracle(LIKELIHOOD, C=np.stack([np.eye(3), bad])).value(np.eye(3))
    np.testing.assert_array_equal(values, [3.0, np.inf])


@pytest.mark.parametrize("structure", ["symmetric", "diagonal", "positive_definite"])
def test_a_constant_that_contradicts_its_structure_is_refused(structure: str) -> None:
    A = np.array([[1.0, 2.0], [0.0, 1.0]])
    for bad in (A, A.astype(int), np.stack([np.eye(2), A])):
        with pytest.raises(ValueError, match=r"needs A to be a .*matrix, as it is declared"):
            Oracle("x'*A*x", "x", structure={"A": structure}, A=bad)
    for good in (np.eye(2), np.eye(2) + 1e-7 * A, np.stack([np.eye(2), np.full((2, 2), np.inf)])):
        oracle = Oracle("x'*A*x", "x", structure={"A": structure}, A=good)
        with pytest.raises(ValueError, match="needs A to be"):
            oracle.with_constants(A=A)


def test_threads_may_share_an_oracle() -> None:
    oracle = Oracle(LIKELIHOOD, C=definite(3))
    points = [definite(3, seed=k) for k in range(4)]
    wanted = [oracle.gradient(S) for S in points]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(100):
            if not np.array_equal(oracle.gradient(points[k]), wanted[k]):
                wrong.append(k)

    threads = [Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_float32_stays_float32() -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(3, dtype=np.float32), parametrization="scaled-vech")
    value, gradient = oracle.value_and_gradient(oracle.pack(S=np.eye(3, dtype=np.float32)))
    assert value.dtype == gradient.dtype == np.dtype(np.float32)


# Scalars with the variables that move: several kinds, several variables, all parametrizations.
SCALARS: dict[str, tuple[Any, dict[str, Any], dict[str, Array]]] = {
    "matrix": (("tr(X*A*X'*Q)", "X"), {"A": definite(2), "Q": definite(3)}, {"X": np.eye(3, 2)}),
    "vector": (("x'*A*x/(x'*x)", "x"), {"A": definite(3)}, {"x": np.arange(1.0, 4)}),
    "scalar and vector": (
        ("alpha^2*norm(x - b)^2 + exp(alpha)", ("alpha", "x")),
        {"b": np.ones(3)},
        {"alpha": np.array(0.3), "x": np.arange(3.0)},
    ),
    "two matrices": (
        ("norm(Y - U*V')^2", ("U", "V")),
        {"Y": np.arange(12.0).reshape(4, 3)},
        {"U": np.eye(4, 2), "V": np.ones((3, 2))},
    ),
    "linear": (("tr(A*X)", "X"), {"A": definite(3)}, {"X": np.eye(3)}),
    "linear in a vector": (("c'*w", "w"), {"c": np.ones(3)}, {"w": np.arange(3.0)}),
    "linear in one of two": (
        ("c'*w + tr(X*X)", ("w", "X")),
        {"c": np.ones(3)},
        {"w": np.arange(3.0), "X": np.eye(2)},
    ),
    **{
        f"definite, {parametrization}": (
            ("logdet(S) + tr(inv(S)*C)", "S", parametrization),
            {"C": definite(3, seed=1)},
            {"S": definite(3, seed=2)},
        )
        for parametrization in PARAMETRIZATIONS
    },
}


def scalar_oracle(name: str) -> tuple[Oracle, Array]:
    (text, wrt, *parametrization), constants, point = SCALARS[name]
    structure = "positive_definite" if parametrization else None
    oracle = Oracle(
        text,
        wrt,
        structure=structure,
        parametrization=(*parametrization, "full")[0],
        **constants,
    )
    return oracle, oracle.pack(**point)


@pytest.mark.parametrize("name", SCALARS)
def test_derivatives_are_those_of_differences(name: str) -> None:
    oracle, x = scalar_oracle(name)
    oracle.prepare()
    steps = 1e-5 * np.eye(oracle.size)
    values = [(oracle.value(x + h) - oracle.value(x - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(oracle.gradient(x), values, rtol=1e-7, atol=1e-7)
    gradients = [(oracle.gradient(x + h) - oracle.gradient(x - h)) / 2e-5 for h in steps]
    hessian = oracle.hess(x)
    np.testing.assert_allclose(hessian, gradients, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SCALARS)
def test_hessian_products_are_those_of_the_hessian_in_a_batch_too(name: str) -> None:
    oracle, x = scalar_oracle(name)
    rng = np.random.default_rng(5)
    xs = x + 0.01 * rng.normal(size=(4, x.size))
    ps = rng.normal(size=(4, x.size))
    products, hessians = oracle.hessp(xs, ps), oracle.hess(xs)
    assert hessians.shape == (4, x.size, x.size)
    np.testing.assert_allclose(products, (hessians @ ps[..., None])[..., 0], atol=1e-10)
    for k in range(4):
        np.testing.assert_allclose(oracle.hessp(xs[k], ps[k]), products[k], atol=1e-10)


def test_names_that_resemble_those_of_directions_change_nothing() -> None:
    x = np.arange(1.0, 5)
    named = Oracle("x'*x_ + sum(x.*x.*dx)", ("x", "x_"), dx=np.arange(2.0))
    plain = Oracle("a'*b + sum(a.*a.*c)", ("a", "b"), c=np.arange(2.0))
    np.testing.assert_array_equal(named.hess(x), plain.hess(x))


@pytest.mark.parametrize(
    ("batch", "own"),
    [((4,), ()), ((3,), ()), ((1,), ()), ((2, 3), ()), ((2, 1), (3,)), ((3,), (1,)), ((), (3,))],
)
def test_second_derivatives_have_the_batch_of_the_constants_too(
    batch: tuple[int, ...], own: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(6)
    A, x = rng.normal(size=(*batch, 4, 4)), rng.normal(size=(*own, 4))
    both = np.broadcast_shapes(batch, own)
    hessian = Oracle("x'*A*x", "x", A=A).hess(x)
    np.testing.assert_allclose(hessian, np.broadcast_to(A + A.mT, (*both, 4, 4)), rtol=1e-14)
    jacobian = Oracle("A*x", "x", A=A).jacobian(x)
    np.testing.assert_allclose(jacobian, np.broadcast_to(A, (*both, 4, 4)), rtol=1e-14)


def test_a_hessian_product_has_the_shape_of_x_and_the_point_s_factorisation() -> None:
    oracle, _ = scalar_oracle("definite, full")
    oracle.prepare()
    S = definite(3)
    oracle.value(S)
    for direction in np.random.default_rng(0).normal(size=(5, 3, 3)):
        assert oracle.hessp(S, direction).shape == (3, 3)
    oracle.gradient(S)
    assert oracle.counts.factorisations == oracle.counts.values == 1
    assert oracle.counts.hessp == 5


def test_derivatives_outside_the_domain_are_nan() -> None:
    oracle, _ = scalar_oracle("definite, vech")
    x = oracle.pack(S=-np.eye(3))
    assert np.isnan(oracle.hess(x)).all()
    assert np.isnan(oracle.hessp(x, x)).all()


@pytest.mark.parametrize("batch", [(), (4,)])
def test_residuals_have_the_jacobian_of_differences(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    t, y = np.linspace(0, 1, 5), rng.normal(size=(*batch, 5))
    oracle = Oracle("exp(-alpha*t) .* b - y", ("alpha", "b"), t=t, y=y)
    x = rng.normal(size=(*batch, 6))
    found = oracle.jacobian(x)
    assert oracle.residual(x).shape == (*batch, 5)
    assert found.shape == (*batch, 5, 6)
    for k, h in enumerate(1e-5 * np.eye(6)):
        difference = (oracle.residual(x + h) - oracle.residual(x - h)) / 2e-5
        np.testing.assert_allclose(found[..., k], difference, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Oracle("tr(X)"), TypeError, "Oracle needs wrt"),
        (lambda: Oracle("tr(X)", "Y"), ValueError, "has no variable Y; it has X"),
        (lambda: Oracle("tr(A*X)", ("X", "X")), ValueError, "different variables"),
        (lambda: Oracle(LIKELIHOOD), TypeError, "needs the constant C"),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2), D=1.0), TypeError, "constants C; got D"),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2) * 1j), TypeError, "real constants; C"),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2), on_failure="no"), ValueError, "got 'no'"),  # type: ignore[arg-type]
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2), parametrization="qr"), ValueError, "got 'qr'"),
        (
            lambda: Oracle(LIKELIHOOD, C=np.eye(2), parametrization={"s": "vech"}),
            ValueError,
            "parametrization takes the names S; got 's'",
        ),
        (
            lambda: Oracle(LIKELIHOOD, C=np.eye(2), parametrization={"C": "vech"}),
            ValueError,
            "got 'C'",
        ),
        (
            lambda: Oracle(LIKELIHOOD, C=np.eye(2), parametrization=None),  # type: ignore[arg-type]
            TypeError,
            "parametrization takes full, .* got None",
        ),
        (lambda: Oracle("A*X", "X"), ValueError, "needs a scalar or a column"),
        (lambda: Oracle("tr(X)", "X", structure="orthogonal"), ValueError, "got 'orthogonal'"),
        (
            lambda: Oracle(parse("tr(D*A)", diagonal=("D",)), "D", A=np.eye(2)),
            ValueError,
            "D is diagonal",
        ),
        (lambda: Oracle(parse("tr(Q)", orthogonal="Q"), "Q"), ValueError, "Q is orthogonal"),
        (lambda: Oracle("x'*x", "x", parametrization="vech"), ValueError, "vech is for matrices"),
        (
            lambda: Oracle(LIKELIHOOD, C=np.eye(3)).value(np.ones(4)),
            ValueError,
            r"needs x of shape \(..., 9\) or \(..., 3, 3\); got \(4,\)",
        ),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2)).value(1j * np.eye(2)), TypeError, "real x"),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2)).residual(np.eye(2)), TypeError, "no residual"),
        (
            lambda: Oracle("norm(X)", "X").hessp(np.eye(2), np.eye(3)),
            ValueError,
            r"p of the shape of x, \(2, 2\); got \(3, 3\)",
        ),
        (lambda: Oracle("x'*x", "x").hessp(np.ones(2), np.ones(2) * 1j), TypeError, "real p"),
        (lambda: Oracle("x'*x", "x").hessp(np.ones(2), ["1", "2"]), TypeError, "p has dtype <U1"),
        (
            lambda: Oracle("x'*x", "x").operator(np.ones(2)) @ (np.ones(2) * 1j),
            TypeError,
            "Oracle needs real p; p has dtype complex128",
        ),
        (
            lambda: Oracle("x'*A*x", "x", A=np.ones((3, 2, 2))).operator(np.ones(2)),
            ValueError,
            r"operator needs a single problem; got a batch of shape \(3,\)",
        ),
        (lambda: Oracle("x'*x", "x").operator(np.ones((1, 2))), ValueError, r"shape \(1,\)"),
        (lambda: Oracle("x - b", "x", b=np.eye(2)[0]).value([0, 1]), TypeError, "no value, but"),
        (lambda: Oracle("tr(A*X)", "X").value(np.eye(2)), TypeError, "needs the constant A"),
        (lambda: Oracle("tr(A*X)", ()), ValueError, r"one or more different variables .* got \(\)"),
        (lambda: Oracle(3, "x"), TypeError, "needs a text, an expression or a formula; got 3"),  # type: ignore[arg-type]
        (
            lambda: Oracle("tr(X)", "X", structure=["symmetric"]),  # type: ignore[arg-type]
            TypeError,
            r"structure takes symmetric, .* got \['symmetric'\]",
        ),
        (
            lambda: Oracle("x'*A*x", "x", A=np.ones((3, 2, 2))).axes((4, 2)),
            ValueError,
            r"the batches do not broadcast: \(4,\) of x, \(3,\) of A",
        ),
        (
            lambda: Oracle("tr(X)", "X").value(np.ones((2, 2), np.float16)),
            TypeError,
            "x has dtype float16; supported are float32, float64, integers and bool$",
        ),
        (lambda: Oracle("tr(A*X)", "X", A=[["1"]]), TypeError, "constants; A has dtype <U1"),
        (lambda: Oracle("tr(X)", "X").pack(), TypeError, "pack needs X; got nothing"),
        (lambda: Oracle("norm(X)", "X").size, ValueError, "shows the size of x"),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2)).pack(T=np.eye(2)), TypeError, "pack needs S"),
        (lambda: Oracle(LIKELIHOOD, C=np.eye(2)).pack(S=1j * np.eye(2)), TypeError, "real S"),
        (
            lambda: Oracle("x'*A*x", "x", A=np.eye(2)).pack(x=[1.0, 2.0, 3.0]),
            ValueError,
            r"pack needs x of shape \(..., 2\); got \(3,\)",
        ),
        (
            lambda: Oracle("x'*A*x", "x", A=np.eye(2)).pack(x=1.0),
            ValueError,
            r"of shape \(..., 2\); got \(\)",
        ),
        (
            lambda: Oracle("x'*A*x", "x", A=np.eye(2)).unpack(np.ones(7)),
            ValueError,
            r"needs x of shape \(..., 2\); got \(7,\)",
        ),
        (
            lambda: Oracle("tr(X)", "X").unpack(np.ones(4, np.float16)),
            TypeError,
            "x has dtype float16;",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("module", ["oracle", "parametrizations"])
def test_the_examples_run(module: str) -> None:
    assert doctest.testmod(import_module(f"matgrad.{module}")).failed == 0
