"""float16 by functions, beside NumPy's conversions: every number, and what lies between."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from symnet.kernels.llvm import object_code
from symnet.kernels.llvm.half_conversions import conversions_text
from symnet.kernels.llvm.machine import build, machine
from symnet.kernels.llvm.object_code import load_objects

HALVES = np.arange(1 << 16, dtype="uint16").view("float16")
LOOP = """
declare {to} @{function}({source})

define void @{name}(ptr %x, ptr %out, i64 %count) {{
start:
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %more, %next ]
  %from = getelementptr {source}, ptr %x, i64 %i
  %value = load {source}, ptr %from
  %found = call {to} @{function}({source} %value)
  %place = getelementptr {to}, ptr %out, i64 %i
  store {to} %found, ptr %place
  %more = add i64 %i, 1
  %again = icmp ult i64 %more, %count
  br i1 %again, label %next, label %end
end:
  ret void
}}
"""
LOOPS = [
    LOOP.format(name="narrow", function="__truncsfhf2", source="float", to="half"),
    LOOP.format(name="widen", function="__extendhfsf2", source="half", to="float"),
]


@pytest.fixture(scope="module")
def converted() -> Any:
    """Convert an array by one of the functions, on this processor."""
    host = machine()
    texts = [*LOOPS, conversions_text(host.target)][: 2 + host.target.half]
    library = load_objects([host.compile(t) for t in texts], ["narrow", "widen"])
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64)
    narrow, widen = map(kind, library.addresses)

    def run(x: Any) -> Any:
        narrows = x.dtype == "float32"
        out = np.empty(len(x), "float16" if narrows else "float32")
        (narrow if narrows else widen)(x.ctypes.data, out.ctypes.data, len(x))
        return out

    run.library = library  # type: ignore[attr-defined]
    return run


def test_every_half_is_widened(converted: Any) -> None:
    got, want = converted(HALVES), HALVES.astype("float32")
    nan = np.isnan(want)
    np.testing.assert_array_equal(got[~nan].view("u4"), want[~nan].view("u4"))
    assert np.isnan(got[nan]).all()
    assert (np.signbit(got) == np.signbit(want)).all()


def test_floats_around_each_half_and_between_are_narrowed(converted: Any) -> None:
    halves = HALVES[np.isfinite(HALVES)]
    finite = halves.astype("float32")
    with np.errstate(over="ignore"):
        up = np.nextafter(halves, np.float16(np.inf)).astype("float32")
    middle = finite + (np.where(np.isfinite(up), up, 65536) - finite) / 2
    near = [np.nextafter(middle, np.float32(end)) for end in (-np.inf, np.inf)]
    special = np.array([np.inf, -np.inf, 0, -0.0, 1e-30, 1e-45, 65536, 3e38, -1e9])
    x = np.concatenate([finite, middle, *near, special]).astype("float32")
    with np.errstate(over="ignore"):
        want = x.astype("float16")
    np.testing.assert_array_equal(converted(x).view("u2"), want.view("u2"))


def test_nan_stays_nan_with_its_sign(converted: Any) -> None:
    bits = np.array([0x7F800001, 0x7FC00000, 0xFFC00000, 0xFF800001, 0x7FFFFFFF], "u4")
    got = converted(bits.view("float32"))
    assert np.isnan(got).all()
    assert (np.signbit(got) == np.signbit(bits.view("float32"))).all()


def test_libraries_are_linked_with_them_where_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = build(replace(machine().target, half=False))
    monkeypatch.setattr(object_code, "machine", lambda: without)
    (data,) = object_code.half_conversions()
    assert b"__truncsfhf2" in data and b"__extendhfsf2" in data
    monkeypatch.setattr(
        object_code, "machine", lambda: build(replace(without.target, half=True))
    )
    assert object_code.half_conversions() == []
