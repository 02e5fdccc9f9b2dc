"""Derivation by differentials (lecture-b, section 1): rules, canonical form, reading off."""

from collections.abc import Iterator
from dataclasses import replace

from matgrad.calculus.canonical import weights
from matgrad.calculus.derivation import (
    Commutations,
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
from matgrad.calculus.sizes import Shapes, bare
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
    return reading.first() if order == 1 else reading.second()


def total_differential(problem: Problem) -> Derivation:
    """Return the differential by all variables of a problem together."""
    reading = _Reading(problem, "symmetric")
    steps = list(reading.rule_steps())
    result = reading.settled(reading.differential(problem.sized, reading.increments), problem.sized)
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
        self.rules = Differentials(self.increments, problem.shapes)
        self.settled = problem.shapes.settled
        self.commutations: Commutations = ()

    def first(self) -> Derivation:
        """Return the first derivative, of the kind that the function and the variable make."""
        value, x = self.problem.sized, self.problem.variable
        steps = list(self.rule_steps())
        kind, model = self.kind_and_model()
        if kind == "gradient":
            result = self.projected(self.gradient(steps))
        elif x.is_scalar:
            result = self.differential(value, {x: Number(1)})
        elif kind == "jacobian":
            result = self.jacobian(value, steps)
        else:
            result = self.differential(value, self.increments)
        steps.append(Step("read off", self.settled(result, model)))
        derivation = self.derivation(kind, self.settled(result, model), steps)
        return self.with_vec(derivation) if kind == "differential" else derivation

    def with_vec(self, derivation: Derivation) -> Derivation:
        """Return a differential with its vec form, where the language has one."""
        value = self.problem.sized
        if not self.rules.varies(value):
            return derivation
        jacobians = Jacobians(self.dX, self.problem.shapes, self.problem.fresh)
        try:
            found = jacobians.of(self.rules.of(value))
        except NotDifferentiableError:
            return derivation
        shapes = self.problem.shapes.with_variables(
            {K: (m * n, m * n) for K, (m, n) in jacobians.commutations.items()}
        )
        vec = shapes.settled(simplify(found, None, shapes))
        return replace(derivation, vec=vec, commutations=_used(jacobians, vec))

    def kind_and_model(self) -> tuple[Outcome, Expression | None]:
        """Return the kind of the first derivative, and what has its shape."""
        value, x = self.problem.sized, self.problem.variable
        if value.is_scalar:
            return "gradient", x
        if x.is_scalar:
            return "jacobian", value
        if value.kind is x.kind is Kind.COLUMN:
            return "jacobian", None
        return "differential", value

    def second(self) -> Derivation:
        """Return the Hessian, or by a matrix the second differential, from the gradient."""
        value, x = self.problem.value, self.problem.variable
        if not value.is_scalar:
            raise NotDifferentiableError(
                f"derive: order 2 is for a scalar by one variable; {value} is a {value.kind.value}"
            )
        steps = list(self.rule_steps())
        gradient = self.gradient(steps)
        steps.append(Step("read off", self.settled(self.projected(gradient), x)))
        if x.kind is Kind.MATRIX:
            change = self.differential(gradient, {x: self.problem.increment(x, "e")})
            pairing = Call.of("tr", Product.of(Transpose(change), self.dX))
            result = self.settled(simplify(pairing, Number(0), self.problem.shapes))
            steps.append(Step("tr(dG' dX), G along eX", result))
            return self.derivation("bilinear", result, steps)
        if x.is_scalar:
            result = self.settled(self.differential(gradient, {x: Number(1)}))
        else:
            result = self.settled(self.jacobian(gradient, steps))
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
        rules = Differentials(increments, self.problem.shapes)
        zeros = self.problem.shapes.zeros(value)
        if not rules.varies(value):
            return zeros
        result = simplify(rules.of(value), zeros, self.problem.shapes)
        self.rules.conditions += rules.conditions
        return result

    def gradient(self, steps: list[Step]) -> Expression:
        """Return the gradient of a scalar by independent entries: the sum of the G in tr(G' dX)."""
        problem, dX, shapes = self.problem, self.dX, self.problem.shapes
        zeros = shapes.zeros(problem.variable)
        if not self.rules.varies(problem.sized):
            return zeros
        found = weights(self.rules.of(problem.sized), dX, shapes)
        simple = [simplify(each, zeros, shapes) for each in found]
        moved = [_canonical(each, dX, shapes) for each in simple if each != zeros] or [Number(0)]
        steps.append(Step("moves under the trace", self.settled(Sum.of(*moved))))
        result = simplify(Sum.of(*found), zeros, shapes)
        if len(found) > 1:
            steps.append(Step("collect", self.settled(_canonical(result, dX, shapes))))
        return result

    def projected(self, gradient: Expression) -> Expression:
        """Return the gradient by a variable with its structure, by the convention asked for."""
        return projected(gradient, self.problem.variable, self.convention, self.problem.shapes)

    def jacobian(self, value: Expression, steps: list[Step]) -> Expression:
        """Return J of a column by a column."""
        shapes = self.problem.shapes
        zeros = Constant("zeros", (shapes(value)[0], shapes(self.problem.variable)[0]))
        rules = Differentials({self.problem.variable: self.dX}, shapes)
        if not rules.varies(value):
            return zeros
        jacobians = Jacobians(self.dX, shapes, self.problem.fresh)
        J = simplify(jacobians.of(rules.of(value)), zeros, shapes)
        self.commutations = _used(jacobians, J)
        self.rules.conditions += rules.conditions
        steps.append(Step("df = J dx", self.settled(Product.of(J, self.dX))))
        return J

    def derivation(self, kind: Outcome, result: Expression, steps: list[Step]) -> Derivation:
        """Return the derivation in the layout in which its kind is found."""
        shapes = self.problem.shapes
        conditions = [
            Condition(bare(simplify(each.subject, None, shapes)), each.property)
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
            commutations=self.commutations,
        )


def _used(jacobians: Jacobians, result: Expression) -> Commutations:
    """Return the commutation matrices that are still in a simplified result."""
    return tuple(
        (K, size) for K, size in jacobians.commutations.items() if K.name in result.variables
    )


def _canonical(G: Expression, dX: Variable, shapes: Shapes) -> Expression:
    """Return <G, dX> as it is written: tr(G' dX), g' dx or g dalpha."""
    if dX.is_scalar:
        return Product.of(G, dX)
    product = Product.of(simplify(Transpose(G), None, shapes), dX)
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
    inference = infer((gradient, direction), (variable, variable))
    shapes = Shapes(inference.shapes)
    rules = Differentials({variable: direction}, shapes)
    sized = inference.expressions[0]
    if not rules.varies(sized):
        return shapes.settled(shapes.zeros(variable), variable)
    result = simplify(rules.of(sized), shapes.zeros(variable), shapes)
    return shapes.settled(result, variable)
