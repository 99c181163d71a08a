"""What `theano.tests.unittest_tools` has for tests of operations that users write."""

from __future__ import annotations

import copy
import functools
import sys
import unittest
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.compile import function, get_default_mode
from symnet.gradient import verify_grad as compare_with_differences
from symnet.ops.arithmetic import add

Allclose = Callable[..., bool]


def seeds(settings: Any) -> dict[str, Any]:
    """Seeds of tests: `theano.config.unittests.rseed`, 666 unless it is set."""

    def fetch_seed(pseed: Any = None) -> int | None:
        """The seed that is given or set; None for "random", and for what is no number,
        which is warned of."""
        seed = pseed or settings.unittests.rseed
        if not seed or seed == "random":
            return None
        try:
            return int(seed)
        except ValueError:
            warnings.warn(
                f"theano.config.unittests.rseed = {seed!r} is no number", stacklevel=2
            )
            return None

    def seed_rng(pseed: Any = None) -> int | None:
        """Seed `numpy.random`; the seed."""
        seed = fetch_seed(pseed)
        np.random.seed(seed)  # noqa: NPY002  programs draw from it
        return seed

    def verify_grad(
        op: Any, pt: Sequence[Any], n_tests: int = 2, rng: Any = None,
        *args: Any, **kwargs: Any,
    ) -> None:  # fmt: skip
        """`symnet.gradient.verify_grad`, with numbers from `numpy.random`, seeded."""
        if rng is None:
            seed_rng()
            rng = np.random
        compare_with_differences(op, pt, n_tests, rng, *args, **kwargs)

    vars(verify_grad)["E_grad"] = compare_with_differences.E_grad  # type: ignore[attr-defined]

    class InferShapeTester(SizesTest):
        """`SizesTest`, with seeded numbers."""

        def setUp(self) -> None:
            seed_rng()
            super().setUp()

    return {
        "AttemptManyTimes": functools.partial(AttemptManyTimes, settings.unittests),
        "InferShapeTester": InferShapeTester, "fetch_seed": fetch_seed,
        "seed_rng": seed_rng, "verify_grad": verify_grad,
    }  # fmt: skip


class SizesTest(unittest.TestCase):
    """A test of the sizes that an operation promises (`infer_shape`)."""

    mode: Any = None

    def setUp(self) -> None:
        mode = get_default_mode() if self.mode is None else self.mode
        self.mode = mode.including("canonicalize")

    def _compile_and_check(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        numeric_inputs: Sequence[Any],
        cls: Any,
        excluding: Sequence[str] | None = None,
        warn: bool = True,
        check_topo: bool = True,
    ) -> None:
        """Compute the outputs, and their sizes alone, and compare.

        cls: the class of the operation, or several; it must be in the graph of the
            outputs, and not in that of the sizes (unless check_topo is False).
        warn: of an input with equal sizes, in which a wrong axis would not be seen.
        Raises: AssertionError.
        """
        mode = self.mode.excluding(*excluding) if excluding else self.mode
        if warn:
            self._warn_of_equal_sizes(inputs, numeric_inputs, cls)
        values = function(inputs, outputs, mode=mode)
        sizes = function(inputs, [y.shape for y in outputs], mode=mode)
        if check_topo:
            left = [node.op for node in operations(sizes) if isinstance(node.op, cls)]
            if left:
                raise AssertionError(f"the sizes of the results compute {left[0]}")
        if not any(isinstance(node.op, cls) for node in operations(values)):
            found = ", ".join(str(node.op) for node in operations(values))
            raise AssertionError(f"no {cls} computes the results: {found}")
        for value, size in zip(
            values(*numeric_inputs), sizes(*numeric_inputs), strict=True
        ):
            if value.shape != tuple(size):
                raise AssertionError(
                    f"a result of shape {value.shape} was promised as {tuple(size)}"
                )

    def _warn_of_equal_sizes(
        self, inputs: Sequence[Any], values: Sequence[Any], cls: Any
    ) -> None:
        for variable, value in zip(inputs, values, strict=True):
            shape = np.shape(value) if not hasattr(value, "shape") else value.shape
            stretched = getattr(variable.type, "broadcastable", (False,) * len(shape))
            open_sizes = [n for n, one in zip(shape, stretched, strict=True) if not one]
            if len(set(open_sizes)) != len(open_sizes):
                warnings.warn(
                    f"the test of {cls} has an input of shape {tuple(shape)}: of equal "
                    "sizes it cannot be seen which axis they come from",
                    stacklevel=3,
                )
                return


