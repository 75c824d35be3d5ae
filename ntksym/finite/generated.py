"""``Layer`` → Python source that numba compiles: the two-input recursion of one layer, for many pairs at once.

Smooth activations get their brackets from Hermite series (``series``), those with kinks from closed forms.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.codegen.store import imported
from ntksym.codegen.text import CUT, indented, lines_of, unpacked
from ntksym.errors import FiniteWidthError
from ntksym.finite import series
from ntksym.finite.activations import Activations
from ntksym.finite.closed import closed_bracket
from ntksym.finite.jets import Factor
from ntksym.finite.layer import Factors, Layer, symbol
from ntksym.finite.tensors import FLUCTUATIONS
from ntksym.gaussian import GaussianError
from ntksym.gaussian.pieces import has_kinks
from ntksym.language.expressions import Expr, to_sympy

sympy = lazy("sympy")

Array = Any
_ELEMENTARY = ("acos", "asin", "atan", "cos", "cosh", "erf", "erfc", "exp", "log", "sin", "sinh", "tanh")
_FREEDOM = '{"arcp", "contract", "nsz", "reassoc"}'
_HEAD = (
    f"from math import sqrt, {', '.join(_ELEMENTARY)}",
    "from typing import Any as Array",
    "",
    "import numpy as np",
    "from numba import njit",
    "",
    f'small = njit(error_model="numpy", fastmath={_FREEDOM})',
    f'compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={_FREEDOM})',
)
_CLOSED_STEP = """
@compiled
def step(states, numbers, errors):
    e = np.empty({brackets})
    for p in range(len(states)):
        closed(states[p, 0], states[p, 1], states[p, 2], e)
        moved(states[p], e, numbers)
"""
_SERIES_STEP = """
@compiled
def step(states, numbers, errors, slots, two, one, points, even, odd, raised):
    e = np.empty({brackets})
    sums, differences = np.empty((2, {functions}, len(points))), np.empty((2, {functions}, len(points)))
    moved_by = np.empty((2, len(slots), raised.shape[1]))
    for p in range(len(states)):
        for site in range(2):
            spread = sqrt(states[p, 2 * site])
            for i in range(len(points)):
                right = products(spread * points[i])
                left = products(-spread * points[i])
                for m in range({functions}):
                    sums[site, m, i] = right[m] + left[m]
                    differences[site, m, i] = right[m] - left[m]
            derivatives(
                np.dot(sums[site], even), np.dot(differences[site], odd), spread, slots, raised, moved_by[site]
            )
        c = states[p, 1] / sqrt(states[p, 0] * states[p, 2])
        errors[p] = brackets(moved_by, c, two, one, e)
        moved(states[p], e, numbers)
