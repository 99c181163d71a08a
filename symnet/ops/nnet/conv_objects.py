"""Convolutions in Theano's form of an operation: made with settings, called with arrays.

They are no operations of their own: a call builds the expression that `filter_use` gives.
The `Abstract...` ones mirror the filters by default, those of `corr` never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor
from symnet.ops.indexing import getitem
from symnet.ops.nnet.conv_shapes import (
    get_conv_gradinputs_shape_1axis,
    get_conv_gradweights_shape_1axis,
)
from symnet.ops.nnet.filter_use import FilterUse, filter_use
from symnet.ops.sizes import sizes_of

__all__ = [
    "AbstractConv", "AbstractConv2d", "AbstractConv2d_gradInputs",
    "AbstractConv2d_gradWeights", "AbstractConv3d", "AbstractConv3d_gradInputs",
    "AbstractConv3d_gradWeights", "AbstractConv_gradInputs", "AbstractConv_gradWeights",
    "BaseAbstractConv", "Corr3dMM", "Corr3dMM_gradInputs",
    "Corr3dMM_gradWeights", "CorrMM", "CorrMM_gradInputs", "CorrMM_gradWeights",
    "GpuCorrMM", "GpuCorrMM_gradInputs", "GpuCorrMM_gradWeights",
]  # fmt: skip


class BaseAbstractConv:
    """Settings of a convolution along `convdim` axes; see `conv2d` for what they mean.

    imshp, kshp: the shapes of input and filters, as far as they are known.
    """

    def __init__(
        self,
        convdim: int,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = None,
        filter_flip: bool = True,
        filter_dilation: Any = None,
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        if convdim not in (2, 3):
            raise ValueError(f"convolutions go along 2 or 3 axes, not {convdim}")
        if unshared and convdim != 2:
            raise NotImplementedError("filters that are not shared go along 2 axes")
        self.use: FilterUse = filter_use(
            convdim, imshp, kshp, border_mode, subsample, filter_flip, filter_dilation,
            num_groups, unshared,
        )  # fmt: skip
        self.convdim, self.border_mode = convdim, border_mode
        self.imshp, self.kshp = self.use.input_shape, self.use.filter_shape
        self.subsample, self.filter_dilation = self.use.strides, self.use.dilations
        self.filter_flip, self.num_groups = self.use.flip, self.use.groups
        self.unshared = self.use.unshared

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.use == other.use

    def __hash__(self) -> int:
        return hash((type(self), self.use))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.use})"

    def _wanted(self, declared: Sequence[Any], shape: Any) -> list[Any]:
        """The sizes of a result: those declared, else those of `shape`, a sequence or an
        integer vector."""
        rank = self.convdim
        if isinstance(shape, Variable) or not isinstance(shape, Sequence):
            vector = as_tensor(shape)
            given: list[Any] = [getitem(vector, k) for k in range(rank)]
        else:
            given = list(shape)
        pairs = zip(declared[-rank:], given, strict=True)
        return [one if known is None else known for known, one in pairs]


class AbstractConv(BaseAbstractConv):
    """The convolution of an input with filters."""

    def __call__(self, img: Any, kern: Any) -> Variable:
        return self.use.convolve(img, kern)


class AbstractConv_gradWeights(BaseAbstractConv):
    """The gradient for the filters, from that of the output; shape: the filters' last sizes."""

    def __call__(
        self, img: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True
    ) -> Variable:
        return self.use.filter_gradient(img, topgrad, self._wanted(self.kshp, shape))


class AbstractConv_gradInputs(BaseAbstractConv):
    """The gradient for the input, from that of the output; shape: the input's last sizes."""

    def __call__(
        self, kern: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True
    ) -> Variable:
        return self.use.input_gradient(kern, topgrad, self._wanted(self.imshp, shape))


class _Along2(BaseAbstractConv):
    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = (1, 1),
        filter_flip: bool = True,
        filter_dilation: Any = (1, 1),
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        super().__init__(
            2, imshp, kshp, border_mode, subsample, filter_flip, filter_dilation,
            num_groups, unshared,
        )  # fmt: skip


class _Along3(BaseAbstractConv):
    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = (1, 1, 1),
        filter_flip: bool = True,
        filter_dilation: Any = (1, 1, 1),
        num_groups: int = 1,
    ) -> None:
        super().__init__(
            3, imshp, kshp, border_mode, subsample, filter_flip, filter_dilation,
            num_groups,
        )  # fmt: skip


class AbstractConv2d(_Along2, AbstractConv):
    """`conv2d` as an object."""


class AbstractConv2d_gradWeights(_Along2, AbstractConv_gradWeights):
    """`conv2d_grad_wrt_weights` as an object."""


class AbstractConv2d_gradInputs(_Along2, AbstractConv_gradInputs):
    """`conv2d_grad_wrt_inputs` as an object."""


class AbstractConv3d(_Along3, AbstractConv):
    """`conv3d` as an object."""


class AbstractConv3d_gradWeights(_Along3, AbstractConv_gradWeights):
    """`conv3d_grad_wrt_weights` as an object."""


