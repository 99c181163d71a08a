from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import Graph
from symnet.printing.stages import Stages
from symnet.viewer.value_ranges import range_of, value_ranges
from tests.viewer.programs import ARGUMENTS, training_step


def test_ranges_are_those_of_the_call() -> None:
    x = T.dvector("x")
    w = symnet.shared(np.array([1.0, 2.0]), "w")
    product = x * w
    logs = T.log(product)
    f = symnet.function([x], logs, updates=[(w, w + 1)])
    graph = Graph(f.edges.inputs, [*f.edges.outputs, *f.edges.updates.values()])
    found = value_ranges(f, [graph], [np.array([-3.0, 0.0])])
    assert found[product] == {
        "shape": [2], "nan": 0, "inf": 0, "min": "-3", "max": "0", "mean": "-1.5",
    }  # fmt: skip
    assert found[logs] == {"shape": [2], "nan": 1, "inf": 1}
    assert found[x]["min"] == "-3" and found[w]["max"] == "2"
    np.testing.assert_array_equal(w.get_value(), [1.0, 2.0])  # nothing is updated


def test_the_graph_after_each_pass_has_its_ranges() -> None:
    f = training_step()
    graphs = [graph for _, graph in Stages(f).graphs]
    assert len(graphs) > 5
    found = value_ranges(f, graphs, ARGUMENTS)
    for graph in graphs:
        assert all(v in found for node in graph.toposort() for v in node.outputs)


def test_ranges_of_what_a_pass_brings() -> None:
    x = T.dvector("x")
    f = symnet.function([x], T.log(1 + T.exp(x)))
    value = np.array([-800.0, 0.0, 800.0])
    graphs = dict(Stages(f).graphs)
    found = value_ranges(f, list(graphs.values()), [value])
    (written,) = graphs["written"].outputs
    (stable,) = graphs["stable"].outputs
    assert written is not stable and found[written]["inf"] == 1
    assert found[stable]["max"] == f"{np.logaddexp(value, 0).max():.6g}"
    assert found[stable]["inf"] == 0


class Counted(symnet.Op):
    """Twice its input; how often it ran."""

    ran = 0

    def make_node(self, x: Any) -> symnet.Apply:
        x = T.as_tensor_variable(x)
        return symnet.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        self.ran += 1
        outputs[0][0] = inputs[0] * 2


def test_what_graphs_share_is_computed_once() -> None:
    x = T.dvector("x")
    twice = Counted()
    f = symnet.function([x], T.log(1 + T.exp(twice(x))) - twice(x) * 0)
    graphs = [graph for _, graph in Stages(f).graphs]
    shared = {node for g in graphs for node in g.toposort() if node.op is twice}
    twice.ran = 0
    value_ranges(f, graphs, [np.array([1.0, 2.0])])
    assert twice.ran == len(shared) < len(graphs)


def test_ranges_end_at_what_has_no_reference_evaluation() -> None:
    class Opaque(Counted):
        def compute(self, node: Any, arrays: Any, xp: Any) -> Any:
            raise NotImplementedError

    x = T.dvector("x")
    f = symnet.function([x], x + 1)
    (inner,) = f.edges.inputs
    before, opaque = inner * 3, Opaque()(inner * 3)
    graphs = [Graph([inner], [opaque]), Graph([inner], [before, before - 1])]
    found = value_ranges(f, graphs, [np.array([1.0])])
    assert opaque not in found
    assert found[graphs[1].outputs[1]]["max"] == "2"


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        (np.array([], np.float32), {"shape": [0], "nan": 0, "inf": 0}),
        (np.array([2**62, 3]), {"shape": [2], "min": "3", "max": str(2**62)}),
        (np.array([True, False]), {"shape": [2], "min": "False", "max": "True"}),
        (np.array([1j]), {}),
        ("text", {}),
    ],
    ids=["empty", "integers", "truth", "complex", "none"],
)
def test_ranges_of_other_arrays(value: object, entry: dict[str, object]) -> None:
    found = range_of(value)
    found.pop("mean", None)
    assert found == entry
