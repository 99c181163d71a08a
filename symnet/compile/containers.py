"""Where a function keeps the values of its inputs: defaults, and states that it updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from symnet.graph.variables import Variable
from symnet.shared import Container, SharedVariable


class Containers(Mapping[Any, Container]):
    """The containers of a function, by input variable, name or position.

    Raises: KeyError for what is none of them; TypeError for a name of two inputs.
    """

    def __init__(self, containers: Sequence[Container]) -> None:
        self.containers = list(containers)

    def __getitem__(self, key: Any) -> Container:
        if isinstance(key, int):
            return self.containers[key]
        found = [one for one in self.containers if self._fits(one, key)]
        if len(found) > 1:
            raise TypeError(
                f"{key!r} is the name of {len(found)} inputs: use a variable"
            )
        if not found:
            raise KeyError(f"no input {key!r}")
        return found[0]

    @staticmethod
    def _fits(one: Container, key: Any) -> bool:
        if isinstance(key, Variable):
            return one.variable is key
        return one.name is not None and one.name == key

    def __iter__(self) -> Iterator[Variable]:
        return (one.variable for one in self.containers)

    def __len__(self) -> int:
        return len(self.containers)

    def __contains__(self, key: object) -> bool:
        try:
            return self[key] is not None
        except (IndexError, KeyError, TypeError):
            return False


class Values(Mapping[Any, Any]):
    """The values in a function's containers; assignment puts them there."""

    def __init__(self, containers: Containers) -> None:
        self.containers = containers

    def __getitem__(self, key: Any) -> Any:
        found = self.containers[key]
        # Calls write a state where it lies.
        return found.value if found.state is None else found.state.get_value()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.containers[key].value = value

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.containers)

    def __len__(self) -> int:
        return len(self.containers)

    def __contains__(self, key: object) -> bool:
        return key in self.containers


@contextmanager
def given_states(states: Mapping[SharedVariable, Any]) -> Iterator[None]:
    """Within the `with` block states have the values that a call gives; if it fails, they
    get their old ones back.

    Raises: TypeError, ValueError for a value that does not fit.
    """
    if not states:
        yield
        return
    old = {state: state.get_value() for state in states}
    try:
        for state, value in states.items():
            state.set_value(value)
        yield
    except BaseException:
        for state, value in old.items():
            state.set_value(value)
        raise
