"""No rule loses a check of sizes that only a run can tell: elements of integer arrays,
results of computations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function
from symnet.errors import ShapeError
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.kernels.loopir.views import ZERO, combine, size
from symnet.ops.base import TensorOp
from symnet.ops.composed import Composed
from symnet.ops.lowerings import Shapes, Sizes
from symnet.rewriting.patterns import Rule
from symnet.rewriting.rewriter import rewrite
from symnet.sizes.conservative import MOST_DEMANDS, CertainSizes
from symnet.tensor.nnet.neighbours import images2neibs
from symnet.tensor.signal.pool import pool_2d

MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]


class Even(Composed):
    """even(x, n): x, where n is even.  The definition says nothing of n."""

    __props__ = ()

    def make_node(self, x: Any, n: Any) -> Apply:
        return Apply(self, [x, n], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        number = sizes.value(node.inputs[1])
        rest = combine("mod", number, size(2))
        sizes.require(combine("eq", rest, ZERO), "the number is odd")
        return [inputs[0]]

    def expand(self, *inputs: Variable) -> Variable:
        return inputs[0] + 0

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        if arrays[1] % 2:
            raise ValueError("the number is odd")
        return [arrays[0] + 0]


class Reversed(TensorOp):
    """x reversed, whose size its rule does not tell."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> None:
        return None

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [arrays[0][::-1]]


class Refusing(Reversed):
    """What is found to be wrong before any run."""

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> None:
        raise ShapeError("these sizes are never right")


def image(x: Variable) -> Variable:
    return x.dimshuffle("x", "x", 0, 1)


