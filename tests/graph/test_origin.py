"""The user's line, from the call that made an operation to the text of an error."""

from __future__ import annotations

import inspect
import linecache
import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.origin import Origin, capture, inherit
from symnet.graph.traverse import toposort


def line_of(text):
    """The number of the only line of this file that ends with a marker comment."""
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()
    (found,) = [k for k, line in enumerate(lines, 1) if line.endswith(f"# {text}")]
    return found


def test_the_line_and_function_of_the_user():
    x = T.dvector("x")
    y = T.nnet.softmax(T.tanh(x))  # marker: here
    for node in toposort([y]):
        assert node.origin.filename == __file__
        assert node.origin.line == line_of("marker: here")
        assert node.origin.function == "test_the_line_and_function_of_the_user"
        assert node.origin.role == ""
    assert y.origin is y.owner.origin
    assert y.origin.text.startswith("y = T.nnet.softmax(T.tanh(x))")


def helper(x):
    return x * 2  # marker: helper


def test_the_innermost_user_function_counts():
    origin = helper(T.dvector("x")).origin
    assert origin.function == "helper" and origin.line == line_of("marker: helper")


def test_methods_and_operators_name_the_same_line():
    x = T.dmatrix("x")
    y = x.sum(axis=0)[1:].dimshuffle("x", 0) ** 2  # marker: methods
    lines = {node.origin.line for node in toposort([y])}
    assert lines == {line_of("marker: methods")}


def test_gradients_say_whose_gradient_they_are():
    x = T.dvector("x")
    cost = T.exp(x).sum()  # marker: cost
    gradient = symnet.grad(cost, x)  # marker: grad
    made = [n for n in toposort([gradient]) if n not in set(toposort([cost]))]
    roles = {(n.origin.role, n.origin.line) for n in made}
    assert ("gradient", line_of("marker: cost")) in roles
    assert all(
        role == "gradient" for role, line in roles if line == line_of("marker: cost")
    )
    assert str(gradient.origin).startswith("gradient of ")


def test_rewritten_operations_keep_the_line():
    x = T.dvector("x")
    f = symnet.function([x], T.log(T.nnet.softmax(x.dimshuffle("x", 0))))  # marker: f
    nodes = f.maker.fgraph.toposort()
    assert nodes and all(n.origin is not None for n in nodes)
    assert {n.origin.line for n in nodes} == {line_of("marker: f")}


def test_inherit_replaces_the_line_inside_the_block():
    mine = Origin("program.py", 7, "main")
    x = T.dvector("x")
    with inherit(mine, "gradient"):
        y = x + 1
        with inherit(mine):
            z = x + 2
        with inherit(None):
            assert capture().filename == __file__
    assert y.origin == Origin("program.py", 7, "main", "gradient")
    assert z.origin == mine
    with pytest.raises(KeyError), inherit(mine):
        raise KeyError
    assert (x + 3).origin.filename == __file__


def test_the_text_of_an_origin():
    here = Origin(__file__, line_of("marker: helper"), "helper")
    assert (
        str(here)
        == f"{__file__}:{here.line}, in helper: return x * 2  # marker: helper"
    )
    assert Origin("nowhere.py", 3, "f").text == ""
    assert (
        str(Origin("nowhere.py", 3, "f", "gradient"))
        == "gradient of nowhere.py:3, in f"
    )
    assert pickle.loads(pickle.dumps(here)) == here


def test_lines_typed_at_a_prompt():
    """A notebook's cell has no file; its source is in linecache, as IPython puts it."""
    source = "import symnet.tensor as T\nx = T.dmatrix('x')\ny = T.dot(x, x)\n"
    name = "<ipython-input-1>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    space = {}
    exec(compile(source, name, "exec"), space)
    assert space["y"].origin == Origin(name, 3, "<module>")
    assert space["y"].origin.text == "y = T.dot(x, x)"


def test_errors_name_the_line_of_the_operation():
    x, y = T.dmatrices("x", "y")
    z = T.dot(x, y)  # marker: product
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        f = symnet.function([x, y], T.exp(z), mode=mode)
        with pytest.raises(ValueError) as error:
            f(np.ones((2, 3)), np.ones((2, 3)))
        assert f"{__file__}:{line_of('marker: product')}" in str(error.value)
