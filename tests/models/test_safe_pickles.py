"""Pickles of arrays are read, and what else they ask for is not run."""

from __future__ import annotations

import collections
import os
import pathlib
import pickle
import pickletools
import struct
from typing import Any

import numpy as np
import pytest

from symnet.models.safe_pickles import read_lasagne
from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import read_weights

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([[1.5]], ">f8"),
    np.float16([1, 2]),
    np.zeros((0, 2), np.float32),
    np.array(7.0),
]

# pickle.dumps([numpy.array([[1.5, -2.0]], "float32")], 2) by Python 2.7 and NumPy 1.16
# as such a pickle is specified: a list, _reconstruct, the state with its bytes as a str.
PYTHON2 = (
    b"\x80\x02]q\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00"
    b"\x85U\x01b\x87Rq\x04(K\x01K\x01K\x02\x86cnumpy\ndtype\nq\x05U\x02f4K\x00K\x01\x87Rq\x06"
    b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08"
    + struct.pack("<ff", 1.5, -2.0)
    + b"tba."
)


# The same list in protocol 0, Python 2's own choice: bytes escaped within quotes.
PROTOCOL_0 = (
    b"(lp0\ncnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n(I0\ntp3\n"
    b"S'b'\np4\ntp5\nRp6\n(I1\n(I1\nI2\ntp7\ncnumpy\ndtype\np8\n(S'f4'\np9\nI0\nI1\ntp10\n"
    b"Rp11\n(I3\nS'<'\np12\nNNNI-1\nI-1\nI0\ntp13\nbI00\n"
    b"S'\\x00\\x00\\xc0?\\x00\\x00\\x00\\xc0'\np14\ntp15\nba."
)


def written(folder: pathlib.Path, content: Any, protocol: int = 4) -> str:
    path = folder / "weights.pkl"
    raw = content if isinstance(content, bytes) else pickle.dumps(content, protocol)
    path.write_bytes(raw)
    return str(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_lists_of_arrays(protocol: int, tmp_path: pathlib.Path) -> None:
    found = read_weights(written(tmp_path, ARRAYS, protocol))
    assert list(found) == [str(k) for k in range(len(ARRAYS))]
    for got, want in zip(found.values(), ARRAYS):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("content", [PYTHON2, PROTOCOL_0], ids=["2", "0"])
def test_python_2(content: bytes, tmp_path: pathlib.Path) -> None:
    found = read_weights(written(tmp_path, content))["0"]
    assert found.dtype == "<f4" and found.tolist() == [[1.5, -2.0]]


def test_lasagnes_zoo(tmp_path: pathlib.Path) -> None:
    content = collections.OrderedDict(
        {
            "synset words": ["cat", "dog"],
            "param values": ARRAYS,
            "mean value": ARRAYS[0],
        }
    )
    file = read_lasagne(written(tmp_path, content, 2))
    assert file.kind == "lasagne-zoo" and len(file.arrays) == len(ARRAYS)
    np.testing.assert_array_equal(file.arrays["1"].read(), ARRAYS[1])


class Runs:
    """What it is pickled as: a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "call",
    [
        (os.system, "touch {0}"), (eval, "open('{0}', 'w')"),
        (exec, "open('{0}', 'w')"), (open, "{0}", "w"), (os.mkdir, "{0}"),
        (np.fromfile, "{0}"), (np.save, "{0}", 1), (getattr, "x", "upper"),
    ],
    ids=lambda call: call[0].__name__,
)  # fmt: skip
def test_nothing_is_run(
    call: tuple[Any, ...], protocol: int, tmp_path: pathlib.Path
) -> None:
    trace = tmp_path / "trace"
    runs = Runs(call[0], *(str(one).format(trace) for one in call[1:]))
    path = written(tmp_path, [ARRAYS[0], runs], protocol)
    with pytest.raises(WeightFileError, match=r"weights\.pkl: .*asks for") as error:
        read_weights(path)
    assert call[0].__name__ in str(error.value) or "reconstructor" in str(error.value)
    assert not trace.exists()


def test_the_trace_would_be_left(tmp_path: pathlib.Path) -> None:
    """The test before can fail: Python's own unpickler runs the call."""
    trace = tmp_path / "trace"
    with open(written(tmp_path, Runs(os.mkdir, str(trace))), "rb") as file:
        pickle.load(file)
    assert trace.exists()


def test_attributes_cannot_be_reached(tmp_path: pathlib.Path) -> None:
    """Dotted names of protocol 4 lead from an allowed module anywhere."""
    deep = b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93."
    with pytest.raises(WeightFileError, match=r"numpy\.ndarray\.__class__"):
        read_weights(written(tmp_path, deep))


STATE = b"(K\x01K\x01K\x02\x86"  # version 1, shape (1, 2)
OTHERS = {
    "objects": [np.array([1, "a"], object)],
    "text": [np.array(["a"])],
    "records": [np.zeros(2, "i4,f8")],
    "number": [1.0],
    "nested": [[ARRAYS[0]]],
    "dict": {"W": ARRAYS[0]},
    "text alone": "weights",
    "more bytes": PYTHON2 + b"more",
    "less bytes": PYTHON2.replace(STATE, b"(K\x01K\x01K\x03\x86"),
    "negative": PYTHON2.replace(STATE, b"(K\x01J\xff\xff\xff\xffK\x02\x86"),
    "huge": PYTHON2.replace(STATE, b"(K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
    "no shape": PYTHON2.replace(STATE, b"(K\x01U\x02ab"),
    "dtype": PYTHON2.replace(b"U\x02f4", b"U\x02O8"),
    "order": PYTHON2.replace(b"U\x01<", b"U\x01&"),
    "no state": PYTHON2[: PYTHON2.index(b"(K\x01K\x01")] + b"a.",
    "memo": b"\x80\x02]r\xff\xff\xff\xff.",
    "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f].",
    "string": b"\x80\x02T\xff\xff\xff\x7fabc.",
    "bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    "extension": b"\x80\x02\x82\x01.",
    "stack": b"\x80\x02a.",
    "opcode": b"\x80\x02\xfe.",
    "call": PYTHON2.replace(b"K\x00\x85U\x01b\x87R", b"K\x00R"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_damaged_and_other_pickles(kind: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(WeightFileError, match=r"weights\.pkl: "):
        read_weights(written(tmp_path, OTHERS[kind]))


def test_cut_off_anywhere(tmp_path: pathlib.Path) -> None:
    assert len(list(pickletools.genops(PYTHON2))) > 20
    for length in range(len(PYTHON2)):
        with pytest.raises(WeightFileError):
            read_weights(written(tmp_path, PYTHON2[:length]))
