"""The Jacobian of any function of arrays by finite differences."""

from typing import Any

import numpy as np
import numpy.typing as npt

from matgrad.differences.evaluation import Evaluation, Function
from matgrad.differences.moves import Moves, Pattern, Symmetric
from matgrad.differences.native import recognised
from matgrad.differences.points import Array, Points, precision
from matgrad.differences.progress import Report, reporting
from matgrad.differences.results import Assembly
from matgrad.differences.schemes import SCHEMES
from matgrad.differences.steps import Method, Room, Structure, default_steps
from matgrad.differences.sweeps import Sweep
from matgrad.differences.workers import Workers, pool

CALLER = "jacobian"


def jacobian(
    f: Function,
    x: npt.ArrayLike,
    *,
    ndim: int,
    method: Method = "3-point",
    step: npt.ArrayLike | None = None,
    bounds: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    sparsity: Any = None,
    structure: Structure | None = None,
    symmetric: Symmetric = False,
    vectorized: bool = True,
    max_bytes: int = 2**23,
    workers: Workers = 1,
    full_output: bool = False,
    progress: bool | Report = False,
) -> Any:
    """Differentiate a function of arrays numerically, at a whole batch of points.

    Entry (..., i, j) of the result is the derivative of output i with respect to entry j of the
    argument; output and argument may have any number of axes each.

    Parameters
    ----------
    f : callable
        Takes an array (..., in) of points with any leading axes and returns (..., out). It is
        called on stacks (k, batch, in), so that constants with the batch's axes broadcast.
        With ``vectorized=False`` it takes one point (in) and returns (out).
    x : array_like, shape (batch..., in...)
        The points, float32 or float64; integers are taken as float64.
    ndim : int
        How many trailing axes of `x` are the argument; the others are the batch.
    method : {"3-point", "2-point", "cs", "adaptive"}
        "2-point" evaluates once an entry and has an error of order h, "3-point" twice with
        order h², "cs" once with a complex step, for a real `f` that is analytic and written for
        complex arrays, with no error but the rounding inside `f`. "adaptive" extrapolates to
        h = 0 over as many steps as it takes, 10 to 40 evaluations an entry, from the scale of x
        down to that of f.
    step : array_like, optional
        The absolute step, broadcast to the shape of `x`; its sign is the side that "2-point"
        prefers. For "adaptive" it is the largest one. By default eps^(1/2) for "2-point",
        eps^(1/3) for "3-point", times max(1, abs(x)), and eps^(5/4) abs(x) for "cs", where eps
        belongs to the coarser dtype of `x` and `f`.
    bounds : (lower, upper), optional
        Each broadcast to the shape of `x`. `f` is never evaluated outside: a step that would
        leave turns, shrinks, or becomes one-sided.
    sparsity : array_like or SciPy sparse array, optional
        Where the Jacobian may be nonzero, shape out + in or (m, n) flattened. Entries that
        share no output move together. A SciPy array gives a SciPy ``csr_array`` (m, n), for an
        `x` without batch axes.
    structure : {"affine", "quadratic"}, optional
        What `f` is known to be in each entry. The step is then a power of two as large as the
        entries, and nothing is truncated.
    symmetric : bool, "symmetric" or "free"
        Move (i, j) and (j, i) of the last two axes together, for an `f` of symmetric matrices.
        True, or "symmetric", gives the symmetric (Frobenius) convention (G + G')/2, "free" one
        parameter for each free entry, G + G' - G o I.
    vectorized : bool
        Whether `f` takes stacks.
    max_bytes : int
        Bound for the stacks and values held at a time; one stack holds a copy of `x` at least.
        The default keeps a stack in cache.
    workers : int, concurrent.futures.Executor, or map-like
        That many processes (-1: one for each core), or the executor's threads or processes, or
        ``workers(function, tasks)``. An interrupt ends processes that were started here.
    full_output : bool
        Return a `JacobianInfo` too. Its error estimate doubles the evaluations of the methods
        with a fixed step; that of "cs" knows nothing of rounding inside `f`.
    progress : bool or callable
        Draw a bar on a terminal (extra ``cli``), or call ``progress(done, total)``.

    Returns
    -------
    J : ndarray, shape (batch..., out..., in...), or csr_array
        In the dtype of `f` and `x`.
    info : JacobianInfo
        With ``full_output``: error estimate, step, number of evaluations.

    Raises
    ------
    EvaluationError
        If `f` raises, returns the wrong shape, is not finite or changes its input; the message
        names the point. "adaptive" tolerates points outside the domain of `f` while its step
        is large.
    ValueError, TypeError
        If an argument has the wrong shape, value or dtype.

    Notes
    -----
    ``matgrad.det``, ``matgrad.trace`` and ``functools.partial(matgrad.trace_product, A)`` are
    differenced in compiled code where no option asks for more than "3-point": see
    `matgrad.differences.central_differences`.

    Steps follow `scipy.optimize`; "adaptive" is Richardson's extrapolation against rounding as
    measured by Moré and Wild, SIAM J. Sci. Comput. 33 (2011) 1292-1314.

    Examples
    --------
    The gradient of x'x at three points, and its error estimate:

    >>> import numpy as np
    >>> import matgrad
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> J = matgrad.jacobian(lambda x: (x * x).sum(axis=-1), x, ndim=1)
    >>> np.allclose(J, 2 * x)
    True
    >>> J, info = matgrad.jacobian(
    ...     lambda X: np.exp(X).sum(axis=-1), x, ndim=2, method="adaptive", full_output=True
    ... )
    >>> J.shape
    (3, 3, 2)
    >>> bool(np.all(info.error < 1e-9 * np.exp(6)))
    True
    """
    points = Points.of(x, ndim, CALLER)
    _require_options(method, structure)
    given = (step, bounds, sparsity, structure)
    asked = symmetric or full_output or progress
    plain = all(each is None for each in given) and not asked
    if plain and method == "3-point" and ndim == 2 and vectorized and workers == 1:
        native = recognised(f, np.asarray(x))
        if native is not None:
            return native
    with pool(workers, f, CALLER) as mapper, reporting(progress, CALLER) as report:
        evaluation = Evaluation(f, points, mapper, vectorized=vectorized, caller=CALLER)
        moves = Moves.of(points, symmetric, CALLER)
        sweep = Sweep(
            evaluation,
            moves,
            Room.of(points, bounds, CALLER),
            _pattern(sparsity, evaluation, moves),
            method,
            _steps(step, evaluation, method, structure),
            judged=full_output,
        )
        assembly = Assembly(evaluation, moves, sparse=hasattr(sparsity, "tocoo"))
        measured = sweep.run(max_bytes, report)
        if full_output:
            return assembly.jacobian_and_info(measured)
        return assembly.jacobian(measured)


