"""Matrices in memory to lanes and back: W matrices, each anywhere, to a[i*n + j] and from it.

A run of consecutive scalars is moved W at a time through a W x W transposition in registers: W
(log2 W - 1) shuffles for W^2 scalars, half vectors being joined and parted in memory. The last,
partial square of a run overlaps the one before it instead of reading past the end, or goes scalar
by scalar if it holds one or two. A matrix in C order is one run, one in Fortran order or with
padded rows a run a row or column; anything else is moved scalar by scalar. Fewer than W matrices
are filled up with copies of the last, so every lane computes something harmless. Rejected: gather
instructions (a load for every scalar, whatever the layout).
"""

from libc.string cimport memcpy

from lanes cimport (
    broadcast, element, lane, load_half_transposed, load_lanes, load_transposed, pick,
    set_element, store, store_half_transposed, store_lanes, store_part,
    store_transposed, vd, width,
)

cdef enum:
    MOST_LANES = 16


cdef inline void place_matrices(
    char **places, char *first, Py_ssize_t step, Py_ssize_t count, int lanes
) noexcept nogil:
    """Where each lane's matrix begins: `count` of them `step` bytes apart, the last repeated."""
    cdef Py_ssize_t w
    for w in range(lanes):
        places[w] = first + w * step
    for w in range(count, lanes):
        places[w] = places[count - 1]


cdef inline Py_ssize_t item_size(lane like) noexcept nogil:
    return <Py_ssize_t> sizeof(lane) // width(like)


