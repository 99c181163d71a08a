"""The order in which the operations of a long loop are written."""

from __future__ import annotations

import pytest

from symnet.kernels.llvm.order import in_turns
from symnet.kernels.loops import Scalar, call, load, walk
from symnet.kernels.math import expand


def arguments(node: Scalar) -> tuple[Scalar, ...]:
    return node.args


def nodes_of(*roots: Scalar) -> list[Scalar]:
    return [node for node in walk(expand(roots)) if node.op != "literal"]


def chain(x: Scalar, length: int) -> Scalar:
    for _ in range(length):
        x = x * 3.0
    return x


@pytest.mark.parametrize("registers", [1, 8, 24])
@pytest.mark.parametrize("name", ["tanh", "sin", "pow", "erf", "softplus"])
def test_every_node_comes_once_and_after_its_arguments(
    name: str, registers: int
) -> None:
    loads = [load(k, "float64") for k in range(2 if name == "pow" else 1)]
    nodes = nodes_of(call(name, *loads))
    order = in_turns(nodes, arguments, 2, registers)
    assert sorted(n.serial for n in order) == sorted(n.serial for n in nodes)
    place = {node: k for k, node in enumerate(order)}
    for node in order:
        assert all(place[a] < place[node] for a in node.args if a.op != "literal")


def test_independent_chains_take_turns() -> None:
    left, right = (chain(load(k, "float32"), 6) for k in range(2))
    nodes = nodes_of(left + right)
    order = [n for n in in_turns(nodes, arguments, 1, 8) if n.op == "mul"]
    firsts = [node in walk([left]) for node in order]
    changes = sum(a != b for a, b in zip(firsts, firsts[1:], strict=False))
    assert changes == len(order) - 1


def test_few_registers_keep_chains_apart() -> None:
    chains = [chain(load(k, "float32"), 6) for k in range(6)]
    total = chains[0]
    for each in chains[1:]:
        total = total + each

    def held(registers: int) -> int:
        order = in_turns(nodes_of(total), arguments, 1, registers)
        last = {a: k for k, node in enumerate(order) for a in node.args}
        return max(
            sum(last.get(node, 0) > k for node in order[: k + 1])
            for k in range(len(order))
        )

    assert held(3) <= 4 < held(16)


def test_the_order_is_the_same_every_time() -> None:
    nodes = nodes_of(call("erf", load(0, "float32")))
    assert in_turns(nodes, arguments, 2, 8) == in_turns(nodes, arguments, 2, 8)
