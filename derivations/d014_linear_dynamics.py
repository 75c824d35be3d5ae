"""Derivation 14: training of wide networks is linear, so its mean and covariance over initial weights are formulas.

Equations are solved by SymPy along one eigenvector; the last steps step explicit features, and look at ntksym.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy

import ntksym as ns
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical
from ntksym.records.gram import Kernels

t, rate, lr, beta, ridge = sympy.symbols("t lambda eta beta rho", positive=True)
f, f0, y, J, w = sympy.symbols("f f_0 y J w", real=True)
k, a, K_test, K_cross, K_train = sympy.symbols("k a K_** K_*X K_XX", real=True)
number = sympy.Symbol("t", integer=True, nonnegative=True)

# --- checks -----------------------------------------------------------------------------------------------------


def check_equation(claim: Claim) -> str:
    """f = f_0 + J w and dw/dt = -J (f - y), so df/dt = -J J (f - y)."""
    loss = (f0 + J * w - y) ** 2 / 2
    moved = J * -sympy.diff(loss, w)
    return identical(claim, {"df/dt": moved.subs(w, (f - f0) / J).subs(J, sympy.sqrt(rate))})


def check_flow(claim: Claim) -> str:
    error = sympy.Function("e")
    solved = sympy.dsolve(error(t).diff(t) + rate * error(t), error(t), ics={error(0): f0 - y})
    return identical(claim, {"f_t": y + solved.rhs})


def check_descent(claim: Claim) -> str:
    error = sympy.Function("e")
    solved = sympy.rsolve(error(number + 1) - (1 - lr * rate) * error(number), error(number), {error(0): f0 - y})
    return identical(claim, {"f_t": y + solved})


def roots() -> tuple[sympy.Expr, sympy.Expr]:
    half = (1 + beta - lr * rate) / 2
    below = sympy.sqrt(half**2 - beta)
    return half + below, half - below


def check_momentum(claim: Claim) -> str:
    """Steps taken one after the other: w_(t+1) = w_t - eta J (f - y) + beta (w_t - w_(t-1))."""
    errors = [sympy.S.One, 1 - lr * rate]
    for _ in range(2):
        errors.append(sympy.expand(errors[-1] - lr * rate * errors[-1] + beta * (errors[-1] - errors[-2])))
    return identical(claim, {f"r_{n}": errors[n] for n in (1, 2, 3)})


def closed(n: int) -> sympy.Expr:
    up, down = roots()
    first = 1 - lr * rate
    return sympy.simplify(((first - down) * up**n - (first - up) * down**n) / (up - down))


def check_stability(claim: Claim) -> str:
    """A root leaves the unit circle where z = -1 solves its equation; those of product beta < 1 cannot at z = 1."""
    z = sympy.Symbol("z")
    (edge,) = sympy.solve((z**2 - (1 + beta - lr * rate) * z + beta).subs(z, -1), lr)
    return identical(claim, {"descent": edge.subs(beta, 0), "momentum": edge})


def check_test_point(claim: Claim) -> str:
    """f = f_0 + a (y - f_0(X)), with Gaussian f_0 of mean zero at the two points."""
    test, train = sympy.symbols("f_0* f_0X")
    answer = sympy.expand(test + a * (y - train))
    second = {test**2: K_test, train**2: K_train, test * train: K_cross}
    centred = sympy.expand((answer - answer.subs({test: 0, train: 0})) ** 2)
    return identical(claim, {"mean": answer.subs({test: 0, train: 0}), "variance": centred.subs(second)})


def check_ridge(claim: Claim) -> str:
    kept = 1 - sympy.exp(-rate * t)
    (same,) = sympy.solve(rate / (rate + ridge) - kept, ridge)
    return identical(claim, {"ridge": same, "slow directions": sympy.limit(same, rate, 0)})


@dataclass(frozen=True)
class Bilinear:
    """The kernels of a linear network with one hidden layer, as a compiled kernel: x.x'/d, and twice that."""

    outputs: tuple[str, ...] = ("nngp", "ntk")

    def __call__(self, first: Any, second: Any = None, get: Any = ("nngp", "ntk")) -> Any:
        product = first @ (first if second is None else second).T / first.shape[1]
        both = {"nngp": product, "ntk": 2 * product}
        return both[get] if isinstance(get, str) else Kernels(**{name: both[name] for name in get})

    def at(self, **values: float) -> "Bilinear":
        return self


