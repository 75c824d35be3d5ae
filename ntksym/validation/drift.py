"""Lazy against rich: how far gradient descent carries finite networks from their start, at several widths.

A network is lazy where training moves its outputs by order one while its tangent kernel, its inner values and its
weights stay, relative to their start, where they were. What the scaling table says about that are exponents in the
width (``scaling.predict_drifts``); here they are measured. The output scale alpha of Chizat, Oyallon and Bach (2019,
arXiv:1812.07956) makes any network lazy: the loss L(alpha (f - f_0)) / alpha^2, for large alpha.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isfinite
from time import monotonic
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import ValidationError
from ntksym.language.dims import Number
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.sampling.ensemble import ensemble
from ntksym.sampling.estimates import Estimate
from ntksym.sampling.network import Network, network
from ntksym.sampling.storage import Array, Weights
from ntksym.sampling.tangents import tangent_kernels
from ntksym.sampling.training import train
from ntksym.scaling.cells import large_dims
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.drifts import predict_drifts
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import Parametrization
from ntksym.scaling.setting import as_program
from ntksym.validation.data import data_for, sizes_for
from ntksym.validation.drift_record import KERNEL, Curves, Drift, Quantity

jax = lazy("jax")
jnp = lazy("jax.numpy")

WIDTHS = (64, 128, 256, 512)
RATE = 0.25
"""Times the kernel's largest eigenvalue this is what a step of gradient descent does; above 2 it is unstable."""
BATCH = 8
"""Examples that networks are trained on if no data are given."""
SAMPLES, FEW = 32, 8
"""Networks at each width if nothing is asked for, and those that are timed before their number is chosen."""
PILOTS = 16
"""Networks that the learning rate is chosen with."""


