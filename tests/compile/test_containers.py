"""Values of inputs between calls: found, changed, shared among functions, copied."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import In, function
from symnet.compile.containers import Containers, given_states


def counter(
    start: float = 0.0,
) -> tuple[symnet.Function, T.TensorVariable, T.TensorVariable]:
    """f(x, a=1) gives s + a * x, which is s at the next call."""
    a, s, x = T.dscalar(), T.dscalar("s"), T.dscalar("x")
    f = function(
        [x, In(a, value=1.0, name="a"), In(s, value=start, update=s + a * x)], s + a * x
    )
    return f, a, s


def test_by_variable_name_and_position() -> None:
    f, a, s = counter()
    f(1, 2)
    for key in (s, "s", 2):
        assert f[key] == f.value[key] == f.container[key].value == 2
    for key in (a, "a", 1):
        assert f[key] == 1
    f["a"] = 5
    f.value[s] = 10
    assert f(1) == 15
    assert f.container[a].type == T.dscalar
    assert [one.name for one in f.input_storage] == ["x", "a", "s"]
    assert f.defaults == [(True, False, None), (False, True, 5), (False, False, 15)]
    assert s in f and "s" in f and "q" not in f and T.dscalar() not in f
    assert (
        list(f.container) == list(f.value) == [one.variable for one in f.maker.inputs]
    )
    assert len(f.value) == 3


def test_wrong_keys_and_values() -> None:
    f, _, s = counter()
    for key in ("q", T.dscalar()):
        with pytest.raises(KeyError, match="no input"):
            f[key]
        with pytest.raises(KeyError, match="no input"):
            f[key] = 1
    for key in ("a", s):
        with pytest.raises(TypeError):
            f[key] = np.ones(3)
    assert (f["a"], f[s]) == (1, 0)
    x = T.dscalar("x")
    g = function([x, T.dscalar("x")], x, on_unused_input="ignore")
    with pytest.raises(TypeError, match="the name of 2 inputs"):
        g["x"]
    with pytest.raises(TypeError, match="several inputs called 'x'"):
        g(1, x=2)


def test_a_value_that_is_kept_is_a_copy() -> None:
    f, _, s = counter()
    before = f[s]
    f(3)
    assert before == 0
    assert f.container[s].storage[0] == 3


def test_a_call_may_bring_a_state() -> None:
    f, _, s = counter()
    assert f(1, 2, 10.0) == 12
    assert f(1, s=20.0) == f[s] == 21
    with pytest.raises(TypeError, match="takes 3 arguments, got 4"):
        f(1, 2, 3, 4)
    with pytest.raises(TypeError):
        f(1, s=np.ones(2))
    assert f[s] == 21


def test_a_failed_call_leaves_the_state() -> None:
    x, s = T.dvector("x"), T.dvector("s")
    f = function([x, In(s, value=[1.0, 2.0], update=s + x)], s.sum())
    with pytest.raises(symnet.errors.ShapeError):
        f([1.0, 2.0, 3.0], s=[5.0, 5.0])
    assert f[s].tolist() == [1, 2]
    with pytest.raises(ZeroDivisionError), given_states({f.states["s"]: np.zeros(2)}):
        raise ZeroDivisionError
    assert f[s].tolist() == [1, 2]


def test_states_are_shared_by_their_container() -> None:
    f, _, s = counter()
    x = T.dscalar("x")
    down = function([x, In(s, value=f.container[s], update=s - x)], s)
    look = function([x, In(s, value=f.container[s])], s + x)
    assert down.container[s].storage is f.container[s].storage
    f(5)
    assert down(2) == 5
    assert look(1) == f[s] + 1 == 4
    assert look[s] == 3
    with pytest.raises(TypeError, match="takes 1 arguments|got 2"):
        look(1, 2)
    w = symnet.shared(7.0)
    held = function([x, In(s, value=w, update=s + x)], s)
    held(1)
    assert w.get_value() == 8


def test_an_explicit_state_of_another_function() -> None:
    f, _, s = counter(10.0)
    x = T.dscalar("x")
    down = function([x, In(s, value=f.container[s], update=s - x, implicit=False)], [])
    down(1)
    assert f[s] == 9
    down(1, 0)
    assert f[s] == -1


def test_defaults_are_shared_by_their_container() -> None:
    a, x = T.dscalar("a"), T.dscalar("x")
    h = function([In(a, value=0.0)], a)
    f = function([x, In(a, value=h.container[a], implicit=True)], x + a)
    h[a] = 1
    assert f[a] == 1
    assert f(1) == 2
    memo: dict[int, object] = {}
    twin = copy.deepcopy(a, memo)
    h_twin, f_twin = copy.deepcopy(h, memo), copy.deepcopy(f, memo)
    h_twin[twin] = 2
    assert (f[a], f_twin[twin], f_twin(1)) == (1, 2, 3)


def test_copies() -> None:
    f, a, s = counter()
    f(3)
    g = copy.copy(f)
    assert g.container[s].storage is not f.container[s].storage
    assert g.value[a] is f.value[a]
    assert g[s] == f[s] == 3
    assert f(1) == g(1) == 4
    f(1)
    assert g[s] == 4
    f["a"] = 2
    assert g["a"] == 1


def test_deep_copies_and_pickles_keep_what_is_shared() -> None:
    f, _, s = counter()
    x = T.dscalar("x")
    g = function([x, In(s, value=f.container[s], update=s - x)], s)
    f(2)
    for one, two in (copy.deepcopy((f, g)), pickle.loads(pickle.dumps((f, g)))):
        assert one.container[2].storage is two.container[1].storage
        assert one.container[2].storage is not f.container[2].storage
        assert one(1) == 3
        assert two(1) == 3
        assert one["s"] == 2
    assert f[s] == 2


def test_containers_of_nothing() -> None:
    assert len(Containers([])) == 0
    assert 3 not in Containers([])


def test_inputs_that_cannot_be() -> None:
    x = T.dscalar("x")
    with pytest.raises(TypeError, match="has no value"):
        In(x, implicit=True)
    with pytest.raises(TypeError, match="name of an input is a string"):
        In(x, name=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="updated with"):
        In(x, value=1.0, update=T.dvector())
