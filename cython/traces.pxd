"""Loops of the gufuncs that multiply and add: tr X, tr(AX), tr(XAX'Q) and its gradient."""

from numpy cimport npy_intp

from cython.parallel cimport prange

from batches cimport (
    batch, begin, end, in_c_order, pack_operand, part_memory,
    part_start, part_stop, raised, store_values, unpack_result,
)
from determinants cimport complex_type
from flags cimport clear_flags
from lanes cimport broadcast, lane, width
from matmul cimport copy_matrix, factor
from pack cimport item_size, real
from plain cimport FINE
from products cimport (
    LARGE, alone, diagonal_sum, product_sum, product_sum_by_squares, quadratic,
)
from quadratics cimport quadratic_by_rows, quadratic_memory

cdef extern from "quadratic_tiles.h" nogil:
    void quadratic_each "matgrad::quadratic_each"[T](
        T like, const char *x, Py_ssize_t x_step, const char *a, Py_ssize_t a_step, const char *q,
        Py_ssize_t q_step, char *value, Py_ssize_t value_step, char *g, Py_ssize_t g_step,
        Py_ssize_t n, Py_ssize_t m, Py_ssize_t count) noexcept
    bint fits_quadratic_tiles "matgrad::fits_quadratic_tiles"[T](
        T like, Py_ssize_t n, Py_ssize_t m) noexcept


