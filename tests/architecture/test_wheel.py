"""What is shipped: wheel and sdist, built and looked into; in the long run installed where nothing else is."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT_LIMIT = 0.3
"""Seconds of a processor that `import ntksym` may take: what a clock on the wall says depends on who else is there."""


def built(folder: Path) -> tuple[Path, Path]:
    """A wheel and an sdist of the checkout, by the build backend that pyproject.toml names, as it is installed here."""
    backend = pytest.importorskip("hatchling.build")
    script = (
        "from hatchling.build import build_sdist, build_wheel; import sys; "
        "print(build_wheel(sys.argv[1])); print(build_sdist(sys.argv[1]))"
    )
    assert backend
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    wheel, sdist = (folder / name for name in done.stdout.split()[-2:])
    return wheel, sdist


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return built(tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_the_package_its_types_and_the_derivations(shipped: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(shipped[0]) as wheel:
        names = set(wheel.namelist())
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ntksym").rglob("*.py")}
    derivations = {f"ntksym/derivations/{path.name}" for path in (ROOT / "derivations").glob("*.py")}
    assert here | derivations | {"ntksym/py.typed"} <= names
    assert not [name for name in names if not name.startswith(("ntksym/", "ntksym-"))]


def test_the_sdist_holds_what_a_wheel_is_built_from(shipped: tuple[Path, Path]) -> None:
    with tarfile.open(shipped[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "ntksym/py.typed", "derivations/d001_mlp_width.py"} <= names


@pytest.mark.long
@pytest.mark.parametrize("which", [0, 1], ids=["wheel", "sdist"])
def test_it_works_in_a_clean_environment(shipped: tuple[Path, Path], which: int, tmp_path: Path) -> None:
    """The README's two commands, where nothing but Python is; an sdist is built with what the index has."""
    venv.create(tmp_path / "venv", with_pip=False)
    programs = tmp_path / "venv" / "bin"
    install = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    subprocess.run([*install, str(shipped[which])], check=True, timeout=600)

    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def ran(program: str, *words: str) -> str:
        command = [str(programs / program), *words]
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True, timeout=300)
        return done.stdout

    assert "verdict: stable" in ran("ntksym", "scaling", "transformer")
    assert "*Checked: " in ran("ntksym", "derive", "relu_dual")
    assert ran("ntksym", "--version").startswith("ntksym ")
    where = "import ntksym, pathlib; print((pathlib.Path(ntksym.__file__).parent / 'py.typed').is_file())"
    assert ran("python", "-c", where) == "True\n"
    timed = "import time; start = time.process_time(); import ntksym; print(time.process_time() - start)"
    assert min(float(ran("python", "-c", timed)) for _ in range(3)) < IMPORT_LIMIT
