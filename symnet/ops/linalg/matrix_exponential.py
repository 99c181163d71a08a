"""The exponential of a matrix, by a quotient of polynomials and squaring.

e**A = (e**(A / 2**s))**(2**s), with s such that the quotient is exact to the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.kernels.loopir.scalars import PARTS
from symnet.ops.arithmetic import (
    absolute,
    add,
    maximum,
    minimum,
    mul,
    pow,
    sub,
    switch,
)
from symnet.ops.comparison import ge, le, lt
from symnet.ops.composed import Composed
from symnet.ops.creation import eye
from symnet.ops.elementwise import cast
from symnet.ops.functions import exp2, log2
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.indexing import getitem
from symnet.ops.joining import concatenate
from symnet.ops.linalg.products import adjoint, matmul
from symnet.ops.linalg.solving import (
    MatrixInverse,
    MatrixOp,
    as_columns,
    precise,
    rows_of,
    solve,
)
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reduce import top_over
from symnet.ops.scan.scan_function import scan
from symnet.ops.whole_numbers import ceil

__all__ = ["Expm", "expm"]

# By the dtype of a matrix's parts: the degree of the quotient, and up to which norm it is
# exact.  Source: Higham 2005, "The scaling and squaring method", tables 2.1 and 2.3.
DEGREES = {"float32": (7, 3.925724783138660), "float64": (13, 5.371920351148152)}
# Squarings of a loop: hardly any matrix needs more than the first, none more than the last.
USUAL, MOST_SQUARINGS = 16, 1100


class Expm(MatrixOp, Composed):
    """The exponential of a square matrix, or of each of a batch.

    Shapes: (..., n, n) -> the same.

    Source: Higham 2005, with the number of squarings from norms of powers as Al-Mohy and
    Higham 2009, "A new scaling and squaring algorithm".
    Source of the gradient: the derivative of exp at A towards E is the upper right block
    of exp([[A, E], [0, A]]) (Higham 2008, equation 3.16); its adjoint takes that of A.

    >>> x = T.dmatrix("x")
    >>> T.slinalg.Expm()(x).eval({x: [[0.0, 1.0], [0.0, 0.0]]})
    array([[1., 1.],
           [0., 1.]])
    """

    batched = True
    make_node = MatrixInverse.make_node
    infer_sizes = MatrixInverse.infer_sizes

    def expand(self, *inputs: Variable) -> Variable:
        (x,) = inputs
        wide = cast(x, "float32") if x.type.dtype == "float16" else x
        return cast(_exponential(wide), x.type.dtype)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = precise(arrays[0])
        import scipy.linalg  # slow to import, and only needed here

        value = scipy.linalg.expm(x if xp is np else xp.asnumpy(x))
        return self.finished(node, [value], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,), (g,) = inputs, output_gradients
        turned, n, last = adjoint(x), rows_of(x), x.type.ndim - 1
        upper = concatenate([turned, g], axis=last)
        below = concatenate([mul(g, 0), turned], axis=last)
        block = expm(concatenate([upper, below], axis=last - 1))
        return [getitem(block, (..., slice(None, n), slice(n, None)))]


def _exponential(x: Variable) -> Variable:
    part = PARTS.get(x.type.dtype, x.type.dtype)
    degree, most = DEGREES[part]
    start = _squarings(_norm(x), most)
    scaled = mul(x, _each(exp2(-start)))
    square = matmul(scaled, scaled)
    fourth = matmul(square, square)
    powers = [square, fourth, matmul(square, fourth)]
    # Powers may be smaller than the norm promises: then less squaring is exact, and better.
    roots = (pow(_norm(powers[k]), 1 / (2 * k + 2)) for k in (1, 2))
    size = maximum(*roots)
    fewer = maximum(0, add(start, ceil(log2(size / most))))
    count = switch(ge(size, 0), minimum(start, fewer), start)
    back = exp2(sub(start, count))
    scaled = mul(scaled, _each(back))
    powers = [mul(p, _each(pow(back, 2 * k + 2))) for k, p in enumerate(powers)]
    return _squared(_quotient(scaled, powers, degree), count)


def _norm(x: Variable) -> Variable:
    """The largest sum of a column; of no columns minus infinity."""
    sums = sum_over(absolute(x), axis=x.type.ndim - 2)
    return top_over(sums, [sums.type.ndim - 1])


def _squarings(norm: Variable, most: float) -> Variable:
    """How often a number is halved until it is not above `most`."""
    needed = ceil(log2(maximum(norm, most) / most))
    result: Variable = switch(lt(needed, MOST_SQUARINGS), needed, 0)
    return result


def _each(factor: Variable) -> Variable:
    """A number for each matrix, to be multiplied with all its elements."""
    return as_columns(as_columns(factor))


def _quotient(x: Variable, powers: Sequence[Variable], degree: int) -> Variable:
    """The diagonal Pade approximant of exp; powers: x**2, x**4, x**6."""
    c = _coefficients(degree)
    one = eye(rows_of(x), dtype=x.type.dtype)
    low = [one, *powers]
    odd, even = _sum(c[1:8:2], low), _sum(c[0:8:2], low)
    if degree > 7:  # the others are a product with the highest power
        odd = add(odd, matmul(powers[-1], _sum(c[9::2], powers)))
        even = add(even, matmul(powers[-1], _sum(c[8::2], powers)))
    odd = matmul(x, odd)
    return solve(sub(even, odd), add(even, odd))


def _sum(factors: Sequence[float], terms: Sequence[Variable]) -> Variable:
    total = mul(terms[0], factors[0])
    for factor, term in zip(factors[1:], terms[1:], strict=True):
        total = add(total, mul(term, factor))
    return total


def _coefficients(degree: int) -> list[float]:
    """Of the numerator, from the lowest power: (2m - k)! m! / ((2m)! (m - k)! k!)."""
    f = math.factorial
    m = degree
    return [
        f(2 * m - k) * f(m) / (f(2 * m) * f(m - k) * f(k)) for k in range(degree + 1)
    ]


def _squared(x: Variable, count: Variable) -> Variable:
    """Each matrix squared so often.

    How often is not known before a run, and a loop of so many steps as a value says would
    end the native program.  So the loop is long enough for all, and does nothing once it is
    done; few need a long one.
    """
    last = max_over(concatenate([count.flatten(), [cast(0, count.type.dtype)]]))
    few, many = (partial(_squaring, steps) for steps in (USUAL, MOST_SQUARINGS))
    return _either(le(last, USUAL), few, many, x, count, last)


def _squaring(steps: int, x: Variable, count: Variable, last: Variable) -> Variable:
    def squared(value: Variable, k: Variable, count: Variable) -> Variable:
        following = matmul(value, value)
        if x.type.ndim > 2:
            following = switch(_each(lt(k, count)), following, value)
        return following

    def step(k: Variable, value: Variable) -> list[Variable]:
        more = lt(k, last)
        return [add(k, 1), _either(more, squared, _as_it_is, value, k, count)]

    start = cast(0, count.type.dtype)
    (_, rows), _ = scan(step, outputs_info=[start, x], n_steps=steps)
    result: Variable = rows[-1]
    return result


def _as_it_is(value: Variable, *_: Variable) -> Variable:
    return value


def _either(
    condition: Variable,
    yes: Callable[..., Variable],
    no: Callable[..., Variable],
    *values: Variable,
) -> Variable:
    """What one of two functions makes of values: only that is computed."""
    first, second = ([make_variable(v.type) for v in values] for _ in range(2))
    op = IfElse(first, [yes(*first)], second, [no(*second)])
    result: Variable = op(condition, *values, *values)
    return result


expm = Expm()
