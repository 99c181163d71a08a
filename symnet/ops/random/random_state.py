"""NumPy's `RandomState` in arrays: its state as a value of graphs, and draws from it.

The numbers are NumPy's for the same state, one after another.  Most distributions are
native calls; what is not says so in a profile: choice without replacement by probabilities,
and `RandomFunction` with a function of the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.kernels.routines import (
    GAUSS,
    HAS_GAUSS,
    ROWS,
    TWISTER_WORDS,
    NumpyDistribution,
)
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.random.drawing import Draw, concrete_sizes, required_sizes, static_shape
from symnet.ops.sizes import size_scalar, size_vector
from symnet.shared import SharedVariable

RandomState = np.random.RandomState
FLOATING = ("uniform", "normal")


def pack_state(state: RandomState) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The state of a generator as 628 uint32: see `kernels.routines`.

    Raises: TypeError for another bit generator than the Mersenne Twister.
    """
    given: Any = state.get_state(legacy=False)
    if given["bit_generator"] != "MT19937":
        raise TypeError(
            f"a RandomState of {given['bit_generator']}: only MT19937 has such a state"
        )
    words = np.zeros(TWISTER_WORDS, np.uint32)
    words[:624], words[624] = given["state"]["key"], given["state"]["pos"]
    words[HAS_GAUSS] = given["has_gauss"]
    words[GAUSS:].view(np.float64)[0] = given["gauss"]
    return words


def unpack_state(words: Any) -> RandomState:
    """A generator with that state."""
    words = np.ascontiguousarray(words, np.uint32)
    kept = float(words[GAUSS:].copy().view(np.float64)[0])
    state = RandomState(0)
    state.set_state(
        ("MT19937", words[:624], int(words[624]), int(words[HAS_GAUSS]), kept)
    )
    return state


class RandomStateType(TensorType):
    """The type of a generator's state: a vector of 628 uint32, made from a `RandomState`
    where one is given."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("uint32", (TWISTER_WORDS,))

    def __reduce__(self) -> tuple[Any, ...]:
        return RandomStateType, ()

    def __repr__(self) -> str:
        return "RandomStateType"

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Any:
        if isinstance(value, RandomState):
            return pack_state(value)
        return super().filter(value, strict, allow_downcast)

    def shown(self, value: Any) -> RandomState:
        """A generator of the user's own, with that state."""
        return unpack_state(value)

    def is_valid_value(self, value: Any) -> bool:
        return isinstance(value, RandomState)


random_state_type = RandomStateType()


