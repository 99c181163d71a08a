"""Derivatives as Theano gives them: grad, Lop, Rop, and the check against differences.

Everything that Theano has in its module of this name is found here; it is written in
`symnet.backward` (the walk), `symnet.derivatives`, `symnet.ops.barriers` (operations that
only change how gradients pass) and, what asks for several gradients, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np

from symnet.autodiff.backward import CONTINUOUS, backpropagate, sum_to, zero_gradient
from symnet.autodiff.batching import NotBatched, for_each_row
from symnet.autodiff.derivatives import (
    Lop,
    Reply,
    Rop,
    as_form,
    as_list,
    disconnected_type,
    grad,
)
from symnet.autodiff.differences import PRECISION, GradientError, numeric_grad
from symnet.autodiff.subgraphs import subgraph_grad
from symnet.errors import (
    DisconnectedInputError,
    NotImplementedGradientError,
    NullTypeGradError,
    message,
)
from symnet.graph.asked import remember_inputs
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import clone_replace
from symnet.graph.types import DisconnectedType, NullType, TensorType
from symnet.graph.variables import Variable, make_variable, operand_text
from symnet.ops import barriers
from symnet.ops.arithmetic import add, mul
from symnet.ops.barriers import (
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_scale,
    undefined_grad,
    zero_grad,
)
from symnet.ops.base import constant
from symnet.ops.creation import eye
from symnet.ops.elementwise import cast
from symnet.ops.operation_class import REQUIRED, operation_object
from symnet.ops.reduce import sum as sum_over
from symnet.ops.scan.scan_function import scan
from symnet.ops.sizes import shape_i
from symnet.rewriting.bypassed import remember_as

__all__ = [
    "ConsiderConstant", "DisconnectedGrad", "GradClip", "GradScale", "UndefinedGrad",
    "ZeroGrad", "consider_constant_", "disconnected_grad_", "undefined_grad_", "zero_grad_",
    "DisconnectedInputError", "DisconnectedType", "NotImplementedGradientError", "NullType",
    "NullTypeGradError", "GradientError", "Lop", "Rop", "consider_constant",
    "disconnected_grad", "disconnected_type", "format_as", "grad", "grad_clip",
    "grad_not_implemented", "grad_scale", "grad_undefined", "hessian", "jacobian", "numeric_grad",
    "subgraph_grad", "sum_to", "undefined_grad", "verify_grad", "zero_grad",
]  # fmt: skip

# Theano's form of operations, made with settings.
ConsiderConstant = operation_object(
    "ConsiderConstant",
    """Its input, through which no gradient passes: `consider_constant(x)`.

    >>> x = T.dscalar("x")
    >>> symnet.grad(x * symnet.gradient.ConsiderConstant()(x), x).eval({x: 3.0})
    array(3.)
    """,
    consider_constant,
)
DisconnectedGrad = operation_object(
    "DisconnectedGrad",
    """Its input, of which gradients know nothing: `disconnected_grad(x)`.

    >>> x = T.dscalar("x")
    >>> symnet.grad(x * symnet.gradient.DisconnectedGrad()(x), x).eval({x: 3.0})
    array(3.)
    """,
    disconnected_grad,
    lambda op: isinstance(op, barriers.DisconnectedGrad),
)
UndefinedGrad = operation_object(
    "UndefinedGrad",
    """Its input, whose gradient is an error: `undefined_grad(x)`.

    >>> x = T.dscalar("x")
    >>> symnet.gradient.UndefinedGrad()(x).eval({x: 3.0})
    array(3.)
    """,
    undefined_grad,
    lambda op: isinstance(op, barriers.UndefinedGrad),
)
ZeroGrad = operation_object(
    "ZeroGrad",
    """Its input, whose gradient is 0: `zero_grad(x)`.

    >>> x = T.dscalar("x")
    >>> symnet.grad(x * symnet.gradient.ZeroGrad()(x), x).eval({x: 3.0})
    array(3.)
    """,
    zero_grad,
    lambda op: isinstance(op, barriers.ZeroGrad),
)
GradScale = operation_object(
    "GradScale",
    """Its input, whose gradient is multiplied: `grad_scale(x, multiplier)`.

    >>> x = T.dscalar("x")
    >>> symnet.grad(symnet.gradient.GradScale(10)(x), x).eval({x: 3.0})
    array(10.)
    """,
    grad_scale,
    multiplier=REQUIRED,
)
GradClip = operation_object(
    "GradClip",
    """Its input, whose gradient is kept between two bounds.

    >>> x = T.dscalar("x")
    >>> symnet.grad(9 * symnet.gradient.GradClip(-1, 1)(x), x).eval({x: 3.0})
    array(1.)
    """,
    lambda x, clip_lower_bound, clip_upper_bound: grad_clip(
        x, clip_lower_bound, clip_upper_bound
    ),
    clip_lower_bound=REQUIRED, clip_upper_bound=REQUIRED,
)  # fmt: skip
consider_constant_, disconnected_grad_ = ConsiderConstant(), DisconnectedGrad()
undefined_grad_, zero_grad_ = UndefinedGrad(), ZeroGrad()


@overload
def jacobian(
    expression: Variable,
    wrt: Variable,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Variable: ...
@overload
def jacobian(  # type: ignore[overload-overlap]  # a tuple is a sequence, too
    expression: Variable,
    wrt: tuple[Variable, ...],
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> tuple[Variable, ...]: ...
@overload
def jacobian(
    expression: Variable,
    wrt: Sequence[Variable],
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> list[Variable]: ...
def jacobian(
    expression: Variable,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The derivatives of each element of the vector `expression`.

    Shapes: expression (n,), wrt (...) -> (n, ...); of a scalar, its gradient.
    The result has the form of `wrt`.
    Where an operation on the way cannot be computed for all elements at once, a loop goes
    through them.
    Raises: TypeError for another rank; and as `grad`.

    >>> x = T.dvector("x")
    >>> T.jacobian(x**2, x).eval({x: [1, 2]})
    array([[2., 0.],
           [0., 4.]])
    """
    if expression.type.ndim == 0:
        return grad(
            expression,
            wrt,
            consider_constant,
            disconnected_inputs=disconnected_inputs,
        )
    if expression.type.ndim != 1 or expression.type.dtype not in CONTINUOUS:
        raise TypeError(
            message(
                "jacobian takes a vector of floats",
                operands=[operand_text(expression)],
                cure="expression.flatten() is a vector",
            )
        )
    dual = make_variable(expression.type, "dual")
    variables = as_list(wrt, consider_constant, disconnected_inputs)
    found = backpropagate([(expression, dual)], variables, consider_constant or ())
    reply = Reply(None, [expression], disconnected_inputs, "zero", "raise")
    gradients = [reply.gradient(v, found) for v in variables]
    pulled = [
        zero_gradient(v) if g is None else g for v, g in zip(variables, gradients)
    ]
    unit = eye(shape_i(expression, 0), dtype=expression.type.dtype)
    try:
        rows = for_each_row(pulled, dual, unit)
    except NotBatched:
        rows = _row_by_row(dual, pulled, unit)
    remember_as(rows, pulled)
    remember_inputs(rows, [expression, *variables])
    return as_form(wrt, rows)


