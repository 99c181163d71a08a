"""Where each scalar of a kernel belongs in the loop nest of a variant.

The nest has, from outside: the entry of the function; the loop over work items (the
kept dimensions); the block of lanes, in which the passes over the reduced dimensions
follow one another, each ending a segment of straight code; and in each pass the loops
over the reduced dimensions.  The `rank` of a scalar is the outermost of these places at
which all that it depends on is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp

import numpy as np

from symnet.kernels.llvm.approximations import approximated
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import is_float
from symnet.kernels.loopir.math import expand
from symnet.kernels.loopir.scalars import (
    GROUP_BLOCKS,
    Kernel,
    Output,
    Scalar,
    call,
    cast,
    literal,
    scalar,
    select,
    walk,
)
from symnet.kernels.variants import WARP, Axes, Variant

ENTRY, ITEM, BLOCK, LOOP = 0, 1, 2, 1000  # BLOCK + k: after the k-th pass; LOOP + r

# The place of the current point in the flattened reduced dimensions, for argmax.
POSITION = scalar("position", (), "int64")

# Divisors of at least this size, and up to its inverse, have good reciprocals.
SAFE = 2.0**-100


class Nest:
    """The scalars of a kernel, expanded into primitives, and their places.

    roots: the indices and the value of each output (see `value_of`, `indices_of`).
    rank, level, varying: for each scalar its place, the number of passes that must be
    over before it is known, and whether it differs from lane to lane.
    lanes: numbers in one vector; interleaving: whether they run along an axis along which
    blocks of random words are interleaved (see `scalars.GROUP_NUMBERS`).
    """

    def __init__(self, kernel: Kernel, variant: Variant, target: Target) -> None:
        self.kernel = kernel
        self.variant = variant
        self.threads = bool(target.threads)
        self.operands = [*kernel.inputs, *(out.operand for out in kernel.outputs)]
        self.scattering = any(out.indices for out in kernel.outputs)
        roots = [
            root
            for out in kernel.outputs
            for root in (*out.indices, cast(out.value, out.operand.dtype))
        ]
        if variant.approximate and target.threads == "special":
            roots = approximated(roots)
        self.roots = expand(roots)
        self.roots = [complete_reductions(root) for root in self.roots]
        if target.fused:
            self.roots = divide_by_invariants(self.roots, depths(kernel, self.roots))
            self.roots = fuse_products(self.roots, depths(kernel, self.roots))
        self.place()
        # Vectors that stand for a warp together are not longer than one.
        longest = WARP if variant.warps else target.vector_bytes
        self.lanes = max(1, min(target.vector_bytes // self.widest, longest))
        few = self.lanes <= GROUP_BLOCKS and not variant.banded
        self.interleaving = few and any(map(self.interleaves, self.nodes))
        self.value_of: dict[Output, Scalar] = {}
        self.indices_of: dict[Output, list[Scalar]] = {}
        written = iter(self.roots)
        for out in kernel.outputs:
            self.indices_of[out] = [next(written) for _ in out.indices]
            self.value_of[out] = next(written)

    def place(self) -> None:
        self.rank: dict[Scalar, int] = {}
        self.level: dict[Scalar, int] = {}
        self.varying: dict[Scalar, bool] = {}
        self.nodes = walk(self.roots)
        for node in self.nodes:
            level = max((self.level[a] for a in node.args), default=0)
            rank = max((self.rank[a] for a in node.args), default=ENTRY)
            varying = any(self.varying[a] for a in node.args)
            if node.op == "reduce":
                level += 1
                rank = BLOCK + level
                varying = varying and self.variant.lanes == "kept"
            elif node.op in ("load", "gather"):
                rank = max(rank, self.operand_rank(node.value))
                varying = varying or self.variant.access[node.value] != "f"
            elif node.op == "index":
                dimension = self.dimension_of(node.value)
                rank = self.dimension_rank(dimension)
                varying = dimension == self.lane_dimension
            elif node.op == "position":
                rank = LOOP + len(self.variant.reduced) - 1
                varying = self.along
            self.level[node], self.rank[node], self.varying[node] = level, rank, varying

    @property
    def dimensions(self) -> tuple[Axes, ...]:
        return (*self.variant.kept, *self.variant.reduced)

    @property
    def along(self) -> bool:
        """Whether the lanes run along the last reduced dimension."""
        return self.variant.lanes in ("reduced", "parts") and not self.threads

    @property
    def lane_dimension(self) -> int:
        """The dimension that lanes run along, or -1."""
        if self.threads or self.variant.lanes == "one":
            return -1
        return (
            len(self.variant.kept if self.variant.lanes == "kept" else self.dimensions)
            - 1
        )

    def dimension_of(self, axis: int) -> int:
        return next(d for d, axes in enumerate(self.dimensions) if axis in axes)

    def dimension_rank(self, dimension: int) -> int:
        kept = len(self.variant.kept)
        if dimension >= kept:
            return LOOP + dimension - kept
        inside = dimension == kept - 1 and self.variant.lanes in ("kept", "one")
        return BLOCK if inside else ITEM

    def moving(self, operand: int) -> list[int]:
        """The dimensions along which an operand's address changes, by rank."""
        axes = self.operands[operand].axes
        return [
            d
            for d, group in enumerate(self.dimensions)
            if any(axes[k] for k in group)
            and not (d == self.lane_dimension and self.variant.access[operand] in "fp")
        ]

    def operand_rank(self, operand: int) -> int:
        return max(map(self.dimension_rank, self.moving(operand)), default=ENTRY)

    def reductions(self, done: int) -> list[Scalar]:
        """The reductions made in the pass before which `done` passes are over."""
        return [n for n in self.nodes if n.op == "reduce" and self.level[n] == done + 1]

    def inside(
        self, roots: Sequence[Scalar], known: Scalar | None = None
    ) -> list[Scalar]:
        """What must be computed for `roots` when earlier reductions are known, and the
        value `known` (which is listed, but not what it is made of)."""
        seen: dict[Scalar, None] = {}
        left = list(roots)
        while left:
            node = left.pop()
            if node not in seen and node.op != "reduce":
                seen[node] = None
                left.extend(node.args if node is not known else ())
        return list(seen)

    def interleaves(self, node: Scalar) -> bool:
        """Whether blocks of random words are interleaved in the lanes by this node."""
        return (
            node.op in ("block_of", "word_of")
            and node.args[0].op == "index"
            and self.varying[node.args[0]]
        )

    @property
    def widest(self) -> int:
        """Bytes of the widest number that differs from lane to lane."""
        kernel = self.kernel
        sizes = [1]
        for node in self.nodes:
            if self.varying[node] and node.op not in ("position", "reduce"):
                register = "float32" if node.dtype == "float16" else node.dtype
                sizes.append(np.dtype(register).itemsize)
            elif node.op == "reduce" and node.value not in ("argmax", "argmin"):
                sizes.append(np.dtype(node.dtype).itemsize)
        sizes += [np.dtype(out.operand.dtype).itemsize for out in kernel.outputs]
        return max(sizes)


