"""Functions that are called, lane by lane: those without a good form for vectors.

They are C functions of doubles in SciPy's `cython_special` (whose module publishes the
pointers for other compiled code) and in the C library.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from symnet.data_classes import dataclass


@dataclass(frozen=True)
class ExternalFunction:
    """A C function of `arity` doubles that returns a double.

    `library` is "scipy" or "libm", `symbol` the name there.
    """

    library: str
    symbol: str
    arity: int = 1


def _scipy(symbol: str, arity: int = 1) -> ExternalFunction:
    return ExternalFunction("scipy", symbol, arity)


EXTERNAL: dict[str, ExternalFunction] = {
    "libm_sin": ExternalFunction("libm", "sin"),
    "libm_cos": ExternalFunction("libm", "cos"),
    "libm_tan": ExternalFunction("libm", "tan"),
    "gammainc": _scipy("gammainc", 2),
    "gammaincc": _scipy("gammaincc", 2),
    "beta": _scipy("beta", 2),
    "betaln": _scipy("betaln", 2),
    "j0": _scipy("j0"),
    "j1": _scipy("j1"),
    "jv": _scipy("__pyx_fuse_1jv", 2),
    "y0": _scipy("y0"),
    "y1": _scipy("y1"),
    "i0": _scipy("i0"),
    "i1": _scipy("i1"),
    "iv": _scipy("__pyx_fuse_1iv", 2),
    "i0e": _scipy("i0e"),
    "i1e": _scipy("i1e"),
    "ive": _scipy("__pyx_fuse_1ive", 2),
    "k0": _scipy("k0"),
    "k1": _scipy("k1"),
    "kv": _scipy("__pyx_fuse_1kv", 2),
}


@cache
def external_address(name: str) -> int:
    """The address of function `name` of EXTERNAL, as C's double f(double, ...).

    Raises: KeyError if there is no such name; RuntimeError if SciPy's function is not
    one of doubles any more.
    """
    external = EXTERNAL[name]
    if external.library == "libm":
        return _libm_address(external.symbol)
    return _scipy_address(external)


def _libm_address(symbol: str) -> int:
    import ctypes.util  # it loads what starts processes, and few programs need it

    library = ctypes.CDLL(ctypes.util.find_library("m") or None)
    address = ctypes.cast(library[symbol], ctypes.c_void_p).value
    assert address is not None
    return address


def _scipy_address(external: ExternalFunction) -> int:
    # Imported here: it takes a third of a second, and few programs need it.
    from scipy.special import cython_special

    capsule = cython_special.__pyx_capi__[external.symbol]
    signature = _capsule_function("PyCapsule_GetName", ctypes.c_char_p)(capsule)
    wanted = b"double (" + b", ".join([b"double"] * external.arity)
    # A last integer parameter of Cython's own is not read by these functions.
    if not signature.startswith(wanted) or b"double" in signature[len(wanted) :]:
        raise RuntimeError(f"{external.symbol} of scipy is now {signature!r}")
    pointer = _capsule_function(
        "PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_char_p
    )
    return int(pointer(capsule, signature))


def _capsule_function(name: str, result: Any, *more: Any) -> Any:
    prototype = ctypes.PYFUNCTYPE(result, ctypes.py_object, *more)
    return prototype((name, ctypes.pythonapi))
