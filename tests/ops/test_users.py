"""Operations that users write: Theano's forms of them, and what is checked of them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import Apply, Op
from symnet.errors import NullTypeGradError, ShapeError, UnusedCodeWarning
from symnet.gof import Params, ParamsType
from symnet.gradient import disconnected_type

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
V = np.array([1.0, 2.0, 0.5])


class Cube(Op):
    """v ** 3; `gradient` is what its `grad` returns."""

    def __init__(self, gradient: Any) -> None:
        self.gradient = gradient

    def make_node(self, v: Any) -> Apply:
        v = T.as_tensor_variable(v)
        return Apply(self, [v], [v.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] ** 3

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        return self.gradient(inputs[0], output_gradients[0])


def cube_gradient(gradient: Any, v: Any) -> Any:
    y = Cube(gradient)(v)  # the line that applies it
    return T.grad(y.sum(), v, disconnected_inputs="ignore")


# ---- gradients


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_gradients(mode: str, dtype: str) -> None:
    v = T.vector("v", dtype=dtype)
    for gradient, wanted in (
        (lambda v, g: [3 * v**2 * g], 3 * V**2),
        (lambda v, g: (3 * v**2 * g,), 3 * V**2),
        (lambda v, g: [T.cast(3 * v**2 * g, "float32")], 3 * V**2),
        (lambda v, g: [np.ones(3)], np.ones(3)),
        (lambda v, g: [None], np.zeros(3)),
        (lambda v, g: [disconnected_type()], np.zeros(3)),
    ):
        found = symnet.function([v], cube_gradient(gradient, v), mode=mode)
        result = found(V.astype(dtype))
        assert result.dtype == dtype
        np.testing.assert_allclose(result, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("gradient", "error", "what"),
    [
        (lambda v, g: [(v * g).sum()], TypeError, "has rank 0, and the input 1"),
        (lambda v, g: [0.0], TypeError, "has rank 0"),
        (lambda v, g: [g.dimshuffle("x", 0)], TypeError, "has rank 2"),
        (lambda v, g: [T.cast(g, "int64")], TypeError, "dtype int64"),
        (lambda v, g: [g > 0], TypeError, "dtype bool"),
        (lambda v, g: ["text"], TypeError, "is no variable"),
        (lambda v, g: [g, g], ValueError, "2 gradients for 1 inputs"),
        (lambda v, g: [], ValueError, "0 gradients for 1 inputs"),
        (lambda v, g: g, TypeError, "are a list"),
        (lambda v, g: None, TypeError, "are a list"),
    ],
)
def test_wrong_gradients_are_refused(gradient: Any, error: Any, what: str) -> None:
    with pytest.raises(error, match=what) as caught:
        cube_gradient(gradient, T.dvector("v"))
    assert "Cube" in str(caught.value) and "the line that applies it" in str(
        caught.value
    )


def test_gradients_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"shape \(4,\), and the input \(3,\)"):
        cube_gradient(lambda v, g: [np.ones(4)], T.TensorType("float64", (3,))("v"))
    v = T.dvector("v")
    for gradient in (
        lambda v, g: [np.ones(4)],
        lambda v, g: [g[1:]],
        lambda v, g: [g.sum().dimshuffle("x")],  # which must not stretch
    ):
        for mode in MODES:
            found = symnet.function([v], cube_gradient(gradient, v), mode=mode)
            with pytest.raises(ShapeError) as caught:
                found(V)
            assert "gradient of input 0 of Cube" in str(caught.value)
            assert "the line that applies it" in str(caught.value)


def test_an_error_in_grad_keeps_its_kind() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        cube_gradient(lambda v, g: [g / (1 // 0)], T.dvector("v"))
    (note,) = caught.value.__notes__
    assert "Cube" in note and "the line that applies it" in note


def test_connection_patterns() -> None:
    class Odd(Cube):
        def connection_pattern(self, node: Any) -> Any:
            return [True]

    def no_gradient(v: Any, g: Any) -> Any:
        raise NotImplementedError

    v = T.dvector("v")
    with pytest.raises(ValueError, match="a list of 1 lists"):
        T.grad(Odd(no_gradient)(v).sum(), v)


# ---- making a node


class Line(Op):
    """A rank too many."""

    def make_node(self, v: Any) -> Apply:
        return Apply(self, [v], [v.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0][None]


def test_the_line_is_where_an_op_is_applied() -> None:
    v = T.dvector("v")
    y = Line()(v)  # here
    assert y.owner.origin.text == "y = Line()(v)  # here"
    with pytest.raises(TypeError, match="rank 2") as caught:
        symnet.function([v], y)(V)
    assert "# here" in str(caught.value) and "operation: Line" in str(caught.value)


def test_make_node_must_give_a_node() -> None:
    class Nothing(Op):
        def __init__(self, made: Any) -> None:
            self.made = made

        def make_node(self, v: Any) -> Any:
            return self.made(self, v)

    v = T.dvector("v")
    for made in (
        lambda op, v: v,
        lambda op, v: None,
        lambda op, v: Apply(op, [np.ones(2)], [v.type()]),
        lambda op, v: Apply(op, [v], []),
    ):
        with pytest.raises(TypeError, match="make_node gave") as caught:
            Nothing(made)(v)
        assert "Nothing(made)(v)" in str(caught.value)


class Weighted(Op):
    """Theano's short form: the types say what make_node would."""

    __props__ = ("factor",)
    itypes = [T.dvector, T.lscalar]
    otypes = [T.dvector]

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] * self.factor + inputs[1]

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return [shapes[0]]

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        return [output_gradients[0] * self.factor, disconnected_type()]


