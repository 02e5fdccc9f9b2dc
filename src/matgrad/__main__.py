"""The command line: `matgrad VERB ...`, or `python -m matgrad VERB ...`."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import matgrad
from matgrad.commands.errors import UsageError
from matgrad.streaming import FileError

EXAMPLES = """\
examples:
  matgrad list logdet
      list the formulas with a word in them
  matgrad show quadratic-trace
      show a formula: statement, shapes, conditions, both layouts, sources
  matgrad derive "tr(X*A*X'*Q)" --wrt X --steps
      derive a derivative, step by step
  matgrad check
      compare every native function with NumPy and with finite differences,
      and every formula with differences
  matgrad gradient "det(X)" X=batch.npy --out gradient.npy --value value.npy
      write the gradient of det at every matrix of a file, however large
  matgrad bench --operation det --sizes 3,8,32
      time det beside NumPy, SciPy, PyTorch and JAX on one core

`matgrad VERB --help` says more about a verb.
exit codes: 0 done; 1 a check failed, or nothing is found; 2 wrong arguments or files;
130 or 143 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv
        The arguments behind the program's name; those of the process if None.

    Examples
    --------
    >>> from matgrad.__main__ import main
    >>> main(["gradient", "det(X)", "X=no-such-file.npy", "--out", "gradient.npy"])
    2
    """
    _open_closed_streams()
    try:
        options = _parser().parse_args(argv)
        with _terminations_raised():
            code: int = options.run(options)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has shown help or the version
        return int(end.code or 0)
    except BrokenPipeError:
        return _stop_writing()
    except Terminated as interrupt:
        return _complain("interrupted", 128 + interrupt.number)
    except KeyboardInterrupt:
        return _complain("interrupted", 128 + signal.SIGINT)
    except (UsageError, FileError) as error:
        return _complain(str(error), 2)
    except (ImportError, OSError) as error:
        return _complain(str(error), 2)
    except MemoryError as error:
        return _complain(f"out of memory: {error}", 2)
    return code


def _open_closed_streams() -> None:
    """Write to nowhere where the caller has closed a stream (`>&-`): for Python it is None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise UsageError(message)


class Terminated(KeyboardInterrupt):
    """Another signal than SIGINT asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _parser() -> Parser:
    # Imported here, where `main` turns an instruction set that is not there into a sentence.
    from matgrad.commands import bench, check, deriving, gradient, listing, showing

    parser = Parser(
        prog="matgrad",
        description=matgrad.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"matgrad {matgrad.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in (listing, showing, deriving, check, gradient, bench):
        verb.add_parser(verbs)
    return parser


@contextmanager
def _terminations_raised() -> Iterator[None]:
    """Turn signals that ask the process to end into exceptions, so that it tidies up.

    A signal that the parent process has chosen to ignore (`nohup`) stays ignored.
    """

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        signals = []
    former = {s: signal.getsignal(s) for s in signals if signal.getsignal(s) == signal.SIG_DFL}
    for number in former:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _complain(sentence: str, code: int) -> int:
    print(f"matgrad: {sentence}", file=sys.stderr)
    return code


def _stop_writing() -> int:
    """End quietly when the reader of the output has gone (`matgrad check | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141  # what a shell reports for SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
