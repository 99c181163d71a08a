"""A library of arrays that is as strict as CuPy: it computes by NumPy, on arrays that meet no
others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from symnet.kernels.cuda.array_routines import ArrayLibrary
from symnet.kernels.cuda.emulated_driver import solve_triangular


class Held(np.ndarray):
    """An array that lies elsewhere: what meets it lies there, too, or is a number."""

    def __array_finalize__(self, other: Any) -> None:
        pass

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **how: Any) -> Any:
        every = [*given, *(how.get("out") or ())]
        assert all(isinstance(one, (Held, int, float, complex)) for one in every)
        how = {k: tuple(map(plain, v)) if k == "out" else v for k, v in how.items()}
        return held(getattr(ufunc, method)(*map(plain, given), **how))


def plain(one: Any) -> Any:
    return one.view(np.ndarray) if isinstance(one, Held) else one


def held(found: Any) -> Any:
    if isinstance(found, tuple):
        return tuple(map(held, found))
    return np.asarray(found).view(Held)


class AsCupy:
    """Functions of NumPy's that take and give arrays that lie elsewhere, by the names and
    settings that CuPy has; and linear algebra that says nothing unless it is asked to."""

    def __init__(self) -> None:
        self.asked = False
        self.fft = SimpleNamespace(
            **{
                k: self.there(getattr(np.fft, k))
                for k in ("fft", "ifft", "rfft", "irfft")
            }
        )
        names = (
            "inv",
            "solve",
            "cholesky",
            "det",
            "slogdet",
            "eigh",
            "eigvalsh",
            "svd",
            "qr",
        )
        self.linalg = SimpleNamespace(
            **{k: self.quiet(getattr(np.linalg, k)) for k in names}
        )
        names = (
            "cumsum", "cumprod", "moveaxis", "sort", "argsort", "flip", "take_along_axis",
            "ascontiguousarray", "diagonal", "isnan", "full_like", "eye", "tril", "triu",
            "matmul",
        )  # fmt: skip
        for name in names:
            setattr(self, name, self.there(getattr(np, name)))

    @contextmanager
    def strict(self) -> Iterator[None]:
        self.asked = True
        yield
        self.asked = False

    @staticmethod
    def there(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **how: Any) -> Any:
            assert not any(type(one) is np.ndarray for one in given)
            return held(function(*map(plain, given), **how))

        return call

    def quiet(self, function: Callable[..., Any]) -> Callable[..., Any]:
        inside = self.there(function)

        def call(*given: Any, **how: Any) -> Any:
            try:
                return inside(*given, **how)
            except np.linalg.LinAlgError:
                if self.asked:
                    raise
                return held(np.zeros_like(plain(given[0])))

        return call

    def triangular(self, a: Any, c: Any, lower: bool) -> Any:
        assert isinstance(a, Held) and isinstance(c, Held)
        return held(solve_triangular(plain(a), plain(c), lower))

    def library(self) -> ArrayLibrary:
        return ArrayLibrary(self, self.strict, self.triangular)
