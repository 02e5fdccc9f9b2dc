"""The sizes of constants: known while deriving, left out where a place tells them.

Inside a derivation every ``I``, ``ones`` and ``zeros`` has its dimensions, so that nothing that
cancels takes the only trace of a size with it. A result is written without those that its place
tells anyway, and one that no variable of the result shows is measured on another variable: in the
derivative tr(I) of alpha*tr(X*inv(X)) the identity becomes ``diag((X*ones(n)).^0)``.
"""

from collections.abc import Iterable, Iterator, Mapping

from matgrad.expression.dimension import ONE, Dimension, Shape
from matgrad.expression.expression import NO_CONDITIONS, Expression
from matgrad.expression.inference import Inference, infer
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwisePower,
    Number,
    Product,
    Transpose,
    Variable,
)


class Shapes:
    """Rows and columns of every part of expressions whose constants have their dimensions.

    Parameters
    ----------
    variables : mapping of Variable to Shape
        Rows and columns of the variables.
    """

    def __init__(self, variables: Mapping[Variable, Shape]) -> None:
        self.variables = dict(variables)
        self._known: dict[Expression, Shape] = dict(variables.items())

    def __call__(self, part: Expression) -> Shape:
        """Return rows and columns of a part."""
        if part not in self._known:
            shapes = [self(child) for child in part.children]
            self._known[part] = part.shape_of(shapes, NO_CONDITIONS)
        return self._known[part]

    def with_variables(self, variables: Mapping[Variable, Shape]) -> "Shapes":
        """Return the shapes with more variables known."""
        return Shapes(self.variables | dict(variables))

    def identity(self, part: Expression) -> Expression:
        """Return the identity with as many rows as a part."""
        return Constant("I", (self(part)[0],))

    def zeros(self, part: Expression) -> Expression:
        """Return zeros in the shape of a part."""
        if part.is_scalar:
            return Number(0)
        rows, columns = self(part)
        return Constant("zeros", (rows,) if columns == ONE else (rows, columns))

    def settled(self, result: Expression, model: Expression | None = None) -> Expression:
        """Return a result without the dimensions that places tell, and all others measurable.

        `model` has the shape of the result, where an evaluation of it will know that.
        """
        return self._measurable(self._bare(result, model), model)

    # ---- dimensions that places tell --------------------------------------------------------

    def _bare(self, result: Expression, model: Expression | None) -> Expression:
        barest = bare(result)
        if barest == result or self._sized(barest, model) == result:
            return barest
        for each in filter(_may_be_bare, _constants(result)):
            candidate = _replaced(result, {each: Constant(each.name)})
            if self._sized(candidate, model) == self._sized(result, model):
                result = candidate
        return result

    def _sized(self, expression: Expression, model: Expression | None) -> Expression:
        """Return an expression with dimensions for all constants, in the names of these shapes."""
        variables = [each for each in self.variables if not each.is_scalar]
        models = [Constant("ones", self.variables[each]) for each in variables]
        return infer((expression, *variables), (model, *models)).expressions[0]

    # ---- dimensions that nothing tells ------------------------------------------------------

    def _measurable(self, result: Expression, model: Expression | None) -> Expression:
        inference = infer((result,), (model,))
        unknown = _unknown(inference)
        if not unknown:
            return result
        witnesses = {each: self._witness(each) for each in _constants(result)}
        lost = {
            each: witness
            for each, witness in witnesses.items()
            if witness is not None and unknown & {s for d in each.dimensions for s in d.symbols}
        }
        # What has been replaced may have told the size of what is left.
        return self._measurable(_replaced(result, lost), model) if lost else result

    def _witness(self, constant: Constant) -> Expression | None:
        """Return a constant as an expression that shows its size, None if no variable does."""
        columns = [self._ones(dimension) for dimension in constant.dimensions]
        match constant.name, columns:
            case "I", [Expression() as ones]:
                return Call.of("diag", ones)
            case "ones", [Expression() as ones]:
                return ones
            case "ones", [Expression() as ones, Expression() as others]:
                return Product.of(ones, Transpose(others))
            case "zeros", [Expression() as ones]:
                return ones - ones
            case "zeros", [Expression() as ones, Expression() as others]:
                return Product.of(ones - ones, Transpose(others))
        return None

    def _ones(self, dimension: Dimension) -> Expression | None:
        """Return a column of ones of a length, made of a variable that has this length.

        Whatever the entries are, NaN too, their power 0 is 1.
        """
        if dimension == ONE:
            return Number(1)
        for variable, (rows, columns) in self.variables.items():
            column: Expression = variable
            if columns != ONE and rows == dimension:
                column = Product.of(variable, Constant("ones", (columns,)))
            elif columns == dimension:
                column = Product.of(Transpose(variable), Constant("ones", (rows,)))
            elif rows != dimension:
                continue
            return ElementwisePower(column, Number(0))
        return None


def shapes_of(
    expression: Expression, known: Mapping[Variable, Shape] | None = None
) -> tuple[Expression, Shapes]:
    """Return an expression with dimensions for all constants, and what tells its shapes.

    `known` are shapes of variables that it does not tell itself, as that they are square.
    """
    variables = [each for each in known or {} if not each.is_scalar]
    models = [Constant("ones", (known or {})[each]) for each in variables]
    inference = infer((expression, *variables), (None, *models))
    return inference.expressions[0], Shapes(inference.shapes)


def bare(expression: Expression) -> Expression:
    """Return an expression without the dimensions of constants, as one reads it at its place."""
    named = filter(_may_be_bare, _constants(expression))
    return _replaced(expression, {each: Constant(each.name) for each in named})


def _constants(expression: Expression) -> Iterable[Constant]:
    return dict.fromkeys(each for each in expression.walk() if isinstance(each, Constant))


def _may_be_bare(constant: Constant) -> bool:
    """Return whether a constant is of the same kind without its dimensions."""
    whole = len(constant.dimensions) == (1 if constant.name == "I" else 2)
    return whole and ONE not in constant.dimensions


def _replaced(expression: Expression, replacements: Mapping[Constant, Expression]) -> Expression:
    return expression.substitute(dict(replacements.items()))


def _unknown(inference: Inference) -> set[str]:
    """Return the symbols in the sizes of constants that no variable shows."""
    shown = set(_symbols(d for shape in inference.shapes.values() for d in shape))
    return set(_symbols(d for each in inference.constants for d in each.dimensions)) - shown


def _symbols(dimensions: Iterable[Dimension]) -> Iterator[str]:
    for dimension in dimensions:
        yield from dimension.symbols
