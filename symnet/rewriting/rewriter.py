"""The rewrite engine: applies rules to a graph, from its inputs upwards.

A variable is looked at when everything it needs has its final form, so one walk is
enough: what a rule puts into the graph is walked in turn.  Equal operations on equal
inputs are made one on the way.  The cost is linear in the size of the graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from operator import is_
from typing import Any

from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.graph.origin import inherit
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable, operand_text
from symnet.kernels.loopir.views import Size
from symnet.ops.arithmetic import second
from symnet.ops.checks import checked
from symnet.ops.elementwise import Elementwise, cast
from symnet.ops.sizes import add_broadcast, specify_shape, unbroadcast
from symnet.rewriting.analyses import AnalysisCache, readers_of
from symnet.rewriting.constant_folding import fold_constants
from symnet.rewriting.patterns import Bindings, Match, Rule, rule_table
from symnet.sizes.conservative import CertainSizes

# So many rules one after another on one result, and something goes round in circles.
MOST_STEPS = 60


class RewriteWarning(RuntimeWarning):
    """A rule or a pass is at fault and was left out; the result is right, but not as simple,
    fast or exact as it could be."""


class RewriteError(TypeError):
    """A rule gave something that cannot stand in the place of what it replaces."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One use of a rule."""

    rule: str
    before: Variable
    after: Variable
    users: bool = False  # whether the rule is a user's


@dataclass(slots=True)
class Trace:
    """What happened to a graph: every use of a rule, the graph after every pass, and the
    program after every pass over that."""

    fired: list[tuple[str, Fired]] = field(default_factory=list)
    graphs: list[tuple[str, Graph]] = field(default_factory=list)
    programs: list[tuple[str, Any]] = field(default_factory=list)

    def rules(self) -> list[str]:
        """The names of the rules, in the order in which they were used."""
        return [fired.rule for _, fired in self.fired]


def rewrite(
    graph: Graph,
    rules: Iterable[Rule] = (),
    note: Callable[[Fired], None] | None = None,
    fold: bool = False,
    analyses: AnalysisCache | None = None,
) -> Graph:
    """The graph with every rule applied wherever it fits, and equals made one; the graph
    itself where it is known that nothing is to be done.

    fold: also compute what needs constants only.
    note: told of every use of a rule.
    analyses: of earlier passes over this graph.
    A replacement gets the dtype of what it replaces by a cast, and its shape by
    broadcasting.  What cannot be mended so, and a rule that raises, is left out with a
    RewriteWarning (config.on_rewrite_error).  Of the checks of sizes that what it replaces
    stood for, none is lost (`ops.checks`).  Without rules this only merges equals.
    """
    return Rewriter(graph, rules, note, fold, analyses).run()


Steps = tuple[str, "Steps | None", int]


