"""Settings that hold for all tests: kernels are cached in a folder of the test run, every
program is proven (`symnet.compile.memory.verify_placement`), a rewrite at fault raises, and
property tests draw the same examples in every run; what takes long comes first."""

from __future__ import annotations

import gc
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

# Of this run.  The processes that share the tests inherit its name from the first one.
if "SYMNET_TESTS_FOLDER" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="symnet-tests-")
    os.environ["SYMNET_TESTS_FOLDER"] = _folder.name
FOLDER = pathlib.Path(os.environ["SYMNET_TESTS_FOLDER"])

# Before symnet is imported.  A folder named from outside (a second run of the same tests)
# is kept.
os.environ.setdefault("SYMNET_CACHE", str(FOLDER / "kernels"))

# Before NumPy is imported, too.  Its OpenBLAS waits for the next product by spinning for
# 2**26 cycles, on a processor that other tests need: measured, a fifth of the time of
# tests of products.  symnet's own products do without its threads.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

_flags = [os.environ.get("SYMNET_FLAGS"), "verify=on", "on_rewrite_error=raise"]
os.environ["SYMNET_FLAGS"] = ",".join(filter(None, _flags))

# Hundreds of tests start a process, and each process would compile the package's sources
# anew where Python may not write bytecode beside them.
if sys.dont_write_bytecode and "PYTHONPYCACHEPREFIX" not in os.environ:
    _writes = {"PYTHONPYCACHEPREFIX": str(FOLDER / "bytecode")}
else:
    _writes = {}

settings.register_profile("symnet", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("symnet")


# Files whose tests take seconds each.  Begun last, one of them would keep one processor busy
# while the others have nothing left to do.
LONG = ["fuzz/test_fuzzer.py", "test_tutorials.py", "test_interrupts.py", "test_forks.py",
        "test_typing.py"]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = pathlib.Path(__file__).parent
    long = {here / name for name in LONG}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Half a million objects, the tests, are made here and stay to the end.  While they are
    made no garbage is searched for (a third of the time), and no later search looks at them
    (0.3 s for each full one, of which tests ask for a hundred)."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_collection_finish() -> None:
    """Here, not above: processes that share the tests read the installed bytecode."""
    if _writes:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ.update(_writes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """What a device refuses (`symnet.compile.refusals`) is not tested on it, where all tests
    are run on that device.  A test leaves the device as it was."""
    from symnet.compile.refusals import NotOnDevice
    from symnet.config import config

    before = config.device
    try:
        yield
        if config.device != before:
            left, config.device = config.device, before
            pytest.fail(f"the test left the device {left!r} to those after it")
    except NotOnDevice as error:
        if config.device in ("cpu", "reference"):
            raise
        pytest.skip(str(error).partition("\n")[0])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="take new texts over")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text must be that of the file in tests/golden."""

    def check(name: str, text: str) -> None:
        file = pathlib.Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            file.write_text(text)
        assert text == file.read_text()

    return check
