"""Derivation 5: the tangent-kernel recursion of a ReLU perceptron with biases.

The steps are held against finite networks whose kernels are computed layer by layer, without a limit. Only the last
step looks at what ntksym derives.
"""

from fractions import Fraction
from functools import cache, partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, fitted_slopes, identical, measured

from ._gaussian import over_matrix, p, q, r
from ._wide_networks import INPUTS, PAIRS, Perceptron, X, by_pair, differences, extrapolated, joined, parted
from .d002_relu_dual import DUAL, ORTHANT

NET = Perceptron(sigma_w=1.0, sigma_b=0.4, depth=2)
WIDTHS, WIDTH, NETWORKS = (16, 32, 64, 128), 32, 1000

# --- the recursion in numbers: matrices over the two inputs -----------------------------------------------------


def recursion() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """K and Θ of the first layer, the second, ... up to the output."""
    K = [NET.sigma_w**2 * X @ X.T / INPUTS + NET.sigma_b**2]
    theta = [K[0]]
    for _ in range(NET.depth):
        K_dot = NET.sigma_w**2 * over_matrix(ORTHANT, K[-1])
        K.append(NET.sigma_w**2 * over_matrix(DUAL, K[-1]) + NET.sigma_b**2)
        theta.append(K[-1] + K_dot * theta[-1])
    return K, theta


# --- finite networks --------------------------------------------------------------------------------------------


