"""Which variables a gradient no longer goes through, because a stable form does not.

The gradient of `-log(p)` with p = 1 / (1 + exp(-z)) is made of z alone.  Who replaces p
afterwards (`givens`, an input) would have the value of the replaced graph, and beside it
the gradient of the graph as it was.  So a gradient remembers the forms it went through,
for as long as it lives, and the replacement is refused; and so do copies of it, and what
is made of it by other ways than operations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from symnet.errors import message
from symnet.graph.traverse import ancestors, clone_replace, leaves
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant, Variable, operand_text

Forms = Mapping[Variable, Variable]
# Of each gradient: variables, and the stable forms that stood for them.
_forms: WeakKeyDictionary[Variable, tuple[Forms, ...]] = WeakKeyDictionary()


def remember(gradients: Iterable[Variable], forms: Forms) -> None:
    """Note that these gradients went through `forms` (variable -> stable form)."""
    for gradient in gradients:
        _forms[gradient] = (*_forms.get(gradient, ()), forms)


def remember_as(made: Iterable[Variable], sources: Iterable[Variable]) -> None:
    """Note that what was `made` of `sources` goes where their gradients went: for what is
    made of copies of these gradients, or with them inside an operation."""
    remember_through(made, ancestors(sources))


def remember_through(made: Iterable[Variable], passed: Iterable[Variable]) -> None:
    """Note that what was `made` goes where the gradients among `passed` went."""
    known = {id(forms): forms for v in passed for forms in _forms.get(v, ())}
    made = list(made)
    for forms in known.values():
        remember(made, forms)


def clone_remembering(
    outputs: Sequence[Variable], replace: Mapping[Any, Variable]
) -> list[Variable]:
    """As `clone_replace`; copies of gradients remember their forms, copied likewise."""
    gradients = [v for v in ancestors(outputs, tuple(replace)) if v in _forms]
    pairs = [
        (gradient, one)
        for gradient in gradients
        for forms in _forms[gradient]
        for one in forms.items()
    ]
    if not pairs:
        return clone_replace(outputs, replace)
    wanted = [*outputs, *gradients, *(v for _, pair in pairs for v in pair)]
    copies = dict(zip(wanted, clone_replace(wanted, replace), strict=True))
    moved: dict[Variable, dict[Variable, Variable]] = {}
    for gradient, (v, form) in pairs:
        if copies[gradient] is not gradient:
            moved.setdefault(copies[gradient], {})[copies[v]] = copies[form]
    for gradient, forms in moved.items():
        remember([gradient], forms)
    return [copies[v] for v in outputs]


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
        for forms in _forms.get(gradient, ()):
            for variable, form in forms.items():
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


# ---- what users call


def fresh_leaves(outputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """New leaves for all but constants; those of shared variables have the same values."""
    return {
        leaf: leaf.clone() for leaf in leaves(outputs) if not isinstance(leaf, Constant)
    }


def clone(
    output: Variable | Sequence[Variable],
    replace: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
    strict: bool = True,
    share_inputs: bool = True,
) -> Variable | list[Variable]:
    """Theano's `clone`: a copy of the graph of `output` with variables replaced.

    replace: {variable: what comes in its place}, another variable or a value.
    strict: a replacement must fit the type of what it replaces.
    share_inputs: keep the leaves; False makes new ones, of shared variables others for the
        same values.
    A gradient in it is not taken anew: what it does not go through, because it was taken of
    a numerically stable form, cannot be replaced in it.
    Raises: TypeError for a replacement of a wrong type; ValueError where a gradient bypasses
    what is replaced.

        replaced = symnet.clone(cost, replace={x: 2 * x})

    >>> x, y = T.dscalars("x", "y")
    >>> symnet.clone(x**2 + 1, replace={x: y}).eval({y: 3})
    array(10.)
    """
    outputs = [output] if isinstance(output, Variable) else list(output)
    mapping = dict(replace or ())
    for old, fresh in mapping.items():
        if not isinstance(old, Variable):
            raise TypeError(
                message(
                    f"clone replaces variables; {old!r:.60} is none",
                    cure="use the variable itself as the key, not its name",
                )
            )
        if not isinstance(fresh, Variable) and isinstance(old.type, TensorType):
            mapping[old] = old.type.filter_variable(fresh)
    if strict:
        for old, fresh in mapping.items():
            tensor = isinstance(old.type, TensorType)
            same = type(old.type) is type(fresh.type)
            if not (old.type.accepts(fresh.type) if tensor else same):
                raise TypeError(
                    f"clone: {old} ({old.type}) replaced by {fresh} ({fresh.type})"
                )
    refuse_bypassed(outputs, mapping)
    copied = clone_remembering(outputs, mapping)
    if not share_inputs:
        copied = clone_remembering(copied, fresh_leaves(copied))
    return copied[0] if isinstance(output, Variable) else copied


def clone_between(
    i: Sequence[Variable],
    o: Sequence[Variable],
    copy_inputs: bool = True,
    copy_orphans: bool | None = None,
) -> tuple[list[Variable], list[Variable]]:
    """Theano's `gof.graph.clone`: the inputs `i`, and the outputs `o` over new ones.

    copy_inputs: make new inputs; else the old ones stay.
    copy_orphans: make new leaves also for those that are not among `i` (None: as
        copy_inputs), of shared variables others for the same values.  Constants stay, and
        what depends on nothing new is shared with the old graph.
    Raises: ValueError where a gradient bypasses an input.

        (new_x,), (new_y,) = symnet.gof.graph.clone([x], [y])
    """
    fresh = [v.clone() for v in i] if copy_inputs else list(i)
    copied = list(clone(o, zip(i, fresh, strict=True)))
    if copy_inputs if copy_orphans is None else copy_orphans:
        orphans = fresh_leaves(copied)
        others = {old: new for old, new in orphans.items() if old not in fresh}
        copied = clone_remembering(copied, others)
    return fresh, copied
