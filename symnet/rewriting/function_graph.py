"""A graph that is edited in place, for rewrites that users write as for Theano.

The compiler's own passes give new graphs.  A user's global rewrite asks for the operations,
replaces variables, and goes on with the operations that it has asked for: their operands
must be the new ones then.  So it gets a copy whose nodes belong to nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symnet.errors import MissingInputError, message
from symnet.graph.origin import Origin, capture
from symnet.graph.traverse import Graph, toposort
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.ops.sizes import add_broadcast, specify_shape, unbroadcast
from symnet.rewriting.variable_clients import edited_graphs
from symnet.shared import SharedVariable

Client = tuple[Apply | str, int]
Pair = tuple[Variable, Variable]


class InconsistencyError(ValueError):
    """A replacement that the graph cannot have: it would need its own result, or a feature
    refuses it.  The graph is as it was before."""


class UsersRewriteError(TypeError):
    """What a user's rewrite gave cannot stand in the place of what it replaces."""


class FunctionGraph(Graph):
    """Outputs over inputs, to be edited: `replace`, `replace_validate`.

    inputs: variables without owner; outputs: what they need besides must be constants or
        shared variables.
    features: see `attach_feature`.
    clone: edit a copy, inputs included.  Without, the operations themselves change, for
        all who hold them.
    Raises: MissingInputError for an output that needs something else.

    >>> x = T.dvector("x")
    >>> graph = symnet.FunctionGraph([x], [T.exp(T.log(x))], clone=False)
    >>> for node in graph.toposort():
    ...     if node.op == T.exp and node.inputs[0].owner:
    ...         graph.replace(node.outputs[0], node.inputs[0].owner.inputs[0])
    >>> graph.outputs
    [x]
    """

    # Features may add attributes; what knows it by name does not keep it.
    __slots__ = ("_clients", "_features", "__dict__", "__weakref__")

    def __init__(
        self,
        inputs: Iterable[Variable],
        outputs: Iterable[Variable],
        features: Iterable[Any] | None = None,
        clone: bool = True,
        update_mapping: Any = None,
    ) -> None:
        ins, outs = list(inputs), list(outputs)
        if clone:
            fresh = {v: v.clone() for v in ins}
            outs = copied(outs, fresh)
            ins = [fresh[v] for v in ins]
        super().__init__(ins, outs)
        self._features: list[Any] = []
        self._clients: dict[Variable, list[Client]] = {v: [] for v in ins}
        for k, v in enumerate(outs):
            self._take_in(v)
            self._clients[v].append(("output", k))
        edited_graphs.add(self)
        for feature in features or ():
            self.attach_feature(feature)

    @classmethod
    def copy_of(cls, graph: Graph) -> FunctionGraph:
        """A graph to edit with operations of its own, over the same inputs."""
        outputs = copied(graph.outputs, {v: v for v in graph.inputs})
        return cls(graph.inputs, outputs, clone=False)

    # ---- looking at it

    def toposort(self) -> list[Apply]:
        """The operations, each after those it needs, as the graph is now."""
        return toposort(self.outputs, blockers=self.inputs)

    @property
    def variables(self) -> list[Variable]:
        return list(self._clients)

    def clients(self, variable: Variable) -> list[Client]:
        """Who uses a variable: (operation, which input), or ("output", which)."""
        return list(self._clients.get(variable, ()))

    def all_clients(self) -> dict[Variable, list[Client]]:
        return {v: list(uses) for v, uses in self._clients.items() if uses}

    def get_nodes(self, op: Any) -> list[Apply]:
        """The operations by an op, in order."""
        return [node for node in self.toposort() if node.op == op]

    def has(self, variable: Variable) -> bool:
        """Whether the variable is one of the graph."""
        return variable in self._clients

    def check_integrity(self) -> None:
        """Raises: InconsistencyError where an operation needs its own result."""
        done: set[Apply] = set()
        for node in self.toposort():
            needed = {v.owner for v in node.inputs if v not in self.inputs} - {None}
            if not needed <= done:
                raise InconsistencyError(
                    message("an operation needs its own result", operation=node.op,
                            origin=node.origin)
                )  # fmt: skip
            done.add(node)

    def clone(self) -> FunctionGraph:
        """A copy, inputs included, without features."""
        return FunctionGraph(self.inputs, self.outputs)

    def frozen(self) -> Graph:
        """What passes take, over the same operations."""
        return Graph(self.inputs, self.outputs)

    # ---- changing it

    def replace(
        self, old: Variable, new: Variable, reason: Any = None, verbose: Any = None
    ) -> None:
        """Have all who use `old` use `new`.  What is not in the graph (any more) is left.

        Raises: UsersRewriteError where `new` has another dtype or rank, or sizes that
            contradict; MissingInputError where it needs what the graph has not.
        """
        self.replace_all([(old, new)], reason)

    def replace_all(self, pairs: Iterable[Pair], reason: Any = None) -> None:
        """The same for several, one after the other."""
        for old, new in pairs:
            self._replace(old, new, reason, [])

    def replace_validate(
        self, old: Variable, new: Variable, reason: Any = None, **options: Any
    ) -> None:
        """`replace`, undone where the graph would need its own result, or a feature's
        `validate` raises.  Raises: InconsistencyError, and what the feature raises."""
        self.replace_all_validate([(old, new)], reason)

    def replace_all_validate(
        self, pairs: Iterable[Pair], reason: Any = None, **options: Any
    ) -> None:
        """The same for several: all, or none."""
        done: list[tuple[Client, Variable]] = []
        try:
            for old, new in pairs:
                self._replace(old, new, reason, done)
            self.check_integrity()
            self.execute_callbacks("validate")
        except Exception:
            for (user, k), before in reversed(done):
                self._set(user, k, before, "undone")
            raise

    validate = check_integrity

    def change_input(
        self, node: Apply | str, i: int, new: Variable, reason: Any = None
    ) -> None:
        """Have one operation (or "output") use another variable at one place.
        Raises: as `replace`."""
        old = self.outputs[i] if isinstance(node, str) else node.inputs[i]
        self._set(node, i, fitted(new, old, reason), reason)

    def _replace(
        self,
        old: Any,
        new: Any,
        reason: Any,
        done: list[tuple[Client, Variable]],
    ) -> None:
        if not isinstance(old, Variable):
            what = f"{old!r:.60} is no variable, and cannot be replaced"
            raise TypeError(message(what, origin=capture()))
        if new is old or old not in self._clients:
            return
        users = list(self._clients[old])  # not those that `new` brings itself
        new = fitted(new, old, reason)
        for user, k in users:
            self._set(user, k, new, reason)
            done.append(((user, k), old))

    def _set(self, user: Apply | str, k: int, new: Variable, reason: Any) -> None:
        self._take_in(new)
        row = self.outputs if isinstance(user, str) else user.inputs
        old, row[k] = row[k], new
        self._clients[new].append((user, k))
        self._clients[old].remove((user, k))
        self.execute_callbacks("on_change_input", user, k, old, new, reason)
        self._drop_unused(old)

    def _take_in(self, variable: Variable) -> None:
        """Note the variable and what it is made of."""
        known = self._clients
        if variable in known:
            return
        for node in toposort([variable], blockers=tuple(known)):
            for k, v in enumerate(node.inputs):
                self._take_in_leaf(v)
                known[v].append((node, k))
            known.update((v, []) for v in node.outputs if v not in known)
            self.execute_callbacks("on_import", node, None)
        self._take_in_leaf(variable)

    def _take_in_leaf(self, v: Variable) -> None:
        if v in self._clients:
            return
        if v.owner is None and not isinstance(v, (Constant, SharedVariable)):
            what = f"{operand_text(v)} is no input of the graph"
            cure = "make replacements of the graph's own variables, constants and shared ones"
            raise MissingInputError(message(what, origin=capture(), cure=cure))
        self._clients[v] = []

    def _drop_unused(self, variable: Variable) -> None:
        """Forget operations whose results nobody uses any more."""
        stack = [variable]
        while stack:
            node = stack.pop().owner
            if node is None or any(self._clients.get(v) for v in node.outputs):
                continue
            if any(v not in self._clients for v in node.outputs):
                continue
            if any(v in self.inputs for v in node.outputs):
                continue
            for v in node.outputs:
                del self._clients[v]
            for k, v in enumerate(node.inputs):
                self._clients[v].remove((node, k))
            self.execute_callbacks("on_prune", node, None)
            stack += node.inputs

    # ---- who is told

    def attach_feature(self, feature: Any) -> None:
        """Have `feature` told of changes, by those of its methods that it has:
        on_attach(graph), on_import(graph, node, reason), on_prune(graph, node, reason),
        on_change_input(graph, node, position, old, new, reason), validate(graph),
        on_detach(graph)."""
        if feature not in self._features:
            if hasattr(feature, "on_attach"):
                feature.on_attach(self)
            self._features.append(feature)

    def remove_feature(self, feature: Any) -> None:
        """Tell it of nothing more."""
        if feature in self._features:
            self._features.remove(feature)
            if hasattr(feature, "on_detach"):
                feature.on_detach(self)

    def execute_callbacks(self, name: str, *arguments: Any) -> None:
        """Tell every feature that wants to know."""
        for feature in list(self._features):
            if hasattr(feature, name):
                getattr(feature, name)(self, *arguments)


