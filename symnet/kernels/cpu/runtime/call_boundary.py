"""From a Python call to machine code and back, in well under a microsecond.

A builtin function, made at run time, whose code is the native function `enter` below: it
gets Python's objects themselves, reads the arrays' fields where NumPy keeps them, compares
them with what a plan expects, makes the output arrays and starts the runner.  Its `self`
is the call block, an array of 64-bit words that lists all this.  Whatever is not exactly
as expected (another shape or dtype, a keyword, a block that is in use) goes to a Python
function, the fallback, with the call's own arguments; the fallback may be another
builtin, so that a function keeps several plans.

Only public parts of the objects' layouts are used, those that every extension module has
compiled into it, and they are checked against real objects before the first use.  Where
they differ (another implementation of Python, a build without the global lock) there is
no builtin, and all calls go by the fallback and `execute`.

Source: NumPy C-API reference, "Python types and C structures"; CPython C-API reference,
"Common object structures".
"""

from __future__ import annotations

import ctypes
import struct
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import (
    CFunction,
    Symbol,
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
from symnet.kernels.cpu.jit.native import in_background, patient
from symnet.kernels.cpu.runtime.call_block import (
    A_BASE,
    A_DIMS,
    A_FLAGS,
    A_HIGH,
    A_KIND,
    A_LOW,
    A_NUMBERS,
    A_RANK,
    A_SCALAR,
    A_SCRATCH,
    A_STRIDES,
    ALIGNED,
    ARGUMENT_WORDS,
    AS_BOOLEAN,
    AS_FLOAT32,
    AS_FLOAT64,
    AS_INTEGER,
    CONTIGUOUS,
    KIND,
    KIND_MASK,
    RETURN_LIST,
    RETURN_ONE,
    CallBlock,
    kind_word,
)
from symnet.kernels.cpu.runtime.output_pool import (
    DATA,
    DIMS,
    DTYPE,
    FLAGS_I32,
    O_BASE,
    O_BYTES,
    O_DIMS,
    O_DTYPE,
    O_RANK,
    OUTPUT_WORDS,
    RANK_I32,
    STRIDES,
    WEAK_REFERENCES,
    keep_results,
    spare_output,
)
from symnet.kernels.cpu.runtime.runner import (
    ARGUMENT_COUNT,
    ARGUMENTS,
    BASES,
    BUSY,
    C_ARRAY,
    C_BOX,
    C_QUEUE,
    C_VERSION,
    C_WORDS,
    C_WRITES,
    CELL_COUNT,
    CELL_WORDS,
    CELLS,
    CONFLICT,
    CPYTHON,
    FAILURE,
    FALLBACK,
    FORM,
    INTERRUPTED,
    LARGE_OUTPUTS,
    LIST_ITEMS,
    LIST_SIZE,
    OUTPUT_COUNT,
    OUTPUTS,
    QUEUE,
    READERS,
    READS,
    RELEASE,
    VERSION,
    WAKE,
    WRITER,
    list_item,
    restore_thread,
    save_thread,
    slide,
    start,
)

# ------------------------------------------------------------------ layouts of objects

# Words of every object, of float and of NumPy's scalars; those of ndarray and of its dtype
# stand in `callblock`.
TYPE = 1
NUMBER = 2
EMPTY_SLOT, TYPE_SLOT = 184, 2  # in NumPy's table of C functions

NDARRAY = Symbol("PyArray_Type", id(np.ndarray))
FLOAT = Symbol("PyFloat_Type", id(float))
INTEGER = Symbol("PyLong_Type", id(int))
BOOLEAN = Symbol("PyBool_Type", id(bool))
TRUE = Symbol("Py_True", id(True))
NONE = Symbol("Py_None", id(None))

if CPYTHON:
    incref = CFunction("Py_IncRef", "i64(i64)", ctypes.pythonapi)
    decref = CFunction("Py_DecRef", "i64(i64)", ctypes.pythonapi)
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


def numpy_function(slot: int) -> int:
    """An entry of NumPy's table of C functions; 0 without such a table."""
    umath = getattr(getattr(np, "_core", None), "_multiarray_umath", None)
    capsule = getattr(umath, "_ARRAY_API", None)
    if capsule is None or not CPYTHON:
        return 0
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    table = ctypes.cast(pointer_of(capsule, None), ctypes.POINTER(ctypes.c_void_p))
    return int(table[slot] or 0)


EMPTY = Symbol("PyArray_Empty", numpy_function(EMPTY_SLOT))


@cache
def obstacle() -> str:
    """Why there can be no builtin here; empty if nothing stands against it."""
    if not CPYTHON or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "only for 64-bit little-endian CPython"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python runs without its global lock"
    if numpy_function(TYPE_SLOT) != NDARRAY or not EMPTY:
        return "NumPy's table of C functions is not where it was"
    samples: list[np.ndarray[Any, Any]] = [
        np.zeros((3, 5), np.float32),
        np.zeros((2, 3, 4)).T,
        np.array(7),
    ]
    if not all(array_as_expected(sample) for sample in samples):
        return "NumPy's arrays are laid out in another way"
    if not all(dtype_as_expected(letter) for letter in "?bBhHiIlLfdFD"):
        return "NumPy's dtypes are laid out in another way"
    things = [None, samples]
    if list_size.python(id(things)) != 2 or list_item.python(id(things), 1) != id(
        samples
    ):
        return "lists are laid out in another way"
    bits = np.float64(1.5).view(np.int64)
    if not load(id(1.5), NUMBER) == load(id(np.float64(1.5)), NUMBER) == bits:
        return "numbers are laid out in another way"
    return ""


def array_as_expected(array: np.ndarray[Any, Any]) -> bool:
    """Whether the fields of an array lie where `enter` reads them."""
    place, rank = id(array), array.ndim
    flags = CONTIGUOUS * array.flags.c_contiguous | ALIGNED * array.flags.aligned
    return (
        load(place, TYPE) == NDARRAY
        and load(place, DATA) == array.ctypes.data
        and load_i32(place, RANK_I32) == rank
        and [load(load(place, DIMS), k) for k in range(rank)] == list(array.shape)
        and [load(load(place, STRIDES), k) for k in range(rank)] == list(array.strides)
        and load(place, DTYPE) == id(array.dtype)
        and load_i32(place, FLAGS_I32) & (CONTIGUOUS | ALIGNED) == flags
        and load(place, WEAK_REFERENCES) == 0
    )


def dtype_as_expected(letter: str) -> bool:
    dtype = np.dtype(letter)
    order = ord(dtype.byteorder)
    head = ord(dtype.kind) | ord(dtype.char) << 8 | order << 16 | dtype.num << 32
    return kind_word(dtype) == head


# ----------------------------------------------------------------------- native side


@patient
def same_words(left: int, right: int, count: int) -> int:
    for k in range(count):
        if load(left, k) != load(right, k):
            return 0
    return 1


@patient
def fits(array: int, record: int) -> int:
    """Whether an ndarray has the dtype, shape and layout that the record asks for."""
    rank = load(record, A_RANK)
    flags = load(record, A_FLAGS)
    if (load(load(array, DTYPE), KIND) & KIND_MASK) != load(record, A_KIND):
        return 0
    if (
        load_i32(array, RANK_I32) != rank
        or (load_i32(array, FLAGS_I32) & flags) != flags
    ):
        return 0
    if not same_words(load(array, DIMS), load(record, A_DIMS), rank):
        return 0
    if load(record, A_STRIDES) != 0:
        return same_words(load(array, STRIDES), load(record, A_STRIDES), rank)
    return 1


@patient
def take_float(record: int, bits: int) -> int:
    """Keep a float64 for an argument; whether it is one of floats."""
    if load(record, A_NUMBERS) == AS_FLOAT64:
        store(load(record, A_SCRATCH), 0, bits)
        return 1
    if load(record, A_NUMBERS) == AS_FLOAT32:
        store(load(record, A_SCRATCH), 0, narrow_float(bits))
        return 1
    return 0


@patient
def take_integer(record: int, number: int) -> int:
    """Keep an integer for an argument, if its dtype holds it exactly."""
    if number < load(record, A_LOW) or number > load(record, A_HIGH):
        return 0
    if load(record, A_NUMBERS) == AS_INTEGER:
        store(load(record, A_SCRATCH), 0, number)
        return 1
    return take_float(record, float_bits(number))


@patient
def take_number(argument: int, record: int) -> int:
    """Keep a Python number, or a NumPy scalar of the very dtype, for a 0-d argument."""
    kind = load(argument, TYPE)
    if kind == load(record, A_SCALAR):
        store(load(record, A_SCRATCH), 0, load(argument, NUMBER))
        return 1
    if load(record, A_NUMBERS) == 0:
        return 0
    if kind == FLOAT:
        return take_float(record, load(argument, NUMBER))
    if kind == BOOLEAN:
        if load(record, A_NUMBERS) == AS_BOOLEAN:
            store(load(record, A_SCRATCH), 0, argument == TRUE)
            return 1
        return take_integer(record, argument == TRUE)
    if kind == INTEGER:
        overflow = stack(1)
        store_i32(overflow, 0, 0)
        number = as_integer(argument, overflow)
        if load_i32(overflow, 0) == 0:
            return take_integer(record, number)
    return 0


@patient
def bind(block: int, arguments: int) -> int:
    """Set the bases by the arguments and the shared variables; 0 if anything differs."""
    bases = load(block, BASES)
    for k in range(load(block, ARGUMENT_COUNT)):
        argument = load(arguments, k)
        record = load(block, ARGUMENTS) + 8 * ARGUMENT_WORDS * k
        if load(argument, TYPE) == NDARRAY:
            if not fits(argument, record):
                return 0
            store(bases, load(record, A_BASE), load(argument, DATA))
        else:
            if not take_number(argument, record):
                return 0
            store(bases, load(record, A_BASE), load(record, A_SCRATCH))
    for k in range(load(block, CELL_COUNT)):
        record = load(block, CELLS) + 8 * CELL_WORDS * k
        words = load(record, C_WORDS)
        if load(load(record, C_QUEUE), LIST_SIZE) != 0 or load(words, WRITER) != 0:
            return 0
        if load(record, C_WRITES) != READS and load(words, READERS) != 0:
            return 0
        array = load(load(load(record, C_BOX), LIST_ITEMS), 0)
        if load(words, VERSION) != load(record, C_VERSION):
            if not fits(array, record):
                return 0
            store(record, C_VERSION, load(words, VERSION))
        store(record, C_ARRAY, array)
        store(bases, load(record, A_BASE), load(array, DATA))
    return slide(block)


@patient
def list_size(items: int) -> int:
    """How many objects are in a list of Python's."""
    return load(items, LIST_SIZE)


@patient
def pin(block: int, thread: int) -> int:
    """Tell other threads what is in use, and keep it alive."""
    for k in range(load(block, CELL_COUNT)):
        record = load(block, CELLS) + 8 * CELL_WORDS * k
        words = load(record, C_WORDS)
        incref(load(record, C_ARRAY))
        if load(record, C_WRITES) == READS:
            store(words, READERS, load(words, READERS) + 1)
        else:
            store(words, WRITER, thread)
    return 0


@patient
def unpin(block: int) -> int:
    """The other end of `pin`.  A variable that has another array by now is left alone."""
    for k in range(load(block, CELL_COUNT)):
        record = load(block, CELLS) + 8 * CELL_WORDS * k
        words = load(record, C_WORDS)
        array = load(record, C_ARRAY)
        if load(record, C_WRITES) != READS:
            store(words, WRITER, 0)
        elif list_item(load(record, C_BOX), 0) == array and load(words, READERS) > 0:
            store(words, READERS, load(words, READERS) - 1)
        decref(array)
    return 0


@patient
def are_waiting(block: int) -> int:
    """Whether there are calls in the queues of what the block uses."""
    if list_size(load(block, QUEUE)) != 0:
        return 1
    for k in range(load(block, CELL_COUNT)):
        record = load(block, CELLS) + 8 * CELL_WORDS * k
        if list_size(load(record, C_QUEUE)) != 0:
            return 1
    return 0


@patient
def free_block(block: int, status: int) -> int:
    """End the use of a block and let others go on; 0 if their waking has raised."""
    atomic_store(block, BUSY, 0)
    if load(block, RELEASE) == 0 or status == INTERRUPTED or not are_waiting(block):
        return 1
    outcome = vectorcall(load(block, WAKE), 0, 0, 0)
    if outcome == 0:
        return 0
    decref(outcome)
    return 1


@patient
def new_output(block: int, number: int) -> int:
    """A new array for an output; 0 with MemoryError set."""
    record = load(block, OUTPUTS) + 8 * OUTPUT_WORDS * number
    if load(record, O_BYTES) != 0:
        spare = spare_output(block, record)
        if spare != 0:
            return spare
    dtype = load(record, O_DTYPE)
    incref(dtype)  # NumPy's function takes this reference over
    array = call(EMPTY, load(record, O_RANK), load(record, O_DIMS), dtype, 0)
    if array != 0:
        store(load(block, BASES), load(record, O_BASE), load(array, DATA))
    return array


@patient
def fill_list(block: int, result: int) -> int:
    """Put the outputs into their list; 0 if memory is lacking."""
    for k in range(load(block, OUTPUT_COUNT)):
        array = new_output(block, k)
        if array == 0:
            decref(result)
            return 0
        set_item(result, k, array)
    return result


@patient
def new_result(block: int, empty_list: int) -> int:
    """The object to be returned, a new reference; 0 if memory is lacking."""
    if empty_list != 0:
        return fill_list(block, empty_list)
    if load(block, FORM) == RETURN_ONE:
        return new_output(block, 0)
    incref(NONE)
    return NONE


@patient
def start_released(block: int) -> int:
    """Start the runner; meanwhile other Python threads may run, if the block says so."""
    if load(block, RELEASE) == 0:
        return start(block)
    pin(block, this_thread())
    state = save_thread()
    status = start(block)
    restore_thread(state)
    unpin(block)
    return status


@patient
def report(block: int, step: int) -> int:
    """Call the function that raises the error of a failed step."""
    arguments = stack(1)
    store(arguments, 0, new_integer(step))
    outcome = vectorcall(load(block, FAILURE), arguments, 1, 0)
    decref(load(arguments, 0))
    return outcome


@patient
def attempt(block: int, arguments: int, empty_list: int) -> int:
    """Bind and run a claimed block: the result, or 0 with *block* free again.

    -1 (no address) says that the arguments do not fit, or that the call is to begin again.
    """
    if not bind(block, arguments):
        atomic_store(block, BUSY, 0)
        if empty_list != 0:
            decref(empty_list)
        return -1
    result = new_result(block, empty_list)
    if result == 0:
        atomic_store(block, BUSY, 0)
        return 0
    status = start_released(block)
    well = free_block(block, status)
    if well and status == 0:
        if load(block, LARGE_OUTPUTS) != 0:
            keep_results(block, result, load(block, FORM) == RETURN_LIST)
        return result
    decref(result)
    if not well or status == INTERRUPTED:
        return 0  # the exception is set
    if status == CONFLICT:
        return -1
    return report(block, status - 1)


@patient
def enter(block_array: int, arguments: int, count: int, keywords: int) -> int:
    """What a call of the builtin does, by Python's convention METH_FASTCALL|METH_KEYWORDS."""
    block = load(block_array, DATA)
    free = list_size(load(block, QUEUE)) == 0
    if keywords == 0 and count == load(block, ARGUMENT_COUNT) and free:
        empty_list = 0
        # Before anything else: making a list may run the garbage collector, and with it
        # any Python code, even a call of this very function.
        if load(block, FORM) == RETURN_LIST:
            empty_list = new_list(load(block, OUTPUT_COUNT))
            if empty_list == 0:
                return 0
        if compare_exchange(block, BUSY, 0, this_thread()):
            result = attempt(block, arguments, empty_list)
            if result != -1:
                return result
        elif empty_list != 0:
            decref(empty_list)
    return vectorcall(load(block, FALLBACK), arguments, count, keywords)


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
