"""The names of `theano.tensor.utils`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile import function
from symnet.graph.variables import Variable
from symnet.ops.sizes import shape
from symnet.rewriting.function_graph import FunctionGraph

__all__ = ["hash_from_ndarray", "shape_of_variables"]


def shape_of_variables(
    fgraph: FunctionGraph, input_shapes: Mapping[Variable, Sequence[int]]
) -> dict[Variable, tuple[int, ...]]:
    """The shape of each variable of a graph, for inputs of these shapes.

    fgraph: its inputs, and what it computes; input_shapes: one for each input.
    Only sizes are computed, as far as they do not depend on values.
    Raises: ValueError where an input has no shape; ShapeError where sizes do not agree.

    >>> from symnet.gof import FunctionGraph
    >>> x = T.dmatrix("x")
    >>> graph = FunctionGraph([x], [x[:2].T], clone=False)
    >>> sorted(shape_of_variables(graph, {x: (5, 3)}).values())
    [(2, 3), (3, 2), (5, 3)]
    """
    missing = [v for v in fgraph.inputs if v not in input_shapes]
    if missing:
        raise ValueError(f"shape_of_variables: no shape is given for {missing}")
    results = [v for node in fgraph.toposort() for v in node.outputs]
    variables = [v for v in (*fgraph.inputs, *results) if hasattr(v.type, "shape")]
    sizes = function(
        list(fgraph.inputs), [shape(v) for v in variables], on_unused_input="ignore"
    )
    arrays = [
        np.broadcast_to(np.zeros((), v.type.dtype), tuple(map(int, input_shapes[v])))
        for v in fgraph.inputs
    ]
    found = sizes(*arrays)
    return {v: tuple(map(int, one)) for v, one in zip(variables, found, strict=True)}


def hash_from_ndarray(data: Any) -> str:
    """A text that is the same for arrays of equal dtype, shape, strides and values."""
    array = np.asarray(data)
    kind = f"{array.dtype.str}{array.shape}{array.strides}".encode()
    return hashlib.sha256(kind + array.tobytes()).hexdigest()
