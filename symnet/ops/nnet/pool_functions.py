"""Pooling as users ask for it: Theano's functions, and its operations by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Variable, operand_text
from symnet.ops.base import as_tensor
from symnet.ops.indexing import getitem
from symnet.ops.nnet.pool_axes import Number, count_windows, number
from symnet.ops.nnet.pooling import MODES, WITH_BORDER, Pooling
from symnet.ops.operation_class import ClassOfOps
from symnet.ops.sizes import shape_i, size_scalar, vector_elements

__all__ = [
    "AveragePoolGrad", "DownsampleFactorMaxGradGrad", "MaxPoolGrad", "Pool",
    "max_pool_2d", "max_pool_2d_same_size", "pool_2d", "pool_3d",
]  # fmt: skip


def pool_2d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Variable:
    """The maximum, sum or average of windows over the last two axes.

    Shapes: input (..., rows, columns) -> (..., window rows, window columns): along an axis of
        n elements with padding p on both sides, windows of w every s elements, there are
        (n + 2p - w) // s + 1, and with ignore_border False as many as begin within the image
        and have elements that none before has.
    Dtypes: integers and floats, kept; averages of integers are truncated.
    ws, stride, pad: two ints each, or an integer vector; stride None means ws.
    ignore_border: leave out windows that reach beyond the end; None means False.
    mode: "max", "sum", "average_inc_pad" (padding counts as zeros), "average_exc_pad".
    ds, st, padding: older names of ws, stride and pad.
    The gradient of "max" goes to every element that equals the maximum of its window.
    Raises: ValueError for a missing or doubled argument, another mode, and a window or
        stride below 1; NotImplementedError for a rank below 2, for padding with
        ignore_border False, and padding as wide as the window; TypeError for what is no int.
    Example: a quarter of the image.
        pool_2d(x, (2, 2), ignore_border=True)
    """
    return _pool(2, input, ws, ignore_border, stride, pad, mode, ds, st, padding)


def pool_3d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Variable:
    """The maximum, sum or average of windows over the last three axes: see `pool_2d`."""
    return _pool(3, input, ws, ignore_border, stride, pad, mode, ds, st, padding)


def max_pool_2d(
    input: Any,
    ds: Any,
    ignore_border: bool | None = None,
    st: Any = None,
    padding: Any = (0, 0),
    mode: str = "max",
) -> Variable:
    """The name of `pool_2d` in `theano.tensor.signal.downsample`."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)


def max_pool_2d_same_size(input: Any, patch_size: Any) -> Variable:
    """`input` with zeros where it is not the maximum of its patch.

    Shapes: as input, of rank 2 at least; elements beyond the last whole patch are zero.
    patch_size: two ints, or an integer vector.
    """
    output = Pool(ignore_border=True)(input, patch_size)
    return MaxPoolGrad(ignore_border=True)(input, output, output, patch_size)


def _pool(
    ndim: int,
    input: Any,
    ws: Any,
    ignore_border: bool | None,
    stride: Any,
    pad: Any,
    mode: str,
    ds: Any,
    st: Any,
    padding: Any,
) -> Variable:
    x = as_tensor(input)
    if x.type.ndim < ndim:
        raise NotImplementedError(
            message(
                f"pool_{ndim}d takes an array of rank {ndim} at least",
                operands=[operand_text(x)],
            )
        )
    window, strides, pads = renamed(ndim, ws, stride, pad, ds, st, padding)
    return Pool(bool(ignore_border), mode, ndim)(x, window, strides, pads)


def renamed(
    ndim: int, ws: Any, stride: Any, pad: Any, ds: Any, st: Any, padding: Any
) -> tuple[Any, Any, Any]:
    """Window, strides and padding from their newer and older names.

    Raises: ValueError where both names are used, or there is no window.
    """
    if ws is not None and ds is not None:
        raise ValueError("pooling: give either ws or ds, its older name")
    if stride is not None and st is not None:
        raise ValueError("pooling: give either stride or st, its older name")
    none_yet = pad is None or (
        isinstance(pad, (tuple, list)) and tuple(pad) == (0,) * ndim
    )
    if padding is not None and not none_yet:
        raise ValueError("pooling: give either pad or padding, its older name")
    window = ds if ws is None else ws
    if window is None:
        raise ValueError(
            f"pooling needs the size of its windows: give ws, {ndim} integers"
        )
    return window, st if stride is None else stride, pad if padding is None else padding