def test_types_in_the_place_of_make_node() -> None:
    v, k = T.dvector("v"), T.lscalar("k")
    y = Weighted(2.0)(v, k)
    assert Weighted(2.0) == Weighted(2.0) != Weighted(3.0)
    outputs = [y, y.shape, T.grad(y.sum(), v), Weighted(2.0)(v, 3)]
    for mode in MODES:
        value, shape, slope, with_number = symnet.function([v, k], outputs, mode=mode)(
            V, 1
        )
        np.testing.assert_allclose(value, 2 * V + 1)
        np.testing.assert_allclose(with_number, 2 * V + 3)
        np.testing.assert_allclose(slope, 2)
        assert shape.tolist() == [3]
    for wrong in ((T.fvector("w"), k), (T.dmatrix("w"), k), (v, 1.5), (v, v)):
        with pytest.raises(TypeError, match="is to be a"):
            Weighted(2.0)(*wrong)
    with pytest.raises(TypeError, match="takes 2 inputs, not 1"):
        Weighted(2.0)(v)


# ---- from a function


@symnet.as_op(itypes=[T.dvector], otypes=[T.dscalar])
def largest_gap(v: Any) -> Any:
    return np.diff(np.sort(v)).max()


def test_an_op_of_a_function() -> None:
    v = T.dvector("v")
    for mode in MODES:
        f = symnet.function([v], [largest_gap(v), 2 * largest_gap(v) + v], mode=mode)
        gap, rest = f(V)
        assert gap == 1.0
        np.testing.assert_allclose(rest, 2 + V)
    with pytest.raises(NullTypeGradError, match="largest_gap"):
        T.grad(largest_gap(v), v)
    with pytest.raises(TypeError, match="is to be a float64 vector"):
        largest_gap(T.dmatrix("m"))
    with pytest.raises(TypeError, match="is no type"):
        symnet.as_op(itypes=["dvector"], otypes=[T.dscalar])(len)


