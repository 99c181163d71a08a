"""Graphs as one line of mathematical text, in Python's notation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.graph.variables import Apply, Constant, Variable, describe
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.alloc import Alloc
from symnet.ops.creation import Arange
from symnet.ops.elementwise import Cast, Elementwise
from symnet.ops.linalg.products import Dot
from symnet.ops.nnet.activations import LogSoftmax, Softmax
from symnet.ops.reduce import Reduce
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import MakeVector, Shape, ShapeI
from symnet.ops.subtensor import IncSubtensor, Subtensor, fill_pattern
from symnet.printing.forms import (
    AND,
    ANYTHING,
    ATOM,
    COMPARISON,
    OR,
    POWER,
    PRODUCT,
    SHIFT,
    SIGN,
    SUM,
    XOR,
    Form,
    FormulaWriter,
    Notation,
    Part,
    call,
    separated,
)
from symnet.printing.roots import is_number, roots_of

# name of an elementwise op -> its operator, its precedence, and those of its operands
OPERATORS: dict[str, tuple[str, int, int, int]] = {
    "add": (" + ", SUM, SUM, PRODUCT),
    "sub": (" - ", SUM, SUM, PRODUCT),
    "mul": (" * ", PRODUCT, PRODUCT, SIGN),
    "true_div": (" / ", PRODUCT, PRODUCT, SIGN),
    "int_div": (" // ", PRODUCT, PRODUCT, SIGN),
    "mod": (" % ", PRODUCT, PRODUCT, SIGN),
    "pow": (" ** ", POWER, ATOM, SIGN),
    "and_": (" & ", AND, AND, SHIFT),
    "xor": (" ^ ", XOR, XOR, AND),
    "or_": (" | ", OR, OR, XOR),
    "lt": (" < ", COMPARISON, OR, OR),
    "le": (" <= ", COMPARISON, OR, OR),
    "gt": (" > ", COMPARISON, OR, OR),
    "ge": (" >= ", COMPARISON, OR, OR),
    "eq": (" == ", COMPARISON, OR, OR),
    "neq": (" != ", COMPARISON, OR, OR),
}


def is_broadcast(variable: Variable) -> bool:
    """Whether a variable is another one with axes of size 1 in front, which formulas
    leave out."""
    node = variable.owner
    if node is None or not isinstance(node.op, DimShuffle):
        return False
    order, rank = node.op.new_order, node.inputs[0].type.ndim
    return order[len(order) - rank :] == tuple(range(rank))


def visible(variable: Variable) -> Variable:
    while is_broadcast(variable):
        assert variable.owner is not None
        variable = variable.owner.inputs[0]
    return variable


def text_form(variable: Variable) -> Form:
    """How a variable is written in plain text."""
    node = variable.owner
    if node is None:
        return leaf_form(variable)
    if isinstance(node.op, Elementwise):
        return _elementwise(node)
    for kind, rule in RULES.items():
        if isinstance(node.op, kind):
            return rule(node)
    if len(node.outputs) > 1:
        return Form(
            ATOM, [f"{node.op}(", *separated(node.inputs), f")[{variable.index}]"]
        )
    return call(str(node.op), node.inputs)


def leaf_form(variable: Variable) -> Form:
    if is_number(variable):
        text = number_text(variable)
        return Form(SIGN if text.startswith("-") else ATOM, [text])
    return Form(ATOM, [describe(variable)])


def number_text(constant: Constant) -> str:
    """A constant of one element, with the digits that tell it apart in its dtype; whole
    numbers without a point."""
    text = str(constant.data.reshape(())[()])
    return text.removesuffix(".0")


def _elementwise(node: Apply) -> Form:
    name = node.op.name
    if isinstance(node.op, Cast):
        return call(node.op.dtype, node.inputs)
    mean = mean_of(node)
    if mean is not None:
        return call(
            "mean", mean.inputs, axes_text(mean.op.axes, mean.inputs[0].type.ndim)
        )
    if name in OPERATORS:
        sign, precedence, left, right = OPERATORS[name]
        a, b = node.inputs
        return Form(precedence, [(a, left), sign, (b, right)])
    if name == "neg":
        return Form(SIGN, ["-", (node.inputs[0], SIGN)])
    if name == "invert":
        return Form(SIGN, ["~", (node.inputs[0], SIGN)])
    if name == "sqr":
        return Form(POWER, [(node.inputs[0], ATOM), " ** 2"])
    if name == "abs":
        return Form(ATOM, ["|", (node.inputs[0], ANYTHING), "|"])
    return call(name, node.inputs)


def mean_of(node: Apply) -> Apply | None:
    """The sum that this node divides by the number of what is summed."""
    if node.op.name != "true_div" or node.inputs[0].owner is None:
        return None
    total = node.inputs[0].owner
    if not isinstance(total.op, Reduce) or total.op.kind != "sum":
        return None
    counted: list[int] = []
    stack = [node.inputs[1]]
    while stack:
        v = stack.pop()
        inner = v.owner
        if inner is None:
            if plain_number(v) != 1:
                return None
        elif isinstance(inner.op, ShapeI) and inner.inputs[0] is total.inputs[0]:
            counted.append(inner.op.i)
        elif isinstance(inner.op, Cast) or getattr(inner.op, "name", "") == "mul":
            stack += inner.inputs
        else:
            return None
    return total if sorted(counted) == sorted(total.op.axes) else None


def axes_text(axes: Sequence[int], ndim: int) -> str:
    """What is said of the axes of a reduction: nothing where it is over all."""
    if len(axes) == ndim:
        return ""
    return f", axis={axes[0]}" if len(axes) == 1 else f", axis={tuple(axes)}"


def _reduction(node: Apply) -> Form:
    axes = axes_text(node.op.axes, node.inputs[0].type.ndim)
    return call(node.op.kind, node.inputs, axes)


def _product(node: Apply) -> Form:
    x, y = node.inputs
    return Form(PRODUCT, [(x, PRODUCT), " @ ", (y, SIGN)])


def kept_axes(node: Apply) -> Apply | None:
    """The reduction whose axes this dimshuffle puts back with size 1."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Reduce):
        return None
    order, missing = node.op.new_order, set(inner.op.axes)
    if len(order) != inner.inputs[0].type.ndim:
        return None
    numbers = iter(range(len(order)))
    kept = tuple(
        "x" if axis in missing else next(numbers) for axis in range(len(order))
    )
    return inner if order == kept else None


