"""Rewrites that users write: in every form, where they run, what is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function
from symnet.compile import DebugMode, Mode, optdb
from symnet.compile.debugmode import BadRewrite
from symnet.gof import (
    Apply,
    Constant,
    EquilibriumOptimizer,
    FunctionGraph,
    LocalOptimizer,
    MergeOptimizer,
    Op,
    OpKeyOptimizer,
    OpRemove,
    OpSub,
    Optimizer,
    PatternSub,
    SeqOptimizer,
    TopoOptimizer,
    Type,
    local_optimizer,
    optimizer,
)
from symnet.rewriting.function_graph import UsersRewriteError
from symnet.tensor.opt import register_canonicalize

V = np.array([0.5, 1.0, 2.0])


@local_optimizer([T.log])
def log_to_exp(node: Any) -> Any:
    """Changes values, so that it is seen whether it was applied."""
    return [T.exp(node.inputs[0])]


@local_optimizer([T.exp])
def exp_of_log(node: Any) -> Any:
    inner = node.inputs[0].owner
    return [inner.inputs[0]] if inner and inner.op == T.log else False


class SinForExp(Optimizer):
    def apply(self, graph: FunctionGraph) -> None:
        for node in graph.toposort():
            if node.op == T.exp:
                graph.replace_validate(node.outputs[0], T.sin(node.inputs[0]), "sin")


@optimizer
def sines(graph: FunctionGraph) -> None:
    SinForExp().apply(graph)


def ops(f: Any) -> list[str]:
    return [str(node.op) for node in f.maker.fgraph.toposort()]


def applied(rewrite: Any, output: Any, x: Any, position: float = 0.5) -> Any:
    mode = Mode(optimizer=None).register((rewrite, position))
    return function([x], output, mode=mode)


# ---- forms


def test_of_one_operation() -> None:
    x = T.dvector("x")
    f = applied(log_to_exp, T.log(x) + 1, x)
    np.testing.assert_allclose(f(V), np.exp(V) + 1, rtol=1e-14)
    # What it brings in is looked at in turn.
    both = EquilibriumOptimizer([exp_of_log])
    assert ops(applied(both, T.exp(T.log(T.exp(T.log(x)))) * 2, x)) == ["mul"]


def test_a_class_of_operations() -> None:
    class Local(LocalOptimizer):
        def tracks(self) -> Any:
            return [T.Elemwise]

        def transform(self, node: Any) -> Any:
            return node.op == T.exp and [T.sin(node.inputs[0])]

    x = T.dvector("x")
    np.testing.assert_allclose(applied(Local(), T.exp(x), x)(V), np.sin(V), rtol=1e-14)


def test_classes_of_theano_stand_for_ours() -> None:
    x = T.dvector("x")
    for kind, y in ((T.Subtensor, x[1:]), (T.Join, T.concatenate([x, x]))):

        @local_optimizer([kind])
        def negated(node: Any) -> Any:
            return [-x]

        np.testing.assert_array_equal(applied(negated, y, x)(V), -V)


def test_all_operations_and_dicts() -> None:
    @local_optimizer(None)
    def everywhere(node: Any) -> Any:
        return {node.outputs[0]: node.inputs[0]} if node.op == T.exp else None

    x = T.dvector("x")
    assert ops(applied(everywhere, T.exp(T.tanh(T.exp(x))), x)) == ["tanh"]

    class Nowhere(LocalOptimizer):
        """Theano's documentation has one whose `tracks` names nothing."""

        def tracks(self) -> list[Any]:
            return []

        def transform(self, node: Any) -> Any:
            return everywhere.transform(node)

    assert ops(applied(Nowhere(), T.exp(T.tanh(x)), x)) == ["tanh"]


@pytest.mark.parametrize(
    ("pattern", "result", "output", "want"),
    [
        ((T.sin, (T.exp, "x")), "x", lambda x: T.sin(T.exp(x)) * 2, ["mul"]),
        ((T.mul, "x", "x"), (T.sqr, "x"), lambda x: x * x, ["sqr"]),
        ((T.mul, "x", "x"), (T.sqr, "x"), lambda x: x * (x + 1), ["add", "mul"]),
        ((T.add, 1.0, (T.exp, "x")), (T.sin, "x"), lambda x: T.exp(x) + 1, ["sin"]),
        ((T.pow, "x", T.constant(3.0)), (T.neg, "x"), lambda x: x**3, ["neg"]),
        ((T.pow, "x", T.constant(3.0)), (T.neg, "x"), lambda x: x**4, ["pow"]),
        ((T.exp, "x"), (T.mul, "x", 2.0), T.exp, ["mul"]),
        (
            {"pattern": (T.exp, "x"), "constraint": lambda v: v.type.ndim == 2},
            (T.sin, "x"),
            T.exp,
            ["exp"],
        ),
        (
            (T.exp, {"pattern": "x", "constraint": lambda v: v.owner is None}),
            (T.sin, "x"),
            lambda x: T.exp(T.exp(x)),
            ["sin", "exp"],
        ),
    ],
)
def test_patterns(pattern: Any, result: Any, output: Any, want: list[str]) -> None:
    x = T.dvector("x")
    assert ops(applied(PatternSub(pattern, result), output(x), x)) == want