cdef inline void trace_real(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, 1, 0, 10 * dimensions[1]):
        return
    if b.threads == 1:
        status = trace_part(like, &b, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= trace_part(like, &b, part)
    end(&b, status)


cdef inline int trace_part(real like, const batch *b, int part) noexcept nogil:
    cdef Py_ssize_t k, stop = part_stop(b, part)
    clear_flags()
    for k in range(part_start(b, part), stop):
        (<real *> (b.args[1] + k * b.steps[1]))[0] = <real> diagonal_sum(
            like, b.args[0] + k * b.steps[0], b.dimensions[1], b.steps[2] + b.steps[3])
    return raised()


cdef inline void trace_complex(
    complex_type like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef double complex total
    cdef char *entry
    cdef Py_ssize_t i, k
    for k in range(dimensions[0]):
        total = 0
        for i in range(dimensions[1]):
            entry = args[0] + k * steps[0] + i * (steps[2] + steps[3])
            total = total + <double complex> (<complex_type *> entry)[0]
        (<complex_type *> (args[1] + k * steps[1]))[0] = <complex_type> total


cdef inline void trace_product_complex(
    complex_type like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef double complex total
    cdef char *a
    cdef char *x
    cdef Py_ssize_t i, j, k
    for k in range(dimensions[0]):
        total = 0
        for i in range(dimensions[1]):
            for j in range(dimensions[2]):
                a = args[0] + k * steps[0] + i * steps[3] + j * steps[4]
                x = args[1] + k * steps[1] + j * steps[5] + i * steps[6]
                total = total + (<double complex> (<complex_type *> a)[0]
                                 * <double complex> (<complex_type *> x)[0])
        (<complex_type *> (args[2] + k * steps[2]))[0] = <complex_type> total


cdef inline void trace_product_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef Py_ssize_t entries = dimensions[1] * dimensions[2]
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, width(like), (2 * entries + 1) * sizeof(like),
                 entries):
        return
    if b.threads == 1:
        status = trace_product_part(like, &b, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= trace_product_part(like, &b, part)
    end(&b, status)


cdef inline int trace_product_part(lane like, const batch *b, int part) noexcept nogil:
    """Pairs of small matrices in groups, pairs of large ones by squares."""
    cdef Py_ssize_t m = b.dimensions[1], n = b.dimensions[2]
    cdef Py_ssize_t k = part_start(b, part), stop = part_stop(b, part)
    cdef lane *a = <lane *> part_memory(b)
    cdef lane *x = a + m * n
    clear_flags()
    while k < stop:
        if m * n < LARGE:
            pack_operand(b, 0, k, stop, m, n, 3, a)
            pack_operand(b, 1, k, stop, n, m, 5, x)
            store_values(b, 2, k, stop, product_sum(a, x, m, n))
            k += width(like)
        else:
            store_values(b, 2, k, k + 1, broadcast(product_sum_by_squares(
                like, in_c_order(b, 0, k, m, n, 3, a), in_c_order(b, 1, k, n, m, 5, x), m, n),
                like))
            k += 1
    return raised()


cdef inline void quadratic_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, bint gradient
) noexcept nogil:
    # By size alone, so that bits do not depend on how matrices lie in memory.
    if fits_quadratic_tiles(like, dimensions[1], dimensions[2]):
        quadratic_by_tiles(like, args, dimensions, steps, gradient)
    else:
        quadratic_by_vectors(like, args, dimensions, steps, gradient)


cdef inline bint is_fast_quadratic(lane like, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """Whether value and gradient take less time than four products by matmul.pxd and their sum.

    Tiles do. So do other small triples, one a lane, with AVX2 (0.5 to 0.8 of the time in a batch),
    unless the products are tiles themselves. Rows that are few and long suit products (1.2 times
    the time at 2 x 8).
    """
    return 2 * n > m and (fits_quadratic_tiles(like, n, m) or (
        sizeof(like) == 32 and 2 <= n <= 8 and 2 <= m <= 8 and m != width(like)))


cdef inline void quadratic_by_tiles(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, bint gradient
) noexcept nogil:
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, 1, 4 * tile_vectors(like) * sizeof(like),
                 2 * dimensions[1] * dimensions[2] * (dimensions[1] + dimensions[2])):
        return
    if b.threads == 1:
        status = tiles_part(like, &b, gradient, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= tiles_part(like, &b, gradient, part)
    end(&b, status)


cdef inline Py_ssize_t tile_vectors(lane like) noexcept nogil:
    """How many vectors the largest matrix takes."""
    return 64 // width(like)


cdef inline int tiles_part(lane like, const batch *b, bint gradient, int part) noexcept nogil:
    """A gradient is stored when all has been read, so it may lie over an argument."""
    cdef Py_ssize_t start = part_start(b, part), stop = part_stop(b, part), k
    clear_flags()
    if are_in_c_order(b, item_size(like), gradient):
        quadratic_each(
            like, matrix(b, 0, start), b.steps[0], matrix(b, 1, start), b.steps[1],
            matrix(b, 2, start), b.steps[2], matrix(b, 3, start), b.steps[3],
            matrix(b, 4, start) if gradient else NULL, b.steps[4] if gradient else 0,
            b.dimensions[1], b.dimensions[2], stop - start)
        return raised()
    for k in range(start, stop):
        copied_tile(like, b, gradient, k, <lane *> part_memory(b))
    return raised()


cdef inline bint are_in_c_order(const batch *b, Py_ssize_t item, bint gradient) noexcept nogil:
    cdef npy_intp n = b.dimensions[1], m = b.dimensions[2]
    # Row and column steps of X, A, Q and G.
    cdef const npy_intp *s = b.steps + (5 if gradient else 4)
    return (
        s[0] == m * item and s[1] == item and s[2] == m * item and s[3] == item
        and s[4] == n * item and s[5] == item
        and (not gradient or s[6] == m * item and s[7] == item)
    )


cdef inline void copied_tile(
    lane like, const batch *b, bint gradient, Py_ssize_t k, lane *memory
) noexcept nogil:
    """A triple by way of copies in C order."""
    cdef Py_ssize_t n = b.dimensions[1], m = b.dimensions[2], core = 5 if gradient else 4
    cdef Py_ssize_t vectors = tile_vectors(like), item = item_size(like)
    cdef const npy_intp *strides = b.steps + core
    cdef char *g = <char *> (memory + 3 * vectors)
    quadratic_each(
        like, in_c_order(b, 0, k, n, m, core, memory), 0,
        in_c_order(b, 1, k, m, m, core + 2, memory + vectors), 0,
        in_c_order(b, 2, k, n, n, core + 4, memory + 2 * vectors), 0,
        matrix(b, 3, k), 0, g if gradient else NULL, 0, n, m, 1)
    if gradient:
        copy_matrix(like, factor(g, m * item, item),
                    factor(matrix(b, 4, k), strides[6], strides[7]), n, m)


cdef inline void quadratic_by_vectors(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, bint gradient
) noexcept nogil:
    cdef Py_ssize_t n = dimensions[1], m = dimensions[2]
    cdef Py_ssize_t vectors = 4 * n * m + m * m + n * n + 1     # one at least: an address
    cdef int status = FINE, part
    cdef bint large = alone(n, m, like)
    cdef batch b
    if large:
        vectors = 2 * (n * m // width(like) + 1) + quadratic_memory(like, n, m)
    if not begin(&b, args, dimensions, steps, 1 if large else width(like),
                 vectors * sizeof(like), 2 * n * m * (n + m)):
        return
    if b.threads == 1:
        status = quadratic_part(like, &b, gradient, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= quadratic_part(like, &b, gradient, part)
    end(&b, status)


cdef inline int quadratic_part(
    lane like, const batch *b, bint gradient, int part
) noexcept nogil:
    if alone(b.dimensions[1], b.dimensions[2], like):
        return large_quadratic_part(like, b, gradient, part)
    return small_quadratic_part(like, b, gradient, part)


cdef inline int small_quadratic_part(
    lane like, const batch *b, bint gradient, int part
) noexcept nogil:
    cdef Py_ssize_t n = b.dimensions[1], m = b.dimensions[2], core = 5 if gradient else 4
    cdef Py_ssize_t k = part_start(b, part), stop = part_stop(b, part)
    cdef lane *x = <lane *> part_memory(b)
    cdef lane *a = x + n * m
    cdef lane *q = a + m * m
    cdef lane *product = q + n * n
    cdef lane *result = product + 2 * n * m
    clear_flags()
    while k < stop:
        pack_operand(b, 0, k, stop, n, m, core, x)
        pack_operand(b, 1, k, stop, m, m, core + 2, a)
        pack_operand(b, 2, k, stop, n, n, core + 4, q)
        store_values(b, 3, k, stop,
                     quadratic(x, a, q, n, m, product, result if gradient else NULL))
        if gradient:
            unpack_result(b, 4, k, stop, n, m, core + 6, result)
        k += width(like)
    return raised()


cdef inline int large_quadratic_part(
    lane like, const batch *b, bint gradient, int part
) noexcept nogil:
    """One triple at a time, along rows; a gradient in place of an argument is copied there."""
    cdef Py_ssize_t n = b.dimensions[1], m = b.dimensions[2], core = 5 if gradient else 4, k
    cdef Py_ssize_t item = item_size(like), vectors = n * m // width(like) + 1
    cdef const npy_intp *strides = b.steps + core
    cdef bint apart = gradient and is_gradient_in_place(b)
    cdef lane *copy = <lane *> part_memory(b)
    cdef lane *memory = copy + 2 * vectors
    cdef factor x, a, q, own = factor(<char *> (copy + vectors), m * item, item)
    cdef factor g = factor(NULL, 0, 0)
    cdef lane value
    clear_flags()
    for k in range(part_start(b, part), part_stop(b, part)):
        x = factor(<char *> in_c_order(b, 0, k, n, m, core, copy), m * item, item)
        a = factor(matrix(b, 1, k), strides[2], strides[3])
        q = factor(matrix(b, 2, k), strides[4], strides[5])
        if gradient:
            g = factor(matrix(b, 4, k), strides[6], strides[7])
        value = broadcast(quadratic_by_rows(like, x, a, q, own if apart else g, n, m, memory), like)
        store_values(b, 3, k, k + 1, value)
        if apart:
            copy_matrix(like, own, g, n, m)
    return raised()


cdef inline bint is_gradient_in_place(const batch *b) noexcept nogil:
    """Whether it is X, A or Q: of arguments that overlap it otherwise NumPy makes copies."""
    return b.args[4] == b.args[0] or b.args[4] == b.args[1] or b.args[4] == b.args[2]


cdef inline char *matrix(const batch *b, int operand, Py_ssize_t k) noexcept nogil:
    return b.args[operand] + k * b.steps[operand]
