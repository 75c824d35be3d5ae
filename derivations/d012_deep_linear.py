"""Derivation 12: deep linear networks at every width: products of kernels, all moments, and depth over width."""

from fractions import Fraction
from functools import cache, partial
from itertools import product

import sympy

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.finite import ExactValues
from ntksym.records.derivation import Claim, Derivation, Step, identical
from ntksym.zoo import load

from ._polynomials import gaussians, mean

n, L, beta = sympy.symbols("n L beta", positive=True)
INPUTS = ((1, 2), (-1, 1), (3, 0))
C_W, C_B = Fraction(3, 2), Fraction(1, 3)
QUADS = ((0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 2), (0, 0, 1, 2))
"""Inputs a, b, c, d."""

# --- one layer: what the steps claim ----------------------------------------------------------------------------

FACTORS = sympy.Matrix([[1, 0], [2, 1], [-1, 3], [1, 1]])
"""z_a = FACTORS[a] . x for two independent standard Gaussians x in each coordinate."""
G = FACTORS * FACTORS.T
PAIRINGS = {"G_ab G_cd": G[0, 1] * G[2, 3], "G_ac G_bd": G[0, 2] * G[1, 3], "G_ad G_bc": G[0, 3] * G[1, 2]}
MATRIX = sympy.Matrix([[1, 1 / n, 1 / n], [1 / n, 1, 1 / n], [1 / n, 1 / n, 1]])
"""How E[G_ab G_cd], E[G_ac G_bd] and E[G_ad G_bc] move through a layer with C_W = 1 and no biases."""


def moment(power: int) -> sympy.Expr:
    """prod_(j < q) (1 + 2j/n)."""
    return sympy.prod([1 + 2 * j / n for j in range(power)])


# --- checks -----------------------------------------------------------------------------------------------------


@cache
def of_means(width: int) -> Fraction:
    """E[(1/n) sum z_ia z_ib (1/n) sum z_jc z_jd], by multiplying out."""
    x = gaussians(2 * width)
    z = [[FACTORS[a, 0] * x[2 * i] + FACTORS[a, 1] * x[2 * i + 1] for i in range(width)] for a in range(4)]
    first, second = (sum(s * t for s, t in zip(z[a], z[b], strict=True)) for a, b in ((0, 1), (2, 3)))
    return mean(first * second) / width**2


def check_pairings(claim: Claim) -> str:
    """Three widths settle what is multiplied by 1 and by 1/n, for these Gaussians."""
    found = {width: sympy.Rational(*of_means(width).as_integer_ratio()) for width in (1, 2, 3)}
    for width, value in found.items():
        if sum(x.subs(n, width) * PAIRINGS[name] for name, x in claim.items()) != value:
            raise NtksymError(f"n = {width}: the mean of the product is {value}")
    return f"exact fractions at widths {', '.join(map(str, found))}"


def check_modes(claim: Claim) -> str:
    """Eigenvectors: the sum of all three, and their differences."""
    ones, difference = sympy.Matrix([1, 1, 1]), sympy.Matrix([1, -1, 0])
    return identical(claim, {"sum": (MATRIX * ones)[0], "differences": (MATRIX * difference)[0]})


def check_solution(claim: Claim) -> str:
    """E[G_ab G_cd] after L layers, L = 1, 2, 3, from the three products K_ab K_cd, K_ac K_bd, K_ad K_bc."""
    start = sympy.Matrix(sympy.symbols("K_1:4"))
    for depth in (1, 2, 3):
        identical({"": claim["E[G_ab G_cd]"].subs(L, depth)}, {"": (MATRIX**depth * start)[0]})
    return "equal by computer algebra for one, two and three layers"


def check_moments(claim: Claim) -> str:
    """The chi-squared variable over its degrees of freedom, by its density."""
    x = sympy.Symbol("x", positive=True)
    density = x ** (n / 2 - 1) * sympy.exp(-x / 2) / (2 ** (n / 2) * sympy.gamma(n / 2))
    found = {}
    for power in (1, 2, 3, 4):
        integral = sympy.integrate(density * (x / n) ** power, (x, 0, sympy.oo), conds="none")
        found[f"q = {power}"] = sympy.gammasimp(sympy.expand_func(integral))
    return identical(claim, found)


def check_limit(claim: Claim) -> str:
    """n log E[...] as n grows."""
    found = {f"q = {power}": sympy.limit(n * sympy.log(moment(power)), n, sympy.oo) * beta for power in (2, 3, 4)}
    return identical(claim, found)


@cache
def exact(depth: int, width: int) -> ExactValues:
    """What ntksym finds, with C_W / d = 3/4 in the first layer, so that all is rational."""
    record = ns.finite_width(load("mlp")(phi=ns.activation("identity"), depth=depth))
    return record.exact(
        [*map(list, INPUTS)], n=width, sigma_w=sympy.sqrt(sympy.Rational(3, 2)), sigma_b=sympy.sqrt(C_B)
    )


def recursion(depth: int, width: int, alike: Fraction) -> dict[tuple[int, ...], Fraction]:
    """n Cov of the kernel at the output: the recursion with ``alike`` in place of one in the terms that carry 1/n."""
    dot = [[Fraction(sum(s * t for s, t in zip(x, y, strict=True))) for y in INPUTS] for x in INPUTS]
    kernel = [[C_B + C_W * g / 2 for g in row] for row in dot]
    every = list(product(range(3), repeat=4))
    M = {(a, b, c, d): kernel[a][b] * kernel[c][d] for a, b, c, d in every}
    for _ in range(depth):
        M = {
            (a, b, c, d): C_B**2
            + C_B * C_W * (kernel[a][b] + kernel[c][d])
            + C_W**2 * (M[a, b, c, d] + alike * (M[a, c, b, d] + M[a, d, b, c]) / width)
            for a, b, c, d in every
        }
        kernel = [[C_B + C_W * x for x in row] for row in kernel]
    return {at: M[at] - kernel[at[0]][at[1]] * kernel[at[2]][at[3]] for at in QUADS}


