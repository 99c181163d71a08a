"""Event files, read by TensorBoard's own loader."""

from __future__ import annotations

import io
import pathlib
import sys
import time
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import optim
from symnet.tensorboard import Writer


def load(folder: pathlib.Path) -> Any:
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    found = module.EventAccumulator(str(folder))
    found.Reload()
    return found


@pytest.fixture
def installed() -> None:
    pytest.importorskip("tensorboard")


def test_scalars(installed: None, tmp_path: pathlib.Path) -> None:
    values = [1, 2.5, np.float32(3), np.array([4.0]), symnet.shared(5.0), True, np.nan]
    with Writer(tmp_path / "run" / "first") as writer:  # folders are made
        for k, value in enumerate(values):
            writer.scalar("cost/train", value, np.int64(10 * k))
    points = load(tmp_path / "run" / "first").Scalars("cost/train")
    assert [p.step for p in points] == [0, 10, 20, 30, 40, 50, 60]
    np.testing.assert_array_equal(
        [p.value for p in points], [1, 2.5, 3, 4, 5, 1, np.nan]
    )


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=(30, 40)),
        np.arange(5, dtype="int16"),
        [2.0, 2.0, np.inf, np.nan],
        [-1e308, 1e308],
        [1.0, np.nextafter(1.0, 2)],
        [],
    ],
)
def test_histograms(installed: None, tmp_path: pathlib.Path, values: Any) -> None:
    with Writer(tmp_path) as writer:
        writer.histogram("w", values, 7, bins=10)
    (event,) = load(tmp_path).Histograms("w")
    got = event.histogram_value
    finite = np.asarray(values, float).ravel()
    finite = finite[np.isfinite(finite)]
    assert event.step == 7 and got.num == len(finite) == sum(got.bucket)
    assert len(got.bucket) == len(got.bucket_limit)
    if not len(finite):
        return
    assert (got.min, got.max) == (finite.min(), finite.max())
    np.testing.assert_allclose(got.sum, finite.sum(), rtol=1e-12, atol=1e-9)
    below = np.cumsum(got.bucket)
    for limit, count in zip(got.bucket_limit[:-1], below):
        assert np.sum(finite < limit) <= count <= np.sum(finite <= limit)


