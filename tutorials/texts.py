"""From sentences and books to arrays of numbers.

Where there is no network to download them, simpler texts take their place, which is said.
"""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnet.datasets import Reviews, film_reviews, tinyshakespeare

PADDING, UNKNOWN = 0, 1


@dataclass(frozen=True)
class Sentences:
    """Sentences as numbers of words, with a yes/no label each.

    Shapes: codes (n, length), labels (n,).  Short sentences are padded with 0 in front, of
    long ones the beginning counts.  Dtypes: int32.
    """

    texts: list[str]
    codes: NDArray[np.int32]
    labels: NDArray[np.int32]


def vocabulary(texts: Iterable[str], size: int) -> dict[str, int]:
    """The most frequent words, numbered from 2; 0 is padding, 1 any other word.

    Words that are equally frequent come in the order of the alphabet.
    """
    counts = Counter(word for text in texts for word in text.split())
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: number for number, word in enumerate(ranked[: size - 2], 2)}


def encode(
    texts: Sequence[str], words: dict[str, int], length: int
) -> NDArray[np.int32]:
    """Shapes: (n, length); see Sentences."""
    codes = np.full((len(texts), length), PADDING, np.int32)
    for row, text in zip(codes, texts):
        numbers = [words.get(word, UNKNOWN) for word in text.split()[:length]]
        if numbers:
            row[-len(numbers) :] = numbers
    return codes


def load_reviews() -> Reviews:
    """The film reviews, or else sentences made of a few phrases."""
    try:
        return film_reviews()
    except (ConnectionError, ModuleNotFoundError) as error:
        print(f"Note: {error}\nGoing on with sentences made of phrases.")
    starts = (
        "the",
        "this",
        "a long and",
        "an often",
        "his first",
        "her new",
        "yet another",
    )
    kinds = (
        "film",
        "story",
        "comedy",
        "sequel",
        "love story",
        "film about a dog",
        "thriller",
    )
    ends = (".", "to the end .", "for young and old .", "in spite of its length .")
    praise = (
        "is good",
        "is not bad",
        "never bores",
        "moves us",
        "is a delight",
        "works",
    )
    blame = ("is bad", "is not good", "never moves us", "bores", "is a mess", "fails")
    made = [
        [" ".join(words) for words in itertools.product(starts, kinds, middles, ends)]
        for middles in (praise, blame)
    ]
    return Reviews(made[0], made[1])


def load_book() -> str:
    """Shakespeare's plays, or else the documentation of NumPy."""
    try:
        return tinyshakespeare()
    except (ConnectionError, ModuleNotFoundError) as error:
        print(f"Note: {error}\nGoing on with the documentation of NumPy.")
    documented = (
        inspect.getdoc(getattr(np, name)) or "" for name in sorted(np.__all__)
    )
    return "\n\n".join(documented).encode("ascii", "ignore").decode("ascii")


def review_sentences(
    words: int, length: int, tested: int = 1000, seed: int = 0
) -> tuple[Sentences, Sentences, dict[str, int]]:
    """The film reviews (1: the reviewer liked it), shuffled: those to train with, those to
    test with, and the vocabulary, taken from the first alone."""
    reviews = load_reviews()
    texts = reviews.positive + reviews.negative
    labels = np.repeat([1, 0], [len(reviews.positive), len(reviews.negative)])
    order = np.random.default_rng(seed).permutation(len(texts))
    parts = order[tested:], order[:tested]
    known = vocabulary((texts[k] for k in parts[0]), words)
    found: list[Sentences] = []
    for part in parts:
        chosen = [texts[k] for k in part]
        found.append(
            Sentences(
                chosen, encode(chosen, known, length), labels[part].astype(np.int32)
            )
        )
    return found[0], found[1], known


@dataclass(frozen=True)
class Book:
    """A text as numbers of characters, cut into streams that are read side by side.

    Shapes: train (steps, streams), test (steps, 10).  Dtypes: int32.
    """

    alphabet: str
    train: NDArray[np.int32]
    test: NDArray[np.int32]

    def text(self, codes: Iterable[Any]) -> str:
        return "".join(self.alphabet[code] for code in codes)

    def codes(self, text: str) -> NDArray[np.int32]:
        return np.array([self.alphabet.index(letter) for letter in text], np.int32)


def book(streams: int, text: str | None = None, tested: float = 0.05) -> Book:
    """Shakespeare's plays (or another text); its end is kept for testing."""
    text = load_book() if text is None else text
    alphabet = "".join(sorted(set(text)))
    numbers = {letter: code for code, letter in enumerate(alphabet)}
    codes = np.array([numbers[letter] for letter in text], np.int32)
    cut = int(len(codes) * (1 - tested))
    return Book(
        alphabet, side_by_side(codes[:cut], streams), side_by_side(codes[cut:], 10)
    )


def side_by_side(codes: NDArray[np.int32], streams: int) -> NDArray[np.int32]:
    """Cut into equal pieces, one a column; what is left over at the end is dropped."""
    steps = len(codes) // streams
    return np.ascontiguousarray(codes[: steps * streams].reshape(streams, steps).T)
