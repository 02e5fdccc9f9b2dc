"""Derivation by differentials (lecture-b, section 1): rules, canonical form, reading off."""

from collections.abc import Iterator

from matgrad.calculus.canonical import weights
from matgrad.calculus.derivation import (
    Condition,
    Derivation,
    NotDifferentiableError,
    Outcome,
    Step,
    unique,
)
from matgrad.calculus.differentials import Differentials
from matgrad.calculus.jacobians import Jacobians
from matgrad.calculus.problem import Problem
from matgrad.calculus.simplification import simplify
from matgrad.calculus.structures import Convention, projected
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.nodes import (
    Call,
    Constant,
    Differential,
    Number,
    Product,
    Sum,
    Transpose,
    Variable,
)


def by_differentials(problem: Problem, order: int, convention: Convention) -> Derivation:
    """Return the first or second derivative, found by differentials."""
    reading = _Reading(problem, convention)
    first = reading.first()
    return first if order == 1 else reading.second(first)


def total_differential(problem: Problem) -> Derivation:
    """Return the differential by all variables of a problem together."""
    reading = _Reading(problem, "symmetric")
    steps = list(reading.rule_steps())
    result = reading.differential(problem.sized, reading.increments)
    result = problem.bare(result, problem.value)
    steps.append(Step("simplify", result))
    return reading.derivation("differential", result, steps)


class _Reading:
    """Finds the differential of a function by rules, and reads the derivative off it."""

    def __init__(self, problem: Problem, convention: Convention) -> None:
        self.problem = problem
        self.convention = convention
        self.dX = problem.increment(problem.variable)
        self.increments: dict[Variable, Expression] = {
            variable: problem.increment(variable) for variable in problem.variables
        }
        self.rules = Differentials(self.increments)

    def first(self) -> Derivation:
        """Return the first derivative, of the kind that the function and the variable make."""
        problem, value, x = self.problem, self.problem.value, self.problem.variable
        steps = list(self.rule_steps())
        model: Expression | None = value
        if value.is_scalar:
            kind: Outcome = "gradient"
            model = x
            result = self.gradient(steps)
        elif x.is_scalar:
            kind = "jacobian"
            result = self.differential(problem.sized, {x: Number(1)})
        elif value.kind is x.kind is Kind.COLUMN:
            kind, model = "jacobian", None
            result = self.jacobian(problem.sized, steps)
        else:
            kind = "differential"
            result = self.differential(problem.sized, self.increments)
        result = problem.bare(result, model)
        steps.append(Step("read off", result))
        return self.derivation(kind, result, steps)

    def second(self, first: Derivation) -> Derivation:
        """Return the Hessian, or by a matrix the second differential, from the gradient."""
        value, x = self.problem.value, self.problem.variable
        if first.kind != "gradient":
            raise NotDifferentiableError(
                "derive: order 2 is for a scalar by one variable; "
                f"{value} is a {value.kind.value} of {', '.join(v.name for v in first.variables)}"
            )
        steps = list(first.steps)
        gradient = infer((first.result,), (x,)).expressions[0]
        if x.kind is Kind.MATRIX:
            change = self.differential(gradient, {x: self.problem.increment(x, "e")})
            pairing = simplify(Call.of("tr", Product.of(Transpose(change), self.dX)))
            result = self.problem.bare(pairing)
            steps.append(Step("tr(dG' dX), G along eX", result))
            return self.derivation("bilinear", result, steps)
        if x.is_scalar:
            result = self.differential(gradient, {x: Number(1)})
        else:
            result = self.jacobian(gradient, steps)
        result = self.problem.bare(result)
        steps.append(Step("derivative of the gradient", result))
        return self.derivation("hessian", result, steps)

    def rule_steps(self) -> Iterator[Step]:
        """Yield the differential as rules find it, round after round."""
        value = self.problem.value
        yield Step("", Differential(value))
        if self.rules.varies(value):
            for each in self.rules.rounds(value):
                yield Step("; ".join(each.rules), each.expression)

    def differential(
        self, value: Expression, increments: "dict[Variable, Expression]"
    ) -> Expression:
        """Return the simplified differential along increments."""
        rules = Differentials(increments)
        if not rules.varies(value):
            return self.problem.zeros(value)
        result = simplify(rules.of(value), self.problem.zeros(value))
        self.rules.conditions += rules.conditions
        return result

    def gradient(self, steps: list[Step]) -> Expression:
        """Return the gradient of a scalar: the sum of the G in tr(G' dX)."""
        problem, dX = self.problem, self.dX
        if not self.rules.varies(problem.sized):
            return problem.zeros(problem.variable)
        found = weights(self.rules.of(problem.sized), dX, problem.shapes(dX))
        zeros = problem.zeros(problem.variable)
        simple = [simplify(each, zeros) for each in found]
        moved = [_canonical(each, dX) for each in simple if each != zeros] or [Number(0)]
        steps.append(Step("moves under the trace", problem.bare(Sum.of(*moved))))
        result = simplify(Sum.of(*found), zeros)
        if len(found) > 1:
            steps.append(Step("collect", problem.bare(_canonical(result, dX))))
        return projected(result, problem.variable, self.convention)

    def jacobian(self, value: Expression, steps: list[Step]) -> Expression:
        """Return J of a column by a column."""
        shapes = self.problem.shapes(self.dX)
        zeros = Constant("zeros", (shapes(value)[0], shapes(self.problem.variable)[0]))
        rules = Differentials({self.problem.variable: self.dX})
        if not rules.varies(value):
            return zeros
        J = simplify(Jacobians(self.dX, shapes).of(rules.of(value)), zeros)
        self.rules.conditions += rules.conditions
        steps.append(Step("df = J dx", self.problem.bare(Product.of(J, self.dX))))
        return J

    def derivation(self, kind: Outcome, result: Expression, steps: list[Step]) -> Derivation:
        """Return the derivation in the layout in which its kind is found."""
        conditions = [
            Condition(self.problem.bare(simplify(each.subject)), each.property)
            for each in self.rules.conditions
        ]
        return Derivation(
            self.problem.value,
            self.problem.variables,
            kind,
            result,
            tuple(steps),
            unique(conditions),
            "numerator" if kind == "jacobian" else "denominator",
        )


def _canonical(G: Expression, dX: Variable) -> Expression:
    """Return <G, dX> as it is written: tr(G' dX), g' dx or g dalpha."""
    if dX.is_scalar:
        return Product.of(G, dX)
    product = Product.of(simplify(Transpose(G)), dX)
    return Call.of("tr", product) if dX.kind is Kind.MATRIX else product


def hessian_product(gradient: Expression, variable: Variable, direction: Variable) -> Expression:
    """Return the Hessian times a direction: the differential of the gradient along it.

    Examples
    --------
    >>> from matgrad.calculus import hessian_product
    >>> from matgrad.expression import parse
    >>> G, P = parse("2*A*X"), parse("P")
    >>> print(hessian_product(G, G.variables["X"], P.variables["P"]))
    2*A*P
    """
    rules = Differentials({variable: direction})
    problem = Problem(Sum.of(gradient, variable), (variable.name,))
    sized = infer((gradient,), (variable,)).expressions[0]
    if not rules.varies(sized):
        return problem.zeros(variable)
    return problem.bare(simplify(rules.of(sized), problem.zeros(variable)), variable)
