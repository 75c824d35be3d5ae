"""Training a finite network for some steps, and how far every value moves on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.types import MatrixType
from ntksym.sampling.inputs import check_tokens
from ntksym.sampling.network import Network
from ntksym.sampling.optimizers import Rate, transformation
from ntksym.sampling.precision import delivered
from ntksym.sampling.storage import Array, Weights

jax = lazy("jax")
jnp = lazy("jax.numpy")
optax = lazy("optax")

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Training:
    """What training did: the weights at its end, the loss before each step, and how values moved on the probe.

    ``initial`` is the root mean square of every value at the start, ``changes`` that of its difference to the start
    after each step (the first axis). Copies and steps of a loop are apart, along the axes after.
    """

    weights: Weights
    losses: Array
    initial: dict[str, Array]
    changes: dict[str, Array]


def train(
    network: Network,
    weights: Mapping[str, Array],
    batches: Sequence[tuple[Any, Any]],
    optimizer: str | Mapping[str, str] = "sgd",
    steps: int = 1,
    *,
    loss: str | Loss = "mse",
    lr: float | None = None,
    lr_scale: Any = 1.0,
    probe: Any = None,
    labels: tuple[str, ...] | None = None,
    key: Any = None,
) -> Training:
    """Train for a number of steps; every parameter with the lr, eps and weight decay of the network's settings.

    A pure function of weights, batches, ``lr_scale`` and key: it can be mapped over them, and stand in a statistic.

    Args:
        batches: pairs (inputs, targets) of equal shapes, taken in turn.
        optimizer: a name (sgd, momentum, adam, adamw, lion, muon), or one for each parameter.
        loss: "mse", half the squared error summed over an output's entries, "cross_entropy" of integer targets, or
            a function of outputs and targets; the first two are averaged over the batch (and positions).
        lr: the rate of parameters without settings.
        lr_scale: what all updates are multiplied by.
        probe: inputs that values are watched on; those of the first batch by default.
        labels: the values that are watched, all by default; none with ``()``.
        key: the coins that dropout throws, a random key.
    """
    if not batches or steps < 1:
        raise SamplingError("training needs at least one batch and one step")
    names = tuple(node.name for node in network.program.parameters if node.attr("trainable"))
    chosen = dict.fromkeys(names, optimizer) if isinstance(optimizer, str) else dict(optimizer)
    missing = next((name for name in names if name not in chosen), None)
    unknown = next((name for name in chosen if name not in network.parameters), None)
    if missing or unknown:
        problem = f"there is none for {missing}" if missing else f"{network.program.name} has no parameter {unknown}"
        raise SamplingError(f"an optimizer for each trainable parameter: {problem}")
    rates = {name: _rate(network, name, lr) for name in names}
    recipe = tuple((name, chosen[name], rate) for name, rate in rates.items() if rate is not None)
    watched = _watched(network, labels)
    probe = batches[0][0] if probe is None else probe
    for inputs in (probe, *(inputs for inputs, _ in batches)):
        check_tokens(network.program, network.numbers, inputs)
    with network.precision():
        stack = jax.tree.map(lambda *arrays: jnp.stack([jnp.asarray(array) for array in arrays]), *batches)
        function = _training(network, recipe, steps, loss, watched)
        found = function(network.stacked(weights), stack, probe, lr_scale, key)
    return Training(*delivered(found))


def _rate(network: Network, name: str, lr: float | None) -> Rate | None:
    """The numbers of a parameter's updates, None if it stays as it is."""
    if name not in network.settings:
        if lr is None:
            raise SamplingError(f"{name} has no settings: give network(..., settings=table.at(...)), or lr=")
        return Rate(lr)
    row = network.settings[name]
    if row.lr is None:
        return None
    return Rate(row.lr, 1e-8 if row.eps is None else row.eps, row.weight_decay or 0.0)


