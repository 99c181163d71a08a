"""Lines of the user's program, also where they stand in a notebook's cell."""

from __future__ import annotations

import os
import subprocess
import sys

import symnet.tensor as T
from symnet.graph.origin import Origin

CELLS = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
for cell in [
    "import numpy as np, symnet, symnet.tensor as T",
    "x = T.matrix('x')\\ny = x + 1\\nz = T.dot(x, y)\\nf = symnet.function([x], z)",
    "f(np.ones((2, 3)))",
    "T.dot(T.zeros((2, 3)), T.zeros((4, 4)))",
    "print(f.profile(np.ones((2, 2)), repeat=1))",
    "symnet.config.exception_verbosity = 'high'",
    "f(np.ones((2, 3)))",
]:
    print(">>>", shell.run_cell(cell, store_history=True).success)
"""


def test_cells_are_named_and_own_frames_are_left_out() -> None:
    environment = {**os.environ, "IPYTHONDIR": os.devnull, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CELLS],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    # What a cell prints stands before the line that says how it ended.
    parts = done.stdout.split(">>> ")
    at_call, at_making, profile, high = parts[2], parts[3], parts[4], parts[6]
    assert "your line: Cell In[2], line 3, in <module>: z = T.dot(x, y)" in at_call
    assert "Cell In[3], line 1" in at_call
    assert "Cell In[4], line 1" in at_making
    for text in (at_call, at_making):
        assert "ShapeError" in text
        assert "symnet/" not in text.replace("\\", "/")
    assert "Cell In[2], line 3: z = T.dot(x, y)" in profile
    assert "function.py" in high


def test_files_are_named_with_their_line() -> None:
    line = T.exp(T.scalar("x")).owner.origin
    assert line is not None
    assert line.place == f"{__file__}:{line.line}"
    assert line.short_place == f"test_origin.py:{line.line}"
    assert (
        str(Origin("no such file", 3, "f", "gradient"))
        == "gradient of no such file:3, in f"
    )
