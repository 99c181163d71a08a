"""Native code written in a small subset of Python: how the run time is programmed.

    @native
    def total(words: int, count: int) -> int:
        result = 0
        for k in range(count):
            result += load(words, k)
        return result

Every value is a signed 64-bit integer; an address is one too.  `total(address, 3)` runs
machine code, `total.address` is where it lies, `total.python` is the plain function,
which computes the same and can be stepped through in a debugger (the instructions have
Python bodies too, which is also their definition).  `translator` says what the subset has.

The functions of one module are compiled together (those that are `@hot` by themselves, with
more care), when the first of them is needed, and kept on disk like the kernels.  With
`@lazily_compiled` in place of `@native` they are needed only where their address is: a call
from Python is served by the plain function until then, because to compile takes longer than
what a program does that calls once.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec

from symnet.kernels.cpu.jit import intrinsics, translator
from symnet.kernels.cpu.jit.intrinsics import (
    CFunction,
    NativeFunction,
    NativeInstruction,
    Symbol,
    parameter_names,
)
from symnet.kernels.cpu.jit.record import Record
from symnet.kernels.llvm.compiler_thread import begin, on_compiler_thread
from symnet.kernels.llvm.emitted_function import EmittedFunction, jobs_for
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import (
    Library,
    cached_object,
    load_objects,
    made_object,
    object_code,
    source_digest,
)
from symnet.lazy import cached_property, imported_when_used

if TYPE_CHECKING:
    import llvmlite.binding as llvm
else:
    llvm = imported_when_used("llvmlite.binding")

P = ParamSpec("P")


class Native(NativeFunction, Generic[P]):
    """A function of the subset.  Called from Python it runs natively, without the GIL;
    a `lazy` one only if that is compiled already.

    rare: see `rarely`."""

    def __init__(
        self,
        python: Callable[P, int],
        lazy: bool = False,
        hot: bool = False,
        rare: bool = False,
    ) -> None:
        self.python = python
        self.lazy, self.hot, self.rare = lazy, hot, rare
        kind = ".hot" if hot else ".rare" if rare else ""
        self.unit = f"{python.__module__}{kind}"
        self.name = (
            f"{python.__module__}.{python.__qualname__}{'.rare' if rare else ''}"
        )
        self.parameters = parameter_names(python)
        self.__doc__ = python.__doc__
        self._address = 0

    @property
    def address(self) -> int:
        if not self._address:
            compile_pending(self.unit)
        return self._address

    @cached_property
    def _function(self) -> Any:
        kinds = [ctypes.c_int64] * len(self.parameters)
        return ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self.address)

    @property
    def ready(self) -> bool:
        """Whether there is machine code, in this process or on disk."""
        return bool(self._address) or load_pending(self.unit)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> int:
        if self.lazy and not self.ready:
            return int(self.python(*args, **kwargs))
        return int(self._function(*args, **kwargs))


# By unit: functions that are compiled together.
_pending: defaultdict[str, list[Native[Any]]] = defaultdict(list)
_hot: defaultdict[str, list[Native[Any]]] = defaultdict(list)  # those that are `hot`
_twins: dict[Native[Any], Native[Any]] = {}  # what `rarely` gives for each


def native(
    function: Callable[P, int],
    lazy: bool = False,
    hot: bool = False,
    rare: bool = False,
) -> Native[P]:
    """Decorator: make a native function of one written in the subset."""
    result = Native(function, lazy, hot, rare)
    _pending[result.unit].append(result)
    if hot:
        _hot[result.unit].append(result)
    return result


def hot(function: Callable[P, int]) -> Native[P]:
    """Decorator: a native function whose own loops are most of the work, or turn often."""
    return native(function, hot=True)


def lazily_compiled(function: Callable[P, int]) -> Native[P]:
    """Decorator: a native function that can wait for its machine code."""
    return native(function, lazy=True)


def rarely(function: Native[P]) -> Native[P]:
    """The same function for where it seldom runs: a `hot` one has a twin that is compiled
    quickly, with all that it calls; others are their own."""
    if not function.hot:
        return function
    for one in _hot[function.unit]:
        if one not in _twins:
            _twins[one] = native(one.python, rare=True)
    return _twins[function]


def outside(
    functions: list[Native[Any]],
) -> dict[str, Symbol | CFunction | Native[Any]]:
    """What the functions name but do not define."""
    namespace = functions[0].python.__globals__
    mentioned = {name for f in functions for name in f.python.__code__.co_names}
    own = {function.name for function in functions}
    found: dict[str, Symbol | CFunction | Native[Any]] = {}
    for name in sorted(mentioned):
        what = namespace.get(name)
        if isinstance(what, Native) and functions[0].rare:
            what = rarely(what)
        if isinstance(what, (Symbol, CFunction, Native)) and what.name not in own:
            found[what.name] = what
    return found


def declaration(what: Symbol | CFunction | Native[Any]) -> str:
    if isinstance(what, Symbol):
        return f'@"{what.name}" = external global i8'
    if isinstance(what, CFunction):
        return f"declare {what.result} @{what.name}({', '.join(what.parameters)})"
    return f'declare i64 @"{what.name}"({", ".join(["i64"] * len(what.parameters))})'


def print_module(functions: list[Native[Any]]) -> str:
    """The LLVM IR of functions of one unit."""
    texts = [translator.Translator(function.python).text() for function in functions]
    around = outside(functions)
    text = "\n".join(texts)
    for twin in (*functions, *around.values()):
        if isinstance(twin, Native) and twin.rare:
            text = text.replace(
                f'@"{twin.name.removesuffix(".rare")}"', f'@"{twin.name}"'
            )
    return "\n".join([*map(declaration, around.values()), text])


def optimise(text: str, quick: bool) -> bytes:
    """Object code of LLVM IR text.

    Few passes: the code is made of short loops, and waits mostly for memory or others.
    quick: with LLVM's fast code generator, which takes a fifth of the time; the code takes
    one and a half times as long (measured for the call boundary).
    """

    def run(module: llvm.ModuleRef, target: llvm.TargetMachine) -> None:
        options = llvm.create_pipeline_tuning_options(speed_level=1)
        builder = llvm.create_pass_builder(target, options)
        passes = llvm.create_new_function_pass_manager()
        passes.add_sroa_pass()
        if not quick:
            passes.add_instruction_combine_pass()
            passes.add_simplify_cfg_pass()
        for function in module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

    return machine().compile(text, quick, run)


def address(what: Symbol | CFunction | Native[Any]) -> int:
    return int(what) if isinstance(what, Symbol) else what.address


def cache_key(functions: list[Native[Any]]) -> str:
    """All that the code of a unit's functions depends on."""
    namespace = functions[0].python.__globals__
    constants = [f"{k}={v}" for k, v in namespace.items() if type(v) in (int, bool)]
    # What other modules define is not in this one's source.
    for name, value in namespace.items():
        if isinstance(value, type) and issubclass(value, Record):
            constants.append(f"{name}={value.names}")
        elif isinstance(value, NativeInstruction):
            constants.append(f"{name}={value.lines}")
    names = [function.name for function in functions]
    sources = source_digest(
        __file__, translator.__file__, intrinsics.__file__, namespace["__file__"]
    )
    return "\n".join([sources, *names, *sorted(constants)])


