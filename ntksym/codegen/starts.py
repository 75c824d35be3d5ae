"""What loops over entries start from: the inputs themselves, whose products, c and g are statements like all others."""

from __future__ import annotations

from dataclasses import replace

from ntksym._lazy import lazy
from ntksym.codegen.statements import LEFT, RIGHT, Apart, Inner, Routine, Statement, inverse, symbol

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
    point, pair = (  # the first part is no loop
        (replace(first, statements=(*own, *first.statements)), *rest)
        for own, (first, *rest) in ((alone, routine.point), (both, routine.pair))
    )
    kept, *others = routine.kept
    return replace(routine, point=point, pair=pair, kept=((*(name for name, _ in alone), *kept), *others))
