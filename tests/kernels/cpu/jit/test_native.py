"""Native functions compute what their Python text says, and refuse what they cannot."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
import threading
import time

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.cpu.jit import native as module
from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    Symbol,
    atomic_add,
    atomic_load,
    call,
    compare_exchange,
    exchange,
    float_bits,
    load,
    load_i8,
    load_i16,
    load_i32,
    narrow_float,
    pause,
    stack,
    store,
    store_i8,
    store_i16,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot, lazily_compiled, native, rarely

LIMIT = 10
NOT_HERE = False
PLACE = Symbol("a place", 123456789012345)
absolute = CFunction("labs", "i64(i64)", C_LIBRARY)
absolute_narrow = CFunction("abs", "i32(i32)", C_LIBRARY)


@native
def arithmetic(a: int, b: int) -> int:
    return (a + b * 3 - (a & b) + (a | 7) - (a ^ b) + (a << 2) - (b >> 1)) + -a + ~b


@native
def quotient(a: int, b: int) -> int:
    return a // b


@native
def remainder(a: int, b: int) -> int:
    return a % b


@native
def logic(a: int, b: int) -> int:
    """A docstring changes nothing."""
    if a < b and (a > 0 or not (b == 5 or a == 1)):
        return 1
    elif a >= b and not (a != 3 and b <= 2):
        return 2
    return (a == b) + (not a) * 4 + 8 * True


@native
def loops(n: int, stop: int) -> int:
    result = 0
    k = 7
    for k in range(n):
        if k == 3:
            continue
        for j in range(k, stop):
            result += j * k
            if result > 1000:
                break
    while n > 0:
        n -= 1
        if n == LIMIT:
            break
        result += 1
    return result + 10000 * k


@native  # noqa: RET503
def early(n: int):
    while n > 3:
        return 5
    if NOT_HERE:
        n = not_defined_anywhere(n)  # noqa: F821
    pause()
    if n == 2:
        return 7


@native
def helper(words: int, count: int) -> int:
    result = 0
    for k in range(count):
        result += load(words, k)
    return result


@native
def on_stack(a: int) -> int:
    result = 0
    for k in range(1000):  # the stack does not grow with the turns of a loop
        words = stack(3)
        store(words, 0, a)
        store(words, 1, k)
        store(words, 2, result)
        result = helper(words, 3)
    return result


@hot
def squares(n: int) -> int:
    result = 0
    for k in range(n):
        result += squared(k)
    return result


@hot
def squared(k: int) -> int:
    words = stack(1)
    store(words, 0, k * k)
    return load(words, 0)


seldom = rarely(squares)


@native
def seldom_squares(n: int) -> int:
    return seldom(n) + 1


@native
def apply(function: int, a: int, b: int) -> int:
    return call(function, a, b)


@native
def by_name(a: int, b: int) -> int:
    return apply(quotient.address, a, b)


@native
def externals(a: int) -> int:
    return absolute(a) + absolute_narrow(a)


@native
def symbol(a: int) -> int:
    return PLACE + a


@native
def narrow_memory(words: int, value: int) -> int:
    store_i8(words, 1, value)
    store_i16(words, 1, value)
    store_i32(words, 1, value)
    return load_i8(words, 1) + load_i16(words, 1) * 3 + load_i32(words, 1) * 5


@native
def atomics(words: int) -> int:
    old = exchange(words, 0, 5)
    older = atomic_add(words, 0, 2)
    yes = compare_exchange(words, 0, 7, 9)
    no = compare_exchange(words, 0, 7, 11)
    return old + 10 * older + 100 * yes + 1000 * no + 10000 * atomic_load(words, 0)


@native
def single(bits: int) -> int:
    return narrow_float(bits)


@native
def double(number: int) -> int:
    return float_bits(number)


NUMBERS = [0, 1, -1, 2, 3, 5, -7, 11, 100, -100, 12345678901]


@pytest.mark.parametrize("function", [arithmetic, logic], ids=["arithmetic", "logic"])
def test_integers(function):
    for a, b in itertools.product(NUMBERS, NUMBERS):
        assert function(a, b) == function.python(a, b), (a, b)


@pytest.mark.parametrize("function", [quotient, remainder], ids=["//", "%"])
def test_division_rounds_down(function):
    for a, b in itertools.product(NUMBERS, [n for n in NUMBERS if n]):
        assert function(a, b) == function.python(a, b), (a, b)


def test_integers_wrap():
    assert arithmetic(2**62, 0) == (arithmetic.python(2**62, 0) + 2**63) % 2**64 - 2**63


def test_loops():
    for n, stop in itertools.product([0, 1, 3, 5, 12, 40], [0, 1, 6, 30]):
        assert loops(n, stop) == loops.python(n, stop), (n, stop)


def test_a_function_without_return_gives_zero():
    assert (early(4), early(3), early(2)) == (5, 0, 7)


def test_memory():
    words = np.arange(6)
    assert helper(words.ctypes.data + 8, 4) == 1 + 2 + 3 + 4
    assert on_stack(2) == on_stack.python(2) == 2 * 1000 + 499500
    for value in (5, -5, 300, -70000, 2**31):
        a, b = np.zeros(2, np.int64), np.zeros(2, np.int64)
        native_result = narrow_memory(a.ctypes.data, value)
        assert native_result == narrow_memory.python(b.ctypes.data, value)
        assert np.array_equal(a, b)


def test_atomics():
    a, b = np.array([3]), np.array([3])
    assert (
        atomics(a.ctypes.data) == atomics.python(b.ctypes.data) == 3 + 50 + 100 + 90000
    )
    assert a == b == 9


@native
def announced(words: int) -> int:
    atomic_add(words, 0, 1)
    return atomic_load(words, 1)


def test_a_read_comes_after_the_announcement_before_it():
    # ARM's `ldapr` may be done before the addition is seen, `ldar` may not.  No test on one
    # machine shows that, so the code is read.
    try:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        pytest.skip("this LLVM knows only its own processor")
    arm = target.create_target_machine(cpu="neoverse-n1", features="+lse,+rcpc")
    code = arm.emit_assembly(llvm.parse_assembly(module.print_module([announced])))
    assert "ldaddal" in code and "ldar" in code and "ldapr" not in code


def test_calls():
    assert apply(quotient.address, 17, 5) == 3
    assert apply.python(quotient.address, 17, 5) == 3
    assert by_name(-17, 5) == by_name.python(-17, 5) == -4
    assert externals(-4) == 8
    assert symbol(1) == symbol.python(1) == PLACE + 1


@pytest.mark.parametrize("number", [0.0, 1.0, -0.1, 1e300, 1e-42, math.inf, -math.inf])
def test_float_bits(number):
    bits = int(np.float64(number).view(np.int64))
    with np.errstate(over="ignore"):
        want = int(np.float64(number).astype(np.float32).view(np.uint32))
    assert single(bits) == single.python(bits) == want


def test_integers_as_floats():
    for number in [0, 1, -3, 2**53 + 1, -(2**62) - 1]:
        want = int(np.float64(number).view(np.int64))
        assert double(number) == double.python(number) == want


def test_a_missing_c_function_fails_at_once():
    with pytest.raises(AttributeError):
        CFunction("no_such_function_anywhere", "i64()", C_LIBRARY)


PROGRAM = """
from symnet.kernels.cpu.runtime import {module}
from symnet.kernels.llvm.object_code import statistics
assert {module}.{function}.address
print(statistics.compiled, statistics.loaded)
"""


def test_the_run_time_is_compiled_once_and_then_read_from_disk(tmp_path):
    program = PROGRAM.format(module="threads", function="parallel_for")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "SYMNET_CACHE": str(tmp_path), "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert outputs == [["1", "0"], ["0", "1"]]


def test_a_patient_function_is_python_until_its_address_is_needed(monkeypatch):
    monkeypatch.setattr(module, "cached_object", lambda key: None)  # not on disk

    @lazily_compiled
    def twice(number: int) -> int:
        return number + number

    assert twice(21) == 42 and twice._address == 0 and not twice.ready
    assert twice.address and twice.ready
    twice.python = None  # it is machine code now
    assert twice(21) == 42


def test_a_patient_function_is_read_from_disk_at_once(tmp_path):
    program = """
