"""Code for poorer processors than this one, and for others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from symnet.config import config
from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm import kernel_cache, machine, object_code
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import Machine, build, first_cache
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    call,
    cast,
    gather,
    load,
    reduction,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import forget_kernels, operand
from tests.kernels.llvm import (
    test_emit,
    test_emit_layouts,
    test_emit_positions,
    test_emit_reductions,
)
from tests.kernels.sample_kernels import SAMPLES

HOST = machine.machine()
AVX2 = ("avx2", "avx", "fma", "f16c", "bmi", "bmi2")


def poorer(name: str) -> Machine:
    """The host as it would be without its widest instructions."""
    features = dict(llvm.get_host_cpu_features())
    for feature in features:
        wide = feature.startswith(("avx512", "avx10", "amx", "avx"))
        if wide and not (name == "avx2" and feature in AVX2):
            features[feature] = False
        if name == "sse" and feature in (*AVX2, "sse4.1", "sse4.2", "ssse3", "sse3"):
            features[feature] = False
    cpu = {"avx2": "haswell", "sse": "x86-64"}[name]
    return build(cpu_target(HOST.target.triple, cpu, features))


@pytest.fixture(params=["avx2", "sse"])
def other(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    if not HOST.target.triple.startswith("x86_64") or HOST.target.vector_bytes < 32:
        pytest.skip("this machine cannot run code for the other")
    target = poorer(request.param)
    for module in (kernel_cache, object_code):
        monkeypatch.setattr(module, "machine", lambda: target)
    known = dict(kernel_cache._known)
    forget_kernels()
    yield target
    forget_kernels()
    kernel_cache._known.update(known)


def test_width(other: Machine) -> None:
    assert other.target.vector_bytes == (32 if other.target.fused else 16)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "bool"]
)
def test_primitives(other: Machine, dtype: str) -> None:
    test_emit.test_binary_primitives(dtype)
    test_emit.test_casts(dtype)


@pytest.mark.parametrize("kind", ["sum", "max", "argmax", "any"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_reductions(other: Machine, kind: str, axis: int | None) -> None:
    x = np.random.default_rng(0).integers(-50, 50, (37, 53)).astype("float32")
    reduced = tuple(axis is None or k == axis for k in (0, 1))
    result = {"argmax": "int64", "any": "bool"}.get(kind, "float32")
    value = load(0, "float32") if kind != "any" else load(0, "float32") > 48.0
    target = operand(result, [not r for r in reduced])
    out = Output(target, reduction(kind, value, result))
    got = np.zeros([n for n, r in zip(x.shape, reduced) if not r], result)
    run_kernel(
        Kernel(2, reduced, (operand("float32", [1, 1]),), (out,)), x.shape, [x, got]
    )
    want = (x > 48).any(axis) if kind == "any" else getattr(np, kind)(x, axis=axis)
    np.testing.assert_array_equal(got, want)


def test_the_rest(other: Machine) -> None:
    test_emit_reductions.test_softmax("float32", 1, (33, 100))
    test_emit_reductions.test_softmax("float64", 0, (33, 100))
    test_emit_positions.test_gather_rows_and_elements("float32")
    test_emit_positions.test_gather_rows_and_elements("int8")
    test_emit_positions.test_scatter("add", "float32")
    test_emit_reductions.test_several_outputs_and_levels()
    test_emit_layouts.test_interleaved_words("C", (3, 1075))
    test_emit_layouts.test_interleaved_words("F", (70, 3))
    test_emit.test_float64_to_float16_rounds_once()


def test_words_for_the_widest_vectors() -> None:
    """Eight lanes: the words of a block are whole vectors."""
    features = {f"avx512{part}": True for part in ("f", "bw", "dq", "vl")}
    target = cpu_target("x86_64-unknown-linux-gnu", "skylake-avx512", features)
    out = Output(operand("uint32", [1]), test_emit_layouts.interleaved_words(0))
    kernel = Kernel(1, (False,), (), (out,))
    text = emit(kernel, Variant(((0,),), (), "kept", "c"), target)
    assert text.count("select <8 x") == 0
    assert build(target).compile(text)


def test_threads_compile_what_one_thread_does() -> None:
    texts = [
        emit(kernel, variant, HOST.target, f"kernel{k}")
        for k, (kernel, variant) in enumerate(every_kernel()[:6])
    ]
    alone = [HOST.compile(text) for text in texts]
    found: dict[int, bytes] = {}
    jobs = [
        lambda k=k: found.__setitem__(k, HOST.compile(texts[k % 6])) for k in range(24)
    ]
    with config.change_flags(num_threads=4):
        machine.in_threads(jobs)
    assert [found[k] for k in range(24)] == alone * 4


def test_code_is_what_llvmlite_would_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its library cannot be entered as it can now."""
    kernel, variant = every_kernel()[0]
    text = emit(kernel, variant, HOST.target)
    code = HOST.compile(text)
    monkeypatch.setattr(machine, "unlocked", lambda: None)
    assert HOST.compile(text) == code


