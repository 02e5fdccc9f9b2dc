# distutils: language = c++
# cython: language_level=3
"""Memory that serves again: arrays in blocks that are used anew once nobody holds such an array.

A batch of a thousand 8 x 8 matrices is half a megabyte. The C library gives so much memory back to
the system as soon as it is free, and the system hands it out again page by page, a fault for each:
value and gradient of such a batch took 500 us instead of 170 in a fresh process. So who computes
the same again and again keeps the last blocks, up to MOST bytes of them. A block is free if only
this list refers to it: every array that lies in it does, and so does every view of that.

Arrays begin at multiples of 64 bytes. Small ones, below SMALLEST bytes, come from NumPy, whose own
way is fast there. Without the GIL counts of references say less, and nothing is kept.
Rejected: mallopt, which would change the memory of the whole process.

Beside them, what is asked of the arrays of a point: whether two are the same, and whether one is
finite, in less time than NumPy's functions take to be called.
"""

cimport numpy as cnp
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy
from numpy cimport npy_intp

cnp.import_array()

cdef extern from *:
    """
    #include <cstring>
    #include <limits>

    namespace matgrad {
    #ifdef Py_GIL_DISABLED
    enum { COUNTS_REFERENCES = 0 };
    #else
    enum { COUNTS_REFERENCES = 1 };
    #endif
    /* In pieces of a known size, which calls no function; the last overlaps the one before. */
    static inline void copy_row(char *target, const char *source, npy_intp bytes) {
        enum { PIECE = 32 };
        if (bytes < PIECE || bytes > 16 * PIECE) {
            memcpy(target, source, bytes);
            return;
        }
        for (npy_intp at = 0; at < bytes; at += PIECE) {
            const npy_intp place = at < bytes - PIECE ? at : bytes - PIECE;
            memcpy(target + place, source + place, PIECE);
        }
    }
    /* By exponents, all bits of which are set in NaN and infinity, and which raise no flag. */
    template <class T, class Bits>
    static inline bool are_finite(const char *first, npy_intp count) {
        const T infinity = std::numeric_limits<T>::infinity();
        Bits exponent, bits, found = 0;
        memcpy(&exponent, &infinity, sizeof(T));
        for (npy_intp i = 0; i < count; i++) {
            memcpy(&bits, first + i * sizeof(T), sizeof(T));
            found |= (bits & exponent) == exponent;
        }
        return !found;
    }
    }
    """
    bint are_finite "matgrad::are_finite"[T, Bits](const char *first, npy_intp count) noexcept
    bint COUNTS_REFERENCES "matgrad::COUNTS_REFERENCES"
    Py_ssize_t Py_REFCNT(PyObject *object) noexcept
    void copy_row "matgrad::copy_row"(char *target, const char *source, npy_intp bytes) noexcept

cdef enum:
    AXES = 64                   # as many as NumPy has
    ALIGNED = 64
    SMALLEST = 1 << 15          # bytes of an array in a block
    MOST = 1 << 25              # bytes of all blocks
    BLOCKS = 16


def same(cnp.ndarray a not None, cnp.ndarray b not None):
    """Return whether two arrays have the same shape, dtype and bytes; `a` is in C order."""
    cdef int axes = cnp.PyArray_NDIM(a)
    if (
        axes != cnp.PyArray_NDIM(b)
        or memcmp(cnp.PyArray_DIMS(a), cnp.PyArray_DIMS(b), axes * sizeof(npy_intp))
        or not cnp.PyArray_EquivArrTypes(a, b)
    ):
        return False
    b = cnp.PyArray_GETCONTIGUOUS(b)
    return memcmp(cnp.PyArray_DATA(a), cnp.PyArray_DATA(b), cnp.PyArray_NBYTES(a)) == 0


def all_finite(cnp.ndarray values not None):
    """Return whether real numbers are finite. No flag is raised."""
    values = cnp.PyArray_GETCONTIGUOUS(values)
    if cnp.PyArray_TYPE(values) == cnp.NPY_DOUBLE:
        return are_finite[double, uint64_t](cnp.PyArray_BYTES(values), cnp.PyArray_SIZE(values))
    if cnp.PyArray_TYPE(values) == cnp.NPY_FLOAT:
        return are_finite[float, uint32_t](cnp.PyArray_BYTES(values), cnp.PyArray_SIZE(values))
    raise TypeError(f"all_finite takes float32 and float64; got {(<object> values).dtype}")


