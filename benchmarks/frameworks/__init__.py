"""The frameworks that are measured: how each is started, and the file that speaks it."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass, field
from typing import Any

THREADS = "2"

# Every library gets the same number of threads, whichever variable it listens to.
THREAD_SETTINGS = dict.fromkeys(
    (
        "SYMNET_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    ),
    THREADS,
)


@dataclass(frozen=True)
class Framework:
    """One way to run the problems.

    module: the file of this folder whose `load(**options)` imports it.
    statement: the import that is timed.
    settings: environment variables; {cache} stands for the folder of compiled code.
    peer: runs in the peers' environment.
    """

    module: str
    statement: str
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    peer: bool = True

    def environment(self, cache: str) -> dict[str, str]:
        own = {name: value.format(cache=cache) for name, value in self.settings.items()}
        found = {**os.environ, **THREAD_SETTINGS, **own}
        # An installed package has its bytecode; where this setting forbids to write it,
        # a working copy would be compiled anew by every fresh process.
        found.pop("PYTHONDONTWRITEBYTECODE", None)
        return found

    def interpreter(self) -> str:
        peers = os.environ.get("SYMNET_PEERS_PYTHON")
        return peers if self.peer and peers else sys.executable

    def load(self) -> Any:
        """Import the framework.  Raises: ImportError where it is not installed."""
        module = importlib.import_module(f"benchmarks.frameworks.{self.module}")
        return module.load(**self.options)


PYTENSOR_CACHE = {"PYTENSOR_FLAGS": "base_compiledir={cache}"}

FRAMEWORKS = {
    "symnet": Framework(
        "theano_style",
        "import symnet",
        {"package": "symnet"},
        {"SYMNET_CACHE": "{cache}"},
        peer=False,
    ),
    "numpy": Framework("with_numpy", "import numpy", peer=False),
    "pytensor-c": Framework(
        "theano_style",
        "import pytensor",
        {"package": "pytensor", "mode": "CVM"},
        PYTENSOR_CACHE,
    ),
    "pytensor-numba": Framework(
        "theano_style",
        "import pytensor",
        {"package": "pytensor", "mode": "NUMBA"},
        PYTENSOR_CACHE,
    ),
    "jax": Framework(
        "with_jax",
        "import jax",
        settings={
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": "{cache}",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        },
    ),
    "torch": Framework("with_torch", "import torch"),
    "torch-compile": Framework(
        "with_torch",
        "import torch",
        {"compiled": True},
        {"TORCHINDUCTOR_CACHE_DIR": "{cache}"},
    ),
    "tensorflow": Framework(
        "with_tensorflow", "import tensorflow", settings={"TF_CPP_MIN_LOG_LEVEL": "2"}
    ),
    "onnxruntime": Framework(
        "with_onnx", "import onnxruntime", {"runtime": "onnxruntime"}
    ),
    "openvino": Framework("with_onnx", "import openvino", {"runtime": "openvino"}),
    "numexpr": Framework("with_numexpr", "import numexpr"),
}
