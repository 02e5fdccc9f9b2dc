from numpy import ufunc

instruction_set: str

adjugate: ufunc
det: ufunc
det_and_gradient: ufunc
inv: ufunc
quadratic_trace: ufunc
quadratic_trace_and_gradient: ufunc
slogdet: ufunc
slogdet_and_gradient: ufunc
trace: ufunc
trace_product: ufunc
