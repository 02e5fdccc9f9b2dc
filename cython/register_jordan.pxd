"""Gauss-Jordan elimination of small matrices in registers, and the inverse or gradient of it.

Layout: register_pivots.pxd. On the way down row after row takes all rows before it and becomes
factors itself, row / -pivot with 1 / pivot in the pivot's column. What a row takes of row k is that
row's factors times its own entry in column places[k], which begins anew with it: columns that have
had a pivot hold the inverse's, so that pivots are sought among those that are free. Rows stop
before the last pivot; on the way up each takes the rows after its own, and the last one as `finish`
does on lanes (elimination.pxd). Then lanes are permuted, too: row k of what is left belongs in row
places[k], lane places[j] in column j.

On the way up rows are taken by fours, a panel: these have taken each other, so that what a row
takes of them is its own four entries as they are, and the four columns begin anew at once; one of
a single vector has panels of one. On the way down panels would round otherwise than
register_gauss.pxd: pivots are the same bits with and without a gradient, so that all functions
agree on which matrices are singular.

Cost: n^2 multiply-adds a vector, n^2/2 of what makes a column anew, 20 operations a pivot. Rows of
one or two vectors; from three on register_inverse.pxd takes less time. Against panels of one the
way up takes 0.76 of the time at n = 16. Rejected: panels of two (inv 1.03 times at n = 16), of
eight (1.1 times), register_inverse.pxd (1.0 times at n = 8, 1.05 at 16, 1.35 at 5 and 9), and the
lower triangle's inverse with rows that move together as in register_gauss.pxd, then back
substitution (1.15 times at n = 8, 1.08 at 16).
"""

from libc.stdint cimport uint64_t

from lanes cimport (
    broadcast, complement, element, equal, greatest, mask_bits, multiply_add, ones, set_element,
    times_power_of_two, width,
)
from register_pivots cimport (
    BESIDE, VECTORS, find_pivots, only_places, permuted, place, read_rows, select_bits,
    set_place, small, spread, start_size, vector,
)

cdef struct ending:
    # The last pivot's part in a gradient, and what all is multiplied by then: multiple 2^exponent.
    double body
    double border
    double multiple
    double exponent


cdef inline int rank(int height) noexcept nogil:
    """The rows of a panel."""
    return 1 if height == 1 else 4


# ---- down: all pivots ----------------------------------------------------------------------------

