"""MonitorMode: functions of the user's that look at every operation as it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.modes import Mode, ReferenceEngine, Runs
from symnet.errors import message
from symnet.graph.evaluate import compute, run
from symnet.graph.traverse import Graph, toposort
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.kernels.interface import Device
from symnet.shared import SharedVariable

Watcher = Callable[[int, Apply, "Thunk"], Any]


class Thunk:
    """One operation about to be computed: `inputs` and `outputs` are lists of cells, each
    a list of one value, None where it is not there yet."""

    def __init__(
        self, node: Apply, arrays: Sequence[Any], xp: Any, results: int
    ) -> None:
        self.node, self.xp = node, xp
        self.inputs: list[list[Any]] = [[a] for a in arrays]
        self.outputs: list[list[Any]] = [[None] for _ in range(results)]

    def __call__(self) -> None:
        """Compute it."""
        arrays = [cell[0] for cell in self.inputs]
        for cell, result in zip(self.outputs, compute(self.node, arrays, self.xp)):
            cell[0] = result


class MonitorMode(Mode):
    """Calls functions before and after every operation of a rewritten graph.

        def watch(i, node, fn):
            print(i, node, [cell[0] for cell in fn.outputs])

        f = symnet.function([x], y, mode=MonitorMode(post_func=watch))

    pre_func, post_func: called with the number of the operation, its node, and a `Thunk`
        that has its operands and results.  What they raise ends the call, before any
        shared variable is updated.
    optimizer: as for `Mode`; None leaves the graph as it is written.
    linker: this mode's own; none may be given.
    Operations are computed by NumPy, one by one.  A loop or condition is one operation.
    Raises: TypeError for what is no function; ValueError for a linker.
    """

    name = "MonitorMode"

    def __init__(
        self,
        pre_func: Watcher | None = None,
        post_func: Watcher | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        if linker is not None:
            raise ValueError("MonitorMode has a linker of its own: leave it out")
        for one in (pre_func, post_func):
            if one is not None and not callable(one):
                raise TypeError(f"MonitorMode: {one!r:.60} is no function")
        super().__init__(None, optimizer)
        self.pre_func, self.post_func = pre_func, post_func

    def engine(
        self,
        original: Graph,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool],
        device: Device,
    ) -> Runs:
        return MonitorEngine(self, original.inputs, outputs, updates)


class MonitorEngine(ReferenceEngine):
    """Reference evaluation with somebody who watches."""

    def __init__(
        self,
        mode: MonitorMode,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        super().__init__(inputs, outputs, updates)
        self.mode = mode
        self.order = toposort(self.values, blockers=inputs)
        self.numbers = {node: k for k, node in enumerate(self.order)}

    def evaluate(self, given: dict[Variable, Any]) -> list[Any]:
        return run(self.order, self.values, given, np, self._watched)

    def _watched(self, node: Apply, arrays: Sequence[Any], xp: Any) -> list[Any]:
        thunk, number = Thunk(node, arrays, xp, node.nout), self.numbers[node]
        if self.mode.pre_func is not None:
            self.mode.pre_func(number, node, thunk)
        thunk()
        if self.mode.post_func is not None:
            self.mode.post_func(number, node, thunk)
        return [cell[0] for cell in thunk.outputs]


def detect_nan(i: int, node: Apply, fn: Thunk) -> None:
    """For `MonitorMode(post_func=detect_nan)`: prints an operation whose result has a NaN,
    with its operands."""
    for cell in fn.outputs:
        value = np.asarray(cell[0])
        if value.dtype.kind in "fc" and np.isnan(value).any():
            operands = [operand_text(v) for v in node.inputs]
            what = f"*** NaN detected *** in the result of operation {i}"
            print(
                message(what, operation=node.op, operands=operands, origin=node.origin)
            )
            print(f"Inputs : {[given[0] for given in fn.inputs]}")
            print(f"Outputs: {[made[0] for made in fn.outputs]}")
            break
