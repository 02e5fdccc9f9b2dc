"""Products of many small matrices, C = A B, one pair at a time, along the rows of C.

A tile of C, 8 rows of two vectors, stays in registers (tiles of 4 rows took 1.2 times the time at
n = 64, eight addresses instead of two and their strides 1.05, 1.15 at n = 8); an entry of A is
broadcast by the load itself, so A may lie in memory as it likes. B is read where it is if it is
small and its rows are whole vectors, else packed first, in pairs of vectors: half squares of B' are
transposed in registers, and lanes beyond the last column repeat it, so that they raise no flag of
their own. A B that is the same for the whole batch is packed once.

C with one column is A b: along the rows of A, W of them at once, whose lanes are added up by pairs
(transposed and then added, they took 1.8 times the time at 50 x 8), or else as b'A'.

Cost: m k n multiply-adds, and k n for packing. In batches of float64 NumPy's BLAS takes 2.0 to 2.6
times the time at n = 8, where a call costs it more than the product, and 1.8 to 2.2 times at n = 32
to 128 (Zen 5, AVX-512). Rejected: one pair a lane, not measured (three transpositions for each
product), blocking for L2 (programs leave sizes above 256 to BLAS).
"""

from numpy cimport npy_intp

from cython.parallel cimport prange

from batches cimport (
    batch, begin, end, part_memory, part_start, part_stop, raised,
)
from flags cimport clear_flags
from lanes cimport (
    broadcast, element, lane, load, load_half_transposed, load_part, load_transposed, multiply_add,
    set_element, store_part, sum_of_each, width,
)
from pack cimport MOST_LANES, item_size, load_one, put, read
from plain cimport FINE

cdef enum:
    UNPACKED = 4096     # entries of B up to which its rows are near each other

cdef struct factor:
    # A matrix: the address of its first entry, and how many bytes rows and columns are apart.
    char *first
    Py_ssize_t row
    Py_ssize_t column


