"""Derivatives as Theano gives them: grad, Lop, Rop, and the check against differences.

The walk itself is in `symnet.backward`; operations that only change how gradients pass
are in `symnet.ops.barriers` and are named here for those who look for them here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.backward import (
    CONTINUOUS,
    DISCRETE,
    Terms,
    backpropagate,
    path_lines,
    path_to,
    sum_to,
    zero_gradient,
)
from symnet.differences import PRECISION, GradientError, numeric_grad
from symnet.errors import (
    DisconnectedInputError,
    NotImplementedGradientError,
    NullTypeGradError,
    message,
)
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import clone_replace
from symnet.graph.types import DisconnectedType, NullType, TensorType
from symnet.graph.variables import Variable, describe, operand_text
from symnet.ops.arithmetic import add, mul
from symnet.ops.barriers import (
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_scale,
    undefined_grad,
    zero_grad,
)
from symnet.ops.base import as_tensor, constant
from symnet.ops.elementwise import cast
from symnet.ops.reduce import sum as sum_over

__all__ = [
    "DisconnectedInputError", "DisconnectedType", "NotImplementedGradientError", "NullType",
    "NullTypeGradError", "GradientError", "Lop", "Rop", "consider_constant",
    "disconnected_grad", "disconnected_type", "format_as", "grad", "grad_clip",
    "grad_not_implemented", "grad_scale", "grad_undefined", "numeric_grad",
    "subgraph_grad", "sum_to", "undefined_grad", "verify_grad", "zero_grad",
]  # fmt: skip

REACTIONS = ("raise", "warn", "ignore")

disconnected_type = DisconnectedType()


# ---- the gradient of a scalar


def grad(
    cost: Variable | None,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of the scalar `cost` with respect to `wrt`.

    wrt: a variable, or a list, tuple or dict of them; the result has the same form.
    consider_constant: variables that nothing is propagated through.
    disconnected_inputs: what to do where the cost does not use a variable of `wrt`:
        "raise" DisconnectedInputError, "warn" or "ignore".
    known_grads: gradients that are given instead of computed; `cost` may then be None.
    return_disconnected: what such a variable gets: "zero", "None" or "Disconnected".
    null_gradients: "raise" NullTypeGradError where a gradient is not defined, or
        "return" the NullType variable that says why.
    Shapes: each gradient has the shape of its variable.
    Dtypes: that of its variable; a float for an integer variable, whose gradient is
        taken as if it were real.  What passes through an integer result is zero.
    Raises: TypeError for a cost that is no scalar or no float, and the above.
    """
    given = {v: as_tensor(g) for v, g in dict(known_grads or {}).items()}
    seeds: list[tuple[Variable, Variable]] = []
    if cost is not None:
        check_cost(cost)
        seeds.append((cost, constant(1, dtype=cost.type.dtype)))
    elif not given:
        raise ValueError("grad: there is neither a cost nor known_grads")
    variables = _as_list(wrt)
    reply = _Reply(
        cost, list(given), disconnected_inputs, return_disconnected, null_gradients
    )
    found = backpropagate(seeds, variables, consider_constant or (), given)
    results = [reply.gradient(v, found) for v in variables]
    if add_names and cost is not None and cost.name:
        for v, result in zip(variables, results):
            if (
                v.name
                and result is not None
                and result.name is None
                and result not in given
            ):
                result.name = f"(d{cost.name}/d{v.name})"
    return _as_form(wrt, results)


def check_cost(cost: Any) -> None:
    """Raises: TypeError where `cost` is no variable, no scalar or not continuous."""
    if not isinstance(cost, Variable):
        raise TypeError(f"grad: the cost is a variable, not {type(cost).__name__}")
    if isinstance(cost.type, NullType):
        raise NullTypeGradError(f"grad: the cost is not defined: {cost.type.why}")
    problem, cure = "", ""
    if getattr(cost.type, "ndim", 0):
        problem = f"the cost is a scalar, this one has rank {cost.type.ndim}"
        cure = "take its sum() or mean(), or use jacobian()"
    elif getattr(cost.type, "dtype", None) in DISCRETE:
        problem = f"the cost is {cost.type.dtype}: only floats have gradients"
        cure = "compute it from floats, or cast it with .astype('float64')"
    if problem:
        raise TypeError(
            message(
                f"grad: {problem}",
                operands=[operand_text(cost)],
                origin=cost.origin,
                cure=cure,
            )
        )


