"""Runs fuzz programs for as long as asked, one process a core.

    python -m tests.fuzz.run --seconds 3600         random programs
    python -m tests.fuzz.run --replay FILE ...      programs that were written to files

A worker notes each program in a file before it runs it, so that one that ends the process
or does not come back is known too.  Arrays have guard pages (`tests.guard_pages`): behind
them in every other worker, in front of them in those between.  Finds are made smaller and
written to `tests/finds`, where the test suite runs them for ever after.  Ends with 1 if
there were any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from typing import Any

from tests import guard_pages
from tests.fuzz.generate import generate
from tests.fuzz.judge import judge
from tests.fuzz.program import Program
from tests.fuzz.shrink import shrink

ROOT = pathlib.Path(__file__).parent.parent.parent
FINDS = ROOT / "tests" / "finds"
COMMAND = [sys.executable, "-m", "tests.fuzz.run"]  # starts a process like this one
PATIENCE = 60.0  # seconds for one program
HANGS = 3 * PATIENCE  # seconds after which one is said to hang
ENDS = 4 * PATIENCE  # seconds for making one smaller that ends its process
SAYS = 30.0  # seconds between reports
STRICT = ("verify=on", "on_rewrite_error=raise")  # settings while fuzzing


# ---- a worker


def work(
    first: int, stride: int, until: float, folder: pathlib.Path, finds: pathlib.Path
) -> None:
    """Programs number `first`, `first + stride`, ... until the time has come; one at least,
    however long it took to get here."""
    counts: Counter[str] = Counter()
    seed = first
    while seed == first or time.time() < until:
        note(folder / "underway.json", {"seed": seed})
        try:
            program = generate(seed)
            note(folder / "underway.json", program)
            verdict = judge(program)
        except (
            Exception
        ) as error:  # the fuzzer's own, or symnet's while a graph is built
            keep(finds, {"seed": seed}, f"fuzzer {type(error).__name__}", repr(error))
            counts["finds"] += 1
        else:
            counts.update(verdict.counts)
            if verdict.faults:
                counts["finds"] += 1
                kind = verdict.faults[0].kind
                small = shrink(program, partial(shows, kind=kind), PATIENCE / 2)
                again = judge(small).faults or verdict.faults
                keep(finds, small, kind, again[0].text)
        note(folder / "counts.json", dict(counts))
        seed += stride
    note(folder / "underway.json", {"seed": None})


def shows(program: Program, kind: str) -> bool:
    """Whether a program has a fault of that kind."""
    try:
        return any(f.kind == kind for f in judge(program).faults)
    except Exception:
        return False  # no program any more: the cut took something that is needed


def note(path: pathlib.Path, data: Any) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(data))
    os.replace(beside, path)


def keep(finds: pathlib.Path, program: Program, kind: str, text: str) -> pathlib.Path:
    """Writes a find to a file named by what it is."""
    finds.mkdir(parents=True, exist_ok=True)
    text = text.replace(f"{ROOT}{os.sep}", "")
    digest = hashlib.sha256(json.dumps(program, sort_keys=True).encode()).hexdigest()[
        :10
    ]
    path = finds / f"{'-'.join(kind.lower().split()[:4])}-{digest}.json".replace(
        "/", ""
    )
    path.write_text(
        json.dumps({"kind": kind, "text": text, "program": program}, indent=1)
    )
    return path


# ---- the parent


class Worker:
    """A process of its own, and started anew where it ends or hangs."""

    def __init__(
        self,
        first: int,
        stride: int,
        until: float,
        folder: pathlib.Path,
        finds: pathlib.Path,
        before: bool,
    ) -> None:
        self.next, self.stride, self.until = first, stride, until
        self.folder, self.finds, self.before = folder, finds, before
        self.past: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "underway.json").unlink(missing_ok=True)  # of one that hung
        given = [self.next, self.stride, self.until, self.folder, self.finds]
        command = [*COMMAND, "--work", *map(str, given)]
        environment = strict(self.before)
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment)

    def counts(self) -> Counter[str]:
        return self.past + Counter(self.read("counts.json"))

    def read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def look(self) -> None:
        """Starts anew after a crash or a hang, which is a find."""
        underway = self.folder / "underway.json"
        silent = time.time() - underway.stat().st_mtime if underway.exists() else 0.0
        hangs = self.process.poll() is None and silent > HANGS
        if hangs:
            self.process.kill()
            self.process.wait()
        code = self.process.poll()
        if code is None or (code == 0 and not hangs):
            return
        program = self.read("underway.json")
        what = "hang" if hangs else f"crash {code}"
        self.past = self.counts() + Counter({"finds": 1})
        small = smaller_end(program, hangs, self.before)
        keep(self.finds, small, what, f"the process ended with {code}")
        (self.folder / "counts.json").unlink(missing_ok=True)
        self.next = int(program.get("seed") or self.next) + self.stride
        if time.time() < self.until:
            self.start()

    def busy(self) -> bool:
        return self.process.poll() is None


def strict(before: bool) -> dict[str, str]:
    """The environment of a process that fuzzes; before: where guard pages are."""
    flags = ",".join(filter(None, [os.environ.get("SYMNET_FLAGS"), *STRICT]))
    side = "before" if before else "after"
    return {**os.environ, "SYMNET_FLAGS": flags, "SYMNET_GUARD": side}


def smaller_end(program: Program, hangs: bool, before: bool) -> Program:
    """A program that ends its process (or hangs in it), made smaller in processes of
    their own."""
    if "steps" not in program:
        return program

    def ends(candidate: Program) -> bool:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"program": candidate}, file)
            file.flush()
            try:
                done = subprocess.run(
                    [*COMMAND, "--replay", file.name], cwd=ROOT, env=strict(before),
                    timeout=PATIENCE, capture_output=True, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return hangs
            return not hangs and done.returncode < 0

    return shrink(program, ends, ENDS)


def run(
    seconds: float, processes: int, first: int, finds: pathlib.Path, every: int = 1
) -> int:
    """Fuzzes programs number `first`, `first + every`, ..., reports, and returns how many
    finds there were."""
    until, said = time.time() + seconds, time.time()
    with tempfile.TemporaryDirectory(prefix="symnet-fuzz-") as folder:
        places = [pathlib.Path(folder) / str(k) for k in range(processes)]
        workers = [
            Worker(first + k * every, processes * every, until, p, finds, bool(k % 2))
            for k, p in enumerate(places)
        ]
        try:
            while any(w.busy() for w in workers):
                time.sleep(0.5)
                for worker in workers:
                    worker.look()
                if time.time() - said > SAYS:
                    said = time.time()
                    report(workers)
        finally:
            for worker in workers:
                worker.process.kill()
        return report(workers)["finds"]


def report(workers: list[Worker]) -> Counter[str]:
    total: Counter[str] = Counter()
    for worker in workers:
        total += worker.counts()
    print(", ".join(f"{name} {total[name]}" for name in sorted(total)), flush=True)
    return total


def replay(path: str) -> list[str]:
    """What is wrong with the program in a file."""
    program = json.loads(pathlib.Path(path).read_text())["program"]
    if "steps" not in program:
        program = generate(program["seed"])
    return [f"{fault.kind}: {fault.text}" for fault in judge(program).faults]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--first", type=int, default=None, help="number of the first program"
    )
    parser.add_argument(
        "--every", type=int, default=1, help="5 keeps to programs of one kind"
    )
    parser.add_argument("--finds", type=pathlib.Path, default=FINDS)
    parser.add_argument("--replay", nargs="+")
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work or given.replay:
        guard_pages.install(guard_pages.side())
    if given.work:
        first, stride, until, folder, finds = given.work
        work(
            int(first),
            int(stride),
            float(until),
            pathlib.Path(folder),
            pathlib.Path(finds),
        )
        return 0
    if given.replay:
        faults = [fault for path in given.replay for fault in replay(path)]
        print("\n".join(faults) or "nothing is wrong")
        return int(bool(faults))
    first = given.first if given.first is not None else int(time.time()) % 10**6 * 1000
    print(f"the first program is number {first}", flush=True)
    found = run(given.seconds, given.processes, first, given.finds, given.every)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
