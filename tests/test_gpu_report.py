"""The report of a GPU, tried out on an emulated one: what is measured is right, and a step
that fails is told while the others go on."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu import gpu_report, gpu_worker, resident
from benchmarks.gpu.gpu_cases import CASES
from benchmarks.gpu.gpu_tables import case_table, markdown
from benchmarks.worker import reference
from symnet.config import config

# Those whose quick forms differ in kind; the whole is tried by hand.
SOME = ["elementwise 1e8", "full sum 1e8", "MLP batch 20", "LSTM", "RBM CD-15"]


@pytest.mark.parametrize("name", SOME)
def test_cases_are_right_on_the_device(name: str) -> None:
    with config.change_flags(device="emulated"):
        symnet = gpu_worker.loaded("symnet", "emulated", "float32")
        found = gpu_worker.measured(symnet, CASES[name], quick=True)
    assert found["error"] < 1e-4 and found["device"] > 0 and found["wall"] > 0
    if name != "RBM CD-15":
        assert found["profile"]["kernels"] > 0 and "step" in found["profile"]["text"]


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_a_reference(name: str) -> None:
    problem: Any = CASES[name].make(True)
    if hasattr(problem, "sure"):
        problem = problem.sure()
    assert all(np.isfinite(value).all() for value in reference(problem))


def test_a_wrong_result_is_not_timed() -> None:
    class Wrong:
        lacks = ""

        def counter(self, problem: Any) -> resident.Resident:
            return resident.Resident(lambda: None, lambda _: [np.array(7)])

    found = gpu_worker.measured(Wrong(), CASES["a call by itself"], quick=True)
    assert "wrong" in found and "device" not in found


def test_times_are_medians() -> None:
    moments = iter([0.0, 1.0, 0.0, 8.0, 0.0, 2.0, *[0.0, 5.0] * 20])
    program = resident.Resident(lambda: None, lambda _: [], lambda: next(moments))
    assert resident.timed(program, 3, 1.0)["device"] == 5.0


def fake(command: list[str], quick: bool, settings: Any = None) -> tuple[str, str]:
    """No installer, no card, tests of which one fails, one case that is measured."""
    text = " ".join(command)
    if "pytest" in text:
        (file,) = [c.partition("=")[2] for c in command if c.startswith("--junitxml=")]
        pathlib.Path(file).write_text(
            '<testsuites><testsuite><testcase classname="t" name="good"/>'
            '<testcase classname="t" name="away"><skipped message="no"/></testcase>'
            '<testcase classname="t" name="bad"><failure message="CUDA_ERROR_1"/>'
            "</testcase></testsuite></testsuites>"
        )
        return "1 failed", "ended with 1: "
    if "gpu_worker" not in text:
        return ("", "no network") if "pip" in text else ("  cuda: CuPy ...\n", "")
    assert settings is not None and settings["SYMNET_CACHE"]
    assert ("CUPY_TF32" in settings) == ("TF32" in text)
    if "copy" in command:
        return json.dumps({"rate": 2e9}), ""
    if "full sum 1e8" in command:
        return json.dumps({"failed": "RuntimeError: out of memory"}), ""
    if "torch" in text:
        return json.dumps({"absent": "No module named 'torch'"}), ""
    times = {"device": 1e-3, "wall": 2e-3, "build": 0.5, "bytes": 10**6, "flops": 0}
    return json.dumps({**times, "profile": {"text": "a step", "kernels": 5e-4}}), ""


def test_a_step_that_fails_is_told_and_the_others_go_on(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_report, "ran", fake)
    chosen = ["--cases", "sum", "TF32", "--frameworks", "symnet", "torch"]
    found = gpu_report.main(["--device", "cuda", "--output", str(tmp_path), *chosen])
    errors = {step["name"]: step["error"] for step in found["steps"]}
    assert "no network" in errors["install the extra gpu"]
    assert "1 tests failed" in errors["tests of the device"]
    assert "out of memory" in errors["full sum 1e8"]
    assert errors["row sums 1e8"] == "" and errors["copies within its memory"] == ""
    (page,) = tmp_path.glob("gpu-*.md")
    text = page.read_text()
    for told in ("CUDA_ERROR_1", "out of memory", "No module named", "50 %", "a step"):
        assert told in text
    (data,) = tmp_path.glob("gpu-*.json")
    assert json.loads(data.read_text())["cases"]["row sums 1e8"]["symnet"]["device"]


def test_what_a_step_raises_is_noted(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_report, "ran", lambda *_, **__: ("nonsense", ""))
    found = gpu_report.main(["--output", str(tmp_path), "--cases", "LSTM", "--quick"])
    (step,) = [s for s in found["steps"] if s["name"] == "LSTM"]
    assert "JSONDecodeError" in step["error"]


def test_a_process_that_cannot_begin_is_an_error() -> None:
    assert "FileNotFoundError" in gpu_report.ran(["/no/such/program"], True)[1]


def test_tables() -> None:
    ours = {"device": 1e-3, "wall": 3e-3, "bytes": 10**9, "flops": 10**9}
    ours["profile"] = {"kernels": 2e-3, "text": ""}
    text = case_table({"a": {"symnet": ours, "jax": {"absent": "x"}}}, 2e12)
    assert "| a | 1 ms | - | 3 ms | 1 ms | 1e+03 | 50 % | 1 |" in text
    empty = {"device": "cuda", "date": "now", "quick": False, "steps": [], "cases": {}}
    assert "# A GPU, now" in markdown(empty)