"""


@dataclass(frozen=True, eq=False)
class Module:
    """Generated code for the layers of one activation.

    Attributes:
        source: Python; its function ``step`` moves rows of entries, of one pair of inputs each, by one layer.
        names: the entries, one for all that are equal; the first three are the kernel.
        slots, two, one: for ``series``, which derivatives and brackets there are; None where brackets are closed.
    """

    source: str
    names: tuple[str, ...]
    slots: Array = None
    two: Array = None
    one: Array = None

    @property
    def is_series(self) -> bool:
        """Whether brackets are truncated series, with errors."""
        return self.slots is not None

    @cached_property
    def compiled(self) -> Callable[..., None]:
        """The function ``step`` of the source, compiled when it is first called."""
        key = sha256(self.source.encode()).hexdigest()[:32]
        return imported(key, self.source).step  # type: ignore[no-any-return]

    def step(self, states: Array, numbers: tuple[float, float, float], terms: int = 0) -> Array:
        """Moves states (pairs, names) by one layer of C_W, lambda_W and 1/width; gives the error of each pair."""
        errors = np.zeros(len(states))
        if self.is_series:
            grid = series.grid(terms)
            tables = self.slots, self.two, self.one, grid.points, grid.even, grid.odd, grid.raised
            self.compiled(states, numbers, errors, *tables)
        else:
            self.compiled(states, numbers, errors)
        return errors


@lru_cache(maxsize=64)
def module_of(phi: Expr) -> Module:
    """The generated code of an activation. Raises FiniteWidthError for kinks without closed forms."""
    layer = Layer(2)
    lines = list(layer.lines(FLUCTUATIONS))
    # brackets of two inputs first, then those of one
    factors = sorted(filter(None, layer.brackets), key=lambda each: (-len(each), str(layer.brackets[each])))
    named = {layer.brackets[each]: symbol(f"e{k}") for k, each in enumerate(factors)}
    statements = []
    for line in lines:
        noise = line.noise if line.name.startswith(("K_", "Theta_")) else symbol("share") * line.noise
        statements.append((f"new_{line.name}", (noise + line.carried).xreplace(named)))
    names = tuple(line.name for line in lines)
    moved = [
        "@small",
        "def moved(state, e, numbers):",
        *indented(unpacked(names, "state"), 1),
        *indented(unpacked(("C_W", "lambda_W", "share"), "numbers"), 1),
        *indented(unpacked(tuple(f"e{k}" for k in range(len(factors))), "e"), 1),
        *indented(lines_of(tuple(statements), "t"), 1),
        *(f"{CUT}state[{k}] = new_{name}" for k, name in enumerate(names)),
    ]
    activations = Activations([phi])
    if has_kinks(phi):
        step = _CLOSED_STEP.format(brackets=len(factors))
        return Module(_source(_closed(phi, activations, factors), moved, [step]), names)
    return _series(activations, factors, moved, names)


def _source(*functions: list[str]) -> str:
    return "\n\n".join("\n".join(lines) for lines in (_HEAD, *functions))


def _closed(phi: Expr, activations: Activations, brackets: list[Factors]) -> list[str]:
    """``closed(K_11, K_12, K_22, e)``: all brackets as expressions."""
    own, cross = (sympy.Symbol(f"K_{k}", positive=True) for k in ("11", "22")), sympy.Symbol("K_12", real=True)
    first, second = own
    K = [[first, cross], [cross, second]]
    statements = []
    for n, factors in enumerate(brackets):
        sites = [factor.site for factor in factors]
        try:
            value, evidence = closed_bracket(activations, factors, [[K[i][j] for j in sites] for i in sites])
        except GaussianError as reason:
            raise _not_closed(phi) from reason
        if evidence.kind != "exact" or any(f.func.__name__ not in _ELEMENTARY for f in value.atoms(sympy.Function)):
            raise _not_closed(phi)
        statements.append((f"e{n}", value))
    return [
        "@small",
        "def closed(K_11, K_12, K_22, e):",
        *indented(lines_of(tuple(statements), "t"), 1),
        *(f"{CUT}e[{n}] = e{n}" for n in range(len(brackets))),
    ]


def _not_closed(phi: Expr) -> FiniteWidthError:
    return FiniteWidthError(
        f"{phi} has kinks, and its brackets at two inputs are no elementary functions: use evaluate(), not compile()"
    )


def _series(activations: Activations, brackets: list[Factors], moved: list[str], names: tuple[str, ...]) -> Module:
    functions = sorted({factor.orders for factors in brackets for factor in factors})
    every = {(functions.index(factor.orders), factor.derivative) for factors in brackets for factor in factors}
    slots = sorted(every)

    def slot(factor: Factor) -> int:
        return slots.index((functions.index(factor.orders), factor.derivative))

    two = [[slot(factor) for factor in factors] for factors in brackets if len(factors) == 2]
    one = [[factors[0].site, slot(factors[0])] for factors in brackets if len(factors) == 1]
    orders = sorted({order for product in functions for _, order in product})
    slopes = [(f"f{k}", to_sympy(activations.derivative(0, k))) for k in orders]
    factors = [" * ".join(f"f{order}" for _, order in product) for product in functions]
    products = [
        "@small",
        "def products(z):",
        *indented(lines_of(tuple(slopes), "t"), 1),
        f"{CUT}return {', '.join(f'1.0 * {each}' for each in factors)}",  # constants are whole numbers otherwise
    ]
    called = [["@small", inspect.getsource(function)] for function in series.FUNCTIONS]
    step = _SERIES_STEP.format(brackets=len(brackets), functions=len(functions))
    source = _source(products, *called, moved, [step])
    return Module(source, names, np.array(slots), np.array(two), np.array(one))
