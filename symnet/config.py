"""Settings, readable and writable as attributes of `symnet.config`.

They start from the environment: `SYMNET_FLAGS="floatX=float32,mode=FAST_COMPILE"`,
`SYMNET_CACHE` (folder of compiled kernels) and `SYMNET_NUM_THREADS`.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from symnet.html_tables import escape, html_table

# name -> (allowed values or type, what it means)
CHOICES: dict[str, tuple[str, ...]] = {
    "floatX": ("float16", "float32", "float64"),
    "cast_policy": ("numpy+floatX", "custom", "numpy"),
    "mode": ("FAST_RUN", "FAST_COMPILE", "DebugMode", "NanGuardMode"),
    "optimizer": (
        "fast_run",
        "fast_compile",
        "None",
        "o4",
        "o3",
        "o2",
        "o1",
        "unsafe",
        "merge",
    ),
    "linker": (
        "cvm",
        "cvm_nogc",
        "c|py",
        "c|py_nogc",
        "c",
        "vm",
        "vm_nogc",
        "py",
        "vm_py",
    ),
    "on_unused_input": ("raise", "warn", "ignore"),
    "exception_verbosity": ("low", "high"),
    "on_rewrite_error": ("warn", "raise"),
    "compute_test_value": ("off", "ignore", "warn", "raise"),
    "print_test_value": ("off", "on"),
    "warn_float64": ("ignore", "warn", "raise"),
    "verify": ("off", "on"),
    "device": ("cpu", "reference", "emulated", "cuda"),
    "winograd": ("on", "off"),
    "newaxis": ("numpy", "theano"),
    "gpu_graphs": ("auto", "on", "off"),
    "gpu_tf32": ("off", "on"),
    "gpu_bf16": ("off", "on"),
    "portable_sums": ("off", "on"),
    "gpu_atomics": ("off", "on"),
    "gpu_approximate": ("off", "on"),
}
# What a function is made with, for all of its later plans.
OF_FUNCTIONS = (
    "winograd", "portable_sums", "gpu_tf32", "gpu_bf16", "gpu_atomics", "gpu_approximate",
)  # fmt: skip
# GPUs by number, in our words, Theano's and PyTorch's; 0, the first one, may be left out.
GPU_NAME = "(cuda|gpu|emulated)(:?(0|[1-9][0-9]{0,3}))?"
SIZES = ("cache_size", "memory_kept")  # numbers of bytes
MOST_THREADS = 1024
CONTAINER_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


_held = threading.local()


class Config:
    """The settings.  An unknown name or value raises at the assignment.

    A function keeps the settings with which it was made, where they change its numbers.

    floatX: dtype of `T.matrix()` and of Python floats that meet integers.
    cast_policy: dtype of integer arrays combined with float arrays:
        "numpy+floatX" NumPy's rule, but a float64 that no operand had becomes floatX
        where floatX is smaller (int64 * float32 stays float32 under floatX=float32);
        "custom" and "numpy" NumPy's rule alone (Theano's "custom" is this rule).
    mode: what `function` does when no mode is given.
    optimizer, linker: what the mode FAST_RUN means where it is the setting `mode` that
        asks for it, as `Mode(linker, optimizer)`: "None", "merge", "fast_compile" and "o1"
        leave graphs as they are but for what native code needs, "py" and "vm_py" have NumPy
        compute them;
        all other values mean the same, every rewrite and native code.
    print_test_value: "on" shows the test value of a variable with its name.
    on_unused_input: what `function` does with an input that no output needs.
    compute_test_value: whether new operations are computed from the `tag.test_value` of
        their inputs, and what is done about an input without one: "off", "ignore",
        "warn", "raise".
    warn_float64: what is done when a float64 variable is made.
    device: where functions run, and values of shared variables lie, when no device is
        given: "cpu"; "cuda", a GPU (also "gpu", "cuda0", "gpu0"), "cuda1" ("gpu1") the
        next one, and so on; "reference": the same programs run by NumPy, loop by loop, to
        judge those of other devices by; "emulated", "emulated1": what GPUs would do, thread
        by thread on the CPU, to test it by.
    verify: "on" checks graphs, programs and kernels after every pass, and proves for each
        set of sizes that memory holds what is read (`symnet.compile.memory.verify_placement`);
        slow, meant for tests.
    winograd: "on" lets convolutions with 3 x 3 taps on the CPU multiply less often, by
        Winograd's forms, where that is faster.  An error is then relative to the largest
        numbers near by, not to those that an element is made of: with "off" each element
        is the sum of its own products.
    newaxis: with "theano", which `install_as_theano()` sets, an index that has a None
        leaves out axes that it does not name and whose size is known to be 1, as Theano
        did: `x[:, None]` of a column is a column, and a warning says so.  With "numpy"
        it keeps them all.
    gpu_graphs: whether what a plan launches on a GPU is recorded as a graph when it is
        called for the second time, and replayed from then on: "auto" where the driver has
        graphs; "on" raises where it has none; "off" launches step by step.
    gpu_tf32: "on" lets products of float32 on a GPU round their factors to 10 bits behind the
        point, as its tensor cores take them.
    gpu_bf16: "on" lets them round their factors to bfloat16, 7 bits behind the point, and add
        up in float32: an error of up to 2^-8 of each factor.  With both "on" it is this one
        that counts, the coarser.
    portable_sums: "on" makes the CPU add up in the order in which GPUs do, one that follows
        from sizes and strides alone: sums, means, products and all other reductions then
        have the same bits on the CPU, whatever its vectors, and on a GPU.  Products of
        matrices and convolutions are left to libraries, whose orders differ.
    gpu_atomics: "on" lets threads of a GPU add to computed positions (`inc_subtensor`, the
        gradient of an index) in any order: quicker where positions are many, but last bits of
        floats then differ from run to run.  With "off" each place is written in the order of
        the positions, as on the CPU.
    gpu_approximate: "on" takes the GPU's own approximations of exp, exp2, log, log2, log10,
        tanh and sigmoid of float32 and float16 (some 22, of tanh 11 bits; log near 1 has no
        digits to rely on) in place of ours, which have the CPU's bits.
    exception_verbosity: "high" keeps symnet's own frames in tracebacks.
    on_rewrite_error: what is done about a rule or pass of the compiler that fails: it is
        left out with one warning ("warn"), or its error is raised (in symnet's tests).
    cache_dir: folder of compiled kernels; empty string: no cache on disk, as where the
        environment names no HOME, or none that is there.
    cache_size: bytes of the files there; what was used longest ago goes first.
    memory_kept: bytes that the process keeps for later calls: large results that nobody
        holds any more, and as many again for temporaries of plans other than the latest
        of each function.  At first an eighth of the memory of the machine, or of the
        container, but no more than 512 MiB.  A change holds from the next function, or
        sizes, that are new.  Such numbers may be written as "200M", with K, M, G or T.
    num_threads: threads of one function call, and of compiling; 0: as many as the process
        may use.  A change holds from the next function, or sizes, that are new.
    """

    floatX: str
    cast_policy: str
    mode: str
    optimizer: str
    linker: str
    print_test_value: str
    on_unused_input: str
    exception_verbosity: str
    on_rewrite_error: str
    compute_test_value: str
    warn_float64: str
    verify: str
    device: str
    winograd: str
    newaxis: str
    gpu_graphs: str
    gpu_tf32: str
    gpu_bf16: str
    portable_sums: str
    gpu_atomics: str
    gpu_approximate: str
    cache_dir: str
    cache_size: int
    memory_kept: int
    num_threads: int

    def __init__(self) -> None:
        defaults: dict[str, Any] = {name: values[0] for name, values in CHOICES.items()}
        defaults["floatX"] = "float64"
        defaults["cache_dir"] = os.environ.get("SYMNET_CACHE", home_cache())
        defaults["num_threads"] = threads_of_environment()
        defaults["cache_size"] = "512M"
        defaults["memory_kept"] = min(512 << 20, memory_of_machine() // 8)
        for name, value in defaults.items():
            setattr(self, name, value)
        for setting in filter(None, os.environ.get("SYMNET_FLAGS", "").split(",")):
            name, _, value = setting.partition("=")
            setattr(self, name.strip(), value.strip())

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "device":
            value = device_named(value, "config.device: ")
        elif name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(
                    f"config.{name} must be one of {CHOICES[name]}, not {value!r}"
                )
        elif name == "num_threads":
            if not is_number(value) or int(value) > MOST_THREADS:
                raise ValueError(
                    f"config.num_threads must be a number of threads up to {MOST_THREADS}, "
                    f"or 0 for as many as the process may use, not {value!r}"
                )
            value = int(value)
        elif name in SIZES:
            value = bytes_of(name, value)
        elif name == "cache_dir":
            value = full_path(os.fspath(value))
        else:
            raise AttributeError(no_setting(name))
        object.__setattr__(self, name, value)

    def of_functions(self) -> dict[str, str]:
        """The settings of now that a function keeps which is made now."""
        return {name: getattr(self, name) for name in OF_FUNCTIONS}

    def of_plan(self, name: str) -> str:
        """A setting of `OF_FUNCTIONS`, of the function that makes a plan in this thread;
        elsewhere as it is now."""
        held: dict[str, str] = getattr(_held, "settings", None) or vars(self)
        return held[name]

    @contextmanager
    def held(self, settings: dict[str, str]) -> Iterator[None]:
        """Within the `with` block, in this thread, `of_plan` gives these."""
        before = getattr(_held, "settings", None)
        _held.settings = settings
        try:
            yield
        finally:
            _held.settings = before

    def __repr__(self) -> str:
        settings = vars(self)
        width = max(map(len, settings))
        return "\n".join(f"{name:{width}}  {settings[name]}" for name in settings)

    def _repr_html_(self) -> str:
        rows = [
            [
                escape(str(part))
                for part in (name, value, ", ".join(CHOICES.get(name, ())))
            ]
            for name, value in vars(self).items()
        ]
        return html_table(rows, ("setting", "value", "one of"))

    @contextmanager
    def change_flags(self, **settings: Any) -> Iterator[Config]:
        """Within the `with` block the given settings hold; afterwards the old ones."""
        for name in settings:
            if not hasattr(self, name):
                raise AttributeError(no_setting(name))
        old = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in old.items():
                setattr(self, name, value)


def no_setting(name: str) -> str:
    known = ", ".join([*CHOICES, "cache_dir", *SIZES, "num_threads"])
    return f"config has no setting {name!r}; it has {known}"


def device_named(name: Any, where: str = "") -> str:
    """The device of a name, by its own name: a GPU has several.  Whether a GPU of that number
    is there, only the device knows.

    Raises: ValueError for another name, with those that there are.
    Example: `device_named("gpu0")` is "cuda", `device_named("cuda:1")` is "cuda1".
    """
    if name in CHOICES["device"]:
        return str(name)
    if found := re.fullmatch(GPU_NAME, str(name)):
        kind = "cuda" if found[1] == "gpu" else found[1]
        return gpu_name(kind, int(found[3] or 0))
    text = (
        f"{where}there is no device {name!r}; there are {', '.join(CHOICES['device'])}"
    )
    if re.fullmatch("(cuda|gpu|emulated|opencl).*", str(name)):
        text += " (cuda0, or cuda, is the first GPU, cuda1 the next one)"
    raise ValueError(text)


def gpu_name(kind: str, number: int) -> str:
    """The own name of a GPU.  Example: `gpu_name("cuda", 1)` is "cuda1"."""
    return f"{kind}{number}" if number else kind


def kind_and_number(device: str) -> tuple[str, int]:
    """What a device's own name says.  Example: `kind_and_number("cuda1")` is ("cuda", 1)."""
    kind = device.rstrip("0123456789")
    return kind, int(device[len(kind) :] or 0)


def home_cache() -> str:
    """The cache's folder in the user's home; empty without one.

    Not `~` of the user database, nor anything relative: a home that the environment does
    not name may be nobody's, and a folder `~` in the current directory anybody's.  Nor is
    a home made that is not there."""
    home = os.path.expanduser("~") if os.name == "nt" else os.environ.get("HOME", "")
    there = os.path.isabs(home) and os.path.isdir(home)
    return os.path.join(home, ".cache", "symnet") if there else ""


def full_path(folder: str) -> str:
    """`folder` wherever the program goes; empty for a `~` that stands for nothing."""
    if not folder:
        return ""
    if folder.startswith("~"):
        folder = os.path.expanduser(folder)
        return folder if os.path.isabs(folder) else ""
    return os.path.abspath(folder)


def is_number(value: Any) -> bool:
    return re.fullmatch("[0-9]{1,15}", str(value)) is not None


def threads_of_environment() -> str:
    """What SYMNET_NUM_THREADS asks for, "0" if it is not set.

    Raises: ValueError where it is no number of threads."""
    value = os.environ.get("SYMNET_NUM_THREADS", "")
    if value.strip() and not (
        is_number(value.strip()) and 1 <= int(value) <= MOST_THREADS
    ):
        raise ValueError(
            f"the environment variable SYMNET_NUM_THREADS must be a number of threads from "
            f"1 to {MOST_THREADS}, not {value!r}; without it symnet uses as many as the "
            "process may"
        )
    return value.strip() or "0"


def memory_of_machine() -> int:
    """Bytes of memory that this process may use, as far as the system says so."""
    found = [1 << 40]
    with suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in CONTAINER_LIMITS:
        # The file may say "max" instead, or a number beyond all memory.
        with suppress(OSError, ValueError), open(limit) as file:
            found.append(int(file.read()))
    return min(number for number in found if number > 0)


def bytes_of(name: str, value: Any) -> int:
    """A number of bytes, which may end in K, M, G or T (powers of 1024)."""
    found = re.fullmatch("([0-9]{1,15})([KMGT]?)", str(value).strip().upper())
    if found is None:
        raise ValueError(
            f"config.{name} must be a number of bytes, such as 200000000 or '200M', not "
            f"{value!r}"
        )
    return int(found[1]) << 10 * " KMGT".index(found[2] or " ")


config = Config()
