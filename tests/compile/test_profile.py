from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.profile import FALLBACK, OVERHEAD, Profile, names_of
from symnet.times import time_text
from tests.helpers import reference_sort

X = np.ones((50, 40))


def training_step(**options: Any) -> tuple[symnet.Function, symnet.SharedVariable]:
    x = T.dmatrix("x")
    w = symnet.shared(np.full((40, 30), 0.1), "w")
    hidden = T.tanh(T.dot(x, w))
    cost = T.sqr(hidden).sum()
    updates = [(w, w - 0.1 * T.grad(cost, w))]
    return symnet.function([x], cost, updates=updates, **options), w


def adds_up(profile: Profile) -> bool:
    total = sum(row.seconds for row in profile.rows)
    by_line = sum(seconds for _, seconds in profile.by_line())
    by_operation = sum(seconds for _, seconds in profile.by_operation())
    return bool(np.allclose([total, by_line, by_operation], profile.seconds, rtol=1e-9))


def test_rows_add_up_to_the_call() -> None:
    f, _ = training_step()
    profile = f.profile(X, repeat=20)
    assert profile.calls == 20 and profile.seconds > 0
    assert adds_up(profile)
    assert all(row.seconds >= 0 for row in profile.rows)
    assert profile.rows[-1].operation == OVERHEAD
    kinds = [row.kind for row in profile.rows]
    assert kinds.count("library") == 2 and "loop" in kinds
    assert profile.plans == 1 and profile.planning > 0 and profile.made > 0


def test_lines_are_the_users() -> None:
    f, _ = training_step()
    lines = dict(f.profile(X, repeat=5).by_line())
    assert any("hidden = T.tanh(T.dot(x, w))" in line for line in lines)
    assert any(line.startswith("gradient of test_profile.py") for line in lines)


def test_measuring_changes_no_shared_variable() -> None:
    f, w = training_step()
    before = w.get_value()
    f.profile(X, repeat=7)
    np.testing.assert_array_equal(w.get_value(), before)
    f(X)
    assert not np.array_equal(w.get_value(), before)


def test_calls_run_as_before_afterwards() -> None:
    f, w = training_step()
    g, v = training_step()
    f.profile(X, repeat=3)
    for _ in range(3):
        assert f(X) == g(X)
    np.testing.assert_array_equal(w.get_value(), v.get_value())


def test_recorded_calls() -> None:
    f, _ = training_step(profile=True)
    assert f.profile().calls == 0
    for size in (50, 50, 20, 20, 20):
        f(X[:size])
    profile = f.profile()
    assert profile.calls == 3 and profile.plans == 2  # those that made plans are apart
    assert adds_up(profile)
    assert any(row.kind == "library" and row.seconds > 0 for row in profile.rows)
    f(X)
    assert f.profile().calls == 4


def test_calls_that_made_plans_are_told_apart() -> None:
    f, _ = training_step(profile=True)
    assert str(f.profile()).splitlines()[0].endswith(": no call yet")
    f(X)
    one = f.profile()
    text = (
        "nothing measured: the only call met new sizes and made a plan; call it again"
    )
    assert str(one).splitlines()[0].endswith(text) and len(str(one).splitlines()) == 2
    assert text in repr(one) and text in one._repr_html_()
    assert "<table>" not in one._repr_html_()
    f(X[:20])
    assert "nothing measured: each call so far met new sizes" in str(f.profile())
    f(X)
    assert ": 1 call of " in str(f.profile()) and f.profile().planning_calls == 2


def test_steps_of_calls_that_made_plans_do_not_count() -> None:
    """NumPy's operations run in them too, and are slow the first time."""
    x = T.dmatrix("x")
    f = symnet.function([x], reference_sort(T.exp(x)).sum(), profile=True)
    for size in (50, 40, 30, 30):
        f(X[:size])
        assert f.recorder is not None
        if size != 30:
            assert not f.recorder.record.steps
    profile = f.profile()
    assert profile.calls == 1 and adds_up(profile)
    assert all(row.seconds >= 0 for row in profile.rows)


def test_numpy_fallbacks_are_marked() -> None:
    x = T.dmatrix("x")
    f = symnet.function([x], reference_sort(T.exp(x)).sum(), profile=True)
    for profile in (f.profile(X, repeat=4), f.profile(X, repeat=2)):
        (row,) = [row for row in profile.rows if row.kind == FALLBACK]
        assert row.operation.startswith("ReferenceSort") and row.seconds > 0
        assert adds_up(profile)
    before = [row.kind for row in f.profile(X, repeat=2).rows]
    assert before.index("loop") < before.index(FALLBACK) < len(before) - 1


def test_other_modes_are_one_row() -> None:
    x = T.dvector("x")
    profile = symnet.function([x], T.exp(x), mode="FAST_COMPILE").profile(
        [1.0], repeat=3
    )
    (row,) = profile.rows
    assert row.kind == FALLBACK and adds_up(profile)


def test_functions_without_inputs_need_no_arguments() -> None:
    w = symnet.shared(np.zeros(3), "w")
    f = symnet.function([], w.sum(), updates=[(w, w + 1)])
    assert f.profile().calls > 2
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))


def test_without_arguments_or_records_is_an_error() -> None:
    f, _ = training_step()
    with pytest.raises(ValueError, match="nothing was recorded"):
        f.profile()


def test_what_is_shown() -> None:
    f, _ = training_step(name="step", profile=True)
    for _ in range(3):
        f(X)
    profile = f.profile()
    text = str(profile)
    assert text.splitlines()[0].startswith(
        "<function step(x, float64 matrix)>: 2 calls of "
    )
    assert "made in" in text and "1 plan, with machine code, in" in text
    assert "Dot (gemm) [library]" in text and "[overhead]" in text
    assert profile._repr_html_().count("<tr>") == 1 + len(profile.rows)
    assert repr(profile).startswith("<Profile of <function step")
    file = io.StringIO()
    f.profile.summary(file, n_ops_to_print=1)
    assert f"{len(profile.rows) - 1} more" in file.getvalue()


def test_names_of_loops() -> None:
    x = T.dvector("x")
    y = T.exp(x) * x * x
    assert y.owner is not None
    inner = y.owner.inputs[0].owner
    assert inner is not None
    exp = inner.inputs[0].owner
    assert exp is not None
    assert names_of([exp, inner, y.owner]) == "exp, mul x 2"
    assert names_of([T.cast(x, "float32").owner]) == "cast_float32"
    assert (
        len(names_of([y.owner, T.argmax(x).owner] * 30 + [T.maximum(x, 1).owner] * 30))
        <= 48
    )


def test_times_in_words() -> None:
    assert [time_text(s) for s in (2.5, 0.0123, 4.56e-6, 78e-9, 0)] == [
        "2.5 s",
        "12.3 ms",
        "4.56 us",
        "78 ns",
        "0 ns",
    ]
