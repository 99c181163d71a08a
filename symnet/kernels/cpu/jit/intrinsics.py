"""What native code is made of: instructions, C functions, and numbers known at run time.

An instruction has lines of LLVM IR and a Python body; both mean the same, so code of the
native subset (see `native`) also runs as plain Python.  All values are signed 64-bit
integers; an address is one too.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

P = ParamSpec("P")
C_TYPES = {"i64": ctypes.c_int64, "i32": ctypes.c_int32}
C_LIBRARY = ctypes.CDLL(None if os.name == "posix" else "msvcrt")
PAUSE = {"x86_64": "pause", "AMD64": "pause", "aarch64": "yield", "arm64": "yield"}


class Symbol(int):
    """A number that differs from process to process (the address of an object): code
    names it, so that object code can be kept on disk."""

    name: str

    def __new__(cls, name: str, value: int) -> Symbol:
        self = super().__new__(cls, value)
        self.name = name
        return self


class CFunction:
    """A C function, with a signature such as "i32(i64, i32)".

    Raises: AttributeError if `library` has no function of this name.
    """

    def __init__(
        self, name: str, signature: str, library: ctypes.CDLL = C_LIBRARY
    ) -> None:
        result, _, rest = signature.rstrip(")").partition("(")
        self.name, self.result = name, result
        self.parameters = [p.strip() for p in rest.split(",") if p.strip()]
        self.function = library[name]
        self.function.restype = C_TYPES[result]
        self.function.argtypes = [C_TYPES[p] for p in self.parameters]
        self.address: int = ctypes.cast(self.function, ctypes.c_void_p).value or 0

    def __call__(self, *arguments: int) -> int:
        return int(self.function(*arguments))


def c_function(name: str) -> int:
    """The address of a function of C's library, its mathematics among it.

    Raises: AttributeError, OSError where there is none.
    """
    try:
        found = C_LIBRARY[name]
    except AttributeError:
        found = ctypes.CDLL("libm.so.6")[name]
    return ctypes.cast(found, ctypes.c_void_p).value or 0


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters of a plain function: `inspect.signature` takes 20 us."""
    code = function.__code__
    return list(code.co_varnames[: code.co_argcount])


memcpy = CFunction("memcpy", "i64(i64, i64, i64)")
memset = CFunction("memset", "i64(i64, i32, i64)")


class NativeFunction:
    """A function of the subset, as others of it see it: `name` in LLVM's text, and names of
    its parameters."""

    name: str
    parameters: list[str]


class NativeInstruction(Generic[P]):
    """A function that is translated to fixed lines of LLVM IR.

    In the lines `{name}` is a parameter, `{result}` the value, `%name` a temporary.
    """

    def __init__(self, lines: str, body: Callable[P, int]) -> None:
        numbered = re.sub(r"%(\w+)", r"%\1.{serial}", lines.strip())
        self.lines = [_pieces(line.strip()) for line in numbered.splitlines()]
        self.body, self.parameters = body, parameter_names(body)
        self.__doc__ = body.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> int:
        return self.body(*args, **kwargs)


def _pieces(line: str) -> list[str]:
    """A line cut at its `{name}`s: what stands at odd positions is a name to be filled."""
    return re.split(r"\{(\w+)\}", line)


def instruction(lines: str) -> Callable[[Callable[P, int]], NativeInstruction[P]]:
    """Decorator: make an instruction of its LLVM lines and its meaning in Python."""
    return lambda body: NativeInstruction(lines, body)


Load = NativeInstruction[[int, int]]
Store = NativeInstruction[[int, int, int]]


def _define_memory(kind: str, c_type: Any) -> tuple[Load, Store]:
    """`load` and `store` of elements of LLVM type `kind`, sign-extended to 64 bits."""
    size = ctypes.sizeof(c_type)
    place = f"""%p = inttoptr i64 {{address}} to ptr
                %q = getelementptr {kind}, ptr %p, i64 {{index}}"""
    after_load, before_store, narrow = "", "", "{value}"
    if kind != "i64":
        after_load = f"{{result}} = sext {kind} %v to i64"
        before_store, narrow = f"%v = trunc i64 {{value}} to {kind}", "%v"
    loaded = "%v" if after_load else "{result}"

    def load(address: int, index: int) -> int:
        return int(c_type.from_address(address + size * index).value)

    def store(address: int, index: int, value: int) -> int:
        c_type.from_address(address + size * index).value = value
        return 0

    return (
        NativeInstruction(
            f"{place}\n {loaded} = load {kind}, ptr %q\n{after_load}", load
        ),
        NativeInstruction(
            f"{place}\n{before_store}\nstore {kind} {narrow}, ptr %q", store
        ),
    )