def complete_reductions(root: Scalar) -> Scalar:
    """Reductions with their argument in the dtype they accumulate in, argmax and argmin
    with the position as a second argument."""
    new: dict[Scalar, Scalar] = {}
    for node in walk([root]):
        args = tuple(new[a] for a in node.args)
        if node.op == "reduce" and node.value in ("sum", "prod"):
            args = (cast(args[0], node.dtype),)
        elif node.op == "reduce" and node.value in ("all", "any"):
            args = (cast(args[0], "bool"),)
        elif node.op == "reduce" and node.value in ("argmax", "argmin"):
            args = (args[0], POSITION)
        same = all(a is b for a, b in zip(args, node.args)) and len(args) == len(
            node.args
        )
        new[node] = node if same else scalar(node.op, args, node.dtype, node.value)
    return new[root]


def depths(kernel: Kernel, roots: Sequence[Scalar]) -> dict[Scalar, int]:
    """How far inside each scalar is known, by the kernel's axes in their order.

    What is rounded how follows from this, and not from the `rank`, which differs with what
    lies where in memory and with what points are: so that results do not.
    """
    kept = [axis for axis in range(kernel.rank) if not kernel.reduced[axis]]
    reduced = [axis for axis in range(kernel.rank) if kernel.reduced[axis]]
    of_axis = {axis: ITEM if axis != kept[-1] else BLOCK for axis in kept}
    of_axis |= {axis: LOOP + r for r, axis in enumerate(reduced)}
    depth: dict[Scalar, int] = {}
    passes: dict[Scalar, int] = {}
    for node in walk(roots):
        inside = max((depth[a] for a in node.args), default=ENTRY)
        done = max((passes[a] for a in node.args), default=0)
        if node.op == "reduce":
            done += 1
            inside = BLOCK + done
        elif node.op in ("load", "gather"):
            axes = kernel.inputs[node.value].axes
            moving = (of_axis[axis] for axis, moves in enumerate(axes) if moves)
            inside = max([inside, *moving])
        elif node.op == "index":
            inside = of_axis[node.value]
        elif node.op == "position":
            inside = LOOP + len(reduced) - 1
        depth[node], passes[node] = inside, done
    return depth


