"""Formula → ``Routine``: straight-line statements for single inputs and for pairs of them, loops apart.

Every pair of inputs needs the diagonals of both, layer by layer; these are computed once for each input (``point``) and
read by the pairs. A covariance that a homogeneous dual reads is carried with its cosine c and v = 1 - c^2, and
v is never a difference of nearly equal numbers: for a sum of covariances it is a sum of positive terms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from ntksym._lazy import lazy
from ntksym.codegen.duals import NEAR, PHI, THETA, AngularDual, C, S, angular
from ntksym.errors import KernelError
from ntksym.records.formula import Algebra, Expected, Formula, Gram, Line, Loop, readings

sympy = lazy("sympy")

Statement = tuple[str, Any]
"""A name, and the expression that it is to hold."""
LEFT, RIGHT = "__i", "__j"
"""Ends of a diagonal at the first and at the second input of a pair. Other ends: ``__r`` the root of a diagonal,
``__c`` and ``__v`` the cosine of a covariance and 1 - c^2, ``__next`` what a loop carries on."""


@dataclass(frozen=True)
class Part:
    """Statements that are done once, or ``times`` rounds of them, after which the ``__next`` of ``carried`` counts."""

    statements: tuple[Statement, ...]
    times: Any = None
    carried: tuple[str, ...] = ()


@dataclass(frozen=True)
class Routine:
    """Parts for single inputs and for pairs, one of each beside the other.

    ``kept`` are the names of the point parts that the pair parts read. ``inputs`` are the inner products that both
    start from; of those in ``sines`` c and v are needed, too. ``stable`` tells whether no digits are lost near c = +-1.
    """

    point: tuple[Part, ...]
    pair: tuple[Part, ...]
    kept: tuple[tuple[str, ...], ...]
    inputs: tuple[Gram, ...]
    sines: frozenset[str]
    outputs: tuple[str, ...]
    stable: bool


def lowered(formula: Formula, outputs: tuple[str, ...]) -> Routine:
    """The routine of a formula without positions. Raises KernelError for lines that are not numbers of two inputs."""
    work = _Lowering()
    work.read(formula)
    point, pair = work.parts(formula)
    pair = _needed(pair, outputs)
    kept = tuple(_kept(part) for part in pair)
    inputs = tuple(line for line in formula if isinstance(line, Gram))
    return Routine(point, pair, kept, inputs, frozenset(work.sines), outputs, work.stable)


def _kept(part: Part) -> tuple[str, ...]:
    """The diagonals and their roots that a part reads."""
    names = {s.name for _, x in part.statements for s in x.free_symbols}
    return tuple(sorted({name[: -len(LEFT)] for name in names if name.endswith((LEFT, RIGHT))}))


NEXT = "__next"


def symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


def less(x: Any, y: Any, then: Any, otherwise: Any) -> Any:
    """``then`` where x < y."""
    return sympy.Function("less")(x, y, then, otherwise)


def root(name: str, side: str = "") -> Any:
    return symbol(f"{name}__r{side}")


@dataclass
class _Lowering:
    sines: set[str] = field(default_factory=set)
    lines: dict[str, Any] = field(default_factory=dict)
    forms: dict[str, AngularDual | None] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    stable: bool = True

    # --- what is needed ---

    def read(self, formula: Formula) -> None:
        """Find the duals that are functions of an angle, and the covariances whose sines they need."""
        for line in formula:
            self._known(line)
        waiting = list(self.sources.values())
        while waiting:
            name = waiting.pop()
            if name not in self.sines:
                self.sines.add(name)
                waiting += [source for expression in self.made_of(name) for source in _at_pairs(expression)]

    def _known(self, line: Line) -> None:
        if isinstance(line, Loop):
            for inner in line.lines:
                if isinstance(inner, Loop):
                    raise KernelError(
                        f"{inner.meaning}: a loop inside of a loop cannot be compiled yet; use evaluate()"
                    )
                self._known(inner)
            for state in line.states:
                self.lines[state.name] = state
                self.lines[state.final] = symbol(state.name)
            return
        if not isinstance(line, Gram | Algebra | Expected) or not line.layout.is_scalar or line.name.startswith("m"):
            raise KernelError(f"{line.meaning}: a line with positions cannot be compiled yet; use evaluate()")
        if isinstance(line, Gram) and (line.tokens or line.first != line.second):
            raise KernelError(f"{line.meaning}: this product of inputs cannot be compiled yet; use evaluate()")
        self.lines[line.name] = line
        if isinstance(line, Expected):
            if line.evidence.kind != "exact":
                raise KernelError(f"{line.meaning}: there is no closed form to compile; use evaluate()")
            source = covariance_of(line)
            found = angular(line.answer.expression, line.diagonal.expression) if source and line.diagonal else None
            self.forms[line.name] = found
            if found is not None and source is not None:
                self.sources[line.name] = source

    def made_of(self, name: str) -> list[Any]:
        """The expressions that a covariance is read from."""
        line = self.lines[name]
        if isinstance(line, Gram | Expected):
            return []
        if isinstance(line, Algebra):
            return [line.expression]
        return [line.start, line.after] if hasattr(line, "after") else []

    # --- statements ---

    def parts(self, formula: Formula) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        point: list[Part] = []
        pair: list[Part] = []
        alone: list[Statement] = []
        both: list[Statement] = []
        for line in formula:
            if not isinstance(line, Loop):
                alone += self.alone(line)
                both += self.both(line)
                continue
            for state in line.states:
                alone += self._diagonal(state.name, _diagonal(state.start))
                both += self.combined(state.name, state.start)
            point.append(Part(tuple(alone)))
            pair.append(Part(_once(both)))
            alone, both = [], []
            for inner in line.lines:
                alone += self.alone(inner)
                both += self.both(inner)
            carried: list[str] = []
            for state in line.states:
                after = f"{state.name}{NEXT}"
                if state.name in self.sines:
                    self.sines.add(after)
                alone += self._diagonal(after, _diagonal(state.after))
                both += self.combined(after, state.after)
                carried += [state.name + end for end in self._ends(state.name)]
            alone_carried = tuple(state.name + end for state in line.states for end in ("", "__r"))
            point.append(Part(tuple(alone), line.times, alone_carried))
            pair.append(Part(_once(both), line.times, tuple(carried)))
            alone, both = [], []
            for state in line.states:
                alone += [(state.final + end, symbol(state.name + end)) for end in ("", "__r")]
                both += [(state.final + end, symbol(state.name + end)) for end in self._ends(state.name)]
        point.append(Part(tuple(alone)))
        pair.append(Part(_once(both)))
        return tuple(point), tuple(pair)

    def _ends(self, name: str) -> tuple[str, ...]:
        return ("", "__c", "__v") if name in self.sines else ("",)

    def alone(self, line: Line) -> list[Statement]:
        """A line where both inputs are one."""
        if isinstance(line, Gram):
            return [(f"{line.name}__r", sympy.sqrt(symbol(line.name)))]
        if isinstance(line, Algebra):
            return self._diagonal(line.name, _diagonal(line.expression))
        assert isinstance(line, Expected)
        answer, arguments = line.diagonal or line.answer, line.diagonal_arguments or line.arguments
        value = _answered(answer, [(name, _diagonal(x)) for name, x in arguments])
        form = self.forms[line.name]
        if form is not None and form.power == 0 and line.name.startswith("E"):  # a jump has no limit at variance 0
            value = less(0, symbol(self.sources[line.name]), value, sympy.Function("undefined")())
        return self._diagonal(line.name, value)

    def _diagonal(self, name: str, expression: Any) -> list[Statement]:
        return [(name, expression), (f"{name}__r", sympy.sqrt(symbol(name)))]

    def both(self, line: Line) -> list[Statement]:
        """A line at a pair of inputs."""
        if isinstance(line, Gram):
            return []
        if isinstance(line, Algebra):
            return self.combined(line.name, line.expression)
        assert isinstance(line, Expected)
        form = self.forms[line.name]
        if form is not None:
            return self.angular(line.name, form)
        value = _answered(line.answer, [(name, _pair(x)) for name, x in line.arguments])
        return [(line.name, value), *self.naive(line.name)]

    def combined(self, name: str, expression: Any) -> list[Statement]:
        """An expression in other lines; with c and v of a sum of covariances."""
        value = [(name, _pair(expression))]
        if name not in self.sines:
            return value
        terms = _terms(expression)
        if terms is None:
            return [*value, *self.naive(name)]
        return [*value, *_sum_of(name, terms)]

    def naive(self, name: str) -> list[Statement]:
        """c and v from the value itself, which near c = +-1 has digits for half of those of v only."""
        if name not in self.sines:
            return []
        self.stable = False
        scale, c = root(name, LEFT) * root(name, RIGHT), symbol(f"{name}__c")
        return [(f"{name}__c", symbol(name) / scale), (f"{name}__v", sympy.Function("positive")(1 - c**2))]

    def angular(self, name: str, form: AngularDual) -> list[Statement]:
        """A dual from the angle between the inputs of its activation."""
        source = self.sources[name]
        out: list[Statement] = []
        theta, phi, sine = (symbol(f"{source}__{end}") for end in ("theta", "phi", "sine"))
        c, v = symbol(f"{source}__c"), symbol(f"{source}__v")
        known = {symbol(S): sine, symbol(C): c, symbol(THETA): theta, symbol(PHI): phi}
        acute = sympy.Function("angle")(sine, sympy.Abs(c))
        out.append((sine.name, sympy.sqrt(v)))
        out.append((f"{source}__acute", acute))
        alpha = symbol(f"{source}__acute")
        out.append((theta.name, less(c, 0, sympy.pi - alpha, alpha)))
        out.append((phi.name, less(c, 0, alpha, sympy.pi - alpha)))
        kappa = form.kappa.xreplace(known)
        if _cancels(form.far):
            kappa = less(phi, NEAR, _horner(form.far, phi), kappa)
        scale = root(name, LEFT) * root(name, RIGHT)
        if name in self.sines:
            gap = symbol(f"{name}__gap")
            out.append((gap.name, less(theta, NEAR, _horner(form.near, theta), form.gap.xreplace(known))))
            out.append((f"{name}__c", kappa))
            out.append((f"{name}__v", gap * (2 - gap)))
            return [*out, (name, scale * symbol(f"{name}__c"))]
        return [*out, (name, scale * kappa)]


def _needed(parts: tuple[Part, ...], outputs: tuple[str, ...]) -> tuple[Part, ...]:
    """Only what the outputs need."""
    needed = set(outputs)
    before = -1
    while len(needed) > before:
        before = len(needed)
        for part in reversed(parts):
            needed |= {following(name) for name in part.carried if name in needed}
            for name, x in reversed(part.statements):
                if name in needed:
                    needed |= {s.name for s in x.free_symbols}
    return tuple(
        Part(
            tuple(each for each in part.statements if each[0] in needed),
            part.times,
            tuple(name for name in part.carried if name in needed),
        )
        for part in parts
    )


def following(name: str) -> str:
    """The name of what takes the place of a carried number after a round."""
    own, bar, end = name.partition("__")
    return f"{own}{NEXT}{bar}{end}"


def _once(statements: list[Statement]) -> tuple[Statement, ...]:
    """Each name the first time that it is made."""
    return tuple(dict(statements).items())


def covariance_of(line: Expected) -> str | None:
    """The line whose covariance an expectation is over, if it is that of one line."""
    own = dict(line.arguments)
    names = set()
    for argument, side in (("p", "11"), ("q", "22"), ("r", "12")):
        found = readings(own[argument]) if argument in own else {}
        if len(found) != 1 or own[argument] not in found or found[own[argument]][1] != side:
            return None
        names.add(found[own[argument]][0])
    return names.pop() if len(names) == 1 else None


def _cancels(series: tuple[Any, ...]) -> bool:
    """Whether a function vanishes at the end of its series to a higher order than its terms do."""
    return all(coefficient == 0 for coefficient in series[:2])


def _horner(series: tuple[Any, ...], x: Any) -> Any:
    first = next(k for k, coefficient in enumerate(series) if coefficient != 0)
    found = sympy.Integer(0)
    for coefficient in reversed(series[first:]):
        found = sympy.Add(coefficient.evalf(30), sympy.Mul(x, found, evaluate=False), evaluate=False)
    return sympy.Mul(x**first, found, evaluate=False)


def _answered(answer: Any, arguments: list[tuple[str, Any]]) -> Any:
    known = {s.name: s for s in answer.expression.free_symbols}
    return answer.expression.xreplace({known[name]: x for name, x in arguments if name in known})


def _pair(expression: Any) -> Any:
    """An expression at a pair: readings at both, at the first and at the second."""
    ends = {"12": "", "11": LEFT, "22": RIGHT}
    return expression.xreplace({s: symbol(name + ends[side]) for s, (name, side) in readings(expression).items()})


def _diagonal(expression: Any) -> Any:
    """An expression where both inputs are one."""
    return expression.xreplace({s: symbol(name) for s, (name, _) in readings(expression).items()})


def _at_pairs(expression: Any) -> list[str]:
    return [name for name, side in readings(expression).values() if side == "12"] or [
        s.name for s in expression.free_symbols if expression.is_Symbol and "|" not in s.name
    ]


def _terms(expression: Any) -> list[tuple[Any, str]] | None:
    """The weights of a linear combination of covariances; "" for a constant one. None if it is something else."""
    found = {s: name for s, (name, side) in readings(expression).items() if side == "12"}
    terms = []
    rest = sympy.expand(expression)
    for s, name in found.items():
        weight = sympy.diff(rest, s)
        if readings(weight):
            return None
        terms.append((weight, name))
        rest = sympy.expand(rest - weight * s)
    if readings(rest):
        return None
    return terms if rest == 0 else [*terms, (rest, "")]


def _sum_of(name: str, terms: list[tuple[Any, str]]) -> list[Statement]:
    """c and v of sum_k w_k K_k, without a difference of nearly equal numbers.

    With A = sum_k w_k K_k: A(x,x) A(y,y) - A(x,y)^2 is a sum over k of w_k^2 (K_k(x,x) K_k(y,y) - K_k(x,y)^2) and over
    pairs k < l of w_k w_l times (a_k b_l - b_k a_l)^2 + 2 a_k b_k a_l b_l (1 - c_k c_l); a, b are roots of diagonals.
    """
    if len(terms) == 1 and terms[0][1]:
        (source,) = (terms[0][1],)
        return [(f"{name}__{end}", symbol(f"{source}__{end}")) for end in "cv"]
    one = sympy.Integer(1)
    parts = []
    for weight, source in terms:
        a, b = (root(source, LEFT), root(source, RIGHT)) if source else (one, one)
        c, v = (symbol(f"{source}__c"), symbol(f"{source}__v")) if source else (one, sympy.Integer(0))
        parts.append((weight, a, b, c, v))
    out: list[Statement] = []
    total, cosine = sympy.Integer(0), sympy.Integer(0)
    for weight, a, b, c, v in parts:
        cosine += weight * a * b * c
        total += (weight * a * b) ** 2 * v
    for k, ((w, a, b, c, v), (x, d, e, f, u)) in enumerate(combinations(parts, 2)):
        apart = symbol(f"{name}__apart{k}")
        out.append((apart.name, sympy.Function("apart")(c, v, f, u)))
        total += w * x * ((a * e - b * d) ** 2 + 2 * a * b * d * e * apart)
    scale = symbol(f"{name}__scale")
    out.append((scale.name, sympy.Function("inverse")(root(name, LEFT) * root(name, RIGHT))))
    out.append((f"{name}__c", cosine * scale))
    out.append((f"{name}__v", total * scale**2))
    return out
