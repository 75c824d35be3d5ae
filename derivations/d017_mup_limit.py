"""Derivation 17: the muP limit of a linear network with one hidden layer, in closed equations of finitely many numbers.

The limit is held against finite networks whose gradients are written out by hand; only the last step looks at ntksym.
"""

from fractions import Fraction
from functools import cache, partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, fitted_slopes, identical, measured

X = np.array([[1.0, -0.5], [0.5, 1.0], [-0.75, 0.25]])
Y = np.array([1.0, -0.5, 0.75])
RATE, STEPS = 0.5, 12
WIDTHS, SEEDS = (64, 256, 1024, 4096), 32
Pair = tuple[np.ndarray, np.ndarray]


def drawn(width: int, seed: int) -> Pair:
    """Hidden units u (2, n) and v (n,) with the variances 1/2 and 1."""
    random = np.random.default_rng((18, width, seed))
    return random.standard_normal((2, width)) / np.sqrt(2), random.standard_normal(width)


def slope(f: np.ndarray) -> np.ndarray:
    """dL/df for half the mean squared error."""
    return (f - Y) / len(Y)


# --- finite networks --------------------------------------------------------------------------------------------


def mup(width: int, seed: int, steps: int = STEPS) -> Pair:
    """SGD on the weights of muP: a readout V with entries 1/n, rates n for the first layer and 1/n for the readout."""
    u, v = drawn(width, seed)
    weights, readout = u.T, v / width
    for _ in range(steps):
        error = slope(X @ weights.T @ readout)
        by_weights, by_readout = np.outer(readout, error @ X), weights @ X.T @ error
        weights, readout = weights - RATE * width * by_weights, readout - RATE / width * by_readout
    return weights.T, width * readout


def lazy(width: int, seed: int) -> np.ndarray:
    """The hidden units after SGD in the tangent parametrization, f = n^(-1/2) sum v u.x at rates of order one."""
    u, v = drawn(width, seed)
    for _ in range(STEPS):
        error = slope(X @ u @ v / np.sqrt(width))
        u, v = u - RATE / np.sqrt(width) * np.outer(error @ X, v), v - RATE / np.sqrt(width) * (X @ u).T @ error
    return u


