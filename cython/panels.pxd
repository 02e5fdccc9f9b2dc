"""The elimination of rows.pxd, left-looking: a panel of one vector takes all pivots before it at
once.

Layout: a[i*pitch + v] is vector v of row i; single entries by `element`. Rows stay where they are,
`origin` tells in which order they are pivots. Each panel is read once, row by row, from the matrix
in memory, and takes all pivots before it in registers: eight rows at a time, for each pivot one
load of its row and eight factors that are broadcast by the multiply-adds themselves, and nothing is
stored before it is final. The rows that are left are laid along vectors, eliminated column by
column in registers, and written to `a` as factors, negated; the rows of pivots, needed as far as
this panel goes, stay in `above`. Every entry takes the same operations in the same order as in
rows.pxd and on lanes, so pivots and det have the same bits; inverses have bits of their own.

The inverse comes from triangles: panels of L^-1 by forward substitution from unit columns, and of
U^-1 L^-1 by back substitution, by the same inner loop; for that U, too, is left in `a`, over minus
its pivots. Its errors are those of Gauss-Jordan but where rows are scaled apart, which misleads the
choice of pivots: there 1.3 to 1.5 times as large, 1.3 times LAPACK's.
Cost: n^3/3 multiply-adds, or n^3 with the inverse.

For sizes beyond registers.pxd, and for what it leaves to others; from PANELS_BELOW on rows.pxd
shares a matrix among threads. Against lanes and rows (Zen 4, AVX-512) det takes 0.69, 0.70, 0.73,
0.87 and 0.89 of the time at n = 40, 64, 128, 256 and 512, inv 0.83, 0.83, 0.71, 0.83 and 0.91, and
0.5 to 0.6 of it where there are too few matrices for lanes. With AVX2 a panel has four columns, too
few: det takes 1.0 to 1.1 times the time, and lanes and rows serve there.

Rejected: two or four matrices at once to hide latencies (no gain), columns in memory (det 1.06
times at n = 64), their magnitudes masked by vectors in memory instead of bits (1.12 times),
columns by pairs (0.98 times, for a second way to update them), one panel of the inverse at a time
(inv 1.1 times), all of this in Cython, which unrolls nothing (det 1.15 times).
"""

from libc.stdint cimport uint64_t

from lanes cimport (
    broadcast, element, first_bit, from_lane, lane, load_transposed, select, set_element,
    store_transposed, subtract_product, width,
)
from pack cimport MOST_LANES
from register_pivots cimport reach

cdef enum:
    PANELS_BELOW = 512
    WORDS = PANELS_BELOW // 64      # of 64 rows each
    LANES_BEYOND = 4                # first size beyond registers that lanes take in more time


cdef extern from "panels.h" nogil:
    int TALL
    void take_ranks[T](
        const char *source, Py_ssize_t step, Py_ssize_t count, const T *a, Py_ssize_t pitch,
        const int *rows, const T *u, Py_ssize_t last, bint pivots, T *out) noexcept
    void solve_forward[T](
        int panels, const T *a, Py_ssize_t pitch, const int *rows, Py_ssize_t first,
        Py_ssize_t last, T *u) noexcept
    void solve_backward[T](
        int panels, const T *a, Py_ssize_t pitch, const int *rows, const T *reciprocals, int lane,
        Py_ssize_t first, Py_ssize_t last, T *u) noexcept
    bint eliminate_columns[T](
        T *columns, Py_ssize_t height, Py_ssize_t count, uint64_t *free, int *chosen,
        T *pivots, T *upper) noexcept


cdef inline bint fits_panels(Py_ssize_t n, lane like) noexcept nogil:
    """Whether a matrix alone goes by panels. The first sizes beyond registers go to lanes, alone to
    rows, whose inverses have the same bits. (Tiles are whole, since W is a multiple of TALL where
    registers reach anything.)"""
    cdef Py_ssize_t beyond = n - reach(like)
    return reach(like) > 0 and n < PANELS_BELOW and (beyond <= 0 or beyond >= LANES_BEYOND)


cdef inline Py_ssize_t panel_count(Py_ssize_t n, lane like) noexcept nogil:
    return (n + width(like) - 1) // width(like)


cdef inline Py_ssize_t panel_pitch(Py_ssize_t n, lane like) noexcept nogil:
    """Vectors a row: no power of two that would alias in cache."""
    return panel_count(n, like) | 1


