"""Options that say of names what `matgrad.parse` is told by keywords."""

import argparse

KEYWORDS = {
    "scalars": "scalars",
    "vectors": "column vectors",
    "matrices": "matrices",
    "symmetric": "symmetric matrices",
    "diagonal": "diagonal matrices",
    "orthogonal": "orthogonal matrices",
    "positive_definite": "positive definite matrices",
}


def add_declarations(parser: argparse.ArgumentParser) -> None:
    """Declare an option for every keyword."""
    group = parser.add_argument_group("names", "what is not as names go: NAME or NAME,NAME")
    for keyword, meaning in KEYWORDS.items():
        option = f"--{keyword.replace('_', '-')}"
        group.add_argument(option, metavar="NAMES", default="", help=f"these are {meaning}")


def declarations(options: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """Return the keywords for `matgrad.parse`.

    Examples
    --------
    >>> import argparse
    >>> from matgrad.commands.declarations import add_declarations, declarations
    >>> parser = argparse.ArgumentParser()
    >>> add_declarations(parser)
    >>> declarations(parser.parse_args(["--symmetric", "A,S"]))
    {'symmetric': ('A', 'S')}
    """
    given = {keyword: getattr(options, keyword) for keyword in KEYWORDS}
    return {
        keyword: tuple(name.strip() for name in names.split(","))
        for keyword, names in given.items()
        if names
    }
