"""Derivation by index notation (lecture-a): entries, Kronecker deltas, free indices, read back."""

from matgrad.calculus.einstein.method import by_indices

__all__ = ["by_indices"]
