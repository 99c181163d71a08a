"""The debugger is entered where a condition is true."""

from __future__ import annotations

import pdb
import sys

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.breakpoints import PdbBreakpoint


def test_values_pass_and_the_debugger_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def look() -> None:
        monitored = sys._getframe(1).f_locals["monitored"]
        seen.append([value.copy() for value in monitored])
        monitored[0][...] = 9

    monkeypatch.setattr(pdb, "set_trace", look)
    x, y = T.dvector("x"), T.lscalar("y")
    x_seen, y_seen = PdbBreakpoint("large")(T.gt(x.sum(), 10), x, y)
    f = symnet.function([x, y], [x_seen * y_seen, symnet.grad(x_seen.sum(), x)])
    product, slope = f([1.0, 2.0], 3)
    assert product.tolist() == [3, 6]
    assert slope.tolist() == [1, 1]
    assert not seen
    assert f([10.0, 2.0], 3)[0].tolist() == [27, 27]
    np.testing.assert_array_equal(seen[0][0], [10, 2])
    shown = capsys.readouterr().out
    assert "breakpoint 'large'" in shown
    assert "x, float64 vector: shape (2,)" in shown


def test_what_is_no_breakpoint() -> None:
    with pytest.raises(TypeError, match="a scalar condition"):
        PdbBreakpoint("a")(T.dvector(), T.dvector())
    with pytest.raises(TypeError, match="a scalar condition"):
        PdbBreakpoint("a")(T.lscalar())
    assert PdbBreakpoint("a") == PdbBreakpoint("a") != PdbBreakpoint("b")
