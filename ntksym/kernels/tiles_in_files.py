"""Matrices in files that are written whole or not at all, and that a run which was broken off goes on with.

A run works in a folder beside its output: a ``.npy`` file for each matrix, of full size from the start, and a journal,
which says what the matrices are of, then in a line for each finished tile the checksums of its numbers. A tile gets its
line when it is in the files. Killing a run can therefore cost the tiles under way only; a power failure, which may also
lose what the system had not yet written, is found by the checksums.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from ntksym.errors import NtksymError
from ntksym.kernels.tiles import Array, Grid, Tile

SCHEMA = "ntksym.gram/1"
JOURNAL = "journal"


class InFiles:
    """One ``.npy`` file, or a folder of several: see ``tiles.Matrices``.

    Args:
        out: the file for one matrix (``names`` is a text), the folder for several.
        identity: all that the numbers depend on besides the grid; a run goes on only with the same.

    Raises NtksymError for an output that cannot be written, and for a broken-off run of something else.
    """

    def __init__(
        self, out: str, names: str | Sequence[str], grid: Grid, dtype: np.dtype[Any], identity: Mapping[str, str | None]
    ) -> None:
        self.grid, self.dtype, self.single = grid, dtype, isinstance(names, str)
        self.out, self.target = out, Path(os.path.realpath(out))
        self.folder = self.target.with_name(self.target.name + ".part")
        self.files = [self.folder / f"{name}.npy" for name in ([names] if isinstance(names, str) else names)]
        self.journal = self.folder / JOURNAL
        self.header = {
            "schema": SCHEMA,
            **identity,
            "outputs": [file.stem for file in self.files],
            "dtype": dtype.str,
            "tile": grid.side,
        }
        with self._writing():
            self._check_target()
            records = self._left_by_another_run()
            if records is None:
                self._create()
                records = {}
            self.done = frozenset(records)
            self._write_journal(records)
            self.empty = not records

    def put(self, tile: Tile, numbers: tuple[Array, ...]) -> None:
        # a map of its own for each tile: pages that were written stop counting as memory of this process
        with self._writing():
            for file, part in zip(self.files, numbers, strict=True):
                self.grid.write(np.lib.format.open_memmap(file, mode="r+"), tile, part)
            with open(self.journal, "a", encoding="utf-8") as journal:
                journal.write(_line({"tile": tile, "crc32": [checksum(part) for part in numbers]}))
        self.empty = False

    def finish(self) -> tuple[Array, ...]:
        """Memory maps of the files under their own names, for reading."""
        with self._writing():
            for file in self.files:
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
            if self.single:
                os.replace(self.files[0], self.target)
                self.journal.unlink()
                with suppress(OSError):  # somebody put a file of his own into it
                    self.folder.rmdir()
            else:
                os.replace(self.folder, self.target)
                (self.target / JOURNAL).unlink()
        files = [self.target] if self.single else [self.target / file.name for file in self.files]
        return tuple(np.load(file, mmap_mode="r") for file in files)

    def abandon(self) -> None:
        if self.empty:
            self._remove()

    # --- the start ---

    def _check_target(self) -> None:
        if self.single and self.target.suffix != ".npy":
            raise NtksymError(f"{self.out}: one matrix is written into a .npy file, so name it so")
        if self.single and self.target.exists() and not self.target.is_file():
            raise NtksymError(f"cannot write {self.out}: it is not a file")
        if not self.single and self.target.suffix == ".npy":
            raise NtksymError(f"{self.out}: several matrices are written into a folder, so name one without .npy")
        if not self.single and self.target.exists() and (self.target.is_file() or any(self.target.iterdir())):
            raise NtksymError(f"cannot write {self.out}: there is something of this name already, not an empty folder")

    def _create(self) -> None:
        """The files, empty and of full size, so that a disk that is too small says so now."""
        self.folder.mkdir(exist_ok=True)
        self.journal.unlink(missing_ok=True)
        try:
            for file in self.files:
                np.lib.format.open_memmap(file, mode="w+", dtype=self.dtype, shape=self.grid.shape)
                _reserve(file)
        except OSError:
            self._remove()
            raise

    def _remove(self) -> None:
        with suppress(OSError):
            for file in (*self.files, self.journal):
                file.unlink(missing_ok=True)
            self.folder.rmdir()

    def _left_by_another_run(self) -> dict[Tile, list[int]] | None:
        """Tiles whose numbers are still there, with their checksums; None if there is nothing to go on with."""
        lines = _objects(self.journal)
        if not lines or not all((self.folder / f"{name}.npy").exists() for name in lines[0].get("outputs", ())):
            return None
        others = [name for name, value in self.header.items() if lines[0].get(name) != value]
        if others:
            raise NtksymError(
                f"{self.folder} was begun with another {', '.join(others)}: "
                "go on as it was begun, or delete it, or write elsewhere"
            )
        if not all(map(self._is_whole, self.files)):
            return None
        tiles = set(self.grid)
        records = {Tile(*line["tile"]): line["crc32"] for line in lines[1:]}
        return {tile: sums for tile, sums in records.items() if tile in tiles and self._holds(tile, sums)}

    def _is_whole(self, file: Path) -> bool:
        try:
            found = np.load(file, mmap_mode="r")
        except (OSError, ValueError):
            return False
        return bool(found.shape == self.grid.shape and found.dtype == self.dtype)

    def _holds(self, tile: Tile, sums: Sequence[int]) -> bool:
        return all(
            checksum(image) == known
            for file, known in zip(self.files, sums, strict=True)
            for image in self.grid.images(np.load(file, mmap_mode="r"), tile)
        )

    def _write_journal(self, records: Mapping[Tile, Sequence[int]]) -> None:
        """A journal anew: without the half line that a killed run may leave, and without tiles that do not hold."""
        new = self.folder / f"{JOURNAL}.new"
        lines = [_line(self.header), *(_line({"tile": tile, "crc32": sums}) for tile, sums in records.items())]
        new.write_text("".join(lines), encoding="utf-8")
        os.replace(new, self.journal)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise NtksymError(f"cannot write {self.out}: {error.strerror or error}") from None


def checksum(numbers: Array) -> int:
    return crc32(np.ascontiguousarray(numbers).data)


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record) + "\n"


def _objects(journal: Path) -> list[dict[str, Any]]:
    """The lines of a journal up to the first that is not whole; none if there is no journal."""
    out: list[dict[str, Any]] = []
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        for line in journal.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            if not isinstance(found, dict):
                break
            out.append(found)
    return out


def _reserve(file: Path) -> None:
    """Take the room on the disk now: writing to a map of a file finds no room by a signal that ends the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    with open(file, "r+b") as opened:
        try:
            os.posix_fallocate(opened.fileno(), 0, os.fstat(opened.fileno()).st_size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot
                raise
