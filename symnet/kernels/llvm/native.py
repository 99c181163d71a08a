"""Native code written in a small subset of Python: how the run time is programmed.

    @native
    def total(words: int, count: int) -> int:
        result = 0
        for k in range(count):
            result += load(words, k)
        return result

Every value is a signed 64-bit integer; an address is one too.  `total(address, 3)` runs
machine code, `total.address` is where it lies, `total.python` is the plain function,
which computes the same and can be stepped through in a debugger (the instructions have
Python bodies too, which is also their definition).

The subset: assignment to names, `if`, `while`, `for ... in range(...)`, `break`,
`continue`, `return`; integer arithmetic (as in Python, but modulo 2**64), comparison,
`and`/`or`/`not` in conditions; integer constants of the module; calls of instructions,
of other native functions and of C functions made known by `External`; the address of a
native function.

The functions of one module are compiled together, when the first of them is needed, and
kept on disk like the kernels.  With `@patient` in place of `@native` they are needed only
where their address is: a call from Python is served by the plain function until then,
because to compile takes longer than what a program does that calls once.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import linecache
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import cached_property, partial
from typing import Any, Generic, ParamSpec

import llvmlite.binding as llvm

from symnet.kernels.llvm import words
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.objects import (
    Routine,
    cached_object,
    load_objects,
    object_code,
    source_digest,
)
from symnet.kernels.llvm.words import External, Instruction, Symbol, call, stack

P = ParamSpec("P")


class Native(Generic[P]):
    """A function of the subset.  Called from Python it runs natively, without the GIL;
    a `patient` one only if that is compiled already."""

    def __init__(self, python: Callable[P, int], patient: bool = False) -> None:
        self.python = python
        self.patient = patient
        self.name = f"{python.__module__}.{python.__qualname__}"
        self.parameters = list(inspect.signature(python).parameters)
        self.__doc__ = python.__doc__
        self._address = 0

    @property
    def address(self) -> int:
        if not self._address:
            compile_pending(self.python.__module__)
        return self._address

    @cached_property
    def _function(self) -> Any:
        kinds = [ctypes.c_int64] * len(self.parameters)
        return ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self.address)

    @property
    def ready(self) -> bool:
        """Whether there is machine code, in this process or on disk."""
        return bool(self._address) or load_pending(self.python.__module__)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> int:
        if self.patient and not self.ready:
            return int(self.python(*args, **kwargs))
        return int(self._function(*args, **kwargs))


_pending: defaultdict[str, list[Native[Any]]] = defaultdict(list)


def native(function: Callable[P, int]) -> Native[P]:
    """Decorator: make a native function of one written in the subset."""
    result = Native(function)
    _pending[function.__module__].append(result)
    return result


def patient(function: Callable[P, int]) -> Native[P]:
    """Decorator: a native function that can wait for its machine code."""
    result = native(function)
    result.patient = True
    return result


# --------------------------------------------------------------------- the translator


def tree_of(function: Callable[..., int]) -> ast.FunctionDef:
    """The syntax tree of a function, its first line being number 1.  Only its own lines are
    parsed: whole files take three times as long, and to let `inspect` find the lines
    longer still."""
    code = function.__code__
    lines, first = linecache.getlines(code.co_filename), code.co_firstlineno - 1
    margin = indentation(lines[first])
    end = max(line for *_, line in code.co_lines() if line)
    while end < len(lines) and (
        not lines[end].strip() or indentation(lines[end]) > margin
    ):
        end += 1  # the last statement goes on
    own = "".join(line[margin:] or "\n" for line in lines[first:end])
    tree = ast.parse(own, code.co_filename).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


class NativeError(SyntaxError):
    """A function that is to be native uses what the subset does not have."""


OPERATIONS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.LShift: "shl", ast.RShift: "ashr",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
}  # fmt: skip
COMPARISONS: dict[type[ast.AST], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge",
}  # fmt: skip


class Translator:
    """Prints one function as LLVM IR text."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.tree, self.function = tree_of(function), function
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.locals: set[str] = set()
        self.head: list[str] = []
        self.body: list[str] = []
        self.numbers = iter(range(1 << 30))
        self.loops: list[tuple[str, str]] = []  # where `continue` and `break` go

    def error(self, node: ast.AST, what: str) -> NativeError:
        before = self.function.__code__.co_firstlineno - 1
        line = before + getattr(node, "lineno", self.tree.lineno)
        file = inspect.getsourcefile(self.function)
        text = ast.unparse(node).splitlines()[0]
        return NativeError(f"{file}:{line}: {what}: {text}")

    def text(self) -> str:
        parameters = [argument.arg for argument in self.tree.args.args]
        for name in parameters:
            self.assign(name, f"%argument.{name}")
        self.block(self.tree.body)
        given = ", ".join(f"i64 %argument.{name}" for name in parameters)
        lines = [f'define i64 @"{self.name}"({given}) nounwind {{']
        lines += [f"  {line}" for line in [*self.head, *self.body, "ret i64 0"]]
        return "\n".join([*lines, "}"])

    # ---- blocks and names
    def fresh(self, stem: str = "t") -> str:
        return f"%{stem}.{next(self.numbers)}"

    def put(self, line: str) -> None:
        self.body.append(line)

    def value_of(self, line: str) -> str:
        result = self.fresh()
        self.put(f"{result} = {line}")
        return result

    def place(self, label: str) -> None:
        """Start the block `label`; the block before falls through into it."""
        self.put(f"br label {label}")
        self.put(f"{label[1:]}:")

    def leave(self, line: str) -> None:
        """End the block by `line`; what follows it in the source is unreachable."""
        self.put(line)
        self.put(f"{self.fresh('after')[1:]}:")

    def assign(self, name: str, value: str) -> None:
        if name not in self.locals:
            self.locals.add(name)
            self.head.append(f"%local.{name} = alloca i64")
        self.put(f"store i64 {value}, ptr %local.{name}")

    # ---- statements
    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            kind = type(statement).__name__
            translate = getattr(self, f"statement_{kind}", None)
            if translate is None:
                raise self.error(statement, f"native code has no {kind}")
            translate(statement)

    def statement_Expr(self, node: ast.Expr) -> None:
        if not (
            isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ):
            self.expression(node.value)

    def statement_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            raise self.error(node, "only one name can be assigned to")
        self.assign(target.id, self.expression(node.value))

    def statement_AugAssign(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise self.error(node, "only a name can be assigned to")
        old = ast.copy_location(ast.Name(node.target.id), node)
        sum_ = ast.copy_location(ast.BinOp(old, node.op, node.value), node)
        self.assign(node.target.id, self.expression(sum_))

    def statement_Return(self, node: ast.Return) -> None:
        value = self.expression(node.value) if node.value is not None else "0"
        self.leave(f"ret i64 {value}")

    def statement_If(self, node: ast.If) -> None:
        constant = self.constant(node.test)
        if constant is not None:  # what this platform lacks is not even translated
            self.block(node.body if constant else node.orelse)
            return
        yes, no, end = self.fresh("then"), self.fresh("else"), self.fresh("end")
        self.condition(node.test, yes, no)
        self.put(f"{yes[1:]}:")
        self.block(node.body)
        self.put(f"br label {end}")
        self.put(f"{no[1:]}:")
        self.block(node.orelse)
        self.place(end)

    def loop(
        self, test: Callable[[str, str], None], body: list[ast.stmt], step: Any
    ) -> None:
        again, enter, end = self.fresh("again"), self.fresh("body"), self.fresh("end")
        next_ = self.fresh("next")
        self.place(again)
        test(enter, end)
        self.put(f"{enter[1:]}:")
        self.loops.append((next_, end))
        self.block(body)
        self.loops.pop()
        self.place(next_)
        step()
        self.put(f"br label {again}")
        self.put(f"{end[1:]}:")

    def statement_While(self, node: ast.While) -> None:
        self.loop(
            lambda yes, no: self.condition(node.test, yes, no), node.body, lambda: None
        )

    def statement_For(self, node: ast.For) -> None:
        range_ = node.iter
        if not (
            isinstance(range_, ast.Call)
            and ast.unparse(range_.func) == "range"
            and len(range_.args) in (1, 2)
            and isinstance(node.target, ast.Name)
        ):
            raise self.error(
                node, "a for loop runs over range(stop) or range(start, stop)"
            )
        target = node.target.id
        bounds = [self.expression(argument) for argument in range_.args]
        counter, stop = f"counter{next(self.numbers)}", bounds[-1]
        self.assign(counter, bounds[0] if len(bounds) == 2 else "0")

        def test(yes: str, no: str) -> None:
            now = self.value_of(f"load i64, ptr %local.{counter}")
            self.branch(self.value_of(f"icmp slt i64 {now}, {stop}"), yes, no)

        def step() -> None:
            now = self.value_of(f"load i64, ptr %local.{counter}")
            self.assign(counter, self.value_of(f"add i64 {now}, 1"))

        copy = ast.copy_location(
            ast.Assign([ast.Name(target)], ast.Name(counter)), node
        )
        self.loop(test, [copy, *node.body], step)

    def statement_Break(self, node: ast.Break) -> None:
        self.leave(f"br label {self.loops[-1][1]}")

    def statement_Continue(self, node: ast.Continue) -> None:
        self.leave(f"br label {self.loops[-1][0]}")

    def statement_Pass(self, node: ast.Pass) -> None:
        """Nothing to do."""

    # ---- conditions: branches, so that `and` and `or` stop early
    def branch(self, bit: str, yes: str, no: str) -> None:
        self.put(f"br i1 {bit}, label {yes}, label {no}")

    def condition(self, node: ast.expr, yes: str, no: str) -> None:
        if isinstance(node, ast.BoolOp):
            for part in node.values[:-1]:
                more = self.fresh("more")
                both = isinstance(node.op, ast.And)
                self.condition(part, more if both else yes, no if both else more)
                self.put(f"{more[1:]}:")
            self.condition(node.values[-1], yes, no)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.condition(node.operand, no, yes)
        elif isinstance(node, ast.Compare):
            self.branch(self.comparison(node), yes, no)
        else:
            value = self.expression(node)
            self.branch(self.value_of(f"icmp ne i64 {value}, 0"), yes, no)

    def comparison(self, node: ast.Compare) -> str:
        how = COMPARISONS.get(type(node.ops[0]))
        if len(node.ops) > 1 or how is None:
            raise self.error(node, "native code has only single comparisons of numbers")
        left, right = self.expression(node.left), self.expression(node.comparators[0])
        return self.value_of(f"icmp {how} i64 {left}, {right}")

    # ---- expressions: the name of an i64 value
    def constant(self, node: ast.expr) -> int | None:
        """The value of a constant, where it is known before the program runs."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return int(node.value)
        if isinstance(node, ast.Name) and node.id not in self.locals:
            found = self.function.__globals__.get(node.id)
            return (
                int(found)
                if isinstance(found, int) and type(found) in (int, bool)
                else None
            )
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return 0 if self.constant(node.values[0]) == 0 else None
        return None

    def expression(self, node: ast.expr) -> str:
        constant = self.constant(node)
        if constant is not None:
            return str(constant)
        translate = getattr(self, f"expression_{type(node).__name__}", None)
        if translate is None:
            raise self.error(node, f"native code has no {type(node).__name__}")
        return str(translate(node))

    def expression_Name(self, node: ast.Name) -> str:
        if node.id in self.locals:
            return self.value_of(f"load i64, ptr %local.{node.id}")
        found = self.function.__globals__.get(node.id)
        if not isinstance(found, Symbol):
            raise self.error(node, "neither a local name assigned above nor a constant")
        return self.value_of(f'ptrtoint ptr @"{found.name}" to i64')

    def expression_Attribute(self, node: ast.Attribute) -> str:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        found = self.function.__globals__.get(owner)
        if not isinstance(found, Native) or node.attr != "address":
            raise self.error(
                node, "only the address of a native function can be asked for"
            )
        return self.value_of(f'ptrtoint ptr @"{found.name}" to i64')

    def expression_Compare(self, node: ast.Compare) -> str:
        return self.value_of(f"zext i1 {self.comparison(node)} to i64")

    def expression_UnaryOp(self, node: ast.UnaryOp) -> str:
        value = self.expression(node.operand)
        if isinstance(node.op, ast.USub):
            return self.value_of(f"sub i64 0, {value}")
        if isinstance(node.op, ast.Invert):
            return self.value_of(f"xor i64 {value}, -1")
        bit = self.value_of(f"icmp eq i64 {value}, 0")
        return self.value_of(f"zext i1 {bit} to i64")

    def expression_BinOp(self, node: ast.BinOp) -> str:
        left, right = self.expression(node.left), self.expression(node.right)
        how = OPERATIONS.get(type(node.op))
        if how is not None:
            return self.value_of(f"{how} i64 {left}, {right}")
        if isinstance(node.op, (ast.FloorDiv, ast.Mod)):
            return self.divide(left, right, isinstance(node.op, ast.Mod))
        raise self.error(node, f"native code has no {type(node.op).__name__}")

    def divide(self, left: str, right: str, remainder: bool) -> str:
        """Quotient or remainder, rounded down as in Python (LLVM rounds towards 0)."""
        rest = self.value_of(f"srem i64 {left}, {right}")
        signs = self.value_of(f"xor i64 {rest}, {right}")
        opposite = self.value_of(f"icmp slt i64 {signs}, 0")
        some = self.value_of(f"icmp ne i64 {rest}, 0")
        down = self.value_of(f"and i1 {opposite}, {some}")
        if remainder:
            more = self.value_of(f"select i1 {down}, i64 {right}, i64 0")
            return self.value_of(f"add i64 {rest}, {more}")
        quotient = self.value_of(f"sdiv i64 {left}, {right}")
        less = self.value_of(f"sext i1 {down} to i64")
        return self.value_of(f"add i64 {quotient}, {less}")

    # ---- calls
    def expression_Call(self, node: ast.Call) -> str:
        function = isinstance(node.func, ast.Name) and self.function.__globals__.get(
            node.func.id
        )
        if function is stack:
            return self.reserve(node)
        arguments = [self.expression(argument) for argument in node.args]
        if function is call:
            address = self.value_of(f"inttoptr i64 {arguments[0]} to ptr")
            given = ", ".join(f"i64 {argument}" for argument in arguments[1:])
            return self.value_of(f"call i64 {address}({given})")
        if not isinstance(function, (Instruction, Native, External)):
            raise self.error(node, "native code cannot call this")
        if len(arguments) != len(function.parameters) or node.keywords:
            raise self.error(
                node, f"takes {len(function.parameters)} positional arguments"
            )
        if isinstance(function, Instruction):
            return self.inline(function, arguments)
        if isinstance(function, External):
            return self.call_external(function, arguments)
        given = ", ".join(f"i64 {argument}" for argument in arguments)
        return self.value_of(f'call i64 @"{function.name}"({given})')

    def reserve(self, node: ast.Call) -> str:
        count = self.constant(node.args[0])
        if count is None:
            raise self.error(node, "stack() takes a constant")
        memory = self.fresh("stack")
        self.head.append(f"{memory} = alloca [{count} x i64]")
        return self.value_of(f"ptrtoint ptr {memory} to i64")

    def inline(self, function: Instruction[Any], arguments: list[str]) -> str:
        names = dict(zip(function.parameters, arguments, strict=True))
        names["serial"] = str(next(self.numbers))
        result = names["result"] = self.fresh()
        has_result = False
        for pieces in function.lines:
            filled = "".join(
                names[piece] if k % 2 else piece for k, piece in enumerate(pieces)
            )
            has_result |= filled.startswith(f"{result} =")
            self.put(filled)
        return result if has_result else "0"

    def call_external(self, function: External, arguments: list[str]) -> str:
        given = []
        for kind, argument in zip(function.parameters, arguments, strict=True):
            if kind != "i64":
                argument = self.value_of(f"trunc i64 {argument} to {kind}")
            given.append(f"{kind} {argument}")
        result = self.value_of(
            f"call {function.result} @{function.name}({', '.join(given)})"
        )
        if function.result == "i64":
            return result
        return self.value_of(f"sext {function.result} {result} to i64")


# ------------------------------------------------------------------ compile and load


def outside(functions: list[Native[Any]]) -> dict[str, Symbol | External | Native[Any]]:
    """What the functions name but do not define."""
    namespace = functions[0].python.__globals__
    mentioned = {name for f in functions for name in f.python.__code__.co_names}
    found = (namespace.get(name) for name in sorted(mentioned))
    own = {function.name for function in functions}
    kinds = (Symbol, External, Native)
    return {
        what.name: what
        for what in found
        if isinstance(what, kinds) and what.name not in own
    }


def declaration(what: Symbol | External | Native[Any]) -> str:
    if isinstance(what, Symbol):
        return f'@"{what.name}" = external global i8'
    if isinstance(what, External):
        return f"declare {what.result} @{what.name}({', '.join(what.parameters)})"
    return f'declare i64 @"{what.name}"({", ".join(["i64"] * len(what.parameters))})'


def print_module(functions: list[Native[Any]]) -> str:
    """The LLVM IR of functions of one module."""
    texts = [Translator(function.python).text() for function in functions]
    return "\n".join([*map(declaration, outside(functions).values()), *texts])


def optimise(text: str, quick: bool) -> bytes:
    """Object code of LLVM IR text.

    Few passes: the code is made of short loops, and waits mostly for memory or others.
    quick: with LLVM's fast code generator, which takes a fifth of the time; the code takes
    one and a half times as long (measured for the call boundary).
    """

    def run(module: llvm.ModuleRef) -> None:
        options = llvm.create_pipeline_tuning_options(speed_level=1)
        builder = llvm.create_pass_builder(machine().target(quick), options)
        passes = llvm.create_new_function_pass_manager()
        passes.add_sroa_pass()
        if not quick:
            passes.add_instruction_combine_pass()
            passes.add_simplify_cfg_pass()
        for function in module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

    return machine().compile(text, quick, run)


def address(what: Symbol | External | Native[Any]) -> int:
    return int(what) if isinstance(what, Symbol) else what.address


def cache_key(functions: list[Native[Any]]) -> str:
    """All that the code of a module's functions depends on."""
    namespace = functions[0].python.__globals__
    constants = [f"{k}={v}" for k, v in namespace.items() if type(v) in (int, bool)]
    names = [function.name for function in functions]
    sources = source_digest(__file__, words.__file__, namespace["__file__"])
    return "\n".join([sources, *names, *sorted(constants)])


# Held while the functions of a module get their addresses: threads may need them at once.
# The same thread comes back for the modules that a module calls.
_linking = threading.RLock()
_made: dict[str, bytes] = {}  # code of modules, by key, until it is loaded
_begun: set[str] = set()  # functions given to a thread in the background
_absent: set[str] = set()  # modules with pending functions whose code is not on disk
if hasattr(os, "register_at_fork"):
    # A child has none of the parent's threads: none may be at work here meanwhile.
    os.register_at_fork(
        before=_linking.acquire,
        after_in_parent=_linking.release,
        after_in_child=_linking.release,
    )


def in_background(functions: Sequence[Native[Any]]) -> None:
    """Have machine code made on a thread of its own, for functions that will be needed
    soon; who needs one before it is done waits for it."""
    pending = [f for f in functions if not f._address and f.name not in _begun]
    if pending:
        _begun.update(f.name for f in pending)
        threading.Thread(target=lambda: [f.address for f in pending]).start()


def compile_jobs(
    functions: Collection[Native[Any] | Routine],
) -> list[Callable[[], None]]:
    """What is left to do for these functions, and the native ones that they call, so that
    their machine code can be loaded at once: jobs for threads."""
    routines = [f for f in functions if isinstance(f, Routine) and f.missing]
    left = [f for f in functions if isinstance(f, Native) and not f._address]
    modules = set[str]()
    while left:
        module = left.pop().python.__module__
        pending = _pending.get(module)
        if pending and module not in modules:
            modules.add(module)
            others = outside(pending).values()
            left += [f for f in others if isinstance(f, Native) and not f._address]
    natives = [partial(make_pending, module) for module in sorted(modules)]
    return [*(routine.make for routine in routines), *natives]


def make_pending(module: str) -> None:
    """Compile, or take from disk, what `module` has defined so far."""
    functions = list(_pending.get(module, ()))
    if functions:
        # What a patient module does happens at every call; the rest once a long step.
        quick = not functions[0].patient
        key = cache_key(functions)
        _made[key] = object_code(key, partial(build_module, functions, quick))


def compile_pending(module: str) -> None:
    """Compile, unless it is done, and load what `module` has defined so far."""
    with _linking:
        functions = _pending.get(module)
        if functions:  # or another thread has done it
            key = cache_key(functions)
            if key not in _made:
                make_pending(module)
            link(module, _made.pop(key))


def load_pending(module: str) -> bool:
    """Load what `module` has defined so far from disk; whether it is loaded."""
    if module in _absent:
        return False
    with _linking:
        functions = _pending.get(module)
        if functions:
            data = cached_object(cache_key(functions))
            if data is None:
                _absent.add(module)
                return False
            link(module, data)
    return True


def build_module(functions: list[Native[Any]], quick: bool) -> bytes:
    return optimise(print_module(functions), quick)


def link(module: str, data: bytes) -> None:
    """Make the pending functions of `module` callable; the caller holds the lock."""
    functions = _pending[module]
    imports = {name: address(what) for name, what in outside(functions).items()}
    names = [function.name for function in functions]
    places = load_objects([data], names, imports)
    for function, place in zip(functions, places, strict=True):
        function._address = place
    del _pending[module]
