"""`theano.config`: every setting of Theano, for programs that run after
`install_as_theano()`.

A setting works (it is one of `symnet.config`), or means nothing here and is kept as it was
set, or is refused where another value than its default asks for what there is not.
"""

from __future__ import annotations

import configparser
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from symnet.config import config
from symnet.errors import near
from symnet.theano_parameters import ConfigParam

# Those that work, under the name that symnet.config has for them.
WORKING = {
    "floatX": "floatX", "device": "device", "mode": "mode", "cast_policy": "cast_policy",
    "optimizer": "optimizer", "linker": "linker", "on_unused_input": "on_unused_input",
    "exception_verbosity": "exception_verbosity", "on_opt_error": "on_rewrite_error",
    "compute_test_value": "compute_test_value", "warn_float64": "warn_float64",
    "print_test_value": "print_test_value",
}  # fmt: skip

# Values of Theano's for which symnet.config has another word; the first is read back.
WORDS: dict[str, dict[Any, str]] = {
    "mode": {
        "Mode": "FAST_RUN", "FAST_RUN": "FAST_RUN", "DEBUG_MODE": "DebugMode",
    },
    "print_test_value": {
        False: "off", True: "on", "False": "off", "True": "on", "false": "off",
        "true": "on", "0": "off", "1": "on",
    },
}  # fmt: skip
SAME_WORD = ("mode",)  # read as symnet.config has them

ONE_GPU = (
    "config.device = 'cuda' takes functions to the first GPU, 'cuda1' to the next one"
)
# What asks for another thing than the default of the table below, and is not there.
REFUSED = {
    "contexts": ONE_GPU,
    "init_gpu_device": ONE_GPU,
    "force_device": "a device that is not there is an error always",
    "int_division": "integers divide as Python's: // gives integers, / floats",
    "compute_test_value_opt": "rewrites are checked with config.verify = 'on'",
}

# Settings that say how Theano does its work, with their defaults: kept, without effect.
WITHOUT_EFFECT = """
allow_gc True                       assert_no_cpu_op ignore
base_compiledir -                   blas.check_openmp True
blas.ldflags -                      cache_optimizations False
check_input True                    check_stack_trace off
cmodule.age_thresh_use 2073600      cmodule.compilation_warning False
cmodule.debug False                 cmodule.preload_cache False
cmodule.remove_gxx_opt False        cmodule.warn_no_version False
compile.timeout 120                 compile.wait 5
compiledir -                        compiledir_format -
compute_test_value_opt off          contexts -
conv.assert_shape True              ctc.root -
cuda.enabled False                  cuda.include_path -
cuda.root -                         cxx -
cycle_detection regular             deterministic default
dnn.base_path -                     dnn.bin_path -
dnn.conv.algo_bwd -                 dnn.conv.algo_bwd_data guess_once
dnn.conv.algo_bwd_filter guess_once dnn.conv.algo_fwd guess_once
dnn.conv.precision as_input_f32     dnn.conv.workmem -
dnn.conv.workmem_bwd -              dnn.enabled auto
dnn.include_path -                  dnn.library_path -
experimental.local_alloc_elemwise False
experimental.local_alloc_elemwise_assert True
experimental.unpickle_gpu_on_cpu False
force_device False                  gcc.cxxflags -
gpu.local_elemwise_fusion True      gpuarray.cache_path -
gpuarray.preallocate 0.0            gpuarray.sched default
gpuarray.single_stream True         gpuarray.sync False
gpuelemwise.sync True               init_gpu_device -
int_division int                    issue_warnings True
lib.amdlibm False                   lib.cnmem 0.0
magma.enabled False                 magma.include_path -
magma.library_path -                metaopt.optimizer_excluding -
metaopt.optimizer_including -       metaopt.verbose False
nocleanup False                     numpy.seterr_all ignore
numpy.seterr_divide None            numpy.seterr_invalid None
numpy.seterr_over None              numpy.seterr_under None
nvcc.compiler_bindir -              nvcc.fastmath False
nvcc.flags -                        on_shape_error warn
openmp False                        openmp_elemwise_minsize 200000
optdb.max_use_ratio 8.0             optdb.position_cutoff inf
optimizer_excluding -               optimizer_including -
optimizer_requiring -               optimizer_verbose False
pickle_test_value True              print_active_device True
print_global_stats False            profile False
profile_memory False                profile_optimizer False
profiling.debugprint False          profiling.destination stderr
profiling.ignore_first_call False   profiling.min_memory_size 1024
profiling.min_peak_memory False     profiling.n_apply 20
profiling.n_ops 20                  profiling.output_line_width 512
profiling.time_thunks True          pthreads.inc_dir -
pthreads.lib -                      pthreads.lib_dir -
reoptimize_unpickled_function False scan.allow_gc False
scan.allow_output_prealloc True     scan.debug False
scan.greedy_non_seqs False          scan.prefer_inplace True
tensor.cmp_sloppy 0                 tensor.insert_inplace_optimizer_validate_nb -1
tensor.local_elemwise_fusion True   traceback.compile_limit 0
traceback.limit 8                   unittests.rseed 666
unpickle_function True              vm.lazy None
DebugMode.check_c True              DebugMode.check_finite True
DebugMode.check_preallocated_output -
DebugMode.check_preallocated_output_ndim 4
DebugMode.check_py True             DebugMode.check_strides 0
DebugMode.patience 10               DebugMode.warn_input_not_reused True
NanGuardMode.action raise           NanGuardMode.big_is_error True
NanGuardMode.inf_is_error True      NanGuardMode.nan_is_error True
warn.argmax_pushdown_bug False      warn.gpu_set_subtensor1 False
warn.gpusum_01_011_0111_bug False   warn.identify_1pexp_bug False
warn.ignore_bug_before 0.9          warn.inc_set_subtensor1 False
warn.inc_subtensor1_opt False       warn.reduce_join False
warn.round False                    warn.signal_conv2d_interface False
warn.subtensor_merge_bug False      warn.sum_div_dimshuffle_bug False
warn.sum_sum_bug False              warn.vm_gc_bug False
"""


