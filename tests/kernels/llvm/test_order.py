"""The order in which the operations of a long loop are written."""

from __future__ import annotations

import pytest

from symnet.kernels.llvm.order import list_schedule
from symnet.kernels.loopir.math import expand
from symnet.kernels.loopir.scalars import Scalar, call, load, walk


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
    order = list_schedule(nodes, arguments, 2, registers)
    assert len(order) == len(nodes) and set(order) == set(nodes)
    place = {node: k for k, node in enumerate(order)}
    for node in order:
        assert all(place[a] < place[node] for a in node.args if a.op != "literal")


def test_independent_chains_take_turns() -> None:
    chains = [chain(load(k, "float32"), 6) for k in range(4)]
    total = (chains[0] + chains[1]) + (chains[2] + chains[3])
    order = list_schedule(nodes_of(total), arguments, 2, 24)
    products = [node for node in order if node.op == "mul"]
    for turn in range(6):
        together = products[4 * turn : 4 * turn + 4]
        assert all(sum(n in walk([c]) for n in together) == 1 for c in chains)


def test_a_single_chain_stays_as_it_is() -> None:
    nodes = nodes_of(chain(load(0, "float64"), 20))
    assert list_schedule(nodes, arguments, 2, 6) == nodes


def test_few_registers_keep_chains_apart() -> None:
    chains = [chain(load(k, "float32"), 6) for k in range(6)]
    total = chains[0]
    for each in chains[1:]:
        total = total + each

    def held(registers: int) -> int:
        order = list_schedule(nodes_of(total), arguments, 1, registers)
        last = {a: k for k, node in enumerate(order) for a in node.args}
        return max(
            sum(last.get(node, 0) > k for node in order[: k + 1])
            for k in range(len(order))
        )

    assert held(3) <= 4 < held(16)


def test_the_order_is_the_same_every_time() -> None:
    nodes = nodes_of(call("erf", load(0, "float32")))
    assert list_schedule(nodes, arguments, 2, 8) == list_schedule(
        nodes, arguments, 2, 8
    )
