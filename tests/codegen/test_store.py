"""Generated modules on disk: read back, written whole, made again where they are broken or cannot be kept."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ntksym.codegen import store
from ntksym.codegen.store import Kept, kept, loaded

MODULE = Kept("k", "title", "x = 1\n", "y = 2\n", ("nngp",), ("sigma_w",), ((0, ((3, None),)),), (True,), True, False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


def never() -> Kept:
    raise AssertionError("made again")


def test_what_is_kept_is_read_back(folder: Path) -> None:
    assert kept("k", lambda: MODULE) == MODULE
    assert kept("k", never) == MODULE
    assert [path.name for path in folder.iterdir()] == ["k.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other/1"}', '{"schema": "ntksym.codegen/1", "key": "k"}'])
def test_a_broken_file_is_made_again(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "k.json").write_text(text, encoding="utf-8")
    assert kept("k", lambda: MODULE) == MODULE
    assert kept("k", never) == MODULE


def test_nothing_is_kept_where_nothing_can_be_written(folder: Path) -> None:
    folder.write_text("a file where the folder should be", encoding="utf-8")
    assert kept("k", lambda: MODULE) == MODULE
    assert loaded(replace(MODULE, key="elsewhere")).y == 2


def test_a_module_is_imported_from_its_file(folder: Path) -> None:
    module = loaded(replace(MODULE, key="own"))
    assert module.y == 2
    assert Path(module.__file__) == folder / "own.py"


def test_a_second_process_needs_neither_sympy_nor_scipy(folder: Path) -> None:
    """The disk cache: program and options are enough to find the code again (numba asks scipy for its version)."""
    run = """
import sys
import numpy as np
import ntksym as ns
from ntksym import zoo
k = ns.compiled_kernel(zoo.load("mlp")(), sigma_w=1.5)
print(k(np.eye(3, 64), get="ntk").sum())
print(sorted({"sympy", "scipy.special", "jax"} & set(sys.modules)))
"""
    environment = {**os.environ, store.FOLDER: str(folder)}
    found = [
        subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True, env=environment).stdout
        for _ in range(2)
    ]
    assert found[0].splitlines()[0] == found[1].splitlines()[0]
    assert found[1].splitlines()[1] == "[]"
