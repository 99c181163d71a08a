"""Numbers drawn by counting: Philox inside loops, and distributions that need a loop of
their own.

The state of a stream is three uint64: its key, its number, and the position of the next
number.  An element of a draw is made from its place there alone, so it does not depend
on threads, and the draw is fused with what is done to it: element k from the block of the
counter position + k; or, where a number takes 32 bits, from one word of a block whose
counter says the row and the group of neighbours in it (`loops.DEALT`).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.types import FLOATS, NullType, TensorType
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.kernels import variates, views
from symnet.kernels.calls import CallArrangement
from symnet.kernels.loops import (
    BESIDE,
    DEALT,
    Scalar,
    call,
    cast,
    literal,
    scalar,
)
from symnet.kernels.philox import KEY_STEPS, MULTIPLIERS, ROUNDS, halves, philox
from symnet.kernels.views import Size
from symnet.ops.base import PointOp, Read, Sizes, TensorOp, as_tensor
from symnet.ops.drawing import concrete_sizes, required_sizes, static_shape
from symnet.ops.sizes import disconnected, size_scalar

STATE = 3  # scalars of a state: key, stream, position
DRAWS = {
    "bits": ("uint32", "uint64"),
    "uniform": FLOATS,
    "normal": FLOATS,
}
# The bits of 1.0; a fraction put under them is a number from 1 to 2.
ONE_BITS = 0x3FF0000000000000


class PhiloxDraw(PointOp):
    """One number for each position: "bits", "uniform" (0 included, 1 not) or "normal".

    Shapes: key (), stream (), position (), sizes () ... -> (*sizes).
    Dtypes: uint64, and integers for sizes; the result `dtype`, see DRAWS.  A uniform
    number has 24 random bits as a float32, 52 as a float64, 11 as a float16.
    Raises: TypeError for another dtype.
    """

    __props__ = ("kind", "dtype")

    def __init__(self, kind: str, dtype: str) -> None:
        self.kind, self.dtype = kind, dtype
        if dtype not in DRAWS[kind]:
            raise TypeError(
                f"{kind} numbers are drawn as {', '.join(DRAWS[kind])}, not {dtype}"
            )

    def make_node(self, *inputs: Any) -> Apply:
        state = [as_tensor(v) for v in inputs[:STATE]]
        if any(v.type.dtype != "uint64" or v.type.ndim for v in state):
            raise TypeError(
                message(
                    "the state of a stream is three uint64 numbers",
                    operation=self,
                    operands=[operand_text(v) for v in state],
                )
            )
        scalars = [size_scalar(s, "a size") for s in inputs[STATE:]]
        kind = TensorType(self.dtype, static_shape(scalars))
        return Apply(self, [*state, *scalars], [kind.make_variable()])

    def infer_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> Sequence[tuple[Size, ...]]:
        return [required_sizes(node.inputs[STATE:], sizes)]

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        key, stream, start = (read.here() for read in reads[:STATE])
        if not self.deals:
            place, row = flat(index, reads[STATE:]), literal(0, "int64")
        else:
            column = index[-1] if index else literal(0, "int64")
            place, row = call("block_of", column), flat(index[:-1], reads[STATE:])
        low, high = halves(call("add", start, cast(place, "uint64")))
        counter = [low, high, cast(stream, "uint32"), cast(row, "uint32")]
        words = philox(counter, halves(key))
        if self.deals:
            words = [scalar("word_of", (column, *words), "uint32")]
        return BODIES[self.kind](words, self.dtype)

    @property
    def deals(self) -> bool:
        """Whether four numbers are made of one block (see `loops.DEALT`), each of one of
        its words; else every number has a block of its own."""
        return np.dtype(self.dtype).itemsize <= 4 and self.kind != "normal"

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        key, stream, start = (int(a) for a in arrays[:STATE])
        shape = concrete_sizes(arrays[STATE:])
        row: Any = 0
        places = np.arange(math.prod(shape), dtype=np.uint64)
        if self.deals and shape:
            row, column = np.divmod(places, np.uint64(max(shape[-1], 1)))
            places = column // DEALT * BESIDE + column % BESIDE
        with np.errstate(over="ignore"):
            words = blocks(np.uint64(start) + places, stream, key, row)
        if self.deals and shape:
            words = [np.choose((column // BESIDE % 4).astype(int), words)]
        return [xp.asarray(REFERENCES[self.kind](words, self.dtype).reshape(shape))]

    def L_op(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        output_gradients: Sequence[Variable],
    ) -> Sequence[Any]:
        return [disconnected() for _ in inputs]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] for _ in node.inputs]


def flat(index: Sequence[Scalar], lengths: Sequence[Read]) -> Scalar:
    """The number of a position, counted along the last axis first."""
    place = index[0] if index else literal(0, "int64")
    for counter, length in zip(index[1:], lengths[1:], strict=False):
        place = place * cast(length.here(), "int64") + counter
    return place


# ---- from a block of four words to a number


def joined(low: Scalar, high: Scalar) -> Scalar:
    return call("or", cast(low, "uint64"), call("shift_left", cast(high, "uint64"), 32))


def fraction(low: Scalar, high: Scalar) -> Scalar:
    """A float64 from 0 to 1: 52 bits below those of 1.0, less 1."""
    bits = call("or", call("shift_right", joined(low, high), 12), ONE_BITS)
    return call("bitcast", bits, dtype="float64") - 1.0


def bits_body(words: Sequence[Scalar], dtype: str) -> Scalar:
    return words[0] if dtype == "uint32" else joined(words[0], words[1])


def uniform_body(words: Sequence[Scalar], dtype: str) -> Scalar:
    if dtype == "float64":
        return fraction(words[0], words[1])
    kept = 24 if dtype == "float32" else 11
    whole = cast(call("shift_right", words[0], 32 - kept), "int32")
    return cast(cast(whole, "float32") * 2.0**-kept, dtype)


def normal_body(words: Sequence[Scalar], dtype: str) -> Scalar:
    """A radius from one number, an angle from another.

    Source: Box and Muller, "A note on the generation of random normal deviates", Annals of
    Mathematical Statistics 29 (1958).
    """
    if dtype == "float64":
        above = 1.0 - fraction(words[0], words[1])
        angle = (fraction(words[2], words[3]) - 0.5) * (2 * math.pi)
    else:
        whole = cast(call("shift_right", words[0], 1), "int32")
        above = cast(whole, "float32") * 2.0**-31 + 2.0**-32
        turn = cast(call("bitcast", words[1], dtype="int32"), "float32")
        angle = turn * (math.pi * 2.0**-31)
    radius = call("sqrt", call("log", above) * -2.0)
    return cast(radius * call("cos", angle), dtype)


BODIES = {"bits": bits_body, "uniform": uniform_body, "normal": normal_body}


# ---- the same on arrays: the reference

Words = list[np.ndarray[Any, np.dtype[np.uint64]]]


def blocks(places: Any, stream: int, key: int, row: Any = 0) -> Words:
    """The four words of each position's block, as uint64."""
    mask, row = np.uint64(0xFFFFFFFF), np.asarray(row, np.uint64)
    shift = np.uint64(32)
    a, b = places & mask, places >> shift
    c = np.full(places.shape, stream & 0xFFFFFFFF, np.uint64)
    d = np.zeros(places.shape, np.uint64) + (row & mask)
    first, second = key & 0xFFFFFFFF, key >> 32
    for _ in range(ROUNDS):
        left, right = a * np.uint64(MULTIPLIERS[0]), c * np.uint64(MULTIPLIERS[1])
        a, b = (right >> shift) ^ b ^ np.uint64(first), right & mask
        c, d = (left >> shift) ^ d ^ np.uint64(second), left & mask
        first = (first + KEY_STEPS[0]) & 0xFFFFFFFF
        second = (second + KEY_STEPS[1]) & 0xFFFFFFFF
    return [a, b, c, d]


