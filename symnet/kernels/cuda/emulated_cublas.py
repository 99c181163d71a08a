"""cuBLAS's functions over the host's memory, by NumPy, for an emulated GPU.

They take what the real ones take, check it as the documentation of cuBLAS demands, and
refuse with its codes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.kernels.cuda.cublas import (
    COMPUTE,
    DATA,
    DEFAULT_ALGORITHM,
    DEFAULT_MATH,
    FULL_SUMS,
    HOST,
    ROUNDED,
    SIGNATURES,
    SUMS,
)

NOT_INITIALIZED, INVALID_VALUE, NOT_SUPPORTED = 1, 7, 15
STATUS = {
    NOT_INITIALIZED: b"CUBLAS_STATUS_NOT_INITIALIZED",
    INVALID_VALUE: b"CUBLAS_STATUS_INVALID_VALUE",
    NOT_SUPPORTED: b"CUBLAS_STATUS_NOT_SUPPORTED",
}
DTYPES = {number: dtype for dtype, number in DATA.items()}
ALIGNMENT = 256  # of a workspace
# How factors are rounded, by number of the type of computing: last bits of a float32 that go,
# and whether what lies halfway becomes the even neighbour (else the larger one).
FORMATS = {
    number: {"tf32": (13, False), "bfloat16": (16, True)}[name]
    for name, numbers in ROUNDED.items()
    for number in numbers.values()
}


class Refusal(Exception):
    """A function does not take its arguments: the code that it gives back."""


def _require(holds: bool, code: int = INVALID_VALUE) -> None:
    if not holds:
        raise Refusal(code)


class EmulatedCublas:
    """See `kernels.cuda.cublas.SIGNATURES`.

    holds: whether so many bytes from an address on are one piece of the emulated memory.
    """

    def __init__(self, holds: Callable[[int, int], bool]) -> None:
        self.holds = holds
        # What has been set of each handle, by name of the function.
        self.handles: dict[int, dict[str, tuple[int, ...]]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in SIGNATURES:
            raise AttributeError(name)

        def function(*given: Any) -> int:
            kinds = SIGNATURES[name]
            assert len(given) == len(kinds), f"{name} takes {len(kinds)} arguments"
            # As C would see them.
            values = [
                one if hasattr(one, "_obj") else _value(kind, one)
                for kind, one in zip(kinds, given, strict=True)
            ]
            try:
                if name.startswith("cublasSet"):
                    self._set(name, *values)
                else:
                    getattr(self, f"_{name}")(*values)
            except Refusal as refusal:
                return int(refusal.args[0])
            return 0

        return function

    def cublasGetStatusName(self, code: int) -> bytes:
        return STATUS.get(code, b"unrecognized status")

    # ---- handles

    def _cublasCreate_v2(self, handle: Any) -> None:
        handle._obj.value = number = 1 + len(self.handles)
        self.handles[number] = {}

    def _cublasDestroy_v2(self, handle: int) -> None:
        self._known(handle).clear()

    def _known(self, handle: int) -> dict[str, tuple[int, ...]]:
        _require(handle in self.handles, NOT_INITIALIZED)
        return self.handles[handle]

    def _set(self, name: str, handle: int, *values: int) -> None:
        known = self._known(handle)
        if name == "cublasSetStream_v2":
            known.pop("cublasSetWorkspace_v2", None)
        if name == "cublasSetWorkspace_v2":
            where, size = values
            _require(where % ALIGNMENT == 0 and self.holds(where, size))
        if name == "cublasSetPointerMode_v2":
            _require(values[0] in (0, 1))
        if name == "cublasSetMathMode":
            _require(values[0] & ~FULL_SUMS in (0, 1, 2, 3))
        known[name] = values

    def _ready(self, handle: int) -> None:
        """Sees to it that a handle has what a recording needs."""
        known = self._known(handle)
        assert "cublasSetWorkspace_v2" in known, "a workspace of its own is missing"
        assert known["cublasSetPointerMode_v2"] == (HOST,)
        assert known["cublasSetMathMode"] == (DEFAULT_MATH | FULL_SUMS,)

    # ---- products

    def _cublasGemmEx(self, handle: int, *given: int) -> None:
        turn_a, turn_b, m, n, k, alpha, *rest = given
        a, b, beta, c = rest[0:3], rest[3:6], rest[6], rest[7:10]
        matrices = [(*one, 0) for one in (a, b, c)]
        self._multiply(
            handle, (turn_a, turn_b), (m, n, k), (alpha, beta), matrices, 1, *rest[10:]
        )

    def _cublasGemmStridedBatchedEx(self, handle: int, *given: int) -> None:
        turn_a, turn_b, m, n, k, alpha, *rest = given
        a, b, beta, c = rest[0:4], rest[4:8], rest[8], rest[9:13]
        self._multiply(
            handle, (turn_a, turn_b), (m, n, k), (alpha, beta), [a, b, c], *rest[13:]
        )

    def _multiply(
        self,
        handle: int,
        turns: tuple[int, int],
        sizes: tuple[int, int, int],
        factors: tuple[int, int],
        matrices: Any,
        count: int,
        compute: int,
        algorithm: int,
    ) -> None:
        self._ready(handle)
        m, n, k = sizes
        _require(min(m, n, k, count) >= 0 and set(turns) <= {0, 1, 2})
        _require(algorithm == DEFAULT_ALGORITHM, NOT_SUPPORTED)
        kinds = [DTYPES.get(kind, "") for _, kind, *_ in matrices]
        sums = SUMS.get(kinds[0], "")
        _require(
            kinds[0] == kinds[1]
            and kinds[2] in (kinds[0], sums)
            and compute
            in {COMPUTE.get(sums), *(known.get(sums) for known in ROUNDED.values())},
            NOT_SUPPORTED,
        )
        shapes = [(m, k), (k, n), (m, n)]
        shapes = [s[::-1] if t else s for s, t in zip(shapes, (*turns, 0), strict=True)]
        a, b, c = (
            self._matrices(shape, kind, count, *numbers)
            for shape, kind, numbers in zip(shapes, kinds, matrices, strict=True)
        )
        a, b = (
            x.swapaxes(1, 2) if t else x for x, t in zip((a, b), turns, strict=True)
        )
        alpha, beta = (_number(where, sums) for where in factors)
        if compute in FORMATS:
            a, b = (_rounded(factor, *FORMATS[compute]) for factor in (a, b))
        with np.errstate(all="ignore"):
            result = alpha * np.matmul(a.astype(sums), b.astype(sums))
            c[...] = result if beta == 0 else result + beta * c

    def _matrices(
        self,
        shape: tuple[int, int],
        dtype: str,
        count: int,
        where: int,
        kind: int,
        leading: int,
        step: int,
    ) -> Any:
        """So many matrices that lie column by column: an array (count, rows, columns)."""
        rows, columns = shape
        _require(leading >= max(1, rows))
        if 0 in (rows, columns, count):
            return np.empty((count, rows, columns), dtype)
        item = np.dtype(dtype).itemsize
        length = step * (count - 1) + leading * (columns - 1) + rows
        _require(where % item == 0 and step >= 0)
        assert self.holds(where, length * item), (
            "a matrix reaches outside of its memory"
        )
        memory = _memory(where, length * item)
        strides = (step * item, item, leading * item)
        return np.ndarray((count, rows, columns), dtype, memory, 0, strides)


def _value(kind: Any, given: Any) -> int:
    made = given if isinstance(given, kind) else kind(given)
    return int(made.value or 0)


def _number(where: int, dtype: str) -> Any:
    return np.frombuffer(_memory(where, np.dtype(dtype).itemsize), dtype)[0]


def _memory(where: int, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(where))


def _rounded(x: Any, lost: int, even: bool) -> Any:
    """Numbers of single precision without their last bits, as tensor cores take them."""
    real = np.ascontiguousarray(x).view(np.float32)
    bits = real.view(np.uint32)
    half = np.uint32(1 << (lost - 1))
    more = half - 1 + (bits >> lost & 1) if even else half
    found = ((bits + more) >> lost << lost).view(np.float32)
    return np.where(np.isnan(real), real, found).view(x.dtype)


__all__ = ["EmulatedCublas"]
