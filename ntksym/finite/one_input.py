"""The recursions of all tensors at one input, as formulas: brackets of the activation, closed where that is possible.

They come out of the same algebra of jets as the numbers do. Of a bracket at one input derivatives are taken by its
kernel, <(d/dz)^2 f> = 2 d<f>/dK, and <df/dz> = <z f>/K, so kinks are no exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError
from ntksym.finite.activations import Activations
from ntksym.finite.jets import Entry, Factor, Pair, Terms, canonical, is_even, mean, slopes, summand, times
from ntksym.finite.tensors import CORRECTIONS, FLUCTUATIONS, VERTICES
from ntksym.gaussian import expect
from ntksym.gaussian.pieces import has_kinks, pieces
from ntksym.language.activations import Activation, activation
from ntksym.language.activations._base import Family
from ntksym.language.expressions import Expr, Relation, Symbol, mul, number, piecewise
from ntksym.records.evidence import Evidence, weakest

sympy = lazy("sympy")

_LATEX = {
    "K": r"K^{(\ell)}",
    "Theta": r"\Theta^{(\ell)}",
    "G1": r"G^{\{1\}(\ell)}",
    "Theta1": r"\Theta^{\{1\}(\ell)}",
    "lambda_W": r"\lambda_W",
    "lambda_b": r"\lambda_b",
    **{name: rf"{name}^{{(\ell)}}" for name in VERTICES},
}


@dataclass(frozen=True)
class Bracket:
    """<(d/dz)^derivative of prod phi^(k)> at one input: its symbol, and its value in the kernel K."""

    symbol: Any
    latex: str
    value: Any
    evidence: Evidence


@dataclass(frozen=True)
class OneInput:
    """One layer of a perceptron at one input: every tensor after it, from those before.

    Symbols: K, Theta and the tensors by name; C_W, C_b, lambda_W, lambda_b; r, the width of this layer over that of
    the one before (0 in the first). ``lines`` are expressions in these and in the brackets, by name; tensors after the
    layer carry 1/n of the layer.
    """

    phi: str
    lines: tuple[tuple[str, Any], ...]
    brackets: tuple[Bracket, ...]

    @property
    def evidence(self) -> Evidence:
        """How the brackets are known: as the weakest of them."""
        return weakest(*(bracket.evidence for bracket in self.brackets))

    @cached_property
    def closed(self) -> dict[str, Any]:
        """The lines with the brackets' values put in."""
        values = {bracket.symbol: bracket.value for bracket in self.brackets}
        return {name: sympy.factor_terms(sympy.expand(expression.xreplace(values))) for name, expression in self.lines}

    def to_text(self) -> str:
        """The recursion with its brackets, then what these are."""
        width = max(len(name) for name, _ in self.lines) + 1
        lines = [f"{name + chr(39):{width}} = {expression}" for name, expression in self.lines]
        where = [f"{bracket.symbol} = {bracket.value}" for bracket in self.brackets]
        return "\n".join((f"1/n tensors at one input, phi = {self.phi}", "", *lines, "", "where", *where))

    def to_latex(self, closed: bool = False) -> str:
        """An ``aligned`` environment in the notation of Roberts, Yaida and Hanin; ``closed`` puts the brackets in."""
        names = {_symbol(name): tex for name, tex in _LATEX.items()}
        names |= {bracket.symbol: bracket.latex for bracket in self.brackets}
        lines = self.closed.items() if closed else self.lines
        rows = [
            rf"{_LATEX[name].replace(chr(92) + 'ell', chr(92) + 'ell+1')} &= {sympy.latex(x, symbol_names=names)}"
            for name, x in lines
        ]
        body = " \\\\\n".join(rows)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"


def one_input_recursion(phi: str | Activation | Family, tensors: tuple[str, ...] = FLUCTUATIONS) -> OneInput:
    """The recursions of kernels and 1/n tensors of a perceptron at one input, for any activation of one variable.

    Raises FiniteWidthError for unknown tensors, and for second derivatives of activations with kinks.
    """
    meant = activation(phi)
    unknown = next((name for name in tensors if name not in CORRECTIONS and name not in VERTICES), None)
    if unknown is not None:
        raise FiniteWidthError(f"there is no tensor {unknown}; there are: {', '.join((*CORRECTIONS, *VERTICES))}")
    high = next((name for name in tensors if name in VERTICES and VERTICES[name].order > 1), None)
    if high is not None and has_kinks(meant.expr):
        raise FiniteWidthError(
            f"{high} holds second derivatives of {meant}, which has kinks: products of delta functions"
        )
    return _Deriver(meant).derive(tensors)


_SHORT = 100
_POSITIVE = ("K", "C_W", "lambda_W")


def _symbol(name: str) -> Any:
    return sympy.Symbol(name, positive=True) if name in _POSITIVE else sympy.Symbol(name, real=True)


