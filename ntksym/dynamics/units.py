"""Programs with one wide layer, taken apart into hidden units.

Where a network of n units is a sum over them of one function of each unit's own weights, and the scaling table's powers
turn that sum into a mean, the limit n to infinity is a distribution over units (Mei, Montanari and Nguyen 2018). The
function of a unit is the program itself at n = 1, so nothing of it has to be looked up in the program; that its output
at n = 3 is the sum over three such units is checked on random weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.course import Slots
from ntksym.errors import DynamicsError
from ntksym.kernels.data import read_inputs, sizes_from
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.sampling.network import Network, network
from ntksym.scaling.cells import large_dims
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import Parametrization
from ntksym.scaling.setting import as_program
from ntksym.scaling.table import ScalingTable

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any
SOME = 3
"""The number of units at which the sum over them is checked."""
MEAN, LAZY = Fraction(1), Fraction(1, 2)
"""The output is n^-power times a sum over units: a mean, in which they move, or a sum of n small independent terms."""


@dataclass(frozen=True, eq=False)
class Units:
    """The hidden units of a program: f(x) = n^-power * (sum over units of ``outputs(unit, x)``).

    Attributes:
        network: the program at n = 1.
        slots: where each parameter stands in the vector of a unit's weights, and its shape there.
        stds, rates: the standard deviation at the start, and the learning rate, of each of these weights, (p,).
        power: MEAN or LAZY.
    """

    network: Network
    slots: Slots
    stds: Array
    rates: Array
    power: Fraction

    def outputs(self, unit: Array, inputs: Any) -> Array:
        """What one unit of weights (p,) contributes: an array of the shape of the network's output."""
        weights = {
            name: unit[slot].reshape(self.network.parameters[name].full_shape) for name, (slot, _) in self.slots.items()
        }
        return self.network.forward(weights, inputs, None, frozenset())[0]

    def forms(self, inputs: Any) -> Array:
        """The symmetric matrices Q with outputs(unit) = unit^T Q unit, (outputs' shape, p, p).

        Raises DynamicsError where the output is no quadratic form in a unit's weights: then their second moments do
        not follow an equation of their own.
        """
        with self.network.precision():
            size = len(self.stds)
            found = jax.jit(jax.hessian(self.outputs))(jnp.zeros(size), inputs) / 2
            unit = jnp.asarray(np.random.default_rng(0).standard_normal(size))
            exact, form = self.outputs(unit, inputs), jnp.einsum("...pq,p,q->...", found, unit, unit)
            # a random point decides between analytic functions, but for a set of points of measure zero
            if not np.allclose(exact, form, rtol=1e-9, atol=1e-9 * float(jnp.abs(found).max() + 1e-300)):
                raise DynamicsError(
                    f"{self.network.program.name}: what a hidden unit adds to the output is no quadratic form in its "
                    "weights, so their second moments follow no equation of their own; ns.mean_field moves particles"
                )
        return np.asarray(found)

    def pull(self, forms: Array, slope: Array) -> Array:
        """The matrix 2 R S with which gradient flow takes from a unit's weights: S sums dL/df Q over all outputs."""
        return 2 * self.rates[:, None] * np.tensordot(slope, forms, slope.ndim)


def expected(forms: Array, moments: Array) -> Array:
    """E[z^T Q z] = tr(Q E[z z^T]) for every form Q; they are symmetric."""
    return forms.reshape(*forms.shape[:-2], -1) @ moments.ravel()


