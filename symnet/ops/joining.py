"""Joining arrays along an axis, and splitting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, ClassVar

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, DisconnectedType, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import ZERO, Size, View
from symnet.ops.alloc import zeros_like
from symnet.ops.base import (
    TensorOp,
    ViewOp,
    as_tensor,
    common_dtype,
    disconnected,
    joins_lists,
    normalize_axis,
)
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import (
    Concatenate,
    Lowering,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
)
from symnet.ops.shape import dimshuffle, shape_padaxis, shape_padleft
from symnet.ops.sizes import (
    make_vector,
    shape_i,
    size_vector,
    static_sizes,
    vector_elements,
)

__all__ = [
    "Join", "Split", "as_tensor_variable", "concatenate", "horizontal_stack", "join",
    "split", "stack", "stacklists", "vertical_stack",
]  # fmt: skip


class Join(TensorOp):
    """Arrays one after another along `axis`.

    Shapes: one rank; one size along every other axis.  Dtypes: their common dtype.
    Raises: TypeError for differing ranks or scalars; ShapeError for differing sizes.

    The compiler makes the output and copies each input to its part of it: `parts`.
    """

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = int(axis)

    def make_node(self, *arrays: Any) -> Apply:
        variables = [as_tensor(a, truth=True) for a in arrays]
        ranks = {int(v.type.ndim) for v in variables}
        if len(ranks) != 1 or not 0 <= self.axis < min(ranks):
            what = "arrays joined must have one rank, and the axis; scalars: T.stack"
            raise TypeError(self._text(variables, what))
        dtype = common_dtype(variables)
        variables = [cast(v, dtype) for v in variables]
        shape: list[int | None] = []
        for axis in range(ranks.pop()):
            sizes = [v.type.shape[axis] for v in variables]
            numbers = [n for n in sizes if n is not None]
            if axis == self.axis:
                shape.append(sum(numbers) if len(numbers) == len(sizes) else None)
            elif len(set(numbers)) > 1:
                raise ShapeError(
                    self._text(variables, f"sizes differ along axis {axis}")
                )
            else:
                shape.append(numbers[0] if numbers else None)
        return Apply(self, variables, [make_variable(TensorType(dtype, shape))])

    def _text(self, variables: Sequence[Variable], what: str) -> str:
        return message(
            what, operation=self, operands=[operand_text(v) for v in variables]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        result = list(inputs[0])
        for one in inputs[1:]:
            for axis, length in enumerate(one):
                if axis == self.axis:
                    result[axis] = views.add(result[axis], length)
                else:
                    result[axis] = sizes.equal(result[axis], length, f"axis {axis}")
        return [tuple(result)]

    def lowering(self, node: Apply) -> Lowering:
        reads = tuple(range(len(node.inputs)))
        return Concatenate(self.parts, reads) if has_arrays(node) else Reference()

    def parts(self, node: Apply, view: View, sizes: Sizes) -> list[View]:
        """The slices of the output (`view`) to which the inputs are copied, in order."""
        lengths = [sizes.sizes_of(v)[self.axis] for v in node.inputs]
        return _slices(view, self.axis, lengths)

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        if not all(isinstance(value, tuple) for value in values):
            return None
        return tuple(element for value in values for element in value)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        for axis in range(arrays[0].ndim):
            found = {a.shape[axis] for a in arrays}
            if axis != self.axis and len(found) > 1:
                raise ShapeError(f"sizes differ along axis {axis}: {sorted(found)}")
        return [xp.concatenate(arrays, axis=self.axis)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        lengths = make_vector([shape_i(v, self.axis) for v in inputs], "int64")
        parts = Split(self.axis, len(inputs))(
            output_gradients[0], lengths, return_list=True
        )
        return list(parts)


class Split(ViewOp):
    """x cut along `axis` into `count` pieces of the sizes given: split(x, sizes).

    Raises: ShapeError where the sizes do not sum up to that of x, or one is negative.

    Each output is a part of x: nothing is copied.
    """

    __props__ = ("axis", "count")
    view_map: ClassVar[dict[int, list[int]]] = {}

    def __init__(self, axis: int, count: int) -> None:
        self.axis, self.count = int(axis), int(count)

    def make_node(self, x: Any, lengths: Any) -> Apply:
        x, vector = as_tensor(x), size_vector(lengths)
        if vector.type.shape[0] not in (None, self.count):
            raise ValueError(
                f"split: {vector.type.shape[0]} sizes for {self.count} pieces"
            )
        known = static_sizes(vector, self.count)
        have = x.type.shape[self.axis]
        if have is not None and None not in known:
            check_pieces([int(n) for n in known if n is not None], have)
        shapes = [
            [*x.type.shape[: self.axis], n, *x.type.shape[self.axis + 1 :]]
            for n in known
        ]
        outputs = [make_variable(TensorType(x.type.dtype, shape)) for shape in shapes]
        return Apply(self, [x, vector], outputs)

    def lengths(self, node: Apply, sizes: Sizes) -> tuple[Size, ...]:
        return sizes.values(node.inputs[1])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        lengths, have = self.lengths(node, sizes), inputs[0]
        if len(lengths) != self.count:
            raise ShapeError(f"split: {len(lengths)} sizes for {self.count} pieces")
        total = ZERO
        for length in lengths:
            total = views.add(total, length)
            at_least = views.combine("ge", length, ZERO)
            sizes.require(at_least, "split: a size is negative", ShapeError)
        sizes.equal(
            have[self.axis], total, "split: the size, and the sum of the pieces'"
        )
        return [
            (*have[: self.axis], length, *have[self.axis + 1 :]) for length in lengths
        ]

    def views(self, node: Apply, view: View, sizes: Sizes) -> list[View]:
        """The slices of the input (`view`) that the outputs are, in order."""
        return _slices(view, self.axis, self.lengths(node, sizes))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        lengths = [int(n) for n in arrays[1]]
        if len(lengths) != self.count:
            raise ShapeError(f"split: {len(lengths)} sizes for {self.count} pieces")
        check_pieces(lengths, arrays[0].shape[self.axis])
        return list(xp.split(arrays[0], list(accumulate(lengths))[:-1], axis=self.axis))

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        gradients = [
            zeros_like(piece) if isinstance(g.type, DisconnectedType) else g
            for g, piece in zip(output_gradients, outputs, strict=True)
        ]
        return [Join(self.axis)(*gradients), disconnected()]


def check_pieces(lengths: Sequence[int], have: int) -> None:
    """Raises: ShapeError where lengths are negative or do not sum up to `have`."""
    if min(lengths, default=0) < 0 or sum(lengths) != have:
        raise ShapeError(f"split: a size of {have} cannot be cut into {list(lengths)}")


def _slices(view: View, axis: int, lengths: Sequence[Size]) -> list[View]:
    result, start = [], ZERO
    for length in lengths:
        result.append(view.sliced(axis, start, views.ONE, length))
        start = views.add(start, length)
    return result


# ---- what users call

# How to join and split along a variable: made of operations that stand above this module.
_anywhere: list[Callable[..., Any]] = []


def axes_of_a_run(*functions: Callable[..., Any]) -> None:
    """Join and split by these two where the axis is a variable."""
    _anywhere[:] = functions


def join(axis: Any, *tensors: Any) -> Variable:
    """The arrays one after another along `axis`, an int or an integer scalar.

    Raises: TypeError for differing ranks or scalars; ShapeError for differing sizes; where
    only a run tells the axis, IndexError then for one that there is not.

    >>> T.join(0, [1, 2], [3]).eval()
    array([1, 2, 3])
    """
    variables = [as_tensor(t, truth=True) for t in tensors]
    if not variables:
        raise ValueError("join: there is nothing to join")
    if variables[0].type.ndim == 0:
        raise TypeError(
            "join: scalars have no axis; make a vector of them with T.stack([...])"
        )
    if isinstance(axis, Variable) and not isinstance(axis, Constant):
        joined: Variable = _anywhere[0](axis, variables)
        return joined
    axis = normalize_axis(axis, variables[0].type.ndim, "join")
    elements = [_as_sizes(v) for v in variables]
    if all(e is not None for e in elements):
        return make_vector([e for part in elements for e in part or ()], "int64")
    return Join(axis)(*variables)


def _as_sizes(v: Variable) -> list[Variable] | None:
    """The elements of a vector of sizes: shapes are joined size by size."""
    if v.type.ndim != 1 or v.type.dtype not in INTEGERS or isinstance(v, Constant):
        few = isinstance(v, Constant) and v.type.dtype == "int64" and v.data.size <= 8
        return vector_elements(v) if few else None
    return vector_elements(v)


def concatenate(tensor_list: Any, axis: Any = 0) -> Variable:
    """The arrays of a list or tuple one after another along `axis`.

    Raises: TypeError for differing ranks, scalars, or what is no list; ShapeError for
    differing sizes.

    >>> T.concatenate([[1, 2], [3]]).eval()
    array([1, 2, 3])
    """
    if not isinstance(tensor_list, (tuple, list)):
        raise TypeError(
            f"concatenate takes a list of arrays, not {type(tensor_list).__name__}"
        )
    if len(tensor_list) == 1 and not isinstance(axis, Variable):
        only = as_tensor(tensor_list[0], truth=True)
        normalize_axis(axis, only.type.ndim, "concatenate")
        return only
    return join(axis, *tensor_list)


@joins_lists
def stack(*tensors: Any, axis: int = 0) -> Variable:
    """The arrays of one shape along a new axis: `stack([a, b], axis=0)`.

    Scalars make a vector.  `stack(a, b)` means the same.

    >>> T.stack([[1, 2], [3, 4]], axis=1).eval()
    array([[1, 3],
           [2, 4]])
    """
    arrays: Sequence[Any] = tensors
    if isinstance(tensors[0], (list, tuple)):
        if len(tensors) == 2 and isinstance(tensors[1], int):
            axis = tensors[1]
        arrays = tensors[0]
    variables = [as_tensor(a, truth=True) for a in arrays]
    if not variables:
        raise ValueError("stack: there is nothing to stack")
    rank = variables[0].type.ndim
    if any(v.type.ndim != rank for v in variables):
        raise TypeError(
            message(
                "stack: arrays of one rank are needed",
                operands=[operand_text(v) for v in variables],
            )
        )
    if not -rank - 1 <= axis <= rank:
        raise IndexError(f"stack: axis {axis} is not in {-rank - 1} .. {rank}")
    if rank == 0:
        return make_vector(variables)
    return join(axis % (rank + 1), *[shape_padaxis(v, axis) for v in variables])


def as_tensor_variable(
    x: Any, name: str | None = None, ndim: int | None = None
) -> Variable:
    """`x` as a tensor variable, as Theano has it: see `as_tensor`.

    Of an Apply it is the only output, or the one that its op names as the default.
    Shapes: a list that holds variables is stacked; with `ndim`, axes of size 1 are put in
    front of an array of lower rank, and taken away there from one of higher.
    Raises: AsTensorError for what is no number, array, tensor variable or list of these;
        ValueError for an array of a rank above `ndim`, or several outputs.

    >>> T.as_tensor_variable([1, 2]).type
    int64 tensor (2)
    """
    if isinstance(x, Apply):
        x = _output_of(x)
    variable = as_tensor(x, name, truth=True)
    if ndim is None or variable.type.ndim == ndim:
        return variable
    surplus = variable.type.ndim - ndim
    if surplus > 0 and all(size == 1 for size in variable.type.shape[:surplus]):
        return dimshuffle(variable, *range(surplus, variable.type.ndim))
    if surplus > 0:
        raise ValueError(f"expected at most rank {ndim}, got {operand_text(variable)}")
    return shape_padleft(variable, ndim - variable.type.ndim)


def _output_of(node: Apply) -> Variable:
    default = node.op.default_output
    if default is None and node.nout != 1:
        raise ValueError(
            f"{node.op} has {node.nout} outputs, and no default among them: name one"
        )
    if default not in (None, *range(node.nout)):
        raise AttributeError(f"{node.op} has no output {default!r}, its default_output")
    return node.outputs[default or 0]


def stacklists(arg: Any) -> Variable:
    """Nested lists of arrays of one shape as one array, a new axis for each level.

    >>> T.stacklists([[1, 2], [3, 4]]).eval()
    array([[1, 2],
           [3, 4]])
    """
    if isinstance(arg, (tuple, list)):
        return stack([stacklists(one) for one in arg])
    return as_tensor(arg, truth=True)


def horizontal_stack(*args: Any) -> Variable:
    """Matrices side by side.

    >>> T.horizontal_stack([[1], [2]], [[3], [4]]).eval()
    array([[1, 3],
           [2, 4]])
    """
    return _matrices("horizontal_stack", args, 1)


def vertical_stack(*args: Any) -> Variable:
    """Matrices one below another.

    >>> T.vertical_stack([[1, 2]], [[3, 4]]).eval()
    array([[1, 2],
           [3, 4]])
    """
    return _matrices("vertical_stack", args, 0)


def hstack(tup: Sequence[Any]) -> Variable:
    """Arrays joined along their second axis, vectors along their only one (NumPy's).

    >>> T.hstack([[1, 2], [3]]).eval()
    array([1, 2, 3])
    """
    arrays = [as_tensor(one, truth=True) for one in tup]
    arrays = [shape_padleft(v, 1) if v.type.ndim == 0 else v for v in arrays]
    return concatenate(arrays, axis=min(1, arrays[0].type.ndim - 1))


def vstack(tup: Sequence[Any]) -> Variable:
    """Arrays joined along their first axis, vectors as rows (NumPy's meaning).

    >>> T.vstack([[1, 2], [3, 4]]).eval()
    array([[1, 2],
           [3, 4]])
    """
    arrays = [as_tensor(one, truth=True) for one in tup]
    rows = [shape_padleft(v, max(0, 2 - v.type.ndim)) for v in arrays]
    return concatenate(rows, axis=0)


def _matrices(name: str, arrays: Sequence[Any], axis: int) -> Variable:
    variables = [as_tensor(a, truth=True) for a in arrays]
    if len(variables) < 2 or any(v.type.ndim != 2 for v in variables):
        raise TypeError(f"{name} takes two or more matrices")
    return join(axis, *variables)


def split(x: Any, splits_size: Any, n_splits: int, axis: Any = 0) -> list[Variable]:
    """`x` cut along `axis` (an int or an integer scalar) into `n_splits` pieces of the
    sizes in `splits_size`.

    Raises: ShapeError where these do not sum up to the size of x.

    >>> first, last = T.split([1, 2, 3], [2, 1], 2)
    >>> first.eval(), last.eval()
    (array([1, 2]), array([3]))
    """
    variable = as_tensor(x)
    if isinstance(axis, Variable) and not isinstance(axis, Constant):
        found: list[Variable] = _anywhere[1](axis, variable, splits_size, n_splits)
        return found
    axis = normalize_axis(axis, variable.type.ndim, "split")
    return Split(axis, n_splits)(variable, splits_size, return_list=True)
