"""Loops of the gufuncs over a batch: places, groups, work space, flags.

`args`, `dimensions` and `steps` are those of a NumPy loop: an address an operand; the batch size, then
the core sizes; a batch stride an operand, then the core strides. A batch is cut into groups of W
matrices (real) or taken one by one (complex). Work space is allocated once a loop. Flags that lanes
have raised on the way are dropped, those that the results call for are raised at the end, in the
calling thread. NumPy keeps the GIL in loops over few large matrices, so a loop gives it back itself.
"""

from cpython.exc cimport PyErr_NoMemory
from cpython.pystate cimport PyThreadState
from libc.math cimport INFINITY, M_LN2, log
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign

from cython.parallel cimport prange

from factorization cimport (
    CLOSED, careful_doubles, closed_group, elimination_group, group, lanes_needed, request,
    row_elimination, rows_needed,
)
from lanes cimport (
    DOUBLES, FLOATS, VD, broadcast, lane, set_element, store_lanes, width,
)
from numpy cimport npy_intp
from pack cimport MOST_LANES, item_size, pack, place_matrices, read, real, store_one, unpack
from plain cimport FINE, INVALID, OVERFLOWED, factor, size, times_two_to_the
from products cimport LARGE, diagonal_sum, product_sum, product_sum_by_squares, quadratic
from threads cimport thread_count, thread_number

cdef extern from "<cfenv>" nogil:
    int FE_ALL_EXCEPT
    int FE_INVALID
    int FE_OVERFLOW
    int fetestexcept(int) noexcept
    int feclearexcept(int) noexcept
    int feraiseexcept(int) noexcept

cdef extern from "Python.h" nogil:
    int PyGILState_Check() noexcept
    PyThreadState *PyEval_SaveThread() noexcept
    void PyEval_RestoreThread(PyThreadState *) noexcept

ctypedef float complex floatcomplex
ctypedef double complex doublecomplex

ctypedef fused complex_type:
    floatcomplex
    doublecomplex


cdef enum:
    # The size from which a group of lanes leaves the L2 cache (9 n^2 vectors of 64 bytes).
    LANES_BELOW = 96
    # Operations of a batch from which it pays to start threads and to give back the GIL.
    PARALLEL = 100000
    # Parts a thread, handed out as threads come free: cores are not equally fast, or equally idle.
    PARTS = 8


cdef struct batch:
    # What a loop over a batch works with.
    char **args
    const npy_intp *dimensions
    const npy_intp *steps
    Py_ssize_t count
    int threads
    int parts
    Py_ssize_t share            # matrices a part
    char *memory
    size_t memory_share         # bytes a thread
    PyThreadState *python
    int flags


cdef inline bint begin(
    batch *b, char **args, const npy_intp *dimensions, const npy_intp *steps, int W,
    size_t memory, double work
) noexcept nogil:
    """Plan threads and parts for `work` operations a matrix in groups of W, allocate `memory` bytes
    a thread, give back the GIL if the batch is large; false if there is no memory."""
    cdef void *allocated = NULL
    cdef Py_ssize_t groups = (dimensions[0] + W - 1) // W
    b.args, b.dimensions, b.steps, b.count = args, dimensions, steps, dimensions[0]
    b.flags = fetestexcept(FE_ALL_EXCEPT)
    b.threads = <int> min(thread_count() if work * b.count > PARALLEL else 1, groups)
    b.parts = <int> min(1 if b.threads == 1 else PARTS * b.threads, groups)
    b.share = (groups + b.parts - 1) // max(1, b.parts) * W
    b.memory_share = (memory + 127) // 128 * 128
    b.python = NULL
    if memory and posix_memalign(&allocated, 128, b.memory_share * b.threads):
        with gil:
            PyErr_NoMemory()
        return False
    b.memory = <char *> allocated
    if work * b.count > PARALLEL and PyGILState_Check():
        b.python = PyEval_SaveThread()
    return True


cdef inline Py_ssize_t part_start(const batch *b, int part) noexcept nogil:
    return min(part * b.share, b.count)


cdef inline Py_ssize_t part_stop(const batch *b, int part) noexcept nogil:
    return min((part + 1) * b.share, b.count)


