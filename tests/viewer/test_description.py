from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.tensor as T
from symnet.printing.stages import Stages
from symnet.viewer.description import description
from tests.viewer.programs import ARGUMENTS, loop_and_branch, training_step


def test_stages_are_those_of_the_debugger() -> None:
    f = training_step()
    record = description(f)
    stages = Stages(f)
    assert [s["name"] for s in record["stages"]] == [name for name, _ in stages.graphs]
    for shown, (_, graph) in zip(record["stages"], stages.graphs, strict=True):
        names = [record["operations"][o]["op"] for o in shown["operations"]]
        assert names == [str(node.op) for node in graph.toposort()]
        roles = [root["role"] for root in shown["roots"]]
        assert roles == ["output 0", "update of w"]
    fired = [one.rule for _, one in stages.trace.fired]
    assert [one["rule"] for one in record["rewrites"]] == fired and fired
    assert record["rewrites_left_out"] == 0
    for one in record["rewrites"]:
        assert record["stages"][one["stage"]]["name"] in {
            p for p, _ in stages.trace.fired
        }


def test_steps_point_to_the_last_graph() -> None:
    f = training_step()
    record = description(f, ARGUMENTS)
    last = set(record["stages"][-1]["operations"])
    steps = record["program"]["parts"][0]["steps"]
    pointed = {o for step in steps for o in step["operations"]}
    assert pointed and pointed <= last
    first = record["operations"][steps[0]["operations"][0]]["op"]
    assert steps[0]["what"].startswith(first)


@pytest.mark.parametrize("make", [training_step, loop_and_branch])
def test_numbers_lead_somewhere_and_json_holds_it(make: Any) -> None:
    record = json.loads(json.dumps(description(make()), allow_nan=False))
    variables, operations = record["variables"], record["operations"]
    for number, operation in enumerate(operations):
        for v in operation["outputs"]:
            assert variables[v]["operation"] == number
        assert all(0 <= v < len(variables) for v in operation["inputs"])
        assert operation["line"] is None or 0 <= operation["line"] < len(
            record["lines"]
        )
    for stage in record["stages"]:
        made = {v for o in stage["operations"] for v in operations[o]["outputs"]}
        for o in stage["operations"]:
            for v in operations[o]["inputs"]:
                assert v in made or variables[v]["operation"] is None


def test_arguments_give_ranges_times_and_a_plan() -> None:
    f = training_step()
    (w,) = f.updates
    before = w.get_value()
    record = description(f, ARGUMENTS)
    np.testing.assert_array_equal(w.get_value(), before)
    named = {v["name"]: v for v in record["variables"] if v["name"]}
    assert named["hidden"]["range"]["shape"] == [5, 3]
    assert float(named["hidden"]["range"]["max"]) == pytest.approx(np.tanh(2), rel=1e-5)
    assert record["program"]["profile"]["seconds"] > 0
    assert record["program"]["parts"][0]["planned"]


def test_variables_are_shown_as_they_stand() -> None:
    x = T.dvector("x")
    y, z = T.exp(x), T.tanh(x)
    y.name = "y"
    record = description([y, z])
    (stage,) = record["stages"]
    assert [root["role"] for root in stage["roots"]] == ["y", "output 1"]
    assert record["program"] is None and record["rewrites"] == []
    single = description(T.exp(x))["stages"][0]
    assert [record["operations"][o]["op"] for o in single["operations"]] == ["exp"]


def test_sparse_functions_are_described() -> None:
    s = symnet.sparse.csr_matrix("s", dtype="float64")
    f = symnet.function([s], symnet.sparse.structured_dot(s, T.ones((3, 2))))
    record = description(f, [scipy.sparse.eye_array(3, format="csr")])
    roots = record["stages"][0]["roots"]
    assert record["variables"][roots[0]["variable"]]["range"]["shape"] == [3, 2]


def test_random_streams_stay_where_they_are() -> None:
    stream = symnet.random.RandomStream(3)
    f = symnet.function([], stream.normal((2,)))
    states = [v.get_value() for v in f.updates]
    record = description(f, ())
    assert record["program"]["profile"] is not None and states
    for v, old in zip(f.updates, states, strict=True):
        np.testing.assert_array_equal(v.get_value(), old)


@pytest.mark.parametrize("thing", [3, "f", None, [1, 2], {"a": object()}, T.exp])
def test_what_is_neither_function_nor_variable_is_refused_by_name(thing: Any) -> None:
    with pytest.raises(TypeError, match="symnet.view cannot show") as refused:
        description(thing)
    assert type(thing).__name__ in str(refused.value)
    assert "to do: pass a compiled function" in str(refused.value)


def test_arguments_go_with_a_function() -> None:
    x = T.dvector("x")
    with pytest.raises(TypeError, match="go with a compiled function"):
        description(T.exp(x), [np.ones(2)])
    with pytest.raises(TypeError, match="misses 1 arguments"):
        description(symnet.function([x], x * 2), [])
