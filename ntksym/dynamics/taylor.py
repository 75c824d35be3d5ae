"""Training of a network's Taylor models in its weights: linear, quadratic, and so on, beside the network itself.

The model of order k about the weights w0 is the sum over j <= k of the j-th derivative of f along w - w0, over j!. The
first is the linear model of the tangent kernel; the second is the one in which kernels move (Bai and Lee 2020,
arXiv:1910.01619).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.course import Course
from ntksym.errors import DynamicsError
from ntksym.sampling.network import Network
from ntksym.sampling.storage import Weights
from ntksym.sampling.training import Loss, loss_named

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any
Function = Callable[[Weights], Array]


@dataclass(frozen=True, eq=False)
class TaylorDynamics(Course):
    """A network and its Taylor models under the same gradient descent from the same weights.

    Attributes:
        network: outputs at every step, (steps + 1, outputs' shape).
        models: the same of the model of each order.
        network_losses: before each step, (steps,).
        losses: the same of the model of each order.
    """

    schema = "taylor_dynamics"

    network: Array
    models: Mapping[int, Array]
    network_losses: Array
    losses: Mapping[int, Array]

    def columns(self) -> dict[str, Array]:
        """The losses of the network and of its models."""
        models = {f"loss of order {order}": losses for order, losses in self.losses.items()}
        return {"step": np.arange(len(self.network_losses)), "loss": self.network_losses, **models}

    def distance(self, order: int) -> Array:
        """The root mean square difference between a model's outputs and the network's, at every step."""
        off = (self.models[order] - self.network).reshape(len(self.network), -1)
        return np.sqrt((off**2).mean(axis=1))


def taylor_dynamics(
    network: Network,
    weights: Mapping[str, Array],
    data: tuple[Any, Any],
    steps: int,
    *,
    orders: Sequence[int] = (1, 2),
    lr: float | None = None,
    loss: str | Loss = "mse",
) -> TaylorDynamics:
    """Full-batch gradient descent of a network and of its Taylor models about its initial weights.

    Derivatives along w - w0 are nested forward derivatives, so that no Hessian is ever formed: a step of the quadratic
    model costs a few steps of the network.

    Args:
        network: with settings, whose rates each parameter then has, or without, and with ``lr``.
        weights: from ``network.init``; models are expanded about them.
        data: inputs with a batch axis and targets, as for ``ns.train``.
        orders: of the models, each at least 1.
        lr: the rate of parameters without settings.
        loss: as for ``ns.train``.

    Raises DynamicsError for orders below 1 and rates that are missing.
    """
    if steps < 1 or not orders or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in orders):
        raise DynamicsError(f"steps={steps} and orders={list(orders)}: at least one step, and whole orders from 1 on")
    rates = {name: _rate(network, name, lr) for name in network.parameters}
    with network.precision():
        given = network.stacked(weights), rates, data[0], jnp.asarray(data[1])
        path, losses = map(np.asarray, _compiled(network, steps, loss, None)(*given))
        runs = {order: tuple(map(np.asarray, _compiled(network, steps, loss, order)(*given))) for order in orders}
    models, theirs = ({order: run[place] for order, run in runs.items()} for place in (0, 1))
    return TaylorDynamics(path, models, losses, theirs)


@lru_cache(maxsize=64)
def _compiled(network: Network, steps: int, loss: str | Loss, order: int | None) -> Any:
    """Training of the network, or of its model of one order: from weights, rates and data to outputs and losses."""
    objective = loss_named(loss)

    def run(start: Weights, rates: Mapping[str, Any], inputs: Any, targets: Array) -> tuple[Array, Array]:
        def outputs(weights: Weights) -> Array:
            return network.forward(weights, inputs, None, frozenset())[0]

        f = outputs if order is None else _expanded(outputs, start, order)

        def step(now: Weights, _: Any) -> Any:
            found, back = jax.vjp(f, now)
            value, slope = jax.value_and_grad(objective)(found, targets)
            (gradient,) = back(slope)
            return {name: now[name] - rates[name] * gradient[name] for name in now}, (found, value)

        _, (path, losses) = jax.lax.scan(step, start, length=steps + 1)
        return path, losses[:-1]

    return jax.jit(run)


def _expanded(f: Function, start: Weights, order: int) -> Function:
    """The Taylor polynomial of f about the start."""

    def polynomial(weights: Weights) -> Array:
        away = {name: weights[name] - start[name] for name in start}
        terms, derivative = [f(start)], f
        for k in range(1, order + 1):
            derivative = _along(derivative, away)
            terms.append(derivative(start) / factorial(k))
        return sum(terms)

    return polynomial


def _along(f: Function, direction: Weights) -> Function:
    """The derivative of f along a direction, as a function of where it is taken."""
    return lambda weights: jax.jvp(f, (weights,), (direction,))[1]


def _rate(network: Network, name: str, lr: float | None) -> float:
    if not network.parameters[name].node.attr("trainable"):
        return 0.0
    if name in network.settings:
        return network.settings[name].lr or 0.0
    if lr is None:
        raise DynamicsError(f"{name} has no settings: give network(..., settings=table.at(...)), or lr=")
    return lr
