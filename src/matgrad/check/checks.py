"""The public checks: of a gradient, and of a Hessian."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from matgrad.check.claims import Claim, Layout, Reader, in_layout
from matgrad.check.examination import examine, examine_hessian
from matgrad.check.outcome import GradientCheck
from matgrad.differences.evaluation import Evaluation, EvaluationError, Function
from matgrad.differences.moves import Moves, Symmetric
from matgrad.differences.points import Points
from matgrad.differences.workers import Workers, pool

Terms = Mapping[str, npt.ArrayLike | Callable[[Any], Any]]


def check_gradient(
    f: Function,
    gradient: Function | npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    ndim: int,
    layout: Layout = "denominator",
    symmetric: Symmetric = False,
    rng: np.random.Generator | int | None = None,
    terms: Terms | None = None,
    vectorized: bool = True,
    workers: Workers = 1,
) -> GradientCheck:
    """Check a gradient against its function; if it is wrong, find out how.

    The remainder f(x + h v) - f(x) - h <g, v> falls like h² along every direction v if g is the
    gradient, and like h if it is not. Random directions are tried, and beside them single entries,
    or rows and columns where the entries are many, since one wrong entry among thousands hardly
    shows in a random direction.

    Parameters
    ----------
    f : callable
        A scalar function: takes an array (..., in) of points with any leading axes and returns
        (...). With ``vectorized=False`` it takes one point. Called in double precision, also at
        float32 points, if it takes that: the judge should see more than the judged.
    gradient : callable or array_like
        The same for the gradient: (..., in) in denominator layout. An array holds the gradients
        at the points; its rounding cannot be measured, and is taken to be small.
    x : array_like, shape (batch..., in...)
        The points.
    ndim : int
        How many trailing axes of `x` are the argument.
    layout : {"denominator", "numerator"}
        Of the gradient: the shape of x, or its transpose (for a vector, a row).
    symmetric : bool, "symmetric" or "free"
        The argument is a symmetric matrix, and only symmetric displacements are made. True, or
        "symmetric": the gradient is (G + G')/2 (Frobenius); "free": it is G + G' - G o I.
    rng : numpy.random.Generator or int, optional
        Draws the directions.
    terms : mapping of str to callable or array_like, optional
        Named terms of the gradient, in denominator layout: if one of them is missing, doubled or
        has the wrong sign, the diagnosis names it.
    vectorized : bool
        Whether `f` and `gradient` take stacks of points.
    workers : int, concurrent.futures.Executor, or map-like
        As in `jacobian`.

    Returns
    -------
    GradientCheck
        ``.ok`` is one bool a point; ``print`` it to read what was found.

    Raises
    ------
    EvaluationError
        If `f` or `gradient` raises at the points themselves, is not finite there, returns the wrong
        shape or changes its input. Away from the points, f may leave its domain.
    ValueError, TypeError
        If an argument has the wrong shape, value or dtype.

    Notes
    -----
    Gradients are right to half the digits of the coarsest dtype that takes part, or as far as
    rounding in f and in the gradient, both measured, lets see. `GradientCheck.resolution` says
    which error would have shown. A wrong entry whose whole effect on f is below the rounding of f
    cannot be seen by any difference.

    Examples
    --------
    >>> import numpy as np
    >>> import matgrad
    >>> A = np.array([[2.0, 1.0], [0.0, 3.0]])
    >>> f = lambda x: np.einsum("...i,ij,...j->...", x, A, x)
    >>> x = np.array([1.0, 2.0])
    >>> bool(matgrad.check_gradient(f, lambda x: x @ (A + A.T), x, ndim=1).ok)
    True
    >>> check = matgrad.check_gradient(f, lambda x: 1.03 * x @ (A + A.T), x, ndim=1, rng=0)
    >>> print(check.verdict)
    wrong
    >>> print(check.diagnosis)
    a factor is missing: the derivative is 0.970874 times it
    """
    caller = "check_gradient"
    points = _points(x, ndim, caller)
    moves = Moves.of(points, symmetric, caller)
    form = in_layout(points.shape, layout, caller)
    with pool(workers, (f, gradient), caller) as mapper:
        reader = Reader(points, mapper, vectorized, caller)
        claimed = reader.read(gradient, moves, 1, form, "gradient", layout)
        function = _judge(f, reader)
        if function.out:
            raise ValueError(f"{caller} needs a scalar function; f has the shape {function.out}")
        claim = Claim.of(function, moves, claimed)
        found = examine(claim, np.random.default_rng(rng))
        named = {
            name: reader.read(term, moves, 1, points.shape, f"term {name}").value
            for name, term in (terms or {}).items()
        }
    return GradientCheck.of(claim, found, named, expected=2)


def check_hessian(
    f: Function,
    gradient: Function,
    hessian: Function | npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    ndim: int,
    rng: np.random.Generator | int | None = None,
    terms: Terms | None = None,
    vectorized: bool = True,
    workers: Workers = 1,
) -> GradientCheck:
    """Check a Hessian against its function and gradient; if it is wrong, find out how.

    The remainder f(x + h v) - f(x) - h <g, v> - h²/2 <v, H v> falls like h³ if H is the Hessian,
    and like h² if it is not. It says nothing of an asymmetric part of H and little of single
    entries, so the verdict comes from the same test of H against differences of the gradient, once
    the gradient has stood the test against f.

    Parameters
    ----------
    f, gradient : callable
        As in `check_gradient`, the gradient in denominator layout.
    hessian : callable or array_like
        (..., in, in): entry (i, j) is the second derivative by entries i and j.
    x, ndim, rng, terms, vectorized, workers
        As in `check_gradient`.

    Returns
    -------
    GradientCheck
        ``.expected`` is 3, ``.slope`` that of the second-order remainder of f.

    Raises
    ------
    EvaluationError, ValueError, TypeError
        As in `check_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> import matgrad
    >>> f, g = lambda x: np.exp(x).sum(axis=-1), np.exp
    >>> H = lambda x: np.exp(x)[..., None] * np.eye(3)
    >>> x = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 0.0]])
    >>> matgrad.check_hessian(f, g, H, x, ndim=1).ok
    array([ True,  True])
    """
    caller = "check_hessian"
    points = _points(x, ndim, caller)
    moves = Moves.of(points, False, caller)
    form, size = points.shape * 2, points.flat.shape[1]
    with pool(workers, (f, gradient, hessian), caller) as mapper:
        reader = Reader(points, mapper, vectorized, caller)
        slopes = Claim.of(
            _judge(f, reader), moves, reader.read(gradient, moves, 1, points.shape, "gradient")
        )
        bends = Claim.of(
            _judge(gradient, reader, "gradient"),
            moves,
            reader.read(hessian, moves, size, form, "hessian"),
        )
        found = examine_hessian(slopes, bends, np.random.default_rng(rng))
        named = {
            name: reader.read(term, moves, size, form, f"term {name}").value
            for name, term in (terms or {}).items()
        }
    return GradientCheck.of(bends, found, named, expected=3)


def _points(x: npt.ArrayLike, ndim: int, caller: str) -> Points:
    points = Points.of(x, ndim, caller)
    if not points.flat.shape[1]:
        raise ValueError(f"{caller} needs an argument with entries; got shape {points.shape}")
    return points


def _judge(f: Function, reader: Reader, name: str = "f") -> Evaluation:
    """Evaluate f in double precision, or in that of the points if it refuses."""
    points = reader.points
    if points.flat.dtype == np.float64:
        return reader.evaluation(f, name)
    wide = Points(points.flat.astype(float), points.batch, points.shape)
    try:
        return replace(reader, points=wide).evaluation(f, name)
    except EvaluationError:
        return reader.evaluation(f, name)
