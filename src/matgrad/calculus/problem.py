"""What is to be derived: an expression, what varies in it, and the shapes of all parts."""

from collections.abc import Callable, Sequence
from functools import cached_property

from matgrad.expression.dimension import ONE, Shape
from matgrad.expression.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.nodes import Constant, Number, Variable


class Problem:
    """An expression and the variables that vary.

    Parameters
    ----------
    value : Expression
        The function.
    names : sequence of str
        The variables that vary.

    Raises
    ------
    ValueError
        If the expression has no variable of a name.
    """

    def __init__(self, value: Expression, names: Sequence[str]) -> None:
        variables = value.variables
        for name in names:
            if name not in variables:
                listed = ", ".join(variables) or "none"
                raise ValueError(f"derive: {value} has no variable {name}; it has {listed}")
        self.value = value
        self.variables = tuple(variables[name] for name in names)

    @property
    def variable(self) -> Variable:
        """The variable that varies, the first one of several."""
        return self.variables[0]

    @cached_property
    def sized(self) -> Expression:
        """The function, with dimensions for all constants."""
        return infer((self.value,)).expressions[0]

    def increment(self, variable: Variable, prefix: str = "d") -> Variable:
        """Return the increment of a variable, of another name than all variables."""
        name = f"{prefix}{variable.name}"
        while name in self.value.variables:
            name += "_"
        structure = variable.structure & {"diagonal", "symmetric"}
        if variable.is_symmetric:
            structure |= {"symmetric"}
        return Variable(name, variable.declared, structure)

    def shapes(self, *increments: Variable) -> Callable[[Expression], Shape]:
        """Return what tells the shape of a part, in which increments may stand."""
        models = (None, None, *self.variables[: len(increments)])

        def shape(part: Expression) -> Shape:
            return infer((self.sized, part, *increments), models).results[1]

        return shape

    def bare(self, result: Expression, model: Expression | None = None) -> Expression:
        """Return a result whose identities have no dimensions where their places tell them.

        `model` has the shape of the result.
        """
        bare = result.transform(_without_dimensions)
        return bare if _sized(bare, model) == _sized(result, model) else result

    def zeros(self, model: Expression) -> Expression:
        """Return zeros in the shape of an expression."""
        if model.is_scalar:
            return Number(0)
        rows, columns = self.shapes()(model)
        return Constant("zeros", (rows,) if columns == ONE else (rows, columns))


def _without_dimensions(node: Expression) -> Expression:
    return Constant("I") if isinstance(node, Constant) and node.name == "I" else node


def _sized(expression: Expression, model: Expression | None) -> Expression:
    return infer((expression,), (model,)).expressions[0]
