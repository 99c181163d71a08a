"""Docstrings of public names: they are there, and their examples run."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import optim

SPACES = {"symnet": symnet, "T": T, "T.nnet": T.nnet, "optim": optim}
NAMES = {"np": np, "symnet": symnet, "T": T, "optim": optim}
# What has no value to show: it starts something in the whole process, belongs to who
# writes operations, reads a file (docs/training.md has one), or is a name of Theano's for
# what has a better one.
WITHOUT_EXAMPLE = {
    "grad_not_implemented", "grad_undefined", "h_softmax", "install_as_theano", "load",
    "Tensor", "advanced_boolean_inc_subtensor", "advanced_boolean_set_subtensor",
    "advanced_boolean_subtensor", "advanced_inc_subtensor", "advanced_set_subtensor",
    "advanced_subtensor", "extract_constant", "hashtype", "min_informative_str",
    "register_transfer", "show_config", "transfer", "values_eq_approx_always_true",
}  # fmt: skip


def public() -> dict[str, Any]:
    found = {}
    for space, module in SPACES.items():
        for name in module.__all__:
            thing = getattr(module, name)
            makes_variables = getattr(thing, "__module__", "") == "symnet.ops.inputs"
            if inspect.isfunction(thing) and not makes_variables:
                found[f"{space}.{name}"] = thing
    return found


FUNCTIONS = public()
# Written for programs that import it by another name: tests/test_sparse_page.py.
SPARSE = {name for name, f in FUNCTIONS.items() if ".sparse." in f.__module__}


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - SPARSE))
def test_public_functions_have_an_example_that_runs(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name])
    assert text, f"{name} has no docstring"
    test = doctest.DocTestParser().get_doctest(text, dict(NAMES), name, None, None)
    assert test.examples or name.rpartition(".")[2] in WITHOUT_EXAMPLE
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("space", SPACES)
def test_every_public_name_has_a_docstring(space: str) -> None:
    module = SPACES[space]
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{space}.{name}"
