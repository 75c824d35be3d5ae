"""``ntksym gram``: matrices of the inputs in a file, written whole; slips are one line."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym.kernels import kernel_recursion
from tests.cli.helpers import Run, environment, refused
from tests.kernels.arc_cosine import Fate, Watched

X = np.random.default_rng(7).normal(size=(11, 3))
X2 = np.random.default_rng(8).normal(size=(4, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "x2.npy", X2)
    return tmp_path


def expected(x: Any, x2: Any = None, depth: int = 1, **values: float) -> Any:
    return kernel_recursion(ns.zoo.load("mlp")(depth=depth)).evaluate(x, x2, digits=None, **values)


def test_a_matrix_of_inputs_with_themselves(run: Run, folder: Path) -> None:
    code, out, err = run("gram", "mlp", "--depth", "1", "--data", "x.npy", "-o", "k.npy", "--memory", "1kB")
    assert (code, out, err) == (0, "k.npy: ntk of mlp, 11 × 11, float64\n", "")
    found = np.load(folder / "k.npy")
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, expected(X).ntk.astype(float), rtol=1e-12)
    assert sorted(path.name for path in folder.iterdir()) == ["k.npy", "x.npy", "x2.npy"]


def test_a_matrix_of_inputs_with_others_of_a_text_file(run: Run, folder: Path) -> None:
    np.savetxt(folder / "x2.csv", X2, delimiter=",")
    words = ("--set", "depth=2", "--sigma-w", "3/2", "--set", "sigma_b=0.5", "--get", "nngp")
    code, _, err = run("gram", "mlp", "--data", "x.npy", "--with", "x2.csv", "-o", "k.npy", *words)
    assert (code, err) == (0, "")
    wanted = expected(X, X2, 2, sigma_w=1.5, sigma_b=0.5).nngp.astype(float)
    np.testing.assert_allclose(np.load(folder / "k.npy"), wanted, rtol=1e-12)


def test_both_kernels_are_a_folder(run: Run, folder: Path) -> None:
    code, out, _ = run("gram", "mlp", "--depth", "1", "--data", "x.npy", "--get", "both", "-o", "K")
    assert (code, out) == (0, "K: nngp and ntk of mlp, 11 × 11, float64\n")
    for name in ("nngp", "ntk"):
        wanted = getattr(expected(X), name).astype(float)
        np.testing.assert_allclose(np.load(folder / "K" / f"{name}.npy"), wanted, rtol=1e-12)


def test_whole_numbers_are_inputs(run: Run, folder: Path) -> None:
    whole = np.arange(1, 13).reshape(4, 3)
    np.save(folder / "whole.npy", whole)
    assert run("gram", "mlp", "--depth", "1", "--data", "whole.npy", "-o", "k.npy")[0] == 0
    np.testing.assert_allclose(np.load(folder / "k.npy"), expected(whole.astype(float)).ntk.astype(float), rtol=1e-12)


def test_dask_gives_the_same_bytes(run: Run, folder: Path) -> None:
    pytest.importorskip("distributed", reason='needs the extra "dask"')
    words = ("gram", "mlp", "--depth", "1", "--data", "x.npy", "--memory", "1kB")
    assert run(*words, "-o", "here.npy")[0] == run(*words, "-o", "there.npy", "--scheduler", "dask")[0] == 0
    assert (folder / "here.npy").read_bytes() == (folder / "there.npy").read_bytes()


def test_a_killed_run_goes_on(run: Run, folder: Path) -> None:
    """The command is killed before the fourth of ten tiles; then it runs again, in this process."""
    words = ["gram", "mlp", "--data", "x.npy", "--memory", "1kB", "-o", "k.npy"]
    script = (
        "import sys; from ntksym.cli import main; import ntksym.kernels.gram as room; "
        "from tests.kernels.arc_cosine import Fate, Watched; "
        "room.compiled_kernel = lambda *_, **options: Watched(before=Fate(4, kill=True)); main(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=folder, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (folder / "k.npy").exists()
    fate = Fate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ntksym.kernels.gram.compiled_kernel", lambda *_, **options: Watched(before=fate))
        assert run(*words)[0] == 0
        assert fate.calls == 10 - 3
        assert run(*words[:-1], "whole.npy")[0] == 0
    assert (folder / "k.npy").read_bytes() == (folder / "whole.npy").read_bytes()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (X[:0], "bad.npy has the shape (0, 3), expected one input at least"),
        (
            np.where(np.arange(11)[:, None] == 6, np.nan, X),
            "bad.npy: input 6 (from 0) holds numbers that are not finite",
        ),
        (np.where(np.arange(11)[:, None] == 0, np.inf, X), "holds numbers that are not finite"),
        (X[0], "bad.npy: found the shape (3,), expected 2 axes, the first over inputs"),
        (X[None], "bad.npy: found the shape (1, 11, 3), expected 2 axes"),
        (np.float64(1), "bad.npy: found the shape (), expected 2 axes"),
        (X.astype(str), "bad.npy holds <U32, expected real numbers"),
        (X + 1j, "bad.npy holds complex128"),
        (X.astype(object), "bad.npy is no .npy file of numbers"),
    ],
)
def test_a_bad_array_is_one_line(run: Run, folder: Path, array: Any, says: str) -> None:
    np.save(folder / "bad.npy", array)
    before = sorted(folder.iterdir())
    assert says in refused(run("gram", "mlp", "--data", "bad.npy", "-o", "k.npy"))
    assert says in refused(run("gram", "mlp", "--data", "x.npy", "--with", "bad.npy", "-o", "k.npy"))
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("contents", [b"", b"1,2\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_one_line(run: Run, folder: Path, contents: bytes) -> None:
    (folder / "bad.npy").write_bytes(contents)
    assert "bad.npy is no .npy file of numbers" in refused(run("gram", "mlp", "--data", "bad.npy", "-o", "k.npy"))


def test_several_arrays_in_one_file_are_no_inputs(run: Run, folder: Path) -> None:
    with open(folder / "bad.npy", "wb") as file:
        np.savez(file, X)
    assert "bad.npy is no .npy file of numbers" in refused(run("gram", "mlp", "--data", "bad.npy", "-o", "k.npy"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mlp", "--data", "no.npy", "-o", "k.npy"), "cannot read no.npy: No such file or directory"),
        (("mlp", "--data", ".npy", "-o", "k.npy"), "cannot read .npy: No such file"),
        (("mlp", "--data", "x.npy", "-o", "no/k.npy"), "cannot write no/k.npy: No such file or directory"),
        (("mlp", "--data", "x.npy", "-o", "x.npy"), "x.npy holds the inputs; write the matrix to another file"),
        (("mlp", "--data", "x2.npy", "--with", "x.npy", "-o", "./x.npy"), "x.npy holds the inputs"),
        (("mlp", "--data", "x.npy", "-o", "k.csv"), "k.csv: one matrix is written into a .npy file"),
        (("mlp", "--data", "x.npy", "-o", "."), ": one matrix is written into a .npy file"),
        (("mlp", "--data", "x.npy", "-o", "k.npy", "--get", "both"), "name one without .npy"),
        (("mlp", "--data", "x.npy", "-o", "k.npy", "--get", "nngpp"), "there is no kernel 'nngpp'; did you mean nngp?"),
        (("mlp", "--data", "x.npy", "-o", "k.npy", "--memory", "much"), "--memory 'much' is not an amount"),
        (("mlp", "--data", "x.npy", "-o", "k.npy", "--memory", "1B"), "leave no room for a tile"),
        (("mlp", "--data", "x.npy", "-o", "k.npy", "--phi", "rellu"), "did you mean relu"),
        (("mlp", "--data", "x.npy", "-o", "k.npy", "--set", "sigma=2"), "has no setting, size or sigma 'sigma'"),
        (("mlp", "--data", "x.npy"), "--output"),
        (("mlp", "-o", "k.npy"), "--data"),
        (("--data", "x.npy", "-o", "k.npy"), "name an architecture"),
        (("gcn", "--data", "x.npy", "-o", "k.npy"), "x.npy holds one input, and gcn has several: x, adjacency"),
        (("lora", "--data", "x.npy", "-o", "k.npy"), "stays finite"),
    ],
)
def test_slips_are_one_line(run: Run, folder: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused(run("gram", *words))
    assert sorted(path.name for path in folder.iterdir()) == ["x.npy", "x2.npy"]


def test_inputs_of_another_length_are_refused(run: Run, folder: Path) -> None:
    np.save(folder / "x4.npy", np.ones((2, 4)))
    line = refused(run("gram", "mlp", "--data", "x.npy", "--with", "x4.npy", "-o", "k.npy"))
    assert "X and X2 hold inputs of different shapes: (3,) and (4,)" in line


def test_a_scheduler_that_does_not_answer_is_one_line(run: Run, folder: Path) -> None:
    pytest.importorskip("distributed", reason='needs the extra "dask"')
    words = ("gram", "mlp", "--data", "x.npy", "-o", "k.npy", "--scheduler", "nonsense")
    assert "no Dask scheduler answers at nonsense" in refused(run(*words))
    assert not (folder / "k.npy.part").exists()
