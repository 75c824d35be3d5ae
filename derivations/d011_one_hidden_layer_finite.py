"""Derivation 11: one hidden layer at every width: covariances of the kernel and of the tangent kernel, exactly.

The formulas hold for any activation. Here it is a polynomial, so that means over all weights of a network of a few
units are exact fractions, and are compared as such.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from itertools import product
from math import sqrt
from typing import Any

import numpy as np

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.records.derivation import Claim, Derivation, Step, agreeing

from ._polynomials import gaussians, mean

INPUTS = ((1, 2), (-1, 1))
GRAM = [[sum(s * t for s, t in zip(x, y, strict=True)) for y in INPUTS] for x in INPUTS]
WIDTHS = (1, 2, 3)
QUADS = ((0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 1))
"""Inputs a, b, c, d."""


def phi(z: Any) -> Any:
    return z + z**2 / 2


def slope(z: Any) -> Any:
    return z + 1


# --- one unit: what the steps claim -----------------------------------------------------------------------------


@cache
def unit(*orders: tuple[int, int]) -> Fraction:
    """The mean over one unit of phi (order 0) and its slope (order 1) at inputs."""
    w = gaussians(2)
    z = [sum(s * t for s, t in zip(x, w, strict=True)) for x in INPUTS]
    found = w[0] ** 0
    for order, a in orders:
        found *= (phi, slope)[order](z[a])
    return mean(found)


def values(*at: int) -> tuple[tuple[int, int], ...]:
    return tuple((0, a) for a in at)


def slopes(*at: int) -> tuple[tuple[int, int], ...]:
    return tuple((1, a) for a in at)


def omega(a: int, b: int, *rest: tuple[int, int]) -> Fraction:
    """E[Omega_ab ...], Omega_ab = phi_a phi_b + Theta_ab phi'_a phi'_b."""
    return unit(*values(a, b), *rest) + GRAM[a][b] * unit(*slopes(a, b), *rest)


def vertex(a: int, b: int, c: int, d: int) -> Fraction:
    return unit(*values(a, b, c, d)) - unit(*values(a, b)) * unit(*values(c, d))


def cross(a: int, b: int, c: int, d: int) -> Fraction:
    return omega(c, d, *values(a, b)) - unit(*values(a, b)) * omega(c, d)


def between(a: int, b: int, c: int, d: int) -> Fraction:
    return unit(*values(a, b), *slopes(c, d)) * GRAM[c][d]


def apart(a: int, b: int, c: int, d: int) -> Fraction:
    both = omega(c, d, *values(a, b)) + GRAM[a][b] * omega(c, d, *slopes(a, b))
    return both - omega(a, b) * omega(c, d)


def exchange(a: int, b: int, c: int, d: int) -> Fraction:
    return unit(*slopes(a, b, c, d)) * GRAM[a][b] * GRAM[c][d]


def spread(a: int, b: int, c: int, d: int) -> Fraction:
    """Cov(H_11, H_11): A and both B."""
    return apart(a, b, c, d) + 2 * exchange(a, b, c, d)


# --- whole networks ---------------------------------------------------------------------------------------------


class Network:
    """Two outputs of a network of n units at both inputs, times the root of n, and its tangent kernel times n."""

    def __init__(self, n: int) -> None:
        weights = gaussians(4 * n)
        self.n = n
        w = [weights[2 * j : 2 * j + 2] for j in range(n)]
        v = [weights[2 * n + 2 * j : 2 * n + 2 * j + 2] for j in range(n)]
        z = [[sum(s * t for s, t in zip(x, w[j], strict=True)) for x in INPUTS] for j in range(n)]
        self.f = [[sum(v[j][i] * phi(z[j][a]) for j in range(n)) for a in (0, 1)] for i in (0, 1)]
        self.gradient = [[[f.diff(x) for x in weights] for f in row] for row in self.f]

    @cache  # noqa: B019  # a handful of networks, for as long as the derivation runs
    def H(self, i: int, a: int, j: int, b: int) -> Any:
        return sum(s * t for s, t in zip(self.gradient[i][a], self.gradient[j][b], strict=True))


@cache
def network(n: int) -> Network:
    return Network(n)


def covariance(x: Any, y: Any) -> Fraction:
    return mean(x * y) - mean(x) * mean(y)


def of_kernel(net: Network, a: int, b: int, c: int, d: int) -> Fraction:
    return covariance(net.f[0][a] * net.f[0][b], net.f[1][c] * net.f[1][d]) / net.n


def of_cross(net: Network, a: int, b: int, c: int, d: int) -> Fraction:
    return covariance(net.f[0][a] * net.f[0][b], net.H(1, c, 1, d)) / net.n


def of_between(net: Network, a: int, b: int, c: int, d: int) -> Fraction:
    return mean(net.f[0][a] * net.f[1][b] * net.H(0, c, 1, d)) / net.n


def of_apart(net: Network, a: int, b: int, c: int, d: int) -> Fraction:
    return covariance(net.H(0, a, 0, b), net.H(1, c, 1, d)) / net.n


def of_exchange(net: Network, a: int, b: int, c: int, d: int) -> Fraction:
    return mean(net.H(0, a, 1, b) * net.H(0, c, 1, d)) / net.n


def of_spread(net: Network, a: int, b: int, c: int, d: int) -> Fraction:
    return covariance(net.H(0, a, 0, b), net.H(0, c, 0, d)) / net.n


# --- checks -----------------------------------------------------------------------------------------------------


def claimed(formula: Callable[..., Fraction]) -> dict[str, Fraction]:
    return {name(at): formula(*at) for at in QUADS}


def name(at: tuple[int, ...]) -> str:
    return "".join(str(a + 1) for a in at)


def check(measure: Callable[..., Fraction], claim: Claim) -> str:
    """n times a covariance over all weights is the claimed number at every width."""
    for n, at in product(WIDTHS, QUADS):
        if measure(network(n), *at) != Fraction(str(claim[name(at)])):
            raise NtksymError(f"n = {n}, inputs {name(at)}: {measure(network(n), *at)} is not {claim[name(at)]}")
    return f"exact fractions at {len(QUADS)} choices of inputs and widths {', '.join(map(str, WIDTHS))}"


def check_means(claim: Claim) -> str:
    for n, (a, b) in product(WIDTHS, ((0, 0), (0, 1), (1, 1))):
        net = network(n)
        for what, found in (("K", net.f[0][a] * net.f[0][b]), ("H", net.H(0, a, 0, b))):
            if mean(found) / n != Fraction(str(claim[f"{what}_{name((a, b))}"])):
                raise NtksymError(f"n = {n}: the mean of {what} at {name((a, b))} is {mean(found) / n}")
    return f"exact fractions at widths {', '.join(map(str, WIDTHS))}"


@ns.program
def two_layers(x: ns.Vector(2)) -> ns.Value:
    h = ns.dense(x, ns.dim("n"), name="input", bias=False, sigma_w="sigma")
    return ns.dense(ns.activation("z + z**2/2")(h), 1, name="readout", bias=False)


def check_comparison(claim: Claim) -> str:
    """ntksym divides by the data's dimension, so its sigma is the root of two."""
    found = ns.finite_width(two_layers).evaluate(np.array(INPUTS, dtype=float), sigma=sqrt(2), n=1)
    numbers = {tensor: found.at(tensor)[0, 1, 0, 1] for tensor in "VDFAB"}
    return f"finite_width: {agreeing(claim, {tensor: (float(x), 1e-9) for tensor, x in numbers.items()})}"


