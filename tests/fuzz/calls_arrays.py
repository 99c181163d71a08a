"""Positions, orders and counts: what picks, repeats, places and numbers elements."""

from __future__ import annotations

from typing import Any

import numpy as np

import symnet.tensor as T
from tests.fuzz.calls import (
    Call,
    Drawn,
    alike,
    any_array,
    apart,
    axis,
    matrices,
    numbers,
    of,
    one,
    same_dtype,
    two,
    whole,
)
from tests.fuzz.spaces import Tie

# ---- orders


def largest(s: Any, x: Any, places: bool = False) -> Any:
    """The k largest in descending order, or the -k smallest in ascending; equal ones in
    their order."""
    k, n = s["k"], np.shape(x)[s["axis"]]
    if not 0 < abs(k) <= n:
        raise ValueError("not so many elements")
    x = np.moveaxis(np.asarray(x), s["axis"], -1)
    order = np.argsort(x, axis=-1, kind="stable")
    if k > 0:
        back = np.argsort(np.flip(x, -1), axis=-1, kind="stable")
        order = n - 1 - np.flip(back, -1)
    order = order[..., : abs(k)]
    found = order if places else np.take_along_axis(x, order, -1)
    return np.moveaxis(found, -1, s["axis"])


def many_largest(m: Any, s: Any, x: Any) -> Any:
    apart(m, x, s["axis"])
    return largest(s, x)


def positions_of(self: Any, n: int) -> int | None:
    """An id of whole numbers, folded into positions among n."""
    x = self.pick(lambda a: a.dtype.kind in "iu" and a.ndim <= 2)
    return self.add("call", [x], name="folded", into=n) if n else None


def folded(xp: Any) -> Any:
    """Whole numbers as positions from -n up to n, so that some count from the end."""
    return lambda s, x: xp.mod(_int64(xp, x), 2 * s["into"]) - s["into"]


def _int64(xp: Any, x: Any) -> Any:
    return T.cast(x, "int64") if xp is T else np.asarray(x).astype("int64")


def not_negative(xp: Any) -> Any:
    return lambda s, x: xp.mod(_int64(xp, x), s["into"])


def searched(xp: Any) -> Any:
    """Where numbers belong in order, of a row put in order or by its positions in order."""

    def search(s: Any, x: Any, v: Any) -> Any:
        if s["sorter"]:
            sorter = T.argsort(x) if xp is T else np.argsort(x, kind="stable")
            return xp.searchsorted(x, v, side=s["side"], sorter=sorter)
        row = T.sort(x) if xp is T else np.sort(x)
        return xp.searchsorted(row, v, side=s["side"])

    return search


def counted(xp: Any) -> Any:
    def count(s: Any, x: Any, *weights: Any) -> Any:
        x = not_negative(xp)({"into": s["into"]}, x)
        return xp.bincount(x, *weights, minlength=s["least"])

    return count


def draw_counted(self: Any) -> Drawn | None:
    x = self.pick(lambda a: whole(a) and a.ndim == 1)
    if x is None:
        return None
    rest = {"into": self.one_of([1, 3, 5]), "least": self.one_of([0, 0, 4, 7])}
    weights = self.pick(
        lambda a: a.dtype.kind == "f" and a.shape == self.values[x].shape
    )
    return [x, weights] if weights and self.chance(0.5) else [x], rest


def apart_but_for_roundings(x: Any) -> None:
    """Raises: Tie where two floats would be one but for their last digits."""
    x = np.sort(np.ravel(x))
    if x.dtype.kind == "f" and x.size:
        gaps, limits = np.diff(x), np.finfo(x.dtype)
        least = float(limits.eps) ** (2 / 3) * np.max(np.abs(x)) + limits.tiny
        if np.any((gaps > 0) & (gaps <= least)):
            raise Tie("a tie but for roundings")


def distinct(xp: Any) -> Any:
    """What `unique` gives, as one number or row: places, counts, or what was there."""

    def find(s: Any, x: Any) -> Any:
        flags = {f"return_{k}": k == s["what"] for k in ("index", "inverse", "counts")}
        found = xp.unique(x, **flags)[1]
        return found.reshape((-1,)) if xp is np else T.reshape(found, (-1,))

    return find


# ---- picking and placing


def taken(xp: Any) -> Any:
    def take(s: Any, x: Any, at: Any) -> Any:
        """`take`; NumPy 2.4 goes round for ever to bring a position into an empty axis."""
        mode = s["mode"]
        if xp is np and 0 in x.shape:
            mode = "raise"
        return xp.take(x, at, axis=s["axis"], mode=mode)

    return take


