from collections.abc import Callable
from typing import Any

from numpy import ufunc

from matgrad._native.memory import Memory

def loop_of(ufunc: ufunc, dtype: int) -> int: ...

class Pipeline:
    def __init__(
        self,
        dtype: int,
        count: int,
        block: int,
        work: float,
        threads: Callable[[], int],
        memory: Memory,
        inputs: list[tuple[int, tuple[int, ...], tuple[int, ...]]],
        constants: list[Any],
        results: list[tuple[int, tuple[int, ...]]],
        shared: list[int],
        temporaries: list[int],
        first: list[tuple[Any, ...]],
        calls: list[tuple[Any, ...]],
    ) -> None: ...
    def run(self, registers: list[Any]) -> bool: ...
