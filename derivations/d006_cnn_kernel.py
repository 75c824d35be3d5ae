"""Derivation 6: NNGP and tangent kernel of a convolutional network, with a mean over positions and without one.

One layer of windows on a line of positions, ReLU, then a readout of the mean over positions (global average pooling)
or of all positions (flattening). Steps are held against finite networks; only the last looks at what ntksym derives.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import cache, partial
from math import sqrt

import numpy as np
import sympy

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, fitted_slopes, measured

from ._gaussian import over_matrix
from ._wide_networks import PAIRS, averages, by_pair, differences, joined, parted
from .d002_relu_dual import DUAL, ORTHANT

SIGMA_W, SIGMA_B = 1.4, 0.3
POSITIONS, CHANNELS, WINDOW = 4, 2, 3
IMAGES = np.random.default_rng(6).standard_normal((2, POSITIONS, CHANNELS))
WIDTH, NETWORKS = 128, 2000
HEADS = ("mean", "flat")


def windows(values: np.ndarray) -> np.ndarray:
    """What each window reads, zeros beyond the ends: (..., positions, window * channels)."""
    ends = [(0, 0)] * (values.ndim - 2) + [(1, 1), (0, 0)]
    padded = np.pad(values, ends)
    return np.concatenate([padded[..., k : k + POSITIONS, :] for k in range(WINDOW)], axis=-1)


# --- the kernels in numbers: arrays (input, position, input, position) -------------------------------------------


def averaged(formula: sympy.Expr, K: np.ndarray) -> np.ndarray:
    """A dual at every pair of points."""
    return over_matrix(formula, K.reshape(2 * POSITIONS, -1)).reshape(K.shape)


def pooled(K: np.ndarray) -> np.ndarray:
    """The mean over all pairs of positions."""
    return K.mean(axis=(1, 3))


def along(K: np.ndarray) -> np.ndarray:
    """The mean over positions that are the same in both."""
    return np.einsum("aibi->ab", K) / POSITIONS


HEAD = {"mean": pooled, "flat": along}
X = windows(IMAGES)
K1 = SIGMA_W**2 * np.einsum("aik,bjk->aibj", X, X) / (WINDOW * CHANNELS) + SIGMA_B**2
E, D = averaged(DUAL, K1), averaged(ORTHANT, K1)
NNGP = {name: SIGMA_W**2 * head(E) + SIGMA_B**2 for name, head in HEAD.items()}
PASSED = {name: SIGMA_W**2 * head(D * K1) for name, head in HEAD.items()}
NTK = {name: NNGP[name] + PASSED[name] for name in HEADS}


def claimed(kernels: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {f"{head}, {pair}": x for head, K in kernels.items() for pair, x in by_pair(K).items()}


# --- finite networks --------------------------------------------------------------------------------------------


def hidden(width: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
    """Preactivations of the convolution: (input, position, channel)."""
    random = np.random.default_rng((6, width, seed))
    w, b = random.standard_normal((width, WINDOW * CHANNELS)), random.standard_normal(width)
    return SIGMA_W / sqrt(WINDOW * CHANNELS) * X @ w.T + SIGMA_B * b, random


def finite(width: int, seed: int) -> dict[str, float]:
    """Parts of the kernels in one network: of the readout's parameters, and of the convolution's."""
    h, random = hidden(width, seed)
    a, slope, out = np.maximum(h, 0), (h > 0).astype(float), {}
    for head in HEADS:
        if head == "mean":
            read, fan = a.mean(axis=1), width
            weights = np.broadcast_to(random.standard_normal(width) / POSITIONS, (POSITIONS, width))
        else:
            read, fan = a.reshape(2, -1), POSITIONS * width
            weights = random.standard_normal((POSITIONS, width))
        own = SIGMA_W**2 / fan * read @ read.T + SIGMA_B**2
        back = SIGMA_W / sqrt(fan) * weights * slope  # the output by every preactivation
        products = np.einsum("aic,bjc->aibj", back, back, optimize=True)
        passed = np.sum(products * K1, axis=(1, 3))
        for name, part in (("own", own), ("passed", passed)):
            out |= {f"{name}, {head}, {pair}": x for pair, x in by_pair(part).items()}
    return out


@cache
def parts(name: str) -> dict[str, tuple[float, float]]:
    """Means over networks with four and a half standard errors: after one layer they are right at every width."""
    found = averages(finite, WIDTH, NETWORKS)
    return {key[len(name) + 2 :]: (m, 4.5 * s) for key, (m, s) in found.items() if key.startswith(name)}


@cache
def slopes() -> dict[str, list[float]]:
    """How much of the product between different positions is left after the head, over networks."""

    def left(width: int, seed: int) -> dict[str, float]:
        h, random = hidden(width, seed)
        a = np.maximum(h, 0)
        shared, apart = random.standard_normal((40, 1, width)), random.standard_normal((40, POSITIONS, width))
        sizes = {}
        for name, w in (("shared weights", np.broadcast_to(shared, apart.shape)), ("weights of its own", apart)):
            products = np.einsum("sc,c,sc->s", w[:, 0], a[0, 0] * a[1, 1], w[:, 1]) / width
            sizes[name] = float(np.sqrt(np.mean(products**2)))
        return sizes

    return fitted_slopes(left, (64, 128, 256, 512), 40)


# --- checks -----------------------------------------------------------------------------------------------------


@cache
def first_layer() -> dict[str, tuple[float, float]]:
    """Products of preactivations at two pairs of points, over channels of networks."""

    def products(width: int, seed: int) -> dict[str, float]:
        h, _ = hidden(width, seed)
        return {name: float(np.mean(h[0, i] * h[1, j])) for name, (i, j) in POINTS.items()}

    return {name: (mean, 4.5 * error) for name, (mean, error) in averages(products, WIDTH, NETWORKS).items()}


POINTS = {"1, 1": (0, 0), "1, 2": (0, 1), "2, 4": (1, 3)}


def check_first_layer(claim: Claim) -> str:
    return f"{NETWORKS} networks: {agreeing(claim, first_layer())}"


def check_slopes(claim: Claim) -> str:
    return f"widths 64 to 512: {measured(claim, slopes())}"


def check_parts(name: str, claim: Claim) -> str:
    return f"{NETWORKS} networks of width {WIDTH}: {agreeing(claim, parts(name))}"


def check_sum(claim: Claim) -> str:
    """Derivatives by every parameter of a small network, by finite differences, against the sum of both parts."""
    width, random = 3, np.random.default_rng(66)
    shapes = [(width, WINDOW * CHANNELS), (width,), (POSITIONS, width), (1,)]
    weights = [random.standard_normal(shape) for shape in shapes]

    def preactivations(w: np.ndarray, b: np.ndarray) -> np.ndarray:
        return SIGMA_W / sqrt(WINDOW * CHANNELS) * X @ w.T + SIGMA_B * b

    def output(numbers: np.ndarray) -> np.ndarray:
        w, b, v, c = parted(numbers, weights)
        a = np.maximum(preactivations(w, b), 0)
        return SIGMA_W / sqrt(POSITIONS * width) * np.einsum("asc,sc->a", a, v) + SIGMA_B * c

    gradients = differences(output, joined(weights))
    w, b, v, _ = weights
    h = preactivations(w, b)
    a, back = np.maximum(h, 0).reshape(2, -1), (h > 0) * v
    own = SIGMA_W**2 / (POSITIONS * width) * a @ a.T + SIGMA_B**2
    passed = SIGMA_W**2 / (POSITIONS * width) * np.einsum("aic,bjc,aibj->ab", back, back, K1)
    found = {name: (ratio, 1e-6) for name, ratio in by_pair(gradients @ gradients.T / (own + passed)).items()}
    return f"derivatives by {gradients.shape[1]} parameters, over the formula: {agreeing(claim, found)}"


@ns.program
def network(x: ns.Sequence(POSITIONS, CHANNELS), *, head: str = "mean") -> ns.Value:
    h = ns.relu(ns.conv(x, ns.dim("n"), WINDOW, name="conv"))
    return ns.readout(ns.global_avg_pool(h) if head == "mean" else ns.flatten(h))


def check_comparison(claim: Claim) -> str:
    found = {}
    for head in HEADS:
        values = ns.kernel_recursion(network(head=head)).evaluate(IMAGES, sigma_w=SIGMA_W, sigma_b=SIGMA_B)
        for name, K in (("NNGP", values.nngp), ("NTK", values.ntk)):
            if K.shape != (2, 2):
                raise NtksymError(f"{name} has the shape {K.shape}")
            found |= {f"{name}, {head}, {pair}": (x, 1e-12) for pair, x in by_pair(K).items()}
    return f"kernel_recursion: {agreeing(claim, found)}"


# --- the steps --------------------------------------------------------------------------------------------------

BOTH = {f"{name}, {key}": x for name, K in (("NNGP", NNGP), ("NTK", NTK)) for key, x in claimed(K).items()}

DERIVATION = Derivation(
    6,
    "cnn_kernel",
    "Kernels of a convolutional network, pooled and flattened",
    (
        Step(
            "windows",
            r"A convolution applies the same weights at every position $s$ to a window of $k$ positions with $d$ "
            r"channels. So its outputs at different positions have a covariance, too: the mean product of what both "
            r"windows read. This first layer is linear in its parameters, and its tangent kernel is the same.",
            r"h_{c}(s) = \frac{\sigma_w}{\sqrt{k d}} \sum_{t, i} \omega_{c t i}\,x_i(s + t) + \sigma_b\,\beta_c, "
            r"\qquad \Theta^1 = K^1(s, s') = \frac{\sigma_w^2}{k d} \sum_{t, i} x_i(s + t)\,x'_i(s' + t) + \sigma_b^2",
            "definition",
            partial(check_first_layer, claim={name: float(K1[0, i, 1, j]) for name, (i, j) in POINTS.items()}),
        ),
        Step(
            "which positions meet",
            r"After the nonlinearity, a readout of the mean over positions gives all positions of a channel one "
            r"weight. Its square does not vanish between different positions. Flattening gives each position a "
            r"weight of its own; between different ones, products of independent weights are left, of size "
            r"$n^{-1/2}$.",
            r"\frac1n \sum_c v_c(s)\,v_c(s')\,a_c(s)\,a'_c(s') \sim \begin{cases} n^0 & \text{if } v_c(s) = v_c(s') "
            r"\\ n^{-1/2} & \text{if independent} \end{cases}",
            "central limit theorem",
            partial(check_slopes, claim={"shared weights": Fraction(0), "weights of its own": Fraction(-1, 2)}),
        ),
        Step(
            "the NNGP kernel",
            r"The mean over $m$ positions therefore averages the dual over all pairs of positions, flattening over "
            r"pairs of equal ones. With $\kappa$ from derivation 2:",
            r"K_\text{mean} = \frac{\sigma_w^2}{m^2} \sum_{s, s'} \kappa(s, s') + \sigma_b^2, \qquad K_\text{flat} = "
            r"\frac{\sigma_w^2}{m} \sum_s \kappa(s, s) + \sigma_b^2",
            "law of large numbers",
            partial(check_parts, "own", claim=claimed(NNGP)),
        ),
        Step(
            "parts of the tangent kernel",
            r"At any width, derivatives by the readout's parameters multiply to what the kernel was made of; those "
            r"by the convolution's pass back through positions that the readout has weighted.",
            r"\Theta = \frac{\sigma_w^2}{\text{fan-in}}\,a \cdot a' + \sigma_b^2 + \sum_{s, s'} \sum_c "
            r"\frac{\partial f}{\partial h_c(s)}\,\frac{\partial f'}{\partial h_c(s')}\,K^1(s, s')",
            "chain rule",
            partial(check_sum, claim=dict.fromkeys(PAIRS, Fraction(1))),
        ),
        Step(
            "the part that passes back",
            r"The readout's weights are independent of what comes before. So the same pairs of positions are left, "
            r"each with the average of slopes $\dot\kappa = E[\phi'(u)\,\phi'(v)]$.",
            r"\frac{\sigma_w^2}{m^2} \sum_{s, s'} \dot\kappa(s, s')\,\Theta^1(s, s') \quad\text{(mean)}, \qquad "
            r"\frac{\sigma_w^2}{m} \sum_s \dot\kappa(s, s)\,\Theta^1(s, s) \quad\text{(flat)}",
            "gradient independence",
            partial(check_parts, "passed", claim=claimed(PASSED)),
        ),
        Step(
            "witness",
            r"Both kernels of both networks, as ntksym derives them.",
            "",
            "comparison",
            partial(check_comparison, claim=BOTH),
        ),
    ),
    (
        "R. Novak et al., Bayesian Deep Convolutional Networks with Many Channels, arXiv:1810.05148 (2018)",
        "A. Garriga-Alonso, L. Aitchison and C. Rasmussen, Deep Convolutional Networks as Shallow Gaussian Processes, "
        "arXiv:1808.05587 (2018)",
        "S. Arora et al., On Exact Computation with an Infinitely Wide Neural Net, arXiv:1904.11955 (2019)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