class Pool(metaclass=ClassOfOps):
    """Theano's operation as a function: Pool(...)(x, ws, stride, pad).  Ops that pool are
    of the class.

    mode: as in `pool_2d`, or "max_deterministic", which is "max".
    ndim: how many of the last axes are pooled.
    Raises: see `pool_2d`.

    >>> x = T.dmatrix("x")
    >>> T.signal.pool.Pool(ignore_border=True)(x, (2, 2)).eval({x: np.arange(16.0).reshape(4, 4)})
    array([[ 5.,  7.],
           [13., 15.]])
    """

    recognises = staticmethod(lambda op: isinstance(op, Pooling))

    def __init__(
        self,
        ignore_border: bool = False,
        mode: str = "max",
        ndim: int = 2,
        openmp: bool | None = None,
    ) -> None:
        mode = "max" if mode == "max_deterministic" else mode
        if mode not in MODES:
            raise ValueError(
                f"no mode {mode!r} of pooling: there are {', '.join(MODES)}"
            )
        self.ignore_border, self.mode, self.ndim = bool(ignore_border), mode, int(ndim)

    def __call__(
        self, x: Any, ws: Any, stride: Any = None, pad: Any = None
    ) -> Variable:
        x = as_tensor(x)
        op = Pooling(self.mode, self.ignore_border, self.ndim)
        result: Variable = op(x, *pool_numbers(op, x, ws, stride, pad))
        return result

    @staticmethod
    def out_shape(
        imgshape: Any,
        ws: Any = None,
        ignore_border: bool = False,
        stride: Any = None,
        pad: Any = None,
        ndim: int = 2,
        ds: Any = None,
        st: Any = None,
        padding: Any = None,
    ) -> list[Any]:
        """The shape of the result for an image of shape `imgshape`: numbers, or scalars of
        the graph where some are given."""
        ndim = 2 if ndim is None else ndim
        if len(imgshape) < ndim:
            raise TypeError(f"imgshape has {len(imgshape)} sizes, pooling {ndim} axes")
        window, strides, pads = renamed(ndim, ws, stride, pad, ds, st, padding)
        groups = [
            list(window),
            list(window if strides is None else strides),
            list((0,) * ndim if pads is None else pads),
        ]
        lead = len(imgshape) - ndim
        sizes = [_plain(n) for n in imgshape[lead:]]
        rows = zip(sizes, *[[_plain(n) for n in g] for g in groups], strict=True)
        counts = [count_windows(n, w, s, p, bool(ignore_border)) for n, w, s, p in rows]
        return [*imgshape[:lead], *counts]


class MaxPoolGrad:
    """Theano's operation as a function: gz, of the windows of x, given to the elements that
    equal the maximum of their window.

    Shapes: x (..., rows, columns); maxout and gz as the windows' maxima -> as x.

    >>> x, z, gz = T.dmatrices("x", "z", "gz")
    >>> slope = T.signal.pool.MaxPoolGrad(ignore_border=True)(x, z, gz, (1, 2))
    >>> slope.eval({x: [[1.0, 4.0]], z: [[4.0]], gz: [[10.0]]})
    array([[ 0., 10.]])
    """

    def __init__(
        self, ignore_border: bool, ndim: int = 2, openmp: bool | None = None
    ) -> None:
        self.op = Pooling("max", ignore_border, ndim)

    def __call__(
        self, x: Any, maxout: Any, gz: Any, ws: Any, stride: Any = None, pad: Any = None
    ) -> Variable:
        x, maxout, gz = as_tensor(x), as_tensor(maxout), as_tensor(gz)
        return self.op.spread(x, maxout, gz, pool_numbers(self.op, x, ws, stride, pad))


class AveragePoolGrad:
    """Theano's operation as a function: gz, of the windows of x, given to all elements of
    their window in equal shares.

    Shapes: x (..., rows, columns), gz as the windows' sums or averages -> as x.
    mode: "sum", "average_inc_pad" or "average_exc_pad".

    >>> x, gz = T.dmatrices("x", "gz")
    >>> slope = T.signal.pool.AveragePoolGrad(ignore_border=True)(x, gz, (1, 2))
    >>> slope.eval({x: [[1.0, 4.0]], gz: [[10.0]]})
    array([[5., 5.]])
    """

    def __init__(
        self, ignore_border: bool, mode: str = "average_inc_pad", ndim: int = 2
    ) -> None:
        self.op = Pooling(mode, ignore_border, ndim)

    def __call__(
        self, x: Any, gz: Any, ws: Any, stride: Any = None, pad: Any = None
    ) -> Variable:
        x, gz = as_tensor(x), as_tensor(gz)
        # Of nothing but padding a sum is 0, and an average that counts it, too.
        wide = self.op.mode != "average_exc_pad"
        return self.op.spread(
            x, gz, gz, pool_numbers(self.op, x, ws, stride, pad, wide)
        )


