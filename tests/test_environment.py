"""What `show_config` prints."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
from symnet.config import config
from symnet.environment import config_lines, version
from symnet.kernels.cuda.cupy_driver import missing


def test_versions_settings_and_devices(capsys: pytest.CaptureFixture[str]) -> None:
    with config.change_flags(floatX="float32", cache_dir=""):
        symnet.show_config()
    shown = capsys.readouterr().out
    assert f"numpy {np.__version__}" in shown
    assert "floatX float32" in shown and "kernels on disk: none" in shown
    for name in ("cpu", "reference", "emulated", "cuda"):
        assert f"\n  {name}: " in shown


def test_what_is_missing_is_said() -> None:
    (line,) = [line for line in config_lines() if line.startswith("  cuda: ")]
    assert missing() in line and len(line) > len("  cuda: ")
    assert version("a-package-that-nobody-made") == "not installed"
