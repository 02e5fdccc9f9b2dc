"""The layouts of a derivative: conversions between them, and the vec of matrices.

The derivative of F with respect to X is a set of numbers dF_ij/dX_kl. Its indices are fixed; a
*layout* decides which axis each of them goes to (lecture-a, introduction). NumPy is all that this
package stands on.
"""

from matgrad.layout.conversion import Layout, convert, reorder
from matgrad.layout.vectorization import (
    Order,
    commutation_matrix,
    duplication_matrix,
    elimination_matrix,
    unvec,
    unvech,
    vec,
    vech,
)

__all__ = [
    "Layout",
    "Order",
    "commutation_matrix",
    "convert",
    "duplication_matrix",
    "elimination_matrix",
    "reorder",
    "unvec",
    "unvech",
    "vec",
    "vech",
]
