"""From a Python call to machine code and back, in well under a microsecond.

A builtin function, made at run time, whose code is the native function `enter` below: it
gets Python's objects themselves, reads the arrays' fields where NumPy keeps them, compares
them with what a plan expects, makes the output arrays and starts the runner.  Its `self`
is the call block, an array of 64-bit words that lists all this.  Whatever is not exactly
as expected (another shape or dtype, a keyword, a block that is in use) goes to a Python
function, the fallback, with the call's own arguments; the fallback may be another
builtin, so that a function keeps several plans.

How objects lie in memory is checked first (`python_objects`); where that is another way,
there is no builtin, and all calls go by the fallback and `execute`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import (
    CFunction,
    atomic_store,
    call,
    compare_exchange,
    float_bits,
    load,
    load_i32,
    narrow_float,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import in_background, lazily_compiled
from symnet.kernels.cpu.runtime.apart import are_apart, note_versions
from symnet.kernels.cpu.runtime.call_block import (
    AS_BOOLEAN,
    AS_FLOAT32,
    AS_FLOAT64,
    AS_INTEGER,
    KIND,
    KIND_MASK,
    RETURN_LIST,
    RETURN_ONE,
    CallBlock,
)
from symnet.kernels.cpu.runtime.layouts import (
    ArgumentWords,
    ArrayWords,
    BlockWords,
    CellWords,
    ListWords,
    OutputWords,
    ScalarWords,
    StoreWords,
)
from symnet.kernels.cpu.runtime.output_pool import (
    FLAGS_I32,
    RANK_I32,
    decref,
    incref,
    keep_results,
    spare_output,
)
from symnet.kernels.cpu.runtime.python_objects import (
    BOOLEAN,
    EMPTY,
    FLOAT,
    INTEGER,
    NDARRAY,
    NONE,
    TRUE,
    obstacle,
)
from symnet.kernels.cpu.runtime.runner import (
    CONFLICT,
    CPYTHON,
    INTERRUPTED,
    READS,
    leave,
    list_item,
    restore_thread,
    save_thread,
    slide,
    start,
)

if CPYTHON:
    vectorcall = CFunction(
        "PyObject_Vectorcall", "i64(i64, i64, i64, i64)", ctypes.pythonapi
    )
    new_list = CFunction("PyList_New", "i64(i64)", ctypes.pythonapi)
    set_item = CFunction("PyList_SetItem", "i32(i64, i64, i64)", ctypes.pythonapi)
    new_integer = CFunction("PyLong_FromLongLong", "i64(i64)", ctypes.pythonapi)
    as_integer = CFunction(
        "PyLong_AsLongLongAndOverflow", "i64(i64, i64)", ctypes.pythonapi
    )
    this_thread = CFunction("PyThread_get_thread_ident", "i64()", ctypes.pythonapi)


# ----------------------------------------------------------------------- native side


@lazily_compiled
def same_words(left: int, right: int, count: int) -> int:
    for k in range(count):
        if load(left, k) != load(right, k):
            return 0
    return 1


@lazily_compiled
def fits(array: int, record: int) -> int:
    """Whether an ndarray has the dtype, shape and layout that the record asks for."""
    rank = load(record, ArgumentWords.rank)
    flags = load(record, ArgumentWords.flags)
    if (load(load(array, ArrayWords.dtype), KIND) & KIND_MASK) != load(
        record, ArgumentWords.kind
    ):
        return 0
    if (
        load_i32(array, RANK_I32) != rank
        or (load_i32(array, FLAGS_I32) & flags) != flags
    ):
        return 0
    if not same_words(
        load(array, ArrayWords.dims), load(record, ArgumentWords.dims), rank
    ):
        return 0
    if load(record, ArgumentWords.strides) != 0:
        return same_words(
            load(array, ArrayWords.strides), load(record, ArgumentWords.strides), rank
        )
    return 1


@lazily_compiled
def take_float(record: int, bits: int) -> int:
    """Keep a float64 for an argument; whether it is one of floats."""
    if load(record, ArgumentWords.numbers) == AS_FLOAT64:
        store(load(record, ArgumentWords.scratch), 0, bits)
        return 1
    if load(record, ArgumentWords.numbers) == AS_FLOAT32:
        store(load(record, ArgumentWords.scratch), 0, narrow_float(bits))
        return 1
    return 0


@lazily_compiled
def take_integer(record: int, number: int) -> int:
    """Keep an integer for an argument, if its dtype holds it exactly."""
    if number < load(record, ArgumentWords.low) or number > load(
        record, ArgumentWords.high
    ):
        return 0
    if load(record, ArgumentWords.numbers) == AS_INTEGER:
        store(load(record, ArgumentWords.scratch), 0, number)
        return 1
    return take_float(record, float_bits(number))


@lazily_compiled
def take_number(argument: int, record: int) -> int:
    """Keep a Python number, or a NumPy scalar of the very dtype, for a 0-d argument."""
    kind = load(argument, ScalarWords.type)
    if kind == load(record, ArgumentWords.scalar):
        store(
            load(record, ArgumentWords.scratch), 0, load(argument, ScalarWords.number)
        )
        return 1
    if load(record, ArgumentWords.numbers) == 0:
        return 0
    if kind == FLOAT:
        return take_float(record, load(argument, ScalarWords.number))
    if kind == BOOLEAN:
        if load(record, ArgumentWords.numbers) == AS_BOOLEAN:
            store(load(record, ArgumentWords.scratch), 0, argument == TRUE)
            return 1
        return take_integer(record, argument == TRUE)
    if kind == INTEGER:
        overflow = stack(1)
        store_i32(overflow, 0, 0)
        number = as_integer(argument, overflow)
        if load_i32(overflow, 0) == 0:
            return take_integer(record, number)
    return 0


@lazily_compiled
def bind(block: int, arguments: int) -> int:
    """Set the bases by the arguments and the shared variables; 0 if anything differs."""
    bases = load(block, BlockWords.bases)
    exchanged = 0
    for k in range(load(block, BlockWords.argument_count)):
        argument = load(arguments, k)
        record = load(block, BlockWords.arguments) + 8 * ArgumentWords.count * k
        if load(argument, ScalarWords.type) == NDARRAY:
            if not fits(argument, record):
                return 0
            store(
                bases, load(record, ArgumentWords.base), load(argument, ArrayWords.data)
            )
        else:
            if not take_number(argument, record):
                return 0
            store(
                bases,
                load(record, ArgumentWords.base),
                load(record, ArgumentWords.scratch),
            )
    for k in range(load(block, BlockWords.cell_count)):
        record = load(block, BlockWords.cells) + 8 * CellWords.count * k
        words = load(record, CellWords.words)
        if (
            load(load(record, CellWords.queue), ListWords.size) != 0
            or load(words, StoreWords.writer) != 0
        ):
            return 0
        if (
            load(record, CellWords.use) != READS
            and load(words, StoreWords.readers) != 0
        ):
            return 0
        array = load(load(load(record, CellWords.box), ListWords.items), 0)
        if load(words, StoreWords.version) != load(record, CellWords.version):
            if not fits(array, record):
                return 0
            exchanged = 1
        store(record, CellWords.array, array)
        store(bases, load(record, ArgumentWords.base), load(array, ArrayWords.data))
    if not are_apart(block, exchanged):
        return 0
    if exchanged:
        note_versions(block)
    return slide(block)


@lazily_compiled
def list_size(items: int) -> int:
    """How many objects are in a list of Python's."""
    return load(items, ListWords.size)


