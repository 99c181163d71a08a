"""Which variables a gradient no longer goes through, because a stable form does not.

The gradient of `-log(p)` with p = 1 / (1 + exp(-z)) is made of z alone.  Who replaces p
afterwards (`givens`, an input) would have the value of the replaced graph, and beside it
the gradient of the graph as it was.  So a gradient remembers the forms it went through,
for as long as it lives, and the replacement is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from weakref import WeakKeyDictionary

from symnet.errors import message
from symnet.graph.traverse import ancestors
from symnet.graph.variables import Variable, operand_text

# Of each gradient: variables, and the stable forms that stood for them.
_forms: WeakKeyDictionary[Variable, Mapping[Variable, Variable]] = WeakKeyDictionary()


def remember(gradients: Iterable[Variable], forms: Mapping[Variable, Variable]) -> None:
    """Note that these gradients went through `forms` (variable -> stable form)."""
    for gradient in gradients:
        _forms[gradient] = forms


def refuse_bypassed(
    outputs: Iterable[Variable], replaced: Collection[Variable]
) -> None:
    """Check that no gradient among what makes `outputs` bypasses a replaced variable.

    Raises: ValueError, which names the variable and where it was made.
    """
    made = [v for v in replaced if v.owner is not None]
    if not made:
        return
    for gradient in ancestors(outputs):
        for variable, form in _forms.get(gradient, {}).items():
            below = set(ancestors([variable])) - {variable}
            lost = set(made) & below - set(ancestors([form]))
            if lost:
                raise ValueError(_complaint(next(v for v in made if v in lost)))


def _complaint(variable: Variable) -> str:
    return message(
        "a variable is replaced that a gradient, taken before, does not go through: the "
        "gradient is that of a numerically stable form without it",
        operands=[operand_text(variable)],
        origin=variable.origin,
        cure="take the gradient of the graph with the replacement (symnet.clone), or keep "
        "the variable in it by naming it: grad(cost, [w, variable])",
    )
