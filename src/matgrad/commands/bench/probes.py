"""What the machine can do, measured in the same run: multiplications and copies.

A probe returns a call and the work that one call does. The product of large matrices by NumPy's
BLAS stands for the peak of fused multiply-adds, of which it reaches nine tenths where the BLAS
knows the processor.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from matgrad.commands.bench.machine import last_level_cache

Probe = Callable[[str, int], tuple[Callable[[], object], float]]


def matmul(dtype: str, threads: int) -> tuple[Callable[[], object], float]:
    """Multiply two matrices; the work is in floating-point operations."""
    n = 1024
    A, B = np.random.default_rng(0).standard_normal((2, n, n)).astype(dtype)
    C = np.empty_like(A)
    return lambda: np.matmul(A, B, out=C), 2.0 * n**3


def copy(dtype: str, threads: int) -> tuple[Callable[[], object], float]:
    """Copy four times what the last-level cache holds, a part in each thread.

    The work is in bytes read and written.
    """
    source = np.ones(4 * last_level_cache() // np.dtype(dtype).itemsize, dtype)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda part: np.copyto(*part), parts)), 2.0 * source.nbytes


PROBES: dict[str, Probe] = {"matmul": matmul, "copy": copy}
