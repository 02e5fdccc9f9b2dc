"""The compiled kernels, one build for each instruction set, and the choice among them."""

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

from matgrad._native.processor import instruction_sets

__all__ = ["chosen", "elementwise", "instruction_sets", "kernels", "load"]


def chosen() -> str:
    """Return the instruction set to use: ``MATGRAD_ISA`` if it is set, else the best one.

    Raises
    ------
    ImportError
        If ``MATGRAD_ISA`` names none that this processor runs.
    """
    available = instruction_sets()
    wanted = os.environ.get("MATGRAD_ISA") or available[0]
    if wanted not in available:
        raise ImportError(
            f"MATGRAD_ISA={wanted!r} is not among the instruction sets that this processor runs: "
            + ", ".join(available)
        )
    return wanted


def load(isa: str, name: str = "linalg") -> ModuleType:
    """Return a module of kernels compiled for the instruction set `isa`."""
    return importlib.import_module(f"matgrad._native.{isa}.{name}")


if TYPE_CHECKING:
    from matgrad._native import elementwise
    from matgrad._native import linalg as kernels
else:
    kernels = load(chosen())
    elementwise = load(chosen(), "elementwise")