def _row_by_row(
    dual: Variable, pulled: list[Variable], unit: Variable
) -> list[Variable]:
    """The rows of a Jacobian, in a loop over the rows of the unit matrix."""
    rows: list[Variable]
    rows, _ = scan(
        lambda row: clone_replace(pulled, {dual: row}),
        unit,
        name="jacobian",
        return_list=True,
    )
    return rows


@overload
def hessian(
    cost: Variable,
    wrt: Variable,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Variable: ...
@overload
def hessian(  # type: ignore[overload-overlap]  # a tuple is a sequence, too
    cost: Variable,
    wrt: tuple[Variable, ...],
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> tuple[Variable, ...]: ...
@overload
def hessian(
    cost: Variable,
    wrt: Sequence[Variable],
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> list[Variable]: ...
def hessian(
    cost: Variable,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The second derivatives of the scalar `cost` by the vector `wrt` (or several, each by
    itself).

    Shapes: wrt (n,) -> (n, n).  The result has the form of `wrt`.
    Raises: TypeError for a wrt that is no vector; and as `jacobian`.

    >>> x = T.dvector("x")
    >>> T.hessian(T.sum(x**2), x).eval({x: [1, 2]})
    array([[2., 0.],
           [0., 2.]])
    """
    variables = as_list(wrt, consider_constant, disconnected_inputs)
    constants = list(consider_constant or ())
    results = []
    for v in variables:
        if v.type.ndim != 1:
            raise TypeError(
                message(
                    "hessian is taken by vectors",
                    operands=[operand_text(v)],
                    cure="compute the cost from a vector: flat = T.dvector(), and "
                    "flat.reshape(shape) in the place of the matrix",
                )
            )
        first = grad(cost, v, constants, disconnected_inputs=disconnected_inputs)
        results.append(jacobian(first, v, constants, "ignore"))
    return as_form(wrt, results)


def grad_undefined(op: Any, x_pos: int, x: Variable, comment: str = "") -> Variable:
    """What an op's L_op returns for an input where the gradient does not exist.

    >>> x = T.dvector("x")
    >>> T.grad_undefined("floor", 0, x, "of a step").type
    NullType(floor has no defined gradient with respect to its input 0: of a step)
    """
    why = f"{op} has no defined gradient with respect to its input {x_pos}"
    return make_variable(NullType(f"{why}: {comment}" if comment else why))


def grad_not_implemented(
    op: Any, x_pos: int, x: Variable, comment: str = ""
) -> Variable:
    """What an op's L_op returns for an input whose gradient nobody wrote.

    >>> x = T.dvector("x")
    >>> T.grad_not_implemented("mine", 0, x, "to come").type
    NullType(the gradient of mine with respect to its input 0 is not implemented: to come)
    """
    why = f"the gradient of {op} with respect to its input {x_pos} is not implemented"
    return make_variable(NullType(f"{why}: {comment}" if comment else why))


def format_as(use_list: bool, use_tuple: bool, outputs: Any) -> Any:
    """`outputs` as a list or tuple where that is asked for, else the only one."""
    if use_list or use_tuple:
        several = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        return several if use_list else tuple(several)
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


# ---- the check against differences

Compiler = Callable[[Sequence[Variable], Sequence[Variable], Any], Callable[..., Any]]


def reference(
    inputs: Sequence[Variable], outputs: Sequence[Variable], mode: Any = None
) -> Callable[..., Any]:
    """A function of arrays that evaluates the graph by NumPy."""
    return lambda *arrays: evaluate(outputs, dict(zip(inputs, arrays)))


# How `verify_grad` makes functions of graphs: (inputs, outputs, mode) -> function.  The
# compiler, which stands above, adds itself.
compilers: list[Compiler] = [reference]


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: str | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Compare the gradient of `fun` with central differences at the point `pt`.

    fun: an op, or a function of variables that gives one variable (or a list of them).
    pt: float arrays, one for each argument of `fun`.
    n_tests: how many random projections of the result onto a scalar are tried.
    mode: that of the compiled function which is checked beside the reference evaluation;
        "reference" leaves it out.
    Differences are those of the stable form where the plain one gives no numbers.
    An element is wrong if it is off by more than abs_tol and by more than rel_tol.
    Raises: GradientError; TypeError for a point that is no list of float arrays.

    >>> T.verify_grad(T.tanh, [np.array([0.5, 1.0])], rng=np.random.default_rng(0))
    """
    points = [np.array(p) for p in pt] if isinstance(pt, (list, tuple)) else None
    if points is None or any(p.dtype.name not in PRECISION for p in points):
        raise TypeError(
            "verify_grad: pt is a list of float arrays, one for each argument"
        )
    rng = np.random.default_rng(1234) if rng is None else rng
    variables = [
        TensorType(p.dtype, [1 if n == 1 else None for n in p.shape])(f"input {k}")
        for k, p in enumerate(points)
    ]
    result = fun(*variables)
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    dtypes = [*(p.dtype.name for p in points), *(y.type.dtype for y in outputs)]
    # An output of integers stays where it is.
    floats = [d for d in dtypes if d in PRECISION]
    if cast_to_output_type and out_type is None:
        out_type = outputs[0].type.dtype
    tolerance = max(
        PRECISION[d][1]
        for d in [*floats, *([out_type] if out_type in PRECISION else [])]
    )
    step = eps or max(PRECISION[d][0] for d in floats)
    shapes = [np.shape(y) for y in evaluate(outputs, dict(zip(variables, points)))]
    for _ in range(n_tests):
        cost = _projection(outputs, shapes, rng)
        numeric = _differences_of(reference(variables, [cost]), points, step)
        if mode != "reference" and not numeric.is_finite:  # as it is in stable form
            stable = compilers[-1](variables, [cost], mode)
            numeric = _differences_of(stable, points, step)
        gradients = grad(cost, variables, disconnected_inputs="ignore")
        for compiler in compilers[:1] if mode == "reference" else compilers:
            symbolic = compiler(variables, gradients, mode)(*points)
            _compare(symbolic, numeric, abs_tol or tolerance, rel_tol or tolerance)


verify_grad.E_grad = GradientError  # type: ignore[attr-defined]  # Theano's name for it


def _differences_of(
    value: Callable[..., Any], points: Any, step: float
) -> numeric_grad:
    return numeric_grad(lambda *arrays: value(*arrays)[0], points, step)


def _projection(
    outputs: Sequence[Variable], shapes: Sequence[Any], rng: Any
) -> Variable:
    """The sum of all elements, each with a random weight, in float64."""
    parts = [
        sum_over(
            mul(cast(y, "float64"), constant(np.asarray(rng.uniform(0.5, 1.5, size=s))))
        )
        for y, s in zip(outputs, shapes)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = add(total, part)
    return total


def _compare(
    symbolic: Sequence[Any], numeric: numeric_grad, abs_tol: float, rel_tol: float
) -> None:
    """Raises: GradientError where a symbolic gradient is not the numeric one."""
    k, at, absolute, relative = numeric.max_err(symbolic, abs_tol, rel_tol)
    if (absolute > abs_tol and relative > rel_tol) or not np.isfinite(absolute):
        got, want = symbolic[k].flat[at], numeric.gf[k].flat[at]
        raise GradientError(
            f"the gradient with respect to argument {k}, shape {symbolic[k].shape}, is {got} "
            f"at position {at}; numerically it is {want}\n"
            f"  off by {absolute:.3g} (allowed {abs_tol:g}), "
            f"relatively {relative:.3g} (allowed {rel_tol:g})"
        )
