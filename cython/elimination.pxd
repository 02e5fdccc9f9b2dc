"""Gaussian and Gauss-Jordan elimination beyond the sizes of fixed.pxd, one matrix a lane.

Layout: a[i*pitch + j] holds entry (i, j) of W matrices. Partial pivoting is implicit: rows stay
where they are, `used` masks those that have been pivots, `order[k]` is the row of pivot k (a
lane vector of whole numbers). Columns are taken in panels of RANK, copied to where their factors
will stand. A column is brought up to date and its pivot sought in one pass, its factors computed
in a second; then the panel's pivot rows, gathered once, are applied to all other columns while
four rows at a time pass through registers.

Both eliminations stop before the last pivot. Gauss (`jordan` false) leaves it in column n - 1 of
row order[n-1]. Gauss-Jordan works in place: with A11 the part eliminated, y = inv(A11) a12,
z' = a21' inv(A11) and v the last pivot, it leaves [[inv(A11), y], [-z', v]]. Of that `finish` makes

    inv(A) = [[inv(A11) + y z'/v, -y/v], [-z'/v, 1/v]]   or
    adj(A) = g [[v inv(A11) + y z', -y], [-z', 1]],   g the product of the other pivots,

the second without dividing by v: right for a singular A, too (J. Stewart, "On the adjugate
matrix", Linear Algebra Appl. 283 (1998) 151-164).

The order of arithmetic is a promise: entry (i, j) takes a - m_k u_k for k = 0, 1, ... with m_k
= a_ik * (1/p_k), the pivot is the first row of largest magnitude. rows.pxd does the same for
one matrix at a time, so both give the same bits.

Cost: n^3/2 (Gauss) or n^3 (Gauss-Jordan) fused multiply-adds a matrix, about 20 n^2 lane
operations for the passes, n^2 gathers of a lane vector for the pivot rows. Rejected: swapping
rows lane by lane (by count 8 n^2 scalar moves for Gauss, 16 n^2 for Gauss-Jordan, against n^2/2
gathers and n^3/6 wasted products of used rows: more up to n = 46), masked row moves (n^3
blends), updating the rest of the panel after every column (more stores; measured on AVX-512,
det took 1.6 times the time at n = 32 and 1.3 times at n = 8), a pass of its own for the row of
the pivot (det 1.4 times at n = 16), gathering the pivot after the search (det 1.08 times at n = 8,
1.04 at n = 16), marking the pivots' rows by scalar stores (det 1.06 times at
n = 8, inv 1.3 times). Figures for n = 8 and 16 are from before fixed.pxd took these sizes.
"""

from libc.math cimport NAN

from lanes cimport (
    absolute, both, broadcast, differ, either, equal, gather, greater, lane, load_unless, maximum,
    select, subtract_product, zero_where,
)

cdef enum:
    RANK = 4


cdef inline Py_ssize_t lane_pitch(Py_ssize_t n) noexcept nogil:
    """Lane vectors a row: no multiple of 8, or the entries of a column would share cache sets; nor
    such that of four rows two come near each other within a page, where a processor takes what is
    loaded from one for what has just been stored in the other (det and inv took 1.12 to 1.2 and 1.1
    to 1.3 times the time at n = 64)."""
    cdef Py_ssize_t pitch = n
    while pitch & 7 == 0 or aliases(pitch) or aliases(2 * pitch) or aliases(3 * pitch):
        pitch += 1
    return pitch


cdef inline bint aliases(Py_ssize_t vectors) noexcept nogil:
    """Whether so many vectors of 64 bytes are two of them or less from whole pages; shorter ones
    have the same pitch."""
    return (vectors + 2) & 63 < 5


cdef inline Py_ssize_t workspace(Py_ssize_t n) noexcept nogil:
    """Lane vectors that `eliminate` and `finish` need beside the matrix."""
    return (2 + 2 * RANK) * n + RANK * RANK


