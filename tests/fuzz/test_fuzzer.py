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
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from symnet.compile.memory import overwriting
from symnet.compile.memory.placer import Placer
from symnet.config import config
from symnet.kernels.loopir.scalars import select
from symnet.ops.elementwise import REGISTRY
from symnet.ops.nnet.convolution import Convolution
from symnet.ops.nnet.pooling import Pooling
from tests.fuzz import run as running
from tests.fuzz.drawing import Drawing
from tests.fuzz.forms import FORMS
from tests.fuzz.generate import generate
from tests.fuzz.judge import judge
from tests.fuzz.program import Program, all_steps
from tests.fuzz.run import FINDS, ROOT, keep, replay, run, shows, strict
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
    assert {Drawing(seed).program["mode"] for seed in range(200, 500)} >= {
        "FAST_RUN", "FAST_COMPILE", "DebugMode", "no rewrites", "by reference",
        "users' rewrites", "on the reference device", "on the emulated device",
        "in less memory",
    }  # fmt: skip
    assert {g["order"] for p in drawn for g in p["gradients"]} == {1, 2}
    assert {g["way"] for p in drawn for g in p["gradients"]} == {"grad", "Rop"}
    assert any(p["updates"] for p in drawn)
    dtypes = {x["dtype"] for p in drawn for x in p["leaves"]}
    assert {"bool", "complex128", "float16", "uint64", "int8"} & dtypes


# ---- planted faults


def with_step(name: str, seeds: range) -> Iterator[int]:
    """Of programs that apply the function, or do the step, of that name."""
    drawn = ((seed, all_steps(generate(seed)["steps"])) for seed in seeds)
    return (
        seed for seed, steps in drawn
        if any(name in (s["do"], s.get("name")) for s in steps)
    )  # fmt: skip


def found_among(seeds: Iterable[int]) -> tuple[Program, str]:
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
    drawn, kind = found_among(with_step("tanh", range(1690, 2500)))
    small = shrink(drawn, lambda p: shows(p, kind), 15.0)
    assert len(all_steps(small["steps"])) <= 3
    assert any(s.get("name") == "tanh" for s in all_steps(small["steps"]))


def test_a_wrong_gradient_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    op = REGISTRY["tanh"]
    right = op.derivative
    monkeypatch.setattr(op, "derivative", lambda *a: [1.01 * g for g in right(*a)])
    drawn, kind = found_among(with_step("tanh", range(1110, 2500)))
    assert "gradient" in kind
    small = shrink(drawn, lambda p: shows(p, kind), 15.0)
    assert len(all_steps(small["steps"])) <= 4


WRONG_PICTURES = {
    "of filters": (Convolution, "filter_gradient", "convolve"),
    "of images": (Convolution, "input_gradient", "convolve"),
    "of pooling": (Pooling, "spread", "pool"),
}


@pytest.mark.parametrize("what", list(WRONG_PICTURES))
def test_a_wrong_gradient_of_pictures_is_found(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    owner, name, do = WRONG_PICTURES[what]
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a: 1.01 * right(*a))
    drawn, kind = found_among(with_step(do, range(1003, 3000, 5)))
    small = shrink(drawn, lambda p: shows(p, kind), 3.0)
    assert do in {s["do"] for s in all_steps(small["steps"])}


def last_use_of_anything(self: Placer, step: Any, source: Any) -> bool:
    return self._unplaced(step.outputs[0].buffer) and self._whole(source)


WRONG_PLACES = {
    "over what is still read": (overwriting, "overwrites_safely", lambda *_: True),
    "over other elements": (overwriting, "_same_elements", lambda *_: True),
    "over what others read": (Placer, "_last_use", last_use_of_anything),
}


