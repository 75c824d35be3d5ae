"""Derivation 18: mean-field dynamics of one hidden layer, and the equations that close on second moments.

Held against finite networks written out in NumPy and an integration by hand; only the last step looks at ntksym.
"""

from fractions import Fraction
from functools import cache, partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, fitted_slopes, identical, measured

from ._wide_networks import differences

TARGET, TIME = 1.5, 2.0
WIDTHS, NETWORKS = (32, 128, 512), 64
c, a, b, p, q, r, x1, x2 = sympy.symbols("c a b p q r x1 x2", real=True)
f, y = sympy.symbols("f y", real=True)
uu, uv, vv = sympy.symbols("uu uv vv", real=True)


def flow_of(velocity: dict[sympy.Symbol, sympy.Expr], product: sympy.Expr, moments: dict) -> sympy.Expr:
    """d/dt of the mean of a product of weights, for the velocities of the weights."""
    rate = sum(sympy.diff(product, z) * v for z, v in velocity.items())
    return sympy.expand(rate).subs(moments)


# --- one input of length one, a linear unit v u -----------------------------------------------------------------


@cache
def solved(time: float = TIME) -> float:
    """df/dt = -2 (f - y) sqrt(1 + f^2) from f = 0, by the classical Runge and Kutta."""

    def rate(f: float) -> float:
        return -2 * (f - TARGET) * np.sqrt(1 + f * f)

    f, h = 0.0, time / 2000
    for _ in range(2000):
        k1 = rate(f)
        k2 = rate(f + h / 2 * k1)
        k3 = rate(f + h / 2 * k2)
        f += h / 6 * (k1 + 2 * k2 + 2 * k3 + rate(f + h * k3))
    return f


def distance(width: int, seed: int) -> dict[str, float]:
    """Between the outputs of finite linear networks and the solution, at a time in the middle of training."""
    random = np.random.default_rng((19, width, seed))
    u, v = random.standard_normal((2, NETWORKS, width))
    h = 0.002
    for _ in range(round(TIME / 4 / h)):
        error = ((u * v).mean(1) - TARGET)[:, None]
        u, v = u - h * error * v, v - h * error * u
    return {"output": float(np.sqrt(np.mean(((u * v).mean(1) - solved(TIME / 4)) ** 2)))}


@cache
def slopes() -> dict[str, list[float]]:
    return fitted_slopes(distance, WIDTHS, 12)


# --- checks -----------------------------------------------------------------------------------------------------


def check_velocity(claim: Claim) -> str:
    """n times the derivatives of the loss by each weight of a tanh network, by finite differences."""
    random = np.random.default_rng(19)
    z, n = random.standard_normal(12), 6

    def loss(z: np.ndarray) -> np.ndarray:
        return np.array([(np.mean(z[:n] * np.tanh(0.7 * z[n:])) - TARGET) ** 2 / 2])

    u, v = z[n:], z[:n]
    chi = np.mean(v * np.tanh(0.7 * u)) - TARGET
    numeric = -n * differences(loss, z)[0]
    exact = {"v": -chi * np.tanh(0.7 * u), "u": -chi * v * 0.7 / np.cosh(0.7 * u) ** 2}
    parts = {"v": numeric[:n], "u": numeric[n:]}
    found = {name: (float(parts[name] @ exact[name] / (exact[name] @ exact[name])), 1e-7) for name in exact}
    return f"12 derivatives; over the formulas, {agreeing(claim, found)}"


def check_linear(claim: Claim) -> str:
    velocity = {a: -c * b, b: -c * a}
    moments = {a**2: uu, a * b: uv, b**2: vv}
    return identical(
        claim,
        {name: flow_of(velocity, product, moments) for name, product in {"uu": a**2, "uv": a * b, "vv": b**2}.items()},
    )


def check_conserved(claim: Claim) -> str:
    """From the flow of the three moments."""
    flow = {uu: -2 * c * uv, uv: -c * (uu + vv), vv: -2 * c * uv}

    def rate(of: sympy.Expr) -> sympy.Expr:
        return sympy.expand(sum(sympy.diff(of, m) * v for m, v in flow.items()))

    return identical(claim, {"difference": rate(uu - vv), "square": rate((uu + vv) ** 2 / 4 - uv**2)})


def check_output(claim: Claim) -> str:
    """With (uu + vv)^2 / 4 = 1 + f^2, for standard normal starts, and c = f - y."""
    mean = sympy.sqrt(1 + f**2)
    return identical(claim, {"df/dt": (-c * 2 * mean).subs(c, f - y)})


def check_squares(claim: Claim) -> str:
    """By differentiating (u x)^2, for two weights of a unit."""
    h = a * x1 + b * x2
    velocity = {z: -c * sympy.diff(h**2, z) for z in (a, b)}
    moments = {a**2: p, a * b: q, b**2: r}
    return identical(
        claim,
        {name: flow_of(velocity, product, moments) for name, product in {"11": a**2, "12": a * b, "22": b**2}.items()},
    )


def check_networks(claim: Claim) -> str:
    return f"widths {WIDTHS[0]} to {WIDTHS[-1]}: {measured(claim, slopes())}"


