"""House rules that a machine can read: short files, no paths of somebody's machine, README and CHANGELOG."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400

HOME_PATH = re.compile(r"(?<![\w.~-])/(?:home|Users)/[\w.-]+|(?<![\w.~-])/root[/]|\b[A-Z]:[\\]+Users[\\]")


def home_paths(text: str) -> list[str]:
    return HOME_PATH.findall(text)


def readme_block(marker: str, readme: str) -> list[str]:
    """The lines of the fenced block that follows the marker, as .ci/run reads them."""
    found = re.search(rf"^<!-- {marker} -->$\n+```\w*\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    return found[1].splitlines() if found else []


def files_of_the_checkout() -> list[Path]:
    """Tracked files, and new ones that are about to be."""
    # safe.directory: a checkout mounted into a container often belongs to somebody else
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("text", ["see /" + "home/ada/x", "/" + "Users/ada", "cd /" + "root/x", "C:" + "\\Users\\ada"])
def test_a_home_path_is_found(text: str) -> None:
    assert home_paths(text)


@pytest.mark.parametrize("text", ["~/x", "example.org/home/page", "/tmp/x", "the /home of a site", "a/root/b"])
def test_other_paths_are_left_alone(text: str) -> None:
    assert not home_paths(text)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_file_names_a_home_path() -> None:
    found = {
        str(path.relative_to(ROOT)): paths
        for path in files_of_the_checkout()
        if (paths := home_paths(path.read_bytes().decode(errors="ignore")))
    }
    assert not found


def test_files_of_the_package_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "ntksym").rglob("*.py")
    }
    assert lengths
    too_long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES}
    assert not too_long, f"over {MAX_LINES} lines; would two files be clearer?"


def test_the_changelog_has_an_unreleased_section() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]$", changelog, re.MULTILINE)


@pytest.mark.parametrize(("marker", "expected"), [("run-command", "ntksym scaling"), ("test-command", "pytest")])
def test_the_readme_has_the_block(marker: str, expected: str) -> None:
    block = readme_block(marker, (ROOT / "README.md").read_text(encoding="utf-8"))
    assert block[0].startswith("pip install ")
    assert any(line.startswith(expected) for line in block)
