"""Tests of the language, run on another device in a process of their own."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
SAMPLE = [
    "tests/ops/test_joining.py",
    "tests/ops/ifelse",
    "tests/test_theano_scans.py",
    "tests/test_updates.py",
]
# Of the loops' dtypes, numbers of steps and batches: float32-4-3, float64-0-3 and
# float64-4-None have each of them.
LEFT_OUT = ["float64-1-", "float64-0-None", "float32-4-None", "float64-4-3-"]


def passed_on(device: str) -> int:
    """How many of the sample passed on the device; an error if one failed."""
    flags = f"{os.environ.get('SYMNET_FLAGS', '')},device={device}"
    kept = " and ".join(f"not {name}" for name in LEFT_OUT)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *SAMPLE, "-k", kept],
        env={**os.environ, "SYMNET_FLAGS": flags},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout[-4000:]
    return int(passed[1])
