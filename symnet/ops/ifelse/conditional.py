"""The condition of which only the branch that is taken is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.errors import briefly, message
from symnet.graph.evaluate import value_of
from symnet.graph.inner import InnerGraph
from symnet.graph.object_types import holds_objects
from symnet.graph.origin import capture
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.ops.base import TensorOp, as_tensor, as_value, common_dtype
from symnet.ops.comparison import neq
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import (
    Branches,
    Lowering,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
    has_objects,
)


class IfElse(TensorOp):
    """One of two graphs: ifelse(condition, *arguments of then, *arguments of else).

    Each output has in both branches one dtype and rank; its shape may differ.
    Raises: TypeError where branches or arguments do not fit.
    """

    __props__ = ("then_graph", "else_graph", "name")
    # Its L_op takes over the masks of gradients that are choices.
    looks_for_choices = True
    lazy = True

    def __init__(
        self,
        then_inputs: Sequence[Variable],
        then_outputs: Sequence[Variable],
        else_inputs: Sequence[Variable],
        else_outputs: Sequence[Variable],
        name: str = "",
    ) -> None:
        self.then_graph = InnerGraph(then_inputs, then_outputs)
        self.else_graph = InnerGraph(else_inputs, else_outputs)
        self.name = name

    @property
    def then_inputs(self) -> tuple[Variable, ...]:
        return self.then_graph.inputs

    @property
    def then_outputs(self) -> tuple[Variable, ...]:
        return self.then_graph.outputs

    @property
    def else_inputs(self) -> tuple[Variable, ...]:
        return self.else_graph.inputs

    @property
    def else_outputs(self) -> tuple[Variable, ...]:
        return self.else_graph.outputs

    def __str__(self) -> str:
        return f"IfElse{{{self.name}}}" if self.name else "IfElse"

    def split_inputs(self, values: Sequence[Any]) -> tuple[Any, list[Any], list[Any]]:
        """The condition, the arguments of the first branch, those of the second."""
        middle = 1 + len(self.then_inputs)
        return values[0], list(values[1:middle]), list(values[middle:])

    def make_node(self, *inputs: Any) -> Apply:
        variables = list(map(as_value, inputs))
        condition, yes, no = self.split_inputs(variables)
        if as_tensor(condition).type.ndim:
            raise TypeError(f"{self}: the condition is a scalar, not {condition.type}")
        for leaf, v in zip(
            [*self.then_inputs, *self.else_inputs], [*yes, *no], strict=True
        ):
            if not leaf.type.accepts(v.type):
                raise TypeError(f"{self}: takes {leaf.type}, not {operand_text(v)}")
        outputs = []
        for a, b in zip(self.then_outputs, self.else_outputs, strict=True):
            if holds_objects(a.type) and a.type.accepts(b.type):
                outputs.append(make_variable(a.type))
                continue
            kinds = [
                (getattr(one.type, "dtype", one.type), one.type.ndim) for one in (a, b)
            ]
            if kinds[0] != kinds[1]:
                raise TypeError(f"{self}: the branches give {a.type} and {b.type}")
            shape = [n if n == m else None for n, m in zip(a.type.shape, b.type.shape)]
            outputs.append(make_variable(TensorType(a.type.dtype, shape)))
        return Apply(self, variables, outputs)

    def lowering(self, node: Apply) -> Lowering:
        if not has_arrays(node):
            return Reference()
        graphs = (self.then_graph, self.else_graph)
        return Branches(graphs, tuple(range(len(node.inputs))))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes | None:
        """Those of the branch that is taken; None where only a run can tell them."""
        if has_objects(node):
            return None
        condition, yes, no = self.split_inputs(inputs)
        _, yes_given, no_given = self.split_inputs(node.inputs)
        found = []
        for branch, have, given, taken in (
            (self.then_graph, yes, yes_given, True),
            (self.else_graph, no, no_given, False),
        ):
            graph = sizes.opened(branch, have, given)
            found.append(sizes.branch_sizes(graph.outputs, node.inputs[0], taken))
        first, second = found
        if first is None or second is None:
            return None
        return [
            tuple(self._either(a, b, node.inputs[0], sizes) for a, b in zip(*pair))
            for pair in zip(first, second)
        ]

    def _either(self, yes: Size, no: Size, condition: Variable, sizes: Sizes) -> Size:
        """The size that an output has, which the condition decides if it must."""
        if sizes.same(yes, no):
            return yes
        sizes.value(condition)  # where it is not known yet, the sizes have to wait
        truth = sizes.condition(condition)
        assert truth is not None
        return views.choose(truth, yes, no)

    def wanted(self, node: Apply, known: Mapping[Variable, Any]) -> list[Variable]:
        """The condition, and once it is known the inputs of the branch that it takes."""
        condition, yes, no = self.split_inputs(node.inputs)
        if condition.owner is not None and condition not in known:
            return [condition]
        return [condition, *(yes if bool(value_of(condition, known)) else no)]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        condition, yes, no = self.split_inputs(arrays)
        graph, given = (
            (self.then_graph, yes) if bool(condition) else (self.else_graph, no)
        )
        return graph.evaluate(given, xp)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k > 0] * node.nout for k in range(node.nin)]


@briefly
def ifelse(
    condition: Any, then_branch: Any, else_branch: Any, name: str | None = None
) -> Any:
    """`then_branch` where the scalar `condition` is not zero, else `else_branch`: only what
    is taken is computed (`switch` computes both).

    The branches are variables, or lists of them with as many entries; the result has the
    form of `then_branch`.  Where a value is an object of Python (a list of arrays, a type
    of the user's own), both have one type, and the condition runs in Python.
    Shapes: the two may differ, their rank may not.
    Dtypes: the two's common one, where both can become it without loss.
    Raises: TypeError for branches that do not fit, and a condition that is no scalar or
    that Python has decided already (`a == b`).

    >>> x = T.dscalar("x")
    >>> symnet.ifelse.ifelse(x > 0, T.sqrt(x), -x).eval({x: 4.0})
    array(2.)
    """
    yes, no = _listed(then_branch), _listed(else_branch)
    if len(yes) != len(no):
        what = (
            f"there are {len(yes)} values in the first branch, {len(no)} in the second"
        )
        raise _misfit(what, "give both branches as many", [*yes, *no])
    test = as_tensor(condition)
    if test.type.ndim:
        cure = "reduce it with .all() or .any(); T.switch chooses element by element"
        raise _misfit("the condition is no scalar", cure, [test])
    if test.type.dtype not in (*INTEGERS, "bool"):
        test = neq(test, 0)
    pairs = [_fitted(a, b) for a, b in zip(yes, no)]
    first = [make_variable(a.type, a.name) for a, _ in pairs]
    second = [make_variable(b.type, b.name) for _, b in pairs]
    op = IfElse(first, first, second, second, name or "")
    arguments = [*(a for a, _ in pairs), *(b for _, b in pairs)]
    results: list[Any] = op(test, *arguments, return_list=True)
    return results if isinstance(then_branch, (list, tuple)) else results[0]


def _listed(branch: Any) -> list[Variable]:
    several = isinstance(branch, (list, tuple))
    return [as_value(one) for one in (branch if several else [branch])]


def _fitted(a: Variable, b: Variable) -> tuple[Variable, Variable]:
    """The two with one dtype.  Raises: TypeError."""
    if holds_objects(a.type) or holds_objects(b.type):
        if type(a.type) is not type(b.type) or not a.type.accepts(b.type):
            cure = "give both values of one type"
            raise _misfit("the branches differ in type", cure, [a, b])
        return a, b
    if a.type.ndim != b.type.ndim:
        cure = "give both the same rank, with dimshuffle or reshape"
        raise _misfit("the branches differ in rank", cure, [a, b])
    dtype = common_dtype([a, b])
    for one in (a, b):
        weak = getattr(one, "weak", False)
        if not weak and not np.can_cast(one.type.dtype, dtype, "safe"):
            cure = f"cast the branches to one dtype, for instance .astype({dtype!r})"
            raise _misfit("the branches differ in dtype", cure, [a, b])
    return cast(a, dtype), cast(b, dtype)


def _misfit(what: str, cure: str, operands: Sequence[Variable]) -> TypeError:
    shown = [operand_text(v) for v in operands]
    return TypeError(
        message(f"ifelse: {what}", operands=shown, origin=capture(), cure=cure)
    )
