"""From a loop over numbers to LLVM IR: one function with the loop inside.

The function is `i64 recurrence(i64* words, i64 begin, i64 end)`.  Its words are the number
of iterations, the address for the number of iterations done (or 0), a function and its
argument, and for each cell its address, its bytes from iteration to iteration, and of a
ring the mask of the slots and the first slot.  The function is called once in
`LOOK_ITERATIONS` iterations; where it returns another number than 0 the loop ends with that.

Values that no iteration changes are computed before the loop.  What one iteration hands to
later ones goes through registers; cells that move are also written in each iteration, the
others when the loop ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np

from symnet.kernels.llvm.array_access import to_memory, to_register
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.loop_nest import ENTRY, fuse_products
from symnet.kernels.llvm.object_code import source_digest
from symnet.kernels.llvm.primitives import apply
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import MEMORY, REGISTER, Module, Scope, constant
from symnet.kernels.loopir.math import expand
from symnet.kernels.loopir.scalars import Kernel, Scalar, cast, walk
from symnet.recent import Recent

HEAD_WORDS = 4  # iterations, where to put the number done, whom to ask whether to go on
CELL_WORDS = 4
ITERATIONS, DONE, LOOK, WATCH = 0, 1, 2, 3
LOOK_ITERATIONS = 1 << 16
STEP, MASK, FIRST = 1, 2, 3


class CellLike(Protocol):
    """See `kernels.cpu.library.scalar_loop.Cell`."""

    @property
    def dtype(self) -> str: ...
    @property
    def how(self) -> str: ...
    @property
    def carried(self) -> int: ...
    @property
    def distance(self) -> int: ...


class RecurrenceLike(Protocol):
    """See `kernels.cpu.library.scalar_loop.ScalarLoop`."""

    @property
    def kernels(self) -> Sequence[Kernel]: ...
    @property
    def operands(self) -> Sequence[Sequence[int]]: ...
    @property
    def cells(self) -> Sequence[CellLike]: ...
    @property
    def until(self) -> int: ...
    @property
    def text(self) -> str: ...


KEPT = 64  # functions that stay though no plan needs them any more
_known: WeakValueDictionary[str, EmittedFunction] = WeakValueDictionary()
_recent: Recent[str, EmittedFunction] = Recent(KEPT)


def compile_recurrence(recurrence: RecurrenceLike) -> EmittedFunction:
    """The function, compiled when its address is needed, unless it is known."""
    text = recurrence.text
    found = _known.get(text)
    if found is None:
        key = f"{generator()}{source_digest(__file__)}\nrecurrence\n{text}"
        found = EmittedFunction(key, partial(emit_recurrence, recurrence))
        _known[text] = found
    return _recent.add(text, found)


def emit_recurrence(
    recurrence: RecurrenceLike, target: Target, name: str = "recurrence"
) -> str:
    """The LLVM module of a loop over numbers."""
    module = Module(target)
    ScalarLoopWriter(recurrence, module).write(name)
    return module.text()


class ScalarLoopWriter:
    """Writes the function: what comes before the loop, the loop, what comes after."""

    def __init__(self, recurrence: RecurrenceLike, module: Module) -> None:
        self.recurrence, self.target = recurrence, module.target
        self.cells = recurrence.cells
        self.writer = FunctionWriter(module)
        self.entry = self.writer.entry
        self.entry.line("%iterations = load i64, ptr %words")
        self.begin = self.writer.here()
        self.head = self.writer.here()  # the phis, which stand at the head of the loop
        self.loop = self.writer.here()
        self.exit = self.writer.here()
        self.now: dict[
            int, str
        ] = {}  # the values of cells at this point of an iteration
        self.stored: dict[
            int, str
        ] = {}  # of fixed cells, in the order of their writing

    # ---- the function

    def write(self, name: str) -> None:
        self.begin.line("%any = icmp sgt i64 %iterations, 0")
        self.begin.line("br i1 %any, label %loop, label %leave")
        self.head.label("loop")
        self.exit.label("finish")
        self._body()
        self.exit.line("br label %leave")
        self._report()
        head = f"define i64 @{name}(ptr %words, i64 %begin, i64 %end)"
        self.writer.finish(head, fail="ret i64 %answer")

    def _report(self) -> None:
        """Tell how many iterations were done, if that is asked."""
        here = self.writer.here()
        here.label("leave")
        here.line("%count = phi i64 [ 0, %entry ], [ %next, %finish ]")
        here.line(f"%where = getelementptr i64, ptr %words, i64 {DONE}")
        here.line("%done = load ptr, ptr %where")
        here.line("%asked = icmp ne ptr %done, null")
        here.line("br i1 %asked, label %tell, label %return")
        here.label("tell")
        here.line("store i64 %count, ptr %done")
        here.line("br label %return")
        here.label("return")

    def _body(self) -> None:
        self.head.line("%iteration = phi i64 [ 0, %entry ], [ %next, %again ]")
        self.address = {k: self._address(k) for k in range(len(self.cells))}
        carried: dict[int, list[str]] = {}
        for k, cell in enumerate(self.cells):
            if cell.carried >= 0:
                carried[k] = [f"%carry{k}.{d}" for d in range(1, cell.distance + 1)]
                self.now[k] = carried[k][-1]
        for kernel, operands in zip(
            self.recurrence.kernels, self.recurrence.operands, strict=True
        ):
            self._kernel(kernel, operands)
        self._carry(carried)
        self._end()

    def _carry(self, carried: dict[int, list[str]]) -> None:
        """The phis of carried values: one for each iteration they are kept."""
        for k, names in carried.items():
            cell = self.cells[k]
            kind = REGISTER[cell.dtype]
            following = [self.now[cell.carried], *names[:-1]]
            for d, (name, after) in enumerate(zip(names, following, strict=True)):
                iteration = cell.distance - 1 - d  # in which this first value is read
                first = self._load(
                    self.entry, cell.dtype, self._at_iteration(k, iteration)
                )
                self.head.line(
                    f"{name} = phi {kind} [ {first}, %entry ], [ {after}, %again ]"
                )

    def _end(self) -> None:
        """The end of an iteration, and what is written after the last."""
        loop, until = self.loop, self.recurrence.until
        loop.line("%next = add i64 %iteration, 1")
        if until >= 0:
            loop.line(f"br i1 {self.now[until]}, label %finish, label %latch")
        else:
            loop.line("br label %latch")
        loop.label("latch")
        loop.line("%more = icmp slt i64 %next, %iterations")
        loop.line("br i1 %more, label %further, label %finish")
        self._look()
        for k, value in self.stored.items():
            self._store(self.exit, self.cells[k].dtype, value, self.address[k])

    def _look(self) -> None:
        """Between iterations, now and then: ask whether to go on."""
        loop = self.loop
        loop.label("further")
        loop.line(f"%rest = and i64 %next, {LOOK_ITERATIONS - 1}")
        loop.line("%due = icmp eq i64 %rest, 0")
        loop.line("br i1 %due, label %look, label %again")
        loop.label("look")
        for name, word in (("asked", LOOK), ("watch", WATCH)):
            loop.line(f"%{name}.at = getelementptr i64, ptr %words, i64 {word}")
        loop.line("%asked.it = load ptr, ptr %asked.at")
        loop.line("%watch.it = load i64, ptr %watch.at")
        loop.line("%answer = call i64 %asked.it(i64 %watch.it)")
        loop.line("%well = icmp eq i64 %answer, 0")
        loop.line("br i1 %well, label %again, label %fail")
        loop.label("again")
        loop.line("br label %loop")
        self.writer.may_fail = True

    # ---- cells

    def _word(self, k: int, which: int) -> str:
        return self.writer.word(HEAD_WORDS + CELL_WORDS * k + which)

    def _address(self, k: int) -> str:
        """Where a cell is in the present iteration, as a pointer."""
        if self.cells[k].how == "fixed":
            return self.entry.emit(f"inttoptr i64 {self._word(k, 0)} to ptr")
        return self._moved(self.loop, k, "%iteration")

    def _at_iteration(self, k: int, iteration: int) -> str:
        """Where a cell is in an iteration with a known number, for the code before the loop."""
        if self.cells[k].how == "fixed":
            return self.address[k]
        return self._moved(self.entry, k, str(iteration))

    def _moved(self, scope: Scope, k: int, iteration: str) -> str:
        slot = iteration
        if self.cells[k].how == "ring":
            slot = scope.emit(f"add i64 {iteration}, {self._word(k, FIRST)}")
            slot = scope.emit(f"and i64 {slot}, {self._word(k, MASK)}")
        far = scope.emit(f"mul i64 {slot}, {self._word(k, STEP)}")
        number = scope.emit(f"add i64 {far}, {self._word(k, 0)}")
        return scope.emit(f"inttoptr i64 {number} to ptr")

    def _load(self, scope: Scope, dtype: str, address: str) -> str:
        align = np.dtype(dtype).itemsize
        value = scope.emit(f"load {MEMORY[dtype]}, ptr {address}, align {align}")
        return to_register(scope, dtype, value, 0)

    def _store(self, scope: Scope, dtype: str, value: str, address: str) -> None:
        value = to_memory(scope, dtype, value, 0)
        align = np.dtype(dtype).itemsize
        scope.line(f"store {MEMORY[dtype]} {value}, ptr {address}, align {align}")

    def _read(self, k: int) -> str:
        """The value of a cell at this point."""
        if k not in self.now:
            cell = self.cells[k]
            scope = self.entry if cell.how == "fixed" else self.loop
            self.now[k] = self._load(scope, cell.dtype, self.address[k])
        return self.now[k]

    # ---- what kernels compute

    def _kernel(self, kernel: Kernel, operands: Sequence[int]) -> None:
        roots = expand([cast(o.value, o.operand.dtype) for o in kernel.outputs])
        if self.target.fused:
            roots = fuse_products(roots, dict.fromkeys(walk(roots), ENTRY))
        inputs = [self._read(k) for k in operands[: len(kernel.inputs)]]
        steady = [
            self.cells[k].how == "fixed" and not self._changes(k)
            for k in operands[: len(kernel.inputs)]
        ]
        values: dict[Scalar, tuple[str, bool]] = {}
        for node in walk(roots):
            values[node] = self._value(node, inputs, steady, values)
        for out, root, k in zip(
            kernel.outputs, roots, operands[len(kernel.inputs) :], strict=True
        ):
            self._write(k, out.operand.dtype, values[root][0])

    def _changes(self, k: int) -> bool:
        """Whether an iteration may write the cell."""
        return any(
            k in operands[len(kernel.inputs) :]
            for kernel, operands in zip(
                self.recurrence.kernels, self.recurrence.operands, strict=True
            )
        )

    def _value(
        self,
        node: Scalar,
        inputs: Sequence[str],
        steady: Sequence[bool],
        values: dict[Scalar, tuple[str, bool]],
    ) -> tuple[str, bool]:
        """The name of a scalar's value, and whether it is the same in every iteration."""
        if node.op == "literal":
            return constant(node.value, node.dtype), True
        if node.op == "load":
            return inputs[node.value], steady[node.value]
        same = all(values[a][1] for a in node.args)
        scope = self.entry if same else self.loop
        names = [values[a][0] for a in node.args]
        sources = [a.dtype for a in node.args]
        return apply(scope, node.op, node.dtype, sources, names, 0), same

    def _write(self, k: int, dtype: str, value: str) -> None:
        if dtype == "float16":  # as it would be read from memory
            half = to_memory(self.loop, dtype, value, 0)
            value = to_register(self.loop, dtype, half, 0)
        self.now[k] = value
        if self.cells[k].how == "fixed":
            self.stored.pop(k, None)
            self.stored[k] = value
        else:
            self._store(self.loop, dtype, value, self.address[k])
