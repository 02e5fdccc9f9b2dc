"""Groups of square matrices: determinant, its logarithm and their gradients.

A group is W matrices, one a lane: packed, factored once (closed.pxd for n <= 4, elimination.pxd
above), its results written. A lane whose pivots or results are out of the ordinary (zero, tiny
or infinite pivots, entries that are not finite) is done again by plain.pxd from its matrix in
memory and put back in its place; the decision looks at that lane alone, so no result depends on
the others.

With M the largest |entry| of a matrix, its pivots must be no less than 2^-900 M and 2^-900 (2^-100
in single precision): what underflows in the elimination, a multiplier above all, moves an entry by
at most 2^-1074 M, which is far below rounding in every row whose pivot is that large, and a row
that is not makes a pivot that is not. A pivot that is exactly zero is believed only where no entry
but zeros is below 2^-200 M (2^-25): else it may be a product that has underflowed.

Hardware flags are of no use here (lanes compute on copies, and speculate), so a group returns
what is to be raised: INVALID where a finite singular matrix has no inverse, OVERFLOWED where a
finite matrix has an infinite result.
"""

from libc.math cimport INFINITY, NAN, fabs, isinf, isnan
from libc.stdint cimport int64_t

from closed cimport closed_adjugate, closed_determinant, closed_inverse
from elimination cimport eliminate, finish, lane_pitch, parity, workspace
from lanes cimport (
    VD, VF, absolute, both, broadcast, complement, either, element, equal, greater, lane,
    load_lanes, mask_bits, maximum, multiply_add, select, set_element, split_exponent, store_lanes,
    times_power_of_two, vd, vf, width, zero_where,
)
from pack cimport (
    MOST_LANES, item_size, pack, read, read_matrix, real, unpack, unpack_permuted, write_permuted,
)
from plain cimport (
    FINE, GRADIENT_NONE, GRADIENT_OF_DET, GRADIENT_OF_LOGDET, INVALID, OVERFLOWED, factor,
)
from results cimport group, limit, out_of_range, request, write_values
from rows cimport eliminate_rows, finish_rows, row_pitch, rows_workspace
from twofold cimport twofold

cdef enum:
    CLOSED = 4          # the largest n with a closed form


# ---- n <= 4 ----------------------------------------------------------------------------------

cdef inline int closed_group(real like, const request *asked, group *g, int n) noexcept nogil:
    """One group of VD matrices; float32 is widened on the way in, rounded on the way out."""
    cdef vd x[CLOSED * CLOSED]
    cdef vd gradient[CLOSED * CLOSED]
    cdef vd exponent
    cdef twofold det
    cdef int status = FINE
    load_group(like, g, x, n)
    if asked.det or asked.slogdet:
        det.high = exponent = broadcast(1.0, x[0])
        det.low = exponent = broadcast(0.0, x[0])
        if n > 0:
            det = closed_determinant(x, n, &exponent)
        status |= write_values(like, asked, g, det.high, det.low, exponent)
    if asked.gradient and n > 0:
        if asked.gradient == GRADIENT_OF_DET:
            closed_adjugate(x, n, gradient)
        else:
            closed_inverse(x, n, gradient)
        status |= inspect(like, x, gradient, n * n, g.count)
        if asked.transposed:
            transpose_lanes(gradient, n)
        store_group(like, g, gradient, n)
    return status


cdef inline void load_group(real like, group *g, vd *x, int n) noexcept nogil:
    cdef Py_ssize_t i, j
    if real is double:
        pack(x, n, g.matrices, n, n, g.row_stride, g.column_stride)
    else:
        for i in range(n):
            for j in range(n):
                x[i * n + j] = load_lanes(
                    like, g.matrices, i * g.row_stride + j * g.column_stride, x[0])


cdef inline void store_group(
    real like, group *g, const vd *gradient, int n
) noexcept nogil:
    cdef Py_ssize_t i, j
    if real is double:
        unpack(gradient, g.gradients, g.count, n, n,
               g.gradient_row_stride, g.gradient_column_stride)
    else:
        for i in range(n):
            for j in range(n):
                store_lanes(
                    like, g.gradients, i * g.gradient_row_stride + j * g.gradient_column_stride,
                    g.count, gradient[i * n + j])


