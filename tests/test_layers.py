"""The floors of the house: every module imports only modules listed before it.

`FLOORS` is the list, in reading order; a new module is added where it belongs.  A folder's
own `__init__.py` goes by the folder's name; one without imports needs no place.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

PACKAGE = "symnet"
ROOT = pathlib.Path(__file__).parent.parent

FLOORS = """
config errors lazy
graph.origin graph.types graph.variables graph.testvalues graph.traverse graph.evaluate
graph.pickling graph.inner graph

kernels.recent kernels.loops kernels.interpret kernels.views
kernels.math.formats kernels.math.exponential kernels.math.logarithm kernels.math.power
kernels.math.trigonometric kernels.math.gaussian kernels.math.external
kernels.math.expand kernels.math kernels.layout
kernels.llvm.apart kernels.llvm.machine kernels.llvm.disk kernels.llvm.objects
kernels.llvm.words kernels.llvm.translator kernels.llvm.native
kernels.llvm.text kernels.llvm.primitives kernels.llvm.nest kernels.llvm.blocks
kernels.llvm.order kernels.llvm.points kernels.llvm.reductions kernels.llvm.passes
kernels.llvm.bands kernels.llvm.emit kernels.llvm.cache kernels.llvm.recurrence
kernels.llvm.products kernels.llvm
kernels.launch kernels.threads kernels.runner kernels.spares kernels.store kernels.turns
kernels.callblock kernels.blas kernels.multiply kernels.calls kernels.panels kernels.mrg
kernels.floats kernels.picking kernels.philox kernels.variates
kernels.boundary kernels.device kernels.recurrence kernels.assembly kernels.cpu kernels

shared
ops.base ops.elementwise ops.methods ops.arithmetic ops.operators ops.functions ops.tails
ops.inputs
ops.sizes ops.alloc ops.shape ops.reduce ops.creation
ops.subtensor ops.joining ops.advanced ops.indexing
ops.diagonal ops.rearrange ops.cumulative ops.sorting
ops.drawing ops.random_mrg ops.mrg_streams ops.philox_reference ops.random_philox
ops.random_state
ops.random_streams
ops.composed ops.checks ops.barriers ops.gemm ops.linalg ops.softmax ops.logsumexp ops.nnet
ops.classification ops.normalization ops.solving ops.determinants ops.spectral ops.matrices
ops.printing ops.users ops

rewriting.folding rewriting.demands rewriting.patterns
rewriting.host rewriting.infer rewriting.certain rewriting.findings rewriting.rewrite
rewriting.rules.algebra rewriting.rules.checks rewriting.rules.shapes rewriting.rules.reductions
rewriting.rules.cancel rewriting.rules.determinants rewriting.rules.crossentropy
rewriting.rules.logged rewriting.rules.logmoves rewriting.rules.logsums
rewriting.rules.logarithms rewriting.rules.quotients rewriting.rules.stability
rewriting.rules.indexing rewriting.rules.library rewriting.rules.composed rewriting.rules
rewriting.stable rewriting.bypassed rewriting

updates batching differences ops.ifelse ops.branches guards backward ops.ifelse_gradient
ops.scan ops.scan_rows ops.scan_stored ops.scan_gradient
ops.scan_arguments ops.scan_step ops.scan_blocks ops.scan_function ops.scan_folds
derivatives gradient

compile.arguments compile.inside compile.drafts compile.allsteps compile.merging
compile.trimming compile.hoisting
compile.postponing compile.joining compile.loops
compile.passes
compile.program compile.context compile.steady compile.panels compile.calls compile.reads
compile.fuse compile.scans compile.choices compile.clusters compile.lower
compile.checks compile.memory compile.rows compile.shadow compile.ledger compile.verify
compile.plan compile.keeping compile.segments compile.linear compile.engine
compile.widening compile.debugmode
compile.modes compile.profile compile.function compile

printing.roots printing.forms printing.formula printing.latex printing.text
printing.layers printing.draw printing.networks printing.sympy_bridge printing.stages
printing
gof.graph gof scalar ifelse
sandbox.rng_mrg sandbox random
scan_module.scan_op scan_module.scan_utils scan_module
tensor.inputs tensor.basic tensor.elemwise tensor.extra_ops tensor.nlinalg tensor.sharedvar
tensor.raw_random tensor.shared_randomstreams tensor.slinalg tensor.sort
tensor.subtensor tensor.xlogx
tensor.nnet.bn tensor.nnet.nnet tensor.nnet.sigm tensor.nnet tensor
theano_names
optim datasets testing
__init__
debug
""".split()

# Imported where they are needed: optional, or too slow for `import symnet`.
OPTIONAL = {"cupy", "IPython", "matplotlib", "pooch", "rich", "sklearn"}
SLOW = {"networkx", "scipy.linalg", "scipy.special", "sympy"}


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


def test_the_list_names_each_module_once() -> None:
    assert len(FLOORS) == len(set(FLOORS))


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
