"""Traces of products: tr X, tr(AX), and tr(XAX'Q) with its gradient.

tr X adds the diagonal in double whatever the input: a load an entry, and no other entry is touched;
the processor overlaps one matrix with the next by itself. Rejected: W matrices at once, one a lane
(measured: 2.1 times the time at n = 8; at n = 256 in single precision 1.4 times, where W matrices a
power of two apart share cache sets). tr(AX) = sum_ij a_ij x_ji never forms the product. Small
matrices go one to a lane; from LARGE entries on, one matrix at a time, in squares of W x W: W rows
of X are transposed in registers and multiplied with W rows of A, so both are read along their rows.

tr(XAX'Q) = sum_ij x_ij (QXA)_ij, and its gradient is QXA + Q'XA' (lecture-a, section 5): two
products of n m^2 + n^2 m multiply-adds, four with the gradient. Triples of up to 8 x 8 whose rows
fit a vector are taken one at a time, in registers (quadratic_tiles.h); other small ones go one to a
lane; from some size on they are taken one at a time along rows (quadratics.pxd), in 0.83 of the
time at n = m = 8 and 0.65 at 14 and 15, but not if X has so few columns that vectors are nearly
empty (1.14 at n = m = 9, 1.7 at 40 x 1; AVX-512, Zen 4). Rejected: einsum's order (strided reads of
X), forming X'QX A (one more product of m^2 n).
"""

from lanes cimport (
    broadcast, element, lane, load, load_transposed, multiply_add, vd, width,
)
from pack cimport MOST_LANES, item_size, read, real

cdef enum:
    LARGE = 1024        # entries from which one pair is taken at a time


