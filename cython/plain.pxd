"""One matrix at a time in scalars, with equilibration and complete pivoting: the careful path.

Layout: x[i*n + j], C order, destroyed. It serves complex matrices, and those real ones that the
lanes hand over: a zero, tiny or infinite pivot before the last, a result that is not finite.
Rows and columns are first scaled by powers of two, so no pivot over- or underflows that need
not; with complete pivoting zero pivots can only come last, so the first of them tells the rank:
one zero pivot leaves the cofactor matrix (elimination.pxd has the formulas), two make it zero.
The gradient at a matrix with a NaN or an infinity is NaN, all of it.

Cost: n^3 multiply-adds and n^3/3 comparisons, not vectorised. Rejected: an SVD (loses
everything on badly scaled columns), partial pivoting (a zero pivot in the middle of a matrix of
rank n-1).
"""

from libc.math cimport NAN, fabs, frexp, isnan, ldexp
from libc.stdint cimport int64_t

ctypedef fused number:
    double
    double complex

cdef enum:
    # What a kernel has to report as a floating-point flag.
    FINE = 0
    INVALID = 1
    OVERFLOWED = 2

cdef enum:
    GRADIENT_NONE = 0
    GRADIENT_OF_DET = 1         # adj(X)'
    GRADIENT_OF_LOGDET = 2      # inv(X)'


cdef inline int factor(
    number *x, Py_ssize_t n, int wanted, int *work, number *gradient,
    number *mantissa, int64_t *exponent
) noexcept nogil:
    """det X = mantissa * 2^exponent, and the gradient that is wanted; work holds 4 n integers."""
    cdef int *rows = work
    cdef int *columns = rows + n
    cdef int content = worst(x, n * n)
    cdef Py_ssize_t k
    cdef number last
    if content != ALL_FINITE:
        fill(gradient, n * n if wanted else 0, <number> NAN)
        wanted = GRADIENT_NONE
    if content == HAS_NAN:
        mantissa[0], exponent[0] = <number> NAN, 0
        return FINE
    for k in range(2 * n):
        work[k] = 0
    mantissa[0] = 1
    exponent[0] = equilibrate(x, n, rows, columns) if content == ALL_FINITE else 0
    if n == 0:
        return FINE
    k = eliminate_carefully(x, n, columns + n, columns + 2 * n, mantissa, exponent)
    last = x[n * n - 1] if k == n - 1 else 0
    if wanted == GRADIENT_OF_LOGDET and last == 0:
        fill(gradient, n * n, <number> NAN)
    elif wanted == GRADIENT_OF_LOGDET:
        finish_carefully(x, n, work, 1, 1 / last, 1, 0, gradient)
    elif wanted == GRADIENT_OF_DET and k < n - 1:
        fill(gradient, n * n, 0)
    elif wanted == GRADIENT_OF_DET:
        finish_carefully(x, n, work, last, 1, mantissa[0], exponent[0], gradient)
    multiply(last, mantissa, exponent)
    if not wanted or worst(gradient, n * n) == ALL_FINITE:
        return FINE
    return INVALID if worst(gradient, n * n) == HAS_NAN else OVERFLOWED


cdef inline Py_ssize_t eliminate_carefully(
    number *x, Py_ssize_t n, int *row_order, int *column_order,
    number *mantissa, int64_t *exponent
) noexcept nogil:
    """Gauss-Jordan with complete pivoting; how many of the first n - 1 pivots are not zero."""
    cdef Py_ssize_t i, j, k, p, q
    cdef number reciprocal, factor
    for i in range(n):
        row_order[i] = column_order[i] = <int> i
    for k in range(n - 1):
        p = q = k
        for i in range(k, n):
            for j in range(k, n):
                if size(x[i * n + j]) > size(x[p * n + q]):
                    p, q = i, j
        if x[p * n + q] == 0:
            return k
        if (p != k) != (q != k):
            mantissa[0] = -mantissa[0]
        exchange_rows(x, n, k, p)
        exchange_columns(x, n, k, q)
        row_order[k], row_order[p] = row_order[p], row_order[k]
        column_order[k], column_order[q] = column_order[q], column_order[k]
        multiply(x[k * n + k], mantissa, exponent)
        reciprocal = 1 / x[k * n + k]
        x[k * n + k] = 1
        for i in range(n):
            if i != k:
                factor = x[i * n + k] * reciprocal
                x[i * n + k] = 0
                for j in range(n):
                    x[i * n + j] = x[i * n + j] - factor * x[k * n + j]
        for j in range(n):
            x[k * n + j] = x[k * n + j] * reciprocal
    return n - 1


