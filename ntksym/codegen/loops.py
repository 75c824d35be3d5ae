"""``Routine`` → Python source of loops that numba compiles: row by row of a block, layer by layer, columns in vectors.

What one loop over the columns makes and another one reads stands in a row of ``work``: one array of a fixed shape, so
that the compiler sees that its rows do not overlap, and no branch stands in the way of vectors.
"""

from __future__ import annotations

import inspect
from typing import Any

from ntksym.codegen import scalars
from ntksym.codegen.arrays import coefficients_of, given, parameters_of, stages
from ntksym.codegen.statements import LEFT, RIGHT, Routine, Series, following, names_read
from ntksym.codegen.text import CUT, indented, lines_of, polynomial_function


def loop_module(routine: Routine) -> str:
    """Source for numba: ``pairs`` and the ready-made functions are compiled when they are first called."""
    return module_around(routine, loop_function(routine))


def module_around(routine: Routine, pairs: list[str], point: list[str] | None = None) -> str:
    """A module of these functions and of all that they call."""
    freedom = "{" + ", ".join(f'"{each}"' for each in sorted(scalars.FREEDOM)) + "}"
    head = [
        "import math",
        "from typing import Any as Array",
        "from math import atan, cos, cosh, erf, erfc, exp, log, sin, sinh, sqrt, tanh",
        "",
        "import numpy as np",
        "from numba import njit",
        "",
        "from ntksym.codegen.vectors import widening",
        "",
        f'small = njit(error_model="numpy", fastmath={freedom})',
        f'compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={freedom})',
        'exact = njit(nogil=True, cache=True, error_model="numpy")',
        f'inlined = njit(forceinline=True, error_model="numpy", fastmath={freedom})',
        "full_width = widening()",
        *(f"{name} = {getattr(scalars, name)!r}" for name in scalars.CONSTANTS),
    ]
    loops = "\n".join(pairs) + "\n"
    alone = "\n".join(point or []) + "\n"
    functions = ["\n".join(["@small", *polynomial_function(name, x), ""]) for x, name in routine.polynomials.items()]
    used = loops + alone
    for function in (scalars.needed, *reversed(scalars.FUNCTIONS)):  # those that others call stand first
        if f"{function.__name__}(" in used:
            functions.insert(0, f"@small\n{inspect.getsource(function)}")
            used += functions[0]
    functions += [f"@inlined\n{inspect.getsource(f)}" for f in scalars.INLINED if f"{f.__name__}(" in used]
    functions += [f"@exact\n{_wide(function)}" for function in scalars.DIFFERENCES]
    functions += [f"@compiled\n{_wide(function)}" for function in scalars.BLOCKS]
    functions += [f"@exact\n{alone}"] if point else []
    functions += [f"@compiled\n{loops}"]
    return "\n".join(head) + "\n\n\n" + "\n\n".join(functions)


def _wide(function: Any) -> str:
    """A function of blocks with vectors of the full width, as ``pairs`` has them."""
    head, end, body = inspect.getsource(function).rpartition('"""\n')
    return f"{head}{end}{CUT}full_width()\n{body}"


