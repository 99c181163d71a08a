"""The gradient of a scalar, and products with Jacobians.

The walk itself is in `autodiff.backward`; here is what it is asked for, and what is said
where a gradient is not connected or not defined.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence, ValuesView
from typing import Any, TypedDict, TypeVar, Unpack, overload

from symnet.autodiff import ifelse_gradient, scan_gradient
from symnet.autodiff.backward import (
    CONTINUOUS,
    DISCRETE,
    Terms,
    backpropagate,
    cure_of_disconnected,
    path_lines,
    path_to,
    stretched,
    zero_gradient,
)
from symnet.errors import (
    DisconnectedInputError,
    NullTypeGradError,
    ShapeError,
    briefly,
    message,
)
from symnet.graph.asked import remember_inputs
from symnet.graph.origin import capture
from symnet.graph.traverse import clone_replace
from symnet.graph.types import DisconnectedType, NullType, TensorType
from symnet.graph.variables import Variable, describe, make_variable, operand_text
from symnet.ops.base import as_tensor, constant
from symnet.ops.elementwise import cast
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.pushing import is_stopped, pushing
from symnet.ops.scan.loop import Scan
from symnet.ops.sparse.sparse_arithmetic import as_sparse_or_tensor_variable
from symnet.rewriting.bypassed import remember_as

Key = TypeVar("Key")
REACTIONS = ("raise", "warn", "ignore")
disconnected_type = DisconnectedType()

# Operations with graphs inside stand below the backward walk, which their gradients need.
IfElse.L_op = ifelse_gradient.gradients  # type: ignore[method-assign, assignment]
Scan.L_op = scan_gradient.gradients  # type: ignore[method-assign, assignment]


# ---- the gradient of a scalar


class GradOptions(TypedDict, total=False):
    """The arguments of `grad` that are given by name."""

    disconnected_inputs: str
    add_names: bool
    known_grads: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None
    return_disconnected: str
    null_gradients: str


Cost = Variable | None
Constants = Iterable[Variable] | None


@overload
def grad(
    cost: Cost,
    wrt: Variable,
    consider_constant: Constants = None,
    **options: Unpack[GradOptions],
) -> Variable: ...
@overload
def grad(  # type: ignore[overload-overlap]  # a tuple is a sequence, too
    cost: Cost,
    wrt: tuple[Variable, ...],
    consider_constant: Constants = None,
    **options: Unpack[GradOptions],
) -> tuple[Variable, ...]: ...
@overload
def grad(
    cost: Cost,
    wrt: Mapping[Key, Variable],
    consider_constant: Constants = None,
    **options: Unpack[GradOptions],
) -> dict[Key, Variable]: ...
@overload
def grad(
    cost: Cost,
    wrt: Sequence[Variable] | ValuesView[Variable],
    consider_constant: Constants = None,
    **options: Unpack[GradOptions],
) -> list[Variable]: ...
@briefly
def grad(
    cost: Cost,
    wrt: Any,
    consider_constant: Constants = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of the scalar `cost` with respect to `wrt`.

    wrt: a variable, or a list, tuple or dict of them; the result has the same form.
    consider_constant: variables that pass nothing on to what they are made of.
    disconnected_inputs: what to do where the cost does not use a variable of `wrt`:
        "raise" DisconnectedInputError, "warn" or "ignore".
    known_grads: gradients that are given instead of computed; `cost` may then be None.
    return_disconnected: what such a variable gets: "zero", "None" or "Disconnected".
    null_gradients: "raise" NullTypeGradError where a gradient is not defined, or
        "return" the NullType variable that says why.
    Shapes: each gradient has the shape of its variable.
    Dtypes: that of its variable; a float for an integer variable, whose gradient is
        taken as if it were real.  What passes through an integer result is zero; where the
        cost itself is one, so is all, and a warning says so.
    Raises: TypeError for a cost that is no scalar, ShapeError for known_grads of other
        sizes, and the above.

    >>> x = T.dvector("x")
    >>> symnet.grad(T.sum(x**2), x).eval({x: [1, 2]})
    array([2., 4.])
    """
    given = {
        v: given_gradient("known_grads", v, g)
        for v, g in dict(known_grads or {}).items()
    }
    seeds: list[tuple[Variable, Variable]] = []
    if cost is not None:
        check_cost(cost)
        seeds.append((cost, constant(1, dtype=_float_dtype(cost))))
    elif not given:
        raise ValueError("grad: there is neither a cost nor known_grads")
    variables = as_list(wrt, consider_constant, disconnected_inputs)
    reply = Reply(
        cost, list(given), disconnected_inputs, return_disconnected, null_gradients
    )
    cut = [v for v, g in given.items() if isinstance(g.type, DisconnectedType)]
    known = {v: g for v, g in given.items() if v not in cut}
    constants = [*(consider_constant or ()), *cut]
    found = backpropagate(seeds, variables, constants, known)
    if is_discrete(cost) and not given:
        make_flat(found, cost)
    results = [reply.gradient(v, found) for v in variables]
    remember_inputs(results, [*variables, *given, *(v for v, _ in seeds)])
    if add_names and cost is not None and cost.name:
        for v, result in zip(variables, results):
            fresh = result not in given and getattr(result, "name", "") is None
            if v.name and result is not None and fresh:
                result.name = f"(d{cost.name}/d{v.name})"
    return as_form(wrt, results)


