"""Arrays read from files while a function runs."""

from __future__ import annotations

import pathlib
import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T


@pytest.mark.parametrize("mmap_mode", [None, "c", "r"])
def test_a_file_is_read_at_each_call(
    tmp_path: pathlib.Path, mmap_mode: str | None
) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([1, 2, 3], "int32"))
    f = symnet.function([], T.load(path, "int32", (False,), mmap_mode) * 2)
    assert f().tolist() == [2, 4, 6]
    np.save(path, np.array([5], "int32"))
    assert f().tolist() == [10]
    assert pickle.loads(pickle.dumps(f))().tolist() == [10]


def test_what_is_no_such_array(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.npy"
    f = symnet.function([], T.load(path, "int32", (False,)))
    with pytest.raises(FileNotFoundError):
        f()
    np.save(path, np.zeros(3))
    with pytest.raises(TypeError, match="int32 vector"):
        f()
    np.save(path, np.zeros((2, 2), "int32"))
    with pytest.raises(TypeError, match="rank 2"):
        f()
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        f()
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    with pytest.raises(ValueError, match="an archive"):
        T.load(tmp_path / "a.npz", "float64", (False,)).eval()
    with pytest.raises(ValueError, match="mmap_mode"):
        T.load(path, "int32", (False,), "r+")


def test_a_call_may_bring_the_path(tmp_path: pathlib.Path) -> None:
    path = symnet.graph.variables.Variable(symnet.graph.object_types.Generic())
    f = symnet.function([path], T.load(path, "int32", (False,)) * 2)
    for values in ([1, 2], [3]):
        np.save(tmp_path / "x.npy", np.array(values, "int32"))
        assert f(str(tmp_path / "x.npy")).tolist() == [2 * one for one in values]
