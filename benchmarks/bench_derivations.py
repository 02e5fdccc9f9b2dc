"""What deriving costs: formulas of the catalog, long expressions, long products, high powers.

    pytest benchmarks/bench_derivations.py

The slowest formula stands in the extra information of --benchmark-json.
"""

from time import perf_counter
from typing import Any

import pytest

from matgrad import catalog, derive, parse

LONG = " + ".join(f"tr(A*X*B{k}*X'*inv(C{k})*X)*x'*B{k}*x" for k in range(4))
TEXTS = {
    "50 operations": LONG,
    "product of 12 matrices": f"tr({'*'.join(['A', 'X'] * 6)})",
    "eighth power": "tr(X^8)",
    "eighth power of a product": "tr((X*A)^8)",
}


@pytest.mark.parametrize("method", ["differential", "einstein"])
@pytest.mark.parametrize("name", TEXTS)
def test_expression(name: str, method: Any, benchmark: Any) -> None:
    expression = parse(TEXTS[name])
    benchmark.group = name
    benchmark(derive, expression, "X", method=method)


def test_catalog(benchmark: Any) -> None:
    formulas = [formula for formula in catalog.values() if formula.kind != "identity"]
    times = {}
    for formula in formulas:
        formula.derivation()
        start = perf_counter()
        formula.derivation()
        times[formula.id] = perf_counter() - start
    slowest = max(times, key=times.__getitem__)
    benchmark.extra_info["slowest"] = f"{slowest}, {times[slowest] * 1e3:.1f} ms"
    benchmark.group = f"all {len(formulas)} formulas of the catalog"

    def derive_all() -> None:
        for formula in formulas:
            formula.derivation()

    benchmark.pedantic(derive_all, rounds=3)
