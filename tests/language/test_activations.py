"""Every registered activation, whoever adds it, is the same function in NumPy, mpmath and SymPy."""

import pickle
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntksym.errors import ExpressionError
from ntksym.language.activations import Activation, Family, activation, activations, registry
from ntksym.language.activations._base import register
from ntksym.language.expressions import mpmath_function, orders, parse, to_sympy

ALL = activations()
EVERY = pytest.mark.parametrize("phi", ALL.values(), ids=ALL.keys())


class Traced:
    """Stands for a traced value."""

    def apply_map(self, phi: Activation, *others: Any) -> tuple[Any, ...]:
        return (phi, self, *others)


# --- every one of them ---------------------------------------------------------------------------------


@EVERY
@settings(max_examples=12)
@given(st.floats(-30, 30))
def test_numpy_agrees_with_mpmath(phi: Activation, z: float) -> None:
    with mpmath.workdps(50):
        exact = mpmath_function(phi.expr, phi.symbols)(z)
    assert phi(z) == pytest.approx(float(exact), rel=1e-12, abs=1e-14)


@EVERY
@pytest.mark.parametrize("z", [Fraction(-7, 3), Fraction(-1, 5), Fraction(0), Fraction(2, 7), Fraction(9)])
def test_sympy_agrees_with_mpmath(phi: Activation, z: Fraction) -> None:
    expr = to_sympy(phi.expr)
    (symbol,) = expr.free_symbols
    with mpmath.workdps(40):
        exact = mpmath_function(phi.expr)(z)
        found = mpmath.mpf(str(expr.subs(symbol, to_sympy(parse(f"({z})"))).evalf(40)))
        assert mpmath.almosteq(found, exact, 1e-30, 1e-30)


@EVERY
def test_single_precision_far_out_is_silent(phi: Activation) -> None:
    z = np.array([-1e4, -1e2, -1.0, 0.0, 1.0, 1e2, 1e4], dtype=np.float32)
    value = phi(z)
    assert value.dtype == np.float32
    assert not np.isnan(value).any()
    if orders(phi.expr).growth is not None:
        assert np.isfinite(value).all()


def scales(phi: Activation, degree: int, z: Fraction, c: Fraction) -> bool:
    """Whether phi(c z) = c**degree phi(z)."""
    f = mpmath_function(phi.expr)
    with mpmath.workdps(40):
        return bool(mpmath.almosteq(f(c * z), (mpmath.mpf(c.numerator) / c.denominator) ** degree * f(z), 1e-30, 1e-30))


@EVERY
@settings(max_examples=8)
@given(st.fractions(-50, 50), st.fractions(Fraction(1, 50), 50))
def test_declared_homogeneity_holds(phi: Activation, z: Fraction, c: Fraction) -> None:
    assert phi.homogeneity is None or scales(phi, phi.homogeneity, z, c)


@EVERY
def test_homogeneity_is_declared_wherever_it_holds(phi: Activation) -> None:
    points = [(Fraction(z), Fraction(c)) for z in (-3, -1, 2, 5) for c in ("1/3", "2")]
    degrees = [degree for degree in range(5) if all(scales(phi, degree, z, c) for z, c in points)]
    assert degrees == ([] if phi.homogeneity is None else [phi.homogeneity])


@EVERY
def test_text_name_and_pickle(phi: Activation) -> None:
    assert Activation("again", str(phi.expr), phi.symbols) == phi
    assert activation(str(phi)) == phi
    assert pickle.loads(pickle.dumps(phi)) == phi
    assert phi.latex()


@EVERY
def test_orders_are_known(phi: Activation) -> None:
    found = orders(phi.expr)
    if phi.homogeneity is not None:
        assert (found.change, found.growth) == (phi.homogeneity, phi.homogeneity)


def test_the_registry_is_complete_and_names_are_attributes() -> None:
    assert set(ALL) == {
        *(
            "identity",
            "relu",
            "leaky_relu",
            "abrelu",
            "abs",
            "sign",
            "step",
            "relu_power",
            "erf",
            "normal_cdf",
        ),
        *("gelu", "gelu_tanh", "sin", "cos", "rbf", "exp", "gaussian", "tanh", "sigmoid", "silu", "softplus"),
        *("mish", "hard_tanh", "relu6", "hard_sigmoid", "elu", "selu", "celu", "square", "softsign"),
    }
    assert registry.tanh is registry["tanh"] is ALL["tanh"]
    assert registry.leaky_relu(0.5).name == "leaky_relu(1/2)"
    with pytest.raises(AttributeError, match="did you mean tanh"):
        _ = registry.tahn