class AbstractConv3d_gradInputs(_Along3, AbstractConv_gradInputs):
    """`conv3d_grad_wrt_inputs` as an object."""


# ---- correlations: the filters are not mirrored


class _Correlation2(BaseAbstractConv):
    """openmp: kept for programs that set it; it has no effect."""

    def __init__(
        self,
        border_mode: Any = "valid",
        subsample: Any = (1, 1),
        filter_dilation: Any = (1, 1),
        num_groups: int = 1,
        unshared: bool = False,
        openmp: bool | None = None,
    ) -> None:
        super().__init__(
            2, None, None, border_mode, subsample, False, filter_dilation, num_groups,
            unshared,
        )  # fmt: skip


class _Correlation3(BaseAbstractConv):
    """openmp: kept for programs that set it; it has no effect."""

    def __init__(
        self,
        border_mode: Any = "valid",
        subsample: Any = (1, 1, 1),
        filter_dilation: Any = (1, 1, 1),
        openmp: bool | None = None,
        num_groups: int = 1,
    ) -> None:
        super().__init__(
            3, None, None, border_mode, subsample, False, filter_dilation, num_groups
        )


class _CorrelationForFilters(BaseAbstractConv):
    """shape: the filters' last sizes; None where they follow: without stride and with a
    border other than "half".  Raises: ValueError where they do not."""

    def __call__(self, img: Any, topgrad: Any, shape: Any = None) -> Variable:
        if shape is None:
            shape = self._taps(as_tensor(img), as_tensor(topgrad))
        return self.use.filter_gradient(img, topgrad, self._wanted(self.kshp, shape))

    def _taps(self, x: Variable, g: Variable) -> list[Any]:
        rules = zip(self.use.borders, self.subsample, self.filter_dilation, strict=True)
        taps = [
            get_conv_gradweights_shape_1axis(length, places, *rule)
            for length, places, rule in zip(
                sizes_of(x)[2:], sizes_of(g)[2:], rules, strict=True
            )
        ]
        if None in [None if one is None else 0 for one in taps]:
            raise ValueError(
                f"{type(self).__name__}: give shape=, the filters' last sizes: they do not "
                "follow with a stride or with border_mode='half'"
            )
        return taps


class _CorrelationForInputs(BaseAbstractConv):
    """shape: the input's last sizes; None where they follow: without stride.
    Raises: ValueError where they do not."""

    def __call__(self, kern: Any, topgrad: Any, shape: Any = None) -> Variable:
        if shape is None:
            shape = self._lengths(as_tensor(kern), as_tensor(topgrad))
        return self.use.input_gradient(kern, topgrad, self._wanted(self.imshp, shape))

    def _lengths(self, w: Variable, g: Variable) -> list[Any]:
        rules = zip(self.use.borders, self.subsample, self.filter_dilation, strict=True)
        lengths = [
            get_conv_gradinputs_shape_1axis(taps, places, *rule)
            for taps, places, rule in zip(
                sizes_of(w)[-self.convdim :], sizes_of(g)[2:], rules, strict=True
            )
        ]
        if None in [None if one is None else 0 for one in lengths]:
            raise ValueError(
                f"{type(self).__name__}: give shape=, the input's last sizes: they do not "
                "follow with a stride"
            )
        return lengths


class CorrMM(_Correlation2, AbstractConv):
    """`conv2d` without mirrored filters, as an object."""


class CorrMM_gradWeights(_CorrelationForFilters, _Correlation2):
    """The gradient of `CorrMM` for its filters."""


class CorrMM_gradInputs(_CorrelationForInputs, _Correlation2):
    """The gradient of `CorrMM` for its input."""


class _OfOldNames(_Correlation2):
    """pad: an older name of border_mode.  Raises: ValueError where both are given."""

    def __init__(
        self,
        border_mode: Any = "valid",
        subsample: Any = (1, 1),
        filter_dilation: Any = (1, 1),
        num_groups: int = 1,
        unshared: bool = False,
        pad: Any = (0, 0),
    ) -> None:
        if pad not in (0, (0, 0)):
            if border_mode != "valid":
                raise ValueError(
                    f"{type(self).__name__}: give border_mode, not pad={pad!r} besides"
                )
            border_mode = pad
        super().__init__(border_mode, subsample, filter_dilation, num_groups, unshared)


class GpuCorrMM(_OfOldNames, CorrMM):
    """`CorrMM` by its name of a GPU, on any device."""


class GpuCorrMM_gradWeights(_OfOldNames, CorrMM_gradWeights):
    """`CorrMM_gradWeights` by its name of a GPU, on any device."""


class GpuCorrMM_gradInputs(_OfOldNames, CorrMM_gradInputs):
    """`CorrMM_gradInputs` by its name of a GPU, on any device."""


class Corr3dMM(_Correlation3, AbstractConv):
    """`conv3d` without mirrored filters, as an object."""


class Corr3dMM_gradWeights(_CorrelationForFilters, _Correlation3):
    """The gradient of `Corr3dMM` for its filters."""


class Corr3dMM_gradInputs(_CorrelationForInputs, _Correlation3):
    """The gradient of `Corr3dMM` for its input."""
