"""Lengths and correlations copy by copy: what the map of a block says, and what finite networks show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym import zoo
from ntksym.errors import PhaseError
from ntksym.kernels.blocks import BlockMap
from ntksym.kernels.recursion import kernel_recursion
from ntksym.language.activations import activation
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.phases.maps import carried_map
from ntksym.phases.record import PhaseReport
from ntksym.phases.report import phase_report
from ntksym.phases.systems import algebra, floats
from ntksym.records.formula import Gram, readings
from ntksym.sampling import ensemble, kernel, network

COSINES = (-0.5, 0.0, 0.5, 0.9, 0.99)
_DEPTH = 30


@dataclass(frozen=True)
class Measured:
    """Correlations in finite networks after copies 1, 2, ...: (pairs, copies), of mean kernels, with standard errors."""

    width: int
    samples: int
    c: Any
    error: Any


@dataclass(frozen=True)
class DepthProfile:
    """Pairs of inputs of norm sqrt(d) on their way through the copies of a block, one pair for each of ``cosines``.

    ``q`` (copies + 1) is their length and ``c`` (pairs, copies + 1) their correlation in what the loop carries, before
    the first copy and after each, at infinite width.
    """

    report: PhaseReport
    cosines: tuple[float, ...]
    q: Any
    c: Any
    measured: Measured | None


def depth_profile(
    source: Any,
    *,
    sigma_w: Any = 1,
    sigma_b: Any = 0,
    cosines: Sequence[float] = COSINES,
    depth: int | None = None,
    width: int | None = None,
    samples: int = 32,
    seed: int = 0,
    block: str | None = None,
    **values: Any,
) -> DepthProfile:
    """Lengths and correlations against depth, in theory and, with ``width``, in networks (extra ``[networks]``).

    Args:
        source, sigma_w, sigma_b, block, values: as for ``phase_report``.
        cosines: between the inputs of each pair, from -1 to 1.
        depth: the number of copies for an activation, 30 if not given; a program has its own.
        width: the value of every other dimension in ``samples`` networks drawn from ``seed``.

    Raises PhaseError as ``phase_report`` does, and for a loop that does not begin with weights on the inputs.
    """
    report = phase_report(source, sigma_w=sigma_w, sigma_b=sigma_b, block=block, **values)
    if not all(-1 <= cosine <= 1 for cosine in cosines) or not cosines:
        raise PhaseError(f"cosines={list(cosines)}: one or more numbers from -1 to 1 are expected")
    program = _program(source, depth)
    recursion = kernel_recursion(program, ntk=False)
    chosen = next(iter(recursion.blocks.values())) if block is None else recursion.blocks[block]
    known = {**recursion.hyperparameters, **values, **dict(report.values)}
    numbers = {s.name: float(known[s.name]) for s in chosen.parameters if s.name in known}
    ...