def test_patterns_whose_inside_is_used_elsewhere() -> None:
    x = T.dvector("x")
    y = T.exp(x)
    for several, want in ((False, ["exp", "sin"]), (True, ["exp"])):
        one = PatternSub((T.sin, (T.exp, "x")), "x", allow_multiple_clients=several)
        mode = Mode(optimizer=None).register((one, 0.5))
        assert ops(function([x], [T.sin(y), y], mode=mode)) == want


def test_substitution_and_removal() -> None:
    x = T.dvector("x")
    assert ops(applied(OpSub(T.exp, T.sin), T.exp(x), x)) == ["sin"]
    assert ops(applied(OpRemove(T.exp), T.tanh(T.exp(x)), x)) == ["tanh"]
    with pytest.raises(UsersRewriteError, match="2 inputs and 1 results"):
        applied(OpRemove(T.add), x + T.exp(x), x)


def test_of_whole_graphs() -> None:
    x = T.dvector("x")
    output = T.exp(T.exp(x)) + 1
    for form in (
        SinForExp(),
        SeqOptimizer([SinForExp()]),
        SeqOptimizer(SinForExp(), TopoOptimizer(log_to_exp)),
        optimizer(lambda graph: SinForExp().apply(graph)),
    ):
        f = applied(form, output, x)
        np.testing.assert_allclose(f(V), np.sin(np.sin(V)) + 1, rtol=1e-14)


def test_an_optimizer_alone_is_a_mode() -> None:
    x = T.dvector("x")
    f = function([x], T.exp(x), mode=Mode(optimizer=SinForExp()))
    np.testing.assert_allclose(f(V), np.sin(V), rtol=1e-14)


def test_inside_loops_and_conditions() -> None:
    x = T.dvector("x")
    sums, _ = symnet.scan(lambda one, total: T.exp(one) + total, x, T.constant(0.0))
    for rewrite in (SinForExp(), OpSub(T.exp, T.sin)):
        f = function([x], sums, mode=Mode().register((rewrite, 0.5)))
        np.testing.assert_allclose(f(V), np.cumsum(np.sin(V)), rtol=1e-14)


def test_updates_are_rewritten_too() -> None:
    w = symnet.shared(V)
    mode = Mode().register((SinForExp(), 0.5))
    function([], updates=[(w, T.exp(w))], mode=mode)()
    np.testing.assert_allclose(w.get_value(), np.sin(V), rtol=1e-14)


def test_types_may_know_more_or_less() -> None:
    """Sizes that the old type promises are checked, those that the new one does are not
    made use of where the old had none."""
    x = T.TensorType("float64", (3,))("x")
    y = T.dvector("y")

    @local_optimizer([T.exp])
    def other(node: Any) -> Any:
        return [y if node.outputs[0].type.shape == (3,) else T.constant([7.0])]

    mode = Mode(optimizer=None).register((other, 0.5))
    f = function([x, y], T.exp(x), mode=mode, on_unused_input="ignore")
    np.testing.assert_array_equal(f(V, V + 1), V + 1)
    with pytest.raises(ValueError, match="3"):
        f(V, np.ones(4))
    g = function([y], T.exp(y), mode=mode, on_unused_input="ignore")
    np.testing.assert_array_equal(g(V), [7.0])


def test_what_a_rewrite_brings_in_may_be_left_alone() -> None:
    swapped = PatternSub((T.sub, "x", "y"), (T.sub, "y", "x"))
    x, y = T.dvectors("x", "y")
    once = TopoOptimizer(swapped, ignore_newtrees=True)
    mode = Mode(optimizer=None).register((once, 0.5))
    f = function([x, y], (x - y) - y, mode=mode)
    np.testing.assert_array_equal(f(V, V + 1), (V + 1) - 1)


class Text(Type):
    """A type that is no tensor."""

    def filter(
        self, data: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Any:
        return data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text)

    def __hash__(self) -> int:
        return hash(Text)


