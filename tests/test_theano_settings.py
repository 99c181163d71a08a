"""`theano.config`: settings that work, that are kept, that are refused; files and flags."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.modes import FastCompile
from symnet.config import CHOICES, config
from symnet.theano_settings import DEFAULTS, REFUSED, WORKING, Settings


def test_tables_agree() -> None:
    assert set(WORKING.values()) <= set(CHOICES)
    assert set(REFUSED) <= set(DEFAULTS)
    assert not set(WORKING) & set(DEFAULTS)


@pytest.mark.parametrize("path", sorted(DEFAULTS))
def test_every_setting_is_read_and_kept(path: str) -> None:
    settings = Settings()
    owner, last = settings.place(path)
    assert getattr(owner, last) == DEFAULTS[path]
    setattr(owner, last, DEFAULTS[path])
    assert last in dir(owner)
    if path not in REFUSED:
        setattr(owner, last, "another")
        assert getattr(*settings.place(path)) == "another"
        assert getattr(*Settings().place(path)) == DEFAULTS[path]


@pytest.mark.parametrize("path", sorted(REFUSED))
def test_what_there_is_not_is_refused_with_the_reason(path: str) -> None:
    owner, last = Settings().place(path)
    with pytest.raises(ValueError) as refused:
        setattr(owner, last, "another")
    assert path in str(refused.value)
    assert REFUSED[path] in str(refused.value)


def test_settings_that_work_are_those_of_symnet() -> None:
    settings = Settings()
    with config.change_flags(floatX="float64", on_rewrite_error="raise"):
        settings.floatX = "float32"
        assert config.floatX == "float32"
        assert T.vector().dtype == "float32"
        settings.on_opt_error = "warn"
        assert config.on_rewrite_error == "warn"
        with pytest.raises(ValueError, match="float99"):
            settings.floatX = "float99"
        with pytest.raises(ValueError, match="no device 'opencl0:0'"):
            settings.device = "opencl0:0"


def test_mode_has_theanos_words() -> None:
    settings = Settings()
    with config.change_flags(mode="FAST_RUN"):
        for word, own in (
            ("DEBUG_MODE", "DebugMode"), ("Mode", "FAST_RUN"),
            ("FAST_COMPILE", "FAST_COMPILE"),
        ):  # fmt: skip
            settings.mode = word
            assert settings.mode == config.mode == own


def test_optimizer_and_linker_say_what_the_default_mode_is() -> None:
    with config.change_flags(mode="FAST_RUN"):
        assert symnet.get_default_mode().rewrites
        with config.change_flags(optimizer="fast_compile"):
            assert not symnet.get_default_mode().rewrites
            assert symnet.compile.get_mode("FAST_RUN").rewrites
        with config.change_flags(linker="py"):
            assert symnet.get_default_mode().by_reference
            x = T.dvector()
            assert symnet.function([x], x + 1)([1.0]).tolist() == [2.0]
        with config.change_flags(mode="FAST_COMPILE", linker="py"):
            assert isinstance(symnet.get_default_mode(), FastCompile)


def test_flags_of_the_environment() -> None:
    settings = Settings()
    with config.change_flags(floatX="float64"):
        settings.read_flags(
            "floatX=float32, warn.round=True,dnn.conv.algo_fwd=time_once,lib.cnmem=1,"
            "profile=1,blas.ldflags=-lblas -lm,optdb.max_use_ratio=5,"
        )
        assert settings.floatX == "float32"
    assert settings.warn.round is True
    assert settings.dnn.conv.algo_fwd == "time_once"
    assert settings.lib.cnmem == 1
    assert settings.profile is True
    assert settings.blas.ldflags == "-lblas -lm"
    with pytest.warns(UserWarning, match=r"config\.floatx; there is floatX"):
        settings.read_flags("floatx=float32")
    with pytest.raises(ValueError, match="THEANO_FLAGS: .*no device 'opencl0:0'"):
        settings.read_flags("device=opencl0:0")


def test_files(tmp_path: pathlib.Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(
        "[global]\nfloatX = float32\nallow_gc = False\n[nvcc]\nfastmath=True\n"
    )
    second.write_text("[global]\nfloatX = float16\n[dnn.conv]\nalgo_fwd = small\n")
    settings = Settings()
    with config.change_flags(floatX="float64"):
        settings.read_files(f"{first}:{tmp_path / 'none'}:{second}")
        assert settings.floatX == "float16"
    assert settings.allow_gc is False
    assert settings.nvcc.fastmath is True
    assert settings.dnn.conv.algo_fwd == "small"
    second.write_text("[global]\ndevice = opencl0:0\n")
    with pytest.raises(ValueError, match=str(second)):
        settings.read_files(str(second))


def test_the_file_of_the_home(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("THEANORC", raising=False)
    (tmp_path / ".theanorc").write_text("[scan]\nallow_gc = True\n")
    settings = Settings()
    settings.read_files()
    assert settings.scan.allow_gc is True


def test_change_flags_in_a_block_and_of_a_function() -> None:
    settings = Settings()

    @settings.change_flags(compute_test_value="raise")
    def inside() -> str:
        return str(settings.compute_test_value)

    assert (inside(), settings.compute_test_value) == ("raise", "off")
    with settings.change_flags({"warn.round": True}, profile=True):
        assert settings.warn.round and settings.profile
    assert not settings.warn.round and not settings.profile
    wrong = [("profile", True), ("floatX", "float99")]
    with pytest.raises(ValueError, match="float99"), settings.change_flags(wrong):
        pass
    assert not settings.profile


def test_settings_are_listed_as_descriptors() -> None:
    """Programs save settings and bring them back by them, as PyMC3 does."""
    settings = Settings()
    listed = {one.fullname: one for one in settings.listed()}
    assert set(listed) == {*WORKING, *DEFAULTS}
    one = listed["conv.assert_shape"]
    before = one.__get__(True, None)
    one.__set__(None, not before)
    assert settings.conv.assert_shape is (not before)
    with symnet.config.change_flags(compute_test_value="off"):
        listed["compute_test_value"].__set__(None, "ignore")
        assert config.compute_test_value == "ignore"


def test_unknown_names() -> None:
    settings = Settings()
    assert not hasattr(settings, "no_such")
    for owner, name in ((settings, "no_such"), (settings.warn, "rond")):
        with pytest.raises(AttributeError, match=r"does not have theano\.config"):
            getattr(owner, name)
        with pytest.raises(AttributeError, match=r"does not have theano\.config"):
            setattr(owner, name, 1)


def test_printed_they_are_a_table() -> None:
    lines = str(Settings()).splitlines()
    assert len(lines) == len(WORKING) + len(DEFAULTS)
    floats = next(line for line in lines if line.startswith("floatX"))
    assert floats.split() == ["floatX", config.floatX]
    kept = next(line for line in lines if line.startswith("conv.assert_shape"))
    assert kept.split() == ["conv.assert_shape", "True", "without", "effect"]


def test_print_test_value_shows_samples() -> None:
    settings = Settings()
    x = T.dvector("x")
    x.tag.test_value = np.array([1.0, 2.0])
    with settings.change_flags(print_test_value=True):
        assert repr(x) == "x\n[1. 2.]"
        assert str(x) == "x"
    assert repr(x) == "x"
    assert settings.print_test_value is False
