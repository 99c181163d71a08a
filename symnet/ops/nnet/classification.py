"""How well classes are predicted: cross-entropies, and what else takes class numbers.

Everything here stays stable for large arguments with all rewrites off: the entropies
look whether what they get was made by softmax or sigmoid, and compute from its argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import ClassNumberError, ShapeError, message
from symnet.graph.asked import remember_inputs
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.arithmetic import add, int_div, log, mod, mul, neg, sub, switch
from symnet.ops.base import NoGradient, PointOp, as_tensor, disconnected, to_float
from symnet.ops.comparison import eq, lt
from symnet.ops.composed import Composed
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast, elementwise
from symnet.ops.functions import exp, sigmoid, softplus
from symnet.ops.indexing import getitem
from symnet.ops.joining import concatenate
from symnet.ops.linalg.products import batched_dot, dot, swapped, tensordot
from symnet.ops.lowerings import Read, Shapes, Sizes
from symnet.ops.nnet.activations import Softmax, logsoftmax, softmax
from symnet.ops.reduce import argmax, top_over
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import flatten, reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i
from symnet.ops.sorting import unique

__all__ = [
    "binary_crossentropy", "categorical_crossentropy", "confusion_matrix",
    "crossentropy_categorical_1hot", "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias", "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias", "CrossentropySoftmax1Hot",
    "h_softmax", "pick", "Pick", "sigmoid_binary_crossentropy",
]  # fmt: skip

# ---- numbers of classes


def class_numbers(y: Any, x: Variable) -> Variable:
    """`y` as the numbers of classes whose scores are along x's last axis.

    Raises: TypeError for what is not integer or has not one axis less than x.
    """
    numbers = as_tensor(y)
    if numbers.type.dtype not in INTEGERS:
        raise TypeError(
            message(
                f"numbers of classes are integers, not {numbers.type.dtype}",
                operands=[operand_text(x), operand_text(numbers)],
                cure="cast them, y.astype('int32'), or pass probabilities of x's own rank",
            )
        )
    if numbers.type.ndim != x.type.ndim - 1:
        raise TypeError(
            message(
                "numbers of classes have one axis less than the scores",
                operands=[operand_text(x), operand_text(numbers)],
            )
        )
    return numbers


class Pick(PointOp):
    """x[..., y]: of each line along the last axis the element whose number y holds.

    Shapes: x (..., n), y (...) -> (...).  Negative numbers count from the end, unless
    `strict`: they number no class.
    Raises: ClassNumberError for a number out of range; ShapeError where sizes differ.
    """

    __props__ = ("strict",)
    index_error = ClassNumberError

    def __init__(self, strict: bool = False) -> None:
        self.strict = bool(strict)

    def make_node(self, x: Any, y: Any) -> Apply:
        x = as_tensor(x)
        y = class_numbers(y, x)
        shape = _common_shape(x, y)
        return Apply(self, [x, y], [make_variable(TensorType(x.type.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, y = inputs
        what = "scores and numbers of classes"
        return [tuple(sizes.equal(a, b, what) for a, b in zip(x[:-1], y, strict=True))]

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        return reads[0].at([*index, self.position(reads)])

    def position(self, reads: Sequence[Read]) -> Scalar:
        """The number at this point, one out of range in the place of a negative one."""
        number = scalars.cast(reads[1].here(), "int64")
        if not self.strict:
            return number
        count = reads[0].sizes[-1]
        return select(call("lt", number, literal(0, "int64")), count, number)

    def check(self, x: Any, y: Any) -> None:
        """Raises: ShapeError, ClassNumberError."""
        if x.shape[:-1] != y.shape:
            raise ShapeError(
                f"scores {x.shape} do not fit numbers of classes {y.shape}"
            )
        count = x.shape[-1]
        low = 0 if self.strict else -count
        wrong = y[(y < low) | (y >= count)]
        if wrong.size:
            raise ClassNumberError(
                f"{wrong.reshape(-1)[0]} is the number of no class: they go from {low} to "
                f"{count - 1}"
            )

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y = arrays
        self.check(x, y)
        lines = xp.take_along_axis(x, y.astype("int64")[..., None], axis=-1)
        return [lines[..., 0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (g,) = inputs, output_gradients
        numbers = ClassNumbers()(x, y) if self.strict else y
        return [switch(picked(x, numbers), as_column(g), 0), disconnected()]


class ClassNumbers(NoGradient, Pick):
    """y, where its elements number classes of the scores x: a gradient needs no score of
    the class, and must not take a number that is none.

    Shapes, Raises: as a strict Pick.
    """

    def __init__(self) -> None:
        super().__init__(strict=True)

    def make_node(self, x: Any, y: Any) -> Apply:
        made = super().make_node(x, y)
        kind = TensorType(made.inputs[1].type.dtype, made.outputs[0].type.shape)
        return Apply(self, made.inputs, [make_variable(kind)])

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        found = reads[0].at([*index, self.position(reads)])
        number = reads[1].here()
        return select(call("eq", found, found), number, number)  # found is looked up

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        self.check(*arrays)
        return [arrays[1]]


def _common_shape(x: Variable, y: Variable) -> list[int | None]:
    """The sizes that scores (without the last axis) and numbers of classes share."""
    shape: list[int | None] = []
    for axis, (left, right) in enumerate(zip(x.type.shape, y.type.shape)):
        if left is not None and right is not None and left != right:
            raise ShapeError(
                message(
                    f"sizes do not agree along axis {axis}: {left} scores, {right} numbers",
                    operands=[operand_text(x), operand_text(y)],
                )
            )
        shape.append(right if left is None else left)
    return shape


def as_column(x: Variable) -> Variable:
    """`x` with a new last axis."""
    return dimshuffle(x, *range(x.type.ndim), "x")


def picked(x: Variable, y: Variable) -> Variable:
    """Where along x's last axis the number is that y holds: a bool array like x."""
    count = shape_i(x, -1)
    if not y.type.dtype.startswith("u"):
        y = switch(lt(y, 0), add(y, count), y)
    return eq(arange(count), as_column(y))


