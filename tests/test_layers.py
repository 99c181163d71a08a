"""The floors of the house: every module imports only modules listed before it.

`FLOORS` is the list, in reading order; a new module is added where it belongs.  A folder's
own `__init__.py` goes by the folder's name; one without imports needs no place.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

PACKAGE = "symnet"
ROOT = pathlib.Path(__file__).parent.parent


def floors(text: str) -> list[str]:
    """The modules of a list whose lines may begin with the folder that they are of; a dot
    is the folder's own `__init__.py`."""
    found: list[str] = []
    for line in text.splitlines():
        folder, colon, names = line.rpartition(":")
        for name in names.split():
            found.append(
                folder if name == "." else f"{folder}.{name}" if colon else name
            )
    return found


FLOORS = floors("""
collector lazy html_tables config data_classes errors recent times progress_display
graph: origin unused_code entering types equal_values object_types attached variables op
graph: testvalues traverse asked
graph: promised evaluate pickling inner
graph: verify_graph same_graph .

kernels.loopir: scalars interpret views verify_kernel philox_body
kernels.loopir: complex_arithmetic complex_functions split_complex
kernels.loopir.math: formats exponential logarithm power trigonometric gaussian external
kernels.loopir.math: gamma_functions inverse_errors
kernels.loopir.math: expand .
kernels: routines library memory variants legality cost_model schedule
kernels.llvm: compiler_thread target half_conversions machine disk_cache object_code
kernels.llvm: text emitted_function
kernels.cpu.jit: intrinsics record translator native floats
kernels.llvm: lanes remainders primitives huge_angles external_calls function_writer elements
kernels.llvm: approximations loop_nest blocks array_access order points outputs pass_plan
kernels.llvm: accumulators warps boxes
kernels.llvm: accumulate lane_loops bands work_items parts thread_items emit ptx kernel_cache
kernels.llvm: mrg_arithmetic thread_draws thread_totals thread_sources .
kernels.cpu.runtime: run_kernel threads layouts runner output_pool store tickets
kernels.cpu.runtime: call_block run_block
kernels.cpu.library: scalar_loop_code blas blas_gemm call_steps
kernels.cpu.library: tiles rearranging_tiles panels_code panel_steps adding_code gathering_code
kernels.cpu.library: packed_gemm_code packed_gemm tiled_gemm_code tiled_gemm
kernels.cpu.library: narrow_gemm_code narrow_gemm
kernels.cpu.library: convolution_code convolution_inputs_code convolution_sums_code
kernels.cpu.library: convolution_tables convolution_sums_steps
kernels.cpu.library: convolution_columns_code convolution_columns_steps
kernels.cpu.library: plane_tiles convolution_planes_code convolution_planes_steps
kernels.cpu.library: winograd_forms winograd_grid winograd_tiles winograd_code
kernels.cpu.library: winograd_steps
kernels.cpu.library: winograd_sums_code winograd_sums_steps
kernels.cpu.library: convolution_steps
kernels.cpu.library: mrg31k3p categorical philox_bits distributions
kernels.cpu.library: twister_code twister_words twister_binomials twister_loops
kernels.cpu.library: twister_draws draws
kernels.cpu.library: numpy_loops matrix_functions ordering radix_sort fourier_steps
kernels.cpu.library: running_code sparse_tiles sparse_steps dense_calls
kernels.cpu.library: calls
kernels.cpu.runtime: python_objects apart call_boundary
kernels: interface call_places stepwise
kernels.reference: special_functions interpret_launch host_arrays numpy_library reference_device .
kernels.cuda: cublas array_routines driver device_array array_library routine_work gemm_work
kernels.cuda: convolution_parts
kernels.cuda: convolution_work launched gpu_places recording
kernels.cuda: gpu_program gpu_device emulated_cublas emulated_driver cuda_graphs cupy_driver .
kernels.cpu.library: scalar_loop
kernels.cpu.runtime: step_table
kernels.cpu: cpu_device
kernels: gpus devices .

shared
ops: about lowerings base elementwise methods comparison arithmetic whole_numbers
ops: complex_parts operators habits functions special tails bessel_tails inputs
ops: sizes alloc shape reshape creation subtensor joining advanced indexing picks
ops: rearrange cumulative composed reduce statistics
ops: assertions diagonal sorting order_objects positions fourier
ops.random: drawing integer_ranges mrg mrg_streams philox_reference philox random_state
ops.random: shared_states
ops.random: random_streams
ops: checks barriers
ops.linalg: gemm products covariances
ops: operation_class operation_objects
ops: scalar_types scalar_ops scalar_classes scalar_names loading transfer breakpoints
ops: theano_classes in_place index_objects canonical_slices named_types typed_lists
ops: known_values joining_anywhere
ops.nnet: softmax logsumexp logcumsumexp activations classification normalization convolution
ops.nnet: filter_places conv_shapes local_conv filter_use conv conv_objects legacy_conv
ops.nnet: upsampling
ops.nnet: windows pool_axes pooling pool_functions neighbourhoods spatial_transformer
ops.nnet: block_products
ops.nnet: response_normalization dropping named_parts
ops.nnet: cudnn_names
ops.linalg: solving determinants spectral least_squares matrices linalg_names
ops: print_values users pushing
ops.ifelse: conditional
ops.sparse: sparse_type entries sparse_parts entrywise conversions sparse_checks
ops.sparse: sparse_arithmetic sparse_slices sparse_stacks sparse_reductions sparse_products
ops.sparse: sparse_functions sparse_draws sparse_methods sparse_names
ops: .
sparse_shared

sizes: conditions
rewriting: constant_folding patterns
sizes: host_code infer conservative
rewriting: analyses rewriter
rewriting.rules: algebra check_rules shapes reductions cancel determinant_rules crossentropy
rewriting.rules: logged saturation logmoves complements gaps logsums logarithms powers inverses
rewriting.rules: totals fractions quotients shifted_quotients
rewriting.rules: stability indexing_rules library_forms composed_rules .
rewriting: stable bypassed variable_clients function_graph users_rewrites rewrite_groups
rewriting: theano_tags selection .

updates
autodiff: batching differences
ops.ifelse: branches
autodiff: masks singular guards backward ifelse_gradient
ops.scan: loop sequence_rows
autodiff: scan_saved scan_choices scan_gradient
ops.scan: scan_arguments step_graph blockwise scan_function folds
ops.linalg: matrix_exponential
ops.nnet: alignments
autodiff: derivatives subgraphs
ops: from_graph
gradient

compile: containers fitting in_out arguments inner_graphs sparse_edges
compile.scan: scan_builder vectorise merge dead_outputs hoist_products sink_products
compile.scan: concat_products scan_passes
compile.lower: program verify_program context fuse lower_scan lower_ifelse kernel_builder
compile.lower: lowering
compile.lower: licm pack_weights
compile.plan: library_calls
compile.memory: arena bounds_checks overwriting placer placement shadow ledger verify_placement
compile.plan: planner plan_cache memory_errors
compile: partition refusals
compile.plan: affine
compile: recompute compiled_segment checkpoints executable pipeline memory_limit databases
compile: rounding widening agreement
compile: modes debugmode
compile: nanguardmode monitormode profile card kept_values overwritten function
compile: eval_method makers .


printing: roots scopes forms formula latex plain_text layers draw networks sympy_bridge stages .
gof: utils op graph opt optdb params_type toolbox .
misc: may_share_memory pkl_utils .
typed_list: basic type .
d3viz
scalar ifelse
sandbox.linalg: ops .
sandbox: multinomial rng_mrg .
random
scan_module: scan_op scan_utils .
tensor: type type_other variable_class inputs basic elemwise inplace opt extra_ops fft
tensor: nlinalg sharedvar utils raw_random shared_randomstreams slinalg sort subtensor xlogx
tensor.nnet: abstract_conv blocksparse bn conv conv3d2d corr corr3d ctc neighbours nnet sigm
tensor.nnet: spatialtf .
tensor.signal: conv pool downsample .
tensor: numpy_compositions array_api numpy_table numpy_ufuncs numpy_calls .
sparse: .
sparse: basic
sparse.sandbox: sp2 .
theano_parameters theano_settings theano_refusals theano_testing theano_compat theano_names
update_list schedules optim datasets debug environment
viewer: groups graph_tables rewrite_records value_ranges program_tables description page command
view
models: initialisers model_layers model architectures model_summary
models: stored_arrays safetensors_format safe_pickles theano_pickles torch_files hdf5_files
models: weight_files
models: weight_loading images . __main__
parameter_files training tensorboard
__init__
""")

