"""The cache of compiled kernels: shared, damaged, read-only, by several at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symnet.config import config
from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm import disk_cache, kernel_cache, object_code
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.kernel_cache import compile_kernels, statistics
from symnet.kernels.llvm.machine import Machine
from symnet.kernels.loopir.scalars import Kernel, Output, call, load, reduction
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import forget_kernels, operand

ROOT = Path(__file__).parents[2]
ELEMENTWISE = Variant(((0,),), (), "kept", "cc")


def make_kernel(factor: float) -> Kernel:
    value = call("exp", load(0, "float32") * factor)
    return Kernel(
        1,
        (False,),
        (operand("float32", [1]),),
        (Output(operand("float32", [1]), value),),
    )


@pytest.fixture
def fresh(tmp_path: Path) -> Any:
    """An empty folder, and a process that knows no kernel yet."""
    known = dict(kernel_cache._known)
    forget_kernels()
    with config.change_flags(cache_dir=str(tmp_path)):
        yield tmp_path
    kernel_cache._known.update(known)


def did(kernel: Kernel) -> tuple[int, int]:
    """How many objects are compiled and loaded for a process that starts afresh."""
    forget_kernels()
    before = statistics.compiled, statistics.loaded
    x = np.linspace(-1, 1, 37, dtype="float32")
    out = np.zeros_like(x)
    run_kernel(kernel, x.shape, [x, out])
    np.testing.assert_allclose(out[-1], np.exp(kernel_factor(kernel)), rtol=1e-6)
    return statistics.compiled - before[0], statistics.loaded - before[1]


def kernel_factor(kernel: Kernel) -> float:
    return float(kernel.outputs[0].value.args[0].args[1].value)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_kernel_is_compiled_once(fresh: Path) -> None:
    kernel = make_kernel(0.5)
    assert did(kernel) == (1, 0)
    assert did(kernel) == (0, 1)
    assert len(files(fresh)) == 1
    before = statistics.compiled + statistics.loaded
    first, second = compile_kernels([(kernel, ELEMENTWISE)] * 2)
    assert first == second and first.address and not first.combine
    assert statistics.compiled + statistics.loaded == before


def test_another_kernel_or_variant_is_another_file(fresh: Path) -> None:
    strided = Variant(((0,),), (), "kept", "sc")
    compile_kernels(
        [(make_kernel(f), v) for f in (1.0, 2.0) for v in (ELEMENTWISE, strided)]
    )
    assert len(files(fresh)) == 4


def test_sums_of_all_have_a_second_function(fresh: Path) -> None:
    value = reduction("sum", load(0, "float32"), "float32")
    target = Output(operand("float32", [0]), value)
    kernel = Kernel(1, (True,), (operand("float32", [1]),), (target,))
    variant = Variant((), ((0,),), "parts", "cf")
    for _ in range(2):
        forget_kernels()
        (code,) = compile_kernels([(kernel, variant)])
        assert code.address and code.combine


@pytest.mark.parametrize("keep", [0, 10, 60, 300, -1])
def test_damaged_files_are_made_again(fresh: Path, keep: int) -> None:
    kernel = make_kernel(0.25)
    did(kernel)
    (path,) = files(fresh)
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    assert did(kernel) == (1, 0)
    assert path.read_bytes()[:60] == whole[:60]
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    path.write_bytes(bytes(damaged))
    assert did(kernel) == (1, 0)
    assert did(kernel) == (0, 1)


def test_a_folder_that_cannot_be_written(fresh: Path) -> None:
    blocked = fresh / "file"
    blocked.write_text("no folder")
    for folder in (str(blocked), str(blocked / "below"), "/proc/nowhere", ""):
        with config.change_flags(cache_dir=folder):
            assert did(make_kernel(0.75)) == (1, 0)
    readonly = fresh / "readonly"
    readonly.mkdir(mode=0o500)
    with config.change_flags(cache_dir=str(readonly)):
        assert did(make_kernel(0.75))[1] == 0


def test_a_full_disk(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk_cache.os, "replace", full)
    assert did(make_kernel(0.125)) == (1, 0)
    assert not files(fresh)


def test_the_key_names_machine_and_generator(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = disk_cache.cache_path(object_code.object_name("kernel"))
    with config.change_flags(cache_dir="/elsewhere"):
        other = disk_cache.cache_path(object_code.object_name("kernel"))
    assert one is not None and other is not None and one.name == other.name
    assert disk_cache.cache_path(object_code.object_name("kernel 2")) != one
    here = object_code.machine()
    changed = type(here)(**{**vars(here), "name": here.name + " +avx9"})
    monkeypatch.setattr(object_code, "machine", lambda: changed)
    assert disk_cache.cache_path(object_code.object_name("kernel")) != one
    assert kernel_cache.generator() != object_code.source_digest(kernel_cache.__file__)


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from tests.kernels.llvm.test_kernel_cache import make_kernel, did, statistics
for factor in (0.5, 1.5):
    did(make_kernel(factor))
print(statistics.compiled, statistics.loaded)
"""


