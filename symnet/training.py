"""What a training loop needs besides a compiled step: minibatches, early stopping, and
checkpoints from which it goes on to the same bits.

    batches = training.Minibatches((images, classes), size=20, seed=1)
    stopping = training.EarlyStopping(parameters, patience=5)
    checkpoint = training.Checkpoint("run.safetensors", step, stopping)
    for epoch in range(checkpoint.resume(), 100):
        for x, y in batches.epoch(epoch):
            step(x, y)
        if stopping(errors(test_images, test_classes)):
            break
        checkpoint.save(epoch + 1)
    stopping.restore()

All state lies in shared variables (of parameters, optimisers, random streams, and of
`EarlyStopping`), but for one number, that of the epoch or step: which examples come next
follows from it and the seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnet.compile.function import Function
from symnet.errors import briefly, message
from symnet.graph.entering import as_plain
from symnet.graph.variables import Variable, operand_text
from symnet.models.weight_files import write_weights
from symnet.parameter_files import assign, names_of_variables, snapshot
from symnet.shared import SharedVariable, set_values, shared

__all__ = ["Checkpoint", "EarlyStopping", "Minibatches"]

NUMBER = "checkpoint number"  # its name in the file


class Minibatches:
    """Arrays cut into minibatches, in another order in each epoch.

    arrays: an array, or a tuple of them with the same number of rows; what a batch is of.
    size: rows of a batch.
    seed: of the orders, a non-negative integer or a sequence of them; None: rows stay in
        their order, and batches are views.
    keep_last: whether the rows that are left over at the end of an epoch are a smaller
        batch; else they are left out (in each epoch others).
    The order depends on the seed and the epoch's number alone, so that any epoch can be
    run again, and training can go on anywhere.
    Raises: ValueError for arrays of different lengths or without rows, and where no batch
        is to be had; TypeError for symbolic variables.

    >>> from symnet import training
    >>> batches = training.Minibatches(range(5), size=2)
    >>> [batch.tolist() for batch in batches.epoch(0)]
    [[0, 1], [2, 3], [4]]
    """

    @briefly
    def __init__(
        self,
        arrays: Any,
        size: int,
        seed: int | Iterable[int] | None = None,
        keep_last: bool = True,
    ) -> None:
        self.several = isinstance(arrays, (tuple, list))
        self.arrays = [_rows(a) for a in (arrays if self.several else [arrays])]
        lengths = {len(a) for a in self.arrays}
        if len(lengths) != 1:
            shapes = ", ".join(str(a.shape) for a in self.arrays) or "none"
            raise ValueError(
                f"minibatches need arrays with the same number of rows, not {shapes}"
            )
        (self.rows,) = lengths
        if isinstance(size, bool) or int(size) != size or size < 1:
            raise ValueError(f"a batch has at least one row, not {size!r}")
        self.size, self.keep_last = int(size), keep_last
        self.seed = None if seed is None else np.random.SeedSequence(_whole(seed))
        if not len(self):
            raise ValueError(f"{self.rows} rows give no batch of {size}")

    def __len__(self) -> int:
        """How many batches an epoch has."""
        spare = self.size - 1 if self.keep_last else 0
        return (self.rows + spare) // self.size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows' numbers in the order of this epoch."""
        if epoch < 0:
            raise ValueError(f"epochs are counted from 0, not {epoch}")
        if self.seed is None:
            return np.arange(self.rows)
        own = np.random.SeedSequence(self.seed.entropy, spawn_key=(epoch,))
        return np.random.default_rng(own).permutation(self.rows)

    def epoch(self, number: int, begin: int = 0) -> Iterator[Any]:
        """The batches of an epoch (of one array, or tuples), from the batch `begin` on."""
        order = self.order(number)  # before the first batch is asked for
        return self._batches(order, begin)

    def _batches(self, order: NDArray[np.int64], begin: int) -> Iterator[Any]:
        for k in range(begin, len(self)):
            rows = slice(k * self.size, (k + 1) * self.size)
            picked = rows if self.seed is None else order[rows]
            found = tuple(array[picked] for array in self.arrays)
            yield found if self.several else found[0]

    def steps(self, begin: int, end: int) -> Iterator[tuple[int, Any]]:
        """(step, batch) for the steps from `begin` to `end` - 1, through the epochs, which
        have len(self) steps each."""
        step = begin
        while step < end:
            epoch, first = divmod(step, len(self))
            for batch in self.epoch(epoch, first):
                yield step, batch
                step += 1
                if step == end:
                    return


def _rows(value: Any) -> NDArray[Any]:
    if isinstance(value, Variable):
        raise TypeError(
            message(
                "minibatches are cut from arrays",
                operands=[operand_text(value)],
                cure="pass w.get_value(), or index a shared variable in `givens`",
            )
        )
    array = np.asarray(as_plain(value))
    if array.ndim == 0:
        raise ValueError(
            f"minibatches are cut from arrays with rows, not {value!r:.60}"
        )
    return array


def _whole(seed: Any) -> Any:
    """A seed as `SeedSequence` takes it."""
    parts = list(seed) if isinstance(seed, Iterable) else [seed]
    if not parts or not all(isinstance(n, (int, np.integer)) and n >= 0 for n in parts):
        raise ValueError(
            f"a seed is a non-negative integer or a sequence of them, not {seed!r:.60}"
        )
    return [int(n) for n in parts]


