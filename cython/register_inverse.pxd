"""Inverses and gradients of small matrices from the triangles that register_gauss.pxd leaves.

With rows in order and columns as their pivots were found A is L F: entry (i, k) of the lower
triangle L is what row i has taken of row k, the last of a row its pivot, and rows of F are the
negated factors, one at their own pivots. The inverse is F^-1 L^-1: row k of it belongs in the
column of pivot k, its own columns are in order. L is kept over its pivots, and F^-1 begins with -1
/ pivots, so both are unit triangles; register_inverse.h substitutes two vectors of all rows at a
time. The last pivot comes in last, as `finish` on lanes has it (elimination.pxd).

Layout: register_pivots.pxd, rows of two to four vectors. Factors of a level are in its own
columns, so each level has places for all pivots that come after.

Cost: 2/3 n^3 multiply-adds with a scalar of memory, after n^3/3 of register_gauss.pxd, to which it
adds a multiplication for each two rows. Against Gauss-Jordan elimination in registers inv takes
1.03, 0.98 and 0.83 of the time at n = 32, 48 and 64, in double precision, which fixed.pxd has taken
since, 0.83 and 0.82 at 24 and 32. Rejected: the right-hand sides of one vector at a time (1.1
times), a size that is no constant where rows are full (1.04 times at n = 32).
"""

from lanes cimport lane, width
from register_gauss cimport lower_triangle, reciprocals_of
from register_pivots cimport COLUMNS, VECTORS, place, small

cdef extern from "register_inverse.h" nogil:
    bint invert_triangles[T](
        const T *lower, const T *factors, const T *reciprocals, const int *at, Py_ssize_t n,
        double body, double border, double multiple, double exponent, T *result) noexcept


cdef struct ending:
    # The last pivot's part in a gradient, and what all is multiplied by then: multiple 2^exponent.
    double body
    double border
    double multiple
    double exponent


cdef inline bint invert(
    small *a, int w, Py_ssize_t n, const lane *order, const ending *end
) noexcept nogil:
    """All rows for the matrix on lane w; whether they are finite."""
    cdef int at[VECTORS * COLUMNS]
    cdef int W = width(order[0]), height = <int> ((n + W - 1) // W)
    list_columns(a, w, n, order, &at[0])
    return invert_triangles(
        lower_triangle(order[0], a, height), <const lane *> a.factors,
        reciprocals_of(order[0], a, height), &at[0], n, end.body, end.border, end.multiple,
        end.exponent, <lane *> a.result)


cdef inline void list_columns(
    const small *a, int w, Py_ssize_t n, const lane *order, int *at
) noexcept nogil:
    """at[level COLUMNS + k]: the column of pivot k as rows of each level up to its own have it."""
    cdef Py_ssize_t W = width(order[0]), k, level
    cdef int column
    for k in range(n):
        column = place(order + k, w)
        at[k // W * COLUMNS + k] = column
        for level in range(k // W - 1, -1, -1):
            column = place(<const lane *> a.places + level * VECTORS, column)
            at[level * COLUMNS + k] = column
