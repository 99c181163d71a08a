"""The fuzzer finds planted faults and makes them small; what it found stays found; and a
minute of it.

Longer: `make fuzz SECONDS=3600`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from symnet.kernels.loopir.scalars import select
from symnet.ops.elementwise import REGISTRY
from tests.fuzz.forms import FORMS
from tests.fuzz.generate import generate
from tests.fuzz.judge import judge
from tests.fuzz.program import Program, all_steps
from tests.fuzz.run import FINDS, ROOT, keep, replay, run, shows
from tests.fuzz.shrink import shrink

FIXED = range(30)  # numbers of programs that run in every suite
SECONDS = 10.0  # for programs of other numbers
FOUND = sorted(FINDS.glob("*.json"))


def leaf(number: int, shape: list[Any], **rest: Any) -> dict[str, Any]:
    usual = {"dtype": "float64", "fill": "normal", "shared": False}
    return {"id": number, "shape": shape, **usual, **rest}


def program(leaves: Any, steps: Any, **rest: Any) -> Program:
    usual = {
        "seed": 3, "sizes": [{"m": 4, "n": 3}], "outputs": [], "updates": [],
        "gradients": [], "functions": 1, "mode": "FAST_RUN", "claims": False,
    }  # fmt: skip
    return {**usual, "leaves": leaves, "steps": steps, **rest}


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.stem)
def test_what_was_found_once(path: Any) -> None:
    assert replay(str(path)) == []


@pytest.mark.parametrize("seed", FIXED)
def test_fixed_programs(seed: int) -> None:
    assert judge(generate(seed)).faults == []


def test_other_programs() -> None:
    """Different ones in each run; SYMNET_FUZZ_SEED repeats a run."""
    first = int(os.environ.get("SYMNET_FUZZ_SEED", time.time_ns() % 10**9))
    print(f"SYMNET_FUZZ_SEED={first}")
    until, seed = time.monotonic() + SECONDS, first
    while time.monotonic() < until:
        faults = judge(generate(seed)).faults
        assert faults == [], f"python -m tests.fuzz.run --first {seed}"
        seed += 1


def test_a_program_is_plain_data_and_repeats() -> None:
    for seed in range(60, 80):
        drawn = generate(seed)
        assert json.loads(json.dumps(drawn)) == drawn == generate(seed)


def test_programs_are_of_every_kind() -> None:
    drawn = [generate(seed) for seed in range(200, 260)]
    steps = {s["do"] for p in drawn for s in all_steps(p["steps"])}
    assert {"loop", "choose", "set", "add", "form", "index", "reduce", "join"} <= steps
    assert {p["mode"] for p in drawn} == {
        "FAST_RUN", "FAST_COMPILE", "DebugMode", "no rewrites", "by reference"
    }  # fmt: skip
    assert {g["order"] for p in drawn for g in p["gradients"]} == {1, 2}
    assert any(p["updates"] for p in drawn)
    dtypes = {x["dtype"] for p in drawn for x in p["leaves"]}
    assert {"bool", "complex128", "float16", "uint64", "int8"} & dtypes


# ---- planted faults


def found_among(seeds: range) -> tuple[Program, str]:
    for seed in seeds:
        drawn = generate(seed)
        faults = judge(drawn).faults
        if faults:
            return drawn, faults[0].kind
    raise AssertionError("the planted fault was not found")


def test_a_wrong_kernel_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    op = REGISTRY["tanh"]
    right = op.body
    monkeypatch.setattr(
        op, "body", lambda x: select(x > 0.1, right(x) * 1.01, right(x))
    )
    drawn, kind = found_among(range(1060, 1400))
    small = shrink(drawn, lambda p: shows(p, kind), 15.0)
    assert len(all_steps(small["steps"])) <= 3
    assert any(s.get("name") == "tanh" for s in all_steps(small["steps"]))


def test_a_wrong_gradient_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    op = REGISTRY["tanh"]
    right = op.derivative
    monkeypatch.setattr(op, "derivative", lambda *a: [1.01 * g for g in right(*a)])
    drawn, kind = found_among(range(1110, 1400))
    assert "gradient" in kind
    small = shrink(drawn, lambda p: shows(p, kind), 15.0)
    assert len(all_steps(small["steps"])) <= 4


def test_what_overflows_as_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A formula that nobody stabilises, said to be stable."""
    large = leaf(1, ["m", "m"], dtype="float32", fill="large")
    planted = [{"id": 2, "do": "form", "args": [1], "name": "planted"}]
    drawn = program([large], planted, outputs=[2], claims=True)

    def by_hand(m: Any, s: Any, x: Any) -> Any:
        large = m.exp(m.square(x))
        return m.divide(m.add(m.sin(large), large), m.add(2.0, large))

    monkeypatch.setitem(FORMS, "planted", by_hand)
    faults = judge(drawn).faults
    assert [f.kind for f in faults] == ["an output beside many digits"]
    assert not judge({**drawn, "leaves": [leaf(1, ["m", "m"], dtype="float32")]}).faults
    assert not judge({**drawn, "claims": False}).faults


def test_a_kink_is_no_fault() -> None:
    steps = [
        {"id": 2, "do": "apply", "args": [1], "name": "absolute"},
        {"id": 3, "do": "form", "args": [2], "name": "weighted sum", "seed": 2},
    ]
    zeros = leaf(1, ["m"], dtype="float32", fill="quarters")
    drawn = program([zeros], steps, gradients=[{"cost": 3, "wrt": [1], "order": 1}])
    assert judge(drawn).faults == []


# ---- processes


def test_a_run_counts_and_ends(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(6.0, 1, 5000, tmp_path) == len(list(tmp_path.glob("*.json")))
    told = capsys.readouterr().out
    assert "programs" in told and "calls" in told


def test_a_find_is_written_and_replayed(tmp_path: Any) -> None:
    path = keep(tmp_path, generate(7), "a kind", "a text")
    assert replay(str(path)) == []
    command = [sys.executable, "-m", "tests.fuzz.run", "--replay", str(path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "nothing is wrong" in done.stdout
