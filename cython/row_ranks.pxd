"""Pivot rows applied to other rows of one matrix, for rows.pxd.

Layout: that of rows.pxd. Columns are cut into tiles of two vectors, from the first column on. The
pivot rows of a tile are packed side by side and brought up to date (each takes those before it),
and stay in L1 while four rows of the matrix at a time pass through registers (8 accumulators: 6
loads for 8 multiply-adds), STRIP rows for all tiles, so that few pages are in use. Factors are kept
negated, so that they are broadcast by the load itself (negating them in the inner loop took half
of its time), those of four rows side by side, so that one address serves them.

Rejected: tiles of 6 x 2 (no gain) and of 8 x 2 (1.02 to 1.04 times the time), prefetching the next
one (no gain), the inner loop in a function of its own (no gain).
"""

from lanes cimport broadcast, element, lane, multiply_add, set_element, width
from pack cimport MOST_LANES

cdef enum:
    STRIP = 64          # rows that are updated together


cdef inline Py_ssize_t factor_at(Py_ssize_t i, Py_ssize_t t, Py_ssize_t panel) noexcept nogil:
    """Which scalar of the factors belongs to row i and rank t: four rows stand side by side."""
    return ((i >> 2) * panel + t) * 4 + (i & 3)


cdef inline Py_ssize_t lower_row(Py_ssize_t n) noexcept nogil:
    """The row from which the factors of a panel's pivot rows stand, behind those of all vectors."""
    return (n + MOST_LANES - 1) // MOST_LANES * MOST_LANES


cdef inline Py_ssize_t tiles_before(Py_ssize_t column, lane like) noexcept nogil:
    """Whole tiles to the left of a column."""
    return column // (2 * width(like))


cdef inline Py_ssize_t tiles_up_to(Py_ssize_t column, lane like) noexcept nogil:
    """Tiles that have a column to the left of this one."""
    return (column + 2 * width(like) - 1) // (2 * width(like))


cdef inline void apply_ranks(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, const int *exchanged,
    Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, Py_ssize_t left, Py_ssize_t right,
    const lane *factors, Py_ssize_t panel, lane *packed
) noexcept nogil:
    """Apply pivots first to last, of the panel from `start` on, to the columns from left to right,
    whose rows are first swapped if they are `exchanged`."""
    cdef Py_ssize_t depth = last - first, top = 0 if jordan else last
    cdef Py_ssize_t tile = tiles_before(left, a[0]), tiles = tiles_up_to(right, a[0]) - tile
    cdef Py_ssize_t each, strip
    if left >= right:
        return
    for each in range(tiles):
        prepare_tile(a, n, pitch, rows, jordan, exchanged, start, first, last, left, right,
                     tile + each, factors, panel, packed + 2 * each * depth)
    for strip in range(strips(n, top)):
        update_strip(a + 2 * tile, n, pitch, rows, top, strip, depth, tiles, factors, panel,
                     first - start, packed)


# ---- a tile's pivot rows -------------------------------------------------------------------------

cdef inline void prepare_tile(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, const int *exchanged,
    Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, Py_ssize_t left, Py_ssize_t right,
    Py_ssize_t tile, const lane *factors, Py_ssize_t panel, lane *packed
) noexcept nogil:
    """What is left to be swapped in it, and its pivot rows, packed and brought up to date."""
    if exchanged and not tiles_before(start, a[0]) <= tile < tiles_up_to(last, a[0]):
        swap_rows(a + 2 * tile, pitch, exchanged, first, last, 2)
    pack_pivot_rows(a + 2 * tile, pitch, rows, jordan, first, last, left, right,
                    2 * tile * width(a[0]), packed)
    bring_up_to_date(packed, last - first, factors + lower_row(n) * panel // width(a[0]), panel,
                     first - start)


cdef inline void swap_rows(
    lane *a, Py_ssize_t pitch, const int *exchanged, Py_ssize_t first, Py_ssize_t last,
    Py_ssize_t vectors
) noexcept nogil:
    """Rows first to last with those they were exchanged with, one after the other."""
    cdef Py_ssize_t k, v
    cdef lane *x
    cdef lane *y
    for k in range(first, last):
        if exchanged[k] != k:
            x, y = a + k * pitch, a + exchanged[k] * pitch
            for v in range(vectors):
                x[v], y[v] = y[v], x[v]


cdef inline void pack_pivot_rows(
    lane *a, Py_ssize_t pitch, const int *rows, bint jordan, Py_ssize_t first, Py_ssize_t last,
    Py_ssize_t left, Py_ssize_t right, Py_ssize_t column, lane *packed
) noexcept nogil:
    """Two vectors of each pivot row, from `column` on, zero outside [left, right)."""
    cdef Py_ssize_t W = width(a[0]), t, v, at
    cdef lane *source
    for t in range(last - first):
        source = a + rows[first + t] * pitch
        for v in range(2):
            at = column + v * W
            if left <= at and at + W <= right:
                packed[2 * t + v] = source[v]
                if jordan:
                    source[v] = broadcast(0.0, source[v])
            else:
                packed[2 * t + v] = columns_between(source[v], at, left, right)
                if jordan:
                    source[v] = columns_between(source[v], at, right, left)


