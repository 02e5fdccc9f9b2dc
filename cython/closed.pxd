"""Closed forms for n <= 4: determinant and cofactors, one matrix a lane, in twofold arithmetic.

Layout: x[i*n + j] holds entry (i, j) of VD matrices. Cost for n = 2, 3, 4: 4, 40, 200
operations for det, 0, 60, 500 more for the cofactors; the sizes are bound by memory, so twofold
is free. One rounding error a minor is not enough: the sum over minors is twofold, too
(compensating the minors alone gains nothing). float32 comes widened to double.

Twofold loses its 106 bits where terms cancel to less than 2^-48 of their size or leave the
exponent range. Such lanes are done again from the equilibrated matrix in exact arithmetic
(exact.pxd), so det is right to an ulp, for singular and tiny matrices, too. Known limit: n = 4
with rows scaled apart by more than about 2^500 can still come out as zero. The criterion bounds
the sum of |terms| by the product of the rows' 1-norms. Rejected: LU (3e14 u at condition 1e15),
plain cofactors (1e21 u), scaling every matrix beforehand (measurable at n = 2 and 3, needed
once in a blue moon).
"""

from libc.math cimport NAN

from exact cimport exact_determinant
from lanes cimport (
    absolute, both, broadcast, complement, either, greater, mask_bits, not_a_number, select,
    split_exponent, times_power_of_two, vd, zero_where,
)
from twofold cimport minus, normalized, plus, scaled, times, two_product, twofold


cdef inline twofold closed_determinant(const vd *x, int n, vd *exponent) noexcept nogil:
    """det X as a twofold number times 2^exponent."""
    cdef twofold det = expand(x, n)
    cdef vd doubtful
    exponent[0] = broadcast(0.0, x[0])
    if n > 1:
        doubtful = not_trusted(det.high, row_bound(x, n))
        if mask_bits(doubtful):
            redo_determinant(x, n, doubtful, &det, exponent)
    return det


cdef inline void closed_adjugate(const vd *x, int n, vd *gradient) noexcept nogil:
    """gradient[i*n + j] = d det X / d x_ij, the cofactor: adj(X)'."""
    cdef vd doubtful
    cofactors(x, n, gradient)
    if n > 1:
        doubtful = not_trusted(largest(gradient, n), smaller_row_bound(x, n))
        if mask_bits(doubtful):
            redo_cofactors(x, n, doubtful, gradient, False)


cdef inline void closed_inverse(const vd *x, int n, vd *gradient) noexcept nogil:
    """gradient[i*n + j] = d log|det X| / d x_ij, that is inv(X)'; NaN where X is singular."""
    cdef twofold det = expand(x, n)
    cdef vd doubtful = not_trusted(det.high, row_bound(x, n))
    cdef vd one = broadcast(1.0, x[0])
    cdef vd reciprocal = one / det.high
    cdef twofold product = two_product(reciprocal, det.high)
    cdef vd correction = ((one - product.high) - product.low - reciprocal * det.low) * reciprocal
    cdef int i
    cofactors(x, n, gradient)
    for i in range(n * n):
        gradient[i] = normalized(reciprocal * gradient[i], correction * gradient[i]).high
    doubtful = either(doubtful, not_trusted(largest(gradient, n), largest(gradient, n)))
    if mask_bits(doubtful):
        redo_cofactors(x, n, doubtful, gradient, True)


# ---- expansions ------------------------------------------------------------------------------

cdef inline twofold cross(vd a, vd d, vd b, vd c) noexcept nogil:
    """a*d - b*c."""
    return minus(two_product(a, d), two_product(b, c))


cdef inline twofold alternate(vd a, twofold p, vd b, twofold q, vd c, twofold r) noexcept nogil:
    """a*p - b*q + c*r."""
    return plus(minus(scaled(a, p), scaled(b, q)), scaled(c, r))


