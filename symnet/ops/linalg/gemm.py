"""The matrix product with everything that one BLAS call does besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.errors import ShapeError, message
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.routines import MatrixProduct
from symnet.ops.base import LONG_PRODUCT, WIDER, TensorOp, as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes


def exact_product(multiply: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """multiply(x, y), a product along the last axis of x; long ones in more digits."""
    wider = WIDER.get(x.dtype.name) if x.shape[-1] >= LONG_PRODUCT else None
    if wider is None:
        return multiply(x, y)
    return multiply(x.astype(wider), y.astype(wider)).astype(x.dtype)


class Gemm(TensorOp):
    """alpha * dot(a, b) + beta * c.  Rewrites make it from products and sums.

    Shapes: (), (m, k), (k, n), (), (m, n) -> (m, n).
    Dtypes: float32, float64, complex64 or complex128, of `a`; the scalars follow.
    Raises: TypeError for other ranks or dtypes.
    """

    __props__ = ()

    def make_node(self, alpha: Any, a: Any, b: Any, beta: Any, c: Any) -> Apply:
        a, b, c = as_tensor(a), as_tensor(b), as_tensor(c)
        dtype = a.type.dtype
        scalars = [cast(as_tensor(s), dtype) for s in (alpha, beta)]
        ranks = [v.type.ndim for v in (scalars[0], a, b, scalars[1], c)]
        if ranks != [0, 2, 2, 0, 2] or {b.type.dtype, c.type.dtype} != {dtype}:
            raise TypeError(
                message(
                    "Gemm takes a scalar, two matrices, a scalar and a matrix of one dtype",
                    operands=[
                        operand_text(v) for v in (scalars[0], a, b, scalars[1], c)
                    ],
                )
            )
        shape = (a.type.shape[0], b.type.shape[1])
        known = [
            x if x is not None else y for x, y in zip(shape, c.type.shape, strict=True)
        ]
        output = make_variable(TensorType(dtype, known))
        return Apply(self, [scalars[0], a, b, scalars[1], c], [output])

    def lowering(self, node: Apply) -> Lowering:
        routine = MatrixProduct(node.outputs[0].type.dtype, scaled=True)
        return CallOf(routine, (0, 1, 2, 3, 4), initial=4)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        _, a, b, _, c = inputs
        sizes.equal(a[1], b[0], "the contracted axes")
        return [(sizes.equal(c[0], a[0], "axis 0"), sizes.equal(c[1], b[1], "axis 1"))]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        alpha, a, b, beta, c = arrays
        if (a.shape[0], b.shape[1]) != c.shape:
            raise ShapeError(f"a product of {a.shape} and {b.shape} added to {c.shape}")
        dtype = node.outputs[0].type.dtype
        product = exact_product(xp.dot, a, b)
        return [xp.asarray(alpha * product + beta * c, dtype=dtype)]


def gemm(alpha: Any, a: Any, b: Any, beta: Any, c: Any) -> Variable:
    """alpha * dot(a, b) + beta * c as one operation."""
    return Gemm()(alpha, a, b, beta, c)
