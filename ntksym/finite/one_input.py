"""The recursions of all tensors at one input, as formulas: brackets of the activation, closed where that is possible.

They come out of the same algebra of jets as the numbers do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError
from ntksym.finite.activations import Activations
from ntksym.finite.closed import closed_bracket
from ntksym.finite.jets import Factor
from ntksym.finite.layer import Layer, symbol
from ntksym.finite.tensors import CORRECTIONS, FLUCTUATIONS, VERTICES
from ntksym.gaussian.pieces import has_kinks
from ntksym.language.activations import Activation, activation
from ntksym.language.activations._base import Family
from ntksym.records.evidence import Evidence, weakest
from ntksym.records.tables import Shown

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
_BIASES = {"K": "C_b", "Theta": "lambda_b"}


@dataclass(frozen=True)
class Bracket:
    """<(d/dz)^derivative of prod phi^(k)> at one input: its symbol, and its value in the kernel K."""

    symbol: Any
    latex: str
    value: Any
    evidence: Evidence


@dataclass(frozen=True)
class OneInput(Shown):
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
        names = {symbol(name): tex for name, tex in _LATEX.items()}
        names |= {bracket.symbol: bracket.latex for bracket in self.brackets}
        lines = self.closed.items() if closed else self.lines
        rows = [
            rf"{_LATEX[name].replace(chr(92) + 'ell', chr(92) + 'ell+1')} &= {sympy.latex(x, symbol_names=names)}"
            for name, x in lines
        ]
        body = " \\\\\n".join(rows)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

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
    layer = Layer(1)
    lines = []
    for line in layer.lines(tensors):
        bias = symbol(_BIASES[line.name]) if line.name in _BIASES else 0
        lines.append((line.name, bias + line.noise + symbol("r") * line.carried))
    activations = Activations([meant.expr])
    brackets = tuple(_bracket(activations, factor, name) for (factor,), name in layer.brackets.items())
    return OneInput(meant.name, tuple(lines), brackets)


def _bracket(activations: Activations, factor: Factor, name: Any) -> Bracket:
    value, evidence = closed_bracket(activations, (factor,), [[symbol("K")]])
    counts = {order: sum(k == order for _, k in factor.orders) for _, order in sorted(factor.orders)}
    primed = {order: r"\sigma" + "'" * order for order in counts}
    tex = " ".join(rf"\left({primed[k]}\right)^{{{n}}}" if n > 1 else primed[k] for k, n in counts.items())
    if factor.derivative:
        power = f"^{{{factor.derivative}}}" if factor.derivative > 1 else ""
        tex = rf"\partial_z{power}\left({tex}\right)"
    return Bracket(name, rf"\left\langle {tex} \right\rangle", value, evidence)
