"""Recipes: by which loops of ufuncs a pipeline carries out an operation.

A recipe takes a plan and the operands and attributes of an instruction, and raises `NoPlanError`
where the executor does better. A new operation of pipelines is one entry of `RECIPES`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from matgrad._native import elementwise, kernels
from matgrad.expression.operands import Operand
from matgrad.expression.operations import LARGEST_MULTIPLIED, SMALL, UFUNCS
from matgrad.expression.plan import NoPlanError, Plan

Recipe: TypeAlias = Callable[..., None]

# Elementwise operations that are one of the processor's; others count as so many.
ARITHMETIC = ("add", "subtract", "multiply", "divide", "negative", "conj", "abs", "sqrt")
OTHERS = 20

# The most rows and columns of a product that the kernel keeps in registers.
TILE = 8


def transpose(plan: Plan, a: Operand) -> None:
    """Transpose, which is no call."""
    plan.name(a.T)


def product(plan: Plan, a: Operand, b: Operand) -> None:
    """Multiply by the kernel; long vectors and large matrices by BLAS."""
    m, k, n = a.rows, a.columns, b.columns
    if m == n == 1:
        inner_product(plan, a.T, b)
        return
    large = max(m, k, n) > LARGEST_MULTIPLIED
    if large and not (_suits_blas(plan, a) and _suits_blas(plan, b)):
        raise NoPlanError
    c = plan.result(m, n, [a, b])
    work = 2 * m * k * n
    if not large and a.batched and not b.batched and (m == 1 or a.steps[0] == m * a.steps[1]):
        steps = _rows_of_all(a), a.steps[2], *b.steps[1:], _rows_of_all(c), c.steps[2]
        plan.gufunc(kernels.matmul, (m, k, n), [a, b, c], steps, work=work, stacked=True)
    elif not large and b.batched and not a.batched and n == 1:
        # The columns of all points are the rows of one matrix, which A' is multiplied by.
        steps = b.steps[0], b.steps[1], *a.T.steps[1:], c.steps[0], c.steps[1]
        plan.gufunc(kernels.matmul, (1, k, m), [b, a, c], steps, work=work, stacked=True)
    else:
        blas = large or (1 in (m, n) and max(m, k, n) > SMALL)
        plan.is_serial |= large
        ufunc = np.matmul if blas else kernels.matmul
        plan.gufunc(ufunc, (m, k, n), [a, b, c], _steps(a, b, c), work=work)


def sum_with_product(plan: Plan, ufunc: np.ufunc, a: Operand, b: Operand, d: Operand) -> None:
    """Add D to a small product before that is stored: 0.8 of the time of the two at 8 x 8."""
    m, k, n = a.rows, a.columns, b.columns
    is_stacked = a.batched and not b.batched
    is_tile = 1 not in (m, n) and max(m, n) <= TILE and k <= LARGEST_MULTIPLIED
    if (m, n) != (d.rows, d.columns) or not is_tile or is_stacked:
        raise NoPlanError
    c = plan.result(m, n, [a, b, d])
    plan.gufunc(ufunc, (m, k, n), [a, b, d, c], _steps(a, b, d, c), work=2 * m * k * n)


# By the operation, and whether the product is its first operand.
SUMS_WITH_PRODUCTS: Mapping[tuple[str, bool], np.ufunc] = {
    ("add", True): kernels.matmul_plus,
    ("add", False): kernels.matmul_plus,
    ("subtract", True): kernels.matmul_minus,
    ("subtract", False): kernels.minus_matmul,
}


def _rows_of_all(a: Operand) -> int:
    """Return how far rows are apart in the matrix of the rows of all points."""
    return a.steps[0] if a.rows == 1 else a.steps[1]


def _suits_blas(plan: Plan, a: Operand) -> bool:
    """Return whether rows or columns are side by side."""
    return plan.dtype.itemsize in a.steps[1:]


def inner_product(plan: Plan, a: Operand, b: Operand) -> None:
    """Add up a_ij b_ij, of matrices that lie alike in memory: few by the kernel, many by BLAS."""
    steps = a.flat_step(), b.flat_step()
    if None in steps:
        steps = a.T.flat_step(), b.T.flat_step()
    match steps:
        case (int(first), int(second)):
            size = a.rows * a.columns
            operands = [a, b, plan.result(1, 1, [a, b])]
            if size <= LARGEST_MULTIPLIED:
                core = 0, first, second, 0, 0, 0
                plan.gufunc(kernels.matmul, (1, size, 1), operands, core, work=2 * size)
            else:
                plan.gufunc(np.vecdot, (size,), operands, (first, second), work=2 * size)
        case _:
            raise NoPlanError


def trace_product(plan: Plan, a: Operand, b: Operand) -> None:
    """Take tr(A B) by the kernel, unless A and B' lie alike in memory."""
    try:
        inner_product(plan, a, b.T)
    except NoPlanError:
        m, n = a.rows, a.columns
        operands = [a, b, plan.result(1, 1, [a, b])]
        plan.gufunc(kernels.trace_product, (m, n), operands, _steps(a, b), work=2 * m * n)


def quadratic_trace(plan: Plan, x: Operand, a: Operand, q: Operand) -> None:
    """Take tr(X A X' Q) by the kernel."""
    n, m = x.rows, x.columns
    operands = [x, a, q, plan.result(1, 1, [x, a, q])]
    work = 2 * n * m * (n + m)
    plan.gufunc(kernels.quadratic_trace, (n, m), operands, _steps(x, a, q), work=work)