def test_images(installed: None, tmp_path: pathlib.Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    colours = rng.integers(0, 256, (3, 4, 6), dtype=np.uint8)
    floats = np.array([[0.0, 1.0, 0.5], [-3.0, 7.0, np.nan]], np.float32)
    given: dict[str, Any] = {
        "grey": grey, "colours": colours, "one": grey[None], "floats": floats,
        "alpha": rng.integers(0, 256, (4, 4, 6), dtype=np.uint8), "mask": grey > 99,
    }  # fmt: skip
    with Writer(tmp_path) as writer:
        for name, pixels in given.items():
            writer.image(name, pixels, 0)
        writer.image("last", np.moveaxis(colours, 0, 2), 0, channels_last=True)
    events = load(tmp_path)

    def seen(name: str) -> Any:
        (event,) = events.Images(name)
        found = np.asarray(image.open(io.BytesIO(event.encoded_image_string)))
        assert (event.height, event.width) == found.shape[:2]
        return found

    np.testing.assert_array_equal(seen("grey"), grey)
    np.testing.assert_array_equal(seen("one"), grey)
    np.testing.assert_array_equal(seen("colours"), np.moveaxis(colours, 0, 2))
    np.testing.assert_array_equal(seen("last"), seen("colours"))
    np.testing.assert_array_equal(seen("alpha"), np.moveaxis(given["alpha"], 0, 2))
    np.testing.assert_array_equal(seen("mask"), np.where(grey > 99, 255, 0))
    np.testing.assert_array_equal(seen("floats"), [[0, 255, 128], [0, 255, 0]])


def test_texts(installed: None, tmp_path: pathlib.Path) -> None:
    with Writer(tmp_path) as writer:
        writer.text("notes", "**größer**", 3)
    events = load(tmp_path)
    (event,) = events.Tensors("notes")
    assert event.step == 3
    assert event.tensor_proto.string_val[0].decode() == "**größer**"
    assert events.SummaryMetadata("notes").plugin_data.plugin_name == "text"


def test_graphs_are_what_was_written(installed: None, tmp_path: pathlib.Path) -> None:
    x, w = T.matrix("x", dtype="float32"), symnet.shared(np.ones((4, 3), "f"), "w")
    hidden: Any = T.tanh(T.dot(x, w))
    hidden.name = "hidden"
    cost: Any = T.sqr(hidden - 1).sum()
    cost.name = "cost"
    step = symnet.function([x], cost, updates=optim.momentum(cost, [w]))
    with Writer(tmp_path) as writer:
        writer.graph(step)
    nodes = {node.name: node for node in load(tmp_path).Graph().node}
    assert list(nodes["hidden/Dot"].input) == ["x", "w"]
    assert list(nodes["hidden/tanh"].input) == ["hidden/Dot"]
    assert nodes["x"].op == "Placeholder" and nodes["w"].op == "VariableV2"
    assert nodes["x"].attr["dtype"].type == 1  # DT_FLOAT
    assert [d.size for d in nodes["x"].attr["_output_shapes"].list.shape[0].dim] == [
        -1,
        -1,
    ]
    line = nodes["hidden/Dot"].attr["line"].s.decode()
    assert line.startswith("test_tensorboard.py:") and "T.tanh(T.dot(x, w))" in line
    assert any(name.startswith("updates/w_velocity/") for name in nodes)
    for node in nodes.values():
        for place in node.input:
            assert place.partition(":")[0] in nodes


def test_graphs_of_other_things(installed: None, tmp_path: pathlib.Path) -> None:
    x = T.vector("x", dtype="float64")
    largest, place = T.max_and_argmax(x, axis=0)
    with Writer(tmp_path) as writer:
        writer.graph({"sum": largest + place})
        with pytest.raises(TypeError, match="cannot print int 3"):
            writer.graph(3)
    nodes = load(tmp_path).Graph().node
    assert {p for node in nodes for p in node.input if ":" in p or node.op == "add"}


def test_a_resumed_run_replaces_what_came_later(
    installed: None, tmp_path: pathlib.Path
) -> None:
    with Writer(tmp_path) as writer:
        for k in range(6):
            writer.scalar("cost", k, k)
        writer.flush()
    with Writer(tmp_path, resumed_at=3) as writer:
        writer.scalar("cost", 30, 3)
    points = load(tmp_path).Scalars("cost")
    assert [(p.step, p.value) for p in points] == [(0, 0), (1, 1), (2, 2), (3, 30)]


def test_files_of_one_second_are_read_in_their_order(
    installed: None, tmp_path: pathlib.Path
) -> None:
    """The tenth file of a process is named before its ninth: "10" < "9"."""
    while not (now := time.time()) % 1 < 0.3:
        time.sleep(0.02)
    earlier = tmp_path / f"events.out.tfevents.{int(now):010d}.~.1.9"
    with Writer(tmp_path) as writer:
        writer.scalar("cost", 1, 5)
        writer.flush()
    (written,) = tmp_path.iterdir()
    written.rename(earlier)
    with Writer(tmp_path, resumed_at=5) as writer:
        writer.scalar("cost", 2, 5)
    assert [p.value for p in load(tmp_path).Scalars("cost")] == [2]


def test_wrong_values(installed: None, tmp_path: pathlib.Path) -> None:
    writer = Writer(tmp_path)
    wrong: list[tuple[type[Exception], str, Any]] = [
        (ValueError, r"a scalar, not an array of shape \(2,\)",
         lambda: writer.scalar("x", [1, 2], 0)),
        (TypeError, "what a compiled function returns",
         lambda: writer.scalar("x", T.scalar("x"), 0)),
        (TypeError, "real numbers", lambda: writer.scalar("x", "high", 0)),
        (TypeError, "real numbers", lambda: writer.histogram("x", [1j], 0)),
        (TypeError, "a step is an integer", lambda: writer.scalar("x", 1, 0.5)),  # type: ignore[arg-type]
        (TypeError, "needs a name", lambda: writer.scalar("", 1, 0)),
        (TypeError, "a text, not int", lambda: writer.text("x", 3, 0)),  # type: ignore[arg-type]
        (ValueError, r"not \(2, 2, 2\)", lambda: writer.image("x", np.ones((2, 2, 2)), 0)),
        (ValueError, r"not \(0, 2\)", lambda: writer.image("x", np.ones((0, 2)), 0)),
        (TypeError, "not int64", lambda: writer.image("x", [[1, 2]], 0)),
    ]  # fmt: skip
    for error, text, call in wrong:
        with pytest.raises(error, match=text):
            call()
    writer.close()
    with pytest.raises(OSError, match="closed"):
        writer.scalar("x", 1, 0)
    assert load(tmp_path).Tags()["scalars"] == []


def test_without_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setitem(
        sys.modules, "tensorboard.summary.writer.event_file_writer", None
    )
    with pytest.raises(ImportError, match=r"pip install symnet\[tensorboard\]"):
        Writer(tmp_path / "run")
    assert not (tmp_path / "run").exists()
