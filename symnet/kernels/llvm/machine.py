"""The processor that code is generated for: one target machine for the process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import llvmlite
import llvmlite.binding as llvm


@dataclass(frozen=True)
class Machine:
    """What the code generator must know about the processor.

    `target` makes good code, `quick_target` makes code quickly;
    `vector_bytes` is the width of one vector register, `fused` whether a*b+c is one
    instruction (elsewhere LLVM would call a slow function for it), `half` whether it
    converts float16 to float32 and back, `attributes` the LLVM attributes of every
    function, `name` all that object code depends on.
    """

    target: llvm.TargetMachine
    quick_target: llvm.TargetMachine
    triple: str
    vector_bytes: int
    fused: bool
    half: bool
    attributes: str
    name: str

    def object_code(self, module: llvm.ModuleRef, quick: bool = False) -> bytes:
        """Machine code of a module, linked to nothing yet.

        LLVM's loop strength reduction takes a quarter of the time to compile and finds
        nothing to do: addresses are written as they are to be computed.  It can only be
        switched off for the process, so it is switched on again at once.
        """
        llvm.set_option("symnet", "-disable-lsr=true")
        try:
            target = self.quick_target if quick else self.target
            return bytes(target.emit_object(module))
        finally:
            llvm.set_option("symnet", "-disable-lsr=false")


def vector_width(features: dict[str, bool], triple: str) -> int:
    """Bytes of the widest vector register with masks (or the usual 16).

    Measured on Sapphire Rapids: 64 bytes take 0.6 to 0.9 of the time of 32 for softmax,
    tanh and exp, sums in the cache; the same for what waits for memory.
    """
    wide = ("avx512f", "avx512bw", "avx512dq", "avx512vl")
    if all(features.get(feature) for feature in wide):
        return 64
    return 32 if features.get("avx2") else 16


@cache
def machine() -> Machine:
    """The host.  LLVM is initialised at the first call (about 2 ms), not at import."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    triple = llvm.get_process_triple()
    cpu = llvm.get_host_cpu_name()
    features = dict(llvm.get_host_cpu_features())
    return build(triple, cpu, features)


def build(triple: str, cpu: str, features: dict[str, bool]) -> Machine:
    """A machine by name: the tests also build poorer ones than the host."""
    flags = ",".join(
        f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())
    )

    def target(level: int) -> llvm.TargetMachine:
        return llvm.Target.from_triple(triple).create_target_machine(
            cpu=cpu, features=flags, opt=level, reloc="pic", codemodel="small", jit=True
        )

    width = vector_width(features, triple)
    # Processors of the first AVX-512 years make LLVM split 64-byte vectors in two;
    # ours are written to be used whole.
    bits = f'"min-legal-vector-width"="{8 * width}" "prefer-vector-width"="{8 * width}"'
    attributes = f"nounwind {bits}" if triple.startswith("x86_64") else "nounwind"
    versions = f"llvmlite {llvmlite.__version__} llvm {llvm.llvm_version_info}"
    return Machine(
        target=target(2),
        quick_target=target(0),
        triple=triple,
        vector_bytes=width,
        fused=bool(features.get("fma")) or triple.startswith("aarch64"),
        half=bool(features.get("f16c")) or triple.startswith("aarch64"),
        attributes=attributes,
        name=f"{triple} {cpu} {flags} {versions}",
    )