def test_a_function_of_several_results() -> None:
    @symnet.as_op(itypes=T.dvector, otypes=[T.dscalar, T.dvector])
    def both(v: Any) -> Any:
        return v.sum(), 2 * v

    @symnet.as_op(itypes=T.dvector, otypes=[T.dscalar, T.dvector])
    def one_only(v: Any) -> Any:
        return v.sum()

    v = T.dvector("v")
    total, twice = symnet.function([v], both(v))(V)
    assert total == V.sum() and twice.tolist() == (2 * V).tolist()
    with pytest.raises(TypeError, match="return 2 results"):
        symnet.function([v], one_only(v))(V)


@pytest.mark.parametrize("mode", MODES)
def test_results_that_contradict_their_type(mode: str) -> None:
    wide = T.TensorType("float64", (2,))
    for otype, result in (
        (T.fvector, V),  # float64: would lose precision
        (T.dvector, V[None]),
        (T.lvector, V),
        (wide, V),
    ):
        op = symnet.as_op(itypes=T.dvector, otypes=otype)(lambda v, r=result: r)
        v = T.dvector("v")
        with pytest.raises((TypeError, ValueError)) as caught:
            symnet.function([v], op(v), mode=mode)(V)
        assert "FromFunctionOp" in str(caught.value) and "op(v)" in str(caught.value)


def test_results_of_compute_are_looked_at_too() -> None:
    class Own(Op):
        itypes = [T.dvector]
        otypes = [T.dvector]

        def compute(self, node: Any, arrays: Any, xp: Any) -> Any:
            return [arrays[0][None]]

    v = T.dvector("v")
    with pytest.raises(TypeError, match="rank 2"):
        symnet.function([v], Own()(v))(V)


# ---- params, code that is not used, Theano's small operations


def test_params() -> None:
    class Scale(Op):
        __props__ = ("factor", "shift")
        params_type = ParamsType(factor=T.dscalar, shift=T.lscalar)

        def __init__(self, factor: Any, shift: int = 0) -> None:
            self.factor, self.shift = factor, shift

        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, outputs: Any, params: Any) -> None:
            assert isinstance(params, Params) and params["shift"] == params.shift
            outputs[0][0] = inputs[0] * params.factor + params.shift

    x = T.dvector("x")
    for mode in MODES:
        f = symnet.function([x], Scale(2.0, 3)(x), mode=mode)
        np.testing.assert_array_equal(f(V), V * 2 + 3)
    with pytest.raises(TypeError, match="expected float64 scalar, got str"):
        symnet.function([x], Scale("text")(x))(V)
    with pytest.raises(TypeError, match="no type"):
        ParamsType(factor=3)
    with pytest.raises(AttributeError, match="no attribute 'factor'"):
        Scale.params_type.get_params(object())
    assert ParamsType(a=T.dscalar) == ParamsType(a=T.dscalar) != ParamsType(b=T.dscalar)


def test_c_code_is_ignored_aloud() -> None:
    class WithCode(Op):
        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [x.type()])

        def c_code(self, *arguments: Any) -> str:
            return ""

    x = T.dvector("x")
    with pytest.warns(UnusedCodeWarning, match="WithCode.c_code is not used") as heard:
        y = WithCode()(x)
    assert "test_users.py" in str(heard[0].message)
    WithCode()(x)  # it is said once
    with pytest.raises(
        NotImplementedError, match="nor perform; c_code is not used"
    ) as no:
        symnet.function([x], y)(V)
    assert "test_users.py" in str(no.value)


class Reversed(symnet.compile.ViewOp):
    """Passes values, and gradients with the other sign."""

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        return [-output_gradients[0]]


class Doubling(symnet.compile.ViewOp):
    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] * 2


