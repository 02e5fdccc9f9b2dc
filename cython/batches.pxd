"""A gufunc's loop over a batch: threads and their parts, work space, the GIL, flags, operands.

`args`, `dimensions` and `steps` are those of a NumPy loop: an address an operand; the batch
size, then the core sizes; a batch stride an operand, then the core strides. The batch is cut
into parts of whole groups of W matrices, which threads take as they come free; no result
depends on the cut. A single thread has one part, and no parallel region (0.3 us even there).
Work space is allocated once a loop. Flags that lanes have raised on the way are dropped, those
that the results call for are raised at the end, in the calling thread. NumPy keeps the GIL in
loops over few large matrices, so a loop gives it back itself.
"""

from cpython.pystate cimport PyThreadState
from libc.stdlib cimport free
from numpy cimport npy_intp
from posix.stdlib cimport posix_memalign

from flags cimport FE_INVALID, FE_OVERFLOW, clear_flags, raise_flags, raised_flags
from lanes cimport lane, set_element, spaced, store_lanes, vd, width
from pack cimport MOST_LANES, item_size, pack, place_matrices, read, unpack
from plain cimport FINE, INVALID, OVERFLOWED
from threads cimport PARALLEL, UNLOCKED, thread_count, thread_number

cdef extern from "Python.h" nogil:
    void *PyErr_NoMemory() noexcept         # Cython's takes the result, always NULL, for a failure
    int PyGILState_Check() noexcept
    PyThreadState *PyEval_SaveThread() noexcept
    void PyEval_RestoreThread(PyThreadState *) noexcept

cdef enum:
    # Parts a thread, handed out as threads come free: cores are not equally fast, or equally idle.
    PARTS = 8


cdef struct batch:
    # What a loop over a batch works with.
    char **args
    const npy_intp *dimensions
    const npy_intp *steps
    Py_ssize_t count
    int threads
    int parts
    Py_ssize_t share            # matrices a part
    char *memory
    size_t memory_share         # bytes a thread
    PyThreadState *python
    int flags


cdef inline bint begin(
    batch *b, char **args, const npy_intp *dimensions, const npy_intp *steps, int W,
    size_t memory, double work
) noexcept nogil:
    """Plan threads and parts for `work` operations a matrix in groups of W, allocate `memory` bytes
    a thread, give back the GIL if the batch is large; false if there is no memory."""
    cdef void *allocated = NULL
    cdef Py_ssize_t groups = (dimensions[0] + W - 1) // W
    b.args, b.dimensions, b.steps, b.count = args, dimensions, steps, dimensions[0]
    b.flags = raised_flags()
    b.threads = <int> min(thread_count() if work * b.count > PARALLEL else 1, groups)
    b.parts = <int> min(1 if b.threads == 1 else PARTS * b.threads, groups)
    b.share = (groups + b.parts - 1) // max(1, b.parts) * W
    b.memory_share = (memory + 127) // 128 * 128
    b.python = NULL
    if memory and posix_memalign(&allocated, 128, b.memory_share * b.threads):
        with gil:
            PyErr_NoMemory()
        return False
    b.memory = <char *> allocated
    if work * b.count > UNLOCKED and PyGILState_Check():
        b.python = PyEval_SaveThread()
    return True


cdef inline Py_ssize_t part_start(const batch *b, int part) noexcept nogil:
    return min(part * b.share, b.count)


cdef inline Py_ssize_t part_stop(const batch *b, int part) noexcept nogil:
    return min((part + 1) * b.share, b.count)


cdef inline void end(batch *b, int status) noexcept nogil:
    """Free the memory, take the GIL again, leave only those flags raised that `status` asks for."""
    free(b.memory)
    if b.python != NULL:
        PyEval_RestoreThread(b.python)
    clear_flags()
    raise_flags(b.flags | (FE_INVALID if status & INVALID else 0)
                | (FE_OVERFLOW if status & OVERFLOWED else 0))


cdef inline char *part_memory(const batch *b) noexcept nogil:
    """The work space of the thread that asks; a serial loop may itself run in one of many."""
    return b.memory + (thread_number() * b.memory_share if b.threads > 1 else 0)


cdef inline int raised() noexcept nogil:
    """The status for the flags that this thread's arithmetic has raised."""
    cdef int flags = raised_flags()
    return ((INVALID if flags & FE_INVALID else FINE)
            | (OVERFLOWED if flags & FE_OVERFLOW else FINE))


# ---- operands ----------------------------------------------------------------------------------

cdef inline void place(
    const batch *b, int operand, Py_ssize_t start, int count, int W, char **places
) noexcept nogil:
    place_matrices(places, b.args[operand] + start * b.steps[operand], b.steps[operand], count, W)


cdef inline spaced spread(const batch *b, int operand, Py_ssize_t start) noexcept nogil:
    """The same places, if there is a matrix at each."""
    return spaced(b.args[operand] + start * b.steps[operand], b.steps[operand])


cdef inline void pack_operand(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t stop,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t core, lane *a
) noexcept nogil:
    """The m x n matrices from `start` on, whose core strides are steps[core], steps[core + 1]."""
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(start, stop, a[0]), width(a[0]), places)
    pack(a, n, <const char **> places, m, n, b.steps[core], b.steps[core + 1])


cdef inline void unpack_result(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t stop,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t core, const lane *a
) noexcept nogil:
    cdef char *places[MOST_LANES]
    place(b, operand, start, in_group(start, stop, a[0]), width(a[0]), places)
    unpack(a, places, in_group(start, stop, a[0]), m, n, b.steps[core], b.steps[core + 1])


cdef inline void store_values(
    const batch *b, int operand, Py_ssize_t start, Py_ssize_t stop, lane values
) noexcept nogil:
    cdef spaced places = spread(b, operand, start)
    if lane is vd:
        store_lanes(<double> 0, places, 0, in_group(start, stop, values), values)
    else:
        store_lanes(<float> 0, places, 0, in_group(start, stop, values), values)


cdef inline int in_group(Py_ssize_t start, Py_ssize_t stop, lane like) noexcept nogil:
    """How many matrices the group has that begins with matrix `start`."""
    return <int> min(width(like), stop - start)


cdef inline const char *in_c_order(
    const batch *b, int operand, Py_ssize_t k, Py_ssize_t m, Py_ssize_t n, Py_ssize_t core,
    lane *memory
) noexcept nogil:
    """Matrix k of an operand, itself if its rows are contiguous, else a copy."""
    cdef const char *first = b.args[operand] + k * b.steps[operand]
    cdef Py_ssize_t item = item_size(memory[0]), i, j
    if b.steps[core + 1] == item and b.steps[core] == n * item:
        return first
    for i in range(m):
        for j in range(n):
            set_element(memory, i * n + j,
                        read(first + i * b.steps[core] + j * b.steps[core + 1], memory[0]))
    return <const char *> memory
