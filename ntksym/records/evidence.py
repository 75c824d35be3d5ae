"""How a formula or a number is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["exact", "series", "quadrature", "sampled", "conjecture"]
# from the best to the weakest: what is made of several is as good as its weakest part
_ORDER: tuple[Kind, ...] = ("exact", "series", "quadrature", "sampled", "conjecture")


@dataclass(frozen=True)
class Evidence:
    """``exact``, ``series`` (up to ``order``), ``quadrature`` and ``sampled`` (with ``nodes`` points), ``conjecture``.

    ``bound`` is an absolute bound on the error of the number, None where no number has been asked for yet.
    A bound of a quadrature is an estimate from two resolutions, that of samples some standard errors; ``note`` says so.
    """

    kind: Kind
    order: int | None = None
    nodes: int | None = None
    bound: float | None = None
    note: str = ""

    def __str__(self) -> str:
        parts = [f"order {self.order}"] if self.order is not None else []
        parts += [f"{self.nodes} nodes"] if self.nodes is not None else []
        parts += [f"error below {self.bound:.2g}"] if self.bound is not None else []
        parts += [self.note] if self.note else []
        return f"{self.kind} ({'; '.join(parts)})" if parts else self.kind


def weakest(*parts: Evidence) -> Evidence:
    """The evidence of what is made of these parts: the weakest of them, with the notes of all.

    Of several that are equally weak, the one with the largest bound: a bound is that of a part, not of the whole.
    """
    if not parts:
        return Evidence("exact")
    found = max(parts, key=lambda part: (_ORDER.index(part.kind), -1.0 if part.bound is None else part.bound))
    return replace(found, note="; ".join(dict.fromkeys(part.note for part in parts if part.note)))
