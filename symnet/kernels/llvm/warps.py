"""Items that the 32 threads of a warp share, as long rows that are reduced.

Each thread takes every 32nd position of the last reduced dimension, so that neighbours read
neighbouring numbers.  What they have accumulated is exchanged in pairs of threads 16, 8, 4,
2 and 1 apart, after which all of them have the result: in an order that the number of
threads does not change.

Where there is no GPU, the first thread of a warp goes through the positions of all of them,
leaves what they accumulate in memory, and joins it in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.llvm.accumulators import Accumulator, State
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.text import REGISTER, Scope, is_float
from symnet.kernels.variants import WARP

# One list for each reduction of a pass, with a state for each copy of it.
States = list[list[State]]

BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "float": 32, "double": 64}
ALL_THREADS = "-1"
LAST_LANE = str(WARP - 1)


class Warp:
    """Writes what the threads of a warp do together.

    lane: the number of the present thread in its warp.
    """

    def __init__(self, writer: FunctionWriter) -> None:
        self.writer = writer
        self.real = writer.module.target.threads == "special"
        self.lane = ""

    def number(self, thread: str, threads: str, end: str = "%end") -> tuple[str, str]:
        """The number of this thread's warp, and how many there are; of threads that have
        nothing to do, as `end`."""
        entry = self.writer.entry
        warp = entry.emit(f"udiv i64 {thread}, {WARP}")
        warps = entry.emit(f"udiv i64 {threads}, {WARP}")
        self.lane = entry.emit(f"urem i64 {thread}, {WARP}")
        if not self.real:
            first = entry.emit(f"icmp eq i64 {self.lane}, 0")
            warp = entry.emit(f"select i1 {first}, i64 {warp}, i64 {end}")
        return warp, warps

    def joined(
        self, accumulators: Sequence[Accumulator], each: Callable[[], States]
    ) -> States:
        """What all threads together have accumulated, by `each` of them."""
        if self.real:
            return [
                [self.exchanged(a, self.finished(a, totals))]
                for a, totals in zip(accumulators, each(), strict=True)
            ]
        slots = self.left_behind(accumulators, str(WARP), each)
        return [[self.tree(a, places)] for a, places in zip(accumulators, slots)]

    def in_order(
        self,
        accumulators: Sequence[Accumulator],
        lanes: str,
        each: Callable[[], States],
    ) -> list[State]:
        """Totals of what the first `lanes` threads have accumulated, merged in the order of
        the threads."""
        here = self.writer.here()
        start = [a.start(Lanes(here, 0), a.total_dtypes) for a in accumulators]
        own: list[State] = []
        slots: list[list[str]] = []
        if self.real:
            totals = each()
            own = [self.finished(a, one) for a, one in zip(accumulators, totals)]
        else:
            slots = self.left_behind(accumulators, lanes, each)

        def body(lane: str, names: list[str]) -> tuple[str, list[str]]:
            here, left = self.writer.here(), iter(names)
            merged: list[str] = []
            for k, (a, old) in enumerate(zip(accumulators, start, strict=True)):
                total = tuple(next(left) for _ in old)
                if self.real:
                    state = self.of_thread(here, a, own[k], lane)
                else:
                    state = self.from_memory(here, a, slots[k], lane)
                merged += a.merge(Lanes(here, 0), total, state)
            return self.writer.here().emit(f"add i64 {lane}, 1"), merged

        kinds = [REGISTER[dtype] for a in accumulators for dtype in a.total_dtypes]
        first = [name for state in start for name in state]
        carried = list(zip(kinds, first, strict=True))
        ends = iter(self.writer.loop("0", lanes, carried, body))
        return [tuple(next(ends) for _ in state) for state in start]

    def finished(self, a: Accumulator, copies: Sequence[State]) -> State:
        (total,) = copies
        return a.finish(Lanes(self.writer.here(), 0), total)

    # ---- with a GPU

    def exchanged(self, a: Accumulator, state: State) -> State:
        here = self.writer.here()
        distance = WARP // 2
        while distance:
            other = tuple(
                shuffled(here, REGISTER[dtype], value, "bfly", str(distance))
                for dtype, value in zip(a.running_dtypes, state, strict=True)
            )
            state = a.join(Lanes(here, 0), state, other)
            distance //= 2
        # Of 0 and -0 each thread has taken the one that it met last.
        if a.kind in ("max", "min") and is_float(a.dtype):
            return self.of_thread(here, a, state, "0")
        return state

    def of_thread(self, here: Scope, a: Accumulator, state: State, lane: str) -> State:
        """The state that a thread of the warp has."""
        word = lane if lane == "0" else here.emit(f"trunc i64 {lane} to i32")
        return tuple(
            shuffled(here, REGISTER[dtype], value, "idx", word)
            for dtype, value in zip(a.running_dtypes, state, strict=True)
        )

    def meet(self) -> None:
        """Go on when all threads of the warp have come here: what they have read may be
        written to from now on."""
        if self.real:
            here = self.writer.here()
            here.call_void("llvm.nvvm.bar.warp.sync", [("i32", ALL_THREADS)])

    # ---- without one

    def left_behind(
        self,
        accumulators: Sequence[Accumulator],
        lanes: str,
        each: Callable[[], States],
    ) -> list[list[str]]:
        """Memory with what the first `lanes` threads would have accumulated, for each
        reduction."""
        slots = [
            [
                self.writer.entry.emit(f"alloca [{WARP} x {REGISTER[dtype]}]")
                for dtype in a.running_dtypes
            ]
            for a in accumulators
        ]

        def body(lane: str, _: list[str]) -> tuple[str, list[str]]:
            self.lane = lane
            totals = each()
            for a, copies, places in zip(accumulators, totals, slots, strict=True):
                state = self.finished(a, copies)
                here = self.writer.here()
                for dtype, value, slot in zip(
                    a.running_dtypes, state, places, strict=True
                ):
                    where = element(here, dtype, slot, lane)
                    here.line(f"store {REGISTER[dtype]} {value}, ptr {where}")
            return self.writer.here().emit(f"add i64 {lane}, 1"), []

        self.writer.loop("0", lanes, (), body)
        return slots

    def from_memory(
        self, here: Scope, a: Accumulator, slots: Sequence[str], lane: str
    ) -> State:
        return tuple(
            here.emit(f"load {REGISTER[dtype]}, ptr {element(here, dtype, slot, lane)}")
            for dtype, slot in zip(a.running_dtypes, slots, strict=True)
        )

    def tree(self, a: Accumulator, slots: Sequence[str]) -> State:
        """The states in memory joined as the threads would."""
        here = self.writer.here()
        states = [self.from_memory(here, a, slots, str(k)) for k in range(WARP)]
        on = Lanes(here, 0)
        while len(states) > 1:
            half = len(states) // 2
            pairs = zip(states[:half], states[half:], strict=True)
            states = [a.join(on, one, other) for one, other in pairs]
        return states[0]


def element(scope: Scope, dtype: str, slot: str, number: str) -> str:
    return scope.emit(f"getelementptr {REGISTER[dtype]}, ptr {slot}, i64 {number}")


def shuffled(scope: Scope, kind: str, value: str, how: str, number: str) -> str:
    """The value of the thread whose number in the warp differs in the bit `number`
    ("bfly"), or is that number ("idx")."""
    bits = BITS[kind]
    if kind in ("float", "double"):
        value = scope.emit(f"bitcast {kind} {value} to i{bits}")
    if bits == 64:
        high = scope.emit(f"lshr i64 {value}, 32")
        words = [scope.emit(f"trunc i64 {word} to i32") for word in (value, high)]
        low, high = (
            scope.emit(f"zext i32 {exchange(scope, word, how, number)} to i64")
            for word in words
        )
        high = scope.emit(f"shl i64 {high}, 32")
        value = scope.emit(f"or i64 {low}, {high}")
    elif bits == 32:
        value = exchange(scope, value, how, number)
    else:
        wide = scope.emit(f"zext {kind} {value} to i32")
        value = scope.emit(f"trunc i32 {exchange(scope, wide, how, number)} to {kind}")
    if kind in ("float", "double"):
        value = scope.emit(f"bitcast i{bits} {value} to {kind}")
    return value


def exchange(scope: Scope, word: str, how: str, number: str) -> str:
    return scope.call(
        f"llvm.nvvm.shfl.sync.{how}.i32",
        "i32",
        [("i32", n) for n in (ALL_THREADS, word, number, LAST_LANE)],
    )
