"""The eliminations of elimination.pxd for one matrix at a time, vectorised along its rows.

Layout: a[i*pitch + v] is vector v of row i, padded with zeros; single entries by `element`. Columns
are taken in panels of PANEL (LARGE_PANEL), these in blocks of a vector (8 columns at least). A
block is taken out and laid along vectors, eliminated column by column, and then applied to the rest
of its panel, a panel to the rest of the matrix: the pivot rows, brought up to date and packed two
vectors wide, stay in L1 while four rows of the matrix at a time pass through registers (8
accumulators: 6 loads for 8 multiply-adds), STRIP rows for all columns, so that few pages are in
use. A large matrix that is alone has its strips shared among threads. Factors are kept negated, so
that they are broadcast by the load itself (negating them in the inner loop took half of its time),
those of four rows side by side, so that one address serves them.

`origin` remembers where rows came from. Gauss leaves them there, and swaps only what is taken out
(det takes 0.90 of the time at n = 128), but for large matrices, of which rows out of order take
longer to come from memory. Gauss-Jordan updates all rows, in order, and has them swapped. A tie
goes to the row that came first: every entry takes the same operations in the same order as on
lanes, and so has the same bits. Cost: n^3/3 (Gauss) or n^3 (Gauss-Jordan) multiply-adds. For n
above about 90, where a group of lanes leaves the L2 cache, and for batches too small to fill the
lanes; with AVX-512 from n = 512 on, where panels.pxd ends.

Rejected: LAPACK through SciPy (an optional dependency, other bits than on lanes, and no adjugate),
tiles of 6 x 2 (no gain) and of 8 x 2 (1.02 to 1.04 times the time), prefetching the next one (no
gain), blocks eliminated where they are in the matrix (det took 1.25 times the time at n = 256),
panels of 64 for all (1.3 times at n = 128), the inner loop in a function of its own (no gain),
entries swapped by whole vectors (1.02 times the time).
"""

from libc.stdint cimport uint64_t

from cython.parallel cimport prange

from lanes cimport (
    absolute, broadcast, element, equal, first_bit, from_lane, greatest, lane, load_transposed,
    mark, mask_bits, maximum, multiply_add, select, set_element, store_fours, store_transposed,
    subtract_product, width, zero_where,
)
from pack cimport MOST_LANES

cdef enum:
    PANEL = 32          # columns of a panel
    LARGE_PANEL = 128   # of one that has to come from memory for each: det takes 0.77 of the time
    SWAPPED = 400       # size from which Gauss, too, swaps rows
    LARGE_MATRIX = 1500        # from this size on (inv takes 1.04 times the time, and does not)
    STRIP = 64          # rows that are updated together
    SHARED = 16000      # tiles times rows of an update from which it pays to start threads


cdef inline Py_ssize_t row_pitch(Py_ssize_t n, lane like) noexcept nogil:
    """Vectors a row, room for a last tile of two, and no power of two that would alias in cache."""
    return (n + width(like) - 1) // width(like) + 2 | 1


cdef inline Py_ssize_t block_columns(lane like) noexcept nogil:
    return max(8, width(like))


cdef inline Py_ssize_t panel_columns(Py_ssize_t n, bint jordan) noexcept nogil:
    return LARGE_PANEL if n >= LARGE_MATRIX and not jordan else PANEL


cdef inline Py_ssize_t rows_workspace(Py_ssize_t n, lane like) noexcept nogil:
    """Vectors that `eliminate_rows` and `finish_rows` need beside the matrix."""
    cdef Py_ssize_t panel = panel_columns(n, False)
    return ((lower_row(n) + panel) * panel // width(like) + 2
            + (panel + 1) * (row_pitch(n, like) + 2) + 2 * block_columns(like) * row_pitch(n, like))


cdef inline Py_ssize_t factor_at(Py_ssize_t i, Py_ssize_t t, Py_ssize_t panel) noexcept nogil:
    """Which scalar of the factors belongs to row i and rank t: four rows stand side by side."""
    return ((i >> 2) * panel + t) * 4 + (i & 3)


