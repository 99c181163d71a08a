"""Which BLAS is called, and how it is kept from using threads of its own.

NumPy's wheels carry an OpenBLAS, which is in the process already, and newer than the one
in SciPy's (measured: a product of 20 x 784 and 784 x 500 took 135 microseconds with
NumPy's 0.3.31, 300 with SciPy's 0.3.30).  Where NumPy was built with another BLAS, the
pointers that `scipy.linalg.cython_blas` publishes for compiled code are taken.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cpu.jit.intrinsics import (
    Symbol,
    atomic_add,
    atomic_load,
    call,
    compare_exchange,
    exchange,
    load,
    pause,
    store,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.runtime.layouts import (
    GateWords,
)
from symnet.kernels.cpu.runtime.runner import (
    GATE,
)
from symnet.kernels.llvm.compiler_thread import on_compiler_thread

# How builds of OpenBLAS name their functions: before the name, and behind it.  Those
# with 64 take 64-bit integers; the words of a step serve both (little-endian).
SPELLINGS = (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", ""))


@dataclass(frozen=True)
class OpenBlas:
    """A library, and how its names are spelt."""

    library: ctypes.CDLL
    before: str
    behind: str

    def routine(self, name: str) -> int:
        """The address of a Fortran routine.  Raises: KeyError."""
        try:
            symbol = self.library[f"{self.before}{name}_{self.behind}"]
        except AttributeError:
            raise KeyError(name) from None
        return ctypes.cast(symbol, ctypes.c_void_p).value or 0

    def control(self, what: str) -> Any:
        """OpenBLAS's own function `what` (such as "set_num_threads"); None without it."""
        for before in (self.before, ""):
            try:
                return self.library[f"{before}openblas_{what}{self.behind}"]
            except AttributeError:
                continue
        return None


def _open(extension: Any) -> OpenBlas | None:
    """The OpenBLAS that an extension module is linked to."""
    path = getattr(extension, "__file__", None)
    if path is None:
        return None
    library = ctypes.CDLL(path)  # a search there includes what it is linked to
    for before, behind in SPELLINGS:
        found = OpenBlas(library, before, behind)
        if found.control("get_config") is not None:
            return found
    return None


@cache
def openblas() -> OpenBlas | None:
    """NumPy's OpenBLAS, or None where it has another BLAS."""
    core = getattr(np, "_core", None)
    return _open(getattr(core, "_multiarray_umath", None))


@cache
def blas_address(name: str) -> int:
    """The address of a BLAS routine, e.g. "dgemm".

    Raises: KeyError for an unknown name; RuntimeError where there is no BLAS with
    integers of C.
    """
    prepare_serial()
    found = openblas()
    return found.routine(name) if found is not None else _from_scipy(name)


def _from_scipy(name: str) -> int:
    import scipy.linalg.cython_blas as cython_blas  # slow to import, and rarely needed

    capsule = cython_blas.__pyx_capi__[name]
    api = ctypes.pythonapi
    signature_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
        ("PyCapsule_GetName", api)
    )
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api)
    )
    signature = signature_of(capsule)
    if b"int *" not in signature:
        raise RuntimeError(f"SciPy's {name} does not take C integers: {signature!r}")
    return int(pointer_of(capsule, signature))


def _control(what: str) -> Any:
    found = openblas()
    return None if found is None else found.control(what)


def blas_threads() -> int | None:
    """How many threads the BLAS uses by itself; None where it does not say."""
    function = _control("get_num_threads")
    return None if function is None else int(function())


# ---- products without the BLAS's own threads
#
# OpenBLAS's threads work on one product together and wait for each other: where another
# process has one of the processors, a product of 0.1 milliseconds takes 10 (measured).
# They also go on spinning for a tenth of a second, in the way of the next loop.  So large
# products are cut into blocks (`kernels.cpu.library.call_steps`), each done by one thread of
# our pool, and meanwhile the BLAS is told to use one thread; afterwards NumPy has its
# threads again.

