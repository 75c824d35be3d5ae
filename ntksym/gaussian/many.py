"""Numbers for an answer in double precision, for many values of its symbols at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian.answers import Answer
from ntksym.gaussian.evaluate import NOTES, evaluate
from ntksym.gaussian.expectation import (
    Expectation,
    GaussianError,
    constant_factors,
    independent_parts,
    opened,
    simplified,
)
from ntksym.gaussian.floats import DIGITS, expectations
from ntksym.gaussian.special import Orthant, bivariate_normal_array
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.language.expressions import numpy_function
from ntksym.records.evidence import Evidence, weakest

sympy = lazy("sympy")
special = lazy("scipy.special")

# nearer to a singular correlation matrix than this determinant, a closed form loses digits in double precision
SINGULAR = 1e-5
# a quadrature replaces a closed form only if its error is below this part of the largest that it might be
_CLOSE = 1e-12


@dataclass(frozen=True)
class Numbers:
    """An array of values and how they are known; ``evidence.bound`` is a bound on the error of each of them."""

    value: Any
    evidence: Evidence


def evaluate_many(answer: Answer, values: Mapping[str, Any]) -> Numbers:
    """What an answer is for arrays of values of its symbols, by their names, in double precision.

    Closed forms where there are, save next to a singular covariance, where these would lose digits: there, as
    everywhere without closed form, sums over points. Raises ``GaussianError`` for missing values, and for more
    variables than can be sampled.
    """
    names = sorted(symbol.name for symbol in _symbols(answer.expectation))
    missing = [name for name in names if name not in values]
    if missing:
        raise GaussianError(f"a value is needed for {', '.join(missing)}")
    zero, *arrays = np.broadcast_arrays(np.zeros(()), *(np.asarray(values[name], dtype=float) for name in names))
    table = np.stack([array.ravel() for array in arrays], axis=-1) if arrays else np.zeros((1, 0))
    different, where = np.unique(table, axis=0, return_inverse=True)
    found = _rows(answer, dict(zip(names, different.T, strict=False)), len(different))
    return Numbers(found.value[where.reshape(-1)].reshape(zero.shape), found.evidence)


def _rows(answer: Answer, values: dict[str, Any], rows: int) -> Numbers:
    question = _simple(answer.expectation)
    if answer.expression.has(Unevaluated) or answer.expression.has(Orthant):
        if not any(question.derivatives) and not answer.expression.has(Orthant):
            return _summed(question, values, rows)
        return _one_by_one(answer, values, np.arange(rows))
    value = np.array(np.broadcast_to(_closed(answer.expression, tuple(values))(*values.values()), rows), dtype=float)
    near = np.nonzero(is_near(answer, values, rows) | ~np.isfinite(value))[0]  # or a factor is too large for doubles
    if not len(near):
        return Numbers(value, answer.evidence)
    some = {name: array[near] for name, array in values.items()}
    evidence = answer.evidence
    if any(question.derivatives):
        left = near
    else:
        found = _summed(question, some, len(near))
        value[near], evidence = found.value, replace(evidence, bound=found.evidence.bound)
        left = near if not found.evidence.bound <= _CLOSE * np.abs(found.value).max(initial=0) else near[:0]
    if len(left):
        single = _one_by_one(answer, values, left)
        value[left], evidence = single.value, replace(evidence, bound=single.evidence.bound)
    return Numbers(value, evidence)


def _one_by_one(answer: Answer, values: dict[str, Any], rows: Any) -> Numbers:
    found = [evaluate(answer, {name: float(array[row]) for name, array in values.items()}, DIGITS) for row in rows]
    return Numbers(np.array([float(x.value) for x in found]), weakest(*(x.evidence for x in found)))


@lru_cache(maxsize=4096)
def _simple(question: Expectation) -> Expectation:
    return simplified(question)


def _symbols(question: Expectation) -> set[Any]:
    entries = (*(entry for row in question.covariance for entry in row), *question.mean)
    return set().union(*(entry.free_symbols for entry in entries))


@lru_cache(maxsize=4096)
def _closed(expression: Any, names: tuple[str, ...]) -> Any:
    """An expression as a function of arrays, silent where it has no value."""
    by_name = {symbol.name: symbol for symbol in expression.free_symbols}
    functions = {
        "erf": special.erf,
        "erfc": special.erfc,
        "NormalCDF": special.ndtr,
        "BivariateNormal": bivariate_normal_array,
    }
    arguments = [by_name.get(name, sympy.Symbol(name)) for name in names]
    function = sympy.lambdify(arguments, expression, [functions, "numpy"], cse=True)

    def silent(*values: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.real(function(*values))

    return silent


def matrices(question: Expectation, values: Mapping[str, Any], rows: int) -> tuple[Any, Any]:
    """Covariances (rows by n by n) and means (rows by n)."""
    n = question.n
    K, m = np.empty((rows, n, n)), np.empty((rows, n))
    for i in range(n):
        m[:, i] = _entry(question.mean[i], values)
        for j in range(n):
            K[:, i, j] = _entry(question.covariance[i][j], values)
    return K, m


def _entry(entry: Any, values: Mapping[str, Any]) -> Any:
    if entry.is_Number:
        return float(entry)
    if entry.is_Symbol:
        return values[entry.name]
    names = tuple(sorted(symbol.name for symbol in entry.free_symbols))
    return _closed(entry, names)(*(values[name] for name in names))


def is_near(answer: Answer, values: Mapping[str, Any], rows: int) -> Any:
    """Where, among ``rows`` values of the symbols, the covariance is (nearly) singular though not by construction."""
    question = _simple(answer.expectation)
    K, _ = matrices(question, values, rows)
    scale = np.sqrt(np.abs(np.diagonal(K, axis1=1, axis2=2)))
    # a variance that is zero by construction is no reason: the closed form has no such variable
    constant = np.array([question.covariance[i][i] == 0 for i in range(question.n)], dtype=bool)
    scale = np.where(constant, 1.0, scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = K / scale[:, :, None] / scale[:, None, :]
    correlation[:, constant, constant] = 1.0
    return ~(np.linalg.det(np.nan_to_num(correlation)) > SINGULAR)


def _summed(question: Expectation, values: Mapping[str, Any], rows: int) -> Numbers:
    """By sums over points, for each independent part, and each term of a sum, on its own."""
    number, parts = _product(question)
    value, evidence = np.full(rows, number), Evidence("exact", bound=0.0)
    for part, terms in parts:
        found = _part(part, terms, values, rows)
        bound = _most(found.value) * (evidence.bound or 0) + _most(value) * (found.evidence.bound or 0)
        value, evidence = value * found.value, replace(weakest(evidence, found.evidence), bound=bound)
    return Numbers(value, evidence)


def _most(value: Any) -> float:
    return float(np.abs(value).max(initial=0))


@lru_cache(maxsize=4096)
def _product(question: Expectation) -> tuple[float, tuple[tuple[Expectation, tuple[Expectation, ...]], ...]]:
    """A number times independent parts, each with the terms of its sum, if it has one to be opened."""
    simple = simplified(question)
    number = prod(float(numpy_function(factor, ())()) for factor in constant_factors(simple))
    return number, tuple((part, tuple(opened(part))) for part in independent_parts(simple))


def _part(question: Expectation, terms: Sequence[Expectation], values: Mapping[str, Any], rows: int) -> Numbers:
    if terms:
        parts = [_summed(term, values, rows) for term in terms]
        evidence = weakest(*(part.evidence for part in parts))
        total = sum((part.value for part in parts), np.zeros(rows))
        return Numbers(total, replace(evidence, bound=sum(part.evidence.bound or 0 for part in parts)))
    found = expectations(question.factors, *matrices(question, values, rows))
    note = NOTES[found.kind]
    return Numbers(found.value, Evidence(found.kind, nodes=found.nodes, bound=_most(found.bound), note=note))