cdef inline void matmul_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef Py_ssize_t m = dimensions[1], k = dimensions[2], n = dimensions[3]
    cdef Py_ssize_t W = width(like), most = max(m if n == 1 else n, W)
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, 1, (k + W) * ((most + W - 1) // W) * sizeof(like),
                 2 * m * k * n):
        return
    if b.threads == 1:
        status = matmul_part(like, &b, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= matmul_part(like, &b, part)
    end(&b, status)


cdef inline int matmul_part(lane like, const batch *b, int part) noexcept nogil:
    cdef Py_ssize_t m = b.dimensions[1], k = b.dimensions[2], n = b.dimensions[3], p
    cdef Py_ssize_t item = item_size(like), first = part_start(b, part)
    cdef const npy_intp *strides = b.steps + 3      # of the rows and columns of A, B and C
    cdef bint along = n == 1 and strides[1] == item
    cdef lane *packed = <lane *> part_memory(b)
    cdef factor A, B, C
    clear_flags()
    for p in range(first, part_stop(b, part)):
        A = factor(b.args[0] + p * b.steps[0], strides[0], strides[1])
        B = factor(b.args[1] + p * b.steps[1], strides[2], strides[3])
        C = factor(b.args[2] + p * b.steps[2], strides[4], strides[5])
        if along:
            multiply_column(like, A, B, C, m, k, packed)
        elif n == 1:
            multiply(like, transposed(B), transposed(A), transposed(C), 1, k, m, packed, True)
        else:
            multiply(like, A, B, C, m, k, n, packed, p == first or b.steps[1] != 0)
    return raised()


cdef inline factor transposed(factor a) noexcept nogil:
    return factor(a.first, a.column, a.row)


# ---- along rows ---------------------------------------------------------------------------------

cdef inline void multiply(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
    lane *packed, bint new
) noexcept nogil:
    """C (m, n) = A B; unless B is new, it is in `packed` if it has to be."""
    cdef Py_ssize_t W = width(like), vectors = (n + W - 1) // W, t
    if b.column == item_size(like) and n % W == 0 and k * n <= UNPACKED:
        packed = NULL
    elif new:
        pack_factor(b, k, n, packed)
    if m == 1:
        multiply_row(like, a, b, c, k, n, packed)
        return
    for t in range(0, vectors - 1, 2):
        tiles(like, a, columns(b, packed, k, t, vectors), c, m, k, n, t, 2)
    if vectors & 1:
        t = vectors - 1
        tiles(like, a, columns(b, packed, k, t, vectors), c, m, k, n, t, 1)


cdef inline factor columns(
    factor b, lane *packed, Py_ssize_t k, Py_ssize_t t, Py_ssize_t vectors
) noexcept nogil:
    """Vector t of each row of B and what follows, from pairs of vectors if it is packed."""
    cdef Py_ssize_t even = t // 2 * 2, bytes = sizeof(packed[0])
    if packed == NULL:
        return factor(b.first + t * bytes, b.row, 0)
    return factor(<char *> (packed + even * k + t - even), min(2, vectors - even) * bytes, 0)


cdef inline void tiles(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
    Py_ssize_t t, int vectors
) noexcept nogil:
    """All rows of C, vectors t on."""
    cdef Py_ssize_t i
    for i in range(0, m - 7, 8):
        tile(like, a, b, c, i, k, n, t, 8, vectors)
    i = m - m % 8
    if m & 4:
        tile(like, a, b, c, i, k, n, t, 4, vectors)
        i += 4
    if m & 2:
        tile(like, a, b, c, i, k, n, t, 2, vectors)
        i += 2
    if m & 1:
        tile(like, a, b, c, i, k, n, t, 1, vectors)


cdef inline void tile(
    lane like, factor a, factor b, factor c, Py_ssize_t i, Py_ssize_t k, Py_ssize_t n,
    Py_ssize_t t, int rows, int vectors
) noexcept nogil:
    """Rows i on of C, vectors t on; inlined, with both numbers known, the sums are registers."""
    cdef Py_ssize_t bytes = sizeof(like), W = width(like), _p
    cdef const char *upper = a.first + i * a.row
    cdef const char *lower = upper + 4 * a.row
    cdef const char *right = b.first
    cdef char *above = c.first + i * c.row + t * W * c.column
    cdef char *below = above + 4 * c.row
    cdef lane sums[16]
    cdef lane scattered[16]
    cdef lane u[2]
    cdef lane f
    cdef int r, s
    for r in range(rows * vectors):
        sums[r] = broadcast(0.0, like)
    for _p in range(k):
        for s in range(vectors):
            u[s] = load(right + s * bytes, like)
        for r in range(rows):
            f = broadcast(read(upper + r * a.row if r < 4 else lower + (r - 4) * a.row, like), like)
            for s in range(vectors):
                sums[r * vectors + s] = multiply_add(f, u[s], sums[r * vectors + s])
        upper, lower, right = upper + a.column, lower + a.column, right + b.row
    if c.column == item_size(like):
        for r in range(rows):
            for s in range(vectors):
                store_part((above + r * c.row if r < 4 else below + (r - 4) * c.row) + s * bytes,
                           n - (t + s) * W, sums[r * vectors + s])
        return
    # A copy, since sums of which single lanes are read would not be registers.
    for r in range(rows * vectors):
        scattered[r] = sums[r]
    for r in range(rows):
        for s in range(vectors):
            put(above + r * c.row + s * W * c.column, c.column, n - (t + s) * W,
                scattered[r * vectors + s])


cdef inline void multiply_row(
    lane like, factor a, factor b, factor c, Py_ssize_t k, Py_ssize_t n, lane *packed
) noexcept nogil:
    """C of a single row: four sums hide the latency of one."""
    cdef Py_ssize_t W = width(like), vectors = (n + W - 1) // W, t, p
    cdef lane sums[4]
    cdef factor right
    cdef int r
    for t in range(vectors):
        right = columns(b, packed, k, t, vectors)
        for r in range(4):
            sums[r] = broadcast(0.0, like)
        for p in range(0, k - 3, 4):
            for r in range(4):
                sums[r] = multiply_add(
                    broadcast(read(a.first + (p + r) * a.column, like), like),
                    load(right.first + (p + r) * right.row, like), sums[r])
        for p in range(k - k % 4, k):
            sums[0] = multiply_add(broadcast(read(a.first + p * a.column, like), like),
                                   load(right.first + p * right.row, like), sums[0])
        put(c.first + t * W * c.column, c.column, n - t * W,
            (sums[0] + sums[1]) + (sums[2] + sums[3]))


cdef inline void pack_factor(factor b, Py_ssize_t k, Py_ssize_t n, lane *packed) noexcept nogil:
    """Rows of B as whole vectors; lanes beyond the last column repeat it."""
    cdef Py_ssize_t W = width(packed[0]), vectors = (n + W - 1) // W, t, p, pitch
    cdef Py_ssize_t item = item_size(packed[0])
    cdef const char *first
    cdef factor place
    cdef lane *target
    for t in range(vectors):
        first = b.first + t * W * b.column
        place = columns(b, packed, k, t, vectors)
        target, pitch = <lane *> place.first, place.row // <Py_ssize_t> sizeof(packed[0])
        if b.column == item and (t + 1) * W <= n:
            for p in range(k):
                target[p * pitch] = load(first + p * b.row, packed[0])
        elif b.column == item:
            for p in range(k):
                target[p * pitch] = load_part(
                    first + p * b.row, n - t * W,
                    broadcast(read(b.first + p * b.row + (n - 1) * item, packed[0]), packed[0]))
        else:
            pack_columns(b, k, t * W, n, target, pitch)


cdef inline void pack_columns(
    factor b, Py_ssize_t k, Py_ssize_t first, Py_ssize_t n, lane *packed, Py_ssize_t pitch
) noexcept nogil:
    """W columns of B from `first` on, that need not be whole, where they lie along memory."""
    cdef Py_ssize_t W = width(packed[0]), half = W // 2, p = 0, l
    cdef const char *columns[MOST_LANES]
    cdef lane square[MOST_LANES]
    for l in range(W):
        columns[l] = b.first + min(first + l, n - 1) * b.column
    if b.row != item_size(packed[0]) or k < half:
        for p in range(k):
            packed[p * pitch] = load_one(columns, p * b.row, packed[0])
        return
    while p < k:
        p = min(p, k - half)        # the last square overlaps the one before it
        load_half_transposed(columns, p * b.row, &square[0])
        for l in range(half):
            packed[(p + l) * pitch] = square[l]
        p += half


# ---- one column ---------------------------------------------------------------------------------

cdef inline void multiply_column(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k, lane *packed
) noexcept nogil:
    """C = A b for a vector b and contiguous rows of A, W of them at once."""
    cdef Py_ssize_t W = width(like), item = item_size(like), whole = k - k % W
    cdef Py_ssize_t block, i, p
    cdef const char *places[MOST_LANES]
    cdef lane sums[MOST_LANES]
    cdef lane zero = broadcast(0.0, like), u
    cdef int r
    if b.row != item:
        for p in range(k):
            set_element(packed, p, read(b.first + p * b.row, like))
        b = factor(<char *> packed, item, 0)
    for block in range((m + W - 1) // W):
        i = block * W
        for r in range(W):
            places[r] = a.first + min(i + r, m - 1) * a.row
            sums[r] = zero
        for p in range(k // W):
            u = load(b.first + p * W * item, like)
            for r in range(W):
                sums[r] = multiply_add(load(places[r] + p * W * item, like), u, sums[r])
        if whole < k:
            u = load_part(b.first + whole * item, k - whole, zero)
            for r in range(W):
                sums[r] = multiply_add(load_part(places[r] + whole * item, k - whole, zero), u,
                                       sums[r])
        put(c.first + i * c.row, c.row, m - i, sum_of_each(&sums[0]))


# ---- what is done with products -----------------------------------------------------------------

cdef inline double inner_product(
    lane like, const char *x, const char *y, Py_ssize_t count
) noexcept nogil:
    """sum_i x_i y_i of contiguous numbers."""
    cdef lane zero = broadcast(0.0, like), even = zero, odd = zero
    cdef Py_ssize_t W = width(like), bytes = sizeof(like), pairs = count // (2 * W), i, left
    cdef double sum = 0.0
    for i in range(pairs):
        even = multiply_add(load(x + 2 * i * bytes, like), load(y + 2 * i * bytes, like), even)
        odd = multiply_add(load(x + (2 * i + 1) * bytes, like),
                           load(y + (2 * i + 1) * bytes, like), odd)
    for i in range(2 * pairs, (count + W - 1) // W):
        left = min(W, count - i * W)
        even = multiply_add(load_some(x + i * bytes, left, zero),
                            load_some(y + i * bytes, left, zero), even)
    even = even + odd
    for i in range(W):
        sum += element(&even, i)
    return sum


cdef inline void add(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t n
) noexcept nogil:
    """C = A + B, where the rows of A and B are contiguous."""
    cdef Py_ssize_t W = width(like), bytes = sizeof(like), i, t, left
    cdef lane zero = broadcast(0.0, like)
    for i in range(m):
        for t in range((n + W - 1) // W):
            left = min(W, n - t * W)
            put(c.first + i * c.row + t * W * c.column, c.column, left,
                load_some(a.first + i * a.row + t * bytes, left, zero)
                + load_some(b.first + i * b.row + t * bytes, left, zero))


cdef inline lane load_some(const char *place, Py_ssize_t count, lane rest) noexcept nogil:
    return load(place, rest) if count == width(rest) else load_part(place, count, rest)
