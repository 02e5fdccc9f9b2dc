"""The catalog: all formulas of the chapters by their ids."""

from collections.abc import Iterable, Iterator, Mapping

from matgrad.formulas import (
    determinant,
    inverse,
    models,
    norm,
    power,
    quadratic,
    rules,
    symmetric,
    trace,
)
from matgrad.formulas.formula import Formula

# The chapters, in the order in which they are listed.
CHAPTERS: Mapping[str, tuple[Formula, ...]] = {
    "Rules": rules.FORMULAS,
    "Traces": trace.FORMULAS,
    "Determinants": determinant.FORMULAS,
    "Inverses": inverse.FORMULAS,
    "Linear and quadratic forms": quadratic.FORMULAS,
    "Powers and quotients": power.FORMULAS,
    "Norms": norm.FORMULAS,
    "Symmetric matrices": symmetric.FORMULAS,
    "Models": models.FORMULAS,
}


class Catalog(Mapping[str, Formula]):
    """Formulas by id, in the order of the chapters.

    Raises
    ------
    ValueError
        If two formulas have the same id.

    Examples
    --------
    >>> from matgrad import catalog
    >>> print(catalog["log-determinant"])
    d logdet(X) / dX = inv(X)'
    >>> catalog["trace-prodct"]
    Traceback (most recent call last):
        ...
    KeyError: "there is no formula 'trace-prodct'; the nearest are trace-product, ..."
    """

    def __init__(self, formulas: Iterable[Formula]) -> None:
        self._formulas: dict[str, Formula] = {}
        for formula in formulas:
            if formula.id in self._formulas:
                raise ValueError(f"two formulas have the id {formula.id!r}")
            self._formulas[formula.id] = formula

    def find(self, *, source: str = "", text: str = "") -> list[Formula]:
        """Return the formulas of a source, or with a text in their id, title or statement.

        Parameters
        ----------
        source : str
            A whole source, such as "cookbook:118", or a book, such as "lecture-a".
        text : str
            Words that all occur, in any case.

        Examples
        --------
        >>> from matgrad import catalog
        >>> [formula.id for formula in catalog.find(source="cookbook:118")]
        ['trace-two-sided-quadratic']
        """
        words = text.lower().split()
        return [
            formula
            for formula in self.values()
            if _is_from(formula, source) and all(word in _searchable(formula) for word in words)
        ]

    def __getitem__(self, id: str) -> Formula:
        if id not in self._formulas:
            near = self.nearest(id)
            hint = (
                f"the nearest are {', '.join(near)}" if near else "catalog.find(text=...) searches"
            )
            raise KeyError(f"there is no formula {id!r}; {hint}")
        return self._formulas[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._formulas)

    def __len__(self) -> int:
        return len(self._formulas)

    def __contains__(self, id: object) -> bool:
        return id in self._formulas

    def __repr__(self) -> str:
        return f"<Catalog of {len(self)} formulas>"

    def nearest(self, id: str) -> list[str]:
        """Return up to three ids that look like this one.

        Examples
        --------
        >>> from matgrad import catalog
        >>> catalog.nearest("quadratic-from")[0]
        'quadratic-form'
        """
        from difflib import get_close_matches

        return get_close_matches(str(id), self._formulas, n=3, cutoff=0.4)


def _is_from(formula: Formula, source: str) -> bool:
    return not source or any(source in (each, each.partition(":")[0]) for each in formula.sources)


def _searchable(formula: Formula) -> str:
    return f"{formula.id} {formula.title} {formula}".lower()


catalog = Catalog(formula for chapter in CHAPTERS.values() for formula in chapter)
