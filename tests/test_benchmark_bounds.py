"""What the benchmarks say of necessary work and of the bounds that follow from it."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from benchmarks import report, worker
from benchmarks.bounds import CACHED, bounds, operands
from benchmarks.cases import CASES, loops, networks
from benchmarks.frameworks import with_numpy
from benchmarks.problem import Formula, Training
from benchmarks.work import Product, Work

KEPT = sorted((pathlib.Path(report.__file__).parent / "results").glob("*.json"))
FORMULAS = (
    "scalar call",
    "elementwise 1e3",
    "elementwise float64 1e6",
    "broadcast 2000x2000",
    "mean square 1e7",
    "softmax rows",
    "softmax columns",
    "sum over axis 0",
    "sum over axis 1",
    "sum over axis 2",
    "scalar loop 10,000",
)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_reads_its_arrays_and_writes_its_result(name: str) -> None:
    problem = CASES[name].make()
    assert isinstance(problem, Formula)
    result = np.asarray(problem.compute(with_numpy.Names, *problem.arrays))
    assert problem.shape == result.shape
    work = problem.work()
    assert work.read == sum(array.size * result.itemsize for array in problem.arrays)
    assert (work.written, work.updated, work.flops) == (result.nbytes, 0, 0)


def test_a_training_step_updates_parameters_and_reads_a_minibatch() -> None:
    problem = networks.perceptron([6, 5, 4], "tanh", batch=8, rows=16)
    parameters, minibatch = 4 * (6 * 5 + 5 + 5 * 4 + 4), 4 * 8 * 6 + 8 * 8
    products = (
        Product(8, 6, 5),
        Product(6, 8, 5, "a"),
        Product(8, 5, 4),
        Product(5, 8, 4, "a"),
        Product(8, 4, 5, "b"),
    )
    assert problem.work() == Work(minibatch, 0, parameters, products)
    assert problem.work().bytes == minibatch + 2 * parameters
    assert problem.work().flops == 2 * 8 * (2 * 6 * 5 + 3 * 5 * 4)


def test_momentum_updates_as_much_again() -> None:
    plain, moving = (
        networks.perceptron([6, 4], "relu", 8, 16, momentum).work()
        for momentum in (0.0, 0.9)
    )
    assert moving.updated == 2 * plain.updated == 2 * 4 * (6 * 4 + 4)


class Recorded(np.ndarray[Any, Any]):
    """An array that notes the sizes of the matrix products in which it takes part."""

    taken: list[tuple[int, int, int]] = []

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, **options: Any
    ) -> Any:
        if ufunc is np.matmul:
            (m, k), (_, n) = (array.shape for array in inputs)
            self.taken.append((m, k, n))
        plain = [i.view(np.ndarray) if isinstance(i, Recorded) else i for i in inputs]
        for target in options.pop("out", ()):
            options["out"] = target.view(np.ndarray)
        result = getattr(ufunc, method)(*plain, **options)
        return result.view(Recorded) if isinstance(result, np.ndarray) else result


@pytest.mark.parametrize("name", ["logistic regression", "relu momentum", "switched"])
def test_products_are_those_of_the_gradients_by_hand(name: str) -> None:
    problem = networks.switched(4) if name == "switched" else CASES[name].make()
    assert isinstance(problem, Training)
    Recorded.taken = []
    minibatch = problem.data[: problem.batch], problem.labels[: problem.batch]
    arrays = [a.view(Recorded) for a in (minibatch[0], *problem.constants)]
    parameters = [parameter.view(Recorded) for parameter in problem.parameters]
    problem.by_hand(parameters, arrays[0], minibatch[1], *arrays[1:])
    declared = [(p.m, p.k, p.n) for p in problem.work().products]
    assert sorted(Recorded.taken) == sorted(declared)


def test_a_recurrent_layer_takes_a_product_a_step_but_for_the_first() -> None:
    steps, batch, features, hidden, width = 4, 3, 5, 6, 24
    work = loops.lstm(steps, batch, features, hidden).work()
    assert work.products == (
        Product(12, features, width),
        Product(features, 12, width, "a"),
        Product(batch, hidden, width, times=3),
        Product(batch, width, hidden, "b", times=3),
        Product(hidden, 9, width, "a"),
    )
    parameters = 4 * (features + hidden + 1) * width
    assert work.read == 4 * steps * batch * features + parameters
    assert (work.written, work.updated) == (parameters, 0)
    assert loops.plain_lstm(steps, batch, features, hidden).work() == work


def test_a_chain_goes_up_once_more_than_down() -> None:
    work = loops.boltzmann(40, 30, batch=20, steps=3).work()
    assert work.flops == 2 * 20 * 40 * 30 * (4 + 3 + 2)
    assert work.read == 4 * 20 * 40
    assert work.updated == 4 * (40 * 30 + 40 + 30)


def test_what_the_processes_do_adds_up() -> None:
    products = (Product(7, 3, 2), Product(3, 5, 9, "b", times=4))
    work = Work(1001, 502, 33, products)
    shares = [work.share(process, 2) for process in range(2)]
    assert sum(share.flops for share in shares) == work.flops
    assert sum(share.bytes for share in shares) == work.bytes
    assert [share.products[0].m for share in shares] == [3, 4]
    assert [share.products[1].n for share in shares] == [4, 5]


@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_operands_lie_as_they_are_said_to(turned: str) -> None:
    a, b, out = operands(Product(2, 3, 4, turned, times=5), "float64")
    assert (a.shape, b.shape, out.shape) == ((5, 2, 3), (3, 4), (5, 2, 4))
    for name, matrix in (("a", a[0]), ("b", b)):
        assert (matrix.T if name in turned else matrix).flags.c_contiguous
    np.testing.assert_array_equal(np.matmul(a, b, out=out), np.full((5, 2, 4), 3.0))


@pytest.mark.parametrize(
    ("work", "kinds"),
    [
        (Work(), ["call"]),
        (Work(CACHED // 2, CACHED // 4), ["call"]),
        (Work(CACHED, CACHED // 2, CACHED // 2), ["memory"]),
        (Work(CACHED // 2, CACHED), ["memory"]),
        (Work(100, products=(Product(2, 3, 4),)), ["products"]),
        (Work(CACHED, products=(Product(9, 8, 7, "a", 2),)), ["memory", "products"]),
    ],
)
def test_small_arrays_do_not_bound_by_memory(work: Work, kinds: list[str]) -> None:
    found = bounds(work, process=1)
    assert list(found) == kinds
    for program in found.values():
        program.function()


def test_bounds_are_timed_kind_by_kind() -> None:
    served = worker.Worker(with_numpy.NumPy())
    answer = served.prepare_bounds("logistic regression", process=0)
    assert answer["kinds"] == ["memory", "products"]
    work = CASES["logistic regression"].make().work()
    assert json.loads(json.dumps(answer["work"]))["flops"] == work.flops
    for kind in answer["kinds"]:
        assert served.time_bound(kind, seconds=0.001)["seconds"] > 0
    served.drop()
    assert not served.bounds


def made_up() -> dict[str, Any]:
    work = Work(4_000_000, 0, 1_000_000, (Product(100, 100, 100),))
    return {
        "calls": {
            "MLP batch 20": {
                "symnet": {"seconds": [3e-3, 4e-3, 6e-3]},
                "jax": {"seconds": [5e-3, 6e-3, 8e-3]},
                "torch": {"absent": "no module"},
            },
            "shared counter": {"jax": {"failed": "code 1"}},
        },
        "bounds": {
            "MLP batch 20": {
                "work": work.summary(),
                "seconds": {"memory": [1e-3] * 3, "products": [2e-3, 2e-3, 4e-3]},
            },
            "shared counter": {
                "work": Work().summary(),
                "seconds": {"call": [6e-8, 7e-8, 5e-8]},
            },
        },
        "builds": {},
        "imports": {},
        "versions": {"symnet": "1", "jax": "2"},
        "date": "2026-01-01T00:00",
        "machine": dict.fromkeys(
            ("processor", "cores", "memory", "system", "python", "copy", "gemm"), "?"
        ),
        "threads": 2,
        "rounds": 3,
    }


def test_the_larger_bound_counts_and_ratios_are_paired_by_round() -> None:
    results = json.loads(json.dumps(made_up()))
    *_, first, second = report.bound_table(results).splitlines()
    assert first == (
        "| MLP batch 20 | products, 1 Gflop/s | 2 ms | 4 ms | 1.50 | 2.50 jax |"
    )
    assert second == "| shared counter | call | 60 ns |  |  |  |"
    results["bounds"]["MLP batch 20"]["seconds"]["memory"] = [3e-3] * 3
    line = report.bound_table(results).splitlines()[2]
    assert line.startswith("| MLP batch 20 | memory, 2.0 GB/s | 3 ms | 4 ms | 1.33 |")
    assert report.bound_table(results) in report.markdown(results)


def test_results_without_bounds_still_print() -> None:
    results = made_up()
    del results["bounds"]
    text = report.markdown(results)
    assert "bound by" not in text
    assert "| MLP batch 20 | 0.67 ≤ 0.75 | jax | 4 ms | 6 ms |" in text


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_results_still_print(path: pathlib.Path) -> None:
    results = json.loads(path.read_text(encoding="utf-8"))
    text = report.markdown(results)
    assert all(f"\n| {name} |" in text for name in results["calls"])
