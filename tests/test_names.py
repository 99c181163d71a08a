"""Which of the names that programs written for Theano use exist, and where they lack.

The tables hold every name that two or more of 74 surveyed client programs use.  What is
added moves from ABSENT to PRESENT.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import pathlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import symnet
import symnet.tensor as T
from symnet.graph.variables import Variable
from symnet.ops.inputs import SHAPES
from symnet.theano_names import PRECISION, Settings, parts, top

ROOT = pathlib.Path(__file__).parent.parent

PRESENT = {
    "theano": (
        "function shared grad Apply Op Variable clone Constant Rop config In "
        "change_flags Mode pprint FunctionGraph dot Lop scan map as_op OpFromGraph"
    ),
    "theano.tensor": (
        "dot log exp sqrt sum matrix concatenate tanh arange cast switch mean sqr "
        "maximum zeros argmax vector max set_subtensor clip scalar tensor4 tensor3 "
        "ivector eq zeros_like alloc as_tensor_variable minimum neq iscalar ones "
        "reshape abs_ stack ge lscalar ones_like constant TensorType prod "
        "inc_subtensor repeat flatten eye lt gt tile TensorVariable fmatrix imatrix "
        "sin unbroadcast shape_padleft dmatrix add sgn shape_padright le or_ isnan "
        "min isinf dvector tensordot cos lvector floor transpose batched_dot round "
        "patternbroadcast dscalar ftensor4 addbroadcast Elemwise TensorConstant "
        "fvector all inv ceil erf argsort DisconnectedType mod arctan2 cumsum and_ "
        "var fscalar arccos any mul sort pow ftensor3 grad_not_implemented "
        "batched_tensordot lmatrix jacobian shape arctan outer log1p verify_grad diag "
        "squeeze bmatrix join take roll true_div arcsin itensor3 std matrices "
        "fvectors gammaln identity_like DimShuffle expm1 iround "
        "NotScalarConstantError get_scalar_constant_value tril triu Shape bscalar "
        "cumprod fill_diagonal largest log2 tan AsTensorError Subtensor arctanh "
        "argmin cosh hessian shape_padaxis"
    ),
    "theano.tensor.nnet": (
        "sigmoid softmax softplus categorical_crossentropy binary_crossentropy relu "
        "batch_normalization elu conv2d conv3d selu h_softmax softmax_with_bias softsign "
        "confusion_matrix logsoftmax_op softmax_grad prepend_0_to_each_row SoftmaxWithBias"
    ),
    "theano.gradient": "disconnected_grad grad_clip DisconnectedInputError",
    "theano.printing": "debugprint Print pydotprint",
    "theano.compile": (
        "SharedVariable get_default_mode Function get_mode optdb MonitorMode ViewOp"
    ),
    "theano.compile.nanguardmode": "NanGuardMode",
    "theano.tensor.opt": "register_canonicalize",
    "theano.gof": "MissingInputError PureOp TopoOptimizer local_optimizer OpRemove",
    "theano.gof.graph": "inputs ancestors io_toposort is_same_graph",
    "theano.scalar": "upcast bool add mul UnaryScalarOp",
    "theano.tensor.sharedvar": "TensorSharedVariable",
    "theano.tensor.nlinalg": "det matrix_inverse trace",
    "theano.tensor.slinalg": "cholesky Solve Cholesky",
    "theano.tensor.extra_ops": "to_one_hot",
    "theano.compat.python2x": "OrderedDict",
    "theano.misc.safe_asarray": "_asarray",
    "theano.sandbox.cuda": "cuda_enabled cuda_available",
    "theano.sandbox.cuda.dnn": "dnn_available",
    "theano.tensor.xlogx": "xlogy0",
    "theano.tests.unittest_tools": "verify_grad assert_allclose",
    "theano.version": "full_version",
    "theano.ifelse": "ifelse",
    "theano.scan_module": "until",
    "theano.scan_module.scan_op": "Scan",
    "theano.scan_module.scan_utils": "equal_computations",
    "theano.tensor.shared_randomstreams": "RandomStreams RandomStateSharedVariable",
    "theano.tensor.raw_random": (
        "RandomFunction RandomStateType binomial multinomial normal uniform"
    ),
    "theano.sandbox.rng_mrg": "MRG_RandomStreams guess_n_streams",
    "theano.tensor.nnet.conv": "conv2d",
    "theano.tensor.nnet.abstract_conv": (
        "AbstractConv2d_gradInputs AbstractConv3d_gradInputs"
    ),
    "theano.tensor.nnet.blocksparse": (
        "sparse_block_dot SparseBlockGemv SparseBlockOuter"
    ),
    "theano.tensor.nnet.ctc": "ctc ConnectionistTemporalClassification",
    "theano.tensor.nnet.neighbours": "images2neibs neibs2images Images2Neibs",
    "theano.tensor.signal.conv": "conv2d",
    "theano.tensor.signal.downsample": "max_pool_2d max_pool_2d_same_size",
    "theano.tensor.signal.pool": (
        "pool_2d pool_3d max_pool_2d_same_size Pool MaxPoolGrad AveragePoolGrad "
        "DownsampleFactorMaxGradGrad"
    ),
    "theano.sparse": (
        "SparseType structured_dot as_sparse_variable dense_from_sparse csr_matrix "
        "dot SparseVariable csc_matrix hstack vstack true_dot usmm sp_sum shared"
    ),
    "theano.sparse.basic": "csm_properties CSM mul_s_d structured_sigmoid",
    "theano.sparse.sharedvar": "sparse_constructor SparseSharedVariable",
    "theano.sparse.type": "SparseType",
    "theano.sparse.sandbox.sp2": "poisson Binomial multinomial csr_dbinomial",
}
ABSENT = {
    "theano": "FunctionMaker ProfileStats",
    "theano.gpuarray": "get_context as_gpuarray_variable",
    "theano.sandbox.cuda.basic_ops": (
        "gpu_contiguous as_cuda_ndarray_variable gpu_alloc_empty"
    ),
    "theano.sandbox.cuda.dnn": (
        "dnn_conv dnn_pool GpuDnnConvDesc GpuDnnConvGradI dnn_batch_normalization_train"
    ),
    "theano.tensor": "AdvancedSubtensor1",
    "theano.compile": "is_same_graph",
    "theano.gof.graph": "stack_search",
    "theano.compat.six": "next PY3 itervalues",
    "theano.gpuarray.basic_ops": (
        "Kernel gpu_contiguous GpuKernelBase infer_context_name"
    ),
    "theano.gpuarray.dnn": "dnn_conv",
    "theano.gpuarray.fp16_help": "write_w",
    "theano.misc.pycuda_utils": "to_gpuarray",
    "theano.sandbox.cuda": (
        "CudaNdarrayType use GpuOp host_from_gpu as_cuda_ndarray_variable"
    ),
    "theano.sandbox.cuda.cuda_ndarray": "cuda_ndarray",
    "theano.scalar": "Identity",
}

# Methods and attributes of variables, and of shared ones.
METHODS = (
    "shape dimshuffle sum reshape ndim mean flatten astype dtype broadcastable T max nonzero "
    "norm size transpose argmax min copy dot repeat ravel std swapaxes diagonal cumsum sort "
    "clip nonzero_values var take zeros_like squeeze all any arccos arccosh arcsin arcsinh "
    "arctan arctanh argmin argsort ceil choose compress conj conjugate cos cosh cumprod "
    "deg2rad exp exp2 expm1 fill floor log log10 log1p log2 ones_like prod ptp rad2deg round "
    "searchsorted sin sinh sqrt tan tanh trace trunc eval clone get_parents owner name tag "
    "type"
)
ABSENT_METHODS = "equals get_scalar_constant_value signature transfer"
SHARED_METHODS = "get_value set_value clone zero default_update"
TYPE_METHODS = (
    "dtype ndim broadcastable filter filter_variable make_variable clone values_eq"
)
FUNCTION_METHODS = "copy free get_shared maker name trust_input"

# What `from symnet.tensor import *` hides, all of it as in Theano.
HIDDEN = {"all", "any", "max", "min", "pow", "round", "sum"}

NAMESPACES = [
    "symnet", "symnet.compile", "symnet.gof", "symnet.gof.graph", "symnet.ifelse",
    "symnet.scalar",
    "symnet.scan_module", "symnet.scan_module.scan_op", "symnet.scan_module.scan_utils",
    "symnet.sparse", "symnet.sparse.sandbox", "symnet.sparse.sandbox.sp2",
    *("symnet.tensor" + rest for rest in (
        "", ".basic", ".elemwise", ".extra_ops", ".fft", ".inputs", ".nlinalg", ".nnet", ".nnet.bn",
        ".nnet.nnet", ".nnet.sigm", ".sharedvar", ".slinalg", ".sort", ".subtensor", ".xlogx",
    )),
]  # fmt: skip


@pytest.fixture(scope="module")
def theano() -> dict[str, ModuleType]:
    """The modules of Theano's names, without putting them into `sys.modules`."""
    settings = Settings()
    return {"theano": top(settings), **parts(settings)}


