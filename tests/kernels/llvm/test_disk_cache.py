"""What is taken from the cache on disk: only what is sound, one's own, and not too much."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from symnet.config import config
from symnet.kernels.llvm import disk_cache, object_code
from symnet.kernels.llvm.disk_cache import cache_path, read_object, seal, write_object
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.target import Target

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners here")
ONE, TWO = "1" * 64, "2" * 64
BODY = b"some machine code" * 30


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for the cache, that is not there yet; a warning is an error."""
    disk_cache._said.clear()
    place = tmp_path / "cache"
    with config.change_flags(cache_dir=str(place)), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield place


def path_of(name: str) -> Path:
    found = cache_path(name)
    assert found is not None
    return found


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def read_in_time(name: str) -> bytes | None:
    """What is read, which must not wait for anybody."""
    found: list[bytes | None] = []
    thread = threading.Thread(target=lambda: found.append(read_object(name)))
    thread.daemon = True
    thread.start()
    thread.join(10)
    assert found, "reading hangs"
    return found[0]


def test_what_is_written_is_read(folder: Path) -> None:
    assert read_object(ONE) is None
    for body in (BODY, b"", bytes(range(256)) * 1000):
        write_object(ONE, body)
        assert read_object(ONE) == body and read_object(TWO) is None
    assert len(files(folder)) == 1
    if hasattr(os, "geteuid"):
        for path in [folder, *folder.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "place", ["/dev/null/below", "x" * 5000, "a\0b", "/proc/nowhere"]
)
def test_a_folder_that_cannot_be(place: str) -> None:
    with config.change_flags(cache_dir=place):
        write_object(ONE, BODY)
        assert read_object(ONE) is None


def test_a_file_under_another_name_is_not_read(folder: Path) -> None:
    write_object(ONE, BODY)
    write_object(TWO, BODY[::-1])
    one, two = path_of(ONE), path_of(TWO)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert read_object(ONE) is None and read_object(TWO) is None
    write_object(ONE, BODY)
    assert read_object(ONE) == BODY


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "header only": lambda data: data[: disk_cache.HEADER_BYTES],
    "short header": lambda data: data[:20],
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "one bit": lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    "another version": lambda data: data.replace(b"object 2", b"object 1", 1),
    "garbage": lambda data: b"\x7fELF" * 100,
    "sum alone": lambda data: data[:16] + seal(TWO, BODY)[16:] + BODY,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_not_read(folder: Path, kind: str) -> None:
    write_object(ONE, BODY)
    path = path_of(ONE)
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    assert read_object(ONE) is None
    write_object(ONE, BODY)
    assert read_object(ONE) == BODY


# ---- what is no file, or not one's own


def fifo(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


STRANGE: dict[str, Callable[[Path], Any]] = {
    "fifo": fifo,
    "folder": lambda path: path.mkdir(),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a fifo": lambda path: (
        os.mkfifo(path.parent / "f"),
        path.symlink_to(path.parent / "f"),
    ),
    "link to nothing": lambda path: path.symlink_to(path.parent / "nothing"),
    "link to itself": lambda path: path.symlink_to(path),
    "too large": sparse,
}


@POSIX
@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_file_is_not_waited_for(folder: Path, kind: str) -> None:
    write_object(ONE, BODY)
    path = path_of(ONE)
    path.unlink()
    STRANGE[kind](path)
    assert read_in_time(ONE) is None
    write_object(ONE, BODY)
    assert read_in_time(ONE) == (None if kind == "folder" else BODY)


