"""``Routine`` → Python source for arrays of any kind: what single inputs give, and all pairs at once."""

from __future__ import annotations

from typing import Any

from ntksym.codegen.statements import LEFT, RIGHT, SPECIAL, Gap, Linear, Part, Routine, Series, following, names_read
from ntksym.codegen.text import CUT, indented, lines_of, polynomial_function, text, unpacked


def array_module(routine: Routine) -> str:
    """Source for arrays: ``counts``, ``point``, ``pairs``; the functions that they call are to be in their globals."""
    blocks = [polynomial_function(name, x) for x, name in routine.polynomials.items()]
    blocks += [
        [f"def {function_of(name)}(z):", f"{CUT}return {text(x.phi)}"]
        for part in routine.point
        for name, x in part.statements
        if isinstance(x, Series)
    ]
    blocks += [counts_function(routine), point_function(routine), array_function(routine)]
    return "\n\n\n".join("\n".join(block) for block in blocks) + "\n"


def function_of(name: str) -> str:
    """What the activation of a series is called."""
    return f"phi_{name}"


def coefficients_of(name: str) -> tuple[str, str]:
    """What the Hermite coefficients of a series and their rests are called: ``name`` is the dual's or its sum's."""
    own = name.removesuffix("__sum")
    return f"{own}__a", f"{own}__rest"


def parameters_of(routine: Routine) -> tuple[str, ...]:
    """The hyperparameters and sizes that a routine reads."""
    found: set[str] = set()
    made = {line.name for line in routine.inputs}
    for part in (*routine.point, *routine.pair):
        made |= {name for name, _ in part.statements}
        if part.times is not None:
            found |= {s.name for s in part.times.free_symbols}
        for _, x in part.statements:
            found |= names_read(x)
    return tuple(sorted(name for name in found - made if "__" not in name))


def given(routine: Routine) -> tuple[str, ...]:
    """What pairs start from: products, and of some c and g."""
    out: list[str] = []
    for line in routine.inputs:
        out.append(line.name)
        if line.name in routine.angles:
            out += [f"{line.name}__c", f"{line.name}__g"]
    return tuple(out)


def renamed(part: Part) -> list[str]:
    """What is carried on, all at once."""
    if not part.carried:
        return []
    return [f"{', '.join(part.carried)} = {', '.join(map(following, part.carried))}"]


def counts_function(routine: Routine) -> list[str]:
    """``counts(parameters)``: how many rounds each loop has."""
    times = [part.times for part in routine.pair if part.times is not None]
    out = ["def counts(parameters):", *indented(unpacked(parameters_of(routine), "parameters"), 1)]
    return [*out, f"{CUT}return [{', '.join(map(text, times))}]"]


def point_function(routine: Routine) -> list[str]:
    """``point(inputs, parameters, counts, tables)``: what pairs read of each input, and its kernels with itself.

    Of each part, of each round of a loop: a list of numbers and one of Hermite coefficients. With positions kernels of
    inputs with themselves are those of pairs, and not among the results.
    """
    out = [
        "def point(inputs, parameters, counts, tables=()):",
        *indented(unpacked(parameters_of(routine), "parameters"), 1),
    ]
    out += indented(unpacked(tuple(line.name for line in routine.inputs), "inputs"), 1)
    out.append(f"{CUT}kept = []")
    loops = 0
    for part, pair, kept in zip(routine.point, routine.pair, routine.kept, strict=True):
        keep = f"([{', '.join(kept)}], [{', '.join(each for name in pair.series for each in coefficients_of(name))}])"
        body = _lines(part, routine)
        if part.times is None:
            out += indented([*body, f"kept.append({keep})"], 1)
            continue
        out += indented(["rounds = []", f"for _ in range(counts[{loops}]):"], 1)
        out += indented([*body, f"rounds.append({keep})", *renamed(part)], 2)
        out.append(f"{CUT}kept.append(rounds)")
        loops += 1
    out.append(f"{CUT}return kept, [{'' if routine.spaces else ', '.join(routine.outputs)}]")
    return out


