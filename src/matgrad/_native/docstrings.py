"""The docstrings of the gufuncs, which the compiled modules attach when they register them.

NumPy writes the call in front of each. What several of them say stands here first; what all of them
would say (broadcasting, keywords, NaN) is said once, in `matgrad.linalg`.
"""

SQUARE = """\
X : array_like, shape (..., n, n)
    Square matrices, behind the axes of the batch."""

QUADRATIC = """\
X : array_like, shape (..., n, m)
    The variable.
A, Q : array_like, shapes (..., m, m) and (..., n, n)
    Constants; they need not be symmetric."""

RAISES = """\
ValueError
    If an array has fewer than two axes, or their lengths do not fit.
TypeError
    If a dtype is not float32, float64, complex64, complex128, integer or bool."""

RAISES_REAL = """\
ValueError
    If an array has fewer than two axes, or their lengths do not fit.
TypeError
    If a dtype is not float32, float64, integer or bool."""

RAISES_SINGULAR = f"""\
{RAISES}
FloatingPointError
    If a matrix is singular, under ``np.errstate(invalid="raise")``."""

DENOMINATOR = """\
It is in denominator layout; ``gradient.mT`` is a view of it in numerator layout."""

DOCSTRINGS = {
    "trace": f"""\
Trace of square matrices, ``(n,n)->()``.

Parameters
----------
{SQUARE}

Returns
-------
array, shape (...)
    tr X.

Raises
------
{RAISES}

Notes
-----
tr X = sum_i x_ii; its gradient is I (lecture-b, 1.8; Matrix Cookbook, 99). The
n entries are added in double precision, whatever the dtype. No entry off the
diagonal is read, so a NaN there is not seen. For n = 0 the trace is 0.

Examples
--------
>>> import matgrad
>>> matgrad.trace([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
array([ 5., 13.])
""",
    "trace_product": f"""\
Trace of the product of two matrices, ``(m,n),(n,m)->()``.

Parameters
----------
A : array_like, shape (..., m, n)
X : array_like, shape (..., n, m)

Returns
-------
array, shape (...)
    tr(AX).

Raises
------
{RAISES}

Notes
-----
tr(AX) = sum_ij a_ij x_ji takes m n multiply-adds; AX is never formed. The
gradient by X is A', in numerator layout A (lecture-a, section 2; lecture-b,
1.9; Matrix Cookbook, 100). The error is at most gamma_k sum_ij |a_ij x_ji|,
where k = m n, gamma_k = k u / (1 - k u) and u is the unit roundoff.

Examples
--------
>>> import matgrad
>>> A, X = [[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1], [1, 1]]
>>> print(matgrad.trace_product(A, X))
15.0
""",
    "quadratic_trace": f"""\
Trace of a quadratic form in a matrix, ``(n,m),(m,m),(n,n)->()``.

Parameters
----------
{QUADRATIC}

Returns
-------
array, shape (...)
    tr(XAX'Q).

Raises
------
{RAISES_REAL}

Notes
-----
tr(XAX'Q) = sum_ij x_ij (QXA)_ij (lecture-a, section 5) takes n m (n + m)
multiply-adds. The error is at most gamma_k tr(|X| |A| |X'| |Q|), where
k = n + m + n m, gamma_k = k u / (1 - k u) and u is the unit roundoff.

Examples
--------
>>> import matgrad
>>> print(matgrad.quadratic_trace([[1, 2]], [[1, 2], [0, 1]], [[3]]))
27.0
""",
    "quadratic_trace_and_gradient": f"""\
Trace of a quadratic form and its gradient, ``(n,m),(m,m),(n,n)->(),(n,m)``.

Parameters
----------
{QUADRATIC}

Returns
-------
value : array, shape (...)
    tr(XAX'Q).
gradient : array, shape (..., n, m)
    Q'XA' + QXA.

Raises
------
{RAISES_REAL}

Notes
-----
The gradient is that of lecture-a, section 5 (Matrix Cookbook, 118).
{DENOMINATOR}
Value and gradient take 2 n m (n + m) multiply-adds.

Examples
--------
>>> import matgrad
>>> X, A, Q = [[1, 2]], [[1, 2], [0, 1]], [[3]]
>>> matgrad.quadratic_trace_and_gradient(X, A, Q)[1]
array([[18., 18.]])
""",
    "det": f"""\
Determinant of square matrices, ``(n,n)->()``.

Parameters
----------
{SQUARE}

Returns
-------
array, shape (...)
    det X; 1 for n = 0.

Raises
------
{RAISES}

Notes
-----
det X = sum_j (-1)^(i+j) x_ij M_ij, M_ij the minors of any row i (lecture-a,
section 6). Real matrices with n <= 4 take this form in twice the precision: it
is right to about one unit roundoff at any condition, 0 if X is singular. Others
are eliminated with pivoting in at most n^3/2 multiply-adds; the result is the
determinant of some X + E, |E| <= gamma_n |L| |U| (Higham, Accuracy and
Stability of Numerical Algorithms, chapter 9). It is inf, with a warning, or 0
only where it does not fit itself: no product on the way over- or underflows.

Examples
--------
>>> import matgrad
>>> matgrad.det([[[1, 2], [3, 4]], [[1, 2], [2, 4]]])
array([-2.,  0.])
""",
    "slogdet": f"""\
Sign and logarithm of the determinant, ``(n,n)->(),()``.

Parameters
----------
{SQUARE}

Returns
-------
sign : array, shape (...)
    -1, 0 or 1; for complex X det X / |det X|, or 0.
logabsdet : array, shape (...)
    log |det X|, real; -inf, without a warning, where det X is 0.

Raises
------
{RAISES}

Notes
-----
det X = sign exp(logabsdet); for n = 0 these are 1 and 0. The determinant
is that of `det`, as mantissa and exponent, so none is too large or too small.
Its relative error is the absolute error of the logarithm, which is taken once.

Examples
--------
>>> import matgrad
>>> sign, logabsdet = matgrad.slogdet([[[1, 2], [3, 4]], [[1, 2], [2, 4]]])
>>> logabsdet
array([0.69314718,       -inf])
""",
    "inv": f"""\
Inverse of square matrices, ``(n,n)->(n,n)``.

Parameters
----------
{SQUARE}

Returns
-------
array, shape (..., n, n)
    inv(X), all NaN where X is singular; the rest of the batch is right.

Raises
------
{RAISES_SINGULAR}

Notes
-----
d inv(X) = -inv(X) dX inv(X) (lecture-b, 1.6; Matrix Cookbook, 40). Real
matrices with n <= 4 take cofactors in twice the precision: errors are about 2 u
times the largest entry, u the unit roundoff, at any condition. Others are
eliminated with pivoting, about n^3 multiply-adds; rounding may hide a pivot of 0.

Examples
--------
>>> import matgrad
>>> matgrad.inv([[1, 2], [3, 4]])
array([[-2. ,  1. ],
       [ 1.5, -0.5]])
""",
    "adjugate": f"""\
Adjugate of square matrices, ``(n,n)->(n,n)``.

Parameters
----------
{SQUARE}

Returns
-------
array, shape (..., n, n)
    adj(X), the transposed matrix of cofactors; defined for every X.

Raises
------
{RAISES}

Notes
-----
X adj(X) = adj(X) X = det(X) I (lecture-a, section 6). Nothing is divided by
det(X), so rank n - 1 costs no accuracy, and less rank gives 0 up to rounding:
n <= 4 takes cofactors, larger n an elimination whose last pivot only multiplies
(J. Stewart, On the adjugate matrix, Linear Algebra Appl. 283 (1998) 151-164),
about n^3 multiply-adds.

Examples
--------
>>> import matgrad
>>> matgrad.adjugate([[1, 2], [2, 4]])
array([[ 4., -2.],
       [-2.,  1.]])
""",
    "det_and_gradient": f"""\
Determinant and its gradient, ``(n,n)->(),(n,n)``.

Parameters
----------
{SQUARE}

Returns
-------
value : array, shape (...)
    det X.
gradient : array, shape (..., n, n)
    adj(X)'; where X is invertible, det(X) inv(X)'.

Raises
------
{RAISES}

Notes
-----
d det X = tr(adj(X) dX) (Matrix Cookbook, 41, 49; lecture-a, section 6;
lecture-b, 1.7). One elimination gives both, for singular X, too: see `adjugate`.
For complex X the gradient is the holomorphic derivative, not conjugated.
{DENOMINATOR}

Examples
--------
>>> import matgrad
>>> matgrad.det_and_gradient([[1, 2], [2, 4]])[1]
array([[ 4., -2.],
       [-2.,  1.]])
""",
    "slogdet_and_gradient": f"""\
Sign, logarithm of the determinant, its gradient, ``(n,n)->(),(),(n,n)``.

Parameters
----------
{SQUARE}

Returns
-------
sign, logabsdet : array, shape (...)
    As from `slogdet`.
gradient : array, shape (..., n, n)
    inv(X)', as exact as from `inv`; all NaN where X is singular.

Raises
------
{RAISES_SINGULAR}

Notes
-----
d log |det X| = tr(inv(X) dX) (Matrix Cookbook, 43, 57). For complex X the
gradient is the holomorphic derivative of log det X, not conjugated.
{DENOMINATOR}

Examples
--------
>>> import matgrad
>>> matgrad.slogdet_and_gradient([[1, 2], [3, 4]])[2]
array([[-2. ,  1.5],
       [ 1. , -0.5]])
""",
    # For programs, which want no layout.
    "matmul": """\
Product of small real matrices, ``(m,k),(k,n)->(m,n)``.
""",
    "matmul_plus": """\
A B + D of small real matrices, ``(m,k),(k,n),(m,n)->(m,n)``.
""",
    "matmul_minus": """\
A B - D of small real matrices, ``(m,k),(k,n),(m,n)->(m,n)``.
""",
    "minus_matmul": """\
D - A B of small real matrices, ``(m,k),(k,n),(m,n)->(m,n)``.
""",
    "slogdet_and_inverse": """\
Sign and log|det X| with inv(X), ``(n,n)->(),(),(n,n)``.
""",
}

DIFFERENCES = {
    "det_differences": "det X",
    "slogdet_differences": "log |det X|, as those of det X over det X,",
    "trace_differences": "tr X",
    "trace_product_differences": "tr(AX), by X,",
    "quadratic_trace_differences": "tr(XAX'Q), by X,",
}
DOCSTRINGS |= {
    name: f"""\
Central differences of {what} at every entry of X.

`matgrad.differences.central_differences` calls it and says more.
"""
    for name, what in DIFFERENCES.items()
}
