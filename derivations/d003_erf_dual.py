"""Derivation 3: the dual of the error function, the kernel of Williams (1998).

Formulas are compared by computer algebra, and with integrals over the two-dimensional density. Only the last step looks
at what ntksym derives.
"""

from functools import cache, partial
from math import erf

import numpy as np
import sympy

from ntksym.gaussian import dual, dual_derivative
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

from ._gaussian import DENSITY, POINTS, QUADRATURE_ERROR, average, number, p, q, r, u, v

# What the steps claim, and later steps build on.
SIGNS = 2 / sympy.pi * sympy.asin(r / sympy.sqrt(p * q))
PRODUCT = (1 + 2 * p) * (1 + 2 * q)
DUAL = 2 / sympy.pi * sympy.asin(2 * r / sympy.sqrt(PRODUCT))
SLOPE = 4 / (sympy.pi * sympy.sqrt(PRODUCT - 4 * r**2))
SMOOTHED = {p: p + sympy.Rational(1, 2), q: q + sympy.Rational(1, 2)}

erf_of = np.vectorize(erf, otypes=[float])
WIDTH, NETWORKS = 64, 4000

# --- checks -----------------------------------------------------------------------------------------------------


def check_smoothing(claim: Claim) -> str:
    x, noise = sympy.symbols("x xi", real=True)
    a = sympy.Symbol("a", positive=True)  # the variance of the noise
    density = sympy.exp(-(noise**2) / (2 * a)) / sympy.sqrt(2 * sympy.pi * a)
    smoothed = sympy.simplify(2 * sympy.integrate(density, (noise, -x, sympy.oo)) - 1).rewrite(sympy.erf)
    slope = sympy.diff(smoothed, x).subs(x, 0)  # both are odd error functions: their slopes at 0 settle the scale
    (variance,) = sympy.solve(slope - sympy.diff(sympy.erf(x), x).subs(x, 0), a)
    identical({"sign, smoothed": sympy.erf(x)}, {"sign, smoothed": smoothed.subs(a, variance)})
    return identical(claim, {"variance of the noise": variance})


def check_covariance(claim: Claim) -> str:
    """Of u + xi and v + xi', by multiplying out; the noise of one is independent of everything else."""
    xi, eta = sympy.symbols("xi eta", real=True)
    second = {u**2: p, v**2: q, u * v: r, xi**2: sympy.Rational(1, 2), eta**2: sympy.Rational(1, 2)}

    def expected(a: sympy.Expr, b: sympy.Expr) -> sympy.Expr:
        return sum((second.get(term, sympy.S.Zero) for term in _monomials(sympy.expand(a * b))), sympy.S.Zero)

    one, other = u + xi, v + eta
    found = {"E[U^2]": expected(one, one), "E[V^2]": expected(other, other), "E[U V]": expected(one, other)}
    return identical(claim, found)


def _monomials(expression: sympy.Expr) -> list[sympy.Expr]:
    """The products in a sum, each as often as its coefficient says."""
    coefficients = expression.as_coefficients_dict()
    return [term for term, count in coefficients.items() for _ in range(int(count))]


def check_slope_of_signs(claim: Claim) -> str:
    """sign' is twice a delta, so the average is four times the density at the origin."""
    found = {"slope": 4 * DENSITY.subs({u: 0, v: 0})}
    h, point = 1e-4, POINTS[1]
    ahead, behind = (average(lambda s, t: np.sign(s) * np.sign(t), {**point, r: point[r] + x}) for x in (h, -h))
    numeric = {"slope": ((ahead - behind) / (2 * h), 1e-6)}
    integrals = agreeing({"slope": number(claim["slope"], point)}, numeric)
    return f"{identical(claim, found)}; the slope of integrals, {integrals}"


def check_signs(claim: Claim) -> str:
    formula = claim["E[sign sign]"]
    found = {"slope": 4 * DENSITY.subs({u: 0, v: 0}), "r = 0": sympy.S.Zero, "v = u": sympy.S.One}
    ends = {"r = 0": formula.subs(r, 0), "v = u": formula.subs({r: p, q: p})}
    return identical({"slope": sympy.diff(formula, r), **ends}, found)


def check_dual(claim: Claim) -> str:
    return identical(claim, {"dual": SIGNS.subs(SMOOTHED, simultaneous=True)})


def check_derivative(claim: Claim) -> str:
    """By Price, and by the Gaussian integral of erf' erf', a determinant."""
    K = sympy.Matrix([[p, r], [r, q]])
    integral = 4 / sympy.pi / sympy.sqrt((sympy.eye(2) + 2 * K).det())
    identical(claim, {"derivative": integral})
    return f"by Price and by a determinant, {identical(claim, {'derivative': sympy.diff(DUAL, r)})}"


