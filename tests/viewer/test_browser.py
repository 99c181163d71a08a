"""The page in a browser: what it shows, and what clicks do."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.viewer.description import description
from symnet.viewer.page import page_text
from tests.viewer.browser import dumped, found_in, needs_browser
from tests.viewer.programs import ARGUMENTS, loop_and_branch, training_step

pytestmark = needs_browser

TOOLS = """
const texts = () => [...drawing.querySelectorAll("text")].map((one) => one.textContent);
const click = (target) => target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const boxed = (text) => [...drawing.querySelectorAll("[data-key]")].find(
  (one) => one.querySelector("text").textContent.includes(text));
const hoverOn = (target) => {
  target.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
  return byId("hover").hidden ? null : byId("hover").textContent;
};
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def step_page() -> str:
    return page_text(description(training_step(), ARGUMENTS))


def test_the_page_runs_by_its_own_policy(step_page: str, folder: pathlib.Path) -> None:
    shown = dumped(step_page, folder)
    assert 'data-ready="yes"' in shown
    assert "function step" in shown


def test_groups_open_and_close(step_page: str, folder: pathlib.Path) -> None:
    script = """
    byId("fold").click();
    const folded = texts();
    click(boxed("hidden"));
    const opened = texts();
    click(boxed("hidden"));
    const closed = texts();
    byId("unfold").click();
    return { folded, opened, closed, all: boxes.size, of: data.stages[0].operations.length };
    """
    found = found_in(step_page, TOOLS + script, folder)
    assert {"▸ hidden", "▸ cost", "▸ gradients", "▸ updates"} <= set(found["folded"])
    assert "Dot" not in found["folded"] and "tanh" not in found["folded"]
    assert {"▾ hidden", "Dot", "tanh"} <= set(found["opened"])
    assert found["closed"] == found["folded"]
    assert found["all"] == found["of"]


def test_hovering_tells_type_line_and_range(
    step_page: str, folder: pathlib.Path
) -> None:
    script = """
    byId("unfold").click();
    const tanh = [...boxes.values()].find((one) => one.textContent.includes("tanhhidden"));
    const told = hoverOn(tanh);
    click(tanh);
    return { told, chosen: byId("details").textContent, leaf: hoverOn(
      [...drawing.querySelectorAll(".shared")][0]) };
    """
    found = found_in(step_page, TOOLS + script, folder)
    for text in (
        "operation: tanh", "type: float64[?, ?]", "dtype: float64", "shape: (?, ?)",
        "hidden = T.tanh(T.dot(x, w))", "programs.py:", "shape (5, 3); 0.964028",
    ):  # fmt: skip
        assert text in found["told"]
    assert "hidden = T.tanh(T.dot(x, w))" in found["chosen"]
    assert "w" in found["leaf"] and "value: [[0.5" in found["leaf"]


def test_the_slider_goes_through_passes_and_rules(
    step_page: str, folder: pathlib.Path
) -> None:
    script = """
    const seen = [];
    const slider = byId("slider");
    for (let k = 0; k <= Number(slider.max); k++) {
      slider.value = k;
      slider.dispatchEvent(new Event("input"));
      seen.push([byId("where").textContent, texts()]);
    }
    byId("earlier").click();
    const back = position;
    byId("stage").value = "0";
    byId("stage").dispatchEvent(new Event("change"));
    return { seen, back, first: position, rewrites: data.rewrites.map((one) => one.rule) };
    """
    found = found_in(step_page, TOOLS + script, folder)
    seen = found["seen"]
    assert seen[0][0].startswith("as written: ")
    rules = [text for text, _ in seen if ", rule " in text]
    assert [text.split(", rule ")[1].split(":")[0] for text in rules] == found[
        "rewrites"
    ]
    (shown,) = (labels for text, labels in seen if "gemm_of_difference" in text)
    assert {"before", "after", "sub", "Gemm"} <= set(shown)
    assert found["back"] == len(seen) - 2 and found["first"] == 0


def test_searching_opens_what_it_finds(step_page: str, folder: pathlib.Path) -> None:
    script = """
    byId("fold").click();
    byId("search").value = "softmax";
    byId("search").dispatchEvent(new Event("input"));
    const results = [...byId("results").children];
    const listed = results.map((one) => one.textContent);
    results[0].click();
    byId("search").value = "no such thing";
    byId("search").dispatchEvent(new Event("input"));
    return { listed, shown: texts(), chosen: drawing.querySelector(".chosen").textContent,
      nothing: byId("results").textContent };
    """
    found = found_in(step_page, TOOLS + script, folder)
    assert found["listed"][0].startswith("Softmax{axis=1}")
    assert "Softmax{axis=1}" in found["shown"]
    assert found["chosen"].startswith("Softmax")
    assert found["nothing"] == "nothing found"


