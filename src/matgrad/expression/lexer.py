"""Tokens: numbers, names and signs, each with its place in the text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# A point before *, / or ^ belongs to the sign: "2.*x" is 2 .* x.
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number> (?: \d+ (?: \.(?![*/^]) \d* )? | \.\d+ ) (?: [eE][+-]?\d+ )? )
    | (?P<name>   [A-Za-z]\w* )
    | (?P<sign>   \.[*/^] | [-+*/^'(),] )
    | (?P<end>    $ )
    )""",
    re.VERBOSE | re.ASCII,
)


class ParseError(ValueError):
    """A text that is not an expression; the message shows where.

    Parameters
    ----------
    problem : str
        What is wrong, and what was expected.
    text : str
        The text that was read.
    start, end : int
        The place in it.
    """

    def __init__(self, problem: str, text: str, start: int, end: int) -> None:
        marker = " " * start + "^" * max(1, end - start)
        line = re.sub(r"\s", " ", text)
        super().__init__(f"{problem}\n    {line}\n    {marker}")
        self.problem, self.text, self.start, self.end = problem, text, start, end

    def __reduce__(self) -> tuple[type["ParseError"], tuple[str, str, int, int]]:
        return type(self), (self.problem, self.text, self.start, self.end)


class Token(NamedTuple):
    """A piece of text: its category (number, name, sign or end), itself, and where it stands."""

    category: str
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return "the end" if self.category == "end" else f"'{self.text}'"


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text, an end token last.

    Raises
    ------
    ParseError
        At a sign that the language does not have.
    """
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            sign = text[position]
            raise ParseError(f"{sign!r} is not in the language", text, position, position + 1)
        category = str(match.lastgroup)
        yield Token(category, match[category], *match.span(category))
        if category == "end":
            return
        position = match.end()
