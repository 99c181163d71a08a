"""Graphs as pictures: boxes in layers, written as SVG by this file alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import field
from html import escape
from typing import Any

from symnet.data_classes import dataclass
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Variable
from symnet.printing.layers import Placed, find_levels, place
from symnet.printing.roots import (
    Root,
    is_number,
    kind_of,
    label_of,
    roots_of,
    type_text,
    value_text,
)

# kind -> (fill, border)
COLOURS = {
    "input": ("#d5f0db", "#2e8b57"),
    "shared": ("#fde3c4", "#c9761b"),
    "constant": ("#ececec", "#9a9a9a"),
    "operation": ("#ffffff", "#5b6b7b"),
    "output": ("#d6e6fb", "#2f6fb7"),
    "update": ("#fde3c4", "#c9761b"),
}
FONT = "Helvetica, Arial, sans-serif"
SIZE, SMALL = 13.0, 10.5  # of the text
MARGIN = 14.0
FAR = 7  # layers from which on a leaf is drawn again


@dataclass
class Box:
    """One box: its lines of text (the first large), its kind, what hovering shows."""

    kind: str
    lines: list[str]
    title: str

    @property
    def width(self) -> float:
        sizes = [SIZE] + [SMALL] * len(self.lines)
        widest = max(text_width(line, size) for line, size in zip(self.lines, sizes))
        return max(widest + 20.0, 34.0)

    @property
    def height(self) -> float:
        return 26.0 + 14.0 * (len(self.lines) - 1)


@dataclass
class Arrow:
    """From one box to another, as its input `number` (-1: inputs may be exchanged)."""

    start: int
    end: int
    number: int
    title: str


@dataclass
class Picture:
    """The boxes and arrows of a graph."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    number: dict[Any, int] = field(default_factory=dict)

    def box(self, key: Any, box: Box) -> int:
        self.number[key] = len(self.boxes)
        self.boxes.append(box)
        return self.number[key]


def text_width(text: str, size: float) -> float:
    """About how wide a text is in the font of the drawings."""
    narrow, wide = "iljtfr.,:;'|()[]{} ", "mwMW@%→"
    ems = sum(
        0.30 if c in narrow else 0.86 if c in wide else 0.68 if c.isupper() else 0.56
        for c in text
    )
    return ems * size


class Painter:
    """Turns variables into boxes and arrows."""

    def __init__(self, longest: int = 40) -> None:
        self.picture = Picture()
        self.longest = longest

    def paint(self, roots: Sequence[Root]) -> Picture:
        for node in toposort([root.variable for root in roots]):
            self.operation(node)
        for root in roots:
            self.root(root)
        copy_far_leaves(self.picture)
        return self.picture

    def operation(self, node: Apply) -> None:
        # A number is written into the box of its operation.
        lines = [self.short(str(node.op))]
        if any(map(is_number, node.inputs)):
            inputs = [label_of(v) if is_number(v) else "·" for v in node.inputs]
            lines.append(self.short(f"({', '.join(inputs)})"))
        names = [v.name for v in node.outputs if v.name]
        if names:
            lines.append(self.short(", ".join(names)))
        types = ", ".join(map(type_text, node.outputs))
        title = f"{node.op}: {types}" + (f"\n{node.origin}" if node.origin else "")
        box = self.picture.box(node, Box("operation", lines, title))
        shown = [(k, v) for k, v in enumerate(node.inputs) if not is_number(v)]
        ordered = len(shown) > 1 and not node.op.commutative
        for k, v in shown:
            start = self.variable(v)
            number = k if ordered else -1
            self.picture.arrows.append(Arrow(start, box, number, type_text(v)))

    def variable(self, variable: Variable) -> int:
        """The box that stands for a variable: that of its operation, or its own."""
        if variable.owner is not None:
            return self.picture.number[variable.owner]
        if variable in self.picture.number:
            return self.picture.number[variable]
        kind = kind_of(variable)
        text = self.short(label_of(variable))
        value = f"\nvalue: {value_text(variable)}" if kind != "input" else ""
        title = f"{kind} {text}: {type_text(variable)}{value}"
        return self.picture.box(variable, Box(kind, [text, type_text(variable)], title))

    def root(self, root: Root) -> None:
        start = self.variable(root.variable)
        update = root.role.startswith("update")
        text = root.role or root.variable.name or "output"
        title = f"{text}: {type_text(root.variable)}"
        box = Box("update" if update else "output", [self.short(text)], title)
        end = self.picture.box(("root", len(self.picture.boxes)), box)
        self.picture.arrows.append(Arrow(start, end, -1, type_text(root.variable)))

    def short(self, text: str) -> str:
        return text if len(text) <= self.longest else text[: self.longest - 1] + "…"


