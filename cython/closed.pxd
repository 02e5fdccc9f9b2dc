"""Closed forms for n <= 4: determinant and cofactors, one matrix a lane, right to an ulp.

Layout: x[i*n + j] holds entry (i, j) of VD matrices. The 2 x 2 minors (n = 4) or the cofactors of
the first row (n = 3) are formed once, for the determinant and for the gradient. One rounding error
a minor is not enough for that ulp: doubles are summed in twofold arithmetic, the sum over minors,
too (compensating the minors alone gains nothing). floats come widened, and their products are
exact: plain doubles do. Cost for n = 2, 3, 4: 9, 40, 140 operations for det, 0, 60, 260 more for
the cofactors; plain 2, 9, 36 and 0, 12, 48; some 20 to 70 for the trust in either.

A group whose lanes can all be trusted takes `trusted_forms`, which keeps nothing for later: n = 4
has 78 spills then instead of 113, and inv takes 0.92 of the time. Others take `closed_forms`, where
plain doubles that are not trusted are done again in twofold arithmetic, twofold numbers one by one
in exact arithmetic (exact.pxd): so det is right to an ulp for every finite matrix, cofactors to an
ulp of the largest in their row. What is done again is called apart, and all before it is inlined
for each n (closed_batches.pxd), or GCC leaves the loops over rows and columns as they are: det then
took 1.9, 1.6, 1.1 times the time.
Rejected: LU (3e14 u at condition 1e15), plain cofactors of doubles (1e21 u), scaling every matrix
beforehand (measurable at n = 2 and 3, needed once in a blue moon), bounds for the single entries
(12% of det's time at n = 4 by count).
"""

from libc.math cimport NAN, isnan, ldexp
from libc.stdint cimport int64_t

from exact cimport exact_determinant
from lanes cimport (
    DOUBLES, VD, both, broadcast, complement, element, mask_bits, multiply_add, not_a_number,
    product_rest, select, set_element, subtract_product, vd,
)
from plain cimport GRADIENT_NONE, GRADIENT_OF_DET, GRADIENT_OF_LOGDET
from results cimport request
from trust cimport (
    all_rows, implied_cofactors, other_rows, proven_cofactors, row_norms, trusted_determinant,
)
from twofold cimport (
    added_product, anchor, normalized, number, subtracted_product, three_terms, two_terms, twofold,
)


cdef extern from "lanes.h" nogil:
    void determinant_apart "APART"(
        void (*redo)(const vd *, int, unsigned int, twofold *, vd *) noexcept nogil,
        const vd *x, int n, unsigned int doubtful, twofold *det, vd *exponent) noexcept
    void gradient_apart "APART"(
        void (*redo)(const vd *, int, unsigned int, vd *, bint) noexcept nogil,
        const vd *x, int n, unsigned int doubtful, vd *gradient, bint inverse) noexcept

cdef enum:
    MINORS = 12


cdef inline bint trusted_forms(
    number like, const request *asked, const vd *x, int n, twofold *det, vd *gradient
) noexcept nogil:
    """det X as a twofold number and gradient[i*n + j] = d det X / d x_ij, the cofactor, or
    d log|det X| / d x_ij, that is inv(X)', as asked for, of 2 x 2 to 4 x 4 matrices; false, and
    no gradient, unless all lanes can be trusted."""
    cdef number m[MINORS]
    cdef vd r[4]
    cdef vd R[4]
    cdef vd trusted
    cdef bint inverse = asked.gradient == GRADIENT_OF_LOGDET
    row_norms(x, n, r)
    minors(x, r, n, m)
    det[0] = expand(x, m, r, n)
    other_rows(r, n, R)
    if asked.gradient and n > 2 and (asked.det or inverse):
        trusted = implied_cofactors(m[0], inverse, det.high, r, R, n)
    elif asked.gradient:
        # Cofactors without det are those of singular matrices, too.
        cofactors(x, m, R, n, False, det[0], gradient)
        trusted = proven_cofactors(m[0], inverse, det.high, gradient, r, R, n)
    else:
        trusted = trusted_determinant(m[0], asked.slogdet, det.high, r, n)
    if asked.gradient and (asked.det or asked.slogdet):
        trusted = both(trusted, trusted_determinant(m[0], asked.slogdet, det.high, r, n))
    if mask_bits(complement(trusted)):
        return False
    if asked.gradient and (asked.det or inverse):
        cofactors(x, m, R, n, inverse, reciprocal_of(m[0], det[0]), gradient)
    return True


