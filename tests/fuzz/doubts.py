"""What a difference may be explained by that is no fault: roundings that decide a choice, a
program that is unstable as it is written, a derivative that nothing defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

from symnet.compile.agreement import ANY_SHAPE, distance
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import toposort
from symnet.graph.types import FLOATS
from tests.fuzz.numbers import narrow, unstable
from tests.fuzz.program import Meaning, Program, all_steps
from tests.fuzz.spaces import (
    LEAST,
    TINY,
    Doubtful,
    Near,
    Tie,
    Unknown,
    Wide,
    widened,
)

DIGITS = 640  # exp(-800) beside 1, and twice the step of differences
MANY = 1000  # numbers of one leaf, beyond which digits take too long
PATIENT = 50_000  # the same, where something is wrong already
DIVIDES = "x = 0 ? 1 : tanh(x)/x"  # a form whose argument is divided by as it is
TRIALS = 16  # evaluations with values that updates have made off by their last bits
BITS = 8.0  # of which there are so many


class Doubts:
    """counts: of the reasons that were found."""

    def __init__(
        self, program: Program, dtypes: Mapping[int, str], counts: Counter[str]
    ) -> None:
        self.program, self.dtypes, self.counts = program, dtypes, counts

    def overflows(self, wanted: Any, known: Any) -> bool:
        """Whether a form that is promised to be stable is not so as it is written: then
        only many digits can judge."""
        if not self.program["claims"]:
            return False
        made = [v for node in toposort(wanted) for v in node.outputs]
        floats = [v for v in made if getattr(v.type, "dtype", "") in FLOATS]
        return not all(np.all(np.isfinite(a)) for a in evaluate(floats, known))

    def divides_by_too_little(self, given: Mapping[int, Any]) -> bool:
        """Whether tanh(x)/x is asked for its gradient next to 0, but not there.

        The gradient is tanh'(x)/x - tanh(x)/x/x, of which 1/x cancels: it misses eps/x, and
        where x has lost its own digits, infinity.  What is promised of the form is that
        nothing comes from 0 itself, not that it were made of another function.
        """
        steps = [s for s in self.program["steps"] if s.get("name") == DIVIDES]
        if not steps:
            return False
        try:
            truth = self.meant(given)
        except Unknown:
            return False
        for n in (s["args"][0] for s in steps):
            sizes = np.abs(narrow(truth[n]))
            if np.any((sizes > 0) & (sizes < 2.0**-8)):
                self.counts["divided by too little"] += 1
                return True
        return False

    def meant(
        self, given: Mapping[int, Any], space: Any = Wide, most: int = MANY
    ) -> dict[int, Any]:
        """All steps in many digits.  Raises: Unknown, for whatever stands against it."""
        if max((np.size(a) for a in given.values()), default=0) > most:
            raise Unknown("too many numbers for many digits")
        with mpmath.workdps(DIGITS):
            leaves = {n: widened(a) for n, a in given.items()}
            LEAST.set(self.least_apart(given))
            try:
                meaning = Meaning(space, self.dtypes, True)
                return meaning.run(self.program["steps"], leaves)
            except (TypeError, ValueError, AttributeError, ArithmeticError,
                    IndexError) as error:  # fmt: skip
                raise Unknown(str(error)) from error

    def least_apart(self, given: Mapping[int, Any]) -> float:
        """How far apart two differences of numbers as large as the leaves have to be."""
        kinds = [d for d in self.dtypes.values() if d in FLOATS]
        eps = max((float(np.finfo(d).eps) for d in kinds), default=0.0)
        largest = max(
            (float(np.max(np.abs(a), initial=0)) for a in given.values()), default=0
        )
        return max(TINY, 4 * eps * largest)

    def tied(self, given: Mapping[int, Any]) -> bool:
        """Whether a comparison in the program is decided by roundings, or which elements of
        a computed matrix are stored."""
        tries: list[Any] = [lambda: self.meant(given, Doubtful, PATIENT)]
        if any(self._hangs_on_equality(s) for s in all_steps(self.program["steps"])):
            near = Meaning(Near, dict(self.dtypes))
            tries.append(lambda: near.run(self.program["steps"], dict(given)))
        for run in tries:
            try:
                run()
            except Tie:
                self.counts["ties"] += 1
                return True
            except (Unknown, ValueError, IndexError):
                pass
        return False

    def _hangs_on_equality(self, step: Mapping[str, Any]) -> bool:
        """Whether it makes a sparse matrix of something that was computed, or looks for its
        distinct numbers."""
        leaves = {x["id"] for x in self.program["leaves"]}
        asks = step.get("name") in ("sparse", "distinct")
        return asks and step["args"][0] not in leaves

    def own_fault(self, given: Mapping[int, Any], values: Mapping[int, Any]) -> bool:
        """Whether a program that promises nothing is unstable as it is written, and
        DebugMode right to say so: a result that NumPy cannot compute has a value that its
        dtype could hold.  Of gradients only the first half is asked."""
        if self.program["claims"] or not unstable(values):
            return False
        if self.program["gradients"]:
            return True
        results = [*self.program["outputs"], *(b for _, b in self.program["updates"])]
        doubtful = [n for n in results if self.is_float(n)]
        try:
            truth = self.meant(given)
        except Unknown:
            return True
        return any(
            bool(np.any(~np.isfinite(values[n]) & (np.abs(narrow(truth[n]))
                 <= np.finfo(self.dtypes[n]).max)))
            for n in doubtful
        )  # fmt: skip

    def turned(
        self, wanted: Sequence[Any], reference: Sequence[Any], known: Mapping[Any, Any],
        made: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """How far each result moves when the values that earlier calls have made of the
        variables `made` are off by their last bits, as they are: one that was made equal to
        what it is compared with is so but for roundings."""
        reach = [np.zeros(np.shape(want)) for want in reference]
        rng = np.random.default_rng(0)
        for _ in range(TRIALS if made else 0):
            moved = {v: _off(known[v], rng) for v in made if v in known}
            try:
                found = evaluate(list(wanted), {**known, **moved})
            except (ValueError, IndexError):
                continue
            for k, (value, want) in enumerate(zip(found, reference, strict=True)):
                if np.shape(value) != np.shape(want):
                    reach[k] = ANY_SHAPE
                elif reach[k] is not ANY_SHAPE:
                    reach[k] = np.maximum(reach[k], distance(np.asarray(value), want))
        return reach

    def is_float(self, n: int) -> bool:
        return self.dtypes[n].startswith("float")


def _off(array: Any, rng: np.random.Generator) -> Any:
    if array.dtype.kind not in "fc":
        return array
    limits = np.finfo(array.dtype)
    last, least = BITS * rng.uniform(-1.0, 1.0, (2, *array.shape))
    moved = array + array * (last * limits.eps) + least * limits.tiny
    return np.asarray(moved, array.dtype)
