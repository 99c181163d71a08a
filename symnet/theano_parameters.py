"""Settings that a program adds to `theano.config`: `theano.configparser.AddConfigVar` and the
kinds of their values.

    AddConfigVar("speech.rate", "Samples a second", IntParam(16000))
    theano.config.speech.rate

The value comes from `THEANO_FLAGS`, else from the files that THEANORC names, else it is the
default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

UNSET = object()
TRUTHS = {"False": False, "false": False, "0": False,
          "True": True, "true": True, "1": True}  # fmt: skip


class ConfigParam:
    """A setting of any kind.

    default: its value, or a function without arguments that gives it when it is first read.
    filter: makes the value that is kept of one that is given, or raises.
    allow_override: whether it may change once it has been read or set.
    """

    fullname = doc = ""
    in_c_key = True
    is_default = True

    def __init__(
        self,
        default: Any,
        filter: Callable[[Any], Any] | None = None,
        allow_override: bool = True,
    ) -> None:
        self.default, self.filter, self.allow_override = default, filter, allow_override
        self._value: Any = UNSET
        self._given: tuple[str, str] | None = None  # the text, and where it stands

    def enter(self, fullname: str, doc: str, given: tuple[str, str] | None) -> None:
        """Say which setting it is, and what flags or files give.

        Raises: ValueError for a text that cannot be had, which names where it stands.
        """
        self.fullname, self.doc, self._given = fullname, doc, given
        if given is None and callable(self.default):
            return  # asked for when it is first read
        try:
            self.read()
        except ValueError as error:
            source = given[1] if given else "the default"
            raise ValueError(f"{source}: {error}") from None

    def read(self) -> Any:
        """The value."""
        if self._value is UNSET:
            if self._given is not None:
                self.is_default = False
                self.write(self._given[0])
            else:
                self.write(self.default() if callable(self.default) else self.default)
        return self._value

    def write(self, value: Any) -> None:
        """Set it.  Raises: ValueError where it must not change, and what the filter raises."""
        if self._value is not UNSET and not self.allow_override:
            raise ValueError(
                f"theano.config.{self.fullname} = {value!r}: it was added with "
                f"allow_override=False, and is {self._value!r}"
            )
        try:
            self._value = self.filter(value) if self.filter else value
        except (TypeError, ValueError) as error:
            what = f"theano.config.{self.fullname} = {value!r}: {error}"
            raise ValueError(what) from None

    # As Theano's own list of settings has them: descriptors, whose object does not matter.

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.read()

    def __set__(self, instance: Any, value: Any) -> None:
        self.write(value)


class EnumStr(ConfigParam):
    """One of some words; the first of them is the default.

    convert: applied to what is given, before it is looked for.
    Raises: ValueError for a word that is no text, and for one that is not among them.
    """

    def __init__(self, default: str, *options: str, **settings: Any) -> None:
        convert = settings.pop("convert", None)
        self.all = (default, *options)
        for word in self.all:
            if not isinstance(word, str):
                raise ValueError(f"EnumStr takes words, not {word!r}")

        def one_of(value: Any) -> Any:
            word = convert(value) if convert else value
            if word not in self.all:
                raise ValueError(f"it is one of {', '.join(self.all)}")
            return word

        super().__init__(default, one_of, **settings)

    def __str__(self) -> str:
        return f"{self.fullname} ({self.all})"


class TypedParam(ConfigParam):
    """A value that `mytype` makes of what is given, and that `is_valid` accepts.

    Raises: ValueError where either refuses it.
    """

    def __init__(
        self,
        default: Any,
        mytype: Callable[[Any], Any],
        is_valid: Callable[[Any], bool] | None = None,
        allow_override: bool = True,
    ) -> None:
        self.mytype = mytype

        def checked(value: Any) -> Any:
            made = mytype(value)
            if is_valid is not None and not is_valid(made):
                raise ValueError("the setting's own check refuses it")
            return made

        super().__init__(default, checked, allow_override)

    def __str__(self) -> str:
        return f"{self.fullname} ({self.mytype})"


def truth(value: Any) -> bool:
    """True or False of Theano's words for them.  Raises: ValueError for another."""
    try:
        return TRUTHS[str(value)]
    except KeyError:
        words = ", ".join(TRUTHS)
        raise ValueError(f"{value!r} is no truth value: {words}") from None


def typed(kind: Callable[[Any], Any]) -> Callable[..., TypedParam]:
    """The function that makes settings of one type."""

    def make(
        default: Any,
        is_valid: Callable[[Any], bool] | None = None,
        allow_override: bool = True,
    ) -> TypedParam:
        return TypedParam(default, kind, is_valid, allow_override)

    return make


StrParam, IntParam, FloatParam = typed(str), typed(int), typed(float)
BoolParam = typed(truth)

__all__ = [
    "BoolParam", "ConfigParam", "EnumStr", "FloatParam", "IntParam", "StrParam",
    "TypedParam",
]  # fmt: skip
