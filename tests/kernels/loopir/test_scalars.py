"""The order of scalars."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from typing import Any

from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import (
    Kernel,
    Operand,
    Output,
    argument,
    binary,
    call,
    cast,
    in_order,
    literal,
    load,
)


def test_the_order_follows_from_what_scalars_are() -> None:
    a, b, c = (argument(k, "int64") for k in (2, 9, 10))
    both, other = binary("add", a, b), binary("add", a, c)
    deep = binary("mul", binary("add", both, both), both)
    deeper = binary("mul", binary("add", both, other), both)
    wanted = [
        a, b, c, both, other, cast(a, "float64"), call("floor", literal(0.5, "float64")),
        deep, deeper, call("neg", a), literal(False, "bool"), literal(-3, "float64"),
        literal(0.5, "float64"), literal("inf", "float64"), literal("nan", "float64"),
        literal(-1, "int64"), literal(7, "int64"),
    ]  # fmt: skip
    assert in_order(wanted[::-1]) == wanted
    for pair in itertools.combinations(wanted, 2):
        assert in_order(pair) == in_order(pair[::-1]) == list(pair)


def test_equals_stay_together() -> None:
    a, b = argument(0, "int64"), argument(1, "int64")
    assert in_order([b, a, b, a]) == [a, a, b, b]
    assert in_order([]) == []


def test_long_expressions_need_no_recursion() -> None:
    one, other = argument(0, "int64"), argument(1, "int64")
    for _ in range(20_000):
        one, other = call("neg", one), call("neg", other)
    assert in_order([other, one]) == [one, other]


def test_kernels_are_printed_line_by_line() -> None:
    """What is added to an element does not read as what overwrites it."""
    rows, position = Operand("float32", (True, False)), load(1, "int64")
    whole = Operand("float32", (False, False), 1, behind=True)
    outputs = [
        Output(rows, call("neg", load(0, "float32"))),
        Output(whole, load(0, "float32"), (position,)),
        Output(whole, load(0, "float32"), (position,), "add"),
    ]
    inputs = (rows, Operand("int64", (True, True)))
    assert Kernel(2, (False, True), inputs, tuple(outputs)).text.splitlines() == [
        "kernel for i0 reduce i1",
        "  in0: float32[x.]",
        "  in1: int64[xx]",
        "  %0:float32 = load 0",
        "  %1:float32 = neg %0",
        "  %2:int64 = load 1",
        "  out0: float32[x.] = %1",
        "  out1[%2]: float32[i..]+1 = %0",
        "  out2[%2]: float32[i..]+1 += %0",
    ]


def test_threads_share_one_object_for_equals() -> None:
    # Equality is identity: what two threads make at once must be one object, also while
    # others like it go.
    rounds, count = 300, 4
    made: list[list[Any]] = [[None] * count for _ in range(rounds)]
    meeting = threading.Barrier(count)

    def make(number: int) -> None:
        for row in made:
            meeting.wait()
            x = argument(1, "int64")
            row[number] = x * 12345 + 678
            for k in range(20):
                (x + k) * k  # made by all, kept by nobody

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=make, args=(k,)) for k in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert all(one is row[0] for row in made for one in row)


def test_scalars_that_are_gone_leave_no_entry() -> None:
    x = argument(1, "int64")
    x + 1  # makes way for what has gone before
    before = len(scalars._interned)
    for k in range(500):
        x * (77_000 + k)
    gc.collect()
    x * 76_999
    assert len(scalars._interned) <= before + 10
