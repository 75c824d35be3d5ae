"""Expressions in expectations that are defined one after the other: differentiated, made of equal inputs, evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import Answer, evaluate
from ntksym.gaussian.answers import solved
from ntksym.gaussian.expectation import simplified
from ntksym.gaussian.pieces import to_mpf
from ntksym.gaussian.slopes import slopes
from ntksym.gaussian.terms import NotMine
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.kernels.arithmetic import Double
from ntksym.kernels.scalars import Definition, joined, number
from ntksym.phases.series import float_series, precise_series, product_of
from ntksym.records.evidence import Evidence, weakest

sympy = lazy("sympy")
mpmath = lazy("mpmath")

GUARD = 15


@dataclass(frozen=True)
class System:
    """``output`` in symbols, each a Gaussian expectation that one of ``definitions`` says, or an input."""

    definitions: tuple[Definition, ...]
    output: Any

    @staticmethod
    def of(definitions: tuple[Definition, ...], output: Any) -> System:
        """The system of definitions of any kind; those that are no expectations are put in."""
        plain: dict[Any, Any] = {}
        kept = []
        for d in definitions:
            if d.answer is None:
                plain[d.symbol] = d.expression.xreplace(plain)
            else:
                kept.append(replace(d, arguments=tuple((name, x.xreplace(plain)) for name, x in d.arguments)))
        return System(tuple(kept), output.xreplace(plain)).needed()

    def needed(self) -> System:
        """Without the definitions that are not read."""
        wanted, kept = set(self.output.free_symbols), []
        for d in reversed(self.definitions):
            if d.symbol in wanted:
                kept.append(d)
                wanted |= set().union(*(x.free_symbols for _, x in d.arguments))
        return System(tuple(reversed(kept)), self.output)

    @property
    def symbols(self) -> set[Any]:
        """The inputs."""
        read = [x for d in self.definitions for _, x in d.arguments]
        free: set[Any] = set().union(self.output.free_symbols, *(x.free_symbols for x in read))
        return free - {d.symbol for d in self.definitions}

    @cached_property
    def closed(self) -> Any:
        """The output in the inputs alone, with every expectation put in."""
        return joined(self.output, self.definitions)

    def derivative(self, by: Any) -> System:
        """The derivative of the output by an input; expectations are differentiated by Price's theorem.

        Raises ``GaussianError`` where a function of several variables jumps.
        """
        moving: dict[Any, Any] = {by: sympy.S.One}
        found: list[Definition] = []
        for d in self.definitions:
            found.append(d)
            assert d.answer is not None
            partial = dict(slopes(d.answer))
            total = sympy.S.Zero
            for name, argument in d.arguments:
                along = _change(argument, moving)
                if along != 0:
                    for weight, slope in partial.get(name, ()):
                        symbol = sympy.Dummy(f"d{d.symbol.name}", real=True)
                        found.append(Definition(symbol, _put_in(slope, d.arguments), d.meaning, slope, d.arguments))
                        total += weight * symbol * along
            if total != 0:
                moving[d.symbol] = total
        return System(tuple(found), _change(self.output, moving)).needed()

    def merged(self, same: Mapping[Any, Any]) -> System:
        """With inputs replaced; variables that become one are one, and so are expectations that become one."""
        known: dict[Any, Any] = dict(same)
        by_value: dict[Any, Any] = {}
        kept = []
        for d in self.definitions:
            assert d.answer is not None
            answer, arguments = _merged(d.answer, tuple((name, x.xreplace(known)) for name, x in d.arguments))
            expression = _put_in(answer, arguments)
            if not (arguments or expression.has(Unevaluated)):
                known[d.symbol] = expression
            elif expression in by_value:
                known[d.symbol] = by_value[expression]
            else:
                by_value[expression] = d.symbol
                kept.append(Definition(d.symbol, expression, d.meaning, answer, arguments))
        return System(tuple(kept), self.output.xreplace(known)).needed()


def floats(systems: Sequence[System], values: Mapping[Any, Any]) -> list[Any]:
    """The outputs of systems that share definitions, for arrays of numbers by symbol, in double precision."""
    known = {s: np.asarray(float(x) if isinstance(x, sympy.Basic) else x, dtype=float) for s, x in values.items()}
    shape = np.broadcast_shapes(*(x.shape for x in known.values()))
    known.update(answers(systems, known))
    return [np.array(algebra(system.output, known, shape)) for system in systems]


def answers(systems: Sequence[System], values: Mapping[Any, Any]) -> dict[Any, Any]:
    """The expectations of systems by symbol, for arrays of numbers."""
    arithmetic = Double()
    known = dict(values)
    shape = np.broadcast_shapes(*(x.shape for x in known.values()))
    found = {}
    for d in _shared(systems):
        assert d.answer is not None
        given = {name: algebra(x, known, shape) for name, x in d.arguments}
        known[d.symbol] = found[d.symbol] = _float_answer(arithmetic, d.answer, given)
    return found


def algebra(expression: Any, known: Mapping[Any, Any], shape: tuple[int, ...]) -> Any:
    """An expression in symbols for which arrays are known."""
    symbols = tuple(sorted(expression.free_symbols, key=lambda s: (s.name, s.sort_key())))
    with np.errstate(all="ignore"):
        value = Double().algebra(expression, symbols, [known[s] for s in symbols])
    return np.broadcast_to(np.asarray(value, dtype=float), shape)


def precise(systems: Sequence[System], values: Mapping[Any, Any], digits: int) -> list[Any]:
    """The outputs as mpmath numbers, for one number by symbol."""
    with mpmath.workdps(digits + GUARD):
        known = as_mpf(values)
        for d in _shared(systems):
            assert d.answer is not None
            given = {name: number(x, known) for name, x in d.arguments}
            known[d.symbol] = _precise_answer(d.answer, given, digits + GUARD // 2)
        return [number(system.output, known) for system in systems]


def evidence_of(*systems: System) -> Evidence:
    """How the expectations are known: as the weakest of them."""
    return weakest(*(Evidence(d.answer.evidence.kind) for d in _shared(systems) if d.answer))


def _float_answer(arithmetic: Double, answer: Answer, given: dict[str, Any]) -> Any:
    """An expectation; of two variables of one constant variance by its series in the correlation."""
    product = product_of(answer)
    if product is not None:
        p, q = (given[name] for name in product.variances)
        if p.size > 1 and np.ptp(p) == 0 and (p == q).all():
            coefficients = float_series(product, float(p.flat[0]))
            return np.polynomial.polynomial.polyval(given[product.covariance] / p, coefficients)
    return arithmetic.answer(answer, given)


def _precise_answer(answer: Answer, given: dict[str, Any], digits: int) -> Any:
    product = product_of(answer)
    if product is not None:
        p, q = (given[name] for name in product.variances)
        if p == q:
            with suppress(NotMine):
                return precise_series(product, p, given[product.covariance] / p, digits)
    return evaluate(answer, given, digits).value


def as_mpf(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """The numbers at the working precision of mpmath."""
    work = mpmath.mp.dps
    return {s: to_mpf(x, work) if isinstance(x, sympy.Basic) else mpmath.mpmathify(x) for s, x in values.items()}


def _shared(systems: Sequence[System]) -> tuple[Definition, ...]:
    """All definitions, each once, after those that it reads."""
    return tuple({d.symbol: d for system in systems for d in system.definitions}.values())


def _change(expression: Any, moving: Mapping[Any, Any]) -> Any:
    read = expression.free_symbols & set(moving)
    return sympy.Add(*(sympy.diff(expression, s) * moving[s] for s in read))


def _put_in(answer: Answer, arguments: tuple[tuple[str, Any], ...]) -> Any:
    symbols = {s.name: s for s in answer.expression.free_symbols}
    return answer.expression.xreplace({symbols[name]: x for name, x in arguments if name in symbols})


def _merged(answer: Answer, arguments: tuple[tuple[str, Any], ...]) -> tuple[Answer, tuple[tuple[str, Any], ...]]:
    """The same expectation, with one symbol for each different argument; numbers are put in."""
    question = answer.expectation
    variances = {row[i].name for i, row in enumerate(question.covariance) if row[i].is_Symbol}
    positive = {x for name, x in arguments if name in variances}
    names: dict[Any, Any] = {}
    fresh = count(1)
    for _, x in arguments:
        if x not in names:
            is_number = x.is_Rational
            names[x] = x if is_number else sympy.Symbol(f"p{next(fresh)}", real=True, positive=x in positive or None)
    put = {name: names[x] for name, x in arguments}
    entries = {s: put[s.name] for s in _free(question) if s.name in put}
    covariance = tuple(tuple(entry.xreplace(entries) for entry in row) for row in question.covariance)
    asked = replace(question, covariance=covariance, mean=tuple(entry.xreplace(entries) for entry in question.mean))
    return solved(simplified(asked)), tuple((symbol.name, x) for x, symbol in names.items() if symbol.is_Symbol)


def _free(question: Any) -> set[Any]:
    entries = (*(entry for row in question.covariance for entry in row), *question.mean)
    return set().union(*(entry.free_symbols for entry in entries))
