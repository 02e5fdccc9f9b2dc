"""The parser: text to expression, by operator precedence (V. R. Pratt, POPL 1973).

=========================  ==========  ===========================================
operator                   strength
=========================  ==========  ===========================================
``+ -``                    10          from the left
prefix ``-``               20          so ``-a*b`` is -(ab), and ``-x^2`` is -(x^2)
``* / .* ./``              30          from the left
``'``                      40          ``A*B'`` is A(B'), ``X^2'`` is (X^2)'
``^ .^``                   41          from the right; a minus may follow
=========================  ==========  ===========================================
"""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, TypeAlias, TypeVar

from matgrad.expression.dimension import Dimension, product_of
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.inference import infer
from matgrad.expression.lexer import ParseError, Token, tokens
from matgrad.expression.names import CONSTANTS, Declarations, suggestion
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    lift,
)

Names: TypeAlias = str | Iterable[str]
Item = TypeVar("Item")

# No array has so many rows that they take more digits; Python reads no more than 4300.
LONGEST_SIZE = 18

PREFIX_MINUS = 20
TRANSPOSE = 40

# For each sign between operands: its strength on the left and on the right, and what it builds.
INFIX: Mapping[str, tuple[int, int, Callable[[Expression, Expression], Expression]]] = {
    "+": (10, 10, Sum.of),
    "-": (10, 10, lambda a, b: Sum.of(a, Negation(b))),
    "*": (30, 30, Product.of),
    "/": (30, 30, Quotient),
    ".*": (30, 30, ElementwiseProduct.of),
    "./": (30, 30, ElementwiseQuotient),
    "^": (41, 40, Power.of),
    ".^": (41, 40, ElementwisePower),
}


def parse(
    text: str,
    *,
    scalars: Names = (),
    vectors: Names = (),
    matrices: Names = (),
    symmetric: Names = (),
    diagonal: Names = (),
    orthogonal: Names = (),
    positive_definite: Names = (),
) -> Expression:
    """Read a matrix expression.

    By name, capital letters are matrices, small letters column vectors, and Greek letters written
    out (``alpha``, ``lambda``) scalars; longer names follow their first letter.

    Parameters
    ----------
    text : str
        ``+ - * / ^``, ``'`` for the transpose, elementwise ``.* ./ .^``, numbers, parentheses; the
        functions ``tr det logdet inv adj expm sinm cosm norm norm1 sum diag kron vec conj`` and,
        elementwise, ``exp log sqrt sin cos tan tanh abs sign sigmoid softplus relu``; the constants
        ``I``, ``ones``, ``zeros``, matrices of the size that their place demands, or of a named
        one, as in ``ones(n)`` for a column and ``zeros(m, 3)``. ``X^k`` is a matrix power,
        ``X^-1`` is ``inv(X)``, ``expm`` the exponential of a matrix.
        ``logdet(X)`` is log(abs(det X)); ``norm`` is the Euclidean or Frobenius norm, ``norm1`` the
        sum of absolute values; ``vec`` stacks columns; ``diag`` makes a matrix of a vector and a
        vector of a matrix.
    scalars, vectors, matrices : str or iterable of str
        Names that are not what they would be by convention.
    symmetric, diagonal, orthogonal, positive_definite : str or iterable of str
        Names of matrices that are known to be so; a positive definite one is symmetric, too.

    Returns
    -------
    Expression

    Raises
    ------
    ParseError
        If the text is not an expression: a ValueError that shows the place and what was expected.
    DimensionError
        If the dimensions do not agree: a ValueError that shows the two places.
    ValueError
        If a keyword names no variable of the text, or keywords contradict each other.

    Examples
    --------
    >>> f = parse("tr(X*A*X'*Q)")
    >>> f.shapes
    {'X': ('n', 'm'), 'A': ('m', 'm'), 'Q': ('n', 'n')}
    >>> parse("tr(A*x)")
    Traceback (most recent call last):
        ...
    matgrad.expression.inference.DimensionError: tr needs a square matrix; A*x is n x 1
        tr(A*x)
           ^^^
    """
    declarations = Declarations(
        scalars=scalars,
        vectors=vectors,
        matrices=matrices,
        symmetric=symmetric,
        diagonal=diagonal,
        orthogonal=orthogonal,
        positive_definite=positive_definite,
    )
    try:
        expression = _Parser(text, declarations).expression()
        infer((expression,))
    except RecursionError:
        raise ParseError("the expression nests too deeply", text, 0, len(text)) from None
    declarations.refuse_unused(expression.variables, text)
    return expression


