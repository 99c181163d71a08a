"""docs/walkthrough.md shows what `python -m symnet.debug` prints of its program.

Above each block of output stands in a comment which stage it is.  `pytest --update-golden
tests/test_walkthrough.py` writes the blocks anew.
"""

from __future__ import annotations

import linecache
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from symnet.compile.function import Function
from symnet.debug import call_once, explain, read_shapes
from symnet.kernels.devices import CPU
from symnet.kernels.interface import Task
from symnet.kernels.llvm.emit import emit
from symnet.printing.stages import numbered_tasks
from tests.kernels.targets import TARGETS

FILE = pathlib.Path(__file__).parent.parent / "docs" / "walkthrough.md"
BLOCK = re.compile(r"(<!-- (\w+): ([\w =,]+) -->\n```\w*\n)(.*?)(^```$)", re.M | re.S)
# What differs from machine to machine.
OF_THE_MACHINE = re.compile(r", \d+ words|[,;] about [\d.]+ \w+|; \d+ threads?.*")


@pytest.fixture(scope="module")
def step() -> Function:
    """The program of the page, called once with the sizes that its command names."""
    text = FILE.read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.S)
    command = re.search(r"--shapes ((?:\w+=[\d,]+ ?)+)", text)
    assert program is not None and command is not None
    names: dict[str, Any] = {}
    # As a file, so that errors can show its lines.
    linecache.cache["step.py"] = (0, None, program[1].splitlines(True), "step.py")
    exec(compile(program[1], "step.py", "exec"), names)
    CPU.variants.clear()  # a variant made before is taken again where it is nearly as good
    call_once(names["step"], read_shapes(command[1].split()))
    found: Function = names["step"]
    return found


def stage(step: Function, name: str, diff: bool = False) -> str:
    """What the command prints under the heading of a stage."""
    return explain(step, [name], diff).partition("\n")[2]


def paragraph(text: str, head: str) -> str:
    """From the line `head` to the next empty line."""
    return text[text.index(head) :].partition("\n\n")[0]


def lines(step: Function, names: str) -> str:
    """The lines of a stage with a word: "lower becomes"."""
    name, word = names.split()
    return "\n".join(line for line in stage(step, name).splitlines() if word in line)


def llvm(step: Function, number: str) -> str:
    """The kernel of a step, for a processor with AVX2."""
    (native,) = step.engine.native
    plan = next(iter(native.plans.values()))
    for where, _, task in numbered_tasks(plan.steps, plan.tasks):
        if where == number and isinstance(task, Task) and task.kernel is not None:
            return emit(task.kernel, task.arrangement.variant, TARGETS["avx2"])
    raise KeyError(number)


def error(step: Function, shapes: str) -> str:
    """What a call with arrays of such shapes raises."""
    with pytest.raises(Exception) as caught:
        call_once(step, read_shapes(shapes.split()))
    return f"{caught.type.__name__}: {caught.value}"


SHOWN: dict[str, Callable[[Function, str], str]] = {
    "stage": stage,
    "diff": lambda step, name: stage(step, name, diff=True),
    "loops": lambda step, name: paragraph(stage(step, "loops"), f"# step {name}\n"),
    "lines": lines,
    "plan": lambda step, _: OF_THE_MACHINE.sub("", stage(step, "plan")),
    "llvm": llvm,
    "error": error,
}


def test_the_page_shows_what_the_debugger_prints(
    step: Function, golden: Callable[[str, str], None]
) -> None:
    def block(match: re.Match[str]) -> str:
        head, kind, name, _, end = match.groups()
        return f"{head}{SHOWN[kind](step, name).strip()}\n{end}"

    golden("../../docs/walkthrough.md", BLOCK.sub(block, FILE.read_text("utf-8")))


def test_every_kind_of_output_is_on_the_page() -> None:
    found = {match[2] for match in BLOCK.finditer(FILE.read_text("utf-8"))}
    assert found == set(SHOWN)
