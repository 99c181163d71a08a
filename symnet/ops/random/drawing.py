"""What operations that draw random numbers share: states, sizes, parameters.

A generator's state is an ordinary array in a shared variable whose default update is the
state after the draw: `function` moves it on, `scan` makes it a state of its loop.  The
operation itself is pure: the same state gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import ShapeError, message
from symnet.graph.origin import capture
from symnet.graph.types import DTYPES, FLOATS, INTEGERS
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.ops.alloc import broadcast_to, shape_elements
from symnet.ops.arithmetic import add, mul
from symnet.ops.base import (
    NoGradient,
    as_tensor,
    broadcast_shapes,
    constant,
    constant_value,
    upcast,
)
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import Sizes
from symnet.ops.methods import prop
from symnet.ops.sizes import sizes_of, specify_shape
from symnet.shared import SharedVariable


class Draw(NoGradient):
    """An op that draws from a state, its first input: outputs are the new state and the
    numbers."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] * len(node.outputs) for _ in node.inputs]


# ---- sizes


def draw_sizes(
    size: Any, ndim: int | None, parameters: Sequence[Variable], operation: str
) -> list[Variable]:
    """The shape of a draw as integer scalars.

    size: an integer, a sequence of integers and integer scalars, an integer vector, or
    None: that of the parameters, broadcast against each other.
    ndim: the rank, needed where a vector's length is not known.
    Raises: TypeError for a size that is no integer; ValueError for a negative one, for
    another rank than `ndim`, and for parameters of higher rank than the draw.
    """
    if size is None:
        return common_sizes(parameters)
    unknown = (
        isinstance(size, Variable)
        and size.type.ndim == 1
        and size.type.shape[0] is None
    )
    if unknown and ndim is not None:
        size = specify_shape(size, (ndim,))  # it may have another length
        found = [size[k] for k in range(ndim)]
    else:
        found = shape_elements(size)
    check_sizes(found, ndim, operation)
    for parameter in parameters:
        if parameter.type.ndim > len(found):
            raise ValueError(
                message(
                    f"{operation}: a parameter has a higher rank than what is drawn, "
                    f"{len(found)}",
                    operands=[operand_text(parameter)],
                    cure="give a size that holds the parameter's shape, or no size",
                )
            )
    return found


def check_sizes(found: Sequence[Variable], ndim: int | None, operation: str) -> None:
    numbers = [int(s.data) for s in found if isinstance(s, Constant)]
    if any(number < 0 for number in numbers):
        raise ValueError(f"{operation}: a size is negative: {numbers}")
    if ndim is not None and ndim != len(found):
        raise ValueError(
            message(
                f"{operation}: ndim is {ndim}, but the size has {len(found)} entries",
                cure="leave ndim out where the length of the size is known",
            )
        )


def common_sizes(parameters: Sequence[Variable]) -> list[Variable]:
    """The shape of arrays broadcast against each other."""
    if not parameters:
        return []
    shape = broadcast_shapes([v.type.shape for v in parameters], "draw", parameters)
    found: list[Variable] = []
    for axis in range(-len(shape), 0):
        stretched = [
            v for v in parameters if v.type.ndim >= -axis and v.type.shape[axis] != 1
        ]
        source = (
            stretched[0]
            if stretched
            else next(v for v in parameters if v.type.ndim >= -axis)
        )
        found.append(sizes_of(source)[axis])
    return found


def static_shape(sizes: Sequence[Variable]) -> tuple[int | None, ...]:
    """What is known at once of a shape."""
    return tuple(int(s.data) if isinstance(s, Constant) else None for s in sizes)


def required_sizes(variables: Sequence[Variable], sizes: Sizes) -> tuple[Size, ...]:
    """Size inputs as host integers that must not be negative."""
    wanted = tuple(sizes.value(v) for v in variables)
    for one in wanted:
        sizes.require(views.combine("ge", one, views.ZERO), "a size is negative")
    return wanted


def concrete_sizes(arrays: Sequence[Any]) -> tuple[int, ...]:
    """Size inputs in a reference evaluation.  Raises: ShapeError for a negative one."""
    shape = tuple(int(n) for n in arrays)
    if any(n < 0 for n in shape):
        raise ShapeError(f"a size is negative: {shape}")
    return shape


