from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import Graph
from symnet.viewer.value_ranges import range_of, value_ranges


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