def literal(text: str) -> Any:
    """A value as the table or an environment variable has it: truth, number, or text."""
    word = text.strip()
    if word in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[word]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return "" if word == "-" else word


_WORDS = WITHOUT_EFFECT.split()
DEFAULTS: dict[str, Any] = {
    name: literal(value) for name, value in zip(_WORDS[::2], _WORDS[1::2], strict=True)
}
DEFAULTS["warn.ignore_bug_before"] = "0.9"


class SettingsGroup:
    """Settings of one group or all of them, as attributes: `config.conv.assert_shape`.

    Raises: AttributeError for a name that Theano does not have either; ValueError for a
    value that cannot be had, such as a device that does not exist.
    """

    def __init__(self, path: str, kept: dict[str, Any]) -> None:
        vars(self)["_path"], vars(self)["_kept"] = path, kept

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        path = self._path + name
        if path in WORKING:
            value = getattr(config, WORKING[path])
            words = WORDS.get(path, {}) if path not in SAME_WORD else {}
            return next((own for own, word in words.items() if word == value), value)
        if path in self._kept:
            kept = self._kept[path]
            return kept.read() if isinstance(kept, ConfigParam) else kept
        if any(one.startswith(path + ".") for one in self._kept):
            return SettingsGroup(path + ".", self._kept)
        raise AttributeError(unknown(path))

    def __setattr__(self, name: str, value: Any) -> None:
        path = self._path + name
        if path in WORKING:
            setattr(config, WORKING[path], WORDS.get(path, {}).get(value, value))
        elif path not in self._kept:
            raise AttributeError(unknown(path))
        elif path in REFUSED and value != DEFAULTS[path]:
            raise ValueError(f"theano.config.{path} = {value!r}: {REFUSED[path]}")
        elif isinstance(self._kept[path], ConfigParam):
            self._kept[path].write(value)
        else:
            self._kept[path] = value

    def __dir__(self) -> list[str]:
        found = [one for one in [*WORKING, *self._kept] if one.startswith(self._path)]
        return sorted({one[len(self._path) :].split(".")[0] for one in found})


class Setting:
    """One setting with its full name, as `theano.configparser._config_var_list` lists them:
    a descriptor, whose object does not matter."""

    def __init__(self, settings: Settings, fullname: str) -> None:
        self.settings, self.fullname = settings, fullname

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        group, last = self.settings.place(self.fullname)
        return getattr(group, last)

    def __set__(self, instance: Any, value: Any) -> None:
        group, last = self.settings.place(self.fullname)
        setattr(group, last, value)


