"""Operations by Theano's names in place: `add_inplace(x, y)` is the sum in x's dtype.

Graphs are pure here: the compiler decides in what memory a result lies, and lays it over
an operand wherever nobody reads that any more.  An argument is overwritten only where a
function is told so, by `accept_inplace=True` or `In(x, mutable=True)`: it then holds the
result after the call (`compile/overwritten.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.arithmetic import (
    abs_,
    add,
    int_div,
    inv,
    log,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    pow,
    second,
    sgn,
    sqr,
    sqrt,
    sub,
    true_div,
)
from symnet.ops.base import SameShape, as_tensor, disconnected
from symnet.ops.comparison import and_, eq, ge, gt, invert, le, lt, neq, or_, xor
from symnet.ops.complex_parts import conj
from symnet.ops.composed import Composed
from symnet.ops.functions import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    log1p,
    log2,
    log10,
    rad2deg,
    sigmoid,
    sin,
    sinh,
    tan,
    tanh,
)
from symnet.ops.scalar_classes import WithTypes
from symnet.ops.scalar_types import transfer_type
from symnet.ops.shape import transpose as transpose_inplace
from symnet.ops.special import (
    chi2sf,
    erf,
    erfc,
    erfcx,
    gamma,
    gammaln,
    i0,
    i1,
    iv,
    j0,
    j1,
    jv,
    psi,
    tri_gamma,
)
from symnet.ops.whole_numbers import (
    ceil,
    floor,
    round_half_away_from_zero,
    round_half_to_even,
    trunc,
)

# Operations whose name in Theano, in place, is another.
PRINTED = {"reciprocal": "inv"}


class Overwriting(SameShape, Composed):
    """The first operand, which a user lets take the place of the second."""

    def make_node(self, result: Any, target: Any) -> Apply:
        return Apply(self, [result, target], [make_variable(result.type)])

    def expand(self, *inputs: Variable) -> Variable:
        return inputs[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [arrays[0]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0], disconnected()]


overwriting = Overwriting()


class InPlace:
    """An operation whose result has the dtype, and may lie in the place, of its first
    operand.

    Raises: TypeError where it would have another shape.
    """

    def __init__(self, operation: Any) -> None:
        self.operation = WithTypes(operation, transfer_type(0))
        own = getattr(operation, "name", None) or operation.__name__
        self.__name__ = f"{PRINTED.get(own, own)}_inplace"

    def __call__(self, *inputs: Any) -> Variable:
        variables = [as_tensor(v, truth=True) for v in inputs]
        result = self.operation(*variables)
        if result.type.broadcastable != variables[0].type.broadcastable:
            name = self.__name__
            raise TypeError(
                message(
                    f"{name}: the result, a {result.type}, has no room in the first operand",
                    operands=[operand_text(v) for v in variables],
                    cure=f"write {name.removesuffix('_inplace')}: the compiler chooses where "
                    "results lie",
                )
            )
        return overwriting(result, variables[0])

    def make_node(self, *inputs: Any) -> Any:
        return self(*inputs).owner

    def __repr__(self) -> str:
        return self.__name__


(
    abs__inplace, add_inplace, and__inplace, arccos_inplace, arccosh_inplace,
    arcsin_inplace, arcsinh_inplace, arctan_inplace, arctan2_inplace,
    arctanh_inplace, ceil_inplace, chi2sf_inplace, conj_inplace, cos_inplace,
    cosh_inplace, deg2rad_inplace, eq_inplace, erf_inplace, erfc_inplace,
    erfcx_inplace, exp_inplace, exp2_inplace, expm1_inplace, floor_inplace,
    gamma_inplace, gammaln_inplace, ge_inplace, gt_inplace, i0_inplace, i1_inplace,
    int_div_inplace, inv_inplace, invert_inplace, iv_inplace, j0_inplace,
    j1_inplace, jv_inplace, le_inplace, log_inplace, log10_inplace, log1p_inplace,
    log2_inplace, lt_inplace, maximum_inplace, minimum_inplace, mod_inplace,
    mul_inplace, neg_inplace, neq_inplace, or__inplace, pow_inplace, psi_inplace,
    rad2deg_inplace, round_half_away_from_zero_inplace, round_half_to_even_inplace,
    second_inplace, sgn_inplace, sin_inplace, sinh_inplace, sqr_inplace,
    sqrt_inplace, sub_inplace, tan_inplace, tanh_inplace, tri_gamma_inplace,
    true_div_inplace, trunc_inplace, xor_inplace,
) = map(InPlace, (
    abs_, add, and_, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
    ceil, chi2sf, conj, cos, cosh, deg2rad, eq, erf, erfc, erfcx, exp, exp2, expm1,
    floor, gamma, gammaln, ge, gt, i0, i1, int_div, inv, invert, iv, j0, j1, jv, le,
    log, log10, log1p, log2, lt, maximum, minimum, mod, mul, neg, neq, or_, pow,
    psi, rad2deg, round_half_away_from_zero, round_half_to_even, second, sgn, sin,
    sinh, sqr, sqrt, sub, tan, tanh, tri_gamma, true_div, trunc, xor,
))  # fmt: skip
fill_inplace = second_inplace
sigmoid_inplace = InPlace(sigmoid)

__all__ = [
    "abs__inplace", "add_inplace", "and__inplace", "arccos_inplace",
    "arccosh_inplace", "arcsin_inplace", "arcsinh_inplace", "arctan_inplace",
    "arctan2_inplace", "arctanh_inplace", "ceil_inplace", "chi2sf_inplace",
    "conj_inplace", "cos_inplace", "cosh_inplace", "deg2rad_inplace", "eq_inplace",
    "erf_inplace", "erfc_inplace", "erfcx_inplace", "exp_inplace", "exp2_inplace",
    "expm1_inplace", "fill_inplace", "floor_inplace", "gamma_inplace",
    "gammaln_inplace", "ge_inplace", "gt_inplace", "i0_inplace", "i1_inplace",
    "int_div_inplace", "inv_inplace", "invert_inplace", "iv_inplace", "j0_inplace",
    "j1_inplace", "jv_inplace", "le_inplace", "log_inplace", "log10_inplace",
    "log1p_inplace", "log2_inplace", "lt_inplace", "maximum_inplace",
    "minimum_inplace", "mod_inplace", "mul_inplace", "neg_inplace", "neq_inplace",
    "or__inplace", "pow_inplace", "psi_inplace", "rad2deg_inplace",
    "round_half_away_from_zero_inplace", "round_half_to_even_inplace",
    "second_inplace", "sgn_inplace", "sigmoid_inplace", "sin_inplace",
    "sinh_inplace", "sqr_inplace",
    "sqrt_inplace", "sub_inplace", "tan_inplace", "tanh_inplace",
    "transpose_inplace", "tri_gamma_inplace", "true_div_inplace", "trunc_inplace",
    "xor_inplace",
]  # fmt: skip
