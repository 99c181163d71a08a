"""Theano's other names for making functions."""

from __future__ import annotations

import pathlib
import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile import (
    FunctionMaker,
    Param,
    function_dump,
    orig_function,
    pfunc,
    rebuild_collect_shared,
)


def test_makers_make_functions() -> None:
    x = T.dvector("x")
    maker = FunctionMaker([x, symnet.In(T.dscalar("a"), value=2.0)], [x * 2],
                          on_unused_input="ignore", output_keys=["y"], name="twice")  # fmt: skip
    f = maker.create()
    assert f([1.0])["y"].tolist() == [2]
    assert f.name == "twice"
    assert maker.create([None, 3.0])["a"] == 3
    g = orig_function([x], x + 1, mode="FAST_COMPILE")
    assert g([1.0]).tolist() == [2]
    with pytest.raises(symnet.UnusedInputError):
        FunctionMaker([x, T.dscalar()], [x]).create()


def test_param_is_an_input_with_a_default() -> None:
    a, x = T.dscalar("a"), T.dscalar("x")
    f = symnet.function([x, Param(a, 3, name="b")], x + a)
    assert (f(1), f(1, b=5)) == (4, 6)


def test_the_arguments_of_function_in_a_file(tmp_path: pathlib.Path) -> None:
    w, x = symnet.shared(np.arange(3.0), "w"), T.dvector("x")
    path = tmp_path / "f.pkl"
    function_dump(str(path), [x], x * w, updates=[(w, w + 1)], name="f")
    with open(path, "rb") as file:
        f = symnet.function(**pickle.load(file))
    assert f.name == "f"
    assert f([1.0, 1.0, 1.0]).tolist() == [0, 1, 2]
    assert f([1.0, 1.0, 1.0]).tolist() == [1, 2, 3]
    assert w.get_value().tolist() == [0, 1, 2]


def test_what_a_graph_uses_is_collected() -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    w, count = symnet.shared(2.0, "w"), symnet.shared(0, "count")
    count.default_update = count + 1
    out = x * w + count
    inputs, made, (clones, changes, news, used) = rebuild_collect_shared(
        out, [x], replace={x: y}, updates=[(w, w + x)]
    )
    assert inputs == [y]
    assert made.eval({y: 3.0}) == 6
    assert clones[out] is made
    assert set(changes) == {w, count}
    assert changes[w].eval({y: 3.0}) == 5
    assert news == list(changes.values())
    assert set(used) == {w, count}
    fresh, outs, (_, changes, _, _) = rebuild_collect_shared(
        [out], [symnet.In(x)], copy_inputs_over=False, no_default_updates=True
    )
    assert fresh[0] is not x
    assert outs[0].eval({fresh[0]: 1.0}) == 3  # the call above counted
    assert not changes
    _, nothing, _ = rebuild_collect_shared(None)
    assert nothing == []
    with pytest.raises(TypeError, match="updates change shared variables"):
        rebuild_collect_shared(out, [x], updates=[(x, x)])


def test_pfunc_calls_its_inputs_params() -> None:
    x = T.dscalar("x")
    n = symnet.shared(0.0)
    f = pfunc(params=[x], outputs=x + 1, updates=[(n, n + x)])
    assert f(2) == 3
    assert n.get_value() == 2