class Rewriter:
    """One walk over one graph."""

    def __init__(
        self,
        graph: Graph,
        rules: Iterable[Rule],
        note: Callable[[Fired], None] | None = None,
        fold: bool = False,
        analyses: AnalysisCache | None = None,
    ) -> None:
        self.graph = graph
        self.note = note
        self.fold = fold
        self.fixed = dict.fromkeys(graph.inputs)
        self.final: dict[Variable, Variable] = {}
        self.replaced: set[Apply] = set()  # by a rule, or merged with one that was
        self.open: set[Apply] = set()  # replaced, but the replacement is not final yet
        self.steps: dict[Apply, Steps] = {}
        # None as a user: an output.  Found when a rule asks; most passes have none that does.
        self._users: dict[Variable, list[Apply | None]] | None = None
        self._moved: list[tuple[Variable, Variable]] = []
        self.warned = False
        self.table = rule_table(tuple(rules))
        self.analyses = analyses if analyses is not None else AnalysisCache()
        self.given = self.analyses.given
        self.converged = self.analyses.converged(self.table, fold)
        self.unchanged: set[Apply] = set()  # no rule applies, whoever the users are
        self.asked = False  # whether a rule has asked for users

    def run(self) -> Graph:
        order = self.graph.toposort()
        self.final.update({v: v for v in self.fixed})
        changing = [node for node in order if not self._stays(node)]
        if changing:
            self._walk_all(order, changing)
        outputs = [self._final(v) for v in self.graph.outputs]
        self.analyses.note_converged(self.table, self.fold, self.unchanged)
        if not changing and all(map(is_, outputs, self.graph.outputs)):
            return self.graph
        return Graph(self.graph.inputs, outputs)

    def _stays(self, node: Apply) -> bool:
        """Whether it is known that neither the operation nor what it needs changes; its
        results are final then."""
        final = self.final
        for v in node.inputs:
            if v.owner is not None and v not in final:
                return False
        if not self.analyses.is_one(node) or not self._is_idle(node):
            return False
        for v in node.outputs:
            final.setdefault(v, v)
        return True

    def _is_idle(self, node: Apply) -> bool:
        """Whether it is known that no rule has anything for the operation."""
        if self._may_fold(node) and all(isinstance(v, Constant) for v in node.inputs):
            return False
        return not self._rules(node)

    def _may_fold(self, node: Apply) -> bool:
        return self.fold and not any(node in nodes for _, nodes in self.converged)

    def _rules(self, node: Apply) -> list[Rule]:
        """The rules that may have something for the operation, as far as is known."""
        rules = self.analyses.candidates(self.table, node)
        for idle, nodes in self.converged:
            if rules and node in nodes:
                rules = [rule for rule in rules if rule not in idle]
        return rules

    def _walk_all(self, order: Sequence[Apply], changing: Sequence[Apply]) -> None:
        self.given.update(order)
        with config.change_flags(compute_test_value="off", warn_float64="ignore"):
            for node in changing:
                self._walk(node)

    def _find_clients(self) -> dict[Variable, list[Apply | None]]:
        """Those of the graph, and of what has come in the place of its variables."""
        found = readers_of(self.graph)
        for old, new in self._moved:
            if old in found:
                found.setdefault(new, []).extend(found[old])
        return found

    def _same_clients(self, old: Variable, new: Variable) -> None:
        self._moved.append((old, new))
        if self._users is not None and old in self._users:
            self._users.setdefault(new, []).extend(self._users[old])

    # ---- the walk

    def _walk(self, node: Apply) -> None:
        """Bring `node` and everything it needs into final form."""
        stack: list[Apply | tuple[Apply, Apply, list[Variable]]] = [node]
        while stack:
            top = stack.pop()
            if isinstance(top, tuple):
                self._finish(*top)
                continue
            if self._is_final(top):
                continue
            waiting = [
                v.owner for v in top.inputs
                if v.owner is not None and v not in self.final
            ]  # fmt: skip
            if waiting:
                stack.append(top)
                stack.extend(reversed(waiting))
                continue
            current = self._merged(top)
            if current is not top and self._is_final(current):
                if current in self.replaced:
                    self.replaced.add(top)
                self._finish(top, current, [self.final[v] for v in current.outputs])
                continue
            new = self._replacement(current)
            if new is None:
                self._finish(top, current, current.outputs)
                continue
            self.replaced.update((top, current))
            self.open.add(current)
            stack.append((top, current, new))
            stack.extend(self._begin(v.owner, current) for v in new if v.owner)

    def _is_final(self, node: Apply) -> bool:
        return all(map(self.final.__contains__, node.outputs))

    def _begin(self, owner: Apply, current: Apply) -> Apply:
        """Note which rules led to the new operations below `owner`."""
        steps = self.steps[current]
        fresh = [owner]
        while fresh:
            node = fresh.pop()
            if node in self.steps or self._is_final(node):
                continue
            self.steps[node] = steps
            fresh.extend(v.owner for v in node.inputs if v.owner is not None)
        return owner

    def _finish(self, old: Apply, current: Apply, new: Sequence[Variable]) -> None:
        self.open.discard(current)
        if new is old.outputs and len(new) == 1:  # as most: it stays as it is
            self.final.setdefault(new[0], new[0])
            return
        for before, middle, after in zip(
            old.outputs, current.outputs, new, strict=True
        ):
            result = self._final(after)
            self.final[result] = result
            for variable in (before, middle):
                if variable not in self.fixed:
                    self.final[variable] = result
            if result is not middle:
                self._same_clients(before, result)
            if before is not result:
                fresh = result.owner is not None and result.owner not in self.given
                if fresh and before.name and not result.name:
                    result.name = before.name

    def _final(self, variable: Variable) -> Variable:
        found = self.final.get(variable)
        if found is None:
            if not isinstance(variable, Constant):
                return variable
            found = self.final[variable] = self.analyses.one_constant(variable)
        return found

    # ---- equals are made one

    def _merged(self, node: Apply) -> Apply:
        """The operation on final inputs: the one that is there already, or a new one."""
        final = self.final
        inputs = [final[v] if v in final else self._final(v) for v in node.inputs]
        found = self.analyses.one_node(node, inputs)
        if found is not node:
            for old, new in zip(node.outputs, found.outputs, strict=True):
                self._same_clients(old, new)
        if node in self.steps:
            self.steps[found] = self.steps[node]
        return found

    # ---- rules

    def _replacement(self, node: Apply) -> list[Variable] | None:
        """What comes in the place of the outputs; None where no rule applies."""
        if node in self.open or self._too_many(node):
            self._warn(node)
            return None
        if self._may_fold(node):
            constants = fold_constants(node)
            if constants is not None:
                return self._replaced("constant_folding", node, constants)
        self.asked = False
        rules = self._rules(node)
        if rules:
            with inherit(node.origin):
                for rule in rules:
                    for bound in rule.bindings(node):
                        new = self._try(rule, node, bound)
                        if new is not None:
                            return self._replaced(rule.name, node, new, rule.is_users)
        if not self.asked:
            self.unchanged.add(node)
        return None

    def _try(self, rule: Rule, node: Apply, bound: Bindings) -> list[Variable] | None:
        try:
            result = rule.result(Match(node, bound, self))
            return None if result is None else self._outputs(rule, node, result)
        except Exception as error:  # a fault of the rule, not of the user
            if rule.is_users:
                raise
            leave_out(f"rule {rule.name}", error, node)
            return None

    def _outputs(
        self, rule: Rule, node: Apply, result: Variable | Sequence[Variable]
    ) -> list[Variable] | None:
        outputs = [result] if isinstance(result, Variable) else list(result)
        if len(outputs) != node.nout:
            raise RewriteError(
                f"rule {rule.name} gave {len(outputs)} results for {node.nout} of {node.op}"
            )
        pairs = list(zip(outputs, node.outputs))
        if all(new is old for new, old in pairs):
            return None
        return [self._fitted(new, old, rule) for new, old in pairs]

    def _fitted(self, new: Variable, old: Variable, rule: Rule) -> Variable:
        """`new` as it stands in the place of `old`."""
        if not isinstance(old.type, TensorType):
            return conform(new, old, rule.name)
        return self._checked(conform(self._opened(new, old), old, rule.name), old)

    def _opened(self, new: Variable, old: Variable) -> Variable:
        """`new` without the knowledge that a size is 1, where `old` does not have it: a
        size known to be 1 broadcasts.  Only where the sizes are certainly the same."""
        known = lacks_shape(new, old) and new.type.ndim == old.type.ndim
        if not known or isinstance(old.owner.op, Elementwise):  # type: ignore[union-attr]
            return new
        pairs = enumerate(zip(self.sizes(new), self.sizes(old), strict=True))
        return unbroadcast(
            new, *(k for k, (a, b) in pairs if a is b and old.type.shape[k] != 1)
        )

    def _checked(self, new: Variable, old: Variable) -> Variable:
        """`new` in the place of `old`, checking all that is checked where that is made."""
        node = old.owner
        if node is None or not self._inference().lost(old, new):
            return new
        return checked(new, node)

    def _replaced(
        self, rule: str, node: Apply, new: list[Variable], users: bool = False
    ) -> list[Variable]:
        before = self.steps.get(node)
        self.steps[node] = (rule, before, 1 + (before[2] if before else 0))
        if self.note is not None:
            self.note(Fired(rule, node.outputs[0], new[0], users))
        return new

    def users(self, variable: Variable) -> Sequence[Apply | None]:
        self.asked = True
        if self._users is None:
            self._users = self._find_clients()
        return self._users.get(variable, ())

    def clients(self, variable: Variable) -> list[tuple[Apply | str, int]]:
        """The same with the places: (operation, which input), or ("output", which).
        Equal operations that are not yet made one are apart."""
        found: list[tuple[Apply | str, int]] = []
        for user in dict.fromkeys(self.users(variable)):
            row = self.graph.outputs if user is None else user.inputs
            found += [
                (user or "output", k)
                for k, v in enumerate(row)
                if v is variable or self.final.get(v) is variable
            ]
        return found

    def is_new(self, node: Apply) -> bool:
        """Whether a rule has brought the operation into the graph."""
        return node in self.steps

    # ---- what is known of sizes

    def sizes(self, variable: Variable) -> tuple[Size, ...]:
        """The sizes of a final variable; those known to be equal are one object."""
        return self._inference().sizes_of(variable)

    def leaf_size(self, size: Size) -> tuple[Variable, int] | None:
        """The variable and the axis whose size this is, where it is nothing else."""
        if size.op != "argument":
            return None
        given = self._inference().arguments[size.value]
        return None if given.axis is None else (given.leaf, given.axis)

    def demanded(self, variable: Variable) -> frozenset[Any]:
        return self._inference().demanded(variable)

    def _inference(self) -> CertainSizes:
        return self.analyses.sizes(self.graph)

    # ---- termination

    def _too_many(self, node: Apply) -> bool:
        steps = self.steps.get(node)
        return steps is not None and steps[2] > MOST_STEPS

    def _warn(self, node: Apply) -> None:
        names: list[str] = []
        steps = self.steps.get(node)
        while steps is not None and len(names) < 12:
            names.append(steps[0])
            steps = steps[1]
        text = message(
            f"these rules undo each other: {', '.join(dict.fromkeys(reversed(names)))}",
            operation=node.op,
            operands=[operand_text(v) for v in node.inputs],
            origin=node.origin,
            cure="please report it; the result is right, only less simple than it could be",
        )
        if not self.warned:
            self.warned = True
            warnings.warn(text, RewriteWarning, stacklevel=2)