# Imported where they are needed: optional, or too slow for `import symnet`.
OPTIONAL = {
    "cupy",
    "cupyx",
    "h5py",
    "IPython",
    "matplotlib",
    "PIL",
    "pooch",
    "rich",
    "sklearn",
    "tensorboard",
    "tqdm",
}
SLOW = {
    "ctypes.util",
    "pdb",
    "importlib",
    "networkx",
    "random",
    "scipy.linalg",
    "scipy.sparse",
    "scipy.special",
    "sympy",
    "tempfile",
}


def module_name(path: pathlib.Path) -> str:
    """The name in `FLOORS` of a file of the package."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Line, dotted name and whether inside a function, of every import, also for the types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: name the module in full"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}", inside
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from imports(node, inside or function)


def imported_module(name: str) -> str | None:
    """The entry of `FLOORS` that holds the imported name; None outside the package."""
    if name != PACKAGE and not name.startswith(PACKAGE + "."):
        return None
    rest = name.removeprefix(PACKAGE).removeprefix(".")
    while rest:
        if rest in FLOORS:
            return rest
        rest = rest.rpartition(".")[0]
    return "__init__"


def complaints(path: pathlib.Path) -> Iterator[str]:
    here = module_name(path)
    found = list(imports(ast.parse(path.read_text(encoding="utf-8"))))
    if path.name == "__init__.py" and not found:
        return
    if here not in FLOORS:
        yield f"{path}: {here} has no place in FLOORS"
        return
    for line, name, inside in found:
        there = imported_module(name)
        if there is None:
            if inside and not allowed_inside(name):
                yield f"{path}:{line}: {name} imported inside a function"
        elif inside:
            yield f"{path}:{line}: {name}: an import inside a function hides a cycle"
        elif FLOORS.index(there) >= FLOORS.index(here):
            yield f"{path}:{line}: {here} stands below {there} and may not import it"


def allowed_inside(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:k]) in OPTIONAL | SLOW for k in range(1, len(parts) + 1))


def test_every_module_imports_only_modules_below_it() -> None:
    files = sorted((ROOT / PACKAGE).rglob("*.py"))
    assert files
    found = [complaint for path in files for complaint in complaints(path)]
    assert not found, "\n".join(found)


def test_only_the_kernels_know_their_devices() -> None:
    """Above them devices are asked for by name, and used by their interface."""
    found = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        if path.is_relative_to(ROOT / PACKAGE / "kernels"):
            continue
        for line, name, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name.startswith(("symnet.kernels.cpu", "symnet.kernels.llvm")):
                found.append(f"{path}:{line}: {name}")
    assert not found, "\n".join(found)


def test_the_list_names_each_module_once() -> None:
    assert len(FLOORS) == len(set(FLOORS))


def test_the_list_names_only_modules_that_exist() -> None:
    for name in FLOORS:
        path = ROOT / PACKAGE / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), name


# Folders whose files bear the names of Theano's.
THEANOS = (
    "tensor", "gof", "sandbox", "scan_module", "scalar", "ifelse", "random", "misc",
    "typed_list", "sparse",
)  # fmt: skip


def trees() -> Iterator[tuple[pathlib.Path, ast.Module]]:
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_no_two_modules_and_no_two_classes_bear_one_name() -> None:
    modules: dict[str, list[str]] = {}
    classes: dict[str, list[str]] = {}
    for path, tree in trees():
        theanos = module_name(path).split(".")[0] in THEANOS
        if path.name != "__init__.py" and not theanos:
            modules.setdefault(path.stem, []).append(str(path))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, []).append(str(path))
    twice = [where for where in (*modules.values(), *classes.values()) if where[1:]]
    assert not twice, twice


MOST_LINES = {"file": 500, "function": 60}


def test_files_and_functions_are_short() -> None:
    found = []
    for path, tree in trees():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES["file"]:
            found.append(f"{path}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_LINES["function"]:
                    found.append(f"{path}:{node.lineno}: {node.name}: {lines} lines")
    assert not found, "\n".join(found)


def test_the_walk_sees_imports_wherever_they_hide() -> None:
    tree = ast.parse(
        "from symnet.graph import types\n"
        "if TYPE_CHECKING:\n    import symnet.debug\n"
        "def f():\n    if True:\n        import sympy.abc\n"
        "class C:\n    import json\n"
    )
    assert list(imports(tree)) == [
        (1, "symnet.graph.types", False),
        (3, "symnet.debug", False),
        (6, "sympy.abc", True),
        (8, "json", False),
    ]
    assert imported_module("symnet.graph.types.TensorType") == "graph.types"
    assert imported_module("symnet.config.config") == "config"
    assert imported_module("symnet.__version__") == "__init__"
    assert imported_module("numpy") is None
    assert allowed_inside("scipy.special.gamma")
    assert not allowed_inside("scipy.stats")


def test_ops_know_of_kernels_only_the_loop_ir_and_routines_as_data() -> None:
    """How a device makes steps of them is its own business."""
    known = ("kernels.loopir", "kernels.routines")
    for folder in ("ops", "sizes", "rewriting", "autodiff"):
        for path in (ROOT / PACKAGE / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for line, name, _ in imports(tree):
                there = imported_module(name) or ""
                below = there.startswith("kernels") and not there.startswith(known)
                assert not below, f"{path}:{line}: {name}"


def test_abilities_of_ops_are_declared() -> None:
    """No module asks whether an op happens to have an attribute."""
    for folder in ("compile", "sizes", "rewriting", "autodiff"):
        for path in (ROOT / PACKAGE / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(hasattr|getattr)\((\w+\.)*op, \"", text), path
