"""Rules as data: what to look for in a graph, and what to put in its place.

A pattern is an expression over pattern variables, written with the user's own operators:

    x, y = pattern_vars("x y")
    Rule("exp_minus_one", exp(x) - 1, expm1(x))

Pattern variables carry a dtype and rank only so that the expression can be built; they
match variables of any.  Constants match by value, whatever their dtype, where they have
one element: arrays filled with one number are made so first (rules.shapes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.op import Op
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.kernels.loopir.views import Size
from symnet.ops.base import constant
from symnet.ops.elementwise import Cast, Elementwise
from symnet.sizes.conditions import implied

Bindings = Mapping[Variable, Variable]
Result = Variable | Sequence[Variable] | None

MOST_OPERANDS = 24  # how many `Match.covers` looks at


class PatternVariable(Variable):
    """A leaf of a pattern: stands for any variable, or only for constants of one element."""

    __slots__ = ("constant",)
    constant: bool


def pattern_vars(
    names: str, dtype: str = "float64", ndim: int = 0, constant: bool = False
) -> list[Any]:
    """Pattern variables of these names.

    constant: they match only constants of one element.
    """
    variables = []
    for name in names.split():
        variable = PatternVariable(TensorType(dtype, (None,) * ndim), name=name)
        variable.constant = constant
        variables.append(variable)
    return variables


class Knowledge(Protocol):
    """What the rewriter knows of the graph."""

    def users(self, variable: Variable) -> Sequence[Apply | None]:
        """Who uses the elements of a variable; None for an output of the graph."""

    def clients(self, variable: Variable) -> list[tuple[Apply | str, int]]:
        """The same with the places: (operation, which input), or ("output", which)."""

    def is_new(self, node: Apply) -> bool:
        """Whether a rule has brought the operation into the graph."""

    def sizes(self, variable: Variable) -> tuple[Size, ...]:
        """The sizes of a variable; those known to be equal are one object."""

    def leaf_size(self, size: Size) -> tuple[Variable, int] | None:
        """The variable and the axis whose size this is, where it is nothing else."""

    def demanded(self, variable: Variable) -> frozenset[Any]:
        """The conditions on sizes that are checked where `variable` is made."""


class Match:
    """A place where a rule's pattern was found: its operation and what the pattern
    variables stand for."""

    __slots__ = ("node", "bound", "known")

    def __init__(self, node: Apply, bound: Bindings, known: Knowledge) -> None:
        self.node, self.bound, self.known = node, bound, known

    def __getitem__(self, variable: Variable) -> Any:
        return self.bound[variable]

    @property
    def out(self) -> Variable:
        return self.node.outputs[0]

    @property
    def is_new(self) -> bool:
        """Whether a rule has brought this operation into the graph."""
        return self.known.is_new(self.node)

    def users(self, variable: Variable) -> Sequence[Apply | None]:
        """The operations of the graph before this pass that use `variable`, None for an
        output; nothing for what the pass has made.  Good enough to judge what pays, not
        what is right."""
        return self.known.users(variable)

    def used_once(self, variable: Variable) -> bool:
        """Whether nothing but this place needs `variable`, as far as is known."""
        return len(self.known.users(variable)) <= 1

    def same_shape(self, left: Variable, right: Variable) -> bool:
        """Whether two variables certainly have the same shape at every call."""
        if left is right or left.type.ndim != right.type.ndim:
            return left is right
        have, want = self.known.sizes(left), self.known.sizes(right)
        return all(a is b for a, b in zip(have, want, strict=True))

    def covers(self, wide: Variable, narrow: Variable) -> bool:
        """Whether `narrow`, combined element by element with `wide`, certainly has the
        shape of `wide`, or making `wide` fails because they do not fit.

        What `wide` is made of by elementwise operations answers for it: they compare the
        sizes of their operands.
        """
        if narrow.type.ndim > wide.type.ndim:
            return False
        if all(size == 1 for size in narrow.type.shape):
            return True
        stack, seen = [wide], 0
        while stack and seen < MOST_OPERANDS:
            one, seen = stack.pop(), seen + 1
            if one is narrow or self._fits_into(narrow, one):
                return True
            node = one.owner
            if node is not None and isinstance(node.op, Elementwise):
                stack += [
                    v
                    for v in node.inputs
                    if v.type.broadcastable == wide.type.broadcastable
                ]
        return False

    def still_checked(self, dropped: Sequence[Variable], kept: Variable) -> bool:
        """Whether whatever sizes must meet where `dropped` are made, they must meet where
        `kept` is made too: a rule that drops the former then lets no error pass."""
        demanded = self.known.demanded(kept)
        return all(implied(self.known.demanded(v), demanded) for v in dropped)

    def _fits_into(self, narrow: Variable, wide: Variable) -> bool:
        have, want = self.known.sizes(wide), self.known.sizes(narrow)
        for axis in range(-narrow.type.ndim, 0):
            if narrow.type.shape[axis] == 1:
                continue
            # A size of 1 that is known as such would broadcast where the other does not.
            if have[axis] is not want[axis] or wide.type.shape[axis] == 1:
                return False
        return True


@dataclass(frozen=True, eq=False)
class Rule:
    """`pattern` becomes `replacement` wherever it is found and `condition` holds.

    pattern: an expression over pattern variables; or an op, or a class of ops.
    replacement: an expression over the same variables; or a function of the `Match`
        that returns the new variable (one for each output where there are several), or
        None where the rule does not apply after all.
    operands: where the pattern is no expression: ops, classes of ops or `Constant`, by one
        of which an operand must be made for the rule to apply; empty: anything goes.
    The engine casts, broadcasts and checks what a replacement gives: see `rewrite`.
    """

    name: str
    pattern: Variable | Op | type[Op]
    replacement: Variable | Callable[[Match], Result]
    condition: Callable[[Match], bool] | None = None
    operands: tuple[Any, ...] = ()
    is_users: ClassVar[bool] = False  # what goes wrong in it is an error of the user's

    @property
    def root(self) -> Any:
        """The op, or class of ops, at the pattern's root."""
        if isinstance(self.pattern, Variable):
            assert self.pattern.owner is not None
            return self.pattern.owner.op
        return self.pattern

    def makers(self) -> Sequence[Any]:
        """The ops and classes that the rule asks for among what makes the operands."""
        if not isinstance(self.pattern, Variable):
            return self.operands
        assert self.pattern.owner is not None
        return [maker(v) for v in self.pattern.owner.inputs]

    def fits(self, makers: Sequence[Any]) -> bool:
        """Whether the rule may apply to an operation of its root, judged by what makes
        the operands (`maker`)."""
        if not isinstance(self.pattern, Variable):
            wanted = self.operands
            return not wanted or any(_is(m, kind) for m in makers for kind in wanted)
        assert self.pattern.owner is not None
        operands, op = self.pattern.owner.inputs, self.pattern.owner.op
        if len(operands) != len(makers):
            return False
        orders = [makers]
        if op.commutative:
            orders.append(makers[::-1])
        return any(all(map(_may_stand_for, operands, order)) for order in orders)

    def bindings(self, node: Apply) -> Iterator[Bindings]:
        """Every way in which the pattern fits `node`."""
        if isinstance(self.pattern, Variable):
            return bind(self.pattern, node.outputs[0], {})
        return iter([{}])

    def result(self, match: Match) -> Result:
        """What comes in the place of the match; None where the rule does not apply."""
        if self.condition is not None and not self.condition(match):
            return None
        if isinstance(self.replacement, Variable):
            return instantiate(self.replacement, match.bound)
        return self.replacement(match)