@lazily_compiled
def pin(block: int, thread: int) -> int:
    """Tell other threads what is in use, and keep it alive."""
    for k in range(load(block, BlockWords.cell_count)):
        record = load(block, BlockWords.cells) + 8 * CellWords.count * k
        words = load(record, CellWords.words)
        incref(load(record, CellWords.array))
        if load(record, CellWords.use) == READS:
            store(words, StoreWords.readers, load(words, StoreWords.readers) + 1)
        else:
            store(words, StoreWords.writer, thread)
    return 0


@lazily_compiled
def unpin(block: int) -> int:
    """The other end of `pin`.  A variable that has another array by now is left alone."""
    for k in range(load(block, BlockWords.cell_count)):
        record = load(block, BlockWords.cells) + 8 * CellWords.count * k
        words = load(record, CellWords.words)
        array = load(record, CellWords.array)
        if load(record, CellWords.use) != READS:
            store(words, StoreWords.writer, 0)
        elif (
            list_item(load(record, CellWords.box), 0) == array
            and load(words, StoreWords.readers) > 0
        ):
            store(words, StoreWords.readers, load(words, StoreWords.readers) - 1)
        decref(array)
    return 0


@lazily_compiled
def are_waiting(block: int) -> int:
    """Whether there are calls in the queues of what the block uses."""
    if list_size(load(block, BlockWords.queue)) != 0:
        return 1
    for k in range(load(block, BlockWords.cell_count)):
        record = load(block, BlockWords.cells) + 8 * CellWords.count * k
        if list_size(load(record, CellWords.queue)) != 0:
            return 1
    return 0


@lazily_compiled
def free_block(block: int, status: int) -> int:
    """End the use of a block and let others go on; 0 if their waking has raised."""
    atomic_store(block, BlockWords.busy, 0)
    if (
        load(block, BlockWords.release) == 0
        or status == INTERRUPTED
        or not are_waiting(block)
    ):
        return 1
    outcome = vectorcall(load(block, BlockWords.wake), 0, 0, 0)
    if outcome == 0:
        return 0
    decref(outcome)
    return 1


