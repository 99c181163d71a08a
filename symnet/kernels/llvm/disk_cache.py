"""The cache of machine code on disk: one file for each key, used only if it is sound.

What is loaded from here runs with all rights of the user.  So a file is taken only if it
is a regular file that belongs to the user, which nobody else may write, in a folder of
which the same is true, and if it says itself, with a checksum, that it is the content of
the very key by which it was looked for.  Anything else counts as absent and is made again.

A file is written beside its place and renamed into it: readers see all of it or none,
without locks.  A folder that cannot be written costs only the time to compile.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from symnet.config import config
from symnet.errors import message

MAGIC = b"symnet object 2\n"
HEADER_BYTES = len(MAGIC) + 32 + 32
LARGEST = 1 << 28  # bytes of a file; one that is larger is none of ours
# Never followed, waited for, or inherited.
OPEN = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    OPEN |= getattr(os, _flag, 0)
OTHERS = stat.S_IWGRP | stat.S_IWOTH
TOUCHED_AGAIN = 60.0  # seconds after which a file that is read counts as used anew
ABANDONED = 3600.0  # seconds after which a file that was never renamed is nobody's
SCANS = (
    16  # that often, while the whole size of the cache is written, it is looked through
)

_said: set[str] = set()


def cache_path(name: str) -> Path | None:
    """The file for the SHA-256 `name`; None where the settings switch the cache off."""
    if not config.cache_dir:
        return None
    return Path(config.cache_dir) / name[:2] / f"{name[2:]}.o"


def seal(name: str, body: bytes) -> bytes:
    """What stands before `body` in the file for `name`."""
    key = bytes.fromhex(name)
    return MAGIC + key + hashlib.sha256(key + body).digest()


# ---- trust


def doubt(status: os.stat_result) -> str:
    """Why a file or folder may hold what others wrote; empty if nothing speaks for it."""
    if not hasattr(os, "geteuid"):
        return ""
    me, owner = os.geteuid(), status.st_uid
    if owner != me:
        return f"belongs to user {owner}, and this process to user {me}"
    if status.st_mode & OTHERS:
        return f"may be written by others (its mode is {status.st_mode & 0o777:o})"
    return ""


def say(path: Path, reason: str) -> None:
    """Warn, once for each folder, why what is there is not used."""
    folder = config.cache_dir
    if folder in _said:
        return
    _said.add(folder)
    cure = "set SYMNET_CACHE to a folder of your own, or to nothing to go without"
    if reason.startswith("may be"):
        cure = f"chmod -R go-w '{folder}', if you trust what is there; or {cure}"
    text = f"compiled code in {path} is not used, as it would run with your rights: it {reason}"
    warnings.warn(message(text, cure=cure), RuntimeWarning, stacklevel=2)


def usable(folder: Path, status: os.stat_result) -> bool:
    """Whether a folder can be trusted; says it if not."""
    if not stat.S_ISDIR(status.st_mode):
        return False
    reason = doubt(status)
    if reason:
        say(folder, reason)
    return not reason


def trusted(path: Path) -> bool:
    """Whether the folders of a cache file are there, and nobody else's.  The first may be
    named by a link, whose target counts.

    Raises: OSError where they are not there."""
    below = path.parent
    return usable(below.parent, os.stat(below.parent)) and usable(
        below, os.lstat(below)
    )


def make_folders(path: Path) -> bool:
    """Make what is missing of the folders of a cache file; whether they can be used.

    Raises: OSError where they cannot be made."""
    below = path.parent
    top = below.parent
    if not top.exists():
        if not may_begin(top):
            return False
        top.parent.mkdir(parents=True, exist_ok=True)
        top.mkdir(mode=0o700, exist_ok=True)
    if not usable(top, os.stat(top)):
        return False
    if not below.exists():
        below.mkdir(mode=0o700, exist_ok=True)
    return usable(below, os.lstat(below))


def may_begin(folder: Path) -> bool:
    """Whether a cache may be made there: on the user's own ground, or where everybody may
    have something of his own, as in /tmp.  Root would leave a folder in another's home."""
    ground = next((one for one in folder.parents if one.exists()), None)
    if ground is None:
        return False
    status = os.stat(ground)
    own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if own or status.st_mode & stat.S_ISVTX:
        return True
    if os.access(ground, os.W_OK):
        say(ground, doubt(status))
    return False


