"""Pictures that several notebooks need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray


def draw_unrolled(words: Sequence[str]) -> Axes:
    """A recurrent network that reads the words and says after each the next one."""
    steps = len(words) - 1
    _, axes = plt.subplots(figsize=(1.5 * steps, 3))
    heights = {"x": 0.0, "h": 1.0, "y": 2.0}
    for t in range(steps):
        for name, height in heights.items():
            axes.text(
                t, height, f"${name}^{{({t + 1})}}$", ha="center", va="center",
                bbox={"boxstyle": "circle,pad=0.3", "fc": "white", "ec": "0.3"},
            )  # fmt: skip
        axes.text(t, -0.5, words[t], ha="center", va="center")
        axes.text(t, 2.5, words[t + 1], ha="center", va="center", color="tab:blue")
        arrow(axes, (t, 0), (t, 1), "U")
        arrow(axes, (t, 1), (t, 2), "V")
        if t:
            arrow(axes, (t - 1, 1), (t, 1), "W")
    axes.set(xlim=(-0.6, steps - 0.4), ylim=(-0.7, 2.7))
    axes.axis("off")
    return axes


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], name: str
) -> None:
    axes.annotate(
        "", end, start,
        arrowprops={"arrowstyle": "->", "color": "0.4", "shrinkA": 16, "shrinkB": 16},
    )  # fmt: skip
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    sideways = start[1] == end[1]
    axes.text(
        x + (0 if sideways else 0.08), y + (0.12 if sideways else 0), f"${name}$",
        color="tab:red", ha="center" if sideways else "left", va="center",
    )  # fmt: skip


def show_pictures(
    pictures: NDArray[Any],
    titles: Sequence[Any] | None = None,
    columns: int = 16,
    symmetric: bool = False,
    width: float = 8,
) -> None:
    """Square pictures, given as rows of pixels, side by side.

    symmetric: red above zero, blue below, each picture in its own scale; else grey between
        0 (white) and 1 (black).
    """
    side = int(pictures.shape[1] ** 0.5)
    lines = -(-len(pictures) // columns)
    unit = width / columns
    _, panels = plt.subplots(
        lines, columns, figsize=(width, lines * unit * (1.3 if titles else 1.05)),
        squeeze=False,
    )  # fmt: skip
    for axes in panels.flat:
        axes.axis("off")
    for k, (axes, picture) in enumerate(zip(panels.flat, pictures)):
        bound = abs(picture).max() or 1
        style: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
        if symmetric:
            style = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
        axes.imshow(picture.reshape(side, side), **style)
        if titles is not None:
            axes.set_title(titles[k], fontsize=8)
    plt.subplots_adjust(wspace=0.05, hspace=0.05 if titles is None else 0.3)


def sharpest(filters: NDArray[Any], count: int) -> NDArray[Any]:
    """The filters with the largest weights.  Shapes: (n, pixels) -> (count, pixels)."""
    return filters[np.argsort(-np.linalg.norm(filters, axis=1))[:count]]


def draw_surprise(text: str, nats: NDArray[Any], columns: int = 70) -> Axes:
    """A text whose characters are the redder, the less they were expected.

    Shapes: nats (len(text),), minus the logarithm of each character's chance.
    """
    places: list[tuple[int, int, str]] = []
    row = column = 0
    for letter in text:
        if letter == "\n" or column == columns:
            row, column = row + 1, 0
        if letter != "\n":
            places.append((row, column, letter))
            column += 1
    shown = nats[[k for k, letter in enumerate(text) if letter != "\n"]]
    _, axes = plt.subplots(figsize=(10, 0.28 * (row + 2)))
    for (line, place, letter), surprise in zip(places, shown):
        paler = 1 - min(float(surprise) / 6, 1)
        axes.text(
            place, -line, letter, family="monospace", fontsize=11, ha="center", va="center",
            bbox={"boxstyle": "square,pad=0.1", "fc": (1, paler, paler), "ec": "none"},
        )  # fmt: skip
    axes.set(xlim=(-1, columns + 1), ylim=(-row - 1, 1))
    axes.axis("off")
    return axes
