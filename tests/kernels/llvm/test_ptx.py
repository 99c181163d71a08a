"""PTX, judged by its structure: its text is LLVM's, which changes with the version."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import PTX_OF_ARCHITECTURE, nvptx_target
from symnet.kernels.llvm.thread_draws import emit_draws
from symnet.kernels.loopir.math.expand import WIDE
from symnet.kernels.loopir.scalars import Kernel, Output, call, load
from symnet.kernels.routines import NORMS, Categorical, MrgUniform
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.sample_kernels import SAMPLES

llvm = pytest.importorskip("llvmlite.binding")
llvm.initialize_all_targets()
try:
    llvm.Target.from_triple("nvptx64-nvidia-cuda")
except RuntimeError:
    pytest.skip("this LLVM knows no GPUs", allow_module_level=True)

PTXAS = shutil.which("ptxas")
DRAWS = list(
    enumerate(
        [
            *(MrgUniform(dtype) for dtype in NORMS),
            *(Categorical(*how) for how in ((True, False), (False, True))),
        ]
    )
)


def ptx_of(name: str, architecture: str) -> str:
    sample, target = SAMPLES[name], nvptx_target(architecture)
    return ptx(emit(sample.kernel, sample.variant, target, name), target)


@pytest.mark.parametrize("name", SAMPLES)
def test_structure(name: str) -> None:
    text = ptx_of(name, "sm_90")
    assert re.search(r"^\.target sm_90", text, re.M)
    entries = re.findall(r"\.visible \.entry (\w+)\(", text)
    parts = SAMPLES[name].variant.lanes == "parts"
    assert entries == [name, f"{name}_combine"][: 1 + parts]
    for entry in entries:
        types = re.findall(rf"\.param (.+?) {entry}_param_(\d)", text)
        assert [number for _, number in types[:3]] == ["0", "1", "2"]
        assert types[0][0] == ".align 8 .b8"
        assert all(kind.startswith((".u64", ".b64")) for kind, _ in types[1:3])
    assert not re.search(r"\bcall\b|\.extern|\.local", text)
    # All arrays are known to lie in global memory.
    assert not re.search(r"\b(ld|st)\.[bfus]\d", text)
    assert re.search(r"\bst\.global\.", text)


def function(name: str, architecture: str, dtype: str = "float64") -> str:
    full, target = operand(dtype, [1]), nvptx_target(architecture)
    value = call(name, load(0, dtype))
    kernel = Kernel(1, (False,), (full,), (Output(full, value),))
    return ptx(emit(kernel, Variant(((0,),), (), "one", "ff"), target), target)


def test_sines_have_a_table_instead_of_a_library() -> None:
    text = function("sin", "sm_90")
    assert "two_over_pi" in text and not re.search(r"\bcall\b|\.extern|\.local", text)
    assert not re.search(r"\b(ld|st)\.[bfus]\d", text)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", WIDE)
def test_special_functions_are_arithmetic(name: str, dtype: str) -> None:
    for architecture in PTX_OF_ARCHITECTURE:
        text = function(name, architecture, dtype)
        assert f".target {architecture}" in text
        assert not re.search(r"\bcall\b|\.extern|\.local", text)


@pytest.mark.parametrize("architecture", PTX_OF_ARCHITECTURE)
def test_every_architecture(architecture: str) -> None:
    try:
        text = ptx_of("softmax", architecture)
    except RuntimeError:
        pytest.skip(f"this LLVM does not know {architecture}")
    assert f".target {architecture}" in text
    major, minor = divmod(PTX_OF_ARCHITECTURE[architecture], 10)
    assert f".version {major}.{minor}" in text


@pytest.mark.skipif(PTXAS is None, reason="needs ptxas")
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90", "sm_100"])
def test_the_assembler_takes_it(architecture: str, tmp_path: Path) -> None:
    """Without a byte of stack and without spills."""
    assert PTXAS is not None
    texts = {name: ptx_of(name, architecture) for name in SAMPLES}
    texts |= {name: function(name, architecture) for name in ("sin", *WIDE)}
    target = nvptx_target(architecture)
    texts |= {f"draw {k}": ptx(emit_draws(d, target, "f"), target) for k, d in DRAWS}
    for name, text in texts.items():
        file = tmp_path / f"{name}.ptx"
        file.write_text(text)
        done = subprocess.run(
            [PTXAS, f"-arch={architecture}", "-v", file, "-o", tmp_path / "cubin"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not re.search(r"[1-9]\d* bytes (stack|spill)", done.stderr), name
