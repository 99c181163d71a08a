"""The devices that tests of this folder run on: an emulated GPU everywhere, and a real one
where there is one (`pytest -m gpu`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from symnet.config import config
from symnet.kernels.cuda.cupy_driver import missing
from tests.kernels.cuda.cupy_stand_in import cupy, libcublas, libcuda

__all__ = ["cupy", "gpu", "libcublas", "libcuda"]

DEVICES = [
    pytest.param("emulated", marks=pytest.mark.emulated),
    pytest.param("cuda", marks=pytest.mark.gpu),
]


@pytest.fixture(params=DEVICES)
def gpu(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a device for GPUs; shared variables that are made lie there."""
    name = str(request.param)
    if name == "cuda" and (why := missing()):
        pytest.skip(f"no GPU: {why}")
    with config.change_flags(device=name):
        yield name
