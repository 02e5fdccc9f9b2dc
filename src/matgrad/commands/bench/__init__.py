"""`matgrad bench`: the kernels beside NumPy, SciPy, PyTorch and JAX on the same cores."""

import argparse
import math
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from typing import Any

from matgrad.commands.bench.cases import OPERATIONS, Case, fitting
from matgrad.commands.bench.implementations import LOADERS
from matgrad.commands.bench.machine import (
    all_cores,
    cores,
    description,
    last_level_cache,
    memory,
    second_level_cache,
)
from matgrad.commands.bench.plot import check_plot, draw
from matgrad.commands.bench.race import Race, Result
from matgrad.commands.bench.table import Table, counted, print_heading, status

SIZES = [2, 3, 4, 8, 16, 32, 64, 128, 256, 512]

NOTES = """\
Each implementation runs in a process of its own, pinned to the same cores, and
they take turns. All work on the same matrices, and their results are checked
before they are timed; the exit code is 1 if one is wrong. An implementation
that is not installed is named and left out.

batches:
  L2      the matrices fill a quarter of the second-level cache of each core;
  memory  the matrices take four times the last-level cache or 1 GB, whichever
          is less (and no more than a 40th of the machine's memory);
  1, 10   so many matrices: what a call costs.
L2 and memory are 16 matrices for each thread at least, whatever their size.

examples:
  matgrad bench
  matgrad bench --operation inv --batch memory --sizes 2,3,4 --threads all
  matgrad bench --operation det --batch 1 --peers numpy
  matgrad bench --dtype float32 --plot speed.svg
"""


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    parser = verbs.add_parser(
        "bench",
        help="time the native functions beside NumPy, SciPy, PyTorch and JAX",
        description="Time native functions beside NumPy, SciPy, PyTorch and JAX.",
        epilog=NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--operation",
        type=listed(OPERATIONS),
        default=["det", "inv", "det_and_gradient"],
        metavar="NAMES",
        help="functions, by commas, or all (default: det,inv,det_and_gradient)",
    )
    add(
        "--sizes",
        type=comma_separated(positive),
        default=SIZES,
        metavar="N",
        help=f"sizes n of the matrices (default: {','.join(map(str, SIZES))})",
    )
    add("--dtype", choices=["float32", "float64"], default="float64", help="(default: float64)")
    add(
        "--batch",
        type=comma_separated(batch_size),
        default=["L2"],
        metavar="SIZES",
        help="L2, memory, or a number of matrices (default: L2)",
    )
    add("--threads", type=thread_count, default=1, metavar="K", help="or all (default: 1)")
    add(
        "--peers",
        type=listed([name for name in LOADERS if name != "matgrad"]),
        default=[name for name in LOADERS if name != "matgrad"],
        metavar="NAMES",
        help="beside which implementations (default: all)",
    )
    add("--seconds", type=duration, default=1.0, metavar="S", help="time for a row (default: 1)")
    add("--plot", metavar="FILE", help="draw ns per matrix against n, to .svg, .png or .pdf")
    parser.set_defaults(run=run)


def comma_separated(item: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """Return the type of an option that lists items."""

    def items(text: str) -> list[Any]:
        return list(dict.fromkeys(item(part.strip()) for part in text.split(",")))

    return items


def listed(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return the type of an option that lists names, or says all."""

    def name(text: str) -> str:
        if text not in known:
            expected = ", ".join(known)
            raise argparse.ArgumentTypeError(f"{text!r} is unknown; known are {expected}")
        return text

    return lambda text: list(known) if text == "all" else comma_separated(name)(text)


def positive(text: str) -> int:
    """Return a positive whole number."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def duration(text: str) -> float:
    """Return a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def batch_size(text: str) -> str | int:
    """Return L2, memory or a number of matrices."""
    return text if text in ("L2", "memory") else positive(text)


def thread_count(text: str) -> int:
    """Return a number of threads, as many as there are cores for "all"."""
    return len(all_cores()) if text == "all" else positive(text)


def run(options: argparse.Namespace) -> int:
    """Carry out the verb; return the exit code."""
    pinned = cores(options.threads)
    if options.plot:
        check_plot(options.plot)
    with closing(Race(["matgrad", *options.peers], pinned, options.dtype)) as race:
        print_heading(race, pinned)
        groups = {
            title(operation, size, options): measure(race, operation, size, options)
            for operation in options.operation
            for size in options.batch
        }
    if options.plot:
        draw(groups, options.plot, description())
    return 1 if _complain([result for results in groups.values() for result in results]) else 0


def title(operation: str, size: str | int, options: argparse.Namespace) -> str:
    """Return the title of a table: the operation, the batches, the threads."""
    batches = {"L2": "batches in L2", "memory": "batches in memory"}
    batch = batches[size] if isinstance(size, str) else counted(size, "matrix", "matrices")
    return f"{operation}, {options.dtype}, {batch}, {counted(options.threads, 'thread', 'threads')}"


def measure(
    race: Race, operation: str, size: str | int, options: argparse.Namespace
) -> list[Result]:
    """Measure an operation at every size of its matrices, and print its table."""
    table = Table(title(operation, size, options), list(race.versions))
    results = []
    for n in options.sizes:
        case = case_of(operation, n, options.dtype, size, options.threads)
        with status(operation) as tell:
            results.append(race.run(case, options.seconds, tell))
        table.add(results[-1], large=case.bytes > last_level_cache())
    return results


def case_of(operation: str, n: int, dtype: str, size: str | int, threads: int) -> Case:
    """Return the case whose batch has the size that the option asks for."""
    if isinstance(size, int):
        return Case(operation, n, dtype, size)
    return fitting(operation, n, dtype, room(size, threads), least=16 * threads)


def room(size: str, threads: int) -> int:
    """Return the bytes of the matrices of a batch; results and work space take as much again."""
    if size == "L2":
        return threads * second_level_cache() // 4
    return min(4 * last_level_cache(), 10**9, memory() // 40)


def _complain(results: Sequence[Result]) -> bool:
    """Name the wrong results; return whether there are any."""
    wrong = [(result.case, *item) for result in results for item in result.wrong.items()]
    for case, name, error in wrong:
        what = f"{name}'s {case.operation}, n = {case.n}, {case.dtype}"
        print(f"FAILED: {what}: off by {error:.2g} times what is allowed")
    return bool(wrong)