def copy_far_leaves(picture: Picture) -> None:
    """Draw a leaf again near where it is used far from its first use: no arrow from it
    then runs through the whole picture."""
    edges = [(arrow.start, arrow.end) for arrow in picture.arrows]
    level = find_levels(len(picture.boxes), edges)
    made = {end for _, end in edges}
    nearest: dict[
        int, tuple[int, int]
    ] = {}  # leaf -> its latest copy, and that's level
    for arrow in sorted(picture.arrows, key=lambda arrow: level[arrow.end]):
        leaf = arrow.start
        if leaf in made:
            continue
        copy, above = nearest.setdefault(leaf, (leaf, level[leaf]))
        if level[arrow.end] - above > FAR:
            copy, above = len(picture.boxes), level[arrow.end] - 1
            picture.boxes.append(picture.boxes[leaf])
            nearest[leaf] = copy, above
        arrow.start = copy


class Drawing:
    """A picture of a graph, which notebooks show; `svg` is its text.

    width, height: in pixels.

    >>> drawing = symnet.draw(T.exp(T.dvector("x")))
    >>> drawing.svg[:4], drawing.width > 0
    ('<svg', True)
    """

    def __init__(self, picture: Picture) -> None:
        sizes = [(box.width, box.height) for box in picture.boxes]
        placed = place(sizes, [(arrow.start, arrow.end) for arrow in picture.arrows])
        self.width = placed.width + 2 * MARGIN
        self.height = placed.height + 2 * MARGIN
        self.svg = _svg(picture, placed, self.width, self.height)

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the SVG text to a file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg)

    def __repr__(self) -> str:
        return f"<Drawing {self.width:.0f} x {self.height:.0f}>"


def _svg(picture: Picture, placed: Placed, width: float, height: float) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" '
        'text-anchor="middle" style="max-width:100%;height:auto">',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
    ]
    entries = _entries(picture, placed)
    for k, (arrow, way) in enumerate(zip(picture.arrows, placed.ways)):
        boxes = picture.boxes[arrow.start], picture.boxes[arrow.end]
        points = [*way[:-1], (way[-1][0] + entries[k][0], way[-1][1])]
        points[0] = (points[0][0], points[0][1] + boxes[0].height / 2)
        points[-1] = (points[-1][0], points[-1][1] - boxes[1].height / 2)
        parts.append(_arrow(points, arrow.title, entries[k][1]))
    for box, centre in zip(picture.boxes, placed.centres):
        parts.append(_box(box, *centre))
    return "\n".join([*parts, "</g>", "</svg>"])


def _box(box: Box, x: float, y: float) -> str:
    fill, border = COLOURS[box.kind]
    radius = 5 if box.kind == "operation" else box.height / 2
    radius = min(radius, 14.0)
    rows = len(box.lines)
    texts = []
    for k, line in enumerate(box.lines):
        size = SIZE if k == 0 else SMALL
        colour = "#1c2733" if k == 0 else "#66727e"
        base = y + (k - (rows - 1) / 2) * 14.0 + size * 0.36
        texts.append(
            f'<text x="{x:.1f}" y="{base:.1f}" font-size="{size}" fill="{colour}">'
            f"{escape(line)}</text>"
        )
    return (
        f"<g><title>{escape(box.title)}</title>"
        f'<rect x="{x - box.width / 2:.1f}" y="{y - box.height / 2:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.1f}" '
        f'fill="{fill}" stroke="{border}" stroke-width="1.2"/>{"".join(texts)}</g>'
    )


