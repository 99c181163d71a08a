"""Types that users write: their values are objects of Python, which pass through a function,
a condition and a loop as what the type's `filter` makes of them."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import gof
from symnet.compile import SharedVariable
from symnet.compile.nanguardmode import NanGuardMode
from symnet.errors import AsTensorError
from symnet.ifelse import ifelse
from symnet.typed_list import TypedListType, length

Poly1d = np.poly1d
MODES = [
    "FAST_RUN", "FAST_COMPILE", "DebugMode",
    NanGuardMode(nan_is_error=True, inf_is_error=True, big_is_error=True),
]  # fmt: skip


class Polynomial(gof.Type):
    """NumPy's polynomials, also made from coefficients."""

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Poly1d:
        if isinstance(value, Poly1d):
            return value
        if strict or not isinstance(value, (list, tuple)):
            raise TypeError(f"expected a polynomial, got {value!r}")
        return Poly1d(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial)

    def __hash__(self) -> int:
        return hash(Polynomial)


class Plus(symnet.Op):
    __props__ = ()

    def make_node(self, x: Any, y: Any) -> symnet.Apply:
        return symnet.Apply(self, [x, y], [Polynomial()()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = inputs[0] + inputs[1]


class At(symnet.Op):
    """The values of a polynomial at numbers."""

    __props__ = ()

    def make_node(self, p: Any, x: Any) -> symnet.Apply:
        x = T.as_tensor_variable(x)
        return symnet.Apply(self, [p, x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = np.asarray(inputs[0](inputs[1]), inputs[1].dtype)

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return [shapes[1]]

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[False], [True]]

    def grad(self, inputs: Any, gradients: Any) -> list[Any]:
        p, x = inputs
        slope = At()(Derivative()(p), x)
        return [symnet.gradient.DisconnectedType()(), gradients[0] * slope]


class Derivative(symnet.Op):
    __props__ = ()

    def make_node(self, p: Any) -> symnet.Apply:
        return symnet.Apply(self, [p], [p.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = inputs[0].deriv()


p, q, v = Polynomial()("p"), Polynomial()("q"), T.dvector("v")
A, B, X = Poly1d([1.0, 2.0, -1.0]), Poly1d([3.0, 4.0]), np.array([0.5, -2.0, 3.0])


def same(found: Any, expected: Poly1d) -> bool:
    return isinstance(found, Poly1d) and np.array_equal(found.coeffs, expected.coeffs)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_in_and_out(mode: Any) -> None:
    f = symnet.function(
        [p, q, v], [Plus()(p, q), T.exp(At()(p, v)).sum(), p], mode=mode
    )
    for _ in range(2):
        total, number, first = f(A, [3.0, 4.0], X)
        assert same(total, A + B)
        np.testing.assert_allclose(number, np.exp(A(X)).sum())
        assert same(first, A) and first is not A  # the caller's own
    for size in (0, 1, 5):
        at = np.linspace(-1, 1, size)
        np.testing.assert_allclose(f(A, B, at)[1], np.exp(A(at)).sum())


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_between_two_operations_of_a_native_program(mode: Any, dtype: str) -> None:
    x = T.vector("x", dtype)
    y = At()(Plus()(p, q), T.exp(x))
    slope = symnet.grad(T.sqr(y).sum(), x)
    f = symnet.function([p, q, x], [y, slope], mode=mode)
    at = np.array([0.1, -0.3], dtype)
    found, gradient = f(A, B, at)
    total, e = A + B, np.exp(at)
    np.testing.assert_allclose(found, total(e), rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * total(e) * total.deriv()(e) * e, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_shared_variables_and_defaults(mode: Any) -> None:
    s = SharedVariable(Polynomial(), [1.0, 1.0], "s")
    assert (
        same(s.get_value(), Poly1d([1.0, 1.0])) and s.get_value() is not s.get_value()
    )
    assert s.get_value(borrow=True) is s.get_value(borrow=True)
    step = symnet.function([symnet.In(q, value=[1.0, 0.0])], [], updates=[(s, Plus()(s, q))],
                           mode=mode)  # fmt: skip
    step()
    step(q=B)
    assert same(s.get_value(), Poly1d([5.0, 5.0]))
    s.set_value([2.0])
    f = symnet.function([v], At()(s, v), mode=mode)
    np.testing.assert_array_equal(f(X), [2.0] * 3)
    with pytest.raises(TypeError, match="expected a polynomial, got 'x'"):
        s.set_value("x")


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_in_conditions(mode: Any) -> None:
    c = T.iscalar("c")
    several = ifelse(c, [p, v, Plus()(p, q)], [q, 2 * v, p])
    f = symnet.function([c, p, q, v], [*several, At()(ifelse(c, p, q), v)], mode=mode)
    for condition, expected in ((1, (A, X, A + B, A(X))), (0, (B, 2 * X, A, B(X)))):
        first, second, third, fourth = f(condition, A, B, X)
        assert same(first, expected[0]) and same(third, expected[2])
        np.testing.assert_allclose(second, expected[1])
        np.testing.assert_allclose(fourth, expected[3])


def test_only_the_branch_taken_is_computed() -> None:
    class Fails(Plus):
        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            raise AssertionError("it is not to run")

    c = T.iscalar("c")
    f = symnet.function([c, p], ifelse(c, p, Fails()(p, p)))
    assert same(f(1, A), A)
    with pytest.raises(AssertionError, match="it is not to run"):
        f(0, A)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_in_loops(mode: Any) -> None:
    def step(x: Any, before: Any, one: Any) -> Any:
        return before + At()(one, x) * At()(q, x)  # q is not handed in

    sums, _ = symnet.scan(step, v, T.constant(0.0), p)
    slope = symnet.grad(sums[-1], v)
    f = symnet.function([p, q, v], [sums, slope], mode=mode)
    for at in (X, X[:1]):
        found, gradient = f(A, B, at)
        np.testing.assert_allclose(found, np.cumsum((A * B)(at)))
        np.testing.assert_allclose(gradient, (A * B).deriv()(at))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_lists_of_arrays_in_loops(mode: Any) -> None:
    rows = TypedListType(T.dvector)("rows")
    sums, _ = symnet.scan(
        lambda i, given: given[i].sum(), T.arange(length(rows)), None, rows
    )
    f = symnet.function([rows], sums, mode=mode)
    np.testing.assert_allclose(f([[1.0, 2.0, 3.0], [4.0, 5.0], []]), [6.0, 9.0, 0.0])
    assert f([]).shape == (0,)


def test_a_type_made_without_a_class() -> None:
    double = gof.Type()
    double.filter = lambda value, strict=False, allow_downcast=None: float(value)  # type: ignore[method-assign]
    x, y = double("x"), double("y")
    product = gof.Op()
    product.make_node = lambda *given: symnet.Apply(product, given, [double()])  # type: ignore[method-assign]

    def perform(node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = inputs[0] * inputs[1]

    product.perform = perform  # type: ignore[method-assign]
    f = symnet.function([x, y], product(x, y))
    assert f(5, 6) == 30.0 and type(f(5, 6)) is float


def test_copies_and_pickles() -> None:
    f = symnet.function([p, q], Plus()(p, q))
    for twin in (f.copy(), pickle.loads(pickle.dumps(f))):
        assert same(twin(A, B), A + B)
    assert same(Plus()(p, q).eval({p: A, q: B}), A + B)
    inner = symnet.OpFromGraph([p, q], [Plus()(p, q)])
    assert same(symnet.function([p, q], inner(p, q))(A, B), A + B)
    given = symnet.function([p], Plus()(p, q), givens={q: p})
    assert same(given(A), A + A)


# ---- what is refused


def test_wrong_values() -> None:
    f = symnet.function([p], Plus()(p, p))
    with pytest.raises(
        TypeError, match=r"argument 0 \(p\): expected a polynomial, got 3"
    ):
        f(3)
    f = symnet.function([symnet.In(p, strict=True)], Plus()(p, p))
    with pytest.raises(TypeError, match="expected a polynomial"):
        f([1.0])

    class Wrong(Plus):
        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = "no polynomial"

    text = "(?s)got .no polynomial.*Wrong.*p, Polynomial.*your line: .*test_users"
    with pytest.raises(TypeError, match=text):
        symnet.function([p], Wrong()(p, p))(A)


def test_what_holds_no_values_is_no_output() -> None:
    class Nothing(gof.Type):
        pass

    with pytest.raises(TypeError, match="(?s)x.* cannot be an output.*define filter"):
        symnet.function([], Nothing()("x"))


def test_branches_and_loops_of_other_types() -> None:
    c = T.iscalar("c")
    with pytest.raises(TypeError, match="(?s)the branches differ in type.*one type"):
        ifelse(c, p, v)
    with pytest.raises(TypeError, match="is not a tensor"):
        symnet.scan(lambda x: x, sequences=p, n_steps=2)
    with pytest.raises(AsTensorError, match="is not a tensor"):
        T.exp(p)


def test_a_value_that_cannot_be_copied() -> None:
    class Lock(gof.Type):
        def filter(
            self, value: Any, strict: bool = False, allow_downcast: Any = None
        ) -> Any:
            return value

    class SharedLock(gof.Generic):
        pass

    lock = threading.Lock()
    with pytest.raises(TypeError, match="(?s)cannot be returned.*Generic"):
        symnet.function([x := Lock()("x")], x)(lock)
    assert symnet.function([x := SharedLock()("x")], x)(lock) is lock
