"""Groups of square matrices, n > 4: determinant, its logarithm and their gradients.

A group is W matrices, factored once: on lanes, one a lane (elimination.pxd; fixed.pxd for small
sizes), or, where a row fits registers that can be permuted, a few side by side (registers.pxd), or
one by itself (panels.pxd, rows.pxd). What comes of the pivots is computed on lanes in all cases,
and what is out of the ordinary is done again (doubts.pxd).

Hardware flags are of no use here (lanes compute on copies, and speculate), so a group returns what
is to be raised: INVALID where a finite singular matrix has no inverse, OVERFLOWED where a finite
matrix has an infinite result.
"""

from doubts cimport (
    doubted, doubtful_lanes, far_apart, has_zero, not_finite, redo_lanes, redo_rows, unusual,
)
from elimination cimport eliminate, finish, lane_pitch, parity, workspace
from lanes cimport (
    absolute, broadcast, complement, either, element, equal, greater, greatest, lane, load,
    load_part, mask_bits, maximum, multiply_add, select, set_element, split_exponent,
    times_power_of_two, vd, width, zero_where,
)
from pack cimport MOST_LANES, item_size, pack, read_matrix, unpack_permuted, write_permuted
from panels cimport (
    eliminate_panels, fits_panels, invert_panels, panel_pitch, panels_workspace,
)
from plain cimport (
    FINE, GRADIENT_NONE, GRADIENT_OF_DET, GRADIENT_OF_LOGDET, OVERFLOWED,
)
from register_gauss cimport level_signs, room_for_triangles
from register_inverse cimport ending
from register_pivots cimport BESIDE, PLACES, small
from registers cimport complete_few, eliminate_few, matrices_beside, place_rows, write_rows
from results cimport group, request, write_values
from rows cimport eliminate_rows, finish_rows, row_pitch, rows_workspace

cdef enum:
    # Rows a power of two apart would share cache sets: from this size on they are copied (det takes
    # 0.77 of the time at n = 256, 1.1 times at 64).
    COPIED = 200


# ---- n > 4, one matrix a lane ------------------------------------------------------------------

cdef inline Py_ssize_t lanes_needed(Py_ssize_t n) noexcept nogil:
    """Lane vectors of memory that `elimination_group` works in."""
    return n * lane_pitch(n) + n * n + 2 * n + workspace(n)


cdef inline void clear_padding(lane *a, Py_ssize_t n, Py_ssize_t pitch) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(n if pitch > n else 0):
        for j in range(n, pitch):
            a[i * pitch + j] = broadcast(0.0, a[0])


cdef inline int elimination_group(
    lane *memory, double *careful_memory, const request *asked, group *g
) noexcept nogil:
    """One group of W matrices in lanes of their own precision."""
    cdef Py_ssize_t n = g.n, pitch = lane_pitch(n)
    cdef lane *a = memory
    cdef lane *scratch = a + n * pitch
    cdef lane *pivots = scratch + n * n
    cdef lane *order = pivots + n
    cdef lane *work = order + n
    cdef lane mantissa, exponent, last, most, apart, strange, zero, one
    cdef unsigned int singular, doubtful, redo
    cdef int status = FINE
    pack(a, pitch, g.matrices, n, n, g.row_stride, g.column_stride)
    clear_padding(a, n, pitch)
    zero, one = broadcast(0.0, a[0]), broadcast(1.0, a[0])
    most = most_of(a, n * pitch)
    if asked.gradient == GRADIENT_NONE:
        eliminate(a, n, pitch, False, pivots, order, work)
    else:
        eliminate(a, n, pitch, True, pivots, order, work)
    last = pivots[n - 1]
    apart = far_apart(pivots, n, most)
    strange = either(apart, unusual(pivots, n, False))
    doubtful = mask_bits(strange)
    if asked.gradient:
        strange = either(strange, unusual(pivots, n, True))
    mantissa, exponent = parity(order, n), zero
    multiply_lanes(pivots, n - 1, &mantissa, &exponent)
    if asked.gradient == GRADIENT_OF_LOGDET:
        finish(a, n, pitch, order[n - 1], one, one / last, work)
    elif asked.gradient == GRADIENT_OF_DET:
        finish(a, n, pitch, order[n - 1], last, one, work)
    if asked.gradient:
        strange = either(strange, not_finite(a, n * pitch))
    singular = mask_bits(has_zero(pivots, n)) & ~mask_bits(apart)
    doubtful |= doubted(&singular, g, a[0])
    redo = mask_bits(strange) | doubtful
    if asked.gradient == GRADIENT_OF_DET:
        status |= scale(a, n * pitch, mantissa, exponent, ~redo & ((1 << g.count) - 1))
    multiply_lanes(&last, 1, &mantissa, &exponent)
    if redo:
        status |= redo_lanes(redo, doubtful, singular, careful_memory, asked, g, a, pitch, order,
                             &mantissa, &exponent)
    status |= write(asked, g, mantissa, exponent)
    if asked.transposed:
        unpack_permuted(a, pitch, order, g.gradients, g.count, n, g.gradient_row_stride,
                        g.gradient_column_stride, <char *> scratch, <int *> work)
    elif asked.gradient:
        unpack_permuted(a, pitch, order, g.gradients, g.count, n, g.gradient_column_stride,
                        g.gradient_row_stride, <char *> scratch, <int *> work)
    return status


