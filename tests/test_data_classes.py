import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

import symnet
from symnet.data_classes import MANY, dataclass

DECORATORS = {"ours": dataclass, "standard": dataclasses.dataclass}


@pytest.fixture(params=DECORATORS)
def decorator(request: pytest.FixtureRequest) -> Any:
    """Ours and the standard library's: each test says what both of them do."""
    return DECORATORS[request.param]


@dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plain:
    a: int
    b: tuple[int, ...] = ()


def test_parameters_are_the_fields_in_order(decorator: Any) -> None:
    class Named:
        kind: ClassVar[str] = "kind"
        a: int
        b: int = 2
        c: list[int] = field(default_factory=list)
        d: int = field(default=4, kw_only=True)
        e: list[int] = field(init=False, default_factory=lambda: [5])

    made = decorator(Named)
    first, second = made(1), made(a=1, b=3, c=[7], d=8)
    assert vars(first) == {"a": 1, "b": 2, "c": [], "d": 4, "e": [5]}
    assert vars(second) == {"a": 1, "b": 3, "c": [7], "d": 8, "e": [5]}
    assert first.c is not made(1).c
    for wrong in ((), (1, 2, [], 4)):
        with pytest.raises(TypeError, match="__init__"):
            made(*wrong)
    with pytest.raises(TypeError, match="kind"):
        made(1, kind="other")


def test_keywords_only(decorator: Any) -> None:
    class Named:
        a: int = 1
        b: int = 2

    made = decorator(kw_only=True)(Named)
    assert made(b=3).b == 3
    with pytest.raises(TypeError, match="positional"):
        made(3)


def test_post_init_runs_for_every_object(decorator: Any) -> None:
    class Named:
        a: int
        twice: int = field(init=False)

        def __post_init__(self) -> None:
            self.twice = 2 * self.a

    made = decorator(Named)
    assert [made(k).twice for k in range(3)] == [0, 2, 4]


def test_subclasses_have_the_fields_of_both(decorator: Any) -> None:
    class First:
        a: int

    class Second(decorator(frozen=True)(First)):  # type: ignore[misc]
        b: int = 2

    made = decorator(frozen=True)(Second)
    assert repr(made(1)).endswith("(a=1, b=2)")
    assert made(1) == made(1, 2) != made(1, 3)


def test_equality_and_hash(decorator: Any) -> None:
    class Named:
        a: int
        b: Any = field(default=None, compare=False)

    class Frozen:
        a: int
        b: Any = field(default=None, compare=False)

    class Same:
        a: int

    loose, frozen = decorator(Named), decorator(frozen=True)(Frozen)
    assert loose(1, 2) == loose(1, 3) != loose(2)
    assert loose(1).__eq__(1) is NotImplemented
    with pytest.raises(TypeError, match="unhashable"):
        hash(loose(1))
    assert len({frozen(1, 2), frozen(1, 3), frozen(2)}) == 2
    same = decorator(eq=False)(Same)
    one = same(1)
    assert one == one != same(1)
    assert hash(one) != hash(same(1))


def test_own_methods_stay(decorator: Any) -> None:
    class Named:
        a: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

    made = decorator(frozen=True)(Named)
    assert repr(made(1)) == "own"
    assert made(1) == made(2)
    assert hash(made(1)) == hash(made(1))  # by the fields, though `__eq__` is its own


def test_repr_names_fields_and_ends_in_circles(decorator: Any) -> None:
    class Named:
        a: Any
        b: int = field(default=0, repr=False)

    one = decorator(Named)([])
    one.a.append(one)
    assert repr(one).endswith("Named(a=[...])")


def test_frozen_objects_cannot_be_changed(decorator: Any) -> None:
    class Named:
        a: int

    one = decorator(frozen=True)(Named)(1)
    for change in (lambda: setattr(one, "a", 2), lambda: delattr(one, "a")):
        with pytest.raises(FrozenInstanceError, match="a"):
            change()
    assert one.a == 1


@pytest.mark.parametrize("kind", [Plain, Slotted])
def test_copies_and_pickles(kind: Any) -> None:
    one = kind(1, (2, 3))
    for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), copy.copy(one)):
        assert other == one
        assert hash(other) == hash(one)
    assert dataclasses.replace(one, a=5) == kind(5, (2, 3))
    assert dataclasses.asdict(one) == {"a": 1, "b": (2, 3)}
    assert hasattr(one, "__dict__") == (kind is Plain)


def test_no_module_pays_for_the_standard_one() -> None:
    folder = Path(symnet.__file__).parent
    plain = "from dataclasses import dataclass"
    found = [p.name for p in folder.rglob("*.py") if plain in p.read_text()]
    assert found == ["data_classes.py"]


def test_first_and_later_objects_are_made_alike(decorator: Any) -> None:
    """A class with many objects compiles its `__init__`; what it takes stays the same."""

    class Named:
        a: int
        b: int = 2
        c: list[int] = field(default_factory=list)
        d: int = field(default=4, kw_only=True)
        e: int = field(init=False, default=5)

        def __post_init__(self) -> None:
            self.seen = self.a + self.b

    made = decorator(Named)
    wrong: list[tuple[tuple[int, ...], dict[str, int]]]
    wrong = [((), {}), ((1,), {"a": 1}), ((1,), {"e": 1}), ((1, 2, 3, 4), {})]
    for _ in range(3 * MANY):
        one = made(1, c=[7], d=8)
        assert (one.a, one.b, one.c, one.d, one.e, one.seen) == (1, 2, [7], 8, 5, 3)
        assert "e" not in vars(one) and made(3).c is not made(3).c
    for args, kwargs in wrong:
        with pytest.raises(TypeError, match="__init__"):
            made(*args, **kwargs)


@pytest.mark.parametrize("wrong", [((), {}), ((1,), {"a": 1}), ((1, (), 2), {})])
def test_the_first_object_may_be_made_wrongly(decorator: Any, wrong: Any) -> None:
    class Named:
        a: int
        b: tuple[int, ...] = ()

    made = decorator(frozen=True)(Named)
    args, kwargs = wrong
    with pytest.raises(TypeError, match="__init__"):
        made(*args, **kwargs)
    assert made(1).b == () and made(b=(2,), a=1).b == (2,)