def pick(x: Any, y: Any, strict: bool = False) -> Variable:
    """Of each line of x along the last axis the element whose number y holds.

    Shapes: x (..., n), y (...) of integers -> (...).
    Raises: ClassNumberError, an IndexError and a ValueError, for a number out of range, if
        `strict` also for a negative one.
    """
    return Pick(strict)(x, y)


class CrossentropySoftmax1Hot(Composed):
    """-log(softmax(x)[..., y]), finite for all finite x.

    Shapes: x (..., n) floats, y (...) integers -> (...).
    Raises: as a strict Pick.
    """

    def make_node(self, x: Any, y: Any) -> Apply:
        x = as_tensor(x)
        x, y = cast(x, to_float(x.type.dtype)), class_numbers(y, x)
        kind = TensorType(x.type.dtype, _common_shape(x, y))
        return Apply(self, [x, y], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return Pick(strict=True).infer_sizes(node, inputs, sizes)

    def expand(self, *inputs: Variable) -> Variable:
        x, y = inputs
        axis = x.type.ndim - 1
        top = top_over(x, [axis])
        total = sum_over(exp(sub(x, as_column(top))), axis=axis)
        return sub(log(total), sub(pick(x, y, strict=True), top))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y = arrays
        (score,) = Pick(strict=True).compute(node, arrays, xp)
        top = x.max(axis=-1, initial=-np.inf)
        total = xp.exp(x - top[..., None]).sum(axis=-1)
        return [xp.asarray(xp.log(total) - (score - top), dtype=x.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (g,) = inputs, output_gradients
        numbers = ClassNumbers()(x, y)
        step = sub(softmax(x, axis=-1), cast(picked(x, numbers), x.type.dtype))
        return [mul(step, as_column(g)), disconnected()]


def softmax_argument(p: Variable) -> Variable | None:
    """x where p was made as the softmax of x along the last axis, else None."""
    node = p.owner
    if node is None or node.op != Softmax(p.type.ndim - 1):
        return None
    return node.inputs[0]


def log_probability(p: Variable) -> Variable:
    """log(p), from the argument of a softmax that made p."""
    x = softmax_argument(p)
    return log(p) if x is None else logsoftmax(x, axis=-1)


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """The cross-entropy of distributions over classes, for each line of `coding_dist`.

    true_dist: probabilities of the same rank, or numbers of classes (integers of one rank
    less).
    Shapes: (..., n) -> (...).
    Raises: TypeError for another rank or for numbers that are not integers.

    >>> T.nnet.categorical_crossentropy([[0.5, 0.5]], [1]).eval().round(6)
    array([0.693147])
    """
    coding, true = as_tensor(coding_dist), as_tensor(true_dist)
    if true.type.ndim == coding.type.ndim - 1:
        return crossentropy_categorical_1hot(coding, true)
    if true.type.ndim != coding.type.ndim:
        raise TypeError(
            message(
                "rank mismatch between the coding and the true distributions",
                operands=[operand_text(coding), operand_text(true)],
                cure="pass probabilities of the same rank, or numbers of classes",
            )
        )
    product = mul(true, log_probability(coding))
    return neg(sum_over(product, axis=coding.type.ndim - 1))


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Variable:
    """-log(coding_dist[..., true_one_of_n]), stable where coding_dist is a softmax.

    Shapes: (..., n), integers (...) -> (...).
    Raises: ClassNumberError for a number that is not one of 0, ..., n - 1.

    >>> T.nnet.crossentropy_categorical_1hot([[0.5, 0.5]], [1]).eval().round(6)
    array([0.693147])
    """
    coding = as_tensor(coding_dist)
    x = softmax_argument(coding)
    result: Variable
    if x is None:
        result = neg(log(pick(coding, true_one_of_n, strict=True)))
    else:
        result = CrossentropySoftmax1Hot()(x, true_one_of_n)
    return result


def crossentropy_softmax_max_and_argmax_1hot(
    x: Any, y_idx: Any, **keywords: Any
) -> list[Variable]:
    """For each row of x: the cross-entropy of its softmax with class y, the softmax, its
    maximum and the maximum's position.

    >>> found = T.nnet.crossentropy_softmax_max_and_argmax_1hot([[0.0, 3.0]], [1])
    >>> found[-1].eval()
    array([1])
    """
    x = as_tensor(x)
    probabilities = softmax(x)
    entropy = crossentropy_categorical_1hot(probabilities, y_idx)
    top, position = max_over(probabilities, axis=-1), argmax(x, axis=-1)
    results = [entropy, probabilities, top, position]
    remember_inputs(results, [x, as_tensor(y_idx)])
    return results


def crossentropy_softmax_max_and_argmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any, **keywords: Any
) -> list[Variable]:
    """`crossentropy_softmax_max_and_argmax_1hot` of x + b.

    >>> x, b = [[0.0, 3.0]], [1.0, 0.0]
    >>> found = T.nnet.crossentropy_softmax_max_and_argmax_1hot_with_bias(x, b, [1])
    >>> found[-1].eval()
    array([1])
    """
    return crossentropy_softmax_max_and_argmax_1hot(add(x, b), y_idx)


def crossentropy_softmax_argmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any
) -> list[Variable]:
    """The cross-entropy of the softmax of x + b, that softmax, its greatest position.

    >>> x, b = [[0.0, 3.0]], [1.0, 0.0]
    >>> found = T.nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, [1])
    >>> found[-1].eval()
    array([1])
    """
    entropy, probabilities, _, position = crossentropy_softmax_max_and_argmax_1hot(
        add(x, b), y_idx
    )
    return [entropy, probabilities, position]


def crossentropy_softmax_1hot(x: Any, y_idx: Any, **keywords: Any) -> list[Variable]:
    """For each row of x the cross-entropy of its softmax with class y, and the softmax.

    >>> cost, p = T.nnet.crossentropy_softmax_1hot([[0.0, 0.0]], [1])
    >>> p.eval()
    array([[0.5, 0.5]])
    """
    return crossentropy_softmax_max_and_argmax_1hot(x, y_idx)[:2]


def crossentropy_softmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any, **keywords: Any
) -> list[Variable]:
    """`crossentropy_softmax_1hot` of x + b.

    >>> x, b = [[0.0, 1.0]], [1.0, 0.0]
    >>> cost, p = T.nnet.crossentropy_softmax_1hot_with_bias(x, b, [1])
    >>> p.eval()
    array([[0.5, 0.5]])
    """
    return crossentropy_softmax_1hot(add(x, b), y_idx)


