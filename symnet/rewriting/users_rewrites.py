"""Rewrites that users write, in Theano's forms: of single operations, and of whole graphs.

    @local_optimizer([T.log])
    def log_of_exp(node):
        inner = node.inputs[0].owner
        if inner and inner.op == T.exp:
            return [inner.inputs[0]]

A rewrite of single operations becomes a rule of the rewriter: it is tried with the
compiler's own rules until none has anything to do.  One of whole graphs is a pass.  What
either gives is checked: its type always, its value in DebugMode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Op
from symnet.graph.origin import Origin, capture
from symnet.graph.pickling import by_name, named
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.base import as_tensor
from symnet.rewriting.function_graph import FunctionGraph, UsersRewriteError, fitted
from symnet.rewriting.patterns import Match, Rule, number
from symnet.rewriting.rewriter import rewrite
from symnet.rewriting.variable_clients import telling

# ---- of whole graphs


class GlobalRewrite:
    """A rewrite of a whole graph: write a subclass with `apply`.

        class DropPrints(GlobalRewrite):
            def apply(self, graph):
                for node in graph.toposort():
                    if isinstance(node.op, symnet.printing.Print):
                        graph.replace_validate(node.outputs[0], node.inputs[0])

    apply(graph): edits a `FunctionGraph`.
    add_requirements(graph): attaches the features that it needs.
    """

    name: str | None = None

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no apply(graph)")

    def add_requirements(self, graph: FunctionGraph) -> None:
        """Nothing, unless a subclass says more."""

    def optimize(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> Any:
        """Rewrite the graph in place.  Raises: TypeError for what is no FunctionGraph."""
        if not isinstance(graph, FunctionGraph):
            raise TypeError(
                message(
                    f"{self} rewrites a FunctionGraph, not {graph!r:.60}",
                    origin=capture(),
                    cure="make one: FunctionGraph(inputs, outputs)",
                )
            )
        with telling(graph.clients):
            self.add_requirements(graph)
            return self.apply(graph, *arguments, **options)

    __call__ = optimize

    def rewritten(self, graph: Graph) -> Graph:
        """The graph rewritten, as a pass does it; itself where nothing changes."""
        edited = FunctionGraph.copy_of(graph)
        before = [node.inputs[:] for node in edited.toposort()], edited.outputs[:]
        self.optimize(edited)
        edited.check_integrity()
        after = [node.inputs for node in edited.toposort()], edited.outputs
        return graph if before == after else edited.frozen()

    def __str__(self) -> str:
        return self.name or getattr(self, "__name__", None) or type(self).__name__

    __repr__ = __str__


class FromFunctionOptimizer(GlobalRewrite):
    """A function of a FunctionGraph as a rewrite of whole graphs."""

    def __init__(
        self, fn: Callable[..., Any], requirements: Iterable[Callable[..., Any]] = ()
    ) -> None:
        self.fn, self.requirements = fn, tuple(requirements)
        self.__name__ = getattr(fn, "__name__", "rewrite")

    def __reduce__(self) -> Any:
        place = by_name(self, self.fn)
        return super().__reduce_ex__(2) if place is None else (named, place)

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> Any:
        return self.fn(graph, *arguments, **options)

    def add_requirements(self, graph: FunctionGraph) -> None:
        for requirement in self.requirements:
            requirement(graph)


def optimizer(fn: Callable[..., Any]) -> FromFunctionOptimizer:
    """Decorator: a function of a FunctionGraph as a rewrite of whole graphs."""
    return FromFunctionOptimizer(fn)


class SeqOptimizer(GlobalRewrite):
    """Rewrites of whole graphs, one after the other."""

    def __init__(self, *rewrites: Any) -> None:
        several = len(rewrites) == 1 and isinstance(rewrites[0], (list, tuple))
        self.rewrites = tuple(map(as_global, rewrites[0] if several else rewrites))

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> None:
        for one in self.rewrites:
            one.optimize(graph)


class TopoOptimizer(GlobalRewrite):
    """A rewrite of single operations, applied to all of a graph until it has nothing to do.

    order, ignore_newtrees, failure_callback: accepted as in Theano.  The graph is walked
    from its inputs upwards, what a rewrite brings in too; one that raises is an error.
    """

    def __init__(
        self,
        local_opt: Any,
        order: str = "in_to_out",
        ignore_newtrees: bool = False,
        failure_callback: Any = None,
    ) -> None:
        several = isinstance(local_opt, (list, tuple))
        self.local = tuple(map(as_local, local_opt if several else [local_opt]))
        self.once = ignore_newtrees

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> None:
        rules = [rule for one in self.local for rule in one.rules()]
        if self.once:
            rules = [replace(r, condition=lambda m: not m.is_new) for r in rules]
        try:
            found = rewrite(graph.frozen(), rules)
        except UsersRewriteFailed as failed:
            raise failed.__cause__ or failed from None
        graph.replace_all(
            zip(graph.outputs[:], found.outputs), ", ".join(map(str, self.local))
        )

    def __str__(self) -> str:
        return ", ".join(map(str, self.local))


class EquilibriumOptimizer(TopoOptimizer):
    """Several rewrites of single operations, until none has anything to do."""

    def __init__(self, optimizers: Sequence[Any], **options: Any) -> None:
        super().__init__(list(optimizers))


class OpKeyOptimizer(TopoOptimizer):
    """The same by Theano's name for one that is tried at operations by one op."""


