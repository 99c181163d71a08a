"""The names of `theano.gof.params_type`: values that an operation hands to its `perform`."""

from __future__ import annotations

from typing import Any

from symnet.errors import message
from symnet.graph.origin import capture
from symnet.graph.types import Type


class Params(dict[str, Any]):
    """Values by name, which are attributes too."""

    def __init__(self, params_type: ParamsType, **values: Any) -> None:
        super().__init__(values)
        self.__dict__.update(values, __params_type__=params_type)


class ParamsType(Type):
    """Which attributes of an operation its `perform` gets as `params`, and their types.

        class Scale(Op):
            params_type = ParamsType(factor=T.dscalar)
            __props__ = ("factor",)

            def perform(self, node, inputs, output_storage, params):
                output_storage[0][0] = inputs[0] * params.factor

    Raises: TypeError for what is no type.
    """

    def __init__(self, **types: Type) -> None:
        for name, kind in types.items():
            if not isinstance(kind, Type):
                raise TypeError(
                    message(
                        f"ParamsType: {name} is {kind!r:.60}, no type", origin=capture()
                    )
                )
        self.types = dict(sorted(types.items()))

    def get_params(self, *objects: Any, **values: Any) -> Params:
        """The values of the given objects' attributes, or those given by name.

        Raises: AttributeError for what none of them has; TypeError, ValueError for a value
        that is not of its type.
        """
        found = {}
        for name, kind in self.types.items():
            if name in values:
                value = values[name]
            else:
                owner = next((one for one in objects if hasattr(one, name)), None)
                if owner is None:
                    raise AttributeError(f"{objects} have no attribute {name!r}")
                value = getattr(owner, name)
            found[name] = kind.filter(value, allow_downcast=True)
        return Params(self, **found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParamsType) and self.types == other.types

    def __hash__(self) -> int:
        return hash((ParamsType, tuple(self.types.items())))

    def __repr__(self) -> str:
        return f"ParamsType({self.types})"


__all__ = ["Params", "ParamsType"]
