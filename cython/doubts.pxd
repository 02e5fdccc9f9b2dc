"""Which results of an elimination are not believed, and what becomes of them.

A lane whose pivots or results are out of the ordinary (zero, tiny or infinite pivots, entries that
are not finite) is done again by plain.pxd from its matrix in memory and put back in its place; the
decision looks at that lane alone, so no result depends on the others.

With M the largest |entry| of a matrix, its pivots must be no less than 2^-900 M and 2^-900 (2^-100
in single precision): what underflows in the elimination, a multiplier above all, moves an entry by
at most 2^-1074 M, which is far below rounding in every row whose pivot is that large, and a row
that is not makes a pivot that is not. A pivot that is exactly zero is believed only where no entry
but zeros is below 2^-200 M (2^-25), else it may be a product that has underflowed, and no row but
those of zeros below 2^-50 of another (2^-21), which may have swallowed its entries.

Where pivots are sought within rows (fixed.pxd, registers.pxd) `doubtful_lanes` decides by pivots
alone, unless these are far apart: what it marks is done by rows or panels, and judged as above.
Where rows are scaled so far apart that pivots within columns would lose digits, too, it is done
again at once (n = 5, rows of 2^-400 to 2^400: inverses lost up to 500 units of rounding times the
condition of the matrix that is scaled, LAPACK's 300, these 1).
(What it does not mark may still have entries beyond 2^900 of its pivots, or 2^100 in single
precision, and lose what they are multiplied by.) Pivots are the same with and without a gradient,
so that all functions agree on which matrices are singular.
"""

from libc.math cimport INFINITY, NAN, fabs, isinf, isnan, ldexp
from libc.stdint cimport int64_t

from lanes cimport (
    absolute, both, broadcast, complement, either, element, equal, greater, lane, mask_bits,
    maximum, multiply_add, select, set_element, vd, vf, width, zero_where,
)
from pack cimport read
from plain cimport FINE, GRADIENT_OF_LOGDET, INVALID, OVERFLOWED, factor
from results cimport group, limit, request

cdef enum:
    MOST_COLUMNS = 64   # of matrices whose pivots are sought within rows
    FAR_APART = 64      # so many times as large


cdef inline Py_ssize_t careful_doubles(Py_ssize_t n) noexcept nogil:
    """Doubles of memory that the careful path works in."""
    return 2 * n * n + 2 * n


cdef inline lane far_apart(const lane *pivots, Py_ssize_t n, lane most) noexcept nogil:
    """Where a pivot that is not zero is too small beside the largest entry, or that is too large.

    The same for all functions, which have to agree on which matrices are singular."""
    cdef lane zero = broadcast(0.0, most), one = broadcast(1.0, most), size, found = zero
    cdef lane least = broadcast(2.0 ** -900 if lane is vd else 2.0 ** -100, most)
    cdef Py_ssize_t k
    least = least * maximum(most, one)
    for k in range(n):
        size = absolute(pivots[k])
        found = either(found, zero_where(equal(size, zero), greater(least, size)))
    return either(found, greater(most, broadcast(2.0 ** 1000 if lane is vd else 2.0 ** 120, most)))


cdef inline unsigned int doubtful_lanes(
    const group *g, const lane *pivots, bint by_rows, unsigned int *scattered, bint *moderate
) noexcept nogil:
    """Lanes where anything at all is out of the ordinary, a matrix may be singular, or its columns
    are so far apart that pivots within a row are no good ones; with `by_rows` not those whose rows
    only are scaled apart. Some of these lanes, with `by_rows`, are `scattered`: pivots that are
    sought in columns would be no good ones, either. Pivots are `moderate` if no product of some of
    them leaves the range."""
    cdef lane most, least
    cdef unsigned int uncertain, apart, found = 0, lanes = (1 << g.count) - 1
    cdef bint far
    cdef int w
    measure(pivots, g.n, &most, &least, moderate)
    uncertain = mask_bits(uncertain_lanes(most, least, g.n)) & lanes
    apart = lanes & mask_bits(greater(
        most * broadcast(2.0 ** -12 if lane is vd else 2.0 ** -10, most), least))
    scattered[0] = 0
    for w in range(g.count if uncertain | apart else 0):
        if (uncertain | apart) >> w & 1 and is_doubtful(
            g, pivots, w, uncertain >> w & 1, by_rows, &far
        ):
            found |= 1 << w
            scattered[0] |= <unsigned int> far << w
    return found


