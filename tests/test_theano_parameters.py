"""Settings that programs add to `theano.config`: kinds, flags, files, refusals."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from symnet.config import config
from symnet.theano_compat import adding
from symnet.theano_parameters import (
    BoolParam,
    ConfigParam,
    EnumStr,
    FloatParam,
    IntParam,
    StrParam,
    TypedParam,
)
from symnet.theano_settings import DEFAULTS, WORKING, Settings


def test_a_setting_is_read_and_set() -> None:
    settings = Settings()
    settings.add("speech.rate", "Samples a second", IntParam(16000))
    settings.add("speech.window.kind", "", EnumStr("hann", "boxcar"))
    settings.add("verbose", "", BoolParam(False))
    assert settings.speech.rate == 16000
    settings.speech.rate = "8000"
    assert settings.speech.rate == 8000
    assert settings.speech.window.kind == "hann"
    assert settings.verbose is False
    assert dir(settings.speech) == ["rate", "window"]
    assert not hasattr(Settings(), "speech")
    assert "Samples a second" in str(settings)


KINDS: list[tuple[ConfigParam, Any, Any, Any]] = [
    (StrParam("a"), 3, "3", None),
    (IntParam(1), "4", 4, "4.5"),
    (IntParam(1, lambda n: n > 0), 2, 2, -1),
    (FloatParam(0.5), "1e-3", 1e-3, "much"),
    (BoolParam(True), "0", False, "maybe"),
    (BoolParam(True), False, False, None),
    (EnumStr("one", "two"), "two", "two", "three"),
    (EnumStr("one", "two", convert=str.lower), "TWO", "two", "three"),
    (TypedParam("1,2", lambda s: s.split(",")), "3", ["3"], None),
    (ConfigParam(None), "any", "any", None),
]


@pytest.mark.parametrize(("kind", "given", "kept", "wrong"), KINDS)
def test_kinds(kind: ConfigParam, given: Any, kept: Any, wrong: Any) -> None:
    settings = Settings()
    settings.add("part.name", "", kind)
    settings.part.name = given
    assert settings.part.name == kept
    assert type(settings.part.name) is type(kept)
    if wrong is not None:
        with pytest.raises(ValueError, match=r"theano\.config\.part\.name = "):
            settings.part.name = wrong
        assert settings.part.name == kept


def test_flags_come_before_files_and_the_default(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "theanorc"
    path.write_text("[speech]\nrate = 8000\nkind = boxcar\n")
    settings = Settings()
    with pytest.warns(UserWarning, match="kept, should the program add it"):
        settings.read_files(str(path))
        settings.read_flags("speech.rate=4000,verbose=1")
    rate = IntParam(16000)
    settings.add("speech.rate", "", rate)
    settings.add("speech.kind", "", StrParam("hann"))
    settings.add("verbose", "", BoolParam(False))
    assert (settings.speech.rate, settings.speech.kind) == (4000, "boxcar")
    assert settings.verbose is True
    assert not rate.is_default
    assert settings.fetch_val_for_key("speech.rate") == "4000"
    with pytest.raises(KeyError):
        settings.fetch_val_for_key("speech.none")


def test_a_default_may_be_a_function_that_is_asked_once_when_it_is_needed() -> None:
    asked = []
    settings = Settings()
    settings.add("one", "", IntParam(lambda: asked.append(1) or 7))
    assert not asked
    assert (settings.one, settings.one, len(asked)) == (7, 7, 1)


def test_what_may_not_change() -> None:
    settings = Settings()
    settings.add("fixed", "", StrParam("a", allow_override=False))
    with pytest.raises(ValueError, match="allow_override=False"):
        settings.fixed = "b"
    assert settings.fixed == "a"


def test_names_that_cannot_be_had() -> None:
    settings = Settings()
    settings.add("speech.rate", "", IntParam(1))
    for taken in ("speech.rate", "speech", "floatX", "dnn.enabled", "dnn"):
        with pytest.raises(AttributeError, match=f"{taken} is there already"):
            settings.add(taken, "", IntParam(1))
    for inside in ("floatX.part", "speech.rate.unit"):
        with pytest.raises(TypeError, match="is a setting, and no section"):
            settings.add(inside, "", IntParam(1))
    with pytest.raises(ValueError, match="EnumStr takes words"):
        EnumStr("a", 1)  # type: ignore[arg-type]


def test_values_of_flags_that_cannot_be_had_name_the_flags() -> None:
    settings = Settings()
    with pytest.warns(UserWarning, match="speech"):
        settings.read_flags("speech.rate=fast,speech.kind=none")
    with pytest.raises(ValueError, match=r"THEANO_FLAGS: theano\.config\.speech\.rate"):
        settings.add("speech.rate", "", IntParam(1))
    with pytest.raises(ValueError, match="it is one of hann, boxcar"):
        settings.add("speech.kind", "", EnumStr("hann", "boxcar"))


def test_they_are_changed_for_a_while_and_listed() -> None:
    settings = Settings()
    names = adding(settings)
    names["AddConfigVar"]("speech.rate", "", IntParam(1), in_c_key=False)
    with settings.change_flags({"speech.rate": 2}):
        assert settings.speech.rate == 2
    assert settings.speech.rate == 1
    listed = names["_config_var_list"]
    assert len(listed) == len(WORKING) + len(DEFAULTS) + 1
    assert (listed[-1].fullname, listed[-1].__get__(True, None)) == ("speech.rate", 1)
    listed[-1].__set__(None, 5)
    assert settings.speech.rate == 5


def test_the_class_of_settings() -> None:
    settings = Settings()
    kind = adding(settings)["TheanoConfigParser"]
    assert isinstance(settings, kind)
    assert not isinstance(config, kind)
    assert kind() is settings
