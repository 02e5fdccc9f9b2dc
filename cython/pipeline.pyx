# distutils: language = c++
# cython: language_level=3
"""Pipelines: the loops of several ufuncs, one after the other, in one call.

A batch is worked on in blocks of points: all loops run over a block before the next block begins,
so that temporaries never leave the cache, and threads share the blocks. The operands of a loop are
in slots:

    inputs        arrays of the caller, which look as they did when the pipeline was planned
    constants     arrays that the pipeline keeps
    results       new arrays, of which a block is written at a time
    shared        temporaries that are the same for all points
    temporaries   of a block; each thread has its own

NumPy calls the loop of a ufunc with addresses, dimensions and steps. So does a pipeline, which has
been told them once for all calls. Blocks do not depend on the number of threads, so neither does
a bit of the results, unless BLAS has threads of its own. Flags are dropped: who runs a pipeline
looks at results to see what failed.

A call in one thread keeps the memory of temporaries for the next one, unless it is large: allocated
anew, half a megabyte would be mapped anew, too, page by page. Who calls meanwhile allocates more.

Cost: 0.15 us a call and 15 to 100 ns a loop, where NumPy asks for 0.3 to 1 us for each ufunc.
Rejected, not measured: all loops for a point before the next point (kernels with a matrix in each
lane would have one matrix, and a call a point and loop is dearer than most 8 x 8 operations).
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.object cimport PyObject
from cython.parallel cimport prange
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp
from numpy cimport npy_intp
from posix.stdlib cimport posix_memalign

from flags cimport clear_flags
from threads cimport PARALLEL, UNLOCKED, thread_number

cnp.import_array()
cnp.import_ufunc()

cdef extern from "numpy/ufuncobject.h":
    ctypedef void (*loop_function "PyUFuncGenericFunction")(
        char **, const npy_intp *, const npy_intp *, void *) noexcept nogil
    ctypedef struct ufunc_object "PyUFuncObject":
        int nargs
        int ntypes
        const char *types
        loop_function *functions
        void **data

cdef extern from *:
    """
    namespace matgrad {
    /* Put a pointer in a place, and return the one that was there. */
    static inline void *exchange(void **place, void *pointer) {
        return __atomic_exchange_n(place, pointer, __ATOMIC_ACQ_REL);
    }
    }
    """
    void *exchange "matgrad::exchange"(void **place, void *pointer) noexcept nogil

cdef enum:
    OPERANDS = 5                # most operands of a loop
    DIMENSIONS = 4              # most dimensions of a loop, the points among them
    STEPS = 16                  # most steps of a loop
    AXES = 3                    # most axes of an array: points, rows, columns
    ALIGNED = 64                # bytes
    SPARE = 1 << 20             # most bytes that are kept between calls

cdef struct call:
    # A loop, and what it is called with.
    loop_function loop
    void *data
    int operands
    npy_intp slots[OPERANDS]
    npy_intp dimensions[DIMENSIONS]
    npy_intp steps[STEPS]
    int axis                    # the dimension that is as long as there are points,
    npy_intp points             # so many times; 0: none is, but there is a call for each point
    npy_intp single[STEPS]      # the steps of one row as two that are the same
    npy_intp rows               # calls a point
    npy_intp by_point[OPERANDS]
    npy_intp by_row[OPERANDS]

cdef struct input:
    # What an array must look like.
    npy_intp place              # the register
    int axes
    npy_intp lengths[AXES]
    npy_intp steps[AXES]


def loop_of(ufunc, int dtype):
    """Return the place of a ufunc's loop whose operands are all of a dtype; -1 if it has none."""
    cdef ufunc_object *f = <ufunc_object *> <PyObject *> ufunc
    cdef int i, k, fitting
    for i in range(f.ntypes):
        fitting = 0
        for k in range(f.nargs):
            fitting += f.types[i * f.nargs + k] == dtype
        if fitting == f.nargs and f.functions[i] != NULL:
            return i
    return -1


