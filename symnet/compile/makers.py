"""Functions made by Theano's other names: `FunctionMaker`, `orig_function`, `Param`, and a
function's arguments kept in a file."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from symnet.compile.arguments import read_pairs, read_updates
from symnet.compile.function import Function, function
from symnet.compile.in_out import In, Out
from symnet.compile.modes import Mode
from symnet.graph.traverse import clone_replace, leaves
from symnet.graph.variables import Variable
from symnet.shared import SharedVariable

__all__ = [
    "FunctionMaker", "Param", "function_dump", "orig_function", "pfunc",
    "rebuild_collect_shared",
]  # fmt: skip


class FunctionMaker:
    """What `function` takes, kept to make functions of: `FunctionMaker([x], [y]).create()`.

    inputs, outputs: variables, `In` and `Out`.  output_keys: names, for results as a dict.
    accept_inplace: as `function` takes it.  function_builder, fgraph: Theano's, without
    effect.
    Raises: as `function`, when a function is made.
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Any,
        mode: str | Mode | None = None,
        accept_inplace: bool = False,
        function_builder: Any = None,
        profile: Any = None,
        on_unused_input: str | None = None,
        fgraph: Any = None,
        output_keys: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        self.inputs = [one if isinstance(one, In) else In(one) for one in inputs]
        self.outputs, self.mode, self.name = outputs, mode, name
        self.on_unused_input, self.output_keys = on_unused_input, output_keys
        self.profile, self.accept_inplace = profile, accept_inplace

    def create(
        self, input_storage: Sequence[Any] | None = None, trustme: bool = False
    ) -> Function:
        """A function; input_storage: for each input its default, or None."""
        outputs = self.outputs
        if self.output_keys is not None:
            outputs = dict(zip(self.output_keys, outputs, strict=True))
        made = function(
            self.inputs, outputs, self.mode, name=self.name,
            on_unused_input=self.on_unused_input, profile=self.profile,
            accept_inplace=self.accept_inplace,
        )  # fmt: skip
        for place, value in zip(made.input_storage, input_storage or ()):
            if value is not None:
                place.value = value
        return made


def orig_function(
    inputs: Sequence[Any],
    outputs: Any,
    mode: str | Mode | None = None,
    accept_inplace: bool = False,
    name: str | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    output_keys: Sequence[str] | None = None,
) -> Function:
    """Theano's older name of `function`; the arguments are those of `FunctionMaker`."""
    return FunctionMaker(
        inputs, outputs, mode, accept_inplace, None, profile, on_unused_input, None,
        output_keys, name,
    ).create()  # fmt: skip


def pfunc(
    params: Sequence[Any],
    outputs: Any = None,
    mode: str | Mode | None = None,
    updates: Any = None,
    givens: Any = None,
    **options: Any,
) -> Function:
    """Theano's older name of `function`, whose inputs it calls `params`.

    >>> x = T.dscalar("x")
    >>> symnet.compile.pfunc(params=[x], outputs=x + 1)(2)
    array(3.)
    """
    return function(params, outputs, mode, updates, givens, **options)


def Param(
    variable: Variable,
    default: Any = None,
    name: str | None = None,
    mutable: bool = False,
    strict: bool = False,
    allow_downcast: bool | None = None,
    implicit: bool | None = None,
    borrow: bool | None = None,
) -> In:
    """Theano's older name of `In`, for a variable with a default."""
    return In(
        variable, name, default, None, mutable, strict, allow_downcast, True, implicit,
        borrow,
    )  # fmt: skip


def function_dump(
    filename: str | os.PathLike[str],
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: str | Mode | None = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    extra_tag_to_remove: Any = None,
) -> None:
    """Write the arguments of `function` to a file, as a pickled dict: who sends it along
    with a report of an error sends all that is needed to see the error.

    Nothing is compiled.  `function(**pickle.load(file))` makes the function.
    """
    arguments = {
        "inputs": inputs, "outputs": outputs, "mode": mode, "updates": updates,
        "givens": givens, "no_default_updates": no_default_updates,
        "accept_inplace": accept_inplace, "name": name, "rebuild_strict": rebuild_strict,
        "allow_input_downcast": allow_input_downcast, "profile": profile,
        "on_unused_input": on_unused_input,
    }  # fmt: skip
    with open(filename, "wb") as file:
        pickle.dump(arguments, file, protocol=pickle.HIGHEST_PROTOCOL)


def rebuild_collect_shared(
    outputs: Any,
    inputs: Sequence[Any] | None = None,
    replace: Any = None,
    updates: Any = None,
    rebuild_strict: bool = True,
    copy_inputs_over: bool = True,
    no_default_updates: Any = False,
) -> tuple[list[Variable], Any, list[Any]]:
    """Outputs with variables replaced, and what they use:

    the inputs (new leaves unless `copy_inputs_over`), the outputs, and a list of
    {old variable: new one}, {shared variable: its next value}, [the same as variables
    alone], [the shared variables in use].

    rebuild_strict is Theano's, without effect: types that differ are made anew.
    Raises: as `function`, for updates and replacements that do not fit.
    """
    given = [one.variable if isinstance(one, In) else one for one in inputs or ()]
    new: dict[Variable, Variable] = dict(read_pairs(replace, "replace"))
    for one in () if copy_inputs_over else given:
        new[one] = one.clone()
    listed = [outputs] if isinstance(outputs, (Variable, Out)) else list(outputs or ())
    wanted = [one.variable if isinstance(one, Out) else one for one in listed]
    chosen = read_updates(updates)
    found = clone_replace([*wanted, *chosen.values()], new)
    results, news = found[: len(wanted)], found[len(wanted) :]
    changes = dict(zip(chosen, news, strict=True))
    skipped = no_default_updates if isinstance(no_default_updates, list) else []
    used = [v for v in leaves(found) if isinstance(v, SharedVariable)]
    for leaf in used if no_default_updates is not True else ():
        update = leaf.default_update
        if update is not None and leaf not in changes and leaf not in skipped:
            (changes[leaf],) = clone_replace([update], new)
    clones: Mapping[Variable, Variable] = {
        **new, **dict(zip(wanted, results, strict=True)), **{v: v for v in used},
    }  # fmt: skip
    made = results[0] if isinstance(outputs, (Variable, Out)) else results
    taken = [new.get(one, one) for one in given]
    every = [*used, *(v for v in changes if v not in used)]
    return taken, made, [dict(clones), changes, list(changes.values()), every]
