"""Who may use what: calls that go by Python wait for each other in turn.

A call natively entered looks at a few words and, where nobody else is at work, begins at
once.  All other calls, and all that needs a shared variable whole, take a `Ticket`: they
stand in the queue of their function and in those of the shared variables that they use,
in all of them at once, and go on when nobody before them is in the way.  While anybody
stands in a queue, calls cannot pass it natively, so that threads are served in turn.

- A function's memory serves one call at a time.
- A variable that is updated is the call's own until its end; calls that only read do not
  exclude each other.
- Whoever reads does so in the array that was the value when it began.  A call that would
  write to it gives the variable a copy first, and does not wait.

Python code may run within a call: signal handlers, finalizers, operations of users.  What
such code calls in turn is *nested*: it does not wait for what its own thread has begun,
nor for what waits for that.  If it changes a variable that the call around it updates,
that call begins again.

A ticket is good as long as the frame that took it runs.  So an exception may come at any
point, of a signal's handler too: what it leaves behind is cleared away by the next one
that it hinders.  In a forked child that holds for the calls of all threads that are gone.
"""

from __future__ import annotations

import copyreg
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from operator import is_not, itemgetter
from time import sleep
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from symnet.errors import message
from symnet.kernels.cpu.jit.intrinsics import load
from symnet.kernels.cpu.jit.intrinsics import store as write
from symnet.kernels.cpu.runtime.layouts import (
    GateWords,
    StoreWords,
)
from symnet.kernels.cpu.runtime.runner import (
    CONFLICT,
    GATE,
    READS,
    WRITES,
    gate_words,
)
from symnet.kernels.cpu.runtime.store import Store, putting
from symnet.kernels.memory import HOST, address

T = TypeVar("T")
Queue = list["Ticket"]
TRIES = 100  # of a call that signal handlers interfere with
PATIENCE = 0.05  # seconds after which who waits looks again, woken or not

_tickets: Queue = []  # of all calls
_main = [threading.main_thread().ident]


def in_handler() -> bool:
    """Whether this is Python code that a native call of this thread has let in."""
    return load(GATE, GateWords.asking) > 0 and threading.get_ident() == _main[0]


