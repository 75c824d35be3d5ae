"""Derivation 7: fluctuations of kernels at finite width: one layer, ReLU and linear networks, depth over width.

The first steps hold at every width, and are held against the exact fractions that ntksym finds; the tests hold these
against means over all signs and weights.
"""

from fractions import Fraction
from functools import cache, partial

import sympy

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.finite import fluctuation_limit
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical
from ntksym.zoo import load

K, beta = sympy.symbols("K beta", positive=True)
LIMIT = sympy.exp(5 * beta) * (sympy.Rational(1, 3) + 2 / (9 * beta) * (1 - (1 - sympy.exp(-6 * beta)) / (6 * beta)))
WIDTHS = ((1, 1), (2, 3), (5, 2), (7, 64))
"""Depths and widths."""


def perceptron(phi: str, depth: int) -> ns.Program:
    return load("mlp")(phi=ns.activation(phi), depth=depth, bias=False)


# --- checks -----------------------------------------------------------------------------------------------------


def moment(f: sympy.Expr, k: int) -> sympy.Expr:
    """E[f(z)^k] for z ~ N(0, K), an integral over the density."""
    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / (2 * K)) / sympy.sqrt(2 * sympy.pi * K)
    return sympy.simplify(sympy.integrate(f(z) ** k * density, (z, 0, sympy.oo)))


def check_noise(claim: Claim) -> str:
    """Of a mean of n independent terms phi(z)^2, the variance; phi(z) = z for z > 0."""
    square, fourth = (moment(lambda z: z, k) for k in (2, 4))
    return identical(claim, {"n times the variance": fourth - square**2})


def check_transport(claim: Claim) -> str:
    return identical(claim, {"slope": sympy.diff(moment(lambda z: z, 2), K)})


@cache
def exact(phi: str, depth: int, width: int, C_W: int) -> dict[str, Fraction]:
    """Second moments of two outputs and their tangent kernels over squares of the kernel: v, d, f, a, b, and E[H]."""
    record = ns.finite_width(perceptron(phi, depth))
    found = record.exact([[1]], tensors=("V", "D", "F", "A", "B"), sigma_w=sympy.sqrt(C_W), n=width)
    G, h = found.nngp[-1][0, 0], found.ntk[-1][0, 0]
    v, d, f, a, b = (found.at(name)[0, 0, 0, 0] for name in "VDFAB")
    squares = {"v": v + G * G, "d": d + G * h, "f": f, "a": a + h * h, "b": b}
    return {"h": h / G, **{name: value / (G * G) for name, value in squares.items()}}


def check_growth(phi: str, C_W: int, claim: Claim) -> str:
    """(1 + c/n)^L, exactly."""
    for L, n in WIDTHS:
        if (1 + Fraction(str(claim["growth"])) / n) ** L != exact(phi, L, n, C_W)["v"]:
            raise NtksymError(f"L = {L}, n = {n}: E[G^2] is not (1 + {claim['growth']}/n)^L")
    return f"exact fractions, {len(WIDTHS)} depths and widths"


def check_moments(claim: Claim) -> str:
    """What one more layer adds."""
    for L, n in WIDTHS:
        old, new = exact("relu", L, n, 2), exact("relu", L + 1, n, 2)
        found = {
            "d to d": (new["d"] - old["d"] - new["v"]) * n - 4 * old["f"],
            "d to f": (new["f"] - old["f"]) * n - 3 * old["f"],
            "a to a": (new["a"] - old["a"] - 2 * new["d"] + new["v"]) * n - 4 * old["b"],
            "a to b": (new["b"] - old["b"]) * n - 3 * old["b"],
        }
        for name, value in found.items():
            if value != Fraction(str(claim[name])) * old[name[0]]:
                raise NtksymError(f"{name}, L = {L}, n = {n}: {value} is not {claim[name]} times {old[name[0]]}")
    return f"exact fractions, {len(WIDTHS)} depths and widths"


def check_limit(claim: Claim) -> str:
    """The differential equations solved from the top: each is linear in what is not known yet."""
    t, s = sympy.symbols("t s", positive=True)

    def solved(rate: int, source: sympy.Expr) -> sympy.Expr:
        """x' = rate x + source, x(0) = 0."""
        return sympy.exp(rate * t) * sympy.integrate((sympy.exp(-rate * t) * source).expand().subs(t, s), (s, 0, t))

    v = sympy.exp(5 * t)
    both, apart = solved(5, v), solved(-1, v)  # D + 2F, D - F
    total = solved(5, 2 * (both + 2 * apart) / 3)  # A + 2B
    return identical(claim, {"E[H^2]/E[H]^2": (total / t**2).subs(t, beta)})


