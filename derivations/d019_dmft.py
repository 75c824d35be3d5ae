"""Derivation 19: dynamical mean-field theory of a deep linear network, in steps of finite size.

Held against finite networks whose gradients are written out by hand; only the last step looks at ntksym.
"""

from functools import cache, partial
from math import sqrt

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

from ._wide_networks import extrapolated

X = np.array([[1.0, -0.5], [0.5, 1.0]])
Y = np.array([1.0, -0.5])
RATE, STEPS, DEPTH = 0.4, 12, 2
WIDTH, NETWORKS = 48, 400
Matrices = list[np.ndarray]


# --- finite networks --------------------------------------------------------------------------------------------


def drawn(width: int, seed: int) -> Matrices:
    """Weights in muP: entries of sizes 2^(-1/2), n^(-1/2), 1/n."""
    random = np.random.default_rng((20, width, seed))
    shapes = [(width, 2), *[(width, width)] * (DEPTH - 1), (1, width)]
    stds = [1 / sqrt(2), *[width**-0.5] * (DEPTH - 1), 1 / width]
    return [std * random.standard_normal(shape) for std, shape in zip(stds, shapes, strict=True)]


def fields(weights: Matrices) -> tuple[Matrices, Matrices]:
    """What layers hold, inputs and output included, and n df/dh of hidden layers and the output's own 1."""
    seen, back = [X.T], [np.ones((1, 2))]
    for w in weights:
        seen.append(w @ seen[-1])
    for w in reversed(weights[1:]):
        back.append(w.T @ back[-1])
    width = len(weights[0])
    return seen, [*(width * g for g in back[:0:-1]), back[0]]


def trained(width: int, seed: int) -> list[tuple[Matrices, Matrices]]:
    """The fields at every step of gradient descent with muP's rates."""
    weights, path = drawn(width, seed), []
    rates = [RATE, *[RATE / width] * (DEPTH - 1), RATE / width]
    for _ in range(STEPS + 1):
        path.append(fields(weights))
        seen, back = path[-1]
        pull = (Y - seen[-1][0]) / len(Y)
        weights = [w + rate * (g * pull) @ h.T for w, rate, g, h in zip(weights, rates, back, seen[:-1], strict=True)]
    return path


def observed(width: int, seed: int) -> dict[str, float]:
    """Outputs and kernels at the end of training."""
    seen, back = trained(width, seed)[-1]
    found = {f"f {k + 1}": float(seen[-1][0, k]) for k in range(2)}
    for layer in range(1, DEPTH + 1):
        found[f"H{layer}"] = float(seen[layer][:, 0] @ seen[layer][:, 1] / width)
        found[f"G{layer}"] = float(back[layer - 1][:, 0] @ back[layer - 1][:, 1] / width)
    return found


@cache
def wide() -> dict[str, tuple[float, float]]:
    return extrapolated(observed, WIDTH, NETWORKS)


# --- checks -----------------------------------------------------------------------------------------------------


def check_fields(claim: Claim) -> str:
    """The second layer after training, from the random start of its weights and the kernels of all steps before."""
    path, start = trained(6, 0), drawn(6, 0)
    seen = path[-1][0]
    h = start[1] @ seen[1]
    for before, after in path[:-1]:
        pull = (Y - before[-1][0]) / len(Y)
        h = h + claim["rate"] * (after[1] * pull) @ (before[1].T @ seen[1] / 6)
    found = {"distance": (float(np.linalg.norm(h - seen[2])), 1e-12)}
    return f"width 6, {STEPS} steps, from the network's weights: {agreeing({'distance': 0.0}, found)}"


def check_response(claim: Claim) -> str:
    """h = r0 + a r with r = W^T g: how much of g is in W h, by projecting on g."""

    def one(width: int, seed: int) -> dict[str, float]:
        random = np.random.default_rng((21, width, seed))
        w = 0.8 * random.standard_normal((width, width)) / sqrt(width)
        g, other = random.standard_normal((2, width))
        return {"coefficient": float(g @ w @ (other + 0.7 * w.T @ g) / (g @ g))}

    return f"{NETWORKS} matrices: {agreeing(claim, extrapolated(one, WIDTH, NETWORKS))}"


u0, u1, r0, r1, c, d = sympy.symbols("u0 u1 r0 r1 c d")
U = {(0, 0): sympy.Symbol("U00"), (0, 1): sympy.Symbol("U01"), (1, 1): sympy.Symbol("U11")}
R = {(0, 0): sympy.Symbol("R00"), (0, 1): sympy.Symbol("R01"), (1, 1): sympy.Symbol("R11")}
MEANS = {
    **{a * b: U[i, j] for (i, j) in U for a, b in [((u0, u1)[i], (u0, u1)[j])]},
    **{a * b: R[i, j] for (i, j) in R for a, b in [((r0, r1)[i], (r0, r1)[j])]},
    **{a * b: sympy.Integer(0) for a in (u0, u1) for b in (r0, r1)},
}
H0, G0 = u0, r0
H1, G1 = u1 + c * G0, r1 + d * H0


def mean(product: sympy.Expr) -> sympy.Expr:
    """The expectation of a quadratic form in independent Gaussian fields u and r."""
    poly = sympy.Poly(sympy.expand(product), u0, u1, r0, r1)
    return sum(
        k * MEANS[sympy.prod(z**n for z, n in zip((u0, u1, r0, r1), powers, strict=True))] for powers, k in poly.terms()
    )


