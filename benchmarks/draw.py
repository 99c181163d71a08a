"""The figure of a run: every framework's time over symnet's, one line a case.

python -m benchmarks.draw FILE.json      writes FILE.svg
"""

from __future__ import annotations

import json
import pathlib
import statistics
import sys
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "symnet"  # the same figure gives the same file

from matplotlib import pyplot  # noqa: E402

from benchmarks.report import call_times  # noqa: E402

MARKERS = "osDv^<>Pp*"


def relative_times(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Framework -> case -> its median time of a call over symnet's."""
    found: dict[str, dict[str, float]] = {}
    for case, answers in results["calls"].items():
        times = {name: statistics.median(s) for name, s in call_times(answers).items()}
        own = times.pop("symnet", None)
        for name, seconds in times.items():
            if own:
                found.setdefault(name, {})[case] = seconds / own
    return found


def draw(results: dict[str, Any], path: pathlib.Path) -> None:
    """Write the figure; to the right of 1 symnet is faster.  The scale is logarithmic."""
    cases = list(results["calls"])[::-1]
    figure, axes = pyplot.subplots(
        figsize=(8, 1.6 + 0.32 * len(cases)), layout="constrained"
    )
    axes.axvline(1, color="black", linewidth=1)
    for marker, (name, ratios) in zip(MARKERS, relative_times(results).items()):
        heights = [cases.index(case) for case in ratios]
        axes.plot(list(ratios.values()), heights, marker, label=name, markersize=5)
    axes.set_xscale("log")
    axes.set_yticks(range(len(cases)), cases)
    axes.grid(axis="y", linewidth=0.3)
    axes.set_xlabel("time of a call over symnet's")
    axes.set_title(
        f"{results['machine']['processor']}, {results['date'][:10]}", fontsize=9
    )
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=8, loc="outside lower center", ncols=4)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1])
    draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".svg"))
