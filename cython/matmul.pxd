"""Products of many small matrices, C = A B, one pair at a time, along the rows of C.

Tiles of C stay in registers (tiles.h). B is read where it is if its rows lie along memory, the
last lanes as part of a vector (packed before, they took 1.2 to 1.4 times the time at n = 9 to 20;
without AVX2, where that is no instruction, they are packed). Other B are packed in pairs of
vectors: half squares of B' are transposed in registers. Lanes beyond the last column repeat it, so
that they raise no flag of their own. A B that is the same for the whole batch is packed once by
each thread. A batch of products of one tile each runs in one loop, in half vectors where these
suffice; there the rows of a small B that is not along memory are collected from its scalars.

C with one column is A b: along the rows of A, W of them at once, whose lanes are added up by pairs
(transposed and then added, they took 1.8 times the time at 50 x 8), or else as b'A'.

Cost: m k n multiply-adds, and k n for packing. In batches of float64 NumPy's BLAS takes 8.7, 4.9,
2.2 and 1.4 times the time at n = 2, 4, 8 and 10, and 0.95 to 1.2 times from 16 on, where both are
near the peak (Zen 4; on Zen 5 1.8 to 2.2 times at n = 32 to 128).
Rejected: half vectors for one product at a time (0.75 to 0.9 of the time at 16 and 50 rows, but 1.1
to 1.3 at n = 9 to 16, whose code they crowd out).
Rejected, not measured: one pair a lane (three transpositions for each product), blocking for L2
(programs leave sizes above 256 to BLAS).
"""

from libc.string cimport memcpy
from numpy cimport npy_intp

from cython.parallel cimport prange

from batches cimport (
    batch, begin, end, part_memory, part_start, part_stop, raised,
)
from flags cimport clear_flags
from lanes cimport (
    broadcast, lane, load, load_half_transposed, load_part, multiply_add, set_element,
    sum_of_each, vd, vf, width,
)
from pack cimport MOST_LANES, item_size, load_one, put, read
from plain cimport FINE

cdef extern from "tiles.h" nogil:
    bint LOADS_PARTS "matgrad::LOADS_PARTS"
    ctypedef struct factor "matgrad::factor":
        char *first
        Py_ssize_t row
        Py_ssize_t column
    void multiply_columns "matgrad::multiply_columns"(
        vd like, int vectors, bint whole, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k,
        Py_ssize_t count) noexcept
    void multiply_columns "matgrad::multiply_columns"(
        vf like, int vectors, bint whole, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k,
        Py_ssize_t count) noexcept
    bint multiply_each "matgrad::multiply_each"(
        vd like, factor a, Py_ssize_t a_step, factor b, Py_ssize_t b_step, factor c,
        Py_ssize_t c_step, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, Py_ssize_t count) noexcept
    bint multiply_each "matgrad::multiply_each"(
        vf like, factor a, Py_ssize_t a_step, factor b, Py_ssize_t b_step, factor c,
        Py_ssize_t c_step, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, Py_ssize_t count) noexcept


