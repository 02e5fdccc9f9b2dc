"""The kernels as generalized ufuncs, from the build for this processor's instruction set."""

from matgrad._native import kernels

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