def _shuffle(node: Apply) -> Form:
    (x,) = node.inputs
    order = node.op.new_order
    reduction = kept_axes(node)
    if reduction is not None:
        axes = axes_text(reduction.op.axes, len(order))
        return call(reduction.op.kind, reduction.inputs, f"{axes}, keepdims=True")
    if order == tuple(reversed(range(x.type.ndim))):
        return Form(ATOM, [(x, ATOM), ".T"])
    inner = ", ".join(repr(o) for o in order)
    return Form(ATOM, [(x, ATOM), f".dimshuffle({inner})"])


def index_parts(pattern: Sequence[str], bounds: Sequence[Variable]) -> list[Part]:
    """Integers and slices as they are written between brackets."""
    parts: list[Part] = []
    for k, item in enumerate(fill_pattern(tuple(pattern), bounds)):
        if k:
            parts.append(", ")
        if not isinstance(item, tuple):
            parts.append((item, ANYTHING))
            continue
        for place, bound in enumerate(item):
            if place == 1 or (place == 2 and bound is not None):
                parts.append(":")
            if bound is not None:
                parts.append((bound, ANYTHING))
    return parts


def _part(node: Apply) -> Form:
    x, *bounds = node.inputs
    return Form(ATOM, [(x, ATOM), "[", *index_parts(node.op.pattern, bounds), "]"])


def _written(node: Apply) -> Form:
    x, y, *bounds = node.inputs
    name = "set_subtensor" if node.op.set else "inc_subtensor"
    index = index_parts(node.op.pattern, bounds)
    return Form(ATOM, [f"{name}(", (x, ATOM), "[", *index, "], ", (y, ANYTHING), ")"])


def positions(node: Apply, first: int) -> list[Part]:
    """The index of an operation that indexes by arrays, its inputs from `first` on."""
    given = dict(zip(node.op.axes, node.inputs[first:]))
    parts: list[Part] = []
    for axis in range(max(given) + 1):
        parts += [", "] if axis else []
        parts.append((given[axis], ANYTHING) if axis in given else ":")
    return parts


def _taken(node: Apply) -> Form:
    return Form(ATOM, [(node.inputs[0], ATOM), "[", *positions(node, 1), "]"])


def _scattered(node: Apply) -> Form:
    x, y = node.inputs[:2]
    name = "set_subtensor" if node.op.set else "inc_subtensor"
    inner = [(x, ATOM), "[", *positions(node, 2), "], ", (y, ANYTHING)]
    return Form(ATOM, [f"{name}(", *inner, ")"])


def _range(node: Apply) -> Form:
    start, stop, step = map(plain_number, node.inputs)
    short = start == 0 and step == 1
    return call("arange", node.inputs[1:2] if short else node.inputs)


def plain_number(variable: Variable) -> float | None:
    """The number in a constant of one element."""
    if not is_number(variable):
        return None
    return float(np.real(variable.data.reshape(())[()]))


def _along_axis(name: str) -> Callable[[Apply], Form]:
    def form(node: Apply) -> Form:
        last = node.op.axis == node.inputs[0].type.ndim - 1
        return call(name, node.inputs, "" if last else f", axis={node.op.axis}")

    return form


def _size(node: Apply) -> Form:
    return Form(ATOM, [(node.inputs[0], ATOM), f".shape[{node.op.i}]"])


RULES: dict[type, Callable[[Apply], Form]] = {
    Reduce: _reduction,
    Dot: _product,
    DimShuffle: _shuffle,
    Subtensor: _part,
    IncSubtensor: _written,
    ShapeI: _size,
    Shape: lambda node: Form(ATOM, [(node.inputs[0], ATOM), ".shape"]),
    AdvancedSubtensor: _taken,
    AdvancedIncSubtensor: _scattered,
    Arange: _range,
    Alloc: lambda node: call("alloc", node.inputs),
    Softmax: _along_axis("softmax"),
    LogSoftmax: _along_axis("logsoftmax"),
    MakeVector: lambda node: Form(ATOM, ["[", *separated(node.inputs), "]"]),
}

TEXT = Notation(text_form, visible)


def pp(obj: Any, stop_on_name: bool = False) -> str:
    """A graph as mathematical text: `(x @ W + b) ** 2`.

    What comes several times is written once: `a * a where a = exp(x + y * z)`.
    obj: a variable, a compiled function, or a list of them (a line for each result).
    stop_on_name: results that have a name are written as this name.
    Raises: TypeError for an object without a graph.
    """
    lines = []
    for root in roots_of(obj):
        text, definitions = FormulaWriter(TEXT, stop_on_name).write(root.variable)
        if definitions:
            named = ", ".join(f"{name} = {formula}" for name, formula in definitions)
            text = f"{text} where {named}"
        lines.append(f"{root.role}: {text}" if root.role else text)
    return "\n".join(lines)


pprint = pp
