"""How eigenvalues on the sphere fall with the degree: from where the kernel is not smooth.

On a sphere a kernel of the cosine is smooth but at c = 1 and c = -1. There it is a power series in the angle, and its
odd powers theta^p, which are the powers p/2 of 1 - c, are what large degrees see: eigenvalues of (1 - c)^v are

    lambda_k = Gamma(d/2) 2^(v+d-2) Gamma(v+(d-1)/2) / (sqrt(pi) Gamma(-v)) * Gamma(k-v) / Gamma(k+v+d-1)

which is x^-(2v+d-1) (1 + O(x^-2)) with x = k + d/2 - 1, up to the constant in front. The mirror image (1 + c)^v has the
same with the sign (-1)^k, so even and odd degrees may fall differently: without biases, what a network does at c = -1
can cancel what it does at c = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy

sympy = lazy("sympy")
mpmath = lazy("mpmath")

ORDER = 12
"""The highest power of the angle that is looked at."""
_POINTS, _REACH, _DIGITS = 28, 0.2, 60
_ZERO = 1e-9
LONGEST = 30


@dataclass(frozen=True)
class Decay:
    """Eigenvalues of one parity are ``coefficient`` (k + d/2 - 1)^-``power`` times 1 + O(k^-2) at large k.

    Both are None where no odd power of the angle was found up to the order looked at: they fall faster than any power,
    or are zero from some degree on.
    """

    power: int | None
    coefficient: Any = None

    def __str__(self) -> str:
        if self.power is None:
            return "zero, or falling faster than any power that was looked at"
        return f"{_short(self.coefficient)} k^-{self.power}"

    def to_json(self) -> dict[str, Any]:
        """The power, and the coefficient as a text."""
        return {"power": self.power, "coefficient": None if self.power is None else _short(self.coefficient)}


def _short(number: Any) -> str:
    """An exact coefficient as it is, unless it is long, and others to six digits."""
    exact = isinstance(number, sympy.Basic) and not number.has(sympy.Float)
    return str(number) if exact and len(str(number)) < LONGEST else f"{float(number):.6g}"


def decays(start: Sequence[Any], end: Sequence[Any], d: int) -> tuple[Decay, Decay]:
    """The laws of even and of odd degrees, from the expansions in the angle at c = 1 and at c = -1."""
    return _decay(start, end, 1, d), _decay(start, end, -1, d)


def _decay(start: Sequence[Any], end: Sequence[Any], parity: int, d: int) -> Decay:
    """The kernel's part of one parity has the first odd power of this law."""
    scale = max(float(abs(x)) for x in (*start, *end))
    for p in range(1, len(start), 2):
        combined = start[p] + parity * end[p]
        if abs(float(combined)) > _ZERO * scale:
            return Decay(p + d - 1, combined * constant(p, d))
    return Decay(None)


def constant(p: int, d: int) -> Any:
    """The constant before (k + d/2 - 1)^-(p+d-1) in the law of a kernel theta^p + ... at c = 1, for odd p; exactly.

    theta^p is (2(1 - c))^(p/2) to leading order.
    """
    v, half = sympy.Rational(p, 2), sympy.Rational(d, 2)
    top = sympy.gamma(half) * 2 ** (2 * v + d - 2) * sympy.gamma(v + half - sympy.Rational(1, 2))
    return sympy.simplify(top / (sympy.sqrt(sympy.pi) * sympy.gamma(-v)))


def expansions(kernel: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """The Taylor coefficients in theta at 0 and in pi - theta at pi, by interpolation in many digits.

    ``kernel`` takes angles, mpmath numbers in and out. The kernel continues analytically beyond both ends.
    """
    with mpmath.workdps(_DIGITS):
        nodes = [_REACH * (1 + mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * _POINTS))) / 2 for i in range(_POINTS)]
        return _interpolated(nodes, kernel), _interpolated(nodes, lambda x: kernel(mpmath.pi - x))


def _interpolated(nodes: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
    """The coefficients of the polynomial through the nodes: Newton's form, multiplied out."""
    differences = [function(x) for x in nodes]
    for level in range(1, len(nodes)):
        for i in range(len(nodes) - 1, level - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - level])
    found = [mpmath.mpf(0)] * len(nodes)
    for x, difference in zip(reversed(nodes), reversed(differences), strict=True):
        found = [(found[n - 1] if n else 0) - x * found[n] for n in range(len(found))]
        found[0] += difference
    return found[: ORDER + 1]