def _watched(network: Network, labels: tuple[str, ...] | None) -> frozenset[str]:
    """The labels of the values that are watched; token indices do not change."""
    named = {label: network.program.nodes[key] for key, label in network.plan.labels.items()}
    wrong = next((label for label in labels or () if label not in network.labels), None)
    if wrong is not None:
        raise SamplingError(f"{network.program.name} has no value {wrong}; it has: {', '.join(network.labels)}")
    chosen = network.labels if labels is None else labels
    return frozenset(label for label in chosen if getattr(named[label].type, "kind", "") != "index")


@lru_cache(maxsize=64)
def _training(
    network: Network, recipe: tuple[tuple[str, str, Rate], ...], steps: int, loss: str | Loss, watch: frozenset[str]
) -> Any:
    """The compiled training of one network."""
    transforms = {}
    for name, optimizer, rate in recipe:
        stored = network.parameters[name]
        matrix = isinstance(stored.node.type, MatrixType)
        transforms[name] = transformation(optimizer, rate, len(stored.full_shape) if matrix else 1)
    measure = loss_named(loss)

    def run(weights: Weights, batches: Any, probe: Any, lr_scale: Any, key: Any) -> tuple[Any, ...]:
        fixed = {name: array for name, array in weights.items() if name not in transforms}
        free = {name: array for name, array in weights.items() if name in transforms}

        def values(free: Weights) -> dict[str, Array]:
            return network.forward({**fixed, **free}, probe, None, watch)[1]

        def size(label: str, value: Array) -> Array:
            axes = tuple(range(len(network.plan.loops[label]), value.ndim))
            return jnp.sqrt(jnp.mean(value * value, axes))

        start = values(free)

        def step(state: Any, t: Any) -> Any:
            free, memory = state
            inputs, targets = jax.tree.map(lambda array: array[t % len(array)], batches)
            coin = None if key is None else jax.random.fold_in(key, t)

            def objective(free: Weights) -> Any:
                outputs, _ = network.forward({**fixed, **free}, inputs, coin, frozenset())
                return measure(outputs, targets)

            value, slopes = jax.value_and_grad(objective)(free)
            moved, kept = {}, {}
            for name, transform in transforms.items():
                update, kept[name] = transform.update(slopes[name], memory[name], free[name])
                moved[name] = free[name] + jnp.asarray(lr_scale, network.dtype) * update
            changes = {label: size(label, array - start[label]) for label, array in values(moved).items()}
            return (moved, kept), (value, changes)

        memory = {name: transform.init(free[name]) for name, transform in transforms.items()}
        (free, _), (found, changes) = jax.lax.scan(step, (free, memory), jnp.arange(steps))
        initial = {label: size(label, array) for label, array in start.items()}
        return {name: free.get(name, fixed.get(name)) for name in weights}, found, initial, changes

    return jax.jit(run)


# --- losses ----------------------------------------------------------------------------------------------


def squared_error(outputs: Any, targets: Any) -> Any:
    """Half the squared error, summed over coordinates and averaged over the rest."""
    if outputs.shape != targets.shape:
        raise SamplingError(f"the outputs have the shape {outputs.shape}, the targets {targets.shape}")
    return 0.5 * jnp.mean(jnp.sum((outputs - targets) ** 2, axis=-1))


def cross_entropy(outputs: Any, targets: Any) -> Any:
    """The mean negative log-likelihood of integer targets, outputs as logits along the coordinates."""
    if outputs.shape[:-1] != targets.shape or not jnp.issubdtype(targets.dtype, jnp.integer):
        found = f"{targets.dtype} of the shape {targets.shape}"
        raise SamplingError(f"cross_entropy takes integers of the shape {outputs.shape[:-1]} as targets, not {found}")
    return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean()


losses: dict[str, Loss] = {"mse": squared_error, "cross_entropy": cross_entropy}
"""The losses by name."""


def loss_named(loss: str | Loss) -> Loss:
    """A loss by name, or itself; raises SamplingError with the known names."""
    if not isinstance(loss, str):
        return loss
    if loss not in losses:
        raise SamplingError(f"loss={loss!r} is not known; write one of: {', '.join(losses)}, or give a function")
    return losses[loss]
