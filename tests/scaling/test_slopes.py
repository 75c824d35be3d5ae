"""What a coordinate check must show, value by value and step by step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.language.printing import labels
from ntksym.scaling import predict_slopes, scaling_table
from ntksym.scaling.slopes import Slopes, ValueSlopes
from tests.scaling.helpers import exponents, powers
from tests.scaling.nets import adapted, attending, bottleneck, diffusion, perceptron, residual_tower
from tests.scaling.random_programs import Plan, plans, program_of


def made_by(slopes: Slopes, program: ns.Program, weight: str) -> ValueSlopes:
    """The slopes of the value that a weight makes, W x."""
    named, nodes = labels(program), program.nodes
    key = next(node.id for node in nodes.values() if node.op == "matmul" and nodes[node.inputs[0]].name == weight)
    return slopes[named[key]]


def written(row: ValueSlopes) -> list[Any]:
    """Initial slope and changes; None where there is nothing (yet)."""
    return [None if g.is_zero else exponents(g) for g in (row.init, *row.changes)]


FLAT: dict[str, Any] = {}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
@pytest.mark.parametrize(("weight", "init"), [("input.w", "1"), ("hidden.w", "1"), ("output.w", "n^-1/2")])
def test_a_perceptron_under_mup(optimizer: str, weight: str, init: str) -> None:
    """Yang et al. 2022, Figure 5: flat changes everywhere; only the readout starts by vanishing."""
    program = perceptron()
    slopes = predict_slopes(program, optimizer=optimizer, steps=4)
    row = made_by(slopes, program, weight)
    assert written(row) == [powers(init), FLAT, FLAT, FLAT, FLAT]
    assert row.shrinks == (weight == "output.w")


@pytest.mark.parametrize("parametrization", ["sp", "ntp"])
@pytest.mark.parametrize(("weight", "change"), [("input.w", "n^-1/2"), ("hidden.w", "n^-1/2"), ("output.w", "1")])
def test_a_perceptron_in_the_kernel_regime(parametrization: str, weight: str, change: str) -> None:
    program = perceptron(bias=False)
    slopes = predict_slopes(program, optimizer="sgd", parametrization=parametrization)
    assert written(made_by(slopes, program, weight)) == [FLAT, *[powers(change)] * 3]


def test_an_adapter_starts_with_its_second_factor() -> None:
    """Hayou et al. 2024: B is zero, so A has no gradient in the first step and moves from the second on."""
    program = adapted()
    slopes = predict_slopes(program, steps=4)
    assert written(made_by(slopes, program, "first.a")) == [FLAT, None, FLAT, FLAT, FLAT]
    assert written(made_by(slopes, program, "first.b")) == [None, FLAT, FLAT, FLAT, FLAT]
    assert made_by(slopes, program, "first.b").shrinks


def test_an_adapter_behind_another_is_not_aligned_with_what_reaches_it_at_first() -> None:
    """While its second factor is zero, no gradient comes through the first one: the change meets it like any vector.

    Adam moves the second factor by full steps, so that from the second step on both are aligned. Under gradient descent
    the two factors feed each other: both stay n^(-1/2), the product n^-1 (measured: tests/validation, the long grid).
    """
    program, small = adapted(), powers("n^-1/2")
    adam = predict_slopes(program, steps=3)
    assert written(made_by(adam, program, "second.a")) == [small, small, FLAT, FLAT]
    assert written(made_by(adam, program, "second.b")) == [None, small, FLAT, FLAT]
    sgd = predict_slopes(program, optimizer="sgd", steps=4)
    assert written(made_by(sgd, program, "second.a")) == [small] * 5
    assert written(made_by(sgd, program, "second.b")) == [None, *[powers("n^-1")] * 4]


def test_logits_wait_for_an_aligned_gradient_under_gradient_descent() -> None:
    """The first gradient of an attention weight, dy·v with independent factors, is small; Adam does not mind."""
    program = attending()
    for optimizer, first in (("sgd", powers("n^-1/2")), ("adam", FLAT)):
        slopes = predict_slopes(program, optimizer=optimizer)
        (row,) = [row for row in slopes.values if row.operation == "linear" and row.shrinks]
        assert written(row) == [powers("n^-1/2"), first, FLAT, FLAT]


def test_a_diffusion_transformer_wakes_up_step_by_step() -> None:
    """Zero readout and zero gates: first the readout moves, then what it reads and the gates, then the blocks."""
    program = diffusion()
    slopes = predict_slopes(program, steps=4)
    assert written(made_by(slopes, program, "output.w")) == [None, FLAT, FLAT, FLAT, FLAT]
    assert written(made_by(slopes, program, "embed.w")) == [FLAT, None, FLAT, FLAT, FLAT]
    assert written(made_by(slopes, program, "block.ada1.gate.w")) == [None, None, FLAT, FLAT, FLAT]
    assert written(made_by(slopes, program, "final.scale.w")) == [None, None, FLAT, FLAT, FLAT]
    assert written(made_by(slopes, program, "block.ada1.scale.w")) == [None, None, None, FLAT, FLAT]
    assert written(made_by(slopes, program, "t1.w")) == [FLAT, None, None, FLAT, FLAT]


def test_attention_logits_start_by_vanishing() -> None:
    """With 1/d_head they are n^(-1/2) at the start and of order one once trained."""
    program = attending()
    rows = [row for row in predict_slopes(program).values if row.operation == "linear" and row.shrinks]
    assert [written(row) for row in rows] == [[powers("n^-1/2"), FLAT, FLAT, FLAT]]


def test_a_bottleneck_starts_by_vanishing() -> None:
    program = bottleneck()
    row = made_by(predict_slopes(program), program, "down.w")
    assert written(row) == [powers("n^-1/2"), FLAT, FLAT, FLAT]


def test_a_bottleneck_escapes_a_saddle_under_gradient_descent() -> None:
    """A product of small factors: its gradients are n^(-1/2), too, and grow by a factor in each step only.

    Measured on finite networks (NumPy, n = 256 to 4096, four steps): slopes -0.49 to -0.53 of all three values.
    """
    program = bottleneck()
    slopes = predict_slopes(program, optimizer="sgd", steps=4)
    for weight, init in (("input.w", FLAT), ("down.w", powers("n^-1/2")), ("up.w", powers("n^-1/2"))):
        assert written(made_by(slopes, program, weight)) == [init, *[powers("n^-1/2")] * 4]
    assert scaling_table(program, optimizer="sgd").verdict.regime != "feature learning"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_depth_leaves_the_stream_flat(optimizer: str) -> None:
    program = residual_tower(norm=True)
    slopes = predict_slopes(program, optimizer=optimizer)
    assert slopes.large == ("n", "L")
    stream = next(row for row in slopes.values if row.operation == "repeat")
    assert written(stream) == [FLAT] * 4


@given(plans(), st.sampled_from(["sgd", "adam", "muon"]))
@settings(max_examples=25)
def test_changes_never_shrink_again_and_agree_with_the_verdict(plan: Plan, optimizer: str) -> None:
    """A change is the largest so far; where all inner values move by order one the verdict says features."""
    program = program_of(plan)
    slopes = predict_slopes(program, optimizer=optimizer, steps=4)
    for row in slopes.values:
        moved = [None if g.is_zero else exponents(g).get("n", 0) for g in row.changes]
        known = [power for power in moved if power is not None]
        assert known == sorted(known)
        assert moved[: len(moved) - len(known)] == [None] * (len(moved) - len(known))
    assert slopes.values[-1].changes[-1].linear is not None
    assert exponents(slopes.values[-1].changes[-1]) == FLAT
    assert scaling_table(program, optimizer=optimizer).verdict.regime == "feature learning"


def test_the_number_of_steps() -> None:
    assert {len(row.changes) for row in predict_slopes(perceptron(), steps=1).values} == {1}
    assert {len(row.changes) for row in predict_slopes(perceptron(), steps=6).values} == {6}


def test_an_unknown_value() -> None:
    with pytest.raises(KeyError, match="no value 'v99'"):
        predict_slopes(perceptron())["v99"]
