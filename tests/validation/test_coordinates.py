"""Coordinate checks: measured against a loop by hand, right tables pass, wrong ones are caught.

Every check has a false-alarm rate of 1e-3 (``false_alarm``). The full grid of architectures and optimizers is long.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ntksym import language as ns
from ntksym import zoo
from ntksym.errors import SamplingError, ScalingError
from ntksym.sampling import network, train
from ntksym.scaling import predict_slopes, scaling_table
from ntksym.validation.coordinates import coord_check, with_recipe
from ntksym.validation.coordinates_record import CoordCheck
from ntksym.validation.runs import RATES, Trial, run, tuned

jax = pytest.importorskip("jax", reason='needs the extra "networks"')
pytest.importorskip("optax", reason='needs the extra "networks"')
sklearn = pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

SCHEMA = Path(__file__).parents[1] / "schemas" / "coord_check.schema.json"
PERCEPTRON = zoo.load("mlp")(d_out=10, bias=False)
ONE_RATE: dict[str, Any] = {"*": {"lr": {}}}
HIDDEN, READOUT = "v5", "v7"

n = ns.dims("n")


@pytest.fixture(scope="module")
def right() -> CoordCheck:
    return coord_check(PERCEPTRON, widths=(32, 64, 128), samples=32, steps=2, lr=0.02, tolerance=0.15)


def test_the_derived_table_holds(right: CoordCheck) -> None:
    assert right.ok, str(right)
    assert [row.predicted for row in right[READOUT]] == [-0.5, 0, 0]
    assert right.rejected == (0, 0, 0)
    assert all(losses[-1] < losses[0] for losses in right.losses)


def test_sizes_are_those_of_networks_trained_one_by_one() -> None:
    """The same networks (key ``fold_in`` of the width's own seed) by ``network`` and ``train``."""
    data = np.random.default_rng(0).standard_normal((4, 64)), np.arange(4)
    found = coord_check(PERCEPTRON, widths=(8, 16), samples=3, steps=2, lr=0.05, data=data, batch=4, seed=5)
    table = scaling_table(PERCEPTRON)
    seeds = np.random.SeedSequence(5).generate_state(2)
    rows = [np.random.default_rng(5)]
    order = [rows[0].choice(4, 4, replace=False) for _ in range(2)]
    batches = [({"x": data[0][i]}, data[1][i]) for i in order]
    for place, width in enumerate((8, 16)):
        model = network(PERCEPTRON, {"n": width}, settings=table.at(n=width, d_in=64, base={"n": 8}, lr=0.05))
        logs = []
        for i in range(3):
            own = jax.random.fold_in(jax.random.key(int(seeds[place])), i)
            weights = model.init(jax.random.fold_in(own, 0))
            done = train(model, weights, batches, "adam", 2, loss="cross_entropy")
            logs.append([np.log2(done.initial[HIDDEN][0]), *np.log2(done.changes[HIDDEN][:, 0])])
        for row in found[HIDDEN]:
            column = np.array(logs)[:, row.step]
            assert_allclose(row.logs[place], column.mean(), rtol=1e-4, atol=1e-4)
            assert_allclose(row.errors[place], column.std(ddof=1) / np.sqrt(3), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "grows"),
    [
        ({"layer.hidden.w": {"lr": {}}}, HIDDEN),  # Adam's rate not divided by the fan-in
        ({"readout.w": {"lr": {}}}, READOUT),
        ({"input.w": {"lr": {"n": "1"}}}, "v1"),  # the rule for SGD, in a recipe for Adam
    ],
)
def test_a_mixed_up_table_is_caught(wrong: dict[str, Any], grows: str) -> None:
    found = coord_check(PERCEPTRON, widths=(32, 128), samples=16, steps=1, lr=0.05, recipe=wrong)
    assert not found.ok
    assert grows in {row.value for row in found.violated}
    assert found[grows][1].slope > 0.25
    assert all(row.step for row in found.violated)


