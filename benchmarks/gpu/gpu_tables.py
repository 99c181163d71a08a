"""The report of a GPU as text."""

from __future__ import annotations

from typing import Any

from benchmarks.report import duration, table

LONGEST = 160  # characters of an error in a table


def markdown(found: dict[str, Any]) -> str:
    """The whole report."""
    title = (
        "A GPU"
        if found["device"] == "cuda"
        else "An emulated GPU (no times of a real one)"
    )
    parts = [f"# {title}, {found['date']}"]
    if found["quick"]:
        parts.append("Quick: small sizes, few tests. Times mean nothing.")
    for name in ("card", "config"):
        if found.get(name):
            parts.append(f"```\n{found[name].rstrip()}\n```")
    parts += ["## Steps", step_table(found["steps"]), *failures(found["steps"])]
    parts += [
        "## Times",
        *about_times(found),
        case_table(found["cases"], found.get("copy")),
    ]
    parts += [
        "## Compile and first call, with an empty cache",
        build_table(found["cases"]),
    ]
    parts += ["## What is not measured", absence_table(found["cases"])]
    parts += ["## What the profiles say", *profiles(found["cases"])]
    return "\n\n".join(parts) + "\n"


def step_table(steps: list[dict[str, Any]]) -> str:
    rows = []
    for step in steps:
        counts = ""
        if "passed" in step:
            counts = f"{step['passed']} passed, {step['skipped']} skipped"
        error = short(step["error"])
        rows.append([step["name"], duration(step["seconds"]), error or "done", counts])
    return table(["step", "took", "result", "tests"], rows)


def failures(steps: list[dict[str, Any]]) -> list[str]:
    """The tests that failed, each with its error."""
    rows = [
        [f"`{name}`", short(text)]
        for step in steps
        for name, text in step.get("failures", {}).items()
    ]
    return [table(["test that failed", "its error"], rows)] if rows else []


def about_times(found: dict[str, Any]) -> list[str]:
    text = (
        "Medians, by the device's events (JAX: the host's clock, each call waited for); "
        "results were right beside float64 before. `wall` is one call that is waited for, "
        "`beyond` what it takes beyond its kernels and library calls."
    )
    if found.get("copy"):
        text += f" Copies within the device's memory: {found['copy'] / 1e9:.0f} GB/s."
    return [text]


def case_table(cases: dict[str, Any], copy: float | None) -> str:
    names = list(dict.fromkeys(n for found in cases.values() for n in found))
    rows = []
    for case, found in cases.items():
        row = [case]
        for name in names:
            row.append(
                duration(found[name]["device"])
                if "device" in found.get(name, {})
                else "-"
            )
        rows.append(row + rates(found.get("symnet", {}), copy))
    return table(
        ["case", *names, "wall", "beyond", "GB/s", "of copies", "TFLOP/s"], rows
    )


def rates(ours: dict[str, Any], copy: float | None) -> list[str]:
    """Of symnet: wall, beyond its kernels, necessary bytes and products in a second."""
    if "device" not in ours:
        return ["-"] * 5
    moved, flops = ours["bytes"] / ours["device"], ours["flops"] / ours["device"]
    kernels = ours.get("profile", {}).get("kernels")
    beyond = "-" if kernels is None else duration(max(ours["wall"] - kernels, 0.0))
    share = f"{100 * moved / copy:.0f} %" if copy else "-"
    return [
        duration(ours["wall"]),
        beyond,
        f"{moved / 1e9:.3g}",
        share,
        f"{flops / 1e12:.3g}",
    ]


def build_table(cases: dict[str, Any]) -> str:
    names = list(dict.fromkeys(n for found in cases.values() for n in found))
    rows = [
        [
            case,
            *(
                duration(f[n]["build"]) if "build" in f.get(n, {}) else "-"
                for n in names
            ),
        ]
        for case, f in cases.items()
    ]
    return table(["case", *names], rows)


def absence_table(cases: dict[str, Any]) -> str:
    rows = [
        [case, name, short(why)]
        for case, found in cases.items()
        for name, one in found.items()
        for kind, why in one.items()
        if kind in ("absent", "wrong", "failed")
    ]
    return table(["case", "by", "why"], rows) if rows else "Nothing."


def profiles(cases: dict[str, Any]) -> list[str]:
    return [
        f"### {case}\n\n```\n{found['symnet']['profile']['text']}\n```"
        for case, found in cases.items()
        if "profile" in found.get("symnet", {})
    ]


def short(text: str) -> str:
    """One line for a table."""
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= LONGEST else line[:LONGEST] + "..."
