"""Twofold (double-double) arithmetic on lanes.

A twofold number is an unevaluated sum high + low with |low| <= u |high|: about 106 bits. Sums
and products are error-free transformations (Knuth; Dekker, or one fused multiply-add), so
nothing may be contracted or reassociated here. Cost: 6 operations a sum, 2 a product with fma.
Source: Ogita, Rump, Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26 (2005)
1955-1988.
"""

from lanes cimport product_error, vd

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


cdef inline twofold two_product(vd a, vd b) noexcept nogil:
    """a * b exactly, short of underflow."""
    cdef twofold p
    p.high = a * b
    p.low = product_error(a, b, p.high)
    return p


cdef inline twofold normalized(vd high, vd low) noexcept nogil:
    """high + low with the rounded sum first; needs |low| <= |high|."""
    cdef twofold s
    s.high = high + low
    s.low = low - (s.high - high)
    return s


cdef inline twofold plus(twofold a, twofold b) noexcept nogil:
    cdef twofold s = two_sum(a.high, b.high)
    return normalized(s.high, s.low + (a.low + b.low))


cdef inline twofold minus(twofold a, twofold b) noexcept nogil:
    b.high = -b.high
    b.low = -b.low
    return plus(a, b)


cdef inline twofold times(twofold a, twofold b) noexcept nogil:
    cdef twofold p = two_product(a.high, b.high)
    return normalized(p.high, p.low + (a.high * b.low + a.low * b.high))


cdef inline twofold scaled(vd a, twofold b) noexcept nogil:
    cdef twofold p = two_product(a, b.high)
    return normalized(p.high, p.low + a * b.low)
