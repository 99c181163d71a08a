"""Variables, constants, ops and their uses: identity, names, equality, messages."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.op import Op
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable, describe, operand_text

VECTOR = TensorType("float64", (None,))


class Scale(Op):
    """x * factor, written as Theano's users write ops."""

    __props__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * self.factor


class Halves(Op):
    """Two outputs and no `__props__`."""

    def make_node(self, x):
        return Apply(self, [x], [x.type(), x.type()])


class Second(Halves):
    default_output = 1


# ---- variables


def test_a_leaf():
    x = VECTOR("x")
    assert (x.name, x.owner, x.index, x.get_parents()) == ("x", None, None, [])
    assert x.origin is None
    twin = x.clone()
    assert twin is not x and twin.type == x.type and twin.name == "x"
    assert x.clone("y").name == "y"


def test_variables_are_equal_only_to_themselves():
    x, y = VECTOR("x"), VECTOR("x")
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_tags_hold_notes():
    x = VECTOR("x")
    x.tag.test_value = np.ones(3)
    assert x.tag.test_value.shape == (3,)
    assert not hasattr(VECTOR().tag, "test_value")
    node = (x + 1).owner
    node.tag.note = "n"
    assert node.tag.note == "n"


def test_attributes_of_programs_are_each_variables_own():
    x, y = VECTOR("x"), VECTOR("y")
    x.note = 1
    assert x.note == 1 and not hasattr(y, "note")


def test_arrays_leave_arithmetic_to_variables():
    x = VECTOR("x")
    for result in (np.ones(3) + x, np.float64(2) * x, np.ones(3) - x, x / np.ones(3)):
        assert isinstance(result, Variable) and result.type.ndim == 1


# ---- constants


def test_constants_hold_a_read_only_copy():
    data = np.arange(3.0)
    c = Constant(VECTOR, data, "c")
    data[0] = 7
    assert c.data[0] == 0 and c.value is c.data
    with pytest.raises(ValueError, match="read-only"):
        c.data[0] = 1
    assert not c.weak


def test_clones_of_constants_are_constants():
    c = Constant(VECTOR, np.arange(3.0), "c", number=2.5)
    twin = c.clone()
    assert isinstance(twin, Constant) and twin.number == 2.5 and twin.name == "c"
    np.testing.assert_array_equal(twin.data, c.data)


# ---- ops


def test_ops_with_props_are_values():
    assert Scale(2) == Scale(2) != Scale(3)
    assert hash(Scale(2)) == hash(Scale(2))
    assert str(Scale(2)) == "Scale{factor=2}"
    assert Scale(2) != Halves()


def test_ops_without_props_are_themselves_only():
    op = Halves()
    assert op == op and op != Halves() and hash(op) == id(op)
    assert str(op) == "Halves"


def test_subclasses_of_an_op_differ():
    class Other(Scale):
        pass

    assert Other(2) != Scale(2) and Other(2) == Other(2)


def test_calling_an_op():
    x = VECTOR("x")
    y = Scale(2.0)(x, name="y")
    assert y.owner.inputs == [x] and y.index == 0 and y.name == "y"
    assert y.get_parents() == [y.owner] and y.owner.get_parents() == y.owner.inputs
    assert isinstance(Scale(2.0)(x, return_list=True), list)
    first, second = Halves()(x)
    assert first.owner is second.owner and (first.index, second.index) == (0, 1)
    assert Second()(x).index == 1


def test_an_op_with_perform_evaluates():
    x = VECTOR("x")
    np.testing.assert_array_equal(Scale(3.0)(x).eval({x: np.arange(3.0)}), [0, 3, 6])


class Careless(Op):
    """Hands out whatever it was made with."""

    def __init__(self, result):
        self.result = result

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = self.result


def test_results_of_perform_must_fit_their_type():
    x = T.fvector("x")
    value = np.ones(2, "f4")
    np.testing.assert_array_equal(Careless([1, 2])(x).eval({x: value}), [1, 2])
    for wrong in (np.ones(2), np.ones((1, 2), "f4"), np.float32(1), None, "text"):
        with pytest.raises((TypeError, ValueError), match="operation: Careless"):
            Careless(wrong)(x).eval({x: value})


