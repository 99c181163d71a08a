"""Calls of operations with settings: what is drawn, and that planted faults are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest

import symnet.tensor as T
from symnet.graph.evaluate import evaluate
from symnet.ops.linalg.solving import Cholesky
from symnet.ops.sorting import Sort
from symnet.ops.sparse.sparse_arithmetic import MulSD
from tests.fuzz import calls_complex, calls_linalg, calls_special, calls_users
from tests.fuzz.call_table import CALLS
from tests.fuzz.calls import apart
from tests.fuzz.calls_numpy import ONE, TWO
from tests.fuzz.calls_sparse import ENDS, STEPS
from tests.fuzz.doubts import Doubts
from tests.fuzz.generate import Generator, generate
from tests.fuzz.judge import judge
from tests.fuzz.program import Meaning, Program, all_steps
from tests.fuzz.shrink import shrink
from tests.fuzz.spaces import Arrays, Doubtful, Tie, Unknown, Wide, widened
from tests.fuzz.test_fuzzer import leaf, program

RNG = np.random.default_rng(3)
LAWS = ["uniform", "normal", "binomial", "integers"]


def drawn(seeds: range) -> Iterator[Program]:
    return (generate(seed) for seed in seeds if seed % 5 == 2)


def test_calls_are_drawn_in_all_their_kinds() -> None:
    programs = list(drawn(range(600, 1800)))
    steps = [s for p in programs for s in all_steps(p["steps"])]
    names = {s["name"] for s in steps if s["do"] == "call"}
    assert len(names) >= len(CALLS) - 6
    functions = {s["function"] for s in steps if s.get("name") == "numpy"}
    assert functions <= {*ONE, *TWO} and len(functions) > 60
    chains = [s for s in steps if s.get("name") == "sparse"]
    assert {s["format"] for s in chains} == {"csr", "csc"}
    assert len({n for s in chains for n in s["chain"]}) > len(STEPS) - 6
    assert len({s["end"] for s in chains}) > len(ENDS) - 6
    chains = [s for s in steps if s.get("name") == "complex"]
    assert len({n for s in chains for n in s["chain"]}) > len(calls_complex.STEPS) - 6
    assert {s["end"] for s in chains} == set(calls_complex.ENDS)
    special = {s["function"] for s in steps if s.get("name") == "special"}
    assert len(special) > len(calls_special.FUNCTIONS) * 2 / 3
    graphs = [s for s in steps if s["do"] == "graph"]
    assert {s["override"] for s in graphs} == {"none", "gradient", "product"}
    assert {s["inline"] for s in graphs} == {True, False}
    inside = {i["do"] for s in steps for i in s.get("steps", [])}
    assert {"call", "graph"} & inside == {"call"} and "loop" in {s["do"] for s in steps}
    assert len({x["dtype"] for p in programs for x in p["leaves"]}) == 14
    assert {0, 1} <= {n for p in programs for s in p["sizes"] for n in s.values()}


def test_what_is_refused_says_so() -> None:
    """Hardly any step that NumPy has a value for is refused when a graph is built."""
    refused: list[str] = []
    for seed in range(602, 1400, 5):
        made = Generator(seed)
        made.grow()
        refused += made.refused
    assert len(refused) <= 8, refused


# ---- meanings


@pytest.mark.parametrize("name", [n for n in CALLS if n != "draw"])
def test_many_digits_mean_what_numpy_does(name: str) -> None:
    """The first programs in which a call is drawn, by both."""
    looked = 0
    for seed in range(40):
        made = Generator(5 * seed + 2)
        made.begin()
        found = CALLS[name].draw(made)
        if found is None or None in found[0]:
            continue
        step = {"id": 0, "do": "call", "args": found[0], "name": name, **found[1]}
        given = [made.values[n] for n in found[0]]
        try:
            with mpmath.workdps(60):
                wanted = CALLS[name].value(Arrays, step, *given)
                many = CALLS[name].value(Wide, step, *map(widened, given))
        except (ValueError, IndexError, TypeError, Unknown):
            continue
        looked += 1
        scale = 1e-3 if any(a.dtype in ("float16", "float32") for a in given) else 1e-9
        assert np.shape(many) == np.shape(wanted)
        if np.asarray(wanted).dtype.kind in "fc" and not np.isfinite(wanted).all():
            continue
        kind = "complex128" if np.asarray(wanted).dtype.kind == "c" else "float64"
        np.testing.assert_allclose(
            np.asarray(many).astype(kind), wanted, rtol=scale, atol=scale * 10
        )
        if looked == 3:
            return
    assert looked or name in ("slow", "kron")


def test_elimination_and_factors() -> None:
    a = RNG.normal(size=(4, 4))
    with mpmath.workdps(40):
        det, solved = calls_linalg.eliminated(widened(a), widened(np.eye(4)))
        np.testing.assert_allclose(float(det), np.linalg.det(a))
        np.testing.assert_allclose(solved.astype(float), np.linalg.inv(a))
        low = calls_linalg.cholesky_of(widened(a @ a.T)).astype(float)
        np.testing.assert_allclose(low, np.linalg.cholesky(a @ a.T))
        values, vectors = calls_linalg.eigenvalues(widened(a + a.T))
        np.testing.assert_allclose(values.astype(float), np.linalg.eigvalsh(a + a.T))
        np.testing.assert_allclose(
            ((vectors * values) @ vectors.T).astype(float), a + a.T, atol=1e-12
        )
        with pytest.raises(Unknown, match="singular"):
            calls_linalg.eliminated(widened(np.zeros((2, 2))), widened(np.eye(2)))
        with pytest.raises(Tie):
            calls_linalg.eigenvalues(widened(np.eye(2)))


def test_near_elements_are_a_tie_where_roundings_are_asked_after() -> None:
    x = widened([1.0, 2.0, 1.0 + 1e-9])
    apart(Wide, x)
    apart(Doubtful, widened([1.0, 2.0, 3.0]))
    with pytest.raises(Tie):
        apart(Doubtful, x)


@pytest.mark.parametrize(
    "name, keywords, on, off",
    [
        ("clip", {"a_min": -1.0, "a_max": 0.5}, [[0.25, 0.5]], [[0.25, 0.75]]),
        ("absolute", {}, [[1.0, 0.0]], [[1.0, -0.5]]),
        ("rint", {}, [[2.0, -1.5]], [[2.0, -1.25]]),
        ("round", {}, [[2.0, 0.5]], [[2.0, 0.25]]),
        ("ceil", {}, [[2.0]], [[2.25]]),
        ("trunc", {}, [[-2.0]], [[-2.25]]),
        ("heaviside", {}, [[0.0], [1.0]], [[0.5], [1.0]]),
        ("remainder", {}, [[6.0], [1.5]], [[6.5], [1.5]]),
        ("floor_divide", {}, [[6.0], [-1.5]], [[6.5], [1.5]]),
        ("fmax", {}, [[6.0], [6.0]], [[6.5], [1.5]]),
        ("less_equal", {}, [[6.0], [6.0 + 1e-9]], [[6.5], [1.5]]),
    ],
)
def test_an_elementwise_function_on_its_edge_is_a_tie(
    name: str, keywords: Any, on: Any, off: Any
) -> None:
    step = {"id": 9, "do": "call", "args": list(range(1, len(on) + 1)),
            "name": "numpy", "function": name, "with": keywords}  # fmt: skip
    made = program([leaf(n, ["m"]) for n in step["args"]], [step])
    doubts = Doubts(made, dict.fromkeys((1, 2, 9), "float64"), Counter())
    assert doubts.tied({n: np.array(a) for n, a in enumerate(on, 1)})
    assert not doubts.tied({n: np.array(a) for n, a in enumerate(off, 1)})


@pytest.mark.parametrize(
    "name, given, wanted",
    [
        ("logical_or", [[-2.0, 0.0, 0.0], [3.0, 0.0, 5.0]], [True, False, True]),
        ("logical_xor", [[-2.0, 0.0, 0.0], [3.0, 0.0, 5.0]], [False, False, True]),
        ("logical_not", [[-2.0, 0.0]], [False, True]),
        ("any", [[0.0, -2.0]], True),
        ("all", [[3.0, -2.0]], True),
    ],
)
def test_truths_of_many_digits_are_truth_values(
    name: str, given: Any, wanted: Any
) -> None:
    step = {"name": "numpy", "function": name, "with": {}}
    found = CALLS["numpy"].value(Wide, step, *map(widened, given))
    assert np.asarray(found).dtype == bool
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("law", LAWS)
def test_streams_go_on_from_call_to_call(law: str) -> None:
    step = {"id": 2, "do": "call", "args": [1], "name": "draw", "law": law, "seed": 5}
    made = program([leaf(1, ["m"])], [step], outputs=[2], functions=2)
    made["sizes"] = [{"m": 40}, {"m": 40}]
    verdict = judge(made)
    assert verdict.faults == [] and verdict.counts["calls"] == 4
    first = calls_users.Streams().of(step).uniform(size=3)
    again = np.random.RandomState(int(np.random.RandomState(5).randint(2**30)))
    np.testing.assert_array_equal(first, again.uniform(size=3))


def test_a_graph_is_what_its_steps_are() -> None:
    inner = [{"id": 12, "do": "apply", "args": [11], "name": "tanh"}]
    step = {"id": 2, "do": "graph", "args": [1], "inner": [11], "steps": inner,
            "result": 12, "inline": False, "override": "gradient"}  # fmt: skip
    x = RNG.normal(size=3)
    found = Meaning(Arrays, dict.fromkeys((1, 2, 11, 12), "float64")).run(
        [step], {1: x}
    )
    np.testing.assert_array_equal(found[2], np.tanh(x))
    assert 12 not in found
    cost = {"id": 3, "do": "form", "args": [2], "name": "weighted sum", "seed": 2}
    for override in ("none", "gradient", "product"):
        made = program(
            [leaf(1, ["m"])], [{**step, "override": override}, cost],
            gradients=[{"cost": 3, "wrt": [1], "order": 2}],
        )  # fmt: skip
        verdict = judge(made)
        assert verdict.faults == []
        assert verdict.counts["derivatives beside differences"]


# ---- planted faults


def wrong_terms(right: Any) -> Any:
    return lambda *a: [None if g is None else 1.01 * g for g in right(*a)]


PLANTED = {
    "sort": (Sort, "L_op", {"function": "sort", "with": {"axis": 0}}, "numpy"),
    "cholesky": (Cholesky, "L_op", {"lower": True}, "cholesky"),
    "scalar body": (calls_users.Bump, "grad", {}, "bump"),
}


@pytest.mark.parametrize("what", list(PLANTED))
def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    owner, name, rest, call = PLANTED[what]
    step = {"id": 2, "do": "call", "args": [1], "name": call, **rest}
    cost = {"id": 3, "do": "form", "args": [2], "name": "weighted sum", "seed": 2}
    made = program(
        [leaf(1, ["m", "n"])], [step, cost],
        gradients=[{"cost": 3, "wrt": [1], "order": 1}],
    )  # fmt: skip
    assert judge(made).faults == []
    monkeypatch.setattr(owner, name, wrong_terms(getattr(owner, name)))
    assert [f.kind for f in judge(made).faults][:1] == [
        "a gradient of order 1 beside many digits"
    ]


def test_a_wrong_number_in_a_sparse_product_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = {"id": 12, "do": "call", "args": [11, 11], "name": "sparse", "mask": 1,
             "format": "csr", "chain": ["structured_exp", "sqr"], "end": "dense"}  # fmt: skip
    step = {"id": 2, "do": "graph", "args": [1], "inner": [11], "steps": [inner],
            "result": 12, "inline": False, "override": "none"}  # fmt: skip
    more = {"id": 4, "do": "apply", "args": [2], "name": "tanh"}
    made = program([leaf(1, ["m", "n"])], [step, more], outputs=[4])
    assert judge(made).faults == []
    right = MulSD.dense

    def wrong(self: Any, node: Any, inputs: Any, forms: Any) -> Any:
        (x,) = right(self, node, inputs, forms)
        return [x.with_data(x.data * 1.01)]

    monkeypatch.setattr(MulSD, "dense", wrong)
    kind = judge(made).faults[0].kind
    small = shrink(made, lambda p: any(f.kind == kind for f in judge(p).faults), 20.0)
    assert len(all_steps(small["steps"])) == 2


# ---- what is no fault


def test_what_an_update_made_equal_turns_by_its_last_bits() -> None:
    """A variable is compared with what it was made equal to: whose gradient it is, its last
    bits decide, which differ between programs and NumPy."""
    x, y = T.dvector("x"), T.dvector("y")
    wanted = [x * 2, *T.grad(T.maximum(x, y * y).sum(), [x])]
    value = np.array([1.5, -0.5, 3.0])
    known = {x: value**2, y: value}
    reference = evaluate(wanted, known)
    doubts = Doubts(program([], []), {}, Counter())
    double, slope = doubts.turned(wanted, reference, known, [x])
    assert np.all(double < 1e-13) and np.all(slope == 1)
    assert not np.any(doubts.turned(wanted, reference, known, [])[1])
    known = {x: value**2 + 1e-9, y: value}
    assert not np.any(doubts.turned(wanted, evaluate(wanted, known), known, [x])[1])


def test_which_computed_elements_are_stored_is_for_roundings() -> None:
    """Factors multiplied again give 0 or next to it where there was 0; what is stored gets 1
    added to it.  Of a leaf, 0 is 0."""
    factors = {
        "id": 2,
        "do": "call",
        "args": [1],
        "name": "product of factors",
        "of": "svd",
    }
    plus = {"do": "call", "name": "sparse", "mask": 1, "format": "csc",
            "chain": ["structured_add"], "end": "dense"}  # fmt: skip
    value = np.array([[1.0, 0.5, 0.0], [0.25, 1.0, 0.5]])
    for argument, decided in ((2, True), (1, False)):
        made = program(
            [leaf(1, ["m", "n"])], [factors, {"id": 3, "args": [argument] * 2, **plus}]
        )
        doubts = Doubts(made, dict.fromkeys((1, 2, 3), "float64"), Counter())
        for given in (value, value + 1):
            assert doubts.tied({1: given}) == (decided and given is value)