def _as_list(wrt: Any) -> list[Variable]:
    variables = list(wrt.values()) if isinstance(wrt, Mapping) else wrt
    if isinstance(variables, Variable) or not isinstance(variables, Iterable):
        variables = [variables]
    variables = list(variables)
    for v in variables:
        if not isinstance(v, Variable):
            raise TypeError(
                message(
                    f"grad: wrt holds {v!r:.60} ({type(v).__name__}), which is no variable",
                    cure="name the variables themselves, alone or in a list",
                )
            )
    return variables


def _as_form(like: Any, results: list[Any]) -> Any:
    """`results` in the form of `like`: alone, or in a list, tuple or dict."""
    if isinstance(like, Mapping):
        return dict(zip(like, results, strict=True))
    if isinstance(like, tuple):
        return tuple(results)
    if isinstance(like, Iterable) and not isinstance(like, Variable):
        return results
    return results[0]


class _Reply:
    """What `grad` answers for each variable."""

    def __init__(
        self,
        cost: Variable | None,
        given: list[Variable],
        disconnected_inputs: str,
        return_disconnected: str,
        null_gradients: str,
    ) -> None:
        self.sources = given if cost is None else [cost, *given]
        self.disconnected_inputs = disconnected_inputs
        self.disconnected = return_disconnected.lower()
        self.null_gradients = null_gradients
        if disconnected_inputs not in REACTIONS:
            raise ValueError(
                f"disconnected_inputs is one of {REACTIONS}, not {disconnected_inputs!r}"
            )
        if self.disconnected not in ("zero", "none", "disconnected"):
            raise ValueError(
                "return_disconnected is 'zero', 'None' or 'Disconnected', "
                f"not {return_disconnected!r}"
            )
        if null_gradients not in ("raise", "return"):
            raise ValueError(
                f"null_gradients is 'raise' or 'return', not {null_gradients!r}"
            )

    def gradient(self, v: Variable, found: Terms) -> Variable | None:
        if v not in found:
            return self.not_connected(v, self._disconnected_text(v, found))
        result = found[v]
        if result is None:
            return zero_gradient(v)
        if isinstance(result.type, NullType) and self.null_gradients == "raise":
            text = message(
                f"the gradient with respect to {describe(v)} is not defined: {result.type.why}",
                operands=[operand_text(v)],
                cure="take that part out of the cost, or stop there with disconnected_grad()",
            )
            raise NullTypeGradError("\n".join([text, *path_lines(self.sources, v)]))
        return result

    def not_connected(self, v: Variable, text: str) -> Variable | None:
        """Raise or warn with `text`, and what to return all the same."""
        if self.disconnected_inputs == "raise":
            raise DisconnectedInputError(text)
        if self.disconnected_inputs == "warn":
            warnings.warn(text, stacklevel=4)
        if self.disconnected == "zero":
            return zero_gradient(v)
        return None if self.disconnected == "none" else disconnected_type()

    def _disconnected_text(self, v: Variable, found: Terms) -> str:
        path = path_to(self.sources, v)
        what = f"the cost does not depend on {describe(v)}"
        if path:
            broken = next((x for x in path[1:] if x not in found), v)
            breaker = path[path.index(broken) - 1].owner
            what += f": what depends on it is not propagated through {breaker and breaker.op}"
        text = message(
            what,
            operands=[operand_text(v)],
            origin=v.origin,
            cure="check that the cost is computed from this very variable, or pass "
            "disconnected_inputs='ignore' to get zeros",
        )
        return "\n".join([text, *path_lines(self.sources, v)])


# ---- products with the Jacobian


