"""Sources of code for threads: their text says what they do, and nothing else."""

from __future__ import annotations

from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.llvm.thread_sources import DrawSource, KernelSource
from symnet.kernels.routines import NORMS, Categorical, MrgUniform
from tests.kernels.sample_kernels import SAMPLES


def test_texts_differ_where_code_does() -> None:
    draws = [
        *(DrawSource(MrgUniform(dtype)) for dtype in NORMS),
        *(DrawSource(Categorical(c, n)) for c in (True, False) for n in (True, False)),
    ]
    kernels = [KernelSource(s.kernel, s.variant) for s in SAMPLES.values()]
    texts = {one.text for one in (*draws, *kernels)}
    assert len(texts) == len(draws) + len({(k.kernel, k.variant) for k in kernels})
    assert DrawSource(MrgUniform("float32")).text == draws[1].text


def test_names_are_those_in_the_code() -> None:
    target, sample = nvptx_target("sm_90"), SAMPLES["whole_sum"]
    for source in (
        KernelSource(sample.kernel, sample.variant),
        DrawSource(MrgUniform("float64")),
    ):
        text = source.emit(target, "some")
        names = source.names("some")
        assert names[0] == "some"
        assert all(f"@{name}(" in text for name in names)
        assert text.count("define ") == len(names)