def test_text_that_is_wrong_raises() -> None:
    with pytest.raises(RuntimeError, match="parsing"):
        HOST.compile("define i64 @f( {")


@pytest.mark.parametrize("threads", [1, 3])
def test_jobs_are_all_done_or_the_first_error_comes_out(threads: int) -> None:
    done: list[int] = []
    before = threading.active_count()

    def job(k: int) -> None:
        if k == 5:
            raise KeyError(k)
        done.append(k)

    with config.change_flags(num_threads=threads):
        machine.in_threads([])
        machine.in_threads([lambda k=k: job(k) for k in range(5)])
        assert sorted(done) == list(range(5))
        with pytest.raises(KeyError, match="5"):
            machine.in_threads([lambda k=k: job(k) for k in range(5, 9)])
    assert threading.active_count() <= before  # another test's may just have ended


@pytest.mark.parametrize("triple", ["aarch64-unknown-linux-gnu"])
def test_other_processors_get_code(triple: str) -> None:
    """It cannot be run here, but LLVM accepts it."""
    try:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        other = build(cpu_target(triple, "generic", {}))
    except RuntimeError:
        pytest.skip("this LLVM knows only its own processor")
    x = load(0, "float32")
    shifted = call("exp", x - reduction("max", x, "float32"))
    value = shifted / reduction("sum", shifted, "float32")
    inputs = (operand("float32", [1, 1]),)
    kernel = Kernel(
        2, (False, True), inputs, (Output(operand("float32", [1, 1]), value),)
    )
    variant = Variant(((0,),), ((1,),), "reduced", "cc")
    assert other.compile(emit(kernel, variant, other.target))


def every_kernel() -> list[tuple[Kernel, Variant]]:
    """Kernels with every kind of loop, for the verifier."""
    f = "float32"
    x = load(0, f)
    deviation = x - reduction("sum", x, f)
    one = Kernel(
        2,
        (False, True),
        (operand(f, [1, 1]),),
        (
            Output(
                operand(f, [1, 1]),
                deviation / reduction("sum", deviation * deviation, f),
            ),
            Output(operand("int64", [1, 0]), reduction("argmin", deviation, "int64")),
        ),
    )
    picked = gather(1, [cast(load(0, f), "int64")], f)
    two = Kernel(
        1,
        (False,),
        (operand(f, [1]), operand(f, [0], 1)),
        (Output(operand(f, [1]), call("mod", picked, call("sin", x))),),
    )
    whole = Kernel(
        1,
        (True,),
        (operand(f, [1]),),
        (Output(operand(f, [0]), reduction("sum", x, f)),),
    )
    return [
        (one, Variant(((0,),), ((1,),), "reduced", "ccf")),
        (one, Variant(((0,),), ((1,),), "kept", "ssc")),
        (one, Variant(((0,),), ((1,),), "one", "fff")),
        (two, Variant(((0,),), (), "kept", "cfc")),
        (two, Variant(((0,),), (), "kept", "sfs")),
        (whole, Variant((), ((0,),), "parts", "cf")),
        (whole, Variant((), ((0,),), "parts", "sf")),
    ]


@pytest.mark.parametrize("case", range(7))
def test_llvm_verifies_the_text(case: int) -> None:
    kernel, variant = every_kernel()[case]
    text: Any = emit(kernel, variant, HOST.target)
    with llvm.parse_assembly(text) as module:
        module.verify()


@pytest.mark.parametrize("name", SAMPLES)
def test_passes_that_are_left_out_would_change_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But the first, which takes long and makes nothing better."""
    if not HOST.target.is_x86:
        pytest.skip("on ARM one of them does change code, which was not measured")
    sample = SAMPLES[name]
    text = emit(sample.kernel, sample.variant, HOST.target)
    code = HOST.compile(text)
    monkeypatch.setattr(machine, "LEFT_OUT", machine.LEFT_OUT[:1])
    assert HOST.compile(text) == code


def test_passes_are_left_out_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others in the process use LLVM, too; the last thread to end switches them on."""
    said: list[str] = []
    monkeypatch.setattr(llvm, "set_option", lambda _, option: said.append(option))
    with machine.passes_left_out(), machine.passes_left_out():
        off = [f"-disable-{name}=true" for name in machine.LEFT_OUT]
        assert said == off
    assert said == [*off, *(option.replace("true", "false") for option in off)]


@pytest.mark.parametrize(
    ("files", "size"),
    [
        pytest.param([("1", "Instruction", "64K"), ("1", "Data", "48K")], 48, id="two"),
        pytest.param(
            [("2", "Unified", "2048K"), ("1", "Unified", "16K")], 16, id="one"
        ),
        pytest.param([("1", "Data", "many")], 32, id="no number"),
        pytest.param([], 32, id="the system does not tell"),
    ],
)
def test_the_first_cache(files, size, tmp_path):
    for number, texts in enumerate(files):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in zip(("level", "type", "size"), texts, strict=True):
            (folder / name).write_text(f"{text}\n")
    assert first_cache(tmp_path) == size * 1024
