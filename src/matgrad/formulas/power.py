"""Powers and quotients: the Matrix Cookbook, section 2.4.3 (equations 90 to 95) and 122.

The language has no sums over an exponent, so that a formula with one is declared for the powers in
`ORDERS`; what is general is in its title.
"""

from collections.abc import Callable

from matgrad.formulas.conditions import nonzero, unit_coordinate
from matgrad.formulas.erratum import Erratum
from matgrad.formulas.formula import Formula

ORDERS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}


def entry_of_power(k: int) -> Formula:
    """Declare the derivative of an entry of X^k."""
    return Formula(
        f"entry-of-{ORDERS[k]}-power",
        f"Derivative of an entry of X^k: the sum of (X^r)' e f' (X^(k-1-r))', here k = {k}",
        f"e'*X^{k}*f",
        "X",
        _sum(k, lambda r, s: f"{_left(r)}e*f'{_right(s)}"),
        conditions=(unit_coordinate("e"), unit_coordinate("f")),
        sources=("cookbook:90",),
    )


def bilinear_form_of_power(k: int) -> Formula:
    """Declare the gradient of a'X^k b."""
    return Formula(
        f"bilinear-form-of-{ORDERS[k]}-power",
        f"Bilinear form of X^k: the sum of (X^r)' a b' (X^(k-1-r))', here k = {k}",
        f"a'*X^{k}*b",
        "X",
        _sum(k, lambda r, s: f"{_left(r)}a*b'{_right(s)}"),
        sources=("cookbook:91",),
    )


def bilinear_form_of_squared_power(k: int) -> Formula:
    """Declare the gradient of a'(X^k)'X^k b."""
    second = _sum(k, lambda r, s: f"{_left(r)}X^{k}*a*b'{_right(s)}")
    first = _sum(k, lambda r, s: f"{_left(r)}X^{k}*b*a'{_right(s)}")
    printed = _sum(k, lambda r, s: f"{_plain(s)}a*b'*(X^{k})'{_plain(r, after=True)}")
    return Formula(
        f"bilinear-form-of-{ORDERS[k]}-power-squared",
        f"Bilinear form of (X^k)'X^k, here k = {k}",
        f"a'*(X^{k})'*X^{k}*b",
        "X",
        f"{first} + {second}",
        sources=("cookbook:92",),
        erratum=Erratum(
            "cookbook:92",
            "sum_r [X^(n-1-r) a b'(X^n)'X^r + (X^r)'X^n a b'(X^(n-1-r))']",
            "sum_r [(X^r)'X^n b a'(X^(n-1-r))' + (X^r)'X^n a b'(X^(n-1-r))']",
            "the first term is transposed",
            f"{printed} + {second}",
        ),
    )


def trace_times_power(k: int) -> Formula:
    """Declare the gradient of tr(A X^k)."""
    return Formula(
        f"trace-times-{ORDERS[k]}-power",
        f"Trace of A X^k: the sum of (X^r A X^(k-1-r))', here k = {k}",
        f"tr(A*X^{k})",
        "X",
        "(" + _sum(k, lambda r, s: f"{_plain(r)}A{_plain(s, after=True)}") + ")'",
        sources=("cookbook:122",),
    )


def _sum(k: int, term: Callable[[int, int], str]) -> str:
    """Return the sum of terms for r = 0, ..., k - 1 and s = k - 1 - r."""
    return " + ".join(term(r, k - 1 - r) for r in range(k))


def _plain(r: int, *, after: bool = False) -> str:
    """Return X^r as a factor before or after others; nothing for r = 0."""
    power = "X" if r == 1 else f"X^{r}"
    return "" if r == 0 else f"*{power}" if after else f"{power}*"


def _left(r: int) -> str:
    return ("", "X'*")[r] if r < 2 else f"(X^{r})'*"


def _right(r: int) -> str:
    return ("", "*X'")[r] if r < 2 else f"*(X^{r})'"


FORMULAS = (
    *map(entry_of_power, ORDERS),
    *map(bilinear_form_of_power, ORDERS),
    *map(bilinear_form_of_squared_power, (2, 3)),
    *map(trace_times_power, ORDERS),
    Formula(
        "product-of-functions",
        "Bilinear form of two functions of a vector, here sin(x) and exp(x)",
        "sin(x)'*A*exp(x)",
        "x",
        "diag(cos(x))'*A*exp(x) + diag(exp(x))'*A'*sin(x)",
        sources=("cookbook:93",),
    ),
    Formula(
        "quotient-of-squared-norms",
        "Quotient of two squared norms",
        "(A*x)'*(A*x)/((B*x)'*(B*x))",
        "x",
        "2*A'*A*x/(x'*B'*B*x) - 2*x'*A'*A*x*B'*B*x/(x'*B'*B*x)^2",
        conditions=(nonzero("(B*x)'*(B*x)"),),
        sources=("cookbook:94", "cookbook:95"),
        erratum=Erratum(
            "cookbook:95",
            "2A'Ax/(x'BBx) - 2(x'A'Ax)B'Bx/(x'B'Bx)^2",
            "2A'Ax/(x'B'Bx) - 2(x'A'Ax)B'Bx/(x'B'Bx)^2",
            "the first denominator lacks a transpose",
            "2*A'*A*x/(x'*B*B*x) - 2*x'*A'*A*x*B'*B*x/(x'*B'*B*x)^2",
        ),
    ),
)
