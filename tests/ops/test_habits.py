"""What users of other libraries write is answered with how it is said here."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.optim
import symnet.tensor as T
from symnet.ops.habits import CURES


@pytest.mark.parametrize("name", CURES)
def test_attributes_of_other_libraries(name: str) -> None:
    x = T.matrix("weights")
    with pytest.raises(AttributeError) as caught:
        getattr(x, name)
    assert name in str(caught.value)
    assert "weights, float64 matrix" in str(caught.value)
    assert CURES[name] in str(caught.value)


def test_unknown_attributes_are_absent_as_elsewhere() -> None:
    x, name = T.matrix("x"), "nonsense"
    assert not hasattr(x, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'") as caught:
        getattr(x, name)
    assert caught.value.name == "nonsense"
    assert caught.value.obj is x


def test_copies_and_pickles_do_not_ask_for_more() -> None:
    w = symnet.shared(np.ones(3), "w")
    for made in (copy.copy(w), copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        np.testing.assert_array_equal(made.get_value(), np.ones(3))


@pytest.mark.parametrize("name", ["value", "requires_grad"])
def test_assigning_what_would_change_nothing_is_refused(name: str) -> None:
    x, w = T.matrix("x"), symnet.shared(np.ones(3), "w")
    for variable in (x, x + 1, w):
        with pytest.raises(AttributeError) as caught:
            setattr(variable, name, 3)
        assert CURES[name] in str(caught.value)
    np.testing.assert_array_equal(w.get_value(), np.ones(3))


def test_elements_are_not_assigned() -> None:
    x = T.vector("x")
    with pytest.raises(TypeError, match=r"T\.set_subtensor\(x\[key\], value\)"):
        x[0] = 1.0
    with pytest.raises(TypeError, match=r"T\.inc_subtensor"):
        x[0] += 1.0


def test_formats_of_numbers_are_refused() -> None:
    x = T.vector("x")
    assert f"{x}" == "x"
    assert f"{x!r:>3}" == "  x"
    with pytest.raises(TypeError, match=r"'\.3f' is one of numbers"):
        f"{x.sum():.3f}"


ARGUMENTS: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (symnet.function, {"inputs": [], "update": []}, "did you mean 'updates'"),
    (symnet.function, {"inputs": [], "feed_dict": {}}, "did you mean 'givens'"),
    (
        symnet.optim.sgd,
        {"cost_or_gradients": None, "lr": 0.1},
        "did you mean 'learning_rate'",
    ),
    (
        symnet.optim.adam,
        {"cost_or_gradients": None, "learningrate": 1},
        "'learning_rate'",
    ),
    (symnet.scan, {"fn": None, "sequence": []}, "did you mean 'sequences'"),
    (symnet.function, {"inputs": [], "zzz": 1}, "it takes inputs, outputs, mode"),
]


@pytest.mark.parametrize(("function", "arguments", "text"), ARGUMENTS)
def test_arguments_that_do_not_exist(
    function: Callable[..., Any], arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        function(**arguments)


def test_generators_are_lists_to_be() -> None:
    x = T.vector("x")
    with pytest.raises(TypeError, match=r"list\(values\)"):
        symnet.function([x], (y for y in [x]))
