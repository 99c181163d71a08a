from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import pathlib
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from symnet import datasets

needs_real_files = pytest.mark.skipif(
    "SYMNET_DATA" not in os.environ, reason="SYMNET_DATA names no folder of real data"
)


def idx(array: np.ndarray) -> bytes:
    """An array in MNIST's file format, compressed."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Made-up files in place of the real ones, known by their checksums."""
    rng = np.random.default_rng(0)
    contents = {
        "tinyshakespeare.txt": b"To be.\n",
        "rt-polarity.pos": b"good \nodd\x85line \n",
        "rt-polarity.neg": b"bad \ncaf\xe9 \n",
    }
    for part, count in (("train", 30), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28))
        contents[f"mnist/{part}-images-idx3-ubyte.gz"] = idx(images)
        contents[f"mnist/{part}-labels-idx1-ubyte.gz"] = idx(np.arange(count) % 10)
    for name, data in contents.items():
        url, _ = datasets.FILES[name]
        checksum = hashlib.sha256(data).hexdigest()
        monkeypatch.setitem(datasets.FILES, name, (url, checksum))
    return contents


@pytest.fixture
def folder(
    small_files: dict[str, bytes],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> pathlib.Path:
    """The made-up files as a folder named by SYMNET_DATA."""
    (tmp_path / "mnist").mkdir()
    for name, data in small_files.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("SYMNET_DATA", str(tmp_path))
    return tmp_path


def test_mnist_is_read_with_its_shapes_and_scale(folder: pathlib.Path) -> None:
    data = datasets.mnist()
    assert data.train_images.shape == (30, 784)
    assert data.test_images.shape == (10, 784)
    assert data.train_images.dtype == np.float32
    assert data.train_labels.dtype == np.int32
    raw = np.random.default_rng(0).integers(0, 256, (30, 28, 28))
    assert np.array_equal(np.round(data.train_images * 255), raw.reshape(30, 784))
    assert np.array_equal(data.train_labels, np.arange(30) % 10)
    assert "60,000" in data.source


def test_mnist_without_training_files_splits_the_test_digits(
    folder: pathlib.Path,
) -> None:
    os.remove(folder / "mnist/train-images-idx3-ubyte.gz")
    data = datasets.mnist()
    assert "8,000" in data.source
    assert len(data.train_images) == 10 and len(data.test_images) == 0


def test_reviews_are_cut_at_line_ends_only(folder: pathlib.Path) -> None:
    reviews = datasets.film_reviews()
    assert reviews.positive == ["good", "odd\x85line"]
    assert reviews.negative == ["bad", "café"]


def test_a_missing_file_is_named(folder: pathlib.Path) -> None:
    os.remove(folder / "tinyshakespeare.txt")
    with pytest.raises(FileNotFoundError, match="tinyshakespeare.txt is missing"):
        datasets.tinyshakespeare()


def test_a_damaged_file_is_refused(folder: pathlib.Path) -> None:
    (folder / "tinyshakespeare.txt").write_bytes(b"To be?\n")
    with pytest.raises(ValueError, match="SHA-256"):
        datasets.tinyshakespeare()


def test_changed_numbers_are_refused(folder: pathlib.Path) -> None:
    rows = "names,\n" + "1,2,3,4,5,6,7,8,1\n" * 2
    (folder / "pima-indians-diabetes.csv").write_text(rows)
    with pytest.raises(ValueError, match="expected numbers"):
        datasets.pima()


@pytest.fixture
def server(
    small_files: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> Iterator[http.server.ThreadingHTTPServer]:
    """A server on this machine that has one of the made-up files."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(small_files["tinyshakespeare.txt"])

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.delenv("SYMNET_DATA", raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def serve(server: http.server.ThreadingHTTPServer, checksum: str | None = None) -> None:
    old = datasets.FILES["tinyshakespeare.txt"][1]
    url = f"http://127.0.0.1:{server.server_port}/input.txt"
    datasets.FILES["tinyshakespeare.txt"] = (url, checksum or old)


def test_a_file_is_downloaded_once(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(server)
    assert datasets.tinyshakespeare() == "To be.\n"
    server.shutdown()
    assert datasets.tinyshakespeare() == "To be.\n"


def test_a_download_with_other_contents_is_refused(
    server: http.server.ThreadingHTTPServer,
) -> None:
    serve(server, checksum="0" * 64)
    with pytest.raises(ValueError, match="hash"):
        datasets.tinyshakespeare()


def test_without_a_network_the_error_says_what_to_do(
    server: http.server.ThreadingHTTPServer,
) -> None:
    serve(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match="SYMNET_DATA"):
        datasets.tinyshakespeare()


def test_digits_come_without_a_network() -> None:
    pytest.importorskip("sklearn")
    data = datasets.digits()
    assert data.train_images.shape == (1400, 64) and data.test_images.shape == (397, 64)
    assert data.train_images.dtype == np.float32 and data.train_labels.dtype == np.int32
    assert data.train_images.min() == 0 and data.train_images.max() == 1


def test_the_demo_goes_on_with_small_digits_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("sklearn")

    def no_network() -> datasets.Digits:
        raise ConnectionError("could not download")

    monkeypatch.setattr(datasets, "mnist", no_network)
    with pytest.warns(UserWarning, match="scikit-learn's digits"):
        data = datasets.load_digits_data()
    assert data.train_images.shape == (1400, 64)


@needs_real_files
def test_the_real_files_hold_what_is_documented() -> None:
    data = datasets.mnist()
    assert data.test_images.shape[1] == 784 and len(data.train_images) >= 8_000
    assert set(np.unique(data.train_labels)) == set(range(10))
    table = datasets.pima()
    assert table.features.shape == (768, 8) == (768, len(table.names))
    assert int(table.labels.sum()) == 268
    assert len(datasets.tinyshakespeare()) == 1_115_394
    reviews = datasets.film_reviews()
    assert len(reviews.positive) == len(reviews.negative) == 5_331


def test_missing_scikit_learn_is_told_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install symnet\[demo\]"):
        datasets.digits()