from symnet.kernels.cpu.runtime import runner
runner.patch(0, 0, 0)
print(bool(runner.patch._address))
if not runner.patch._address:
    assert runner.patch.address
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "SYMNET_CACHE": str(tmp_path)},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    assert outputs == [["False"], ["True"]]


def test_threads_may_need_the_same_functions_at_once(monkeypatch):
    slow, found = module.load_objects, []

    def load_objects(*arguments, **settings):
        time.sleep(0.05)  # the other thread comes meanwhile
        return slow(*arguments, **settings)

    monkeypatch.setattr(module, "load_objects", load_objects)

    @native
    def half(number: int) -> int:
        return number // 2

    def ask() -> None:
        found.append(half.address)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [half.address] * 3 and half.address


def test_functions_and_what_they_call_are_made_side_by_side(tmp_path):
    """Module by module, and only loaded when they are needed."""
    program = """
from symnet.kernels.cpu.library import blas, blas_gemm, call_steps
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.llvm.machine import in_threads
from symnet.kernels.cpu.jit.native import compile_jobs
from symnet.kernels.llvm.object_code import statistics
jobs = compile_jobs([blas_gemm.multiply, threads.parallel_for, call_steps.copy])
in_threads(jobs)
print(len(jobs), statistics.compiled, statistics.loaded, blas_gemm.multiply._address)
assert blas_gemm.multiply.address and threads.parallel_for.address
assert blas.enter_serial._address
print(compile_jobs([blas_gemm.multiply]), statistics.compiled, statistics.loaded)
"""
    for counts in ("4 0", "0 4"):
        printed = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "SYMNET_CACHE": str(tmp_path)},
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        assert printed == [f"4 {counts} 0", f"[] {counts}"]


