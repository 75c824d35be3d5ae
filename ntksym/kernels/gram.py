"""Gram matrices in tiles: what fits into memory is computed at once, here or on Dask, into an array or a file."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from hashlib import sha256
from math import isqrt
from typing import Any

import numpy as np

from ntksym._chunks import map_chunks, with_bar, workers
from ntksym.errors import KernelError
from ntksym.kernels.compiled import compiled_kernel
from ntksym.kernels.recursion import KernelRecursion
from ntksym.kernels.tiles import Grid, InMemory, Matrices, Tile
from ntksym.kernels.tiles_in_files import InFiles
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.records.gram import OUTPUTS, CompiledKernel, Kernels

MEMORY = 2**28
IN_MEMORY = 8
"""Tiles that fit into the bound: those under way, the one that is written, and what a kernel works on beside it."""
UNDER_WAY = 4
STEP = 256
"""Larger tiles have sides that are multiples of this, the blocks of compiled kernels."""

Array = Any


def gram(
    kernel: Any,
    X: Any,
    X2: Any = None,
    *,
    get: str | Sequence[str] = OUTPUTS,
    out: str | os.PathLike[str] | None = None,
    tile: int | None = None,
    memory: int = MEMORY,
    scheduler: Any = None,
    progress: bool = False,
    **values: Any,
) -> Any:
    """The kernels of all pairs of inputs, for matrices of any size; those of X with itself are exactly symmetric.

    A run into a file that was broken off (killed, control-C, a full disk) goes on where it was when it is called again:
    finished tiles are kept in ``<out>.part`` beside the output, verified, and computed again if they do not hold. The
    output has its name only when it is whole, and the same bytes whether it was broken off or not. The numbers do not
    depend on the scheduler.

    Args:
        kernel: a compiled kernel, a kernel recursion or a program; the latter two are compiled with ``values``.
        X, X2: arrays of N1 and N2 inputs, first axis over inputs; X2 is X by default. A memory map is read by parts.
        get: "nngp", "ntk", or several names.
        out: a path to write to, a ``.npy`` file for one name, a folder of such files (``nngp.npy``, ``ntk.npy``) for
            several; by default the matrices are new arrays.
        tile: inputs along a side of a tile; what fits into ``memory`` by default.
        memory: bytes that tiles may take in this process, beside the output; a worker of a cluster holds up to a
            quarter of it for each of its threads.
        scheduler: None for this process, "dask" for a Dask cluster of threads of it, the address of a Dask scheduler,
            or anything with ``submit`` (a Dask client, an executor of ``concurrent.futures``).
        progress: show a bar, on a terminal only.
        values: hyperparameters and sizes, as for ``KernelRecursion.compile``.

    Returns an array (N1, N2) for one name, ``Kernels`` of them for several; memory maps of files, for reading, if
    ``out`` is given.

    Raises KernelError for inputs that a kernel cannot take (none, not finite, no numbers) and for unknown names,
    NtksymError for a file that cannot be written, and for a broken-off run that was of other inputs or kernels.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> X = np.random.default_rng(0).standard_normal((500, 8))
        >>> ns.gram(ns.zoo.load("mlp"), X, get="ntk", sigma_w=2**0.5).shape
        (500, 500)
    """
    names = _names(get)
    compiled = as_compiled(kernel, names, values)
    first = finite_inputs(X, "X")
    second = None if X2 is None or X2 is X else finite_inputs(X2, "X2")
    if second is not None and first.shape[1:] != second.shape[1:]:
        raise KernelError(f"X and X2 hold inputs of different shapes: {first.shape[1:]} and {second.shape[1:]}")
    side = _side(tile, memory, compiled.dtype.itemsize * len(names))
    grid = Grid(len(first), None if second is None else len(second), side)
    matrices: Matrices
    if out is None:
        matrices = InMemory(len(names), grid, compiled.dtype)
    else:
        identity = {"kernel": compiled.key, "X": _digest(first), "X2": None if second is None else _digest(second)}
        matrices = InFiles(os.fspath(out), get if isinstance(get, str) else names, grid, compiled.dtype, identity)
    tiles = [each for each in grid if each not in matrices.done]
    try:
        with (
            closing(_computed(compiled, first, second, tiles, names, scheduler)) as computed,
            closing(with_bar(computed, len(tiles), progress, "tiles")) as found,
        ):
            for each, arrays in zip(tiles, found, strict=True):
                matrices.put(each, arrays)
    except BaseException:
        matrices.abandon()
        raise
    whole = matrices.finish()
    return whole[0] if isinstance(get, str) else Kernels(**dict(zip(names, whole, strict=True)))


def as_compiled(kernel: Any, names: Sequence[str], values: Mapping[str, Any]) -> CompiledKernel:
    """A program or a recursion compiled with these values, or a compiled kernel at them, for these of its outputs."""
    compiled: CompiledKernel
    if isinstance(kernel, Program | Architecture):
        program = kernel if isinstance(kernel, Program) else kernel()
        sizes = {name: size for name, size in values.items() if name in _lengths(program)}
        compiled = compiled_kernel(program, sizes=sizes, outputs=names, **values)
    elif isinstance(kernel, KernelRecursion):
        compiled = kernel.compile(**values)
    elif hasattr(kernel, "at"):
        compiled = kernel.at(**values) if values else kernel
    else:
        raise KernelError(f"expected a compiled kernel, a kernel recursion or a program, not {type(kernel).__name__}")
    if not set(names) <= set(compiled.outputs):
        raise KernelError(f"this kernel gives {' and '.join(compiled.outputs)}, not {' and '.join(names)}")
    return compiled


def _lengths(program: Program) -> set[str]:
    """Dimensions that positions run along: a derivation may need to know their sizes."""
    axes = (axis for node in program.nodes.values() for axis in node.type.positions)
    return {dim.name for axis in axes for dim, _ in axis.size.powers}


# --- what is asked for --------------------------------------------------------------------------------------------


def _names(get: str | Sequence[str]) -> tuple[str, ...]:
    names = (get,) if isinstance(get, str) else tuple(get)
    if not names or len(set(names)) < len(names) or not set(names) <= set(OUTPUTS):
        raise KernelError(f"get={get!r}: expected one or several of {', '.join(OUTPUTS)}")
    return names


def finite_inputs(given: Any, what: str) -> Array:
    """Inputs as an array of finite numbers, one at least."""
    try:
        array = np.asanyarray(given)
    except ValueError:
        raise KernelError(f"{what} is not an array: its rows differ in length") from None
    if array.dtype.kind not in "iuf":
        raise KernelError(f"{what} holds {array.dtype}, expected real numbers")
    if array.ndim == 0 or array.size == 0:
        raise KernelError(f"{what} has the shape {array.shape}, expected one input at least along the first axis")
    for start in range(0, len(array), _rows_at_once(array)):
        part = array[start : start + _rows_at_once(array)]
        if not np.isfinite(part).all():
            bad = start + int(np.argmin(np.isfinite(part).reshape(len(part), -1).all(1)))
            raise KernelError(f"{what}: input {bad} (from 0) holds numbers that are not finite")
    return array


def _digest(array: Array) -> str:
    """A digest of kind, shape and numbers."""
    digest = sha256(repr((array.dtype.str, array.shape)).encode())
    for start in range(0, len(array), _rows_at_once(array)):
        digest.update(np.ascontiguousarray(array[start : start + _rows_at_once(array)]).data)
    return digest.hexdigest()


def _rows_at_once(array: Array) -> int:
    return max(1, 2**24 // int(array[:1].nbytes))


def _side(tile: int | None, memory: int, each: int) -> int:
    """Inputs along a side of a tile whose pairs take ``each`` bytes."""
    side = isqrt(max(memory, 0) // (IN_MEMORY * each)) if tile is None else tile
    if side < 1:
        raise KernelError(f"tile={tile} and memory={memory} leave no room for a tile; they must be positive")
    return side // STEP * STEP if tile is None and side > STEP else side


# --- tiles --------------------------------------------------------------------------------------------------------


def _computed(
    compiled: CompiledKernel,
    first: Array,
    second: Array | None,
    tiles: Sequence[Tile],
    names: tuple[str, ...],
    scheduler: Any,
) -> Generator[tuple[Array, ...], None, None]:
    """The kernels of each tile, in order. A Dask cluster gets the kernel, and each part of the inputs, once."""
    with workers(scheduler if tiles else None) as pool:
        scatter = getattr(pool, "scatter", None)
        threads = 0 if scatter is None else sum(pool.nthreads().values())

        def placed(thing: Any) -> Any:
            return thing if scatter is None else scatter(thing, hash=False)

        @cache
        def part(of_first: bool, start: int, stop: int) -> Any:
            array = first if of_first or second is None else second
            return placed(np.ascontiguousarray(array[start:stop]))

        def arguments() -> Iterator[tuple[Any, ...]]:
            kernel = placed(compiled)
            for tile in tiles:
                diagonal = second is None and tile.rows == tile.columns
                columns = None if diagonal else part(second is None, tile.left, tile.right)
                yield kernel, part(True, tile.top, tile.bottom), columns, names

        yield from map_chunks(kernels_of, arguments(), pool, ahead=max(UNDER_WAY, 2 * threads))


def kernels_of(compiled: CompiledKernel, rows: Array, columns: Array | None, names: tuple[str, ...]) -> Any:
    """The kernels of one tile, in the order of the names."""
    found = compiled(rows, columns, get=names)
    arrays = tuple(np.ascontiguousarray(getattr(found, name), compiled.dtype) for name in names)
    expected = (len(rows), len(rows if columns is None else columns))
    for name, array in zip(names, arrays, strict=True):
        if array.shape != expected:
            raise KernelError(
                f"{name} of {expected[0]} and {expected[1]} inputs has the shape {array.shape}; "
                "the first axis of X must run over inputs, and the output of the program have no positions"
            )
    return arrays
