"""Closed forms for n <= 4: determinant and cofactors, one matrix a lane, in twofold arithmetic.

Layout: x[i*n + j] holds entry (i, j) of VD matrices. Cost for n = 2, 3, 4: 4, 40, 200
operations for det, 0, 60, 500 more for the cofactors; the sizes are bound by memory, so twofold
is free. One rounding error a minor is not enough: the sum over minors is twofold, too
(compensating the minors alone gains nothing). float32 comes widened to double.

Twofold loses its 106 bits where terms cancel to less than 2^-48 of their size, and where a product
leaves the exponent range. With r_i the 1-norms of the rows:
- the sum of |terms| of det is at most their product, that of a cofactor of row i the product R_i
  of the others; cancellation is measured against these;
- a minor of two rows that underflows is off by about 2^-1074, which the rows beside it multiply:
  det by at most 2^-1074 (r_0 r_1 + r_2 r_3 + 1), a cofactor by 2^-1074 (r_k + 1). So det is trusted
  if it is larger than 2^-1000 times that sum, the cofactors of row i if R_i is zero or so large;
- what overflows becomes inf or NaN, and stays that to the end.
Lanes that are not trusted are done again one by one in exact arithmetic (exact.pxd), so det is
right to an ulp for every finite matrix, cofactors to an ulp of the largest in their row. They are
called apart, and all else is inlined for each n (determinants.pxd), or GCC leaves the loops over
rows and columns as they are: det then took 1.9, 1.6, 1.1 times the time at n = 2, 3, 4.
Rejected: LU (3e14 u at condition 1e15), plain cofactors (1e21 u), scaling every matrix beforehand
(measurable at n = 2 and 3, needed once in a blue moon), bounds for the single entries (12% of det's
time at n = 4 by count).
"""

from libc.math cimport NAN, isnan, ldexp
from libc.stdint cimport int64_t

from exact cimport exact_determinant
from lanes cimport (
    VD, absolute, both, broadcast, complement, either, element, equal, greater, mask_bits, maximum,
    not_a_number, select, set_element, vd,
)
from twofold cimport minus, normalized, plus, scaled, times, two_product, twofold


cdef extern from "lanes.h" nogil:
    void determinant_apart "APART"(
        void (*redo)(const vd *, int, unsigned int, twofold *, vd *) noexcept nogil,
        const vd *x, int n, unsigned int doubtful, twofold *det, vd *exponent) noexcept
    void cofactors_apart "APART"(
        void (*redo)(const vd *, int, unsigned int, vd *, bint) noexcept nogil,
        const vd *x, int n, unsigned int doubtful, vd *gradient, bint inverse) noexcept


cdef inline twofold closed_determinant(const vd *x, int n, vd *exponent) noexcept nogil:
    """det X as a twofold number times 2^exponent."""
    cdef twofold det = expand(x, n)
    cdef unsigned int doubtful = 0
    exponent[0] = broadcast(0.0, x[0])
    if n > 1:
        doubtful = mask_bits(complement(trusted_determinant(det.high, x, n)))
        if doubtful:
            determinant_apart(redo_determinant, x, n, doubtful, &det, exponent)
    return det


cdef inline void closed_adjugate(const vd *x, int n, vd *gradient) noexcept nogil:
    """gradient[i*n + j] = d det X / d x_ij, the cofactor: adj(X)'."""
    cdef unsigned int doubtful
    cofactors(x, n, gradient)
    if n > 1:
        doubtful = mask_bits(complement(trusted_cofactors(gradient, x, n)))
        if doubtful:
            cofactors_apart(redo_cofactors, x, n, doubtful, gradient, False)


cdef inline void closed_inverse(const vd *x, int n, vd *gradient) noexcept nogil:
    """gradient[i*n + j] = d log|det X| / d x_ij, that is inv(X)'; NaN where X is singular."""
    cdef twofold det = expand(x, n)
    cdef vd trusted = trusted_determinant(det.high, x, n)
    cdef vd one = broadcast(1.0, x[0])
    cdef vd reciprocal = one / det.high
    cdef twofold product = two_product(reciprocal, det.high)
    cdef vd correction = ((one - product.high) - product.low - reciprocal * det.low) * reciprocal
    cdef vd size
    cdef int i
    cofactors(x, n, gradient)
    trusted = both(trusted, trusted_cofactors(gradient, x, n))
    for i in range(n * n):
        gradient[i] = normalized(reciprocal * gradient[i], correction * gradient[i]).high
    size = largest(gradient, n)
    trusted = both(trusted, both(greater(size, broadcast(2.0 ** -900, size)),
                                 greater(broadcast(2.0 ** 1000, size), size)))
    if mask_bits(complement(trusted)):
        cofactors_apart(redo_cofactors, x, n, mask_bits(complement(trusted)), gradient, True)


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

