"""How errors are worded, and which of Python's kinds they are."""

from __future__ import annotations

import pytest

from symnet import errors
from symnet.errors import message

KINDS = {
    "AxisError": ValueError,
    "MissingInputError": ValueError,
    "UnusedInputError": ValueError,
    "DisconnectedInputError": ValueError,
    "ShapeError": ValueError,
    "DeclaredShapeError": AssertionError,
    "NotScalarConstantError": ValueError,
    "EmptyConstantError": ValueError,
    "ComplexError": TypeError,
    "ClassNumberError": ValueError,
    "NullTypeGradError": TypeError,
    "AsTensorError": TypeError,
    "NotImplementedGradientError": TypeError,
    "UnusedCodeWarning": UserWarning,
}


@pytest.mark.parametrize("name", KINDS)
def test_errors_keep_pythons_kinds(name):
    kind = getattr(errors, name)
    assert issubclass(kind, KINDS[name]) and kind.__doc__
    assert str(kind("what")) == "what"


def test_a_wrong_axis_is_an_error_of_values_and_of_positions():
    assert issubclass(errors.AxisError, ValueError)
    assert issubclass(errors.AxisError, IndexError)


def test_a_wrong_class_is_an_error_of_values_and_of_positions():
    assert issubclass(errors.ClassNumberError, IndexError)


def test_every_error_is_listed():
    kinds = [v for v in vars(errors).values() if isinstance(v, type)]
    found = {v.__name__ for v in kinds if issubclass(v, Exception)}
    assert found == set(KINDS)


def test_a_message_in_full():
    text = message(
        "sizes differ",
        operation="dot",
        operands=["x", "y"],
        origin="a.py:3",
        cure="swap",
    )
    assert text.splitlines() == [
        "sizes differ",
        "  operation: dot",
        "  operand 0: x",
        "  operand 1: y",
        "  your line: a.py:3",
        "  to do: swap",
    ]


def test_parts_that_are_not_known_are_left_out():
    assert message("what") == "what"
    assert message("what", cure="do") == "what\n  to do: do"
    assert message("what", operation=0) == "what\n  operation: 0"


@pytest.mark.parametrize("count", [0, 1, 8, 9, 200])
def test_long_lists_of_operands_are_cut(count):
    lines = message("what", operands=range(count)).splitlines()[1:]
    assert len(lines) == min(count, 8)
    if count > 8:
        assert lines[-1] == f"  ... and {count - 7} more operands"


def test_an_instruction_of_no_line_is_shown_by_the_first_of_its_function() -> None:
    """As where the handler of a signal comes between two lines."""

    def plain() -> None:
        raise ValueError("between lines")

    plain.__code__ = plain.__code__.replace(co_linetable=b"")
    # Not by pytest.raises: pytest cannot show a traceback of no line.
    entries, kind = [], None
    try:
        errors.briefly(plain)()
    except Exception as error:
        kind, entry = type(error), error.__traceback__
        while entry is not None:
            entries.append((entry.tb_frame.f_code.co_name, entry.tb_lineno))
            entry = entry.tb_next
    assert kind is ValueError
    assert ("plain", plain.__code__.co_firstlineno) in entries
