"""What chi_1 = 1 asks of the weights at every length, as systems in the length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.phases.blocks import BIAS, WEIGHT, Block
from ntksym.phases.systems import System

sympy = lazy("sympy")


@dataclass(frozen=True)
class Criticality:
    """What chi_1 = 1 asks of the weights at each length q, and how far q then is from a fixed point.

    ``weight`` is sigma_w^2 and ``excess`` (Q(q) - q)/q, both systems in q and sigma_b.
    """

    block: Block
    weight: System
    excess: System

    @property
    def q(self) -> Any:
        return self.block.maps.q

    @cached_property
    def parallel(self) -> System:
        """dQ/dq where chi_1 = 1."""
        return _with_weight(self.block.maps.chi_parallel, self.block.symbol(WEIGHT), self.weight)

    @cached_property
    def bias(self) -> System | None:
        """The sigma_b^2 with which a length is kept where chi_1 = 1; None where there is no linear equation for it."""
        symbol = self.block.symbol(BIAS)
        if symbol is None or symbol in self.weight.symbols:
            return None
        found = _linear(System(self.excess.definitions, self.excess.output), symbol)
        return None if found is None else found.solved()

    def values(self, bias: Any, q: Any) -> dict[Any, Any]:
        """Numbers for all inputs of the systems."""
        symbol = self.block.symbol(BIAS)
        length = {} if q is None else {self.q: q}
        return {**self.block.numbers, **({} if symbol is None else {symbol: bias}), **length}


def criticality(block: Block) -> Criticality:
    """The systems of a block; raises PhaseError where chi_1 is not linear in the variance of the weights."""
    weight = block.symbol(WEIGHT)
    if weight is None:
        raise PhaseError(f"{block.title}: the block {block.maps.name} has no {WEIGHT} to put on the edge")
    line = _linear(System(block.maps.chi_1.definitions, block.maps.chi_1.output - 1), weight)
    if line is None:
        raise PhaseError(
            f"{block.title}: the block {block.maps.name} has several layers of weights, so chi_1 = 1 is no linear "
            "equation for sigma_w^2, which is not solved here; repeat a block of one layer"
        )
    if line.slope.output == 0:
        raise PhaseError(f"{block.title}: chi_1 of the block {block.maps.name} does not depend on {WEIGHT}")
    found = line.solved()
    q_map = _with_weight(block.maps.q_map, weight, found)
    return Criticality(block, found, System(q_map.definitions, q_map.output / block.maps.q - 1))


@dataclass(frozen=True)
class Line:
    """rest + slope * sigma^2: a system that is linear in the variance of a hyperparameter."""

    rest: System
    slope: System

    def solved(self) -> System:
        """The variance at which it is zero."""
        joined = {d.symbol: d for d in (*self.rest.definitions, *self.slope.definitions)}
        return System(tuple(joined.values()), sympy.factor_terms(-self.rest.output / self.slope.output)).needed()


def _linear(system: System, sigma: Any) -> Line | None:
    """A system as a line in the variance sigma^2; None where it is none."""
    variance = sympy.Dummy("w", positive=True)
    output = sympy.expand(system.output.subs(sigma, sympy.sqrt(variance)))
    slope = sympy.diff(output, variance)
    inside = any(sigma in x.free_symbols for d in system.definitions for _, x in d.arguments)
    if inside or sigma in output.free_symbols or variance in slope.free_symbols:
        return None
    rest = output.subs(variance, 0)
    return Line(System(system.definitions, rest).needed(), System(system.definitions, slope).needed())


def _with_weight(system: System, symbol: Any, variance: System) -> System:
    output = sympy.expand(system.output).subs(symbol, sympy.sqrt(variance.output))
    joined = {d.symbol: d for d in (*variance.definitions, *system.definitions)}
    return System(tuple(joined.values()), output).needed()
