"""Connectionist temporal classification: the cost of labels without known positions.

A network gives scores of classes at every time step.  A path says one class at each step;
it stands for the labels that remain when equal neighbours are joined and blanks, class 0,
are dropped.  The cost is minus the logarithm of the probability of all paths that stand for
the labels wanted.  Source: Graves, Fernandez, Gomez & Schmidhuber 2006.

The sums over paths go along the labels with a blank before, between and after them, and are
taken by logarithms: `forward` over the steps up to each, `backward` over those behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.alloc import full, zeros
from symnet.ops.arithmetic import add, log, maximum, mul, sub, switch
from symnet.ops.base import as_tensor, disconnected
from symnet.ops.comparison import and_, invert, isinf, neq
from symnet.ops.composed import Composed
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.functions import exp
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.joining import concatenate
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.nnet.activations import logsoftmax, softmax
from symnet.ops.reduce import sum as sum_over
from symnet.ops.scan.scan_function import scan
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i

__all__ = ["ConnectionistTemporalClassification", "ctc"]

EVERY = slice(None)


def ctc(activations: Any, labels: Any, input_lengths: Any) -> Variable:
    """The costs of sequences of labels, by connectionist temporal classification.

    Shapes: activations (time, batch, classes), before the softmax; labels (batch, at most),
        with negative numbers behind the last label of a row; input_lengths (batch,), the
        steps of each sequence -> (batch,).
    Dtypes: float32 or float64, kept; integers.
    Class 0 is the blank, which is no label.  Labels that no path of so few steps stands for
    cost 0, and have no gradient, as in Baidu's warp-ctc: such a row teaches nothing.
    Raises: TypeError for other dtypes, ValueError for other ranks; IndexError (when run) for
        a label that is no class.

    Example: one sequence of 5 steps, of the labels 1 and 2.
        cost = ctc(scores, [[1, 2]], [5])
    """
    result: Variable = CtcCost()(activations, labels, input_lengths)
    return result


class ConnectionistTemporalClassification:
    """Theano's operation as a function: see `ctc`."""

    def __init__(self, compute_grad: bool = True, openmp: bool | None = None) -> None:
        self.compute_grad = compute_grad

    def __call__(self, activations: Any, labels: Any, input_lengths: Any) -> Variable:
        return ctc(activations, labels, input_lengths)