class _Deriver:
    """Derives lines, collecting the brackets that they need."""

    def __init__(self, phi: Activation) -> None:
        self.phi = phi
        self.activations = Activations([phi.expr])
        self.brackets: dict[Factor, Bracket] = {}
        self.names: dict[Entry, str] = {
            _canonical(*vertex.entry(0, 0, 0, 0)): vertex.name for vertex in VERTICES.values()
        }

    def derive(self, tensors: tuple[str, ...]) -> OneInput:
        zero, one = ("", 0), ("a", 0)
        lines = {
            "K": _symbol("C_b") + self.mean(summand((zero, zero), 0)),
            "Theta": _symbol("lambda_b") + self.mean(summand((one, one), 0)),
        }
        for name in tensors:
            if name in CORRECTIONS:
                lines[name] = self.correction(CORRECTIONS[name].pair(0, 0))
            else:
                lines[name] = self.covariance(VERTICES[name].entry(0, 0, 0, 0))
        return OneInput(self.phi.name, tuple(lines.items()), tuple(self.brackets.values()))

    def covariance(self, entry: Entry) -> Any:
        """Sampling noise of this layer, and the covariance before it carried through."""
        first, second = (summand(pair, 0) for pair in entry)
        noise = self.mean(times(first, second)) - self.mean(first) * self.mean(second)
        carried = sum(
            self.number(half) * self.number(other) * self.mean(twice) * self.mean(again) * self.before(uv, wx)
            for uv, half, twice in slopes(first)
            for wx, other, again in slopes(second)
            if is_even(*uv, *wx)
        )
        return noise + _symbol("r") * carried

    def correction(self, pair: Pair) -> Any:
        """The shift of the mean before carried through, and half the curvature times covariances."""
        total = sympy.S.Zero
        for uv, half, twice in slopes(summand(pair, 0)):
            if is_even(*uv):
                name = next(n for n, made in CORRECTIONS.items() if made.direction == uv[0][0])
                total += self.number(half) * self.mean(twice) * _symbol(name)
            for wx, other, again in slopes(twice):
                if is_even(*uv, *wx):
                    factor = self.number(half) * self.number(other) / 2
                    total += factor * self.mean(again) * self.before(uv, wx)
        return _symbol("r") * total

    def before(self, first: Pair, second: Pair) -> Any:
        return _symbol(self.names[_canonical(first, second)])

    def number(self, value: float) -> Any:
        return sympy.Rational(*Fraction(value).as_integer_ratio())

    def mean(self, terms: Terms) -> Any:
        total = sympy.S.Zero
        for part in mean(terms):
            value = self.number(part.coefficient)
            value *= _symbol("C_W") ** part.weights * _symbol("lambda_W") ** part.rates
            for order, _, _ in part.kernels:
                value *= _symbol("Theta") if order == 1 else sympy.Symbol(f"Theta_{order}")
            for factor in part.factors:
                value *= self.bracket(factor).symbol
            total += value
        return total

    def bracket(self, factor: Factor) -> Bracket:
        if factor not in self.brackets:
            value, evidence = _value(self.activations, factor, _symbol("K"))
            inside = [_powers(order, factor.orders) for order in sorted({k for _, k in factor.orders})]
            text = "*".join(plain for plain, _ in inside)
            name = f"<{text}>" if not factor.derivative else f"<d{factor.derivative or ''}({text})>"
            tex = " ".join(latex for _, latex in inside)
            if factor.derivative:
                power = f"^{{{factor.derivative}}}" if factor.derivative > 1 else ""
                tex = rf"\partial_z{power}\left({tex}\right)"
            symbol = sympy.Symbol(name, real=True)
            self.brackets[factor] = Bracket(symbol, rf"\left\langle {tex} \right\rangle", value, evidence)
        return self.brackets[factor]


def _canonical(first: Pair, second: Pair) -> Entry:
    """One name for a covariance and the one with its pairs exchanged."""
    return min(canonical((first, second)), canonical((second, first)))


def _powers(order: int, orders: Any) -> tuple[str, str]:
    count = sum(k == order for _, k in orders)
    plain, tex = "phi" + "'" * order, r"\sigma" + "'" * order
    return (f"{plain}^{count}", rf"\left({tex}\right)^{{{count}}}") if count > 1 else (plain, tex)


@lru_cache(maxsize=4096)
def _mean_of(expr: Expr, K: Any) -> Any:
    return expect([expr], [[K]])


def _value(activations: Activations, factor: Factor, K: Any) -> tuple[Any, Evidence]:
    """The bracket in K: derivatives are those of <f> or, one of them, of <z f>/K."""
    product = mul(*(activations.derivative(phi, order) for phi, order in factor.orders))
    odd = factor.derivative % 2
    answer = _mean_of(_in_one_piece(mul(product, Symbol("z")) if odd else product), K)
    value = answer.expression / K**odd
    for _ in range(factor.derivative // 2):
        value = 2 * sympy.diff(value, K)
    # SymPy simplifies short derivatives well, and takes minutes for long ones
    return (sympy.simplify(value) if value.count_ops() < _SHORT else value), answer.evidence


def _in_one_piece(expr: Expr) -> Expr:
    """A product of piecewise functions as one, so that no jump is squared."""
    if not has_kinks(expr):
        return expr
    cut = pieces(expr)
    if not all(b.is_Rational for b in cut.breaks):
        return expr
    breaks = [number(Fraction(int(b.p), int(b.q))) for b in cut.breaks]
    cases = [(value, Relation(Symbol("z"), "<", b)) for b, value in zip(breaks, cut.values, strict=False)]
    return piecewise([*cases, (cut.values[-1], True)])
