"""Theano's `raw_random` and `RandomStreams`: NumPy's numbers for NumPy's seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.arithmetic import mul, sub, switch, true_div
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import and_, gt, lt, or_
from symnet.ops.cumulative import cumsum
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, take
from symnet.ops.picks import take_along_axis
from symnet.ops.random.drawing import (
    advanced,
    common_sizes,
    demand,
    demand_not_negative,
    demand_probability,
    draw_sizes,
    float_dtype,
    spread,
    total,
)
from symnet.ops.random.random_state import (
    ChoiceWithout,
    RandomState,
    StateDraw,
    randomstate_constructor,
)
from symnet.ops.reduce import sum
from symnet.ops.reshape import reshape
from symnet.ops.shape import shape_padright
from symnet.ops.sizes import size_scalar, size_vector, sizes_of
from symnet.shared import SharedVariable

Drawn = list[Variable]  # the new state, the numbers


def uniform(
    random_state: Any,
    size: Any = None,
    low: Any = 0.0,
    high: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Drawn:
    """Numbers from `low` to `high`: [new state, numbers].

    Shapes (of all functions here): size, where -1 takes the size of the parameters along
    that axis; without size that of the parameters, broadcast.
    Dtypes: `dtype`, or that of the parameters, at least floatX.  Drawn as float64.
    Raises: TypeError, ValueError for another size, rank or dtype.
    """
    low, high = as_tensor(low), as_tensor(high)
    dtype = float_dtype(dtype, low, high)
    sizes = all_sizes(size, ndim, (low, high), "uniform")
    return draw("uniform", random_state, sizes, (low, high), ("float64",) * 2, dtype)


def normal(
    random_state: Any,
    size: Any = None,
    avg: Any = 0.0,
    std: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Drawn:
    """Normal numbers of mean `avg` and deviation `std`.  See `uniform`."""
    avg, std = as_tensor(avg), as_tensor(std)
    demand_not_negative(std, "normal", "std")
    dtype = float_dtype(dtype, avg, std)
    sizes = all_sizes(size, ndim, (avg, std), "normal")
    return draw("normal", random_state, sizes, (avg, std), ("float64",) * 2, dtype)


def binomial(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    p: Any = 0.5,
    ndim: int | None = None,
    dtype: str = "int64",
    prob: Any = None,
) -> Drawn:
    """How many of `n` trials succeed, each with probability `p` (of old `prob`)."""
    if prob is not None:
        warnings.warn(
            "binomial: prob is called p now", DeprecationWarning, stacklevel=2
        )
        p = prob
    n, p = as_tensor(n), as_tensor(p)
    demand_not_negative(n, "binomial", "n")
    demand_probability(p, "binomial")
    sizes = all_sizes(size, ndim, (n, p), "binomial")
    return draw("binomial", random_state, sizes, (n, p), ("int64", "float64"), dtype)


def random_integers(
    random_state: Any,
    size: Any = None,
    low: Any = 0,
    high: Any = 1,
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """Integers from `low` to `high`, both included."""
    low, high = as_tensor(low), as_tensor(high)
    if isinstance(low, Constant):
        least = low.data
        demand(
            high,
            lambda v: np.all(v >= least),
            "random_integers",
            "at least low",
            "high",
        )
    sizes = all_sizes(size, ndim, (low, high), "random_integers")
    return draw("integers", random_state, sizes, (low, high), ("int64",) * 2, dtype)


def poisson(
    random_state: Any,
    size: Any = None,
    lam: Any = 1.0,
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """Counts of mean `lam`."""
    lam = as_tensor(lam)
    demand_not_negative(lam, "poisson", "lam")
    sizes = all_sizes(size, ndim, (lam,), "poisson")
    nothing = as_tensor(0.0)
    return draw("poisson", random_state, sizes, (lam, nothing), ("float64",) * 2, dtype)


def permutation(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """Permutations of 0 to n - 1, as many as `size` says: shape size + (n,)."""
    if size is None or (isinstance(size, (tuple, list)) and not size):
        if ndim not in (None, 0, 1):
            raise TypeError(f"one permutation has one axis; ndim={ndim} asks for more")
        outer: list[Variable] = []
    else:
        outer = all_sizes(size, ndim, (), "permutation")
    count = size_scalar(n, "permutation: n")
    demand_not_negative(count, "permutation", "n")
    nothing = constant(np.array(0, "int64"))
    shuffle = StateDraw("permutation")
    state, sample = shuffle(
        random_state, nothing, nothing, *outer, count, return_list=True
    )
    return [state, cast(sample, dtype)]


def multinomial(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    pvals: Any = (0.5, 0.5),
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """How often each class is drawn in `n` draws.

    Shapes: pvals (..., classes) -> size + (classes,); without size that of n and of the
    axes of pvals before the classes.
    As in Theano, probabilities whose sum is a little above one, or whose last one is all
    but zero, are made smaller by 5e-5, so that rounding errors do no harm.
    """
    n, pvals = as_tensor(n), as_tensor([0.5, 0.5] if pvals is None else pvals)
    if pvals.type.ndim == 0:
        raise ValueError("multinomial: pvals is an array of the classes' probabilities")
    demand_not_negative(n, "multinomial", "n")
    demand_probability(pvals, "multinomial", "pvals")
    one_class = pvals[..., 0]
    outer = all_sizes(size, ndim, (n, one_class), "multinomial")
    whole = sum(pvals, axis=-1, keepdims=True)
    over = and_(gt(whole, 1.0), lt(whole, 1.0 + 1e-5))
    careful = or_(over, shape_padright(lt(pvals[..., -1], 5e-5)))
    chances = cast(
        mul(pvals, switch(careful, cast(1.0 - 5e-5, pvals.type.dtype), 1)), "float64"
    )
    sizes = [*outer, sizes_of(pvals)[-1]]
    trials = spread(n, outer, "int64")
    if pvals.type.ndim > 1:
        chances = spread(chances, sizes, "float64")
    share_out = StateDraw("multinomial")
    state, sample = share_out(random_state, trials, chances, *sizes, return_list=True)
    return [state, cast(sample, dtype)]


def choice(
    random_state: Any,
    size: Any = None,
    a: Any = 2,
    replace: Any = True,
    p: Any = None,
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """Elements of the vector `a`, or of 0 to a - 1; without size one of them.

    p: their probabilities; replace: whether one may be drawn twice.
    Raises: TypeError for a `replace` that is not known; ValueError for another rank.
    """
    a, replace = as_tensor(a), as_tensor(replace, truth=True)
    if not isinstance(replace, Constant) or replace.type.ndim:
        raise TypeError(
            f"choice: replace is True or False, not {operand_text(replace)}"
        )
    if a.type.ndim > 1:
        raise ValueError(f"choice: a is an integer or a vector, not {operand_text(a)}")
    count = size_scalar(a, "choice: a") if a.type.ndim == 0 else sizes_of(a)[0]
    sizes = all_sizes(() if size is None else size, ndim, (), "choice")
    none = p is None or (isinstance(p, (bool, int, float)) and not p)
    chances = None if none else as_tensor(p)  # 0 is none, as in Theano
    if chances is not None and chances.type.shape == (0,):
        chances = None
    state, places = pick(random_state, count, sizes, bool(replace.data), chances)
    found = places if a.type.ndim == 0 else take(a, places)
    return [state, cast(found, dtype)]


def pick(
    random_state: Any,
    count: Variable,
    sizes: Sequence[Variable],
    replace: bool,
    chances: Variable | None,
) -> Drawn:
    """Numbers below `count`."""
    nothing = constant(np.array(0, "int64"))
    if chances is not None:
        if chances.type.ndim != 1:
            raise ValueError(f"choice: p is a vector, not {operand_text(chances)}")
        demand_probability(chances, "choice")
        close = lambda v: abs(float(np.sum(v)) - 1) < 1e-6  # noqa: E731
        demand(chances, close, "choice", "probabilities with a sum of 1", "p")
    if replace and chances is None:
        last = sub(count, 1)
        return StateDraw("integers")(
            random_state, nothing, last, *sizes, return_list=True
        )
    if replace:
        assert chances is not None
        sums = cumsum(cast(chances, "float64"))
        share = true_div(sums, getitem(sums, -1))
        return StateDraw("search")(
            random_state, share, nothing, *sizes, return_list=True
        )
    if chances is not None:
        return ChoiceWithout()(random_state, count, chances, *sizes, return_list=True)
    shuffle = StateDraw("permutation")
    state, order = shuffle(random_state, nothing, nothing, count, return_list=True)
    return [state, reshape(order[: total(sizes)], tuple(sizes))]


def draw(
    kind: str,
    random_state: Any,
    sizes: Sequence[Variable],
    parameters: tuple[Variable, Variable],
    dtypes: tuple[str, str],
    dtype: str,
) -> Drawn:
    first, second = (
        spread(whole_number(v, kind) if kept == "int64" else v, sizes, kept)
        for v, kept in zip(parameters, dtypes, strict=True)
    )
    draws = StateDraw(kind)
    state, sample = draws(random_state, first, second, *sizes, return_list=True)
    return [state, cast(sample, dtype)]


def whole_number(variable: Variable, kind: str) -> Variable:
    """A parameter that counts.  Raises: TypeError for a float with a fraction."""
    data = variable.data if isinstance(variable, Constant) else None
    if variable.type.dtype.startswith("complex") or (
        data is not None and not np.all(np.asarray(data) == np.trunc(data))
    ):
        raise TypeError(f"{kind}: an integer is needed, not {operand_text(variable)}")
    return variable


def all_sizes(
    size: Any, ndim: int | None, parameters: Sequence[Variable], operation: str
) -> list[Variable]:
    """The shape of a draw; -1 in a tuple stands for the parameters' size there."""
    if size is None and not parameters:
        raise TypeError(f"{operation} needs a size")
    if isinstance(size, (tuple, list)) and any(
        isinstance(n, (int, np.integer)) and n == -1 for n in size
    ):
        own = common_sizes(parameters)
        missing = len(size) - len(own)
        if any(n == -1 for n in size[:missing] if isinstance(n, (int, np.integer))):
            raise ValueError(
                f"{operation}: -1 in the size {size} meets no axis of the parameters"
            )
        size = [
            own[k - missing] if isinstance(n, (int, np.integer)) and n == -1 else n
            for k, n in enumerate(size)
        ]
    return draw_sizes(size, ndim, parameters, operation)


