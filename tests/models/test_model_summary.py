"""The table of a model's layers."""

from __future__ import annotations

import pytest

from symnet import models
from symnet.errors import ShapeError

LENET = """\
lenet5, input 1 x 28 x 28
------------------------------------------------------------
layer    kind        output        parameters  multiply-adds
------------------------------------------------------------
conv1    Conv        20 x 24 x 24         520        288,000
pool1    MaxPool     20 x 12 x 12
tanh1    Activation  20 x 12 x 12
conv2    Conv        50 x 8 x 8        25,050      1,600,000
pool2    MaxPool     50 x 4 x 4
tanh2    Activation  50 x 4 x 4
flatten  Flatten     800
hidden   Dense       500              400,500        400,000
tanh3    Activation  500
output   Dense       10                 5,010          5,000
------------------------------------------------------------
total                                 431,080      2,293,000"""


def test_lenet() -> None:
    """Worked out by hand: 20 * 24^2 * 25 and 50 * 8^2 * 20 * 25 products, and so on."""
    lines = models.summary(models.lenet5()).splitlines()
    assert [line.rstrip() for line in lines] == LENET.splitlines()


def test_totals() -> None:
    """Multiply-adds as torchvision states them with its weights: 15.47, 19.63 and 0.71
    thousand million."""
    for build, work in (
        (models.vgg16, 15_470_264_320),
        (models.vgg19, 19_632_062_464),
        (models.alexnet, 714_188_480),
    ):
        total = models.summary(build()).splitlines()[-1].split()
        assert int(total[2].replace(",", "")) == work


def test_another_input() -> None:
    wide = models.summary(models.lenet5(), (3, 32, 32)).splitlines()
    assert wide[0] == "lenet5, input 3 x 32 x 32"
    assert wide[4].split() == "conv1 Conv 20 x 28 x 28 1,520 1,176,000".split()
    with pytest.raises(ShapeError, match="conv2: windows of 5x5 have no place"):
        models.summary(models.lenet5(), (1, 12, 12))
