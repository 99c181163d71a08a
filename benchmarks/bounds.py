"""How long a case's necessary work takes by itself.

Measured with NumPy and its BLAS, each thread with a part of its own, and no thread waiting
for another.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.frameworks import THREADS
from benchmarks.problem import Array, Program
from benchmarks.work import Product, Work

# The threads are made here; BLAS gets one in each.
SETTINGS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
# What is smaller stays in the cache of a core and is read in next to no time: NumPy's calls
# would be measured, not memory.
CACHED = 2**20
# So much is done between two meetings of the threads, which take microseconds.
BYTES_AT_ONCE = 2**25
FLOPS_AT_ONCE = 2**27

Part = Callable[[], Any]


def bounds(work: Work) -> dict[str, tuple[Program, int]]:
    """What bounds a call -> a program that does just this, and how often it does it.

    "memory": to pass once over the arrays; "products": to take the matrix products; where
    there is neither, "call": a Python function that does nothing.
    """
    threads = int(THREADS)
    shares = [work.share(thread, threads) for thread in range(threads)]
    found = {}
    if work.bytes >= CACHED:
        times = -(-BYTES_AT_ONCE // work.bytes)
        found["memory"] = together([traffic(share) for share in shares], times), times
    if work.products:
        times = -(-FLOPS_AT_ONCE // work.flops)
        found["products"] = (
            together([multiply(share) for share in shares], times),
            times,
        )
    return found or {"call": (Program(lambda: None, nothing), 1)}


def nothing(_: Any) -> list[Array]:
    """No values: there is nothing to be checked."""
    return []


def together(parts: list[Part], times: int) -> Program:
    """Each part so many times, each in a thread of its own."""
    pool = ThreadPoolExecutor(len(parts))

    def repeat(part: Part) -> None:
        for _ in range(times):
            part()

    return Program(lambda: list(pool.map(repeat, parts)), nothing)


def multiply(work: Work) -> Part:
    """Take the products one after the other, into memory that is there."""
    prepared = [
        (*operands(product, work.dtype), range(product.times))
        for product in work.products
    ]

    def part() -> None:
        for a, b, out, times in prepared:
            for _ in times:
                np.dot(a, b, out=out)

    return part


def operands(product: Product, dtype: str) -> tuple[Array, Array, Array]:
    """Two matrices of ones, and where their product goes."""
    m, k, n = product.m, product.k, product.n
    a = np.ones((k, m), dtype).T if "a" in product.turned else np.ones((m, k), dtype)
    b = np.ones((n, k), dtype).T if "b" in product.turned else np.ones((k, n), dtype)
    return a, b, np.empty((m, n), dtype)


def traffic(work: Work) -> Part:
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
