"""Where the closed forms of closed.pxd can be believed, and bounds of their sums.

Digits are lost where terms cancel to less than 2^-44 of their size (2^-23 in plain doubles), and
where a product leaves the exponent range. With r_i the 1-norms of the rows:
- the sum of |terms| of det is at most their product, that of a cofactor of row i the product R_i
  of the others; sums are formed on these, and cancellation is measured against them;
- a minor of two rows that underflows is off by about 2^-1074, which the rows beside it multiply:
  det by at most 2^-1074 (r_0 r_1 + r_2 r_3 + 1), a cofactor by 2^-1074 (r_k + 1). So det and the
  largest cofactor of each row are trusted if they are larger than 2^-1000 times that; a matrix with
  a row of zeros is not;
- what overflows becomes NaN (inf - inf), which is not trusted; nor is 1/det for a det above 2^990,
  which cannot be split where there is no fma. No product of floats overflows.

What is left of a logarithm near 0 is the error of det, 2^-100 of the product of the norms.

Cost: the norms n^2 operations, a determinant about 6, the cofactors 20 where det implies them, else
n^2 + 20. Rejected: tests by masks for each row (inv took 1.25 times the time at n = 4: a mask is
moved for each comparison).
"""

from lanes cimport absolute, both, broadcast, equal, greater, maximum, multiply_add, vd
from twofold cimport number, twofold


cdef inline vd trusted_determinant(
    number like, bint logarithm, vd det, const vd *r, int n
) noexcept nogil:
    """Where neither cancellation nor the exponent range has cost det its digits; not where NaN."""
    cdef vd one = broadcast(1.0, det), bound = all_rows(r, n), others = one, size = absolute(det)
    if n == 4:
        others = multiply_add(r[2], r[3], multiply_add(r[0], r[1], one))
    elif n == 3:
        others = r[0] + one
    if number is twofold:
        others = multiply_add(others, broadcast(2.0 ** -1000, det), broadcast(2.0 ** -900, det))
        others = multiply_add(bound, broadcast(2.0 ** -44, det), others)
        return greater(size, others)
    else:
        if logarithm:
            # An error of a det near 1 is as large in its logarithm, which is near 0.
            size = size * -maximum(-absolute(size - one), -one)
        return greater(size, bound * broadcast(2.0 ** -23, det))


cdef inline vd implied_cofactors(
    number like, bint inverse, vd det, const vd *r, const vd *R, int n
) noexcept nogil:
    """Where det and the norms alone show that cofactors, for `inverse` over det, can be believed:
    abs(det) is at most r_i times the largest of row i, so what det has not lost, no row has. All
    bounds are a bit inside those of `proven_cofactors`, which rounding may not contradict. For
    n > 2; inv takes 0.95 of the time at n = 4."""
    cdef vd size = absolute(det), one = broadcast(1.0, det), norms = sum_of(r, n)
    cdef vd all = sum_of(R, n), span = norms + all, least
    if n == 4:
        span = span + multiply_add(r[0], r[1], r[2] * r[3])
    norms = norms + one
    if number is twofold:
        least = multiply_add(norms * norms, broadcast(2.0 ** -999, det),
                             broadcast(2.0 ** -899, det))
        least = multiply_add(all_rows(r, n), broadcast(2.0 ** -43, det), least)
        span = span + maximum(norms * broadcast(2.0 ** 90, det), size)
    else:
        least = all_rows(r, n) * broadcast(2.0 ** -22, det)
        span = span + all * broadcast(2.0 ** 863, det)
    if inverse:
        least = maximum(all * broadcast(2.0 ** -989 if number is twofold else 2.0 ** -126, det),
                        least)
    return both(greater(size, least), greater(broadcast(2.0 ** 989, det), span))


