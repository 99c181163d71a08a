"""How long a case's necessary work takes by itself, measured with NumPy: no framework that
does this work as NumPy does, and any other besides, can be faster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.frameworks import THREADS
from benchmarks.problem import Array, Program
from benchmarks.work import Product, Work

# What is smaller stays in the cache of a core and is read in next to no time: NumPy's calls
# would be measured, not memory.
CACHED = 2**20
# Bytes that are passed over between two meetings of the threads, which take microseconds.
STRETCH = 2**25


def bounds(work: Work) -> dict[str, tuple[Program, int]]:
    """What bounds a call -> a program that does just this, and how often it does it.

    "memory": to pass once over the arrays; "products": to take the matrix products; where
    there is neither, "call": a Python function that does nothing.
    """
    found = {}
    if work.bytes >= CACHED:
        passes = -(-STRETCH // work.bytes)
        found["memory"] = (program(traffic(work, passes)), passes)
    # Last: the threads of OpenBLAS go on spinning for a while.
    if work.products:
        found["products"] = (program(products(work)), 1)
    return found or {"call": (program(lambda: None), 1)}


def program(function: Callable[[], Any]) -> Program:
    return Program(function, values=lambda _: [])


def products(work: Work) -> Callable[[], None]:
    """Take the products one after the other, into memory that is there."""
    prepared = [
        (*operands(product, work.dtype), range(product.times))
        for product in work.products
    ]

    def take() -> None:
        for a, b, out, times in prepared:
            for _ in times:
                np.dot(a, b, out=out)

    return take


def operands(product: Product, dtype: str) -> tuple[Array, Array, Array]:
    def matrix(rows: int, columns: int, turned: bool) -> Array:
        if turned:
            return np.ones((columns, rows), dtype).T
        return np.ones((rows, columns), dtype)

    m, k, n = product.m, product.k, product.n
    return (
        matrix(m, k, "a" in product.turned),
        matrix(k, n, "b" in product.turned),
        matrix(m, n, False),
    )


def traffic(work: Work, passes: int) -> Callable[[], None]:
    """Read, write and update so many bytes, each thread its part of them."""
    threads = int(THREADS)
    parts = [
        traffic_of_thread(*(count // threads for count in counts), passes)
        for counts in [(work.read, work.written, work.updated)] * threads
    ]
    pool = ThreadPoolExecutor(threads)

    def move() -> None:
        for done in [pool.submit(part) for part in parts]:
            done.result()

    return move


def traffic_of_thread(
    read: int, written: int, updated: int, passes: int
) -> Callable[[], None]:
    """What is written is copied from what is read, as far as that goes."""
    source, target, state = (
        np.ones(count // 4, np.float32) for count in (read, written, updated)
    )
    copied = min(source.size, target.size)
    calls: list[tuple[Array, Callable[[Array], Any]]] = [
        (source[:copied], lambda part: np.copyto(target[:copied], part)),
        (source[copied:], np.maximum.reduce),
        (target[copied:], lambda part: part.fill(1)),
        (state, lambda part: np.negative(part, out=part)),
    ]
    needed = [(part, call) for part, call in calls if part.size]

    def move() -> None:
        for _ in range(passes):
            for part, call in needed:
                call(part)

    return move
