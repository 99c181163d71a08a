"""The compilation of small graphs as text: what a change of the compiler changes.

Each file of `tests/golden/compile` has the rewritten graph, the program with its placement,
the kernels, and LLVM IR: of each kernel for AVX-512, the blocks that read or write arrays.
(What stands around them is the same for all kernels, and whole in `tests/golden/kernels`.)
`pytest tests/compile/test_golden.py --update-golden` writes the files anew; whether they are
right is to be read in the diff.
"""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, grad, scan, shared
from symnet.compile.lower.program import KernelLaunch
from symnet.ifelse import ifelse
from symnet.kernels.llvm.emit import emit
from symnet.kernels.schedule import arrange
from symnet.printing.stages import Stages, numbered
from symnet.random import RandomStream
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from tests.helpers import reference_sort
from tests.kernels.targets import TARGETS

FOLDER = pathlib.Path(__file__).parent.parent / "golden" / "compile"
GRAPHS = {}
# Of the loops of a kernel, outermost first: long enough for every kind of variant.
SIZES = (30, 40, 50, 20)

x, y = T.dmatrix("x"), T.dmatrix("y")
v, u = T.dvector("v"), T.dvector("u")
f32, a, b = T.fmatrix("f32"), T.dscalar("a"), T.dscalar("b")
k, n, flag = T.lvector("k"), T.lscalar("n"), T.bscalar("flag")
cube, other = T.dtensor3("cube"), T.dtensor3("other")


def graph(make):
    """Enter a graph by the name of the function that makes it: outputs, updates."""
    GRAPHS[make.__name__] = make
    return make


def weights(*shape, name="w"):
    return shared(np.zeros(shape), name)


# ---- loops without reductions


@graph
def elementwise():
    return [T.exp(x) * y + T.tanh(x)], []


@graph
def two_results_of_one_loop():
    return [T.exp(v), T.exp(v) + u], []


@graph
def casts():
    return [T.cast(f32, "float64") + x, T.cast(x, "int32"), T.cast(k, "bool")], []


@graph
def bools():
    return [T.switch(T.and_(T.gt(x, 0), T.lt(x, y)), x, y), T.eq(k, 3)], []