def divide_by_invariants(
    roots: Sequence[Scalar], depth: dict[Scalar, int]
) -> list[Scalar]:
    """x / d, with d known outside of the loop, by the reciprocal of d: a division keeps
    the processor as long as ten or twenty other instructions."""
    new: dict[Scalar, Scalar] = {}
    for node in walk(roots):
        args = tuple(new[a] for a in node.args)
        known = node.op == "div" and is_float(node.dtype) and node.dtype != "float16"
        if known and depth[node.args[1]] < depth[node] >= BLOCK:
            new[node] = divided(args[0], args[1])
        else:
            new[node] = with_args(node, args)
    return [new[root] for root in roots]


def divided(x: Scalar, divisor: Scalar) -> Scalar:
    """The quotient by a reciprocal that is used only if it is far from the ends of the
    range, where it would lose bits."""
    one = literal(1.0, x.dtype)
    if divisor.op == "literal":
        size = abs(float(divisor.value))
        if not SAFE < size < 1 / SAFE:
            return x / divisor
        inverse = np.dtype(x.dtype).type(1) / np.dtype(x.dtype).type(divisor.value)
        if frexp(size)[0] == 0.5:  # a power of two
            return x * float(inverse)
        return corrected_product(x, literal(inverse, x.dtype), divisor)
    size_of = call("abs", divisor)
    safe = call("and", size_of > SAFE, size_of < 1 / SAFE)
    usual = corrected_product(x, one / divisor, divisor)
    return scalar("select", (call("not", safe), x / divisor, usual), x.dtype, "rare")


def corrected_product(x: Scalar, inverse: Scalar, divisor: Scalar) -> Scalar:
    """The quotient x / divisor as x * inverse, corrected by what is left of x, so that it is
    nearly always the rounded quotient.

    The correction is NaN where x or the quotient is infinite; there the product is right
    as it is.
    Source: Markstein 1990, "Computation of elementary functions on the RISC System/6000".
    """
    product = x * inverse
    left = call("fma", -product, divisor, x)
    corrected = call("fma", left, inverse, product)
    return select(call("eq", corrected, corrected), corrected, product)


def with_args(node: Scalar, args: Sequence[Scalar]) -> Scalar:
    """The node with other arguments, itself if they are the same."""
    if all(a is b for a, b in zip(args, node.args, strict=True)):
        return node
    return scalar(node.op, args, node.dtype, node.value)


def fuse_products(roots: Sequence[Scalar], depth: dict[Scalar, int]) -> list[Scalar]:
    """a*b + c as one fused instruction, where the product serves nothing else and is
    not made outside the loop in which it is added.

    Done here and not by LLVM, so that every copy of the loop rounds alike.
    """
    nodes = walk(roots)
    uses: dict[Scalar, int] = {}
    for node in [*roots, *(a for n in nodes for a in n.args)]:
        uses[node] = uses.get(node, 0) + 1
    new: dict[Scalar, Scalar] = {}
    for node in nodes:
        args = [new[a] for a in node.args]
        product = fusible(node, uses, depth)
        if product is None:
            new[node] = with_args(node, args)
            continue
        left, right = (new[a] for a in node.args[product].args)
        other = args[1 - product]
        if node.op == "sub" and product == 0:
            other = scalar("neg", (other,), node.dtype)
        elif node.op == "sub":
            left = scalar("neg", (left,), node.dtype)
        new[node] = scalar("fma", (left, right, other), node.dtype)
    return [new[root] for root in roots]


def fusible(
    node: Scalar, uses: dict[Scalar, int], depth: dict[Scalar, int]
) -> int | None:
    """Which argument of an addition or subtraction is a product to fuse with it."""
    if node.op not in ("add", "sub") or not is_float(node.dtype):
        return None
    for k, argument in enumerate(node.args):
        if (
            argument.op == "mul"
            and uses[argument] == 1
            and depth[argument] == depth[node]
        ):
            return k
    return None
