"""The same module at several sizes, compared: every number that changes becomes a product of powers of dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Buffer, Item, Loop, Parameter, Step
from ntksym.language.dims import Dim, Size

Point = Mapping[str, int]
"""Concrete sizes of all dimensions."""

_EXACT = 1e-9  # numbers of a program are double precision: a true power agrees to rounding errors


def aligned(trees: Sequence[tuple[Item, ...]], points: Sequence[Point]) -> tuple[Item, ...]:
    """One tree for several of the same structure, whose numbers are sizes where they change.

    Raises FrameworkError where the structures differ, or a number is no product of powers.
    """
    if len({len(tree) for tree in trees}) > 1:
        raise _different(trees, points)
    return tuple(_item(items, points) for items in zip(*trees, strict=True))


def _item(items: tuple[Item, ...], points: Sequence[Point]) -> Item:
    first = items[0]
    if isinstance(first, Loop):
        loops = [item for item in items if isinstance(item, Loop)]
        if len(loops) < len(items) or len({len(loop.carries) for loop in loops}) > 1:
            raise _different([(item,) for item in items], points)
        times = _number([loop.times for loop in loops], points, f"the number of copies of the block at {_where(first)}")
        return replace(first, times=times, body=aligned([loop.body for loop in loops], points))
    steps = [item for item in items if isinstance(item, Step)]
    if len(steps) < len(items) or len({(step.op, step.where.count(".")) for step in steps}) > 1:
        raise _different([(item,) for item in items], points)
    what = f"{first.where or 'the module'}: {first.op}"
    args = tuple(
        (name, _value([step.args[i][1] for step in steps], points, f"{what}: {name}"))
        for i, (name, _) in enumerate(first.args)
    )
    return replace(first, args=args, shape=_value([step.shape for step in steps], points, f"{what}: its shape"))


def _value(values: Sequence[Any], points: Sequence[Point], what: str) -> Any:
    first = values[0]
    if isinstance(first, tuple):
        if any(len(value) != len(first) for value in values):
            raise FrameworkError(f"{what} is {first} at {_text(points[0])}, and of another length at other sizes")
        return tuple(_value(parts, points, what) for parts in zip(*values, strict=True))
    if isinstance(first, Parameter | Buffer):
        return replace(first, shape=_value([value.shape for value in values], points, f"the shape of {first.name}"))
    if isinstance(first, int | float) and not isinstance(first, bool):
        return _number(values, points, what)
    return first


def _number(values: Sequence[Any], points: Sequence[Point], what: str) -> Any:
    """The number itself where it is the same everywhere, else a coefficient times powers of dimensions."""
    first = values[0]
    if all(value == first for value in values):
        return first
    found = monomial([float(value) for value in values], points)
    if found is None:
        seen = ", ".join(f"{value:.6g} at {_text(point)}" for value, point in zip(values, points, strict=True))
        raise FrameworkError(
            f"{what} is {seen}: no product of powers of {', '.join(points[0])}; choose sizes at which it is one "
            "(multiples of what it is rounded to), keep fixed what is added in it, or name a dimension for it that "
            "build takes too"
        )
    return found


def monomial(values: Sequence[float], points: Sequence[Point]) -> Size | None:
    """The coefficient times powers of dimensions that numbers are at all points; None if there is none."""
    sign = math.copysign(1.0, values[0])
    if any(value * sign <= 0 for value in values):
        return None
    powers = {}
    for name, base in points[0].items():
        alone = next(i for i, p in enumerate(points) if p[name] != base and _differ(p, points[0]) == {name})
        slope = math.log(values[alone] / values[0]) / math.log(points[alone][name] / base)
        powers[name] = Fraction(slope).limit_denominator(4)

    def power(point: Point) -> float:
        return float(math.prod(float(point[name]) ** float(p) for name, p in powers.items()))

    coefficient = values[0] / power(points[0])
    if any(abs(coefficient * power(p) - v) > _EXACT * abs(v) for p, v in zip(points, values, strict=True)):
        return None
    return Size.of(_rational(coefficient), {Dim(name): p for name, p in powers.items()})


def _rational(number: float) -> Fraction:
    """The fraction that a number in a program stands for, or its decimals where it is irrational."""
    near = Fraction(number).limit_denominator(10**5)
    return near if abs(float(near) - number) <= _EXACT * abs(number) else Fraction(f"{number:.12g}")


def _differ(a: Point, b: Point) -> set[str]:
    return {name for name in a if a[name] != b[name]}


def _text(point: Point) -> str:
    return ", ".join(f"{name}={size}" for name, size in point.items())


def _where(item: Item) -> str:
    return item.where or "the module" if isinstance(item, Step) else _where(item.body[0])


def _different(trees: Sequence[Sequence[Item]], points: Sequence[Point]) -> FrameworkError:
    """Two sizes that are not the same program; says where the first difference is."""
    for tree, point in zip(trees, points, strict=True):
        for one, other in zip(trees[0], tree, strict=False):
            if _name(one) != _name(other):
                return FrameworkError(
                    f"the module computes {_name(one)} at {_text(points[0])}, but {_name(other)} at {_text(point)}; "
                    "sizes may change lengths and numbers of equal blocks, not what is computed "
                    "(a depth needs at least two equal blocks at its smallest size)"
                )
        if len(tree) != len(trees[0]):
            return FrameworkError(
                f"the module computes {len(trees[0])} steps at {_text(points[0])}, but {len(tree)} at {_text(point)}, "
                "and they are not copies of one block; sizes may change lengths and numbers of equal blocks only"
            )
    return FrameworkError("the module does not compute the same at all sizes")


def _name(item: Item) -> str:
    return f"{item.op} in {_where(item)}" if isinstance(item, Step) else f"a loop over {_where(item)}"
