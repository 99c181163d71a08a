"""JAX on its own device.  It has no events: each call is waited for, by the host's clock."""

from __future__ import annotations

from typing import Any

import jax

from benchmarks.frameworks import with_jax
from benchmarks.gpu.resident import Resident

PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32", "bf16": "bfloat16"}


class GpuJax:
    version = jax.__version__
    lacks = ""

    def __init__(self, device: str, precision: str) -> None:
        jax.config.update("jax_default_matmul_precision", PRECISIONS[precision])
        if device == "cuda" and jax.default_backend() != "gpu":
            self.lacks = f"JAX sees no GPU, only {jax.default_backend()}"
        self.plain = with_jax.load()

    def __getattr__(self, kind: str) -> Any:
        """A kind of problem, as `with_jax` says it."""
        method = getattr(self.plain, kind, None)
        if method is None or kind.startswith("_"):
            raise AttributeError(kind)

        def render(problem: Any) -> Resident:
            program = method(problem)
            return Resident(
                lambda: program.function(*program.arguments), program.values
            )

        return render


def load(device: str, precision: str) -> GpuJax:
    return GpuJax(device, precision)
