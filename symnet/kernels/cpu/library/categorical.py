"""Native steps that turn uniform numbers into numbers of classes, as Theano does it.

A row of probabilities is gone through while a sum (in float64) grows; the first class at
which it exceeds the uniform number is the one drawn.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.floats import add, divide, less, single, subtract
from symnet.kernels.cpu.jit.intrinsics import load, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.call_steps import CallArrangement

# The argument blocks, by word.
ROWS, CLASSES, DRAWS = 0, 1, 2
CHANCES, UNIFORMS, RESULT = 3, 4, 5  # pointers; all numbers float64, the result int64
WORK, NARROW = 6, 7  # a copy of the probabilities, and whether they are float32


@native
def first_above(row: int, classes: int, uniform: int) -> int:
    """The first class at which the sum exceeds the number; `classes` if there is none."""
    total = 0
    for k in range(classes):
        total = add(total, load(row, k))
        if less(uniform, total) != 0:
            return k
    return classes


@native
def count_classes(arguments: int, begin: int, end: int) -> int:
    """For rows `begin` to `end`: how often each class is drawn."""
    rows = load(arguments, ROWS)
    classes = load(arguments, CLASSES)
    for row in range(begin, end):
        chances = load(arguments, CHANCES) + 8 * classes * row
        result = load(arguments, RESULT) + 8 * classes * row
        for k in range(classes):
            store(result, k, 0)
        for draw in range(load(arguments, DRAWS)):
            uniform = load(load(arguments, UNIFORMS), draw * rows + row)
            found = first_above(chances, classes, uniform)
            if found < classes:
                store(result, found, load(result, found) + 1)
    return 0


@native
def rounded(bits: int, narrow: int) -> int:
    if narrow != 0:
        return single(bits)
    return bits


@native
def forbid(row: int, classes: int, found: int, narrow: int) -> int:
    """Take a class out of a row and make the others sum to one again.

    The sum is made of what came before the class, then the rest in order.
    """
    total = 0
    for k in range(found + 1):
        total = add(total, load(row, k))
    total = rounded(subtract(total, load(row, found)), narrow)
    store(row, found, 0)
    for k in range(found, classes):
        total = rounded(add(total, load(row, k)), narrow)
    for k in range(classes):
        store(row, k, rounded(divide(load(row, k), total), narrow))
    return 0


@native
def choose_classes(arguments: int, begin: int, end: int) -> int:
    """For rows `begin` to `end`: the classes drawn, none of them twice (-1: none left)."""
    rows = load(arguments, ROWS)
    classes = load(arguments, CLASSES)
    draws = load(arguments, DRAWS)
    for row in range(begin, end):
        chances = load(arguments, WORK) + 8 * classes * row
        for k in range(classes):
            given = load(load(arguments, CHANCES), classes * row + k)
            store(chances, k, given)
        for draw in range(draws):
            uniform = load(load(arguments, UNIFORMS), draw * rows + row)
            found = first_above(chances, classes, uniform)
            place = draws * row + draw
            if found < classes:
                store(load(arguments, RESULT), place, found)
                if draw + 1 < draws:
                    forbid(chances, classes, found, load(arguments, NARROW))
            else:
                store(load(arguments, RESULT), place, -1)
    return 0


def count_step(rows: int, classes: int, draws: int) -> CallArrangement:
    """How often each class is drawn.  Pointers: probabilities (rows, classes), uniform
    numbers (draws * rows), counts (rows, classes)."""
    cost = 1.0 * rows * classes * (draws + 1)
    words = (rows, classes, draws, 0, 0, 0)
    slots = (CHANCES, UNIFORMS, RESULT)
    grain = max(1, int(20_000 * rows / max(cost, 1.0)))
    return CallArrangement(count_classes, words, slots, rows, grain, cost)


def choose_step(rows: int, classes: int, draws: int, narrow: bool) -> CallArrangement:
    """Which classes are drawn, none twice.  Pointers: probabilities (rows, classes),
    uniform numbers (draws * rows), classes (rows, draws), memory (rows, classes).

    narrow: the probabilities are float32, and are rounded to that after each step.
    """
    cost = 3.0 * rows * classes * draws
    words = (rows, classes, draws, 0, 0, 0, 0, int(narrow))
    slots = (CHANCES, UNIFORMS, RESULT, WORK)
    grain = max(1, int(20_000 * rows / max(cost, 1.0)))
    return CallArrangement(choose_classes, words, slots, rows, grain, cost)
