"""Derivation 4: the tangent kernel of one hidden layer, for initial weights of any size, by the law of large numbers.

Derivatives are held against finite differences, the limit against finite networks and closed forms. Only the last step
looks at what ntksym derives.
"""

from fractions import Fraction
from functools import cache, partial
from math import erf, sqrt

import numpy as np
import sympy

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, fitted_slopes, identical, measured

from ._gaussian import p, q, r
from ._wide_networks import INPUTS, PAIRS, X, averages, by_pair, differences, joined, parted
from .d003_erf_dual import DUAL, SLOPE

SIGMA_A, SIGMA_W = 1.5, 0.8
WIDTHS, NETWORKS = (64, 128, 256, 512), 2000
a_, w_ = sympy.symbols("sigma_a sigma_w", positive=True)
xx, xy, yy = sympy.symbols("xx xy yy", real=True)  # inner products of the inputs
COVARIANCE = {p: w_**2 * xx, q: w_**2 * yy, r: w_**2 * xy}
KERNEL = DUAL.subs(COVARIANCE) + a_**2 * xy * SLOPE.subs(COVARIANCE)
UNIT = a_**2 * DUAL.subs(COVARIANCE) + a_**2 * w_**2 * xy * SLOPE.subs(COVARIANCE)

erf_of = np.vectorize(erf, otypes=[float])


def numbers(formula: sympy.Expr) -> dict[str, float]:
    """A formula in the inner products, for every pair of inputs."""
    out = {}
    for name, (i, j) in PAIRS.items():
        at = {xx: X[i] @ X[i], xy: X[i] @ X[j], yy: X[j] @ X[j], a_: SIGMA_A, w_: SIGMA_W}
        out[name] = float(formula.subs(at))
    return out


# --- finite networks --------------------------------------------------------------------------------------------


