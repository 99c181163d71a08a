"""What a graph compiles to does not depend on what the process did before."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from symnet.kernels.loopir.scalars import Scalar, argument
from symnet.kernels.loopir.views import maximum, minimum, multiply, size
from tests.compile.test_golden import FOLDER, GRAPHS, compiled

ROOT = pathlib.Path(__file__).parents[2]

# Graphs with sizes that are sums and products of several others.
SEVERAL_SIZES = [
    "gradient_of_a_loop", "loop_of_products", "loop_that_stops", "loop_with_a_ring",
    "batched_product", "views", "rows_scattered", "joined",
]  # fmt: skip

# Sizes and graphs are made backwards, and live on.
OTHER_HISTORY = """
from tests.compile.test_same_program import expressions_made_backwards
kept = expressions_made_backwards()
from tests.compile.test_golden import GRAPHS, compiled
for name in reversed(GRAPHS):
    text = compiled(GRAPHS[name])
    print(f"#### {name}", text, sep="\\n", end="")
"""


def expressions_made_backwards() -> list[Scalar]:
    """Expressions over sizes of which the later ones are the older."""
    sizes = [argument(k, "int64") for k in reversed(range(60))]
    found = [*sizes]
    for one in sizes:
        for two in sizes[:12]:
            found += [multiply(one, two), multiply(two, size(8)), minimum(one, two)]
        found.append(maximum(one, size(0)))
    return found


@pytest.mark.parametrize("name", SEVERAL_SIZES)
def test_after_other_expressions_were_made(name: str) -> None:
    kept = expressions_made_backwards()
    assert compiled(GRAPHS[name]) == (FOLDER / f"{name}.txt").read_text()
    assert kept


def test_in_a_process_with_another_history() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OTHER_HISTORY],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(part.split("\n", 1) for part in done.stdout.split("#### ")[1:])
    assert set(found) == set(GRAPHS)
    for name, text in found.items():
        assert text == (FOLDER / f"{name}.txt").read_text(), name
