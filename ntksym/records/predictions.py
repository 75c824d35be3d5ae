"""Predictions: what finite networks must show, said by a record and measured by ``validate``.

A record that predicts has a method ``predictions(experiment)``. A prediction names a registered measurement and says
how the measured number depends on the width; neither it nor the record knows a network.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from ntksym.errors import ValidationError
from ntksym.language.dims import Number
from ntksym.records.evidence import Evidence

ZERO, EXACT = Fraction(0), Evidence("exact")
Arguments = Mapping[str, Hashable]


@dataclass(frozen=True)
class Law:
    """How a measured number m depends on the width n: m = Σ_k c_k n^(powers[k]), of which c_term is predicted.

    With ``growth`` it is log |m| = s log n + c + Σ_k c_k n^(powers[k]), and the slope s is predicted. Terms after the
    predicted one (all, with ``growth``) are not predicted: they are fitted, as many as the number of widths allows.
    """

    powers: tuple[Fraction, ...]
    term: int = 0
    growth: bool = False

    def __str__(self) -> str:
        if self.growth:
            return "slope"
        if self.powers == (ZERO,):
            return "unbiased"
        if self.term == 0 and self.powers[0] == 0:
            return "limit"
        return f"coefficient of n^{self.powers[self.term]}"


def unbiased() -> Law:
    """The number is the same at every width."""
    return Law((ZERO,))


def limit(terms: int = 2) -> Law:
    """The limit a of a + b/n + c/n^2 + ..., with so many terms that vanish."""
    return coefficient(0, terms=terms)


def coefficient(power: int, *, leading: int = 0, terms: int = 2) -> Law:
    """The coefficient of n^-power in an expansion that begins with n^-leading, ``terms`` smaller terms after it."""
    if not 0 <= leading <= power or terms < 0:
        raise ValidationError(f"there is no term n^-{power} in an expansion that begins with n^-{leading}")
    return Law(tuple(Fraction(-k) for k in range(leading, power + terms + 1)), power - leading)


def growth(corrections: tuple[Fraction, ...] = (Fraction(-1),)) -> Law:
    """The slope of the logarithm in log n, with corrections that vanish like these powers."""
    return Law(corrections, 0, True)


@dataclass(frozen=True)
class Prediction:
    """One number that finite networks must show.

    Attributes:
        quantity: what it is, for people: "kernel of v3 at 0, 1".
        statistic: the name of a measurement registered in ``ntksym.validation.measurements``.
        arguments: what that measurement asks for, as (name, value) pairs of texts, numbers and tuples of such.
        expected: the number; the slope where ``law.growth``.
        law: how the measured number depends on the width.
        uncertainty: an absolute bound on the error of ``expected`` itself, such as a quadrature's.
        evidence: how the number is known.
        settings: from sizes to the numbers of every parameter (what ``sampling.network`` takes); None for the plain
            network. A prediction that was read from a file has none.
    """

    quantity: str
    statistic: str
    arguments: tuple[tuple[str, Hashable], ...]
    expected: float
    law: Law
    uncertainty: float = 0.0
    evidence: Evidence = EXACT
    settings: Callable[[Mapping[str, Number]], Any] | None = field(default=None, compare=False, repr=False)

    def argument(self, name: str, default: Hashable = None) -> Hashable:
        """One of the arguments."""
        return dict(self.arguments).get(name, default)


@dataclass(frozen=True, eq=False)
class Experiment:
    """What is to be measured, as far as a record must know it to predict.

    Attributes:
        inputs: what the networks are given, a batch of an array, or of one for each input by name.
        dim: the dimension that grows, called the width.
        widths: its sizes, growing.
        sizes: those of the other dimensions; the ones with defaults may be missing.
        sigmas: values of the sigma symbols (``sigma_w``); those not named keep their defaults.
        steps: steps of training, for records that predict training.
        seed: of the inputs where none are given, of targets, and of the networks.
    """

    inputs: Any
    dim: str
    widths: tuple[int, ...]
    sizes: Mapping[str, Number] = field(default_factory=dict)
    sigmas: Mapping[str, float] = field(default_factory=dict)
    steps: int = 1
    seed: int = 0

    def at(self, width: int) -> dict[str, Number]:
        """All sizes with the growing dimension at this one."""
        return {**self.sizes, self.dim: width}


class Predicting(Protocol):
    """A record that says what finite networks must show."""

    def predictions(self, experiment: Experiment) -> Iterable[Prediction]:
        """What networks must show in this experiment."""
        ...


def predictions_of(records: Iterable[Predicting | Prediction], experiment: Experiment) -> tuple[Prediction, ...]:
    """The predictions of all records; a prediction counts as a record of its own."""
    out: list[Prediction] = []
    for record in records:
        if isinstance(record, Prediction):
            out.append(record)
        elif hasattr(record, "predictions"):
            out.extend(record.predictions(experiment))
        else:
            raise ValidationError(f"a {type(record).__name__} predicts nothing; give records with predictions(...)")
    return tuple(out)
