"""The README's commands give the README's outputs. Run as a program, this file renews the outputs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

FILE = re.compile(r"^```(?:python|toml)\n# (?P<name>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"(?<=^```console\n)(?P<block>.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def folder_of(readme: str, folder: Path) -> Path:
    """Writes the files that the README shows."""
    for file in FILE.finditer(readme):
        (folder / file["name"]).write_text(file["text"], encoding="utf-8")
    return folder


def python(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python with ntksym on its path; the folder itself is not, as for an installed command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )


def executed(block: str, folder: Path) -> str:
    """A console block with what its commands write now."""
    out = []
    for line in block.splitlines():
        if line.startswith("$ "):
            command, *words = line[2:].split()
            assert command == "ntksym", line
            out += [line, *python("-m", "ntksym", *words, folder=folder).stdout.rstrip("\n").splitlines()]
    return "\n".join(out) + "\n"


def renewed(readme: str, folder: Path) -> str:
    """The README with all console blocks executed."""
    return CONSOLE.sub(lambda found: executed(found["block"], folder), readme)


COMMANDS = (
    *("coordcheck", "derive", "doctor", "drift", "finite", "gram", "kernel", "phase", "report", "spectrum"),
    *("train", "validate"),
)
"""Commands beside ``scaling``."""


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text(encoding="utf-8")


def test_it_shows_files_and_commands(readme: str) -> None:
    assert [file["name"] for file in FILE.finditer(readme)] == ["my_net.py", "recipe.toml"]
    assert len(CONSOLE.findall(readme)) == 8


def test_its_commands_write_what_it_shows(readme: str, tmp_path: Path) -> None:
    assert renewed(readme, folder_of(readme, tmp_path)).splitlines() == readme.splitlines()


def test_its_python_session_runs(readme: str, tmp_path: Path) -> None:
    session = "\n".join(SESSION.findall(readme))
    assert session.count(">>>") >= 8
    (folder_of(readme, tmp_path) / "session.txt").write_text(session, encoding="utf-8")
    run = "import doctest, sys; sys.path.insert(0, '.'); sys.exit(doctest.testfile('session.txt', False).failed)"
    done = python("-c", run, folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_its_pytorch_example_runs(readme: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (example,) = re.findall(r"^```python\n(import torch\n.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    done = python("-c", f"{example}\nprint(len(optimizer.param_groups))", folder=tmp_path)
    assert done.stdout == "3\n"


def test_a_wrong_recipe_fails_with_the_exit_code_that_it_names(readme: str, tmp_path: Path) -> None:
    words = ("-m", "ntksym", "scaling", "my_net.py:my_net", "--check", "recipe.toml")
    assert "exit code is 1 if" in readme
    assert python(*words, folder=folder_of(readme, tmp_path)).returncode == 1


def test_its_run_command_works(readme: str, tmp_path: Path) -> None:
    command = re.search(r"<!-- run-command -->\n```bash\npip install \.\nntksym (.*)\n```", readme)
    assert command is not None
    done = python("-m", "ntksym", *command[1].split(), folder=tmp_path)
    assert done.returncode == 0
    assert "verdict: stable" in done.stdout


def test_its_options_exist(readme: str, tmp_path: Path) -> None:
    """Options named anywhere are those of some command; those of ``scaling`` are all named."""

    def offered(command: str) -> set[str]:
        return set(re.findall(r"--[a-z]+", python("-m", "ntksym", command, "--help", folder=tmp_path).stdout))

    named = set(re.findall(r"(?<=`)--[a-z]+", readme))
    scaling = offered("scaling")
    others = {command for command in re.findall(r"ntksym ([a-z]+)", readme) if command in COMMANDS}
    assert named <= scaling.union(*map(offered, others))
    assert scaling - named <= {"--help"}


def test_its_links_lead_somewhere(readme: str) -> None:
    links = re.findall(r"\]\((?!https?://)([^)]+)\)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        text = README.read_text(encoding="utf-8")
        README.write_text(renewed(text, folder_of(text, Path(scratch))), encoding="utf-8")
