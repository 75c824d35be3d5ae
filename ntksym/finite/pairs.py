"""1/n terms at many pairs of inputs, by compiled code: the recursion of a perceptron, layer by layer, for all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ntksym.errors import FiniteWidthError
from ntksym.finite.brackets import PARALLEL, SINGULAR
from ntksym.finite.generated import Module
from ntksym.finite.layer import Layer
from ntksym.finite.series import TERMS
from ntksym.finite.tensors import FLUCTUATIONS, VERTICES
from ntksym.records.evidence import Evidence

if TYPE_CHECKING:
    from ntksym.finite.record import FiniteWidth

Array = Any
_CLOSE = 1e-13
"""What the end of a series may add to a bracket, next to the larger of that and one."""
_WORST = 1e-10
"""Beyond this, with all terms that there are, no numbers are given."""
_EASY = 1e-6
"""A series that ends by this much of ``_CLOSE`` has fewer terms in the next layer."""


@dataclass(frozen=True, eq=False)
class PairValues:
    """Limits and 1/n terms of the output at pairs of inputs: in each pair, input 0 and input 1.

    Attributes:
        program: its name.
        nngp, ntk: the limits, (pairs, 2, 2).
        tensors: by name, times 1/n as ``FiniteValues.at`` gives them, (pairs, 2, 2) or (pairs, 2, 2, 2, 2).
        evidence: how the brackets are known.
    """

    program: str
    nngp: Array
    ntk: Array
    tensors: Mapping[str, Array]
    evidence: Evidence


@dataclass(frozen=True)
class PairLayer:
    """One layer in numbers: C_W, lambda_W and 1/width with the code of its activation, and what does not come from it.

    ``module`` is None in the first layer. ``bias`` are C_b and lambda_b; for draws of the data ``data`` holds what
    their inner products are multiplied by in the kernel and in the tangent kernel.
    """

    module: Module | None
    numbers: tuple[float, float, float]
    bias: tuple[float, float]
    data: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, eq=False)
class CompiledPairs:
    """1/n terms of a perceptron by compiled code, at fixed numbers; see ``FiniteWidth.compile``.

    ``modules`` holds the generated code of every activation.
    """

    record: FiniteWidth
    values: Mapping[str, Any]
    modules: tuple[Module, ...]
    _layers: dict[Any, tuple[PairLayer, ...]] = field(default_factory=dict, repr=False)

    def __call__(self, x: Any, y: Any) -> PairValues:
        """Limit and 1/n terms of the output at the pairs (x[0], y[0]), (x[1], y[1]), ...

        Raises FiniteWidthError for inputs of different number or of variance zero, for parallel ones where the
        activation has a kink, for widths that are missing or not positive, and for variances that are too large for
        the series.
        """
        inputs, known = self.record.read(x, self.values)
        others, _ = self.record.read(y, self.values)
        if {name: each.shape for name, each in inputs.items()} != {name: each.shape for name, each in others.items()}:
            raise FiniteWidthError("pairs need as many first as second inputs, of the same size")
        first, second = self.record.data(inputs, known, float), self.record.data(others, known, float)
        key = tuple(sorted(known.items(), key=lambda item: item[0]))
        if key not in self._layers:  # SymPy's numbers take longer than the recursion
            self._layers[key] = self._in_numbers(known)
        count = len(next(iter(inputs.values())))
        states, error = _moved_through(self._layers[key], count, {k: _products(first[k], second[k]) for k in first})
        found = {name: states[:, place] for name, place in places().items()}
        is_series = any(module.is_series for module in self.modules)
        evidence = Evidence("series", bound=error, note="the bound is that of one bracket")
        evidence = evidence if is_series else Evidence("exact")
        return PairValues(self.record.program.name, found.pop("K"), found.pop("Theta"), found, evidence)

    def _in_numbers(self, known: Mapping[str, Any]) -> tuple[PairLayer, ...]:
        wiring, scales = self.record.wiring, self.record.scales(known, float)
        widths = []
        for axis, width in zip(wiring.widths, self.record.widths(known), strict=True):
            if width is None:
                raise FiniteWidthError(f"a number is needed for the width {axis}; give it, as in compile(n=64)")
            if not width > 0:
                raise FiniteWidthError(f"a width of {width:g} is not positive")
            widths.append(width)
        found = []
        for coefficients in scales.coefficients:
            module, numbers, data, bias = None, (0.0, 0.0, 0.0), [], np.zeros(2)
            for k, c in coefficients.items():
                draw, own = wiring.draws[k], (c**2 * scales.variances[k], c**2 * scales.rates[k])
                if draw.reading is not None and draw.phi is not None:
                    module, numbers = self.modules[draw.phi], (*own, 1 / widths[wiring.axes[draw.reading]])
                elif draw.data is not None:
                    data.append((k, *own))
                else:
                    bias += own
            found.append(PairLayer(module, numbers, (bias[0], bias[1]), tuple(data)))
        return tuple(found)


def _products(x: Array, y: Array) -> Array:
    """Inner products x.x, x.y, y.y over the dimension, (pairs, 3)."""
    return np.stack([np.einsum("pi,pi->p", a, b) for a, b in ((x, x), (x, y), (y, y))], axis=1) / x.shape[1]


@lru_cache(maxsize=1)
def places() -> dict[str, Array]:
    """For each tensor, K and Theta among them, where its entries stand in a row of a state."""
    layer = Layer(2)
    names = [line.name for line in layer.lines(FLUCTUATIONS)]
    found = {}
    for name in ("K", "Theta", *FLUCTUATIONS):
        rank = 4 if name in VERTICES else 2
        entries = [names.index(layer.representative(name, *at)) for at in product((0, 1), repeat=rank)]
        found[name] = np.array(entries).reshape((2,) * rank)
    return found


def _moved_through(layers: Sequence[PairLayer], count: int, products: Mapping[int, Array]) -> tuple[Array, float]:
    """Entries of all tensors after the last layer, (pairs, entries), and the largest error of a bracket."""
    states = np.zeros((count, 1 + max(int(place.max()) for place in places().values())))
    worst, level = 0.0, 0
    for layer in layers:
        if layer.module is not None:
            states, error, level = _moved(layer.module, states, layer.numbers, level)
            worst = max(worst, error)
        if any(layer.bias):
            states[:, :3] += layer.bias[0]
            states[:, 3:6] += layer.bias[1]
        for k, kernel, tangent in layer.data:
            states[:, :3] += kernel * products[k]
            states[:, 3:6] += tangent * products[k]
    return states, worst


def _moved(module: Module, states: Array, numbers: tuple[float, float, float], level: int) -> tuple[Array, float, int]:
    """States after a layer, the largest error of a bracket, and the number of terms to begin with in the next layer."""
    variances = states[:, 0] * states[:, 2]
    if not (variances > 0).all():
        raise FiniteWidthError("an input has the variance zero, and compiled terms divide by it; use evaluate()")
    if not module.is_series:
        if (1 - states[:, 1] ** 2 / variances < SINGULAR).any():
            raise FiniteWidthError(PARALLEL)
        module.step(states, numbers)
        return states, 0.0, level
    for number, terms in enumerate(TERMS[level:], level):
        trial = states.copy()
        error = float(module.step(trial, numbers, terms).max())
        if error <= _CLOSE:
            return trial, error, max(number - (error < _EASY * _CLOSE), 0)
    if not error <= _WORST:
        raise FiniteWidthError(
            f"preactivations of variance {states[:, [0, 2]].max():.3g} are too large for series of {terms} terms; "
            "take smaller sigmas or inputs, or use evaluate()"
        )
    return trial, error, level
