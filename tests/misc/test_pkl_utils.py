"""Pickles whose arrays lie beside them in a zip file."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.misc.may_share_memory import may_share_memory
from symnet.misc.pkl_utils import (
    CompatUnpickler,
    PersistentNdarrayID,
    PersistentSharedVariableID,
    StripPickler,
    dump,
    load,
)


def written(obj: object, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    dump(obj, file, **options)  # type: ignore[arg-type]
    file.seek(0)
    return file


def test_arrays_have_the_names_of_their_variables() -> None:
    first, second = symnet.shared(np.arange(3.0), "W"), symnet.shared(1, "W")
    unnamed, plain = symnet.shared(2.5), np.array([7, 8])
    file = written({"params": [first, second, unnamed], "again": first, "plain": plain})
    with np.load(file) as arrays:
        assert sorted(set(arrays) - {"pkl"}) == ["W", "W_2", "array_0", "array_1"]
        assert arrays["W"].tolist() == [0, 1, 2]
        assert arrays["W_2"] == 1
    file.seek(0)
    back = load(file)
    assert back["params"][0] is back["again"]
    assert [v.get_value().tolist() for v in back["params"]] == [[0, 1, 2], 1, 2.5]
    assert back["plain"].tolist() == [7, 8]
    back["params"][0].set_value(np.zeros(3))
    assert first.get_value().tolist() == [0, 1, 2]


def test_functions_and_streams() -> None:
    w, x = symnet.shared(np.ones(2), "w"), T.dvector("x")
    f = symnet.function([x], x * w, updates=[(w, w + 1)])
    rng = symnet.sandbox.rng_mrg.MRG_RandomStreams(3)
    back, streams = load(written((f, rng)))
    assert back([1.0, 2.0]).tolist() == [1, 2]
    assert back([1.0, 2.0]).tolist() == [2, 4]
    assert streams.uniform((3,)).eval().tolist() == rng.uniform((3,)).eval().tolist()


def test_names_that_are_wanted() -> None:
    named, twin, unnamed = (symnet.shared(1.0, n) for n in ("a", "a", None))

    def strict(archive: zipfile.ZipFile) -> PersistentSharedVariableID:
        return PersistentSharedVariableID(archive, False, False)

    with pytest.raises(ValueError, match="has no name"):
        written([unnamed], persistent_id=strict)
    with pytest.raises(ValueError, match="several shared variables"):
        written([named, twin], persistent_id=strict)
    with pytest.raises(ValueError, match="'pkl'"):
        written([symnet.shared(1.0, "pkl")])
    with np.load(written([named], persistent_id=PersistentNdarrayID)) as arrays:
        assert sorted(arrays) == ["array_0", "pkl"]


def test_arrays_of_objects_stay_in_the_pickle() -> None:
    objects = np.array([{"a": 1}], object)
    assert load(written(objects))[0] == {"a": 1}


def test_arrays_of_a_gpu_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        content = io.BytesIO()
        pickler = pickle.Pickler(content, 2)
        pickler.persistent_id = lambda obj: "gpuarray.W" if obj == 1 else None  # type: ignore[method-assign,assignment]
        pickler.dump([1])
        archive.writestr("pkl", content.getvalue())
    with pytest.raises(pickle.UnpicklingError, match="only arrays of the CPU"):
        load(file)


def test_what_users_attached_is_stripped() -> None:
    x = T.dvector("x")
    x.tag.test_value, x.tag.mine, x.tag.kept = np.ones(2), 1, 2
    file = io.BytesIO()
    StripPickler(file, -1, extra_tag_to_remove=["mine"]).dump(x * 2)
    file.seek(0)
    (back,) = [v for v in T.as_tensor_variable(CompatUnpickler(file).load()).owner.inputs
               if v.name == "x"]  # fmt: skip
    assert back.tag.kept == 2
    assert not hasattr(back.tag, "test_value") and not hasattr(back.tag, "mine")


def test_pickles_of_python_2_are_read() -> None:
    text = b"(dp0\nS'W'\np1\nS'\\xe9'\np2\ns."
    assert CompatUnpickler(io.BytesIO(text)).load() == {"W": "\xe9"}


def test_arrays_that_may_share_memory() -> None:
    a = np.arange(4)
    assert may_share_memory(a, a[2:])
    assert not may_share_memory(a, a.copy())
    assert not may_share_memory(a, 1, raise_other_type=False)
    with pytest.raises(TypeError, match="takes arrays"):
        may_share_memory(a, 1)
