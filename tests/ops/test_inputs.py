"""Constructors of input variables."""

from __future__ import annotations

import pytest

from symnet.config import config
from symnet.graph.types import TensorType
from symnet.ops import inputs

PREFIXES = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
}


@pytest.mark.parametrize("word", inputs.SHAPES)
def test_prefixes_name_the_dtype(word):
    for prefix, dtype in PREFIXES.items():
        made = getattr(inputs, prefix + word)("a")
        assert made.type == TensorType(dtype, inputs.SHAPES[word]) and made.name == "a"
    for floatX in ("float32", "float64"):
        with config.change_flags(floatX=floatX):
            assert getattr(inputs, word)().type.dtype == floatX
    assert getattr(inputs, word)("n", dtype="uint16").type.dtype == "uint16"


def test_ranks_and_patterns():
    assert inputs.scalar().type.ndim == 0 and inputs.tensor7().type.ndim == 7
    assert inputs.row().type.broadcastable == (True, False)
    assert inputs.col().type.broadcastable == (False, True)
    assert inputs.tensor("int8", [False, True], "t").type.shape == (None, 1)
    assert inputs.tensor(shape=(3, None)).type.shape == (3, None)
    with pytest.raises(TypeError, match="shape"):
        inputs.tensor("float32")
    with pytest.raises(TypeError, match="no dtype"):
        inputs.matrix("x", dtype="float31")


def test_several_at_once():
    a, b = inputs.vectors("a", "b")
    assert (a.name, b.name) == ("a", "b") and a.type.ndim == 1
    assert [v.name for v in inputs.scalars("xyz")] == ["x", "y", "z"]
    assert [v.type.dtype for v in inputs.dmatrices(2)] == ["float64", "float64"]
    assert inputs.ivectors(1).type.dtype == "int32"
    assert [v.type.dtype for v in inputs.matrices("a", "b", dtype="int8")] == [
        "int8",
        "int8",
    ]
