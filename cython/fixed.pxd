"""Groups of matrices of 5 to 16 or 20 rows, one a lane, by code of their size.

A row of each is in registers, a vector an entry, and takes the rows before it in order. Then it
finds its pivot, its largest entry, which changes places with what stands where pivots are by now,
and becomes factors, entries over -pivot. So rows are read once, as they are needed, and it is
columns that are pivoted. What changes places is chosen by masks: a pivot by the bits of its place,
by halves, n - 1 choices, and what goes to where it was place by place, as many again.

The inverse is U^-1 L^-1 P of the matrix transposed, row by row of U^-1, with the factors in L as if
all had been in their last places from the start. Rows keep the scale of those of the matrix, and
pivots are compared within a row: where rows are far apart nothing is lost. What has columns far
apart is not decided here.

The pivot is sought together with its place, which stands in its last bits (3 to 5): it is the
largest up to these. Other pivots than elimination.pxd's find zeros in other matrices where
arithmetic happens to be exact; so what has a pivot near rounding is not decided here, either, but
by `factor_rows` (`doubtful_lanes`).

Cost: n^3/3 multiply-adds and twice as many choices, which take half of their time each, n^2/2
times five operations for the pivots, and the transposition; the inverse 2/3 n^3 multiply-adds
more, and n^3/6 times two choices. Against a few matrices side by side whose rows are permuted in
registers (register_gauss.pxd) det takes 0.47, 0.67, 0.6, 0.87 and 0.8 of the time at n = 5, 8, 12,
16 and 20, inv 0.36, 0.58, 0.58, 0.86 and 0.8, in single precision 0.55 and 0.38 at n = 8 (Zen 4);
one matrix alone takes 1.2 and 1.4, 1.6 and 1.9, 1.7 and 2.1 times the time at n = 12, 16 and 20.
With AVX2, det and inv take half of the time of elimination.pxd, where every entry of a pivot's row
is gathered, at n = 5 to 10.

Rejected: places as they were, where rows that are done take part until the end (det 1.2 times at
n = 8), code for each row by itself (fixed.h), the steps of the elimination in turn instead of L in
its last places (inv 1.25 times at n = 8 and 16), fewer than half a vector for one matrix alone (no
instruction takes less time).
"""

from doubts cimport doubtful_lanes
from factorization cimport factor_rows, multiply_lanes, pull_in, rows_needed, write
from lanes cimport (
    broadcast, complement, element, equal, lane, mask_bits, set_element, split_exponent, width,
)
from pack cimport MOST_LANES, item_size, read, read_matrix
from plain cimport FINE, GRADIENT_NONE, GRADIENT_OF_DET
from results cimport group, request

cdef extern from "fixed.h" nogil:
    int LARGEST_FIXED "matgrad::LARGEST_FIXED"
    int fixed_lanes[T](int count, T like) noexcept
    Py_ssize_t room_for_places[T](Py_ssize_t n, T like) noexcept
    T eliminate_fixed[T](
        Py_ssize_t n, bint kept, int count, const char **matrices, Py_ssize_t pitch, T *entries,
        void *places, T *pivots) noexcept
    T invert_fixed[T](
        Py_ssize_t n, int count, T *entries, const void *places, T last, T multiple, T exponent,
        T *result, T *order) noexcept
    void store_fixed[T](
        Py_ssize_t n, int count, const T *result, const T *order, char **targets,
        Py_ssize_t row_stride, Py_ssize_t column_stride) noexcept
    void set_place[T](T *places, Py_ssize_t k, int value) noexcept


cdef inline bint fits_fixed(Py_ssize_t n) noexcept nogil:
    return n <= LARGEST_FIXED


cdef inline Py_ssize_t fixed_needed(Py_ssize_t n, lane like) noexcept nogil:
    """Lane vectors of memory that `fixed_group` works in."""
    return (rows_needed(n, like) + 2 * n * n + 2 * n + room_for_places(n, like) // sizeof(like) + 1
            + width(like) * n * row_height(n, like))


