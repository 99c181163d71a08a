"""Theano's generator MRG31k3p: the streams, and what is drawn from them.

Theano's numbers for Theano's seeds: the states of a draw's streams are 2**72 steps apart,
those of one draw and the next 2**134.  Sample number k comes from stream k % streams.
Source: L'Ecuyer and Touzin 2000 (see `kernels.cpu.library.mrg31k3p`); L'Ecuyer, Simard,
Chen and Kelton,
"An object-oriented random-number package with many long streams and substreams",
Operations Research 50 (2002), for the streams.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.routines import M1, M2, NORMS, Categorical, MrgUniform
from symnet.ops.base import TensorOp, as_tensor, disconnected
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.random.drawing import Draw, concrete_sizes, required_sizes, static_shape
from symnet.ops.sizes import size_scalar

States = np.ndarray[Any, np.dtype[np.int32]]
Matrices = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

STREAMS = 60 * 256  # as many as Theano's GPU of 2010 could use

# One step of either recurrence, on the three numbers before.
STEP: Matrices = (
    np.array([[0, 2**22, 2**7 + 1], [1, 0, 0], [0, 1, 0]], np.int64),
    np.array([[2**15, 0, 2**15 + 1], [1, 0, 0], [0, 1, 0]], np.int64),
)


def multiply_modulo(
    a: Any, b: Any, modulus: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The matrix product modulo a number below 2**31, of numbers below it."""
    a, b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    products = a[:, :, None] * b[None, :, :] % modulus
    total: np.ndarray[Any, np.dtype[np.int64]] = products.sum(1) % modulus
    return total


def product(left: Matrices, right: Matrices) -> Matrices:
    """The matrices of steps one after another."""
    (a, b), (c, d) = left, right
    return multiply_modulo(a, c, M1), multiply_modulo(b, d, M2)


@cache
def jump(exponent: int) -> Matrices:
    """The matrices of 2**exponent steps at once."""
    if not exponent:
        return STEP
    half = jump(exponent - 1)  # which other exponents have in common
    return product(half, half)


def advance(states: Any, matrices: Matrices) -> States:
    """States (..., 6) after the steps of `matrices`."""
    numbers = np.asarray(states, np.int64).reshape(-1, 6).T
    halves = (
        multiply_modulo(matrix, half, modulus)
        for matrix, half, modulus in zip(
            matrices, (numbers[:3], numbers[3:]), (M1, M2), strict=True
        )
    )
    moved = np.concatenate(list(halves)).T.reshape(np.shape(states))
    return moved.astype(np.int32)


def spaced_states(first: Any, count: int, exponent: int = 72) -> States:
    """`count` states, each 2**exponent steps behind the one before."""
    states, step = np.asarray(first, np.int32).reshape(1, 6), jump(exponent)
    while len(states) < count:
        states = np.concatenate([states, advance(states, step)])
        step = product(step, step)
    return np.ascontiguousarray(states[:count])


def ff_2p72(rstate: Any) -> States:
    """A state 2**72 steps on."""
    return advance(rstate, jump(72))


def ff_2p134(rstate: Any) -> States:
    """A state 2**134 steps on."""
    return advance(rstate, jump(134))


def matVecModM(A: Any, s: Any, m: int) -> States:
    """The product of a matrix and a vector modulo m, a number below 2**31."""
    column = np.asarray(s, np.int64).reshape(-1, 1)
    return multiply_modulo(A, column, int(m))[:, 0].astype(np.int32)


def multMatVect(v: Any, A: Any, m1: int, B: Any, m2: int) -> States:
    """A times the first half of v modulo m1, then B times the second modulo m2."""
    return np.concatenate([matVecModM(A, v[:3], m1), matVecModM(B, v[3:], m2)])


