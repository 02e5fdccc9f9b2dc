"""Finite-difference gradients of the kernels: W perturbed matrices of one matrix, one a lane.

Central differences (f(X + h E_ij) - f(X - h E_ij)) / 2h at every entry (i, j), h a power of two
no smaller than the entries: tr X, tr(AX) and det X are affine in each entry, tr(XAX'Q) is
quadratic, so nothing is truncated, and a large step leaves the least rounding.

- det X. For the entries of row i the other rows are the same: they are eliminated once, by row
  with column pivoting (in vectors along the rows), and then W perturbed rows i at a time, one a
  lane, against broadcasts of them. No inverse and no cofactor is used, so that a gradient built on
  these can be checked. The eliminations of neighbouring rows share what they can: all rows but
  those of one half of the matrix are eliminated for all of this half, and so on by halves, which
  takes n^3 in all instead of n^4/3 and n log2 n searches for a pivot instead of n^2 (0.6 of the
  time at n = 16). Cost: n^3 + n^4 multiply-adds for all entries. Rejected: a factorisation for
  every entry (2 n^5/3: 8 times as much at n = 16 by count).
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
from pack cimport read
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
    """Lane vectors of memory: what sweep_determinant lays out."""
    return (5 * n + 3) * pitch_of(n, like) + 2 * n + 2


cdef inline Py_ssize_t pitch_of(Py_ssize_t n, lane like) noexcept nogil:
    return (n + width(like) - 1) // width(like)


cdef inline int sweep_determinant(
    int function, lane *memory, const batch *b, Py_ssize_t k
) noexcept nogil:
    """The gradient of det, or of log|det|, at matrix k.

    memory: X, the gradient and det (n pitch + 1), the eliminated rows, the order of the columns
    and its sign (2 pitch, integers), reciprocals of the pivots (pitch), factors of the row moved
    up and down (2 n), what is left of halves of X (2 n pitch)."""
    cdef Py_ssize_t n = b.dimensions[1], pitch = pitch_of(n, memory[0]), i, j
    cdef lane *x = memory
    cdef lane *gradient = x + n * pitch
    cdef lane *rows = gradient + n * pitch + 1
    cdef int *order = <int *> (rows + n * pitch)
    cdef char *target = b.args[1] + k * b.steps[1]
    cdef double det, entry
    cdef bint nan = read_rows(x, pitch, b.args[0] + k * b.steps[0], n, b.steps[2], b.steps[3])
    if not nan:
        for j in range(n):
            order[j] = <int> j
        order[n] = 1
        differences_of_rows(
            x, gradient, rows, order, rows + (n + 3) * pitch + 2 * n, x, n, pitch, 0, n, 1.0)
    det = element(gradient + n * pitch, 0)
    for i in range(n):
        for j in range(n):
            entry = NAN if nan else element(gradient + i * pitch, j)
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


cdef inline void differences_of_rows(
    const lane *x, lane *gradient, lane *rows, int *order, lane *free, const lane *block,
    Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t first, Py_ssize_t stop, double product
) noexcept nogil:
    """d det / d x_ij for rows i from first to stop, when all others are eliminated.

    block: what elimination has left of these rows. product: the pivots', with the sign of the order
    of the rows. Zero if a pivot was: det is zero then whatever these rows are."""
    cdef Py_ssize_t half = (stop - first) // 2, other = stop - first - half, i
    cdef Py_ssize_t done = n - (stop - first), middle = first + half
    cdef double pivots
    if stop - first <= 1 or product == 0:
        for i in range(first, stop):
            differences_of_row(x + i * pitch, gradient, rows, order, n, pitch, i, product)
        return
    # The first half last: rows of one half that pass an odd number of the other's change the sign.
    pivots = eliminate_half(block + half * pitch, other, block, half, rows, order, free, n, pitch,
                            done, -product if half & other & 1 else product)
    differences_of_rows(x, gradient, rows, order, free + half * pitch, free, n, pitch,
                        first, middle, pivots)
    pivots = eliminate_half(block, half, block + half * pitch, other, rows, order, free, n, pitch,
                            done, product)
    differences_of_rows(x, gradient, rows, order, free + other * pitch, free, n, pitch,
                        middle, stop, pivots)


cdef inline double eliminate_half(
    const lane *half, Py_ssize_t count, const lane *other, Py_ssize_t kept, lane *rows, int *order,
    lane *left, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t done, double product
) noexcept nogil:
    """Eliminate a half after the rows that are done, in rows; left: what is left of the other.

    Returns the product of the pivots. Columns stay in their places, and all of a row is updated:
    exchanged one by one they would be stored as scalars and loaded as vectors, which the processor
    cannot forward (twice the time). A row that is left alone is not needed."""
    cdef lane *reciprocals = reciprocals_of(rows, n, pitch)
    cdef Py_ssize_t k
    cdef double pivot
    copy_vectors(rows + done * pitch, half, count * pitch)
    copy_vectors(left, other, kept * pitch)
    kept = 0 if kept == 1 else kept
    for k in range(done, done + count):
        choose_column(rows + k * pitch, n, k, order)
        pivot = element(rows + k * pitch, order[k])
        product = product * pivot
        if pivot == 0:
            return 0.0
        set_element(reciprocals, k, 1.0 / pivot)
        subtract_row(rows + (k + 1) * pitch, done + count - k - 1, rows + k * pitch, pitch,
                     order[k], 1.0 / pivot)
        subtract_row(left, kept, rows + k * pitch, pitch, order[k], 1.0 / pivot)
    return product


cdef inline lane *reciprocals_of(lane *rows, Py_ssize_t n, Py_ssize_t pitch) noexcept nogil:
    return rows + (n + 2) * pitch


cdef inline void copy_vectors(lane *target, const lane *source, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t v
    for v in range(count):
        target[v] = source[v]


cdef inline void subtract_row(
    lane *target, Py_ssize_t count, const lane *row, Py_ssize_t pitch, Py_ssize_t column,
    double reciprocal
) noexcept nogil:
    """Subtract the multiple of a row that clears a column from rows that follow one another."""
    cdef Py_ssize_t _p, v
    cdef lane factor
    for _p in range(count):
        factor = broadcast(element(target, column) * reciprocal, row[0])
        for v in range(pitch):
            target[v] = subtract_product(target[v], factor, row[v])
        target += pitch


cdef inline void choose_column(
    const lane *row, Py_ssize_t n, Py_ssize_t k, int *order
) noexcept nogil:
    """Make the column with the largest entry of row k the k-th; order[n] is the order's sign."""
    cdef Py_ssize_t j, best = k
    cdef double most = fabs(element(row, order[k])), size
    for j in range(k + 1, n):
        size = fabs(element(row, order[j]))
        best = j if size > most else best
        most = size if size > most else most
    if best != k:
        order[k], order[best] = order[best], order[k]
        order[n] = -order[n]


