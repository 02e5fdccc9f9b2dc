"""Gaussian elimination of small matrices in registers: their pivots, and for an inverse triangles.

Layout: register_pivots.pxd. Row after row takes all rows before it and becomes factors itself, row
/ -pivot. What a row takes of row k is that row's factors times its own entry in column order[k],
which one instruction spreads over all lanes; the factor there is -1, so the entry becomes zero and
is no pivot again.

With as many pivots as a vector has lanes, a level, the columns left fit one vector less: rows move
them together before they go on, places[level] lists from where. `order` is counted in the columns
of its level.

Cost: a permutation (four operations where a row has three or four vectors) and a multiply-add a
vector for each two rows, and about 15 operations a pivot. Figures are of double precision, whose
sizes fixed.pxd has taken since: levels take 0.93, 0.84 and 0.85 of the time at n = 16, 24 and 32.
Rejected: rows in blocks of two or four, which load factors once (1.02 and 1.2 times at n = 16),
fewer matrices side by side (two at n = 32: 1.2 times).
"""

from libc.stdint cimport uint64_t

from lanes cimport broadcast, element, lane, multiply_add, set_element, width
from register_pivots cimport (
    BESIDE, VECTORS, find_pivots, list_places, permuted, place, read_rows, select_place,
    sign_of_places, small, spread,
)


cdef inline void gauss(
    small *a, int first, int beside, Py_ssize_t n, int height, bint inverse, lane *pivots,
    lane *order
) noexcept nogil:
    """Matrices a[0] to a[beside - 1], lanes first, first + 1, ...: pivots and their columns; all
    constants but n and `first`."""
    eliminate_level(a, first, beside, n, height, 0, inverse, pivots, order)
    if height > 1:
        eliminate_level(a, first, beside, n, height, 1, inverse, pivots, order)
    if height > 2:
        eliminate_level(a, first, beside, n, height, 2, inverse, pivots, order)
    if height > 3:
        eliminate_level(a, first, beside, n, height, 3, inverse, pivots, order)


cdef inline Py_ssize_t room_for_triangles(int height, lane like) noexcept nogil:
    """Vectors at the factors of a matrix: both triangles, and -1 / pivots."""
    return 2 * width(like) * height * height + height


cdef inline lane *lower_triangle(lane like, const small *a, int height) noexcept nogil:
    """For an inverse entry (i, k) is what row i has taken of row k, over minus the pivot of k."""
    return <lane *> a.factors + width(like) * height * height


cdef inline lane *reciprocals_of(lane like, const small *a, int height) noexcept nogil:
    return <lane *> a.factors + 2 * width(like) * height * height


cdef inline lane level_signs(const lane *order, Py_ssize_t n) noexcept nogil:
    """The permutations' signs, one matrix a lane."""
    cdef Py_ssize_t W = width(order[0]), level
    cdef lane signs = broadcast(1.0, order[0])
    for level in range((n + W - 1) // W):
        signs = signs * sign_of_places(order + level * W, min(W, n - level * W))
    return signs


cdef inline void eliminate_level(
    small *a, int first, int beside, Py_ssize_t n, int height, int level, bint inverse,
    lane *pivots, lane *order
) noexcept nogil:
    """Pivots level W, level W + 1, ..., as many as a vector has lanes."""
    cdef Py_ssize_t start = level * width(pivots[0]), stop = min(start + width(pivots[0]), n), k, i
    cdef int vectors = height - level
    cdef lane rows[BESIDE * VECTORS]
    cdef lane reciprocals
    for k in range(start, stop):
        read_rows(a, beside, k, n, height, rows)
        if level > 0:
            descend(rows, a, k, first, beside, height, 0, inverse, order)
        if level > 1:
            descend(rows, a, k, first, beside, height, 1, inverse, order)
        if level > 2:
            descend(rows, a, k, first, beside, height, 2, inverse, order)
        for i in range(start, k):
            take(rows, a, k, first, beside, height, vectors, i, inverse, order)
        reciprocals = find_pivots(rows, first, beside, height, vectors, pivots + k, order + k)
        if k < n - 1:
            become_factors(rows, a, first, beside, height, vectors, k, inverse, order,
                           &reciprocals)
    if stop < n:
        list_free(a, first, beside, vectors, level, order)


cdef inline void descend(
    lane *rows, const small *a, Py_ssize_t row, int first, int beside, int height, int level,
    bint inverse, const lane *order
) noexcept nogil:
    """A row of each matrix takes a level's pivots and loses their columns."""
    cdef Py_ssize_t W = width(rows[0]), k
    cdef int vectors = height - level, m, v
    cdef const lane *places
    cdef lane left[VECTORS]
    for k in range(level * W, (level + 1) * W):
        take(rows, a, row, first, beside, height, vectors, k, inverse, order)
    for m in range(beside):
        places = <const lane *> a[m].places + level * VECTORS
        for v in range(vectors - 1):
            left[v] = permuted(rows + m * height, vectors, places + v, 0)
        for v in range(vectors - 1):
            rows[m * height + v] = left[v]


cdef inline void take(
    lane *rows, const small *a, Py_ssize_t i, int first, int beside, int height, int vectors,
    Py_ssize_t k, bint inverse, const lane *order
) noexcept nogil:
    """Row i of each matrix takes row k of it."""
    cdef const lane *factors
    cdef lane *row
    cdef lane u
    cdef int m, v
    for m in range(beside):
        row = rows + m * height
        factors = <const lane *> a[m].factors + k * height
        u = spread(row, vectors, order + k, first + m)
        for v in range(vectors):
            row[v] = multiply_add(factors[v], u, row[v])
        if inverse:
            set_element(lower_triangle(u, a + m, height) + i * height, k,
                        element(&u, 0) * element(reciprocals_of(u, a + m, height), k))


cdef inline void become_factors(
    const lane *rows, small *a, int first, int beside, int height, int vectors, Py_ssize_t k,
    bint inverse, const lane *order, const lane *reciprocals
) noexcept nogil:
    cdef lane minus_one = broadcast(-1.0, rows[0]), reciprocal
    cdef lane *factors
    cdef int m, v
    for m in range(beside):
        factors = <lane *> a[m].factors + k * height
        reciprocal = broadcast(element(reciprocals, m), minus_one)
        if inverse:
            set_element(reciprocals_of(reciprocal, a + m, height), k, element(reciprocals, m))
        for v in range(vectors):
            factors[v] = select_place(order + k, first + m, v, minus_one,
                                      rows[m * height + v] * reciprocal)


cdef inline void list_free(
    small *a, int first, int beside, int vectors, int level, const lane *order
) noexcept nogil:
    """What a level leaves of its columns, and of the zeros behind them."""
    cdef int W = width(order[0])
    cdef Py_ssize_t k
    cdef uint64_t free
    cdef int m
    for m in range(beside):
        free = ~(<uint64_t> 0) >> (64 - vectors * W)
        for k in range(level * W, (level + 1) * W):
            free ^= <uint64_t> 1 << place(order + k, first + m)
        list_places(free, vectors, <lane *> a[m].places + level * VECTORS)
