"""What a gufunc's signature, such as ``(m,n),(n,m)->()``, says of the shapes of its arrays."""

import re
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np

Lengths: TypeAlias = tuple[int, ...]


class Fit(NamedTuple):
    """How arrays of certain shapes fit a function."""

    batch: Lengths  # of the results
    cores: Sequence[int]  # how many axes of each argument are not its batch
    results: Sequence[Lengths]  # the shape of each result, without the batch


class Signature:
    """The core axes of a gufunc's arguments and results.

    Parameters
    ----------
    name : str
        The gufunc's name, for the sentence that refuses shapes.
    text : str
        Its signature.

    Examples
    --------
    >>> from matgrad.adapters.signature import Signature
    >>> Signature("trace_product", "(m,n),(n,m)->()").fit((5, 2, 3), (3, 2))
    Fit(batch=(5,), cores=[2, 2], results=[()])
    """

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._arguments, self._results = (
            [tuple(filter(None, core.split(","))) for core in re.findall(r"\(([^)]*)\)", side)]
            for side in text.split("->")
        )

    def fit(self, *shapes: Lengths) -> Fit:
        """Return how arrays of these shapes fit.

        Raises
        ------
        ValueError
            If they do not.
        """
        sizes: dict[str, int] = {}
        for shape, core in zip(shapes, self._arguments, strict=True):
            own = shape[max(len(shape) - len(core), 0) :]
            if len(own) < len(core) or own != tuple(map(sizes.setdefault, core, own)):
                self._refuse(shapes)
        cores = [len(core) for core in self._arguments]
        try:
            batch = np.broadcast_shapes(
                *(shape[: len(shape) - core] for shape, core in zip(shapes, cores, strict=True))
            )
        except ValueError:
            self._refuse(shapes)
        return Fit(batch, cores, [tuple(sizes[axis] for axis in core) for core in self._results])

    def _refuse(self, shapes: Sequence[Lengths]) -> NoReturn:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"{self.name} needs arrays that fit {self.text}; got shapes {listed}")