def check_kernels(claim: Claim) -> str:
    """Two steps, written out: h0 = u0, g0 = r0, h1 = u1 + c g0, g1 = r1 + d h0."""
    found = {"H11": mean(H1 * H1), "H10": mean(H1 * H0), "G11": mean(G1 * G1), "A10": sympy.diff(H1, r0)}
    return identical(claim, found)


def check_output(claim: Claim) -> str:
    """The mean of h1 g1 over units, and what the kernels and responses of the two steps give for it."""
    by_kernels = U[0, 1] * sympy.diff(G1, u0) + c * mean(G0 * G1)
    return f"{identical({'f': by_kernels}, {'f': mean(H1 * G1)})}; {identical(claim, {'f': mean(H1 * G1)})}"


@cache
def theory() -> dict[str, float]:
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=DEPTH, bias=False)
    found = ns.dmft(program, (X, Y[:, None]), STEPS, lr=RATE, sizes={"d_in": 2})
    numbers = {f"f {k + 1}": float(found.outputs[-1, k]) for k in range(2)}
    for layer in range(DEPTH):
        numbers[f"H{layer + 1}"] = float(found.feature_kernels[layer, -1, 0, -1, 1])
        numbers[f"G{layer + 1}"] = float(found.gradient_kernels[layer, -1, 0, -1, 1])
    return numbers


def check_networks(claim: Claim) -> str:
    numbers = {name: theory()[name] + float(shift) for name, shift in claim.items()}
    return f"dmft, and {NETWORKS} networks of widths {WIDTH} and {2 * WIDTH}: {agreeing(numbers, wide())}"


@cache
def difference() -> float:
    """Between the outputs of both limits, at the step where they differ most."""
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False)
    data, sizes = (X, Y[:, None]), {"d_in": 2}
    fields = ns.dmft(program, data, STEPS, lr=RATE, sizes=sizes)
    units = ns.wide_limit(program, [data], STEPS, lr=RATE, sizes=sizes)
    return float(np.abs(fields.outputs - units.outputs[..., 0]).max())


def check_one_layer(claim: Claim) -> str:
    """With one hidden layer nothing couples back through random weights: derivation 17 gives the same numbers."""
    return f"outputs at {STEPS + 1} steps: {agreeing(claim, {'largest difference': (difference(), 1e-12)})}"


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    19,
    "dmft",
    "Dynamical mean-field theory of a deep linear network",
    (
        Step(
            "fields",
            r"In muP let $h_a(t)$ be what a hidden layer holds for input $a$ after $t$ steps, $g_a(t) = n\,\partial "
            r"f_a / \partial h_a$, and $\Delta_a = -\partial L / \partial f_a$. Learned weights act through kernels of "
            r"the layer below, $H'_{ab}(t, s) = h'_a(t) \cdot h'_b(s) / n$; the random start $W$ of the weights is "
            r"left.",
            r"h_a(t) = W h'_a(t) + k \sum_{s < t} \sum_b \Delta_b(s)\,H'_{ab}(t, s)\,g_b(s)",
            "definition",
            partial(check_fields, claim={"rate": RATE}),
        ),
        Step(
            "the response",
            r"$W$ also acts backwards, $r = W^T g$, and what lies below has read it: $h' = \ldots + A\,r$. A product "
            r"$W W^T$ has a mean, so $W h'$ is a Gaussian field $u$ plus a part along $g$. For entries of variance "
            r"$\sigma^2 / n$:",
            r"W h'(t) = u(t) + \sigma^2 \sum_{s < t} A'(t, s)\,g(s), \qquad A'(t, s) = E\!\left[\frac{\partial h'(t)} "
            r"{\partial r'(s)}\right]",
            "law of large numbers",
            partial(check_response, claim={"coefficient": 0.7 * 0.8**2}),
        ),
        Step(
            "kernels",
            r"All coordinates are alike and independent: $h = u + C g$ and $g = r + D h$ with couplings to earlier "
            r"steps, and Gaussian $u$, $r$ whose covariances are the kernels of the layers below and above. Here for "
            r"two steps.",
            r"H = X (U + C R\,C^T) X^T, \qquad A = X C, \qquad X = (1 - C D)^{-1}",
            "algebra",
            partial(
                check_kernels,
                claim={
                    "H11": U[1, 1] + c**2 * R[0, 0],
                    "H10": U[0, 1],
                    "G11": R[1, 1] + d**2 * U[0, 0],
                    "A10": c,
                },
            ),
        ),
        Step(
            "the output",
            r"It is the mean of $h\,g$ in the last hidden layer.",
            r"f = E[h g] = U B^T + C\,G, \qquad B = E\!\left[\frac{\partial g}{\partial u}\right]",
            "Stein's lemma",
            partial(check_output, claim={"f": d * U[0, 1] + c * R[0, 1]}),
        ),
        Step(
            "one layer",
            r"With one hidden layer there are no random weights between hidden layers, no responses, and the equations "
            r"are those of derivation 17.",
            "",
            "comparison",
            partial(check_one_layer, claim={"largest difference": 0.0}),
        ),
        Step(
            "networks",
            r"Outputs and kernels of both hidden layers at the end of training: means over networks of two widths, "
            r"extrapolated, minus what ntksym solves the equations for.",
            r"f_n - f, \; H_n - H, \; G_n - G \to 0",
            "comparison",
            partial(check_networks, claim=dict.fromkeys(("f 1", "f 2", "H1", "G1", "H2", "G2"), 0.0)),
        ),
    ),
    (
        "B. Bordelon and C. Pehlevan, Self-Consistent Dynamical Field Theory of Kernel Evolution in Wide Neural "
        "Networks, arXiv:2205.09653 (2022)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
