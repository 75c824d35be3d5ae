"""One training written with other multipliers, and numbers at concrete sizes."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.errors import ScalingError
from ntksym.scaling import ScalingTable, convert, equivalent, scaling_table
from tests.scaling.helpers import COLUMNS, along, exponents, powers, same
from tests.scaling.nets import experts, m, perceptron, residual_tower, tied_words
from tests.scaling.random_programs import Plan, plans, program_of

FORMS = ("table3", "table8", "table9", "unit")
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw", "lion", "adafactor", "muon", "shampoo", "lamb")
RELATIVE = ("adafactor", "lamb")
"""Their steps are relative to the weight, so what starts at zero starts with a floor that no gauge moves."""
PROGRAMS = {
    "perceptron": perceptron(),
    "tower": residual_tower(norm=True, affine=True),
    "experts": experts(width=m),
    "words": tied_words(),
}


def entries(table: ScalingTable) -> dict[tuple[str, str], object]:
    return {(row.name, name): row.column(name) for row in table.parameters for name in COLUMNS}


def alike(a: ScalingTable, b: ScalingTable) -> bool:
    return all(same(entries(a)[place], entries(b)[place]) for place in entries(a))


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_every_form_leads_to_every_other_and_back(program: ns.Program, optimizer: str) -> None:
    plain = scaling_table(program, optimizer=optimizer)
    table = plain
    for before, after in pairwise([*FORMS, "table3"]):
        new = convert(table, after)
        assert equivalent(new, table), (before, after)
        assert alike(new, scaling_table(program, optimizer=optimizer, form=after))
        table = new
    assert alike(table, convert(plain, "table3"))


@given(plans(most=3), st.sampled_from(OPTIMIZERS), st.permutations(FORMS))
@settings(max_examples=10)
def test_forms_of_random_networks(plan: Plan, optimizer: str, forms: list[str]) -> None:
    plain = scaling_table(program_of(plan), optimizer=optimizer, form=forms[0])
    away = convert(convert(plain, forms[1]), forms[2])
    assert equivalent(away, plain)
    assert alike(convert(away, forms[0]), plain)
    if optimizer not in RELATIVE:
        assert away.verdict == plain.verdict


@given(st.sampled_from(OPTIMIZERS), st.lists(st.integers(-3, 3), min_size=3, max_size=3))
@settings(max_examples=15)
def test_multipliers_of_ones_own(optimizer: str, thetas: list[int]) -> None:
    table = scaling_table(perceptron(), optimizer=optimizer)
    chosen = {name: {"n": Fraction(t, 2)} for name, t in zip(("input.w", "hidden.w", "output.w"), thetas, strict=True)}
    mine = convert(table, chosen)
    for name, wanted in chosen.items():
        assert along(mine[name].multiplier, n=1) == wanted["n"]
    assert same(mine["hidden.b"].lr, table["hidden.b"].lr)  # no pattern matches it
    assert equivalent(mine, table)
    assert alike(convert(mine, "table3"), table)


def test_the_first_pattern_that_matches_holds() -> None:
    mine = convert(scaling_table(perceptron()), {"hidden.*": {"n": "1"}, "*.w": {"n": "-1/2"}})
    found = {row.name: exponents(row.multiplier) for row in mine.parameters if row.name.endswith(".w")}
    assert found == {"input.w": powers("n^-1/2"), "hidden.w": powers("n"), "output.w": powers("n^-1/2")}


def test_a_second_conversion_keeps_what_it_does_not_name() -> None:
    mine = convert(scaling_table(perceptron()), {"hidden.w": {"n": 1}})
    again = convert(mine, {"output.w": {"n": -1}})
    assert exponents(again["hidden.w"].multiplier) == powers("n")
    assert exponents(again["output.w"].multiplier) == powers("n^-1")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_different_trainings_are_not_equivalent(optimizer: str) -> None:
    mup, sp, ntp = (
        scaling_table(perceptron(), optimizer=optimizer, parametrization=name) for name in ("mup", "sp", "ntp")
    )
    assert not equivalent(mup, sp)
    assert equivalent(sp, ntp)  # one network in two gauges, each at its largest rates
    assert not equivalent(mup, scaling_table(perceptron(bias=False), optimizer=optimizer))
    other = "sgd" if optimizer == "adam" else "adam"
    assert not equivalent(mup, scaling_table(perceptron(), optimizer=other))


def test_one_wrong_entry_breaks_the_equivalence() -> None:
    table = scaling_table(perceptron())
    row = replace(table["hidden.w"], lr=table["input.w"].lr)
    wrong = replace(table, parameters=tuple(row if r.name == row.name else r for r in table.parameters))
    assert not equivalent(table, wrong)
    assert not equivalent(wrong, table)


def test_a_table_without_its_program_cannot_be_converted() -> None:
    with pytest.raises(ScalingError, match="derive it again"):
        convert(replace(scaling_table(perceptron()), origin=None), "table8")


# --- numbers ----------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["sgd", "adamw", "muon"]),
    st.sampled_from([None, *FORMS]),
    st.integers(3, 12),
    st.integers(3, 12),
)
@settings(max_examples=20)
def test_numbers_grow_like_their_exponents(optimizer: str, form: str | None, k: int, base: int) -> None:
    table = scaling_table(residual_tower(), optimizer=optimizer, form=form, large=["n"])
    sizes = {"base": {"n": 2**base}, "lr": 3e-3, "eps": 1e-7, "weight_decay": 0.2, "d_in": 10}
    first, second = table.at(n=2**base, **sizes), table.at(n=2**k, **sizes)
    for row in table.parameters:
        here, there = first[row.name], second[row.name]
        assert here.multiplier == 1
        assert here.lr == 3e-3
        for name in COLUMNS:
            growth, a, b = row.column(name), getattr(here, name), getattr(there, name)
            assert (a is None) == (growth is None)
            if a:
                assert math.log2(b / a) == pytest.approx(float(along(growth, n=1)) * (k - base), abs=1e-9)


@pytest.mark.parametrize(
    ("row", "std", "lr"),
    [
        ("input.w", 1 / math.sqrt(10), 3e-3),
        ("hidden.w", 1 / math.sqrt(4096), 3e-3 / 16),
        ("output.w", 1 / math.sqrt(256) / 16, 3e-3 / 16),
        ("hidden.b", 0, 3e-3),
    ],
)
def test_numbers_at_a_width_of_4096(row: str, std: float, lr: float) -> None:
    """Yang et al. 2022, Table 3, with base width 256: the numbers that a person types."""
    found = scaling_table(perceptron()).at(n=4096, base={"n": 256}, lr=3e-3, d_in=10)[row]
    assert found.init_std == pytest.approx(std)
    assert found.lr == pytest.approx(lr)


def test_numbers_of_a_tie() -> None:
    found = scaling_table(tied_words()).at(n=1024, base={"n": 256})["emb.w"]
    assert [number for _, number in found.tied] == [pytest.approx(1 / 4)]


def test_the_unit_is_the_base() -> None:
    """Without a base a dimension counts from 1, so that exponents are read off as they stand."""
    found = scaling_table(perceptron(), form="table8").at(n=64, d_in=1)["output.w"]
    assert found.multiplier == pytest.approx(1 / 64)


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ({"width": 4}, "no dimension 'width'"),
        ({"n": -4}, "not a positive number"),
        ({"n": 4, "base": {"d_in": 3}}, "not large"),
    ],
)
def test_sizes_that_mean_nothing(sizes: dict[str, object], match: str) -> None:
    with pytest.raises(ScalingError, match=match):
        scaling_table(perceptron()).at(**sizes)
