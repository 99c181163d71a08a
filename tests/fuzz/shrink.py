"""Makes a program that shows a fault smaller, as long as it shows a fault of that kind."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.fuzz.program import Program, Step, all_steps


def uses(step: Step) -> set[int]:
    """The ids that a step names, inside as well."""
    found = set(step["args"])
    if step["do"] == "loop":
        found |= {w["of"] for w in step["walked"]} | {
            s["start"] for s in step["states"]
        }
        found |= {s["new"] for s in step["states"]} | set(step["collected"])
        found |= {step["done"]} - {None}
        found |= {n for s in step["steps"] for n in uses(s)}
    if step["do"] == "choose":
        for branch in (step["yes"], step["no"]):
            found |= {branch["result"]} | {n for s in branch["steps"] for n in uses(s)}
    return found


def shrink(
    program: Program, shows: Callable[[Program], bool], seconds: float = 60.0
) -> Program:
    """The smallest program met that `shows` what the first one showed."""
    until = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in smaller_ones(program):
            if time.monotonic() > until:
                return program
            if shows(candidate):
                program, smaller = candidate, True
                break
    return program


def smaller_ones(program: Program) -> Iterator[Program]:
    """Programs with a little less in them, the largest cuts first."""
    for changed in _plainer(program):
        yield without_unused(changed)
    for number in [
        n for s in reversed(all_steps(program["steps"])) for n in made_by(s)
    ]:
        step = next(s for s in all_steps(program["steps"]) if number in made_by(s))
        inside = {n for s in step.get("steps", []) for n in made_by(s)}
        for other in sorted(uses(step) - inside):
            changed = copy.deepcopy(program)
            replace(changed, number, other)
            if remove(changed["steps"], number):
                yield without_unused(changed)
    yield from _smaller_leaves(program)


def made_by(step: Step) -> list[int]:
    return list(step["ids"]) if "ids" in step else [step["id"]]


def _plainer(program: Program) -> Iterator[Program]:
    for key in ("gradients", "updates", "outputs"):
        for k in range(len(program[key])):
            if (
                key != "outputs"
                or len(program[key]) > 1
                or program["gradients"]
                or program["updates"]
            ):
                yield _with(program, **{key: program[key][:k] + program[key][k + 1 :]})
    for k, gradient in enumerate(program["gradients"]):
        for plainer in _plainer_gradients(gradient):
            rest = [*program["gradients"][:k], plainer, *program["gradients"][k + 1 :]]
            yield _with(program, gradients=rest)
    if len(program["sizes"]) > 1:
        yield _with(program, sizes=program["sizes"][:1])
        yield _with(program, sizes=program["sizes"][:1] * 2)
    if program["functions"] > 1:
        yield _with(program, functions=1)
    if program.get("descends"):
        yield _with(program, descends=False)
    if program["mode"] != "FAST_RUN":
        yield _with(program, mode="FAST_RUN")


def _plainer_gradients(gradient: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if gradient["order"] > 1:
        yield {**gradient, "order": 1}
    if gradient.get("way") == "Rop":
        yield {**gradient, "way": "grad"}
    for k in range(len(gradient["wrt"]) if len(gradient["wrt"]) > 1 else 0):
        yield {**gradient, "wrt": gradient["wrt"][:k] + gradient["wrt"][k + 1 :]}


def _smaller_leaves(program: Program) -> Iterator[Program]:
    for name in program["sizes"][0] if program["sizes"] else ():
        for k, sizes in enumerate(program["sizes"]):
            if sizes[name] > 1:
                less = [dict(s) for s in program["sizes"]]
                for later in less[k:]:
                    later[name] = min(later[name], sizes[name] - 1)
                yield _with(program, sizes=less)
    updated = {a for a, _ in program["updates"]}
    for k, leaf in enumerate(program["leaves"]):
        if leaf["shared"] and leaf["id"] not in updated:
            changed = copy.deepcopy(program)
            changed["leaves"][k]["shared"] = False
            yield changed


def _with(program: Program, **changes: Any) -> Program:
    return copy.deepcopy({**program, **changes})


def replace(part: Any, old: int, new: int) -> None:
    """Name another id wherever one was named."""
    if isinstance(part, list):
        for entry in part:
            replace(entry, old, new)
        return
    for key in ("args", "outputs", "collected", "wrt"):
        if key in part:
            part[key] = [new if n == old else n for n in part[key]]
    for key in ("of", "start", "new", "done", "result", "cost"):
        if part.get(key) == old:
            part[key] = new
    if "updates" in part:
        part["updates"] = [[a, new if b == old else b] for a, b in part["updates"]]
    for key in ("steps", "walked", "states", "gradients"):
        replace(part.get(key, []), old, new)
    for key in {"yes", "no"} & set(part):
        replace(part[key], old, new)


def remove(steps: list[Step], number: int) -> bool:
    """Take away the step that makes `number`, if it makes nothing else."""
    for k, step in enumerate(steps):
        if number in made_by(step):
            if len(made_by(step)) == 1:
                del steps[k]
            return True
        inner = [
            step.get("steps", []),
            *(step[b]["steps"] for b in ("yes", "no") if b in step),
        ]
        if any(remove(part, number) for part in inner):
            return True
    return False


def without_unused(program: Program) -> Program:
    """Without steps and leaves that nothing needs."""
    changed = copy.deepcopy(program)
    wanted = set(changed["outputs"]) | {n for pair in changed["updates"] for n in pair}
    wanted |= {n for g in changed["gradients"] for n in (g["cost"], *g["wrt"])}
    changed["steps"] = _needed(changed["steps"], wanted)
    changed["leaves"] = [x for x in changed["leaves"] if x["id"] in wanted]
    return changed


def _needed(steps: list[Step], wanted: set[int]) -> list[Step]:
    kept = []
    for step in reversed(steps):
        if not wanted & set(made_by(step)):
            continue
        if step["do"] == "loop":
            inner = (
                {s["new"] for s in step["states"]}
                | set(step["collected"])
                | {step["done"]}
            )
            step["steps"] = _needed(step["steps"], inner)
        if step["do"] == "graph":
            step["steps"] = _needed(step["steps"], {step["result"]})
        if step["do"] == "choose":
            for branch in (step["yes"], step["no"]):
                branch["steps"] = _needed(branch["steps"], {branch["result"]})
        wanted |= uses(step)
        kept.append(step)
    return kept[::-1]