_memory = (ctypes.c_int64 * 8)()
SERIAL = Symbol("symnet serial blas", ctypes.addressof(_memory))
LOCK, DEPTH, SAVED, GETTER, SETTER = range(5)
LOWER_HALF = 0xFFFFFFFF


@native
def lock_serial() -> int:
    while not compare_exchange(SERIAL, LOCK, 0, 1):
        pause()
    return 0


@native
def enter_serial() -> int:
    """From here on the BLAS uses one thread, until as many have left as have entered."""
    if load(SERIAL, SETTER) == 0:
        return 0
    lock_serial()
    if load(SERIAL, DEPTH) == 0:
        store(SERIAL, SAVED, call(load(SERIAL, GETTER)) & LOWER_HALF)
        call(load(SERIAL, SETTER), 1)
    store(SERIAL, DEPTH, load(SERIAL, DEPTH) + 1)
    exchange(SERIAL, LOCK, 0)
    return 0


@native
def leave_serial() -> int:
    """The other end of `enter_serial`."""
    if load(SERIAL, SETTER) == 0:
        return 0
    lock_serial()
    store(SERIAL, DEPTH, load(SERIAL, DEPTH) - 1)
    if load(SERIAL, DEPTH) == 0:
        call(load(SERIAL, SETTER), load(SERIAL, SAVED))
    exchange(SERIAL, LOCK, 0)
    return 0


@native
def begin_product() -> int:
    """Before the BLAS is called: it has locks, so a fork waits for its end."""
    atomic_add(GATE, GateWords.multiplying, 1)
    while atomic_load(GATE, GateWords.closed) > 1:
        atomic_add(GATE, GateWords.multiplying, -1)
        while atomic_load(GATE, GateWords.closed) > 1:
            pause()
        atomic_add(GATE, GateWords.multiplying, 1)
    return 0


@native
def end_product() -> int:
    """The other end of `begin_product`."""
    atomic_add(GATE, GateWords.multiplying, -1)
    return 0


@cache
def prepare_serial() -> bool:
    """Find the functions that `enter_serial` needs; whether the BLAS has them."""
    getter, setter = _control("get_num_threads"), _control("set_num_threads")
    if getter is None or setter is None:
        return False
    _memory[GETTER] = ctypes.cast(getter, ctypes.c_void_p).value or 0
    _memory[SETTER] = ctypes.cast(setter, ctypes.c_void_p).value or 0
    return True


# ---- the BLAS's own memory
#
# OpenBLAS packs operands into buffers of its own, one for each product at a time, and its
# kernels read ahead into pages behind what is packed.  A page that was never written is
# not mapped, and every such read searches for it in vain: measured on AMD Zen 1 under a
# hypervisor, a product of 128 x 1600 and 1600 x 128 ran at 11 Gflop/s, and at 36 once a
# larger product had written to those pages.  So they are written to before.

PACKED_BYTES = 3 << 19  # where packed operands begin; DGEMM's second begins after 1 MiB


@cache
@on_compiler_thread
def map_buffers(count: int) -> bool:
    """Have the memory in which `count` products at a time are packed mapped; whether this
    BLAS lets us."""
    found = openblas()
    if found is None:
        return False
    try:
        allocate, free = (
            found.library[f"blas_memory_{what}"] for what in ("alloc", "free")
        )
    except AttributeError:
        return False
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_int]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    buffers = [address for _ in range(count) if (address := allocate(0))]
    for address in buffers:
        ctypes.memset(address, 0, PACKED_BYTES)
    for address in buffers:
        free(address)
    return True


if hasattr(os, "register_at_fork"):
    # A thread of the parent that was inside is not there to leave.
    os.register_at_fork(after_in_child=lambda: _reset())


def _reset() -> None:
    if _memory[DEPTH] and _memory[SETTER]:
        _control("set_num_threads")(int(_memory[SAVED]))
    _memory[LOCK] = _memory[DEPTH] = 0
