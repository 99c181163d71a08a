"""How long a case's necessary work takes by itself.

Measured with NumPy and its BLAS in as many processes as a framework has threads, each with
a part of its own, so that nothing waits for another: not even for Python's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import THREADS
from benchmarks.problem import Array, Program
from benchmarks.work import Product, Work

PROCESSES = int(THREADS)
# One thread of BLAS in each.
SETTINGS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
# What is smaller stays in the cache of a core and is read in next to no time: NumPy's calls
# would be measured, not memory.
CACHED = 2**20


def bounds(work: Work, process: int) -> dict[str, Program]:
    """What bounds a call -> a program that does just this, the part of one process.

    "memory": to pass once over the arrays; "products": to take the matrix products; where
    there is neither, "call": a Python function that does nothing.
    """
    share = work.share(process, PROCESSES)
    found = {}
    if work.bytes >= CACHED:
        found["memory"] = traffic(share)
    if work.products:
        found["products"] = multiply(share)
    chosen = found or {"call": lambda: None}
    return {kind: Program(part, values=lambda _: []) for kind, part in chosen.items()}


def multiply(work: Work) -> Callable[[], None]:
    """Take the products one after the other, into memory that is there."""
    prepared = [operands(product, work.dtype) for product in work.products]

    def part() -> None:
        for a, b, out in prepared:
            np.matmul(a, b, out=out)

    return part


def operands(product: Product, dtype: str) -> tuple[Array, Array, Array]:
    """Two matrices of ones, and where their products go, one place for each time: so NumPy
    repeats a product without coming back to Python.

    Shapes: (times, m, k), (k, n), (times, m, n).
    """
    m, k, n = product.m, product.k, product.n
    a = np.ones((k, m), dtype).T if "a" in product.turned else np.ones((m, k), dtype)
    b = np.ones((n, k), dtype).T if "b" in product.turned else np.ones((k, n), dtype)
    many = np.broadcast_to(a, (product.times, m, k))
    return many, b, np.empty((product.times, m, n), dtype)


def traffic(work: Work) -> Callable[[], None]:
    """Read, write and update so many bytes.  What is written is copied from what is read,
    as far as that goes; the rest is read by a product of two vectors, its two halves."""
    source, target, state = (
        np.ones(count // 4, np.float32)
        for count in (work.read, work.written, work.updated)
    )
    copied = min(source.size, target.size)
    rest = source[copied:]
    half = rest.size // 2
    calls: list[tuple[Callable[..., Any], Array, Any]] = [
        (np.copyto, target[:copied], source[:copied]),
        (np.dot, rest[:half], rest[half : 2 * half]),
        (np.copyto, target[copied:], 1),
        (np.negative, state, state),
    ]
    needed = [call for call in calls if call[1].size]

    def part() -> None:
        for function, first, second in needed:
            function(first, second)

    return part
