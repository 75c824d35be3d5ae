"""Values from the command line: choices, settings of an architecture, sizes, optimizers by pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from math import isfinite
from typing import Any

from ntksym.errors import NtksymError
from ntksym.language.activations import Activation, Family, activation
from ntksym.language.trace import Architecture

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_RATIONAL = re.compile(r"[+-]?(\d{1,30}(/\d{1,30})?|\d{0,30}\.\d{1,30}|\d{1,30}\.)")


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean relu?`` if a known word is close, else all of them."""
    words = [str(name) for name in known]
    close = get_close_matches(word, words, 1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(words)}" if words else ""


def one_of(word: str, known: Iterable[str], what: str) -> str:
    """The word if it is known; raises NtksymError with what may have been meant."""
    words = list(known)
    if word not in words:
        raise NtksymError(f"there is no {what} {word!r}{suggestion(word, words)}")
    return word


def pairs(text: str, option: str) -> list[tuple[str, str]]:
    """``n=4096,L=12`` as pairs; raises NtksymError for anything else, and for a name given twice."""
    out: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise NtksymError(f"{option} {text!r} is not a list such as name=value,name=value")
        if name in out:
            raise NtksymError(f"{option} {text!r} names {name} twice")
        out[name] = value
    return list(out.items())


def optimizers_of(text: str, known: Iterable[str], option: str = "--optimizer") -> str | dict[str, str]:
    """One optimizer, or one for each pattern of parameter names: ``*.b=adamw,*=muon``."""
    if "=" not in text:
        return one_of(text, known, "optimizer")
    return {pattern: one_of(name, known, "optimizer") for pattern, name in pairs(text, option)}


def sizes_of(text: str, dims: Iterable[str], option: str) -> dict[str, int | float]:
    """``n=4096,L=12`` as positive numbers of known dimensions."""
    out: dict[str, int | float] = {}
    known = list(dims)
    for name, value in pairs(text, option):
        out[one_of(name, known, "dimension")] = positive(value, f"{option} {name}")
    return out


def positive(text: str, what: str) -> int | float:
    """A positive number, an int where it is written as one."""
    try:
        number = int(text) if re.fullmatch(r"\d{1,15}", text) else float(text)
    except ValueError:
        number = 0
    if not (isfinite(number) and number > 0):
        raise NtksymError(f"{what} = {text!r} is not a positive number")
    return number


def names_of(text: str, option: str) -> list[str]:
    """``n,L`` as names."""
    names = [name for name in re.split(r"[,\s]+", text) if name]
    if not names:
        raise NtksymError(f"{option} needs names, such as n,L")
    return names


def settings_of(
    architecture: Architecture, assignments: Sequence[str], shorthands: Mapping[str, str | None]
) -> dict[str, Any]:
    """Keywords for an architecture from ``key=value`` texts, each read as what its default is.

    ``shorthands`` are options that set a key of the same name, None where they are not given. Raises NtksymError for
    an unknown key, one that is given twice, or a text that cannot be read.
    """
    texts: dict[str, tuple[str, str]] = {}
    given = [(f"--{key}", f"{key}={value}") for key, value in shorthands.items() if value is not None]
    for option, assignment in (*(("--set", text) for text in assignments), *given):
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise NtksymError(f"{option} {assignment!r} is not of the form key=value")
        if key.strip() in texts:
            raise NtksymError(f"{option}: {key.strip()} is set twice")
        texts[key.strip()] = (value.strip(), option)
    defaults = dict(architecture.keywords)
    out = {}
    for key, (value, option) in texts.items():
        if key not in defaults:
            has = suggestion(key, defaults) or "; it has none"
            raise NtksymError(f"{option}: {architecture.name} has no setting {key!r}{has}")
        try:
            out[key] = read_like(defaults[key], value)
        except NtksymError as error:
            raise NtksymError(f"{option}{f' {key}' if option == '--set' else ''}: {error}") from None
    return out


def read_like(default: Any, text: str) -> Any:
    """The text read as what ``default`` is; raises NtksymError if it cannot be."""
    if default is None:
        return text
    for kind, read in _READERS.items():
        if isinstance(default, kind):
            return read(text)
    raise NtksymError(f"its default is a {type(default).__name__}, which has no text form; set it in Python")


def _bool(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise NtksymError(f"{text!r} is neither true nor false")
    return text.lower() in _TRUE


def _int(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,30}", text):
        raise NtksymError(f"{text!r} is not a whole number")
    return int(text)


def rational(text: str) -> Fraction:
    """An exact number such as ``-1/2`` or ``0.5``."""
    try:
        if _RATIONAL.fullmatch(text):
            return Fraction(text)
    except ZeroDivisionError:
        pass
    raise NtksymError(f"{text!r} is not a rational number such as -1/2 or 0.5")


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise NtksymError(f"{text!r} is not a number") from None


_READERS: dict[Any, Callable[[str], Any]] = {
    (Activation, Family): activation,
    bool: _bool,  # before int, which it is, too
    int: _int,
    Fraction: rational,
    float: _float,
    str: str,
}
