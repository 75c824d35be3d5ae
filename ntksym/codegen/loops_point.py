"""``Routine`` with positions → Python source of loops for single inputs, that numba compiles.

All numbers of one line, at all positions of all inputs, stand in a row of ``lines``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ntksym.codegen.arrays import parameters_of, stages
from ntksym.codegen.statements import Linear, Routine, Statement, following, names_read
from ntksym.codegen.text import CUT, indented, lines_of


def point_loops(routine: Routine) -> list[str]:
    """``point(squares.., places and factors of tables.., parameters, counts)``: what pairs read of each input.

    Squares and results are arrays (positions, inputs) and (names, positions, inputs), in a loop with an axis for its
    rounds: one of each part.
    """
    rows = {name: row for row, name in enumerate(_names(routine))}
    tables = [k for k, window in enumerate(routine.windows) if window.keeps_diagonals]
    positions = {routine.windows[k].target: f"place{k}.shape[0]" for k in tables}
    positions |= {routine.space_of(line.name): f"in_{line.name}.shape[0]" for line in routine.inputs} | {0: "1"}
    arguments = [f"in_{line.name}" for line in routine.inputs]
    arguments += [f"{name}{k}" for k in tables for name in ("place", "factor")]
    out = [f"{name} = parameters[{k}]" for k, name in enumerate(parameters_of(routine))]
    out += [f"positions{space} = {count}" for space, count in sorted(positions.items())]
    out.append(f"inputs = in_{routine.inputs[0].name}.shape[1]")
    out.append(f"lines = np.empty(({len(rows)}, {_most(positions)} * inputs))")
    for line in routine.inputs:
        out.append(f"lines[{rows[line.name]}, : in_{line.name}.size] = in_{line.name}.ravel()")
    loops = 0
    for place, (part, kept) in enumerate(zip(routine.point, routine.kept, strict=True)):
        once = part.times is None
        rounds, index = ("", "") if once else (f"counts[{loops}], ", "k, ")
        body = [each for k, stage in enumerate(stages(part, routine)) for each in _stage(stage, k, rows, routine)]
        for n, name in enumerate(kept):
            body += [f"for y in range(positions{routine.space_of(name)}):", f"{CUT}for j in range(inputs):"]
            body.append(f"{CUT * 2}kept{place}[{index}{n}, y, j] = lines[{rows[name]}, y * inputs + j]")
        body += [f"lines[{rows[name]}] = lines[{rows[following(name)]}]" for name in part.carried]
        most = _most({routine.space_of(name): None for name in kept})
        out.append(f"kept{place} = np.zeros(({rounds}{len(kept)}, {most}, inputs))")
        out += body if once else [f"for k in range(counts[{loops}]):", *indented(body, 1)]
        loops += not once
    out.append(f"return ({', '.join(f'kept{place}' for place in range(len(routine.point)))},)")
    return [f"def point({', '.join([*arguments, 'parameters', 'counts'])}):", *indented(out, 1)]


def _most(spaces: Iterable[int]) -> str:
    """The largest number of positions of these spaces."""
    several = [f"positions{space}" for space in sorted(spaces)]
    return f"max({', '.join(several)})" if len(several) > 1 else "".join(several) or "1"


def _names(routine: Routine) -> list[str]:
    """What stands in ``lines``."""
    found = dict.fromkeys(line.name for line in routine.inputs)
    for part in routine.point:
        found.update(dict.fromkeys(name for name, _ in part.statements))
        found.update(dict.fromkeys(part.carried))
    return list(found)


def _stage(stage: tuple[Statement, ...], number: int, rows: dict[str, int], routine: Routine) -> list[str]:
    name, x = stage[0]
    if isinstance(x, Linear):
        table = routine.windows.index(x.window)
        return [f"alone(lines, {rows[x.line]}, {rows[name]}, place{table}, factor{table}, inputs)"]
    made = {own for own, _ in stage}
    read = set().union(*(names_read(each) for _, each in stage)) - made
    body = [f"{name} = lines[{rows[name]}, q]" for name in sorted(read & rows.keys())]
    body += lines_of(stage, f"s{number}")
    body += [f"lines[{rows[name]}, q] = {name}" for name, _ in stage]
    return [f"for q in range(positions{routine.space_of(name)} * inputs):", *indented(body, 1)]
