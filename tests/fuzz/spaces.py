"""Three meanings of one formula: symbols, NumPy arrays, and numbers of hundreds of digits.

A fuzz program is written with the names below only.  `Symbols` makes symnet's graph of it;
`Arrays` computes it by NumPy; `Wide` computes it on arrays of mpmath numbers, in which
nothing overflows and nothing cancels, so that what it gives is what the formula means.
Neither of the last two knows anything of symnet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import mpmath
import numpy as np
import scipy.special

import symnet
import symnet.tensor as T
from symnet.ifelse import ifelse
from symnet.tensor.signal.pool import pool_2d
from tests.fuzz import pictures

NEARLY, TINY = 1e-3, 1e-6  # how far apart roundings of a narrow dtype turn a comparison
# The same of differences, of which what is left may be as small as the roundings of what
# they were taken of.
LEAST = ContextVar("LEAST", default=TINY)


def same_sizes(*arrays: Any) -> None:
    """Sizes must be equal: size 1 known at run time only does not broadcast."""
    shapes = {np.shape(a) for a in arrays if np.ndim(a)}
    if len(shapes) > 1:
        raise ValueError(f"sizes do not agree: {shapes}")


class Symbols:
    """symnet's own operations."""

    exp, log, log1p, expm1 = T.exp, T.log, T.log1p, T.expm1
    log2, log10, sqrt, tanh = T.log2, T.log10, T.sqrt, T.tanh
    sin, cos, erf, erfc = T.sin, T.cos, T.erf, T.erfc
    neg, absolute, square, sign, floor = T.neg, T.abs_, T.sqr, T.sgn, T.floor
    sigmoid, softplus = T.nnet.sigmoid, T.nnet.softplus
    mul = T.mul
    add = staticmethod(lambda x, y, spread=False: T.add(x, y))
    sub = staticmethod(lambda x, y, spread=False: T.sub(x, y))
    divide = staticmethod(lambda x, y, spread=False: T.true_div(x, y))
    maximum, minimum, switch = T.maximum, T.minimum, T.switch
    greater, less, equal = T.gt, T.lt, T.eq
    logical_not, conj, real, imag = T.invert, T.conj, T.real, T.imag
    xor, conjunction = T.xor, T.and_
    floor_divide, mod = T.int_div, T.mod
    dot, cumsum, sort, argsort, repeat = T.dot, T.cumsum, T.sort, T.argsort, T.repeat
    concatenate, stack, roll = T.concatenate, T.stack, T.roll
    set_at = staticmethod(lambda x, where, y: T.set_subtensor(x[where], y))
    add_at = staticmethod(lambda x, where, y: T.inc_subtensor(x[where], y))
    at = staticmethod(lambda x, where: x[where])
    flip = staticmethod(lambda x, axis: T.flip(x, axis))
    cast = staticmethod(T.cast)
    reshape = staticmethod(lambda x, sizes: x.reshape(tuple(sizes), ndim=len(sizes)))
    shuffle = staticmethod(lambda x, pattern: x.dimshuffle(*pattern))
    size = staticmethod(lambda x, axis: x.shape[axis])
    weights = staticmethod(
        lambda x, seed: (
            T.cast((T.arange(x.shape[0]) * 7 + seed) % 13 * 2 - 13, x.dtype) / 16
        )
    )
    reduce = staticmethod(
        lambda name, x, axes, keepdims: getattr(T, name)(
            x, axis=axes, keepdims=keepdims
        )
    )

    @staticmethod
    def convolve(x: Any, w: Any, s: Mapping[str, Any]) -> Any:
        return T.nnet.conv2d(
            x, w, border_mode=s["border"], subsample=s["strides"], filter_flip=s["flip"],
            filter_dilation=s["dilations"], num_groups=s["groups"],
        )  # fmt: skip

    @staticmethod
    def pool(x: Any, s: Mapping[str, Any]) -> Any:
        return pool_2d(
            x, s["window"], s["ignore_border"], s["strides"], s["padding"], s["mode"]
        )

    @staticmethod
    def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        return ifelse(condition, yes(), no())

    @staticmethod
    def loop(
        step: Callable[..., Any], walked: Sequence[Any], starts: Sequence[Any],
        taps: Sequence[int], count: Any, backwards: bool, until: bool,
    ) -> list[Any]:  # fmt: skip
        """States (of which as many earlier rows are read as `taps` says), walked rows in,
        (new states, collected, condition) out.  Returns histories and collected rows."""
        info: list[Any] = [
            {"initial": start, "taps": list(range(-n, 0))} if n > 1 else start
            for start, n in zip(starts, taps, strict=True)
        ]

        def fn(*given: Any) -> Any:
            rows, rest = given[: len(walked)], given[len(walked) :]
            earlier, drawn = rest[: sum(taps)], rest[sum(taps) :]
            states, collected, done = step(rows, earlier, drawn)
            results = [*states, *collected]
            return (results, symnet.scan_module.until(done)) if until else results

        extra = step.collects  # type: ignore[attr-defined]
        handed = list(step.handed.values())  # type: ignore[attr-defined]
        found, _ = symnet.scan(
            fn, sequences=list(walked), outputs_info=[*info, *[None] * extra],
            n_steps=count, go_backwards=backwards, return_list=True, non_sequences=handed,
        )  # fmt: skip
        return list(found)


