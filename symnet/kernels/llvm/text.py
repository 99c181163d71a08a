"""LLVM's language, as far as the code generator writes it: types, constants, lines."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from symnet.kernels.llvm.target import Target
from symnet.kernels.loopir.scalars import Scalar

# How a value lies in a register and in memory.  float16 is computed in float32.
REGISTER = {
    "bool": "i1",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "i8",
    "uint16": "i16",
    "uint32": "i32",
    "uint64": "i64",
    "float16": "float",
    "float32": "float",
    "float64": "double",
}
MEMORY = REGISTER | {"bool": "i8", "float16": "half"}

SHORT_NAMES = {"float": "f32", "double": "f64", "half": "f16", "ptr": "p0"}


def is_float(dtype: str) -> bool:
    return dtype.startswith("float")


def is_signed(dtype: str) -> bool:
    return dtype.startswith("int")


def bits(dtype: str) -> int:
    return 1 if dtype == "bool" else 8 * np.dtype(dtype).itemsize


def type_text(element: str, lanes: int) -> str:
    """The type of one element (`lanes` 0) or of a vector."""
    return f"<{lanes} x {element}>" if lanes else element


def mangled(element: str, lanes: int) -> str:
    """The type as LLVM writes it in the names of overloaded intrinsics."""
    short = SHORT_NAMES.get(element, element)
    return f"v{lanes}{short}" if lanes else short


def constant(value: float | str, dtype: str) -> str:
    """One number.  Floats are written by their bits, so none is rounded twice."""
    if dtype == "bool":
        return "true" if value else "false"
    if not is_float(dtype):
        return str(int(value))
    number = float(value)
    if dtype != "float64":
        number = float(np.float32(number))
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def iota(element: str, lanes: int, first: int = 0) -> str:
    """The constant vector first, first + 1, ..."""
    return f"<{', '.join(f'{element} {first + lane}' for lane in range(lanes))}>"


def splat_constant(value: float | str, dtype: str, lanes: int) -> str:
    text = constant(value, dtype)
    return f"splat ({REGISTER[dtype]} {text})" if lanes else text


class Module:
    """The text of one module: its functions, and the declarations of what they call."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.count = 0
        self.declarations: dict[str, str] = {}
        self.functions: list[str] = []

    def fresh(self, stem: str = "v") -> str:
        """A name that the module does not have yet."""
        self.count += 1
        return f"{stem}{self.count}"

    def text(self) -> str:
        return "\n".join(
            [
                f'target triple = "{self.target.triple}"',
                *self.declarations.values(),
                *self.functions,
                f"attributes #0 = {{ {self.target.attributes} }}",
                "",
            ]
        )


def joined(texts: Sequence[str]) -> str:
    """One module's text from those of several for one target, whose functions have
    different names: what all functions share, as declarations, stands there once."""
    shared, functions = dict[str, None](), list[str]()
    for text in texts:
        head, define, rest = text.partition("define ")
        body, attributes, end = rest.partition("attributes #0")
        shared |= dict.fromkeys(head.splitlines())
        functions.append(define + body)
    return "\n".join([*shared, *functions, attributes + end])


class Scope:
    """A stretch of straight code, its place in the text fixed before it is filled.

    A value is written into the scope of the outermost loop that it depends on, however
    deep in the nest it was first asked for: so loop-invariant code is born outside.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines: list[str] = []
        self.values: dict[Scalar, tuple[str, ...]] = {}
        self.made: dict[tuple[object, ...], str] = {}  # splats, pointers, masks

    def line(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def emit(self, expression: str) -> str:
        name = f"%{self.module.fresh()}"
        self.lines.append(f"  {name} = {expression}")
        return name

    def call(
        self, function: str, result: str, arguments: Sequence[tuple[str, str]]
    ) -> str:
        """Call an intrinsic or a C function, declared by the types of this call."""
        kinds = ", ".join(kind for kind, _ in arguments)
        self.module.declarations[function] = f"declare {result} @{function}({kinds})"
        values = ", ".join(f"{kind} {value}" for kind, value in arguments)
        return self.emit(f"call {result} @{function}({values})")

    def call_void(self, function: str, arguments: Sequence[tuple[str, str]]) -> None:
        kinds = ", ".join(kind for kind, _ in arguments)
        self.module.declarations[function] = f"declare void @{function}({kinds})"
        values = ", ".join(f"{kind} {value}" for kind, value in arguments)
        self.line(f"call void @{function}({values})")

    def splat(self, name: str, element: str, lanes: int) -> str:
        """A vector with the same number in all lanes."""
        kind = type_text(element, lanes)
        first = self.emit(f"insertelement {kind} poison, {element} {name}, i64 0")
        zeros = f"{type_text('i32', lanes)} zeroinitializer"
        return self.emit(f"shufflevector {kind} {first}, {kind} poison, {zeros}")
