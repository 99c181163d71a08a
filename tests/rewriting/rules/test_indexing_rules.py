"""Parts of arrays and writes to them, among them famous wrong results of others."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from symnet.compile.pipeline import rewrite_graph
from symnet.gradient import grad
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import Graph, leaves
from symnet.graph.types import TensorType
from symnet.graph.variables import Variable
from symnet.ops.advanced import AdvancedIncSubtensor
from symnet.ops.alloc import zeros, zeros_like
from symnet.ops.arithmetic import add, second, sqr
from symnet.ops.base import constant
from symnet.ops.functions import exp
from symnet.ops.indexing import inc_subtensor, set_subtensor
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import make_vector
from symnet.ops.subtensor import IncSubtensor
from tests.rewriting.rules.tools import apply, check, compare, refuse, simplified


def vector(name: str, dtype: str = "float64", size: int | None = None) -> Any:
    return TensorType(dtype, (size,))(name)


def both(output: Variable, values: dict[Variable, Any]) -> Any:
    """The value, the same before and after all passes."""
    inputs = [v for v in leaves([output]) if type(v) is Variable]
    graph = rewrite_graph(Graph(inputs, [output]))
    (want,), (got,) = evaluate([output], values), evaluate(graph.outputs, values)
    compare(got, want)
    return got


# ---- what went wrong elsewhere


def test_slice_of_a_reversed_slice() -> None:
    x = vector("x")
    array = np.arange(4.0)
    bounds = [None, -5, -2, 0, 1, 3]
    for a, b, c in itertools.product(bounds, bounds, [-2, -1, 0, 1]):
        want = array[a:b:-1]
        if -len(want) <= c < len(want):
            assert both(x[a:b:-1][c], {x: array}) == want[c]
        for d in (-1, 1, 2):
            assert both(x[a:b:-1][c::d], {x: array}).tolist() == want[c::d].tolist()


def test_increments_at_one_position_add_up() -> None:
    index, y = vector("i", "int64"), vector("y")
    output = inc_subtensor(zeros((3,))[index], y)[index]
    values = {index: np.array([0, 0]), y: np.array([1.0, 2.0])}
    assert both(output, values).tolist() == [3, 3]


def test_the_last_one_set_is_added_once() -> None:
    x, index, v = vector("x"), vector("i", "int64"), vector("v")
    output = x + set_subtensor(zeros_like(x)[index], v)
    values = {x: np.array([1.0, 2]), index: np.array([1, 1]), v: np.array([10.0, 20])}
    assert both(output, values).tolist() == [1, 22]


def test_an_increment_that_broadcasts_is_added_everywhere() -> None:
    x = vector("x", size=7)
    one = constant(np.zeros(1))
    output = x + set_subtensor(one[constant(np.array([0]))], np.array([5.0]))
    assert both(output, {x: np.arange(0.0, 70, 10)}).tolist() == list(range(5, 75, 10))


def test_integer_vectors_and_matrices_as_indices() -> None:
    x = vector("x")
    rng = np.random.default_rng(1)
    for shape in ((4,), (2, 3)):
        index = TensorType("int64", (None,) * len(shape))("i")
        y = TensorType("float64", (None,) * len(shape))("y")
        values = {
            x: rng.normal(size=5),
            index: rng.integers(-5, 5, shape),
            y: rng.normal(size=shape),
        }
        both(set_subtensor(x[index], y), values)
        both(inc_subtensor(x[index], y), values)
        both(x - 0.5 * inc_subtensor(zeros_like(x)[index], y), values)


# ---- additions to a part go there at once


def test_gradient_step_of_looked_up_rows() -> None:
    table = TensorType("float64", (None, None))("table")
    index = vector("i", "int64")
    cost = sum_over(sqr(table[index]))
    output = table - 0.1 * grad(cost, table)
    (new,) = simplified(output)
    assert (
        isinstance(new.owner.op, AdvancedIncSubtensor) and new.owner.inputs[0] is table
    )
    values = {table: np.arange(12.0).reshape(4, 3), index: np.array([1, 1, 3])}
    both(output, values)


def test_gradient_step_of_a_slice() -> None:
    x = vector("x")
    output = x - 0.1 * grad(sum_over(sqr(x[1:3])), x)
    (new,) = simplified(output)
    assert isinstance(new.owner.op, IncSubtensor) and new.owner.inputs[0] is x
    for size in (0, 1, 2, 5):
        both(output, {x: np.arange(float(size))})


def test_sums_with_a_part() -> None:
    x, y = vector("x"), vector("y")
    part = inc_subtensor(zeros_like(x)[1:], y)
    values = {x: np.array([1.0, 2, 3]), y: np.array([5.0, 7])}
    check("add_to_part", x + part, values)
    check("add_to_part", part + x, values)
    check("subtract_from_part", x - part, values)
    refuse("subtract_from_part", part - x)
    refuse("add_to_part", vector("z") + part)  # shapes that are not known to agree
    check("add_to_part", x + set_subtensor(zeros_like(x)[1:], y), values)
    refuse("add_to_part", x + inc_subtensor((zeros_like(x) + 1)[1:], y))
    _, count = apply("add_to_part", x + part, part)
    assert count == 0  # the part is needed as it is


def test_scaled_parts() -> None:
    x, y, s = vector("x"), vector("y"), TensorType("float64", ())("s")
    part = inc_subtensor(zeros_like(x)[1:], y)
    values = {x: np.zeros(3), y: np.array([5.0, 7]), s: np.array(2.0)}
    for name, output in (
        ("mul", part * s),
        ("mul", s * part),
        ("neg", -part),
        ("true_div", part / s),
    ):
        check(f"scaled_part_{name}", output, values)
    refuse("scaled_part_mul", part * x)
    refuse("scaled_part_true_div", s / part)


# ---- parts of what was just made


def test_part_just_written() -> None:
    x, y = vector("x"), vector("y")
    values = {x: np.arange(3.0), y: np.array([5.0, 7])}
    refuse("part_just_written", set_subtensor(x[1:], y)[1:])  # it asks that y fits
    refuse("part_just_written", set_subtensor(x[1:], y)[:2])
    refuse("part_just_written", inc_subtensor(x[1:], y)[1:])
    check("part_just_written", set_subtensor(x[1:], x[1:] * 2)[1:], values)
    s = TensorType("float64", ())("s")
    check("part_just_written", set_subtensor(x[1], s)[1], {**values, s: np.array(9.0)})


def test_whole_part_and_elements() -> None:
    x = vector("x")
    assert check("whole_part", x[:], {x: np.arange(3.0)}) is x
    refuse("whole_part", x[1:])
    refuse("whole_part", x[::-1])
    a, b = (TensorType("int64", ())(name) for name in "ab")
    pair: Any = make_vector([a, b])
    assert check("element_of_vector", pair[1], {a: np.array(1), b: np.array(2)}) is b
    assert check("element_of_vector", pair[-2], {a: np.array(1), b: np.array(2)}) is a
    refuse("element_of_vector", pair[a])


def test_row_of_one() -> None:
    x = TensorType("float64", (None, None))("x")
    values = {x: np.arange(6.0).reshape(2, 3)}
    check("row_of_one", dimshuffle(x, "x", 0, 1)[0], values)
    check("row_of_one", dimshuffle(x, "x", 1, 0)[-1], values)
    check("row_of_one", dimshuffle(x, "x", "x", 1, 0)[0], values)
    check("row_of_one", dimshuffle(x, "x", 1, 0)[0, 1:, 0], values)
    refuse("row_of_one", dimshuffle(x, "x", 0, 1)[:1])
    refuse("row_of_one", dimshuffle(x, 0, "x", 1)[0])


def test_fill_written() -> None:
    x, s = vector("x"), TensorType("float64", ())("s")
    output = inc_subtensor(x[1:], second(x[1:], s))
    new = check("fill_written_inc", output, {x: np.arange(3.0), s: np.array(4.0)})
    assert new.owner.inputs[1] is s
    refuse("fill_written_inc", inc_subtensor(x[1:], second(x[:-1], s)))
    index = vector("i", "int64")
    output = inc_subtensor(x[index], second(x[index], s))
    values = {x: np.arange(3.0), s: np.array(4.0), index: np.array([0, 2, 2])}
    check("fill_written_advanced", output, values)


def test_part_of_elementwise() -> None:
    x, y, s = vector("x"), vector("y"), TensorType("float64", ())("s")
    output = (exp(x) * s + x)[1::2]
    new = check("part_of_elementwise", output, {x: np.arange(4.0), s: np.array(2.0)})
    assert new.owner.op == add
    refuse("part_of_elementwise", (x + y)[1:])  # it asks that the shapes agree
    whole = exp(x)
    assert apply("part_of_elementwise", whole[1:], whole)[1] == 0
    for index in (slice(None, None, -1), slice(-2, None), 0, -1):
        check("part_of_elementwise", exp(x)[index], {x: np.arange(3.0)})
    row = TensorType("float64", (1, None))("row")
    m = TensorType("float64", (None, None))("m")
    refuse("part_of_elementwise", (m + row)[1:])