cdef class Pipeline:
    """Loops that run one after the other.

    Parameters
    ----------
    dtype : int
        The number of the dtype of all arrays.
    count, block : int
        The points of the batch and of a block.
    work : float
        Operations in all, about.
    threads : callable
        Returns how many threads may run.
    memory : Memory
        Where results lie.
    inputs : list of (int, tuple of int, tuple of int)
        The register, the shape and the strides of each array that comes from outside.
    constants : list of array
        Those that do not change.
    results : list of (int, tuple of int)
        The register and the shape of each array that remains.
    shared, temporaries : list of int
        Bytes of those that all points have in common, and of the others for each point.
    first, calls : list of tuple
        The loops that run once, and those that run for each block: ufunc, slots, dimensions, steps,
        axis, points, rows, by_point, by_row, single.
    """

    cdef Py_ssize_t once, loops, arrays, outer, slots
    cdef call *calls
    cdef input *inputs
    cdef size_t *offsets        # of the slots of temporaries, behind the addresses of the others
    cdef size_t common, share   # bytes that threads share, and that each has
    cdef npy_intp count, block
    cdef double work
    cdef int dtype
    cdef list constants, results, kept
    cdef object threads, memory
    cdef void *spare            # memory for a call in one thread, or NULL while it is in use

    def __cinit__(
        self, int dtype, npy_intp count, npy_intp block, double work, threads, memory,
        list inputs, list constants, list results, list shared, list temporaries, list first,
        list calls
    ):
        cdef Py_ssize_t i
        self.dtype, self.count, self.block, self.work = dtype, count, block, work
        self.threads, self.memory = threads, memory
        self.constants, self.results = constants, results
        self.kept = first + calls
        self.once, self.loops, self.arrays = len(first), len(self.kept), len(inputs)
        self.outer = self.arrays + len(constants) + len(results) + len(shared)
        self.slots = self.outer + len(temporaries)
        self.calls = <call *> calloc(self.loops + 1, sizeof(call))
        self.inputs = <input *> calloc(self.arrays + 1, sizeof(input))
        self.offsets = <size_t *> calloc(self.slots + 1, sizeof(size_t))
        if not (self.calls and self.inputs and self.offsets):
            raise MemoryError
        for i in range(self.loops):
            describe_call(&self.calls[i], dtype, self.kept[i])
        for i in range(self.arrays):
            describe_input(&self.inputs[i], inputs[i])
        self.common = aligned(self.slots * sizeof(char *))
        for i in range(len(shared)):
            self.offsets[self.outer - len(shared) + i] = self.common
            self.common += aligned(shared[i])
        for i in range(len(temporaries)):
            self.offsets[self.outer + i] = self.share
            self.share += aligned(block * temporaries[i])

    def __dealloc__(self):
        free(self.calls)
        free(self.inputs)
        free(self.offsets)
        free(self.spare)

    def run(self, list registers):
        """Set the registers of results; return False if an input is not what it was planned for."""
        cdef Py_ssize_t i
        cdef npy_intp blocks = (self.count + self.block - 1) // self.block
        cdef int threads = 1, status
        cdef char **outer
        for i in range(self.arrays):
            if not fits(&self.inputs[i], self.dtype, registers[self.inputs[i].place]):
                return False
        if blocks > 1 and self.work > PARALLEL:
            threads = min(<npy_intp> self.threads(), blocks)
        outer = self.allocate(threads)
        try:
            self.place(registers, outer)
            if self.work > UNLOCKED:
                with nogil:
                    status = run_blocks(self, outer, blocks, threads)
            else:
                status = run_blocks(self, outer, blocks, threads)
            raise_pending(status)
        finally:
            if threads == 1 and self.common + self.share <= SPARE:
                outer = <char **> exchange(&self.spare, outer)
            free(outer)
        return True

    cdef char **allocate(self, int threads) except NULL:
        """The memory of a call, which begins with the addresses of the outer slots."""
        cdef void *memory = exchange(&self.spare, NULL) if threads == 1 else NULL
        if memory == NULL and posix_memalign(
            &memory, ALIGNED, self.common + threads * self.share + ALIGNED
        ):
            raise MemoryError
        return <char **> memory

    cdef object place(self, list registers, char **outer):
        """Make the results, and note where the arrays and what all points share are."""
        cdef Py_ssize_t i, slot = 0
        cdef cnp.ndarray array
        for i in range(self.arrays):
            outer[slot] = cnp.PyArray_BYTES(<cnp.ndarray> registers[self.inputs[i].place])
            slot += 1
        for array in self.constants:
            outer[slot] = cnp.PyArray_BYTES(array)
            slot += 1
        for register, shape in self.results:
            array = self.memory.empty(shape, self.dtype)
            registers[register] = array
            outer[slot] = cnp.PyArray_BYTES(array)
            slot += 1
        for i in range(slot, self.outer):
            outer[i] = <char *> outer + self.offsets[i]


cdef int raise_pending(int failed) except -1:
    """Raise what loops have left in this thread or another one: that they found no memory."""
    if PyErr_Occurred() != NULL:
        return -1
    if failed:
        raise MemoryError
    return 0


cdef size_t aligned(size_t bytes):
    return (bytes + ALIGNED - 1) // ALIGNED * ALIGNED


