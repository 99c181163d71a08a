"""Users' programs under type checkers: right ones pass, wrong ones fail where they are wrong."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("mypy")

ROOT = pathlib.Path(__file__).parent.parent

RIGHT = """
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import symnet
import symnet.tensor as T
from symnet import Function, SharedVariable, Variable

x, y = T.matrix("x"), T.ivector("y")
n = T.lscalar()
a, b = T.matrices("a", "b")
w = symnet.shared(np.zeros((3, 2)), name="w")
c: SharedVariable = symnet.shared(0.0)
assert_type(x, Variable)
assert_type(n, Variable)

hidden: Variable = T.tanh(T.dot(x, w) + c)
hidden = hidden * 2 - np.ones(2) @ np.ones((2, 2)) / 3.0
hidden = np.ones(2) - hidden ** 2 + 1
assert_type(x.T, Variable)
assert_type(x.mean(axis=0) ** 2, Variable)
assert_type(2 ** x, Variable)
assert_type(x[:, 0], Variable)
assert_type(x > 0, Variable)
assert_type(-abs(x) @ w, Variable)
assert_type(x.shape[0] * x.size, Variable)
assert_type(x.ndim, int)
assert_type(x.dtype, str)
assert_type(x.astype("int8").reshape((2, 3)).dimshuffle(1, "x", 0), Variable)
rows: list[Variable] = [row.sum() for row in x[:2]]
chosen: Variable = T.switch(x > 0, x, 0.0)
loss = ((hidden[T.arange(y.shape[0]), y]) ** 2).mean() + chosen.sum()

assert_type(symnet.grad(loss, w), Variable)
assert_type(symnet.grad(loss, [w, c]), list[Variable])
assert_type(symnet.grad(loss, (w, c)), tuple[Variable, ...])
assert_type(symnet.grad(loss, {"w": w}), dict[str, Variable])
g: Variable = T.grad(loss, wrt=w, disconnected_inputs="ignore")

f = symnet.function([x, y], loss, updates=[(w, w - 0.1 * g)], name="step")
assert_type(f, Function[NDArray[Any]])
assert_type(f(np.ones((2, 3)), np.zeros(2, "int32")), NDArray[Any])
assert_type(symnet.function([x], [x, 2 * x])(1), list[NDArray[Any]])
assert_type(symnet.function([x], {"a": x})(1), dict[str, NDArray[Any]])
symnet.function([symnet.In(x, value=1), y], updates={c: c + 1})(y=2)
symnet.function([n], symnet.Out(n), "FAST_COMPILE", givens={x: x + 1})(2)
step: Function = f
value = w.get_value()
w.set_value(value - 1)
x.eval({x: value})

updates = symnet.optim.adam(symnet.grad(loss, [w]), [w])
stream = symnet.random.RandomStream(1)
noise: Variable = stream.normal(size=(3, 2))
symnet.printing.debugprint(loss)
print(symnet.debug.load, symnet.datasets.digits)
"""

WRONG = {
    'x + "text"': "operator",
    "x - None": "operator",
    "x @ {}": "operator",
    "x.meen()": "attr-defined",
    "x.sum(over=0)": "call-arg",
    "float(x)": "arg-type",
    "len(x)": "arg-type",
    "T.matrix(3)": "arg-type",
    "T.matriks()": "attr-defined",
    "symnet.shaerd(0)": "attr-defined",
    "symnet.function(x, x)": "call-overload",
    "symnet.function([x], {3: x})": "dict-item",
    "symnet.function([x], x, naem='f')": "call-overload",
    "symnet.function([x], x)().items()": "attr-defined",
    "symnet.function([x], [x])(1).mean()": "attr-defined",
    "symnet.grad(x, 3)": "call-overload",
    "symnet.grad(x, [x]).sum()": "attr-defined",
    "x.get_value()": "attr-defined",
}


HEAD = "import symnet\nimport symnet.tensor as T\n\nx = T.matrix('x')\n"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """What mypy --strict says of both programs: file, line, rest.  One run, for the time
    goes into reading the package; in a process of its own, for mypy thaws what the tests'
    settings have frozen (`gc.unfreeze`)."""
    folder = tmp_path_factory.mktemp("programs")
    programs = {"right.py": RIGHT, "wrong.py": HEAD + "\n".join(WRONG)}
    for name, text in programs.items():
        (folder / name).write_text(text)
    options = [
        "--strict",
        "--config-file", "",
        "--follow-imports", "silent",  # the package itself is checked by `make lint`
        "--cache-dir", str(ROOT / ".mypy_cache" / "programs"),
        "--no-error-summary",
    ]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *programs],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert not run.stderr, run.stderr
    return re.findall(r"^(\w+\.py):(\d+): error: (.*)$", run.stdout, re.M)


def test_a_right_program_passes(reports: list[tuple[str, str, str]]) -> None:
    assert [report for report in reports if report[0] == "right.py"] == []


def test_wrong_programs_fail(reports: list[tuple[str, str, str]]) -> None:
    first = HEAD.count("\n") + 1
    lines = list(WRONG)
    found = {
        lines[int(line) - first]: what.rpartition("[")[2].rstrip("]")
        for file, line, what in reports
        if file == "wrong.py"
    }
    assert found == WRONG
