"""The text of a dozen kernels for four kinds of processors, as it lies in tests/golden.

A change of the generator shows here line by line; `pytest --update-golden` takes it over.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.target import Target
from tests.kernels.sample_kernels import SAMPLES
from tests.kernels.targets import TARGETS


def text_of(name: str, target: Target) -> str:
    sample = SAMPLES[name]
    return emit(sample.kernel, sample.variant, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SAMPLES)
def test_text(name: str, target: str, golden: Callable[[str, str], None]) -> None:
    golden(f"kernels/{name}.{target}.txt", text_of(name, TARGETS[target]))
