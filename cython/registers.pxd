"""Elimination of small matrices whose rows registers can permute, beyond the sizes of fixed.pxd: of
29 to 64 rows in single precision, with AVX-512.

Layout: a row lies along `height` vectors, 2 to 4, padded with zeros; a few matrices are eliminated
side by side. Rows and columns stay where they are, and rows are taken in order: the pivot of a row
is its largest entry in a column that has had none (register_pivots.pxd).

That is what elimination.pxd does to the transposed matrix: partial pivoting by columns, so that
matrices in C order are read, and inverses written, as they lie in memory. Other pivots and another
order of operations find zeros in other matrices where arithmetic happens to be exact; so a matrix
with a pivot near rounding is not decided here (`uncertain`), but by panels.pxd.

Against one matrix a lane, where every entry of a pivot's row has to be gathered and n^2 vectors
leave L1 (elimination.pxd), det takes 0.64 and 0.6 of the time at n = 32 and 64, inv 0.63 and 0.62
(Zen 4, which does half a vector at a time). In double precision fixed.pxd takes as long for an
inverse at n = 32, and 0.94 of the time for det.

Rejected: all rows in registers and no factors in memory (det 1.2 times at n = 16), six or eight
vectors a row (det 1.4 times, inv 1.1 at n = 64), Gauss-Jordan elimination (register_inverse.pxd).
"""

from lanes cimport lane, load_transposed, store, store_part, vf, width
from pack cimport MOST_LANES, item_size, put, read_matrix
from register_gauss cimport gauss
from register_inverse cimport ending, invert
from register_pivots cimport BESIDE, small

cdef extern from "registers.h" nogil:
    void eliminate_floats "INLINED"(
        void (*by_size)(small *, int, int, Py_ssize_t, vf *, vf *) noexcept nogil,
        small *a, int first, int beside, Py_ssize_t n, vf *pivots, vf *order) noexcept


cdef inline int matrices_beside(Py_ssize_t count) noexcept nogil:
    """How many of a group of `count`: a power of two, and no more than registers, or L1, hold."""
    cdef int beside = 1
    while beside < min(BESIDE, count):
        beside *= 2
    return beside


cdef inline int group_width(Py_ssize_t n, bint inverse, lane like) noexcept nogil:
    """Matrices of a group: if it is for an inverse, factors of a long row would leave L1."""
    return BESIDE if inverse and n > 2 * width(like) else width(like)


cdef inline void eliminate_few(
    small *a, int first, int beside, Py_ssize_t n, bint inverse, lane *pivots, lane *order
) noexcept nogil:
    """Matrices a[0] to a[beside - 1]: lanes first, first + 1, ... of pivots and their columns; for
    `inverse` their triangles as `complete_few` needs them."""
    if lane is vf and inverse:
        eliminate_floats(begin_inverse[vf], a, first, beside, n, pivots, order)
    elif lane is vf:
        eliminate_floats(determine[vf], a, first, beside, n, pivots, order)


cdef inline unsigned int complete_few(
    small *a, int first, int beside, Py_ssize_t n, const lane *order, const ending *ends
) noexcept nogil:
    """Their inverses or gradients; bits of those that are not finite."""
    cdef unsigned int strange = 0
    cdef int m
    for m in range(beside):
        if not invert(a + m, first + m, n, order, ends + m):
            strange |= 1 << m
    return strange


# ---- by size, so that rows become registers ------------------------------------------------------

cdef inline void determine(
    small *a, int first, int beside, Py_ssize_t n, lane *pivots, lane *order
) noexcept nogil:
    """Apart from inverses, beside which the compiler lays it out worse (1.03 times)."""
    eliminate_by_size(a, first, beside, n, False, pivots, order)


cdef inline void begin_inverse(
    small *a, int first, int beside, Py_ssize_t n, lane *pivots, lane *order
) noexcept nogil:
    eliminate_by_size(a, first, beside, n, True, pivots, order)


cdef inline void eliminate_by_size(
    small *a, int first, int beside, Py_ssize_t n, bint inverse, lane *pivots, lane *order
) noexcept nogil:
    cdef Py_ssize_t W = width(pivots[0])
    if n <= 2 * W:
        eliminate_by_kind(a, first, beside, n, 2, inverse, pivots, order)
    elif n <= 3 * W:
        eliminate_by_kind(a, first, beside, n, 3, inverse, pivots, order)
    else:
        eliminate_by_kind(a, first, beside, n, 4, inverse, pivots, order)


cdef inline void eliminate_by_kind(
    small *a, int first, int beside, Py_ssize_t n, int height, bint inverse, lane *pivots,
    lane *order
) noexcept nogil:
    if inverse:
        eliminate_by_count(a, first, beside, n, height, True, pivots, order)
    else:
        eliminate_by_count(a, first, beside, n, height, False, pivots, order)


cdef inline void eliminate_by_count(
    small *a, int first, int beside, Py_ssize_t n, int height, bint inverse, lane *pivots,
    lane *order
) noexcept nogil:
    if beside == 1:
        gauss(a, first, 1, n, height, inverse, pivots, order)
    elif beside == 2:
        gauss(a, first, 2, n, height, inverse, pivots, order)
    else:
        gauss(a, first, 4, n, height, inverse, pivots, order)


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
    else:
        write_squares(rows, n, height, matrix, column_stride)


cdef inline void write_squares(
    const lane *rows, Py_ssize_t n, Py_ssize_t height, char *matrix, Py_ssize_t column_stride
) noexcept nogil:
    cdef Py_ssize_t W = width(rows[0]), bytes = sizeof(rows[0]), p, q, l
    cdef const char *places[MOST_LANES]
    cdef lane square[MOST_LANES]
    for q in range(height):
        for l in range(W):
            places[l] = <const char *> (rows + (q * W + l) * height)
        for p in range(height):
            load_transposed(places, p * bytes, &square[0])
            for l in range(min(W, n - p * W)):
                store_part(matrix + (p * W + l) * column_stride + q * bytes, n - q * W, square[l])
