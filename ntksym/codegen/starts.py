"""What loops over entries start from: the inputs themselves, whose products, c and g are statements like all others."""

from __future__ import annotations

from dataclasses import replace

from ntksym._lazy import lazy
from ntksym.codegen.statements import LEFT, RIGHT, Apart, Inner, Part, Routine, Statement, inverse, symbol

sympy = lazy("sympy")


def from_inputs(routine: Routine) -> Routine:
    """A routine with positions that makes what it would be given: found entry by entry, it stays in the first cache."""
    alone: list[Statement] = []
    both: list[Statement] = []
    for name in (line.name for line in routine.inputs):
        both.append((name, Inner(name)))
        if name in routine.angles:
            own = f"{name}__h"
            alone.append((own, inverse(sympy.sqrt(symbol(name)))))
            both.append((f"{name}__c", symbol(name) * symbol(own + LEFT) * symbol(own + RIGHT)))
            both.append((f"{name}__g", Apart(name)))
    return replace(
        routine,
        point=_before(tuple(alone), routine.point),
        pair=_before(tuple(both), routine.pair),
        kept=_kept(tuple(name for name, _ in alone), routine),
    )


def _before(statements: tuple[Statement, ...], parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Parts that begin with these statements: the first one, if it is no loop, or one more."""
    first, *rest = parts
    if first.times is not None:
        return Part(statements), *parts
    return replace(first, statements=(*statements, *first.statements)), *rest


def _kept(names: tuple[str, ...], routine: Routine) -> tuple[tuple[str, ...], ...]:
    first, *rest = routine.kept
    return (names, *routine.kept) if routine.pair[0].times is not None else ((*names, *first), *rest)
