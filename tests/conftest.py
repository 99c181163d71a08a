"""Settings that hold for all tests: kernels are cached in a folder of the test run, every
program is proven (`symnet.compile.memory.verify`), a rewrite at fault raises, and property tests
draw the same examples in every run."""

from __future__ import annotations

import os
import tempfile

from hypothesis import settings

# Before symnet is imported.  A folder named from outside (a second run of the same tests)
# is kept.
if "SYMNET_CACHE" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="symnet-tests-")
    os.environ["SYMNET_CACHE"] = _folder.name

_flags = [os.environ.get("SYMNET_FLAGS"), "verify_memory=on", "on_rewrite_error=raise"]
os.environ["SYMNET_FLAGS"] = ",".join(filter(None, _flags))

settings.register_profile("symnet", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("symnet")
