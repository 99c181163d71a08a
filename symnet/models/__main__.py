"""Classify images, or print a network as a table.

    python -m symnet.models summary vgg16
    python -m symnet.models classify cat.jpg photos/ --model vgg16 --weights vgg16.pth

A folder stands for the images in it.  What is no image is named, and the others go on; the
exit status is then 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import symnet.tensor as T
from symnet.compile.function import function
from symnet.config import config
from symnet.models.architectures import ARCHITECTURES
from symnet.models.images import (
    PREPROCESSING,
    ImageFileError,
    find_images,
    ranked,
    read_labels,
)
from symnet.models.model_summary import summary
from symnet.models.weight_loading import CONVENTIONS, load_weights

WIDTH = 30  # of a bar for a probability of 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.  Returns its exit status."""
    parser = command()
    options = parser.parse_args(arguments)
    try:
        with config.change_flags(floatX="float32"):
            return int(options.run(options))
    except ModuleNotFoundError as error:
        print(
            f"{parser.prog}: needs {error.name}: pip install symnet[models]",
            file=sys.stderr,
        )
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {_told(error)}", file=sys.stderr)
    return 2


def _told(error: Exception) -> str:
    """An error's text; of a file that cannot be read, its name and why."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def command() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m symnet.models",
        description="Convolutional networks: classify images, print summaries.",
    )
    tasks = parser.add_subparsers(required=True, metavar="TASK")
    add = tasks.add_parser("classify", help="the classes of images").add_argument
    parser_of_classify = tasks.choices["classify"]
    parser_of_classify.set_defaults(run=classify)
    add("images", nargs="+", metavar="IMAGE", help="files, or folders of them")
    add("--model", choices=ARCHITECTURES, default="vgg16")
    add(
        "--weights",
        required=True,
        metavar="FILE",
        help="npz, safetensors, pth, pkl, h5",
    )
    add("--labels", metavar="FILE", help="names of the classes, one a line")
    add(
        "--classes",
        type=_positive,
        metavar="N",
        help="outputs, where not the usual ones",
    )
    add("--top", type=_positive, default=5, metavar="N", help="how many classes (5)")
    add("--convention", choices=CONVENTIONS, help="how the weights are laid out")
    flip = "whether filters are mirrored"
    add("--flip", action=argparse.BooleanOptionalAction, help=flip)
    prepared = "what is done to images, where not as the weights' convention has it"
    add("--preprocessing", choices=PREPROCESSING, help=prepared)
    table = tasks.add_parser(
        "summary", help="layers, shapes, parameters, multiply-adds"
    )
    table.set_defaults(run=summarise)
    table.add_argument("model", choices=ARCHITECTURES)
    table.add_argument(
        "--input", type=_sizes, metavar="C,H,W", help="the shape of one image"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return number


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(_positive, text.split(",")))


def summarise(options: Any) -> int:
    print(summary(ARCHITECTURES[options.model](), options.input))
    return 0


def classify(options: Any) -> int:
    """Raises: OSError, ValueError where weights or names of classes do not fit."""
    labels = read_labels(options.labels) if options.labels else None
    build = ARCHITECTURES[options.model]
    model = build(options.classes) if options.classes else build()
    if labels is not None and len(labels) != model.shapes[-1][0]:
        raise ValueError(
            f"{options.labels}: {len(labels)} names, and {model.name} has "
            f"{model.shapes[-1][0]} classes"
        )
    rule = load_weights(model, options.weights, options.convention, options.flip)
    usual = "digits" if model.input_shape[0] == 1 else rule.preprocessing
    prepare = PREPROCESSING[options.preprocessing or usual]
    x = T.tensor4("images", dtype="float32")
    probabilities = function([x], model(x))
    paths = list(find_images(options.images))
    if not paths:
        raise ValueError("there are no images in the folders named")
    failed = 0
    for number, path in enumerate(paths, 1):
        try:
            image = prepare(path, model.input_shape)
        except (ImageFileError, OSError) as error:
            failed += 1
            print(_counted(number, paths, _told(error)), file=sys.stderr, flush=True)
            continue
        best = ranked(probabilities(image[None])[0], labels, options.top)
        print(_counted(number, paths, path), *bars(best), sep="\n", flush=True)
    return 1 if failed else 0


def _counted(number: int, paths: Sequence[str], text: str) -> str:
    """How far it has come, where there are several."""
    digits = len(str(len(paths)))
    return f"[{number:{digits}}/{len(paths)}] {text}" if len(paths) > 1 else text


def bars(best: Sequence[tuple[str, float]]) -> list[str]:
    """A line for each class: place, name, probability, and a bar of that length."""
    width = max(len(label) for label, _ in best)
    full = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    return [
        f"  {place:2}  {label:{width}}  {100 * p:5.1f} %  {full * round(p * WIDTH)}".rstrip()
        for place, (label, p) in enumerate(best, 1)
    ]


if __name__ == "__main__":
    sys.exit(main())
