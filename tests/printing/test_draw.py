from __future__ import annotations

from pathlib import Path
from time import process_time
from xml.etree import ElementTree

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.variables import Variable
from symnet.printing import draw, pydotprint

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def titles(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def expression() -> Variable:
    x = T.matrix("x", dtype="float32")
    w = symnet.shared(np.ones((3, 2), "float32"), "w")
    out = T.tanh(T.dot(x, w)) * 0.5
    out.name = "a<b"
    return out


def test_every_part_is_shown_once() -> None:
    shown = texts(draw(expression()).svg)
    for text in ("x", "w", "Dot", "tanh", "mul", "(·, 0.5)"):
        assert shown.count(text) == 1
    assert shown.count("a<b") == 2  # beside its operation, and as the output
    assert "float32[?, ?]" in shown


def test_hovering_shows_types_values_and_lines() -> None:
    shown = "\n".join(titles(draw(expression()).svg))
    assert "tanh: float32[?, ?]" in shown
    assert "shared w: float32[?, ?]\nvalue: [[1., 1.], [1., 1.], [1., 1.]]" in shown
    assert "test_draw.py" in shown and "T.tanh(T.dot(x, w))" in shown


def test_functions_show_updates_and_numbered_inputs() -> None:
    x = T.vector("x", dtype="float64")
    w = symnet.shared(np.zeros(3), "w")
    f = symnet.function([x], T.sum(w - x), updates=[(w, w - 0.1 * x)])
    shown = texts(draw(f).svg)
    assert "output 0" in shown and "update of w" in shown


def test_a_function_of_a_network_is_drawn_quickly_and_whole() -> None:
    x = T.matrix("x", dtype="float64")
    parameters, h = [], x
    for k in range(3):
        w = symnet.shared(np.zeros((4, 4)), f"w{k}")
        b = symnet.shared(np.zeros(4), f"b{k}")
        parameters += [w, b]
        h = T.tanh(T.dot(h, w) + b)
    cost = T.sqr(h - x).mean()
    updates = [(p, p - 0.1 * g) for p, g in zip(parameters, T.grad(cost, parameters))]
    f = symnet.function([x], cost, updates=updates)
    drawing = draw(f)
    count = len(f.maker.fgraph.toposort())
    rectangles = list(ElementTree.fromstring(drawing.svg).iter(f"{SVG}rect"))
    # The ground; operations; x and 6 parameters, some drawn again; the outputs.
    assert 1 + count + 7 + 7 <= len(rectangles) <= 1 + count + 7 + 7 + 14
    assert drawing.width < 3000 and drawing.height < 3000


def test_leaves_are_drawn_again_far_from_their_first_use() -> None:
    x = T.vector("x")
    near, far = x, x
    for _ in range(4):
        near = T.exp(near) + x
    for _ in range(20):
        far = T.exp(far) + x
    assert texts(draw(near).svg).count("x") < texts(draw(far).svg).count("x") < 12


def test_large_graphs_are_drawn_in_time() -> None:
    x = T.vector("x")
    values: list[Variable] = [x]
    for k in range(1, 600):
        values.append(values[-1] + values[k // 2])  # long edges everywhere
    start = process_time()
    draw(values[-1])
    assert process_time() - start < 10


def test_long_labels_are_cut() -> None:
    x = T.vector("x" * 100)
    assert max(map(len, texts(draw(x).svg))) == 40
    assert max(map(len, texts(draw(x, max_label_size=10).svg))) == 10


def test_drawings_are_the_same_every_time() -> None:
    assert draw(expression()).svg == draw(expression()).svg


def test_saving_and_notebooks(tmp_path: Path) -> None:
    drawing = draw(expression())
    drawing.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing._repr_svg_()
    assert repr(drawing).startswith("<Drawing")


def test_theanos_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawing = pydotprint(
        expression(), outfile=str(tmp_path / "graph.png"), format="png"
    )
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg
    assert "graph.svg" in capsys.readouterr().out


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot print"):
        draw("x")
