"""Gaussian and Gauss-Jordan elimination of small matrices whose rows registers can permute.

Layout: a row lies along `height` vectors, 1 to 4, padded with zeros; four matrices, or two, are
eliminated side by side, one that is alone by itself. Rows are taken in blocks of BLOCK, which stay
in registers: each takes all rows before it, which are kept as factors, row / -pivot, and becomes
one of them itself. What a row takes of row k is that row's factors times its own entry in column
order[k], which one instruction spreads over all lanes. Rows and columns stay where they are; the
pivot of a row is its first entry of largest magnitude in a column that has had none.

That is what elimination.pxd does to the transposed matrix: partial pivoting by columns, so that
matrices in C order are read, and inverses written, as they lie in memory. Other pivots and another
order of operations find zeros in other matrices where arithmetic happens to be exact; so a matrix
with a pivot near rounding is not decided here (`uncertain`), but by rows.pxd. With Gauss-Jordan the
factors have 1 / pivot in the pivot's column, and are where the inverse's rows start: these take the
pivots after their own in a second pass, the last one as `finish` does on lanes. Then lanes are
permuted in registers, too: row k of what is left belongs in row order[k], lane order[j] in column
j.

Cost: n^2/2 (Gauss) or n^2 (Gauss-Jordan) times one permutation and `height` multiply-adds, and
about 20 operations for a pivot, whose latency (60 cycles) the matrices beside it hide. Against one
matrix a lane, where every entry of a pivot's row has to be gathered and n^2 vectors leave L1, det
takes 0.78, 0.81 and 0.92 of the time at n = 8, 16 and 32, inv 0.74, 0.82 and 0.80, in single
precision 0.78, 0.80 and 0.75 at n = 16, 32 and 64, inv 0.74, 0.70 and 0.75 (Zen 4, which does half
a vector at a time). Rejected: one matrix after the other (det 1.4 times the time at n = 8), all
rows in registers and no factors in memory (1.2 times at n = 16), reciprocals by a division of
vectors (1.1 times at n = 8), the pivot sought by integers that end in their lane's number (0.92
times at n = 8, 1.1 at n = 16), pivots in columns of registers, which transposes what it reads (det
1.2 times, inv 1.1 times at n = 8), six or eight vectors a row (det 1.4 times, inv 1.1 at n = 64).
"""

from libc.stdint cimport uint64_t

from lanes cimport (
    absolute, broadcast, complement, element, equal, greatest, lane, load, load_part,
    load_transposed, mask_bits, maximum, multiply_add, set_element, store, store_part,
    times_power_of_two, vd, vf, width, zero_where,
)
from pack cimport MOST_LANES, item_size, put, read_matrix

cdef enum:
    BLOCK = 4           # rows
    BESIDE = 4          # the most matrices side by side
    VECTORS = 4         # the most of a row


cdef struct small:
    # A matrix: where its rows are, each along memory, and what becomes of it.
    const char *rows
    Py_ssize_t pitch        # bytes from one to the next
    char *factors           # n rows of `height` vectors
    int *order              # the pivots' columns
    uint64_t free           # the columns that have had no pivot
    int odd                 # whether the permutation is
    char *result            # the inverse's rows; before, a copy of the matrix if one is needed


cdef struct ending:
    # The last pivot's part in a gradient, and what all is multiplied by then: multiple 2^exponent.
    double body
    double border
    double multiple
    double exponent


cdef extern from "registers.h" nogil:
    Py_ssize_t reach[T](T like) noexcept
    vd spread(const vd *row, int vectors, int i) noexcept
    vf spread(const vf *row, int vectors, int i) noexcept
    vd permuted(const vd *row, int vectors, const int *index) noexcept
    vf permuted(const vf *row, int vectors, const int *index) noexcept
    vd zero_bits(uint64_t bits, vd a) noexcept
    vf zero_bits(uint64_t bits, vf a) noexcept
    vd select_bits(uint64_t bits, vd a, vd b) noexcept
    vf select_bits(uint64_t bits, vf a, vf b) noexcept
    uint64_t largest_bit[T](const T *row, int vectors, uint64_t among) noexcept
    int lowest(uint64_t bits) noexcept
    int odd(uint64_t bits) noexcept

    void eliminate_doubles "INLINED"(
        void (*by_size)(small *, int, int, Py_ssize_t, bint, vd *, vd *) noexcept nogil,
        small *a, int first, int beside, Py_ssize_t n, bint jordan, vd *pivots, vd *most) noexcept
    void eliminate_floats "INLINED"(
        void (*by_size)(small *, int, int, Py_ssize_t, bint, vf *, vf *) noexcept nogil,
        small *a, int first, int beside, Py_ssize_t n, bint jordan, vf *pivots, vf *most) noexcept
    unsigned int complete_doubles "INLINED"(
        unsigned int (*by_size)(
            vd, small *, int, Py_ssize_t, const ending *) noexcept nogil,
        vd like, small *a, int beside, Py_ssize_t n, const ending *ends) noexcept
    unsigned int complete_floats "INLINED"(
        unsigned int (*by_size)(
            vf, small *, int, Py_ssize_t, const ending *) noexcept nogil,
        vf like, small *a, int beside, Py_ssize_t n, const ending *ends) noexcept


