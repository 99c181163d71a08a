"""What lies in memory: the records that Python code writes and native code reads."""

from __future__ import annotations

from symnet.kernels.cpu.jit.record import Record

SPARES = 2  # that are kept of a large output

# ---- objects of Python and NumPy


class ObjectWords(Record):
    """Any object."""

    references: int
    type: int


class ScalarWords(ObjectWords):
    """A float, or a scalar of NumPy's."""

    number: int


class ListWords(ObjectWords):
    """A list."""

    size: int
    items: int


class ArrayWords(ObjectWords):
    """An ndarray.  Its rank and flags are the first halves of their words."""

    data: int
    rank: int
    dims: int
    strides: int
    base: int
    dtype: int
    flags: int
    weak_references: int


# ---- a call


class BlockWords(Record):
    """The head of a call block.  Counts stand before the addresses of what they count."""

    busy: int  # the thread that is running it, or 0
    argument_count: int
    arguments: int
    cell_count: int
    cells: int
    output_count: int
    outputs: int
    window_count: int
    windows: int
    patch_count: int
    patches: int
    step_count: int
    steps: int
    bases: int
    form: int  # of the result
    release: int  # whether other Python threads may run meanwhile
    times: int  # address of a counter for each step, or 0
    fallback: int  # a Python function
    failure: int  # a Python function
    commit: int  # how many steps come before the first that writes shared memory
    watch: int  # address of the watch's words; 0: the call is too short for one
    queue: int  # the list of calls that go by Python
    wake: int  # Python function: lets calls in queues go on
    large_outputs: int  # whether there are some that are kept (see `output_pool`)


class ExpectedWords(Record):
    """What an array must be."""

    base: int
    kind: int
    rank: int
    dims: int
    strides: int  # address; 0: the flags say it
    flags: int
    before: (
        int  # bytes from the lowest element to the first, where strides are negative
    )
    span: int  # bytes from the lowest element to the end of the highest


class ArgumentWords(ExpectedWords):
    """An argument, and which numbers are taken in its place."""

    numbers: int
    scratch: int
    scalar: int
    low: int
    high: int


class CellWords(ExpectedWords):
    """A shared variable, and who uses it."""

    box: int
    words: int  # of its store
    queue: int
    use: int
    array: int
    version: int


class SpareWords(Record):
    """An array that is kept (0: none), as it was made, and its neighbours in the list."""

    array: int
    data: int
    flags: int
    bytes: int
    newer: int
    older: int


class OutputWords(Record, room=SPARES * SpareWords.count - 1):
    """A result."""

    base: int
    dtype: int
    rank: int
    dims: int
    bytes: int  # of a large one, else 0
    turn: int  # which spare is filled next
    spares: int  # the first word of the spares


class WindowWords(Record):
    """A number that depends on an integer of the call."""

    place: int
    base: int
    bytes: int  # of the integer
    mask: int
    step: int
    start: int
    low: int
    high: int


class PatchWords(Record):
    """An address that is put where a step will look for it."""

    place: int
    base: int
    distance: int


class StoreWords(Record):
    """The store of a shared variable."""

    readers: int  # native calls that work on its array without Python's lock
    writer: int  # the thread that writes to it
    version: int  # a number that no other array has had


class WatchWords(Record):
    """The watch of a program."""

    left: int  # ticks until it looks at the clock
    stride: int  # from look to look
    looked: int
    asked: int
    active: int  # whether it may ask Python
    block: int
    writing: int  # whether the call is among those that are writing


class GateWords(Record):
    """One for the process."""

    writing: int  # calls that are writing shared variables
    closed: int  # whether a fork keeps others from beginning to (2: and products too)
    asking: int  # handlers at work
    multiplying: int  # products


class KeptWords(SpareWords):
    """One for the process: the ends of the list of spares are joined by a spare that holds
    nothing, so the newest is the next older of it, the oldest the next newer."""

    held: int  # bytes
    allowed: int


# ---- steps


class StepWords(Record):
    """A function and what it is to do (see `runner`)."""

    code: int
    arguments: int
    total: int
    grain: int


class MoveWords(Record):
    """A pointer that a loop moves."""

    place: int
    origin: int
    step: int


class RingWords(MoveWords):
    """A pointer that a loop moves round a ring."""

    slots: int
    first: int
    slot: int


class RepeatWords(Record):
    """The arguments of `runner.repeat`."""

    iterations: int  # how often at most
    steps: int
    step_count: int
    moves: int
    move_count: int
    rings: int
    ring_count: int
    until: int  # address of a byte, looked at after each iteration: stop if not 0; or 0
    done: int  # address of a word for the number of iterations done, or 0
    iterations_done: int
    failed_step: int  # 1 + the number of the inner step that failed, or 0
    times: int  # address of a counter for each inner step, or 0
    watch: int  # address of the watch, or 0


class BranchWords(Record):
    """One of the lists of steps of a choice."""

    steps: int
    step_count: int
    times: int


class ChoiceWords(Record):
    """The arguments of `runner.choose`: two branches, the words of each in a row."""

    condition: int  # address of a byte
    first: int
    first_count: int
    first_times: int
    second: int
    second_count: int
    second_times: int
    failed_step: int
    taken: int  # 0: the first, 1: the second
    watch: int


class LineariseWords(Record):
    """The arguments of `runner.linearise`."""

    ring: int
    target: int
    iterations: int  # address
    row_bytes: int
    slots: int
    depth: int
    kept: int
