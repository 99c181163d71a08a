"""Products of matrices, and the graph of a whole training step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.compile.pipeline import rewrite_graph
from symnet.gradient import grad
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import Graph
from symnet.graph.types import COMPLEX, TensorType
from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import log, neg
from symnet.ops.base import constant
from symnet.ops.creation import arange
from symnet.ops.functions import sigmoid, tanh
from symnet.ops.linalg.gemm import Gemm
from symnet.ops.linalg.products import Dot, dot
from symnet.ops.nnet.activations import softmax
from symnet.ops.nnet.classification import categorical_crossentropy
from symnet.ops.statistics import mean
from symnet.rewriting.rewriter import Trace
from symnet.shared import shared
from tests.rewriting.rules.tools import apply, check, compare, refuse

RNG = np.random.default_rng(3)


def matrix(name: str, dtype: str = "float64") -> Any:
    return TensorType(dtype, (None, None))(name)


def scalar(name: str, dtype: str = "float64") -> Any:
    return TensorType(dtype, ())(name)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_sums_with_a_product(dtype: str) -> None:
    a, b, c = (matrix(name, dtype) for name in "abc")
    s, t = scalar("s", dtype), scalar("t", dtype)
    s_value, t_value = np.array(1.5, dtype), np.array(-0.5, dtype)
    product = dot(a, b)
    if dtype in COMPLEX:  # numbers only: one read at the run might be 0
        for output, kind in ((c * t + product, "sum"), (c - s * product, "difference")):
            refuse(f"gemm_of_{kind}", output)
        s, t = constant(s_value), constant(t_value)
    sums = [
        (c + product, "sum"), (product + c, "sum"), (c + s * product, "sum"),
        (c * t + product * s * 2, "sum"), (c / t + -product, "sum"),
        (c - product, "difference"), (product - c, "difference"),
        (s * product - t * c, "difference"), (c - s * product / t, "difference"),
    ]  # fmt: skip
    shapes = [(2, 3, 4), (1, 1, 1), (0, 3, 2), (2, 0, 3)]
    for rows, inner, columns in shapes:
        values = {
            a: RNG.normal(size=(rows, inner)).astype(dtype),
            b: RNG.normal(size=(columns, inner)).astype(dtype).T,
            c: RNG.normal(size=(rows, 2 * columns)).astype(dtype)[:, ::2],
            s: s_value, t: t_value,
        }  # fmt: skip
        for output, kind in sums:
            new = check(
                f"gemm_of_{kind}", output, values, rtol=300 * np.finfo(dtype).eps
            )
            assert isinstance(new.owner.op, Gemm)


def test_where_gemm_does_not_fit() -> None:
    a, b, c = (matrix(name) for name in "abc")
    vector, row = (
        TensorType("float64", (None,))("v"),
        TensorType("float64", (1, None))("r"),
    )
    product = dot(a, b)
    for output in (
        product + vector, product + row, product + 1.0, dot(a, vector) + vector,
        product * c + c, dot(matrix("i", "int64"), matrix("j", "int64")) + matrix("k", "int64"),
    ):  # fmt: skip
        refuse("gemm_of_sum", output)
    _, count = apply("gemm_of_sum", c + product, product)
    assert count == 0  # the product is needed itself
    _, count = apply("gemm_of_sum", tanh(c + product))
    assert count == 0  # a loop follows, in which the addition is free
    total = c + product
    _, count = apply("gemm_of_sum", tanh(total), total)
    assert count == 1  # a loop follows, but the sum is an output


def test_sizes_still_have_to_agree() -> None:
    a, b, c = (matrix(name) for name in "abc")
    (new,), _ = apply("gemm_of_sum", c + dot(a, b))
    with pytest.raises(ValueError, match="product"):
        evaluate([new], {a: np.ones((2, 3)), b: np.ones((3, 4)), c: np.ones((1, 4))})


def test_signs_and_transposes_of_products() -> None:
    a, b = matrix("a"), matrix("b")
    values = {a: RNG.normal(size=(2, 3)), b: RNG.normal(size=(3, 4))}
    check("product_of_negative", dot(neg(a), b), values)
    check("product_of_negative", dot(a, neg(b)), values)
    new = check("transposed_product", dot(a, b).T, values)
    assert isinstance(new.owner.op, Dot)
    product = dot(a, b)
    _, count = apply("transposed_product", product.T, product)
    assert count == 0


# ---- a training step


def network(loss: str, activation: Any = tanh) -> tuple[Graph, dict[Variable, Any]]:
    """Costs and updates of a network of two layers."""
    x, y = matrix("x"), TensorType("int32", (None,))("y")
    sizes = [(6, 5), (5,), (5, 3), (3,)]
    parameters = [shared(RNG.normal(size=n), f"p{k}") for k, n in enumerate(sizes)]
    w1, b1, w2, b2 = parameters
    p = softmax(dot(activation(dot(x, w1) + b1), w2) + b2)
    if loss == "crossentropy":
        cost = mean(categorical_crossentropy(p, y))
    else:
        cost = -mean(log(p)[arange(y.shape[0]), y])
    gradients = grad(cost, parameters)
    updates = [v - 0.1 * g for v, g in zip(parameters, gradients)]
    values = {x: RNG.normal(size=(7, 6)), y: RNG.integers(0, 3, 7).astype("int32")}
    return Graph([x, y], [cost, *updates]), values


def count(graph: Graph, kind: type) -> int:
    return sum(isinstance(node.op, kind) for node in graph.toposort())


@pytest.mark.parametrize("loss", ["crossentropy", "log"])
@pytest.mark.parametrize("activation", [tanh, sigmoid])
def test_training_step_of_a_network(loss: str, activation: Any) -> None:
    graph, values = network(loss, activation)
    trace = Trace()
    new = rewrite_graph(graph, trace=trace)
    for got, want in zip(
        evaluate(new.outputs, values), evaluate(graph.outputs, values)
    ):
        compare(got, want, rtol=1e-11)
    # Two products forward, one backward; the gradients of both weights go into them.
    assert count(new, Dot) == 3 and count(new, Gemm) == 2
    assert len(new.toposort()) <= 48
    for gemm in (node for node in new.toposort() if isinstance(node.op, Gemm)):
        assert gemm.outputs[0] in new.outputs and gemm.inputs[4].owner is None
    wide = [node for node in new.toposort() if is_wide_fill(node)]
    assert len(wide) <= (1 if loss == "log" else 0)  # zeros that gradients are added to


def is_wide_fill(node: Apply) -> bool:
    return str(node.op) in ("second", "Alloc") and node.outputs[0].type.ndim == 2


def test_large_scores_do_no_harm() -> None:
    for loss in ("crossentropy", "log"):
        graph, values = network(loss)
        for leaf in values:
            if leaf.type.ndim == 2:
                values[leaf] = values[leaf] * 1e4
        new = rewrite_graph(graph)
        assert all(np.all(np.isfinite(v)) for v in evaluate(new.outputs, values))


def test_momentum_goes_into_the_product() -> None:
    x, g = matrix("x"), matrix("g")
    w, v = shared(np.ones((3, 2)), "w"), shared(np.zeros((3, 2)), "v")
    step = 0.9 * v - 0.1 * dot(x.T, g)
    graph = Graph([x, g], [step, w + step])
    new = rewrite_graph(graph)
    assert count(new, Gemm) == 1 and count(new, Dot) == 0
    values = {x: RNG.normal(size=(5, 3)), g: RNG.normal(size=(5, 2))}
    for got, want in zip(
        evaluate(new.outputs, values), evaluate(graph.outputs, values)
    ):
        compare(got, want, rtol=1e-12)


def test_weight_decay_stays_one_product() -> None:
    x, g = matrix("x"), matrix("g")
    w = shared(np.ones((3, 2)), "w")
    graph = Graph([x, g], [w - 0.1 * (dot(x.T, g) + 0.01 * w)])
    new = rewrite_graph(graph)
    assert count(new, Gemm) + count(new, Dot) == 1
    values = {x: RNG.normal(size=(5, 3)), g: RNG.normal(size=(5, 2))}
    compare(
        evaluate(new.outputs, values)[0], evaluate(graph.outputs, values)[0], rtol=1e-12
    )
