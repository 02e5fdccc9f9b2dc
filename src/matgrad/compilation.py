"""An objective compiled for its constants and for one shape of x.

All that does not depend on the point is done here, once: dimensions are measured, the program is
lowered and cut in stages, and what depends on constants alone is computed. A point then costs its
own instructions and a list of registers.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad._native.memory import Memory
from matgrad.coordinates import Coordinates
from matgrad.expression.binding import CORE_AXES, Given, bind
from matgrad.expression.evaluation import APPEND
from matgrad.expression.executor import Registers
from matgrad.expression.inference import infer
from matgrad.expression.lowering import lower
from matgrad.expression.program import Program, Register
from matgrad.expression.silence import silently
from matgrad.expression.stages import CURVATURE, DIRECTION, GRADIENT, Level, Stages
from matgrad.objective import Objective

Array: TypeAlias = NDArray[Any]

# Bytes of the gradients of a batch from which on they may be handed out and not kept.
SMALLEST_GIVEN = 1 << 15


class Compilation:
    """The stages of an objective, with its constants in their registers.

    Parameters
    ----------
    objective : Objective
        What is computed.
    order : int
        1 for value and gradient, 2 with products by a direction.
    coordinates : Coordinates
        The variables in x.
    constants : mapping of str to array or number
        Everything else.
    lengths : tuple of int
        The axes of x.
    dtype : dtype
        That of x.
    memory : Memory
        Where arrays of a batch lie.

    Raises
    ------
    TypeError
        If a constant is missing, has no variable, or has a dtype that is not supported.
    ValueError
        If a shape does not fit.
    """

    def __init__(
        self,
        objective: Objective,
        order: int,
        coordinates: Coordinates,
        constants: Mapping[str, Any],
        lengths: tuple[int, ...],
        dtype: np.dtype[Any],
        memory: Memory,
    ) -> None:
        batch = own_batch(coordinates, lengths)
        self.coordinates, self.order = coordinates, order
        self.is_scalar = objective.is_scalar
        self.flat_shape = (*batch, coordinates.size)
        # Of all x of the batch together.
        self.entries = prod(self.flat_shape)
        self.value_place = (..., 0, 0) if self.is_scalar else (..., 0)
        # The axes of one x.
        self.core = lengths[len(batch) :]
        moving = [variable.name for variable in objective.variables]
        directions = [v.name for v in objective.directions] if order > 1 else []
        inference = infer(objective.expressions(order), objective.models(order))
        names = {variable.name for variable in inference.shapes}
        given = [_given(name, each) for name, each in constants.items()]
        for name, shape in zip([*moving, *directions], 2 * coordinates.shapes, strict=False):
            if name in names:
                given.append(Given(name, (*batch, *shape), dtype, np.ndarray))
        binding = bind((objective.value,), inference, given)
        program = lower(inference.expressions, binding.variables, binding.sizes)
        places = {name: register for register, (name, _) in enumerate(binding.variables)}
        first = 1 + len(objective.gradients)
        self.dtype = binding.dtype
        self.memory = memory
        self.value: Register = program.outputs[0]
        self.gradients = program.outputs[1:first]
        self.products = program.outputs[first:]
        self.moving = [places[name] for name in moving]
        self.directions = [places.get(name) for name in directions]
        # Where the matrices are that must be positive definite, and may be something else.
        self.definite = [places[name] for name in moving if name in coordinates.perhaps_indefinite]
        cores = {name: len(shape) for name, shape in zip(moving, coordinates.shapes, strict=True)}
        own = {v.name: CORE_AXES[v.declared] for v in inference.shapes} | cores
        batches = [each.shape[: len(each.shape) - own[each.name]] for each in given]
        # The batch of every result.
        self.batch = np.broadcast_shapes(*batches)
        # Whether an x is its matrices, one behind the other, and so are gradients.
        self.is_direct = coordinates.is_plain and self.batch == batch
        # Where each variable is in x: one alone is all of it, without a slice.
        self.places = [
            (register, (..., place) if len(self.moving) > 1 else None, (*batch, *core))
            for register, (_, core, place) in zip(self.moving, coordinates.parts, strict=True)
        ]
        self.stages = Stages(
            program,
            {
                Level.VALUE: (self.value,),
                Level.GRADIENT: self.gradients,
                Level.DIRECTION: self.products,
            },
            set(self.moving),
            {place for place in self.directions if place is not None},
            self.dtype,
            self.memory,
        )
        # Whether gradients need no copy: one that only its own stage sets, or several to be joined.
        self.are_gradients_new = len(self.gradients) > 1 or (
            bool(self.gradients) and self.stages.makes_last(*self.gradients)
        )
        # A copy of x and one of the gradient take a quarter of the time that value and gradient of
        # tr(XAX'Q) do for a thousand small matrices. So what takes no factorisation is not kept.
        self.keeps_gradients = not (
            self.batch
            and self.is_direct
            and self.are_gradients_new
            and self.entries * self.dtype.itemsize >= SMALLEST_GIVEN
            and not (self.definite or self.stages.factorises or order > 1)
        )
        self.template: Registers = [None] * program.registers
        for variable in inference.shapes:
            if variable.name in constants:
                array = np.asarray(constants[variable.name]).astype(self.dtype, copy=False)
                self.template[places[variable.name]] = array[APPEND[CORE_AXES[variable.declared]]]
        silently(self.stages.run, self.template, Level.NOTHING, Level.CONSTANT)
        views = _left_factors(program)
        self.template = [
            each if register in views else _laid_out(each)
            for register, each in enumerate(self.template)
        ]

    def keeps(self, level: Level) -> bool:
        """Return whether a point is kept once it is computed up to a level."""
        return self.keeps_gradients or level is not GRADIENT

    def start(self, x: Array) -> Registers:
        """Return registers in which the variables are those at x, flat."""
        registers = self.template.copy()
        if self.is_direct:
            for register, place, shape in self.places:
                part = x if place is None else x[place]
                registers[register] = part.reshape(shape)
            return registers
        matrices = self.coordinates.matrices(x)
        for register, matrix in zip(self.moving, matrices, strict=True):
            registers[register] = matrix
        return registers

    def value_in(self, registers: Registers) -> Any:
        """Return the value, or the residuals, that registers hold, in their memory."""
        value = registers[self.value][self.value_place]
        if not self.batch:
            return value[()]
        return _over(self.batch, value, 0 if self.is_scalar else 1)

    def gradient_in(self, registers: Registers, x: Array) -> Array:
        """Return the gradient by x that registers hold, in memory of its own."""
        gradients: list[Array] = [registers[register] for register in self.gradients]
        # Gradients that all problems have in common have fewer entries.
        if self.is_direct and (
            not self.batch or sum(each.size for each in gradients) == self.entries
        ):
            if len(gradients) > 1:
                return self.memory.join(gradients, self.flat_shape)
            if not self.keeps_gradients:
                return gradients[0].reshape(self.flat_shape)
            return self.memory.copy(gradients[0], self.flat_shape)
        return _over(self.batch, self.coordinates.gradient(x, gradients), 1)

    def product_in(self, registers: Registers, x: Array, p: Array) -> Array:
        """Return the product in a direction p, where registers hold what is the same for all."""
        registers = registers.copy()
        matrices = self.coordinates.derivatives(x, p)
        for register, matrix in zip(self.directions, matrices, strict=True):
            if register is not None:
                registers[register] = matrix
        self.stages.run(registers, CURVATURE, DIRECTION)
        products = [registers[register] for register in self.products]
        if self.is_scalar:
            gradients = [registers[register] for register in self.gradients]
            found = self.coordinates.product(x, p, gradients, products)
        else:
            found = products[0][..., 0]
        return _over(np.broadcast_shapes(self.batch, p.shape[:-1]), found, 1)


def own_batch(coordinates: Coordinates, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the batch axes of an x with axes of these lengths, or refuse them."""
    batch = coordinates.batch(lengths)
    if batch is None:
        raise ValueError(_expected(coordinates, lengths))
    return batch


