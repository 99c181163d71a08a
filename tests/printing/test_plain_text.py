from __future__ import annotations

import io
import sys

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.variables import Variable
from symnet.ifelse import ifelse
from symnet.printing import debugprint, min_informative_str


def model() -> tuple[Variable, symnet.SharedVariable]:
    x = T.matrix("x", dtype="float64")
    w = symnet.shared(np.ones((3, 2)), "w")
    hidden = T.tanh(T.dot(x, w))
    hidden.name = "hidden"
    return hidden * hidden + 1.5, w


def test_golden_tree() -> None:
    out, _ = model()
    assert debugprint(out, file="str").splitlines() == [
        "add [id A]",
        "├─ mul [id B]",
        "│  ├─ tanh [id C] 'hidden'",
        "│  │  └─ Dot [id D]",
        "│  │     ├─ x [id E]",
        "│  │     └─ w [id F]",
        "│  └─ tanh [id C] 'hidden' ...",
        "└─ 1.5 [id G]",
    ]


def test_types_depth_storage_and_stopping_at_names() -> None:
    out, _ = model()
    text = debugprint(out, depth=2, print_type=True, file="str", ids="int")
    assert text.splitlines() == [
        "add [id 0] <float64 matrix>",
        "├─ mul [id 1] <float64 matrix>",
        "└─ 1.5 [id 2] <float64 scalar>",
    ]
    stopped = debugprint(out, stop_on_name=True, file="str", ids="")
    assert stopped.splitlines()[2] == "│  ├─ tanh 'hidden'" and "Dot" not in stopped
    assert "= [[1., 1.], [1., 1.], [1., 1.]]" in debugprint(
        out, print_storage=True, file="str"
    )


def test_clients_are_named() -> None:
    out, w = model()
    lines = debugprint(out, print_clients=True, file="str").splitlines()
    assert lines[0].endswith("clients: output")
    (line,) = [line for line in lines if line.split("─ ")[-1].startswith("w ")]
    assert "clients: Dot" in line


def test_function_names_outputs_and_updates() -> None:
    out, w = model()
    x = T.matrix("x", dtype="float64")
    function = symnet.function([x], [x * 2, x + 1], updates=[(w, w * 0.5)])
    lines = debugprint(function, file="str").splitlines()
    roles = [line.split("-> ")[1] for line in lines if "-> " in line]
    assert roles == ["output 0", "output 1", "update of w"]
    assert debugprint(function.maker.fgraph, file="str").count("-> output") == 3


def test_lists_share_ids_and_what_is_done() -> None:
    x = T.vector("x")
    a = T.exp(x)
    text = debugprint([a, a + 1], file="str").splitlines()
    assert text == [
        "exp [id A]",
        "└─ x [id B]",
        "add [id C]",
        "├─ exp [id A] ...",
        "└─ 1.0 [id D]",
    ]
    done: dict[object, object] = {}
    names: dict[object, str] = {}
    debugprint(a, file="str", done=done, used_ids=names)
    again = debugprint(a + 1, file="str", done=done, used_ids=names).splitlines()
    assert again[0] == "add [id C]" and again[1] == "├─ exp [id A] ..."


def test_files(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.vector("x")
    assert debugprint(x) is None
    assert capsys.readouterr().out == "x [id A]\n"
    file = io.StringIO()
    assert debugprint(x, file=file) is file
    assert file.getvalue() == "x [id A]\n"
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    debugprint(x + 1, file=narrow)
    narrow.flush()
    assert narrow.buffer.getvalue() == b"add [id A]\n|- x [id B]\n`- 1.0 [id C]\n"  # type: ignore[attr-defined]


def test_what_cannot_be_printed_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot print"):
        debugprint(3)
    with pytest.raises(ValueError, match="ids must be"):
        debugprint(T.vector("x"), ids="letters")


def test_deep_graphs_print_within_the_recursion_limit() -> None:
    x = T.vector("x")
    y = x
    for _ in range(20_000):
        y = y + x
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200 + len(__import__("inspect").stack()))
    try:
        text = debugprint(y, file="str", ids="int")
    finally:
        sys.setrecursionlimit(limit)
    assert text.count("add") == 20_000 and len(text) < 2_000_000
    assert "19999: add" in text


def test_graphs_inside_loops_and_conditions() -> None:
    x, c = T.vector("x"), T.scalar("c")
    rows, _ = symnet.scan(lambda v, s: s * v, x, T.constant(1.0, "s"), name="walk")
    assert debugprint(rows, file="str").split("\n\n")[1] == (
        "inside Scan{walk} [id B]\n"
        "mul [id H]  -> state 0 (s)\n"
        "├─ s[t-1] [id I]\n"
        "└─ x[t] [id J]\n"
    )
    chosen = ifelse(c, T.exp(x), x)
    assert "inside" not in debugprint(chosen, file="str")  # all of it stands outside
    f = symnet.function([c, x], chosen)
    text = debugprint(f, file="str")
    assert "inside IfElse" in text and "exp [id" in text.split("inside")[1]
    assert "  -> else 0" in text
    loops = [symnet.scan(lambda v, g=g: g(v), x)[0] for g in (T.sin, T.cos, T.cos)]
    first, second, third = map(min_informative_str, loops)
    assert first != second == third


def test_short_text_tells_structure() -> None:
    x, y = T.vectors("x", "y")
    assert min_informative_str(x + y) == "add [id A]\n|- x [id B]\n`- y [id C]"
    assert min_informative_str(x * y) == min_informative_str(x * y)
    assert min_informative_str(x, indent_level=2) == "  x [id A]"
