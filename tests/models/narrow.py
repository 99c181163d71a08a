"""The narrow networks of tests/golden/models, as symnet builds them."""

from __future__ import annotations

import pathlib

from symnet import models

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "models"


def narrow(name: str) -> models.Model:
    """Without weights."""
    if name == "vgg":
        groups = [(2, 2), (3, 3), (4,) * 3, (5,) * 3, (5,) * 3]
        return models.vgg(name, groups, 7, input_shape=(3, 32, 32), units=6)
    if name == "alexnet":
        return models.alexnet(7, 0, (3, 95, 95), (4, 6, 8, 6, 6), 8)
    if name == "alexnet_2012":
        return models.alexnet_2012(7, 0, (3, 67, 67), (4, 6, 8, 6, 6), 8)
    return models.lenet5()