def drawn(width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng((4, width, seed))
    return SIGMA_A * random.standard_normal(width), SIGMA_W * random.standard_normal((width, INPUTS))


def output(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    return erf_of(X @ w.T) @ a / sqrt(len(a))


def gradients(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The derivatives of both outputs by all parameters: (inputs, parameters)."""
    h = X @ w.T
    slope = 2 / sqrt(np.pi) * np.exp(-(h**2))
    by_w = (a * slope)[:, :, None] * X[:, None, :]
    return np.concatenate([erf_of(h), by_w.reshape(len(X), -1)], axis=1) / sqrt(len(a))


def kernel(width: int, seed: int) -> dict[str, float]:
    g = gradients(*drawn(width, seed))
    return by_pair(g @ g.T)


@cache
def kernels() -> dict[str, tuple[float, float]]:
    """Means over networks, with four and a half standard errors."""
    found = averages(kernel, WIDTHS[0], NETWORKS)
    return {name: (mean, 4.5 * error) for name, (mean, error) in found.items()}


def fluctuation(width: int, seed: int) -> dict[str, float]:
    """The spread of the kernel over 40 networks."""
    values = [kernel(width, 40 * seed + k)["x, x'"] for k in range(40)]
    return {"standard deviation": float(np.std(values, ddof=1))}


@cache
def slopes() -> dict[str, list[float]]:
    return fitted_slopes(fluctuation, WIDTHS, 8)


# --- checks -----------------------------------------------------------------------------------------------------


@cache
def outputs() -> dict[str, tuple[float, float]]:
    """Products of outputs over networks of eight hidden units: their mean does not depend on the width."""

    def products(width: int, seed: int) -> dict[str, float]:
        f = output(*drawn(width, seed))
        return by_pair(np.outer(f, f))

    return {name: (mean, 4.5 * error) for name, (mean, error) in averages(products, 8, 10 * NETWORKS).items()}


def check_network(claim: Claim) -> str:
    return f"{10 * NETWORKS} networks of width 8: {agreeing(claim, outputs())}"


def check_gradients(claim: Claim) -> str:
    """One step along each parameter in turn, forwards and backwards."""
    weights = drawn(6, 0)
    exact = gradients(*weights)
    numeric = differences(lambda numbers: output(*parted(numbers, weights)), joined(weights))
    parts = {"by a": slice(0, 6), "by w": slice(6, None)}
    found = {
        name: (float(np.sum(numeric[:, s] * exact[:, s]) / np.sum(exact[:, s] ** 2)), 1e-8) for name, s in parts.items()
    }
    if np.abs(numeric - exact).max() > 1e-8:
        raise NtksymError("a derivative is not that of the output")
    return f"{exact.size} derivatives equal finite differences; over the formulas, {agreeing(claim, found)}"


def check_covariance(claim: Claim) -> str:
    """By multiplying out: E[w_i w_k] is sigma_w^2 for i = k and 0 otherwise."""
    x, y = sympy.symbols("x1:4"), sympy.symbols("y1:4")
    dot = {xx: sum(c * c for c in x), yy: sum(c * c for c in y), xy: sum(c * d for c, d in zip(x, y, strict=True))}

    def second(s: tuple[sympy.Symbol, ...], t: tuple[sympy.Symbol, ...]) -> sympy.Expr:
        return sum(s[i] * t[k] * (w_**2 if i == k else 0) for i in range(3) for k in range(3))

    found = {"p": second(x, x), "q": second(y, y), "r": second(x, y)}
    return identical({name: sympy.sympify(formula).subs(dot) for name, formula in claim.items()}, found)


def check_fluctuation(claim: Claim) -> str:
    return f"spread over networks, widths {WIDTHS[0]} to {WIDTHS[-1]}: {measured(claim, slopes())}"


def check_limit(claim: Claim) -> str:
    return f"{NETWORKS} networks: {agreeing(claim, kernels())}"


def check_units(claim: Claim) -> str:
    """d/dα = sigma_a d/da for a = sigma_a α: every parameter's part is multiplied by its variance."""
    a, w = drawn(6, 1)
    g, h = gradients(a, w), 1e-5
    unit = g * np.concatenate([np.full(6, SIGMA_A), np.full(6 * INPUTS, SIGMA_W)])
    along = np.random.default_rng(4).standard_normal(g.shape[1])
    ahead, behind = (output(a + s * SIGMA_A * along[:6], w + s * SIGMA_W * along[6:].reshape(w.shape)) for s in (h, -h))
    if np.abs((ahead - behind) / (2 * h) - unit @ along).max() > 1e-8:
        raise NtksymError("the derivative by unit Gaussians is not that by the weights, times their standard deviation")
    parts = {"by a": DUAL.subs(COVARIANCE), "by w": a_**2 * xy * SLOPE.subs(COVARIANCE)}
    return f"finite differences agree; {identical(claim, {'unit': a_**2 * parts['by a'] + w_**2 * parts['by w']})}"


@ns.program
def two_layers(x: ns.Vector(INPUTS)) -> ns.Value:
    h = ns.dense(x, ns.dim("n"), name="input", bias=False, sigma_w="sigma_w")
    return ns.dense(ns.activation("erf")(h), 1, name="readout", bias=False, sigma_w="sigma_a")


def check_comparison(claim: Claim) -> str:
    """ntksym divides by the data's dimension, so its sigma_w is larger by the root of that."""
    sigmas = {"sigma_a": SIGMA_A, "sigma_w": SIGMA_W * sqrt(INPUTS)}
    rates = {"readout.w": SIGMA_A**-2, "input.w": SIGMA_W**-2}
    derived = {
        "unit Gaussians": ns.kernel_recursion(two_layers),
        "weights": ns.kernel_recursion(two_layers, rates=rates),
    }
    theirs = {name: recursion.evaluate(X, **sigmas).ntk for name, recursion in derived.items()}
    found = {f"{name}, {pair}": (float(K[PAIRS[pair]]), 1e-12) for name, K in theirs.items() for pair in PAIRS}
    expected = {f"{name}, {pair}": value for name in claim for pair, value in numbers(claim[name]).items()}
    return f"kernel_recursion: {agreeing(expected, found)}"


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    4,
    "one_hidden_layer",
    "The tangent kernel of one hidden layer",
    (
        Step(
            "network",
            r"One hidden layer of width $m$ with an activation $s$ (here erf), all weights trained. The outputs of "
            r"such networks have mean zero and, at every width, the second moment $\sigma_a^2\,E[s\,s']$.",
            r"f(x) = \frac{1}{\sqrt m} \sum_{j=1}^m a_j\,s(w_j \cdot x), \qquad a_j \sim N(0, \sigma_a^2), \quad w_j "
            r"\sim N(0, \sigma_w^2 I)",
            "definition",
            partial(check_network, claim=numbers(a_**2 * DUAL.subs(COVARIANCE))),
        ),
        Step(
            "derivatives",
            r"By the output weights and by the input weights.",
            r"\frac{\partial f}{\partial a_j} = \frac{s(w_j \cdot x)}{\sqrt m}, \qquad \frac{\partial f}{\partial "
            r"w_j} = \frac{a_j\,s'(w_j \cdot x)\,x}{\sqrt m}",
            "chain rule",
            partial(check_gradients, claim={"by a": Fraction(1), "by w": Fraction(1)}),
        ),
        Step(
            "a mean over hidden units",
            r"Their inner products over all parameters are a mean of $m$ independent terms, one for each unit. Such "
            r"a mean settles: its spread over networks falls like $m^{-1/2}$.",
            r"K_m(x, x') = \frac1m \sum_{j=1}^m \left[ s(w_j \cdot x)\,s(w_j \cdot x') + a_j^2\;x \cdot x'\; s'(w_j "
            r"\cdot x)\,s'(w_j \cdot x') \right]",
            "law of large numbers",
            partial(check_fluctuation, claim={"standard deviation": Fraction(-1, 2)}),
        ),
        Step(
            "what a unit sees",
            r"The pair $(w \cdot x, w \cdot x')$ is linear in a Gaussian vector, so it is Gaussian, with mean zero.",
            r"E[(w \cdot x)(w \cdot x')] = \sigma_w^2\;x \cdot x'",
            "algebra",
            partial(check_covariance, claim={"p": w_**2 * xx, "q": w_**2 * yy, "r": w_**2 * xy}),
        ),
        Step(
            "the limit",
            r"The output weight of a unit is independent of its input weights, so its square comes out as "
            r"$\sigma_a^2$. For erf both averages are those of derivation 3.",
            r"K(x, x') = E[s\,s'] + \sigma_a^2\;x \cdot x'\;E[\dot s\,\dot s']",
            "law of large numbers",
            partial(check_limit, claim=numbers(KERNEL)),
        ),
        Step(
            "weights or unit Gaussians",
            r"With $a = \sigma_a \alpha$ and $w = \sigma_w \omega$ for unit Gaussians $\alpha, \omega$ that are "
            r"trained instead, each derivative has a factor more, and each part of the kernel its square.",
            r"\Theta(x, x') = \sigma_a^2\,E[s\,s'] + \sigma_a^2 \sigma_w^2\;x \cdot x'\;E[\dot s\,\dot s']",
            "chain rule",
            partial(check_units, claim={"unit": UNIT}),
        ),
        Step(
            "witnesses",
            r"Both kernels against what ntksym derives from the program: the second as it is, the first with rates "
            r"$1/\sigma_a^2$ and $1/\sigma_w^2$.",
            "",
            "comparison",
            partial(check_comparison, claim={"unit Gaussians": UNIT, "weights": KERNEL}),
        ),
    ),
    (
        "A. Jacot, F. Gabriel and C. Hongler, Neural Tangent Kernel, arXiv:1806.07572 (2018)",
        "L. Chizat, E. Oyallon and F. Bach, On Lazy Training in Differentiable Programming, arXiv:1812.07956 (2018)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