cdef inline void eliminate(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, bint jordan, lane *pivots, lane *order, lane *work
) noexcept nogil:
    """Eliminate n - 1 columns of a in place; pivots[k] and order[k] for all n pivots.

    work: used (n), fresh (n), factors (n, RANK), rows (n, RANK), multipliers (RANK, RANK).
    """
    cdef lane *used = work
    cdef Py_ssize_t i, start, stop
    for i in range(n):
        used[i] = broadcast(0.0, a[0])
    for i in range((n + RANK - 2) // RANK):
        start = i * RANK
        stop = min(start + RANK, n - 1)
        eliminate_panel(a, n, pitch, start, stop, jordan, pivots, order, work)
        collect_pivot_rows(a, n, pitch, start, stop, jordan, order, work)
        apply_panel(a, n, pitch, start, stop, jordan, work)
    find_pivot(a + n - 1, pitch, n, 0, False, NULL, NULL, used, &pivots[n - 1], &order[n - 1])


cdef inline void finish(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, lane last, lane body, lane border, lane *work
) noexcept nogil:
    """With u' the row `last` and y the last column: body * a - border * y u' off them,
    border * [u', 1] and -border * y there."""
    cdef lane one = broadcast(1.0, last), row = broadcast(0.0, last), mine, y
    cdef Py_ssize_t i, j
    for j in range(n - 1):
        work[j] = gather(a + j, last, pitch)
    for i in range(n):
        mine = equal(row, last)
        y = a[i * pitch + n - 1] * border
        for j in range(n - 1):
            a[i * pitch + j] = select(mine, border * work[j],
                                      subtract_product(body * a[i * pitch + j], y, work[j]))
        a[i * pitch + n - 1] = select(mine, border, -y)
        row = row + one


cdef inline lane parity(const lane *order, Py_ssize_t n) noexcept nogil:
    """The sign of the permutation `order`: that of a product of differences, one each two of it."""
    cdef lane signs = broadcast(0.0, order[0])
    cdef Py_ssize_t i, k
    for k in range(1, n):
        for i in range(k):
            signs = differ(signs, order[k] - order[i])
    return either(both(signs, broadcast(-0.0, signs)), broadcast(1.0, signs))


# ---- a panel -----------------------------------------------------------------------------------

cdef inline void eliminate_panel(
    const lane *a, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t start, Py_ssize_t stop, bint jordan,
    lane *pivots, lane *order, lane *work
) noexcept nogil:
    """Columns start to stop: row i takes factors[i, t] of pivot row t; fresh masks pivot rows.

    The columns are copied to `factors`, where they become them: n rows of RANK vectors lie close
    together, a column of the matrix has a page for each entry.
    """
    cdef lane *used = work
    cdef lane *fresh = used + n
    cdef lane *factors = fresh + n
    cdef lane *rows = factors + RANK * n
    cdef lane *multipliers = rows + RANK * n
    cdef Py_ssize_t k, s, t
    take_columns(a, n, pitch, start, stop, jordan, fresh, factors)
    for k in range(start, stop):
        t = k - start
        for s in range(t):
            pivot_row_up_to_date(factors + t, RANK, 0, 1, s, order[start + s], rows + k * RANK,
                                 multipliers)
        if t == 0:
            eliminate_column(n, 0, jordan, pivots + k, order + k, used, fresh, factors,
                             rows + k * RANK, multipliers)
        elif t == 1:
            eliminate_column(n, 1, jordan, pivots + k, order + k, used, fresh, factors,
                             rows + k * RANK, multipliers)
        elif t == 2:
            eliminate_column(n, 2, jordan, pivots + k, order + k, used, fresh, factors,
                             rows + k * RANK, multipliers)
        else:
            eliminate_column(n, 3, jordan, pivots + k, order + k, used, fresh, factors,
                             rows + k * RANK, multipliers)


cdef inline void take_columns(
    const lane *a, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t start, Py_ssize_t stop, bint jordan,
    lane *fresh, lane *factors
) noexcept nogil:
    cdef lane zero = broadcast(0.0, a[0])
    cdef Py_ssize_t i, t
    for i in range(n):
        if jordan:
            fresh[i] = zero
        for t in range(RANK):
            factors[i * RANK + t] = a[i * pitch + start + t] if start + t < stop else zero


cdef inline void pivot_row_up_to_date(
    const lane *a, Py_ssize_t pitch, Py_ssize_t first, Py_ssize_t last, Py_ssize_t t, lane index,
    lane *rows, const lane *multipliers
) noexcept nogil:
    """rows[j, t] for first <= j < last: pivot row t of the panel as it is when its turn comes."""
    cdef Py_ssize_t j
    cdef lane m0 = multipliers[t * RANK], m1 = multipliers[t * RANK + 1]
    cdef lane m2 = multipliers[t * RANK + 2], u
    for j in range(first, last):
        u = gather(a + j, index, pitch)
        if t > 0:
            u = subtract_product(u, m0, rows[j * RANK])
        if t > 1:
            u = subtract_product(u, m1, rows[j * RANK + 1])
        if t > 2:
            u = subtract_product(u, m2, rows[j * RANK + 2])
        rows[j * RANK + t] = u


cdef inline void eliminate_column(
    Py_ssize_t n, int t, bint jordan, lane *pivot, lane *index,
    lane *used, lane *fresh, lane *factors, const lane *u, lane *multipliers
) noexcept nogil:
    """Column t of the panel: its pivot, what the pivot's row takes of those before, its factors."""
    cdef int s
    find_pivot(factors, RANK, n, t, jordan, fresh, u, used, pivot, index)
    for s in range(t):
        multipliers[t * RANK + s] = gather(factors + s, index[0], RANK)
    if jordan:
        note_factors(n, t, pivot[0], index[0], used, fresh, factors)
    else:
        note_multiples(n, pivot[0], index[0], used, factors + t)


cdef inline void find_pivot(
    lane *a, Py_ssize_t pitch, Py_ssize_t n, int t, bint jordan, const lane *fresh, const lane *u,
    const lane *used, lane *pivot, lane *index
) noexcept nogil:
    """The first unused row with the largest |entry| in column t of a; NaN if all are NaN.

    Two rows are compared at a time, each with its own best, since one would wait for itself."""
    cdef lane one = broadcast(1.0, used[0]), two = one + one, none = -one, row = broadcast(0.0, one)
    cdef lane most = none, at = row, entry = broadcast(NAN, one)
    cdef lane most_second = none, at_second = row, entry_second = entry, later
    cdef Py_ssize_t i
    for i in range(0, n - 1, 2):
        compare(up_to_date(a + i * pitch, t, jordan, fresh + i, u), used[i], row,
                &most, &at, &entry)
        compare(up_to_date(a + (i + 1) * pitch, t, jordan, fresh + i + 1, u), used[i + 1],
                row + one, &most_second, &at_second, &entry_second)
        row = row + two
    if n & 1:
        i = n - 1
        compare(up_to_date(a + i * pitch, t, jordan, fresh + i, u), used[i], row,
                &most, &at, &entry)
    later = either(greater(most_second, most),
                   both(equal(most_second, most), greater(at, at_second)))
    index[0] = select(later, at_second, at)
    pivot[0] = select(later, entry_second, entry)


cdef inline lane up_to_date(
    lane *row, int t, bint jordan, const lane *fresh, const lane *u
) noexcept nogil:
    """Entry t of a row after the t pivots of the panel before it, three at most."""
    cdef lane c
    if t == 0:
        return row[0]
    c = load_unless(fresh[0], row + t) if jordan else row[t]
    c = subtract_product(c, row[0], u[0])
    if t > 1:
        c = subtract_product(c, row[1], u[1])
    if t > 2:
        c = subtract_product(c, row[2], u[2])
    row[t] = c
    return c


cdef inline void compare(
    lane c, lane used, lane row, lane *most, lane *at, lane *entry
) noexcept nogil:
    """Take a row for the best so far if it is better; a used one counts as NaN, which never is."""
    cdef lane size = either(absolute(c), used), better = greater(size, most[0])
    at[0] = select(better, row, at[0])
    entry[0] = select(better, c, entry[0])
    most[0] = maximum(size, most[0])


cdef inline void note_multiples(
    Py_ssize_t n, lane pivot, lane index, lane *used, lane *column
) noexcept nogil:
    """a_i / pivot; used rows are not read again, whatever is subtracted from them."""
    cdef lane zero = broadcast(0.0, pivot), one = broadcast(1.0, pivot)
    cdef lane reciprocal = zero_where(equal(pivot, zero), one / pivot)
    cdef lane row = zero
    cdef Py_ssize_t i
    for i in range(n):
        column[i * RANK] = column[i * RANK] * reciprocal
        used[i] = either(used[i], equal(row, index))
        row = row + one


cdef inline void note_factors(
    Py_ssize_t n, int t, lane pivot, lane index, lane *used, lane *fresh, lane *factors
) noexcept nogil:
    """a_i / pivot, and in the pivot's own row -1/pivot, with zeros before it."""
    cdef lane zero = broadcast(0.0, pivot), one = broadcast(1.0, pivot), row = zero, mine
    cdef lane reciprocal = zero_where(equal(pivot, zero), one / pivot)
    cdef lane *f = factors
    cdef Py_ssize_t i
    cdef int s
    for i in range(n):
        mine = equal(row, index)
        used[i] = either(used[i], mine)
        fresh[i] = either(fresh[i], mine)
        for s in range(t):
            f[s] = zero_where(mine, f[s])
        f[t] = select(mine, -reciprocal, f[t] * reciprocal)
        row = row + one
        f += RANK


cdef inline void collect_pivot_rows(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t start, Py_ssize_t stop, bint jordan,
    const lane *order, lane *work
) noexcept nogil:
    """rows[j, t] for the columns to be updated; those of the panel itself begin as unit columns."""
    cdef lane *rows = work + (2 + RANK) * n
    cdef lane *multipliers = rows + RANK * n
    cdef Py_ssize_t j, s, t
    for t in range(stop - start):
        if jordan:
            pivot_row_up_to_date(a, pitch, 0, start, t, order[start + t], rows, multipliers)
        pivot_row_up_to_date(a, pitch, stop, n, t, order[start + t], rows, multipliers)
        for j in range(start, stop if jordan else start):
            rows[j * RANK + t] = broadcast(1.0 if t == j - start else 0.0, a[0])
            for s in range(j - start, t):
                rows[j * RANK + t] = subtract_product(
                    rows[j * RANK + t], multipliers[t * RANK + s], rows[j * RANK + s])
    for t in range(stop - start, RANK):
        for j in range(n):
            rows[j * RANK + t] = broadcast(0.0, a[0])


cdef inline void apply_panel(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, Py_ssize_t start, Py_ssize_t stop, bint jordan,
    const lane *work
) noexcept nogil:
    """Subtract factors times rows: from all columns to the right of the panel, with Gauss-Jordan
    from all others, too, where the panel's own begin as zero."""
    cdef const lane *fresh = work + n
    cdef const lane *factors = fresh + n
    cdef const lane *rows = factors + RANK * n
    cdef Py_ssize_t i, j, whole = n - n % 4
    if jordan:
        for i in range(n):
            for j in range(start, stop):
                a[i * pitch + j] = broadcast(0.0, a[0])
    for i in range(0, whole, 4):
        update_four_rows(a + i * pitch, pitch, 0 if jordan else stop, n, jordan, fresh + i,
                         factors + i * RANK, rows)
    for i in range(whole, n):
        update_row(a + i * pitch, 0 if jordan else stop, n, jordan, fresh + i, factors + i * RANK,
                   rows)


cdef inline void update_row(
    lane *a, Py_ssize_t first, Py_ssize_t last, bint jordan, const lane *fresh, const lane *f,
    const lane *rows
) noexcept nogil:
    cdef Py_ssize_t j
    cdef lane c
    for j in range(first, last):
        c = load_unless(fresh[0], a + j) if jordan else a[j]
        c = subtract_product(c, f[0], rows[j * RANK])
        c = subtract_product(c, f[1], rows[j * RANK + 1])
        c = subtract_product(c, f[2], rows[j * RANK + 2])
        a[j] = subtract_product(c, f[3], rows[j * RANK + 3])


cdef inline void update_four_rows(
    lane *a, Py_ssize_t pitch, Py_ssize_t first, Py_ssize_t last, bint jordan,
    const lane *fresh, const lane *f, const lane *rows
) noexcept nogil:
    """The inner loop: 16 factors in registers; 8 loads, 16 multiply-adds, 4 stores a column."""
    cdef lane *b = a + pitch
    cdef lane *c = b + pitch
    cdef lane *d = c + pitch
    cdef lane fa0 = f[0], fa1 = f[1], fa2 = f[2], fa3 = f[3]
    cdef lane fb0 = f[4], fb1 = f[5], fb2 = f[6], fb3 = f[7]
    cdef lane fc0 = f[8], fc1 = f[9], fc2 = f[10], fc3 = f[11]
    cdef lane fd0 = f[12], fd1 = f[13], fd2 = f[14], fd3 = f[15]
    cdef lane new_a = fresh[0], new_b = fresh[1], new_c = fresh[2], new_d = fresh[3]
    cdef lane p, q, r, s, u
    cdef Py_ssize_t j
    for j in range(first, last):
        if jordan:
            p, q = load_unless(new_a, a + j), load_unless(new_b, b + j)
            r, s = load_unless(new_c, c + j), load_unless(new_d, d + j)
        else:
            p, q, r, s = a[j], b[j], c[j], d[j]
        u = rows[j * RANK]
        p, q = subtract_product(p, fa0, u), subtract_product(q, fb0, u)
        r, s = subtract_product(r, fc0, u), subtract_product(s, fd0, u)
        u = rows[j * RANK + 1]
        p, q = subtract_product(p, fa1, u), subtract_product(q, fb1, u)
        r, s = subtract_product(r, fc1, u), subtract_product(s, fd1, u)
        u = rows[j * RANK + 2]
        p, q = subtract_product(p, fa2, u), subtract_product(q, fb2, u)
        r, s = subtract_product(r, fc2, u), subtract_product(s, fd2, u)
        u = rows[j * RANK + 3]
        a[j], b[j] = subtract_product(p, fa3, u), subtract_product(q, fb3, u)
        c[j], d[j] = subtract_product(r, fc3, u), subtract_product(s, fd3, u)