def infer_ndim_bcast(
    ndim: int | None, shape: Any, *args: Any
) -> tuple[int, Variable, tuple[bool, ...]]:
    """Rank, shape (an int64 vector) and broadcast pattern of a draw of the size `shape`
    (None: that of the parameters `args`): for users' own draws, see `RandomFunction`.

    Raises: as `uniform`.
    """
    sizes = all_sizes(shape, ndim, [as_tensor(one) for one in args], "a draw")
    known = tuple(isinstance(one, Constant) and int(one.data) == 1 for one in sizes)
    return len(sizes), size_vector(sizes), known


class RandomStreams:
    """Random numbers of NumPy's `RandomState`, as Theano draws them.

    Each draw has a generator of its own, whose seed comes from one seeded with `seed`; its
    state is a shared variable that functions move on by themselves.  A draw remembers it:
    `numbers.rng.get_value()` is a `RandomState`, `set_value` puts one back.

    >>> streams = T.shared_randomstreams.RandomStreams(seed=5)
    >>> draw = symnet.function([], streams.uniform((1000,)))
    >>> first, second = draw(), draw()
    >>> bool(0.45 < first.mean() < 0.55), bool((first == second).any())
    (True, False)
    """

    def __init__(self, seed: Any = None) -> None:
        self.state_updates: list[tuple[SharedVariable, Variable]] = []
        self.default_instance_seed = seed
        self.gen_seedgen = RandomState(seed)

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """(state, state after the draw) of all draws so far."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Seed the generators of all draws anew, from `seed` or that of the beginning."""
        source = RandomState(self.default_instance_seed if seed is None else seed)
        for state, _ in self.state_updates:
            state.set_value(RandomState(int(source.randint(2**30))), borrow=True)

    def _state_of(self, item: Any) -> SharedVariable:
        for state, following in self.state_updates:
            if item is state or item is following:
                return state
        raise KeyError(item)

    def __getitem__(self, item: Any) -> RandomState:
        """The generator of a draw, by its state or its next state."""
        found: RandomState = self._state_of(item).get_value(borrow=True)
        return found

    def __setitem__(self, item: Any, val: RandomState) -> None:
        """Give a draw the state of another generator."""
        self._state_of(item).set_value(val, borrow=True)

    def gen(self, op: Callable[..., Drawn], *args: Any, **kwargs: Any) -> Variable:
        """What `op(state, *args, **kwargs)` draws, from a generator of its own."""
        state = randomstate_constructor(
            RandomState(int(self.gen_seedgen.randint(2**30)))
        )
        following, sample = op(state, *args, **kwargs)
        sample.rng = state
        self.state_updates.append((state, following))
        return advanced(sample, state, following)

    def uniform(
        self, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: int | None = None,
        dtype: str | None = None,
    ) -> Variable:  # fmt: skip
        return self.gen(uniform, size, low, high, ndim=ndim, dtype=dtype)

    def normal(
        self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: int | None = None,
        dtype: str | None = None,
    ) -> Variable:  # fmt: skip
        return self.gen(normal, size, avg, std, ndim=ndim, dtype=dtype)

    def binomial(
        self, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: int | None = None,
        dtype: str = "int64", prob: Any = None,
    ) -> Variable:  # fmt: skip
        return self.gen(binomial, size, n, p, ndim=ndim, dtype=dtype, prob=prob)

    def random_integers(
        self, size: Any = None, low: Any = 0, high: Any = 1, ndim: int | None = None,
        dtype: str = "int64",
    ) -> Variable:  # fmt: skip
        return self.gen(random_integers, size, low, high, ndim=ndim, dtype=dtype)

    def choice(
        self, size: Any = None, a: Any = 2, replace: Any = True, p: Any = None,
        ndim: int | None = None, dtype: str = "int64",
    ) -> Variable:  # fmt: skip
        return self.gen(choice, size, a, replace, p, ndim=ndim, dtype=dtype)

    def poisson(
        self,
        size: Any = None,
        lam: Any = 1.0,
        ndim: int | None = None,
        dtype: str = "int64",
    ) -> Variable:
        lam = 1.0 if lam is None else lam
        return self.gen(poisson, size, lam, ndim=ndim, dtype=dtype)

    def permutation(
        self,
        size: Any = None,
        n: Any = 1,
        ndim: int | None = None,
        dtype: str = "int64",
    ) -> Variable:
        return self.gen(permutation, size, n, ndim=ndim, dtype=dtype)

    def multinomial(
        self, size: Any = None, n: Any = 1, pvals: Any = None, ndim: int | None = None,
        dtype: str = "int64",
    ) -> Variable:  # fmt: skip
        return self.gen(multinomial, size, n, pvals, ndim=ndim, dtype=dtype)

    def shuffle_row_elements(self, input: Any) -> Variable:
        """Each row (last axis) of an array in a random order of its own; the orders are
        the result's `permutation`."""
        rows = as_tensor(input)
        *outer, count = sizes_of(rows)
        order = self.permutation(size=tuple(outer), n=count)
        shuffled = take_along_axis(rows, order, axis=-1)
        shuffled.permutation = order
        return shuffled


__all__ = ["RandomStreams"]
