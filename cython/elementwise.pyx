# distutils: language = c++
# cython: language_level=3
"""Elementwise functions of float64 as ufuncs, where NumPy would need several passes.

They serve the language of expressions, which has them by these names; other dtypes take NumPy's
passes there. A register is loaded where the numbers lie side by side, and gathered where not.
"""

cimport numpy as cnp
from numpy cimport npy_intp

from flags cimport clear_flags
from lanes cimport DOUBLES, VD, absolute, load, vd
from logistic cimport exp_minus, softplus_and_sigmoid_of
from pack cimport MOST_LANES, put

cnp.import_array()
cnp.import_ufunc()

cdef enum:
    TOGETHER = 6
    NONE = -1

cdef cnp.PyUFuncGenericFunction softplus_loops[1]
cdef cnp.PyUFuncGenericFunction sigmoid_loops[1]
cdef cnp.PyUFuncGenericFunction pair_loops[1]
cdef cnp.PyUFuncGenericFunction scaled_pair_loops[1]
cdef void *data[1]
cdef char types[4]


cdef inline void loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps,
    int factor_at, int x_at, int softplus_at, int sigmoid_at
) noexcept nogil:
    """The functions of x, or of c x and times c, whose operands are named; of what is not the
    compiler leaves nothing.

    Where there are logarithms, the exponentials of TOGETHER registers come first, and then their
    logarithms: a chain of operations is half as long, and so more of them overlap. What is read is
    in registers before anything is stored, which may be in its place."""
    cdef npy_intp start = 0, count, rest, at, most = (TOGETHER if softplus_at != NONE else 1) * VD
    cdef vd x[TOGETHER]
    cdef vd c[TOGETHER]
    cdef vd t[TOGETHER]
    cdef vd softplus, sigmoid
    cdef int i, registers
    while start < dimensions[0]:
        count = min(most, dimensions[0] - start)
        registers = <int> ((count + VD - 1) // VD)
        for i in range(registers):
            at = start + i * VD
            rest = min(<npy_intp> VD, count - i * VD)
            x[i] = read(args[x_at] + at * steps[x_at], steps[x_at], rest)
            if factor_at != NONE:
                c[i] = read(args[factor_at] + at * steps[factor_at], steps[factor_at], rest)
                x[i] *= c[i]
            t[i] = exp_minus(absolute(x[i]))
        for i in range(registers):
            at = start + i * VD
            rest = min(<npy_intp> VD, count - i * VD)
            softplus_and_sigmoid_of(x[i], t[i], &softplus, &sigmoid)
            if factor_at != NONE:
                sigmoid *= c[i]
            if softplus_at != NONE:
                put(args[softplus_at] + at * steps[softplus_at], steps[softplus_at], rest, softplus)
            if sigmoid_at != NONE:
                put(args[sigmoid_at] + at * steps[sigmoid_at], steps[sigmoid_at], rest, sigmoid)
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
    loop(args, dimensions, steps, NONE, 0, 1, NONE)


cdef void sigmoid_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, NONE, 0, NONE, 1)


cdef void pair_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, NONE, 0, 1, 2)


cdef void scaled_pair_loop(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    loop(args, dimensions, steps, 0, 1, 2, 3)


softplus_loops[0] = softplus_loop
sigmoid_loops[0] = sigmoid_loop
pair_loops[0] = pair_loop
scaled_pair_loops[0] = scaled_pair_loop
types[0] = types[1] = types[2] = types[3] = cnp.NPY_DOUBLE
softplus = cnp.PyUFunc_FromFuncAndData(
    softplus_loops, data, types, 1, 1, 1, cnp.PyUFunc_None,
    "softplus", "log(1 + exp(x)), elementwise.", 0)
sigmoid = cnp.PyUFunc_FromFuncAndData(
    sigmoid_loops, data, types, 1, 1, 1, cnp.PyUFunc_None,
    "sigmoid", "1 / (1 + exp(-x)), elementwise.", 0)
softplus_and_sigmoid = cnp.PyUFunc_FromFuncAndData(
    pair_loops, data, types, 1, 1, 2, cnp.PyUFunc_None,
    "softplus_and_sigmoid", "log(1 + exp(x)) and its derivative, elementwise.", 0)
softplus_and_derivative = cnp.PyUFunc_FromFuncAndData(
    scaled_pair_loops, data, types, 1, 2, 2, cnp.PyUFunc_None,
    "softplus_and_derivative", "log(1 + exp(c x)) and its derivative by x, elementwise.", 0)
