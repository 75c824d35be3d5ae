"""Recipes held against the derivation: every planted error is found, every derived table passes."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.scaling import check_recipe, convert, scaling_table
from tests.scaling.helpers import along, exponents, powers, recipe_of
from tests.scaling.nets import ONE, adapted, decoder, diffusion, experts, perceptron, residual_tower, tied_words
from tests.scaling.random_programs import Plan, plans, program_of

PROGRAMS = {
    "perceptron": perceptron(),
    "tower": residual_tower(norm=True, affine=True),
    "deep tower": residual_tower(branch=ONE, block_depth=2, norm=True),
    "decoder": decoder(),
    "adapted": adapted(),
    "experts": experts(),
    "diffusion": diffusion(),
    "words": tied_words(),
}
CHECKED = ("init_std", "lr", "eps", "weight_decay")


# --- what is right -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon", "adafactor"])
def test_every_derived_table_passes(program: ns.Program, optimizer: str) -> None:
    table = scaling_table(program, optimizer=optimizer)
    report = check_recipe(program, recipe_of(table))
    assert report.problems == ()
    assert report.ok
    assert report.verdict == table.verdict


@given(plans(), st.sampled_from(["sgd", "adamw", "muon"]), st.sampled_from(["table3", "table8", "table9", "unit"]))
@settings(max_examples=15)
def test_every_form_of_a_random_table_passes(plan: Plan, optimizer: str, form: str) -> None:
    program = program_of(plan)
    table = scaling_table(program, optimizer=optimizer, form=form)
    report = check_recipe(program, recipe_of(table))
    assert report.ok, report.problems
    assert report.verdict == table.verdict


@pytest.mark.parametrize("parametrization", ["sp", "ntp", "mfp"])
@pytest.mark.parametrize("alignment", ["tensor_programs", "full", "none"])
def test_other_parametrizations_pass_their_own_tables(parametrization: str, alignment: str) -> None:
    chosen = {"parametrization": parametrization, "alignment": alignment}
    assert check_recipe(perceptron(), recipe_of(scaling_table(perceptron(), **chosen))).ok


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3), st.sampled_from(["sgd", "adam", "muon", "adafactor"]))
@settings(max_examples=25)
def test_a_right_recipe_in_any_gauge_passes(thetas: list[int], optimizer: str) -> None:
    table = scaling_table(perceptron(), optimizer=optimizer)
    names = ("input.w", "hidden.w", "output.w")
    gauged = convert(table, {name: {"n": Fraction(t, 2)} for name, t in zip(names, thetas, strict=True)})
    assert check_recipe(perceptron(), recipe_of(gauged)).ok


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["n^-1", "1"])
def test_the_widely_copied_table_that_mixes_sgd_and_adam(output: str) -> None:
    """SGD's rate for input weights beside Adam's for hidden weights: input weights move n times too fast."""
    recipe: dict[str, Any] = {
        "optimizer": "adam",
        "large": ["n"],
        "parameters": {
            "input.*": {"lr": {"n": "1"}, "init_std": {}},
            "hidden.w": {"lr": {"n": "-1"}, "init_std": {"n": "-1/2"}},
            "output.w": {"lr": {k: str(v) for k, v in powers(output).items()}, "init_std": {"n": "-1"}},
        },
    }
    report = check_recipe(perceptron(), recipe)
    found = {(p.parameter, p.field): p for p in report.problems}
    wrong = {("input.w", "lr"), ("input.b", "lr")} | ({("output.w", "lr")} if output == "1" else set())
    assert set(found) == wrong
    for name in ("input.w", "input.b"):
        problem = found[name, "lr"]
        assert (str(problem.found), str(problem.expected), str(problem.off)) == ("n", "1", "n")
        assert "n" in problem.effect
        assert "moves like n at step 1" in problem.effect
    assert not report.ok
    assert not report.verdict.stable


def test_standard_initialisation_of_the_readout() -> None:
    report = check_recipe(perceptron(), {"parameters": {"output.w": {"init_std": {"n": "-1/2"}}}})
    (problem,) = report.problems
    assert (problem.parameter, problem.field) == ("output.w", "init_std")
    assert exponents(problem.off) == powers("n^1/2")
    assert problem.effect
    assert not report.verdict.stable


def test_a_standard_network_with_a_constant_rate_blows_up() -> None:
    """SP with SGD's rate kept constant: the readout moves like n after one step."""
    recipe = {
        "optimizer": "sgd",
        "parameters": {
            "input.w": {"init_std": {}, "lr": {}},
            "hidden.w": {"init_std": {"n": "-1/2"}, "lr": {}},
            "output.w": {"init_std": {"n": "-1/2"}, "lr": {}},
        },
    }
    verdict = check_recipe(perceptron(bias=False), recipe).verdict
    assert not verdict.stable
    assert "step 1" in (verdict.blows_up or "")