@cache
def derived() -> dict[str, tuple[float, float]]:
    """Outputs as ntksym has them, with their errors."""
    program = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False)
    data = np.array([[1.0]]), np.array([[TARGET]])
    times = [TIME / 4, TIME]
    closed = ns.mean_field(program, data, times, sizes={"d_in": 1})
    moved = ns.mean_field(program, data, times, sizes={"d_in": 1}, particles=256)
    found = {f"moments, time {t:g}": (float(closed.outputs[k, 0, 0]), 1e-8) for k, t in enumerate(times)}
    for k, t in enumerate(times):
        error = 6 * float(moved.standard_error[k, 0, 0]) + 1e-9
        found[f"particles, time {t:g}"] = (float(moved.outputs[k, 0, 0]), error)
    return found


def check_comparison(claim: Claim) -> str:
    return f"mean_field: {agreeing(claim, derived())}"


# --- the steps --------------------------------------------------------------------------------------------------

ALL = {f"{kind}, time {t:g}": solved(t) for kind in ("moments", "particles") for t in (TIME / 4, TIME)}
_S = sympy.Matrix([[x1 * x1, x1 * x2], [x1 * x2, x2 * x2]])
_G = sympy.Matrix([[p, q], [q, r]])
_FLOW = (-2 * c * (_S * _G + _G * _S)).expand()

DERIVATION = Derivation(
    18,
    "mean_field",
    "Mean-field dynamics of one hidden layer",
    (
        Step(
            "a mean over units",
            r"The output is a mean over $n$ hidden units of one function of the unit's weights $z$. The learning rate "
            r"grows like $n$, as a single unit has a part $1/n$ in the output; then units move at a speed of order "
            r"one.",
            r"f(x) = \frac1n \sum_k g(z_k, x), \qquad \dot z_k = -n \frac{\partial L}{\partial z_k} = -\sum_x "
            r"\chi(x)\, \nabla g(z_k, x), \quad \chi = \frac{\partial L}{\partial f}",
            "chain rule",
            partial(check_velocity, claim={"v": Fraction(1), "u": Fraction(1)}),
        ),
        Step(
            "a linear unit",
            r"For $g = v\,u$ (one input of length one) with $c = \chi$ the velocities are linear in the weights, so "
            r"means of their products follow equations of their own.",
            r"\dot{\langle uu \rangle} = -2c \langle uv \rangle, \quad \dot{\langle uv \rangle} = -c\,(\langle uu "
            r"\rangle + \langle vv \rangle), \quad \dot{\langle vv \rangle} = -2c \langle uv \rangle",
            "algebra",
            partial(check_linear, claim={"uu": -2 * c * uv, "uv": -c * (uu + vv), "vv": -2 * c * uv}),
        ),
        Step(
            "what is conserved",
            r"Two combinations do not change, whatever the data ask for.",
            r"\langle uu \rangle - \langle vv \rangle = \mathrm{const}, \qquad \tfrac14 (\langle uu \rangle + \langle "
            r"vv \rangle)^2 - \langle uv \rangle^2 = \mathrm{const}",
            "algebra",
            partial(check_conserved, claim={"difference": sympy.Integer(0), "square": sympy.Integer(0)}),
        ),
        Step(
            "one equation for the output",
            r"From standard normal weights the constants are 0 and 1, and $f = \langle uv \rangle$ remains: gradient "
            r"descent with a kernel $2\sqrt{1 + f^2}$ that grows while it learns.",
            r"\dot f = -2 \sqrt{1 + f^2}\,(f - y)",
            "algebra",
            partial(check_output, claim={"df/dt": -2 * sympy.sqrt(1 + f**2) * (f - y)}),
        ),
        Step(
            "squares",
            r"For $g = (u \cdot x)^2$ the velocity is $-2\chi\,x\,x^T u$, again linear, and the moments $G = \langle u "
            r"u^T \rangle$ close.",
            r"\dot G = -2 (S G + G S), \qquad S = \sum_x \chi(x)\,x\,x^T",
            "algebra",
            partial(check_squares, claim={"11": _FLOW[0, 0], "12": _FLOW[0, 1], "22": _FLOW[1, 1]}),
        ),
        Step(
            "networks",
            r"A finite network follows the same equations from a start that strays by $n^{-1/2}$.",
            r"f_n(t) = f(t) + O(n^{-1/2})",
            "law of large numbers",
            partial(check_networks, claim={"output": Fraction(-1, 2)}),
        ),
        Step(
            "witnesses",
            r"What ntksym finds for the program: by the equation of all second moments, and by particles, against the "
            r"equation for the output alone.",
            "",
            "comparison",
            partial(check_comparison, claim=ALL),
        ),
    ),
    (
        "S. Mei, A. Montanari and P.-M. Nguyen, A mean field view of the landscape of two-layer neural networks, "
        "arXiv:1804.06561 (2018)",
        "L. Chizat and F. Bach, On the global convergence of gradient descent for over-parameterized models, "
        "arXiv:1805.09545 (2018)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
