"""Gaussian and Gauss-Jordan elimination of small matrices whose rows registers can permute.

Layout: a row lies along `height` vectors, 1 to 4, padded with zeros; a few matrices are eliminated
side by side. Rows and columns stay where they are, and rows are taken in order: the pivot of a row
is its largest entry in a column that has had none (register_pivots.pxd).

That is what elimination.pxd does to the transposed matrix: partial pivoting by columns, so that
matrices in C order are read, and inverses written, as they lie in memory. Other pivots and another
order of operations find zeros in other matrices where arithmetic happens to be exact; so a matrix
with a pivot near rounding is not decided here (`uncertain`), but by panels.pxd.

Against one matrix a lane, where every entry of a pivot's row has to be gathered and n^2 vectors
leave L1, det takes 0.55, 0.6 and 0.7 of the time at n = 8, 16 and 32, inv 0.7, 0.7 and 0.6; in
single precision 0.6, 0.67, 0.64 and 0.6 at n = 8, 16, 32 and 64, inv 0.68, 0.7, 0.63 and 0.62
(Zen 4, which does half a vector at a time). Up to 8 floats have half a vector; whole ones, or
floats that are computed with as doubles, take 1.4 times the time of det at n = 8.

Rejected: all rows in registers and no factors in memory (det 1.2 times at n = 16), pivots in
columns of registers, which transposes what it reads (det 1.2 times, inv 1.1 times at n = 8), six or
eight vectors a row (det 1.4 times, inv 1.1 at n = 64).
"""

from lanes cimport (
    FEW_FLOATS, broadcast, lane, load_transposed, set_element, store, store_part, vd, vf, vh, width,
)
from pack cimport MOST_LANES, item_size, put, read_matrix
from register_gauss cimport gauss, level_signs
from register_inverse cimport invert
from register_jordan cimport complete, ending, jordan
from register_pivots cimport small, vector

cdef enum:
    JORDAN = 2      # vectors of the longest row whose inverse comes by Gauss-Jordan


cdef extern from "registers.h" nogil:
    void eliminate_doubles "INLINED"(
        void (*by_size)(small *, int, int, Py_ssize_t, vd *, vd *, vd *) noexcept nogil,
        small *a, int first, int beside, Py_ssize_t n, vd *pivots, vd *order,
        vd *most) noexcept
    void eliminate_floats "INLINED"(
        void (*by_size)(small *, int, int, Py_ssize_t, vf *, vf *, vf *) noexcept nogil,
        small *a, int first, int beside, Py_ssize_t n, vf *pivots, vf *order,
        vf *most) noexcept
    unsigned int complete_doubles "INLINED"(
        unsigned int (*by_size)(
            vd, small *, int, Py_ssize_t, const ending *) noexcept nogil,
        vd like, small *a, int beside, Py_ssize_t n, const ending *ends) noexcept
    unsigned int complete_floats "INLINED"(
        unsigned int (*by_size)(
            vf, small *, int, Py_ssize_t, const ending *) noexcept nogil,
        vf like, small *a, int beside, Py_ssize_t n, const ending *ends) noexcept


cdef inline int most_beside(Py_ssize_t n, lane like) noexcept nogil:
    """How many matrices to take at once: more would leave registers, or L1."""
    return 8 if n <= width(like) else 4


cdef inline int matrices_beside(Py_ssize_t n, Py_ssize_t count, lane like) noexcept nogil:
    """How many of a group of `count`: a power of two."""
    cdef int most = most_beside(n, like), beside = 1
    while beside < min(most, count):
        beside *= 2
    return beside


cdef inline int group_width(Py_ssize_t n, bint inverse, lane like) noexcept nogil:
    """Matrices of a group: if it is for an inverse, factors of a long row would leave L1."""
    return most_beside(n, like) if inverse and n > 2 * width(like) else width(like)