# Held while the functions of a module get their addresses: threads may need them at once.
# The same thread comes back for the modules that a module calls.
_linking = threading.RLock()
_libraries: list[Library] = []  # of native functions, for good
_made: dict[str, bytes] = {}  # code of modules, by key, until it is loaded
_begun: set[str] = set()  # functions given to a thread in the background
_absent: set[str] = set()  # units with pending functions whose code is not on disk
if hasattr(os, "register_at_fork"):
    # A child has none of the parent's threads.
    os.register_at_fork(after_in_child=_begun.clear)


def in_background(functions: Sequence[Native[Any]]) -> None:
    """Have machine code made on a thread of its own, for functions that will be needed
    soon; who needs one before it is done waits for it."""
    pending = [f for f in functions if not f._address and f.name not in _begun]
    if pending:
        with suppress(RuntimeError):  # no more threads
            begin(lambda: [f.address for f in pending])
        _begun.update(f.name for f in pending)


def compile_jobs(
    functions: Collection[Native[Any] | EmittedFunction],
) -> list[Callable[[], None]]:
    """What is left to do for these functions, and the native ones that they call, so that
    their machine code can be loaded at once: jobs for threads."""
    left = [f for f in functions if isinstance(f, Native) and not f._address]
    units = set[str]()
    while left:
        unit = left.pop().unit
        pending = _pending.get(unit)
        if pending and unit not in units:
            units.add(unit)
            others = outside(pending).values()
            left += [f for f in others if isinstance(f, Native) and not f._address]
    natives = [partial(make_pending, unit) for unit in sorted(units)]
    emitted = [f for f in functions if isinstance(f, EmittedFunction)]
    return [*jobs_for(emitted), *natives]


def make_pending(unit: str) -> None:
    """Compile, or take from disk, what there is of a unit so far."""
    functions = list(_pending.get(unit, ()))
    if functions:
        key = cache_key(functions)
        _made[key] = object_code(key, partial(build_module, functions))


@on_compiler_thread
def compile_pending(unit: str) -> None:
    """Compile, unless it is done, and load what there is of a unit so far."""
    with _linking:
        functions = _pending.get(unit)
        if functions:  # or another thread has done it
            key = cache_key(functions)
            if key not in _made:
                make_pending(unit)
            link(unit, functions, _made.pop(key), key)


@on_compiler_thread
def load_pending(unit: str) -> bool:
    """Load what there is of a unit so far from disk; whether it is loaded."""
    if unit in _absent:
        return False
    with _linking:
        functions = _pending.get(unit)
        if functions:
            key = cache_key(functions)
            data = cached_object(key)
            if data is None:
                _absent.add(unit)
                return False
            link(unit, functions, data, key)
    return True


def build_module(functions: list[Native[Any]]) -> bytes:
    # What a lazily compiled module does happens at every call; the rest once a long step.
    return optimise(
        print_module(functions),
        quick=not (functions[0].lazy or functions[0].hot),
    )


def link(unit: str, functions: list[Native[Any]], data: bytes, key: str) -> None:
    """Make the pending functions of a unit callable; the caller holds the lock."""
    imports = {name: address(what) for name, what in outside(functions).items()}
    names = [function.name for function in functions]
    build = partial(build_module, functions)
    library = load_objects(
        [data], names, imports, again=lambda: [made_object(key, build)]
    )
    _libraries.append(library)
    for function, place in zip(functions, library.addresses, strict=True):
        function._address = place
    _pending.pop(unit, None)  # or a finalizer has come between
