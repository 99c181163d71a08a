r"""Graphs as LaTeX: what notebooks show for a variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable, describe
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.checks import Checked
from symnet.ops.creation import Arange
from symnet.ops.elementwise import Cast, Elementwise
from symnet.ops.linalg.products import Dot
from symnet.ops.nnet.activations import LogSoftmax, Softmax
from symnet.ops.nnet.convolution import Convolution
from symnet.ops.random.philox import PhiloxDraw, PhiloxVariates
from symnet.ops.reduce import Reduce
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import MakeVector, ShapeI, SpecifyShape
from symnet.ops.subtensor import IncSubtensor, Subtensor
from symnet.printing.forms import (
    ANYTHING,
    ATOM,
    COMPARISON,
    OR,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Form,
    FormulaWriter,
    Notation,
    Part,
    separated,
)
from symnet.printing.formula import (
    index_parts,
    kept_axes,
    leaf_form,
    mean_of,
    plain_number,
    positions,
    visible,
)
from symnet.printing.roots import is_number, roots_of

GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma "
    "tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
).split()
OPERATORS: dict[str, tuple[str, int, int, int]] = {
    "add": (" + ", SUM, SUM, PRODUCT),
    "sub": (" - ", SUM, SUM, PRODUCT),
    "mul": (r" \, ", PRODUCT, PRODUCT, POWER),
    "lt": (" < ", COMPARISON, OR, OR),
    "le": (r" \le ", COMPARISON, OR, OR),
    "gt": (" > ", COMPARISON, OR, OR),
    "ge": (r" \ge ", COMPARISON, OR, OR),
    "eq": (" = ", COMPARISON, OR, OR),
    "neq": (r" \ne ", COMPARISON, OR, OR),
    "and_": (r" \wedge ", OR, OR, COMPARISON),
    "or_": (r" \vee ", OR, OR, COMPARISON),
}
# Written as a command before the operand in parentheses.
COMMANDS = {
    "log": r"\log", "sin": r"\sin", "cos": r"\cos", "tan": r"\tan", "sinh": r"\sinh",
    "cosh": r"\cosh", "tanh": r"\tanh", "arcsin": r"\arcsin", "arccos": r"\arccos",
    "arctan": r"\arctan", "sigmoid": r"\sigma", "maximum": r"\max", "minimum": r"\min",
    "gamma": r"\Gamma", "psi": r"\psi",
}  # fmt: skip
# Around the operand.
AROUND = {
    "sqrt": (r"\sqrt{", "}"), "abs": (r"\left|", r"\right|"), "floor": (r"\lfloor ", r" \rfloor"),
    "ceil": (r"\lceil ", r" \rceil"), "exp": ("e^{", "}"), "exp2": ("2^{", "}"),
    "conj": (r"\overline{", "}"), "reciprocal": (r"\frac{1}{", "}"),
}  # fmt: skip
REDUCTIONS = {
    "sum": r"\sum", "prod": r"\prod", "max": r"\max", "min": r"\min", "any": r"\bigvee",
    "all": r"\bigwedge",
}  # fmt: skip
BROADEST = 400  # operations: more is no formula that anybody reads


def symbol(name: str, rank: int = 0) -> str:
    r"""A name as a symbol: `W_hidden` becomes W_{\mathrm{hidden}}, `alpha2` \alpha_{2};
    vectors and matrices are bold."""
    found = re.fullmatch(r"([A-Za-z]+?)_?(\d+|(?<=_).+)?('*)", name)
    if found is None:
        return rf"\mathrm{{{_escaped(name)}}}"
    base, below, primes = found.groups()
    if base in GREEK:
        text = f"\\{base}" if rank == 0 else rf"\boldsymbol{{\{base}}}"
    elif len(base) > 1:
        text = rf"\mathrm{{{base}}}"
    else:
        text = rf"\mathbf{{{base}}}" if rank else base
    if below:
        text += f"_{{{below if len(below) == 1 or below.isdigit() else _words(below)}}}"
    return text + primes


def _words(text: str) -> str:
    return rf"\mathrm{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    """Text in which LaTeX's own characters stand for themselves."""
    special = {"\\": r"\backslash ", "~": r"\sim ", "^": r"\hat{} ", " ": r"\ "}
    return "".join(special.get(c, f"\\{c}" if c in "_%&#${}" else c) for c in text)


def shown(variable: Variable) -> Variable:
    """What is written in the place of a variable: casts, broadcasts, checks of sizes, and
    the shape that `second(x, y)` takes from x are left out."""
    while True:
        variable = visible(variable)
        node = variable.owner
        if node is None:
            return variable
        if isinstance(node.op, LET_THROUGH) or _drops_axes(node):
            variable = node.inputs[0]
        elif isinstance(node.op, Cast) or (
            isinstance(node.op, Elementwise) and node.op.name in ("identity", "second")
        ):
            variable = node.inputs[-1]
        else:
            return variable


