from numpy import ufunc

instruction_set: str

def get_num_threads() -> int: ...
def has_fast_quadratic_trace(n: int, m: int) -> bool: ...
def set_num_threads(count: int) -> None: ...

adjugate: ufunc
det: ufunc
det_and_gradient: ufunc
det_differences: ufunc
inv: ufunc
matmul: ufunc
matmul_minus: ufunc
matmul_plus: ufunc
minus_matmul: ufunc
quadratic_trace: ufunc
quadratic_trace_and_gradient: ufunc
quadratic_trace_differences: ufunc
slogdet: ufunc
slogdet_and_gradient: ufunc
slogdet_and_inverse: ufunc
slogdet_differences: ufunc
trace: ufunc
trace_differences: ufunc
trace_product: ufunc
trace_product_differences: ufunc
