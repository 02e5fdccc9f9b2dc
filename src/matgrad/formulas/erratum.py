"""What a source has wrong about a formula."""

from typing import NamedTuple


class Erratum(NamedTuple):
    """What a source prints, what is right, and why.

    Parameters
    ----------
    source : str
        Where it is printed.
    printed, right : str
        Both forms, in the notation of the source.
    why : str
        What is wrong.
    derivative : str
        The printed derivative as an expression, in the layout in which the formula declares its
        own, so that it can be shown to fail.
    """

    source: str
    printed: str
    right: str
    why: str
    derivative: str
