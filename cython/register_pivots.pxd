"""Small matrices side by side whose rows registers can permute: reading a row of each and finding
their pivots.

Layout: a row lies along `vectors` vectors, 1 to 4, padded with zeros; the rows of `beside` matrices
stand `step` vectors apart. Pivots and their columns are on lanes, one matrix a lane.

The pivot of a row is its entry of largest magnitude up to the last bits (7 in 10^15 in double, 8 in
10^6 in single precision): these hold its column, so that both are found by one search. It runs for
all matrices at once, by the stages of a transposition, each of which keeps the greater of its two
results. NaN counts as the largest: a matrix that has one gets a pivot that is NaN. In a row of
zeros the pivot may be anywhere, a column that has had one or padding: such a matrix is done again.

Cost: about 8 operations a matrix and pivot, where a search in each row by itself takes 25 whose
latency (60 cycles) is not hidden: with it det took 1.3 times the time at n = 32 (Zen 4). Rejected:
comparing transposed rows (24 shuffles instead of 14, and two more operations a row), reciprocals of
each pivot by itself (a division takes as long for eight).
"""

from libc.stdint cimport uint64_t

from lanes cimport broadcast, equal, lane, load, load_part, vd, vf, width, zero_where

cdef enum:
    BESIDE = 4          # the most matrices side by side
    VECTORS = 4         # the most of a row
    COLUMNS = 64        # the most of a matrix
    PLACES = 12         # vectors of places of a matrix


cdef extern from "registers.h" nogil:
    Py_ssize_t reach[T](T like) noexcept
    int place[T](const T *places, Py_ssize_t k) noexcept
    T spread[T](const T *row, int vectors, const T *places, Py_ssize_t k) noexcept
    T permuted[T](const T *row, int vectors, const T *places, Py_ssize_t k) noexcept
    T select_place[T](const T *places, Py_ssize_t k, int v, T a, T b) noexcept
    void list_places(uint64_t bits, int vectors, vd *places) noexcept
    void list_places(uint64_t bits, int vectors, vf *places) noexcept
    T candidates[T](const T *row, int vectors) noexcept
    T largest_places[T](T *found, int count) noexcept
    T at_places[T](const T *rows, int step, int vectors, int count, T places) noexcept
    T sign_of_places[T](const T *places, Py_ssize_t n) noexcept
    void store_first[T](T *to, Py_ssize_t first, int count, T value) noexcept


cdef struct small:
    # A matrix: where its rows are, each along memory, and what becomes of it.
    const char *rows
    Py_ssize_t pitch            # bytes from one to the next
    char *factors               # n rows; behind them what else register_gauss.pxd keeps of them
    char *places                # columns (register_gauss.pxd), then anything
    char *result                # the inverse's rows; before, a copy of the matrix if one is needed


cdef inline void read_rows(
    const small *a, int beside, Py_ssize_t k, Py_ssize_t n, int vectors, lane *rows
) noexcept nogil:
    """Row k of each matrix."""
    cdef lane zero = broadcast(0.0, rows[0])
    cdef Py_ssize_t W = width(zero), bytes = sizeof(zero)
    cdef const char *source
    cdef int m, v
    for m in range(beside):
        source = a[m].rows + k * a[m].pitch
        for v in range(vectors - 1):
            rows[m * vectors + v] = load(source + v * bytes, zero)
        v = vectors - 1
        rows[m * vectors + v] = load_part(source + v * bytes, n - v * W, zero)


cdef inline lane find_pivots(
    const lane *rows, int first, int beside, int step, int vectors, lane *pivots, lane *order
) noexcept nogil:
    """Lanes first, first + 1, ... of a pivot and its column, if `first` is 0 all of them: it comes
    first. Returns -1 / pivot in lanes 0, 1, ..., zero where the pivot is."""
    cdef lane found[BESIDE]
    cdef lane zero = broadcast(0.0, rows[0]), places, pivot
    cdef int m
    for m in range(beside):
        found[m] = candidates(rows + m * step, vectors)
    places = largest_places(&found[0], beside)
    pivot = at_places(rows, step, vectors, beside, places)
    if first == 0:
        pivots[0], order[0] = pivot, places
    else:
        store_first(pivots, first, beside, pivot)
        store_first(order, first, beside, places)
    return zero_where(equal(pivot, zero), broadcast(-1.0, zero) / pivot)
