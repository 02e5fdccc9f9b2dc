"""From index notation back to matrices: a product of entries as a network that is contracted.

An index between two factors makes their matrix product, one that hangs from a single factor a sum
with ones, one that several share an elementwise product or a diagonal matrix. What is left over the
free indices is the matrix, or the vector.
"""

from collections.abc import Sequence
from typing import NamedTuple

from matgrad.calculus.derivation import NotDifferentiableError
from matgrad.calculus.einstein.indices import Delta, Index, IndexExpression, Product, Tensor
from matgrad.calculus.factoring import expression_of
from matgrad.calculus.terms import Term
from matgrad.expression import nodes
from matgrad.expression.dimension import Dimension, Kind
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwiseProduct,
    Number,
    Quotient,
    Sum,
    Transpose,
)


class Edge(NamedTuple):
    """A matrix between two indices, a vector at one, or a number."""

    value: Expression
    indices: tuple[Index, ...]


def read_back(
    expression: IndexExpression, free: Sequence[Index], lengths: "dict[Index, Dimension]"
) -> Expression:
    """Return the matrix, vector or number whose entries an index expression gives.

    Parameters
    ----------
    expression : IndexExpression
        A sum of products.
    free : sequence of str
        The indices of rows and columns; of a vector one.
    lengths : mapping of str to Dimension
        The lengths of indices, for the identities and the ones that a product may need.

    Raises
    ------
    NotDifferentiableError
        If a product is none of matrices.
    """
    if not expression.terms:
        return Number(0)
    return Sum.of(*(_Network(term, tuple(free), lengths).value() for term in expression.terms))