def _lines(part: Part, routine: Routine) -> list[str]:
    """The statements for single inputs."""
    out: list[str] = []
    for k, stage in enumerate(stages(part, routine)):
        if isinstance(stage[0][1], Linear):
            ((name, x),) = stage
            out.append(f"{name} = along_alone({x.line}, tables[{routine.windows.index(x.window)}])")
            continue
        if isinstance(stage[0][1], Series):
            ((name, series),) = stage
            arguments = f"{function_of(name)}, {series.variance}, {series.parity}"
            own, rest = coefficients_of(name)
            out += [f"{own}, {rest} = coefficients({arguments})", f"{name} = squares({own})"]
        else:
            out += lines_of(stage, f"s{k}")
    return out


def stages(part: Part, routine: Routine) -> list[tuple[tuple[str, Any], ...]]:
    """The statements of a part cut into those of one space, and each that is no expression alone."""
    out: list[list[tuple[str, Any]]] = []
    before = None
    for name, x in part.statements:
        space = None if isinstance(x, SPECIAL) else routine.space_of(name)
        if space is None or space != before:
            out.append([])
        out[-1].append((name, x))
        before = space
    return [tuple(stage) for stage in out]


def array_function(routine: Routine) -> list[str]:
    """``pairs(products, left, right, parameters, counts, entries, tables)`` over arrays (entries, rows, columns)."""
    out = ["def pairs(products, left, right, parameters, counts, entries=(), tables=()):"]
    out += indented(unpacked(parameters_of(routine), "parameters"), 1)
    out += indented(unpacked(given(routine), "products"), 1)
    loops = 0
    for place, (part, kept) in enumerate(zip(routine.pair, routine.kept, strict=True)):
        index = "" if part.times is None else "[k]"
        body = []
        for end, side in ((LEFT, "left"), (RIGHT, "right")):
            if not routine.spaces:
                body += unpacked(tuple(name + end for name in kept), f"{side}[{place}][0]{index}")
            for k, name in enumerate(part.series):
                body.append(f"{coefficients_of(name)[0]}{end} = {side}[{place}][{2 * k + 1}]{index}")
        for k, stage in enumerate(stages(part, routine)):
            name, x = stage[0]
            if isinstance(x, Series):
                own, _ = coefficients_of(name)
                body.append(f"{name} = power_series({x.z}, {own}{LEFT}, {own}{RIGHT})")
            elif isinstance(x, Linear):
                body.append(f"{name} = along({x.line}, tables[{routine.windows.index(x.window)}])")
            elif isinstance(x, Gap):
                ends = [f"{side}[{place}][0]{index}[{kept.index(y)}]" for y in x.ends for side in ("left", "right")]
                table = f"tables[{routine.windows.index(x.window)}], entries[{x.window.target}]"
                body.append(f"{name} = gap({x.name}__c, {x.signs}, {x.line}__g, {table}, {', '.join(ends)})")
            else:
                body += _gathered(stage, kept, place, index, routine)
                body += lines_of(stage, f"s{k}")
        body += renamed(part)
        if part.times is None:
            out += indented(body, 1)
        else:
            out += [f"{CUT}for k in range(counts[{loops}]):", *indented(body, 2)]
            loops += 1
    out.append(f"{CUT}return [{', '.join(routine.outputs)}]")
    return out


def _gathered(
    stage: tuple[tuple[str, Any], ...], kept: tuple[str, ...], place: int, index: str, routine: Routine
) -> list[str]:
    """What statements read of either input, at the entries of their space."""
    read = set().union(*(names_read(x) for _, x in stage))
    entries = f"entries[{routine.space_of(stage[0][0])}]"
    return [
        f"{name}{end} = {function}({side}[{place}][0]{index}[{k}], {entries})"
        for end, side, function in ((LEFT, "left", "standing"), (RIGHT, "right", "lying"))
        for k, name in enumerate(kept)
        if routine.spaces and name + end in read
    ]
