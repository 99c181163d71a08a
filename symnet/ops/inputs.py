"""Constructors of input variables: `matrix("x")`, `ivector()`, `scalars("a", "b")`.

A prefix names the dtype: b w i l are int8 to int64, f d float32 and float64, c z
complex64 and complex128; without prefix it is floatX, or what `dtype` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.graph.types import TensorType
from symnet.graph.variables import Variable, make_variable

PREFIXES = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
}
SHAPES: dict[str, tuple[int | None, ...]] = {
    "scalar": (),
    "vector": (None,),
    "row": (1, None),
    "col": (None, 1),
    "matrix": (None, None),
    **{f"tensor{rank}": (None,) * rank for rank in range(3, 8)},
}
PLURALS = {"matrix": "matrices"}

Constructor = Callable[..., Any]


def tensor(
    dtype: Any = None,
    broadcastable: Sequence[bool] | None = None,
    name: str | None = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """A variable of that dtype (default floatX) and broadcast pattern or shape.
    Raises: TypeError without a shape, or for an unknown dtype.
    """
    pattern = shape if shape is not None else broadcastable
    if pattern is None:
        raise TypeError(
            "tensor() needs a broadcast pattern or a shape, e.g. shape=(None, 3)"
        )
    return make_variable(TensorType(dtype or "floatX", pattern), name)


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


def _plural(one: Constructor, word: str) -> Constructor:
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


def _constructors() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for word, shape in SHAPES.items():
        several = PLURALS.get(word, word + "s")
        made[word] = _constructor(word, shape)
        made[several] = _plural(made[word], several)
        for prefix, dtype in PREFIXES.items():
            # A type, as in Theano: calling it makes a variable.
            made[prefix + word] = TensorType(dtype, shape)
            made[prefix + several] = _plural(made[prefix + word], prefix + several)
    return made


CONSTRUCTORS = _constructors()


def __getattr__(name: str) -> Any:
    """`inputs.dmatrix` and all the others."""
    try:
        return CONSTRUCTORS[name]
    except KeyError:
        raise AttributeError(f"no constructor {name!r}") from None
