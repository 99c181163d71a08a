"""In which order the operations of a long loop are written.

A processor looks only some dozens of instructions ahead.  Where a formula has parts that
do not depend on each other, such as the factors of a product, they are better written
side by side: one part's operations fill the time in which those of another wait for their
arguments.  But not so many parts at once that their values no longer fit into the
registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from symnet.kernels.loopir.scalars import Scalar

# Cycles from an operation's start until its result can be used, about as on every
# processor of the last ten years; those of the others are few.
LATENCY = {"fma": 5, "mul": 4, "add": 3, "sub": 3, "div": 13, "sqrt": 13}
# Cycles for which a division keeps others from starting; others take one.
OCCUPIED = {"div": 6, "sqrt": 6}
# What costs nothing: a change of the dtype's name, a sign that the next operation takes.
FREE = ("bitcast", "neg", "literal")
CRITICAL_PATH = attrgetter("critical_path")


def list_schedule(
    nodes: Sequence[Scalar],
    arguments: Callable[[Scalar], Sequence[Scalar]],
    copies: int,
    registers: int,
) -> list[Scalar]:
    """The nodes in another order, arguments still before their users.

    nodes: in an order that would do; arguments: what a node needs; copies: how many
    vectors each node stands for; registers: how many vectors to hold at most.
    Where there is hardly more to do than the longest chain, the order stays: measured on
    Zen 1, another one would cost logarithms up to a tenth.
    The longest critical path goes first (list scheduling; Landskov et al. 1980, "Local
    microcode compaction techniques").
    """
    known = {node: Node(node) for node in nodes}
    for node in nodes:
        for argument in dict.fromkeys(arguments(node)):
            if argument in known:
                known[node].needs.append(known[argument])
                known[argument].users.append(known[node])
    for each in reversed(known.values()):
        further = max((user.critical_path for user in each.users), default=0)
        each.critical_path = each.latency + further
        each.missing, each.waited = len(each.needs), len(each.users)
        each.last = sum(len(need.users) == 1 for need in each.needs)
    longest = max(each.critical_path for each in known.values())
    work = copies * sum(each.taken for each in known.values())
    if 10 * longest >= 11 * work:  # one chain, which waits for itself in any order
        return list(nodes)
    return [node.scalar for node in scheduled(list(known.values()), copies, registers)]


class Node:
    """A scalar that is to be ordered.

    latency, taken: cycles until its result is there, until another may start;
    critical_path: cycles from its start to the end of all; since: when its arguments are there;
    missing: how many of these are not yet written; waited: by how many users, not yet
    written, it is waited for; last: of how many arguments it is the last user.
    """

    __slots__ = (
        *("scalar", "needs", "users", "latency", "taken", "critical_path"),
        *("since", "missing", "waited", "last", "written"),
    )

    def __init__(self, scalar: Scalar) -> None:
        self.scalar = scalar
        self.needs: list[Node] = []
        self.users: list[Node] = []
        self.latency = 0 if scalar.op in FREE else LATENCY.get(scalar.op, 1)
        self.taken = 0 if scalar.op in FREE else OCCUPIED.get(scalar.op, 1)
        self.critical_path = self.since = self.missing = self.waited = self.last = 0
        self.written = False


def scheduled(nodes: Sequence[Node], copies: int, registers: int) -> list[Node]:
    order: list[Node] = []
    ready = [node for node in nodes if not node.missing]
    time = live = 0
    while ready:
        node = choose(ready, time, live * copies >= registers)
        ready.remove(node)
        order.append(node)
        node.written = True
        start = max(time, node.since)
        time = start + copies * node.taken
        live += bool(node.users) - node.last
        for need in node.needs:
            need.waited -= 1
            if need.waited == 1:
                next(user for user in need.users if not user.written).last += 1
        for user in node.users:
            user.since = max(user.since, start + node.latency)
            user.missing -= 1
            if not user.missing:
                ready.append(user)
    return order


def choose(ready: Sequence[Node], time: int, scarce: bool) -> Node:
    """The node with the longest critical path among those that need not wait; while registers are
    scarce only among those that do not take another one."""
    fitting = ready
    if scarce:
        fitting = [n for n in ready if n.last or not n.users] or ready
    now = [n for n in fitting if n.since <= time]
    if now:
        return max(now, key=CRITICAL_PATH)
    return min(fitting, key=lambda n: (n.since, -n.critical_path))
