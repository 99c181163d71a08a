"""The programs of docs/models.md run, and its table is what the models say."""

from __future__ import annotations

import pathlib
import re

import pytest

import symnet
from symnet import models
from symnet.models.images import PREPROCESSING

PAGE = pathlib.Path(__file__).parent.parent.parent / "docs" / "models.md"
TEXT = PAGE.read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_programs_run(number: int) -> None:
    with symnet.change_flags(floatX="float64"):
        exec(compile(PROGRAMS[number], f"{PAGE.name} {number}", "exec"), {})


def test_there_are_programs() -> None:
    assert len(PROGRAMS) == 3


def test_networks_have_the_sizes_of_the_table() -> None:
    for name, build in models.ARCHITECTURES.items():
        model = build()
        row = next(
            line for line in TEXT.splitlines() if line.startswith(f"| `{name}()`")
        )
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[2] == " x ".join(map(str, model.input_shape))
        assert cells[3] == f"{models.count_parameters(model):,}"


def test_every_convention_and_preprocessing_is_explained() -> None:
    for name, rule in models.CONVENTIONS.items():
        row = next(line for line in TEXT.splitlines() if f"| `{name}` |" in line)
        assert row.endswith(f"| `{rule.preprocessing}` |")
    for name in PREPROCESSING:
        assert f"\n| `{name}` |" in TEXT
