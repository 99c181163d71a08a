"""Modes: how a graph is rewritten and by what it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, Protocol

from symnet.compile.executable import shared_of, uses_of, values_of
from symnet.compile.inner_graphs import stable_throughout, written_out
from symnet.compile.pipeline import compile_graph, known_tags, rewrite_graph
from symnet.config import config
from symnet.errors import message, near
from symnet.graph.evaluate import evaluate
from symnet.graph.object_types import holds_objects, own_object
from symnet.graph.origin import capture
from symnet.graph.traverse import Graph
from symnet.graph.variables import Variable
from symnet.kernels.interface import REPLACES, Device, Ticket, with_ticket
from symnet.rewriting.function_graph import FunctionGraph
from symnet.rewriting.rewriter import Trace
from symnet.rewriting.selection import FAST_COMPILE, FAST_RUN, RewriteChoice
from symnet.rewriting.theano_tags import is_of_graphics_card
from symnet.rewriting.users_rewrites import GlobalRewrite, UsersRewriteFailed, as_global
from symnet.shared import SharedVariable, set_values


class Runs(Protocol):
    """What runs a graph: arrays of the inputs in, arrays of the outputs back."""

    def run(self, arrays: Sequence[Any]) -> list[Any]: ...

    def free(self) -> None: ...


class Mode:
    """How graphs are rewritten, and by what they are run.

    FAST_RUN: every rewrite, native code.  FAST_COMPILE: NumPy, and no rewrite but for
    stable forms, which every mode computes: they are what the graph means.

    Modes are equal that do the same; they never change, and can be pickled.

    >>> x = T.dvector("x")
    >>> mode = symnet.Mode(linker="py", optimizer=None)
    >>> symnet.function([x], T.log(T.exp(x)), mode=mode)([0.5])
    array([0.5])
    >>> fast = symnet.Mode().excluding("fusion")
    >>> symnet.function([x], T.exp(x) * 2, mode=fast)([0.0])
    array([2.])
    """

    name = "FAST_RUN"

    def __init__(self, linker: Any = None, optimizer: Any = "default") -> None:
        """linker: "py" evaluates by NumPy; all others of Theano's are native code.
        optimizer: "fast_run" (or "default", "o4" ...); None and "fast_compile" leave the
            graph as it is, but for stable forms and what native code needs; a tag or a
            `RewriteChoice` choose rewrites, a rewrite of whole graphs is applied alone.
        Raises: ValueError for a linker or a tag that does not exist; TypeError for an
            optimizer that is no rewrite.
        """
        if linker is not None and linker not in LINKERS:
            known = ", ".join(LINKERS)
            raise ValueError(f"there is no linker {linker!r}; there are {known}")
        self.linker = linker
        self.by_reference = linker in ("py", "vm_py")
        self.selection = selection_of(optimizer)

    @property
    def rewrites(self) -> bool:
        """Whether it rewrites graphs more than every program needs."""
        return self.selection != FAST_COMPILE

    @property
    def optimizer(self) -> ModesRewrites:
        """The rewrites, by Theano's name for them: for a graph by hand, or a mode."""
        return ModesRewrites(self)

    def rewrite(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """What is run in the place of a graph.  trace: collects what happens to it.

        Raises: what users' rewrites raise, and UsersRewriteError for what they give.
        """
        if self.by_reference and not self.rewrites:
            return stable_throughout(written_out(graph))
        try:
            return rewrite_graph(graph, self.selection, trace)
        except UsersRewriteFailed as failed:
            raise (failed.__cause__ or failed) from None

    @property
    def without(self) -> frozenset[str]:
        """The passes over programs that are left out."""
        return self.selection.exclude

    def engine(
        self,
        original: Graph,
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
        numbers: Sequence[bool],
        device: Device,
    ) -> Runs:
        """What runs the rewritten outputs and updates of a graph.

        numbers: for each input whether a Python number may stand for it.
        """
        inputs = original.inputs
        if self.by_reference or returns_objects([*outputs, *updates.values()]):
            return ReferenceEngine(inputs, outputs, updates)
        graph = Graph(inputs, [*outputs, *updates.values()])
        return compile_graph(
            graph, list(updates), numbers, device, without=self.without
        )

    # ---- other modes

    def including(self, *tags: str) -> Mode:
        """This mode with the rewrites of these tags too.

        A tag is "fast_run" (all), the name of a pass, group or rule (`python -m
        symnet.debug FILE:FUNCTION --stage rules` prints them), a name of Theano's for one
        of these, or a tag of a user's rewrite.
        Raises: ValueError for a tag that nobody knows.
        """
        return self._with(self.selection.including(checked_tags(tags)))

    def excluding(self, *tags: str) -> Mode:
        """This mode without the rewrites of these tags; "fusion" (of operations into
        loops) and "inplace" (memory used again) are among them.  Raises: as `including`."""
        return self._with(self.selection.excluding(checked_tags(tags)))

    def requiring(self, *tags: str) -> Mode:
        """This mode with those of its rewrites only that have all these tags.
        Raises: as `including`."""
        return self._with(self.selection.requiring(checked_tags(tags)))

    def register(self, *rewrites: tuple[Any, float]) -> Mode:
        """This mode with users' rewrites of whole graphs (or of single operations), each
        with its position among the passes: below 1 it comes before graphs are simplified,
        below 2 after that, otherwise last.

        Raises: TypeError for what is no rewrite.
        """
        pairs = [(as_global(one), float(position)) for one, position in rewrites]
        return self._with(self.selection.with_own(pairs))

    def clone(
        self, link_kwargs: Any = None, optimizer: Any = "", **options: Any
    ) -> Mode:
        """A mode of the same kind with another optimizer."""
        return self if optimizer == "" else self._with(selection_of(optimizer))

    def _with(self, selection: RewriteChoice) -> Mode:
        twin = copy(self)
        twin.selection = selection
        return twin

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.linker, self.selection))

    def __repr__(self) -> str:
        choice, parts = self.selection, [f"Mode {self.name}"]
        if choice.exclude:
            parts.append(f"without {', '.join(sorted(choice.exclude))}")
        if choice.own:
            parts.append(f"with {', '.join(str(one) for one, _ in choice.own)}")
        return " ".join(parts)