cdef inline vd trusted_determinant(vd det, const vd *x, int n) noexcept nogil:
    """Where neither cancellation nor the exponent range has cost det its digits."""
    cdef vd r[4]
    cdef vd one = broadcast(1.0, det), bound = one, others = one
    row_norms(x, n, r)
    if n == 4:
        bound = r[0] * r[1]
        others = bound + r[2] * r[3] + one
        bound = bound * (r[2] * r[3])
    elif n == 3:
        bound = r[0] * (r[1] * r[2])
        others = r[0] + one
    elif n == 2:
        bound = r[0] * r[1]
    elif n == 1:
        bound = r[0]
    return both(above(det, bound, others), greater(broadcast(2.0 ** 1000, det), bound))


cdef inline vd trusted_cofactors(const vd *c, const vd *x, int n) noexcept nogil:
    """The same for the cofactors: cancellation in the largest, the range in every row."""
    cdef vd r[4]
    cdef vd zero = broadcast(0.0, x[0]), one = broadcast(1.0, x[0]), trusted, bound, most = zero
    cdef vd longest = one
    cdef int i, k
    if n == 1:
        return equal(c[0], c[0])
    row_norms(x, n, r)
    trusted = equal(zero, zero)
    for i in range(n):
        longest = maximum(r[i], longest)
    for i in range(n):
        bound = one
        for k in range(n):
            if k != i:
                bound = bound * r[k]
        most = maximum(bound, most)
        trusted = both(trusted, either(
            equal(bound, zero), greater(bound, longest * broadcast(2.0 ** -960, zero))))
    bound = largest(c, n)
    return both(both(trusted, greater(broadcast(2.0 ** 1000, zero), most)),
                greater(bound, most * broadcast(2.0 ** -48, zero)))


cdef inline vd above(vd value, vd bound, vd others) noexcept nogil:
    """Where |value| exceeds 2^-48 bound and 2^-1000 others, and 2^-900; nowhere for NaN."""
    cdef vd size = absolute(value)
    return both(both(greater(size, bound * broadcast(2.0 ** -48, value)),
                     greater(size, others * broadcast(2.0 ** -1000, value))),
                greater(size, broadcast(2.0 ** -900, value)))


cdef inline void row_norms(const vd *x, int n, vd *r) noexcept nogil:
    cdef int i, j
    for i in range(n):
        r[i] = absolute(x[i * n])
        for j in range(1, n):
            r[i] = r[i] + absolute(x[i * n + j])


cdef inline vd largest(const vd *c, int n) noexcept nogil:
    """The greatest |entry|; NaN if there is one."""
    cdef vd best = absolute(c[0]), size
    cdef int i
    for i in range(1, n * n):
        size = absolute(c[i])
        best = select(either(greater(size, best), not_a_number(size)), size, best)
        best = select(not_a_number(c[i - 1]), c[i - 1], best)
    return best


# ---- the same again, exactly -------------------------------------------------------------------

cdef enum:
    FINITE = 0
    INFINITE = 1
    NOT_A_NUMBER = 2


cdef inline int one_lane(const vd *x, int entries, int lane, double *y) noexcept nogil:
    """Copy the matrix of a lane, and tell the worst that is in it."""
    cdef int i, worst = FINITE
    for i in range(entries):
        y[i] = element(x + i, lane)
        if isnan(y[i]):
            worst = NOT_A_NUMBER
        elif y[i] - y[i] != 0 and worst == FINITE:
            worst = INFINITE
    return worst


cdef inline void redo_determinant(
    const vd *x, int n, unsigned int doubtful, twofold *det, vd *exponent
) noexcept nogil:
    """A NaN gives NaN; what infinities have made of the lane stays, but never a number."""
    cdef double y[16]
    cdef double value
    cdef int64_t e
    cdef int w, worst
    for w in range(VD):
        if not doubtful >> w & 1:
            continue
        worst = one_lane(x, n * n, w, y)
        value, e = element(&det.high, w), 0
        if worst == FINITE:
            value = exact_determinant(y, n, (1 << n) - 1, (1 << n) - 1, &e)
        elif worst == NOT_A_NUMBER or value - value == 0:
            value = NAN
        set_element(&det.high, w, value)
        set_element(&det.low, w, 0.0)
        set_element(exponent, w, <double> e)


cdef inline void redo_cofactors(
    const vd *x, int n, unsigned int doubtful, vd *gradient, bint inverse
) noexcept nogil:
    """All cofactors again, divided by det if `inverse`; a NaN in X goes to every one of them."""
    cdef double y[16]
    cdef double det = 1.0, value
    cdef int64_t det_exponent = 0, e
    cdef unsigned int all = (1 << n) - 1
    cdef int i, j, w, worst
    for w in range(VD):
        if not doubtful >> w & 1:
            continue
        worst = one_lane(x, n * n, w, y)
        if worst == INFINITE:
            continue
        if inverse and worst == FINITE:
            det = exact_determinant(y, n, all, all, &det_exponent)
        for i in range(n):
            for j in range(n):
                value = NAN
                if worst == FINITE and det != 0:
                    value = exact_determinant(y, n, all & ~(1 << i), all & ~(1 << j), &e) / det
                    value = ldexp(-value if (i + j) & 1 else value,
                                  <int> max(-9000, min(9000, e - det_exponent)))
                set_element(gradient + i * n + j, w, value)