class Arrays:
    """NumPy; dtypes follow those of the symbols (see `program.Meaning`)."""

    exp, log, log1p, expm1 = np.exp, np.log, np.log1p, np.expm1
    log2, log10, sqrt, tanh = np.log2, np.log10, np.sqrt, np.tanh
    sin, cos, erf, erfc = np.sin, np.cos, scipy.special.erf, scipy.special.erfc
    neg, square, floor = np.negative, np.square, np.floor
    sigmoid = staticmethod(scipy.special.expit)
    softplus = staticmethod(lambda x: np.logaddexp(x, np.zeros_like(x)))
    absolute, sign = np.absolute, np.sign
    logical_not, conj = np.invert, np.conj
    real, imag = staticmethod(np.real), staticmethod(np.imag)
    dot, roll = staticmethod(np.dot), staticmethod(np.roll)
    cumsum, sort = staticmethod(np.cumsum), staticmethod(np.sort)
    argsort = staticmethod(lambda x, axis: np.argsort(x, axis=axis, kind="stable"))
    repeat = staticmethod(np.repeat)
    concatenate, stack = staticmethod(np.concatenate), staticmethod(np.stack)
    flip = staticmethod(lambda x, axis: np.flip(x, axis))
    at = staticmethod(lambda x, where: x[where])
    convolve, pool = classmethod(pictures.convolve), classmethod(pictures.pool)
    cast = staticmethod(lambda x, dtype: np.asarray(x).astype(dtype))
    reshape = staticmethod(lambda x, sizes: np.reshape(x, tuple(sizes)))
    size = staticmethod(lambda x, axis: np.int64(np.shape(x)[axis]))
    weights = staticmethod(
        lambda x, seed: ((np.arange(len(x)) * 7 + seed) % 13 * 2 - 13) / 16
    )

    @staticmethod
    def set_at(x: Any, where: Any, y: Any) -> Any:
        result = np.array(x)
        if result.dtype == object and np.ndim(y) == 0:
            y = np.asarray(y, object).item()  # an array would be stored as one object
        result[where] = y
        return result

    @staticmethod
    def add_at(x: Any, where: Any, y: Any) -> Any:
        result = np.array(x)
        if result.dtype == object:  # np.add.at has no objects everywhere
            for place, new in _pairs(result, where, y):
                result[place] = result[place] + new
        else:
            np.add.at(result, where, np.asarray(y).astype(result.dtype))
        return result

    @staticmethod
    def shuffle(x: Any, pattern: Sequence[Any]) -> Any:
        x = np.asarray(x)
        kept = [k for k in pattern if k != "x"]
        if any(x.shape[k] != 1 for k in range(x.ndim) if k not in kept):
            raise ValueError("an axis that is dropped has size 1")
        dropped = [k for k in range(x.ndim) if k not in kept]
        result = x.transpose([*kept, *dropped]).reshape([x.shape[k] for k in kept])
        where = tuple(None if k == "x" else slice(None) for k in pattern)
        return result[where]

    @staticmethod
    def reduce(name: str, x: Any, axes: Any, keepdims: bool) -> Any:
        x = np.asarray(x)
        if x.dtype == object:
            return _wide_reduce(name, x, axes, keepdims)
        with np.errstate(all="ignore"):
            kind = x.dtype
            if name in ("sum", "prod", "mean", "var") and kind in (
                "float16",
                "float32",
            ):
                x = x.astype("float64")
            return getattr(np, name)(x, axis=axes, keepdims=keepdims)

    @staticmethod
    def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        return yes() if condition else no()

    @staticmethod
    def loop(
        step: Callable[..., Any], walked: Sequence[Any], starts: Sequence[Any],
        taps: Sequence[int], count: Any, backwards: bool, until: bool,
    ) -> list[Any]:  # fmt: skip
        lengths = [len(w) for w in walked] + ([int(count)] if count is not None else [])
        if count is not None and min(lengths) < int(count):
            raise ValueError("a sequence is shorter than the number of steps")
        histories = [list(s) if n > 1 else [s] for s, n in zip(starts, taps)]
        if any(len(h) != n for h, n in zip(histories, taps)):
            raise ValueError("initial rows and taps do not agree")
        collected: list[list[Any]] = [[] for _ in range(step.collects)]  # type: ignore[attr-defined]
        if backwards:
            walked = [w[::-1] for w in walked]
        for t in range(min(lengths)):
            earlier = [row for h, n in zip(histories, taps) for row in h[len(h) - n :]]
            states, outs, done = step([w[t] for w in walked], earlier)
            for h, new in zip([*histories, *collected], [*states, *outs], strict=True):
                h.append(new)
            if until and bool(done):
                break
        rows = [h[n:] for h, n in zip(histories, taps)] + collected
        if any(not r for r in rows):
            raise Unknown("a loop without steps")
        return [np.stack([np.asarray(a) for a in r]) for r in rows]


