from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ifelse import ifelse
from symnet.printing.stages import PASS_NAMES, STAGE_NAMES, Listing, Stages, size_text
from tests.helpers import reference_sort


def training_step() -> symnet.Function:
    x = T.dmatrix("x")
    w = symnet.shared(np.full((4, 2), 0.1), "w")
    hidden = T.tanh(T.dot(x, w))
    hidden.name = "hidden"
    return symnet.function(
        [x], hidden.sum(), updates=[(w, w - 0.1 * T.grad(hidden.sum(), w))]
    )


def test_golden_graph_as_written() -> None:
    assert Stages(training_step()).text("written").splitlines() == [
        "input x : float64[?, ?]",
        "shared w : float64[?, ?]",
        "%0 = Dot x w : float64[?, ?]",
        "%1 = tanh %0 : float64[?, ?]  'hidden'",
        "%2 = sum{axes=[0, 1]} %1 : float64[]",
        "%3 = DimShuffle{1, 0} x : float64[?, ?]",
        "%4 = DimShuffle{x, x} 1.0 : float64[1, 1]",
        "%5 = second %1 %4 : float64[?, ?]",
        "%6 = sqr %1 : float64[?, ?]",
        "%7 = sub 1.0 %6 : float64[?, ?]",
        "%8 = mul %5 %7 : float64[?, ?]",
        "%9 = Dot %3 %8 : float64[?, ?]",
        "%10 = mul 0.1 %9 : float64[?, ?]",
        "%11 = sub w %10 : float64[?, ?]",
        "output 0: %2",
        "update of w: %11",
    ]


def test_golden_last_pass_and_what_passes_changed() -> None:
    stages = Stages(training_step())
    last = stages.text(PASS_NAMES[-3]).splitlines()  # there are no graphs inside
    assert last[2:4] == [
        "%0 = Dot x w : float64[?, ?]",
        "%1 = tanh %0 : float64[?, ?]  'hidden'",
    ]
    assert any("= Gemm -0.1 " in line for line in last)
    assert stages.difference("merge") == "nothing changed"
    changed = stages.difference("simplify").splitlines()
    assert changed[:2] == ["--- merge", "+++ simplify"]
    assert "-%5 = second %1 %4 : float64[?, ?]" in changed
    assert stages.difference("written") == stages.text("written")


def test_rules_are_told_with_what_they_did() -> None:
    lines = Stages(training_step()).text("rules").splitlines()
    assert lines[0].split(": ")[0] == "simplify" and "  ->  " in lines[0]
    assert any(line.startswith("library: gemm") and "Gemm" in line for line in lines)


def test_golden_clusters_and_loops() -> None:
    x, y = T.dvectors("x", "y")
    f = symnet.function([x, y], T.exp(x) * y)
    stages = Stages(f)
    assert stages.text("fuse").splitlines() == [
        "0: for i0 < x.shape[0]",
        "  %0 = exp x : float64[?]",
        "  %1 = mul %0 y : float64[?]  stored",
    ]
    assert stages.text("loops").splitlines() == [
        "# step 0",
        "kernel for i0",
        "  in0: float64[x]",
        "  in1: float64[x]",
        "  %0:float64 = load 0",
        "  %1:float64 = exp %0",
        "  %2:float64 = load 1",
        "  %3:float64 = mul %1 %2",
        "  out0: float64[x] = %3",
    ]
    *steps, demand = stages.text("program").splitlines()
    assert demand.startswith("demands eq(x.shape[0], y.shape[0]): sizes do not agree")
    assert steps == [
        "step 0: exp, mul [loop]",
        "  reads  input x float64[x.shape[0]]",
        "  reads  input y float64[y.shape[0]]",
        "  writes output 0 float64[x.shape[0]]",
        "  for i0 < x.shape[0]",
    ]


def test_plans_follow_calls() -> None:
    f = training_step()
    stages = Stages(f)
    assert "no plan" in stages.text("plan") and "no plan" in stages.text("llvm")
    f(np.ones((3, 4)))
    lines = stages.text("plan").splitlines()
    assert lines[0] == "for x: (3, 4); w: (4, 2)"
    assert lines[1].startswith("arena ") and lines[2].startswith("step 0: Dot (gemm): ")
    f(np.ones((7, 4)))
    assert stages.text("plan").splitlines()[0] == "for x: (7, 4); w: (4, 2)"


