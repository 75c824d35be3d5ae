"""Derivation 16: the error of kernel regression with p random inputs, by an effective ridge.

The ridge is first held against random matrices, the error against drawn regressions; ntksym is asked in the last step.
"""

from functools import cache, partial

import numpy as np
import sympy

import ntksym as ns
from ntksym.dynamics.spectrum import Spectrum
from ntksym.records.derivation import Claim, Derivation, Step, agreeing, identical

K, ridge, p, N, rate, noise, P = sympy.symbols("K rho p N lambda sigma P", positive=True)
E = sympy.Symbol("E")
LEARNED = p * rate / (K + p * rate)
GAMMA = N * LEARNED**2 / p

FUNCTIONS, INPUTS, RIDGE, DRAWS = 300, 120, 0.5, 12
RATES = 1.0 / np.arange(1, FUNCTIONS + 1)

# --- checks -----------------------------------------------------------------------------------------------------


def solved(rates: np.ndarray, inputs: int, ridge: float) -> float:
    """The root of the equation of the second step, by halving."""
    low, high = 0.0, ridge + rates.sum()
    for _ in range(200):
        middle = (low + high) / 2
        right = ridge + (rates * middle / (middle + inputs * rates)).sum()
        low, high = (middle, high) if right > middle else (low, middle)
    return high


@cache
def drawn() -> dict[str, np.ndarray]:
    """Gaussian features of these eigenvalues: 1 / mean of the inverse's diagonal, and the parts that are learned."""
    random = np.random.default_rng(17)
    effective, kept = [], []
    for _ in range(DRAWS):
        features = random.standard_normal((INPUTS, FUNCTIONS)) * np.sqrt(RATES)
        inverse = np.linalg.inv(features @ features.T + RIDGE * np.eye(INPUTS))
        effective.append(INPUTS / np.trace(inverse))
        kept.append(((inverse @ features) * features).sum(0)[[0, 9]])
    return {"ridges": np.array(effective), "kept": np.array(kept)}


def check_leave_one_out(claim: Claim) -> str:
    """One input more: the diagonal of the inverse is one over what the others leave of its kernel, by Schur."""
    kernel, others = sympy.symbols("kappa s", positive=True)
    column = sympy.Matrix([[others, sympy.sqrt(rate)], [sympy.sqrt(rate), kernel + ridge]])
    corner = column.inv()[1, 1]
    return identical(claim, {"1/corner": 1 / corner})


def check_ridge(claim: Claim) -> str:
    found = drawn()["ridges"]
    return agreeing(claim, {"K": (float(found.mean()), float(4 * found.std(ddof=1) / DRAWS**0.5) + 0.02)})


def check_learned(claim: Claim) -> str:
    found = drawn()["kept"]
    errors = 4 * found.std(0, ddof=1) / DRAWS**0.5 + 0.01
    return agreeing(
        claim, {name: (float(m), float(e)) for name, m, e in zip(claim, found.mean(0), errors, strict=True)}
    )


def check_response(claim: Claim) -> str:
    """The equation of K differentiated by the ridge, for one eigenvalue of multiplicity N."""
    equation = ridge + N * rate * K / (K + p * rate) - K
    return identical(claim, {"dK/drho": sympy.simplify(-sympy.diff(equation, ridge) / sympy.diff(equation, K))})


def check_total(claim: Claim) -> str:
    """Errors of all degrees add up to E, which solves a linear equation."""
    (found,) = sympy.solve((1 - LEARNED) ** 2 * P + GAMMA * (E + noise**2) - E, E)
    return identical(claim, {"E": found})


def check_least_squares(claim: Claim) -> str:
    """Ridge and K are zero, so everything is learned; against drawn least squares with 20 functions and 60 inputs."""
    (found,) = sympy.solve(N / p * (E + noise**2) - E, E)
    evidence = identical({"E": claim["E"]}, {"E": found})
    random = np.random.default_rng(7)
    errors = []
    for _ in range(400):
        features = random.standard_normal((60, 20))
        errors.append((np.linalg.lstsq(features, random.standard_normal(60), rcond=None)[0] ** 2).sum())
    # Gaussian features have p - N - 1 in place of p - N, which is within the bound
    bound = 4 * float(np.std(errors)) / 20 + 0.02
    number = {"60 inputs": (float(np.mean(errors)), bound)}
    return f"{evidence}; {agreeing({'60 inputs': claim['60 inputs']}, number)}"


@cache
def differences() -> tuple[np.ndarray, np.ndarray]:
    """ntksym's curve less the training sets that it draws: on the sphere in six dimensions, 60 inputs."""
    spectrum = ns.spectrum(ns.zoo.load("mlp")(depth=1), d=6, degrees=8)
    assert isinstance(spectrum, Spectrum)
    curve = ns.learning_curve(spectrum, {1: 1.0, 2: 0.5}, [60], ridge=0.1, noise=0.5, samples=60)
    assert curve.sampled is not None
    assert curve.sampled_errors is not None
    return (curve.errors - curve.sampled)[0], 4 * curve.sampled_errors[0]


