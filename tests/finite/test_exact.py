"""Exact results at finite width, to the last rational, against enumerations and closed systems written by hand."""

from fractions import Fraction
from itertools import product
from math import comb, prod

import numpy as np
import pytest
import sympy as sp

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite.joint import fluctuation_limit
from ntksym.zoo import load

NAMES = ("V", "D", "F", "A", "B")
HALF = Fraction(1, 2)
SLOPES = {"relu": (1, 0), "leaky_relu(0.5)": (1, HALF), "identity": (1, 1), "abs": (1, -1)}


def perceptron(phi, depth, **rates):
    program = load("mlp")(phi=ns.activation(phi), depth=depth)
    given = {node.name: rates["w" if node.name.endswith(".w") else "b"] for node in program.parameters} if rates else {}
    return ns.finite_width(program, rates=given)


# --- enumeration ----------------------------------------------------------------------------------------------------


def gaussian_mean(polynomial):
    """E of a polynomial in independent standard Gaussians."""
    even = ((powers, number) for powers, number in polynomial.terms() if all(k % 2 == 0 for k in powers))
    return sum(
        (Fraction(int(c.numerator), int(c.denominator)) * prod(map(odd, powers)) for powers, c in even), Fraction(0)
    )


def odd(k):
    """(k - 1)!! of an even number k."""
    return prod(range(k - 1, 0, -2))


def matrices(shapes):
    """Matrices of unknowns, as lists of lists in one ring of polynomials, and all unknowns."""
    names = [f"x{i}" for i in range(sum(r * c for r, c in shapes))]
    _, *unknowns = sp.ring(names, sp.QQ)
    rest = iter(unknowns)
    return [[[next(rest) for _ in range(c)] for _ in range(r)] for r, c in shapes], unknowns


def applied(matrix, vector):
    return [sum((a * b for a, b in zip(row, vector, strict=True)), 0 * row[0]) for row in matrix]


def enumerated(slopes, n, rate):
    """V, D, F, A, B of two outputs of a perceptron with two hidden layers of width n, no biases, x = 1, C_W = 1.

    On one input the signs of preactivations are fair coins that are independent of everything else (Hanin and Nica
    2019), so the mean is one over all signs and over the weights of what is then a linear network.
    """
    (W1, W2, W3), weights = matrices([(n, 1), (n, n), (2, n)])
    sums = dict.fromkeys(("K", "H", *NAMES), Fraction(0))
    for signs in product((0, 1), repeat=2 * n):
        factors = [sp.QQ(*Fraction(slopes[s]).as_integer_ratio()) for s in signs]
        h = [s * z for s, z in zip(factors[:n], applied(W1, [weights[0] ** 0]), strict=True)]
        h = [s * z for s, z in zip(factors[n:], applied(W2, h), strict=True)]
        f = [z / n for z in applied(W3, h)]  # each of two matrices is divided by the root of n
        slope = [[z.diff(w) for w in weights] for z in f]
        H = {
            (i, j): rate * sum(a * b for a, b in zip(slope[i], slope[j], strict=True))
            for i, j in ((0, 0), (0, 1), (1, 1))
        }
        terms = {
            "K": f[0] ** 2,
            "H": H[0, 0],
            "V": f[0] ** 2 * f[1] ** 2,
            "D": f[0] ** 2 * H[1, 1],
            "F": f[0] * f[1] * H[0, 1],
            "A": H[0, 0] * H[1, 1],
            "B": H[0, 1] ** 2,
        }
        for name, term in terms.items():
            sums[name] += gaussian_mean(term) / 2 ** (2 * n)
    K, H = sums.pop("K"), sums.pop("H")
    sums |= {"V": sums["V"] - K**2, "D": sums["D"] - K * H, "A": sums["A"] - H**2}
    return {"K": K, "H": H, **sums}


