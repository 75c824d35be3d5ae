"""``Routine`` with positions → Python source of loops for single inputs, that numba compiles.

All numbers of one name, at all positions of all inputs, stand in a row: what pairs read in one of what is kept, what
only other loops read in one of ``lines``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ntksym.codegen.arrays import parameters_of, stages
from ntksym.codegen.loops import read_by
from ntksym.codegen.statements import Linear, Part, Routine, Statement, following
from ntksym.codegen.text import CUT, indented, lines_of


def point_loops(routine: Routine) -> list[str]:
    """``point(squares.., places and factors of tables.., parameters, counts)``: what pairs read of each input.

    Squares and results are arrays (positions, inputs) and (names, positions, inputs), in a loop with an axis for its
    rounds: one of each part.
    """
    rows = {name: row for row, name in enumerate(_lines(routine))}
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
        out += [f"for y in range(in_{line.name}.shape[0]):", f"{CUT}for j in range(inputs):"]
        out.append(f"{CUT * 2}lines[{rows[line.name]}, y * inputs + j] = in_{line.name}[y, j]")
    loops, found = 0, []
    for place, (part, kept) in enumerate(zip(routine.point, routine.kept, strict=True)):
        rounds, index = ("", "") if part.times is None else (f"counts[{loops}], ", "k, ")
        body = _Part(routine, part, kept, f"kept{place}[{index}", rows).loops()
        most = _most(routine.space_of(name) for name in kept)
        out.append(f"kept{place} = np.zeros(({rounds}{len(kept)}, {most} * inputs))")
        out += body if part.times is None else [f"for k in range(counts[{loops}]):", *indented(body, 1)]
        found.append(f"kept{place}.reshape({rounds}{len(kept)}, {most}, inputs)")
        loops += part.times is not None
    out.append(f"return ({', '.join(found)},)")
    return [f"def point({', '.join([*arguments, 'parameters', 'counts'])}):", *indented(out, 1)]


@dataclass(frozen=True)
class _Part:
    """A part's statements and what is ``kept`` of them, at ``there`` with the number of a name and a place."""

    routine: Routine
    part: Part
    kept: tuple[str, ...]
    there: str
    rows: dict[str, int]

    def loops(self) -> list[str]:
        out = [line for k, stage in enumerate(stages(self.part, self.routine)) for line in self._stage(stage, k)]
        for n, name in enumerate(self.kept):
            if name not in _made(self.part):
                out += [self._places(name), f"{CUT}{self.there}{n}, q] = lines[{self.rows[name]}, q]"]
        for name in self.part.carried:
            out += [self._places(name), f"{CUT}lines[{self.rows[name]}, q] = lines[{self.rows[following(name)]}, q]"]
        return out

    def _stage(self, stage: tuple[Statement, ...], number: int) -> list[str]:
        name, x = stage[0]
        if isinstance(x, Linear):
            table = self.routine.windows.index(x.window)
            return [f"alone(lines, {self.rows[x.line]}, {self.rows[name]}, place{table}, factor{table}, inputs)"]
        made = {own for own, _ in stage}
        body = [f"{each} = lines[{self.rows[each]}, q]" for each in sorted(read_by(stage) & self.rows.keys())]
        body += lines_of(stage, f"s{number}")
        body += [f"lines[{self.rows[each]}, q] = {each}" for each, _ in stage if each in self.rows]
        body += [f"{self.there}{n}, q] = {each}" for n, each in enumerate(self.kept) if each in made]
        return [self._places(name), *indented(body, 1)]

    def _places(self, name: str) -> str:
        return f"for q in range(positions{self.routine.space_of(name)} * inputs):"


def _most(spaces: Iterable[int]) -> str:
    """The largest number of positions of these spaces."""
    several = [f"positions{space}" for space in sorted(set(spaces))]
    return f"max({', '.join(several)})" if len(several) > 1 else "".join(several) or "1"


def _made(part: Part) -> set[str]:
    """What loops over places make."""
    return {name for name, x in part.statements if not isinstance(x, Linear)}


def _lines(routine: Routine) -> list[str]:
    """The names that other loops read than those that make them."""
    found = {line.name for line in routine.inputs}
    for part, kept in zip(routine.point, routine.kept, strict=True):
        found |= set().union(*map(read_by, stages(part, routine)))
        found |= {name for name, _ in part.statements} - _made(part) | set(kept) - _made(part)
        found |= {each for name in part.carried for each in (name, following(name))}
    return sorted(found.difference(parameters_of(routine)))
