"""Sources of code for threads: their text says what they do, and nothing else."""

from __future__ import annotations

from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.llvm.thread_sources import KernelSource, RoutineSource
from symnet.kernels.routines import NORMS, Categorical, MrgUniform, Places, Running
from tests.kernels.sample_kernels import SAMPLES


def test_texts_differ_where_code_does() -> None:
    draws = [
        *(RoutineSource(MrgUniform(dtype)) for dtype in NORMS),
        *(
            RoutineSource(Categorical(c, n))
            for c in (True, False)
            for n in (True, False)
        ),
    ]
    draws += [RoutineSource(Running(k, d, 0)) for k in ("add", "max") for d in NORMS]
    draws += [RoutineSource(Places("int8", right)) for right in (True, False)]
    kernels = [KernelSource(s.kernel, s.variant) for s in SAMPLES.values()]
    texts = {one.text for one in (*draws, *kernels)}
    assert len(texts) == len(draws) + len({(k.kernel, k.variant) for k in kernels})
    assert RoutineSource(MrgUniform("float32")).text == draws[1].text
    # Along which axis, the sizes say.
    one, other = (RoutineSource(Running("add", "float32", axis)) for axis in (0, 2))
    assert one.text == other.text


def test_names_are_those_in_the_code() -> None:
    target, sample = nvptx_target("sm_90"), SAMPLES["whole_sum"]
    for source in (
        KernelSource(sample.kernel, sample.variant),
        RoutineSource(MrgUniform("float64")),
        RoutineSource(Running("linear", "float64", 1)),
        RoutineSource(Places("float16", True)),
    ):
        text = source.emit(target, "some")
        names = source.names("some")
        assert names[0] == "some"
        assert all(f"@{name}(" in text for name in names)
        assert text.count("define ") == len(names)