@POSIX
def test_links_are_followed_to_the_folder_only(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    write_object(ONE, BODY)
    assert read_object(ONE) == BODY and files(elsewhere)
    path = path_of(ONE)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert read_object(ONE) is None
    write_object(ONE, BODY)
    assert read_object(ONE) == BODY and not path.is_symlink()
    path.parent.rename(tmp_path / "below")
    path.parent.symlink_to(tmp_path / "below")
    assert read_object(ONE) is None


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
@pytest.mark.parametrize("which", ["folder", "below", "file"])
def test_what_others_may_write_is_not_used(folder: Path, which: str, mode: int) -> None:
    write_object(ONE, BODY)
    path = path_of(ONE)
    place = {"folder": folder, "below": path.parent, "file": path}[which]
    good = place.stat().st_mode
    place.chmod(mode)
    with pytest.warns(RuntimeWarning, match="may be written by others") as found:
        assert read_object(ONE) is None
    (warning,) = found
    assert f"{mode & 0o777:o}" in str(warning.message)
    assert str(place) in str(warning.message) and "chmod" in str(warning.message)
    assert read_object(ONE) is None and read_object(TWO) is None  # said once
    write_object(TWO, BODY)
    assert (read_object(TWO) == BODY) is (which != "folder")
    place.chmod(good)
    assert read_object(ONE) == BODY


@POSIX
def test_what_others_own_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_object(ONE, BODY)
    me = os.geteuid()
    for other in (me + 1, 0 if me else 1000):  # nor does root use what others own
        disk_cache._said.clear()
        monkeypatch.setattr(disk_cache.os, "geteuid", lambda who=other: who)
        text = f"belongs to user {me}, and this process to user {other}"
        with pytest.warns(RuntimeWarning, match=text) as found:
            assert read_object(ONE) is None
        assert "SYMNET_CACHE" in str(found[0].message)
        write_object(TWO, BODY)
        assert len(files(folder)) == 1
        monkeypatch.undo()
    assert read_object(ONE) == BODY


@POSIX
def test_no_folder_is_made_on_the_ground_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's cache in a user's home would be in that user's way."""
    disk_cache._said.clear()
    ground = tmp_path / "home"
    ground.mkdir(mode=0o755)
    other = os.geteuid() + 1
    monkeypatch.setattr(disk_cache.os, "geteuid", lambda: other)
    with config.change_flags(cache_dir=str(ground / "a" / "b")):
        with pytest.warns(RuntimeWarning, match="home.* belongs to user"):
            write_object(ONE, BODY)
        assert not list(ground.iterdir())
        write_object(ONE, BODY)  # said once
        ground.chmod(0o1777)  # as /tmp: everybody has something of his own there
        write_object(ONE, BODY)
        assert list(ground.iterdir())


AS_ANOTHER = """
import os, sys
import symnet, numpy as np, symnet.tensor as T
from symnet.kernels.llvm.object_code import statistics
x = T.dvector()
with symnet.change_flags(cache_dir=""):  # imports what the other may not read
    symnet.function([x], T.exp(x))(np.zeros(2))
os.setgid(4242); os.setuid(4242)
os.chdir(sys.argv[1])
before = statistics.compiled
assert symnet.function([x], T.exp(x) + 1)(np.zeros(2)).tolist() == [2, 2]
print(statistics.loaded, statistics.compiled > before)
"""


@POSIX
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another"
)
@pytest.mark.parametrize("kind", ["root's", "planted", "home of root", "no home"])
def test_another_user(kind: str) -> None:
    """A process whose cache belongs to root, or a process of root for a user's files."""
    with tempfile.TemporaryDirectory() as folder:  # where others may come, too
        check_another_user(Path(folder), kind)