cdef inline unsigned int closed_forms(
    number like, const request *asked, const vd *x, int n,
    twofold *det, vd *exponent, vd *gradient
) noexcept nogil:
    """The same whatever X is, det times 2^exponent; NaN for the inverse of a singular matrix.

    Returns the lanes whose gradient may be anything but an ordinary number."""
    cdef number m[MINORS]
    cdef vd r[4]
    cdef vd R[4]
    cdef vd trusted
    cdef twofold value
    cdef unsigned int doubtful
    cdef int i
    cdef bint inverse = asked.gradient == GRADIENT_OF_LOGDET
    row_norms(x, n, r)
    minors(x, r, n, m)
    value = expand(x, m, r, n)
    if asked.det or asked.slogdet:
        trusted = trusted_determinant(m[0], asked.slogdet, value.high, r, n)
        det[0], exponent[0] = value, broadcast(0.0, x[0])
        if n > 1 and mask_bits(complement(trusted)):
            again_determinant(m[0], x, n, mask_bits(complement(trusted)), det, exponent)
    if not asked.gradient:
        return 0
    other_rows(r, n, R)
    cofactors(x, m, R, n, False, value, gradient)
    # What is implied is proven, too: no matrix depends on those beside it.
    doubtful = mask_bits(complement(proven_cofactors(
        m[0], inverse, value.high, gradient, r, R, n)))
    if inverse:
        value = reciprocal_of(m[0], value)
        for i in range(n * n):
            gradient[i] = quotient(m[0], value, False, gradient[i])
    if doubtful:
        again_gradient(m[0], x, n, doubtful, gradient, inverse)
    return doubtful


# ---- expansions ------------------------------------------------------------------------------

cdef inline number cross(vd start, vd a, vd d, vd b, vd c, number like) noexcept nogil:
    """a*d - b*c."""
    if number is twofold:
        return two_terms(start, a, d, b, c)
    else:
        return multiply_add(a, d, -(b * c))


cdef inline number alternate(
    vd start, vd a, number p, vd b, number q, vd c, number r
) noexcept nogil:
    """a*p - b*q + c*r."""
    if number is twofold:
        return three_terms(start, a, p, b, q, c, r)
    else:
        return multiply_add(c, r, subtract_product(a * p, b, q))


cdef inline number laplace(vd start, const number *s, const number *t) noexcept nogil:
    """det from the minors of the upper and of the lower two rows of a 4 x 4 matrix."""
    cdef number sum
    if number is twofold:
        sum.high, sum.low = start, broadcast(0.0, start)
        sum = subtracted_product(added_product(sum, s[0], t[5]), s[1], t[4])
        sum = added_product(added_product(sum, s[2], t[3]), s[3], t[2])
        sum = added_product(subtracted_product(sum, s[4], t[1]), s[5], t[0])
        sum.high = sum.high - start
        return sum
    else:
        return (multiply_add(s[2], t[3], subtract_product(s[0] * t[5], s[1], t[4]))
                + multiply_add(s[5], t[0], subtract_product(s[3] * t[2], s[4], t[1])))


cdef inline vd rounded(number a) noexcept nogil:
    if number is twofold:
        return a.high + a.low
    else:
        return a


