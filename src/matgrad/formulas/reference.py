"""The catalog as a page of Markdown, `docs/formulas.md`: ``matgrad list --markdown`` writes it."""

from collections.abc import Iterator, Mapping

from matgrad.formulas.formula import Formula
from matgrad.formulas.missing import MISSING
from matgrad.formulas.statements import has_layouts, latex

HEAD = """\
# Formulas

Made from the catalog by `matgrad list --markdown > docs/formulas.md`; every formula here is checked
against differences by the tests and by `matgrad check`. A gradient is in denominator layout, a
Jacobian in numerator layout, unless the line says otherwise.
"""


def markdown(chapters: Mapping[str, tuple[Formula, ...]]) -> str:
    """Return the page.

    Examples
    --------
    >>> from matgrad.formulas import CHAPTERS
    >>> from matgrad.formulas.reference import markdown
    >>> print(markdown(CHAPTERS).splitlines()[0])
    # Formulas
    """
    return "\n".join(_lines(chapters)) + "\n"


def _lines(chapters: Mapping[str, tuple[Formula, ...]]) -> Iterator[str]:
    yield HEAD
    for title, formulas in chapters.items():
        yield f"## {title}\n"
        for formula in formulas:
            yield from _entry(formula)
    yield "## Not covered yet\n"
    yield from (f"- {source}: {what}" for source, what in MISSING.items())


def _entry(formula: Formula) -> Iterator[str]:
    yield f"### {formula.id}\n"
    yield f"{formula.title}.\n"
    yield f"```math\n{latex(formula, 'denominator')}\n```\n"
    if has_layouts(formula):
        yield f"In numerator layout:\n\n```math\n{latex(formula, 'numerator')}\n```\n"
    yield f"- text: `{formula}`"
    shapes = ", ".join(f"`{name}` {shape}" for name, shape in shapes_of(formula).items())
    yield f"- shapes: {shapes}"
    if formula.requirements():
        conditions = (f"`{each.subject}` {each.property}" for each in formula.requirements())
        yield f"- conditions: {', '.join(conditions)}"
    if formula.convention != "independent":
        yield f"- convention: {formula.convention}"
    yield f"- sources: {', '.join(formula.sources)}"
    if formula.erratum:
        erratum = formula.erratum
        yield (
            f"- erratum in {erratum.source}: printed `{erratum.printed}`, "
            f"right `{erratum.right}`: {erratum.why}"
        )
    yield ""


def shapes_of(formula: Formula) -> dict[str, str]:
    """Return the shapes of the variables as they are written.

    Examples
    --------
    >>> from matgrad import catalog
    >>> from matgrad.formulas.reference import shapes_of
    >>> shapes_of(catalog["quadratic-form"])
    {'x': '(n)', 'A': '(n, n)'}
    """
    shapes = formula.shapes.items()
    return {
        name: f"({', '.join(map(str, shape))})" if shape else "scalar" for name, shape in shapes
    }