class MergeOptimizer(GlobalRewrite):
    """Equal operations on equal inputs, and equal constants, become one."""

    def apply(self, graph: FunctionGraph, *arguments: Any, **options: Any) -> None:
        found = rewrite(graph.frozen())
        graph.replace_all(zip(graph.outputs[:], found.outputs), "merge")


# ---- of single operations


class LocalRewrite:
    """A rewrite of one operation: write a subclass with `transform`.

    tracks(): the ops, or classes of ops, that it is for; None, or none of them, for all.
    transform(node): what comes in the place of the operation's results, a list with one
        variable for each, of their types; None or False where it stays.
    """

    name: str | None = None

    def __init__(self) -> None:
        self.line = capture()

    def tracks(self) -> Sequence[Any] | None:
        return None

    def transform(self, node: Apply) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no transform(node)")

    def add_requirements(self, graph: FunctionGraph) -> None:
        """Nothing, unless a subclass says more."""

    def proposed(self, match: Match) -> Any:
        """What `transform` gives; of rewrites that look at who uses what."""
        return self.transform(match.node)

    def rules(self) -> list[Rule]:
        """The rewrite as rules of the rewriter, which are made once."""
        found: list[Rule] | None = getattr(self, "_rules", None)
        if found is None:
            found = [self._rule(kind) for kind in self.tracks() or [Op]]
            self._rules = found
        return found

    def _rule(self, kind: Any) -> Rule:
        """The rule for an op or a class; a class of Theano's that stands for several of
        ours is asked, which of all ops are of it."""
        name = str(self)
        if not isinstance(kind, type) or issubclass(kind, Op):
            return UsersRule(name, kind, self._replacement)

        def of_this_kind(match: Match) -> list[Variable] | None:
            return self._replacement(match) if isinstance(match.node.op, kind) else None

        return UsersRule(name, Op, of_this_kind)

    def __getstate__(self) -> dict[str, Any]:
        return {name: v for name, v in vars(self).items() if name != "_rules"}

    def _replacement(self, match: Match) -> list[Variable] | None:
        node = match.node
        line = getattr(self, "line", None)
        try:
            with telling(match.known.clients):
                found = self.proposed(match)
        except UsersRewriteError:
            raise
        except Exception as error:
            error.add_note(
                message(f"in the rewrite {self} of {node.op}", origin=node.origin)
            )
            raise UsersRewriteFailed from error
        if found is None or found is False:
            return None
        if isinstance(found, Variable):
            found = [found]
        if isinstance(found, dict):
            found = [found.get(v, v) for v in node.outputs]
        if not isinstance(found, (list, tuple)) or len(found) != node.nout:
            raise UsersRewriteError(
                message(
                    f"the rewrite {self} gave {found!r:.80} for {node.nout} results",
                    operation=node.op,
                    origin=line,
                    cure="return a list with one variable for each result, or False; the "
                    f"operation was made by {node.origin}",
                )
            )
        pairs = zip(node.outputs, found)
        return [
            old if new is None else fitted(new, old, self, line) for old, new in pairs
        ]

    def __str__(self) -> str:
        return self.name or getattr(self, "__name__", None) or type(self).__name__

    __repr__ = __str__


