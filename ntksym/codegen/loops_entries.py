"""``Routine`` with positions → Python source of loops that numba compiles: entry by entry, many pairs at once.

A block of pairs is done in strips of some rows. A line that other entries read is an array (entries, pairs of a strip)
of ``work``. All else stays with its entry in a row of ``some``: one array of a fixed shape, small enough for the first
cache, so that the compiler sees what does not overlap and no branch stands in the way of vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ntksym.codegen.arrays import parameters_of, stages
from ntksym.codegen.entries import Table
from ntksym.codegen.loops import module_around, read_by
from ntksym.codegen.loops_point import point_loops
from ntksym.codegen.scalars import COLUMNS, ROOM
from ntksym.codegen.statements import LEFT, RIGHT, SPECIAL, Apart, Gap, Inner, Linear, Routine, Statement, following
from ntksym.codegen.text import CUT, indented, lines_of

Stage = tuple[Statement, ...]
SIDES = ("left", "right")
DIRECT = 4
"""Lines, at most, that one loop writes for other entries without a detour."""


def entry_module(routine: Routine) -> str:
    """Source for numba, as ``loop_module``."""
    return module_around(routine, entry_function(routine), point_loops(routine))


def work_lines(routine: Routine) -> int:
    """How many lines ``work`` is to have."""
    return len(_Layout(routine).lines)


def entry_function(routine: Routine) -> list[str]:
    """``pairs(inputs.., kept.., entries.., tables.., parameters, counts, start, stop, strip, reach, work, results..)``.

    Inputs of both sides are (positions, coordinates, inputs). Rows from ``start`` to ``stop`` are done, ``strip`` of
    them together; of row i the first ``reach`` + i + 1 columns are needed, of which the last is its own. ``work`` is an
    array (lines, entries, pairs) to write to.
    """
    layout = _Layout(routine)
    arguments = [f"{side}_{line.name}" for line in routine.inputs for side in SIDES]
    arguments += [f"{side}{place}" for place in range(len(routine.pair)) for side in SIDES]
    arguments += [f"{side}_of{space}" for space in range(len(routine.spaces)) for side in SIDES]
    arguments += [f"{name}{k}" for k in range(len(routine.windows)) for name in Table._fields]
    arguments += [
        "parameters",
        "counts",
        "start",
        "stop",
        "strip",
        "reach",
        "work",
        *(f"out_{name}" for name in routine.outputs),
    ]
    start = ["full_width()"]
    start += [f"{name} = parameters[{k}]" for k, name in enumerate(parameters_of(routine))]
    start += [f"all_{name} = work[{row}]" for row, name in enumerate(layout.lines)]
    start.append(f"some = np.empty(({layout.width}, {COLUMNS}))")
    # by name: a function that is called with several numbers is compiled once for each of them
    start += [f"row{k} = some[{k}]" for k in range(layout.width - ROOM)]
    shape = f"out_{routine.outputs[0]}.shape"
    body = ["rows = min(strip, stop - top)", f"columns = min({shape}[1], reach + top + rows)"]
    body.append("pairs = rows * columns")
    loops = 0
    for part, groups in zip(routine.pair, layout.groups, strict=True):
        inner = [line for group in groups for line in group.loop(layout)]
        both = [(f"all_{name}", f"all_{following(name)}") for name in part.carried]
        inner += [f"{old}, {new} = {new}, {old}" for old, new in both]
        if part.times is None:
            body += inner
        else:
            body += [f"for k in range(counts[{loops}]):", *indented(inner, 1)]
            loops += 1
    body += ["for i in range(rows):", f"{CUT}for j in range(columns):"]
    body += [f"{CUT * 2}out_{name}[top + i, j] = all_{name}[0, i * columns + j]" for name in routine.outputs]
    strips = ["for top in range(start, stop, strip):", *indented(body, 1)]
    return [f"def pairs({', '.join(arguments)}):", *indented([*start, *strips], 1)]


@dataclass(frozen=True)
class _Group:
    """Stages of one part and one space that one loop over entries does, none of which reads other entries of another.

    ``index`` comes first in what is kept of either input: the round of a loop.
    """

    place: int
    index: str
    space: int
    stages: tuple[Stage, ...]

    @cached_property
    def made(self) -> set[str]:
        return {name for stage in self.stages for name, _ in stage}

    @cached_property
    def read(self) -> set[str]:
        """What it reads and does not make."""
        return read_by(tuple(statement for stage in self.stages for statement in stage))

    def rows(self, layout: _Layout) -> dict[str, int]:
        """Rows of ``some``: what is read of the inputs of columns, and what one stage makes and another one reads."""
        kept = layout.routine.kept[self.place]
        expressions = [stage for stage in self.stages if not isinstance(stage[0][1], SPECIAL)]
        names = [name + RIGHT for name in kept if any(name + RIGHT in read_by(stage) for stage in expressions)]
        later = set().union(*(read_by(stage) for stage in self.stages), layout.lines)
        direct = set().union(*(self.direct(stage, layout) for stage in self.stages))
        names += [name for stage in self.stages for name, _ in stage if name in later - direct]
        names += [x.cosine for x in self.gaps if x.cosine not in names]
        return {name: row for row, name in enumerate(names)}

    @cached_property
    def gaps(self) -> list[Gap | Apart]:
        return [x for stage in self.stages for _, x in stage if isinstance(x, Gap | Apart)]

    def direct(self, stage: Stage, layout: _Layout) -> set[str]:
        """Lines that a stage writes where others read them: few, as the compiler compares where each of them lies."""
        made = {name for name, x in stage if name in layout.lines and not isinstance(x, SPECIAL)}
        return made - {x.cosine for x in self.gaps} if len(made) <= DIRECT else set()

    def loop(self, layout: _Layout) -> list[str]:
        """The loop over entries."""
        rows, windows = self.rows(layout), layout.routine.windows
        body: list[str] = []
        for name, row in rows.items():
            if name.endswith(RIGHT):
                source = self._kept(name.removesuffix(RIGHT), "right", f"right_of{self.space}[e], j", layout)
                body += ["for j in range(columns):", f"{CUT}some[{row}, j] = {source}"]
        for x in self.gaps:
            if x.cosine not in self.made:
                row = rows[x.cosine]
                body += ["for p in range(pairs):", f"{CUT}some[{row}, p] = all_{x.cosine}[e, p]", *_near(x, rows)]
        for number, stage in enumerate(self.stages):
            name, x = stage[0]
            if isinstance(x, Linear):
                table = windows.index(x.window)
                body.append(f"sums(e, pairs, all_{x.line}, row{rows[name]}, index{table}, weight{table})")
            elif isinstance(x, Inner):
                arguments = ["e", "top", "rows", "columns", f"row{rows[name]}", "some", f"{layout.width - ROOM}"]
                arguments += [f"{side}_{x.line}" for side in SIDES] + [f"{side}_of{self.space}" for side in SIDES]
                body.append(f"products({', '.join(arguments)})")
            elif isinstance(x, Gap | Apart):
                body += self._gap(x, rows, layout)
            elif len(self.stages) == 1 and (copied := _copied(stage, layout)):
                return copied
            else:
                body += self._expressions(stage, f"s{number}", rows, layout)
        for name, row in rows.items():
            if name in self.made and name in layout.lines:
                body += ["for p in range(pairs):", f"{CUT}all_{name}[e, p] = some[{row}, p]"]
        ends = dict.fromkeys(end for x in self.gaps for end in x.ends)
        views = [f"{side}_{end} = {self._kept(end, side, '', layout)}" for end in ends for side in SIDES]
        return [*views, f"for e in range(left_of{self.space}.size):", *indented(body, 1)]

    def _kept(self, name: str, side: str, place: str, layout: _Layout) -> str:
        """What is kept of an input, of all positions or at one."""
        number = layout.routine.kept[self.place].index(name)
        return f"{side}{self.place}[{self.index}{number}{', ' if place else ''}{place}]"

    def _gap(self, gap: Gap | Apart, rows: dict[str, int], layout: _Layout) -> list[str]:
        """1 - |c| of close pairs, by a function of its own, which an input beside itself does not need."""
        row = rows[f"{gap.name}__g"]
        arguments = ["e", "top", "columns", "pairs", "reach", f"row{rows[gap.cosine]}", f"row{row}"]
        if isinstance(gap, Gap):
            table = layout.routine.windows.index(gap.window)
            arguments += [f"all_{gap.signs}", f"all_{gap.line}__g"]
            arguments += [f"{name}{table}" for name in ("index", "place", "factor")]
        else:
            arguments += [f"{side}_{gap.name}" for side in SIDES]
        arguments += [f"{side}_of{self.space}" for side in SIDES]
        arguments += [f"{side}_{end}" for end in gap.ends for side in SIDES]
        same = f"left_of{self.space}[e] == right_of{self.space}[e]"
        return [
            f"own = reach + top if {same} and reach + top < columns else pairs",
            "for p in range(own, pairs, columns + 1):",
            f"{CUT}if some[{row}, p] < CLOSE:",
            f"{CUT * 2}near_{gap.name} -= 1",
            f"{CUT * 2}some[{row}, p] = 0.0",
            f"if near_{gap.name} > 0:",
            f"{CUT}{'gaps' if isinstance(gap, Gap) else 'apart'}({', '.join(arguments)})",
        ]

    def _expressions(self, stage: Stage, part: str, rows: dict[str, int], layout: _Layout) -> list[str]:
        """What a stage reads, its statements for all pairs, what it leaves for others."""
        read = read_by(stage)
        kept = [name for name in layout.routine.kept[self.place] if name + LEFT in read]
        row = ["first = i * columns"]
        row += [
            f"{name}{LEFT} = {self._kept(name, 'left', f'left_of{self.space}[e], top + i', layout)}" for name in kept
        ]
        made = {own for own, _ in stage}
        body = [f"{name} = all_{name}[e, first + j]" for name in sorted({*layout.lines} & read - rows.keys() - made)]
        for name, k in rows.items():
            if name in read - made:
                body.append(f"{name} = some[{k}, {'' if name.endswith(RIGHT) else 'first + '}j]")
        body += lines_of(stage, part)
        body += [f"some[{rows[name]}, first + j] = {name}" for name, _ in stage if name in rows]
        body += [f"all_{name}[e, first + j] = {name}" for name, _ in stage if name in self.direct(stage, layout)]
        near = []
        for gap in self.gaps:
            if gap.cosine in made:
                near.append(f"near_{gap.name} = 0")
                body += _lacking(gap, rows, gap.cosine, "first + j")
        return [*near, "for i in range(rows):", *indented([*row, "for j in range(columns):", *indented(body, 1)], 1)]


class _Layout:
    """The groups of all parts, and the lines that cross from one group to another: names of rows of ``work``."""

    def __init__(self, routine: Routine) -> None:
        self.routine = routine
        self.groups = [_groups(routine, place) for place in range(len(routine.pair))]
        groups = [group for part in self.groups for group in part]
        self.carried = carried = {name for part in routine.pair for name in part.carried}
        made = set().union(*(group.made for group in groups))
        crossing = made & set().union(*(group.read for group in groups)) | set(routine.outputs)
        moved = set().union(*(sources(stage) for group in groups for stage in group.stages))
        self.lines = sorted(crossing | moved | carried | {following(name) for name in carried})

    @cached_property
    def width(self) -> int:
        """As many rows of ``some`` as any group needs, the last ones for inner products."""
        return max((len(group.rows(self)) for part in self.groups for group in part), default=0) + ROOM


def sources(stage: Stage) -> set[str]:
    """The lines of which a stage reads other entries than its own."""
    x = stage[0][1]
    return {x.line} if isinstance(x, Linear) else {f"{x.line}__g", x.signs} if isinstance(x, Gap) else set()


def _groups(routine: Routine, place: int) -> list[_Group]:
    part, out = routine.pair[place], list[_Group]()
    index = "" if part.times is None else "k, "
    for stage in stages(part, routine):
        name, x = stage[0]
        space = x.window.target if isinstance(x, Linear | Gap) else routine.space_of(name)
        if out and space == out[-1].space and not sources(stage) & out[-1].made:
            out[-1] = _Group(place, index, space, (*out[-1].stages, stage))
        else:
            out.append(_Group(place, index, space, (stage,)))
    return out


def _lacking(gap: Gap | Apart, rows: dict[str, int], cosine: str, place: str) -> list[str]:
    """1 - |c| of one pair, and whether it is so little that digits are missing."""
    row = rows[f"{gap.name}__g"]
    return [f"lack = 1 - abs({cosine})", f"some[{row}, {place}] = lack", f"near_{gap.name} += lack < CLOSE"]


def _near(gap: Gap | Apart, rows: dict[str, int]) -> list[str]:
    """As ``_lacking``, of all pairs whose cosines are there."""
    each = _lacking(gap, rows, f"some[{rows[gap.cosine]}, p]", "p")
    return [f"near_{gap.name} = 0", "for p in range(pairs):", *indented(each, 1)]


def _copied(stage: Stage, layout: _Layout) -> list[str]:
    """A line that is another one under a new name, in no loop at all; not one that is carried on, and written over."""
    ((name, x), *others) = stage
    source = str(getattr(x, "name", ""))
    same = not others and {name, source} <= set(layout.lines) and name not in layout.carried
    return [f"all_{name} = all_{source}"] if same else []