cdef inline void jordan(
    small *a, int first, int beside, Py_ssize_t n, int height, int apart, vector *pivots,
    vector *order, vector *most
) noexcept nogil:
    """Matrices a[0] to a[beside - 1], lanes first, first + 1, ...: pivots and their columns, the
    largest entry; all constants but n and `first`."""
    cdef vector rows[BESIDE * VECTORS]
    cdef vector sizes[BESIDE]
    cdef vector reciprocals
    cdef Py_ssize_t k, i, size = rank(height)
    cdef int m
    for m in range(beside):
        a[m].odd = 0
        a[m].free = ~(<uint64_t> 0) >> (64 - n)
        sizes[m] = start_size(a + m, n, height, most[0])
    for k in range(n):
        read_rows(a, beside, k, n, height, rows, sizes)
        for i in range(k):
            take(rows, a, beside, i, height)
        reciprocals = find_pivots(rows, a, first, beside, height, height, True, apart,
                                  pivots + k * apart, order + k * apart)
        if k == n - 1:
            reciprocals = broadcast(1.0, reciprocals)
        become_factors(rows, a, first, beside, k, height, order + k * apart, &reciprocals)
    for i in range((n - 1) // size):
        close_panels(most[0], a, beside, i * size, size, height)
    close_panels(most[0], a, beside, (n - 1) // size * size, (n - 1) % size, height)
    for m in range(beside):
        set_element(most, first + m, greatest(sizes[m]))


cdef inline void take_panels(
    vector *rows, const small *a, int beside, Py_ssize_t panel, int count, int height
) noexcept nogil:
    """A row of each matrix takes the `count` rows of a panel of it."""
    cdef const vector *factors
    cdef const vector *places
    cdef Py_ssize_t start = panel * rank(height)
    cdef vector old[VECTORS]
    cdef vector *row
    cdef vector u
    cdef int m, t, v
    for m in range(beside):
        row = rows + m * height
        factors = <const vector *> a[m].factors + start * height
        places = <const vector *> a[m].places
        for v in range(height):
            old[v] = row[v]
            row[v] = only_places(a[m].others + panel, v, row[v])
        for t in range(count):
            u = spread(old, height, places, start + t)
            for v in range(height):
                row[v] = multiply_add(factors[t * height + v], u, row[v])


cdef inline void take(
    vector *rows, const small *a, int beside, Py_ssize_t k, int height
) noexcept nogil:
    """A row of each matrix takes row k of it, whose panel is not closed."""
    cdef const vector *factors
    cdef const vector *places
    cdef vector *row
    cdef vector u
    cdef int m, v
    for m in range(beside):
        row = rows + m * height
        factors = <const vector *> a[m].factors + k * height
        places = <const vector *> a[m].places
        u = spread(row, height, places, k)
        for v in range(height):
            row[v] = multiply_add(factors[v], u, only_places(a[m].others + k, v, row[v]))


cdef inline vector only_bits(uint64_t places, int v, vector a) noexcept nogil:
    """Vector v of a row with zeros but at some places."""
    return select_bits(places >> v * width(a), a, broadcast(0.0, a))


cdef inline void become_factors(
    const vector *rows, small *a, int first, int beside, Py_ssize_t k, int height,
    const vector *column, const vector *reciprocals
) noexcept nogil:
    cdef Py_ssize_t W = width(rows[0])
    cdef vector reciprocal
    cdef vector *factors
    cdef uint64_t bit
    cdef int m, v
    for m in range(beside):
        factors = <vector *> a[m].factors + k * height
        reciprocal = broadcast(element(reciprocals, m), rows[0])
        bit = <uint64_t> 1 << place(column, first + m)
        if height > 1:
            a[m].odd ^= ones(a[m].free & (bit - 1)) & 1
        a[m].free ^= bit
        a[m].others[k] = ~bit
        set_place(<vector *> a[m].places, k, place(column, first + m))
        for v in range(height):
            factors[v] = select_bits(bit >> v * W, -reciprocal, rows[m * height + v] * reciprocal)


cdef inline void close_panels(
    vector like, small *a, int beside, Py_ssize_t start, Py_ssize_t count, int height
) noexcept nogil:
    """Rows start, start + 1, ... take those after them."""
    cdef vector rows[BESIDE * VECTORS]
    cdef const vector *places
    cdef Py_ssize_t k, i
    cdef uint64_t columns
    cdef int m, v
    for k in range(start, start + count - 1):
        start_rows(rows, a, beside, k, height)
        for i in range(k + 1, start + count):
            take(rows, a, beside, i, height)
        for m in range(beside):
            for v in range(height):
                (<vector *> a[m].factors)[k * height + v] = rows[m * height + v]
    for m in range(beside):
        places = <const vector *> a[m].places
        columns = 0
        for k in range(start, start + count):
            columns |= <uint64_t> 1 << place(places, k)
        a[m].others[start // rank(height)] = ~columns


cdef inline void start_rows(
    vector *rows, const small *a, int beside, Py_ssize_t k, int height
) noexcept nogil:
    cdef int m, v
    for m in range(beside):
        for v in range(height):
            rows[m * height + v] = (<const vector *> a[m].factors)[k * height + v]


# ---- up again: the inverse or the gradient -------------------------------------------------------

cdef inline unsigned int complete(
    vector like, small *a, int beside, Py_ssize_t n, int height, int apart,
    const ending *ends
) noexcept nogil:
    """All rows; bits of the matrices that have entries which are not finite."""
    cdef vector rows[BESIDE * VECTORS]
    cdef vector last[BESIDE * VECTORS]
    cdef vector poison[BESIDE]
    cdef vector zero = broadcast(0.0, like)
    cdef Py_ssize_t size = rank(height), panels = (n - 1) // size, k, i
    cdef unsigned int strange = 0
    cdef int m
    for m in range(beside):
        end_row(a + m, n, height, ends + m, last + m * height)
        poison[m] = zero
    for k in range(n):
        start_rows(rows, a, beside, k, height)
        for i in range(k // size + 1, panels):
            take_panels(rows, a, beside, i, size, height)
        if k // size < panels:
            take_panels(rows, a, beside, panels, (n - 1) % size, height)
        for m in range(beside):
            poison[m] = finish_row(rows + m * height, a + m, k, n, height, apart, ends + m,
                                   last + m * height, poison[m])
    for m in range(beside):
        if mask_bits(complement(equal(poison[m], zero))):
            strange |= 1 << m
    return strange


cdef inline void end_row(
    const small *a, Py_ssize_t n, int height, const ending *end, vector *last
) noexcept nogil:
    """The last row's factors."""
    cdef const vector *row = <const vector *> a.factors + (n - 1) * height
    cdef vector border = broadcast(end.border, row[0])
    cdef const vector *places = <const vector *> a.places
    cdef uint64_t bit = <uint64_t> 1 << place(places, n - 1)
    cdef int v
    for v in range(height):
        last[v] = select_bits(bit >> v * width(border), border, row[v] * -border)


cdef inline vector finish_row(
    const vector *row, const small *a, Py_ssize_t k, Py_ssize_t n, int height, int apart,
    const ending *end, const vector *last, vector poison
) noexcept nogil:
    """Row k takes the last pivot and is scaled; `poison` plus zero, or NaN if it is not finite."""
    cdef vector zero = broadcast(0.0, poison), body = broadcast(end.body, zero)
    cdef vector multiple = broadcast(end.multiple, zero), u
    cdef const vector *places = <const vector *> a.places
    cdef uint64_t others = ~(<uint64_t> 1 << place(places, n - 1))
    cdef vector x[VECTORS]
    cdef vector *result = <vector *> a.result + place(places, k) * height * apart
    cdef int v
    u = spread(row, height, places, n - 1)
    for v in range(height):
        x[v] = multiply_add(last[v], u, only_bits(others, v, body * row[v]))
        if k == n - 1:
            x[v] = last[v]
        x[v] = x[v] * multiple
        if end.exponent != 0:
            x[v] = times_power_of_two(x[v], broadcast(end.exponent, zero))
        poison = multiply_add(x[v], zero, poison)
    for v in range(height):
        result[v] = permuted(x, height, places + v, 0)
    return poison