def quadratic_trace_gradient(plan: Plan, x: Operand, a: Operand, q: Operand) -> None:
    """Take the gradient of tr(X A X' Q) by the kernel, which gives its value, too."""
    value = plan.unread(1, 1, [x, a, q])
    _quadratic_trace_and_gradient(plan, x, a, q, value)


def quadratic_trace_and_gradient(plan: Plan, x: Operand, a: Operand, q: Operand) -> None:
    """Take tr(X A X' Q) and its gradient by the kernel."""
    value = plan.result(1, 1, [x, a, q])
    _quadratic_trace_and_gradient(plan, x, a, q, value)


def _quadratic_trace_and_gradient(
    plan: Plan, x: Operand, a: Operand, q: Operand, value: Operand
) -> None:
    n, m = x.rows, x.columns
    operands = [x, a, q, value, plan.result(n, m, [x, a, q])]
    steps = _steps(x, a, q, operands[-1])
    work = 4 * n * m * (n + m)
    plan.gufunc(kernels.quadratic_trace_and_gradient, (n, m), operands, steps, work=work)


def trace(plan: Plan, a: Operand) -> None:
    """Take the trace by the kernel."""
    operands = [a, plan.result(1, 1, [a])]
    plan.gufunc(kernels.trace, (a.rows,), operands, _steps(a), work=a.rows)


def factorise(plan: Plan, a: Operand, *wanted: str) -> None:
    """Take what one kernel gives of det, logdet, inverse and adjugate."""
    names, n = {*wanted}, a.rows
    kernel, given = next(each for each in FACTORISATIONS if names <= {*each[1], *each[2]})[:2]
    found = {name: plan.result(*_size(name, n), [a]) for name in wanted}
    results = [found.get(name) or plan.unread(*_size(name, n), [a]) for name in given]
    if kernel is kernels.det_and_gradient:
        results[1] = results[1].T
    matrices = [each for each, name in zip(results, given, strict=True) if name in MATRICES]
    plan.gufunc(kernel, (n,), [a, *results], _steps(a, *matrices), work=2 * n**3)
    if "det" in names and "det" not in given:
        sign, logarithm, det = *results[:2], found["det"]
        plan.write(np.exp, [logarithm, det], OTHERS)
        plan.write(np.multiply, [sign, det, det])


def _size(name: str, n: int) -> tuple[int, int]:
    return (n, n) if name in MATRICES else (1, 1)


# The results of kernels, and what is made of them, those that do least first: det of its sign and
# logarithm. det_and_gradient gives the adjugate transposed.
FACTORISATIONS: Sequence[tuple[np.ufunc, Sequence[str], Sequence[str]]] = (
    (kernels.det, ("det",), ()),
    (kernels.slogdet, ("sign", "logdet"), ("det",)),
    (kernels.inv, ("inverse",), ()),
    (kernels.adjugate, ("adjugate",), ()),
    (kernels.det_and_gradient, ("det", "adjugate"), ()),
    (kernels.slogdet_and_inverse, ("sign", "logdet", "inverse"), ("det",)),
)
MATRICES = ("inverse", "adjugate")


def squared_norm(plan: Plan, a: Operand) -> None:
    """Add up squares."""
    inner_product(plan, a, a)


def sign(plan: Plan, a: Operand) -> None:
    """Take signs of real numbers by NumPy, which continues them otherwise."""
    if plan.dtype.kind == "c":
        raise NoPlanError
    plan.elementwise(np.sign, a, work=1)


def total(plan: Plan, a: Operand) -> None:
    """Add up entries: of large matrices by NumPy's pairwise addition.

    Those of small ones, one behind the other, are multiplied by ones, all points at once.
    """
    size = a.rows * a.columns
    step = a.flat_step()
    if a.batched and size <= LARGEST_MULTIPLIED and step is not None:
        ones, result = plan.constant(1.0, size, 1), plan.result(1, 1, [a])
        steps = a.steps[0], step, *ones.steps[1:], *result.steps[:2]
        plan.gufunc(
            kernels.matmul, (1, size, 1), [a, ones, result], steps, work=2 * size, stacked=True
        )
    else:
        plan.reduce(np.add, 0.0, a)


def _elementwise(ufunc: np.ufunc, work: float) -> Recipe:
    def recipe(plan: Plan, *operands: Operand) -> None:
        plan.elementwise(ufunc, *operands, work=work)

    return recipe


def _steps(*matrices: Operand) -> tuple[int, ...]:
    """Return the core steps of a generalized ufunc."""
    return tuple(step for each in matrices for step in each.steps[1:])


RECIPES: Mapping[str, Recipe] = {
    "transpose": transpose,
    "product": product,
    "factorise": factorise,
    "trace": trace,
    "trace_product": trace_product,
    "quadratic_trace": quadratic_trace,
    "quadratic_trace_gradient": quadratic_trace_gradient,
    "quadratic_trace_and_gradient": quadratic_trace_and_gradient,
    "sum": total,
    "squared_norm": squared_norm,
    "sign": sign,
    "softplus": _elementwise(elementwise.softplus, OTHERS),
    "sigmoid": _elementwise(elementwise.sigmoid, OTHERS),
    "softplus_and_sigmoid": _elementwise(elementwise.softplus_and_sigmoid, OTHERS),
    "softplus_and_derivative": _elementwise(elementwise.softplus_and_derivative, OTHERS),
    **{
        name: _elementwise(ufunc, 1 if name in ARITHMETIC else OTHERS)
        for name, ufunc in UFUNCS.items()
        if isinstance(ufunc, np.ufunc)
    },
}