# Of a 6 x 4 matrix, a vector of 4 and a number: which numbers are right and wrong.
OPERATIONS: dict[str, tuple[Callable[..., Variable], list[int], list[int]]] = {
    "even": (lambda x, v, n: Even()(v, n), [-2, 0, 4], [-1, 3]),
    "pooling, windows": (
        lambda x, v, n: pool_2d(image(x), (n, n), True, (1, 1)),
        [1, 2, 4], [0, -1],
    ),
    "pooling, padding": (
        lambda x, v, n: pool_2d(image(x), (2, 2), True, (1, 1), (n, n), "sum"),
        [0, 1], [2, -1],
    ),
    "patches": (lambda x, v, n: images2neibs(image(x), (n, 2)), [2, 3, 6], [4, 5, 7]),
    "choice of equals": (lambda x, v, n: T.switch(T.alloc(1.0, n) > 0, v, v), [4], [3, 5]),
    "choice of reshaped": (
        lambda x, v, n: T.switch(x.reshape((n, -1)).sum(0) > 0, v, v),
        [6], [4, 8],
    ),
    "specified": (lambda x, v, n: T.specify_shape(v, (n,)), [4], [3, 5]),
    "sum": (lambda x, v, n: T.alloc(0.0, n) + v, [4], [3, 5]),
    "written part": (lambda x, v, n: T.set_subtensor(v[n:], T.ones(2)), [2, -2], [1, 5]),
}  # fmt: skip
# What is left of a result where rules have done their work.
USES: dict[str, Callable[[Variable], Variable]] = {
    "itself": lambda r: r,
    "zeros": T.zeros_like,
    "number of elements": lambda r: r.size,
    "choice of equals": lambda r: T.switch(r > 0, 1.0, 1.0),
    "first": lambda r: r.flatten()[:1],
    "difference": lambda r: T.exp(r) - T.exp(r),
    "replaced": lambda r: T.set_subtensor(r.flatten()[:], 0),
}
# The number as an element of an argument, and as a sum of a computed array.
SOURCES: dict[str, Callable[[Variable], Variable]] = {
    "element": lambda k: k[0],
    "computed": lambda k: T.cast(T.exp(k * 0.0).sum(), "int64") + k.sum() - 2,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_sizes_from_data_are_checked(operation: str, source: str) -> None:
    made, right, wrong = OPERATIONS[operation]
    x, v, k = T.dmatrix("x"), T.dvector("v"), T.lvector("k")
    result = made(x, v, SOURCES[source](k))
    arrays = np.arange(24.0).reshape(6, 4), np.arange(4.0)
    for use in USES.values():
        f = function([x, v, k], use(result), on_unused_input="ignore")
        for number in right:
            f(*arrays, [number, 0])
        for number in wrong:
            with pytest.raises((ValueError, TypeError)):
                f(*arrays, [number, 0])


@pytest.mark.parametrize("mode", MODES)
def test_in_loops_and_conditions(mode: str) -> None:
    x, k = T.dmatrix("x"), T.lvector("k")
    sums, _ = symnet.scan(lambda row, n: Even()(row, n).sum(), [x, k])
    f = function([x, k], sums, mode=mode)
    np.testing.assert_array_equal(f(np.ones((2, 3)), [0, 4]), [3.0, 3.0])
    with pytest.raises(ValueError, match="odd"):
        f(np.ones((2, 3)), [0, 3])
    f = function([x, k], symnet.ifelse.ifelse(k[1] > 0, Even()(x, k[0]), x), mode=mode)
    np.testing.assert_array_equal(f(np.ones((2, 3)), [1, 0]), np.ones((2, 3)))
    with pytest.raises(ValueError, match="odd"):
        f(np.ones((2, 3)), [1, 1])


@pytest.mark.parametrize("count", range(MOST_DEMANDS - 2, MOST_DEMANDS + 4))
def test_the_condition_too_many_is_not_lost(count: int) -> None:
    several, c = T.dvectors(count), T.dvector("c")
    total = several[0]
    for one in several[1:]:
        total = total + one
    f = function([*several, c], T.switch(c > 0, total, total))
    np.testing.assert_array_equal(f(*[np.ones(3)] * count, np.ones(3)), [count] * 3)
    with pytest.raises(ValueError, match="2 and 3"):
        f(*[np.ones(3)] * count, np.ones(2))


def test_below_an_operation_that_says_nothing_of_sizes() -> None:
    a, b = T.dvector("a"), T.dvector("b")
    result = Reversed()(a + b)
    rule = Rule("drops b", Reversed, lambda match: a[::-1])
    (new,) = rewrite(Graph([a, b], [result]), [rule]).outputs
    f = function([a, b], new)
    np.testing.assert_array_equal(f([1.0, 2.0], [0.0, 0.0]), [2.0, 1.0])
    with pytest.raises(ValueError, match="2 and 3"):
        f([1.0, 2.0], [0.0, 0.0, 0.0])


def test_an_error_that_a_rule_of_sizes_finds_is_kept() -> None:
    a = T.dvector("a")
    rule = Rule("drops it", Refusing, lambda match: match.node.inputs[0])
    (new,) = rewrite(Graph([a], [Refusing()(a)]), [rule]).outputs
    with pytest.raises(ShapeError, match="never right"):
        function([a], new)([1.0])


def test_values_of_a_run_have_names() -> None:
    x, k = T.dmatrix("x"), T.lvector("k")
    number = k[0]
    known = CertainSizes([x, k])
    one, two = T.alloc(1.0, number), T.alloc(2.0, number, 3)
    assert known.sizes_of(one)[0] is known.sizes_of(two)[0]
    assert known.sizes_of(T.alloc(1.0, k[1]))[0] is not known.sizes_of(one)[0]
    assert known.demanded(one) == known.demanded(two)
    assert not known.never_negative(known.value(number))


def test_values_inside_a_loop_mean_nothing_outside() -> None:
    x, k = T.dmatrix("x"), T.lvector("k")
    made, _ = symnet.scan(lambda row, n: T.alloc(row.sum(), n), [x, k])
    other, _ = symnet.scan(lambda row, n: T.alloc(row.max(), n), [x, k])
    known = CertainSizes([x, k])
    assert known.sizes_of(made)[1] is not known.sizes_of(other)[1]
