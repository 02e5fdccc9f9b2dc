"""Principal components of handwritten digits as a minimum on the Stiefel manifold.

    python docs/examples/principal_components.py [PLOT.svg]

Brockett's cost -tr(W' C W N) with different weights in N has the principal components as its
minimum, in their order, among all W with W'W = I. Pymanopt's trust regions take the gradient and
Hessian products from an oracle.
"""

import sys
from typing import Any

import numpy as np
import pymanopt
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from matgrad import Oracle
from matgrad.adapters.pymanopt import problem

Array = NDArray[Any]

COUNT = 3


def main(plot: str | None = None) -> None:
    """Find the components, compare, and say how far apart they are."""
    data = load_digits()
    X = data.data - data.data.mean(axis=0)
    C = X.T @ X / (len(X) - 1)
    W = components(C)
    model = PCA(n_components=COUNT, svd_solver="full").fit(X)
    signs = np.sign((model.components_ * W.T).sum(axis=1))
    distance = np.abs(model.components_ - signs[:, None] * W.T).max()
    variances = np.diag(W.T @ C @ W)
    print(f"{COUNT} components of {X.shape[1]} pixels, distance {distance:.0e}")
    print("variances", variances.round(6))
    assert distance < 1e-6
    np.testing.assert_allclose(variances, model.explained_variance_, rtol=1e-10)
    if plot:
        draw(X @ W, data.target, W, plot)


def components(C: Array) -> Array:
    """Return the minimum of Brockett's cost; C is scaled, so that tolerances mean something."""
    structure = {"C": "symmetric", "N": "symmetric"}
    weights = np.diag(np.arange(COUNT, 0, -1.0))
    scaled = C / np.linalg.norm(C, 2)
    oracle = Oracle("-tr(W'*C*W*N)", "W", structure=structure, C=scaled, N=weights)
    manifold = pymanopt.manifolds.Stiefel(len(C), COUNT)
    start, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(len(C), COUNT)))
    optimizer = pymanopt.optimizers.TrustRegions(min_gradient_norm=1e-10, verbosity=0)
    found: Array = optimizer.run(problem(oracle, manifold), initial_point=start).point
    return found


def draw(scores: Array, digits: Array, W: Array, path: str) -> None:
    """Draw the digits along two components, and the components as images."""
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(9, 4), layout="constrained")
    grid = figure.add_gridspec(COUNT, 2, width_ratios=[3, 1])
    plane = figure.add_subplot(grid[:, 0])
    points = plane.scatter(scores[:, 0], scores[:, 1], c=digits, cmap="tab10", s=6, rasterized=True)
    plane.set(xlabel="first component", ylabel="second component")
    plane.legend(*points.legend_elements(), title="digit", bbox_to_anchor=(1, 1), fontsize=8)
    for k in range(COUNT):
        image = figure.add_subplot(grid[k, 1])
        image.imshow(W[:, k].reshape(8, 8), cmap="RdBu", vmin=-0.4, vmax=0.4)
        image.set(title=f"component {k + 1}", xticks=[], yticks=[])
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:])
