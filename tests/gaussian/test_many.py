"""Arrays of numbers in double precision against the same in many digits, and the sampled expectations."""

import numpy as np
import pytest
import sympy

from ntksym.gaussian import GaussianError, dual, dual_derivative, evaluate, evaluate_many, expect
from ntksym.gaussian.floats import expectations, roots
from ntksym.gaussian.sampled import MOST_VARIABLES, sampled
from ntksym.gaussian.special import bivariate_normal, bivariate_normal_array
from ntksym.language.activations import activations
from ntksym.language.expressions import parse

VARIANCES = [(1.0, 1.0), (0.125, 3.0)]
APART, NEAR = (0.0, 0.3, -0.7, 0.99), (1 - 1e-6, 1 - 1e-10, 1.0, -1.0, -1 + 1e-9)
JUMPS = ("sign", "step")


def grid(correlations: tuple[float, ...]) -> dict[str, np.ndarray]:
    rows = [(p, q, c * np.sqrt(p * q) * (1 - 2e-16)) for c in correlations for p, q in VARIANCES]
    return dict(zip("pqr", np.array(rows).T, strict=True))


def in_digits(answer, values: dict[str, np.ndarray]) -> np.ndarray:
    points = zip(*values.values(), strict=True)
    return np.array([float(evaluate(answer, dict(zip(values, point, strict=True)), 17).value) for point in points])


@pytest.mark.parametrize("name", ["relu", "gelu", "erf", "hard_tanh", "sin"])
@pytest.mark.parametrize("derive", [dual, dual_derivative])
def test_closed_forms_keep_twelve_digits(name, derive) -> None:
    """Next to parallel inputs a sum over points takes over, and only there."""
    values = grid((*APART, NEAR[0]))
    answer = derive(name)
    found = evaluate_many(answer, values)
    assert found.evidence.kind == "exact"
    assert np.abs(found.value - in_digits(answer, values)).max() < 1e-12


@pytest.mark.parametrize("name", activations())
def test_nearly_parallel_inputs_are_what_parallel_ones_are(name: str) -> None:
    """To the root of the rounding for functions that jump, whose duals have a vertical tangent there."""
    answer = dual(name)
    found = evaluate_many(answer, grid(NEAR)).value
    limit = evaluate_many(answer, grid((1, 1, 1, -1, -1))).value
    assert np.isfinite(found).all()
    assert (np.abs(found - limit) < (2e-3 if name in JUMPS else 5e-6) * (1 + np.abs(limit))).all()


@pytest.mark.parametrize("name", activations())
def test_zero_input_gives_the_value_at_zero(name: str) -> None:
    values = {"p": [0.0, 0.0, 2.0], "q": [0.0, 0.5, 0.0], "r": [0.0, 0.0, 0.0]}
    answer, at_zero = dual(name), float(evaluate(expect([name], [[0]]), {}, 17).value)
    found = evaluate_many(answer, values)
    mean = expect([name], [[sympy.Symbol("p")]])
    means = evaluate_many(mean, {"p": [0.0, 0.5, 2.0]}).value
    assert found.value == pytest.approx(at_zero * means, rel=1e-12, abs=1e-14)
    assert means[0] == pytest.approx(at_zero, rel=1e-15, abs=0)


@pytest.mark.parametrize("name", ["tanh", "silu", pytest.param("softsign", marks=pytest.mark.long), "sigmoid"])
def test_sums_over_points_keep_their_bound(name: str) -> None:
    values = {"p": [1.5, 0.5], "q": [0.5, 0.5], "r": [0.25, -0.125]}
    found = evaluate_many(dual(name), values)
    assert found.evidence.kind == "quadrature"
    assert found.evidence.bound < 1e-11
    slow = in_digits(dual(name), {key: np.array(value) for key, value in values.items()})
    assert np.abs(found.value - slow).max() < found.evidence.bound + 1e-13


def test_sums_are_multiplied_out() -> None:
    """Four variables together, but no more than two in any term."""
    p, q, r, s = sympy.symbols("p q r s", real=True)
    K = [[p, 0, r, 0], [0, q, 0, s], [r, 0, p, 0], [0, s, 0, q]]
    f = parse("a + tanh(b)", ("a", "b"))
    values = {"p": 1.0, "q": 2.0, "r": 0.5, "s": 1.5}
    found = evaluate_many(expect([f, f], K), values)
    tanh = evaluate_many(dual("tanh"), {"p": 2.0, "q": 2.0, "r": 1.5}).value
    assert found.value == pytest.approx(0.5 + tanh, rel=1e-12)
    assert found.evidence.bound < 1e-11


