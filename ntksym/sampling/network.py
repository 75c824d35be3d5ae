"""A program at given sizes as functions of JAX: draw weights, run forward, look at every value."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import product
from math import isfinite
from typing import Any, Protocol

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.dims import Number
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Node, Program
from ntksym.language.trace import Architecture
from ntksym.sampling.forward import Forward, Plan
from ntksym.sampling.inputs import check_tokens, read_inputs
from ntksym.sampling.normals import standard_normals
from ntksym.sampling.precision import check_dtype, delivered, precision
from ntksym.sampling.storage import Array, Stored, Weights, concrete, copies, stacked, storage

jax = lazy("jax")
jnp = lazy("jax.numpy")


class ParameterSettings(Protocol):
    """The numbers of one parameter, as ``ScalingTable.at(...)`` gives them."""

    @property
    def multiplier(self) -> float: ...
    @property
    def init_std(self) -> float | str: ...
    @property
    def lr(self) -> float | None: ...
    @property
    def eps(self) -> float | None: ...
    @property
    def weight_decay(self) -> float | None: ...


@dataclass(frozen=True, eq=False)
class Network:
    """A finite network: pure functions ``init``, ``apply`` and ``values`` that can be mapped and differentiated.

    Weights are a dict with one array for each parameter of the program, the copies of a repeated block stacked
    along leading axes; ``copies`` and ``stacked`` convert to and from the interpreter's ``block[3].up.w``. Made by
    ``network``.
    """

    program: Program
    sizes: Mapping[str, Number]
    dtype: str
    settings: Mapping[str, ParameterSettings] = field(default_factory=dict)

    @cached_property
    def numbers(self) -> Numbers:
        return Numbers(self.program, self.sizes)

    @cached_property
    def parameters(self) -> Mapping[str, Stored]:
        """Every parameter by name: its shape, and the loops that give it copies."""
        return storage(self.program, self.numbers)

    @cached_property
    def plan(self) -> Plan:
        tied = (pair for row in self.settings.values() for pair in getattr(row, "tied", ()))
        return Plan.of(self.program, self.numbers, dict(tied))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all values, as in ``print(program)``."""
        return self.plan.watchable

    @property
    def identity(self) -> str:
        """A digest of everything that the network's numbers depend on, apart from the random key."""
        rows = sorted(
            (name, row.multiplier, row.init_std, tuple(getattr(row, "tied", ()))) for name, row in self.settings.items()
        )
        sizes = sorted((name, str(value)) for name, value in self.sizes.items())
        return sha256(repr((self.program.digest, sizes, self.dtype, rows)).encode()).hexdigest()

    def __reduce__(self) -> Any:
        return Network, (self.program, dict(self.sizes), self.dtype, dict(self.settings))

    # --- weights ---

    def init(self, key: Any, **sigmas: float) -> Weights:
        """All parameters at initialisation.

        A Gaussian matrix has the standard deviation sigma / sqrt(fan_in), a vector or a lookup table sigma; with
        ``settings`` it is their ``init_std``, unless its sigma is given here.

        Args:
            key: a JAX random key, or a seed.
            sigmas: values of the sigma symbols (``sigma_w=1.5``); by default 1 for weights and 0 for biases.
        """
        self.check_sigmas(sigmas)
        with self.precision():
            weights = dict(self._initialised(as_key(key), sigmas))
        return dict(delivered(weights))

    @cached_property
    def _initialised(self) -> Any:
        return jax.jit(self._drawn)

    def _drawn(self, key: Any, sigmas: Mapping[str, Any]) -> Weights:
        stds = {stored.name: self._std(stored.node, sigmas) for stored in self.parameters.values()}
        random = {name for name, std in stds.items() if not isinstance(std, float) or std != 0}
        units = standard_normals(key, {name: self.parameters[name].full_shape for name in sorted(random)}, self.dtype)
        out = {}
        for name, stored in self.parameters.items():
            if name in random:
                out[name] = jnp.asarray(stds[name], self.dtype) * units[name]
            else:
                # the multiplier belongs to how a parameter is written, not to what the network computes at the start
                value = float(stored.node.attr("value")) if stored.node.attr("init") == "constant" else 0.0
                out[name] = jnp.full(stored.full_shape, value / (self.multiplier(name) or 1.0), self.dtype)
        return out

    def _std(self, node: Node, sigmas: Mapping[str, Any]) -> Any:
        """The standard deviation of a parameter, a float unless its sigma is given."""
        row, sigma = self.settings.get(node.name), node.attr("sigma")
        if node.attr("init") == "constant":
            return 0.0
        if row is not None and sigma not in sigmas:
            if isinstance(row.init_std, str):
                raise SamplingError(f"the init_std of {node.name} is {row.init_std}: give the sizes that it names")
            return float(row.init_std)
        fan_in = self.numbers.number(self.program.fan_in(node))
        return sigmas.get(sigma, float(node.attr("value"))) / float(fan_in) ** 0.5

    def check_sigmas(self, sigmas: Mapping[str, float]) -> None:
        known = sorted({node.attr("sigma") for node in self.program.parameters} - {""})
        for name, value in sigmas.items():
            if name not in known:
                raise SamplingError(f"init: {self.program.name} has no {name}; it has: {', '.join(known) or 'none'}")
            if not isinstance(value, jax.core.Tracer) and not (isfinite(value) and value >= 0):
                raise SamplingError(f"init: {name}={value} is not a standard deviation")

    def copies(self, weights: Mapping[str, Array]) -> Weights:
        """The weights as the interpreter names them: ``block[3].up.w`` for the fourth copy."""
        return copies(self.parameters, weights)

    def stacked(self, weights: Mapping[str, Array]) -> Weights:
        """The weights as ``init`` makes them, from those or from the interpreter's."""
        with self.precision():
            found = stacked(self.parameters, weights)
        return dict(delivered(found))

    def multiplier(self, name: str) -> float:
        """What a parameter is multiplied by wherever it is used; 1 without settings."""
        return float(self.settings[name].multiplier) if name in self.settings else 1.0

    # --- running forward ---

    def apply(self, weights: Mapping[str, Array], inputs: Any, key: Any = None) -> Any:
        """The output for one input or a batch; a tuple of arrays if the program has several outputs.

        Args:
            weights: from ``init``, or the interpreter's.
            inputs: the array of a program with one input, otherwise a mapping from names to arrays, or a tuple
                in the program's order. Each may have a leading batch axis; one without is shared by the batch.
            key: the coins that dropout throws, a key or a seed; without it nothing is dropped.
        """
        return self._run(weights, inputs, key, frozenset())[0]

    def values(
        self, weights: Mapping[str, Array], inputs: Any, key: Any = None, *, labels: tuple[str, ...] | None = None
    ) -> dict[str, Array]:
        """Every value on the way under its name in ``print(program)``, or those named by ``labels``.

        A value inside a repeat or a scan has the copies or the steps along a leading axis (one for each loop);
        ``unrolled`` gives each a name of its own.
        """
        for label in labels or ():
            if label not in self.labels:
                raise SamplingError(f"{self.program.name} has no value {label}; it has: {', '.join(self.labels)}")
        watch = frozenset(self.labels if labels is None else labels)
        _, watched = self._run(weights, inputs, key, watch)
        return {label: watched[label] for label in self.labels if label in watched}

    def unrolled(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Values with the copies and steps apart, as the interpreter names them: ``block[3].v7``."""
        out = {}
        for label, array in values.items():
            loops, array = self.plan.loops[label], concrete(array)
            for place in product(*(range(loop.times) for loop in loops)):
                path = "".join(f"{loop.name}[{number}]." for loop, number in zip(loops, place, strict=True))
                out[path + label] = array[place]
        return out

    def _run(self, weights: Mapping[str, Array], inputs: Any, key: Any, watch: frozenset[str]) -> Any:
        check_tokens(self.program, self.numbers, inputs)
        with self.precision():
            found = self._jitted(self.stacked(weights), inputs, None if key is None else as_key(key), watch)
        return delivered(found)

    @cached_property
    def _jitted(self) -> Any:
        return jax.jit(self.forward, static_argnums=3)

    def forward(
        self,
        weights: Mapping[str, Array],
        inputs: Any,
        key: Any,
        watch: frozenset[str],
        probes: Mapping[str, Array] | None = None,
    ) -> tuple[Any, dict[str, Array]]:
        """Output and watched values for stacked weights; ``probes`` are added to the values that they name."""
        given, batch = read_inputs(self.program, self.numbers, inputs, self.dtype)
        used = {name: self._effective(name, array) for name, array in weights.items()}
        run = Forward(self.plan, used, given, batch or 1, jnp.dtype(self.dtype), key, watch, probes or {})
        run.evaluate(self.program.block)
        outputs = tuple(run.full(run.arrays[node.id]) for node in self.program.outputs)
        watched = run.watched
        if batch is None:
            outputs = tuple(array[0] for array in outputs)
            watched = {k: array.take(0, axis=len(self.plan.loops[k])) for k, array in watched.items()}
        return (outputs[0] if len(outputs) == 1 else outputs), watched

    def _effective(self, name: str, array: Array) -> Array:
        factor = self.multiplier(name)
        return array if factor == 1 else factor * array

    def precision(self) -> AbstractContextManager[None]:
        """Inside, JAX computes in this network's floating type."""
        return precision(self.dtype)


def as_key(key: Any) -> Any:
    """A JAX random key from itself or from a seed."""
    return jax.random.key(key) if isinstance(key, int) else key


def network(
    program: Program | Architecture, sizes: Mapping[str, Number], *, settings: Any = None, dtype: str = "float32"
) -> Network:
    """The program as a finite network on JAX (``pip install "ntksym[networks]"``).

    Args:
        sizes: the dimensions by name, as in ``{"n": 64, "L": 3}``; dimensions with a default may be left out.
        settings: multiplier, init_std, lr, eps and weight_decay of every parameter, as ``ScalingTable.at(...)``
            gives them, or a dict from names to such rows; without it the network is the plain one.
        dtype: "float32" or "float64". The latter needs no change of JAX's own settings: results are then NumPy
            arrays; inside your own ``jax.jit`` or ``jax.grad`` use ``with precision("float64"):``.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> net = ns.network(ns.zoo.load("mlp"), {"n": 64, "d_in": 3})
        >>> weights = net.init(0)
        >>> net.apply(weights, np.ones((5, 3))).shape
        (5, 1)
        >>> ns.tangent_kernel(net, weights, np.ones((5, 3))).shape
        (5, 1, 5, 1)
    """
    built = program() if isinstance(program, Architecture) else program
    assert isinstance(built, Program)
    check_dtype(dtype)
    rows = settings or {}
    if hasattr(rows, "parameters"):
        rows = {row.name: row for row in rows.parameters}
    made = Network(built, dict(sizes), dtype, rows)
    unknown = next((name for name in rows if name not in made.parameters), None)
    if unknown is not None:
        raise SamplingError(f"settings: {built.name} has no parameter {unknown}")
    _ = made.plan, jax.__version__  # sizes that do not fit, and a missing JAX, are found here
    return made