cdef inline void transpose_lanes(vd *x, int n) noexcept nogil:
    cdef int i, j
    for i in range(n):
        for j in range(i):
            x[i * n + j], x[j * n + i] = x[j * n + i], x[i * n + j]


cdef inline int inspect(
    real like, const vd *x, const vd *result, int entries, int count
) noexcept nogil:
    """What to raise: nothing in the ordinary case, which costs one comparison an entry."""
    cdef vd fine = equal(result[0], result[0])
    cdef int i, w, status = FINE
    cdef bint nan, inf
    for i in range(entries):
        fine = both(fine, complement(out_of_range(like, result[i])))
    if mask_bits(fine) == (1 << VD) - 1:
        return FINE
    for w in range(count):
        nan = inf = False
        for i in range(entries):
            if element(x + i, w) - element(x + i, w) != 0:
                break
            nan = nan or isnan(element(result + i, w))
            inf = inf or fabs(element(result + i, w)) >= limit(like)
        else:
            status |= (INVALID if nan else FINE) | (OVERFLOWED if inf else FINE)
    return status


# ---- n > 4 -----------------------------------------------------------------------------------

cdef inline Py_ssize_t lanes_needed(Py_ssize_t n) noexcept nogil:
    """Lane vectors of memory that `elimination_group` works in."""
    return n * lane_pitch(n) + n * n + 2 * n + workspace(n)


cdef inline void clear_padding(lane *a, Py_ssize_t n, Py_ssize_t pitch) noexcept nogil:
    cdef Py_ssize_t i
    if pitch > n:
        for i in range(n):
            a[i * pitch + n] = broadcast(0.0, a[0])


cdef inline Py_ssize_t careful_doubles(Py_ssize_t n) noexcept nogil:
    """Doubles of memory that the careful path works in."""
    return 2 * n * n + 2 * n


cdef inline int elimination_group(
    lane *memory, double *careful_memory, const request *asked, group *g
) noexcept nogil:
    """One group of W matrices in lanes of their own precision."""
    cdef Py_ssize_t n = g.n, pitch = lane_pitch(n)
    cdef lane *a = memory
    cdef lane *scratch = a + n * pitch
    cdef lane *pivots = scratch + n * n
    cdef lane *order = pivots + n
    cdef lane *work = order + n
    cdef lane mantissa, exponent, last, most, apart, strange, zero, one
    cdef unsigned int singular, redo
    cdef int status = FINE
    pack(a, pitch, g.matrices, n, n, g.row_stride, g.column_stride)
    clear_padding(a, n, pitch)
    zero, one = broadcast(0.0, a[0]), broadcast(1.0, a[0])
    most = most_of(a, n * pitch)
    if asked.gradient == GRADIENT_NONE:
        eliminate(a, n, False, pivots, order, work)
    else:
        eliminate(a, n, True, pivots, order, work)
    last = pivots[n - 1]
    apart = far_apart(pivots, n, most)
    strange = either(apart, unusual(pivots, n, asked.gradient != GRADIENT_NONE))
    mantissa, exponent = parity(order, n), zero
    multiply_lanes(pivots, n - 1, &mantissa, &exponent)
    if asked.gradient == GRADIENT_OF_LOGDET:
        finish(a, n, order[n - 1], one, one / last, work)
    elif asked.gradient == GRADIENT_OF_DET:
        finish(a, n, order[n - 1], last, one, work)
    if asked.gradient:
        strange = either(strange, not_finite(a, n * pitch))
    if asked.gradient == GRADIENT_OF_DET:
        status |= scale(a, n * pitch, mantissa, exponent, strange, g.count)
    multiply_lanes(&last, 1, &mantissa, &exponent)
    singular = mask_bits(has_zero(pivots, n)) & ~mask_bits(apart)
    redo = mask_bits(strange) | doubted(&singular, g, a[0])
    if redo:
        status |= redo_lanes(redo, singular, careful_memory,
                             asked, g, a, order, &mantissa, &exponent)
    if lane is vd:
        status |= write_values(<double> 0, asked, g, mantissa, zero, exponent)
    else:
        status |= write_values(<float> 0, asked, g, mantissa, zero, exponent)
    if asked.transposed:
        unpack_permuted(a, pitch, order, g.gradients, g.count, n, g.gradient_row_stride,
                        g.gradient_column_stride, <char *> scratch, <int *> work)
    elif asked.gradient:
        unpack_permuted(a, pitch, order, g.gradients, g.count, n, g.gradient_column_stride,
                        g.gradient_row_stride, <char *> scratch, <int *> work)
    return status


