"""Where results lie: temporaries get the memory of what they are made for.

A temporary is given the memory of an output, of the shared variable that it updates, of
the row of a loop in which an iteration's result belongs, or of an array that is used for the
last time (`placer`, `overwriting`); the rest share one arena (`arena`).  This is the only
place where anything is decided to be overwritten.

Inside loops every result of an iteration is written straight into its row where the step that
makes it can write there, and copied otherwise.  The new value of a state may lie over the
old one where everybody else has read that by then: such a state needs one place.  All
others of which not the whole history is kept go round in a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symnet.compile.lower.program import (
    Buffer,
    Carried,
    Instruction,
    Linearise,
    Loop,
    Placement,
    Program,
    Region,
    Result,
    regions_of,
    with_regions,
)
from symnet.compile.memory.placer import Placer
from symnet.kernels.loopir.views import View


def place(program: Program) -> Program:
    """The program with its steps in order, every value where it belongs in the end, and
    the placement that this takes."""
    places: dict[Buffer, Buffer] = {}
    placer = Placer(_with_placed_regions(program.steps, places), places)
    for result in program.results:
        placer.result(result)
    updated = {update.target.leaf for update in program.updates}
    updated |= {shared for shared, _ in program.replaced}
    for update in program.updates:
        placer.update(update, updated)
    placer.initials()
    return replace(program, steps=placer.ordered(), placement=Placement(places))


def _with_placed_regions(
    steps: Sequence[Instruction], places: dict[Buffer, Buffer]
) -> list[Instruction]:
    """The steps with the regions inside them placed."""
    found: list[Instruction] = []
    given_up: set[View] = set()  # rings
    for step in steps:
        if isinstance(step, Loop):
            rings = {c.ring for c in step.carried if c.ring is not None}
            step = _placed_loop(step, places)
            given_up |= rings - {c.ring for c in step.carried}
        elif isinstance(step, Linearise) and step.inputs[0] in given_up:
            continue
        elif regions_of(step):
            step = with_regions(step, [_placed(r, places) for r in regions_of(step)])
        found.append(step)
    return found


def _placed(region: Region, places: dict[Buffer, Buffer]) -> Region:
    placer = Placer(_with_placed_regions(region.steps, places), places)
    return _finished(region, placer, region.results)


def _finished(region: Region, placer: Placer, results: Sequence[Result]) -> Region:
    """The region in order, with `results` where they belong."""
    for result in results:
        placer.result(result)
    placer.initials()
    return replace(region, steps=placer.ordered())


def _placed_loop(loop: Loop, places: dict[Buffer, Buffer]) -> Loop:
    body = loop.body
    placer = Placer(_with_placed_regions(body.steps, places), places)
    states = list(zip(loop.carried, body.results))  # what else is made comes behind
    in_one_place = {c for c, new in states if _in_one_place(placer, c, new)}
    rest = [new for c, new in states if c not in in_one_place]
    for one in in_one_place:
        _give_up_ring(one, places)
    body = _finished(body, placer, [*rest, *body.results[len(states) :]])
    history = {c.ring: c.history for c in in_one_place}
    return replace(
        loop,
        body=body,
        carried=[replace(c, ring=None) if c in in_one_place else c for c, _ in states],
        outputs=[history.get(view, view) for view in loop.outputs],
    )


def _in_one_place(placer: Placer, carried: Carried, new: Result) -> bool:
    """Whether the new value of a state may be written over the old one."""
    state, view = carried.state, new.value
    if carried.ring is None or state.depth != 1 or state.keep != 1:
        return False
    (old,) = carried.taps
    if view.buffer is old:
        return view.contiguous and view.sizes == old.sizes
    return placer.overwrite(view, old)


def _give_up_ring(carried: Carried, places: dict[Buffer, Buffer]) -> None:
    """The one place of a state is where its last row is handed out."""
    assert carried.ring is not None
    history = carried.history.buffer
    places[carried.taps[0]] = places[carried.ring.buffer] = history