def operations(f: Any) -> list[Any]:
    """The operations of a function, after rewriting."""
    order: list[Any] = f.maker.fgraph.toposort()
    return order


class T_OpContractMixin:
    """Tests of what operations promise of equality and hash: for a class with `ops`, a list
    of different ones, and `clone(op)`, which makes an equal one."""

    ops: Sequence[Any]
    other_op: Any = add

    def copy(self, x: Any) -> Any:
        return copy.copy(x)

    def deepcopy(self, x: Any) -> Any:
        return copy.deepcopy(x)

    def clone(self, op: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no clone(op)")

    def _equals(self, op: Any) -> list[Any]:
        return [op, self.copy(op), self.deepcopy(op), self.clone(op)]

    def test_eq(self) -> None:
        for k, op in enumerate(self.ops):
            others = [self.other_op, *self.ops[:k], *self.ops[k + 1 :]]
            assert all(op == one for one in self._equals(op)), (
                f"{op} differs from a copy"
            )
            assert all(op != one for one in others), f"{op} equals another operation"

    def test_hash(self) -> None:
        for op in self.ops:
            hashes = {hash(one) for one in self._equals(op)}
            assert len(hashes) == 1, f"copies of {op} have other hashes"
            assert hash(self.other_op) not in hashes, f"{op} has another's hash"

    def test_name(self) -> None:
        assert all(str(op) for op in self.ops), "an operation is printed as nothing"


class TestOptimizationMixin:
    """Tests of what is in the graph of a function, after rewriting."""

    def assertFunctionContains(
        self, f: Any, op: Any, min: int = 1, max: int = sys.maxsize
    ) -> None:
        self._count(f, op, [node for node in operations(f) if node.op == op], min, max)

    def assertFunctionContains0(self, f: Any, op: Any) -> None:
        self.assertFunctionContains(f, op, min=0, max=0)

    def assertFunctionContains1(self, f: Any, op: Any) -> None:
        self.assertFunctionContains(f, op, min=1, max=1)

    def assertFunctionContainsN(self, f: Any, op: Any, N: int) -> None:
        self.assertFunctionContains(f, op, min=N, max=N)

    def assertFunctionContainsClass(
        self, f: Any, op: Any, min: int = 1, max: int = sys.maxsize
    ) -> None:
        found = [node for node in operations(f) if isinstance(node.op, op)]
        self._count(f, op, found, min, max)

    def assertFunctionContainsClassN(self, f: Any, op: Any, N: int) -> None:
        self.assertFunctionContainsClass(f, op, min=N, max=N)

    def _count(self, f: Any, op: Any, found: list[Any], low: int, high: int) -> None:
        if not low <= len(found) <= high:
            there = ", ".join(str(node.op) for node in operations(f))
            raise AssertionError(
                f"{op} is in the graph {len(found)} times, not {low} to {high}: {there}"
            )

    def SkipTest(self, msg: str = "Skip this test") -> None:
        raise unittest.SkipTest(msg)


class MockRandomState:
    """Numbers that are always `val`: 0, or what is next to 1."""

    def __init__(self, val: float) -> None:
        self.val = val

    def rand(self, *shape: int) -> np.ndarray[Any, Any]:
        return np.full(shape, self.val, dtype="float64")

    def randint(
        self, minval: int, maxval: int | None = None, size: Any = 1
    ) -> np.ndarray[Any, Any]:
        """All the least integer where `val` is 0, else all the largest."""
        low, high = (0, minval) if maxval is None else (minval, maxval)
        return np.full(size, low if self.val == 0 else high - 1, dtype="int64")


class AttemptManyTimes:
    """Decorator of a test that may fail by chance: it is run up to n_attempts times, with
    another seed each, and must pass n_req_successes times.  Raises: what the test does."""

    def __init__(
        self, unittests: Any, n_attempts: int, n_req_successes: int = 1
    ) -> None:
        if n_attempts < n_req_successes:
            raise ValueError(
                f"{n_req_successes} successes of {n_attempts} attempts cannot be had"
            )
        self.unittests, self.attempts, self.needed = (
            unittests,
            n_attempts,
            n_req_successes,
        )

    def __call__(self, test: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(test)
        def attempts(*args: Any, **kwargs: Any) -> None:
            first, passed = self.unittests.rseed, 0
            for k in range(self.attempts):
                seed = first if first in (None, "random") else int(first) + k
                try:
                    self._attempt(test, seed, args, kwargs)
                    passed += 1
                except Exception:
                    if passed + self.attempts - k - 1 < self.needed:
                        raise
                finally:
                    self.unittests.rseed = first
                if passed == self.needed:
                    return

        return attempts

    def _attempt(
        self, test: Callable[..., Any], seed: Any, args: Any, kwargs: Any
    ) -> None:
        """One run, of a method of a test case between its `setUp` and `tearDown`."""
        self.unittests.rseed = seed
        case = (
            args[0]
            if len(args) == 1 and isinstance(args[0], unittest.TestCase)
            else None
        )
        if case is not None:
            case.setUp()
        try:
            test(*args, **kwargs)
        finally:
            if case is not None:
                case.tearDown()


class WrongValue(Exception):
    """A value that is not what was expected."""

    def __init__(
        self, expected_val: Any, val: Any, rtol: float | None, atol: float | None
    ) -> None:
        super().__init__()
        self.val1, self.val2, self.rtol, self.atol = expected_val, val, rtol, atol

    def __str__(self) -> str:
        return str_diagnostic(self.val1, self.val2, self.rtol, self.atol)


def str_diagnostic(
    expected: Any, value: Any, rtol: float | None, atol: float | None
) -> str:
    """What differs between two values, in words."""
    lines = []
    for what, one in (("expected", expected), ("value", value)):
        array = np.asarray(one)
        lines.append(f"{what}: {array.dtype} of shape {array.shape}\n{array}")
    a, b = np.asarray(expected), np.asarray(value)
    if a.shape == b.shape and a.size:
        with np.errstate(all="ignore"):
            off = np.abs(b - a)
            lines.append(
                f"off by up to {np.max(off)}, relatively {np.max(off / np.abs(a))}"
            )
    lines.append(f"rtol {rtol}, atol {atol}; None is that of the dtype")
    return "\n".join(lines)


def comparing(allclose: Allclose) -> Callable[..., None]:
    """`assert_allclose` by a comparison such as `theano.tensor.basic._allclose`."""

    def assert_allclose(
        expected: Any, value: Any, rtol: float | None = None, atol: float | None = None
    ) -> None:
        """Raises: WrongValue where a value is further off than its dtype's precision, or
        than rtol and atol say."""
        if not allclose(expected, value, rtol, atol):
            raise WrongValue(expected, value, rtol, atol)

    return assert_allclose


def labelled(*labels: Any, **values: Any) -> Callable[[Any], Any]:
    """Decorator for a test's labels, such as "slow", which only nose read: no effect."""
    return lambda test: test


def unittest_names(settings: Any, allclose: Allclose) -> dict[str, Any]:
    """The names of `theano.tests.unittest_tools`."""
    return {
        **seeds(settings),
        "MockRandomState": MockRandomState, "attr": labelled, "SkipTest": unittest.SkipTest,
        "T_OpContractMixin": T_OpContractMixin,
        "TestOptimizationMixin": TestOptimizationMixin, "WrongValue": WrongValue,
        "assert_allclose": comparing(allclose), "str_diagnostic": str_diagnostic,
    }  # fmt: skip


__all__ = ["unittest_names"]