cdef inline void pack(
    lane *a, Py_ssize_t pitch, const char **places, Py_ssize_t m, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """a[i*pitch + j] from the entries (i, j) of m x n matrices; strides in bytes."""
    cdef Py_ssize_t item = item_size(a[0]), i, j
    if column_stride == item and row_stride == n * item and pitch == n:
        pack_run(a, 1, places, 0, m * n)
    elif column_stride == item:
        for i in range(m):
            pack_run(a + i * pitch, 1, places, i * row_stride, n)
    elif row_stride == item:
        for j in range(n):
            pack_run(a + j, pitch, places, j * column_stride, m)
    else:
        for i in range(m):
            for j in range(n):
                a[i * pitch + j] = load_one(places, i * row_stride + j * column_stride, a[0])


cdef inline void unpack(
    const lane *a, char **places, int count, Py_ssize_t m, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """The inverse of `pack`, for the first `count` matrices."""
    cdef Py_ssize_t item = item_size(a[0]), i, j
    if column_stride == item and row_stride == n * item:
        unpack_run(a, 1, places, count, 0, m * n)
    elif column_stride == item:
        for i in range(m):
            unpack_run(a + i * n, 1, places, count, i * row_stride, n)
    elif row_stride == item:
        for j in range(n):
            unpack_run(a + j, n, places, count, j * column_stride, m)
    else:
        for i in range(m):
            for j in range(n):
                store_one(places, i * row_stride + j * column_stride, count, a[i * n + j])


cdef inline void unpack_permuted(
    const lane *a, Py_ssize_t pitch, const lane *order, char **places, int count, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride, char *scratch, int *row
) noexcept nogil:
    """Entry (k, order_j) of each matrix from a[order_k, j]; scratch holds W matrices, row 2 n.

    Whichever of its axes is contiguous in memory is written along: a picked row costs half of a
    scattered one, and a scattered column five times as much (n = 64).
    """
    cdef char *parts[MOST_LANES]
    cdef bint along_rows = column_stride == item_size(a[0]) or n < width(a[0])
    cdef int *column = row + n
    cdef Py_ssize_t item = item_size(a[0]), j
    cdef int w
    for w in range(width(a[0])):
        parts[w] = scratch + w * n * n * item
    if along_rows and pitch == n:
        unpack_run(a, 1, parts, count, 0, n * n)
    for j in range(n if pitch > n or not along_rows else 0):
        if along_rows:
            unpack_run(a + j * pitch, 1, parts, count, j * n * item, n)
        else:
            unpack_run(a + j, pitch, parts, count, j * n * item, n)
    for w in range(count):
        for j in range(n):
            row[j] = <int> element(order + j, w)
            column[row[j]] = <int> j
        if along_rows:
            permute(parts[w], row, column, places[w], n, row_stride, column_stride, a[0])
        else:
            permute(parts[w], column, row, places[w], n, column_stride, row_stride, a[0])


ctypedef fused real:
    float
    double


cdef inline void permute(
    const char *source, const int *row, const int *column, char *target, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride, lane like
) noexcept nogil:
    """Entry (k, j) of the target from entry (row_k, column_j) of n x n scalars in C order."""
    cdef Py_ssize_t W = width(like), item = item_size(like), first, j, k
    cdef const char *from_row
    cdef char *to_row
    for k in range(n):
        from_row = source + row[k] * n * item
        to_row = target + k * row_stride
        if column_stride == item and n >= W:
            for j in range((n + W - 1) // W):
                first = min(j * W, n - W)
                store(to_row + first * item, pick(from_row, column + first, like))
        elif lane is vd:
            permute_row(<const double *> from_row, column, to_row, n, column_stride)
        else:
            permute_row(<const float *> from_row, column, to_row, n, column_stride)


cdef inline void permute_row(
    const real *source, const int *column, char *target, Py_ssize_t n, Py_ssize_t column_stride
) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        (<real *> (target + j * column_stride))[0] = source[column[j]]


cdef inline void pack_run(
    lane *a, Py_ssize_t step, const char **places, Py_ssize_t offset, Py_ssize_t count
) noexcept nogil:
    """a[k * step] from `count` consecutive scalars, `offset` bytes into each matrix."""
    cdef lane square[MOST_LANES]
    cdef Py_ssize_t i, k, first, W = width(a[0]), item = item_size(a[0])
    if count == W // 2:
        load_half_transposed(places, offset, &square[0])
        for i in range(W // 2):
            a[i * step] = square[i]
        return
    if count < W or count % W < 3:
        for k in range(count - count % W, count):
            a[k * step] = load_one(places, offset + k * item, a[0])
        count -= count % W
    for k in range((count + W - 1) // W):
        first = min(k * W, count - W)
        load_transposed(places, offset + first * item, &square[0])
        for i in range(W):
            a[(first + i) * step] = square[i]


cdef inline void unpack_run(
    const lane *a, Py_ssize_t step, char **places, int matrices, Py_ssize_t offset, Py_ssize_t count
) noexcept nogil:
    cdef lane square[MOST_LANES]
    cdef Py_ssize_t i, k, first, W = width(a[0]), item = item_size(a[0])
    if count == W // 2:
        for i in range(W // 2):
            square[i] = a[i * step]
        store_half_transposed(places, offset, matrices, &square[0])
        return
    if count < W or count % W < 3:
        for k in range(count - count % W, count):
            store_one(places, offset + k * item, matrices, a[k * step])
        count -= count % W
    for k in range((count + W - 1) // W):
        first = min(k * W, count - W)
        for i in range(W):
            square[i] = a[(first + i) * step]
        store_transposed(places, offset + first * item, matrices, &square[0])


cdef inline void read_matrix(
    lane *a, Py_ssize_t pitch, const char *matrix, Py_ssize_t m, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """One m x n matrix along its rows: `pitch` vectors each, padded with zeros."""
    cdef Py_ssize_t W = width(a[0]), item = item_size(a[0]), i, j
    cdef Py_ssize_t squares = n // W * W if row_stride == item else 0
    for i in range(m):
        for j in range(n // W, pitch):
            a[i * pitch + j] = broadcast(0.0, a[0])
        if column_stride == item:
            memcpy(a + i * pitch, matrix + i * row_stride, n * item)
        else:
            for j in range(squares if i < m - m % W else 0, n):
                set_element(a, i * pitch * W + j,
                            read(matrix + i * row_stride + j * column_stride, a[0]))
    if squares and column_stride != item:
        read_squares(a, pitch, matrix, m // W, n // W, column_stride)


cdef inline void read_squares(
    lane *a, Py_ssize_t pitch, const char *matrix, Py_ssize_t down, Py_ssize_t across,
    Py_ssize_t column_stride
) noexcept nogil:
    """`down` x `across` squares of W x W of a matrix whose columns are runs."""
    cdef lane square[MOST_LANES]
    cdef const char *columns[MOST_LANES]
    cdef Py_ssize_t W = width(a[0]), item = item_size(a[0]), i, p, q
    for q in range(across):
        for i in range(W):
            columns[i] = matrix + (q * W + i) * column_stride
        for p in range(down):
            load_transposed(columns, p * W * item, &square[0])
            for i in range(W):
                a[(p * W + i) * pitch + q] = square[i]


cdef inline void write_permuted(
    const lane *a, Py_ssize_t pitch, int *origin, char *matrix, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """Entry (i, origin_j) of a matrix from entry (i, j) of rows; origin has room for 2 n.

    Whole squares where its rows or its columns are contiguous, else scalar by scalar."""
    cdef Py_ssize_t W = width(a[0]), item = item_size(a[0]), i, j
    cdef int *column = origin + n
    cdef char *entry
    for j in range(n):
        column[origin[j]] = <int> j
    if n >= W and row_stride == item:
        for i in range((n + W - 1) // W):
            for j in range((n + W - 1) // W):
                write_square(a, pitch, origin, matrix, min(i * W, n - W), min(j * W, n - W),
                             column_stride)
        return
    for i in range(n):
        if n >= W and column_stride == item:
            for j in range((n + W - 1) // W):
                store(matrix + i * row_stride + min(j * W, n - W) * item,
                      pick(<const char *> (a + i * pitch), column + min(j * W, n - W), a[0]))
            continue
        for j in range(n):
            entry = matrix + i * row_stride + origin[j] * column_stride
            if lane is vd:
                (<double *> entry)[0] = element(a, i * pitch * W + j)
            else:
                (<float *> entry)[0] = element(a, i * pitch * W + j)


cdef inline void write_square(
    const lane *a, Py_ssize_t pitch, const int *origin, char *matrix, Py_ssize_t i, Py_ssize_t j,
    Py_ssize_t column_stride
) noexcept nogil:
    """W x W entries from (i, j) on, to columns that are contiguous."""
    cdef lane square[MOST_LANES]
    cdef const char *rows[MOST_LANES]
    cdef Py_ssize_t W = width(a[0]), item = item_size(a[0]), w
    for w in range(W):
        rows[w] = <const char *> (a + (i + w) * pitch)
    load_transposed(rows, j * item, &square[0])
    for w in range(W):
        store(matrix + origin[j + w] * column_stride + i * item, square[w])


cdef inline double read(const char *place, lane like) noexcept nogil:
    """One scalar of the type that `like` is made of."""
    if lane is vd:
        return (<const double *> place)[0]
    else:
        return (<const float *> place)[0]


cdef inline lane load_one(const char **places, Py_ssize_t offset, lane like) noexcept nogil:
    if lane is vd:
        return load_lanes(<double> 0, places, offset, like)
    else:
        return load_lanes(<float> 0, places, offset, like)


cdef inline void store_one(
    char **places, Py_ssize_t offset, int matrices, lane values
) noexcept nogil:
    if lane is vd:
        store_lanes(<double> 0, places, offset, matrices, values)
    else:
        store_lanes(<float> 0, places, offset, matrices, values)


cdef inline void put(char *place, Py_ssize_t step, Py_ssize_t count, lane values) noexcept nogil:
    """At most `count` lanes, to entries `step` bytes apart."""
    cdef Py_ssize_t l
    if step == item_size(values):
        store_part(place, count, values)
        return
    for l in range(min(count, width(values))):
        if lane is vd:
            (<double *> (place + l * step))[0] = element(&values, l)
        else:
            (<float *> (place + l * step))[0] = <float> element(&values, l)
