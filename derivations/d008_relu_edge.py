"""Derivation 8: the edge of chaos of ReLU, and the slow approach of correlations to one on it.

Means are integrals that SymPy takes; the decay is compared with an iteration over a hundred thousand layers.
"""

from functools import cache, partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

from ._gaussian import p, q, r
from .d002_relu_dual import DUAL

z, c, sigma_w, sigma_b = sympy.symbols("z c sigma_w sigma_b", real=True)
gap, angle, layer = sympy.symbols("epsilon theta l", positive=True)

# What the steps claim, and later steps build on.
EDGE = sympy.sqrt(2)
DECAY = 2 * sympy.sqrt(2) / (3 * sympy.pi)
LAW = 9 * sympy.pi**2 / 2
LAYERS = 100_000

# --- checks -----------------------------------------------------------------------------------------------------


def mean(g: sympy.Expr) -> sympy.Expr:
    """The mean over z > 0 of a centred Gaussian of variance q."""
    density = sympy.exp(-(z**2) / (2 * q)) / sympy.sqrt(2 * sympy.pi * q)
    return sympy.integrate(g * density, (z, 0, sympy.oo))


def check_means(claim: Claim) -> str:
    return identical(claim, {"E[phi^2]": mean(z**2), "E[phi'^2]": mean(sympy.S.One)})


def check_slopes(claim: Claim) -> str:
    after = sigma_w**2 * mean(z**2) + sigma_b**2
    return identical(claim, {"chi_1": sigma_w**2 * mean(sympy.S.One), "chi_parallel": sympy.diff(after, q)})


def check_edge(claim: Claim) -> str:
    weight, bias = sympy.symbols("weight bias", nonnegative=True)
    (solved,) = sympy.solve([weight * mean(sympy.S.One) - 1, weight * mean(z**2) + bias - q], [weight, bias], dict=True)
    return identical(claim, {"sigma_w": sympy.sqrt(solved[weight]), "sigma_b": sympy.sqrt(solved[bias])})


def c_map(x: sympy.Expr) -> sympy.Expr:
    """What the fourth step claims."""
    return (sympy.sqrt(1 - x**2) + x * (sympy.pi - sympy.acos(x))) / sympy.pi


def check_map(claim: Claim) -> str:
    """From the dual, and by its slope, which is the probability that both are positive, doubled."""
    dual = DUAL.subs({p: q, r: q * c}, simultaneous=True)
    identical({"slope": sympy.diff(claim["map"], c)}, {"slope": 1 - sympy.acos(c) / sympy.pi})
    return identical(claim, {"map": EDGE**2 / q * dual})


def check_near_one(claim: Claim) -> str:
    """With c = cos theta, so that no root is in the way: 1 - c is theta^2/2 and more."""
    lost = (sympy.sin(angle) - angle * sympy.cos(angle)) / sympy.pi
    moved = c_map(c).subs(c, sympy.cos(angle)).subs(sympy.acos(sympy.cos(angle)), angle)
    root = sympy.sqrt(1 - sympy.cos(angle) ** 2)  # the sine, of angles up to pi
    identical({"change": moved - sympy.cos(angle)}, {"change": lost.subs(sympy.sin(angle), root)})
    leading = sympy.series(lost, angle, 0, 4).removeO().subs(angle, sympy.sqrt(2 * gap))
    return identical(claim, {"coefficient": sympy.powsimp(leading / gap ** sympy.Rational(3, 2), force=True)})


def check_law(claim: Claim) -> str:
    """A / l^2 put into the recursion: its leading terms are of order l^-3."""
    A = sympy.Symbol("A", positive=True)
    trial = A / layer**2
    left = trial.subs(layer, layer + 1) - trial + DECAY * trial ** sympy.Rational(3, 2)
    (solved,) = (x for x in sympy.solve(sympy.limit(left * layer**3, layer, sympy.oo), A) if x != 0)
    return identical(claim, {"l^2 (1 - c)": solved})


