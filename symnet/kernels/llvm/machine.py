"""The processor that the process runs on, and LLVM's part: from its text to machine code.

Threads compile side by side.  llvmlite lets only one at a time into LLVM, because modules
share one context unless they are told otherwise; ours have one each, and each thread has
its own target, which is all that LLVM asks.  So the one long step, from a module to machine
code, calls LLVM's function without llvmlite's lock.

Source: LLVM Programmer's Manual, "Threads and LLVM".
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symnet.config import config
from symnet.data_classes import dataclass
from symnet.kernels.llvm.compiler_thread import inside, is_inside, on_compiler_thread
from symnet.kernels.llvm.target import Target, cpu_target
from symnet.lazy import imported_when_used

if TYPE_CHECKING:
    import llvmlite
    import llvmlite.binding as llvm
else:
    llvmlite = imported_when_used("llvmlite")
    llvm = imported_when_used("llvmlite.binding")

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL_CACHE = 32 * 1024  # bytes of the first cache, where the system does not tell


@dataclass(frozen=True)
class Machine:
    """A processor that code can be compiled for here.

    target: what the code generator knows of it; name: all that object code depends on.
    """

    target: Target
    name: str
    _generators: dict[bool, list[llvm.TargetMachine]] = field(
        default_factory=lambda: {False: [], True: []}, compare=False
    )

    @contextmanager
    def generator(self, quick: bool = False) -> Iterator[llvm.TargetMachine]:
        """LLVM's generator, for one thread at a time: one that makes good code, or one that
        makes it quickly."""
        free = self._generators[quick]
        try:
            generator = free.pop()
        except IndexError:
            generator = self.new_generator(quick)
        yield generator
        free.append(generator)

    def new_generator(self, quick: bool = False) -> llvm.TargetMachine:
        return llvm.Target.from_triple(self.target.triple).create_target_machine(
            cpu=self.target.cpu,
            features=self.target.features,
            opt=0 if quick else 2,
            reloc="pic",
            codemodel="small",
            jit=True,
        )

    @on_compiler_thread
    def compile(
        self,
        text: str,
        quick: bool = False,
        passes: Callable[[llvm.ModuleRef, llvm.TargetMachine], None] | None = None,
    ) -> bytes:
        """Machine code of an LLVM module's text, linked to nothing yet; `passes` may
        change the module before."""
        with llvm.parse_assembly(text, llvm.create_context()) as module:
            module.verify()  # 0.1 ms; LLVM would end the process over wrong code
            module.triple = self.target.triple
            with self.generator(quick) as generator:
                if passes is not None:
                    passes(module, generator)
                with passes_left_out():
                    return emit_object(generator, module)

    def assembly(self, text: str) -> str:
        """The same for people."""
        with llvm.parse_assembly(text, llvm.create_context()) as module:
            module.triple = self.target.triple
            return str(self.new_generator().emit_assembly(module))


@cache
def unlocked() -> Any:
    """LLVM's function that makes machine code of a module, without llvmlite's lock; None
    if some later llvmlite has another way in."""
    library, name = llvm.ffi.lib, "LLVMPY_TargetMachineEmitToMemory"
    try:
        locked = getattr(library, name)
        function = getattr(ctypes.CDLL(library._name, handle=library._handle), name)
    except AttributeError:
        return None
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function


def emit_object(target: llvm.TargetMachine, module: llvm.ModuleRef) -> bytes:
    """What `target.emit_object` does, in several threads at once.

    Raises: RuntimeError where LLVM cannot.
    """
    if unlocked() is None:
        return bytes(target.emit_object(module))
    library, as_object = llvm.ffi.lib, 1
    with llvm.ffi.OutputString() as message:
        memory = unlocked()(target, module, as_object, message)
        if not memory:
            raise RuntimeError(str(message))
    start = library.LLVMPY_GetBufferStart(memory)
    try:
        return ctypes.string_at(start, library.LLVMPY_GetBufferSize(memory))
    finally:
        library.LLVMPY_DisposeMemoryBuffer(memory)


_compiling = 0
_counting = threading.RLock()


# Loop strength reduction takes a quarter of the time to compile, and finds nothing to do:
# addresses are written as they are to be computed.
# The others take a twentieth together, and change no byte of what is written here.
LEFT_OUT = (
    "lsr", "constant-hoisting", "partial-libcall-inlining", "mergeicmps",
    "early-ifcvt", "early-taildup", "tail-duplicate",
)  # fmt: skip


@contextmanager
def passes_left_out() -> Iterator[None]:
    """Without some of LLVM's passes.  They can only be switched off for the process, so the
    last thread to end switches them on again."""
    global _compiling
    with _counting:
        if not _compiling:
            switch_off("true")
        _compiling += 1
    try:
        yield
    finally:
        with _counting:
            _compiling -= 1
            if not _compiling:
                switch_off("false")


def switch_off(yes: str) -> None:
    for name in LEFT_OUT:
        llvm.set_option("symnet", f"-disable-{name}={yes}")


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Threads that the settings allow."""
    return config.num_threads or processors()


@cache
def first_cache(folder: Path = CACHES) -> int:
    """Bytes of the first cache of a core, as far as the system tells (Linux does), or 32 KiB."""
    try:
        for cache_ in sorted(folder.glob("index*")):
            level, kind, size = (
                (cache_ / name).read_text().strip()
                for name in ("level", "type", "size")
            )
            if level == "1" and kind in ("Data", "Unified"):
                return int(size.removesuffix("K")) * 1024
    except (OSError, ValueError):
        pass
    return USUAL_CACHE


def in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    """Do all jobs, on as many threads as the settings allow, the caller's one of them.

    (To import `concurrent.futures`, which does the same, takes as long as two kernels.)
    Raises: the first error of a job, when all threads have ended.
    """
    left, errors, within = iter(jobs), list[BaseException](), is_inside()

    def work() -> None:
        try:
            for job in left:
                inside(job) if within else job()
        except BaseException as error:
            errors.append(error)

    count = min(thread_count(), len(jobs))
    threads = [threading.Thread(target=work) for _ in range(count - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@cache
@on_compiler_thread
def machine() -> Machine:
    """The host.  LLVM is initialised at the first call (about 2 ms), not at import."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    features = dict(llvm.get_host_cpu_features())
    return build(
        cpu_target(llvm.get_process_triple(), llvm.get_host_cpu_name(), features)
    )


def build(target: Target) -> Machine:
    """A machine with that processor: the tests also build poorer ones than the host."""
    versions = f"llvmlite {llvmlite.__version__} llvm {llvm.llvm_version_info}"
    return Machine(target, f"{target.triple} {target.cpu} {target.features} {versions}")
