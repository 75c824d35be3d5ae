"""From exponents to the numbers a person types: multiplier, std, rate, epsilon, decay at concrete sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntksym.errors import ProgramError, ScalingError
from ntksym.language.dims import Number, Size
from ntksym.language.program import Node, Program
from ntksym.records.tables import Cell, Table, Tabular
from ntksym.scaling.entries import contracts
from ntksym.scaling.growth import Growth

if TYPE_CHECKING:
    from ntksym.scaling.table import Origin, ParameterScaling


@dataclass(frozen=True)
class ParameterNumbers:
    """The numbers of one parameter: None where there is none, text where a fixed size in it is not known."""

    name: str
    multiplier: float
    init_std: float | str
    lr: float | None
    eps: float | None
    weight_decay: float | None
    tied: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Numbers(Tabular):
    """A scaling table at concrete sizes."""

    program: str
    sizes: tuple[tuple[str, float], ...]
    base: tuple[tuple[str, float], ...]
    parameters: tuple[ParameterNumbers, ...]
    baseless: tuple[str, ...] = ()
    """Large dimensions that count from 1, since no base was given."""

    def __getitem__(self, name: str) -> ParameterNumbers:
        """One parameter's numbers; raises KeyError with the known names."""
        for row in self.parameters:
            if row.name == name:
                return row
        raise KeyError(f"no parameter {name!r}; there are: {', '.join(row.name for row in self.parameters)}")

    def to_table(self) -> Table:
        """The numbers as a table for any renderer."""
        rows = [
            tuple(_cell(v) for v in (p.name, p.multiplier, p.init_std, p.lr, p.eps, p.weight_decay))
            for p in self.parameters
        ]
        notes = tuple(
            f"{p.name}: multiply its use in {at} by {number:.6g}" for p in self.parameters for at, number in p.tied
        )
        if self.baseless:
            names = ", ".join(self.baseless)
            notes += (f"no base is given for {names}: the rates are taken as tuned at {names} = 1",)
        title = f"{self.program} at {_sizes(self.sizes)}"
        title += f", base {_sizes(self.base)}" if self.base else ""
        columns = ("parameter", "multiplier", "init std", "lr", "eps", "weight decay")
        return Table(title, tuple(Cell(c) for c in columns), tuple(rows), notes)


def _cell(value: float | str | None) -> Cell:
    if value is None:
        return Cell("")
    return Cell(value if isinstance(value, str) else f"{value:.6g}")


def _sizes(sizes: tuple[tuple[str, float], ...]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in sizes)


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
                _std(program, nodes[row.name], before, grown),
                scaled(lr, row.lr),
                scaled(eps, row.eps),
                scaled(weight_decay, row.weight_decay),
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
