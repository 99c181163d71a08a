"""Draws calls, and graphs that are operations: steps of `generate.Generator`."""

from __future__ import annotations

from typing import Any

from tests.fuzz import calls_arrays, calls_layers, calls_linalg, calls_users
from tests.fuzz.call_table import CALLS

DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
SHAPES: list[list[Any]] = [
    ["m"], ["m"], ["n"], ["m", "n"], ["m", "n"], ["m", "m"], ["n", "n"], ["k", "m", "n"], [],
]  # fmt: skip
OVERRIDES = ["none", "none", "gradient", "product"]


def begin_calls(self: Any) -> None:
    """Leaves: of one dtype or two, and whole numbers for positions and counts."""
    usual = [2, 3, 3, 4]
    choices = [0, 1, 1, *usual] if self.chance(0.35) else usual
    first = {n: self.one_of(choices) for n in ("k", "m", "n")}
    again = dict(first)
    if self.chance(0.4):
        again = {n: self.one_of([0, 1, *usual]) for n in first}
    self.program["sizes"] = [first, again]
    dtypes = [self.one_of(["float32", "float64", "float64"])]
    if self.chance(0.4):
        dtypes = [self.one_of(DTYPES), self.one_of(DTYPES)]
    fill = self.one_of(["quarters", "normal", "normal"])
    for shape in SHAPES:
        self.leaf(self.one_of(dtypes), shape, fill, self.chance(0.4))
    for shape in (["m"], ["n"], ["m", "n"]):
        self.leaf(self.one_of(["int64", "int32"]), shape, fill, self.chance(0.2))


def call(self: Any, names: Any = None) -> int | None:
    """A call of any name, of NumPy's functions more often than one of the others."""
    names = names or [*CALLS, *["numpy"] * 40]
    name = self.one_of(names)
    found = CALLS[name].draw(self)
    if found is None:
        return None
    arguments, rest = found
    made: int | None = self.add("call", arguments, name=name, **rest)
    return made


def linalg(self: Any) -> None:
    call(self, list(calls_linalg.CALLS))


def sparse(self: Any) -> None:
    call(self, ["sparse"])


def numbers_of_two_parts(self: Any) -> None:
    call(self, ["complex"])


def layers(self: Any) -> None:
    call(self, [*["special"] * 8, *calls_layers.CALLS])


def arrays(self: Any) -> None:
    call(self, list(calls_arrays.CALLS))


def users(self: Any) -> None:
    call(self, list(calls_users.CALLS))


def graph(self: Any) -> None:
    """A graph that is an operation (`OpFromGraph`), of one to three arguments."""
    given = sorted({self.pick() for _ in range(1 + self.below(3))} - {None})
    if not given:
        return
    inner = {n: self.new() for n in given}
    for n, own in inner.items():
        self.dtypes[own] = self.values[n].dtype.name
    kept = self.values, self.graph
    self.values, self.graph = {}, {}  # it sees nothing but its arguments
    symbols = {own: kept[1][n].type() for n, own in inner.items()}
    values = {own: kept[0][n] for n, own in inner.items()}
    steps = self.inside(values, symbols, 1 + self.below(4))
    self.values, self.graph = kept
    made = [s["id"] for s in steps if "id" in s]
    if made:
        self.add(
            "graph", given, inner=list(inner.values()), steps=steps,
            result=made[-1] if self.chance(0.7) else self.one_of(made),
            inline=self.chance(0.5), override=self.one_of(OVERRIDES),
        )  # fmt: skip
