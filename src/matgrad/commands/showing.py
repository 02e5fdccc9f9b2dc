"""`matgrad show`: a formula of the catalog with all that is known of it."""

import argparse
from collections.abc import Iterator
from typing import Any

from matgrad.commands.errors import UsageError
from matgrad.formulas import Formula, catalog
from matgrad.formulas.reference import shapes_of
from matgrad.formulas.statements import Written, has_layouts, latex, text

EXAMPLES = """\
examples:
  matgrad show quadratic-trace
  matgrad show quadratic-trace --layout numerator --latex
"""


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    parser = verbs.add_parser(
        "show",
        help="show a formula: statement, shapes, conditions, layouts, sources, erratum",
        description="Show a formula of the catalog.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("id", metavar="ID", help="its id; `matgrad list` lists them")
    parser.add_argument(
        "--layout", choices=("denominator", "numerator"), help="the statement in this layout alone"
    )
    parser.add_argument("--latex", action="store_true", help="the statement in LaTeX")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the verb; return the exit code."""
    formula = find(options.id)
    if options.layout or options.latex:
        print((latex if options.latex else text)(formula, options.layout or "denominator"))
    else:
        print("\n".join(lines(formula)))
    return 0


def find(id: str) -> Formula:
    """Return the formula with this id.

    Raises
    ------
    UsageError
        If there is none.
    """
    if id in catalog:
        return catalog[id]
    near = catalog.nearest(id)
    hint = f"the nearest are {', '.join(near)}" if near else "`matgrad list` lists them"
    raise UsageError(f"there is no formula {id!r}; {hint}")


def lines(formula: Formula) -> Iterator[str]:
    r"""Yield what is known of a formula, a line each.

    Examples
    --------
    >>> from matgrad import catalog
    >>> from matgrad.commands.showing import lines
    >>> print("\n".join(lines(catalog["log-determinant"])))
    log-determinant: Logarithm of the absolute value of a determinant
      denominator  d logdet(X) / dX = inv(X)'
      numerator    d logdet(X) / dX = inv(X)
      X            (n, n)
      conditions   X is invertible
      sources      cookbook:57
    """
    yield f"{formula.id}: {formula.title}"
    yield from (f"  {label:<12} {content}" for label, content in _facts(formula))


def _facts(formula: Formula) -> Iterator[tuple[str, str]]:
    layouts: tuple[Written, ...] = ("denominator", "numerator")
    if has_layouts(formula):
        yield from ((layout, text(formula, layout)) for layout in layouts)
    else:
        yield formula.kind, str(formula)
    yield from shapes_of(formula).items()
    if formula.requirements():
        yield "conditions", ", ".join(map(str, formula.requirements()))
    if formula.convention != "independent":
        yield "convention", formula.convention
    yield "sources", ", ".join(formula.sources)
    if formula.erratum:
        yield "erratum", f"in {formula.erratum.source}, {formula.erratum.why}"
        yield "printed", formula.erratum.printed
        yield "right", formula.erratum.right
