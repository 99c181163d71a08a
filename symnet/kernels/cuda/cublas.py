"""Products of matrices by cuBLAS, called by address: CuPy's own calls of it cannot be
recorded.

It has not run on a GPU yet.  Signatures and constants are those of `cublas_api.h`; names
and result codes have been tried with the library of CUDA 13, on a machine without a GPU.
Source: "cuBLAS", sections 2.1 (context, streams, workspace, reproducibility) and 2.8
(cublasGemmEx, cublasGemmStridedBatchedEx).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from symnet.data_classes import dataclass

MAJORS = (13, 12)  # versions whose functions these are, the newest first
NAMES = {
    "linux": ("lib{name}.so.{major}", ("lib", "lib64")),
    "win32": ("{name}64_{major}.dll", ("bin/x64", "bin")),
}
# Bytes that products of a GPU of compute capability 9.0 should have; others want less.
WORKSPACE = 32 << 20
HOST, DEFAULT_MATH = 0, 0  # where alpha and beta are; which formats may be computed in
# Parts of a sum are not rounded to the result's format before they are added.
FULL_SUMS = 16
OPERATIONS = {False: 0, True: 1}
DEFAULT_ALGORITHM = -1
LARGEST = 2**31 - 1
# cudaDataType by dtype, and cublasComputeType by that of sums.
DATA = {"float32": 0, "float64": 1, "float16": 2, "complex64": 4, "complex128": 5}
SUMS = {
    "float16": "float32", "float32": "float32", "float64": "float64",
    "complex64": "complex64", "complex128": "complex128",
}  # fmt: skip
COMPUTE = {"float32": 68, "float64": 70, "complex64": 68, "complex128": 70}
# Where factors of float32 may be rounded to a shorter format, by that.
ROUNDED = {
    "tf32": {"float32": 77, "complex64": 77},
    "bfloat16": {"float32": 75, "complex64": 75},
}

_pointer, _int, _long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_matrix = (_pointer, _int, _int)  # address, type, elements from column to column
_batch = (*_matrix, _long)
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (_pointer,),
    "cublasDestroy_v2": (_pointer,),
    "cublasSetStream_v2": (_pointer, _pointer),
    "cublasSetWorkspace_v2": (_pointer, _pointer, ctypes.c_size_t),
    "cublasSetPointerMode_v2": (_pointer, _int),
    "cublasSetMathMode": (_pointer, _int),
    "cublasGemmEx": (
        _pointer, _int, _int, _int, _int, _int, _pointer, *_matrix, *_matrix,
        _pointer, *_matrix, _int, _int,
    ),
    "cublasGemmStridedBatchedEx": (
        _pointer, _int, _int, _int, _int, _int, _pointer, *_batch, *_batch,
        _pointer, *_batch, _int, _int, _int,
    ),
    "cublasGetStatusName": (_int,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CublasProduct:
    """C = alpha op(A) op(B) + beta C, `count` times; matrices lie column by column.

    sizes: m, n, k of op(A) (m, k), op(B) (k, n), C (m, n); transposed: what op does to A and
    to B.  Of A, B and C: pointers, addresses; leading, elements from column to column;
    steps, elements from one of the `count` matrices to the next.  With beta = 0 C is not
    read.
    Dtypes: A, B float32, float64, float16, complex64, complex128; C `result`, the same or,
    for float16, float32.  Sums of float16 are made in float32; rounded: to what factors of
    float32 may be rounded, "tf32" (10 bits behind the point) or "bfloat16" (7 bits); "":
    they are taken as they are.  Sums are float32's in any case.
    """

    dtype: str
    result: str
    sizes: tuple[int, int, int]
    transposed: tuple[bool, bool]
    alpha: complex
    beta: complex
    leading: tuple[int, int, int]
    steps: tuple[int, int, int]
    count: int = 1
    rounded: str = ""
    pointers: tuple[int, int, int] = (0, 0, 0)

    def at(self, pointers: tuple[int, int, int]) -> CublasProduct:
        """The same of matrices at these addresses."""
        return replace(self, pointers=pointers)


class Cublas:
    """cuBLAS with a workspace, which lives as long as this.

    library: with the functions of SIGNATURES.  Streams have handles of their own, whose
    state never changes; what they begin is in the order of one stream at last, so that they
    share the workspace.  A handle belongs to the GPU that is the current one of the thread
    when it is made; use: makes it that within a `with` block, where handles go.
    """

    def __init__(
        self,
        library: Any,
        workspace: Any,
        use: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.library, self.workspace, self.use = library, workspace, use
        self._handles: dict[int, ctypes.c_void_p] = {}

    def multiply(self, product: CublasProduct, stream: int = 0) -> None:
        """Begin a product in a stream, by its address (0: the null stream).

        Raises: RuntimeError where cuBLAS refuses."""
        sums = SUMS[product.dtype]
        compute = ROUNDED.get(product.rounded, COMPUTE).get(sums, COMPUTE[sums])
        alpha, beta = (np.array(x, sums) for x in (product.alpha, product.beta))
        types = [DATA[d] for d in (product.dtype, product.dtype, product.result)]
        batched = product.count != 1
        # Each matrix as its numbers stand among the arguments.
        a, b, c = (
            (pointer, kind, leading, *((step,) if batched else ()))
            for pointer, kind, leading, step in zip(
                product.pointers, types, product.leading, product.steps, strict=True
            )
        )
        self._call(
            "cublasGemmStridedBatchedEx" if batched else "cublasGemmEx",
            self.handle(stream),
            *(OPERATIONS[turned] for turned in product.transposed),
            *product.sizes,
            alpha.ctypes.data, *a, *b,
            beta.ctypes.data, *c,
            *((product.count,) if batched else ()),
            compute,
            DEFAULT_ALGORITHM,
        )  # fmt: skip

    def handle(self, stream: int) -> ctypes.c_void_p:
        """The handle of a stream."""
        if (known := self._handles.get(stream)) is not None:
            return known
        made = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(made))
        self._call("cublasSetStream_v2", made, stream or None)
        # Behind the stream, which would bring back a workspace that is allocated in it.
        where, size = self.workspace.address, self.workspace.size
        self._call("cublasSetWorkspace_v2", made, where, size)
        self._call("cublasSetPointerMode_v2", made, HOST)
        self._call("cublasSetMathMode", made, DEFAULT_MATH | FULL_SUMS)
        self._handles[stream] = made
        return made

    def _call(self, name: str, *operands: Any) -> None:
        if code := getattr(self.library, name)(*operands):
            told = self.library.cublasGetStatusName(code)
            raise RuntimeError(f"{name} of cuBLAS failed: {told.decode()}")

    def __del__(self) -> None:
        with self.use() if self._handles else nullcontext():
            for handle in self._handles.values():
                self.library.cublasDestroy_v2(handle)


# ---- where it is


@cache
def library() -> Any:
    """cuBLAS, with the types of its operands.

    Raises: OSError where there is none, with what was looked for.
    """
    tried = []
    for file in candidates():
        try:
            # The wheels' and CUDA's folders have the library that it needs beside it.
            found = ctypes.CDLL(file)
        except OSError:
            tried.append(file)
            continue
        for name, operands in SIGNATURES.items():
            function = getattr(found, name)
            function.argtypes, function.restype = operands, ctypes.c_int
        found.cublasGetStatusName.restype = ctypes.c_char_p
        return found
    raise OSError(f"none of {', '.join(tried)} can be loaded")


def candidates(platform: str = sys.platform) -> Iterator[str]:
    """Files that may be it: what this process or the system knows by name (CuPy's own, once
    that has loaded it), the wheels nvidia-cublas and nvidia-cublas-cu12, an installation of
    CUDA."""
    if platform not in NAMES:
        return
    pattern, folders = NAMES[platform]
    names = {m: pattern.format(name="cublas", major=m) for m in MAJORS}
    yield from names.values()
    for package in _folders_of("nvidia"):
        for major, name in names.items():
            for home in (f"cu{major}", "cublas"):
                files = (package / home / f / name for f in folders)
                yield from (str(one) for one in files if one.exists())
    for variable in ("CUDA_PATH", "CUDA_HOME"):
        for home in filter(None, [environ.get(variable)]):
            files = (Path(home) / f / n for n in names.values() for f in folders)
            yield from (str(one) for one in files if one.exists())
    if platform == "linux":
        files = (Path("/usr/local/cuda/lib64") / name for name in names.values())
        yield from (str(one) for one in files if one.exists())


def _folders_of(package: str) -> list[Path]:
    found = find_spec(package)
    places = found.submodule_search_locations if found else None
    return [Path(one) for one in places or ()]


@cache
def missing_products(load: Callable[[], Any] = library) -> str:
    """Why cuBLAS cannot be called; empty where it can."""
    try:
        load()
    except (OSError, AttributeError) as error:
        return f"there is no cuBLAS that could be called by address ({error})"
    return ""


__all__ = ["Cublas", "CublasProduct", "library", "missing_products"]
