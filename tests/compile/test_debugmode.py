"""DebugMode: bugs put into rewrites, kernels and memory are found and named; sound
programs pass, also those whose digits do not hold."""

from __future__ import annotations

import ctypes
import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, grad, shared
from symnet.compile import DebugMode, pipeline
from symnet.compile.debugmode import (
    BadCode,
    BadMemory,
    BadRewrite,
    BadViewMap,
    DebugModeError,
    InvalidValueError,
    Unstable,
)
from symnet.compile.lower import lowering
from symnet.compile.memory import overwriting
from symnet.gof import local_optimizer
from symnet.graph.op import Op
from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply
from symnet.ifelse import ifelse
from symnet.kernels.loopir import scalars
from symnet.kernels.reference import reference_device
from symnet.ops.functions import tanh
from symnet.rewriting.patterns import Rule, pattern_vars

a, b = pattern_vars("a b")
RNG = np.random.default_rng(0)


def debug(inputs, outputs, **options):
    return function(inputs, outputs, mode="DebugMode", **options)


def line_of(text):
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()
    (found,) = [k for k, line in enumerate(lines, 1) if line.endswith(f"# {text}")]
    return f"{__file__}:{found}"


# ---- bugs


@pytest.fixture
def wrong_rule(monkeypatch):
    """A rule of the library pass that takes tanh(a) * b for tanh(a) * b + 0.001."""
    rule = Rule("too_much", tanh(a) * b, b * tanh(a) + 0.001)
    changed = [
        dataclasses.replace(step, rules=(rule,)) if step.name == "library" else step
        for step in pipeline.PASSES
    ]
    monkeypatch.setattr(pipeline, "PASSES", tuple(changed))


@pytest.mark.filterwarnings("ignore")
def test_a_wrong_rewrite_is_named_with_the_users_line(wrong_rule):
    x = T.dvector("x")
    y = T.tanh(x) * x  # marker: rewritten
    f = debug([x], T.exp(y).sum())
    with pytest.raises(BadRewrite) as error:
        f(np.array([0.5, 1.0]))
    text = str(error.value)
    assert "'too_much'" in text and "'library'" in text and "largest difference" in text
    assert line_of("marker: rewritten") in text


@pytest.mark.filterwarnings("ignore")
def test_a_wrong_rewrite_of_an_update_changes_nothing(wrong_rule):
    s = shared(np.ones(3))
    f = debug([], [], updates=[(s, T.tanh(s) * s)])
    with pytest.raises(BadRewrite):
        f()
    assert (s.get_value() == 1).all()


def body_of(name):
    """The op `name`, whose scalar body a test may put a bug into."""
    return symnet.ops.elementwise.REGISTRY[name]


def test_a_wrong_kernel_is_named_with_the_users_line(monkeypatch):
    op = body_of("tanh")
    right = op.body
    monkeypatch.setattr(op, "body", lambda x: scalars.call("add", right(x), 0.01))
    x = T.dvector("x")
    y = T.tanh(x * 2)  # marker: computed
    f = debug([x], T.exp(y).sum())
    with pytest.raises(BadCode) as error:
        f(np.array([0.5, 1.0]))
    text = str(error.value)
    assert "native code of tanh" in text and line_of("marker: computed") in text
    assert "largest difference 0.01" in text


@pytest.mark.filterwarnings("ignore")
def test_a_wrong_rewrite_inside_a_loop_is_named_with_its_step(wrong_rule):
    x, h = T.dmatrix("x"), T.dvector("h")
    hs, _ = symnet.scan(
        lambda row, h: T.tanh(row) * h,  # marker: rewritten inside
        x, h,
    )  # fmt: skip
    f = debug([x, h], hs)
    with pytest.raises(BadRewrite) as error:
        f(np.full((3, 2), 0.5), np.ones(2))
    text = str(error.value)
    assert text.startswith("in step 0 of Scan")
    assert "'too_much'" in text
    assert line_of("marker: rewritten inside") in text