# ---- n > 4, one matrix at a time -----------------------------------------------------------------

cdef inline Py_ssize_t rows_needed(Py_ssize_t n, lane like) noexcept nogil:
    """Lane vectors of memory that `row_elimination` works in."""
    return n * row_pitch(n, like) + n + n // 2 + 1 + rows_workspace(n, like)


cdef inline int row_elimination(
    lane *memory, double *careful_memory, const request *asked, group *g, int threads
) noexcept nogil:
    """A group of one matrix, with the same bits as in `elimination_group`, on so many threads."""
    cdef Py_ssize_t n = g.n, pitch = row_pitch(n, memory[0])
    cdef bint jordan = asked.gradient != GRADIENT_NONE
    cdef lane *a = memory
    cdef lane *pivots = a + n * pitch
    cdef int *origin = <int *> (pivots + n)
    cdef lane *work = pivots + n + n // 2 + 1
    cdef lane zero, one, mantissa, exponent, last, most, apart, strange
    cdef unsigned int singular
    cdef int status = FINE
    read_matrix(a, pitch, g.matrices[0], n, n, g.row_stride, g.column_stride)
    zero, one = broadcast(0.0, a[0]), broadcast(1.0, a[0])
    most = most_of(a, n * pitch)
    most = broadcast(greatest_element(&most), most)
    exponent, mantissa = zero, broadcast(
        eliminate_rows(a, n, pitch, True, pivots, origin, work, threads) if jordan else
        eliminate_rows(a, n, pitch, False, pivots, origin, work, threads), zero)
    last = pivots[n - 1]
    apart = far_apart(pivots, n, most)
    strange = either(apart, unusual(pivots, n, jordan))
    multiply_lanes(pivots, n - 1, &mantissa, &exponent)
    if asked.gradient == GRADIENT_OF_LOGDET:
        finish_rows(a, n, pitch, one, one / last)
    elif asked.gradient == GRADIENT_OF_DET:
        finish_rows(a, n, pitch, last, one)
    if jordan:
        strange = either(strange, not_finite(a, n * pitch))
    if asked.gradient == GRADIENT_OF_DET:
        status |= scale(a, n * pitch, mantissa, exponent, strange, width(a[0]))
    multiply_lanes(&last, 1, &mantissa, &exponent)
    singular = mask_bits(has_zero(pivots, n)) & ~mask_bits(apart)
    if mask_bits(strange) | doubted(&singular, g, a[0]):
        status |= redo_rows(singular & 1, careful_memory, asked, g, a, pitch,
                            origin, &mantissa, &exponent)
    if lane is vd:
        status |= write_values(<double> 0, asked, g, mantissa, zero, exponent)
    else:
        status |= write_values(<float> 0, asked, g, mantissa, zero, exponent)
    if jordan and asked.transposed:
        write_permuted(a, pitch, origin, g.gradients[0], n, g.gradient_row_stride,
                       g.gradient_column_stride)
    elif jordan:
        write_permuted(a, pitch, origin, g.gradients[0], n, g.gradient_column_stride,
                       g.gradient_row_stride)
    return status


cdef inline lane most_of(const lane *x, Py_ssize_t count) noexcept nogil:
    """The largest |entry|; two maxima, since one would wait for itself."""
    cdef lane most = absolute(x[0]), other = most
    cdef Py_ssize_t i
    for i in range(0, count - 1, 2):
        most = maximum(absolute(x[i]), most)
        other = maximum(absolute(x[i + 1]), other)
    return maximum(absolute(x[count - 1]), maximum(most, other))


