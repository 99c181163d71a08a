"""Programs in Theano's style run unedited after `install_as_theano()`, each in a process
of its own, and compute what NumPy computes."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from symnet.config import config
from symnet.theano_names import Settings
from tests.theano_programs import (
    AUTOENCODER,
    EMBEDDING,
    FRAMEWORK,
    LOGISTIC,
    MLP,
    OWN_OP,
    ROOT,
    run_program,
)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (LOGISTIC, ""),
        (MLP, "floatX=float32, device=cpu, warn.round=False, lib.cnmem=0.9"),
        (AUTOENCODER, "mode=FAST_RUN,allow_gc=True"),
        (EMBEDDING, ""),
        (OWN_OP, "optimizer=fast_run,exception_verbosity=low"),
        (FRAMEWORK, ""),
    ],
    ids=["logistic", "mlp", "autoencoder", "embedding", "own op", "framework"],
)
def test_a_program_runs_as_it_stands(
    tmp_path: pathlib.Path, text: str, flags: str
) -> None:
    assert "done" in run_program(tmp_path, text, flags)


def test_what_is_missing_is_refused_with_what_there_is(tmp_path: pathlib.Path) -> None:
    told = run_program(
        tmp_path,
        "import theano, theano.tensor\n"
        "for code in ['theano.functoin', 'theano.config.floatx', 'import theano.kernels',\n"
        "             'import theano.tensor.nlinalgs', 'theano.config.devise = 1']:\n"
        "    try:\n"
        "        exec(code)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n",
    )
    lines = told.splitlines()
    assert lines[:4] == [
        "AttributeError symnet does not have theano.functoin; there is function, Function",
        "AttributeError symnet does not have theano.config.floatx; there is floatX",
        "ModuleNotFoundError symnet does not have theano.kernels",
        "  modules of theano: _version, compat, compile, configdefaults, configparser, d3viz, "
        "gof, gpuarray, gradient, ifelse, misc, printing, raise_op, sandbox, scalar, "
        "scan_module, sparse, tensor, tests, typed_list, updates, version",
    ]
    assert lines[4].startswith(
        "ModuleNotFoundError symnet does not have theano.tensor.nlin"
    )
    assert lines[4].endswith("there is nlinalg, slinalg")
    assert lines[-1].endswith("theano.config.devise; there is device")


def test_modules_are_symnets_own(tmp_path: pathlib.Path) -> None:
    told = run_program(
        tmp_path,
        "import sys, symnet, theano.tensor as T, theano.gradient\n"
        "symnet.install_as_theano()\n"
        "assert T is symnet.tensor and theano.gradient is symnet.gradient\n"
        "assert T.__name__ == 'symnet.tensor' == T.__spec__.name\n"
        "assert sum(type(f).__name__ == 'Missing' for f in sys.meta_path) == 1\n"
        "names = [n for n, m in sys.modules.items() if n.startswith('theano')]\n"
        "assert not any(str(getattr(sys.modules[n], '__spec__', '')).startswith('theano')\n"
        "               for n in names)\n"
        "print(len(names))\n",
    )
    assert int(told) > 30


def test_theano_imported_before_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "theano.py").write_text("")
    code = "import theano, symnet\nsymnet.install_as_theano()"
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "ImportError: theano is imported already" in done.stderr


def test_settings_are_those_of_symnet_and_those_without_effect() -> None:
    settings = Settings()
    settings.read_flags("optimizer_excluding=fusion,profile=True,scan.allow_gc=False, ")
    assert settings.optimizer_excluding == "fusion"
    assert settings.profile is True
    assert settings.scan.allow_gc is False
    with settings.change_flags({"mode": "DEBUG_MODE"}, profile=False):
        assert config.mode == settings.mode == "DebugMode"
        assert settings.profile is False
    assert config.mode == "FAST_RUN"
    assert settings.profile is True
    groups = {"scan.allow_gc": True, "conv.assert_shape": False}
    with settings.change_flags(groups.items()):
        assert settings.scan.allow_gc is True
        assert settings.conv.assert_shape is False
    assert settings.scan.allow_gc is False
    assert settings.conv.assert_shape is True
    with settings.change_flags(device="cuda0"):
        assert settings.device == config.device == "cuda"
    with pytest.raises(ValueError, match="no device 'opencl0:0'; there are cpu"):
        settings.device = "opencl0:0"
    with pytest.raises(AttributeError, match=r"no_such"):
        settings.no_such = 1


POOLING = """
import numpy
import theano
import theano.tensor as T
from theano.tensor.signal import pool, downsample
from theano.tensor.nnet.neighbours import images2neibs
from theano.tensor.nnet.ctc import ctc
from theano.tensor.nnet.blocksparse import sparse_block_dot
import theano.tensor.nnet.bn
assert not theano.config.warn.sum_div_dimshuffle_bug
x = T.tensor4('x')
outputs = [pool.pool_2d(x, ds=(2, 2), ignore_border=True),
           downsample.max_pool_2d(x, (2, 2), ignore_border=True),
           images2neibs(x, (2, 2)).max(axis=1).reshape((1, 1, 2, 2))]
