"""Shapes of convolutions, against convolutions that are made."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symnet.compile.function import function
from symnet.errors import DeclaredShapeError
from symnet.ops.base import constant
from symnet.ops.inputs import lscalar, tensor4
from symnet.ops.nnet.conv_shapes import (
    assert_conv_shape,
    assert_shape,
    border_mode_to_pad,
    check_conv_gradinputs_shape,
    get_conv_gradinputs_shape,
    get_conv_gradweights_shape,
    get_conv_output_shape,
    get_conv_shape_1axis,
)
from tests.convolutions import direct
from tests.helpers import run

CASES = list(
    itertools.product(
        ["valid", "full", "half", 1, (2, (0, 1))], [(1, 1), (2, 3)], [(1, 1), (2, 1)]
    )
)


@pytest.mark.parametrize("border, strides, dilations", CASES)
def test_shapes_are_those_of_convolutions(border, strides, dilations):
    image, filters = (2, 4, 9, 8), (6, 2, 3, 2)
    y = direct(
        np.zeros(image), np.zeros(filters), border, strides, dilations, groups=2
    ).shape
    assert get_conv_output_shape(image, filters, border, strides, dilations) == y
    wide = (6, *y[2:], 2, 3, 2)
    assert get_conv_output_shape(image, wide, border, strides, dilations) == y
    assert check_conv_gradinputs_shape(image, filters, y, border, strides, dilations)
    wrong = (*y[:3], y[3] + 1)
    assert not check_conv_gradinputs_shape(
        image, filters, wrong, border, strides, dilations
    )
    rest = (strides, dilations, 2)
    by_image = get_conv_gradinputs_shape(filters, y, border, *rest)
    by_filter = get_conv_gradweights_shape(image, y, border, *rest)
    for axis in (0, 1):
        follows = strides[axis] == 1
        assert by_image[2 + axis] == (image[2 + axis] if follows else None)
        sure = follows and border != "half"
        assert by_filter[2 + axis] == (filters[2 + axis] if sure else None)
    assert by_image[:2] == image[:2] and by_filter[:2] == filters[:2]
    assert get_conv_gradweights_shape(image, y, border, *rest, True) == (
        6, *y[2:], *by_filter[1:],
    )  # fmt: skip


def test_sizes_that_are_not_known():
    unknown = (None, 3, None, 8)
    assert get_conv_output_shape(unknown, (5, 3, 3, None), "valid", (1, 1)) == (
        None, 5, None, None,
    )  # fmt: skip
    assert check_conv_gradinputs_shape(
        unknown, (5, 3, 3, 3), (None, 5, None, None), "valid", (1, 1)
    )
    assert not check_conv_gradinputs_shape(unknown, (5, 3, 3), unknown, "valid", (1, 1))


def test_variables_as_sizes():
    n, t = lscalar(), lscalar()
    for border in ("valid", "full", "half", (2, 1)):
        size = get_conv_shape_1axis(n, t, border, 2, 3)
        want = get_conv_shape_1axis(11, 3, border, 2, 3)
        assert run(size, {n: 11, t: 3}) == want


def test_shapes_that_cannot_be():
    n = lscalar()
    shape = assert_conv_shape((None, n, constant(3), n))
    assert shape[0] is None
    f = function([n], [shape[1], shape[3]])
    assert [int(k) for k in f(1)] == [1, 1]
    for wrong in (0, -1):
        with pytest.raises(DeclaredShapeError, match="no such shape: size"):
            f(wrong)
    assert function([n], shape[1])(0) == 0
    for shape in ((1, -1, 2), (1, 1, 0), (1, 1, constant(0))):
        with pytest.raises(ValueError, match="no such shape"):
            assert_conv_shape(shape)


def test_asserted_shapes():
    x, n = tensor4("x", dtype="float64"), lscalar("n")
    f = function([x, n], assert_shape(x, (None, n, 3, None), "not so"))
    assert f(np.ones((1, 2, 3, 4)), 2).shape == (1, 2, 3, 4)
    for number, shape in ((1, (1, 2, 3, 4)), (2, (1, 2, 5, 4))):
        with pytest.raises(AssertionError, match="not so"):
            f(np.ones(shape), number)
    assert assert_shape(x, None) is x


def test_pads():
    assert border_mode_to_pad("full", 2, (3, 4)) == ((2, 2), (3, 3))
    assert border_mode_to_pad("half", 2, (3, 4)) == ((1, 1), (2, 2))
    assert border_mode_to_pad((1, (2, 3)), 2, (3, 4)) == ((1, 1), (2, 3))
    with pytest.raises(ValueError, match="one border for each of 3 axes"):
        border_mode_to_pad((1, 2), 3, (1, 1, 1))
