"""The text of a function while it is written: scopes, loops, the argument block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.llvm.text import Module, Scope

WORD_BYTES = 8

# Writes one iteration of a loop, given its index and the carried values; the next ones.
Iteration = Callable[[str, list[str]], tuple[str, list[str]]]


class FunctionWriter:
    """One function of a module, from its first line to its last.

    Text is written into scopes, straight stretches of code that keep their place: `here`
    begins one at the present end.  The outermost scope, which all of the function can
    use, is `entry`.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.stream: list[Scope] = []
        self.entry = self.here()
        self.may_fail = False  # some code goes to the label "fail"

    def finish(
        self, head: str, end: str = "ret i64 0", fail: str = "ret i64 1"
    ) -> None:
        """Put the function into the module; `head` is its line up to the brace."""
        self.here().line(end)
        lines = [line for scope in self.stream for line in scope.lines]
        if self.may_fail:
            lines += ["fail:", f"  {fail}"]
        self.module.functions.append(
            "\n".join([f"{head} #0 {{", "entry:", *lines, "}"])
        )

    def here(self) -> Scope:
        """A scope at the present end of the text."""
        scope = Scope(self.module)
        self.stream.append(scope)
        return scope

    def smaller(self, scope: Scope, left: str, right: str) -> str:
        return scope.call("llvm.smin.i64", "i64", [("i64", left), ("i64", right)])

    def word(self, place: int, kind: str = "i64") -> str:
        """A word of the argument block, read at the entry of the function."""
        key = ("word", place, kind)
        if key not in self.entry.made:
            slot = self.entry.emit(f"getelementptr i64, ptr %words, i64 {place}")
            read = f"load {kind}, ptr {slot}, align {WORD_BYTES}"
            self.entry.made[key] = self.entry.emit(read)
        return self.entry.made[key]

    def moved_pointer(self, place: int, operand: int) -> str:
        """The pointer in a word of the argument block, of code for threads: moved by the
        operand's word of the call's block (see `thread_items`)."""
        key = ("moved", place, operand)
        if key not in self.entry.made:
            address = self.word(place, "ptr")
            slot = self.entry.emit(f"getelementptr i64, ptr %block, i64 {operand}")
            step = self.entry.emit(f"load i64, ptr {slot}, align 8")
            moved = f"getelementptr i8, ptr {address}, i64 {step}"
            self.entry.made[key] = self.entry.emit(moved)
        return self.entry.made[key]

    # Loops.

    def loop(
        self,
        start: str,
        stop: str,
        carried: Sequence[tuple[str, str]],
        body: Iteration,
    ) -> list[str]:
        """`for index from start while index < stop`, with values carried round.

        `carried` gives type and first value of each; `body(index, values)` writes one
        iteration and returns the next index and values.  Returns the values at the end.
        """
        fresh = self.module.fresh
        before, inside, latch, done = (
            fresh(s) for s in ("before", "loop", "latch", "done")
        )
        here = self.here()
        here.line(f"br label %{before}")
        here.label(before)
        go = here.emit(f"icmp slt i64 {start}, {stop}")
        here.line(f"br i1 {go}, label %{inside}, label %{done}")
        here.label(inside)
        index = f"%{fresh('i')}"
        names = [f"%{fresh('c')}" for _ in carried]
        phis = self.here()
        following, values = body(index, names)
        here = self.here()
        here.line(f"br label %{latch}")
        here.label(latch)
        again = here.emit(f"icmp slt i64 {following}, {stop}")
        here.line(f"br i1 {again}, label %{inside}, label %{done}")
        here.label(done)
        phis.line(
            f"{index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]"
        )
        results = []
        for (kind, first), name, value in zip(carried, names, values, strict=True):
            ends = f"phi {kind} [ {first}, %{before} ], [ {value}, %{latch} ]"
            phis.line(f"{name} = {ends}")
            results.append(here.emit(ends))
        return results

    def when(
        self,
        start: str,
        stop: str,
        carried: Sequence[tuple[str, str]],
        body: Iteration,
    ) -> list[str]:
        """A loop that is known to have one iteration at most."""
        fresh = self.module.fresh
        before, inside, done = (fresh(s) for s in ("before", "when", "done"))
        here = self.here()
        here.line(f"br label %{before}")
        here.label(before)
        go = here.emit(f"icmp slt i64 {start}, {stop}")
        here.line(f"br i1 {go}, label %{inside}, label %{done}")
        here.label(inside)
        _, values = body(start, [first for _, first in carried])
        here = self.here()
        last = fresh("last")
        here.line(f"br label %{last}")
        here.label(last)
        here.line(f"br label %{done}")
        here.label(done)
        return [
            here.emit(f"phi {kind} [ {first}, %{before} ], [ {value}, %{last} ]")
            for (kind, first), value in zip(carried, values, strict=True)
        ]

    def whole_steps(self, low: str, high: str, step: int) -> str:
        """Where the last whole step from `low` that fits before `high` ends."""
        here = self.here()
        span = here.emit(f"sub i64 {high}, {low}")
        whole = here.emit(f"and i64 {span}, {-step}")
        return here.emit(f"add i64 {low}, {whole}")


def split_item(writer: FunctionWriter, item: str, extents: Sequence[str]) -> list[str]:
    """The position along each dimension at a work item."""
    here = writer.here()
    places = []
    for extent in reversed(extents[1:]):
        places.append(here.emit(f"urem i64 {item}, {extent}"))
        item = here.emit(f"udiv i64 {item}, {extent}")
    return [item, *reversed(places)]


def product_of(writer: FunctionWriter, extents: Sequence[str]) -> str:
    """How many items there are, at the entry."""
    count = extents[0]
    for extent in extents[1:]:
        count = writer.entry.emit(f"mul i64 {count}, {extent}")
    return count