def test_moving_and_zooming(step_page: str, folder: pathlib.Path) -> None:
    script = """
    fit();
    const before = { ...viewport };
    canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, clientX: 400, clientY: 300 }));
    const zoomed = { ...viewport };
    const at = (type, x, y, target) => target.dispatchEvent(
      new PointerEvent(type, { clientX: x, clientY: y, bubbles: true }));
    at("pointerdown", 100, 100, canvas);
    at("pointermove", 160, 130, window);
    at("pointerup", 160, 130, window);
    return { before, zoomed, moved: { ...viewport } };
    """
    found = found_in(step_page, TOOLS + script, folder)
    before, zoomed, moved = found["before"], found["zoomed"], found["moved"]
    assert zoomed["scale"] == pytest.approx(before["scale"] * np.exp(0.3))
    assert moved["x"] == pytest.approx(zoomed["x"] + 60)
    assert moved["y"] == pytest.approx(zoomed["y"] + 30)


def test_the_program_has_memory_times_and_code(
    step_page: str, folder: pathlib.Path
) -> None:
    script = """
    byId("show-program").click();
    const rows = [...byId("steps").tBodies[0].rows];
    const loop = rows.find((row) => row.cells[1].textContent.includes("tanh"));
    loop.click();
    const result = { rows: rows.map((row) => row.textContent), loop: byId("loop").textContent,
      code: byId("machine").textContent, title: byId("code-title").textContent,
      peak: byId("peak").textContent, arena: byId("memory").querySelectorAll("rect").length,
      buffers: data.program.parts[0].arena.buffers.length, summary: byId("summary").textContent,
      arrays: byId("arrays").textContent, hidden: byId("graph").hidden };
    [...byId("memory").querySelectorAll("rect")][0].dispatchEvent(new MouseEvent("click"));
    result.chosen = byId("steps").querySelector("tr.chosen").dataset.step;
    loop.click();
    [...byId("step").querySelectorAll("button")].find((one) => one.textContent === "tanh").click();
    result.graph = !byId("graph").hidden && drawing.querySelector(".chosen").textContent;
    return result;
    """
    found = found_in(step_page, TOOLS + script, folder)
    assert found["hidden"]
    assert found["loop"].startswith("kernel for") and "tanh" in found["loop"]
    assert "define" in found["code"] and found["title"] == "LLVM IR"
    assert found["peak"].startswith("Arena of ") and "Peak: " in found["peak"]
    assert "temporary" in found["peak"] and "programs.py" in found["peak"]
    assert found["arena"] == found["buffers"] + 1
    assert "calls of" in found["summary"]
    assert any("the call itself" in row for row in found["rows"])
    assert "sharedwfloat64(4, 3)96 bytes" in found["arrays"]
    assert found["chosen"] == "0"
    assert found["graph"].startswith("tanh")


def test_loops_and_branches_open(folder: pathlib.Path) -> None:
    f = loop_and_branch()
    script = """
    const result = {};
    show(positions.length - 1);
    const opened = (name) => {
      const place = found(name).find((one) => data.operations[one.operation].op === name);
      reveal(place);
      click(boxes.get(place.operation));
      return texts();
    };
    return { scan: opened("Scan"), branch: opened("IfElse"), edges: [...drawing.querySelectorAll(
      ".edge")].every((one) => !one.getAttribute("d").includes("NaN")) };
    """
    page = page_text(description(f))
    found = found_in(page, TOOLS + script, folder)
    assert {"▾ Scan", "in each step", "add", "new state 0 (start)"} <= set(
        found["scan"]
    )
    assert {"▾ IfElse", "if true", "else", "exp"} <= set(found["branch"])
    assert found["edges"]