def test_a_wrong_kernel_inside_a_loop_is_named_with_its_step(monkeypatch):
    op = body_of("exp")
    right = op.body
    wrong = lambda x: scalars.select(x > 2.0, right(x) + 0.01, right(x))  # noqa: E731
    monkeypatch.setattr(op, "body", wrong)
    x, h = T.dmatrix("x"), T.dvector("h")
    hs, _ = symnet.scan(
        lambda row, h: T.exp(row) + h * 0.5,  # marker: wrong inside
        x, h,
    )  # fmt: skip
    f = debug([x, h], hs)
    f(np.ones((3, 2)), np.ones(2))
    with pytest.raises(BadCode) as error:
        f(np.array([[1.0], [1.5], [2.5], [1.0]]), np.ones(1))
    text = str(error.value)
    assert text.startswith("in step 2 of Scan")
    assert "native code of exp disagrees" in text
    assert line_of("marker: wrong inside") in text


def test_a_wrong_branch_is_named(monkeypatch):
    op = body_of("exp")
    right = op.body
    monkeypatch.setattr(op, "body", lambda x: right(x) + 0.01)
    x = T.dvector("x")
    f = debug([x], ifelse(T.gt(x.sum(), 0), T.exp(x), x))
    f(-np.ones(2))
    with pytest.raises(BadCode, match="in the branch taken"):
        f(np.ones(2))


def test_a_wrong_kernel_of_integers(monkeypatch):
    op = body_of("maximum")
    monkeypatch.setattr(op, "body", lambda x, y: scalars.call("minimum", x, y))
    x, y = T.lvectors("x", "y")
    f = debug([x, y], T.maximum(x, y) + 1)
    with pytest.raises(BadCode, match="maximum"):
        f([1, 2], [2, 1])
    assert (f([3], [3]) == 4).all()  # nothing differs


def test_operations_wrong_only_together(monkeypatch):
    """Each operation alone is right: the loop of several is named by its output."""
    plain = lowering.KernelBuilder._value

    def wrong(self, node):
        value = plain(self, node)
        together = len(self.cluster.nodes) > 1 and node.op == tanh
        return scalars.call("neg", value) if together else value

    monkeypatch.setattr(lowering.KernelBuilder, "_value", wrong)
    x = T.dvector("x")
    f = debug([x], T.exp(T.tanh(x) * 3))
    with pytest.raises(BadCode, match="lowering of operations fused into one") as error:
        f(np.array([0.5, 1.0]))
    assert __file__ in str(error.value)