class Near(Arrays):
    """NumPy's arrays, of which calls are asked whether roundings decide what they do."""


class Unknown(Exception):
    """This meaning has no value here: nothing is judged by it."""


class Tie(Unknown):
    """Two values are the same, or so close that roundings decide which is larger."""


def _agreeing(function: Callable[..., Any]) -> Any:
    def checked(*arrays: Any, spread: bool = False) -> Any:
        if not spread:
            same_sizes(*arrays)
        return function(*arrays)

    return staticmethod(checked)


for _name in ("add", "maximum", "minimum", "greater", "less", "equal", "floor_divide"):
    setattr(Arrays, _name, _agreeing(getattr(np, _name)))
Arrays.sub, Arrays.mul = _agreeing(np.subtract), _agreeing(np.multiply)  # type: ignore[attr-defined]
Arrays.divide, Arrays.mod = _agreeing(np.true_divide), _agreeing(np.mod)  # type: ignore[attr-defined]
Arrays.xor, Arrays.conjunction = _agreeing(np.bitwise_xor), _agreeing(np.bitwise_and)  # type: ignore[attr-defined]
Arrays.switch = _agreeing(np.where)  # type: ignore[attr-defined]


def _pairs(x: Any, where: Any, y: Any) -> list[tuple[int, Any]]:
    numbers = np.arange(x.size).reshape(x.shape)[where]
    spread = np.broadcast_to(np.asarray(y, object), numbers.shape)
    places = [np.unravel_index(int(n), x.shape) for n in numbers.ravel()]
    return list(zip(places, spread.ravel(), strict=True))  # type: ignore[arg-type]


# ---- many digits


def _each(function: Callable[..., Any]) -> Any:
    many = np.frompyfunc(function, function.__code__.co_argcount, 1)

    def apply(*arrays: Any, spread: bool = False) -> Any:
        if not spread:
            same_sizes(*arrays)
        return np.asarray(many(*arrays), object)

    return staticmethod(apply)


def _log(x: Any) -> Any:
    if x == 0:
        return mpmath.mpf("-inf")
    return mpmath.log(x) if x > 0 else mpmath.nan


def _erfc(x: Any) -> Any:
    return mpmath.erfc(x)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _divide(x: Any, y: Any) -> Any:
    if y == 0:
        return mpmath.nan if x == 0 or mpmath.isnan(x) else mpmath.inf * mpmath.sign(x)
    return x / y


