"""From the exponents of a table to the numbers at concrete sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ntksym.errors import ProgramError, ScalingError
from ntksym.language.dims import Number, Size
from ntksym.language.program import Node, Program
from ntksym.scaling.entries import contracts
from ntksym.scaling.growth import Growth
from ntksym.scaling.numbers import Numbers, ParameterNumbers

if TYPE_CHECKING:
    from ntksym.scaling.table import Origin, ParameterScaling


def numbers(
    origin: Origin,
    rows: tuple[ParameterScaling, ...],
    large: tuple[str, ...],
    sizes: Mapping[str, Number],
    base: Mapping[str, Number],
    *,
    lr: float,
    eps: float,
    weight_decay: float,
) -> Numbers:
    """Every exponent turned into a number: what holds at the base sizes, times the growth from there.

    At the base sizes the network is the plain one (multiplier 1, std sigma / sqrt(fan-in), the given lr, eps and
    weight decay). A large dimension without a base counts from 1; fixed dimensions come from ``sizes`` or their
    defaults.
    """
    program = origin.program
    known = {dim.name for dim in program.dims}
    for name, value in {**base, **sizes}.items():
        if name not in known:
            raise ScalingError(f"{program.name} has no dimension {name!r}; it has: {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            raise ScalingError(f"the size {name} = {value!r} is not a positive number")
    for name in base:
        if name not in large:
            raise ScalingError(f"{name} is not large in this table, so it needs no base; large are: {', '.join(large)}")
    now = {name: float(sizes.get(name, base.get(name, 1))) for name in large}
    then = {name: float(base.get(name, 1)) for name in large}

    def factor(growth: Growth | None) -> float | None:
        return None if growth is None else growth.factor(now) / growth.factor(then)

    def scaled(value: float, growth: Growth | None) -> float | None:
        by = factor(growth)
        return None if by is None else value * by

    nodes = {node.name: node for node in program.parameters}
    before = {**{k: v for k, v in sizes.items() if k not in large}, **then}
    out = []
    for row in rows:
        grown = factor(row.init_std)
        assert grown is not None
        out.append(
            ParameterNumbers(
                row.name,
                factor(row.multiplier) or 0.0,
                row.init,
                _std(program, nodes[row.name], before, grown),
                scaled(lr, row.lr),
                scaled(eps, row.eps),
                scaled(weight_decay, row.weight_decay),
                row.optimizer,
                tuple((tie.at, factor(tie.multiplier) or 0.0) for tie in row.tied),
            )
        )
    shown = {
        **{k: float(v) for k, v in sizes.items()},
        **{k: v for k, v in now.items() if k in {**sizes, **base}},
    }
    given = tuple((name, float(value)) for name, value in base.items())
    baseless = tuple(name for name in large if name in sizes and name not in base)
    return Numbers(program.name, tuple(shown.items()), given, tuple(out), baseless)


def _std(program: Program, node: Node, base: Mapping[str, Number], grown: float) -> float | str:
    """sigma / sqrt(fan-in) at the base sizes, times the growth; with the unknown part as text."""
    if node.attr("init") != "normal" or node.attr("value") == 0:
        return 0.0
    sigma = float(node.attr("value")) * grown
    fan_in: Size = contracts(program, node)
    try:
        return sigma / math.sqrt(fan_in.value(base))
    except ProgramError:
        return f"{sigma:.6g}/sqrt({fan_in})"
