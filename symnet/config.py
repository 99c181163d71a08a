"""Settings, readable and writable as attributes of `symnet.config`.

They start from the environment: `SYMNET_FLAGS="floatX=float32,mode=FAST_COMPILE"`,
`SYMNET_CACHE` (folder of compiled kernels) and `SYMNET_NUM_THREADS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# name -> (allowed values or type, what it means)
CHOICES: dict[str, tuple[str, ...]] = {
    "floatX": ("float16", "float32", "float64"),
    "cast_policy": ("numpy+floatX", "custom", "numpy"),
    "mode": ("FAST_RUN", "FAST_COMPILE", "DebugMode"),
    "on_unused_input": ("raise", "warn", "ignore"),
    "exception_verbosity": ("low", "high"),
    "compute_test_value": ("off", "ignore", "warn", "raise"),
    "warn_float64": ("ignore", "warn", "raise"),
}


class Config:
    """The settings.  An unknown name or value raises at the assignment.

    floatX: dtype of `T.matrix()` and of Python floats that meet integers.
    cast_policy: dtype of integer arrays combined with float arrays:
        "numpy+floatX" NumPy's rule, but a float64 that no operand had becomes floatX
        where floatX is smaller (int64 * float32 stays float32 under floatX=float32);
        "custom" and "numpy" NumPy's rule alone (Theano's "custom" is this rule).
    mode: what `function` does when no mode is given.
    on_unused_input: what `function` does with an input that no output needs.
    compute_test_value: whether new operations are computed from the `tag.test_value` of
        their inputs, and what is done about an input without one: "off", "ignore",
        "warn", "raise".
    warn_float64: what is done when a float64 variable is made.
    exception_verbosity: "high" keeps symnet's own frames in tracebacks.
    cache_dir: folder of compiled kernels; empty string: no cache on disk.
    num_threads: threads of one function call, and of compiling; 0: as many as the process
        may use.  A change holds from the next function, or sizes, that are new.
    """

    floatX: str
    cast_policy: str
    mode: str
    on_unused_input: str
    exception_verbosity: str
    compute_test_value: str
    warn_float64: str
    cache_dir: str
    num_threads: int

    def __init__(self) -> None:
        home = os.path.join(os.path.expanduser("~"), ".cache", "symnet")
        defaults: dict[str, Any] = {name: values[0] for name, values in CHOICES.items()}
        defaults["floatX"] = "float64"
        defaults["cache_dir"] = os.environ.get("SYMNET_CACHE", home)
        defaults["num_threads"] = os.environ.get("SYMNET_NUM_THREADS", "0")
        for name, value in defaults.items():
            setattr(self, name, value)
        for setting in filter(None, os.environ.get("SYMNET_FLAGS", "").split(",")):
            name, _, value = setting.partition("=")
            setattr(self, name.strip(), value.strip())

    def __setattr__(self, name: str, value: Any) -> None:
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(
                    f"config.{name} must be one of {CHOICES[name]}, not {value!r}"
                )
        elif name == "num_threads":
            if not str(value).isdecimal():
                raise ValueError(
                    f"config.num_threads must be a number of threads, or 0 for as many as "
                    f"the process may use, not {value!r}"
                )
            value = int(value)
        elif name == "cache_dir":
            value = str(value)
        else:
            known = ", ".join([*CHOICES, "cache_dir", "num_threads"])
            raise AttributeError(f"config has no setting {name!r}; it has {known}")
        object.__setattr__(self, name, value)

    @contextmanager
    def change_flags(self, **settings: Any) -> Iterator[Config]:
        """Within the `with` block the given settings hold; afterwards the old ones."""
        old = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in old.items():
                setattr(self, name, value)


config = Config()
