from __future__ import annotations

from html.parser import HTMLParser

from symnet.html_tables import html_table


def cells(html: str) -> list[list[str]]:
    """The texts of a table's cells; what is not closed or nested wrongly is an error."""
    rows: list[list[str]] = []
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag == "br":
                rows[-1][-1] += "\n"
                return
            opened.append(tag)
            if tag == "tr":
                rows.append([])
            elif tag in ("td", "th"):
                rows[-1].append("")

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

        def handle_data(self, data: str) -> None:
            if rows and rows[-1] and "table" in opened:
                rows[-1][-1] += data

    Reader().feed(html)
    assert not opened
    return rows


def test_tables() -> None:
    html = html_table([("1", "<b>2</b>"), ("&lt;", "")], ("a", "b"))
    assert cells(html) == [["a", "b"], ["1", "2"], ["<", ""]]
    assert cells(html_table([("x",)])) == [["x"]]
    assert cells(html_table([])) == []
