"""The loop IR: scalar expressions inside loops over strided arrays.

A `Scalar` is what happens at one point of a loop; a `Kernel` is the loop around it.
Both are plain data that knows nothing of graphs or of machines: `kernels.llvm` prints
them as LLVM IR, for vectors and for threads of a GPU.

Scalars are interned: building the same expression twice gives the same object, so
equality is identity, sharing is free, and a kernel's text is its identity across
processes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from threading import RLock
from typing import Any
from weakref import ref

import numpy as np

from symnet.data_classes import dataclass
from symnet.lazy import cached_property

# What a printer must know.  Everything else is expanded into these before printing.
ARITHMETIC = "add sub mul div floordiv mod neg abs fma minimum maximum sqrt".split()
COMPARISON = "lt le gt ge eq ne".split()
LOGIC = "and or xor not shift_left shift_right".split()
ROUNDING = "floor ceil trunc rint".split()
OTHER = "select cast bitcast isnan isinf copysign block_of word_of".split()
PRIMITIVES = frozenset(ARITHMETIC + COMPARISON + LOGIC + ROUNDING + OTHER)

# How blocks of four random words are interleaved along an axis: GROUP_BLOCKS blocks serve
# GROUP_NUMBERS neighbouring positions, first with the first word of each, then with the
# second, ...  So vectors of up to GROUP_BLOCKS lanes take whole words, and a block is made
# once for all four.
GROUP_BLOCKS = 8
GROUP_NUMBERS = 4 * GROUP_BLOCKS

# The dtype of the parts of a complex number.  Kernels are made of real numbers alone: see
# `split_complex`.
PARTS = {"complex64": "float32", "complex128": "float64"}

REDUCTIONS = "sum prod max min all any argmax argmin".split()


class Scalar:
    """One scalar expression: an operation, its arguments and the dtype of its value.

    `op` is one of PRIMITIVES, or a mathematical function ("exp", "tanh", ...), or
    "literal"   `value` is the Python number (or its repr for NaN and infinities);
    "argument"  `value` is the position of a parameter (only in bodies of operations);
    "load"      `value` is the number of an input operand of the kernel;
    "gather"    like load, `args` are the int64 indices of its indexed axes;
    "index"     `value` is a loop axis: the int64 counter of that loop;
    "reduce"    `value` is one of REDUCTIONS, applied over the kernel's reduced axes;
    "approximate"  an instruction of a GPU, by the name `value` (only in generated code);
    "block_of"  the number of the block that serves a position along an axis, and
    "word_of"   of a position and the four words of its block the one for the position
                (see GROUP_NUMBERS);
    "complex"   the number of two parts (in formulas, not in kernels).
    """

    __slots__ = ("op", "args", "dtype", "value", "__weakref__")
    op: str
    args: tuple[Scalar, ...]
    dtype: str
    value: Any

    def __repr__(self) -> str:
        inner = [] if self.value is None else [str(self.value)]
        inner += [repr(argument) for argument in self.args]
        return f"{self.op}:{self.dtype}({', '.join(inner)})"

    # Bodies of operations read like the formula.
    def __add__(self, other: Scalar | float) -> Scalar:
        return binary("add", self, other)

    def __radd__(self, other: Scalar | float) -> Scalar:
        return binary("add", other, self)

    def __sub__(self, other: Scalar | float) -> Scalar:
        return binary("sub", self, other)

    def __rsub__(self, other: Scalar | float) -> Scalar:
        return binary("sub", other, self)

    def __mul__(self, other: Scalar | float) -> Scalar:
        return binary("mul", self, other)

    def __rmul__(self, other: Scalar | float) -> Scalar:
        return binary("mul", other, self)

    def __truediv__(self, other: Scalar | float) -> Scalar:
        return binary("div", self, other)

    def __rtruediv__(self, other: Scalar | float) -> Scalar:
        return binary("div", other, self)

    def __neg__(self) -> Scalar:
        return call("neg", self)

    def __lt__(self, other: Scalar | float) -> Scalar:
        return binary("lt", self, other)

    def __le__(self, other: Scalar | float) -> Scalar:
        return binary("le", self, other)

    def __gt__(self, other: Scalar | float) -> Scalar:
        return binary("gt", self, other)

    def __ge__(self, other: Scalar | float) -> Scalar:
        return binary("ge", self, other)


_interned: dict[tuple[Any, ...], ref[Scalar]] = {}
# Entries to be removed: a Scalar may go at any moment, while any lock is held.
_dead: deque[tuple[tuple[Any, ...], ref[Scalar]]] = deque()
_entering = RLock()  # a signal's handler may come between and enter others


def scalar(op: str, args: Sequence[Scalar], dtype: str, value: Any = None) -> Scalar:
    """Return the one Scalar with these fields."""
    args = tuple(args)
    key = (op, tuple(map(id, args)), dtype, type(value), value)
    known = _interned.get(key)
    found = known() if known is not None else None
    if found is None:
        found = Scalar()
        found.op, found.args, found.dtype, found.value = op, args, dtype, value
        found = _intern(key, found)
    return found


def _intern(key: tuple[Any, ...], made: Scalar) -> Scalar:
    """Enter a Scalar for as long as it lives; the one that is there, where another thread
    was faster.  (A WeakValueDictionary does the same, at several times the cost.)"""

    def forget(dead: ref[Scalar], note: Any = _dead.append) -> None:
        note((key, dead))

    entry = ref(made, forget)
    with _entering:
        _remove_dead()
        known = _interned.get(key)
        found = known() if known is not None else None
        if found is None:
            _interned[key], found = entry, made
    return found


def _remove_dead() -> None:
    try:
        while _dead:
            key, gone = _dead.popleft()
            if _interned.get(key) is gone:
                del _interned[key]
    except IndexError:  # a signal's handler has removed the last one
        pass


def _new_lock() -> None:
    """In a forked child nobody holds it."""
    global _entering
    _entering = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def literal(value: Any, dtype: str) -> Scalar:
    """A constant.  NaN, infinities and -0.0 are kept as text so that equals intern."""
    if dtype == "int64":  # as nearly all: sizes
        return scalar("literal", (), dtype, int(value))
    kind = np.dtype(dtype).kind
    if kind == "c":
        number, part = np.dtype(dtype).type(value), PARTS[dtype]
        parts = literal(number.real, part), literal(number.imag, part)
        return scalar("complex", parts, dtype)
    if kind == "b":
        return scalar("literal", (), dtype, bool(value))
    if kind in "iu":
        return scalar("literal", (), dtype, int(value))
    rounded = float(np.dtype(dtype).type(value))
    plain = np.isfinite(rounded) and not (rounded == 0 and np.signbit(rounded))
    return scalar("literal", (), dtype, rounded if plain else repr(rounded))


def argument(position: int, dtype: str) -> Scalar:
    return scalar("argument", (), dtype, position)


def load(operand: int, dtype: str) -> Scalar:
    return scalar("load", (), dtype, operand)


def gather(operand: int, indices: Sequence[Scalar], dtype: str) -> Scalar:
    return scalar("gather", indices, dtype, operand)


def index(axis: int) -> Scalar:
    return scalar("index", (), "int64", axis)


def reduction(kind: str, value: Scalar, dtype: str) -> Scalar:
    """`value` accumulated in `dtype`; argmax and argmin give the int64 position along
    the flattened reduced axes, the first one where several are equal or NaN."""
    return scalar("reduce", (value,), dtype, kind)


def cast(value: Scalar, dtype: str) -> Scalar:
    if value.dtype == dtype:
        return value
    if value.op == "literal" and np.dtype(dtype).kind == "f":
        return literal(float(value.value), dtype)
    return scalar("cast", (value,), dtype)


def call(name: str, *args: Scalar | float, dtype: str | None = None) -> Scalar:
    """Apply primitive or function `name`; numbers take the dtype of the first Scalar."""
    first = next(a for a in args if isinstance(a, Scalar))
    full = [a if isinstance(a, Scalar) else literal(a, first.dtype) for a in args]
    if dtype is None:
        dtype = (
            "bool" if name in COMPARISON or name in ("isnan", "isinf") else first.dtype
        )
    return scalar(name, full, dtype)


def binary(name: str, left: Scalar | float, right: Scalar | float) -> Scalar:
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        dtype = "bool" if name in COMPARISON else left.dtype
        return scalar(name, (left, right), dtype)
    return call(name, left, right)


def select(condition: Scalar, yes: Scalar | float, no: Scalar | float) -> Scalar:
    """`yes` where condition (a bool) holds, else `no`; both are computed."""
    first = yes if isinstance(yes, Scalar) else no
    assert isinstance(first, Scalar)
    branches = [
        a if isinstance(a, Scalar) else literal(a, first.dtype) for a in (yes, no)
    ]
    return scalar("select", (condition, *branches), first.dtype)


def walk(roots: Iterable[Scalar]) -> list[Scalar]:
    """Every Scalar below `roots`, arguments before their users, each once."""
    # Their arguments stand above them on the stack, or are done.
    seen = set[Scalar]()
    order: dict[Scalar, None] = {}
    stack = list(roots)[::-1]
    while stack:
        node = stack[-1]
        if node.args and node not in seen:
            seen.add(node)
            stack.extend(node.args[::-1])
        else:
            order.setdefault(node)
            stack.pop()
    return list(order)


# Arguments come first, numbers last.
_RANKS = {"argument": 0, "literal": 2}


def _compare(left: Scalar, right: Scalar) -> int:
    # Scalars that are equal up to their arguments differ in one of these: equals are one
    # object.  So there is one path down to where two differ, and nothing to remember.
    while left is not right:
        one, other = _own_key(left), _own_key(right)
        if one != other:
            return -1 if one < other else 1
        pairs = zip(left.args, right.args, strict=True)
        left, right = next((a, b) for a, b in pairs if a is not b)
    return 0


def _own_key(node: Scalar) -> tuple[Any, ...]:
    """What a scalar is without its arguments, as something that can be compared."""
    value = node.value
    fields = (_RANKS.get(node.op, 1), node.op, node.dtype, len(node.args))
    return (*fields, isinstance(value, str), 0 if value is None else value)


STRUCTURE_KEY = cmp_to_key(_compare)


def in_order(scalars: Iterable[Scalar]) -> list[Scalar]:
    """The scalars in an order that follows from what they are: the same in every
    process, whatever else was made there before.

    Arguments by position, then expressions by the names of their operations and by their
    arguments, then numbers.
    """
    several = list(scalars)
    return several if len(several) < 2 else sorted(several, key=STRUCTURE_KEY)


def substitute(roots: Sequence[Scalar], replace: dict[Scalar, Scalar]) -> list[Scalar]:
    """The `roots` with every Scalar in `replace` exchanged."""
    new: dict[int, Scalar] = {id(old): fresh for old, fresh in replace.items()}
    for node in walk(roots):
        if id(node) in new:
            continue
        args = [new[id(a)] for a in node.args]
        changed = any(a is not b for a, b in zip(args, node.args, strict=True))
        new[id(node)] = (
            scalar(node.op, args, node.dtype, node.value) if changed else node
        )
    return [new[id(root)] for root in roots]


@dataclass(frozen=True)
class Operand:
    """An array that a kernel reads or writes.

    `axes[k]` says whether loop axis k moves along this array (False: broadcast, or
    summed away).  `indexed` counts further axes, before the others, that a "gather"
    reads at computed positions (or a scatter writes).  `behind`: its elements lie one place
    behind those of the operand before, as imaginary parts behind real ones.
    """

    dtype: str
    axes: tuple[bool, ...]
    indexed: int = 0
    behind: bool = False


@dataclass(frozen=True, eq=False)
class Output:
    """A value stored into an operand.

    A value that depends on a loop axis in the reduced set moves along it; a value made
    of reductions is stored once for each point of the kept axes.  With `indices` the
    store goes to computed positions, one after another in loop order: `mode` "set"
    overwrites, "add" accumulates (the array holds its start values already).
    """

    operand: Operand
    value: Scalar
    indices: tuple[Scalar, ...] = ()
    mode: str = "set"


@dataclass(frozen=True, eq=False)
class Kernel:
    """A loop nest of `rank` axes, some of which are reduced, over inputs and outputs.

    Two kernels with the same `text` are the same kernel.
    """

    rank: int
    reduced: tuple[bool, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def text(self) -> str:
        """The kernel line by line, stable from process to process."""
        return print_kernel(self)


def print_operand(operand: Operand) -> str:
    moves = "".join("x" if moving else "." for moving in operand.axes)
    behind = "+1" if operand.behind else ""
    return f"{operand.dtype}[{'i' * operand.indexed}{moves}]{behind}"


def print_kernel(kernel: Kernel) -> str:
    """Name every scalar once, in order: `%3:float32 = mul %1 %2`."""
    axes = " ".join(
        f"{'reduce' if reduced else 'for'} i{axis}"
        for axis, reduced in enumerate(kernel.reduced)
    )
    lines = [f"kernel {axes}"]
    lines += [f"  in{k}: {print_operand(o)}" for k, o in enumerate(kernel.inputs)]
    names: dict[int, str] = {}
    roots = [root for out in kernel.outputs for root in (*out.indices, out.value)]
    for node in walk(roots):
        names[id(node)] = f"%{len(names)}"
        parts = [node.op] if node.value is None else [node.op, str(node.value)]
        parts += [names[id(a)] for a in node.args]
        lines.append(f"  {names[id(node)]}:{node.dtype} = {' '.join(parts)}")
    for k, out in enumerate(kernel.outputs):
        where = "".join(f"[{names[id(i)]}]" for i in out.indices)
        how = "+=" if out.mode == "add" else "="
        lines.append(
            f"  out{k}{where}: {print_operand(out.operand)} {how} {names[id(out.value)]}"
        )
    return "\n".join(lines)