def _over(batch: tuple[int, ...], array: Array, core: int) -> Array:
    """Return an array with the axes of a batch before its own, `core` of them.

    What has to be repeated is copied, so that results can be written to.
    """
    own = array.ndim - core
    if array.shape[:own] == batch:
        return array
    return np.broadcast_to(array, (*batch, *array.shape[own:])).copy()


def _left_factors(program: Program) -> set[Register]:
    """Return transposes that are only read as the left factors of products.

    These read their entries one by one, so that it is best to have the matrix in memory once.
    """
    found = {each.results[0] for each in program.instructions if each.operation == "transpose"}
    for each in program.instructions:
        is_product = each.operation == "product"
        found.difference_update(each.operands[1:] if is_product else each.operands)
    return found.difference(program.outputs)


def _laid_out(register: Any) -> Any:
    """Return a constant of a batch in C order.

    A sum of stacks in different orders takes NumPy three times as long: 37 us instead of 13 for
    1000 matrices of size 8.
    """
    is_batch = isinstance(register, np.ndarray) and register.ndim > 2
    return np.ascontiguousarray(register) if is_batch else register


def _given(name: str, constant: Any) -> Given:
    array = np.asarray(constant)
    return Given(name, array.shape, array.dtype, type(constant))


def _expected(coordinates: Coordinates, lengths: tuple[int, ...]) -> str:
    shapes = [f"({', '.join(map(str, (*('...',), coordinates.size)))})"]
    if len(coordinates.shapes) == 1 and coordinates.shapes[0] not in ((coordinates.size,), ()):
        shapes.append(f"({', '.join(map(str, ('...', *coordinates.shapes[0])))})")
    return f"Oracle needs x of shape {' or '.join(shapes)}; got {lengths}"
