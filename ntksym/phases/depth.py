"""How lengths, gradients and tangent kernels go with the number of copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.kernels.recursion import kernel_recursion
from ntksym.kernels.scalars import number
from ntksym.language.program import Program
from ntksym.phases.blocks import Block, block_of, chosen, program_of
from ntksym.phases.far import far_answers
from ntksym.phases.fixed_points import approached, fixed_points
from ntksym.phases.laws import PowerLaw, growth_law
from ntksym.phases.maps import carried_map, length_map
from ntksym.phases.numbers import text
from ntksym.phases.record import PhaseReport
from ntksym.phases.report import phase_report
from ntksym.phases.systems import System, evidence_of
from ntksym.records.formula import readings
from ntksym.records.tables import Shown

sympy = lazy("sympy")
mpmath = lazy("mpmath")

_DIGITS = 20
_ROUNDING = 1e-10


@dataclass(frozen=True)
class DepthLaw(Shown):
    """What L copies do, for large L, where inputs come to the length of ``report``.

    ``length`` is constant, exponential or polynomial; of a polynomial ``power`` is the law. Gradients of the first copy
    are chi_1^L times those of the last: ``gradient`` is vanishing, constant or exploding. The tangent kernel of an
    input with itself is ``tangent``: constant (``tangent_number`` is the limit), linear (it is what a copy adds), or
    exponential.
    """

    report: PhaseReport
    length: str
    power: PowerLaw | None
    gradient: str
    tangent: str
    tangent_number: Any

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; numbers are decimal texts."""
        return {
            "schema": "ntksym.depth_law/1",
            "title": self.report.title,
            "chi_1": text(self.report.chi_1, None),
            "chi_parallel": text(self.report.chi_parallel, None),
            "length": self.length,
            "power": None if self.power is None else self.power.to_json(None),
            "gradient": self.gradient,
            "tangent": self.tangent,
            "tangent_number": text(self.tangent_number, None),
        }

    def to_text(self) -> str:
        """One line for each."""
        lengths = {
            "constant": f"to {text(self.report.q_star, None) or 'what they were'}",
            "exponential": f"like {text(self.report.chi_parallel, None)}^L",
            "polynomial": f"like {self.power}",
        }
        limit = "" if self.tangent_number is None else f" ({text(self.tangent_number, None)})"
        return "\n".join(
            (
                f"{self.report.title}: lengths {self.length}, {lengths[self.length]}",
                f"  gradients {self.gradient}, by {text(self.report.chi_1, None)} in each copy",
                f"  tangent kernel {self.tangent}{limit}",
            )
        )


def depth_law(source: Any, *, block: str | None = None, **values: Any) -> DepthLaw:
    """How lengths, gradients and the tangent kernel go with depth; arguments are those of ``phase_report``.

    Example:
        >>> import ntksym as ns
        >>> print(ns.depth_law("relu", sigma_w="sqrt(2)"))
        relu: lengths constant, to what they were
          gradients constant, by 1.0 in each copy
          tangent kernel linear
    """
    report = phase_report(source, block=block, **values)
    program, _ = program_of(source)
    found = block_of(program, block, dict(report.values))
    length, power = "constant", None
    if report.q_star is not None and mpmath.isinf(report.q_star):
        length = "exponential" if report.chi_parallel > 1 + _ROUNDING else "polynomial"
        power = _growth(found) if length == "polynomial" else None
    chi = float(report.chi_1)
    is_one = abs(chi - 1) < _ROUNDING
    gradient = "constant" if is_one else "vanishing" if chi < 1 else "exploding"
    tangent = "linear" if is_one else "constant" if chi < 1 else "exponential"
    added = None
    if chi < 1 + _ROUNDING and report.q_star is not None and 0 < report.q_star < mpmath.inf:
        added = _added(program, block, found)
    limit = added if added is None or is_one else added / (1 - chi)
    return DepthLaw(report, length, power, gradient, tangent, limit)


def _growth(found: Block) -> PowerLaw | None:
    """The law of lengths that grow without bound, each copy by less."""
    maps = found.maps
    step = System(maps.q_map.definitions, sympy.expand(maps.q_map.output - maps.q))
    return growth_law(lambda q: number(step.output, far_answers(step, maps.q, found.numbers, _DIGITS, length=q)))


def _added(program: Program, block: str | None, found: Block) -> float:
    """n of T' = n + chi_1 T, the tangent kernel of an input with itself, at the length that is kept."""
    raw = chosen(program, kernel_recursion(program).blocks, block)
    carried = carried_map(raw.two_inputs)
    points = fixed_points(carried, found.numbers, None)
    at = approached(carried, found.numbers, points, found.start)
    assert at is not None
    own = raw.restricted(lambda name, side: side in ("1", "11"))
    state = {s: 0.0 if readings(s)[s][0].startswith("T") else at.q for s in own.state}
    numbers = {s: float(x) for s, x in found.given if s in own.parameters}
    after = own.evaluate({**state, **numbers}, 15)
    return float(sum(x for s, x in after.items() if readings(s)[s][0].startswith("T")))


@dataclass(frozen=True)
class DepthFlow:
    """The limit of many copies that each add a part of order 1/L: dq/dt = ``flow`` for t from 0 to 1.

    ``flow`` and ``length`` are expressions in the symbol q, the length before the first copy, and hyperparameters;
    ``length``, that after the last, is None where the flow is not linear in q.
    """

    title: str
    flow: Any
    length: Any


def depth_flow(source: Any, *, block: str | None = None) -> DepthFlow:
    """What the lengths of a block with branches scaled by a power of the number of its copies come to.

    Raises PhaseError where one copy adds more or less than order 1/L: with sigma_w and biases of order one, branches
    must be scaled by L^-1/2. Where there are closed forms only.
    """
    program, title = program_of(source)
    raw = chosen(program, kernel_recursion(program, ntk=False).blocks, block)
    copies = raw.times
    if not getattr(copies, "is_Symbol", False):
        raise PhaseError(f"{title}: the block {raw.name} is repeated {copies} times; a limit needs a large dimension")
    maps = length_map(raw)
    if evidence_of(maps.q_map).kind != "exact":
        raise PhaseError(f"{title}: lengths have no closed form, so their limit has none")
    q = sympy.Symbol("q", positive=True)
    many = sympy.Symbol("L", positive=True)
    names = {s: sympy.Symbol(s.name, nonnegative=True) for s in maps.parameters if s.name != copies.name}
    own = {s: many for s in maps.parameters if s.name == copies.name}
    after = maps.q_map.closed.xreplace({maps.q: q, **names, **own})
    flow = sympy.limit(sympy.expand(many * (after - q)), many, sympy.oo)
    if flow == 0 or (not flow.is_finite and flow.has(sympy.oo)):
        how = "less" if flow == 0 else "more"
        raise PhaseError(f"{title}: a copy adds {how} than order 1/L to a length; scale the branch by L^-1/2")
    slope = sympy.diff(flow, q)
    length = None
    if q not in slope.free_symbols and slope != 0:
        rest = sympy.expand(flow - slope * q)
        length = q * sympy.exp(slope) + rest * (sympy.exp(slope) - 1) / slope
    return DepthFlow(title, flow, length)
