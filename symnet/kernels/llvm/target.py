"""What code is generated for, as plain data: the generator asks nothing of its own machine.

A point of a loop is either a lane of a vector register (x86-64, ARM) or a thread of its
own (NVPTX, and for tests any processor, where the thread's number is an argument).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symnet.data_classes import dataclass

# The oldest PTX that knows an architecture: what a driver accepts begins with it.
# Source: "PTX ISA", release notes.
PTX_OF_ARCHITECTURE = {
    "sm_75": 63, "sm_80": 70, "sm_86": 71, "sm_87": 74, "sm_89": 78, "sm_90": 78,
    "sm_100": 86, "sm_103": 88, "sm_120": 87,
}  # fmt: skip

WIDE = ("avx512f", "avx512bw", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Target:
    """One kind of processor.

    triple, cpu, features: as LLVM names them.  (How data lies follows from the triple; LLVM
    is asked, as its answer changes from version to version.)
    vector_bytes: of one vector register; registers: how many of them there are.
    fused: whether a*b+c is one instruction (elsewhere LLVM would call a slow function);
    half: whether float16 is converted to float32 and back by one (else by functions of ours,
    `half_conversions`).
    attributes: the LLVM attributes of every function.
    threads: where a point's number comes from: "" it is a vector lane, "special" it is a
    thread that reads registers of its own, "argument" one that is told.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fused: bool
    half: bool
    attributes: str = "nounwind"
    threads: str = ""

    @property
    def has_masks(self) -> bool:
        """Whether loads and stores under a mask cost no more than others."""
        return self.vector_bytes == 64

    @property
    def is_x86(self) -> bool:
        return self.triple.startswith("x86_64")

    @property
    def is_arm(self) -> bool:
        """Of 64 bits; macOS has a name of its own for it."""
        return self.triple.partition("-")[0] in ("aarch64", "arm64")


def vector_bytes(features: Mapping[str, bool]) -> int:
    """Bytes of the widest vector register with masks (or the usual 16).

    Measured on Sapphire Rapids: 64 bytes take 0.6 to 0.9 of the time of 32 for softmax,
    tanh and exp, sums in the cache; the same for what waits for memory.
    """
    if all(features.get(feature) for feature in WIDE):
        return 64
    return 32 if features.get("avx2") else 16


def cpu_target(triple: str, cpu: str, features: Mapping[str, bool]) -> Target:
    """A processor with vectors; `features` as LLVM names them, with whether it has them.

    Example: `cpu_target("x86_64-unknown-linux-gnu", "haswell", {"avx2": True, ...})`.
    """
    flags = ",".join(
        f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())
    )
    width = vector_bytes(features)
    # Processors of the first AVX-512 years make LLVM split 64-byte vectors in two;
    # ours are written to be used whole.
    bits = f'"min-legal-vector-width"="{8 * width}" "prefer-vector-width"="{8 * width}"'
    found = Target(
        triple=triple,
        cpu=cpu,
        features=flags,
        vector_bytes=width,
        registers=32 if width == 64 else 16,
        fused=bool(features.get("fma")),
        half=bool(features.get("f16c")),
    )
    if found.is_arm:
        return replace(found, registers=32, fused=True, half=True)
    return replace(found, attributes=f"nounwind {bits}") if found.is_x86 else found


def nvptx_target(architecture: str) -> Target:
    """A GPU of NVIDIA's, one thread a point.

    Raises: ValueError for an architecture without an entry in PTX_OF_ARCHITECTURE.
    Example: `nvptx_target("sm_90")`.
    """
    if architecture not in PTX_OF_ARCHITECTURE:
        known = ", ".join(PTX_OF_ARCHITECTURE)
        raise ValueError(f"no code for {architecture!r}; known are {known}")
    return Target(
        triple="nvptx64-nvidia-cuda",
        cpu=architecture,
        features=f"+ptx{PTX_OF_ARCHITECTURE[architecture]}",
        vector_bytes=0,
        registers=0,
        fused=True,
        half=True,
        threads="special",
    )


def threads_on(target: Target) -> Target:
    """The same processor with a thread for each point, whose number is an argument: what a
    GPU would do, to be run where there is none."""
    return replace(target, vector_bytes=0, threads="argument")