@cache
def iterated() -> tuple[float, float]:
    """l^2 (1 - c) after many layers with the leading correction taken off, and what half as many layers give."""
    found, epsilon = {}, 0.5
    for depth in range(1, LAYERS + 1):
        theta = 2 * np.arcsin(np.sqrt(epsilon / 2))
        # close to one digits cancel, and two terms of the series are exact to all of them
        series = theta**3 * (1 - theta**2 / 10) / 3
        epsilon -= (np.sin(theta) - theta * np.cos(theta) if theta > 1e-3 else series) / np.pi
        found[depth] = depth**2 * epsilon
    whole, half = (2 * found[n] - found[n // 2] for n in (LAYERS, LAYERS // 2))
    return float(whole), float(half)


def check_comparison(claim: Claim) -> str:
    """The law against an iteration, the edge against what ntksym solves for."""
    whole, half = iterated()
    evidence = agreeing({"law": claim["law"]}, {"law": (whole, 4 * abs(whole - half))})
    point = ns.edge_of_chaos("relu").point
    assert point is not None
    return f"{LAYERS} layers, {evidence}; ntksym's edge, {identical({'edge': claim['edge']}, {'edge': point.exact})}"


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    8,
    "relu_edge",
    "The edge of chaos of ReLU, and correlations on it",
    (
        Step(
            "two means",
            r"A layer $h' = \sigma_w W \phi(h) + \sigma_b b$ makes of coordinates of variance $q$ new ones of variance "
            r"$\sigma_w^2 E[\phi^2] + \sigma_b^2$. For $\phi(z) = \max(z, 0)$ half of the Gaussian counts.",
            r"E[\phi(z)^2] = \frac q2, \qquad E[\phi'(z)^2] = \frac12, \qquad z \sim N(0, q)",
            "definition",
            partial(check_means, claim={"E[phi^2]": q / 2, "E[phi'^2]": sympy.Rational(1, 2)}),
        ),
        Step(
            "two slopes",
            r"Small differences between inputs grow by $\chi_1 = \sigma_w^2 E[\phi'^2]$ in square, as Price's theorem "
            r"says of the covariance at equal inputs; changes of the length by the slope of its map.",
            r"\chi_1 = \chi_\parallel = \frac{\sigma_w^2}2",
            "Price's theorem",
            partial(check_slopes, claim={"chi_1": sigma_w**2 / 2, "chi_parallel": sigma_w**2 / 2}),
        ),
        Step(
            "the edge",
            r"On the edge $\chi_1 = 1$ and $q = \sigma_w^2 q / 2 + \sigma_b^2$. Both leave one point, at which every "
            r"length is kept.",
            r"\sigma_w = \sqrt2, \qquad \sigma_b = 0",
            "algebra",
            partial(check_edge, claim={"sigma_w": EDGE, "sigma_b": sympy.S.Zero}),
        ),
        Step(
            "the map of correlations",
            r"There the correlation of two inputs follows the dual of derivation 2 at $p = q$, times $\sigma_w^2 / q$.",
            r"c' = \frac1\pi \left( \sqrt{1 - c^2} + c\,(\pi - \arccos c) \right)",
            "algebra",
            partial(
                check_map,
                claim={"map": c_map(c)},
            ),
        ),
        Step(
            "close to one",
            r"With $c = \cos\theta$ the map adds $(\sin\theta - \theta \cos\theta)/\pi$ to $c$, and $\theta \approx "
            r"\sqrt{2 (1 - c)}$. The kink of ReLU makes the power three halves; a smooth function has the square.",
            r"\epsilon = 1 - c: \qquad \epsilon' = \epsilon - \frac{2\sqrt2}{3\pi}\,\epsilon^{3/2} + \dots",
            "Taylor expansion",
            partial(check_near_one, claim={"coefficient": DECAY}),
        ),
        Step(
            "the power law",
            r"So $\epsilon$ falls by a power of the depth: $A / l^2$ solves the recursion to leading order.",
            r"-\frac{2A}{l^3} = -\frac{2\sqrt2}{3\pi} \frac{A^{3/2}}{l^3} \quad\Rightarrow\quad 1 - c_l \sim "
            r"\frac{9\pi^2}{2\,l^2}",
            "algebra",
            partial(check_law, claim={"l^2 (1 - c)": LAW}),
        ),
        Step(
            "witnesses",
            r"The law against an iteration of the map, and the edge against what ntksym finds.",
            "",
            "comparison",
            partial(check_comparison, claim={"law": LAW, "edge": EDGE}),
        ),
    ),
    (
        "Y. Cho and L. Saul, Kernel Methods for Deep Learning, NeurIPS 2009",
        "S. Schoenholz et al., Deep Information Propagation, arXiv:1611.01232 (2016)",
        "S. Hayou, A. Doucet and J. Rousseau, On the Impact of the Activation Function on Deep Neural Networks "
        "Training, arXiv:1902.06853 (2019)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