# ---- cross-entropy of two classes

# softplus(x) - t x, without the cancellation where x is large.
_sigmoid_crossentropy = elementwise(
    lambda x, t: softplus.body(-call("abs", x)) + x * (select(x > 0, 1.0, x * 0.0) - t),
    lambda g, out, x, t: (g * (sigmoid(x) - t), -g * x),
    lambda xp, x, t: xp.log1p(xp.exp(-xp.abs(x))) + x * ((x > 0) - t),
    name="sigmoid_binary_crossentropy", arity=2, compute="float", accepts="f",
)  # fmt: skip


def sigmoid_binary_crossentropy(output: Any, target: Any) -> Variable:
    """The cross-entropy of sigmoid(output) with target, finite for all finite output.

    >>> T.nnet.sigmoid_binary_crossentropy([1000.0, 0.0], [1.0, 0.0]).eval().round(6)
    array([0.      , 0.693147])
    """
    return _sigmoid_crossentropy(output, target)


def binary_crossentropy(output: Any, target: Any) -> Variable:
    """-(target log(output) + (1 - target) log(1 - output)), element by element.

    Stable where `output` was made by sigmoid.

    >>> T.nnet.binary_crossentropy([0.5, 0.5], [1.0, 0.0]).eval().round(6)
    array([0.693147, 0.693147])
    """
    p, t = as_tensor(output), as_tensor(target)
    if p.owner is not None and p.owner.op is sigmoid:
        return sigmoid_binary_crossentropy(p.owner.inputs[0], t)
    return neg(add(mul(t, log(p)), mul(sub(1.0, t), log(sub(1.0, p)))))


