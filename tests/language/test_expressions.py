"""The parser reads mathematics and nothing else; what it reads keeps its value, its text and its orders."""

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from ntksym._lazy import lazy
from ntksym.errors import ExpressionError, NtksymError
from ntksym.language.expressions import (
    FUNCTIONS,
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Orders,
    Piecewise,
    Pow,
    Relation,
    Symbol,
    latex,
    mpmath_function,
    numpy_function,
    orders,
    parse,
    substitute,
    symbols,
    to_sympy,
)
from ntksym.language.expressions_build import rebuilt
from ntksym.language.expressions_nodes import children

ROOT = Path(__file__).parents[2]
Z = Symbol("z")

# --- random trees --------------------------------------------------------------------------------------

DECIMALS = st.decimals(-20, 20, places=9).map(Fraction)
NUMBERS = st.one_of(st.fractions(-20, 20, max_denominator=12), DECIMALS).map(Number)
LEAVES = st.one_of(NUMBERS, st.sampled_from([Constant("pi"), Constant("e"), Z, Z, Symbol("w")]))


def larger(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    some = st.lists(inner, min_size=2, max_size=4).map(tuple)
    exponents = st.fractions(-3, 3, max_denominator=3).map(Number)
    unary = st.sampled_from([name for name, arity in FUNCTIONS.items() if arity])
    relations = st.builds(Relation, inner, st.sampled_from(["<", "<=", ">", ">="]), inner)
    pieces = st.lists(st.tuples(inner, relations), min_size=1, max_size=3)
    return st.one_of(
        st.builds(Add, some),
        st.builds(Mul, some),
        st.builds(Pow, inner, exponents),
        st.builds(Pow, inner, inner),
        st.builds(lambda name, arg: Call(name, (arg,)), unary, inner),
        st.builds(Call, st.sampled_from(["Max", "Min"]), some),
        st.builds(lambda some, last: Piecewise((*some, (last, True))), pieces, inner),
    )


# straight from the node classes: not in canonical form
RAW_TREES = st.recursive(LEAVES, larger, max_leaves=12)


def canonical(expr: Expr) -> Expr:
    return rebuilt(expr, canonical)


def canonical_or_reject(expr: Expr) -> Expr:
    try:
        return canonical(expr)
    except ExpressionError:  # 1/0, sqrt(-1), huge powers
        assume(False)
        raise


@given(RAW_TREES)
def test_the_text_of_a_tree_parses_back_to_it(raw: Expr) -> None:
    expr = canonical_or_reject(raw)
    assert parse(str(expr), ("z", "w")) == expr
    assert canonical(expr) == expr
    assert pickle.loads(pickle.dumps(expr)) == expr


@given(RAW_TREES, st.fractions(-3, 3), st.fractions(-3, 3))
def test_canonical_form_keeps_the_value(raw: Expr, z: Fraction, w: Fraction) -> None:
    expr = canonical_or_reject(raw)
    with mpmath.workdps(60):
        before = mpmath_function(raw, ("z", "w"))(z, w)
        with mpmath.workdps(90):
            assume(mpmath.almosteq(before, mpmath_function(raw, ("z", "w"))(z, w), 1e-30, 1e-30))
        assume(mpmath.isfinite(before))
        after = mpmath_function(expr, ("z", "w"))(z, w)
        assert mpmath.almosteq(before, after, 1e-25, 1e-25)


# --- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", Number(Fraction(1, 10))),
        ("1e-3", Number(Fraction(1, 1000))),
        (".5", Number(Fraction(1, 2))),
        ("2.", Number(Fraction(2))),
        ("1/3 + 1/6", Number(Fraction(1, 2))),
        ("2^3", Number(Fraction(8))),
        ("8**(2/3)", Number(Fraction(4))),
        ("-(-z)", Z),
        ("+z", Z),
        ("E", Constant("e")),
        ("step(0)", Number(Fraction(1, 2))),
        ("Max(1, 2, 3/2)", Number(Fraction(2))),
        ("z - z", Number(Fraction(0))),
        ("Piecewise((z, 1 < 2), (0, True))", Z),
        ("z**1", Z),
        ("1/(1/z)", Z),
    ],
)
def test_exact_values(text: str, expected: Expr) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("z*tanh(z)", "tanh(z)*z"),
        ("z*z", "z^2"),
        ("z^2 + 1", "1 + z**2"),
        ("sqrt(z)", "z**0.5"),
        ("1/sqrt(z)", "z**(-1/2)"),
        ("e**z", "exp(z)"),
        ("1/exp(z)", "exp(-z)"),
        ("abs(z) + max(z, 0) + min(0, z) + Heaviside(z)", "Abs(z) + Max(0, z) + Min(z, 0) + step(z)"),
        ("Max(z, Max(0, z))", "Max(z, 0)"),
        ("2*(1 + z) - (1 + z)", "1 + z"),
        ("a/b/c", "a/(b*c)"),
        ("  z\n + 1 ", "1+z"),
    ],
)
def test_equal_expressions(one: str, other: str) -> None:
    names = ("a", "b", "c", "z")
    assert parse(one, names) == parse(other, names)
    assert hash(parse(one, names)) == hash(parse(other, names))


