"""What a function keeps of its inputs between calls, as users of Theano reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symnet.compile.arguments import Request
from symnet.compile.containers import Containers, Values
from symnet.errors import message
from symnet.shared import Container, SharedVariable


class KeptValues:
    """Defaults and states of a function's inputs: `f[x]`, `f[x] = value`, `f.container[x]`,
    `f.value[x]`.

    _cells: for each input that a call brings a list with its default, or None.
    """

    name: str | None
    request: Request
    states: dict[str, SharedVariable]
    _cells: list[list[Any]]

    def convert(self, position: int, value: Any) -> Any:
        """One argument as an array of its input's type."""
        raise NotImplementedError

    def _text(self, what: str) -> str:
        return message(f"the function{f' {self.name}' if self.name else ''} {what}")

    def __getitem__(self, key: Any) -> Any:
        """The default value, or the kept state, of an input (by name or variable)."""
        return self.value[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.container[key].value = value

    def __contains__(self, key: Any) -> bool:
        return key in self.container

    @property
    def container(self) -> Containers:
        """Where the values of the inputs are kept, by variable, name or position."""
        return Containers(self.input_storage)

    @property
    def value(self) -> Values:
        """The values of the inputs, by variable, name or position."""
        return Values(self.container)

    @property
    def input_storage(self) -> list[Container]:
        """The containers of the inputs, in their order."""
        cells, found = iter(enumerate(self._cells)), []
        for one, state in self.request.order:
            variable, name = one.variable, one.name
            if state is not None:
                put: Any = state.set_value
                place = Container(variable, name, state.store.box, put, state)
            else:
                k, cell = next(cells)
                place = Container(variable, name, cell, partial(self._set_default, k))
            found.append(place)
        return found

    @property
    def defaults(self) -> list[tuple[bool, bool, Any]]:
        """For each input whether a call must bring it, whether its default is put in again
        after each call, and its value."""
        kept = zip(self.request.order, self.input_storage, strict=True)
        return [
            (one.value is None, one.value is not None and state is None, place.value)
            for (one, state), place in kept
        ]

    def _set_default(self, position: int, value: Any) -> None:
        """Have calls that give no value for an input take this one.  An array is kept
        itself, and looked at again at each call, for it may change."""
        if value is not None:
            array = self.convert(position, value)
            value = value if isinstance(value, (np.ndarray, SharedVariable)) else array
        self._cells[position][0] = value

    def states_given(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[dict[SharedVariable, Any], Sequence[Any], Mapping[str, Any]]:
        """The values that a call gives for states, by name or, where it gives more than
        there are other inputs, by position; and its other arguments."""
        if not self.states or (
            len(args) <= len(self.request.inputs)
            and self.states.keys().isdisjoint(kwargs)
        ):
            return {}, args, kwargs
        explicit = [(one, s) for one, s in self.request.order if not one.implicit]
        if len(args) > len(explicit):
            raise TypeError(
                self._text(f"takes {len(explicit)} arguments, got {len(args)}")
            )
        rest: list[Any] = []
        found: dict[SharedVariable, Any] = {}
        if len(args) <= len(self.request.inputs):
            explicit, rest = [], list(args)
        for (_, state), value in zip(explicit, args):
            if state is None:
                rest.append(value)
            else:
                found[state] = value
        others = dict(kwargs)
        for one, state in self.request.order:
            if state is not None and not one.implicit and one.name in others:
                found[state] = others.pop(one.name)
        return found, rest, others