cdef inline int fixed_group(
    lane *memory, double *careful_memory, const request *asked, group *g
) noexcept nogil:
    """One group of W matrices; where they are not all there, the last is repeated.

    Those that are doubtful are done by `factor_rows`, and those whose gradient is not finite, but
    these keep their determinant, which is the same without a gradient."""
    cdef Py_ssize_t n = g.n, pitch = g.row_stride
    cdef bint inverse = asked.gradient != GRADIENT_NONE
    cdef lane *pivots = memory + rows_needed(n, memory[0])
    cdef lane *result = pivots + n
    cdef lane *order = result + n * n
    cdef lane *entries = order + n
    cdef lane *copies = entries + n * n
    cdef lane *places = copies + width(memory[0]) * n * row_height(n, memory[0])
    cdef lane det, exponent = broadcast(0.0, memory[0])
    cdef const char **matrices = g.matrices
    cdef const char *copied[MOST_LANES]
    cdef unsigned int doubtful, left
    cdef bint moderate
    cdef int status = FINE
    if g.column_stride != item_size(memory[0]):
        matrices, pitch = copied, copy_rows(g, copies, copied)
    det = eliminate_fixed(n, inverse, g.count, matrices, pitch, entries, <void *> places, pivots)
    left = doubtful = doubtful_lanes(g, pivots, True, &moderate)
    if moderate:
        multiply_moderate(pivots, n, &det, &exponent)
    else:
        multiply_lanes(pivots, n, &det, &exponent)
    if inverse:
        left |= invert_lanes(asked, g, entries, places, pivots[n - 1], det, exponent, result, order)
        left &= (1 << g.count) - 1
    if left:
        status = redo_alone(left, doubtful, memory, careful_memory, asked, g, result, order,
                            &det, &exponent)
    if asked.transposed:
        store_fixed(n, g.count, result, order, g.gradients, g.gradient_row_stride,
                    g.gradient_column_stride)
    elif inverse:
        store_fixed(n, g.count, result, order, g.gradients, g.gradient_column_stride,
                    g.gradient_row_stride)
    return status | write(asked, g, det, exponent)


cdef inline Py_ssize_t row_height(Py_ssize_t n, lane like) noexcept nogil:
    return (n + width(like) - 1) // width(like)


cdef inline Py_ssize_t copy_rows(
    const group *g, lane *copies, const char **copied
) noexcept nogil:
    """Where rows do not lie along memory, they are copied; bytes from one to the next."""
    cdef Py_ssize_t height = row_height(g.n, copies[0])
    cdef int w
    for w in range(width(copies[0])):
        copied[w] = <const char *> (copies + min(w, g.count - 1) * g.n * height)
    for w in range(g.count):
        read_matrix(copies + w * g.n * height, height, g.matrices[w], g.n, g.n, g.row_stride,
                    g.column_stride)
    return height * <Py_ssize_t> sizeof(copies[0])


cdef inline void multiply_moderate(
    const lane *pivots, Py_ssize_t n, lane *det, lane *exponent
) noexcept nogil:
    """The same bits as by `multiply_lanes`; with AVX2 det takes 0.91 to 0.97 of the time."""
    cdef lane product = det[0]
    cdef Py_ssize_t k
    for k in range(n):
        product = product * pivots[k]
    det[0] = split_exponent(product, exponent)


cdef inline unsigned int invert_lanes(
    const request *asked, const group *g, lane *entries, const lane *places, lane last, lane det,
    lane exponent, lane *result, lane *order
) noexcept nogil:
    """The inverses, or det times as much; bits of those that are not finite."""
    cdef lane zero = broadcast(0.0, last), multiple = broadcast(1.0, last)
    if asked.gradient == GRADIENT_OF_DET:
        multiple = det
        pull_in(&multiple, &exponent)
    else:
        exponent = zero
    return mask_bits(complement(equal(zero, invert_fixed(
        g.n, g.count, entries, <const void *> places, last, multiple, exponent, result, order))))


cdef inline int redo_alone(
    unsigned int left, unsigned int doubtful, lane *memory, double *careful_memory,
    const request *asked, const group *g, lane *result, lane *order, lane *det, lane *exponent
) noexcept nogil:
    """Matrices alone by `factor_rows`, their results put where those of the group are.

    A determinant is found without a gradient, whose Gauss-Jordan elimination may overflow."""
    cdef Py_ssize_t item = item_size(det[0]), lanes = fixed_lanes(g.count, det[0]), i, q
    cdef char *gradient = <char *> (order + g.n + g.n * g.n)
    cdef lane mantissa, its_exponent
    cdef request determinant = asked[0]
    cdef group alone
    cdef int w, status = FINE
    determinant.gradient = GRADIENT_NONE
    alone.n, alone.count = g.n, 1
    alone.row_stride, alone.column_stride = g.row_stride, g.column_stride
    alone.gradients[0] = gradient
    alone.gradient_row_stride = item if asked.transposed else g.n * item
    alone.gradient_column_stride = g.n * item if asked.transposed else item
    for w in range(g.count):
        if not left >> w & 1:
            continue
        alone.matrices[0] = g.matrices[w]
        if doubtful >> w & 1:
            status |= factor_rows(memory, careful_memory, &determinant, &alone, 1, &mantissa,
                                  &its_exponent)
            set_element(det, w, element(&mantissa, 0))
            set_element(exponent, w, element(&its_exponent, 0))
        if asked.gradient:
            status |= factor_rows(memory, careful_memory, asked, &alone, 1, &mantissa,
                                  &its_exponent)
        for q in range(g.n if asked.gradient else 0):
            set_place(order, q * lanes + w, <int> q)
            for i in range(g.n):
                set_element(result, (i * g.n + q) * lanes + w,
                            read(gradient + (i * g.n + q) * item, det[0]))
    return status