@pytest.mark.parametrize(("one", "other"), [("sqrt(z)**2", "z"), ("z/z", "1"), ("sqrt(z**2)", "z")])
def test_the_domain_is_kept(one: str, other: str) -> None:
    assert parse(one) != parse(other)


@pytest.mark.parametrize(
    "text",
    [
        "1 - z",
        "z - tanh(z)",
        "-z**2",
        "-z/2",
        "z/(2*(1 + exp(-z)))",
        "1/sqrt(z)",
        "(1 + z)**(1/3)",
        "(1/2)**z",
        "(z**2)**z",
        "z**(z**2)",
        "2**(-z)",
        "0.044715*z**3",
        "-12.00025*z/pi",
        "z/1024",
        "Piecewise((z, z > 0), (-1 + exp(z), True))",
    ],
)
def test_canonical_text(text: str) -> None:
    assert str(parse(text)) == text


def test_functions_are_written_out() -> None:
    sigmoid = parse("1/(1 + exp(-z))")
    assert parse("w*sigmoid(2*w)", ("w",), {"sigmoid": sigmoid}) == parse("w/(1 + exp(-2*w))", ("w",))


def test_symbols_and_substitute() -> None:
    expr = parse("Piecewise((a, b < 1), (c*a, True))", ("a", "b", "c"))
    assert symbols(expr) == ("a", "b", "c")
    swapped = substitute(expr, {"a": Symbol("b"), "b": Symbol("a")})
    assert swapped == parse("Piecewise((b, a < 1), (c*b, True))", ("a", "b", "c"))
    assert substitute(parse("tanh(z) + z"), {"z": Number(Fraction(0))}) == parse("tanh(0)")