def test_one_rate_under_sp_blows_up_as_predicted() -> None:
    """Hidden values grow by n in the first step of Adam, the output by n^2, once width times rate is large."""
    own = predict_slopes(PERCEPTRON, parametrization="sp", recipe=ONE_RATE, steps=1)
    assert [own[value].changes[0].slopes("n") for value in ("v1", HIDDEN, READOUT)] == [(0, 0), (1, 1), (2, 2)]
    found = coord_check(
        PERCEPTRON,
        widths=(32, 64, 128),
        samples=32,
        steps=1,
        lr=0.5,
        tolerance=0.15,
        parametrization="sp",
        recipe=ONE_RATE,
        slopes=own,
    )
    assert found.ok, str(found)


def test_a_factor_behind_a_zero_one_waits_a_step() -> None:
    """LoRA: B = 0, so what reaches the second A in the first step is not aligned with it: n^(-1/2), then 1."""
    found = coord_check(zoo.load("lora")(d_out=10), widths=(32, 64, 128), samples=48, steps=2, lr=0.03, tolerance=0.2)
    assert not found.violated, str(found)
    assert [row.predicted for row in found["v10"]] == [-0.5, -0.5, 0]
    assert found["v10"][1].slope == pytest.approx(-0.5, abs=0.1 + 5 * found["v10"][1].error)
    assert (found["v4"][1].predicted, found["v4"][1].slope) == (None, None)


def test_networks_that_diverge_are_counted() -> None:
    with pytest.raises(SamplingError, match=r"n = 8: \d of 4 networks gave nan or infinity"):
        coord_check(PERCEPTRON, widths=(8, 16), samples=4, steps=2, lr=1e30, optimizer="sgd")


def test_time_instead_of_samples() -> None:
    found = coord_check(PERCEPTRON, widths=(4, 8), seconds=0.01, steps=1, lr=0.01)
    assert found.samples == 8


def test_the_rate_is_tuned_at_the_smallest_width() -> None:
    """Twice the tuned rate leaves less loss in the same networks than rates far from it."""
    trial = Trial(PERCEPTRON, scaling_table(PERCEPTRON), "n", (8, 16), {"n": 8}, None, None, 2, 8, 0, 2**28, ())
    best = 2 * tuned(trial)
    left = [float(run(trial, trial.networks[0], rate, 8, 0)["loss"].mean[-1]) for rate in (best, best / 8, 8 * best)]
    assert best in RATES[1:-1]
    assert left[0] < min(left[1:])


def test_a_recipe_takes_the_place_of_entries() -> None:
    table = scaling_table(PERCEPTRON)
    changed = with_recipe(table, {"readout.w": {"lr": {"n": "1/2"}, "multiplier": {"n": "-1"}}, "*": {"init_std": {}}})
    readout, hidden = changed["readout.w"], changed["layer.hidden.w"]
    assert (str(readout.lr), str(readout.multiplier), str(readout.init_std)) == ("n^(1/2)", "n^-1", "1")
    assert (str(hidden.lr), str(hidden.init_std)) == (str(table["layer.hidden.w"].lr), "1")
    with pytest.raises(ScalingError, match=r"no parameter 'readot\.w'; did you mean readout\.w"):
        with_recipe(table, {"readot.w": {"lr": {}}})


