"""Names of Theano that are left out on purpose: each with its reason, and what there is.

Programs import much that they do not use, so that such a name can be imported (`RefusedName`)
and is an AttributeError with the reason where it is used.  What a machine without a GPU
lacks is an ImportError at once: programs ask by that for what they go on without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

GPU = (
    "config.device = 'cuda' takes a whole function to a GPU, without operations of its "
    "own; ask first, as with theano.sandbox.cuda.cuda_available, which is False"
)
C_CODE = (
    "native code is made through LLVM, not from C; an operation gives perform, or is "
    "composed of others"
)
LINKERS = (
    "how a function runs is its mode: 'FAST_RUN', 'FAST_COMPILE', 'DebugMode', or "
    "Mode(linker, optimizer)"
)
REWRITES = "the compiler's own passes and rules take its place: see docs/design.md"
IN_PLACE = (
    "graphs are pure: the compiler decides what memory results lie in, and needs no check "
    "or copy by hand"
)
BLOCKS = "sparse matrices are csr or csc here: convert blocks by value.tocsr()"
MPI = "there is no MPI: exchange arrays between calls, as with mpi4py"
INNER = "it is a part of Theano's own making, not for programs"
LOGGING = "nothing is logged: what goes wrong is an error, or a warning of Python's"
PROFILE = "ask a function itself: f.profile(), with profile=True"
SLICES = "slices are written where they are used: x[a:b], with variables as bounds"
PRINTER = "formulas are written by symnet.pp, symnet.printing.latex and debugprint"
TESTS = "it is Theano's own test of itself"
FOURIER = "theano.tensor.fft has Fourier transforms, rfft and irfft"
OLD_SCAN = "theano.scan takes its place, with outputs_info for states"
NONE_VALUE = (
    "a value is an array, never None: give the input a default, In(x, value=...)"
)

# module -> reason -> names; "*" is the whole module, also what lies below it.
REFUSED: dict[str, dict[str, str]] = {
    "theano": {
        LINKERS: "CLinker DualLinker Linker LocalLinker OpWiseCLinker PerformLinker "
        "predefined_linkers predefined_optimizers",
        C_CODE: "OpenMPOp rpath",
        LOGGING: "disable_log_handler has_handlers logging_default_formatter "
        "logging_default_handler theano_logger",
        PROFILE: "ProfileMode ProfileStats",
        TESTS: "test",
        INNER: "object2",
    },
    "theano.compile": {
        C_CODE: "register_deep_copy_op_c_code register_rebroadcast_c_code "
        "register_shape_c_code register_shape_i_c_code register_specify_shape_c_code "
        "register_view_op_c_code",
        IN_PLACE: "AddDestroyHandler AliasedMemoryError Supervisor alias_root "
        "infer_reuse_pattern insert_deepcopy view_tree_set register_checker",
        LINKERS: "FAST_COMPILE FAST_RUN OPT_FAST_COMPILE OPT_FAST_RUN OPT_FAST_RUN_STABLE "
        "OPT_MERGE OPT_NONE OPT_O2 OPT_O3 OPT_STABILIZE OPT_UNSAFE exclude "
        "instantiated_default_mode register_linker register_mode register_optimizer",
        PROFILE: "ProfileMode ScanProfileStats",
        INNER: "DUPLICATE NODEFAULT check_equal convert_function_input "
        "fgraph_updated_vars get_info_on_inputs inline_ofg_expansion "
        "io_connection_pattern local_useless ops_with_inner_function std_fgraph",
        REWRITES: "AddFeatureOptimizer PrintCurrentFunctionGraph",
    },
    "theano.compile.debugmode": {INNER: "default_make_thunk"},
    "theano.compile.profilemode": {PROFILE: "*"},
    "theano.compile.profiling": {PROFILE: "*"},
    "theano.d3viz.formatting": {PRINTER: "*"},
    "theano.d3viz.tests": {TESTS: "*"},
    "theano.gof": {
        LINKERS: "CLinker DualLinker HideC Linker LocalLinker OpWiseCLinker "
        "PerformLinker WrapLinker WrapLinkerMany",
        C_CODE: "CEnumType CLinkerOp COp EnumList EnumType OpenMPOp",
        REWRITES: "CheckStackTraceOptimization DB LocalGroupDB NavigatorOptimizer "
        "ProxyDB check_stack_trace pre_constant_merge pre_greedy_local_optimizer",
        IN_PLACE: "DestroyHandler NoOutputFromInplace",
        INNER: "Bookkeeper CachedConstantError History "
        "ReplacementDidntRemovedError Validator object2 ops_with_inner_function",
    },
    "theano.gof.cmodule": {C_CODE: "*"},
    "theano.gof.compiledir": {C_CODE: "*"},
    "theano.gof.compilelock": {C_CODE: "*"},
    "theano.gof.cutils": {C_CODE: "*"},
    "theano.gof.destroyhandler": {IN_PLACE: "*"},
    "theano.gof.lazylinker_c": {C_CODE: "*"},
    "theano.gof.link": {LINKERS: "*"},
    "theano.gof.sched": {INNER: "*"},
    "theano.gof.unify": {INNER: "*"},
    "theano.gof.vm": {LINKERS: "*"},
    "theano.gof.cc": {C_CODE: "*"},
    "theano.gpuarray": {GPU: "*"},
    "theano.sandbox.cuda": {GPU: "*"},
    "theano.sandbox.gpuarray": {GPU: "*"},
    "theano.misc.pycuda_init": {GPU: "*"},
    "theano.misc.pycuda_utils": {GPU: "*"},
    "theano.misc.strutil": {C_CODE: "*"},
    "theano.gradient": {INNER: "grad_time mode_not_slow tensor"},
    "theano.ifelse": {
        REWRITES: "CondMerge acceptable_ops cond_make_inplace cond_merge_ifs_false "
        "cond_merge_ifs_true cond_merge_random_op cond_remove_identical "
        "ifelse_lift_single_if_through_acceptable_ops",
    },
    "theano.printing": {
        PRINTER: "DefaultPrinter FunctionPrinter IgnorePrinter LeafPrinter "
        "OperatorPrinter PPrinter PatternPrinter PrinterState VALID_ASSOC _TagGenerator "
        "default_colorCodes default_printer greek leaf_printer pydot_imported_msg special "
        "use_ascii var_descriptor",
        INNER: "hex_digest position_independent_str",
    },
    "theano.sandbox.rng_mrg": {
        INNER: "DotModulo MASK12 MASK13 MASK2 MULT2 NORM mrg_next_value "
        "mrg_random_make_inplace mrg_uniform_base np_int32_vals",
    },
    "theano.sandbox.fourier": {FOURIER: "*"},
    "theano.sandbox.scan": {OLD_SCAN: "*"},
    "theano.scalar.basic_sympy": {C_CODE: "*"},
    "theano.scan_module.scan_opt": {REWRITES: "*"},
    "theano.scan_module.scan_perform_ext": {C_CODE: "*"},
    "theano.scan_module.scan_utils": {
        INNER: "DEPRECATED_ARG compress_outs expand_empty find_up forced_replace "
        "get_updates_and_outputs hash_listsDictsTuples infer_shape isNaN_or_Inf_or_None "
        "map_variables reconstruct_graph safe_new scan_args scan_can_remove_outs traverse "
        "validate_inner_graph",
    },
    "theano.sparse": {
        INNER: "CSMGrad GetItem2ListsGrad GetItemListGrad SparseConstantSignature "
        "get_item_2lists_grad get_item_list_grad hash_from_sparse scipy_ver",
        C_CODE: "StructuredDotGradCSC StructuredDotGradCSR sdg_csc sdg_csr",
        BLOCKS: "bsr_dmatrix bsr_fmatrix bsr_matrix",
    },
    "theano.sparse.opt": {C_CODE: "*"},
    "theano.tensor": {
        C_CODE: "inc_code",
        MPI: "MPIRecv MPIRecvWait MPISend MPISendWait comm irecv isend key_to_cmp "
        "mpi_cmps mpi_enabled mpi_keys mpi_send_wait_cmp mpi_send_wait_key mpi_tag_cmp "
        "mpi_tag_key recv send",
        SLICES: "MakeSlice SliceConstant SliceType make_slice slicetype as_index_variable "
        "make_constant",
        NONE_VALUE: "Default default as_int_none_variable",
        INNER: "AdvancedBooleanIndexingError AdvancedIndexingError "
        "BaseAdvancedIncSubtensor BaseAdvancedSubtensor "
        "SubtensorPrinter TensorConstantSignature adv_index_broadcastable_pattern "
        "alloc_validate_shape check_advanced_indexing_dimensions "
        "check_and_normalize_axes check_and_reject_bool check_equal_numpy constant_cache "
        "constructor float16_atol float16_rtol float32_atol float32_rtol float64_atol "
        "float64_rtol get_scalar_constant_value_elemwises int32 new numpy_scalar "
        "numpy_diagonal_return_view sparse_module_ref x",
    },
    "theano.tensor.blas": {C_CODE: "*"},
    "theano.tensor.blas_c": {C_CODE: "*"},
    "theano.tensor.blas_headers": {C_CODE: "*"},
    "theano.tensor.blas_scipy": {C_CODE: "*"},
    "theano.tensor.elemwise_cgen": {C_CODE: "*"},
    "theano.tensor.fourier": {FOURIER: "*"},
    "theano.tensor.inc_code": {C_CODE: "*"},
    "theano.tensor.extra_ops": {INNER: "tensor"},
    "theano.tensor.nlinalg": {INNER: "EighGrad logger"},
    "theano.tensor.nnet": {
        REWRITES: "crossentropy_to_crossentropy_with_softmax "
        "crossentropy_to_crossentropy_with_softmax_with_bias "
        "graph_merge_softmax_with_crossentropy_softmax softmax_simplifier",
        INNER: "softminus",
    },
    "theano.tensor.nnet.bn": {
        REWRITES: "AbstractBatchNormInference AbstractBatchNormTrain "
        "AbstractBatchNormTrainGrad BNComposite bn_groupopt "
        "local_abstract_batch_norm_inference local_abstract_batch_norm_train "
        "local_abstract_batch_norm_train_grad",
    },
    "theano.tensor.nnet.Conv3D": {
        "conv3d of theano.tensor.nnet takes its place, with channels before the axes": "*",
    },
    "theano.tensor.nnet.conv": {C_CODE: "gen_conv_code_unroll_batch_kern"},
    "theano.tensor.nnet.opt": {REWRITES: "*"},
    "theano.tensor.opt_uncanonicalize": {REWRITES: "*"},
    "theano.tensor.raw_random": {
        INNER: "choice_helper multinomial_helper permutation_helper "
        "random_integers_helper",
        IN_PLACE: "random_make_inplace",
    },
    "theano.tensor.opt": {REWRITES: "FusionOptimizer local_add_mul_fusion"},
    "theano.tensor.signal.pool": {C_CODE: "PoolingMode_t", INNER: "MaxPoolRop PoolGrad"},
    "theano.tensor.slinalg": {INNER: "CholeskyGrad EigvalshGrad ExpmGrad logger"},
    "theano.tests.disturb_mem": {TESTS: "*"},
    "theano.tests.record": {TESTS: "*"},
    "theano.typed_list.opt": {REWRITES: "*"},
}  # fmt: skip


def reason(module: str, name: str = "") -> str | None:
    """Why a name of a module, or the module itself, is left out; None where it is not.

    What a package of Theano's leaves out is left out in its modules as well, from where
    the package has its names.
    """
    place = module
    while place:
        for why, names in REFUSED.get(place, {}).items():
            listed = name in names.split() and (place != "theano" or module == place)
            if names == "*" or listed:
                return why
        place = place.rpartition(".")[0]
    return None


def _refuse(self: RefusedName, *_: Any, **__: Any) -> NoReturn:
    raise AttributeError(self._text)


class RefusedName:
    """What a program gets that imports a name which is left out on purpose.

    It may be held, compared and shown, and nothing is an instance of it.  Raises:
    AttributeError, with the reason, where it is called, derived from, asked for a name, or
    used as a value.
    """

    _text = ""

    def __init__(self, where: str, name: str, why: str) -> None:
        self._text = f"symnet does not have {where}.{name}: {why}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of everything
            raise AttributeError(name)
        _refuse(self)

    def __instancecheck__(self, value: Any) -> bool:
        return False

    def __subclasscheck__(self, kind: Any) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._text}>"


# How Python uses a value: a class, a function, a collection, a number.
USES = (
    "call mro_entries iter next len getitem setitem contains enter bool int float index "
    "array neg pos abs invert add radd sub rsub mul rmul truediv rtruediv floordiv "
    "rfloordiv mod rmod pow rpow lt le gt ge and rand or ror xor rxor"
)
for _use in USES.split():
    _method: Callable[..., Any] = _refuse
    setattr(RefusedName, f"__{_use}__", _method)


__all__ = ["GPU", "REFUSED", "RefusedName", "reason"]
