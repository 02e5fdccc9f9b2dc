"""Trace, determinant, inverse and their gradients for batches of matrices, in compiled code.

Each of the ten functions is a `numpy.ufunc`: the last two axes of an argument hold the matrices,
the axes before them are the batch and broadcast; ``out=``, ``axes=``, ``dtype=`` and arrays of any
strides work as everywhere in NumPy. Gradients are in denominator layout, the shape of X, and
``gradient.mT`` is a view in numerator layout.

What all of them promise:

- float32, float64, complex64 and complex128 come out as they go in, integers and bool as float64.
  The quadratic trace takes real matrices only.
- A NaN makes every result NaN that depends on it and leaves the rest of the batch alone.
- A matrix has the same result, bit for bit, alone, in any batch and on any number of threads.
- An argument is never written to; ``out=`` may overlap it.
- Inputs that do not fit raise an error that names the function; a matrix without a result does not:
  it gets NaN or inf and raises the floating-point flag that `numpy.errstate` controls.

The build for the best instruction set that the processor has is loaded at import; the environment
variable ``MATGRAD_ISA`` chooses another one. Large batches are shared among threads.

Examples
--------
>>> import numpy as np
>>> from matgrad import linalg
>>> X = np.array([[[3.0, 1.0], [1.0, 2.0]], [[1.0, 2.0], [2.0, 4.0]]])
>>> det, gradient = linalg.det_and_gradient(X)
>>> det
array([5., 0.])
>>> gradient[1]
array([[ 4., -2.],
       [-2.,  1.]])
"""

from contextlib import suppress

from matgrad._native import kernels

__all__ = [
    "adjugate",
    "det",
    "det_and_gradient",
    "inv",
    "quadratic_trace",
    "quadratic_trace_and_gradient",
    "slogdet",
    "slogdet_and_gradient",
    "trace",
    "trace_product",
]

adjugate = kernels.adjugate
det = kernels.det
det_and_gradient = kernels.det_and_gradient
inv = kernels.inv
quadratic_trace = kernels.quadratic_trace
quadratic_trace_and_gradient = kernels.quadratic_trace_and_gradient
slogdet = kernels.slogdet
slogdet_and_gradient = kernels.slogdet_and_gradient
trace = kernels.trace
trace_product = kernels.trace_product

# Where pickle finds a kernel, on a machine with other instruction sets, too. The ufuncs of an older
# NumPy have no such attribute; for them pickle searches all modules.
for _name in __all__:
    with suppress(AttributeError):
        globals()[_name].__module__ = "matgrad"
