"""Universality classes: at which weights a block is critical in every respect, and by which powers all then falls.

Critical is chi_1 = chi_parallel = 1 (Roberts, Yaida and Hanin 2022, chapter 5). At such weights every length is kept
(scale-invariant), or only zero is and lengths fall to it by a power (K* = 0), or a length above zero is that attracts
from one side (half-stable).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.phases.blocks import BIAS, WEIGHT, Block, block_of
from ntksym.phases.curve import edge_curve
from ntksym.phases.edge import edge_of_chaos
from ntksym.phases.laws import PowerLaw, correlation_law, difference_power, length_law
from ntksym.phases.numbers import text
from ntksym.phases.record import EdgePoint
from ntksym.records.tables import Shown

mpmath = lazy("mpmath")

_DIGITS = 20


@dataclass(frozen=True)
class UniversalityClass(Shown):
    """How a block is critical: ``kind`` is scale-invariant, K* = 0, half-stable or none, at ``point`` of the edge.

    ``length`` is the law by which lengths fall to zero, ``correlation`` that of 1 - c, and ``p_perp`` the power by
    which squared differences of two inputs next to each other do (l^-p_perp; lengths differ by l^-2 where they fall as
    1/l). None where there is no such power. Of the class none, ``reason`` says why.
    """

    title: str
    kind: str
    point: EdgePoint | None
    length: PowerLaw | None = None
    correlation: PowerLaw | None = None
    p_perp: Any = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; numbers are decimal texts."""
        laws = {name: getattr(self, name) for name in ("length", "correlation")}
        return {
            "schema": "ntksym.universality_class/1",
            "title": self.title,
            "kind": self.kind,
            "point": None if self.point is None else self.point.to_json(_DIGITS - 4),
            **{name: None if law is None else law.to_json(None) for name, law in laws.items()},
            "p_perp": text(self.p_perp, None),
            "reason": self.reason,
        }

    def to_text(self) -> str:
        """The class in one line."""
        if self.point is None:
            return f"{self.title}: no criticality: {self.reason}"
        at = f"sigma_w = {text(self.point.sigma_w, 12)}, sigma_b = {text(self.point.sigma_b, 12)}"
        where = "every length" if self.point.q_star is None else f"length {text(self.point.q_star, 12)}"
        laws = [f"K_l ~ {self.length}"] if self.length else []
        laws += [f"1 - c_l ~ {self.correlation}"] if self.correlation else []
        laws += [f"p_perp = {text(self.p_perp, None)}"] if self.p_perp is not None else []
        return f"{self.title}: {self.kind} at {at} ({where}){': ' if laws else ''}{', '.join(laws)}"


def universality_class(source: Any, *, block: str | None = None, **values: Any) -> UniversalityClass:
    """The class of a block, or of a perceptron with an activation; arguments are those of ``edge_of_chaos``.

    Example:
        >>> import ntksym as ns
        >>> print(ns.universality_class("tanh"))
        tanh: K* = 0 at sigma_w = 1.00000000000, sigma_b = 0 (length 0): K_l ~ 0.5 l^-1.0, p_perp = 1.0
    """
    found = block_of(source, block, values, free=(WEIGHT, BIAS))
    edge = edge_of_chaos(source, sigma_b=0, digits=_DIGITS, block=block, **values)
    for point in edge.points:
        numbers = _numbers(found, point)
        if point.q_star is None:
            law = correlation_law(found.maps, numbers, mpmath.mpf(1))
            return UniversalityClass(found.title, "scale-invariant", point, correlation=law)
        if point.q_star == 0 and point.stability == "stable":
            law = length_law(found.maps, numbers)
            power = None if law is None else difference_power(found.maps, numbers, law)
            return UniversalityClass(found.title, "K* = 0", point, length=law, p_perp=power)
    try:
        turns = edge_curve(source, digits=_DIGITS, block=block, **values).half_stable
    except PhaseError:
        turns = ()
    for point in turns:
        law = correlation_law(found.maps, _numbers(found, point), point.q_star)
        return UniversalityClass(found.title, "half-stable", point, correlation=law)
    reason = edge.absence or "on the whole edge lengths come to q*, or leave it, exponentially fast"
    return UniversalityClass(found.title, "none", None, reason=reason)


def _numbers(block: Block, point: EdgePoint) -> dict[Any, Any]:
    sigmas = {block.symbol(WEIGHT): point.sigma_w, block.symbol(BIAS): point.sigma_b}
    return {**block.numbers, **{s: x for s, x in sigmas.items() if s is not None}}