def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The row vector `eval_points` times the Jacobian of `f` with respect to `wrt`.

    f, eval_points: a variable, or lists of one length (their products are added up).
    Shapes: eval_points as f; the result as `wrt`, in the form of `wrt`.
    Raises: as `grad`.
    """
    outputs, points = _as_list(f), _points(f, eval_points)
    variables = _as_list(wrt)
    found = backpropagate(
        list(zip(outputs, points)), variables, consider_constant or ()
    )
    reply = _Reply(None, outputs, disconnected_inputs, "zero", "raise")
    return _as_form(wrt, [reply.gradient(v, found) for v in variables])


def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "raise",
    return_disconnected: str = "zero",
) -> Any:
    """The Jacobian of `f` with respect to `wrt` times the column vector `eval_points`.

    Shapes: eval_points as wrt; the result as `f`, in the form of `f`.
    disconnected_outputs: what to do with an f that does not depend on wrt: "raise",
        "warn" or "ignore"; it gets what `return_disconnected` says ("zero", "None" or
        "disconnected").
    Raises: DisconnectedInputError, and as `grad`.
    Source: J v is the derivative of u J with respect to u, taken against v; u J is linear
    in u, so that u itself does not matter.
    """
    variables, points = _as_list(wrt), _points(wrt, eval_points)
    reply = _Reply(None, variables, disconnected_outputs, return_disconnected, "raise")
    results = [_push_forward(y, variables, points, reply) for y in _as_list(f)]
    return _as_form(f, results)


def _push_forward(
    y: Variable, variables: list[Variable], points: list[Variable], reply: _Reply
) -> Variable | None:
    dual = TensorType(_float_dtype(y), y.type.shape).make_variable("dual")
    found = backpropagate([(y, dual)], variables)
    if not any(v in found for v in variables):
        text = message(
            f"{describe(y)} does not depend on any variable of wrt",
            operands=[operand_text(v) for v in (y, *variables)],
            origin=y.origin,
            cure="pass disconnected_outputs='ignore' to get zeros",
        )
        return reply.not_connected(y, text)
    pulled = _Reply(None, [y], "ignore", "zero", "raise")
    seeds = [
        (gradient, point)
        for v, point in zip(variables, points)
        if (gradient := pulled.gradient(v, found)) is not None
    ]
    pushed = backpropagate(seeds, [dual]).get(dual)
    zero = zero_gradient(y)
    return zero if pushed is None else clone_replace([pushed], {dual: zero})[0]


def _float_dtype(v: Variable) -> str:
    dtype: str = v.type.dtype
    return dtype if dtype in CONTINUOUS else TensorType("floatX").dtype


def _points(like: Any, eval_points: Any) -> list[Variable]:
    """One point for each variable, of its rank."""
    variables = _as_list(like)
    several = isinstance(eval_points, (list, tuple)) and not isinstance(like, Variable)
    points = [as_tensor(p) for p in (eval_points if several else [eval_points])]
    if len(points) != len(variables):
        raise ValueError(f"{len(variables)} variables, but {len(points)} eval_points")
    for v, point in zip(variables, points):
        if v.type.ndim != point.type.ndim:
            raise TypeError(
                message(
                    "an eval_point has the rank of its variable",
                    operands=[operand_text(v), operand_text(point)],
                )
            )
    return [cast(p, _float_dtype(v)) for v, p in zip(variables, points)]


def subgraph_grad(
    wrt: Sequence[Variable],
    end: Sequence[Variable],
    start: Mapping[Variable, Any] | None = None,
    cost: Variable | None = None,
    details: bool = False,
) -> Any:
    """Gradients through a part of a graph, from `start` (or `cost`) back to `end`.

    wrt: variables of the part, whose gradients are wanted.
    end: variables where the part begins; nothing is propagated beyond them.
    start: gradients of the variables where the part ends, as this function returned them
        for the next part.
    Returns: the gradients of `wrt`, and those of `end`; with `details` also those of
    `end` from `start` alone and from `cost` alone.
    """
    wrt, end = list(wrt), list(end)
    given = [(v, as_tensor(g)) for v, g in dict(start or {}).items()]
    if cost is not None:
        check_cost(cost)
    elif not given:
        raise ValueError("subgraph_grad: there is neither a start nor a cost")
    first: list[Any] = (
        [] if cost is None else [(cost, constant(1, dtype=cost.type.dtype))]
    )

    def gradients(
        seeds: list[tuple[Variable, Variable]], of: list[Variable]
    ) -> list[Any]:
        found = backpropagate(seeds, of, ends=end)
        reply = _Reply(None, [v for v, _ in seeds], "ignore", "zero", "raise")
        return [reply.gradient(v, found) for v in of]

    together = gradients(first + given, wrt + end)
    result = together[: len(wrt)], together[len(wrt) :]
    if not details:
        return result
    return *result, gradients(given, end), gradients(first, end)


def grad_undefined(op: Any, x_pos: int, x: Variable, comment: str = "") -> Variable:
    """What an op's L_op returns for an input where the gradient does not exist."""
    why = f"{op} has no defined gradient with respect to its input {x_pos}"
    return NullType(f"{why}: {comment}" if comment else why)()


