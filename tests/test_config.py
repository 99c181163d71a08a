"""Settings: how they are read and changed, and the dtypes that two of them decide."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import Config, config
from symnet.graph.types import DTYPES
from symnet.ops.base import upcast

ROOT = pathlib.Path(__file__).parent.parent
LETTERS = {
    "b": "bool", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "u1": "uint8",
    "u2": "uint16", "u4": "uint32", "u8": "uint64", "f2": "float16", "f4": "float32",
    "f8": "float64", "c8": "complex64", "c16": "complex128",
}  # fmt: skip

# NumPy's rule.  Rows and columns in the order of LETTERS.
NUMPY = """
b    b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
i1   i1  i1  i2  i4  i8  i2  i4  i8  f8  f2  f4  f8  c8  c16
i2   i2  i2  i2  i4  i8  i2  i4  i8  f8  f4  f4  f8  c8  c16
i4   i4  i4  i4  i4  i8  i4  i4  i8  f8  f8  f8  f8  c16 c16
i8   i8  i8  i8  i8  i8  i8  i8  i8  f8  f8  f8  f8  c16 c16
u1   u1  i2  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
u2   u2  i4  i4  i4  i8  u2  u2  u4  u8  f4  f4  f8  c8  c16
u4   u4  i8  i8  i8  i8  u4  u4  u4  u8  f8  f8  f8  c16 c16
u8   u8  f8  f8  f8  f8  u8  u8  u8  u8  f8  f8  f8  c16 c16
f2   f2  f2  f4  f8  f8  f2  f4  f8  f8  f2  f4  f8  c8  c16
f4   f4  f4  f4  f8  f8  f4  f4  f8  f8  f4  f4  f8  c8  c16
f8   f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8   c8  c8  c8  c16 c16 c8  c8  c16 c16 c8  c8  c16 c8  c16
c16  c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
"""

# cast_policy = "numpy+floatX" under floatX = float32: no float64 that no operand had.
SMALL = """
b    b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
i1   i1  i1  i2  i4  i8  i2  i4  i8  f4  f2  f4  f8  c8  c16
i2   i2  i2  i2  i4  i8  i2  i4  i8  f4  f4  f4  f8  c8  c16
i4   i4  i4  i4  i4  i8  i4  i4  i8  f4  f4  f4  f8  c16 c16
i8   i8  i8  i8  i8  i8  i8  i8  i8  f4  f4  f4  f8  c16 c16
u1   u1  i2  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
u2   u2  i4  i4  i4  i8  u2  u2  u4  u8  f4  f4  f8  c8  c16
u4   u4  i8  i8  i8  i8  u4  u4  u4  u8  f4  f4  f8  c16 c16
u8   u8  f4  f4  f4  f4  u8  u8  u8  u8  f4  f4  f8  c16 c16
f2   f2  f2  f4  f4  f4  f2  f4  f4  f4  f2  f4  f8  c8  c16
f4   f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f8  c8  c16
f8   f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8   c8  c8  c8  c16 c16 c8  c8  c16 c16 c8  c8  c16 c8  c16
c16  c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
"""

# A matrix times a Python number, which takes the matrix's dtype where it can; "f" is
# floatX.  Rows: the number; columns: the matrix's dtype.
NUMBERS = """
True   b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
1      i8  i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
-1     i8  i1  i2  i4  i8  i2  i4  i8  f   f2  f4  f8  c8  c16
300    i8  i2  i2  i4  i8  u2  u2  u4  u8  f2  f4  f8  c8  c16
2**40  i8  i8  i8  i8  i8  u8  u8  u8  u8  f2  f4  f8  c8  c16
1.5    f   f   f   f   f   f   f   f   f   f2  f4  f8  c8  c16
1e300  f   f   f   f   f   f   f   f   f   f2  f4  f8  c8  c16
1j     c16 c16 c16 c16 c16 c16 c16 c16 c16 c8  c8  c16 c8  c16
"""

# What functions make of each dtype.
FUNCTIONS = """
x/x     f   f   f   f   f   f   f   f   f   f2  f4  f8  c8  c16
x/2     f   f   f   f   f   f   f   f   f   f2  f4  f8  c8  c16
exp     f4  f4  f4  f   f   f4  f4  f   f   f2  f4  f8  c8  c16
mean    f   f   f   f   f   f   f   f   f   f2  f4  f8  c8  c16
sum     i8  i8  i8  i8  i8  u8  u8  u8  u8  f2  f4  f8  c8  c16
x**2    i8  i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
max     b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  -   -
argmax  i8  i8  i8  i8  i8  i8  i8  i8  i8  i8  i8  i8  -   -
x<x     b   b   b   b   b   b   b   b   b   b   b   b   -   -
"""
CALLS: dict[str, Any] = {
    "x/x": lambda x: x / x, "x/2": lambda x: x / 2, "exp": T.exp, "mean": T.mean,
    "sum": T.sum, "x**2": lambda x: x**2, "max": T.max, "argmax": T.argmax,
    "x<x": lambda x: x < x,
}  # fmt: skip

POLICIES = [
    ("numpy", "float64", NUMPY), ("numpy", "float32", NUMPY), ("custom", "float32", NUMPY),
    ("numpy+floatX", "float64", NUMPY), ("numpy+floatX", "float32", SMALL),
]  # fmt: skip


def rows(table: str) -> dict[str, list[str]]:
    parts = (line.split() for line in table.strip().splitlines())
    return {name: letters for name, *letters in parts}


# ---- dtypes


@pytest.mark.parametrize(("policy", "floatX", "table"), POLICIES)
def test_promotion(policy: str, floatX: str, table: str) -> None:
    with config.change_flags(cast_policy=policy, floatX=floatX):
        for letter, found in rows(table).items():
            for want, right in zip(found, DTYPES, strict=True):
                left = LETTERS[letter]
                assert upcast(left, right) == upcast(right, left) == LETTERS[want]
                x, y = T.matrix(dtype=left), T.vector(dtype=right)
                for result in (x + y, y * x, T.switch(1, x, y), T.stack([x[0], y])):
                    assert result.dtype == LETTERS[want], (left, right, result)


def test_the_table_is_numpys() -> None:
    assert tuple(LETTERS.values()) == DTYPES
    for letter, found in rows(NUMPY).items():
        for want, right in zip(found, DTYPES, strict=True):
            assert np.result_type(LETTERS[letter], right) == LETTERS[want]


@pytest.mark.parametrize("floatX", ["float64", "float32"])
def test_python_numbers_take_the_dtype_they_meet(floatX: str) -> None:
    letters = {**LETTERS, "f": floatX}
    with config.change_flags(floatX=floatX):
        for text, found in rows(NUMBERS).items():
            number = eval(text)  # noqa: S307
            for want, dtype in zip(found, DTYPES, strict=True):
                x = T.matrix(dtype=dtype)
                assert (x * number).dtype == (number * x).dtype == letters[want], (
                    text,
                    dtype,
                )


@pytest.mark.parametrize("floatX", ["float64", "float32"])
def test_dtypes_of_results(floatX: str) -> None:
    letters = {**LETTERS, "f": floatX}
    with config.change_flags(floatX=floatX):
        for name, found in rows(FUNCTIONS).items():
            for want, dtype in zip(found, DTYPES, strict=True):
                if want != "-":
                    assert CALLS[name](T.matrix(dtype=dtype)).dtype == letters[want], (
                        name,
                        dtype,
                    )


def test_values_that_promotion_decides() -> None:
    small, big = T.bvector("small"), T.lvector("big")
    f = symnet.function(
        [small, big], [small * 300, small + 2**40, small * 0.5, big / 2]
    )
    found = f(np.array([100, -2], "int8"), [3, -1])
    for got, want in zip(
        found, ([30000, -600], [2**40 + 100, 2**40 - 2], [50, -1], [1.5, -0.5])
    ):
        np.testing.assert_array_equal(got, want)
    with config.change_flags(floatX="float32"):
        mixed = big * T.fvector("x")
        assert mixed.dtype == "float32"
        assert (mixed + np.float64(1)).dtype == "float32"  # it is a Python float, too
        assert (mixed + np.ones(2)).dtype == "float64"
        assert (
            T.as_tensor_variable(9.0).dtype
            == T.as_tensor_variable(8.9).dtype
            == "float32"
        )


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_python_numbers_keep_their_precision(mode: str) -> None:
    """Also where floatX is smaller than what they meet."""
    with config.change_flags(floatX="float32"):
        x = T.dvector("x")
        outputs = [
            x * 0.1,
            x * 1e300,
            T.clip(x, 0.1, 0.3),
            T.switch(x > 1, 0.1, x),
            x**0.1,
        ]
        small = T.fvector("small") * 0.1
    value = np.array([1.0, 2.0])
    wanted = [value * 0.1, value * 1e300, [0.3, 0.3], [1.0, 0.1], value**0.1]
    for got, want in zip(symnet.function([x], outputs, mode=mode)(value), wanted):
        np.testing.assert_allclose(got, want, rtol=1e-15)
    assert small.dtype == "float32"
    assert T.constant(0.1, ndim=2).astype("float64").eval().tolist() == [[0.1]]


def test_floatX() -> None:
    with config.change_flags(floatX="float32"):
        inputs = [T.scalar(), T.vector(), T.matrix(), T.tensor4(), T.row(), T.col()]
        made = [
            T.zeros((2,)),
            T.ones((2, 2)),
            T.eye(3),
            symnet.shared(1.5),
            T.constant(0.5),
        ]
        assert {v.dtype for v in [*inputs, *made]} == {"float32"}
        assert T.dmatrix().dtype == "float64" == symnet.shared(np.ones(2)).dtype
        assert T.cast(T.ivector(), "floatX").dtype == "float32"
        kept = T.matrix()
    assert kept.dtype == "float32"
    assert T.matrix().dtype == config.floatX == "float64"


# ---- settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SYMNET_FLAGS", " floatX=float32, mode = FAST_COMPILE ,,num_threads=2"
    )
    monkeypatch.setenv("SYMNET_CACHE", "/nowhere")
    fresh = Config()
    assert (fresh.floatX, fresh.mode, fresh.num_threads) == (
        "float32",
        "FAST_COMPILE",
        2,
    )
    assert fresh.cache_dir == "/nowhere"
    monkeypatch.setenv("SYMNET_FLAGS", "")
    monkeypatch.setenv("SYMNET_NUM_THREADS", "3")
    fresh = Config()
    assert (fresh.floatX, fresh.mode, fresh.num_threads) == ("float64", "FAST_RUN", 3)
    monkeypatch.setenv("SYMNET_FLAGS", "floatX=float8")
    with pytest.raises(
        ValueError, match=r"floatX must be one of .*float32.* not 'float8'"
    ):
        Config()
    monkeypatch.setenv("SYMNET_FLAGS", "floatx=float32")
    with pytest.raises(AttributeError, match=r"no setting 'floatx'; it has floatX"):
        Config()


def test_the_environment_reaches_a_program() -> None:
    code = (
        "import symnet, symnet.tensor as T; print(T.matrix().dtype, symnet.config.mode)"
    )
    environment = {**os.environ, "SYMNET_FLAGS": "floatX=float16,mode=DebugMode"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["float16", "DebugMode"]


def test_settings_refuse_what_they_do_not_know() -> None:
    with (
        pytest.raises(AttributeError, match="no setting 'flotX'; it has floatX"),
        config.change_flags(flotX="float32"),
    ):
        pass
    with pytest.raises(AttributeError, match="no setting 'flotX'"):
        config.flotX = "float32"  # type: ignore[attr-defined]
    for name, value in (
        ("floatX", "int32"),
        ("mode", "fast"),
        ("on_unused_input", None),
    ):
        before = getattr(config, name)
        with pytest.raises(ValueError, match=f"config.{name} must be one of"):
            setattr(config, name, value)
        assert getattr(config, name) == before


def test_flags_are_changed_for_a_block_or_a_function() -> None:
    with config.change_flags(floatX="float32", mode="FAST_COMPILE") as inner:
        assert inner is config
        with symnet.change_flags(floatX="float16"):
            assert (config.floatX, config.mode) == ("float16", "FAST_COMPILE")
        assert config.floatX == "float32"
    assert (config.floatX, config.mode) == ("float64", "FAST_RUN")

    @symnet.change_flags(floatX="float32")
    def dtype() -> str:
        return str(T.matrix().dtype)

    assert [dtype(), dtype(), config.floatX] == ["float32", "float32", "float64"]


def test_flags_are_restored_after_an_error() -> None:
    with pytest.raises(KeyError), config.change_flags(floatX="float32"):
        raise KeyError
    with pytest.raises(ValueError), config.change_flags(floatX="float32", mode="wrong"):
        raise AssertionError("not reached")
    with pytest.raises(AttributeError), config.change_flags(floatX="float32", wrong=1):
        raise AssertionError("not reached")
    assert (config.floatX, config.mode) == ("float64", "FAST_RUN")


def test_the_mode_is_what_functions_use() -> None:
    x = T.dvector("x")
    with config.change_flags(mode="FAST_COMPILE"):
        assert symnet.function([x], x).mode.name == "FAST_COMPILE"
        assert symnet.function([x], x, mode="FAST_RUN").mode.name == "FAST_RUN"
    assert symnet.get_default_mode().name == "FAST_RUN"


def test_unused_inputs_follow_the_setting() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    with pytest.raises(symnet.UnusedInputError):
        symnet.function([x, y], x)
    with config.change_flags(on_unused_input="ignore"):
        assert symnet.function([x, y], x.sum())([1.0], [2.0]) == 1


@pytest.mark.parametrize("value", ["many", -1, 2.5, None, ""])
def test_a_number_of_threads_is_a_number(value):
    with pytest.raises(
        ValueError, match="config.num_threads must be a number of threads"
    ):
        config.num_threads = value
    with config.change_flags(num_threads="3"):
        assert config.num_threads == 3


@pytest.mark.parametrize("value", ["1025", 1025, "9" * 30, "3 000", "٣", "0x2", True])
def test_a_number_of_threads_is_within_reason(value):
    with pytest.raises(ValueError, match=r"config.num_threads .* up to 1024, or 0"):
        config.num_threads = value


@pytest.mark.parametrize("value", ["0", "-1", "1025", "2.5", "two", "1 2", "9" * 30])
def test_threads_of_the_environment_are_checked(monkeypatch, value):
    monkeypatch.setenv("SYMNET_NUM_THREADS", value)
    with pytest.raises(
        ValueError, match="SYMNET_NUM_THREADS must be .* 1 to 1024"
    ) as e:
        Config()
    assert repr(value) in str(e.value)


def test_threads_of_the_environment_may_be_left_open(monkeypatch):
    for value, threads in (("", 0), (" ", 0), (" 2 ", 2), ("1024", 1024)):
        monkeypatch.setenv("SYMNET_NUM_THREADS", value)
        assert Config().num_threads == threads
    monkeypatch.delenv("SYMNET_NUM_THREADS")
    assert Config().num_threads == 0


@pytest.mark.parametrize("name", ["memory_kept", "cache_size"])
def test_numbers_of_bytes(name):
    assert 0 < getattr(Config(), name) <= 512 << 20
    for text, count in ((0, 0), (12345, 12345), ("20k", 20 << 10), (" 3G ", 3 << 30)):
        with config.change_flags(**{name: text}):
            assert getattr(config, name) == count
    for wrong in (-1, "many", "1.5M", "", None, "10MB", 2.0):
        with pytest.raises(
            ValueError, match=f"config.{name} must be a number of bytes"
        ):
            setattr(config, name, wrong)


def test_a_small_machine_keeps_less(monkeypatch, tmp_path):
    limits = [tmp_path / "one", tmp_path / "two", tmp_path / "none"]
    module = sys.modules["symnet.config"]  # the package has the settings by that name
    monkeypatch.setattr(module, "CONTAINER_LIMITS", limits)
    for one, two, kept in (("max", "8000000", 1000000), ("80000000", "9" * 20, 10**7)):
        limits[0].write_text(one + "\n")
        limits[1].write_text(two + "\n")
        assert Config().memory_kept == kept
    limits[0].write_text("max\n")
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    assert Config().memory_kept == min(512 << 20, pages * size // 8)


def test_without_a_home_there_is_no_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("SYMNET_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)
    for home in ("", ".", "here/there", "~", str(tmp_path / "missing"), __file__):
        monkeypatch.setenv("HOME", home)
        assert Config().cache_dir == ""
    monkeypatch.delenv("HOME")
    assert Config().cache_dir == ""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Config().cache_dir == str(tmp_path / ".cache" / "symnet")


def test_a_folder_for_the_cache_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for given, folder in (
        ("", ""),
        ("below", tmp_path / "below"),
        ("~/kernels", tmp_path / "home" / "kernels"),
        ("~nobody-of-that-name/kernels", ""),
        (tmp_path / "path", tmp_path / "path"),
    ):
        with config.change_flags(cache_dir=given):
            assert config.cache_dir == str(folder)
    monkeypatch.setenv("HOME", "not/absolute")
    with config.change_flags(cache_dir="~/kernels"):
        assert config.cache_dir == ""


def test_settings_are_shown_as_a_table() -> None:
    own = Config()
    own.cache_dir = "/a<b>"
    lines = dict(line.split(None, 1) for line in repr(own).splitlines())
    assert set(lines) == set(vars(own))
    assert lines["mode"] == own.mode and lines["cache_dir"] == "/a<b>"
    table = own._repr_html_()
    assert "/a&lt;b&gt;" in table and "FAST_COMPILE" in table
    assert table.count("<tr>") == len(vars(own)) + 1


def test_settings_of_functions_are_held_in_one_thread() -> None:
    own = config.of_functions()
    with config.held(own | {"winograd": "off"}):
        assert config.of_plan("winograd") == "off" and config.winograd == "on"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(config.of_plan, "winograd").result() == "on"
        with config.held(own):
            assert config.of_plan("winograd") == "on"
        assert config.of_plan("winograd") == "off"
    assert config.of_plan("winograd") == "on"
    with config.change_flags(winograd="off"):
        assert config.of_plan("winograd") == config.of_functions()["winograd"] == "off"