def drawn(width: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return NET.drawn(width, np.random.default_rng((5, width, seed)))


def last_hidden(width: int, seed: int) -> np.ndarray:
    """What the readout's weights and bias contribute to the kernel: the mean product of hidden units."""
    a = np.maximum(NET.forward(drawn(width, seed))[-2], 0)
    return NET.sigma_w**2 * a @ a.T / width + NET.sigma_b**2


def last_kernel(width: int, seed: int) -> dict[str, float]:
    return by_pair(last_hidden(width, seed))


def last_tangent(width: int, seed: int) -> dict[str, float]:
    return by_pair(NET.tangent(drawn(width, seed), NET.depth + 1)[0, :, 0, :])


def hidden_tangent(width: int, seed: int) -> dict[str, float]:
    """Root mean squares of the second layer's Θ: its spread on the diagonal, and its size off the diagonal."""
    theta = NET.tangent(drawn(width, seed), 2)[:, 0, :, 0]
    off = theta[~np.eye(width, dtype=bool)]
    return {
        "diagonal": float(np.sqrt(np.mean(np.diag(theta) ** 2))),
        "off the diagonal": float(np.sqrt(np.mean(off**2))),
    }


@cache
def hidden_slopes() -> dict[str, list[float]]:
    return fitted_slopes(hidden_tangent, WIDTHS, 60)


@cache
def fluctuations() -> dict[str, list[float]]:
    def spread(width: int, seed: int) -> dict[str, float]:
        values = [last_kernel(width, 50 * seed + k)["x, x'"] for k in range(50)]
        return {"spread of K": float(np.std(values, ddof=1))}

    return fitted_slopes(spread, (32, 64, 128, 256), 10)


@cache
def limits() -> dict[str, dict[str, tuple[float, float]]]:
    return {
        "K": extrapolated(last_kernel, WIDTH, NETWORKS),
        "Θ": extrapolated(last_tangent, WIDTH, NETWORKS),
    }


def backward_product(width: int, seed: int) -> dict[str, float]:
    """Through the second hidden layer: the mean of w_i^2 φ'(h_i) φ'(h'_i), where all depends on the forward pass."""
    weights = drawn(width, seed)
    slope = (NET.forward(weights)[-2] > 0).astype(float)
    w = weights[-1][0][0]
    return by_pair(NET.sigma_w**2 / width * (slope * w**2) @ slope.T)


@cache
def backward_limits() -> dict[str, tuple[float, float]]:
    return extrapolated(backward_product, WIDTH, NETWORKS)


# --- checks -----------------------------------------------------------------------------------------------------


def check_first_layer(claim: Claim) -> str:
    """The average over weights exactly: h is linear in them, with a coefficient for each."""
    coefficients = np.concatenate([NET.sigma_w / np.sqrt(INPUTS) * X, np.full((2, 1), NET.sigma_b)], axis=1)
    found = {name: (value, 1e-12) for name, value in by_pair(coefficients @ coefficients.T).items()}
    return f"by its derivatives, which are constants: {agreeing(claim, found)}"


def check_chain_rule(claim: Claim) -> str:
    """Θ from layer to layer against the inner products of finite differences by every parameter."""
    weights = drawn(5, 0)
    flat = [part for layer in weights for part in layer]

    def output(numbers: np.ndarray) -> np.ndarray:
        parts = parted(numbers, flat)
        return NET.forward(list(zip(parts[::2], parts[1::2], strict=True)))[-1][:, 0]

    gradients = differences(output, joined(flat))
    numeric, exact = gradients @ gradients.T, NET.tangent(weights, NET.depth + 1)[0, :, 0, :]
    found = {name: (float(numeric[pair] / exact[pair]), 1e-7) for name, pair in PAIRS.items()}
    return f"derivatives by {gradients.shape[1]} parameters, over the formula: {agreeing(claim, found)}"


def check_fluctuations(claim: Claim) -> str:
    return f"widths 32 to 256: {measured(claim, fluctuations())}"


def check_kernel(claim: Claim) -> str:
    return f"{2 * NETWORKS} networks of widths {WIDTH} and {2 * WIDTH}: {agreeing(claim, limits()['K'])}"


def check_hidden_tangent(claim: Claim) -> str:
    return f"widths {WIDTHS[0]} to {WIDTHS[-1]}: {measured(claim, hidden_slopes())}"


def check_backward(claim: Claim) -> str:
    return f"{2 * NETWORKS} networks of widths {WIDTH} and {2 * WIDTH}: {agreeing(claim, backward_limits())}"


def check_tangent(claim: Claim) -> str:
    return f"{2 * NETWORKS} networks of widths {WIDTH} and {2 * WIDTH}: {agreeing(claim, limits()['Θ'])}"


def check_depth(claim: Claim) -> str:
    """For parallel inputs, sigma_w^2 = 2, no bias: both sides of the recursion at v = u."""
    l, K = sympy.symbols("l K", positive=True)
    k_dot, k_next = (2 * formula.subs({r: p, q: p}).subs(p, K) for formula in (ORTHANT, DUAL))
    identical({"K": K}, {"K": k_next})
    formula = claim["theta"]
    identical({"start": formula.subs(l, 1)}, {"start": K})
    return f"the recursion: {identical({'next': formula.subs(l, l + 1)}, {'next': K + k_dot * formula})}"


def check_comparison(claim: Claim) -> str:
    recursion_of = ns.kernel_recursion(ns.zoo.load("mlp")(depth=NET.depth))
    found = recursion_of.evaluate(X, sigma_w=NET.sigma_w, sigma_b=NET.sigma_b)
    values = {
        f"{name} of {pair}": value
        for name, K in (("K", found.nngp), ("Θ", found.ntk))
        for pair, value in by_pair(K).items()
    }
    if len(values) != 6:
        raise NtksymError("a kernel is missing")
    return f"kernel_recursion: {agreeing(claim, {name: (value, 1e-7) for name, value in values.items()})}"


# --- the steps --------------------------------------------------------------------------------------------------

K, THETA = recursion()
K_DOT = NET.sigma_w**2 * over_matrix(ORTHANT, K[-2])
BOTH = {
    f"{name} of {pair}": x for name, matrix in (("K", K[-1]), ("Θ", THETA[-1])) for pair, x in by_pair(matrix).items()
}

DERIVATION = Derivation(
    5,
    "mlp_ntk",
    "The tangent kernel of a perceptron, layer by layer",
    (
        Step(
            "network and first layer",
            r"All weights $\omega$ and biases $\beta$ are standard normal, and trained. The first layer is linear in "
            r"them, so its covariance and its tangent kernel (the inner product of derivatives) are one and the same.",
            r"h^1 = \frac{\sigma_w}{\sqrt d}\,\omega^1 x + \sigma_b\,\beta^1, \quad h^{l+1} = \frac{\sigma_w}{\sqrt "
            r"n}\,\omega^{l+1} \phi(h^l) + \sigma_b\,\beta^{l+1}; \qquad \Theta^1 = K^1 = \sigma_w^2\,\frac{x \cdot "
            r"x'}{d} + \sigma_b^2",
            "definition",
            partial(check_first_layer, claim=by_pair(K[0])),
        ),
        Step(
            "one layer more",
            r"At any width, derivatives by a layer's own parameters add up to the mean product of what it reads. "
            r"Those by earlier parameters pass through the layer.",
            r"\Theta^{l+1}_{ij} = \delta_{ij} \left[ \frac{\sigma_w^2}{n} \sum_k \phi(h^l_k)\,\phi(h'^l_k) + "
            r"\sigma_b^2 \right] + \frac{\sigma_w^2}{n} \sum_{k, m} "
            r"\omega_{ik}\,\omega_{jm}\,\phi'(h^l_k)\,\phi'(h'^l_m)\, \Theta^l_{km}",
            "chain rule",
            partial(check_chain_rule, claim=dict.fromkeys(PAIRS, Fraction(1))),
        ),
        Step(
            "means settle",
            r"Given the layer before, the coordinates of $h^l$ are independent. Their mean products are numbers in "
            r"the limit; over networks they spread by $n^{-1/2}$.",
            r"\frac{1}{n} \sum_k \phi(h_k)\,\phi(h'_k) = E[\phi(u)\,\phi(v)] + O(n^{-1/2})",
            "law of large numbers",
            partial(check_fluctuations, claim={"spread of K": Fraction(-1, 2)}),
        ),
        Step(
            "the covariance",
            r"So the next layer, a sum over independent weights, is Gaussian with a covariance that is one and the "
            r"same for all networks. The averages are those of derivation 2.",
            r"K^{l+1} = \sigma_w^2\,E_{(u, v) \sim K^l}[\phi(u)\,\phi(v)] + \sigma_b^2",
            "central limit theorem",
            partial(check_kernel, claim=by_pair(K[-1])),
        ),
        Step(
            "the tangent kernel becomes diagonal",
            r"Different coordinates of a layer share earlier parameters, but reach them through independent weights "
            r"of mean zero. What is left of their tangent kernel is a random number of size $n^{-1/2}$, and in the "
            r"sum over $k \ne m$ these add up to no more than that.",
            r"\Theta^l_{km} = \delta_{km}\,\Theta^l + O(n^{-1/2})",
            "central limit theorem",
            partial(check_hidden_tangent, claim={"diagonal": Fraction(0), "off the diagonal": Fraction(-1, 2)}),
        ),
        Step(
            "weights on the way back",
            r"In the sum over $k = m$, the squares $\omega_{ik}^2$ multiply what earlier layers have made. These "
            r"weights take part in the layer after only, so they average on their own, to one.",
            r"\frac{\sigma_w^2}{n} \sum_k \omega_{ik}^2\,\phi'(h^l_k)\,\phi'(h'^l_k) \to \dot K^{l+1} = "
            r"\sigma_w^2\,E_{(u, v) \sim K^l}[\phi'(u)\,\phi'(v)]",
            "gradient independence",
            partial(check_backward, claim=by_pair(K_DOT)),
        ),
        Step(
            "the recursion",
            r"Both parts together, from the first layer to the output.",
            r"\Theta^{l+1} = K^{l+1} + \dot K^{l+1}\,\Theta^l",
            "induction",
            partial(check_tangent, claim=by_pair(THETA[-1])),
        ),
        Step(
            "growth with depth",
            r"For $x = x'$, $\sigma_w^2 = 2$ and no biases, $\dot K = 1$ and $K$ stays what it is, so each layer "
            r"adds as much as the first.",
            r"K^{l} = K^1, \qquad \Theta^l = l\,K^1",
            "induction",
            partial(check_depth, claim={"theta": sympy.Symbol("l", positive=True) * sympy.Symbol("K", positive=True)}),
        ),
        Step(
            "witness",
            r"What ntksym derives from the program, which it knows as a list of operations.",
            "",
            "comparison",
            partial(check_comparison, claim=BOTH),
        ),
    ),
    (
        "A. Jacot, F. Gabriel and C. Hongler, Neural Tangent Kernel, arXiv:1806.07572 (2018)",
        "S. Arora et al., On Exact Computation with an Infinitely Wide Neural Net, arXiv:1904.11955 (2019)",
        "G. Yang, Tensor Programs II: Neural Tangent Kernel for Any Architecture, arXiv:2006.14548 (2020)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
