"""Natural logarithms, several numbers a register.

A  log(1 + t) = 2 artanh(u), u = t / (2 + t) <= 1/3. artanh(u) = u + u^3 p(u^2) with the polynomial
   that Chebyshev interpolation gives, mpmath.chebyfit(..., [0, 1/9], 10) in 50 digits of an
   interval that is longer by a ten-millionth: error 7e-18 of artanh. No small t loses anything, as
   it would in 1 + t.
B  log|x| = k log 2 + log(1 + f) with |x| = 2^k (1 + f) and 1 + f between the roots of 1/2 and 2. Of
   log(1 + f) the larger part, f - f^2/2, is taken as it is, and only the rest from a polynomial in
   u^2 <= 0.0295: so a number near 1 keeps its digits (K. C. Ng, in Sun's fdlibm, e_log.c, whose
   seven coefficients these are; error below 2^-58). k log 2 is taken in two parts, of which the
   first is exact. For a float the first five terms are enough (1e-10 of the logarithm).

Cost of B: about 30 operations of a register, one of them a division; some 75 cycles from x to the
result, so that it takes half of the time where the logarithms of several registers follow each
other (closed_batches.pxd). Error of B: below one unit in the last place (tested against mpmath).
Rejected: the series to the power 10 instead of the polynomial (1.02 to 1.05 times the time of
slogdet at n = 2 to 4, the same error), and the C library's logarithm (another 1.7 times the time at
n = 2, 1.2 at n = 4; Zen 4).
"""

from lanes cimport (
    DOUBLES, absolute, both, broadcast, greater, log_or_special, multiply_add, select,
    split_number, vd,
)

cdef extern from *:
    """
    static const double ARTANH_SERIES[] = {
        8.08202325223622564e-02, 4.40036903267193510e-02, 6.00053644597656269e-02,
        6.65707210049886755e-02, 7.69278503274322678e-02, 9.09089471805702848e-02,
        1.11111113587141180e-01, 1.42857142835543766e-01, 2.00000000000072925e-01,
        3.33333333333333315e-01};
    /* (log(1 + f) - 2 u) / u^3 as a polynomial in u^2, for abs(u) <= 0.1716. */
    static const double LOG_SERIES[] = {
        1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
        2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
        6.666666666666735130e-01};
    enum { ARTANH_TERMS = 10, LOG_TERMS = 7, FLOAT_LOG_TERMS = 5 };
    static const double LN2_HIGH = 6.93147180369123816490e-01; /* 32 bits: k times it is exact */
    static const double LN2_LOW = 1.90821492927058770002e-10;
    static const double SQRT2 = 1.41421356237309504880;
    """
    const double LN2_HIGH, LN2_LOW, SQRT2
    const double *ARTANH_SERIES
    const double *LOG_SERIES
    int ARTANH_TERMS
    int LOG_TERMS
    int FLOAT_LOG_TERMS


cdef inline vd log_one_plus(vd t) noexcept nogil:
    """log(1 + t) for t from 0 to 1."""
    cdef vd u = t / (broadcast(2, DOUBLES) + t), twice = u + u, square = u * u
    return multiply_add(twice * square, series(ARTANH_SERIES, ARTANH_TERMS, square), twice)


cdef inline vd log_magnitude(vd x, vd exponent, int terms) noexcept nogil:
    """log|x 2^exponent|: -inf for zero, inf for infinities, NaN for NaN."""
    cdef vd zero = DOUBLES, one = broadcast(1.0, zero), half = broadcast(0.5, zero), k, large
    cdef vd size = absolute(x), m = split_number(size, &k), f, u, square, half_square, rest
    large = greater(m, broadcast(SQRT2, zero))
    f = select(large, multiply_add(m, half, -one), m - one)
    u = f / select(large, multiply_add(m, half, one), m + one)
    k = k + exponent + both(large, one)
    square = u * u
    half_square = half * f * f
    rest = multiply_add(k, broadcast(LN2_LOW, zero), u * half_square)
    rest = multiply_add(u * square, series(LOG_SERIES + LOG_TERMS - terms, terms, square), rest)
    f = multiply_add(k, broadcast(LN2_HIGH, zero), f - (half_square - rest))
    return log_or_special(f, size)


cdef inline vd series(const double *coefficients, int terms, vd x) noexcept nogil:
    """By pairs of terms, which do not wait for each other: half of Horner's latency."""
    cdef vd total = broadcast(coefficients[0], DOUBLES), square = x * x
    cdef int first = 1, i
    if terms % 2 == 0:
        total, first = multiply_add(total, x, broadcast(coefficients[1], DOUBLES)), 2
    for i in range((terms - 1) // 2):
        total = multiply_add(total, square, multiply_add(
            broadcast(coefficients[first + 2 * i], DOUBLES), x,
            broadcast(coefficients[first + 2 * i + 1], DOUBLES)))
    return total
