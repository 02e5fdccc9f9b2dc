"""What of the sources the catalog does not cover yet, and why."""

from collections.abc import Mapping

MISSING: Mapping[str, str] = {
    "cookbook:67-68": "derivatives of eigenvalues and eigenvectors",
    "cookbook:89": "the printed erratum shows with complex numbers only",
    "cookbook:133-137": "chain rules for any structure of a matrix",
    "cookbook:142-144": "diagonal and Toeplitz matrices",
    "cookbook:226-252, 570-571": "complex derivatives",
    "cookbook:391-396": "mixtures of Gaussians",
    "cookbook:555-569": "densities of Gaussians and their mixtures",
}