@pytest.mark.parametrize("proven", ["on", "off"])
@pytest.mark.parametrize("what", list(WRONG_PLACES))
def test_a_wrong_place_is_found(
    monkeypatch: pytest.MonkeyPatch, what: str, proven: str
) -> None:
    """Where programs are proven and, by the values alone, where they are not."""
    monkeypatch.setattr(*WRONG_PLACES[what])
    with config.change_flags(verify=proven):
        drawn, kind = found_among(range(4, 3000, 5))
        assert drawn["updates"]
        if proven == "on":
            assert "PlacementError" in kind or "BadMemory" in kind
            small = shrink(drawn, lambda p: shows(p, kind), 5.0)
            assert len(all_steps(small["steps"])) <= 3


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


def test_whole_numbers_wrap_around_in_every_meaning() -> None:
    """-1 of uint8 is 255 beside many digits, too."""
    steps = [
        {"id": 2, "do": "apply", "args": [1], "name": "neg"},
        {"id": 3, "do": "scale", "args": [2], "by": 0.5, "plus": 0.25},
    ]
    for dtype in ("uint8", "int8", "uint64", "int64"):
        drawn = program([leaf(1, ["m"], dtype=dtype)], steps, outputs=[3])
        verdict = judge(drawn)
        assert verdict.faults == [] and verdict.counts["beside many digits"] == 1


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
    assert run(3.0, 1, 5000, tmp_path) == len(list(tmp_path.glob("*.json")))
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


# A fuzzer with a form that ends its process, and one that never comes back.
PLANTED = """
import ctypes, sys
import symnet
from symnet import tensor as T
from tests.fuzz import run
from tests.fuzz.forms import FORMS
from tests.fuzz.spaces import Symbols

class Fails(symnet.Op):
    __props__ = ("how",)
    def __init__(self, how):
        self.how = how
    def make_node(self, x):
        return symnet.Apply(self, [x], [x.type()])
    def perform(self, node, inputs, outputs):
        if self.how == "crash":
            ctypes.string_at(0)
        while True:
            pass

def planted(how):
    return lambda m, s, x: Fails(how)(x) if m is Symbols else x

def generate(seed):
    leaf = {"id": 1, "shape": ["m"], "dtype": "float64", "fill": "normal", "shared": False}
    steps = [
        {"id": 2, "do": "apply", "args": [1], "name": "tanh"},
        {"id": 3, "do": "form", "args": [2], "name": "KIND OF END"},
    ]
    return {
        "seed": 3, "sizes": [{"m": 3}], "leaves": [leaf], "steps": steps if seed == 0 else
        steps[:1], "outputs": [3 if seed == 0 else 2], "updates": [], "gradients": [],
        "functions": 1, "mode": "FAST_RUN", "claims": False,
    }

FORMS["crash"], FORMS["hang"] = planted("crash"), planted("hang")
run.generate = generate
sys.exit(run.main())
"""


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_a_process_that_ends_or_hangs_is_a_find(
    how: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, once, and kept in a file that shows it again."""
    script = tmp_path / "planted.py"
    script.write_text(PLANTED.replace("KIND OF END", how))
    monkeypatch.setattr(running, "COMMAND", [sys.executable, str(script)])
    monkeypatch.setattr(running, "HANGS", 4.0)
    monkeypatch.setattr(running, "ENDS", 12.0 if how == "crash" else 0.0)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert run(6.0, 1, 0, tmp_path / "finds") == 1
    (path,) = (tmp_path / "finds").iterdir()
    find = json.loads(path.read_text())
    assert find["kind"].startswith(how) and find["text"].endswith(
        "-11" if how == "crash" else "-9"
    )
    assert any(s.get("name") == how for s in find["program"]["steps"])
    if how == "crash":
        assert len(find["program"]["steps"]) == 1
    again = subprocess.Popen(
        [sys.executable, str(script), "--replay", str(path)],
        cwd=ROOT,
        env=strict(before=False),
    )
    try:
        # However long a busy machine takes to begin; a hang is known by then.
        assert again.wait(60.0 if how == "crash" else 3.0) == -11 and how == "crash"
    except subprocess.TimeoutExpired:
        assert how == "hang"
    finally:
        again.kill()
        again.wait()
