"""Validation of a linear network, whose kernels are known at every width: what agrees, what is caught, the record."""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from ntksym import language as ns
from ntksym import zoo
from ntksym.errors import NtksymError, ValidationError
from ntksym.records.predictions import Experiment, Prediction, coefficient, growth, limit, unbiased
from ntksym.sampling import chunks as chunks_of
from ntksym.sampling import ensemble
from ntksym.validation import Validation, validate
from ntksym.validation import ensembles as ensembles_of
from ntksym.validation.experiments import experiment_of
from ntksym.validation.measurements import measurements

pytest.importorskip("jax", reason='needs the extra "networks"')

SCHEMA = Path(__file__).parents[1] / "schemas" / "validation.schema.json"
n = ns.dim("n")
X = np.array([[1.0, 0.0, 0.5], [0.3, -1.0, 0.2]])
K = X @ X.T / 3
WIDTHS = (4, 8, 16)


@ns.program
def linear(x: ns.Vector(3)) -> ns.Value:
    return ns.dense(ns.dense(x, n, name="hidden", bias=False), 1, name="readout", bias=False)


PROGRAM = linear()


def kernel(a: int, b: int, value: str = "v1", expected: float | None = None) -> Prediction:
    arguments = (("value", value), ("index", (a, b)))
    return Prediction(f"{value} {a}{b}", "kernel", arguments, K[a, b] if expected is None else expected, unbiased())


PREDICTIONS = (kernel(0, 0), kernel(0, 1), kernel(0, 1, "v2"))


class Kernels:
    """A record that predicts the kernels of its inputs."""

    def predictions(self, experiment: Experiment) -> Iterator[Prediction]:
        k = experiment.inputs @ experiment.inputs.T / 3
        for a, b in ((0, 0), (0, 1)):
            yield kernel(a, b, expected=k[a, b] * experiment.sigmas.get("sigma_w", 1.0) ** 2)


def check(*records: Any, samples: int = 256, **options: Any) -> Validation:
    return validate(PROGRAM, *records, **{"widths": WIDTHS, "inputs": X, "samples": samples, **options})


@cache
def sound() -> Validation:
    return check(
        *PREDICTIONS,
        Prediction("ntk", "ntk", (("index", (0, 0, 1, 0)), ("parameterization", "ntk")), 2 * K[0, 1], unbiased()),
        Prediction("readout's part", "ntk", (("index", (0, 0, 1, 0)), ("parameter", "readout.w")), K[0, 1], growth(())),
        Prediction("fourth", "moment", (("value", "v1"), ("order", 4), ("index", (0,))), 3 * K[0, 0] ** 2, unbiased()),
        Prediction(
            "vertex",
            "kernel",
            (("value", "v1"), ("index", (0, 0)), ("over", "variance")),
            2 * K[0, 0] ** 2,
            coefficient(1, leading=1, terms=0),
        ),
        Prediction("spread", "kernel", (("value", "v1"), ("index", (0, 0)), ("over", "std")), -0.5, growth(())),
    )


# --- the test holds --------------------------------------------------------------------------------------


def test_right_predictions_agree() -> None:
    """All but the part of the readout, which grows like n in this parameterization: the slope is 1, not K."""
    record = sound()
    wrong = [row.prediction.quantity for row in record.checks if row.verdict != "agrees"]
    assert wrong == ["readout's part"]
    assert record["readout's part"].measured == pytest.approx(1, abs=0.1)
    assert not record.ok


def test_false_alarms_come_no_more_often_than_stated() -> None:
    """400 validations at a rate of 5 %; this test fails by chance once in 10000 runs."""
    runs, alpha = 400, 0.05
    alarms = 0
    for seed in range(runs):
        alarms += not check(*PREDICTIONS, samples=64, seed=seed, alpha=alpha, widths=(4, 8)).ok
    assert stats.binomtest(alarms, runs, alpha, alternative="greater").pvalue > 1e-4, alarms
    assert alarms > 0


@pytest.mark.parametrize(
    "wrong",
    [
        kernel(0, 0, expected=1.02 * K[0, 0]),
        kernel(0, 1, expected=2 * K[0, 1]),
        Prediction("spread", "kernel", (("value", "v1"), ("index", (0, 0)), ("over", "std")), -0.25, growth(())),
    ],
    ids=["2 % off", "a factor of two", "a slope off by 1/4"],
)
def test_wrong_predictions_are_caught(wrong: Prediction) -> None:
    """With right ones beside them, which agree: 2 % takes the most networks."""
    record = check(wrong, kernel(1, 1), samples=16384 if "00" in wrong.quantity else 1024, widths=(8, 16, 32))
    first, second = record.checks
    assert (first.verdict, second.verdict) == ("disagrees", "agrees")
    assert first.caught is not None
    assert abs(first.measured - wrong.expected) > first.caught * 0.5


