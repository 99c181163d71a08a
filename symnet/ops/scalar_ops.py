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

A scalar is an array of rank 0 here, so that what such an operation says of numbers (the
types of its results, its gradient) is made with variables of rank 0 and then written anew
for arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Op, Vars
from symnet.graph.origin import capture
from symnet.graph.traverse import clone_replace, leaves
from symnet.graph.types import COMPLEX, FLOATS, DisconnectedType, NullType, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.interpret import MEANING, evaluate
from symnet.kernels.loopir.math import EXTERNAL, expand
from symnet.kernels.loopir.scalars import Scalar, argument, call, walk
from symnet.ops.alloc import zeros_like
from symnet.ops.arithmetic import second
from symnet.ops.base import (
    TensorOp,
    as_tensor,
    broadcast_shapes,
    common_dtype,
    upcast,
)
from symnet.ops.elementwise import (
    Elementwise,
    broadcast_sizes,
    cast,
    check_sizes,
)
from symnet.ops.lowerings import Lowering, Reference, Shapes, Sizes
from symnet.ops.scalar_types import Preference, Types, scalar_type, upcast_out


class ScalarOp(Elementwise):
    """out[i] = body(in0[i], in1[i], ...), inputs broadcast against each other.

    A subclass defines at least one of
        body(*elements) -> Scalar: an expression of the loop IR, made with the operators
            and `call(name, ...)` (`symnet.kernels.loopir.scalars`); it is compiled, and
            fused with what stands around it.  The elements have been cast to one dtype:
            their common one, or the result's if that is a wider float;
        impl(*numbers) -> number: a Python function of Python's numbers, by which the
            operation is computed where there is no body (slowly, for each element), and
            judged in DebugMode where there is one; a tuple where `nout` is above 1;
    and may define grad(inputs, output_gradients), or L_op(inputs, outputs,
    output_gradients), with variables of rank 0, and `__props__`, the attributes by which
    two of its operations are equal.

    output_types_preference: gives the types of the results from those of the inputs, as
        `upgrade_to_float`, `same_out`, `transfer_type(0)`; by default, as `upcast_out`,
        their common dtype.  A subclass may define output_types(types) instead.
    nin: how many inputs it takes; by default as many as body, or impl, has parameters.
    Raises: TypeError where neither is defined, or a body is to give several results; when
        applied, for another number of inputs, of results' types, or a body that gives no
        scalar.

    >>> class Cube(UnaryScalarOp):
    ...     def body(self, x):
    ...         return x * x * x
    ...     def grad(self, inputs, gradients):
    ...         return [gradients[0] * 3 * inputs[0] ** 2]
    >>> import symnet, symnet.tensor as T
    >>> x = T.dvector("x")
    >>> y = Cube()(x)
    >>> symnet.function([x], [y, symnet.grad(y.sum(), x)])([1.0, 2.0])
    [array([1., 8.]), array([ 3., 12.])]
    """

    __props__ = ()  # type: ignore[assignment]  # a subclass has others
    __eq__ = Op.__eq__
    __hash__ = Op.__hash__
    nin: int | None = None
    nout: int = 1
    output_types_preference: Preference = staticmethod(upcast_out)

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        # A subclass whose __init__ does not call this one's is complete, too.
        made = super().__new__(cls)
        made.name, made.compute_dtype, made.accepts = cls.__name__, "own", "biufc"
        made.result, made.arity = None, made._arity()
        return made

    def __init__(
        self, output_types_preference: Preference | None = None, name: str | None = None
    ) -> None:
        self.name = name or type(self).__name__
        if output_types_preference is not None:
            if not callable(output_types_preference):
                raise TypeError(
                    message(
                        f"{self.name}: output_types_preference is a function of types, "
                        f"not {output_types_preference!r:.60}",
                        origin=capture(),
                        cure="give one of symnet.scalar, as upgrade_to_float",
                    )
                )
            self.output_types_preference = output_types_preference

    def _arity(self) -> int:
        """How many inputs it takes; -1: any number."""
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
        if self.nout != 1 and self.has_body:
            raise TypeError(
                message(
                    f"{kind.__name__}: a body gives one result, not {self.nout}",
                    origin=capture(),
                    cure="define impl alone, or an operation for each result",
                )
            )
        if self.nin is not None:
            return self.nin
        parameters = inspect.signature(getattr(self, own[0])).parameters.values()
        several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        return -1 if several else len(parameters)

    def __reduce__(self) -> Any:
        return _bare, (type(self),), vars(self)

    def properties(self) -> tuple[Any, ...]:
        preference = vars(self).get("output_types_preference")
        return (*super().properties(), self.name, preference)

    @property
    def has_body(self) -> bool:
        """Whether native code computes it."""
        return callable(getattr(type(self), "body", None))

    def output_types(self, types: Types) -> Types:
        """The types of the results, from those of the inputs."""
        return list(self.output_types_preference(*types))

    # ---- in graphs

    def make_node(self, *inputs: Any) -> Apply:
        if self.nout != 1:
            return OnElements(self).make_node(*inputs)
        node = self.node_of(self, inputs)
        if self.has_body and _is_of_floats(node):
            # So that a mistake shows on the line that applies it.
            _written_out(self, node)
        return node

    def node_of(self, op: TensorOp, inputs: Sequence[Any]) -> Apply:
        """An application of `op`, this operation on arrays."""
        variables = [as_tensor(v, truth=True) for v in inputs]
        if self.arity not in (-1, len(variables)):
            raise TypeError(
                message(
                    f"{self} takes {self.arity} arguments, got {len(variables)}",
                    operands=[operand_text(v) for v in variables],
                )
            )
        # A Python number has no dtype of its own: it gets that of the others.
        common = common_dtype(variables) if variables else ""
        variables = [
            (cast(v, common if v.weak else v.type.dtype))
            if isinstance(v, Constant)
            else v
            for v in variables
        ]
        kinds = self.output_types([scalar_type(v.type.dtype) for v in variables])
        if len(kinds) != self.nout or not all(isinstance(k, TensorType) for k in kinds):
            raise TypeError(
                message(
                    f"{self}: the types of its {self.nout} results were said to be "
                    f"{kinds!r:.80}",
                    operands=[operand_text(v) for v in variables],
                    cure="give one type for each result",
                )
            )
        shape = broadcast_shapes([v.type.shape for v in variables], op, variables)
        outputs = [make_variable(TensorType(kind.dtype, shape)) for kind in kinds]
        return Apply(op, variables, outputs)

    def on_elements(
        self, node: Apply, outputs: Vars, output_gradients: Vars
    ) -> Gradients:
        """The gradients for numbers, as `L_op` gives them, written anew for arrays."""
        numbers = [make_variable(scalar_type(v.type.dtype)) for v in node.inputs]
        made = self.make_node(*numbers).outputs
        # A result that the cost does not use has the gradient 0.
        reached = [
            g if isinstance(g.type, TensorType) else zeros_like(v)
            for g, v in zip(output_gradients, outputs, strict=True)
        ]
        duals = [make_variable(scalar_type(g.type.dtype)) for g in reached]
        given = numbers
        if self.has_body:
            working = _working([v.type.dtype for v in numbers], outputs[0].type.dtype)
            given = [cast(v, working) for v in numbers]
        found = self.L_op(given, made, duals)
        arrays = [*node.inputs, *outputs, *reached]
        pairs = list(zip([*numbers, *made, *duals], arrays, strict=True))
        return [on_arrays(one, pairs, outputs[0]) for one in found]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return self.grad(inputs, output_gradients)

    # ---- computed

    def scalar(self, arguments: Sequence[Scalar], dtype: str) -> Scalar:
        working = _working([one.dtype for one in arguments], dtype)
        made = self.body(*[scalars.cast(one, working) for one in arguments])
        if not isinstance(made, Scalar):
            raise TypeError(
                message(
                    f"{self}: body gave {made!r:.60}",
                    origin=capture(),
                    cure="return an expression of its arguments: of + - * / and "
                    'call("exp", x) with call from symnet.kernels.loopir.scalars',
                )
            )
        return scalars.cast(made, dtype)

    def lowering(self, node: Apply) -> Lowering:
        return super().lowering(node) if self.has_body else Reference()

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return super().host(node, values, sizes) if self.has_body else None

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        if callable(getattr(type(self), "impl", None)):
            return self.by_numbers(node, arrays, xp)
        check_sizes(node, arrays)
        dtype = node.outputs[0].type.dtype
        found = evaluate([_written_out(self, node)], arrays)[0]
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
        return [xp.asarray(np.broadcast_to(np.asarray(found, dtype), shape).copy())]

    def by_numbers(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        """The results by `impl`, for each element."""
        check_sizes(node, arrays)

        def counted(*numbers: Any) -> Any:
            found = self.impl(*numbers)
            several = found if isinstance(found, (list, tuple)) else (found,)
            if len(several) != self.nout:
                what = f"impl gave {len(several)} results, not {self.nout}"
                raise TypeError(f"{self}: {what}")
            return tuple(several) if self.nout > 1 else several[0]

        with np.errstate(all="ignore"):
            found = np.frompyfunc(counted, len(arrays), self.nout)(*arrays)
            several = found if self.nout > 1 else (found,)
            pairs = zip(several, node.outputs, strict=True)
            return [xp.asarray(_of_dtype(one, v.type.dtype)) for one, v in pairs]

    impl: Callable[..., Any]


class UnaryScalarOp(ScalarOp):
    """A `ScalarOp` of one input."""

    nin = 1


class BinaryScalarOp(ScalarOp):
    """A `ScalarOp` of two inputs."""

    nin = 2


class OnElements(TensorOp):
    """A `ScalarOp` of several results, for each element of its inputs: an operation of its
    own, because an `Elementwise` one has one result.

    Shapes, dtypes, errors: as `ScalarOp`.
    """

    __props__ = ("scalar_op",)
    runs_users_code = True

    def __init__(self, scalar_op: ScalarOp) -> None:
        self.scalar_op = scalar_op

    def __str__(self) -> str:
        return str(self.scalar_op)

    __repr__ = __str__

    def make_node(self, *inputs: Any) -> Apply:
        return self.scalar_op.node_of(self, inputs)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [broadcast_sizes(node, inputs, sizes)] * self.scalar_op.nout

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.scalar_op.by_numbers(node, arrays, xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        node = self.make_node(*inputs)
        return self.scalar_op.on_elements(node, outputs, output_gradients)


class Composite:
    """An expression of numbers as one operation: `Composite([x, y], [x * y + 1])`.

    A call writes the expression for arrays, which is then optimised, fused and
    differentiated as if it had been written there.
    Raises: TypeError where the expression needs a variable that is no input; when called,
        for another number of inputs.

    >>> x = make_variable(scalar_type("float64"))
    >>> Composite([x], [x * x + 1])([1.0, 2.0]).eval()
    array([2., 5.])
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.nin, self.nout = len(self.inputs), len(self.outputs)
        for leaf in leaves(self.outputs):
            if leaf not in self.inputs and not isinstance(leaf, Constant):
                raise TypeError(
                    f"Composite: {operand_text(leaf)} is none of its inputs"
                )

    def output_types(self, types: Types) -> Types:
        return [v.type for v in self.outputs]

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        if len(inputs) != len(self.inputs):
            raise TypeError(
                f"{self} takes {len(self.inputs)} inputs, got {len(inputs)}"
            )
        arrays = [
            cast(as_tensor(v, truth=True), one.type.dtype)
            for v, one in zip(inputs, self.inputs, strict=True)
        ]
        pairs = list(zip(self.inputs, arrays, strict=True))
        whole = arrays[0] if arrays else self.outputs[0]
        for one in arrays[1:]:
            whole = second(whole, one)
        found = [on_arrays(v, pairs, whole) for v in self.outputs]
        return found[0] if len(found) == 1 else found

    def make_node(self, *inputs: Any) -> Apply:
        found = self(*inputs)
        last: Apply = (found[0] if isinstance(found, list) else found).owner
        return last

    def __str__(self) -> str:
        return "Composite"

    __repr__ = __str__


def on_arrays(
    result: Any, pairs: Sequence[tuple[Variable, Variable]], like: Variable
) -> Any:
    """An expression of numbers, written for the arrays that stand for them; it has the
    shape of `like` also where it depends on none of them."""
    kind = getattr(result, "type", None)
    if result is None or isinstance(kind, (DisconnectedType, NullType)):
        return result
    (found,) = clone_replace([as_tensor(result)], pairs)
    return found if found.type.ndim == like.type.ndim else second(like, found)


def _bare(kind: type[ScalarOp]) -> ScalarOp:
    return object.__new__(kind)


def _working(dtypes: Sequence[str], result: str) -> str:
    """The dtype in which a body computes."""
    return upcast(*dtypes, result) if result in FLOATS else upcast(*dtypes)


def _of_dtype(numbers: Any, dtype: str) -> np.ndarray[Any, Any]:
    """Numbers of Python as an array; integers wrap around, as those of arrays do."""
    array = np.asarray(numbers, dtype=object)
    if np.dtype(dtype).kind in "iu":
        wrapped = np.frompyfunc(lambda one: int(one) % 2**64, 1, 1)(array)
        array = np.asarray(wrapped, dtype="uint64")
    return array.astype(dtype)


def _is_of_floats(node: Apply) -> bool:
    """Whether a body computes with real numbers, the result a float."""
    real = all(v.type.dtype not in COMPLEX for v in node.inputs)
    return real and node.outputs[0].type.dtype in FLOATS


def _written_out(op: ScalarOp, node: Apply) -> Scalar:
    """The body in primitives, over arguments of the dtypes of a node's inputs."""
    arguments = [argument(k, v.type.dtype) for k, v in enumerate(node.inputs)]
    body = op.scalar(arguments, node.outputs[0].type.dtype)
    try:
        whole = expand([body])[0]
    except (ValueError, TypeError) as error:
        text = message(f"{op}: in its body {error}", origin=capture())
        raise type(error)(text) from None
    judged = callable(getattr(type(op), "impl", None))
    for one in walk([whole]):
        if one.op in EXTERNAL and one.op not in MEANING and not judged:
            what = f"{op}: {one.op} has no reference"
            cure = "define impl beside body"
            raise TypeError(message(what, origin=capture(), cure=cure))
    return whole


__all__ = [
    "BinaryScalarOp", "Composite", "OnElements", "ScalarOp", "UnaryScalarOp", "call",
]  # fmt: skip