HOSTILE = [
    *("__import__('os')", "__import__(z)", "z.real", "z.__class__.__mro__", "().__class__", "'a'", '"a"'),
    *("lambda: 0", "lambda z: z", "[z for z in (1, 2)]", "(z for z in (1, 2))", "max(z for z in (1, 2))"),
    *("tanh(z=1)", "Max(*z)", "Max(**z)", "z if z else 1", "(z := 1)", "z = 1", "{1}", "{1: 2}", "z[0]"),
    *("z and 1", "not z", "z // 2", "z % 2", "z @ z", "z | z", "~z", "z << 2", "z < 1", "1 < z < 2"),
    *("0x10", "1_000", "1j", "True", "None", "...", "", "   ", "z; z", "z +", "(z", "z)", "z z", "2z"),
    *("2(z)", "z(2)", "(z)(2)", "tanh(z)(z)", "print(z)", "open(z)", "exec(z)", "eval(z)", "tanh", "x"),
    *("exp()", "tanh(z, z)", "Max()", "f'{z}'", "z # a", "(z, z)", "*z", "await z", "yield", "import os"),
    *("sqrt(-1)", "(-8)**(1/3)", "1/0", "1/(z - z)", "0**-1", "\x00", "σ", "z\u2212 1", "z\\\n", "`z`"),
    *("Piecewise()", "Piecewise(z)", "Piecewise((z, z > 0))", "Piecewise((z, z == 0), (0, True))"),
    *("Piecewise((z, True, 1))", "Piecewise((z, z), (0, True))", "Piecewise((z, 0 < z < 1), (0, True))"),
    *("9**9**9", "9**(9**9)", "(9**1000)**1000", "2**(1/3)**99999", "1e999999999", "1e-999999999", "z**1e9"),
    *("(z + 1)**1000000", "9" * 1999, "z" * 3000, "(" * 900 + "z" + ")" * 900, "-" * 1500 + "z"),
    *("z**" * 600 + "z", "tanh(" * 300 + "z" + ")" * 300, "1/(1+" * 64 + "z" + ")" * 64, "(" * 1999),
    *("f(" * 50 + "z" + ")" * 50, "0**" * 10 + "-1", "1" + "e" * 50),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_everything_else_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        parse(text, functions={"f": parse("z*Phi(z)")})
    assert time.perf_counter() - started < 1
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("cannot read ")


def test_a_long_sum_is_not_deep() -> None:
    assert parse(" + ".join(["sin(z)"] * 200)) == parse("200*sin(z)")
    assert parse("*".join(["z"] * 900)) == parse("z**900")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("tan(z) + tnah(z)", ["'tan(z) + tnah(z)'", "tnah", "did you mean tanh"]),
        ("ln(z)", ["ln", "did you mean log"]),
        ("tanh + 1", ["tanh without an argument", "tanh(z)"]),
        ("x + 1", ["unknown name x", "known are z, pi, e"]),
        ("2z", ["write 2*z"]),
        ("z < 1", ["a comparison outside Piecewise", "accepted are"]),
        ("z if z > 0 else 0", ["Piecewise((a, z > 0), (b, True))"]),
        ("Max(z, 0", ["do not match"]),
        ("z.real", ["attribute"]),
        ("tanh(z, 1)", ["2 arguments", "one argument"]),
        ("tanh(z=1)", ["keyword argument"]),
        ("1/0", ["division by zero"]),
    ],
)
def test_messages_say_what_was_found_and_how_to_mend_it(text: str, parts: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["e", "pi", "a b", "lambda", "1x", "σ", ""])
def test_what_cannot_name_a_symbol(name: str) -> None:
    with pytest.raises(ExpressionError):
        parse("1", (name,))


# --- numbers -------------------------------------------------------------------------------------------


@given(RAW_TREES, st.floats(-3, 3), st.floats(-3, 3))
def test_numpy_agrees_with_mpmath(raw: Expr, z: float, w: float) -> None:
    expr = canonical_or_reject(raw)
    found = numpy_function(expr, ("z", "w"))(z, w)
    with mpmath.workdps(60):
        exact = mpmath_function(expr, ("z", "w"))(z, w)
        # where a change of z in the last digit already changes the value, floats cannot be expected to agree
        moved = [mpmath_function(expr, ("z", "w"))(z * s, w * t) for s in (1, 1 + 1e-9) for t in (1, 1 - 1e-9)]
        assume(mpmath.isfinite(exact) and abs(exact) < 1e6)
        assume(all(mpmath.isfinite(m) and abs(m - exact) < 1e-6 for m in moved))
    assume(is_benign(expr, z, w))
    assert found == pytest.approx(float(exact), rel=1e-6, abs=1e-6)


def is_benign(expr: Expr, z: float, w: float) -> bool:
    """Whether no subexpression is huge or decides something by a hair."""
    if isinstance(expr, Call) and expr.name in ("step", "sign", "tan", "asin", "acos", "log"):
        return False
    inner = numpy_function(expr, ("z", "w"))(z, w)
    return bool(abs(inner) < 1e4) and all(is_benign(part, z, w) for part in children(expr))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("text", ["1/(1 + exp(-z))", "Piecewise((z, z > 0), (exp(z) - 1, True))", "3", "Phi(z)"])
