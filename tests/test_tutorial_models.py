"""The tutorials' models against NumPy: recurrent cells, texts, Boltzmann machines."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.random import RandomStream
from tests.helpers import tutorial


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def steps_in_numpy(kind: str, p: list[Any], x: Any, size: int) -> Any:
    """The states of all steps, by the formulas of the cells' docstrings."""
    h = c = np.zeros((x.shape[1], size))
    states = []
    for row in x:
        if kind == "elman":
            h = np.tanh(p[2] + h @ p[1] + row @ p[0])
        elif kind == "gru":
            z = sigmoid(row @ p[0] + h @ p[3])
            r = sigmoid(row @ p[1] + h @ p[4])
            h = z * h + (1 - z) * np.tanh(row @ p[2] + r * (h @ p[5]))
        else:
            i, f, o, new = (row @ p[k] + h @ p[4 + k] + p[8 + k] for k in range(4))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
            h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states).reshape(len(x), x.shape[1], size)


@pytest.mark.parametrize("kind", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("steps", [1, 6])
def test_cells_follow_their_formulas(kind: str, steps: int) -> None:
    cell = getattr(tutorial("recurrent"), kind)(np.random.default_rng(0), 3, 4)
    x = T.dtensor3("x")
    run = symnet.function([x], cell.run(x)[0])
    values = np.random.default_rng(1).normal(size=(steps, 2, 3))
    parameters = [p.get_value() for p in cell.parameters]
    expected = steps_in_numpy(kind, parameters, values, 4)
    np.testing.assert_allclose(run(values), expected, rtol=1e-10, atol=1e-13)


def test_sentences_are_padded_in_front_and_cut_at_the_end() -> None:
    texts = tutorial("texts")
    words = texts.vocabulary(["a b a", "c a b"], 4)
    assert words == {"a": 2, "b": 3}
    codes = texts.encode(["b a", "a c b a a", ""], words, 3)
    assert codes.tolist() == [[0, 3, 2], [2, 1, 3], [0, 0, 0]]


def test_streams_of_a_book_are_read_downwards() -> None:
    book = tutorial("texts").book(2, "abcdefghij" * 20, tested=0.5)
    assert book.train.shape == (50, 2) and book.test.shape == (10, 10)
    assert book.text(book.train[:12, 0]) == "abcdefghijab"
    assert book.codes("cab").tolist() == [2, 0, 1]


def test_without_a_network_other_texts_take_the_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tutorial("texts")

    def no_network() -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(texts, "film_reviews", no_network)
    monkeypatch.setattr(texts, "tinyshakespeare", no_network)
    train, test, words = texts.review_sentences(50, 12, tested=100)
    assert len(train.codes) > 1000 and set(train.labels) == {0, 1} and "good" in words
    assert len(texts.load_book()) > 300_000
    assert capsys.readouterr().out.count("no network") == 2


def small_machine(visible: int, hidden: int) -> Any:
    pretraining = tutorial("pretraining")
    machine = pretraining.layer(np.random.default_rng(0), visible, hidden)
    rng = np.random.default_rng(1)
    for p in machine.parameters:
        p.set_value(rng.normal(size=p.get_value().shape).astype(p.dtype))
    return pretraining, machine


def test_free_energy_is_the_sum_over_hidden_states() -> None:
    pretraining, machine = small_machine(3, 2)
    W, b, c = (p.get_value() for p in machine.parameters)
    x_all = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    h_all = np.array(list(itertools.product([0.0, 1.0], repeat=2)))
    energy = -(x_all @ b)[:, None] - h_all @ c - x_all @ W @ h_all.T
    x = T.dmatrix("x")
    free = symnet.function([x], pretraining.free_energy(machine, x))(x_all)
    np.testing.assert_allclose(free, -np.log(np.exp(-energy).sum(axis=1)), rtol=1e-10)


def test_contrastive_divergence_moves_by_the_difference_of_statistics() -> None:
    """With weights so large that the chain has only one way to go."""
    pretraining, machine = small_machine(4, 3)
    rng = np.random.default_rng(2)
    machine.W.set_value(400.0 * rng.integers(-1, 2, (4, 3)))
    machine.b.set_value(200.0 * rng.choice([-1, 1], 4))
    machine.c.set_value(200.0 * rng.choice([-1, 1], 3))
    W, b, c = (p.get_value() for p in machine.parameters)
    data = rng.integers(0, 2, (5, 4)).astype(float)

    x = T.dmatrix("x")
    updates = pretraining.contrastive_divergence(machine, RandomStream(1), x, 1.0, 2)[1]
    symnet.function([x], [], updates=updates)(data)

    end, up = data, sigmoid(np.clip(data @ W + c, -500, 500))
    for _ in range(2):
        end = ((end @ W + c > 0) @ W.T + b > 0).astype(float)
    up_end = (end @ W + c > 0).astype(float)
    expected = [
        W + (data.T @ up - end.T @ up_end) / 5,
        b + (data - end).mean(axis=0),
        c + (up - up_end).mean(axis=0),
    ]
    for p, value in zip(machine.parameters, expected):
        np.testing.assert_allclose(p.get_value(), value, atol=1e-9)


def test_denoising_without_noise_lowers_the_cost_of_copying() -> None:
    pretraining, machine = small_machine(6, 8)
    data = np.random.default_rng(3).integers(0, 2, (40, 6)).astype(float)
    stream = RandomStream(1)
    costs = pretraining.learn(
        lambda x, rate: pretraining.denoising(machine, stream, x, rate, 0.0),
        data, 60, 0.2,
    )  # fmt: skip
    assert costs[-1] < 0.5 * costs[0]


SHARP = 60.0  # a signal whose sigmoid leaves nothing to chance


@pytest.mark.parametrize("sharp", ["recognition", "generative"])
def test_wake_and_sleep_follow_their_gradients(sharp: str) -> None:
    """Draws are certain where weights are large: then the updates can be computed by hand."""
    pretraining = tutorial("pretraining")
    rng = np.random.default_rng(2)
    layers = {}
    for name, sizes in {
        "recognition": (5, 3),
        "generative": (5, 3),
        "top": (3, 4),
    }.items():
        layers[name] = one = pretraining.layer(rng, *sizes)
        for p in one.parameters:
            p.set_value(rng.normal(size=p.get_value().shape))
    top = layers["top"]
    top.W.set_value(np.zeros((3, 4)))
    top.b.set_value(np.array([SHARP, -SHARP, SHARP]))
    dream = np.array([1.0, 0.0, 1.0])
    for p in layers[sharp].parameters:
        value = p.get_value()  # half for biases, so that no sum is zero
        p.set_value(SHARP / (3 - value.ndim) * np.sign(value))
    x = T.dmatrix("x")
    _, updates = pretraining.wake_sleep(*layers.values(), RandomStream(1), x, 0.5)
    images = rng.integers(0, 2, (6, 5)).astype(float)
    old = {n: [p.get_value() for p in one.parameters] for n, one in layers.items()}
    symnet.function([x], [], updates=updates)(images)

    if sharp == "recognition":
        W, _, c = old["recognition"]
        h = (images @ W + c > 0).astype(float)
        G, b, _ = old["generative"]
        missed = images - sigmoid(h @ G.T + b)
        expected = [(layers["generative"].W, G + 0.5 * missed.T @ h / 6)]
        expected += [(layers["generative"].b, b + 0.5 * missed.mean(axis=0))]
        shift = 0.5 * (h - dream).mean(axis=0)
        expected += [(top.b, old["top"][1] + shift)]
        expected += [(top.W, shift[:, None] * sigmoid(old["top"][2]))]
    else:
        G, b, _ = old["generative"]
        seen = (dream @ G.T + b > 0).astype(float)
        W, _, c = old["recognition"]
        missed = dream - sigmoid(seen @ W + c)
        expected = [(layers["recognition"].W, W + 0.5 * np.outer(seen, missed))]
        expected += [(layers["recognition"].c, c + 0.5 * missed)]
    for p, value in expected:
        np.testing.assert_allclose(p.get_value(), value, atol=1e-9)


def test_lumo_has_its_grammar() -> None:
    languages = tutorial("languages")
    phrase = languages.Phrase
    sentence = languages.translation(
        phrase("two", "old", "cat"), "see", phrase("a", "", "bird"), "yesterday"
    )
    assert sentence == (
        "two old cat see a bird yesterday",
        "hera mira mira vel feli o vidi",
    )
    made = languages.pairs(50, seed=1)
    assert len({english for english, _ in made}) == 50
    for english, lumo in made:
        assert lumo.split()[0] == languages.TIMES[english.split()[-1]]
        assert lumo.split()[-2] == "o"
        assert lumo.endswith(languages.ENDINGS[english.split()[-1]])


def test_texts_come_back_from_their_numbers() -> None:
    languages = tutorial("languages")
    texts = ["b a", "c a b"]
    words = languages.vocabulary(texts)
    codes = languages.numbered(texts, words, ends=True)
    assert codes.tolist() == [[1, 4, 3, 2, 0], [1, 5, 3, 4, 2]]
    assert [languages.spelled(row[1:], words) for row in codes] == texts


def test_stories_are_answered_by_the_last_sentence_about_the_person() -> None:
    for story in tutorial("languages").stories(100, seed=3):
        person = story.question.split()[-1]
        told = [k for k, s in enumerate(story.sentences) if s.split()[0] == person]
        assert story.support == told[-1]
        assert story.sentences[story.support].endswith(f"the {story.answer}")
        assert 2 <= len(story.sentences) <= 8
