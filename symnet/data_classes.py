"""The standard library's `dataclass`, with methods that are made when they are first used.

That of `dataclasses` writes up to seven methods of a class as text and compiles each of
them, as soon as a module is imported: 0.7 ms a class, and with 140 classes a third of the
time to import symnet.  Here they are closures over the names of a class's fields.  One,
`__init__`, is compiled too where a class has many objects: compiling it (0.2 ms) takes as
long as the closure loses with a hundred of them, and most of the classes of a compilation
have fewer.  Fields, `replace`, `fields` and `FrozenInstanceError` are those of
`dataclasses`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")

MANY = 50  # objects of a class, from which on its `__init__` is compiled


def _dataclass(
    cls: type[T] | None = None,
    /,
    *,
    eq: bool = True,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
) -> Any:
    """Decorator: see `dataclasses.dataclass`.  What a class defines itself stays."""

    def decorated(cls: type[T]) -> type[T]:
        if not cls.__doc__:
            cls.__doc__ = (
                cls.__name__
            )  # or the signature is looked for, which takes long
        cls = dataclasses.dataclass(
            init=False, repr=False, eq=False, slots=slots, kw_only=kw_only
        )(cls)
        methods = {"__init__": _first_init(cls, frozen), "__repr__": _repr(cls)}
        if eq:
            methods |= _comparing(cls, frozen)
        if frozen:
            methods |= _frozen(cls)
        if frozen and slots:
            methods |= {"__getstate__": _get_state, "__setstate__": _set_state}
        for name, method in methods.items():
            if (
                cls.__dict__.get(name) is None
            ):  # a class with `__eq__` has no `__hash__`
                setattr(cls, name, method)
        return cls

    return decorated if cls is None else decorated(cls)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass


def _first_init(cls: type[Any], frozen: bool) -> Any:
    """An `__init__` for the first objects, which puts a compiled one into its own place
    when there are many, and when it is given something wrong, of which that one tells."""
    shape: tuple[tuple[Field[Any], ...], list[str]] | None = None
    count = 0
    put = object.__setattr__ if frozen else setattr
    finish = hasattr(cls, "__post_init__")

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal shape, count
        count += 1
        if shape is None:  # not when the class is made: import makes many
            declared = fields(cls)
            shape = declared, [f.name for f in declared if f.init and not f.kw_only]
        declared, order = shape
        if not kwargs and len(args) == len(order) == len(declared):
            values: Iterable[tuple[str, Any]] | None = zip(order, args)
        else:
            values = _values_given(declared, order, args, kwargs)
        if values is None or count > MANY:
            cls.__init__ = _init(cls, frozen)
            cls.__init__(self, *args, **kwargs)
            return
        for name, value in values:
            put(self, name, value)
        if finish:
            self.__post_init__()

    return __init__


def _values_given(
    declared: Sequence[Field[Any]],
    order: Sequence[str],
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> list[tuple[str, Any]] | None:
    """The values of the fields that have one; None where what is given does not fit them.

    order: the names of the fields that may be given by position.
    """
    given = dict(zip(order, args), **kwargs)
    if len(given) < len(args) + len(kwargs):
        return None
    found: list[tuple[str, Any]] = []
    taken = 0
    for field in declared:
        name = field.name
        if field.init and name in given:
            found.append((name, given[name]))
            taken += 1
        elif field.default is not MISSING:
            if field.init:  # else the class has it
                found.append((name, field.default))
        elif field.default_factory is not MISSING:
            found.append((name, field.default_factory()))
        elif field.init:
            return None
    return found if taken == len(given) else None


def _init(cls: type[Any], frozen: bool) -> Any:
    names: dict[str, Any] = {"put": object.__setattr__, "missing": MISSING}
    positional, keywords, lines = list[str](), list[str](), ["pass"]
    for field in fields(cls):
        parameter, value = _parameter(field, names)
        if field.init:
            (keywords if field.kw_only else positional).append(parameter)
        if value:
            name = field.name
            put = (
                f"put(self, {name!r}, {value})" if frozen else f"self.{name} = {value}"
            )
            lines.append(put)
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(keywords and ["*", *keywords])])
    text = "\n ".join([f"def __init__({parameters}):", *lines])
    exec(text, names)
    return names["__init__"]


def _parameter(field: Field[Any], names: dict[str, Any]) -> tuple[str, str]:
    """A field as a parameter, and its value in terms of that ("": it has none yet)."""
    name, default, make = field.name, f"default_{field.name}", f"make_{field.name}"
    if field.default is not MISSING:
        names[default] = field.default
        return f"{name}={default}", name if field.init else ""
    if field.default_factory is not MISSING:
        names[make] = field.default_factory
        given = f"{make}() if {name} is missing else {name}"
        return f"{name}=missing", given if field.init else f"{make}()"
    return name, name if field.init else ""


def _repr(cls: type[Any]) -> Any:
    names = [field.name for field in fields(cls) if field.repr]

    @recursive_repr()
    def __repr__(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({shown})"

    return __repr__


def _comparing(cls: type[Any], frozen: bool) -> dict[str, Any]:
    names = [field.name for field in fields(cls) if field.compare]
    values = _values(names)

    def __eq__(self: Any, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(values(self) == values(other))

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The function from an object to its attributes of these names."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


def _frozen(cls: type[Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