cdef inline Py_ssize_t lower_row(Py_ssize_t n) noexcept nogil:
    """The row from which the factors of a panel's pivot rows stand, behind those of all vectors."""
    return (n + MOST_LANES - 1) // MOST_LANES * MOST_LANES


cdef inline double eliminate_rows(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, bint jordan, lane *pivots, int *origin, lane *work,
    int threads
) noexcept nogil:
    """Eliminate n - 1 columns; pivots[k] in every lane, and the sign of the permutation.

    `origin` has room for 3 n: where rows are swapped, row i stands at i."""
    cdef bint swapped = jordan or n >= SWAPPED
    cdef int *rows = origin + 2 * n if swapped else origin
    cdef lane *factors = work
    cdef Py_ssize_t panel = panel_columns(n, jordan), columns = block_columns(a[0])
    cdef lane *packed = factors + (lower_row(n) + panel) * panel // width(a[0]) + 2
    cdef lane *taken = packed + (panel + 1) * (pitch + 2)
    cdef Py_ssize_t start, stop, first, last, each, block, k
    cdef double sign = 1.0
    for k in range(n):
        origin[k] = rows[k] = <int> k
    for each in range((n + panel - 2) // panel):
        start = each * panel
        stop = min(start + panel, n - 1)
        for block in range((stop - start + columns - 1) // columns):
            first = start + block * columns
            last = min(first + columns, stop)
            sign *= eliminate_block(a, n, pitch, rows, swapped, jordan, start, first, last, pivots,
                                    origin, factors, panel, taken)
            if jordan:
                apply_ranks(a, n, pitch, rows, jordan, start, first, last, start, first,
                            factors, panel, packed, 1)
            apply_ranks(a, n, pitch, rows, jordan, start, first, last, last, stop, factors,
                        panel, packed, 1)
        if jordan:
            apply_ranks(a, n, pitch, rows, jordan, start, start, stop, 0, start, factors,
                        panel, packed, threads)
        apply_ranks(a, n, pitch, rows, jordan, start, start, stop, stop, n, factors, panel,
                    packed, threads)
    pivots[n - 1] = broadcast(element(a, rows[n - 1] * pitch * width(a[0]) + n - 1), a[0])
    return sign


cdef inline void finish_rows(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, lane body, lane border
) noexcept nogil:
    """As `finish` on lanes; the row of the last pivot is the last."""
    cdef Py_ssize_t W = width(body), m = n - 1, i, v
    cdef lane *u = a + m * pitch
    cdef lane y
    set_element(u, m, 0.0)
    for i in range(m):
        y = broadcast(element(a, i * pitch * W + m), body) * border
        for v in range(pitch):
            a[i * pitch + v] = subtract_product(body * a[i * pitch + v], y, u[v])
        set_element(a, i * pitch * W + m, -element(&y, 0))
    for v in range(pitch):
        u[v] = border * u[v]
    set_element(u, m, element(&border, 0))


# ---- a block ------------------------------------------------------------------------------------

cdef inline double eliminate_block(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint swapped, bint jordan,
    Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, lane *pivots, int *origin,
    lane *factors, Py_ssize_t panel, lane *taken
) noexcept nogil:
    """Columns first to last: taken out and laid along vectors, eliminated, their factors noted.

    Gauss never reads them again, and does not care what becomes of rows that are done."""
    cdef Py_ssize_t W = width(a[0]), item = <Py_ssize_t> sizeof(a[0]) // W
    cdef Py_ssize_t height = (n + W - 1) // W, top = 0 if jordan else first // W
    cdef Py_ssize_t squares = (last - first + W - 1) // W, c, k, p
    cdef lane *noted = taken + block_columns(a[0]) * height
    cdef double sign = 1.0
    move_columns(<char *> (a + first // W), pitch * W * item, rows, n, top, taken, height,
                 squares, True)
    for c in range(last - first):
        k = first + c
        p = largest(taken + c * height, n, k, origin)
        if p != k:
            sign = -sign
            origin[k], origin[p] = origin[p], origin[k]
            swap_taken(c, k, p, jordan, taken, noted, height)
            swap_factors(factors, k, p, first - start, panel)
            if swapped:
                swap_vectors(a + k * pitch, a + p * pitch, pitch)
        pivots[k] = broadcast(element(taken + c * height, k), a[0])
        note_lower(jordan, c, k, first - start, factors, panel, n, noted, height)
        eliminate_column(jordan, c, k, last - first, pivots[k], taken, noted, height)
    note_factors(factors, first - start, last - first, top, panel, noted, height)
    if jordan:
        move_columns(<char *> (a + first // W), pitch * W * item, rows, n, top, taken, height,
                     squares, False)
    return sign


cdef inline void note_factors(
    lane *factors, Py_ssize_t t0, Py_ssize_t count, Py_ssize_t top, Py_ssize_t panel,
    const lane *noted, Py_ssize_t height
) noexcept nogil:
    """The factors of a block, from columns to ranks t0 on of each row."""
    cdef Py_ssize_t W = width(factors[0]), c, v
    for c in range(count):
        for v in range(top, height):
            store_fours(factors, factor_at(v * W, t0 + c, panel), 4 * panel, noted[c * height + v])


cdef inline void move_columns(
    char *first, Py_ssize_t step, const int *rows, Py_ssize_t n, Py_ssize_t top, lane *columns,
    Py_ssize_t height, Py_ssize_t squares, bint take
) noexcept nogil:
    """The columns of a block from rows `step` bytes apart, or to them, from vector `top` on, in
    squares that lie side by side in the rows."""
    cdef char *places[MOST_LANES]
    cdef lane square[MOST_LANES]
    cdef Py_ssize_t W = width(columns[0]), group, c, w, i
    for group in range(top, height):
        for w in range(W):
            places[w] = first + rows[min(group * W + w, n - 1)] * step
        for i in range(squares):
            if take:
                load_transposed(<const char **> places, i * sizeof(square[0]), &square[0])
                for c in range(W):
                    columns[(i * W + c) * height + group] = square[c]
            else:
                for c in range(W):
                    square[c] = columns[(i * W + c) * height + group]
                store_transposed(places, i * sizeof(square[0]), <int> min(W, n - group * W),
                                 &square[0])


cdef inline void swap_taken(
    Py_ssize_t c, Py_ssize_t k, Py_ssize_t p, bint jordan, lane *taken, lane *noted,
    Py_ssize_t height
) noexcept nogil:
    """Rows k and p of what is read again: factors noted so far, and columns not yet eliminated."""
    cdef Py_ssize_t j
    for j in range(0 if jordan else c, block_columns(taken[0])):
        swap_entries(taken + j * height, k, p)
    for j in range(c):
        swap_entries(noted + j * height, k, p)


cdef inline void swap_entries(lane *column, Py_ssize_t k, Py_ssize_t p) noexcept nogil:
    cdef double entry = element(column, k)
    set_element(column, k, element(column, p))
    set_element(column, p, entry)


cdef inline void swap_factors(
    lane *factors, Py_ssize_t k, Py_ssize_t p, Py_ssize_t ranks, Py_ssize_t panel
) noexcept nogil:
    cdef Py_ssize_t t
    for t in range(ranks):
        swap_entries(factors, factor_at(k, t, panel), factor_at(p, t, panel))


cdef inline void swap_vectors(lane *x, lane *y, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t v
    for v in range(count):
        x[v], y[v] = y[v], x[v]


cdef inline Py_ssize_t largest(
    const lane *column, Py_ssize_t n, Py_ssize_t k, const int *origin
) noexcept nogil:
    """The row from k on that is largest, of several the one that came first; k if all are NaN."""
    cdef lane none = broadcast(-1.0, column[0]), best, second = none
    cdef Py_ssize_t W = width(none), height = (n + W - 1) // W, start = k // W, v, row, p = k
    # Behind row n - 1 its copies stand, in which rounding errors are left once it is done with.
    cdef lane copies = from_lane(n - (height - 1) * W, none)
    cdef uint64_t equals
    cdef bint found = False
    best = select(from_lane(k % W, none), absolute(column[start]), none)
    if start == height - 1:
        best = select(copies, none, best)
    else:
        second = select(copies, none, absolute(column[height - 1]))
    best, second = maximum(best, none), maximum(second, none)
    for v in range(start + 1, height - 2, 2):
        best = maximum(absolute(column[v]), best)
        second = maximum(absolute(column[v + 1]), second)
    if (height - start) % 2 == 1 and start < height - 1:
        best = maximum(absolute(column[height - 2]), best)
    best = broadcast(greatest(maximum(best, second)), none)
    v = start
    while v < height:
        equals = rows_equal(column + v, min(height - v, 64 // W), best)
        while equals:
            row = v * W + first_bit(equals)
            if k <= row < n and (not found or origin[row] < origin[p]):
                p, found = row, True
            equals &= equals - 1
        v += 64 // W
    return p


cdef inline uint64_t rows_equal(
    const lane *column, Py_ssize_t count, lane best
) noexcept nogil:
    """A bit for each of at most 64 rows: set where |entry| is `best`."""
    cdef uint64_t equals = 0
    cdef Py_ssize_t v
    for v in range(count):
        equals |= <uint64_t> mask_bits(equal(absolute(column[v]), best)) << v * width(best)
    return equals


cdef inline void note_lower(
    bint jordan, Py_ssize_t c, Py_ssize_t k, Py_ssize_t t0, lane *factors, Py_ssize_t panel,
    Py_ssize_t n, lane *noted, Py_ssize_t height
) noexcept nogil:
    """What the pivot's row takes of the pivots before it; with Gauss-Jordan that is then done."""
    cdef Py_ssize_t lower = lower_row(n) + t0 + c, s, t
    for t in range(t0):
        set_element(factors, factor_at(lower, t, panel), element(factors, factor_at(k, t, panel)))
        if jordan:
            set_element(factors, factor_at(k, t, panel), -0.0)  # what is subtracted is no change
    for s in range(c):
        set_element(factors, factor_at(lower, t0 + s, panel), element(noted + s * height, k))
        if jordan:
            set_element(noted + s * height, k, -0.0)


cdef inline void eliminate_column(
    bint jordan, Py_ssize_t c, Py_ssize_t k, Py_ssize_t depth, lane pivot, lane *taken,
    lane *noted, Py_ssize_t height
) noexcept nogil:
    """Subtract multiples of the pivot's row; with Gauss-Jordan from all rows, where column c and
    the pivot's row, lane `mine` of a vector, start anew."""
    cdef lane zero = broadcast(0.0, pivot), one = broadcast(1.0, pivot), mine = zero, x
    cdef lane reciprocal = zero_where(equal(pivot, zero), one / pivot)
    cdef lane u[MOST_LANES]
    cdef lane *column = taken + c * height
    cdef lane *factor = noted + c * height
    cdef Py_ssize_t middle = k // width(pivot), top = 0 if jordan else middle, j, v
    for j in range(depth):
        u[j] = broadcast(element(taken + j * height, k), pivot)
    for v in range(top, height):
        factor[v] = -column[v] * reciprocal
    if jordan:
        mark(&mine, k % width(pivot))
        factor[middle] = select(mine, reciprocal, factor[middle])
        for v in range(height):
            column[v] = factor[v] + zero
    for j in range(0 if jordan else c + 1, depth):
        if j == c:
            continue
        x = zero_where(mine, taken[j * height + middle]) if jordan else zero
        for v in range(top, height):
            taken[j * height + v] = multiply_add(factor[v], u[j], taken[j * height + v])
        if jordan:
            taken[j * height + middle] = multiply_add(factor[middle], u[j], x)


# ---- a panel -----------------------------------------------------------------------------------

cdef inline void apply_ranks(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, Py_ssize_t start,
    Py_ssize_t first, Py_ssize_t last, Py_ssize_t left, Py_ssize_t right,
    lane *factors, Py_ssize_t panel, lane *packed, int threads
) noexcept nogil:
    """Apply pivots first to last to the columns from left to right."""
    cdef Py_ssize_t W = width(a[0]), depth = last - first, v0 = left // W
    cdef Py_ssize_t tiles = ((right + W - 1) // W - v0 + 1) // 2, top = 0 if jordan else last
    cdef Py_ssize_t strip, tile
    if left >= right:
        return
    pack_pivot_rows(a, pitch, rows, jordan, first, last, left, right, tiles, packed)
    if threads > 1 and tiles * (n - top) > SHARED:
        update_shared(a + v0, n, pitch, rows, top, depth, tiles, factors, panel, first - start,
                      packed, threads)
        return
    for tile in range(tiles):
        bring_up_to_date(packed + 2 * tile * depth, depth, factors + lower_row(n) * panel // W,
                         panel, first - start)
    for strip in range((n - top + STRIP - 1) // STRIP):
        update_strip(a + v0, pitch, rows, top + strip * STRIP, min(top + (strip + 1) * STRIP, n),
                     depth, tiles, factors, panel, first - start, packed)


cdef inline void update_shared(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, Py_ssize_t top, Py_ssize_t depth,
    Py_ssize_t tiles, const lane *factors, Py_ssize_t panel, Py_ssize_t f, lane *packed, int threads
) noexcept nogil:
    """Tiles, then strips, each by one thread: no result depends on how many there are.

    Apart from the same loops for one thread, which took 1.5 times the time at n = 96 and 1.4 at
    128 when the compiler had to lay them out for OpenMP."""
    cdef const lane *lower = factors + lower_row(n) * panel // width(a[0])
    cdef Py_ssize_t strip, tile
    for tile in prange(tiles, num_threads=threads):
        bring_up_to_date(packed + 2 * tile * depth, depth, lower, panel, f)
    for strip in prange((n - top + STRIP - 1) // STRIP, num_threads=threads, schedule="dynamic"):
        update_strip(a, pitch, rows, top + strip * STRIP, min(top + (strip + 1) * STRIP, n),
                     depth, tiles, factors, panel, f, packed)


cdef inline void update_strip(
    lane *a, Py_ssize_t pitch, const int *rows, Py_ssize_t top, Py_ssize_t bottom,
    Py_ssize_t depth, Py_ssize_t tiles, const lane *factors, Py_ssize_t panel, Py_ssize_t f,
    const lane *packed
) noexcept nogil:
    """Rows from top to bottom: few enough that their pages and factors stay at hand."""
    cdef const int *at
    cdef Py_ssize_t tile, i
    cdef lane *b
    for tile in range(tiles):
        b = a + 2 * tile
        for i in range(top, bottom - 3, 4):
            at = rows + i
            update_four(b + at[0] * pitch, b + at[1] * pitch, b + at[2] * pitch, b + at[3] * pitch,
                        factors, factor_at(i, f, panel), depth, packed + 2 * tile * depth)
        for i in range(bottom - (bottom - top) % 4, bottom):
            update_one(b + rows[i] * pitch, factors, factor_at(i, f, panel), depth,
                       packed + 2 * tile * depth)


cdef inline void pack_pivot_rows(
    lane *a, Py_ssize_t pitch, const int *rows, bint jordan, Py_ssize_t first, Py_ssize_t last,
    Py_ssize_t left, Py_ssize_t right, Py_ssize_t tiles, lane *packed
) noexcept nogil:
    """Tile by tile two vectors of each pivot row, zero outside [left, right)."""
    cdef Py_ssize_t W = width(a[0]), depth = last - first, t, v, column
    cdef lane *source
    cdef lane *target
    for t in range(depth):
        source = a + rows[first + t] * pitch + left // W
        for v in range(2 * tiles):
            column = (left // W + v) * W
            target = packed + ((v // 2) * depth + t) * 2 + v % 2
            if left <= column and column + W <= right:
                target[0] = source[v]
                if jordan:
                    source[v] = broadcast(0.0, source[v])
            else:
                target[0] = columns_between(source[v], column, left, right)
                if jordan:
                    source[v] = columns_between(source[v], column, right, left)


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
