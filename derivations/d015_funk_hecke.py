"""Derivation 15: eigenvalues of kernels on the sphere, and why those of ReLU fall like k^-d, even degrees alone.

Integrals are taken by SymPy on the ordinary sphere, d = 3; only the last step looks at ntksym.
"""

from functools import cache, partial

import sympy

import ntksym as ns
from ntksym.dynamics.spectrum import Spectrum
from ntksym.records.derivation import Claim, Derivation, Step, identical

from ._gaussian import p, q, r
from .d002_relu_dual import DUAL, ORTHANT

c, angle, k, v = sympy.symbols("c theta k v", positive=True)
HALF = sympy.Rational(1, 2)

# --- checks -----------------------------------------------------------------------------------------------------


@cache
def mean(g: sympy.Expr) -> sympy.Expr:
    """The average over the sphere of a function of the cosine, which is uniform for d = 3."""
    x = sympy.Symbol("x", real=True)
    return sympy.integrate(sympy.expand(g.subs(c, x)), (x, -1, 1)) / 2


def check_density(claim: Claim) -> str:
    found = {}
    for d in (2, 3, 4, 5, 6):
        found[f"d = {d}"] = 1 / sympy.integrate(sympy.sin(angle) ** (d - 2), (angle, 0, sympy.pi))
    return identical(claim, found)


def factor(d: int) -> sympy.Expr:
    """What the first step claims."""
    return sympy.gamma(sympy.Rational(d, 2)) / (sympy.sqrt(sympy.pi) * sympy.gamma(sympy.Rational(d - 1, 2)))


def check_orthogonality(claim: Claim) -> str:
    """Squares have the mean 1/N_k, products of different degrees the mean 0."""
    found = {f"N_{n}": 1 / mean(sympy.legendre(n, c) ** 2) for n in range(4)}
    identical({"product": sympy.S.Zero}, {"product": mean(sympy.legendre(1, c) * sympy.legendre(3, c))})
    return identical(claim, found)


@cache
def of_power(n: int, power: sympy.Expr) -> sympy.Expr:
    """What the third step claims, at d = 3."""
    gammas = sympy.gamma(power + 1) * sympy.gamma(n - power) / (sympy.gamma(-power) * sympy.gamma(n + power + 2))
    return sympy.gammasimp(sympy.gamma(3 * HALF) / sympy.sqrt(sympy.pi) * 2 ** (power + 1) * gammas)


def check_power(claim: Claim) -> str:
    """Integrals of (1 - c)^(1/2) with Legendre polynomials; s^2 = 1 - c makes them polynomials in s."""
    s = sympy.Symbol("s", positive=True)
    found = {}
    for n in range(5):
        inside = sympy.expand(s * sympy.legendre(n, 1 - s**2) * 2 * s)
        found[f"k = {n}"] = sympy.integrate(inside, (s, 0, sympy.sqrt(2))) / 2
    return identical(claim, found)


@cache
def leading() -> sympy.Expr:
    """The limit of k^3 times the eigenvalue; shifted by a half, the gamma functions differ by a whole number."""
    rational = sympy.gammasimp(of_power(k, HALF).subs(k, k + HALF))
    return sympy.limit(rational * k**3, k, sympy.oo)


def check_large(claim: Claim) -> str:
    return identical(claim, {"k^3 lambda_k": leading()})


def relu_ntk() -> sympy.Expr:
    """E[phi phi] + c E[phi' phi'] of unit vectors, from derivation 2."""
    on_sphere = {p: sympy.S.One, q: sympy.S.One, r: c}
    return DUAL.subs(on_sphere) + c * ORTHANT.rewrite(sympy.acos).subs(on_sphere)


@cache
def ends() -> tuple[sympy.Expr, sympy.Expr]:
    """The kernel as a function of the angle from c = 1, and of that from c = -1."""
    kernel = relu_ntk().subs(sympy.acos(c), angle).subs(sympy.sqrt(1 - c**2), sympy.sin(angle))
    kernel = kernel.subs(c, sympy.cos(angle))
    return kernel, kernel.subs(angle, sympy.pi - angle)


def check_ends(claim: Claim) -> str:
    found = {}
    for name, kernel in zip(("c = 1", "c = -1"), ends(), strict=True):
        found[name] = sympy.series(kernel, angle, 0, 2).removeO().coeff(angle, 1)
    return identical(claim, found)


def check_law(claim: Claim) -> str:
    """theta = (2(1 - c))^(1/2) to leading order: the two ends add for even degrees, and cancel for odd ones."""
    start, end = (sympy.series(kernel, angle, 0, 2).removeO().coeff(angle, 1) for kernel in ends())
    one = leading() * sympy.sqrt(2)
    return identical(claim, {"even": one * (start + end), "odd": one * (start - end)})


@cache
def first() -> dict[str, sympy.Expr]:
    """Averages of the kernel with Legendre polynomials, as integrals over the angle."""
    kernel, found = ends()[0], {}
    for n in range(4):
        inside = kernel * sympy.legendre(n, sympy.cos(angle)) * sympy.sin(angle) / 2
        found[f"lambda_{n}"] = sympy.integrate(sympy.expand(inside), (angle, 0, sympy.pi))
    return found


def check_first(claim: Claim) -> str:
    return identical(claim, first())


@cache
def of_relu() -> Spectrum:
    record = ns.spectrum(ns.zoo.load("mlp")(depth=1), d=3, degrees=4)
    assert isinstance(record, Spectrum)
    return record


