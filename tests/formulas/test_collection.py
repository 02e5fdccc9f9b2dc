import subprocess
import sys

import pytest

from matgrad import catalog
from matgrad.formulas import CHAPTERS, Catalog, Formula


def test_the_catalog_holds_every_formula_of_every_chapter() -> None:
    formulas = [formula for chapter in CHAPTERS.values() for formula in chapter]
    assert list(catalog.values()) == formulas
    assert list(catalog) == [formula.id for formula in formulas]
    assert len(catalog) == len(formulas)


def test_an_id_belongs_to_one_formula() -> None:
    with pytest.raises(ValueError, match="two formulas have the id 'trace'"):
        Catalog([catalog["trace"], catalog["trace"]])


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="no formula 'trace-prodct'; the nearest are trace-product"):
        catalog["trace-prodct"]
    assert "trace-prodct" not in catalog


def test_an_id_like_no_other_is_told_how_to_search() -> None:
    with pytest.raises(KeyError, match="searches"):
        catalog["%%%"]


def test_formulas_are_found_by_their_source() -> None:
    assert [formula.id for formula in catalog.find(source="lecture-a:5")] == [
        "trace-cyclic-quadratic",
        "quadratic-trace",
    ]
    lectures = catalog.find(source="lecture-a")
    assert {"trace-product", "determinant"} <= {formula.id for formula in lectures}
    assert catalog.find(source="cookbook:1") == []


def test_formulas_are_found_by_words_in_any_case() -> None:
    found = catalog.find(text="Logistic hessian")
    assert [formula.id for formula in found] == ["logistic-loss-of-samples-hessian"]
    assert catalog["trace-product"] in catalog.find(text="tr(A*X)")
    assert catalog.find(source="cookbook:100", text="determinant") == []


def test_a_catalog_is_told_by_its_length() -> None:
    assert repr(Catalog([catalog["trace"]])) == "<Catalog of 1 formulas>"


def test_importing_the_catalog_parses_nothing() -> None:
    code = "import sys, matgrad; matgrad.catalog; sys.exit('matgrad.expression' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("formula", catalog.values(), ids=catalog)
def test_an_id_is_words_and_hyphens(formula: Formula) -> None:
    assert formula.id.replace("-", "").isalpha()
    assert formula.id.islower()
    assert formula.title[0].isupper()
    assert formula.sources
