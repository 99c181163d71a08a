"""Users' operations on single numbers, applied to each element of arrays.

A scalar is an array of rank 0 here, so that what such an operation says of numbers (the
types of its results, its gradient) is made with variables of rank 0 and then written anew
for arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from symnet.errors import message
from symnet.graph.traverse import clone_replace, leaves
from symnet.graph.types import COMPLEX, DisconnectedType, NullType, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Gradients,
    Variable,
    Vars,
    make_variable,
    operand_text,
)
from symnet.ops.alloc import zeros_like
from symnet.ops.arithmetic import second
from symnet.ops.base import TensorOp, as_tensor, broadcast_shapes, upcast
from symnet.ops.elementwise import (
    REGISTRY,
    Elementwise,
    broadcast_sizes,
    cast,
    check_sizes,
)
from symnet.ops.lowerings import Shapes, Sizes

Types = Sequence[TensorType]
Preference = Callable[..., Sequence[TensorType]]

# ---- from the types of the operands, those of the results


class ScalarType(TensorType):
    """The type of single numbers of a dtype: that of arrays of rank 0, printed as the
    dtype alone."""

    __slots__ = ()

    def __init__(self, dtype: Any) -> None:
        super().__init__(dtype)

    def __repr__(self) -> str:
        return self.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        return ScalarType, (self.dtype,)


def scalar_type(dtype: str) -> ScalarType:
    """The type of single numbers of a dtype."""
    return ScalarType(dtype)


def upcast_out(*types: TensorType) -> list[TensorType]:
    """The common dtype of the operands."""
    return [scalar_type(upcast(*[t.dtype for t in types]))]


def same_out(*types: TensorType) -> list[TensorType]:
    """The dtype of the only operand."""
    return [types[0]]


def upgrade_to_float(*types: TensorType) -> list[TensorType]:
    """The common dtype of the operands, integers counted as the float that holds them:
    those of up to 16 bits as float32, others as float64."""
    dtypes = []
    for t in types:
        kind = np.dtype(t.dtype)
        small = "float32" if kind.itemsize <= 2 else "float64"
        dtypes.append(small if kind.kind in "biu" else t.dtype)
    return [scalar_type(upcast(*dtypes))]


def upgrade_to_float64(*types: TensorType) -> list[TensorType]:
    return [scalar_type("float64")]


def int_out(*types: TensorType) -> list[TensorType]:
    return [scalar_type("int64")]


def float_out(*types: TensorType) -> list[TensorType]:
    return [scalar_type("float64")]


def real_out(*types: TensorType) -> list[TensorType]:
    """The dtype of the operand, of a complex one that of its parts."""
    parts = {"complex64": "float32", "complex128": "float64"}
    return [scalar_type(parts.get(types[0].dtype, types[0].dtype))]


def without(kinds: Sequence[str], what: str, preference: Preference) -> Preference:
    """The same preference, which refuses operands of some dtypes."""

    def checked(*types: TensorType) -> Sequence[TensorType]:
        for t in types:
            if t.dtype in kinds:
                raise TypeError(f"{what} numbers are not supported, here {t.dtype}")
        return preference(*types)

    checked.__name__ = checked.__qualname__ = preference.__name__
    return checked


upgrade_to_float_no_complex = without(COMPLEX, "complex", upgrade_to_float)
upcast_out_no_complex = without(COMPLEX, "complex", upcast_out)
same_out_nocomplex = without(COMPLEX, "complex", same_out)
int_out_nocomplex = without(COMPLEX, "complex", int_out)
float_out_nocomplex = without(COMPLEX, "complex", float_out)


class transfer_type:
    """Results of the types of the operands at these positions; None: of their common
    dtype."""

    def __init__(self, *transfer: int | None) -> None:
        self.transfer = transfer

    def __call__(self, *types: TensorType) -> list[TensorType]:
        common = upcast_out(*types)[0]
        return [common if k is None else types[k] for k in self.transfer]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, transfer_type) and self.transfer == other.transfer

    def __hash__(self) -> int:
        return hash(self.transfer)


class specific_out:
    """Results of these types, whatever the operands are."""

    def __init__(self, *spec: TensorType) -> None:
        self.spec = spec

    def __call__(self, *types: TensorType) -> list[TensorType]:
        return list(self.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, specific_out) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)


class ComplexError(NotImplementedError):
    """An operation is not defined for complex numbers."""


class IntegerDivisionError(Exception):
    """Theano's error for `/` of integers under a setting of old; never raised here."""


# ---- what users write