def test_the_record_in_all_forms(right: CoordCheck) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = json.loads(json.dumps(right.to_json()))
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert CoordCheck.from_json(data) == right
    lines = right.to_csv().splitlines()
    assert lines[0].startswith("value,operation,start,measured,step 1,measured,step 2,measured,verdict")
    assert len(lines) == 1 + len({row.value for row in right.rows})
    for text in (str(right), right.to_markdown(), right.to_html(), right.to_latex()):
        assert "readout.w" in text
    assert "all 18 slopes are as predicted" in str(right)
    with pytest.raises(SamplingError, match="this is no coordinate check"):
        CoordCheck.from_json({"schema": "ntksym.table/1"})
    with pytest.raises(SamplingError, match="not complete or cannot be read: KeyError"):
        CoordCheck.from_json({key: value for key, value in data.items() if key != "rows"})
    with pytest.raises(KeyError, match="no value 'v99'"):
        right["v99"]
    failed = replace(right, rows=tuple(replace(row, verdict="violated") for row in right.rows))
    assert "of 18 slopes: 18 violated" in str(failed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": "d_in"}, "d_in is not large in this table; large are: n"),
        ({"widths": (8,)}, "a slope needs two sizes or more"),
        ({"widths": (16, 8)}, "in growing order"),
        ({"sizes": {"n": 3}}, "n is what grows, so it has no other size than its widths"),
        ({"optimizer": "lamb", "lr": 1.0}, "the sampler has no optimizer 'lamb'"),
        ({"samples": 1, "lr": 1.0}, "an error over networks needs two or more"),
        ({"batch": 5000}, "a batch of 5000 does not fit into 1797"),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        coord_check(PERCEPTRON, **{"widths": (4, 8), "samples": 2, "steps": 1, **options})


# --- the full grid --------------------------------------------------------------------------------------

WIDE = (64, 128, 256, 512)
GRID: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mlp": ("mlp", {"d_out": 10}, {"widths": (*WIDE, 1024), "samples": 32}),
    "resnet, width": ("resnet", {"d_out": 10}, {"widths": WIDE, "samples": 32}),
    "resnet, depth": (
        "resnet",
        {"d_out": 10},
        {"dim": "L", "widths": (4, 8, 16, 32, 64), "sizes": {"n": 128}, "samples": 32},
    ),
    "transformer": ("transformer", {}, {"widths": WIDE, "samples": 16}),
    "moe": ("moe", {"d_out": 10}, {"widths": (*WIDE, 1024), "samples": 16}),
    "lora": ("lora", {"d_out": 10}, {"widths": (*WIDE, 1024), "samples": 32}),
    "rnn": ("rnn", {"d_out": 10}, {"widths": WIDE, "samples": 32}),
}


RATE_OF = {("moe", "adam"): 0.03, ("lora", "muon"): 0.5}
"""The tuned rate is so small there that random parts, n^(-1/2), still hide what training does to the router or to the
second adapter.
"""
CASES = [*product(GRID, ("sgd", "adam", "muon")), *product(["mlp"], ("momentum", "adamw", "lion"))]


@pytest.mark.long
@pytest.mark.parametrize(("case", "optimizer"), CASES)
def test_the_grid(case: str, optimizer: str) -> None:
    name, settings, options = GRID[case]
    found = coord_check(zoo.load(name)(**settings), optimizer=optimizer, lr=RATE_OF.get((case, optimizer)), **options)
    assert not found.violated, str(found)


@pytest.mark.long
def test_logits_line_up_from_the_second_step_of_gradient_descent_on() -> None:
    """Three tokens, so that the aligned part, of order 1 / T^2, shows at these widths; with 16 it does not yet."""
    tokens = np.random.default_rng(0).integers(0, 4, (64, 3))
    found = coord_check(
        zoo.load("transformer")(),
        widths=(64, 256, 1024),
        sizes={"T": 3, "H": 1, "vocab": 4, "L": 1},
        data=(tokens, (tokens[:, :1] + tokens) % 4),
        optimizer="sgd",
        lr=0.5,
        steps=2,
        samples=16,
    )
    logits = [row for row in found.rows if row.value == "v15"]
    assert [row.slope for row in logits] == pytest.approx([-0.5, -0.5, 0], abs=0.1)
    assert [(row.least, row.predicted) for row in logits] == [(-0.5, -0.5), (-0.5, -0.5), (-0.5, 0)]
