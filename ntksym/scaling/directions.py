"""All directions in which dimensions may grow, cut into cones small enough for one derivation each.

``explore`` runs a derivation on a cone; where a comparison is undecided it cuts the cone in two and starts again,
so each derivation is exact and the cells together cover all directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from typing import TypeVar

from ntksym.errors import ScalingError
from ntksym.language.dims import Dim, Size
from ntksym.scaling.cones import Cone, Ray, Undecided

T = TypeVar("T")


def explore(root: Cone, derive: Callable[[Cone], T], limit: int = 400) -> list[tuple[Cone, T]]:
    """``derive`` run on cones that together cover ``root``, each small enough that every comparison has an answer.

    Raises ScalingError when more than ``limit`` cells would be needed.
    """
    done: list[tuple[Cone, T]] = []
    waiting = [root]
    while waiting:
        cone = waiting.pop()
        try:
            done.append((cone, derive(cone)))
        except Undecided as undecided:
            waiting.extend(_halves(cone, undecided.difference))
        if len(done) + len(waiting) > limit:
            raise ScalingError(
                f"more than {limit} regimes of {', '.join(root.names)} behave differently; take fewer dimensions large"
            )
    return done


def _halves(cone: Cone, difference: Ray) -> tuple[Cone, Cone]:
    """The cone cut along the edge between a ray where the form is positive and one where it is negative."""
    values = [sum(a * b for a, b in zip(difference, ray, strict=True)) for ray in cone.rays]
    up, down = values.index(max(values)), values.index(min(values))
    middle = _primitive(
        tuple(values[up] * b - values[down] * a for a, b in zip(cone.rays[up], cone.rays[down], strict=True))
    )
    rays = cone.rays
    first = tuple(middle if i == down else ray for i, ray in enumerate(rays))
    second = tuple(middle if i == up else ray for i, ray in enumerate(rays))
    return replace(cone, rays=first), replace(cone, rays=second)


def _primitive(ray: Iterable[int]) -> Ray:
    numbers = tuple(ray)
    divisor = gcd(*numbers) or 1
    return tuple(n // divisor for n in numbers)


def directions(
    dims: Sequence[Dim], large: Sequence[str], powers: Iterable[Fraction], lengths: Iterable[Size] = ()
) -> tuple[Cone, ...]:
    """The cones of all directions in which the dimensions named ``large`` grow, given the declared relations.

    A dimension that is neither large nor tied to one by a relation stays fixed; no dimension may shrink, and none of
    the ``lengths`` (of axes).
    Raises ScalingError where the relations leave no such direction, or name too much.
    """
    names = tuple(large)
    rates = _rates(dims, names)
    unit = 4 * lcm(*(p.denominator for p in powers), *(r.denominator for row in rates.values() for r in row), 1)
    axes = tuple(tuple(int(i == j) for j in range(len(names))) for i in range(len(names)))
    cones = [Cone(names, axes, rates, unit)]
    for name, rate in rates.items():
        scaled = tuple(int(r * unit) for r in rate)
        cones = [part for cone in cones for part in _positive(cone, scaled)]
        if not cones:
            raise ScalingError(
                f"{name} would shrink as {', '.join(names)} grow ({name} = {_relation(dims, name)}); "
                f"name {name} or what it depends on as large too"
            )
    for length in lengths:
        if any(power < 0 for _, power in length.powers):
            kept = [part for cone in cones for part in _positive(cone, cone.form(length).coefficients or ())]
            if not kept:
                raise ScalingError(f"an axis of length {length} would shrink as {', '.join(names)} grow")
            cones = kept
    return tuple(cones)


def _positive(cone: Cone, form: Ray) -> list[Cone]:
    """The parts of a cone where a form is not negative (and the cone is not flat)."""
    try:
        return [cone] if cone.orientation(form) >= 0 else []
    except Undecided:
        return [part for half in _halves(cone, form) for part in _positive(half, form)]


def _relation(dims: Sequence[Dim], name: str) -> str:
    return next((str(d.equals) for d in dims if d.name == name and d.equals), name)


Rates = dict[str, tuple[Fraction, ...]]


def _rates(dims: Sequence[Dim], large: tuple[str, ...]) -> Rates:
    """Each dimension's rate as a combination of the rates of the large ones.

    Dimensions declared finite stay so. Where the relations leave a choice, the first dimension that can stay fixed
    without another shrinking does: H large with n = H * d_head grows n and leaves d_head.
    """
    known: Rates = {name: tuple(Fraction(int(i == j)) for j in range(len(large))) for i, name in enumerate(large)}
    related = [dim for dim in dims if dim.equals is not None]
    tied = {part.name for dim in related if dim.equals for part in dim.equals.dims()}
    for dim in dims:
        if dim.equals is None and (not dim.large or dim.name not in tied):
            known.setdefault(dim.name, (Fraction(0),) * len(large))
    choices = _completions(_settled(related, known, large), related, dims, large)
    found = next((rates for rates in choices if all(r >= 0 for row in rates.values() for r in row)), choices[0])
    return {dim.name: found[dim.name] for dim in dims} | {name: found[name] for name in large}


def _completions(known: Rates, related: Sequence[Dim], dims: Sequence[Dim], large: tuple[str, ...]) -> list[Rates]:
    """All ways to keep dimensions fixed whose rate the relations leave open, derived ones first."""
    unknown = [dim.name for dim in (*related, *dims) if dim.name not in known]
    if not unknown:
        return [known]
    out = []
    for name in dict.fromkeys(unknown):
        fixed = {**known, name: (Fraction(0),) * len(large)}
        out.extend(_completions(_settled(related, fixed, large), related, dims, large))
    return out


def _settled(related: Sequence[Dim], known: Rates, large: tuple[str, ...]) -> Rates:
    """What the relations say once all but one of their dimensions are known; raises ScalingError if they disagree."""
    known = dict(known)
    waiting = list(related)
    while waiting:
        open_terms = {dim.name: [(n, p) for n, p in _terms(dim) if n not in known] for dim in waiting}
        ready = [dim for dim in waiting if len(open_terms[dim.name]) <= 1]
        if not ready:
            return known
        for dim in ready:
            waiting.remove(dim)
            rest = [(n, p) for n, p in _terms(dim) if n in known]
            sums = tuple(sum((p * known[n][i] for n, p in rest), Fraction(0)) for i in range(len(large)))
            missing = [(n, p) for n, p in _terms(dim) if n not in known]
            if missing:
                name, power = missing[0]
                known[name] = tuple(-s / power for s in sums)
            elif any(sums):
                raise ScalingError(
                    f"{dim.name} = {dim.equals} ties dimensions that are all fixed or large ({', '.join(large)}); "
                    "leave one out"
                )
    return known


def _terms(dim: Dim) -> list[tuple[str, Fraction]]:
    """A relation as a product that is one."""
    assert dim.equals is not None
    return [(dim.name, Fraction(-1)), *((part.name, power) for part, power in dim.equals.powers)]
