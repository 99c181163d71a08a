"""A model as a table: layers, shapes, parameters, multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from symnet.models.model import Model


def count_parameters(model: Model) -> int:
    """The number of elements of all parameters."""
    return sum(math.prod(shape) for shape in model.parameter_shapes.values())


def summary(model: Model, input_shape: Sequence[int] | None = None) -> str:
    """The model as text: a line for each layer, and the totals.

    input_shape: (channels, rows, columns) of one image instead of the model's own.
    Nothing is computed or allocated.
    Raises: ShapeError where images of that shape do not fit.
    Example: print(summary(vgg16()))
    """
    if input_shape is not None:
        model = Model(model.name, input_shape, model.layers, model.seed)
    rows = [("layer", "kind", "output", "parameters", "multiply-adds")]
    total = 0
    for layer, before, after in zip(model.layers, model.shapes, model.shapes[1:]):
        numbers = sum(map(math.prod, layer.parameter_shapes(before).values()))
        work = layer.multiply_adds(before)
        total += work
        kind = type(layer).__name__.removesuffix("Layer")
        rows.append((layer.name, kind, _sizes(after), _count(numbers), _count(work)))
    rows.append(("total", "", "", f"{count_parameters(model):,}", f"{total:,}"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [_line(row, widths) for row in rows]
    rule = "-" * len(lines[0])
    title = f"{model.name}, input {_sizes(model.input_shape)}"
    return "\n".join([title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [text.ljust(width) for text, width in zip(row[:3], widths)]
    cells += [text.rjust(width) for text, width in zip(row[3:], widths[3:])]
    return "  ".join(cells)
