"""`matgrad check`: native functions against NumPy, these and all formulas against differences."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from matgrad.commands.errors import UsageError
from matgrad.commands.formula_table import show_comparisons
from matgrad.commands.natives import NATIVES, Arrays, Native, Slope
from matgrad.commands.results import Error, Row
from matgrad.commands.table import show
from matgrad.formulas import Comparison, Formula, catalog

Array = npt.NDArray[Any]

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 16, 33, 64)
DTYPES = ("float32", "float64")
SEED = 0

NOTES = """\
Each function runs on random matrices of each size n in float32 and float64.
A row of the table shows, in units of the dtype's roundoff u,
  NumPy     the largest error of the results beside NumPy's in float64,
  diffs     the largest error of the gradient beside central differences of
            the function in float64;
  limit     the part of what rounding may cause that these errors take at most,
and the nanoseconds that one matrix takes, in matgrad and in NumPy.

The derivative of each formula of the catalog is compared with complex steps of
its value where that has a complex derivative, else with central differences; a
row shows the error relative to the largest entry, and the part of what is
allowed.
The exit code is 1 if an error is larger than rounding may cause.
"""


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    parser = verbs.add_parser(
        "check",
        help="compare native functions and formulas with NumPy and with differences",
        description="Compare native functions with NumPy, these and formulas with differences.",
        epilog=NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="functions, or ids of formulas, to check; all if none",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the verb; return the exit code."""
    natives, formulas = _chosen(options.names)
    right = True
    if natives:
        rows = show(_rows(natives), total=len(natives) * len(SIZES) * len(DTYPES))
        right = all(row.ok for row in rows)
    if formulas:
        comparisons = show_comparisons(_comparisons(formulas), total=len(formulas))
        right = right and all(comparison.ok for comparison in comparisons)
    return 0 if right else 1


def _chosen(names: Sequence[str]) -> tuple[list[Native], list[Formula]]:
    """Return the native functions and the formulas of these names; all if there are none.

    A name may be that of both.
    """
    known = {native.name: native for native in NATIVES}
    for name in names:
        if name not in known and name not in catalog:
            near = get_close_matches(name, [*known, *catalog], n=3, cutoff=0.4)
            hint = f"the nearest are {', '.join(near)}" if near else "`matgrad list` lists formulas"
            raise UsageError(f"unknown function or formula {name!r}; {hint}")
    if not names:
        return list(NATIVES), list(catalog.values())
    natives = [known[name] for name in names if name in known]
    return natives, [catalog[name] for name in names if name in catalog]


def _comparisons(formulas: Sequence[Formula]) -> Iterator[Comparison]:
    for formula in formulas:
        yield formula.check(np.random.default_rng(SEED))


def _rows(natives: Sequence[Native]) -> Iterator[Row]:
    for native in natives:
        for n in SIZES:
            for dtype in DTYPES:
                yield measure(native, n, dtype)


def measure(native: Native, n: int, dtype: str) -> Row:
    """Compare a native function with its judges on matrices of size n."""
    batch = max(32, min(4096, 100_000 // n**2))
    arguments = native.sample(batch, n, dtype)
    few = tuple(argument[: max(1, 64 // n)] for argument in arguments)
    return Row(
        function=native.name,
        n=n,
        dtype=dtype,
        numpy=value_error(native, n, arguments),
        differences=slope_error(native, native.slope, n, few) if native.slope else None,
        seconds=_best_time(native, arguments) / batch,
        numpy_seconds=_best_time(native.judged, arguments) / batch,
    )


def value_error(native: Native, n: int, arguments: Arrays) -> Error:
    """Return the largest error of the outputs beside those of NumPy in float64."""
    exact = tuple(argument.astype(np.float64) for argument in arguments)
    expected = native.judged(*exact)
    errors = [
        np.max(np.abs(output - right) / scale)
        for output, right, scale in zip(
            native(*arguments), expected, native.scale(native, exact, expected), strict=True
        )
    ]
    dtype = arguments[0].dtype
    return Error(float(np.max(errors)) / roundoff(dtype), native.rounding(n, dtype.name))


def slope_error(native: Native, slope: Slope, n: int, arguments: Arrays) -> Error:
    """Return the largest error of the gradient beside central differences of the value.

    Allowed are the rounding of the gradient, that of two values over twice the step (doubled, for
    a value may be twice as large a step away), and the truncation of the differences.
    """
    X, *constants = exact = tuple(argument.astype(np.float64) for argument in arguments)
    differences = central_differences(lambda X: slope.value(X, *constants), X, slope.step)
    scales = native.scale(native, exact, native.judged(*exact))
    value_scale, scale = map(_largest, scales[-2:])
    dtype = arguments[0].dtype
    errors = _largest(native(*arguments)[-1] - differences) / scale / roundoff(dtype)
    values = 2 * native.rounding(n, "float64") * roundoff(X.dtype) * value_scale
    differing = values / (slope.step * scale) + slope.truncation(slope.step * scale)
    allowed = native.rounding(n, dtype.name) + differing / roundoff(dtype)
    worst = np.argmax(errors / allowed)
    return Error(float(errors[worst]), float(allowed[worst]))


def central_differences(value: Callable[[Array], Array], X: Array, step: float) -> Array:
    """Return (f(X + hE) - f(X - hE)) / 2h for every entry E of each matrix of a batch.

    All the entries of a row are moved in one call, each in a copy of the batch.
    """
    differences = np.empty_like(X)
    copies = np.repeat(X[np.newaxis], X.shape[-1], axis=0)
    entries = np.arange(X.shape[-1])
    for row in range(X.shape[-2]):
        ahead, behind = copies.copy(), copies.copy()
        ahead[entries, :, row, entries] += step
        behind[entries, :, row, entries] -= step
        width = (ahead - behind)[entries, :, row, entries]  # 2h as rounded
        differences[:, row, :] = ((value(ahead) - value(behind)) / width).T
    return differences


def _largest(matrices: Array) -> Array:
    """Return the largest absolute value of each matrix, or number, of a batch."""
    largest: Array = np.abs(matrices).reshape(len(matrices), -1).max(axis=1)
    return largest


def roundoff(dtype: np.dtype[Any]) -> float:
    """Return u, half the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps) / 2


def _best_time(function: Callable[..., object], arguments: Arrays) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)