cdef inline void end(batch *b, int status) noexcept nogil:
    """Free the memory, take the GIL again, leave only those flags raised that `status` asks for."""
    free(b.memory)
    if b.python != NULL:
        PyEval_RestoreThread(b.python)
    feclearexcept(FE_ALL_EXCEPT)
    feraiseexcept(b.flags | (FE_INVALID if status & INVALID else 0)
                  | (FE_OVERFLOW if status & OVERFLOWED else 0))


# ---- determinants, inverses ------------------------------------------------------------------

cdef inline void factor_real(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    if dimensions[1] <= CLOSED:
        factor_closed(like, args, dimensions, steps, asked)
    elif real is double:
        factor_large(DOUBLES, args, dimensions, steps, asked)
    else:
        factor_large(FLOATS, args, dimensions, steps, asked)


cdef inline void factor_closed(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, VD, 0, 10 * (dimensions[1] + 1) ** 2):
        return
    for part in prange(b.parts, num_threads=b.threads, use_threads_if=b.threads > 1,
                       schedule="dynamic"):
        status |= closed_part(like, &b, asked, part)
    end(&b, status)


cdef inline int closed_part(real like, const batch *b, const request *asked, int part) noexcept nogil:
    """Compiled for each n, whose loops then unroll."""
    cdef int n = <int> b.dimensions[1]
    if n == 2:
        return closed_groups(like, b, asked, part, 2)
    if n == 3:
        return closed_groups(like, b, asked, part, 3)
    if n == 4:
        return closed_groups(like, b, asked, part, 4)
    return closed_groups(like, b, asked, part, n)


cdef inline int closed_groups(
    real like, const batch *b, const request *asked, int part, int n
) noexcept nogil:
    cdef Py_ssize_t start = part_start(b, part), stop = part_stop(b, part)
    cdef int status = FINE
    cdef group g
    while start < stop:
        place_group(b, asked, start, stop, VD, &g)
        status |= closed_group(like, asked, &g, n)
        start += VD
    return status


cdef inline void factor_large(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    """On lanes where a group fits the cache and fills the lanes, else one matrix at a time."""
    cdef Py_ssize_t n = dimensions[1], vectors = rows_needed(n, like)
    cdef int status = FINE, part, W = width(like) if fits_lanes(n, dimensions[0], like) else 1
    cdef batch b
    if W > 1:
        vectors = max(vectors, lanes_needed(n))
    if not begin(&b, args, dimensions, steps, W,
                 vectors * sizeof(like) + careful_doubles(n) * sizeof(double), n ** 3):
        return
    for part in prange(b.parts, num_threads=b.threads, use_threads_if=b.threads > 1,
                       schedule="dynamic"):
        status |= large_part(like, &b, asked, vectors, part)
    end(&b, status)


cdef inline int large_part(
    lane like, const batch *b, const request *asked, Py_ssize_t vectors, int part
) noexcept nogil:
    cdef Py_ssize_t n = b.dimensions[1], start = part_start(b, part), stop = part_stop(b, part)
    cdef lane *memory = <lane *> (b.memory + thread_number() * b.memory_share)
    cdef double *careful = <double *> (memory + vectors)
    cdef int status = FINE
    cdef group g
    while start < stop:
        if fits_lanes(n, stop - start, like):
            place_group(b, asked, start, stop, width(like), &g)
            status |= elimination_group(memory, careful, asked, &g)
            start += width(like)
        else:
            place_group(b, asked, start, stop, 1, &g)
            status |= row_elimination(memory, careful, asked, &g)
            start += 1
    return status


cdef inline bint fits_lanes(Py_ssize_t n, Py_ssize_t matrices, lane like) noexcept nogil:
    """Whether a group of so many matrices is faster on lanes; both ways give the same bits."""
    return n < LANES_BELOW and (n < 20 or matrices > width(like) // 2)


cdef inline void place_group(
    const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop, int W, group *g
) noexcept nogil:
    """The group of at most W matrices that begins with matrix `start`."""
    cdef int operand = 1
    cdef const npy_intp *core = b.steps + 1 + asked.det + 2 * asked.slogdet + (asked.gradient != 0)
    g.n = b.dimensions[1]
    g.count = <int> min(W, stop - start)
    g.row_stride, g.column_stride = core[0], core[1]
    place(b, 0, start, g.count, W, <char **> g.matrices)
    if asked.det or asked.slogdet:
        place(b, operand, start, g.count, W, g.first)
        operand += 1
    if asked.slogdet:
        place(b, operand, start, g.count, W, g.second)
        operand += 1
    if asked.gradient:
        place(b, operand, start, g.count, W, g.gradients)
        g.gradient_row_stride, g.gradient_column_stride = core[2], core[3]


cdef inline void place(
    const batch *b, int operand, Py_ssize_t start, int count, int W, char **places
) noexcept nogil:
    place_matrices(places, b.args[operand] + start * b.steps[operand], b.steps[operand], count, W)


cdef inline void factor_complex(
    complex_type like, char **args, const npy_intp *dimensions, const npy_intp *steps,
    const request *asked
) noexcept nogil:
    cdef Py_ssize_t n = dimensions[1]
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, 1,
                 2 * n * n * sizeof(double complex) + 4 * n * sizeof(int), 8 * n ** 3):
        return
    for part in prange(b.parts, num_threads=b.threads, use_threads_if=b.threads > 1,
                       schedule="dynamic"):
        status |= complex_part(like, &b, asked, part)
    end(&b, status)


cdef inline int complex_part(
    complex_type like, const batch *b, const request *asked, int part
) noexcept nogil:
    cdef Py_ssize_t n = b.dimensions[1], i, j, k
    cdef double complex *x = <double complex *> (b.memory + thread_number() * b.memory_share)
    cdef double complex *gradient = x + n * n
    cdef double complex mantissa
    cdef int64_t exponent
    cdef int status = FINE
    cdef char *entry
    cdef group g
    for k in range(part_start(b, part), part_stop(b, part)):
        place_group(b, asked, k, k + 1, 1, &g)
        for i in range(n):
            for j in range(n):
                entry = <char *> g.matrices[0] + i * g.row_stride + j * g.column_stride
                x[i * n + j] = (<complex_type *> entry)[0]
        status |= factor(x, n, asked.gradient, <int *> (gradient + n * n), gradient,
                         &mantissa, &exponent)
        status |= write_complex_values(like, &g, asked, mantissa, exponent)
        for i in range(n if asked.gradient else 0):
            for j in range(n):
                entry = g.gradients[0] + i * g.gradient_row_stride + j * g.gradient_column_stride
                (<complex_type *> entry)[0] = <complex_type> (
                    gradient[j * n + i] if asked.transposed else gradient[i * n + j])
    return status


cdef inline int write_complex_values(
    complex_type like, const group *g, const request *asked,
    double complex mantissa, int64_t exponent
) noexcept nogil:
    cdef double complex value = times_two_to_the(mantissa, exponent)
    cdef double modulus = abs(mantissa)
    cdef complex_type stored
    if asked.slogdet:
        (<complex_type *> g.first[0])[0] = <complex_type> (mantissa / modulus if modulus != 0 else mantissa)
        modulus = log(modulus) + exponent * M_LN2
        if complex_type is floatcomplex:
            (<float *> g.second[0])[0] = <float> modulus
        else:
            (<double *> g.second[0])[0] = modulus
    elif asked.det:
        stored = <complex_type> value
        (<complex_type *> g.first[0])[0] = stored
        if size(mantissa) < 1e300 and not size(<double complex> stored) < INFINITY:
            return OVERFLOWED
    return FINE


# ---- traces ----------------------------------------------------------------------------------

cdef inline void trace_real(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, VD, 0, 10 * dimensions[1]):
        return
    for part in prange(b.parts, num_threads=b.threads, use_threads_if=b.threads > 1,
                       schedule="dynamic"):
        status |= trace_part(like, &b, part)
    end(&b, status)


cdef inline int trace_part(real like, const batch *b, int part) noexcept nogil:
    cdef char *matrices[MOST_LANES]
    cdef char *results[MOST_LANES]
    cdef Py_ssize_t start = part_start(b, part), stop = part_stop(b, part)
    cdef int count
    feclearexcept(FE_ALL_EXCEPT)
    while start < stop:
        count = <int> min(VD, stop - start)
        place(b, 0, start, count, VD, matrices)
        place(b, 1, start, count, VD, results)
        store_lanes(like, results, 0, count, diagonal_sum(
            like, <const char **> matrices, b.dimensions[1], b.steps[2] + b.steps[3]))
        start += VD
    return raised()


cdef inline int raised() noexcept nogil:
    """The status for the flags that this thread's arithmetic has raised."""
    return ((INVALID if fetestexcept(FE_INVALID) else FINE)
            | (OVERFLOWED if fetestexcept(FE_OVERFLOW) else FINE))


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
    if not begin(&b, args, dimensions, steps, width(like), 2 * entries * sizeof(like), entries):
        return
    for part in prange(b.parts, num_threads=b.threads, use_threads_if=b.threads > 1,
                       schedule="dynamic"):
        status |= trace_product_part(like, &b, part)
    end(&b, status)


cdef inline int trace_product_part(lane like, const batch *b, int part) noexcept nogil:
    """Pairs of small matrices in groups, pairs of large ones by squares."""
    cdef Py_ssize_t m = b.dimensions[1], n = b.dimensions[2]
    cdef Py_ssize_t k = part_start(b, part), stop = part_stop(b, part)
    cdef lane *a = <lane *> (b.memory + thread_number() * b.memory_share)
    cdef lane *x = a + m * n
    feclearexcept(FE_ALL_EXCEPT)
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
    cdef Py_ssize_t n = dimensions[1], m = dimensions[2]
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, width(like),
                 (4 * n * m + m * m + n * n) * sizeof(like), 2 * n * m * (n + m)):
        return
    for part in prange(b.parts, num_threads=b.threads, use_threads_if=b.threads > 1,
                       schedule="dynamic"):
        status |= quadratic_part(like, &b, gradient, part)
    end(&b, status)


cdef inline int quadratic_part(
    lane like, const batch *b, bint gradient, int part
) noexcept nogil:
    cdef Py_ssize_t n = b.dimensions[1], m = b.dimensions[2], core = 5 if gradient else 4
    cdef Py_ssize_t k = part_start(b, part), stop = part_stop(b, part)
    cdef lane *x = <lane *> (b.memory + thread_number() * b.memory_share)
    cdef lane *a = x + n * m
    cdef lane *q = a + m * m
    cdef lane *product = q + n * n
    cdef lane *result = product + 2 * n * m
    feclearexcept(FE_ALL_EXCEPT)
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


# ---- operands --------------------------------------------------------------------------------

cdef inline void pack_operand(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t stop,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t core, lane *a
) noexcept nogil:
    """The m x n matrices from `start` on, whose core strides are steps[core], steps[core + 1]."""
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(start, stop, a[0]), width(a[0]), places)
    pack(a, n, <const char **> places, m, n, b.steps[core], b.steps[core + 1])