@pytest.mark.parametrize("mode", MODES)
def test_what_passes_values(mode: str) -> None:
    x = T.dvector("x")
    for op, sign in ((symnet.compile.view_op, 1), (symnet.compile.deep_copy_op, 1),
                     (Reversed(), -1)):  # fmt: skip
        y = T.exp(op(T.exp(x)))
        f = symnet.function([x], [y, T.grad(y.sum(), x)], mode=mode)
        value, slope = f(V)
        np.testing.assert_allclose(value, np.exp(np.exp(V)), rtol=1e-14)
        np.testing.assert_allclose(
            slope, sign * np.exp(np.exp(V)) * np.exp(V), rtol=1e-13
        )
    np.testing.assert_array_equal(
        symnet.function([x], Doubling()(x) + 1, mode=mode)(V), V * 2 + 1
    )


def test_what_passes_values_costs_nothing() -> None:
    x = T.dvector("x")
    f = symnet.function([x], T.exp(Reversed()(T.exp(x))))
    f(V)
    assert len(f.engine.native[0].program.steps) == 1


def test_rebroadcast() -> None:
    m = T.TensorType("float64", (1, None))("m")
    other = T.Rebroadcast((0, False), (1, True))(m)
    assert other.broadcastable == (False, True)
    f = symnet.function([m], other)
    np.testing.assert_array_equal(f([[2.0]]), [[2.0]])
    with pytest.raises(ValueError, match="1"):
        f([[2.0, 3.0]])
    with pytest.raises(ValueError, match="takes pairs"):
        T.Rebroadcast(0)


@symnet.compile.as_op([T.dvector], [T.dvector])
def doubled(x: Any) -> Any:
    return x * 2


def test_functions_as_operations_are_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    x = T.dvector("x")
    f = pickle.loads(pickle.dumps(symnet.function([x], doubled(x))))
    np.testing.assert_array_equal(f(V), V * 2)


def test_what_is_not_folded() -> None:
    class Counting(Op):
        def __init__(self, folds: bool) -> None:
            self.folds, self.calls = folds, 0

        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            self.calls += 1
            output_storage[0][0] = inputs[0] + 1

        def do_constant_folding(self, node: Apply) -> bool:
            return self.folds

    for folds, calls in ((True, 1), (False, 2)):
        op = Counting(folds)
        f = symnet.function([], op(T.constant(V)))
        for _ in range(2):
            np.testing.assert_array_equal(f(), V + 1)
        assert op.calls == calls


class Dice(symnet.Op):
    """Throws from a generator: what `perform` gets of one is a `RandomState`."""

    __props__ = ("writes",)

    def __init__(self, writes: bool) -> None:
        self.writes = writes
        if writes:
            self.destroy_map = {0: [0]}

    def make_node(self, state: Any, count: Any) -> symnet.Apply:
        count = T.as_tensor_variable(count)
        return symnet.Apply(self, [state, count], [state.type(), T.lvector()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        state, count = inputs
        outputs[1][0] = state.randint(1, 7, int(count))
        outputs[0][0] = state


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
@pytest.mark.parametrize("writes", [False, True])
def test_operations_on_a_generator(mode: str, writes: bool) -> None:
    n = T.lscalar("n")
    state = symnet.shared(np.random.RandomState(5))
    after, thrown = Dice(writes)(state, n)
    f = symnet.function([n], thrown, updates=[(state, after)], mode=mode)
    want = np.random.RandomState(5)
    for count in (3, 0, 1, 700):
        np.testing.assert_array_equal(f(count), want.randint(1, 7, count))
    np.testing.assert_array_equal(
        state.get_value().uniform(size=2), want.uniform(size=2)
    )
    given = T.raw_random.random_state_type("given")
    g = symnet.function([given, n], Dice(writes)(given, n), mode=mode)
    mine, want = np.random.RandomState(6), np.random.RandomState(6)
    left, thrown = g(mine, 4)
    np.testing.assert_array_equal(thrown, want.randint(1, 7, 4))
    assert left is not mine
    np.testing.assert_array_equal(left.uniform(size=2), want.uniform(size=2))
    np.testing.assert_array_equal(
        mine.uniform(size=2), np.random.RandomState(6).uniform(size=2)
    )
