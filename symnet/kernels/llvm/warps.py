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
from symnet.kernels.llvm.text import REGISTER, Scope
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

    def number(self, thread: str, threads: str) -> tuple[str, str]:
        """The number of this thread's warp, and how many there are; of threads that have
        nothing to do, as that of one more."""
        entry = self.writer.entry
        warp = entry.emit(f"udiv i64 {thread}, {WARP}")
        warps = entry.emit(f"udiv i64 {threads}, {WARP}")
        self.lane = entry.emit(f"urem i64 {thread}, {WARP}")
        if not self.real:
            first = entry.emit(f"icmp eq i64 {self.lane}, 0")
            warp = entry.emit(f"select i1 {first}, i64 {warp}, i64 %end")
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

        self.writer.loop("0", str(WARP), (), body)
        return [[self.tree(a, places)] for a, places in zip(accumulators, slots)]

    def finished(self, a: Accumulator, copies: Sequence[State]) -> State:
        (total,) = copies
        return a.finish(Lanes(self.writer.here(), 0), total)

    # ---- with a GPU

    def exchanged(self, a: Accumulator, state: State) -> State:
        here = self.writer.here()
        distance = WARP // 2
        while distance:
            other = tuple(
                shuffled(here, REGISTER[dtype], value, distance)
                for dtype, value in zip(a.running_dtypes, state, strict=True)
            )
            state = a.join(Lanes(here, 0), state, other)
            distance //= 2
        return state

    def meet(self) -> None:
        """Go on when all threads of the warp have come here: what they have read may be
        written to from now on."""
        if self.real:
            here = self.writer.here()
            here.call_void("llvm.nvvm.bar.warp.sync", [("i32", ALL_THREADS)])

    # ---- without one

    def tree(self, a: Accumulator, slots: Sequence[str]) -> State:
        """The states in memory joined as the threads would."""
        here = self.writer.here()
        states = [
            tuple(
                here.emit(
                    f"load {REGISTER[dtype]}, ptr {element(here, dtype, slot, str(k))}"
                )
                for dtype, slot in zip(a.running_dtypes, slots, strict=True)
            )
            for k in range(WARP)
        ]
        on = Lanes(here, 0)
        while len(states) > 1:
            half = len(states) // 2
            pairs = zip(states[:half], states[half:], strict=True)
            states = [a.join(on, one, other) for one, other in pairs]
        return states[0]


def element(scope: Scope, dtype: str, slot: str, number: str) -> str:
    return scope.emit(f"getelementptr {REGISTER[dtype]}, ptr {slot}, i64 {number}")


def shuffled(scope: Scope, kind: str, value: str, distance: int) -> str:
    """The value of the thread whose number in the warp differs in the bit `distance`."""
    bits = BITS[kind]
    if kind in ("float", "double"):
        value = scope.emit(f"bitcast {kind} {value} to i{bits}")
    if bits == 64:
        high = scope.emit(f"lshr i64 {value}, 32")
        words = [scope.emit(f"trunc i64 {word} to i32") for word in (value, high)]
        low, high = (
            scope.emit(f"zext i32 {exchange(scope, word, distance)} to i64")
            for word in words
        )
        high = scope.emit(f"shl i64 {high}, 32")
        value = scope.emit(f"or i64 {low}, {high}")
    elif bits == 32:
        value = exchange(scope, value, distance)
    else:
        wide = scope.emit(f"zext {kind} {value} to i32")
        value = scope.emit(f"trunc i32 {exchange(scope, wide, distance)} to {kind}")
    if kind in ("float", "double"):
        value = scope.emit(f"bitcast i{bits} {value} to {kind}")
    return value


def exchange(scope: Scope, word: str, distance: int) -> str:
    return scope.call(
        "llvm.nvvm.shfl.sync.bfly.i32",
        "i32",
        [("i32", n) for n in (ALL_THREADS, word, str(distance), LAST_LANE)],
    )