class CtcCost(Composed):
    """See `ctc`."""

    def make_node(self, activations: Any, labels: Any, lengths: Any) -> Apply:
        x, rows, steps = map(as_tensor, (activations, labels, lengths))
        text = [operand_text(v) for v in (x, rows, steps)]
        if (x.type.ndim, rows.type.ndim, steps.type.ndim) != (3, 2, 1):
            what = (
                "ctc takes activations of rank 3, labels of rank 2, lengths of rank 1"
            )
            raise ValueError(message(what, operation=self, operands=text))
        if x.type.dtype not in ("float32", "float64"):
            what = "the activations of ctc are float32 or float64"
            raise TypeError(message(what, operation=self, operands=text))
        if not {rows.type.dtype, steps.type.dtype} <= set(INTEGERS):
            what = "the labels and lengths of ctc are integers"
            raise TypeError(message(what, operation=self, operands=text))
        output = make_variable(TensorType(x.type.dtype, x.type.shape[1:2]))
        return Apply(self, [x, rows, steps], [output])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, rows, steps = inputs
        sizes.equal(x[1], rows[0], "the rows of activations and labels")
        sizes.equal(x[1], steps[0], "the rows of activations and lengths")
        return [(x[1],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [False]]

    def expand(self, *inputs: Variable) -> Variable:
        x, labels, lengths = inputs
        task = Alignment.of(x, labels, lengths)
        return task.cost(getitem(task.forward(), -1))

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, labels, lengths = inputs
        slope = Alignment.of(x, labels, lengths).slope()
        return [
            mul(slope, dimshuffle(output_gradients[0], "x", 0, "x")),
            disconnected(),
            disconnected(),
        ]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, labels, lengths = arrays
        if not x.shape[1] == labels.shape[0] == lengths.shape[0]:
            raise ShapeError(
                f"ctc of {x.shape[1]} rows with {labels.shape[0]} of labels and "
                f"{lengths.shape[0]} lengths"
            )
        costs = [
            cost_of_row(x[:steps, k].astype(np.float64), row[row >= 0])
            for k, (row, steps) in enumerate(zip(labels, lengths, strict=True))
        ]
        return [xp.asarray(costs, dtype=x.dtype).reshape(-1)]


@dataclass(frozen=True)
class Alignment:
    """What both directions need.

    scores: the logarithms of the probabilities, (time, batch, classes).
    places: the classes of the labels with blanks between them, (batch, s), s = 2 at most + 1.
    found: the scores at these places, (time, batch, s).
    skip: 0 where a path may come from the place before the last, else minus infinity,
        (batch, s + 1): between labels that differ, and from before the first.
    last: the last place of each row, the blank behind its labels, (batch,).
    """

    scores: Variable
    places: Variable
    found: Variable
    skip: Variable
    last: Variable
    lengths: Variable

    @classmethod
    def of(cls, x: Variable, labels: Variable, lengths: Variable) -> Alignment:
        scores, labels = logsoftmax(x, axis=2), cast(labels, "int64")
        batch, most = shape_i(x, 1), shape_i(labels, 1)
        used = labels >= 0
        own = switch(used, labels, 0)
        width: Any = mul(most, 2)
        places = zeros([batch, width + 1], "int64")
        places = set_subtensor(getitem(places, (EVERY, slice(1, None, 2))), own)
        skip = full([batch, width + 2], -np.inf, x.type.dtype)
        differ = neq(
            getitem(own, (EVERY, slice(1, None))), getitem(own, (EVERY, slice(0, -1)))
        )
        inner = getitem(skip, (EVERY, slice(3, width, 2)))
        skip = set_subtensor(inner, switch(differ, cast(0, x.type.dtype), -np.inf))
        skip = set_subtensor(getitem(skip, (EVERY, 1)), 0)
        skip = set_subtensor(getitem(skip, (EVERY, width + 1)), 0)
        row = dimshuffle(arange(batch), 0, "x")
        found = getitem(scores, (EVERY, row, places))
        last = mul(sum_over(used, axis=1), 2)
        return cls(scores, places, found, skip, last, cast(lengths, "int64"))

    @property
    def batch(self) -> Variable:
        return shape_i(self.places, 0)

    @property
    def nothing(self) -> Variable:
        """Two places where no path is, for each row."""
        return full([self.batch, 2], -np.inf, self.scores.type.dtype)

    def within(self) -> tuple[Variable, Variable]:
        """The steps, and which of them belong to each row: (time,), (time, batch)."""
        steps = arange(shape_i(self.scores, 0))
        return steps, dimshuffle(steps, 0, "x") < self.lengths

    def forward(self) -> Variable:
        """The logarithms of the probabilities of all paths up to each step that are at each
        place then: (time, batch, 2 + s), the first two places for nothing."""
        one = slice(None, -1)
        skip = getitem(self.skip, (EVERY, one))
        nothing = self.nothing
        first = full(
            [self.batch, shape_i(self.places, 1) + 2],
            -np.inf,
            self.scores.type.dtype,
        )
        first = set_subtensor(getitem(first, (EVERY, 1)), 0)

        def step(found: Any, inside: Any, before: Any) -> Any:
            here = getitem(before, (EVERY, slice(2, None)))
            came = getitem(before, (EVERY, slice(1, -1)))
            over = getitem(before, (EVERY, slice(0, -2)))
            new = add(found, log_sum(here, came, add(over, skip)))
            new = concatenate([nothing, new], 1)
            return switch(dimshuffle(inside, 0, "x"), new, before)

        rows, _ = scan(step, [self.found, self.within()[1]], first)
        result: Variable = rows
        return result

    def backward(self) -> Variable:
        """The same of all paths behind each step, without it: (time, batch, s)."""
        skip = getitem(self.skip, (EVERY, slice(2, None)))
        nothing = self.nothing
        skip = concatenate([skip, getitem(nothing, (EVERY, slice(0, 1)))], 1)
        place = dimshuffle(arange(shape_i(self.places, 1) + 2), "x", 0)
        last = dimshuffle(self.last, 0, "x")
        dtype = self.scores.type.dtype
        first = switch(neq(place, add(last, 1)), cast(-np.inf, dtype), cast(0, dtype))
        used = getitem(place, (EVERY, slice(0, -2))) <= last

        def step(found: Any, inside: Any, behind: Any) -> Any:
            here = getitem(behind, (EVERY, slice(0, -2)))
            comes = getitem(behind, (EVERY, slice(1, -1)))
            over = getitem(behind, (EVERY, slice(2, None)))
            rest = log_sum(here, comes, add(over, skip))
            rest = switch(used, rest, cast(-np.inf, dtype))
            new = concatenate([add(found, rest), nothing], 1)
            return switch(dimshuffle(inside, 0, "x"), new, behind), rest

        (_, rests), _ = scan(
            step,
            [self.found, self.within()[1]],
            [first, None],
            go_backwards=True,
        )
        result: Variable = getitem(rests, slice(None, None, -1))
        return result

    def total(self, end: Variable) -> Variable:
        """The logarithm of the probability of all paths, by the last of `forward`."""
        row = arange(self.batch)
        blank, label = (getitem(end, (row, add(self.last, k))) for k in (2, 1))
        return log_sum(blank, label)

    def cost(self, end: Variable) -> Variable:
        total = self.total(end)
        return switch(isinf(total), 0, mul(total, -1))

    def slope(self) -> Variable:
        """The gradient of each row's cost: (time, batch, classes)."""
        ways = self.forward()
        total = self.total(getitem(ways, -1))
        through = add(getitem(ways, (EVERY, EVERY, slice(2, None))), self.backward())
        possible = invert(isinf(total))
        # Without a path all is minus infinity, whose softmax and its derivatives are NaN.
        through = switch(dimshuffle(possible, "x", 0, "x"), through, 0)
        # At each step these add up to the same total, of which large scores lose digits.
        shares = softmax(through, axis=2)
        row = dimshuffle(arange(self.batch), 0, "x")
        empty = zeros(
            [shape_i(self.scores, k) for k in range(3)], self.scores.type.dtype
        )
        target = inc_subtensor(getitem(empty, (EVERY, row, self.places)), shares)
        counts = and_(possible, self.within()[1])
        difference = sub(exp(self.scores), target)
        return switch(dimshuffle(counts, 0, 1, "x"), difference, 0)


def log_sum(*terms: Variable) -> Variable:
    """The logarithm of the sum of exp of each term; minus infinity where all are."""
    top = terms[0]
    for term in terms[1:]:
        top = maximum(top, term)
    shift = switch(isinf(top), 0, top)
    powers: Any = exp(sub(terms[0], shift))
    for term in terms[1:]:
        powers = add(powers, exp(sub(term, shift)))
    result: Variable = add(log(powers), shift)
    return result


def cost_of_row(x: Any, labels: Any) -> float:
    """The cost of one sequence, by the probabilities of the paths up to each step."""
    shifted = x - x.max(axis=1, keepdims=True, initial=-np.inf)
    scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    places = np.zeros(2 * len(labels) + 1, int)
    places[1::2] = labels
    ways = np.full(len(places), -np.inf)
    for t, now in enumerate(scores):
        before = ways.copy()
        for s, label in enumerate(places):
            come = [before[s]] + [before[s - 1]] * (s > 0)
            if s > 1 and label not in (0, places[s - 2]):
                come.append(before[s - 2])
            start = t == 0 and s < 2
            ways[s] = now[label] + (0 if start else np.logaddexp.reduce(come))
    total = np.logaddexp.reduce(ways[-2:])
    return 0.0 if np.isinf(total) else -float(total)
