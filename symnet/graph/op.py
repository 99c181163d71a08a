"""Operations: what applies to variables, and the contract that a user's op fulfils."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Literal, TypeAlias, overload

import numpy as np

from symnet.errors import ShapeError, briefly, message
from symnet.graph.origin import capture, inherit
from symnet.graph.types import TensorType, Type
from symnet.graph.unused_code import UNUSED, warn_of_code
from symnet.graph.variables import (
    Apply,
    Variable,
    filter_variable,
    make_variable,
    operand_text,
)

# Called with every operation that a user or an op's gradient applies.
observers: list[Callable[[Apply], None]] = []

Vars: TypeAlias = Sequence[Variable]
Gradients: TypeAlias = Sequence[Any]


def forget_borrowed_sizes(node: Apply) -> None:
    """Of results whose type is an operand's own (`x.type()`) only size 1 is promised, which
    is all that Theano's types say: `make_node` of an operation written for it means no more."""
    borrowed = {id(v.type) for v in node.inputs}
    for v in node.outputs:
        if id(v.type) in borrowed and type(v.type) is TensorType:
            sizes = [n if n == 1 else None for n in v.type.shape]
            v.type = TensorType(v.type.dtype, sizes)


class Op:
    """The base of operations, and of operations that users write as for Theano.

    An op is equal to another of the same class with equal `__props__`: equal ops on
    equal inputs are computed once.  It offers
      make_node(*inputs) -> Apply     checks the inputs' types, gives the outputs' types;
      L_op(inputs, outputs, output_gradients) -> one gradient per input
          (or Theano's `grad(inputs, output_gradients)`);
      compute(node, arrays, xp) -> arrays: reference evaluation with xp = numpy or cupy
          (or Theano's `perform(node, inputs, output_storage)`); of a user's op, inputs are
          read-only but for those that `destroy_map` names, which are copies;
      infer_shape(node, input_shapes), R_op(inputs, eval_points): as for Theano, both for
          users' ops only.
    With `device_arrays = True` a function on a GPU hands `compute` or `perform` arrays in its
    memory, CuPy's there, and takes such arrays back; else it gets NumPy's, on the host.

    >>> class Double(symnet.Op):
    ...     __props__ = ()
    ...     def make_node(self, x):
    ...         x = T.as_tensor_variable(x)
    ...         return symnet.Apply(self, [x], [x.type()])
    ...     def perform(self, node, inputs, output_storage):
    ...         output_storage[0][0] = 2 * inputs[0]
    ...     def grad(self, inputs, output_gradients):
    ...         return [2 * output_gradients[0]]
    >>> x = T.dvector("x")
    >>> Double()(x).eval({x: [1.0, 2.0]})
    array([2., 4.])
    """

    __props__: ClassVar[tuple[str, ...]] = ()
    default_output: int | None = None
    looks_for_choices = False  # L_op takes the masks of gradients (see symnet.guards)
    commutative = False  # the order of two inputs does not matter
    foldable = True  # may be computed once, while compiling, of constants
    # `compute` takes and gives arrays of the library that works on a device's memory.
    device_arrays: bool = False
    lazy = False  # `wanted` may leave inputs out
    runs_users_code = False  # `compute` calls functions of the user's
    stands_for_another = False  # `compute` runs an operation that tells its errors
    index_error: ClassVar[type[Exception]] = IndexError  # of a position out of range
    size_error: ClassVar[type[Exception]] = ShapeError  # of sizes that do not agree
    view_map: ClassVar[dict[int, list[int]]] = {}
    destroy_map: ClassVar[dict[int, list[int]]] = {}

    def properties(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__props__)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or not _comparable(type(self)):
            return False
        assert isinstance(other, Op)
        return self.properties() == other.properties()

    def __hash__(self) -> int:
        if not _comparable(type(self)):
            return id(self)
        return hash((type(self), self.properties()))

    def __str__(self) -> str:
        if not self.__props__:
            return type(self).__name__
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__props__)
        return f"{type(self).__name__}{{{values}}}"

    __repr__ = __str__

    # Types of the inputs and of the outputs, in the place of a make_node.
    itypes: Sequence[Type] | None = None
    otypes: Sequence[Type] | None = None

    def make_node(self, *inputs: Any) -> Apply:
        """The op applied to inputs of `itypes`, where the class says them and `otypes`.

        Raises: TypeError for other inputs, and where the class says neither.
        """
        if self.itypes is None or self.otypes is None:
            raise TypeError(f"{self} does not define make_node (or itypes and otypes)")
        if len(inputs) != len(self.itypes):
            what = f"{self} takes {len(self.itypes)} inputs, not {len(inputs)}"
            raise TypeError(message(what, origin=capture()))
        variables = [
            self._taken(k, kind, v)
            for k, (kind, v) in enumerate(zip(self.itypes, inputs))
        ]
        return Apply(self, variables, [make_variable(kind) for kind in self.otypes])

    def _taken(self, position: int, kind: Any, given: Any) -> Variable:
        """An input as a variable of the type that `itypes` says."""
        try:
            if isinstance(kind, TensorType):
                return filter_variable(kind, given)
            if isinstance(given, Variable) and given.type == kind:
                return given
        except (TypeError, ValueError):
            pass
        shown = operand_text(given) if isinstance(given, Variable) else repr(given)
        raise TypeError(
            message(
                f"{self}: input {position} is to be a {kind}, not {shown}",
                origin=capture(),
                cure="cast it with .astype(dtype), or give it that rank with dimshuffle",
            )
        )

    @overload
    def __call__(
        self, *inputs: Any, return_list: Literal[True], **keywords: Any
    ) -> list[Variable]: ...
    @overload
    def __call__(self, *inputs: Any, **keywords: Any) -> Variable: ...
    @briefly
    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        """Apply the op; returns its output, or a list where there are several."""
        name = keywords.pop("name", None)
        return_list = keywords.pop("return_list", False)
        if is_users(self):
            node = self._users_node(inputs, keywords)
        else:
            node = self.make_node(*inputs, **keywords)
        for observe in observers:
            observe(node)
        outputs = node.outputs
        if self.default_output is not None:
            outputs = [outputs[self.default_output]]
        if name is not None and len(outputs) == 1:
            outputs[0].name = name
        return outputs[0] if len(outputs) == 1 and not return_list else list(outputs)

    def _users_node(self, inputs: Sequence[Any], keywords: dict[str, Any]) -> Apply:
        """What make_node of a user's op gives: checked, its line the one that applies it."""
        line = capture()
        warn_of_code(self, line)
        with inherit(line):
            node = self.make_node(*inputs, **keywords)
        fits = isinstance(node, Apply) and all(
            isinstance(v, Variable) for v in (*node.inputs, *node.outputs)
        )
        if not fits or not node.outputs:
            raise TypeError(
                message(
                    f"{self}: make_node gave {node!r:.80}",
                    origin=line,
                    cure="return Apply(self, inputs, outputs) of lists of variables, such as "
                    "[as_tensor_variable(x)] and [T.dvector()]",
                )
            )
        forget_borrowed_sizes(node)
        return node

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """Gradients with respect to `inputs`, given those with respect to `outputs`."""
        return self.grad(inputs, output_gradients)

    def grad(
        self, inputs: Sequence[Variable], output_gradients: Sequence[Variable]
    ) -> Sequence[Variable]:
        raise NotImplementedError(
            message(
                f"{self} has no gradient",
                operands=[f"{v} ({v.type})" for v in inputs],
                cure="define grad(inputs, output_gradients) in the op",
            )
        )

    def inlined(self, inputs: Vars) -> Vars | None:
        """The results as expressions of the inputs, where the op stands for these and
        nothing else, their gradients included; None for an op of its own."""
        return None

    def do_constant_folding(self, node: Apply) -> bool:
        """Whether a node of constants may be computed once, while compiling."""
        return self.foldable

    def wanted(self, node: Apply, known: Mapping[Variable, Any]) -> Sequence[Variable]:
        """The inputs that `compute` needs, given the values that are `known`; it is asked
        again when it has got them, and gets None for the others."""
        return node.inputs

    def connection_pattern(self, node: Apply) -> Sequence[Sequence[bool]]:
        """For each input whether the gradient of each output reaches it."""
        return [[True] * node.nout for _ in node.inputs]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        """Reference evaluation; by default through Theano's `perform`.

        That gets the inputs as their types show them to users, and copies of those that
        it overwrites (`destroy_map`).
        Raises: TypeError, ValueError where its results do not fit the outputs' types.
        """
        overwritten = {k for inputs in self.destroy_map.values() for k in inputs}
        given = [v.type.shown(a) for v, a in zip(node.inputs, arrays, strict=True)]
        for k in overwritten:
            given[k] = deepcopy(given[k])
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        if self.params_type is None:
            self.perform(node, given, storage)
        else:
            perform: Callable[..., None] = self.perform
            perform(node, given, storage, self.get_params(node))
        results = zip(node.outputs, storage, strict=True)
        return [output.type.filter(cell[0]) for output, cell in results]

    def compute_there(
        self, node: Apply, arrays: Sequence[Any], xp: Any
    ) -> Sequence[Any]:
        """`compute` of an op with `device_arrays`: results stay in the device's memory.

        Raises: TypeError for results that are no arrays of the outputs' types."""
        if type(self).compute is not Op.compute:
            results = list(self.compute(node, arrays, xp))
        else:
            storage: list[list[Any]] = [[None] for _ in node.outputs]
            more = () if self.params_type is None else (self.get_params(node),)
            self.perform(node, list(arrays), storage, *more)
            results = [cell[0] for cell in storage]
        for k, (output, found) in enumerate(zip(node.outputs, results, strict=True)):
            if not isinstance(found, xp.ndarray) or not _fits(output.type, found):
                words = [type(found).__name__]
                if isinstance(found, xp.ndarray):
                    words += [str(found.dtype), str(found.shape)]
                raise TypeError(
                    f"{self}: result {k} is to be an array of {xp.__name__}, {output.type}, "
                    f"not {' '.join(words)}"
                )
        return results

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]]
    ) -> None:
        foreign = [name for name in UNUSED if hasattr(self, name)]
        also = f"; {', '.join(foreign)} is not used" if foreign else ""
        raise NotImplementedError(
            message(
                f"{self} defines neither compute nor perform{also}",
                origin=node.origin,
                cure="define perform(node, inputs, output_storage)",
            )
        )

    # What `perform` is to get as its last argument: see `gof.params_type`.
    params_type: Any = None

    def get_params(self, node: Apply) -> Any:
        """The params of a node: the attributes that `params_type` names."""
        return self.params_type.get_params(self)


