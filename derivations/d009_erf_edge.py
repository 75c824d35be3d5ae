"""Derivation 9: the edge of chaos of the error function in closed form, with the kept length as its parameter."""

from functools import partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

from ._gaussian import p, q, r
from .d003_erf_dual import DUAL, SLOPE, erf_of

# What the steps claim, and later steps build on.
SQUARE = 2 / sympy.pi * sympy.asin(2 * q / (1 + 2 * q))
SLOPE_SQUARE = 4 / (sympy.pi * sympy.sqrt(1 + 4 * q))
WEIGHT = sympy.pi * sympy.sqrt(1 + 4 * q) / 4
BIAS = q - sympy.sqrt(1 + 4 * q) / 2 * sympy.asin(2 * q / (1 + 2 * q))
LENGTHS = (0.1, 1.0, 10.0)
ROUNDING = 1e-10

# --- checks -----------------------------------------------------------------------------------------------------


def check_means(claim: Claim) -> str:
    """The duals at equal inputs, and sums over a grid."""
    alike = {p: q, r: q}
    found = {"E[phi^2]": DUAL.subs(alike), "E[phi'^2]": SLOPE.subs(alike)}
    z = np.linspace(-14, 14, 4001)
    density = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    functions = {"E[phi^2]": erf_of, "E[phi'^2]": lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2))}
    expected = {f"{name} at {x}": claim[name].subs(q, x) for name in claim for x in LENGTHS}
    sums = {
        f"{name} at {x}": (float(density @ f(np.sqrt(x) * z) ** 2), ROUNDING)
        for name, f in functions.items()
        for x in LENGTHS
    }
    return f"{identical(claim, found)}; sums over a grid, {agreeing(expected, sums)}"


def check_edge(claim: Claim) -> str:
    """Two linear equations for the two variances."""
    weight, bias = sympy.symbols("weight bias", real=True)
    equations = [weight * SLOPE_SQUARE - 1, weight * SQUARE + bias - q]
    (solved,) = sympy.solve(equations, [weight, bias], dict=True)
    return identical(claim, {"sigma_w^2": solved[weight], "sigma_b^2": solved[bias]})


def check_ends(claim: Claim) -> str:
    """The leading power of sigma_b^2 for short lengths, and of sigma_w^2 there and far out."""
    found = {
        "sigma_w^2 at q = 0": WEIGHT.subs(q, 0),
        "sigma_b^2 / q^3 at q = 0": sympy.series(BIAS / q**3, q, 0, 1).removeO(),
        "sigma_w^2 / sqrt(q) far out": sympy.limit(WEIGHT / sympy.sqrt(q), q, sympy.oo),
    }
    return identical(claim, found)


def check_stability(claim: Claim) -> str:
    """The slope of the length's map on the edge, in closed form, and below one at every length."""
    slope = sympy.simplify(WEIGHT * sympy.diff(SQUARE, q))
    evidence = identical(claim, {"chi_parallel": slope})
    identical({"1 / chi - 1": 2 * q}, {"1 / chi - 1": sympy.simplify(1 / slope - 1)})
    return evidence


def check_comparison(claim: Claim) -> str:
    """ntksym derives the curve from the activation, and solves for points of it in numbers."""
    curve = ns.edge_curve("erf")
    evidence = identical(claim, {"sigma_w^2": curve.weight, "sigma_b^2": curve.bias})
    numbers = {f"sigma_w at {x}": sympy.sqrt(claim["sigma_w^2"].subs(q, x)) for x in LENGTHS}
    found = {}
    for x in LENGTHS:
        point = ns.edge_of_chaos("erf", sigma_b=float(sympy.sqrt(BIAS.subs(q, x)))).point
        assert point is not None
        found[f"sigma_w at {x}"] = (point.sigma_w, ROUNDING)
    return f"ntksym's curve, {evidence}; its points, {agreeing(numbers, found)}"


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    9,
    "erf_edge",
    "The edge of chaos of the error function",
    (
        Step(
            "two means",
            r"The duals of derivation 3, at equal inputs of variance $q$.",
            r"E[\phi^2] = \frac2\pi \arcsin\frac{2q}{1 + 2q}, \qquad E[\phi'^2] = \frac{4}{\pi \sqrt{1 + 4q}}",
            "algebra",
            partial(check_means, claim={"E[phi^2]": SQUARE, "E[phi'^2]": SLOPE_SQUARE}),
        ),
        Step(
            "the edge",
            r"The length is kept, $q = \sigma_w^2 E[\phi^2] + \sigma_b^2$, and $\chi_1 = \sigma_w^2 E[\phi'^2]$ is 1: "
            r"both are linear in the variances, so the edge is a curve with the parameter $q$.",
            r"\sigma_w^2 = \frac\pi4 \sqrt{1 + 4q}, \qquad \sigma_b^2 = q - \frac{\sqrt{1 + 4q}}2 "
            r"\arcsin\frac{2q}{1 + 2q}",
            "algebra",
            partial(check_edge, claim={"sigma_w^2": WEIGHT, "sigma_b^2": BIAS}),
        ),
        Step(
            "its ends",
            r"It begins without biases, where $\sigma_w \phi'(0) = 1$, and leaves the axis along it: $\sigma_b$ is of "
            r"order $q^{3/2}$ while $\sigma_w^2$ grows by $\pi q / 2$. Far out $\sigma_w^2$ grows like $\sqrt q$.",
            r"\sigma_w^2 \to \frac\pi4, \quad \sigma_b^2 \approx \frac43 q^3 \quad (q \to 0), \qquad \sigma_w^2 "
            r"\approx \frac\pi2 \sqrt q \quad (q \to \infty)",
            "Taylor expansion",
            partial(
                check_ends,
                claim={
                    "sigma_w^2 at q = 0": sympy.pi / 4,
                    "sigma_b^2 / q^3 at q = 0": sympy.Rational(4, 3),
                    "sigma_w^2 / sqrt(q) far out": sympy.pi / 2,
                },
            ),
        ),
        Step(
            "it is stable",
            r"A change of the length falls by the slope of its map, which is below one for every $q > 0$.",
            r"\chi_\parallel = \sigma_w^2\, \partial_q E[\phi^2] = \frac{1}{1 + 2q}",
            "chain rule",
            partial(check_stability, claim={"chi_parallel": 1 / (1 + 2 * q)}),
        ),
        Step(
            "witnesses",
            r"Against the curve that ntksym derives from the activation alone, and points that it solves for.",
            "",
            "comparison",
            partial(check_comparison, claim={"sigma_w^2": WEIGHT, "sigma_b^2": BIAS}),
        ),
    ),
    (
        "C. Williams, Computation with Infinite Neural Networks, Neural Computation 10 (1998)",
        "B. Poole et al., Exponential Expressivity in Deep Neural Networks through Transient Chaos, "
        "arXiv:1606.05340 (2016)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
