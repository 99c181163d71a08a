"""Rules that choose library calls: products of matrices with what BLAS does besides."""

from __future__ import annotations

from typing import Any

from symnet.graph.op import Op
from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import add, mul, neg, sub, true_div
from symnet.ops.elementwise import Elementwise
from symnet.ops.linalg.gemm import gemm
from symnet.ops.linalg.products import Dot, dot
from symnet.ops.reduce import Reduce, sum
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.rewriting.patterns import Match, Result, Rule

DTYPES = ("float32", "float64", "complex64", "complex128")

# ---- products


def _of_negative(match: Match) -> Variable | None:
    """dot(-a, b) is -dot(a, b): the sign may go into what follows."""
    left, right = match.node.inputs
    for place, operand in enumerate((left, right)):
        node = operand.owner
        if node is not None and node.op == neg and match.used_once(operand):
            other = (node.inputs[0], right) if place == 0 else (left, node.inputs[0])
            return neg(dot(*other))
    return None


def _transposed(match: Match) -> Variable | None:
    """dot(a, b).T is dot(b.T, a.T), whose result lies in order."""
    product = match.node.inputs[0].owner
    if (
        product is None
        or not isinstance(product.op, Dot)
        or match.node.op.new_order != (1, 0)
    ):
        return None
    if not match.used_once(product.outputs[0]):
        return None
    left, right = (dimshuffle(v, 1, 0) for v in reversed(product.inputs))
    return dot(left, right)


def _of_complex_vectors(match: Match) -> Variable | None:
    """dot(x, y) of complex vectors is a loop, which adds up as other sums do and takes in
    what makes x and y; the library takes two to three times as long.

    Sizes of 1 that only one of them is known to have would be stretched by the product."""
    left, right = match.node.inputs
    complex_vectors = (
        left.type.dtype in COMPLEX and left.type.ndim == right.type.ndim == 1
    )
    if not complex_vectors or left.type.broadcastable != right.type.broadcastable:
        return None
    return sum(mul(left, right))


PRODUCTS: list[Rule] = [
    Rule("product_of_complex_vectors", Dot, _of_complex_vectors),
    Rule("product_of_negative", Dot, _of_negative),
    Rule("transposed_product", DimShuffle, _transposed),
]

# ---- gemm


def scaled(variable: Variable) -> tuple[Any, Variable]:
    """(alpha, x) where `variable` is alpha * x for a scalar alpha (1 where there is none)."""
    alpha: Any = 1
    while (outermost := _scaling(variable)) is not None:
        op, factor, variable = outermost
        alpha = op(alpha, *factor)
    return alpha, variable


def _scaling(variable: Variable) -> tuple[Op, list[Variable], Variable] | None:
    """(op, scalar operands beside x, x) where `variable` is x scaled by this op."""
    node = variable.owner
    if node is None:
        return None
    if node.op == neg:
        return neg, [], node.inputs[0]
    if node.op == mul and node.inputs[0].type.ndim == 0:
        return mul, [node.inputs[0]], node.inputs[1]
    if node.op in (mul, true_div) and node.inputs[1].type.ndim == 0:
        return node.op, [node.inputs[1]], node.inputs[0]
    return None


def _product(variable: Variable, match: Match) -> tuple[Any, Apply] | None:
    """(alpha, node) where `variable` is alpha * dot(matrix, matrix), needed only here."""
    inner = variable
    while (outermost := _scaling(inner)) is not None:
        inner = outermost[-1]
    node = inner.owner
    if node is None or not isinstance(node.op, Dot) or inner.type.dtype not in DTYPES:
        return None
    if not match.used_once(variable) or not match.used_once(inner):
        return None
    if any(v.type.ndim != 2 for v in node.inputs):
        return None
    return scaled(variable)[0], node


def _sum_with_product(match: Match) -> Result:
    """c - alpha * dot(a, b) as one gemm, which writes where c was.

    Only where the sum is needed as an array: inside a larger loop the addition is free.
    """
    if match.out.type.ndim != 2 or in_loop(match):
        return None
    left, right = match.node.inputs
    minus = match.node.op == sub
    for first, second, beta_sign, alpha_sign in (
        (left, right, 1, -1 if minus else 1),
        (right, left, -1 if minus else 1, 1),
    ):
        found = _product(second, match)
        if found is None:
            continue
        alpha, product = found
        beta, matrix = scaled(first)
        if match.out.type.dtype in COMPLEX and not (_known(alpha) and _known(beta)):
            continue
        # Sizes that are not known to be 1 must agree for the sum as for the gemm.
        if matrix.type.broadcastable == product.outputs[0].type.broadcastable:
            a, b = product.inputs
            return gemm(alpha_sign * alpha, a, b, beta_sign * beta, matrix)
    return None


def _known(scalar: Any) -> bool:
    """Whether a scalar is a number other than 0.  One that turns out as 0 when it runs
    must not hide a NaN, and that is seen to for real numbers only."""
    if not isinstance(scalar, Variable):
        return bool(scalar)
    if isinstance(scalar, Constant):
        return bool(scalar.data.any())
    return scalar.owner is not None and all(map(_known, scalar.owner.inputs))


def in_loop(match: Match) -> bool:
    """Whether an elementwise operation or reduction takes the result up, and it is not
    an output, which is stored anyway."""
    users = match.users(match.out)
    if None in users:
        return False
    return any(c is not None and isinstance(c.op, (Elementwise, Reduce)) for c in users)


GEMM: list[Rule] = [
    Rule("gemm_of_sum", add, _sum_with_product),
    Rule("gemm_of_difference", sub, _sum_with_product),
]