def test_floating_type_and_shape_are_kept(text: str, dtype: type) -> None:
    z = np.linspace(-3, 3, 6, dtype=dtype).reshape(2, 3)
    value = numpy_function(parse(text))(z)
    assert value.dtype == dtype
    assert value.shape == (2, 3)


def test_scalars_integers_and_broadcasting() -> None:
    product = numpy_function(parse("a*b", ("a", "b")), ("a", "b"))
    assert product(2, 3) == 6.0
    assert product(np.ones((2, 1), np.float32), np.ones(3, np.float32)).shape == (2, 3)
    assert product(np.ones(2, np.float32), 0.5).dtype == np.float32
    assert numpy_function(parse("z/2"))(np.array([1, 2])).tolist() == [0.5, 1.0]


def test_the_input_is_never_handed_out() -> None:
    z = np.ones(3)
    numpy_function(parse("z"))(z)[0] = 5
    assert z[0] == 1


def test_no_overflow_where_the_function_has_none() -> None:
    far = np.array([-1e5, 1e5], dtype=np.float32)
    assert numpy_function(parse("1/(1 + exp(-z))"))(far).tolist() == [0, 1]
    assert numpy_function(parse("log(1 + exp(z))"))(far).tolist() == [0, 1e5]
    assert numpy_function(parse("exp(z) - 1"))(1e-20) == 1e-20
    assert numpy_function(parse("log(1 + z)"))(1e-20) == 1e-20


def test_nan_where_there_is_no_real_value() -> None:
    for text in ("sqrt(z)", "z**(1/3)", "log(z)", "log(1 + 4*z)", "asin(3*z)", "z**z", "Max(0, sqrt(z))"):
        assert np.isnan(numpy_function(parse(text))(-0.5))
        assert mpmath.isnan(mpmath_function(parse(text))(-0.5))


def test_a_missing_symbol_and_a_wrong_count_are_named() -> None:
    with pytest.raises(ExpressionError, match="needs a value for w"):
        numpy_function(parse("z + w", ("z", "w")), ("z",))
    for function in (numpy_function(parse("z")), mpmath_function(parse("z"))):
        with pytest.raises(ExpressionError, match="takes 1 value"):
            function(1, 2)


def test_numbers_too_large_for_a_float() -> None:
    assert numpy_function(parse("9**400*z"))(1.0) == np.inf
    assert numpy_function(parse("z/10**400"))(1.0) == 0


# --- SymPy ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("z*Phi(z)", "z*(1 + erf(z/sqrt(2)))/2"),
        ("step(z)", "Heaviside(z, Rational(1, 2))"),
        ("0.1*z", "z/10"),
        ("Piecewise((z, z > 0), (0, True))", "Piecewise((z, z > 0), (0, True))"),
        ("Max(z, 0) + Abs(z) + sign(z) + asinh(z)", "Max(z, 0) + Abs(z) + sign(z) + asinh(z)"),
        ("e*pi", "E*pi"),
    ],
)
def test_sympy(text: str, expected: str) -> None:
    wanted = sympy.sympify(expected, locals={"z": sympy.Symbol("z", real=True)})
    assert sympy.expand(to_sympy(parse(text)) - wanted) == 0


def test_latex() -> None:
    assert latex(parse("z/2")) == r"\frac{z}{2}"


def test_sympy_cannot_be_made_to_work_out_a_huge_number() -> None:
    text = "8 + sin(pi/2)"
    for _ in range(4):
        text = f"Abs({text})**1000"
    with pytest.raises(ExpressionError, match="too large"):
        to_sympy(parse(text))