cdef inline void minors(const vd *x, const vd *r, int n, number *m) noexcept nogil:
    """n = 4: of two rows each, columns 01, 02, 03, 12, 13, 23; n = 3: the first row's cofactors."""
    cdef const vd *top
    cdef vd start
    cdef int half
    if n == 4:
        for half in range(2):
            top = x + 8 * half
            start = anchor(r[2 * half] * r[2 * half + 1])
            m[6 * half] = cross(start, top[0], top[5], top[1], top[4], m[0])
            m[6 * half + 1] = cross(start, top[0], top[6], top[2], top[4], m[0])
            m[6 * half + 2] = cross(start, top[0], top[7], top[3], top[4], m[0])
            m[6 * half + 3] = cross(start, top[1], top[6], top[2], top[5], m[0])
            m[6 * half + 4] = cross(start, top[1], top[7], top[3], top[5], m[0])
            m[6 * half + 5] = cross(start, top[2], top[7], top[3], top[6], m[0])
    elif n == 3:
        start = anchor(r[1] * r[2])
        m[0] = cross(start, x[4], x[8], x[5], x[7], m[0])
        m[1] = cross(start, x[3], x[8], x[5], x[6], m[0])
        m[2] = cross(start, x[3], x[7], x[4], x[6], m[0])


cdef inline twofold expand(const vd *x, const number *m, const vd *r, int n) noexcept nogil:
    """det X, its high part rounded; n = 4 by Laplace's expansion along two rows."""
    cdef twofold det
    cdef number value
    cdef vd start = anchor(all_rows(r, n))
    if n == 4:
        value = laplace(start, m, m + 6)
    elif n == 3:
        value = alternate(start, x[0], m[0], x[1], m[1], x[2], m[2])
    elif n == 2:
        value = cross(start, x[0], x[3], x[1], x[2], m[0])
    det.high, det.low = x[0], broadcast(0.0, x[0])
    if n > 1:
        if number is twofold:
            det = normalized(value.high, value.low)
        else:
            det.high = value
    return det


cdef inline void cofactors(
    const vd *x, const number *m, const vd *R, int n, bint inverse, twofold reciprocal, vd *c
) noexcept nogil:
    """All cofactors, for the `inverse` each over det, whose `reciprocal` this is, as soon as it is
    there: inv takes 0.96 of the time at n = 4."""
    cdef vd start
    cdef int i, j, i1, i2, j1, j2
    if n == 4:
        row_cofactors(anchor(R[0]), x + 4, m + 6, False, inverse, reciprocal, c)
        row_cofactors(anchor(R[1]), x, m + 6, True, inverse, reciprocal, c + 4)
        row_cofactors(anchor(R[2]), x + 12, m, False, inverse, reciprocal, c + 8)
        row_cofactors(anchor(R[3]), x + 8, m, True, inverse, reciprocal, c + 12)
        return
    if n == 3:
        c[0], c[1], c[2] = rounded(m[0]), -rounded(m[1]), rounded(m[2])
        for i in range(1, 3):
            i1, i2 = 3 * ((i + 1) % 3), 3 * ((i + 2) % 3)
            start = anchor(R[i])
            for j in range(3):
                j1, j2 = (j + 1) % 3, (j + 2) % 3
                c[3 * i + j] = rounded(
                    cross(start, x[i1 + j1], x[i2 + j2], x[i1 + j2], x[i2 + j1], m[0]))
    elif n == 2:
        c[0], c[1], c[2], c[3] = x[3], -x[2], -x[1], x[0]
    else:
        c[0] = select(not_a_number(x[0]), x[0], broadcast(1.0, x[0]))
    for i in range(n * n if inverse else 0):
        c[i] = quotient(m[0], reciprocal, False, c[i])


cdef inline void row_cofactors(
    vd start, const vd *x, const number *m, bint negative, bint inverse, twofold reciprocal, vd *c
) noexcept nogil:
    """A row of a 4 x 4 matrix: from the row x beside it and two others' minors."""
    cdef int j
    c[0] = rounded(alternate(start, x[1], m[5], x[2], m[4], x[3], m[3]))
    c[1] = rounded(alternate(start, x[0], m[5], x[2], m[2], x[3], m[1]))
    c[2] = rounded(alternate(start, x[0], m[4], x[1], m[2], x[3], m[0]))
    c[3] = rounded(alternate(start, x[0], m[3], x[1], m[1], x[2], m[0]))
    for j in range(4):
        if inverse:
            c[j] = quotient(m[0], reciprocal, (j & 1) ^ negative, c[j])
        elif (j & 1) ^ negative:
            c[j] = -c[j]


