"""Settings that hold for all tests: kernels are cached in a folder of the test run, every
program is proven (`symnet.compile.memory.verify_placement`), a rewrite at fault raises, and
property tests draw the same examples in every run."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

# Before symnet is imported.  A folder named from outside (a second run of the same tests)
# is kept.
if "SYMNET_CACHE" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="symnet-tests-")
    os.environ["SYMNET_CACHE"] = _folder.name

_flags = [os.environ.get("SYMNET_FLAGS"), "verify=on", "on_rewrite_error=raise"]
os.environ["SYMNET_FLAGS"] = ",".join(filter(None, _flags))

settings.register_profile("symnet", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("symnet")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """What a device refuses (`symnet.compile.refusals`) is not tested on it, where all tests
    are run on that device."""
    from symnet.compile.refusals import NotOnDevice
    from symnet.config import config

    try:
        yield
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
