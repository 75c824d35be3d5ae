"""Spectra of kernels: on the sphere, for Gaussian inputs of many dimensions, and of a Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.decay import ORDER, Decay, decays, expansions
from ntksym.dynamics.funk_hecke import double_eigenvalues, exact_eigenvalues, multiplicity, precise_eigenvalues
from ntksym.dynamics.gram_spectrum import GramSpectrum, gram_spectrum
from ntksym.dynamics.spectrum_rendering import to_table
from ntksym.dynamics.zonal import GUARD, Zonal
from ntksym.errors import DynamicsError
from ntksym.kernels.gram import gram
from ntksym.kernels.recursion import KernelRecursion, kernel_recursion
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.phases.numbers import text
from ntksym.records.evidence import Evidence, weakest
from ntksym.records.gram import OUTPUTS
from ntksym.records.tables import Table, Tabular

sympy = lazy("sympy")
mpmath = lazy("mpmath")

Array = Any
DEGREES, DOUBLE = 12, 16
SPHERE, GAUSSIAN = "sphere", "gaussian"


@dataclass(frozen=True)
class Spectrum(Tabular):
    """Eigenvalues of a kernel for inputs drawn from a distribution, by the degree of the eigenfunctions.

    On the sphere S^(d-1) these are spherical harmonics: ``multiplicities[k]`` of degree k share ``eigenvalues[k]``,
    which is an expression where it is known exactly. For Gaussian inputs of d entries, d large (``d`` is None), they
    are products of Hermite polynomials; ``eigenvalues[k]`` is then what all d^k/k! of degree k add up to, and each of
    them has k! / d^k of it. In either case all eigenvalues sum to ``trace``, the kernel of an input with itself.
    ``decay`` says how eigenvalues of even and of odd degree fall at large degrees, None where it was not derived.
    """

    title: str
    output: str
    on: str
    d: int | None
    eigenvalues: tuple[Any, ...]
    multiplicities: tuple[int, ...]
    trace: Any
    decay: tuple[Decay, Decay] | None
    evidence: Evidence
    digits: int | None
    kernel: Zonal = field(compare=False, repr=False)
    """The kernel that the eigenvalues are of."""

    @property
    def remaining(self) -> Any:
        """What the eigenvalues of higher degree sum to: the trace less those that are listed."""
        with mpmath.workdps((self.digits or DOUBLE) + GUARD):
            listed = zip(self.multiplicities, self.eigenvalues, strict=True)
            return self.trace - sum((m * x for m, x in listed), 0 * self.trace)

    def numbers(self) -> tuple[Array, Array]:
        """Eigenvalues and multiplicities as arrays of floats."""
        return np.array([float(x) for x in self.eigenvalues]), np.array(self.multiplicities, dtype=float)

    def number(self, value: Any) -> str:
        """One of the numbers as a decimal text, of as many digits as were asked for."""
        exact = sympy.N(value, (self.digits or DOUBLE) + GUARD) if isinstance(value, sympy.Basic) else value
        return text(mpmath.mpmathify(exact), self.digits) or ""

    def to_table(self) -> Table:
        """A row for every degree."""
        return to_table(self)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; numbers are decimal texts, exact ones are also given as expressions."""
        exact = all(isinstance(x, sympy.Basic) for x in self.eigenvalues)
        return {
            "schema": "ntksym.spectrum/1",
            "title": self.title,
            "output": self.output,
            "on": self.on,
            "d": self.d,
            "eigenvalues": [self.number(x) for x in self.eigenvalues],
            "exact": [str(x) for x in self.eigenvalues] if exact else None,
            "multiplicities": list(self.multiplicities),
            "trace": self.number(self.trace),
            "decay": None if self.decay is None else [law.to_json() for law in self.decay],
            "evidence": str(self.evidence),
        }