cdef object describe_call(call *c, int dtype, tuple described):
    ufunc, slots, dimensions, steps, axis, points, rows, by_point, by_row, single = described
    cdef ufunc_object *f = <ufunc_object *> <PyObject *> ufunc
    cdef int place = loop_of(ufunc, dtype)
    if place < 0 or f.nargs > OPERANDS or len(dimensions) > DIMENSIONS or len(steps) > STEPS:
        raise ValueError(f"a pipeline has no room for {ufunc}")
    c.loop, c.data, c.operands = f.functions[place], f.data[place], f.nargs
    c.axis, c.points, c.rows = axis, points, rows
    copy_numbers(c.slots, slots)
    copy_numbers(c.dimensions, dimensions)
    copy_numbers(c.steps, steps)
    copy_numbers(c.by_point, by_point)
    copy_numbers(c.by_row, by_row)
    copy_numbers(c.single, single)


cdef object describe_input(input *i, tuple described):
    i.place, lengths, steps = described
    i.axes = len(lengths)
    copy_numbers(i.lengths, lengths)
    copy_numbers(i.steps, steps)


cdef object copy_numbers(npy_intp *target, tuple numbers):
    cdef Py_ssize_t i
    for i in range(len(numbers)):
        target[i] = numbers[i]


cdef bint fits(const input *wanted, int dtype, object found):
    cdef cnp.ndarray array
    if type(found) is not cnp.ndarray:
        return False
    array = found
    return (
        cnp.PyArray_TYPE(array) == dtype
        and cnp.PyArray_NDIM(array) == wanted.axes
        and cnp.PyArray_ISBEHAVED_RO(array)
        and memcmp(cnp.PyArray_DIMS(array), wanted.lengths, wanted.axes * sizeof(npy_intp)) == 0
        and memcmp(cnp.PyArray_STRIDES(array), wanted.steps, wanted.axes * sizeof(npy_intp)) == 0
    )


# ---- running ------------------------------------------------------------------------------------

cdef int run_blocks(Pipeline p, char **outer, npy_intp blocks, int threads) noexcept nogil:
    """Run all; whether a loop has failed in another thread."""
    cdef char *inner = <char *> outer + p.common
    cdef Py_ssize_t i
    cdef npy_intp k
    cdef int failed = 0
    for i in range(p.once):
        run_call(&p.calls[i], outer, p.outer, inner, p.offsets, 0, 1)
    if threads == 1:
        for k in range(blocks):
            run_block(p, outer, inner, k)
    else:
        for k in prange(blocks, num_threads=threads, schedule="dynamic"):
            failed |= run_block_apart(p, outer, inner + thread_number() * p.share, k)
    clear_flags()
    return failed


cdef int run_block_apart(Pipeline p, char **outer, char *inner, npy_intp k) noexcept nogil:
    """Run a block in any thread; whether it failed, which else would be lost with the state that
    Python keeps of the thread."""
    with gil:
        with nogil:
            run_block(p, outer, inner, k)
        if PyErr_Occurred() == NULL:
            return 0
        PyErr_Clear()
        return 1


cdef void run_block(Pipeline p, char **outer, char *inner, npy_intp k) noexcept nogil:
    cdef npy_intp start = k * p.block, points = min(p.block, p.count - start)
    cdef Py_ssize_t i
    for i in range(p.once, p.loops):
        run_call(&p.calls[i], outer, p.outer, inner, p.offsets, start, points)


cdef void run_call(
    const call *c, char **outer, npy_intp outer_slots, char *inner, const size_t *offsets,
    npy_intp start, npy_intp points
) noexcept nogil:
    """Run a loop for some points; `inner` is the memory of temporaries, which begin with them."""
    cdef char *first[OPERANDS]
    cdef char *args[OPERANDS]
    cdef npy_intp dimensions[DIMENSIONS]
    cdef npy_intp p, r, slot
    cdef int k
    for k in range(c.operands):
        slot = c.slots[k]
        first[k] = (outer[slot] + start * c.by_point[k] if slot < outer_slots
                    else inner + offsets[slot])
    for k in range(DIMENSIONS):
        dimensions[k] = c.dimensions[k]
    if c.points:
        dimensions[c.axis] = points * c.points
        if c.axis and dimensions[c.axis] == 1:
            # The kernel adds up in another order for one row: no point shall look different alone.
            dimensions[c.axis] = 2
            c.loop(first, dimensions, c.single, c.data)
        else:
            c.loop(first, dimensions, c.steps, c.data)
        return
    for p in range(points):
        for r in range(c.rows):
            for k in range(c.operands):
                args[k] = first[k] + p * c.by_point[k] + r * c.by_row[k]
            c.loop(args, dimensions, c.steps, c.data)
