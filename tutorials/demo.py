"""Trains four of the workshop's networks on real digits: `make demo`.

    python tutorials/demo.py [--epochs N] [--small]

SYMNET_DATA names a folder with MNIST's files; without it they are downloaded, and where
there is no network scikit-learn's small digits take their place.  The last column of the table
is the time until both functions have run once.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np
from networks import Network, convolutional, perceptron, switched
from progress import display
from training import Report, Settings, train

import symnet
from symnet.datasets import Digits, digits, load_digits_data

ROWS = 8_000  # the settings below are made for epochs of about so many images
CLASSES = 10


def main() -> None:
    asked = arguments()
    symnet.config.floatX = "float32"
    data = digits() if asked.small else load()
    print(f"Digits: {data.source}; {len(data.test_images):,} to test.\n")
    reports: dict[str, Report] = {}
    for network, settings in plan(data):
        reports[network.name] = run(network, data, fitted(settings, data, asked.epochs))
    print()
    print(table(reports))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train four networks on real digits.")
    parser.add_argument("--epochs", type=int, default=1_000_000, help="at most so many")
    parser.add_argument(
        "--small", action="store_true", help="scikit-learn's 8x8 digits, not MNIST"
    )
    return parser.parse_args()


def load() -> Digits:
    """MNIST, or with a note the small digits."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        data = load_digits_data()
    for warning in heard:
        print(f"Note: {warning.message}")
    return data


def plan(data: Digits) -> list[tuple[Network, Settings]]:
    """The four networks, each with settings found by experiment."""
    rng = np.random.default_rng(1234)
    pixels = data.train_images.shape[1]
    side = int(pixels**0.5)
    patch = side // 7 if side > 8 else 2
    logistic = perceptron(rng, (pixels, CLASSES), "logistic regression")
    mlp = perceptron(rng, (pixels, 500, CLASSES), "tanh MLP")
    gated = switched(rng, side, CLASSES, patch, "switched network")
    lenet = convolutional(rng, side, CLASSES, "LeNet")
    return [
        (logistic, Settings(epochs=15, rate=0.1)),
        (mlp, Settings(epochs=30, rate=0.3, rate_decay=0.93, weight_decay=1e-3)),
        (gated, Settings(epochs=15, rate=0.3)),
        (lenet, Settings(epochs=10, rate=0.1)),
    ]


def fitted(settings: Settings, data: Digits, limit: int) -> Settings:
    """The settings for more or fewer images: about as many steps, three epochs at least."""
    epochs = max(3, round(settings.epochs * ROWS / len(data.train_images)))
    decay = settings.rate_decay ** (settings.epochs / epochs)
    return replace(settings, epochs=min(epochs, limit), rate_decay=decay)


def run(network: Network, data: Digits, settings: Settings) -> Report:
    with display(network.name, settings.epochs) as show:
        return train(
            network,
            data,
            settings,
            lambda epoch, cost, accuracy: show(
                epoch, f"cost {cost:.3f}, test accuracy {accuracy:.1%}"
            ),
        )


def table(reports: dict[str, Report]) -> str:
    lines = [
        f"{'':22}{'accuracy':>10}{'steps':>9}{'a step':>10}{'training':>10}{'compiling':>11}"
    ]
    for name, report in reports.items():
        lines.append(
            f"{name:22}{report.accuracies[-1]:>10.2%}{report.steps:>9,}"
            f"{report.step * 1e3:>7.2f} ms{report.training:>8.1f} s{report.compiling:>9.2f} s"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
