"""Products of chosen blocks of a large matrix with blocks of vectors."""

from __future__ import annotations

from typing import Any

from symnet.errors import message
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import add, mul
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, inc_subtensor, take
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle

__all__ = [
    "SparseBlockGemv", "SparseBlockOuter", "sparse_block_dot", "sparse_block_gemv",
    "sparse_block_gemv_inplace", "sparse_block_outer", "sparse_block_outer_inplace",
]  # fmt: skip


def sparse_block_dot(W: Any, h: Any, inputIdx: Any, b: Any, outputIdx: Any) -> Variable:
    """For chosen blocks of the output the product with the chosen blocks of the input, and
    the bias: of row r and output block j the sum of h[r, i] W[inputIdx[r, i], outputIdx[r, j]]
    over i, and b[outputIdx[r, j]].

    Shapes: W (blocks in, blocks out, m, n), h (batch, chosen in, m), inputIdx (batch, chosen
        in), b (blocks out, n), outputIdx (batch, chosen out) -> (batch, chosen out, n); h and
        both indices may lack the batch, which is then 1.
    Raises: TypeError for other ranks or index dtypes; IndexError (when run) for a block
        that is not there.
    """
    h, rows, columns = as_tensor(h), as_tensor(inputIdx), as_tensor(outputIdx)
    if h.type.ndim == 2 and rows.type.ndim == columns.type.ndim == 1:
        h = dimshuffle(h, "x", 0, 1)
        rows, columns = (dimshuffle(v, "x", 0) for v in (rows, columns))
    return SparseBlockGemv()(take(as_tensor(b), columns, axis=0), W, h, rows, columns)


class SparseBlockGemv:
    """o plus products of blocks: SparseBlockGemv()(o, W, h, inputIdx, outputIdx).

    Shapes: o (batch, chosen out, n), the rest as in `sparse_block_dot` -> as o.
    inplace: accepted; memory is the compiler's matter.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(
        self, o: Any, W: Any, h: Any, inputIdx: Any, outputIdx: Any
    ) -> Variable:
        o, W, h, rows, columns = map(as_tensor, (o, W, h, inputIdx, outputIdx))
        _check("sparse_block_gemv", [o, W, h, rows, columns], (3, 4, 3, 2, 2))
        # Last the axes along which is added: i, and the m of a block.
        turned = dimshuffle(W, 0, 1, 3, 2)
        blocks = getitem(
            turned, (dimshuffle(rows, 0, "x", 1), dimshuffle(columns, 0, 1, "x"))
        )  # batch, j, i, n, m
        terms = mul(dimshuffle(blocks, 0, 1, 3, 2, 4), dimshuffle(h, 0, "x", "x", 1, 2))
        result: Variable = add(o, cast(sum_over(terms, axis=[3, 4]), o.type.dtype))
        return result


class SparseBlockOuter:
    """o with outer products added at chosen blocks: for each row r, i and j
    alpha outer(x[r, i], y[r, j]) at o[xIdx[r, i], yIdx[r, j]].

    Shapes: o (x blocks, y blocks, m, n), x (batch, chosen x, m), y (batch, chosen y, n),
        xIdx and yIdx (batch, chosen) -> as o.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(
        self, o: Any, x: Any, y: Any, xIdx: Any, yIdx: Any, alpha: Any = None
    ) -> Variable:
        o, x, y, rows, columns = map(as_tensor, (o, x, y, xIdx, yIdx))
        _check("sparse_block_outer", [o, x, y, rows, columns], (4, 3, 3, 2, 2))
        values = mul(dimshuffle(x, 0, 1, "x", 2, "x"), dimshuffle(y, 0, "x", 1, "x", 2))
        if alpha is not None:
            values = mul(values, alpha)
        place = (dimshuffle(rows, 0, 1, "x"), dimshuffle(columns, 0, "x", 1))
        return inc_subtensor(getitem(o, place), cast(values, o.type.dtype))


sparse_block_gemv = SparseBlockGemv()
sparse_block_gemv_inplace = SparseBlockGemv(inplace=True)
sparse_block_outer = SparseBlockOuter()
sparse_block_outer_inplace = SparseBlockOuter(inplace=True)


def _check(what: str, operands: list[Variable], ranks: tuple[int, ...]) -> None:
    """Raises: TypeError for other ranks, or indices that are no integers."""
    fits = tuple(v.type.ndim for v in operands) == ranks
    if not fits or any(v.type.dtype not in INTEGERS for v in operands[3:]):
        raise TypeError(
            message(
                f"{what} takes arrays of ranks {', '.join(map(str, ranks))}, the last two "
                "of integers",
                operands=[operand_text(v) for v in operands],
            )
        )
