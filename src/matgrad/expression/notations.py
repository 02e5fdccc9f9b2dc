"""Expressions as mathematics is written: in LaTeX and in Unicode, factors side by side."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.names import GREEK, stem_and_index
from matgrad.expression.nodes import (
    Call,
    Constant,
    Differential,
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

# How tightly a reader takes the signs to bind; only an atom carries a superscript.
SUM, NEGATION, ELEMENTWISE, PRODUCT, FACTOR, ATOM = range(6)


def latex(expression: Expression) -> str:
    """Return an expression in LaTeX."""
    return _Latex().show(expression, SUM)


def unicode(expression: Expression) -> str:
    """Return an expression in Unicode."""
    return _Unicode().show(expression, SUM)


# The capitals that LaTeX has commands for; the others look like Latin letters.
CAPITALS = frozenset(
    {"Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi"} | {"Sigma", "Upsilon", "Phi", "Psi", "Omega"}
)

RAISED = str.maketrans("0123456789-ᵀ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ")
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class _Notation(ABC):
    """Writes a tree; a subclass says what the signs look like."""

    brackets: tuple[str, str]
    times: str
    by: str
    hadamard: str
    hadamard_quotient: str
    constants: ClassVar[Mapping[str, str]]
    transposed: str
    differential: str
    functions: ClassVar[Mapping[str, str]]

    def show(self, node: Expression, least: int) -> str:
        """Write a node, in parentheses if it binds less tightly than `least`."""
        written, strength = self.write(node)
        return written.join(self.brackets) if strength < least else written

    def write(self, node: Expression) -> tuple[str, int]:
        """Return what a node looks like, and how tightly it binds."""
        match node:
            case Number(value):
                return self.number(value)
            case Variable(name):
                stem, index = stem_and_index(name)
                return self.word(stem) + self.subscript(self.word(index)), ATOM
            case Constant(name, dimensions):
                size = self.by.join(map(str, dimensions))
                return self.constants[name] + self.subscript(size), ATOM
            case Sum(terms):
                return self.sum(terms), SUM
            case Negation(operand):
                return "-" + self.show(operand, ELEMENTWISE), NEGATION
            case Product(factors):
                return self.product(factors), PRODUCT
            case Quotient(numerator, denominator):
                return self.quotient(numerator, denominator)
            case ElementwiseProduct(factors):
                return self.hadamard.join(self.show(f, PRODUCT) for f in factors), ELEMENTWISE
            case ElementwiseQuotient():
                sides = (self.show(side, PRODUCT) for side in node.children)
                return self.hadamard_quotient.join(sides), ELEMENTWISE
            case Transpose(Call("inv", (matrix,))):
                return self.raised(matrix, f"-{self.transposed}")
            case Transpose(operand):
                return self.raised(operand, self.transposed)
            case Power(base, exponent):
                return self.raised(base, self.show(exponent, SUM))
            case ElementwisePower(base, exponent):
                return self.raised(base, self.show(exponent, SUM), self.hadamard.strip())
            case Call():
                return self.call(node)
            case Differential(operand):
                return self.differential + self.show(operand, SUM).join(self.brackets), ATOM
        raise TypeError(f"there is no notation for {type(node).__name__}")

    def number(self, value: float) -> tuple[str, int]:
        """Write a number, a power of ten where Python would."""
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent:
            return mantissa, ATOM
        multiple = "" if mantissa == "1" else mantissa + self.times
        return f"{multiple}10{self.superscript(str(int(exponent)))}", FACTOR

    def sum(self, terms: Sequence[Expression]) -> str:
        """Write terms between plus and minus signs."""
        written = self.show(terms[0], NEGATION)
        for term in terms[1:]:
            taken = isinstance(term, Negation)
            written += " - " if taken else " + "
            written += self.show(term.children[0] if taken else term, ELEMENTWISE)
        return written

    def product(self, factors: Sequence[Expression]) -> str:
        """Write factors side by side, with a sign where two numbers would become one."""
        first, *others = (self.show(factor, FACTOR) for factor in factors)
        return first + "".join((self.times if f[0].isdigit() else " ") + f for f in others)

    def raised(self, base: Expression, exponent: str, sign: str = "") -> tuple[str, int]:
        """Write a base with an exponent, before which a sign may stand."""
        return self.show(base, ATOM) + self.superscript(exponent, sign), FACTOR

    def call(self, node: Call) -> tuple[str, int]:
        """Write a function by its template, or as a sign where it has one."""
        if node.function == "kron":
            sides = (self.show(side, PRODUCT) for side in node.arguments)
            return self.functions["kron"].join(sides), ELEMENTWISE
        if node.function == "inv":
            return self.raised(node.arguments[0], "-1")
        written = self.functions[node.function].replace("#", self.show(node.arguments[0], SUM))
        if node.function == "norm" and node.arguments[0].kind is Kind.MATRIX:
            written += self.subscript("F")
        return written, FACTOR if node.function == "logdet" else ATOM

    @abstractmethod
    def word(self, word: str) -> str:
        """Write a name or an index of one: a Greek letter as such."""

    @abstractmethod
    def subscript(self, written: str) -> str:
        """Write an index; nothing for an empty one."""

    @abstractmethod
    def superscript(self, written: str, sign: str = "") -> str:
        """Write an exponent, before which a sign may stand."""

    @abstractmethod
    def quotient(self, numerator: Expression, denominator: Expression) -> tuple[str, int]:
        """Write a quotient, and how tightly that binds."""


class _Latex(_Notation):
    brackets = (r"\left(", r"\right)")
    times, by = r" \cdot ", r" \times "
    hadamard, hadamard_quotient = r" \odot ", r" \oslash "
    constants: ClassVar = {"I": "I", "ones": r"\mathbf{1}", "zeros": r"\mathbf{0}"}
    transposed = r"\top"
    differential = r"\mathrm{d}"
    functions: ClassVar = {name: record.latex for name, record in FUNCTIONS.items()}

    def word(self, word: str) -> str:
        if word == "omicron":
            return "o"
        if word in GREEK or word in CAPITALS:
            return f"\\{word}"
        plain = len(word) <= 1 or word.isdigit()
        return word if plain else rf"\mathrm{{{word}}}".replace("_", r"\_")

    def subscript(self, written: str) -> str:
        return f"_{{{written}}}" if written else ""

    def superscript(self, written: str, sign: str = "") -> str:
        return f"^{{{sign} {written}}}" if sign else f"^{{{written}}}"

    def quotient(self, numerator: Expression, denominator: Expression) -> tuple[str, int]:
        return rf"\frac{{{self.show(numerator, SUM)}}}{{{self.show(denominator, SUM)}}}", FACTOR


class _Unicode(_Notation):
    brackets = ("(", ")")
    times, by = "·", "×"
    hadamard, hadamard_quotient = " ⊙ ", " ⊘ "
    constants: ClassVar = {"I": "I", "ones": "1", "zeros": "0"}
    transposed = "ᵀ"
    differential = "d"
    functions: ClassVar = {name: record.unicode for name, record in FUNCTIONS.items()}

    def word(self, word: str) -> str:
        letter = GREEK.get(word.lower(), word)
        return letter.upper() if word[:1].isupper() and letter != word else letter

    def subscript(self, written: str) -> str:
        if written.isdigit():
            return written.translate(LOWERED)
        index = f"({written})" if self.by in written else written
        return f"_{index}" if index else ""

    def superscript(self, written: str, sign: str = "") -> str:
        if all(ord(letter) in RAISED for letter in written):
            return sign + written.translate(RAISED)
        return f"{sign}^{written}" if len(written) == 1 else f"{sign}^({written})"

    def quotient(self, numerator: Expression, denominator: Expression) -> tuple[str, int]:
        sides = f"{self.show(numerator, PRODUCT)}/{self.show(denominator, FACTOR)}"
        return sides, ELEMENTWISE
