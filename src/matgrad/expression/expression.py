"""What every expression is and can do: a tree, questions about it, and arithmetic with it.

What answers a question, and the nodes that arithmetic makes, are imported when they are asked for:
they build on this class.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from matgrad.expression.dimension import Dimension, Kind, Shape, Size
from matgrad.expression.functions import Axis, Conditions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from matgrad.expression.nodes import Variable

Operand: TypeAlias = "Expression | int | float"


class Expression:
    """A matrix expression.

    Expressions come from `parse`, or from others by ``+``, ``-``, ``*`` (or ``@``), ``/``, ``**``
    and ``.T``, where numbers may stand for themselves. They are immutable, equal when their
    structure is, hashable, and can be pickled.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> residual = parse("X*w - y")
    >>> print(residual.T * residual / 2)
    (X*w - y)'*(X*w - y)/2
    >>> residual.shape, residual.shapes
    (('n',), {'X': ('n', 'm'), 'w': ('m',), 'y': ('n',)})
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()

    @property
    def children(self) -> "tuple[Expression, ...]":
        """The nodes right below this one, in the order in which they are read: its fields."""
        return self._identity[1:]

    def rebuild(self, children: "Sequence[Expression]") -> "Expression":
        """Return the same node above other children, flattened as it would be at first."""
        node: Expression = self._identity[0](*children)
        return node

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of the node over children of these shapes, demanding what must hold."""
        raise NotImplementedError

    @property
    def demand(self) -> str:
        """What the node demands of its children's shapes, for the error when they do not fit."""
        return ""

    @cached_property
    def kind(self) -> Kind:
        """Whether it is a scalar, a column, a row or a matrix."""
        some = Dimension.symbol("?")
        shapes = [child.kind.shape(some, some) for child in self.children]
        return Kind.of(self.shape_of(shapes, NO_CONDITIONS))

    @cached_property
    def node_count(self) -> int:
        """How many nodes it has, a node counted as often as it is written."""
        return 1 + sum(child.node_count for child in self.children)

    @property
    def is_scalar(self) -> bool:
        """Whether it is a scalar."""
        return self.kind is Kind.SCALAR

    def walk(self) -> "Iterator[Expression]":
        """Yield this node and all below it, a node before its children."""
        yield self
        for child in self.children:
            yield from child.walk()

    def transform(self, change: "Callable[[Expression], Expression]") -> "Expression":
        """Return the expression with `change` applied to every node, children first."""
        return change(self._over(tuple(child.transform(change) for child in self.children)))

    def substitute(self, replacements: "Mapping[Expression, Expression]") -> "Expression":
        """Return the expression with every node that `replacements` names replaced.

        Examples
        --------
        >>> from matgrad.expression import parse
        >>> print(parse("tr(A*X)").substitute({parse("X"): parse("X + B*C")}))
        tr(A*(X + B*C))
        """
        if self in replacements:
            return replacements[self]
        return self._over(tuple(child.substitute(replacements) for child in self.children))

    def _over(self, children: "tuple[Expression, ...]") -> "Expression":
        return self if children == self.children else self.rebuild(children)

    def __setattr__(self, field: str, value: object) -> None:
        # A frozen dataclass would cost three times as much to import, and spare its subclasses.
        if field not in self.__match_args__ or field in self.__dict__:
            raise AttributeError(f"expressions are immutable; {field} of {self} cannot be set")
        self.__dict__[field] = value

    def __delattr__(self, field: str) -> None:
        raise AttributeError(f"expressions are immutable; {field} of {self} cannot be deleted")

    @cached_property
    def _identity(self) -> tuple[Any, ...]:
        return (type(self), *(getattr(self, field) for field in self.__match_args__))

    @cached_property
    def _hash(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Expression):
            return NotImplemented
        return self._hash == other._hash and self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        # Without what is cached: hashes of strings differ from process to process.
        return self._identity[0], self._identity[1:]

    @property
    def variables(self) -> "dict[str, Variable]":
        """The variables by name, in the order in which they are read."""
        from matgrad.expression.nodes import Variable

        return {node.name: node for node in self.walk() if isinstance(node, Variable)}

    @property
    def shape(self) -> tuple[Size, ...]:
        """The symbolic shape of a result: (), ("n",), (1, "n") or ("n", "m").

        Raises
        ------
        DimensionError
            If the dimensions do not agree.
        """
        from matgrad.expression.inference import infer

        return _sizes(self.kind, infer((self,)).results[0])

    @property
    def shapes(self) -> dict[str, tuple[Size, ...]]:
        """The symbolic shape of every variable, as this expression demands it."""
        from matgrad.expression.inference import infer

        shapes = infer((self,)).shapes
        return {variable.name: _sizes(variable.kind, shapes[variable]) for variable in shapes}

    @property
    def declarations(self) -> dict[str, tuple[str, ...]]:
        """The keywords that `parse` needs beside the text to read the same expression."""
        from matgrad.expression.names import declarations

        return declarations(self.variables.values())

    def evaluate(self, /, **arrays: "ArrayLike") -> "NDArray[Any]":
        """Return the value for given arrays, one for each variable.

        Parameters
        ----------
        **arrays : array_like
            ``(...)`` for a scalar, ``(..., n)`` for a column vector, ``(..., n, m)`` for a matrix;
            the leading axes are batch axes and broadcast.

        Returns
        -------
        ndarray
            Shape ``()`` for a scalar, ``(n,)`` for a column, ``(1, n)`` for a row, ``(m, n)`` for a
            matrix, behind the batch axes. float32 stays float32, integers become float64, complex
            numbers stay complex. It shares no memory with an argument.

        Raises
        ------
        TypeError
            If an array is missing, has no variable, or has a dtype that is not supported.
        ValueError
            If a shape does not fit.

        Notes
        -----
        A singular matrix gives NaN in its own results alone, as in `matgrad.inv`.
        ``logdet(X)`` is log(abs(det X)), as in the Matrix Cookbook, eq. 57, and for complex X its
        analytic continuation, with an imaginary part in (-pi/2, pi/2].

        Examples
        --------
        >>> from matgrad.expression import parse
        >>> float(parse("x'*A*x").evaluate(x=[1.0, 2.0], A=[[2.0, 0.0], [0.0, 3.0]]))
        14.0
        """
        from matgrad.expression.evaluation import evaluate

        return evaluate((self,), arrays)[0]

    def gradient(self, wrt: str) -> "Expression":
        """Return the gradient of a scalar by a variable, in the shape of the variable.

        Of a vector by a vector it is the transposed Jacobian, of anything by a scalar the
        derivative, else the differential, with ``dX`` for the increment of ``X``; see
        `matgrad.derive`, which also tells the steps and the conditions.

        Examples
        --------
        >>> from matgrad.expression import parse
        >>> print(parse("logdet(X'*A*X)").gradient("X"))
        A*X*inv(X'*A*X) + A'*X*inv(X'*A*X)'
        """
        from matgrad.calculus import derive

        return derive(self, wrt).result

    def latex(self) -> str:
        r"""Return the expression in LaTeX.

        Examples
        --------
        >>> from matgrad.expression import parse
        >>> print(parse("x'*inv(A)*x/2").latex())
        \frac{x^{\top} A^{-1} x}{2}
        """
        from matgrad.expression.notations import latex

        return latex(self)

    def unicode(self) -> str:
        """Return the expression with the signs of mathematics.

        Examples
        --------
        >>> from matgrad.expression import parse
        >>> print(parse("tr(A .* inv(Sigma)') + norm(x)^2").unicode())
        tr(A ⊙ Σ⁻ᵀ) + ‖x‖²
        """
        from matgrad.expression.notations import unicode

        return unicode(self)

    def __str__(self) -> str:
        from matgrad.expression.text import text

        return text(self)

    def __repr__(self) -> str:
        keywords = [f", {keyword}={names!r}" for keyword, names in self.declarations.items()]
        return f"parse({str(self)!r}{''.join(keywords)})"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    # An array is no operand: NumPy must not spread `array * expression` over its elements.
    __array_ufunc__ = None

    def __add__(self, other: Operand) -> "Expression":
        return _sum(self, other)

    def __radd__(self, other: Operand) -> "Expression":
        return _sum(other, self)

    def __sub__(self, other: Operand) -> "Expression":
        return _sum(self, _negation(other))

    def __rsub__(self, other: Operand) -> "Expression":
        return _sum(other, -self)

    def __neg__(self) -> "Expression":
        return _negation(self)

    def __mul__(self, other: Operand) -> "Expression":
        return _product(self, other)

    def __rmul__(self, other: Operand) -> "Expression":
        return _product(other, self)

    __matmul__ = __mul__
    __rmatmul__ = __rmul__

    def __truediv__(self, other: Operand) -> "Expression":
        return _quotient(self, other)

    def __rtruediv__(self, other: Operand) -> "Expression":
        return _quotient(other, self)

    def __pow__(self, exponent: Operand) -> "Expression":
        return _power(self, exponent)

    def __rpow__(self, base: Operand) -> "Expression":
        return _power(base, self)

    @property
    def T(self) -> "Expression":
        """The transpose."""
        from matgrad.expression.nodes import Transpose

        return Transpose(self)


def _sizes(kind: Kind, shape: Shape) -> tuple[Size, ...]:
    return tuple(dimension.size for dimension in kind.visible(shape))


def _sum(*terms: Operand) -> Expression:
    from matgrad.expression.nodes import Sum

    return Sum.of(*terms)


def _negation(operand: Operand) -> Expression:
    from matgrad.expression.nodes import Negation, lift

    return Negation(lift(operand))


def _product(*factors: Operand) -> Expression:
    from matgrad.expression.nodes import Product

    return Product.of(*factors)


def _quotient(numerator: Operand, denominator: Operand) -> Expression:
    from matgrad.expression.nodes import Quotient, lift

    return Quotient(lift(numerator), lift(denominator))


def _power(base: Operand, exponent: Operand) -> Expression:
    from matgrad.expression.nodes import Power

    return Power.of(base, exponent)


class _NoConditions:
    """Demands nothing: a kind is asked for before it is known whether the shapes agree."""

    def same(self, first: Axis, second: Axis) -> None:
        pass

    def scalar(self, child: int) -> None:
        pass


NO_CONDITIONS: Conditions = _NoConditions()