@pytest.mark.parametrize(("phi", "n"), [("relu", 1), ("relu", 2), ("leaky_relu(0.5)", 2), ("identity", 2)])
def test_two_hidden_layers_by_enumeration(phi, n):
    expected = enumerated(SLOPES[phi], n, 3)
    found = perceptron(phi, 2, w=3, b=1).exact([[1]], tensors=NAMES, sigma_w=1, n=n)
    assert found.nngp[-1][0, 0] == expected["K"]
    assert found.ntk[-1][0, 0] == expected["H"]
    assert {name: found.at(name)[0, 0, 0, 0] for name in NAMES} == {name: expected[name] for name in NAMES}


def test_deep_linear_with_biases_by_enumeration():
    """V at several inputs: E of products of outputs as polynomials in weights and biases."""
    inputs = [[1, 2], [-1, 1], [3, 0]]
    # so that sigma_w over the root of the fan-in 2 is rational
    sigmas = {"sigma_w": 3 * sp.sqrt(2) / 2, "sigma_b": Fraction(1, 3)}
    found = perceptron("identity", 2).exact(inputs, n=2, **sigmas)
    (*W, b), _ = matrices([(2, 2), (2, 2), (2, 2), (3, 2)])

    def output(x):
        h = [b[0][0] ** 0 * entry for entry in x]
        for weights, bias in zip(W, b, strict=True):
            h = [z * sp.QQ(3, 2) + shift * sp.QQ(1, 3) for z, shift in zip(applied(weights, h), bias, strict=True)]
        return h

    f = [output(x) for x in inputs]
    for a, c, d, e in ((0, 0, 0, 0), (0, 1, 0, 1), (0, 1, 2, 0), (0, 0, 1, 2), (1, 2, 1, 2)):
        K = [gaussian_mean(f[i][0] * f[j][0]) for i, j in ((a, c), (d, e))]
        both = gaussian_mean(f[a][0] * f[c][0] * f[d][1] * f[e][1])
        assert found.nngp[-1][a, c] == K[0]
        assert found.at("V")[a, c, d, e] == both - K[0] * K[1]


# --- closed systems by hand ------------------------------------------------------------------------------------------


def by_hand(slopes, widths, C_W, l_b, l_W, G):
    """v, d, f, a, b, G, h at the output of a perceptron without biases at one input, where G and h start."""
    A2, A4 = (sum(Fraction(s) ** k for s in slopes) / 2 for k in (2, 4))
    h = l_b + l_W / C_W * G
    v, d, f, a, b = G * G, G * h, Fraction(0), h * h, Fraction(0)
    for n in widths:
        S2 = A2**2 * v + (3 * A4 - A2**2) * v / n
        ST = A2**2 * d + (A4 * (d + 2 * f) - A2**2 * d) / n
        TT = A2**2 * a + (A4 * (a + 2 * b) - A2**2 * a) / n
        old = l_W * A2 * G + C_W * A2 * h
        v, d, f, a, b, G, h = (
            C_W**2 * S2,
            l_b * C_W * A2 * G + C_W * l_W * S2 + C_W**2 * ST,
            C_W**2 * (A2**2 * f + (A4 * (d + 2 * f) - A2**2 * f) / n),
            l_b**2 + 2 * l_b * old + l_W**2 * S2 + 2 * l_W * C_W * ST + C_W**2 * TT,
            C_W**2 * (A2**2 * b + (A4 * (a + 2 * b) - A2**2 * b) / n),
            C_W * A2 * G,
            l_b + old,
        )
    return v, d, f, a, b, G, h


@ns.program
def unequal(x: ns.Vector("d"), *, phi=ns.relu):
    for k in range(3):
        x = ns.dense(phi(x) if k else x, ns.dim(f"n{k + 1}"), name=f"w{k}")
    return ns.dense(phi(x), 1, name="out")


