"""Whether an expression is odd or even in one of its symbols, from the symmetry of elementary functions."""

from __future__ import annotations

from functools import lru_cache

from ntksym.language.expressions_nodes import Add, Call, Constant, Expr, Mul, Number, Pow, Symbol

_ODD = frozenset(("sin", "tan", "sinh", "tanh", "asin", "atan", "asinh", "erf", "sign"))
_EVEN = frozenset(("cos", "cosh", "Abs"))


@lru_cache(maxsize=1024)
def parity(expression: Expr, symbol: str) -> int | None:
    """-1 where the expression changes sign with the symbol, 1 where it does not change, None where neither is known."""
    if isinstance(expression, Symbol):
        return -1 if expression.name == symbol else 1
    if isinstance(expression, Number | Constant):
        return 1
    if isinstance(expression, Add):
        found = {parity(part, symbol) for part in expression.args}
        return found.pop() if len(found) == 1 else None
    if isinstance(expression, Mul):
        product = 1
        for part in expression.args:
            sign = parity(part, symbol)
            if sign is None:
                return None
            product *= sign
        return product
    if isinstance(expression, Pow):
        base, exponent = parity(expression.base, symbol), expression.exponent
        if parity(exponent, symbol) != 1 or base is None:
            return None
        if base == 1:
            return 1
        whole = isinstance(exponent, Number) and exponent.value.denominator == 1
        return (-1 if exponent.value % 2 else 1) if whole and isinstance(exponent, Number) else None
    if isinstance(expression, Call):
        inner = [parity(part, symbol) for part in expression.args]
        if all(sign == 1 for sign in inner):
            return 1
        if inner == [-1] and expression.name in _ODD:
            return -1
        return 1 if inner == [-1] and expression.name in _EVEN else None
    return None