def guess_n_streams(size: Any, warn: bool = False) -> int:
    """How many streams Theano uses for a draw of that size: a sixth of the numbers, at
    most STREAMS, which it also uses where the size is not a tuple of ints.

    warn: say where the size does not tell.
    """
    plain = isinstance(size, (tuple, list)) and all(type(n) is int for n in size)
    if not plain:
        if warn:
            warnings.warn(
                f"the size {size} does not tell how many streams to use: {STREAMS}",
                stacklevel=2,
            )
        return STREAMS
    count: int = math.prod(size)
    return max(1, min(count // 6 if count > 6 else count, STREAMS))


# ---- the operations


class MRGUniform(Draw):
    """Numbers between 0 and 1, both excluded, from states of MRG31k3p.

    Shapes: states (streams, 6), sizes () ... -> states (streams, 6), (*sizes).
    Dtypes: states int32; the numbers `dtype`: float16, float32 or float64.
    Raises: TypeError for another dtype or rank.

    >>> streams = symnet.sandbox.rng_mrg.MRG_RandomStreams(seed=5)
    >>> u = streams.uniform((3,))
    >>> u.type
    float64 tensor (3)
    >>> isinstance(u.owner.op, symnet.sandbox.rng_mrg.mrg_uniform)
    True
    """

    __props__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        if dtype not in NORMS:
            raise TypeError(f"MRG31k3p draws {', '.join(NORMS)}, not {dtype}")

    def make_node(self, states: Any, *sizes: Any) -> Apply:
        states = as_tensor(states)
        if states.type.dtype != "int32" or states.type.ndim != 2:
            raise TypeError(
                message(
                    "states of MRG31k3p are an int32 matrix of 6 columns",
                    operation=self,
                    operands=[operand_text(states)],
                )
            )
        scalars = [size_scalar(s, "a size") for s in sizes]
        sample = TensorType(self.dtype, static_shape(scalars))
        outputs = [make_variable(states.type), make_variable(sample)]
        return Apply(self, [states, *scalars], outputs)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        streams, columns = inputs[0]
        sizes.equal(columns, views.size(6), "the columns of the states")
        sizes.require(views.combine("ge", streams, views.ONE), "there are no streams")
        return [inputs[0], required_sizes(node.inputs[1:], sizes)]

    def lowering(self, node: Apply) -> Lowering:
        return CallOf(MrgUniform(self.dtype), reads=(0,), initial=0)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        states = np.array(arrays[0], np.int64)
        shape = concrete_sizes(arrays[1:])
        count, streams = math.prod(shape), len(states)
        if states.shape[1] != 6 or not streams:
            raise ValueError(f"states of shape {states.shape}: there are 6 columns")
        rows = []
        for start in range(0, count, streams):
            used = min(streams, count - start)
            x2, x3, y1, y3 = (states[:used, k] for k in (1, 2, 3, 5))
            x = (2**22 * x2 + 129 * x3) % M1
            y = (2**15 * y1 + (2**15 + 1) * y3) % M2
            states[:used, 1:3], states[:used, 4:6] = (
                states[:used, 0:2],
                states[:used, 3:5],
            )
            states[:used, 0], states[:used, 3] = x, y
            rows.append(np.where(x <= y, x - y + M1, x - y))
        draws = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        sample = scaled(draws, self.dtype).reshape(shape)
        return [xp.asarray(states.astype(np.int32)), xp.asarray(sample)]


def scaled(draws: Any, dtype: str) -> np.ndarray[Any, Any]:
    """Integers from 1 to M1 as numbers between 0 and 1."""
    norm = NORMS[dtype]
    if dtype == "float16":
        kept = ((draws & 0x7FFF) + 1).astype(np.float64)
        return np.asarray(kept * norm, dtype)
    return np.asarray(draws.astype(dtype) * np.dtype(dtype).type(norm))


class PickFromUniform(TensorOp):
    """Classes drawn from rows of probabilities by uniform numbers.

    `counts`: how often each class of a row is drawn; else which classes are, none twice.
    Uniform number k belongs to draw k // rows of row k % rows.  The class is the first at
    which the sum of the probabilities (in float64) exceeds the number; where none does,
    nothing is counted (or -1 drawn).
    Shapes: (rows, classes), (draws * rows), () -> (rows, classes) or (rows, draws).
    Dtypes: floats; the result int64 (without counts there is a second output, memory).
    Raises: TypeError for other ranks; ValueError where more classes are to be drawn than
    there are.
    """

    __props__ = ("counts", "narrow")
    default_output = 0

    def __init__(self, counts: bool, narrow: bool) -> None:
        """narrow: what is left of a row is rounded as float32 is."""
        self.counts, self.narrow = counts, narrow

    def make_node(self, chances: Any, uniform: Any, draws: Any) -> Apply:
        chances, uniform = as_tensor(chances), as_tensor(uniform)
        count = size_scalar(draws, "the number of draws")
        if chances.type.ndim != 2 or uniform.type.ndim != 1:
            raise TypeError(
                message(
                    "classes are drawn from a matrix of probabilities, by a vector of "
                    "uniform numbers",
                    operation=self,
                    operands=[operand_text(v) for v in (chances, uniform)],
                )
            )
        rows, classes = chances.type.shape
        (known,) = static_shape([count])
        shape = (rows, classes) if self.counts else (rows, known)
        outputs = [make_variable(TensorType("int64", shape))]
        if not self.counts:
            outputs.append(make_variable(TensorType("float64", chances.type.shape)))
        inputs = [cast(chances, "float64"), cast(uniform, "float64"), count]
        return Apply(self, inputs, outputs)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        rows, classes = inputs[0]
        (draws,) = required_sizes([node.inputs[2]], sizes)
        expected = views.multiply(rows, draws)
        sizes.equal(inputs[1][0], expected, "the uniform numbers, one a row and draw")
        if self.counts:
            return [(rows, classes)]
        enough = views.combine("le", draws, classes)
        sizes.require(enough, "more classes are to be drawn than there are")
        return [(rows, draws), (rows, classes)]

    def lowering(self, node: Apply) -> Lowering:
        return CallOf(Categorical(self.counts, self.narrow), reads=(0, 1))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        chances, uniform, draws = np.array(arrays[0]), arrays[1], int(arrays[2])
        rows, classes = chances.shape
        if len(uniform) != rows * draws:
            raise ValueError(
                f"{len(uniform)} uniform numbers for {rows} x {draws} draws"
            )
        if not self.counts and draws > classes:
            raise ValueError(f"{draws} of {classes} classes cannot all be different")
        picked = np.full((rows, draws), -1, np.int64)
        for draw in range(draws):
            for row in range(rows):
                above = np.cumsum(chances[row]) > uniform[draw * rows + row]
                if above.any():
                    picked[row, draw] = found = int(above.argmax())
                    if not self.counts and draw + 1 < draws:
                        chances[row] = without(chances[row], found, self.narrow)
        if not self.counts:
            return [picked, chances]
        counts = np.zeros((rows, classes), np.int64)
        for draw in range(draws):
            kept = picked[:, draw] >= 0
            counts[np.arange(rows)[kept], picked[kept, draw]] += 1
        return [counts]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [None, None, disconnected()]


def without(row: Any, found: int, narrow: bool) -> Any:
    """A row of probabilities whose class `found` is taken out, summing to one again."""
    kind = np.float32 if narrow else np.float64
    with np.errstate(all="ignore"):
        total = kind(np.cumsum(row[: found + 1])[-1] - row[found])
        row = row.astype(kind)
        row[found] = 0
        for chance in row[found:]:
            total = kind(total + chance)
        return (row / total).astype(np.float64)