def start(folder: Path, seed: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "SYMNET_CACHE": str(folder),
        "PYTHONHASHSEED": str(seed),
    }
    command = [sys.executable, "-c", PROGRAM.format(root=str(ROOT))]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_many_processes_at_once(tmp_path: Path) -> None:
    """They agree on the keys whatever their hash seeds; nobody waits or fails."""
    processes = [start(tmp_path, seed) for seed in range(8)]
    counts = []
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        counts.append([int(word) for word in printed.split()])
    assert all(compiled + loaded == 2 for compiled, loaded in counts)
    assert len(files(tmp_path)) == 2
    last = start(tmp_path, 99)
    assert last.communicate(timeout=60)[0].split() == ["0", "2"]


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_are_compiled_as_few_modules(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """One for each thread; a process that reads some of them links each module once."""
    modules: list[str] = []
    compile_ = Machine.compile
    monkeypatch.setattr(
        Machine,
        "compile",
        lambda self, text: modules.append(text) or compile_(self, text),
    )
    kernels = [make_kernel(0.5 + k) for k in range(5)]
    with config.change_flags(num_threads=threads):
        compile_kernels([(kernel, ELEMENTWISE) for kernel in kernels])
        assert len(modules) == threads and len(files(fresh)) == 5
        for some in (kernels[3:], kernels[:1], kernels):
            forget_kernels()
            compile_kernels([(kernel, ELEMENTWISE) for kernel in some])
    assert len(modules) == threads
    assert all(did(kernel) == (0, 1) for kernel in kernels)


def test_modules_that_share_a_kernel(fresh: Path) -> None:
    """As two processes leave them that compile at the same time: then all are made anew."""
    first, shared, last = (make_kernel(f) for f in (1.5, 2.5, 3.5))
    with config.change_flags(num_threads=1):
        compile_kernels([(first, ELEMENTWISE), (shared, ELEMENTWISE)])
        with config.change_flags(cache_dir=str(fresh / "other")):
            forget_kernels()
            compile_kernels([(shared, ELEMENTWISE), (last, ELEMENTWISE)])
        for path in files(fresh / "other"):
            place = fresh / path.relative_to(fresh / "other")
            if not place.exists():
                place.parent.mkdir(mode=0o700, exist_ok=True)
                place.write_bytes(path.read_bytes())
                place.chmod(0o600)
        forget_kernels()
        codes = compile_kernels([(k, ELEMENTWISE) for k in (first, shared, last)])
    assert len({code.address for code in codes}) == 3
    assert all(did(kernel) == (0, 1) for kernel in (first, shared, last))


def test_kernels_and_other_functions_are_made_together(fresh: Path) -> None:
    text = "define i64 @{}() {{\n  ret i64 8\n}}\nattributes #0 = {{ nounwind }}"
    eight = EmittedFunction("eight", lambda _, name: text.format(name))
    with config.change_flags(num_threads=3):
        requests = [(make_kernel(f), ELEMENTWISE) for f in (1.25, 2.25, 3.25)]
        codes = compile_kernels(requests, [eight])
    assert not eight.missing and len({code.address for code in codes}) == 3
    assert len(files(fresh)) == 4