class ScalarOp:
    """An operation on numbers, written by a user: a class that defines

    impl(*numbers) -> the result, or a tuple of `nout` results;
    grad(inputs, output_gradients) -> one gradient per input, or L_op with the outputs;
    output_types(types) -> the results' types, unless `output_types_preference` is given.

    nin: how many inputs it takes (-1: any number).
    A call takes arrays of any shapes, broadcast against each other.  `impl` is Python and
    runs for each element: a reference step.  Where it can be written with symbolic
    functions, `Composite` runs as native code.

    >>> class Cube(UnaryScalarOp):
    ...     def impl(self, x):
    ...         return x**3
    ...     def grad(self, inputs, gradients):
    ...         return [gradients[0] * 3 * inputs[0] ** 2]
    >>> import symnet, symnet.tensor as T
    >>> x = T.dvector("x")
    >>> y = Cube(upgrade_to_float, name="cube")(x)
    >>> symnet.function([x], [y, symnet.grad(y.sum(), x)])([1.0, 2.0])
    [array([1., 8.]), array([ 3., 12.])]
    """

    nin: ClassVar[int] = -1
    nout: int = 1
    name: str | None = None

    def __init__(
        self, output_types_preference: Preference | None = None, name: str | None = None
    ) -> None:
        self.name = name
        if output_types_preference is not None:
            if not callable(output_types_preference):
                raise TypeError(
                    f"{type(self).__name__}: output_types_preference is a function of "
                    f"types, not {output_types_preference!r}"
                )
            self.output_types_preference = output_types_preference

    def output_types(self, types: Types) -> Types:
        preference = getattr(self, "output_types_preference", None)
        if preference is None:
            raise NotImplementedError(
                f"{self} says no types of its results: give output_types_preference, or "
                "define output_types(types)"
            )
        return list(preference(*types))

    def impl(self, *numbers: Any) -> Any:
        raise NotImplementedError(f"{self} defines no impl(*numbers)")

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        raise NotImplementedError(
            f"{self} has no gradient: define grad(inputs, output_gradients)"
        )

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> Any:
        return self.grad(inputs, output_gradients)

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        return OnElements(self)(*inputs, **keywords)

    def make_node(self, *inputs: Any) -> Apply:
        return OnElements(self).make_node(*inputs)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._preference() == getattr(
            other, "output_types_preference", None
        )

    def __hash__(self) -> int:
        return hash((type(self), self._preference()))

    def _preference(self) -> Any:
        return getattr(self, "output_types_preference", None)

    def __str__(self) -> str:
        return self.name or type(self).__name__

    __repr__ = __str__


class UnaryScalarOp(ScalarOp):
    """A `ScalarOp` of one number."""

    nin = 1


class BinaryScalarOp(ScalarOp):
    """A `ScalarOp` of two numbers."""

    nin = 2


class OnElements(TensorOp):
    """A user's operation on numbers, for each element of its inputs.

    Shapes: the inputs are broadcast against each other.  Dtypes: as the operation says.
    Raises: TypeError for another number of inputs, results of other types, or another
        number of results.
    """

    __props__ = ("scalar_op",)
    runs_users_code = True

    def __init__(self, scalar_op: ScalarOp) -> None:
        self.scalar_op = scalar_op

    def __str__(self) -> str:
        return str(self.scalar_op)

    __repr__ = __str__

    def make_node(self, *inputs: Any) -> Apply:
        variables = [as_tensor(v, truth=True) for v in inputs]
        variables = [
            cast(v, v.type.dtype) if isinstance(v, Constant) else v for v in variables
        ]
        op = self.scalar_op
        if op.nin >= 0 and len(variables) != op.nin:
            raise TypeError(
                message(
                    f"{op} takes {op.nin} inputs, got {len(variables)}",
                    operands=[operand_text(v) for v in variables],
                )
            )
        kinds = op.output_types([scalar_type(v.type.dtype) for v in variables])
        if len(kinds) != op.nout or not all(isinstance(k, TensorType) for k in kinds):
            raise TypeError(
                f"{op}: the types of its {op.nout} results were said to be {kinds!r:.80}"
            )
        shape = broadcast_shapes([v.type.shape for v in variables], self, variables)
        outputs = [make_variable(TensorType(kind.dtype, shape)) for kind in kinds]
        return Apply(self, variables, outputs)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [broadcast_sizes(node, inputs, sizes)] * self.scalar_op.nout

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        check_sizes(node, arrays)
        spread = np.broadcast_arrays(*arrays)
        results = [np.empty(spread[0].shape, v.type.dtype) for v in node.outputs]
        for place in np.ndindex(*spread[0].shape):
            found = self.scalar_op.impl(*[array[place] for array in spread])
            several = found if isinstance(found, (list, tuple)) else (found,)
            if len(several) != len(results):
                raise TypeError(
                    f"{self}: impl gave {len(several)} results, not {len(results)}"
                )
            for result, one in zip(results, several, strict=True):
                result[place] = one
        return [xp.asarray(result) for result in results]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """The gradient for numbers, as the operation says it, written anew for arrays."""
        numbers = [make_variable(scalar_type(v.type.dtype)) for v in inputs]
        made = self.make_node(*numbers).outputs
        # A result that the cost does not use has the gradient 0.
        reached = [
            g if isinstance(g.type, TensorType) else zeros_like(v)
            for g, v in zip(output_gradients, outputs, strict=True)
        ]
        duals = [make_variable(scalar_type(g.type.dtype)) for g in reached]
        found = self.scalar_op.L_op(numbers, made, duals)
        if len(found) != len(inputs):
            raise ValueError(
                f"{self}: grad gave {len(found)} gradients for {len(inputs)} inputs"
            )
        arrays = [*inputs, *outputs, *reached]
        pairs = list(zip([*numbers, *made, *duals], arrays, strict=True))
        return [on_arrays(one, pairs, outputs[0]) for one in found]