def check_comparison(claim: Claim) -> str:
    """Momentum on explicit features, from 4000 initial functions, against ntksym's law; and one direction by hand."""
    x, test, target = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([[0.0, 1.0]]), np.array([1.0, -0.5])
    record = ns.linear_dynamics(Bilinear(), x, target, test, lr=0.5, momentum=0.6)
    everywhere = np.concatenate([x, test])
    random = np.random.default_rng(15)
    start = everywhere @ random.standard_normal((2, 4000)) / np.sqrt(2)
    features = everywhere  # of squared length 2 x.x'/d
    before = now = np.zeros((2, 4000))
    for _ in range(5):
        slope = features[:2].T @ (start[:2] + features[:2] @ now - target[:, None]) / 2
        before, now = now, now - 0.5 * slope + 0.6 * (now - before)
    found = (start + features @ now)[2]
    mean, variance = record.mean(5)[0, 0], record.std(5)[0] ** 2
    numbers = {
        "mean": (found.mean() - mean, 4 * found.std() / 4000**0.5),
        "variance": (found.var() - variance, 4 * found.var() * (2 / 4000) ** 0.5),
    }
    return f"4000 initial functions, {agreeing(claim, numbers)}"


# --- the steps --------------------------------------------------------------------------------------------------

ERROR = sympy.exp(-rate * t)
DERIVATION = Derivation(
    14,
    "linear_dynamics",
    "Training of wide networks: mean and covariance",
    (
        Step(
            "the equation",
            r"At infinite width a network is linear in its weights, $f = f_0 + J w$, and its tangent kernel $\Theta "
            r"= J J^\top$ stays what it is. Gradient flow on half the squared error moves $w$ by $-J^\top (f - y)$. "
            r"Along an eigenvector of $\Theta(X, X)/n$, of eigenvalue $\lambda$:",
            r"\frac{df}{dt} = -\lambda\,(f - y)",
            "chain rule",
            partial(check_equation, claim={"df/dt": -rate * (f - y)}),
        ),
        Step(
            "gradient flow",
            r"So the error falls exponentially, in each direction at its own rate.",
            r"f_t = y + e^{-\lambda t} (f_0 - y)",
            "algebra",
            partial(check_flow, claim={"f_t": y + ERROR * (f0 - y)}),
        ),
        Step(
            "gradient descent",
            r"Steps of rate $\eta$ multiply it.",
            r"f_t = y + (1 - \eta\lambda)^t (f_0 - y)",
            "algebra",
            partial(check_descent, claim={"f_t": y + (1 - lr * rate) ** number * (f0 - y)}),
        ),
        Step(
            "momentum",
            r"With momentum $\beta$ the part $r_t$ of the error that is left obeys $r_{t+1} = (1 + \beta - "
            r"\eta\lambda) r_t - \beta r_{t-1}$, from $r_0 = 1$ and $r_1 = 1 - \eta\lambda$. With $z_\pm$ the roots "
            r"of $z^2 = (1 + \beta - \eta\lambda) z - \beta$:",
            r"r_t = \frac{(1 - \eta\lambda - z_-)\,z_+^t - (1 - \eta\lambda - z_+)\,z_-^t}{z_+ - z_-}",
            "induction",
            partial(check_momentum, claim={f"r_{n}": closed(n) for n in (1, 2, 3)}),
        ),
        Step(
            "stability",
            r"Errors grow once a factor passes $-1$.",
            r"\eta < \frac{2}{\lambda}, \qquad \text{with momentum} \quad \eta < \frac{2 (1 + \beta)}{\lambda}",
            "algebra",
            partial(check_stability, claim={"descent": 2 / rate, "momentum": 2 * (1 + beta) / rate}),
        ),
        Step(
            "other inputs",
            r"Elsewhere the weights' change is seen through $\Theta(x, X)$: $f_t(x) = f_0(x) + A (y - f_0(X))$ with "
            r"$A = \Theta(x, X) \Theta(X, X)^{-1} (1 - r_t)$. Over initial weights $f_0$ is Gaussian, of mean zero "
            r"and covariance $K$.",
            r"E[f_t(x)] = A\,y, \qquad \operatorname{Var}[f_t(x)] = K_{xx} - 2 A K_{Xx} + A K_{XX} A^\top",
            "algebra",
            partial(check_test_point, claim={"mean": a * y, "variance": K_test - 2 * a * K_cross + a**2 * K_train}),
        ),
        Step(
            "stopping early",
            r"Ridge regression keeps $\lambda / (\lambda + \rho)$ of a direction, stopping at $t$ keeps $1 - "
            r"e^{-\lambda t}$. So each direction has a ridge of its own, and slow ones all have $1/t$.",
            r"\rho = \frac{\lambda}{e^{\lambda t} - 1} \to \frac1t \quad (\lambda \to 0)",
            "algebra",
            partial(check_ridge, claim={"ridge": rate / (sympy.exp(rate * t) - 1), "slow directions": 1 / t}),
        ),
        Step(
            "witnesses",
            r"Weights on explicit features, stepped with momentum from many initial functions, have the mean and the "
            r"variance that ntksym says: the differences vanish.",
            "",
            "comparison",
            partial(check_comparison, claim={"mean": 0, "variance": 0}),
        ),
    ),
    (
        "J. Lee, L. Xiao et al., Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent, "
        "arXiv:1902.06720 (2019)",
        "B. Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
        "A. Ali, J. Kolter and R. Tibshirani, A Continuous-Time View of Early Stopping for Least Squares, "
        "arXiv:1810.10082 (2018)",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
