"""Which rewrites a mode applies: by names and tags, those of users among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from symnet.data_classes import dataclass
from symnet.rewriting.theano_tags import COUNTERPARTS


@dataclass(frozen=True)
class RegisteredRewrite:
    """A user's rewrite that modes find by its tags.

    stage: the group of rules that it belongs to ("canonicalize", ...); "" for a rewrite of
        whole graphs, which has a `position` among the passes.
    """

    name: str
    rewrite: Any
    tags: frozenset[str]
    stage: str = ""
    position: float = 0.0


registered: dict[tuple[str, str], RegisteredRewrite] = {}  # by stage and name


@dataclass(frozen=True)
class RewriteChoice:
    """The rewrites that have a tag of `include`, none of `exclude`, and all of `require`.

    "fast_run" is a tag of everything that the compiler has.  What every program needs is
    applied in any case.
    own: rewrites of whole graphs that belong to one mode, with their positions.
    """

    include: frozenset[str] = frozenset(["fast_run"])
    exclude: frozenset[str] = frozenset()
    require: frozenset[str] = frozenset()
    own: tuple[tuple[Any, float], ...] = ()

    def takes(self, tags: Collection[str]) -> bool:
        """Whether a rewrite with these tags is applied."""
        return (
            not self.include.isdisjoint(tags)
            and self.exclude.isdisjoint(tags)
            and self.require.issubset(tags)
        )

    def including(self, tags: Iterable[str]) -> RewriteChoice:
        return replace(self, include=self.include | meant(tags))

    def excluding(self, tags: Iterable[str]) -> RewriteChoice:
        return replace(self, exclude=self.exclude | meant(tags))

    def requiring(self, tags: Iterable[str]) -> RewriteChoice:
        return replace(self, require=self.require | frozenset(tags))

    def with_own(self, pairs: Iterable[tuple[Any, float]]) -> RewriteChoice:
        return replace(self, own=(*self.own, *pairs))


def meant(tags: Iterable[str]) -> frozenset[str]:
    """The tags, and what stands here for those that are Theano's."""
    given = frozenset(tags)
    return given.union(*(COUNTERPARTS.get(tag, ()) for tag in given))


FAST_RUN = RewriteChoice()
FAST_COMPILE = RewriteChoice(frozenset(["fast_compile"]))
