"""What a call cannot avoid: the bytes it must move and the matrix products it must take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Product:
    """`times` products of an (m, k) by a (k, n) matrix.

    turned: the operands that lie transposed in memory, of "ab".
    """

    m: int
    k: int
    n: int
    turned: str = ""
    times: int = 1

    @property
    def flops(self) -> int:
        return 2 * self.m * self.k * self.n * self.times

    def share(self, process: int, processes: int) -> Product:
        """The part of one process: some rows of the result, or columns if these are more."""
        if self.m >= self.n:
            return replace(self, m=part(self.m, process, processes))
        return replace(self, n=part(self.n, process, processes))


@dataclass(frozen=True)
class Work:
    """The necessary work of one call.

    read, written: bytes of what is only read and of what is made anew; updated: bytes of
    what is changed in place.  Intermediate results are not counted: they may be avoided.
    """

    read: int = 0
    written: int = 0
    updated: int = 0
    products: tuple[Product, ...] = ()
    dtype: str = "float32"

    @property
    def bytes(self) -> int:
        """Bytes that cross between the processor and memory."""
        return self.read + self.written + 2 * self.updated

    @property
    def flops(self) -> int:
        return sum(product.flops for product in self.products)

    def share(self, process: int, processes: int) -> Work:
        """The part of one process."""
        counts = (self.read, self.written, self.updated)
        return Work(
            *(part(count, process, processes) for count in counts),
            tuple(product.share(process, processes) for product in self.products),
            self.dtype,
        )

    def summary(self) -> dict[str, Any]:
        """For the results: the fields, and what they amount to."""
        return {**asdict(self), "bytes": self.bytes, "flops": self.flops}


def part(count: int, process: int, processes: int) -> int:
    """Parts of all processes differ by at most one and add up to the whole."""
    return (count + process) // processes


def size(arrays: Iterable[Array]) -> int:
    """Bytes of all."""
    return sum(array.nbytes for array in arrays)


def dense(rows: int, fan_in: int, fan_out: int, below: bool) -> tuple[Product, ...]:
    """A layer's product, and its gradients by the weights and, with `below`, the inputs."""
    forward = Product(rows, fan_in, fan_out)
    by_weights = Product(fan_in, rows, fan_out, "a")
    by_inputs = Product(rows, fan_out, fan_in, "b")
    return (forward, by_weights, by_inputs)[: 3 if below else 2]


def through_time(
    steps: int, batch: int, features: int, hidden: int, gates: int
) -> tuple[Product, ...]:
    """A recurrent layer and its gradients by the weights: what needs no state for all steps
    at once.  The state before the first step is zero, so one product less than steps."""
    width, links = gates * hidden, steps - 1
    return (
        *dense(steps * batch, features, width, below=False),
        Product(batch, hidden, width, times=links),
        Product(batch, width, hidden, "b", times=links),
        Product(hidden, links * batch, width, "a"),
    )