def _is(made_by: Any, kind: Any) -> bool:
    if made_by is None or made_by is kind:
        return made_by is kind
    if isinstance(kind, type):
        return isinstance(made_by, kind)
    return _same_op(made_by, kind)


def _same_op(made_by: Any, op: Op) -> bool:
    """Whether what makes a variable is this op: most that are met are the same object, or
    of another class."""
    return made_by is op or (type(made_by) is type(op) and bool(made_by == op))


def _may_stand_for(pattern: Variable, made_by: Any) -> bool:
    """Whether `pattern` may stand for what is made so."""
    if isinstance(pattern, PatternVariable):
        return not pattern.constant or made_by is Constant
    if isinstance(pattern, Constant):
        return made_by is Constant
    assert pattern.owner is not None
    return _same_op(made_by, pattern.owner.op)


class RuleTable:
    """Rules, found by the op at their root and by what makes the operands."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.set = frozenset(self.rules)
        self._by_root: dict[Any, list[int]] = {}  # op or class -> numbers of rules
        for number, rule in enumerate(self.rules):
            self._by_root.setdefault(rule.root, []).append(number)
        named = (one for rule in self.rules for one in (rule.root, *rule.makers()))
        # By identity first: the same few objects are named again and again.
        objects = {id(one): one for one in named if isinstance(one, Op)}
        self._named = set(objects.values())
        # An op of another class is none of them: it need not be hashed to know that.
        self._named_classes = {type(op) for op in self._named}
        self._candidates: dict[tuple[Any, ...], list[Rule]] = {}
        self._rooted: dict[Any, list[Rule]] = {}  # kind of an op -> rules for it

    def kind(self, made_by: Any) -> Any:
        """As much of what makes a variable (`maker`) as the rules ask for: an op itself if
        one names it, else its class."""
        if not isinstance(made_by, Op):
            return made_by
        named = type(made_by) in self._named_classes and made_by in self._named
        return made_by if named else type(made_by)

    def candidates(self, kinds: tuple[Any, ...], node: Apply) -> list[Rule]:
        """The rules that may fit `node`, in order.

        kinds: the `kind` of its op, and what makes each operand, as in `Rule.fits` but by
            `kind`.  Found out once in a process for all operations of which they are true.
        """
        found = self._candidates.get(kinds)
        if found is None:
            makers = [maker(v) for v in node.inputs]
            rules = self.rooted(kinds[0], node.op)
            found = self._candidates[kinds] = [r for r in rules if r.fits(makers)]
        return found

    def rooted(self, kind: Any, op: Op) -> list[Rule]:
        """The rules for an op of that kind and for the classes that it is of, in order."""
        found = self._rooted.get(kind)
        if found is None:
            found = self._rooted[kind] = self._rules_for(op)
        return found

    def _rules_for(self, op: Op) -> list[Rule]:
        own = type(op) in self._named_classes and op in self._by_root
        roots = [*type(op).__mro__, *([op] if own else ())]
        numbers = [n for root in roots for n in self._by_root.get(root, ())]
        return [self.rules[n] for n in sorted(numbers)]


def maker(variable: Variable) -> Any:
    """What makes a variable, as far as rules ask: its op; `Constant`; None for another
    leaf."""
    if variable.owner is not None:
        return variable.owner.op
    return Constant if isinstance(variable, Constant) else None


@lru_cache(maxsize=64)
def rule_table(rules: tuple[Rule, ...]) -> RuleTable:
    """The table of these rules, made once."""
    return RuleTable(rules)


def bind(pattern: Variable, variable: Variable, bound: Bindings) -> Iterator[Bindings]:
    """The bindings that extend `bound` so that `pattern` stands for `variable`."""
    if isinstance(pattern, PatternVariable):
        have = bound.get(pattern)
        if have is variable:
            yield bound
        elif have is None and (not pattern.constant or number(variable) is not None):
            yield {**bound, pattern: variable}
        return
    if isinstance(pattern, Constant):
        value = number(variable)
        if value is not None and value == pattern.data.item():
            yield bound
        return
    wanted, node = pattern.owner, variable.owner
    assert wanted is not None
    if node is None or variable.index != pattern.index:
        return
    if node.op is not wanted.op and (_is_single(wanted.op) or node.op != wanted.op):
        return
    yield from _bind_all(wanted.inputs, node.inputs, bound)
    if node.op.commutative:
        yield from _bind_all(wanted.inputs, node.inputs[::-1], bound)


def _is_single(op: Any) -> bool:
    """Whether only the op itself is equal to it: elementwise ops are known by name."""
    return isinstance(op, Elementwise) and not isinstance(op, Cast)


def _bind_all(
    patterns: Sequence[Variable], variables: Sequence[Variable], bound: Bindings
) -> Iterator[Bindings]:
    if not patterns or len(patterns) != len(variables):
        return
    if len(patterns) == 1:
        yield from bind(patterns[0], variables[0], bound)
        return
    for first in bind(patterns[0], variables[0], bound):
        yield from _bind_all(patterns[1:], variables[1:], first)


def number(variable: Variable) -> Any:
    """The number in a constant of one element, else None."""
    if isinstance(variable, Constant) and isinstance(variable.type, TensorType):
        return variable.data.item() if variable.data.size == 1 else None
    return None


def instantiate(pattern: Variable, bound: Bindings) -> Variable:
    """The expression `pattern` with what its variables stand for.

    Its numbers are weak, as the user's are: they take the dtype of what they meet.
    """
    if isinstance(pattern, PatternVariable):
        return bound[pattern]
    if isinstance(pattern, Constant):
        return weak_number(pattern.data.item())
    assert pattern.owner is not None and pattern.index is not None
    inputs = [instantiate(v, bound) for v in pattern.owner.inputs]
    made: Apply = pattern.owner.op.make_node(*inputs)
    return made.outputs[pattern.index]


def weak_number(value: Any) -> Constant:
    """A weak constant; a whole float as an int, so that it goes with any dtype."""
    if (
        isinstance(value, float)
        and value.is_integer()
        and np.signbit(value) <= (value < 0)
    ):
        value = int(value)
    return constant(value)