class ModesRewrites(GlobalRewrite):
    """What a mode does to a graph, as a rewrite of whole graphs:
    `mode.optimizer.optimize(graph)` of a `FunctionGraph`."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> None:
        found = self.mode.rewrite(graph.frozen())
        graph.replace_all(zip(graph.outputs[:], found.outputs), str(self))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.mode))

    def __str__(self) -> str:
        return f"rewrites of {self.mode}"


# Theano's, of which two are NumPy: everything else is one native program here.
LINKERS = (
    "py", "vm_py", "c", "c|py", "c&py", "c|py_nogc", "vm", "cvm", "vm_nogc", "cvm_nogc",
    "jax",
)  # fmt: skip
# Theano's names of all rewrites, and of none.
ALL_REWRITES = ("default", "fast_run", "fast_run_stable", "o2", "o3", "o4", "unsafe")
NO_REWRITES = (None, "None", "fast_compile", "merge", "o1")


def selection_of(optimizer: Any) -> RewriteChoice:
    """The rewrites that an `optimizer` stands for.  Raises: as `Mode`."""
    if isinstance(optimizer, RewriteChoice):
        return optimizer
    if isinstance(optimizer, ModesRewrites):
        return optimizer.mode.selection
    if optimizer is None or isinstance(optimizer, str):
        if optimizer in ALL_REWRITES:
            return FAST_RUN
        if optimizer in NO_REWRITES:
            return FAST_COMPILE
        return FAST_COMPILE.including(checked_tags([optimizer]))
    return FAST_COMPILE.with_own([(as_global(optimizer), 1.0)])


def checked_tags(tags: Sequence[str]) -> Sequence[str]:
    """Raises: ValueError for a tag that nobody knows; TypeError for no string."""
    known = known_tags()
    for tag in tags:
        if not isinstance(tag, str):
            raise TypeError(
                message(f"a tag is a string, not {tag!r:.60}", origin=capture())
            )
        if tag in known or is_of_graphics_card(tag):
            continue
        meant = near(tag, known)
        hint = f": did you mean {', '.join(meant)}?" if meant else ""
        raise ValueError(
            message(
                f"there is no rewrite {tag!r}{hint}",
                origin=capture(),
                cure="take the name of a pass or rule, as `python -m symnet.debug "
                "FILE:FUNCTION --stage rules` prints them, or a tag of a rewrite that "
                "you have registered",
            )
        )
    return tags


class FastCompile(Mode):
    """Nothing compiled: NumPy computes the graph, in stable form."""

    name = "FAST_COMPILE"

    def __init__(self) -> None:
        super().__init__("py", None)


def returns_objects(values: Sequence[Variable]) -> bool:
    """Whether results or new values of shared variables are objects of Python, which
    Python has to compute."""
    return any(holds_objects(v.type) for v in values)


def own_result(variable: Variable, value: Any) -> Any:
    """A result as the caller's own."""
    if holds_objects(variable.type):
        return own_object(variable.type, value)
    return value.copy() if hasattr(value, "copy") else value


class ReferenceEngine:
    """Runs a graph by reference evaluation."""

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        self.inputs, self.outputs, self.updates = list(inputs), list(outputs), updates
        self.values = [*outputs, *updates.values()]
        self.shared = shared_of(Graph(inputs, self.values))
        self.uses = uses_of(self.shared, updates, REPLACES)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        return with_ticket(self.uses, None, partial(self._run, arrays))

    def _run(self, arrays: Sequence[Any], ticket: Ticket) -> list[Any]:
        given: dict[Variable, Any] = dict(zip(self.inputs, arrays, strict=True))
        given.update(values_of(self.shared, ticket))
        results = self.evaluate(given)
        count = len(self.outputs)
        # Copies: a result may be a view of an argument, a constant or a shared variable.
        fresh = [own_result(v, r) for v, r in zip(self.values, results, strict=True)]
        set_values(dict(zip(self.updates, fresh[count:], strict=True)), ticket)
        return fresh[:count]

    def evaluate(self, given: dict[Variable, Any]) -> list[Any]:
        return evaluate(self.values, given)

    def free(self) -> None:
        """Nothing is kept."""


def get_mode(mode: str | Mode | None) -> Mode:
    """The Mode of that name (config.mode where none is given).  Raises: ValueError."""
    if isinstance(mode, Mode):
        return mode
    if mode is None and config.mode == "FAST_RUN":
        return Mode(config.linker, config.optimizer)
    name = mode if mode is not None else config.mode
    if name not in MODES:
        known = ", ".join(MODES)
        raise ValueError(f"no mode {name!r}; there are {known}, and Mode objects")
    return MODES[name]()


def get_default_mode() -> Mode:
    """The mode of functions that are made without one, as `config.mode` says.

    >>> symnet.get_default_mode().name
    'FAST_RUN'
    """
    return get_mode(None)


MODES: dict[str, type[Mode]] = {
    "FAST_RUN": Mode,
    "FAST_COMPILE": FastCompile,
}
