"""Operations that take arrays in a GPU's memory, between programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.profile import FALLBACK, THERE
from symnet.compile.refusals import HostFallback
from symnet.config import config
from symnet.kernels.gpus import GPUS
from symnet.kernels.memory import HOST, Moved
from tests.kernels.programs import on

pytestmark = pytest.mark.filterwarnings("error::symnet.compile.refusals.HostFallback")
v, x = T.dvector("v"), T.dmatrix("x")
V = np.array([3.0, 1.5, 2.0])
X = np.random.default_rng(4).normal(size=(3, 3)) + 2 * np.eye(3)


class Scaled(symnet.Op):
    """A user's own, of any library's arrays; it writes into what it gets.

    gives: what it makes of its result."""

    __props__ = ()
    device_arrays = True
    gives: Any = staticmethod(lambda found: found)
    seen: list[Any] = []  # noqa: RUF012

    def make_node(self, one: Any, factor: Any) -> Any:
        one, factor = T.as_tensor_variable(one), T.as_tensor_variable(factor)
        return symnet.Apply(self, [one, factor], [one.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        one, factor = inputs
        self.seen.append(type(one).__module__)
        if one.flags.writeable if isinstance(one, np.ndarray) else True:
            one *= factor
        else:
            one = one * factor
        outputs[0][0] = self.gives(one)

    def grad(self, inputs: Any, gradients: Any) -> Any:
        return [gradients[0] * inputs[1], (gradients[0] * inputs[0]).sum()]


def traffic(gpu: str, f: Any, *given: Any) -> Any:
    for _ in range(3):
        f(*given)
    before = GPUS[gpu].transfers.traffic
    f(*given)
    return GPUS[gpu].transfers.traffic - before


def test_nothing_travels(gpu: str) -> None:
    """Shared variables, what programs make, constants; and nothing but a copy is written."""
    w = symnet.shared(V)
    scaled = Scaled()(T.exp(w), T.constant(0.5)) + Scaled()(w, 2.0)
    f = on(gpu, [], [], updates=[(w, T.sqrt(scaled))])
    moved = traffic(gpu, f)
    wanted = V
    for _ in range(4):
        wanted = np.sqrt(np.exp(wanted) * 0.5 + 2 * wanted)
    np.testing.assert_allclose(w.get_value(), wanted)
    assert moved.to_device == moved.to_host == Moved(0, 0)
    rows = f.profile(repeat=2).rows
    assert [row.operation for row in rows if row.kind == THERE] == ["Scaled", "Scaled"]
    assert not [row for row in rows if row.kind == FALLBACK]
    assert "array library" in str(f.profile(repeat=1))


def test_arguments_and_results(gpu: str) -> None:
    """An argument goes there once, a result that is handed out comes back."""
    a = T.dscalar("a")
    scaled = Scaled()(v, a)
    f = on(gpu, [v, a], [scaled, T.exp(scaled) + v, T.grad(scaled.sum(), v)])
    given = V.copy()
    for _ in range(2):
        found = f(given, 3.0)
        np.testing.assert_allclose(found[0], 3 * V)
        np.testing.assert_allclose(found[1], np.exp(3 * V) + V)
        np.testing.assert_allclose(found[2], [3, 3, 3])
        np.testing.assert_array_equal(given, V)
    assert all(type(one) is np.ndarray for one in found)
    moved = traffic(gpu, f, V, 3.0)
    assert moved.to_device == Moved(2, V.nbytes + 8)
    assert moved.to_host == Moved(3, 3 * V.nbytes)


def test_beside_one_that_reads_on_the_host(gpu: str) -> None:
    w = symnet.shared(V)
    with pytest.warns(HostFallback, match="Unique"):
        f = on(gpu, [], T.unique(Scaled()(w, 2.0)) + T.unique(w)[0])
    np.testing.assert_allclose(f(), np.sort(2 * V) + 1.5)
    np.testing.assert_array_equal(w.get_value(), V)


def test_the_arrays_are_the_librarys(gpu: str) -> None:
    Scaled.seen.clear()
    on(gpu, [v], Scaled()(v, 2.0) + 1)(V)
    assert Scaled.seen[-1].startswith("cupy" if gpu == "cuda" else "numpy")
    with config.change_flags(device="cpu"):
        np.testing.assert_allclose(on("cpu", [v], Scaled()(v, 2.0) + 1)(V), 2 * V + 1)


@pytest.mark.parametrize(
    "gives",
    [
        lambda found: found.astype("float32"),
        lambda found: found[0],
        lambda found: [1.0, 2.0, 3.0],
        lambda found: None,
    ],
)
def test_wrong_results_are_refused(gives: Any, gpu: str) -> None:
    class Wrong(Scaled):
        pass

    Wrong.gives = staticmethod(gives)
    w = symnet.shared(V)
    f = on(gpu, [], T.exp(Wrong()(w, 2.0)), updates=[(w, w + 1)])  # this line
    for _ in range(2):
        with pytest.raises(TypeError, match="result 0 is to be an array of") as error:
            f()
        assert "# this line" in str(error.value)
    np.testing.assert_array_equal(w.get_value(), V)


def test_in_a_loop_the_whole_loop_is_the_hosts(gpu: str) -> None:
    """With arrays that are the host's, and said."""
    rows, _ = symnet.scan(lambda one, old: Scaled()(one, 2.0) + old, v, T.constant(0.0))
    with pytest.warns(HostFallback, match="has no code on the device"):
        f = on(gpu, [v], rows)
    np.testing.assert_allclose(f(V), np.cumsum(2 * V))


