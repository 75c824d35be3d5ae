"""``Routine`` with positions → Python source of loops that numba compiles: line by line, entry by entry, over pairs.

A line is an array (entries, pairs), the pairs of a block in a row. The loops over pairs are the innermost ones: windows
add whole rows, and what is computed entry by entry goes through ``some``, an array of a fixed shape, so that the
compiler sees what does not overlap and no branch stands in the way of vectors.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ntksym.codegen.arrays import given, parameters_of, stages
from ntksym.codegen.entries import Table
from ntksym.codegen.loops import crossing, module_around, read_by
from ntksym.codegen.scalars import COLUMNS, TERMS
from ntksym.codegen.statements import LEFT, RIGHT, Gap, Linear, Routine, Statement, following
from ntksym.codegen.text import CUT, indented, lines_of


def entry_module(routine: Routine) -> str:
    """Source for numba, as ``loop_module``."""
    return module_around(entry_function(routine), routine)


def entry_function(routine: Routine) -> list[str]:
    """``pairs(products.., kept of both sides.., entries.., tables.., parameters, counts, work, results..)``.

    ``work`` is an array (lines, entries, pairs) to write to.
    """
    rows = {name: k for k, name in enumerate(crossing(routine))}
    start = given(routine)
    arguments = [f"in_{name}" for name in start]
    arguments += [f"{side}{place}" for place in range(len(routine.pair)) for side in ("left", "right")]
    entries = [f"{side}_of{space}" for space in range(len(routine.spaces)) for side in ("left", "right")]
    arguments += [*entries, *(f"{name}{k}" for k in range(len(routine.windows)) for name in Table._fields)]
    arguments += ["parameters", "counts", "work", *(f"out_{name}" for name in routine.outputs)]
    out = [f"def pairs({', '.join(arguments)}):"]
    out += indented([f"{name} = parameters[{k}]" for k, name in enumerate(parameters_of(routine))], 1)
    out.append(f"{CUT}rows, columns = in_{start[0]}.shape[1:]")
    out.append(f"{CUT}pairs = rows * columns")
    out.append(f"{CUT}some = np.empty(({_width(routine)}, {COLUMNS}))")
    for name in start:
        if name in rows:
            out += [
                f"{CUT}for e in range(in_{name}.shape[0]):",
                f"{CUT * 2}for i in range(rows):",
                f"{CUT * 3}work[{rows[name]}, e, i * columns : (i + 1) * columns] = in_{name}[e, i]",
            ]
    loops = 0
    for place, part in enumerate(routine.pair):
        depth, index = (1, "") if part.times is None else (2, "k, ")
        if part.times is not None:
            out.append(f"{CUT}for k in range(counts[{loops}]):")
            loops += 1
        out += indented(_part(place, index, rows, routine), depth)
    out += [f"{CUT}for i in range(rows):"]
    out += indented(
        [f"out_{name}[i] = work[{rows[name]}, 0, i * columns : (i + 1) * columns]" for name in routine.outputs], 2
    )
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
            out.append(f"work[{rows[name]}, :{size}] = work[{rows[following(name)]}, :{size}]")
    return out


def _window(stage: tuple[Statement, ...]) -> Any:
    """The window of a sum, None for other stages."""
    x = stage[0][1]
    return x.window if isinstance(x, Linear) else None


def _sums(statements: list[Statement], table: int, rows: dict[str, int]) -> list[str]:
    """Lines moved by one window, all at once, some terms at a time."""
    terms = range(TERMS)
    out = [f"for e in range(index{table}.shape[0]):"]
    targets = [rows[name] for name, _ in statements]
    for target in targets:
        out += [f"{CUT}for p in range(pairs):", f"{CUT * 2}work[{target}, e, p] = 0.0"]
    out.append(f"{CUT}for t in range(0, index{table}.shape[1], {TERMS}):")
    out += [f"{CUT * 2}source{m}, times{m} = index{table}[e, t + {m}], weight{table}[e, t + {m}]" for m in terms]
    for target, (_, x) in zip(targets, statements, strict=True):
        total = " + ".join(f"times{m} * work[{rows[x.line]}, source{m}, p]" for m in terms)
        out += [f"{CUT * 2}for p in range(pairs):", f"{CUT * 3}work[{target}, e, p] += {total}"]
    return out


def _gap(name: str, gap: Gap, place: int, index: str, rows: dict[str, int], routine: Routine) -> list[str]:
    kept, table = routine.kept[place], routine.windows.index(gap.window)
    names = (f"{gap.name}__c", gap.signs, f"{gap.line}__g", name)
    arguments = [f"work[{rows[each]}]" for each in names]
    arguments += [f"{field}{table}" for field in ("index", "place", "factor")]
    arguments += [f"{side}_of{gap.window.target}" for side in ("left", "right")]
    arguments += [f"{side}{place}[{index}{kept.index(end)}]" for end in gap.ends for side in ("left", "right")]
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
    """A loop over entries: what it reads, its statements for all pairs, what it leaves for others."""
    made = {name for name, _ in stage}
    read = read_by(stage)
    kept = _kept(stage, place, routine)
    space = routine.space_of(stage[0][0])
    before = [name for name in rows if name in read]
    after = {name: name for name in rows if name in made}
    after |= {name: following(name) for name in carried if following(name) in made}
    read_at = {name: f"{place}[{index}{k}" for k, name in enumerate(routine.kept[place])}
    right = [(n, name) for n, (name, end) in enumerate(kept) if end == RIGHT]
    body = [f"{name} = work[{rows[name]}, e, first + j]" for name in before]
    body += [f"{name}{RIGHT} = some[{n}, j]" for n, name in right]
    body += lines_of(stage, part)
    body += [f"some[{len(kept) + n}, first + j] = {name}" for n, name in enumerate(after.values())]
    row = ["first = i * columns"]
    row += [f"{name}{LEFT} = left{read_at[name]}, left_of{space}[e], i]" for name, end in kept if end == LEFT]
    row += ["for j in range(columns):", *indented(body, 1)]
    inner = []
    for n, name in right:
        inner += ["for j in range(columns):", f"{CUT}some[{n}, j] = right{read_at[name]}, right_of{space}[e], j]"]
    inner += ["for i in range(rows):", *indented(row, 1)]
    for n, name in enumerate(after):
        inner += ["for p in range(pairs):", f"{CUT}work[{rows[name]}, e, p] = some[{len(kept) + n}, p]"]
    return [f"for e in range(left_of{space}.size):", *indented(inner, 1)]


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