def test_a_bias_where_none_is_predicted_is_no_fit() -> None:
    """(1 + 2/n) K^2 is not the same at every width; as a limit it is right."""
    arguments = (("value", "v1"), ("index", (0, 0)), ("over", "variance"))
    false = Prediction("variance", "kernel", arguments, 0.0, unbiased())
    right = Prediction("limit", "kernel", arguments, 0.0, limit(1))
    assert [row.verdict for row in check(false, right, samples=4096).checks] == ["no fit", "agrees"]


def test_the_uncertainty_of_a_prediction_is_allowed_for() -> None:
    off = kernel(0, 0, expected=2 * K[0, 0])
    assert check(off, seed=1).checks[0].verdict == "disagrees"
    allowed = check(replace(off, uncertainty=1.01 * K[0, 0]), seed=1).checks[0]
    assert allowed.verdict == "agrees"
    assert allowed.caught is not None
    assert allowed.caught > 1.01 * K[0, 0]


def test_what_is_exact_is_compared_to_rounding() -> None:
    exact = Prediction("x", "kernel", (("value", "x"), ("index", (0, 0))), K[0, 0], unbiased())
    off = replace(exact, quantity="x off", expected=K[0, 0] * (1 + 1e-4))
    assert [row.verdict for row in check(exact, off).checks] == ["agrees", "disagrees"]


# --- how it is measured ----------------------------------------------------------------------------------


def test_records_see_the_experiment() -> None:
    record = check(Kernels(), sigmas={"sigma_w": 1.5}, samples=512)
    assert record.ok, str(record)
    assert record["v1 00"].prediction.expected == pytest.approx(1.5**2 * K[0, 0])
    assert not check(replace(kernel(0, 0), quantity="plain"), sigmas={"sigma_w": 1.5}).ok


def test_one_ensemble_measures_all_predictions_of_a_statistic(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return ensemble(*arguments, **options)

    monkeypatch.setattr(ensembles_of, "ensemble", counted)
    check(*PREDICTIONS)
    assert len(calls) == len(WIDTHS)


def test_widths_do_not_share_random_numbers() -> None:
    seeds = {ensembles_of.seed_of(seed, width, name) for seed in (0, 1) for width in WIDTHS for name in ("a", "b")}
    assert len(seeds) == 4 * len(WIDTHS)


def test_seeds_repeat_and_differ() -> None:
    assert check(*PREDICTIONS) == check(*PREDICTIONS)
    assert check(*PREDICTIONS, seed=1)["v1 00"].measured != check(*PREDICTIONS)["v1 00"].measured


class Killed(Exception):
    pass


def test_a_run_that_was_killed_gives_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, original, calls = check(*PREDICTIONS), chunks_of.moments_of, []

    def dies(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise Killed
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setitem(ensemble.__globals__, "moments_of", dies)
        with pytest.raises(Killed):
            check(*PREDICTIONS, checkpoint=tmp_path / "states")
    kept = len(list((tmp_path / "states").glob("kernel-*.npz")))
    assert 1 <= kept < len(WIDTHS)
    calls.clear()
    assert check(*PREDICTIONS, checkpoint=tmp_path / "states") == whole
    assert check(*PREDICTIONS, checkpoint=tmp_path / "states") == whole


def test_networks_that_give_nan_are_counted_and_not_averaged() -> None:
    """exp of a Gaussian with standard deviation 60 overflows float32 for some networks only."""

    @ns.program
    def burst(x: ns.Vector(3)) -> ns.Value:
        h = ns.dense(x, n, name="hidden", bias=False)
        return ns.dense(ns.activation("exp")(h), 1, name="readout", bias=False)

    said = Prediction("hidden", "kernel", (("value", "v2"), ("index", (0, 0))), 1.0, unbiased())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = validate(burst(), said, widths=[2, 4], inputs=X, samples=256, sigmas={"sigma_w": 25.0})
    assert all(0 < lost.count < 256 for lost in record.rejected)
    assert [lost.width for lost in record.rejected] == [2, 4]
    assert not record.ok
    assert re.search(r"left out: \d+ of 256 networks with n = 2 gave nan or infinity \(kernel\)", str(record))


def test_nothing_finite_is_not_measured() -> None:
    record = check(kernel(0, 0), sigmas={"sigma_w": 1e30})
    assert record.checks[0].verdict == "not measured"
    assert [lost.count for lost in record.rejected] == [256] * 3
    assert "1 not measured" in str(record)
    assert Validation.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_the_time_decides_the_number_of_networks() -> None:
    record = check(*PREDICTIONS, samples=None, seconds=0.01)
    assert record.samples == 64
    assert record == check(*PREDICTIONS, samples=64)
    assert check(*PREDICTIONS, samples=None, seconds=3.0).samples >= 64


def test_samples_are_whole_batches() -> None:
    assert check(*PREDICTIONS, samples=65).samples == 96
    assert check(*PREDICTIONS, samples=2).samples == 64


# --- the record ------------------------------------------------------------------------------------------


def test_json_is_read_back_exactly() -> None:
    data = json.loads(json.dumps(sound().to_json()))
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert Validation.from_json(data) == sound()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data.update(schema="ntksym.program/1"), "no validation: its schema is 'ntksym.program/1'"),
        (lambda data: data.pop("alpha"), "lacks 'alpha'"),
        (lambda data: data["checks"][0].update(verdict="fine"), "no verdict 'fine'"),
        (lambda data: data["checks"][0].update(points=3), "cannot be read"),
    ],
)
def test_other_json_is_refused(damage: Any, message: str) -> None:
    data = json.loads(json.dumps(sound().to_json()))
    damage(data)
    with pytest.raises(ValidationError, match=message):
        Validation.from_json(data)
    with pytest.raises(ValidationError, match="no validation"):
        Validation.from_json([])


