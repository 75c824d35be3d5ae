"""Sweeps over learning rates: the minimum of a parabola, how it drifts, a short sweep and (long) the whole picture."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ntksym import zoo
from ntksym.errors import SamplingError
from ntksym.scaling.parametrizations import parametrizations
from ntksym.validation.transfer import curve_of, drift_of, mu_transfer, predicted_drift, vertex
from ntksym.validation.transfer_record import Curve, TransferSweep

pytest.importorskip("jax", reason='needs the extra "networks"')
pytest.importorskip("optax", reason='needs the extra "networks"')
pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

SCHEMA = Path(__file__).parents[1] / "schemas" / "transfer_sweep.schema.json"
LOGS = np.arange(-8.0, 0.0)
PERCEPTRON = zoo.load("mlp")(d_out=10, bias=False)


def test_the_vertex_of_a_parabola() -> None:
    assert vertex(LOGS, np.exp(0.3 * (LOGS + 3.7) ** 2)) == pytest.approx(-3.7)


def test_a_minimum_at_an_end_is_none() -> None:
    assert vertex(LOGS, np.exp(LOGS)) is None
    assert vertex(LOGS, np.full(8, np.nan)) is None


def test_rates_that_diverge_are_left_out() -> None:
    losses = np.exp(0.3 * (LOGS + 3.7) ** 2)
    losses[6:] = np.nan
    assert vertex(LOGS, losses) == pytest.approx(-3.7)


def test_the_error_of_a_best_rate_is_that_of_the_bootstrap() -> None:
    """Vertices of single networks spread by 0.5; the mean over 25 of them has an error near 0.1 (4 errors of 18 %)."""
    centres = -3.7 + 0.5 * np.random.default_rng(0).standard_normal(25)
    found = curve_of(64, LOGS, np.exp(0.05 * (LOGS - centres[:, None]) ** 2), seed=1)
    assert found.best == pytest.approx(centres.mean(), abs=0.1)
    assert found.error is not None
    assert 0.05 < found.error < 0.2


def test_the_drift_is_the_slope_of_the_best_rates() -> None:
    curves = [Curve(2**k, (), -4 - 0.5 * k, 0.1) for k in (5, 6, 7, 8)]
    drift, error = drift_of(curves)
    assert drift == pytest.approx(-0.5)
    assert error == pytest.approx(0.1 / np.sqrt(5))
    assert drift_of(curves[:1]) == (None, None)
    scattered = [Curve(2**k, (), (-1) ** k * 0.4, 0.1) for k in (5, 6, 7, 8)]
    assert drift_of(scattered)[1] > 3 * 0.1 / np.sqrt(5)


def test_what_the_theory_says() -> None:
    """Everett et al. 2024, Table 1, hidden weights under Adam in sp: n^-1 with full alignment, n^(-1/2) without."""
    adam = predicted_drift(PERCEPTRON, "adam", parametrizations["sp"], "n")
    assert (adam["full"], adam["none"]) == (-1, Fraction(-1, 2))
    assert adam["tensor_programs"] == Fraction(-3, 2)
    assert set(predicted_drift(PERCEPTRON, "adam", parametrizations["mup"], "n").values()) == {0}


@pytest.fixture(scope="module")
def short() -> TransferSweep:
    rates = [2.0**-k for k in range(2, 11)]
    return mu_transfer(PERCEPTRON, widths=(32, 128), rates=rates, steps=16, samples=8)


def test_the_best_rate_stays_under_mup_and_drifts_under_sp(short: TransferSweep) -> None:
    """Drifts are told apart by 4 errors (chance once in 16,000 times): mup's from every half power, sp's from 0.

    At these small widths the best rate still rises a little under mup, by 0.2 a doubling; the long test goes on.
    """
    mup, sp = short["mup"], short["sp"]
    assert mup.drift is not None
    assert sp.drift is not None
    assert abs(mup.drift) + 4 * mup.drift_error < 0.5
    assert sp.drift + 4 * sp.drift_error < 0
    assert sp.drift < mup.drift - 0.5


def test_mup_and_sp_are_one_network_at_the_base(short: TransferSweep) -> None:
    """At the smallest width both are the plain network with one rate, trained on the same batches."""
    mup, sp = short["mup"].curves[0], short["sp"].curves[0]
    assert mup.losses == pytest.approx(sp.losses, rel=1e-3)


def test_the_record_in_all_forms(short: TransferSweep) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = json.loads(json.dumps(short.to_json()))
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert TransferSweep.from_json(data) == short
    assert "predicted in the limit, with one rate for all parameters: -3/2 (tensor_programs)" in str(short)
    for text in (short.to_markdown(), short.to_html(), short.to_latex()):
        assert "mup" in text
    assert len(short.to_csv().splitlines()) == 5
    with pytest.raises(SamplingError, match="no µTransfer sweep"):
        TransferSweep.from_json([])
    with pytest.raises(SamplingError, match="not complete or cannot be read"):
        TransferSweep.from_json({**data, "sweeps": [{}]})
    with pytest.raises(KeyError, match="no sweep of 'ntp'; there are: mup, sp"):
        short["ntp"]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SamplingError, match="a minimum needs 5 positive rates or more"):
        mu_transfer(PERCEPTRON, rates=[0.1, 0.2])
    with pytest.raises(SamplingError, match="an error over networks needs two or more"):
        mu_transfer(PERCEPTRON, samples=1)


@pytest.mark.long
def test_mu_transfer_from_64_to_2048() -> None:
    found = mu_transfer(PERCEPTRON, widths=(64, 128, 256, 512, 1024, 2048), samples=4)
    mup, sp = found["mup"], found["sp"]
    assert mup.drift is not None
    assert sp.drift is not None
    assert abs(mup.drift) < 0.1 + 4 * mup.drift_error
    assert sp.drift + 4 * sp.drift_error < -0.3
