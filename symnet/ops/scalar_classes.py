"""The package's own elementwise operations by the names of Theano's classes."""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import REGISTRY, Elementwise, cast
from symnet.ops.scalar_types import Preference, scalar_type

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
        name: NamedClass(
            name,
            (),
            {
                "operation": REGISTRY[operation],
                "__doc__": f"Theano's class of the operation `{operation}` of numbers.",
            },
        )
        for name, operation in CLASSES.items()
    }
