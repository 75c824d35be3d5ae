"""The documentation site builds without a warning, and needs no network."""

import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r'<(?:script|link|img)\b[^>]*\b(?:src|href)="(https?://[^"]+)"')


@pytest.mark.long
def test_the_site_builds_and_loads_nothing_from_a_network(tmp_path: Path) -> None:
    """Notebooks are not executed here, as other tests do that; derivations are."""
    for package in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(package, reason="the site needs pip install 'ntksym[docs]'")
    copytree(ROOT / "notebooks", tmp_path / "notebooks")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-D", "nb_execution_mode=off"]
    subprocess.run([*command, str(tmp_path / "notebooks"), str(tmp_path / "site")], cwd=ROOT, check=True, timeout=900)
    pages = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")}
    assert len(pages) > 25
    assert "<mfrac>" in pages[tmp_path / "site" / "theory" / "002_relu_dual.html"]
    assert [(path.name, LOADED.findall(text)) for path, text in pages.items() if LOADED.search(text)] == []