def check_approach(claim: Claim) -> str:
    """At L = n/2: twice extrapolated in 1/n."""
    ratios = [exact("relu", n // 2, n, 2) for n in (32, 64, 128)]
    values = [float((x["a"] + 2 * x["b"]) / x["h"] ** 2) for x in ratios]
    once = [2 * values[1] - values[0], 2 * values[2] - values[1]]
    found = {"at beta = 1/2": ((4 * once[1] - once[0]) / 3, 0.02)}
    found["as ntksym has it"] = (float(fluctuation_limit("relu", sympy.Rational(1, 2))), 1e-12)
    return agreeing(claim, found)


DERIVATION = Derivation(
    7,
    "finite_width",
    "Fluctuations of kernels at finite width",
    (
        Step(
            "the kernel is a mean",
            r"Given one layer, the next is exactly Gaussian, and its covariance $\hat G$ is a mean of $n$ independent "
            r"terms. For $\phi = \max(0, \cdot)$ at one input, these vary by",
            r"\hat G' = \frac{C_W}{n} \sum_i \phi(z_i)^2, \qquad n\,\mathrm{Var}\Big(\frac1n \sum_i \phi(z_i)^2\Big) = "
            r"E[\phi^4] - E[\phi^2]^2 = \frac54 K^2",
            "law of large numbers",
            partial(check_noise, claim={"n times the variance": 5 * K**2 / 4}),
        ),
        Step(
            "what came before",
            r"If the kernel before was off by $\delta$, the mean is off by the slope of $E[\phi^2]$ in $K$ times "
            r"$\delta$; so a variance is passed on with the square of it.",
            r"\partial_K E[\phi^2] = \frac12 \quad\Rightarrow\quad V' = C_W^2 \Big( \frac54 K^2 + \frac{V}{4} \Big)",
            "Taylor expansion",
            partial(check_transport, claim={"slope": sympy.Rational(1, 2)}),
        ),
        Step(
            "ReLU, any width and depth",
            r"At $C_W = 2$ the kernel stays the same, and both terms are proportional to $E[\hat G^2]$: nothing is "
            r"left out.",
            r"E[\hat G'^2] = \Big(1 + \frac5n\Big) E[\hat G^2] \quad\Rightarrow\quad \frac{\mathrm{Cov}(f_1^2, f_2^2)}"
            r"{K^2} = \Big(1 + \frac5n\Big)^L - 1 = \frac{5L}{n} + \dots",
            "induction",
            partial(check_growth, "relu", 2, claim={"growth": Fraction(5)}),
        ),
        Step(
            "linear networks",
            r"For $\phi(z) = z$ the same two averages are $3K^2 - K^2$ and $1$.",
            r"\frac{E[\hat G_L^2]}{K^2} = \Big(1 + \frac2n\Big)^L",
            "induction",
            partial(check_growth, "identity", 1, claim={"growth": Fraction(2)}),
        ),
        Step(
            "five moments",
            r"The tangent kernel adds a layer's own gradients to what comes back through its weights. With "
            r"$v = E[f_1^2 f_2^2]$, $d = E[f_1^2 H_{22}]$, $f = E[f_1 f_2 H_{12}]$, $a = E[H_{11} H_{22}]$ and "
            r"$b = E[H_{12}^2]$, all at $K = 1$:",
            r"d' - d = v' + \frac{d + 4f}{n}, \quad f' - f = \frac{2d + 3f}{n}, \quad a' - a = 2d' - v' + "
            r"\frac{a + 4b}{n}, \quad b' - b = \frac{2a + 3b}{n}",
            "induction",
            partial(
                check_moments,
                claim={"d to d": Fraction(1), "d to f": Fraction(2), "a to a": Fraction(1), "a to b": Fraction(2)},
            ),
        ),
        Step(
            "depth over width",
            r"Where $L = \beta n$ and $n \to \infty$ differences become derivatives, and $D + 2F$, $D - F$, $A + 2B$ "
            r"obey $x' = 5x + e^{5t}$, $x' = -x + e^{5t}$, $x' = 5x + 2D$.",
            r"\frac{E[H_{11}^2]}{E[H_{11}]^2} = \frac{A + 2B}{\beta^2} = e^{5\beta} \Big[ \frac13 + \frac{2}{9\beta} "
            r"\Big( 1 - \frac{1 - e^{-6\beta}}{6\beta} \Big) \Big]",
            "algebra",
            partial(check_limit, claim={"E[H^2]/E[H]^2": LIMIT}),
        ),
        Step(
            "witnesses",
            r"Exact networks of $\beta n$ layers, $n = 32, 64, 128$, extrapolated, at $\beta = 1/2$.",
            "",
            "comparison",
            partial(
                check_approach,
                claim=dict.fromkeys(("at beta = 1/2", "as ntksym has it"), float(LIMIT.subs(beta, 0.5))),
            ),
        ),
    ),
    (
        "S. Yaida, Non-Gaussian processes and neural networks at finite widths, arXiv:1910.00019 (2019)",
        "B. Hanin and M. Nica, Finite Depth and Width Corrections to the Neural Tangent Kernel, arXiv:1909.05989",
        "D. Roberts, S. Yaida and B. Hanin, The Principles of Deep Learning Theory, arXiv:2106.10165 (2021)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