def pairs(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(module, name) for module, names in table.items() for name in names.split()]


def has(theano: dict[str, ModuleType], module: str, name: str) -> bool:
    return module in theano and hasattr(theano[module], name)


def test_names_that_are_there(theano: dict[str, ModuleType]) -> None:
    gone = [pair for pair in pairs(PRESENT) if not has(theano, *pair)]
    assert not gone


def test_names_that_are_not_there_yet(theano: dict[str, ModuleType]) -> None:
    come = [pair for pair in pairs(ABSENT) if has(theano, *pair)]
    assert not come, "these exist now: move them to PRESENT"


def test_methods() -> None:
    x, w = T.matrix("x"), symnet.shared(1.0)
    f = symnet.function([x], x)
    for owner, names in (
        (x, METHODS), (w, METHODS), (w, SHARED_METHODS), (x.type, TYPE_METHODS),
        (f, FUNCTION_METHODS),
    ):  # fmt: skip
        assert [n for n in names.split() if not has_attribute(owner, n)] == []
    assert [n for n in ABSENT_METHODS.split() if hasattr(x, n)] == []


def has_attribute(owner: object, name: str) -> bool:
    """Without calling properties, which may not suit a scalar."""
    return name in dir(owner) or hasattr(owner, name)


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_namespace_holds_public_names_only(name: str) -> None:
    module = importlib.import_module(name)
    listed = module.__all__
    assert len(set(listed)) == len(listed)
    assert all(hasattr(module, one) and not one.startswith("_") for one in listed)
    path = pathlib.Path(str(module.__file__))
    below = {
        info.name for info in pkgutil.iter_modules(getattr(module, "__path__", []))
    }
    public = {n for n in vars(module) if not n.startswith("_")} - {"annotations"}
    public -= set(PRECISION)  # which Theano's namesake has
    explicit = {"complex", "divmod"} if name == "symnet.tensor" else set()
    assert public - below - loaded_below(name) == set(listed) - below | explicit
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.For, ast.While))


