"""CUDA graphs by the driver's own functions, which CuPy does not offer: explicit graphs, whose
nodes are launches of kernels, and graphs of products, which are captured from cuBLAS.

Written from NVIDIA's documentation; it has not run on a GPU yet.  The functions of a driver
stand in its library, `libcuda`, which comes with it.
Source: "CUDA Driver API", graph management: cuGraphCreate, cuGraphAddKernelNode_v2 (with
CUDA_KERNEL_NODE_PARAMS_v2), cuGraphAddChildGraphNode, cuGraphInstantiateWithFlags,
cuGraphLaunch; stream management: cuStreamBeginCapture_v2, cuStreamEndCapture.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import chain
from typing import Any

from symnet.kernels.cuda.driver import GpuLaunch

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
NULL_STREAM = None  # the one that CuPy's memory and copies are ordered by
NON_BLOCKING = (
    1  # a stream that does not wait for the null stream, which none can capture
)
# What the captured thread does besides, such as loading code, is left as it is.
RELAXED = 2
_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
_place = (_pointer, _pointer, _pointer, _size)  # a new node, its graph, those before
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuCtxGetCurrent": (_pointer,),
    "cuCtxSetCurrent": (_pointer,),
    "cuStreamCreate": (_pointer, ctypes.c_uint),
    "cuStreamBeginCapture_v2": (_pointer, ctypes.c_int),
    "cuStreamEndCapture": (_pointer, _pointer),
    "cuGraphCreate": (_pointer, ctypes.c_uint),
    "cuGraphAddKernelNode_v2": (*_place, _pointer),
    "cuGraphAddChildGraphNode": (*_place, _pointer),
    "cuGraphInstantiateWithFlags": (_pointer, _pointer, ctypes.c_ulonglong),
    "cuGraphLaunch": (_pointer, _pointer),
    "cuGraphExecDestroy": (_pointer,),
    "cuGraphDestroy": (_pointer,),
    "cuGetErrorName": (ctypes.c_int, _pointer),
}


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
    for name, operands in SIGNATURES.items():
        function = getattr(found, name)
        function.argtypes, function.restype = operands, ctypes.c_int
    return found


def call(name: str, *operands: Any) -> None:
    """Call a function of the driver.

    Raises: RuntimeError with the name of its error."""
    function: Callable[..., int] = getattr(library(), name)
    if code := function(*operands):
        raise RuntimeError(f"{name} of the CUDA driver failed: {error_name(code)}")


def error_name(code: int) -> str:
    text = ctypes.c_char_p()
    library().cuGetErrorName(code, ctypes.byref(text))
    return text.value.decode() if text.value else f"error {code}"


class Captures:
    """The work of a library as graphs.  Each is taken from a stream that nobody else captures
    from meanwhile: not another thread, nor a signal's handler."""

    def __init__(self) -> None:
        self._free: list[Capture] = []

    def graph(self, begin: Callable[[int], None]) -> ctypes.c_void_p:
        """See `Capture.graph`."""
        try:
            found = self._free.pop()
        except IndexError:
            found = Capture()
        try:
            return found.graph(begin)
        finally:
            self._free.append(found)


class Capture:
    """A stream of its own, from which the work of a library is taken as graphs."""

    def __init__(self) -> None:
        self.stream = ctypes.c_void_p()
        call("cuStreamCreate", ctypes.byref(self.stream), NON_BLOCKING)

    def graph(self, begin: Callable[[int], None]) -> ctypes.c_void_p:
        """What `begin` puts into the stream, whose address it is given; nothing of it runs.

        Raises: RuntimeError; whatever `begin` raises."""
        found = ctypes.c_void_p()
        call("cuStreamBeginCapture_v2", self.stream, RELAXED)
        try:
            begin(self.stream.value or 0)
        except BaseException:
            # Ends the capture; its own error would hide that of `begin`.
            library().cuStreamEndCapture(self.stream, ctypes.byref(found))
            if found:
                library().cuGraphDestroy(found)
            raise
        call("cuStreamEndCapture", self.stream, ctypes.byref(found))
        return found


class CudaGraph:
    """Launches and products, each after the one before, which are begun by one call.

    launches: kernels, each with the address of its function (a CUfunction), and functions
    that begin something in a stream, given its address.
    use: makes the GPU the current one within a `with` block, where the graph goes.
    Raises: RuntimeError where the driver refuses.
    """

    def __init__(
        self,
        launches: Sequence[tuple[int, GpuLaunch] | Callable[[int], None]],
        captures: Captures,
        use: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        # Code and memory live as long as the graph.
        self.launches, self.library, self.use = launches, library(), use
        self.graph, self.executable = ctypes.c_void_p(), ctypes.c_void_p()
        self.context = ctypes.c_void_p()
        call("cuCtxGetCurrent", ctypes.byref(self.context))
        call("cuGraphCreate", ctypes.byref(self.graph), 0)
        before: list[ctypes.c_void_p] = []
        for one in launches:
            if isinstance(one, tuple):
                node = self._add_kernel(*one, before)
            else:
                node = self._add_child(captures.graph(one), before)
            before = [node]
        executable = ctypes.byref(self.executable)
        call("cuGraphInstantiateWithFlags", executable, self.graph, 0)

    def _add_kernel(
        self, function: int, launch: GpuLaunch, before: Sequence[ctypes.c_void_p]
    ) -> ctypes.c_void_p:
        arguments, grid = KernelArguments(launch), launch.grid
        wanted = KernelNode(
            function, grid.blocks, 1, 1, grid.threads, 1, 1, 0, arguments.address
        )
        # The numbers are copied before this returns.
        return self._add("cuGraphAddKernelNode_v2", before, ctypes.byref(wanted))

    def _add_child(
        self, graph: ctypes.c_void_p, before: Sequence[ctypes.c_void_p]
    ) -> ctypes.c_void_p:
        try:
            return self._add("cuGraphAddChildGraphNode", before, graph)  # a copy of it
        finally:
            self.library.cuGraphDestroy(graph)

    def _add(
        self, name: str, before: Sequence[ctypes.c_void_p], wanted: Any
    ) -> ctypes.c_void_p:
        node, count = ctypes.c_void_p(), len(before)
        nodes = (ctypes.c_void_p * max(count, 1))(*before)
        earlier = nodes if count else None
        call(name, ctypes.byref(node), self.graph, earlier, count, wanted)
        return node

    def launch(self) -> Iterator[int]:
        """Begins all of them when it is gone through, without any Python code; an error's
        number where the driver refuses."""
        # A thread that has not worked with the GPU before has no context.
        current = map(self.library.cuCtxSetCurrent, [self.context])
        return chain(
            current, map(self.library.cuGraphLaunch, [self.executable], [NULL_STREAM])
        )

    def __del__(self) -> None:
        if not self.graph:
            return
        with self.use():
            if self.executable:
                self.library.cuGraphExecDestroy(self.executable)
            self.library.cuGraphDestroy(self.graph)
            self.launches = ()  # and code of this GPU that only the graph has held


__all__ = ["Captures", "CudaGraph", "KernelArguments", "error_name", "missing_graphs"]