def _drops_axes(node: Apply) -> bool:
    """Whether all that an operation does is to leave out axes of size 1."""
    order = getattr(node.op, "new_order", None)
    return order is not None and "x" not in order and order == tuple(sorted(order))


def latex_form(variable: Variable) -> Form:
    """How a variable is written in LaTeX."""
    node = variable.owner
    if node is None:
        return _leaf(variable)
    if isinstance(node.op, Elementwise):
        return _elementwise(node)
    for kind, rule in RULES.items():
        if isinstance(node.op, kind):
            return rule(node)
    number = f"_{{{variable.index}}}" if len(node.outputs) > 1 else ""
    return _function(_operator(_spelt(str(node.op))) + number, node.inputs)


def _spelt(name: str) -> str:
    """The name of an operation as users call it: "search_sorted" of "SearchSorted"."""
    plain = re.sub(r"\{.*\}", "", name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain).lower()


def _operator(name: str) -> str:
    return rf"\operatorname{{{_escaped(name)}}}"


def _leaf(variable: Variable) -> Form:
    if isinstance(variable, Constant):
        form = leaf_form(variable)
        text = str(form.parts[0])
        if is_number(variable):
            exponent = re.fullmatch(r"(.*)e([+-]?)0*(\d+)", text)
            if exponent:
                digits, sign, power = exponent.groups()
                text = rf"{digits} \cdot 10^{{{sign.replace('+', '')}{power}}}"
                return Form(PRODUCT, [text])
            words = {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}"}
            return Form(form.precedence, [words.get(text, text)])
        return Form(ATOM, [_words(text)])
    rank = variable.type.ndim if isinstance(variable.type, TensorType) else 0
    if variable.name:
        return Form(ATOM, [symbol(variable.name, rank)])
    return Form(ATOM, [_words(describe(variable))])


def _function(name: str, arguments: Any) -> Form:
    return Form(ATOM, [name, r"\left(", *separated(arguments), r"\right)"])


def _elementwise(node: Apply) -> Form:
    name, inputs = node.op.name, node.inputs
    mean = mean_of(node)
    if mean is not None:
        return _function(r"\operatorname{mean}" + _axes_text(mean), mean.inputs)
    if name in OPERATORS:
        sign, precedence, left, right = OPERATORS[name]
        if name == "mul" and isinstance(inputs[1], Constant):
            inputs = inputs[::-1]
        if name == "mul" and all(isinstance(v, Constant) for v in inputs):
            sign = r" \cdot "
        return Form(precedence, [(inputs[0], left), sign, (inputs[1], right)])
    if name in AROUND:
        opening, closing = AROUND[name]
        return Form(
            ATOM if name != "exp" else POWER, [opening, (inputs[0], ANYTHING), closing]
        )
    rule = SPECIAL.get(name)
    if rule is not None:
        return rule(node)
    command = COMMANDS.get(name, rf"\operatorname{{{_escaped(name)}}}")
    return _function(command, inputs)


def _fraction(node: Apply) -> Form:
    above, below = node.inputs
    return Form(ATOM, [r"\frac{", (above, ANYTHING), "}{", (below, ANYTHING), "}"])


def _power(node: Apply) -> Form:
    base, exponent = node.inputs
    return Form(POWER, [(base, ATOM), "^{", (exponent, ANYTHING), "}"])


def _choice(node: Apply) -> Form:
    condition, yes, no = node.inputs
    parts: list[Part] = [
        r"\begin{cases}", (yes, ANYTHING), r" & ", (condition, ANYTHING), r" \\ ",
        (no, ANYTHING), r" & \text{otherwise}\end{cases}",
    ]  # fmt: skip
    return Form(ATOM, parts)


SPECIAL: dict[str, Callable[[Apply], Form]] = {
    "true_div": _fraction,
    "pow": _power,
    "switch": _choice,
    "neg": lambda node: Form(SUM, ["-", (node.inputs[0], PRODUCT)]),
    "invert": lambda node: Form(SIGN, [r"\neg ", (node.inputs[0], SIGN)]),
    "sqr": lambda node: Form(POWER, [(node.inputs[0], ATOM), "^{2}"]),
    "int_div": lambda node: Form(
        ATOM, [r"\left\lfloor ", *_fraction(node).parts, r"\right\rfloor"]
    ),
    "mod": lambda node: Form(
        PRODUCT, [(node.inputs[0], PRODUCT), r" \bmod ", (node.inputs[1], POWER)]
    ),
}


def _axes_text(node: Apply) -> str:
    over_all = len(node.op.axes) == node.inputs[0].type.ndim
    return "" if over_all else f"_{{{', '.join(map(str, node.op.axes))}}}"


