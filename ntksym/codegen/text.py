"""Expressions and statements as Python text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.codegen.statements import Statement

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
            own = waiting.pop(s, None)
            if own is not None:  # not placed for one of the others
                place(own)
                out.append(f"{s.name} = {text(own)}")

    for (name, _), x in zip(statements, reduced, strict=True):
        place(x)
        out.append(f"{name} = {text(x)}")
    return out


def indented(lines: list[str], depth: int) -> Iterator[str]:
    for line in lines:
        yield CUT * depth + line


def unpacked(names: tuple[str, ...], source: str) -> list[str]:
    return [f"{', '.join(names)}{',' if len(names) == 1 else ''} = {source}"] if names else []


def polynomial_function(name: str, coefficients: tuple[float, ...]) -> list[str]:
    """A polynomial in g with these coefficients, lowest power first, by Horner's rule."""
    first, *rest = reversed(coefficients)
    return [f"def {name}(g):", f"{CUT}p = {first!r}", *(f"{CUT}p = p * g + {x!r}" for x in rest), f"{CUT}return p"]