@lazily_compiled
def new_output(block: int, number: int) -> int:
    """A new array for an output; 0 with MemoryError set."""
    record = load(block, BlockWords.outputs) + 8 * OutputWords.count * number
    if load(record, OutputWords.bytes) != 0:
        spare = spare_output(block, record)
        if spare != 0:
            return spare
    dtype = load(record, OutputWords.dtype)
    incref(dtype)  # NumPy's function takes this reference over
    array = call(
        EMPTY, load(record, OutputWords.rank), load(record, OutputWords.dims), dtype, 0
    )
    if array != 0:
        store(
            load(block, BlockWords.bases),
            load(record, OutputWords.base),
            load(array, ArrayWords.data),
        )
    return array


@lazily_compiled
def fill_list(block: int, result: int) -> int:
    """Put the outputs into their list; 0 if memory is lacking."""
    for k in range(load(block, BlockWords.output_count)):
        array = new_output(block, k)
        if array == 0:
            decref(result)
            return 0
        set_item(result, k, array)
    return result


@lazily_compiled
def new_result(block: int, empty_list: int) -> int:
    """The object to be returned, a new reference; 0 if memory is lacking."""
    if empty_list != 0:
        return fill_list(block, empty_list)
    if load(block, BlockWords.form) == RETURN_ONE:
        return new_output(block, 0)
    incref(NONE)
    return NONE


@lazily_compiled
def start_released(block: int) -> int:
    """Start the runner; meanwhile other Python threads may run, if the block says so."""
    if load(block, BlockWords.release) == 0:
        return start(block)
    pin(block, this_thread())
    state = save_thread()
    status = start(block)
    restore_thread(state)
    leave(block)
    unpin(block)
    return status


@lazily_compiled
def report(block: int, step: int) -> int:
    """Call the function that raises the error of a failed step."""
    arguments = stack(1)
    store(arguments, 0, new_integer(step))
    outcome = vectorcall(load(block, BlockWords.failure), arguments, 1, 0)
    decref(load(arguments, 0))
    return outcome


@lazily_compiled
def attempt(block: int, arguments: int, empty_list: int) -> int:
    """Bind and run a claimed block: the result, or 0 with *block* free again.

    -1 (no address) says that the arguments do not fit, or that the call is to begin again.
    """
    if not bind(block, arguments):
        atomic_store(block, BlockWords.busy, 0)
        if empty_list != 0:
            decref(empty_list)
        return -1
    result = new_result(block, empty_list)
    if result == 0:
        atomic_store(block, BlockWords.busy, 0)
        return 0
    status = start_released(block)
    well = free_block(block, status)
    if well and status == 0:
        if load(block, BlockWords.large_outputs) != 0:
            keep_results(block, result, load(block, BlockWords.form) == RETURN_LIST)
        return result
    decref(result)
    if not well or status == INTERRUPTED:
        return 0  # the exception is set
    if status == CONFLICT:
        return -1
    return report(block, status - 1)


@lazily_compiled
def enter(block_array: int, arguments: int, count: int, keywords: int) -> int:
    """What a call of the builtin does, by Python's convention METH_FASTCALL|METH_KEYWORDS."""
    block = load(block_array, ArrayWords.data)
    free = list_size(load(block, BlockWords.queue)) == 0
    if keywords == 0 and count == load(block, BlockWords.argument_count) and free:
        empty_list = 0
        # Before anything else: making a list may run the garbage collector, and with it
        # any Python code, even a call of this very function.
        if load(block, BlockWords.form) == RETURN_LIST:
            empty_list = new_list(load(block, BlockWords.output_count))
            if empty_list == 0:
                return 0
        if compare_exchange(block, BlockWords.busy, 0, this_thread()):
            result = attempt(block, arguments, empty_list)
            if result != -1:
                return result
        elif empty_list != 0:
            decref(empty_list)
    return vectorcall(load(block, BlockWords.fallback), arguments, count, keywords)


# ----------------------------------------------------------------------- Python side


class _MethodDef(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


@cache
def _method() -> _MethodDef:
    """Python's description of `enter`, shared by all builtins, alive for good."""
    fastcall, keywords = 0x80, 0x02
    return _MethodDef(b"call", enter.address, fastcall | keywords, None)


@cache
def _create() -> Callable[[int, CallBlock, str], Callable[..., Any]]:
    """Python's C function that makes a builtin: (method, self, module)."""
    kinds = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    prototype = ctypes.PYFUNCTYPE(ctypes.py_object, *kinds)
    return prototype(("PyCFunction_NewEx", ctypes.pythonapi))


def make_builtin(block: CallBlock) -> Callable[..., Any]:
    """The builtin function that runs `block`; where there can be none, its fallback.

    It keeps the block alive.  As attribute `__call__` of a class it makes the class's
    objects callable without any Python code in between.
    """
    if obstacle():
        return block.fallback
    return _create()(ctypes.addressof(_method()), block, "symnet")


def ready() -> bool:
    """Whether builtins can be made without compiling anything."""
    return bool(obstacle()) or enter.ready


def make_ready() -> None:
    """Have what builtins need compiled in the background."""
    in_background([enter])


def description() -> str:
    """How calls reach native code, for people."""
    return f"through Python ({obstacle()})" if obstacle() else "directly"
