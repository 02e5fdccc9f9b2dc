"""The cutting of a batch into blocks."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

Box = tuple[range, ...]
"""The part of an array that a block covers: one range for each axis."""


def blocks(batch: Sequence[int], count: int) -> Iterator[Box]:
    """Cut a batch into boxes of at most `count` points.

    The boxes follow one another in C order and each is one contiguous piece of a C-ordered
    array, so that files are read and written from front to back.

    Parameters
    ----------
    batch
        The shape of the batch.
    count
        The number of points that a box may hold, at least 1.

    Yields
    ------
    Box
        A range for each axis of the batch.

    Examples
    --------
    >>> from matgrad.streaming import blocks
    >>> for box in blocks((2, 3), count=2):
    ...     print(box)
    (range(0, 1), range(0, 2))
    (range(0, 1), range(2, 3))
    (range(1, 2), range(0, 2))
    (range(1, 2), range(2, 3))
    """
    if prod(batch) == 0:
        return
    if not batch:
        yield ()
        return
    cut = next(axis for axis in range(len(batch)) if prod(batch[axis + 1 :]) <= count)
    step = count // prod(batch[cut + 1 :])
    whole = tuple(range(length) for length in batch[cut + 1 :])
    for leading in np.ndindex(*batch[:cut]):
        single = tuple(range(i, i + 1) for i in leading)
        for start in range(0, batch[cut], step):
            yield (*single, range(start, min(start + step, batch[cut])), *whole)


def broadcast_box(box: Box, batch: Sequence[int]) -> Box:
    """Return the part of an array with this batch shape that broadcasts to `box`.

    Examples
    --------
    >>> from matgrad.streaming import broadcast_box
    >>> broadcast_box((range(4, 5), range(0, 3)), (1, 3))
    (range(0, 1), range(0, 3))
    >>> broadcast_box((range(4, 5), range(0, 3)), ())
    ()
    """
    aligned = box[len(box) - len(batch) :]
    return tuple(
        range(1) if length == 1 else part for part, length in zip(aligned, batch, strict=True)
    )
