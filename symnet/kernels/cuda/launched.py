"""What the tasks of a program launch on a GPU: kernels, routines, and products with kernels
around."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod

import numpy as np

from symnet.config import config
from symnet.kernels.cuda.convolution_work import work_of_convolution
from symnet.kernels.cuda.cublas import CublasProduct
from symnet.kernels.cuda.driver import (
    Allocation,
    Driver,
    GpuLaunch,
    ThreadCode,
    grid_for,
)
from symnet.kernels.cuda.gemm_work import (
    KernelStep,
    ProductStep,
    Work,
    work_of_product,
)
from symnet.kernels.cuda.routine_work import RoutineStep, routine_step
from symnet.kernels.interface import AnyTask, Repeat, Task
from symnet.kernels.legality import stages_of
from symnet.kernels.library import ConvolutionCall, DenseCall, GemmCall
from symnet.kernels.llvm.thread_sources import ThreadSource
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.variants import WARP, item_threads

MOST = 4096  # tasks of a graph
Codes = Mapping[ThreadSource, ThreadCode]


class Launched:
    """All that a program launches, with its code.

    moving: the numbers of arrays of a call that may lie elsewhere in the next one.
    works: what tasks launch, by their ids; those that are not launched are not among them.
    """

    def __init__(
        self, driver: Driver, tasks: Sequence[AnyTask], moving: Collection[int]
    ) -> None:
        self.driver = driver
        self.works: dict[int, Work] = {}
        for task in single_tasks(tasks):
            if (work := work_of(driver, task, moving)) is not None:
                self.works[id(task)] = work
        steps = [one for work in self.works.values() for one in work.steps]
        needed = [one.source for one in steps if not isinstance(one, ProductStep)]
        self.codes: Codes = dict(zip(needed, driver.compile(needed), strict=True))
        kernels = {one.kernel for one in steps if isinstance(one, KernelStep)}
        self.fallible = set(filter(goes_anywhere, kernels))
        # Whether there is a product, which has addresses of its own.
        self.multiplies = len(needed) < len(steps)
        # One task comes after the other.
        every = (work.scratch_bytes for work in self.works.values())
        self.scratch_bytes = max(every, default=0)

    def may_fail(self, task: Task) -> bool:
        return task.kernel in self.fallible

    def begins_at_once(self, tasks: Sequence[AnyTask]) -> bool:
        """Whether tasks can be recorded as one, and none of them fails."""
        plain = [one for one in tasks if isinstance(one, Task)]
        known = all(id(one) in self.works for one in plain)
        fails = any(map(self.may_fail, plain))
        few = len(plain) == len(tasks) <= MOST
        return few and known and not fails


def work_of(driver: Driver, task: Task, moving: Collection[int]) -> Work | None:
    """What a task launches; None where a library of arrays does it."""
    if task.kernel is not None:
        numbers = tuple(range(len(task.places)))
        starts = (0,) * len(numbers)
        return Work((KernelStep(task.kernel, task.arrangement, numbers, starts),))
    call = task.arrangement
    if isinstance(call, DenseCall):
        in_order = config.of_plan("portable_sums") == "on"
        step = routine_step(call, in_order)
        return None if step is None else Work((step,))
    moves = [
        p is not None and (p.follows >= 0 or (p.kind == "base" and p.number in moving))
        for p in task.places
    ]
    if isinstance(call, ConvolutionCall):
        return work_of_convolution(
            call, moves, factors_format(), not driver.productless
        )
    if not isinstance(call, GemmCall) or driver.productless:
        return None
    return work_of_product(call, moves, factors_format())


def factors_format() -> str:
    """What products of float32 may round their factors to, as in `CublasProduct`: the coarser
    where two formats are allowed."""
    if config.of_plan("gpu_bf16") == "on":
        return "bfloat16"
    return "tf32" if config.of_plan("gpu_tf32") == "on" else ""


def launches_of(
    driver: Driver,
    codes: Codes,
    work: Work,
    pointers: Sequence[int],
    failed: int,
    scratch: Allocation,
    block: int | None = None,
) -> tuple[list[GpuLaunch | CublasProduct], list[Allocation]]:
    """What a task launches, and the memory that it needs meanwhile besides `scratch`.

    pointers: the addresses of its operands.  block: of words, one for each operand of each
    of its kernels and routines, which say where these lie in a call; None: they lie at `pointers`.
    """
    held: list[Allocation] = []
    every = [*pointers, *(scratch.address + start for start in work.scratch)]
    found: list[GpuLaunch | CublasProduct] = []
    for step in work.steps:
        if isinstance(step, ProductStep):
            found.append(step.at(every))
            continue
        given = [
            every[number] + offset
            for number, offset in zip(step.operands, step.offsets, strict=True)
        ]
        at = driver.still
        if block is not None:
            own = [number < len(pointers) for number in step.operands]
            given = [0 if read else p for read, p in zip(own, given, strict=True)]
            at, block = block, block + 8 * len(given)
        if isinstance(step, RoutineStep):
            found += routine_launches(codes, step, given, failed, at)
        else:
            found += kernel_launches(driver, codes, step, given, failed, at, held)
    return found, held


def routine_launches(
    codes: Codes, step: RoutineStep, pointers: Sequence[int], failed: int, block: int
) -> list[GpuLaunch]:
    """What a routine launches: nothing where there is nothing to do."""
    if not step.total:
        return []
    words = np.array([*pointers, *step.sizes], np.int64)
    (function,) = codes[step.source].functions
    return [GpuLaunch(function, grid_for(step.total), words, step.total, failed, block)]


def kernel_launches(
    driver: Driver,
    codes: Codes,
    step: KernelStep,
    pointers: Sequence[int],
    failed: int,
    block: int,
    held: list[Allocation],
) -> list[GpuLaunch]:
    """What a kernel launches; memory that it needs is added to `held`."""
    schedule = step.arrangement
    words = np.array(schedule.words, np.int64)
    for slot, pointer in zip(schedule.pointer_slots, pointers, strict=True):
        words[slot] = pointer
    if not schedule.total:
        return []
    items = grid_for(schedule.total * item_threads(schedule.variant))
    grids = [items]
    if schedule.scratch_bytes:
        held.append(driver.allocate(schedule.scratch_bytes))
        words[schedule.scratch_slot] = held[-1].address
        rows = grid_for(WARP * prod(schedule.words[: len(schedule.variant.kept)]))
        kinds = [stage.kind for stage in stages_of(step.kernel)]
        grids = [items if kind == "parts" else rows for kind in kinds]
    functions = codes[step.source].functions
    return [
        GpuLaunch(function, grid, words, schedule.total, failed, block)
        for function, grid in zip(functions, grids, strict=True)
    ]


def begin(driver: Driver, launch: GpuLaunch | CublasProduct) -> None:
    """Begin a kernel's function or a product."""
    if isinstance(launch, CublasProduct):
        driver.multiply(launch)
    else:
        driver.launch(launch)


def single_tasks(tasks: Sequence[AnyTask]) -> Iterator[Task]:
    """All tasks, those inside loops and choices too."""
    for task in tasks:
        if isinstance(task, Task):
            yield task
        else:
            bodies = (task.body,) if isinstance(task, Repeat) else task.bodies
            for body in bodies:
                yield from single_tasks(body)


def goes_anywhere(kernel: Kernel) -> bool:
    """Whether it goes to computed positions, and so may fail."""
    values = walk(out.value for out in kernel.outputs)
    return any(out.indices for out in kernel.outputs) or any(
        node.op == "gather" for node in values
    )


__all__ = ["MOST", "Codes", "Launched", "begin", "launches_of"]
