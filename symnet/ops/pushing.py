"""Products with the Jacobian of a user's operation that says them itself: its `R_op`.

`Rop` differentiates twice: J v is the derivative of u J with respect to u, against v.  Of
an operation with an R_op the first walk makes no gradient, but a `Pulled`, which stands
for u J and is only known by its own derivative: that is what R_op gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.traverse import depends_on, toposort
from symnet.graph.types import COMPLEX, FLOATS, DisconnectedType, TensorType
from symnet.graph.variables import (
    Apply,
    Variable,
    make_variable,
    node_message,
    operand_text,
)
from symnet.ops.base import TensorOp, as_tensor, disconnected
from symnet.ops.users import of_size_of

_pushing: ContextVar[bool] = ContextVar("pushing", default=False)


@contextmanager
def pushing() -> Iterator[None]:
    """Walks in here are the first of the two of an Rop."""
    token = _pushing.set(True)
    try:
        yield
    finally:
        _pushing.reset(token)


def pulled(
    node: Apply, outputs: Sequence[Variable], output_gradients: Sequence[Variable]
) -> list[Any] | None:
    """What stands for the gradients of a node's inputs, where the walk is for an Rop and
    the operation has an R_op; otherwise None."""
    if not (_pushing.get() and hasattr(node.op, "R_op")):
        return None
    given = [
        k for k, g in enumerate(output_gradients)
        if not isinstance(g.type, DisconnectedType)
    ]  # fmt: skip
    inputs = [k for k, v in enumerate(node.inputs) if _is_continuous(v)]
    if not inputs:
        return [None] * node.nin
    token = _pushing.set(False)  # what R_op itself differentiates is another matter
    try:
        _ask(node, list(node.inputs), [_point(v) for v in node.inputs])
    except NotImplementedError:
        return None
    finally:
        _pushing.reset(token)
    op = Pulled(node, inputs, given)
    found = iter(
        op(*node.inputs, *(output_gradients[k] for k in given), return_list=True)
    )
    return [next(found) if k in inputs else None for k in range(node.nin)]


def _point(v: Variable) -> Variable | None:
    return make_variable(v.type) if _is_continuous(v) else None


def _ask(
    node: Apply, inputs: list[Variable], points: list[Variable | None]
) -> Sequence[Any]:
    """What R_op gives: one term for each output.

    Raises: TypeError for what is no list of so many; what R_op itself raises, with the op
    and the line as a note.
    """
    try:
        found = node.op.R_op(inputs, points)
    except NotImplementedError:
        raise
    except Exception as error:
        error.add_note(message(f"in R_op of {node.op}", origin=node.origin))
        raise
    if not isinstance(found, (list, tuple)) or len(found) != node.nout:
        raise _wrong(node, f"gave {found!r:.80}, for {node.nout} outputs")
    return found


def _is_continuous(v: Variable) -> bool:
    return getattr(v.type, "dtype", "") in FLOATS + COMPLEX


class Pulled(TensorOp):
    """The gradients of the `moving` inputs of a user's node from those of its
    `flowing` outputs: op(*inputs, *gradients).

    Only its derivative with respect to the gradients is ever used: its value is taken
    where they are zero, and so is zero.
    """

    def __init__(
        self, node: Apply, moving: Sequence[int], flowing: Sequence[int]
    ) -> None:
        self.node, self.moving, self.flowing = node, tuple(moving), tuple(flowing)

    def __str__(self) -> str:
        return f"Pulled{{{self.node.op}}}"

    def make_node(self, *inputs: Any) -> Apply:
        variables = [v if isinstance(v, Variable) else as_tensor(v) for v in inputs]
        kinds = [variables[k].type for k in self.moving]
        return Apply(self, variables, [make_variable(kind) for kind in kinds])

    def infer_sizes(self, node: Apply, inputs: Sequence[Any], sizes: Any) -> Any:
        return [inputs[k] for k in self.moving]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.zeros_like(arrays[k]) for k in self.moving]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        count = self.node.nin
        points: list[Variable | None] = [None] * count
        for k, point in zip(self.moving, output_gradients, strict=True):
            if not isinstance(point.type, DisconnectedType):
                points[k] = point
        own = list(inputs[:count])
        same = all(a is b for a, b in zip(own, self.node.inputs))
        node = self.node if same else self.node.clone_with_new_inputs(own)
        terms = _ask(node, own, points)
        made = [_checked(node, k, terms[k]) for k in self.flowing]
        found = [disconnected() if term is None else term for term in made]
        return [*(disconnected() for _ in own), *found]


def is_stopped(gradients: Sequence[Variable], dual: Variable) -> bool:
    """Whether gradients are made of `dual` by operations whose R_op lets nothing pass."""
    pulled = [n for n in toposort(gradients) if isinstance(n.op, Pulled)]
    return depends_on([v for n in pulled for v in n.inputs], dual)


def _checked(node: Apply, k: int, term: Any) -> Variable | None:
    """The term of output k; None where nothing flows.

    Raises: TypeError for no variable, another rank or no float; ValueError where known
    sizes contradict.  Others are compared in a run.
    """
    v = node.outputs[k]
    nothing = isinstance(getattr(term, "type", None), DisconnectedType)
    if term is None or nothing or not _is_continuous(v):
        return None
    try:
        term = as_tensor(term)
    except TypeError as error:
        raise _wrong(node, f"gave {term!r:.60}: {error}") from None
    what = ""
    if not isinstance(term.type, TensorType):
        what = "which is no array"
    elif term.type.ndim != v.type.ndim:
        what = f"which has rank {term.type.ndim}, and the output {v.type.ndim}"
    elif term.type.dtype not in FLOATS + COMPLEX:
        what = "which is no float"
    if what:
        raise _wrong(node, f"gave {operand_text(term)} for output {k}, {what}")
    pairs = zip(term.type.shape, v.type.shape)
    if any(None not in (a, b) and a != b for a, b in pairs):
        what = f"gave shape {term.type.shape} for output {k}, of {v.type.shape}"
        raise _wrong(node, what, ValueError)
    return of_size_of(v, term, f"R_op of output {k} of {node.op}")


def _wrong(node: Apply, what: str, kind: type[Exception] = TypeError) -> Exception:
    cure = (
        "return a list with one term for each output, a float of its rank and shape; None "
        "where it does not depend on an input that has an eval_point"
    )
    return kind(node_message(node, f"R_op {what}", cure))