class _Network:
    """The factors of one product, contracted until only the free indices are left."""

    def __init__(
        self, term: Product, free: tuple[Index, ...], lengths: "dict[Index, Dimension]"
    ) -> None:
        self.term = term
        self.free = free
        self.lengths = lengths
        self.numbers: list[Expression] = []
        self.edges: list[Edge] = []
        for factor in term.factors:
            self.add(_edge(factor, lengths))

    def add(self, edge: Edge) -> None:
        """Add an edge; one whose ends meet is a diagonal, one without ends a number."""
        if len(edge.indices) == 2 and edge.indices[0] == edge.indices[1]:
            i = edge.indices[0]
            alone = i not in self.free and not any(i in each.indices for each in self.edges)
            edge = Edge(Call.of("diag", edge.value), (i,)) if not alone else edge
        if not edge.indices:
            self.numbers.append(edge.value)
        else:
            self.edges.append(edge)

    def value(self) -> Expression:
        """Return the product as an expression."""
        while self.step():
            pass
        matrix = self.left_over()
        factors = [*self.term.scalars, *self.numbers, *([] if matrix is None else [matrix])]
        coefficient = expression_of([Term(self.term.coefficient)], scalar=True)
        product = nodes.Product.of(coefficient, *factors) if factors else coefficient
        below = self.term.below
        return Quotient(product, nodes.Product.of(*below)) if below else product

    def step(self) -> bool:
        """Contract one index; return whether there was one."""
        return self.loops() or self.merge_parallel() or self.join() or self.absorb()

    def degree(self, index: Index) -> int:
        """Return how many edges end at an index, one more if it is free."""
        return sum(index in edge.indices for edge in self.edges) + (index in self.free)

    def loops(self) -> bool:
        """A_ii is a trace, if nothing else has the index."""
        for edge in self.edges:
            if len(edge.indices) == 2 and edge.indices[0] == edge.indices[1]:
                self.edges.remove(edge)
                if self.degree(edge.indices[0]) == 0:
                    self.numbers.append(Call.of("tr", edge.value))
                else:
                    self.edges.append(Edge(Call.of("diag", edge.value), edge.indices[:1]))
                return True
        return False

    def merge_parallel(self) -> bool:
        """A_ij B_ij is (A .* B)_ij, where the indices go on; u_i v_i likewise."""
        for k, first in enumerate(self.edges):
            for second in self.edges[k + 1 :]:
                if set(first.indices) != set(second.indices):
                    continue
                if all(self.degree(i) == 2 and i not in self.free for i in first.indices):
                    continue
                other = second.value if first.indices == second.indices else Transpose(second.value)
                merged = Edge(ElementwiseProduct.of(first.value, other), first.indices)
                self.replace([first, second], merged)
                return True
        return False

    def join(self) -> bool:
        """A_ij B_jk is (AB)_ik, where nothing else has the index j."""
        for first in self.edges:
            for j in reversed(first.indices):
                if j in self.free:
                    continue
                others = [e for e in self.edges if e is not first and j in e.indices]
                if len(others) == 1:
                    self.replace([first, others[0]], _product(first, others[0], j))
                    return True
                if not others:
                    self.replace([first], self.summed(first, j))
                    return True
        return False

    def summed(self, edge: Edge, j: Index) -> Edge:
        """Return the sum over an index: the product with ones."""
        if len(edge.indices) == 1:
            return Edge(Call.of("sum", edge.value), ())
        return _product(edge, Edge(Constant("ones", (self.lengths[j],)), (j,)), j)

    def absorb(self) -> bool:
        """u_j A_jk is (diag(u) A)_jk, where j goes on to other factors, too."""
        for vector in self.edges:
            if len(vector.indices) != 1:
                continue
            (j,) = vector.indices
            for edge in self.edges:
                if len(edge.indices) == 2 and j in edge.indices and self.degree(j) > 2:
                    D = Call.of("diag", vector.value)
                    row = edge.indices[0] == j
                    value = nodes.Product.of(*((D, edge.value) if row else (edge.value, D)))
                    self.replace([vector, edge], Edge(value, edge.indices))
                    return True
        return False

    def replace(self, old: Sequence[Edge], new: Edge) -> None:
        """Put one edge in the place of others."""
        place = min(k for k, edge in enumerate(self.edges) if any(edge is each for each in old))
        self.edges = [edge for edge in self.edges if not any(edge is each for each in old)]
        if not new.indices:
            self.numbers.append(new.value)
        else:
            self.edges.insert(place, new)

    def left_over(self) -> Expression | None:
        """Return what remains over the free indices, as a matrix or a vector."""
        by_index = {i: [edge for edge in self.edges if i in edge.indices] for i in self.free}
        match self.free, self.edges:
            case (), []:
                return None
            case (s,), [edge] if edge.indices == (s,):
                return edge.value
            case (s,), []:
                return Constant("ones", (self.lengths[s],))
            case (s, t), [edge] if edge.indices == (s, t):
                return edge.value
            case (s, t), [edge] if edge.indices == (t, s):
                return Transpose(edge.value)
            case (s, t), _ if all(len(edge.indices) == 1 for edge in self.edges):
                u, v = (self.vector(by_index[i], i) for i in (s, t))
                return nodes.Product.of(u, Transpose(v))
            case (s, t), [one, other] if len(one.indices) + len(other.indices) == 3:
                return self.scaled_matrix(one, other)
        shown = " ".join(f"{edge.value}_{''.join(edge.indices)}" for edge in self.edges)
        raise NotDifferentiableError(f"{shown} is no product of matrices")

    def vector(self, edges: Sequence[Edge], index: Index) -> Expression:
        """Return the vector at an index: that of the only edge, or ones."""
        return edges[0].value if edges else Constant("ones", (self.lengths[index],))

    def scaled_matrix(self, one: Edge, other: Edge) -> Expression:
        """Return a matrix whose rows or columns a vector multiplies."""
        vector, matrix = sorted((one, other), key=lambda edge: len(edge.indices))
        M = matrix.value if matrix.indices == self.free else Transpose(matrix.value)
        D = Call.of("diag", vector.value)
        rows = vector.indices[0] == self.free[0]
        return nodes.Product.of(*((D, M) if rows else (M, D)))


def _edge(factor: "Tensor | Delta | object", lengths: "dict[Index, Dimension]") -> Edge:
    if isinstance(factor, Delta):
        return Edge(Constant("I", (lengths[factor.indices[0]],)), factor.indices)
    assert isinstance(factor, Tensor)
    value = factor.tensor
    if value.kind is Kind.ROW:
        value = Transpose(value)
    return Edge(value, factor.indices)


def _product(first: Edge, second: Edge, j: Index) -> Edge:
    """Return the contraction of two edges over an index that only they have."""
    if set(first.indices) == set(second.indices) and len(first.indices) == 2:
        turned = second.value if first.indices == second.indices else Transpose(second.value)
        product = nodes.Product.of(Transpose(first.value), turned)
        return Edge(Call.of("tr", product), ())
    left = first.value if first.indices[-1] == j else Transpose(first.value)
    right = second.value if second.indices[0] == j else Transpose(second.value)
    i = tuple(each for each in first.indices if each != j)
    k = tuple(each for each in second.indices if each != j)
    if not i and first.value.kind is Kind.COLUMN:
        left = Transpose(first.value)
    if not i and k:
        # u_j B_jk is (B'u)_k: a vector stands as a column.
        return Edge(nodes.Product.of(Transpose(right), first.value), k)
    return Edge(nodes.Product.of(left, right), i + k)
