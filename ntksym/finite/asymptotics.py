"""How the 1/n tensors grow with depth at criticality, at one input: power laws, derived from the recursion of a layer.

With equal widths the recursion of a tensor X is X' = (1 + c_1 K + ...) X + source, where the source holds tensors that
are known before. At criticality the kernel is k l^-kappa: it stays, kappa = 0, where phi is linear on either side of
zero, and it falls like k/l where only zero is kept. So X' - X = (c_1 K) X + s l^q to leading order, and the ansatz
X = x l^p gives p = q + 1 and x = s / (p - a), a = c_1 k if kappa = 1 and 0 otherwise (Roberts, Yaida and Hanin 2022,
chapters 5 and 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError
from ntksym.finite.activations import Activations
from ntksym.finite.closed import closed_bracket
from ntksym.finite.exact import Slopes, slopes_of
from ntksym.finite.jets import Factor
from ntksym.finite.layer import Layer, symbol
from ntksym.finite.tensors import FLUCTUATIONS
from ntksym.gaussian.pieces import has_kinks
from ntksym.language.activations import Activation, activation
from ntksym.language.activations._base import Family
from ntksym.language.expressions import to_sympy

sympy = lazy("sympy")

SCALE_INVARIANT, VANISHING = "scale-invariant", "K* = 0"
# Taylor coefficients of phi up to z^_ORDER: means to relative order K^3
_ORDER = 7


@dataclass(frozen=True)
class DepthLaw:
    """X_l ~ coefficient * l^power, for widths n that are equal: the tensor is to be divided by n."""

    coefficient: Any
    power: Any

    @property
    def expression(self) -> Any:
        """In the symbol l."""
        return self.coefficient * symbol("l") ** self.power


@dataclass(frozen=True)
class DepthLaws:
    """Leading growth with depth l of kernels and 1/n tensors of a critical perceptron at one input.

    Attributes:
        phi: the activation.
        kind: its class: ``scale-invariant``, or ``K* = 0``.
        C_W: the variance of weights, times the fan-in, at which it is critical; biases have the variance zero.
        laws: by name, K and Theta among them; coefficients hold lambda_W, lambda_b and, where it stays, the kernel K.
    """

    phi: str
    kind: str
    C_W: Any
    laws: Mapping[str, DepthLaw]

    @property
    def ntk_variance(self) -> Any:
        """n Var(H) / E[H]^2 of the tangent kernel of one output, in the symbol l; the laws of A and B are needed."""
        power = max(self.laws[name].power for name in "AB")
        leading = {name: law.expression if law.power == power else 0 for name, law in self.laws.items()}
        return sympy.factor((leading["A"] + 2 * leading["B"]) / self.laws["Theta"].expression ** 2)

    def __str__(self) -> str:
        lines = [f"{self.phi}, {self.kind}, C_W = {self.C_W}, C_b = 0, depth l:"]
        lines += [f"{name:>6} ~ {law.expression}" for name, law in self.laws.items()]
        if {"A", "B"} <= self.laws.keys():
            lines.append(f"n Var(H)/E[H]^2 ~ {self.ntk_variance}")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """The laws as an ``aligned`` environment."""
        rows = (rf"{name} &\sim {sympy.latex(law.expression)}" for name, law in self.laws.items())
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def depth_laws(
    phi: str | Activation | Family, *, lambda_b: Any = None, tensors: Sequence[str] = FLUCTUATIONS
) -> DepthLaws:
    """The power laws of K, Theta and 1/n tensors with depth at criticality, as exact expressions.

    Args:
        phi: linear on either side of zero, or smooth at zero with phi(0) = 0 and a kernel that falls to zero.
        lambda_b: the learning-rate weight of biases; 0 if they are not trained, a symbol if not given.
        tensors: names, of ``FLUCTUATIONS``; those that they depend on are answered too.

    Raises FiniteWidthError for other activations, and for a tensor whose leading power the recursion does not determine
    to leading order.
    """
    meant = activation(phi)
    unknown = next((name for name in tensors if name not in FLUCTUATIONS), None)
    if unknown is not None:
        raise FiniteWidthError(f"no law is derived for {unknown}; there are those of {', '.join(FLUCTUATIONS)}")
    slopes = slopes_of(meant.expr)
    brackets = _Flat(meant, slopes) if slopes is not None and any(slopes) else _Falling(meant)
    layer = Layer(1)
    lines = {line.name: line.noise + line.carried for line in layer.lines(FLUCTUATIONS)}
    lines["Theta"] += symbol("lambda_b") if lambda_b is None else sympy.sympify(lambda_b)
    values = {name: brackets.mean(*factors) for factors, name in layer.brackets.items()}
    solved = {"K": brackets.kernel}
    waiting = ["Theta", *tensors]
    while waiting:
        name = waiting[0]
        before = [other for other in lines if symbol(other) in lines[name].free_symbols - {symbol(name)}]
        if missing := [other for other in before if other not in solved]:
            waiting = missing + waiting
            continue
        waiting.pop(0)
        line = lines[name].xreplace({**values, symbol("C_W"): brackets.C_W})
        solved[name] = solved.get(name) or _solved(name, line, solved)
    return DepthLaws(meant.name, brackets.kind, brackets.C_W, {name: solved[name] for name in lines if name in solved})


def _solved(name: str, line: Any, solved: Mapping[str, DepthLaw]) -> DepthLaw:
    """The law of a tensor from its line and those of others.

    Their coefficients are put in last: where the leading ones cancel, corrections of these laws would be needed.
    """
    l, own = symbol("l"), symbol(name)
    numbers = {sympy.Dummy(other, real=True): law.coefficient for other, law in solved.items()}
    known = {
        symbol(other): number * l**law.power if law.coefficient else sympy.S.Zero
        for number, (other, law) in zip(numbers, solved.items(), strict=True)
    }
    line = sympy.expand(line)
    gain, source = (_powers(sympy.expand(line.coeff(own, k).xreplace(known)), l) for k in (1, 0))
    if gain.get(0) != 1 or max(gain) > 0:
        raise FiniteWidthError(f"{name} does not grow by a power of the depth")
    if not source:
        return DepthLaw(sympy.S.Zero, sympy.S.Zero)
    q = max(source)
    leading = sympy.expand(source[q].xreplace(numbers))
    x = q + 1 - gain.get(-1, sympy.S.Zero).xreplace(numbers)
    if leading == 0 or not x.is_positive:
        raise FiniteWidthError(
            f"the law of {name} is not determined to leading order: its sources cancel, or it keeps what it starts with"
        )
    return DepthLaw(sympy.factor(leading / x), q + 1)


def _powers(expression: Any, l: Any) -> dict[Any, Any]:
    """The coefficients of powers of l that are not zero."""
    found: dict[Any, Any] = {}
    for term in sympy.Add.make_args(expression):
        coefficient, power = term.as_coeff_exponent(l)
        found[power] = found.get(power, sympy.S.Zero) + coefficient
    return {power: c for power, x in found.items() if (c := sympy.expand(x)) != 0}


class _Flat:
    """Brackets of a function that is linear on either side of zero: powers of K, which stays."""

    kind = SCALE_INVARIANT

    def __init__(self, phi: Activation, slopes: Slopes) -> None:
        self.activations = Activations([phi.expr])
        self.kernel = DepthLaw(symbol("K"), sympy.S.Zero)
        self.C_W = 2 / sum((sympy.Rational(s.numerator, s.denominator) ** 2 for s in slopes), sympy.S.Zero)

    def mean(self, factor: Factor) -> Any:
        return closed_bracket(self.activations, (factor,), [[symbol("K")]])[0]


class _Falling:
    """Brackets of a function that is smooth at zero, to the first orders in a kernel that falls like k/l."""

    kind = VANISHING

    def __init__(self, phi: Activation) -> None:
        z = sympy.Symbol("z", real=True)
        expression = to_sympy(phi.expr)
        if has_kinks(phi.expr):
            raise FiniteWidthError(f"{phi} has kinks and is not linear on either side of zero: no laws are derived")
        expression = expression.xreplace(dict.fromkeys(expression.free_symbols, z))
        slopes = [sympy.diff(expression, z, k).subs(z, 0) for k in range(_ORDER + 1)]
        self.taylor = [sympy.nsimplify(s) / factorial(k) for k, s in enumerate(slopes)]
        if self.taylor[0] != 0 or self.taylor[1] == 0:
            raise FiniteWidthError(f"{phi} does not keep a kernel of zero: phi(0) = 0 and phi'(0) != 0 are needed")
        self.C_W = 1 / self.taylor[1] ** 2
        K = symbol("K")
        falls = -self.C_W * self.mean(Factor(0, ((0, 0), (0, 0)))).coeff(K, 2)
        if not falls.is_positive:
            raise FiniteWidthError(f"{phi} at C_W = 1/phi'(0)^2 does not drive its kernel to zero by K' = K - a K^2")
        self.kernel = DepthLaw(sympy.simplify(1 / falls), -sympy.S.One)

    def mean(self, factor: Factor) -> Any:
        """By the moments of z, derivatives taken in powers of it."""
        product = {0: sympy.S.One}
        for _, order in factor.orders:
            slope = {
                k - order: c * factorial(k) / factorial(k - order) for k, c in enumerate(self.taylor) if k >= order
            }
            product = _truncated(product, slope)
        total = sympy.S.Zero
        for k, c in product.items():
            left = k - factor.derivative
            if left >= 0 and left % 2 == 0:
                total += c * sympy.ff(k, factor.derivative) * sympy.factorial2(left - 1) * symbol("K") ** (left // 2)
        return total


def _truncated(left: Mapping[int, Any], right: Mapping[int, Any]) -> dict[int, Any]:
    """The product of two polynomials, up to the order to which both are known."""
    found: dict[int, Any] = {}
    for i, a in left.items():
        for j, b in right.items():
            if i + j <= _ORDER:
                found[i + j] = found.get(i + j, sympy.S.Zero) + a * b
    return found
