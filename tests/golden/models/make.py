"""What PyTorch computes in narrow networks, layer by layer, and files as it writes them.

python tests/golden/models/make.py     (where torch, safetensors and h5py are installed)

For each network: NAME.pth, the state dict with random weights, as torch.save writes it;
NAME.npz, an image and the output of every layer.  Further the vgg in the format before version
1.6 (vgg_legacy.pth), in half precision and bfloat16 with strides (odd.pth), by
safetensors (vgg.safetensors), and as Keras and Caffe lay it out (keras.h5, caffe.h5).
"""

from __future__ import annotations

import pathlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def networks(torch: Any) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Name -> shape of an image, and the network as torchvision builds it, but narrower."""
    nn = torch.nn

    def conv(*sizes: int, **rest: Any) -> list[Any]:
        return [nn.Conv2d(*sizes, **rest), nn.ReLU()]

    def dense(*sizes: int) -> list[Any]:
        return [nn.Linear(*sizes), nn.ReLU()]

    def whole(features: list[Any], classifier: list[Any]) -> Any:
        parts = [
            ("features", nn.Sequential(*features)),
            ("flatten", nn.Flatten()),
            ("classifier", nn.Sequential(*classifier)),
        ]
        return nn.Sequential(OrderedDict(parts))

    groups, features, channels = [(2, 2), (3, 3), (4,) * 3, (5,) * 3, (5,) * 3], [], 3
    for group in groups:
        for filters in group:
            features += conv(channels, filters, 3, padding=1)
            channels = filters
        features.append(nn.MaxPool2d(2))
    head = [
        *dense(5, 6), nn.Dropout(), *dense(6, 6), nn.Dropout(), nn.Linear(6, 7)
    ]  # fmt: skip
    alex = [
        *conv(3, 4, 11, stride=4, padding=2), nn.MaxPool2d(3, 2),
        *conv(4, 6, 5, padding=2), nn.MaxPool2d(3, 2),
        *conv(6, 8, 3, padding=1), *conv(8, 6, 3, padding=1), *conv(6, 6, 3, padding=1),
        nn.MaxPool2d(3, 2),
    ]  # fmt: skip
    alex_head = [
        nn.Dropout(), *dense(24, 8), nn.Dropout(), *dense(8, 8), nn.Linear(8, 7)
    ]  # fmt: skip
    first = [
        *conv(3, 4, 11, stride=4), nn.LocalResponseNorm(5, alpha=5e-4, k=2),
        nn.MaxPool2d(3, 2),
        *conv(4, 6, 5, padding=2, groups=2), nn.LocalResponseNorm(5, alpha=5e-4, k=2),
        nn.MaxPool2d(3, 2),
        *conv(6, 8, 3, padding=1), *conv(8, 6, 3, padding=1, groups=2),
        *conv(6, 6, 3, padding=1, groups=2), nn.MaxPool2d(3, 2),
    ]  # fmt: skip
    first_head = [
        *dense(6, 8), nn.Dropout(), *dense(8, 8), nn.Dropout(), nn.Linear(8, 7)
    ]  # fmt: skip
    lenet = [
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Tanh(),
        nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Tanh(),
    ]  # fmt: skip
    lenet_head = [nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10)]
    return {
        "vgg": ((3, 32, 32), whole(features, head)),
        "alexnet": ((3, 95, 95), whole(alex, alex_head)),
        "alexnet_2012": ((3, 67, 67), whole(first, first_head)),
        "lenet5": ((1, 28, 28), whole(lenet, lenet_head)),
    }


def layers(network: Any) -> Iterator[Any]:
    for part in network:
        yield from part if hasattr(part, "__len__") else [part]


def outputs(torch: Any, network: Any, image: np.ndarray) -> list[np.ndarray]:
    """The output of every layer for one image, in evaluation."""
    network.eval()
    found, x = [], torch.tensor(image)[None]
    with torch.no_grad():
        for layer in layers(network):
            x = layer(x)
            found.append(x[0].numpy().copy())
        assert torch.equal(x, network(torch.tensor(image)[None]))
    return found


def random_weights(torch: Any, network: Any, seed: int) -> None:
    """Of a size that keeps numbers near 1 through all layers, biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            fan = max(p[0].numel(), 1) if p.ndim > 1 else 9
            p.normal_(0, (2 / fan) ** 0.5, generator=generator)


def keras_file(h5py: Any, arrays: dict[str, np.ndarray]) -> None:
    """As Keras 1 writes weights in TensorFlow's order of axes."""
    with h5py.File(FOLDER / "keras.h5", "w") as file:
        layer_names = []
        for number, name in enumerate(arrays):
            if not name.endswith(".weight"):
                continue
            weight, bias = arrays[name], arrays[name.replace("weight", "bias")]
            # The image before the flattening is 5 x 1 x 1: its order is the same.
            turned = weight.transpose((2, 3, 1, 0) if weight.ndim == 4 else (1, 0))
            layer = f"layer_{number}"
            group = file.create_group(layer)
            names = [f"{layer}_W", f"{layer}_b"]
            group.attrs["weight_names"] = [one.encode() for one in names]
            group.create_dataset(names[0], data=turned)
            group.create_dataset(names[1], data=bias)
            layer_names.append(layer.encode())
        file.create_group("dropout")
        file["dropout"].attrs["weight_names"] = []
        # Not in the alphabet's order: that of the attribute counts.
        file.attrs["layer_names"] = [*layer_names, b"dropout"]


def caffe_file(h5py: Any, arrays: dict[str, np.ndarray]) -> None:
    """As Caffe's snapshots in HDF5, with the names of its VGG."""
    groups = [(1, 2), (2, 2), (3, 3), (4, 3), (5, 3)]
    names = [f"conv{g}_{k}" for g, n in groups for k in range(1, n + 1)]
    names += ["fc6", "fc7", "fc8"]
    values = iter(arrays.values())
    with h5py.File(FOLDER / "caffe.h5", "w") as file:
        for name in names:
            for part in "01":
                file.create_dataset(f"data/{name}/{part}", data=next(values))


def main() -> None:
    import h5py
    import safetensors.torch
    import torch

    origin = f"torch {torch.__version__}, tests/golden/models/make.py"
    for seed, (name, (shape, network)) in enumerate(networks(torch).items()):
        if name == "lenet5":
            continue  # too large to keep: compared where torch is installed
        random_weights(torch, network, seed)
        image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        found = outputs(torch, network, image)
        torch.save(network.state_dict(), FOLDER / f"{name}.pth")
        arrays = {f"output {k}": x for k, x in enumerate(found)}
        np.savez_compressed(
            FOLDER / f"{name}.npz", origin=origin, image=image, **arrays
        )
        if name == "vgg":
            state = network.state_dict()
            torch.save(
                state, FOLDER / "vgg_legacy.pth", _use_new_zipfile_serialization=False
            )
            safetensors.torch.save_file(state, FOLDER / "vgg.safetensors")
            plain = {key: value.numpy() for key, value in state.items()}
            keras_file(h5py, plain)
            caffe_file(h5py, plain)
    numbers = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    odd = {
        "module.half": numbers.half(),
        "module.bfloat16": numbers.bfloat16(),
        "module.turned": numbers.T,
        "module.part": numbers[1:3, 2:5],
        "module.double": torch.nn.Parameter(numbers.double()),
        "module.count": torch.tensor(3),
    }
    torch.save({"epoch": 3, "state_dict": odd}, FOLDER / "odd.pth")


if __name__ == "__main__":
    main()
