"""Powers and quotients: the Matrix Cookbook, section 2.4.3 (equations 91 to 95)."""

from matgrad.formulas.conditions import nonzero
from matgrad.formulas.erratum import Erratum
from matgrad.formulas.formula import Formula

FORMULAS = (
    Formula(
        "bilinear-form-of-power",
        "Bilinear form of a power, here of X^3",
        "a'*X^3*b",
        "X",
        "a*b'*(X^2)' + X'*a*b'*X' + (X^2)'*a*b'",
        sources=("cookbook:91",),
    ),
    Formula(
        "bilinear-form-of-squared-power",
        "Bilinear form of (X^n)'X^n, here of n = 2",
        "a'*(X^2)'*X^2*b",
        "X",
        "X^2*b*a'*X' + X'*X^2*b*a' + X^2*a*b'*X' + X'*X^2*a*b'",
        sources=("cookbook:92",),
        erratum=Erratum(
            "cookbook:92",
            "sum_r [X^(n-1-r) a b'(X^n)'X^r + (X^r)'X^n a b'(X^(n-1-r))']",
            "sum_r [(X^r)'X^n b a'(X^(n-1-r))' + (X^r)'X^n a b'(X^(n-1-r))']",
            "the first term is transposed",
            "X*a*b'*(X^2)' + a*b'*(X^2)'*X + X^2*a*b'*X' + X'*X^2*a*b'",
        ),
    ),
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
