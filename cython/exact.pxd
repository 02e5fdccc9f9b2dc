"""Determinants of up to 4 x 4 lanes without rounding error before the last step.

The Leibniz sum over permutations is written out as a list of numbers whose exact sum is the
determinant: each product of two factors becomes two numbers, each further factor doubles them
(4, 24 and 192 numbers for n = 2, 3, 4). The list is then summed as if in fivefold precision
(Ogita, Rump, Oishi 2005, algorithm SumK with K = 5): |error| <= u |det| + 192^4 u^5 sum
|number|.

Cost: 4 * 6 operations a number, 5000 a group of lanes for n = 4; only matrices whose twofold
determinant cannot be trusted come here (closed.pxd). The caller has equilibrated them, so no
product over- or underflows. Rejected: Shewchuk's expansions (branches in every lane), a wider
twofold (three parts are not enough for n = 4 at condition 1e15).
"""

from lanes cimport broadcast, vd
from twofold cimport two_product, two_sum, twofold

cdef enum:
    MOST = 192


cdef inline vd exact_determinant(const vd *x, Py_ssize_t pitch, int n) noexcept nogil:
    """det of the n x n lanes at x, rows `pitch` apart, n <= 4."""
    cdef vd numbers[MOST]
    if n == 0:
        return broadcast(1.0, x[0])
    if n == 1:
        return x[0]
    return exact_sum(numbers, leibniz(x, pitch, n, 0, (1 << n) - 1, numbers))


cdef inline int leibniz(
    const vd *x, Py_ssize_t pitch, int n, int row, int columns, vd *numbers
) noexcept nogil:
    """Numbers whose sum is the minor of the rows from `row` on and the set `columns`; how many."""
    cdef int j, k, inner, count = 0, rank = 0
    cdef twofold p
    if row == n - 1:
        j = 0
        while not columns >> j & 1:
            j += 1
        numbers[0] = x[row * pitch + j]
        return 1
    for j in range(n):
        if columns >> j & 1:
            inner = leibniz(x, pitch, n, row + 1, columns & ~(1 << j), numbers + count)
            for k in range(inner):
                p = two_product(x[row * pitch + j], numbers[count + k])
                numbers[count + k] = -p.high if rank & 1 else p.high
                numbers[count + inner + k] = -p.low if rank & 1 else p.low
            count += 2 * inner
            rank += 1
    return count


cdef inline vd exact_sum(vd *numbers, int count) noexcept nogil:
    """The sum of the numbers, rounded once or nearly so; overwrites them."""
    cdef int _sweep, i
    cdef twofold s
    for _sweep in range(4):
        for i in range(1, count):
            s = two_sum(numbers[i], numbers[i - 1])
            numbers[i] = s.high
            numbers[i - 1] = s.low
    for i in range(1, count):
        numbers[i] = numbers[i] + numbers[i - 1]
    return numbers[count - 1]