def _reduction(node: Apply) -> Form:
    (x,) = node.inputs
    kind, axes = node.op.kind, _axes_text(node)
    if kind not in REDUCTIONS:
        return _function(rf"\operatorname{{{kind}}}{axes}", [x])
    return Form(PRODUCT, [REDUCTIONS[kind], axes, " ", (x, PRODUCT)])


def _product(node: Apply) -> Form:
    x, y = node.inputs
    transposed = r"^{\top}" if x.type.ndim == y.type.ndim == 1 else ""
    return Form(
        PRODUCT, [(x, ATOM if transposed else PRODUCT), transposed, r" \, ", (y, POWER)]
    )


def _shuffle(node: Apply) -> Form:
    (x,) = node.inputs
    if node.op.new_order == (1, 0):
        return Form(POWER, [(x, ATOM), r"^{\top}"])
    reduction = kept_axes(node)
    if reduction is not None:
        return _reduction(reduction)
    inner = ", ".join(map(str, node.op.new_order))
    return Form(ATOM, [(x, ATOM), rf"_{{({inner})}}"])


def _part(node: Apply) -> Form:
    x, *bounds = node.inputs
    return Form(
        ATOM, ["{", (x, ATOM), "}_{", *index_parts(node.op.pattern, bounds), "}"]
    )


def _taken(node: Apply) -> Form:
    return Form(ATOM, ["{", (node.inputs[0], ATOM), "}_{", *positions(node, 1), "}"])


def _written(node: Apply) -> Form:
    """x with y written to an index of it, or added there."""
    x, y, *bounds = node.inputs
    name = "set_subtensor" if node.op.set else "inc_subtensor"
    if isinstance(node.op, AdvancedIncSubtensor):
        index = positions(node, 2)
    else:
        index = index_parts(node.op.pattern, bounds)
    place = ["{", (x, ATOM), "}_{", *index, "}, ", (y, ANYTHING)]
    return Form(ATOM, [_operator(name), r"\left(", *place, r"\right)"])


def _range(node: Apply) -> Form:
    start, stop, step = node.inputs
    short = plain_number(start) == 0 and plain_number(step) == 1
    return _function(r"\operatorname{range}", [stop] if short else node.inputs)


# Operations whose first input is what they give.
LET_THROUGH = (SpecifyShape, Checked)
RULES: dict[type, Callable[[Apply], Form]] = {
    Reduce: _reduction,
    Dot: _product,
    DimShuffle: _shuffle,
    Subtensor: _part,
    AdvancedSubtensor: _taken,
    Arange: _range,
    Softmax: lambda node: _function(_operator("softmax"), node.inputs),
    LogSoftmax: lambda node: _function(r"\log" + _operator("softmax"), node.inputs),
    IncSubtensor: _written,
    AdvancedIncSubtensor: _written,
    MakeVector: lambda node: Form(
        ATOM, [r"\left[", *separated(node.inputs), r"\right]"]
    ),
    # Where the taps lie follows from the sizes.
    Convolution: lambda node: _function(_operator("conv"), node.inputs[:2]),
    # The numbers before are the state of the stream.
    PhiloxDraw: lambda node: _function(_operator(node.op.kind), node.inputs[3:]),
    PhiloxVariates: lambda node: _function(_operator(node.op.kind), node.inputs[1:]),
    ShapeI: lambda node: Form(ATOM, ["n_{", str(node.op.i), r"}\!\left(",
                                     (node.inputs[0], ANYTHING), r"\right)"]),
}  # fmt: skip

LATEX = Notation(
    latex_form,
    shown,
    (r"\left(", r"\right)"),
    lambda name, variable: symbol(name, variable.type.ndim),
)


def latex(obj: Any, stop_on_name: bool = False) -> str:
    """A graph as LaTeX, without dollar signs.

    Results that have a name, or come several times, are defined in lines of their own.
    obj: a variable, a compiled function, or a list of them.
    stop_on_name: named results are not looked into.
    Raises: TypeError for an object without a graph.
    """
    lines: list[tuple[str, str]] = []
    for root in roots_of(obj):
        writer = FormulaWriter(LATEX, stop_on_name, define_names=not stop_on_name)
        text, definitions = writer.write(root.variable)
        name = root.variable.name if root.variable.owner is not None else None
        label = symbol(name, root.variable.type.ndim) if name else _role(root.role)
        lines += [(label, text), *definitions]
    if len(lines) == 1:
        label, text = lines[0]
        return f"{label} = {text}" if label else text
    rows = [f"{label} &= {text}" if label else f"& {text}" for label, text in lines]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _role(role: str) -> str:
    return rf"\text{{{_escaped(role)}}}" if role else ""


def displayed(variable: Variable) -> str | None:
    """What notebooks show; None (the plain text is shown) for very large graphs."""
    writer = FormulaWriter(LATEX, define_names=True)
    writer.write(variable)
    if len(writer.forms) > BROADEST:
        return None
    return rf"$\displaystyle {latex(variable)}$"
