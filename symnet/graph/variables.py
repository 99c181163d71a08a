"""The expression graph: variables, and the operations that make them.

A `Variable` with an `owner` is output number `index` of the `Apply` that owns it.  Nodes
are compared by identity and never change after they are made; only `name` and `tag` may.
Merging equal nodes is the work of the rewriter.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, TypeAlias, overload

import numpy as np

from symnet.config import config
from symnet.errors import ShapeError, briefly, message
from symnet.graph.attached import Attached
from symnet.graph.origin import Origin, capture, inherit
from symnet.graph.types import INTEGERS, TensorType, Type
from symnet.graph.unused_code import UNUSED, warn_of_code

# Called with every operation that a user or an op's gradient applies.
observers: list[Callable[[Apply], None]] = []


class Variable(Attached):
    """A value of the graph: a leaf, or a result of an operation."""

    __slots__ = (
        "type", "owner", "index", "name", "_tag",
        "_functions",  # that `eval` has compiled for it, if it has
        "__weakref__",
        "__dict__",  # what programs attach under names of their own, as Keras does
    )  # fmt: skip
    # Whether its operators and products serve where the other operand is a tensor.
    rules_operators: ClassVar[bool] = False
    __array_priority__ = 1000  # programs written for Theano ask for it
    __pandas_priority__ = 5000  # `table * x` is for `Variable.__rmul__` to make

    type: Any
    owner: Apply | None
    index: int | None
    name: str | None
    _functions: dict[Any, Any]

    def __init__(
        self,
        type: Type,
        owner: Apply | None = None,
        index: int | None = None,
        name: str | None = None,
    ) -> None:
        self.type = type
        self.owner = owner
        self.index = index
        self.name = name
        self._tag: SimpleNamespace | None = None

    @property
    def tag(self) -> SimpleNamespace:
        """Notes that users attach; symnet reads only `test_value` (see `testvalues`)."""
        if self._tag is None:
            self._tag = SimpleNamespace()
        return self._tag

    @property
    def origin(self) -> Origin | None:
        """The user's line that made this variable, where an operation did."""
        return self.owner.origin if self.owner is not None else None

    def clone(self, name: str | None = None) -> Variable:
        """A new leaf of the same type."""
        return make_variable(self.type, name if name is not None else self.name)

    def get_parents(self) -> list[Apply]:
        return [] if self.owner is None else [self.owner]

    def __repr__(self) -> str:
        text = self.name if self.name else describe(self)
        if config.print_test_value == "on" and hasattr(self.tag, "test_value"):
            text += f"\n{self.tag.test_value}"
        return text

    def __str__(self) -> str:
        return self.name if self.name else describe(self)


# What stands for a tensor where an operation takes one: see `ops.base.as_tensor`.
TensorLike: TypeAlias = (
    Variable | complex | np.generic | np.ndarray[Any, Any] | list[Any] | tuple[Any, ...]
)


class Constant(Variable):
    """A leaf whose value is known.  `data` is a read-only array, a copy of what was given.

    Raises: TypeError, ValueError where `data` does not fit the type.
    `number` is the Python number that it was made from; such a constant is `weak`: it
    takes the dtype of what it meets, with all of the number's precision.
    """

    __slots__ = ("data", "number")

    def __init__(
        self, type: Type, data: Any, name: str | None = None, number: Any = None
    ) -> None:
        super().__init__(type, name=name)
        if isinstance(data, np.ndarray):
            if isinstance(type, TensorType):
                data = type.filter(data)
            data = np.array(data, order="C")
            data.flags.writeable = False
        self.data = data
        self.number = number

    @property
    def weak(self) -> bool:
        return self.number is not None

    @property
    def value(self) -> Any:
        return self.data

    def equals(self, other: object) -> bool:
        """Whether `other` is a constant of the same type and value, NaN being itself."""
        if not isinstance(other, Constant) or self.type != other.type:
            return False
        if isinstance(self.type, TensorType):
            real = self.type.dtype not in INTEGERS
            return np.array_equal(self.data, other.data, equal_nan=real)
        return bool(self.data == other.data)

    def clone(self, name: str | None = None) -> Variable:
        return type(self)(self.type, self.data, name or self.name, self.number)


# What `L_op` gets, and gives: for each input its gradient, or None where that is zero.
Vars: TypeAlias = Sequence[Variable]
Gradients: TypeAlias = Sequence[Any]


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
    """

    __props__: ClassVar[tuple[str, ...]] = ()
    default_output: int | None = None
    looks_for_choices = False  # L_op takes the masks of gradients (see symnet.guards)
    commutative = False  # the order of two inputs does not matter
    foldable = True  # may be computed once, while compiling, of constants
    lazy = False  # `wanted` may leave inputs out
    runs_users_code = False  # `compute` calls functions of the user's
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

        That gets copies of the inputs which it overwrites (`destroy_map`).
        Raises: TypeError, ValueError where its results do not fit the outputs' types.
        """
        overwritten = {k for inputs in self.destroy_map.values() for k in inputs}
        given = [a.copy() if k in overwritten else a for k, a in enumerate(arrays)]
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        if self.params_type is None:
            self.perform(node, given, storage)
        else:
            perform: Callable[..., None] = self.perform
            perform(node, given, storage, self.get_params(node))
        results = zip(node.outputs, storage, strict=True)
        return [output.type.filter(cell[0]) for output, cell in results]

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


