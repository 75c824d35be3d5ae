"""``Routine`` → Python source: one text for arrays of any kind, one of loops that numba compiles."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.codegen import scalars
from ntksym.codegen.lower import LEFT, RIGHT, Part, Routine, Statement, following

sympy = lazy("sympy")
printers = lazy("sympy.printing.pycode")

CUT = "    "


@lru_cache(maxsize=1)
def _printer() -> Any:
    class Printer(printers.PythonCodePrinter):  # type: ignore[misc, name-defined]
        """Plain names for functions, products for small powers, constants as decimals."""

        def _print_Function(self, e: Any) -> str:
            return f"{e.func.__name__}({', '.join(map(self._print, e.args))})"

        _print_erf = _print_erfc = _print_asin = _print_acos = _print_atan = _print_exp = _print_log = _print_Function
        _print_sin = _print_cos = _print_sign = _print_tanh = _print_sinh = _print_cosh = _print_Function

        def _print_Pi(self, e: Any) -> str:
            return repr(float(sympy.pi))

        def _print_Rational(self, e: Any) -> str:
            return f"({e.p} / {e.q})"

        def _print_Float(self, e: Any) -> str:
            return repr(float(e))

        def _print_Pow(self, e: Any, rational: bool = False, sqrt: str = "sqrt") -> str:
            base, power = e.as_base_exp()
            if power.is_Rational and power.q in (1, 2) and abs(power) <= 8:
                whole, half = divmod(abs(power.p), 2) if power.q == 2 else (abs(power.p), 0)
                text = self.parenthesize(base, 100)
                factors = [text] * whole + [f"sqrt({self._print(base)})"] * half
                product = " * ".join(factors)
                return f"(1 / ({product}))" if power < 0 else f"({product})"
            return f"{self.parenthesize(base, 100)} ** {self.parenthesize(power, 100)}"

    return Printer({"fully_qualified_modules": False})


def text(expression: Any) -> str:
    """An expression in Python."""
    return str(_printer().doprint(expression))


def decimal(expression: Any) -> Any:
    """Constants such as 1 / (2 pi) as one number each."""
    if expression.is_number:
        return expression if expression.is_Integer else expression.evalf(20)
    if not expression.args or expression.is_Pow:
        return expression if not expression.args else expression.func(decimal(expression.base), expression.exp)
    args = list(expression.args)
    if expression.is_Mul or expression.is_Add:
        numbers = [x for x in args if x.is_number]
        if len(numbers) > 1 or any(not x.is_Rational for x in numbers):
            rest = [decimal(x) for x in args if not x.is_number]
            return expression.func(decimal(expression.func(*numbers)), *rest, evaluate=False)
    return (
        expression.func(*map(decimal, args), evaluate=False)
        if not expression.is_Function
        else expression.func(*map(decimal, args))
    )


def lines_of(statements: tuple[Statement, ...], part: str) -> list[str]:
    """Assignments, with what several of them share computed once."""
    if not statements:
        return []
    names = sympy.numbered_symbols(f"{part}_t", real=True)
    shared, reduced = sympy.cse([decimal(x) for _, x in statements], symbols=names, order="none")
    waiting = dict(shared)
    out: list[str] = []

    def place(x: Any) -> None:
        for s in sorted(x.free_symbols & waiting.keys(), key=lambda s: s.name):
            own = waiting.pop(s)
            place(own)
            out.append(f"{s.name} = {text(own)}")

    for (name, _), x in zip(statements, reduced, strict=True):
        place(x)
        out.append(f"{name} = {text(x)}")
    return out


def renamed(part: Part) -> list[str]:
    """What is carried on, all at once."""
    if not part.carried:
        return []
    return [f"{', '.join(part.carried)} = {', '.join(map(following, part.carried))}"]


def parameters_of(routine: Routine) -> tuple[str, ...]:
    """The hyperparameters and sizes that a routine reads."""
    found: set[str] = set()
    made = {line.name for line in routine.inputs}
    for part in (*routine.point, *routine.pair):
        made |= {name for name, _ in part.statements}
        if part.times is not None:
            found |= {s.name for s in part.times.free_symbols}
        for _, x in part.statements:
            found |= {s.name for s in x.free_symbols}
    return tuple(sorted(name for name in found - made if "__" not in name))


def _indented(lines: list[str], depth: int) -> Iterator[str]:
    for line in lines:
        yield CUT * depth + line


def unpacked(names: tuple[str, ...], source: str) -> list[str]:
    return [f"{', '.join(names)}{',' if len(names) == 1 else ''} = {source}"] if names else []


def point_function(routine: Routine) -> list[str]:
    """``point(inputs, parameters, counts)``: what pairs read of each input, an array (names, N) for each part."""
    out = ["def point(inputs, parameters, counts):", *_indented(unpacked(parameters_of(routine), "parameters"), 1)]
    out += _indented(unpacked(tuple(line.name for line in routine.inputs), "inputs"), 1)
    out.append(f"{CUT}kept = []")
    loops = 0
    for part, kept in zip(routine.point, routine.kept, strict=True):
        keep = f"kept.append([{', '.join(kept)}])"
        body = lines_of(part.statements, "s")
        if part.times is None:
            out += _indented([*body, keep], 1)
            continue
        out += _indented(["rounds = []", f"for _ in range(counts[{loops}]):"], 1)
        out += _indented([*body, f"rounds.append([{', '.join(kept)}])", *renamed(part)], 2)
        out.append(f"{CUT}kept.append(rounds)")
        loops += 1
    out.append(f"{CUT}return kept, [{', '.join(routine.outputs)}]")
    return out


def array_function(routine: Routine) -> list[str]:
    """``pairs(products, left, right, parameters, counts)`` over arrays (rows, columns)."""
    out = ["def pairs(products, left, right, parameters, counts):"]
    out += _indented(unpacked(parameters_of(routine), "parameters"), 1)
    out += _indented(unpacked(_given(routine), "products"), 1)
    loops = 0
    for place, (part, kept) in enumerate(zip(routine.pair, routine.kept, strict=True)):
        index = "" if part.times is None else "[k]"
        read = [
            line
            for end, side in ((LEFT, "left"), (RIGHT, "right"))
            for line in unpacked(tuple(name + end for name in kept), f"{side}[{place}]{index}")
        ]
        body = [*read, *lines_of(part.statements, "s"), *renamed(part)]
        if part.times is None:
            out += _indented(body, 1)
        else:
            out.append(f"{CUT}for k in range(counts[{loops}]):")
            out += _indented(body, 2)
            loops += 1
    out.append(f"{CUT}return [{', '.join(routine.outputs)}]")
    return out


def _given(routine: Routine) -> tuple[str, ...]:
    """What pairs start from: products, and of some c and v."""
    out: list[str] = []
    for line in routine.inputs:
        out.append(line.name)
        if line.name in routine.sines:
            out += [f"{line.name}__c", f"{line.name}__v"]
    return tuple(out)


def loop_function(routine: Routine) -> list[str]:
    """The same for numba: ``pairs(..., results)`` row by row, layers outside, columns in one vector loop inside."""
    given, parameters = _given(routine), parameters_of(routine)
    parts = list(zip(routine.pair, routine.kept, strict=True))
    sides = [f"{side}{k}" for k in range(len(parts)) for side in ("left", "right")]
    results = [f"out_{name}" for name in routine.outputs]
    arguments = [*(f"in_{name}" for name in given), *sides, "parameters", "counts", *results]
    out = [f"def pairs({', '.join(arguments)}):"]
    out += _indented([f"{name} = parameters[{k}]" for k, name in enumerate(parameters)], 1)
    vectors = _vectors(routine)
    out += _indented([f"rows, columns = in_{given[0]}.shape"], 1)
    out += _indented([f"all_{name} = np.empty(columns, in_{given[0]}.dtype)" for name in vectors], 1)
    out.append(f"{CUT}for i in range(rows):")
    loops = 0
    defined: set[str] = set()
    for place, (part, kept) in enumerate(parts):
        depth, index = (2, "") if part.times is None else (3, "k, ")
        if part.times is not None:
            out.append(f"{CUT * 2}for k in range(counts[{loops}]):")
            loops += 1
        out += _indented([f"{name}{LEFT} = left{place}[{index}{n}, i]" for n, name in enumerate(kept)], depth)
        out.append(f"{CUT * depth}for j in range(columns):")
        body = [f"{name}{RIGHT} = right{place}[{index}{n}, j]" for n, name in enumerate(kept)]
        if place == 0:
            body += [f"{name} = in_{name}[i, j]" for name in given]
        here = [*lines_of(part.statements, "s"), *renamed(part)]
        reads = _names_read(part)
        body += [f"{name} = all_{name}[j]" for name in vectors if name in defined and name in reads]
        body += here
        makes = {name for name, _ in part.statements} | set(part.carried) | (set(given) if place == 0 else set())
        body += [f"all_{name}[j] = {name}" for name in vectors if name in makes]
        defined |= makes
        if place == len(parts) - 1:
            body += [f"out_{name}[i, j] = {name}" for name in routine.outputs]
        out += _indented(body, depth + 1)
    return out


def _names_read(part: Part) -> set[str]:
    own: set[str] = set()
    found: set[str] = set()
    for name, x in part.statements:
        found |= {s.name for s in x.free_symbols} - own
        own.add(name)
    return found


def _vectors(routine: Routine) -> list[str]:
    """Names that are made in one part and read in a later one, or carried from one round to the next."""
    made: set[str] = set(_given(routine))
    out: dict[str, None] = {}
    for place, part in enumerate(routine.pair):
        out.update(dict.fromkeys(sorted(made & _names_read(part)) if place else []))
        out.update(dict.fromkeys(part.carried))
        made |= {name for name, _ in part.statements}
    own = {name for name, _ in routine.pair[-1].statements}
    out.update(dict.fromkeys(name for name in routine.outputs if name not in own))
    return list(out)


# --- whole modules ---------------------------------------------------------------------------------------------


def counts_function(routine: Routine) -> list[str]:
    """``counts(parameters)``: how many rounds each loop has."""
    times = [part.times for part in routine.pair if part.times is not None]
    out = ["def counts(parameters):", *_indented(unpacked(parameters_of(routine), "parameters"), 1)]
    return [*out, f"{CUT}return [{', '.join(map(text, times))}]"]


def array_module(routine: Routine) -> str:
    """Source for arrays: ``counts``, ``point``, ``pairs``; the functions that they call are to be in their globals."""
    blocks = (counts_function(routine), point_function(routine), array_function(routine))
    return "\n\n\n".join("\n".join(block) for block in blocks) + "\n"


def numba_module(routine: Routine) -> str:
    """Source with loops for numba: ``pairs`` and ``sines`` are compiled when they are first called."""
    freedom = "{" + ", ".join(f'"{each}"' for each in sorted(scalars.FREEDOM)) + "}"
    head = [
        "import math",
        "from typing import Any as Array",
        "from math import atan, cos, cosh, erf, erfc, exp, log, sin, sinh, sqrt, tanh",
        "",
        "import numpy as np",
        "from numba import njit",
        "",
        f'small = njit(error_model="numpy", fastmath={freedom})',
        f'compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={freedom})',
        *(f"{name} = {getattr(scalars, name)!r}" for name in scalars.CONSTANTS),
    ]
    loops = "\n".join(loop_function(routine)) + "\n"
    used = loops
    functions: list[str] = []
    for function in reversed(scalars.FUNCTIONS):  # those that others call stand first
        if f"{function.__name__}(" in used:
            functions.insert(0, f"@small\n{inspect.getsource(function)}")
            used += functions[0]
    functions += [f"@compiled\n{inspect.getsource(scalars.sines)}", f"@compiled\n{loops}"]
    return "\n".join(head) + "\n\n\n" + "\n\n".join(functions)