def test_code() -> None:
    f = training_step()
    f(np.ones((3, 4)))
    stages = Stages(f)
    module = stages.text("llvm")
    assert module.startswith("; step 1") and "define i64 @kernel" in module
    assert "kernel:" in stages.text("asm")


def test_reference_operations_are_shown() -> None:
    x = T.dmatrix("x")
    f = symnet.function([x], reference_sort(T.exp(x)).sum())
    for stage in ("fuse", "program"):
        lines = Stages(f).text(stage).splitlines()
        assert lines[0] == "part 0" and "part 1" in lines
        assert any(line.startswith("NumPy: ") and "Sort" in line for line in lines)
    f(np.ones((2, 2)))
    assert "part 1" in Stages(f).text("plan")


def test_modes_that_compile_nothing_say_so() -> None:
    x = T.dvector("x")
    stages = Stages(symnet.function([x], T.exp(x) + 1, mode="FAST_COMPILE"))
    assert list(stages.sections)[:2] == ["written", "rules"]
    assert stages.text("rules") == "no rule was used"
    for stage in ("fuse", "loops", "program", "plan", "llvm"):
        assert stages.text(stage) == "Mode FAST_COMPILE compiles nothing"


def test_every_stage_has_a_text_and_is_stable() -> None:
    f = training_step()
    f(np.ones((3, 4)))
    idle = (
        "write out",
        "stable",
        "branches",
        "scans",
        "simplify scans",
        "inside",
        "recompute",
    )  # there is nothing
    names = [name for name in STAGE_NAMES if name not in idle]
    assert set(Stages(f).sections) == set(names)
    for name in names:
        assert Stages(f).text(name) == Stages(f).text(name) != ""


def test_equal_work_has_one_number_in_all_graphs() -> None:
    x = T.dvector("x")
    listing = Listing()
    first, second = T.exp(x), T.exp(x)
    listing.present = {first}
    assert listing.name(first) == "%0"
    listing.present = {second}
    assert listing.name(second) == "%0"
    listing.present = {first, second}
    assert listing.name(T.exp(x)) == "%1"


def test_sizes_in_words() -> None:
    x = T.dmatrix("x")
    f = symnet.function([x], T.concatenate([x[1:], x], axis=0))
    (native,) = f.engine.native
    arguments = native.program.arguments
    sizes = [size_text(s, arguments) for s in native.program.outputs[0].sizes]
    assert sizes[1] == "x.shape[1]" and "x.shape[0]" in sizes[0]


def test_unknown_stages() -> None:
    with pytest.raises(KeyError):
        Stages(training_step()).text("nothing")


def test_the_steps_inside_a_loop() -> None:
    xs, w, h0 = T.dtensor3("xs"), T.dmatrix("w"), T.dmatrix("h0")
    hs, _ = symnet.scan(lambda x, h: T.tanh(T.dot(h, w) + x), xs, h0)
    f = symnet.function([xs, w, h0], hs)
    f(np.ones((7, 2, 3)), np.eye(3), np.ones((2, 3)))
    stages = Stages(f)
    assert "in each step:" in stages.text("inside")
    program = stages.text("program")
    assert "xs.shape[0] times" in program
    assert "moved along" in program
    numbers = [
        line.split(":")[0] for line in program.splitlines() if "[library]" in line
    ]
    (product,) = numbers  # inside the loop
    assert product.endswith(".0")
    assert ": 7 times" in stages.text("plan")
    loop = product.removesuffix("0") + "1"
    assert loop in stages.text("loops")
    assert f"; {loop.removeprefix('step ')}" in stages.text("llvm").replace("step ", "")


def test_the_branches_of_a_condition() -> None:
    c, x = T.lscalar("c"), T.dvector("x")
    f = symnet.function([c, x], ifelse(c, T.exp(x), x[::-1]))
    f(1, np.ones(3))
    stages = Stages(f)
    assert "if true:" in stages.text("inside")
    lines = stages.text("program").splitlines()
    numbers = [line.split(":")[0] for line in lines if line.startswith("step ")]
    choice = next(n for n in numbers if f"{n}.0.0" in numbers)
    assert f"{choice}.1.0" in numbers
    plan = stages.text("plan")
    assert f"{choice}.0.0" in plan
    assert f"{choice}.1.0" not in plan  # only what is taken is planned
