"""Parametrizations and forms: which of multiplier and initial size are given, and which are derived.

A weight is W = multiplier * w with w ~ N(0, init_std^2). The derivation finds the initial entry that W needs; a
parametrization may fix it instead (``sp``, ``ntp``), and says how an entry is divided between multiplier and
init_std. Only the product and the update matter, so tables in different forms can be equal (the abc symmetry,
Yang & Hu 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from ntksym.errors import ScalingError
from ntksym.scaling.cones import Form, highest

Exponents = Mapping[str, Fraction | int | str]


@dataclass(frozen=True)
class Fans:
    """What a form may look at: the derived initial entry, and the growth of fan-in and fan-out."""

    entry: Form
    fan_in: Form
    fan_out: Form

    @property
    def none(self) -> Form:
        return self.entry.cone.zero


Split = Callable[[Fans], Form]


@dataclass(frozen=True)
class Parametrization:
    """``entry`` gives W's initial entry (None: derived); ``multiplier`` what of it is the multiplier.

    ``given`` fixes multiplier and init_std of single parameters by pattern: {"w3": {"multiplier": {"n": -1}}}.
    ``form`` and ``multipliers`` (by pattern, these first) write the same entries with other multipliers.
    """

    name: str
    multiplier: Split
    entry: Split | None = None
    given: Mapping[str, Mapping[str, Exponents]] = field(default_factory=dict)
    form: Split | None = None
    multipliers: Mapping[str, Exponents] = field(default_factory=dict)

    def powers(self) -> Iterator[Fraction]:
        """Every exponent that is given."""
        for columns in (*self.given.values(), self.multipliers):
            for exponents in columns.values():
                yield from (Fraction(power) for power in exponents.values())


def _plain(fans: Fans) -> Form:
    return fans.none


def _all(fans: Fans) -> Form:
    return fans.entry


def _standard(fans: Fans) -> Form:
    return -(fans.fan_in / 2)


def _square_plain(fans: Fans) -> Form:
    """Multipliers wherever not both sides grow; what maps many to many keeps its initial size."""
    both = fans.fan_in > fans.none and fans.fan_out > fans.none
    return fans.none if both else fans.entry


def _widest(fans: Fans) -> Form:
    """init_std of the widest side to the power -1/2 for every weight; the rest is the multiplier."""
    return fans.entry + highest(fans.fan_in, fans.fan_out) / 2


forms: dict[str, Split] = {
    "table3": _plain,
    "table8": _square_plain,
    "table9": _widest,
    "unit": _all,
}
"""How to divide an entry: Tables 3, 8 and 9 of Yang et al. 2022, and unit variance (Blake et al. 2023)."""

parametrizations = {
    p.name: p
    for p in (
        Parametrization("mup", _plain),
        Parametrization("sp", _plain, entry=_standard),
        Parametrization("ntp", _standard, entry=_standard),
        Parametrization("mfp", _all),
    )
}


def parametrization(
    name: str, given: Mapping[str, Mapping[str, Exponents]], base: str | Parametrization = "mup"
) -> Parametrization:
    """A parametrization of one's own: multipliers and inits that are fixed, the rates derived.

    Args:
        name: what to call it.
        given: by pattern of parameter names, the growth exponents of ``multiplier`` and ``init_std``:
            ``{"*.w": {"multiplier": {"n": "-1/2"}, "init_std": {}}}``; the first pattern that matches holds.
        base: where nothing is given: a parametrization, or its name.

    Raises ScalingError for another column, or an exponent that is not a rational.
    """
    for pattern, columns in given.items():
        for column, exponents in columns.items():
            if column not in ("multiplier", "init_std"):
                raise ScalingError(f"{pattern}: a parametrization fixes multiplier and init_std, not {column!r}")
            for dim, power in exponents.items():
                rational(power, f"{pattern}: {column} has the exponent {dim}")
    return replace(parametrization_named(base), name=name, given=dict(given))


def rational(power: object, what: str) -> Fraction:
    """An exact exponent; raises ScalingError for floats and for anything else that is not one."""
    try:
        if not isinstance(power, int | str | Fraction) or isinstance(power, bool):
            raise ValueError
        return Fraction(power)
    except (ValueError, ZeroDivisionError):
        raise ScalingError(f'{what} = {power!r}; write an exact rational such as "-1/2"') from None


def parametrization_named(name: str | Parametrization, form: str | Split | None = None) -> Parametrization:
    """A parametrization by name, in another form if one is named; raises ScalingError with the known names."""
    if not isinstance(name, str | Parametrization):
        raise ScalingError(f"found {name!r} where a parametrization or its name was expected")
    if isinstance(name, str):
        if name not in parametrizations:
            raise ScalingError(f"there is no parametrization {name!r}; known: {', '.join(parametrizations)}")
        name = parametrizations[name]
    if form is None:
        return name
    if isinstance(form, str):
        if form not in forms:
            raise ScalingError(f"there is no form {form!r}; known: {', '.join(forms)}")
        form = forms[form]
    if not callable(form):
        raise ScalingError(f"found {form!r} where the name of a form was expected; known: {', '.join(forms)}")
    return replace(name, form=form, multipliers={})
