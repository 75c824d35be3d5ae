"""``check_torch``: what a training set-up in PyTorch does as sizes grow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.align import Point, monomial
from ntksym.frameworks.torch.measure import Settings, Start, made, pooled, settings, starts
from ntksym.frameworks.torch.program import TorchProgram, from_torch, points_of, started
from ntksym.language.program import Node
from ntksym.scaling.recipe import RecipeReport, check_recipe

_STEP = Fraction(1, 2)  # powers that initial weights follow in practice: -1, -1/2, 0
_SIGMAS = 5.0  # a true power is refused once in 10^6 entries of a table
_SINGLE = 1e-6  # entries are single precision
_MEND = "ns.apply_init and ns.param_groups set what is expected; ns.multipliers tells the factors"

Powers = dict[str, Fraction]


def check_torch(
    build: Callable[..., Any],
    sizes: Mapping[str, Sequence[int]],
    inputs: Any,
    *,
    optimizer: str | None = None,
    batched: bool = True,
) -> RecipeReport:
    """What a training set-up does as sizes grow: its initial entries and its optimizer's numbers against the derived.

    The structure is read as by ``from_torch``. The model and its optimizer are then built for real at each of the
    sizes, which are to be small. Learning rates, ε and weight decay are those of the optimizer's groups (rates before
    a schedule changes them), for each parameter by its own optimizer. The std of initial entries is measured, on 4096
    entries of each parameter or on 64 builds; a parameter whose entries are all equal is known exactly. Its power is
    the nearest multiple of 1/2, and must agree with the measured slope within five standard errors. A vector that is
    added may as well start at zero, so a start that vanishes as sizes grow is right.

    Args:
        build: ``build(n=64, L=2)`` returns the module and its optimizer, or several optimizers in a list.
        sizes, inputs, batched: as for ``from_torch``.
        optimizer: ntksym's name of the update rule, where it is not that of the optimizer's class.

    Returns:
        The report of ``check_recipe``: each wrong entry with what was found and expected, what it does, and a verdict
        on the whole. Notes name what could not be measured.

    Raises:
        FrameworkError: the module cannot be read, a parameter is never moved, or what is measured follows no power of
            a size.
    """
    points = points_of(sizes)
    pairs = [made(build, point) for point in points]
    groups = [settings(*pair, optimizer) for pair in pairs]
    program = from_torch(lambda **at: made(build, at)[0], sizes, inputs, batched=batched)
    setup = Setup(program, points, groups, [starts(partial(made, build, point)) for point in points])
    trained = [node for node in program.parameters if node.attr("trainable")]
    begins = {node.name: setup.start(node) for node in trained}
    columns = {
        node.name: setup.numbers(node) | ({"init_std": power} if (power := begins[node.name].power) is not None else {})
        for node in trained
    }
    kinds = {name: begin.kind for name, begin in begins.items() if begin.kind}
    report = check_recipe(started(program, kinds), {"optimizer": setup.rules(trained), "parameters": columns})
    notes = [f"{name}: too few entries to measure its initial std" for name, b in begins.items() if b.unknown]
    return replace(report, notes=(*report.notes, *notes, *[_MEND] * bool(report.problems)))


@dataclass(frozen=True)
class Begin:
    """How a parameter starts: its kind where it is not the one read, and the power of its std where it matters."""

    kind: str | None = None
    power: Powers | None = None
    unknown: bool = False


@dataclass(frozen=True)
class Setup:
    """A training set-up at several sizes: what its groups set, and its initial entries, by the module's names."""

    program: TorchProgram
    points: Sequence[Point]
    groups: Sequence[Mapping[str, Settings]]
    starts: Sequence[Mapping[str, Start]]

    def names(self, node: Node, i: int) -> tuple[str, ...]:
        return self.program.sources[node.name].names(self.points[i])

    def rules(self, nodes: Sequence[Node]) -> dict[str, str]:
        """The update rule of each parameter."""
        return {node.name: self.groups[0][self.names(node, 0)[0]].rule for node in nodes}

    def numbers(self, node: Node) -> dict[str, Powers]:
        """The powers that the numbers of a parameter's groups follow; of its copies the largest counts."""
        out = {}
        for column in self.groups[0][self.names(node, 0)[0]].numbers:
            values = [max(g[name].numbers[column] for name in self.names(node, i)) for i, g in enumerate(self.groups)]
            if any(values):
                found = monomial(values, self.points)
                if found is None:
                    seen = ", ".join(f"{value:.4g}" for value in values)
                    raise FrameworkError(
                        f"{node.name}: its {column} is {seen} at the sizes checked, which follows no power of "
                        f"{', '.join(self.points[0])}"
                    )
                out[column] = {dim.name: power for dim, power in found.powers}
        return out

    def start(self, node: Node) -> Begin:
        """How a parameter starts."""
        found = [pooled(s[name] for name in self.names(node, i)) for i, s in enumerate(self.starts)]
        if not any(start.squares for start in found):
            return Begin(kind="zeros")
        if not all(start.squares for start in found):
            raise FrameworkError(f"the parameter {node.name} starts at zero at some of the sizes, and not at others")
        measured = [self._power(node, found, name) for name in self.points[0]]
        if None in measured:
            return Begin(unknown=True)
        power = {name: p for name, p in zip(self.points[0], measured, strict=True) if p is not None}
        added = node.attr("init") == "normal" and node.attr("value") == 0
        if not added:
            return Begin(power=power)
        vanishes = any(power.values()) and all(p <= 0 for p in power.values())
        return Begin() if vanishes else Begin(kind="random", power=power)

    def _power(self, node: Node, found: Sequence[Start], dim: str) -> Fraction | None:
        """The multiple of 1/2 nearest to the slope from the smallest size; None where it is not known well enough.

        Raises FrameworkError where the slope is none.
        """
        first = self.points[0]
        alone = [i for i, p in enumerate(self.points) if all(p[d] == first[d] for d in p if d != dim)]
        far = max(alone, key=lambda i: self.points[i][dim])
        span = math.log(self.points[far][dim] / first[dim])
        slope = math.log(found[far].size / found[0].size) / span
        error = _SIGMAS * math.hypot(found[far].error, found[0].error) / span + _SINGLE
        power = round(slope / _STEP) * _STEP
        if error >= float(_STEP) / 2:
            return None
        if abs(slope - power) > error:
            raise FrameworkError(
                f"the initial std of {node.name} grows like {dim}^{slope:.3g} (to {error / _SIGMAS:.1g}), which is no "
                f"multiple of {_STEP}; write the recipe by hand for ns.check_recipe"
            )
        return power