def check_another_user(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("SYMNET_CACHE", None)
    if kind == "no home":
        del environment["HOME"]
    warm = AS_ANOTHER.replace("os.setgid(4242); os.setuid(4242)", "")
    command = [sys.executable, "-c", AS_ANOTHER, str(tmp_path)]
    if kind in ("root's", "planted"):
        subprocess.run(
            [sys.executable, "-c", warm, str(tmp_path)],
            env=environment, cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        for path in [home / ".cache", *(home / ".cache").rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    if kind == "planted":
        for path in (home / ".cache").rglob("*"):
            if path.is_file():
                os.chown(path, 65534, 65534)
        command = [sys.executable, "-c", warm, str(tmp_path)]
    tmp_path.chmod(0o777)
    before = len(files(home))
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "True"]
    assert done.stderr.count("belongs to user") == (kind in ("root's", "planted"))
    assert len(files(home)) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


# ---- objects that cannot be linked


@pytest.mark.parametrize("kind", ["cut", "another", "no object"])
def test_code_that_does_not_fit_is_made_anew(folder: Path, kind: str) -> None:
    """A sound file of this very key, whose code is not what it should be."""

    def emit(_: Target, name: str) -> str:
        return f"define i64 @{name}() #0 {{\n ret i64 5\n}}\nattributes #0 = {{ nounwind }}"

    def build(name: str) -> bytes:
        return object_code.machine().compile(emit(object_code.machine().target, name))

    function = EmittedFunction("a key", emit)

    bad = {
        "cut": lambda: build(function.name)[:200],
        "another": lambda: build("six"),
        "no object": lambda: b"text" * 100,
    }[kind]
    write_object(object_code.object_name("a key"), bad())
    assert function.address
    assert read_object(object_code.object_name("a key")) == build(function.name)


PROGRAM = """
import numpy as np, symnet, symnet.tensor as T
from symnet.kernels.llvm import object_code
if {planted}:
    object_code.made_object.__globals__["write_object"] = (
        lambda name, body: object_code.disk_write(name, body[: len(body) // 2])
    )
    from symnet.kernels.llvm import disk_cache
    object_code.disk_write = disk_cache.write_object
x, i = T.dvector("x"), T.lscalar()
steps, _ = symnet.scan(lambda s: s * 0.5 + 1, outputs_info=T.constant(1.0), n_steps=i)
f = symnet.function([x], [T.exp(x) * 2, T.tanh(x).sum()])
g = symnet.function([i], steps[-1])
for _ in range(4):
    first, second = f(np.zeros(2))
    third = g(3)
print(first.tolist(), float(second), float(third))
"""


def test_a_cache_full_of_halves_costs_only_time(tmp_path: Path) -> None:
    """Kernels, loops over numbers and the run time: all is compiled again."""
    environment = {**os.environ, "SYMNET_CACHE": str(tmp_path / "cache")}
    for planted in (True, False, False):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(planted=planted)],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["[2.0,", "2.0]", "0.0", "1.875"]


# ---- how much


def age(name: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path_of(name), (then, then))


def names(count: int) -> list[str]:
    return [f"{k:02x}" * 32 for k in range(count)]


def test_the_cache_stays_within_its_size(folder: Path) -> None:
    body = bytes(1000)
    with config.change_flags(cache_size=20_000):
        for name in names(100):
            write_object(name, body)
            assert sum(path.stat().st_size for path in files(folder)) <= 21_100
    assert len(files(folder)) >= 15
    assert read_object(names(100)[-1]) == body and read_object(names(100)[0]) is None


def test_what_was_used_longest_ago_goes_first(folder: Path) -> None:
    body = bytes(1000)
    for number, name in enumerate(names(16)):
        write_object(name, body)
        age(name, 10_000 - 100 * number)
    for name in names(4):
        assert read_object(name) == body  # the oldest are used again
    with config.change_flags(cache_size=10_000):
        disk_cache.trim()
    left = [name for name in names(16) if path_of(name).exists()]
    assert left[:4] == names(4) and left[4:] == names(16)[-len(left) + 4 :]
    assert 6 <= len(left) <= 9


def test_what_is_used_all_the_time_is_not_marked_all_the_time(folder: Path) -> None:
    write_object(ONE, BODY)
    age(ONE, 20)
    before = path_of(ONE).stat().st_mtime
    assert read_object(ONE) == BODY and path_of(ONE).stat().st_mtime == before
    age(ONE, 1000)
    assert read_object(ONE) == BODY and path_of(ONE).stat().st_mtime > before


def test_only_files_of_the_cache_are_removed(folder: Path, tmp_path: Path) -> None:
    for name in names(5):
        write_object(name, BODY)
    mine = [folder / "notes.txt", folder / "00" / "notes.o", folder / "more" / "a.o"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ("0" * 62 + ".o")).write_bytes(b"mine")
    (folder / "ff").symlink_to(outside)
    old, new = folder / "01" / "x.new", folder / "01" / "y.new"
    for path in (old, new):
        path.write_bytes(b"left behind")
    os.utime(old, (1e9, 1e9))
    with config.change_flags(cache_size=0):
        disk_cache.trim()
    assert not any(path_of(name).exists() for name in names(5))
    assert all(path.read_bytes() == b"mine" for path in mine)
    assert (outside / ("0" * 62 + ".o")).exists()
    assert new.exists() and not old.exists()


def test_a_size_of_nothing_keeps_nothing(folder: Path) -> None:
    with config.change_flags(cache_size=0):
        write_object(ONE, BODY)
    assert not folder.exists()


def test_the_folder_is_looked_through_seldom(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    monkeypatch.setattr(disk_cache, "trim", lambda: looked.append(1))
    with config.change_flags(cache_size=160_000):
        for _ in range(10):  # as ten processes
            monkeypatch.setattr(disk_cache, "_budget", disk_cache.SizeBudget())
            for name in names(100):
                write_object(name, bytes(400))
    # Half a megabyte, in sixteenths of 160 kB.
    assert 40 <= len(looked) <= 60


WRITER = """
import sys, random
from symnet.config import config
from symnet.kernels.llvm import disk_cache
config.cache_size = 30_000
draw, count = random.Random(int(sys.argv[1])), 0
for _ in range(200):
    name = "%064x" % (draw.randrange(60) << 200 | draw.randrange(60))
    body = name.encode() * 10
    found = disk_cache.read_object(name)
    assert found in (None, body)
    count += found is not None
    disk_cache.write_object(name, body)
print(count)
"""


def test_processes_may_write_and_trim_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "SYMNET_CACHE": str(tmp_path / "cache")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(k)],
            env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for k in range(4)
    ]  # fmt: skip
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert sum(path.stat().st_size for path in files(tmp_path)) < 40_000


def test_a_child_draws_a_lot_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = disk_cache.SizeBudget()
    monkeypatch.setattr(disk_cache, "trim", lambda: None)
    lots = set()
    for process in range(5):
        monkeypatch.setattr(disk_cache.os, "getpid", lambda one=process: one + 100)
        budget.spend(1)
        lots.add(budget.left)
    assert len(lots) == 5
