"""Attributes that are computed, and modules imported, when they are first needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):
    """Like `functools.cached_property` from Python 3.12 on: without a lock.

    The lock of 3.11 is one for all objects: threads wait for each other's, and a child
    that is forked meanwhile waits for ever.  Two threads may compute the same value.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | cached_property[T]:
        if instance is None:
            return self
        value = self.function(instance)
        instance.__dict__[self.name] = value
        return value


def lazy_names(
    package: str, *modules: str, **homes: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` that imports these of its modules, and functions from
    their homes (name="module", below the package or, named in full, elsewhere), once each;
    and its `__dir__`, by which notebooks complete names."""
    root = package.partition(".")[0] + "."

    def get(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name in homes:
            home = homes[name]
            path = home if home.startswith(root) else f"{package}.{home}"
            found = getattr(import_module(path), name)
            setattr(sys.modules[package], name, found)
            return found
        # With what Python needs to say which name may be meant.
        text = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=sys.modules[package])

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules, *homes})

    return get, names


def imported_when_called(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that most programs do without, which its first call imports.
    To type checkers it is imported plainly."""

    def function(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    return function


class imported_when_used:
    """A module that the first use of one of its names imports.
    To type checkers it is imported plainly."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)
