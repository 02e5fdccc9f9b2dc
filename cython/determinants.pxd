"""Loops of the gufuncs that factor: closed forms, groups in registers or on lanes, single matrices
by panels or rows, complex ones plainly."""

from libc.math cimport INFINITY, M_LN2, log
from libc.stdint cimport int64_t
from numpy cimport npy_intp

from cython.parallel cimport prange

from batches cimport batch, begin, end, part_memory, part_start, part_stop
from closed_batches cimport factor_closed
from closed_groups cimport CLOSED
from doubts cimport careful_doubles
from factorization cimport (
    elimination_group, lanes_needed, register_group, registers_needed, row_elimination, rows_needed,
)
from fixed cimport fits_fixed, fixed_group, fixed_needed, largest_fixed
from lanes cimport DOUBLES, FLOATS, lane, width
from pack cimport real
from panels cimport fits_panels
from plain cimport FINE, GRADIENT_NONE, OVERFLOWED, factor, size, times_two_to_the
from register_pivots cimport reach
from registers cimport group_width
from results cimport group, limit, place_group, request
from threads cimport thread_count

ctypedef float complex floatcomplex
ctypedef double complex doublecomplex

ctypedef fused complex_type:
    floatcomplex
    doublecomplex

cdef enum:
    # The size from which a group of lanes leaves the L2 cache (n^2 vectors of 64 bytes).
    LANES_BELOW = 96


cdef inline void factor_real(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    if dimensions[1] <= CLOSED:
        factor_closed(like, args, dimensions, steps, asked)
    elif real is double:
        factor_large(DOUBLES, args, dimensions, steps, asked)
    else:
        factor_large(FLOATS, args, dimensions, steps, asked)


cdef inline void factor_large(
    lane like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    """On lanes by code of their size if they are small; else in registers where rows fit them; else
    on lanes where a group fits the cache and fills the lanes and panels do not serve; else one
    matrix at a time."""
    cdef Py_ssize_t n = dimensions[1], vectors = rows_needed(n, like)
    cdef int status = FINE, part, W = width(like)
    cdef batch b
    if fits_fixed(n, like):
        vectors = fixed_needed(n, like)
    elif fits_registers(n, like):
        vectors = registers_needed(n, like)
    elif fits_lanes(n, dimensions[0], like):
        vectors = max(vectors, lanes_needed(n))
    else:
        W = 1
    if not begin(&b, args, dimensions, steps, W,
                 vectors * sizeof(like) + careful_doubles(n) * sizeof(double), n ** 3):
        return
    if b.threads == 1:
        status = large_part(like, &b, asked, vectors, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= large_part(like, &b, asked, vectors, part)
    end(&b, status)


cdef inline int large_part(
    lane like, const batch *b, const request *asked, Py_ssize_t vectors, int part
) noexcept nogil:
    cdef Py_ssize_t n = b.dimensions[1], start = part_start(b, part), stop = part_stop(b, part)
    cdef lane *memory = <lane *> part_memory(b)
    cdef double *careful = <double *> (memory + vectors)
    cdef int status = FINE, threads = thread_count() if b.threads == 1 else 1
    cdef int registers = group_width(n, asked.gradient != GRADIENT_NONE, like)
    cdef group g
    while start < stop:
        if fits_fixed(n, like):
            place_group(b, asked, start, stop, width(like), True, &g)
            status |= fixed_group(memory, careful, asked, &g)
            start += width(like)
        elif fits_registers(n, like):
            place_group(b, asked, start, stop, registers, True, &g)
            status |= register_group(memory, careful, asked, &g)
            start += registers
        elif fits_lanes(n, stop - start, like):
            place_group(b, asked, start, stop, width(like), True, &g)
            status |= elimination_group(memory, careful, asked, &g)
            start += width(like)
        else:
            place_group(b, asked, start, stop, 1, True, &g)
            status |= row_elimination(memory, careful, asked, &g, threads)
            start += 1
    return status


cdef inline bint fits_registers(Py_ssize_t n, lane like) noexcept nogil:
    """Whether rows fit registers, where there are any beyond the sizes of fixed.pxd."""
    # Without its first part the compiler could not leave registers.pxd out where nothing fits.
    return reach(like) > largest_fixed(like) and n <= reach(like)


cdef inline bint fits_lanes(Py_ssize_t n, Py_ssize_t matrices, lane like) noexcept nogil:
    """Whether a group of so many matrices is faster on lanes; rows give the same bits.

    One matrix alone is not: at n = 16 det takes 0.85 of the time in rows, inv 0.65. Two are up to
    n = 19 (Zen 5)."""
    if fits_panels(n, like):
        return False
    return n < LANES_BELOW and matrices > (1 if n < 20 else width(like) // 2)


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
    if b.threads == 1:
        status = complex_part(like, &b, asked, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= complex_part(like, &b, asked, part)
    end(&b, status)


cdef inline int complex_part(
    complex_type like, const batch *b, const request *asked, int part
) noexcept nogil:
    cdef Py_ssize_t n = b.dimensions[1], i, j, k
    cdef double complex *x = <double complex *> part_memory(b)
    cdef double complex *gradient = x + n * n
    cdef double complex mantissa, value
    cdef int64_t exponent
    cdef int status = FINE
    cdef char *entry
    cdef group g
    for k in range(part_start(b, part), part_stop(b, part)):
        place_group(b, asked, k, k + 1, 1, True, &g)
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
                value = gradient[j * n + i] if asked.transposed else gradient[i * n + j]
                (<complex_type *> entry)[0] = <complex_type> value
                if complex_type is floatcomplex and limit(<float> 0) <= size(value) < INFINITY:
                    status |= OVERFLOWED
    return status


cdef inline int write_complex_values(
    complex_type like, const group *g, const request *asked,
    double complex mantissa, int64_t exponent
) noexcept nogil:
    cdef double complex value = times_two_to_the(mantissa, exponent)
    cdef double modulus = abs(mantissa)
    cdef complex_type stored
    if asked.slogdet:
        value = mantissa / modulus if modulus != 0 else mantissa
        (<complex_type *> g.first.first)[0] = <complex_type> value
        modulus = log(modulus) + exponent * M_LN2
        if complex_type is floatcomplex:
            (<float *> g.second.first)[0] = <float> modulus
        else:
            (<double *> g.second.first)[0] = modulus
    elif asked.det:
        stored = <complex_type> value
        (<complex_type *> g.first.first)[0] = stored
        if size(mantissa) < 1e300 and not size(<double complex> stored) < INFINITY:
            return OVERFLOWED
    return FINE
