"""Derivation 10: lengths on the critical line of tanh vanish like one over the depth."""

from functools import cache, partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

z = sympy.Symbol("z", real=True)
K, layer, s1, s3 = sympy.symbols("K l sigma_1 sigma_3", positive=True)
s2 = sympy.Symbol("sigma_2", real=True)

# What the steps claim, and later steps build on.
PHI = s1 * z + s2 * z**2 / 2 + s3 * z**3 / 6
GAIN = s1 * s3 + sympy.Rational(3, 4) * s2**2
A1 = s3 / s1 + sympy.Rational(3, 4) * (s2 / s1) ** 2
LAYERS = 4000

# --- checks -----------------------------------------------------------------------------------------------------


def mean(power: sympy.Expr, order: int) -> sympy.Expr:
    """The mean of a polynomial in z over N(0, K), by the moments K, 3 K^2, ..., up to an order in K."""
    total = sympy.S.Zero
    for (n,), coefficient in sympy.Poly(power, z).terms():
        if n % 2 == 0 and n // 2 <= order:
            total += coefficient * sympy.factorial2(n - 1) * K ** (n // 2)
    return total


def check_means(claim: Claim) -> str:
    found = {"E[phi^2]": mean(PHI**2, 2), "E[phi'^2]": mean(sympy.diff(PHI, z) ** 2, 1)}
    return identical(claim, {name: sympy.expand(x) for name, x in found.items()})


def check_recursion(claim: Claim) -> str:
    """sigma_w^2 = 1/sigma_1^2 makes the linear term one."""
    return identical(claim, {"a_1": sympy.expand((mean(PHI**2, 2) / s1**2 - K) / K**2)})


def check_law(claim: Claim) -> str:
    a, A = sympy.symbols("a A", positive=True)  # a = -a_1
    trial = A / layer
    left = trial.subs(layer, layer + 1) - trial + a * trial**2
    (solved,) = (x for x in sympy.solve(sympy.limit(left * layer**2, layer, sympy.oo), A) if x != 0)
    return identical(claim, {"-a_1 l K": a * solved})


def check_tanh(claim: Claim) -> str:
    """Taylor coefficients of tanh and of sin, put in."""
    found = {}
    for name, phi in (("tanh", sympy.tanh(z)), ("sin", sympy.sin(z))):
        at = {s: sympy.diff(phi, z, k).subs(z, 0) for k, s in ((1, s1), (2, s2), (3, s3))}
        found[f"l K of {name}"] = -1 / A1.subs(at)
    return identical(claim, found)


@cache
def iterated(name: str) -> tuple[float, float]:
    """l K after many layers at sigma_w = 1, with the leading correction taken off, and from half as many layers."""
    x, w = np.polynomial.hermite_e.hermegauss(60)
    w, phi, found, q = w / w.sum(), {"tanh": np.tanh, "sin": np.sin}[name], {}, 1.0
    for depth in range(1, LAYERS + 1):
        q = float(w @ phi(np.sqrt(q) * x) ** 2)
        found[depth] = depth * q
    whole, half = (2 * found[n] - found[n // 2] for n in (LAYERS, LAYERS // 2))
    return whole, half


def check_comparison(claim: Claim) -> str:
    ends = {name: iterated(name.rpartition(" ")[2]) for name in claim}
    evidence = agreeing(claim, {name: (x, 4 * abs(x - half)) for name, (x, half) in ends.items()})
    laws = {name: ns.universality_class(name.rpartition(" ")[2]).length for name in claim}
    derived = agreeing(claim, {name: (float(law.constant), 1e-10) for name, law in laws.items()})
    return f"{LAYERS} layers, {evidence}; ntksym's laws, {derived}"


# --- the steps --------------------------------------------------------------------------------------------------

TANH = {"l K of tanh": sympy.Rational(1, 2), "l K of sin": sympy.S.One}

DERIVATION = Derivation(
    10,
    "vanishing_lengths",
    "Lengths that vanish like one over the depth",
    (
        Step(
            "small lengths",
            r"Let $\phi(z) = \sigma_1 z + \sigma_2 z^2/2 + \sigma_3 z^3/6 + \dots$, without a constant, and $z \sim "
            r"N(0, K)$ with small $K$. The moments are $K$ and $3K^2$.",
            r"E[\phi^2] = \sigma_1^2 K + \left( \sigma_1 \sigma_3 + \tfrac34 \sigma_2^2 \right) K^2 + \dots, \qquad "
            r"E[\phi'^2] = \sigma_1^2 + \left( \sigma_1 \sigma_3 + \sigma_2^2 \right) K + \dots",
            "Taylor expansion",
            partial(
                check_means,
                claim={"E[phi^2]": s1**2 * K + GAIN * K**2, "E[phi'^2]": s1**2 + (s1 * s3 + s2**2) * K},
            ),
        ),
        Step(
            "critical at zero",
            r"Without biases the length zero is kept. With $\sigma_w^2 = 1/\sigma_1^2$ both $\chi_1$ and "
            r"$\chi_\parallel$ are one there, and the second order decides.",
            r"K' = K + a_1 K^2 + \dots, \qquad a_1 = \frac{\sigma_3}{\sigma_1} + \frac34 "
            r"\left( \frac{\sigma_2}{\sigma_1} \right)^2",
            "algebra",
            partial(check_recursion, claim={"a_1": A1}),
        ),
        Step(
            "the power law",
            r"For $a_1 < 0$ lengths fall, and $A/l$ solves the recursion to leading order for one $A$, whatever the "
            r"first length was.",
            r"-\frac{A}{l^2} = a_1 \frac{A^2}{l^2} \quad\Rightarrow\quad K_l \sim \frac{1}{-a_1\, l}",
            "algebra",
            partial(check_law, claim={"-a_1 l K": sympy.S.One}),
        ),
        Step(
            "tanh and sin",
            r"For tanh $\sigma_1 = 1$, $\sigma_2 = 0$, $\sigma_3 = -2$; for the sine $\sigma_3 = -1$.",
            r"\tanh: \; K_l \sim \frac1{2l}, \qquad \sin: \; K_l \sim \frac1l",
            "algebra",
            partial(check_tanh, claim=TANH),
        ),
        Step(
            "witnesses",
            r"The map of lengths, its means taken by quadrature, iterated from $K = 1$; and what ntksym finds.",
            "",
            "comparison",
            partial(check_comparison, claim=TANH),
        ),
    ),
    (
        "D. Roberts, S. Yaida and B. Hanin, The Principles of Deep Learning Theory, Cambridge 2022, chapter 5, "
        "arXiv:2106.10165",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