@pytest.mark.parametrize("phi", SLOPES)
@pytest.mark.parametrize("widths", [(1, 1, 1), (3, 5, 2), (64, 128, 256)])
def test_the_closed_system_at_one_input_and_unequal_widths(phi, widths):
    C_W, l_W, l_b = Fraction(9, 4), Fraction(27, 4), Fraction(2)
    program = unequal(phi=ns.activation(phi))
    rates = {node.name: 3 if node.name.endswith(".w") else 2 for node in program.parameters}
    record = ns.finite_width(program, rates=rates)
    numbers = dict(zip(("n1", "n2", "n3"), widths, strict=True))
    found = record.exact([[2, 1]], tensors=NAMES, sigma_w=Fraction(3, 2), **numbers)
    v, d, f, a, b, G, h = by_hand(SLOPES[phi], widths, C_W, Fraction(0), l_W, C_W * Fraction(5, 2))
    assert (found.nngp[-1][0, 0], found.ntk[-1][0, 0]) == (G, h)
    assert [found.at(name)[0, 0, 0, 0] for name in NAMES] == [v - G * G, d - G * h, f, a - h * h, b]

    # biases of variance zero that are trained all the same need gradients by the biases themselves
    standard = {n.name: l_b if n.name.endswith(".b") else 0 for n in program.parameters}
    fan_in = dict(zip(("w0.w", "w1.w", "w2.w", "out.w"), (2, *widths), strict=True))
    standard |= {name: l_W / size for name, size in fan_in.items()}
    record = ns.finite_width(program, rates=standard, parameterization="standard")
    found = record.exact([[2, 1]], tensors=NAMES, sigma_w=Fraction(3, 2), **numbers)
    v, d, f, a, b, G, h = by_hand(SLOPES[phi], widths, C_W, l_b, l_W, C_W * Fraction(5, 2))
    assert (found.nngp[-1][0, 0], found.ntk[-1][0, 0]) == (G, h)
    assert [found.at(name)[0, 0, 0, 0] for name in NAMES] == [v - G * G, d - G * h, f, a - h * h, b]


@pytest.mark.parametrize("n", [1, 2, 7, 64])
@pytest.mark.parametrize("depth", [1, 4])
def test_moments_of_linear_and_relu_networks(n, depth):
    linear = perceptron("identity", depth).exact([[3]], n=n)
    relu = perceptron("relu", depth).exact([[3]], sigma_w=sp.sqrt(2), n=n)
    for q in range(1, 5):
        assert linear.moment(q) == odd(2 * q) * 9**q * prod(1 + Fraction(2 * j, n) for j in range(q)) ** depth
        per_layer = Fraction(2, n) ** q * sum(
            Fraction(comb(n, k), 2**n) * prod(k + 2 * j for j in range(q)) for k in range(n + 1)
        )
        assert relu.moment(q) == odd(2 * q) * 18**q * per_layer**depth
    assert relu.moment(2) == 3 * 18**2 * (1 + Fraction(5, n)) ** depth
    assert relu.moment(2) == 3 * (relu.at("V")[0, 0, 0, 0] + relu.nngp[-1][0, 0] ** 2)


