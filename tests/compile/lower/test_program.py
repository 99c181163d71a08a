"""Programs as data: where buffers lie, and passes that change their loops."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

import symnet.tensor as T
from symnet import scan
from symnet.compile.lower.program import (
    Buffer,
    Loop,
    MovingRow,
    Placement,
    change_loops,
    copy_launch,
    every_instruction,
)
from symnet.compile.pipeline import compile_graph, rewrite_graph
from symnet.graph.traverse import Graph
from symnet.kernels.loopir.views import size


def memory(name, *sizes, **more):
    return Buffer("temporary", "float64", tuple(map(size, sizes)), name=name, **more)


HISTORY = memory("history", 5, 3)
START = memory("start", 2, 3, within=HISTORY)
OUTPUT = Buffer("output", "float64", HISTORY.sizes)
ROW = Buffer(
    "row", "float64", (size(3),),
    row=MovingRow(HISTORY.whole.at(0, size(2)), size(24), 0),
)  # fmt: skip


def test_what_has_no_place_lies_where_its_meaning_says():
    nowhere = Placement()
    assert nowhere.home(HISTORY) is HISTORY and nowhere.place(HISTORY) is None
    assert nowhere.home(START) is HISTORY
    assert nowhere.home(ROW) is ROW and nowhere.base(ROW) is HISTORY


def test_places_are_followed_to_their_end():
    placement = Placement({HISTORY: OUTPUT})
    assert placement.home(START) is OUTPUT and placement.base(ROW) is OUTPUT
    # A place of its own goes before the meaning, for a row too.
    single = Placement({ROW: OUTPUT, START: ROW})
    assert single.home(START) is OUTPUT and single.home(ROW) is OUTPUT


def test_where_a_view_of_a_row_lies():
    part = ROW.whole.sliced(0, size(1), size(1), size(2))
    home, offset, rows = Placement({HISTORY: OUTPUT}).resolve(part)
    assert home is OUTPUT and offset is size(2 * 24 + 8)
    assert rows == [ROW.row]


def test_nothing_is_edited_in_place():
    step = copy_launch(START.whole, HISTORY.whole.sliced(0, size(0), size(1), size(2)))
    for one in (step, HISTORY, Placement()):
        with pytest.raises(FrozenInstanceError):
            one.name = "new"


def test_loops_are_changed_from_the_inside_out():
    x, v, a = T.dmatrix("x"), T.dvector("v"), T.dscalar("a")

    def step(row, s):
        inner, _ = scan(lambda one, t: t * one + s.sum(), row, a)
        return s[::-1] * inner[-1]

    last = scan(step, x, v)[0][-1]
    (native,) = compile_graph(rewrite_graph(Graph([x, v, a], [last]))).native
    steps, seen = native.program.steps, []

    def change(loop, depth):
        seen.append((depth, len(loop.body.steps)))
        marker = copy_launch(HISTORY.whole, OUTPUT.whole)
        return [marker], replace(loop, fallible=False)

    found = list(every_instruction(change_loops(steps, change)))
    assert [depth for depth, _ in seen] == [1, 0]
    loops = [one for one in found if isinstance(one, Loop)]
    assert len(loops) == 2 and not any(one.fallible for one in loops)
    # The outer loop is shown with what has been put before the inner one.
    (outer,) = (s for s in steps if isinstance(s, Loop))
    assert seen[1][1] == len(outer.body.steps) + 1
    assert len(found) == len(list(every_instruction(steps))) + 2
