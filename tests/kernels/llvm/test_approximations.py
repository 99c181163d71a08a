"""Functions by a GPU's hardware: only where they are asked for, and only in a GPU's code."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import symnet.tensor as T
from symnet.config import config
from symnet.kernels.devices import get_device
from symnet.kernels.llvm import approximations
from symnet.kernels.llvm.approximations import APPROXIMATE, approximated
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.loopir.scalars import Kernel, Output, Scalar, call, load
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.thread_reference import code
from tests.kernels.programs import on

EXACT = {"ex2": np.exp2, "lg2": np.log2, "tanh": np.tanh}
FUNCTIONS = {
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "log10": np.log10,
    "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip
VARIANT = Variant(((0,),), (), "one", "ff")


def kernel_of(name: str, dtype: str) -> Kernel:
    one = operand(dtype, [1])
    return Kernel(1, (False,), (one,), (Output(one, call(name, load(0, dtype))),))


def value_of(node: Scalar, x: float) -> float:
    """Of arithmetic, with instructions that make no error."""
    values = [value_of(a, x) for a in node.args]
    if node.op == "approximate":
        return float(EXACT[node.value](values[0]))
    if node.op in ("load", "literal"):
        return x if node.op == "load" else float(node.value)
    known = {"mul": lambda a, b: a * b, "add": lambda a, b: a + b, "cast": float}
    return known[node.op](*values)


@pytest.mark.parametrize("name", APPROXIMATE)
def test_the_formulas(name: str) -> None:
    """With exact instructions they are the functions."""
    assert APPROXIMATE.keys() == FUNCTIONS.keys()
    assert set(approximations.INSTRUCTIONS) == EXACT.keys()
    for dtype in ("float32", "float16"):
        (root,) = approximated([call(name, load(0, dtype))])
        assert root.dtype == dtype
        for x in (0.1, 0.9, 1.0, 2.5, 11.0):
            np.testing.assert_allclose(value_of(root, x), FUNCTIONS[name](x), rtol=1e-6)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("name", APPROXIMATE)
def test_the_instructions(name: str, architecture: str) -> None:
    target = nvptx_target(architecture)
    for dtype in ("float16", "float32", "float64"):
        for variant in (VARIANT, replace(VARIANT, approximate=True)):
            text = ptx(emit(kernel_of(name, dtype), variant, target), target)
            found = re.findall(r"(?:ex2|lg2|tanh)\.approx\.f32", text)
            wanted = variant.approximate and dtype != "float64"
            assert len(found) == wanted


def test_what_stands_for_a_gpu_keeps_our_functions() -> None:
    kernel = kernel_of("tanh", "float32")
    assert code(kernel, replace(VARIANT, approximate=True)) is not None
    x = T.fvector("x")
    value = np.linspace(-3, 3, 50, dtype="float32")
    wanted = on("emulated", [x], T.tanh(x))(value)
    with config.change_flags(gpu_approximate="on"):
        found = get_device("emulated").arrange(kernel, (50,), [(4,), (4,)], {})
        np.testing.assert_array_equal(on("emulated", [x], T.tanh(x))(value), wanted)
    assert found.variant.approximate
