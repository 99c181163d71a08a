"""Scalar expressions from SymPy and to it.  SymPy is imported when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.traverse import toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops import (
    arithmetic,
    comparison,
    complex_parts,
    functions,
    special,
    whole_numbers,
)  # fmt: skip
from symnet.ops.base import as_tensor, constant
from symnet.ops.elementwise import Cast, Elementwise
from symnet.printing.formula import is_broadcast

# Names that differ: SymPy's class -> the function here.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": arithmetic.absolute, "sign": arithmetic.sgn, "floor": whole_numbers.floor,
    "ceiling": whole_numbers.ceil, "Mod": arithmetic.mod, "conjugate": complex_parts.conj,
    "re": complex_parts.real, "im": complex_parts.imag, "Not": comparison.invert,
    "asin": functions.arcsin, "acos": functions.arccos, "atan": functions.arctan,
    "atan2": functions.arctan2, "asinh": functions.arcsinh, "acosh": functions.arccosh,
    "atanh": functions.arctanh, "loggamma": special.gammaln,
    "StrictLessThan": comparison.lt, "LessThan": comparison.le,
    "StrictGreaterThan": comparison.gt, "GreaterThan": comparison.ge,
    "Equality": comparison.eq, "Unequality": comparison.neq,
}  # fmt: skip
SAME_NAME = (
    "exp log sin cos tan sinh cosh tanh erf erfc erfinv erfcinv gamma digamma"
).split()
FOLDED: dict[str, Callable[..., Any]] = {
    "Add": arithmetic.add, "Max": arithmetic.maximum, "Min": arithmetic.minimum,
    "And": comparison.and_, "Or": comparison.or_, "Xor": comparison.xor,
}  # fmt: skip
FORMS = ("Mul", "Pow", "Piecewise", "ExprCondPair", "polygamma")


# ---- from SymPy


def from_sympy(expression: Any, variables: Mapping[Any, Any]) -> Variable:
    """A SymPy expression as a graph, element by element.

    variables: what stands for each symbol (or name of a symbol): variables, arrays or
        numbers of any shapes that broadcast.
    Raises: TypeError for a symbol without variable, or a function not known here.
    """
    import sympy  # heavy, and needed by few

    given = {str(key): value for key, value in variables.items()}
    made: dict[Any, Any] = {}
    stack = [(sympy.sympify(expression), False)]
    while stack:
        one, done = stack.pop()
        if one in made:
            continue
        if not done and one.args and not one.is_number:
            _check(one)
            stack.append((one, True))
            stack += [(a, False) for a in one.args]
            continue
        made[one] = (
            _leaf(one, given) if not done else _node(one, [made[a] for a in one.args])
        )
    return as_tensor(made[sympy.sympify(expression)])


def _check(expression: Any) -> None:
    name = type(expression).__name__
    if name in FORMS or name in FOLDED or name in FUNCTIONS or name in SAME_NAME:
        return
    raise TypeError(
        message(
            f"from_sympy: no function here for {name}",
            operands=[str(expression)],
            cure="rewrite it first, for example with .doit() or .rewrite(...)",
        )
    )


def _leaf(expression: Any, given: Mapping[str, Any]) -> Any:
    if expression.is_Symbol:
        if expression.name not in given:
            raise TypeError(
                message(
                    f"from_sympy: no variable for the symbol {expression}",
                    cure=f"pass it: from_sympy(expression, {{'{expression}': variable}})",
                )
            )
        return as_tensor(given[expression.name])
    if expression.is_Boolean:
        return constant(bool(expression))
    if not expression.is_number:
        raise TypeError(f"from_sympy: nothing here stands for {expression}")
    if expression.is_Integer:
        return constant(int(expression))
    number = complex(expression)
    return constant(number if number.imag else number.real)


def _node(expression: Any, arguments: Sequence[Any]) -> Any:
    name = type(expression).__name__
    if name == "Mul":
        return _product(expression, arguments)
    if name == "Pow":
        return _power(expression, arguments)
    if name in FOLDED:
        return reduce(FOLDED[name], arguments)
    if name == "ExprCondPair":
        return tuple(arguments)
    if name == "Piecewise":
        return _piecewise(arguments)
    if name == "polygamma":
        return _polygamma(*arguments)
    function = FUNCTIONS.get(name) or {**vars(functions), **vars(special)}[name]
    return function(*arguments)


def _product(expression: Any, arguments: Sequence[Any]) -> Any:
    """A product: factors with the power -1 are one denominator, and so is that of a
    rational factor; a factor -1 is a sign."""
    above: list[Any] = []
    below: list[Any] = []
    negative = False
    for factor, made in zip(expression.args, arguments, strict=True):
        if factor.is_Rational:
            negative = factor.p == -1
            above += [constant(int(factor.p))] if abs(factor.p) != 1 else []
            below += [constant(int(factor.q))] if factor.q != 1 else []
        elif _inverted(factor):
            below.append(made.owner.inputs[0])
        else:
            above.append(made)
    product = reduce(arithmetic.mul, above) if above else constant(1)
    product = arithmetic.neg(product) if negative else product
    return (
        arithmetic.true_div(product, reduce(arithmetic.mul, below))
        if below
        else product
    )


def _power(expression: Any, arguments: Sequence[Any]) -> Any:
    base, exponent = arguments
    number = expression.exp
    if _inverted(expression):
        return arithmetic.reciprocal(_root_or_power(base, -number))
    return (
        _root_or_power(base, number)
        if number.is_Rational
        else arithmetic.pow(base, exponent)
    )


def _inverted(expression: Any) -> bool:
    """Whether this is one over a rational power."""
    return bool(expression.is_Pow and expression.exp.is_Rational and expression.exp < 0)


def _root_or_power(base: Any, exponent: Any) -> Any:
    """A positive rational power."""
    if exponent == 1:
        return base
    if exponent == 2:
        return arithmetic.sqr(base)
    if 2 * exponent == 1:
        return arithmetic.sqrt(base)
    whole = exponent.is_Integer
    return arithmetic.pow(base, int(exponent) if whole else float(exponent))


def _polygamma(order: Any, x: Any) -> Any:
    functions_known = (special.psi, special.tri_gamma)
    if not isinstance(order, Constant) or order.data not in range(len(functions_known)):
        raise TypeError(f"from_sympy: no polygamma function of order {order} here")
    return functions_known[int(order.data)](x)


def _piecewise(pairs: Sequence[Any]) -> Any:
    result: Any = constant(float("nan"))
    for value, condition in reversed(pairs):
        always = isinstance(condition, Constant) and bool(condition.data)
        result = value if always else arithmetic.switch(condition, value, result)
    return result


# ---- to SymPy


@cache
def expressions() -> dict[str, Callable[..., Any]]:
    """What each elementwise op is in SymPy."""
    import sympy as s  # heavy, and needed by few

    same = "exp log sin cos tan sinh cosh tanh erf erfc erfinv erfcinv gamma digamma".split()
    named: dict[str, Callable[..., Any]] = {name: getattr(s, name) for name in same}
    inverse = {
        f"arc{name}": getattr(s, f"a{name}") for name in "sin cos tan tan2".split()
    }
    inverse |= {
        f"arc{name}": getattr(s, f"a{name}") for name in "sinh cosh tanh".split()
    }
    return named | inverse | {
        "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
        "true_div": lambda x, y: x / y, "int_div": lambda x, y: s.floor(x / y),
        "mod": s.Mod, "pow": lambda x, y: x**y, "neg": lambda x: -x, "sqr": lambda x: x**2,
        "sqrt": s.sqrt, "reciprocal": lambda x: 1 / x, "abs": s.Abs, "sgn": s.sign,
        "floor": s.floor, "ceil": s.ceiling, "identity": lambda x: x,
        "second": lambda x, y: y, "maximum": s.Max, "minimum": s.Min,
        "clip": lambda x, low, high: s.Min(s.Max(x, low), high),
        "switch": lambda c, x, y: s.Piecewise((x, c), (y, True)),
        "lt": s.StrictLessThan, "le": s.LessThan, "gt": s.StrictGreaterThan,
        "ge": s.GreaterThan, "eq": s.Equality, "neq": s.Unequality,
        "and_": s.And, "or_": s.Or, "xor": s.Xor, "invert": s.Not,
        "conj": s.conjugate, "real": s.re, "imag": s.im,
        "log1p": lambda x: s.log(1 + x), "expm1": lambda x: s.exp(x) - 1,
        "log2": lambda x: s.log(x, 2), "log10": lambda x: s.log(x, 10),
        "exp2": lambda x: 2**x, "sigmoid": lambda x: 1 / (1 + s.exp(-x)),
        "softplus": lambda x: s.log(1 + s.exp(x)), "relu": lambda x: s.Max(x, 0),
        "gammaln": s.loggamma, "psi": s.digamma, "jv": s.besselj, "iv": s.besseli,
        "deg2rad": s.rad, "rad2deg": s.deg, "softsign": lambda x: x / (1 + s.Abs(x)),
    }  # fmt: skip


def to_sympy(
    variable: Variable, symbols: MutableMapping[Variable, Any] | None = None
) -> Any:
    """A graph of elementwise operations as a SymPy expression of one element.

    symbols: SymPy expressions for variables; those made here (real, or integer where the
        dtype says so) are added to it.
    Raises: TypeError for operations that are not elementwise, or not known to SymPy.
    """
    known: MutableMapping[Variable, Any] = symbols if symbols is not None else {}
    values: dict[Variable, Any] = dict(known)
    for node in toposort([variable], blockers=tuple(known)):
        arguments = [_value(v, values, known) for v in node.inputs]
        if isinstance(node.op, Cast) or is_broadcast(node.outputs[0]):
            values[node.outputs[0]] = arguments[0]
            continue
        name = getattr(node.op, "name", "")
        if not isinstance(node.op, Elementwise) or name not in expressions():
            raise TypeError(
                message(
                    f"to_sympy: {node.op} has no form for one element",
                    operands=[operand_text(v) for v in node.inputs],
                    origin=node.origin,
                    cure="give a symbol for its result: to_sympy(x, {result: symbol})",
                )
            )
        values[node.outputs[0]] = expressions()[name](*arguments)
    return _value(variable, values, known)


def _value(
    variable: Variable,
    values: dict[Variable, Any],
    known: MutableMapping[Variable, Any],
) -> Any:
    if variable not in values:
        if isinstance(variable, Constant):
            values[variable] = _number(variable)
        else:
            values[variable] = known[variable] = _symbol(variable, known)
    return values[variable]


def _number(variable: Constant) -> Any:
    import sympy  # heavy, and needed by few

    if variable.data.size != 1:
        raise TypeError(f"to_sympy: {operand_text(variable)} is more than one number")
    value = variable.data.reshape(()).item()
    if isinstance(value, float) and np.isfinite(value) and value == int(value):
        value = int(value)
    return sympy.sympify(value)


def _symbol(variable: Variable, known: Mapping[Variable, Any]) -> Any:
    import sympy  # heavy, and needed by few

    name = variable.name or f"x{len(known)}"
    dtype = variable.type.dtype if isinstance(variable.type, TensorType) else "float64"
    kind = np.dtype(dtype).kind
    assumption = {"f": {"real": True}, "i": {"integer": True}, "u": {"integer": True}}
    symbol = sympy.Symbol(name, **assumption.get(kind, {}))
    taken = symbol in known.values()
    return sympy.Dummy(name, **assumption.get(kind, {})) if taken else symbol
