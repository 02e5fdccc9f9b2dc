"""Inverses: the Matrix Cookbook, section 2.2 (equations 59 to 62; 60, 63, 64 are elsewhere)."""

from matgrad.formulas.conditions import invertible
from matgrad.formulas.formula import Formula

FORMULAS = (
    Formula(
        "inverse-of-scalar-function",
        "Differential of the inverse of a matrix that depends on a scalar",
        "inv(A + alpha*B)",
        "alpha",
        "-inv(A + alpha*B)*(dalpha*B)*inv(A + alpha*B)",
        kind="differential",
        conditions=(invertible("A + alpha*B"),),
        sources=("cookbook:59",),
    ),
    Formula(
        "bilinear-form-of-inverse",
        "Bilinear form of the inverse",
        "a'*inv(X)*b",
        "X",
        "-inv(X)'*a*b'*inv(X)'",
        conditions=(invertible("X"),),
        sources=("cookbook:61",),
    ),
    Formula(
        "determinant-of-inverse",
        "Determinant of the inverse",
        "det(inv(X))",
        "X",
        "-det(inv(X))*inv(X)'",
        conditions=(invertible("X"),),
        sources=("cookbook:62",),
    ),
    Formula(
        "function-of-inverse",
        "A function of the inverse W, here tr(W'CW): -A^-T (dJ/dW) A^-T",
        "tr(inv(A)'*C*inv(A))",
        "A",
        "-inv(A)'*((C + C')*inv(A))*inv(A)'",
        conditions=(invertible("A"),),
        sources=("cookbook:2.2",),
    ),
)