class Ticket:
    """The place of a call in the queues of what it uses.

    stores: what is done to each: READS, WRITES (in place) or REPLACES; own: the queue of
    a function, whose memory the call needs.  `arrays` are the values that it found, once
    it has been let in.
    """

    def __init__(self, stores: Mapping[Store, int], own: Queue | None = None) -> None:
        self.thread = threading.get_ident()
        self.frame: FrameType | None = sys._getframe(1)
        self.uses = stores
        self.own = own
        self.queues = [store.queue for store in stores]
        self.alone = {id(s.queue) for s, use in stores.items() if use != READS}
        if own is not None:
            self.queues.append(own)
            self.alone.add(id(own))
        self.arrays: dict[Store, Any] | None = None
        self.nested = in_handler() or self._is_inside()
        self.bell = threading.Lock()
        self.behind = 0  # the thread for which this one waits

    def _is_inside(self) -> bool:
        """Whether this thread has begun a call that has not ended."""
        outer = [t for t in tuple(_tickets) if t.thread == self.thread]
        for ticket in outer:
            if ticket.is_stale():
                ticket.leave()
        return any(ticket.frame is not None for ticket in outer)

    def take(self) -> None:
        """Wait until it is this call's turn.

        Raises: RuntimeError where threads would wait for each other for ever.
        """
        self.bell.acquire()
        # In one piece: all queues have the same order.
        any(map(list.append, [_tickets, *self.queues], [self] * (1 + len(self.queues))))
        while not self._let_in():
            if self.nested and self._goes_round():
                raise RuntimeError(
                    message(
                        "two threads wait for each other: within calls that use shared "
                        "variables, each calls what uses those of the other",
                        cure="call it before or after, or hold a threading.Lock around",
                    )
                )
            self.wait()

    def leave(self) -> None:
        """Give everything back, and let others go on."""
        for queue in (*self.queues, _tickets):
            with suppress(ValueError):
                queue.remove(self)
        self.frame = None
        for queue in self.queues:
            wake(queue)

    def wait(self) -> None:
        """Sleep until somebody leaves, or for a moment."""
        self.bell.acquire(timeout=PATIENCE)

    def ring(self) -> None:
        """Have the waiting thread look again."""
        if self.bell.locked():
            with suppress(RuntimeError):  # another thread has done it
                self.bell.release()

    def array(self, store: Store) -> Any:
        """The value that the call has found."""
        assert self.arrays is not None, "the call has not been let in"
        return self.arrays[store]

    # ---- whose turn it is

    def _let_in(self) -> bool:
        if self.hindrance() is not None:
            return False
        stores = list(self.uses)
        # Announced, then looked at again: nested calls do not keep to the order.
        found = list(map(itemgetter(0), [store.box for store in stores]))
        self.arrays = dict(zip(stores, found, strict=True))
        if self.hindrance() is not None:
            self.arrays = None
            return False
        lent_twice = in_common(self.arrays)
        for store, use in self.uses.items():
            if use == WRITES and (store in lent_twice or self.is_read(store)):
                copy = store.memory.copy(store.array)
                store.put(copy)
                self.arrays[store] = copy
        return True

    def _goes_round(self) -> bool:
        """Whether the thread for which this one waits waits, in the end, for this one."""
        self.behind = self._thread_of(self.hindrance())
        thread, seen = self.behind, set[int]()
        while thread and thread not in seen:
            if thread == self.thread:
                return True
            seen.add(thread)
            waiting = [t for t in tuple(_tickets) if t.thread == thread]
            last = waiting[-1] if waiting else None
            thread = last.behind if last and last.arrays is None else 0
        return False

    def _thread_of(self, found: Ticket | Store | None) -> int:
        if isinstance(found, Store):
            return int(found.words[StoreWords.writer])
        return found.thread if found is not None else 0

    def hindrance(self) -> Ticket | Store | None:
        """What this call waits for."""
        for store, use in self.uses.items():
            if store.words.item(StoreWords.writer) not in (0, self.thread):
                return store
            found = self._before(store.queue, use != READS, store)
            if found is not None:
                return found
        return None if self.own is None else self._before(self.own, True)

    def _before(
        self, queue: Queue, alone: bool, store: Store | None = None
    ) -> Ticket | None:
        """A call in this queue that is in the way."""
        earlier = True
        for other in tuple(queue):
            if other is self:
                earlier = False
            elif other.thread != self.thread and self._waits_for(
                other, earlier, alone, store
            ):
                if not other.is_stale():
                    return other
                other.leave()
        return None

    def _waits_for(
        self, other: Ticket, earlier: bool, alone: bool, store: Store | None
    ) -> bool:
        writes = store is None or other.uses[store] != READS
        if not alone and not writes:
            return False
        if other.arrays is not None:
            return writes  # who only reads has its array
        return earlier and other.nested if self.nested else earlier or other.nested

    def is_read(self, store: Store) -> bool:
        """Whether another call works on the present array, or it may not be written."""
        words = store.words
        others = any(t is not self and t.arrays is not None for t in store.queue)
        return bool(
            others
            or words[StoreWords.readers] > 0
            or words[StoreWords.writer]
            or not store.memory.writable(store.array)
        )

    def around(self) -> bool:
        """Whether a call further out in this thread uses the same function's memory."""
        queue = self.own or ()
        return any(t is not self and t.thread == self.thread for t in tuple(queue))

    def is_stale(self) -> bool:
        """Whether an exception has ended the call before it could leave."""
        # Python refuses to clear a frame that runs.  To walk the frames of a running thread
        # is not safe: `f_back` makes objects, which may collect garbage, whose callbacks
        # let that thread go on and take the frames away.
        frame = self.frame
        if frame is None:
            return True
        try:
            frame.clear()
        except RuntimeError:
            return False
        return True

    def replace(self, values: Mapping[Store, Any]) -> None:
        """Make arrays the values of stores, all of them in one piece.

        Raises: Conflict, and then nothing has changed."""
        moved = self.moved()
        exchange = putting(list(values), list(values.values()))
        if next(filter(None, chain(moved, exchange)), False):
            raise Conflict

    def moved(self) -> Iterator[bool]:
        """For each store that is to be updated, whether it has got another value since
        the call has been let in.  (Without any Python code.)"""
        found = [(s, self.array(s)) for s, use in self.uses.items() if use != READS]
        now = map(itemgetter(0), [store.box for store, _ in found])
        return map(is_not, now, [array for _, array in found])


