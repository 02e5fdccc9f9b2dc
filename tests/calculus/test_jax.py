"""Values and gradients of generated expressions against JAX, which differentiates on its own."""

from functools import partial, reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from matgrad import derive
from matgrad.expression.evaluation import evaluate
from matgrad.expression.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
    number_of,
)
from tests.expression.judge import Judge
from tests.expression.strategies import arrays, expressions, is_measurable

jax = pytest.importorskip("jax", reason="jax is not installed")
jnp = jax.numpy

SIZES = {"n": 3, "m": 2}

# Numbers on the way, condition numbers among them, up to which rounding leaves seven digits.
LARGEST = 1e4


def adjugate(A: Any) -> Any:
    """Return the cofactors, transposed, one minor after the other."""
    n = len(A)
    rows = [
        [(-1) ** (i + j) * jnp.linalg.det(jnp.delete(jnp.delete(A, i, 0), j, 1)) for i in range(n)]
        for j in range(n)
    ]
    return jnp.array(rows)


def diagonal(A: Any) -> Any:
    return jnp.diag(A.ravel()) if 1 in A.shape else jnp.diag(A)[:, None]


FUNCTIONS: dict[str, Any] = {
    "tr": lambda A: jnp.trace(A)[None, None],
    "det": lambda A: jnp.linalg.det(A)[None, None],
    "logdet": lambda A: jnp.linalg.slogdet(A)[1][None, None],
    "inv": jnp.linalg.inv,
    "adj": adjugate,
    "norm": lambda A: jnp.sqrt(jnp.sum(A * A))[None, None],
    "norm1": lambda A: jnp.abs(A).sum()[None, None],
    "sum": lambda A: A.sum()[None, None],
    "diag": diagonal,
    "kron": jnp.kron,
    "vec": lambda A: A.T.reshape(-1, 1),
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "relu": jax.nn.relu,
    **{
        name: getattr(jnp, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "sign")
    },
}


def value(node: Expression, variables: dict[str, Any]) -> Any:
    """Return rows and columns of a value, traced by JAX."""
    match node:
        case Variable(name):
            array = variables[name]
            return array.reshape(-1, 1) if array.ndim < 2 else array
        case Number(number):
            return jnp.array([[float(number)]])
        case Constant("I", (size,)):
            return jnp.eye(size.value(SIZES))
        case Constant(name, dimensions):
            sizes = [dimension.value(SIZES) for dimension in dimensions]
            return jnp.full((*sizes, 1)[:2], float(name == "ones"))
    values = [value(child, variables) for child in node.children]
    match node:
        case Sum():
            return reduce(jnp.add, values)
        case Negation():
            return -values[0]
        case Product():
            return reduce(lambda A, B: A * B if 1 in (A.size, B.size) else A @ B, values)
        case Quotient() | ElementwiseQuotient():
            return values[0] / values[1]
        case Transpose():
            return values[0].T
        case ElementwiseProduct():
            return reduce(jnp.multiply, values)
        case ElementwisePower(_, exponent) | Power(_, exponent):
            return power(node, values, number_of(exponent))
        case Call(function):
            return FUNCTIONS[function](*values)
    raise TypeError(node)


def scalar(node: Expression, variables: dict[str, Any]) -> Any:
    """Return the value of a scalar expression."""
    return value(node, variables)[0, 0]


def power(node: Expression, values: list[Any], k: float | None) -> Any:
    base, exponent = values
    if isinstance(node, Power) and base.size > 1 and k is not None:
        return jnp.linalg.matrix_power(base, int(k))
    return base ** int(k) if k is not None and float(k).is_integer() else base**exponent


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(expressions(("1", "1"), depth=3))
def test_values_and_gradients_are_those_of_jax(expression: Expression) -> None:
    if not (expression.variables and is_measurable(expression)):
        return
    sized = infer((expression,)).expressions[0]
    values = arrays(np.random.default_rng(6), expression, ())
    with jax.enable_x64(True), np.errstate(all="ignore"):
        traced = {name: jnp.array(array) for name, array in values.items()}
        theirs, slopes = jax.value_and_grad(partial(scalar, sized))(traced)
        ours = expression.evaluate(**values)
        judge = Judge(values, SIZES)
        judge.value(sized)
        if not np.isfinite(theirs) or judge.largest > LARGEST:
            return
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
        for name, variable in expression.variables.items():
            _compare(expression, variable, values, np.asarray(slopes[name]))


def _compare(
    f: Expression, variable: Variable, values: dict[str, Any], expected: np.ndarray
) -> None:
    """Compare where JAX has a gradient; of a symmetric matrix it has that by all entries."""
    derivation = derive(f, variable.name)
    everything = (derivation.result, *f.variables.values())
    found = np.broadcast_to(evaluate(everything, values, (variable,))[0], expected.shape)
    if variable.is_symmetric:
        expected = (expected + expected.T) / 2
    if np.isfinite(expected).all() and np.isfinite(found).all():
        scale = np.abs(expected).max(initial=1e-3)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * scale)
