"""Who is let in when, by tickets alone: no functions, no native code."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

from symnet.kernels.cpu.runtime import tickets
from symnet.kernels.cpu.runtime.layouts import (
    StoreWords,
)
from symnet.kernels.cpu.runtime.runner import (
    READS,
    REPLACES,
    WRITES,
)
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Conflict, Ticket, with_ticket


@pytest.fixture
def store() -> Store:
    return Store(np.zeros(3))


class Other:
    """A call in another thread, which goes on until it is told to end."""

    def __init__(self, uses, own=None) -> None:
        self.inside, self.end = threading.Event(), threading.Event()
        self.seen: list = []
        self.thread = threading.Thread(target=self.go, args=(uses, own))
        self.thread.start()

    def go(self, uses, own) -> None:
        def work(ticket: Ticket) -> None:
            self.seen = [ticket.array(one) for one in uses]
            self.inside.set()
            self.end.wait(20)

        with_ticket(uses, own, work)

    def is_in(self) -> bool:
        return self.inside.wait(0.15)

    def leave(self) -> None:
        self.end.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_readers_do_not_exclude_each_other(store: Store) -> None:
    first, second = Other({store: READS}), Other({store: READS})
    assert first.is_in() and second.is_in()
    first.leave(), second.leave()
    assert store.queue == [] == tickets._tickets


@pytest.mark.parametrize("first", [WRITES, REPLACES])
@pytest.mark.parametrize("second", [READS, WRITES, REPLACES])
def test_who_updates_is_alone(store: Store, first: int, second: int) -> None:
    one, two = Other({store: first}), None
    assert one.is_in()
    two = Other({store: second})
    assert not two.is_in()
    one.leave()
    assert two.is_in()
    two.leave()


def test_who_reads_keeps_its_array_and_nobody_waits_for_it(store: Store) -> None:
    reader = Other({store: READS})
    assert reader.is_in()

    def work(ticket: Ticket) -> None:
        ticket.array(store)[:] = 7

    with_ticket({store: WRITES}, None, work)
    assert store.array.tolist() == [7, 7, 7]
    assert reader.seen[0].tolist() == [0, 0, 0]
    reader.leave()
    before = store.array
    with_ticket({store: WRITES}, None, work)
    assert store.array is before  # in place: nobody reads it


def test_native_readers_and_writers_are_heeded(store: Store) -> None:
    old = store.array
    store.words[StoreWords.readers] = 1
    with_ticket({store: WRITES}, None, lambda ticket: ticket.array(store).fill(1))
    assert store.array is not old and old.tolist() == [0, 0, 0]
    assert store.words[StoreWords.readers] == 0  # of the new array
    store.words[StoreWords.writer] = 12345
    waiting = Other({store: READS})
    assert not waiting.is_in()
    store.words[StoreWords.writer] = 0
    assert waiting.is_in()
    waiting.leave()


def test_read_only_memory_is_copied_before_it_is_written(store: Store) -> None:
    store.array.flags.writeable = False
    with_ticket({store: WRITES}, None, lambda ticket: ticket.array(store).fill(2))
    assert store.array.tolist() == [2, 2, 2]


def test_a_function_s_memory_serves_one_call_in_order(store: Store) -> None:
    queue: list[Ticket] = []
    calls = [Other({}, queue)]
    assert calls[0].is_in()
    for _ in range(4):
        calls.append(Other({}, queue))
        time.sleep(0.05)
    for k, call in enumerate(calls):
        assert call.is_in()
        assert not any(later.inside.is_set() for later in calls[k + 1 :])
        call.leave()
    assert queue == []


def test_several_stores_are_taken_at_once() -> None:
    """In whatever order they are named: nobody waits for ever."""
    stores = [Store(np.zeros(1)) for _ in range(4)]
    rng = np.random.default_rng(0)
    orders = [rng.permutation(4)[:3] for _ in range(8)]

    def work(ticket: Ticket) -> None:
        for one in ticket.uses:
            value = ticket.array(one)[0]
            if value % 7 == 0:
                time.sleep(0)
            ticket.array(one)[0] = value + 1

    def go(order) -> None:
        for _ in range(50):
            with_ticket({stores[k]: WRITES for k in order}, None, work)

    threads = [threading.Thread(target=go, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [int(one.array[0]) for one in stores]
    assert found == [50 * sum(k in order for order in orders) for k in range(4)]


# ---- calls within calls


def test_a_call_within_does_not_wait_for_the_one_around(store: Store) -> None:
    queue: list[Ticket] = []

    def inner(ticket: Ticket) -> bool:
        assert ticket.nested
        return ticket.around()

    def outer(ticket: Ticket) -> None:
        assert not ticket.nested and not ticket.around()
        assert with_ticket({store: READS}, queue, inner)
        assert not with_ticket({store: READS}, [], inner)

    with_ticket({store: WRITES}, queue, outer)


def test_it_does_not_wait_for_those_who_wait_for_that(store: Store) -> None:
    queue: list[Ticket] = []
    waiting = []

    def outer(ticket: Ticket) -> None:
        waiting.append(Other({store: WRITES}, queue))
        assert not waiting[0].is_in()
        with_ticket({store: WRITES}, queue, lambda inner: inner.array(store).fill(3))

    with_ticket({store: READS}, queue, outer)
    assert waiting[0].is_in() and waiting[0].seen[0].tolist() == [3, 3, 3]
    waiting[0].leave()


def test_a_call_begins_again_if_one_within_changes_what_it_updates(
    store: Store,
) -> None:
    found = []

    def outer(ticket: Ticket) -> None:
        found.append(float(ticket.array(store)[0]))
        if len(found) == 1:
            with_ticket(
                {store: WRITES}, None, lambda inner: inner.array(store).fill(10)
            )
        ticket.replace({store: ticket.array(store) + 1})

    with_ticket({store: REPLACES}, None, outer)
    assert found == [0, 10] and store.array.tolist() == [11, 11, 11]


def test_that_does_not_go_on_for_ever(store: Store) -> None:
    def outer(ticket: Ticket) -> None:
        raise Conflict

    with pytest.raises(RuntimeError, match="in each of 100 attempts"):
        with_ticket({store: REPLACES}, None, outer)


# ---- tickets that nobody will give back


def test_a_ticket_ends_with_its_frame(store: Store) -> None:
    queue: list[Ticket] = []

    def lost() -> Ticket:
        ticket = Ticket({store: WRITES}, queue)
        ticket.take()
        return ticket

    ticket = lost()
    assert queue == [ticket]
    other = Other({store: WRITES}, queue)
    assert other.is_in()  # another thread clears it away
    other.leave()
    ticket = lost()
    with_ticket({store: WRITES}, queue, lambda mine: mine.array(store))
    assert queue == [] == store.queue and ticket not in tickets._tickets


def test_a_ticket_of_a_thread_that_is_gone(store: Store) -> None:
    held = []

    def go() -> None:
        ticket = Ticket({store: WRITES})
        ticket.take()
        held.append(ticket)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    with_ticket({store: WRITES}, None, lambda ticket: None)
    assert store.queue == []


def test_values_are_exchanged_together() -> None:
    stores = [Store(np.zeros(2)) for _ in range(20)]
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    stop, mixed = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            found = with_ticket(
                dict.fromkeys(stores, READS), None, lambda t: list(t.arrays.values())
            )
            mixed.append(len({float(a[0]) for a in found}))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for k in range(150):
            new = {one: np.full(2, float(k)) for one in stores}
            with_ticket(dict.fromkeys(stores, REPLACES), None, lambda t: t.replace(new))  # noqa: B023
    finally:
        stop.set()
        looker.join()
        sys.setswitchinterval(switch)
    assert mixed and set(mixed) == {1}
