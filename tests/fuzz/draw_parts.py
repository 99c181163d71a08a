"""Steps that read, write and move parts of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.fuzz.drawing import Drawing
from tests.fuzz.program import Program


class Parts(Drawing):
    """A drawing with steps on parts of arrays."""

    def index_of(self, shape: Sequence[int], extra: list[int]) -> list[Any]:
        """An index for that shape; computed positions are added to `extra`."""
        index: list[Any] = []
        advanced = False
        for n in shape[: 1 + self.below(len(shape))]:
            kind = self.one_of(
                ["slice", "slice", "slice", "at", "positions", "mask", "from"]
            )
            if kind in ("positions", "mask") and advanced:
                kind = "slice"
            scalar = (
                self.pick(lambda a: a.ndim == 0 and a.dtype == "int64")
                if kind == "from"
                else None
            )
            if kind == "from" and scalar is not None:
                extra.append(scalar)
                index.append([self.one_of(["computed", "from", "to"]), -len(extra)])
            elif kind == "at" and n:
                index.append(["at", self.below(2 * n) - n])
            elif kind == "positions" and n:
                distinct = [
                    int(k) for k in self.rng.permutation(n)[: self.below(n + 1)]
                ]
                repeated = [self.below(2 * n) - n for _ in range(self.below(5))]
                index.append(["positions", self.one_of([distinct, repeated])])
                advanced = True
            elif kind == "mask":
                index.append(["mask", [self.chance(0.5) for _ in range(n)]])
                advanced = True
            else:
                bounds = [None, None, 0, 1, 2, 3, -1, -2, -3, 7, -7]
                step = self.one_of([None, None, 1, 2, -1, -2, -1])
                index.append(["slice", self.one_of(bounds), self.one_of(bounds), step])
        return index

    def index(self) -> None:
        x = self.pick(lambda a: a.ndim >= 1)
        if x is not None:
            extra: list[int] = []
            index = self.index_of(self.values[x].shape, extra)
            self.add("index", [x, *extra], index=placed(index, 1, len(extra)))

    def write(self) -> None:
        """Into a part of something, what has the size of that part: often another part of
        the same thing, or of what it will be stored in."""
        x = self.pick(lambda a: a.ndim >= 1)
        if x is None:
            return
        old, extra = self.values[x], []  # type: Any, list[int]
        index = self.index_of(old.shape, extra)
        try:
            at = placed(index, 1, len(extra))
            part = self.arrays.results(
                {"do": "index", "args": [x, *extra], "index": at, "id": 0}, self.values
            )[0][1]
        except (IndexError, ValueError):
            return
        shape = np.shape(part)
        fits = lambda a: a.dtype == old.dtype and a.shape == shape  # noqa: E731
        y = self.pick(fits)
        if y is None or self.chance(0.2):
            y = self.slice_like(shape, old.dtype) or y
        if y is None:
            y = self.pick(lambda a: a.dtype == old.dtype and a.ndim == 0)
        do = self.one_of(["set", "add"]) if old.dtype.kind != "b" else "set"
        self.add(do, [x, y, *extra], index=placed(index, 2, len(extra)))

    def of_itself(self) -> None:
        """Something shared with a part of itself written into it, or beside itself in
        another order."""
        shares = {x["id"] for x in self.program["leaves"] if x["shared"]}
        makers = {
            s.get("id"): ancestors(self.program, s["id"])
            for s in self.target
            if "id" in s
        }
        mine = [n for n in self.values if n in shares or makers.get(n, set()) & shares]
        mine = [n for n in mine if self.values[n].ndim and self.values[n].size > 1]
        if not mine:
            return
        x = self.one_of(mine)
        old = self.values[x]
        if self.chance(0.5):
            length = 1 + self.below(old.shape[0])
            rows = old.shape[0]
            y = self.add("index", [x], index=[self.reach(rows, length)])
            do = "set" if old.dtype.kind == "b" else self.one_of(["set", "add"])
            self.add(do, [x, y], index=[self.reach(rows, length)])
            return
        order = list(range(old.ndim))[::-1]
        axis = self.below(old.ndim)
        if old.dtype.kind == "f" and self.chance(0.3):
            self.add("centred", [x], name=self.one_of(["sum", "max"]), axis=axis)
            return
        y = self.one_of([
            lambda: self.add("flip", [x], axis=axis),
            lambda: self.add("roll", [x], axis=axis, by=self.one_of([1, -1, 2])),
            lambda: self.shuffled(x, order),
        ])()  # fmt: skip
        name = "xor" if old.dtype.kind == "b" else self.one_of(["add", "sub", "mul"])
        self.add("apply", [x, y], name=name)

    def reach(self, rows: int, length: int) -> list[Any]:
        """A slice of `length` of so many rows, forwards or backwards."""
        start = self.below(rows - length + 1)
        if length and self.chance(0.4):
            end = start - 1
            return ["slice", start + length - 1, end if end >= 0 else None, -1]
        return ["slice", start, start + length, None]

    def slice_like(self, shape: tuple[int, ...], dtype: Any) -> int | None:
        """A slice, forwards or backwards, that has this shape."""

        def fits(a: Any) -> bool:
            return (
                a.dtype == dtype
                and a.ndim == len(shape) > 0
                and all(n >= m for n, m in zip(a.shape, shape))
            )

        x = self.pick(fits)
        if x is None:
            return None
        sizes = zip(self.values[x].shape, shape)
        return self.add("index", [x], index=[self.reach(n, m) for n, m in sizes])

    def join(self) -> None:
        x = self.pick(lambda a: a.ndim >= 1)
        if x is None:
            return
        old = self.values[x]
        axis = self.below(old.ndim)

        def fits(a: Any) -> bool:
            return a.dtype == old.dtype and a.ndim == old.ndim and all(
                p == q for k, (p, q) in enumerate(zip(a.shape, old.shape)) if k != axis
            )  # fmt: skip

        if self.chance(0.3):
            y = self.pick(lambda a: a.shape == old.shape and a.dtype == old.dtype)
            self.add("stack", [x, y], axis=axis)
        else:
            self.add("join", [x, self.pick(fits)], axis=axis)

    def delay(self) -> None:
        """A line that moves on: concatenate([s[k:], new[:k]]), either way round."""
        x = self.pick(lambda a: a.ndim >= 1 and a.shape[0] > 1)
        if x is None:
            return
        old = self.values[x]
        y = self.pick(lambda a: a.shape == old.shape and a.dtype == old.dtype)
        k = 1 + self.below(old.shape[0] - 1)
        flip = self.chance(0.5)
        rest = self.add(
            "index",
            [x],
            index=[["slice", None, -k, None] if flip else ["slice", k, None, None]],
        )
        new = self.add(
            "index",
            [y],
            index=[["slice", -k, None, None] if flip else ["slice", None, k, None]],
        )
        self.add("join", [new, rest] if flip else [rest, new], axis=0)

    def move(self) -> None:
        x = self.pick(lambda a: a.ndim >= 1)
        if x is None:
            return
        axis = self.below(self.values[x].ndim)
        if self.chance(0.5):
            self.add("flip", [x], axis=axis)
        else:
            self.add("roll", [x], axis=axis, by=self.one_of([1, -1, 2]))


def placed(index: list[Any], first: int, count: int) -> list[Any]:
    """Computed positions, noted as -1, -2, ..., by their place among the arguments."""
    del count
    return [
        [kind, first - r[0] - 1] if kind in ("computed", "from", "to") else [kind, *r]
        for kind, *r in index
    ]


def ancestors(program: Program, number: int) -> set[int]:
    """All ids outside of loops that something is made from."""
    from tests.fuzz.shrink import uses

    makers = {n: s for s in program["steps"] for n in s.get("ids", [s.get("id")])}
    found: set[int] = set()
    todo = [number]
    while todo:
        for n in uses(makers[todo[-1]]) if (todo[-1] in makers) else ():
            if n not in found:
                found.add(n)
                todo.insert(0, n)
        todo.pop()
    return found
