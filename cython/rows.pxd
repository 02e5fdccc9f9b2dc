"""The eliminations of elimination.pxd for one matrix at a time, vectorised along its rows.

Layout: a[i*pitch + v] is vector v of row i, padded with zeros; single entries by `element`. Columns
are taken in panels: one is eliminated (row_panels.pxd), then applied to the rest of the matrix
(row_ranks.pxd). Of a large matrix that is alone, threads share what is applied; one of them begins
with the next panel's columns and eliminates it while the others are at work on the rest (with two
threads det takes 0.82 of the time at n = 2000, inv 0.85 at 1000).

`origin` remembers where rows came from. Gauss leaves them there, and swaps only what is taken out
(det takes 0.90 of the time at n = 128), but for large matrices, of which rows out of order take
longer to come from memory, or which threads share: they may not see `origin` change. Gauss-Jordan
updates all rows, in order, and has them swapped. A tie goes to the row that came first: every entry
takes the same operations in the same order as on lanes, and so has the same bits. Cost: n^3/3
(Gauss) or n^3 (Gauss-Jordan) multiply-adds. For n above about 90, where a group of lanes leaves the
L2 cache, and for batches too small to fill the lanes; with AVX-512 from n = 512 on, where
panels.pxd ends.

Rejected: LAPACK through SciPy (an optional dependency, other bits than on lanes, and no adjugate),
panels of 64 for all (1.3 times at n = 128), of 128 for large matrices (1.02 to 1.05 times).
"""

from cython.parallel cimport prange

from lanes cimport broadcast, element, lane, set_element, subtract_product, width
from row_panels cimport eliminate_panel, panel_workspace
from row_ranks cimport (
    apply_ranks, lower_row, prepare_tile, strips, tiles_before, tiles_up_to, update_strip,
)
from threads cimport fetch_and_add

cdef enum:
    PANEL = 32          # columns of a panel: whole tiles
    LARGE_PANEL = 96    # of one that has to come from memory for each
    LARGE_GAUSS = 800   # sizes from which panels are large
    LARGE_JORDAN = 1500
    SWAPPED = 400       # size from which Gauss, too, swaps rows, whoever updates them
    # Tiles times rows of an update from which it pays to share it (3000 where cores have nothing
    # else to do; where they have, threads wait for each other in every panel).
    SHARED = 6000
    ROWS_A_THREAD = 100  # more threads would wait for the next panel (by count of operations)
    LARGEST_TEAM = 64    # threads that share a matrix


cdef inline Py_ssize_t row_pitch(Py_ssize_t n, lane like) noexcept nogil:
    """Vectors a row, room for a last tile of two, and no power of two that would alias in cache."""
    return (n + width(like) - 1) // width(like) + 2 | 1


cdef inline Py_ssize_t panel_columns(Py_ssize_t n, bint jordan) noexcept nogil:
    return LARGE_PANEL if n >= (LARGE_JORDAN if jordan else LARGE_GAUSS) else PANEL


cdef inline Py_ssize_t factors_needed(Py_ssize_t n, Py_ssize_t panel, lane like) noexcept nogil:
    """Vectors for the factors of a panel."""
    return (lower_row(n) + panel) * panel // width(like) + 2


cdef inline Py_ssize_t rows_workspace(Py_ssize_t n, lane like) noexcept nogil:
    """Vectors that `eliminate_rows` needs beside the matrix."""
    cdef Py_ssize_t panel = max(panel_columns(n, False), panel_columns(n, True))
    return (2 * factors_needed(n, panel, like) + panel * (row_pitch(n, like) + 2)
            + panel_workspace(n, panel, like))


cdef inline bint is_shared(Py_ssize_t rows, int threads, lane like) noexcept nogil:
    """Whether so many threads share an update of so many rows and columns; then they share all
    larger ones."""
    return threads > 1 and rows * tiles_up_to(rows, like) > SHARED


