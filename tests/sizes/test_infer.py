"""Sizes worked out at compile time, against the shapes of reference evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import symnet
import symnet.tensor as T
from symnet.errors import ShapeError
from symnet.graph.evaluate import evaluate
from symnet.graph.op import Op
from symnet.graph.traverse import ancestors, leaves, toposort
from symnet.graph.variables import Apply, Constant
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.views import ONE, ZERO, add, known, multiply, size, subtract
from symnet.shared import SharedVariable
from symnet.sizes.host_code import make_function
from symnet.sizes.infer import DataDependentSize, HostArgument, Inference
from tests.test_fuzz import programs


def free(outputs):
    return [v for v in leaves(outputs) if not isinstance(v, Constant)]


def arguments(inference, values):
    """The host arguments of a call with these values (shared variables have theirs)."""
    found = []
    for one in inference.arguments:
        leaf = one.leaf
        array = leaf.array if isinstance(leaf, SharedVariable) else values[leaf]
        found.append(int(array) if one.axis is None else array.shape[one.axis])
    return found


def inferred(variable, values):
    """The sizes of a variable in numbers, after all demands were seen to hold."""
    inference = Inference(free([variable]))
    sizes = inference.sizes_of(variable)
    numbers = arguments(inference, values)
    assert all(make_function([d.condition for d in inference.demands])(numbers))
    return make_function(list(sizes))(numbers)


def agrees(variable, values):
    values = {v: np.asarray(a, dtype=v.dtype) for v, a in values.items()}
    (want,) = evaluate([variable], values)
    assert inferred(variable, values) == want.shape


@pytest.mark.filterwarnings("ignore")
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(programs())
def test_sizes_and_host_values_of_random_programs(program):
    builder, outputs, updates = program
    results = [*outputs, *updates.values()]
    inference = Inference(free(results))
    variables = ancestors(results)
    sizes = [inference.sizes_of(v) for v in variables]
    hosts = [inference.host(v) for v in variables]
    numbers = arguments(inference, builder.values)
    assert all(make_function([d.condition for d in inference.demands])(numbers))
    arrays = evaluate(variables, builder.values)
    for found, host, array in zip(sizes, hosts, arrays, strict=True):
        assert make_function(list(found))(numbers) == array.shape
        if host is not None:
            parts = host if isinstance(host, tuple) else (host,)
            assert (
                list(make_function(list(parts))(numbers)) == array.reshape(-1).tolist()
            )


@pytest.mark.parametrize(
    "build",
    [
        lambda x, n: x[n:],
        lambda x, n: x[: n - 5 : 2],
        lambda x, n: x[::-1][n : 2 * n],
        lambda x, n: T.arange(n * 2),
        lambda x, n: T.arange(n, x.shape[0] + 4, 2),
        lambda x, n: T.zeros((n, x.shape[1] // 2)),
        lambda x, n: x.reshape((x.shape[0] * x.shape[1], 1)),
        lambda x, n: x.reshape((-1, n)),
        lambda x, n: T.tile(x, (2, n)),
        lambda x, n: T.concatenate([x, x[:n]], axis=0),
        lambda x, n: T.eye(n, x.shape[0]),
        lambda x, n: T.alloc(0.0, x.size, T.maximum(n, 2)),
        lambda x, n: x.repeat(n, axis=1),
        lambda x, n: T.zeros_like(x[n]),
        lambda x, n: T.ones((T.cast(T.ceil(n / 2.0), "int64"),)),
        lambda x, n: T.ones(T.switch(T.lt(n, 2), 1, x.shape[0])),
    ],
)
@pytest.mark.parametrize("n", [1, 2, 4])
def test_sizes_that_depend_on_values(build, n):
    x, count = T.dmatrix("x"), T.lscalar("n")
    agrees(build(x, count), {x: np.zeros((6, 4)), count: n})


def test_small_integers_wrap_as_in_memory():
    n = T.bscalar("n")
    agrees(T.zeros((T.abs_(n + n),)), {n: 100})


# ---- equal sizes are one


def test_sizes_of_leaves():
    x = T.TensorType("float64", (None, 1, 3))("x")
    inference = Inference([x])
    first, one, three = inference.sizes_of(x)
    assert one is ONE and three is size(3) and first.op == "argument"
    assert inference.arguments == [HostArgument(x, 0)]


def test_sizes_that_must_agree_become_one():
    x, y, z = T.dvectors("x", "y", "z")
    inference = Inference([x, y, z])
    inference.sizes_of(x + y)
    (a,), (b,), (c,) = map(inference.sizes_of, (x, y, z))
    assert inference.same(a, b) and not inference.same(a, c)
    inference.sizes_of(y * z)
    assert inference.same(a, c) and len(inference.demands) == 2
    inference.sizes_of(x - z)
    assert len(inference.demands) == 2  # known by now


def test_a_known_size_stands_for_an_unknown_one():
    x, y = T.dvector("x"), T.TensorType("float64", (4,))("y")
    inference = Inference([x, y])
    assert inference.sizes_of(x + y) == (size(4),)
    assert inference.one_of(inference.sizes_of(x)[0]) is size(4)
    (demand,) = inference.demands
    assert demand.kind is ShapeError and demand.node.op.name == "add"


def test_known_sizes_that_contradict_fail_at_once():
    x = T.TensorType("float64", (None, 3))("x")
    inference = Inference([x])
    inference.node = (x + 1).owner
    with pytest.raises(ShapeError, match="3 and 4") as error:
        inference.equal(size(3), size(4), "here")
    assert "operation: add" in str(error.value) and __file__ in str(error.value)


def test_requirements():
    inference = Inference([])
    inference.require(scalars.literal(True, "bool"), "fine")
    with pytest.raises(IndexError, match="not fine"):
        inference.require(scalars.literal(False, "bool"), "not fine", IndexError)
    assert not inference.demands
    n = T.lscalar("n")
    inference = Inference([n])
    inference.require(scalars.binary("gt", inference.value(n), 0), "positive")
    assert [d.what for d in inference.demands] == ["positive"]


def test_what_is_never_negative_need_not_be_demanded():
    """A demand inside a branch would make the condition decide about sizes."""
    x, n = T.dmatrix("x"), T.lscalar("n")
    inference = Inference([x, n])
    (rows, _), value = inference.sizes_of(x), inference.value(n)
    for size_, demanded in (
        (rows, 0),
        (scalars.binary("maximum", subtract(rows, ONE), ZERO), 0),
        (add(rows, ONE), 0),
        (value, 1),
        (subtract(rows, ONE), 1),
    ):
        inference.demands.clear()
        inference.require(scalars.binary("ge", size_, 0), "not negative")
        assert len(inference.demands) == demanded


def test_never_negative():
    x, n = T.dmatrix("x"), T.lscalar("n")
    inference = Inference([x, n])
    (rows, columns), value = inference.sizes_of(x), inference.value(n)
    for fine in (
        rows,
        multiply(rows, columns),
        add(rows, ONE),
        ZERO,
        scalars.binary("maximum", value, ZERO),
    ):
        assert inference.never_negative(fine)
    for unknown in (value, subtract(rows, columns), add(rows, value), size(-1)):
        assert not inference.never_negative(unknown)


# ---- values on the host


def test_host_values_of_shapes_and_scalars():
    x, n = T.dmatrix("x"), T.iscalar("n")
    inference = Inference([x, n])
    rows, columns = inference.sizes_of(x)
    assert inference.host(x.shape) == (rows, columns)
    assert inference.host(x.shape[1]) is columns
    assert inference.values(x.shape * 2) == (
        multiply(rows, size(2)),
        multiply(columns, size(2)),
    )
    assert known(inference.value(T.constant(7))) == 7
    assert inference.value(n).op == "argument"
    assert inference.host(x) is None and inference.host(T.dscalar()) is None
    assert inference.host(T.lvector()) is None
    with pytest.raises(DataDependentSize):
        inference.value(T.lvector())
    with pytest.raises(DataDependentSize):
        inference.values(x)


def test_a_vector_is_not_taken_for_a_number():
    x = T.dmatrix("x")
    inference = Inference([x])
    with pytest.raises(TypeError, match="one integer, got 2"):
        inference.value(x.shape)
    assert inference.values(x.shape[0]) == (inference.sizes_of(x)[0],)


def test_sizes_that_only_a_run_can_tell():
    x, mask = T.dvector("x"), T.lvector("m")
    inference = Inference([x, mask])
    positions = T.nonzero(mask)[0]
    with pytest.raises(DataDependentSize) as missing:
        inference.sizes_of(x[positions])
    assert missing.value.variable.owner.op == positions.owner.op
    inference.add_leaf(positions)
    (length,) = inference.sizes_of(x[positions])
    assert length is inference.sizes_of(positions)[0]
    with pytest.raises(DataDependentSize):
        inference.sizes_of(T.arange(T.argmax(x)))


def test_an_op_without_a_rule_of_sizes():
    class Mystery(Op):
        def make_node(self, x):
            return Apply(self, [x], [x.type()])

    x = T.dvector("x")
    with pytest.raises(DataDependentSize):
        Inference([x]).sizes_of(Mystery()(x))


def test_what_the_type_says_is_taken():
    x = T.dmatrix("x")
    narrow = (
        T.specify_shape(x, (None, 3))
        if hasattr(T, "specify_shape")
        else T.addbroadcast(x, 1)
    )
    inference = Inference([x])
    assert known(inference.sizes_of(narrow)[1]) == narrow.type.shape[1]


def loops_of_one_step(x, z):
    """Two loops over the rows of these matrices, whose op and so whose step is the same."""
    first, _ = symnet.scan(
        lambda row, w: (row * w, row[:-1]), [x], non_sequences=[x[0]]
    )
    node = first[0].owner
    again = node.op.make_node(z.shape[0], z, z[0]).outputs
    assert again[0].owner.op.graph is node.op.graph
    return [*node.outputs, *again]


def test_loops_of_one_step_have_the_sizes_of_their_own_arrays():
    x, z = T.dmatrices("x", "z")
    results = loops_of_one_step(x, z)
    values = {x: np.ones((2, 3)), z: np.ones((5, 4))}
    inference = Inference([x, z])
    sizes = [inference.sizes_of(v) for v in results]
    numbers = arguments(inference, values)
    found = [make_function(list(one))(numbers) for one in sizes]
    assert found == [v.shape for v in evaluate(results, values)]


def test_each_loop_of_one_step_demands_what_the_step_does():
    x, z, w = T.dmatrix("x"), T.dmatrix("z"), T.dvector("w")
    first, _ = symnet.scan(lambda row, w: row * w, [x], non_sequences=[w])
    node = first.owner
    second = node.op.make_node(z.shape[0], z, w).outputs[0]
    inference = Inference([x, z, w])
    inference.sizes_of(first), inference.sizes_of(second)
    shapes = {x: np.ones((2, 3)), z: np.ones((2, 4)), w: np.ones(3)}
    numbers = arguments(inference, shapes)
    held = make_function([d.condition for d in inference.demands])(numbers)
    assert not all(held)  # of the second loop; the first is right
    assert all(make_function([d.condition for d in inference.demands])(
        arguments(inference, shapes | {z: np.ones((2, 3))})
    ))  # fmt: skip


def test_deep_graphs():
    x = T.dvector("x")
    y = x
    for _ in range(20_000):
        y = T.tanh(y)
    assert len(toposort([y])) == 20_000
    inference = Inference([x])
    assert inference.sizes_of(y) == inference.sizes_of(x)
    n = T.lscalar("n")
    m = n
    for _ in range(20_000):
        m = m + 1
    inference = Inference([n])
    assert make_function([inference.value(m)])([5]) == (20_005,)
