"""Derivation 1: the muP table of a multilayer perceptron under SGD and Adam, by hand, every step checked.

Exponents are solved for in fractions, sizes are measured in networks of finite width with fixed seeds. Only the last
two steps look at what ntksym derives from the program.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, partial
from math import sqrt

import numpy as np

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.records.derivation import Claim, Derivation, Step, fitted_slopes, measured, root, solved
from ntksym.scaling import Growth

from ._finite_mlp import (
    INPUTS,
    LAYERS,
    OUTPUTS,
    PARAMETERS,
    WIDTHS,
    X,
    Y,
    backward,
    drawn,
    forward,
    grown,
    loss,
    moved,
    size,
    trained,
)

n = ns.dim("n")


@ns.program
def mlp(x: ns.Vector(INPUTS)) -> ns.Value:
    h1 = ns.dense(x, n, name="input")
    h2 = ns.dense(ns.tanh(h1), n, name="hidden")
    return ns.dense(ns.tanh(h2), OUTPUTS, name="readout")


HALF, ONE, ZERO = Fraction(1, 2), Fraction(1), Fraction(0)
MAKES = {"input": "h1", "hidden": "h2", "readout": "f"}
FAN_IN = {"input": ZERO, "hidden": ONE, "readout": ONE}
FAN_OUT = {"input": ONE, "hidden": ONE, "readout": ZERO}


def by_parameter(*exponents: int) -> dict[str, Fraction]:
    return dict(zip(PARAMETERS, map(Fraction, exponents), strict=True))


# What the steps claim, and later steps build on.
INIT = {"input": ZERO, "hidden": -HALF, "readout": -ONE}
UPDATE = by_parameter(0, 0, -1, 0, -1, 0)
GRADIENT = by_parameter(-1, -1, -1, -1, 0, 0)
SGD = by_parameter(1, 1, 0, 1, -1, 0)
ADAM = UPDATE

Sizes = Callable[[int, int], Mapping[str, float]]


@cache
def slopes(sizes: Sizes, seeds: int) -> dict[str, list[float]]:
    return fitted_slopes(sizes, WIDTHS, seeds)


def check_measured(sizes: Sizes, seeds: int = 4, *, claim: Claim) -> str:
    return f"widths {WIDTHS[0]} to {WIDTHS[-1]}: {measured(claim, slopes(sizes, seeds))}"


# --- what is measured: sizes by name, for a width and a seed --------------------------------------------------


def gaussian_sizes(width: int, seed: int) -> dict[str, float]:
    v = np.random.default_rng((width, seed)).standard_normal(width)
    return {"entry": size(v), "length": float(np.linalg.norm(v))}


def forward_sizes(width: int, seed: int) -> dict[str, float]:
    random = np.random.default_rng((width, seed))
    x, w = np.tanh(random.standard_normal(width)), random.standard_normal((width, width))
    return {"entries 1": size(w @ x), "entries n^(-1/2)": size(w @ x / sqrt(width))}


def amplified_sizes(width: int, seed: int) -> dict[str, float]:
    """What weights with entries of order one make of a change with entries of order one."""
    random = np.random.default_rng((width, seed))
    w, row = random.standard_normal((width, width)), random.standard_normal(width)
    v = random.standard_normal(width)
    out = {"square, independent": size(w @ v), "row, worst": abs(row @ np.sign(row))}
    for _ in range(15):  # power iteration towards the largest singular value
        v = w.T @ (w @ v)
        v = v / size(v)
    before, after = trained(drawn(width, seed, INIT), dict.fromkeys(PARAMETERS, 0.1), steps=1)
    start, end = forward(before), forward(after)
    change = np.tanh(end["h2"]) - np.tanh(start["h2"])
    asked = (Y - start["f"]) @ before["readout.w"]  # the readout's row in the direction that lowers the loss
    after_step = size(np.sum(asked * change, axis=1)) / size(asked) / size(change)
    return {**out, "square, worst": size(w @ v), "row, after a step": after_step}


def initial_sizes(width: int, seed: int) -> dict[str, float]:
    return {name: size(value) for name, value in forward(drawn(width, seed, INIT)).items()}


def aligned_sizes(width: int, seed: int) -> dict[str, float]:
    """What updates with entries of order one make of the vectors they are built from."""
    random = np.random.default_rng((width, seed))
    g, x = random.standard_normal((4, width)), np.tanh(random.standard_normal((4, width)))
    gradient, other = g.T @ x, random.standard_normal((width, width))
    steps = {"gradient": gradient / size(gradient), "sign": np.sign(gradient), "independent": other}
    return {name: size(x @ step.T) for name, step in steps.items()}


def backward_sizes(width: int, seed: int) -> dict[str, float]:
    history = trained(drawn(width, seed, INIT), {name: 0.1 * grown(width, SGD[name]) for name in PARAMETERS})
    at = {"at the start": backward(history[0]), "after training": backward(history[-1])}
    return {f"{value}, {when}": size(gradients[value]) for when, gradients in at.items() for value in ("h1", "h2")}


def gradient_sizes(width: int, seed: int) -> dict[str, float]:
    gradients = backward(drawn(width, seed, INIT))
    return {name: size(gradients[name]) for name in PARAMETERS}


def sgd_sizes(width: int, seed: int) -> dict[str, float]:
    return moved(trained(drawn(width, seed, INIT), {name: 0.1 * grown(width, SGD[name]) for name in PARAMETERS}))


def adam_sizes(width: int, seed: int) -> dict[str, float]:
    rates = {name: 0.02 * grown(width, ADAM[name]) for name in PARAMETERS}
    # as large as the gradients, about, so that a wrong power would show
    epsilons = {name: 0.02 * grown(width, GRADIENT[name]) for name in PARAMETERS}
    return moved(trained(drawn(width, seed, INIT), rates, epsilons))


def faster_sizes(width: int, seed: int) -> dict[str, float]:
    """The first change that one weight makes alone, its rate half a power too large, in the linear regime."""
    w, out = drawn(width, seed, INIT), {}
    for layer, value in MAKES.items():
        name = f"{layer}.w"
        sgd = trained(w, {name: 1e-3 * grown(width, SGD[name] + HALF)}, steps=1)
        adam = trained(w, {name: 1e-4 * grown(width, ADAM[name] + HALF)}, {name: 1e-12}, steps=1)
        out[f"SGD {name}"], out[f"Adam {name}"] = (moved(history)[f"{value}, step 1"] for history in (sgd, adam))
    return out


def readout_sizes(width: int, seed: int) -> dict[str, float]:
    """Changes under readouts of two initial sizes, each with the rates that its own budgets allow."""
    out = {}
    for start in (-HALF, -ONE):
        budget, gradient = -(start + 1), start  # of h2 and h1
        lr = {name: budget + UPDATE[name] - gradient for name in PARAMETERS[:4]} | {"readout.w": SGD["readout.w"]}
        w = drawn(width, seed, {**INIT, "readout": start})
        change = moved(trained(w, {name: 1e-3 * grown(width, lr[name]) for name in lr}, steps=1))
        out |= {f"{value}, readout n^{start}": change[f"{value}, step 1"] for value in ("h2", "f")}
    return out


# --- what is solved for, and compared ---------------------------------------------------------------------------


def check_network(claim: Claim) -> str:
    w = drawn(64, 0, INIT)
    if not np.allclose(ns.run(mlp(), w, X, {"n": 64}), forward(w)["f"], rtol=1e-12):
        raise NtksymError("the network by hand and the interpreter of programs disagree")
    return f"the network by hand equals the interpreter of programs; {check_measured(gaussian_sizes, claim=claim)}"


def amplification(layer: str) -> Fraction:
    """The power by which initial weights with entries of order one amplify a change in the worst case."""
    return max(FAN_IN[layer] / 2, FAN_IN[layer] - FAN_OUT[layer] / 2)


def check_init(claim: Claim) -> str:
    def entry(layer: str) -> Fraction:
        value = root(lambda w: w + FAN_IN[layer] / 2)
        return value if layer == "input" else min(value, root(lambda w: w + amplification(layer)))

    return solved(claim, {layer: entry(layer) for layer in LAYERS})


def check_budgets(claim: Claim) -> str:
    h2 = ZERO - (INIT["readout"] + amplification("readout"))
    h1 = h2 - (INIT["hidden"] + amplification("hidden"))
    return solved(claim, {"f": ZERO, "h2": h2, "h1": h1})


def check_updates(claim: Claim) -> str:
    weights = {f"{layer}.w": root(lambda u, layer=layer: u + FAN_IN[layer]) for layer in LAYERS}
    return solved(claim, {**weights, **{f"{layer}.b": root(lambda u: u) for layer in LAYERS}})


def check_gradients(claim: Claim) -> str:
    w = drawn(64, 1, INIT)
    exact = backward(w)
    for name in PARAMETERS:
        turn = np.random.default_rng(5).standard_normal(w[name].shape)
        ahead, behind = loss({**w, name: w[name] + 1e-5 * turn}), loss({**w, name: w[name] - 1e-5 * turn})
        numeric = (ahead - behind) / 2e-5
        if abs(numeric - np.sum(exact[name] * turn)) > 1e-6 * abs(numeric):
            raise NtksymError(f"{name}: the gradient is not that of the loss")
    return f"equal to finite differences to six digits; {check_measured(gradient_sizes, claim=claim)}"


def check_flat(sizes: Sizes) -> str:
    """A coordinate check: nothing that training moves depends on width."""
    found = slopes(sizes, 4)
    return f"coordinate check: {check_measured(sizes, claim=dict.fromkeys(found, ZERO))}"


def check_sgd(claim: Claim) -> str:
    found = {name: root(lambda lr, name=name: lr + GRADIENT[name] - UPDATE[name]) for name in PARAMETERS}
    return f"{solved(claim, found)}; {check_flat(sgd_sizes)}"


def check_adam(claim: Claim) -> str:
    found = {name: root(lambda lr, name=name: lr - UPDATE[name]) for name in PARAMETERS}
    return f"{solved(claim, {**found, **renamed(GRADIENT, '{} epsilon')})}; {check_flat(adam_sizes)}"


def check_gauge(claim: Claim) -> str:
    scale = dict(zip(PARAMETERS, (3.0, 0.5, 1 / 7, 2.0, 5.0, 0.25), strict=True))

    def scaled(value: float, power: Fraction) -> dict[str, float]:
        return {name: value * scale[name] ** float(power) for name in PARAMETERS}

    w, plain = drawn(64, 2, INIT), dict.fromkeys(PARAMETERS, 0.05)
    epsilons = scaled(0.05, claim["Adam epsilon"])
    pairs = {
        "SGD": (trained(w, plain), trained(w, scaled(0.05, claim["SGD rate"]), None, 3, scale)),
        "Adam": (trained(w, plain, plain), trained(w, scaled(0.05, claim["Adam rate"]), epsilons, 3, scale)),
    }
    entries = 0
    for name, (one, other) in pairs.items():
        if not np.allclose(forward(one[-1])["f"], forward(other[-1])["f"], rtol=1e-9):
            raise NtksymError(f"{name} trains another network after the change of multipliers")
        table = ns.scaling_table(mlp(), optimizer=name.lower())
        for row in (row for form in ("table8", "table9", "unit") for row in ns.convert(table, form).parameters):
            entries += 1
            if power(row.lr) != power(table[row.name].lr) + claim[f"{name} rate"] * power(row.multiplier):
                raise NtksymError(f"{name}: the rate of {row.name} does not follow its multiplier")
    return f"three steps equal to nine digits under other multipliers; {entries} entries of converted tables"


def power(growth: Growth | None) -> Fraction:
    if growth is None or growth.linear is None:
        raise NtksymError(f"{growth} is not a power of n")
    return growth.linear["n"]


def check_table(claim: Claim) -> str:
    found = {}
    for name in ("SGD", "Adam"):
        for row in ns.scaling_table(mlp(), optimizer=name.lower()).parameters:
            found[f"{name} rate of {row.name}"] = power(row.lr)
            if row.name.endswith(".w"):
                found[f"{name} init of {row.name}"] = power(row.init_std)
            if name == "Adam":
                found[f"epsilon of {row.name}"] = power(row.eps)
    return f"scaling_table against this page: {solved(claim, found)}"


def renamed(exponents: Claim, form: str) -> dict[str, Fraction]:
    return {form.format(name): exponent for name, exponent in exponents.items()}


# --- the steps --------------------------------------------------------------------------------------------------

DERIVATION = Derivation(
    1,
    "mlp_width",
    "The muP table of an MLP under SGD and Adam",
    (
        Step(
            "network and size",
            r"A network with two hidden layers of width $n$, on data of a fixed number of dimensions. A value has the "
            r"size $s$ if its typical entry (root mean square) grows like $n^s$. All that follows keeps account of "
            r"sizes.",
            r"h_1 = W_1 x + b_1, \quad h_2 = W_2\,\phi(h_1) + b_2, \quad f = W_3\,\phi(h_2) + b_3; \qquad v \sim "
            r"n^{s(v)}",
            "definition",
            partial(check_network, claim={"entry": ZERO, "length": HALF}),
        ),
        Step(
            "initial weights",
            r"Initial weights have mean zero and are independent of what they read, so $n^m$ terms add up to "
            r"$n^{m/2}$. Here $w_0$ is the size of an initial entry and $m$ the exponent of the fan-in: 1, or 0 if "
            r"that is fixed.",
            r"s(W_0\,x) = w_0 + \tfrac12 m + s(x)",
            "central limit theorem",
            partial(check_measured, forward_sizes, claim={"entries 1": HALF, "entries n^(-1/2)": ZERO}),
        ),
        Step(
            "changes through initial weights",
            r"A change $\delta$ of what $W$ reads need not be independent of $W$, so the worst case counts. The "
            r"largest singular value of an $n^k \times n^m$ Gaussian matrix has the size $\max(m, k)/2$. For a "
            r"readout ($k = 0$) one step of training is enough for the worst case: the last hidden layer moves along "
            r"the readout itself.",
            r"s(W_0\,\delta) \le w_0 + \max\left(\tfrac12 m,\; m - \tfrac12 k\right) + s(\delta)",
            "operator norm",
            partial(
                check_measured,
                amplified_sizes,
                claim={
                    "square, independent": HALF,
                    "square, worst": HALF,
                    "row, worst": ONE,
                    "row, after a step": ONE,
                },
            ),
        ),
        Step(
            "initial entries",
            r"Take the largest initial entries that amplify neither a value nor a change of what is read. Data never "
            r"change, so the first condition is all there is for $W_1$; the second one decides for the readout.",
            r"w_0 = -\max\left(\tfrac12 m,\; m - \tfrac12 k\right): \qquad W_1 \sim n^0, \quad W_2 \sim n^{-1/2}, "
            r"\quad W_3 \sim n^{-1}",
            "algebra",
            partial(check_init, claim=INIT),
        ),
        Step(
            "initial values",
            r"Each hidden layer reads entries of order one and makes such. The output starts small; training will "
            r"make it of order one.",
            r"h_1 \sim n^0, \qquad h_2 \sim n^0, \qquad f \sim n^{-1/2}",
            "induction",
            partial(check_measured, initial_sizes, 8, claim={"h1": ZERO, "h2": ZERO, "f": -HALF}),
        ),
        Step(
            "updates are aligned",
            r"The update of a weight is built from the vectors that it reads, $\Delta W \propto \sum_b g_b x_b^\top$, "
            r"and meets them again: $x_b^\top x_b$ is a sum of $n^m$ terms of one sign. Adam divides each entry by "
            r"its own size and keeps the signs, and the alignment with them. An independent matrix would have half of "
            r"it.",
            r"s(\Delta W\, x) = u + m + s(x), \qquad u = s(\Delta W)",
            "law of large numbers",
            partial(check_measured, aligned_sizes, claim={"gradient": ONE, "sign": ONE, "independent": HALF}),
        ),
        Step(
            "budgets",
            r"The output is to move by order one, not more. Backwards through the initial weights, each value may "
            r"change as much as the worst case leaves of the budget after it.",
            r"\beta(f) = 0, \quad \beta(h_2) = \beta(f) - (-1 + 1) = 0, \quad \beta(h_1) = \beta(h_2) - "
            r"\left(-\tfrac12 + \tfrac12\right) = 0",
            "algebra",
            partial(check_budgets, claim={"h1": ZERO, "h2": ZERO, "f": ZERO}),
        ),
        Step(
            "largest updates",
            r"A parameter's own update may use up the budget of the value that it makes. A bias adds up nothing.",
            r"u + m = 0: \qquad \Delta W_1 \sim n^0, \quad \Delta W_2 \sim n^{-1}, \quad \Delta W_3 \sim n^{-1}, "
            r"\quad \Delta b_1, \Delta b_2, \Delta b_3 \sim n^0",
            "algebra",
            partial(check_updates, claim=UPDATE),
        ),
        Step(
            "backward",
            r"The gradient at the last hidden layer is made of the readout's entries: size $-1$ at the start and, "
            r"since its updates are as large, ever after. It keeps its size through $W_2^\top$: initial entries "
            r"$n^{-1/2}$ add up $n$ independent terms, those of the update, $n^{-1}$, as many aligned ones.",
            r"s\left(\frac{\partial f}{\partial h_2}\right) = -1, \qquad s\left(\frac{\partial f}{\partial "
            r"h_1}\right) = \max\left(-\tfrac12 + \tfrac12,\; -1 + 1\right) - 1 = -1",
            "chain rule",
            partial(
                check_measured,
                backward_sizes,
                claim={f"{v}, {when}": -ONE for when in ("at the start", "after training") for v in ("h1", "h2")},
            ),
        ),
        Step(
            "gradients of parameters",
            r"The gradient of a weight is that of the value it makes, times what it reads. A bias lacks the second "
            r"factor.",
            r"\frac{\partial f}{\partial W_l} = \frac{\partial f}{\partial h_l}\,\phi(h_{l-1})^\top: \qquad G_1 \sim "
            r"n^{-1}, \quad G_2 \sim n^{-1}, \quad G_3 \sim n^0",
            "chain rule",
            partial(check_gradients, claim=GRADIENT),
        ),
        Step(
            "rates of SGD",
            r"An entry of the update is the rate times an entry of the gradient, so the rate makes up the difference.",
            r"\eta = u - G: \qquad \eta_1 \sim n, \quad \eta_2 \sim n^0, \quad \eta_3 \sim n^{-1}, \qquad b_1, b_2 "
            r"\text{ with } n, \quad b_3 \text{ with } n^0",
            "algebra",
            partial(check_sgd, claim=SGD),
        ),
        Step(
            "rates of Adam",
            r"The gradient is divided by its own size, so an entry of the update is the rate itself. What is added to "
            r"that size, $\varepsilon$, must grow as it does.",
            r"\eta = u: \qquad \eta_1 \sim n^0, \quad \eta_2 \sim n^{-1}, \quad \eta_3 \sim n^{-1}, \quad "
            r"\text{biases } n^0; \qquad \varepsilon_1, \varepsilon_2 \sim n^{-1}, \quad \varepsilon_3 \sim n^0",
            "algebra",
            partial(check_adam, claim={**ADAM, **renamed(GRADIENT, "{} epsilon")}),
        ),
        Step(
            "no rate can be larger",
            r"To leading order, the change that an update makes is linear in the rate. Half a power more in any one "
            r"rate moves what the weight makes by half a power more than its budget.",
            r"\eta \to n^{1/2}\,\eta \quad\Rightarrow\quad s(\Delta W\,x) = \tfrac12",
            "Taylor expansion",
            partial(
                check_measured,
                faster_sizes,
                claim={f"{name} {layer}.w": HALF for layer in LAYERS for name in ("SGD", "Adam")},
            ),
        ),
        Step(
            "why the readout starts at 1/n",
            r"If it starts at $n^{-1/2}$, as in the standard and the neural-tangent parametrization, its worst case "
            r"takes half a power of the budget: the output moves by order one, but the hidden layers only by "
            r"$n^{-1/2}$. That is the kernel regime.",
            r"\beta(h_2) = 0 - (w_0 + 1) = \begin{cases} -\tfrac12 & \text{if } w_0 = -\tfrac12 \\ 0 & \text{if } w_0 "
            r"= -1 \end{cases}",
            "algebra",
            partial(
                check_measured,
                readout_sizes,
                claim={
                    "h2, readout n^-1/2": -HALF,
                    "f, readout n^-1/2": ZERO,
                    "h2, readout n^-1": ZERO,
                    "f, readout n^-1": ZERO,
                },
            ),
        ),
        Step(
            "other multipliers",
            r"Write $W = M w$ and train $w$. Its gradient has a factor $M$, and so has its effect on $W$: SGD's rate "
            r"is divided by $M^2$; Adam's by $M$, and its $\varepsilon$ is multiplied by $M$. So tables that look "
            r"different can be one table.",
            r"M \to n^\theta M, \quad \sigma \to n^{-\theta} \sigma, \quad \eta \to \begin{cases} n^{-2\theta}\,\eta "
            r"& \text{SGD} \\ n^{-\theta}\,\eta & \text{Adam} \end{cases}",
            "chain rule",
            partial(
                check_gauge,
                claim={"SGD rate": Fraction(-2), "Adam rate": Fraction(-1), "Adam epsilon": ONE},
            ),
        ),
        Step(
            "the table",
            r"The program of this network names no input layer and no readout. What is derived from it is the same "
            r"table.",
            "",
            "comparison",
            partial(
                check_table,
                claim={
                    **renamed(INIT, "SGD init of {}.w"),
                    **renamed(SGD, "SGD rate of {}"),
                    **renamed(INIT, "Adam init of {}.w"),
                    **renamed(ADAM, "Adam rate of {}"),
                    **renamed(GRADIENT, "epsilon of {}"),
                },
            ),
        ),
    ),
    (
        "G. Yang and E. Hu, Feature Learning in Infinite-Width Neural Networks, arXiv:2011.14522 (2020)",
        "G. Yang et al., Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer, "
        "arXiv:2203.03466 (2022)",
        "G. Yang, J. Simon and J. Bernstein, A Spectral Condition for Feature Learning, arXiv:2310.17813 (2023)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
