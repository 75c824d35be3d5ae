"""The map that one copy of a block makes of one length q, and of two inputs next to each other.

Everything is read from the block: q' = Q(q) for one input, and r' = R(r) for two inputs of that length. At equal
inputs chi_1 = dR/dr is how small differences grow, chi_parallel = dQ/dq how a change of length does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.gaussian import GaussianError
from ntksym.kernels.blocks import BlockMap
from ntksym.kernels.scalars import Definition
from ntksym.phases.systems import System
from ntksym.records.formula import readings, ref

sympy = lazy("sympy")


@dataclass(frozen=True)
class LengthMap:
    """The maps of one block as systems in the length ``q`` (a symbol) and hyperparameters.

    ``both`` is R, in the lengths ``q``, ``q2`` and the covariance ``r`` of two inputs.
    """

    name: str
    q: Any
    q2: Any
    r: Any
    q_map: System
    both: System

    @cached_property
    def slope(self) -> System:
        """dR/dr for two inputs."""
        return self.both.derivative(self.r)

    @cached_property
    def chi_1(self) -> System:
        """dR/dr at equal inputs: the growth of small squared differences, and of gradients backwards.

        Infinite where a function jumps.
        """
        return self._alike(self.slope)

    @cached_property
    def chi_parallel(self) -> System:
        """dQ/dq."""
        return self.q_map.derivative(self.q)

    @cached_property
    def curvature(self) -> System:
        """d^2R/dr^2 at equal inputs; infinite where a function has a kink."""
        return self._alike(self.slope.derivative(self.r))

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The hyperparameters and dimensions that numbers are needed for."""
        free = (self.q_map.symbols | self.both.symbols) - {self.q, self.q2, self.r}
        return tuple(sorted(free, key=lambda s: s.name))

    def _alike(self, system: System) -> System:
        try:
            return system.merged({self.r: self.q, self.q2: self.q})
        except GaussianError:  # two delta functions at one point
            return System((), sympy.oo)


def length_map(block: BlockMap) -> LengthMap:
    """The maps of a block that carries one second moment; raises PhaseError for one that carries more."""
    return carried_map(_from_gaussian(block.two_inputs))


def carried_map(plain: BlockMap) -> LengthMap:
    """The maps of what a loop carries from copy to copy, from the map of two inputs; raises as ``length_map``."""
    cross = [s for s in plain.state if readings(s)[s][1] == "12"]
    if len(plain.state) != 3 or len(cross) != 1:
        carried = ", ".join(dict.fromkeys(readings(s)[s][0] for s in plain.state))
        raise PhaseError(
            f"{plain.name} carries several numbers ({carried}; K are second moments, m means), and phases are of "
            "blocks that carry one second moment; end the block with a weight layer, or normalise what it carries"
        )
    name = readings(cross[0])[cross[0]][0]
    q, r, q2 = (ref(name, side) for side in ("11", "12", "22"))
    after = dict(zip(plain.state, plain.after, strict=True))
    return LengthMap(
        plain.name,
        q,
        q2,
        r,
        System.of(plain.definitions, after[q]).merged({}),
        System.of(plain.definitions, after[r]),
    )


def _from_gaussian(block: BlockMap) -> BlockMap:
    """The block cut where what it carries is first read, if that is through one expression g: g(Q) after Q(g).

    A block that begins with a weight layer and one that ends with it are one loop, and have one map.
    """
    systems = {s: System.of(block.definitions, x) for s, x in zip(block.state, block.after, strict=True)}
    read = {
        x
        for system in systems.values()
        for d in system.definitions
        for _, x in d.arguments
        if x.free_symbols & set(block.state)
    }
    found: dict[Any, Any] = {}
    for x in read:
        state, *others = x.free_symbols & set(block.state)
        if others or found.setdefault(state, x) != x:
            return block
    if set(found) != set(block.state) or any(x.output.free_symbols & set(found) for x in systems.values()):
        return block
    alone = {readings(s)[s][1]: x.xreplace({s: sympy.Symbol("s")}) for s, x in found.items()}
    if len(set(alone.values())) != 1:
        return block
    back = {x: s for s, x in found.items()}
    defined: dict[Any, Definition] = {}
    for system in systems.values():
        for d in system.definitions:
            arguments = tuple((name, back.get(x, x)) for name, x in d.arguments)
            defined[d.symbol] = replace(d, arguments=arguments)
    after = tuple(found[s].xreplace({s: systems[s].output}) for s in block.state)
    start = tuple(found[s].xreplace({s: x}) for s, x in zip(block.state, block.start, strict=True))
    return replace(block, start=start, after=after, definitions=tuple(defined.values()))
