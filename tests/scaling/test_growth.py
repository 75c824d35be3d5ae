"""Growth in several dimensions: cells put together again, against direct evaluation in single directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.errors import ScalingError
from ntksym.scaling import Growth, scaling_table
from ntksym.scaling.cells import over_cells
from ntksym.scaling.cones import Cone, Form, Undecided, highest, lowest
from ntksym.scaling.directions import directions, explore
from tests.scaling.helpers import along, exponents, powers, rays

NAMES = ("n", "m", "d")


def cone_of(names: tuple[str, ...]) -> Cone:
    (cone,) = directions([ns.dim(name) for name in names], names, [])
    return cone


# --- tropical expressions, drawn at random --------------------------------------------------------------------------
# A tree of maxima, minima and sums over linear forms; evaluated on forms in a cone, or on numbers in one direction.

Tree = Any


def trees(size: int) -> st.SearchStrategy[Tree]:
    leaf = st.tuples(*[st.integers(-3, 3)] * size)
    return st.recursive(
        leaf,
        lambda part: st.tuples(st.sampled_from(["max", "min", "sum"]), part, part),
        max_leaves=4 if size == 3 else 6,
    )


def in_cone(tree: Tree, cone: Cone) -> Form:
    if isinstance(tree[0], str):
        kind, left, right = tree[0], in_cone(tree[1], cone), in_cone(tree[2], cone)
        return left + right if kind == "sum" else (highest if kind == "max" else lowest)(left, right)
    return cone.scaled([Fraction(c, 2) for c in tree])


def in_direction(tree: Tree, ray: tuple[int, ...]) -> Fraction:
    if isinstance(tree[0], str):
        left, right = in_direction(tree[1], ray), in_direction(tree[2], ray)
        return {"sum": left + right, "max": max(left, right), "min": min(left, right)}[tree[0]]
    return sum((Fraction(c, 2) * r for c, r in zip(tree, ray, strict=True)), Fraction(0))


def put_together(tree: Tree, names: tuple[str, ...]) -> Growth:
    return Growth.of(explore(cone_of(names), lambda cone: in_cone(tree, cone)), names)


@pytest.mark.parametrize("size", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=50)
def test_a_growth_is_what_its_cells_say(size: int, data: st.DataObject) -> None:
    tree, names = data.draw(trees(size)), NAMES[:size]
    growth = put_together(tree, names)
    more = data.draw(st.lists(st.tuples(*[st.integers(0, 40)] * size), max_size=6))
    for ray in [*product(range(5), repeat=size), *more]:
        assert along(growth, **dict(zip(names, ray, strict=True))) == in_direction(tree, ray), (str(growth), ray)


@given(trees(2))
@settings(max_examples=40)
def test_cells_cover_every_direction_once(tree: Tree) -> None:
    """Every direction lies in a cell, and where it lies in several they agree."""
    cells = explore(cone_of(NAMES[:2]), lambda cone: in_cone(tree, cone))
    for ray in product(range(6), repeat=2):
        if not any(ray):
            continue
        found = [form for cone, form in cells if inside(cone, ray)]
        assert found
        values = {sum(a * b for a, b in zip(form.exponents(), ray, strict=True)) for form in found}
        assert values == {in_direction(tree, ray)}


def inside(cone: Cone, ray: tuple[int, ...]) -> bool:
    """Whether a direction is a non-negative combination of two rays."""
    (a, b), (c, e) = cone.rays
    determinant = a * e - b * c
    first, second = ray[0] * e - ray[1] * c, a * ray[1] - b * ray[0]
    return determinant != 0 and first * determinant >= 0 and second * determinant >= 0


@given(trees(2), st.integers(1, 7), st.integers(1, 7))
@settings(max_examples=40)
def test_factor_is_the_growth_at_concrete_sizes(tree: Tree, a: int, b: int) -> None:
    growth = put_together(tree, NAMES[:2])
    found = growth.factor({"n": 4.0**a, "m": 4.0**b})
    assert math.log(found, 4) == pytest.approx(float(along(growth, n=a, m=b)), abs=1e-9)


@given(trees(3), trees(3))
@settings(max_examples=40)
def test_highest_and_lowest_mirror_each_other(a: Tree, b: Tree) -> None:
    """max(a, b) = -min(-a, -b), as expressions put together from cells."""

    def mirrored(cone: Cone) -> Form:
        return -lowest(-in_cone(a, cone), -in_cone(b, cone))

    names = NAMES
    one = Growth.of(explore(cone_of(names), lambda cone: highest(in_cone(a, cone), in_cone(b, cone))), names)
    two = Growth.of(explore(cone_of(names), mirrored), names)
    assert all(along(one, **ray) == along(two, **ray) for ray in rays(names))


def test_known_pieces() -> None:
    names = NAMES[:2]
    larger = put_together(("max", (2, 0), (0, 2)), names)
    assert str(larger) in ("max(n, m)", "max(m, n)")
    assert larger.linear is None
    saturating = put_together(("min", (0, 0), (1, -1)), names)
    assert {frozenset(saturating.terms[0])} == {frozenset({(0, 0), (Fraction(1, 2), Fraction(-1, 2))})}
    assert str(put_together(("max", (2, 0), (2, -1)), names)) == "n"  # the second is smaller everywhere


def test_zero_and_one() -> None:
    cone = cone_of(("n",))
    nothing = Growth.of([(cone, cone.never)], ("n",))
    assert (nothing.is_zero, str(nothing), nothing.factor({"n": 7})) == (True, "0", 0.0)
    constant = Growth.of([(cone, cone.zero)], ("n",))
    assert (constant.is_zero, str(constant), constant.factor({"n": 7})) == (False, "1", 1.0)


# --- forms ------------------------------------------------------------------------------------------------------------


def test_infinities() -> None:
    cone = cone_of(("n",))
    never, unbounded, one = cone.never, cone.unbounded, cone.scaled([Fraction(1)])
    assert never + one == never
    assert unbounded + one == unbounded
    assert never + unbounded == never
    assert -never == unbounded
    assert highest(never, one, unbounded) == unbounded
    assert lowest(never, one, unbounded) == never
    assert never < cone.zero < one < unbounded
    assert never.times(2) == never
    assert never.times(-1) == unbounded
    assert never.times(0) == cone.zero
    assert not never.finite
    assert never.is_never


@given(st.lists(st.tuples(*[st.integers(-4, 4)] * 2), min_size=1, max_size=5))
@settings(max_examples=40)
def test_an_extreme_is_asked_for_no_more_than_it_needs(leaves: list[tuple[int, int]]) -> None:
    """Forms that lie below another one everywhere never make a comparison undecided."""
    cone = cone_of(NAMES[:2])
    top = cone.scaled([Fraction(5), Fraction(5)])
    assert highest(*(cone.scaled([Fraction(c) for c in leaf]) for leaf in leaves), top) == top


def test_undecided_says_where_to_cut() -> None:
    cone = cone_of(NAMES[:2])
    n, m = cone.scaled([Fraction(1), Fraction(0)]), cone.scaled([Fraction(0), Fraction(1)])
    with pytest.raises(Undecided) as caught:
        highest(n, m)
    assert tuple(Fraction(c, cone.unit) for c in caught.value.difference) in {(1, -1), (-1, 1)}


def test_exponents_finer_than_the_unit_are_refused() -> None:
    cone = cone_of(("n",))
    with pytest.raises(ScalingError, match="finer"):
        cone.scaled([Fraction(1, 7)])


def test_too_many_regimes_are_refused() -> None:
    def derive(cone: Cone) -> Form:
        forms = [cone.scaled([Fraction(k), Fraction(-k * k), Fraction(0)]) for k in range(9)]
        return highest(forms[0], *forms[1:])

    with pytest.raises(ScalingError, match="fewer dimensions large"):
        explore(cone_of(NAMES), derive, limit=5)


# --- relations between dimensions -----------------------------------------------------------------------------------
# n = H * d_head, declared one way or the other: whatever is named large, the three rates satisfy it.

RELATED = {
    "d_head = n / H": lambda: _derived("d_head"),
    "n = H d_head": lambda: _derived("n"),
    "H = n / d_head": lambda: _derived("H"),
}


def _derived(which: str) -> dict[str, ns.Dim]:
    free = {name: ns.dim(name) for name in ("n", "H", "d_head") if name != which}
    size = {
        "d_head": lambda: free["n"] / free["H"],
        "n": lambda: free["H"] * free["d_head"],
        "H": lambda: free["n"] / free["d_head"],
    }[which]()
    return {**free, which: ns.dim(which, equals=size)}


def rates(dims: dict[str, ns.Dim], large: tuple[str, ...]) -> list[dict[str, tuple[Fraction, ...]]]:
    """For every ray of every cone, how fast each dimension grows."""
    out = []
    for cone in directions(list(dims.values()), large, []):
        for ray in cone.rays:
            out.append({name: sum(r * c for r, c in zip(cone.rates[name], ray, strict=True)) for name in dims})
    return out


@pytest.mark.parametrize("build", RELATED.values(), ids=RELATED)
@pytest.mark.parametrize("large", [("n", "H"), ("n", "d_head"), ("H", "d_head"), ("H", "n")], ids=str)
def test_two_of_three_related_dimensions(build: Callable[[], dict[str, ns.Dim]], large: tuple[str, ...]) -> None:
    found = rates(build(), large)
    assert found
    for rate in found:
        assert rate["n"] == rate["H"] + rate["d_head"]
        assert min(rate.values()) >= 0


@pytest.mark.parametrize("build", RELATED.values(), ids=RELATED)
@pytest.mark.parametrize("large", ["n", "H", "d_head"])
def test_one_of_three_related_dimensions(build: Callable[[], dict[str, ns.Dim]], large: str) -> None:
    """A factor named alone takes n with it and leaves the other factor alone; n takes one of its factors."""
    found = rates(build(), (large,))
    assert found
    for rate in found:
        assert rate["n"] == rate["H"] + rate["d_head"] == 1
        assert min(rate.values()) == 0
        assert rate[large] == 1


@pytest.mark.parametrize("build", RELATED.values(), ids=RELATED)
def test_three_of_three_related_dimensions_are_refused(build: Callable[[], dict[str, ns.Dim]]) -> None:
    with pytest.raises(ScalingError, match=r"leave one out") as caught:
        rates(build(), ("n", "H", "d_head"))
    assert all(name in str(caught.value) for name in ("n", "H", "d_head"))


def test_chained_relations() -> None:
    n, H = ns.dim("n"), ns.dim("H")
    d_head = ns.dim("d_head", equals=n / H)
    half = ns.dim("half", equals=d_head ** Fraction(1, 2))
    dims = {dim.name: dim for dim in (n, H, d_head, half)}
    for rate in rates(dims, ("n", "H")):
        assert rate["half"] * 2 == rate["d_head"] == rate["n"] - rate["H"]


def test_heads_of_a_program_and_their_relation() -> None:
    """More heads of a fixed size and larger heads of a fixed number are both n, and say the same of its weights."""
    n, H = ns.dim("n"), ns.dim("H")
    d_head = ns.dim("d_head", equals=n / H)

    @ns.program
    def network(x: ns.Sequence(8, "d_in")):
        h = ns.dense(x, n, name="embed", bias=False)
        h = h + ns.attention(ns.rmsnorm(h), H, name="attn", scale=1 / d_head)
        return ns.dense(h, 3, name="readout", bias=False)

    both = scaling_table(network(), large=["n", "H"])
    for row in both.parameters:
        for name, large, direction in (
            ("wide heads", ["n"], {"n": 1, "H": 0}),
            ("many heads", ["H", "n"], {"n": 1, "H": 1}),
        ):
            other = scaling_table(network(), large=large)[row.name]
            assert along(row.lr, **direction) == along(other.lr, **direction), (name, row.name)
            assert along(row.init_std, **direction) == along(other.init_std, **direction), (name, row.name)
    for part in "qkvo":
        assert exponents(both[f"attn.{part}.w"].lr) == powers("n^-1")


def test_an_unknown_large_dimension() -> None:
    @ns.program
    def network(x: ns.Vector("d_in")):
        return ns.dense(x, ns.dim("n"), name="w")

    with pytest.raises(ScalingError, match=r"has no dimension 'width'.*d_in"):
        over_cells(network(), ["width"], lambda cone: cone.zero)
