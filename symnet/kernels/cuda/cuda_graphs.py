"""CUDA graphs by the driver's own functions, which CuPy does not offer: explicit graphs, whose
nodes are launches of kernels.

Written from NVIDIA's documentation; it has not run on a GPU yet.  The functions of a driver
stand in its library, `libcuda`, which comes with it.
Source: "CUDA Driver API", graph management: cuGraphCreate, cuGraphAddKernelNode_v2 (with
CUDA_KERNEL_NODE_PARAMS_v2), cuGraphInstantiateWithFlags, cuGraphLaunch.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from symnet.kernels.cuda.driver import GpuLaunch

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
NULL_STREAM = None  # the one that CuPy's memory and copies are ordered by
FUNCTIONS = (
    "cuGraphCreate",
    "cuGraphAddKernelNode_v2",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphExecDestroy",
    "cuGraphDestroy",
    "cuGetErrorName",
)


class KernelNode(ctypes.Structure):
    """CUDA_KERNEL_NODE_PARAMS_v2."""

    _fields_ = [
        ("function", ctypes.c_void_p),
        *((f"grid_{axis}", ctypes.c_uint) for axis in "xyz"),
        *((f"block_{axis}", ctypes.c_uint) for axis in "xyz"),
        ("shared_bytes", ctypes.c_uint),
        ("parameters", ctypes.c_void_p),
        ("extra", ctypes.c_void_p),
        ("kernel", ctypes.c_void_p),  # not where there is a function
        ("context", ctypes.c_void_p),  # 0: the current one
    ]


class KernelArguments:
    """A launch's numbers as the driver takes them, at `address`, for as long as this lives."""

    def __init__(self, launch: GpuLaunch) -> None:
        self.launch = launch  # whose words are read
        self.numbers = (
            ctypes.c_int64(launch.end),
            ctypes.c_uint64(launch.failed),
            ctypes.c_uint64(launch.block),
        )
        where = [launch.words.ctypes.data, *map(ctypes.addressof, self.numbers)]
        self.pointers = (ctypes.c_void_p * len(where))(*where)
        self.address = ctypes.addressof(self.pointers)


def missing_graphs() -> str:
    """What the driver lacks of graphs; empty where it has them."""
    try:
        library()
    except (OSError, AttributeError) as error:
        return f"the driver has no CUDA graphs ({error})"
    return ""


@cache
def library() -> Any:
    """The driver's functions, with the types of their operands.

    Raises: OSError without a driver, AttributeError for one that is older than CUDA 12.
    """
    found = ctypes.CDLL(LIBRARY)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    operands: dict[str, list[Any]] = {
        "cuGraphCreate": [pointer, ctypes.c_uint],
        "cuGraphAddKernelNode_v2": [pointer, pointer, pointer, size, pointer],
        "cuGraphInstantiateWithFlags": [pointer, pointer, ctypes.c_ulonglong],
        "cuGraphLaunch": [pointer, pointer],
        "cuGraphExecDestroy": [pointer],
        "cuGraphDestroy": [pointer],
        "cuGetErrorName": [ctypes.c_int, pointer],
    }
    for name in FUNCTIONS:
        function = getattr(found, name)
        function.argtypes, function.restype = operands[name], ctypes.c_int
    return found


def call(name: str, *operands: Any) -> None:
    """Call a function of the driver.

    Raises: RuntimeError with the name of its error."""
    function: Callable[..., int] = getattr(library(), name)
    if code := function(*operands):
        text = ctypes.c_char_p()
        library().cuGetErrorName(code, ctypes.byref(text))
        known = text.value.decode() if text.value else f"error {code}"
        raise RuntimeError(f"{name} of the CUDA driver failed: {known}")


class CudaGraph:
    """Launches, each after the one before, which are begun by one call.

    launches: each with the address of its function (a CUfunction).
    Raises: RuntimeError where the driver refuses.
    """

    def __init__(self, launches: Sequence[tuple[int, GpuLaunch]]) -> None:
        # Code and memory live as long as the graph.
        self.launches = launches
        self.graph, self.executable = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuGraphCreate", ctypes.byref(self.graph), 0)
        before: list[ctypes.c_void_p] = []
        for function, launch in launches:
            before = [self._add(function, launch, before)]
        executable = ctypes.byref(self.executable)
        call("cuGraphInstantiateWithFlags", executable, self.graph, 0)

    def _add(
        self, function: int, launch: GpuLaunch, before: Sequence[ctypes.c_void_p]
    ) -> ctypes.c_void_p:
        arguments, grid = KernelArguments(launch), launch.grid
        wanted = KernelNode(
            function, grid.blocks, 1, 1, grid.threads, 1, 1, 0, arguments.address
        )
        node, count = ctypes.c_void_p(), len(before)
        nodes = (ctypes.c_void_p * max(count, 1))(*before)
        # The numbers are copied before this returns.
        call(
            "cuGraphAddKernelNode_v2",
            ctypes.byref(node),
            self.graph,
            nodes if count else None,
            count,
            ctypes.byref(wanted),
        )
        return node

    def launch(self) -> None:
        """Begin all of them."""
        call("cuGraphLaunch", self.executable, NULL_STREAM)

    def __del__(self) -> None:
        if self.executable:
            library().cuGraphExecDestroy(self.executable)
        if self.graph:
            library().cuGraphDestroy(self.graph)


__all__ = ["CudaGraph", "KernelArguments", "missing_graphs"]
