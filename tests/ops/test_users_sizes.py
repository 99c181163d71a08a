"""What a user's operation says of sizes and of writing, and what is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import Apply, Op
from symnet.compile.debugmode import BadViewMap
from symnet.errors import ShapeError

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
V = np.array([1.0, 2.0, 0.5])


class Repeated(Op):
    """Each element twice; `said` is what `infer_shape` gives."""

    def __init__(self, said: Any = lambda node, shapes: [(2 * shapes[0][0],)]) -> None:
        self.said = said
        self.runs = 0

    def make_node(self, v: Any) -> Apply:
        return Apply(self, [T.as_tensor_variable(v)], [T.dvector()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        self.runs += 1
        output_storage[0][0] = np.repeat(inputs[0], 2)

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return self.said(node, shapes)


class Later(Repeated):
    """The later form of `infer_shape`."""

    def infer_shape(self, fgraph: Any, node: Any, shapes: Any) -> Any:  # type: ignore[override]
        return self.said(node, shapes)


# ---- infer_shape


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Repeated, Later])
def test_sizes_need_no_run(mode: str, kind: Any) -> None:
    v, op = T.dvector("v"), kind()
    y = op(op(v))
    f = symnet.function([v], [y.shape, y.shape[0] + 1, T.arange(y.size)], mode=mode)
    for n in (3, 0, 5):
        op.runs = 0
        shape, more, numbers = f(np.ones(n))
        assert shape.tolist() == [4 * n] and more == 4 * n + 1
        assert numbers.tolist() == list(range(4 * n))
        assert op.runs == 0 or mode == "DebugMode"
    value, shape = symnet.function([v], [y, y.shape], mode=mode)(V)
    assert value.tolist() == np.repeat(V, 4).tolist() and shape.tolist() == [12]


def test_sizes_of_what_is_given_in_its_place() -> None:
    v, w = T.dvectors("v", "w")
    y = Repeated()(v)
    f = symnet.function([w], y.shape, givens={y: w})
    assert f(V).tolist() == [3]


def test_sizes_that_depend_on_values() -> None:
    class Zeros(Op):
        itypes = [T.lscalar]
        otypes = [T.dvector]

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = np.zeros(int(inputs[0]))

        def infer_shape(self, node: Any, shapes: Any) -> Any:
            return [(node.inputs[0],)]

    n = T.lscalar("n")
    y = Zeros()(n)
    for mode in MODES:
        value, size = symnet.function([n], [y + 1, y.shape[0]], mode=mode)(4)
        assert value.tolist() == [1] * 4 and size == 4


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_contradicts(mode: str) -> None:
    v = T.dvector("v")
    for said in (
        lambda node, shapes: [(shapes[0][0],)],
        lambda node, shapes: [(shapes[0][0] + 1,)],
        lambda node, shapes: [(7,)],
    ):
        y = Repeated(said)(v)  # this line
        looped, _ = symnet.scan(lambda row, s=said: Repeated(s)(row), T.stack([v, v]))
        for graph in (y, y + 1, looped):
            with pytest.raises(ShapeError, match=r"result 0 has shape \(6,\)") as found:
                symnet.function([v], graph, mode=mode)(V)
            text = str(found.value)
            assert "infer_shape says (" in text and "operation: Repeated" in text
            assert graph is looped or "# this line" in text


@pytest.mark.parametrize(
    ("said", "error", "what"),
    [
        ((3,), TypeError, "is no tuple"),
        (None, TypeError, "for 1 outputs"),
        ([], TypeError, "for 1 outputs"),
        ([(1,), (2,)], TypeError, "for 1 outputs"),
        ([(1, 2)], ValueError, "2 sizes for output 0, which has rank 1"),
        ([()], ValueError, "0 sizes for output 0"),
        ([(1.5,)], TypeError, "1.5 along axis 0 of output 0: no integer"),
        ([(True,)], TypeError, "no integer"),
        ([("3",)], TypeError, "no integer"),
        ([(-1,)], ValueError, "-1 along axis 0"),
        ([(T.dscalar("d"),)], TypeError, "float64 scalar along axis 0"),
        ([(T.lvector("l"),)], TypeError, "int64 vector along axis 0"),
    ],
)
def test_sizes_that_are_none(said: Any, error: Any, what: str) -> None:
    v = T.dvector("v")
    y = Repeated(lambda node, shapes: said)(v)  # this line
    for graph in (y, y.shape):
        with pytest.raises(error, match=what) as found:
            symnet.function([v], graph)(V)
        assert "infer_shape gave" in str(found.value)
        assert "# this line" in str(found.value)


def test_an_error_in_infer_shape_keeps_its_kind() -> None:
    v = T.dvector("v")

    def fails(node: Any, shapes: Any) -> Any:
        raise KeyError("some")

    with pytest.raises(KeyError) as found:
        symnet.function([v], Repeated(fails)(v).shape)
    assert "infer_shape of Repeated" in found.value.__notes__[0]


def test_sizes_that_only_a_run_can_tell() -> None:
    def unknown(node: Any, shapes: Any) -> Any:
        raise NotImplementedError

    v = T.dvector("v")
    for said in (unknown, lambda node, shapes: [None], lambda node, s: [(None,)]):
        op = Repeated(said)
        assert symnet.function([v], op(v).shape)(V).tolist() == [6]
        assert op.runs


def test_a_function_with_infer_shape() -> None:
    runs = []

    def twice(v: Any) -> Any:
        runs.append(v)
        return np.repeat(v, 2)

    def sizes(node: Any, shapes: Any) -> Any:
        return [(shapes[0][0] * 2,)]

    v = T.dvector("v")
    op = symnet.as_op([T.dvector], [T.dvector], infer_shape=sizes)(twice)
    assert symnet.function([v], op(v).shape)(V).tolist() == [6] and not runs
    wrong = symnet.as_op([T.dvector], [T.dvector], infer_shape=lambda n, s: s)(twice)
    with pytest.raises(ShapeError, match="infer_shape says"):
        symnet.function([v], wrong(v))(V)


@pytest.mark.parametrize("mode", MODES)
def test_sizes_that_a_step_computes(mode: str) -> None:
    """What only a run inside of a loop can tell is not asked of its rows outside."""

    class Positive(Op):
        itypes = [T.dvector]
        otypes = [T.dvector]

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0][inputs[0] > 0]

    m = T.dmatrix("m")
    rows, _ = symnet.scan(lambda row: Positive()(row), m)
    outputs = [rows.shape, T.zeros_like(rows) + 1, rows[:, :1].shape]
    given = np.array([[1.0, -1, 2], [-1, 3, 4]])
    shape, ones, part = symnet.function([m], outputs, mode=mode)(given)
    assert shape.tolist() == [2, 2] and part.tolist() == [2, 1]
    assert ones.tolist() == [[1, 1], [1, 1]]


# ---- writing into inputs


class Overwrites(Op):
    """Writes into its input, in one of several ways, and hands it out."""

    itypes = [T.dvector]
    otypes = [T.dvector]

    def __init__(self, write: Any) -> None:
        self.write = write

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        self.write(inputs[0])
        output_storage[0][0] = inputs[0]


class Declares(Overwrites):
    destroy_map = {0: [0]}


def assigns(v: Any) -> None:
    v[0] = 7


def adds(v: Any) -> None:
    v += 7


WAYS = (assigns, adds, lambda v: v.sort(), lambda v: np.negative(v, out=v))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("write", WAYS)
def test_writing_into_an_input(mode: str, write: Any) -> None:
    v, s = T.dvector("v"), symnet.shared(V.copy())
    wanted = V.copy()
    write(wanted)
    for source in (v, s, 1 * v, T.constant(V)):
        y = Overwrites(write)(source)  # this line
        inputs = [v] if source is not s else []
        given = [V.copy() for _ in inputs]
        f = symnet.function(
            inputs, [y, source + 1], mode=mode, on_unused_input="ignore"
        )
        with pytest.raises(ValueError, match="read-only") as found:
            f(*given)
        assert "destroy_map" in str(found.value) and "# this line" in str(found.value)
        both = [Declares(write)(source), source + 1]
        f = symnet.function(inputs, both, mode=mode, on_unused_input="ignore")
        for _ in range(2):
            changed, more = f(*given)
            np.testing.assert_allclose(changed, wanted)
            np.testing.assert_allclose(more, V + 1)
            assert all((one == V).all() for one in [*given, s.get_value()])


def test_a_function_that_writes() -> None:
    v = T.dvector("v")
    op = symnet.as_op([T.dvector], [T.dvector])(lambda a: a.sort() or a)
    with pytest.raises(ValueError, match="read-only"):
        symnet.function([v], op(v))(V.copy())


@pytest.mark.parametrize("mode", MODES)
def test_an_input_handed_out_is_no_alias(mode: str) -> None:
    v, s = T.dvector("v"), symnet.shared(V.copy())
    same = Overwrites(lambda a: None)
    given = V.copy()
    f = symnet.function([v], [same(v), same(s)], mode=mode)
    if mode == "DebugMode":
        with pytest.raises(BadViewMap, match="result 0 is memory of input 0"):
            f(given)
        return
    first, second = f(given)
    first[0] = second[0] = 9
    assert given[0] == s.get_value()[0] == 1


class Twice(symnet.Op):
    """As operations for Theano are written: the result has the operand's type, which told no
    sizes there, and another size."""

    __props__ = ()

    def make_node(self, x: Any) -> Any:
        x = T.as_tensor_variable(x)
        return symnet.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = np.concatenate([inputs[0], inputs[0]])

    def grad(self, inputs: Any, gradients: Any) -> Any:
        count = inputs[0].shape[0]
        return [gradients[0][:count] + gradients[0][count:]]


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_the_type_of_an_operand_promises_no_size_of_a_result(mode: str) -> None:
    x = T.alloc(T.dscalar("x"), 3, 4)
    result = Twice()(x)
    assert result.type == T.dmatrix().type
    assert Twice()(np.ones((1, 4))).type.shape == (
        1,
        None,
    )  # broadcastable, as in Theano
    slope = symnet.grad((result * result).sum(), x.owner.inputs[0])
    f = symnet.function(x.owner.inputs[:1], [result, slope], mode=mode)
    value, found = f(2.0)
    np.testing.assert_array_equal(value, np.full((6, 4), 2.0))
    assert found == 96.0
