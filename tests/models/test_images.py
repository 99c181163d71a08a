"""Image files as networks take them, beside pixels worked out by NumPy."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

from symnet import models

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)


def saved(folder: pathlib.Path, pixels: np.ndarray, name: str = "image.png") -> str:
    Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return str(folder / name)


def test_torchvision(tmp_path: pathlib.Path) -> None:
    """An image of 256 rows is not resized: its middle is cut out."""
    pixels = RNG.integers(0, 256, (256, 300, 3))
    found = models.TORCHVISION(saved(tmp_path, pixels), (3, 224, 224))
    middle = pixels[16:240, 38:262] / 255
    expected = (middle - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=2e-6)


def test_caffe(tmp_path: pathlib.Path) -> None:
    """Blue first, from 0 to 255."""
    pixels = RNG.integers(0, 256, (300, 256, 3))
    found = models.CAFFE(saved(tmp_path, pixels), (3, 227, 227))
    middle = pixels[36:263, 14:241, ::-1] - [103.939, 116.779, 123.68]
    np.testing.assert_allclose(found, middle.transpose(2, 0, 1), atol=2e-5)


def test_digits(tmp_path: pathlib.Path) -> None:
    pixels = RNG.integers(0, 256, (28, 28))
    found = models.DIGITS(saved(tmp_path, pixels), (1, 28, 28))
    np.testing.assert_allclose(found[0], pixels / 255, atol=1e-7)
    assert models.DIGITS(saved(tmp_path, pixels.repeat(3, 0)), (1, 28, 28)).shape == (
        1, 28, 28,
    )  # fmt: skip


def test_resizing_keeps_proportions(tmp_path: pathlib.Path) -> None:
    """Left half black, right half white, twice as large: the middle is cut at its edge."""
    pixels = np.zeros((512, 1024, 3))
    pixels[:, 512:] = 255
    found = models.CAFFE(saved(tmp_path, pixels), (3, 224, 224))
    plain = found + np.float32(models.CAFFE.mean)[:, None, None]
    assert plain.shape == (3, 224, 224)
    assert (plain[:, :, :111] < 1).all() and (plain[:, :, 113:] > 254).all()


def test_resizing_is_torchvisions(tmp_path: pathlib.Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    steps = torchvision.transforms
    theirs = steps.Compose([
        steps.Resize(256), steps.CenterCrop(224), steps.ToTensor(),
        steps.Normalize(models.TORCHVISION.mean, models.TORCHVISION.deviation),
    ])  # fmt: skip
    for shape in ((300, 500), (333, 200), (100, 101), (257, 256)):
        path = saved(tmp_path, RNG.integers(0, 256, (*shape, 3)))
        found = models.TORCHVISION(path, (3, 224, 224))
        with Image.open(path) as image:
            np.testing.assert_allclose(found, theirs(image).numpy(), atol=1e-5)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "LA"])
def test_modes(mode: str, tmp_path: pathlib.Path) -> None:
    image = Image.new("RGB", (30, 40), (255, 255, 255)).convert(mode)
    name = "image.jpg" if mode == "CMYK" else "image.png"
    image.save(tmp_path / name)
    for prepare, shape in ((models.CAFFE, (3, 32, 32)), (models.DIGITS, (1, 28, 28))):
        found = prepare(tmp_path / name, shape)
        assert found.shape == shape and np.ptp(found[0]) < 2


def test_grey_in_16_bits(tmp_path: pathlib.Path) -> None:
    pixels = RNG.integers(0, 256, (28, 28)) * 257
    Image.fromarray(pixels.astype(np.uint16)).save(tmp_path / "deep.png")
    found = models.DIGITS(tmp_path / "deep.png", (1, 28, 28))[0]
    np.testing.assert_allclose(found, pixels / 65535, atol=1e-7)


def test_photographs_are_turned_upright(tmp_path: pathlib.Path) -> None:
    pixels = np.zeros((28, 28))
    pixels[:14] = 255
    image = Image.fromarray(pixels.astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: row 0 is the right side
    image.save(tmp_path / "photo.png", exif=exif)
    found = models.DIGITS(tmp_path / "photo.png", (1, 28, 28))[0]
    assert (found[:, :14] == 0).all() and (found[:, 14:] == 1).all()


def test_what_is_no_image(tmp_path: pathlib.Path) -> None:
    whole = pathlib.Path(
        saved(tmp_path, RNG.integers(0, 256, (50, 50, 3)))
    ).read_bytes()
    contents = [
        b"",
        b"text",
        whole[:20],
        whole[:40],
        whole[:3000],
        b"\x89PNG" + bytes(99),
    ]
    for content in contents:
        path = tmp_path / "bad.png"
        path.write_bytes(content)
        with pytest.raises(models.ImageFileError, match=r"bad\.png: no"):
            models.read_image(path)
    with pytest.raises(FileNotFoundError):
        models.read_image(tmp_path / "none.png")


def test_images_of_too_many_pixels(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, np.zeros((50, 50)))
    for most in (2_000, 1_000):  # a warning of Pillow's, and an error
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(models.ImageFileError, match="decompression bomb"):
            models.read_image(path)


def test_another_number_of_channels(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="digits gives 1 channels, .* takes 3"):
        models.DIGITS(saved(tmp_path, np.zeros((9, 9))), (3, 28, 28))


def test_folders(tmp_path: pathlib.Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", "sub/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = models.find_images([tmp_path, tmp_path / "notes.txt", "none"])
    names = [os.path.relpath(path, tmp_path) for path in found]
    assert names[:4] == ["a.jpg", "b.PNG", os.path.join("sub", "c.webp"), "notes.txt"]


def test_labels(tmp_path: pathlib.Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\n große Katze \n\ndog\n", "utf-8")
    labels = models.read_labels(tmp_path / "labels.txt")
    assert labels == ["cat", "große Katze", "dog"]
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="labels.txt: no text in UTF-8"):
        models.read_labels(tmp_path / "labels.txt")
    chances = np.array([0.25, 0.5, 0.25])
    assert models.ranked(chances, labels, 2) == [("große Katze", 0.5), ("cat", 0.25)]
    assert (
        models.ranked(chances)[0] == ("class 1", 0.5)
        and len(models.ranked(chances)) == 3
    )
    with pytest.raises(ValueError, match="2 names of classes, and the network has 3"):
        models.ranked(chances, labels[:2])
