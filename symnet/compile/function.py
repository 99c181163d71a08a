"""`function`: from symbolic inputs and outputs to a callable."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypedDict, Unpack, cast, overload
from weakref import WeakSet, ref

import numpy as np

from symnet import gradient
from symnet.collector import collector_paused
from symnet.compile.arguments import Pairs, Request, check_swaps, read_request
from symnet.compile.card import html_card
from symnet.compile.containers import given_states
from symnet.compile.executable import Executable
from symnet.compile.in_out import In, Out
from symnet.compile.kept_values import KeptValues
from symnet.compile.memory_limit import WithinLimit, bytes_of_limit
from symnet.compile.modes import Mode, Runs, get_mode
from symnet.compile.overwritten import add_overwritten, check_writable, overwrite
from symnet.compile.pipeline import compile_graph
from symnet.compile.profile import Profiler, TimeRecorder
from symnet.compile.refusals import device_or_host
from symnet.compile.sparse_edges import Edges
from symnet.data_classes import dataclass
from symnet.errors import briefly, message
from symnet.graph.pickling import Packed, pack, unpack
from symnet.graph.traverse import Graph, clone_replace, leaves
from symnet.graph.types import as_kept
from symnet.graph.variables import Apply, Variable, operand_text
from symnet.kernels.devices import CPU, get_device
from symnet.kernels.interface import RETURN_LIST, RETURN_ONE, Device
from symnet.shared import Container, SharedVariable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import TypeVar

    Result = TypeVar("Result", default=Any)
else:
    from typing import TypeVar

    Result = TypeVar("Result")


class Function(KeptValues, Generic[Result]):
    """A compiled function.  Call it with values for its inputs, by position or by name.
    Type checkers know it by what a call gives, as `Function[list[NDArray[Any]]]`.

    name; trust_input (arrays are not converted: they must have the right dtype, rank and
    known sizes, which costs nothing to look at); maker.fgraph, the graph after rewriting;
    maker.inputs, maker.outputs, maker.mode; outputs, as `Out`s of what was asked for.

    >>> x = T.dvector("x")
    >>> f = symnet.function([x], x * 2, name="twice")
    >>> f([1.0, 2.0])
    array([2., 4.])
    >>> f(x=[3.0])
    array([6.])
    >>> f.name
    'twice'
    """

    def __init__(
        self,
        request: Request,
        mode: Mode,
        name: str | None,
        trust_input: bool,
        profile: bool = False,
        device: Device = CPU,
        memory_limit: int | None = None,
    ) -> None:
        start = perf_counter()
        self.name = name
        self.request = request
        self.mode = mode
        self.device = device
        self.trust_input = trust_input
        self.states = request.states
        self._cells: list[list[Any]] = [[None] for _ in request.inputs]
        variables = [one.variable for one in request.inputs]
        self.edges = edges = Edges(variables, request.outputs, request.updates)
        original = edges.graph
        graph = mode.rewrite(original)
        count = len(edges.outputs)
        outputs, news = graph.outputs[:count], graph.outputs[count:]
        self.updates = dict(zip(edges.updates, news, strict=True))
        exact = [not i.strict and i.allow_downcast is not False for i in request.inputs]
        numbers = exact if edges.plain else [False] * len(edges.inputs)
        self.engine = mode.engine(original, outputs, self.updates, numbers, device)
        self.memory_limit = memory_limit
        self.within: WithinLimit | None = None
        if memory_limit is not None:
            self.within = self._within(memory_limit, numbers)
        self.recorder = TimeRecorder(self.engine) if profile else None
        self._enter_directly(self.engine)
        listed = [one for one, _ in request.order]
        handed = len(request.outputs) - len(request.overwrites)
        self.outputs = [Out(v) for v in request.outputs[:handed]]
        self.maker = Maker(graph, listed, self.outputs, mode, ref(self))
        self._types = [v.type for v in variables]
        self._names = {one.name: k for k, one in enumerate(request.inputs) if one.name}
        for k, one in enumerate(request.inputs):
            if isinstance(one.value, Container):  # that of another function is shared
                self.convert(k, one.value.value)
                self._cells[k] = one.value.storage
            else:
                self._set_default(k, one.value)
        self.made_seconds = perf_counter() - start

    def _enter_directly(self, engine: Runs) -> None:
        """Have native code take the calls, where nothing stands between."""
        if (
            isinstance(engine, Executable)
            and self.edges.as_computed
            and self.request.form != "dict"
            and not self.request.overwrites
            and self.recorder is None
        ):
            form = RETURN_ONE if self.request.form == "one" else RETURN_LIST
            engine.enter_directly(form, Fallback(self))

    def _within(self, limit: int, numbers: Sequence[bool]) -> WithinLimit | None:
        """What keeps the limit; None, with a warning, where no native program runs."""
        if not isinstance(self.engine, Executable):
            text = f"memory_limit is kept by native programs, not by {self.mode}"
            warnings.warn(message(text, cure="use mode='FAST_RUN'"), stacklevel=2)
            return None
        settings = (list(self.updates), numbers, self.device)
        without, function = self.mode.without, ref(self)

        def compiled(graph: Graph, repeats: Collection[Apply]) -> Executable:
            made = compile_graph(graph, *settings, without=without, repeats=repeats)
            if (owner := function()) is not None:
                owner._enter_directly(made)
            return made

        return WithinLimit(self.engine, compiled, limit)

    def __new__(cls, *args: Any, **kwargs: Any) -> Function[Result]:
        """Each function has a class of its own, whose `__call__` becomes the builtin that
        runs its latest plan: no Python code then stands between a call and native code."""
        return object.__new__(
            type(cls.__name__, (cls,), {"__module__": cls.__module__})
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Result:
        if self.recorder is not None:
            return self.recorder.call(self.call, *args, **kwargs)
        return self.call(*args, **kwargs)

    @property
    def profile(self) -> Profiler:
        """What calls cost: `print(f.profile(*args))`."""
        return Profiler(self)

    @briefly
    def call(self, *args: Any, **kwargs: Any) -> Result:
        """A call by way of Python: converts arguments, makes plans; the builtin hands
        over to it whatever is not exactly as in the call before."""
        states, given, named = self.states_given(args, kwargs)
        check_writable(self.request, given, named)
        arrays = self.edges.split(self.read_arguments(given, named))
        with given_states(states):
            results = self.edges.joined(self._run(arrays))
        results = overwrite(self.request, given, named, results)
        builtin = getattr(self.engine, "builtin", None)
        if builtin is not None:  # from now on it takes the calls
            type(self).__call__ = builtin  # type: ignore[method-assign]
        return self.hand_out(results)

    def _run(self, arrays: Sequence[Any]) -> list[Any]:
        if self.within is None:
            return self.engine.run(arrays)
        self.engine, results = self.within.run(arrays)
        if self.recorder is not None:
            self.recorder.watch.engine = self.engine
        return results

    def _leave_directly(self) -> None:
        if "__call__" in type(self).__dict__:
            del type(self).__call__

    def __del__(self) -> None:
        # The class would keep the plan's memory until the garbage collector finds it.
        self._leave_directly()

    def hand_out(self, results: Sequence[Any]) -> Result:
        """Results in the form in which the outputs were asked for."""
        form = self.request.form
        handed: Any = list(results)
        if form == "one":
            handed = results[0]
        elif form == "dict":
            handed = dict(zip(self.request.keys, results, strict=True))
        return cast("Result", handed)

    # ---- arguments

    def read_arguments(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[Any]:
        """The arrays of a call: converted, checked, C-contiguous.

        Raises: TypeError for a missing, unknown or unfit argument.
        """
        inputs = self.request.inputs
        if len(args) > len(inputs):
            raise TypeError(
                self._text(f"takes {len(inputs)} arguments, got {len(args)}")
            )
        given: list[Any] = [*args, *(cell[0] for cell in self._cells[len(args) :])]
        for key, value in kwargs.items():
            position = self._names.get(key)
            if sum(one.name == key for one in inputs) > 1:
                raise TypeError(self._text(f"has several inputs called {key!r}"))
            if position is None:
                known = ", ".join(self._names) or "none has a name"
                raise TypeError(
                    self._text(f"has no input {key!r}; its inputs: {known}")
                )
            if position < len(args):
                raise TypeError(self._text(f"got two values for its input {key!r}"))
            given[position] = value
        missing = [operand_text(i.variable) for i, g in zip(inputs, given) if g is None]
        if missing:
            raise TypeError(
                self._text(f"misses {len(missing)} arguments: {', '.join(missing)}")
            )
        return [self.convert(k, value) for k, value in enumerate(given)]

    def convert(self, position: int, value: Any) -> Any:
        """One argument as an array of its input's type."""
        one, kind = self.request.inputs[position], self._types[position]
        if isinstance(value, SharedVariable):
            value = value.array
        if isinstance(value, Variable):
            raise TypeError(
                self._text(
                    f"takes values; argument {position} is symbolic: {operand_text(value)}"
                )
            )
        strict = one.strict or (self.trust_input and isinstance(value, np.ndarray))
        try:
            array = kind.filter(value, strict=strict, allow_downcast=one.allow_downcast)
        except (TypeError, ValueError) as error:
            label = f"argument {position}" + (f" ({one.name})" if one.name else "")
            raise type(error)(self._text(f"cannot take {label}: {error}")) from None
        return as_kept(array) if isinstance(array, np.ndarray) else array

    # ---- what Theano's functions offer

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables that the function reads or updates."""
        found = dict.fromkeys(v for v in leaves(self.maker.fgraph.outputs))
        used = [v for v in found if isinstance(v, SharedVariable)]
        whole = self.edges.shared
        return list(dict.fromkeys(whole.get(v, v) for v in (*used, *self.updates)))

    def copy(
        self,
        share_memory: bool = False,
        swap: Mapping[SharedVariable, SharedVariable] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
        profile: Any = None,
    ) -> Function[Result]:
        """Another function over the same graph, with shared variables exchanged (`swap`)
        or without its updates.  Code is shared in any case, memory in none.

        Raises: TypeError where a swapped variable has another type.
        """
        swaps = dict(swap or {})
        check_swaps(swaps, [*self.get_shared(), *self.request.updates])
        request = self.request
        values = [*request.outputs, *request.updates.values()]
        copied = clone_replace(values, list(swaps.items()))
        count = len(request.outputs)
        news = zip(request.updates, copied[count:], strict=True)
        updates = {} if delete_updates else {swaps.get(s, s): v for s, v in news}
        states = {name: swaps.get(s, s) for name, s in request.states.items()}
        order = [(one, s and swaps.get(s, s)) for one, s in request.order]
        twin = Request(
            request.inputs, copied[:count], updates, request.form, request.keys, states,
            order, request.overwrites,
        )  # fmt: skip
        settings = (self.trust_input, bool(profile), self.device, self.memory_limit)
        made = Function(twin, self.mode, name or self.name, *settings)
        for old_cell, cell in zip(self._cells, made._cells, strict=True):
            cell[0] = old_cell[0]
        return made

    def __copy__(self) -> Function[Result]:
        """Another function with the same shared variables, and states of its own."""
        fresh = {
            state: SharedVariable(state.type, state.get_value(), state.name)
            for state in self.states.values()
        }
        return self.copy(swap=fresh)

    def free(self) -> None:
        """Give the memory of temporaries, and of results that nobody holds, back; the next
        call takes it again."""
        self._leave_directly()
        (self.within or self.engine).free()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its graph: loading compiles again (from the cache on disk).

        To load a pickle runs the code of who made it: see `graph.pickling`."""
        request = self.request
        graph = pack([*request.outputs, *request.updates.values()])
        rest = (
            request.form, request.keys, request.states, request.order, request.overwrites,
        )  # fmt: skip
        settings = (
            self.mode, self.name, self.trust_input, self._cells, self.device.name,
            self.memory_limit,
        )  # fmt: skip
        return _restore, (request.inputs, graph, list(request.updates), rest, settings)

    def __repr__(self) -> str:
        inputs = ", ".join(operand_text(one.variable) for one in self.request.inputs)
        return f"<function {self.name or ''}({inputs})>"

    def _repr_html_(self) -> str:
        return html_card(self)


