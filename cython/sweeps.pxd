"""Finite-difference gradients of the kernels: W perturbed matrices of one matrix, one a lane.

Central differences (f(X + h E_ij) - f(X - h E_ij)) / 2h at every entry (i, j), h a power of two
no smaller than the entries: tr X, tr(AX) and det X are affine in each entry, tr(XAX'Q) is
quadratic, so nothing is truncated, and a large step leaves the least rounding.

- det X. For the entries of row i the other rows are the same: they are eliminated once, by row
  with column pivoting (B, in vectors along its rows), and then W perturbed rows i at a time, one a
  lane, against broadcasts of B. No inverse and no cofactor is used, so that a gradient built on
  these can be checked. Cost: n (n^3/3 + n^3) multiply-adds for all entries. Rejected: a
  factorisation for every entry (2 n^5/3: 8 times as much at n = 16 by count).
- log|det X|: the differences of det over det; those of log|det| are exact at no step.
- the traces: the value again for W perturbations, on broadcasts of A, X and Q.

Rows without rank (a zero pivot) leave det zero whatever row i is. A NaN makes all of the gradient
NaN. Not equilibrated: rows and columns are expected within the range of the dtype.
"""

from libc.math cimport NAN, fabs, frexp, isnan, ldexp
from numpy cimport npy_intp

from cython.parallel cimport prange

from batches cimport (
    batch, begin, end, part_memory, part_start, part_stop, raised,
)
from flags cimport clear_flags
from lanes cimport (
    broadcast, element, lane, set_element, subtract_product, vf, width,
)
from pack cimport item_size, read
from plain cimport FINE, INVALID
from products cimport product_sum, quadratic

cdef enum:
    # What is differenced.
    OF_DET = 0
    OF_LOGDET = 1
    OF_TRACE = 2
    OF_TRACE_PRODUCT = 3
    OF_QUADRATIC_TRACE = 4


