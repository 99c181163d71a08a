"""Random numbers for new programs: streams that are drawn inside compiled loops.

    rng = symnet.random.RandomStream(seed=1)
    noise = rng.normal((batch, 10), scale=0.1)
    step = symnet.function([x], cost(x + noise), updates=...)

Every draw has a stream of its own whose state (three numbers in a shared variable) moves
on at each call of a function and at each step of a loop.  The numbers come from Philox
counters: they do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.arithmetic import add, log, maximum, minimum, mul, neg, sub, switch
from symnet.ops.assertions import Assert
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import ge, gt, isinf, lt
from symnet.ops.elementwise import cast
from symnet.ops.functions import log1p
from symnet.ops.indexing import getitem, set_subtensor, take
from symnet.ops.random.drawing import (
    advanced,
    check_sizes,
    count_dtype,
    demand_not_negative,
    demand_probability,
    draw_sizes,
    float_dtype,
    located,
    spread,
    total,
    whole,
)
from symnet.ops.random.integer_ranges import scale_bits
from symnet.ops.random.mrg import PickFromUniform
from symnet.ops.random.philox import PhiloxDraw, PhiloxVariates
from symnet.ops.reduce import all, argmax
from symnet.ops.reshape import reshape
from symnet.ops.shape import shape_padleft
from symnet.ops.sizes import size_scalar, sizes_of
from symnet.ops.special import erfc, erfcinv
from symnet.shared import SharedVariable, shared

__all__ = ["RandomStream"]

P = ParamSpec("P")


def remembered(method: Callable[P, Variable]) -> Callable[P, Variable]:
    """What a method of `RandomStream` draws knows its state: as `rng`, and with the state
    after it as `update`."""

    @wraps(method)
    def draw(*args: P.args, **kwargs: P.kwargs) -> Variable:
        result = method(*args, **kwargs)
        stream: Any = args[0]
        state, following = stream.state_updates[-1]
        result.rng, result.update = state, (state, following)
        return result

    return draw


COUNTED = np.array([0, 0, 1], np.uint64)  # what a draw moves on in a state


class RandomStream:
    """Streams of random numbers with one seed.

    seed: a non-negative integer, or a sequence of them; None: one from the system.
    Shapes of what is drawn: `size`, an integer, a tuple of integers and integer scalars, or
    an integer vector of known length; without size that of the parameters, broadcast.
    Dtypes: `dtype`, or that of the parameters, at least floatX; int64 for counts.
    Raises (all draws): TypeError for a size that is no integer and for a dtype that cannot
    be drawn; ValueError for a negative size, for parameters known to be wrong, and for
    parameters that do not fit the size.

    >>> stream = symnet.random.RandomStream(seed=1)
    >>> values = symnet.function([], stream.uniform((1000,)))()
    >>> bool(0.45 < values.mean() < 0.55), values.shape
    (True, (1000,))
    """

    def __init__(self, seed: Any = None) -> None:
        self.state_updates: list[tuple[SharedVariable, Variable]] = []
        self._begin(seed)

    def _begin(self, seed: Any) -> None:
        try:
            sequence = np.random.SeedSequence(seed)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"a seed is a non-negative integer or a sequence of them, not {seed!r:.60}"
            ) from None
        self.default_instance_seed = sequence.entropy
        self.key = int(sequence.generate_state(1, np.uint64)[0])

    def seed(self, seed: Any = None) -> None:
        """Begin all streams anew, with another seed or (None) that of the beginning."""
        self._begin(self.default_instance_seed if seed is None else seed)
        for number, (state, _) in enumerate(self.state_updates):
            state.set_value(np.array([self.key, number, 0], np.uint64))

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """(state, state after the draw) of all draws so far."""
        return list(self.state_updates)

    # ---- states

    def _state(self) -> SharedVariable:
        """The state of a new stream."""
        number = len(self.state_updates)
        start = np.array([self.key, number, 0], np.uint64)
        return shared(start, f"random stream {number}")

    def _finish(
        self, state: SharedVariable, sample: Variable, count: Variable
    ) -> Variable:
        """`sample`, which uses so many positions."""
        used = mul(constant(COUNTED), cast(count, "uint64"))
        following = add(state, used)
        self.state_updates.append((state, following))
        return advanced(sample, state, following)

    def _draw(self, kind: str, dtype: str, sizes: Sequence[Variable]) -> Variable:
        state = self._state()
        numbers = [getitem(state, k) for k in range(3)]
        sample = PhiloxDraw(kind, dtype)(*numbers, *sizes)
        return self._finish(state, sample, total(sizes))

    def _variates(
        self, kind: str, first: Variable, second: Variable, sizes: Sequence[Variable]
    ) -> Variable:
        state = self._state()
        sample = PhiloxVariates(kind)(state, first, second, *sizes)
        count = total(sizes[:-1] if kind == "permutation" else sizes)
        return self._finish(state, sample, count)

    # ---- continuous distributions

    @remembered
    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        dtype: str | None = None,
    ) -> Variable:
        """Numbers from `low` (included) to `high` (not)."""
        low, high = as_tensor(low), as_tensor(high)
        dtype = float_dtype(dtype, low, high)
        sample = self._draw(
            "uniform", dtype, draw_sizes(size, None, (low, high), "uniform")
        )
        low, high = cast(low, dtype), cast(high, dtype)
        return located(sample, low, sub(high, low))

    @remembered
    def normal(
        self,
        size: Any = None,
        loc: Any = 0.0,
        scale: Any = 1.0,
        dtype: str | None = None,
    ) -> Variable:
        """Normal numbers of mean `loc` and standard deviation `scale`."""
        loc, scale = as_tensor(loc), as_tensor(scale)
        demand_not_negative(scale, "normal", "scale")
        dtype = float_dtype(dtype, loc, scale)
        sample = self._draw(
            "normal", dtype, draw_sizes(size, None, (loc, scale), "normal")
        )
        return located(sample, cast(loc, dtype), cast(scale, dtype))

    @remembered
    def truncated_normal(
        self,
        size: Any = None,
        loc: Any = 0.0,
        scale: Any = 1.0,
        lower: Any = -2.0,
        upper: Any = 2.0,
        dtype: str | None = None,
    ) -> Variable:
        """Normal numbers between `lower` and `upper` standard deviations from `loc`: the
        inverse of the distribution function at a uniform number.

        Beyond 38 deviations, where no number has a probability, the bound nearest to
        `loc` is drawn.
        """
        given = [as_tensor(v) for v in (loc, scale, lower, upper)]
        demand_not_negative(given[1], "truncated_normal", "scale")
        dtype = float_dtype(dtype, *given)
        sizes = draw_sizes(size, None, given, "truncated_normal")
        part = self._draw("uniform", "float64", sizes)
        loc, scale = cast(given[0], dtype), cast(given[1], dtype)
        lower, upper = cast(given[2], "float64"), cast(given[3], "float64")
        # What is above the middle is drawn mirrored: probabilities next to 0 keep digits.
        above = gt(lower, 0)
        far = switch(above, neg(upper), lower)
        near = switch(above, neg(lower), upper)
        begin, end = (erfc(mul(v, -(0.5**0.5))) for v in (far, near))
        place = mul(erfcinv(add(begin, mul(part, sub(end, begin)))), -(2**0.5))
        place = switch(isinf(place), near, minimum(maximum(place, far), near))
        return located(cast(switch(above, neg(place), place), dtype), loc, scale)

    @remembered
    def exponential(
        self, size: Any = None, scale: Any = 1.0, dtype: str | None = None
    ) -> Variable:
        """Exponential numbers of mean `scale`."""
        scale = as_tensor(scale)
        demand_not_negative(scale, "exponential", "scale")
        dtype = float_dtype(dtype, scale)
        sample = self._draw(
            "uniform", dtype, draw_sizes(size, None, (scale,), "exponential")
        )
        result: Variable = mul(neg(log1p(neg(sample))), cast(scale, dtype))
        return result

    @remembered
    def gumbel(
        self,
        size: Any = None,
        loc: Any = 0.0,
        scale: Any = 1.0,
        dtype: str | None = None,
    ) -> Variable:
        """Gumbel numbers: the limit of the largest of many."""
        loc, scale = as_tensor(loc), as_tensor(scale)
        demand_not_negative(scale, "gumbel", "scale")
        dtype = float_dtype(dtype, loc, scale)
        sample = self._draw(
            "uniform", dtype, draw_sizes(size, None, (loc, scale), "gumbel")
        )
        return located(
            neg(log(neg(log1p(neg(sample))))), cast(loc, dtype), cast(scale, dtype)
        )

    @remembered
    def gamma(
        self,
        size: Any = None,
        shape: Any = 1.0,
        scale: Any = 1.0,
        dtype: str | None = None,
    ) -> Variable:
        """Gamma numbers; no gradient with respect to `shape`."""
        shape, scale = as_tensor(shape), as_tensor(scale)
        demand_not_negative(shape, "gamma", "shape")
        demand_not_negative(scale, "gamma", "scale")
        dtype = float_dtype(dtype, shape, scale)
        sizes = draw_sizes(size, None, (shape, scale), "gamma")
        parameter = spread(shape, sizes, "float64")
        sample = self._variates("gamma", parameter, constant(np.array(0.0)), sizes)
        result: Variable = mul(cast(sample, dtype), cast(scale, dtype))
        return result

    # ---- counts

    @remembered
    def bernoulli(
        self, size: Any = None, p: Any = 0.5, dtype: str = "int64"
    ) -> Variable:
        """1 with probability `p`, else 0."""
        p = as_tensor(p)
        demand_probability(p, "bernoulli")
        kind = "float64" if p.type.dtype == "float64" else "float32"
        if getattr(p, "weak", False):
            kind = "float32" if config.floatX != "float64" else "float64"
        sample = self._draw("uniform", kind, draw_sizes(size, None, (p,), "bernoulli"))
        return cast(lt(sample, p), count_dtype(dtype))

    @remembered
    def binomial(
        self, size: Any = None, n: Any = 1, p: Any = 0.5, dtype: str = "int64"
    ) -> Variable:
        """How many of `n` trials succeed, each with probability `p`."""
        n, p = whole(n, "binomial", "n"), as_tensor(p)
        demand_not_negative(n, "binomial", "n")
        demand_probability(p, "binomial")
        if isinstance(n, Constant) and n.data.ndim == 0 and int(n.data) == 1:
            return self.bernoulli(size, p, dtype)
        sizes = draw_sizes(size, None, (n, p), "binomial")
        trials, chance = spread(n, sizes, "int64"), spread(p, sizes, "float64")
        sample = self._variates("binomial", trials, chance, sizes)
        return cast(sample, count_dtype(dtype))

    @remembered
    def poisson(
        self, size: Any = None, lam: Any = 1.0, dtype: str = "int64"
    ) -> Variable:
        """Counts of mean `lam`."""
        lam = as_tensor(lam)
        demand_not_negative(lam, "poisson", "lam")
        sizes = draw_sizes(size, None, (lam,), "poisson")
        mean = spread(lam, sizes, "float64")
        sample = self._variates("poisson", mean, constant(np.array(0.0)), sizes)
        return cast(sample, count_dtype(dtype))

    @remembered
    def integers(
        self, size: Any = None, low: Any = 0, high: Any = None, dtype: str = "int64"
    ) -> Variable:
        """Integers from `low` to `high` - 1; with one bound from 0 to it.

        Where `high` turns out not to be above `low`, `low` is drawn.
        """
        low, high = (0, low) if high is None else (low, high)
        low, high = whole(low, "integers", "low"), whole(high, "integers", "high")
        if isinstance(low, Constant) and isinstance(high, Constant):
            wide = sub(high, low)
            if not np.all(np.asarray(high.data) > np.asarray(low.data)):
                raise ValueError(
                    message(
                        f"integers: high must be above low, not {high.data} and {low.data}",
                        operands=[operand_text(low), operand_text(wide)],
                    )
                )
            ends = np.array([low.data.min(), high.data.max() - 1])
            if np.dtype(count_dtype(dtype)).kind in "biu" and np.any(
                ends.astype(dtype) != ends
            ):
                raise ValueError(
                    f"integers: from {low.data} to {high.data} - 1 they do not fit {dtype}"
                )
        sample = self._draw(
            "bits", "uint64", draw_sizes(size, None, (low, high), "integers")
        )
        found = scale_bits(sample, cast(low, "int64"), cast(high, "int64"))
        return cast(found, count_dtype(dtype))

    # ---- classes

    @remembered
    def categorical(
        self, p: Any = None, size: Any = None, logits: Any = None, dtype: str = "int64"
    ) -> Variable:
        """Class numbers: of the probabilities `p`, or of `logits`, logarithms of weights.

        Shapes: p (..., classes) -> size, or (...) without; p's leading axes broadcast.
        The largest of log p + Gumbel numbers, so weights need not sum to one.
        Source: Gumbel 1954, "Statistical theory of extreme values", section 4; the use for
        drawing classes is folklore.
        """
        if (p is None) == (logits is None):
            raise TypeError("categorical takes p or logits, one of them")
        if logits is None:
            chances = as_tensor(p)
            demand_not_negative(chances, "categorical", "p")
            weights = log(chances)
        else:
            weights = as_tensor(logits)
        weights = cast(weights, float_dtype(None, weights))
        if weights.type.ndim == 0:
            raise ValueError("categorical takes a vector of classes, not one number")
        *outer, classes = sizes_of(weights)
        if size is not None:
            outer = draw_sizes(size, None, (), "categorical")
            if len(outer) + 1 < weights.type.ndim:
                raise ValueError(
                    f"categorical: the size has {len(outer)} entries, the weights "
                    f"{weights.type.ndim - 1} axes before the classes"
                )
        noise = self.gumbel((*outer, classes), dtype=weights.type.dtype)
        return cast(argmax(add(weights, noise), axis=-1), count_dtype(dtype))

    @remembered
    def multinomial(self, n: Any = 1, p: Any = None, dtype: str = "int64") -> Variable:
        """How often each class is drawn in `n` draws.

        Shapes: p (classes,) or (rows, classes), n () -> that of p.  The last class takes
        what is missing to a sum of one.
        """
        if p is None:
            raise TypeError("multinomial needs the probabilities of the classes")
        p, n = as_tensor(p), whole(n, "multinomial", "n")
        demand_probability(p, "multinomial")
        demand_not_negative(n, "multinomial", "n")
        if p.type.ndim not in (1, 2) or n.type.ndim:
            raise ValueError(
                message(
                    "multinomial takes one number of draws, and a vector or matrix of "
                    "probabilities",
                    operands=[operand_text(n), operand_text(p)],
                )
            )
        rows = cast(shape_padleft(p) if p.type.ndim == 1 else p, "float64")
        uniform = self.uniform((mul(sizes_of(rows)[0], n),), dtype="float64")
        closed = set_subtensor(getitem(rows, (slice(None), -1)), 2.0)
        counts = PickFromUniform(True, False)(closed, uniform, n)
        counts = cast(counts, count_dtype(dtype))
        return getitem(counts, 0) if p.type.ndim == 1 else counts

    @remembered
    def choice(
        self,
        a: Any,
        size: Any = None,
        replace: bool = True,
        p: Any = None,
    ) -> Variable:
        """Elements of `a`, or with an integer `a` of 0 to a - 1, each with probability `p`
        (None: the same for all).

        Shapes: a () or (n, ...), p (n,) -> size + a's other axes.
        replace: whether an element may be drawn twice.
        Raises: ValueError where more are to be drawn than there are.
        """
        a = as_tensor(a)
        count = whole(a, "choice", "a") if a.type.ndim == 0 else sizes_of(a)[0]
        sizes = draw_sizes(() if size is None else size, None, (), "choice")
        places = self._places(count, sizes, replace, p)
        return places if a.type.ndim == 0 else take(a, places, axis=0)

    def _places(
        self, count: Variable, sizes: Sequence[Variable], replace: bool, p: Any
    ) -> Variable:
        """Positions below `count`."""
        wanted = total(sizes)
        if replace:
            if p is None:
                return self.integers(tuple(sizes), 0, count)
            return self.categorical(as_tensor(p, ndim=1), tuple(sizes))
        known = [int(v.data) for v in (count, wanted) if isinstance(v, Constant)]
        if len(known) == 2 and known[1] > known[0]:
            raise ValueError(
                f"choice: {known[1]} different ones of {known[0]} cannot be drawn; "
                "replace=True draws some twice"
            )
        if p is None:
            flat = getitem(self.permutation(count), slice(wanted))
        else:
            chances = as_tensor(p, ndim=1)
            demand_probability(chances, "choice")
            uniform = self.uniform((wanted,), dtype="float64")
            pick = PickFromUniform(False, False)
            flat = pick(shape_padleft(cast(chances, "float64")), uniform, wanted)[0]
            enough = Assert(
                "choice: fewer elements have a probability above 0 than are to be drawn, or "
                "their probabilities do not sum to 1",
                ValueError,
            )
            flat = enough(flat, all(ge(flat, 0)))
        return reshape(flat, tuple(sizes))

    @remembered
    def permutation(self, x: Any, size: Any = None) -> Variable:
        """The rows of `x` in random order; with an integer `x` the numbers 0 to x - 1.

        Shapes: x () -> size + (x,); an array -> itself, without size.
        """
        x = as_tensor(x)
        if x.type.ndim and size is not None:
            raise TypeError("permutation of an array takes no size")
        count = sizes_of(x)[0] if x.type.ndim else size_scalar(x, "permutation: x")
        outer = draw_sizes(() if size is None else size, None, (), "permutation")
        check_sizes([count], None, "permutation")
        nothing = constant(np.array(0, "int64"))
        order = self._variates("permutation", nothing, nothing, [*outer, count])
        return take(x, order, axis=0) if x.type.ndim else order

    @remembered
    def shuffle(self, x: Any) -> Variable:
        """The rows of the array `x` in random order (a new array: graphs are pure)."""
        x = as_tensor(x)
        if not x.type.ndim:
            raise TypeError(f"shuffle takes an array, not {operand_text(x)}")
        return self.permutation(x)
