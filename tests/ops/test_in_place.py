"""Operations by their names in place: the sum in the dtype of its first operand."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor import inplace


@pytest.mark.parametrize("name", inplace.__all__)
def test_each_gives_what_the_operation_gives(name: str) -> None:
    op = getattr(inplace, name)
    own = name.removesuffix("_inplace")
    theirs = getattr(T, {"fill": "second"}.get(own, own), None) or getattr(T.nnet, own)
    bits = own in ("and_", "or_", "xor", "invert")
    values = np.array([[1, 2], [3, 1]] if bits else [[0.25, 0.5], [0.75, 0.5]])
    x = T.constant(values)
    for inputs in ((x,), (x, x)):
        try:
            expected = theirs(*inputs)
        except TypeError:
            continue
        found = op(*inputs)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(
            found.eval(), expected.eval().astype(values.dtype)
        )
        return
    raise AssertionError(name)


def test_nothing_is_overwritten_unless_it_is_asked_for() -> None:
    x = T.dvector("x")
    value = np.array([1.0, 2.0])
    f = symnet.function([x], inplace.mul_inplace(x, 2))
    assert f(value).tolist() == [2, 4]
    assert value.tolist() == [1, 2]


def test_the_dtype_is_that_of_the_first_operand() -> None:
    i, x = T.ivector("i"), T.dvector("x")
    total = inplace.add_inplace(i, x)
    assert total.dtype == "int32"
    assert total.eval({i: [1, 2], x: [0.5, 0.6]}).tolist() == [1, 2]
    assert repr(inplace.add_inplace) == "add_inplace"
    assert inplace.neg_inplace.make_node(x).inputs[1] is x


def test_a_result_that_has_no_room() -> None:
    with pytest.raises(TypeError, match="has no room in the first operand"):
        inplace.add_inplace(T.drow(), T.dmatrix())