def test_names_do_not_run(folder: pathlib.Path) -> None:
    hostile = (
        "</script><script>window.bad = 1</script><img src=x onerror='window.bad=2'>"
    )
    x = T.dvector(hostile)
    y = T.exp(x) * 2
    y.name = hostile
    f = symnet.function([x], y, name=hostile)
    script = """
    byId("unfold").click();
    for (const box of drawing.querySelectorAll(".box")) { hoverOn(box); click(box); }
    byId("search").value = "exp";
    byId("search").dispatchEvent(new Event("input"));
    show(positions.length - 1);
    byId("show-program").click();
    for (const row of byId("steps").rows) row.click();
    return { bad: window.bad ?? null, images: document.images.length,
      title: byId("title").textContent, shown: texts().join(" ") };
    """
    found = found_in(page_text(description(f, [np.ones(3)])), TOOLS + script, folder)
    assert found["bad"] is None and found["images"] == 0
    assert hostile in found["title"]
    assert "</script><script>" in found["shown"]


def test_values_that_are_no_numbers_are_marked(folder: pathlib.Path) -> None:
    x = T.dvector("x")
    f = symnet.function([x], T.exp(T.log(x) * 2))
    page = page_text(description(f, [np.array([-1.0, 1.0])]))
    script = """
    byId("unfold").click();
    return [...drawing.querySelectorAll(".bad")].map((one) => one.textContent);
    """
    found = found_in(page, TOOLS + script, folder)
    assert any(text.startswith("log") for text in found)


def large(count: int) -> Any:
    """A chain of layers, with gradients for as many parameters."""
    h: Any = T.fmatrix("x")
    parameters = [
        symnet.shared(np.eye(4, dtype="float32"), f"w{k}") for k in range(count)
    ]
    for w in parameters:
        a = T.dot(h, w)
        h = T.nnet.sigmoid(a) * a
    cost = h.sum()
    return [cost, *T.grad(cost, parameters)]


def test_large_graphs_are_folded(folder: pathlib.Path) -> None:
    """No level has more boxes than can be laid out at once."""
    script = """
    const sizes = [];
    const note = (frame) => {
      sizes.push(frame.items.length);
      frame.items.filter((one) => one instanceof Frame).forEach(note);
    };
    note(shown);
    const places = found("Dot");
    reveal(places[Math.floor(places.length / 2)]);
    note(shown);
    return { count: data.stages[0].operations.length, most: Math.max(...sizes),
      boxes: boxes.size, found: places.length };
    """
    found = found_in(page_text(description(large(150))), TOOLS + script, folder)
    assert found["count"] > 1000 and found["found"] >= 300
    assert found["most"] <= 100 and found["boxes"] <= 100


def test_a_large_graph_opens_step_by_step(folder: pathlib.Path) -> None:
    """Each click lays out and draws a bounded number of new boxes, until all are there."""
    script = """
    byId("fold").click();
    const members = data.stages[0].members;
    const clicks = [];
    const frames = (frame) => frame.items.filter((one) => one instanceof Frame)
      .reduce((sum, one) => sum + frames(one), 1);
    while (closedIn(members, openIn(0)) && clicks.length < 40) {
      const label = byId("unfold").textContent;
      byId("unfold").click();
      clicks.push([label, drawing.querySelectorAll(".operation, .group").length,
        frames(shown), byId("unfold").title]);
    }
    return { clicks, boxes: boxes.size, of: data.stages[0].operations.length,
      most: MOST_OPENED, last: byId("unfold").textContent };
    """
    found = found_in(page_text(description(large(45))), TOOLS + script, folder)
    clicks, most = found["clicks"], found["most"]
    assert found["of"] > 500 and found["boxes"] == found["of"]
    assert 2 < len(clicks) <= 3 + 2 * found["of"] / most
    drawn = [0, *(count for _, count, _, _ in clicks)]
    # A group's own box goes when it is opened, and what it shows comes.
    assert all(after - before <= most + 16 for before, after in zip(drawn, drawn[1:]))
    assert [label for label, *_ in clicks] == ["open more"] * (len(clicks) - 1) + [
        "open all"
    ]
    assert clicks[0][3].endswith("groups are closed")
    assert clicks[-1][3] == "every group is open" and found["last"] == "open all"


def test_opening_step_by_step_opens_loops(folder: pathlib.Path) -> None:
    script = """
    show(positions.length - 1);
    byId("fold").click();
    byId("unfold").click();
    return { shown: texts(), left: closedIn(data.stages[positions[position].stage].members,
      openIn(positions[position].stage)) };
    """
    found = found_in(page_text(description(loop_and_branch())), TOOLS + script, folder)
    assert {"▾ Scan", "in each step", "▾ IfElse"} <= set(found["shown"])
    assert found["left"] == 0
