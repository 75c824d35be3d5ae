"""What the analysis cannot answer it refuses, in one line that names the place, the reason and what to do."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from ntksym import language as ns
from ntksym.errors import ScalingError
from ntksym.language.ops_checks import operations, record
from ntksym.scaling import Parametrization, check_recipe, convert, predict_slopes, scaling_table
from ntksym.scaling.parametrizations import parametrizations
from ntksym.scaling.rules import rules
from tests.scaling.nets import perceptron

n, L = ns.dim("n"), ns.dim("L")
HERE = r"^test_refusals\.py:\d+: "


def refusal(program: Any, **settings: Any) -> str:
    """The message of the refusal: one line, whatever was asked."""
    with pytest.raises(ScalingError) as caught:
        scaling_table(program, **settings)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def matches(message: str, *parts: str) -> None:
    for part in parts:
        assert part in message, message


# --- programs ----------------------------------------------------------------------------------------------------


@ns.program
def long_recurrence(x: ns.Sequence(ns.dim("T"), "d_in")):
    return ns.dense(ns.pick(ns.rnn(x, n, name="cell"), "T", -1), 1, name="readout")


@ns.program
def shared_over_depth(x: ns.Vector("d_in")):
    h = ns.dense(x, n, name="embed")
    shared = ns.weight(h, "shared", n, n)

    def block(h):
        return h + ns.map("tanh", ns.matmul(shared, h)) / L

    return ns.dense(ns.repeat(L, block, h), 1, name="readout")


@ns.program
def exponential_of_a_sum(x: ns.Vector("d_in")):
    h = ns.dense(x, n, name="embed")
    return ns.dense(ns.map("exp", n * h), 1, name="readout")


@ns.program
def plain_relu_tower(x: ns.Vector("d_in")):
    """Without a branch scale the values double their variance in every block."""

    def block(h):
        return h + ns.dense(ns.map("relu", h), n, name="down", bias=False)

    return ns.dense(ns.repeat(L, block, ns.dense(x, n, name="embed")), 1, name="readout")


def test_a_scan_along_a_large_axis() -> None:
    message = refusal(long_recurrence(), large=["n", "T"])
    matches(message, "test_refusals.py:", "scan", "T", "fixed")


def test_the_same_scan_with_a_fixed_number_of_steps() -> None:
    assert scaling_table(long_recurrence(), large=["n"]).verdict.stable


def test_a_weight_shared_across_a_large_depth() -> None:
    matches(refusal(shared_over_depth()), "test_refusals.py:", "shared", "L", "inside of the body")


def test_the_same_weight_across_a_fixed_depth() -> None:
    assert scaling_table(shared_over_depth(), large=["n"]).verdict.stable


def test_an_exponential_of_something_that_grows() -> None:
    matches(refusal(exponential_of_a_sum()), "test_refusals.py:", "exp", "n", "not a power")


def test_a_residual_tower_that_grows_exponentially() -> None:
    matches(refusal(plain_relu_tower()), "test_refusals.py:", "L", "not a power", "scale the branch", "normalise")


@pytest.mark.parametrize("branch", [Fraction(-1, 2), Fraction(-1)], ids=str)
def test_what_the_refusal_advises_helps(branch: Fraction) -> None:
    @ns.program
    def scaled(x: ns.Vector("d_in")):
        def block(h):
            return h + L**branch * ns.dense(ns.map("relu", h), n, name="down", bias=False)

        return ns.dense(ns.repeat(L, block, ns.dense(x, n, name="embed")), 1, name="readout")

    @ns.program
    def normed(x: ns.Vector("d_in")):
        def block(h):
            return h + ns.dense(ns.map("relu", ns.rmsnorm(h)), n, name="down", bias=False)

        return ns.dense(ns.rmsnorm(ns.repeat(L, block, ns.dense(x, n, name="embed"))), 1, name="readout")

    assert scaling_table(scaled()).verdict.stable
    assert scaling_table(normed()).large == ("n", "L")
    assert scaling_table(plain_relu_tower(), large=["n"]).verdict.stable


def test_an_operation_without_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(operations, "fold", "an operation that no analysis knows")

    @ns.program
    def folded(x: ns.Vector("d_in")):
        h = ns.dense(x, n, name="embed")
        return ns.dense(record("fold", (h,), h.type), 1, name="readout")

    matches(refusal(folded()), "test_refusals.py:", "no rule", "'fold'", "ntksym.scaling.rules")


def test_every_operation_that_is_recorded_by_layers_has_a_rule() -> None:
    """Loops and their parts are followed elsewhere; anything else needs a rule of its own."""
    from_elsewhere = {"repeat", "scan", "carry", "element", "result"}
    assert set(operations) - from_elsewhere <= set(rules)


def test_no_large_dimension() -> None:
    @ns.program
    def small(x: ns.Vector("d_in")):
        return ns.dense(x, 3, name="w")

    matches(refusal(small()), "small", "no large dimension", "ns.dims")


def test_a_dimension_that_is_not_there() -> None:
    matches(refusal(perceptron(), large=["width"]), "'width'", "it has", "n")


def test_a_dimension_that_would_shrink() -> None:
    heads = ns.dim("heads")
    size = ns.dim("size", equals=ns.fixed("c") / heads)

    @ns.program
    def shrinking(x: ns.Vector("d_in")):
        return ns.dense(ns.dense(x, size, name="a"), heads, name="b")

    matches(refusal(shrinking(), large=["heads"]), "size", "shrink", "heads")


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"optimizer": "adamm"}, ("'adamm'", "adam", "sgd", "muon")),
        ({"optimizer": {"hidden.*": "muon"}}, ("input.w", "pattern", '"*"')),
        ({"optimizer": {"*": "mun"}}, ("'mun'", "muon")),
        ({"parametrization": "ntk"}, ("'ntk'", "ntp", "sp", "mup", "mfp")),
        ({"alignment": "some"}, ("'some'", "tensor_programs", "full", "none")),
        ({"form": "table4"}, ("'table4'", "table3", "table8", "table9", "unit")),
    ],
)
def test_an_unknown_name(settings: dict[str, Any], parts: tuple[str, ...]) -> None:
    matches(refusal(perceptron(), **settings), *parts)


def test_what_is_no_program() -> None:
    matches(refusal(lambda x: x), "Program", "@ns.program")
    matches(refusal("mlp"), "str", "Program")


def test_given_exponents_of_a_dimension_that_does_not_grow() -> None:
    mine = Parametrization(
        "mine", parametrizations["mup"].multiplier, given={"hidden.w": {"init_std": {"m": Fraction(-1)}}}
    )
    matches(refusal(perceptron(), parametrization=mine), "m", "large are", "n")


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ({"optimiser": "adam"}, ("'optimiser'", "optimizer", "parameters")),
        ({"parameters": ["input.w"]}, ("parameters",)),
        ({"parameters": {"input.w": "-1"}}, ("input.w",)),
        ({"parameters": {"input.w": {"rate": {"n": "-1"}}}}, ("input.w", "'rate'", "lr", "eps")),
        ({"parameters": {"input.w": {"lr": "-1"}}}, ("input.w", "lr", "'-1'", '{n = "-1"}')),
        ({"parameters": {"input.w": {"lr": {"n": 0.5}}}}, ("input.w", "lr", "0.5", "rational")),
        ({"parameters": {"input.w": {"lr": {"n": "minus one"}}}}, ("input.w", "minus one", "rational")),
        ({"parameters": {"input.w": {"lr": {"n": "1/0"}}}}, ("input.w", "1/0", "rational")),
        ({"parameters": {"input.w": {"lr": {"m": "1"}}}}, ("m", "large are", "n")),
        ({"optimizer": "adamm", "parameters": {}}, ("'adamm'",)),
        ({"large": ["width"], "parameters": {}}, ("'width'",)),
    ],
)
def test_a_recipe_that_cannot_be_read(recipe: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(ScalingError) as caught:
        check_recipe(perceptron(), recipe)
    matches(str(caught.value), *parts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ask", [scaling_table, predict_slopes], ids=lambda f: f.__name__)
def test_the_same_refusals_from_every_analysis(ask: Callable[..., Any]) -> None:
    with pytest.raises(ScalingError, match=HERE + r".*not a power"):
        ask(plain_relu_tower())
    with pytest.raises(ScalingError, match="'ntk'"):
        ask(perceptron(), parametrization="ntk")


def test_a_form_that_is_unknown_to_convert() -> None:
    with pytest.raises(ScalingError, match="'table4'"):
        convert(scaling_table(perceptron()), "table4")
