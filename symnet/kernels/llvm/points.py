"""What is computed at one point of the loops."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.approximations import write_instruction
from symnet.kernels.llvm.array_access import ArrayAccess
from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.external_calls import write_external
from symnet.kernels.llvm.lanes import Lanes, rarely
from symnet.kernels.llvm.order import list_schedule
from symnet.kernels.llvm.primitives import apply, word_of
from symnet.kernels.llvm.text import REGISTER, Scope, splat_constant
from symnet.kernels.loopir.scalars import GROUP_BLOCKS, PRIMITIVES, Scalar

# Instructions for one vector from which on a loop is long.
LONG = 12


class Points:
    """Writes values into the scopes where they belong.

    orders: that in which the nodes of long loops are written.
    """

    def __init__(self, block: Block, memory: ArrayAccess) -> None:
        self.block, self.memory, self.nest = block, memory, block.nest
        # How many vectors may be held at once besides constants.
        self.registers = 24 if block.writer.module.target.registers == 32 else 6
        self.orders: dict[tuple[Scalar, ...], list[Scalar]] = {}

    def home(self, node: Scalar) -> Scope:
        """The scope in which a scalar is written."""
        return self.block.chain[self.nest.rank[node]]

    def lanes_of(self, node: Scalar) -> int:
        return self.block.lanes if self.nest.varying[node] else 0

    def evaluate(self, roots: Sequence[Scalar]) -> None:
        """Write what is not yet written of all that `roots` need."""
        nodes = self.unwritten(roots)
        if len(nodes) > LONG:
            key = tuple(nodes)
            if key not in self.orders:  # the same for the last lanes
                order = list_schedule(nodes, needed, self.block.copies, self.registers)
                self.orders[key] = order
            nodes = self.orders[key]
        for node in nodes:
            self.write(node)

    def unwritten(self, roots: Sequence[Scalar]) -> list[Scalar]:
        """What is still to be written for `roots`, arguments before their users."""
        found: dict[Scalar, None] = {}
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            node, ready = stack.pop()
            if ready:
                found[node] = None
                continue
            written = self.home(node).values
            if node.op != "literal" and node not in found and node not in written:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(needed(node)))
        return list(found)

    def write(self, node: Scalar) -> None:
        """Write one scalar into the scope of its rank, once for each copy."""
        scope = self.home(node)
        if self.nest.interleaving and self.nest.interleaves(node):
            scope.values[node] = self.interleaved(scope, node)
            return
        scope.values[node] = tuple(
            [self.write_copy(scope, node, copy) for copy in range(self.count(node))]
        )

    def count(self, node: Scalar) -> int:
        """How many copies of a value differ: of what is made of blocks of random words
        alone there are fewer than vectors side by side."""
        if not self.nest.varying[node]:
            return 1
        reads = node.op in ("load", "gather", "index", "position")
        if not self.nest.interleaving or reads:
            return self.block.copies
        made = [a for a in needed(node) if a.op != "literal"]
        return max(len(self.home(a).values[a]) for a in made)

    def interleaved(self, scope: Scope, node: Scalar) -> tuple[str, ...]:
        """The numbers of the blocks of a whole group, or the words of each vector."""
        lanes, copies = self.block.lanes, self.block.copies
        counter = self.block.counters[self.nest.lane_dimension]
        if node.op == "word_of" and copies > 1:
            chosen = [copy * lanes // GROUP_BLOCKS for copy in range(copies)]
            return tuple(
                self.text(node.args[1 + word], lanes, copy)
                for copy, word in enumerate(chosen)
            )
        if node.op == "word_of":
            words = [self.text(word, lanes, 0) for word in node.args[1:]]
            return (word_of(Lanes(scope, lanes), node.dtype, [counter, *words], 0),)
        first = apply(scope, "block_of", "int64", ["int64"], [counter], 0)
        return tuple(
            self.block.counted(scope, first, lanes, copy)
            for copy in range(min(GROUP_BLOCKS // lanes, copies))
        )

    def write_copy(self, scope: Scope, node: Scalar, copy: int) -> str:
        block, lanes = self.block, self.lanes_of(node)
        if node.op == "load":
            return self.memory.load(scope, node.value, lanes, copy)
        if node.op == "gather":
            return self.gather(scope, node, lanes, copy)
        if node.op == "index":
            counter = block.counters[self.nest.dimension_of(node.value)]
            return block.counted(scope, counter, lanes, copy)
        if node.op == "position":
            return block.counted(scope, block.position(scope), lanes, copy)
        if is_rare(node):
            return self.rare(scope, node, lanes, copy)
        values = [self.text(a, lanes, copy) for a in node.args]
        return self.operation(scope, node, values, lanes)

    def gather(self, scope: Scope, node: Scalar, lanes: int, copy: int) -> str:
        spread = any(self.nest.varying[a] for a in node.args)
        address = self.block.copy_pointer(scope, node.value, copy)
        places = [self.text(a, lanes if spread else 0, copy) for a in node.args]
        return self.memory.gather(scope, node.value, address, places, spread, lanes)

    def rare(self, scope: Scope, node: Scalar, lanes: int, copy: int) -> str:
        """A selection whose first value is computed only where a lane needs it."""
        condition, seldom, usual = node.args
        values = [self.text(a, lanes, copy) for a in seldom.args]
        each = lanes if self.nest.varying[condition] else 0
        return rarely(
            Lanes(scope, lanes),
            Lanes(scope, each),
            self.text(condition, each, copy),
            node.dtype,
            self.text(usual, lanes, copy),
            lambda: self.operation(scope, seldom, values, lanes),
        )

    def operation(
        self, scope: Scope, node: Scalar, values: list[str], lanes: int
    ) -> str:
        if node.op == "approximate":
            return write_instruction(scope, node.value, values[0])
        if node.op not in PRIMITIVES:
            return write_external(scope, self.block.writer.entry, node, values, lanes)
        sources = [a.dtype for a in node.args]
        return apply(scope, node.op, node.dtype, sources, values, lanes)

    def text(self, node: Scalar, lanes: int, copy: int) -> str:
        """The written value of a node, as a scalar (`lanes` 0) or a vector."""
        if node.op == "literal":
            return splat_constant(node.value, node.dtype, lanes)
        home = self.home(node)
        names = home.values[node]
        if lanes == 0 or self.nest.varying[node]:
            return names[copy % len(names)]
        key = ("splat", node)
        if key not in home.made:
            home.made[key] = home.splat(names[0], REGISTER[node.dtype], lanes)
        return home.made[key]


def is_rare(node: Scalar) -> bool:
    """Whether this is a selection whose first value hardly any vector needs."""
    return node.value == "rare" and node.op == "select"


def needed(node: Scalar) -> tuple[Scalar, ...]:
    """What must be written before a node: its arguments, but not a rare call itself."""
    if not is_rare(node):
        return node.args
    condition, function, usual = node.args
    return (condition, *function.args, usual)
