"""From a small subset of Python to LLVM IR text (see `native`, which compiles it).

The subset: assignment to names, `if`, `while`, `for ... in range(...)`, `break`,
`continue`, `return`; integer arithmetic (as in Python, but modulo 2**64), comparison,
`and`/`or`/`not` in conditions; integer constants of the module; numbers of the words of
records; calls of instructions,
of other native functions and of C functions made known by `CFunction`; the address of a
native function.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import threading
from collections.abc import Callable
from typing import Any

from symnet.collector import collector_paused
from symnet.kernels.cpu.jit.intrinsics import (
    CFunction,
    NativeFunction,
    NativeInstruction,
    Symbol,
    call,
    stack,
)
from symnet.kernels.cpu.jit.record import Record

# CPython 3.11 counts how deep a tree is for all threads together.  A collection of garbage
# while one of them parses may let the next one in: then both fail (gh-106905).
_parsing = threading.Lock()


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
    with _parsing, collector_paused():
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
        if isinstance(node, ast.Attribute):
            return self.word_number(node)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return 0 if self.constant(node.values[0]) == 0 else None
        return None

    def word_number(self, node: ast.Attribute) -> int | None:
        """The number of a word of a record, as in `load(address, Record.word)`."""
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        record = self.function.__globals__.get(owner)
        if owner in self.locals or not isinstance(record, type):
            return None
        if not issubclass(record, Record):
            return None
        number = getattr(record, node.attr, None)
        return number if isinstance(number, int) else None

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
        if not isinstance(found, NativeFunction) or node.attr != "address":
            raise self.error(
                node, "only the word of a record, or the address of a native function"
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
        if not isinstance(function, (NativeInstruction, NativeFunction, CFunction)):
            raise self.error(node, "native code cannot call this")
        if len(arguments) != len(function.parameters) or node.keywords:
            raise self.error(
                node, f"takes {len(function.parameters)} positional arguments"
            )
        if isinstance(function, NativeInstruction):
            return self.inline(function, arguments)
        if isinstance(function, CFunction):
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

    def inline(self, function: NativeInstruction[Any], arguments: list[str]) -> str:
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

    def call_external(self, function: CFunction, arguments: list[str]) -> str:
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
