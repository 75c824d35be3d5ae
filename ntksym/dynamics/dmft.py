"""Dynamical mean-field theory of deep linear networks: training at infinite width, in which features move.

In muP the preactivations h and their gradients g = n df/dh of every layer are, at infinite width, alike and independent
over coordinates. What one coordinate does over all steps t and inputs m is a Gaussian vector with the entries (t, m),
which solves linear equations (Bordelon and Pehlevan 2022, arXiv:2205.09653, here for steps of finite size):

    h = u + C g    u ~ N(0, s^2 H_below)    C = s^2 A_below + k H_below Delta    s, k: of the weights below
    g = r + D h    r ~ N(0, s^2 G_above)    D = s^2 B_above + k G_above Delta    s, k: of the weights above

H = E[h h^T] and G = E[g g^T] are the feature and gradient kernels, A = E[dh/dr] and B = E[dg/du] the responses, Delta
minus the derivatives of the loss by the outputs, s / sqrt(n) the initial entries of the weights and k their rate.
C and D couple to earlier steps only, so that one pass up and one pass down for each step solve all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ntksym.dynamics.course import Course
from ntksym.dynamics.slopes import loss_and_slope
from ntksym.dynamics.units import exponent
from ntksym.errors import DynamicsError
from ntksym.kernels.data import read_inputs, sizes_from
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.sampling.network import network
from ntksym.sampling.training import Loss
from ntksym.scaling.cells import large_dims
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.parametrizations import Parametrization
from ntksym.scaling.setting import as_program
from ntksym.scaling.table import ScalingTable

Array = Any
SOME = 3
"""The width at which a program is checked to be a product of matrices."""


@dataclass(frozen=True, eq=False)
class DynamicalMeanField(Course):
    """What a deep linear network of infinite width does in training.

    Attributes:
        program: its name.
        outputs: (steps + 1, inputs), those that are trained on first, then the probe.
        losses: before each step, (steps,).
        feature_kernels: E[h_m(t) h_a(s)] of each hidden layer, (layers, steps + 1, inputs, steps + 1, inputs).
        gradient_kernels: the same of g = n df/dh.
    """

    schema = "dmft"

    program: str
    outputs: Array
    losses: Array
    feature_kernels: Array
    gradient_kernels: Array

    def columns(self) -> dict[str, Array]:
        """The loss over its course."""
        return {"step": np.arange(len(self.losses)), "loss": self.losses}


@dataclass(frozen=True)
class Weights:
    """One matrix of weights: n times the variance of its entries (without n for inputs), and its learning rate, k."""

    variance: float
    rate: float


def dmft(
    program: Program | Architecture,
    data: tuple[Any, Any],
    steps: int,
    *,
    lr: float,
    loss: str | Loss = "mse",
    probe: Any = None,
    parametrization: str | Parametrization = "mup",
    sizes: Mapping[str, Number] | None = None,
) -> DynamicalMeanField:
    """Train a deep linear network of infinite width for some steps of full-batch gradient descent, exactly.

    Args:
        program: a product of matrices with one output: ``ns.zoo.load("mlp")(phi=ns.identity, depth=3, bias=False)``.
        data: inputs (batch, d_in) and targets (batch, 1).
        lr: what the scaling table's rates are multiples of, counted from width 1.
        loss: as for ``ns.train``.
        probe: further inputs (m, d_in) that kernels and outputs are wanted for.
        parametrization: "mup" or "mfp", or one of your own with the same limit.
        sizes: dimensions that neither the inputs give nor a default, other than the width; the depth where it is one.

    Work grows like (steps * inputs)^3 * steps * layers. Networks of width n approach this like n^(-1/2). Raises
    DynamicsError for a program that is no product of matrices, or does not learn features.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> net = ns.zoo.load("mlp")(phi=ns.identity, depth=3, bias=False)
        >>> X, y = np.eye(2), np.array([[1.0], [-1.0]])
        >>> ns.dmft(net, (X, y), steps=3, lr=0.5).losses.round(4)
        array([0.5   , 0.0703, 0.0235])
    """
    program = as_program(program)
    if steps < 1 or not (lr > 0 and np.isfinite(lr)):
        raise DynamicsError(f"steps={steps} and lr={lr}: at least one step and a positive rate are needed")
    given = read_inputs(program, data[0])
    x = np.asarray(next(iter(given.values())), dtype=float)
    inputs = x if probe is None else np.concatenate([x, np.asarray(probe, dtype=float)])
    matrices = _matrices(program, inputs, lr, parametrization, {**sizes_from(program, given), **(sizes or {})})
    error = loss_and_slope(loss)

    def pull(outputs: Array) -> tuple[float, Array]:
        value, slope = error(outputs[: len(x), None], np.asarray(data[1]))
        return value, np.concatenate([-slope[:, 0], np.zeros(len(inputs) - len(x))])

    outputs, losses, H, G = _solved(matrices, inputs @ inputs.T, pull, steps)
    shape = (len(H), steps + 1, len(inputs), steps + 1, len(inputs))
    return DynamicalMeanField(program.name, outputs, losses, np.reshape(H, shape), np.reshape(G, shape))


# --- the equations ----------------------------------------------------------------------------------------


def _solved(
    matrices: list[Weights], gram: Array, pull_of: Callable[[Array], tuple[float, Array]], steps: int
) -> tuple[Array, Array, list[Array], list[Array]]:
    """Outputs, losses, and the kernels H and G of each hidden layer, one step after the other."""
    hidden, inputs = len(matrices) - 1, len(gram)
    outputs, losses, pulls = [], [], np.zeros(0)
    # kernels and responses of the hidden layers; beyond them stand the inputs, and the output, whose gradient is one
    G, B = [np.zeros((0, 0))] * hidden, [np.zeros((0, 0))] * hidden
    for t in range(steps + 1):
        times = np.ones((t + 1, t + 1))
        earlier = np.kron(np.tril(times, -1), np.ones_like(gram))
        pulls = np.concatenate([pulls, np.zeros(inputs)])
        nothing = np.zeros_like(earlier)

        def coupling(
            weights: Weights, response: Array, kernel: Array, now: Array = earlier, by: Array = pulls
        ) -> Array:
            return now * (weights.variance * response + weights.rate * kernel * by)

        H, A, C = [np.kron(times, gram)], [nothing], []
        G = [*(_grown(kernel, inputs) for kernel in G[:hidden]), np.ones_like(earlier)]
        B = [*(_grown(response, inputs) for response in B[:hidden]), nothing]
        for k in range(hidden):
            C.append(coupling(matrices[k], A[k], H[k]))
            D = coupling(matrices[k + 1], B[k + 1], G[k + 1])
            kernel, response = _field(C[k], D, matrices[k].variance * H[k], matrices[k + 1].variance * G[k + 1])
            H.append(kernel)
            A.append(response)
        for k in reversed(range(hidden)):
            D = coupling(matrices[k + 1], B[k + 1], G[k + 1])
            G[k], B[k] = _field(D, C[k], matrices[k + 1].variance * G[k + 1], matrices[k].variance * H[k])
        # f = E[h g] with h = u + C g, and E[u g] = E[u u] (dg/du)^T by Stein's lemma
        last = slice(t * inputs, None)
        top = hidden - 1
        outputs.append(np.diag(matrices[top].variance * H[top][last] @ B[top][last].T + C[top][last] @ G[top][:, last]))
        loss, pulls[last] = pull_of(outputs[-1])
        losses.append(loss)
    return np.array(outputs), np.array(losses[:-1]), H[1:], G[:-1]


def _field(C: Array, D: Array, u: Array, r: Array) -> tuple[Array, Array]:
    """Covariance and response dh/dr of h = u + C g, g = r + D h, for covariances of u and r."""
    X = np.linalg.inv(np.eye(len(C)) - C @ D)
    return X @ (u + C @ r @ C.T) @ X.T, X @ C


def _grown(matrix: Array, by: int) -> Array:
    return np.pad(matrix, (0, by))


# --- from a program ---------------------------------------------------------------------------------------

POWERS = {
    "input": (Fraction(0), Fraction(1)),
    "hidden": (Fraction(-1, 2), Fraction(0)),
    "readout": (Fraction(-1), Fraction(-1)),
}
"""Initial entries and learning rates for which the equations hold, as powers of the width: those of muP."""


def _matrices(
    program: Program, inputs: Array, lr: float, parametrization: str | Parametrization, sizes: dict[str, Number]
) -> list[Weights]:
    """The matrices from the input to the output; raises DynamicsError if the program is not their product."""
    dims = [dim for dim in large_dims(program, None) if dim not in sizes]
    if len(dims) != 1:
        raise DynamicsError(f"{program.name} has the large dimensions {', '.join(dims)}; give sizes of all but one")
    (dim,) = dims
    table = scaling_table(program, optimizer="sgd", parametrization=parametrization, large=dims)
    net = network(program, {**sizes, dim: SOME}, dtype="float64")
    copies = net.copies(net.init(0))
    product = inputs.T
    for name, array in copies.items():
        product = array @ product if array.ndim == 2 and array.shape[1] == len(product) else np.empty(0)
        if not product.size:
            raise DynamicsError(f"{program.name}: {name} does not follow as a matrix on the one before it; {_WANTED}")
    if product.shape[0] != 1 or not np.allclose(np.asarray(net.apply(copies, inputs)).T, product, rtol=1e-9):
        raise DynamicsError(f"{program.name} is not the product of its matrices with one output; {_WANTED}")
    numbers = table.at(lr=lr, **{**sizes, dim: 1})  # type: ignore[arg-type]
    names = [stored.name for stored in net.parameters.values() for _ in stored.copies()]
    roles = ["input", *["hidden"] * (len(names) - 2), "readout"]
    for name, role in zip(names, roles, strict=True):
        _check_powers(table, name, role, dim)
    rows = [numbers[name] for name in names]
    return [Weights((row.multiplier * float(row.init_std)) ** 2, row.multiplier**2 * (row.lr or 0.0)) for row in rows]


_WANTED = 'what is wanted is like ns.zoo.load("mlp")(phi=ns.identity, depth=3, bias=False)'


def _check_powers(table: ScalingTable, name: str, role: str, dim: str) -> None:
    row = table[name]
    multiplier, std, rate = (exponent(growth, dim) for growth in (row.multiplier, row.init_std, row.lr))
    found = multiplier + std, rate + 2 * multiplier
    if found != POWERS[role]:
        entry, wanted = (f"entries {dim}^({e}) and rate {dim}^({r})" for e, r in (found, POWERS[role]))
        raise DynamicsError(
            f"{name} has {entry} under {table.parametrization}; features of all layers move for {wanted}, as under mup"
        )