# --- orders --------------------------------------------------------------------------------------------

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "zero", "change", "growth", "bounded"),
    [
        ("Max(z, 0)", 1, 1, 1, False),
        ("tanh(z)", 1, 1, 0, True),
        ("z**3", 3, 3, 3, False),
        ("erf(z)", 1, 1, 0, True),
        ("sin(z)", 1, 1, 0, True),
        ("exp(z)", 0, 1, None, False),
        ("z*Phi(z)", 1, 1, 1, False),
        ("z - tanh(z)", 3, 3, 1, False),
        ("z*sin(z)", 2, 2, 1, False),
        ("sqrt(Abs(z))", HALF, HALF, HALF, False),
        ("1 - cos(z)", 2, 2, 0, True),
        ("step(z)", 0, 0, 0, True),
        ("sign(z)", 0, 0, 0, True),
        ("1/(1 + exp(-z))", 0, 1, 0, True),
        ("log(1 + exp(z))", 0, 1, 1, False),
        ("Piecewise((sqrt(z), z > 0), (z**2, True))", HALF, HALF, 2, False),
        ("exp(exp(z))", 0, 1, None, False),
        ("exp(z)*sin(z)", 1, 1, None, False),
        ("exp(-z**2)*z**4", 4, 4, 0, True),
        ("sqrt(1 + z**2) - z", 0, 1, 1, False),
        ("z + sin(z)", 1, 1, 1, False),
        ("3*Abs(z)**(2/7) - 2*Abs(z)**(9/5)", Fraction(2, 7), Fraction(2, 7), Fraction(9, 5), False),
        ("sqrt(Abs(z))*sin(z**2)", Fraction(5, 2), Fraction(5, 2), HALF, False),
        ("Piecewise((0, z < 1), (z - 1, True))", None, None, 1, False),
        ("Piecewise((0, z <= 0), (exp(-1/z), True))", None, None, 0, True),
        ("sin(z)**2 + cos(z)**2 - 1", None, None, 0, True),
        ("3", 0, None, 0, True),
        ("0", None, None, 0, True),
    ],
)
def test_orders(
    text: str, zero: Fraction | None, change: Fraction | None, growth: Fraction | None, bounded: bool
) -> None:
    assert orders(parse(text)) == Orders(zero, change, growth, bounded)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("z*log(1 + Abs(z))", "not a power"),
        ("asinh(z)", "not a power"),
        ("Piecewise((0, z <= 0), (z*log(z), True))", "not a power"),
        ("1/z", "no finite real value at 0"),
        ("sqrt(z)", "no finite real value at -1"),
        ("Piecewise((0, z <= 0), (exp(1/z), True))", "no finite real value near 0"),
    ],
)
def test_orders_that_are_no_powers(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        orders(parse(text))


def test_orders_need_one_symbol() -> None:
    with pytest.raises(ExpressionError, match="a, b"):
        orders(parse("a*b", ("a", "b")))


# --- laziness ------------------------------------------------------------------------------------------


def test_importing_expressions_loads_nothing_heavy() -> None:
    heavy = {"sympy", "numpy", "scipy", "mpmath"}
    script = f"import sys, ntksym.language.expressions; print(sorted({heavy} & set(sys.modules)))"
    child = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (child.stdout, child.stderr) == ("[]\n", "")


def test_a_missing_package_is_named_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, advice in (
        ("jax.numpy", r"pip install 'ntksym\[networks\]'"),
        ("numpy", "pip install 'ntksym'"),
    ):
        for missing in (name.partition(".")[0], name):  # other tests may have loaded them before
            monkeypatch.setitem(sys.modules, missing, None)
        module: Any = lazy(name)
        with pytest.raises(NtksymError, match=advice):
            _ = module.array


def test_a_lazy_module_is_not_loaded_by_being_looked_at() -> None:
    module: Any = lazy("no_such_module")
    assert not hasattr(module, "__wrapped__")
    assert repr(module) == "lazy('no_such_module')"


def test_functions_are_cached() -> None:
    makers: list[Callable[..., Any]] = [numpy_function, mpmath_function]
    for maker in makers:
        assert maker(parse("z**2")) is maker(parse("z*z"))
    assert orders(parse("z**2")) is orders(parse("z*z"))