def spectrum(
    kernel: Program | Architecture | KernelRecursion,
    on: Any = SPHERE,
    *,
    d: int | None = None,
    output: str = "ntk",
    degrees: int = DEGREES,
    digits: int | None = None,
    q: Any = 1,
    **values: Any,
) -> Spectrum | GramSpectrum:
    """The spectrum of a program's kernel: how fast a wide network learns what, and what it can learn from few inputs.

    Args:
        kernel: an architecture, a program or its kernel recursion.
        on: "sphere" for inputs that are uniform on the sphere S^(d-1), "gaussian" for inputs of independent Gaussian
            entries in the limit of many, or inputs, with the first axis over them, for the Gram matrix of these.
        d: dimension of the inputs, for the sphere only; 2 is the circle.
        output: "ntk" or "nngp".
        degrees: the highest degree.
        digits: of the eigenvalues, to 10^-digits of the largest; None for double precision. Where eigenvalues are known
            exactly this is how many are written.
        q: x.x / d of the inputs, exact or a float.
        values: hyperparameters and sizes, as for ``KernelRecursion.evaluate``; exact numbers stay exact.

    Raises DynamicsError for arguments that make no sense, KernelError for programs without a kernel.
    Source: Funk and Hecke (Müller 1966); decay: Bietti and Bach 2021, "Deep equals shallow for ReLU networks".

    Example:
        >>> import ntksym as ns
        >>> found = ns.spectrum(ns.zoo.load("mlp")(depth=1), d=3, degrees=4, sigma_w="sqrt(2)")
        >>> found.eigenvalues
        (1, 2/3, 5/32, 0, 1/96)
    """
    if output not in OUTPUTS:
        raise DynamicsError(f"output={output!r}: expected one of {', '.join(OUTPUTS)}")
    if not isinstance(on, str):
        if d is not None or digits is not None:
            raise DynamicsError(f"d={d}, digits={digits}: inputs of one's own have a dimension, and are of few digits")
        matrix = gram(kernel, on, get=output, **values)
        return gram_spectrum(matrix, f"{_name(kernel)}: {output} of {len(matrix)} inputs")
    if on not in (SPHERE, GAUSSIAN):
        raise DynamicsError(f"on={on!r}: expected {SPHERE}, {GAUSSIAN} or an array of inputs")
    if on == SPHERE and not (isinstance(d, int) and d >= 2):
        raise DynamicsError(f"d={d}: inputs on a sphere need a dimension of 2 or more")
    if on == GAUSSIAN and d is not None:
        raise DynamicsError(f"d={d}: the spectrum of Gaussian inputs is that of many dimensions; leave d out")
    if degrees < 0 or (digits is not None and digits < 1):
        raise DynamicsError(f"degrees={degrees}, digits={digits}: expected a degree from 0 and a digit at least")
    recursion = kernel if isinstance(kernel, KernelRecursion) else kernel_recursion(kernel)
    zonal = Zonal(recursion, output, q, values)
    found, trace, evidence = _on_sphere(zonal, d, degrees, digits) if d else _gaussian(zonal, degrees, digits)
    where = f"S^{d - 1}" if d else "Gaussian inputs of many dimensions"
    multiplicities = tuple(multiplicity(d, k) if d else 1 for k in range(degrees + 1))
    decay = _decay(zonal, d) if d else None
    title = f"{recursion.program.name}: {output} on {where}"
    return Spectrum(title, output, on, d, tuple(found), multiplicities, trace, decay, evidence, digits, zonal)


Eigenvalues = tuple[Any, Any, Evidence]


def _on_sphere(zonal: Zonal, d: int, degrees: int, digits: int | None) -> Eigenvalues:
    """Eigenvalues, trace and evidence: exact where the kernel is a polynomial in the angle."""
    if zonal.exact is not None:
        return exact_eigenvalues(zonal.exact, d, degrees), zonal.exact.expansion(0, False)[0], Evidence("exact")
    if digits is None and not zonal.is_closed:
        found, off, nodes = double_eigenvalues(zonal.sampled.at_angle, d, degrees)
        bound = off + (zonal.sampled.evidence.bound or 0.0)
        evidence = weakest(zonal.sampled.evidence, Evidence("quadrature", nodes=nodes, bound=bound))
        return found, zonal.sampled.at_angle(0.0), evidence
    found, off, nodes = precise_eigenvalues(zonal.precise, d, degrees, digits or DOUBLE)
    with mpmath.workdps((digits or DOUBLE) + GUARD):
        trace = zonal.precise(mpmath.mpf(0))
    note = "the bound is an estimate from two resolutions"
    return found, trace, Evidence("quadrature", nodes=nodes, bound=float(off), note=note)


def _gaussian(zonal: Zonal, degrees: int, digits: int | None) -> Eigenvalues:
    """The power series of the kernel in the cosine, which that of two inputs of many dimensions is close to 0."""
    if zonal.exact is not None:
        return zonal.exact.series(degrees), zonal.exact.expansion(0, False)[0], Evidence("exact")
    if not zonal.is_closed:
        raise DynamicsError("the power series of this kernel is not known: one of its expectations has no closed form")
    wanted = digits or DOUBLE
    coarse, fine = (_taylor(zonal, degrees, wanted + extra) for extra in (GUARD, 2 * GUARD))
    off = max(abs(x - y) for x, y in zip(fine, coarse, strict=True))
    with mpmath.workdps(wanted + GUARD):
        trace = zonal.precise(mpmath.mpf(0))
    return fine, trace, Evidence("series", order=degrees, bound=float(off))


def _taylor(zonal: Zonal, degrees: int, digits: int) -> list[Any]:
    with mpmath.workdps(digits):
        return list(mpmath.taylor(lambda c: zonal.precise(mpmath.acos(c)), 0, degrees))


def _decay(zonal: Zonal, d: int) -> tuple[Decay, Decay] | None:
    if zonal.exact is not None:
        return decays(zonal.exact.expansion(ORDER, False), zonal.exact.expansion(ORDER, True), d)
    return decays(*expansions(zonal.precise), d) if zonal.is_closed else None


def _name(kernel: Any) -> str:
    program = kernel.program if isinstance(kernel, KernelRecursion) else kernel
    return str(getattr(program, "name", "kernel"))
