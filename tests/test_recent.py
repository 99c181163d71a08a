"""A table of what was used last."""

from __future__ import annotations

import threading

from symnet.recent import Recent


def test_the_last_are_kept() -> None:
    table: Recent[int, str] = Recent(3)
    for number in range(5):
        assert table.add(number, str(number)) == str(number)
    assert [table.get(k) for k in range(5)] == [None, None, "2", "3", "4"]
    table.get(2)
    table.add(9, "nine")
    assert [k for k in range(10) if table.get(k)] == [2, 4, 9] and len(table) == 3
    table.clear()
    assert len(table) == 0 and table.get(9) is None


def test_the_first_of_equals_is_kept() -> None:
    table: Recent[str, list[int]] = Recent(2)
    first: list[int] = []
    assert table.add("a", first) is first
    assert table.add("a", [1]) is first and table.get("a") is first


def test_threads_share_it() -> None:
    table: Recent[int, int] = Recent(5)

    def work(number: int) -> None:
        for k in range(3000):
            assert table.add(k % 9, k % 9) == k % 9
            assert table.get((k + number) % 9) in (None, (k + number) % 9)

    errors = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(table) <= 5


def test_keys_whose_comparison_uses_the_table() -> None:
    """As other threads and signals' handlers do between two lines of a key's `__eq__`."""
    table: Recent[Key, int] = Recent(3)

    class Key:
        waits = 0  # so many comparisons later

        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return self.number % 2

        def __eq__(self, other: object) -> bool:
            Key.waits -= 1
            if Key.waits == 0:
                for k in range(self.number, self.number + 6, 2):
                    table.add(Key(k), k)
                table.get(self)
            return isinstance(other, Key) and other.number == self.number

    for k in range(500):
        Key.waits = k % 4 + 1
        assert table.add(Key(k % 7), k % 7) == k % 7
        assert table.get(Key(k % 5)) in (None, k % 5)
        assert len(table) <= 4
