"""Pages in a headless browser: what a script finds there after it has clicked about."""

from __future__ import annotations

import html
import json
import pathlib
import re
import shutil
import subprocess
from typing import Any

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
# The page's own policy lets no other scripts run.
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
SECONDS = 180


def dumped(page: str, folder: pathlib.Path) -> str:
    """The page as it is when its scripts have run."""
    assert BROWSER is not None
    path = folder / "page.html"
    path.write_text(page, "utf-8")
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
        "--window-size=1400,900", f"--user-data-dir={folder / 'profile'}",
        path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return done.stdout


def found_in(page: str, script: str, folder: pathlib.Path) -> Any:
    """What a script returns that runs in the page.  Raises: AssertionError where it
    throws."""
    probe = (
        '<pre id="probe"></pre><script>let outcome; try { outcome = { value: (() => {'
        f"{script}"
        "})() }; } catch (error) { outcome = { error: error.stack }; }"
        'document.getElementById("probe").textContent = JSON.stringify(outcome);</script>'
    )
    text = POLICY.sub("", page).replace("</body>", probe + "</body>")
    answer = re.search(r'<pre id="probe">(.*?)</pre>', dumped(text, folder), re.S)
    assert answer is not None
    found = json.loads(html.unescape(answer[1]))
    assert "error" not in found, found["error"]
    return found["value"]