def in_common(arrays: Mapping[Store, Any]) -> set[Store]:
    """The stores whose array has memory in common with that of another: both were lent it
    (`borrow=True`), and neither is to see what is written to the other."""
    places = [
        (address(array), array.nbytes, k)
        for k, (store, array) in enumerate(arrays.items())
        if store.memory is HOST and isinstance(array, np.ndarray) and array.nbytes
    ]
    stores, found = list(arrays), set()
    end, last = 0, 0  # of the array that reaches furthest so far
    for start, size, k in sorted(places):
        if start < end:
            found |= {stores[k], stores[last]}
        if start + size > end:
            end, last = start + size, k
    return found


class Conflict(Exception):
    """Python code that ran within a call has changed what the call updates."""


def with_ticket(
    stores: Mapping[Store, int], own: Queue | None, work: Callable[[Ticket], T]
) -> T:
    """What `work` returns, called with a ticket when it is its turn; where it meets a
    Conflict, once more, with the new values.

    Raises: RuntimeError where that goes on and on; what `work` raises.
    """
    for _ in range(TRIES):
        ticket = Ticket(stores, own)
        try:
            ticket.take()
            return work(ticket)
        except Conflict:
            pass
        finally:
            ticket.leave()
    raise RuntimeError(
        message(
            "a signal handler, or other code that ran within the call, has changed what "
            f"the call updates in each of {TRIES} attempts",
            cure="change it elsewhere, or less often",
        )
    )


def whole(store: Store) -> Any:
    """A NumPy array with the value as it is between two calls; what is no array, as it is."""
    memory = store.memory
    if not memory.holds(store.array):
        return store.array
    few = store.copy_of_few()
    if few is not None:
        return few
    return with_ticket({store: READS}, None, lambda t: memory.copy_out(t.array(store)))


def _reduced(store: Store) -> tuple[Any, ...]:
    """What pickles and deep copies keep of a store, while other threads update it too."""
    return store.with_value(whole(store))


copyreg.pickle(Store, _reduced)


def wake(queue: Queue) -> None:
    """Let those look again who may have been waiting for what has just been left."""
    for ticket in tuple(queue):
        ticket.ring()
        if ticket.arrays is None and id(queue) in ticket.alone:
            return  # the others wait for this one


class Waker:
    """Called by native code when a call has ended for which others wait."""

    def __init__(self, queues: Sequence[Queue]) -> None:
        self.queues = queues

    def __call__(self) -> None:
        for queue in self.queues:
            wake(queue)


# ---- forks

_forking = threading.Lock()
_committing: list[int] = []  # threads that write shared variables step by step
_held = {1: CONFLICT, 2: CONFLICT}.get


def committing(steps: Iterator[Any]) -> Iterator[Any]:
    """Steps from Python that write shared variables, which a fork waits for; a Conflict
    where one is under way (see `await_fork`).  No Python code comes between."""
    me = (threading.get_ident(),)
    closed = map(_held, map(gate_words.__getitem__, (GateWords.closed,)))
    begin, end = map(_committing.append, me), map(_committing.remove, me)
    return chain(closed, begin, steps, end)


def not_committing() -> None:
    """For steps that have not come to their end."""
    with suppress(ValueError):
        _committing.remove(threading.get_ident())


def await_fork() -> None:
    """Wait until no fork is under way."""
    while load(GATE, GateWords.closed):
        sleep(1e-4)


def _before_fork() -> None:
    """No call may be writing shared variables: a child would find them half written.  Nor
    may any be in the BLAS, which has locks."""
    _forking.acquire()
    me = threading.get_ident()
    for step, busy in ((1, GateWords.writing), (2, GateWords.multiplying)):
        write(GATE, GateWords.closed, step)
        while load(GATE, busy) or any(t != me for t in tuple(_committing)):
            sleep(1e-4)


def _after_fork() -> None:
    write(GATE, GateWords.closed, 0)
    if _forking.locked():
        _forking.release()


def _after_fork_in_child() -> None:
    """All other threads are gone, and with them their calls."""
    me, asking = threading.get_ident(), int(in_handler())
    for word, value in (
        (GateWords.writing, 0),
        (GateWords.multiplying, 0),
        (GateWords.asking, asking),
    ):
        write(GATE, word, value)
    _committing.clear()
    _main[0] = me
    for ticket in tuple(_tickets):
        if ticket.thread != me:
            ticket.leave()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork_in_child,
    )