cdef class Memory:
    """Blocks for arrays."""

    cdef list blocks
    cdef npy_intp kept

    def __cinit__(self):
        self.blocks = []

    def empty(self, tuple shape not None, int dtype):
        """Return an array of a shape and the number of a dtype, whose entries may be anything."""
        cdef npy_intp lengths[AXES]
        cdef npy_intp bytes = cnp.PyArray_DescrFromType(dtype).itemsize
        cdef int axes = <int> len(shape), i
        for i in range(axes):
            lengths[i] = shape[i]
            bytes *= lengths[i]
        if not (COUNTS_REFERENCES and SMALLEST <= bytes <= MOST):
            return cnp.PyArray_EMPTY(axes, lengths, dtype, 0)
        cdef cnp.ndarray block = self.free_block(bytes + ALIGNED)
        cdef uintptr_t first = <uintptr_t> cnp.PyArray_DATA(block)
        array = cnp.PyArray_SimpleNewFromData(
            axes, lengths, dtype, <void *> ((first + ALIGNED - 1) // ALIGNED * ALIGNED))
        cnp.set_array_base(array, block)
        return array

    def copy(self, cnp.ndarray array not None, tuple shape not None):
        """Return a copy in C order, of a shape with as many entries."""
        if not cnp.PyArray_ISNOTSWAPPED(array) or not cnp.PyArray_ISNUMBER(array):
            return array.reshape(shape).copy()
        cdef cnp.ndarray made = self.empty(shape, cnp.PyArray_TYPE(array))
        if cnp.PyArray_IS_C_CONTIGUOUS(array):
            memcpy(cnp.PyArray_DATA(made), cnp.PyArray_DATA(array), cnp.PyArray_NBYTES(array))
        else:
            cnp.PyArray_CopyInto(cnp.PyArray_Reshape(made, (<object> array).shape), array)
        return made

    def join(self, list parts not None, tuple shape not None):
        """Return an array of a shape, along whose last axis the parts lie side by side, in rows.

        All have the dtype of the first and as many rows. NumPy takes 17 us for 1000 times 16 and 16
        doubles, since it copies each row as if it were long; this takes 6.
        """
        cdef cnp.ndarray made, part
        cdef npy_intp rows = 1, bytes, i, filled = 0
        if not parts:
            raise ValueError("join needs a part")
        for length in shape[: len(shape) - 1]:
            rows *= length
        made = self.empty(shape, cnp.PyArray_TYPE(<cnp.ndarray?> parts[0]))
        for part in parts:
            filled += cnp.PyArray_NBYTES(part)
        if filled != cnp.PyArray_NBYTES(made):
            raise ValueError(f"join needs parts that fill an array of shape {shape}")
        cdef char *target = cnp.PyArray_BYTES(made)
        cdef npy_intp step = cnp.PyArray_NBYTES(made) // max(rows, 1)
        for part in parts:
            part = cnp.PyArray_GETCONTIGUOUS(part)
            bytes = cnp.PyArray_NBYTES(part) // max(rows, 1)
            for i in range(rows):
                copy_row(target + i * step, cnp.PyArray_BYTES(part) + i * bytes, bytes)
            target += bytes
        return made

    cdef cnp.ndarray free_block(self, npy_intp bytes):
        """A block of so many bytes that nobody holds, an old one or a new one."""
        cdef Py_ssize_t i
        cdef PyObject *held
        for i in range(len(self.blocks)):
            held = <PyObject *> PyList_GET_ITEM(self.blocks, i)
            if Py_REFCNT(held) == 1 and cnp.PyArray_NBYTES(<cnp.ndarray> held) == bytes:
                return <cnp.ndarray> held
        block = cnp.PyArray_EMPTY(1, &bytes, cnp.NPY_UINT8, 0)
        self.blocks.append(block)
        self.kept += bytes
        while self.kept > MOST or len(self.blocks) > BLOCKS:
            self.kept -= cnp.PyArray_NBYTES(<cnp.ndarray> self.blocks.pop(0))
        return block