def _wide_reduce(name: str, x: Any, axes: Any, keepdims: bool) -> Any:
    axes = _axes_of(axes, x.ndim)
    count = math.prod(x.shape[a] for a in axes)
    if x.dtype.kind != "O":  # a quotient of whole numbers would be a float
        x = np.frompyfunc(lambda v: mpmath.mpf(int(v)), 1, 1)(x)
    if name == "mean":
        return np.asarray(np.sum(x, axis=axes, keepdims=keepdims), object) / count
    if name == "var":
        middle = np.asarray(np.sum(x, axis=axes, keepdims=True), object) / count
        total = np.sum((x - middle) ** 2, axis=axes, keepdims=keepdims)
        return np.asarray(total, object) / count
    if name not in ("sum", "prod", "max", "min"):
        raise Unknown(f"{name} of many digits")
    result = getattr(np, name)(x, axis=axes, keepdims=True)
    if name in ("max", "min") and np.any(np.sum(x == result, axis=axes) > 1):
        raise Tie("a tie: which derivative is right is a matter of opinion")
    return np.asarray(result if keepdims else np.squeeze(result, axes), object)


def _untied(x: Any, y: Any) -> Any:
    """y, if it differs from x by more than a narrow dtype can miss."""
    if abs(x - y) <= NEARLY * (abs(x) + abs(y)) + LEAST.get():
        raise Tie("a tie, or nearly")
    return y


class Wide(Arrays):
    """Arrays of mpmath numbers (dtype object)."""

    exp, log = _each(lambda x: mpmath.exp(x)), _each(_log)
    log1p, expm1 = _each(lambda x: _log(1 + x)), _each(lambda x: mpmath.exp(x) - 1)
    log2 = _each(lambda x: _log(x) / mpmath.log(2))
    log10 = _each(lambda x: _log(x) / mpmath.log(10))
    sqrt = _each(lambda x: mpmath.sqrt(x) if x >= 0 else mpmath.nan)
    tanh, sin = _each(lambda x: mpmath.tanh(x)), _each(lambda x: mpmath.sin(x))
    cos = _each(lambda x: mpmath.cos(x))
    erf, erfc = _each(lambda x: mpmath.erf(x)), _each(_erfc)
    neg, square = _each(lambda x: -x), _each(lambda x: x * x)
    absolute, sign = _each(lambda x: abs(x)), _each(lambda x: mpmath.sign(x))
    floor = _each(lambda x: mpmath.floor(x))
    sigmoid = _each(_sigmoid)
    softplus = _each(lambda x: _log(1 + mpmath.exp(x)))
    divide = _each(_divide)
    maximum = _each(lambda x, y: max(_untied(x, y), x))
    minimum = _each(lambda x, y: min(_untied(x, y), x))
    greater, less = (
        _each(lambda x, y: x > _untied(x, y)),
        _each(lambda x, y: x < _untied(x, y)),
    )
    equal = _each(lambda x, y: x == y)

    @staticmethod
    def switch(condition: Any, x: Any, y: Any) -> Any:
        same_sizes(condition, x, y)
        return np.where(np.asarray(condition).astype(bool), x, y)

    @staticmethod
    def cast(x: Any, dtype: str) -> Any:
        if not dtype.startswith("float"):
            raise Unknown("a cast of many digits")
        return np.frompyfunc(
            lambda v: mpmath.mpf(int(v)) if v in (True, False) else v, 1, 1
        )(x)

    @staticmethod
    def sort(x: Any, axis: int) -> Any:
        return np.sort(np.asarray(x, object), axis=axis)

    @staticmethod
    def weights(x: Any, seed: int) -> Any:
        return widened(Arrays.weights(x, seed))  # a float64 times an mpf is a float64


class Doubtful(Wide):
    """Many digits that ask of a maximum, too, whether roundings decide which it is."""

    @staticmethod
    def reduce(name: str, x: Any, axes: Any, keepdims: bool) -> Any:
        result = Wide.reduce(name, x, axes, keepdims)
        x = np.asarray(x)
        if name in ("max", "min") and x.dtype == object:
            most = np.asarray(Wide.reduce(name, x, axes, True), object)
            near = abs(x - most) <= NEARLY * (abs(x) + abs(most)) + TINY
            if np.any(np.sum(near, axis=_axes_of(axes, x.ndim)) > 1):
                raise Tie("a tie, or nearly")
        return result


def _axes_of(axes: Any, rank: int) -> tuple[int, ...]:
    axes = tuple(range(rank)) if axes is None else axes
    return (axes,) if isinstance(axes, int) else tuple(axes)


def widened(array: Any) -> Any:
    """An array as mpmath numbers; whole numbers and truths stay as they are."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array
    return np.asarray(
        np.frompyfunc(lambda v: mpmath.mpf(float(v)), 1, 1)(array), object
    )