def grad_not_implemented(
    op: Any, x_pos: int, x: Variable, comment: str = ""
) -> Variable:
    """What an op's L_op returns for an input whose gradient nobody wrote."""
    why = f"the gradient of {op} with respect to its input {x_pos} is not implemented"
    return NullType(f"{why}: {comment}" if comment else why)()


def format_as(use_list: bool, use_tuple: bool, outputs: Any) -> Any:
    """`outputs` as a list or tuple where that is asked for, else the only one."""
    if use_list or use_tuple:
        several = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        return several if use_list else tuple(several)
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


# ---- the check against differences

# How graphs are evaluated in `verify_grad`: (outputs, {variable: value}) -> values.  The
# compiler, which stands above, adds itself.
evaluators: list[Callable[[Sequence[Variable], Mapping[Variable, Any]], list[Any]]] = [
    evaluate
]


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
    mode: where the compiler is there, "reference" leaves it out.
    An element is wrong if it is off by more than abs_tol and by more than rel_tol.
    Raises: GradientError; TypeError for a point that is no list of float arrays.
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
    if cast_to_output_type and out_type is None:
        out_type = outputs[0].type.dtype
    tolerance = max(
        PRECISION[d][1] for d in [*dtypes, *([out_type] if out_type else [])]
    )
    step = eps or max(PRECISION[d][0] for d in dtypes)
    shapes = [np.shape(y) for y in evaluate(outputs, dict(zip(variables, points)))]
    costs = [_projection(outputs, shapes, rng) for _ in range(n_tests)]
    for way in evaluators[:1] if mode == "reference" else evaluators:
        for cost in costs:
            _compare(
                way,
                cost,
                variables,
                points,
                step,
                abs_tol or tolerance,
                rel_tol or tolerance,
            )


verify_grad.E_grad = GradientError  # type: ignore[attr-defined]  # Theano's name for it


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
    way: Callable[..., list[Any]],
    cost: Variable,
    variables: Sequence[Variable],
    points: list[np.ndarray[Any, Any]],
    step: float,
    abs_tol: float,
    rel_tol: float,
) -> None:
    """Raises: GradientError where a symbolic gradient is not the numeric one."""
    gradients = grad(cost, list(variables), disconnected_inputs="ignore")
    symbolic = way(gradients, dict(zip(variables, points)))

    def function(*arrays: Any) -> Any:
        return way([cost], dict(zip(variables, arrays)))[0]

    numeric = numeric_grad(function, points, step)
    k, at, absolute, relative = numeric.max_err(symbolic, abs_tol, rel_tol)
    if (absolute > abs_tol and relative > rel_tol) or not np.isfinite(absolute):
        got, want = symbolic[k].flat[at], numeric.gf[k].flat[at]
        raise GradientError(
            f"the gradient with respect to argument {k}, shape {points[k].shape}, is {got} "
            f"at position {at}; numerically it is {want}\n"
            f"  off by {absolute:.3g} (allowed {abs_tol:g}), "
            f"relatively {relative:.3g} (allowed {rel_tol:g})"
        )