cdef inline lane columns_between(
    lane x, Py_ssize_t column, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """x, whose lane 0 is `column`, zero outside [first, last), or inside [last, first)."""
    cdef Py_ssize_t w
    for w in range(width(x)):
        if first < last and not first <= column + w < last or last <= column + w < first:
            set_element(&x, w, 0.0)
    return x


cdef inline void bring_up_to_date(
    lane *u, Py_ssize_t depth, const lane *lower, Py_ssize_t panel, Py_ssize_t f
) noexcept nogil:
    """Forward substitution in a tile: each pivot row as it is when its turn comes.

    Four rows at a time take all before them, then each other."""
    cdef Py_ssize_t first, s, t
    cdef lane factor
    for first in range(0, depth, 4):
        if first + 4 <= depth:
            update_four(u + 2 * first, u + 2 * first + 2, u + 2 * first + 4, u + 2 * first + 6,
                        lower, factor_at(f + first, f, panel), first, u)
        for t in range(first + 1 if first + 4 <= depth else first, min(first + 4, depth)):
            for s in range(first if first + 4 <= depth else 0, t):
                factor = broadcast(element(lower, factor_at(f + t, f + s, panel)), u[0])
                u[2 * t] = multiply_add(factor, u[2 * s], u[2 * t])
                u[2 * t + 1] = multiply_add(factor, u[2 * s + 1], u[2 * t + 1])


# ---- a strip of rows -----------------------------------------------------------------------------

cdef inline Py_ssize_t strips(Py_ssize_t n, Py_ssize_t top) noexcept nogil:
    """How many strips the rows from `top` on are."""
    return (n - top + STRIP - 1) // STRIP


cdef inline void update_strip(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, Py_ssize_t top, Py_ssize_t strip,
    Py_ssize_t depth, Py_ssize_t tiles, const lane *factors, Py_ssize_t panel, Py_ssize_t f,
    const lane *packed
) noexcept nogil:
    """A strip of the rows from `top` on: few enough that their pages and factors stay at hand."""
    cdef Py_ssize_t begin = top + strip * STRIP, bottom = min(begin + STRIP, n), tile, i
    cdef const int *at
    cdef lane *b
    for tile in range(tiles):
        b = a + 2 * tile
        for i in range(begin, bottom - 3, 4):
            at = rows + i
            update_four(b + at[0] * pitch, b + at[1] * pitch, b + at[2] * pitch, b + at[3] * pitch,
                        factors, factor_at(i, f, panel), depth, packed + 2 * tile * depth)
        for i in range(bottom - (bottom - begin) % 4, bottom):
            update_one(b + rows[i] * pitch, factors, factor_at(i, f, panel), depth,
                       packed + 2 * tile * depth)


cdef inline void update_one(
    lane *a, const lane *factors, Py_ssize_t f, Py_ssize_t depth, const lane *u
) noexcept nogil:
    cdef lane p = a[0], q = a[1], factor
    cdef Py_ssize_t t
    for t in range(depth):
        factor = broadcast(element(factors, f + 4 * t), p)
        p = multiply_add(factor, u[2 * t], p)
        q = multiply_add(factor, u[2 * t + 1], q)
    a[0], a[1] = p, q


cdef inline void update_four(
    lane *a, lane *b, lane *c, lane *d, const lane *factors, Py_ssize_t f, Py_ssize_t depth,
    const lane *u
) noexcept nogil:
    """The inner loop: two vectors of four rows take `depth` ranks in registers.

    The factors, of four rows for each rank, begin with scalar f: one address for all.
    """
    cdef lane a0 = a[0], a1 = a[1], b0 = b[0], b1 = b[1]
    cdef lane c0 = c[0], c1 = c[1], d0 = d[0], d1 = d[1], u0, u1, factor
    cdef Py_ssize_t t
    for t in range(depth):
        u0, u1 = u[2 * t], u[2 * t + 1]
        factor = broadcast(element(factors, f + 4 * t), u0)
        a0, a1 = multiply_add(factor, u0, a0), multiply_add(factor, u1, a1)
        factor = broadcast(element(factors, f + 4 * t + 1), u0)
        b0, b1 = multiply_add(factor, u0, b0), multiply_add(factor, u1, b1)
        factor = broadcast(element(factors, f + 4 * t + 2), u0)
        c0, c1 = multiply_add(factor, u0, c0), multiply_add(factor, u1, c1)
        factor = broadcast(element(factors, f + 4 * t + 3), u0)
        d0, d1 = multiply_add(factor, u0, d0), multiply_add(factor, u1, d1)
    a[0], a[1], b[0], b[1] = a0, a1, b0, b1
    c[0], c[1], d[0], d[1] = c0, c1, d0, d1
