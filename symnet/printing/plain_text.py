"""Graphs as indented text: a result, and below it what it is made from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import product
from string import ascii_uppercase
from typing import Any, NamedTuple, TextIO

from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Variable
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.scan.loop import Scan
from symnet.printing.roots import Root, label_of, roots_of, value_text

# Below this level the level's number stands for the lines of the tree: the text of a
# chain of operations stays linear in its length.
DEEPEST_DRAWN = 40


class TreeMarks(NamedTuple):
    """How the tree is drawn: before a child, before the last child, and below them."""

    child: str
    last: str
    below: str
    nothing: str


BOX = TreeMarks("├─ ", "└─ ", "│  ", "   ")
ASCII = TreeMarks("|- ", "`- ", "|  ", "   ")


def letters() -> Iterator[str]:
    """A, B, ..., Z, AA, AB, ..."""
    length = 1
    while True:
        yield from map("".join, product(ascii_uppercase, repeat=length))
        length += 1


class Identifiers:
    """Short names for variables; the outputs of one operation share theirs.

    ids: "CHAR" letters, "int" numbers, "id" Python's id(), "" none.
    known: names given already, to which new ones are added.
    """

    def __init__(self, ids: str, known: dict[Any, str] | None = None) -> None:
        if ids not in ("CHAR", "int", "id", ""):
            raise ValueError(f"ids must be 'CHAR', 'int', 'id' or '', not {ids!r}")
        self.ids = ids
        self.known: dict[Any, str] = known if known is not None else {}
        taken = set(self.known.values())
        numbers = map(str, range(sys.maxsize))
        self.fresh = (
            n for n in (letters() if ids == "CHAR" else numbers) if n not in taken
        )

    def text(self, variable: Variable) -> str:
        key = variable.owner or variable
        if not self.ids:
            return ""
        if key not in self.known:
            self.known[key] = str(id(key)) if self.ids == "id" else next(self.fresh)
        return f" [id {self.known[key]}]"


class TreePrinter:
    """Writes the tree of some variables, what is shared only once."""

    def __init__(
        self,
        depth: int = -1,
        print_type: bool = False,
        stop_on_name: bool = False,
        print_storage: bool = False,
        branches: TreeMarks = BOX,
    ) -> None:
        self.depth = depth
        self.print_type = print_type
        self.stop_on_name = stop_on_name
        self.print_storage = print_storage
        self.branches = branches
        self.clients: dict[Variable, list[str]] | None = None

    def lines(
        self, root: Root, names: Identifiers, done: dict[Any, Any]
    ) -> Iterator[str]:
        """The lines below `root`; operations in `done` are not looked into again."""
        stack = [(root.variable, 0, "", "")]
        while stack:
            variable, level, start, below = stack.pop()
            node = variable.owner
            ended = ""
            if node is not None and node in done:
                ended = " ..." if node.inputs else ""
            elif self._stops(variable, level, root):
                node = None
            role = f"  -> {root.role}" if root.role and not level else ""
            yield f"{start}{self._text(variable, names)}{ended}{role}"
            if node is not None and node not in done:
                done[node] = names.known.get(node, "")
                stack.extend(reversed(self._children(node, level + 1, below)))

    def _stops(self, variable: Variable, level: int, root: Root) -> bool:
        if 0 <= self.depth <= level + 1:
            return True
        return (
            self.stop_on_name and bool(variable.name) and variable is not root.variable
        )

    def _children(
        self, node: Apply, level: int, below: str
    ) -> list[tuple[Any, int, str, str]]:
        if level > DEEPEST_DRAWN:
            return [(v, level, f"{level:>5}: ", "") for v in node.inputs]
        last = len(node.inputs) - 1
        drawn = self.branches
        return [
            (
                v,
                level,
                below + (drawn.last if k == last else drawn.child),
                below + (drawn.nothing if k == last else drawn.below),
            )
            for k, v in enumerate(node.inputs)
        ]

    def _text(self, variable: Variable, names: Identifiers) -> str:
        text = label_of(variable) + names.text(variable)
        if self.print_type:
            text += f" <{variable.type}>"
        if variable.owner is not None and variable.name:
            text += f" '{variable.name}'"
        if self.print_storage and (value := value_text(variable)):
            text += f" = {value}"
        if self.clients is not None:
            text += f" clients: {', '.join(self.clients.get(variable, ['none']))}"
        return text


def inner_lines(
    nodes: Sequence[Apply],
    printer: TreePrinter,
    names: Identifiers,
    done: dict[Any, Any],
) -> list[str]:
    """The graphs inside loops and conditions, below all that uses them."""
    lines: list[str] = []
    pending = [node for node in nodes if inner_roots(node)]
    while pending:
        node = pending.pop(0)
        lines += [
            "",
            f"inside {label_of(node.outputs[0])}{names.text(node.outputs[0])}",
        ]
        before = set(done)
        for root in inner_roots(node):
            lines += printer.lines(root, names, done)
        pending += [n for n in done if n not in before and inner_roots(n)]
    return lines


def inner_roots(node: Apply) -> list[Root]:
    """What the graphs inside an operation give, with what it is for."""
    op = node.op
    if isinstance(op, Scan):
        parts = op.split_outputs(op.inner_outputs)
        found = [Root(v, op.state_name(k)) for k, v in enumerate(parts.states)]
        found += [Root(v, f"collected {k}") for k, v in enumerate(parts.collected)]
        return found + ([] if parts.done is None else [Root(parts.done, "until")])
    if isinstance(op, IfElse) and (op.then_graph.order or op.else_graph.order):
        found = [Root(v, f"then {k}") for k, v in enumerate(op.then_outputs)]
        return found + [Root(v, f"else {k}") for k, v in enumerate(op.else_outputs)]
    return []


def find_clients(roots: list[Root], names: Identifiers) -> dict[Variable, list[str]]:
    """Who uses each variable, in words."""
    found: dict[Variable, list[str]] = {}
    for node in toposort([root.variable for root in roots]):
        for v in node.inputs:
            user = f"{node.op}{names.text(node.outputs[0])}"
            found.setdefault(v, []).append(user)
    for root in roots:
        found.setdefault(root.variable, []).append(root.role or "output")
    return found


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: TextIO | str | None = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
    done: dict[Any, Any] | None = None,
    print_storage: bool = False,
    print_clients: bool = False,
    used_ids: dict[Any, str] | None = None,
) -> Any:
    """Print a graph as a tree: each result, and below it its operation's inputs; then the
    graphs inside loops and conditions.

    obj: a variable, a compiled function, or a list of them.
    depth: print only so many levels (-1: all).
    print_type: add each variable's type.
    file: None prints; "str" returns the text; else it is written to the file, which is
        returned.
    ids: "CHAR", "int", "id" or "" (none): how variables are named, so that a result that
        is used several times can be recognised; below the second use stands "...".
    stop_on_name: do not look into results that have a name.
    done, used_ids: dicts of what earlier calls have printed and named.
    print_storage: add the values of shared variables and constants.
    print_clients: add who uses each variable.
    Raises: TypeError for an object without a graph; ValueError for other `ids`.

    >>> x = T.dscalar("x")
    >>> symnet.debugprint(T.exp(x) + 1)
    add [id A]
    ├─ exp [id B]
    │  └─ x [id C]
    └─ 1.0 [id D]
    """
    roots = roots_of(obj)
    names = Identifiers(ids, used_ids)
    branches = BOX if file == "str" or _prints_boxes(file) else ASCII
    printer = TreePrinter(depth, print_type, stop_on_name, print_storage, branches)
    if print_clients:
        printer.clients = find_clients(roots, names)
    done = {} if done is None else done
    before = set(done)
    lines = [line for root in roots for line in printer.lines(root, names, done)]
    lines += inner_lines([n for n in done if n not in before], printer, names, done)
    text = "\n".join([*lines, ""])
    if file == "str":
        return text
    stream = sys.stdout if file is None else file
    assert not isinstance(stream, str), f"file={stream!r}: only 'str', or an open file"
    stream.write(text)
    return None if file is None else file


def _prints_boxes(file: TextIO | str | None) -> bool:
    """Whether lines of boxes can be written in the encoding of a file."""
    encoding = (
        getattr(sys.stdout if file is None else file, "encoding", None) or "utf-8"
    )
    try:
        "".join(BOX).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def min_informative_str(obj: Any, indent_level: int = 0) -> str:
    """Theano's short tree of a variable: operations, with letters for what comes twice.

    Types and exact ids are left out; equal texts mean equal structure.

    >>> x = T.dvector("x")
    >>> print(T.min_informative_str(x * 2))
    mul [id A]
    |- x [id B]
    `- 2.0 [id C]
    """
    printer = TreePrinter(branches=ASCII)
    done: dict[Any, Any] = {}
    names = Identifiers("CHAR")
    lines = [
        line for root in roots_of(obj) for line in printer.lines(root, names, done)
    ]
    lines += inner_lines(list(done), printer, names, done)
    return "\n".join(" " * indent_level + line for line in lines)


__all__ = ["Identifiers", "TreePrinter", "debugprint", "letters", "min_informative_str"]
