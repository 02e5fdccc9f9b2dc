"""The error of a file that cannot be read or written as asked."""


class FileError(ValueError):
    """A file is not what was asked for; the message is one sentence that names it."""
