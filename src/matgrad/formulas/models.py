"""Objectives of statistics and machine learning: least squares, logistic, Gaussian, factors."""

from matgrad.formulas.conditions import full_column_rank, nonzero
from matgrad.formulas.formula import Formula

# The formula is none of the literature that the catalog cites; it is checked like all others.
OWN = ("matgrad",)

LEAST_SQUARES = (
    Formula(
        "least-squares",
        "Least squares",
        "(y - X*w)'*(y - X*w)",
        "w",
        "-2*X'*(y - X*w)",
        sources=("lecture-b:1.1",),
    ),
    Formula(
        "least-squares-hessian",
        "Least squares, second derivative; positive definite exactly if X has full column rank",
        "(y - X*w)'*(y - X*w)",
        "w",
        "2*X'*X",
        kind="hessian",
        sources=("lecture-b:1.1",),
    ),
    Formula(
        "normal-equations",
        "Least squares: at w = (X'X)^-1 X'y, unique for full column rank, the gradient is zero",
        "X'*(X*(inv(X'*X)*X'*y))",
        "",
        "X'*y",
        kind="identity",
        conditions=(full_column_rank("X"),),
        sources=("lecture-b:1.1",),
    ),
    Formula(
        "least-squares-gradient-step",
        "Least squares: a step against the gradient, and how it depends on where it starts",
        "w + gamma*(2*X'*(y - X*w))",
        "w",
        "I - 2*gamma*X'*X",
        kind="jacobian",
        sources=("lecture-b:1.1",),
    ),
    Formula(
        "least-squares-definiteness",
        "Least squares: the form of X'X is a squared norm, so only X z = 0 makes it zero",
        "z'*X'*X*z",
        "",
        "norm(X*z)^2",
        kind="identity",
        sources=("lecture-b:1.1",),
    ),
    Formula(
        "ridge",
        "Ridge regression",
        "norm(y - X*w)^2 + lambda*norm(w)^2",
        "w",
        "2*lambda*w - 2*X'*(y - X*w)",
        sources=OWN,
    ),
)

CLASSIFICATION = (
    Formula(
        "logistic-loss",
        "Logistic loss of a sample x with the label y of 1 or -1",
        "softplus(-y*w'*x)",
        "w",
        "-sigmoid(-y*w'*x)*y*x",
        scalars="y",
        sources=("lecture-b:1.11",),
    ),
    Formula(
        "logistic-loss-as-logarithm",
        "Logistic loss of a sample, as the lecture writes it",
        "log(1 + exp(-y*w'*x))",
        "w",
        "-sigmoid(-y*w'*x)*y*x",
        scalars="y",
        sources=("lecture-b:1.11",),
    ),
    Formula(
        "logistic-loss-of-samples",
        "Logistic loss of the rows of X with the labels y of 1 or -1",
        "sum(softplus(-y .* (X*w)))",
        "w",
        "-X'*(y .* sigmoid(-y .* (X*w)))",
        sources=OWN,
    ),
    Formula(
        "logistic-loss-of-samples-hessian",
        "Logistic loss of the rows of X, second derivative",
        "sum(softplus(-y .* (X*w)))",
        "w",
        "X'*diag(y .* y .* sigmoid(-y .* (X*w)) .* sigmoid(y .* (X*w)))*X",
        kind="hessian",
        sources=OWN,
    ),
)

GAUSSIAN = (
    Formula(
        "gaussian-by-mean",
        "Gaussian negative log-likelihood of x, but for a constant, by the mean",
        "(logdet(Sigma) + (x - m)'*inv(Sigma)*(x - m))/2",
        "m",
        "-inv(Sigma)*(x - m)",
        positive_definite="Sigma",
        sources=OWN,
    ),
    Formula(
        "gaussian-by-covariance",
        "Gaussian negative log-likelihood of x, but for a constant, by the covariance",
        "(logdet(Sigma) + (x - m)'*inv(Sigma)*(x - m))/2",
        "Sigma",
        "(inv(Sigma) - inv(Sigma)*(x - m)*(x - m)'*inv(Sigma))/2",
        convention="symmetric",
        positive_definite="Sigma",
        sources=OWN,
    ),
    Formula(
        "gaussian-by-precision",
        "Gaussian negative log-likelihood of x, but for a constant, by the precision",
        "((x - m)'*P*(x - m) - logdet(P))/2",
        "P",
        "((x - m)*(x - m)' - inv(P))/2",
        convention="symmetric",
        positive_definite="P",
        sources=OWN,
    ),
)

FACTORS = (
    Formula(
        "d-optimal-design",
        "Logarithm of the determinant of X'AX, the criterion of D-optimal design",
        "logdet(X'*A*X)",
        "X",
        "2*A*X*inv(X'*A*X)",
        conditions=(full_column_rank("X"),),
        positive_definite="A",
        sources=OWN,
    ),
    Formula(
        "matrix-factorisation-left",
        "Matrix factorisation, by the left factor",
        "norm(Y - U*V')^2",
        "U",
        "-2*(Y - U*V')*V",
        sources=OWN,
    ),
    Formula(
        "matrix-factorisation-right",
        "Matrix factorisation, by the right factor",
        "norm(Y - U*V')^2",
        "V",
        "-2*(Y - U*V')'*U",
        sources=OWN,
    ),
    Formula(
        "principal-components",
        "Variance in the directions of the columns of W: tr(W'SW)",
        "tr(W'*S*W)",
        "W",
        "2*S*W",
        symmetric="S",
        sources=OWN,
    ),
    Formula(
        "rayleigh-quotient",
        "Rayleigh quotient",
        "x'*A*x/(x'*x)",
        "x",
        "2*(A*x - x'*A*x/(x'*x)*x)/(x'*x)",
        conditions=(nonzero("norm(x)"),),
        symmetric="A",
        sources=OWN,
    ),
    Formula(
        "trace-ratio",
        "Quotient of two quadratic traces",
        "tr(W'*A*W)/tr(W'*B*W)",
        "W",
        "2*(A*W - tr(W'*A*W)/tr(W'*B*W)*B*W)/tr(W'*B*W)",
        conditions=(nonzero("tr(W'*B*W)"),),
        symmetric="A",
        positive_definite="B",
        sources=OWN,
    ),
    Formula(
        "mahalanobis-metric",
        "Squared distance in a learned metric, by its factor",
        "norm(L*(x - y))^2",
        "L",
        "2*L*(x - y)*(x - y)'",
        sources=OWN,
    ),
)

FORMULAS = (*LEAST_SQUARES, *CLASSIFICATION, *GAUSSIAN, *FACTORS)