f = theano.function([x], outputs)
image = numpy.arange(16, dtype=theano.config.floatX).reshape(1, 1, 4, 4)
for found in f(image):
    assert T.basic._allclose(found[0, 0], numpy.array([[5, 7], [13, 15]]))
assert not T.basic._allclose(1.0, 1.0001) and T.basic._allclose(1.0, 1.000001)
assert T.basic._allclose(numpy.float16(1), 1.0005)
print('done')
"""


def test_modules_of_pictures_and_sequences(tmp_path: pathlib.Path) -> None:
    assert run_program(tmp_path, POOLING).strip() == "done"


CONVOLUTIONS = """
import numpy
import theano
import theano.tensor as T
import theano.tensor.nnet.abstract_conv as abstract
from theano import gpuarray
from theano.tensor.nnet import conv, conv3d2d, corr, corr3d
from theano.tensor.signal.conv import conv2d as signal_conv2d
assert not gpuarray.pygpu_activated
x, w, m = T.dtensor4('x'), T.dtensor4('w'), T.dmatrix('m')
taps = T.lvector('taps')
mirrored = w[:, :, ::-1, ::-1]
same = [T.nnet.conv2d(x, w), abstract.conv2d(x, mirrored, filter_flip=False),
        abstract.AbstractConv2d()(x, w), corr.CorrMM()(x, mirrored), conv.conv2d(x, w),
        T.nnet.abstract_conv2d(x, w), T.nnet.abstract_conv.conv2d(x, w)]
volume = [v.dimshuffle(0, 1, 'x', 2, 3) for v in (x, w)]
film = [v.dimshuffle(0, 'x', 1, 2, 3) for v in (x, w)]
same += [T.nnet.conv3d(*volume)[:, :, 0], conv3d2d.conv3d(*film)[:, 0],
         corr3d.Corr3dMM()(x.dimshuffle(0, 1, 'x', 2, 3),
                           mirrored.dimshuffle(0, 1, 'x', 2, 3))[:, :, 0]]
f = theano.function([x, w], same)
values = numpy.random.RandomState(0).uniform(size=(2, 3, 6, 5))
filters = numpy.random.RandomState(1).uniform(size=(4, 3, 3, 2))
first, *others = f(values, filters)
assert first.shape == (2, 4, 4, 4)
for one in others:
    assert numpy.allclose(one, first)
single = theano.function([x, m], signal_conv2d(x[0, 0], m))
assert numpy.allclose(single(values, filters[0, 0]),
                      theano.function([x, w], T.nnet.conv2d(x, w))(
                          values[:1, :1], filters[:1, :1])[0, 0])
assert abstract.get_conv_output_shape((2, 3, 6, 5), (4, 3, 3, 2), 'half', (1, 1)) == (
    2, 4, 6, 6)