cdef inline vd quotient(
    number like, twofold reciprocal, bint negative, vd cofactor
) noexcept nogil:
    cdef vd high = -reciprocal.high if negative else reciprocal.high
    cdef vd low = -reciprocal.low if negative else reciprocal.low
    if number is twofold:
        return multiply_add(high, cofactor, low * cofactor)
    else:
        return high * cofactor


cdef inline twofold reciprocal_of(number like, twofold det) noexcept nogil:
    """1/det of a twofold det is twofold, too, so that dividing adds a rounding error only."""
    cdef vd one = broadcast(1.0, det.high), product
    cdef twofold reciprocal
    reciprocal.high, reciprocal.low = one / det.high, broadcast(0.0, det.high)
    if number is twofold:
        product = reciprocal.high * det.high
        reciprocal.low = (((one - product) - product_rest(reciprocal.high, det.high, product)
                           - reciprocal.high * det.low) * reciprocal.high)
    return reciprocal


# ---- the same again, in twofold or in exact arithmetic -------------------------------------------

# What is handed to a call stands in memory. Copies are, so that all else can stay in registers.

cdef inline void again_determinant(
    number like, const vd *x, int n, unsigned int doubtful, twofold *det, vd *exponent
) noexcept nogil:
    cdef vd y[16]
    cdef twofold value = det[0]
    cdef vd e = exponent[0]
    cdef int i
    for i in range(n * n):
        y[i] = x[i]
    if number is twofold:
        determinant_apart(exact_determinants, y, n, doubtful, &value, &e)
    else:
        determinant_apart(twofold_determinants, y, n, doubtful, &value, &e)
    det[0], exponent[0] = value, e


cdef inline void again_gradient(
    number like, const vd *x, int n, unsigned int doubtful, vd *gradient, bint inverse
) noexcept nogil:
    cdef vd y[16]
    cdef vd c[16]
    cdef int i
    for i in range(n * n):
        y[i], c[i] = x[i], gradient[i]
    if number is twofold:
        gradient_apart(exact_gradients, y, n, doubtful, c, inverse)
    else:
        gradient_apart(twofold_gradients, y, n, doubtful, c, inverse)
    for i in range(n * n):
        gradient[i] = c[i]


cdef inline void twofold_determinants(
    const vd *x, int n, unsigned int doubtful, twofold *det, vd *exponent
) noexcept nogil:
    cdef request asked
    cdef twofold value
    cdef vd e
    cdef int w
    asked.det, asked.slogdet, asked.gradient = True, False, GRADIENT_NONE
    closed_forms(value, &asked, x, n, &value, &e, NULL)
    for w in range(VD):
        if doubtful >> w & 1:
            set_element(&det.high, w, element(&value.high, w))
            set_element(&det.low, w, element(&value.low, w))
            set_element(exponent, w, element(&e, w))


cdef inline void twofold_gradients(
    const vd *x, int n, unsigned int doubtful, vd *gradient, bint inverse
) noexcept nogil:
    cdef request asked
    cdef twofold like
    cdef vd again[16]
    cdef int i, w
    asked.det = asked.slogdet = False
    asked.gradient = GRADIENT_OF_LOGDET if inverse else GRADIENT_OF_DET
    like.high = like.low = DOUBLES
    closed_forms(like, &asked, x, n, &like, &again[0], &again[0])
    for w in range(VD):
        for i in range(n * n if doubtful >> w & 1 else 0):
            set_element(gradient + i, w, element(&again[i], w))


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


cdef inline void exact_determinants(
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


cdef inline void exact_gradients(
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
