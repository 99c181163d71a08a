"""`MRG_RandomStreams`: Theano's random numbers of many streams (see `ops.random.mrg`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.types import DTYPES
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.kernels.routines import M1, M2
from symnet.ops.arithmetic import add, log, mod, mul, sqrt, sub, true_div
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import gt, invert, lt, or_
from symnet.ops.elementwise import cast
from symnet.ops.functions import cos, sin
from symnet.ops.indexing import nonzero
from symnet.ops.joining import join
from symnet.ops.random.drawing import (
    advanced,
    demand_not_negative,
    demand_probability,
    draw_sizes,
    float_dtype,
    total,
)
from symnet.ops.random.mrg import (
    MRGUniform,
    PickFromUniform,
    States,
    advance,
    guess_n_streams,
    jump,
    spaced_states,
)
from symnet.ops.reshape import reshape
from symnet.ops.sizes import sizes_of
from symnet.shared import SharedVariable, shared

# The standard deviation of a normal variable cut off at two of its own.
TRUNCATED_DEVIATION = 0.87962566103423978


class MRG_RandomStreams:
    """Random numbers of MRG31k3p, as Theano draws them.

    Each draw has streams of its own, whose states are a shared variable that functions
    move on by themselves (`default_update`).

    seed: a number from 1 to M2 - 1, or six: three below M1 = 2147483647, three below
    M2 = 2147462579, neither three all 0.
    use_cuda: Theano's choice of a device; without effect.
    Raises: ValueError, TypeError for another seed.

    >>> streams = symnet.sandbox.rng_mrg.MRG_RandomStreams(seed=5)
    >>> draw = symnet.function([], streams.uniform((1000,)))
    >>> first, second = draw(), draw()
    >>> bool(0.45 < first.mean() < 0.55), bool((first == second).any())
    (True, False)
    """

    def __init__(self, seed: Any = 12345, use_cuda: bool | None = None) -> None:
        self.default_instance_seed = seed
        self.use_cuda = use_cuda
        self.state_updates: list[tuple[SharedVariable, Variable, Any, int | None]] = []
        self.set_rstate(seed)

    # ---- states

    def set_rstate(self, seed: Any) -> None:
        """Begin anew from a seed: the state of the next draw's first stream.

        Raises: ValueError for a seed out of range, TypeError for one that is neither an
        integer nor six.
        """
        if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
            if not 0 < seed < M2:
                raise ValueError(f"the seed is from 1 to {M2 - 1}, not {seed}")
            seed = [int(seed)] * 6
        numbers = list(seed) if isinstance(seed, (list, tuple, np.ndarray)) else []
        if len(numbers) != 6 or not all(
            isinstance(n, (int, np.integer)) for n in numbers
        ):
            raise TypeError(f"a seed is an integer or six integers, not {seed!r:.60}")
        for part, limit in ((numbers[:3], M1), (numbers[3:], M2)):
            if not any(part):
                raise ValueError(f"three numbers of the seed {numbers} are all 0")
            if not all(0 <= n < limit for n in part):
                raise ValueError(
                    f"the numbers {part} of the seed are not below {limit}"
                )
        self.rstate: States = np.array(numbers, np.int32)

    def inc_rstate(self) -> None:
        """Go 2**134 steps on, to the first stream of the next draw."""
        self.rstate = advance(self.rstate, jump(134))

    def get_substream_rstates(
        self, n_streams: int, dtype: str, inc_rstate: bool = True
    ) -> States:
        """The states of so many streams, 2**72 steps apart: int32 (n_streams, 6).

        dtype: of the numbers that will be drawn; without effect.
        """
        if n_streams < 1:
            raise ValueError(f"there is at least one stream, not {n_streams}")
        found = spaced_states(self.rstate, n_streams)
        if inc_rstate:
            self.inc_rstate()
        return found

    def n_streams(self, size: Any) -> int:
        """How many streams a draw of that size uses."""
        return guess_n_streams(size)

    def seed(self, seed: Any = None) -> None:
        """Begin all draws made so far anew, from `seed` or that of the beginning."""
        self.set_rstate(self.default_instance_seed if seed is None else seed)
        for state, following, size, nstreams in self.state_updates:
            count = self.n_streams(size) if nstreams is None else nstreams
            owner = following.owner
            assert owner is not None
            dtype = owner.outputs[1].type.dtype
            state.set_value(self.get_substream_rstates(count, dtype), borrow=True)

    def updates(self) -> list[tuple[SharedVariable, Variable, Any, int | None]]:
        """(states, states after the draw, size, number of streams asked for) of the draws."""
        return list(self.state_updates)

    def pretty_return(
        self,
        node_rstate: SharedVariable,
        new_rstate: Variable,
        sample: Variable,
        size: Any,
        nstreams: int | None,
    ) -> Variable:
        """`sample` with its states known to it, to `function` and to `seed`."""
        sample.rstate = node_rstate
        self.state_updates.append((node_rstate, new_rstate, size, nstreams))
        return advanced(sample, node_rstate, new_rstate)

    # ---- draws

    def _unit(
        self, sizes: Sequence[Variable], size: Any, dtype: str, nstreams: int | None
    ) -> Variable:
        """Numbers between 0 and 1.  size: as it was given, which decides on the streams."""
        count = self.n_streams(size) if nstreams is None else int(nstreams)
        state = shared(self.get_substream_rstates(count, dtype))
        following, sample = MRGUniform(dtype)(state, *sizes, return_list=True)
        return self.pretty_return(state, following, sample, size, nstreams)

    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Numbers between `low` and `high`, both excluded.

        Shapes: size, a tuple of integers and integer scalars, or an integer vector (of
        length `ndim`); without size that of low and high.
        Dtypes: `dtype`, or that of low and high, at least floatX.
        Raises: TypeError for another size or dtype; ValueError for a negative size.
        """
        refuse(kwargs, "uniform")
        low, high = as_tensor(low), as_tensor(high)
        dtype = float_dtype(dtype, low, high)
        sizes = draw_sizes(size, ndim, (low, high), "uniform")
        sample = self._unit(sizes, size, dtype, nstreams)
        if is_number(low, 0) and is_number(high, 1):
            return sample
        low, high = cast(low, dtype), cast(high, dtype)
        result = add(mul(sample, sub(high, low)), low)
        return keep_shape(result, sample, "uniform")

    def binomial(
        self,
        size: Any = None,
        n: int = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: str = "int64",
        nstreams: int | None = None,
        prob: Any = None,
        **kwargs: Any,
    ) -> Variable:
        """How many of `n` trials succeed, each with probability `p`.

        Shapes: as `uniform`.  Raises: ValueError for a p known not to be a probability;
        NotImplementedError for another n than 1, as Theano.
        """
        refuse(kwargs, "binomial")
        if not isinstance(n, (int, np.integer)) or n != 1:
            raise NotImplementedError(
                "MRG_RandomStreams.binomial is for n = 1: add draws up for more, or take "
                "shared_randomstreams.RandomStreams"
            )
        p = as_tensor(p if prob is None else prob)
        demand_probability(p, "binomial")
        sizes = draw_sizes(size, ndim, (p,), "binomial")
        sample = self._unit(sizes, size, config.floatX, nstreams)
        return keep_shape(cast(lt(sample, p), dtype), sample, "binomial")

    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: int | None = None,
        truncate: bool = False,
        **kwargs: Any,
    ) -> Variable:
        """Normal numbers of mean `avg` and standard deviation `std`.

        The first half of the uniform numbers gives the radii, the second the angles; all
        cosines come before all sines.
        truncate: draw again, once, what is further than two deviations from the mean.
        Shapes, dtypes: as `uniform`.  Raises: ValueError for a deviation known to be
        negative.
        Source: Box and Muller, "A note on the generation of random normal deviates",
        Annals of Mathematical Statistics 29 (1958).
        """
        refuse(kwargs, "normal")
        avg, std = as_tensor(avg), as_tensor(std)
        demand_not_negative(std, "normal", "std")
        dtype = float_dtype(dtype, avg, std)
        sizes = draw_sizes(size, ndim, (avg, std), "normal")
        count = total(sizes)
        even = add(count, mod(count, 2))
        uniform = self._unit([even], (even,), dtype, nstreams)
        half = even // 2
        radius = sqrt(mul(log(uniform[:half]), -2.0))
        angle = mul(uniform[half:], constant(np.array(2 * math.pi, dtype)))
        if truncate:
            flat = self._truncated(radius, cos(angle), sin(angle), dtype, nstreams)
        else:
            flat = join(0, mul(radius, cos(angle)), mul(radius, sin(angle)))
        sample = reshape(flat[:count], tuple(sizes))
        if is_number(avg, 0) and is_number(std, 1):
            return sample
        result = add(mul(sample, cast(std, dtype)), cast(avg, dtype))
        return keep_shape(result, sample, "normal")

    def _truncated(
        self,
        radius: Variable,
        cosine: Variable,
        sine: Variable,
        dtype: str,
        nstreams: int | None,
    ) -> Variable:
        """Those within two deviations, then others at the same angles for the rest: of
        the cosines first, then of the sines."""
        kept, places = [], []
        for part in (cosine, sine):
            z = mul(radius, part)
            outside = or_(lt(z, -2.0), gt(z, 2.0))
            kept.append(z[nonzero(invert(outside))])
            places.append(nonzero(outside)[0])
        first, second = (sizes_of(p)[0] for p in places)
        count = add(first, second)
        low = constant(np.array(1 / math.e**2, dtype))
        unit = self._unit([count], (count,), dtype, nstreams)
        fresh = sqrt(mul(log(add(mul(unit, sub(cast(1.0, dtype), low)), low)), -2.0))
        return join(
            0,
            kept[0],
            mul(fresh[:first], cosine[places[0]]),
            kept[1],
            mul(fresh[first:], sine[places[1]]),
        )

    def truncated_normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Normal numbers cut off symmetrically, so that their deviation is `std`."""
        std = as_tensor(std)
        demand_not_negative(std, "truncated_normal", "std")
        wider = true_div(std, TRUNCATED_DEVIATION)
        return self.normal(size, avg, wider, ndim, dtype, nstreams, True, **kwargs)

    def multinomial(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: str = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Variable:
        """How often each class is drawn in `n` draws.

        Shapes: pvals (rows, classes), the probabilities -> the same.
        Raises: TypeError, ValueError for what Theano does not take: no pvals, a size.
        """
        chances, uniform = self._rows(
            "multinomial", size, n, pvals, ndim, nstreams, kwargs
        )
        pick = PickFromUniform(True, chances.type.dtype == "float32")
        return cast(pick(chances, uniform, n), own_dtype(dtype, chances))

    def choice(
        self,
        size: Any = 1,
        a: Any = None,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: str = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Variable:
        """The classes of `size` draws, none twice (replace=False, as Theano).

        Shapes: p (rows, classes), the probabilities -> (rows, size).
        Raises: NotImplementedError with replace; TypeError for another `a` than None.
        """
        if replace or a is not None:
            raise (NotImplementedError if replace else TypeError)(
                "MRG_RandomStreams.choice draws class numbers without replacement: "
                "replace=False, a=None; symnet.random has the others"
            )
        chances, uniform = self._rows("choice", None, size, p, ndim, nstreams, kwargs)
        pick = PickFromUniform(False, chances.type.dtype == "float32")
        return cast(pick(chances, uniform, size), own_dtype(dtype, chances))

    def multinomial_wo_replacement(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: str = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Variable:
        """`choice` by its old name."""
        warnings.warn(
            "multinomial_wo_replacement is choice(size=n, p=pvals, replace=False) now",
            DeprecationWarning,
            stacklevel=2,
        )
        if size is not None:
            raise ValueError("multinomial_wo_replacement takes n, not a size")
        return self.choice(n, None, False, pvals, ndim, dtype, nstreams, **kwargs)

    def _rows(
        self,
        name: str,
        size: Any,
        draws: Any,
        chances: Any,
        ndim: int | None,
        nstreams: int | None,
        kwargs: dict[str, Any],
    ) -> tuple[Variable, Variable]:
        """Probabilities of classes, and the uniform numbers of so many draws of each row."""
        refuse(kwargs, name)
        if chances is None:
            raise TypeError(f"{name} needs the probabilities of the classes")
        if size is not None or ndim is not None:
            raise ValueError(f"{name} draws for each row of the probabilities: no size")
        chances = as_tensor(chances)
        if chances.type.ndim != 2:
            raise NotImplementedError(
                message(
                    f"MRG_RandomStreams.{name} is for a matrix of probabilities",
                    operands=[operand_text(chances)],
                    cure="make it two-dimensional, with one row a distribution",
                )
            )
        if isinstance(draws, (int, np.integer)) and draws < 1:
            raise ValueError(f"{name}: at least one draw, not {draws}")
        count = mul(sizes_of(chances)[0], draws)
        return chances, self._unit([count], (count,), config.floatX, nstreams)


def own_dtype(dtype: str, chances: Variable) -> str:
    """The dtype of counts: "auto" is that of the probabilities."""
    if dtype == "auto":
        return str(chances.type.dtype)
    if dtype not in (*DTYPES, "floatX"):
        raise TypeError(f"no dtype {dtype!r}: there are {', '.join(DTYPES)}")
    return dtype


def refuse(keywords: dict[str, Any], name: str) -> None:
    """Theano's `target` says where states lie; there are no other keywords."""
    others = sorted(set(keywords) - {"target"})
    if others:
        raise TypeError(f"{name}() takes no keyword {', '.join(others)}")


def is_number(variable: Variable, number: float) -> bool:
    """Whether a parameter is that Python number."""
    return (
        isinstance(variable, Constant)
        and variable.type.ndim == 0
        and float(variable.data) == number
        and not (number == 0 and np.signbit(variable.data))
    )


def keep_shape(result: Variable, sample: Variable, name: str) -> Variable:
    """`result`, which must have the broadcast pattern of what was drawn.

    Raises: ValueError where parameters stretch it: the same number would be used twice.
    """
    if result.type.broadcastable != sample.type.broadcastable:
        raise ValueError(
            message(
                f"{name}: the parameters have more elements than numbers are drawn",
                operands=[operand_text(sample), operand_text(result)],
                cure="give the size that the result is to have",
            )
        )
    return result


__all__ = ["MRG_RandomStreams", "guess_n_streams"]
