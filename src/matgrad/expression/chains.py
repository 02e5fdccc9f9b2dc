"""Products of many matrices in the cheapest order, and their traces.

The order is found by dynamic programming over intervals (Cormen, Leiserson, Rivest, Stein,
Introduction to Algorithms, 4th ed., section 14.2). A product costs nothing if the program holds it
already or if it mirrors its neighbour, as in (A B)'(A B); with an inverse it costs a solve, with a
diagonal matrix a scaling.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from matgrad.expression.builder import Builder
from matgrad.expression.program import Register


class Form(Enum):
    """How a link of a chain is stored."""

    MATRIX = auto()
    INVERSE = auto()  # the inverse of the register
    DIAGONAL = auto()  # the matrix that has the register, a column, on its diagonal


class Link(NamedTuple):
    """A matrix in a chain."""

    register: Register
    form: Form = Form.MATRIX


Interval: TypeAlias = tuple[int, int]

# What is done for every point of a batch counts as often as for a batch of this size.
BATCH = 1000


class Plan(NamedTuple):
    """The cheapest way to a product: its cost, where it is split, its register if there is one."""

    cost: float
    split: int = 0
    register: Register | None = None


def product(builder: Builder, links: Sequence[Link]) -> Register:
    """Return the register of the product of a chain."""
    chain = _Chain(builder, links)
    return chain.emit(0, len(links))


def trace(builder: Builder, links: Sequence[Link]) -> Register:
    """Return the register of the trace of a product of square shape.

    The chain is a ring, tr(A B C) = tr(C A B), and is cut in two where that is cheapest; the two
    products meet in a trace that does not form theirs.
    """
    if len(links) == 1:
        return _trace_of_one(builder, links[0])
    size = len(links)
    ring = _Chain(builder, [*links, *links])
    cuts = [(start, start + length) for start in range(size) for length in range(1, size)]
    cost, start, middle = min(ring.cost_of_trace(i, j, i + size) for i, j in cuts)
    quadratic = _quadratic_trace(builder, links, cost)
    if quadratic is not None:
        return quadratic
    return builder.scalar(
        "trace_product", ring.emit(start, middle), ring.emit(middle, start + size)
    )


def size(builder: Builder, links: Sequence[Link]) -> tuple[int, int]:
    """Return rows and columns of the product of a chain."""
    chain = _Chain(builder, links)
    return chain.rows(0), chain.columns(len(links) - 1)


def _trace_of_one(builder: Builder, link: Link) -> Register:
    if link.form is Form.DIAGONAL:
        return builder.scalar("sum", link.register)
    if link.form is Form.INVERSE:
        return builder.scalar("trace", builder.of_matrix("inverse", link.register))
    return builder.scalar("trace", link.register)


def _quadratic_trace(builder: Builder, links: Sequence[Link], limit: float) -> Register | None:
    """Return tr(X A X' Q) by its own kernel, if the chain is one and that costs at most `limit`."""
    if len(links) != 4 or any(link.form is not Form.MATRIX for link in links):
        return None
    for turn in range(2):
        X, A, mirrored, Q = (links[(turn + k) % 4].register for k in range(4))
        n, m, _ = builder.extents[X]
        count = BATCH if any(builder.extents[each].batched for each in (X, A, Q)) else 1
        if builder.mirror(X) == mirrored and n * m * (n + m) * count <= limit:
            return builder.scalar(
                "quadratic_trace", *((X, A, Q) if mirrored > X else (mirrored, Q, A))
            )
    return None


class _Chain:
    """The plans for the products of all intervals of a chain, made when they are asked for."""

    def __init__(self, builder: Builder, links: Sequence[Link]) -> None:
        self.builder = builder
        self.links = links
        self.extents = [builder.extents[link.register] for link in links]
        self.plans: dict[Interval, Plan] = {}

    def plan(self, start: int, end: int) -> Plan:
        """Return the cheapest plan for the links from start to before end."""
        if end - start == 1:
            link = self.links[start]
            return Plan(0, start, link.register if link.form is Form.MATRIX else None)
        if (start, end) not in self.plans:
            ways = (self.way(start, middle, end) for middle in range(start + 1, end))
            self.plans[start, end] = min(ways, key=lambda way: way.cost)
        return self.plans[start, end]

    def way(self, start: int, middle: int, end: int) -> Plan:
        """Return the plan that splits an interval at a place."""
        left, right = self.plan(start, middle), self.plan(middle, end)
        if left.register is not None and right.register is not None:
            known = self.builder.known_product(left.register, right.register)
            if known is not None:
                return Plan(0, middle, known)
        halves = left.cost + (0 if self.mirrored(start, middle, end) else right.cost)
        return Plan(halves + self.cost(start, middle, end), middle)

    def cost(self, start: int, middle: int, end: int) -> float:
        """Return the multiplications of the product of two intervals."""
        rows, inner, columns = self.rows(start), self.rows(middle), self.columns(end - 1)
        left, right = self.single(start, middle), self.single(middle, end)
        count = self.count(start, end)
        if Form.DIAGONAL in (left, right):
            return count * (rows * columns + (inner**3 if Form.INVERSE in (left, right) else 0))
        if left is Form.INVERSE:
            return count * (inner**3 / 3 + inner**2 * columns)
        if right is Form.INVERSE:
            return count * (inner**3 / 3 + inner**2 * rows)
        return count * rows * inner * columns

    def cost_of_trace(self, start: int, middle: int, end: int) -> tuple[float, int, int]:
        """Return the cost of tr(P Q) for P and Q from start to middle to end, and the places."""
        halves = (start, middle), (middle, end)
        formed = [
            self.rows(i) ** 3 * self.count(i, j)
            for i, j in halves
            if self.single(i, j) is Form.INVERSE
        ]
        plans = [self.plan(*half).cost for half in halves]
        products = plans[0] if self.mirrored(start, middle, end) else sum(plans)
        meeting = self.rows(start) * self.rows(middle) * self.count(start, end)
        return products + sum(formed) + meeting, start, middle

    def emit(self, start: int, end: int) -> Register:
        """Return the register of the product of an interval."""
        if end - start == 1:
            return self.formed(self.links[start])
        middle = self.plan(start, end).split
        left, right = self.links[start].register, self.links[end - 1].register
        b = self.builder
        if self.single(start, middle) is Form.DIAGONAL:
            return b.multiply(left, self.emit(middle, end))
        if self.single(middle, end) is Form.DIAGONAL:
            return b.multiply(self.emit(start, middle), b.transpose(right))
        if self.single(start, middle) is Form.INVERSE:
            return b.solve(left, self.emit(middle, end))
        if self.single(middle, end) is Form.INVERSE:
            return b.transpose(b.solve(b.transpose(right), b.transpose(self.emit(start, middle))))
        return b.product(self.emit(start, middle), self.emit(middle, end))

    def formed(self, link: Link) -> Register:
        """Return the register of a link as a matrix."""
        if link.form is Form.INVERSE:
            return self.builder.of_matrix("inverse", link.register)
        if link.form is Form.DIAGONAL:
            n = self.builder.extents[link.register].rows
            return self.builder.emit("diagonal_matrix", (link.register,), n, n)
        return link.register

    def mirrored(self, start: int, middle: int, end: int) -> bool:
        """Return whether the right half is the transpose of the left one."""
        return middle - start == end - middle and all(
            a.form is b.form and self.transposed(a) == b.register
            for a, b in zip(self.links[start:middle], reversed(self.links[middle:end]), strict=True)
        )

    def transposed(self, link: Link) -> Register:
        """Return the register of the transpose of a link, or -1 if there is none."""
        return link.register if link.form is Form.DIAGONAL else self.builder.mirror(link.register)

    def single(self, start: int, end: int) -> Form | None:
        """Return the form of an interval's only link, None if it has more."""
        return self.links[start].form if end - start == 1 else None

    def rows(self, place: int) -> int:
        """Return the rows of a link."""
        return self.extents[place].rows

    def columns(self, place: int) -> int:
        """Return the columns of a link."""
        extent = self.extents[place]
        return extent.rows if self.links[place].form is Form.DIAGONAL else extent.columns

    def count(self, start: int, end: int) -> int:
        """Return how often what comes from these links is computed."""
        return BATCH if any(extent.batched for extent in self.extents[start:end]) else 1
