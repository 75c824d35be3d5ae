"""``Routine`` with positions → Python source of loops that numba compiles: pair by pair, line by line, over entries.

A line's entries stand in a row of ``work``. What is computed entry by entry goes through ``some``, a few entries in an
array of a fixed shape, so that the compiler sees what does not overlap and no branch stands in the way of vectors.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ntksym.codegen.arrays import given, parameters_of, stages
from ntksym.codegen.entries import Table
from ntksym.codegen.loops import crossing, module_around, read_by
from ntksym.codegen.scalars import COLUMNS
from ntksym.codegen.statements import LEFT, RIGHT, Gap, Linear, Routine, Statement, following
from ntksym.codegen.text import CUT, indented, lines_of


def entry_module(routine: Routine) -> str:
    """Source for numba, as ``loop_module``."""
    return module_around(entry_function(routine), routine)


def entry_function(routine: Routine) -> list[str]:
    """``pairs(products.., kept of both sides.., entries.., tables.., parameters, counts, results..)``."""
    rows = {name: k for k, name in enumerate(crossing(routine))}
    start = given(routine)
    arguments = [f"in_{name}" for name in start]
    arguments += [f"{side}{place}" for place in range(len(routine.pair)) for side in ("left", "right")]
    entries = [f"{side}_of{space}" for space in range(len(routine.spaces)) for side in ("left", "right")]
    arguments += [*entries, *(f"{name}{k}" for k in range(len(routine.windows)) for name in Table._fields)]
    arguments += ["parameters", "counts", *(f"out_{name}" for name in routine.outputs)]
    out = [f"def pairs({', '.join(arguments)}):"]
    out += indented([f"{name} = parameters[{k}]" for k, name in enumerate(parameters_of(routine))], 1)
    out.append(f"{CUT}rows, columns = in_{start[0]}.shape[:2]")
    out.append(f"{CUT}work = np.empty(({len(rows)}, max({', '.join(f'{name}.size' for name in entries[::2])})))")
    out.append(f"{CUT}some = np.empty(({_width(routine)}, {COLUMNS}))")
    out += [f"{CUT}for i in range(rows):", f"{CUT * 2}for j in range(columns):"]
    for name in start:
        if name in rows:
            out += [
                f"{CUT * 3}for e in range(in_{name}.shape[2]):",
                f"{CUT * 4}work[{rows[name]}, e] = in_{name}[i, j, e]",
            ]
    loops = 0
    for place, part in enumerate(routine.pair):
        depth, index = (3, "") if part.times is None else (4, "k, ")
        if part.times is not None:
            out.append(f"{CUT * 3}for k in range(counts[{loops}]):")
            loops += 1
        out += indented(_part(place, index, rows, routine), depth)
    out += indented([f"out_{name}[i, j] = work[{rows[name]}, 0]" for name in routine.outputs], 3)
    return out


def _part(place: int, index: str, rows: dict[str, int], routine: Routine) -> list[str]:
    """The loops of a part."""
    part, out = routine.pair[place], []
    cut = stages(part, routine)
    for number, (window, group) in enumerate(groupby(cut, key=_window)):
        together = list(group)
        if window is not None:
            out += _sums([stage[0] for stage in together], routine.windows.index(window), rows)
            continue
        for stage in together:
            name, x = stage[0]
            if isinstance(x, Gap):
                out += _gap(name, x, place, index, rows, routine)
            else:
                carried = part.carried if stage is cut[-1] else ()
                out += _stage(stage, f"s{number}", place, index, rows, carried, routine)
    made = {name for name, _ in cut[-1]} if cut else set()
    for name in part.carried:
        if following(name) not in made:
            size = f"left_of{routine.space_of(name)}.size"
            out += [f"for e in range({size}):", f"{CUT}work[{rows[name]}, e] = work[{rows[following(name)]}, e]"]
    return out


def _window(stage: tuple[Statement, ...]) -> Any:
    """The window of a sum, None for other stages."""
    x = stage[0][1]
    return x.window if isinstance(x, Linear) else None


def _sums(statements: list[Statement], table: int, rows: dict[str, int]) -> list[str]:
    """Lines moved by one window, all at once."""
    numbers = range(len(statements))
    out = [f"for e in range(index{table}.shape[0]):", *(f"{CUT}sum{n} = 0.0" for n in numbers)]
    out.append(f"{CUT}for t in range(index{table}.shape[1]):")
    out.append(f"{CUT * 2}source, factor = index{table}[e, t], weight{table}[e, t]")
    out += [f"{CUT * 2}sum{n} += factor * work[{rows[x.line]}, source]" for n, (_, x) in enumerate(statements)]
    return [*out, *(f"{CUT}work[{rows[name]}, e] = sum{n}" for n, (name, _) in enumerate(statements))]


def _gap(name: str, gap: Gap, place: int, index: str, rows: dict[str, int], routine: Routine) -> list[str]:
    kept, table = routine.kept[place], routine.windows.index(gap.window)
    names = (f"{gap.name}__c", gap.signs, f"{gap.line}__g", name)
    arguments = [f"work[{rows[each]}]" for each in names]
    arguments += [f"{field}{table}" for field in ("index", "place", "factor")]
    arguments += [f"{side}_of{gap.window.target}" for side in ("left", "right")]
    for end in gap.ends:
        arguments += [
            f"{side}{place}[{index}{kept.index(end)}, :, {at}]" for side, at in (("left", "i"), ("right", "j"))
        ]
    return [f"gaps({', '.join(arguments)})"]


def _stage(
    stage: tuple[Statement, ...],
    part: str,
    place: int,
    index: str,
    rows: dict[str, int],
    carried: tuple[str, ...],
    routine: Routine,
) -> list[str]:
    """A loop over some entries at a time: what it reads, its statements, what it leaves for others."""
    made = {name for name, _ in stage}
    read = read_by(stage)
    kept = _kept(stage, place, routine)
    size = f"left_of{routine.space_of(stage[0][0])}.size"
    before = [name for name in rows if name in read]
    after = {name: name for name in rows if name in made}
    after |= {name: following(name) for name in carried if following(name) in made}
    gathered = [
        f"some[{n}, e] = {side}{place}[{index}{routine.kept[place].index(name)}, {side}s[e], {at}]"
        for n, (name, end) in enumerate(kept)
        for side, at in ([("left", "i")] if end == LEFT else [("right", "j")])
    ]
    body = [f"{name} = from{rows[name]}[e]" for name in before]
    body += [f"{name}{end} = some[{n}, e]" for n, (name, end) in enumerate(kept)]
    body += lines_of(stage, part)
    body += [f"some[{len(kept) + n}, e] = {name}" for n, name in enumerate(after.values())]
    space = routine.space_of(stage[0][0])
    inner = [
        f"last = min(first + {COLUMNS}, {size})",
        f"lefts, rights = left_of{space}[first:last], right_of{space}[first:last]",
        *(f"from{rows[name]} = work[{rows[name]}, first:last]" for name in before),
        *(f"to{rows[name]} = work[{rows[name]}, first:last]" for name in after),
        "for e in range(last - first):",
        *indented(gathered or ["pass"], 1),
        "for e in range(last - first):",
        *indented(body, 1),
        "for e in range(last - first):",
        *indented([f"to{rows[name]}[e] = some[{len(kept) + n}, e]" for n, name in enumerate(after)], 1),
    ]
    return [f"for first in range(0, {size}, {COLUMNS}):", *indented(inner, 1)]


def _kept(stage: tuple[Statement, ...], place: int, routine: Routine) -> list[tuple[str, str]]:
    """What a stage reads of either input."""
    read = read_by(stage)
    return [(name, end) for name in routine.kept[place] for end in (LEFT, RIGHT) if name + end in read]


def _width(routine: Routine) -> int:
    """As many numbers of an entry as any stage may read of either input and leave."""
    return max(
        len(_kept(stage, place, routine)) + len(stage) + len(part.carried)
        for place, part in enumerate(routine.pair)
        for stage in stages(part, routine)
    )