def given_gradient(where: str, v: Variable, gradient: Any) -> Variable:
    """A gradient that is handed in, after `check_fits`, stretched to `v` and a float where
    it is less; or one of NullType, which says that it is not defined."""
    found: Variable = gradient
    if isinstance(getattr(gradient, "type", None), (NullType, DisconnectedType)):
        return found
    found = as_sparse_or_tensor_variable(gradient)
    check_fits(v, found, f"a gradient in {where}")
    return stretched(v, found)


def check_fits(v: Variable, given: Variable, what: str) -> None:
    """Check that what stands for a gradient of `v` could be one, as far as sizes are known.
    Less axes, or a size of 1, are stretched.

    Raises: ShapeError, which names `v` and the line that made it.
    """
    have, want = getattr(given.type, "shape", ()), getattr(v.type, "shape", ())
    pairs = zip(reversed(have), reversed(want))
    if len(have) <= len(want) and all(a in (None, 1, b) or b is None for a, b in pairs):
        return
    raise ShapeError(
        message(
            f"{what} has shape {have}, and its variable {want}",
            operands=[operand_text(v), operand_text(given)],
            origin=v.origin or capture(),
            cure="a gradient has the shape of the variable that it belongs to",
        )
    )


def is_discrete(cost: Variable | None) -> bool:
    """Whether a cost is an integer or a truth value."""
    return cost is not None and getattr(cost.type, "dtype", None) in DISCRETE


def make_flat(found: Terms, cost: Variable | None) -> None:
    """Make all gradients zero that are defined, but that of the cost by itself, which is 1."""
    for v, one in found.items():
        undefined = one is not None and isinstance(one.type, NullType)
        if v is not cost and not undefined:
            found[v] = None


def check_cost(cost: Any) -> None:
    """Warn of a cost that is not continuous.

    Raises: TypeError where `cost` is no variable, no scalar, or complex.
    """
    if isinstance(cost, bool):
        as_tensor(cost)
    if not isinstance(cost, Variable):
        raise TypeError(f"grad: the cost is a variable, not {type(cost).__name__}")
    if isinstance(cost.type, NullType):
        raise NullTypeGradError(f"grad: the cost is not defined: {cost.type.why}")
    operands, line = [operand_text(cost)], cost.origin
    if getattr(cost.type, "ndim", 0):
        what = f"grad: the cost is a scalar, this one has rank {cost.type.ndim}"
        cure = "take its sum() or mean(), or use jacobian()"
        raise TypeError(message(what, operands=operands, origin=line, cure=cure))
    if str(getattr(cost.type, "dtype", "")).startswith("complex"):
        what = f"grad: the cost is a real number, this one is {cost.type.dtype}"
        cure = "take abs(), T.real() or T.imag() of it"
        raise TypeError(message(what, operands=operands, origin=line, cure=cure))
    if is_discrete(cost):
        what = f"grad: the cost is {cost.type.dtype}: its gradient is zero everywhere"
        cure = "compute it from floats, without rounding or comparing"
        text = message(what, operands=operands, origin=line, cure=cure)
        warnings.warn(text, stacklevel=4)


def as_list(wrt: Any, *behind: Any) -> list[Variable]:
    """`wrt` as a list of variables; `behind` are the arguments that come after it.

    Raises: TypeError for what is none, and for a variable where another argument belongs.
    """
    misplaced = [v for v in behind if isinstance(v, Variable)]
    if misplaced:
        raise TypeError(
            message(
                f"grad: {operand_text(misplaced[0])} stands behind wrt, which is one argument",
                cure="several variables come as a list: grad(cost, [W, b]); what is to count "
                "as constant, too: consider_constant=[x]",
            )
        )
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


def as_form(like: Any, results: list[Any]) -> Any:
    """`results` in the form of `like`: alone, or in a list, tuple or dict."""
    if isinstance(like, Mapping):
        return dict(zip(like, results, strict=True))
    if isinstance(like, tuple):
        return tuple(results)
    if isinstance(like, Iterable) and not isinstance(like, Variable):
        return results
    return results[0]


