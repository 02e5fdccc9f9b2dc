from matgrad import catalog
from matgrad.formulas.missing import MISSING

COOKBOOK = [*range(32, 67), *range(69, 133), *range(138, 142)]


def numbers(source: str) -> set[int]:
    """Return the equations of a source such as "cookbook:67-68, 70"."""
    found = set[int]()
    for part in source.partition(":")[2].split(", "):
        first, _, last = part.partition("-")
        if first.isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def cited(book: str) -> set[int]:
    sources = (source for formula in catalog.values() for source in formula.sources)
    return {n for source in sources if source.startswith(book) for n in numbers(source)}


def test_every_equation_is_in_the_catalog_or_said_to_be_missing() -> None:
    missing = {number for source in MISSING for number in numbers(source)}
    assert set(COOKBOOK) <= cited("cookbook") | missing
    assert cited("cookbook").isdisjoint(missing)


def test_every_formula_of_the_lectures_is_there() -> None:
    sources = {source for formula in catalog.values() for source in formula.sources}
    assert {f"lecture-a:{section}" for section in (1, 2, 3, 4, 5, 6, 8)} <= sources
    assert {"lecture-b:1", *(f"lecture-b:1.{item}" for item in range(1, 12))} <= sources