cdef inline void matmul_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef Py_ssize_t m = dimensions[1], k = dimensions[2], n = dimensions[3]
    cdef Py_ssize_t packed = packed_vectors(like, m, k, n)
    cdef Py_ssize_t copied = m * n // width(like) + 1 if is_in_place(args) else 0
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, 1, (packed + copied) * sizeof(like), 2 * m * k * n):
        return
    if b.threads == 1:
        status = matmul_part(like, &b, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= matmul_part(like, &b, part)
    end(&b, status)


cdef inline Py_ssize_t packed_vectors(
    lane like, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n
) noexcept nogil:
    """How many vectors B takes, packed, or if n is 1, b or A'."""
    cdef Py_ssize_t W = width(like), most = max(m if n == 1 else n, W)
    return (k + W) * ((most + W - 1) // W)


cdef inline bint is_in_place(char **args) noexcept nogil:
    """Whether C is A or B: of arguments that overlap it otherwise NumPy makes copies."""
    return args[2] == args[0] or args[2] == args[1]


cdef inline int matmul_part(lane like, const batch *b, int part) noexcept nogil:
    cdef Py_ssize_t m = b.dimensions[1], k = b.dimensions[2], n = b.dimensions[3], p
    cdef Py_ssize_t first = part_start(b, part), count = part_stop(b, part) - first
    cdef const npy_intp *strides = b.steps + 3      # of the rows and columns of A, B and C
    cdef factor A = factor(b.args[0] + first * b.steps[0], strides[0], strides[1])
    cdef factor B = factor(b.args[1] + first * b.steps[1], strides[2], strides[3])
    cdef factor C = factor(b.args[2] + first * b.steps[2], strides[4], strides[5])
    cdef lane *packed = <lane *> part_memory(b)
    cdef lane *copy = packed + packed_vectors(like, m, k, n)
    cdef factor own = factor(<char *> copy, n * item_size(like), item_size(like))
    cdef bint apart = is_in_place(b.args)
    clear_flags()
    # Rows and columns have ways of their own. A tile is stored when all has been read.
    if m > 1 and n > 1 and multiply_each(
        like, A, b.steps[0], B, b.steps[1], C, b.steps[2], m, k, n, count
    ):
        return raised()
    for p in range(count):
        multiply_pair(like, A, B, own if apart else C, m, k, n, packed,
                      p == 0 or b.steps[1] != 0)
        if apart:
            copy_matrix(like, own, C, m, n)
        A.first, B.first = A.first + b.steps[0], B.first + b.steps[1]
        C.first += b.steps[2]
    return raised()


cdef inline void multiply_pair(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
    lane *packed, bint new
) noexcept nogil:
    """C = A B; unless B is new, what has to be packed of it is in `packed`."""
    if n == 1 and a.column == item_size(like):
        multiply_column(like, a, b, c, m, k, packed)
    elif n == 1:
        multiply(like, transposed(b), transposed(a), transposed(c), 1, k, m, packed, True)
    else:
        multiply(like, a, b, c, m, k, n, packed, new)


cdef inline void copy_matrix(
    lane like, factor source, factor target, Py_ssize_t m, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i, j, item = item_size(like)
    for i in range(m):
        for j in range(n):
            memcpy(target.first + i * target.row + j * target.column,
                   source.first + i * source.row + j * source.column, item)


cdef inline factor transposed(factor a) noexcept nogil:
    return factor(a.first, a.column, a.row)


# ---- along rows ---------------------------------------------------------------------------------

cdef inline void multiply(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
    lane *packed, bint new
) noexcept nogil:
    """C (m, n) = A B, for n > 1 or m = 1."""
    cdef Py_ssize_t W = width(like), vectors = (n + W - 1) // W, t
    # So many vectors are read where they are.
    cdef Py_ssize_t loose = (0 if b.column != item_size(like) else
                             vectors if n % W == 0 or (LOADS_PARTS and m > 1) else n // W // 2 * 2)
    cdef factor right, place
    cdef int pair
    if new:
        pack_factor(b, k, n, loose, packed)
    for t in range(0, vectors, 2):
        pair = <int> min(2, vectors - t)
        place = factor(c.first + t * W * c.column, c.row, c.column)
        right = (factor(b.first + t * sizeof(like), b.row, 0) if t < loose
                 else columns(packed, k, t, vectors))
        if m == 1:
            multiply_row(like, pair, a, right, place, k, n - t * W)
        else:
            multiply_columns(like, pair, t >= loose or n - t * W >= pair * W, a, right, place, m, k,
                             n - t * W)


cdef inline factor columns(
    lane *packed, Py_ssize_t k, Py_ssize_t t, Py_ssize_t vectors
) noexcept nogil:
    """Vector t of each row of B and what follows, from pairs of vectors."""
    cdef Py_ssize_t even = t // 2 * 2, bytes = sizeof(packed[0])
    return factor(<char *> (packed + even * k + t - even), min(2, vectors - even) * bytes, 0)


cdef inline void multiply_row(
    lane like, int vectors, factor a, factor b, factor c, Py_ssize_t k, Py_ssize_t count
) noexcept nogil:
    """One or two vectors of a C of a single row: four sums hide the latency of one."""
    cdef Py_ssize_t W = width(like), t, p
    cdef lane sums[4]
    cdef int r
    for t in range(vectors):
        for r in range(4):
            sums[r] = broadcast(0.0, like)
        for p in range(0, k - 3, 4):
            for r in range(4):
                sums[r] = multiply_add(
                    broadcast(read(a.first + (p + r) * a.column, like), like),
                    load(b.first + (p + r) * b.row + t * sizeof(like), like), sums[r])
        for p in range(k - k % 4, k):
            sums[0] = multiply_add(broadcast(read(a.first + p * a.column, like), like),
                                   load(b.first + p * b.row + t * sizeof(like), like), sums[0])
        put(c.first + t * W * c.column, c.column, count - t * W,
            (sums[0] + sums[1]) + (sums[2] + sums[3]))


cdef inline void pack_factor(
    factor b, Py_ssize_t k, Py_ssize_t n, Py_ssize_t first, lane *packed
) noexcept nogil:
    """Vectors `first` on of the rows of B; lanes beyond the last column repeat it."""
    cdef Py_ssize_t W = width(packed[0]), vectors = (n + W - 1) // W, t
    cdef factor place
    for t in range(first, vectors):
        place = columns(packed, k, t, vectors)
        pack_vector(b, k, n, t, <lane *> place.first,
                    place.row // <Py_ssize_t> sizeof(packed[0]))


cdef inline void pack_vector(
    factor b, Py_ssize_t k, Py_ssize_t n, Py_ssize_t t, lane *target, Py_ssize_t pitch
) noexcept nogil:
    """Vector t of each row of B."""
    cdef Py_ssize_t W = width(target[0]), item = item_size(target[0]), p
    cdef const char *first = b.first + t * W * b.column
    if b.column == item and (t + 1) * W <= n:
        for p in range(k):
            target[p * pitch] = load(first + p * b.row, target[0])
    elif b.column == item:
        for p in range(k):
            target[p * pitch] = load_part(
                first + p * b.row, n - t * W,
                broadcast(read(b.first + p * b.row + (n - 1) * item, target[0]), target[0]))
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
    cdef const char *place
    cdef lane sums[MOST_LANES]
    cdef lane zero = broadcast(0.0, like), u
    cdef int r
    if b.row != item:
        for p in range(k):
            set_element(packed, p, read(b.first + p * b.row, like))
        b = factor(<char *> packed, item, 0)
    for block in range((m + W - 1) // W):
        i = block * W
        place = a.first + i * a.row
        for r in range(W):
            places[r] = place
            place += a.row if i + r < m - 1 else 0
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
