"""LLVM's language: types, constants, modules."""

from __future__ import annotations

import math

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.llvm.text import (
    Module,
    Scope,
    constant,
    iota,
    joined,
    mangled,
    splat_constant,
    type_text,
)
from tests.kernels.llvm.written_functions import call


def test_types() -> None:
    assert [type_text("float", 0), type_text("float", 4)] == ["float", "<4 x float>"]
    assert [mangled("ptr", 0), mangled("double", 8)] == ["p0", "v8f64"]
    assert iota("i64", 3, 5) == "<i64 5, i64 6, i64 7>"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("number", [0.1, -0.0, 1e-45, 3e38, math.inf, math.nan])
def test_floats_are_written_by_their_bits(number: float, dtype: str) -> None:
    wide = "float64" if dtype == "float64" else "float32"
    kind, whole = ("double", "i64") if dtype == "float64" else ("float", "i32")

    def bits(own: FunctionWriter) -> str:
        here = own.here()
        pattern = here.emit(f"bitcast {kind} {constant(number, dtype)} to {whole}")
        return pattern if whole == "i64" else here.emit(f"zext i32 {pattern} to i64")

    unsigned = "u8" if dtype == "float64" else "u4"
    assert call(bits) % 2**64 == int(np.array(number, wide).view(unsigned))


def test_other_constants() -> None:
    assert [constant(True, "bool"), constant(-3, "int8")] == ["true", "-3"]
    assert splat_constant(2, "int32", 4) == "splat (i32 2)"
    assert splat_constant(2, "int32", 0) == "2"


def test_a_module() -> None:
    target = cpu_target("aarch64-unknown-linux-gnu", "generic", {})
    module = Module(target)
    scope = Scope(module)
    names = {scope.emit("add i64 1, 2"), scope.emit("add i64 3, 4"), module.fresh("x")}
    assert len(names) == 3
    for _ in range(2):
        scope.call("llvm.smin.i64", "i64", [("i64", "1"), ("i64", "2")])
    lines = module.text().split("\n")
    assert lines[0] == f'target triple = "{target.triple}"'
    assert lines[1:] == [
        "declare i64 @llvm.smin.i64(i64, i64)",
        f"attributes #0 = {{ {target.attributes} }}",
        "",
    ]
    assert Module(machine().target).text().startswith("target triple")


def test_modules_are_joined_to_one() -> None:
    """What they share stands there once; the functions stay in their order."""
    texts = []
    for number in range(2):
        module = Module(machine().target)
        module.declarations["same"] = "declare i64 @llvm.smin.i64(i64, i64)"
        if number:
            module.declarations["own"] = "declare i64 @llvm.smax.i64(i64, i64)"
        body = "  %y = call i64 @llvm.smin.i64(i64 %x, i64 1)\n  ret i64 %y"
        module.functions.append(f"define i64 @f{number}(i64 %x) #0 {{\n{body}\n}}\n")
        texts.append(module.text())
    text = joined(texts)
    assert text.count("smin.i64(i64, i64)") == text.count("attributes #0 =") == 1
    with llvm.parse_assembly(text) as parsed:
        parsed.verify()
        assert [f.name for f in parsed.functions if not f.is_declaration] == [
            "f0",
            "f1",
        ]