class Scribble(Op):
    """Overwrites its input and does not say so, as code that is not NumPy's may."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0].copy()
        ctypes.memset(inputs[0].ctypes.data, 0, inputs[0].nbytes)


def test_an_overwritten_argument_is_noticed():
    x = T.dvector("x")
    f = debug([x], Scribble()(x))
    with pytest.raises(DebugModeError):
        f(np.array([1.0, 2.0]))
    assert issubclass(BadMemory, DebugModeError)


# ---- sound programs


def by_hand(v):
    """A softmax that overflows as it is written."""
    return T.exp(v) / T.exp(v).sum()


UNSTABLE = [
    lambda v: T.log(T.nnet.sigmoid(v)),
    lambda v: T.log(1 - T.nnet.sigmoid(v)),
    lambda v: T.log(1 + T.exp(v)),
    lambda v: T.exp(v) - 1,
    lambda v: T.log(T.nnet.softmax(v.dimshuffle("x", 0))),
    lambda v: T.log(T.exp(v).sum()),
    lambda v: T.exp(v) / T.exp(v).sum(),
    lambda v: T.log(T.exp(v)),
    lambda v: T.sqrt(T.sqr(v)),
    lambda v: (v * 1e-30) * 1e30,
    lambda v: (v + 1e9) - 1e9,
    lambda v: v * v - v * v + T.sin(v * 1e5),
    lambda v: T.switch(by_hand(v) > 0, T.log(by_hand(v)), 0),
    lambda v: (by_hand(v) > 0.5) * 1.0,
    lambda v: T.eq(by_hand(v), by_hand(v).max()),
    lambda v: ifelse(by_hand(v)[1] > 0.25, by_hand(v).sum(), v[0]),
    lambda v: T.argmax(T.nnet.softmax(v.dimshuffle("x", 0)), axis=1),
    lambda v: T.nnet.binary_crossentropy(T.nnet.sigmoid(v), T.gt(v, 0)).sum(),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", UNSTABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stabler_forms_are_no_errors(build, dtype):
    v = T.vector("v", dtype=dtype)
    y = build(v)
    g = grad(y.sum(), v) if y.dtype in FLOATS else v
    f = debug([v], [y, g])
    for value in ([1.0, 20, 40, -40], [100, 800, -800, 0], [1e-20, -1e-20, 1e-9, 0.3]):
        f(np.array(value, dtype=dtype))


def test_a_network_trains():
    x, y = T.fmatrix("x"), T.lvector("y")
    w, c = shared(RNG.normal(size=(6, 4)).astype("f4")), shared(np.zeros(4, "f4"))
    p = T.nnet.softmax(T.dot(T.tanh(x), w) + c)
    cost = -T.log(p)[T.arange(y.shape[0]), y].mean()
    updates = [(v, v - np.float32(0.5) * grad(cost, v)) for v in (w, c)]
    f = debug([x, y], cost, updates=updates)
    value, label = RNG.normal(size=(8, 6)).astype("f4"), RNG.integers(0, 4, 8)
    costs = [float(f(value, label)) for _ in range(5)]
    assert costs == sorted(costs, reverse=True) and costs[-1] < costs[0]


def test_errors_of_the_users_program_stay_what_they_are():
    x, y = T.dvectors("x", "y")
    f = debug([x, y], x + y)
    with pytest.raises(symnet.errors.ShapeError):
        f(np.ones(2), np.ones(3))


def test_free():
    x = T.dvector("x")
    f = debug([x], x * 2)
    f(np.ones(3))
    f.free()
    assert f(np.ones(2)).sum() == 4


def test_programs_are_judged_as_they_are_lowered(monkeypatch):
    """With updates, as other modes run them: machine code of another one was right."""

    def wrong(kernel, sizes, operands):
        launch(kernel, sizes, operands)
        operands[-1][...] += 1

    launch = reference_device.launch
    monkeypatch.setattr(reference_device, "launch", wrong)
    w = shared(np.arange(3.0), "w")
    f = debug([], [], updates=[(w, T.exp(w) * 2)])
    with pytest.raises(BadCode, match="lowering of operations") as error:
        f()
    assert __file__ in str(error.value)
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])


def test_the_memory_of_updates_is_proven(monkeypatch):
    """DebugMode itself computes updates beside the shared variables."""
    monkeypatch.setattr(overwriting, "overwrites_safely", lambda *_: True)
    w = shared(np.arange(3.0), "w")
    f = debug([], [], updates=[(w, T.set_subtensor(w[::-1][0], 9.0))])
    with pytest.raises(BadMemory, match="shared w, float64"):
        f()
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])


def test_which_of_many_nearly_equal_values_is_the_largest_is_a_matter_of_rounding():
    x = T.TensorType("float16", (False,))("x")
    entropy = T.log(1 + T.exp(x)) - x * T.nnet.sigmoid(x)  # flat at 0
    values = np.linspace(-0.06, 0.07, 41).astype("float16")
    (found,) = debug([x], [symnet.grad(entropy.max(), x)])(values)
    assert found.shape == values.shape


# ---- what a mode is asked to look at, and what users' operations must say


def test_results_that_must_be_finite() -> None:
    x = T.dvector("x")
    plain, strict = DebugMode(), DebugMode(check_isfinite=True)
    assert function([x], 1 / x, mode=plain)([0.0]) == np.inf
    f = function([x], 1 / x, mode=strict)
    assert f([2.0]) == 0.5
    with pytest.raises(InvalidValueError, match="true_div.* is not finite") as caught:
        f([0.0])
    assert "test_debugmode.py" in str(caught.value)


def test_rewrites_that_give_something_else_each_time() -> None:
    turn = iter(range(100))

    @local_optimizer([T.exp])
    def fickle(node: Any) -> Any:
        return [node.inputs[0] * (1 + next(turn))]

    x = T.dvector("x")
    mode = DebugMode(stability_patience=2)
    assert function([x], T.exp(x), mode=mode)([0.0]) == 1
    with pytest.raises(BadRewrite, match="rewritten to different"):
        function([x], T.exp(x), mode=mode.register((fickle, 0.5)))
    with pytest.raises(ValueError, match="patience of 0"):
        DebugMode(stability_patience=0)


def test_less_can_be_looked_at() -> None:
    x = T.dvector("x")
    options = {"check_c_code": False, "check_py_code": False, "linker": None}
    mode = DebugMode(
        **options, check_preallocated_output=[], require_matching_strides=0
    )
    assert mode.checks.code is mode.checks.judge is False
    assert mode != DebugMode() and mode == DebugMode(**options)
    np.testing.assert_array_equal(function([x], T.exp(x), mode=mode)([0.0]), [1.0])


class Half(Op):
    """The first half of a vector, as a view."""

    def __init__(self, view_map: Any) -> None:
        self.view_map = view_map

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0][: len(inputs[0]) // 2]


def test_views_are_declared() -> None:
    x = T.dvector("x")
    value = np.arange(4.0)
    f = function([x], Half({0: [0]})(x) + 1, mode="DebugMode")
    np.testing.assert_array_equal(f(value), [1.0, 2.0])
    f = function([x], Half({})(x) + 1, mode="DebugMode")
    with pytest.raises(BadViewMap, match="result 0 is memory of input 0") as caught:
        f(value)
    text = str(caught.value)
    assert "view_map = {0: [0]}" in text and "test_debugmode.py" in text


class Twice(Op):
    """Its input, as two results that are one array."""

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type(), x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = output_storage[1][0] = inputs[0] + 1


def test_results_have_memory_of_their_own() -> None:
    x = T.dvector("x")
    f = function([x], Twice()(x), mode="DebugMode")
    with pytest.raises(BadViewMap, match="results 0 and 1 share memory") as caught:
        f([1.0])
    assert "test_debugmode.py" in str(caught.value)


@pytest.mark.parametrize(
    "factors", [[100, -200, 0, 3e38], [1e-30, 1e-30, 1e30, 1e30], [3e38, 100, 0]]
)
def test_products_whose_parts_leave_the_range_are_no_fault(factors):
    """In one order they do, in another not, and no order is promised."""
    x = T.fmatrix("x")
    for product in (T.prod(x, axis=0), T.prod(x), T.prod(x.T, axis=1) + 1):
        rows = np.array([factors, factors], "float32").T
        wrong: list[Exception] = []
        try:
            function([x], product, mode="DebugMode")(rows)
        except Exception as error:
            wrong.append(error)
        # That it is finite as a formula may be said.
        assert not wrong or type(wrong[0]) is Unstable


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("border", ["half", "full", "valid"])
def test_filters_that_are_not_finite_beside_a_border(value, border):
    """A border's zeros times infinity are NaN where they are multiplied, as PyTorch does."""
    x, w = T.ftensor4("x"), T.ftensor4("w")
    maps = T.nnet.conv2d(x, w, border_mode=border)
    filters = np.ones((2, 2, 3, 3), "float32")
    filters[0, 1, 0, 2] = value
    images = np.ones((2, 2, 6, 7), "float32")
    f = function([x, w], [maps, T.grad((maps[:, 1] ** 2).sum(), w)], mode="DebugMode")
    found, _ = f(images, filters)
    assert np.isfinite(found[:, 1]).all() and not np.isfinite(found[:, 0, 3, 3]).any()