def drift(
    program: Program | Architecture,
    data: tuple[Any, Any] | None = None,
    *,
    widths: Sequence[int] = WIDTHS,
    dim: str | None = None,
    parametrization: str | Parametrization = "mup",
    alphas: Sequence[float] = (1.0,),
    steps: int = 20,
    lr: float | None = None,
    samples: int | None = None,
    seconds: float | None = None,
    sizes: Mapping[str, Number] | None = None,
    seed: int = 0,
    memory: int = 2**28,
    progress: bool = False,
) -> Drift:
    """Train networks with the derived table at several widths, and see how far they drift from their start.

    Every network takes ``steps`` steps of full-batch gradient descent on half the squared error, in float64. After
    each step ||X_t - X_0|| / ||X_0|| is measured on the data for the tangent kernel (each parameter's part weighted
    with its learning rate, so that it is the kernel that training follows), every inner value and every parameter
    that does not start at zero; also the alignment <K, y y^T> / (||K|| ||y||^2) with the targets, and the loss.

    Args:
        data: inputs as for ``network.apply``, with a batch axis, and targets: real ones of the shape of the outputs,
            or integers for classes, which become one-hot vectors of mean zero. By default BATCH examples of digits
            or of a text, as ``coord_check`` takes them.
        widths: at least two values of the dimension ``dim``, growing.
        dim: the dimension that grows; the first that the program declares large by default.
        parametrization: as for ``scaling_table``, whose table for sgd is what networks are trained with.
        alphas: output scales. The exponents in the width are held against measurement at 1.
        lr: what the table's rates are multiples of, counted from width 1; by default an eighth of the rate at which
            training would be unstable, from the largest eigenvalue of the kernel at the largest width.
        samples: networks at each width; 32 if ``seconds`` are not given either.
        seconds: as many networks as take about so long, and eight at each width at least.
        sizes: the other dimensions, where they have no default.
        memory: bytes that networks computed at once may use.

    Raises ValidationError for arguments that do not fit, ScalingError where there is no stable table.
    """
    program = as_program(program)
    _check(program, widths, alphas, steps, samples, seconds)
    dim = dim or large_dims(program, None)[0]
    table = scaling_table(program, optimizer="sgd", parametrization=parametrization, large=[dim])
    if not table.verdict.stable:
        raise ValidationError(
            f"under {table.parametrization} training of {program.name} is unstable as {dim} grows "
            f"({table.verdict.blows_up}): no drift is defined in the limit; choose another parametrization"
        )
    predicted = predict_drifts(program, parametrization=parametrization, large=[dim])

    def sizes_of(width: int) -> dict[str, Number]:
        return sizes_for(program, {**(sizes or {}), dim: width})

    if data is None:
        numbers = Numbers(program, sizes_of(widths[0]))
        (data,) = data_for(program, numbers).batches(program, numbers, BATCH, 1, seed)
    inputs, targets = data

    def model(width: int, rate: float) -> Network:
        settings = table.at(lr=rate, **sizes_of(width))  # type: ignore[arg-type]
        return network(program, sizes_of(width), settings=settings, dtype="float64")

    targets = _real_targets(model(widths[0], 1.0), inputs, np.asarray(targets))
    if lr is None:
        pilot = ensemble(model(widths[-1], 1.0), PILOTS, inputs, _kernel_matrix, seed=seed, memory=memory)
        lr = RATE * (targets.size // targets.shape[-1]) / float(np.linalg.eigvalsh(pilot.mean)[-1])
    measure = Trajectory(
        tuple(name for name, _ in predicted.values),
        tuple(name for name, _ in predicted.parameters),
        tuple(map(float, alphas)),
        steps,
    )
    networks = [model(n, lr) for n in widths]

    def ensembles(samples: int, chunk: int | None) -> list[Estimate]:
        with warnings.catch_warnings():
            # said in the record, with the numbers
            warnings.filterwarnings("ignore", message=".*networks gave nan or infinity", category=RuntimeWarning)
            options: dict[str, Any] = {"memory": memory, "chunk": chunk, "progress": progress}
            return [
                ensemble(net, samples, (inputs, targets), measure, seed=seed_of(seed, n), **options)
                for n, net in zip(widths, networks, strict=True)
            ]

    if seconds is not None:
        samples = _affordable(lambda: ensembles(FEW, FEW), seconds)
    samples = samples or SAMPLES
    found = ensembles(samples, None if seconds is None else FEW)
    for n, estimate in zip(widths, found, strict=True):
        if estimate.count < 2:
            raise ValidationError(
                f"{estimate.rejected} of {samples} networks at {dim} = {n} gave nan or infinity, or did not move: "
                "choose a smaller lr, or an alpha nearer to 1"
            )
    exponents: dict[str, Growth | None] = dict((*predicted.values, *predicted.parameters, (KERNEL, predicted.kernel)))
    drifts = np.array([e["drifts"].mean for e in found]).transpose(3, 1, 0, 2)
    errors = np.array([e["drifts"].standard_error for e in found]).transpose(3, 1, 0, 2)
    return Drift(
        program=program.name,
        parametrization=table.parametrization,
        dim=dim,
        widths=tuple(widths),
        alphas=measure.alphas,
        steps=steps,
        lr=lr,
        samples=samples,
        seed=seed,
        rejected=tuple(e.rejected for e in found),
        quantities=tuple(
            Quantity(name, kind, _exponent(exponents[name], dim), _curves(np.exp(drifts[q])), _curves(errors[q]))
            for q, (kind, name) in enumerate(measure.quantities)
        ),
        alignment=_curves(np.array([e["alignment"].mean for e in found]).swapaxes(0, 1)),
        loss=_curves(np.array([e["loss"].mean for e in found]).swapaxes(0, 1)),
    )


@dataclass(frozen=True)
class Trajectory:
    """A statistic of networks that are trained: the logarithms of their drifts, step by step.

    ``drifts`` has the shape (alphas, steps, quantities); ``alignment`` and ``loss`` (alphas, steps + 1).
    """

    values: tuple[str, ...]
    parameters: tuple[str, ...]
    alphas: tuple[float, ...]
    steps: int

    @property
    def quantities(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of everything that drifts, in order."""
        parts = ((KERNEL, (KERNEL,)), ("value", self.values), ("parameter", self.parameters))
        return tuple((kind, name) for kind, names in parts for name in names)

    def __call__(self, net: Network, weights: Weights, inputs: Any, key: Any) -> dict[str, Array]:
        x, y = inputs
        start = net.apply(weights, x)

        def observed(weights: Weights) -> list[Array]:
            values = net.values(weights, x, labels=self.values)
            inner = [values[name] for name in self.values]
            return [kernel(net, weights, x), *inner, *(weights[name] for name in self.parameters)]

        def trained(alpha: Any) -> dict[str, Array]:
            # L(alpha (f - f_0)) / alpha^2 is half of |f - (f_0 + y / alpha)|^2
            batch = (x, start + y / alpha)

            def step(state: Any, t: Any) -> Any:
                now, before = state
                seen = observed(now)
                # the first round looks at the start itself: what is compiled contains one tangent kernel, not two
                before = [jnp.where(t == 0, new, old) for new, old in zip(seen, before, strict=True)]
                training = train(net, now, [batch], "sgd", labels=())
                drifts = jnp.log(jnp.stack(list(map(relative, seen, before))))
                return (training.weights, before), (drifts, alignment(seen[0], y), alpha**2 * training.losses[0])

            nothing = [jnp.zeros(array.shape, array.dtype) for array in jax.eval_shape(observed, weights)]
            _, (drifts, aligned, losses) = jax.lax.scan(step, (weights, nothing), jnp.arange(self.steps + 1))
            return {"drifts": drifts[1:], "alignment": aligned, "loss": losses}

        return dict(jax.lax.map(trained, jnp.asarray(self.alphas, net.dtype)))


def kernel(net: Network, weights: Weights, inputs: Any) -> Array:
    """The tangent kernel that gradient descent follows, (batch * outputs, batch * outputs)."""
    parts = tangent_kernels(net, weights, inputs)
    rates = {name: net.settings[name].lr for name in parts}
    total = sum(rate * parts[name] for name, rate in rates.items() if rate is not None)
    batch, outputs = total.shape[:2]
    return total.reshape(batch * outputs, batch * outputs)


def _kernel_matrix(net: Network, weights: Weights, inputs: Any, key: Any) -> Array:
    return kernel(net, weights, inputs)


def alignment(kernel: Array, targets: Array) -> Array:
    """The cosine between a kernel and that of the targets, <K, y y^T> / (||K|| ||y||^2)."""
    y = targets.ravel()
    return y @ kernel @ y / (jnp.linalg.norm(kernel) * (y @ y))


def relative(after: Array, before: Array) -> Array:
    """||after - before|| / ||before||, over all entries."""
    return jnp.linalg.norm((after - before).ravel()) / jnp.linalg.norm(before.ravel())


def _exponent(growth: Growth | None, dim: str) -> Fraction | None:
    return None if growth is None or growth.linear is None else growth.linear[dim]


def _curves(array: Any) -> Curves:
    return tuple(tuple(tuple(map(float, curve)) for curve in curves) for curves in array)


# --- what is asked for -----------------------------------------------------------------------------------


def _affordable(run: Callable[[], Any], seconds: float) -> int:
    """How many networks fit into the time, if ``run`` computes FEW of them; it is run once more to compile."""
    start = monotonic()
    run()
    compiled = monotonic()
    run()
    now = monotonic()
    return max(FEW, int(FEW * (seconds - (now - start)) / (now - compiled)))


def seed_of(seed: int, width: int) -> int:
    """A seed for each width: ensembles of different widths must not share random numbers."""
    return int(np.random.SeedSequence((seed, width)).generate_state(1)[0] >> 1)


def _check(
    program: Program,
    widths: Sequence[int],
    alphas: Sequence[float],
    steps: int,
    samples: int | None,
    seconds: float | None,
) -> None:
    if len(widths) < 2 or widths[0] < 1 or any(a >= b for a, b in pairwise(widths)):
        raise ValidationError(f"widths = {list(widths)} are not at least two growing sizes")
    if not alphas or any(not (isfinite(alpha) and alpha > 0) for alpha in alphas) or len(set(alphas)) < len(alphas):
        raise ValidationError(f"alphas = {list(alphas)} are not different positive numbers")
    if samples is not None and seconds is not None:
        raise ValidationError("samples and seconds are both given; leave one out")
    if steps < 1 or (samples is not None and samples < 2):
        raise ValidationError(f"steps = {steps} and samples = {samples}: at least one step and two networks are needed")
    if len(program.outputs) > 1:
        raise ValidationError(f"{program.name} has {len(program.outputs)} outputs; drift is defined for one")


def _real_targets(net: Network, inputs: Any, targets: Any) -> Any:
    """Targets of the shape of the outputs; raises ValidationError where these are neither that nor classes."""
    weights = jax.eval_shape(net.init, jax.random.key(0))
    shape = jax.eval_shape(net.apply, weights, inputs).shape
    if np.issubdtype(targets.dtype, np.integer) and targets.shape == shape[:-1]:
        return np.eye(shape[-1])[targets] - 1 / shape[-1]
    if targets.shape != shape:
        raise ValidationError(f"the targets have the shape {targets.shape}; the outputs for these inputs have {shape}")
    return targets.astype(float)
