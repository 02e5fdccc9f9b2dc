"""The docstrings of the gufuncs, which the compiled modules attach when they register them."""

DOCSTRINGS = {name: "" for name in ("trace trace_product quadratic_trace quadratic_trace_and_gradient det slogdet inv adjugate det_and_gradient slogdet_and_gradient").split()}
