"""Image files as the arrays that networks were trained on.  Needs Pillow
(`pip install symnet[models]`)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnet.data_classes import dataclass

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class ImageFileError(ValueError):
    """A file that is no image, or a damaged one."""

    def __init__(self, path: Any, reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image: (pixel / scale - mean) / deviation for each channel.

    channels: "RGB", "BGR" or "L" (grey): the order that mean and deviation are in.
    cropped: the shorter side becomes 256 pixels for networks that take 224 or more (and as
        much larger than the network's for others), and the middle is cut out.  Otherwise
        the whole image is stretched to the network's size.

    >>> models.TORCHVISION.channels, models.CAFFE.channels
    ('RGB', 'BGR')
    """

    name: str
    channels: str
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    cropped: bool = True

    def __call__(self, path: str | os.PathLike[str], shape: Sequence[int]) -> Any:
        """The image in a file as float32 of this shape, (channels, rows, columns).

        Raises: ImageFileError; FileNotFoundError; ValueError where the network takes
            another number of channels; ModuleNotFoundError without Pillow.
        """
        from PIL import Image

        channels, rows, columns = shape
        if channels != len(self.mean):
            raise ValueError(
                f"{self.name} gives {len(self.mean)} channels, and the network takes "
                f"{channels}: choose another preprocessing"
            )
        image = read_image(path, "L" if self.channels == "L" else "RGB")
        if self.cropped:
            image = _middle(image, rows, columns, Image.Resampling.BILINEAR)
        else:
            image = image.resize((columns, rows), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.float32).reshape(rows, columns, channels)
        if self.channels == "BGR":
            pixels = pixels[:, :, ::-1]
        mean, deviation = np.array([self.mean, self.deviation], np.float32)
        normal = (pixels / np.float32(self.scale) - mean) / deviation
        return np.ascontiguousarray(normal.transpose(2, 0, 1))


# torchvision's classification presets: mean and deviation of ImageNet's pixels, 0 to 1.
TORCHVISION = Preprocessing(
    "torchvision", "RGB", 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
# The mean BGR pixel that comes with VGG's networks for Caffe; Keras has the same numbers.
CAFFE = Preprocessing("caffe", "BGR", 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
# As symnet.datasets gives MNIST: white on black, 0 to 1.
DIGITS = Preprocessing("digits", "L", 255.0, (0.0,), (1.0,), cropped=False)

PREPROCESSING = {one.name: one for one in (TORCHVISION, CAFFE, DIGITS)}


def read_image(path: str | os.PathLike[str], mode: str = "RGB") -> Any:
    """The image in a file, upright, as Pillow's of this mode.

    Raises: ImageFileError for what is no image, is damaged, or has more pixels than Pillow
        thinks safe; FileNotFoundError; ModuleNotFoundError without Pillow.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image)
                if upright.mode.startswith("I"):  # grey in 16 bits: Pillow would clip
                    bytes_of_grey = np.asarray(upright).astype(np.int64) // 257
                    upright = Image.fromarray(bytes_of_grey.clip(0, 255).astype("u1"))
                return upright.convert(mode)
    except FileNotFoundError:
        raise
    except UnidentifiedImageError:
        raise ImageFileError(path, "no image that Pillow knows") from None
    # Pillow's readers let all of these through.
    except (
        OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, TypeError,
        MemoryError, Image.DecompressionBombWarning, Image.DecompressionBombError,
    ) as error:  # fmt: skip
        raise ImageFileError(path, f"not a whole image: {error}") from error


def _middle(image: Any, rows: int, columns: int, filter: Any) -> Any:
    """The middle of the image, after its shorter side was set, as torchvision cuts it."""
    crop = max(rows, columns)
    side = 256 if 224 <= crop <= 256 else round(crop * 256 / 224)
    width, height = image.size
    short = min(width, height)
    width, height = side * width // short, side * height // short
    image = image.resize((width, height), filter)
    left, top = round((width - columns) / 2), round((height - rows) / 2)
    return image.crop((left, top, left + columns, top + rows))


def find_images(paths: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
    """The files named, and of folders those with the ending of an image, by name.

    Files that are named are given whatever their ending; whether they are there is seen
    when they are read.
    """
    for path in [os.fspath(one) for one in paths]:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                if name.lower().endswith(ENDINGS):
                    yield os.path.join(folder, name)


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """The names of classes from a text file, one a line, in the order of the outputs.

    Raises: OSError; ValueError where it is no text in UTF-8.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return [line.strip() for line in file.read().splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{os.fspath(path)}: no text in UTF-8: {error.reason}"
            ) from error


def ranked(
    probabilities: NDArray[Any], labels: Sequence[str] | None = None, top: int = 5
) -> list[tuple[str, float]]:
    """The `top` most probable classes with their probabilities, the first first.

    Shapes: probabilities (classes,).  labels: one for each class; None gives numbers.
    Raises: ValueError for another number of labels.
    """
    if labels is not None and len(labels) != len(probabilities):
        raise ValueError(
            f"{len(labels)} names of classes, and the network has {len(probabilities)}"
        )
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [
        (labels[k] if labels is not None else f"class {k}", float(probabilities[k]))
        for k in best
    ]