class RandomStateSharedVariable(SharedVariable):
    """A shared variable that holds a generator's state and shows it as `RandomState`.

    >>> streams = T.shared_randomstreams.RandomStreams(seed=5)
    >>> numbers = streams.uniform((3,))
    >>> isinstance(numbers.rng, T.shared_randomstreams.RandomStateSharedVariable)
    True
    >>> type(numbers.rng.get_value())
    <class 'numpy.random.mtrand.RandomState'>
    """

    __slots__ = ()

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> Any:
        """A `RandomState` of its own with the present state: `set_value` puts it back."""
        return unpack_state(super().get_value())

    def clone(self, name: str | None = None) -> Variable:
        return RandomStateSharedVariable(self.type, self.store, name or self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        _, made, state = super().__reduce__()
        return RandomStateSharedVariable, made, state


def randomstate_constructor(
    value: RandomState,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
) -> RandomStateSharedVariable:
    """A shared variable with the state of a `RandomState` (the object stays its owner's)."""
    return RandomStateSharedVariable(
        random_state_type, pack_state(value), name, strict, allow_downcast
    )


def as_state(value: Any) -> Variable:
    """A generator's state as a variable.  Raises: TypeError for what is none."""
    if isinstance(value, RandomState):
        value = pack_state(value)
    state = as_tensor(value)
    if state.type.dtype != "uint32" or state.type.ndim != 1:
        raise TypeError(
            message(
                f"{operand_text(state)} is no state of a RandomState",
                cure="give shared(numpy.random.RandomState(seed)) or a variable of "
                "raw_random.random_state_type()",
            )
        )
    return state


# ---- draws


METHODS = {"integers": "randint", "search": "choice"}  # others have the kind's name


class StateDraw(Draw):
    """Numbers of one distribution from the state of a `RandomState`.

    The parameters of each kind: "uniform" low, high; "normal" mean, deviation; "binomial"
    trials, probability; "poisson" mean, -; "integers" lowest, highest; "permutation" -, -;
    "multinomial" trials, probabilities of the classes; "search" sums of probabilities
    (ascending to 1), -: the class in which a uniform number falls.
    Shapes: state (628,), parameters () or that of what is drawn (probabilities (classes,)
    or (..., classes), sums (classes,)), sizes () ... -> (628,), (*sizes); the last size is
    that of a row for "permutation" and "multinomial".
    Dtypes: state uint32; parameters float64, counts int64; results float64 or int64.
    Raises: ValueError for parameters that the distribution does not have.
    """

    __props__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def fn(self) -> Any:
        """The method of `RandomState` that draws these numbers."""
        return getattr(RandomState, METHODS.get(self.kind, self.kind))

    @property
    def refusal(self) -> str:
        return f"{self.kind}: {REFUSALS[self.kind]}"

    def make_node(self, state: Any, first: Any, second: Any, *sizes: Any) -> Apply:
        state = as_state(state)
        scalars = [size_scalar(s, "a size") for s in sizes]
        dtype = "float64" if self.kind in FLOATING else "int64"
        sample = make_variable(TensorType(dtype, static_shape(scalars)))
        inputs = [state, as_tensor(first), as_tensor(second), *scalars]
        return Apply(self, inputs, [make_variable(random_state_type), sample])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        found = required_sizes(node.inputs[3:], sizes)
        words = views.size(TWISTER_WORDS)
        sizes.equal(inputs[0][0], words, "the numbers of a state")
        self._check(inputs[1], inputs[2], found, sizes)
        return [(words,), found]

    def _check(
        self,
        first: tuple[Size, ...],
        second: tuple[Size, ...],
        found: tuple[Size, ...],
        sizes: Sizes,
    ) -> None:
        outer = found[:-1] if self.kind in ROWS else found
        pairs = [] if self.kind == "search" else [(first, outer)]
        if self.kind == "multinomial":
            pairs.append((second, found if len(second) > 1 else found[-1:]))
        else:
            pairs.append((second, outer))
        for shape, whole in pairs:
            for axis, one in enumerate(shape):
                sizes.equal(one, whole[axis], f"axis {axis} of a parameter")

    def lowering(self, node: Apply) -> Lowering:
        draw = NumpyDistribution(self.kind, "twister")
        return CallOf(draw, reads=(0, 1, 2), initial=0, refusal=self.refusal)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        state, shape = unpack_state(arrays[0]), concrete_sizes(arrays[3:])
        first, second = np.asarray(arrays[1]), np.asarray(arrays[2])
        result = REFERENCES[self.kind](state, first, second, shape)
        kind = node.outputs[1].type.dtype
        return [xp.asarray(pack_state(state)), xp.asarray(np.asarray(result, kind))]


def _permutations(state: RandomState, _: Any, __: Any, shape: tuple[int, ...]) -> Any:
    result = np.empty(shape, np.int64)
    for place in np.ndindex(*shape[:-1]):
        result[place] = state.permutation(shape[-1])
    return result


def _multinomials(
    state: RandomState, trials: Any, chances: Any, shape: tuple[int, ...]
) -> Any:
    result = np.empty(shape, np.int64)
    trials, chances = (
        np.broadcast_to(trials, shape[:-1]),
        np.broadcast_to(chances, shape),
    )
    for place in np.ndindex(*shape[:-1]):
        result[place] = state.multinomial(int(trials[place]), chances[place])
    return result


def _integers(state: RandomState, low: Any, high: Any, shape: tuple[int, ...]) -> Any:
    result = np.empty(shape, np.int64)
    low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    for place in np.ndindex(*shape):
        result[place] = state.randint(low[place], high[place] + 1, dtype=np.int64)
    return result


REFERENCES: dict[str, Callable[..., Any]] = {
    "uniform": lambda state, low, high, shape: state.uniform(low, high, shape),
    "normal": lambda state, mean, deviation, shape: state.normal(
        mean, deviation, shape
    ),
    "binomial": lambda state, trials, p, shape: state.binomial(trials, p, shape),
    "poisson": lambda state, mean, _, shape: state.poisson(mean, shape),
    "integers": _integers,
    "permutation": _permutations,
    "multinomial": _multinomials,
    "search": lambda state, sums, _, shape: np.minimum(
        sums.searchsorted(state.random_sample(shape), side="right"), len(sums)
    ),
}
REFUSALS = {
    "uniform": "the bounds are numbers",
    "normal": "a standard deviation is negative",
    "binomial": "trials are at least 0, probabilities from 0 to 1",
    "poisson": "a mean is negative, too large or no number",
    "integers": "the highest is below the lowest",
    "permutation": "a row is not negative",
    "multinomial": "trials are at least 0, probabilities from 0 to 1 with a sum of 1",
    "search": "sums of probabilities ascend",
}


class RandomFunction(Draw):
    """A draw by a method of `RandomState`, or by a function (state, *parameters, size).

    Runs as a reference step.  Shapes: state (628,), size (rank,), parameters -> (628,),
    and an array of type `outtype` of the size, with `ndim_added` axes behind it.
    Raises: ValueError where the function returns another rank than that of `outtype`.
    """

    __props__ = ("fn", "outtype", "ndim_added")
    default_output = None

    def __init__(
        self, fn: Any, outtype: TensorType, inplace: bool = False, ndim_added: int = 0
    ) -> None:
        """inplace: Theano's flag, without effect."""
        self.fn, self.outtype, self.ndim_added = fn, outtype, ndim_added
        self.inplace = bool(inplace)
        if isinstance(fn, str) and not hasattr(RandomState, fn):
            raise TypeError(f"RandomState has no method {fn!r}")

    def make_node(self, r: Any, shape: Any, *args: Any) -> Apply:
        inputs = [as_state(r), size_vector(shape), *map(as_tensor, args)]
        outputs = [make_variable(random_state_type), make_variable(self.outtype)]
        return Apply(self, inputs, outputs)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        state = unpack_state(arrays[0])
        size = tuple(map(int, arrays[1])) or None
        draw = getattr(RandomState, self.fn) if isinstance(self.fn, str) else self.fn
        drawn = np.asarray(draw(state, *arrays[2:], size))
        if size is None and drawn.ndim == 0:
            drawn = drawn.reshape((1,) * self.outtype.ndim)
        if drawn.ndim != self.outtype.ndim:
            raise ValueError(
                f"{self.fn} returned an array of rank {drawn.ndim}, not "
                f"{self.outtype.ndim} as {self.outtype} has"
            )
        result = drawn.astype(self.outtype.dtype)
        return [xp.asarray(pack_state(state)), xp.asarray(result)]


class ChoiceWithout(Draw):
    """Different numbers below `count`, each with its probability, as NumPy draws them
    (again and again until they differ): a reference step.

    Shapes: state (628,), count (), probabilities (count,), sizes () ... -> (628,), sizes.
    """

    __props__ = ()

    def make_node(self, state: Any, count: Any, chances: Any, *sizes: Any) -> Apply:
        scalars = [size_scalar(s, "a size") for s in sizes]
        sample = make_variable(TensorType("int64", static_shape(scalars)))
        inputs = [as_state(state), as_tensor(count), cast(chances, "float64"), *scalars]
        return Apply(self, inputs, [make_variable(random_state_type), sample])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        state, shape = unpack_state(arrays[0]), concrete_sizes(arrays[3:])
        found = state.choice(int(arrays[1]), shape, False, arrays[2])
        return [xp.asarray(pack_state(state)), xp.asarray(np.asarray(found, np.int64))]
