"""The names of `theano.sandbox.multinomial`: classes drawn by uniform numbers."""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.operation_class import operation_object
from symnet.ops.random.mrg import PickFromUniform


def _pick(counts: bool, pvals: Any, unis: Any, n: Any, dtype: str) -> Variable:
    """Classes, in the dtype of the probabilities where dtype is "auto"."""
    chances = as_tensor(pvals)
    own = chances.type.dtype
    pick = PickFromUniform(counts, own == "float32")
    return cast(pick(chances, unis, n), own if dtype == "auto" else dtype)


def _counted(pvals: Any, unis: Any, n: Any = 1, *, odtype: str) -> Variable:
    return _pick(True, pvals, unis, n, odtype)


def _chosen(pvals: Any, unis: Any, n: Any = 1, *, odtype: str, replace: bool) -> Any:
    if replace:
        raise NotImplementedError(
            "ChoiceFromUniform draws without replacement; symnet.random draws with it, too"
        )
    return _pick(False, pvals, unis, n, "int64" if odtype == "auto" else odtype)


MultinomialFromUniform = operation_object(
    "MultinomialFromUniform",
    "How often each class is drawn: `(pvals, uniforms)`, one draw a row unless a third says.",
    _counted,
    odtype="auto",
)
ChoiceFromUniform = operation_object(
    "ChoiceFromUniform",
    "Which classes are drawn: `(pvals, uniforms, n)`, each once at most.",
    _chosen,
    odtype="auto",
    replace=False,
)
MultinomialWOReplacementFromUniform = ChoiceFromUniform

__all__ = [
    "ChoiceFromUniform", "MultinomialFromUniform", "MultinomialWOReplacementFromUniform",
]  # fmt: skip
