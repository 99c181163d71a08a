"""What the tests of rules share: one rule by name, values before and after, proofs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from symnet.compile.pipeline import GEMM, SIMPLIFY
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import Graph, leaves
from symnet.graph.variables import Constant, Variable
from symnet.rewriting.patterns import PatternVariable, Rule
from symnet.rewriting.rewriter import Fired, rewrite
from symnet.rewriting.rules.composed_rules import COMPOSED
from symnet.rewriting.rules.stability import STABLE

RULES: dict[str, Rule] = {
    rule.name: rule for rule in (*SIMPLIFY, *GEMM, *COMPOSED, *STABLE)
}

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def apply(name: str, *outputs: Variable) -> tuple[list[Variable], int]:
    """The outputs after this rule alone, and how often it was used."""
    fired: list[Fired] = []
    inputs = [v for v in leaves(outputs) if type(v) is Variable]
    graph = rewrite(Graph(inputs, outputs), [RULES[name]], fired.append)
    return graph.outputs, len(fired)


def simplified(*outputs: Variable) -> list[Variable]:
    """The outputs after all rules."""
    inputs = [v for v in leaves(outputs) if type(v) is Variable]
    return rewrite(Graph(inputs, outputs), SIMPLIFY, fold=True).outputs


def check(
    name: str,
    output: Variable,
    values: Mapping[Variable, Any],
    rtol: float | None = None,
    better: bool = False,
) -> Variable:
    """Apply the rule, which must be used, and compare the values before and after.

    better: values that were NaN or infinite before may be anything after.
    """
    (new,), count = apply(name, output)
    assert count, f"{name} was not used"
    same_type(new, output)
    (want,), (got,) = evaluate([output], values), evaluate([new], values)
    compare(got, want, rtol, better)
    return new


def refuse(name: str, output: Variable) -> None:
    """The rule must not be used."""
    _, count = apply(name, output)
    assert count == 0, f"{name} was used"


def same_type(new: Variable, old: Variable) -> None:
    assert new.type.dtype == old.type.dtype
    assert new.type.ndim == old.type.ndim
    for have, want in zip(new.type.shape, old.type.shape):
        assert want is None or have == want


def compare(
    got: Any, want: Any, rtol: float | None = None, better: bool = False
) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want)
        return
    if better:
        finite = np.isfinite(want)
        got, want = got[finite], want[finite]
    rtol = 30 * np.finfo(want.dtype).eps if rtol is None else rtol
    np.testing.assert_allclose(got, want, rtol=rtol, atol=np.finfo(want.dtype).tiny)


def awkward(dtype: str) -> np.ndarray[Any, Any]:
    """Values of a dtype that break careless rules."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([True, False])
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        small = [-3, -2, -1, 0, 1, 2, 3] if kind.kind == "i" else [0, 1, 2, 3]
        return np.array([limits.min, *small, limits.max], kind)
    numbers = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 0.5, -2, 3.25, 700, -700]
    limits = np.finfo(kind)
    return np.array(
        [*numbers, limits.max, -limits.max, limits.tiny, 2 * limits.eps], kind
    )


def pairs(dtype: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Every awkward value with every other."""
    left, right = zip(*itertools.product(awkward(dtype), repeat=2))
    return np.array(left, dtype), np.array(right, dtype)


def layouts(array: np.ndarray[Any, Any]) -> Iterable[np.ndarray[Any, Any]]:
    """The same values of an array at several strides, and parts of it of size 1 and 0."""
    yield array
    wide = np.zeros((*array.shape[:-1], 3 * array.shape[-1]), array.dtype)
    wide[..., ::3] = array
    yield wide[..., ::3]
    yield array[..., ::-1]
    yield np.asfortranarray(array)
    yield array[..., :1]
    yield array[..., :0]


# ---- proofs

EXPRESSIONS: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "true_div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "neg": lambda x: -x,
    "sqr": lambda x: x**2,
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "cos": sympy.cos,
    "sin": sympy.sin,
    "cosh": sympy.cosh,
    "sinh": sympy.sinh,
    "exp": sympy.exp,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "expm1": lambda x: sympy.exp(x) - 1,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "erf": sympy.erf,
    "erfc": lambda x: 1 - sympy.erf(x),
    "sigmoid_binary_crossentropy": lambda x, t: sympy.log(1 + sympy.exp(x)) - t * x,
    "maximum": sympy.Max,
    "minimum": sympy.Min,
}


def to_sympy(pattern: Variable, assumptions: Mapping[str, bool]) -> Any:
    """A pattern as a SymPy expression of symbols with these assumptions."""
    if isinstance(pattern, PatternVariable):
        return sympy.Symbol(str(pattern.name), **assumptions)
    if isinstance(pattern, Constant):
        value = pattern.data.item()
        return (
            sympy.Integer(int(value)) if value == int(value) else sympy.Rational(value)
        )
    assert pattern.owner is not None
    inputs = [to_sympy(v, assumptions) for v in pattern.owner.inputs]
    return EXPRESSIONS[pattern.owner.op.name](*inputs)


def difference(rule: Rule, assumptions: Mapping[str, bool]) -> Any:
    """What SymPy makes of the left side minus the right side."""
    assert isinstance(rule.pattern, Variable) and isinstance(rule.replacement, Variable)
    left = to_sympy(rule.pattern, assumptions)
    right = to_sympy(rule.replacement, assumptions)
    return sympy.simplify(sympy.expand_log(sympy.simplify(left - right), force=True))


def provable(rules: Sequence[Rule]) -> list[Rule]:
    """The rules whose two sides are expressions that SymPy knows."""
    return [
        rule
        for rule in rules
        if isinstance(rule.pattern, Variable)
        and isinstance(rule.replacement, Variable)
        and _known(rule.pattern)
        and _known(rule.replacement)
    ]


def _known(pattern: Variable) -> bool:
    if pattern.owner is None:
        return True
    name = getattr(pattern.owner.op, "name", "")
    return name in EXPRESSIONS and all(map(_known, pattern.owner.inputs))
