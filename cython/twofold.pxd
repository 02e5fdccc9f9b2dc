"""Sums of few products in twofold (double-double) arithmetic on lanes.

A twofold number is an unevaluated sum high + low. Products are split where they are added: with an
anchor of four times the sum of all |terms|, anchor + a*b keeps the leading bits of a*b, whose sums
are exact, since all partial sums are within a factor of two of each other (Sterbenz); one fused
multiply-add then gives the rest of the product. What is lost is a few u^2 of the anchor,
for which whoever uses the sum has a bound anyway. Nothing may be contracted or reassociated here.
Cost: 3 operations a product, one of them an addition, 2 for its share of high and low.
Sources: Rump, Ogita, Oishi, "Accurate floating-point summation, part I", SIAM J. Sci. Comput. 31
(2008) 189-224, for the extraction; Ogita, Rump, Oishi, the same 26 (2005) 1955-1988, for low.

Rejected: sums of two numbers as error-free transformations (Knuth), 6 additions each (inv takes 1.2
times the time at n = 4, more where additions have units of their own), and their renormalization
after every operation, 3 more (1.4 times).
"""

from lanes cimport broadcast, multiply_add, product_rest, subtract_product, vd

cdef struct twofold:
    vd high
    vd low

ctypedef fused number:
    # What sums are formed in: the products of widened floats need no more than a double.
    vd
    twofold


cdef inline vd anchor(vd bound) noexcept nogil:
    """What sums are formed on of which `bound` is no less than the sum of all |terms|."""
    return bound * broadcast(4.0, bound)


cdef inline twofold normalized(vd high, vd low) noexcept nogil:
    """high + low with the rounded sum as its high part; needs |low| <= |high|."""
    cdef twofold s
    s.high = high + low
    s.low = low - (s.high - high)
    return s


cdef inline twofold two_terms(vd start, vd a, vd d, vd b, vd c) noexcept nogil:
    """a*d - b*c on the anchor `start`."""
    cdef twofold sum
    cdef vd first = multiply_add(a, d, start), second = subtract_product(first, b, c)
    sum.high = second - start
    sum.low = product_rest(a, d, first - start) - product_rest(b, c, first - second)
    return sum


cdef inline twofold three_terms(
    vd start, vd a, twofold p, vd b, twofold q, vd c, twofold r
) noexcept nogil:
    """a*p - b*q + c*r."""
    cdef twofold sum
    cdef vd first = multiply_add(a, p.high, start)
    cdef vd second = subtract_product(first, b, q.high)
    cdef vd third = multiply_add(c, r.high, second)
    sum.high = third - start
    sum.low = ((multiply_add(a, p.low, product_rest(a, p.high, first - start))
                - multiply_add(b, q.low, product_rest(b, q.high, first - second)))
               + multiply_add(c, r.low, product_rest(c, r.high, third - second)))
    return sum


cdef inline twofold added_product(twofold sum, twofold a, twofold b) noexcept nogil:
    """a*b added to a sum whose high part still holds its anchor."""
    cdef twofold added
    added.high = multiply_add(a.high, b.high, sum.high)
    added.low = sum.low + multiply_add(a.high, b.low, multiply_add(
        a.low, b.high, product_rest(a.high, b.high, added.high - sum.high)))
    return added


cdef inline twofold subtracted_product(twofold sum, twofold a, twofold b) noexcept nogil:
    cdef twofold less
    less.high = subtract_product(sum.high, a.high, b.high)
    less.low = sum.low - multiply_add(a.high, b.low, multiply_add(
        a.low, b.high, product_rest(a.high, b.high, sum.high - less.high)))
    return less
