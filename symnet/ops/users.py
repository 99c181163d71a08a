"""Operations that users write: from a Python function, and what their gradients must be.

An operation of the package keeps its own promises, and its tests hold it to them.  What a
user's operation returns is looked at wherever it is used, so that a slip ends in an error
that names the operation and the line that applied it, not in a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from symnet.errors import message
from symnet.graph.op import Op, is_users
from symnet.graph.origin import inherit
from symnet.graph.pickling import by_name, named
from symnet.graph.promised import Promised, promised_sizes
from symnet.graph.traverse import Graph, clone_replace
from symnet.graph.types import COMPLEX, FLOATS, DisconnectedType, TensorType, Type
from symnet.graph.variables import Apply, Constant, Variable, node_message, operand_text
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.scalar_ops import ScalarOp
from symnet.ops.sizes import (
    MakeVector,
    Shape,
    ShapeI,
    SpecifyShape,
    shape_i,
    unbroadcast,
)

# ---- from a function


class FromFunctionOp(Op):
    """A Python function of arrays as an operation, without a gradient.

    Two are equal if they are of one function with the same types.
    """

    __props__ = ("fn", "itypes", "otypes")
    runs_users_code = True

    def __init__(
        self,
        fn: Callable[..., Any],
        itypes: Sequence[Type],
        otypes: Sequence[Type],
        infer_shape: Callable[..., Any] | None = None,
    ) -> None:
        self.fn = fn
        self.itypes = tuple(itypes)
        self.otypes = tuple(otypes)
        if infer_shape is not None:
            self.infer_shape = infer_shape
        for kind in (*self.itypes, *self.otypes):
            if not isinstance(kind, Type):
                raise TypeError(
                    f"as_op: {kind!r} is no type; write T.dvector or the like"
                )

    def __str__(self) -> str:
        return f"FromFunctionOp{{{getattr(self.fn, '__name__', self.fn)}}}"

    __repr__ = __str__

    def __reduce__(self) -> Any:
        place = by_name(self, self.fn)
        return super().__reduce__() if place is None else (named, place)

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]]
    ) -> None:
        results = self.fn(*inputs)
        if len(output_storage) == 1 and not _is_one_result(results):
            results = (results,)
        if not isinstance(results, (tuple, list)) or len(results) != len(
            output_storage
        ):
            raise TypeError(
                f"{self.fn.__name__} is to return {len(output_storage)} results, in a tuple"
            )
        for cell, result in zip(output_storage, results):
            cell[0] = result


def _is_one_result(results: Any) -> bool:
    """Whether a function of one result has put it into a tuple."""
    return isinstance(results, tuple) and len(results) == 1


def as_op(
    itypes: Type | Sequence[Type],
    otypes: Type | Sequence[Type],
    infer_shape: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], FromFunctionOp]:
    """Decorator that makes an operation of a Python function of NumPy arrays.

        @symnet.as_op(itypes=[T.dvector], otypes=[T.dscalar])
        def largest_gap(x):
            return numpy.diff(numpy.sort(x)).max()

    itypes, otypes: the types of its arguments and of its results (a type, or several).
    infer_shape: a function of the node and the shapes of its inputs, for each a tuple of
        integer scalars, that gives the shapes of the results likewise; sizes are then known
        without a run, which is held to them.
    The operation has no gradient: write an `Op` with `grad` where one is needed.
    Raises: TypeError for what is no type; when applied, for arguments of other types; when
    run, for results of other types.

    >>> double = symnet.as_op([T.dvector], [T.dvector])(lambda x: 2 * x)
    >>> double(T.constant([1.0, 2.0])).eval()
    array([2., 4.])
    """
    given = [itypes] if isinstance(itypes, Type) else list(itypes)
    made = [otypes] if isinstance(otypes, Type) else list(otypes)

    def make(fn: Callable[..., Any]) -> FromFunctionOp:
        return FromFunctionOp(fn, given, made, infer_shape)

    return make


# ---- what a gradient must be


def gradients(
    node: Apply, outputs: Sequence[Variable], output_gradients: Sequence[Variable]
) -> list[Any]:
    """What L_op (or grad) gives: one gradient for each input, of a user's op checked.

    Raises: TypeError for what is no list, ValueError for another number; as
    `checked_gradient`; and what L_op itself raises, with the op and the line as a note.
    """
    if isinstance(node.op, ScalarOp):
        return _counted(node, node.op.on_elements(node, outputs, output_gradients))
    if not is_users(node.op):
        return _counted(node, node.op.L_op(node.inputs, outputs, output_gradients))
    try:
        found = node.op.L_op(node.inputs, outputs, output_gradients)
    except NotImplementedError:
        raise
    except Exception as error:
        error.add_note(message(f"in the gradient of {node.op}", origin=node.origin))
        raise
    if not isinstance(found, (list, tuple)):
        what = f"{node.op}: the gradients are a list, not {found!r:.80}"
        cure = "return one gradient for each input, in a list"
        raise TypeError(message(what, origin=node.origin, cure=cure))
    terms = _counted(node, found)
    return [checked_gradient(node, k, term) for k, term in enumerate(terms)]


def _counted(node: Apply, results: Sequence[Any]) -> list[Any]:
    if len(results) != node.nin:
        what = f"{node.op}: {len(results)} gradients for {node.nin} inputs"
        cure = "return one gradient for each input, None where it is zero"
        raise ValueError(message(what, origin=node.origin, cure=cure))
    return list(results)


def checked_gradient(node: Apply, k: int, term: Any) -> Any:
    """The gradient of input k as L_op (or grad) of a user's operation gave it.

    Sizes that are not known are compared when the gradient is computed.
    Raises: TypeError for no variable, another rank, or a dtype without fractions;
    ValueError where known sizes contradict.
    """
    v = node.inputs[k]
    if term is None or not isinstance(v.type, TensorType):
        return term
    if not isinstance(term, Variable):
        try:
            term = as_tensor(term)
        except TypeError as error:
            raise _wrong(node, k, term, f"is no variable: {error}") from None
    if not isinstance(term.type, TensorType):
        return term
    if term.type.ndim != v.type.ndim:
        what = f"has rank {term.type.ndim}, and the input {v.type.ndim}"
        raise _wrong(node, k, term, what)
    floats = FLOATS + COMPLEX
    number = isinstance(term, Constant) and term.weak  # a Python number is real
    if v.type.dtype in floats and term.type.dtype not in floats and not number:
        raise _wrong(node, k, term, f"has dtype {term.type.dtype}: it must be a float")
    pairs = list(zip(term.type.shape, v.type.shape))
    if any(None not in (a, b) and a != b for a, b in pairs):
        what = f"has shape {term.type.shape}, and the input {v.type.shape}"
        raise _wrong(node, k, term, what, ValueError)
    return of_size_of(v, term, f"gradient of input {k} of {node.op}")


class GradientShape(SpecifyShape):
    """A gradient, which a run checks to have the sizes of its variable."""

    __props__: ClassVar[tuple[str, ...]] = ("axes", "what")

    def __init__(self, axes: Sequence[int], what: str) -> None:
        super().__init__(axes)
        self.what = what

    def __str__(self) -> str:
        return self.what


def of_size_of(v: Variable, term: Variable, what: str) -> Variable:
    """A gradient with the sizes of its variable: a size of 1 does not stretch.

    what: how an error of a run names it.
    """
    pairs = list(zip(term.type.shape, v.type.shape))
    unknown = [axis for axis, (a, b) in enumerate(pairs) if a is None or b is None]
    if not unknown or term is v:
        return term
    term = unbroadcast(term, *(axis for axis in unknown if pairs[axis][0] == 1))
    sizes = [shape_i(v, axis) for axis in unknown]
    return GradientShape(unknown, what)(term, *sizes)


def _wrong(
    node: Apply, k: int, term: Any, what: str, kind: type[Exception] = TypeError
) -> Exception:
    shown = operand_text(term) if isinstance(term, Variable) else repr(term)
    cure = (
        f"grad (or L_op) of {type(node.op).__name__} returned {shown}; return one of the "
        "input's rank and shape, a float"
    )
    return kind(node_message(node, f"the gradient of input {k} {what}", cure))


def checked_pattern(node: Apply, pattern: Any) -> Sequence[Sequence[bool]]:
    """What connection_pattern gave: for each input whether each output depends on it.

    Raises: ValueError where it is none.
    """
    rows = isinstance(pattern, (list, tuple)) and all(
        isinstance(row, (list, tuple)) and len(row) == node.nout for row in pattern
    )
    if not rows or len(pattern) != node.nin:
        cure = (
            f"return a list of {node.nin} lists (one for each input) of {node.nout} "
            "booleans (one for each output)"
        )
        what = f"connection_pattern gave {pattern!r}"
        raise ValueError(node_message(node, what, cure))
    found: Sequence[Sequence[bool]] = pattern
    return found


# ---- sizes


def with_promised_sizes(graph: Graph) -> Graph:
    """The graph with sizes of users' results as their `infer_shape` gives them, so that
    a size alone needs no run of the operation.

    Raises: as `promised_sizes`.
    """
    nodes = graph.toposort()
    if not any(_promises(v) for node in nodes for v in node.inputs):
        return graph
    known: dict[Apply, Promised | None] = {}
    replace: dict[Variable, Variable] = {}
    for node in nodes:
        asks = isinstance(node.op, (Shape, ShapeI))
        if not asks or not _promises(node.inputs[0]):
            continue
        v = node.inputs[0]
        axes = [node.op.i] if isinstance(node.op, ShapeI) else range(v.type.ndim)
        sizes = [_promised(v, axis, known) for axis in axes]
        if any(one is not None for one in sizes):
            found = [one or shape_i(v, axis) for one, axis in zip(sizes, axes)]
            one_size = isinstance(node.op, ShapeI)
            replace[node.outputs[0]] = found[0] if one_size else MakeVector()(*found)
    return Graph(graph.inputs, clone_replace(graph.outputs, replace))


def _promises(v: Variable) -> bool:
    return v.owner is not None and hasattr(v.owner.op, "infer_shape")


def _promised(
    v: Variable, axis: int, known: dict[Apply, Promised | None]
) -> Variable | None:
    """The promised size; None where there is none."""
    node = v.owner
    if node is None or v.index is None or v.type.shape[axis] is not None:
        return None
    if node not in known:
        shapes = [
            tuple(
                (_promises(w) and _promised(w, k, known)) or shape_i(w, k)
                for k in range(getattr(w.type, "ndim", 0))
            )
            for w in node.inputs
        ]
        with inherit(node.origin):
            known[node] = promised_sizes(node, shapes)
    promised = known[node]
    sizes = None if promised is None else promised[v.index]
    if sizes is None or sizes[axis] is None:
        return None
    return cast(as_tensor(sizes[axis]), "int64")


def is_disconnected(term: Any) -> bool:
    """Whether a gradient says that the result does not depend on the input's value."""
    return isinstance(term, Variable) and isinstance(term.type, DisconnectedType)
