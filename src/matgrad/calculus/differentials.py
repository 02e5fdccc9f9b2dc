"""Differentials: dF for every node of the language, by one rule for each.

A rule takes a node and returns its differential, in which those of its children stand as nodes
`Differential`, still to be found. What is constant has none: dC = 0. The rules are those of
lecture-b, section 1, and of the Matrix Cookbook, section 2.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from matgrad.calculus.derivation import Condition, NotDifferentiableError
from matgrad.calculus.elementwise import ELEMENTWISE, divided, raised, times
from matgrad.expression.dimension import ONE, Kind, Shape
from matgrad.expression.expression import Expression
from matgrad.expression.multiples import multiple
from matgrad.expression.nodes import (
    Call,
    Constant,
    Differential,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
    number_of,
)


class Round(NamedTuple):
    """One round of rules, applied to all differentials that stood in an expression.

    Parameters
    ----------
    rules : tuple of str
        The rules that were applied, each once.
    expression : Expression
        What they led to.
    """

    rules: tuple[str, ...]
    expression: Expression


Rule: TypeAlias = Callable[["Differentials", Expression], tuple[str, Expression]]


class Differentials:
    """The differentials of expressions.

    Parameters
    ----------
    increments : mapping of Variable to Expression
        What varies, and what its differential is called.
    shapes : callable
        Returns rows and columns of a part.
    """

    def __init__(
        self,
        increments: Mapping[Variable, Expression],
        shapes: Callable[[Expression], Shape],
    ) -> None:
        self.shapes = shapes
        self.increments = increments
        self._given: Mapping[Expression, Expression] = {
            Differential(variable): increment for variable, increment in increments.items()
        }
        self.conditions: list[Condition] = []
        self._varies: dict[Expression, bool] = {}
        self._found: dict[Expression, Expression] = {}

    def rounds(self, expression: Expression) -> Iterator[Round]:
        """Yield round after round until no differential is left to be found."""
        current: Expression = Differential(expression)
        while _is_open(current):
            rules: list[str] = []
            current = self.replaced(current, rules)
            yield Round(tuple(dict.fromkeys(rules)), current)

    def of(self, expression: Expression) -> Expression:
        """Return the differential of an expression that varies, at once."""
        if expression not in self._found:
            once = self.apply(expression, [])
            self._found[expression] = self._complete(once)
        return self._found[expression]

    def _complete(self, node: Expression) -> Expression:
        if isinstance(node, Differential):
            return self.of(node.operand)
        if not _is_open(node):
            return node
        return node.rebuild([self._complete(child) for child in node.children])

    def replaced(self, node: Expression, rules: list[str]) -> Expression:
        """Return an expression with the outermost differentials replaced by what rules give."""
        if isinstance(node, Differential):
            return self.apply(node.operand, rules)
        if not _is_open(node):
            return node
        return node.rebuild([self.replaced(child, rules) for child in node.children])

    def apply(self, node: Expression, rules: list[str]) -> Expression:
        """Return the differential of a node by its rule."""
        if Differential(node) in self._given:
            return self._given[Differential(node)]
        rule, result = self.apply_once(node)
        rules.append(rule)
        return result.substitute(self._given)

    def apply_once(self, node: Expression) -> tuple[str, Expression]:
        """Return the rule for a node, and the differential in which those of parts are open."""
        return RULES[type(node)](self, node)

    def varies(self, node: Expression) -> bool:
        """Return whether an expression depends on what varies; a sign jumps, but does not vary."""
        if node not in self._varies:
            self._varies[node] = node in self.increments or self._has_varying_child(node)
        return self._varies[node]

    def _has_varying_child(self, node: Expression) -> bool:
        if not any(self.varies(child) for child in node.children):
            return False
        match node:
            case Call("sign", (Call("relu", (F,)),)) | Call("sign", (F,)):
                self.require_nonzero(F)
                return False
            case Power(_, exponent) | ElementwisePower(_, exponent):
                return number_of(exponent) != 0
        return True

    def are_square(self, nodes: Sequence[Expression]) -> bool:
        """Return whether all of some matrices are known to be square."""
        return all(rows == columns for rows, columns in map(self.shapes, nodes))

    def require(self, subject: Expression, property: str) -> None:
        """Note a condition; a positive number meets all that scalars have to meet."""
        condition = Condition(subject, property)
        if condition not in self.conditions and not (number_of(subject) or 0) > 0:
            self.conditions.append(condition)

    def require_nonzero(self, subject: Expression) -> None:
        """Note that a scalar is not zero, or that no entry of another expression is."""
        self.require(subject, "nonzero" if subject.is_scalar else "without a zero entry")


def _is_open(node: Expression) -> bool:
    return any(isinstance(each, Differential) for each in node.walk())


# ---- sums and products --------------------------------------------------------------------------


def _sum(d: Differentials, node: Expression) -> tuple[str, Expression]:
    # d(F + G) = dF + dG                                          Cookbook 35
    return "d(F + G) = dF + dG", Sum.of(*map(Differential, filter(d.varies, node.children)))


def _negation(d: Differentials, node: Expression) -> tuple[str, Expression]:
    return "d(-F) = -dF", Negation(Differential(node.children[0]))


def _transpose(d: Differentials, node: Expression) -> tuple[str, Expression]:
    # d(F') = (dF)'                                               Cookbook 44
    return "d(F') = (dF)'", Transpose(Differential(node.children[0]))


def _product(d: Differentials, node: Expression) -> tuple[str, Expression]:
    # d(FG) = dF G + F dG                                         lecture-b 1, Cookbook 37
    rule = "d(FG) = dF G + F dG" if sum(map(d.varies, node.children)) > 1 else "d(AF) = A dF"
    return rule, _one_after_another(d, node)


def _elementwise_product(d: Differentials, node: Expression) -> tuple[str, Expression]:
    # d(F o G) = dF o G + F o dG                                  Cookbook 38
    return "d(F .* G) = dF .* G + F .* dG", _one_after_another(d, node)


def _one_after_another(d: Differentials, node: Expression) -> Expression:
    """Return the sum over the children that vary of the node with the differential of that one."""
    children = node.children
    return Sum.of(
        *(
            node.rebuild([*children[:k], Differential(child), *children[k + 1 :]])
            for k, child in enumerate(children)
            if d.varies(child)
        )
    )


def _quotient(d: Differentials, node: Expression) -> tuple[str, Expression]:
    # d(F/s) = dF/s - F ds/s^2
    F, s = node.children
    terms: list[Expression] = [Quotient(Differential(F), s)] if d.varies(F) else []
    if d.varies(s):
        d.require_nonzero(s)
        terms.append(Negation(Quotient(Product.of(F, Differential(s)), Power.of(s, 2))))
    return "d(F/s) = dF/s - F ds/s^2", Sum.of(*terms)


def _elementwise_quotient(d: Differentials, node: Expression) -> tuple[str, Expression]:
    F, G = node.children
    # Also where G is constant: tr(F ./ I) is a number, but its gradient I ./ I is not.
    d.require_nonzero(G)
    terms: list[Expression] = [divided(Differential(F), G)] if d.varies(F) else []
    if d.varies(G):
        terms.append(Negation(divided(times(F, Differential(G)), raised(G, Number(2)))))
    return "d(F ./ G) = dF ./ G - F .* dG ./ G.^2", Sum.of(*terms)


# ---- powers -------------------------------------------------------------------------------------


def _power(d: Differentials, node: Expression) -> tuple[str, Expression]:
    base, exponent = node.children
    if not base.is_scalar:
        return _matrix_power(d, base, exponent)
    k = number_of(exponent)
    match base:
        case Call("norm", (F,)) if k is not None and k >= 2:
            # d norm(F)^k = k norm(F)^(k-2) <F, dF>               Cookbook 131, 132
            inner = _inner(F, Differential(F))
            power = [Power.of(base, k - 2)] if k > 2 else []
            return f"d norm(F)^{exponent} = {exponent} norm(F)^{k - 2:g} <F, dF>" if k > 2 else (
                "d norm(F)^2 = 2 <F, dF>"
            ), Product.of(k, *power, inner)
    return "d(s^k) = k s^(k-1) ds", _scalar_power(d, base, exponent)


def _scalar_power(d: Differentials, base: Expression, exponent: Expression) -> Expression:
    """Return e b^(e-1) db + b^e log(b) de, or the same for the elements of matrices."""
    terms: list[Expression] = []
    if d.varies(base):
        k = number_of(exponent)
        if k is not None and k < 1 and k != 0:
            d.require_nonzero(base) if k == int(k) else d.require(base, "positive")
        lower = _one_less(d, exponent)
        terms.append(times(exponent, raised(base, lower), Differential(base)))
    if d.varies(exponent):
        d.require(base, "positive")
        logarithm = Call.of("log", base)
        terms.append(times(raised(base, exponent), logarithm, Differential(exponent)))
    return Sum.of(*terms)


def _one_less(d: Differentials, exponent: Expression) -> "Expression | float":
    k = number_of(exponent)
    if k is not None:
        return k - 1
    if exponent.is_scalar:
        return Sum.of(exponent, -1)
    rows, columns = d.shapes(exponent)
    ones = Constant("ones", (rows,) if columns == ONE else (rows, columns))
    return Sum.of(exponent, Negation(ones))


def _matrix_power(
    d: Differentials, base: Expression, exponent: Expression
) -> tuple[str, Expression]:
    # d(F^k) = sum_r F^r dF F^(k-1-r)                             Cookbook 90
    k = number_of(exponent)
    if k is None or d.varies(exponent):
        raise NotDifferentiableError(
            f"the differential of {Power(base, exponent)} is a sum over its exponent, "
            "which is not in the language; a number or a trace is expected"
        )
    if k < 0:
        inverse = Power.of(Call.of("inv", base), -k)
        return "F^-k = inv(F)^k", Differential(inverse)
    terms = [_between(base, r, int(k) - 1 - r) for r in range(int(k))]
    return "d(F^k) = sum_r F^r dF F^(k-1-r)", Sum.of(*terms)


def _between(base: Expression, before: int, after: int) -> Expression:
    left = [Power.of(base, before) if before > 1 else base] if before else []
    right = [Power.of(base, after) if after > 1 else base] if after else []
    return Product.of(*left, Differential(base), *right)


def _elementwise_power(d: Differentials, node: Expression) -> tuple[str, Expression]:
    return "d(F.^k) = k .* F.^(k-1) .* dF", _scalar_power(d, *node.children)


# ---- functions ----------------------------------------------------------------------------------


def _call(d: Differentials, node: Expression) -> tuple[str, Expression]:
    assert isinstance(node, Call)
    if node.function == "kron":
        return "d kron(F, G) = kron(dF, G) + kron(F, dG)", _one_after_another(d, node)
    (F,) = node.arguments
    if node.function in ELEMENTWISE:
        rule, of = ELEMENTWISE[node.function]
        return rule, of(d, F, Differential(F))
    if node.function in OF_MATRIX:
        return OF_MATRIX[node.function](d, F)
    raise NotDifferentiableError(f"there is no rule for the differential of {node.function}")


def _trace(d: Differentials, F: Expression) -> tuple[str, Expression]:
    # d tr(F) = tr(dF); d tr(f(F)) = tr(f'(F) dF)                 Cookbook 36, 121, 128, sec. 2.5
    match F:
        case Power(base, exponent) if not (base.is_scalar or d.varies(exponent)):
            k = number_of(exponent)
            if k is None or k < 0:
                d.require(base, "invertible")
            less = _one_less(d, exponent)
            power = base if less == 1 else Power.of(base, less)
            inner = Product.of(power, Differential(base))
            return "d tr(F^k) = k tr(F^(k-1) dF)", Product.of(exponent, Call.of("tr", inner))
        case Call("kron", factors) if d.are_square(factors):
            traces = [Call.of("tr", factor) for factor in factors]
            return "tr kron(F, G) = tr(F) tr(G)", Differential(Product.of(*traces))
        case Call(function, (argument,)) if function in MATRIX_FUNCTIONS:
            derivative = MATRIX_FUNCTIONS[function](argument)
            inner = Product.of(derivative, Differential(argument))
            return "d tr(f(F)) = tr(f'(F) dF)", Call.of("tr", inner)
    return "d tr(F) = tr(dF)", Call.of("tr", Differential(F))


def _det(d: Differentials, F: Expression) -> tuple[str, Expression]:
    # d det(F) = tr(adj(F) dF), for any F                         Cookbook 41, lecture-a 6
    match F:
        case Power(base, exponent) if not d.varies(exponent):
            return _det_power(d, F, base, exponent)
        case Product(factors) if len(F.runs) == 1 and d.are_square(factors):
            dets = [Call.of("det", factor) for factor in factors]
            return "det(FG) = det(F) det(G)", Differential(Product.of(*dets))
        case Call("inv", (base,)):
            # d det(inv(F)) = -det(inv(F)) tr(inv(F) dF)          Cookbook 62
            d.require(base, "invertible")
            trace = Call.of("tr", Product.of(F, Differential(base)))
            rule = "d det(inv(F)) = -det(inv(F)) tr(inv(F) dF)"
            return rule, Negation(Product.of(Call.of("det", F), trace))
    inner = Product.of(Call.of("adj", F), Differential(F))
    return "d det(F) = tr(adj(F) dF)", Call.of("tr", inner)


def _det_power(
    d: Differentials, F: Expression, base: Expression, exponent: Expression
) -> tuple[str, Expression]:
    # det(F^k) = det(F)^k                                         Cookbook 58
    if number_of(exponent) is not None:
        return "det(F^k) = det(F)^k", Differential(Power.of(Call.of("det", base), exponent))
    d.require(base, "invertible")
    trace = Call.of("tr", Product.of(Call.of("inv", base), Differential(base)))
    rule = "d det(F^k) = k det(F^k) tr(inv(F) dF)"
    return rule, Product.of(exponent, Call.of("det", F), trace)


def _logdet(d: Differentials, F: Expression) -> tuple[str, Expression]:
    # d log|det F| = tr(inv(F) dF)                                Cookbook 43, 57
    match F:
        case Power(base, exponent) if not d.varies(exponent):
            logdet = Differential(Call.of("logdet", base))
            return "logdet(F^k) = k logdet(F)", Product.of(exponent, logdet)
    d.require(F, "invertible")
    inner = Product.of(Call.of("inv", F), Differential(F))
    return "d logdet(F) = tr(inv(F) dF)", Call.of("tr", inner)


def _inv(d: Differentials, F: Expression) -> tuple[str, Expression]:
    # d inv(F) = -inv(F) dF inv(F)                                lecture-b 1.6, Cookbook 40
    d.require(F, "invertible")
    inverse = Call.of("inv", F)
    rule = "d inv(F) = -inv(F) dF inv(F)"
    return rule, Negation(Product.of(inverse, Differential(F), inverse))


def _adj(d: Differentials, F: Expression) -> tuple[str, Expression]:
    # d adj(F) = tr(inv(F) dF) adj(F) - inv(F) dF adj(F)          from adj(F) = det(F) inv(F)
    d.require(F, "invertible")
    inverse, adjugate = Call.of("inv", F), Call.of("adj", F)
    trace = Call.of("tr", Product.of(inverse, Differential(F)))
    rule = "d adj(F) = tr(inv(F) dF) adj(F) - inv(F) dF adj(F)"
    taken = Product.of(inverse, Differential(F), adjugate)
    return rule, Sum.of(Product.of(trace, adjugate), Negation(taken))


def _norm(d: Differentials, F: Expression) -> tuple[str, Expression]:
    # d norm(F) = <F, dF>/norm(F)                                 Cookbook 129
    norm = Call.of("norm", F)
    d.require(norm, "nonzero")
    return "d norm(F) = <F, dF>/norm(F)", Quotient(_inner(F, Differential(F)), norm)


def _norm1(d: Differentials, F: Expression) -> tuple[str, Expression]:
    d.require_nonzero(F)
    return "d norm1(F) = <sign(F), dF>", _inner(Call.of("sign", F), Differential(F))


def _linear(function: str) -> Callable[[Differentials, Expression], tuple[str, Expression]]:
    def rule(d: Differentials, F: Expression) -> tuple[str, Expression]:
        return f"d {function}(F) = {function}(dF)", Call.of(function, Differential(F))

    return rule


def _matrix_function(
    function: str,
) -> Callable[[Differentials, Expression], tuple[str, Expression]]:
    def rule(d: Differentials, F: Expression) -> tuple[str, Expression]:
        # d f(s A) = ds A f'(s A), for A commutes with s A         Cookbook 500
        parts = multiple(F)
        scalars = [*parts.numerators, *parts.denominators]
        constant = not any(d.varies(factor.node) for factor in parts.factors)
        if not constant or not any(map(d.varies, scalars)):
            raise NotDifferentiableError(
                f"the differential of {Call.of(function, F)} is a series, which is not in the "
                "language; its trace, or a multiple of a constant matrix in it, is expected"
            )
        derivative = MATRIX_FUNCTIONS[function](F)
        return f"d {function}(s A) = d(s A) {derivative}", Product.of(Differential(F), derivative)

    return rule


MATRIX_FUNCTIONS: Mapping[str, Callable[[Expression], Expression]] = {
    "expm": lambda F: Call.of("expm", F),
    "sinm": lambda F: Call.of("cosm", F),
    "cosm": lambda F: Negation(Call.of("sinm", F)),
}

OF_MATRIX: Mapping[str, Callable[[Differentials, Expression], tuple[str, Expression]]] = {
    "tr": _trace,
    "det": _det,
    "logdet": _logdet,
    "inv": _inv,
    "adj": _adj,
    "norm": _norm,
    "norm1": _norm1,
    **{function: _linear(function) for function in ("sum", "diag", "vec", "conj")},
    **{function: _matrix_function(function) for function in MATRIX_FUNCTIONS},
}


def _inner(F: Expression, dF: Expression) -> Expression:
    """Return the inner product of the elements, as it is written for the kind."""
    match F.kind:
        case Kind.SCALAR:
            return Product.of(F, dF)
        case Kind.COLUMN:
            return Product.of(Transpose(F), dF)
        case Kind.ROW:
            return Product.of(dF, Transpose(F))
    return Call.of("tr", Product.of(Transpose(F), dF))


RULES: Mapping[type[Expression], Rule] = {
    Sum: _sum,
    Negation: _negation,
    Product: _product,
    Quotient: _quotient,
    Power: _power,
    Transpose: _transpose,
    ElementwiseProduct: _elementwise_product,
    ElementwiseQuotient: _elementwise_quotient,
    ElementwisePower: _elementwise_power,
    Call: _call,
}
