"""`theano.tests.unittest_tools`, as tests of users' operations use it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.theano_names import parts
from symnet.theano_settings import Settings

settings = Settings()
tools: dict[str, Any] = vars(parts(settings)["theano.tests.unittest_tools"])


class Doubled(symnet.Op):
    """2 x, of a matrix."""

    __props__ = ("promise",)

    def __init__(self, promise: str = "right") -> None:
        self.promise = promise

    def make_node(self, x: Any) -> symnet.Apply:
        x = T.as_tensor_variable(x)
        return symnet.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = 2 * inputs[0]

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        (rows, columns) = shapes[0]
        return [(columns, rows)] if self.promise == "wrong" else [(rows, columns)]

    def grad(self, inputs: Any, gradients: Any) -> Any:
        return [gradients[0] * (3 if self.promise == "steep" else 2)]


def sizes_test(op: Any, value: Any, **settings: Any) -> None:
    case = tools["InferShapeTester"]()
    case.setUp()
    x = T.dmatrix("x")
    case._compile_and_check([x], [op(x)], [value], type(op), **settings)


def test_sizes() -> None:
    sizes_test(Doubled(), np.ones((2, 3)))
    with pytest.raises(Exception, match="promise"):
        sizes_test(Doubled("wrong"), np.ones((2, 3)))
    with pytest.warns(UserWarning, match="of equal sizes"):
        sizes_test(Doubled(), np.ones((3, 3)))


def test_sizes_that_need_the_operation() -> None:
    class Chosen(symnet.Op):
        """The elements that are not 0, as many as there are."""

        __props__ = ()

        def make_node(self, x: Any) -> symnet.Apply:
            x = T.as_tensor_variable(x)
            return symnet.Apply(self, [x], [T.dvector()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = inputs[0][inputs[0] != 0]

    with pytest.raises(AssertionError, match="the sizes of the results compute Chosen"):
        sizes_test(Chosen(), np.eye(2, 3))
    sizes_test(Chosen(), np.eye(2, 3), check_topo=False)
    case = tools["InferShapeTester"]()
    case.setUp()
    x = T.dmatrix("x")
    with pytest.raises(AssertionError, match="no .*Chosen.* computes the results"):
        case._compile_and_check([x], [T.exp(x)], [np.eye(2, 3)], Chosen)


def test_gradients() -> None:
    points = [np.array([[0.5, -1.0, 2.0]])]
    tools["verify_grad"](Doubled(), points)
    with pytest.raises(tools["verify_grad"].E_grad):
        tools["verify_grad"](Doubled("steep"), points)


def test_seeds() -> None:
    drawn = np.random.rand  # noqa: NPY002  what they seed
    assert tools["fetch_seed"]() == tools["seed_rng"]() == 666
    first = drawn()
    tools["seed_rng"]()
    assert drawn() == first
    assert tools["seed_rng"](7) == 7
    assert drawn() == np.random.RandomState(7).rand()
    with settings.change_flags({"unittests.rseed": "random"}):
        assert tools["fetch_seed"]() is None
    with settings.change_flags({"unittests.rseed": "12"}):
        assert tools["fetch_seed"]() == 12
    with (
        settings.change_flags({"unittests.rseed": "x"}),
        pytest.warns(UserWarning, match="no number"),
    ):
        assert tools["fetch_seed"]() is None


def test_closeness_is_that_of_the_narrower_dtype() -> None:
    close = tools["assert_allclose"]
    close(np.float32([1.0]), np.float64([1.0 + 5e-6]))
    close(np.zeros(0), np.zeros(0))
    close(1.0, 1.1, rtol=0.2)
    for value in (np.array([1.0001]), np.array([np.nan])):
        with pytest.raises(tools["WrongValue"], match="expected: float64 of shape"):
            close(np.ones(1), value)
    with pytest.raises(tools["WrongValue"], match="off by up to 0.5"):
        close(np.ones(2), np.array([1.0, 1.5]))


def test_the_contract_of_operations() -> None:
    class Kept(tools["T_OpContractMixin"]):  # type: ignore[misc]
        ops = [Doubled("right"), Doubled("wrong")]

        def clone(self, op: Any) -> Any:
            return Doubled(op.promise)

    for test in (Kept().test_eq, Kept().test_hash, Kept().test_name):
        test()

    class Unequal(symnet.Op):
        __eq__ = object.__eq__
        __hash__ = object.__hash__

    class Broken(tools["T_OpContractMixin"]):  # type: ignore[misc]
        ops = [Unequal()]

        def clone(self, op: Any) -> Any:
            return Unequal()

    with pytest.raises(AssertionError, match="differs from a copy"):
        Broken().test_eq()
    with pytest.raises(AssertionError, match="other hashes"):
        Broken().test_hash()

    class Twice(Kept):
        ops = [Doubled(), Doubled()]

    with pytest.raises(AssertionError, match="equals another"):
        Twice().test_eq()


def test_what_is_in_a_function() -> None:
    check = tools["TestOptimizationMixin"]()
    x = T.dmatrix("x")
    f = symnet.function([x], Doubled()(Doubled()(x)))
    check.assertFunctionContainsN(f, Doubled(), 2)
    check.assertFunctionContains0(f, Doubled("wrong"))
    check.assertFunctionContainsClass(f, Doubled)
    with pytest.raises(AssertionError, match="2 times, not 1 to 1"):
        check.assertFunctionContains1(f, Doubled())
    with pytest.raises(AssertionError, match="2 times, not 3 to 3"):
        check.assertFunctionContainsClassN(f, Doubled, 3)


def test_a_test_that_may_fail_by_chance_is_repeated() -> None:
    def attempted(passes: list[bool], attempts: int, needed: int) -> list[Any]:
        seeds = []

        @tools["AttemptManyTimes"](n_attempts=attempts, n_req_successes=needed)
        def test() -> None:
            seeds.append(tools["fetch_seed"]())
            assert passes[len(seeds) - 1], f"attempt {len(seeds)}"

        test()
        return seeds

    assert attempted([False, True, False, True, True], 5, 2) == [666, 667, 668, 669]
    with pytest.raises(AssertionError, match="attempt 2"):
        attempted([False, False, True], 3, 2)
    assert settings.unittests.rseed == 666
    with pytest.raises(ValueError, match="2 successes of 1 attempts"):
        tools["AttemptManyTimes"](1, 2)


def test_random_numbers_at_the_ends() -> None:
    low, high = tools["MockRandomState"](0), tools["MockRandomState"](0.9)
    assert low.rand(2, 3).tolist() == np.zeros((2, 3)).tolist()
    assert low.randint(3, 5, size=2).tolist() == [3, 3]
    assert high.randint(5).tolist() == [4]
