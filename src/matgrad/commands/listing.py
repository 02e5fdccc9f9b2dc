"""`matgrad list`: the formulas of the catalog, a line each."""

import argparse
from typing import Any

from matgrad.commands.errors import UsageError
from matgrad.formulas import CHAPTERS, Formula, catalog
from matgrad.formulas.missing import MISSING
from matgrad.formulas.reference import markdown

EXAMPLES = """\
examples:
  matgrad list
  matgrad list logdet
  matgrad list --source cookbook:118
  matgrad list --missing
"""


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    parser = verbs.add_parser(
        "list",
        help="list the formulas of the catalog",
        description="List the formulas of the catalog, or those with TEXT in them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("text", nargs="*", metavar="TEXT", help="words to find, in any case")
    parser.add_argument("--source", default="", help="such as lecture-a, or cookbook:118")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--missing", action="store_true", help="what the catalog does not cover yet")
    other.add_argument("--markdown", action="store_true", help="the whole catalog as a page")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the verb; return the exit code, 1 if nothing is found."""
    if (options.markdown or options.missing) and (options.text or options.source):
        option = "--markdown" if options.markdown else "--missing"
        raise UsageError(f"list {option} lists everything; it takes no TEXT and no --source")
    if options.markdown:
        print(markdown(CHAPTERS), end="")
        return 0
    if options.missing:
        for source, what in MISSING.items():
            print(f"{source:<28} {what}")
        return 0
    found = catalog.find(source=options.source, text=" ".join(options.text))
    for title, formulas in CHAPTERS.items():
        _print_chapter(title, [formula for formula in formulas if formula in found])
    print(f"{len(found)} of {len(catalog)} formulas")
    return 0 if found else 1


def _print_chapter(title: str, formulas: list[Formula]) -> None:
    if formulas:
        width = max(len(formula.id) for formula in formulas)
        print(title)
        for formula in formulas:
            print(f"  {formula.id:<{width}}  {formula}")
        print()