# ---- reading


def read_object(name: str) -> bytes | None:
    """The content of the file for `name`; None if there is none that is sound."""
    path = cache_path(name)
    if path is None:
        return None
    try:
        if not trusted(path):
            return None
        handle = os.open(path, OPEN)
        try:
            data = read_file(path, handle)
        finally:
            os.close(handle)
    except (OSError, ValueError):  # or the path can be none
        return None
    body = data[HEADER_BYTES:]
    return body if data[:HEADER_BYTES] == seal(name, body) else None


def read_file(path: Path, handle: int) -> bytes:
    """The bytes of an open file, which counts as used now; none if it is not sound."""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
        return b""
    reason = doubt(status)
    if reason:
        say(path, reason)
        return b""
    if abs(time.time() - status.st_mtime) > TOUCHED_AGAIN:
        with suppress(OSError):  # it may be read without being written
            os.utime(handle if os.utime in os.supports_fd else path)
    return os.read(handle, status.st_size)


# ---- writing


def write_object(name: str, body: bytes) -> None:
    """Keep `body` for `name`, whole or not at all; a full or read-only disk is no error."""
    path = cache_path(name)
    data = seal(name, body) + body
    if path is None or len(data) > min(LARGEST, kept_bytes()):
        return
    temporary = None
    try:
        if not make_folders(path):
            return
        import tempfile  # slow to import, and only needed here

        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".new")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except (OSError, ValueError):
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        return
    _budget.spend(len(data))


# ---- how much


class SizeBudget:
    """When to look through the cache: after every sixteenth part of its size written.

    Many short processes may write little each, and know nothing of one another: each
    draws by lot at which byte of its first sixteenth it looks, so that on the whole they
    look as often as a long one.
    """

    def __init__(self) -> None:
        self.process = 0
        self.left = 0.0

    def spend(self, count: int) -> None:
        """Note so many bytes written; trim if it is time."""
        part = config.cache_size / SCANS
        if self.process != os.getpid():  # also in a child, which would draw the same
            self.process = os.getpid()
            import random  # slow to import, and only needed here

            self.left = random.SystemRandom().uniform(0, part)
        self.left = min(self.left, part) - count
        if self.left < 0:
            self.left = part
            trim()


_budget = SizeBudget()


def kept_bytes() -> int:
    """What is left after looking: with room for what is written until the next time."""
    return config.cache_size - config.cache_size // SCANS


def trim() -> None:
    """Remove the files used longest ago that are too much.

    Others may read, write and trim meanwhile: who has a file open goes on reading it, and
    one that is gone already is as good as removed.
    """
    found = sorted(cache_files(Path(config.cache_dir)), reverse=True)
    room = kept_bytes()
    for _, count, path in found:
        room -= count
        if room < 0:
            remove(path)


def remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def cache_files(folder: Path) -> Iterator[tuple[float, int, str]]:
    """When each file was last used, its bytes on disk, and its path.  Files that a writer
    has left behind are removed."""
    now = time.time()
    for below in entries(folder):
        if not re.fullmatch("[0-9a-f]{2}", below.name) or below.is_symlink():
            continue
        for entry in entries(below.path):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if re.fullmatch(r"[0-9a-f]{62}\.o", entry.name):
                yield status.st_mtime, status.st_size, entry.path
            elif entry.name.endswith(".new") and now - status.st_mtime > ABANDONED:
                remove(entry.path)


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


__all__ = ["cache_path", "read_object", "seal", "trim", "write_object"]
