"""From a module of thread code to PTX, the assembly of NVIDIA's GPUs, by LLVM alone.

No GPU and no CUDA is needed: a driver compiles PTX for the GPU that it has.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from symnet.kernels.llvm.compiler_thread import on_compiler_thread
from symnet.kernels.llvm.target import Target
from symnet.lazy import imported_when_used

if TYPE_CHECKING:
    import llvmlite.binding as llvm
else:
    llvm = imported_when_used("llvmlite.binding")


@cache
def initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@on_compiler_thread
def ptx(text: str, target: Target) -> str:
    """The PTX of a module that was written for a GPU (`nvptx_target`).

    Raises: RuntimeError for text that is no module, and where this LLVM knows no GPUs.
    Example: `ptx(emit(kernel, variant, target), target)`.
    """
    initialize()
    generator = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3
    )
    with llvm.parse_assembly(text, llvm.create_context()) as module:
        module.verify()
        module.triple = target.triple
        module.data_layout = str(generator.target_data)
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        # Loops are as they are to be: threads stand side by side already.
        options.loop_vectorization = options.slp_vectorization = False
        passes = llvm.create_pass_builder(generator, options)
        passes.getModulePassManager().run(module, passes)
        return str(generator.emit_assembly(module))