def bits_reference(words: Words, dtype: str) -> np.ndarray[Any, Any]:
    if dtype == "uint32":
        return words[0].astype(dtype)
    return words[0] | (words[1] << np.uint64(32))


def uniform_reference(words: Words, dtype: str) -> np.ndarray[Any, Any]:
    if dtype == "float64":
        joined = words[0] | (words[1] << np.uint64(32))
        return (joined >> np.uint64(12)).astype(np.float64) * 2.0**-52
    kept = 24 if dtype == "float32" else 11
    whole = (words[0] >> np.uint64(32 - kept)).astype(np.float64)
    return (whole * 2.0**-kept).astype(dtype)


def normal_reference(words: Words, dtype: str) -> np.ndarray[Any, Any]:
    above: Any
    angle: Any
    if dtype == "float64":
        above = 1.0 - uniform_reference(words[:2], dtype)
        angle = (uniform_reference(words[2:], dtype) - 0.5) * (2 * np.pi)
        return np.asarray(np.sqrt(-2 * np.log(above)) * np.cos(angle))
    whole = (words[0] >> np.uint64(1)).astype(np.float32)
    above = whole * np.float32(2.0**-31) + np.float32(2.0**-32)
    turn = words[1].astype(np.uint32).view(np.int32).astype(np.float32)
    angle = turn * np.float32(np.pi * 2.0**-31)
    radius = np.sqrt(np.log(above) * np.float32(-2))
    return np.asarray(radius * np.cos(angle)).astype(dtype)


