"""The exact limit of linear one-hidden-layer networks and Word2Vec, against networks that were trained, and itself.

Networks of width n must approach the limit like n^(-1/2). The slope of the mean distance over a factor 64 in width is
known to 0.06 (its standard error over eight networks at each width), so a tolerance of 0.25 is four of them: a true
slope fails less than once in 10,000, and one of 0 or -1 passes as rarely.
"""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import DynamicsError

pytest.importorskip("jax", reason='needs the extra "networks"')

TABLE = {
    "king": {"throne": 3, "crown": 2, "he": 3, "his": 2},
    "queen": {"throne": 2, "crown": 3, "she": 3, "her": 2},
    "man": {"work": 3, "home": 2, "he": 2, "his": 3},
    "woman": {"work": 2, "home": 3, "she": 2, "her": 3},
    "boy": {"school": 3, "play": 2, "he": 3, "his": 2},
    "girl": {"school": 2, "play": 3, "she": 3, "her": 2},
}
"""How often a word stands beside another one."""
WORDS = list(dict.fromkeys([*TABLE, *(c for row in TABLE.values() for c in row)]))
PAIRS = [(WORDS.index(w), WORDS.index(c)) for w, row in TABLE.items() for c, k in row.items() for _ in range(k)]
BATCH = np.array([[w] for w, _ in PAIRS]), np.array([c for _, c in PAIRS])
SIZES = {"vocab": len(WORDS), "C": 1}
WIDTHS = (32, 256, 2048)
STEPS, LR = 40, 2.0


@cache
def limit(parametrization: str) -> Any:
    return ns.wide_limit(
        ns.zoo.load("word2vec"),
        [BATCH],
        STEPS,
        lr=LR,
        loss="cross_entropy",
        sizes=SIZES,
        parametrization=parametrization,
    )


@cache
def network(parametrization: str, width: int) -> Any:
    program = ns.zoo.load("word2vec")()
    sizes = {**SIZES, "n": width}
    table = ns.scaling_table(program, optimizer="sgd", parametrization=parametrization)
    return ns.network(program, sizes, settings=table.at(lr=LR, **sizes), dtype="float64")


@cache
def trained(parametrization: str, width: int, seed: int) -> Any:
    """The Gram matrix of a finite network's embeddings after training, and before."""
    net = network(parametrization, width)
    start = net.init(seed)
    end = ns.train(net, start, [BATCH], "sgd", STEPS, loss="cross_entropy", labels=()).weights
    return [np.asarray(w["embed.w"]).T @ np.asarray(w["embed.w"]) / width for w in (end, start)]


def answers(gram: Any) -> dict[str, float]:
    """The cosines between King - Man + Woman and every other word with a row in the table."""
    asked = {"king": 1, "man": -1, "woman": 1}
    a = np.array([asked.get(word, 0) for word in WORDS])
    cosines = a @ gram / np.sqrt(a @ gram @ a * np.diag(gram))
    return {word: float(cosines[WORDS.index(word)]) for word in TABLE if word not in asked}


def slope(distances: dict[int, list[float]]) -> float:
    means = [np.log(np.mean(d)) for d in distances.values()]
    return float(np.polyfit(np.log(list(distances)), means, 1)[0])


def test_features_that_move_know_that_king_minus_man_plus_woman_is_queen() -> None:
    found = answers(limit("mup").gram("embed.w")[-1])
    assert max(found, key=found.__getitem__) == "queen"
    assert found["queen"] > 0.7
    assert max(found[word] for word in ("boy", "girl")) < 0.3


def test_in_the_tangent_limit_embeddings_stay_and_no_word_is_nearer_than_another() -> None:
    lazy, rich = limit("ntp"), limit("mup")
    # both have learned to predict; the best that the table allows is the entropy of its rows, 1.37
    assert rich.losses[-1] < lazy.losses[-1] < 0.6 * lazy.losses[0]
    assert np.array_equal(lazy.gram("embed.w")[-1], np.eye(len(WORDS)))
    assert set(answers(lazy.gram("embed.w")[-1]).values()) == {0.0}


@pytest.mark.parametrize("parametrization", ["mup", pytest.param("ntp", marks=pytest.mark.long)])
def test_embeddings_of_networks_approach_the_limit_like_the_root_of_the_width(parametrization: str) -> None:
    expected = limit(parametrization).gram("embed.w")[-1]
    distances: dict[int, list[float]] = {n: [] for n in WIDTHS}
    for n, k in ((n, k) for n in WIDTHS for k in range(8)):
        distances[n].append(float(np.linalg.norm(trained(parametrization, n, k)[0] - expected)))
    assert slope(distances) == pytest.approx(-0.5, abs=0.25)


def test_networks_of_finite_width_give_the_answer_where_features_move_only() -> None:
    end, start = trained("mup", 2048, 1)
    found = answers(end)
    assert max(found, key=found.__getitem__) == "queen"
    assert found["queen"] == pytest.approx(answers(limit("mup").gram("embed.w")[-1])["queen"], abs=0.1)
    lazy = answers(trained("ntp", 2048, 1)[0])
    assert max(map(abs, lazy.values())) < 0.1
    assert max(map(abs, answers(start).values())) < 0.1


# --- the equation itself ----------------------------------------------------------------------------------