@cache
def hidden_average(k: int) -> tuple[float, float]:
    """The mean product of erf units on two inputs whose preactivations have the covariance POINTS[k], and 4 errors."""
    random, point = np.random.default_rng((3, k)), POINTS[k]
    K = np.array([[point[p], point[r]], [point[r], point[q]]], dtype=float)
    h = random.standard_normal((NETWORKS, WIDTH, 2)) @ np.linalg.cholesky(K).T
    means = np.prod(erf_of(h), axis=2).mean(axis=1)
    return float(means.mean()), float(4 * means.std(ddof=1) / np.sqrt(NETWORKS))


def check_comparison(claim: Claim) -> str:
    expected = {f"point {k}": number(claim["dual"], point) for k, point in enumerate(POINTS)}
    integrals = {
        f"point {k}": (average(lambda s, t: erf_of(s) * erf_of(t), point, nodes=120), QUADRATURE_ERROR)
        for k, point in enumerate(POINTS)
    }
    evidence = f"integrals, {agreeing(expected, integrals)}"
    networks = {f"point {k}": hidden_average(k) for k in range(len(POINTS))}
    evidence += f"; {NETWORKS} hidden layers, {agreeing(expected, networks)}"
    derived = {"dual": dual("erf").expression, "derivative": dual_derivative("erf").expression}
    return f"{evidence}; ntksym's duals, {identical(claim, derived)}"


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    3,
    "erf_dual",
    "The dual of the error function",
    (
        Step(
            "a smoothed sign",
            r"The error function is the sign of $x$ averaged over Gaussian noise: the chance that $x + \xi$ is "
            r"positive, less the chance that it is not.",
            r"\operatorname{erf}(x) = E[\operatorname{sign}(x + \xi)], \qquad \xi \sim N(0, \tfrac12)",
            "definition",
            partial(check_smoothing, claim={"variance of the noise": sympy.Rational(1, 2)}),
        ),
        Step(
            "signs of noisy variables",
            r"So with independent noise for each, the dual of erf is the dual of the sign, at variances that are "
            r"larger by a half. The covariance stays.",
            r"E[\operatorname{erf}(u) \operatorname{erf}(v)] = E[\operatorname{sign}(U) \operatorname{sign}(V)], "
            r"\qquad E[U^2] = p + \tfrac12, \quad E[V^2] = q + \tfrac12, \quad E[UV] = r",
            "algebra",
            partial(
                check_covariance,
                claim={"E[U^2]": p + sympy.Rational(1, 2), "E[V^2]": q + sympy.Rational(1, 2), "E[U V]": r},
            ),
        ),
        Step(
            "slope in the covariance",
            r"The derivative of a sign is twice a delta function, and two deltas pick the density at the origin.",
            r"\partial_r\,E[\operatorname{sign}(u) \operatorname{sign}(v)] = 4\,E[\delta(u)\,\delta(v)] = "
            r"\frac{2}{\pi\sqrt{pq - r^2}}",
            "Price's theorem",
            partial(check_slope_of_signs, claim={"slope": 2 / (sympy.pi * sympy.sqrt(p * q - r**2))}),
        ),
        Step(
            "the dual of the sign",
            r"Independent signs average to zero, equal ones to one: the integral from $r = 0$ starts at the one and "
            r"must end at the other.",
            r"E[\operatorname{sign}(u) \operatorname{sign}(v)] = \frac2\pi \arcsin\frac{r}{\sqrt{pq}}",
            "algebra",
            partial(check_signs, claim={"E[sign sign]": SIGNS}),
        ),
        Step(
            "the dual of erf",
            r"The larger variances put in.",
            r"E[\operatorname{erf}(u) \operatorname{erf}(v)] = \frac2\pi \arcsin \frac{2r}{\sqrt{(1 + 2p)(1 + 2q)}}",
            "algebra",
            partial(check_dual, claim={"dual": DUAL}),
        ),
        Step(
            "its derivative",
            r"The slope of the dual is the average of the derivatives $\frac{2}{\sqrt\pi} e^{-u^2}$, which is a "
            r"Gaussian integral, too: one over the root of $\det(1 + 2K)$, with $K$ the covariance matrix.",
            r"E[\operatorname{erf}'(u) \operatorname{erf}'(v)] = \frac4\pi \frac{1}{\sqrt{(1 + 2p)(1 + 2q) - 4r^2}}",
            "Price's theorem",
            partial(check_derivative, claim={"derivative": SLOPE}),
        ),
        Step(
            "witnesses",
            r"Against integrals over the density, against finite layers of such units, and against what ntksym "
            r"derives.",
            "",
            "comparison",
            partial(check_comparison, claim={"dual": DUAL, "derivative": SLOPE}),
        ),
    ),
    (
        "C. Williams, Computation with Infinite Neural Networks, Neural Computation 10 (1998)",
        "R. Price, A Useful Theorem for Nonlinear Devices Having Gaussian Inputs, IRE Transactions 4 (1958)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
