"""What can be done with an expression from Python."""

import operator
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from matgrad.expression import parse
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Number, Transpose, Variable
from tests.expression.strategies import expressions

A, B, x, alpha = (parse(name) for name in ("A", "B", "x", "alpha"))


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (A + B - 2 * A, "A + B - 2*A"),
        (A @ B @ x, "A*B*x"),
        (x.T * A * x / 2, "x'*A*x/2"),
        (1 / alpha + alpha**-2, "1/alpha + alpha^-2"),
        (3 - alpha, "3 - alpha"),
        (0.5 + alpha, "0.5 + alpha"),
        (-A * B, "(-A)*B"),
        (A**-1 + A**3, "inv(A) + A^3"),
        (2**alpha, "2^alpha"),
        (np.float64(2.0) * A, "2.0*A"),
    ],
)
def test_python_operators_build_what_the_grammar_reads(built: Expression, text: str) -> None:
    assert str(built) == text
    assert parse(text) == built


def test_an_array_is_no_operand() -> None:
    arithmetic = (operator.add, operator.sub, operator.mul, operator.matmul, operator.truediv)
    for combine in (*arithmetic, operator.pow):
        for operands in ((A, np.ones((2, 2))), (np.ones((2, 2)), A)):
            with pytest.raises(TypeError, match="an expression or a real number"):
                combine(*operands)


def test_an_expression_cannot_be_changed() -> None:
    X = Variable("X", Kind.MATRIX)
    with pytest.raises(AttributeError, match="immutable; name of X cannot be set"):
        X.name = "B"
    with pytest.raises(AttributeError, match="immutable; name of X cannot be deleted"):
        del X.name
    with pytest.raises(AttributeError, match="immutable; note of X cannot be set"):
        X.note = "mine"


def test_variables_come_in_reading_order() -> None:
    f = parse("tr(X*A*X'*Q) + alpha")
    assert list(f.variables) == ["X", "A", "Q", "alpha"]
    assert list(f.shapes) == ["X", "A", "Q", "alpha"]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("tr(A)", ()),
        ("A*x", ("n",)),
        ("x'*A", (1, "m")),
        ("A'*B", ("m", "k")),
        ("kron(A, x)", ("k*n", "m")),
        ("ones(3)", (3,)),
        ("vec(A)", ("m*n",)),
        ("diag(x)", ("n", "n")),
    ],
)
def test_a_shape_shows_the_axes_of_a_result(text: str, shape: tuple[int | str, ...]) -> None:
    assert parse(text).shape == shape


def test_nodes_are_walked_in_reading_order() -> None:
    assert [str(node) for node in parse("A*x + B*x").walk()] == [
        "A*x + B*x",
        "A*x",
        "A",
        "x",
        "B*x",
        "B",
        "x",
    ]


def test_substitution_replaces_every_occurrence_and_joins_what_it_brings() -> None:
    f = parse("tr(A*X) + sum(X)")
    g = f.substitute({parse("X"): parse("B*C")})
    assert str(g) == "tr(A*B*C) + sum(B*C)"
    assert f.substitute({parse("Z"): A}) is f


def test_transform_changes_children_before_their_parents() -> None:
    def untransposed(node: Expression) -> Expression:
        match node:
            case Transpose(Transpose(operand)):
                return operand
        return node

    assert parse("A''''*x").transform(untransposed) == parse("A*x")


def test_the_representation_reads_back() -> None:
    f = parse("a*S*x", scalars="a", symmetric="S")
    assert repr(f) == "parse('a*S*x', scalars=('a',), symmetric=('S',))"
    assert eval(repr(f), {"parse": parse}) == f


@given(expressions(depth=3))
def test_an_expression_means_the_same_in_another_process(expression: Expression) -> None:
    hash(expression)  # a hash that has been kept must not travel
    assert set(pickle.loads(pickle.dumps(expression)).__dict__) == set(expression.__match_args__)


def test_the_language_is_imported_in_a_moment() -> None:
    """A quarter of NumPy's own import is 20 ms on the machines of today, whatever else runs."""
    code = (
        "import time; clock = time.process_time\n"
        "start = clock(); import numpy; middle = clock()\n"
        "import numpy.typing, matgrad; begin = clock(); import matgrad.expression\n"
        "print((clock() - begin) / (middle - start))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    shares = [float(subprocess.check_output(command, text=True, env=environment)) for _ in range(5)]
    assert min(shares) < 0.25


def test_a_number_is_its_own_expression() -> None:
    assert parse("2").evaluate() == 2.0
    assert Number(2).shape == ()
