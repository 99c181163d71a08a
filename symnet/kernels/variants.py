"""What code is generated for: one of the ways in which a kernel's arrays may lie in memory."""

from __future__ import annotations

from dataclasses import replace

from symnet.data_classes import dataclass

# Lanes of the last kept dimension that make one work item.  Constants, so that cutting
# the work differently never changes how it is done.
ITEM_LANES = 1024
ITEM_LANES_REDUCING = 64
ITEM_LANES_TILED = 32
# The most lanes of a band (`Variant.banded`), whose buffers stay in the first cache.
BAND_LANES = 1024
# Threads that share an item (`Variant.warps`), and that a GPU runs in step.
WARP = 32
# Elements so far apart are picked from whole vectors; a gather costs as much beyond.
WIDEST_SPACING = 4
# Lanes that share an element, by the letter of the access.
SHARING = {"h": 2}
# After how many lanes elements come again.
PERIODS = {"p": 2}

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """What code is generated for.

    `kept` and `reduced` list the dimensions, outer first; each is the tuple of loop axes
    merged in it.  `lanes` says what one vector holds neighbours of:
    "kept"     the last kept dimension;
    "reduced"  the last reduced dimension;
    "parts"    the same, in a reduction to single values, or to few: work items are parts of
               what is reduced, a second function merges their results; of code for threads
               each pass has two such functions (`legality.stages_of`);
    "one"      nothing: one element at a time.
    `access` has a letter for each operand, how it is walked along the lanes:
    "c"ontiguous, "f"ixed, with a number of elements from 2 to WIDEST_SPACING from lane to
    lane, "h" where two neighbouring lanes share one, "p"eriodic where every second lane has
    the same, or "s"trided.
    `banded`: lanes run along a kept dimension, and many of them go together through a few
    rows of the reduced ones at a time (`kernels/llvm/bands.py`).
    `warps`: what is reduced is dealt out to WARP lanes and joined in the order that
    `kernels/llvm/warps.py` says: of code for threads, those of a warp; of vectors, as many
    side by side as hold so many lanes.
    `cut`: of rows in the warps' order: an item goes through the parts of its row itself, and
    merges them as the functions of "parts" would.
    `atomic`: of a scatter that adds, for threads: each point is added when its turn comes.
    `approximate`: of code for a GPU, functions of float32 are the hardware's.
    """

    kept: tuple[Axes, ...]
    reduced: tuple[Axes, ...]
    lanes: str
    access: str
    banded: bool = False
    warps: bool = False
    atomic: bool = False
    approximate: bool = False
    cut: bool = False

    @property
    def text(self) -> str:
        """A name that is the same in every process."""
        more = " bands" * self.banded + " warps" * self.warps
        more += " atomic" * self.atomic + " approximate" * self.approximate
        more += " cut" * self.cut
        return f"{self.kept} {self.reduced} {self.lanes} {self.access}{more}"


def for_threads(variant: Variant) -> Variant:
    """The variant for code in which each point is a thread, not a lane; its words are the
    same."""
    lanes = "parts" if variant.lanes == "parts" else "one"
    access = "f" * len(variant.access)
    return replace(variant, lanes=lanes, access=access, banded=False)


def item_threads(variant: Variant) -> int:
    """Threads that share one item of code for threads."""
    return WARP if variant.warps else 1


def item_lanes(variant: Variant) -> int:
    """Positions of the last kept dimension in one work item."""
    if variant.reduced:
        return ITEM_LANES_REDUCING
    return ITEM_LANES_TILED if is_tiled(variant) else ITEM_LANES


def is_tiled(variant: Variant) -> bool:
    """Whether to go through all rows with one block of lanes before the next block.

    A strided operand (a transposed one) touches as many cache lines as there are lanes;
    the next row finds its numbers in the same lines, if they are not too many.
    """
    return (
        variant.lanes == "kept"
        and len(variant.kept) > 1
        and not variant.reduced
        and "s" in variant.access
    )