cdef inline void measure(
    const lane *pivots, Py_ssize_t n, lane *most, lane *least, bint *moderate
) noexcept nogil:
    """All pivots after one that is NaN are NaN, and so is the largest then."""
    cdef lane sign = broadcast(-0.0, pivots[0]), size = absolute(pivots[0])
    cdef lane least_negated = either(size, sign)
    cdef double far = ldexp(1.0, <int> ((900 if lane is vd else 100) // n))
    cdef Py_ssize_t k
    for k in range(1, n):
        least_negated = maximum(least_negated, either(pivots[k], sign))
        size = maximum(size, absolute(pivots[k]))
    moderate[0] = not mask_bits(either(greater(size, broadcast(far, size)),
                                       greater(least_negated, broadcast(-1 / far, size))))
    most[0], least[0] = size, -least_negated


cdef inline lane uncertain_lanes(lane most, lane least, Py_ssize_t n) noexcept nogil:
    """Where a pivot is below 2^-40 of n times the largest (2^-13), and so not far from rounding, or
    they are near the ends of the range. (2^-24 would also find what rounding makes of a zero behind
    a tiny pivot, but send ill-conditioned batches to panels one by one: covariances of 16 near
    points would take 3 times the time.)"""
    cdef bint double_precision = lane is vd
    cdef lane enough
    most = most * broadcast(<double> n, most)
    enough = greater(least, most * broadcast(2.0 ** -40 if double_precision else 2.0 ** -13, most))
    enough = both(enough, greater(most, broadcast(2.0 ** -800 if double_precision else 2.0 ** -80,
                                                  most)))
    enough = both(enough, greater(broadcast(2.0 ** 1000 if double_precision else 2.0 ** 120, most),
                                  most))
    return complement(enough)


cdef inline bint is_doubtful(
    const group *g, const lane *pivots, int w, bint uncertain, bint by_rows, bint *scattered
) noexcept nogil:
    """If rows are only scaled apart, each pivot is far from rounding beside the row in which it was
    found; then the matrix is `scattered` unless all are so far from the ends of the range that
    products of three, and a factor (`pull_in`), are inside."""
    cdef double largest = 2.0 ** 200 if lane is vd else 2.0 ** 25
    cdef double least = 2.0 ** -40 if lane is vd else 2.0 ** -13
    cdef double columns[MOST_COLUMNS]
    cdef double row, size
    cdef bint fits = by_rows, inside = True
    cdef Py_ssize_t k, j
    for j in range(g.n):
        columns[j] = 0.0
    for k in range(g.n):
        row = 0.0
        for j in range(g.n):
            size = magnitude(g, w, k, j, pivots[0])
            row, columns[j] = max(row, size), max(columns[j], size)
        size = fabs(element(pivots + k, w))
        fits = fits and 0 < row * least <= size
        inside = inside and 1.0 / largest <= size <= largest
    if has_columns_apart(g, w, columns, pivots[0]):
        scattered[0] = False
        return True
    scattered[0] = fits and not inside
    return uncertain and not (fits and inside)


cdef inline bint has_columns_apart(
    const group *g, int w, const double *columns, lane like
) noexcept nogil:
    """Whether columns are scaled apart, and rows are not beside these, of which the largest entries
    are `columns`: then pivots within a row are no good ones."""
    cdef double most = 0.0, least = INFINITY, row
    cdef Py_ssize_t k, j
    for j in range(g.n):
        most, least = max(most, columns[j]), min(least, columns[j])
    if not most > FAR_APART * least > 0:
        return False
    most, least = 0.0, INFINITY
    for k in range(g.n):
        row = 0.0
        for j in range(g.n):
            row = max(row, magnitude(g, w, k, j, like) / columns[j])
        most, least = max(most, row), min(least, row)
    return most <= FAR_APART * least


cdef inline double magnitude(
    const group *g, int w, Py_ssize_t k, Py_ssize_t j, lane like
) noexcept nogil:
    return fabs(read(g.matrices[w] + k * g.row_stride + j * g.column_stride, like))


cdef inline unsigned int doubted(
    unsigned int *singular, const group *g, lane like
) noexcept nogil:
    """Of the lanes with a pivot of zero those that have tiny entries, or rows so far apart that one
    may have swallowed another: these may not be singular."""
    cdef unsigned int found = 0
    cdef double most, least, size, tiny = 2.0 ** -200 if lane is vd else 2.0 ** -25
    cdef double row, most_row, least_row, apart = 2.0 ** -50 if lane is vd else 2.0 ** -21
    cdef Py_ssize_t i, j
    cdef int w
    if not singular[0]:
        return 0
    for w in range(g.count):
        most, least, most_row, least_row = 1.0, INFINITY, 0.0, INFINITY
        for i in range(g.n if singular[0] >> w & 1 else 0):
            row = 0.0
            for j in range(g.n):
                size = fabs(read(g.matrices[w] + i * g.row_stride + j * g.column_stride, like))
                row = max(row, size)
                least = min(least, size) if size > 0 else least
            most, most_row = max(most, row), max(most_row, row)
            least_row = min(least_row, row) if row > 0 else least_row
        if least < most * tiny or least_row < most_row * apart:
            found |= 1 << w
    singular[0] &= ~found
    return found


cdef inline lane unusual(const lane *pivots, Py_ssize_t n, bint gradient) noexcept nogil:
    """Where a pivot is not finite; with a gradient, too, where one before the last is zero, or
    pivots differ so much that their quotients may leave the range."""
    cdef lane zero = broadcast(0.0, pivots[0]), strange = zero, size
    cdef lane apart = broadcast(1e-150 if lane is vd else 1e-15, zero)
    cdef lane most = zero, least = broadcast(1e300 if lane is vd else 1e38, zero)
    cdef Py_ssize_t k
    for k in range(n if gradient else 0):
        size = absolute(pivots[k])
        most = maximum(size, most)
        least = select(equal(size, zero), least, -maximum(-size, -least))
        if k < n - 1:
            strange = either(strange, equal(size, zero))
    if gradient:
        strange = either(strange, greater(most * apart, least))
    return either(strange, not_finite(pivots, n))


cdef inline lane has_zero(const lane *pivots, Py_ssize_t n) noexcept nogil:
    cdef lane zero = broadcast(0.0, pivots[0]), found = zero
    cdef Py_ssize_t k
    for k in range(n):
        found = either(found, equal(pivots[k], zero))
    return found


cdef inline lane not_finite(const lane *x, Py_ssize_t count) noexcept nogil:
    """Where an entry times zero is not zero; two sums, since one would wait for itself."""
    cdef lane zero = broadcast(0.0, x[0]), poison = zero, other = zero
    cdef Py_ssize_t i
    for i in range(0, count - 1, 2):
        poison = multiply_add(x[i], zero, poison)
        other = multiply_add(x[i + 1], zero, other)
    poison = multiply_add(x[count - 1], zero, poison + other)
    return complement(equal(poison, zero))


# ---- done again ---------------------------------------------------------------------------------

cdef inline int redo_lanes(
    unsigned int lanes, unsigned int doubtful, unsigned int singular, double *memory,
    const request *asked, group *g, lane *a, Py_ssize_t pitch, lane *order, lane *mantissa,
    lane *exponent
) noexcept nogil:
    """Put the careful path's results where `elimination_group` left its own; determinants only of
    those that are `doubtful` without a gradient, too: they are the same with and without it."""
    cdef const double *gradient = memory + g.n * g.n
    cdef Py_ssize_t i, j
    cdef double value, e
    cdef int w, status = FINE
    for w in range(g.count):
        if not lanes >> w & 1:
            continue
        status |= factor_carefully(singular >> w & 1, memory, asked, g, w, a[0], &value, &e)
        if doubtful >> w & 1:
            set_element(mantissa, w, value)
            set_element(exponent, w, e)
        for i in range(g.n if asked.gradient else 0):
            set_element(order + i, w, <double> i)
            for j in range(g.n):
                set_element(a + i * pitch + j, w, gradient[j * g.n + i])
    return status


cdef inline int redo_rows(
    bint doubtful, bint singular, double *memory, const request *asked, group *g,
    lane *a, Py_ssize_t pitch, int *origin, lane *mantissa, lane *exponent
) noexcept nogil:
    """The same for `row_elimination`."""
    cdef const double *gradient = memory + g.n * g.n
    cdef Py_ssize_t i, j
    cdef double value, e
    cdef int status = factor_carefully(singular, memory, asked, g, 0, a[0], &value, &e)
    if doubtful:
        mantissa[0], exponent[0] = broadcast(value, a[0]), broadcast(e, a[0])
    for i in range(g.n if asked.gradient else 0):
        origin[i] = <int> i
        for j in range(g.n):
            set_element(a, i * pitch * width(a[0]) + j, gradient[j * g.n + i])
    return status


cdef inline int factor_carefully(
    bint singular, double *memory, const request *asked, group *g, int w, lane like,
    double *mantissa, double *exponent
) noexcept nogil:
    """Matrix w of the group by plain.pxd; memory holds the matrix, its gradient, and work space.

    A matrix in which a pivot was exactly zero stays `singular`, whatever rounding makes of it here:
    det, slogdet and inv must agree.
    """
    cdef Py_ssize_t n = g.n, i, j
    cdef double *x = memory
    cdef double *gradient = x + n * n
    cdef int64_t e
    cdef int status
    for i in range(n):
        for j in range(n):
            x[i * n + j] = read(g.matrices[w] + i * g.row_stride + j * g.column_stride, like)
    status = factor(x, n, asked.gradient, <int *> (gradient + n * n), gradient, mantissa, &e)
    exponent[0] = <double> e
    if singular and not isnan(mantissa[0]):
        mantissa[0] = 0.0
        if asked.gradient == GRADIENT_OF_LOGDET:
            status = INVALID
            for i in range(n * n):
                gradient[i] = NAN
    if lane is vf:
        for i in range(n * n if asked.gradient else 0):
            if fabs(gradient[i]) >= limit(<float> 0) and not isinf(gradient[i]):
                status |= OVERFLOWED
    return status
