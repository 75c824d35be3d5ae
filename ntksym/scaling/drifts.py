"""How far training carries a network from its start, relative to it: parameters, values and the tangent kernel.

A value or parameter of initial size s that moves by d drifts by d / s. The kernel K is an average over coordinates of
products of values and of gradients. Say that a factor drifts by e and is averaged over N coordinates. Then the drift
of K is the largest of

- e^2, the second order;
- e / sqrt(N), the first order, whose terms have random signs: a change of a coordinate is proportional to the weight
  that reads it, and these weights have mean zero;
- e, if an activation with a corner reads the value: its slope jumps at every coordinate that crosses the corner, a
  share e of all, and there the sum over signs does not vanish, because the gradient that moves a coordinate is another
  one on the other side of the corner.

So under ntp, where e = N^(-1/2), the kernel of a smooth network drifts by 1/N (Dyer and Gur-Ari 2020; Huang and Yau
2020), that of a piecewise linear network by N^(-1/2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ScalingError
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, mpmath_function, symbols
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.language.types import Type
from ntksym.scaling.cells import over_cells
from ntksym.scaling.cones import Cone, Form, highest
from ntksym.scaling.facts import LOOPS, STRUCTURAL
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import Parametrization
from ntksym.scaling.setting import Optimizers, Setting, as_program, optimizer_text, setting_of
from ntksym.scaling.solve import solve
from ntksym.scaling.training import Run, inner_values, relative
from ntksym.scaling.verdict import STEPS, run_of

breaks = lazy("ntksym.gaussian.pieces")  # brings SymPy along
mpmath = lazy("mpmath")

DIGITS, SAME = 30, 1e-12
SWITCHES = frozenset(("top_k",))
"""Operations that choose among what they read."""
MOVED = STRUCTURAL | LOOPS | {"carry", "element"}
"""Operations whose value is another one, moved: its drift is told once."""


@dataclass(frozen=True)
class Drifts:
    """Growth exponents of relative changes in training, by the names of parameters and values.

    ``kernel`` is None where powers do not decide it: in lazy networks with a selection of the largest, a weight that
    starts at zero, an activation whose corners are not known, or an inner value of fixed width (what follows it is a
    function of few numbers that training changes, and so is its gradient). What starts at zero has no relative change
    and is left out.
    """

    program: str
    large: tuple[str, ...]
    optimizer: str
    parametrization: str
    parameters: tuple[tuple[str, Growth], ...]
    values: tuple[tuple[str, Growth], ...]
    kernel: Growth | None


def predict_drifts(
    program: Program | Architecture,
    *,
    optimizer: Optimizers = "sgd",
    parametrization: str | Parametrization = "mup",
    alignment: str = "tensor_programs",
    large: Sequence[str] | None = None,
) -> Drifts:
    """The relative changes that a finite number of steps with the derived table brings.

    Parameters are compared in the Frobenius norm: the update of a matrix is a few outer products, whose entries are
    as large as the aligned entry that the derivation counts. Arguments are those of ``scaling_table``. Raises
    ScalingError where the table does not exist, or training with it does not.

    Example:
        >>> import ntksym as ns
        >>> for phi in (ns.tanh, ns.relu):
        ...     drifts = ns.predict_drifts(ns.zoo.load("mlp")(phi=phi), parametrization="ntp")
        ...     print(phi, "networks: the tangent kernel drifts by", drifts.kernel)
        ...
        tanh networks: the tangent kernel drifts by n^-1
        relu networks: the tangent kernel drifts by n^(-1/2)
    """
    program = as_program(program)
    setting = setting_of(program, optimizer, parametrization, alignment)

    def derive(cone: Cone) -> Run:
        run = run_of(setting, solve(setting, cone), STEPS)
        if run.runaway:
            raise ScalingError(run.runaway)
        return run

    found = over_cells(program, large, derive, setting.parametrization.powers())
    runs, nodes = found.values(), setting.facts.program.nodes

    def drifts(keys: Iterable[int], drift: Callable[[Run, int], Form]) -> Iterator[tuple[int, Growth]]:
        for key in keys:
            if all(drift(run, key).finite for run in runs):
                yield key, found.certainly(lambda run, key=key: drift(run, key))  # type: ignore[misc]

    inner = [key for key in inner_values(setting) if nodes[key].op not in MOVED]
    return Drifts(
        program.name,
        found.large,
        optimizer_text(optimizer),
        setting.parametrization.name,
        tuple((nodes[k].name, g) for k, g in drifts((p.id for p in program.parameters), parameter_drift)),
        tuple((setting.named[k], g) for k, g in drifts(inner, value_drift)),
        found.growth(lambda run: kernel_drift(setting, run)),
    )


def parameter_drift(run: Run, key: int) -> Form:
    """An update's entry over the initial one; infinite where there is no update, or a start at zero."""
    update, entry = run.state.update[key], run.state.entry[key]
    return update - entry if entry.finite else run.state.cone.unbounded


