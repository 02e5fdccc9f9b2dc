"""Twofold (double-double) arithmetic on lanes.

A twofold number is an unevaluated sum high + low. Sums and products are error-free transformations
(Knuth; Dekker, or one fused multiply-add), so nothing may be contracted or reassociated here. Cost:
8 additions a sum; 2 operations a product with fma, 4 of two twofold numbers. Source: Ogita, Rump,
Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26 (2005) 1955-1988.

low is not made small beside high after each operation, as it is in their algorithms for single
operations: as in their Dot2, what is lost stays a few u^2 of the sum of all |terms|, and only
against that are these results measured. Three additions an operation less: inv takes 0.7 of the
time at n = 4. Only a result that is used by its high part alone is `normalized`.
"""

from lanes cimport multiply_add, product_error, vd

cdef struct twofold:
    vd high
    vd low


cdef inline twofold two_sum(vd a, vd b) noexcept nogil:
    """a + b exactly, for any order of magnitudes."""
    cdef twofold s
    cdef vd c
    s.high = a + b
    c = s.high - a
    s.low = (a - (s.high - c)) + (b - c)
    return s


cdef inline twofold two_difference(vd a, vd b) noexcept nogil:
    """a - b exactly."""
    cdef twofold s
    cdef vd c
    s.high = a - b
    c = s.high - a
    s.low = (a - (s.high - c)) - (b + c)
    return s


cdef inline twofold two_product(vd a, vd b) noexcept nogil:
    """a * b exactly, short of underflow."""
    cdef twofold p
    p.high = a * b
    p.low = product_error(a, b, p.high)
    return p


cdef inline twofold normalized(twofold a) noexcept nogil:
    """The same with the rounded sum as its high part; needs |low| <= |high|."""
    cdef twofold s
    s.high = a.high + a.low
    s.low = a.low - (s.high - a.high)
    return s


cdef inline twofold plus(twofold a, twofold b) noexcept nogil:
    cdef twofold s = two_sum(a.high, b.high)
    s.low = s.low + (a.low + b.low)
    return s


cdef inline twofold minus(twofold a, twofold b) noexcept nogil:
    cdef twofold s = two_difference(a.high, b.high)
    s.low = s.low + (a.low - b.low)
    return s


cdef inline twofold times(twofold a, twofold b) noexcept nogil:
    cdef twofold p = two_product(a.high, b.high)
    p.low = multiply_add(a.high, b.low, multiply_add(a.low, b.high, p.low))
    return p


cdef inline twofold scaled(vd a, twofold b) noexcept nogil:
    cdef twofold p = two_product(a, b.high)
    p.low = multiply_add(a, b.low, p.low)
    return p
