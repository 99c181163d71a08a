"""Rewrites that users register: which modes apply them, when, and under which names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import symnet.tensor as T
from symnet import function
from symnet.compile import Mode, optdb
from symnet.compile.debugmode import BadRewrite
from symnet.gof import (
    EquilibriumDB,
    FunctionGraph,
    Optimizer,
    SequenceDB,
    TopoOptimizer,
    local_optimizer,
)
from symnet.tensor.opt import register_canonicalize, register_specialize
from tests.rewriting.test_users_rewrites import (
    SinForExp,
    V,
    exp_of_log,
    log_to_exp,
    ops,
)


@pytest.fixture
def clean() -> Iterator[None]:
    """What a test registers is forgotten."""
    before = {stage: set(database(stage)) for stage in STAGES}
    yield
    for stage in STAGES:
        for name in set(database(stage)) - before[stage]:
            database(stage).remove(name)


STAGES = ("", "canonicalize", "stabilize", "specialize", "uncanonicalize")


def database(stage: str) -> Any:
    return optdb[stage] if stage else optdb


def test_databases_of_ones_own() -> None:
    x = T.dvector("x")
    locals_, sequence = EquilibriumDB(), SequenceDB()
    locals_.register("mine", log_to_exp, "a", "b")
    locals_.register("other", exp_of_log, "b")
    sequence.register("second", SinForExp(), 2.0, "a")
    sequence.register("first", TopoOptimizer(log_to_exp), 1.0, "a")
    assert list(locals_) == ["mine", "other"] and "mine" not in optdb
    for database, tags, want in (
        (locals_, ["+a"], ["exp"]),
        (locals_, ["b", "-a"], ["log"]),
        (locals_, ["+b", "&a"], ["exp"]),
        (sequence, ["a"], ["sin"]),
        (sequence, ["a", "-second"], ["exp"]),
    ):
        mode = Mode(optimizer=database.query(*tags))
        assert ops(function([x], T.log(x), mode=mode)) == want


def test_registered_ones_are_part_of_fast_run(clean: None) -> None:
    x = T.dvector("x")
    register_canonicalize(log_to_exp)
    assert "log_to_exp" in optdb["canonicalize"]
    assert ops(function([x], T.log(x))) == ["exp"]
    for mode in ("FAST_COMPILE", Mode().excluding("log_to_exp"), Mode(optimizer=None)):
        assert ops(function([x], T.log(x), mode=mode)) == ["log"]
    assert optdb["canonicalize"]["log_to_exp"] is log_to_exp


def test_tags(clean: None) -> None:
    x = T.dvector("x")

    @register_specialize("mine")
    @local_optimizer([T.tanh])
    def tanh_to_sin(node: Any) -> Any:
        return [T.sin(node.inputs[0])]

    assert ops(function([x], T.tanh(x))) == ["sin"]
    assert ops(function([x], T.tanh(x), mode=Mode().excluding("mine"))) == ["tanh"]
    only = Mode(optimizer=None).including("mine")
    assert ops(function([x], T.tanh(x) * 1, mode=only)) == ["sin", "mul"]
    assert ops(function([x], T.tanh(x) * 1, mode=Mode().requiring("mine")))[0] == "sin"

    optdb.register("sin_for_exp", SinForExp(), "asked_for", position=0.5)
    assert ops(function([x], T.exp(x))) == ["exp"]
    assert ops(function([x], T.exp(x), mode=Mode().including("asked_for"))) == ["sin"]


def test_positions(clean: None) -> None:
    """Before graphs are simplified, after that, last."""
    seen: list[list[str]] = []

    class Look(Optimizer):
        def apply(self, graph: FunctionGraph) -> None:
            seen.append([str(node.op) for node in graph.toposort()])

    for position in (0.5, 1.5, "last"):
        optdb.register(f"look {position}", Look(), position, "fast_run")
    x = T.dvector("x")
    function([x], T.nnet.softmax(T.exp(T.log(x)) * 1))
    # exp of log goes in the first pass: it is stable.  Softmax is written out late.
    first, second, last = seen
    assert "mul" in first and "mul" not in second
    assert any(op.startswith("Softmax") for op in second)
    assert not any(op.startswith("Softmax") for op in last)


def test_a_name_is_taken_once(clean: None) -> None:
    register_canonicalize(log_to_exp, name="mine")
    with pytest.raises(ValueError, match="'mine' is registered already") as caught:
        register_canonicalize(log_to_exp, name="mine")
    assert "test_databases.py" in str(caught.value)
    optdb["canonicalize"].remove("mine")
    with pytest.raises(KeyError, match="no rewrite 'mine'"):
        optdb["canonicalize"]["mine"]


def test_queries() -> None:
    x = T.dvector("x")
    graph = FunctionGraph([x], [x * x * 1.0])
    optdb.query("+fast_run", "-product_with_itself").optimize(graph)
    assert [str(node.op) for node in graph.toposort()] == ["mul"]
    optdb.query("fast_run").optimize(graph)
    assert [str(node.op) for node in graph.toposort()] == ["sqr"]


def test_debug_mode_names_registered_rules(clean: None) -> None:
    register_canonicalize(log_to_exp)
    x = T.dvector("x")
    with pytest.raises(BadRewrite, match="the rule 'log_to_exp'") as caught:
        function([x], T.log(x), mode="DebugMode")(V)
    assert "this rewrite is not symnet's" in str(caught.value)
