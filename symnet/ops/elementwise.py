"""Operations on each element by itself, with broadcasting.

A new one is one declaration: its scalar body (printed for CPU and GPU alike), its
gradient, and the NumPy function that is its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symnet.errors import ComplexError, ShapeError, message
from symnet.graph.op import Gradients, Op, Vars
from symnet.graph.types import COMPLEX, DTYPES, FLOATS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.interpret import cast_array
from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.views import ONE, Size
from symnet.ops.about import docstring
from symnet.ops.base import (
    TensorOp,
    as_tensor,
    broadcast_shapes,
    common_dtype,
    float_of,
    to_float,
)
from symnet.ops.lowerings import (
    Lowering,
    Read,
    Recorder,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
    loop_of,
)

Body = Callable[..., Scalar]
Derivative = Callable[..., Sequence[Any]]
NumpyFunction = str | Callable[..., Any]
Compute = str | Callable[[Sequence[Variable]], Sequence[str]]


LARGE_FACTOR = 2**31
# In which dtype a body computes, by the word of `compute`.
COMPUTED: dict[str, Callable[[Sequence[Variable]], str]] = {
    "common": common_dtype,
    "float": float_of,
    "floatX": lambda variables: to_float(common_dtype(variables)),
}
KINDS = {dtype: np.dtype(dtype).kind for dtype in DTYPES}


class Elementwise(TensorOp):
    """out[i] = body(in0[i], in1[i], ...), inputs broadcast against each other.

    Shapes: inputs of any ranks, aligned at the last axis; a size known to be 1 stretches.
    Dtypes: inputs are cast to their common dtype (`compute`: "float" makes integers
    floats first, as `float_of` says; "floatX" makes them that; "own" leaves each as it
    is; a function gives each input's dtype); the result has the first one's dtype, or
    `result`.
    Gradients of complex inputs: dC/dRe + i dC/dIm, so a `holomorphic` function with
    derivative f' gives g * conj(f'); another's `derivative` says it itself.
    condition: which input chooses between the others.
    about: what it is, its gradient and an example, in one line (`ops/about.py`).
    Raises: ShapeError where known sizes contradict; TypeError where `accepts` refuses.
    """

    __props__ = ("name",)
    condition: int | None = None

    def __init__(
        self,
        name: str,
        arity: int,
        body: Body,
        derivative: Derivative | None,
        reference: NumpyFunction,
        compute: Compute = "common",
        result: str | Callable[[Sequence[str]], str] | None = None,
        accepts: str = "biufc",
        commutative: bool = False,
        holomorphic: bool = True,
        condition: int | None = None,
        about: str = "",
    ) -> None:
        self.name = name
        self.arity = arity
        self.body = body
        self.derivative = derivative
        self.reference = reference
        self.compute_dtype = compute
        self.result = result
        self.accepts = accepts
        self.commutative = commutative
        self.holomorphic = holomorphic
        self.condition = condition
        if about:
            self.__doc__ = docstring(self, about)
        REGISTRY[name] = self

    # There is one op of each name; as the rewriter compares them all the time, by identity.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __reduce__(self) -> Any:
        return by_name, (self.name,)

    # How the op is printed: by its name; in programs written for Theano as there.
    printed: Callable[[str], str] = staticmethod(str)

    @property
    def scalar_op(self) -> Elementwise:
        """Theano's name for what is done to one element: here that is the same operation."""
        return self

    def __str__(self) -> str:
        return self.printed(self.name)

    __repr__ = __str__

    def make_node(self, *inputs: Any) -> Apply:
        if len(inputs) != self.arity:
            raise TypeError(
                f"{self.name} takes {self.arity} arguments, got {len(inputs)}"
            )
        # `x * True` is arithmetic; what is made of True and False alone, a mistake, and so
        # is a condition that Python has decided already.
        truth = not all(v is True or v is False for v in inputs)
        variables = self.convert(
            [
                as_tensor(v, truth=truth and k != self.condition)
                for k, v in enumerate(inputs)
            ]
        )
        types = [v.type for v in variables]
        shape = broadcast_shapes([t.shape for t in types], self, variables)
        dtype = self.result_dtype([t.dtype for t in types])
        result = types[0]
        if (result.dtype, result.shape, type(result)) != (dtype, shape, TensorType):
            result = TensorType(dtype, shape)
        return Apply(self, variables, [make_variable(result)])

    def convert(self, variables: Sequence[Variable]) -> list[Variable]:
        """The inputs, cast to the dtype in which the body computes."""
        dtypes: Sequence[str]
        if callable(self.compute_dtype):
            dtypes = self.compute_dtype(variables)
        elif self.compute_dtype == "own":
            dtypes = [v.type.dtype for v in variables]
        else:
            dtype = COMPUTED[self.compute_dtype](variables)
            dtypes = [dtype] * len(variables)
        for dtype in dtypes:
            if KINDS[dtype] not in self.accepts:
                error = ComplexError if dtype in COMPLEX else TypeError
                raise error(
                    message(
                        f"{self.name} is not defined for {dtype}",
                        operation=self,
                        operands=[operand_text(x) for x in variables],
                        cure="cast the operands first, with .astype(dtype)",
                    )
                )
        return [
            v
            if v.type.dtype == dtype and not isinstance(v, Constant)
            else cast(v, dtype)
            for v, dtype in zip(variables, dtypes, strict=True)
        ]

    def result_dtype(self, dtypes: Sequence[str]) -> str:
        if callable(self.result):
            return self.result(dtypes)
        return self.result or dtypes[0]

    def scalar(self, arguments: Sequence[Scalar], dtype: str) -> Scalar:
        """The body on scalars; `dtype` is the result's."""
        return scalars.cast(self.body(*arguments), dtype)

    def lowering(self, node: Apply) -> Lowering:
        if not has_arrays(node):
            return Reference()
        dtypes = tuple([v.type.dtype for v in node.inputs])
        return _loop(self, dtypes, node.outputs[0].type.dtype)

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        dtype: str = node.outputs[0].type.dtype
        return self.scalar([read.here() for read in reads], dtype)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [broadcast_sizes(node, inputs, sizes)]

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        """The body on host integers: on scalars, or on short vectors element by element.

        Host integers are int64 scalars, whatever the dtype of their variables.
        """
        rank, dtype = node.outputs[0].type.ndim, node.outputs[0].type.dtype
        lengths = {len(value) for value in values if isinstance(value, tuple)}
        if (
            rank > 1
            or None in values
            or len(lengths) > 1
            or np.dtype(dtype).kind == "c"
        ):
            return None
        rows: list[Scalar] = []
        for k in range(lengths.pop() if lengths else 1):
            row = [value[k] if isinstance(value, tuple) else value for value in values]
            arguments = [
                scalars.cast(one, v.type.dtype)
                for one, v in zip(row, node.inputs, strict=True)
            ]
            result = self.scalar(arguments, dtype)
            if dtype == "int64" and _may_overflow(self.name, arguments, sizes):
                # Python's integers do not wrap around; those of arrays do.
                result = scalars.cast(scalars.cast(result, "uint64"), dtype)
            rows.append(result if dtype in FLOATS else scalars.cast(result, "int64"))
        return tuple(rows) if rank else rows[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        function = self.reference
        check_sizes(node, arrays)
        if isinstance(function, str):
            value = getattr(xp, function)(*arrays)
        else:
            value = function(xp, *map(_wider, arrays))
        return [xp.asarray(value, dtype=node.outputs[0].type.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """One gradient per input, at the result's shape (`gradient` undoes broadcasts);
        None where the derivative is zero everywhere it exists."""
        if self.derivative is None:
            return [None] * len(inputs)
        g = output_gradients[0]
        if not self.holomorphic or all(v.type.dtype not in COMPLEX for v in inputs):
            return self.derivative(g, outputs[0], *inputs)
        conj = REGISTRY["conj"]
        found = self.derivative(conj(g), outputs[0], *inputs)
        return [None if d is None else conj(d) for d in found]


def _wider(array: Any) -> Any:
    """An array for a formula of several steps, which is rounded to float16 once, as native
    code does it, and NumPy in a step of its own."""
    return array.astype("float32") if array.dtype == "float16" else array


@lru_cache(maxsize=4096)
def _loop(op: Elementwise, dtypes: tuple[str, ...], dtype: str) -> Lowering:
    reads = [Recorder(k, own, 0) for k, own in enumerate(dtypes)]
    element = op.scalar([read.here() for read in reads], dtype)
    return loop_of(op.point, element, elementwise=True)


REGISTRY: dict[str, Elementwise] = {}


def by_name(name: str) -> Elementwise:
    """The elementwise op of that name (functions unpickle through it)."""
    return REGISTRY[name]


def _may_overflow(name: str, operands: Sequence[Scalar], sizes: Sizes) -> bool:
    """Whether a result of host integers may leave int64.  Not so: sums of what arguments
    and sizes are, and the product of an index and the size of a batch."""
    if name not in ("add", "sub", "mul"):
        return False
    for one in operands:
        large = one.op == "literal" and abs(one.value) >= LARGE_FACTOR
        if large or (one.op == "cast" and one.args[0].dtype == "uint64"):
            return True
    return name == "mul" and not any(
        one.op == "literal" or sizes.never_negative(one) for one in operands
    )


def broadcast_sizes(
    node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
) -> tuple[Size, ...]:
    """Sizes of operands combined element by element; sizes of 1 known as such stretch."""
    rank = node.outputs[0].type.ndim
    pairs = [(s, v.type.shape) for s, v in zip(inputs, node.inputs, strict=True)]
    result = []
    for axis in range(-rank, 0):
        found: Size | None = None
        for shape, static in pairs:
            if len(shape) < -axis or static[axis] == 1:
                continue
            here = shape[axis]
            found = (
                here
                if found is None
                else sizes.equal(found, here, f"axis {rank + axis}")
            )
        result.append(ONE if found is None else found)
    return tuple(result)


def check_sizes(node: Apply, arrays: Sequence[Any]) -> None:
    """Sizes that are not known to be 1 must agree: NumPy would stretch them silently.

    Raises: ShapeError.
    """
    rank = node.outputs[0].type.ndim
    for axis in range(-rank, 0):
        found = {
            array.shape[axis]
            for array, variable in zip(arrays, node.inputs, strict=True)
            if array.ndim >= -axis and variable.type.shape[axis] != 1
        }
        if len(found) > 1:
            numbers = " and ".join(map(str, sorted(found)))
            raise ShapeError(f"sizes do not agree along axis {rank + axis}: {numbers}")


# ---- cast


class Cast(Elementwise):
    """Each element converted to `dtype` (floats to integers truncate, as NumPy does)."""

    __props__ = ("dtype",)
    __eq__ = Op.__eq__
    __hash__ = Op.__hash__

    def __init__(self, dtype: str) -> None:
        self.dtype = TensorType(dtype).dtype
        self.name = f"cast_{self.dtype}"
        self.arity, self.compute_dtype, self.accepts = 1, "own", "biufc"
        self.result = self.dtype

    def __reduce__(self) -> Any:
        return Cast, (self.dtype,)

    def scalar(self, arguments: Sequence[Scalar], dtype: str) -> Scalar:
        return scalars.cast(arguments[0], dtype)

    def convert(self, variables: Sequence[Variable]) -> list[Variable]:
        return list(variables)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        array = xp.asarray(arrays[0])
        if array.dtype.kind == "c" and np.dtype(self.dtype).kind != "c":
            array = array.real
        return [cast_array(array, self.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        if self.dtype not in FLOATS + COMPLEX:
            return [None]
        dtype = inputs[0].type.dtype
        g = output_gradients[0]
        if dtype not in FLOATS + COMPLEX:
            return [g]  # an integer has the gradient of the real number that it is
        # A real number made complex has the real part of the gradient.
        return [g if g.type.dtype == dtype else Cast(dtype)(g)]


def cast(x: Any, dtype: Any) -> Variable:
    """`x` with each element converted to `dtype` ("floatX" allowed).

    Raises: TypeError from complex to real: take `real(x)` or `abs(x)`.

    >>> T.cast([1.7, -1.7], "int8").eval()
    array([ 1, -1], dtype=int8)
    """
    variable = as_tensor(x)
    if dtype not in DTYPES:
        dtype = TensorType(dtype).dtype
    if variable.type.dtype == dtype:
        if isinstance(variable, Constant) and variable.weak:
            return Constant(variable.type, variable.data, variable.name)
        return variable
    if variable.type.dtype in COMPLEX and dtype not in COMPLEX:
        raise TypeError(
            message(
                f"cast from {variable.type.dtype} to {dtype} would drop the imaginary part",
                operands=[operand_text(variable)],
                cure="take T.real(x), T.imag(x) or abs(x)",
            )
        )
    if isinstance(variable, Constant) and variable.data.size <= 1:
        exact = variable.data if variable.number is None else variable.number
        with np.errstate(all="ignore"):
            data = cast_array(np.asarray(exact), dtype).reshape(variable.data.shape)
        return Constant(TensorType(dtype, variable.type.shape), data, variable.name)
    return Cast(dtype)(variable)


# ---- declarations


def elementwise(
    body: Body,
    derivative: Derivative | None,
    reference: NumpyFunction,
    *,
    name: str,
    arity: int = 1,
    compute: Compute = "common",
    result: str | Callable[[Sequence[str]], str] | None = None,
    accepts: str = "biufc",
    commutative: bool = False,
    holomorphic: bool = True,
    condition: int | None = None,
    about: str = "",
) -> Elementwise:
    """Declare an op on each element.

    body: its scalar expression.
    derivative: (g, out, *inputs) -> one gradient per input; None: zero everywhere.
    reference: the name of a function of NumPy, or (xp, *arrays) -> array.
    about: what `help` says of it (`ops/about.py`).
    """
    return Elementwise(
        name,
        arity,
        body,
        derivative,
        reference,
        compute,
        result,
        accepts,
        commutative,
        holomorphic,
        condition,
        about,
    )
