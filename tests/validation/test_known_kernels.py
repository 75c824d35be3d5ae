"""ReLU networks, whose kernels are known in closed form (Cho and Saul 2009), as judges of the measurement.

The formulas stand here and nowhere in the package: NNGP and NTK by arc-cosine kernels, and the coefficient of 1/n by
second derivatives of the kernel map, contracted with the covariance of the empirical kernel of the layer before.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad

from ntksym import language as ns
from ntksym.language import Program
from ntksym.records.predictions import Law, Prediction, coefficient, growth, limit, unbiased
from ntksym.sampling import network
from ntksym.validation import Validation, validate

pytest.importorskip("jax", reason='needs the extra "networks"')

n = ns.dim("n")
relu = ns.activation("relu")
X = np.array([[1.0, 0.2, -0.5], [0.1, -1.0, 0.4]])
SIGMA_W, SIGMA_B = 1.4, 0.3
SIGMAS = {"sigma_w": SIGMA_W, "sigma_b": SIGMA_B}
PAIR = (0, 1)


@ns.program
def relu_mlp(x: ns.Vector(3), *, depth: int = 3) -> ns.Value:
    """``depth`` hidden layers, each a value of its own."""
    h = ns.dense(x, n, name="layer1")
    for layer in range(2, depth + 1):
        h = ns.dense(relu(h), n, name=f"layer{layer}")
    return ns.dense(relu(h), 1, name="readout")


def preactivations(program: Program) -> list[str]:
    """The names of what the dense layers make, bias included, in order."""
    labels = network(program, {"n": 4}).plan.labels
    added = [labels[key] for key, node in program.nodes.items() if node.op == "linear"]
    assert len(added) == sum(node.name.endswith(".w") for node in program.parameters)
    return added


# --- what is known ---------------------------------------------------------------------------------------


def first(x: np.ndarray) -> np.ndarray:
    return SIGMA_W**2 * x @ x.T / x.shape[1] + SIGMA_B**2


def angle(k: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(k))
    return np.arccos(np.clip(k / np.outer(scale, scale), -1, 1))


def relu_map(k: np.ndarray) -> np.ndarray:
    """sigma_w^2 E[relu(u) relu(v)] + sigma_b^2."""
    scale, t = np.sqrt(np.diag(k)), angle(k)
    return SIGMA_W**2 * np.outer(scale, scale) * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2 * np.pi) + SIGMA_B**2


def kernels(x: np.ndarray, layers: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """NNGP and NTK of the values that the first, second, ... dense layer makes."""
    k = theta = first(x)
    for _ in range(layers):
        yield k, theta
        slope = SIGMA_W**2 * (np.pi - angle(k)) / (2 * np.pi)
        k = relu_map(k)
        theta = k + slope * theta


def fourth(k: np.ndarray, powers: tuple[int, int]) -> float:
    """E[relu(u)^p relu(v)^q] with p + q = 4: the radius integrates to 8, the angle numerically."""
    root = np.linalg.cholesky(k)

    def along(t: float) -> float:
        u, v = root @ [np.cos(t), np.sin(t)]
        return float(max(u, 0) ** powers[0] * max(v, 0) ** powers[1])

    breaks = [np.pi / 2, 3 * np.pi / 2, *(np.arctan2(-root[1, 0], root[1, 1]) % np.pi + np.pi * i for i in (0, 1))]
    return 8 / (2 * np.pi) * float(quad(along, 0, 2 * np.pi, points=breaks, limit=200)[0])


def first_order(x: np.ndarray) -> float:
    """The coefficient of 1/n in E[K_3(a, b)]: half of d^2 K_3 / dK_2 dK_2, contracted with n cov(K_2, K_2)."""
    k1 = first(x)
    k2 = relu_map(k1)
    entries = ((0, 0), (0, 1), (1, 1))
    step = 1e-3

    def shifted(*moves: tuple[int, float]) -> float:
        k = k2.copy()
        for place, move in moves:
            a, b = entries[place]
            k[a, b] += move
            k[b, a] = k[a, b]
        return float(relu_map(k)[PAIR])

    total = 0.0
    for i, j in product(range(3), repeat=2):
        signs = product((1, -1), repeat=2)
        second = sum(s * t * shifted((i, s * step), (j, t * step)) for s, t in signs) / (4 * step**2)
        together = (*entries[i], *entries[j])
        mean = [(relu_map(k1)[entry] - SIGMA_B**2) / SIGMA_W**2 for entry in (entries[i], entries[j])]
        four = fourth(k1, (together.count(0), together.count(1)))
        total += 0.5 * second * SIGMA_W**4 * (four - mean[0] * mean[1])
    return total


# --- what networks show ----------------------------------------------------------------------------------


def said(
    quantity: str, value: str, index: tuple[int, int], expected: float, law: Law, **options: str | float
) -> Prediction:
    return Prediction(quantity, "kernel", (("value", value), ("index", index), *options.items()), float(expected), law)


@cache
def kernel_predictions() -> tuple[Prediction, ...]:
    one, two, three, _ = preactivations(relu_mlp())
    (k1, _), (k2, _), (k3, _) = kernels(X, 3)
    return (
        said("first layer", one, PAIR, k1[PAIR], unbiased()),
        said("one hidden layer", two, PAIR, k2[PAIR], unbiased()),
        said("second diagonal", two, (0, 0), k2[0, 0], unbiased()),
        said("third diagonal", three, (1, 1), k3[1, 1], unbiased()),
        said("two hidden layers", three, PAIR, k3[PAIR], limit()),
        said("its 1/n", three, PAIR, first_order(X), coefficient(1, leading=1, terms=1), minus=float(k3[PAIR])),
        said("fluctuation", one, PAIR, -0.5, growth(()), over="std"),
        said("second fluctuation", two, PAIR, -0.5, growth(), over="std"),
    )


def ntk_prediction(law: Callable[[], Law] = limit) -> Prediction:
    *_, (_, theta) = kernels(X, 4)
    arguments = (("index", (0, 0, 1, 0)), ("parameterization", "ntk"))
    return Prediction("ntk", "ntk", arguments, float(theta[PAIR]), law())


def measured(*predictions: Prediction, samples: int, widths: tuple[int, ...], seed: int = 0) -> Validation:
    return validate(relu_mlp(), *predictions, widths=widths, inputs=X, samples=samples, sigmas=SIGMAS, seed=seed)


def test_the_judge_knows_the_diagonal_and_the_derivatives() -> None:
    """The formulas themselves: E[relu^2] = K/2, E[relu^4] = 3 K^2 / 2, and the 1/n term is not zero."""
    k = first(X)
    assert np.diag(relu_map(k)) == pytest.approx(SIGMA_W**2 * np.diag(k) / 2 + SIGMA_B**2)
    assert fourth(k, (4, 0)) == pytest.approx(1.5 * k[0, 0] ** 2, rel=1e-8)
    assert abs(first_order(X)) > 0.1


SHORT = (4, 8, 16, 32, 64)


def test_kernels_of_a_relu_mlp_are_as_known() -> None:
    """At a false-alarm rate of one in a thousand; kernels are measured to 1 %, the slope of fluctuations to 0.05."""
    record = measured(*kernel_predictions(), samples=8192, widths=SHORT)
    assert record.ok, str(record)
    for name in ("first layer", "one hidden layer", "second diagonal", "third diagonal", "two hidden layers"):
        row = record[name]
        assert row.error is not None
        assert row.error < 0.01 * abs(row.prediction.expected)
    assert record["fluctuation"].measured == pytest.approx(-0.5, abs=0.05)


def test_the_tangent_kernel_of_a_relu_mlp_is_as_known() -> None:
    """And half of it, the error of a forgotten factor, is not."""
    right = ntk_prediction()
    wrong = Prediction("halved", "ntk", right.arguments, right.expected / 2, right.law)
    record = measured(right, wrong, samples=2048, widths=SHORT)
    assert [row.verdict for row in record.checks] == ["agrees", "disagrees"], str(record)


@pytest.mark.long
def test_kernels_at_larger_widths() -> None:
    """Widths 16 to 256: the mean's error falls like 1/n, with the coefficient that is known; false alarms as above."""
    widths = (16, 32, 64, 128, 256)
    record = measured(*kernel_predictions(), samples=32768, widths=widths)
    assert record.ok, str(record)
    for name in ("fluctuation", "second fluctuation"):
        assert record[name].measured == pytest.approx(-0.5, abs=0.05)
    row = record["its 1/n"]
    assert row.measured is not None
    assert row.error is not None
    assert abs(row.measured) > 3 * row.error
    assert measured(ntk_prediction(), samples=4096, widths=widths).ok
