"""Symmetric variables, under both conventions: the Matrix Cookbook, section 2.8 (138 to 141).

The book's derivative is that by the free entries, of which one stands at two places. The gradient
of the Frobenius inner product is another matrix: the symmetric part of the unstructured gradient
(Srinivasan and Panda, Indian J. Pure Appl. Math. 54(3), 2023).
"""

from matgrad.formulas.conditions import invertible
from matgrad.formulas.erratum import Erratum
from matgrad.formulas.formula import Formula

TWO_CONVENTIONS = "it is the derivative by the free entries, not the Frobenius gradient"

FORMULAS = (
    Formula(
        "symmetric-quadratic-trace",
        "From the unstructured gradient G, here of tr(X'BX): G's symmetric part",
        "tr(X'*B*X)",
        "X",
        "(B*X + B'*X + X*B' + X*B)/2",
        convention="symmetric",
        symmetric="X",
        sources=("cookbook:138",),
    ),
    Formula(
        "symmetric-quadratic-trace-free",
        "From the unstructured gradient G, here of tr(X'BX): G + G' - G o I, by free entries",
        "tr(X'*B*X)",
        "X",
        "B*X + B'*X + X*B' + X*B - (B*X + B'*X) .* I",
        convention="free",
        symmetric="X",
        sources=("cookbook:138",),
    ),
    Formula(
        "symmetric-trace-product",
        "Trace of a product with a symmetric variable",
        "tr(A*X)",
        "X",
        "(A + A')/2",
        convention="symmetric",
        symmetric="X",
        sources=("cookbook:139",),
        erratum=Erratum(
            "cookbook:139", "A + A' - (A o I)", "(A + A')/2", TWO_CONVENTIONS, "A + A' - A .* I"
        ),
    ),
    Formula(
        "symmetric-trace-product-free",
        "Trace of a product with a symmetric variable, by free entries",
        "tr(A*X)",
        "X",
        "A + A' - A .* I",
        convention="free",
        symmetric="X",
        sources=("cookbook:139",),
    ),
    Formula(
        "symmetric-determinant",
        "Determinant of a symmetric matrix",
        "det(X)",
        "X",
        "det(X)*inv(X)",
        conditions=(invertible("X"),),
        convention="symmetric",
        symmetric="X",
        sources=("cookbook:140",),
        erratum=Erratum(
            "cookbook:140",
            "det(X)(2X^-1 - (X^-1 o I))",
            "det(X) X^-1",
            TWO_CONVENTIONS,
            "det(X)*(2*inv(X) - inv(X) .* I)",
        ),
    ),
    Formula(
        "symmetric-determinant-free",
        "Determinant of a symmetric matrix, by free entries",
        "det(X)",
        "X",
        "det(X)*(2*inv(X) - inv(X) .* I)",
        conditions=(invertible("X"),),
        convention="free",
        symmetric="X",
        sources=("cookbook:140",),
    ),
    Formula(
        "symmetric-log-determinant",
        "Logarithm of the determinant of a symmetric matrix",
        "logdet(X)",
        "X",
        "inv(X)",
        conditions=(invertible("X"),),
        convention="symmetric",
        symmetric="X",
        sources=("cookbook:141",),
        erratum=Erratum(
            "cookbook:141",
            "2X^-1 - (X^-1 o I)",
            "X^-1",
            TWO_CONVENTIONS,
            "2*inv(X) - inv(X) .* I",
        ),
    ),
    Formula(
        "symmetric-log-determinant-free",
        "Logarithm of the determinant of a symmetric matrix, by free entries",
        "logdet(X)",
        "X",
        "2*inv(X) - inv(X) .* I",
        conditions=(invertible("X"),),
        convention="free",
        symmetric="X",
        sources=("cookbook:141",),
    ),
)