# ---- what is at fault is left out


_left_out: set[str] = set()  # the rules and passes that have been warned of


def leave_out(what: str, error: Exception, node: Apply | None = None) -> None:
    """Warn, once in a process, that a rule or pass (`what`) failed and was left out.

    Raises: `error` itself where config.on_rewrite_error is "raise".
    """
    if config.on_rewrite_error == "raise":
        raise error
    if what in _left_out:
        return
    _left_out.add(what)
    text = message(
        f"{what} of the compiler failed and was left out: {type(error).__name__}: {error}",
        operation=node.op if node is not None else None,
        operands=[operand_text(v) for v in node.inputs] if node is not None else (),
        origin=node.origin if node is not None else None,
        cure="please report it, with this text and the lines of the program named here; "
        "the result is right, only slower or less exact than it could be",
    )
    warnings.warn(text, RewriteWarning, stacklevel=2)


# ---- replacements made to fit


def conform(new: Variable, old: Variable, rule: str) -> Variable:
    """`new` with the dtype, rank and known sizes of `old`, in whose place it comes.

    Raises: RewriteError where a cast or broadcasting cannot give them.
    """
    if not isinstance(old.type, TensorType):
        if new.type != old.type:
            raise RewriteError(
                f"rule {rule} gave {new.type} in the place of {old.type}"
            )
        return new
    result = cast(new, old.type.dtype)
    node = old.owner
    if (
        lacks_shape(result, old)
        and node is not None
        and isinstance(node.op, Elementwise)
    ):
        for operand in node.inputs:
            if lacks_shape(result, old) and lacks_shape(result, operand):
                result = second(operand, result)
    if lacks_shape(result, old) or not old.type.accepts(result.type):
        raise RewriteError(
            message(
                f"rule {rule} gave {operand_text(new)} in the place of {operand_text(old)}",
                operation=node.op if node is not None else None,
                origin=old.origin,
            )
        )
    ones = [k for k, (a, b) in enumerate(zip(result.type.shape, old.type.shape))
            if b == 1 and a is None]  # fmt: skip
    if ones:
        return add_broadcast(result, *ones)
    if any(
        b is not None and a is None for a, b in zip(result.type.shape, old.type.shape)
    ):
        return specify_shape(result, old.type.shape)
    return result


def lacks_shape(new: Variable, wanted: Variable) -> bool:
    """Whether `new` has fewer axes than `wanted`, or a size 1 where that has more."""
    missing = wanted.type.ndim - new.type.ndim
    if missing > 0:
        return True
    sizes = zip(reversed(new.type.shape), reversed(wanted.type.shape))
    return any(have == 1 and want != 1 for have, want in sizes)