cdef inline int matrices_beside(Py_ssize_t n, Py_ssize_t count, lane like) noexcept nogil:
    """How many matrices of a group to take at once: with longer rows four would leave registers.

    `eliminate_beside` and `complete_beside` are compiled for these numbers and no others."""
    return 1 if count == 1 else 4 if n <= 2 * width(like) else 2


cdef inline void eliminate_few(
    small *a, int first, int beside, Py_ssize_t n, bint jordan, lane *pivots, lane *most
) noexcept nogil:
    """Matrices a[0] to a[beside - 1]: lanes first, first + 1, ... of pivots[k] and most[0]."""
    if lane is vd:
        eliminate_doubles(eliminate_by_size[vd], a, first, beside, n, jordan, pivots, most)
    else:
        eliminate_floats(eliminate_by_size[vf], a, first, beside, n, jordan, pivots, most)


cdef inline unsigned int complete_few(
    lane like, small *a, int beside, Py_ssize_t n, const ending *ends
) noexcept nogil:
    """Their inverses or gradients; bits of those that are not finite."""
    if lane is vd:
        return complete_doubles(complete_by_size[vd], like, a, beside, n, ends)
    else:
        return complete_floats(complete_by_size[vf], like, a, beside, n, ends)


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
    cdef Py_ssize_t W = width(rows[0]), height = (n + W - 1) // W, i, p, q, l
    cdef Py_ssize_t bytes = sizeof(rows[0]), item = item_size(rows[0])
    cdef const char *places[MOST_LANES]
    cdef lane square[MOST_LANES]
    if column_stride == item:
        for i in range(n):
            for p in range(height - 1):
                store(matrix + i * row_stride + p * bytes, rows[i * height + p])
            p = height - 1
            store_part(matrix + i * row_stride + p * bytes, n - p * W, rows[i * height + p])
        return
    if row_stride != item:
        for i in range(n):
            for p in range(height):
                put(matrix + i * row_stride + p * W * column_stride, column_stride, n - p * W,
                    rows[i * height + p])
        return
    for q in range(height):
        for l in range(W):
            places[l] = <const char *> (rows + (q * W + l) * height)
        for p in range(height):
            load_transposed(places, p * bytes, &square[0])
            for l in range(min(W, n - p * W)):
                store_part(matrix + (p * W + l) * column_stride + q * W * item, n - q * W,
                           square[l])


# ---- down: all pivots ----------------------------------------------------------------------------

cdef inline void eliminate_by_size(
    small *a, int first, int beside, Py_ssize_t n, bint jordan, lane *pivots, lane *most
) noexcept nogil:
    if jordan:
        eliminate_by_height(a, first, beside, n, True, pivots, most)
    else:
        eliminate_by_height(a, first, beside, n, False, pivots, most)


cdef inline void eliminate_by_height(
    small *a, int first, int beside, Py_ssize_t n, bint jordan, lane *pivots, lane *most
) noexcept nogil:
    """Compiled for each height, so that rows become registers."""
    cdef Py_ssize_t W = width(most[0])
    if n <= W:
        eliminate_beside(a, first, beside, n, 1, jordan, pivots, most)
    elif n <= 2 * W:
        eliminate_beside(a, first, beside, n, 2, jordan, pivots, most)
    elif n <= 3 * W:
        eliminate_beside(a, first, beside, n, 3, jordan, pivots, most)
    else:
        eliminate_beside(a, first, beside, n, 4, jordan, pivots, most)


cdef inline void eliminate_beside(
    small *a, int first, int beside, Py_ssize_t n, int height, bint jordan,
    lane *pivots, lane *most
) noexcept nogil:
    if beside == 1:
        eliminate_side_by_side(a, first, 1, n, height, jordan, pivots, most)
    elif height <= 2:
        eliminate_side_by_side(a, first, 4, n, height, jordan, pivots, most)
    else:
        eliminate_side_by_side(a, first, 2, n, height, jordan, pivots, most)


