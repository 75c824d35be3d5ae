"""A program's kernel for inputs of one norm as a function of the angle between them, in three precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.angles import AngularPolynomial
from ntksym.errors import DynamicsError, KernelError
from ntksym.kernels.data import rank
from ntksym.kernels.recursion import KernelRecursion
from ntksym.kernels.scalars import number
from ntksym.kernels.sphere import SphereKernel
from ntksym.language.types import Type
from ntksym.records.evidence import Evidence, weakest

sympy = lazy("sympy")
mpmath = lazy("mpmath")

Array = Any
NODES = 96
GUARD = 10
_DOUBLE = 17


@dataclass(frozen=True)
class Zonal:
    """The kernel ``output`` ("nngp" or "ntk") of inputs with x.x/d = q, at given hyperparameters and sizes."""

    recursion: KernelRecursion
    output: str
    q: Any
    values: Mapping[str, Any]

    @cached_property
    def sphere(self) -> SphereKernel:
        """The kernel as definitions that follow each other."""
        return self.recursion.on_sphere(**{**self.recursion.hyperparameters, **self.values, "q": self.q})

    @cached_property
    def is_closed(self) -> bool:
        """Whether every definition is a formula, so that many digits are cheap."""
        return all(d.answer is None or d.answer.evidence.kind == "exact" for d in self.sphere.definitions)

    @cached_property
    def exact(self) -> AngularPolynomial | None:
        """The kernel as a polynomial in c, sqrt(1 - c^2) and the angle, if it is one."""
        if not self.is_closed:
            return None
        try:
            expression = getattr(self.sphere, self.output)
        except KernelError:  # too large for one expression
            return None
        return AngularPolynomial.of(expression, self.sphere.c)

    def precise(self, theta: Any) -> Any:
        """The kernel at an angle, an mpmath number of the working precision."""
        digits = mpmath.mp.dps
        # near theta = 0 the formulas take differences of numbers that agree in half of their digits
        with mpmath.workdps(2 * digits + GUARD):
            c = mpmath.cos(theta)
            if not self.is_closed:
                return mpmath.mpf(self.sphere.evaluate(c, digits)[self.output])
            known = {self.sphere.c: c}
            for definition in self.sphere.definitions:
                # rounding can carry a cosine beyond one
                known[definition.symbol] = mpmath.re(number(definition.expression, known))
            return mpmath.re(number(dict(self.sphere.outputs)[self.output], known))

    @cached_property
    def sampled(self) -> Sampled:
        """The kernel in double precision, by interpolation between so many angles that it is exact to rounding."""
        nodes = np.cos(np.pi * (2 * np.arange(NODES) + 1) / (2 * NODES))
        theta = np.pi * (1 + nodes) / 2
        values, evidence = self._by_formulas(theta) if self.is_closed else self._by_inputs(theta)
        polynomials = np.polynomial.chebyshev.chebvander(nodes, NODES - 1)
        coefficients = 2 * values @ polynomials / NODES
        coefficients[0] /= 2
        rest = float(np.abs(coefficients[-4:]).sum() + NODES * np.finfo(float).eps * np.abs(values).max())
        interpolated = Evidence("quadrature", NODES, bound=rest + (evidence.bound or 0.0))
        return Sampled(tuple(coefficients.tolist()), weakest(interpolated, evidence))

    def _by_formulas(self, theta: Array) -> tuple[Array, Evidence]:
        with mpmath.workdps(_DOUBLE):
            return np.array([float(self.precise(mpmath.mpf(x))) for x in theta]), Evidence("exact")

    def _by_inputs(self, theta: Array) -> tuple[Array, Evidence]:
        """Where a definition is no formula: the recursion at inputs that lie at these angles."""
        (node,) = self.recursion.program.inputs
        assert isinstance(node.type, Type)
        if rank(node) != 1 or node.attr("kind") == "tokens":
            raise DynamicsError(f"a spectrum on the sphere needs a program on one plain vector, not {node.type}")
        coordinates = node.type.coord
        d = 2 if coordinates.powers else max(2, int(coordinates.coefficient))
        points = np.zeros((len(theta), d))
        points[:, 0], points[:, 1] = np.cos(theta), np.sin(theta)
        length = np.sqrt(float(self.q) * d)
        found = self.recursion.evaluate(length * np.eye(1, d), length * points, digits=None, **self.values)
        return np.array(getattr(found, self.output), dtype=float)[0], found.evidence


@dataclass(frozen=True)
class Sampled:
    """A kernel as a Chebyshev series in 2 theta / pi - 1."""

    coefficients: tuple[float, ...]
    evidence: Evidence

    def at_angle(self, theta: Array) -> Array:
        """The kernel at angles."""
        return np.polynomial.chebyshev.chebval(2 * np.asarray(theta) / np.pi - 1, self.coefficients)

    def __call__(self, c: Array) -> Array:
        """The kernel at cosines; beyond one is rounding."""
        return self.at_angle(np.arccos(np.clip(c, -1, 1)))