class UsersRule(Rule):
    """A rule whose errors are the user's."""

    is_users = True


class UsersRewriteFailed(Exception):
    """A user's rewrite raised; its cause is what it raised."""


class FromFunctionLocalOptimizer(LocalRewrite):
    """A function of an operation as a rewrite: see `local_optimizer`."""

    def __init__(
        self, fn: Callable[..., Any], tracks: Sequence[Any] | None, line: Origin | None
    ) -> None:
        self.fn, self._tracks, self.line = fn, tracks, line
        self.__name__ = getattr(fn, "__name__", "rewrite")
        self.__doc__ = getattr(fn, "__doc__", None)

    def __reduce__(self) -> Any:
        place = by_name(self, self.fn)
        return super().__reduce_ex__(2) if place is None else (named, place)

    def tracks(self) -> Sequence[Any] | None:
        return self._tracks

    def transform(self, node: Apply) -> Any:
        return self.fn(node)


def local_optimizer(
    tracks: Sequence[Any] | None, inplace: bool = False, requirements: Any = ()
) -> Callable[[Callable[[Apply], Any]], FromFunctionLocalOptimizer]:
    """Decorator that makes a rewrite of a function of an operation.

    tracks: the ops, or classes of ops, that it is for; None for all.
    The function gets an `Apply` and gives what comes in the place of its results: a list
    with one variable for each, of their types; None or False where it stays as it is.
    Raises: ValueError for an empty list; TypeError for what is neither op nor class.
    """
    if tracks is not None:
        if not isinstance(tracks, (list, tuple)):
            raise TypeError(f"local_optimizer takes a list of ops, not {tracks!r:.60}")
        if not tracks:
            raise ValueError("local_optimizer: nothing is tracked; None tracks all")
        for one in tracks:
            if not isinstance(one, (Op, type)):
                raise TypeError(
                    f"local_optimizer tracks ops and classes, not {one!r:.60}"
                )

    def make(fn: Callable[[Apply], Any]) -> FromFunctionLocalOptimizer:
        if not callable(fn):
            raise TypeError(f"local_optimizer decorates a function, not {fn!r:.60}")
        code = getattr(fn, "__code__", None)
        line = capture()
        if code is not None:
            line = Origin(code.co_filename, code.co_firstlineno, fn.__name__)
        return FromFunctionLocalOptimizer(fn, tracks, line)

    return make


class OpSub(LocalRewrite):
    """Operations by `op1` become the same by `op2`."""

    def __init__(self, op1: Op, op2: Op, transfer_tags: bool = True) -> None:
        super().__init__()
        self.op1, self.op2 = op1, op2
        self.name = f"{op1} -> {op2}"

    def tracks(self) -> Sequence[Any]:
        return [self.op1]

    def transform(self, node: Apply) -> Any:
        if node.op != self.op1:
            return False
        return self.op2.make_node(*node.inputs).outputs