@graph
def whole_numbers():
    return [k // 3 + k % 3, T.bitwise_and(k, 7)], []


@graph
def half_precision():
    h = T.matrix("h", dtype="float16")
    return [h * 2 + 1], []


@graph
def rows_and_columns():
    row, column = T.drow("row"), T.dcol("column")
    return [x + v, x * row + column], []


@graph
def size_one():
    one = T.TensorType("float64", (1, 1))("one")
    return [one + 1, one.sum(), T.dot(one, one)], []


@graph
def constants():
    table = T.constant(np.arange(6.0).reshape(2, 3))
    return [x + table, T.constant(2.0) * 3], []


@graph
def stable_forms():
    return [T.log(1 + T.exp(v)), T.log(T.nnet.sigmoid(u))], []


# ---- reductions


@graph
def totals():
    return [x.sum(), x.sum(axis=0), x.max(axis=1), f32.sum()], []


@graph
def mean_and_variance():
    return [x.mean(axis=1), x.var(axis=0)], []


@graph
def positions():
    return [T.argmax(x, axis=1), T.all(T.gt(v, 0))], []


@graph
def softmax_rows():
    return [T.nnet.softmax(x)], []


@graph
def softmax_columns():
    return [T.nnet.softmax(x.T).T], []


@graph
def cross_entropy():
    p = T.nnet.softmax(x)
    cost = -T.mean(T.log(p)[T.arange(k.shape[0]), k])
    return [cost, grad(cost, x)], []


# ---- views, writes, positions


@graph
def views():
    return [x.T[::2], x.reshape((-1,)), x[1:, ::-1] + 1], []


@graph
def parts_written():
    return [T.set_subtensor(x[0], v), T.inc_subtensor(v[1:3], 1.0)], []


@graph
def a_part_written_into_what_dies():
    return [T.set_subtensor(T.exp(x)[0], 0.0).sum(axis=0)], []


@graph
def rows_gathered():
    return [x[k], x[k, k]], []


@graph
def rows_scattered():
    return [T.inc_subtensor(x[k], y), T.set_subtensor(v[k], 0.0)], []


@graph
def joined():
    return [T.concatenate([x, y * 2], axis=1), T.stack([v, u])], []


@graph
def filled():
    return [T.zeros_like(x) + a, T.alloc(b, n, 2), T.arange(n), T.eye(3)], []


# ---- products


@graph
def product_with_bias():
    return [T.tanh(T.dot(x, weights(3, 4)) + weights(4, name="bias"))], []


@graph
def scaled_product_added():
    return [y + a * T.dot(x.T, x)], []


@graph
def vectors_and_matrices():
    return [T.dot(v, u), T.dot(x, v), T.outer(v, u)], []


@graph
def batched_product():
    return [T.batched_dot(cube, other)], []


@graph
def operand_with_gaps():
    return [T.dot(x[:, ::2], y)], []


# ---- loops, conditions


@graph
def loop_of_numbers():
    (total, _) = scan(lambda one, s: s * one + 1, v, a)
    return [total[-1]], []


@graph
def loop_of_products():
    w = weights(3, 3)
    h, _ = scan(lambda row, s: T.tanh(T.dot(s, w) + row), cube, x)
    return [h], []


@graph
def loop_that_keeps_its_last_state():
    w = weights(3, 3)
    h, _ = scan(lambda row, s: T.tanh(T.dot(s, w) + row), cube, x)
    return [h[-1]], []


@graph
def loop_with_a_ring():
    start = {"initial": x, "taps": [-3, -1]}
    h, _ = scan(lambda row, s, t: row + s[::-1] * t, y, start)
    return [h[-1]], []


@graph
def loop_that_collects():
    (s, rows), _ = scan(lambda row, s: (s + row, row[::-1] * s), x, [v, None])
    return [s[-1], rows], []


@graph
def loop_that_stops():
    def step(s):
        return s * 2, symnet.scan_module.until(s.sum() > b)

    s, _ = scan(step, outputs_info=v, n_steps=n)
    return [s[-1]], []


@graph
def loop_in_a_loop():
    def step(row, s):
        inner, _ = scan(lambda one, t: t * one + s.sum(), row, a)
        return s + inner[-1]

    s, _ = scan(step, x, v)
    return [s[-1]], []


@graph
def gradient_of_a_loop():
    w = weights(3, 3)
    h, _ = scan(lambda row, s: T.tanh(T.dot(s, w) + row), cube, x)
    return [grad(h[-1].sum(), w)], []


@graph
def condition():
    return [ifelse(flag, T.exp(x), T.dot(x, y))], []


@graph
def condition_on_a_size():
    return [ifelse(x.shape[0] > 3, x * 2, y)], []


# ---- random numbers, updates


@graph
def random_draws():
    stream = RandomStream(3)
    return [x * stream.uniform((2, 3))], []


@graph
def random_draws_of_mrg():
    return [x + MRG_RandomStreams(3).uniform(x.shape)], []


@graph
def gradient_step():
    w = weights(3, 2)
    cost = ((T.dot(x, w) - y) ** 2).mean()
    return [cost], [(w, w - 0.1 * grad(cost, w))]


@graph
def momentum():
    w, m = weights(4), weights(4, name="m")
    new = 0.9 * m - 0.1 * w
    return [], [(m, new), (w, w + new)]


@graph
def update_behind_its_readers():
    w = weights(3, 3)
    return [T.dot(x, w)], [(w, w * 2)]


@graph
def swapped():
    w, m = weights(4), weights(4, name="m")
    return [], [(w, m), (m, w)]


@graph
def update_of_rows():
    w = weights(9, 3)
    return [], [(w, T.inc_subtensor(w[k], x))]


@graph
def update_of_another_size():
    w = weights(4)
    return [w.sum()], [(w, T.concatenate([w, v]))]


# ---- what has no native form


@graph
def reference_between_programs():
    return [reference_sort(T.exp(v)) * 2], []


def compiled(make):
    """The stages of a graph as one text."""
    outputs, updates = make()
    inputs = [x, y, v, u, f32, a, b, k, n, flag, cube, other, *free(outputs)]
    f = function(inputs, outputs, updates=updates, on_unused_input="ignore")
    stages = Stages(f)
    name = stages.graphs[-1][0]
    unused = tuple(f"input {one.name} " for one in inputs if not uses(f, one))
    graph = [line for line in stages.text(name).splitlines()
             if not line.startswith(unused)]  # fmt: skip
    parts = [
        ("graph", "\n".join(graph)),
        ("program", stages.text("program")),
        ("kernels", stages.text("loops")),
        ("LLVM IR, for AVX-512", "\n\n".join(llvm_texts(f))),
    ]
    return "\n\n".join(f"==== {head}\n{text.strip()}" for head, text in parts) + "\n"


def llvm_texts(f):
    """Of each kernel once, with the number of the first step that launches it."""
    segments = getattr(f.engine, "native", ())
    found = {}
    for segment in segments:
        for number, step in numbered(segment.program.steps):
            if isinstance(step, KernelLaunch):
                found.setdefault(step.kernel.text, (number, step.kernel))
    return [
        f"# step {number}\n{llvm_text(kernel)}" for number, kernel in found.values()
    ]


def llvm_text(kernel):
    """The blocks that read or write arrays, where these lie in C order."""
    sizes = SIZES[: len(kernel.reduced)]
    operands = [*kernel.inputs, *(out.operand for out in kernel.outputs)]
    strides = [c_strides(operand, sizes) for operand in operands]
    indexed = {k: [(9, 8)] * one.indexed for k, one in enumerate(operands)}
    variant = arrange(kernel, sizes, strides, indexed).variant
    text = emit(kernel, variant, TARGETS["avx512"])
    blocks = re.split(r"^(?=\w+:$|define|attributes)", text, flags=re.M)
    if variant.lanes != "one":  # where it is, a value that no loop moves is read before
        blocks = [one for one in blocks if not one.startswith("entry")]
    accesses = re.compile(r"load|store|gather|scatter")
    shown = [b for b in blocks if re.match(r"\w+:\n", b) and accesses.search(b)]
    return f"variant {variant.text}\n{''.join(shown)}".rstrip()


def c_strides(operand, sizes):
    """In bytes, 0 along the loops that do not move the operand."""
    strides, step = [], np.dtype(operand.dtype).itemsize
    for size, moves in zip(reversed(sizes), reversed(operand.axes), strict=True):
        strides.insert(0, step if moves else 0)
        step *= size if moves else 1
    return strides


def free(outputs):
    """The inputs that a graph has for itself."""
    shown = {x, y, v, u, f32, a, b, k, n, flag, cube, other}
    found = symnet.gof.graph.inputs(outputs)
    return [one for one in found if type(one) is type(x) and one not in shown]


def uses(f, variable):
    return variable in symnet.gof.graph.inputs(f.maker.fgraph.outputs)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_a_graph_compiles_to(name, golden):
    golden(f"compile/{name}.txt", compiled(GRAPHS[name]))


def test_every_golden_file_has_its_graph():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(GRAPHS)
