"""Gaussian and Gauss-Jordan elimination for n >= 5, one matrix a lane.

Layout: a[i*n + j] holds entry (i, j) of W matrices. Partial pivoting is implicit: rows stay where they
are, `used` masks those that have been pivots, `order[k]` is the row of pivot k (a lane vector of
whole numbers). Columns are taken in panels of RANK; a panel is eliminated first, then its RANK pivot
rows, gathered once, are applied to all other columns while they pass through registers once.

Both eliminations stop before the last pivot. Gauss (`jordan` false) leaves it in a[order[n-1], n-1].
Gauss-Jordan works in place, and with A11 the part eliminated, y = inv(A11) a12, z' = a21' inv(A11)
and v the last pivot it leaves [[inv(A11), y], [-z', v]]; `finish` makes of that, without dividing by
v, inv(A) = [[inv(A11) + y z'/v, -y/v], [-z'/v, 1/v]] or adj(A) = g [[v inv(A11) + y z', -y], [-z', 1]],
g the product of the other pivots: right for a singular A, too (J. Stewart, Linear Algebra Appl. 283
(1998) 151-164).

The order of arithmetic is a promise: entry (i, j) takes a - m_k u_k for k = 0, 1, ... with
m_k = a_ik * (1/p_k), the pivot is the first row of largest magnitude. rows.pxd does the same for one
matrix at a time, so both give the same bits.

Cost: n^3/2 (Gauss) or n^3 (Gauss-Jordan) fused multiply-adds a matrix, 2.5 n^2 lane operations for
the pivot search, n^2 gathers of a lane vector for the pivot rows. Rejected: swapping rows lane by lane
(8 n^2 scalar moves a step for Gauss, 16 n^2 for Gauss-Jordan, against 2.5 n^2 gathers and n^3/6 wasted
products of used rows: slower up to n = 46), masked row moves (n^3 blends).
"""

from libc.math cimport NAN

from lanes cimport (
    absolute, broadcast, either, equal, gather, greater, lane, select, subtract_product, zero_where,
)

cdef enum:
    RANK = 4


cdef inline Py_ssize_t workspace(Py_ssize_t n) noexcept nogil:
    """Lane vectors that `eliminate` and `finish` need beside the matrix."""
    return (2 + 2 * RANK) * n + RANK * RANK


