"""Types of variables: what is known of a value before it exists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.entering import as_plain

DTYPES: tuple[str, ...] = tuple(
    (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
        "float16 float32 float64 complex64 complex128"
    ).split()
)
# NumPy works the name of a dtype out each time that it is asked.
_NAMES: dict[Any, str] = {key: d for d in DTYPES for key in (d, np.dtype(d))}
FLOATS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = tuple(d for d in DTYPES if "int" in d)


class Type:
    """The base of all types of variables.

    >>> T.dvector.filter([1, 2])
    array([1., 2.])
    >>> isinstance(T.dvector, symnet.Type)
    True
    """

    ndim: int = 0
    to_tensor: ClassVar[str] = ""  # how a value of another type becomes a tensor

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Any:
        """Return `value` as a value of this type, or raise TypeError."""
        raise TypeError(f"{self} holds no values")

    def shown(self, value: Any) -> Any:
        """A value as users get it, in `perform` and as a result: what is kept, unless
        the type says otherwise."""
        return value

    def __repr__(self) -> str:
        return type(self).__name__

    # What its variables are, and Theano's methods that make them: attached by
    # graph.variables, which stands above.
    variable_class: ClassVar[Callable[..., Any]]
    make_variable: Callable[..., Any]
    __call__: Callable[..., Any]
    filter_variable: Callable[..., Any]
    convert_variable: Callable[..., Any]  # by ops.sizes: of types of tensors

    def accepts(self, other: Type) -> bool:
        """Whether every value of type `other` may be a value of this type: where they are
        equal; types of a class that does not say when they are, all are."""
        says = type(self).__eq__ is not object.__eq__
        return bool(self == other) if says else type(other) is type(self)

    def is_valid_value(self, value: Any) -> bool:
        try:
            self.filter(value, strict=True)
        except (TypeError, ValueError):
            return False
        return True


class TensorType(Type):
    """Arrays of one dtype and rank; each size is an int, or None where it is not known.

    The second argument, or `broadcastable`, may also be Theano's broadcast pattern, a
    sequence of bools: True means a size of 1, False a size not known.

    Raises: TypeError for a dtype outside DTYPES or a shape that is no sequence.

    >>> images = T.TensorType("float32", (None, 28, 28))
    >>> images
    float32 tensor (?, 28, 28)
    >>> x = images("x")
    >>> x.ndim, x.type.shape
    (3, (None, 28, 28))
    """

    __slots__ = ("dtype", "shape", "_hash")
    dtype: str
    shape: tuple[int | None, ...]

    def __init__(
        self,
        dtype: Any,
        shape: Sequence[int | bool | None] = (),
        name: str | None = None,
        broadcastable: Sequence[bool] | None = None,
        sparse_grad: bool = False,
    ) -> None:
        """sparse_grad: Theano's, without effect: gradients are arrays."""
        if broadcastable is not None:
            # Theano's programs say 0 and 1, too.
            shape = [n if n is None else n or False for n in broadcastable]
        if dtype == "floatX":
            dtype = config.floatX
        self.dtype = _dtype_name(dtype)
        self.shape = tuple([n if n is None else _size(n) for n in shape])
        self._hash = hash((self.dtype, self.shape))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, TensorType)
            and self.dtype == other.dtype
            and self.shape == other.shape
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.dtype, self.shape)

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return len(self.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """Theano's broadcast pattern: which sizes are known to be 1."""
        return tuple(size == 1 for size in self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    def __repr__(self) -> str:
        if all(size is None for size in self.shape):
            word = {0: "scalar", 1: "vector", 2: "matrix"}.get(self.ndim)
            return f"{self.dtype} {word or f'{self.ndim}-d tensor'}"
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} tensor ({sizes})"

    def clone(
        self,
        dtype: str | None = None,
        broadcastable: Sequence[bool] | None = None,
        shape: Sequence[int | None] | None = None,
    ) -> TensorType:
        """This type with another dtype, broadcast pattern or shape."""
        if broadcastable is not None and shape is None:
            return TensorType(dtype or self.dtype, broadcastable=broadcastable)
        return TensorType(dtype or self.dtype, self.shape if shape is None else shape)

    def accepts(self, other: Type) -> bool:
        """Whether every value of type `other` may be a value of this type: the same
        dtype and rank, and no known size that contradicts."""
        return (
            isinstance(other, TensorType)
            and self.dtype == other.dtype
            and self.ndim == other.ndim
            and all(
                a is None or b is None or a == b
                for a, b in zip(self.shape, other.shape)
            )
        )

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Any:
        """Return `value` as an array of this type.

        strict: accept only an ndarray of this very dtype.
        allow_downcast: True converts with loss; False only without; None also takes a
        Python float for a float scalar type.  Numbers and lists are converted where their
        values are kept, arrays where their dtype is sure to fit.
        Raises: TypeError for a wrong dtype or rank, or masked elements; ValueError for a
        wrong size.
        """
        array = self._as_array(value, strict, allow_downcast)
        if array.ndim != self.ndim:
            raise TypeError(
                message(
                    f"expected {self}, got an array of rank {array.ndim}, shape {array.shape}",
                    cure=f"pass an array of rank {self.ndim}",
                )
            )
        for axis, (size, want) in enumerate(zip(array.shape, self.shape, strict=True)):
            if want is not None and size != want:
                raise ValueError(
                    f"expected {self}, got shape {array.shape}: axis {axis} must have size {want}"
                )
        return array

    def _as_array(
        self, value: Any, strict: bool, allow_downcast: Any
    ) -> np.ndarray[Any, Any]:
        value = as_plain(value)
        if isinstance(value, np.ndarray) and value.dtype == self.numpy_dtype:
            return value.view(np.ndarray) if type(value) is not np.ndarray else value
        if strict:
            raise TypeError(f"expected {self} (strict), got {_describe(value)}")
        array, want = np.asarray(value), self.numpy_dtype
        if array.dtype == object and want.kind in "fc":
            array = _long_integers_as_floats(value, array)
        if array.dtype.kind not in "biufc":
            raise TypeError(
                message(
                    f"expected {self}, got {_describe(value)}",
                    cure=_cure_of_no_numbers(value, array, want),
                )
            )
        if array.dtype.kind == "c" and want.kind != "c":
            raise TypeError(
                message(
                    f"expected {self}, got {_describe(value)}: a complex number has two parts",
                    cure="pass one of them, value.real or value.imag, or abs(value)",
                )
            )
        if allow_downcast or np.can_cast(array.dtype, want, "safe"):
            return array.astype(want)
        if allow_downcast is None and type(value) is float and want.kind == "f":
            return array.astype(want)
        # A number is judged by its value, an array by its dtype: another call may bring
        # another value.  NumPy's numbers are what a loop over an array gives.
        number = not isinstance(value, np.ndarray)
        if number and (array.size == 0 or _survives(array, want)):
            return array.astype(want)
        raise TypeError(
            message(
                f"expected {self}, got {_describe(value)}: the conversion could lose precision",
                cure=f"convert with numpy.asarray(value, dtype={self.dtype!r}), or allow it: "
                "function(..., allow_input_downcast=True), shared(..., allow_downcast=True)",
            )
        )

    @staticmethod
    def values_eq(a: Any, b: Any, force_same_dtype: bool = True) -> bool:
        """Whether two arrays are equal in dtype, shape and elements; NaN equals NaN."""
        a, b = np.asarray(a), np.asarray(b)
        if force_same_dtype and a.dtype != b.dtype:
            return False
        return bool(
            np.array_equal(a, b, equal_nan={a.dtype.kind, b.dtype.kind} <= {*"fc"})
        )

    @staticmethod
    def values_eq_approx(
        a: Any,
        b: Any,
        allow_remove_inf: bool = False,
        allow_remove_nan: bool = False,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> bool:
        """Whether two arrays agree within what the dtype's precision explains.

        allow_remove_inf, allow_remove_nan: an infinity, or a NaN, in one of them agrees
            with everything.
        """
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind not in "fc":
            return bool(np.array_equal(a, b))
        precision = float(np.finfo(a.dtype).eps)
        rtol = precision**0.5 / 10 if rtol is None else rtol
        atol = precision**0.5 / 10 if atol is None else atol
        close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
        if allow_remove_inf:
            close |= np.isinf(a) | np.isinf(b)
        if allow_remove_nan:
            close |= np.isnan(a) | np.isnan(b)
        return bool(close.all())

    @staticmethod
    def may_share_memory(a: Any, b: Any) -> bool:
        """Whether two arrays may have bytes in common."""
        arrays = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        return arrays and bool(np.may_share_memory(a, b))


class NullType(Type):
    """The type of a gradient that does not exist; `why` says the reason.

    >>> symnet.gradient.NullType("it has a jump").why
    'it has a jump'
    """

    def __init__(self, why: str = "") -> None:
        self.why = why

    def __repr__(self) -> str:
        return f"NullType({self.why})"


class DisconnectedType(Type):
    """The type of a gradient with respect to something the cost does not use.

    >>> isinstance(symnet.gradient.disconnected_type, T.DisconnectedType)
    True
    """

    dtype = "disconnected"

    def __repr__(self) -> str:
        return "DisconnectedType"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DisconnectedType)

    def __hash__(self) -> int:
        return hash(DisconnectedType)


class NoneTypeT(Type):
    """The type of Python's None, where an operation takes it for an axis.

    >>> isinstance(T.NoneConst.type, T.NoneTypeT)
    True
    """

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> None:
        if value is not None:
            raise TypeError(f"expected None, got {_describe(value)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoneTypeT)

    def __hash__(self) -> int:
        return hash(NoneTypeT)

    def __repr__(self) -> str:
        return "NoneTypeT"


none_type_t = NoneTypeT()


def as_kept(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`array` as native code reads and writes it in its place: a plain C-contiguous array
    that may be written, aligned and in the machine's order of bytes.  A copy where it is
    not so."""
    if type(array) is np.ndarray and array.flags.carray and array.dtype.isnative:
        return array
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _dtype_name(dtype: Any) -> str:
    if isinstance(dtype, (str, np.dtype)) and (known := _NAMES.get(dtype)):
        return known
    try:
        name: str = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise TypeError(f"no dtype {dtype!r}: there are {', '.join(DTYPES)}")
    return name


def _size(size: Any) -> int | None:
    if size is None or size is False or size is np.False_:
        return None
    number = int(size)
    if number < 0:
        raise ValueError(f"a size cannot be negative: {number}")
    return number


def _long_integers_as_floats(
    value: Any, array: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Python's integers of more than 64 bits, for which NumPy has no dtype, as the floats
    that stand for them in arithmetic; other objects as they are."""
    if isinstance(value, np.ndarray) or not all(type(v) is int for v in array.flat):
        return array
    with suppress(OverflowError):  # beyond all floats
        return array.astype(np.float64)
    return array


def _cure_of_no_numbers(
    value: Any, array: np.ndarray[Any, Any], dtype: np.dtype[Any]
) -> str:
    if array.dtype != object:
        return ""
    if hasattr(value, "toarray"):
        return (
            "value.toarray() is dense; symnet.sparse.csr_matrix('x') makes a variable for "
            "sparse matrices"
        )
    if isinstance(value, np.ndarray):
        name = dtype.name
        return f"numpy.asarray(value, dtype={name!r}) makes numbers of objects, where they are"
    if not array.size or not all(type(v) is int for v in array.flat):
        return ""
    if dtype.kind not in "iu":
        return "pass smaller integers"
    limits = np.iinfo(dtype)
    return f"pass integers from {limits.min} to {limits.max}"


def _survives(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    """Whether a Python number, or nested list of them, fits `dtype` without loss."""
    if np.dtype(dtype).kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return bool(array.min() >= limits.min and array.max() <= limits.max)
    if dtype.kind in "iub" and array.dtype.kind not in "iub":
        return False
    with np.errstate(all="ignore"):
        back = array.astype(dtype).astype(array.dtype)
    return bool(np.array_equal(back, array, equal_nan=array.dtype.kind in "fc"))


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}, shape {value.shape}"
    if isinstance(value, np.generic):
        return f"{value!s:.40} of dtype {value.dtype}"
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) < 60 else text[:57] + '...'}"
