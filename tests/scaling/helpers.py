"""What the scaling tests share: exponents written as a person writes them, and growth along directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from ntksym.language import Program
from ntksym.scaling import Growth, ScalingTable, scaling_table

COLUMNS = ("multiplier", "init_std", "lr", "eps", "weight_decay")

Powers = dict[str, Fraction]
Recipe = dict[str, dict[str, dict[str, str]]]


def powers(text: str) -> Powers:
    """``"n^-1 L^-1/2"`` as {"n": -1, "L": -1/2}; ``"1"`` is no growth at all."""
    out: Powers = {}
    for factor in text.split():
        if factor != "1":
            name, _, power = factor.partition("^")
            out[name] = Fraction(power or "1")
    return out


def exponents(growth: Growth | None) -> Powers | None:
    """The powers of a growth that is one monomial, zeros left out; None if it does not exist or is not one."""
    linear = growth.linear if growth is not None else None
    return None if linear is None else {name: power for name, power in linear.items() if power}


def column(table: ScalingTable, row: str, name: str) -> Powers | None:
    return exponents(table[row].column(name))


def along(growth: Growth | None, **rates: int | Fraction) -> Fraction | None:
    """The exponent of s when every large dimension is s to the power of its rate (0 if not named)."""
    if growth is None or growth.is_zero:
        return None
    direction = [Fraction(rates.get(name, 0)) for name in growth.names]

    def at(form: Iterable[Fraction]) -> Fraction:
        return sum((a * b for a, b in zip(form, direction, strict=True)), Fraction(0))

    return max(min(at(form) for form in group) for group in growth.terms)


def rays(names: Iterable[str], highest: int = 3) -> list[dict[str, int]]:
    """Integer directions in the positive orthant, its faces included."""
    names = tuple(names)
    return [
        dict(zip(names, rates, strict=True)) for rates in product(range(highest + 1), repeat=len(names)) if any(rates)
    ]


def same(a: Growth | None, b: Growth | None) -> bool:
    """Whether two growths of the same dimensions agree in every direction that is tried."""
    if a is None or b is None:
        return a is b
    return all(along(a, **ray) == along(b, **ray) for ray in rays(a.names))


def recipe_of(table: ScalingTable) -> dict[str, Any]:
    """The recipe that does exactly what a table of monomials says."""
    entries: Recipe = {}
    for row in table.parameters:
        columns = {name: row.column(name) for name in COLUMNS}
        entries[row.name] = {
            name: {dim: str(power) for dim, power in growth.linear.items()}
            for name, growth in columns.items()
            if growth is not None and growth.linear is not None
        }
    return {
        "optimizer": table.optimizer,
        "large": list(table.large),
        "parametrization": table.parametrization,
        "alignment": table.alignment,
        "parameters": entries,
    }


def differences(program: Program, other: Program, names: Mapping[str, str] | None = None, **settings: Any) -> list[str]:
    """Which entries of two programs' tables differ; ``names`` says what a parameter is called in the other."""
    first, second = scaling_table(program, **settings), scaling_table(other, **settings)
    found = []
    for row in first.parameters:
        twin = second[names[row.name] if names else row.name]
        for name in COLUMNS:
            if not same(row.column(name), twin.column(name)):
                found.append(f"{row.name}: {name} is {row.column(name)} and {twin.column(name)}")
    verdicts = (first.verdict, second.verdict)
    if len({(v.stable, v.regime) for v in verdicts}) > 1 or not same(verdicts[0].features, verdicts[1].features):
        found.append(f"verdicts: {verdicts[0]} and {verdicts[1]}")
    return found
