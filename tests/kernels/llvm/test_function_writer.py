"""Loops, words and scopes, compiled and run."""

from __future__ import annotations

import pytest

from symnet.kernels.llvm.function_writer import FunctionWriter
from tests.kernels.llvm.written_functions import HEAD, call, compiled, writer


@pytest.mark.parametrize("count", [-4, 0, 1, 3, 10])
def test_a_loop_carries_values(count: int) -> None:
    """The sum and the number of 0, 3, 6, ..."""

    def write(own: FunctionWriter) -> str:
        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            here = own.here()
            total = here.emit(f"add i64 {names[0]}, {index}")
            turns = here.emit(f"add i64 {names[1]}, 1")
            return here.emit(f"add i64 {index}, 3"), [total, turns]

        carried = [("i64", "5"), ("i64", "0")]
        total, turns = own.loop("0", own.word(0), carried, body)
        return own.here().emit(f"add i64 {total}, {turns}")

    values = range(0, max(count, 0), 3)
    assert call(write, [count]) == 5 + sum(values) + len(values)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_loops_in_loops(count: int) -> None:
    def write(own: FunctionWriter) -> str:
        def outer(i: str, before: list[str]) -> tuple[str, list[str]]:
            def inner(j: str, names: list[str]) -> tuple[str, list[str]]:
                here = own.here()
                product = here.emit(f"mul i64 {i}, {j}")
                total = here.emit(f"add i64 {names[0]}, {product}")
                return here.emit(f"add i64 {j}, 1"), [total]

            totals = own.loop("0", i, [("i64", before[0])], inner)
            return own.here().emit(f"add i64 {i}, 1"), totals

        return own.loop("%begin", "%end", [("i64", "0")], outer)[0]

    wanted = sum(i * j for i in range(count) for j in range(i))
    assert call(write, end=count) == wanted


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (2, 3), (2, 9), (5, 1)])
def test_once_at_most(begin: int, end: int) -> None:
    def write(own: FunctionWriter) -> str:
        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            return "0", [own.here().emit(f"add i64 {names[0]}, {index}")]

        return own.when("%begin", "%end", [("i64", "100")], body)[0]

    assert call(write, begin=begin, end=end) == (100 + begin if begin < end else 100)


def test_whole_steps_and_the_smaller() -> None:
    steps = compiled(lambda own: own.whole_steps("%begin", "%end", 16))
    smaller = compiled(lambda own: own.smaller(own.here(), "%begin", "%end"))
    for low, high in ((0, 0), (0, 15), (3, 19), (3, 100), (-7, 40)):
        assert steps(begin=low, end=high) == low + (high - low) // 16 * 16
        assert smaller(begin=high, end=low) == min(low, high)


def test_a_word_is_read_once_and_before_all_else() -> None:
    own = writer()
    here = own.here()
    first = own.word(3)
    assert own.word(3) == first and own.word(3, "ptr") != first
    assert sum("load i64" in line for line in own.entry.lines) == 1
    assert not here.lines


def test_scopes_keep_their_place() -> None:
    own = writer()
    early, late = own.here(), own.here()
    late.line("second")
    early.line("first")
    own.may_fail = True
    own.finish(HEAD, "last", "failed")
    (text,) = own.module.functions
    lines = [line.strip() for line in text.split("\n")]
    assert lines[1:] == ["entry:", "first", "second", "last", "fail:", "failed", "}"]


def test_functions_of_one_module_share_names_and_declarations() -> None:
    own = writer()
    one = own.here().emit("add i64 1, 2")
    own.finish(HEAD, f"ret i64 {one}")
    other = FunctionWriter(own.module)
    two = other.smaller(other.here(), "1", "2")
    other.finish(HEAD.replace("written", "other"), f"ret i64 {two}")
    assert one != two
    assert own.module.text().count("declare i64 @llvm.smin.i64") == 1