BACKGROUND = """
import os
import numpy as np
from symnet import function, tensor as T
from symnet.kernels.cpu.runtime import call_boundary
from symnet.kernels.cpu.jit.native import _linking
x = T.vector()
f = function([x], x * 2)
for _ in range(3):
    assert (f([1.0, 2.0]) == [2.0, 4.0]).all()
begun = not call_boundary.enter._address
child = os.fork()
if child == 0:
    assert _linking.acquire(blocking=False)
    assert (f([1.0, 2.0]) == [2.0, 4.0]).all()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
with _linking:
    pass
while not call_boundary.enter._address:
    pass
assert (f([1.0, 2.0]) == [2.0, 4.0]).all()
assert f.profile([1.0, 2.0]) is not None
print(begun)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
def test_calls_go_on_while_their_way_in_is_compiled(tmp_path):
    """In the background; a child that is forked meanwhile is sound."""
    for begun in ("True", "False"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", BACKGROUND],
            env={**os.environ, "SYMNET_CACHE": str(tmp_path)},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.stdout.strip(), done.stderr) == (begun, "")


def test_what_runs_rarely_is_compiled_quickly_with_all_that_it_calls():
    assert rarely(helper) is helper
    assert seldom is rarely(squares) is not squares
    assert not seldom.hot
    twins = [seldom, rarely(squared)]
    assert {twin.unit for twin in twins} == {f"{squares.python.__module__}.rare"}
    text = module.print_module(twins)
    for function in (squares, squared):
        assert f'@"{function.name}.rare"' in text
        assert f'@"{function.name}"' not in text
    assert seldom_squares(5) == 1 + 0 + 1 + 4 + 9 + 16
    assert squares(5) == seldom(5) == 30