def value_drift(run: Run, key: int) -> Form:
    """A value's change over its initial size."""
    start = run.state.init[key]
    return run.steps[-1][key] - start if start.finite else run.state.cone.unbounded


# --- the kernel ------------------------------------------------------------------------------------------


def kernel_drift(setting: Setting, run: Run) -> Form | None:
    """The drift of the tangent kernel, weighted with the learning rates; None where powers do not decide it."""
    known, zero = run.state.cone.never, run.state.cone.zero
    undecided = False
    for drift, coordinates, corner in _factors(setting, run):
        narrow = coordinates == zero
        undecided |= corner is None or narrow or drift.infinity > 0
        if drift.finite and not narrow:
            known = highest(known, drift.times(2), drift if corner else drift - coordinates / 2)
    # what is not known does not exceed order one in a stable network
    return None if undecided and known < zero else known


def _factors(setting: Setting, run: Run) -> Iterator[tuple[Form, Form, bool | None]]:
    """Whatever stands in the kernel: its drift, the number of its coordinates, whether a corner reads it."""
    facts, state = setting.facts, run.state
    nodes = facts.program.nodes

    def factor(key: int, corner: bool | None) -> tuple[Form, Form, bool | None]:
        type = nodes[key].type
        assert isinstance(type, Type)
        return relative(state, key, run.steps[-1][key]), state.cone.form(type.coord), corner

    for key in inner_values(setting):
        yield factor(key, False)
    for node in nodes.values():
        trained = [key for key in node.inputs if key in facts.trains]
        if node.op in SWITCHES:
            yield from (factor(key, None) for key in trained)
        if node.op == "map":
            corner = has_corner(node.attr("phi").expr)
            yield from (factor(key, corner) for key in trained)
        if node.op == "matmul" and len(trained) == 2:
            # gradients pass through the weight: W0 adds up independent terms, its update aligned ones
            rows, cols = state.fans(node)
            yield parameter_drift(run, node.inputs[0]) + rows / 2, cols, False


@lru_cache(maxsize=512)
def has_corner(phi: Expr) -> bool | None:
    """Whether a function or its slope jumps somewhere; None where that is not known."""
    if not breaks.has_kinks(phi):
        return False
    if len(symbols(phi)) != 1:
        return None
    try:
        found = breaks.pieces(phi)
    except NotMine:
        return None
    with mpmath.workdps(DIGITS):
        for i, place in enumerate(found.breaks):
            sides = (_at(piece, breaks.to_mpf(place, DIGITS)) for piece in found.values[i : i + 2])
            if any(abs(a - b) > SAME * (abs(a) + abs(b)) for a, b in zip(*sides, strict=True)):
                return True
    return False


def _at(piece: Expr, place: Any) -> tuple[Any, Any]:
    """A smooth function and its slope at one place."""
    names = symbols(piece)
    function = mpmath_function(piece, names)
    return (function(place), mpmath.diff(function, place)) if names else (function(), mpmath.mpf(0))