cdef inline double eliminate_rows(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, bint jordan, lane *pivots, int *origin, lane *work,
    int threads
) noexcept nogil:
    """Eliminate n - 1 columns; pivots[k] in every lane, and the sign of the permutation.

    `origin` has room for 3 n: where rows are swapped, with which, and that row i stands at i."""
    cdef int team = <int> min(threads, n // ROWS_A_THREAD, LARGEST_TEAM)
    cdef bint swapped = jordan or n >= SWAPPED or is_shared(n, team, a[0])
    cdef int *exchanged = origin + n if swapped else NULL
    cdef int *rows = origin + 2 * n if swapped else origin
    cdef Py_ssize_t panel = panel_columns(n, jordan), start, stop, after, each, k
    cdef lane *factors = work
    cdef lane *next_factors = factors + factors_needed(n, panel, a[0])
    cdef lane *packed = next_factors + factors_needed(n, panel, a[0])
    cdef lane *panel_work = packed + panel * (pitch + 2)
    cdef double sign
    for k in range(n):
        origin[k] = rows[k] = <int> k
    sign = eliminate_panel(a, n, pitch, rows, jordan, exchanged, 0, min(panel, n - 1), pivots,
                           origin, factors, panel, panel_work)
    for each in range((n + panel - 2) // panel):
        start = each * panel
        stop, after = min(start + panel, n - 1), min(start + 2 * panel, n - 1)
        if is_shared(n if jordan else n - stop, team, a[0]):
            sign *= apply_shared(a, n, pitch, rows, jordan, exchanged, start, stop, after, pivots,
                                 origin, factors, next_factors, panel, packed, panel_work, team)
            factors, next_factors = next_factors, factors
            continue
        if jordan:
            apply_ranks(a, n, pitch, rows, jordan, exchanged, start, start, stop, 0, start,
                        factors, panel, packed)
        apply_ranks(a, n, pitch, rows, jordan, exchanged, start, start, stop, stop, n, factors,
                    panel, packed)
        sign *= eliminate_panel(a, n, pitch, rows, jordan, exchanged, stop, after, pivots, origin,
                                factors, panel, panel_work)
    pivots[n - 1] = broadcast(element(a, rows[n - 1] * pitch * width(a[0]) + n - 1), a[0])
    return sign


cdef inline double apply_shared(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, const int *rows, bint jordan, int *exchanged,
    Py_ssize_t start, Py_ssize_t stop, Py_ssize_t after, lane *pivots, int *origin,
    const lane *factors, lane *next_factors, Py_ssize_t panel, lane *packed, lane *panel_work,
    int team
) noexcept nogil:
    """Apply the panel from start to stop, and eliminate the next one, up to column `after`. No
    result depends on how many threads there are, or on which of them does what.

    Each begins with rows of its own, which may still be in its cache, and goes on with what others
    have not begun (taking strips as they come: inv 1.06 times at n = 1000). Apart from the same
    loops for one thread, which took 1.5 times the time at n = 96 and 1.4 at 128 when the compiler
    had to lay them out for OpenMP."""
    cdef Py_ssize_t depth = stop - start, top = 0 if jordan else stop
    # Tiles are counted without those that are not updated: those before `left` are to the left of
    # the panel, those from there to `due` are the next one's.
    cdef Py_ssize_t left = tiles_before(start, a[0]) if jordan else 0
    cdef Py_ssize_t skipped = tiles_before(stop, a[0]) - left
    cdef Py_ssize_t due = tiles_up_to(after, a[0]) - skipped, tiles = tiles_up_to(n, a[0]) - skipped
    cdef Py_ssize_t tile, strip
    cdef int begun[LARGEST_TEAM]
    cdef int member, owner, each
    cdef double sign = 1.0
    for tile in prange(tiles, num_threads=team):
        if tile < left:
            prepare_tile(a, n, pitch, rows, jordan, exchanged, start, start, stop, 0, start, tile,
                         factors, panel, packed + 2 * tile * depth)
        else:
            prepare_tile(a, n, pitch, rows, jordan, exchanged, start, start, stop, stop, n,
                         skipped + tile, factors, panel, packed + 2 * tile * depth)
    for member in range(team):
        begun[member] = share_start(member, team, strips(n, top))
    for member in prange(team, num_threads=team, schedule="static", chunksize=1):
        if member == 0:
            for strip in range(strips(n, top)):
                update_strip(a + 2 * (skipped + left), n, pitch, rows, top, strip, depth,
                             due - left, factors, panel, 0, packed + 2 * left * depth)
            sign *= eliminate_panel(a, n, pitch, rows, jordan, exchanged, stop, after, pivots,
                                    origin, next_factors, panel, panel_work)
        for each in range(team):
            owner = (member + each) % team
            strip = fetch_and_add(&begun[owner], 1)
            while strip < share_start(owner + 1, team, strips(n, top)):
                update_strip(a, n, pitch, rows, top, strip, depth, left, factors, panel, 0, packed)
                update_strip(a + 2 * (skipped + due), n, pitch, rows, top, strip, depth,
                             tiles - due, factors, panel, 0, packed + 2 * due * depth)
                strip = fetch_and_add(&begun[owner], 1)
    return sign


cdef inline int share_start(int member, int team, Py_ssize_t count) noexcept nogil:
    """The first of `count` strips that are a thread's own."""
    return <int> (count * member // team)


cdef inline void finish_rows(
    lane *a, Py_ssize_t n, Py_ssize_t pitch, lane body, lane border
) noexcept nogil:
    """As `finish` on lanes; the row of the last pivot is the last."""
    cdef Py_ssize_t W = width(body), m = n - 1, i, v
    cdef lane *u = a + m * pitch
    cdef lane y
    set_element(u, m, 0.0)
    for i in range(m):
        y = broadcast(element(a, i * pitch * W + m), body) * border
        for v in range(pitch):
            a[i * pitch + v] = subtract_product(body * a[i * pitch + v], y, u[v])
        set_element(a, i * pitch * W + m, -element(&y, 0))
    for v in range(pitch):
        u[v] = border * u[v]
    set_element(u, m, element(&border, 0))
