"""What a program needs of the machine that it runs on.

Above this interface the compiler knows arrays by dtype, shape and number; where they lie,
what code is and how a step starts is the device's own business.  The CPU is the first
device (`kernels.cpu.cpu_device`).  Values of shared variables, and how calls wait for each
other, are the same for all devices: what callers need of it stands here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from symnet.data_classes import dataclass
from symnet.kernels.cpu.runtime.call_block import RETURN_LIST, RETURN_ONE
from symnet.kernels.cpu.runtime.runner import READS, REPLACES, WRITES
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Queue, Ticket, with_ticket
from symnet.kernels.library import Call
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.memory import Memory
from symnet.kernels.routines import Routine


@dataclass(frozen=True, slots=True)
class Walk:
    """How a pointer moves in a loop: by `step` bytes from iteration to iteration.

    depth: which of the loops around the task it is, 0 the outermost.
    slots: if not 0, there are only so many places; the first iteration uses number `first`,
    and after the last comes number 0.
    """

    depth: int
    step: int
    slots: int = 0
    first: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pointer of a task points, `offset` bytes behind the start of
    "base"      an array of the call, by number;
    "arena"     the memory for temporaries, `number` bytes behind its start;
    "constant"  a constant, by number;
    "parameter" the host integers that kernels read.
    With `follows` >= 0 the offset is replaced at each call by that one of its offsets.
    From there it is moved by the loops around the task, outermost first.
    """

    kind: str
    number: int = 0
    offset: int = 0
    follows: int = -1
    walks: tuple[Walk, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One step with its sizes: an arrangement of this device, the kernel (None: a routine
    of a library), and a place for each pointer (None: not needed).

    scratch: what it works in besides (None: the device finds that)."""

    arrangement: Any
    kernel: Kernel | None
    places: Sequence[Place | None]
    scratch: Place | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """Tasks that are done `iterations` times, or until the byte at `until` is not 0 after a
    iteration.  The number of iterations done is put at `done`, an int64."""

    iterations: int
    body: Sequence[AnyTask]
    until: Place | None
    done: Place | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The first tasks where the byte at `condition` is not 0, else the second."""

    condition: Place
    bodies: tuple[Sequence[AnyTask], Sequence[AnyTask]]


AnyTask: TypeAlias = Task | Repeat | Choice
# The way to a task inside others: the number of a task, then of one of its bodies (a
# loop has one, a choice two), the number of a task there, and so on.
Path: TypeAlias = tuple[int, ...]


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
    number may stand for it), for each output (dtype, shape, base), and for each shared
    variable (its store, dtype, shape, base, what the call does to it)."""

    arguments: Sequence[tuple[str, tuple[int, ...], int, bool]]
    outputs: Sequence[tuple[str, tuple[int, ...], int]]
    cells: Sequence[tuple[Store, str, tuple[int, ...], int, int]]


class BoundCall(Protocol):
    """A loaded program, ready to be called with arrays of one signature."""

    @property
    def builtin(self) -> Callable[..., Any] | None:
        """What does such calls without any Python code, as soon as there is one."""

    def idle(self) -> bool:
        """Whether nobody runs it."""

    def inside(self) -> bool:
        """Whether this is called from Python code that a call has let in which runs it."""

    @property
    def usable(self) -> bool:
        """Whether it has not been retired."""

    def run(
        self,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[Any]:
        """Run on arrays as the signature says; new arrays of the outputs.

        shared: those of its cells; replaced: stores that get outputs as their values;
        moved: whether what the call updates has changed since it began.
        """

    def rehearse(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Run as `run` does, but change nothing: the outputs, and arrays of the cells with
        what they would hold then."""

    def set_times(self, times: Any) -> None:
        """Add the nanoseconds of every step (in the order of `Loaded.paths`) to an int64
        array; None: no more."""

    def retire(self) -> None:
        """Let nobody enter it natively again; it must be idle."""


class Loaded(Protocol):
    """Tasks in the device's memory, with their code.

    paths: the way to the task of each step: those of the program first, in order, then
    those inside loops and choices.
    memory_bytes: of the arena, and of what steps need besides.
    working: the bytes that a step needs besides while it runs, by its number in `paths`, of
    steps for which that is memory of its own.
    """

    cost_ns: float
    paths: Sequence[Path]
    arena_bytes: int
    memory_bytes: int

    @property
    def working(self) -> Mapping[int, int]: ...

    def failed(self, step: int) -> tuple[Path, Sequence[int]]:
        """The way to the task that failed when the program's step of this number did,
        and in which iteration of each loop around it, outermost first."""

    def follow(self, offsets: Sequence[int], parameters: Mapping[int, int]) -> None:
        """Put the host integers of the next call in their places."""

    def enter(
        self,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
        queue: Queue,
    ) -> BoundCall:
        """Make it callable.  fallback: what takes calls that the builtin cannot; queue: of
        those calls."""


class Device(Protocol):
    """Allocates, compiles, loads and runs."""

    name: str
    memory: Memory

    def arrange(
        self,
        kernel: Kernel,
        sizes: Sequence[int],
        strides: Sequence[Sequence[int]],
        indexed: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Any:
        """How a loop of these sizes is run; `full` says whether that is work for all of
        the device, or so little that it does not matter."""

    def offers(self, routine: Routine) -> bool:
        """Whether it has a routine of a library."""

    def lacks(self, kernel: Kernel) -> Collection[str]:
        """The functions that the kernel uses and of which there is no code."""

    def library(self, call: Call) -> tuple[Any, Kernel | None]:
        """How a call of a library is run, as the arrangement of a task whose places are
        those of the call's operands; with a kernel where that is a loop."""

    def scratch_bytes(self, arrangement: Any) -> int:
        """The memory that a task works in besides, where that may lie in the arena."""

    def load(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> Loaded:
        """Compile what is not compiled yet, and lay everything out in memory.

        base_count: arrays of a call; commit: the number of the first task that writes
        shared variables.
        """

    def description(self) -> str:
        """What runs a call, in words."""

    def work(self, task: Task) -> str:
        """How much work a task is and how it is laid out, in words."""

    def code(self, task: Task, form: str) -> str:
        """A task's own code, by `form` as "llvm" or "asm"; empty where it calls a library."""


__all__ = [
    "READS", "REPLACES", "RETURN_LIST", "RETURN_ONE", "WRITES", "AnyTask", "BoundCall",
    "Choice", "Device", "Following", "Loaded", "Path", "Place", "Queue", "Repeat",
    "Signature", "Store", "Task", "Ticket", "Walk", "with_ticket",
]  # fmt: skip
