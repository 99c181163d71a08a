"""Arrays of other libraries as NumPy's: what holds no numbers, or lacks some, is refused.

A masked element, a missing value of a table and a text would count as numbers where they
are computed with; which one is meant only the user can say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.errors import message

Array = np.ndarray[Any, Any]


def as_plain(value: Any) -> Any:
    """`value`, or NumPy's array of what another library's holds.

    Masked arrays, also in lists; tables and columns of pandas and polars; tensors of
    PyTorch.  Numbers of bfloat16 become float32.
    Raises: TypeError where elements are masked or missing, or where a column holds
    no numbers: it is named.
    """
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        return value
    library = type(value).__module__.partition(".")[0]
    if library in LIBRARIES:
        return LIBRARIES[library](value)
    if isinstance(value, np.ndarray) and value.dtype.name == "bfloat16":
        return value.astype("float32")
    return _unmasked(value)


# ---- masks


def _unmasked(value: Any) -> Any:
    """`value`, or the plain array of a masked one (or of a list of such)."""
    masked = sys.modules.get("numpy.ma")  # imported by whoever has a masked array
    if masked is None:
        return value
    if isinstance(value, (list, tuple)) and len(value):
        rows = isinstance(value[0], (np.ndarray, list, tuple))
        return [_unmasked(row) for row in value] if rows else value
    if not isinstance(value, masked.MaskedArray):
        return value
    count = int(np.count_nonzero(masked.getmaskarray(value)))
    if count:
        raise TypeError(
            message(
                f"{count} elements of a masked array of shape {value.shape} are masked, "
                "which no variable can hold",
                cure="choose what they count as, array.filled(value), or pass the mask as "
                "an argument of its own and use T.switch",
            )
        )
    return np.asarray(value.data)


# ---- tables


def _of_pandas(value: Any) -> Any:
    """A DataFrame as a matrix, a Series, an Index or an extension array as a vector."""
    if hasattr(value, "columns"):
        return _joined(len(value), [_pandas_column(k, c) for k, c in value.items()])
    if hasattr(value, "dtype") and hasattr(value, "to_numpy"):
        return _pandas_column(getattr(value, "name", None), value)
    return value


def _pandas_column(name: Any, column: Any) -> Array:
    dtype = getattr(column.dtype, "numpy_dtype", column.dtype)  # of what may be missing
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biufc":
        codes = "; column.cat.codes are the numbers of its categories"
        raise _no_numbers(name, column.dtype, codes if hasattr(column, "cat") else "")
    if dtype is not column.dtype:
        _refuse_missing(name, int(column.isna().sum()), "column.fillna(value)")
    return np.asarray(column.to_numpy(dtype=dtype))


def _of_polars(value: Any) -> Any:
    """A DataFrame as a matrix, a Series as a vector."""
    if hasattr(value, "get_columns"):
        return _joined(value.height, [_polars_column(c) for c in value.get_columns()])
    return _polars_column(value) if hasattr(value, "null_count") else value


def _polars_column(column: Any) -> Array:
    _refuse_missing(column.name, column.null_count(), "column.fill_null(value)")
    array = column.to_numpy()
    if array.dtype.kind not in "biufc":
        raise _no_numbers(column.name, column.dtype, "; column.to_physical()")
    return np.asarray(array)


def _joined(rows: int, columns: list[Array]) -> Array:
    """Columns side by side, in the dtype that holds all of them."""
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0))


def _no_numbers(name: Any, dtype: Any, how: str) -> TypeError:
    return TypeError(
        message(
            f"column {name!r} holds {dtype}, not numbers",
            cure=f"leave it out, or make numbers of it{how}",
        )
    )


def _refuse_missing(name: Any, count: int, how: str) -> None:
    if count:
        raise TypeError(
            message(
                f"{count} elements of column {name!r} are missing, which no variable can hold",
                cure=f"choose what they count as, {how}, or leave their rows out",
            )
        )


# ---- tensors


def _of_torch(value: Any) -> Any:
    """A tensor's numbers in the processor's memory."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _of_jax(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


LIBRARIES: dict[str, Callable[[Any], Any]] = {
    "pandas": _of_pandas, "polars": _of_polars, "torch": _of_torch, "jaxlib": _of_jax,
}  # fmt: skip
