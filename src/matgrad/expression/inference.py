"""The dimensions of expressions, from the expressions alone; conflicts that show where they are."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeAlias

from matgrad.expression.dimension import Dimension, Kind, Shape
from matgrad.expression.expression import NO_CONDITIONS, Expression
from matgrad.expression.functions import Axis
from matgrad.expression.nodes import Constant, Variable
from matgrad.expression.text import Path, text_and_spans
from matgrad.expression.unification import Unifier

Equation: TypeAlias = tuple[Dimension, Dimension]

# How deep an expression may be, so that Python's stack is enough for all that walks it.
DEEPEST = 100


class DimensionError(ValueError):
    """Dimensions that do not agree; the message shows the places."""


class Inference(NamedTuple):
    """What is known of the dimensions of some expressions taken together.

    Parameters
    ----------
    expressions : tuple of Expression
        The expressions, with the dimensions of their constants filled in.
    results : tuple of Shape
        Rows and columns of the expressions.
    shapes : mapping of Variable to Shape
        Rows and columns of the variables, in the order in which they are read.
    equations : tuple of Equation
        What only sizes can decide: products of dimensions, as ``kron`` and ``vec`` make them.
    constants : tuple of Constant
        The constants of the expressions.
    """

    expressions: tuple[Expression, ...]
    results: tuple[Shape, ...]
    shapes: Mapping[Variable, Shape]
    equations: tuple[Equation, ...]
    constants: tuple[Constant, ...]


@lru_cache(maxsize=1024)
def infer(
    expressions: tuple[Expression, ...], like: tuple[Expression | None, ...] = ()
) -> Inference:
    """Infer the dimensions of expressions that share their variables.

    Parameters
    ----------
    expressions : tuple of Expression
        The expressions.
    like : tuple of Expression or None, optional
        For each expression another one that has its shape, as the variable has that of a gradient:
        ``I`` alone does not tell that it is as large as X. Its variables are among the result's.

    Raises
    ------
    DimensionError
        If the dimensions do not agree.
    ValueError
        If two different variables have the same name, or an expression is more than `DEEPEST` deep.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> infer((parse("I"),), like=(parse("X"),)).expressions
    (parse('I(n)'),)
    """
    survey = _Survey()
    results = [survey.visit(root, root, ()) for root in expressions]
    sizes = tuple(survey.constants)
    for root, result, model in zip(expressions, results, like, strict=False):
        if model is not None:
            survey.equate_roots(root, result, model)
    for _, _, origin in survey.unifier.settle():
        raise DimensionError(f"the dimensions of {origin} do not agree")
    return survey.inference(expressions, results, sizes)


class _Survey:
    """A walk over expressions that unifies what every node demands."""

    def __init__(self) -> None:
        self.unifier = Unifier[Expression]()
        self.variables: dict[str, Variable] = {}
        self.constants: list[tuple[Dimension, ...]] = []

    def visit(self, root: Expression, node: Expression, path: Path) -> Shape:
        """Return the shape of a node, after unifying what it and all below it demand."""
        if len(path) > DEEPEST:
            raise ValueError(f"an expression is at most {DEEPEST} levels deep")
        if isinstance(node, Variable):
            self.register(root, node)
        if isinstance(node, Constant):
            node = self.sized(node)
        shapes = [self.visit(root, child, (*path, k)) for k, child in enumerate(node.children)]
        return node.shape_of(shapes, _Demands(self.unifier, root, node, path, shapes))

    def register(self, root: Expression, variable: Variable) -> None:
        """Note a variable, which must be what its name was before."""
        known = self.variables.setdefault(variable.name, variable)
        if known != variable:
            raise ValueError(
                f"{root} has {variable.name} both as {known.description} "
                f"and as {variable.description}"
            )

    def sized(self, constant: Constant) -> Constant:
        """Return a constant with dimensions, new symbols where it has none."""
        missing = 1 if constant.name == "I" else 2
        dimensions = constant.dimensions or tuple(self.unifier.symbol() for _ in range(missing))
        self.constants.append(dimensions)
        return Constant(constant.name, dimensions)

    def equate_roots(self, root: Expression, shape: Shape, model: Expression) -> None:
        """Make the shape of an expression that of another one."""
        wanted = self.visit(model, model, ())
        if not all(self.unifier.equate(*pair, model) for pair in zip(shape, wanted, strict=True)):
            is_now, should_be = _in_words(self.unifier, (shape, wanted))
            raise DimensionError(
                f"{root} is {is_now}, and should be {should_be}, the shape of {model}"
            )

    def inference(
        self,
        expressions: tuple[Expression, ...],
        results: Sequence[Shape],
        constants: Sequence[tuple[Dimension, ...]],
    ) -> Inference:
        """Return what has been found, with names for the symbols."""
        shapes = {v: v.shape_of((), NO_CONDITIONS) for v in self.variables.values()}
        equations = self.unifier.open_equations
        everything = chain(*shapes.values(), *results, *constants, *equations)
        name = self.unifier.naming(everything)
        sized = list[Constant]()
        dimensions = iter([tuple(map(name, each)) for each in constants])

        def fill(node: Expression) -> Expression:
            if not isinstance(node, Constant):
                return node
            sized.append(Constant(node.name, next(dimensions)))
            return sized[-1]

        return Inference(
            tuple(expression.transform(fill) for expression in expressions),
            tuple((name(rows), name(columns)) for rows, columns in results),
            {v: (name(rows), name(columns)) for v, (rows, columns) in shapes.items()},
            tuple((name(first), name(second)) for first, second in equations),
            tuple(dict.fromkeys(sized)),
        )


class _Demands:
    """The demands of one node, met by unification; what cannot be met is an error."""

    def __init__(
        self,
        unifier: Unifier[Expression],
        root: Expression,
        node: Expression,
        path: Path,
        shapes: Sequence[Shape],
    ) -> None:
        self.unifier, self.root, self.node, self.path = unifier, root, node, path
        self.shapes = shapes

    def same(self, first: Axis, second: Axis) -> None:
        """Unify two dimensions of the children."""
        (one, rows), (other, columns) = first, second
        dimensions = self.shapes[one][rows], self.shapes[other][columns]
        if not self.unifier.equate(*dimensions, self.node):
            raise self.conflict(sorted({one, other}), dimensions)

    def scalar(self, child: int) -> None:
        """Demand that a child is a scalar."""
        if Kind.of(self.shapes[child]) is not Kind.SCALAR:
            raise self.conflict([child], ())

    def conflict(self, children: Sequence[int], dimensions: Sequence[Dimension]) -> DimensionError:
        """Return the error that says which children do not fit, and shows them."""
        in_words = _in_words(self.unifier, [self.shapes[child] for child in children])
        nodes = [self.node.children[child] for child in children]
        what = " and ".join(f"{a} is {b}" for a, b in zip(nodes, in_words, strict=True))
        numbers = [d for d in dimensions if not self.unifier.resolved(d).symbols]
        origins = map(self.unifier.origin, numbers)
        why = "".join(f", because of {origin}" for origin in origins if origin is not None)
        places = [(*self.path, child) for child in children]
        return DimensionError(f"{self.node.demand}; {what}{why}\n{_shown(self.root, places)}")


def _in_words(unifier: Unifier[Expression], shapes: Sequence[Shape]) -> list[str]:
    """Return shapes in words, such as "n x 3"."""
    name = unifier.naming(chain(*shapes))
    return [f"{name(rows)} x {name(columns)}" for rows, columns in shapes]


def _shown(root: Expression, places: Sequence[Path]) -> str:
    """Return the text of an expression with carets under places in it."""
    text, spans = text_and_spans(root, places)
    carets = [" "] * len(text)
    for start, end in spans:
        carets[start:end] = "^" * (end - start)
    return f"    {text}\n    {''.join(carets).rstrip()}"
