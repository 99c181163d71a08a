"""Updates as optimisers give them: a list of pairs that notebooks show as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symnet.graph.traverse import clone_replace
from symnet.graph.variables import Variable
from symnet.html_tables import escape, html_table
from symnet.printing.formula import pp
from symnet.shared import SharedVariable

LONGEST = 200  # of a formula; the rest of it is shown by `symnet.pp`


class UpdateList(list[tuple[SharedVariable, Any]]):
    """Pairs (shared variable, its new value).

    gradients: (parameter, gradient of the cost) pairs, which formulas name and do not
        write out.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[SharedVariable, Any]] = (),
        gradients: Iterable[tuple[SharedVariable, Any]] = (),
    ) -> None:
        super().__init__(pairs)
        self.gradients = list(gradients)

    def __add__(self, other: Any) -> UpdateList:  # type: ignore[override]
        """Both together, as a table too."""
        if not isinstance(other, list):
            return NotImplemented
        more = other.gradients if isinstance(other, UpdateList) else []
        return UpdateList([*self, *other], [*self.gradients, *more])

    def formulas(self) -> list[str]:
        """Each new value as text, in terms of old values, of gradients ("gradient_W"), and
        of other new values ("new_W_mean")."""
        names: dict[Variable, str] = {}
        for p, gradient in self.gradients:
            if gradient.owner is not None:
                names[gradient] = f"gradient_{p.name or 'parameter'}"
        for target, new in self:
            if isinstance(new, Variable) and new.owner is not None:
                names.setdefault(new, f"new_{target.name or 'value'}")
        found = []
        for _, new in self:
            if not isinstance(new, Variable):
                found.append(str(new))
                continue
            others = [(v, v.type(name)) for v, name in names.items() if v is not new]
            (shown,) = clone_replace([new], others)
            text = pp(shown)
            found.append(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")
        return found

    def _repr_html_(self) -> str:
        rows = [
            (
                f"<code>{escape(target.name or 'unnamed')}</code>",
                escape(str(target.type)),
                f"<code>{escape(formula)}</code>",
            )
            for (target, _), formula in zip(self, self.formulas(), strict=True)
        ]
        return html_table(rows, ("shared variable", "type", "becomes"))