def test_a_rate_that_is_too_small_freezes_what_it_trains() -> None:
    report = check_recipe(perceptron(bias=False), {"parameters": {"input.w": {"lr": {"n": "-1"}}}})
    (problem,) = report.problems
    assert (str(problem.expected), exponents(problem.off)) == ("1", powers("n^-1"))
    assert "n^-1" in problem.effect
    assert report.verdict.stable


def test_an_epsilon_that_swallows_gradients_is_unfaithful() -> None:
    """Kept constant, Adam's epsilon outgrows gradients of size 1/n (Yang & Littwin 2023; Everett et al. 2024)."""
    report = check_recipe(perceptron(), {"parameters": {"*": {"eps": {}}}})
    assert {p.parameter for p in report.problems if p.field == "eps"} >= {"input.w", "hidden.w", "hidden.b"}
    assert not report.verdict.faithful


def one_wrong(table_recipe: dict[str, Any], name: str, field: str, shift: Fraction) -> dict[str, Any]:
    """A recipe in which one entry is off by n^shift."""
    recipe = deepcopy(table_recipe)
    entry = recipe["parameters"][name][field]
    entry["n"] = str(Fraction(entry.get("n", 0)) + shift)
    return recipe


shifts = st.integers(-6, 6).filter(bool).map(lambda k: Fraction(k, 4))


@given(plans(most=3), st.sampled_from(["sgd", "adamw", "muon", "lion"]), shifts, st.data())
@settings(max_examples=24)
def test_a_single_wrong_entry_is_found(plan: Plan, optimizer: str, shift: Fraction, data: st.DataObject) -> None:
    program = program_of(plan)
    table = scaling_table(program, optimizer=optimizer)
    row = data.draw(st.sampled_from(table.parameters))
    field = data.draw(st.sampled_from([name for name in CHECKED if row.column(name) is not None]))
    assume(field != "init_std" or row.init == "normal")
    report = check_recipe(program, one_wrong(recipe_of(table), row.name, field, shift))
    (problem,) = report.problems
    assert (problem.parameter, problem.field) == (row.name, field)
    assert along(problem.off, n=1) == shift
    assert along(problem.expected, n=1) == along(row.column(field), n=1)
    assert along(problem.found, n=1) == along(row.column(field), n=1) + shift
    assert problem.effect
    assert not report.ok


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@given(shift=shifts, data=st.data())
@settings(max_examples=2)
def test_a_single_wrong_entry_of_a_known_network_is_found(
    program: ns.Program, shift: Fraction, data: st.DataObject
) -> None:
    table = scaling_table(program, optimizer="adamw")
    row = data.draw(st.sampled_from([row for row in table.parameters if row.lr is not None]))
    report = check_recipe(program, one_wrong(recipe_of(table), row.name, "lr", shift))
    assert [(p.parameter, p.field, along(p.off, n=1)) for p in report.problems] == [(row.name, "lr", shift)]
    assert report.verdict.stable == (shift < 0)


@given(shifts, st.sampled_from(["input.w", "hidden.w", "output.w"]))
@settings(max_examples=15)
def test_a_wrong_multiplier_makes_the_rest_wrong(shift: Fraction, name: str) -> None:
    """A multiplier alone is a gauge: it is what stands beside it that no longer fits."""
    recipe = one_wrong(recipe_of(scaling_table(perceptron())), name, "multiplier", shift)
    report = check_recipe(perceptron(), recipe)
    assert {p.field for p in report.problems} >= {"init_std", "lr", "eps"}
    assert {p.parameter for p in report.problems} == {name}


@pytest.mark.parametrize("power", ["-1/3", "-5/16"])
def test_any_rational_can_be_held_against_a_table(power: str) -> None:
    """People fit exponents: n^(-1/3) is wrong, but it is an answer."""
    (problem,) = check_recipe(perceptron(), {"parameters": {"hidden.w": {"lr": {"n": power}}}}).problems
    assert exponents(problem.off) == {"n": Fraction(power) + 1}


def test_patterns() -> None:
    recipe = {"parameters": {"hidden.*": {"lr": {"n": "-1"}}, "*.w": {"lr": {}}, "decoder.*": {"lr": {}}}}
    report = check_recipe(perceptron(), recipe)
    assert report.unmatched == ("decoder.*",)
    assert {p.parameter for p in report.problems} == {"hidden.b", "output.w"}
    assert not check_recipe(perceptron(), {"parameters": {"decoder.*": {"lr": {}}}}).ok


def test_a_rate_for_what_is_frozen_is_noted() -> None:
    report = check_recipe(adapted(), {"parameters": {"first.w": {"lr": {"n": "-1"}}}})
    assert report.problems == ()
    assert any("first.w" in note for note in report.notes)
