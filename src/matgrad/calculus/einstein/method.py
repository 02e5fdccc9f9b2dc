"""The method: write in indices, product rule, deltas, contraction, order, read back."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from matgrad.calculus.derivation import (
    Condition,
    Derivation,
    NotDifferentiableError,
    Outcome,
    Step,
    unique,
)
from matgrad.calculus.einstein.indices import (
    ENTRY,
    Index,
    IndexExpression,
    Tensor,
)
from matgrad.calculus.einstein.reading_back import read_back
from matgrad.calculus.einstein.slopes import Slopes
from matgrad.calculus.problem import Problem
from matgrad.calculus.reading import by_differentials
from matgrad.calculus.simplification import simplify
from matgrad.calculus.sizes import Shapes, bare
from matgrad.calculus.structures import Convention, projected
from matgrad.expression.dimension import Dimension, Kind
from matgrad.expression.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.nodes import Constant, Transpose


def by_indices(problem: Problem, order: int, convention: Convention) -> Derivation:
    """Return the first derivative, or the Hessian of a scalar by a vector.

    A derivative with more than two indices is no matrix: its steps end with its entries, and the
    result is the differential.

    Raises
    ------
    NotDifferentiableError
        If a function has no rule, or a product of entries is none of matrices.
    """
    method = _Method(problem, problem.sized, convention)
    first = method.derivation() if method.is_matrix else method.tensor()
    if order == 1:
        return first
    if first.kind != "gradient" or problem.variable.kind is Kind.MATRIX:
        raise NotDifferentiableError(
            "derive: order 2 by indices is for a scalar by a scalar or a vector; "
            f"got {problem.value} by {problem.variable.description}"
        )
    gradient = infer((first.result,), (problem.variable,)).expressions[0]
    second = _Method(problem, gradient, convention).derivation()
    return Derivation(
        problem.value,
        problem.variables,
        "hessian",
        second.result,
        (*first.steps, *second.steps),
        unique([*first.conditions, *second.conditions]),
        "denominator",
    )


class _Method:
    """One derivative by index notation."""

    def __init__(self, problem: Problem, value: Expression, convention: Convention) -> None:
        self.problem = problem
        self.value = value
        self.convention = convention
        self.slopes = Slopes(problem.variable, problem.shapes)
        self.settled = problem.shapes.settled
        self.output = self.free_indices(self.slopes)

    def free_indices(self, slopes: Slopes) -> tuple[Index, ...]:
        """Return the indices of an entry of the function: none of a scalar, one of a vector."""
        count = {Kind.SCALAR: 0, Kind.MATRIX: 2}.get(self.value.kind, 1)
        return tuple(slopes.fresh() for _ in range(count))

    @property
    def free(self) -> tuple[Index, ...]:
        """The indices of the derivative: those of the function, then those of the variable."""
        return (*self.output, *self.entry)

    @property
    def is_matrix(self) -> bool:
        """Whether the derivative is one; of a row by a vector there is only a differential."""
        return len(self.free) <= 2 and not (self.value.kind is Kind.ROW and self.entry)

    @cached_property
    def entry(self) -> tuple[Index, ...]:
        """The indices of the entry of the variable."""
        variable = self.problem.variable
        return ENTRY[: {Kind.SCALAR: 0, Kind.COLUMN: 1}.get(variable.kind, 2)]

    def derivation(self) -> Derivation:
        """Return the derivative with its steps."""
        slopes, contracted = self.entries()
        result = self.result(contracted, self.free)
        model = self.value if not self.entry else None
        if self.value.is_scalar:
            model = self.problem.variable
        result = self.settled(result, model)
        steps = (*self.steps(slopes, contracted), Step("read back as matrices", result))
        shapes = self.problem.shapes
        conditions = [
            Condition(bare(simplify(each.subject, None, shapes)), each.property)
            for each in self.slopes.rules.conditions
        ]
        kind: Outcome = "gradient" if self.value.is_scalar else "jacobian"
        return Derivation(
            self.problem.value,
            self.problem.variables,
            kind,
            result,
            steps,
            unique(conditions),
            "denominator" if kind == "gradient" else "numerator",
        )

    def tensor(self) -> Derivation:
        """Return the differential, with the entries of the derivative as the last step."""
        found = by_differentials(self.problem, 1, self.convention)
        return replace(found, steps=tuple(self.steps(*self.entries())))

    def entries(self) -> tuple[IndexExpression, IndexExpression]:
        """Return the derivative of an entry, before and after the deltas are contracted."""
        slopes = IndexExpression(tuple(self.slopes.of(self.value, self.output)))
        return slopes, slopes.with_deltas().contracted(self.free)

    def steps(self, slopes: IndexExpression, contracted: IndexExpression) -> Iterator[Step]:
        """Yield the stages before the result."""
        # Written with indices from the first one on, which the derivative has used up.
        writing = Slopes(self.problem.variable, self.problem.shapes)
        yield Step("write in indices", writing.written(self.value, self.free_indices(writing)))
        yield Step("; ".join(["product rule", *self.slopes.known]), slopes)
        rule = "derivative of an entry: dX_ij/dX_st = delta_is delta_jt"
        yield Step(rule if len(self.entry) == 2 else "derivative of an entry", slopes.with_deltas())
        yield Step("contract the deltas", contracted)

    def result(self, contracted: IndexExpression, free: tuple[Index, ...]) -> Expression:
        """Return the contracted expression as a simplified matrix."""
        zeros = self.zeros()
        if not contracted.terms:
            return zeros
        matrix = read_back(contracted, free, self.lengths(contracted))
        if self.value.kind is Kind.ROW:
            matrix = Transpose(matrix)
        shapes = self.problem.shapes
        result = simplify(matrix, zeros, shapes)
        if self.value.is_scalar:
            return projected(result, self.problem.variable, self.convention, shapes)
        return result

    def zeros(self) -> Expression:
        """Return a zero derivative."""
        if self.value.is_scalar:
            return self.problem.shapes.zeros(self.problem.variable)
        shapes = self.problem.shapes
        if not self.entry:
            return shapes.zeros(self.value)
        return Constant("zeros", (shapes(self.value)[0], shapes(self.problem.variable)[0]))

    def lengths(self, expression: IndexExpression) -> dict[Index, Dimension]:
        """Return the lengths of all indices."""
        shapes = self.problem.shapes
        lengths = dict(self.slopes.lengths)
        for index, size in self.shown(expression, shapes):
            lengths.setdefault(index, size)
        sizes = shapes(self.problem.variable)
        lengths |= dict(zip(self.entry, sizes, strict=False))
        if self.output:
            rows, columns = shapes(self.value)
            lengths[self.output[0]] = columns if self.value.kind is Kind.ROW else rows
        return lengths

    @staticmethod
    def shown(expression: IndexExpression, shapes: Shapes) -> Iterable[tuple[Index, Dimension]]:
        """Yield the indices of all tensors with the lengths of their axes."""
        for term in expression.terms:
            for factor in term.factors:
                if isinstance(factor, Tensor):
                    rows, columns = shapes(factor.tensor)
                    axes = (columns,) if factor.tensor.kind is Kind.ROW else (rows, columns)
                    yield from zip(factor.indices, axes, strict=False)