class Joined(Op):
    __props__ = ("between",)

    def __init__(self, between: str) -> None:
        self.between = between

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, inputs, [Text()()])


def test_types_that_are_no_tensors() -> None:
    """In the graph's own text: a rewrite, and equals that become one."""
    a, b = Text()("a"), Text()("b")
    comma, dot = Joined(","), Joined(".")
    one, two = Constant(Text(), "!", "one"), Constant(Text(), "!", "two")
    graph = FunctionGraph([a, b], [comma(comma(a, one), comma(a, two), b)])
    MergeOptimizer().optimize(graph)
    text = str(graph)
    assert text.startswith("[Joined{between=','}(*1 -> Joined{between=','}(a, ")
    assert text.endswith("), *1, b)]")
    OpKeyOptimizer(PatternSub((comma, "x", one), (dot, "x"))).optimize(graph)
    want = "[Joined{between=','}(*1 -> Joined{between='.'}(a), *1, b)]"
    assert str(graph) == want


# ---- what is refused


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (lambda x: [T.cast(x, "float32")], "has dtype float32"),
        (lambda x: [x.sum()], "has rank 0"),
        (lambda x: [T.constant(np.ones(4))], "has shape"),
        (lambda x: [3], "is no variable"),
        (lambda x: [x, x], "for 1 results"),
        (lambda x: "text", "for 1 results"),
    ],
)
def test_wrong_types(result: Any, what: str) -> None:
    @local_optimizer([T.exp])
    def wrong(node: Any) -> Any:
        return result(node.inputs[0])

    x = T.TensorType("float64", (3,))("x")
    y = T.exp(x)
    with pytest.raises(UsersRewriteError, match=what) as caught:
        applied(wrong, y, x)
    text = str(caught.value)
    assert "rewrite wrong" in text and "in wrong: @local_optimizer" in text
    assert "y = T.exp(x)" in text
    register_canonicalize(wrong)
    try:
        with pytest.raises(UsersRewriteError, match=what):
            function([x], y)
    finally:
        optdb["canonicalize"].remove("wrong")


def test_what_a_rewrite_raises() -> None:
    @local_optimizer([T.exp])
    def broken(node: Any) -> Any:
        raise KeyError("mine")

    class Broken(Optimizer):
        def apply(self, graph: FunctionGraph) -> None:
            raise KeyError("mine")

    x = T.dvector("x")
    sums, _ = symnet.scan(lambda one: T.exp(one), x)
    for rewrite in (broken, Broken()):
        for output in (T.exp(x), sums):
            with pytest.raises(KeyError, match="mine") as caught:
                applied(rewrite, output, x)
            assert "in the rewrite " in "".join(caught.value.__notes__)


def test_debug_mode_compares_values() -> None:
    x = T.dvector("x")
    for rewrite, name in (
        (log_to_exp, "log_to_exp"),
        (OpSub(T.log, T.sin), "log -> sin"),
    ):
        f = function([x], T.log(x) + 1, mode=DebugMode().register((rewrite, 0.5)))
        with pytest.raises(BadRewrite, match=name) as caught:
            f(V)
        assert "this rewrite is not symnet's" in str(caught.value)
    f = function([x], T.exp(T.log(x)), mode=DebugMode().register((exp_of_log, 0.5)))
    np.testing.assert_allclose(f(V), V)


def test_wrong_forms() -> None:
    for make in (
        lambda: local_optimizer([]),
        lambda: local_optimizer(T.exp),
        lambda: local_optimizer(["exp"]),
        lambda: local_optimizer([T.exp])(3),
        lambda: PatternSub("x", "x"),
        lambda: PatternSub(("exp", "x"), "x"),
        lambda: TopoOptimizer(SinForExp()),
        lambda: Mode().register((3, 1.0)),
        lambda: Mode(optimizer=3),
        lambda: register_canonicalize(3),
    ):
        with pytest.raises((TypeError, ValueError)):
            make()
    x = T.dvector("x")
    with pytest.raises(ValueError, match="'y' does not stand in the pattern"):
        applied(PatternSub((T.exp, "x"), "y"), T.exp(x), x)
    with pytest.raises(NotImplementedError, match=r"apply\(graph\)"):
        applied(Optimizer(), T.exp(x), x)


def test_pickles() -> None:
    assert pickle.loads(pickle.dumps(log_to_exp)) is log_to_exp
    assert pickle.loads(pickle.dumps(sines)) is sines
    x = T.dvector("x")
    for one in (log_to_exp, sines, OpSub(T.exp, T.sin)):
        f = applied(one, T.exp(T.log(x)), x)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(V), f(V))
    f = applied(SinForExp(), T.exp(x), x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(V), f(V))
