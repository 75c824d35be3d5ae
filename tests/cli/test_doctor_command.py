"""The command that says what ntksym has to work with, and how the shell completes the others."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from ntksym._lazy import EXTRAS
from ntksym.cli import COMMANDS, doctor
from tests.cli.helpers import Run, child


def test_it_tells_versions_threads_devices_and_the_cache(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NTKSYM_CACHE", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "one.py").write_bytes(b"x" * 2**20)
    code, out, err = run("doctor", "--format", "json")
    assert (code, err) == (0, "")
    found = dict(json.loads(out)["rows"])
    assert found["numpy"] == metadata.version("numpy")
    assert int(found["numba threads"]) >= 1
    assert found["SVML"].startswith(("in use", "not in use"))
    assert found["cache of kernels"] == f"{tmp_path / 'kept'} (1 files, 1.0 MiB)"
    assert found["JAX devices"]


def test_what_is_not_installed_says_how_to_install_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package", "scikit-learn", "jax"))

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "_name", "tests.cli.test_doctor_command")
    monkeypatch.setattr("tests.cli.test_doctor_command.version", missing, raising=False)
    monkeypatch.setattr(
        "tests.cli.test_doctor_command.PackageNotFoundError", metadata.PackageNotFoundError, raising=False
    )
    rows = dict(json.loads(run("doctor", "--format", "json")[1])["rows"])
    assert rows["no-such-package"] == "not installed"
    assert rows["scikit-learn"] == f"not installed: pip install 'ntksym[{EXTRAS['sklearn']}]'"
    assert rows["JAX devices"] == "none, as JAX is not installed"


def test_the_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        line = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        done = child(_NTKSYM_COMPLETE="complete_bash", **line)
        assert done.returncode == 0, done.stderr
        return list(done.stdout.split())

    assert set(completed("ntksym ")) == set(COMMANDS)
    assert completed("ntksym der") == ["derive"]
    assert "--format" in completed("ntksym derive --")