def draw_taken(self: Any) -> Drawn | None:
    x = self.pick(any_array)
    if x is None:
        return None
    old = self.values[x]
    along = None if self.chance(0.3) else axis(self, old)
    mode = self.one_of(["raise", "wrap", "clip"])
    n = old.size if along is None else old.shape[along]
    return [x, positions_of(self, n)], {"axis": along, "mode": mode}


def draw_along(self: Any) -> Drawn | None:
    """As many positions as elements, made of the order of something alike."""
    x = self.pick(any_array)
    if x is None:
        return None
    old = self.values[x]
    along = axis(self, old)
    y = self.pick(lambda a: a.shape == old.shape and a.dtype.kind in "iuf")
    order = self.add(
        "call", [y], name="numpy", function="argsort",
        **{"with": {"axis": along, "kind": "stable"}},
    )  # fmt: skip
    return [x, order], {"axis": along}


def put(xp: Any) -> Any:
    """The elements at positions of the flat array, written or added to."""

    def write(s: Any, x: Any, at: Any, y: Any) -> Any:
        if xp is T:
            flat = T.flatten(x)[T.flatten(at)]
            how = T.set_subtensor if s["how"] == "set" else T.inc_subtensor
            return how(flat, y).reshape(x.shape, ndim=x.ndim)
        result, at = np.array(x).reshape(-1), np.asarray(at).ravel()
        if s["how"] == "set":
            result[at] = np.asarray(y)[()]
        else:
            for k in at:
                result[k] = result[k] + np.asarray(y)[()]
        return result.reshape(np.shape(x))

    return write


def draw_put(self: Any) -> Drawn | None:
    x = self.pick(any_array)
    if x is None:
        return None
    old = self.values[x]
    y = self.pick(lambda a: a.dtype == old.dtype and a.ndim == 0)
    how = "set" if old.dtype.kind == "b" else self.one_of(["set", "add"])
    return [x, positions_of(self, old.size), y], {"how": how}


def repeated(xp: Any) -> Any:
    def repeat(s: Any, x: Any, counts: Any) -> Any:
        counts = not_negative(xp)({"into": 3}, counts)
        return xp.repeat(x, counts, axis=s["axis"])

    return repeat


def draw_repeated(self: Any) -> Drawn | None:
    x = self.pick(any_array)
    if x is None:
        return None
    old = self.values[x]
    along = None if self.chance(0.2) else axis(self, old)
    n = old.size if along is None else old.shape[along]
    counts = self.pick(lambda a: whole(a) and a.shape == (n,))
    return [x, counts], {"axis": along}


def chosen(xp: Any) -> Any:
    def choose(s: Any, at: Any, x: Any, y: Any) -> Any:
        return xp.choose(not_negative(xp)({"into": 2}, at), [x, y])

    return choose


def draw_chosen(self: Any) -> Drawn | None:
    at = self.pick(lambda a: whole(a) and a.ndim >= 1)
    if at is None:
        return None
    shape = self.values[at].shape
    x = self.pick(lambda a: a.shape == shape)
    if x is None:
        return None
    return [at, x, self.pick(lambda a: alike(a, self.values[x]))], {}


def compressed(xp: Any) -> Any:
    def compress(s: Any, condition: Any, x: Any) -> Any:
        truths = condition > 0 if xp is T else np.asarray(condition) > 0
        return xp.compress(truths, x, axis=s["axis"])

    return compress


def draw_compressed(self: Any) -> Drawn | None:
    x = self.pick(any_array)
    if x is None:
        return None
    along = axis(self, self.values[x])
    n = self.values[x].shape[along]
    return [self.pick(lambda a: a.shape == (n,) and a.dtype.kind in "iuf"), x], {
        "axis": along
    }


def with_diagonal(s: Any, x: Any, y: Any) -> Any:
    """A number written to a diagonal, of which none comes after the first in tall ones."""
    x, k = np.array(x), s["offset"]
    n, width = x.shape
    for i in range(n):
        if 0 <= i + k < width:
            x[i, i + k] = np.asarray(y)[()]
    return x


def hot(s: Any, x: Any) -> Any:
    x = not_negative(np)({"into": 4}, x)
    return (x[:, None] == np.arange(4)).astype(s["dtype"])


def symbolic_hot(s: Any, x: Any) -> Any:
    return T.extra_ops.to_one_hot(not_negative(T)({"into": 4}, x), 4, dtype=s["dtype"])


def unraveled(xp: Any) -> Any:
    """Positions as those of two axes, and back with the axes changed."""

    def move(s: Any, x: Any) -> Any:
        at = not_negative(xp)({"into": 12}, x)
        i, j = xp.unravel_index(at, (3, 4))
        return xp.ravel_multi_index((j, i), (4, 3))

    return move


