"""Generated modules on disk, so that a second process need not derive and compile again.

A module stands as ``<key>.json`` (source for arrays and what is known of it) and ``<key>.py`` (loops for numba, which
keeps its machine code beside it). Files are written whole, or not at all; several processes may write the same ones.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

SCHEMA = "ntksym.codegen/4"
FOLDER = "NTKSYM_CACHE"
"""The environment variable that names another folder than the user's cache."""


@dataclass(frozen=True)
class Kept:
    """A generated module: its two sources, its outputs and parameters, the inner products that it starts from.

    ``inputs`` are pairs (node, steps) of the program's data values; ``angles`` says of which c and g are needed.
    ``stable`` and ``homogeneous`` are as in ``Routine``; so are ``spaces``, empty where there are no positions.
    ``windows`` are the fields of its windows, ``places`` the spaces of the inner products, ``lines`` the number of rows
    of entries that loops keep.
    """

    key: str
    title: str
    arrays: str
    loops: str
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    inputs: tuple[tuple[int, Any], ...]
    angles: tuple[bool, ...]
    stable: bool
    homogeneous: bool
    spaces: tuple[Any, ...] = ()
    windows: tuple[Any, ...] = ()
    places: tuple[int, ...] = ()
    lines: int = 0


def folder() -> Path:
    """Where generated modules are kept."""
    chosen = os.environ.get(FOLDER)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ntksym"


def kept(key: str, make: Callable[[], Kept]) -> Kept:
    """The module of a key: read if it is there and whole, else made and written."""
    path = folder() / f"{key}.json"
    found = _read(path, key)
    if found is None:
        found = make()
        with suppress(OSError):  # nothing is kept where nothing can be written
            _write(path, json.dumps({"schema": SCHEMA, **asdict(found)}))
    return found


def _read(path: Path, key: str) -> Kept | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA or data["key"] != key:
            return None
        return Kept(**_tuples(data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _tuples(data: Any) -> Any:
    """Lists of JSON as tuples, which they were."""
    if isinstance(data, dict):
        return {name: _tuples(x) for name, x in data.items()}
    return tuple(map(_tuples, data)) if isinstance(data, list) else data


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def loaded(module: Kept) -> Any:
    """The module of loops, imported."""
    return imported(module.key, module.loops)


@lru_cache(maxsize=64)
def imported(key: str, source: str) -> Any:
    """Generated source as a module, imported from its file: numba keeps machine code for functions of files only."""
    path = folder() / f"{key}.py"
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != source:
            _write(path, source)
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="ntksym-")) / f"{key}.py"
        _write(path, source)
    name = f"ntksym_generated_{key}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made
