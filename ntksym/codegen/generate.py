"""A formula's modules: lowered, printed, kept on disk under a key of all that they depend on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from ntksym.codegen.arrays import array_module, parameters_of
from ntksym.codegen.loops import loop_module
from ntksym.codegen.loops_entries import entry_module, work_lines
from ntksym.codegen.lower import lowered
from ntksym.codegen.starts import from_inputs
from ntksym.codegen.store import Kept, kept
from ntksym.codegen.zeros import without
from ntksym.records.formula import Formula


def module_of(
    formula: Callable[[], Formula], title: str, identity: Any, outputs: tuple[str, ...], zero: frozenset[str]
) -> Kept:
    """The generated module of a formula; ``formula`` is called only if none is kept for ``identity``.

    ``identity`` is plain data that names the formula: equal data, equal formulas. ``zero`` are hyperparameters that are
    exactly zero, which makes for a simpler kernel. Raises KernelError for what cannot be compiled.
    """
    parts = [generator(), identity, outputs, sorted(zero)]
    key = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def make() -> Kept:
        routine = lowered(without(formula(), zero), outputs)
        looped = from_inputs(routine) if routine.spaces else routine
        return Kept(
            key,
            title,
            array_module(routine),
            (entry_module if routine.spaces else loop_module)(looped),
            outputs,
            parameters_of(routine),
            tuple((line.first[0], tuple(line.first[1])) for line in routine.inputs),
            tuple(line.name in routine.angles for line in routine.inputs),
            routine.stable,
            routine.homogeneous,
            routine.spaces,
            tuple(astuple(window) for window in routine.windows),
            tuple(routine.space_of(line.name) for line in routine.inputs),
            work_lines(looped) if routine.spaces else 0,
        )

    return kept(key, make)


@lru_cache(maxsize=1)
def generator() -> str:
    """What this generator is: its files' digest."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
