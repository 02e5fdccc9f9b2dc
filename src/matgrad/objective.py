"""What an oracle computes, as expressions: a value, its gradients, its derivatives in a direction.

A scalar f of X, Y, ... has a gradient G_i for each variable, and in the direction (dX, dY, ...) the
Hessian product by X_j is the gradient of sum_i <G_i, dX_i> by X_j. A vector r has the product of
its Jacobian with a direction: the gradient by v of sum_i <gradient of r'v by X_i, dX_i>, which is
linear in v. So gradients of scalars are all that is asked of the engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, reduce
from operator import add

from matgrad.calculus import derive
from matgrad.calculus.sizes import Shapes
from matgrad.expression import Expression, Kind, Variable, parse
from matgrad.expression.expression import NO_CONDITIONS
from matgrad.expression.nodes import STRUCTURES, Call, Transpose
from matgrad.formulas import Formula
from matgrad.parametrizations import STRUCTURES as STRUCTURE_OF

Structure = str | Mapping[str, str] | None

# What a variable may be that moves: most directions lead away from the orthogonal matrices.
MOVING = ("symmetric", "positive_definite")


class Objective:
    """A scalar or a vector, as a function of some of its variables.

    Parameters
    ----------
    value : Expression
        A scalar, or a column of residuals.
    wrt : sequence of str
        The variables that move.
    gradients : sequence of Expression, optional
        The gradients of a scalar, where they are known.

    Raises
    ------
    ValueError
        If there is no such variable, it has a structure that it would lose, or the value is a
        matrix or a row.
    """

    def __init__(
        self, value: Expression, wrt: Sequence[str], gradients: Sequence[Expression] = ()
    ) -> None:
        # Read once: it takes a walk through the whole expression.
        self.declared = known = value.variables
        for name in wrt:
            if name not in known:
                raise ValueError(f"{value} has no variable {name}; it has {', '.join(known)}")
        if not wrt or len(set(wrt)) < len(wrt):
            raise ValueError(f"Oracle needs one or more different variables in wrt; got {wrt!r}")
        if value.kind not in (Kind.SCALAR, Kind.COLUMN):
            raise ValueError(f"Oracle needs a scalar or a column; {value} is a {value.kind.value}")
        for name in wrt:
            if refused := sorted(known[name].structure.difference(MOVING)):
                raise ValueError(
                    f"Oracle moves matrices that are {', '.join(MOVING)} or neither; "
                    f"{name} is {', '.join(refused)}"
                )
        self.value = value
        self.variables = tuple(known[name] for name in wrt)
        self.is_scalar = value.is_scalar
        if gradients:
            self.gradients = tuple(gradients)

    @cached_property
    def gradients(self) -> tuple[Expression, ...]:
        """The gradients of a scalar; none of a vector."""
        if not self.is_scalar:
            return ()
        return tuple(_gradient(self.value, variable) for variable in self.variables)

    @cached_property
    def directions(self) -> tuple[Variable, ...]:
        """A direction for each variable: dX, of the same kind, symmetric where X is."""
        found: list[Variable] = []
        for variable in self.variables:
            name = self._fresh(f"d{variable.name}", [each.name for each in found])
            structure = frozenset({"symmetric"} if variable.is_symmetric else ())
            found.append(Variable(name, variable.declared, structure))
        return tuple(found)

    @cached_property
    def products(self) -> tuple[Expression, ...]:
        """The Hessian products of a scalar by each variable, or the Jacobian product."""
        if self.is_scalar:
            along = self._along(self.gradients)
            return tuple(_gradient(along, variable) for variable in self.variables)
        weights = Variable(self._fresh("v"), Kind.COLUMN)
        weighted = Transpose(self.value) * weights
        gradients = [_gradient(weighted, variable) for variable in self.variables]
        return (_gradient(self._along(gradients), weights),)

    def expressions(self, order: int) -> tuple[Expression, ...]:
        """Return the value and its derivatives up to an order."""
        return (self.value, *self.gradients, *(self.products if order > 1 else ()))

    def models(self, order: int) -> tuple[Expression | None, ...]:
        """Return what has the shape of each of the expressions."""
        shapes = self.variables if self.is_scalar else (self.value,)
        first = (None, *(self.variables if self.is_scalar else ()))
        return (*first, *(shapes if order > 1 else ()))

    def _along(self, gradients: Iterable[Expression]) -> Expression:
        """Return the derivative in the direction, the sum of inner products."""
        return reduce(add, map(_inner_product, gradients, self.directions))

    def _fresh(self, name: str, taken: Sequence[str] = ()) -> str:
        """Return a name that neither the value has nor another new variable."""
        while name in self.declared or name in taken:
            name += "_"
        return name


def objective_of(
    subject: str | Expression | Formula,
    wrt: Sequence[str],
    structure: Structure,
    parametrizations: Mapping[str, str],
) -> Objective:
    """Return the objective that a text, an expression or a formula means.

    A variable has its structure from its parametrization where no other is given.

    The derivative of a formula is taken as it is declared, unless it is by another variable, or one
    by free entries, which is no gradient of the Frobenius inner product.
    """
    if not isinstance(subject, Formula):
        value = parse(subject) if isinstance(subject, str) else subject
        if not isinstance(value, Expression):
            raise TypeError(f"Oracle needs a text, an expression or a formula; got {value!r}")
        if structure is None:
            structure = {
                name: STRUCTURE_OF[each]
                for name, each in parametrizations.items()
                if each in STRUCTURE_OF
                and name in value.variables
                and value.variables[name].declared is Kind.MATRIX
            }
        return Objective(_structured(value, wrt, structure), wrt)
    if subject.kind == "identity":
        raise ValueError(f"Oracle needs a function; {subject.id} is an identity")
    declared = subject.kind == "gradient" and subject.convention != "free"
    if structure is None and declared and tuple(wrt) == (subject.wrt,):
        return Objective(subject.value, wrt, (subject.derivative,))
    return Objective(_structured(subject.value, wrt, structure), wrt)


def _structured(value: Expression, wrt: Sequence[str], structure: Structure) -> Expression:
    """Return the expression with the structures of its variables added."""
    if not isinstance(structure, str | Mapping | None):
        raise TypeError(
            f"structure takes {', '.join(MOVING)} or a mapping of names to them; got {structure!r}"
        )
    words = dict.fromkeys(wrt, structure) if isinstance(structure, str) else dict(structure or {})
    replacements: dict[Expression, Expression] = {}
    for name, word in words.items():
        allowed = MOVING if name in wrt else STRUCTURES
        variable = value.variables.get(name)
        if word not in allowed or variable is None or variable.declared is not Kind.MATRIX:
            raise ValueError(
                f"structure takes {', '.join(allowed)} for a matrix of {value}; "
                f"got {word!r} for {name}"
            )
        replacements[variable] = Variable(name, Kind.MATRIX, variable.structure | {word})
    return value.substitute(replacements)


def _inner_product(G: Expression, V: Expression) -> Expression:
    """Return <G, V>."""
    if V.is_scalar:
        return G * V
    product = Transpose(G) * V
    return product if V.kind is Kind.COLUMN else Call("tr", (product,))


def _gradient(value: Expression, wrt: Variable) -> Expression:
    if wrt.name not in value.variables:
        return Shapes({wrt: wrt.shape_of((), NO_CONDITIONS)}).zeros(wrt)
    return derive(value, wrt.name).result


def names_of(
    subject: str | Expression | Formula, wrt: str | Sequence[str] | None
) -> tuple[str, ...]:
    """Return the names of the variables that move: those given, or that of a formula."""
    if wrt is None:
        if not isinstance(subject, Formula):
            raise TypeError("Oracle needs wrt, the names of the variables that move")
        wrt = subject.wrt
    return (wrt,) if isinstance(wrt, str) else tuple(wrt)