@dataclass(frozen=True, eq=False)
class Maker:
    """What a function was made of, by Theano's names."""

    fgraph: Graph
    inputs: Sequence[In]
    outputs: Sequence[Out]
    mode: Mode
    _function: ref[Function]

    @property
    def function(self) -> Function | None:
        """The function itself; not held, so that it goes when nobody else holds it."""
        return self._function()


class Fallback:
    """Takes a builtin's calls to the function, without keeping the function alive."""

    def __init__(self, target: Function) -> None:
        self.target = ref(target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        target = self.target()
        if target is None:
            raise ReferenceError("the function is gone")
        return target.call(*args, **kwargs)


def _restore(
    inputs: list[In],
    graph: Packed,
    updated: list[SharedVariable],
    rest: Any,
    settings: Any,
) -> Function:
    values = unpack(graph)
    count = len(values) - len(updated)
    updates = dict(zip(updated, values[count:], strict=True))
    mode, name, trust_input, cells, device, limit = settings
    request = Request(inputs, values[:count], updates, *rest)
    where = device_or_host(device)
    made = Function(request, mode, name, trust_input, device=where, memory_limit=limit)
    made._cells = cells
    return made


_evaluators: WeakSet[Function] = WeakSet()  # those that `eval` made and that live


class FunctionOptions(TypedDict, total=False):
    """The arguments of `function` that are given by name."""

    no_default_updates: bool | Sequence[SharedVariable]
    accept_inplace: bool
    name: str | None
    rebuild_strict: bool
    allow_input_downcast: bool | None
    profile: Any
    on_unused_input: str | None
    trust_input: bool
    device: str | None
    memory_limit: float | None


Inputs = Sequence[Variable | In | tuple[Variable, Any]]
Output = Variable | Out | complex


@overload
def function(
    inputs: Inputs,
    outputs: Output,
    mode: str | Mode | None = None,
    updates: Pairs = None,
    givens: Pairs = None,
    **options: Unpack[FunctionOptions],
) -> Function[NDArray[Any]]: ...
@overload
def function(
    inputs: Inputs,
    outputs: Sequence[Output] | None = None,
    mode: str | Mode | None = None,
    updates: Pairs = None,
    givens: Pairs = None,
    **options: Unpack[FunctionOptions],
) -> Function[list[NDArray[Any]]]: ...
@overload
def function(
    inputs: Inputs,
    outputs: Mapping[str, Output],
    mode: str | Mode | None = None,
    updates: Pairs = None,
    givens: Pairs = None,
    **options: Unpack[FunctionOptions],
) -> Function[dict[str, NDArray[Any]]]: ...
@briefly
def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: str | Mode | None = None,
    updates: Pairs = None,
    givens: Pairs = None,
    no_default_updates: bool | Sequence[SharedVariable] = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    trust_input: bool = False,
    device: str | None = None,
    memory_limit: float | None = None,
) -> Function:
    """Compile: a callable that computes `outputs` from `inputs`.

    inputs: variables, or `In(variable, name, value, ...)`.
    outputs: a variable, a list, or a dict with string keys: what a call returns.  None
        is an empty list.
    updates: (shared variable, expression) pairs, a dict, or one pair: after each call the
        shared variables hold the expressions' values, all from the old values.
    givens: (variable, replacement) pairs, a dict, or one pair, put in all at once.
    mode: "FAST_RUN", "FAST_COMPILE" (NumPy, nothing compiled), "DebugMode", or a Mode.
    allow_input_downcast: True converts arguments with loss, False never, None only a
        Python float for a float scalar.
    on_unused_input: "raise", "warn" or "ignore".
    no_default_updates: True, or a list: whose default updates are left out.
    accept_inplace: operations of `theano.tensor.inplace` write into the arrays of a call.
    trust_input: arrays are not converted; one of another dtype is an error.
    profile: measure every call, for `f.profile()`.
    device: where it runs: "cpu", "cuda" (a GPU), "cuda1" (the next one), "emulated" (one, on
        the CPU), "reference" (NumPy, as a judge); None: as `config.device` says.
    memory_limit: bytes that a call may take between its steps, besides arguments, results
        and shared variables.  Where it would take more, values that are read late are
        computed again in place of being kept.  A call that cannot be done in it raises
        MemoryError and changes nothing.
    Raises: TypeError, ValueError for what does not fit; MissingInputError,
        UnusedInputError; NotOnDevice for what can be computed neither on the device nor beside it.

    >>> x = T.dscalar("x")
    >>> n = symnet.shared(0.0)
    >>> f = symnet.function([x], x + n, updates=[(n, n + 1)])
    >>> f(10), f(10)
    (array(10.), array(11.))
    """
    with collector_paused():
        request = read_request(
            inputs, outputs, updates, givens, no_default_updates, allow_input_downcast,
            on_unused_input,
        )  # fmt: skip
        add_overwritten(request, accept_inplace)
        limit = None if memory_limit is None else bytes_of_limit(memory_limit)
        settings = (bool(profile), get_device(device), limit)
        return Function(request, get_mode(mode), name, trust_input, *settings)


def _compiled(inputs: Sequence[Any], outputs: Sequence[Any], mode: Any) -> Any:
    """How `verify_grad` compiles what it checks."""
    return function(inputs, list(outputs), mode=mode, on_unused_input="ignore")


gradient.compilers.append(_compiled)

__all__ = ["Function", "In", "Out", "function"]