def _fits(kind: Any, array: Any) -> bool:
    """Whether an array has the dtype, the rank and the known sizes of a type."""
    sizes = zip(kind.shape, array.shape, strict=False)
    same = all(n is None or n == m for n, m in sizes)
    return str(array.dtype) == kind.dtype and array.ndim == kind.ndim and same


def is_users(op: Any) -> bool:
    """Whether the op's class is none of this package."""
    return not type(op).__module__.startswith("symnet.")


def is_foreign(op: Op) -> bool:
    """Whether code of users may run when the op is computed."""
    return is_users(op) or op.runs_users_code


def computed(
    node: Apply, arrays: Sequence[Any], xp: Any = np, there: bool = False
) -> list[Any]:
    """What an operation's own code gives.

    NumPy says nothing of infinities and NaN, however `np.seterr` is set: machine code does
    not either.  Users' code is left to what they set."""
    function = node.op.compute_there if there else node.op.compute
    if is_foreign(node.op):
        return list(function(node, arrays, xp))
    with np.errstate(all="ignore"):
        return list(function(node, arrays, xp))


_by_properties: dict[type, bool] = {}


def _comparable(kind: type) -> bool:
    """Ops compare by properties when their class says which ones those are."""
    if kind not in _by_properties:
        bases = [base for base in kind.__mro__ if base is not Op]
        _by_properties[kind] = any("__props__" in base.__dict__ for base in bases)
    return _by_properties[kind]
