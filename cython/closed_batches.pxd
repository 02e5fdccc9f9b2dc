"""Loops over batches of matrices with closed forms, n <= 4.

Full groups are taken for ones whose lanes can all be trusted, by code that is compiled for each n
and for each set of results, with some 50 instructions a group beside the arithmetic, where one loop
for all had 140: det takes 0.71, 0.87, 0.84 of its time at n = 2, 3, 4, inv 0.88 (Zen 4, AVX-512;
with AVX2 det 0.54, 0.68, 0.76). What cannot be trusted, and the last matrices of a part, take
careful code, which is compiled for each n and called apart: a group of which one matrix is singular
takes 0.9 to 1.27 times its time.

A logarithm is one chain of operations, and what waits for it fills the window in which a processor
looks for others, some 128 on Zen 4. So LATER groups come first, and then their logarithms, which
wait for nothing and overlap: slogdet takes 0.75 of what is left of its time at n = 2, 0.87 at 3
(16 groups the same), det_and_gradient, which goes the same way, 0.92 at n = 2. At n = 4 slogdet
would take 0.92, but 1.3 times the time from memory, where two results written in such bursts hold
up what is read: there each group has its logarithms at once.
"""

from numpy cimport npy_intp

from cython.parallel cimport prange

from batches cimport batch, begin, end, part_start, part_stop
from closed_groups cimport CLOSED, closed_group, trusted_group
from lanes cimport DOUBLES, VD
from pack cimport real
from plain cimport FINE, GRADIENT_NONE, GRADIENT_OF_DET, GRADIENT_OF_LOGDET
from results cimport group, next_group, place_group, request, write_values
from twofold cimport twofold

cdef enum:
    LATER = 8


cdef extern from "lanes.h" nogil:
    int closed_doubles "INLINED"(
        int (*closed_part)(double, const batch *, const request *, int) noexcept nogil,
        double like, const batch *b, const request *asked, int part) noexcept
    int closed_floats "INLINED"(
        int (*closed_part)(float, const batch *, const request *, int) noexcept nogil,
        float like, const batch *b, const request *asked, int part) noexcept
    int careful_doubles "INLINED_APART"(
        int (*groups)(double, const batch *, const request *, Py_ssize_t, Py_ssize_t
                      ) noexcept nogil,
        double like, const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop
    ) noexcept
    int careful_floats "INLINED_APART"(
        int (*groups)(float, const batch *, const request *, Py_ssize_t, Py_ssize_t
                      ) noexcept nogil,
        float like, const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop
    ) noexcept


cdef inline void factor_closed(
    real like, char **args, const npy_intp *dimensions, const npy_intp *steps, const request *asked
) noexcept nogil:
    cdef int status = FINE, part
    cdef batch b
    if not begin(&b, args, dimensions, steps, VD, 0, 10 * (dimensions[1] + 1) ** 2):
        return
    if b.threads == 1:
        status = inlined_part(like, &b, asked, 0)
    else:
        for part in prange(b.parts, num_threads=b.threads, schedule="dynamic"):
            status |= inlined_part(like, &b, asked, part)
    end(&b, status)


cdef inline int inlined_part(
    real like, const batch *b, const request *asked, int part
) noexcept nogil:
    if real is double:
        return closed_doubles(closed_part[double], like, b, asked, part)
    else:
        return closed_floats(closed_part[float], like, b, asked, part)


cdef inline int closed_part(
    real like, const batch *b, const request *asked, int part
) noexcept nogil:
    cdef Py_ssize_t start = part_start(b, part), stop = part_stop(b, part)
    cdef Py_ssize_t full = start + (stop - start) // VD * VD
    cdef Py_ssize_t n = b.dimensions[1]
    cdef int status = FINE
    if full == start or n < 2:
        return careful_part(like, b, asked, start, stop)
    if n == 2:
        status = full_groups(like, b, asked, start, full, 2)
    elif n == 3:
        status = full_groups(like, b, asked, start, full, 3)
    else:
        status = full_groups(like, b, asked, start, full, CLOSED)
    return status | careful_part(like, b, asked, full, stop)


# ---- groups that can be trusted ------------------------------------------------------------------