class _Parser:
    """One pass over the tokens of a text, one token ahead."""

    def __init__(self, text: str, declarations: Declarations) -> None:
        self.text = text
        self.declarations = declarations
        self.tokens = tokens(text)
        self.token = next(self.tokens)
        self.end = 0

    def expression(self) -> Expression:
        """Read the whole text."""
        expression = self.operand(0)
        if self.token.category in ("number", "name") or self.token.text == "(":
            raise self.unexpected("an operator such as '*'")
        if self.token.category != "end":
            raise self.unexpected("an operator or the end")
        return expression

    def operand(self, strength: int) -> Expression:
        """Read as far as operators bind more tightly than `strength`."""
        start = self.token.start
        left = self.prefix(strength)
        while True:
            sign = self.token.text
            if sign == "'" and strength < TRANSPOSE:
                self.advance()
                left = Transpose(left)
            elif sign in INFIX and INFIX[sign][0] > strength:
                _, after, build = INFIX[sign]
                self.advance()
                left = self.built(start, build, left, self.operand(after))
            else:
                return left

    def prefix(self, strength: int) -> Expression:
        """Read what can begin an operand."""
        token = self.advance()
        if token.category == "number":
            return self.built(token.start, _number, token.text)
        if token.category == "name":
            return self.named(token)
        if token.text == "(":
            inner = self.operand(0)
            self.expect(")", "an operator or ')'")
            return inner
        if token.text == "-":
            return Negation(self.operand(max(strength, PREFIX_MINUS)))
        raise self.unexpected("an operand, such as a name, a number or '('", token)

    def named(self, name: Token) -> Expression:
        """Read what begins with a name: a constant, a call or a variable."""
        if name.text in CONSTANTS:
            return self.constant(name)
        if name.text in FUNCTIONS:
            self.expect("(", f"'(' after the function {name.text}")
            arguments = self.separated(lambda: self.operand(0))
            return self.built(name.start, Call.of, name.text, *arguments)
        if self.token.text == "(":
            hint = suggestion(name.text, FUNCTIONS) or f"; a product is {name.text}*(...)"
            raise self.error(f"there is no function {name.text}{hint}", name.start, name.end)
        return self.built(name.start, self.declarations.variable, name.text)

    def constant(self, name: Token) -> Expression:
        """Read a constant, with its dimensions if it has any."""
        if self.token.text != "(":
            return Constant(name.text)
        self.advance()
        dimensions = self.separated(self.dimension)
        most = 1 if name.text == "I" else 2
        if len(dimensions) > most:
            problem = f"{name.text} takes at most {most} dimensions; got {len(dimensions)}"
            raise self.error(problem, name.start, self.token.start)
        return Constant(name.text, tuple(dimensions))

    def dimension(self) -> Dimension:
        """Read a dimension: a positive integer, a name, or a product of such."""
        factors = [self.dimension_factor()]
        while self.token.text == "*":
            self.advance()
            factors.append(self.dimension_factor())
        return product_of(factors)

    def dimension_factor(self) -> Dimension:
        """Read a positive integer or a name."""
        token = self.advance()
        if token.category == "name":
            return Dimension.symbol(token.text)
        if token.text.isdigit() and len(token.text) <= LONGEST_SIZE and int(token.text) > 0:
            return Dimension(int(token.text))
        raise self.unexpected("a dimension, such as n or 3", token)

    def separated(self, item: Callable[[], Item]) -> list[Item]:
        """Read items between commas, and the closing parenthesis."""
        items = [item()]
        while self.token.text == ",":
            self.advance()
            items.append(item())
        self.expect(")", "an operator, ',' or ')'")
        return items

    def built(self, start: int, build: Callable[..., Expression], *parts: Any) -> Expression:
        """Return what `build` makes of parts; what it refuses is shown at its place in the text."""
        try:
            return build(*parts)
        except ValueError as refusal:
            raise self.error(str(refusal), start, self.end) from None

    def advance(self) -> Token:
        """Return the present token and go to the next one."""
        token = self.token
        if token.category != "end":
            self.end, self.token = token.end, next(self.tokens)
        return token

    def expect(self, sign: str, description: str) -> None:
        """Go past a sign that must come now."""
        if self.token.text != sign:
            raise self.unexpected(description)
        self.advance()

    def unexpected(self, expected: str, token: Token | None = None) -> ParseError:
        """Return the error of a token that stands where something else must."""
        token = token or self.token
        return self.error(f"expected {expected}, but found {token}", token.start, token.end)

    def error(self, problem: str, start: int, end: int) -> ParseError:
        """Return an error at a place of the text."""
        return ParseError(problem, self.text, start, end)


def _number(text: str) -> Expression:
    value = float(text)
    return lift(int(text) if text.isdigit() and isfinite(value) else value)
