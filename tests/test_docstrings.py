"""Docstrings of public names: they are there, and their examples run."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import datasets, models, optim, sparse
from tests.test_docs import generator

SPACES = {"symnet": symnet, "T": T, "T.nnet": T.nnet, "optim": optim}
NAMES = {
    "np": np, "symnet": symnet, "T": T, "optim": optim, "models": models,
    "datasets": datasets, "sparse": sparse,
}  # fmt: skip
# What changes the whole process, or reads a file (docs/training.md has one).
WITHOUT_EXAMPLE = {"install_as_theano", "load", "show_config"}


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
    run(test)


def run(test: doctest.DocTest) -> None:
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


# What is one of numbers, or refuses to be made.
CLASSES_WITHOUT_EXAMPLE = {"ConvOp", "ScalarSigmoid", "ScalarSoftplus"}


def public_classes() -> dict[str, type]:
    """Those that the pages of names show, but errors; each once."""
    pages = generator()
    found: dict[type, str] = {}
    for page, (module, _) in pages.MODULES.items():
        for name, thing in pages.names(module):
            if inspect.isclass(thing) and not issubclass(thing, BaseException):
                found.setdefault(thing, f"{page}.{name}")
    return {name: kind for kind, name in found.items()}


CLASSES = public_classes()


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_public_classes_have_an_example_that_runs(name: str) -> None:
    text = inspect.getdoc(CLASSES[name])
    assert text, f"{name} has no docstring"
    names = {**vars(sparse), **NAMES} if name.startswith("sparse.") else dict(NAMES)
    test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert bool(test.examples) != (name.rpartition(".")[2] in CLASSES_WITHOUT_EXAMPLE)
    run(test)


def test_classes_without_example_are_there() -> None:
    assert len(CLASSES) > 150
    assert {name.rpartition(".")[2] for name in CLASSES} >= CLASSES_WITHOUT_EXAMPLE


@pytest.mark.parametrize("space", SPACES)
def test_every_public_name_has_a_docstring(space: str) -> None:
    module = SPACES[space]
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{space}.{name}"