def check_comparison(claim: Claim) -> str:
    record = of_relu()
    assert record.decay is not None
    found = {f"lambda_{n}": record.eigenvalues[n] for n in (0, 2, 4)}
    return f"ntksym's eigenvalues and law, {identical(claim, {**found, 'law': record.decay[0].coefficient})}"


# --- the steps --------------------------------------------------------------------------------------------------

EIGENVALUES = {
    "lambda_0": sympy.Rational(1, 4),
    "lambda_1": sympy.Rational(1, 6),
    "lambda_2": sympy.Rational(5, 128),
    "lambda_3": sympy.S.Zero,
}
LAW = 1 / (2 * sympy.pi)
DERIVATION = Derivation(
    15,
    "funk_hecke",
    "Kernels on the sphere: the eigenvalues of ReLU",
    (
        Step(
            "the angle",
            r"Of a point that is uniform on $S^{d-1}$, the angle to a fixed point has a density proportional to "
            r"$\sin^{d-2}\theta$: the circles of equal angle have that radius.",
            r"\frac{\Gamma(d/2)}{\sqrt\pi\,\Gamma((d-1)/2)} \sin^{d-2}\theta",
            "definition",
            partial(check_density, claim={f"d = {d}": factor(d) for d in (2, 3, 4, 5, 6)}),
        ),
        Step(
            "harmonics",
            r"An average over rotations that fix a point $u$ turns a spherical harmonic of degree $k$ into a "
            r"multiple of the polynomial $P_k(u \cdot x)$, $P_k(1) = 1$. So $\kappa(x \cdot x')$ has the harmonics "
            r"as eigenfunctions, with the eigenvalue below for all $N_k$ of degree $k$; $P_k$ has the mean square "
            r"$1/N_k$. For $d = 3$ it is Legendre's, and $N_k = 2k + 1$.",
            r"\lambda_k = E[\kappa(\cos\theta)\,P_k(\cos\theta)], \qquad \sum_k N_k \lambda_k = \kappa(1)",
            "definition",
            partial(check_orthogonality, claim={f"N_{n}": sympy.Integer(2 * n + 1) for n in range(4)}),
        ),
        Step(
            "powers",
            r"Rodrigues' formula makes $P_k$ a $k$-th derivative. Integrated by parts $k$ times, $(1 - c)^v$ leaves "
            r"a beta integral. For $v$ a whole number below $k$ it is zero, as it must.",
            r"(1-c)^v: \qquad \lambda_k = \frac{\Gamma(d/2)\,2^{v+d-2}\,\Gamma(v + "
            r"\frac{d-1}2)}{\sqrt\pi\,\Gamma(-v)}\,\frac{\Gamma(k - v)}{\Gamma(k + v + d - 1)}",
            "algebra",
            partial(check_power, claim={f"k = {n}": of_power(n, HALF) for n in range(5)}),
        ),
        Step(
            "large degrees",
            r"So it falls like $k^{-2v-d+1}$. For $v = \frac12$ and $d = 3$:",
            r"\lambda_k \sim -\frac{1}{2\sqrt2}\,k^{-3}",
            "Taylor expansion",
            partial(check_large, claim={"k^3 lambda_k": -1 / (2 * sympy.sqrt(2))}),
        ),
        Step(
            "where ReLU is not smooth",
            r"The tangent kernel of one hidden layer of ReLUs, $\kappa = (\sin\theta + 2 (\pi - \theta) \cos\theta) "
            r"/ 2\pi$, is smooth but at $c = \pm 1$. Odd powers of the angle are half powers of $1 \mp c$.",
            r"\kappa = 1 - \frac{\theta}{2\pi} + \dots, \qquad \kappa = -\frac{\pi - \theta}{2\pi} + \dots",
            "Taylor expansion",
            partial(check_ends, claim={"c = 1": -LAW, "c = -1": -LAW}),
        ),
        Step(
            "the law",
            r"The mirror image of a power has the same eigenvalues times $(-1)^k$. Both ends weigh the same here, so "
            r"even degrees have twice the eigenvalues of one end, and odd degrees fall faster.",
            r"\lambda_k \sim \frac{1}{2\pi}\,k^{-3} \quad (k \text{ even})",
            "algebra",
            partial(check_law, claim={"even": LAW, "odd": sympy.S.Zero}),
        ),
        Step(
            "the first ones",
            r"Integrals of arc cosines with polynomials are rational. Odd degrees from three on are even zero: "
            r"$\kappa$ is an even function plus $c/2$.",
            r"\lambda_0, \lambda_1, \lambda_2, \lambda_3 = \frac14, \frac16, \frac5{128}, 0",
            "algebra",
            partial(check_first, claim=EIGENVALUES),
        ),
        Step(
            "witnesses",
            r"ntksym takes the same integrals in another way, as trigonometric polynomials.",
            "",
            "comparison",
            partial(
                check_comparison,
                claim={
                    "lambda_0": EIGENVALUES["lambda_0"],
                    "lambda_2": EIGENVALUES["lambda_2"],
                    "lambda_4": sympy.Rational(1, 384),
                    "law": LAW,
                },
            ),
        ),
    ),
    (
        "C. Müller, Spherical Harmonics, 1966",
        "F. Bach, Breaking the Curse of Dimensionality with Convex Neural Networks, arXiv:1412.8690 (2014)",
        "A. Bietti and F. Bach, Deep Equals Shallow for ReLU Networks in Kernel Regimes, arXiv:2009.14397 (2020)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
