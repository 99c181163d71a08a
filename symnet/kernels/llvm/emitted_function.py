"""Functions that are written in LLVM's language one by one, and made into machine code
together: to begin a module takes LLVM as long as a part of its functions, and so does linking.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from hashlib import sha256

from symnet.kernels.llvm.machine import machine, thread_count
from symnet.kernels.llvm.object_code import (
    Library,
    cached_object,
    load_objects,
    made_object,
)
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import joined


class EmittedFunction:
    """One function, whose code is made or read when it is needed.

    key: all that its text depends on but the target; emit: `emit(target, name)` is the
    module that defines it.
    """

    def __init__(self, key: str, emit: Callable[[Target, str], str]) -> None:
        self.key, self._emit = key, emit
        self.name = f"emitted_{sha256(key.encode()).hexdigest()[:32]}"
        # Threads, or a signal's handler, may make it at once: the first is used.
        self._objects: list[ObjectCode] = []

    @property
    def missing(self) -> bool:
        """Whether its code is neither made nor read yet."""
        return not self._objects

    @property
    def address(self) -> int:
        """Where the loaded code begins, valid as long as the function is held."""
        if self.missing and read([self]):
            make([self])
        return self._objects[0].addresses()[self.name]

    def text(self) -> str:
        return self._emit(machine().target, self.name)

    def belongs_to(self, whole: ObjectCode) -> None:
        self._objects.append(whole)


class ObjectCode:
    """The object code of some functions, which is loaded once for all of them."""

    def __init__(self, functions: Sequence[EmittedFunction], code: bytes) -> None:
        self.names = [function.name for function in functions]
        # What loads it; it goes then, and with it the way back to the functions.
        self._load: Callable[[], Library] | None = partial(
            load_objects, [code], self.names, again=lambda: [compiled(functions)]
        )
        self._libraries: list[Library] = []  # the first is used, as above
        for function in functions:
            function.belongs_to(self)

    def addresses(self) -> dict[str, int]:
        """Where each function begins, by name."""
        load = self._load
        if load and not self._libraries:
            self._libraries.append(load())
            self._load = None
        return dict(zip(self.names, self._libraries[0].addresses, strict=True))


def jobs_for(functions: Collection[EmittedFunction]) -> list[Callable[[], None]]:
    """What is left to do so that the functions can be loaded at once: jobs for threads."""
    left = read([function for function in functions if function.missing])
    left.sort(key=lambda function: function.key)  # the same files in every run
    count = min(thread_count(), len(left))
    return [partial(make, left[first::count]) for first in range(count)]


def read(functions: Sequence[EmittedFunction]) -> list[EmittedFunction]:
    """Take the code of functions from disk; those that have none there.

    Functions that were made together have the same code there."""
    left, found = list[EmittedFunction](), dict[bytes, list[EmittedFunction]]()
    for function in functions:
        code = cached_object(function.key)
        if code is None:
            left.append(function)
        else:
            found.setdefault(code, []).append(function)
    for code, together in found.items():
        ObjectCode(together, code)
    return left


def make(functions: Sequence[EmittedFunction]) -> None:
    """Compile functions as one module."""
    ObjectCode(functions, compiled(functions))


def compiled(functions: Sequence[EmittedFunction]) -> bytes:
    """The code of functions as one module; it is written under the key of each."""
    code = machine().compile(joined([function.text() for function in functions]))
    for function in functions:
        made_object(function.key, lambda: code)
    return code
