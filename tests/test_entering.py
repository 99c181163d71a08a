"""Values that enter contradict no type, wherever they enter: they are refused there, with
nothing changed, or copied where only their memory does not fit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import In, SharedVariable, function, shared
from symnet.config import config
from symnet.graph.types import DTYPES

MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]
HERE = "test_entering.py"


def three(name="x"):
    """A matrix of three rows."""
    return T.TensorType("float64", (3, None))(name)


# ---- updates and givens


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [True, False], ids=["before others", "after others"])
def test_update_of_another_size_than_declared_changes_nothing(mode, first):
    s, other, m = shared(np.ones((1, 3)), shape=(1, 3)), shared(np.zeros(2)), T.matrix()
    for new in (m, m * 2, m.T, T.concatenate([m, m]), m[:2]):
        updates = [(s, new), (other, other + 1)]
        f = function(
            [m], m.sum(), updates=updates if first else updates[::-1], mode=mode
        )
        with pytest.raises(ValueError, match=HERE):
            f(np.ones((2, 2)))
        np.testing.assert_array_equal(s.get_value(), np.ones((1, 3)))
        np.testing.assert_array_equal(other.get_value(), np.zeros(2))
    f(np.full((1, 3), 4.0))
    np.testing.assert_array_equal(s.get_value(), np.full((1, 3), 4.0))


@pytest.mark.parametrize("mode", MODES)
def test_default_updates_and_states_keep_the_declared_sizes(mode):
    n, x = T.lscalar("n"), three()
    s = shared(np.ones(3), shape=(3,))
    s.default_update = T.concatenate([s, s])[:n]
    f = function([n], s.sum(), mode=mode)
    with pytest.raises(ValueError, match="4 and 3|size 4"):
        f(4)
    assert f(3) == 3
    start = np.asfortranarray(np.arange(6.0).reshape(3, 2))
    g = function([n, In(x, value=start, update=2 * x[:n])], x, mode=mode)
    with pytest.raises(ValueError, match="2 and 3|size 2"):
        g(2)
    np.testing.assert_array_equal(g(3), start)
    np.testing.assert_array_equal(g(3), 2 * start)


@pytest.mark.parametrize("mode", MODES)
def test_given_of_another_size_than_declared(mode):
    x, m, s = three(), T.matrix("m"), shared(np.ones((2, 2)))
    want = x.shape[0] * x.sum()
    for new, values in ((m, [np.ones((2, 2))]), (m + 0, [np.ones((4, 2))]), (s, [])):
        f = function([m][: len(values)], want, givens={x: new}, mode=mode)
        with pytest.raises(ValueError, match=HERE):
            f(*values)
    s.set_value(np.ones((3, 2)))
    assert f() == 18


# ---- arguments


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_arguments_of_another_size_than_declared(mode, trust):
    x = three()
    f = function([In(x, name="x")], x * x.shape[0], mode=mode, trust_input=trust)
    right = np.arange(6.0).reshape(3, 2)
    for _ in range(3):  # also when the call boundary is native
        np.testing.assert_array_equal(f(right), 3 * right)
        np.testing.assert_array_equal(f(np.asfortranarray(right)), 3 * right)
        for wrong in (np.ones((2, 2)), np.ones(3), np.ones((3, 2, 1))):
            with pytest.raises((TypeError, ValueError), match="expected float64"):
                f(wrong)
            with pytest.raises((TypeError, ValueError), match="expected float64"):
                f(x=wrong)
    if trust:
        with pytest.raises(TypeError, match="float32"):
            f(right.astype("float32"))


@pytest.mark.parametrize("trust", [False, True])
def test_default_values_are_checked_when_they_are_set(trust):
    x = three()
    for wrong in (np.ones((2, 2)), np.ones(3), "text"):
        with pytest.raises((TypeError, ValueError), match="expected float64"):
            function([In(x, value=wrong)], x.sum(), trust_input=trust)
    f = function([In(x, value=np.ones((3, 2)), name="x")], x.sum(), trust_input=trust)
    with pytest.raises(ValueError, match="axis 0"):
        f["x"] = np.ones((2, 2))
    assert f() == 6


# ---- masked arrays


def test_masked_elements_are_refused_everywhere():
    masked, v = np.ma.masked_array([1.0, 2.0, 4.0], [0, 0, 1]), T.vector()
    f = function([v], v.sum())
    enter = [
        f, shared, T.constant, T.as_tensor_variable, lambda a: v + a,
        shared(np.ones(3)).set_value, lambda a: SharedVariable(T.dvector, a),
        lambda a: function([In(v, value=a)], v), lambda a: v.eval({v: a}),
    ]  # fmt: skip
    m = T.matrix()
    for one in enter:
        with pytest.raises(TypeError, match="masked"):
            one(masked)
    for one in (shared, T.constant, T.as_tensor_variable, function([m], m * 1)):
        for rows in ([masked, masked], [[1.0, 2.0, 3.0], masked], (masked,)):
            with pytest.raises(TypeError, match="masked"):
                one(rows)
    for _ in range(3):
        assert f(np.array(masked.data)) == 7
        with pytest.raises(TypeError, match=r"filled\(value\)"):
            f(masked)
    with pytest.raises(TypeError, match="masked"):
        v * np.ma.masked
    whole = np.ma.masked_array([1.0, 2.0, 4.0])
    assert (
        f(whole) == shared(whole).get_value().sum() == T.constant(whole).data.sum() == 7
    )


# ---- memory that does not fit


class Subclass(np.ndarray):
    """As np.matrix and np.memmap are."""


def layouts(dtype):
    """Arrays with the same elements, each in memory that native code does not write."""
    plain = np.arange(6).reshape(2, 3).astype(dtype)
    read_only = plain.copy()
    read_only.flags.writeable = False
    raw = b"x" + plain.tobytes()
    unaligned = np.frombuffer(raw, "u1")[1:].view(plain.dtype).reshape(2, 3)
    wide = np.zeros((4, 6), dtype)
    wide[::2, ::2] = plain
    arrays = {
        "read-only": read_only,
        "Fortran": np.asfortranarray(plain),
        "unaligned": unaligned,
        "strided": wide[::2, ::2],
        "backwards": np.ascontiguousarray(plain[::-1, ::-1])[::-1, ::-1],
        "swapped": plain.astype(plain.dtype.newbyteorder()),
        "subclass": read_only.view(Subclass),
    }
    if plain.itemsize == 1:
        del arrays["swapped"]  # it is no other than the plain one
    return plain, arrays


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_whose_memory_does_not_fit_are_copied(dtype):
    plain, arrays = layouts(dtype)
    kind = T.TensorType(dtype, (None, None))
    x = kind("x")
    f = function([x], T.concatenate([x, x]))
    for array in arrays.values():
        kept = array.tobytes()
        filled = shared(np.zeros((2, 3), dtype))
        filled.set_value(array, borrow=True)
        variables = [
            filled, shared(array, borrow=True), shared(array), SharedVariable(kind, array)
        ]  # fmt: skip
        for s in variables:
            assert type(s.array) is np.ndarray and s.array.flags.carray
            step = function([], s + 0, updates=[(s, T.zeros_like(s))])
            np.testing.assert_array_equal(step(), plain)
            np.testing.assert_array_equal(step(), 0 * plain)
        np.testing.assert_array_equal(f(array), np.concatenate([plain, plain]))
        constant = T.constant(array)
        assert type(constant.data) is np.ndarray
        np.testing.assert_array_equal(function([], constant[::-1])(), plain[::-1])
        assert array.tobytes() == kept


def test_shared_variables_of_a_type_are_checked():
    wrong = [
        (T.dmatrix, np.ones(3)), (T.fvector, np.ones(3) + 1e-12),
        (T.TensorType("float64", (2,)), np.ones(3)), (T.lvector, "text"),
        (T.dmatrix, shared(np.ones(3)).store), (T.fvector, shared(np.ones(3)).store),
    ]  # fmt: skip
    for kind, value in wrong:
        with pytest.raises((TypeError, ValueError), match="expected"):
            SharedVariable(kind, value)
    s = SharedVariable(T.dvector, np.ones(4, "float32"))
    np.testing.assert_array_equal(function([], s * 1)(), np.ones(4))


def test_constants_of_a_type_are_checked():
    for kind, value in (
        (T.dmatrix, np.ones(3)), (T.fvector, np.ones(3) + 1e-12),
        (T.TensorType("float64", (2,)), np.ones(3)),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match="expected"):
            T.TensorConstant(kind, value)


def test_test_values_are_checked():
    x = three()
    for value in (np.ones((2, 2)), np.ones(3), np.ma.masked_less(np.ones((3, 2)), 2)):
        x.tag.test_value = value
        with (
            config.change_flags(compute_test_value="raise"),
            pytest.raises((TypeError, ValueError)),
        ):
            x * 2


# ---- pickles


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_of_every_protocol(protocol):
    s, c = shared(np.arange(6.0).reshape(2, 3)), T.constant(np.arange(3.0))
    twin, constant, again = pickle.loads(pickle.dumps((s, c, s), protocol=protocol))
    assert twin is again
    f = function([], constant + twin, updates=[(twin, twin + 100)])
    np.testing.assert_array_equal(f(), np.arange(6.0).reshape(2, 3) + np.arange(3.0))
    np.testing.assert_array_equal(twin.get_value(), s.get_value() + 100)


def test_buffers_of_a_pickle_are_never_written(tmp_path):
    s = shared(np.arange(6.0))
    buffers = []
    data = pickle.dumps(s, protocol=5, buffer_callback=buffers.append)
    raw = bytes(buffers[0].raw())
    path = tmp_path / "buffer"
    path.write_bytes(raw)
    mapped = np.memmap(path, mode="r", dtype="u1")
    for buffer in (raw, bytearray(raw), memoryview(bytearray(raw)), mapped):
        twins = [pickle.loads(data, buffers=[buffer]) for _ in range(2)]
        function([], [], updates=[(twins[0], twins[0] + 100)])()
        assert bytes(buffer) == raw
        np.testing.assert_array_equal(twins[0].get_value(), np.arange(6.0) + 100)
        np.testing.assert_array_equal(twins[1].get_value(), np.arange(6.0))


# ---- users' operations


class Wrong(symnet.Op):
    """Promises two numbers and gives what it is told."""

    __props__ = ("result",)

    def __init__(self, result):
        self.result = result

    def make_node(self, x):
        return symnet.Apply(self, [x], [T.TensorType("float64", (2,))()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.array(self.result)


@pytest.mark.parametrize("mode", MODES)
def test_results_of_users_operations_are_checked(mode):
    x, s = T.vector(), shared(np.zeros(2), shape=(2,))
    for result in ((1.0, 2.0, 3.0), ((1.0, 2.0),), ("a", "b"), (1j, 2j)):
        f = function([x], [], updates=[(s, Wrong(result)(x))], mode=mode)
        with pytest.raises((TypeError, ValueError), match="expected float64"):
            f([1.0])
        np.testing.assert_array_equal(s.get_value(), np.zeros(2))


class Refuses(symnet.Op):
    """Raises what it is told."""

    __props__ = ("error",)

    def __init__(self, error):
        self.error = error

    def make_node(self, x):
        return symnet.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        raise self.error


class Coded(Exception):
    """An error that is not made from one text."""

    def __init__(self, code, place):
        super().__init__(f"code {code} at {place}")
        self.code = code


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "error",
    [
        KeyError("mine"),
        Coded(7, "here"),
        OSError(2, "gone"),
        MemoryError(),
        ValueError("x"),
    ],
)
def test_errors_of_users_operations_keep_their_kind(error, mode):
    x = T.vector()
    f = function([x], Refuses(error)(x), mode=mode)
    with pytest.raises(type(error)) as caught:
        f([1.0])
    if isinstance(error, Coded):
        assert caught.value.code == 7
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert "Refuses" in told and HERE in told


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_more_memory_than_there_is(mode):
    n = T.lscalar("n")
    with pytest.raises(MemoryError):
        function([n], T.zeros((n,)) + 1, mode=mode)(2**44)


# ---- numbers that count elements


INDICES = [
    lambda v, i: v[-i:], lambda v, i: v[:-i], lambda v, i: v[i:], lambda v, i: v[::i],
    lambda v, i: v[::-i], lambda v, i: v[~i:], lambda v, i: v[: i + i], lambda v, i: v[-i],
    lambda v, i: v[(-i) + i :], lambda v, i: v[i + i],
]  # fmt: skip


@pytest.mark.parametrize("dtype", [d for d in DTYPES if "int" in d])
def test_bounds_wrap_around_as_their_dtype_does(dtype):
    v, i = T.dvector("v"), T.TensorType(dtype, ())("i")
    value, limits = np.arange(10.0), np.iinfo(dtype)
    numbers = [0, 1, 3, 9, 10, 100, limits.max // 3]
    numbers += [limits.min // 3, -3, -1] if dtype[0] == "i" else []
    for form in INDICES:
        for mode in ("FAST_RUN", "FAST_COMPILE"):
            f = function([v, i], form(v, i), mode=mode)
            for number in map(np.dtype(dtype).type, numbers):
                with np.errstate(all="ignore"):
                    try:
                        want = form(value, number)
                    except (IndexError, ValueError, OverflowError):
                        with pytest.raises((IndexError, ValueError)):
                            f(value, number)
                        continue
                np.testing.assert_array_equal(f(value, number), want)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_products_of_positions_wrap_around(mode):
    v, i = T.dvector("v"), T.lscalar("i")
    f = function(
        [v, i], v[(i * 6364136223846793005 + 1442695040888963407) % 10], mode=mode
    )
    for k in (1, 5, 123456789):
        with np.errstate(all="ignore"):
            at = (
                np.int64(k) * np.int64(6364136223846793005) + 1442695040888963407
            ) % 10
        assert f(np.arange(10.0), k) == at


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_steps_beyond_the_array(mode):
    v, n = T.dvector("v"), T.lscalar("n")
    f = function([v, n], [v[::n], v[2::n], T.set_subtensor(v[::n], 7.0)], mode=mode)
    value = np.arange(5.0)
    for step in (2**63 - 1, 2**40, 5, 6, 4, -5, -6, -(2**40), -(2**63) + 1):
        written = value.copy()
        written[::step] = 7
        for got, want in zip(f(value, step), (value[::step], value[2::step], written)):
            np.testing.assert_array_equal(got, want)
    for step in (2**62, -(2**62)):
        f = function([v], v[::step], mode=mode)
        np.testing.assert_array_equal(f(value), value[::step])


def test_a_clone_takes_no_replacement_of_other_sizes():
    x = three()
    for other in (T.constant(np.ones((2, 2))), T.vector(), T.fmatrix()):
        with pytest.raises(TypeError, match="clone"):
            symnet.clone(x * 2, replace={x: other})
    m = T.matrix("m")
    f = function([m], symnet.clone(x.sum(), replace={x: m}))
    assert f(np.ones((3, 2))) == 6
