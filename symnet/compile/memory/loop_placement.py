"""Where the results inside loops and choices lie.

Every result of a turn is written straight into its row where the step that makes it can
write there, and copied otherwise.  The new value of a state may lie over the old one
where everybody else has read that by then: such a state needs one place.  All others of
which not the whole history is kept go round in a ring.
"""

from __future__ import annotations

from symnet.compile.lower.context import CarriedState, Context, OpenRegion
from symnet.compile.memory.placement import Placer, reuse_dying
from symnet.graph.variables import Variable


def place_open_regions(context: Context) -> None:
    """Order the steps inside the loops and choices of a lowered graph, and give their
    results places."""
    for inside in context.open_regions:
        place_open_regions(inside.context)
        _place(context, inside)


def _place(context: Context, inside: OpenRegion) -> None:
    inner = inside.context
    placer = Placer(inner, inner.inference)
    rings = [pair for pair in inside.states if not _in_one_place(placer, *pair)]
    for variable, carried in inside.states:
        if (variable, carried) in rings:
            placer.result(variable, carried.new)
        elif carried.straighten is not None:
            _give_up_ring(context, inside, carried)
    for variable, buffer in inside.results:
        placer.result(variable, buffer)
    placer.initials()
    inside.body.steps = placer.ordered()
    inside.body.temporaries = [b for b in inner.temporaries if b.place is None]
    own = set(inner.temporaries)
    reuse_dying(inside.body.steps, own)


def _in_one_place(placer: Placer, variable: Variable, carried: CarriedState) -> bool:
    """Whether the new value may be written over the old one."""
    state = carried.state
    if carried.ring is None or state.depth != 1 or state.keep != 1:
        return False
    (old,) = carried.taps
    view = placer.context.view_of(variable)
    if view.buffer is old:
        return view.contiguous and view.sizes == old.sizes
    return placer.overwrite(view, old)


def _give_up_ring(context: Context, inside: OpenRegion, carried: CarriedState) -> None:
    """The one place of a state is where its last row is handed out."""
    (old,) = carried.taps
    history, ring, step = carried.history, carried.ring, inside.step
    assert ring is not None
    context.steps.remove(carried.straighten)  # type: ignore[arg-type]
    context.temporaries.remove(ring.buffer)
    old.row, old.place = None, history.buffer
    carried.start.buffer.place = history.buffer
    step.outputs = [history if v is ring else v for v in step.outputs]
