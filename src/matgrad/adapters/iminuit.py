"""An oracle for iminuit: MINUIT's minimisers with an exact gradient."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from matgrad.adapters.requirement import required

if TYPE_CHECKING:
    from matgrad.oracle import Oracle


def minuit(oracle: "Oracle", x0: ArrayLike, **options: Any) -> Any:
    """Return the `iminuit.Minuit` of a scalar.

    Parameters
    ----------
    oracle : Oracle
        The scalar. Its unit of error is that of a negative log-likelihood, 0.5; set ``errordef`` to
        1 for a sum of squares.
    x0 : array_like
        Where it starts.
    **options
        Other arguments of Minuit, such as ``name``.

    Examples
    --------
    >>> import numpy as np
    >>> from matgrad import Oracle, catalog
    >>> from matgrad.adapters.iminuit import minuit
    >>> fit = minuit(Oracle(catalog["quadratic-form"], A=np.eye(2)), [1.0, 2.0]).migrad()
    >>> fit.valid, fit.fval < 1e-9
    (True, True)
    """
    iminuit = required("iminuit", "optimize", "iminuit")
    fit = iminuit.Minuit(oracle.value, np.ravel(x0), grad=oracle.gradient, **options)
    fit.errordef = iminuit.Minuit.LIKELIHOOD
    return fit