class DownsampleFactorMaxGradGrad:
    """Theano's operation as a function: for each window of x the sum of gz, of the shape of
    x, over the elements that equal its maximum.

    >>> x, z, gz = T.dmatrices("x", "z", "gz")
    >>> sums = T.signal.pool.DownsampleFactorMaxGradGrad(ignore_border=True)(x, z, gz, (1, 2))
    >>> sums.eval({x: [[1.0, 4.0]], z: [[4.0]], gz: [[10.0, 20.0]]})
    array([[20.]])
    """

    def __init__(
        self,
        ignore_border: bool,
        mode: str = "max",
        ndim: int = 2,
        openmp: bool | None = None,
    ) -> None:
        self.op = Pooling(mode, ignore_border, ndim)

    def __call__(
        self, x: Any, maxout: Any, gz: Any, ws: Any, stride: Any = None, pad: Any = None
    ) -> Variable:
        x, maxout, gz = as_tensor(x), as_tensor(maxout), as_tensor(gz)
        return self.op.picked(x, maxout, gz, pool_numbers(self.op, x, ws, stride, pad))


# ---- windows, strides and paddings as integer scalars


def pool_numbers(
    op: Pooling, x: Variable, ws: Any, stride: Any, pad: Any, wide: bool = False
) -> list[Variable]:
    """What `Pooling` takes beside the image.  Raises: see `pool_2d`.

    wide: padding may be as wide as the window.
    """
    ndim = op.ndim
    if x.type.ndim < ndim:
        raise TypeError(
            message(
                f"pooling {ndim} axes of an array of lower rank",
                operation=op,
                operands=[operand_text(x)],
            )
        )
    window = _integers(ws, ndim, "a window")
    strides = window if stride is None else _integers(stride, ndim, "a stride")
    pads = _integers((0,) * ndim if pad is None else pad, ndim, "a padding")
    _check(op, x, window, strides, pads, wide)
    lead = x.type.ndim - ndim
    sizes = [number(shape_i(x, lead + k)) for k in range(ndim)]
    rows = zip(sizes, window, strides, pads, strict=True)
    counts = [count_windows(n, w, s, p, op.ignore_border) for n, w, s, p in rows]
    every = [*window, *strides, *pads, *counts]
    return [size_scalar(one, "a size of pooling") for one in every]


def _plain(value: Any) -> Number:
    """A size as an int, or as a scalar of the graph."""
    return (
        number(size_scalar(value, "a size"))
        if isinstance(value, Variable)
        else int(value)
    )


def _integers(value: Any, ndim: int, what: str) -> list[Number]:
    """`ndim` integers from a sequence or an integer vector.

    Raises: TypeError for what is no integer, ValueError for another length.
    """
    elements: Sequence[Any]
    if isinstance(value, (tuple, list)):
        elements = value
    else:
        vector = as_tensor(value)
        if vector.type.ndim != 1 or vector.type.dtype not in INTEGERS:
            raise TypeError(
                message(
                    f"{what} of pooling is a tuple of {ndim} ints or an integer vector",
                    operands=[operand_text(vector)],
                )
            )
        found = vector_elements(vector)
        length = vector.type.shape[0]
        if found is None:
            found = (
                [getitem(vector, k) for k in range(ndim)]
                if length in (None, ndim)
                else []
            )
        elements = found
    if len(elements) != ndim:
        raise ValueError(f"{what} of pooling has {ndim} numbers, not {value}")
    return [number(size_scalar(one, f"{what} of pooling")) for one in elements]


def _check(
    op: Pooling,
    x: Variable,
    window: Sequence[Number],
    strides: Sequence[Number],
    pads: Sequence[Number],
    wide: bool,
) -> None:
    """Raises: see `pool_2d`."""

    def text(what: str, cure: str = "") -> str:
        return message(what, operation=op, operands=[operand_text(x)], cure=cure)

    for numbers, what in ((window, "window"), (strides, "stride")):
        if any(isinstance(n, int) and n < 1 for n in numbers):
            raise ValueError(text(f"a {what} of pooling is 1 at least, not {numbers}"))
    if any(isinstance(p, int) and p < 0 for p in pads):
        raise ValueError(text(f"a padding of pooling is not negative: {pads}"))
    if not op.ignore_border and any(isinstance(p, int) and p > 0 for p in pads):
        raise NotImplementedError(text(WITH_BORDER, "pass ignore_border=True"))
    for p, w in zip(pads, window, strict=True):
        if isinstance(p, int) and isinstance(w, int) and p >= w and not wide:
            raise NotImplementedError(
                text(f"a padding is smaller than its window: {p} for {w}")
            )