cdef inline void unpack_result(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t stop,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t core, const lane *a
) noexcept nogil:
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(start, stop, a[0]), width(a[0]), places)
    unpack(a, places, in_group(start, stop, a[0]), m, n, b.steps[core], b.steps[core + 1])


cdef inline void store_values(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t stop, lane values
) noexcept nogil:
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(start, stop, values), width(values), places)
    store_one(places, 0, in_group(start, stop, values), values)


cdef inline int in_group(Py_ssize_t start, Py_ssize_t stop, lane like) noexcept nogil:
    """How many matrices the group has that begins with matrix `start`."""
    return <int> min(width(like), stop - start)


cdef inline const char *in_c_order(
    const batch *b, int operand, Py_ssize_t k, Py_ssize_t m, Py_ssize_t n, Py_ssize_t core,
    lane *memory
) noexcept nogil:
    """Matrix k of an operand, itself if its rows are contiguous, else a copy."""
    cdef const char *first = b.args[operand] + k * b.steps[operand]
    cdef Py_ssize_t item = item_size(memory[0]), i, j
    if b.steps[core + 1] == item and b.steps[core] == n * item:
        return first
    for i in range(m):
        for j in range(n):
            set_element(memory, i * n + j,
                        read(first + i * b.steps[core] + j * b.steps[core + 1], memory[0]))
    return <const char *> memory
