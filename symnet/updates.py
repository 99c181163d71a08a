"""What `scan` returns beside its results: how shared variables change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from symnet.graph.variables import operand_text
from symnet.ops.base import as_tensor
from symnet.shared import SharedVariable


class OrderedUpdates(OrderedDict[SharedVariable, Any]):
    """A dict from shared variables to their next values, in the order of their coming.

    Raises: TypeError for a key that is no shared variable.

    >>> n = symnet.shared(0, "n")
    >>> updates = symnet.OrderedUpdates()
    >>> updates[n] = n + 2
    >>> count = symnet.function([], n, updates=updates)
    >>> int(count()), int(count())
    (0, 2)
    """

    def __init__(
        self, *args: Mapping[Any, Any] | Iterable[tuple[Any, Any]], **kwargs: Any
    ) -> None:
        super().__init__()
        self.update(*args, **kwargs)

    def __setitem__(self, key: SharedVariable, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError(
                f"updates change shared variables; {key!r:.60} is a {type(key).__name__}"
            )
        super().__setitem__(key, as_tensor(value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take over other updates (None: nothing).

        Raises: KeyError where a variable is given two different next values.
        """
        given = args if args and args[0] is not None else ()
        for key, value in OrderedDict(*given, **kwargs).items():
            if key in self and self[key] is not value:
                raise KeyError(f"updates change {operand_text(key)} twice")
            self[key] = value

    def __add__(self, other: Mapping[Any, Any]) -> OrderedUpdates:
        """Both together.  Raises: KeyError as `update`."""
        result = OrderedUpdates(self)
        result.update(other or {})
        return result

    def __radd__(self, other: Mapping[Any, Any]) -> OrderedUpdates:
        return OrderedUpdates(other or {}) + self
