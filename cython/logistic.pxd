"""softplus(x) = log(1 + exp(x)) and sigmoid(x) = 1 / (1 + exp(-x)), several numbers a register.

Both come from t = exp(-abs(x)), which lies in (0, 1]:

    softplus(x) = max(x, 0) + log(1 + t)
    sigmoid(x)  = 1 / (1 + t), and t / (1 + t) where x is negative

A  exp(x) = 2^k exp(r) with k = x / log 2 rounded and r = x - k log 2, abs(r) <= h = log(2)/2. The
   product k log 2 is taken in two parts, of which the first is exact (Cody and Waite, Software
   Manual for the Elementary Functions, 1980, chapter 6); exp(r) is the polynomial that Chebyshev
   interpolation gives, mpmath.chebyfit(exp, [-h, h], 12) in 50 digits with an h that is longer by
   a ten-millionth: error 3e-18, 2e-17 after coefficients are rounded.
B  log(1 + t) by logarithm.pxd.

Cost: about 40 operations of a register: 1.4 and 0.8 us for 1000 numbers in eight lanes, 1.7 for
both at once, where NumPy's passes take 11 and 8. Error: below 4 units in the last place (3.6 is
the largest that was seen; tested against mpmath).

Rejected: the series of Taylor and of artanh, to the powers 13 and 33, which are as accurate (1.2 to
1.3 times the time), and one division for both functions, as it makes two more roundings.
"""

from lanes cimport (
    DOUBLES, broadcast, greater, maximum, multiply_add, select, times_power_of_two, vd,
)
from logarithm cimport LN2_HIGH, LN2_LOW, log_one_plus, series

cdef extern from *:
    """
    static const double EXP_SERIES[] = {
        2.51100376175620502e-08, 2.76326396541237579e-07, 2.75572409185476252e-06,
        2.48014854822877313e-05, 1.98412698900471429e-04, 1.38888889523148119e-03,
        8.33333333331960115e-03, 4.16666666664880919e-02, 1.66666666666666796e-01,
        5.00000000000001887e-01, 1.0, 1.0};
    enum { EXP_TERMS = 12 };
    static const double LOG2_E = 1.44269504088896338700;
    static const double ROUNDER = 6755399441055744.0; /* 1.5 2^52: adding it rounds */
    """
    const double LOG2_E, ROUNDER
    const double *EXP_SERIES
    int EXP_TERMS

cdef enum:
    LARGEST = 800           # exp(-800) is 0


cdef inline void softplus_and_sigmoid_of(vd x, vd t, vd *softplus, vd *sigmoid) noexcept nogil:
    """From t = exp_minus(absolute(x))."""
    cdef vd one = broadcast(1, DOUBLES)
    softplus[0] = maximum(x, DOUBLES) + log_one_plus(t)
    sigmoid[0] = select(greater(DOUBLES, x), t, one) / (one + t)


cdef inline vd exp_minus(vd a) noexcept nogil:
    """exp(-a) for a that is not negative."""
    cdef vd rounder = broadcast(ROUNDER, DOUBLES), x = maximum(broadcast(-LARGEST, a), -a), k, r
    k = multiply_add(x, broadcast(LOG2_E, x), rounder) - rounder
    r = multiply_add(k, broadcast(-LN2_HIGH, x), x)
    r = multiply_add(k, broadcast(-LN2_LOW, x), r)
    return times_power_of_two(series(EXP_SERIES, EXP_TERMS, r), k)
