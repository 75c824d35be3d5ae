"""Derivation 2: the dual of ReLU (the arc-cosine kernel of degree 1), by Stein's lemma and Price's theorem.

Formulas are compared by computer algebra, and with integrals over the two-dimensional density. Only the last step looks
at what ntksym derives.
"""

from fractions import Fraction
from functools import partial

import numpy as np
import sympy

from ntksym.gaussian import dual, dual_derivative
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

from ._gaussian import DENSITY, DETERMINANT, POINTS, QUADRATURE_ERROR, average, integral, moment, number, p, q, r, u, v


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def step(x: np.ndarray) -> np.ndarray:
    return np.heaviside(x, 0.5)


# What the steps claim, and later steps build on.
ROOT = sympy.sqrt(DETERMINANT)
DELTA = ROOT / (2 * sympy.pi * p)
ORTHANT = sympy.Rational(1, 4) + sympy.asin(r / sympy.sqrt(p * q)) / (2 * sympy.pi)
DUAL = (ROOT + r * (sympy.pi - sympy.acos(r / sympy.sqrt(p * q)))) / (2 * sympy.pi)

# --- checks -----------------------------------------------------------------------------------------------------


def check_ends(claim: Claim) -> str:
    """The two cases that one-dimensional integrals settle."""

    def over_half_line(f: sympy.Expr, variance: sympy.Symbol) -> sympy.Expr:
        density = sympy.exp(-(u**2) / (2 * variance)) / sympy.sqrt(2 * sympy.pi * variance)
        return sympy.integrate(f * density, (u, 0, sympy.oo))

    found = {"r = 0": over_half_line(u, p) * over_half_line(u, q), "v = u": over_half_line(u**2, p)}
    return identical(claim, found)


def check_stein(claim: Claim) -> str:
    """The coefficients follow from g = u and g = v; then every other polynomial must agree with them."""
    found = {"dg/du": moment(2, 0), "dg/dv": moment(1, 1)}
    evidence, powers = identical(claim, found), [(a, b) for a in range(6) for b in range(6 - a)]
    for a, b in powers:
        by_u = a * moment(a - 1, b) if a else 0
        by_v = b * moment(a, b - 1) if b else 0
        identical({"E[u g]": found["dg/du"] * by_u + found["dg/dv"] * by_v}, {"E[u g]": moment(a + 1, b)})
    return f"{evidence}; true of {len(powers)} monomials"


def check_by_parts(claim: Claim) -> str:
    """Both averages by quadrature, the one with a delta along the line u = 0."""
    weighted, found = {}, {}
    for k, point in enumerate(POINTS):
        on_line = sympy.lambdify(v, DENSITY.subs(u, 0).subs(point))
        terms = {
            "delta(u) relu(v)": integral(lambda x, on_line=on_line: x * on_line(x)),
            "step(u) step(v)": average(lambda s, t: step(s) * step(t), point),
        }
        weighted[f"point {k}"] = sum(number(claim[name], point) * value for name, value in terms.items())
        found[f"point {k}"] = (average(lambda s, t: relu(s) * relu(t), point), QUADRATURE_ERROR)
    return f"integrals, {agreeing(weighted, found)}"


def check_delta(claim: Claim) -> str:
    D = sympy.Symbol("D", positive=True)  # the determinant
    along = v * sympy.exp(-p * v**2 / (2 * D)) / (2 * sympy.pi * sympy.sqrt(D))
    same = {"density at u = 0": DENSITY.subs(u, 0) * v}
    identical(same, {"density at u = 0": along.subs(D, DETERMINANT)})
    return identical(claim, {"E[delta(u) relu(v)]": sympy.integrate(along, (v, 0, sympy.oo)).subs(D, DETERMINANT)})


def check_price(claim: Claim) -> str:
    return identical(claim, {"ratio": sympy.simplify(sympy.diff(DENSITY, r) / sympy.diff(DENSITY, u, v))})


def check_orthant(claim: Claim) -> str:
    probability = claim["P(u > 0, v > 0)"]
    found = {"slope": DENSITY.subs({u: 0, v: 0}), "r = 0": sympy.Rational(1, 4), "v = u": sympy.Rational(1, 2)}
    ends = {"r = 0": probability.subs(r, 0), "v = u": probability.subs({r: p, q: p})}
    return identical({"slope": sympy.diff(probability, r), **ends}, found)


def check_dual(claim: Claim) -> str:
    return identical(claim, {"dual": p * DELTA + r * ORTHANT.rewrite(sympy.acos)})


def check_slope(claim: Claim) -> str:
    return identical(claim, {"derivative of the dual": sympy.diff(DUAL, r)})