cdef inline void eliminate_side_by_side(
    small *a, int first, int beside, Py_ssize_t n, int height, bint jordan,
    lane *pivots, lane *most
) noexcept nogil:
    cdef lane c[BESIDE * BLOCK * VECTORS]
    cdef lane sizes[BESIDE]
    cdef Py_ssize_t block, start, k
    cdef int m, j
    for m in range(beside):
        a[m].free, a[m].odd = ~(<uint64_t> 0) >> (64 - n), 0
        sizes[m] = broadcast(0.0, most[0])
    for block in range((n + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        for m in range(beside):
            for j in range(BLOCK):
                read_row(a + m, min(start + j, n - 1), n, height,
                         c + (m * BLOCK + j) * height, sizes + m)
        for k in range(start):
            for m in range(beside):
                for j in range(BLOCK):
                    take(c + (m * BLOCK + j) * height, a + m, k, height, jordan)
        become_factors(a, c, first, beside, start, 0, n, height, jordan, pivots)
        become_factors(a, c, first, beside, start, 1, n, height, jordan, pivots)
        become_factors(a, c, first, beside, start, 2, n, height, jordan, pivots)
        become_factors(a, c, first, beside, start, 3, n, height, jordan, pivots)
    for m in range(beside):
        set_element(most, first + m, greatest(sizes[m]))


cdef inline void read_row(
    const small *a, Py_ssize_t j, Py_ssize_t n, int height, lane *row, lane *size
) noexcept nogil:
    cdef lane zero = broadcast(0.0, size[0])
    cdef Py_ssize_t W = width(zero), bytes = sizeof(zero)
    cdef const char *place = a.rows + j * a.pitch
    cdef int v
    for v in range(height):
        if v < height - 1:
            row[v] = load(place + v * bytes, zero)
        else:
            row[v] = load_part(place + v * bytes, n - v * W, zero)
        size[0] = maximum(absolute(row[v]), size[0])


cdef inline void become_factors(
    small *a, lane *c, int first, int beside, Py_ssize_t start, int t, Py_ssize_t n,
    int height, bint jordan, lane *pivots
) noexcept nogil:
    """Row t of each block, and what the block's later rows lose to it."""
    cdef int m, j
    if start + t >= n:
        return
    for m in range(beside):
        note_factors(c + (m * BLOCK + t) * height, a + m, first + m, start + t, n, height, jordan,
                     pivots)
    for m in range(beside):
        for j in range(t + 1, BLOCK):
            take(c + (m * BLOCK + j) * height, a + m, start + t, height, jordan)


cdef inline void note_factors(
    const lane *row, small *a, int w, Py_ssize_t k, Py_ssize_t n, int height, bint jordan,
    lane *pivots
) noexcept nogil:
    """Row k / -pivot, the last one as it is."""
    cdef uint64_t bit = largest_bit(row, height, a.free)
    cdef int column = lowest(bit), v
    cdef lane zero = broadcast(0.0, row[0]), entry = spread(row, height, column), factor
    cdef lane reciprocal = broadcast(-1.0 / element(&entry, 0), zero)
    cdef lane *factors = <lane *> a.factors + k * height
    a.order[k] = column
    a.odd ^= odd(a.free & (bit - 1))
    a.free ^= bit
    set_element(pivots + k, w, element(&entry, 0))
    reciprocal = zero_where(equal(entry, zero), reciprocal)
    for v in range(height):
        factor = row[v] if k == n - 1 else row[v] * reciprocal
        if jordan:
            factor = select_bits(bit >> v * width(zero), -reciprocal, factor)
        factors[v] = factor


cdef inline void take(
    lane *row, const small *a, Py_ssize_t k, int height, bint jordan
) noexcept nogil:
    """Add the factors of row k times the entry in the pivot's column, which Gauss-Jordan begins
    anew."""
    cdef const lane *factors = <const lane *> a.factors + k * height
    cdef int column = a.order[k], v
    cdef lane u = spread(row, height, column), x
    for v in range(height):
        x = row[v]
        if jordan:
            x = zero_bits((<uint64_t> 1 << column) >> v * width(x), x)
        row[v] = multiply_add(factors[v], u, x)


# ---- up again: the inverse or the gradient -------------------------------------------------------

cdef inline unsigned int complete_by_size(
    lane like, small *a, int beside, Py_ssize_t n, const ending *ends
) noexcept nogil:
    cdef Py_ssize_t W = width(like)
    if n <= W:
        return complete_beside(like, a, beside, n, 1, ends)
    if n <= 2 * W:
        return complete_beside(like, a, beside, n, 2, ends)
    if n <= 3 * W:
        return complete_beside(like, a, beside, n, 3, ends)
    return complete_beside(like, a, beside, n, 4, ends)


cdef inline unsigned int complete_beside(
    lane like, small *a, int beside, Py_ssize_t n, int height, const ending *ends
) noexcept nogil:
    if beside == 1:
        return complete(like, a, 1, n, height, ends)
    if height <= 2:
        return complete(like, a, 4, n, height, ends)
    return complete(like, a, 2, n, height, ends)


cdef inline unsigned int complete(
    lane like, small *a, int beside, Py_ssize_t n, int height, const ending *ends
) noexcept nogil:
    cdef lane c[BESIDE * BLOCK * VECTORS]
    cdef lane last_rows[BESIDE * VECTORS]
    cdef lane poison[BESIDE]
    cdef lane zero = broadcast(0.0, like), bad
    cdef Py_ssize_t block, start, k
    cdef unsigned int strange = 0
    cdef int m, j
    for m in range(beside):
        end_row(a + m, n, height, ends + m, last_rows + m * height)
        poison[m] = zero
    for block in range((n + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        for m in range(beside):
            for j in range(BLOCK):
                start_row(a + m, min(start + j, n - 1), height, c + (m * BLOCK + j) * height)
        take_own(a, c, beside, start, 1, n, height)
        take_own(a, c, beside, start, 2, n, height)
        take_own(a, c, beside, start, 3, n, height)
        for k in range(start + BLOCK, n - 1):
            for m in range(beside):
                for j in range(BLOCK):
                    take(c + (m * BLOCK + j) * height, a + m, k, height, True)
        for m in range(beside):
            bad = poison[m]
            for j in range(BLOCK):
                bad = finish_row(c + (m * BLOCK + j) * height, a + m, start + j, n, height,
                                 ends + m, last_rows + m * height, bad)
            poison[m] = bad
    for m in range(beside):
        if mask_bits(complement(equal(poison[m], zero))):
            strange |= 1 << m
    return strange


cdef inline void end_row(
    const small *a, Py_ssize_t n, int height, const ending *end, lane *last
) noexcept nogil:
    """The last row's factors."""
    cdef const lane *row = <const lane *> a.factors + (n - 1) * height
    cdef lane border = broadcast(end.border, row[0])
    cdef uint64_t bit = <uint64_t> 1 << a.order[n - 1]
    cdef int v
    for v in range(height):
        last[v] = select_bits(bit >> v * width(border), border, row[v] * -border)


cdef inline void start_row(const small *a, Py_ssize_t k, int height, lane *row) noexcept nogil:
    cdef int v
    for v in range(height):
        row[v] = (<const lane *> a.factors)[k * height + v]


cdef inline void take_own(
    small *a, lane *c, int beside, Py_ssize_t start, int t, Py_ssize_t n, int height
) noexcept nogil:
    """Pivot t of a block, for the block's rows before it."""
    cdef int m, j
    if start + t >= n - 1:
        return
    for m in range(beside):
        for j in range(t):
            take(c + (m * BLOCK + j) * height, a + m, start + t, height, True)


cdef inline lane finish_row(
    const lane *row, const small *a, Py_ssize_t k, Py_ssize_t n, int height, const ending *end,
    const lane *last, lane poison
) noexcept nogil:
    """Row k takes the last pivot and is scaled; `poison` plus zero, or NaN if it is not finite."""
    cdef lane zero = broadcast(0.0, poison), body = broadcast(end.body, zero)
    cdef lane multiple = broadcast(end.multiple, zero), u
    cdef uint64_t bit = <uint64_t> 1 << a.order[n - 1]
    cdef Py_ssize_t W = width(zero)
    cdef lane x[VECTORS]
    cdef lane *result
    cdef int v
    if k >= n:
        return poison
    result = <lane *> a.result + a.order[k] * height
    u = spread(row, height, a.order[n - 1])
    for v in range(height):
        x[v] = multiply_add(last[v], u, zero_bits(bit >> v * W, body * row[v]))
        if k == n - 1:
            x[v] = last[v]
        x[v] = x[v] * multiple
        if end.exponent != 0:
            x[v] = times_power_of_two(x[v], broadcast(end.exponent, zero))
        poison = multiply_add(x[v], zero, poison)
    for v in range(height):
        result[v] = permuted(x, height, a.order + v * W)
    return poison