def loaded_below(name: str) -> set[str]:
    return {m.removeprefix(name + ".") for m in sys.modules if m.startswith(name + ".")}


def test_star_import_hides_what_theano_hides() -> None:
    assert {n for n in T.__all__ if hasattr(builtins, n)} == HIDDEN
    names: dict[str, object] = {}
    exec("from symnet.tensor import *", names)  # noqa: S102
    assert names["dmatrix"] is T.dmatrix
    assert names["abs_"] is T.abs_
    assert not {"np", "Any", "config", "message", "annotations"} & set(names)


def test_every_constructor_has_its_name() -> None:
    listed = set(importlib.import_module("symnet.tensor.inputs").__all__)
    plural = {word: word + "s" for word in SHAPES} | {"matrix": "matrices"}
    assert listed == {"tensor"} | {
        prefix + word
        for prefix in ("", *"bwilfdcz")
        for word in (*plural, *plural.values())
    }
    for name in listed - {"tensor"}:
        made = getattr(T, name)
        assert getattr(made, "__name__", name) == name
    assert isinstance(T.tensor("int8", shape=(None, 3)), Variable)


def test_parts_are_there_without_an_import_of_their_own() -> None:
    code = (
        "import sys, symnet; assert 'symnet.optim' not in sys.modules; "
        "print(symnet.optim.adam, symnet.datasets.digits, symnet.debug.load, "
        "symnet.random.RandomStream, symnet.printing.pp, hasattr(symnet, 'optimum'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.endswith(" False\n") and told.stdout.count("<") == 5


def test_import_starts_nothing() -> None:
    """No module that is slow, or that a user may not have, is imported with symnet."""
    heavy = (
        "sympy networkx cupy matplotlib scipy.special scipy.stats torch rich".split()
    )
    code = f"import sys, symnet; print([m for m in {heavy} if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"