MEANS = {f"K_{name((a, b))}": unit(*values(a, b)) for a, b in ((0, 0), (0, 1), (1, 1))}
MEANS |= {f"H_{name((a, b))}": omega(a, b) for a, b in ((0, 0), (0, 1), (1, 1))}
# F_1324 and B_1324 have their indices in the order 1, 3, 2, 4
WITNESS = {
    "V": vertex(0, 1, 0, 1),
    "D": cross(0, 1, 0, 1),
    "F": between(0, 0, 1, 1),
    "A": apart(0, 1, 0, 1),
    "B": exchange(0, 0, 1, 1),
}

DERIVATION = Derivation(
    11,
    "one_hidden_layer_finite",
    "One hidden layer at every width",
    (
        Step(
            "a mean over units",
            r"Given the hidden layer, outputs are Gaussian, and their covariance is a mean of $n$ independent terms. "
            r"So is the tangent kernel of one output: its means do not depend on the width, and $G^{\{1\}} = "
            r"\Theta^{\{1\}} = 0$.",
            r"E[f_1 f_1'] = E[\phi\,\phi'], \qquad E[H_{11}(x, x')] = E[\Omega], \quad \Omega_{ab} = \phi_a \phi_b + "
            r"\Theta_{ab}\,\dot\phi_a \dot\phi_b, \quad \Theta_{ab} = x_a \cdot x_b",
            "law of large numbers",
            partial(check_means, claim=MEANS),
        ),
        Step(
            "two outputs are not independent",
            r"They are Gaussian given the same random kernel, whose covariance is that of one unit over $n$.",
            r"n\,\mathrm{Cov}(f_{1a} f_{1b},\,f_{2c} f_{2d}) = V_{(ab)(cd)} = E[\phi_a \phi_b \phi_c \phi_d] - "
            r"E[\phi_a \phi_b]\,E[\phi_c \phi_d]",
            "algebra",
            partial(check, of_kernel, claim=claimed(vertex)),
        ),
        Step(
            "an output and the tangent kernel of another",
            r"Both are means over the same units. Squares of the second output's own weights have the mean one, and "
            r"are independent of the first output.",
            r"n\,\mathrm{Cov}(f_{1a} f_{1b},\,H_{22,cd}) = D_{abcd} = E[\phi_a \phi_b \Omega_{cd}] - E[\phi_a \phi_b]"
            r"\,E[\Omega_{cd}]",
            "algebra",
            partial(check, of_cross, claim=claimed(cross)),
        ),
        Step(
            "the tangent kernel between two outputs",
            r"It is $\frac1n \sum_k v_{1k} v_{2k} \Theta_{cd}\,\dot\phi_c \dot\phi_d$: of mean zero, but correlated "
            r"with $f_1 f_2$, which has the same signs.",
            r"n\,E[f_{1a} f_{2b} H_{12,cd}] = F_{acbd} = E[\phi_a \phi_b \dot\phi_c \dot\phi_d]\,\Theta_{cd}",
            "algebra",
            partial(check, of_between, claim=claimed(between)),
        ),
        Step(
            "its square",
            r"Its own mean is zero, that of its square is not.",
            r"n\,E[H_{12,ab} H_{12,cd}] = B_{acbd} = E[\dot\phi_a \dot\phi_b \dot\phi_c \dot\phi_d]\,\Theta_{ab} "
            r"\Theta_{cd}",
            "algebra",
            partial(check, of_exchange, claim=claimed(exchange)),
        ),
        Step(
            "tangent kernels of two outputs",
            r"Given the units their own weights are independent, so only $\Omega$ fluctuates.",
            r"n\,\mathrm{Cov}(H_{11,ab},\,H_{22,cd}) = A_{(ab)(cd)} = E[\Omega_{ab} \Omega_{cd}] - E[\Omega_{ab}]\,"
            r"E[\Omega_{cd}]",
            "algebra",
            partial(check, of_apart, claim=claimed(apart)),
        ),
        Step(
            "the tangent kernel of one output",
            r"$E[v^4] = 3$ where $E[v^2]^2 = 1$: twice the term of two outputs in addition.",
            r"n\,\mathrm{Cov}(H_{11,ab},\,H_{11,cd}) = A_{(ab)(cd)} + 2\,\Theta_{ab} \Theta_{cd}\,E[\dot\phi_a "
            r"\dot\phi_b \dot\phi_c \dot\phi_d]",
            "algebra",
            partial(check, of_spread, claim=claimed(spread)),
        ),
        Step(
            "witnesses",
            r"The five tensors as ntksym finds them, at the inputs 1, 2, 1, 2.",
            "",
            "comparison",
            partial(check_comparison, claim=WITNESS),
        ),
    ),
    (
        "S. Yaida, Non-Gaussian processes and neural networks at finite widths, arXiv:1910.00019 (2019)",
        "D. Roberts, S. Yaida and B. Hanin, The Principles of Deep Learning Theory, arXiv:2106.10165 (2021)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
