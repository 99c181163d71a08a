"""What native code may not use."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from symnet.kernels.cpu.jit.intrinsics import load, stack
from symnet.kernels.cpu.jit.translator import NativeError, Translator, tree_of

missing = 2.5  # a constant, but no integer


def refused_with(a):
    with a:
        return 1


def refused_float(a):
    return a + missing


def refused_unknown(a):
    return a + never  # noqa: F821


def refused_chain(a):
    return 0 < a < 3


def refused_power(a):
    return a**2


def refused_call(a):
    return len(a)


def refused_count(a):
    return load(a)


def refused_iteration(a):
    for k in (1, 2):
        a += k
    return a


def refused_stack(a):
    return stack(a)


def refused_conditional(a):
    return 1 if a else 2


def refused_target(a):
    a.b = 3


REFUSED = [
    value for name, value in list(globals().items()) if name.startswith("refused_")
]


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_what_is_not_in_the_subset_is_named_with_its_line(function):
    with pytest.raises(NativeError, match=r"test_translator\.py:\d+: ") as caught:
        Translator(function).text()
    line = int(str(caught.value).split(":")[1])
    assert line in {number for *_, number in function.__code__.co_lines()}


def test_threads_translate_side_by_side_whatever_a_collection_lets_in():
    enabled, old = gc.isenabled(), gc.get_threshold()

    def let_others_in(phase, info):
        time.sleep(0)

    with ThreadPoolExecutor(4) as pool:
        gc.enable()
        gc.set_threshold(10)
        gc.callbacks.append(let_others_in)
        try:
            trees = list(pool.map(tree_of, [Translator.block] * 200))
        finally:
            gc.callbacks.remove(let_others_in)
            gc.set_threshold(*old)
            (gc.enable if enabled else gc.disable)()
    assert {tree.name for tree in trees} == {"block"}
