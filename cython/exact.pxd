"""Determinants of up to 4 x 4 doubles, rounded once: the Leibniz sum in fixed point.

A double is an integer of 53 bits times a power of two, so each term of the sum over permutations
is an integer of at most 212 bits times one, and all terms of all finite matrices fit a fixed-point
number with OFFSET bits after the point (Kulisch's accumulator). Its digits have 32 bits in 64, so
that a sum of terms needs no carries before the end. The result is the exact sum, rounded once.

Cost: n! terms of n multiplications and about 8 additions, then a pass over DIGITS digits: 2 us
for n = 4. Only matrices whose twofold determinant cannot be trusted come here (closed.pxd). No
scaling is needed, so entries may be as far apart as doubles can be. Rejected: the same sum in
fivefold floating point after equilibration (Ogita, Rump, Oishi 2005): fast on lanes, but entries
scattered over more than the exponent range underflow, whatever the scaling.
"""

from libc.math cimport fabs, frexp, ldexp
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    OFFSET = 4544       # 142 digits; the last bit of four factors is worth 2^-4504
    DIGITS = 276        # up to 2^(4 * 971 + 212 + 5)


cdef struct term:
    # sign * (digits, least first) * 2^exponent
    uint32_t digits[10]
    int count
    int sign
    int64_t exponent


cdef inline double exact_determinant(
    const double *x, Py_ssize_t pitch, unsigned int rows, unsigned int columns, int64_t *exponent
) noexcept nogil:
    """det of the chosen rows and columns (bits) of finite x, as mantissa * 2^exponent."""
    cdef int64_t sum[DIGITS]
    cdef term one
    cdef int k
    for k in range(DIGITS):
        sum[k] = 0
    one.digits[0], one.count, one.sign, one.exponent = 1, 1, 1, 0
    add_permutations(x, pitch, rows, columns, &one, sum)
    return rounded(sum, exponent)


cdef inline void add_permutations(
    const double *x, Py_ssize_t pitch, unsigned int rows, unsigned int columns, const term *before,
    int64_t *sum
) noexcept nogil:
    """Add `before` times the minor of the chosen rows and columns."""
    cdef term product
    cdef int row = 0, column, rank = 0
    if rows == 0:
        add(before, sum)
        return
    while not rows >> row & 1:
        row += 1
    for column in range(4):
        if columns >> column & 1:
            if x[row * pitch + column] != 0:
                product = times(before, x[row * pitch + column])
                if rank & 1:
                    product.sign = -product.sign
                add_permutations(
                    x, pitch, rows & ~(1 << row), columns & ~(1 << column), &product, sum)
            rank += 1


cdef inline term times(const term *a, double x) noexcept nogil:
    cdef term product
    cdef int e = 0, k
    cdef uint64_t integer = <uint64_t> ldexp(frexp(fabs(x), &e), 53), low, high, carry = 0, digit
    low, high = <uint32_t> integer, integer >> 32
    product.count = a.count + 2
    product.sign = a.sign if x > 0 else -a.sign
    product.exponent = a.exponent + e - 53
    for k in range(product.count):
        digit = carry
        carry = 0
        if k < a.count:
            digit += a.digits[k] * low
            carry = digit >> 32
            digit = <uint32_t> digit
        if 0 < k <= a.count:
            digit += a.digits[k - 1] * high
            carry += digit >> 32
        product.digits[k] = <uint32_t> digit
    return product


cdef inline void add(const term *a, int64_t *sum) noexcept nogil:
    cdef int64_t place = a.exponent + OFFSET
    cdef int word = <int> (place >> 5), shift = <int> (place & 31), k
    cdef uint64_t carry = 0, digit
    for k in range(a.count):
        digit = (<uint64_t> a.digits[k] << shift) + carry
        sum[word + k] += a.sign * <int64_t> <uint32_t> digit
        carry = digit >> 32
    sum[word + a.count] += a.sign * <int64_t> carry


cdef inline double rounded(int64_t *sum, int64_t *exponent) noexcept nogil:
    """The sum as mantissa * 2^exponent with 1/2 <= |mantissa| < 1, or 0."""
    cdef int sign = carried(sum), top = DIGITS - 1, shift = 0, e = 0, k
    cdef uint64_t leading, next
    cdef double mantissa
    exponent[0] = 0
    while top >= 0 and sum[top] == 0:
        top -= 1
    if top < 0:
        return 0.0
    while not <uint32_t> (sum[top] << shift) >> 31:
        shift += 1
    leading = <uint64_t> sum[top] << 32 | <uint64_t> (sum[top - 1] if top > 0 else 0)
    next = <uint64_t> (sum[top - 2] if top > 1 else 0)
    leading = leading << shift | next << shift >> 32
    if <uint32_t> (next << shift):
        leading |= 1
    for k in range(top - 2):
        if sum[k]:
            leading |= 1        # what rounding to the nearest has to know of all other digits
    mantissa = frexp(<double> leading, &e)
    exponent[0] = e + 32 * (top - 1) - shift - OFFSET
    return sign * mantissa


cdef inline int carried(int64_t *sum) noexcept nogil:
    """Make digits of 32 bits of the absolute value; the sign."""
    cdef int64_t carry = 0, digit
    cdef int sign = 1, k
    for k in range(DIGITS):
        digit = sum[k] + carry
        sum[k] = <uint32_t> digit
        carry = digit >> 32
    if carry >= 0:
        return sign
    carry = 1
    for k in range(DIGITS):
        digit = <int64_t> <uint32_t> ~sum[k] + carry
        sum[k] = <uint32_t> digit
        carry = digit >> 32
    return -1