def check_comparison(claim: Claim) -> str:
    expected = {f"{name} at {k}": number(claim[name], point) for name in claim for k, point in enumerate(POINTS)}
    functions = {"dual": relu, "derivative": step}
    found = {
        f"{name} at {k}": (average(lambda s, t, f=f: f(s) * f(t), point), QUADRATURE_ERROR)
        for name, f in functions.items()
        for k, point in enumerate(POINTS)
    }
    evidence = agreeing(expected, found)
    derived = {"dual": dual("relu").expression, "derivative": dual_derivative("relu").expression}
    derived = {name: expression.rewrite(sympy.acos) for name, expression in derived.items()}
    return f"integrals, {evidence}; ntksym's duals, {identical(claim, derived)}"


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    2,
    "relu_dual",
    "The dual of ReLU by Stein and Price",
    (
        Step(
            "dual",
            r"Let $u, v$ be centred Gaussians with $E[u^2] = p$, $E[v^2] = q$ and $E[uv] = r$, and $\phi(u) = "
            r"\max(u, 0)$. What is wanted is the dual $\kappa$. Two cases are integrals in one variable: independent "
            r"ones, and equal ones.",
            r"\kappa(p, q, r) = E[\phi(u)\,\phi(v)], \qquad \kappa(p, q, 0) = \frac{\sqrt{pq}}{2\pi}, \qquad "
            r"\kappa(p, p, p) = \frac p2",
            "definition",
            partial(check_ends, claim={"r = 0": sympy.sqrt(p * q) / (2 * sympy.pi), "v = u": p / 2}),
        ),
        Step(
            "integration by parts",
            r"For Gaussians a factor $u$ becomes derivatives of the rest.",
            r"E[u\,g(u, v)] = p\,E[\partial_u g] + r\,E[\partial_v g]",
            "Stein's lemma",
            partial(check_stein, claim={"dg/du": p, "dg/dv": r}),
        ),
        Step(
            "two simpler averages",
            r"Write $\phi(u) = u\,H(u)$ with the step function $H$, and take $g = H(u)\,\phi(v)$. Its derivatives "
            r"are $\delta(u)\,\phi(v)$ and $H(u)\,H(v)$.",
            r"\kappa = p\,E[\delta(u)\,\phi(v)] + r\,E[H(u)\,H(v)]",
            "Stein's lemma",
            partial(check_by_parts, claim={"delta(u) relu(v)": p, "step(u) step(v)": r}),
        ),
        Step(
            "on the line",
            r"The first is an integral of the density along the line $u = 0$.",
            r"E[\delta(u)\,\phi(v)] = \int_0^\infty \frac{v}{2\pi\sqrt{pq - r^2}}\,e^{-p v^2 / 2(pq - r^2)}\,dv = "
            r"\frac{\sqrt{pq - r^2}}{2\pi p}",
            "algebra",
            partial(check_delta, claim={"E[delta(u) relu(v)]": DELTA}),
        ),
        Step(
            "the covariance as a time",
            r"The density $\rho$ obeys a heat equation in $r$. Two integrations by parts move its derivatives to the "
            r"functions.",
            r"\partial_r\,\rho = \partial_u \partial_v\,\rho \quad\Rightarrow\quad \partial_r\,E[f(u)\,g(v)] = "
            r"E[f'(u)\,g'(v)]",
            "Price's theorem",
            partial(check_price, claim={"ratio": Fraction(1)}),
        ),
        Step(
            "both positive",
            r"For $f = g = H$ the right side is the density at the origin. At $r = 0$ the probability is a quarter. "
            r"Where $v = u$ it must come to a half.",
            r"\partial_r\,E[H(u)\,H(v)] = \frac{1}{2\pi\sqrt{pq - r^2}} \quad\Rightarrow\quad E[H(u)\,H(v)] = "
            r"\frac14 + \frac{1}{2\pi} \arcsin\frac{r}{\sqrt{pq}}",
            "Price's theorem",
            partial(check_orthant, claim={"P(u > 0, v > 0)": ORTHANT}),
        ),
        Step(
            "the dual of ReLU",
            r"Both averages put in, with $\arcsin = \pi/2 - \arccos$.",
            r"\kappa = \frac{1}{2\pi} \left( \sqrt{pq - r^2} + r \left( \pi - \arccos\frac{r}{\sqrt{pq}} \right) "
            r"\right)",
            "algebra",
            partial(check_dual, claim={"dual": DUAL}),
        ),
        Step(
            "its derivative",
            r"The same theorem for $f = g = \phi$: the slope of the result is the average it contains.",
            r"\partial_r\,\kappa = E[\phi'(u)\,\phi'(v)] = E[H(u)\,H(v)]",
            "Price's theorem",
            partial(check_slope, claim={"derivative of the dual": ORTHANT.rewrite(sympy.acos)}),
        ),
        Step(
            "witnesses",
            r"Both formulas against integrals over the density, and against what ntksym derives from the activation.",
            "",
            "comparison",
            partial(check_comparison, claim={"dual": DUAL, "derivative": ORTHANT.rewrite(sympy.acos)}),
        ),
    ),
    (
        "Y. Cho and L. Saul, Kernel Methods for Deep Learning, NeurIPS 2009",
        "A. Daniely, R. Frostig and Y. Singer, Toward Deeper Understanding of Neural Networks, arXiv:1602.05897 (2016)",
        "R. Price, A Useful Theorem for Nonlinear Devices Having Gaussian Inputs, IRE Transactions 4 (1958)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
