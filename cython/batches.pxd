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

from factorization cimport (
    CLOSED, careful_doubles, closed_group, elimination_group, group, lanes_needed, request,
    row_elimination, rows_needed,
)
from lanes cimport (
    DOUBLES, FLOATS, VD, broadcast, element, lane, set_element, vd, width,
)
from numpy cimport npy_intp
from pack cimport MOST_LANES, item_size, pack, place_matrices, read, real, store_one, unpack
from plain cimport FINE, INVALID, OVERFLOWED, factor, size, times_two_to_the
from products cimport LARGE, diagonal_sum, product_sum, product_sum_by_squares, quadratic

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


cdef struct batch:
    # What a loop over a batch works with.
    char **args
    const npy_intp *steps
    Py_ssize_t count
    void *memory
    PyThreadState *thread
    int flags


cdef inline bint begin(
    batch *b, char **args, const npy_intp *steps, Py_ssize_t count, size_t memory, double work
) noexcept nogil:
    """Allocate `memory` bytes, give back the GIL for `work` operations; false if there is no memory."""
    b.args, b.steps, b.count = args, steps, count
    b.memory = NULL
    b.thread = NULL
    b.flags = fetestexcept(FE_ALL_EXCEPT)
    if memory and posix_memalign(&b.memory, 64, memory):
        with gil:
            PyErr_NoMemory()
        return False
    if work * count > 1e5 and PyGILState_Check():
        b.thread = PyEval_SaveThread()
    return True


cdef inline void release(batch *b) noexcept nogil:
    """Free the memory, take the GIL again."""
    free(b.memory)
    if b.thread != NULL:
        PyEval_RestoreThread(b.thread)


cdef inline void end(batch *b, int status) noexcept nogil:
    """Release, and leave only those flags raised that `status` asks for."""
    release(b)
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
    cdef Py_ssize_t start = 0
    cdef int status = FINE
    cdef batch b
    cdef group g
    begin(&b, args, steps, dimensions[0], 0, 1)
    while start < b.count:
        place_group(&b, asked, dimensions[1], start, VD, &g)
        status |= closed_group(like, asked, &g)
        start += VD
    end(&b, status)