# --- depth and width together -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", ["relu", "identity", "leaky_relu(0.5)"])
def test_depth_and_width_together_approach_the_exponential(phi):
    """E[H^2]/E[H]^2 at L = beta n, extrapolated in 1/n, is e^(c beta) times a function of (c + 1) beta."""
    beta, slopes = HALF, SLOPES[phi]
    A2 = sum(Fraction(s) ** 2 for s in slopes) / 2
    limit = float(fluctuation_limit(phi, beta))
    ratios = []
    for n in (128, 256, 512):
        one = Fraction(1) / A2
        _, _, _, a, b, _, h = by_hand(slopes, [n] * int(beta * n), one, Fraction(0), one, Fraction(1))
        ratios.append(float((a + 2 * b) / h**2))
    once = [2 * ratios[1] - ratios[0], 2 * ratios[2] - ratios[1]]
    assert (4 * once[1] - once[0]) / 3 == pytest.approx(limit, rel=2e-5)
    n = 32
    found = perceptron(phi, n // 2).exact([[1]], tensors=("A", "B"), sigma_w=sp.sqrt(sp.Rational(1 / A2)), n=n)
    _, _, _, a, b, _, h = by_hand(slopes, [n] * (n // 2), 1 / A2, Fraction(0), 1 / A2, 1 / A2)
    second = found.at("A")[0, 0, 0, 0] + 2 * found.at("B")[0, 0, 0, 0] + found.ntk[-1][0, 0] ** 2
    assert second / found.ntk[-1][0, 0] ** 2 == (a + 2 * b) / h**2


def test_the_limit_for_relu_is_e_to_5_beta_times_a_function_of_6_beta():
    beta = sp.Symbol("beta", positive=True)
    expected = (
        sp.exp(5 * beta) * sp.Rational(2, 3) * (sp.S.Half + (1 - (1 - sp.exp(-6 * beta)) / (6 * beta)) / (3 * beta))
    )
    assert sp.simplify(fluctuation_limit("relu", beta) - expected) == 0
    assert fluctuation_limit("relu", beta).series(beta, 0, 2).removeO() == 1 + sp.Rational(11, 3) * beta
    with pytest.raises(FiniteWidthError, match="not linear on either side"):
        fluctuation_limit("tanh", beta)


# --- leading order, and what is refused ---


@pytest.mark.parametrize("phi", ["relu", "leaky_relu(0.5)", "identity"])
def test_n_times_the_exact_covariances_tends_to_the_tensors(phi):
    record = perceptron(phi, 3, w=2, b=1)
    leading = record.evaluate([[1.0, 2.0]], sigma_w=1.2, n=1)
    errors = []
    for n in (10**6, 10**7):
        found = record.exact([[1, 2]], tensors=NAMES, sigma_w=Fraction(6, 5), n=n)
        errors.append([float(n * found.at(name)[0, 0, 0, 0]) / leading.at(name)[0, 0, 0, 0] - 1 for name in NAMES])
    assert np.abs(errors[0]).max() < 1e-4
    np.testing.assert_allclose(np.array(errors[0]) / errors[1], 10, rtol=1e-3)


def test_one_hidden_layer_has_no_rest():
    """With one hidden layer n Cov is the same at every width: what finite_width says holds exactly."""
    record = perceptron("relu", 1, w=2, b=1)
    leading = record.evaluate([[1.0, 2.0]], sigma_w=1.2, n=3)
    for n in (1, 3):
        found = record.exact([[1, 2]], tensors=NAMES, sigma_w=Fraction(6, 5), n=n)
        for name in NAMES:
            assert float(n * found.at(name)[0, 0, 0, 0]) == pytest.approx(3 * leading.at(name)[0, 0, 0, 0], rel=1e-13)


@pytest.mark.parametrize(
    ("phi", "inputs", "numbers", "message"),
    [
        ("tanh", [[1]], {"n": 4}, "not linear on either side"),
        ("relu", [[1], [2]], {"n": 4}, "for one input, and 2"),
        ("relu", [[1]], {}, "give it, as in n=64"),
        ("relu", [[1]], {"n": 4, "sigma_w": sp.Symbol("s")}, "not rational"),
        ("relu", [[1]], {"n": 2.5}, "no positive whole number"),
    ],
)
def test_what_does_not_close_is_refused(phi, inputs, numbers, message):
    with pytest.raises(FiniteWidthError, match=message):
        perceptron(phi, 2).exact(inputs, **numbers)


def test_all_moments_need_biases_of_variance_zero():
    with pytest.raises(FiniteWidthError, match="sigma_b=0"):
        perceptron("relu", 2).exact([[1]], n=4, sigma_b=1).moment(2)