REFERENCES = {
    "bits": bits_reference,
    "uniform": uniform_reference,
    "normal": normal_reference,
}


# ---- distributions with a loop of their own


class PhiloxVariates(TensorOp):
    """Numbers from "poisson" (mean), "binomial" (trials, probability), "gamma" (shape) or
    "permutation" (no parameters; rows of 0 to n - 1).

    Each draw has a bit generator of its own, at its position; NumPy's C functions make
    the numbers of it (Hormann 1993 and Kachitvichyanukul and Schmeiser 1988 for counts,
    Marsaglia and Tsang 2000 for gamma).
    Shapes: state (3,); two parameters, of the shape of what is drawn or (); sizes () ...
    -> (*sizes); for "permutation" the last size is that of a row.
    Dtypes: state uint64; parameters float64, trials int64; the result int64, for "gamma"
    float64.
    Raises: ValueError for parameters that the distribution does not have.
    """

    __props__ = ("kind",)
    library = "Philox"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def refusal(self) -> str:
        return f"{self.kind}: {REFUSALS[self.kind]}"

    def make_node(self, state: Any, first: Any, second: Any, *sizes: Any) -> Apply:
        inputs = [as_tensor(v) for v in (state, first, second)]
        scalars = [size_scalar(s, "a size") for s in sizes]
        dtype = "float64" if self.kind == "gamma" else "int64"
        kind = TensorType(dtype, static_shape(scalars))
        return Apply(self, [*inputs, *scalars], [kind.make_variable()])

    def infer_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> Sequence[tuple[Size, ...]]:
        found = required_sizes(node.inputs[3:], sizes)
        sizes.equal(inputs[0][0], views.size(STATE), "the numbers of a state")
        for shape in inputs[1:3]:
            for axis, one in enumerate(shape):
                sizes.equal(one, found[axis], f"axis {axis} of a parameter")
        return [found]

    def native(self, node: Apply) -> bool:
        return variates.available(self.kind)

    def reads(self, node: Apply) -> Sequence[int]:
        return (0, 1, 2)

    def arrange(
        self, node: Apply, shapes: Sequence[tuple[int, ...]]
    ) -> CallArrangement:
        _, first, second, result = shapes
        return self._step(first, second, result)

    def _step(
        self, first: tuple[int, ...], second: tuple[int, ...], result: tuple[int, ...]
    ) -> CallArrangement:
        width = result[-1] if self.kind == "permutation" else 1
        count = math.prod(result[:-1] if self.kind == "permutation" else result)
        steps = (8 if first else 0, 8 if second else 0)
        return variates.variates_step(self.kind, count, steps, width, counted=True)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        """The same native code, called once: no other has NumPy's algorithms on Philox."""
        state, first, second = (
            np.ascontiguousarray(a).reshape(np.shape(a)) for a in arrays[:3]
        )
        shape = concrete_sizes(arrays[3:])
        if not variates.available(self.kind):
            raise NotImplementedError(
                f"{self.kind}: this NumPy hides the functions that draw such numbers"
            )
        result = np.zeros(shape, node.outputs[0].type.dtype)
        step = self._step(first.shape, second.shape, shape)
        words = np.array(step.words, np.int64)
        arrays = (state, first, second, result)
        for slot, array in zip(step.pointer_slots, arrays, strict=True):
            words[slot] = array.ctypes.data
        function = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 4)(step.address)
        if function(words.ctypes.data, 0, step.total):
            raise ValueError(self.refusal)
        return [xp.asarray(result)]

    def L_op(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        output_gradients: Sequence[Variable],
    ) -> Sequence[Any]:
        """Counts are constant between jumps; of gamma numbers none is known."""
        found: list[Any] = [disconnected() for _ in inputs]
        if self.kind == "gamma":
            why = "gamma numbers have no gradient with respect to their shape"
            found[1] = NullType(why).make_variable()
        return found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        smooth = self.kind == "gamma"
        return [[smooth and k == 1] for k, _ in enumerate(node.inputs)]


REFUSALS = {
    "poisson": "a mean is negative or no number",
    "gamma": "a shape is negative or no number",
    "binomial": "trials are at least 0, probabilities from 0 to 1",
    "permutation": "a row is not negative",
}
