"""Tables of papers on width, entry by entry; every number here was typed from a paper, none is computed.

Entries are growth exponents: "n^-1" for a rate of 1/n, "n^-1/2" for a standard deviation of n^(-1/2).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ntksym.scaling import check_recipe, scaling_table
from tests.scaling.helpers import column, exponents, powers
from tests.scaling.nets import perceptron, shallow

LAYERS = ("input.w", "hidden.w", "output.w")

# --- Yang & Hu 2020, "Feature learning in infinite-width neural networks", Table 1 ----------------------------------
# W^l = n^-a_l w^l, w^l ~ N(0, n^-2b_l), one rate n^-c for all; r says that features move by n^-r.

ABC = {
    "SP": ((0, 0, 0), (0, "1/2", "1/2"), 1, "1/2", "kernel"),
    "NTP": ((0, "1/2", "1/2"), (0, 0, 0), 0, "1/2", "kernel"),
    "MUP": (("-1/2", 0, "1/2"), ("1/2", "1/2", "1/2"), 0, 0, "feature learning"),
}


def decaying(*exponents: Any) -> list[dict[str, str]]:
    """Decay exponents as the growth of a recipe."""
    return [{"n": str(-Fraction(power))} for power in exponents]


def abc_recipe(names: tuple[str, ...], a: tuple[Any, ...], b: tuple[Any, ...], c: Any) -> dict[str, Any]:
    entries = {
        name: {"multiplier": multiplier, "init_std": std, "lr": lr}
        for name, multiplier, std, lr in zip(names, decaying(*a), decaying(*b), decaying(*[c] * len(a)), strict=True)
    }
    return {"optimizer": "sgd", "large": ["n"], "parameters": entries}


@pytest.mark.parametrize("name", ABC)
def test_yang_hu_2020_table_1(name: str) -> None:
    a, b, c, r, regime = ABC[name]
    verdict = check_recipe(perceptron(bias=False), abc_recipe(LAYERS, a, b, c)).verdict
    assert verdict.stable
    assert verdict.regime == regime
    assert verdict.r == {"n": Fraction(r)}


def test_yang_hu_2020_table_1_mean_field_of_one_hidden_layer() -> None:
    recipe = abc_recipe(("input.w", "output.w"), (0, 1), (0, 0), -1)
    verdict = check_recipe(shallow(), recipe).verdict
    assert (verdict.stable, verdict.regime, verdict.r) == (True, "feature learning", {"n": 0})


@pytest.mark.parametrize(
    ("name", "c", "stable", "regime"),
    [
        ("SP", 0, False, "unstable"),
        ("SP", "1/2", False, "unstable"),
        ("SP", 2, True, "trivial"),
        ("NTP", "-1/2", False, "unstable"),
        ("NTP", 1, True, "trivial"),
        ("MUP", -1, False, "unstable"),
        ("MUP", "1/2", True, "trivial"),
    ],
)
def test_yang_hu_2020_other_rates_blow_up_or_stand_still(name: str, c: Any, stable: bool, regime: str) -> None:
    """Theorem 3.3 and its corollaries: the rates of Table 1 are the largest stable ones."""
    a, b, *_ = ABC[name]
    verdict = check_recipe(perceptron(bias=False), abc_recipe(LAYERS, a, b, c)).verdict
    assert verdict.stable is stable
    if stable:
        assert verdict.regime == regime


# --- Yang et al. 2022 (Tensor Programs V), Tables 3, 8 and 9 --------------------------------------------------------
# The tables state variances; here are standard deviations. Input and output dimensions are fixed, so 1/fan_in is 1
# for input weights, and fan_out is 1 for output weights.

TENSOR_PROGRAMS_5 = {
    # parameter: multiplier, init std, rate of SGD, rate of Adam
    "table3": {
        "input.w": ("1", "1", "n", "1"),
        "input.b": ("1", "1", "n", "1"),
        "hidden.b": ("1", "1", "n", "1"),
        "hidden.w": ("1", "n^-1/2", "1", "n^-1"),
        "output.w": ("1", "n^-1", "n^-1", "n^-1"),
    },
    "table8": {
        "input.w": ("1", "1", "n", "1"),
        "input.b": ("1", "1", "n", "1"),
        "hidden.b": ("1", "1", "n", "1"),
        "hidden.w": ("1", "n^-1/2", "1", "n^-1"),
        "output.w": ("n^-1", "1", "n", "1"),
    },
    "table9": {
        "input.w": ("n^1/2", "n^-1/2", "1", "n^-1/2"),
        "input.b": ("n^1/2", "n^-1/2", "1", "n^-1/2"),
        "hidden.b": ("n^1/2", "n^-1/2", "1", "n^-1/2"),
        "hidden.w": ("1", "n^-1/2", "1", "n^-1"),
        "output.w": ("n^-1/2", "n^-1/2", "1", "n^-1/2"),
    },
}


@pytest.mark.parametrize(("form", "row"), [(form, row) for form, rows in TENSOR_PROGRAMS_5.items() for row in rows])
def test_yang_2022(form: str, row: str) -> None:
    multiplier, std, sgd, adam = map(powers, TENSOR_PROGRAMS_5[form][row])
    for optimizer, rate in (("sgd", sgd), ("adam", adam)):
        table = scaling_table(perceptron(), optimizer=optimizer, form=form)
        assert column(table, row, "multiplier") == multiplier
        assert column(table, row, "init_std") == std
        assert column(table, row, "lr") == rate
        assert table.verdict.regime == "feature learning"


@pytest.mark.parametrize("form", TENSOR_PROGRAMS_5)
def test_yang_2022_output_bias_has_no_width(form: str) -> None:
    table = scaling_table(perceptron(), optimizer="sgd", form=form)
    assert all(column(table, "output.b", name) == {} for name in ("multiplier", "init_std", "lr"))


# Yang & Littwin 2023 (Tensor Programs IVb) and Dey et al. 2025: epsilon follows the size of the gradient.
@pytest.mark.parametrize(
    ("form", "row", "eps"),
    [
        ("table3", "input.w", "n^-1"),
        ("table3", "hidden.w", "n^-1"),
        ("table3", "hidden.b", "n^-1"),
        ("table3", "output.w", "1"),
        ("table8", "output.w", "n^-1"),
        ("table9", "input.w", "n^-1/2"),
        ("table9", "hidden.w", "n^-1"),
        ("table9", "output.w", "n^-1/2"),
    ],
)
def test_yang_littwin_2023_epsilon(form: str, row: str, eps: str) -> None:
    for optimizer in ("adam", "adamw", "adagrad", "rmsprop"):
        assert column(scaling_table(perceptron(), optimizer=optimizer, form=form), row, "eps") == powers(eps)


# --- Everett et al. 2024, "Scaling exponents across parameterizations and optimizers", Table 1 ----------------------
# Decay exponents of the rate of (embedding, hidden, readout). mup is in the form of Table 9.

EVERETT = {
    ("full", "sgd"): {
        "sp": ("-1/2", "1/2", "1"),
        "ntp": ("-1/2", "-1/2", "0"),
        "mup": ("0", "0", "0"),
        "mfp": ("-1", "-1", "-1"),
    },
    ("full", "adam"): {
        "sp": ("0", "1", "1"),
        "ntp": ("0", "1/2", "1/2"),
        "mup": ("1/2", "1", "1/2"),
        "mfp": ("0", "1/2", "0"),
    },
    # With parameter scaling a rate is relative to the weight: Adam's exponent minus that of the weight.
    ("full", "adafactor"): {
        "sp": ("0", "1/2", "1/2"),
        "ntp": ("0", "1/2", "1/2"),
        "mup": ("0", "1/2", "0"),
        "mfp": ("0", "1/2", "0"),
    },
    ("none", "sgd"): {
        "sp": ("-1/2", "0", "1/2"),
        "ntp": ("-1/2", "-1", "-1/2"),
        "mup": ("0", "-1/2", "0"),
        "mfp": ("-1", "-3/2", "-1"),
    },
    ("none", "adam"): {
        "sp": ("0", "1/2", "1/2"),
        "ntp": ("0", "0", "0"),
        "mup": ("1/2", "1/2", "0"),
        "mfp": ("0", "0", "-1/2"),
    },
    # Without alignment a relative rate is constant wherever the weight is as large as its update may be.
    ("none", "adafactor"): {"sp": ("0", "0", "0"), "ntp": ("0", "0", "0")},
}


@pytest.mark.parametrize(
    ("alignment", "optimizer", "parametrization"),
    [(*key, name) for key, names in EVERETT.items() for name in names],
)
def test_everett_2024_table_1(alignment: str, optimizer: str, parametrization: str) -> None:
    form = "table9" if parametrization == "mup" else None
    table = scaling_table(
        perceptron(bias=False),
        optimizer=optimizer,
        parametrization=parametrization,
        alignment=alignment,
        form=form,
    )
    found = [{name: -power for name, power in (column(table, row, "lr") or {}).items()} for row in LAYERS]
    assert found == [{"n": Fraction(c)} if Fraction(c) else {} for c in EVERETT[alignment, optimizer][parametrization]]


@pytest.mark.parametrize(
    ("parametrization", "multipliers", "stds"),
    [
        ("sp", ("1", "1", "1"), ("1", "n^-1/2", "n^-1/2")),
        ("ntp", ("1", "n^-1/2", "n^-1/2"), ("1", "1", "1")),
        ("mfp", ("1", "n^-1/2", "n^-1"), ("1", "1", "1")),
    ],
)
def test_everett_2024_table_1_entries(
    parametrization: str, multipliers: tuple[str, ...], stds: tuple[str, ...]
) -> None:
    table = scaling_table(perceptron(bias=False), parametrization=parametrization)
    assert [column(table, row, "multiplier") for row in LAYERS] == list(map(powers, multipliers))
    assert [column(table, row, "init_std") for row in LAYERS] == list(map(powers, stds))


# --- the kernel limit: Jacot et al. 2018, Lee et al. 2019 ------------------------------------------------------------


def test_lee_2019_rates_of_the_kernel_regime() -> None:
    """With operator-norm bounds the largest rates of NTK networks are constant, those of standard ones 1/n."""
    ntk = scaling_table(perceptron(bias=False), optimizer="sgd", parametrization="ntp")
    assert [column(ntk, row, "lr") for row in LAYERS] == [{}, {}, {}]
    standard = scaling_table(perceptron(bias=False), optimizer="sgd", parametrization="sp")
    assert [column(standard, row, "lr") for row in LAYERS[1:]] == [powers("n^-1"), powers("n^-1")]
    for table in (ntk, standard):
        assert table.verdict.regime == "kernel"
        assert exponents(table.verdict.features) == powers("n^-1/2")


# --- Blake et al. 2024, "u-muP", Table 2 (rates as mup alone gives them) --------------------------------------------


@pytest.mark.parametrize(
    ("row", "multiplier", "adam"),
    [("hidden.w", "n^-1/2", "n^-1/2"), ("output.w", "n^-1", "1"), ("input.w", "1", "1")],
)
def test_blake_2024_unit_scaling(row: str, multiplier: str, adam: str) -> None:
    table = scaling_table(perceptron(), form="unit")
    assert column(table, row, "multiplier") == powers(multiplier)
    assert column(table, row, "init_std") == {}
    assert column(table, row, "lr") == powers(adam)


# --- Geiger et al. 2020 / Mei et al. 2018 / Rotskoff & Vanden-Eijnden 2018: mean-field rates ------------------------


def test_mei_2018_mean_field_rates_grow_with_width() -> None:
    table = scaling_table(shallow(), optimizer="sgd", parametrization="mfp")
    assert column(table, "output.w", "multiplier") == powers("n^-1")
    assert [column(table, row, "lr") for row in ("input.w", "output.w")] == [powers("n"), powers("n")]