cdef inline void eliminate(
    lane *a, Py_ssize_t n, bint jordan, lane *pivots, lane *order, lane *work
) noexcept nogil:
    """Eliminate n - 1 columns of a in place; pivots[k] and order[k] for all n pivots."""
    cdef lane *used = work
    cdef Py_ssize_t i, start, stop
    for i in range(n):
        used[i] = broadcast(0.0, a[0])
    for i in range((n + RANK - 2) // RANK):
        start = i * RANK
        stop = min(start + RANK, n - 1)
        eliminate_panel(a, n, start, stop, jordan, pivots, order, work)
        collect_pivot_rows(a, n, start, stop, jordan, order, work)
        apply_panel(a, n, start, stop, jordan, work)
    find_pivot(a, n, n - 1, used, &pivots[n - 1], &order[n - 1])


cdef inline void finish(
    lane *a, Py_ssize_t n, lane last, lane body, lane border, lane *work
) noexcept nogil:
    """With u' the row `last` and y the last column: body * a - border * y u' off them,
    border * [u', 1] and -border * y there."""
    cdef lane one = broadcast(1.0, last), row = broadcast(0.0, last), mine, y
    cdef Py_ssize_t i, j
    for j in range(n - 1):
        work[j] = gather(a + j, last, n)
    for i in range(n):
        mine = equal(row, last)
        y = a[i * n + n - 1] * border
        for j in range(n - 1):
            a[i * n + j] = select(mine, border * work[j],
                                  subtract_product(body * a[i * n + j], y, work[j]))
        a[i * n + n - 1] = select(mine, border, -y)
        row = row + one


cdef inline lane parity(const lane *order, Py_ssize_t n) noexcept nogil:
    """The sign of the permutation `order`, from its inversions."""
    cdef lane sign = broadcast(1.0, order[0])
    cdef Py_ssize_t i, k
    for k in range(1, n):
        for i in range(k):
            sign = select(greater(order[i], order[k]), -sign, sign)
    return sign


# ---- a panel: work is used (n), fresh (n), factors (n, RANK), rows (RANK, n), multipliers ----------

cdef inline void find_pivot(
    const lane *a, Py_ssize_t n, Py_ssize_t k, const lane *used, lane *pivot, lane *index
) noexcept nogil:
    """The unused row with the largest |entry| in column k, the first of several; NaN if all are."""
    cdef lane zero = broadcast(0.0, a[0]), one = broadcast(1.0, a[0])
    cdef lane best = -one, at = zero, row = zero, size, larger
    cdef Py_ssize_t i
    for i in range(n):
        size = either(absolute(a[i * n + k]), used[i])
        larger = greater(size, best)
        best = select(larger, size, best)
        at = select(larger, row, at)
        row = row + one
    index[0] = at
    pivot[0] = select(greater(zero, best), broadcast(NAN, one), gather(a + k, at, n))


cdef inline void eliminate_panel(
    lane *a, Py_ssize_t n, Py_ssize_t start, Py_ssize_t stop, bint jordan,
    lane *pivots, lane *order, lane *work
) noexcept nogil:
    """Columns start to stop: factors[i, t] is what row i takes of pivot row t, fresh its new rows."""
    cdef lane *used = work
    cdef lane *fresh = used + n
    cdef lane *factors = fresh + n
    cdef lane *rows = factors + RANK * n
    cdef lane *multipliers = rows + RANK * n
    cdef lane zero = broadcast(0.0, a[0]), one = broadcast(1.0, a[0])
    cdef lane reciprocal, factor, mine, row, entry
    cdef Py_ssize_t i, j, k, t, first
    for i in range((1 + 2 * RANK) * n):
        fresh[i] = zero
    for k in range(start, stop):
        t = k - start
        first = start if jordan else k + 1
        find_pivot(a, n, k, used, &pivots[k], &order[k])
        for j in range(t):
            multipliers[t * RANK + j] = gather(factors + j, order[k], RANK)
        for j in range(first, stop):
            rows[t * n + j] = gather(a + j, order[k], n)
        rows[t * n + k] = one
        reciprocal = zero_where(equal(pivots[k], zero), one / pivots[k])
        row = zero
        for i in range(n):
            mine = equal(row, order[k])
            used[i] = either(used[i], mine)
            fresh[i] = either(fresh[i], mine)
            factor = a[i * n + k] * reciprocal
            if jordan:
                factor = select(mine, -reciprocal, factor)
                a[i * n + k] = zero
                for j in range(t):
                    factors[i * RANK + j] = zero_where(mine, factors[i * RANK + j])
            else:
                factor = zero_where(used[i], factor)
            factors[i * RANK + t] = factor
            for j in range(first, stop):
                entry = zero_where(mine, a[i * n + j]) if jordan else a[i * n + j]
                a[i * n + j] = subtract_product(entry, factor, rows[t * n + j])
            row = row + one


cdef inline void collect_pivot_rows(
    const lane *a, Py_ssize_t n, Py_ssize_t start, Py_ssize_t stop, bint jordan,
    const lane *order, lane *work
) noexcept nogil:
    """rows[t, j] outside the panel: each pivot row as it is when its turn comes."""
    cdef lane *rows = work + (2 + RANK) * n
    cdef lane *multipliers = rows + RANK * n
    cdef lane u
    cdef Py_ssize_t j, s, t
    for j in range(0 if jordan else stop, n):
        if start <= j < stop:
            continue
        for t in range(stop - start):
            u = gather(a + j, order[start + t], n)
            for s in range(t):
                u = subtract_product(u, multipliers[t * RANK + s], rows[s * n + j])
            rows[t * n + j] = u


cdef inline void apply_panel(
    lane *a, Py_ssize_t n, Py_ssize_t start, Py_ssize_t stop, bint jordan, const lane *work
) noexcept nogil:
    """Subtract factors times rows from the columns outside the panel."""
    cdef const lane *fresh = work + n
    cdef const lane *factors = fresh + n
    cdef const lane *rows = factors + RANK * n
    cdef Py_ssize_t i, whole = n - n % 4
    for i in range(0, whole, 4):
        if jordan:
            update_four_rows(a + i * n, n, 0, start, jordan, fresh + i, factors + i * RANK, rows)
        update_four_rows(a + i * n, n, stop, n, jordan, fresh + i, factors + i * RANK, rows)
    for i in range(whole, n):
        if jordan:
            update_row(a + i * n, n, 0, start, jordan, fresh + i, factors + i * RANK, rows)
        update_row(a + i * n, n, stop, n, jordan, fresh + i, factors + i * RANK, rows)


cdef inline void update_row(
    lane *a, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, bint jordan,
    const lane *fresh, const lane *f, const lane *rows
) noexcept nogil:
    cdef Py_ssize_t j
    cdef lane c
    for j in range(first, last):
        c = zero_where(fresh[0], a[j]) if jordan else a[j]
        c = subtract_product(c, f[0], rows[j])
        c = subtract_product(c, f[1], rows[n + j])
        c = subtract_product(c, f[2], rows[2 * n + j])
        a[j] = subtract_product(c, f[3], rows[3 * n + j])


cdef inline void update_four_rows(
    lane *a, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, bint jordan,
    const lane *fresh, const lane *f, const lane *rows
) noexcept nogil:
    """The inner loop: 16 factors stay in registers, 4 loads, 16 multiply-adds, 4 stores a column."""
    cdef lane *b = a + n
    cdef lane *c = b + n
    cdef lane *d = c + n
    cdef lane fa0 = f[0], fa1 = f[1], fa2 = f[2], fa3 = f[3]
    cdef lane fb0 = f[4], fb1 = f[5], fb2 = f[6], fb3 = f[7]
    cdef lane fc0 = f[8], fc1 = f[9], fc2 = f[10], fc3 = f[11]
    cdef lane fd0 = f[12], fd1 = f[13], fd2 = f[14], fd3 = f[15]
    cdef lane p, q, r, s, u
    cdef Py_ssize_t j
    for j in range(first, last):
        p, q, r, s = a[j], b[j], c[j], d[j]
        if jordan:
            p, q = zero_where(fresh[0], p), zero_where(fresh[1], q)
            r, s = zero_where(fresh[2], r), zero_where(fresh[3], s)
        u = rows[j]
        p, q = subtract_product(p, fa0, u), subtract_product(q, fb0, u)
        r, s = subtract_product(r, fc0, u), subtract_product(s, fd0, u)
        u = rows[n + j]
        p, q = subtract_product(p, fa1, u), subtract_product(q, fb1, u)
        r, s = subtract_product(r, fc1, u), subtract_product(s, fd1, u)
        u = rows[2 * n + j]
        p, q = subtract_product(p, fa2, u), subtract_product(q, fb2, u)
        r, s = subtract_product(r, fc2, u), subtract_product(s, fd2, u)
        u = rows[3 * n + j]
        a[j], b[j] = subtract_product(p, fa3, u), subtract_product(q, fb3, u)
        c[j], d[j] = subtract_product(r, fc3, u), subtract_product(s, fd3, u)
