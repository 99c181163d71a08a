"""`python -m symnet.models`, as a user calls it."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

import symnet
from symnet import models
from symnet.models.__main__ import bars, main

Heard = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Weights of a LeNet that knows black from white, and images."""
    Image = pytest.importorskip("PIL.Image")
    with symnet.change_flags(floatX="float32"):
        model = models.lenet5(2)
        values = {n: np.zeros(s) for n, s in model.parameter_shapes.items()}
        for name in ("conv1.W", "conv2.W", "hidden.W"):
            values[name][:] = 0.02  # white: every unit is near 1
        values["output.W"][:, 1] = 0.01
        values["output.b"][:] = 2, 0
        model.assign(values)
        models.save_weights(model, tmp_path / "weights.npz")
    (tmp_path / "images").mkdir()
    for name, grey in (("black.png", 0), ("white.png", 255)):
        Image.new("L", (40, 30), grey).save(tmp_path / "images" / name)
    (tmp_path / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "labels.txt").write_text("black\nwhite\n")
    return tmp_path


def command(folder: pathlib.Path, *rest: str) -> list[str]:
    weights = str(folder / "weights.npz")
    return [
        "classify",
        *rest,
        "--model",
        "lenet5",
        "--weights",
        weights,
        "--classes",
        "2",
    ]


def test_classify_a_folder(folder: pathlib.Path, capsys: Heard) -> None:
    labels = str(folder / "labels.txt")
    assert main([*command(folder, str(folder / "images")), "--labels", labels]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("[2/3] ") and "broken.png: no image that Pillow knows" in err
    lines = out.splitlines()
    assert lines[0].startswith("[1/3] ") and lines[0].endswith("black.png")
    # 1 / (1 + exp(-2)) of the bias alone
    assert lines[1].split()[:4] == ["1", "black", "88.1", "%"]
    assert lines[1].count("█") + lines[1].count("#") == round(0.881 * 30)
    assert lines[3].startswith("[3/3] ") and lines[4].split()[:2] == ["1", "white"]
    assert len(lines) == 6


def test_one_image_without_names(folder: pathlib.Path, capsys: Heard) -> None:
    image = str(folder / "images" / "white.png")
    assert main([*command(folder, image), "--top", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == image and lines[1].split()[:3] == ["1", "class", "1"]
    assert len(lines) == 2


@pytest.mark.parametrize(
    "rest, said",
    [
        (["--labels", "{0}/none.txt"], "none.txt"),
        (["--classes", "3"], "output.W (500, 2), not (500, 3)"),
        (["--labels", "{0}/labels.txt", "--classes", "3"], "2 names, and lenet5 has 3"),
        (["--preprocessing", "caffe"], "caffe gives 3 channels"),
        (["--weights", "{0}/none.npz"], "none.npz: No such file"),
        (["--weights", "{0}/labels.txt"], "labels.txt: "),
    ],
)
def test_what_does_not_fit(
    rest: list[str], said: str, folder: pathlib.Path, capsys: Heard
) -> None:
    image = str(folder / "images" / "white.png")
    arguments = command(folder, image) + [one.format(folder) for one in rest]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert said in err and not out and "Traceback" not in err


def test_images_that_are_not_there(folder: pathlib.Path, capsys: Heard) -> None:
    assert main(command(folder, str(folder / "none.png"))) == 1
    assert "none.png" in capsys.readouterr().err
    (folder / "empty").mkdir()
    assert main(command(folder, str(folder / "empty"))) == 2
    assert "there are no images" in capsys.readouterr().err


def test_summary(capsys: Heard) -> None:
    assert main(["summary", "vgg16"]) == 0
    out = capsys.readouterr().out
    assert "138,357,544" in out and "512 x 7 x 7" in out
    assert main(["summary", "lenet5", "--input", "3,32,32"]) == 0
    assert "3 x 32 x 32" in capsys.readouterr().out
    assert main(["summary", "vgg16", "--input", "3,8,8"]) == 2
    assert "have no place" in capsys.readouterr().err


def test_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "symnet.models", "summary", "alexnet"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "61,100,840" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "symnet.models"], capture_output=True, timeout=60
    )
    assert done.returncode == 2 and b"TASK" in done.stderr


def test_bars() -> None:
    lines = bars([("a", 1.0), ("bcd", 0.004)])
    assert lines[0].startswith("   1  a    100.0 %  ") and len(lines[0]) == 50
    assert lines[1] == "   2  bcd    0.4 %"
