"""Kernel recursions as JSON and back: ``from_json(to_json(recursion)) == recursion``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError, NtksymError
from ntksym.gaussian import Answer, Expectation
from ntksym.kernels.recursion import KernelRecursion, readers, renderers
from ntksym.kernels.serial_math import assumption, read, written
from ntksym.language.activations import Activation
from ntksym.language.dims import Axis, Size
from ntksym.language.expressions import Expr, parse
from ntksym.language.serial import Reader, attr_to_json, axes_to_json, program_from_json
from ntksym.language.serial import to_json as program_to_json
from ntksym.records import formula
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")

SCHEMA = "ntksym.kernel_recursion/1"

_LINES = {
    name: kind for name, kind in vars(formula).items() if isinstance(kind, type) and issubclass(kind, formula.Line)
}
_RECORDS: dict[str, Any] = {
    **_LINES,
    **{kind.__name__: kind for kind in (formula.Layout, formula.State, Answer, Evidence, Expectation)},
}


def to_json(recursion: KernelRecursion) -> dict[str, Any]:
    """The recursion with its program; expressions are texts, see ``ntksym.kernels.serial_math``."""
    symbols: dict[str, str] = {}
    lines = [_encoded(line, symbols) for line in recursion.formula.lines]
    rates = {name: _encoded(sympy.sympify(value), symbols) for name, value in recursion.rates}
    return {
        "schema": SCHEMA,
        "program": program_to_json(recursion.program),
        "parameterization": recursion.parameterization,
        "sizes": {name: str(value) for name, value in recursion.sizes},
        "unrolled": sorted(recursion.unrolled),
        "rates": rates,
        "by": recursion.by,
        "symbols": dict(sorted(symbols.items())),
        "lines": lines,
    }


def _encoded(value: Any, symbols: dict[str, str]) -> Any:
    """A value of a line; ``symbols`` gathers what is assumed of symbols, where it is not that they are real."""
    if isinstance(value, sympy.Basic):
        known = formula.readings(value) if hasattr(value, "free_symbols") else {}
        for symbol in value.free_symbols - set(known):
            if symbol.name.isidentifier() and assumption(symbol) != "real":
                symbols[symbol.name] = assumption(symbol)
        return {"math": written(value)}
    if isinstance(value, Expr):
        return {"function": str(value)}
    if isinstance(value, Axis):
        return {"axis": axes_to_json((value,))[0]}
    if isinstance(value, tuple):
        return [_encoded(part, symbols) for part in value]
    if isinstance(value, Size | Fraction | Activation):
        return attr_to_json(value)
    if is_dataclass(value):
        parts = {item.name: _encoded(getattr(value, item.name), symbols) for item in fields(value)}
        return {"record": type(value).__name__, **parts}
    return value


def from_json(data: Any) -> KernelRecursion:
    """The recursion that ``to_json`` wrote; raises KernelError for anything else."""
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if schema != SCHEMA:
        raise KernelError(f"this is no kernel recursion: its schema is {schema!r}, expected {SCHEMA!r}")
    try:
        program = program_from_json(data["program"])
        reader = _Reader(data["program"], data["symbols"])
        return KernelRecursion(
            program=program,
            formula=formula.Formula(tuple(map(reader.line, data["lines"]))),
            parameterization=data["parameterization"],
            sizes=tuple((name, _number(text)) for name, text in data["sizes"].items()),
            unrolled=frozenset(data["unrolled"]),
            rates=tuple((name, reader.value(value)) for name, value in data["rates"].items()),
            by=data["by"],
        )
    except KeyError as error:
        raise KernelError(f"this kernel recursion is not complete: it lacks {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise KernelError(f"this kernel recursion cannot be read: {error}") from None
    except NtksymError as error:
        raise error if isinstance(error, KernelError) else KernelError(str(error)) from None


def _number(text: str) -> Any:
    number = Fraction(text)
    return int(number) if number.denominator == 1 else number


class _Reader:
    """Reads the values of lines; dimensions are those of the program."""

    def __init__(self, program: Mapping[str, Any], symbols: Mapping[str, str]) -> None:
        self.language = Reader(program)
        self.symbols = symbols

    def line(self, data: Any) -> Any:
        found = self.value(data)
        if not isinstance(found, formula.Line):
            raise KernelError(f"not a line of a formula: {str(data)[:60]}")
        return found

    def value(self, data: Any) -> Any:
        if isinstance(data, list):
            return tuple(map(self.value, data))
        if not isinstance(data, dict):
            return data
        if "record" in data:
            return self.record(data)
        if "math" in data:
            return read(data["math"], self.symbols)
        if "function" in data:
            return parse(data["function"], tuple(f"z{k + 1}" for k in range(64)))
        if "axis" in data:
            return self.language.axes([data["axis"]])[0]
        return self.language.attr(data)

    def record(self, data: dict[str, Any]) -> Any:
        kind = _RECORDS.get(data["record"])
        if kind is None:
            raise KernelError(f"a kernel recursion has no {data['record']!r}; known: {', '.join(sorted(_RECORDS))}")
        return kind(**{name: self.value(part) for name, part in data.items() if name != "record"})


renderers["json"] = to_json
readers["json"] = from_json
