"""Products of many small matrices, C = A B, one pair at a time, along the rows of C; and sums with
them, A B + D, A B - D and D - A B, for which a tile is not stored before D is there.

Tiles of C stay in registers (tiles.h). B is read where it is if its rows lie along memory, the
last lanes as part of a vector (packed before, they took 1.2 to 1.4 times the time at n = 9 to 20;
without AVX2, where that is no instruction, they are packed). Other B are packed in pairs of
vectors: half squares of B' are transposed in registers. Lanes beyond the last column repeat it, so
that they raise no flag of their own. A B that is the same for the whole batch is packed once by
each thread.

Products that fit a tile each run in one loop, in half vectors or quarters where these suffice;
there the rows of a small B that is not along memory are collected. A column, A b, and a row have
loops of their own (vectors.h). All these pack nothing.

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
    broadcast, lane, load, load_half_transposed, load_part, set_element, width,
)
from pack cimport MOST_LANES, item_size, load_one, read
from plain cimport FINE

cdef extern from "tiles.h" nogil:
    bint LOADS_PARTS "matgrad::LOADS_PARTS"
    ctypedef struct factor "matgrad::factor":
        char *first
        Py_ssize_t row
        Py_ssize_t column
    void multiply_columns "matgrad::multiply_columns"[T](
        T like, int vectors, bint whole, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k,
        Py_ssize_t count) noexcept
    ctypedef struct addend "matgrad::addend":
        char *first
        Py_ssize_t step
        Py_ssize_t row
        Py_ssize_t column
        double sign
        double product_sign
    void multiply_each "matgrad::multiply_each"[T](
        T like, factor a, Py_ssize_t a_step, factor b, Py_ssize_t b_step, factor c,
        Py_ssize_t c_step, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, Py_ssize_t count,
        addend d) noexcept
    bint fits_tile "matgrad::fits_tile"[T](
        T like, Py_ssize_t b_column, Py_ssize_t c_column, Py_ssize_t m, Py_ssize_t k,
        Py_ssize_t n) noexcept

cdef extern from "vectors.h" nogil:
    void inner_products "matgrad::inner_products"[T](
        T like, const char *a, Py_ssize_t a_step, const char *b, Py_ssize_t b_step, char *c,
        Py_ssize_t c_step, Py_ssize_t k, Py_ssize_t count) noexcept
    void combine_rows "matgrad::combine_rows"[T](
        T like, const char *a, Py_ssize_t a_step, Py_ssize_t a_row, const char *b,
        Py_ssize_t b_step, char *c, Py_ssize_t c_step, Py_ssize_t c_row, Py_ssize_t rows,
        Py_ssize_t k, Py_ssize_t count) noexcept
    void combine_columns "matgrad::combine_columns"[T](
        T like, const char *m, Py_ssize_t m_step, Py_ssize_t m_column, const char *b,
        Py_ssize_t b_step, Py_ssize_t b_row, char *c, Py_ssize_t c_step, Py_ssize_t c_row,
        Py_ssize_t rows, Py_ssize_t k, Py_ssize_t count) noexcept
    void end_matrices "matgrad::end_matrices"[T](
        T like, factor c, Py_ssize_t c_step, addend d, Py_ssize_t m, Py_ssize_t n,
        Py_ssize_t count) noexcept


cdef struct product:
    # The first C = A B of a batch, how far the next ones are, what is added; whether C lies over an
    # operand (of arguments that overlap otherwise NumPy makes copies).
    factor a
    factor b
    factor c
    Py_ssize_t a_step
    Py_ssize_t b_step
    Py_ssize_t c_step
    Py_ssize_t m
    Py_ssize_t k
    Py_ssize_t n
    addend d
    bint apart

cdef enum ending:
    # What is computed: A B, A B + D, A B - D, D - A B.
    PRODUCT
    PLUS
    MINUS
    FROM

cdef enum way:
    ALONE       # one product after the other; the other ways have one loop over all of them:
    TILES       # C is a tile
    ROWS        # c = A b, inner products of the rows of A with b
    COLUMNS     # c = A b, sums of the columns of A


cdef inline void matmul_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, int ends
) noexcept nogil:
    cdef product first
    cdef size_t vectors = 0
    cdef int status = FINE, part
    cdef batch b
    if dimensions[1] == 0 or dimensions[3] == 0:
        return
    describe(&first, args, dimensions, steps, ends)
    cdef way chosen = way_of(like, &first)
    if chosen == ALONE:
        vectors = packed_vectors(like, &first) + copied_vectors(like, &first)
    if not begin(&b, args, dimensions, steps, 1, vectors * sizeof(like),
                 2 * first.m * first.k * first.n):
        return
    if b.threads == 1:
        status = matmul_part(like, &b, 0, &first, chosen)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= matmul_part(like, &b, part, &first, chosen)
    end(&b, status)


cdef inline void describe(
    product *p, char **args, const npy_intp *dimensions, const npy_intp *steps, int ends
) noexcept nogil:
    """Where C is a row, C' = B'A' is described: then there is one case less."""
    cdef int last = 2 if ends == PRODUCT else 3
    cdef const npy_intp *strides = steps + last + 1     # of the rows and columns of each
    cdef factor a = factor(args[0], strides[0], strides[1])
    cdef factor b = factor(args[1], strides[2], strides[3])
    cdef factor c = factor(args[last], strides[2 * last], strides[2 * last + 1])
    p.a, p.b, p.c, p.m, p.k, p.n = a, b, c, dimensions[1], dimensions[2], dimensions[3]
    p.a_step, p.b_step, p.c_step = steps[0], steps[1], steps[last]
    p.apart = args[last] == args[0] or args[last] == args[1] or args[last] == args[2] and last > 2
    p.d = addend(args[2], steps[2], strides[4], strides[5],
                 -1 if ends == MINUS else 1, -1 if ends == FROM else 1)
    if ends == PRODUCT:
        p.d.first = NULL
    if p.m == 1 and p.n > 1:
        p.a, p.b, p.c, p.m, p.n = transposed(b), transposed(a), transposed(c), p.n, 1
        p.a_step, p.b_step = steps[1], steps[0]
        p.d.row, p.d.column = p.d.column, p.d.row


