"""What is handed out: an editable install is a path, and the source distribution is whole."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent
CLONE = "LICENSE", "NOTICE", "MANIFEST.in", "README.md", "pyproject.toml"


def built(what: str, source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The file that setuptools makes in `folder` of the files in `source`."""
    pytest.importorskip("setuptools", minversion="77")
    code = (
        "import sys; from setuptools import build_meta; "
        "print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, what, str(folder)]
    done = subprocess.run(
        command, cwd=source, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.split()[-1]


def small_clone(folder: pathlib.Path) -> pathlib.Path:
    """A clone with one file in each place that is to be handed out."""
    for name in CLONE:
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for name in (
        "symnet/__init__.py", "symnet/py.typed", "symnet/graph/a.py", "symnet/graph/a.pyi",
        "symnet/viewer/__init__.py", "symnet/viewer/page/a.js",
        "tests/golden/a.json", "tests/finds/a.json", "tutorials/a.ipynb",
        "benchmarks/cases/a.py", "docs/a.md", "CHANGELOG.md", "CONTRIBUTING.md",
        "Makefile",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_an_editable_install_is_a_path(tmp_path: pathlib.Path) -> None:
    """A hook would come second to a folder named symnet beside the user, and type checkers
    do not follow it."""
    (tmp_path / "clone").mkdir()
    clone = small_clone(tmp_path / "clone")
    with zipfile.ZipFile(built("build_editable", clone, tmp_path)) as wheel:
        (path,) = [name for name in wheel.namelist() if name.endswith(".pth")]
        assert pathlib.Path(wheel.read(path).decode().strip()) == clone


def test_the_source_distribution_is_the_clone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "clone").mkdir()
    clone = small_clone(tmp_path / "clone")
    wanted = {p.relative_to(clone) for p in clone.rglob("*") if p.is_file()}
    with tarfile.open(built("build_sdist", clone, tmp_path)) as archive:
        names = {pathlib.Path(*pathlib.Path(n).parts[1:]) for n in archive.getnames()}
    assert wanted <= names


def test_a_wheel_holds_the_types_and_the_viewer_s_page(tmp_path: pathlib.Path) -> None:
    (tmp_path / "clone").mkdir()
    clone = small_clone(tmp_path / "clone")
    with zipfile.ZipFile(built("build_wheel", clone, tmp_path)) as wheel:
        names = set(wheel.namelist())
    assert {"symnet/py.typed", "symnet/graph/a.pyi"} <= names
    assert "symnet/viewer/page/a.js" in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert not any(name.startswith(("tests", "tutorials")) for name in names)