cdef inline void differences_of_row(
    const lane *row, lane *gradient, lane *rows, const int *order,
    Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t i, double product
) noexcept nogil:
    """Row i of the gradient, when all others are eliminated; and det, from the first row."""
    cdef Py_ssize_t W = width(row[0]), first = 0, j, w
    cdef double h = step_of(row, n), others = product * order[n]
    cdef lane up, down
    while first < n:
        if product != 0:
            last_pivots(rows, row, order, n, pitch, first, h, &up, &down)
        for w in range(min(W, n - first)):
            j = order[first + w]
            set_element(gradient + i * pitch, j, 0.0 if product == 0 else others * (
                (element(&up, w) - element(&down, w)) / moved_by(element(row, j), h, row[0])))
        first += W
    if i == 0:
        last_pivots(rows, row, order, n, pitch, n, 0.0, &up, &down)
        set_element(gradient + n * pitch, 0, 0.0 if product == 0 else others * element(&up, 0))


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


cdef inline void last_pivots(
    lane *rows, const lane *row, const int *order, Py_ssize_t n, Py_ssize_t pitch,
    Py_ssize_t first, double h, lane *up, lane *down
) noexcept nogil:
    """What elimination leaves of the last row; lane w has column order[first + w] moved by +-h.

    Column by column, each from all before it, so that sums stay in registers."""
    cdef lane *reciprocals = reciprocals_of(rows, n, pitch)
    cdef lane *factors = reciprocals + pitch
    cdef Py_ssize_t c, k
    cdef lane u, above, below
    for c in range(n):
        above = below = broadcast(element(row, order[c]), row[0])
        if first <= c < first + width(row[0]):
            set_element(&above, c - first, element(row, order[c]) + h)
            set_element(&below, c - first, element(row, order[c]) - h)
        for k in range(c):
            u = broadcast(element(rows + k * pitch, order[c]), row[0])
            above = subtract_product(above, factors[2 * k], u)
            below = subtract_product(below, factors[2 * k + 1], u)
        up[0], down[0] = above, below
        if c < n - 1:
            u = broadcast(element(reciprocals, c), row[0])
            factors[2 * c], factors[2 * c + 1] = above * u, below * u


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