cdef inline void factor_large(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    """On lanes where a group fits the cache and fills the lanes, else one matrix at a time."""
    cdef Py_ssize_t n = dimensions[1], start = 0, vectors = rows_needed(n, like)
    cdef int status = FINE
    cdef lane *memory
    cdef double *careful
    cdef batch b
    cdef group g
    if fits_lanes(n, dimensions[0], like):
        vectors = max(vectors, lanes_needed(n))
    if not begin(&b, args, steps, dimensions[0],
                 vectors * sizeof(like) + careful_doubles(n) * sizeof(double), n ** 3):
        return
    memory = <lane *> b.memory
    careful = <double *> (memory + vectors)
    while start < b.count:
        if fits_lanes(n, b.count - start, like):
            place_group(&b, asked, n, start, width(like), &g)
            status |= elimination_group(memory, careful, asked, &g)
            start += width(like)
        else:
            place_group(&b, asked, n, start, 1, &g)
            status |= row_elimination(memory, careful, asked, &g)
            start += 1
    end(&b, status)


cdef inline bint fits_lanes(Py_ssize_t n, Py_ssize_t matrices, lane like) noexcept nogil:
    """Whether a group of so many matrices is faster on lanes; both ways give the same bits."""
    return n < LANES_BELOW and (n < 20 or matrices > width(like) // 2)


cdef inline void place_group(
    const batch *b, const request *asked, Py_ssize_t n, Py_ssize_t start, int W, group *g
) noexcept nogil:
    """The group of W matrices that begins with matrix `start`."""
    cdef int operand = 1
    cdef const npy_intp *core = b.steps + 1 + asked.det + 2 * asked.slogdet + (asked.gradient != 0)
    g.n = n
    g.count = <int> min(W, b.count - start)
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
    cdef Py_ssize_t n = dimensions[1], i, j, k
    cdef int values = asked.det + 2 * asked.slogdet, status = FINE
    cdef const npy_intp *core = steps + 1 + values + (asked.gradient != 0)
    cdef double complex *x
    cdef double complex *gradient
    cdef double complex mantissa
    cdef int64_t exponent
    cdef char *place
    cdef batch b
    if not begin(&b, args, steps, dimensions[0],
                 2 * n * n * sizeof(mantissa) + 4 * n * sizeof(int), n ** 3):
        return
    x = <double complex *> b.memory
    gradient = x + n * n
    for k in range(b.count):
        for i in range(n):
            for j in range(n):
                place = args[0] + k * steps[0] + i * core[0] + j * core[1]
                x[i * n + j] = (<complex_type *> place)[0]
        status |= factor(x, n, asked.gradient, <int *> (gradient + n * n), gradient,
                         &mantissa, &exponent)
        status |= write_complex_values(like, &b, asked, k, mantissa, exponent)
        for i in range(n if asked.gradient else 0):
            for j in range(n):
                place = args[1 + values] + k * steps[1 + values] + i * core[2] + j * core[3]
                (<complex_type *> place)[0] = <complex_type> (
                    gradient[j * n + i] if asked.transposed else gradient[i * n + j])
    end(&b, status)


cdef inline int write_complex_values(
    complex_type like, const batch *b, const request *asked, Py_ssize_t k,
    double complex mantissa, int64_t exponent
) noexcept nogil:
    cdef double complex value = times_two_to_the(mantissa, exponent)
    cdef double modulus = abs(mantissa)
    cdef char *first = b.args[1] + k * b.steps[1]
    cdef char *second = b.args[2] + k * b.steps[2]
    cdef complex_type stored
    if asked.slogdet:
        (<complex_type *> first)[0] = <complex_type> (mantissa / modulus if modulus != 0 else mantissa)
        modulus = log(modulus) + exponent * M_LN2
        if complex_type is floatcomplex:
            (<float *> second)[0] = <float> modulus
        else:
            (<double *> second)[0] = modulus
    elif asked.det:
        stored = <complex_type> value
        (<complex_type *> first)[0] = stored
        if size(mantissa) < 1e300 and not size(<double complex> stored) < INFINITY:
            return OVERFLOWED
    return FINE


# ---- traces ----------------------------------------------------------------------------------

cdef inline void trace_real(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef const char *matrices[MOST_LANES]
    cdef vd total
    cdef Py_ssize_t start = 0, l
    while start < dimensions[0]:
        place_matrices(<char **> matrices, args[0] + start * steps[0], steps[0],
                       min(VD, dimensions[0] - start), VD)
        total = diagonal_sum(like, matrices, dimensions[1], steps[2] + steps[3])
        for l in range(min(VD, dimensions[0] - start)):
            (<real *> (args[1] + (start + l) * steps[1]))[0] = <real> element(&total, l)
        start += VD


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
            total = total + (<complex_type *> entry)[0]
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
                total = total + <double complex> (<complex_type *> a)[0] * (<complex_type *> x)[0]
        (<complex_type *> (args[2] + k * steps[2]))[0] = <complex_type> total


cdef inline void trace_product_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    """Pairs of small matrices in groups, pairs of large ones by squares."""
    cdef Py_ssize_t m = dimensions[1], n = dimensions[2], k = 0
    cdef lane *a
    cdef lane *x
    cdef char *place[1]
    cdef batch b
    if not begin(&b, args, steps, dimensions[0], 2 * m * n * sizeof(like), m * n):
        return
    a = <lane *> b.memory
    x = a + m * n
    if m * n < LARGE:
        while k < b.count:
            pack_operand(&b, 0, k, m, n, 3, a)
            pack_operand(&b, 1, k, n, m, 5, x)
            store_values(&b, 2, k, product_sum(a, x, m, n))
            k += width(like)
    else:
        for k in range(b.count):
            place[0] = args[2] + k * steps[2]
            store_one(place, 0, 1, broadcast(product_sum_by_squares(
                like, in_c_order(&b, 0, k, m, n, 3, a), in_c_order(&b, 1, k, n, m, 5, x), m, n),
                like))
    release(&b)


cdef inline void quadratic_real(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, bint gradient
) noexcept nogil:
    cdef Py_ssize_t n = dimensions[1], m = dimensions[2], k = 0, core = 5 if gradient else 4
    cdef char *places[MOST_LANES]
    cdef lane *x
    cdef lane *a
    cdef lane *q
    cdef lane *product
    cdef lane *result
    cdef batch b
    if not begin(&b, args, steps, dimensions[0],
                 (4 * n * m + m * m + n * n + 1) * sizeof(like), 2 * n * m * (n + m)):
        return
    x = <lane *> b.memory
    a = x + n * m
    q = a + m * m
    product = q + n * n
    result = product + 2 * n * m
    while k < b.count:
        pack_operand(&b, 0, k, n, m, core, x)
        pack_operand(&b, 1, k, m, m, core + 2, a)
        pack_operand(&b, 2, k, n, n, core + 4, q)
        store_values(&b, 3, k, quadratic(x, a, q, n, m, product, result if gradient else NULL))
        if gradient:
            place(&b, 4, k, in_group(&b, k, like), width(like), places)
            unpack(result, places, in_group(&b, k, like), n, m,
                   steps[core + 6], steps[core + 7])
        k += width(like)
    release(&b)


# ---- operands --------------------------------------------------------------------------------

cdef inline int in_group(const batch *b, Py_ssize_t start, lane like) noexcept nogil:
    """How many matrices the group has that begins with matrix `start`."""
    return <int> min(width(like), b.count - start)


cdef inline void pack_operand(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t m, Py_ssize_t n, Py_ssize_t core,
    lane *a
) noexcept nogil:
    """The m x n matrices of an operand whose core strides are steps[core], steps[core + 1]."""
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(b, start, a[0]), width(a[0]), places)
    pack(a, <const char **> places, m, n, b.steps[core], b.steps[core + 1])


cdef inline void store_values(
    const batch *b, int operand, Py_ssize_t start, lane values
) noexcept nogil:
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(b, start, values), width(values), places)
    store_one(places, 0, in_group(b, start, values), values)


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
