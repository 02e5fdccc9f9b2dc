# distutils: language = c++
# cython: language_level=3
"""The kernels as generalized ufuncs: the table that registers them, their loops, their type rules.

Each gufunc has loops for float32, float64 and, but for the quadratic trace and the product,
complex64 and complex128, in this order: NumPy takes the first to which the inputs cast safely.
Left to itself it would send int8 and int16 to float32 and refuse longdouble without naming it, so
a type resolver decides for whatever is not exactly one of the four.

Rejected: `@cython.ufunc` (scalar ufuncs only); loops for the integer types (six more a gufunc,
and pairs of them still find float32).
"""

import operator

import numpy

cimport numpy as cnp
from cpython.object cimport PyObject
from numpy cimport npy_intp

from matgrad._native.docstrings import DOCSTRINGS

from determinants cimport factor_complex, factor_real
from lanes cimport DOUBLES, FLOATS
from matmul cimport FROM, MINUS, PLUS, PRODUCT, matmul_real
from plain cimport GRADIENT_NONE, GRADIENT_OF_DET, GRADIENT_OF_LOGDET
from results cimport request
from sweeps cimport (
    OF_DET, OF_LOGDET, OF_QUADRATIC_TRACE, OF_TRACE, OF_TRACE_PRODUCT, sweep,
)
from threads cimport set_thread_limit, thread_count, watch_forks
from traces cimport (
    is_fast_quadratic, quadratic_real, trace_complex, trace_product_complex, trace_product_real,
    trace_real,
)

cnp.import_array()
cnp.import_ufunc()

cdef extern from *:
    const char *MATGRAD_ISA

instruction_set = MATGRAD_ISA.decode()
watch_forks()


def set_num_threads(count):
    """Let the kernels use at most `count` threads; no more than OpenMP allows are used anyway."""
    count = operator.index(count)
    if count < 1:
        raise ValueError(f"set_num_threads needs a count of 1 or more; got {count}")
    set_thread_limit(count)


def get_num_threads():
    """Return how many threads the kernels use on a large batch."""
    return thread_count()


def has_fast_quadratic_trace(Py_ssize_t n, Py_ssize_t m):
    """Return whether `quadratic_trace_and_gradient` of float64 takes less time than products do."""
    return is_fast_quadratic(DOUBLES, n, m)


cdef extern from "numpy/ufuncobject.h":
    ctypedef int NPY_CASTING
    ctypedef struct PyArrayObject
    ctypedef struct PyArray_Descr
    ctypedef void PyUFunc_TypeResolutionFunc
    ctypedef struct ufunc_object "PyUFuncObject":
        int nin
        int nargs
        int ntypes
        const char *name
        const char *types
        PyUFunc_TypeResolutionFunc *type_resolver
        cnp.npy_uint32 *op_flags

    int PyUFunc_DefaultTypeResolver(
        ufunc_object *, NPY_CASTING, PyArrayObject **, PyObject *, PyArray_Descr **) except -1
    int PyUFunc_ValidateCasting(
        ufunc_object *, NPY_CASTING, PyArrayObject **, PyArray_Descr **) except -1
    PyArray_Descr *new_descriptor "PyArray_DescrFromType" (int)


# ---- the table ---------------------------------------------------------------------------------

cdef cnp.npy_uint32 RESULT = (
    # As NumPy's own, but not as if a result over an operand were computed element by element: with
    # `axes` the matrices there need not be the same ones. Such a result is copied at the end.
    cnp.NPY_ITER_WRITEONLY | cnp.NPY_ITER_UPDATEIFCOPY | cnp.NPY_ITER_ALIGNED
    | cnp.NPY_ITER_ALLOCATE | cnp.NPY_ITER_NO_BROADCAST | cnp.NPY_ITER_NO_SUBTYPE)

cdef enum:
    ROWS = 20
    MOST_TYPES = 4

cdef struct row:
    # What NumPy keeps pointers to for as long as the gufunc lives.
    cnp.PyUFuncGenericFunction loops[MOST_TYPES]
    void *data[MOST_TYPES]
    char types[32]
    request asked

cdef row rows[ROWS]
cdef list names = []        # keeps the texts alive


