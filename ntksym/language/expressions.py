"""Mathematics that a user writes: read safely, kept exactly, evaluated anywhere.

    expr = parse("z*Phi(z)")            text to a frozen tree, and str(expr) back
    symbols(expr), substitute(...)      walking
    numpy_function(expr)                numbers in the precision of the arrays
    mpmath_function(expr)               numbers in any precision
    to_sympy(expr), latex(expr)         algebra and print
    orders(expr)                        leading powers at zero and infinity

This page only gathers the public names; each stage has its own file ``expressions_*.py``.
"""

from ntksym.language.expressions_build import add, call, mul, number, piecewise, power, substitute
from ntksym.language.expressions_nodes import (
    CONSTANTS,
    FUNCTIONS,
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Piecewise,
    Pow,
    Relation,
    Symbol,
    symbols,
)
from ntksym.language.expressions_numeric import mpmath_function, numpy_function
from ntksym.language.expressions_orders import Orders, orders
from ntksym.language.expressions_parity import parity
from ntksym.language.expressions_parse import parse
from ntksym.language.expressions_sympy import latex, to_sympy

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "Add",
    "Call",
    "Constant",
    "Expr",
    "Mul",
    "Number",
    "Orders",
    "Piecewise",
    "Pow",
    "Relation",
    "Symbol",
    "add",
    "call",
    "latex",
    "mpmath_function",
    "mul",
    "number",
    "numpy_function",
    "orders",
    "parity",
    "parse",
    "piecewise",
    "power",
    "substitute",
    "symbols",
    "to_sympy",
]