def is_users(op: Any) -> bool:
    """Whether the op's class is none of this package."""
    return not type(op).__module__.startswith("symnet.")


_by_properties: dict[type, bool] = {}


def _comparable(kind: type) -> bool:
    """Ops compare by properties when their class says which ones those are."""
    if kind not in _by_properties:
        bases = [base for base in kind.__mro__ if base is not Op]
        _by_properties[kind] = any("__props__" in base.__dict__ for base in bases)
    return _by_properties[kind]


class Apply:
    """One use of an op: its inputs, its outputs, and the user's line that asked for it."""

    __slots__ = ("op", "inputs", "outputs", "origin", "_tag", "__weakref__")

    def __init__(
        self,
        op: Any,
        inputs: Iterable[Variable],
        outputs: Iterable[Variable],
        like: Apply | None = None,
    ) -> None:
        """like: one whose line it takes over."""
        self.op = op
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.origin: Origin | None = capture() if like is None else like.origin
        self._tag: SimpleNamespace | None = None
        for index, output in enumerate(self.outputs):
            if output.owner is None:
                output.owner, output.index = self, index
            elif output.owner is not self:
                raise ValueError(f"{output} belongs to another operation already")

    @property
    def tag(self) -> SimpleNamespace:
        if self._tag is None:
            self._tag = SimpleNamespace()
        return self._tag

    @property
    def nin(self) -> int:
        return len(self.inputs)

    @property
    def nout(self) -> int:
        return len(self.outputs)

    @property
    def out(self) -> Variable:
        """The only output.  Raises: AttributeError where there are several."""
        if len(self.outputs) != 1:
            raise AttributeError(f"{self.op} has {len(self.outputs)} outputs")
        return self.outputs[0]

    def applied_to(self, *inputs: Any) -> Variable:
        """The op on other inputs: its output (its `default_output`, of several)."""
        made: Variable = self.op(*inputs)
        return made

    def default_output(self) -> Variable:
        return self.outputs[self.op.default_output or 0]

    def clone_with_new_inputs(
        self, inputs: Sequence[Variable], strict: bool = True
    ) -> Apply:
        """The same op on other inputs; made anew, with its checks, where types differ."""
        pairs = zip(inputs, self.inputs, strict=True)
        if all(a.type is b.type or a.type == b.type for a, b in pairs):
            fresh = [make_variable(o.type) for o in self.outputs]
            node = Apply(self.op, inputs, fresh, like=self)
        else:
            node = self.op.make_node(*inputs)
            node.origin = self.origin
        for old, new in zip(self.outputs, node.outputs, strict=True):
            new.name, new._tag = old.name, old._tag
        return node

    def clone(self) -> Apply:
        return self.clone_with_new_inputs(self.inputs)

    def get_parents(self) -> list[Variable]:
        return list(self.inputs)

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.inputs))})"


def describe(variable: Variable) -> str:
    """A short text: the name, the value of a constant, or the op that makes it."""
    if isinstance(variable, Constant) and isinstance(variable.data, np.ndarray):
        text = np.array2string(np.asarray(variable.data), threshold=6, separator=", ")
        return text if len(text) < 40 else f"constant {variable.type}"
    if variable.name:
        return variable.name
    if isinstance(variable, Constant):
        return f"constant {variable.type}"
    if variable.owner is None:
        return f"<{variable.type}>"
    number = f".{variable.index}" if len(variable.owner.outputs) > 1 else ""
    return f"{variable.owner.op}{number}"


def operand_text(variable: Variable) -> str:
    """How errors name an operand: its text and its type."""
    return f"{describe(variable)}, {variable.type}"


def node_message(node: Apply, what: str, cure: str) -> str:
    """The text of an error: what is wrong at an operation that stands in a graph."""
    return message(
        f"{node.op}: {what}",
        operation=node.op,
        operands=[operand_text(v) for v in node.inputs],
        origin=node.origin,
        cure=cure,
    )


def make_variable(kind: Type, name: str | None = None) -> Variable:
    """A leaf of a type."""
    if config.warn_float64 != "ignore" and getattr(kind, "dtype", "") == "float64":
        _warn_of_float64(kind)
    return kind.variable_class(kind, name=name)  # type: ignore[no-any-return]


def _warn_of_float64(kind: Type) -> None:
    """What `config.warn_float64` asks for.  Raises: TypeError where that is "raise"."""
    text = message(
        f"a variable of type {kind} is made",
        origin=capture(),
        cure="cast to float32, or set config.warn_float64 = 'ignore'",
    )
    if config.warn_float64 == "raise":
        raise TypeError(text)
    warnings.warn(text, stacklevel=3)


def filter_variable(
    self: TensorType, other: Any, allow_convert: bool = True
) -> Variable:
    """Return `other` if it is (or a constant if it can be made) of this type."""
    made = other if isinstance(other, Variable) else Constant(self, self.filter(other))
    if not self.accepts(made.type):
        raise TypeError(f"expected {self}, got {made} of type {made.type}")
    return made


Type.variable_class = Variable
Type.make_variable = make_variable
Type.__call__ = make_variable  # type: ignore[method-assign]
TensorType.filter_variable = filter_variable
