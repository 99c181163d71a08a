"""Formulas: how operations are written, with operators and their precedence.

A `Form` says how one variable is written over those it is made of; what notation is used
(plain text, LaTeX) is decided by whoever gives the forms.  The writer puts parentheses
where precedence needs them, and gives a name to what comes several times, so that the
text of a graph stays linear in its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from string import ascii_lowercase

from symnet.data_classes import dataclass
from symnet.graph.variables import Variable

# Python's precedences, lowest first.
(
    ANYTHING, COMPARISON, OR, XOR, AND, SHIFT, SUM, PRODUCT, SIGN, POWER, ATOM,
) = range(11)  # fmt: skip

Hole = tuple[Variable, int]  # a variable, and the least precedence that fits there
Part = str | Hole


@dataclass(frozen=True)
class Form:
    """Text with holes for variables; its precedence as a whole."""

    precedence: int
    parts: Sequence[Part]

    @property
    def holes(self) -> Iterator[Variable]:
        return (part[0] for part in self.parts if not isinstance(part, str))


def call(name: str, arguments: Sequence[Variable], after: str = "") -> Form:
    """name(argument, argument, ...after)"""
    return Form(ATOM, [f"{name}(", *separated(arguments), f"{after})"])


def separated(variables: Sequence[Variable], by: str = ", ") -> list[Part]:
    """Variables with commas between them."""
    parts: list[Part] = []
    for k, v in enumerate(variables):
        parts += [by, (v, ANYTHING)] if k else [(v, ANYTHING)]
    return parts


@dataclass
class Notation:
    """A way to write formulas.

    form: of a variable.  visible: the variable to write in the place of another (a
    broadcast is written as what is broadcast).  brackets: what encloses; name: how the
    name of a variable is written.
    """

    form: Callable[[Variable], Form]
    visible: Callable[[Variable], Variable]
    brackets: tuple[str, str] = ("(", ")")
    name: Callable[[str, Variable], str] = lambda name, variable: name


# Only what has at least so many parts is worth a name of its own.
LEAST_NAMED = 5


@dataclass
class FormulaWriter:
    """Writes formulas over one graph.

    stop_on_name: results with a name are written as this name, and not looked into.
    define_names: they are written as this name, and defined apart.
    """

    notation: Notation
    stop_on_name: bool = False
    define_names: bool = False
    forms: dict[Variable, Form] = field(default_factory=dict)
    named: set[Variable] = field(default_factory=set)
    names: dict[Variable, str] = field(default_factory=dict)
    fresh: Iterator[str] = field(default_factory=lambda: iter(()))

    def write(self, root: Variable) -> tuple[str, list[tuple[str, str]]]:
        """The formula of `root`, and (name, formula) of what it takes names for."""
        root = self.notation.visible(root)
        order = self._collect(root)
        self._give_names(root, order)
        text, waiting = self._text(root)
        definitions: list[tuple[str, str]] = []
        defined: set[Variable] = set()
        while waiting:
            v = waiting.pop(0)
            if v in defined:
                continue
            defined.add(v)
            formula, more = self._text(v)
            definitions.append((self.names[v], formula))
            waiting += more
        return text, definitions

    def _stops(self, variable: Variable, root: Variable) -> bool:
        named = variable.owner is not None and bool(variable.name)
        return self.stop_on_name and named and variable is not root

    def _collect(self, root: Variable) -> list[Variable]:
        """Everything that is written, inputs first; their forms are kept."""
        order: list[Variable] = []
        stack = [(root, False)]
        while stack:
            v, done = stack.pop()
            if done:
                order.append(v)
            elif v not in self.forms:
                if self._stops(v, root):
                    self.forms[v] = Form(ATOM, [self.notation.name(str(v.name), v)])
                    continue
                form = self.notation.form(v)
                shown = [p if isinstance(p, str) else (self.notation.visible(p[0]), p[1])
                         for p in form.parts]  # fmt: skip
                self.forms[v] = Form(form.precedence, shown)
                stack.append((v, True))
                stack += [(hole, False) for hole in self.forms[v].holes]
        return order

    def _give_names(self, root: Variable, order: Sequence[Variable]) -> None:
        uses: dict[Variable, int] = {}
        parts: dict[Variable, int] = dict.fromkeys(self.forms, 1)
        for v in order:
            for hole in self.forms[v].holes:
                uses[hole] = uses.get(hole, 0) + 1
        taken = {v.name for v in self.forms if v.name}
        self.fresh = (name for name in _letters() if name not in taken)
        for v in order:
            parts[v] = 1 + sum(parts[hole] for hole in self.forms[v].holes)
            if v is root or v.owner is None:
                continue
            shared = uses[v] > 1 and parts[v] >= LEAST_NAMED
            if shared or (self.define_names and v.name):
                self.named.add(v)
                parts[v] = 1

    def _text(self, root: Variable) -> tuple[str, list[Variable]]:
        """The formula of one variable, and the variables named in it."""
        opening, closing = self.notation.brackets
        pieces: list[str] = []
        named: list[Variable] = []
        stack: list[Part] = [(root, ANYTHING)]
        while stack:
            part = stack.pop()
            if isinstance(part, str):
                pieces.append(part)
                continue
            v, needed = part
            if v in self.named and v is not root:
                pieces.append(self._name(v))
                named.append(v)
                continue
            form = self.forms[v]
            enclosed = form.precedence < needed
            if enclosed:
                stack.append(closing)
            stack.extend(reversed(form.parts))
            if enclosed:
                stack.append(opening)
        return "".join(pieces), named

    def _name(self, variable: Variable) -> str:
        if variable not in self.names:
            name = variable.name or next(self.fresh)
            self.names[variable] = self.notation.name(name, variable)
        return self.names[variable]


def _letters() -> Iterator[str]:
    number = 0
    while True:
        yield from (
            letter + (str(number) if number else "") for letter in ascii_lowercase
        )
        number += 1
