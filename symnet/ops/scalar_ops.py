"""Elementwise operations that users write: with a scalar body, which is compiled and fused
as those of the package are, or with a Python function of numbers.

    class Gap(UnaryScalarOp):
        def body(self, x):
            return call("abs", x - call("rint", x))

        def grad(self, inputs, output_gradients):
            (x,), (g,) = inputs, output_gradients
            return [g * T.sgn(x - T.round(x))]

    gap = Gap()
    y = gap(x)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.origin import capture
from symnet.graph.types import FLOATS
from symnet.graph.variables import Apply, Gradients, Op, Vars
from symnet.kernels.loopir.interpret import evaluate
from symnet.kernels.loopir.math import EXTERNAL, expand
from symnet.kernels.loopir.scalars import Scalar, argument, call, walk
from symnet.ops.elementwise import Elementwise, check_sizes
from symnet.ops.lowerings import Lowering, Reference

# What Theano's scalar operations say of their results: see `ScalarOp`.
FLOAT, COMMON = "float", "common"


class ScalarOp(Elementwise):
    """out[i] = body(in0[i], in1[i], ...), inputs broadcast against each other.

    A subclass defines at least one of
        body(*elements) -> Scalar: an expression of the loop IR, made with the operators
            and `call(name, ...)` (`symnet.kernels.loopir.scalars`); it is compiled, and
            fused with what stands around it;
        impl(*numbers) -> number: a Python function, by which the operation is computed
            where there is no body (slowly, for each element), and judged in DebugMode where
            there is one;
    and may define grad(inputs, output_gradients), with variables, and `__props__`, the
    attributes by which two of its operations are equal.

    output_types_preference: `upgrade_to_float` where integers are to become floats first;
        otherwise inputs get their common dtype, which is the result's.
    Raises: TypeError where neither is defined; when applied, for a body that gives no
        scalar or another number of arguments.
    """

    __props__ = ()  # type: ignore[assignment]  # a subclass has others
    __eq__ = Op.__eq__
    __hash__ = Op.__hash__
    nin: int | None = None

    def __init__(
        self, output_types_preference: Any = None, name: str | None = None
    ) -> None:
        self.name = name or type(self).__name__
        self.compute_dtype = output_types_preference or COMMON
        self.result = None
        self.accepts = "biufc"
        self.arity = self._arity()

    def _arity(self) -> int:
        kind = type(self)
        own = [f for f in ("body", "impl") if callable(getattr(kind, f, None))]
        if not own:
            hint = "; c_code is not used" if hasattr(kind, "c_code") else ""
            raise TypeError(
                message(
                    f"{kind.__name__} defines neither body nor impl{hint}",
                    origin=capture(),
                    cure="define body(self, x), an expression of the loop IR, or "
                    "impl(self, x), a function of numbers",
                )
            )
        if self.nin is not None:
            return self.nin
        return len(inspect.signature(getattr(self, own[0])).parameters)

    def __reduce__(self) -> Any:
        return _bare, (type(self),), vars(self)

    def properties(self) -> tuple[Any, ...]:
        return (*super().properties(), self.name, self.compute_dtype)

    @property
    def has_body(self) -> bool:
        """Whether native code computes it."""
        return callable(getattr(type(self), "body", None))

    def scalar(self, arguments: Sequence[Scalar], dtype: str) -> Scalar:
        made = self.body(*arguments)
        if not isinstance(made, Scalar):
            raise TypeError(
                message(
                    f"{self}: body gave {made!r:.60}",
                    origin=capture(),
                    cure="return an expression of its arguments: of + - * / and "
                    'call("exp", x) with call from symnet.kernels.loopir.scalars',
                )
            )
        return super().scalar(arguments, dtype)

    def make_node(self, *inputs: Any) -> Apply:
        node = super().make_node(*inputs)
        if self.has_body and node.outputs[0].type.dtype in FLOATS:
            _written_out(
                self, node
            )  # so that a mistake shows on the line that applies it
        return node

    def lowering(self, node: Apply) -> Lowering:
        return super().lowering(node) if self.has_body else Reference()

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        check_sizes(node, arrays)
        dtype = node.outputs[0].type.dtype
        if callable(getattr(type(self), "impl", None)):
            found = _each(self.impl, dtype)(*arrays)
        else:
            found = evaluate([_written_out(self, node)], arrays)[0]
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
        return [np.broadcast_to(np.asarray(found, dtype), shape).copy()]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return self.grad(inputs, output_gradients)

    impl: Callable[..., Any]


class UnaryScalarOp(ScalarOp):
    """A `ScalarOp` of one input."""

    nin = 1


class BinaryScalarOp(ScalarOp):
    """A `ScalarOp` of two inputs."""

    nin = 2


def _bare(kind: type[ScalarOp]) -> ScalarOp:
    return object.__new__(kind)


# Theano's names for what results are of.
upgrade_to_float = upgrade_to_float_no_complex = FLOAT
same_out = same_out_nocomplex = upcast_out = COMMON


def _written_out(op: ScalarOp, node: Apply) -> Scalar:
    """The body in primitives, over arguments of the dtypes of a node's inputs."""
    arguments = [argument(k, v.type.dtype) for k, v in enumerate(node.inputs)]
    body = op.scalar(arguments, node.outputs[0].type.dtype)
    try:
        whole = expand([body])[0]
    except (ValueError, TypeError) as error:
        text = message(f"{op}: in its body {error}", origin=capture())
        raise type(error)(text) from None
    for one in walk([whole]):
        if one.op in EXTERNAL:
            what = f"{op}: {one.op} has no reference"
            cure = "define impl beside body"
            raise TypeError(message(what, origin=capture(), cure=cure))
    return whole


def _each(function: Callable[..., Any], dtype: str) -> Callable[..., Any]:
    """The function of numbers as one of arrays; of nothing it gives nothing."""

    def of_arrays(*arrays: Any) -> Any:
        if not all(np.size(a) for a in arrays):
            return np.empty(np.broadcast_shapes(*(np.shape(a) for a in arrays)), dtype)
        with np.errstate(all="ignore"):
            return np.vectorize(function, otypes=[dtype])(*arrays)

    return of_arrays


__all__ = [
    "BinaryScalarOp", "ScalarOp", "UnaryScalarOp", "call", "same_out",
    "same_out_nocomplex", "upcast_out", "upgrade_to_float", "upgrade_to_float_no_complex",
]  # fmt: skip