def gram(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    z = np.vstack([u, v])
    return z @ z.T / len(v)


# --- the closed equation ----------------------------------------------------------------------------------------


def trained(G: np.ndarray, steps: int = STEPS) -> np.ndarray:
    for _ in range(steps):
        pull = np.zeros((3, 3))
        pull[:2, 2] = pull[2, :2] = RATE * slope(X @ G[:2, 2]) @ X
        G = (np.eye(3) - pull) @ G @ (np.eye(3) - pull).T
    return G


@cache
def limit() -> np.ndarray:
    return trained(np.diag([0.5, 0.5, 1.0]))


def named(G: np.ndarray) -> dict[str, float]:
    names = ("u1", "u2", "v")
    return {f"{a} {b}": float(G[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if i <= j}


def distance(width: int, seed: int) -> dict[str, float]:
    """Root mean squares over networks."""
    off, at_start, moved = [], [], []
    for k in range(SEEDS):
        u, v = drawn(width, SEEDS * seed + k)
        at_start.append(gram(u, v) - np.diag([0.5, 0.5, 1.0]))
        off.append(gram(*mup(width, SEEDS * seed + k)) - limit())
        moved.append((lazy(width, SEEDS * seed + k) - u) / np.sqrt(width))
    return {"start": _size(at_start), "trained": _size(off), "lazy units": _size(moved)}


def _size(arrays: list[np.ndarray]) -> float:
    return float(np.sqrt(np.mean([(a**2).sum() for a in arrays])))


@cache
def slopes() -> dict[str, list[float]]:
    return fitted_slopes(distance, WIDTHS, 8)


# --- checks -----------------------------------------------------------------------------------------------------


def check_units(claim: Claim) -> str:
    """One step of SGD in muP's weights against the units' own equations, entry by entry."""
    (u, v), (after_u, after_v) = drawn(5, 0), mup(5, 0, steps=1)
    error = slope(X @ u @ v / 5)
    found = {
        "u": (float(np.sum((after_u - u) * np.outer(error @ X, v)) / np.sum(np.outer(error @ X, v) ** 2)), 1e-12),
        "v": (float((after_v - v) @ (u.T @ X.T @ error) / np.sum((u.T @ X.T @ error) ** 2)), 1e-12),
    }
    return f"one step at width 5: {agreeing(claim, found)}"


def check_matrix(claim: Claim) -> str:
    """By differentiating the loss of one example: u - n rate dL/du, and the same for v."""
    n, rate, x, y, u, v, rest = sympy.symbols("n eta x y u v rest")
    f = rest + v * u * x / n
    loss = (f - y) ** 2 / 2
    chi = sympy.Symbol("chi")
    replaced = {sympy.Symbol("f"): f}
    found = {
        "u": u - n * rate * sympy.diff(loss, u),
        "v": v - n * rate * sympy.diff(loss, v),
    }
    expected = {
        name: sympy.sympify(formula).subs(chi, sympy.Symbol("f") - y).subs(replaced) for name, formula in claim.items()
    }
    return identical(expected, found)


def check_gram(claim: Claim) -> str:
    """A network of width five is a mean over five units: its moments follow the equation exactly."""
    found = {name: (value, 1e-12) for name, value in named(gram(*mup(5, 0))).items()}
    return f"{STEPS} steps at width 5: {agreeing(claim, found)}"


def check_slope(claim: Claim) -> str:
    return f"widths {WIDTHS[0]} to {WIDTHS[-1]}: {measured(claim, {name: slopes()[name] for name in claim})}"


@cache
def derived() -> dict[str, float]:
    """The second moments of the units at the end, as ntksym has them."""
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False)
    found = ns.wide_limit(program, [(X, Y[:, None])], STEPS, lr=RATE, sizes={"d_in": 2})
    return named(found.moments[-1])


def check_comparison(claim: Claim) -> str:
    return f"wide_limit: {agreeing(claim, {name: (value, 1e-12) for name, value in derived().items()})}"


# --- the steps --------------------------------------------------------------------------------------------------

_eta, _chi, _x, _u, _v = sympy.symbols("eta chi x u v")

DERIVATION = Derivation(
    17,
    "mup_limit",
    "The muP limit of a linear network",
    (
        Step(
            "units",
            r"One linear hidden layer in muP: a readout with entries $v_k / n$, learning rates $\eta n$ and $\eta / "
            r"n$. In the numbers $u_k$, $v_k$ of order one the output is a mean over hidden units, and both have the "
            r"rate $\eta$; $\chi$ is the derivative of the loss by the output.",
            r"f(x) = \frac1n \sum_{k=1}^n v_k\,u_k \cdot x, \qquad \Delta u_k = -\eta \sum_x \chi(x)\,v_k\,x, \quad "
            r"\Delta v_k = -\eta \sum_x \chi(x)\,u_k \cdot x",
            "definition",
            partial(check_units, claim={"u": -RATE, "v": -RATE}),
        ),
        Step(
            "one matrix for all units",
            r"These are linear in the weights $z_k = (u_k, v_k)$ of the unit, and other units enter by $\chi$ alone: "
            r"one matrix multiplies all of them.",
            r"z_k \to (1 - M)\,z_k, \qquad M = \eta \sum_x \chi(x) \begin{pmatrix} 0 & x \\ x^T & 0 \end{pmatrix}",
            "chain rule",
            partial(check_matrix, claim={"u": _u - _eta * _chi * _x * _v, "v": _v - _eta * _chi * _x * _u}),
        ),
        Step(
            "second moments",
            r"So the second moments of the units follow an equation of their own, and the output is one of them. It "
            r"holds at every width.",
            r"G = \frac1n \sum_k z_k z_k^T \to (1 - M)\,G\,(1 - M)^T, \qquad f(x) = x^T G_{uv}",
            "algebra",
            partial(check_gram, claim=named(trained(gram(*drawn(5, 0))))),
        ),
        Step(
            "the start",
            r"The width enters by the start alone, a mean over independent units: it settles, and strays by "
            r"$n^{-1/2}$.",
            r"G(0) = \mathrm{diag}(\sigma_u^2, \sigma_v^2) + O(n^{-1/2})",
            "law of large numbers",
            partial(check_slope, claim={"start": Fraction(-1, 2)}),
        ),
        Step(
            "the limit",
            r"The equation is smooth, so after a fixed number of steps the network is as near to the limit. In the "
            r"limit the hidden units have moved by order one: the block $G_{uu}$ has changed.",
            r"G_n(t) = G(t) + O(n^{-1/2})",
            "Taylor expansion",
            partial(check_slope, claim={"trained": Fraction(-1, 2)}),
        ),
        Step(
            "the tangent limit",
            r"With $f = n^{-1/2} \sum v_k u_k \cdot x$ and rates of order one the same steps carry a factor "
            r"$n^{-1/2}$: outputs move by order one, units do not.",
            r"\Delta u_k = -\eta\,n^{-1/2} \sum_x \chi(x)\,v_k\,x",
            "central limit theorem",
            partial(check_slope, claim={"lazy units": Fraction(-1, 2)}),
        ),
        Step(
            "witness",
            r"What ntksym derives from the program, which it takes apart into units by itself.",
            "",
            "comparison",
            partial(check_comparison, claim=named(limit())),
        ),
    ),
    ("G. Yang and E. J. Hu, Feature Learning in Infinite-Width Neural Networks, arXiv:2011.14522 (2020)",),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