def confusion_matrix(actual: Any, pred: Any) -> list[Variable]:
    """How often each class (row) was taken for each (column), and the classes in order.

    Shapes: actual (n,), pred (n,) -> (c, c), (c,), c the number of classes that occur.
    Raises: ValueError for other ranks.

    >>> counts, order = T.nnet.confusion_matrix([0, 1, 1], [0, 1, 0])
    >>> counts.eval()
    array([[1, 0],
           [1, 1]])
    """
    labels = [as_tensor(actual), as_tensor(pred)]
    if any(v.type.ndim != 1 for v in labels):
        raise ValueError(
            message(
                "confusion_matrix takes vectors", operands=map(operand_text, labels)
            )
        )
    order = unique(concatenate(labels))
    rows, columns = (cast(eq(as_column(v), order), "int64") for v in labels)
    return [dot(swapped(rows), columns), order]


# ---- classes in two levels


def h_softmax(
    x: Any,
    batch_size: Any,
    n_outputs: Any,
    n_classes: Any,
    n_outputs_per_class: Any,
    W1: Any,
    b1: Any,
    W2: Any,
    b2: Any,
    target: Any = None,
) -> Variable:
    """The probabilities of a softmax in two levels: of a class, then of an output in it.

    Shapes: x (batch, features), W1 (features, n_classes), b1 (n_classes,),
    W2 (n_classes, features, n_outputs_per_class), b2 (n_classes, n_outputs_per_class) ->
    (batch, n_outputs), or with target (batch,) or (batch, 1) the targets' (batch,).
    Source: Goodman 2001; Morin & Bengio 2005.

    >>> x, W1, W2 = np.ones((2, 3)), np.zeros((3, 2)), np.zeros((2, 3, 2))
    >>> T.nnet.h_softmax(x, 2, 4, 2, 2, W1, np.zeros(2), W2, np.zeros((2, 2))).eval()
    array([[0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25]])
    """
    x, W2, b2 = as_tensor(x), as_tensor(W2), as_tensor(b2)
    classes = softmax(add(dot(x, W1), b1))
    if target is None:
        inner = softmax(add(tensordot(x, W2, [[1], [1]]), b2), axis=2)
        columns = mul(shape_i(inner, 1), shape_i(inner, 2))
        every = reshape(mul(as_column(classes), inner), (batch_size, columns), ndim=2)
        return getitem(every, (slice(None), slice(n_outputs)))
    wanted = flatten(as_tensor(target))
    chosen = int_div(wanted, n_outputs_per_class)
    scores = add(batched_dot(x, getitem(W2, chosen)), getitem(b2, chosen))
    within = pick(softmax(scores), mod(wanted, n_outputs_per_class))
    result: Variable = mul(pick(classes, chosen, strict=True), within)
    return result
