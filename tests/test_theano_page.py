"""The page of Theano's names says what is so, and refusals are refused by their reason."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from symnet.theano_names import Missing, RefusedModules, refusal
from symnet.theano_refusals import GPU, REFUSED, reason
from tests.theano_page import (
    PAGE,
    STATES,
    Row,
    is_there,
    modules,
    rows,
    settings_table,
)

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = list(rows(TEXT))
HINT = "bring the page up to date with: python -m tests.theano_page"


@pytest.fixture(scope="module")
def known() -> dict[str, ModuleType]:
    return modules()


def test_the_page_has_each_name_once() -> None:
    names = [(one.module, one.name) for one in ROWS]
    assert len(ROWS) > 1000
    assert len(set(names)) == len(names)
    assert {one.state for one in ROWS} <= set(STATES)


def test_names_that_the_page_says_are_there(known: dict[str, ModuleType]) -> None:
    gone = [
        (one.module, one.name)
        for one in ROWS
        if one.state in ("works", "differs")
        and not is_there(known, one.module, one.name)
    ]
    assert not gone, HINT


def test_differences_and_refusals_say_how_and_why() -> None:
    silent = [
        one for one in ROWS if one.state in ("differs", "refused") and not one.note
    ]
    assert not silent


def test_refused_names_are_refused_by_their_reason(
    known: dict[str, ModuleType],
) -> None:
    for one in ROWS:
        if one.state == "refused":
            assert not is_there(known, one.module, one.name), (one, HINT)
            assert one.note == reason(one.module, one.name), (one, HINT)
            assert one.note in error(known, one)


def error(known: dict[str, ModuleType], row: Row) -> str:
    """What a program is told that uses the name, or asks for one of a GPU's."""
    module = known.get(row.module)
    if reason(row.module, row.name) != GPU:
        found = getattr(module or RefusedModules().create_module(spec(row)), row.name)
        for use in (found, lambda: found.of, lambda: found + 1, lambda: [*found]):
            with pytest.raises(AttributeError) as refused:
                use()
    elif module is not None:
        with pytest.raises(AttributeError) as refused:
            getattr(module, row.name)
    else:
        with pytest.raises(ModuleNotFoundError) as refused:
            Missing().find_spec(row.module, None)
    return str(refused.value)


def spec(row: Row) -> ModuleSpec:
    """How the module of a name is found, of which none is there."""
    found = Missing().find_spec(row.module, None)
    assert found is not None
    return found


def test_every_refusal_is_on_the_page() -> None:
    shown = {(one.module, one.name) for one in ROWS if one.state == "refused"}
    folders = {one.module for one in ROWS}
    for module, reasons in REFUSED.items():
        if module not in folders:
            continue
        for names in reasons.values():
            for name in names.split():
                assert name == "*" or (module, name) in shown, (module, name, HINT)


def test_names_that_two_programs_use_are_there_or_refused() -> None:
    """What branches of the work still bring is named here."""
    coming = ("theano.sparse", "theano.gof", "theano.compile", "theano.tensor.opt")
    for one in ROWS:
        programs = int(one.use.split("/")[0] or 0)
        if programs > 1 and one.state == "not there":
            assert one.module.startswith(coming) or one.name == "OpFromGraph", one


def test_the_page_has_the_settings_as_they_are() -> None:
    assert settings_table() in TEXT, HINT


def test_reasons_hold_for_what_lies_below_a_module() -> None:
    assert reason("theano.sandbox.cuda.basic_ops", "gpu_contiguous")
    assert reason("theano.gpuarray.dnn") == reason("theano.gpuarray")
    assert reason("theano.tensor.basic", "constructor") == reason(
        "theano.tensor", "constructor"
    )
    assert reason("theano", "test") and reason("theano.tensor", "test") is None
    assert reason("theano.tensor") is None
    assert reason("theano.tensor", "dot") is None


def test_a_name_without_reason_gets_what_is_near() -> None:
    text = refusal("theano.tensor", "matrx", ["matrix", "vector"])
    assert text == "symnet does not have theano.tensor.matrx; there is matrix"
