"""The demo and the notebooks run from top to bottom (with few rounds of training)."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.datasets import mnist
from tests.helpers import TUTORIALS, tutorial

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processes that tests start shall see."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path.rstrip(os.pathsep))
    monkeypatch.setenv("SYMNET_QUICK", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")


def solutions(notebook: Any) -> list[str]:
    """The programs that unfold under the exercises."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    folded = re.findall(r"<details>.*?</details>", text, re.S)
    return [
        code
        for fold in folded
        for code in re.findall(r"```python\n(.*?)```", fold, re.S)
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: pathlib.Path, environment: None) -> None:
    """With its solutions behind it, in the same process."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("matplotlib")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    notebook.cells += [nbformat.v4.new_code_cell(code) for code in solutions(notebook)]
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(TUTORIALS)}},
    )
    client.execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_as_run(path: pathlib.Path) -> None:
    """In order, with results, without errors and without this machine's paths."""
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < 600_000
    outputs = [output for cell in cells for output in cell.outputs]
    assert not any(output.output_type == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert str(ROOT) not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_exercise_has_a_solution(path: pathlib.Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    last = nbformat.read(path, as_version=4).cells[-1].source
    exercises = last.split("## Try it yourself", 1)[1]
    numbers = re.findall(r"^(\d+)\. ", exercises, re.M)
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)] != []
    folds = re.findall(
        r"^<details><summary>Solution of (\d+)</summary>$", exercises, re.M
    )
    assert folds == numbers
    assert exercises.count("</details>") == len(folds)


def test_notebooks_are_numbered() -> None:
    numbers = [int(path.stem[:2]) for path in NOTEBOOKS]
    assert len(numbers) == len(set(numbers)) >= 2


def test_demo_trains_four_networks(environment: None) -> None:
    done = subprocess.run(
        [sys.executable, TUTORIALS / "demo.py", "--small", "--epochs", "12"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^(\w[\w ]+?) +(\d+\.\d+)% ", done.stdout, re.M))
    names = ["logistic regression", "tanh MLP", "switched network", "LeNet"]
    assert list(found) == names
    assert all(float(accuracy) > 82 for accuracy in found.values()), found
    assert "small digits" in done.stdout


@pytest.mark.skipif(not os.environ.get("SYMNET_DATA"), reason="SYMNET_DATA is not set")
def test_lenet_reads_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of an epoch of the demo's ten (with all of them: 98.9 %)."""
    monkeypatch.syspath_prepend(TUTORIALS)
    networks, training = tutorial("networks"), tutorial("training")
    data = mnist()
    data = replace(
        data, train_images=data.train_images[:800], train_labels=data.train_labels[:800]
    )
    with symnet.change_flags(floatX="float32"):
        network = networks.convolutional(np.random.default_rng(1), 28, 10, "LeNet")
        settings = training.Settings(epochs=2, rate=0.1)
        report = training.train(network, data, settings, lambda *heard: None)
    assert report.accuracies[-1] > 0.8
    shapes = [p.get_value().shape for p in network.parameters]
    assert shapes[::2] == [(20, 1, 5, 5), (50, 20, 5, 5), (800, 500), (500, 10)]


@pytest.mark.skipif(not os.environ.get("SYMNET_DATA"), reason="SYMNET_DATA is not set")
def test_mlp_reads_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the demo's thirty epochs (with all of them: 96 %)."""
    monkeypatch.syspath_prepend(TUTORIALS)
    networks, training = tutorial("networks"), tutorial("training")
    data = mnist()
    with symnet.change_flags(floatX="float32"):
        network = networks.perceptron(
            np.random.default_rng(1234), (784, 500, 10), "MLP"
        )
        settings = training.Settings(epochs=2, rate=0.1, weight_decay=1e-3)
        report = training.train(network, data, settings, lambda *heard: None)
    assert len(report.costs) == 2 and report.steps == 2 * (len(data.train_images) // 20)
    assert report.accuracies[-1] > 0.91
    assert all(p.get_value().dtype == np.float32 for p in network.parameters)


def test_switched_network_has_the_slides_gradients() -> None:
    """Equations 4 to 7 of the slides, written out in NumPy."""
    networks = tutorial("networks")
    rng = np.random.default_rng(4)
    network = networks.switched(rng, 4, 3, 2, "small")
    for p in network.parameters:
        p.set_value(rng.normal(size=p.get_value().shape))
    step = symnet.function(
        [network.images, network.classes], T.grad(network.cost, network.parameters)
    )
    images, classes = rng.uniform(size=(5, 16)), rng.integers(0, 3, 5).astype("int32")

    u, a, w, b = (p.get_value() for p in network.parameters)
    groups = networks.squares(4, 2)
    switch = 1 / (1 + np.exp(-(images @ u + a)))
    passed = images * (switch @ groups)
    error = (1 / (1 + np.exp(-(passed @ w + b))) - np.eye(3)[classes]) / len(images)
    into_switch = ((error @ w.T) * images) @ groups.T * switch * (1 - switch)
    expected = [
        images.T @ into_switch,
        into_switch.sum(0),
        passed.T @ error,
        error.sum(0),
    ]
    for got, want in zip(step(images, classes), expected):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-14)


def test_squares_cover_every_pixel_once() -> None:
    squares = tutorial("networks").squares(28, 4)
    assert squares.shape == (49, 784)
    assert (squares.sum(axis=0) == 1).all() and (squares.sum(axis=1) == 16).all()
    assert set(np.flatnonzero(squares[0])) == {
        28 * r + c for r in range(4) for c in range(4)
    }


def test_progress_is_told_in_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with tutorial("progress").display("learning", 20) as show:
        for done in range(1, 21):
            show(done, f"cost {1 / done:.2f}")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "learning: 20/20 epochs, cost 0.05"


def test_gaps_are_filled_from_the_training_part_alone() -> None:
    pytest.importorskip("sklearn")
    train = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    test = np.array([[9.0, 0.0]])
    filled, other = tutorial("tables").without_gaps(train, test)
    np.testing.assert_allclose(filled.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(filled.std(axis=0), 1)
    assert other[0, 1] == filled[0, 1]  # the training part's median, 4
    assert train[0, 1] == test[0, 1] == 0