cdef inline bint alone(Py_ssize_t n, Py_ssize_t m, lane like) noexcept nogil:
    """Whether triples of this size are multiplied one at a time, and not in lanes."""
    cdef Py_ssize_t W = width(like)
    if 8 * m < 5 * W * ((m + W - 1) // W):
        return False    # vectors that are nearly empty
    if lane is vd:
        return n * m >= (36 if W == 8 else 49)
    else:
        return n * m >= (100 if W == 16 else 196 if W == 8 else 512)


cdef inline double diagonal_sum(
    real like, const char *matrix, Py_ssize_t n, Py_ssize_t stride
) noexcept nogil:
    """tr X of a matrix whose diagonal entries are `stride` bytes apart."""
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(n):
        total = total + (<const real *> (matrix + i * stride))[0]
    return total


cdef inline lane product_sum(
    const lane *a, const lane *x, Py_ssize_t m, Py_ssize_t n
) noexcept nogil:
    """tr(AX) for A (m, n) and X (n, m), one matrix a lane."""
    cdef lane total = broadcast(0.0, a[0])
    cdef Py_ssize_t i, j
    for i in range(m):
        for j in range(n):
            total = multiply_add(a[i * n + j], x[j * m + i], total)
    return total


cdef inline double product_sum_by_squares(
    lane like, const char *a, const char *x, Py_ssize_t m, Py_ssize_t n
) noexcept nogil:
    """tr(AX) of one pair in C order; like only names the type of the entries."""
    cdef lane square[MOST_LANES]
    cdef const char *rows[MOST_LANES]
    cdef lane even = broadcast(0.0, like), odd = even
    cdef double sum = 0.0
    cdef Py_ssize_t W = width(like), item = item_size(like), i, j, p, q
    for p in range(m // W):
        for q in range(n // W):
            for j in range(W):
                rows[j] = x + ((q * W + j) * m + p * W) * item
            load_transposed(rows, 0, &square[0])
            for i in range(0, W, 2):
                even = multiply_add(load(a + ((p * W + i) * n + q * W) * item, like),
                                    square[i], even)
                odd = multiply_add(load(a + ((p * W + i + 1) * n + q * W) * item, like),
                                   square[i + 1], odd)
    for i in range(m):
        for j in range(0 if i >= m - m % W else n - n % W, n):
            sum += read(a + (i * n + j) * item, like) * read(x + (j * m + i) * item, like)
    for i in range(W):
        sum += element(&even, i) + element(&odd, i)
    return sum


cdef inline lane quadratic(
    const lane *x, const lane *a, const lane *q, Py_ssize_t n, Py_ssize_t m,
    lane *product, lane *gradient
) noexcept nogil:
    """tr(XAX'Q), and its gradient unless that is NULL; product has room for n x m, too."""
    cdef lane value = broadcast(0.0, x[0])
    cdef lane *qxa = gradient if gradient != NULL else product + n * m
    cdef Py_ssize_t i
    multiply_matrices(x, m, 1, a, m, 1, product, n, m, m, False)
    multiply_matrices(q, n, 1, product, m, 1, qxa, n, n, m, False)
    for i in range(n * m):
        value = multiply_add(x[i], qxa[i], value)
    if gradient != NULL:
        multiply_matrices(x, m, 1, a, 1, m, product, n, m, m, False)
        multiply_matrices(q, 1, n, product, m, 1, gradient, n, n, m, True)
    return value


cdef inline void multiply_matrices(
    const lane *a, Py_ssize_t a_row, Py_ssize_t a_column,
    const lane *b, Py_ssize_t b_row, Py_ssize_t b_column,
    lane *c, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, bint accumulate
) noexcept nogil:
    """C (m, n) = A B, or C + A B; a transposed factor is one with its steps exchanged."""
    cdef Py_ssize_t i, j
    for i in range(0, m - 3, 4):
        for j in range(0, n - 1, 2):
            multiply_tile(a + i * a_row, a_row, a_column, b + j * b_column, b_row, b_column,
                          c + i * n + j, n, k, accumulate)
        if n & 1:
            multiply_edge(a + i * a_row, a_row, a_column, b + (n - 1) * b_column, b_row, b_column,
                          c + i * n + n - 1, n, 4, k, 1, accumulate)
    i = m - m % 4
    multiply_edge(a + i * a_row, a_row, a_column, b, b_row, b_column, c + i * n, n, m % 4, k, n,
                  accumulate)


cdef inline void multiply_edge(
    const lane *a, Py_ssize_t a_row, Py_ssize_t a_column,
    const lane *b, Py_ssize_t b_row, Py_ssize_t b_column,
    lane *c, Py_ssize_t pitch, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, bint accumulate
) noexcept nogil:
    cdef lane sum
    cdef Py_ssize_t i, j, p
    for i in range(m):
        for j in range(n):
            sum = c[i * pitch + j] if accumulate else broadcast(0.0, a[0])
            for p in range(k):
                sum = multiply_add(a[i * a_row + p * a_column], b[p * b_row + j * b_column], sum)
            c[i * pitch + j] = sum


cdef inline void multiply_tile(
    const lane *a, Py_ssize_t a_row, Py_ssize_t a_column,
    const lane *b, Py_ssize_t b_row, Py_ssize_t b_column,
    lane *c, Py_ssize_t pitch, Py_ssize_t k, bint accumulate
) noexcept nogil:
    """A 4 x 2 tile of C held in registers: 6 loads for 8 multiply-adds."""
    cdef lane zero = broadcast(0.0, a[0])
    cdef lane *c1 = c + pitch
    cdef lane *c2 = c1 + pitch
    cdef lane *c3 = c2 + pitch
    cdef lane s00 = zero, s01 = zero, s10 = zero, s11 = zero
    cdef lane s20 = zero, s21 = zero, s30 = zero, s31 = zero, u, v, f
    cdef Py_ssize_t p
    if accumulate:
        s00, s01, s10, s11 = c[0], c[1], c1[0], c1[1]
        s20, s21, s30, s31 = c2[0], c2[1], c3[0], c3[1]
    for p in range(k):
        u, v = b[p * b_row], b[p * b_row + b_column]
        f = a[p * a_column]
        s00, s01 = multiply_add(f, u, s00), multiply_add(f, v, s01)
        f = a[a_row + p * a_column]
        s10, s11 = multiply_add(f, u, s10), multiply_add(f, v, s11)
        f = a[2 * a_row + p * a_column]
        s20, s21 = multiply_add(f, u, s20), multiply_add(f, v, s21)
        f = a[3 * a_row + p * a_column]
        s30, s31 = multiply_add(f, u, s30), multiply_add(f, v, s31)
    c[0], c[1], c1[0], c1[1] = s00, s01, s10, s11
    c2[0], c2[1], c3[0], c3[1] = s20, s21, s30, s31
