"""What PyTorch's optimizers do to a small problem, step by step, for tests/test_optim.py.

python tests/golden/make_optim.py     (where torch is installed) writes optim.json
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

STEPS = 12
FILE = pathlib.Path(__file__).with_name("optim.json")


def problem() -> dict[str, np.ndarray]:
    """Weights (4, 3) and bias (3,) to fit tanh(x w + b) to targets y, in float64."""
    rng = np.random.default_rng(17)
    return {
        "w": rng.normal(size=(4, 3)),
        "b": rng.normal(size=3),
        "x": rng.normal(size=(6, 4)),
        "y": rng.uniform(-1, 1, (6, 3)),
    }


def optimizers(torch: Any) -> dict[str, Callable[[Any], Any]]:
    """A torch optimizer of the parameters for each name in the test's table."""
    from_torch = torch.optim
    return {
        "sgd": partial(from_torch.SGD, lr=0.3),
        "momentum": partial(from_torch.SGD, lr=0.1, momentum=0.8),
        "nesterov": partial(from_torch.SGD, lr=0.1, momentum=0.8, nesterov=True),
        "adagrad": partial(from_torch.Adagrad, lr=0.2),
        "rmsprop": partial(from_torch.RMSprop, lr=0.02, alpha=0.95),
        "adadelta": partial(from_torch.Adadelta, lr=2.0, rho=0.8),
        "adam": partial(from_torch.Adam, lr=0.05),
        "adam betas": partial(from_torch.Adam, lr=0.05, betas=(0.7, 0.95), eps=1e-3),
        "decayed": partial(from_torch.SGD, lr=0.1, momentum=0.9, weight_decay=0.05),
        "adamw": partial(from_torch.AdamW, lr=0.05, weight_decay=0.1),
        "clipped values": partial(from_torch.SGD, lr=0.5),
        "clipped norm": partial(from_torch.SGD, lr=0.5),
        "step": partial(from_torch.SGD, lr=0.5),
        "exponential": partial(from_torch.SGD, lr=0.5),
        "cosine": partial(from_torch.SGD, lr=0.5),
        "warmup": partial(from_torch.Adam, lr=0.1),
    }


def schedules(torch: Any) -> dict[str, Callable[[Any], Any]]:
    kinds = torch.optim.lr_scheduler
    return {
        "step": partial(kinds.StepLR, step_size=4, gamma=0.5),
        "exponential": partial(kinds.ExponentialLR, gamma=0.9),
        "cosine": partial(kinds.CosineAnnealingLR, T_max=STEPS, eta_min=0.01),
        "warmup": partial(kinds.LinearLR, start_factor=0.2, total_iters=4),
    }


def train(torch: Any, name: str) -> dict[str, list[Any]]:
    """The parameters after each step."""
    values = {key: torch.tensor(value) for key, value in problem().items()}
    w, b = values["w"].requires_grad_(), values["b"].requires_grad_()
    optimizer = optimizers(torch)[name]([w, b])
    schedule = schedules(torch)[name](optimizer) if name in schedules(torch) else None
    seen: dict[str, list[Any]] = {"w": [], "b": []}
    for _ in range(STEPS):
        optimizer.zero_grad()
        difference = torch.tanh(values["x"] @ w + b) - values["y"]
        (difference**2).sum(dim=1).mean().backward()
        if name == "clipped values":
            torch.nn.utils.clip_grad_value_([w, b], 0.1)
        if name == "clipped norm":
            torch.nn.utils.clip_grad_norm_([w, b], 0.3)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        seen["w"].append(w.detach().tolist())
        seen["b"].append(b.detach().tolist())
    return seen


def reference(torch: Any) -> dict[str, dict[str, list[Any]]]:
    return {name: train(torch, name) for name in optimizers(torch)}


if __name__ == "__main__":
    import torch

    origin = f"torch {torch.__version__}, made by tests/golden/make_optim.py"
    content = {"origin": origin, "steps": reference(torch)}
    FILE.write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n")
