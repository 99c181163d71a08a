"""Functions that copy their arguments, called through the call boundary."""

from __future__ import annotations

import numpy as np

from symnet.kernels.cpu.library.call_steps import copy_launch
from symnet.kernels.cpu.runtime.call_block import (
    RETURN_LIST,
    RETURN_NONE,
    Argument,
    BlockCell,
    ResultSlot,
    call_block,
)
from symnet.kernels.cpu.runtime.call_boundary import make_builtin
from symnet.kernels.cpu.runtime.layouts import (
    PatchWords,
    StepWords,
)
from symnet.kernels.cpu.runtime.runner import (
    READS,
)


class Program:
    """A function that returns copies of its arguments, made of copying steps.

    `calls` counts what went to the fallback, which returns what it got.
    """

    def __init__(
        self, specs, form=RETURN_LIST, extra=(), cells=(), use=READS, **settings
    ):
        inputs = [
            Argument(*spec) if isinstance(spec, tuple) else spec for spec in specs
        ]
        count = len(inputs)
        self.inputs = inputs
        self.arguments = [
            Argument(a.dtype, a.shape, k, a.strides, a.numbers)
            for k, a in enumerate(inputs)
        ]
        given = [(a.dtype, a.shape) for a in inputs] + [spec for spec, _ in cells]
        if form == RETURN_NONE:
            given = []
        outputs = [
            ResultSlot(*spec, count + len(cells) + k) for k, spec in enumerate(given)
        ]
        self.words, records, patches = [], [], []
        for k, output in enumerate(outputs):
            size = int(np.prod(output.shape)) * np.dtype(output.dtype).itemsize
            step = copy_launch(size)
            words = np.array(step.words)
            self.words.append(words)
            records.append([step.address, words.ctypes.data, step.total, step.grain])
            patches.append([words.ctypes.data, output.base, 0])
            patches.append([words.ctypes.data + 8, k, 0])
        records += [[s.address, 0, 1, 1] for s in extra]
        self.steps = np.array(records, np.int64).reshape(-1, StepWords.count)
        self.patches = np.array(patches, np.int64).reshape(-1, PatchWords.count)
        self.calls = []
        self.failures = []
        self.queue = []
        self.block = call_block(
            arguments=self.arguments,
            cells=[
                BlockCell(*cell, count + k, use) for k, (_, cell) in enumerate(cells)
            ],
            queue=self.queue,
            outputs=outputs,
            base_count=count + len(cells) + len(outputs),
            patches=(self.patches.ctypes.data, len(self.patches)),
            steps=(self.steps.ctypes.data, len(self.steps)),
            form=form,
            fallback=self.fallback,
            failure=self.failure,
            keep=[self.words, self.steps, self.patches, extra],
            **settings,
        )
        self.call = make_builtin(self.block)

    def fallback(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return "fallback"

    def failure(self, step):
        self.failures.append(step)
        raise ArithmeticError(f"step {step}")


def natively(program, *args):
    before = len(program.calls)
    result = program.call(*args)
    assert len(program.calls) == before, "went to the fallback"
    return result


def refused(program, *args, **kwargs):
    assert program.call(*args, **kwargs) == "fallback"
    seen_args, seen_kwargs = program.calls[-1]
    assert len(seen_args) == len(args)
    assert all(a is b for a, b in zip(seen_args, args, strict=True))
    assert seen_kwargs == kwargs
    return True
