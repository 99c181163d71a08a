"""Graphs as pages for a browser."""

from __future__ import annotations

import pathlib

import symnet
import symnet.tensor as T
from symnet.d3viz import d3viz, d3write


def test_pages_and_pictures(tmp_path: pathlib.Path) -> None:
    x = T.dvector("x")
    f = symnet.function([x], T.exp(x) * 2, name="a < b")
    d3viz(f, tmp_path / "f.html")
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>a &lt; b</title>" in page
    assert page.count("<svg") == 1 and "exp" in page
    d3viz(T.exp(x), str(tmp_path / "v.html"), copy_deps=False)
    assert "<svg" in (tmp_path / "v.html").read_text(encoding="utf-8")
    d3write(f, tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_text(encoding="utf-8").lstrip().startswith("<svg")
