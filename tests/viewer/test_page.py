from __future__ import annotations

import errno
import html
import json
import pathlib
import re
import webbrowser
from typing import Any

import pytest

import symnet
import symnet.tensor as T
from symnet.viewer import page as page_module
from symnet.viewer.description import description
from symnet.viewer.page import SCRIPTS, ViewerPage, page_text, view
from tests.viewer.programs import training_step

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\u2028"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been opened in a browser."""
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: found.append(url) or True)
    return found


def hostile() -> Any:
    x = T.dvector(HOSTILE)
    y = T.exp(x)
    y.name = HOSTILE
    return symnet.function([x], y, name=HOSTILE)


def data_of(text: str) -> Any:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', text, re.S
    )
    assert found is not None
    return json.loads(found[1])


def test_the_page_holds_the_description() -> None:
    record = description(training_step())
    assert data_of(page_text(record)) == json.loads(json.dumps(record))


def test_the_page_loads_nothing() -> None:
    text = page_text(description(training_step()))
    assert not re.search(r"<(link|img|iframe|object|embed|base)\b", text)
    assert not re.search(r"<script[^>]*\bsrc=", text)
    assert "@import" not in text and "url(http" not in text
    assert "sourceMappingURL" not in text
    assert "default-src 'none'" in text


def test_names_cannot_end_the_data_or_the_title() -> None:
    text = page_text(description(hostile()))
    assert len(re.findall("<script>", text)) == len(SCRIPTS)
    assert "alert(1)" not in re.sub(r'id="data">.*', "", text, flags=re.S).replace(
        html.escape("</script><script>alert(1)"), ""
    )
    data = re.search(r'id="data">(.*?)</script>', text, re.S)
    assert data is not None and not set("<>&\u2028") & set(data[1])
    assert HOSTILE in data_of(text)["title"]


def test_a_page_is_written_and_opened(
    tmp_path: pathlib.Path, opened: list[str]
) -> None:
    path = tmp_path / "f.html"
    found = view(T.exp(T.dvector("x")), path)
    assert found.path == path and path.read_text("utf-8") == found.html
    assert opened == [path.as_uri()]
    assert repr(found) == f"<page of the viewer, in {path}>"
    view(T.exp(T.dvector("x")), path, open_browser=False)
    assert len(opened) == 1


def test_without_a_path_it_is_a_temporary_file(
    tmp_path: pathlib.Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = view(T.exp(T.dvector("x")))
    assert found.path is not None and found.path.parent == tmp_path
    assert opened == [found.path.as_uri()]


def test_no_browser_is_told(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    view(T.exp(T.dvector("x")), tmp_path / "f.html")
    assert f"open {tmp_path / 'f.html'}" in capsys.readouterr().out


def test_notebooks_show_it_and_write_nothing(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "in_notebook", lambda: True)
    found = view(T.exp(T.dvector("x")))
    assert found.path is None and not opened
    shown = found._repr_html_()
    source = re.search(r'srcdoc="([^"]*)"', shown)
    assert source is not None and html.unescape(source[1]) == found.html
    assert 'sandbox="allow-scripts"' in shown
    assert "not written" in repr(found)
    opened_too = view(T.exp(T.dvector("x")), open_browser=True)
    assert opened_too.path is not None and opened == [opened_too.path.as_uri()]


def test_a_file_that_cannot_be_written_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "nowhere" / "f.html"
    with pytest.raises(FileNotFoundError, match="cannot write .*nowhere") as refused:
        view(T.exp(T.dvector("x")), path, open_browser=False)
    assert refused.value.errno == errno.ENOENT
    assert "to do: say another file" in str(refused.value)
    with pytest.raises(IsADirectoryError, match="cannot write"):
        view(T.exp(T.dvector("x")), tmp_path, open_browser=False)


def test_what_cannot_be_shown_leaves_no_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(TypeError, match="cannot show int 3"):
        view(3, tmp_path / "f.html", open_browser=False)
    assert not list(tmp_path.iterdir())


def test_the_name_is_symnet_s() -> None:
    x = T.dvector("x")
    assert isinstance(symnet.view(x, "/dev/null", open_browser=False), ViewerPage)


def test_the_licence_of_the_layout_stands_beside_it() -> None:
    folder = page_module.FOLDER
    assert "Permission is hereby granted" in (folder / "dagre.LICENSE.txt").read_text()
    assert {*SCRIPTS, "viewer.html", "viewer.css", "dagre.LICENSE.txt"} == {
        path.name for path in folder.iterdir()
    }