cdef inline int full_groups(
    real like, const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop, int n
) noexcept nogil:
    """Compiled for each set of results that a gufunc has."""
    cdef bint transposed = asked.transposed
    if asked.gradient == GRADIENT_NONE and asked.slogdet:
        return groups_of_later(
            like, b, asked, request(False, True, GRADIENT_NONE, False), start, stop, n)
    if asked.gradient == GRADIENT_NONE:
        return groups_of_now(
            like, b, asked, request(True, False, GRADIENT_NONE, False), start, stop, n)
    if asked.gradient == GRADIENT_OF_DET and asked.det:
        return groups_of_later(
            like, b, asked, request(True, False, GRADIENT_OF_DET, transposed), start, stop, n)
    if asked.gradient == GRADIENT_OF_DET:
        return groups_of_now(
            like, b, asked, request(False, False, GRADIENT_OF_DET, transposed), start, stop, n)
    if asked.slogdet:
        return groups_of_later(
            like, b, asked, request(False, True, GRADIENT_OF_LOGDET, transposed), start, stop, n)
    return groups_of_now(
        like, b, asked, request(False, False, GRADIENT_OF_LOGDET, transposed), start, stop, n)


cdef inline int groups_of_now(
    real like, const batch *b, const request *asked, request known, Py_ssize_t start,
    Py_ssize_t stop, int n
) noexcept nogil:
    """`known` is what is asked for, again: whose address goes to a call is no constant behind it,
    and inv takes 1.04 times the time at n = 4."""
    cdef int status = FINE
    cdef twofold det
    cdef group g
    place_group(b, &known, start, stop, VD, False, &g)
    g.count = VD
    while start < stop:
        if trusted_group(like, &known, &g, n, &det):
            status |= write_dets(like, &known, &g, &det)
        else:
            status |= careful_part(like, b, asked, start, start + VD)
        next_group(&g, VD)
        start += VD
    return status


cdef inline int groups_of_later(
    real like, const batch *b, const request *asked, request known, Py_ssize_t start,
    Py_ssize_t stop, int n
) noexcept nogil:
    """With determinants or logarithms behind the gradients of several groups."""
    cdef int status = FINE, later = LATER if n < CLOSED else 1, groups, i
    cdef unsigned int untrusted
    cdef twofold dets[LATER]
    cdef group g, ahead
    place_group(b, &known, start, stop, VD, False, &g)
    g.count = VD
    ahead = g
    while start < stop:
        groups = <int> min(later, (stop - start) // VD)
        untrusted = 0
        for i in range(groups):
            if not trusted_group(like, &known, &ahead, n, &dets[i]):
                untrusted |= 1 << i
            next_group(&ahead, VD)
        for i in range(0 if untrusted else groups):
            status |= write_dets(like, &known, &g, &dets[i])
            next_group(&g, VD)
        # Apart: a call costs the loop above its constants in registers.
        for i in range(groups if untrusted else 0):
            if untrusted >> i & 1:
                status |= careful_part(like, b, asked, start + i * VD, start + (i + 1) * VD)
            else:
                status |= write_dets(like, &known, &g, &dets[i])
            next_group(&g, VD)
        start += groups * VD
    return status


cdef inline int write_dets(
    real like, const request *known, const group *g, const twofold *det
) noexcept nogil:
    if real is double:
        return write_values(like, known, g, det.high, det.low, DOUBLES)
    else:
        return write_values(like, known, g, det.high, DOUBLES, DOUBLES)


# ---- all others ----------------------------------------------------------------------------------

cdef inline int careful_part(
    real like, const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    if real is double:
        return careful_doubles(careful_groups[double], like, b, asked, start, stop)
    else:
        return careful_floats(careful_groups[float], like, b, asked, start, stop)


cdef inline int careful_groups(
    real like, const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    """Compiled for each n, whose loops then unroll."""
    cdef int n = <int> b.dimensions[1]
    if n == 1:
        return groups_of_any(like, b, asked, start, stop, 1)
    if n == 2:
        return groups_of_any(like, b, asked, start, stop, 2)
    if n == 3:
        return groups_of_any(like, b, asked, start, stop, 3)
    if n == CLOSED:
        return groups_of_any(like, b, asked, start, stop, CLOSED)
    return groups_of_any(like, b, asked, start, stop, 0)


cdef inline int groups_of_any(
    real like, const batch *b, const request *asked, Py_ssize_t start, Py_ssize_t stop, int n
) noexcept nogil:
    cdef int status = FINE
    # Copies, which no result that is written can change: they are read once.
    cdef batch own = b[0]
    cdef request wanted = asked[0]
    cdef group g
    while start < stop:
        place_group(&own, &wanted, start, stop, VD, False, &g)
        status |= closed_group(like, &wanted, &g, n)
        start += VD
    return status
