"""Groups of matrices of 5 rows or more, one a lane, by code of their size.

With AVX-512 up to 32 rows in double and 28 in single precision, with AVX2 28, else 16.

A row of each is in registers, a vector an entry, and takes the rows before it in order. Then it
finds its pivot, its largest entry, and becomes factors, entries over -pivot. So rows are read once,
as they are needed, and it is columns that are pivoted. The pivot goes to the diagonal as the winner
of a tournament: of two entries whose places differ in a bit, that which has the pivot's bit goes
first, n - 1 exchanges by a mask for each bit.

The inverse is U^-1 L^-1 P of the matrix transposed, with the factors in L as if all had been in
their last places from the start (fixed_inverse.h). Rows keep the scale of those of the matrix, and
pivots are compared within a row: where rows are far apart nothing is lost. What has columns far
apart is not decided here.

The pivot is sought together with its place, which stands in its last bits (1 to 5): it is the
largest up to these. Other pivots than elimination.pxd's find zeros in other matrices where
arithmetic happens to be exact; so what has a pivot near rounding is not decided here, either, but
by `factor_rows` (`doubtful_lanes`).

Cost: n^3/3 multiply-adds and twice as many choices, which take half of their time each, n^2/2
times four operations for the pivots, and the transposition; the inverse 2/3 n^3 multiply-adds and
n^3/3 choices more.

Against a few matrices side by side whose rows are permuted in registers (register_gauss.pxd) det
takes 0.40, 0.61, 0.53, 0.78, 0.70, 0.87, 0.77 and 0.94 of the time at n = 5, 8, 12, 16, 20, 24, 28
and 32, inv 0.35, 0.5, 0.52, 0.75, 0.70, 0.89, 0.73 and 1.0; in single precision at n = 8, 16, 24
and 28 det 0.5, 0.68, 0.64 and 0.69, inv 0.33, 0.63, 0.63 and 0.66 (Zen 4). One matrix alone takes
1.0, 1.4, 1.5, 1.8 and 2.1 times the time at n = 12, 16, 20, 24 and 32, inv 1.3, 1.6, 1.7, 2.1 and
2.5. With AVX2, det and inv take 0.4 of the time of elimination.pxd, where every entry of a pivot's
row is gathered, at n = 8, half at 16, and 0.86 at 24.

Rejected: the pivot chosen by bits and what it replaces by a mask for each place (a mask takes half
a cycle to load: det 1.1 times at n = 16, with AVX2 1.4 times), places as they were, where rows that
are done take part until the end (1.2 times at n = 8), code for each row by itself
(fixed_elimination.h), the steps of the elimination in turn instead of L in its last places (inv
1.25 times at n = 8 and 16), fewer than half a vector for one matrix alone (no instruction takes
less time).
"""

from doubts cimport doubtful_lanes
from factorization cimport factor_alone, multiply_lanes, pull_in, rows_needed, write
from lanes cimport (
    both, broadcast, complement, greater, lane, mask_bits, split_exponent, times_power_of_two, vd,
    width,
)
from pack cimport MOST_LANES, item_size, read_matrix
from plain cimport FINE, GRADIENT_NONE, GRADIENT_OF_DET
from results cimport group, request

cdef extern from "fixed.h" nogil:
    Py_ssize_t largest_fixed[T](T like) noexcept
    Py_ssize_t room_for_places[T](Py_ssize_t n, T like) noexcept
    T eliminate_fixed[T](
        Py_ssize_t n, bint kept, int count, const char **matrices, Py_ssize_t pitch, T *entries,
        void *places, T *pivots) noexcept
    T invert_fixed[T](
        Py_ssize_t n, int count, T *entries, const void *places, T last, T multiple,
        T *order) noexcept
    void store_fixed[T](
        Py_ssize_t n, int count, const T *entries, T exponent, const T *order, char **targets,
        Py_ssize_t row_stride, Py_ssize_t column_stride) noexcept


cdef inline bint fits_fixed(Py_ssize_t n, lane like) noexcept nogil:
    return n <= largest_fixed(like)


cdef inline Py_ssize_t fixed_needed(Py_ssize_t n, lane like) noexcept nogil:
    """Lane vectors of memory that `fixed_group` works in."""
    return (rows_needed(n, like) + n * n + 2 * n + room_for_places(n, like) // sizeof(like) + 1
            + width(like) * n * row_height(n, like))


