"""Where users register rewrites, so that modes apply them: `optdb`, by Theano's names.

    @register_canonicalize
    @local_optimizer([T.log])
    def log_of_exp(node): ...

From then on all functions compiled in "FAST_RUN" have it, unless their mode excludes it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from symnet.compile.pipeline import GROUPS, rewrite_graph
from symnet.errors import message
from symnet.graph.origin import capture
from symnet.graph.traverse import Graph
from symnet.rewriting.function_graph import FunctionGraph
from symnet.rewriting.selection import (
    RegisteredRewrite,
    RewriteChoice,
    meant,
    registered,
)
from symnet.rewriting.users_rewrites import (
    EquilibriumOptimizer,
    GlobalRewrite,
    SeqOptimizer,
    as_global,
    as_local,
)

# Groups of rewrites of single operations: with our own rules, right after them, at the end.
STAGES = (*GROUPS, "uncanonicalize", "specialize_device", "fusion", "useless")
LAST = 100.0  # Theano's position of what comes last


class RewriteDatabase:
    """The rewrites that users registered under one stage; of whole graphs, if it has none.

    stage: the group of rules to which they belong.
    entries: where they are kept; if not given, where all modes find them.
    """

    def __init__(
        self,
        stage: str = "",
        entries: dict[tuple[str, str], RegisteredRewrite] | None = None,
    ) -> None:
        self.stage = stage
        self.entries = registered if entries is None else entries

    def register(
        self,
        name: str,
        rewrite: Any,
        *arguments: Any,
        position: Any = None,
        **options: Any,
    ) -> None:
        """Have modes that include one of the tags apply a rewrite.

        arguments: tags; of whole graphs the position among the passes first (see
            `Mode.register`), or "last".  Without tags a rewrite belongs to "fast_run".
        Raises: TypeError for what is no rewrite; ValueError for a name that is taken.
        """
        tags = list(arguments)
        if tags and not isinstance(tags[0], str) or tags[:1] == ["last"]:
            position = tags.pop(0)
        if (self.stage, name) in self.entries or name in STAGES:
            raise ValueError(
                message(f"a rewrite {name!r} is registered already", origin=capture())
            )
        made: Any = as_local(rewrite) if self.stage else as_global(rewrite)
        if made.name is None and not hasattr(made, "__name__"):
            made.name = name  # how errors call it
        where = LAST if position in (None, "last") else float(position)
        entry = RegisteredRewrite(
            name, made, frozenset(tags or ["fast_run"]), self.stage, where
        )
        self.entries[self.stage, name] = entry

    def remove(self, name: str) -> None:
        """Forget a rewrite.  Raises: KeyError."""
        del self.entries[self.stage, name]

    def __contains__(self, name: str) -> bool:
        return (self.stage, name) in self.entries

    def __iter__(self) -> Iterator[str]:
        return (name for stage, name in list(self.entries) if stage == self.stage)

    def __getitem__(self, name: str) -> Any:
        """The database of a stage, or the rewrite of that name.  Raises: KeyError."""
        if not self.stage and name in STAGES:
            return RewriteDatabase(name)
        if (self.stage, name) not in self.entries:
            raise KeyError(
                f"no rewrite {name!r}; there are {', '.join(self) or 'none'}"
            )
        return self.entries[self.stage, name].rewrite

    def query(self, *tags: Any, **options: Any) -> GlobalRewrite:
        """The rewrites of a selection as one of whole graphs.

        tags: a `RewriteChoice` (Theano's `Query`), or strings: "+tag" includes (so does the
        tag alone), "-tag" excludes, "&tag" requires.
        """
        return SelectedRewrites(choice_of(tags))

    def chosen(self, tags: Sequence[Any]) -> list[Any]:
        """Its own rewrites that a selection takes, in order of their positions."""
        choice = choice_of(tags)
        entries = [e for e in self.entries.values() if choice.takes({e.name, *e.tags})]
        return [e.rewrite for e in sorted(entries, key=lambda e: e.position)]


class EquilibriumDB(RewriteDatabase):
    """Rewrites of single operations that only who asks for them gets."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__("local", {})

    def query(self, *tags: Any, **options: Any) -> GlobalRewrite:
        """The chosen ones, applied until none has anything to do."""
        return EquilibriumOptimizer(self.chosen(tags))


class SequenceDB(RewriteDatabase):
    """Rewrites of whole graphs that only who asks for them gets."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__("", {})

    def query(self, *tags: Any, **options: Any) -> GlobalRewrite:
        """The chosen ones, one after the other."""
        return SeqOptimizer(self.chosen(tags))


def choice_of(tags: Sequence[Any]) -> RewriteChoice:
    """What the arguments of `query` stand for."""
    if len(tags) == 1 and isinstance(tags[0], RewriteChoice):
        return tags[0]
    words = {sign: [t[1:] for t in tags if t[0] == sign] for sign in "+-&"}
    plain = [tag for tag in tags if tag[0] not in "+-&"]
    return Query([*plain, *words["+"]], words["&"], words["-"])


class SelectedRewrites(GlobalRewrite):
    """What the compiler does to graphs, as far as a selection says."""

    def __init__(self, selection: RewriteChoice) -> None:
        self.selection = selection

    def rewritten(self, graph: Graph) -> Graph:
        return rewrite_graph(graph, self.selection)

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> None:
        found = self.rewritten(graph.frozen())
        graph.replace_all(zip(graph.outputs[:], found.outputs), "the selected rewrites")


def Query(  # noqa: N802  Theano's name
    include: Collection[str],
    require: Collection[str] | None = None,
    exclude: Collection[str] | None = None,
    **options: Any,
) -> RewriteChoice:
    """The rewrites that have a tag of `include`, all of `require`, none of `exclude`."""
    return RewriteChoice(meant(include), meant(exclude or ()), frozenset(require or ()))


optdb = RewriteDatabase()


def _registering(stage: str) -> Callable[..., Any]:
    """The decorator that registers rewrites of single operations in a stage."""

    def register(
        rewrite: Any, *tags: str, name: str | None = None, **options: Any
    ) -> Any:
        if isinstance(rewrite, str):  # a tag: then the rewrite is decorated
            return functools.partial(_swapped, register, (rewrite, *tags), name)
        own = name or getattr(rewrite, "__name__", None) or str(rewrite)
        RewriteDatabase(stage).register(own, rewrite, "fast_run", *tags)
        return rewrite

    register.__name__ = f"register_{stage}"
    register.__doc__ = f"""Register a rewrite of single operations in "{stage}".

    tags: more of them; alone they make it a decorator.  name: the rewrite's own, unless said.
    Raises: as `RewriteDatabase.register`.
    """
    return register


def _swapped(
    register: Callable[..., Any], tags: tuple[str, ...], name: str | None, rewrite: Any
) -> Any:
    return register(rewrite, *tags, name=name)


register_canonicalize = _registering("canonicalize")
register_stabilize = _registering("stabilize")
register_specialize = _registering("specialize")
register_uncanonicalize = _registering("uncanonicalize")
register_specialize_device = _registering("specialize_device")
register_useless = _registering("useless")
