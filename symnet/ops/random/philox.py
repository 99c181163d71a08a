"""Numbers drawn by counting: Philox inside loops, and distributions that need a loop of
their own.

The state of a stream is three uint64: its key, its number, and the position of the next
number.  An element of a draw is made from its place there alone, so it does not depend
on threads, and the draw is fused with what is done to it: element k from the block of the
counter position + k; or, where a number takes 32 bits, from one word of a block whose
counter says the row and the group of neighbours in it (`scalars.GROUP_NUMBERS`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import FLOATS, NullType, TensorType
from symnet.graph.variables import Apply, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.loopir.philox_body import halves, philox
from symnet.kernels.loopir.scalars import (
    GROUP_BLOCKS,
    GROUP_NUMBERS,
    Scalar,
    call,
    cast,
    literal,
    scalar,
)
from symnet.kernels.routines import NumpyDistribution
from symnet.ops.base import NoGradient, PointOp, TensorOp, as_tensor, disconnected
from symnet.ops.lowerings import CallOf, Lowering, Read, Shapes, Sizes
from symnet.ops.random.drawing import concrete_sizes, required_sizes, static_shape
from symnet.ops.random.philox_reference import REFERENCES, blocks, variates_reference
from symnet.ops.sizes import size_scalar

STATE = 3  # scalars of a state: key, stream, position
DRAWS = {
    "bits": ("uint32", "uint64"),
    "uniform": FLOATS,
    "normal": FLOATS,
}
# The bits of 1.0; a fraction put under them is a number from 1 to 2.
ONE_BITS = 0x3FF0000000000000


class PhiloxDraw(NoGradient, PointOp):
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
        return Apply(self, [*state, *scalars], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
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
        """Whether four numbers are made of one block (see `scalars.GROUP_NUMBERS`), each of one of
        its words; else every number has a block of its own."""
        return np.dtype(self.dtype).itemsize <= 4 and self.kind != "normal"

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        key, stream, start = (int(a) for a in arrays[:STATE])
        shape = concrete_sizes(arrays[STATE:])
        row: Any = 0
        places = np.arange(math.prod(shape), dtype=np.uint64)
        if self.deals and shape:
            row, column = np.divmod(places, np.uint64(max(shape[-1], 1)))
            places = column // GROUP_NUMBERS * GROUP_BLOCKS + column % GROUP_BLOCKS
        with np.errstate(over="ignore"):
            words = blocks(np.uint64(start) + places, stream, key, row)
        if self.deals and shape:
            words = [np.choose((column // GROUP_BLOCKS % 4).astype(int), words)]
        return [xp.asarray(REFERENCES[self.kind](words, self.dtype).reshape(shape))]

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
        return Apply(self, [*inputs, *scalars], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        found = required_sizes(node.inputs[3:], sizes)
        sizes.equal(inputs[0][0], views.size(STATE), "the numbers of a state")
        for shape in inputs[1:3]:
            for axis, one in enumerate(shape):
                sizes.equal(one, found[axis], f"axis {axis} of a parameter")
        return [found]

    def lowering(self, node: Apply) -> Lowering:
        draw = NumpyDistribution(self.kind, "philox")
        return CallOf(draw, reads=(0, 1, 2), refusal=self.refusal)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        """By NumPy's own generators (see `philox_reference`), not by native code."""
        shape = concrete_sizes(arrays[3:])
        state, first, second = (np.asarray(a) for a in arrays[:3])
        dtype = node.outputs[0].type.dtype
        try:
            result = variates_reference(self.kind, state, first, second, shape, dtype)
        except ValueError:
            raise ValueError(self.refusal) from None
        return [xp.asarray(result)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """Counts are constant between jumps; of gamma numbers none is known."""
        found: list[Any] = [disconnected() for _ in inputs]
        if self.kind == "gamma":
            why = "gamma numbers have no gradient with respect to their shape"
            found[1] = make_variable(NullType(why))
        return found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        smooth = self.kind == "gamma"
        return [[smooth and k == 1] for k, _ in enumerate(node.inputs)]


REFUSALS = {
    "poisson": "a mean is negative, too large or no number",
    "gamma": "a shape is negative or no number",
    "binomial": "trials are at least 0, probabilities from 0 to 1",
    "permutation": "a row is not negative",
}