# --- known values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "z", "value"),
    [
        ("leaky_relu(0.1)", -2.0, -0.2),
        ("abrelu(2, 3)", -1.0, -2.0),
        ("abrelu(2, 3)", 2.0, 6.0),
        ("relu_power(3)", 2.0, 8.0),
        ("relu6", 7.0, 6.0),
        ("hard_sigmoid", 1.5, 0.75),
        ("hard_tanh", -3.0, -1.0),
        ("elu(2)", -1.0, -1.2642411176571153),
        ("celu(2)", -1.0, -0.7869386805747332),
        ("selu", 1.0, 1.0507009873554805),
        ("selu", -1.0, -1.1113307378125625),
        ("gelu", 1.0, 0.8413447460685429),
        ("gelu_tanh", 1.0, 0.8411919906082768),
        ("mish", 1.0, 0.8650983882673103),
        ("silu", 1.0, 0.7310585786300049),
        ("gaussian", 1.0, 0.6065306597126334),
        ("softsign", -3.0, -0.75),
        ("rbf", 1.0, 1.3817732906760363),
    ],
)
def test_known_values(spec: str, z: float, value: float) -> None:
    assert activation(spec)(z) == pytest.approx(value, rel=1e-12)


# --- what a spec means ---------------------------------------------------------------------------------


def test_a_spec_is_a_name_a_member_or_an_expression() -> None:
    assert activation("tanh") is registry["tanh"]
    assert activation(" z * erf(z) ") == Activation("mine", "erf(z)*z")
    assert activation("z*sigmoid(z)") == registry["silu"]
    assert activation("tanh(z)") == registry["tanh"]
    assert activation("leaky_relu(z)") == activation("leaky_relu") == activation("leaky_relu()")
    assert activation("leaky_relu(1/5)") == activation("leaky_relu(0.2)") == registry.leaky_relu(Fraction(1, 5))
    assert activation(registry["elu"]) == registry.elu(1)
    assert activation(registry["relu"]) is registry["relu"]
    assert activation("abrelu(0, 1)") == registry["relu"]
    assert str(activation("elu(-1e-1)")) == "elu(-1/10)"
    assert activation("leaky_relu(0.1) + relu6(0.2)").expr == parse("Max(1/10, 0) + 1/5")
    assert activation("gate*silu(up)", ("gate", "up"))(2.0, 0.0) == 0


def test_equality_is_of_expressions_and_symbols() -> None:
    assert activation("z*tanh(z)") == activation("tanh(z)*z")
    assert len({activation("z^2"), activation("z*z"), registry["square"]}) == 1
    assert Activation("f", "a*b", ("a", "b")) != Activation("f", "a*b", ("b", "a"))
    assert registry["tanh"] != "tanh"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tahn", "no activation is named 'tahn'; did you mean tanh"),
        ("swish", "no activation is named 'swish'"),
        ("erfc", "write erfc\\(z\\)"),
        ("tahn(z)", "did you mean tan or tanh"),
        ("z*sigmoi(z)", "did you mean sigmoid"),
        ("relu_power(1/2)", "integer k"),
        ("celu(0)", "needs a > 0"),
        ("leaky_relu(1, 2)", "takes numbers as its parameters slope"),
        ("__import__('os')", "cannot read"),
        ("", "found nothing"),
        ("silu(" * 40 + "z" + ")" * 40, "too large"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        activation(spec)


@pytest.mark.parametrize("value", ["z", "", float("nan"), float("inf"), None, "pi", np.ones(2)])
def test_parameters_are_numbers(value: Any) -> None:
    with pytest.raises(ExpressionError, match="must be a number"):
        registry.leaky_relu(value)


# --- calling -------------------------------------------------------------------------------------------


def test_a_traced_value_records_the_map() -> None:
    x, y = Traced(), Traced()
    gate = activation("gate*silu(up)", ("gate", "up"))
    assert gate(x, y) == (gate, x, y)
    assert registry.leaky_relu(x) == (registry.leaky_relu.default, x)


def test_numbers_and_arrays_are_evaluated() -> None:
    assert registry["relu"](-1.5) == 0
    assert registry["relu"](np.array([-1, 2])).tolist() == [0, 2]
    with pytest.raises(ExpressionError, match="takes 1 value"):
        registry["relu"](1, 2)


# --- adding one ----------------------------------------------------------------------------------------


def test_one_file_adds_an_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    source = ModuleType("cubic")
    code = "from ntksym.language.activations._base import *\ncubic = register(Activation('cubic', 'z**3'))"
    exec(code, source.__dict__)
    assert activation("cubic")(2.0) == 8
    assert activation("1 + cubic(z)")(2.0) == 9
    with pytest.raises(ExpressionError, match="two activations"):
        register(Activation("cubic", "z"))


def test_a_family_is_a_function_of_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entries", {})

    @register
    def scaled(a: Fraction = Fraction(3)) -> Activation:
        return Activation("scaled", f"({a})*z", homogeneity=1)

    assert isinstance(scaled, Family)
    assert str(scaled) == "scaled"
    assert (scaled(a=0.5).name, scaled(a=0.5).homogeneity) == ("scaled(1/2)", 1)
    assert scaled.default(1.0) == 3


def test_every_file_is_found() -> None:
    files = {path.stem for path in Path(__file__).parents[2].glob("ntksym/language/activations/[a-z]*.py")}
    assert files
    assert all(f"ntksym.language.activations.{name}" in sys.modules for name in files)
    assert len(registry) >= len(files)
