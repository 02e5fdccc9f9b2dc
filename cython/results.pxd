"""What a factorising gufunc is asked for, where its results go, and how det and log|det| are
written."""

from libc.math cimport INFINITY
from numpy cimport npy_intp

from batches cimport batch, place, spread
from lanes cimport (
    absolute, both, broadcast, complement, either, equal, greater, lane, mask_bits, narrowed,
    not_a_number, select, spaced, store_lanes, times_power_of_two, vd, widened, zero_where,
)
from logarithm cimport FLOAT_LOG_TERMS, LOG_TERMS, log_magnitude
from pack cimport MOST_LANES, real
from plain cimport FINE, OVERFLOWED


cdef struct request:
    # What a gufunc computes, in the order of its outputs.
    bint det
    bint slogdet
    int gradient        # GRADIENT_...
    bint transposed     # the matrix among the outputs is the gradient transposed: inv, adjugate


cdef struct group:
    # W matrices in memory: where each one and each of its results lies, the strides in bytes. Where
    # a group is full and `spaced` is enough, matrices and gradients are not set.
    int count
    Py_ssize_t n
    bint scattered                  # a matrix alone whose pivots are known to be no good ones
    const char *matrices[MOST_LANES]
    Py_ssize_t row_stride
    Py_ssize_t column_stride
    spaced first                    # det, or the sign
    spaced second                   # log|det|
    char *gradients[MOST_LANES]
    Py_ssize_t gradient_row_stride
    Py_ssize_t gradient_column_stride
    spaced full_matrices
    spaced full_gradients


cdef inline void place_group(
    const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop, int W, bint places,
    group *g
) noexcept nogil:
    """The group of at most W matrices that begins with matrix `start`; a full one need not have
    all its `places` told."""
    cdef int operand = 1
    cdef const npy_intp *core = b.steps + 1 + asked.det + 2 * asked.slogdet + (asked.gradient != 0)
    g.n, g.scattered = b.dimensions[1], False
    g.count = <int> min(W, stop - start)
    g.row_stride, g.column_stride = core[0], core[1]
    g.full_matrices = g.first = g.second = g.full_gradients = spread(b, 0, start)
    places = places or g.count < W
    if places:
        place(b, 0, start, g.count, W, <char **> g.matrices)
    if asked.det or asked.slogdet:
        g.first = spread(b, operand, start)
        operand += 1
    if asked.slogdet:
        g.second = spread(b, operand, start)
        operand += 1
    if asked.gradient:
        g.full_gradients = spread(b, operand, start)
        g.gradient_row_stride, g.gradient_column_stride = core[2], core[3]
        if places:
            place(b, operand, start, g.count, W, g.gradients)


cdef inline void next_group(group *g, int W) noexcept nogil:
    """From a full group of W matrices to the one behind it; places are not told."""
    g.full_matrices.first += W * g.full_matrices.step
    g.first.first += W * g.first.step
    g.second.first += W * g.second.step
    g.full_gradients.first += W * g.full_gradients.step


cdef inline int write_values(
    real like, const request *asked, const group *g, lane mantissa, lane low, lane exponent
) noexcept nogil:
    """det = mantissa 2^exponent (plus low, for the logarithm) to the outputs that are asked for."""
    cdef lane value = mantissa, zero = broadcast(0.0, mantissa), over
    if asked.slogdet:
        write_logarithms(like, g, mantissa, low, exponent)
    if not asked.det:
        return FINE
    if mask_bits(complement(equal(exponent, zero))):
        value = times_power_of_two(mantissa, exponent)
    store_lanes(like, g.first, 0, g.count, value)
    over = out_of_range(like, value)
    if not mask_bits(over):
        return FINE
    over = both(over, equal(mantissa * zero, zero))
    return OVERFLOWED if mask_bits(over) & ((1 << g.count) - 1) else FINE


cdef inline void write_logarithms(
    real like, const group *g, lane mantissa, lane low, lane exponent
) noexcept nogil:
    cdef lane zero = broadcast(0.0, mantissa), one = broadcast(1.0, mantissa), logarithms, sign
    sign = either(both(mantissa, broadcast(-0.0, mantissa)), one)
    sign = select(equal(mantissa, zero), zero, sign)
    store_lanes(like, g.first, 0, g.count, select(not_a_number(mantissa), mantissa, sign))
    if lane is vd:
        logarithms = log_magnitude(
            mantissa, exponent, LOG_TERMS if real is double else FLOAT_LOG_TERMS)
        if mask_bits(complement(equal(low, zero))):
            # log(high + low) - log(high)
            logarithms = logarithms + zero_where(equal(low, zero), low / mantissa)
    else:
        logarithms = narrowed(
            log_magnitude(widened(mantissa, 0), widened(exponent, 0), FLOAT_LOG_TERMS),
            log_magnitude(widened(mantissa, 1), widened(exponent, 1), FLOAT_LOG_TERMS))
    store_lanes(like, g.second, 0, g.count, logarithms)


cdef inline double limit(real like) noexcept nogil:
    """The least magnitude that is infinite in memory."""
    if real is double:
        return INFINITY
    else:
        return 3.4028235677973366e38    # half an ulp above the largest float


cdef inline lane out_of_range(real like, lane value) noexcept nogil:
    """Where a value becomes infinite in memory, or is NaN."""
    return complement(greater(broadcast(limit(like), value), absolute(value)))