def on_arrays(
    result: Any, pairs: Sequence[tuple[Variable, Variable]], like: Variable
) -> Any:
    """An expression of numbers, written for the arrays that stand for them; it has the
    shape of `like` also where it depends on none of them."""
    if result is None or isinstance(
        getattr(result, "type", None), (DisconnectedType, NullType)
    ):
        return result
    (found,) = clone_replace([as_tensor(result)], pairs)
    return found if found.type.ndim == like.type.ndim else second(like, found)


class Composite(ScalarOp):
    """An expression of numbers as one operation: `Composite([x, y], [x * y + 1])`.

    A call writes the expression for arrays, which is then optimised, fused and
    differentiated as if it had been written there.
    Raises: TypeError where the expression needs a variable that is no input.

    >>> x = make_variable(scalar_type("float64"))
    >>> Composite([x], [x * x + 1])([1.0, 2.0]).eval()
    array([2., 5.])
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        super().__init__()
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.nout = len(self.outputs)
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

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return "Composite"


# ---- the package's own operations, by the names of Theano's classes

CLASSES = {
    "Abs": "abs", "Add": "add", "AND": "and_", "ArcCos": "arccos",
    "ArcCosh": "arccosh", "ArcSin": "arcsin", "ArcSinh": "arcsinh", "ArcTan": "arctan",
    "ArcTan2": "arctan2", "ArcTanh": "arctanh", "Ceil": "ceil", "Clip": "clip",
    "Conj": "conj", "Cos": "cos", "Cosh": "cosh", "Deg2Rad": "deg2rad", "EQ": "eq",
    "Erf": "erf", "Erfc": "erfc", "Erfcinv": "erfcinv", "Erfcx": "erfcx",
    "Erfinv": "erfinv", "Exp": "exp", "Exp2": "exp2", "Expm1": "expm1", "Floor": "floor",
    "GE": "ge", "GT": "gt", "Gamma": "gamma", "GammaLn": "gammaln", "I0": "i0",
    "I1": "i1", "Identity": "identity", "Imag": "imag", "IntDiv": "int_div",
    "Inv": "reciprocal", "Invert": "invert", "IsInf": "isinf", "IsNan": "isnan",
    "Iv": "iv", "J0": "j0", "J1": "j1", "Jv": "jv", "LE": "le", "LT": "lt", "Log": "log",
    "Log10": "log10", "Log1p": "log1p", "Log2": "log2", "Maximum": "maximum",
    "Minimum": "minimum", "Mod": "mod", "Mul": "mul", "NEQ": "neq", "Neg": "neg",
    "OR": "or_", "Pow": "pow", "Psi": "psi", "Rad2Deg": "rad2deg", "Real": "real",
    "RoundHalfAwayFromZero": "round_half_away_from_zero",
    "RoundHalfToEven": "round_half_to_even", "ScalarSigmoid": "sigmoid",
    "ScalarSoftplus": "softplus", "Second": "second", "Sgn": "sgn", "Sin": "sin",
    "Sinh": "sinh", "Sqr": "sqr", "Sqrt": "sqrt", "Sub": "sub", "Switch": "switch",
    "Tan": "tan", "Tanh": "tanh", "TriGamma": "tri_gamma", "TrueDiv": "true_div",
    "Trunc": "trunc", "UltraFastScalarSigmoid": "ultra_fast_sigmoid", "XOR": "xor",
}  # fmt: skip


class NamedClass(type):
    """The class of one operation of the package: `isinstance(op, Add)` asks whether `op`
    is the sum, `Add()` is the sum, `Add(transfer_type(0))` one whose result has the dtype
    of the first operand."""

    operation: Elementwise

    def __instancecheck__(cls, one: Any) -> bool:
        return one is cls.operation

    def __call__(
        cls, output_types_preference: Preference | None = None, name: str | None = None
    ) -> Any:
        if output_types_preference is None:
            return cls.operation
        return WithTypes(cls.operation, output_types_preference)


class WithTypes:
    """An operation of the package whose result has the type that a function of those of
    the operands says."""

    def __init__(self, operation: Elementwise, preference: Preference) -> None:
        self.operation, self.preference = operation, preference

    def __call__(self, *inputs: Any) -> Variable:
        variables = [as_tensor(v, truth=True) for v in inputs]
        kinds = self.preference(*[scalar_type(v.type.dtype) for v in variables])
        return cast(self.operation(*variables), kinds[0].dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WithTypes) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.operation, self.preference))

    def __repr__(self) -> str:
        return str(self.operation)


def named_classes() -> dict[str, NamedClass]:
    """A class for each row of `CLASSES`."""
    return {
        name: NamedClass(name, (), {"operation": REGISTRY[operation]})
        for name, operation in CLASSES.items()
    }
