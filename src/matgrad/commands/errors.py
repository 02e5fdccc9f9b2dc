"""The error of a command line that cannot be obeyed."""


class UsageError(ValueError):
    """The command line asks for what is not there; the message is one sentence that says what."""
