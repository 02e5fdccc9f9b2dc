# distutils: language = c++
# cython: language_level=3
"""Elementwise functions of float64 as ufuncs, where NumPy would need several passes.

They serve the language of expressions, which has them by these names; other dtypes take NumPy's
passes there. A register is loaded where the numbers lie side by side, and gathered where not.
"""

cimport numpy as cnp
from numpy cimport npy_intp

from flags cimport clear_flags
from lanes cimport DOUBLES, VD, load, vd
from logistic cimport softplus_and_sigmoid_of
from pack cimport MOST_LANES, put

cnp.import_array()
cnp.import_ufunc()

cdef cnp.PyUFuncGenericFunction softplus_loops[1]
cdef cnp.PyUFuncGenericFunction sigmoid_loops[1]
cdef cnp.PyUFuncGenericFunction pair_loops[1]
cdef void *data[1]
cdef char types[3]


cdef inline void loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, int softplus_at, int sigmoid_at
) noexcept nogil:
    """The functions whose operand is named; of the other one the compiler leaves nothing."""
    cdef npy_intp start = 0, count
    cdef vd softplus, sigmoid
    while start < dimensions[0]:
        count = min(<npy_intp> VD, dimensions[0] - start)
        softplus_and_sigmoid_of(read(args[0] + start * steps[0], steps[0], count), &softplus,
                                &sigmoid)
        if softplus_at:
            put(args[softplus_at] + start * steps[softplus_at], steps[softplus_at], count, softplus)
        if sigmoid_at:
            put(args[sigmoid_at] + start * steps[sigmoid_at], steps[sigmoid_at], count, sigmoid)
        start += count
    # Comparisons with NaN have raised flags that mean nothing.
    clear_flags()


cdef inline vd read(const char *place, npy_intp step, npy_intp count) noexcept nogil:
    cdef double buffer[MOST_LANES]
    cdef npy_intp l
    if step == sizeof(double) and count == VD:
        return load(place, DOUBLES)
    for l in range(VD):
        buffer[l] = 0
    for l in range(count):
        buffer[l] = (<double *> (place + l * step))[0]
    return load(<const char *> buffer, DOUBLES)


cdef void softplus_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, 1, 0)


cdef void sigmoid_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, 0, 1)


cdef void pair_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, 1, 2)


softplus_loops[0] = softplus_loop
sigmoid_loops[0] = sigmoid_loop
pair_loops[0] = pair_loop
types[0] = types[1] = types[2] = cnp.NPY_DOUBLE
softplus = cnp.PyUFunc_FromFuncAndData(
    softplus_loops, data, types, 1, 1, 1, cnp.PyUFunc_None,
    "softplus", "log(1 + exp(x)), elementwise.", 0)
sigmoid = cnp.PyUFunc_FromFuncAndData(
    sigmoid_loops, data, types, 1, 1, 1, cnp.PyUFunc_None,
    "sigmoid", "1 / (1 + exp(-x)), elementwise.", 0)
softplus_and_sigmoid = cnp.PyUFunc_FromFuncAndData(
    pair_loops, data, types, 1, 1, 2, cnp.PyUFunc_None,
    "softplus_and_sigmoid", "log(1 + exp(x)) and its derivative, elementwise.", 0)