def _entries(picture: Picture, placed: Placed) -> list[tuple[float, str]]:
    """Where each arrow enters its box, from the middle, and the number beside it.

    Arrows enter from left to right as they come, so that they do not cross; they are
    numbered where that is not the order of the inputs.
    """
    arriving: dict[int, list[int]] = {}
    for k, arrow in enumerate(picture.arrows):
        arriving.setdefault(arrow.end, []).append(k)
    found: dict[int, tuple[float, str]] = {}
    for end, arrows in arriving.items():
        arrows.sort(key=lambda k: (placed.ways[k][-2][0], picture.arrows[k].number))
        numbers = [picture.arrows[k].number for k in arrows]
        numbered = numbers != sorted(numbers)
        step = min(picture.boxes[end].width * 0.7 / len(arrows), 26.0)
        for position, k in enumerate(arrows):
            shift = (position - (len(arrows) - 1) / 2) * step
            found[k] = shift, str(numbers[position]) if numbered else ""
    return [found[k] for k in range(len(picture.arrows))]


def _arrow(points: Sequence[tuple[float, float]], title: str, number: str) -> str:
    """A smooth line through the points, upright at both ends, with a head."""
    x, y = points[-1]
    way = [*points[:-1], (x, y - 6.0)]
    slopes = [(u[0] - v[0]) / (u[1] - v[1]) for u, v in zip(way[2:], way)]
    slopes = [0.0, *slopes, 0.0]
    path = f"M{way[0][0]:.1f} {way[0][1]:.1f}"
    for k, ((a, b), (c, d)) in enumerate(zip(way, way[1:])):
        h = 0.42 * (d - b)
        path += f"C{a + slopes[k] * h:.1f} {b + h:.1f} {c - slopes[k + 1] * h:.1f} {d - h:.1f}"
        path += f" {c:.1f} {d:.1f}"
    text = ""
    if number:
        place = f'x="{x + 7:.1f}" y="{y - 4:.1f}" font-size="8.5" fill="#66727e"'
        text = f"<text {place}>{number}</text>"
    return (
        f"<g><title>{escape(title)}</title>"
        f'<path d="{path}" fill="none" stroke="#8a949e" stroke-width="1.2"/>'
        f'<path d="M{x - 3.5:.1f} {y - 7:.1f}h7l-3.5 7z" fill="#8a949e"/>{text}</g>'
    )


def draw(obj: Any, max_label_size: int = 40) -> Drawing:
    """A picture of the graph of a variable, a list of them, or a compiled function.

    Inputs are green, shared variables and their updates orange, outputs blue; constants
    of one element stand in the box of their operation, as in `mul (·, 0.5)`; a leaf used
    in places far apart is drawn again.  Hovering shows types, values and the user's line.
    Inputs enter from left to right, or are numbered.
    Raises: TypeError for an object without a graph.

    >>> picture = symnet.draw(T.exp(T.dscalar("x")))
    >>> "<svg" in picture._repr_svg_()
    True
    """
    return Drawing(Painter(max_label_size).paint(roots_of(obj)))


def pydotprint(
    fct: Any, outfile: str | os.PathLike[str] | None = None, compact: bool = True,
    format: str = "svg", with_ids: bool = False, high_contrast: bool = True,
    cond_highlight: Any = None, colorCodes: Any = None, max_label_size: int = 70,
    scan_graphs: bool = False, var_with_name_simple: bool = False,
    print_output_file: bool = True, return_image: bool = False,
) -> Drawing:  # fmt: skip
    """Theano's name for `draw`: writes an SVG file and returns the drawing.

    outfile: the file; its ending is made ".svg".  None: nothing is written unless the
        drawing is wanted as a file.
    The other arguments, which concern Theano's own pictures, are accepted.
    Raises: TypeError for an object without a graph.
    """
    drawing = draw(fct, max_label_size)
    if outfile is not None:
        path = os.path.splitext(os.fspath(outfile))[0] + ".svg"
        drawing.save(path)
        if print_output_file:
            print(f"The graph was written to {path}")
    return drawing