def test_the_table_says_the_test_and_its_power() -> None:
    record = sound()
    table = record.to_table()
    assert [cell.text for cell in table.columns] == [
        "quantity", "law", "predicted", "measured", "t", "caught", "verdict",
    ]  # fmt: skip
    assert [row[1].text for row in table.rows[-2:]] == ["coefficient of n^-1", "slope"]
    text = str(record)
    assert f"|t| up to {record.limit:.2f} agrees (31 degrees of freedom)" in text
    assert "99.9 % of runs or more" in text
    assert "7 agrees, 1 disagrees" in text
    for form in (record.to_latex(), record.to_markdown(), record.to_csv(), record.to_html()):
        assert "vertex" in form


def test_numbers_stand_with_their_errors() -> None:
    row = sound().to_table().rows[0]
    assert re.fullmatch(r"0\.\d+ ± 0\.0\d\d?\d?", row[3].text)
    assert row[5].text.endswith(" %")
    assert_allclose([point.width for point in sound().checks[0].points], WIDTHS)


def test_an_unknown_quantity_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="there are: v1 00"):
        sound()["k"]


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "options", "message"),
    [
        ((), {}, "nothing to validate"),
        ((3,), {}, "a int predicts nothing"),
        ((kernel(0, 0),), {"alpha": 0}, "alpha=0 is no probability"),
        ((kernel(0, 0),), {"samples": 0}, "positive number of networks"),
        ((kernel(0, 0),), {"seconds": 3}, "positive number of networks, or a time"),
        ((kernel(0, 0),), {"widths": [8]}, "at least two positive sizes that grow"),
        ((kernel(0, 0),), {"widths": [8, 4]}, "at least two positive sizes that grow"),
        ((kernel(0, 0),), {"dim": "m"}, "no dimension 'm' of its own; it has: n"),
        ((kernel(0, 0),), {"sizes": {"n": 3}}, "leave it out of sizes"),
        ((kernel(0, 0),), {"steps": 0}, "one step of training or more"),
        (
            (kernel(0, 5, expected=1.0),),
            {},
            r"v1 05: there is no entry \[0, 5\] in what is measured, whose shape is \(2, 2\)",
        ),
        ((replace(kernel(0, 0), statistic="kernels"),), {}, "no measurement 'kernels'; known: kernel, moment, ntk"),
        (
            (replace(kernel(0, 0), arguments=(("index", (0, 0)),)),),
            {},
            "v1 00: the measurement kernel needs the argument value",
        ),
        ((kernel(0, 0, "v9"),), {}, "has no value v9"),
        ((replace(kernel(0, 0), law=growth()),), {"widths": [4, 8]}, "2 widths are too few for a slope"),
    ],
)
def test_what_cannot_be_validated_is_refused(records: Any, options: Any, message: str) -> None:
    with pytest.raises(NtksymError, match=message):
        check(*records, **options)


def test_every_measurement_has_a_name_of_its_own() -> None:
    assert {"kernel", "moment", "ntk", "training"} <= set(measurements)
    assert all(name == measurement.name for name, measurement in measurements.items())


# --- experiments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.names)
def test_every_architecture_gets_inputs_of_its_own(name: str) -> None:
    program = zoo.load(name)()
    sizes = {d.name: 6 for d in program.dims if d.equals is None and d.default is None and not d.large}
    experiment = experiment_of(program, [8, 16], sizes=sizes, batch=3)
    inputs = experiment.inputs if isinstance(experiment.inputs, dict) else {"x": experiment.inputs}
    assert len(inputs) == len(program.inputs)
    assert {len(array) for array in inputs.values()} == {3}
    assert experiment.at(8)[experiment.dim] == 8


def test_a_missing_size_and_a_growing_input_are_refused() -> None:
    with pytest.raises(ValidationError, match="give a size for d_in, as in sizes="):
        experiment_of(zoo.load("rnn")(), [8, 16])

    @ns.program
    def wide(x: ns.Vector(n)) -> ns.Value:
        return ns.dense(x, 1, name="readout")

    with pytest.raises(ValidationError, match="the input x grows with n"):
        experiment_of(wide(), [8, 16])