def copied(
    outputs: Sequence[Variable], known: dict[Variable, Variable]
) -> list[Variable]:
    """The outputs over copies of all operations; known: what stands for variables."""
    known = dict(known)
    for node in toposort(outputs, blockers=tuple(known)):
        inputs = [known.get(v, v) for v in node.inputs]
        fresh = [make_variable(v.type, v.name) for v in node.outputs]
        for old, new in zip(node.outputs, fresh):
            new._tag = old._tag
        copy = Apply(node.op, inputs, fresh, like=node)
        copy._tag = node._tag
        known.update(zip(node.outputs, fresh))
    return [known.get(v, v) for v in outputs]


def fitted(
    given: Any, old: Variable, rewrite: Any = None, line: Origin | None = None
) -> Variable:
    """What is `given` as it may stand in the place of `old`: with the sizes that the type
    of that promises.

    rewrite: whose replacement it is; line: where that is written.
    Raises: UsersRewriteError for no variable, another dtype or rank, and for sizes that
        contradict.
    """
    if not isinstance(given, Variable):
        raise _misfit(f"{given!r:.60}", "is no variable", old, rewrite, line)
    new: Variable = given
    have, want = new.type, old.type
    if not isinstance(have, TensorType) or not isinstance(want, TensorType):
        if have != want:
            raise _misfit(operand_text(new), "has another type", old, rewrite, line)
        return new
    what = ""
    if have.dtype != want.dtype:
        what = f"has dtype {have.dtype}"
    elif have.ndim != want.ndim:
        what = f"has rank {have.ndim}"
    elif any(
        None not in pair and pair[0] != pair[1] for pair in zip(have.shape, want.shape)
    ):
        what = f"has shape {have.shape}"
    if what:
        raise _misfit(operand_text(new), what, old, rewrite, line)
    pairs = list(enumerate(zip(have.shape, want.shape)))
    opened = [k for k, (a, b) in pairs if a == 1 and b is None]
    if opened:
        new = unbroadcast(new, *opened)
    closed = [k for k, (a, b) in pairs if a is None and b == 1]
    if closed:
        new = add_broadcast(new, *closed)
    if any(a is None and b not in (None, 1) for _, (a, b) in pairs):
        new = specify_shape(new, want.shape)
    return new


def _misfit(
    shown: str, what: str, old: Variable, rewrite: Any, line: Origin | None
) -> UsersRewriteError:
    node = old.owner
    name = f"the rewrite {rewrite}" if rewrite else "a rewrite"
    made = f" made by {node.origin}" if node is not None and node.origin else ""
    return UsersRewriteError(
        message(
            f"{name} put {shown} in the place of {operand_text(old)}: it {what}",
            operation=node.op if node is not None else None,
            operands=[operand_text(v) for v in node.inputs] if node is not None else (),
            origin=line or capture(),
            cure=f"return a {old.type} for the one{made}; T.cast changes a dtype",
        )
    )
