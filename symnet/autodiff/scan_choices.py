"""Where the adjoints of a loop's states are zero because nothing reads those steps.

Of the history h of a state, `h[1]` chooses one row.  No later step matters to it, but the
loop backwards begins at the last one, and there the state may have left the domain of its
own derivative: zero times infinity.  So flags are carried backwards beside the adjoints,

    flows(new)[t] = chosen[t] or, for some tap k, flows(c_k)[t - k]

and where they are False the derivative of the step counts as zero (see `symnet.guards`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from symnet.autodiff.backward import Terms
from symnet.autodiff.guards import choice_of
from symnet.autodiff.masks import Mask, where_true
from symnet.autodiff.singular import loses_zeros
from symnet.graph.types import TensorType
from symnet.graph.variables import Variable, make_variable
from symnet.ops.alloc import full_like
from symnet.ops.arithmetic import second
from symnet.ops.comparison import or_
from symnet.ops.indexing import getitem
from symnet.ops.joining import join
from symnet.ops.sizes import specify_shape

Carried = Sequence[tuple[int, int, Variable]]


def chosen_rows(g: Variable, mask: Mask | None) -> Variable | None:
    """Which elements of a gradient were chosen, where it is a choice."""
    mask = mask or choice_of(g)
    return None if mask is None else second(g, mask.variable)


def chooses_within_rows(g: Variable, mask: Mask | None) -> bool:
    """Whether the choice is not one of whole rows."""
    mask = mask or choice_of(g)
    if mask is None:
        return False
    return not all(mask.ones[max(len(mask.ones) - g.type.ndim + 1, 0) :])


class StateFlows:
    """The flags of a loop's states.

    news: the new values of the states; given: the gradients of their histories (None:
    zero), and `masks` those of these; seeded: the states of which only the last rows have
    one; sources: what the loop is given; elsewhere: whether what it collects is a choice.

    There are flags only where the step, or what it is given, may be infinite or NaN at a
    finite place: loops of smooth steps cost what they did.
    """

    def __init__(
        self,
        news: Sequence[Variable],
        given: Sequence[Variable | None],
        masks: Sequence[Mask | None],
        seeded: Mapping[int, Variable],
        sources: Sequence[Variable],
        elsewhere: bool,
    ) -> None:
        self.news = news
        self.rows: dict[int, Variable] = {}  # state -> flags of its history
        for k, (g, mask) in enumerate(zip(given, masks)):
            # From the last row everything flows back, except within it.
            if g is None or (k in seeded and not chooses_within_rows(g, mask)):
                continue
            if (rows := chosen_rows(g, mask)) is not None:
                self.rows[k] = rows
        needed = bool(self.rows or elsewhere) and any(
            loses_zeros(v, weak=True) for v in (*news, *sources)
        )
        self.leaves = {
            k: make_variable(TensorType("bool", v.type.shape))
            for k, (v, g) in enumerate(zip(news, given))
            if needed and (g is None or k in self.rows)
        }  # state -> flows(new), in a step

    def mask(self, k: int) -> Mask | None:
        """The mask of the adjoint of state k, in a step backwards."""
        return where_true(self.leaves[k], True) if k in self.leaves else None

    # ---- the loop backwards

    def read(self, carried: Carried, terms: Terms) -> list[Variable]:
        """The masks of a step that its flags are made of."""
        masks = [terms.masks.get(v) for k, _, v in carried if k in self.leaves]
        return [mask.variable for mask in masks if mask is not None]

    def take(self, carried: Carried, starts: Mapping[Variable, Variable]) -> None:
        """Make the flags that are carried: leaves of the step, and what they start from."""
        self.carried = [(k, tap, v) for k, tap, v in carried if k in self.leaves]
        self.starts = {v: full_like(starts[v], 0, "bool") for _, _, v in self.carried}
        self.passed = {
            v: make_variable(TensorType("bool", start.type.shape[1:]))
            for v, start in self.starts.items()
        }

    def seed(self, k: int, v: Variable, whole: bool) -> None:
        """Have the flags that are read at `v` start from those of the last row, or, where
        the state's seed is all of its history (`whole`), from those of all rows."""
        if k in self.rows and k in self.leaves:
            if whole:
                self.starts[v] = getitem(self.rows[k], slice(None, None, -1))
                return
            last = getitem(self.rows[k], slice(-1, None))
            more = getitem(self.starts[v], slice(1, None))
            self.starts[v] = last if more.type.shape[0] == 0 else join(0, last, more)

    def results(self, terms: Terms) -> list[Variable]:
        """What a step hands on, of each that is carried."""
        found: list[Variable] = []
        for _, _, v in self.carried:
            term, mask = terms.get(v), terms.masks.get(v)
            if term is None:
                found.append(full_like(v, 0, "bool"))
            elif mask is None:
                found.append(full_like(term, 1, "bool"))
            else:
                found.append(second(term, mask.variable))
        return found

    def values(self, row_flags: Mapping[int, Variable]) -> dict[Variable, Variable]:
        """What stands for the leaves: whether any of what flows to a new value does.

        row_flags: state -> the flags of the row of its history."""
        values: dict[Variable, Variable] = {}
        for k, leaf in self.leaves.items():
            parts = [self.passed[v] for j, _, v in self.carried if j == k]
            parts += [row_flags[k]] if k in row_flags else []
            if parts:
                values[leaf] = specify_shape(reduce(or_, parts), leaf.type.shape)
        return values
