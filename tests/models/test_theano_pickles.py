"""Pickles of Theano's parameters are read without Theano, and run nothing."""

from __future__ import annotations

import copyreg
import io
import os
import pathlib
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from symnet import models
from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import open_weights, read_weights

W, B = np.arange(6, dtype="float32").reshape(2, 3), np.array([1.5, -2.0])
NAMES = {
    "theano.tensor.sharedvar": ("TensorSharedVariable",),
    "theano.sandbox.cuda.var": ("CudaNdarraySharedVariable",),
    "theano.gof.link": ("Container",),
    "theano.gof.utils": ("scratchpad",),
    "theano.tensor.type": ("TensorType",),
    "theano.tensor.var": ("TensorConstant", "TensorVariable"),
}


def entered(module: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An empty module, and those above it, for as long as a test runs."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
    return sys.modules[module]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Objects that are pickled as Theano's are: of classes with its names, with a dict."""
    kinds: dict[str, type] = {}
    for module, names in NAMES.items():
        made = entered(module, monkeypatch)
        for name in names:
            kinds[name] = type(name, (), {"__module__": module})
            setattr(made, name, kinds[name])

    def new(kind: str, /, **state: Any) -> Any:
        one = kinds[kind]()
        vars(one).update(state)
        return one

    return new


def shared(
    make: Callable[..., Any], value: Any, name: str | None, kind: str = ""
) -> Any:
    kind_of_value = make(
        "TensorType", dtype="float32", broadcastable=(False, False),
        numpy_dtype=np.dtype("float32"), specs=(float, np.float32),
    )  # fmt: skip
    container = make("Container", storage=[value], type=kind_of_value, name=name)
    return make(
        kind or "TensorSharedVariable", type=kind_of_value, owner=None, index=None,
        name=name, container=container, tag=make("scratchpad", trace=[("a.py", 1)]),
    )  # fmt: skip


def written(folder: pathlib.Path, *contents: Any, protocol: int = 2) -> str:
    path = folder / "params.pkl"
    with open(path, "wb") as file:
        for content in contents:
            pickle.dump(content, file, protocol)
    return str(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_shared_variables(
    protocol: int, make: Callable[..., Any], tmp_path: pathlib.Path
) -> None:
    params = [shared(make, W, "W"), shared(make, B, None), shared(make, W.T, "W")]
    path = written(tmp_path, {"layer": params, "epoch": 3}, protocol=protocol)
    assert open_weights(path).kind == "theano"
    found = read_weights(path)
    assert list(found) == ["W", "layer/1", "W_2"]
    for got, want in zip(found.values(), (W, B, W.T), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("module", ["theano.sandbox.cuda", "theano.gpuarray.type"])
def test_arrays_of_a_gpu(
    module: str, make: Callable[..., Any], tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    name = "CudaNdarray_unpickler" if "cuda" in module else "GpuArray_unpickler"

    def unpickle(array: Any, context: Any = None) -> Any:
        raise AssertionError("it was run")

    unpickle.__module__, unpickle.__name__, unpickle.__qualname__ = module, name, name
    setattr(entered(module, monkeypatch), name, unpickle)

    class OnGpu:
        def __reduce__(self) -> Any:
            return unpickle, ((W,) if "cuda" in module else (W, None))

    variable = shared(make, OnGpu(), "W", "CudaNdarraySharedVariable")
    found = read_weights(written(tmp_path, [variable, OnGpu()]))
    assert list(found) == ["W", "1"]
    np.testing.assert_array_equal(found["W"], W)
    np.testing.assert_array_equal(found["1"], W)


def test_one_array_after_another(tmp_path: pathlib.Path) -> None:
    found = read_weights(written(tmp_path, W, B, [W, np.float32(2.5)]))
    assert list(found) == ["0", "1", "2/0", "2/1"]
    assert found["2/1"] == 2.5
    np.testing.assert_array_equal(found["1"], B)


def test_constants_and_what_holds_no_array(
    make: Callable[..., Any], tmp_path: pathlib.Path
) -> None:
    path = written(tmp_path, [make("TensorConstant", data=B)])
    np.testing.assert_array_equal(read_weights(path)["0"], B)
    for wrong, why in (
        (make("TensorVariable", name="x"), "theano.tensor.var.TensorVariable"),
        ([make("TensorType", dtype="int8")], "theano.tensor.type.TensorType"),
        ({"theano": 3}, "holds no array"),
    ):
        with pytest.raises(WeightFileError, match=why):
            read_weights(written(tmp_path, wrong))


def test_nothing_is_run(make: Callable[..., Any], tmp_path: pathlib.Path) -> None:
    mark = tmp_path / "run"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(mark),)

    class EvilObject:
        def __reduce__(self) -> Any:
            return copyreg._reconstructor, (dict, object, None)  # type: ignore[attr-defined]

    variable = shared(make, W, "W")
    for wrong in ([variable, Evil()], [variable, EvilObject()]):
        with pytest.raises(WeightFileError):
            read_weights(written(tmp_path, wrong))
    assert not mark.exists()


def test_damaged_files(make: Callable[..., Any], tmp_path: pathlib.Path) -> None:
    whole = io.BytesIO()
    pickle.dump([shared(make, W, "W")], whole, 2)
    content = whole.getvalue()
    path = tmp_path / "cut.pkl"
    for end in range(1, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(WeightFileError):
            read_weights(path)


def test_a_model_takes_them_in_order_and_mirrored(tmp_path: pathlib.Path) -> None:
    model = models.lenet5()
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) for shape in model.parameter_shapes.values()]
    path = written(tmp_path, *values)
    assert models.load_weights(model, path).name == "lasagne"
    for got, want in zip(model.values().values(), values, strict=True):
        mirrored = want[:, :, ::-1, ::-1] if want.ndim == 4 else want
        np.testing.assert_allclose(got, mirrored, rtol=1e-6)