# ---- n > 4, a few matrices in registers ----------------------------------------------------------

cdef inline Py_ssize_t registers_needed(Py_ssize_t n, lane like) noexcept nogil:
    """Lane vectors of memory that `register_group` works in."""
    cdef int W = width(like), height = <int> ((n + W - 1) // W)
    return (rows_needed(n, like) + 2 * n + BESIDE * height * W * height
            + W * (PLACES + room_for_triangles(height, like)))


cdef inline int register_group(
    lane *memory, double *careful_memory, const request *asked, group *g
) noexcept nogil:
    """A group of at most W matrices, a few at a time; where a few are not all there, they repeat
    the last one. Other lanes repeat some of the first.

    Those that are uncertain are left to `factor_alone`, and those whose gradient is not finite, but
    these keep their determinant, which is the same without a gradient."""
    cdef Py_ssize_t n = g.n
    cdef bint inverse = asked.gradient != GRADIENT_NONE
    cdef int beside = matrices_beside(g.count), few, w
    cdef int fews = (g.count + beside - 1) // beside, status = FINE
    cdef lane *pivots = memory + rows_needed(n, memory[0])
    cdef lane *order = pivots + n
    cdef lane exponent = broadcast(0.0, memory[0]), others, last, det, det_exponent
    cdef unsigned int doubtful, scattered, left
    cdef bint moderate
    cdef small a[MOST_LANES]
    lay_out(a, n, beside, fews, inverse, order + n)
    for few in range(fews):
        for w in range(few * beside, (few + 1) * beside):
            place_rows(a + w, g.matrices[w], n, g.row_stride, g.column_stride,
                       <lane *> a[w].result)
        eliminate_few(a + few * beside, few * beside, beside, n, inverse, pivots, order)
    left = doubtful = doubtful_lanes(g, pivots, False, &scattered, &moderate)
    last = pivots[n - 1]
    others = level_signs(order, n)
    multiply_lanes(pivots, n - 1, &others, &exponent)
    det, det_exponent = others, exponent
    multiply_lanes(&last, 1, &det, &det_exponent)
    pull_in(&others, &exponent)
    for few in range(fews if inverse else 0):
        left |= complete_group(a, few * beside, beside, asked, g, order, others, exponent, last,
                               left)
    for w in range(g.count if left else 0):
        if left >> w & 1:
            status |= factor_alone(memory, careful_memory, asked, g, w, scattered >> w & 1,
                                   doubtful >> w & 1, &det, &det_exponent)
    return status | write(asked, g, det, det_exponent)


cdef inline int factor_alone(
    lane *memory, double *careful_memory, const request *asked, const group *g, int w,
    bint scattered, bint with_det, lane *det, lane *det_exponent
) noexcept nogil:
    """Matrix w of a group by `factor_rows`, its determinant to lane w if that is asked for."""
    cdef lane mantissa, exponent
    cdef group alone
    cdef int status
    alone.n, alone.count, alone.matrices[0] = g.n, 1, g.matrices[w]
    alone.scattered = scattered
    alone.row_stride, alone.column_stride = g.row_stride, g.column_stride
    alone.gradients[0] = g.gradients[w]
    alone.gradient_row_stride = g.gradient_row_stride
    alone.gradient_column_stride = g.gradient_column_stride
    status = factor_rows(memory, careful_memory, asked, &alone, 1, &mantissa, &exponent)
    if with_det:
        set_element(det, w, element(&mantissa, 0))
        set_element(det_exponent, w, element(&exponent, 0))
    return status


cdef inline void lay_out(
    small *a, Py_ssize_t n, int beside, int fews, bint inverse, lane *memory
) noexcept nogil:
    """Room for each matrix's rows, shared with those that are not beside it, its columns and its
    factors, which Gauss needs only while it lasts."""
    cdef int W = width(memory[0]), height = <int> ((n + W - 1) // W), _few, m, w = 0
    # Factors alone stand close together: else det takes 1.03 times the time at n = 28 and 32.
    cdef Py_ssize_t room = room_for_triangles(height, memory[0]) if inverse else n * height
    cdef lane *places = memory + beside * height * W * height
    cdef lane *factors = places + W * PLACES
    for _few in range(fews):
        for m in range(beside):
            a[w].result = <char *> (memory + m * height * W * height)
            a[w].places = <char *> (places + w * PLACES)
            a[w].factors = <char *> (factors + (w if inverse else m) * room)
            w += 1


cdef inline unsigned int complete_group(
    small *a, int first, int beside, const request *asked, group *g, const lane *order,
    lane others, lane exponent, lane last, unsigned int left
) noexcept nogil:
    """The inverses or gradients of some matrices, which are written when nothing of these is read
    any more: they may lie there. Bits of those that are not finite, and not written."""
    cdef bint of_det = asked.gradient == GRADIENT_OF_DET
    cdef ending ends[BESIDE]
    cdef int w
    for w in range(beside):
        ends[w] = ending(1.0, 1.0 / element(&last, first + w), 1.0, 0.0)
        if of_det:
            ends[w] = ending(element(&last, first + w), 1.0, element(&others, first + w),
                             element(&exponent, first + w))
    left |= complete_few(a + first, first, beside, g.n, order, ends) << first
    for w in range(first, min(first + beside, g.count)):
        if left >> w & 1:
            continue
        if asked.transposed:
            write_rows(<lane *> a[w].result, g.n, g.gradients[w], g.gradient_row_stride,
                       g.gradient_column_stride)
        else:
            write_rows(<lane *> a[w].result, g.n, g.gradients[w], g.gradient_column_stride,
                       g.gradient_row_stride)
    return left


# ---- n > 4, one matrix at a time -----------------------------------------------------------------

cdef inline Py_ssize_t rows_needed(Py_ssize_t n, lane like) noexcept nogil:
    """Lane vectors of memory that `row_elimination` works in."""
    if fits_panels(n, like):
        return 2 * n * panel_pitch(n, like) + n + 2 * (n + MOST_LANES) + panels_workspace(n, like)
    return n * row_pitch(n, like) + 2 * n + rows_workspace(n, like)


cdef inline int row_elimination(
    lane *memory, double *careful_memory, const request *asked, group *g, int threads
) noexcept nogil:
    """A group of one matrix; where lanes serve, too, with the same bits as in `elimination_group`.
    Rows use so many threads."""
    cdef lane mantissa, exponent
    cdef int status = factor_rows(memory, careful_memory, asked, g, threads, &mantissa, &exponent)
    return status | write(asked, g, mantissa, exponent)


cdef inline int factor_rows(
    lane *memory, double *careful_memory, const request *asked, group *g, int threads,
    lane *mantissa, lane *exponent
) noexcept nogil:
    """The inverse or gradient is written; the determinant is mantissa 2^exponent."""
    if fits_panels(g.n, memory[0]):
        return factor_by_panels(memory, careful_memory, asked, g, mantissa, exponent)
    cdef Py_ssize_t n = g.n, pitch = row_pitch(n, memory[0])
    cdef bint jordan = asked.gradient != GRADIENT_NONE
    cdef lane *a = memory
    cdef lane *pivots = a + n * pitch
    cdef int *origin = <int *> (pivots + n)
    cdef lane *work = pivots + 2 * n
    cdef lane one = broadcast(1.0, memory[0]), most
    read_matrix(a, pitch, g.matrices[0], n, n, g.row_stride, g.column_stride)
    most = most_of(a, n * pitch)
    exponent[0], mantissa[0] = broadcast(0.0, one), broadcast(
        eliminate_rows(a, n, pitch, True, pivots, origin, work, threads) if jordan else
        eliminate_rows(a, n, pitch, False, pivots, origin, work, threads), one)
    multiply_lanes(pivots, n - 1, mantissa, exponent)
    if asked.gradient == GRADIENT_OF_LOGDET:
        finish_rows(a, n, pitch, one, one / pivots[n - 1])
    elif asked.gradient == GRADIENT_OF_DET:
        finish_rows(a, n, pitch, pivots[n - 1], one)
    return complete_rows(a, n, pitch, pivots, most, origin, careful_memory, asked, g, mantissa,
                         exponent)


cdef inline int factor_by_panels(
    lane *memory, double *careful_memory, const request *asked, group *g, lane *mantissa,
    lane *exponent
) noexcept nogil:
    """The same by panels, which read rows that are contiguous where they are."""
    cdef Py_ssize_t n = g.n, pitch = panel_pitch(n, memory[0]), step = g.row_stride
    cdef lane *a = memory
    cdef lane *inverse = a + n * pitch
    cdef lane *pivots = inverse + n * pitch
    cdef lane *reciprocals = pivots + n
    cdef int *origin = <int *> (reciprocals + panel_pitch(n + MOST_LANES, memory[0]))
    cdef lane *work = reciprocals + 2 * (n + MOST_LANES)
    cdef lane one = broadcast(1.0, memory[0]), most
    cdef const char *source = g.matrices[0]
    if n >= COPIED or g.column_stride != item_size(one):
        read_matrix(a, pitch, source, n, n, g.row_stride, g.column_stride)
        source, step = <const char *> a, pitch * <Py_ssize_t> sizeof(one)
    most = most_of_rows(source, step, n, one)
    exponent[0], mantissa[0] = broadcast(0.0, one), broadcast(
        eliminate_panels(source, step, a, n, pitch, asked.gradient != GRADIENT_NONE, pivots,
                         reciprocals, origin, work), one)
    multiply_lanes(pivots, n - 1, mantissa, exponent)
    if asked.gradient == GRADIENT_OF_LOGDET:
        invert_panels(a, n, pitch, reciprocals, origin, one, one / pivots[n - 1], inverse, work)
    elif asked.gradient == GRADIENT_OF_DET:
        invert_panels(a, n, pitch, reciprocals, origin, pivots[n - 1], one, inverse, work)
    return complete_rows(inverse, n, pitch, pivots, most, origin, careful_memory, asked, g,
                         mantissa, exponent)


cdef inline int complete_rows(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const lane *pivots, lane most, int *origin,
    double *careful_memory, const request *asked, group *g, lane *mantissa, lane *exponent
) noexcept nogil:
    """Judge what has been found, and write the inverse or gradient, if there is one, from a: what
    `finish_rows` or `invert_panels` has made."""
    cdef bint inverse = asked.gradient != GRADIENT_NONE
    cdef lane last = pivots[n - 1], apart, strange
    cdef unsigned int singular, doubtful, redo
    cdef int status = FINE
    apart = far_apart(pivots, n, broadcast(greatest(most), most))
    if g.scattered:
        apart = equal(most, most)
    strange = either(apart, unusual(pivots, n, False))
    doubtful = mask_bits(strange)
    if inverse:
        strange = either(strange, either(unusual(pivots, n, True), not_finite(a, n * pitch)))
    singular = mask_bits(has_zero(pivots, n)) & ~mask_bits(apart)
    doubtful |= doubted(&singular, g, most)
    redo = mask_bits(strange) | doubtful
    if asked.gradient == GRADIENT_OF_DET:
        status |= scale(a, n * pitch, mantissa[0], exponent[0], 0 if redo else ~0)
    multiply_lanes(&last, 1, mantissa, exponent)
    if redo:
        status |= redo_rows(doubtful != 0, singular & 1, careful_memory, asked, g, a, pitch, origin,
                            mantissa, exponent)
    if inverse and asked.transposed:
        write_permuted(a, pitch, origin, g.gradients[0], n, g.gradient_row_stride,
                       g.gradient_column_stride)
    elif inverse:
        write_permuted(a, pitch, origin, g.gradients[0], n, g.gradient_column_stride,
                       g.gradient_row_stride)
    return status


cdef inline lane most_of_rows(
    const char *source, Py_ssize_t step, Py_ssize_t n, lane like
) noexcept nogil:
    """The largest |entry| of rows in memory; two maxima as below."""
    cdef lane zero = broadcast(0.0, like), most = zero, other = zero
    cdef Py_ssize_t W = width(like), bytes = sizeof(like), _row, v
    for _row in range(n):
        for v in range(0, n // W - 1, 2):
            most = maximum(absolute(load(source + v * bytes, like)), most)
            other = maximum(absolute(load(source + (v + 1) * bytes, like)), other)
        if n // W % 2:
            most = maximum(absolute(load(source + (n // W - 1) * bytes, like)), most)
        if n % W:
            other = maximum(absolute(load_part(source + n // W * bytes, n % W, zero)), other)
        source += step
    return maximum(most, other)


cdef inline lane most_of(const lane *x, Py_ssize_t count) noexcept nogil:
    """The largest |entry|; two maxima, since one would wait for itself."""
    cdef lane most = absolute(x[0]), other = most
    cdef Py_ssize_t i
    for i in range(0, count - 1, 2):
        most = maximum(absolute(x[i]), most)
        other = maximum(absolute(x[i + 1]), other)
    return maximum(absolute(x[count - 1]), maximum(most, other))


cdef inline void multiply_lanes(
    const lane *x, Py_ssize_t count, lane *mantissa, lane *exponent
) noexcept nogil:
    """mantissa 2^exponent times all of x, out of reach of over- and underflow."""
    cdef lane m = mantissa[0], sum = exponent[0], e
    cdef Py_ssize_t k
    for k in range(count):
        m = m * split_exponent(x[k], &e)
        sum = sum + e
        if k % 64 == 63:
            m = split_exponent(m, &e)
            sum = sum + e
    mantissa[0] = split_exponent(m, &e)
    exponent[0] = sum + e


cdef inline int write(
    const request *asked, group *g, lane mantissa, lane exponent
) noexcept nogil:
    if lane is vd:
        return write_values(<double> 0, asked, g, mantissa, broadcast(0.0, mantissa), exponent)
    else:
        return write_values(<float> 0, asked, g, mantissa, broadcast(0.0, mantissa), exponent)


cdef inline void pull_in(lane *mantissa, lane *exponent) noexcept nogil:
    """Exponents that do no harm: into the mantissa, each for itself."""
    cdef lane most = broadcast(400.0 if lane is vd else 40.0, mantissa[0])
    cdef lane inside = complement(greater(absolute(exponent[0]), most))
    mantissa[0] = select(inside, times_power_of_two(mantissa[0], exponent[0]), mantissa[0])
    exponent[0] = zero_where(inside, exponent[0])


cdef inline int scale(
    lane *x, Py_ssize_t count, lane mantissa, lane exponent, unsigned int lanes
) noexcept nogil:
    """x times mantissa 2^exponent; in one multiplication if the factor and all products fit.

    OVERFLOWED where that makes infinities in `lanes`: in the others something was strange before,
    or they are done again. (Of a matrix whose rows lie along vectors all lanes are asked for.)"""
    cdef lane multiple = times_power_of_two(mantissa, exponent)
    cdef lane most = broadcast(400.0 if lane is vd else 40.0, multiple)
    cdef lane zero = broadcast(0.0, multiple), poison = zero
    cdef Py_ssize_t i
    if mask_bits(greater(absolute(exponent), most)):
        for i in range(count):
            x[i] = times_power_of_two(x[i] * mantissa, exponent)
            poison = multiply_add(x[i], zero, poison)
    else:
        for i in range(count):
            x[i] = x[i] * multiple
            poison = multiply_add(x[i], zero, poison)
    return OVERFLOWED if mask_bits(complement(equal(poison, zero))) & lanes else FINE
