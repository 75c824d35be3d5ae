"""Formula → ``Routine``: straight-line statements for single inputs and for pairs of them, loops apart.

Every pair of inputs needs the diagonals of both, layer by layer; these are computed once for each input (``point``) and
read by the pairs. A covariance that a homogeneous dual reads is carried with its cosine c and g = 1 - |c|, and g is
never a difference of nearly equal numbers: for a sum of covariances it is a sum of positive terms. A dual without a
closed form is a power series in the cosine, with coefficients of each of the two inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.codegen.activations import activation_of, is_nonnegative
from ntksym.codegen.angles import Polynomials, angular_statements, from_value, sum_statements, unit_statements
from ntksym.codegen.duals import AngularDual, angular
from ntksym.codegen.homogeneous import is_homogeneous
from ntksym.codegen.spaces import Spaces, early
from ntksym.codegen.statements import (
    LEFT,
    NEXT,
    RIGHT,
    Gap,
    Part,
    Routine,
    Series,
    Statement,
    inverse,
    less,
    names_read,
    needed,
    root,
    symbol,
)
from ntksym.errors import KernelError
from ntksym.language.expressions import parity, to_sympy
from ntksym.records.formula import (
    Algebra,
    Averaged,
    Expected,
    Formula,
    Gram,
    Line,
    Loop,
    Moved,
    Pointwise,
    Shared,
    State,
    is_one_point,
    readings,
    ref,
)

sympy = lazy("sympy")


def lowered(formula: Formula, outputs: tuple[str, ...]) -> Routine:
    """The routine of a formula. Raises KernelError for lines that cannot be compiled."""
    work = _Lowering()
    work.read(formula)
    point, pair = work.parts(formula)
    pair = needed(pair, outputs)
    kept = tuple(_kept(part) for part in pair)
    spaces = work.spaces
    if spaces.any:
        point = needed(point, tuple(name for names in kept for name in names))
        pair = tuple(replace(part, statements=early(part.statements)) for part in pair)
        spaces.check(point, pair, outputs)
    return Routine(
        point,
        pair,
        kept,
        tuple(line for line in formula if isinstance(line, Gram)),
        frozenset(work.angles),
        outputs,
        work.polynomials,
        work.stable,
        is_homogeneous(formula, work.forms, work.sources),
        spaces.names,
        spaces.of if spaces.any else {},
    )


def _kept(part: Part) -> tuple[str, ...]:
    """The diagonals, their roots and what else of single inputs a part reads."""
    names = {name for _, x in part.statements for name in names_read(x)}
    return tuple(sorted({name[: -len(LEFT)] for name in names if name.endswith((LEFT, RIGHT))}))


@dataclass
class _Lowering:
    angles: set[str] = field(default_factory=set)
    positive: set[str] = field(default_factory=set)
    """Names of covariances that are never negative."""
    lines: dict[str, Any] = field(default_factory=dict)
    forms: dict[str, AngularDual | None] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    polynomials: Polynomials = field(default_factory=dict)
    spaces: Spaces = field(default_factory=Spaces)
    stable: bool = True

    # --- what is needed ---

    def read(self, formula: Formula) -> None:
        """Find the duals that are functions of an angle, and the covariances of which they need c and g."""
        for line in formula:
            self._known(line)
        waiting = list(self.sources.values())
        while waiting:
            name = waiting.pop()
            if name not in self.angles:
                self.angles.add(name)
                waiting += [source for expression in self.made_of(name) for source in _at_pairs(expression)]
        self.positive = set(self.lines)
        while wrong := {name for name in self.positive if not self._is_positive(name)}:
            self.positive -= wrong

    def _is_positive(self, name: str) -> bool:
        """Whether a covariance is never negative, if all that are taken for positive are."""
        line = self.lines[name]
        if isinstance(line, Gram):
            return False
        if isinstance(line, Expected):
            phi = activation_of(line) if self.forms.get(name) is not None else None
            return phi is not None and is_nonnegative(phi)
        found = [self._terms(x) for x in self.made_of(name)]
        return all(terms is not None and self._is_sum_positive(terms) for terms in found)

    def _is_sum_positive(self, terms: list[tuple[Any, str]]) -> bool:
        return all(weight.is_nonnegative and (source in self.positive or not source) for weight, source in terms)

    def _known(self, line: Line) -> None:
        if isinstance(line, Loop):
            for state in line.states:
                self.spaces.place(state)
                self.lines[state.name] = state
                self.lines[state.final] = Algebra(state.final, state.layout, state.meaning, ref(state.name))
                self.spaces.place(self.lines[state.final])
            for inner in line.lines:
                if isinstance(inner, Loop):
                    raise KernelError(
                        f"{inner.meaning}: a loop inside of a loop cannot be compiled yet; use evaluate()"
                    )
                self._known(inner)
            return
        if isinstance(line, Moved | Shared | Averaged):
            self.spaces.follow(line)
            self.lines[line.name] = line
            return
        if not isinstance(line, Gram | Algebra | Expected | Pointwise):
            raise KernelError(f"{line.meaning}: this line with positions cannot be compiled yet; use evaluate()")
        self.spaces.place(line)
        if isinstance(line, Pointwise) and line.op not in ("rsqrt", "expression"):
            raise KernelError(f"{line.meaning}: this value of one input cannot be compiled yet; use evaluate()")
        if isinstance(line, Gram) and (line.tokens or line.first != line.second):
            raise KernelError(f"{line.meaning}: this product of inputs cannot be compiled yet; use evaluate()")
        if isinstance(line, Expected) and is_one_point(line.name) and line.evidence.kind != "exact":
            raise KernelError(f"{line.meaning}: a mean without a closed form cannot be compiled yet; use evaluate()")
        self.lines[line.name] = line
        if isinstance(line, Expected) and line.evidence.kind == "exact":
            source = covariance_of(line)
            names = _in_order(line)
            dual = line.answer.expression
            dual = dual.xreplace(
                {s: sympy.Symbol(names[s.name], **s.assumptions0) for s in dual.free_symbols if s.name in names}
            )
            found = angular(dual, line.diagonal.expression) if source and line.diagonal else None
            self.forms[line.name] = found
            if found is not None and source is not None:
                self.sources[line.name] = source

    def made_of(self, name: str) -> list[Any]:
        """The expressions that a covariance is read from."""
        line = self.lines[name]
        if isinstance(line, Algebra):
            return [line.expression]
        if name in self.spaces.chains:
            return [ref(self.spaces.chains[name].line)]
        return [line.start, line.after] if isinstance(line, State) else []

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
                alone += self._combined_alone(state.name, state.start)
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
                if state.name in self.angles:
                    self.angles.add(after)
                alone += self._combined_alone(after, state.after)
                both += self.combined(after, state.after)
                carried += [state.name + end for end in self._ends(state.name)]
            alone_carried = tuple(state.name + end for state in line.states for end in _alone_ends(state.name))
            point.append(Part(tuple(alone), line.times, alone_carried))
            pair.append(Part(_once(both), line.times, tuple(carried)))
            alone, both = [], []
            for state in line.states:
                alone += [(state.final + end, symbol(state.name + end)) for end in _alone_ends(state.name)]
                both += [(state.final + end, symbol(state.name + end)) for end in self._ends(state.name)]
        point.append(Part(tuple(alone)))
        pair.append(Part(_once(both)))
        return tuple(point), tuple(pair)

    def _ends(self, name: str) -> tuple[str, ...]:
        """What there is of a line at a pair: nothing of a mean, whose products are written out where they are read."""
        if is_one_point(name):
            return ()
        return ("", "__c", "__g") if name in self.angles else ("",)

    def alone(self, line: Line) -> list[Statement]:
        """A line where both inputs are one."""
        if isinstance(line, Gram):
            return _roots(line.name)
        if isinstance(line, Moved | Shared | Averaged):
            linear = self.spaces.linear(line.name)
            return [(line.name, linear), *_roots(line.name)] if linear else []
        if isinstance(line, Algebra):
            return self._combined_alone(line.name, line.expression)
        if isinstance(line, Pointwise):
            value = _diagonal(line.expression)
            return [(line.name, inverse(sympy.sqrt(value)) if line.op == "rsqrt" else value)]
        assert isinstance(line, Expected)
        if line.evidence.kind != "exact":
            return [(line.name, self._series(line)), *_roots(line.name)]
        answer, arguments = line.diagonal or line.answer, line.diagonal_arguments or line.arguments
        value = _answered(answer, [(name, _diagonal(x)) for name, x in arguments])
        form = self.forms[line.name]
        if form is not None and form.power == 0 and line.name.startswith("E"):  # a jump has no limit at variance 0
            value = less(0, symbol(self.sources[line.name]), value, sympy.Function("undefined")())
        return [(line.name, value), *_roots(line.name)]

    def _combined_alone(self, name: str, expression: Any) -> list[Statement]:
        terms = self._terms(expression) if name in self.angles else None
        units = unit_statements(name, terms) if terms else []
        return [(name, _diagonal(expression)), *_roots(name), *units]

    def both(self, line: Line) -> list[Statement]:
        """A line at a pair of inputs."""
        if isinstance(line, Gram | Pointwise) or is_one_point(line.name):
            return []
        if isinstance(line, Moved | Shared | Averaged):
            return self._moved(line.name)
        if isinstance(line, Algebra):
            return self.combined(line.name, line.expression)
        assert isinstance(line, Expected)
        if line.evidence.kind != "exact":
            return [*self._summed(line), *self.naive(line.name)]
        form = self.forms[line.name]
        if form is not None:
            source, carried, positive = self.sources[line.name], line.name in self.angles, line.name in self.positive
            return angular_statements(line.name, source, form, carried, positive, self.polynomials)
        value = _answered(line.answer, [(name, _pair(x)) for name, x in line.arguments])
        return [(line.name, value), *self.naive(line.name)]

    def _moved(self, name: str) -> list[Statement]:
        """What is moved along positions; with c and g."""
        linear = self.spaces.linear(name)
        if linear is None:
            return []
        if name not in self.angles:
            return [(name, linear)]
        ends = symbol(f"{name}__h{LEFT}") * symbol(f"{name}__h{RIGHT}")
        gap = Gap(name, linear.line, f"{linear.line}__{'g' if name in self.positive else 'c'}", linear.window)
        return [(name, linear), (f"{name}__c", symbol(name) * ends), (f"{name}__g", gap)]

    def _series(self, line: Expected) -> Series:
        """The power series of a dual without a closed form; its variable is the cosine of what it reads."""
        if self.spaces.any:
            raise KernelError(
                f"{line.meaning}: a dual without a closed form cannot be compiled at positions yet; use evaluate()"
            )
        source, phi = covariance_of(line), activation_of(line)
        if source is None or phi is None:
            raise KernelError(f"{line.meaning}: neither a closed form nor the dual of one function; use evaluate()")
        own = parity(phi, "z") or 0
        return Series(source, f"{source}__{'square' if own else 'cosine'}", to_sympy(phi), own)

    def _summed(self, line: Expected) -> list[Statement]:
        series = self._series(line)
        source, total = series.variance, symbol(f"{line.name}__sum")
        cosine = symbol(f"{source}__cosine")
        ends = symbol(f"{source}__h{LEFT}") * symbol(f"{source}__h{RIGHT}")
        return [
            (cosine.name, sympy.Function("cosine")(symbol(source) * ends)),
            *([(series.z, cosine**2)] if series.parity else []),
            (total.name, series),
            (line.name, total * cosine if series.parity < 0 else total),
        ]

    def combined(self, name: str, expression: Any) -> list[Statement]:
        """An expression in other lines; with c and g of a sum of covariances."""
        if is_one_point(name):
            return []
        value = [(name, _pair(expression))]
        if name not in self.angles:
            return value
        terms = self._terms(expression)
        if terms is None:
            return [*value, *self.naive(name)]
        return [*value, *sum_statements(name, terms, self.positive, self._is_sum_positive(terms))]

    def _terms(self, expression: Any) -> list[tuple[Any, str]] | None:
        """The weights of a linear combination of covariances; "" for a constant one. None if it is something else.

        A single covariance may have positive numbers of either input as its weight.
        """
        found = {s: name for s, (name, side) in readings(expression).items() if side == "12"}
        terms = []
        rest = sympy.expand(expression)
        for s, name in found.items():
            weight = sympy.diff(rest, s)
            read = {other for other, _ in readings(weight).values()}
            if read and (len(found) > 1 or not all(isinstance(self.lines[x], Pointwise) for x in read)):
                return None
            terms.append((weight, name))
            rest = sympy.expand(rest - weight * s)
        if readings(rest) or (rest != 0 and any(readings(weight) for weight, _ in terms)):
            return None
        return terms if rest == 0 else [*terms, (rest, "")]

    def naive(self, name: str) -> list[Statement]:
        if name not in self.angles:
            return []
        self.stable = False
        return from_value(name)


ROOTS = ("__r", "__h")


def _alone_ends(name: str) -> tuple[str, ...]:
    """What there is of a line where both inputs are one: of a mean no root."""
    return ("",) if is_one_point(name) else ("", *ROOTS)


def _roots(name: str) -> list[Statement]:
    """The root of a diagonal and its inverse; nothing of a mean, which may be negative."""
    if is_one_point(name):
        return []
    return [(f"{name}__r", sympy.sqrt(symbol(name))), (f"{name}__h", inverse(root(name)))]


def _once(statements: list[Statement]) -> tuple[Statement, ...]:
    """Each name the first time that it is made."""
    found: dict[str, Any] = {}
    for name, x in statements:
        found.setdefault(name, x)
    return tuple(found.items())


def covariance_of(line: Expected) -> str | None:
    """The line whose covariance an expectation is over, if it is that of one line."""
    found = {name for _, x in line.arguments for name, _ in readings(x).values()}
    whole = all(x in readings(x) or x.is_number for _, x in line.arguments)
    return found.pop() if len(found) == 1 and whole and "r" in _in_order(line).values() else None


def _in_order(line: Expected) -> dict[str, str]:
    """The arguments that are both diagonals and the covariance, as p, q and r."""
    sides = {"11": "p", "22": "q", "12": "r"}
    return {name: sides[side] for name, x in line.arguments for _, side in readings(x).values() if side in sides}


def _answered(answer: Any, arguments: list[tuple[str, Any]]) -> Any:
    known = {s.name: s for s in answer.expression.free_symbols}
    return answer.expression.xreplace({known[name]: x for name, x in arguments if name in known})


def _pair(expression: Any) -> Any:
    """An expression at a pair: readings at both, at the first and at the second."""
    ends = {"12": "", "11": LEFT, "22": RIGHT, "1": LEFT, "2": RIGHT}
    return expression.xreplace({s: symbol(name + ends[side]) for s, (name, side) in readings(expression).items()})


def _diagonal(expression: Any) -> Any:
    """An expression where both inputs are one."""
    return expression.xreplace({s: symbol(name) for s, (name, _) in readings(expression).items()})


def _at_pairs(expression: Any) -> list[str]:
    return [name for name, side in readings(expression).values() if side == "12"]
