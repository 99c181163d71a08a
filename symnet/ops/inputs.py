"""Constructors of input variables: `matrix("x")`, `ivector()`, `scalars("a", "b")`.

A prefix names the dtype: b w i l are int8 to int64, f d float32 and float64, c z
complex64 and complex128; without prefix it is floatX, or what `dtype` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from symnet.graph.types import TensorType
from symnet.graph.variables import Variable, make_variable

SHAPES: dict[str, tuple[int | None, ...]] = {
    "scalar": (),
    "vector": (None,),
    "row": (1, None),
    "col": (None, 1),
    "matrix": (None, None),
    **{f"tensor{rank}": (None,) * rank for rank in range(3, 8)},
}
PLURALS = {"matrix": "matrices"}


class Constructor(Protocol):
    def __call__(self, name: str | None = None, dtype: Any = None) -> Variable: ...


class Several(Protocol):
    def __call__(self, *names: Any, dtype: Any = None) -> Any: ...


if TYPE_CHECKING:

    class InputType(TensorType):
        """What `dmatrix` and its like are: types that make variables when called."""

        def __call__(self, name: str | None = None) -> Variable: ...


def tensor(
    dtype: Any = None,
    broadcastable: Sequence[bool] | None = None,
    name: str | None = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """A variable of that dtype (default floatX) and broadcast pattern or shape.
    Raises: TypeError without a shape, or for an unknown dtype.
    """
    if shape is None and broadcastable is None:
        raise TypeError(
            "tensor() needs a broadcast pattern or a shape, e.g. shape=(None, 3)"
        )
    pattern = broadcastable if shape is None else None
    kind = TensorType(dtype or "floatX", shape or (), broadcastable=pattern)
    return make_variable(kind, name)


def _constructor(word: str, shape: tuple[int | None, ...]) -> Constructor:
    def make(name: str | None = None, dtype: Any = None) -> Variable:
        return make_variable(TensorType(dtype or "floatX", shape), name)

    make.__name__ = make.__qualname__ = word
    make.__doc__ = (
        f"A {word} variable of `dtype`, by default floatX; shape {_text(shape)}."
    )
    return make


def _text(shape: tuple[int | None, ...]) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"


def _plural(one: Constructor | InputType, word: str) -> Several:
    def make(*names: Any, **keywords: Any) -> Any:
        wanted: Sequence[Any] = names
        if len(names) == 1:
            wanted = (None,) * names[0] if isinstance(names[0], int) else names[0]
        made = [one(name, **keywords) for name in wanted]
        return made[0] if len(made) == 1 else made

    make.__name__ = make.__qualname__ = word
    make.__doc__ = (
        f"Several at once: `{word}('a', 'b')`, `{word}('ab')` or `{word}(2)` without names; "
        "one alone comes without a list."
    )
    return make


def _floatX() -> list[Constructor]:
    """The constructors without prefix, in the order of `SHAPES`."""
    return [_constructor(word, shape) for word, shape in SHAPES.items()]


def _types(dtype: str) -> list[InputType]:
    """Types, as in Theano: calling one makes a variable."""
    return [cast("InputType", TensorType(dtype, shape)) for shape in SHAPES.values()]


def _several(prefix: str, singular: Sequence[Constructor | InputType]) -> list[Several]:
    """The plural of each."""
    return [
        _plural(one, prefix + PLURALS.get(word, word + "s"))
        for word, one in zip(SHAPES, singular, strict=True)
    ]


# ---- the names

(
    scalar, vector, row, col, matrix, tensor3, tensor4, tensor5, tensor6, tensor7,
) = _free = _floatX()  # fmt: skip
(
    scalars, vectors, rows, cols, matrices, tensor3s, tensor4s, tensor5s, tensor6s,
    tensor7s,
) = _several("", _free)  # fmt: skip
(
    bscalar, bvector, brow, bcol, bmatrix, btensor3, btensor4, btensor5, btensor6,
    btensor7,
) = _int8 = _types("int8")  # fmt: skip
(
    bscalars, bvectors, brows, bcols, bmatrices, btensor3s, btensor4s, btensor5s,
    btensor6s, btensor7s,
) = _several("b", _int8)  # fmt: skip
(
    wscalar, wvector, wrow, wcol, wmatrix, wtensor3, wtensor4, wtensor5, wtensor6,
    wtensor7,
) = _int16 = _types("int16")  # fmt: skip
(
    wscalars, wvectors, wrows, wcols, wmatrices, wtensor3s, wtensor4s, wtensor5s,
    wtensor6s, wtensor7s,
) = _several("w", _int16)  # fmt: skip
(
    iscalar, ivector, irow, icol, imatrix, itensor3, itensor4, itensor5, itensor6,
    itensor7,
) = _int32 = _types("int32")  # fmt: skip
(
    iscalars, ivectors, irows, icols, imatrices, itensor3s, itensor4s, itensor5s,
    itensor6s, itensor7s,
) = _several("i", _int32)  # fmt: skip
(
    lscalar, lvector, lrow, lcol, lmatrix, ltensor3, ltensor4, ltensor5, ltensor6,
    ltensor7,
) = _int64 = _types("int64")  # fmt: skip
(
    lscalars, lvectors, lrows, lcols, lmatrices, ltensor3s, ltensor4s, ltensor5s,
    ltensor6s, ltensor7s,
) = _several("l", _int64)  # fmt: skip
(
    fscalar, fvector, frow, fcol, fmatrix, ftensor3, ftensor4, ftensor5, ftensor6,
    ftensor7,
) = _float32 = _types("float32")  # fmt: skip
(
    fscalars, fvectors, frows, fcols, fmatrices, ftensor3s, ftensor4s, ftensor5s,
    ftensor6s, ftensor7s,
) = _several("f", _float32)  # fmt: skip
(
    dscalar, dvector, drow, dcol, dmatrix, dtensor3, dtensor4, dtensor5, dtensor6,
    dtensor7,
) = _float64 = _types("float64")  # fmt: skip
(
    dscalars, dvectors, drows, dcols, dmatrices, dtensor3s, dtensor4s, dtensor5s,
    dtensor6s, dtensor7s,
) = _several("d", _float64)  # fmt: skip
(
    cscalar, cvector, crow, ccol, cmatrix, ctensor3, ctensor4, ctensor5, ctensor6,
    ctensor7,
) = _complex64 = _types("complex64")  # fmt: skip
(
    cscalars, cvectors, crows, ccols, cmatrices, ctensor3s, ctensor4s, ctensor5s,
    ctensor6s, ctensor7s,
) = _several("c", _complex64)  # fmt: skip
(
    zscalar, zvector, zrow, zcol, zmatrix, ztensor3, ztensor4, ztensor5, ztensor6,
    ztensor7,
) = _complex128 = _types("complex128")  # fmt: skip
(
    zscalars, zvectors, zrows, zcols, zmatrices, ztensor3s, ztensor4s, ztensor5s,
    ztensor6s, ztensor7s,
) = _several("z", _complex128)  # fmt: skip

__all__ = [
    "bcol", "bcols", "bmatrices", "bmatrix", "brow", "brows", "bscalar", "bscalars",
    "btensor3", "btensor3s", "btensor4", "btensor4s", "btensor5", "btensor5s",
    "btensor6", "btensor6s", "btensor7", "btensor7s", "bvector", "bvectors", "ccol",
    "ccols", "cmatrices", "cmatrix", "col", "cols", "crow", "crows", "cscalar",
    "cscalars", "ctensor3", "ctensor3s", "ctensor4", "ctensor4s", "ctensor5",
    "ctensor5s", "ctensor6", "ctensor6s", "ctensor7", "ctensor7s", "cvector",
    "cvectors", "dcol", "dcols", "dmatrices", "dmatrix", "drow", "drows", "dscalar",
    "dscalars", "dtensor3", "dtensor3s", "dtensor4", "dtensor4s", "dtensor5",
    "dtensor5s", "dtensor6", "dtensor6s", "dtensor7", "dtensor7s", "dvector",
    "dvectors", "fcol", "fcols", "fmatrices", "fmatrix", "frow", "frows", "fscalar",
    "fscalars", "ftensor3", "ftensor3s", "ftensor4", "ftensor4s", "ftensor5",
    "ftensor5s", "ftensor6", "ftensor6s", "ftensor7", "ftensor7s", "fvector",
    "fvectors", "icol", "icols", "imatrices", "imatrix", "irow", "irows", "iscalar",
    "iscalars", "itensor3", "itensor3s", "itensor4", "itensor4s", "itensor5",
    "itensor5s", "itensor6", "itensor6s", "itensor7", "itensor7s", "ivector",
    "ivectors", "lcol", "lcols", "lmatrices", "lmatrix", "lrow", "lrows", "lscalar",
    "lscalars", "ltensor3", "ltensor3s", "ltensor4", "ltensor4s", "ltensor5",
    "ltensor5s", "ltensor6", "ltensor6s", "ltensor7", "ltensor7s", "lvector",
    "lvectors", "matrices", "matrix", "row", "rows", "scalar", "scalars", "tensor",
    "tensor3", "tensor3s", "tensor4", "tensor4s", "tensor5", "tensor5s", "tensor6",
    "tensor6s", "tensor7", "tensor7s", "vector", "vectors", "wcol", "wcols",
    "wmatrices", "wmatrix", "wrow", "wrows", "wscalar", "wscalars", "wtensor3",
    "wtensor3s", "wtensor4", "wtensor4s", "wtensor5", "wtensor5s", "wtensor6",
    "wtensor6s", "wtensor7", "wtensor7s", "wvector", "wvectors", "zcol", "zcols",
    "zmatrices", "zmatrix", "zrow", "zrows", "zscalar", "zscalars", "ztensor3",
    "ztensor3s", "ztensor4", "ztensor4s", "ztensor5", "ztensor5s", "ztensor6",
    "ztensor6s", "ztensor7", "ztensor7s", "zvector", "zvectors",
]  # fmt: skip
