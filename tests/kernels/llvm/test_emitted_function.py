"""Functions that are made into machine code together."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from symnet.config import config
from symnet.kernels.llvm import emitted_function, object_code
from symnet.kernels.llvm.emitted_function import EmittedFunction, jobs_for
from symnet.kernels.llvm.machine import in_threads
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path) -> Iterator[None]:
    with config.change_flags(cache_dir=str(tmp_path)):
        yield


def giving(number: int) -> EmittedFunction:
    """A function of no arguments that gives a number."""

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        module.functions.append(f"define i64 @{name}() #0 {{\n  ret i64 {number}\n}}")
        return module.text()

    return EmittedFunction(f"gives {number}", emit)


def called(function: EmittedFunction) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(function.address)())


def counts() -> tuple[int, int]:
    return object_code.statistics.compiled, object_code.statistics.loaded


def test_a_function_is_made_once_and_then_read() -> None:
    start = counts()
    for compiled, loaded in ((1, 0), (1, 1)):
        function = giving(7)
        assert function.missing
        assert called(function) == 7 and not function.missing
        assert function.address == function.address
        assert counts() == (start[0] + compiled, start[1] + loaded)


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_functions_are_made_and_loaded_together(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = []

    def load(*given: object, **more: object) -> object:
        libraries.append(given)
        return object_code.load_objects(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(emitted_function, "load_objects", load)
    with config.change_flags(num_threads=threads):
        for work in (min(threads, 5), 0):  # made, then read
            functions = [giving(number) for number in range(5)]
            jobs = jobs_for(functions)
            assert len(jobs) == work
            in_threads(jobs)
            assert not jobs_for(functions)
            assert [called(function) for function in functions] == list(range(5))
    assert len(libraries) == 2 * min(threads, 5)


def test_some_are_on_disk_and_some_are_not() -> None:
    in_threads(jobs_for([giving(1), giving(2)]))
    start = counts()
    functions = [giving(number) for number in (2, 3, 1)]
    in_threads(jobs_for(functions))
    assert counts() == (start[0] + 1, start[1] + 2)
    assert [called(function) for function in functions] == [2, 3, 1]


def test_code_on_disk_that_does_not_fit_is_made_anew() -> None:
    one, other = giving(1), giving(2)
    assert called(one) == 1 and called(other) == 2
    alien = object_code.cached_object(other.key)
    assert alien is not None
    object_code.write_object(object_code.object_name(one.key), alien)
    again = giving(1)
    assert called(again) == 1
    assert object_code.cached_object(one.key) != alien


def test_code_lasts_as_long_as_one_of_the_functions() -> None:
    functions = [giving(number) for number in range(3)]
    with config.change_flags(num_threads=1):
        in_threads(jobs_for(functions))
    assert called(functions[0]) == 0
    whole = weakref.ref(functions[0]._objects[0])
    gc.disable()
    try:
        del functions[:2]
        assert whole() is not None and called(functions[0]) == 2
        functions.clear()
        assert whole() is None  # at once, without a search for circles
    finally:
        gc.enable()


def test_threads_that_need_a_function_at_once_share_what_stays() -> None:
    """None holds an address of code that another has replaced."""
    function, found, ready = giving(11), [], threading.Barrier(4)

    def work() -> None:
        ready.wait()
        found.append(function.address)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [function.address] * 4 and called(function) == 11
