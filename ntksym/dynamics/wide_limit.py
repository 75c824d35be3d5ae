"""The infinite-width limit of training, exactly, where hidden units enter by quadratic forms in their weights.

That is so for linear networks with one hidden layer, Word2Vec among them. A step of gradient descent then multiplies
the weights z of every unit by one matrix, z <- (1 - 2 R S) z with S = sum over outputs of dL/df Q and R the learning
rates, so the second moments G = E[z z^T] over units, and the outputs f = tr(Q G), follow an equation of their own
(Yang and Hu 2020, arXiv:2011.14522, where the same is tracked by coefficients of the initial vectors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym.dynamics.course import Course, Slots
from ntksym.dynamics.slopes import loss_and_slope
from ntksym.dynamics.units import LAZY, Units, expected, units
from ntksym.errors import DynamicsError
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.sampling.training import Loss
from ntksym.scaling.parametrizations import Parametrization

Array = Any


@dataclass(frozen=True, eq=False)
class WideLimit(Course):
    """Training at infinite width, step by step.

    Attributes:
        program: its name.
        parametrization: the name of the table's.
        outputs: on the probe, (steps + 1, outputs' shape).
        losses: before each step, (steps,).
        moments: E[z z^T] over hidden units, z their weights, (steps + 1, p, p).
        slots: where each parameter stands in z, and its shape there.
        features_move: whether hidden units move; if not, the outputs follow the tangent kernel, and are those of a
            network whose output is zero at the start.
    """

    schema = "wide_limit"

    program: str
    parametrization: str
    outputs: Array
    losses: Array
    moments: Array
    slots: Slots
    features_move: bool

    def columns(self) -> dict[str, Array]:
        """The loss over its course."""
        return {"step": np.arange(len(self.losses)), "loss": self.losses}

    def gram(self, parameter: str) -> Array:
        """The Gram matrices of one parameter's columns (rows of a readout), divided by n: (steps + 1, m, m).

        Of an embedding these are all inner products between embeddings. Raises DynamicsError for an unknown name.
        """
        if parameter not in self.slots:
            raise DynamicsError(f"{self.program} has no parameter {parameter!r}; it has: {', '.join(self.slots)}")
        slot = self.slots[parameter][0]
        return self.moments[:, slot, slot]


def wide_limit(
    program: Program | Architecture,
    batches: Sequence[tuple[Any, Any]],
    steps: int,
    *,
    lr: float,
    loss: str | Loss = "mse",
    probe: Any = None,
    parametrization: str | Parametrization = "mup",
    sizes: Mapping[str, Number] | None = None,
) -> WideLimit:
    """Train the infinitely wide network for a number of steps of SGD, exactly.

    In the maximal-update and mean-field parametrizations features move. In the tangent parametrization ("ntp") the
    same program has the other limit: features stay where they are, and the outputs follow a fixed kernel.

    Args:
        program: one hidden layer that enters linearly: ``ns.zoo.load("word2vec")``, an ``mlp`` with
            ``phi=ns.identity, depth=1, bias=False``, or a mean of squares of hidden units.
        batches: pairs (inputs, targets), taken in turn, as for ``ns.train``.
        lr: what the scaling table's rates are multiples of, counted from width 1.
        loss: as for ``ns.train``.
        probe: inputs that outputs are given for; those of the first batch by default.
        sizes: the dimensions that neither the inputs give nor a default, other than the width.

    A network of width n approaches this like n^(-1/2). Raises DynamicsError for other programs.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> net = ns.zoo.load("mlp")(phi=ns.identity, depth=1, bias=False)
        >>> X, y = np.eye(2), np.array([[1.0], [-1.0]])
        >>> ns.wide_limit(net, [(X, y)], steps=3, lr=0.5).losses.round(4)
        array([0.5   , 0.1953, 0.0588])
    """
    if not batches or steps < 1:
        raise DynamicsError("training needs at least one batch and one step")
    probe = batches[0][0] if probe is None else probe
    found = units(program, probe, lr=lr, parametrization=parametrization, sizes=sizes)
    error = loss_and_slope(loss)
    run = _kernel_steps if found.power == LAZY else _moment_steps
    forms = [found.forms(inputs) for inputs, _ in batches]
    targets = [np.asarray(y) for _, y in batches]
    outputs, losses, moments = run(found, forms, found.forms(probe), lambda f, batch: error(f, targets[batch]), steps)
    return WideLimit(
        program=found.network.program.name,
        parametrization=parametrization if isinstance(parametrization, str) else parametrization.name,
        outputs=np.array(outputs),
        losses=np.array(losses),
        moments=np.array(moments),
        slots=found.slots,
        features_move=found.power != LAZY,
    )


def _moment_steps(found: Units, forms: list[Array], seen: Array, error: Any, steps: int) -> Any:
    """The equation of the second moments: G <- (1 - 2 R S) G (1 - 2 R S)^T."""
    G = np.diag(found.stds**2)
    outputs, losses, moments = [expected(seen, G)], [], [G]
    for t in range(steps):
        Q = forms[t % len(forms)]
        value, slope = error(expected(Q, G), t % len(forms))
        kept = np.eye(len(G)) - found.pull(Q, slope)
        G = kept @ G @ kept.T
        outputs.append(expected(seen, G))
        losses.append(value)
        moments.append(G)
    return outputs, losses, moments


def _kernel_steps(found: Units, forms: list[Array], seen: Array, error: Any, steps: int) -> Any:
    """Units that do not move: f <- f - K dL/df with the tangent kernel K = E[(dg/dz) R (dg'/dz)] = 4 tr(Q R Q' G)."""
    G = np.diag(found.stds**2)
    everything = [*forms, seen]
    f = [np.zeros(Q.shape[:-2]) for Q in everything]
    outputs, losses = [f[-1]], []
    for t in range(steps):
        batch = t % len(forms)
        value, slope = error(f[batch], batch)
        change = 2 * found.pull(forms[batch], slope) @ G
        f = [now - expected(Q, change) for now, Q in zip(f, everything, strict=True)]
        outputs.append(f[-1])
        losses.append(value)
    return outputs, losses, [G] * (steps + 1)