cdef inline way way_of(lane like, const product *p) noexcept nogil:
    cdef Py_ssize_t item = item_size(like)
    if p.n > 1:
        # A tile is stored when all has been read, so C may be an operand.
        return TILES if ((p.d.first == NULL or p.d.column == item) and fits_tile(
            like, p.b.column, p.c.column, p.m, p.k, p.n)) else ALONE
    if not p.apart and p.a.column == item and p.b.row == item:
        return ROWS
    if not p.apart and p.a.row == item and p.m > 1:
        return COLUMNS
    return ALONE


cdef inline Py_ssize_t packed_vectors(lane like, const product *p) noexcept nogil:
    """How many vectors B takes, packed, or if n is 1, b or A'."""
    cdef Py_ssize_t W = width(like), most = max(p.m if p.n == 1 else p.n, W)
    return (p.k + W) * ((most + W - 1) // W)


cdef inline Py_ssize_t copied_vectors(lane like, const product *p) noexcept nogil:
    """How many vectors C takes, while an operand is read that it takes the place of."""
    return p.m * p.n // width(like) + 1 if p.apart else 0


cdef inline int matmul_part(
    lane like, const batch *b, int part, const product *whole, way chosen
) noexcept nogil:
    cdef Py_ssize_t start = part_start(b, part), count = part_stop(b, part) - start
    cdef product p = whole[0]
    p.a.first += start * p.a_step
    p.b.first += start * p.b_step
    p.c.first += start * p.c_step
    if p.d.first != NULL:
        p.d.first += start * p.d.step
    clear_flags()
    if chosen == TILES:
        multiply_each(like, p.a, p.a_step, p.b, p.b_step, p.c, p.c_step, p.m, p.k, p.n, count, p.d)
        return raised()
    if chosen == COLUMNS:
        combine_columns(like, p.a.first, p.a_step, p.a.column, p.b.first, p.b_step, p.b.row,
                        p.c.first, p.c_step, p.c.row, p.m, p.k, count)
    elif chosen == ROWS and p.m == 1:
        inner_products(like, p.a.first, p.a_step, p.b.first, p.b_step, p.c.first, p.c_step, p.k,
                       count)
    elif chosen == ROWS:
        combine_rows(like, p.a.first, p.a_step, p.a.row, p.b.first, p.b_step, p.c.first, p.c_step,
                     p.c.row, p.m, p.k, count)
    else:
        multiply_alone(like, p, count, <lane *> part_memory(b))
    if p.d.first != NULL and not p.apart:
        end_matrices(like, p.c, p.c_step, p.d, p.m, p.n, count)
    return raised()


cdef inline void multiply_alone(
    lane like, product p, Py_ssize_t count, lane *packed
) noexcept nogil:
    """Products one after the other; apart, they are copied to C when all has been read."""
    cdef lane *copy = packed + packed_vectors(like, &p)
    cdef factor own = factor(<char *> copy, p.n * item_size(like), item_size(like))
    cdef Py_ssize_t i
    for i in range(count):
        multiply_pair(like, p.a, p.b, own if p.apart else p.c, p.m, p.k, p.n, packed,
                      i == 0 or p.b_step != 0)
        if p.apart and p.d.first != NULL:
            end_matrices(like, own, 0, p.d, p.m, p.n, 1)
            p.d.first += p.d.step
        if p.apart:
            copy_matrix(like, own, p.c, p.m, p.n)
        p.a.first += p.a_step
        p.b.first += p.b_step
        p.c.first += p.c_step


cdef inline void multiply_pair(
    lane like, factor a, factor b, factor c, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
    lane *packed, bint new
) noexcept nogil:
    """C = A B; unless B is new, what has to be packed of it is in `packed`."""
    if n > 1:
        multiply(like, a, b, c, m, k, n, packed, new)
    elif a.column == item_size(like):
        inner_products(like, a.first, a.row, copied_column(b, k, packed), 0, c.first, c.row, k, m)
    elif a.row == item_size(like) and m > 1:
        combine_columns(like, a.first, 0, a.column, b.first, 0, b.row, c.first, 0, c.row, m, k, 1)
    else:
        multiply(like, transposed(b), transposed(a), transposed(c), 1, k, m, packed, True)


cdef inline char *copied_column(factor b, Py_ssize_t k, lane *packed) noexcept nogil:
    """The entries of a column one behind the other."""
    cdef Py_ssize_t p
    for p in range(k):
        set_element(packed, p, read(b.first + p * b.row, packed[0]))
    return <char *> packed


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
    """C (m, n) = A B."""
    cdef Py_ssize_t W = width(like), vectors = (n + W - 1) // W, t
    # So many vectors are read where they are.
    cdef Py_ssize_t loose = (0 if b.column != item_size(like) else
                             vectors if n % W == 0 or LOADS_PARTS else n // W // 2 * 2)
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
            # In the order of its sums a row does not depend on how B lies in memory.
            combine_columns(like, right.first, 0, right.row, a.first, 0, a.column, place.first, 0,
                            place.column, min(n - t * W, pair * W), k, 1)
        else:
            multiply_columns(like, pair, t >= loose or n - t * W >= pair * W, a, right, place, m, k,
                             n - t * W)


cdef inline factor columns(
    lane *packed, Py_ssize_t k, Py_ssize_t t, Py_ssize_t vectors
) noexcept nogil:
    """Vector t of each row of B and what follows, from pairs of vectors."""
    cdef Py_ssize_t even = t // 2 * 2, bytes = sizeof(packed[0])
    return factor(<char *> (packed + even * k + t - even), min(2, vectors - even) * bytes, 0)


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
