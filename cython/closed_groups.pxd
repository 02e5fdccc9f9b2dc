"""Groups of matrices with closed forms, n <= 4: from memory to lanes, through closed.pxd, and back.

A matrix whose entries are one run of scalars, by rows or by columns, is read and written through
transpositions, half a register at a time, a full group by addresses a step apart; others entry by
entry. float32 is widened on the way in and rounded on the way out. To write an inverse, which is
the gradient transposed, the strides of the result are exchanged.
"""

from libc.math cimport fabs, isnan

from closed cimport closed_forms, trusted_forms
from lanes cimport (
    DOUBLES, VD, broadcast, element, load_half_transposed, load_lanes, spaced,
    store_half_transposed, store_lanes, vd,
)
from pack cimport real
from plain cimport FINE, INVALID, OVERFLOWED
from results cimport group, limit, request, write_values
from twofold cimport twofold

cdef enum:
    CLOSED = 4          # the largest n with a closed form


cdef inline bint trusted_group(
    real like, const request *asked, const group *g, int n, twofold *det
) noexcept nogil:
    """Write the gradients of VD matrices, n 2 to 4, and tell det, if all of them can be trusted;
    else write nothing and return false."""
    cdef vd x[CLOSED * CLOSED]
    cdef vd gradient[CLOSED * CLOSED]
    cdef bint trusted
    load_group(like, g.full_matrices, g.row_stride, g.column_stride, x, n)
    det.high = det.low = DOUBLES
    if real is double:
        trusted = trusted_forms(det[0], asked, x, n, det, gradient)
    else:
        trusted = trusted_forms(x[0], asked, x, n, det, gradient)
    if trusted and asked.gradient:
        write_gradient(like, asked, g, gradient, n)
    return trusted


cdef inline int closed_group(real like, const request *asked, group *g, int n) noexcept nogil:
    """Write all that is asked for, of up to VD matrices, whatever they are."""
    cdef vd x[CLOSED * CLOSED]
    cdef vd gradient[CLOSED * CLOSED]
    cdef vd exponent = broadcast(0.0, x[0])
    cdef twofold det
    cdef unsigned int strange = 0
    cdef int status = FINE
    if g.count == VD:
        load_group(like, g.full_matrices, g.row_stride, g.column_stride, x, n)
    else:
        load_group(like, <char **> g.matrices, g.row_stride, g.column_stride, x, n)
    det.high, det.low = broadcast(1.0, x[0]), broadcast(0.0, x[0])
    if n > 0 and real is double:
        strange = closed_forms(det, asked, x, n, &det, &exponent, gradient)
    elif n > 0:
        strange = closed_forms(x[0], asked, x, n, &det, &exponent, gradient)
    if asked.det or asked.slogdet:
        status |= write_values(like, asked, g, det.high, det.low, exponent)
    if asked.gradient and n > 0:
        status |= inspect(like, x, gradient, n * n, g.count) if strange else FINE
        write_gradient(like, asked, g, gradient, n)
    return status


cdef inline void write_gradient(
    real like, const request *asked, const group *g, vd *gradient, int n
) noexcept nogil:
    cdef Py_ssize_t row_stride = g.gradient_row_stride, column_stride = g.gradient_column_stride
    if asked.transposed:
        row_stride, column_stride = column_stride, row_stride
    if g.count == VD:
        store_group(like, g.full_gradients, VD, row_stride, column_stride, gradient, n)
    else:
        store_group(like, <char **> g.gradients, g.count, row_stride, column_stride, gradient, n)


ctypedef char **pointers

ctypedef fused places_type:
    spaced
    pointers


cdef inline void load_group(
    real like, places_type places, Py_ssize_t row_stride, Py_ssize_t column_stride, vd *x, int n
) noexcept nogil:
    """A matrix is one run of scalars where its entries follow each other by rows or columns."""
    cdef vd y[CLOSED * CLOSED]
    cdef int half = VD // 2, k
    cdef bint by_columns = is_run(like, column_stride, row_stride, n)
    if not (by_columns or is_run(like, row_stride, column_stride, n)):
        for k in range(n * n):
            x[k] = load_lanes(like, places, k // n * row_stride + k % n * column_stride, x[0])
        return
    for k in range(n * n // half):
        load_half_transposed(like, places, k * half * sizeof(like), x + k * half)
    for k in range(n * n // half * half, n * n):
        x[k] = load_lanes(like, places, k * sizeof(like), x[0])
    if by_columns:
        for k in range(n * n):
            y[k] = x[k]
        transpose_lanes(y, x, n)


cdef inline void store_group(
    real like, places_type places, int count, Py_ssize_t row_stride, Py_ssize_t column_stride,
    vd *x, int n
) noexcept nogil:
    """The inverse. In either order entries are stored from where they are, without a move."""
    cdef vd y[CLOSED * CLOSED]
    cdef int k
    if is_run(like, column_stride, row_stride, n):
        transpose_lanes(x, y, n)
        store_run(like, places, count, y, n)
    elif is_run(like, row_stride, column_stride, n):
        store_run(like, places, count, x, n)
    else:
        for k in range(n * n):
            store_lanes(like, places, k // n * row_stride + k % n * column_stride, count, x[k])


cdef inline void store_run(
    real like, places_type places, int count, vd *x, int n
) noexcept nogil:
    cdef int half = VD // 2, k
    for k in range(n * n // half):
        store_half_transposed(like, places, k * half * sizeof(like), count, x + k * half)
    for k in range(n * n // half * half, n * n):
        store_lanes(like, places, k * sizeof(like), count, x[k])


cdef inline bint is_run(real like, Py_ssize_t outer, Py_ssize_t inner, int n) noexcept nogil:
    return inner == sizeof(like) and outer == n * sizeof(like)


cdef inline void transpose_lanes(const vd *x, vd *y, int n) noexcept nogil:
    cdef int i, j
    for i in range(n):
        for j in range(n):
            y[j * n + i] = x[i * n + j]


cdef inline int inspect(
    real like, const vd *x, const vd *result, int entries, int count
) noexcept nogil:
    """What to raise for a group in which not all results are ordinary numbers."""
    cdef vd y[CLOSED * CLOSED]          # copies (see closed.pxd)
    cdef vd c[CLOSED * CLOSED]
    cdef int i, w, status = FINE
    cdef bint nan, inf
    for i in range(entries):
        y[i], c[i] = x[i], result[i]
    for w in range(count):
        nan = inf = False
        for i in range(entries):
            if element(&y[i], w) - element(&y[i], w) != 0:
                break
            nan = nan or isnan(element(&c[i], w))
            inf = inf or fabs(element(&c[i], w)) >= limit(like)
        else:
            status |= (INVALID if nan else FINE) | (OVERFLOWED if inf else FINE)
    return status
