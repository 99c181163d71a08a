"""Every operation on elements, of every dtype, with its gradients, on a device for GPUs as on
the CPU: values to the last bit.  Reductions, positions, products, convolutions, loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.agreement import agree
from symnet.config import config
from symnet.errors import NullTypeGradError
from symnet.graph.evaluate import evaluate
from symnet.graph.variables import Variable
from symnet.ops.elementwise import REGISTRY
from tests.fuzz.generate import generate
from tests.fuzz.judge import judge
from tests.kernels.programs import on
from tests.ops.scalars import samples, variables

DTYPES = ("bool", "int8", "int64", "uint32", "float16", "float32", "float64")
SEEDS = 8  # programs of the fuzzer
# Vectors take angles beyond 2**52 through a C function, threads through their own sums.
NEARLY = ("sin", "cos", "tan")
# Functions of C's on the CPU: a GPU has none, and the host computes them by NumPy.
BY_HOST = (
    "gammainc", "gammaincc", "log_i0", "log_iv", "bessel_ratio", "bessel_ratio_slope",
)  # fmt: skip
ROUNDED = {"float64": 1e-12, "float32": 2e-3, "float16": 8e-3}
# Of the draws of integers alone, whose range is a uint32 or uint64.
INSIDE = ("scale_bits",)


def operands(name: str, dtype: str) -> list[np.ndarray[Any, Any]]:
    """Every sample against every other one along axes of their own."""
    arity = REGISTRY[name].arity
    kept = samples(dtype)[:7] if arity == 3 else samples(dtype)
    return [
        kept.reshape([-1 if k == a else 1 for k in range(arity)]) for a in range(arity)
    ]


def results(name: str) -> tuple[list[Variable], list[Any], list[Variable]]:
    """Inputs, their values and what the operation makes of them, for all dtypes that it
    takes; of floats the gradients, too."""
    inputs: list[Variable] = []
    values: list[Any] = []
    outputs: list[Variable] = []
    for dtype in DTYPES:
        arrays = operands(name, dtype)
        given = variables(*arrays)
        try:
            output = REGISTRY[name](*given)
        except TypeError:
            continue  # not of this dtype
        if output.dtype.startswith("complex"):
            continue
        inputs += given
        values += arrays
        outputs.append(output)
        if output.dtype == dtype == "float64" and REGISTRY[name].derivative is not None:
            cost = T.sum(output * T.cos(sum(given)))
            with suppress(NullTypeGradError):  # by some operands it has none
                outputs += T.grad(cost, given, disconnected_inputs="ignore")
    return inputs, values, outputs


@pytest.mark.parametrize("name", [n for n in REGISTRY if n not in INSIDE])
def test_elements(name: str, gpu: str) -> None:
    inputs, values, outputs = results(name)
    if not outputs:
        pytest.skip("of complex numbers only")
    found, native = (
        on(device, inputs, outputs, on_unused_input="ignore")(*values)
        for device in (gpu, "cpu")
    )
    for got, wanted, output in zip(found, native, outputs, strict=True):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        itself = output.owner is not None and output.owner.op is REGISTRY[name]
        if itself and name not in NEARLY + BY_HOST:
            np.testing.assert_array_equal(got, wanted)
        else:  # sums of a gradient are made in another order
            scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1.0)
            near = ROUNDED.get(output.dtype, 2e-3)
            np.testing.assert_allclose(got, wanted, rtol=near, atol=near / 10 * scale)


def normal(*shape: int, dtype: str = "float64") -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).normal(size=shape).astype(dtype)


a, b = T.tensor4("a", "float64"), T.tensor4("b", "float64")
i = T.lvector("i")
A, B, ROWS = normal(3, 4, 6, 7), normal(5, 4, 3, 2), np.array([2, 0, 0, -1, 1])
FORMULAS: dict[str, Callable[[], Any]] = {
    "rows by positions": lambda: a[i],
    "elements by positions": lambda: a[:, i, i],
    "rows written": lambda: T.set_subtensor(a[i[:2], 1], 2.5),
    "rows added to": lambda: T.inc_subtensor(a[i], a[i[::-1]] * 2),
    "a window written": lambda: T.set_subtensor(a[1:, ::2, :3], 0.5),
    "convolution": lambda: T.nnet.conv2d(a, b),
    "strided convolution": lambda: T.nnet.conv2d(
        a, b, border_mode=(1, 2), subsample=(2, 1), filter_flip=False
    ),
    "maxima": lambda: T.signal.pool.pool_2d(a, (2, 3), ignore_border=False),
    "means": lambda: T.signal.pool.pool_2d(
        a, (2, 2), stride=(1, 2), ignore_border=True, mode="average_exc_pad"
    ),
    "softmax": lambda: T.nnet.softmax(a.flatten(2)),
    "log of softmax": lambda: T.log(T.nnet.softmax(a.flatten(2))),
    "products": lambda: T.tensordot(a, b, axes=[[1], [1]]),
    "batches": lambda: T.batched_dot(a.flatten(3), a.flatten(3).dimshuffle(0, 2, 1)),
    "totals": lambda: T.cumsum(a, axis=2) * T.cumprod(a, axis=3),
    "norms": lambda: (a - a.mean((0, 2), keepdims=True)) / a.std((0, 2), keepdims=True),
    "joined": lambda: T.concatenate([a[:, :, :3], a[:, :, ::-2] ** 2], axis=2),
    "diagonals": lambda: T.tril(a[0, 0]) + T.triu(a[0, 0], 1),
    "a loop": lambda: symnet.scan(
        lambda row, old: T.tanh(row + 0.3 * old), a, T.zeros_like(a[0])
    )[0],
    "a loop of products": lambda: symnet.scan(
        lambda row, old: T.tanh(T.dot(row, row.T) + 0.3 * old),
        a[:, 0],
        T.zeros_like(a[0, 0, :, :6]),
    )[0][-1],
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_and_their_gradients(name: str, gpu: str) -> None:
    """Beside reference evaluation, by NumPy."""
    output = FORMULAS[name]()
    cost = T.sum(output * T.sin(output))
    outputs = [output, *T.grad(cost, [a, b], disconnected_inputs="ignore")]
    inputs, values = [a, b, i], [A, B, ROWS]
    found = on(gpu, inputs, outputs, on_unused_input="ignore")(*values)
    wanted = evaluate(outputs, dict(zip(inputs, values)))
    for got, want in zip(found, wanted, strict=True):
        scale = np.max(np.abs(want), initial=1.0)
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11 * scale)


REDUCED = (
    (),
    (1,),
    (31,),
    (32,),
    (33,),
    (4097,),
    (3, 0),
    (0, 3),
    (5, 64, 7),
    (2, 3, 2, 65),
)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float16", "float32"])
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "argmax", "all", "any"])
def test_reductions_of_every_shape(kind: str, dtype: str, gpu: str) -> None:
    for shape in REDUCED:
        value = np.random.default_rng(4).integers(0, 3, shape).astype(dtype)
        x = T.TensorType(dtype, [None] * len(shape))("x")
        axes: Sequence[int | None] = [None, *range(len(shape))]
        for axis in axes if value.size or kind in ("sum", "prod", "all", "any") else ():
            output = getattr(T, kind)(x, axis=axis)
            got = on(gpu, [x], output)(value)
            (want,) = evaluate([output], {x: value})
            assert agree(got, want, float(np.max(np.abs(want), initial=1.0)))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_programs(seed: int, gpu: str) -> None:
    """The fuzzer's, with its judges: NumPy, and hundreds of digits."""
    with config.change_flags(device=gpu):
        faults = judge(generate(seed)).faults
    assert not [f for f in faults if "NotOnDevice" not in f.kind]