# ---- ours


OURS: dict[str, Any] = {
    "gammainc": lambda w: T.gammainc(1.5, w),
    "gammaincc": lambda w: T.gammaincc(w, w[::-1]),
    "j0": lambda w: T.j0(w[:, None] * w),
    "gradient of j0": lambda w: T.grad(T.j0(w).sum(), w),
    "i1": lambda w: T.i1(w),
    "log of i0": lambda w: T.log(T.i0(w)),
    "mean of von Mises": lambda w: T.grad(T.log(T.i0(w)).sum(), w),
    "its slope": lambda w: T.grad(T.grad(T.log(T.i0(w)).sum(), w).sum(), w),
    "positions": lambda w: w[w > 1.8].sum() + w,
    "checked": lambda w: T.opt.Assert("positive")(w, T.gt(w, 0)),
    "gradient of a determinant": lambda w: T.grad(
        T.nlinalg.det(T.outer(w, w) + T.eye(3)), w
    ),
    "of a singular one": lambda w: T.grad(T.nlinalg.det(T.outer(w, w)), w),
    "second": lambda w: T.grad(
        (T.grad(T.nlinalg.det(T.outer(w, w) + T.eye(3)), w) ** 2).sum(), w
    ),
}


def test_what_a_formula_has_is_what_is_taken_out(gpu: str) -> None:
    """Where functions are fused with others, those others stay in their loop."""
    w = symnet.shared(V)
    f = on(gpu, [], T.exp(-T.log(T.i0(w * 2))) * 3 + T.j1(w) - 1)
    with config.change_flags(device="cpu"):
        native = on("cpu", [v], T.exp(-T.log(T.i0(v * 2))) * 3 + T.j1(v) - 1)
    np.testing.assert_allclose(f(), native(V))
    there = {r.operation for r in f.profile(repeat=1).rows if r.kind == THERE}
    assert there == {"log_i0", "j1"}


def test_what_is_not_there_is_named(gpu: str) -> None:
    with pytest.warns(HostFallback) as told:
        f = on(gpu, [v], T.exp(-T.log(T.iv(0.5, v + 1)) * 2))
    says = [str(one.message).partition(" has no code")[0] for one in told]
    assert says == ["log_iv"]
    with config.change_flags(device="cpu"):
        native = on("cpu", [v], T.exp(-T.log(T.iv(0.5, v + 1)) * 2))
    np.testing.assert_allclose(f(V), native(V))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OURS)
def test_ours_stay_there(name: str, dtype: str, gpu: str) -> None:
    found = []
    for device in ("cpu", gpu):
        with config.change_flags(device=device, floatX=dtype):
            w = symnet.shared(V.astype(dtype))
            f = on(device, [], OURS[name](w))
            found.append(f())
            last = symnet.shared(np.zeros(found[0].shape, found[0].dtype))
            g = on(device, [], [], updates=[(last, OURS[name](w))])
    near = {"rtol": 1e-4 if dtype == "float32" else 1e-9, "atol": 1e-5}
    assert found[0].dtype == found[1].dtype
    np.testing.assert_allclose(found[1], found[0], **near)
    moved = traffic(gpu, g)
    np.testing.assert_allclose(last.get_value(), found[0], **near)
    assert moved.to_device == moved.to_host == Moved(0, 0)


def test_a_check_that_fails(gpu: str) -> None:
    w = symnet.shared(V)
    f = on(gpu, [], [], updates=[(w, T.opt.Assert("too far")(w - 1, T.gt(w, 1)))])
    f()
    with pytest.raises(AssertionError, match="too far") as error:
        f()
    assert "test_arrays_there" in str(error.value) + "".join(error.value.__notes__)
    np.testing.assert_array_equal(w.get_value(), V - 1)


def test_debug_mode(gpu: str) -> None:
    w = symnet.shared(V)
    output = Scaled()(w, 2.0) + T.gammainc(2.0, w)
    f = on(gpu, [], output, updates=[(w, w + 1)], mode="DebugMode")
    with config.change_flags(device="cpu"):
        wanted = on("cpu", [v], 2 * v + T.gammainc(2.0, v))(V)
    np.testing.assert_allclose(f(), wanted)
    np.testing.assert_array_equal(w.get_value(), V + 1)


def test_the_hosts_memory_computes_in_place() -> None:
    (found,) = HOST.computed(lambda xp, given: [xp.exp(given[0])], [V])
    np.testing.assert_array_equal(found, np.exp(V))