X = np.array([[1.0, -0.5, 0.25], [0.5, 1.0, -0.75]])
Y = np.array([[0.5, -1.0], [-0.25, 1.0]])


def by_vectors(steps: int, lr: float, bias: bool) -> tuple[Any, Any]:
    """The same limit by hand: a network of three plus two units whose start has exactly the limit's second moments.

    Every unit follows SGD; all that is averaged over is the start, by orthonormal vectors for u and v, and the output
    is their sum. Nothing here knows of Gram matrices.
    """
    inputs = np.hstack([X, np.ones((2, 1))]) if bias else X
    p = inputs.shape[1] + 2
    z = np.eye(p)  # columns: units
    z[: X.shape[1]] /= np.sqrt(X.shape[1])
    if bias:
        z[X.shape[1]] = 0.0
    u, v = z[:-2], z[-2:]
    outputs = []
    for _ in range(steps + 1):
        f = inputs @ u @ v.T
        outputs.append(f)
        error = (f - Y) / 2
        u, v = u - lr * inputs.T @ error @ v, v - lr * error.T @ inputs @ u
    return np.array(outputs), u.T @ u


@pytest.mark.parametrize(
    ("bias", "parametrization"), [(True, "mup"), pytest.param(False, "mfp", marks=pytest.mark.long)]
)
def test_the_limit_of_a_linear_network_by_vectors(bias: bool, parametrization: str) -> None:
    n = ns.dim("n")

    @ns.program
    def linear(x: ns.Vector(3)) -> ns.Value:
        return ns.dense(ns.dense(x, n, name="input", bias=bias), 2, name="readout", bias=False)

    found = ns.wide_limit(linear, [(X, Y)], 30, lr=0.7, parametrization=parametrization)
    expected, _ = by_vectors(30, 0.7, bias)
    assert np.allclose(found.outputs, expected, rtol=1e-10, atol=1e-12)
    losses = ((expected[:-1] - Y) ** 2).sum((1, 2)) / 4
    assert np.allclose(found.losses, losses, rtol=1e-10)
    assert all(after < before for before, after in pairwise(found.losses))


def test_the_tangent_limit_is_kernel_gradient_descent() -> None:
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False, d_out=2)
    found = ns.wide_limit(program, [(X, Y)], 30, lr=0.2, parametrization="ntp", sizes={"d_in": 3})
    # of the readout, which reads U x with U ~ N(0, 1/3), and of the input layer: for each coordinate of the output
    kernel = X @ X.T * (1 / 3 + 1)
    f = np.zeros((2, 2))
    for step in range(31):
        assert np.allclose(found.outputs[step], f, rtol=1e-10, atol=1e-13)
        f = f - 0.2 * kernel @ (f - Y) / 2


@pytest.mark.long
def test_batches_take_turns_and_a_probe_may_be_other_inputs() -> None:
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False, d_out=2)
    batches = [(X[:1], Y[:1]), (X[1:], Y[1:])]
    found = ns.wide_limit(program, batches, 4, lr=0.3, sizes={"d_in": 3})
    again = ns.wide_limit(program, batches, 4, lr=0.3, sizes={"d_in": 3}, probe=X)
    assert np.allclose(found.outputs[:, 0], again.outputs[:, 0])
    residuals = [again.outputs[t][t % 2] - Y[t % 2] for t in range(4)]
    assert np.allclose(found.losses, [(r @ r) / 2 for r in residuals])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"phi": ns.activation("relu"), "depth": 1, "bias": False}, "no quadratic form"),
        ({"phi": ns.activation("identity"), "depth": 1}, "readout.b does not grow with n"),
        ({"phi": ns.activation("identity"), "depth": 2, "bias": False}, "grows with n along 2 axes"),
    ],
)
def test_other_programs_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DynamicsError, match=words):
        ns.wide_limit(ns.zoo.load("mlp")(**options), [(X, Y[:, :1])], 2, lr=0.1, sizes={"d_in": 3})


def test_normalised_units_are_no_mean_over_units() -> None:
    n = ns.dim("n")

    @ns.program
    def normalised(x: ns.Vector(3)) -> ns.Value:
        return ns.dense(ns.normalise(ns.dense(x, n, name="input", bias=False)), 2, name="readout", bias=False)

    with pytest.raises(DynamicsError, match="not a mean over n hidden units"):
        ns.wide_limit(normalised, [(X, Y)], 2, lr=0.1)


def test_the_derived_rates_of_the_standard_parametrization_are_lazy_too() -> None:
    one = {"lr": 0.2, "sizes": {"d_in": 3}}
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False, d_out=2)
    lazy, standard = (ns.wide_limit(program, [(X, Y)], 5, parametrization=p, **one) for p in ("ntp", "sp"))
    assert not standard.features_move
    assert np.allclose(standard.outputs, lazy.outputs, rtol=1e-12)


def test_arguments_that_do_not_fit_are_named() -> None:
    word2vec = ns.zoo.load("word2vec")
    with pytest.raises(DynamicsError, match="at least one batch"):
        ns.wide_limit(word2vec, [], 2, lr=0.1)
    with pytest.raises(DynamicsError, match="lr=-1"):
        ns.wide_limit(word2vec, [BATCH], 2, lr=-1, sizes=SIZES)
    with pytest.raises(DynamicsError, match=r"no parameter 'w'; it has: embed\.w, readout\.w"):
        limit("mup").gram("w")