def check_comparison(claim: Claim) -> str:
    alike = Fraction(str(claim["terms that carry 1/n"]))
    for depth, width in ((1, 2), (2, 3), (4, 5)):
        found = exact(depth, width).at("V")
        for at, value in recursion(depth, width, alike).items():
            if found[at] != value:
                raise NtksymError(f"{depth} layers of {width}, inputs {at}: {found[at]} is not {value}")
    return f"exact fractions at {len(QUADS)} choices of inputs, depths and widths 1, 2; 2, 3; 4, 5"


def check_all_moments(claim: Claim) -> str:
    """E[f^2q] over (2q - 1)!! K^q, without biases."""
    record = ns.finite_width(load("mlp")(phi=ns.activation("identity"), depth=3, bias=False))
    for width, power in product((1, 2, 7), (2, 3)):
        found = record.exact([[1]], n=width).moment(power)
        value = sympy.factorial2(2 * power - 1) * claim[f"q = {power}"].subs(n, width)
        if sympy.Rational(found.numerator, found.denominator) != value:
            raise NtksymError(f"n = {width}, q = {power}: {found} is not {value}")
    return "exact fractions at three layers of widths 1, 2 and 7"


k1, k2, k3 = sympy.symbols("K_1:4")
SUM = (k1 + k2 + k3) / 3
DERIVATION = Derivation(
    12,
    "deep_linear",
    "Deep linear networks at every width",
    (
        Step(
            "one layer",
            r"Given its covariance $\hat G$ a layer is Gaussian, so the mean of four of its entries is a sum over "
            r"three pairings. In the product of two means over $n$ coordinates, coordinates differ in all but $n$ of "
            r"$n^2$ terms; there only one pairing is left.",
            r"E\Big[\frac1n \sum_i z_{ia} z_{ib}\;\frac1n \sum_j z_{jc} z_{jd}\Big] = \hat G_{ab} \hat G_{cd} + "
            r"\frac1n \big( \hat G_{ac} \hat G_{bd} + \hat G_{ad} \hat G_{bc} \big)",
            "algebra",
            partial(
                check_pairings,
                claim={"G_ab G_cd": sympy.S.One, "G_ac G_bd": 1 / n, "G_ad G_bc": 1 / n},
            ),
        ),
        Step(
            "two modes",
            r"With $C_W = 1$ and no biases the three products move by one matrix. Their sum grows, their differences "
            r"shrink.",
            r"\lambda_{\mathrm{sum}} = 1 + \frac2n, \qquad \lambda_{\mathrm{differences}} = 1 - \frac1n",
            "algebra",
            partial(check_modes, claim={"sum": 1 + 2 / n, "differences": 1 - 1 / n}),
        ),
        Step(
            "any depth",
            r"From independent outputs in the first layer, with $S$ the mean of the three products of kernels there:",
            r"E[\hat G_{ab} \hat G_{cd}] = S \Big(1 + \frac2n\Big)^L + (K_{ab} K_{cd} - S) \Big(1 - \frac1n\Big)^L",
            "induction",
            partial(
                check_solution,
                claim={"E[G_ab G_cd]": SUM * (1 + 2 / n) ** L + (k1 - SUM) * (1 - 1 / n) ** L},
            ),
        ),
        Step(
            "with biases",
            r"They add what does not fluctuate. With $M = E[\hat G \hat G]$, exactly:",
            r"M'_{(ab)(cd)} = C_b^2 + C_b C_W (G_{ab} + G_{cd}) + C_W^2 \Big[ M_{(ab)(cd)} + \frac1n \big( "
            r"M_{(ac)(bd)} + M_{(ad)(bc)} \big) \Big]",
            "comparison",
            partial(check_comparison, claim={"terms that carry 1/n": Fraction(1)}),
        ),
        Step(
            "all moments at one input",
            r"There $\hat G' = \hat G\,\chi^2_n / n$ with a fresh $\chi^2_n$, so factors of layers are independent.",
            r"E\Big[\Big(\frac{\chi^2_n}{n}\Big)^q\Big] = \prod_{j < q} \Big(1 + \frac{2j}{n}\Big), \qquad E[f^{2q}] = "
            r"(2q - 1)!!\,K^q \prod_{j < q} \Big(1 + \frac{2j}{n}\Big)^L",
            "algebra",
            partial(check_moments, claim={f"q = {power}": moment(power) for power in (1, 2, 3, 4)}),
        ),
        Step(
            "depth over width",
            r"Where $L = \beta n$ these are the moments of a log-normal variable: fluctuations of layers multiply.",
            r"E[\hat G^q] / K^q \to e^{q (q - 1) \beta}",
            "Taylor expansion",
            partial(check_limit, claim={f"q = {power}": power * (power - 1) * beta for power in (2, 3, 4)}),
        ),
        Step(
            "witnesses",
            r"Moments of the output of three layers, as ntksym finds them, over $K^q$.",
            "",
            "comparison",
            partial(check_all_moments, claim={f"q = {power}": moment(power) ** 3 for power in (2, 3)}),
        ),
    ),
    (
        "B. Hanin and M. Nica, Products of Many Large Random Matrices and Gradients in Deep Neural Networks, "
        "arXiv:1812.05994 (2018)",
        "S. Yaida, Non-Gaussian processes and neural networks at finite widths, arXiv:1910.00019 (2019)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