def check_comparison(claim: Claim) -> str:
    off, errors = differences()
    return f"60 training sets, {agreeing(claim, {f'degree {n}': (float(off[n]), float(errors[n])) for n in (1, 2)})}"


# --- the steps --------------------------------------------------------------------------------------------------

EFFECTIVE = solved(RATES, INPUTS, RIDGE)
KEPT = INPUTS * RATES / (EFFECTIVE + INPUTS * RATES)
kappa, s = sympy.symbols("kappa s", positive=True)
DERIVATION = Derivation(
    16,
    "learning_curves",
    "Learning curves of kernel regression",
    (
        Step(
            "one input more",
            r"Regression inverts $\Phi \Lambda \Phi^\top + \rho$, with the eigenfunctions at $p$ random inputs in "
            r"the rows of $\Phi$. The diagonal entry of the inverse at one input is one over $\rho$ plus what the "
            r"other inputs leave undetermined of its kernel: with a single other input of kernel $s$ and covariance "
            r"$\sqrt\lambda$,",
            r"\frac{1}{(M^{-1})_{xx}} = \rho + \kappa - \frac{\lambda}{s}",
            "algebra",
            partial(check_leave_one_out, claim={"1/corner": ridge + kappa - rate / s}),
        ),
        Step(
            "the effective ridge",
            r"With many inputs that number is the same for all of them; call it $K$. What $p$ inputs of effective "
            r"ridge $K$ leave of a function's prior variance $\lambda$ is $\lambda K / (K + p \lambda)$, as for one "
            r"function alone.",
            r"K = \rho + \sum_k N_k \frac{\lambda_k K}{K + p \lambda_k}",
            "law of large numbers",
            partial(check_ridge, claim={"K": EFFECTIVE}),
        ),
        Step(
            "what is learned",
            r"Of a target's part along an eigenfunction the mean of the regression keeps",
            r"L_k = \frac{p \lambda_k}{K + p \lambda_k}",
            "law of large numbers",
            partial(check_learned, claim={"first function": KEPT[0], "tenth function": KEPT[9]}),
        ),
        Step(
            "how the ridge responds",
            r"Differentiating the equation of $K$ by $\rho$ gives the factor by which chance amplifies errors.",
            r"\frac{dK}{d\rho} = \frac{1}{1 - \gamma}, \qquad \gamma = \frac1p \sum_k N_k L_k^2",
            "chain rule",
            partial(check_response, claim={"dK/drho": 1 / (1 - GAMMA)}),
        ),
        Step(
            "errors",
            r"What is not learned, $(1 - L_k)^2 P_k$ of the target's mean square $P_k$, is the same for all training "
            r"sets. What differs between them is a noise of variance $E + \sigma^2$ on every target, $E$ the error "
            r"itself, of which degree $k$ takes $N_k L_k^2 / p$. For one degree:",
            r"E_k = (1 - L_k)^2 P_k + \frac{N_k L_k^2}{p} (E + \sigma^2), \qquad E = \sum_k E_k = "
            r"\frac{\sum_k (1 - L_k)^2 P_k + \gamma \sigma^2}{1 - \gamma}",
            "algebra",
            partial(check_total, claim={"E": ((1 - LEARNED) ** 2 * P + GAMMA * noise**2) / (1 - GAMMA)}),
        ),
        Step(
            "least squares",
            r"With $N$ functions, more inputs than these and no ridge, $K = 0$: all is learned, up to noise.",
            r"E = \sigma^2 \frac{N}{p - N}",
            "algebra",
            partial(check_least_squares, claim={"E": noise**2 * N / (p - N), "60 inputs": sympy.Rational(20, 40)}),
        ),
        Step(
            "witnesses",
            r"Training sets drawn on a sphere, and regression with the kernel of ReLU: the differences to ntksym's "
            r"curve vanish within four standard errors.",
            "",
            "comparison",
            partial(check_comparison, claim={"degree 1": 0, "degree 2": 0}),
        ),
    ),
    (
        "B. Bordelon, A. Canatar and C. Pehlevan, Spectrum Dependent Learning Curves in Kernel Regression and Wide "
        "Neural Networks, arXiv:2002.02561 (2020)",
        "J. Simon, M. Dickens, D. Karkada and M. DeWeese, The Eigenlearning Framework, arXiv:2110.03922 (2021)",
        "P. Sollich, Learning curves for Gaussian processes, NeurIPS 1998",
    ),
)

if __name__ == "__main__":
    print(DERIVATION.to_markdown(DERIVATION.run()))