class InPlace(Op):
    """Adds 1 to its input and hands that out."""

    __props__ = ()
    destroy_map = {0: [0]}

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        inputs[0] += 1
        output_storage[0][0] = inputs[0]


def test_inputs_that_an_op_overwrites_are_copied():
    x, s, c = T.dvector("x"), symnet.shared(np.zeros(2)), T.constant([5.0, 6.0])
    value = np.zeros(2)
    for mode in ("FAST_RUN", "FAST_COMPILE", "DebugMode"):
        f = symnet.function(
            [x], [InPlace()(v) for v in (x, s, c)] + [x * 1, s, c], mode=mode
        )
        for got, want in zip(
            f(value), ([1, 1], [1, 1], [6, 7], [0, 0], [0, 0], [5, 6])
        ):
            np.testing.assert_array_equal(got, want)
        assert not value.any() and not s.get_value().any()


def test_what_an_op_does_not_define_is_said():
    x = VECTOR("x")
    with pytest.raises(TypeError, match="make_node"):
        Op()(x)
    with pytest.raises(NotImplementedError, match="perform"):
        Halves().compute(Halves()(x)[0].owner, [np.ones(3)], np)
    with pytest.raises(NotImplementedError, match="no gradient") as error:
        Scale(2.0).grad([x], [x])
    assert "float64 vector" in str(error.value)


# ---- uses of ops


def test_a_node_stands_for_its_one_output_or_its_default():
    x = VECTOR("x")
    one, two, second = Scale(2.0)(x).owner, Halves()(x)[0].owner, Second()(x).owner
    assert T.as_tensor_variable(one) is one.outputs[0]
    assert T.as_tensor_variable(second) is second.outputs[1]
    with pytest.raises(ValueError, match="has 2 outputs, and no default among them"):
        T.as_tensor_variable(two)


def test_an_output_belongs_to_one_operation():
    x = VECTOR("x")
    y = Scale(2.0)(x)
    with pytest.raises(ValueError, match="belongs to another"):
        Apply(Scale(3.0), [x], [y])


def test_counts_and_outputs():
    x = VECTOR("x")
    one, two = Scale(2.0)(x).owner, Halves()(x)[0].owner
    assert (one.nin, one.nout, two.nout) == (1, 1, 2)
    assert one.out is one.outputs[0] is one.default_output()
    with pytest.raises(AttributeError, match="2 outputs"):
        _ = two.out
    assert Second()(x).owner.default_output().index == 1


def test_clone_with_new_inputs_keeps_names_notes_and_origin():
    x, z = VECTOR("x"), VECTOR("z")
    y = Scale(2.0)(x, name="y")
    y.tag.note = 5
    other = y.owner.clone_with_new_inputs([z]).outputs[0]
    assert other is not y and other.owner.inputs == [z]
    assert other.name == "y" and other.tag.note == 5
    assert other.origin == y.origin
    assert y.owner.clone().inputs == [x]


def test_clone_with_inputs_of_another_type_checks_again():
    x = T.fmatrix("x")
    node = T.tanh(x).owner
    column = TensorType("float32", (None, 1))("c")
    assert node.clone_with_new_inputs([column]).outputs[0].type == column.type
    wide = T.dot(x, x).owner
    with pytest.raises(TypeError):
        wide.clone_with_new_inputs([T.ftensor3(), T.ftensor4()])


# ---- texts


def test_descriptions():
    x = VECTOR("x")
    assert repr(x) == "x" and repr(VECTOR()) == "<float64 vector>"
    assert describe(Constant(TensorType("float64"), np.array(2.5))) == "2.5"
    assert describe(T.constant(np.eye(20))) == "constant float64 tensor (20, 20)"
    assert describe(Halves()(x)[1]) == "Halves.1"
    assert operand_text(x) == "x, float64 vector"
    assert repr(Scale(2)(x).owner) == "Scale{factor=2}(x)"


@pytest.mark.parametrize("name", [3, b"x", ["a", "b"], np.zeros(2), T.dmatrix("m")])
def test_names_are_texts(name):
    """What is passed by mistake is told at once, not where the name is printed."""
    for make in (T.dvector, lambda name: symnet.shared(np.zeros(2), name)):
        with pytest.raises(TypeError, match="a variable's name is a string, not "):
            make(name)
