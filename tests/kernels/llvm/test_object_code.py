"""Machine code is loaded while somebody needs it, and given back afterwards."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.kernels.cpu.library import scalar_loop_code
from symnet.kernels.cpu.runtime import call_boundary
from symnet.kernels.llvm import kernel_cache, object_code
from symnet.kernels.llvm.object_code import load_objects, machine
from tests.kernels.kernel_reference import forget_kernels

ROOT = Path(__file__).parents[2]
VALUE = np.linspace(-1, 1, 50)


@pytest.fixture(scope="module", autouse=True)
def _boundary_of_calls() -> None:
    """It would be compiled in the background from the second call on, and be counted."""
    if not call_boundary.obstacle():
        assert call_boundary.enter.address


def number(value: int) -> bytes:
    return machine().compile(f"define i64 @number() {{\n  ret i64 {value}\n}}")


def run(address: int) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(address)())


def make(factor: float) -> Any:
    x = T.dvector("x")
    f = symnet.function([x], T.tanh(x * factor) + x)
    for _ in range(3):
        np.testing.assert_allclose(f(VALUE), np.tanh(VALUE * factor) + VALUE)
    return f


def library_of(f: Any) -> ref[Any]:
    (plan,) = f.engine.native[0].plans.values()
    (code, *_) = plan.loaded.assembly.codes
    return ref(code.library)


def gone(mark: ref[Any]) -> bool:
    """Whether it goes, as soon as threads that compile beside have let go of it."""
    end = time.monotonic() + 20
    while mark() is not None and time.monotonic() < end:
        kernel_cache._recent.clear()
        time.sleep(0.01)
    return mark() is None


def test_libraries_of_many_linkers_live_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_code, "LIBRARIES_OF_A_LINKER", 3)
    libraries = [load_objects([number(k)], ["number"]) for k in range(20)]
    del libraries[3:6], libraries[0]
    left = [1, 2, *range(6, 20)]
    assert [run(one.addresses[0]) for one in libraries] == left


def test_a_library_that_lacks_a_symbol_is_refused() -> None:
    with pytest.raises(RuntimeError):
        load_objects([number(1)], ["another"])
    with pytest.raises(RuntimeError):
        load_objects([number(1)], ["another"], again=lambda: [number(2)])
    library = load_objects([b"text"], ["number"], again=lambda: [number(2)])
    assert run(library.addresses[0]) == 2


def test_code_goes_with_the_last_function_that_needs_it() -> None:
    forget_kernels()
    f, g = make(0.125), make(0.125)
    mark = library_of(f)
    assert library_of(g)() is mark()  # equal kernels are shared
    del f
    kernel_cache._recent.clear()
    assert mark() is not None
    np.testing.assert_allclose(g(VALUE), np.tanh(VALUE * 0.125) + VALUE)
    del g
    assert gone(mark)
    make(0.125)


def test_code_used_lately_stays() -> None:
    f = make(0.0625)
    mark = library_of(f)
    del f
    assert mark() is not None
    before = object_code.statistics.compiled, object_code.statistics.loaded
    make(0.0625)
    assert (object_code.statistics.compiled, object_code.statistics.loaded) == before


def test_code_in_use_is_not_unloaded() -> None:
    """Whoever calls holds it: here a call that has begun before all else forgot it."""
    f = make(0.03125)
    running, mark = type(f).__call__, library_of(f)
    f.free()
    del f
    forget_kernels()
    gc.collect()
    assert mark() is not None
    np.testing.assert_allclose(running(VALUE), np.tanh(VALUE * 0.03125) + VALUE)
    del running
    assert gone(mark)


def test_loops_over_numbers_are_unloaded_too() -> None:
    n = T.lscalar("n")
    states, _ = symnet.scan(
        lambda s: s * 0.75 + 1, outputs_info=T.constant(1.0), n_steps=n
    )
    f = symnet.function([n], states[-1])
    assert f(1) == 1.75 and f(1) == 1.75
    routines = list(scalar_loop_code._known.values())
    assert routines
    marks = [ref(routine) for routine in routines]
    del routines
    scalar_loop_code._recent.clear()
    assert f(1) == 1.75 and any(mark() is not None for mark in marks)
    del f
    gc.collect()
    assert not any(mark() is not None for mark in marks)


def test_threads_make_and_drop_the_same_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each compiles what another has just let go of."""
    monkeypatch.setattr(kernel_cache._recent, "size", 1)
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for k in range(25):
                make(1.0 + (first + k) % 3)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


MANY = """
import numpy as np, symnet, symnet.tensor as T
from symnet.kernels.llvm import kernel_cache
kernel_cache._recent.size = 10
def maps():
    with open("/proc/self/maps") as file:
        return sum(1 for _ in file)
x = T.dvector()
counts = []
for k in range(90):
    f = symnet.function([x], T.tanh(x * (k + 1.5)))
    f(np.ones(3))
    if k % 30 == 29:
        counts.append(maps())
print(*counts, len(kernel_cache._known))
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_code_of_dead_functions_is_unmapped() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *counts, known = map(int, done.stdout.split())
    assert counts[-1] < counts[0] + 30 and known <= 11  # two more for each that stays


AMONG_LARGE_ARRAYS = """
import ctypes
import numpy as np
import symnet
import symnet.tensor as T

PAGE, PRIVATE, NO_RESERVE = 4096, 0x22, 0x4000
c = ctypes.CDLL(None)
c.mmap.restype = ctypes.c_void_p
c.mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_size_t] * 2, *[ctypes.c_int] * 2, ctypes.c_long]
c.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def taken(size):
    return c.mmap(None, size, 0, PRIVATE | NO_RESERVE, -1, 0)

x = T.vector("x")
symnet.function([x], x + 1)([1.0])
# Nothing is free above a large region but single pages in it, gigabytes apart.
region = taken(60 << 30)
size = 1 << 32
while size >= PAGE:
    while (place := taken(size)) > region:
        pass
    c.munmap(place, size)
    size //= 2
for k in range(11):
    c.munmap(region + k * (5 << 30), PAGE)
for value, same in ((x * 1.5 + 2.25, np.ones(1) * 3.75), (T.tanh(x), np.tanh([1.0]))):
    print(np.allclose(symnet.function([x], value)([1.0]), same))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="lays out memory as Linux does")
def test_code_finds_its_constants_among_large_arrays(tmp_path: Path) -> None:
    """LLVM's older linker ends the process: its sections lie wherever there is room."""
    done = subprocess.run(
        [sys.executable, "-c", AMONG_LARGE_ARRAYS],
        env={**os.environ, "SYMNET_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