cdef inline void finish_carefully(
    const number *x, Py_ssize_t n, const int *work, number body, number border,
    number mantissa, int64_t exponent, number *gradient
) noexcept nogil:
    """Undo pivoting and equilibration: gradient = adj(X)' or inv(X)', times mantissa 2^exponent."""
    cdef const int *rows = work
    cdef const int *columns = rows + n
    cdef const int *row_order = columns + n
    cdef const int *column_order = row_order + n
    cdef Py_ssize_t i, j, m = n - 1
    cdef number value
    for i in range(n):
        for j in range(n):
            if i == m:
                value = border if j == m else border * x[m * n + j]
            elif j == m:
                value = -x[i * n + m] * border
            else:
                value = body * x[i * n + j] - x[i * n + m] * border * x[m * n + j]
            gradient[row_order[j] * n + column_order[i]] = times_two_to_the(
                value * mantissa, exponent - columns[column_order[i]] - rows[row_order[j]])


# ---- scalars -----------------------------------------------------------------------------------

cdef inline double size(number x) noexcept nogil:
    if number is double:
        return fabs(x)
    else:
        return max(fabs(x.real), fabs(x.imag))


cdef inline number times_two_to_the(number x, int64_t exponent) noexcept nogil:
    cdef int e = <int> max(-5000, min(5000, exponent))
    cdef number y
    if number is double:
        return ldexp(x, e)
    else:
        y.real, y.imag = ldexp(x.real, e), ldexp(x.imag, e)
        return y


cdef inline void multiply(number x, number *mantissa, int64_t *exponent) noexcept nogil:
    """mantissa 2^exponent times x, out of reach of over- and underflow."""
    cdef int e = 0, f = 0
    if worst(&x, 1) == ALL_FINITE:
        frexp(size(x), &e)
        x = times_two_to_the(x, -e)
    mantissa[0] = mantissa[0] * x
    if worst(mantissa, 1) == ALL_FINITE:
        frexp(size(mantissa[0]), &f)
        mantissa[0] = times_two_to_the(mantissa[0], -f)
    exponent[0] = exponent[0] + e + f


# ---- matrices ----------------------------------------------------------------------------------

cdef enum:
    LEAST = -100000     # below the exponent of any number

cdef enum:
    ALL_FINITE = 0
    HAS_INFINITY = 1
    HAS_NAN = 2


cdef inline int worst(const number *x, Py_ssize_t count) noexcept nogil:
    """The worst that is among the entries."""
    cdef int found = ALL_FINITE
    cdef double poison
    cdef Py_ssize_t i
    for i in range(count):
        if number is double:
            poison = x[i] - x[i]
            if isnan(x[i]):
                return HAS_NAN
        else:
            poison = (x[i].real - x[i].real) + (x[i].imag - x[i].imag)
            if isnan(x[i].real) or isnan(x[i].imag):
                return HAS_NAN
        if poison != 0:
            found = HAS_INFINITY
    return found


cdef inline void fill(number *x, Py_ssize_t count, number value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        x[i] = value


cdef inline void exchange_rows(number *x, Py_ssize_t n, Py_ssize_t i, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        x[i * n + j], x[k * n + j] = x[k * n + j], x[i * n + j]


cdef inline void exchange_columns(
    number *x, Py_ssize_t n, Py_ssize_t j, Py_ssize_t k
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i * n + j], x[i * n + k] = x[i * n + k], x[i * n + j]


cdef inline int64_t equilibrate(number *x, Py_ssize_t n, int *rows, int *columns) noexcept nogil:
    """x_ij becomes x_ij 2^-(rows_i + columns_j), of size 1; the sum of all exponents.

    Both exponents are found before an entry is touched: scaled by its column alone, a row that is
    2^-1100 times another one would vanish.
    """
    cdef int64_t total = 0
    cdef Py_ssize_t i, j
    for i in range(n):
        rows[i] = LEAST
        for j in range(n):
            rows[i] = max(rows[i], exponent_of(x[i * n + j]))
        rows[i] = 0 if rows[i] == LEAST else rows[i]
    for j in range(n):
        columns[j] = LEAST
        for i in range(n):
            columns[j] = max(columns[j], exponent_of(x[i * n + j]) - rows[i])
        columns[j] = 0 if columns[j] < LEAST // 2 else columns[j]
    for i in range(n):
        total += rows[i] + columns[i]
        for j in range(n):
            x[i * n + j] = times_two_to_the(x[i * n + j], -rows[i] - columns[j])
    return total


cdef inline int exponent_of(number x) noexcept nogil:
    """The exponent of a number, LEAST for zero."""
    cdef int e = 0
    if x == 0:
        return LEAST
    frexp(size(x), &e)
    return e