cdef inline void minors(const vd *top, const vd *bottom, twofold *m) noexcept nogil:
    """The 2 x 2 minors of two rows of 4, columns 01, 02, 03, 12, 13, 23."""
    m[0] = cross(top[0], bottom[1], top[1], bottom[0])
    m[1] = cross(top[0], bottom[2], top[2], bottom[0])
    m[2] = cross(top[0], bottom[3], top[3], bottom[0])
    m[3] = cross(top[1], bottom[2], top[2], bottom[1])
    m[4] = cross(top[1], bottom[3], top[3], bottom[1])
    m[5] = cross(top[2], bottom[3], top[3], bottom[2])


cdef inline twofold expand(const vd *x, int n) noexcept nogil:
    """det X; n = 4 by Laplace's expansion along two rows."""
    cdef twofold s[6]
    cdef twofold t[6]
    if n == 4:
        minors(x, x + 4, s)
        minors(x + 8, x + 12, t)
        return plus(
            plus(minus(times(s[0], t[5]), times(s[1], t[4])), times(s[2], t[3])),
            plus(minus(times(s[3], t[2]), times(s[4], t[1])), times(s[5], t[0])),
        )
    if n == 3:
        return alternate(x[0], cross(x[4], x[8], x[5], x[7]), x[1], cross(x[3], x[8], x[5], x[6]),
                         x[2], cross(x[3], x[7], x[4], x[6]))
    if n == 2:
        return cross(x[0], x[3], x[1], x[2])
    s[0].high = x[0]
    s[0].low = broadcast(0.0, x[0])
    return s[0]


cdef inline void row_cofactors(const vd *x, const twofold *m, vd *c, bint negative) noexcept nogil:
    """The cofactors of a row of a 4 x 4 matrix, from the row x beside it and two others' minors."""
    cdef int j
    c[0] = alternate(x[1], m[5], x[2], m[4], x[3], m[3]).high
    c[1] = -alternate(x[0], m[5], x[2], m[2], x[3], m[1]).high
    c[2] = alternate(x[0], m[4], x[1], m[2], x[3], m[0]).high
    c[3] = -alternate(x[0], m[3], x[1], m[1], x[2], m[0]).high
    if negative:
        for j in range(4):
            c[j] = -c[j]


cdef inline void cofactors(const vd *x, int n, vd *c) noexcept nogil:
    cdef twofold m[6]
    cdef int i, j, i1, i2, j1, j2
    if n == 4:
        minors(x + 8, x + 12, m)
        row_cofactors(x + 4, m, c, False)
        row_cofactors(x, m, c + 4, True)
        minors(x, x + 4, m)
        row_cofactors(x + 12, m, c + 8, False)
        row_cofactors(x + 8, m, c + 12, True)
    elif n == 3:
        for i in range(3):
            i1, i2 = 3 * ((i + 1) % 3), 3 * ((i + 2) % 3)
            for j in range(3):
                j1, j2 = (j + 1) % 3, (j + 2) % 3
                c[3 * i + j] = cross(x[i1 + j1], x[i2 + j2], x[i1 + j2], x[i2 + j1]).high
    elif n == 2:
        c[0], c[1], c[2], c[3] = x[3], -x[2], -x[1], x[0]
    else:
        c[0] = select(not_a_number(x[0]), x[0], broadcast(1.0, x[0]))


# ---- trust -----------------------------------------------------------------------------------

cdef inline vd not_trusted(vd value, vd bound) noexcept nogil:
    """Where |value| is below 2^-48 bound, near the ends of the exponent range, or NaN."""
    cdef vd size = absolute(value)
    cdef vd sure = both(greater(size, bound * broadcast(2.0 ** -48, value)),
                        greater(size, broadcast(2.0 ** -900, value)))
    return complement(both(sure, greater(broadcast(2.0 ** 1000, value), bound)))


cdef inline vd row_norm(const vd *row, int n) noexcept nogil:
    cdef vd s = absolute(row[0])
    cdef int j
    for j in range(1, n):
        s = s + absolute(row[j])
    return s


cdef inline vd row_bound(const vd *x, int n) noexcept nogil:
    """The product of the rows' 1-norms: no less than the sum of |terms| of det X."""
    cdef vd bound = row_norm(x, n)
    cdef int i
    for i in range(1, n):
        bound = bound * row_norm(x + i * n, n)
    return bound