cdef inline void eliminate_few(
    small *a, int first, int beside, Py_ssize_t n, bint inverse, lane *pivots, lane *order,
    lane *most
) noexcept nogil:
    """Matrices a[0] to a[beside - 1]: lanes first, first + 1, ... of pivots, their columns and the
    largest entry; for `inverse` their factors as `complete_few` needs them."""
    if lane is vd and inverse:
        eliminate_doubles(begin_inverse[vd], a, first, beside, n, pivots, order, most)
    elif lane is vd:
        eliminate_doubles(determine[vd], a, first, beside, n, pivots, order, most)
    elif inverse:
        eliminate_floats(begin_inverse[vf], a, first, beside, n, pivots, order, most)
    else:
        eliminate_floats(determine[vf], a, first, beside, n, pivots, order, most)


cdef inline bint by_jordan(Py_ssize_t n, lane like) noexcept nogil:
    return n <= JORDAN * width(like)


cdef inline unsigned int complete_few(
    lane like, small *a, int first, int beside, Py_ssize_t n, const lane *order, const ending *ends
) noexcept nogil:
    """Their inverses or gradients; bits of those that are not finite."""
    cdef unsigned int strange = 0
    cdef int m
    if not by_jordan(n, like):
        for m in range(beside):
            if not invert(a + m, first + m, n, order, ends + m):
                strange |= 1 << m
        return strange
    if lane is vd:
        return complete_doubles(complete_by_size[vd], like, a, beside, n, ends)
    else:
        return complete_floats(complete_by_size[vf], like, a, beside, n, ends)


cdef inline lane signs(
    const small *a, int count, const lane *order, Py_ssize_t n, bint inverse
) noexcept nogil:
    """The permutations' signs of a group."""
    cdef lane found = broadcast(1.0, order[0])
    cdef int w
    if not inverse or n <= width(found) or not by_jordan(n, found):
        return level_signs(order, n)
    for w in range(count):
        set_element(&found, w, -1.0 if a[w].odd else 1.0)
    return found


# ---- by size, so that rows become registers ------------------------------------------------------

cdef inline void determine(
    small *a, int first, int beside, Py_ssize_t n, lane *pivots, lane *order, lane *most
) noexcept nogil:
    """Apart from inverses, beside which the compiler lays it out worse (1.03 times)."""
    eliminate_by_size(a, first, beside, n, False, pivots, order, most)


cdef inline void begin_inverse(
    small *a, int first, int beside, Py_ssize_t n, lane *pivots, lane *order, lane *most
) noexcept nogil:
    eliminate_by_size(a, first, beside, n, True, pivots, order, most)


cdef inline void eliminate_by_size(
    small *a, int first, int beside, Py_ssize_t n, bint inverse, lane *pivots, lane *order,
    lane *most
) noexcept nogil:
    cdef Py_ssize_t W = width(most[0])
    if lane is vf:
        if n <= W // 2:
            eliminate_by_kind(a, first, beside, n, 1, inverse, 2, <vh *> pivots, <vh *> order,
                              <vh *> most)
            return
    if n <= W:
        eliminate_by_kind(a, first, beside, n, 1, inverse, 1, pivots, order, most)
    elif n <= 2 * W:
        eliminate_by_kind(a, first, beside, n, 2, inverse, 1, pivots, order, most)
    elif n <= 3 * W:
        eliminate_by_kind(a, first, beside, n, 3, inverse, 1, pivots, order, most)
    else:
        eliminate_by_kind(a, first, beside, n, 4, inverse, 1, pivots, order, most)


cdef inline void eliminate_by_kind(
    small *a, int first, int beside, Py_ssize_t n, int height, bint inverse, int apart,
    vector *pivots, vector *order, vector *most
) noexcept nogil:
    if inverse:
        eliminate_by_count(a, first, beside, n, height, True, apart, pivots, order, most)
    else:
        eliminate_by_count(a, first, beside, n, height, False, apart, pivots, order, most)