def _require_options(method: str, structure: str | None) -> None:
    known = (*SCHEMES, "adaptive")
    if method not in known:
        raise ValueError(f"jacobian knows the methods {', '.join(known)}; got {method!r}")
    exact = {None: known, "affine": ("2-point", "3-point"), "quadratic": ("3-point",)}
    if structure not in exact:
        raise ValueError(f"jacobian knows the structures affine, quadratic; got {structure!r}")
    if method not in exact[structure]:
        raise ValueError(
            f"jacobian with structure={structure!r} needs method {' or '.join(exact[structure])}; "
            f"got {method!r}"
        )


def _pattern(sparsity: Any, evaluation: Evaluation, moves: Moves) -> Pattern | None:
    if sparsity is None:
        return None
    return Pattern.of(sparsity, evaluation.out, evaluation.points, moves, CALLER)


def _steps(
    step: npt.ArrayLike | None, evaluation: Evaluation, method: Method, structure: Structure | None
) -> Array:
    points = evaluation.points
    if step is None:
        unit = precision(points.flat.dtype, evaluation.base.dtype)
        return default_steps(points.flat, method, structure, unit)
    steps = points.broadcast(step, "step", CALLER)
    if not (np.isfinite(steps).all() and steps.all()):
        raise ValueError(f"jacobian needs steps that are finite and not zero; got step={step}")
    return steps
