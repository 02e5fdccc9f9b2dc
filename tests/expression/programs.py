"""The program of a text, for counting instructions."""

from collections.abc import Mapping
from typing import Any

from matgrad.expression.builder import Extent
from matgrad.expression.inference import infer
from matgrad.expression.lowering import lower
from matgrad.expression.parser import parse
from matgrad.expression.program import Program


def program_of(
    *texts: str, sizes: Mapping[str, int] | None = None, unbatched: str = "", **keywords: Any
) -> Program:
    """Return the program that computes texts, for dimensions of 5 where no size is given.

    The variables that `unbatched` names are the same for the whole batch.
    """
    inference = infer(tuple(parse(text, **keywords) for text in texts))
    symbols = {s for shape in inference.shapes.values() for d in shape for s in d.symbols}
    measured = dict.fromkeys(sorted(symbols), 5) | dict(sizes or {})
    variables = tuple(
        (v.name, Extent(rows.value(measured), columns.value(measured), v.name not in unbatched))
        for v, (rows, columns) in inference.shapes.items()
    )
    return lower(inference.expressions, variables, tuple(measured.items()))