cdef inline double greatest_element(const lane *x) noexcept nogil:
    cdef double most = 0.0
    cdef Py_ssize_t i
    for i in range(width(x[0])):
        most = max(most, element(x, i))
    return most


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


cdef inline unsigned int doubted(
    unsigned int *singular, const group *g, lane like
) noexcept nogil:
    """Of the lanes with a pivot of zero those that have tiny entries: these may not be singular."""
    cdef unsigned int found = 0
    cdef double most, least, size, tiny = 2.0 ** -200 if lane is vd else 2.0 ** -25
    cdef Py_ssize_t i, j
    cdef int w
    if not singular[0]:
        return 0
    for w in range(g.count):
        most, least = 1.0, INFINITY
        for i in range(g.n if singular[0] >> w & 1 else 0):
            for j in range(g.n):
                size = fabs(read(g.matrices[w] + i * g.row_stride + j * g.column_stride, like))
                most = max(most, size)
                least = min(least, size) if size > 0 else least
        if least < most * tiny:
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


cdef inline void multiply_lanes(
    const lane *x, Py_ssize_t count, lane *mantissa, lane *exponent
) noexcept nogil:
    """mantissa 2^exponent times all of x, out of reach of over- and underflow."""
    cdef lane m = mantissa[0], sum = exponent[0], e
    cdef Py_ssize_t k
    for k in range(count):
        m = m * split_exponent(x[k], &e)
        sum = sum + e
        if k % 64 == 63:
            m = split_exponent(m, &e)
            sum = sum + e
    mantissa[0] = split_exponent(m, &e)
    exponent[0] = sum + e


cdef inline int scale(
    lane *x, Py_ssize_t count, lane mantissa, lane exponent, lane strange, int lanes
) noexcept nogil:
    """x times mantissa 2^exponent; in one multiplication if the factor and all products fit.

    OVERFLOWED where that makes infinities, but for the lanes that are `strange` before."""
    cdef lane multiple = times_power_of_two(mantissa, exponent)
    cdef lane most = broadcast(400.0 if lane is vd else 40.0, multiple)
    cdef lane zero = broadcast(0.0, multiple), poison = zero
    cdef unsigned int inside = mask_bits(complement(strange)) & ((1 << lanes) - 1)
    cdef Py_ssize_t i
    if mask_bits(greater(absolute(exponent), most)):
        for i in range(count):
            x[i] = times_power_of_two(x[i] * mantissa, exponent)
            poison = multiply_add(x[i], zero, poison)
    else:
        for i in range(count):
            x[i] = x[i] * multiple
            poison = multiply_add(x[i], zero, poison)
    return OVERFLOWED if mask_bits(complement(equal(poison, zero))) & inside else FINE


# ---- the careful path ----------------------------------------------------------------------------

cdef inline int redo_lanes(
    unsigned int lanes, unsigned int singular, double *memory, const request *asked, group *g,
    lane *a, lane *order, lane *mantissa, lane *exponent
) noexcept nogil:
    """Put the careful path's results where `elimination_group` left its own."""
    cdef const double *gradient = memory + g.n * g.n
    cdef Py_ssize_t i, j
    cdef double value, e
    cdef int w, status = FINE
    for w in range(g.count):
        if not lanes >> w & 1:
            continue
        status |= factor_carefully(singular >> w & 1, memory, asked, g, w, a[0], &value, &e)
        set_element(mantissa, w, value)
        set_element(exponent, w, e)
        for i in range(g.n if asked.gradient else 0):
            set_element(order + i, w, <double> i)
            for j in range(g.n):
                set_element(a + i * lane_pitch(g.n) + j, w, gradient[j * g.n + i])
    return status


cdef inline int redo_rows(
    bint singular, double *memory, const request *asked, group *g,
    lane *a, Py_ssize_t pitch, int *origin, lane *mantissa, lane *exponent
) noexcept nogil:
    """The same for `row_elimination`."""
    cdef const double *gradient = memory + g.n * g.n
    cdef Py_ssize_t i, j
    cdef double value, e
    cdef int status = factor_carefully(singular, memory, asked, g, 0, a[0], &value, &e)
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
