"""Made-up texts with rules that are known: sentences in two languages, and stories with
questions.

English without endings ("two old cat see a bird yesterday") is translated into Lumo, which

- names the time first and the verb last, and the verb's ending says the time again;
- puts the adjective behind the noun, and "o" behind the object;
- says a noun twice where there are two; and has no articles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING, START, END = 0, 1, 2
SPECIAL = ("", "<start>", "<end>")

NOUNS = {
    "cat": "mira", "dog": "toku", "bird": "feli", "horse": "garo", "girl": "ana", "boy": "bonu",
}  # fmt: skip
ADJECTIVES = {"small": "pi", "old": "vel", "red": "ruso", "quick": "zim"}
VERBS = {"see": "vid", "like": "lam", "follow": "sek", "hear": "kan"}
TIMES = {"yesterday": "hera", "today": "nun", "tomorrow": "mor"}
ENDINGS = {"yesterday": "i", "today": "a", "tomorrow": "u"}
COUNTS = ("the", "a", "two")


@dataclass(frozen=True)
class Phrase:
    """A noun with what belongs to it."""

    count: str
    adjective: str  # "" for none
    noun: str

    def english(self) -> list[str]:
        return [word for word in (self.count, self.adjective, self.noun) if word]

    def lumo(self) -> list[str]:
        nouns = [NOUNS[self.noun]] * (2 if self.count == "two" else 1)
        return nouns + ([ADJECTIVES[self.adjective]] if self.adjective else [])


def translation(
    subject: Phrase, verb: str, thing: Phrase, time: str
) -> tuple[str, str]:
    """A sentence in English and in Lumo.

    >>> translation(Phrase("two", "old", "cat"), "see", Phrase("a", "", "bird"), "yesterday")
    ('two old cat see a bird yesterday', 'hera mira mira vel feli o vidi')
    """
    english = [*subject.english(), verb, *thing.english(), time]
    lumo = [
        TIMES[time],
        *subject.lumo(),
        *thing.lumo(),
        "o",
        VERBS[verb] + ENDINGS[time],
    ]
    return " ".join(english), " ".join(lumo)


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Different sentences with their translations."""
    rng = np.random.default_rng(seed)

    def pick(words: Iterable[str]) -> str:
        return str(rng.choice(list(words)))

    def phrase() -> Phrase:
        return Phrase(pick(COUNTS), pick(["", "", *ADJECTIVES]), pick(NOUNS))

    found: dict[str, str] = {}
    while len(found) < count:
        english, lumo = translation(phrase(), pick(VERBS), phrase(), pick(TIMES))
        found[english] = lumo
    return list(found.items())


def vocabulary(texts: Iterable[str]) -> list[str]:
    """All words in the order of the alphabet, behind padding, start and end."""
    return [*SPECIAL, *sorted({word for text in texts for word in text.split()})]


def numbered(
    texts: Sequence[str], words: Sequence[str], ends: bool = False
) -> NDArray[np.int32]:
    """Texts as numbers of words, padded with 0 behind; with `ends`, between start and end.

    Shapes: (n, longest).
    """
    number = {word: k for k, word in enumerate(words)}
    rows = [[number[word] for word in text.split()] for text in texts]
    if ends:
        rows = [[START, *row, END] for row in rows]
    codes = np.full((len(rows), max(map(len, rows))), PADDING, np.int32)
    for code, row in zip(codes, rows):
        code[: len(row)] = row
    return codes


def spelled(codes: Iterable[int], words: Sequence[str]) -> str:
    """The words up to the end, or to padding."""
    text = []
    for code in codes:
        if code in (END, PADDING):
            break
        text.append(words[code])
    return " ".join(text)


PEOPLE = ("mary", "john", "sandra", "daniel")
PLACES = ("kitchen", "garden", "office", "bathroom", "hallway")
MOVES = ("went to", "moved to", "travelled to", "ran to")


@dataclass(frozen=True)
class Story:
    """Who went where, a question about one of them, and the place that is the answer.

    support: the number of the sentence that says it.
    """

    sentences: list[str]
    question: str
    answer: str
    support: int


def stories(count: int, seed: int, longest: int = 8) -> list[Story]:
    """As task 1 of the bAbI tasks: one fact answers, and it is the last one about that
    person.  Source of the task: Weston et al. 2015, arXiv:1502.05698."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        length = int(rng.integers(2, longest + 1))
        who, where = rng.choice(PEOPLE, length), rng.choice(PLACES, length)
        sentences = [f"{a} {rng.choice(MOVES)} the {b}" for a, b in zip(who, where)]
        asked = str(rng.choice(who))
        support = max(k for k in range(length) if who[k] == asked)
        made.append(Story(sentences, f"where is {asked}", str(where[support]), support))
    return made
