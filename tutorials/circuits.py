"""Draws an expression of scalars as a circuit: values in green, gradients in red."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

import symnet
from symnet import Apply, Constant, Variable
from symnet.graph.traverse import ancestors, toposort

SIGNS = {
    "add": "+", "mul": "×", "true_div": "÷", "sub": "−", "neg": "× −1", "maximum": "max",
    "reciprocal": "1/x", "pow": "^", "sqr": "x²", "sigmoid": "σ",
}  # fmt: skip


def draw_circuit(
    output: Variable, values: Mapping[Variable, float], title: str = ""
) -> Axes:
    """The expression from its variables (left) to `output` (right).

    Over each wire stands its value in green, under it the derivative of `output` by it
    in red, all computed by one compiled function.
    """
    wires = [v for v in ancestors([output]) if not is_constant(v)]
    gradients = symnet.grad(output, wires)
    numbers = symnet.function(list(values), wires + gradients)(*values.values())
    places = layout(output)
    _, axes = plt.subplots(
        figsize=(1 + 1.5 * (1 + places[output][0]), 1 + 0.8 * rows(places))
    )
    for node in toposort([output]):
        draw_gate(axes, node, places)
    for v, value, gradient in zip(wires, numbers, numbers[len(wires) :]):
        draw_wire(axes, v, places[v], float(value), float(gradient))
    axes.set_title(title)
    axes.margins(0.04, 0.12)
    axes.axis("off")
    return axes


def is_constant(v: Variable) -> bool:
    return isinstance(v, Constant)


def layout(output: Variable) -> dict[Variable, tuple[float, float]]:
    """Column (how many gates before it) and row of each variable; constants have none."""
    column: dict[Variable, int] = {}
    row: dict[Variable, float] = {}
    for v in ancestors([output]):
        column.setdefault(v, 0)
    for node in toposort([output]):
        column[node.outputs[0]] = 1 + max(column[v] for v in node.inputs)
    sources = [v for v in ordered_leaves(output) if not is_constant(v)]
    for k, v in enumerate(sources):
        row[v] = -float(k)
    for node in toposort([output]):
        above = [row[v] for v in node.inputs if v in row]
        row[node.outputs[0]] = sum(above) / len(above)
    return {v: (float(column[v]), row[v]) for v in row}


def ordered_leaves(output: Variable) -> list[Variable]:
    """The variables that nothing computes, as a reader of the expression meets them."""
    found: dict[Variable, None] = {}
    waiting = [output]
    while waiting:
        v = waiting.pop()
        if v.owner is None:
            found[v] = None
        else:
            waiting.extend(reversed(v.owner.inputs))
    return list(found)


def rows(places: Mapping[Variable, tuple[float, float]]) -> float:
    return 1 - min(row for _, row in places.values())


def draw_gate(
    axes: Axes, node: Apply, places: Mapping[Variable, tuple[float, float]]
) -> None:
    column, row = places[node.outputs[0]]
    for v in node.inputs:
        if v in places:
            start, height = places[v]
            axes.plot([start + 0.3, column - 0.4], [height, row], color="0.6", zorder=1)
    axes.text(
        column - 0.4, row, label(node), ha="center", va="center", zorder=3,
        bbox={"boxstyle": "circle,pad=0.35", "fc": "white", "ec": "0.3"},
    )  # fmt: skip


def label(node: Apply) -> str:
    """The gate's sign, with the constants that go into it."""
    sign = SIGNS.get(str(node.op), str(node.op))
    constants = [f"{float(v.data):g}" for v in node.inputs if isinstance(v, Constant)]
    first = sign in ("−", "÷", "^") and is_constant(node.inputs[0])
    return " ".join([*constants, sign] if first else [sign, *constants])


def draw_wire(
    axes: Axes, v: Variable, place: tuple[float, float], value: float, gradient: float
) -> None:
    column, row = place
    begin = column - 0.4 if v.owner else column - 0.25
    axes.plot([begin, column + 0.3], [row, row], color="0.6", zorder=1)
    if v.owner is None:
        name = v.name or ""
        axes.text(column - 0.3, row, name, ha="right", va="center", style="italic")
    middle = column + 0.05
    style: dict[str, Any] = {"ha": "center", "fontsize": 9}
    axes.text(
        middle, row + 0.06, f"{value:.2f}", color="tab:green", va="bottom", **style
    )
    axes.text(middle, row - 0.06, f"{gradient:.2f}", color="tab:red", va="top", **style)