cdef inline Py_ssize_t panels_workspace(Py_ssize_t n, lane like) noexcept nogil:
    """Vectors that `eliminate_panels` and `invert_panels` need beside matrix and inverse."""
    return 4 * (n + MOST_LANES) + width(like) * panel_count(n, like)


cdef inline double eliminate_panels(
    const char *source, Py_ssize_t step, lane *a, Py_ssize_t n, Py_ssize_t pitch, bint upper,
    lane *pivots, lane *reciprocals, int *origin, lane *work
) noexcept nogil:
    """Eliminate all columns of the matrix whose rows are `step` bytes apart, which may be those of
    a: pivots[k] in every lane, the sign of the permutation; for an inverse -1 / pivots, a scalar
    each, and the `upper` triangle times these.

    `origin` has room for 2 (n + MOST_LANES), and is repeated up to a whole tile."""
    cdef Py_ssize_t W = width(a[0]), panel, first, left, count
    cdef int *rows = origin + n + MOST_LANES
    cdef lane *above = work
    cdef lane *updated = above + n + MOST_LANES
    cdef lane *columns = updated + n + MOST_LANES
    cdef uint64_t free[WORDS]
    cdef double sign = 1.0
    for first in range(n):
        rows[first] = <int> first
    for panel in range(panel_count(n, a[0])):
        first = panel * W
        left, count = n - first, min(W, n - first)
        repeat_last(rows, left)
        bring_down(source, step, count, a, pitch, origin, first, above)
        take_columns(source, step, count, a, pitch, rows, left, first, above, updated, columns)
        set_bits(free, left)
        if upper:
            keep_above(a + panel, pitch, origin, first, reciprocals, above)
        sign *= eliminate_panel(columns, left, count, a + panel, pitch, rows, upper, pivots + first,
                                reciprocals + panel, origin + first, free)
        keep_free(rows, left, free)
        repeat_last(origin, first + count)
        source += sizeof(a[0])
    return sign


cdef inline void invert_panels(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const lane *reciprocals, const int *origin, lane body,
    lane border, lane *inverse, lane *work
) noexcept nogil:
    """As `finish` on lanes, from the triangles: body * A + y u' with A of U^-1 L^-1, y of -border
    U^-1 times the last column of U, u' of the last row of L^-1. Its column j belongs to row
    origin[j]. y stands in the last column, so panels are taken from there."""
    cdef Py_ssize_t W = width(a[0]), m = n - 1, stop = panel_count(n, body), panel, k
    cdef lane *u = work
    cdef lane *y = u + 2 * (n + MOST_LANES)
    cdef int panels, q
    while stop > 0:
        panels = 2 if stop > 1 else 1
        panel = stop - panels
        solve_panels(panels, a, n, pitch, origin, reciprocals, panel, u)
        for k in range(m if stop == panel_count(n, body) else 0):
            y[k] = broadcast(element(u + k * panels, m - panel * W), body) * border
        for k in range(m):
            for q in range(panels):
                inverse[k * pitch + panel + q] = subtract_product(
                    y[k] * u[m * panels + q], body, u[k * panels + q])
        for q in range(panels):
            inverse[m * pitch + panel + q] = border * u[m * panels + q]
        stop = panel
    for k in range(m):
        set_element(inverse + k * pitch, m, element(y + k, 0))
    for k in range(n if pitch > panel_count(n, body) else 0):
        inverse[k * pitch + pitch - 1] = broadcast(0.0, body)


# ---- a panel of L and U --------------------------------------------------------------------------

cdef inline void repeat_last(int *rows, Py_ssize_t count) noexcept nogil:
    """So that tiles and squares are whole."""
    cdef Py_ssize_t i
    for i in range(count, count + MOST_LANES):
        rows[i] = rows[count - 1]