class Reply:
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
            plain = found.retrace() if found.retrace is not None else found
            broken = next((x for x in path[1:] if x not in plain), v)
            breaker = path[path.index(broken) - 1].owner
            what += f": what depends on it is not propagated through {breaker and breaker.op}"
        text = message(
            what,
            operands=[operand_text(v)],
            origin=v.origin,
            cure=cure_of_disconnected(v),
        )
        return "\n".join([text, *path_lines(self.sources, v)])


# ---- products with the Jacobian


@overload
def Lop(
    f: Any,
    wrt: Variable,
    eval_points: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Variable: ...
@overload
def Lop(
    f: Any,
    wrt: tuple[Variable, ...],
    eval_points: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> tuple[Variable, ...]: ...
@overload
def Lop(
    f: Any,
    wrt: Sequence[Variable],
    eval_points: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> list[Variable]: ...
@briefly
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
    Raises: ShapeError where known sizes contradict, and as `grad`.

    >>> x, v = T.dvectors("x", "v")
    >>> symnet.Lop(x**2, x, v).eval({x: [1, 2], v: [1, 10]})
    array([ 2., 40.])
    """
    outputs, points = as_list(f), _points(f, eval_points)
    variables = as_list(wrt, consider_constant, disconnected_inputs)
    found = backpropagate(
        list(zip(outputs, points)), variables, consider_constant or ()
    )
    reply = Reply(None, outputs, disconnected_inputs, "zero", "raise")
    results = [reply.gradient(v, found) for v in variables]
    remember_inputs(results, [*outputs, *variables])
    return as_form(wrt, results)


class RopOptions(TypedDict, total=False):
    """The arguments of `Rop` that are given by name."""

    disconnected_outputs: str
    return_disconnected: str


@overload
def Rop(
    f: Variable, wrt: Any, eval_points: Any, **options: Unpack[RopOptions]
) -> Variable: ...
@overload
def Rop(
    f: tuple[Variable, ...], wrt: Any, eval_points: Any, **options: Unpack[RopOptions]
) -> tuple[Variable, ...]: ...
@overload
def Rop(
    f: Sequence[Variable], wrt: Any, eval_points: Any, **options: Unpack[RopOptions]
) -> list[Variable]: ...
@briefly
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
    Raises: DisconnectedInputError, ShapeError where known sizes contradict, and as `grad`.
    Source: J v is the derivative of u J with respect to u, taken against v; u J is linear
    in u, so that u itself does not matter.  A user's operation with an `R_op` is asked for
    its own product instead.

    >>> x, v = T.dvectors("x", "v")
    >>> symnet.Rop(x**2, x, v).eval({x: [1, 2], v: [1, 10]})
    array([ 2., 40.])
    """
    variables, points, outputs = as_list(wrt), _points(wrt, eval_points), as_list(f)
    reply = Reply(None, variables, disconnected_outputs, return_disconnected, "raise")
    results = [_push_forward(y, variables, points, reply) for y in outputs]
    remember_inputs(results, [*outputs, *variables])
    return as_form(f, results)


def _push_forward(
    y: Variable, variables: list[Variable], points: list[Variable], reply: Reply
) -> Variable | None:
    dual = make_variable(TensorType(_float_dtype(y), y.type.shape), "dual")
    with pushing():
        found = backpropagate([(y, dual)], variables)
    text = message(
        f"{describe(y)} does not depend on any variable of wrt",
        operands=[operand_text(v) for v in (y, *variables)],
        origin=y.origin,
        cure="pass disconnected_outputs='ignore' to get zeros",
    )
    if not any(v in found for v in variables):
        return reply.not_connected(y, text)
    pulled = Reply(None, [y], "ignore", "zero", "raise")
    seeds = [
        (gradient, point)
        for v, point in zip(variables, points)
        if (gradient := pulled.gradient(v, found)) is not None
    ]
    pushed = backpropagate(seeds, [dual], kept=variables).get(dual)
    zero = zero_gradient(y)
    if pushed is None:
        stopped = is_stopped([gradient for gradient, _ in seeds], dual)
        return reply.not_connected(y, text) if stopped else zero
    result = clone_replace([pushed], {dual: zero})[0]
    remember_as([result], [pushed])
    return result


def _float_dtype(v: Variable) -> str:
    dtype: str = v.type.dtype
    return dtype if dtype in CONTINUOUS else TensorType("floatX").dtype


def _points(like: Any, eval_points: Any) -> list[Variable]:
    """One point for each variable, of its rank."""
    variables = as_list(like)
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
                    origin=v.origin or capture(),
                )
            )
        check_fits(v, point, "an eval_point")
    return [cast(p, _float_dtype(v)) for v, p in zip(variables, points)]
