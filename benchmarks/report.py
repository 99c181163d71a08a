"""From measurements to ratios and tables.

python -m benchmarks.report FILE.json      print the table again
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.cases import CASES
from benchmarks.cases.case import Case

IMPORT_FLOOR = "numpy, scipy.linalg, llvmlite"
IMPORT_GOAL = 1.4
MEMORY_GOAL = 1.1
SCALING_GOAL = 2.3
STEPS_GOAL = 1  # megabytes
STEPS = ("1,000", "100,000")
NOTHING = 16  # megabytes: what loading code takes

Measured = dict[str, dict[str, Any]]


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over rounds of the two times' ratio within the round."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def fastest(times: dict[str, list[float]], aside: Sequence[str] = ()) -> str | None:
    """The peer with the smallest median."""
    peers = [name for name in times if name != "symnet" and name not in aside]
    return min(peers, key=lambda name: statistics.median(times[name]), default=None)


def verdict(ratio: float, goal: float | None) -> str:
    if goal is None:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} {'≤' if ratio <= goal else '**>**'} {goal}"


def row(
    label: str,
    times: dict[str, list[float]],
    names: Sequence[str],
    against: str | None,
    goal: float | None,
) -> list[str]:
    """One line of a table: label, ratio, against whom, then everyone's median."""
    ratio = ""
    if against in times and "symnet" in times:
        ratio = verdict(paired_ratio(times["symnet"], times[against]), goal)
    cells = [duration(statistics.median(times[n])) if n in times else "" for n in names]
    return [label, ratio, against or "", *cells]


def call_times(found: Measured) -> dict[str, list[float]]:
    return {
        name: answer["seconds"]
        for name, answer in found.items()
        if answer.get("seconds")
    }


def build_times(found: Measured, state: str) -> dict[str, list[float]]:
    return {name: answer[state] for name, answer in found.items() if answer.get(state)}


def call_row(case: Case, found: Measured, names: Sequence[str]) -> list[str]:
    times = call_times(found)
    return row(case.name, times, names, fastest(times, case.aside), case.goal)


def call_line(case: Case, found: Measured) -> str:
    """One line for the screen."""
    names = list(call_times(found))
    label, ratio, against, *cells = call_row(case, found, names)
    shown = ", ".join(f"{name} {cell}" for name, cell in zip(names, cells))
    return f"{label}: {shown}" + (f"; to {against}: {ratio}" if ratio else "")


def build_line(case: Case, found: Measured) -> str:
    parts = []
    for name, answer in found.items():
        for state in ("cold", "warm"):
            if state in answer:
                parts.append(
                    f"{name} {state} {duration(statistics.median(answer[state]))}"
                )
        if case.weighed and "growth" in answer:
            parts.append(f"{statistics.median(answer['growth']):.0f} MB")
        if "failed" in answer:
            parts.append(f"{name}: {answer['failed']}")
    return f"{case.name}: " + ", ".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [
        "| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)
    ]
    return "\n".join(lines)


def call_table(results: dict[str, Any], names: list[str]) -> str:
    rows = [
        call_row(CASES[name], found, names) for name, found in results["calls"].items()
    ]
    return table(["a call", "ratio", "to", *names], rows)


def bound_table(results: dict[str, Any]) -> str:
    """Empty for results without bounds, as runs were kept before these were measured."""
    rows = [
        bound_row(CASES[name], results["calls"][name], bounds)
        for name, bounds in results.get("bounds", {}).items()
    ]
    head = ["a call", "bound by", "bound", "symnet", "over bound", "fastest peer over"]
    return table(head, rows) if rows else ""


def bound_row(case: Case, found: Measured, bounds: dict[str, Any]) -> list[str]:
    """By what a call is bounded, the bound, and how far symnet and the peer are from it."""
    times = call_times(found)
    kind, seconds = max(
        bounds["seconds"].items(), key=lambda bound: statistics.median(bound[1])
    )
    bound = statistics.median(seconds)
    over = {name: f"{paired_ratio(own, seconds):.2f}" for name, own in times.items()}
    own, peer = times.get("symnet"), fastest(times, case.aside)
    return [
        case.name,
        kind + rate(kind, bounds["work"], bound),
        duration(bound),
        duration(statistics.median(own)) if own else "",
        over.get("symnet", ""),
        f"{over[peer]} {peer}" if peer else "",
    ]