cdef object register(str name, str signature, str types, row *r):
    """One gufunc; `types` are NumPy's characters of its operands, loop after loop."""
    cdef int inputs = signature.split("->")[0].count("("), outputs = signature.count("(") - inputs
    cdef int count = len(types) // (inputs + outputs), i
    text = (name.encode(), signature.encode(), DOCSTRINGS[name].encode())
    names.append(text)
    for i in range(len(types)):
        r.types[i] = cnp.dtype(types[i]).num
    for i in range(count):
        r.data[i] = &r.asked
    function = cnp.PyUFunc_FromFuncAndDataAndSignature(
        r.loops, r.data, r.types, count, inputs, outputs, cnp.PyUFunc_None,
        <char *> text[0], <char *> text[2], 0, <char *> text[1])
    (<ufunc_object *> function).type_resolver = <PyUFunc_TypeResolutionFunc *> resolve_types
    for i in range(inputs, inputs + outputs):
        (<ufunc_object *> function).op_flags[i] = RESULT
    return function


cdef object register_factorization(
    str name, str signature, str types, row *r,
    bint det, bint slogdet, int gradient, bint transposed
):
    r.asked = request(det, slogdet, gradient, transposed)
    r.loops = [factor_float, factor_double, factor_complex_float, factor_complex_double]
    return register(name, signature, types, r)


det = register_factorization(
    "det", "(n,n)->()", "ffddFFDD", &rows[0], True, False, GRADIENT_NONE, False)
slogdet = register_factorization(
    "slogdet", "(n,n)->(),()", "fffdddFFfDDd", &rows[1], False, True, GRADIENT_NONE, False)
inv = register_factorization(
    "inv", "(n,n)->(n,n)", "ffddFFDD", &rows[2], False, False, GRADIENT_OF_LOGDET, True)
adjugate = register_factorization(
    "adjugate", "(n,n)->(n,n)", "ffddFFDD", &rows[3], False, False, GRADIENT_OF_DET, True)
det_and_gradient = register_factorization(
    "det_and_gradient", "(n,n)->(),(n,n)", "fffdddFFFDDD", &rows[4],
    True, False, GRADIENT_OF_DET, False)
slogdet_and_gradient = register_factorization(
    "slogdet_and_gradient", "(n,n)->(),(),(n,n)", "ffffddddFFfFDDdD", &rows[5],
    False, True, GRADIENT_OF_LOGDET, False)
slogdet_and_inverse = register_factorization(
    "slogdet_and_inverse", "(n,n)->(),(),(n,n)", "ffffddddFFfFDDdD", &rows[16],
    False, True, GRADIENT_OF_LOGDET, True)

rows[6].loops = [trace_float, trace_double, trace_complex_float, trace_complex_double]
trace = register("trace", "(n,n)->()", "ffddFFDD", &rows[6])

rows[7].loops = [
    trace_product_float, trace_product_double,
    trace_product_complex_float, trace_product_complex_double,
]
trace_product = register("trace_product", "(m,n),(n,m)->()", "fffdddFFFDDD", &rows[7])

rows[8].loops = [quadratic_float, quadratic_double, NULL, NULL]
quadratic_trace = register("quadratic_trace", "(n,m),(m,m),(n,n)->()", "ffffdddd", &rows[8])

rows[9].loops = [quadratic_gradient_float, quadratic_gradient_double, NULL, NULL]
quadratic_trace_and_gradient = register(
    "quadratic_trace_and_gradient", "(n,m),(m,m),(n,n)->(),(n,m)", "fffffddddd", &rows[9])


cdef object register_product(str name, str signature, str types, row *r, int ends):
    """`ends` is one of PRODUCT, PLUS, MINUS and FROM."""
    r.asked.gradient = ends
    r.loops = [matmul_float, matmul_double, NULL, NULL]
    return register(name, signature, types, r)


matmul = register_product("matmul", "(m,k),(k,n)->(m,n)", "fffddd", &rows[15], PRODUCT)
matmul_plus = register_product(
    "matmul_plus", "(m,k),(k,n),(m,n)->(m,n)", "ffffdddd", &rows[17], PLUS)
matmul_minus = register_product(
    "matmul_minus", "(m,k),(k,n),(m,n)->(m,n)", "ffffdddd", &rows[18], MINUS)
minus_matmul = register_product(
    "minus_matmul", "(m,k),(k,n),(m,n)->(m,n)", "ffffdddd", &rows[19], FROM)


cdef object register_sweep(str name, str signature, str types, row *r, int function):
    """The finite differences of a gufunc, as another one: `function` is one of OF_..."""
    r.asked.gradient = function
    r.loops = [sweep_float, sweep_double, NULL, NULL]
    return register(name, signature, types, r)


