from pathlib import Path

from matgrad import catalog
from matgrad.formulas import CHAPTERS
from matgrad.formulas.missing import MISSING
from matgrad.formulas.reference import markdown, shapes_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "formulas.md"


def test_the_page_is_what_the_catalog_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(CHAPTERS), (
        "stale: matgrad list --markdown > docs/formulas.md"
    )


def test_the_page_has_every_formula_and_what_is_missing() -> None:
    page = markdown(CHAPTERS)
    assert page.count("\n### ") == len(catalog)
    assert all(f"- {source}: " in page for source in MISSING)


def test_a_scalar_is_called_one() -> None:
    assert shapes_of(catalog["ridge"])["lambda"] == "scalar"
