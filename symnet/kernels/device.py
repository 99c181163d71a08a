"""What a program needs of the machine that it runs on.

Above this interface the compiler knows arrays by dtype, shape and number; where they lie,
what code is and how a step starts is the device's own business.  The CPU is the first
device (`kernels.cpu`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from symnet.kernels.loops import Kernel


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pointer of a task points, `offset` bytes behind the start of
    "base"      an array of the call, by number;
    "arena"     the memory for temporaries, `number` bytes behind its start;
    "constant"  a constant, by number;
    "parameter" the host integers that kernels read.
    With `follows` >= 0 the offset is replaced at each call by that one of its offsets.
    """

    kind: str
    number: int = 0
    offset: int = 0
    follows: int = -1


@dataclass(frozen=True, slots=True)
class Task:
    """One step with its sizes: an arrangement of this device, the kernel (None: a routine
    of a library), and a place for each pointer (None: not needed)."""

    arrangement: Any
    kernel: Kernel | None
    places: Sequence[Place | None]


@dataclass(frozen=True, slots=True)
class Following:
    """How offsets and parameters follow the integer at base `base`: as straight lines
    (slope, start), for values from `low` to `high`.  `parameters` gives their numbers."""

    base: int
    dtype: str
    low: int
    high: int
    offsets: Sequence[tuple[int, int]]
    parameters: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Signature:
    """The arrays of a call: for each argument (dtype, shape, base, whether a Python
    number may stand for it), for each output (dtype, shape, base), and the cells of the
    shared variables with their bases."""

    arguments: Sequence[tuple[str, tuple[int, ...], int, bool]]
    outputs: Sequence[tuple[str, tuple[int, ...], int]]
    cells: Sequence[tuple[Any, int]]


class Entry(Protocol):
    """A loaded program, ready to be called with arrays of one signature."""

    @property
    def builtin(self) -> Callable[..., Any] | None:
        """What does such calls without any Python code, as soon as there is one."""

    def fits(self, signature: Signature) -> bool:
        """Whether it still is what this signature asks for."""

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Run on arrays as the signature says; new arrays of the outputs."""

    def set_times(self, times: Any) -> None:
        """Add the nanoseconds of every step to an int64 array; None: no more."""

    def retire(self) -> None:
        """Wait until nobody runs it, and let nobody run it again."""


class Loaded(Protocol):
    """Tasks in the device's memory, with their code.  `tasks[k]` is the number of the
    task that step k belongs to."""

    cost_ns: float
    tasks: Sequence[int]
    arena_bytes: int

    def follow(self, offsets: Sequence[int], parameters: Mapping[int, int]) -> None:
        """Put the host integers of the next call in their places."""

    def enter(
        self,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
    ) -> Entry:
        """Make it callable.  fallback: what takes calls that the builtin cannot."""


class Device(Protocol):
    """Allocates, compiles, loads and runs."""

    name: str

    def arrange(
        self,
        kernel: Kernel,
        sizes: Sequence[int],
        strides: Sequence[Sequence[int]],
        indexed: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Any:
        """How a loop of these sizes is run."""

    def product(self, *arguments: Any) -> Any:
        """How a product of matrices is run (see `kernels.calls.gemm_step`)."""

    def load(
        self,
        tasks: Sequence[Task],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
    ) -> Loaded:
        """Compile what is not compiled yet, and lay everything out in memory.

        base_count: arrays of a call.
        """
