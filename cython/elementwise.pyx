# distutils: language = c++
# cython: language_level=3
"""Elementwise functions of float64 as ufuncs, where NumPy would need several passes.

They serve the language of expressions, which has them by these names; other dtypes take NumPy's
passes there. A register is loaded where the numbers lie side by side, and gathered where not.
"""

cimport numpy as cnp
from libc.string cimport memcpy
from numpy cimport npy_intp

from lanes cimport DOUBLES, VD, load, vd
from logistic cimport sigmoid as sigmoid_of, softplus as softplus_of

cnp.import_array()
cnp.import_ufunc()

cdef extern from "<cfenv>" nogil:
    int feclearexcept(int) noexcept
    int FE_ALL_EXCEPT

cdef enum:
    MOST_LANES = 16

cdef cnp.PyUFuncGenericFunction softplus_loops[1]
cdef cnp.PyUFuncGenericFunction sigmoid_loops[1]
cdef void *data[1]
cdef char types[2]


cdef inline void loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, bint is_sigmoid
) noexcept nogil:
    cdef double buffer[MOST_LANES]
    cdef npy_intp start = 0, count, l
    cdef bint gathers, scatters
    cdef vd x
    while start < dimensions[0]:
        count = min(<npy_intp> VD, dimensions[0] - start)
        gathers = steps[0] != sizeof(double) or count < VD
        scatters = steps[1] != sizeof(double) or count < VD
        if gathers:
            for l in range(VD):
                buffer[l] = 0
            for l in range(count):
                buffer[l] = (<double *> (args[0] + (start + l) * steps[0]))[0]
            x = load(<const char *> buffer, DOUBLES)
        else:
            x = load(<const char *> args[0] + start * steps[0], DOUBLES)
        x = sigmoid_of(x) if is_sigmoid else softplus_of(x)
        if scatters:
            memcpy(buffer, &x, sizeof(vd))
            for l in range(count):
                (<double *> (args[1] + (start + l) * steps[1]))[0] = buffer[l]
        else:
            memcpy(args[1] + start * steps[1], &x, sizeof(vd))
        start += count
    # Comparisons with NaN have raised flags that mean nothing.
    feclearexcept(FE_ALL_EXCEPT)


cdef void softplus_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, False)


cdef void sigmoid_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, True)


softplus_loops[0] = softplus_loop
sigmoid_loops[0] = sigmoid_loop
types[0] = types[1] = cnp.NPY_DOUBLE
softplus = cnp.PyUFunc_FromFuncAndData(
    softplus_loops, data, types, 1, 1, 1, cnp.PyUFunc_None,
    "softplus", "log(1 + exp(x)), elementwise.", 0)
sigmoid = cnp.PyUFunc_FromFuncAndData(
    sigmoid_loops, data, types, 1, 1, 1, cnp.PyUFunc_None,
    "sigmoid", "1 / (1 + exp(-x)), elementwise.", 0)
