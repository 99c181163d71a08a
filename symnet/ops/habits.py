"""What users of other libraries write on variables, refused with the way it is said here."""

from __future__ import annotations

from typing import Any, NoReturn

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.methods import method

NUMBERS = "x.eval() computes the numbers; w.get_value() are those of a shared variable"

# Attributes of arrays and tensors elsewhere, and what stands for them here.
CURES = {
    "value": "w.get_value() and w.set_value(array) of a shared variable; " + NUMBERS,
    "numpy": NUMBERS,
    "item": "x.eval().item() computes the number",
    "tolist": "x.eval().tolist() computes the numbers",
    "detach": "gradient.disconnected_grad(x) lets no gradient through",
    "backward": "symnet.grad(cost, parameters) returns the gradients",
    "requires_grad": "every variable of floats has a gradient: symnet.grad(cost, w)",
    "zero_grad": "symnet.grad gives the gradients anew; nothing adds up",
    "assign": "function(..., updates=[(w, new)]), or w.set_value(array)",
    "clients": "graph.clients(x) of the FunctionGraph, as f.maker.fgraph, lists the users",
    "at": "T.set_subtensor(x[index], values) is the array with elements replaced",
    "permute": "x.dimshuffle(1, 0) or x.transpose(1, 0)",
    "unsqueeze": "x.dimshuffle('x', 0) or T.expand_dims(x, axis)",
    "view": "x.reshape(shape)",
    "expand": "T.broadcast_to(x, shape)",
    "mm": "T.dot(x, y) or x @ y",
    "float": "x.astype('float32')",
    "double": "x.astype('float64')",
    "half": "x.astype('float16')",
    "int": "x.astype('int32')",
    "long": "x.astype('int64')",
    "numel": "x.size",
    "get_shape": "x.shape",
    "set_shape": "T.specify_shape(x, sizes)",
}


@method("__getattr__")
def _missing(self: Variable, name: str) -> NoReturn:
    """Raises: AttributeError always: this is asked where there is no such attribute."""
    text = f"{type(self).__name__!r} object has no attribute {name!r}"
    if name in CURES:
        text = message(text, operands=[operand_text(self)], cure=CURES[name])
    raise AttributeError(text, name=name, obj=self)


def _refuse(name: str) -> None:
    """Assigning to a name that means something elsewhere is an error: as any other name, it
    would be attached to the variable, and change nothing."""

    def get(self: Variable) -> NoReturn:
        raise AttributeError(name)  # Python then asks `_missing`

    def put(self: Variable, value: Any) -> NoReturn:
        _missing(self, name)

    setattr(Variable, name, property(get, put))


for _name in ("value", "requires_grad"):
    _refuse(_name)


@method("__setitem__")
def _set_item(self: Variable, key: Any, value: Any) -> NoReturn:
    """Raises: TypeError always: variables do not change."""
    raise TypeError(
        message(
            "elements of a variable cannot be assigned: it stands for a value of a formula",
            operands=[operand_text(self)],
            cure="y = T.set_subtensor(x[key], value) is the array with those elements "
            "replaced, T.inc_subtensor(x[key], value) with them added to",
        )
    )


@method("__format__")
def _format(self: Variable, spec: str) -> str:
    """The variable's text.  Raises: TypeError for a format of numbers."""
    if not spec:
        return str(self)
    raise TypeError(
        message(
            f"the format {spec!r} is one of numbers, which a variable has not yet",
            operands=[operand_text(self)],
            cure=NUMBERS,
        )
    )
