"""What is to be derived: an expression, what varies in it, and the shapes of all parts."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from matgrad.calculus.sizes import Shapes, shapes_of
from matgrad.expression.dimension import Shape
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Variable


class Problem:
    """An expression and the variables that vary.

    Parameters
    ----------
    value : Expression
        The function.
    names : sequence of str
        The variables that vary.
    known : mapping of Variable to Shape, optional
        Shapes that the function does not tell itself, as that a matrix is square.

    Raises
    ------
    ValueError
        If the expression has no variable of a name.
    """

    def __init__(
        self,
        value: Expression,
        names: Sequence[str],
        known: Mapping[Variable, Shape] | None = None,
    ) -> None:
        variables = value.variables
        for name in names:
            if name not in variables:
                listed = ", ".join(variables) or "none"
                raise ValueError(f"derive: {value} has no variable {name}; it has {listed}")
        self.value = value
        self.known = known
        self.variables = tuple(variables[name] for name in names)

    @property
    def variable(self) -> Variable:
        """The variable that varies, the first one of several."""
        return self.variables[0]

    @cached_property
    def sized(self) -> Expression:
        """The function, with dimensions for all constants."""
        return self._sized[0]

    @cached_property
    def shapes(self) -> Shapes:
        """What tells the shapes of parts, in which first and second increments may stand."""
        shapes = self._sized[1]
        return shapes.with_variables(
            {
                self.increment(variable, prefix): shapes(variable)
                for variable in self.variables
                for prefix in ("d", "e")
            }
        )

    @cached_property
    def _sized(self) -> tuple[Expression, Shapes]:
        return shapes_of(self.value, self.known)

    def increment(self, variable: Variable, prefix: str = "d") -> Variable:
        """Return the increment of a variable, of another name than all variables."""
        structure = variable.structure & {"diagonal", "symmetric"}
        if variable.is_symmetric:
            structure |= {"symmetric"}
        return Variable(self.fresh(f"{prefix}{variable.name}"), variable.declared, structure)

    def fresh(self, name: str) -> str:
        """Return a name that no variable has."""
        while name in self.value.variables:
            name += "_"
        return name
