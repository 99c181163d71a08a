"""The Mersenne Twister in vectors: the code behind draws from a `RandomState`.

Source: Matsumoto and Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed
uniform pseudo-random number generator", ACM Trans. Model. Comput. Simul. 8 (1998).

The state is a block of 624 words.  Word i of the next block is made of words i, i + 1 and
i + 397 of this one, counted round.  So 227 words can be made side by side, and a vector is
shorter.  A float64 takes the upper 27 bits of one tempered word and the upper 26 of the
next: two neighbours in a vector of words, which is one lane of a vector of 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from symnet.kernels.cpu.jit.floats import to_bits
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.object_code import source_digest
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module, Scope, mangled, type_text

WORDS, MIDDLE = 624, 397
UPPER, LOWER, MATRIX = 0x80000000, 0x7FFFFFFF, 0x9908B0DF
TEMPERING = ((11, "lshr", None), (7, "shl", 0x9D2C5680), (15, "shl", 0xEFC60000),
             (18, "lshr", None))  # fmt: skip
# A decision that hangs on a number by less is left to NumPy's own function: the functions
# that it calls are exact to a few units of 1e-16.
CLOSE = 1e-14

Body = Callable[[Scope, str, int], None]


@cache
def routine(what: str) -> EmittedFunction:
    """One of the functions of this module: "twist", "words", "fractions", "successes",
    "counts"."""
    key = f"{generator()}{source_digest(__file__)}\n{what}"
    return EmittedFunction(key, partial(emit_twister, what))


def emit_twister(what: str, target: Target, name: str) -> str:
    """The LLVM module with that function."""
    module = Module(target)
    getattr(TwisterWriter(module, name), what)()
    return module.text()


class TwisterWriter:
    """Writes one function; addresses and float64 are integers, as in `kernels.cpu.jit`."""

    def __init__(self, module: Module, name: str) -> None:
        self.writer, self.name = FunctionWriter(module), name
        self.vector_bytes = module.target.vector_bytes

    def finish(self, parameters: str, *end: str) -> None:
        self.writer.finish(f"define i64 @{self.name}({parameters})", *end)

    # ---- the functions

    def twist(self) -> None:
        """The next block of a state in the place of this one."""
        lanes = self.vector_bytes // 4
        for first, end, far in (
            (0, WORDS - MIDDLE, MIDDLE),
            (WORDS - MIDDLE, WORDS - 1, MIDDLE - WORDS),
        ):
            start = str(first)
            for width in (lanes, 4, 1):
                stop = end - (end - int(start)) % width
                body = partial(self.twisted, following=1, far=far)
                self.steps(start, str(stop), width, body)
                start = str(stop)
        last = self.writer.here()
        self.twisted(last, str(WORDS - 1), 1, 1 - WORDS, MIDDLE - WORDS)
        self.finish("i64 %state")

    def words(self) -> None:
        """Tempered words, as 32 bits."""
        self.over("%count", self.vector_bytes // 4, self.put_words)
        self.finish("i64 %place, i64 %count, i64 %target")

    def fractions(self) -> None:
        """The numbers low + length * u, u from [0, 1)."""
        self.over("%count", self.vector_bytes // 8, self.put_fractions)
        names = "i64 %place, i64 %count, i64 %target, i64 %low, i64 %length"
        self.finish(names)

    def successes(self) -> None:
        """The number of successes in one trial each.  The result: how many numbers were
        made before one that hangs on the last bits."""
        self.until_uncertain(self.one_trial)
        names = "i64 %place, i64 %count, i64 %chances, i64 %target"
        self.finish(names, "ret i64 %count")

    def counts(self) -> None:
        """Successes in several trials, all of one chance; the result as that of
        `successes`.

        table: chances of 0, 1, ... successes, up to that of `bound`.  The result is base
        + sign * successes.
        Source: Kachitvichyanukul and Schmeiser 1988 (inversion).
        """
        self.until_uncertain(self.several_trials)
        names = (
            "i64 %place, i64 %count, i64 %table, i64 %bound, i64 %base, i64 %sign, "
            "i64 %target"
        )
        self.finish(names, "ret i64 %count")

    # ---- loops

    def steps(self, start: str, stop: str, width: int, body: Body) -> None:
        """`body` at start, start + width, ... below stop."""

        def one(index: str, _: list[str]) -> tuple[str, list[str]]:
            body(self.writer.here(), index, width)
            return self.writer.here().emit(f"add i64 {index}, {width}"), []

        self.writer.loop(start, stop, (), one)

    def over(self, count: str, lanes: int, body: Body) -> None:
        """`body` for all of `count` numbers: vectors, then one by one."""
        whole = self.writer.whole_steps("0", count, lanes)
        self.steps("0", whole, lanes, body)
        self.steps(whole, count, 1, body)

    def until_uncertain(self, body: Callable[[Scope, str, int], str]) -> None:
        """The same; `body` gives the lanes that are not certain, and the first of these
        ends the function."""
        fresh = self.writer.module.fresh

        def checked(scope: Scope, index: str, lanes: int) -> None:
            uncertain = body(scope, index, lanes)
            here = self.writer.here()
            bits = here.emit(
                f"bitcast {type_text('i1', lanes)} {uncertain} to i{lanes}"
            )
            some = here.emit(f"icmp ne i{lanes} {bits}, 0")
            leave, on = fresh("leave"), fresh("on")
            here.line(f"br i1 {some}, label %{leave}, label %{on}")
            here.label(leave)
            name = f"llvm.cttz.i{lanes}"
            before = here.call(
                name, f"i{lanes}", [(f"i{lanes}", bits), ("i1", "false")]
            )
            if lanes > 1:
                before = here.emit(f"zext i{lanes} {before} to i64")
            done = here.emit(f"add i64 {index}, {before}") if lanes > 1 else index
            here.line(f"ret i64 {done}")
            here.label(on)

        self.over("%count", self.vector_bytes // 8, checked)

    # ---- bodies

    def twisted(
        self, scope: Scope, index: str, lanes: int, following: int, far: int
    ) -> None:
        """Word `index` and those after it, of the words `following` and `far` behind."""
        kind = type_text("i32", lanes)
        integer = partial(integers, scope, kind)
        own, after, away = (
            self.load(scope, "%state", index, "i32", lanes, offset)
            for offset in (0, following, far)
        )
        mixed = integer("or", integer("and", own, UPPER), integer("and", after, LOWER))
        odd = integer("sub", "zeroinitializer", integer("and", mixed, 1))
        new = integer("xor", away, integer("lshr", mixed, 1))
        new = integer("xor", new, integer("and", odd, MATRIX))
        place = self.pointer(scope, "%state", index, "i32", 0)
        scope.line(f"store {kind} {new}, ptr {place}, align 4")

    def put_words(self, scope: Scope, index: str, lanes: int) -> None:
        new = self.tempered(scope, index, lanes)
        place = self.pointer(scope, "%target", index, "i32", 0)
        scope.line(f"store {type_text('i32', lanes)} {new}, ptr {place}, align 4")

    def put_fractions(self, scope: Scope, index: str, lanes: int) -> None:
        kind = type_text("double", lanes)
        u = self.fraction(scope, index, lanes)
        low, length = (self.float_splat(scope, n, lanes) for n in ("%low", "%length"))
        new = scope.emit(
            f"fadd {kind} {low}, {scope.emit(f'fmul {kind} {length}, {u}')}"
        )
        place = self.pointer(scope, "%target", index, "i64", 0)
        scope.line(f"store {kind} {new}, ptr {place}, align 8")

    def one_trial(self, scope: Scope, index: str, lanes: int) -> str:
        """NumPy asks whether u is above exp(log(1 - p)), with 1 - p for p above a half."""
        kind, bits = type_text("double", lanes), type_text("i1", lanes)
        numbers = type_text("i64", lanes)
        u = self.fraction(scope, index, lanes)
        p = self.load(scope, "%chances", index, "double", lanes)
        near = partial(compared, scope, kind)
        small = near("ole", p, 0.5)
        other = scope.emit(f"fsub {kind} {floats(1.0)}, {p}")
        mark = scope.emit(f"select {bits} {small}, {kind} {other}, {kind} {p}")
        away = scope.emit(f"fsub {kind} {u}, {mark}")
        away = scope.call(f"llvm.fabs.{mangled('double', lanes)}", kind, [(kind, away)])
        certain = near("ogt", away, CLOSE)
        for test in (
            near("olt", u, 1.0 - CLOSE), near("oge", p, 0.0), near("ole", p, 1.0)
        ):  # fmt: skip
            certain = scope.emit(f"and {bits} {certain}, {test}")
        above = scope.emit(f"fcmp ogt {kind} {u}, {mark}")
        large = scope.emit(f"xor {bits} {small}, splat (i1 true)")
        success = scope.emit(f"xor {bits} {above}, {large}")
        new = scope.emit(f"zext {bits} {success} to {numbers}")
        place = self.pointer(scope, "%target", index, "i64", 0)
        scope.line(f"store {numbers} {new}, ptr {place}, align 8")
        return scope.emit(f"xor {bits} {certain}, splat (i1 true)")

    def several_trials(self, scope: Scope, index: str, lanes: int) -> str:
        kind, bits = type_text("double", lanes), type_text("i1", lanes)
        numbers = type_text("i64", lanes)
        u = self.fraction(scope, index, lanes)
        carried = [(kind, u), (numbers, "zeroinitializer"), (bits, "splat (i1 true)")]
        carried.append((bits, "zeroinitializer"))
        writer = self.writer
        size = writer.here().emit("add i64 %bound, 1")

        def turn(k: str, values: list[str]) -> tuple[str, list[str]]:
            rest, found, active, close = values
            here = writer.here()
            chance = self.load(here, "%table", k, "double", 0)
            chance = here.splat(chance, "double", lanes)
            above = here.emit(f"fcmp ogt {kind} {rest}, {chance}")
            before = active
            active = here.emit(f"and {bits} {active}, {above}")
            less = here.emit(f"fsub {kind} {rest}, {chance}")
            apart = here.call(
                f"llvm.fabs.{mangled('double', lanes)}", kind, [(kind, less)]
            )
            near = compared(here, kind, "ole", apart, CLOSE)
            near = here.emit(f"and {bits} {near}, {before}")
            close = here.emit(f"or {bits} {close}, {near}")
            rest = here.emit(f"select {bits} {active}, {kind} {less}, {kind} {rest}")
            one = here.emit(f"zext {bits} {active} to {numbers}")
            found = here.emit(f"add {numbers} {found}, {one}")
            some = here.emit(f"bitcast {bits} {active} to i{lanes}")
            some = here.emit(f"icmp ne i{lanes} {some}, 0")
            after = here.emit(f"add i64 {k}, 1")
            # Where no lane goes on, the loop ends.
            after = here.emit(f"select i1 {some}, i64 {after}, i64 {size}")
            return after, [rest, found, active, close]

        _, found, _, close = writer.loop("0", size, carried, turn)
        here = writer.here()
        base, sign = (here.splat(n, "i64", lanes) for n in ("%base", "%sign"))
        scaled = here.emit(f"mul {numbers} {sign}, {found}")
        new = here.emit(f"add {numbers} {base}, {scaled}")
        place = self.pointer(here, "%target", index, "i64", 0)
        here.line(f"store {numbers} {new}, ptr {place}, align 8")
        bound = here.splat("%bound", "i64", lanes)
        beyond = here.emit(f"icmp sgt {numbers} {found}, {bound}")
        return here.emit(f"or {bits} {beyond}, {close}")

    # ---- numbers of the state

    def tempered(self, scope: Scope, index: str, lanes: int) -> str:
        """Words from number `index` on behind %place."""
        kind = type_text("i32", lanes)
        word = self.load(scope, "%place", index, "i32", lanes)
        for shift, how, mask in TEMPERING:
            moved = integers(scope, kind, how, word, shift)
            if mask is not None:
                moved = integers(scope, kind, "and", moved, mask)
            word = integers(scope, kind, "xor", word, moved)
        return word

    def fraction(self, scope: Scope, index: str, lanes: int) -> str:
        """Numbers of [0, 1) from number `index` on behind %place, two words each."""
        numbers, kind = type_text("i64", lanes), type_text("double", lanes)
        words = self.tempered(scope, scope.emit(f"shl i64 {index}, 1"), 2 * lanes)
        whole = scope.emit(f"bitcast <{2 * lanes} x i32> {words} to {numbers}")
        low = integers(scope, numbers, "and", whole, 0xFFFFFFFF)
        high = integers(scope, numbers, "lshr", low, 5)
        high = integers(scope, numbers, "shl", high, 26)
        found = integers(
            scope, numbers, "or", high, integers(scope, numbers, "lshr", whole, 38)
        )
        number = scope.emit(f"uitofp {numbers} {found} to {kind}")
        return scope.emit(f"fmul {kind} {number}, {floats(2.0**-53)}")

    # ---- memory

    def pointer(
        self, scope: Scope, base: str, index: str, element: str, offset: int
    ) -> str:
        pointer = scope.emit(f"inttoptr i64 {base} to ptr")
        place = scope.emit(f"getelementptr {element}, ptr {pointer}, i64 {index}")
        if offset:
            place = scope.emit(f"getelementptr {element}, ptr {place}, i64 {offset}")
        return place

    def load(
        self,
        scope: Scope,
        base: str,
        index: str,
        element: str,
        lanes: int,
        offset: int = 0,
    ) -> str:
        place = self.pointer(scope, base, index, element, offset)
        align = 4 if element == "i32" else 8
        kind = type_text(element, lanes)
        return scope.emit(f"load {kind}, ptr {place}, align {align}")

    def float_splat(self, scope: Scope, bits: str, lanes: int) -> str:
        number = scope.emit(f"bitcast i64 {bits} to double")
        return scope.splat(number, "double", lanes)


def integers(scope: Scope, kind: str, how: str, left: str, right: str | int) -> str:
    if isinstance(right, int):
        element = kind.rpartition(" ")[2].rstrip(">")
        right = f"splat ({element} {right})"
    return scope.emit(f"{how} {kind} {left}, {right}")


def floats(number: float) -> str:
    return f"splat (double 0x{to_bits(number) & 0xFFFFFFFFFFFFFFFF:016X})"


def compared(scope: Scope, kind: str, how: str, left: str, right: float) -> str:
    return scope.emit(f"fcmp {how} {kind} {left}, {floats(right)}")


__all__ = ["routine"]
