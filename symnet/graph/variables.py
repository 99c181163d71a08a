"""The expression graph: variables, and the operations that make them.

A `Variable` with an `owner` is output number `index` of the `Apply` that owns it.  Nodes
are compared by identity and never change after they are made; only `name` and `tag` may.
Merging equal nodes is the work of the rewriter.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, TypeAlias

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.attached import Attached
from symnet.graph.origin import Origin, capture, inherit
from symnet.graph.types import INTEGERS, TensorType, Type


class Variable(Attached):
    """A value of the graph: a leaf, or a result of an operation.

    >>> x = T.dvector("x")
    >>> y = x + 1
    >>> x.owner is None, y.owner.inputs[0] is x, y.type
    (True, True, float64 vector)
    >>> y.eval({x: [1.0, 2.0]})
    array([2., 3.])
    """

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
        if name is not None and not isinstance(name, str):
            raise TypeError(
                f"a variable's name is a string, not {name.__class__.__name__}"
                "\n  to do: pass a value by symnet.shared or T.constant; T.matrices('a', 'b') "
                "makes several variables"
            )
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

    >>> c = T.constant([1, 2])
    >>> isinstance(c, T.Constant), c.data, c.type.dtype
    (True, array([1, 2]), 'int64')
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


class Apply:
    """One use of an op: its inputs, its outputs, and the user's line that asked for it.

    >>> x, y = T.dvectors("x", "y")
    >>> node = (x * y).owner
    >>> node.op is T.mul, node.inputs, node.nout
    (True, [x, y], 1)
    """

    __slots__ = (
        "op", "inputs", "outputs", "origin", "_tag",
        "_lowering",  # how it is compiled, once that has been asked (see `ops.base`)
        "__weakref__",
    )  # fmt: skip

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
        self._lowering: Any = None
        for index, output in enumerate(self.outputs):
            if output.owner is None:
                output.owner, output.index = self, index
            elif output.owner is not self:
                raise ValueError(f"{output} belongs to another operation already")

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """All but what can be found out again."""
        kept = ("op", "inputs", "outputs", "origin", "_tag")
        return None, {name: getattr(self, name) for name in kept} | {"_lowering": None}

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
        for a, b in zip(inputs, self.inputs, strict=True):
            if a.type is not b.type and a.type != b.type:
                with inherit(self.origin):
                    node: Apply = self.op.make_node(*inputs)
                node.origin = self.origin
                break
        else:
            fresh = [v.type.variable_class(v.type) for v in self.outputs]
            node = Apply(self.op, inputs, fresh, like=self)
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