cdef inline vd proven_cofactors(
    number like, bint inverse, vd det, const vd *c, const vd *r, const vd *R, int n
) noexcept nogil:
    """Where the cofactors themselves show it, and for `inverse` det by itself."""
    cdef vd sizes[4]
    cdef vd size = row_sizes(c, n, sizes), usable
    usable = trusted_cofactors(like, sizes, size, r, R, n)
    if inverse:
        usable = both(usable, trusted_determinant(like, False, det, r, n))
        usable = both(usable, trusted_quotients(like, det, size))
    return usable


cdef inline vd trusted_quotients(number like, vd det, vd size) noexcept nogil:
    """Where the largest cofactor, of this size, and so 1/det, may be divided by det."""
    cdef vd quotient = size * absolute(broadcast(1.0, det) / det)
    if number is twofold:
        return both(greater(quotient, broadcast(2.0 ** -900, size)), greater(
            broadcast(2.0 ** 990, size), maximum(absolute(det), quotient)))
    else:
        return greater(broadcast(2.0 ** 127, size), quotient)


cdef inline vd trusted_cofactors(
    number like, const vd *sizes, vd size, const vd *r, const vd *R, int n
) noexcept nogil:
    """Where no row has lost its digits, judged by its largest cofactor; for floats only what stays
    in their range, since to leave it has to be reported. For n < 3 they are entries: right, unless
    NaN.

    By arithmetic, which takes less time than masks. No cofactor is NaN where all norms, and their
    products, are in range."""
    cdef vd zero = broadcast(0.0, size), norms = sum_of(r, n)
    cdef vd least = zero, worst = zero, lost, span
    cdef int i
    if n < 3:
        return equal(norms, norms)
    lost = broadcast(2.0 ** -44 if number is twofold else 2.0 ** -23, zero)
    if number is twofold:
        least = (norms + broadcast(1.0, zero)) * broadcast(2.0 ** -1000, zero)
    span = norms
    for i in range(n):
        worst = maximum(multiply_add(R[i], lost, least - sizes[i]), worst)
        span = span + R[i]
    if n == 4:
        span = span + multiply_add(r[0], r[1], r[2] * r[3])
    if number is vd:
        span = maximum(size * broadcast(2.0 ** 863, zero), span)
    return both(equal(worst, zero), greater(broadcast(2.0 ** 990, zero), span))


cdef inline vd all_rows(const vd *r, int n) noexcept nogil:
    """The product of the norms of all rows."""
    if n == 4:
        return (r[0] * r[1]) * (r[2] * r[3])
    if n == 3:
        return r[0] * (r[1] * r[2])
    return r[0] * r[1] if n == 2 else r[0]


cdef inline vd sum_of(const vd *r, int n) noexcept nogil:
    cdef vd sum = r[0]
    cdef int i
    for i in range(1, n):
        sum = sum + r[i]
    return sum


cdef inline void other_rows(const vd *r, int n, vd *R) noexcept nogil:
    """R_i, the product of the norms of all rows but row i, for n > 2."""
    cdef vd p = r[0] * r[1], q
    if n == 3:
        R[0], R[1], R[2] = r[1] * r[2], r[0] * r[2], p
    elif n == 4:
        q = r[2] * r[3]
        R[0], R[1], R[2], R[3] = r[1] * q, r[0] * q, r[3] * p, r[2] * p


cdef inline void row_norms(const vd *x, int n, vd *r) noexcept nogil:
    cdef int i, j
    for i in range(n):
        r[i] = absolute(x[i * n])
        for j in range(1, n):
            r[i] = r[i] + absolute(x[i * n + j])


cdef inline vd row_sizes(const vd *c, int n, vd *sizes) noexcept nogil:
    """The largest |entry| of each row, and of all, of those that are numbers."""
    cdef vd all_sizes = broadcast(0.0, c[0])
    cdef int i, j
    for i in range(n):
        sizes[i] = absolute(c[i * n])
        for j in range(1, n):
            sizes[i] = maximum(absolute(c[i * n + j]), sizes[i])
        all_sizes = maximum(sizes[i], all_sizes)
    return all_sizes
