"""A graph folded up for a viewer: by the names of results, then by the user's lines.

A group is convex: no way leads out of it and back into it, so that between groups, too, all
arrows point one way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from symnet.data_classes import dataclass
from symnet.graph.origin import Origin
from symnet.graph.variables import Apply

# What has more members than this is divided: the layout of a level must be quick.
MOST_MEMBERS = 16


@dataclass(frozen=True)
class Group:
    """Operations and groups that are folded into one box.

    kind: "scope" (of a named result), "line" (of the user's program), "part" (of what has
        too many members).
    """

    label: str
    kind: str
    members: Sequence[Apply | Group]
    origin: Origin | None = None


def grouped(nodes: Sequence[Apply], scopes: Mapping[Apply, str]) -> list[Apply | Group]:
    """The operations in groups.

    nodes: in topological order.  scopes: as `printing.scopes.scopes_of` gives them.
    """
    parts = {n: scopes[n].split("/") if scopes[n] else [] for n in nodes}
    return _level(nodes, parts, 0)


def _level(
    nodes: Sequence[Apply], parts: Mapping[Apply, Sequence[str]], depth: int
) -> list[Apply | Group]:
    def scope(node: Apply) -> str:
        return parts[node][depth] if len(parts[node]) > depth else ""

    def key(node: Apply) -> Hashable:
        name, origin = scope(node), node.origin
        if name or origin is None:
            return name
        return origin.filename, origin.line, origin.role

    found: list[Apply | Group] = []
    pieces = convex_pieces(nodes, key)
    for piece in pieces:
        first = piece[0]
        if scope(first):
            members = _level(piece, parts, depth + 1)
            found.append(Group(scope(first), "scope", members))
        elif len(piece) == 1 or len(pieces) == 1:
            found += piece
        else:
            label = first.origin.short_place if first.origin else "made by symnet"
            found.append(Group(label, "line", divided(piece), first.origin))
    return divided(found)


def divided(members: Sequence[Apply | Group]) -> list[Apply | Group]:
    """The members, or where they are many, groups of neighbours."""
    found = list(members)
    while len(found) > MOST_MEMBERS:
        count = -(-len(found) // MOST_MEMBERS)
        size = -(-len(found) // count)
        found = [
            Group(f"part {k + 1} of {count}", "part", found[k * size : (k + 1) * size])
            for k in range(count)
        ]
    return found


def convex_pieces(
    nodes: Sequence[Apply], key: Callable[[Apply], Hashable]
) -> list[list[Apply]]:
    """Operations of equal keys together, as far as no circle comes of it.

    nodes: in topological order.  The pieces come in topological order, too.
    """
    pieces: list[list[Apply]] = []
    before: list[int] = []  # of each piece, as bits: those that it needs
    piece_of: dict[Apply, int] = {}
    latest: dict[Hashable, int] = {}
    for node in nodes:
        owners = [v.owner for v in node.inputs if v.owner is not None]
        needed = {piece_of[owner] for owner in owners if owner in piece_of}
        kind = key(node)
        number = latest.get(kind, len(pieces))
        needed.discard(number)
        bits = 0
        for other in needed:
            bits |= before[other] | 1 << other
        if number == len(pieces) or bits >> number & 1:
            number = latest[kind] = len(pieces)
            pieces.append([])
            before.append(bits)
        elif bits & ~before[number]:
            _need_more(before, number, bits)
        pieces[number].append(node)
        piece_of[node] = number
    order = sorted(range(len(pieces)), key=lambda k: before[k].bit_count())
    return [pieces[k] for k in order]


def _need_more(before: list[int], number: int, bits: int) -> None:
    """Enter that a piece, and with it what needs it, needs more pieces."""
    for k, needed in enumerate(before):
        if k == number or needed >> number & 1:
            before[k] = needed | bits