cdef inline vd smaller_row_bound(const vd *x, int n) noexcept nogil:
    """The same for the largest cofactor: without the row of least norm."""
    cdef vd bound = broadcast(1.0, x[0]), least = row_norm(x, n), norm
    cdef int i
    for i in range(1, n):
        norm = row_norm(x + i * n, n)
        bound = bound * select(greater(norm, least), norm, least)
        least = select(greater(norm, least), least, norm)
    return select(not_a_number(least), least, bound)


cdef inline vd largest(const vd *c, int n) noexcept nogil:
    """The greatest |entry|; NaN if there is one."""
    cdef vd best = absolute(c[0]), size
    cdef int i
    for i in range(1, n * n):
        size = absolute(c[i])
        best = select(either(greater(size, best), not_a_number(size)), size, best)
        best = select(not_a_number(c[i - 1]), c[i - 1], best)
    return best


# ---- the same again, from the equilibrated matrix, exactly -------------------------------------

cdef inline vd equilibrate(const vd *x, int n, vd *y, vd *rows, vd *columns) noexcept nogil:
    """x_ij = y_ij 2^(rows_i + columns_j), y of size 1; the sum of all the exponents."""
    cdef vd size, total = broadcast(0.0, x[0])
    cdef int i, j
    for j in range(n):
        size = absolute(x[j])
        for i in range(1, n):
            size = select(greater(absolute(x[i * n + j]), size), absolute(x[i * n + j]), size)
        split_exponent(size, &columns[j])
        for i in range(n):
            y[i * n + j] = times_power_of_two(x[i * n + j], -columns[j])
        total = total + columns[j]
    for i in range(n):
        size = absolute(y[i * n])
        for j in range(1, n):
            size = select(greater(absolute(y[i * n + j]), size), absolute(y[i * n + j]), size)
        split_exponent(size, &rows[i])
        for j in range(n):
            y[i * n + j] = times_power_of_two(y[i * n + j], -rows[i])
        total = total + rows[i]
    return total


cdef inline void redo_determinant(
    const vd *x, int n, vd doubtful, twofold *det, vd *exponent
) noexcept nogil:
    cdef vd y[16]
    cdef vd rows[4]
    cdef vd columns[4]
    cdef vd total = equilibrate(x, n, y, rows, columns)
    det.high = select(doubtful, exact_determinant(y, n, n), det.high)
    det.low = zero_where(doubtful, det.low)
    exponent[0] = select(doubtful, total, exponent[0])


cdef inline void redo_cofactors(
    const vd *x, int n, vd doubtful, vd *gradient, bint inverse
) noexcept nogil:
    """All cofactors again, divided by det if `inverse`; a NaN in X goes to every one of them."""
    cdef vd y[16]
    cdef vd rows[4]
    cdef vd columns[4]
    cdef vd minor[9]
    cdef vd value, total, det, poison = broadcast(0.0, x[0])
    cdef int i, j, k
    total = equilibrate(x, n, y, rows, columns)
    det = exact_determinant(y, n, n)
    poison = either(zero_where(complement(not_a_number(largest(x, n))), largest(x, n)), poison)
    for i in range(n):
        for j in range(n):
            for k in range((n - 1) * (n - 1)):
                minor[k] = y[(k // (n - 1) + (k // (n - 1) >= i)) * n
                             + k % (n - 1) + (k % (n - 1) >= j)]
            value = exact_determinant(minor, n - 1, n - 1)
            value = (-value if (i + j) & 1 else value) + poison
            if inverse:
                value = select(equal_zero(det), broadcast(NAN, det), value / det)
                value = times_power_of_two(value, -rows[i] - columns[j])
            else:
                value = times_power_of_two(value, total - rows[i] - columns[j])
            gradient[i * n + j] = select(doubtful, value, gradient[i * n + j])


cdef inline vd equal_zero(vd a) noexcept nogil:
    return complement(either(greater(absolute(a), broadcast(0.0, a)), not_a_number(a)))
