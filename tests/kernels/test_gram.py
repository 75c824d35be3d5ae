"""Gram matrices in tiles: the numbers of one call, files that survive a killed run, any scheduler, bounded memory."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym._chunks import ANY_PORT
from ntksym.errors import KernelError, NtksymError
from ntksym.kernels.gram import gram
from ntksym.kernels.tiles import Grid
from ntksym.records.gram import OUTPUTS, Kernels
from tests.kernels.arc_cosine import ArcCosine, Fate, Watched

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(5)
X, X2 = RNG.normal(size=(23, 3)), RNG.normal(size=(9, 3))
KERNEL = ArcCosine(1.5)


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


# --- tiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "columns", "side"), [(23, None, 5), (20, None, 5), (3, None, 7), (23, 9, 4), (1, 9, 2)]
)
def test_tiles_and_their_mirror_images_cover_a_matrix_once(rows: int, columns: int | None, side: int) -> None:
    grid = Grid(rows, columns, side)
    times = np.zeros(grid.shape, int)
    for tile in grid:
        for image in grid.images(times, tile):
            image += 1
    same(times, np.ones(grid.shape, int))


@pytest.mark.parametrize("tile", [1, 4, 5, 22, 23, 24, 1000, None])
def test_any_tile_gives_the_numbers_of_one_call(tile: int | None) -> None:
    found, expected = gram(KERNEL, X, tile=tile), KERNEL(X)
    for kernel, whole in zip(found, expected, strict=True):
        same(kernel, whole)
        same(kernel, kernel.T)
    for kernel, whole in zip(gram(KERNEL, X, X2, tile=tile), KERNEL(X, X2), strict=True):
        same(kernel, whole)


def test_only_tiles_on_and_above_the_diagonal_are_computed() -> None:
    count = Fate()
    gram(Watched(before=count), X, tile=5)
    assert count.calls == 5 * 6 // 2
    gram(Watched(before=count), X, X2, tile=5)
    assert count.calls == 15 + 5 * 2


def test_a_lower_half_that_rounds_otherwise_is_not_seen() -> None:
    """The kernel of (x, y) and that of (y, x) may differ in a last bit; the matrix is symmetric all the same."""

    class Lopsided(ArcCosine):
        def __call__(self, X1: Any, X2: Any = None, get: Any = ()) -> Any:
            return Kernels(nngp=np.zeros((len(X1), len(X1))) if X2 is None else X1[:, :1] + 2 * X2[:, 0])

    found = gram(Lopsided(), X, get="nngp", tile=4)
    same(found, found.T)
    assert found[0, 22] == X[0, 0] + 2 * X[22, 0]


def test_get_chooses_the_form_of_the_answer() -> None:
    same(gram(KERNEL, X, get="ntk", tile=4), KERNEL(X).ntk)
    found = gram(KERNEL, X, get=("ntk",), tile=4)
    assert found.nngp is None
    same(found.ntk, KERNEL(X).ntk)
    same(gram(KERNEL, X, X), gram(KERNEL, X))


def test_values_and_dtype_are_the_kernels() -> None:
    same(gram(KERNEL, X, get="ntk", sigma_w=2.0), ArcCosine(2.0)(X).ntk)
    single = ArcCosine(dtype=np.dtype("float32"))
    assert gram(single, X, get="ntk", tile=4).dtype == np.float32


def test_other_kinds_of_inputs_are_taken(tmp_path: Path) -> None:
    whole = (X * 10).astype(int)
    same(gram(KERNEL, whole, get="ntk", tile=4), KERNEL(whole).ntk)
    same(gram(KERNEL, np.asfortranarray(X), get="ntk", tile=4), KERNEL(X).ntk)
    same(gram(KERNEL, X.tolist(), get="ntk", tile=4), KERNEL(X).ntk)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = gram(KERNEL, mapped, get="ntk", tile=4)
    same(found, KERNEL(X).ntk)
    assert type(found) is np.ndarray


CHANGED = np.where(np.arange(69).reshape(X.shape) == 68, 0, X)
NAN = np.where(np.arange(23)[:, None] == 17, np.nan, X)


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (NAN, {}, "X: input 17 (from 0) holds numbers that are not finite"),
        (X, {"X2": np.full((1, 3), -np.inf)}, "X2: input 0 (from 0) holds numbers that are not finite"),
        (X[:0], {}, "X has the shape (0, 3), expected one input at least"),
        (np.float64(1), {}, "X has the shape ()"),
        (np.array([["a"]]), {}, "X holds <U1, expected real numbers"),
        (np.array([[None]]), {}, "X holds object"),
        (X + 1j, {}, "X holds complex128"),
        (X, {"X2": X[:, :2]}, "X and X2 hold inputs of different shapes: (3,) and (2,)"),
        ([[1.0], [1.0, 2.0]], {}, "X is not an array: its rows differ in length"),
        (X, {"get": "nngpp"}, "get='nngpp': expected one or several of nngp, ntk"),
        (X, {"get": ()}, "get=()"),
        (X, {"get": ("ntk", "ntk")}, "get=('ntk', 'ntk')"),
        (X, {"tile": 0}, "tile=0"),
        (X, {"memory": 100}, "memory=100 leave no room"),
    ],
)
def test_what_cannot_be_computed_is_said_before_anything_is(x: Any, options: Any, says: str) -> None:
    with pytest.raises(KernelError) as caught:
        gram(KERNEL, x, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_things_than_kernels_are_refused() -> None:
    with pytest.raises(KernelError, match="not str"):
        gram("mlp", X)


# --- kernels that are compiled --------------------------------------------------------------------------------------

NET = ns.zoo.load("mlp")(depth=1)


def test_programs_recursions_and_compiled_kernels_are_taken() -> None:
    """Against mpmath, duplicates and antipodes in other tiles included, to 1e-14 of the inputs' own kernels.

    An entry that cancels (an NTK with biases passes through zero) has that many digits, not as many of its own.
    """
    x = np.concatenate([X, X[:3], -X[:2]])
    values = {"sigma_w": 1.4, "sigma_b": 0.3}
    recursion = ns.kernel_recursion(NET)
    compiled = recursion.compile(**values)
    exact = recursion.evaluate(x, **values)
    for kernel, options in [(NET, {"tile": 8}), (recursion, {"tile": 8}), (NET, {}), (compiled, {"tile": 8})]:
        found = gram(kernel, x, **options, **({} if kernel is compiled else values))
        for name in OUTPUTS:
            matrix, expected = getattr(found, name), getattr(exact, name).astype(float)
            same(matrix, matrix.T)
            scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
            assert (np.abs(matrix - expected) / scale).max() < 1e-14


def test_a_kernel_without_the_output_is_refused() -> None:
    with pytest.raises(KernelError, match="this kernel gives nngp, not ntk"):
        gram(ns.compiled_kernel(NET, outputs=["nngp"]), X, get="ntk")


# --- files --------------------------------------------------------------------------------------------------------


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_one_kernel_is_a_file_and_several_are_a_folder(tmp_path: Path) -> None:
    one = gram(KERNEL, X, get="ntk", out=tmp_path / "k.npy", tile=5)
    assert isinstance(one, np.memmap)
    same(np.asarray(one), KERNEL(X).ntk)
    both = gram(KERNEL, X, X2, out=tmp_path / "K", tile=5)
    same(np.asarray(both.nngp), KERNEL(X, X2).nngp)
    same(np.load(tmp_path / "K" / "ntk.npy"), KERNEL(X, X2).ntk)
    assert sorted(files_below(tmp_path)) == ["K/nngp.npy", "K/ntk.npy", "k.npy"]


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "k.npy"
    path.write_bytes(b"old")

    def look() -> None:
        assert path.read_bytes() == b"old"

    gram(Watched(before=look), X, get="ntk", out=path, tile=5)
    same(np.load(path), ArcCosine()(X).ntk)


def broken_off(tmp_path: Path, name: str, last: int, **options: Any) -> Path:
    """Where a run was working whose tile ``last`` (from 1) was interrupted."""
    with pytest.raises(KeyboardInterrupt):
        gram(Watched(1.5, before=Fate(last)), X, out=tmp_path / name, tile=5, **options)
    assert not (tmp_path / name).exists()
    return tmp_path / f"{name}.part"


def killed(tmp_path: Path, name: str, last: int, **options: Any) -> Path:
    """The same by SIGKILL, in a process of its own."""
    script = (
        "import pickle, sys; from ntksym.kernels.gram import gram; "
        "kernel, x, options = pickle.load(sys.stdin.buffer); gram(kernel, x, **options)"
    )
    options = {"out": tmp_path / name, "tile": 5, **options}
    asked = pickle.dumps((Watched(1.5, before=Fate(last, kill=True)), X, options))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, input=asked, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / name).exists()
    return tmp_path / f"{name}.part"


@pytest.mark.parametrize(("name", "get"), [("k.npy", "ntk"), ("K", ("nngp", "ntk"))])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, name: str, get: Any) -> None:
    work = killed(tmp_path, name, 8, get=get)
    with open(work / "journal", "a", encoding="utf-8") as journal:
        journal.write('{"tile": [5, 10, 2')  # a line of which the half was written
    count = Fate()
    gram(Watched(1.5, before=count), X, get=get, out=tmp_path / name, tile=5)
    assert count.calls == 15 - 7
    (tmp_path / "whole").mkdir()
    gram(KERNEL, X, get=get, out=tmp_path / "whole" / name, tile=5)
    whole = files_below(tmp_path / "whole")
    assert files_below(tmp_path) == {**whole, **{f"whole/{path}": data for path, data in whole.items()}}


def test_a_run_may_be_broken_off_again_and_again(tmp_path: Path) -> None:
    for _ in range(4):
        broken_off(tmp_path, "k.npy", 3, get="ntk")
    count = Fate()
    found = gram(Watched(1.5, before=count), X, get="ntk", out=tmp_path / "k.npy", tile=5)
    assert count.calls == 15 - 4 * 2
    same(np.asarray(found), KERNEL(X).ntk)


def flip_a_number(file: Path, row: int, column: int) -> None:
    matrix = np.lib.format.open_memmap(file, mode="r+")
    matrix[row, column] = np.nextafter(matrix[row, column], 10)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 22), (22, 4)])
def test_a_tile_that_lost_a_bit_is_computed_again(tmp_path: Path, row: int, column: int) -> None:
    """In its place, or in its mirror image below the diagonal."""
    work = broken_off(tmp_path, "k.npy", 8, get="ntk")
    flip_a_number(work / "ntk.npy", row, column)
    count = Fate()
    found = gram(Watched(1.5, before=count), X, get="ntk", out=tmp_path / "k.npy", tile=5)
    assert count.calls == 15 - 7 + 1
    same(np.asarray(found), KERNEL(X).ntk)


def truncate(work: Path) -> None:
    with open(work / "ntk.npy", "r+b") as file:
        file.truncate(1000)


def spoil_the_journal(work: Path) -> None:
    (work / "journal").write_bytes(b"\0" * 100)


def remove(work: Path) -> None:
    (work / "ntk.npy").unlink()


@pytest.mark.parametrize("damage", [truncate, spoil_the_journal, remove])
def test_a_run_that_lost_more_starts_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(broken_off(tmp_path, "k.npy", 8, get="ntk"))
    count = Fate()
    found = gram(Watched(1.5, before=count), X, get="ntk", out=tmp_path / "k.npy", tile=5)
    assert count.calls == 15
    same(np.asarray(found), KERNEL(X).ntk)
    assert list(files_below(tmp_path)) == ["k.npy"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kernel": ArcCosine(1.4)}, "another kernel:"),
        ({"X": CHANGED}, "another X:"),
        ({"X": X[:22]}, "another X:"),
        ({"X2": X2}, "another X2:"),
        ({"tile": 6}, "another tile:"),
        ({"get": "nngp"}, "another outputs:"),
    ],
)
def test_a_run_of_something_else_is_not_continued(tmp_path: Path, changes: Any, says: str) -> None:
    work = broken_off(tmp_path, "k.npy", 8, get="ntk")
    before = files_below(work)
    with pytest.raises(NtksymError) as caught:
        gram(**{"kernel": KERNEL, "X": X, "get": "ntk", "tile": 5, **changes}, out=tmp_path / "k.npy")
    assert says in str(caught.value)
    assert files_below(work) == before


def test_the_journal_lists_finished_tiles(tmp_path: Path) -> None:
    lines = (broken_off(tmp_path, "k.npy", 4, get="ntk") / "journal").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["tile"] for line in lines[1:]] == [[0, 5, 0, 5], [0, 5, 5, 10], [0, 5, 10, 15]]


def test_a_run_that_lacked_nothing_but_the_name_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", Fate(1))
    with pytest.raises(KeyboardInterrupt):
        gram(KERNEL, X, get="ntk", out=tmp_path / "k.npy", tile=5)
    count = Fate()
    found = gram(Watched(1.5, before=count), X, get="ntk", out=tmp_path / "k.npy", tile=5)
    assert count.calls == 0
    same(np.asarray(found), KERNEL(X).ntk)


def test_a_run_that_finished_no_tile_leaves_nothing(tmp_path: Path) -> None:
    class Wide(ArcCosine):
        def __call__(self, X1: Any, X2: Any = None, get: Any = ()) -> Any:
            return Kernels(nngp=np.zeros((len(X1), len(X1), 2)))

    with pytest.raises(KernelError, match=r"nngp of 5 and 5 inputs has the shape \(5, 5, 2\)"):
        gram(Wide(), X, get="nngp", out=tmp_path / "k.npy", tile=5)
    with pytest.raises(KeyboardInterrupt):
        gram(Watched(before=Fate(1)), X, get="nngp", out=tmp_path / "k.npy", tile=5)
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "K").mkdir()
    (tmp_path / "K" / "mine").write_text("", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder.npy").mkdir()
    for out, get, says in [
        (tmp_path / "no" / "k.npy", "ntk", "No such file or directory"),
        (tmp_path / "file" / "k.npy", "ntk", "Not a directory"),
        (tmp_path / "K", "ntk", "written into a .npy file, so name it so"),
        (tmp_path / "folder.npy", "ntk", "it is not a file"),
        (tmp_path / "K", ("nngp", "ntk"), "there is something of this name already"),
        (tmp_path / "file", ("nngp", "ntk"), "there is something of this name already"),
        (tmp_path / "k.npy", ("nngp", "ntk"), "name one without .npy"),
    ]:
        with pytest.raises(NtksymError, match=says):
            gram(KERNEL, X, get=get, out=out)
    assert sorted(files_below(tmp_path)) == ["K/mine", "file"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="nothing to reserve room with")
def test_a_disk_that_is_too_small_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    count = Fate()
    with pytest.raises(NtksymError, match=r"cannot write .*k\.npy: No space left on device"):
        gram(Watched(before=count), X, get="ntk", out=tmp_path / "k.npy", tile=5)
    assert count.calls == 0
    assert list(tmp_path.iterdir()) == []


# --- schedulers ---------------------------------------------------------------------------------------------------


def test_threads_and_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """A process gets the compiled kernel as its program and options."""
    compiled = ns.compiled_kernel(NET, sigma_w=1.4)
    gram(compiled, X, out=tmp_path / "here", tile=5)
    with ThreadPoolExecutor(2) as pool:
        gram(compiled, X, out=tmp_path / "threads", tile=5, scheduler=pool)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        gram(compiled, X, out=tmp_path / "processes", tile=5, scheduler=pool)
    assert files_below(tmp_path / "here") == files_below(tmp_path / "threads") == files_below(tmp_path / "processes")


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.long)])
def test_dask_writes_the_same_bytes(tmp_path: Path, processes: bool) -> None:
    distributed = pytest.importorskip("distributed", reason='needs the extra "dask"')
    gram(KERNEL, X, X2, out=tmp_path / "here", tile=5)
    gram(KERNEL, X, X2, out=tmp_path / "dask", tile=5, scheduler="dask")
    with distributed.LocalCluster(1, processes=processes, dashboard_address=ANY_PORT) as cluster:
        gram(KERNEL, X, X2, out=tmp_path / "address", tile=5, scheduler=cluster.scheduler_address)
    assert files_below(tmp_path / "here") == files_below(tmp_path / "dask") == files_below(tmp_path / "address")


def test_a_run_goes_on_under_another_scheduler(tmp_path: Path) -> None:
    broken_off(tmp_path, "k.npy", 8, get="ntk")
    with ThreadPoolExecutor(2) as pool:
        found = gram(KERNEL, X, get="ntk", out=tmp_path / "k.npy", tile=5, scheduler=pool)
    same(np.asarray(found), KERNEL(X).ntk)


# --- memory -------------------------------------------------------------------------------------------------------

PEAK = """
import sys, resource
import numpy as np
from ntksym.kernels.gram import gram
from tests.kernels.arc_cosine import ArcCosine

class Cheap(ArcCosine):
    def __call__(self, X1, X2=None, get=()):
        return type(super().__call__(X1[:1]))(*(np.add.outer(X1[:, 0], (X1 if X2 is None else X2)[:, 0]) for _ in get))

out, count, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.random.default_rng(0).normal(size=(count, 8))
gram(Cheap(), x[:64], out=out + "-small", memory=memory)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
gram(Cheap(), x, out=out, memory=memory)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in the units of Linux")
def test_memory_stays_within_its_bound(tmp_path: Path) -> None:
    """Two matrices of 72 MB each, made of tiles that may take 16 MiB: resident memory, pages of the files included."""
    words = [sys.executable, "-c", PEAK, str(tmp_path / "K"), "3000", str(2**24)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 <= 2**24