print('done')
"""


def test_modules_of_convolutions(tmp_path: pathlib.Path) -> None:
    assert run_program(tmp_path, CONVOLUTIONS).strip() == "done"


STARS = """
from theano.tensor import *
x = vector('x')
f = theano.function([x], np.float64(2) * x, mode=compile.get_default_mode())
assert config.floatX == 'float64'
from theano.tensor.raw_random import *
print(f([3.0]), tensor.exp, gof.Op)
"""


def test_star_imports_bring_what_theanos_modules_import(tmp_path: pathlib.Path) -> None:
    assert "[6.]" in run_program(tmp_path, STARS)


def test_what_is_refused_may_be_imported_and_not_used(tmp_path: pathlib.Path) -> None:
    told = run_program(
        tmp_path,
        "import theano, theano.gof.cmodule\n"
        "from theano import ProfileMode, OpenMPOp\n"
        "from theano.compile.profilemode import ProfileMode as same\n"
        "from theano.tensor.blas import ldflags, blas_header_text\n"
        "from theano.compile.mode import AddFeatureOptimizer\n"
        "assert not isinstance(1, ProfileMode) and same == same != ProfileMode\n"
        "assert not hasattr(ProfileMode, 'linker') and 'f.profile()' in repr(same)\n"
        "for code in ['same(1)', 'same.linker', 'len(ldflags)', 'theano.test()',\n"
        "             'class Mine(OpenMPOp): pass', 'theano.sparse.opt.x',\n"
        "             'from theano.gpuarray.type import GpuArrayType',\n"
        "             'theano.function([], theano.shared(1.), mode=same)']:\n"
        "    try:\n"
        "        exec(code)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n",
    )
    asked, named, counted, tested, derived, below, gpu, mode = told.splitlines()
    refused = "AttributeError symnet does not have theano."
    assert asked == named and named.startswith(f"{refused}compile.profilemode.Profile")
    assert "f.profile(), with profile=True" in asked
    assert counted.startswith(f"{refused}tensor.blas.ldflags: native code")
    assert tested.startswith(f"{refused}test: ")
    assert derived.startswith(f"{refused}OpenMPOp: native code")
    assert below.startswith(f"{refused}sparse.opt")
    assert gpu.startswith(
        "ModuleNotFoundError symnet does not have theano.gpuarray.type"
    )
    assert gpu.endswith("which is False")
    assert mode.startswith(
        "ValueError no mode <symnet does not have theano.compile.prof"
    )


def test_habits_of_programs_for_theano_are_warned_of(tmp_path: pathlib.Path) -> None:
    told = run_program(
        tmp_path,
        "import warnings; warnings.simplefilter('error')\n"
        "import numpy as np, theano, theano.tensor as T\n"
        "from theano.tensor.var import _tensor_py_operators\n"
        "from theano.tensor.basic import _tensor_py_operators as same\n"
        "assert same is _tensor_py_operators and 'dimshuffle' in vars(same)\n"
        "assert isinstance(T.vector(), same)\n"
        "x, y = T.fvector('x'), T.dvector('y')\n"
        "for code in ['T.eq(x, y) and 1', 'T.set_subtensor(x[:2], y)', 'np.sum([x, y])',\n"
        "             'T.col()[:, None]', 'import theano.misc.pycuda_init']:\n"
        "    try:\n"
        "        exec(code)\n"
        "    except (UserWarning, ImportError) as error:\n"
        "        print(str(error).splitlines()[0])\n",
    )
    equal, narrow, objects, newaxis, pycuda = told.splitlines()
    assert equal.startswith(
        "as in Theano, this is true because the comparison is there"
    )
    assert narrow.startswith("as in Theano, float64 is cast to float32")
    assert objects.startswith("as with Theano, NumPy makes an array of objects")
    assert "NumPy keeps them" in newaxis
    assert "takes a whole function to a GPU" in pycuda


def test_what_a_function_gives_is_known_from_it(tmp_path: pathlib.Path) -> None:
    """As code that writes functions asks it, SymPy's theano_function."""
    run_program(
        tmp_path,
        "import numpy, scipy.sparse, theano, theano.sparse, theano.tensor as T\n"
        "x, s = T.dvector(), theano.sparse.csr_matrix()\n"
        "y = x.sum()\n"
        "f = theano.function([theano.In(x, mutable=True), s], [y, x * 2, s * 2])\n"
        "assert [len(o.variable.broadcastable) for o in f.outputs[:2]] == [0, 1]\n"
        "assert f.outputs[0].variable is y and len(f.outputs) == 3\n"
        "assert f.maker.outputs == f.outputs\n"
        "assert all(isinstance(o, theano.compile.SymbolicOutput) for o in f.outputs)\n"
        "g = theano.function([theano.In(x, mutable=True)], T.inplace.exp_inplace(x))\n"
        "assert len(g.outputs) == 1 and g.outputs[0].variable.ndim == 1\n"
        "assert theano.function([], []).outputs == []\n"
        "theano.printing.debugprint(f)\n",
    )
