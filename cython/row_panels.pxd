"""A panel of columns of one matrix, eliminated block by block, for rows.pxd.

Layout: that of rows.pxd. A block is taken out and laid along vectors, eliminated column by column,
its factors noted, and applied to the rest of its part of the panel, a part to the rest of it, so
that a wide panel is not swept through for each block (panels of blocks alone took 1.05 times the
time at n = 1500). Rows that are exchanged are swapped in the panel's tiles only, since others may
be at work on the rest of the matrix.

Rejected: blocks eliminated where they are in the matrix (det took 1.25 times the time at n = 256),
entries swapped by whole vectors (1.02 times the time).
"""

from libc.stdint cimport uint64_t

from lanes cimport (
    absolute, broadcast, element, equal, first_bit, from_lane, greatest, lane, load_transposed,
    mark, mask_bits, maximum, multiply_add, select, set_element, store_fours, store_transposed,
    width, zero_where,
)
from pack cimport MOST_LANES
from row_ranks cimport (
    apply_ranks, factor_at, lower_row, swap_rows, tiles_before, tiles_up_to,
)


cdef enum:
    PART = 32           # columns of a part: whole blocks, whole tiles


cdef inline Py_ssize_t block_columns(lane like) noexcept nogil:
    return max(8, width(like))


cdef inline Py_ssize_t panel_workspace(Py_ssize_t n, Py_ssize_t panel, lane like) noexcept nogil:
    """Vectors that `eliminate_panel` works in: a part's pivot rows, a block and its factors."""
    cdef Py_ssize_t height = (n + width(like) - 1) // width(like)
    return PART * (panel // width(like) + 2) + 2 * block_columns(like) * height


cdef inline double eliminate_panel(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, int *exchanged,
    Py_ssize_t start, Py_ssize_t stop, lane *pivots, int *origin, lane *factors,
    Py_ssize_t panel, lane *work
) noexcept nogil:
    """Columns start to stop, which have taken all pivots before them: the permutation's sign."""
    cdef Py_ssize_t columns = block_columns(a[0]), block, part, first, last, end
    cdef lane *taken = work + PART * (panel // width(a[0]) + 2)
    cdef double sign = 1.0
    for block in range((stop - start + columns - 1) // columns):
        first = start + block * columns
        last = min(first + columns, stop)
        part = first - (first - start) % PART
        end = min(part + PART, stop)
        sign *= eliminate_block(a, n, pitch, rows, jordan, exchanged, start, stop, first, last,
                                pivots, origin, factors, panel, taken)
        apply_around(a, n, pitch, rows, jordan, start, first, last, part, end, factors, panel, work)
        if last == end:
            apply_around(a, n, pitch, rows, jordan, start, part, end, start, stop, factors, panel,
                         work)
    return sign


cdef inline void apply_around(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, Py_ssize_t start,
    Py_ssize_t first, Py_ssize_t last, Py_ssize_t left, Py_ssize_t right, const lane *factors,
    Py_ssize_t panel, lane *packed
) noexcept nogil:
    """Pivots first to last to the columns right of them, with Gauss-Jordan those left of them, too,
    as far as `left` and `right`."""
    if jordan:
        apply_ranks(a, n, pitch, rows, jordan, NULL, start, first, last, left, first, factors,
                    panel, packed)
    apply_ranks(a, n, pitch, rows, jordan, NULL, start, first, last, last, right, factors, panel,
                packed)


# ---- a block ------------------------------------------------------------------------------------

cdef inline double eliminate_block(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, int *exchanged,
    Py_ssize_t start, Py_ssize_t stop, Py_ssize_t first, Py_ssize_t last, lane *pivots,
    int *origin, lane *factors, Py_ssize_t panel, lane *taken
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
        if exchanged:
            exchanged[k] = <int> p
        if p != k:
            sign = -sign
            origin[k], origin[p] = origin[p], origin[k]
            swap_taken(c, k, p, jordan, taken, noted, height)
            swap_factors(factors, k, p, first - start, panel)
        pivots[k] = broadcast(element(taken + c * height, k), a[0])
        note_lower(jordan, c, k, first - start, factors, panel, n, noted, height)
        eliminate_column(jordan, c, k, last - first, pivots[k], taken, noted, height)
    note_factors(factors, first - start, last - first, top, panel, noted, height)
    if exchanged:
        swap_rows(a + 2 * tiles_before(start, a[0]), pitch, exchanged, first, last,
                  2 * (tiles_up_to(stop, a[0]) - tiles_before(start, a[0])))
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
