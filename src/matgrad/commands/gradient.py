"""`matgrad gradient`: the gradient of a function at every matrix of a file."""

import argparse
import os
import re
import sys
from contextlib import ExitStack
from math import prod
from typing import Any

import numpy as np

from matgrad.commands.batch import Batch
from matgrad.commands.declarations import add_declarations, declarations
from matgrad.commands.errors import UsageError
from matgrad.commands.functions import Function, find
from matgrad.commands.progress import progress
from matgrad.streaming import Box, NewArray, blocks, check_target, new_arrays, open_source

EXAMPLES = """\
examples:
  matgrad gradient "det(X)" X=batch.npy --out gradient.npy
  matgrad gradient "logdet(X)" X=data.npz:sigma --out G.npy --value f.npy
  matgrad gradient "tr(X*A*X'*Q)" X=X.npy A=A.npy Q=Q.npy --out G.npy
  matgrad gradient "norm(A*x - b)^2" --wrt x x=x.npy A=A.npy b=b.npy --out G.npy
  matgrad gradient quadratic-form x=x.npy A=A.npy --out G.npy

The files hold arrays of shape (..., n, n): batches of matrices, whose leading
axes broadcast; of vectors, (..., n). The gradient is by the variable that --wrt
names, in denominator layout: it has the shape of that. float32 stays float32;
whole numbers become float64. Matrices have to be what they are declared to be.
The files are read and written in blocks, and the outputs appear together when
all is done, or not at all.
"""


FILE: Any = {"metavar": "FILE", "type": os.path.expanduser}
"""A path; shells leave the ~ in --out=~/G.npy as it is."""


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    parser = verbs.add_parser(
        "gradient",
        help="write the gradient of a function at every matrix of a file",
        description="Write the gradient of FUNCTION at every point of a file.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "function",
        metavar="FUNCTION",
        help="a scalar expression such as logdet(X'*A*X), or the id of a formula",
    )
    parser.add_argument(
        "variables",
        nargs="+",
        metavar="NAME=FILE",
        help="a variable and its .npy file, or an array of an .npz file: NAME=FILE.npz:KEY",
    )
    parser.add_argument(
        "--wrt",
        metavar="NAME",
        help="the variable (default: X; of a formula, that which `matgrad show` names)",
    )
    parser.add_argument("--out", required=True, help="the .npy file to write", **FILE)
    parser.add_argument("--value", help="a .npy file for the values, too", **FILE)
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--block-bytes",
        type=byte_count,
        default=256_000_000,
        metavar="N",
        help="memory for one block of matrices, such as 1000000, 64MB or 1GB (default: 256MB)",
    )
    add_declarations(parser)
    parser.set_defaults(run=run)


def byte_count(text: str) -> int:
    """Return the number of bytes that a text such as 64MB stands for.

    Examples
    --------
    >>> from matgrad.commands.gradient import byte_count
    >>> byte_count("1000"), byte_count("1.5kB"), byte_count("2 GB")
    (1000, 1500, 2000000000)
    """
    match = re.fullmatch(r"(\d{1,18}\.?\d*)\s*([kMG]?)B?", text.strip(), re.IGNORECASE)
    powers = {"": 0, "k": 1, "m": 2, "g": 3}
    count = int(float(match[1]) * 1000 ** powers[match[2].lower()]) if match else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, such as 1000000 or 64MB")
    return count


def run(options: argparse.Namespace) -> int:
    """Carry out the verb; return the exit code."""
    function = find(options.function, options.wrt, declarations(options))
    paths = _variable_paths(options.variables, function)
    _check_outputs(options, [path for path, _ in paths.values()])
    with ExitStack() as files:
        sources = {
            name: files.enter_context(open_source(path, key)) for name, (path, key) in paths.items()
        }
        batch = Batch.of(function, sources)
        _write(batch, options)
    return 0


def _variable_paths(arguments: list[str], function: Function) -> dict[str, tuple[str, str | None]]:
    """Return the path, and the key of an .npz file, of each variable of the function."""
    paths: dict[str, tuple[str, str | None]] = {}
    for argument in arguments:
        match = re.fullmatch(r"(\w+)=(.+?)(?:(?<=\.npz):(.+))?", argument)
        if not match:
            raise UsageError(f"{argument!r} is not of the form NAME=FILE")
        name, path, key = match.groups()
        if name not in function.axes:
            raise UsageError(f"{function.text} has no variable {name}")
        if name in paths:
            raise UsageError(f"{name} is given twice")
        paths[name] = os.path.expanduser(path), key
    for name in function.axes:
        if name not in paths:
            raise UsageError(f"{function.text} needs {name}=FILE, too")
    return {name: paths[name] for name in function.axes}


def _check_outputs(options: argparse.Namespace, inputs: list[str]) -> None:
    """Refuse outputs that cannot be, before anything is computed."""
    outputs = [options.out] if options.value is None else [options.out, options.value]
    if len(set(map(os.path.realpath, outputs))) < len(outputs):
        raise UsageError(f"--out and --value are one file, {options.out}")
    for output in outputs:
        for path in inputs:
            if os.path.exists(output) and os.path.exists(path) and os.path.samefile(output, path):
                raise UsageError(f"cannot write {output}: it is an input")
        check_target(output, overwrite=options.force)


def _write(batch: Batch, options: argparse.Namespace) -> None:
    """Write the gradients, and the values if they are wanted, block by block."""
    shapes = {options.out: batch.gradient_shape}
    if options.value is not None:
        shapes[options.value] = batch.shape
    points = prod(batch.shape)
    unbounded = 0
    with (
        new_arrays(shapes, batch.dtype, overwrite=options.force) as outputs,
        progress(f"gradient of {batch.function.text}", points) as advance,
    ):
        for box in blocks(batch.shape, batch.points_within(options.block_bytes)):
            unbounded += _write_block(batch, box, outputs)
            advance(prod(map(len, box)))
    if unbounded:
        note = f"{unbounded} of {points} values are not finite"
        print(f"matgrad: note: {note}", file=sys.stderr)


def _write_block(batch: Batch, box: Box, outputs: list[NewArray]) -> int:
    """Write one block; return how many of its values are not finite.

    A function of its own, so that a block is gone before the next one comes.
    """
    value, gradient = batch.value_and_gradient(box)
    for output, block in zip(outputs, (gradient, value), strict=False):
        output.append(block)
    return int(np.count_nonzero(~np.isfinite(value)))
