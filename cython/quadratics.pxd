"""tr(XAX'Q) and its gradient, one triple at a time, along rows.

Two products, each of two at once. X [A, A'] is formed in panels of two vectors a row, as the next
product wants them. Of QXA + Q'XA' a tile is in registers: when it has taken QXA, sum_ij x_ij of
it is the value, and when it has taken Q'XA', too, it is the gradient (lecture-a, section 5). So
nothing is added up in memory, and nothing is packed but A and A'. If A has an odd number of
vectors, its last one and that of A' share a panel. Tiles of the gradient are stored while X and Q
are still read: they must not overlap.

Cost: 2 n m (n + m) multiply-adds, half of them for the value alone. X is in C order. Four products
by matmul.pxd, an inner product and a sum take 1.06 to 1.09 times the time at n = 16 to 50.
"""

from lanes cimport broadcast, element, lane, vd, vf, width
from matmul cimport factor, multiply_columns, pack_vector, transposed
from pack cimport item_size

cdef extern from "tiles.h" nogil:
    vd weigh_columns "matgrad::weigh_columns"(
        int vectors, factor q, factor xa, factor xat, factor x, factor gradient, Py_ssize_t n,
        Py_ssize_t count, vd total) noexcept
    vf weigh_columns "matgrad::weigh_columns"(
        int vectors, factor q, factor xa, factor xat, factor x, factor gradient, Py_ssize_t n,
        Py_ssize_t count, vf total) noexcept


cdef inline Py_ssize_t quadratic_memory(lane like, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """How many vectors of memory it takes."""
    return 2 * (n + m) * ((m + width(like) - 1) // width(like))


cdef inline double quadratic_by_rows(
    lane like, factor x, factor a, factor q, factor gradient, Py_ssize_t n, Py_ssize_t m,
    lane *memory
) noexcept nogil:
    """The value, and the gradient unless it has no address."""
    cdef Py_ssize_t W = width(like), item = item_size(like), vectors = (m + W - 1) // W, t
    cdef bint both = gradient.first != NULL
    cdef Py_ssize_t step = W * gradient.column if both else 0
    cdef lane *products = memory + 2 * vectors * m
    cdef lane total = broadcast(0.0, like)
    cdef double value = 0.0
    form_products(like, x, a, n, m, both, memory, products)
    for t in range(0, vectors, 2):
        total = weigh_columns(
            <int> min(2, vectors - t), q,
            factor(<char *> vector(products, n, vectors, False, t), 2 * sizeof(like), item),
            factor(<char *> vector(products, n, vectors, True, t), 2 * sizeof(like), item),
            factor(x.first + t * sizeof(like), x.row, item),
            factor(gradient.first + t * step, gradient.row, gradient.column),
            n, m - t * W, total)
    for t in range(W):
        value += element(&total, t)
    return value


cdef inline void form_products(
    lane like, factor x, factor a, Py_ssize_t n, Py_ssize_t m, bint both, lane *packed,
    lane *products
) noexcept nogil:
    """XA and, for both, XA' in panels; A is read where it is if all its panels are whole."""
    cdef Py_ssize_t W = width(like), vectors = (m + W - 1) // W, t
    cdef bint loose = a.column == item_size(like) and m % (2 * W) == 0
    cdef factor right
    for t in range(vectors):
        if not loose:
            pack_vector(a, m, m, t, vector(packed, m, vectors, False, t), 2)
        if both:
            pack_vector(transposed(a), m, m, t, vector(packed, m, vectors, True, t), 2)
    for t in range(vectors if both else vectors // 2):
        right = panel(packed, m, t)
        if loose and t < vectors // 2:
            right = factor(a.first + 2 * t * sizeof(like), a.row, 0)
        multiply_columns(like, 2, True, x, right, panel(products, n, t), n, m, 2 * W)
    if not both and vectors & 1:
        t = vectors - 1
        multiply_columns(like, 1, True, x, panel(packed, m, t), panel(products, n, t), n, m, W)


cdef inline factor panel(lane *panels, Py_ssize_t rows, Py_ssize_t j) noexcept nogil:
    """Panel j, of two vectors a row."""
    return factor(<char *> (panels + 2 * rows * j), 2 * sizeof(panels[0]), item_size(panels[0]))


cdef inline lane *vector(
    lane *panels, Py_ssize_t rows, Py_ssize_t vectors, bint second, Py_ssize_t t
) noexcept nogil:
    """Vector t of the first or the second matrix, in their panels."""
    if vectors & 1 and t == vectors - 1:
        return panels + 2 * rows * t + second
    return panels + 2 * rows * (t // 2 + (vectors // 2 if second else 0)) + t % 2