cdef inline int fixed_group(
    lane *memory, double *careful_memory, const request *asked, group *g
) noexcept nogil:
    """One group of W matrices; where they are not all there, the last is repeated.

    Those that are doubtful are done by `factor_rows`, and those whose gradient may not be finite,
    but these keep their determinant, which is the same without a gradient. They are done after the
    others, whose results may lie where matrices do, and so from copies."""
    cdef Py_ssize_t n = g.n, pitch = g.row_stride
    cdef bint inverse = asked.gradient != GRADIENT_NONE
    cdef lane *pivots = memory + rows_needed(n, memory[0])
    cdef lane *order = pivots + n
    cdef lane *entries = order + n
    cdef lane *copies = entries + n * n
    cdef lane *places = copies + width(memory[0]) * n * row_height(n, memory[0])
    cdef lane det, exponent = broadcast(0.0, memory[0]), gradient_exponent
    cdef const char **matrices = g.matrices
    cdef const char *copied[MOST_LANES]
    cdef unsigned int doubtful, scattered, left
    cdef bint moderate
    cdef int status = FINE
    if g.column_stride != item_size(memory[0]):
        matrices, pitch = copied, copy_rows(g, copies, copied)
    det = eliminate_fixed(n, inverse, g.count, matrices, pitch, entries, <void *> places, pivots)
    left = doubtful = doubtful_lanes(g, pivots, True, &scattered, &moderate)
    if moderate:
        multiply_moderate(pivots, n, &det, &exponent)
    else:
        multiply_lanes(pivots, n, &det, &exponent)
    gradient_exponent = exponent
    if inverse:
        left |= invert_lanes(asked, g, entries, places, pivots[n - 1], det, &gradient_exponent,
                             order)
    if left and matrices != copied:
        pitch = copy_rows(g, copies, copied)
    if inverse:
        store_gradients(asked, g, entries, gradient_exponent, order)
    if left:
        status = redo_alone(left, doubtful, scattered, memory, careful_memory, asked, g, copied,
                            pitch, &det, &exponent)
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
    lane *exponent, lane *order
) noexcept nogil:
    """What is left of the inverses, or of det times as much, until they are stored times
    2^exponent; bits of those that may not be finite: entries of L^-1 are below 2^(n-1)."""
    cdef lane multiple = broadcast(1.0, last), sizes
    cdef lane largest = broadcast(2.0 ** 980 if lane is vd else 2.0 ** 90, last)
    cdef unsigned int lanes = (1 << g.count) - 1
    if asked.gradient == GRADIENT_OF_DET:
        multiple = det
        pull_in(&multiple, exponent)
    else:
        exponent[0] = broadcast(0.0, last)
    sizes = invert_fixed(g.n, g.count, entries, <const void *> places, last, multiple, order)
    return lanes & mask_bits(complement(both(
        greater(largest, sizes), greater(largest, times_power_of_two(sizes, exponent[0])))))


cdef inline void store_gradients(
    const request *asked, group *g, const lane *entries, lane exponent, const lane *order
) noexcept nogil:
    """The inverse is that of the matrix transposed."""
    if asked.transposed:
        store_fixed(g.n, g.count, entries, exponent, order, g.gradients, g.gradient_row_stride,
                    g.gradient_column_stride)
    else:
        store_fixed(g.n, g.count, entries, exponent, order, g.gradients, g.gradient_column_stride,
                    g.gradient_row_stride)


cdef inline int redo_alone(
    unsigned int left, unsigned int doubtful, unsigned int scattered, lane *memory,
    double *careful_memory, const request *asked, const group *g, const char **matrices,
    Py_ssize_t pitch, lane *det, lane *exponent
) noexcept nogil:
    """Matrices whose rows are at `matrices` by `factor_rows`, one by one.

    A determinant is found without a gradient, whose Gauss-Jordan elimination may overflow."""
    cdef request determinant = asked[0]
    cdef group rows = g[0]
    cdef int w, status = FINE
    determinant.gradient = GRADIENT_NONE
    rows.row_stride, rows.column_stride = pitch, item_size(det[0])
    for w in range(g.count):
        rows.matrices[w] = matrices[w]
        if doubtful >> w & 1:
            status |= factor_alone(memory, careful_memory, &determinant, &rows, w,
                                   scattered >> w & 1, True, det, exponent)
        if left >> w & 1 and asked.gradient:
            status |= factor_alone(memory, careful_memory, asked, &rows, w, scattered >> w & 1,
                                   False, det, exponent)
    return status
