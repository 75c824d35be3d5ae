"""``ntksym doctor``: what ntksym has to work with on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from ntksym._lazy import EXTRAS, lazy
from ntksym.cli.options import Format, Output
from ntksym.cli.output import Answer, answer, format_of
from ntksym.codegen.store import folder
from ntksym.records.tables import Cell, Table

metadata, numba_config, jax = lazy("importlib.metadata"), lazy("numba.core.config"), lazy("jax")

PACKAGES = (
    *("ntksym", "sympy", "mpmath", "numpy", "scipy", "numba", "matplotlib", "typer", "rich"),
    *("jax", "optax", "scikit-learn", "dask", "torch", "typst"),
)
MODULES = {"scikit-learn": "sklearn"}
"""What a package is imported as, where that is not its name."""
THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XLA_FLAGS")
"""Variables of the environment that say how many threads may run."""


def doctor_command(format: Format = None, output: Output = None) -> Answer:
    """Say what this installation has.

    Which versions, how many threads run, where compiled kernels are kept, and what JAX sees.
    """
    shown = format_of(format, output)
    found = Table("ntksym doctor", (Cell("what"), Cell("found")), tuple((Cell(a), Cell(b)) for a, b in _findings()))
    return answer(shown, output, found, found.to_json)


def _findings() -> Iterator[tuple[str, str]]:
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform()})"
    for name in PACKAGES:
        yield name, _version(name)
    yield "processors", _processors()
    yield "numba threads", str(numba_config.NUMBA_NUM_THREADS)
    yield "SVML", "in use" if numba_config.USING_SVML else "not in use: exp, erf and the like take longer"
    for name in THREADS:
        if name in os.environ:
            yield name, os.environ[name]
    yield "JAX devices", _devices()
    yield "cache of kernels", _cache(folder())


def _processors() -> str:
    """Those of the machine, and those that this process may use where the system says so."""
    allowed = f", {len(os.sched_getaffinity(0))} of them for this process" if hasattr(os, "sched_getaffinity") else ""
    return f"{os.cpu_count()}{allowed}"


def _version(name: str) -> str:
    try:
        return str(metadata.version(name))
    except metadata.PackageNotFoundError:
        extra = EXTRAS.get(MODULES.get(name, name))
        return f"not installed: pip install 'ntksym[{extra}]'" if extra else "not installed"


def _devices() -> str:
    if _version("jax").startswith("not"):
        return "none, as JAX is not installed"
    try:
        return ", ".join(map(str, jax.devices()))
    except RuntimeError as error:
        return f"none: {error}"


def _cache(path: Path) -> str:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
    size = sum(file.stat().st_size for file in files)
    return f"{path} ({len(files)} files, {size / 2**20:.1f} MiB)"
