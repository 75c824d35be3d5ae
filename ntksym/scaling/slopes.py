"""What a coordinate check must show: the size of every value at the start, and of its change after each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.language.types import Type
from ntksym.scaling.cells import over_cells
from ntksym.scaling.cones import Cone
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import Parametrization
from ntksym.scaling.recipe import Entries, powers_of_recipe, run_of_recipe
from ntksym.scaling.setting import Optimizers, as_program, optimizer_text, setting_of
from ntksym.scaling.solve import solve
from ntksym.scaling.training import Run
from ntksym.scaling.verdict import run_of


@dataclass(frozen=True)
class ValueSlopes:
    """Growth exponents of one value: its entries at initialisation, and their change after 1, 2, ... steps.

    ``shrinks`` marks values that legitimately vanish at the start (a readout under mup) and move later.
    """

    value: str
    operation: str
    init: Growth
    changes: tuple[Growth, ...]
    shrinks: bool


@dataclass(frozen=True)
class Slopes:
    """Predicted slopes of log size against the logarithm of each large dimension, value by value, step by step."""

    program: str
    large: tuple[str, ...]
    optimizer: str
    parametrization: str
    values: tuple[ValueSlopes, ...]

    def __getitem__(self, value: str) -> ValueSlopes:
        """One value by its name in the program's listing; raises KeyError with the known names."""
        for row in self.values:
            if row.value == value:
                return row
        raise KeyError(f"no value {value!r}; the program has: {', '.join(row.value for row in self.values)}")


def predict_slopes(
    program: Program | Architecture,
    *,
    optimizer: Optimizers = "adam",
    parametrization: str | Parametrization = "mup",
    alignment: str = "tensor_programs",
    large: Sequence[str] | None = None,
    recipe: Mapping[str, Entries] | None = None,
    steps: int = 3,
) -> Slopes:
    """The slopes that a coordinate check of the derived table must show (Yang et al. 2022, Figure 5).

    A value's change after t steps is measured against initialisation. What a table allows for are bounds: any change
    may be aligned with the weights that it meets. Here changes are followed step by step instead: only the part that
    points along a gradient that came through a weight, or through the other factor of a product, is aligned with it.
    Arguments are those of ``scaling_table``, and:

    Args:
        recipe: entries of a table of your own, the "parameters" of ``check_recipe``, that take the derived ones' place.
        steps: the number of steps.

    Raises ScalingError where the table does not exist, and where a recipe leads to sizes that are not powers.

    Example:
        >>> import ntksym as ns
        >>> slopes = ns.predict_slopes(ns.zoo.load("mlp")(depth=1), parametrization="ntp", optimizer="sgd")
        >>> print("a hidden unit is", slopes["v2"].init, "and moves by", slopes["v2"].changes[0])
        a hidden unit is 1 and moves by n^(-1/2)
    """
    program = as_program(program)
    setting = setting_of(program, optimizer, parametrization, alignment)

    def trained(cone: Cone) -> Run:
        if recipe is not None:
            return run_of_recipe(setting, cone, recipe, steps)
        return run_of(setting, solve(setting, cone), steps)

    finer = [*setting.parametrization.powers(), *powers_of_recipe(recipe or {})]
    found = over_cells(program, large, trained, finer)
    named = setting.named
    rows = []
    for node in program.nodes.values():
        if (
            not isinstance(node.type, Type)
            or node.id not in setting.facts.trains
            or node.id not in setting.facts.program.nodes
        ):
            continue
        key = node.id
        init = found.certainly(lambda run, key=key: run.state.init[key])  # type: ignore[misc]
        moved = tuple(
            found.certainly(lambda run, key=key, t=t: run.steps[t][key])  # type: ignore[misc]
            for t in range(1, steps + 1)
        )
        vanishing = init.is_zero or (init.linear is not None and any(power < 0 for power in init.linear.values()))
        rows.append(ValueSlopes(named[node.id], node.op, init, moved, vanishing))
    return Slopes(program.name, found.large, optimizer_text(optimizer), setting.parametrization.name, tuple(rows))
