"""Expectations of more than a dual: means, several variables, degenerate covariances, random expressions."""

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from sympy import Rational, sqrt

from ntksym.gaussian import GaussianError, evaluate, expect
from ntksym.gaussian.answers import by_rank_one, by_wick
from ntksym.gaussian.expectation import expectation
from ntksym.gaussian.floats import grid, panels, roots
from ntksym.gaussian.pieces import has_kinks, pieces
from ntksym.language.activations import Activation, activation
from ntksym.language.expressions import parse, symbols

P, Q = sympy.symbols("p q", positive=True)
R, M = sympy.symbols("r m", real=True)


def symbolic(n: int) -> list[list[Any]]:
    return [
        [sympy.Symbol(f"k{min(i, j)}{max(i, j)}", positive=i == j or None, real=True) for j in range(n)]
        for i in range(n)
    ]


def sampled(factors: list[str], K: Any, mean: Any, draws: int = 2_000_000) -> tuple[float, float]:
    """Monte Carlo: (mean, standard error), half of the draws mirrored."""
    rng = np.random.default_rng(7)
    L = np.linalg.cholesky(K)
    x = L @ rng.standard_normal((len(K), draws // 2))
    z = np.concatenate([x, -x], axis=1) + np.asarray(mean)[:, None]
    value = np.prod([activation(f)(z[i]) for i, f in enumerate(factors)], axis=0)
    paired = (value[: draws // 2] + value[draws // 2 :]) / 2
    return float(paired.mean()), float(paired.std() / np.sqrt(len(paired)))


# --- several variables ---------------------------------------------------------------------------------

K3 = [[1.0, 0.3, -0.2], [0.3, 0.8, 0.4], [-0.2, 0.4, 1.5]]
K4 = [[1.0, 0.3, -0.2, 0.1], [0.3, 0.8, 0.4, 0.0], [-0.2, 0.4, 1.5, 0.5], [0.1, 0.0, 0.5, 0.9]]
CASES = [
    (["relu", "relu", "relu"], K3, [0, 0, 0]),
    (["gelu", "erf", "relu"], K3, [0, 0, 0]),
    (["sin", "z**2", "exp(z/2)"], K3, [0.2, 0, -0.1]),
    (["step", "z", "hard_tanh"], K3, [0, 0.5, 0]),
    (["relu", "relu", "relu", "relu"], K4, [0, 0, 0, 0]),
    (["erf", "erf", "erf", "erf"], K4, [0, 0, 0, 0]),
    (["z*sin(z)", "z", "step", "z**2"], K4, [0, 0, 0, 0]),
]


@pytest.mark.parametrize(("factors", "K", "mean"), CASES, ids=lambda case: "-".join(map(str, case))[:40])
def test_several_variables_against_sampling(factors: list[str], K: Any, mean: Any) -> None:
    exact = [[Rational(str(entry)) for entry in row] for row in K]
    answer = expect(factors, exact, [Rational(str(entry)) for entry in mean])
    assert (answer.strategy, answer.evidence.kind) == ("rank-one", "exact")
    found = float(evaluate(answer, digits=12).value)
    expected, error = sampled(factors, np.array(K), mean)
    assert abs(found - expected) < 5 * error


@pytest.mark.parametrize("phi", ["gelu", "erf", "z*erf(z)"])
def test_three_smooth_variables_against_a_grid(phi: str) -> None:
    answer = expect([phi] * 3, symbolic(3))
    values = {f"k{i}{j}": Rational(str(K3[i][j])) for i in range(3) for j in range(i, 3)}
    factors = tuple(parse(activation(phi).text.replace("z", f"z{k + 1}"), (f"z{k + 1}",)) for k in range(3))
    L = np.linalg.cholesky(np.array(K3))
    (expected,), _, _ = grid(factors, L[None], np.zeros((1, 3)))
    assert float(evaluate(answer, values, 12).value) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_four_relu_in_symbols_reduce_to_pairs_when_independent() -> None:
    answer = expect(["relu"] * 4, [[P, R, 0, 0], [R, Q, 0, 0], [0, 0, P, R], [0, 0, R, Q]])
    pair = expect(["relu", "relu"], [[P, R], [R, Q]])
    assert sympy.expand(answer.expression - pair.expression**2) == 0


def test_a_gate_factorises_and_keeps_the_weaker_evidence() -> None:
    glu = Activation("glu", "gate*silu(up)", ("gate", "up"))
    K = [[1, 0, R, 0], [0, 2, 0, 1], [R, 0, 1, 0], [0, 1, 0, 2]]
    answer = expect([glu, glu], K)
    alone = evaluate(expect(["silu", "silu"], [[2, 1], [1, 2]]), digits=12)
    found = evaluate(answer, {"r": Rational(1, 3)}, 12)
    assert answer.evidence.kind == "quadrature"
    assert float(found.value) == pytest.approx(float(alone.value) / 3, rel=1e-11)


def test_functions_of_two_variables() -> None:
    """E max(u, v) = sqrt((p + q - 2r)/(2 pi)) (Clark 1961)."""
    largest = Activation("largest", "Max(a, b)", ("a", "b"))
    found = expect([largest], [[P, R], [R, Q]]).expression
    values = {P: 2, Q: 3, R: Rational(1, 2)}
    assert abs((found - sqrt((P + Q - 2 * R) / (2 * sympy.pi))).subs(values).evalf(30)) < 1e-25


# --- means and degenerate covariances ------------------------------------------------------------------


@pytest.mark.parametrize("phi", ["relu", "gelu", "erf", "sin", "exp", "hard_tanh", "elu", "sign"])
def test_a_mean_is_a_shift_of_the_argument(phi: str) -> None:
    shift = Rational(1, 3)
    moved = expect([phi, phi], [[P, R], [R, Q]], [M, M])
    shifted = activation(activation(phi).text.replace("z", "(z + 1/3)").replace("Piecewise(((", "Piecewise((("))
    typed = expect([shifted, shifted], [[P, R], [R, Q]])
    values = {"p": 2, "q": Rational(1, 2), "r": Rational(1, 3)}
    first, second = evaluate(moved, {**values, "m": shift}, 20).value, evaluate(typed, values, 20).value
    assert mpmath.almosteq(first, second, 1e-14, 1e-14)


@pytest.mark.parametrize("phi", ["relu", "leaky_relu", "erf", "gelu", "hard_tanh", "elu", "rbf", "step", "z*sign(z)"])
def test_degenerate_covariances_in_symbols(phi: str) -> None:
    """Identical arguments, opposite ones, and r = sqrt(p q), against the generic form next to them."""
    generic = expect([phi, phi], [[P, R], [R, Q]])
    cases = [
        ([[P, P], [P, P]], {P: 2}, {"p": 2, "q": 2, "r": 2 - Rational(1, 10**12)}),
        ([[P, -P], [-P, P]], {P: 2}, {"p": 2, "q": 2, "r": -2 + Rational(1, 10**12)}),
        ([[P, sqrt(P * Q)], [sqrt(P * Q), Q]], {P: 2, Q: 8}, {"p": 2, "q": 8, "r": 4 - Rational(1, 10**12)}),
    ]
    for K, exact, near in cases:
        answer = expect([phi, phi], K)
        assert answer.evidence.kind == "exact"
        found = float(evaluate(answer, {str(s): v for s, v in exact.items()}, 15).value)
        assert found == pytest.approx(float(evaluate(generic, near, 15).value), abs=2e-6)


def test_squares_of_one_variable() -> None:
    assert expect(["relu", "relu"], [[P, P], [P, P]]).expression == P / 2
    assert expect(["relu"] * 4, [[P] * 4] * 4).expression == 3 * P**2 / 2
    assert expect(["step"] * 3, [[P] * 3] * 3).expression == Rational(1, 2)
    assert expect(["relu", "step"], [[P, -P], [-P, P]]).expression == 0
    assert expect(["z**2*step(z)", "step"], [[P, sqrt(P * Q)], [sqrt(P * Q), Q]]).expression == P / 2


def test_three_variables_in_a_plane() -> None:
    """z3 = z1 + z2: singular, though no two variables are parallel."""
    K = [[1, 0, 1], [0, 1, 1], [1, 1, 2]]
    # step(a) step(b) step(a + b) = step(a) step(b)
    assert float(evaluate(expect(["step"] * 3, K), digits=20).value) == pytest.approx(0.25, rel=1e-15)
    assert evaluate(expect(["relu", "relu", "z"], K), digits=15).value == pytest.approx(1 / np.sqrt(2 * np.pi))


def test_floats_on_the_boundary_are_mended_and_beyond_it_refused() -> None:
    answer = expect(["relu", "relu"], [[P, R], [R, Q]])
    found = evaluate(answer, {"p": 2.0, "q": 3.0, "r": 6.0**0.5}, 12).value
    assert float(found) == pytest.approx(6**0.5 / 2, rel=1e-12)
    with pytest.raises(GaussianError, match="no covariance"):
        evaluate(answer, {"p": 1, "q": 1, "r": 1.1})
    with pytest.raises(GaussianError, match="a value is needed for q, r"):
        evaluate(answer, {"p": 1})
    with pytest.raises(GaussianError, match="2 by 2"):
        expect(["relu", "relu"], [[1]])


# --- two strategies ------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3, st.integers(-3, 3)), min_size=1, max_size=3))
def test_wick_and_rank_one_agree_on_polynomials(monomials: list[tuple[int, int, int, int]]) -> None:
    text = " + ".join(f"({c})*a**{i}*b**{j}*c**{k}" for i, j, k, c in monomials)
    question = expectation([Activation("f", f"a*b*c + {text}", ("a", "b", "c"))], symbolic(3), [M, 0, 1])
    difference = by_wick(question).expression - by_rank_one(question).expression
    assert sympy.expand(difference) == 0


# --- random expressions --------------------------------------------------------------------------------

KNOWN = {"relu": parse("Max(z, 0)")}
ATOMS = st.sampled_from(["z", "z**2", "1", "exp(z/2)", "exp(-z**2/3)", "erf(z)", "Phi(z - 1)", "exp(-z)"])
SWITCHES = st.sampled_from(["1", "step(z)", "step(z - 1/2)", "step(1 - z)", "sign(z + 1)", "Abs(z)", "relu(z + 1)"])


@st.composite
def expressions(draw: Any) -> str:
    terms = [f"({draw(st.integers(-3, 3))})*{draw(ATOMS)}*{draw(SWITCHES)}" for _ in range(draw(st.integers(1, 2)))]
    return " + ".join(terms)


RANDOM = given(
    expressions(), expressions(), st.fractions(-1, 1, max_denominator=7), st.sampled_from([0, Rational(1, 2)])
)


@settings(max_examples=15, phases=[Phase.generate])
@RANDOM
def test_random_expressions_against_quadrature(f: str, g: str, rho: Any, m: Any) -> None:
    check_random(f, g, rho, m)


@pytest.mark.long
@settings(max_examples=80)
@RANDOM
def test_many_random_expressions_against_quadrature(f: str, g: str, rho: Any, m: Any) -> None:
    check_random(f, g, rho, m)


def check_random(f: str, g: str, rho: Any, m: Any) -> None:
    p, q = Rational(1), Rational(4, 9)
    r = Rational(rho.numerator, rho.denominator) * Rational(2, 3)
    answer = expect([f, g], [[p, r], [r, q]], [m, 0])
    assert answer.evidence.kind == "exact"
    assume("orthant" not in answer.evidence.note)  # exact too, but minutes of nested integrals
    found = float(evaluate(answer, digits=12).value)
    K = np.array([[float(p), float(r)], [float(r), float(q)]])
    factors = (parse(f.replace("z", "z1"), ("z1",), KNOWN), parse(g.replace("z", "z2"), ("z2",), KNOWN))
    assume(all(map(symbols, factors)))
    breaks = [[float(b) for b in pieces(factor).breaks] if has_kinks(factor) else [] for factor in factors]
    (expected,), _, _ = panels(factors, roots(K[None]), np.array([[float(m), 0.0]]), breaks)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-10)
