"""The report of a GPU, tried out on an emulated one: what is measured is right, and a step
that fails is told while the others go on."""

from __future__ import annotations

import json
import pathlib
import sys
import time
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu import gpu_report, gpu_worker, resident
from benchmarks.gpu.gpu_cases import CASES
from benchmarks.gpu.gpu_tables import case_table, markdown
from benchmarks.worker import reference
from symnet.config import config

# Those whose quick forms differ in kind; the whole is tried by hand.
SOME = [
    "elementwise 1e8", "full sum 1e8", "running sums of rows 1e8", "one running sum 1e7",
    "sorted rows 1e7", "a system of 4096", "MLP batch 20", "LSTM", "RBM CD-15",
]  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_cases_are_right_on_the_device(name: str) -> None:
    with config.change_flags(device="emulated"):
        symnet = gpu_worker.loaded("symnet", "emulated", "float32")
        found = gpu_worker.measured(symnet, CASES[name], quick=True)
    assert found["error"] < 1e-4 and found["device"] > 0 and found["wall"] > 0
    if name != "RBM CD-15":
        assert found["profile"]["kernels"] > 0 and "step" in found["profile"]["text"]


def test_products_that_may_be_rounded_are_right() -> None:
    """And rounded: their error is between those of the formats."""
    errors = {}
    for precision, flags in (("float32", {}), ("bf16", {"gpu_bf16": "on"})):
        with config.change_flags(device="emulated", **flags):
            symnet = gpu_worker.loaded("symnet", "emulated", precision)
            case = next(
                one for one in CASES.values()
                if one.name.startswith("wide MLP") and one.precision == precision
            )  # fmt: skip
            errors[precision] = gpu_worker.measured(symnet, case, quick=True)["error"]
    assert errors["float32"] < 1e-5 < errors["bf16"] < 3e-2
    refused = pytest.raises(RuntimeError, match="gpu_bf16")
    with config.change_flags(device="emulated"), refused:  # it sets the device
        gpu_worker.loaded("symnet", "emulated", "bf16")


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


def fake(command: list[str], limit: float, settings: Any = None) -> tuple[str, str]:
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
        if "import cupy" in text:
            return "", "ModuleNotFoundError"
        return ("", "no network") if "pip" in text else ("missing: CuPy ...\n", "")
    assert settings is not None and settings["SYMNET_CACHE"]
    assert ("CUPY_TF32" in settings) == ("TF32" in text)
    flags = settings.get("SYMNET_FLAGS", "")
    assert ("gpu_tf32=on" in flags) == ("TF32" in text)
    assert ("gpu_bf16=on" in flags) == ("bf16" in text)
    assert limit == gpu_report.LIMIT / 2  # of two frameworks
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
    chosen = ["--cases", "sum", "TF32", "bf16", "--frameworks", "symnet", "torch"]
    found = gpu_report.main(["--device", "cuda", "--output", str(tmp_path), *chosen])
    errors = {step["name"]: step["error"] for step in found["steps"]}
    assert "no network" in errors["install the extra gpu"]
    assert "CuPy ..." in errors["configuration"]
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
    assert "FileNotFoundError" in gpu_report.ran(["/no/such/program"], 5)[1]


def test_what_takes_too_long_is_ended_with_all_that_it_has_begun() -> None:
    program = (
        "import subprocess, sys; print('begun', flush=True);"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    start = time.perf_counter()
    text, error = gpu_report.ran([sys.executable, "-c", program], 2)
    assert time.perf_counter() - start < 30
    assert text == "begun\n" and "not done after 2 seconds; last: begun" in error


def test_tests_end_in_good_time_and_tell_what_has_passed(
    tmp_path: pathlib.Path,
) -> None:
    file = tmp_path / "test_slow.py"
    file.write_text(
        "import pytest, time\n"
        "@pytest.mark.parametrize('k', range(50))\n"
        "def test(k): time.sleep(0.3)\n"
    )
    report = tmp_path / "tests.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "benchmarks.gpu.deadline",
        str(file),
    ]
    command += [
        f"--junitxml={report}",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
    ]
    _, error = gpu_report.ran(command, 100, {"SYMNET_TEST_SECONDS": "2"})
    assert 1 < gpu_report.counted(report)["passed"] < 20 and error


def test_a_report_is_made_in_pieces(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(gpu_report, "ran", fake)
    file = tmp_path / "one.json"
    both = ["--into", str(file), "--frameworks", "symnet", "torch", "--steps"]
    for words in (["row sums"], ["configuration", "full sum"], ["row sums"]):
        found = gpu_report.main([*both, *words])
    assert [one["name"] for one in found["steps"]] == [
        "configuration", "full sum 1e8", "row sums 1e8",
    ]  # fmt: skip
    assert list(found["cases"]) == ["row sums 1e8", "full sum 1e8"]
    gpu_report.main(["--list"])
    names = capsys.readouterr().out.splitlines()
    assert "tests of the language on the device, 12 of 12" in names and "LSTM" in names


def test_the_tests_of_the_language_are_in_some_part() -> None:
    files = gpu_report.files_of(gpu_report.SUITES)
    assert "tests/test_fuzz.py" in files and "tests/ops/test_joining.py" in files
    parts = [files[k :: gpu_report.PARTS] for k in range(gpu_report.PARTS)]
    assert sorted(sum(parts, [])) == sorted(files) and all(parts)


@pytest.mark.parametrize(
    ("version", "extra"), [(0, "gpu"), (12040, "gpu12"), (13000, "gpu")]
)
def test_the_cupy_for_a_driver(version: int, extra: str) -> None:
    assert gpu_report.extra_for(version) == extra


def test_tables() -> None:
    ours = {"device": 1e-3, "wall": 3e-3, "bytes": 10**9, "flops": 10**9}
    ours["profile"] = {"kernels": 2e-3, "text": ""}
    text = case_table({"a": {"symnet": ours, "jax": {"absent": "x"}}}, 2e12)
    assert "| a | 1 ms | - | 3 ms | 1 ms | 1e+03 | 50 % | 1 |" in text
    empty = {"device": "cuda", "date": "now", "quick": False, "steps": [], "cases": {}}
    assert "# A GPU, now" in markdown(empty)