class Settings(SettingsGroup):
    """`theano.config`.  Printed, it is a table of all settings and their values."""

    def __init__(self) -> None:
        super().__init__("", dict(DEFAULTS))
        # What flags and files give, also for settings that a program adds later: the
        # text, and where it stands.
        vars(self)["_given"] = {}

    def place(self, path: str) -> tuple[SettingsGroup, str]:
        """Whose attribute a setting is, by its full name such as "conv.assert_shape"."""
        *groups, last = path.strip().split(".")
        owner: SettingsGroup = self
        for group in groups:
            owner = getattr(owner, group)
        return owner, last

    def listed(self) -> list[Setting | ConfigParam]:
        """All settings, by their full names in order; those added since are put in it."""
        if "_listed" not in vars(self):
            names = sorted({*WORKING, *self._kept})
            vars(self)["_listed"] = [Setting(self, name) for name in names]
        found: list[Setting | ConfigParam] = self._listed
        return found

    def add(
        self,
        name: str,
        doc: str,
        configparam: ConfigParam,
        root: Any = None,
        in_c_key: bool = True,
    ) -> None:
        """Add a setting of a program's own, of which flags and files may have a value.

        name: with its sections, such as "speech.rate".  root, in_c_key: Theano's, without
        effect.
        Raises: AttributeError for a name that is taken; TypeError for a section that is
        a setting; ValueError for a value of flags or files that cannot be had.
        """
        listed = self.listed()
        known = {*WORKING, *self._kept}
        if name in known or any(one.startswith(name + ".") for one in known):
            raise AttributeError(f"theano.config.{name} is there already")
        sections = name.split(".")
        for k in range(1, len(sections)):
            above = ".".join(sections[:k])
            if above in known:
                raise TypeError(f"theano.config.{above} is a setting, and no section")
        configparam.enter(name, doc, self.given(name))
        configparam.in_c_key = in_c_key
        self._kept[name] = configparam
        listed.append(configparam)

    def given(self, name: str) -> tuple[str, str] | None:
        """What flags or files say of a setting, and where; None where they do not."""
        found: tuple[str, str] | None = self._given.get(name)
        return found

    def fetch_val_for_key(self, key: str, delete_key: bool = False) -> str:
        """The text that flags or files give.  Raises: KeyError where they give none."""
        found = self.given(key)
        if found is None:
            raise KeyError(key)
        return found[0]

    def read_flags(self, text: str, source: str = "THEANO_FLAGS") -> None:
        """Take settings as `THEANO_FLAGS` holds them: "floatX=float32,warn.round=False".

        A name that Theano does not have is warned of, as Theano does.
        Raises: ValueError, which names `source`, for a value that cannot be had.
        """
        for flag in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = flag.partition("=")
            self._take(name.strip(), value.strip(), source)

    def read_files(self, names: str | None = None) -> None:
        """Take settings from files such as ~/.theanorc: those that THEANORC lists, the
        last of them counting most.  [global] holds those without a group."""
        if names is None:
            names = os.environ.get("THEANORC", os.path.join("~", ".theanorc"))
        parser = configparser.RawConfigParser()
        # Theano's names have capitals, which the parser would make small.
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        for name in names.split(os.pathsep):
            path = os.path.expanduser(name)
            if not os.path.isfile(path):
                continue
            parser.read(path)
            for section in parser.sections():
                group = "" if section == "global" else f"{section}."
                for key, value in parser.items(section):
                    self._take(group + key, value, path)
            parser.clear()

    def _take(self, path: str, text: str, source: str) -> None:
        self._given[path] = (text, source)
        if path not in WORKING and path not in self._kept:
            later = "; kept, should the program add it by AddConfigVar"
            warnings.warn(f"{source}: {unknown(path)}{later}", stacklevel=4)
            return
        owner, last = self.place(path)
        value = text if path in WORKING else literal(text)
        if isinstance(self._kept.get(path), bool) and text in ("0", "1"):
            value = text == "1"
        try:
            setattr(owner, last, value)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None

    @contextmanager
    def change_flags(
        self, args: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), **settings: Any
    ) -> Iterator[Settings]:
        """Within the `with` block, or the decorated function, the given settings hold."""
        settings = {**dict(args), **settings}
        places = [self.place(name) for name in settings]
        old = [(owner, last, getattr(owner, last)) for owner, last in places]
        try:
            for (owner, last), value in zip(places, settings.values(), strict=True):
                setattr(owner, last, value)
            yield self
        finally:
            for owner, last, value in old:
                setattr(owner, last, value)

    def __str__(self) -> str:
        rows = [(path, str(getattr(*self.place(path))), "") for path in WORKING]
        for path, value in sorted(self._kept.items()):
            if isinstance(value, ConfigParam):
                rows.append((path, str(value.read()), f"the program's: {value.doc}"))
            else:
                rows.append((path, str(value), REFUSED.get(path) or "without effect"))
        widths = [max(len(row[k]) for row in rows) for k in range(2)]
        return "\n".join(
            f"{path:<{widths[0]}}  {value:<{widths[1]}}  {note}".rstrip()
            for path, value, note in rows
        )

    __repr__ = __str__


def unknown(path: str) -> str:
    """The text of an error for a setting that Theano does not have."""
    meant = near(path, [*WORKING, *DEFAULTS])
    hint = f"; there is {', '.join(meant)}" if meant else ""
    return f"symnet does not have theano.config.{path}{hint}"


__all__ = ["DEFAULTS", "REFUSED", "WORKING", "Settings", "SettingsGroup"]