cdef inline void sweep(
    int function, lane like, char **args, const npy_intp *dimensions, const npy_intp *steps
) noexcept nogil:
    cdef Py_ssize_t n = dimensions[1], m = dimensions[2]
    cdef Py_ssize_t vectors = determinant_vectors(n, like)
    cdef double work = 1.5 * <double> n ** 4
    cdef int status = FINE, part
    cdef batch b
    if function >= OF_TRACE:
        m = n if function == OF_TRACE else m
        vectors = 5 * n * m + m * m + n * n + 1
        work = <double> n * m * (n * m if function < OF_QUADRATIC_TRACE else 2 * n * m * (n + m))
    if not begin(&b, args, dimensions, steps, 1, vectors * sizeof(like), work):
        return
    if b.threads == 1:
        status = sweep_part(function, like, &b, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= sweep_part(function, like, &b, part)
    end(&b, status)


cdef inline int sweep_part(int function, lane like, const batch *b, int part) noexcept nogil:
    cdef lane *memory = <lane *> part_memory(b)
    cdef int status = FINE
    cdef Py_ssize_t k
    clear_flags()
    for k in range(part_start(b, part), part_stop(b, part)):
        if function >= OF_TRACE:
            sweep_trace(function, memory, b, k)
        else:
            status |= sweep_determinant(function, memory, b, k)
    return status | (raised() if function >= OF_TRACE else FINE)


# ---- determinants ------------------------------------------------------------------------------

cdef inline Py_ssize_t determinant_vectors(Py_ssize_t n, lane like) noexcept nogil:
    """Lane vectors of memory: the matrix, B, B in the order of the columns, and single rows."""
    return (3 * n + 4) * pitch_of(n, like) + 2 * n + 2


cdef inline Py_ssize_t pitch_of(Py_ssize_t n, lane like) noexcept nogil:
    return (n + width(like) - 1) // width(like)


cdef inline int sweep_determinant(
    int function, lane *memory, const batch *b, Py_ssize_t k
) noexcept nogil:
    """The gradient of det, or of log|det|, at matrix k."""
    cdef Py_ssize_t n = b.dimensions[1], pitch = pitch_of(n, memory[0]), i, j
    cdef lane *x = memory
    cdef lane *rows = x + n * pitch
    cdef lane *work = rows + n * pitch
    cdef char *target = b.args[1] + k * b.steps[1]
    cdef double det = 0.0, entry
    cdef bint nan = read_rows(x, pitch, b.args[0] + k * b.steps[0], n, b.steps[2], b.steps[3])
    for i in range(n):
        if not nan:
            differences_of_row(
                x, rows, n, pitch, i, work, &det if function == OF_LOGDET and i == 0 else NULL)
        for j in range(n):
            entry = NAN if nan else element(work, j)
            if function == OF_LOGDET:
                entry = entry / det if det != 0 else NAN
            store_entry(target + i * b.steps[4] + j * b.steps[5], memory[0], entry)
    return INVALID if function == OF_LOGDET and det == 0 and n > 0 and not nan else FINE


cdef inline bint read_rows(
    lane *x, Py_ssize_t pitch, const char *source, Py_ssize_t n,
    Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """Copy a matrix, rows padded with zeros; whether there is a NaN in it."""
    cdef bint nan = False
    cdef double value
    cdef Py_ssize_t i, j
    for i in range(n):
        for j in range(pitch * width(x[0])):
            value = read(source + i * row_stride + j * column_stride, x[0]) if j < n else 0.0
            nan = nan or isnan(value)
            set_element(x + i * pitch, j, value)
    return nan


cdef inline void store_entry(char *place, lane like, double value) noexcept nogil:
    if lane is vf:
        (<float *> place)[0] = <float> value
    else:
        (<double *> place)[0] = value


cdef inline void differences_of_row(
    const lane *x, lane *rows, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t i, lane *work, double *det
) noexcept nogil:
    """work[j] = d det / d x_ij for all j, and det itself unless `det` is NULL.

    work: differences (pitch), reciprocals of the pivots (pitch), the order of the columns (pitch,
    integers), the row moved up and down (2 n), the eliminated rows in that order (n pitch)."""
    cdef const lane *row = x + i * pitch
    cdef lane *reciprocals = work + pitch
    cdef int *order = <int *> (reciprocals + pitch)
    cdef lane *moved = reciprocals + 2 * pitch
    cdef lane *upper = moved + 2 * n
    cdef Py_ssize_t W = width(x[0]), first = 0, j, w
    cdef double h = step_of(row, n), others
    cdef lane up, down
    others = eliminate_others(x, rows, n, pitch, i, reciprocals, order)
    for i in range(n - 1):
        for j in range(i + 1, n):
            set_element(upper, i * n + j, element(rows + i * pitch, order[j]))
    while first < n:
        last_pivots(upper, n, row, reciprocals, order, moved, first, h, &up, &down)
        for w in range(min(W, n - first)):
            j = order[first + w]
            set_element(work, j, others * ((element(&up, w) - element(&down, w))
                                           / moved_by(element(row, j), h, x[0])))
        first += W
    if det != NULL:
        last_pivots(upper, n, row, reciprocals, order, moved, n, 0.0, &up, &down)
        det[0] = others * element(&up, 0)


cdef inline double step_of(const lane *row, Py_ssize_t n) noexcept nogil:
    """A power of two no smaller than the entries of a row."""
    cdef double most = 0.0
    cdef int e = 0
    cdef Py_ssize_t j
    for j in range(n):
        most = max(most, fabs(element(row, j)))
    if most == 0 or most - most != 0:
        return 1.0
    frexp(most, &e)
    return ldexp(1.0, e)


cdef inline double moved_by(double x, double h, lane like) noexcept nogil:
    """(x + h) - (x - h) as the dtype rounds it."""
    if lane is vf:
        return <double> (<float> (x + h)) - <double> (<float> (x - h))
    else:
        return (x + h) - (x - h)


cdef inline double eliminate_others(
    const lane *x, lane *rows, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t i,
    lane *reciprocals, int *order
) noexcept nogil:
    """Eliminate all rows but row i; the product of their pivots, with the sign that row i as the
    last one and the order of the columns give.

    Columns stay in their places, and all of a row is updated: exchanged one by one they would be
    stored as scalars and loaded as vectors, which the processor cannot forward (twice the time)."""
    cdef Py_ssize_t k, p, v
    cdef double product = -1.0 if (n - 1 - i) & 1 else 1.0, pivot
    cdef lane factor
    for k in range(n):
        order[k] = <int> k
    for k in range(n - 1):
        for v in range(pitch):
            rows[k * pitch + v] = x[(k + (k >= i)) * pitch + v]
    for k in range(n - 1):
        product = product * choose_column(rows + k * pitch, n, k, order)
        pivot = element(rows + k * pitch, order[k])
        product = product * pivot
        if pivot == 0:
            return 0.0
        set_element(reciprocals, k, 1.0 / pivot)
        for p in range(k + 1, n - 1):
            factor = broadcast(element(rows + p * pitch, order[k]), x[0])
            factor = factor * broadcast(element(reciprocals, k), x[0])
            for v in range(pitch):
                rows[p * pitch + v] = subtract_product(
                    rows[p * pitch + v], factor, rows[k * pitch + v])
    return product


cdef inline double choose_column(
    const lane *row, Py_ssize_t n, Py_ssize_t k, int *order
) noexcept nogil:
    """Make the column with the largest entry of row k the k-th; the sign of the exchange."""
    cdef Py_ssize_t j, best = k
    cdef double most = fabs(element(row, order[k])), size
    for j in range(k + 1, n):
        size = fabs(element(row, order[j]))
        best = j if size > most else best
        most = size if size > most else most
    if best == k:
        return 1.0
    order[k], order[best] = order[best], order[k]
    return -1.0


cdef inline void last_pivots(
    const lane *upper, Py_ssize_t n, const lane *row, const lane *reciprocals, const int *order,
    lane *moved, Py_ssize_t first, double h, lane *up, lane *down
) noexcept nogil:
    """What elimination leaves of the last row; lane w has column order[first + w] moved by +-h."""
    cdef Py_ssize_t W = width(row[0]), c, k
    cdef lane factor, other, u
    for c in range(n):
        moved[2 * c] = moved[2 * c + 1] = broadcast(element(row, order[c]), row[0])
    for k in range(min(W, n - first)):
        set_element(moved + 2 * (first + k), k, element(row, order[first + k]) + h)
        set_element(moved + 2 * (first + k) + 1, k, element(row, order[first + k]) - h)
    for k in range(n - 1):
        u = broadcast(element(reciprocals, k), row[0])
        factor, other = moved[2 * k] * u, moved[2 * k + 1] * u
        for c in range(k + 1, n):
            u = broadcast(element(upper, k * n + c), row[0])
            moved[2 * c] = subtract_product(moved[2 * c], factor, u)
            moved[2 * c + 1] = subtract_product(moved[2 * c + 1], other, u)
    up[0], down[0] = moved[2 * n - 2], moved[2 * n - 1]


# ---- traces ------------------------------------------------------------------------------------

cdef inline void sweep_trace(
    int function, lane *memory, const batch *b, Py_ssize_t k
) noexcept nogil:
    """The gradient of a trace at matrix k, W entries at a time.

    memory: X (n, m), then A, Q and the products, every entry in all lanes."""
    cdef Py_ssize_t n = b.dimensions[1], m = n, count, first = 0, e, w
    cdef Py_ssize_t variable = 1 if function == OF_TRACE_PRODUCT else 0
    cdef const npy_intp *core = b.steps + (2 if function == OF_TRACE else 3)
    cdef char *target = b.args[1] + k * b.steps[1]
    cdef lane *x = memory
    cdef lane *a
    cdef lane difference
    cdef double h
    if function == OF_TRACE_PRODUCT:
        # A is (m, n) and X is (n, m) in the signature's own letters.
        m, n = b.dimensions[1], b.dimensions[2]
        target = b.args[2] + k * b.steps[2]
    elif function == OF_QUADRATIC_TRACE:
        m = b.dimensions[2]
        core = b.steps + 4
        target = b.args[3] + k * b.steps[3]
    a = x + n * m
    if function == OF_TRACE_PRODUCT:
        spread(a, b.args[0] + k * b.steps[0], m, n, core[0], core[1])
        core = core + 2
    spread(x, b.args[variable] + k * b.steps[variable], n, m, core[0], core[1])
    core = core + 2
    if function == OF_QUADRATIC_TRACE:
        spread(a, b.args[1] + k * b.steps[1], m, m, core[0], core[1])
        spread(a + m * m, b.args[2] + k * b.steps[2], n, n, core[2], core[3])
        core = core + 4
    h = step_of_all(x, n * m)
    while first < n * m:
        count = min(<Py_ssize_t> width(x[0]), n * m - first)
        difference = moved_value(function, x, a, n, m, first, count, h)
        difference = difference - moved_value(function, x, a, n, m, first, count, -h)
        for w in range(count):
            e = first + w
            store_entry(target + e // m * core[0] + e % m * core[1], x[0],
                        element(&difference, w) / moved_by(element(x + e, 0), h, x[0]))
        first += width(x[0])


cdef inline void spread(
    lane *x, const char *source, Py_ssize_t n, Py_ssize_t m,
    Py_ssize_t row_stride, Py_ssize_t column_stride
) noexcept nogil:
    """Every entry of a matrix in all lanes of a vector."""
    cdef Py_ssize_t i, j
    for i in range(n):
        for j in range(m):
            x[i * m + j] = broadcast(read(source + i * row_stride + j * column_stride, x[0]), x[0])


cdef inline double step_of_all(const lane *x, Py_ssize_t count) noexcept nogil:
    """A power of two no smaller than the entries of a matrix that is spread."""
    cdef double most = 0.0
    cdef int e = 0
    cdef Py_ssize_t i
    for i in range(count):
        most = max(most, fabs(element(x + i, 0)))
    if most == 0 or most - most != 0:
        return 1.0
    frexp(most, &e)
    return ldexp(1.0, e)


cdef inline lane moved_value(
    int function, lane *x, lane *a, Py_ssize_t n, Py_ssize_t m, Py_ssize_t first, Py_ssize_t count,
    double h
) noexcept nogil:
    """The trace, with entry first + w of X moved by h in lane w."""
    cdef lane *q = a + m * m
    cdef lane value = broadcast(0.0, x[0])
    cdef double kept[16]
    cdef Py_ssize_t i, w
    for w in range(count):
        kept[w] = element(x + first + w, 0 if w else 1)
        set_element(x + first + w, w, kept[w] + h)
    if function == OF_TRACE:
        for i in range(n):
            value = value + x[i * m + i]
    elif function == OF_TRACE_PRODUCT:
        value = product_sum(a, x, m, n)
    else:
        value = quadratic(x, a, q, n, m, q + n * n, NULL)
    for w in range(count):
        set_element(x + first + w, w, kept[w])
    return value