class EarlyStopping:
    """Remembers the parameters of the best value so far, and says when to stop.

    parameters: shared variables, as a list or a dict.
    patience: after so many values in a row that are no better, it is time.
    least_gain: by how much a better value must be better.
    larger_is_better: of accuracies; else the smallest value is the best, as of costs.
    best, waited: the best value so far (NaN: none), and how many came after it.
    A NaN is never better.
    Raises: TypeError for what is no shared variable, ValueError for a patience below 1.

    >>> import symnet
    >>> from symnet import training
    >>> w = symnet.shared(0.0, "w")
    >>> stopping = training.EarlyStopping([w], patience=2)
    >>> for k, error in enumerate([0.5, 0.3, 0.4, 0.35]):
    ...     w.set_value(k)
    ...     if stopping(error):
    ...         print("stop after", k)
    stop after 3
    >>> stopping.restore()
    >>> float(w.get_value()), stopping.best
    (1.0, 0.3)
    """

    @briefly
    def __init__(
        self,
        parameters: Mapping[str, SharedVariable] | Iterable[SharedVariable],
        patience: int = 10,
        least_gain: float = 0.0,
        larger_is_better: bool = False,
    ) -> None:
        if patience < 1:
            raise ValueError(f"patience is at least 1, not {patience!r}")
        self.patience, self.least_gain = patience, float(least_gain)
        self.larger_is_better = larger_is_better
        self._best = shared(np.float64("nan"), "best value")
        self._waited = shared(np.int64(0), "values since the best")
        self._kept: dict[SharedVariable, SharedVariable] = {}
        for name, one in names_of_variables(parameters).items():
            if not isinstance(one, SharedVariable):
                raise TypeError(f"{name!r} is no shared variable: {one!r:.60}")
            value = snapshot({name: one})[name]
            self._kept[one] = shared(value, f"best {name}", borrow=True)

    @property
    def best(self) -> float:
        return float(self._best.get_value())

    @property
    def waited(self) -> int:
        return int(self._waited.get_value())

    @property
    def state(self) -> list[SharedVariable]:
        """Shared variables with all that it remembers, for `Checkpoint`."""
        return [self._best, self._waited, *self._kept.values()]

    @briefly
    def __call__(self, value: Any) -> bool:
        """Take the next value, such as the error on data that is kept back; whether it is
        time to stop.  Raises: TypeError for more than one number."""
        number = np.asarray(value)
        if number.size != 1 or number.dtype.kind not in "biuf":
            raise TypeError(f"early stopping goes by one number, not {value!r:.60}")
        new, old = float(number.reshape(())), self.best
        gain = new - old if self.larger_is_better else old - new
        if gain > self.least_gain or (np.isnan(old) and not np.isnan(new)):
            names = {str(k): one for k, one in enumerate(self._kept)}
            copies = snapshot(names).values()
            news = dict(zip(self._kept.values(), copies, strict=True))
            set_values({**news, self._best: new, self._waited: 0})
        else:
            self._waited.set_value(self.waited + 1)
        return self.waited >= self.patience

    @briefly
    def restore(self) -> None:
        """Put the parameters of the best value back.

        Raises: ValueError where there was no value but NaN.
        """
        if np.isnan(self.best):
            raise ValueError("no value has come yet that is the best")
        set_values({one: kept.get_value() for one, kept in self._kept.items()})


class Checkpoint:
    """A file from which training goes on as if it had not been interrupted.

    path: of a `.safetensors` or `.npz` file.
    sources: whose state is kept: functions (all shared variables that they update:
        parameters, what the optimiser keeps, random streams, counters), shared variables,
        lists or dicts of them, and `EarlyStopping`.
    A run of the same program that was interrupted after `save` and goes on from `resume`
    computes the same bits as one that was not.
    Raises: TypeError for other sources, ValueError without any.
    """

    @briefly
    def __init__(self, path: str | os.PathLike[str], *sources: Any) -> None:
        self.path = os.fsdecode(path)
        found = [v for source in sources for v in _state_of(source)]
        if not found:
            raise ValueError(
                message(
                    "a checkpoint without shared variables",
                    cure="pass the function that trains, or the shared variables",
                )
            )
        # Variables that stand for one value are one.
        distinct = {v.store: v for v in found}.values()
        self.variables = names_of_variables(distinct)

    @briefly
    def save(self, number: int) -> None:
        """Write the state, and how many epochs (or steps) are done, in place of what was
        written before.  An interrupted `save` leaves the old file.

        Raises: TypeError for a number that is no integer; OSError.
        """
        done = np.array(index(number), np.int64)
        write_weights(self.path, {**snapshot(self.variables), NUMBER: done})

    @briefly
    def resume(self) -> int:
        """Take the state over from the file; the number that was saved with it.
        Where there is no file: 0, and nothing changes.

        Raises: as `symnet.load`, before anything is changed.
        """
        if not os.path.exists(self.path):
            return 0
        return int(assign(self.path, self.variables, besides=NUMBER)[NUMBER])


def _state_of(source: Any) -> list[SharedVariable]:
    if isinstance(source, Function):
        return list(source.updates)
    if isinstance(source, EarlyStopping):
        return source.state
    if isinstance(source, SharedVariable):
        return [source]
    if isinstance(source, Mapping):
        return [v for one in source.values() for v in _state_of(one)]
    if isinstance(source, (list, tuple)):
        return [v for one in source for v in _state_of(one)]
    raise TypeError(
        message(
            f"a checkpoint keeps shared variables, not {type(source).__name__} "
            f"{source!r:.60}",
            cure="pass functions, shared variables, or lists of them",
        )
    )
