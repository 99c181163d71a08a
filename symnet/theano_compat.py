"""Modules of Theano that are a few names only: old Pythons, versions, a GPU's absence."""

from __future__ import annotations

import builtins
import configparser
import functools
import importlib
import io
import operator
import pickle
import struct
from collections import OrderedDict
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    ValuesView,
)
from typing import Any

from symnet.ops.assertions import Raise
from symnet.ops.breakpoints import PdbBreakpoint
from symnet.ops.nnet.cudnn_names import DNN, GPU_BASICS, GPU_PRODUCTS, conv2d_fft
from symnet.theano_parameters import (
    BoolParam,
    ConfigParam,
    EnumStr,
    FloatParam,
    IntParam,
    StrParam,
    TypedParam,
)
from symnet.theano_testing import unittest_names

# The release whose names these are: programs that ask choose their newest branch.
VERSION = "1.0.5"


# The kinds of settings that a program adds.
PARAMETERS = {
    "BoolParam": BoolParam, "ConfigParam": ConfigParam, "EnumStr": EnumStr,
    "FloatParam": FloatParam, "IntParam": IntParam, "StrParam": StrParam,
    "TypedParam": TypedParam,
}  # fmt: skip


def exc_message(e: BaseException) -> Any:
    """What an exception says; of one that holds another, what that says."""
    first = e.args[0] if e.args else ""
    return exc_message(first) if isinstance(first, Exception) else first


def compare(x: Any, y: Any) -> int:
    """-1, 0 or 1, as x is below, equal to or above y."""
    return int(x > y) - int(x < y)


def reraise(
    kind: type[BaseException], value: BaseException | None, trace: Any = None
) -> None:
    """Raise an exception that was caught, with its traceback."""
    raise (kind() if value is None else value).with_traceback(trace)


def of_dict(word: str) -> Any:
    """A function of a dict that iterates over its keys, values or items."""
    return lambda d, **keywords: iter(getattr(d, word)(**keywords))


PYTHON = {
    "PY2": False, "PY3": True, "BytesIO": io.BytesIO, "StringIO": io.StringIO,
    "b": lambda text: text.encode("latin-1"), "next": builtins.next,
}  # fmt: skip

COMPAT: dict[str, Any] = {
    **PYTHON,
    "Callable": Callable, "DictMixin": MutableMapping, "Iterable": Iterable,
    "Mapping": Mapping, "OrderedDict": OrderedDict, "ValuesView": ValuesView,
    "cmp": compare, "configparser": configparser, "decode": lambda text: text.decode(),
    "decode_iter": lambda texts: (text.decode() for text in texts),
    "decode_with": lambda text, encoding: text.decode(encoding),
    "exc_message": exc_message, "ifilter": filter, "imap": map, "izip": zip,
    "get_unbound_function": lambda method: getattr(method, "__func__", method),
    "operator_div": operator.truediv, "reload": importlib.reload,
}  # fmt: skip

SIX: dict[str, Any] = {
    **PYTHON,
    "Iterator": Iterator, "advance_iterator": builtins.next, "binary_type": bytes,
    "callable": builtins.callable, "integer_types": (int,),
    "iteritems": of_dict("items"), "iterkeys": of_dict("keys"),
    "itervalues": of_dict("values"), "iterkey": of_dict("keys"),
    "reraise": reraise, "string_types": (str,), "text_type": str,
    "u": lambda text: text,
}  # fmt: skip

MOVES: dict[str, Any] = {
    "cPickle": pickle, "cStringIO": io.StringIO, "StringIO": io.StringIO,
    "filter": filter, "input": builtins.input, "map": map, "range": range,
    "reduce": functools.reduce, "xrange": range, "zip": zip,
}  # fmt: skip


def use(device: str = "gpu", *args: Any, **keywords: Any) -> None:
    """Refuse to choose a GPU.  Raises: EnvironmentError, as Theano where there is none."""
    raise OSError(
        f"use({device!r}): a device is a setting here; set config.device = 'cuda', or "
        "leave it out, as programs do that ask cuda_available first"
    )


class SameSettings(type):
    """The class of settings: making one gives those that there are."""

    settings: Any

    def __instancecheck__(cls, value: Any) -> bool:
        return value is cls.settings

    def __call__(cls) -> Any:
        return cls.settings


def adding(settings: Any) -> dict[str, Any]:
    """How a program adds settings of its own to `theano.config`."""
    return {
        "AddConfigVar": settings.add,
        "TheanoConfigParser": SameSettings(
            "TheanoConfigParser", (), {"settings": settings}
        ),
        "_config_var_list": settings.listed(),
        "fetch_val_for_key": settings.fetch_val_for_key,
    }


def small_modules(
    settings: Any, asarray: Any, allclose: Any
) -> dict[str, dict[str, Any]]:
    """Their names, by module."""
    version = {"full_version": VERSION, "short_version": VERSION, "version": VERSION}
    flags = {"config": settings, "change_flags": settings.change_flags}
    # Programs ask before they use a GPU.
    no_gpu = {
        "cuda_available": False, "cuda_enabled": False, "use": use, "unuse": lambda: None,
        "pygpu_activated": False, "dnn_available": lambda *names: False,
        "dnn_present": lambda: False, "active_device_name": lambda: None,
        "active_device_number": lambda: None, "list_contexts": list,
    }  # fmt: skip
    dnn = {**DNN, **{name: no_gpu[name] for name in ("dnn_available", "dnn_present")}}
    return {
        "theano.compat": COMPAT,
        "theano.compat.python2x": {"OrderedDict": OrderedDict},
        "theano.compat.six": SIX,
        "theano.compat.six.moves": MOVES,
        "theano.compat.six.moves.cPickle": vars(pickle),
        "theano.configdefaults": {
            **flags,
            "local_bitwidth": lambda: struct.calcsize("P") * 8,
            "python_int_bitwidth": lambda: struct.calcsize("l") * 8,
        },
        "theano.configparser": {**flags, **PARAMETERS, **adding(settings)},
        "theano.misc.safe_asarray": {"_asarray": asarray},
        "theano.gpuarray": {"pygpu_activated": False, "pygpu": None, "use": use},
        "theano.gpuarray.type": {"list_contexts": list},
        "theano.gpuarray.basic_ops": GPU_BASICS,
        "theano.gpuarray.blas": GPU_PRODUCTS,
        "theano.gpuarray.dnn": dnn,
        "theano.raise_op": {"Raise": Raise},
        "theano.sandbox.gpuarray": {"pygpu_activated": False},
        "theano.sandbox.gpuarray.basic_ops": GPU_BASICS,
        "theano.sandbox.gpuarray.blas": GPU_PRODUCTS,
        "theano.sandbox.gpuarray.dnn": dnn,
        "theano.sandbox.cuda": {
            name: no_gpu[name]
            for name in (
                "active_device_name",
                "active_device_number",
                "cuda_available",
                "cuda_enabled",
                "unuse",
                "use",
                "pygpu_activated",
            )
        },  # fmt: skip
        "theano.sandbox.cuda.basic_ops": GPU_BASICS,
        "theano.sandbox.cuda.blas": GPU_PRODUCTS,
        "theano.sandbox.cuda.dnn": dnn,
        "theano.sandbox.cuda.fftconv": {"conv2d_fft": conv2d_fft},
        "theano.tests": {},
        "theano.tests.breakpoint": {"PdbBreakpoint": PdbBreakpoint},
        "theano.tests.unittest_tools": unittest_names(settings, allclose),
        "theano.version": version,
        "theano._version": {"get_versions": lambda: {"version": VERSION}},
    }


__all__ = ["VERSION", "small_modules"]