load, store = _define_memory("i64", ctypes.c_int64)
load_i32, store_i32 = _define_memory("i32", ctypes.c_int32)
load_i16, store_i16 = _define_memory("i16", ctypes.c_int16)
load_i8, store_i8 = _define_memory("i8", ctypes.c_int8)


@instruction("""
    %p = inttoptr i64 {address} to ptr
    %q = getelementptr i64, ptr %p, i64 {index}
    {result} = load atomic i64, ptr %q seq_cst, align 8
""")
def atomic_load(address: int, index: int) -> int:
    """The word, and everything that its writer wrote before.

    It also comes after the caller's own exchanges and additions: who announces itself in one
    word and then reads another (a gate, the count of sleepers) is seen, or sees.  `acquire`
    alone would not promise that on ARM; on x86 both are the same instruction.
    """
    return int(load(address, index))


@instruction("""
    %p = inttoptr i64 {address} to ptr
    %q = getelementptr i64, ptr %p, i64 {index}
    store atomic i64 {value}, ptr %q release, align 8
""")
def atomic_store(address: int, index: int, value: int) -> int:
    """Write a word after everything that was written before."""
    return store(address, index, value)


@instruction("""
    %p = inttoptr i64 {address} to ptr
    %q = getelementptr i64, ptr %p, i64 {index}
    {result} = atomicrmw xchg ptr %q, i64 {value} seq_cst, align 8
""")
def exchange(address: int, index: int, value: int) -> int:
    """Write a word; the value before."""
    old = int(load(address, index))
    store(address, index, value)
    return old


@instruction("""
    %p = inttoptr i64 {address} to ptr
    %q = getelementptr i64, ptr %p, i64 {index}
    {result} = atomicrmw add ptr %q, i64 {value} seq_cst, align 8
""")
def atomic_add(address: int, index: int, value: int) -> int:
    """Add to a word; the value before."""
    return exchange(address, index, int(load(address, index)) + value)


@instruction("""
    %p = inttoptr i64 {address} to ptr
    %q = getelementptr i64, ptr %p, i64 {index}
    %pair = cmpxchg ptr %q, i64 {old}, i64 {new} seq_cst seq_cst, align 8
    %done = extractvalue { i64, i1 } %pair, 1
    {result} = zext i1 %done to i64
""")
def compare_exchange(address: int, index: int, old: int, new: int) -> int:
    """Write `new` if the word is `old`; whether it was."""
    same = int(load(address, index)) == old
    if same:
        store(address, index, new)
    return int(same)


@instruction(f'call void asm sideeffect "{PAUSE.get(platform.machine(), "")}", ""()')
def pause() -> int:
    """Tell the processor that this is a waiting loop."""
    return 0


@instruction("""
    %d = bitcast i64 {bits} to double
    %f = fptrunc double %d to float
    %i = bitcast float %f to i32
    {result} = zext i32 %i to i64
""")
def narrow_float(bits: int) -> int:
    """The bits of a float64, as those of the nearest float32."""
    number = ctypes.c_double.from_buffer(ctypes.c_int64(bits)).value
    return ctypes.c_uint32.from_buffer(ctypes.c_float(number)).value


@instruction("""
    %d = sitofp i64 {number} to double
    {result} = bitcast double %d to i64
""")
def float_bits(number: int) -> int:
    """The bits of the float64 nearest to an integer."""
    return ctypes.c_int64.from_buffer(ctypes.c_double(number)).value


def call(address: int, *arguments: int) -> int:
    """Call the function at `address`."""
    words = [ctypes.c_int64] * len(arguments)
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, *words)(address)(*arguments))


_stacks: deque[Any] = deque(maxlen=4096)


def stack(count: int) -> int:
    """The address of `count` (a constant) words that live until the function returns."""
    _stacks.append((ctypes.c_int64 * count)())  # in plain Python they live on for long
    return ctypes.addressof(_stacks[-1])
