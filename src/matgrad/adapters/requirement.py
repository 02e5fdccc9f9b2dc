"""Libraries that an adapter needs, and the sentence that says what to install."""

from importlib import import_module
from typing import Any


def required(module: str, extra: str, title: str) -> Any:
    """Return a module of a library.

    Raises
    ------
    ImportError
        If the library is not installed; it names the extra that brings it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'{title} is needed: pip install "matgrad[{extra}]" ({error})') from None
