"""A real browser without a window, where there is one: what a page writes to its console, and what it looks like."""

import subprocess
from pathlib import Path
from shutil import which

import pytest

BROWSER = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome is installed")


def _run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    quiet = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={page.parent}/b",
    )
    return subprocess.run(
        [BROWSER, *quiet, *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )


def console(page: Path) -> list[str]:
    """The lines that the page wrote to its console, complaints of the browser about it among them."""
    return [line for line in _run(page, "--dump-dom").stderr.splitlines() if "CONSOLE" in line]


def measured(page: Path, expression: str, size: str = "1000,800") -> str:
    """What an expression of JavaScript is on this page: it is asked for in a copy of it, and left in its title."""
    copy = page.with_name("measured.html")
    script = f"<script>addEventListener('load', () => {{ document.title = {expression}; }});</script></body>"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    dom = _run(copy, "--dump-dom", f"--window-size={size}").stdout
    return dom.split("<title>")[1].split("</title>")[0]


def screenshot(page: Path, *options: str) -> Path:
    """A picture of the page."""
    target = page.with_suffix(".png")
    _run(page, f"--screenshot={target}", "--window-size=1000,800", *options)
    return target
