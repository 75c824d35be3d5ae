"""Derivation 13: how fluctuations of the kernel grow with depth at criticality, where only the length zero is kept."""

from functools import cache, partial

import sympy

from ntksym.finite import depth_laws, one_input_recursion
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

from .d007_finite_width import LIMIT, beta
from .d010_vanishing_lengths import mean

z, a, v, g = sympy.symbols("z a v g", real=True)
K, s1, layer = sympy.symbols("K sigma_1 l", positive=True)
PHI = s1 * (z + a * z**3 / 6)
"""An odd function; a = sigma_3 / sigma_1 is negative where its kernel falls, K ~ -1/(a l), by derivation 10."""
DEPTHS = (5000, 10000, 20000)

# --- checks -----------------------------------------------------------------------------------------------------


def kernel(order: int) -> sympy.Expr:
    """C_W E[phi^2] with C_W = 1 / sigma_1^2."""
    return sympy.expand(mean(PHI**2, order) / s1**2)


def check_noise(claim: Claim) -> str:
    noise = (mean(PHI**4, 2) - mean(PHI**2, 2) ** 2) / s1**4
    return identical(claim, {"noise": sympy.series(noise, K, 0, 3).removeO()})


def check_slopes(claim: Claim) -> str:
    slope = sympy.diff(kernel(2), K)
    found = {
        "of K": sympy.series(slope, K, 0, 2).removeO(),
        "squared": sympy.series(slope**2, K, 0, 2).removeO(),
        "second": sympy.diff(kernel(2), K, 2),
    }
    return identical(claim, found)


FALLING = -1 / (a * layer)


def check_vertex(claim: Claim) -> str:
    trial = v / layer
    left = trial.subs(layer, layer + 1) - (1 + 4 * a * FALLING) * trial - 2 * FALLING**2
    (solution,) = sympy.solve(sympy.limit(left * layer**2, layer, sympy.oo), v)
    return identical(claim, {"V / (K^2 l)": solution / layer / (FALLING**2 * layer)})


def check_correction(claim: Claim) -> str:
    """A constant: what moves it must vanish to leading order."""
    V = sympy.Rational(2, 3) * FALLING**2 * layer
    moved = 2 * a * FALLING * g + V * 2 * a / 2
    (solution,) = sympy.solve(sympy.expand(moved * layer), g)
    return identical(claim, {"G1 / (K l)": solution / (FALLING * layer)})


def check_relu(claim: Claim) -> str:
    """The limit at fixed depth over width, for a small ratio."""
    return identical(claim, {"n Var(H) / (l E[H]^2)": sympy.series(LIMIT, beta, 0, 2).removeO().coeff(beta, 1)})


@cache
def ratios() -> dict[str, list[float]]:
    """V/(K^2 l) and G1/(K l) of sin, by the recursion itself, from K = 1."""
    recursion = one_input_recursion("sin", ("V", "G1"))
    lines = dict(recursion.closed)
    names = ("K", "V", "G1")
    symbols = {s.name: s for x in lines.values() for s in x.free_symbols}
    numbers = {symbols[name]: value for name, value in (("C_W", 1), ("C_b", 0), ("r", 1))}
    step = sympy.lambdify([symbols[name] for name in names], [lines[name].subs(numbers) for name in names], "math")
    state, found = (1.0, 0.0, 0.0), {"V / (K^2 l)": [], "G1 / (K l)": []}
    for depth in range(2, max(DEPTHS) + 1):
        state = step(*state)
        if depth in DEPTHS:
            found["V / (K^2 l)"].append(state[1] / (state[0] ** 2 * depth))
            found["G1 / (K l)"].append(state[2] / (state[0] * depth))
    return found


def check_recursion(claim: Claim) -> str:
    """Corrections fall like log(l)/l."""
    return f"{DEPTHS[-1]} layers: {agreeing(claim, {name: (x[-1], 2e-3) for name, x in ratios().items()})}"


def check_comparison(claim: Claim) -> str:
    laws, relu = depth_laws("tanh").laws, depth_laws("relu", lambda_b=0)
    found = {
        "V / (K^2 l)": laws["V"].coefficient / laws["K"].coefficient ** 2,
        "G1 / (K l)": laws["G1"].coefficient / laws["K"].coefficient,
        "n Var(H) / (l E[H]^2)": next(iter(relu.ntk_variance.as_coeff_exponent(sympy.Symbol("l", real=True)))),
    }
    return f"depth_laws: {identical(claim, found)}"


VERTEX, CORRECTION = {"V / (K^2 l)": sympy.Rational(2, 3)}, {"G1 / (K l)": -sympy.Rational(1, 3)}
RELU = {"n Var(H) / (l E[H]^2)": sympy.Rational(11, 3)}

DERIVATION = Derivation(
    13,
    "fluctuations_in_depth",
    "Fluctuations of the kernel many layers deep",
    (
        Step(
            "noise of a layer",
            r"For an odd activation with the slope $\sigma_1$ at zero, at $C_W = 1/\sigma_1^2$ and small $K$, a "
            r"layer's own noise is that of a linear one.",
            r"C_W^2 \big( E[\phi^4] - E[\phi^2]^2 \big) = 2 K^2 + \dots",
            "Taylor expansion",
            partial(check_noise, claim={"noise": 2 * K**2}),
        ),
        Step(
            "what is passed on",
            r"By the slope of the map of kernels: $a = \sigma_3 / \sigma_1$, negative where kernels fall to zero.",
            r"\partial_K (C_W E[\phi^2]) = 1 + 2 a K + \dots, \qquad \partial_K^2 (C_W E[\phi^2]) = 2a + \dots",
            "Taylor expansion",
            partial(check_slopes, claim={"of K": 1 + 2 * a * K, "squared": 1 + 4 * a * K, "second": 2 * a}),
        ),
        Step(
            "the vertex",
            r"With $K = -1/(a l)$ the ansatz $V = v/l$ makes $-v = -4v + 2/a^2$.",
            r"V' = (1 + 4 a K) V + 2 K^2 \quad\Rightarrow\quad V \to \frac23 K^2 l",
            "algebra",
            partial(check_vertex, claim=VERTEX),
        ),
        Step(
            "the mean",
            r"Where $\hat G$ fluctuates the curvature of the map shifts its mean; the slope pulls it back.",
            r"G^{\{1\}\prime} = (1 + 2 a K)\,G^{\{1\}} + \frac12 (2a) V \quad\Rightarrow\quad G^{\{1\}} "
            r"\to -\frac13 K l",
            "algebra",
            partial(check_correction, claim=CORRECTION),
        ),
        Step(
            "by the recursion itself",
            r"The activation $\sin$, $20000$ layers.",
            "",
            "comparison",
            partial(check_recursion, claim={**VERTEX, **CORRECTION}),
        ),
        Step(
            "ReLU",
            r"There kernels stay, $V \to 5 K^2 l$, and derivation 7 gives the tangent kernel, biases not trained.",
            r"\frac{n\,\mathrm{Var}(H_{11})}{E[H_{11}]^2} \to \frac{11}{3}\,l",
            "Taylor expansion",
            partial(check_relu, claim=RELU),
        ),
        Step(
            "witnesses",
            r"The laws that ntksym finds, for $\tanh$ and ReLU.",
            "",
            "comparison",
            partial(check_comparison, claim={**VERTEX, **CORRECTION, **RELU}),
        ),
    ),
    ("D. Roberts, S. Yaida and B. Hanin, The Principles of Deep Learning Theory, arXiv:2106.10165 (2021)",),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