def test_samples_agree_with_a_closed_form_within_their_bound() -> None:
    """Twelve variables, a product of cosines: exp(-K sum/2). A right answer misses 5 standard errors once in 6000."""
    n = 12
    rng = np.random.default_rng(0)
    B = rng.standard_normal((n, n)) / 4
    K = B @ B.T
    factors = (parse("cos(" + "+".join(f"z{i + 1}" for i in range(n)) + ")", tuple(f"z{i + 1}" for i in range(n))),)
    (value,), (bound,), nodes = sampled(factors, roots(K[None]), np.zeros((1, n)))
    assert abs(value - np.exp(-K.sum() / 2)) < bound < 1e-2
    assert nodes == 16 * 8192


def test_many_variables_are_sampled_and_said_so_and_too_many_refused() -> None:
    def product(n: int):
        names = tuple(f"z{i}" for i in range(n))
        f = parse(f"tanh({' + '.join(names)} + {'*'.join(names)})", names)
        return expect([f], np.eye(n, dtype=int).tolist())

    found = evaluate(product(5), {}, 12)
    assert found.evidence.kind == "sampled"
    assert "5 standard errors" in found.evidence.note
    assert abs(found.value) <= found.evidence.bound  # odd: its mean is 0
    with pytest.raises(GaussianError, match=f"at most {MOST_VARIABLES} are sampled"):
        evaluate_many(product(MOST_VARIABLES + 1), {})


def test_bivariate_normal_in_arrays() -> None:
    rng = np.random.default_rng(1)
    h, k = 2 * rng.standard_normal((2, 30))
    rho = np.concatenate(
        [rng.uniform(-1, 1, 10), 1 - 10 ** rng.uniform(-5.5, -1, 10), 10 ** rng.uniform(-5, -1, 10) - 1]
    )
    expected = [float(bivariate_normal(*x)) for x in zip(h, k, rho, strict=True)]
    assert bivariate_normal_array(h, k, rho) == pytest.approx(expected, abs=2e-15)


def test_a_grid_too_coarse_gives_way_to_samples() -> None:
    """With independent v: E[cos(u + tanh v) cos(u' + tanh v')] = E[cos u cos u'] E[cos tanh v]^2."""
    K = np.diag([16.0, 1.0, 16.0, 1.0])[None]
    K[:, 1, 3] = K[:, 3, 1] = 0.5
    factors = tuple(parse(f"cos(z{i + 1} + tanh(z{i}))", (f"z{i}", f"z{i + 1}")) for i in (1, 3))
    found = expectations(factors, K, np.zeros((1, 4)))
    of_tanh = evaluate_many(expect(["cos(tanh(z))"], [[16]]), {}).value
    of_u = evaluate_many(dual("cos"), {"p": 1.0, "q": 1.0, "r": 0.5}).value
    assert found.kind == "sampled"
    assert abs(found.value[0] - of_u * of_tanh**2) < found.bound[0] < 1e-3


@pytest.mark.parametrize("variance", [800.0, 1e4, 1e8])
def test_wide_gaussians_see_what_happens_near_zero(variance: float) -> None:
    """1 - tanh^2 = sech^2 has the integral 2, so E[tanh(z)^2] = 1 - 2 / sqrt(2 pi p) + O(p^(-3/2)).

    A grid of two resolutions that both step over the origin agreed on 1 here, with a bound of 1e-15.
    """
    p = sympy.Symbol("p", positive=True)
    found = evaluate_many(expect(["tanh(z)^2"], [[p]]), {"p": np.array([variance])})
    # the next term: E[sech^2] = (2 - pi^2/(12 p) + ...) / sqrt(2 pi p), as the integral of z^2 sech^2 is pi^2/6
    expected = 1 - (2 - np.pi**2 / (12 * variance)) / np.sqrt(2 * np.pi * variance)
    assert abs(found.value[0] - expected) < 1 / variance**2.5 + 1e-14
    assert found.evidence.bound < 1e-13
