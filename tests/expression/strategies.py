"""Random expressions over the whole grammar, whose shapes agree.

The variables are A (n x m), B (m x n), C and S (n x n), D (m x m), x (n), y (m), alpha and beta.
"""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad.expression.dimension import ONE, Dimension, Kind
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
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
)

Shape = tuple[str, str]

VARIABLES: dict[Shape, list[Variable]] = {
    ("n", "m"): [Variable("A", Kind.MATRIX)],
    ("m", "n"): [Variable("B", Kind.MATRIX)],
    ("n", "n"): [Variable("C", Kind.MATRIX), Variable("S", Kind.MATRIX, frozenset({"symmetric"}))],
    ("m", "m"): [Variable("D", Kind.MATRIX)],
    ("n", "1"): [Variable("x", Kind.COLUMN)],
    ("m", "1"): [Variable("y", Kind.COLUMN)],
    ("1", "1"): [Variable("alpha", Kind.SCALAR), Variable("beta", Kind.SCALAR)],
}

# Smooth and bounded, or nearly so: compositions of these stay in the range of a test.
TAME = ["sin", "cos", "tanh", "abs", "sigmoid", "softplus", "relu", "sign"]
WILD = ["exp", "log", "sqrt", "tan"]
ELEMENTWISE = [name for name, record in FUNCTIONS.items() if record.elementwise is not None]


def dimension(name: str) -> Dimension:
    """Return n or m as a dimension, or 1."""
    return ONE if name == "1" else Dimension.symbol(name)


def constants(shape: Shape) -> list[Expression]:
    """Return the constants of a shape, with their dimensions."""
    rows, columns = map(dimension, shape)
    if columns == ONE:
        return [] if rows == ONE else [Constant("ones", (rows,)), Constant("zeros", (rows,))]
    square = [Constant("I", (rows,))] if rows == columns else []
    return [*square, Constant("ones", (rows, columns)), Constant("zeros", (rows, columns))]


def atoms(shape: Shape) -> st.SearchStrategy[Expression]:
    """Return variables, their transposes, constants and numbers of a shape."""
    choices: list[Expression] = [*VARIABLES.get(shape, []), *constants(shape)]
    choices += [Transpose(variable) for variable in VARIABLES.get(shape[::-1], [])]
    if shape == ("1", "1"):
        numbers = st.one_of(st.integers(0, 9), st.floats(0.125, 8, width=16))
        return st.one_of(st.sampled_from(choices), numbers.map(Number))
    return st.sampled_from(choices)


@st.composite
def expressions(draw: st.DrawFn, shape: Shape | None = None, depth: int = 4) -> Expression:
    """Draw an expression of a shape, or of any."""
    if shape is None:
        shape = draw(st.tuples(st.sampled_from("1nm"), st.sampled_from("1nm")))
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(atoms(shape))
    below = partial(_below, draw, depth - 1)
    build = draw(st.sampled_from(_builders(shape)))
    expression: Expression = build(draw, below, shape)
    return expression


def _below(draw: st.DrawFn, depth: int, shape: Shape) -> Expression:
    return draw(expressions(shape, depth))


def _builders(shape: Shape) -> list[Any]:
    builders: list[Any] = [_sum, _product, _product, _unary, _elementwise]
    if shape == ("1", "1"):
        builders += [_functional, _functional, _power]
    elif shape[0] == shape[1]:
        builders += [_square, _power]
    elif shape[1] == "1":
        builders += [_diagonal]
    return builders


def _sum(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    terms = [below(shape) for _ in range(draw(st.integers(2, 3)))]
    return Sum.of(*(Negation(term) if draw(st.booleans()) else term for term in terms))


def _product(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    inner = draw(st.sampled_from("1nm"))
    left, right = below((shape[0], inner)), below((inner, shape[1]))
    scalar = (below(("1", "1")),) if draw(st.booleans()) else ()
    return Product.of(*scalar, left, right)


def _unary(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    match draw(st.integers(0, 3)):
        case 0:
            return Negation(below(shape))
        case 1:
            return Transpose(below(shape[::-1]))
        case 2:
            return Product.of(below(("1", "1")), below(shape))
    return Quotient(below(shape), below(("1", "1")))


def _elementwise(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    match draw(st.integers(0, 3)):
        case 0:
            return ElementwiseProduct.of(below(shape), below(shape))
        case 1:
            return ElementwiseQuotient(
                below(shape), below(draw(st.sampled_from([shape, ("1", "1")])))
            )
        case 2:
            return ElementwisePower(below(shape), Number(draw(st.integers(0, 3))))
    return Call.of(draw(st.sampled_from(TAME + WILD)), below(shape))


def _power(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    exponent = Number(draw(st.integers(0, 4)))
    return Power.of(below(shape), Negation(exponent) if draw(st.booleans()) else exponent)


def _functional(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    square = draw(st.sampled_from([("n", "n"), ("m", "m")]))
    anything = draw(st.tuples(st.sampled_from("1nm"), st.sampled_from("1nm")))
    name = draw(st.sampled_from(["tr", "tr", "det", "logdet", "norm", "norm1", "sum", "sum"]))
    return Call.of(name, below(square if name in ("tr", "det", "logdet") else anything))


def _square(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    match draw(st.integers(0, 3)):
        case 0:
            return Call.of("inv", below(shape))
        case 1:
            return Call.of("adj", below(shape))
        case 2:
            return Call.of("diag", below((shape[0], "1")))
    return Call.of("kron", below(shape), below(("1", "1")))


def _diagonal(draw: st.DrawFn, below: Any, shape: Shape) -> Expression:
    if draw(st.booleans()):
        return Call.of("diag", below((shape[0], shape[0])))
    return Call.of("vec", below(shape))


def is_measurable(*expressions: Expression) -> bool:
    """Return whether the variables show the sizes of all constants."""
    inference = infer(expressions)
    shown = {symbol for shape in inference.shapes.values() for d in shape for symbol in d.symbols}
    needed = {symbol for c in inference.constants for d in c.dimensions for symbol in d.symbols}
    return needed <= shown


def arrays(
    rng: np.random.Generator, expression: Expression, batch: tuple[int, ...], n: int = 3, m: int = 2
) -> dict[str, NDArray[Any]]:
    """Return arrays for the variables of an expression; some lack some of the batch axes."""
    sizes = {"n": n, "m": m}
    shapes = {v.name: shape for shape, variables in VARIABLES.items() for v in variables}
    drawn = {}
    for name, variable in expression.variables.items():
        core = tuple(sizes[each] for each in shapes[name] if each != "1")
        own = batch[int(rng.integers(0, len(batch) + 1)) :]
        drawn[name] = rng.uniform(0.2, 1.5, (*own, *core))
        if "symmetric" in variable.structure:
            drawn[name] = drawn[name] + np.swapaxes(drawn[name], -1, -2)
    return drawn
