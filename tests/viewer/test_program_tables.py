from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.viewer.description import description
from tests.viewer.programs import ARGUMENTS, loop_and_branch, training_step


def program_of(f: symnet.Function, *arguments: Any) -> Any:
    if arguments:
        f(*arguments)
    return description(f)["program"]


def test_steps_with_kernels_and_code() -> None:
    program = program_of(training_step(), *ARGUMENTS)
    (part,) = program["parts"]
    assert part["planned"] and not part["reference"]
    assert [step["number"] for step in part["steps"]] == [
        str(k) for k in range(len(part["steps"]))
    ]
    assert part["steps"][0]["kind"] == "library"
    assert part["steps"][0]["kernel"] is None and part["steps"][0]["codes"] == []
    loops = [step for step in part["steps"] if step["kind"] == "loop"]
    assert loops
    for step in loops:
        assert program["kernels"][step["kernel"]].startswith("kernel")
        (code,) = step["codes"]
        assert program["codes"][code]["title"] == "LLVM IR"
        assert "define" in program["codes"][code]["text"]
    assert any("x.shape[0]" in line for step in loops for line in step["text"])


def test_without_a_call_there_is_no_plan() -> None:
    program = program_of(training_step())
    (part,) = program["parts"]
    assert not part["planned"] and part["arena"] is None and not program["codes"]
    assert program["profile"] is None
    assert all(step["seconds"] is None for step in part["steps"])


def test_the_steps_of_a_loop_stand_inside_it() -> None:
    program = program_of(loop_and_branch(), np.ones((4, 2)), np.zeros(2))
    steps = program["parts"][0]["steps"]
    (loop,) = (s for s in steps if s["what"].startswith("steps of Scan"))
    inside = [s for s in steps if s["number"].startswith(loop["number"] + ".")]
    assert inside and all(s["depth"] == 1 for s in inside)
    first, last = loop["moments"]
    for step in inside:
        assert first <= step["moments"][0] <= step["moments"][1] < last
    ends = [s["moments"][1] for s in steps]
    assert sorted(ends) == list(range(program["parts"][0]["moments"]))


def test_the_arena_is_the_plan_s() -> None:
    """What lives at one time lies in different places; the peak is the highest sum."""
    f = training_step()
    program = program_of(f, *ARGUMENTS)
    arena = program["parts"][0]["arena"]
    plan = next(iter(f.engine.native[0].plans.values()))
    assert arena["bytes"] == plan.loaded.arena_bytes
    buffers = arena["buffers"]
    assert {b["bytes"] for b in buffers} >= {5 * 3 * 8}
    for a in buffers:
        assert a["offset"] >= 0 and a["offset"] + a["bytes"] <= arena["bytes"]
        for b in buffers:
            if a is not b and a["first"] <= b["last"] and b["first"] <= a["last"]:
                apart = a["offset"] + a["bytes"] <= b["offset"]
                assert apart or b["offset"] + b["bytes"] <= a["offset"]
    sums = [
        sum(b["bytes"] for b in buffers if b["first"] <= m <= b["last"])
        for m in range(program["parts"][0]["moments"])
    ]
    assert arena["live"] == sums
    assert sums[arena["peak"]] == max(sums)
    assert sum(buffers[k]["bytes"] for k in arena["at_peak"]) == max(sums)
    numbers = {step["number"] for step in program["parts"][0]["steps"]}
    assert {b["step"] for b in buffers} <= numbers


def test_memory_besides_the_arena() -> None:
    program = program_of(training_step(), *ARGUMENTS)
    arrays = {(a["kind"], a["name"]): a for a in program["parts"][0]["arrays"]}
    assert arrays["input", "x"]["shape"] == [5, 4]
    assert arrays["input", "x"]["bytes"] == 5 * 4 * 8
    assert arrays["shared", "w"]["bytes"] == 4 * 3 * 8
    assert arrays["output", "output 0"]["shape"] == []


def test_times_are_the_profile_s() -> None:
    f = training_step(profile=True)
    f(*ARGUMENTS)
    f(*ARGUMENTS)
    profile = f.profile()
    program = description(f)["program"]
    steps = program["parts"][0]["steps"]
    total = sum(step["seconds"] or 0 for step in steps) + program["profile"]["rest"][1]
    assert total == pytest.approx(profile.seconds)
    given = description(training_step(), profile=None)["program"]
    assert given["profile"] is None


def test_numpy_s_steps_are_listed() -> None:
    x = T.zmatrix("x")
    f = symnet.function([x], T.arccos(T.dot(x, x)))
    program = program_of(f, np.ones((2, 2), complex))
    reference = [s["what"] for part in program["parts"] for s in part["reference"]]
    assert reference == ["arccos"]


def test_a_mode_that_compiles_nothing_has_no_parts() -> None:
    program = program_of(training_step(mode="FAST_COMPILE"), *ARGUMENTS)
    assert program["parts"] == [] and program["device"] == "NumPy"


def test_code_of_a_device_with_threads() -> None:
    x = T.fvector("x")
    f = symnet.function([x], T.exp(x), device="emulated")
    program = program_of(f, np.ones(3, np.float32))
    assert any("define" in code["text"] for code in program["codes"])
