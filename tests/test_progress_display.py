"""Progress in terminals (their text replayed), in files, and by tqdm."""

from __future__ import annotations

import doctest
import importlib.util
import io
from collections.abc import Iterator
from typing import Any

import pytest

import symnet
from symnet import progress_display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if tqdm were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tqdm" else find(name)
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress_display, "monotonic", lambda: now[0])
    return now


def on_screen(text: str) -> list[str]:
    """The lines that a terminal shows."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def test_examples() -> None:
    assert doctest.testmod(progress_display).failed == 0


def test_ten_updates_a_second(plain: None, clock: list[float]) -> None:
    file = Terminal()
    steps = symnet.progress(range(1000), "training", file=file)
    for k in steps:
        steps.show(f"cost {k}")
        clock[0] += 0.002  # two seconds in all
    assert 19 <= file.getvalue().count("\r") <= 22
    assert on_screen(file.getvalue()) == ["training: 1000/1000, cost 999, 2 s", ""]


def test_the_time_that_is_left_is_told_from_the_first_item_on(
    plain: None, clock: list[float]
) -> None:
    file = Terminal()
    for _ in symnet.progress(range(4), "training", file=file):
        clock[0] += 2.0
    told = [line.strip() for line in file.getvalue().split("\r")[1:]]
    assert [line.partition(", ")[2] for line in told if "1/4" in line] == ["6 s left"]
    assert [line for line in told if "0/4" in line] in ([], ["training: 0/4"])
    assert told[-1] == "training: 4/4, 8 s"


def test_shorter_lines_cover_longer_ones(plain: None, clock: list[float]) -> None:
    file = Terminal()
    steps = symnet.progress(range(4), file=file)
    for k in steps:
        steps.show("a long text" if k < 2 else "b")
        clock[0] += 1
        if k == 2:
            shown = on_screen(file.getvalue())
            assert shown == ["2/4, a long text, 2 s left"]
    assert on_screen(file.getvalue()) == ["4/4, b, 4 s", ""]


def test_lines_are_no_wider_than_the_terminal(
    plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    file = Terminal()
    steps = symnet.progress(range(3), "training", file=file)
    for _ in steps:
        steps.show("a text that is too long")
    assert on_screen(file.getvalue()) == ["training: 3/3, a te", ""]


def test_an_error_in_the_loop_ends_the_line(plain: None) -> None:
    file = Terminal()
    with pytest.raises(ZeroDivisionError):
        for k in symnet.progress([3, 0, 2], file=file):
            1 / k
    assert on_screen(file.getvalue())[0].startswith("1/3, ")
    assert file.getvalue().endswith("\n")


def test_files_get_lines(clock: list[float]) -> None:
    file = io.StringIO()
    assert list(symnet.progress(range(1000), "x", file=file)) == list(range(1000))
    assert file.getvalue().splitlines() == [
        f"x: {k}/1000" for k in range(100, 1001, 100)
    ]
    assert "\r" not in file.getvalue()


def test_unknown_lengths() -> None:
    file = io.StringIO()

    def items() -> Iterator[int]:
        yield from range(11)

    shown = symnet.progress(items(), file=file)
    assert list(shown) == list(range(11))
    assert file.getvalue().split() == ["1", "2", "4", "8", "11"]
    with pytest.raises(TypeError, match="nobody knows"):
        len(shown)
    assert len(symnet.progress(items(), total=11)) == 11


def test_nothing_to_do() -> None:
    file = io.StringIO()
    assert list(symnet.progress([], file=file)) == []
    assert file.getvalue() == ""


def test_a_number_is_no_iterable() -> None:
    with pytest.raises(TypeError, match=r"not 5; say range\(n\) for n steps"):
        symnet.progress(5)  # type: ignore[arg-type]


def test_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    list(symnet.progress(range(2)))
    assert capsys.readouterr() == ("", "1/2\n2/2\n")


def test_tqdm_draws_where_it_is_installed() -> None:
    pytest.importorskip("tqdm")
    file: Any = Terminal()
    steps = symnet.progress(range(5), "training", file=file)
    for k in steps:
        steps.show(f"cost {k}")
    last = on_screen(file.getvalue())[0]
    assert last.startswith("training: 100%") and "5/5" in last
    assert "cost 4" in last