cdef inline void eliminate_by_count(
    small *a, int first, int beside, Py_ssize_t n, int height, bint inverse, int apart,
    vector *pivots, vector *order, vector *most
) noexcept nogil:
    if beside == 1:
        eliminate(a, first, 1, n, height, inverse, apart, pivots, order, most)
    elif beside == 2:
        eliminate(a, first, 2, n, height, inverse, apart, pivots, order, most)
    elif beside == 4 or height > 1:
        eliminate(a, first, 4, n, height, inverse, apart, pivots, order, most)
    else:
        eliminate(a, first, 8, n, height, inverse, apart, pivots, order, most)


cdef inline void eliminate(
    small *a, int first, int beside, Py_ssize_t n, int height, bint inverse, int apart,
    vector *pivots, vector *order, vector *most
) noexcept nogil:
    if inverse and height <= JORDAN:
        jordan(a, first, beside, n, height, apart, pivots, order, most)
    else:
        gauss(a, first, beside, n, height, inverse, apart, pivots, order, most)


cdef inline unsigned int complete_by_size(
    lane like, small *a, int beside, Py_ssize_t n, const ending *ends
) noexcept nogil:
    cdef Py_ssize_t W = width(like)
    if lane is vf:
        if n <= W // 2:
            return complete_by_count(FEW_FLOATS, a, beside, n, 1, 2, ends)
    if n <= W:
        return complete_by_count(like, a, beside, n, 1, 1, ends)
    return complete_by_count(like, a, beside, n, 2, 1, ends)


cdef inline unsigned int complete_by_count(
    vector like, small *a, int beside, Py_ssize_t n, int height, int apart, const ending *ends
) noexcept nogil:
    if beside == 1:
        return complete(like, a, 1, n, height, apart, ends)
    if beside == 2:
        return complete(like, a, 2, n, height, apart, ends)
    if beside == 4 or height > 1:
        return complete(like, a, 4, n, height, apart, ends)
    return complete(like, a, 8, n, height, apart, ends)


# ---- rows in memory ------------------------------------------------------------------------------

cdef inline void place_rows(
    small *a, const char *matrix, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    lane *copy
) noexcept nogil:
    """Rows that are contiguous are read where they are, others from a copy."""
    cdef Py_ssize_t W = width(copy[0]), height = (n + W - 1) // W
    a.rows, a.pitch = matrix, row_stride
    if column_stride != item_size(copy[0]):
        a.rows, a.pitch = <const char *> copy, height * sizeof(copy[0])
        read_matrix(copy, height, matrix, n, n, row_stride, column_stride)


cdef inline void write_rows(
    const lane *rows, Py_ssize_t n, char *matrix, Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """Whole squares where columns are contiguous; there is room for the rows that n lacks."""
    cdef Py_ssize_t W = width(rows[0]), height = (n + W - 1) // W, i, p
    cdef Py_ssize_t item = item_size(rows[0])
    if column_stride == item:
        for i in range(n):
            for p in range(height - 1):
                store(matrix + i * row_stride + p * W * item, rows[i * height + p])
            p = height - 1
            store_part(matrix + i * row_stride + p * W * item, n - p * W, rows[i * height + p])
    elif row_stride != item:
        for i in range(n):
            for p in range(height):
                put(matrix + i * row_stride + p * W * column_stride, column_stride, n - p * W,
                    rows[i * height + p])
    elif lane is vf and n <= W // 2:
        write_squares(<const vh *> rows, n, 1, 2, matrix, column_stride)
    else:
        write_squares(rows, n, height, 1, matrix, column_stride)


cdef inline void write_squares(
    const vector *rows, Py_ssize_t n, Py_ssize_t height, int apart, char *matrix,
    Py_ssize_t column_stride
) noexcept nogil:
    cdef Py_ssize_t W = width(rows[0]), bytes = sizeof(rows[0]), p, q, l
    cdef const char *places[MOST_LANES]
    cdef vector square[MOST_LANES]
    for q in range(height):
        for l in range(W):
            places[l] = <const char *> (rows + (q * W + l) * height * apart)
        for p in range(height):
            load_transposed(places, p * bytes, &square[0])
            for l in range(min(W, n - p * W)):
                store_part(matrix + (p * W + l) * column_stride + q * bytes, n - q * W, square[l])
