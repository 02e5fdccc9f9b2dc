"""A formula of the literature: one declarative record, and what can be asked of it.

The texts of a record are parsed when they are first needed, so that importing the catalog is cheap.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from matgrad.formulas.conditions import Condition, required
from matgrad.formulas.erratum import Erratum

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from matgrad.calculus import Derivation
    from matgrad.calculus.deriving import Method
    from matgrad.expression import Expression
    from matgrad.expression.dimension import Shape, Size
    from matgrad.expression.inference import Inference
    from matgrad.expression.nodes import Variable
    from matgrad.formulas.comparison import Comparison
    from matgrad.layout import Layout

Kind: TypeAlias = Literal["gradient", "jacobian", "hessian", "differential", "identity"]
Convention: TypeAlias = Literal["independent", "symmetric", "free"]
Names: TypeAlias = str | tuple[str, ...]


class Formula:
    """A value, a variable and the derivative, with conditions and sources.

    Parameters
    ----------
    id : str
        A short name, such as "trace-product".
    title : str
        What it is, in words.
    value : str
        The function, or the left side of an identity, in the language of `matgrad.parse`.
    wrt : str
        The variable; empty for an identity. The differential of a function of several variables
        names the first one.
    derivative : str
        The gradient in the shape of the variable (denominator layout), the Jacobian with a row for
        each output, the Hessian, the differential, where ``dX`` is the increment of ``X``, or the
        right side of an identity.
    kind : {"gradient", "jacobian", "hessian", "differential", "identity"}
        What `derivative` is.
    sources : sequence of str
        Such as "lecture-a:5", "lecture-b:1.4", "cookbook:118".
    conditions : sequence of Condition
        What must hold beside shapes and structures.
    convention : {"independent", "symmetric", "free"}
        How the entries of the variable move. For a symmetric matrix, "symmetric" is the gradient
        of the Frobenius inner product, "free" the derivative by each free entry.
    erratum : Erratum, optional
        What a source has wrong.
    sizes : mapping of str to int, optional
        Lengths that `sample` takes where its own would not meet the conditions.
    complex : sequence of str, optional
        Variables for which `sample` draws complex entries.
    **declarations : str or tuple of str
        Keywords of `matgrad.parse`, such as ``symmetric="A"``.

    Examples
    --------
    >>> from matgrad import catalog
    >>> formula = catalog["trace-product"]
    >>> print(formula)
    d tr(A*X) / dX = A'
    >>> formula.differentiate(A=[[1.0, 2.0]], X=[[3.0], [4.0]])
    array([[1.],
           [2.]])
    """

    def __init__(
        self,
        id: str,
        title: str,
        value: str,
        wrt: str,
        derivative: str,
        *,
        kind: Kind = "gradient",
        sources: Sequence[str],
        conditions: Sequence[Condition] = (),
        convention: Convention = "independent",
        erratum: Erratum | None = None,
        sizes: Mapping[str, int] | None = None,
        complex: Sequence[str] = (),
        **declarations: Names,
    ) -> None:
        self.id = id
        self.title = title
        self.wrt = wrt
        self.kind = kind
        self.sources = tuple(sources)
        self.conditions = tuple(conditions)
        self.convention = convention
        self.erratum = erratum
        self.sizes = dict(sizes or {})
        self.complex = frozenset(complex)
        self._texts = value, derivative
        self._declarations = {
            keyword: (names,) if isinstance(names, str) else names
            for keyword, names in declarations.items()
        }

    @cached_property
    def value(self) -> "Expression":
        """The function, or the left side of an identity."""
        return self.parse(self._texts[0])

    @cached_property
    def derivative(self) -> "Expression":
        """The derivative as declared, or the right side of an identity."""
        return self.parse(self._texts[1])

    @cached_property
    def increments(self) -> "dict[str, Expression]":
        """The increments in a differential, by the names of their variables: {"X": dX}."""
        if self.kind != "differential":
            return {}
        names = (name for name in self.value.variables if f"d{name}" in self.derivative.variables)
        return {name: self.parse(f"d{name}") for name in names}

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, in the order in which they are read."""
        return tuple(variable.name for variable in self._inference.shapes)

    @property
    def shapes(self) -> "dict[str, tuple[Size, ...]]":
        """The symbolic shape of every variable: {"A": ("m", "n"), "X": ("n", "m")}."""
        return {
            variable.name: tuple(d.size for d in variable.declared.visible(shape))
            for variable, shape in self._inference.shapes.items()
        }

    def evaluate(self, *, verify: bool = False, **arrays: "ArrayLike") -> "NDArray[Any]":
        """Return the value on arrays, whose leading axes are batch axes and broadcast.

        Parameters
        ----------
        verify : bool
            Whether to refuse arrays that do not meet the conditions.
        **arrays : array_like
            An array for each variable of the value.

        Raises
        ------
        TypeError
            If an array is missing or has no variable.
        ValueError
            If a shape does not fit, or a condition is asked for and not met.

        Examples
        --------
        >>> from matgrad import catalog
        >>> float(catalog["quadratic-form"].evaluate(A=[[2.0, 0.0], [0.0, 3.0]], x=[1.0, 2.0]))
        14.0
        """
        from matgrad.expression.evaluation import evaluate

        self._refuse(arrays, tuple(self.value.variables), verify)
        with self._named_errors():
            return evaluate((self.value,), arrays)[0]

    def differentiate(
        self, *, layout: "Layout" = "denominator", verify: bool = False, **arrays: "ArrayLike"
    ) -> "NDArray[Any]":
        """Return the derivative on arrays, in a layout.

        Parameters
        ----------
        layout : {"denominator", "numerator", "tensor", "vec", "vec-row-major"}
            See `matgrad.layout.convert`. A differential, or an identity, has no layout.
        verify : bool
            Whether to refuse arrays that do not meet the conditions.
        **arrays : array_like
            An array for each of `variables`.

        Raises
        ------
        TypeError
            If an array is missing or has no variable.
        ValueError
            If a shape does not fit, a condition is asked for and not met, or there is no such
            layout.

        Examples
        --------
        >>> from matgrad import catalog
        >>> A, X = [[1.0, 2.0]], [[3.0], [4.0]]
        >>> catalog["trace-product"].differentiate(A=A, X=X, layout="numerator")
        array([[1., 2.]])
        """
        return self.value_and_gradient_at(arrays, layout=layout, verify=verify)[1]

    def value_and_gradient(
        self, *, layout: "Layout" = "denominator", verify: bool = False, **arrays: "ArrayLike"
    ) -> "tuple[NDArray[Any], NDArray[Any]]":
        """Return the value and the derivative together: what they have in common is computed once.

        Parameters and errors are those of `differentiate`.

        Examples
        --------
        >>> from matgrad import catalog
        >>> value, gradient = catalog["determinant"].value_and_gradient(X=[[2.0, 1.0], [0.0, 3.0]])
        >>> float(value), gradient
        (6.0, array([[ 3.,  0.],
               [-1.,  2.]]))
        """
        return self.value_and_gradient_at(arrays, layout=layout, verify=verify)

    def value_and_gradient_at(
        self,
        arrays: "Mapping[str, ArrayLike]",
        *,
        layout: "Layout" = "denominator",
        verify: bool = False,
    ) -> "tuple[NDArray[Any], NDArray[Any]]":
        """Return what `value_and_gradient` does, of arrays in a mapping."""
        from matgrad.expression.evaluation import evaluate
        from matgrad.formulas.orientation import laid_out, over_batch

        self._refuse(arrays, self.variables, verify)
        with self._named_errors():
            value, derivative, *_ = evaluate(self._expressions, arrays, self._models)
            return value, laid_out(self, over_batch(self, derivative, arrays), layout)

    def sample(
        self, rng: "np.random.Generator", batch: tuple[int, ...] = (), **dims: int
    ) -> "dict[str, NDArray[Any]]":
        """Return random arrays that meet the conditions.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where the numbers come from.
        batch : tuple of int
            The batch axes of every array.
        **dims : int
            Sizes of the dimensions in `shapes`.

        Raises
        ------
        ValueError
            If there is no such dimension, or no arrays of these sizes are found.

        Examples
        --------
        >>> import numpy as np
        >>> from matgrad import catalog
        >>> arrays = catalog["trace-product"].sample(np.random.default_rng(0), (5,), n=2, m=3)
        >>> {name: array.shape for name, array in arrays.items()}
        {'A': (5, 2, 3), 'X': (5, 3, 2)}
        """
        from matgrad.formulas.samples import draw

        return draw(self, rng, batch, dims)

    def check(self, rng: "np.random.Generator", **dims: int) -> "Comparison":
        """Compare the declared derivative with differences of the value on a random sample.

        Examples
        --------
        >>> import numpy as np
        >>> from matgrad import catalog
        >>> catalog["determinant"].check(np.random.default_rng(0)).ok
        True
        """
        from matgrad.formulas.comparison import compare

        return compare(self, rng, dims)

    def derivation(self, method: "Method" = "differential") -> "Derivation":
        """Derive the derivative, step by step; see `matgrad.derive`.

        Raises
        ------
        ValueError
            If the formula is an identity, or the method does not reach it.

        Examples
        --------
        >>> from matgrad import catalog
        >>> print(catalog["quadratic-trace"].derivation())
        d tr(X*A*X'*Q) / dX = Q'*X*A' + Q*X*A
        """
        from matgrad.calculus import derive
        from matgrad.calculus.deriving import solved
        from matgrad.calculus.problem import Problem

        if self.kind == "identity":
            raise ValueError(f"{self.id} is an identity, which has no derivation")
        if self.kind == "differential":
            return derive(self.value, tuple(self.increments))
        return solved(
            Problem(self.value, [self.wrt], self._square_shapes()),
            method,
            "numerator" if self.kind == "jacobian" else "denominator",
            2 if self.kind == "hessian" else 1,
            "free" if self.convention == "free" else "symmetric",
        )

    def _square_shapes(self) -> "dict[Variable, Shape]":
        """Return the shapes of the variables, square where the conditions want an inverse."""
        shapes = dict(self._inference.shapes)
        invertible = {each.subject for each in self.conditions if each.property == "invertible"}
        for variable in shapes:
            rows, columns = shapes[variable]
            if variable.name in invertible and len(columns.symbols) == 1 and rows != columns:
                meaning = {columns.symbols[0]: rows}
                shapes = {
                    v: (m.replace(meaning), n.replace(meaning)) for v, (m, n) in shapes.items()
                }
        return shapes

    def as_printed(self) -> "Formula":
        """Return the formula with the derivative that its erratum prints.

        Raises
        ------
        ValueError
            If it has no erratum.
        """
        if self.erratum is None:
            raise ValueError(f"{self.id} has no erratum")
        declarations: Any = self._declarations
        return Formula(
            f"{self.id}, as printed",
            self.title,
            self._texts[0],
            self.wrt,
            self.erratum.derivative,
            kind=self.kind,
            sources=(self.erratum.source,),
            conditions=self.conditions,
            convention=self.convention,
            sizes=self.sizes,
            complex=tuple(self.complex),
            **declarations,
        )

    def requirements(self) -> tuple[Condition, ...]:
        """Return all conditions: those of the structures of the variables, then the others."""
        variables = self._inference.shapes
        structures = (required(v.name, word) for v in variables for word in sorted(v.structure))
        return (*structures, *self.conditions)

    def __str__(self) -> str:
        from matgrad.formulas.statements import text

        return text(self, "denominator")

    def __repr__(self) -> str:
        return f"<Formula {self.id}: {self}>"

    def _repr_latex_(self) -> str:
        from matgrad.formulas.statements import latex

        return f"${latex(self, 'denominator')}$"

    def parse(self, text: str) -> "Expression":
        """Read an expression in the variables of this formula."""
        from matgrad.expression import parse

        names = set(re.findall(r"[A-Za-z]\w*", text))
        declared = {
            keyword: tuple(name for name in listed if name in names)
            for keyword, listed in self._all_declarations.items()
        }
        return parse(text, **declared)

    @cached_property
    def _all_declarations(self) -> dict[str, tuple[str, ...]]:
        """The keywords of `parse`; an increment is of the kind of its variable."""
        from matgrad.expression.names import DECLARATIONS, Declarations

        declared = dict(self._declarations)
        if self.kind == "differential":
            variable = Declarations(**declared).variable
            bases = set(re.findall(r"[A-Za-z]\w*", self._texts[0]))
            for name in set(re.findall(r"\bd(\w+)", self._texts[1])) & bases:
                keyword = next(k for k, v in DECLARATIONS.items() if v is variable(name).declared)
                declared[keyword] = (*declared.get(keyword, ()), f"d{name}")
        return declared

    @cached_property
    def axes(self) -> tuple[int, int]:
        """How many axes the output has in the derivative, and how many the variable.

        Raises
        ------
        KeyError
            If the formula is a differential or an identity, which is no array by a variable.

        Examples
        --------
        >>> from matgrad import catalog
        >>> catalog["trace"].axes, catalog["quadratic-form-hessian"].axes
        ((0, 2), (1, 1))
        """
        from matgrad.expression.binding import CORE_AXES

        in_ndim = CORE_AXES[self.parse(self.wrt).kind]
        # A Hessian is the Jacobian of a gradient, which is a scalar where the variable is one.
        return {"gradient": 0, "jacobian": 1, "hessian": in_ndim}[self.kind], in_ndim

    @property
    def _expressions(self) -> "tuple[Expression, ...]":
        return (self.value, self.derivative, *self.increments.values())

    @property
    def _models(self) -> "tuple[Expression | None, ...]":
        """What has the shape of each of the expressions: a gradient has that of its variable."""
        derivative: Expression | None = None
        if self.kind == "gradient":
            derivative = self.parse(self.wrt)
        elif self.kind in ("differential", "identity"):
            derivative = self.value
        return (None, derivative, *map(self.parse, self.increments))

    @cached_property
    def _inference(self) -> "Inference":
        from matgrad.expression.inference import infer

        return infer(self._expressions, self._models)

    def _refuse(
        self, arrays: "Mapping[str, ArrayLike]", wanted: tuple[str, ...], verify: bool
    ) -> None:
        """Refuse missing and unknown names and, on request, violated conditions."""
        listed = ", ".join(wanted)
        for name in wanted:
            if name not in arrays:
                raise TypeError(f"{self.id} needs an array for {name}; it takes {listed}")
        for name in arrays:
            if name not in wanted:
                raise TypeError(f"{self.id} has no variable {name}; it takes {listed}")
        if verify:
            with self._named_errors():
                for condition in self.requirements():
                    condition.verify(self, arrays)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Put the name of the formula before what the language finds wrong."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self.id}: {error}") from None