det_differences = register_sweep("det_differences", "(n,n)->(n,n)", "ffdd", &rows[10], OF_DET)
slogdet_differences = register_sweep(
    "slogdet_differences", "(n,n)->(n,n)", "ffdd", &rows[11], OF_LOGDET)
trace_differences = register_sweep(
    "trace_differences", "(n,n)->(n,n)", "ffdd", &rows[12], OF_TRACE)
trace_product_differences = register_sweep(
    "trace_product_differences", "(m,n),(n,m)->(n,m)", "fffddd", &rows[13], OF_TRACE_PRODUCT)
quadratic_trace_differences = register_sweep(
    "quadratic_trace_differences", "(n,m),(m,m),(n,n)->(n,m)", "ffffdddd", &rows[14],
    OF_QUADRATIC_TRACE)


# ---- loops -------------------------------------------------------------------------------------

cdef void factor_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    factor_real(<float> 0, args, dimensions, steps, <const request *> data)


cdef void factor_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    factor_real(<double> 0, args, dimensions, steps, <const request *> data)


cdef void factor_complex_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    cdef float complex zero = 0
    factor_complex(zero, args, dimensions, steps, <const request *> data)


cdef void factor_complex_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    cdef double complex zero = 0
    factor_complex(zero, args, dimensions, steps, <const request *> data)


cdef void trace_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    trace_real(<float> 0, args, dimensions, steps)


cdef void trace_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    trace_real(<double> 0, args, dimensions, steps)


cdef void trace_complex_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    cdef float complex zero = 0
    trace_complex(zero, args, dimensions, steps)


cdef void trace_complex_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    cdef double complex zero = 0
    trace_complex(zero, args, dimensions, steps)


cdef void trace_product_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    trace_product_real(FLOATS, args, dimensions, steps)


cdef void trace_product_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    trace_product_real(DOUBLES, args, dimensions, steps)


cdef void trace_product_complex_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    cdef float complex zero = 0
    trace_product_complex(zero, args, dimensions, steps)


cdef void trace_product_complex_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    cdef double complex zero = 0
    trace_product_complex(zero, args, dimensions, steps)


cdef void quadratic_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    quadratic_real(FLOATS, args, dimensions, steps, False)


cdef void quadratic_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    quadratic_real(DOUBLES, args, dimensions, steps, False)


cdef void quadratic_gradient_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    quadratic_real(FLOATS, args, dimensions, steps, True)


cdef void quadratic_gradient_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    quadratic_real(DOUBLES, args, dimensions, steps, True)


cdef void matmul_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    matmul_real(FLOATS, args, dimensions, steps, (<const request *> data).gradient)


cdef void matmul_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    matmul_real(DOUBLES, args, dimensions, steps, (<const request *> data).gradient)


cdef void sweep_float(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    sweep((<const request *> data).gradient, FLOATS, args, dimensions, steps)


cdef void sweep_double(
    char **args, const npy_intp *dimensions, const npy_intp *steps, void *data
) noexcept nogil:
    sweep((<const request *> data).gradient, DOUBLES, args, dimensions, steps)


# ---- types -------------------------------------------------------------------------------------

cdef int resolve_types(
    ufunc_object *f, NPY_CASTING casting, PyArrayObject **operands, PyObject *wanted,
    PyArray_Descr **dtypes
) except -1:
    """Called by NumPy where the inputs are not exactly those of a loop: float64 for integers."""
    cdef int i, k
    if wanted != NULL:
        return PyUFunc_DefaultTypeResolver(f, casting, operands, wanted, dtypes)
    supported = [cnp.PyArray_DescrFromType(f.types[k * f.nargs]) for k in range(f.ntypes)]
    inputs = [(<object> <PyObject *> operands[i]).dtype for i in range(f.nin)]
    k = supported.index(common_dtype(f.name.decode(), inputs, supported))
    for i in range(f.nargs):
        dtypes[i] = new_descriptor(f.types[k * f.nargs + i])
    return PyUFunc_ValidateCasting(f, casting, operands, dtypes)


cdef object common_dtype(str name, list inputs, list supported):
    cdef list chosen = [numpy.dtype(float) if dtype.kind in "biu" else dtype for dtype in inputs]
    result = chosen[0]
    for dtype in chosen:
        if dtype not in supported:
            raise TypeError(
                f"{name} does not support dtype {dtype}; "
                f"it takes {', '.join(map(str, supported))}, and integers as float64")
        result = numpy.promote_types(result, dtype)
    return result