def loop_function(routine: Routine) -> list[str]:
    """``pairs(products.., kept of both sides.., parameters, counts, results..)``."""
    rows = {name: f"work[{k}, j]" for k, name in enumerate(crossing(routine))}
    start = given(routine)
    arguments = [f"in_{name}" for name in start]
    for place, part in enumerate(routine.pair):
        for end in ("", *(f"_{each}" for name in part.series for each in coefficients_of(name))):
            arguments += [f"left{place}{end}", f"right{place}{end}"]
    arguments += ["parameters", "counts", *(f"out_{name}" for name in routine.outputs)]
    out = [f"def pairs({', '.join(arguments)}):", f"{CUT}full_width()"]
    out += indented([f"{name} = parameters[{k}]" for k, name in enumerate(parameters_of(routine))], 1)
    out += indented(
        [f"rows, columns = in_{start[0]}.shape", f"work = np.empty(({len(rows) or 1}, {scalars.COLUMNS}))"], 1
    )
    out.append(f"{CUT}for i in range(rows):")
    loops = 0
    if start_rows := [name for name in start if name in rows]:
        out.append(f"{CUT * 2}for j in range(columns):")
        out += indented([f"{rows[name]} = in_{name}[i, j]" for name in start_rows], 3)
    for place, (part, kept) in enumerate(zip(routine.pair, routine.kept, strict=True)):
        depth, index = (2, "") if part.times is None else (3, "k, ")
        if part.times is not None:
            out.append(f"{CUT * 2}for k in range(counts[{loops}]):")
            loops += 1
        out += indented([f"{name}{LEFT} = left{place}[{index}{n}, i]" for n, name in enumerate(kept)], depth)
        right = {f"{name}{RIGHT}": f"right{place}[{index}{n}, j]" for n, name in enumerate(kept)}
        cut = stages(part, routine)
        for number, stage in enumerate(cut):
            if isinstance(stage[0][1], Series):
                out += indented(_series(stage[0][0], stage[0][1], place, index, rows), depth)
                continue
            last = number == len(cut) - 1
            out += _stage(stage, f"s{number}", right, rows, depth, part.carried if last else ())
        if part.carried and (not cut or isinstance(cut[-1][0][1], Series)):
            out += _stage((), "", right, rows, depth, part.carried)
    out.append(f"{CUT * 2}for j in range(columns):")
    out += indented([f"out_{name}[i, j] = {rows[name]}" for name in routine.outputs], 3)
    return out


def _stage(
    stage: tuple[tuple[str, Any], ...],
    part: str,
    right: dict[str, str],
    rows: dict[str, str],
    depth: int,
    carried: tuple[str, ...],
) -> list[str]:
    """One loop over the columns: what it reads, its statements, what it leaves for others."""
    made = {name for name, _ in stage}
    read = read_by(stage) | ({following(name) for name in carried} - made)
    body = [f"{name} = {right[name]}" for name in sorted(read & right.keys())]
    body += [f"{name} = {rows[name]}" for name in rows if name in read]
    body += lines_of(stage, part)
    body += [f"{rows[name]} = {name}" for name in rows if name in made]
    body += [f"{rows[name]} = {following(name)}" for name in carried]
    return [f"{CUT * depth}for j in range(columns):", *indented(body, depth + 1)] if body else []


def _series(name: str, series: Series, place: int, index: str, rows: dict[str, str]) -> list[str]:
    """Horner's rule along a power series, four coefficients at a time, as many as the largest variable needs."""
    (left, left_rest), (right, right_rest) = (
        [f"{side}{place}_{each}" for each in coefficients_of(name)] for side in ("left", "right")
    )
    out = ["largest = 0.0", "for j in range(columns):"]
    out += [f"{CUT}largest = max(largest, abs({rows[series.z]}))", f"{CUT}{rows[name]} = 0.0"]
    out += [
        f"terms = needed(largest, {left_rest}[{index}:, i], {right_rest}[{index}:, 0])",
        "for t in range(terms - 4, -1, -4):",
    ]
    out += [f"{CUT}a{n} = {left}[{index}t + {n}, i]" for n in range(4)]
    out += [f"{CUT}for j in range(columns):", f"{CUT * 2}z = {rows[series.z]}", f"{CUT * 2}s = {rows[name]}"]
    out += [f"{CUT * 2}s = s * z + a{n} * {right}[{index}t + {n}, j]" for n in (3, 2, 1, 0)]
    return [*out, f"{CUT * 2}{rows[name]} = s"]


def read_by(stage: tuple[tuple[str, Any], ...]) -> set[str]:
    """What a stage reads and does not make itself."""
    own: set[str] = set()
    found: set[str] = set()
    for name, x in stage:
        found |= names_read(x) - own
        own.add(name)
    return found


def crossing(routine: Routine) -> list[str]:
    """Names that one loop over the columns makes and another one reads, and the outputs."""
    found: dict[str, None] = {}
    made = set(given(routine))
    for part in routine.pair:
        for stage in stages(part, routine):
            found.update(dict.fromkeys(sorted(read_by(stage) & made)))
            made |= {name for name, _ in stage}
            if isinstance(stage[0][1], Series):
                found.update(dict.fromkeys([stage[0][0], stage[0][1].z]))
        last = {name for name, _ in stages(part, routine)[-1]} if part.statements else set()
        for name in part.carried:
            found[name] = None
            if following(name) not in last:
                found[following(name)] = None
        made |= set(part.carried)
    found.update(dict.fromkeys(routine.outputs))
    return list(found)
