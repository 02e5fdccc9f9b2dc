# distutils: language = c++
# cython: language_level=3
"""Elementwise functions of float64 as ufuncs, where NumPy would need several passes.

They serve the language of expressions, which has them by these names; other dtypes take NumPy's
passes there. A register is loaded where the numbers lie side by side, and gathered where not.
"""

cimport numpy as cnp
from numpy cimport npy_intp

from flags cimport clear_flags
from lanes cimport DOUBLES, VD, element, load, store_part, vd
from logistic cimport both_of, sigmoid_of, softplus_of

cnp.import_array()
cnp.import_ufunc()

cdef enum:
    MOST_LANES = 16

cdef cnp.PyUFuncGenericFunction softplus_loops[1]
cdef cnp.PyUFuncGenericFunction sigmoid_loops[1]
cdef cnp.PyUFuncGenericFunction pair_loops[1]
cdef void *data[1]
cdef char types[3]


cdef inline void loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, bint is_sigmoid, bint is_pair
) noexcept nogil:
    cdef npy_intp start = 0, count
    cdef vd x, softplus = DOUBLES, sigmoid = DOUBLES
    while start < dimensions[0]:
        count = min(<npy_intp> VD, dimensions[0] - start)
        x = read(args[0] + start * steps[0], steps[0], count)
        if is_pair:
            both_of(x, &softplus, &sigmoid)
            write(args[1] + start * steps[1], steps[1], count, softplus)
            write(args[2] + start * steps[2], steps[2], count, sigmoid)
        else:
            x = sigmoid_of(x) if is_sigmoid else softplus_of(x)
            write(args[1] + start * steps[1], steps[1], count, x)
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


cdef inline void write(char *place, npy_intp step, npy_intp count, vd values) noexcept nogil:
    cdef npy_intp l
    if step == sizeof(double):
        store_part(place, count, values)
        return
    for l in range(count):
        (<double *> (place + l * step))[0] = element(&values, l)


cdef void softplus_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, False, False)


cdef void sigmoid_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, True, False)


cdef void pair_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, False, True)


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