class OpRemove(LocalRewrite):
    """Operations by `op` become their inputs, of which there are as many as results."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.op = op
        self.name = f"{op} -> its input"

    def tracks(self) -> Sequence[Any]:
        return [self.op]

    def transform(self, node: Apply) -> Any:
        if node.op != self.op:
            return False
        if node.nin != node.nout:
            what = f"{node.op} has {node.nin} inputs and {node.nout} results"
            raise UsersRewriteError(message(what, origin=self.line))
        return node.inputs


class PatternSub(LocalRewrite):
    """Expressions of a form become others.

        PatternSub((T.log, (T.exp, "x")), "x")

    in_pattern: (op, pattern, ...), where a pattern is again such a tuple, a string (which
        stands for anything, and for the same wherever it is used), a number or a
        `Constant` (for constants of that value), or a dict with a "pattern" and a
        "constraint", a function of the variable found that says whether it fits.
    out_pattern: the same, without dicts.
    allow_multiple_clients: whether an inner operation may be used elsewhere too.
    Raises: TypeError for what is no pattern.
    """

    def __init__(
        self,
        in_pattern: Any,
        out_pattern: Any,
        allow_multiple_clients: bool = False,
        skip_identities_fn: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        first = in_pattern["pattern"] if isinstance(in_pattern, dict) else in_pattern
        if not (
            isinstance(first, (list, tuple)) and first and isinstance(first[0], Op)
        ):
            raise TypeError(
                f"the pattern {in_pattern!r:.80} is to begin with an op: (op, 'x', ...)"
            )
        self.op: Op = first[0]
        self.in_pattern, self.out_pattern = in_pattern, out_pattern
        self.several = allow_multiple_clients
        self.name = name or f"{in_pattern} -> {out_pattern}"

    def tracks(self) -> Sequence[Any]:
        return [self.op]

    def transform(self, node: Apply) -> Any:
        return self._found(node, lambda v: True)

    def proposed(self, match: Match) -> Any:
        free = lambda v: self.several or match.used_once(v)  # noqa: E731
        return self._found(match.node, free)

    def _found(self, node: Apply, free: Callable[[Variable], bool]) -> Any:
        bound: dict[str, Variable] = {}
        if node.nout != 1 or not _fits(
            self.in_pattern, node.outputs[0], bound, None, free
        ):
            return False
        return [_built(self.out_pattern, bound)]


def _fits(
    pattern: Any,
    variable: Variable,
    bound: dict[str, Variable],
    above: Apply | None,
    free: Callable[[Variable], bool],
) -> bool:
    """Whether the variable has the pattern's form; adds what strings stand for."""
    if isinstance(pattern, dict):
        fits = _fits(pattern["pattern"], variable, bound, above, free)
        constraint = pattern.get("constraint")
        return fits and (constraint is None or bool(constraint(variable)))
    if isinstance(pattern, str):
        return bound.setdefault(pattern, variable) is variable
    if isinstance(pattern, (list, tuple)):
        node = variable.owner
        if node is None or node.op != pattern[0] or node.nin != len(pattern) - 1:
            return False
        if above is not None and not free(variable):
            return False
        orders = [node.inputs]
        if node.op.commutative and node.nin == 2:
            orders.append(node.inputs[::-1])
        for operands in orders:
            trial = dict(bound)
            if all(
                _fits(part, v, trial, node, free)
                for part, v in zip(pattern[1:], operands)
            ):
                bound.update(trial)
                return True
        return False
    if isinstance(pattern, Constant) and isinstance(variable, Constant):
        return bool(np.array_equal(np.asarray(pattern.data), np.asarray(variable.data)))
    value = number(variable)
    return value is not None and bool(value == pattern)


def _built(pattern: Any, bound: dict[str, Variable]) -> Variable:
    if isinstance(pattern, str):
        if pattern not in bound:
            raise ValueError(f"{pattern!r} does not stand in the pattern looked for")
        return bound[pattern]
    if isinstance(pattern, (list, tuple)):
        op: Op = pattern[0]
        return op(*(_built(part, bound) for part in pattern[1:]))
    return pattern if isinstance(pattern, Variable) else as_tensor(pattern)


# ---- either


def as_local(rewrite_: Any) -> LocalRewrite:
    """Raises: TypeError for what is no rewrite of single operations."""
    if isinstance(rewrite_, LocalRewrite):
        return rewrite_
    raise TypeError(
        f"{rewrite_!r:.80} is no rewrite of single operations: decorate a function with "
        "local_optimizer([ops])"
    )


def as_global(rewrite_: Any) -> GlobalRewrite:
    """A rewrite as one of whole graphs.  Raises: TypeError for what is none."""
    if isinstance(rewrite_, LocalRewrite):
        return TopoOptimizer(rewrite_)
    if isinstance(rewrite_, GlobalRewrite):
        return rewrite_
    raise TypeError(
        f"{rewrite_!r:.80} is no rewrite: write a subclass of Optimizer with apply(graph), "
        "or decorate a function with local_optimizer([ops])"
    )
