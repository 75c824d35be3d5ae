"""What an ensemble shows: means, variances and covariances of a statistic, each with its standard error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np

from ntksym.errors import SamplingError
from ntksym.sampling.accumulators import Array, Moments

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
"""The parts of a statistic, by name; a statistic that is one array has one part without a name."""


@dataclass(frozen=True)
class Summary:
    """Averages over some samples. A statistic that is a dict has each by name, as in ``summary["K"].mean``."""

    moments: Moments
    shapes: Shapes

    @property
    def count(self) -> int:
        """How many finite networks the averages are made of."""
        return int(self.moments.count[0])

    @property
    def mean(self) -> Array:
        return self._shaped(self.moments.mean[0])

    @property
    def variance(self) -> Array:
        """Over networks, unbiased."""
        return self._shaped(self.moments.squares[0] / self._free())

    @property
    def standard_error(self) -> Array:
        """Of the mean: the networks are independent."""
        return self._shaped(np.sqrt(self.moments.squares[0] / self._free() / max(self.count, 1)))

    @property
    def covariance(self) -> Array:
        """Over networks, of every two entries, unbiased: the shape is that of the statistic twice."""
        return self.covariance_of(*(name for name, _ in self.shapes[:1]), *(name for name, _ in self.shapes[:1]))

    def covariance_of(self, first: str, second: str) -> Array:
        """The covariance of the entries of two parts of a statistic."""
        if self.moments.products is None:
            raise SamplingError("no covariances were accumulated; ask for them with ensemble(..., covariance=True)")
        a, b = self._slices[first], self._slices[second]
        shapes = dict(self.shapes)
        block = self.moments.products[0][a, b] / self._free()
        return block.reshape(*shapes[first], *shapes[second])

    def __getitem__(self, name: str) -> Summary:
        """One part of a statistic that is a dict, as a statistic of its own."""
        if name not in self._slices:
            raise SamplingError(f"the statistic has no part {name}; it has: {', '.join(self._slices)}")
        return Summary(_part(self.moments, self._slices[name]), (("", dict(self.shapes)[name]),))

    def _free(self) -> float:
        return self.count - 1 if self.count > 1 else float("nan")

    @cached_property
    def _slices(self) -> dict[str, slice]:
        out, start = {}, 0
        for name, shape in self.shapes:
            out[name] = slice(start, start + prod(shape))
            start += prod(shape)
        return out

    def _shaped(self, flat: Array) -> Array:
        parts = {name: flat[self._slices[name]].reshape(shape) for name, shape in self.shapes}
        return parts[""] if list(parts) == [""] else parts


def _part(moments: Moments, where: slice) -> Moments:
    products = None if moments.products is None else moments.products[:, where, where]
    return Moments(moments.count, moments.rejected, moments.mean[:, where], moments.squares[:, where], products)


@dataclass(frozen=True)
class Estimate(Summary):
    """Averages over an ensemble: ``moments`` are those of all samples, ``groups`` those of groups of samples."""

    groups: Moments = field(repr=False)
    samples: int
    seed: int

    @staticmethod
    def of(groups: Moments, shapes: Shapes, samples: int, seed: int) -> Estimate:
        return Estimate(groups.pooled(), shapes, groups, samples, seed)

    @property
    def rejected(self) -> int:
        """How many networks gave something that is not a finite number, and are left out."""
        return int(self.moments.rejected[0])

    def __getitem__(self, name: str) -> Estimate:
        part = super().__getitem__(name)
        groups = _part(self.groups, self._slices[name])
        return Estimate(part.moments, part.shapes, groups, self.samples, self.seed)

    def derived(self, function: Callable[[Summary], Array]) -> tuple[Array, Array]:
        """A function of the averages, with the bias of order 1/samples taken off, and its standard error.

        Mean and standard error of its pseudo-values; ``function`` reads ``mean``, ``variance``, ``covariance``.
        """
        values = self.pseudo_values(function)
        return values.mean(0), values.std(0, ddof=1) / len(values) ** 0.5

    def pseudo_values(self, function: Callable[[Summary], Array]) -> Array:
        """What each group of samples contributes to a function of the averages, along a new first axis.

        The jackknife over groups: the function is computed with each group of samples left out in turn (Efron and
        Tibshirani 1993, chapter 11). For a mean these are the means of equal groups.
        """
        left = np.array([np.asarray(function(Summary(moments, self.shapes))) for moments in self.groups.without()])
        if len(left) < 2:
            raise SamplingError("a standard error of this kind needs at least two networks")
        whole, m = np.asarray(function(Summary(self.moments, self.shapes))), len(left)
        return m * whole - (m - 1) * left

    def variance_with_error(self) -> tuple[Array, Array]:
        """The variance of a statistic that is one array, and its standard error."""
        self._one()
        return self.derived(lambda s: s.variance)

    def covariance_with_error(self) -> tuple[Array, Array]:
        """The covariance of a statistic that is one array, and its standard error."""
        self._one()
        return self.derived(lambda s: s.covariance)

    def _one(self) -> None:
        if len(self.shapes) > 1:
            raise SamplingError(f"choose a part of the statistic first: estimate[{self.shapes[0][0]!r}]")

    def __str__(self) -> str:
        lost = f", {self.rejected} left out as not finite" if self.rejected else ""
        lines = [f"{self.count} networks{lost}, seed {self.seed}"]
        mean, error = self.mean, self.standard_error
        for name, shape in self.shapes:
            a, b = (x[name] if isinstance(x, Mapping) else x for x in (mean, error))
            head = f"{name}: " if name else ""
            lines.append(head + (f"{a:.6g} ± {b:.2g}" if shape == () else f"an array of shape {shape}"))
        return "\n".join(lines)