def total(sizes: Sequence[Variable]) -> Variable:
    """How many numbers an array has, as an int64 scalar."""
    if all(isinstance(s, Constant) for s in sizes):
        numbers = [int(s.data) for s in sizes if isinstance(s, Constant)]
        return constant(np.array(math.prod(numbers), "int64"))
    result: Variable = sizes[0]
    for one in sizes[1:]:
        result = mul(result, one)
    return result


# ---- parameters


def float_dtype(dtype: str | None, *parameters: Variable) -> str:
    """The dtype of a draw of floats: as asked for, or that of the parameters, at least
    floatX.  Raises: TypeError for a dtype that is no float."""
    if dtype is None:
        strong = [v.type.dtype for v in parameters if not getattr(v, "weak", False)]
        dtype = upcast(config.floatX, *strong)
    if dtype == "floatX":
        dtype = config.floatX
    if dtype not in FLOATS:
        raise TypeError(
            message(
                f"numbers of dtype {dtype!r} cannot be drawn from a continuous distribution",
                operands=[operand_text(v) for v in parameters],
                cure=f"draw with dtype={config.floatX!r} and cast the result",
            )
        )
    return dtype


def demand(
    variable: Variable, holds: Any, operation: str, what: str, name: str
) -> None:
    """Refuse a parameter whose value is known to be wrong.

    holds: values -> booleans.  Raises: ValueError.
    """
    values = constant_value(variable)
    if values is not None and not np.all(holds(np.asarray(values))):
        raise ValueError(
            message(
                f"{operation}: {name} must be {what}, not {values!s:.60}",
                operands=[operand_text(variable)],
                origin=capture(),
                cure=f"give {operation} a {name} that is {what}",
            )
        )


def demand_probability(variable: Variable, operation: str, name: str = "p") -> None:
    demand(variable, lambda p: (p >= 0) & (p <= 1), operation, "between 0 and 1", name)


def demand_not_negative(variable: Variable, operation: str, name: str) -> None:
    demand(variable, lambda x: ~(x < 0), operation, "at least 0", name)


def spread(parameter: Variable, sizes: Sequence[Variable], dtype: str) -> Variable:
    """A parameter for each number drawn: itself if it is one number, else broadcast."""
    parameter = cast(parameter, dtype)
    if parameter.type.ndim == 0:
        return parameter
    known = static_shape(sizes)
    own = parameter.type.shape
    whole = parameter.type.ndim == len(sizes) and all(
        a is not None and a == b for a, b in zip(own, known, strict=True)
    )
    return parameter if whole else broadcast_to(parameter, tuple(sizes))


def located(sample: Variable, loc: Variable, scale: Variable) -> Variable:
    """loc + scale * sample, which must not be larger than the sample.

    Raises: ValueError where parameters stretch it: a number would be used twice.
    """
    result: Variable = add(mul(sample, scale), loc)
    if result.type.broadcastable != sample.type.broadcastable:
        raise ValueError(
            message(
                "the parameters have more elements than numbers are drawn",
                operands=[operand_text(sample), operand_text(loc), operand_text(scale)],
                cure="give the size that the result is to have",
            )
        )
    return result


def whole(value: Any, operation: str, name: str) -> Variable:
    """A parameter that is an integer.  Raises: TypeError for another."""
    variable = as_tensor(value)
    if variable.type.dtype not in INTEGERS:
        raise TypeError(
            message(
                f"{operation}: {name} is an integer, not {operand_text(variable)}",
                cure="cast it, with .astype('int64')",
            )
        )
    return variable


def count_dtype(dtype: str) -> str:
    """A dtype for counts: any real one.  Raises: TypeError."""
    if dtype == "floatX":
        return config.floatX
    if dtype not in DTYPES or np.dtype(dtype).kind == "c":
        raise TypeError(f"counts are of a real dtype, not {dtype!r}")
    return dtype


# ---- what others ask of what was drawn


def remember(name: str) -> None:
    """Give variables an attribute that is kept in their tag."""

    def get(self: Variable) -> Any:
        return getattr(self.tag, name)

    def put(self: Variable, value: Any) -> None:
        setattr(self.tag, name, value)

    prop(name, put)(get)


for _name in ("rng", "rstate", "update", "permutation"):
    remember(_name)


def advanced(sample: Variable, state: SharedVariable, following: Variable) -> Variable:
    """`sample`, which moves `state` on to `following` wherever it is computed."""
    state.default_update = following
    state.tag.is_rng = True
    sample.update = (state, following)
    return sample


__all__ = ["Draw", "advanced", "draw_sizes", "float_dtype"]