cdef inline void bring_down(
    const char *source, Py_ssize_t step, Py_ssize_t count, const lane *a, Py_ssize_t pitch,
    const int *origin, Py_ssize_t first, lane *above
) noexcept nogil:
    """above[k], k < first: the panel in each pivot's row, as it is when its turn comes."""
    cdef Py_ssize_t tile
    for tile in range((first + TALL - 1) // TALL):
        take_ranks(source, step, count, a, pitch, origin + tile * TALL, above, tile * TALL, True,
                   above + tile * TALL)


cdef inline void take_columns(
    const char *source, Py_ssize_t step, Py_ssize_t count, const lane *a, Py_ssize_t pitch,
    const int *rows, Py_ssize_t left, Py_ssize_t first, const lane *above, lane *updated,
    lane *columns
) noexcept nogil:
    """The panel in the rows that are left, along vectors: columns[c*height + v]."""
    cdef lane square[MOST_LANES]
    cdef const char *places[MOST_LANES]
    cdef Py_ssize_t W = width(a[0]), height = panel_count(left, a[0]), tile, v, w
    for tile in range((height * W + TALL - 1) // TALL):
        take_ranks(source, step, count, a, pitch, rows + tile * TALL, above, first, False,
                   updated + tile * TALL)
    for v in range(height):
        for w in range(W):
            places[w] = <const char *> (updated + v * W + w)
        load_transposed(places, 0, &square[0])
        for w in range(W):
            columns[w * height + v] = square[w]


cdef inline double eliminate_panel(
    lane *columns, Py_ssize_t left, Py_ssize_t count, lane *a, Py_ssize_t pitch, const int *rows,
    bint upper, lane *pivots, lane *reciprocals, int *origin, uint64_t *free
) noexcept nogil:
    """Pivots, their rows and the factors of a panel, at a; the sign of its permutation."""
    cdef lane rest[MOST_LANES]
    cdef lane reciprocal
    cdef int chosen[MOST_LANES]
    cdef Py_ssize_t height = panel_count(left, a[0]), c
    cdef bint odd = eliminate_columns(columns, height, count, free, &chosen[0], pivots,
                                      &rest[0] if upper else NULL)
    for c in range(count):
        origin[c] = rows[chosen[c]]
    write_factors(columns, height, a, pitch, rows)
    for c in range(count if upper else 0):
        reciprocal = broadcast(-1.0, pivots[c]) / pivots[c]
        set_element(reciprocals, c, element(&reciprocal, 0))
        a[origin[c] * pitch] = select(from_lane(c + 1, reciprocal), rest[c] * reciprocal,
                                      a[origin[c] * pitch])
    return -1.0 if odd else 1.0


cdef inline void write_factors(
    const lane *columns, Py_ssize_t height, lane *a, Py_ssize_t pitch, const int *rows
) noexcept nogil:
    """The inverse of `take_columns`; a row that is repeated is written as often, with the same."""
    cdef lane square[MOST_LANES]
    cdef char *places[MOST_LANES]
    cdef Py_ssize_t W = width(a[0]), v, w
    for v in range(height):
        for w in range(W):
            places[w] = <char *> (a + rows[v * W + w] * pitch)
            square[w] = columns[w * height + v]
        store_transposed(places, 0, W, &square[0])


cdef inline void keep_above(
    lane *a, Py_ssize_t pitch, const int *origin, Py_ssize_t first, const lane *reciprocals,
    const lane *above
) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(first):
        a[origin[k] * pitch] = above[k] * broadcast(element(reciprocals, k), above[k])


cdef inline void set_bits(uint64_t *free, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t word
    for word in range((count + 63) // 64):
        free[word] = ~<uint64_t> 0 >> (64 - min(count - word * 64, 64))


cdef inline void keep_free(int *rows, Py_ssize_t left, const uint64_t *free) noexcept nogil:
    """The rows that have no pivot, in their order: a tie goes to the row that came first."""
    cdef Py_ssize_t word, kept = 0
    cdef uint64_t bits
    for word in range((left + 63) // 64):
        bits = free[word]
        while bits:
            rows[kept] = rows[word * 64 + first_bit(bits)]
            kept += 1
            bits &= bits - 1


# ---- a panel of the inverse ----------------------------------------------------------------------

cdef inline void solve_panels(
    int panels, const lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *origin,
    const lane *reciprocals, Py_ssize_t panel, lane *u
) noexcept nogil:
    """-U^-1 L^-1 but for the last row, which is that of L^-1, and for the last column, which is
    -U^-1 times that of U: `panels` vectors of each row side by side."""
    cdef Py_ssize_t W = width(u[0]), m = n - 1, tiles = (n + TALL - 1) // TALL, tile, k
    cdef Py_ssize_t first = panel * W, last = min(first + panels * W, n), top = first // TALL
    cdef int lane_of_last = <int> (m % W) if last == n else -1
    for k in range(tiles * TALL * panels):
        u[k] = broadcast(0.0, u[0])
    for k in range(first, last):
        set_element(u + k * panels, k - first, 1.0)
    for tile in range(top, tiles):
        solve_forward(panels, a, pitch, origin + tile * TALL, top * TALL, tile * TALL, u)
    for tile in range(tiles - 1, -1, -1):
        solve_backward(panels, a, pitch, origin + tile * TALL, reciprocals, lane_of_last,
                       tile * TALL, m, u)
