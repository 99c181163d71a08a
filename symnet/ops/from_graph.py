"""Operations made of graphs: `OpFromGraph`, whose gradients users may say themselves.

Such an op stands for its graph while expressions are built: one node to print, to
differentiate by rules of its own, to use many times.  Before anything else is rewritten
its graph is put in its place, inline or not, so that it is fused with what stands around
it; gradients were taken by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from symnet.autodiff.backward import backpropagate
from symnet.autodiff.derivatives import Rop
from symnet.autodiff.masks import Mask
from symnet.autodiff.singular import loses_zeros
from symnet.config import config
from symnet.errors import MissingInputError, UnusedInputError, message
from symnet.graph.inner import InnerGraph
from symnet.graph.op import Gradients, Vars
from symnet.graph.origin import capture
from symnet.graph.testvalues import compute_test_values, get_test_value
from symnet.graph.traverse import clone_replace, depends_on, leaves, toposort
from symnet.graph.types import DisconnectedType, NullType
from symnet.graph.variables import (
    Apply,
    Variable,
    filter_variable,
    make_variable,
    operand_text,
)
from symnet.ops.arithmetic import switch
from symnet.ops.base import TensorOp, as_tensor, disconnected
from symnet.ops.users import checked_gradient, checked_pattern
from symnet.shared import SharedVariable

DEFAULT = "default"


class OpFromGraph(TensorOp):
    """The graph from `inputs` to `outputs` as an operation.

    inputs: variables, by which it is called; outputs: a list of what it gives.  Shared
        variables that the outputs read become further inputs, which calls need not give.
    inline: accepted as in Theano.  Either way the compiler puts the graph in the place of
        the operation, and fuses it with its surroundings.
    grad_overrides: the gradients of the inputs: f(inputs, output_gradients) -> a list with
        one for each, shared variables included; an OpFromGraph of these; a variable of
        NullType or DisconnectedType; "default"; or a list with one of these for each
        input, whose functions give one gradient.
    lop_overrides: the same with f(inputs, outputs, output_gradients), in its place.
    rop_overrides: the products of the Jacobian, in the same forms:
        f(inputs, eval_points) -> one for each output.  An eval_point is None where nothing
        moves.
    connection_pattern: for each input whether each output's gradient reaches it.
    on_unused_input: what to do where an input is not needed: "raise", or "ignore".
    Raises: TypeError for what is no variable, for updates and givens; ValueError for
        overrides of another number, for both of the first two kinds; UnusedInputError;
        when applied, TypeError for inputs of other types.

    >>> x, y = T.dscalars("x", "y")
    >>> hypotenuse = symnet.OpFromGraph([x, y], [T.sqrt(x**2 + y**2)])
    >>> hypotenuse(x, 4.0).eval({x: 3.0})
    array(5.)
    """

    looks_for_choices = True  # the walk goes on through the graph, masks and all

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        inline: bool = False,
        lop_overrides: Any = DEFAULT,
        grad_overrides: Any = DEFAULT,
        rop_overrides: Any = DEFAULT,
        connection_pattern: Sequence[Sequence[bool]] | None = None,
        name: str | None = None,
        on_unused_input: str = "ignore",
        **options: Any,
    ) -> None:
        _check_variables(inputs, outputs, options)
        self.shared_inputs = [
            v for v in leaves(outputs, inputs)
            if isinstance(v, SharedVariable) and v not in inputs
        ]  # fmt: skip
        given = [*inputs, *self.shared_inputs]
        fresh = {v: make_variable(v.type, v.name) for v in given}
        self.graph = InnerGraph(list(fresh.values()), clone_replace(outputs, fresh))
        self.count = len(inputs)
        self.is_inline, self.name = inline, name
        unused = [v for v in inputs if fresh[v] not in leaves(self.graph.outputs)]
        if unused and on_unused_input == "raise":
            raise UnusedInputError(
                message(f"no output needs the input {operand_text(unused[0])}")
            )
        self._pattern = connection_pattern
        self.set_rop_overrides(rop_overrides)
        self.set_grad_overrides(grad_overrides)
        if not _is_default(lop_overrides):
            if not _is_default(grad_overrides):
                raise ValueError("give lop_overrides or grad_overrides, not both")
            self.set_lop_overrides(lop_overrides)

    def set_grad_overrides(self, overrides: Any) -> None:
        """Take gradients from now on so; see the class."""
        self.pullbacks = _each(overrides, len(self.graph.inputs), "input")
        self.reads_outputs = False

    def set_lop_overrides(self, overrides: Any) -> None:
        """Take gradients from now on so; see the class."""
        self.set_grad_overrides(overrides)
        self.reads_outputs = True

    def set_rop_overrides(self, overrides: Any) -> None:
        """Take products with the Jacobian from now on so; see the class."""
        self.pushes = _each(overrides, len(self.graph.outputs), "output")

    def properties(self) -> tuple[Any, ...]:
        return self.graph, self.count, self.pullbacks, self.reads_outputs, self.pushes

    def __str__(self) -> str:
        return f"{self.name or 'OpFromGraph'}{{inline={self.is_inline}}}"

    __repr__ = __str__

    def make_node(self, *inputs: Any) -> Apply:
        kinds = [v.type for v in self.graph.inputs]
        if len(inputs) not in (self.count, len(kinds)):
            what = f"{self} takes {self.count} inputs, not {len(inputs)}"
            raise TypeError(message(what, origin=capture()))
        given = [*inputs, *self.shared_inputs[len(inputs) - self.count :]]
        variables = [
            self._taken_as(k, kind, v) for k, (kind, v) in enumerate(zip(kinds, given))
        ]
        return Apply(
            self, variables, [make_variable(v.type) for v in self.graph.outputs]
        )

    def _taken_as(self, position: int, kind: Any, given: Any) -> Variable:
        try:
            return filter_variable(kind, given)
        except (TypeError, ValueError):
            shown = operand_text(given) if isinstance(given, Variable) else repr(given)
            what = f"{self}: input {position} is to be a {kind}, not {shown}"
            cure = "cast it with .astype(dtype), or give it that rank with dimshuffle"
            raise TypeError(message(what, origin=capture(), cure=cure)) from None

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.graph.evaluate(arrays, xp)

    def written_out(self, inputs: Sequence[Variable]) -> list[Variable]:
        """The graph over these inputs."""
        given = dict(zip(self.graph.inputs, inputs, strict=True))
        return clone_replace(self.graph.outputs, given)

    def inlined(self, inputs: Vars) -> Vars | None:
        """See `Op.inlined`: without overrides it is its graph."""
        own = map(_is_default, (*self.pullbacks, *self.pushes))
        plain = self._pattern is None and all(own)
        return self.written_out(inputs) if plain else None

    # ---- gradients

    def connection_pattern(self, node: Apply | None = None) -> list[list[bool]]:
        """For each input whether the gradient of each output reaches it: by the graph, or
        by what overrides say."""
        if self._pattern is not None:
            if node is not None:
                checked_pattern(node, self._pattern)
            return [list(row) for row in self._pattern]
        rows = [connections(self.graph, v) for v in self.graph.inputs]
        if all(map(_is_default, self.pullbacks)):
            return rows
        duals = [make_variable(v.type) for v in self.graph.outputs]
        alone = self.make_node(*self.graph.inputs)
        terms = self.L_op(alone.inputs, alone.outputs, duals)
        for k, term in enumerate(terms):
            if _is_default(self.pullbacks[k]):
                continue
            if isinstance(getattr(term, "type", None), DisconnectedType):
                rows[k] = [False] * len(duals)
            elif isinstance(term, Variable):
                rows[k] = [a or depends_on([term], d) for a, d in zip(rows[k], duals)]
        return rows

    def L_op(
        self,
        inputs: Vars,
        outputs: Vars,
        output_gradients: Vars,
        masks: Sequence[Mask | None] | None = None,
    ) -> Gradients:
        chosen = self.pullbacks
        found: list[Any] = [None] * len(inputs)
        if any(map(_is_default, chosen)):
            found = self._through_graph(inputs, outputs, output_gradients, masks)
        flowing = [_as_zeros(g, v) for g, v in zip(output_gradients, outputs)]
        node = outputs[0].owner
        assert node is not None
        for k, term in self._by_overrides(inputs, outputs, flowing):
            found[k] = checked_gradient(node, k, term)
        return found

    def _by_overrides(
        self, inputs: Vars, outputs: Vars, flowing: list[Variable]
    ) -> list[tuple[int, Any]]:
        """What overrides give, asked with the graph's own variables: a gradient by one of
        them is then not one by another that is made of it, or is the same outside."""
        graph = _with_samples(self.graph, inputs)
        within = [list(graph.outputs)] if self.reads_outputs else []
        groups = [list(graph.inputs), *within, flowing]
        found = _replies(self.pullbacks, groups, self, "gradients")
        known = dict(zip(graph.outputs, outputs)) | dict(zip(graph.inputs, inputs))
        return _in_terms_of(known, found)

    def _through_graph(
        self,
        inputs: Vars,
        outputs: Vars,
        output_gradients: Vars,
        masks: Sequence[Mask | None] | None,
    ) -> list[Any]:
        """The gradients that the graph itself has."""
        graph = _with_samples(self.graph, inputs)
        flowing = [
            k for k, g in enumerate(output_gradients)
            if not isinstance(g.type, DisconnectedType)
        ]  # fmt: skip
        duals = {k: make_variable(output_gradients[k].type) for k in flowing}
        for k, dual in duals.items():
            _take_sample(dual, output_gradients[k])
        seeds = [(graph.outputs[k], duals[k]) for k in flowing]
        inside = [masks[k] if masks else None for k in flowing]
        terms = backpropagate(seeds, graph.inputs, masks=inside)
        found: list[Any] = []
        for v, outer in zip(graph.inputs, inputs):
            term = terms[v] if v in terms else disconnected()
            mask = terms.masks.get(v)
            if term is not None and mask is not None and loses_zeros(outer, weak=False):
                term = switch(mask.variable, term, 0)
            found.append(term)
        known = {d: output_gradients[k] for k, d in duals.items()}
        known |= zip(graph.inputs, inputs)
        for inner, outer in zip(graph.outputs, outputs):
            known.setdefault(inner, outer)
        rest = [k for k, term in enumerate(found) if term is not None]
        for k, term in zip(rest, clone_replace([found[k] for k in rest], known)):
            found[k] = term
        return found

    def R_op(
        self, inputs: Sequence[Variable], eval_points: Sequence[Variable | None]
    ) -> list[Any]:
        """The products of the Jacobian with eval_points, by the overrides.

        Raises: NotImplementedError where there is none: then the graph's gradients say it.
        """
        if all(map(_is_default, self.pushes)):
            raise NotImplementedError
        found: list[Any] = [None] * len(self.graph.outputs)
        moving = [(v, p) for v, p in zip(inputs, eval_points) if p is not None]
        outputs = self.written_out(inputs)
        for k, override in enumerate(self.pushes):
            if _is_default(override) and moving:
                options = {"disconnected_outputs": "ignore"}
                found[k] = Rop(outputs[k], *map(list, zip(*moving)), **options)
        graph = _with_samples(self.graph, inputs)
        groups: list[list[Any]] = [list(graph.inputs), list(eval_points)]
        replies = _replies(self.pushes, groups, self, "products")
        for k, term in _in_terms_of(dict(zip(graph.inputs, inputs)), replies):
            found[k] = term
        return found


# ---- what a user says


def _check_variables(inputs: Any, outputs: Any, options: Any) -> None:
    """Raises: TypeError."""
    if not isinstance(outputs, (list, tuple)) or not isinstance(inputs, (list, tuple)):
        raise TypeError("OpFromGraph takes a list of inputs and a list of outputs")
    for v in (*inputs, *outputs):
        if not isinstance(v, Variable):
            raise TypeError(f"OpFromGraph takes variables, not {v!r:.60}")
    if not outputs:
        raise TypeError("OpFromGraph needs an output")
    if len(set(inputs)) < len(inputs):
        raise ValueError("OpFromGraph: an input is listed twice")
    refused = {"updates", "givens"} & set(options)
    if refused:
        raise TypeError(
            f"OpFromGraph takes no {refused.pop()}: say it where its function is made"
        )


def _is_default(override: Any) -> bool:
    return isinstance(override, str) and override == DEFAULT


def _each(overrides: Any, count: int, what: str) -> Any:
    """The overrides as a tuple with one for each, or one for all in a list of its own.

    Raises: TypeError, ValueError.
    """
    several = isinstance(overrides, (list, tuple))
    for one in overrides if several else [overrides]:
        special = isinstance(one, Variable) and isinstance(
            one.type, (NullType, DisconnectedType)
        )
        if not (_is_default(one) or special or callable(one)):
            raise TypeError(
                f"an override is 'default', a function, an OpFromGraph, or a variable of "
                f"NullType or DisconnectedType, not {one!r:.60}"
            )
    if several:
        # Shared variables that the graph found itself keep their own.
        missing = count - len(overrides)
        if missing < 0 or (missing and what == "output"):
            raise ValueError(
                f"{len(overrides)} overrides, not one for each {what}: {count}"
            )
        return (*overrides, *[DEFAULT] * missing)
    together = callable(overrides)
    return (_Together(overrides),) * count if together else (overrides,) * count


class _Together:
    """One override that gives all terms at once."""

    def __init__(self, override: Callable[..., Any]) -> None:
        self.override = override

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Together) and self.override == other.override

    def __hash__(self) -> int:
        return hash(self.override)


def _replies(
    chosen: Sequence[Any], groups: Sequence[list[Any]], op: OpFromGraph, what: str
) -> list[tuple[int, Any]]:
    """What overrides give: positions and terms.

    Raises: ValueError for another number of them than asked for.
    """
    first = chosen[0] if chosen else None
    if isinstance(first, _Together):
        terms = _asked(first.override, groups)
        terms = list(terms) if isinstance(terms, (list, tuple)) else [terms]
        # Of shared variables that it found itself a user need say nothing.
        if len(terms) == op.count and what == "gradients":
            terms += [None] * (len(chosen) - op.count)
        if len(terms) != len(chosen):
            raise ValueError(
                f"{op}: its override gave {len(terms)} {what}, not {len(chosen)}"
            )
        return list(enumerate(terms))
    found = []
    for k, override in enumerate(chosen):
        if isinstance(override, Variable):
            found.append((k, override.type()))
        elif not _is_default(override):
            term = _asked(override, groups)
            single = isinstance(term, (list, tuple)) and len(term) == 1
            found.append((k, term[0] if single else term))
    return found


def _in_terms_of(
    known: Mapping[Variable, Variable], found: list[tuple[int, Any]]
) -> list[tuple[int, Any]]:
    """Terms with the variables outside in the place of those within."""
    terms = {k: term for k, term in found if isinstance(term, Variable)}
    moved = dict(zip(terms, clone_replace(list(terms.values()), known), strict=True))
    return [(k, moved.get(k, term)) for k, term in found]


def _asked(override: Any, groups: Sequence[list[Any]]) -> Any:
    if isinstance(override, OpFromGraph):
        return override(*(v for group in groups for v in group), return_list=True)
    return override(*groups)


def _as_zeros(gradient: Variable, output: Variable) -> Variable:
    """The gradient, or zeros where nothing flows."""
    if isinstance(gradient.type, DisconnectedType):
        return as_tensor(output).zeros_like()
    return gradient


def _with_samples(graph: InnerGraph, inputs: Sequence[Variable]) -> InnerGraph:
    """The graph; a copy with the inputs' test values where these are computed."""
    if config.compute_test_value == "off":
        return graph
    copy = graph.copy()
    for v, outer in zip(copy.inputs, inputs):
        _take_sample(v, outer)
    for node in copy.order:
        compute_test_values(node)
    return copy


def _take_sample(leaf: Variable, outer: Variable) -> None:
    if config.compute_test_value != "off":
        with suppress(MissingInputError):
            leaf.tag.test_value = get_test_value(outer)


def connections(graph: InnerGraph, leaf: Variable) -> list[bool]:
    """For each output of the graph whether its gradient reaches the input `leaf`."""
    reached = {leaf}
    for node in toposort(graph.outputs):
        if reached.isdisjoint(node.inputs):
            continue
        pattern = checked_pattern(node, node.op.connection_pattern(node))
        for v, row in zip(node.inputs, pattern):
            if v in reached:
                reached.update(out for out, on in zip(node.outputs, row) if on)
    return [v in reached for v in graph.outputs]