def rate(kind: str, work: dict[str, Any], seconds: float) -> str:
    """How fast the work that bounds was done."""
    if kind == "memory":
        return f", {work['bytes'] / seconds / 1e9:.1f} GB/s"
    if kind == "products":
        return f", {work['flops'] / seconds / 1e9:.0f} Gflop/s"
    return ""


def build_table(results: dict[str, Any], names: list[str]) -> str:
    """Compile and first call; the ratio is to JAX."""
    rows = []
    for name, found in results["builds"].items():
        case = CASES[name]
        if not case.compiled:
            continue
        for state, goal in (("cold", case.build_goal), ("warm", case.warm_goal)):
            times = build_times(found, state)
            wanted = (
                goal if case.build_goal and (state == "cold" or case.timed) else None
            )
            rows.append(row(f"{name}, {state}", times, names, "jax", wanted))
    return table(["compile + first call", "ratio", "to", *names], rows)


def remarks(results: dict[str, Any]) -> Iterator[str]:
    """Scaling, memory and imports, as sentences."""
    builds = results["builds"]
    for small, large in (
        ("deep MLP 50", "deep MLP 100"),
        ("deep MLP 100", "deep MLP 200"),
    ):
        pair = [
            builds.get(name, {}).get("symnet", {}).get("cold")
            for name in (small, large)
        ]
        if all(pair):
            ratio = statistics.median(pair[1]) / statistics.median(pair[0])
            yield f"{large} over {small}, cold: {verdict(ratio, SCALING_GOAL)}"
    yield from remarks_on_steps(builds)
    for name, found in builds.items():
        if CASES[name].weighed:
            yield f"Growth of memory, {name}: {weights(found)}"
    imports = {n: statistics.median(s) for n, s in results["imports"].items()}
    shown = ", ".join(
        f"{name} {duration(seconds)}" for name, seconds in imports.items()
    )
    yield f"Import: {shown}"
    if "symnet" in imports and IMPORT_FLOOR in imports:
        ratio = imports["symnet"] / imports[IMPORT_FLOOR]
        yield f"Import of symnet over that of {IMPORT_FLOOR}: {verdict(ratio, IMPORT_GOAL)}"


def remarks_on_steps(builds: dict[str, Any]) -> Iterator[str]:
    """What a loop's last state takes more where there are more steps before it."""
    short, long = (growths(builds.get(f"last state {n}", {})) for n in STEPS)
    more = {name: long[name] - short[name] for name in long if name in short}
    if "symnet" in more:
        shown = ", ".join(f"{name} {grown:.1f} MB" for name, grown in more.items())
        yield (
            f"Memory that the last state takes more of {STEPS[1]} steps than of {STEPS[0]}: "
            f"{shown}; symnet {verdict(more['symnet'], STEPS_GOAL)} MB"
        )


def growths(found: Measured) -> dict[str, float]:
    return {
        n: statistics.median(a["growth"]) for n, a in found.items() if a.get("growth")
    }


def weights(found: Measured) -> str:
    grown = growths(found)
    text = ", ".join(f"{name} {growth:.0f} MB" for name, growth in grown.items())
    if min(grown.values(), default=0) < NOTHING:  # a ratio would say nothing
        return text
    if "symnet" in grown and "numpy" in grown:
        text += f"; symnet to numpy {verdict(grown['symnet'] / grown['numpy'], MEMORY_GOAL)}"
    return text


def markdown(results: dict[str, Any]) -> str:
    names = list(results["versions"])
    machine = results["machine"]
    versions = ", ".join(
        f"{name} {version}" for name, version in results["versions"].items()
    )
    parts = (
        f"# {results['date']}",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, "
        f"{machine['system']}, Python {machine['python']}; copying {machine['copy']} GB/s "
        f"on one thread, float32 matrix product {machine['gemm']} Gflop/s. "
        f"{results['threads']} threads each.",
        f"Versions: {versions}.",
        f"Medians of {results['rounds']} interleaved rounds. `ratio` is symnet's time over "
        "that of the fastest peer, the median of the rounds' ratios, with what it is to "
        "stay under.",
        call_table(results, names),
        bound_table(results),
        build_table(results, names),
        "\n".join(f"- {remark}" for remark in remarks(results)),
    )
    return "\n\n".join(filter(None, parts)) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(markdown(json.load(file)))
