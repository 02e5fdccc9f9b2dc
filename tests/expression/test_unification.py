"""Laws of unification."""

from hypothesis import given
from hypothesis import strategies as st

from matgrad.expression.dimension import ONE, Dimension
from matgrad.expression.unification import Unifier

three, four = Dimension(3), Dimension(4)


def test_equal_symbols_resolve_to_the_same() -> None:
    unifier = Unifier[str]()
    a, b, c = (unifier.symbol() for _ in range(3))
    assert unifier.equate(a, b, "first")
    assert unifier.equate(b, c, "second")
    assert unifier.equate(c, three, "third")
    assert unifier.resolved(a) == three
    assert unifier.origin(a) == "third"


def test_different_numbers_are_not_equal() -> None:
    unifier = Unifier[str]()
    a = unifier.symbol()
    assert unifier.equate(a, three, "")
    assert not unifier.equate(a, four, "")


def test_a_symbol_is_never_the_one_of_a_vector() -> None:
    unifier = Unifier[str]()
    assert not unifier.equate(unifier.symbol(), ONE, "")
    assert not unifier.equate(ONE, unifier.symbol(), "")


def test_what_products_have_in_common_cancels() -> None:
    unifier = Unifier[str]()
    a, b, c = (unifier.symbol() for _ in range(3))
    assert unifier.equate(a * b * four, c * b * Dimension(2), "")
    assert unifier.resolved(c) == a * Dimension(2)


def test_a_product_stays_open_until_more_is_known() -> None:
    unifier = Unifier[str]()
    a, b, c = (unifier.symbol() for _ in range(3))
    assert unifier.equate(a * b, c * four, "product")
    assert unifier.open_equations == [(a * b, c * four)]
    assert unifier.equate(a, four, "")
    assert unifier.settle() == []
    assert unifier.open_equations == []
    assert unifier.resolved(b) == unifier.resolved(c)


def test_what_settles_to_a_contradiction_is_returned() -> None:
    unifier = Unifier[str]()
    a, b = unifier.symbol(), unifier.symbol()
    assert unifier.equate(a * b, Dimension(12), "product")
    assert unifier.equate(a, three, "")
    assert unifier.equate(b, three, "")
    assert [origin for *_, origin in unifier.settle()] == ["product"]


def test_names_that_the_user_gave_stay_and_are_not_given_again() -> None:
    unifier = Unifier[str]()
    a, b, n = unifier.symbol(), unifier.symbol(), Dimension.symbol("n")
    assert unifier.equate(n, a, "")
    name = unifier.naming([a, b])
    assert [str(name(each)) for each in (a, b)] == ["n", "m"]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_unification_finds_the_classes_of_an_equivalence(pairs: list[tuple[int, int]]) -> None:
    unifier = Unifier[str]()
    symbols = [unifier.symbol() for _ in range(10)]
    classes = list(range(10))
    for i, j in pairs:
        assert unifier.equate(symbols[i], symbols[j], "")
        classes = [classes[i] if each == classes[j] else each for each in classes]
    resolved = [unifier.resolved(symbol) for symbol in symbols]
    for i in range(10):
        for j in range(10):
            assert (resolved[i] == resolved[j]) == (classes[i] == classes[j])