def inverse(s: Any, x: Any) -> Any:
    order = np.argsort(x, axis=-1, kind="stable")
    return np.argsort(order, axis=-1, kind="stable")


def tensors(a: Any) -> bool:
    return a.ndim == 3 and a.dtype.kind in "fc"


def batches(a: Any, b: Any) -> bool:
    return bool(
        b.dtype == a.dtype and b.ndim == 3
        and b.shape[0] == a.shape[0] and b.shape[1] == a.shape[2]
    )  # fmt: skip


def vectors(a: Any) -> bool:
    return bool(numbers(a) and a.ndim == 1)


def filled(a: Any) -> bool:
    return bool(numbers(a) and a.size > 0)


def number(a: Any, b: Any) -> bool:
    return bool(same_dtype(a, b) and b.ndim == 0)


COUNTS = of(1, 1, 2, 3, -1, -2)
WHAT = of("index", "inverse", "counts")
INTO = of(1, 2, 5)
CALLS: dict[str, Call] = {
    "topk": Call(
        lambda s, x: T.topk(x, s["k"], axis=s["axis"]), largest,
        one(filled, k=COUNTS, axis=axis), many_largest,
    ),
    "argtopk": Call(
        lambda s, x: T.argtopk(x, s["k"], axis=s["axis"]),
        lambda s, x: largest(s, x, True), one(filled, k=COUNTS, axis=axis),
        lambda m, s, x: (apart(m, x, s["axis"]), largest(s, x, True))[1],
    ),
    "searchsorted": Call(
        searched(T), searched(np),
        two(vectors, same_dtype, side=of("left", "right"), sorter=of(True, False)),
        lambda m, s, x, v: (
            apart(m, np.concatenate([np.ravel(x), np.ravel(v)])), searched(np)(s, x, v)
        )[1],
    ),
    "bincount": Call(counted(T), counted(np), draw_counted),
    "distinct": Call(
        distinct(T), distinct(np), one(lambda a: a.dtype.kind in "biuf", what=WHAT),
        lambda m, s, x: (apart(m, x, None), distinct(np)(s, x))[1],
        lambda s, x: apart_but_for_roundings(x),
    ),
    "folded": Call(folded(T), folded(np), one(whole, into=INTO)),
    "take": Call(taken(T), taken(np), draw_taken),
    "take_along_axis": Call(
        lambda s, x, at: T.take_along_axis(x, at, s["axis"]),
        lambda s, x, at: np.take_along_axis(x, at, s["axis"]), draw_along,
    ),
    "put": Call(put(T), put(np), draw_put),
    "repeat by counts": Call(repeated(T), repeated(np), draw_repeated),
    "choose": Call(chosen(T), chosen(np), draw_chosen),
    "compress": Call(compressed(T), compressed(np), draw_compressed),
    "fill_diagonal": Call(
        lambda s, x, y: T.extra_ops.fill_diagonal_offset(x, y, s["offset"]),
        with_diagonal, two(matrices, number, offset=of(0, 1, -1, 2)),
    ),
    "to_one_hot": Call(
        symbolic_hot, hot,
        one(lambda a: whole(a) and a.ndim == 1, dtype=of("float32", "int8")),
    ),
    "unravel_index": Call(unraveled(T), unraveled(np), one(whole)),
    "inverse_permutation": Call(
        lambda s, x: T.inverse_permutation(T.argsort(x)), inverse, one(vectors),
        lambda m, s, x: (apart(m, x), inverse(s, x))[1],
    ),
    "batched_dot": Call(
        lambda s, x, y: T.batched_dot(x, y), lambda s, x, y: np.matmul(x, y),
        two(tensors, batches),
    ),
    "split": Call(
        lambda s, x: T.split(x, [s["first"], x.shape[0] - s["first"]], 2, 0)[s["part"]],
        lambda s, x: np.split(x, [_inside(s["first"], x)])[s["part"]],
        one(any_array, first=of(0, 1, 2), part=of(0, 1)),
    ),
    "second": Call(
        lambda s, x, y: T.second(x, y),
        lambda s, x, y: np.broadcast_to(np.asarray(y), np.shape(x)),
        two(any_array, lambda a, b: b.ndim == 0),
    ),
    "cast to truths": Call(
        lambda s, x: T.gt(x, 0), lambda s, x: np.asarray(x) > 0,
        one(lambda a: a.dtype.kind in "iuf"),
    ),
}  # fmt: skip


def _inside(first: int, x: Any) -> int:
    if first > len(x):
        raise ValueError("a part of negative size")
    return first
