"""Unification of dimensions: what the symbols mean so that the equations between them hold."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from math import gcd
from typing import Generic, TypeVar

from matgrad.expression.dimension import ONE, Dimension

# Dimensions get these names, in the order in which they are first seen.
LETTERS = "nmklpqrstuv"

Origin = TypeVar("Origin")


class Unifier(Generic[Origin]):
    """What every symbol means so far, and where that comes from.

    A symbol stands for a number that is not known yet, and never for the 1 of a vector. Symbols
    with a point in them are internal; others are names that the user gave.
    """

    def __init__(self) -> None:
        self._meanings: dict[str, Dimension] = {}
        self._origins: dict[str, Origin] = {}
        self._open: list[tuple[Dimension, Dimension, Origin]] = []
        self._fresh = count()

    def symbol(self) -> Dimension:
        """Return a new symbol."""
        return Dimension.symbol(f".{next(self._fresh)}")

    def equate(self, first: Dimension, second: Dimension, origin: Origin) -> bool:
        """Make two dimensions equal; False if they cannot be.

        Products of several symbols, as in m*n = p*q, stay open until more is known.
        """
        a, b = _reduced(self.resolved(first), self.resolved(second))
        if a == b:
            return True
        if "." not in "".join(a.symbols):  # a name that the user gave stays
            a, b = b, a
        for one, other in ((a, b), (b, a)):
            if one.coefficient == 1 and len(one.symbols) == 1 and other != ONE:
                self._meanings[one.symbols[0]] = other
                self._origins[one.symbols[0]] = origin
                return True
        if ONE in (a, b) or not (a.symbols or b.symbols):
            return False
        self._open.append((first, second, origin))
        return True

    def resolved(self, dimension: Dimension) -> Dimension:
        """Return a dimension in symbols that have no meaning yet."""
        while any(symbol in self._meanings for symbol in dimension.symbols):
            dimension = dimension.replace(self._meanings)
        return dimension

    def origin(self, dimension: Dimension) -> Origin | None:
        """Return what made a symbol mean what it means now; None for what is no such symbol."""
        origin = None
        while len(dimension.symbols) == 1 and dimension.symbols[0] in self._meanings:
            origin = self._origins[dimension.symbols[0]]
            dimension = self._meanings[dimension.symbols[0]]
        return origin

    def settle(self) -> list[tuple[Dimension, Dimension, Origin]]:
        """Try open equations again as long as that teaches something; return those that fail."""
        failed = []
        known = -1
        while len(self._meanings) > known:
            known = len(self._meanings)
            pending, self._open = self._open, []
            failed += [equation for equation in pending if not self.equate(*equation)]
        return failed

    def naming(self, dimensions: Iterable[Dimension]) -> Callable[[Dimension], Dimension]:
        """Return what resolves these dimensions and puts names in the place of internal symbols.

        Examples
        --------
        >>> unifier = Unifier()
        >>> rows, columns = unifier.symbol(), unifier.symbol()
        >>> str(unifier.naming([rows, columns])(rows * columns))
        'm*n'
        """
        resolved = map(self.resolved, dimensions)
        symbols = dict.fromkeys(symbol for each in resolved for symbol in each.symbols)
        unused = (name for name in _letters() if name not in symbols)
        internal = (symbol for symbol in symbols if "." in symbol)
        names = {symbol: Dimension.symbol(next(unused)) for symbol in internal}
        return lambda dimension: self.resolved(dimension).replace(names)

    @property
    def open_equations(self) -> list[tuple[Dimension, Dimension]]:
        """The equations that only sizes can decide."""
        return [(self.resolved(first), self.resolved(second)) for first, second, _ in self._open]


def _letters() -> Iterator[str]:
    yield from LETTERS
    yield from (f"n{number}" for number in count(1))


def _reduced(a: Dimension, b: Dimension) -> tuple[Dimension, Dimension]:
    """Cancel what both products have in common."""
    common = Counter(a.symbols) & Counter(b.symbols)
    divisor = gcd(a.coefficient, b.coefficient)
    return _without(a, common, divisor), _without(b, common, divisor)


def _without(dimension: Dimension, symbols: Counter[str], divisor: int) -> Dimension:
    rest = Counter(dimension.symbols) - symbols
    return Dimension(dimension.coefficient // divisor, tuple(sorted(rest.elements())))
