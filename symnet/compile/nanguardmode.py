"""NanGuardMode: a call stops at the first operation that makes a NaN, an infinity, or a
number that is too big.

The program is the one that other modes run, with a check of every result of floats fused
into the loops that make them.  One flag comes of all checks; where it is set, a step that
may fail does so before any shared variable is written.  Then the graph is evaluated
operation by operation, to find the first result that is amiss, inside of loops and
conditions too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from symnet.compile.executable import shared_of, values_of
from symnet.compile.modes import (
    MODES,
    Mode,
    ReferenceEngine,
    Runs,
    returns_objects,
)  # fmt: skip
from symnet.compile.pipeline import compile_graph
from symnet.errors import message
from symnet.graph.evaluate import changing, evaluate, value_of
from symnet.graph.traverse import Graph, leaves
from symnet.graph.types import COMPLEX, FLOATS, TensorType
from symnet.graph.variables import Apply, Constant, Variable, operand_text
from symnet.kernels.interface import READS, Device, Ticket, with_ticket
from symnet.ops.advanced import AdvancedSubtensor
from symnet.ops.arithmetic import absolute
from symnet.ops.base import constant
from symnet.ops.comparison import gt, invert, isinf, isnan, le, or_
from symnet.ops.elementwise import cast
from symnet.ops.reduce import any as any_over
from symnet.ops.sizes import make_vector
from symnet.shared import SharedVariable

TOO_BIG = 1e10  # Theano's bound
PARTS = {"complex64": "float32", "complex128": "float64"}


class NanGuardError(AssertionError):
    """A result is NaN, infinite, or too big.  The call has changed nothing."""


class NanGuardMode(Mode):
    """FAST_RUN that stops where a result is NaN, infinite, or too big.

        f = symnet.function([x], y, mode=NanGuardMode())

    nan_is_error, inf_is_error: whether NaN, or infinities, are errors (default: yes).
    big_is_error: whether numbers beyond 1e10 are.
    optimizer, linker: as for `Mode`; the linker is this mode's own.
    Arguments, shared variables and results of all operations are looked at, gradients and
    updates as others; constants, integers and states of random streams are not, nor is a
    variable whose `tag.nan_guard_mode_check` is False.
    Raises, when a function is called: NanGuardError, which names the operation, the line,
    and what its operands are like.
    """

    name = "NanGuardMode"

    def __init__(
        self,
        nan_is_error: bool | None = None,
        inf_is_error: bool | None = None,
        big_is_error: bool | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        super().__init__(None, optimizer)
        self.nan_is_error = nan_is_error is None or bool(nan_is_error)
        self.inf_is_error = inf_is_error is None or bool(inf_is_error)
        self.big_is_error = big_is_error is None or bool(big_is_error)
        if not (self.nan_is_error or self.inf_is_error or self.big_is_error):
            raise ValueError("NanGuardMode: one of nan, inf and big must be an error")

    def engine(
        self,
        original: Graph,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool],
        device: Device,
    ) -> Runs:
        return NanGuardEngine(self, original.inputs, outputs, updates, device)

    # ---- what is amiss

    def flag(self, v: Variable) -> Variable:
        """Whether an element of a float variable is amiss, as an expression."""
        size = absolute(v)
        largest = float(np.finfo(size.type.dtype).max)
        bound = min(TOO_BIG, largest) if self.big_is_error else largest
        if self.nan_is_error and self.inf_is_error:
            wrong = invert(le(size, bound))
        elif self.nan_is_error:
            wrong = or_(isnan(v), gt(size, bound)) if self.big_is_error else isnan(v)
        else:
            wrong = gt(size, bound) if self.big_is_error else isinf(v)
        return any_over(wrong)

    def complaint(self, array: Any) -> str:
        """What is amiss in an array, in words; "" for nothing."""
        array = np.asarray(array)
        if array.dtype.kind not in "fc" or not array.size:
            return ""
        with np.errstate(all="ignore"):
            size = np.abs(array)
            counts = {
                "NaN": self.nan_is_error and np.isnan(size).sum(),
                "infinite": self.inf_is_error and np.isinf(size).sum(),
                f"beyond {TOO_BIG:g}": self.big_is_error
                and (np.isfinite(size) & (size > TOO_BIG)).sum(),
            }
        if self.big_is_error and not self.inf_is_error:
            counts["infinite"] = np.isinf(size).sum()
        found = [f"{int(n)} {what}" for what, n in counts.items() if n]
        return f"{', '.join(found)} of {array.size}" if found else ""


class NanGuardEngine:
    """Runs the program with its checks."""

    def __init__(
        self,
        mode: NanGuardMode,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        device: Device,
    ) -> None:
        self.mode = mode
        self.count = len(outputs)
        self.graph = Graph(inputs, [*outputs, *updates.values()])
        self.watched = list(_watched(self.graph))
        self.shared = shared_of(Graph(inputs, [*self.graph.outputs, *updates]))
        flags = [mode.flag(v) for v in self.watched]
        probes = [_failing_if(reduce(or_, flags))] if flags else []
        if returns_objects([*outputs, *updates.values()]):
            self.engine: Runs = ReferenceEngine(inputs, [*outputs, *probes], updates)
            return
        whole = Graph(inputs, [*outputs, *probes, *updates.values()])
        self.engine = compile_graph(
            whole, list(updates), device=device, without=mode.without
        )

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        try:
            return self.engine.run(arrays)[: self.count]
        except IndexError:
            uses = {v.store: READS for v in self.shared}
            with_ticket(uses, None, partial(self._complain, arrays))
            raise  # it was an index

    def free(self) -> None:
        self.engine.free()

    def _complain(self, arrays: Sequence[Any], ticket: Ticket) -> None:
        """Raises: NanGuardError for the first variable that is amiss."""
        given: dict[Variable, Any] = dict(zip(self.graph.inputs, arrays, strict=True))
        given.update(values_of(self.shared, ticket))
        watched = set(self.watched)
        for v in self.watched:
            if v.owner is None and (what := self.mode.complaint(value_of(v, given))):
                raise NanGuardError(self._of_leaf(v, what, given))

        def look(node: Apply, arrays: Sequence[Any], results: list[Any]) -> list[Any]:
            for v, result in zip(node.outputs, results):
                # What stands inside a loop or a condition is none of the watched.
                inside = _is_float(v) and not any(
                    map(watched.__contains__, node.outputs)
                )
                what = self.mode.complaint(result) if v in watched or inside else ""
                if what and getattr(v.tag, "nan_guard_mode_check", True):
                    raise _Found(_of_result(node, v, what, arrays, result))
            return results

        token = changing.set(look)
        try:
            evaluate(self.graph.outputs, given)
        except _Found as found:
            raise NanGuardError(found.text) from None
        finally:
            changing.reset(token)

    def _of_leaf(self, v: Variable, what: str, given: Mapping[Variable, Any]) -> str:
        """The text about an argument or shared variable."""
        users = [node for node in self.graph.toposort() if v in node.inputs]
        kind = "shared variable" if isinstance(v, SharedVariable) else "argument"
        return message(
            f"the {kind} {operand_text(v)} is amiss: {what} elements; "
            f"values {_range(value_of(v, given))}",
            operation=users[0].op if users else None,
            origin=users[0].origin if users else None,
            cure="look at where this value comes from",
        )


class _Found(BaseException):
    """Carries a text out of an evaluation, past those who handle errors."""

    def __init__(self, text: str) -> None:
        self.text = text


def _of_result(
    node: Apply, v: Variable, what: str, arrays: Iterable[Any], result: Any
) -> str:
    operands = [f"{operand_text(w)}, {_range(a)}" for w, a in zip(node.inputs, arrays)]
    return message(
        f"the result of {node.op}, {v.type}, is amiss: {what} elements; "
        f"values {_range(result)}",
        operation=node.op,
        operands=operands,
        origin=node.origin,
        cure="look at the ranges of the operands: this operation is the first whose "
        "result is amiss",
    )


def _range(array: Any) -> str:
    """The shape of an array, and from where to where its finite elements reach."""
    array = np.asarray(array)
    shape = f"shape {array.shape}"
    if array.dtype.kind == "c":
        array = np.abs(array)
    if array.dtype.kind not in "biuf" or not array.size:
        return shape
    finite = array[np.isfinite(array)]
    parts = [f"from {finite.min():.6g} to {finite.max():.6g}"] if finite.size else []
    if finite.size < array.size:
        parts.append(f"{int(np.isnan(array).sum())} NaN")
        parts.append(f"{int(np.isinf(array).sum())} infinite")
    return ", ".join([*parts, shape])


def _is_float(v: Variable) -> bool:
    return isinstance(v.type, TensorType) and v.type.dtype in FLOATS + COMPLEX


def _watched(graph: Graph) -> Iterable[Variable]:
    """The variables that are looked at, each after those it needs."""
    free = [
        v for v in leaves(graph.outputs, graph.inputs) if not isinstance(v, Constant)
    ]
    made = [v for node in graph.toposort() for v in node.outputs]
    for v in (*free, *made):
        if _is_float(v) and getattr(v.tag, "nan_guard_mode_check", True):
            yield v


def _failing_if(flag: Variable) -> Variable:
    """What cannot be computed if the flag is set: element 1 of one element."""
    position = make_vector([cast(flag, "int64")])
    return AdvancedSubtensor((0,), 0)(constant(np.zeros(1, "int8")), position)


MODES["NanGuardMode"] = NanGuardMode
