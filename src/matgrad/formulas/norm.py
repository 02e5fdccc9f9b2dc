"""Norms: lecture-b, section 1; the Matrix Cookbook, sections 2.6 and 2.7 (equations 129 to 132)."""

from matgrad.formulas.conditions import nonzero
from matgrad.formulas.formula import Formula

FORMULAS = (
    Formula(
        "distance",
        "Euclidean distance",
        "norm(x - a)",
        "x",
        "(x - a)/norm(x - a)",
        conditions=(nonzero("norm(x - a)"),),
        sources=("cookbook:129",),
    ),
    Formula(
        "direction",
        "Direction from a point",
        "(x - a)/norm(x - a)",
        "x",
        "I/norm(x - a) - (x - a)*(x - a)'/norm(x - a)^3",
        kind="jacobian",
        conditions=(nonzero("norm(x - a)"),),
        sources=("cookbook:130",),
    ),
    Formula(
        "squared-norm",
        "Squared Euclidean norm",
        "norm(x)^2",
        "x",
        "2*x",
        sources=("cookbook:131",),
    ),
    Formula(
        "squared-frobenius-norm",
        "Squared Frobenius norm",
        "norm(X)^2",
        "X",
        "2*X",
        sources=("cookbook:132",),
    ),
    Formula(
        "squared-frobenius-distance",
        "Squared Frobenius distance",
        "norm(X - A)^2",
        "X",
        "2*(X - A)",
        sources=("lecture-b:1", "lecture-a:8"),
    ),
)