def units(
    program: Program | Architecture,
    inputs: Any,
    *,
    lr: float,
    parametrization: str | Parametrization = "mup",
    sizes: Mapping[str, Number] | None = None,
) -> Units:
    """The hidden units of a program with one wide layer, with the table's numbers for SGD of rate ``lr`` at n = 1.

    ``inputs`` are those that the sum over units is checked on; sizes that they have need not be given. Raises
    DynamicsError where the program has more than one wide layer, or weights that no unit owns, or an output that is no
    sum over units.
    """
    program = as_program(program)
    if not (lr > 0 and np.isfinite(lr)):
        raise DynamicsError(f"lr={lr!r} must be a positive number")
    dims = large_dims(program, None)
    if len(dims) != 1:
        raise DynamicsError(f"{program.name} has the large dimensions {', '.join(dims)}; one is what a unit can be of")
    (dim,) = dims
    table = scaling_table(program, optimizer="sgd", parametrization=parametrization)
    known = {**sizes_from(program, read_inputs(program, inputs)), **(sizes or {})}
    one, some = (_network(program, table, {**known, dim: size}, lr) for size in (1, SOME))
    axes = {name: _axis_of_units(one, some, name, dim) for name in one.parameters}
    slots, stds, rates, start = {}, [], [], 0
    for name, stored in one.parameters.items():
        shape = tuple(size for k, size in enumerate(stored.full_shape) if k != axes[name])
        slots[name] = (slice(start, start + int(np.prod(shape))), shape)
        start = slots[name][0].stop
        row, count = one.settings[name], int(np.prod(shape))
        if stored.node.attr("init") == "constant" and stored.node.attr("value"):
            raise DynamicsError(f"{name} starts at {stored.node.attr('value')}; the start must be Gaussian, or zero")
        stds += [float(row.init_std)] * count
        rates += [row.lr or 0.0] * count
    made = Units(one, slots, np.array(stds), np.array(rates), MEAN)
    return Units(one, slots, made.stds, made.rates, _power(made, some, table, axes, inputs, dim))


def _network(program: Program, table: ScalingTable, sizes: dict[str, Number], lr: float) -> Network:
    return network(program, sizes, settings=table.at(lr=lr, **sizes), dtype="float64")  # type: ignore[arg-type]


def _axis_of_units(one: Network, some: Network, name: str, dim: str) -> int:
    """The axis of a parameter along which units lie."""
    shapes = zip(one.parameters[name].full_shape, some.parameters[name].full_shape, strict=True)
    grown = [axis for axis, (before, after) in enumerate(shapes) if before != after]
    if len(grown) != 1:
        why = f"grows with {dim} along {len(grown)} axes" if grown else f"does not grow with {dim}"
        hint = "" if grown else "; leave it out (bias=False)"
        raise DynamicsError(f"{one.program.name}: {name} {why}, so it is not made of the weights of hidden units{hint}")
    return grown[0]


def _power(unit: Units, some: Network, table: ScalingTable, axes: Mapping[str, int], inputs: Any, dim: str) -> Fraction:
    """The power of 1/n in front of the sum over units; raises DynamicsError where there is no such sum."""
    random = np.random.default_rng(1)
    given = random.standard_normal((SOME, len(unit.stds)))
    weights = {}
    for name, (slot, shape) in unit.slots.items():
        # at n units a weight is the one at n = 1, times what the table's initial size has grown by
        grown = table[name].init_std.factor({dim: SOME})
        weights[name] = grown * np.stack([theta[slot].reshape(shape) for theta in given], axes[name])
    with some.precision():
        together = np.asarray(some.forward(some.stacked(weights), inputs, None, frozenset())[0])
        apart = np.asarray(sum(unit.outputs(jnp.asarray(theta), inputs) for theta in given))
    name = some.program.name
    for power in (MEAN, LAZY):
        if np.allclose(together, apart * SOME ** -float(power), rtol=1e-9, atol=1e-12 * np.abs(apart).max()):
            moves = {p: exponent(table[p].lr, dim) - 2 * exponent(table[p].init_std, dim) for p in unit.slots}
            lagging = [p for p, move in moves.items() if table[p].lr is not None and move != 2 * power - 1]
            if lagging or not table.verdict.stable:
                raise DynamicsError(f"{name}: the table's rates do not move {', '.join(lagging) or 'it'} by order one")
            return power
    raise DynamicsError(
        f"{name}: under {table.parametrization} its output is not a mean over {dim} hidden units of one function of "
        "each unit's weights; it needs a single hidden layer, without normalisation over units"
    )


def exponent(growth: Growth | None, dim: str) -> Fraction:
    """The power of one dimension in a growth; 0 for what does not exist."""
    return Fraction(0) if growth is None or growth.linear is None else growth.linear[dim]
