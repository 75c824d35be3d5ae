"""Recipes from TOML files: what a user's training code does, for ``check_recipe`` to judge."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ntksym.cli.settings import one_of, optimizers_of
from ntksym.errors import NtksymError
from ntksym.language.program import Program
from ntksym.scaling.alignment import alignments
from ntksym.scaling.optimizers import optimizers
from ntksym.scaling.parametrizations import Parametrization, parametrization, parametrizations
from ntksym.scaling.table import COLUMNS

KEYS = ("optimizer", "large", "parametrization", "alignment", "parameters")


def read_parametrization(name: str) -> Parametrization:
    """A parametrization from a TOML file: ``base = "sp"`` and tables such as [parameters."*.w"] with
    multiplier = {n = "-1/2"}; raises NtksymError if it is none.
    """
    data = _toml(name)
    try:
        for key in data:
            one_of(key, ("base", "parameters"), "key")
        base = one_of(_text(data.get("base", "mup"), "base"), parametrizations, "parametrization")
        return parametrization(Path(name).stem, _tables(data), base)
    except NtksymError as error:
        raise NtksymError(f"{name}: {error}") from None


def _toml(name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise NtksymError(f"cannot read {name}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NtksymError(f"{name} is not TOML: {error}") from None


def read_recipe(name: str, program: Program, options: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe in a TOML file, completed by options of the command line; raises NtksymError if it is no recipe."""
    data = _toml(name)
    try:
        recipe = _checked(data, program)
    except NtksymError as error:
        raise NtksymError(f"{name}: {error}") from None
    for key, value in options.items():
        if recipe.setdefault(key, value) != value:
            raise NtksymError(f"{name} says {key} = {recipe[key]!r}, the command line {value!r}; leave one out")
    return recipe


def _checked(data: Mapping[str, Any], program: Program) -> dict[str, Any]:
    """The recipe, if every key, name and dimension in it is known; exponents are left to ``check_recipe``."""
    for key in data:
        one_of(key, KEYS, "key")
    out = dict(data)
    if "optimizer" in data:
        out["optimizer"] = _optimizer(data["optimizer"])
    for key, known in (("parametrization", parametrizations), ("alignment", alignments)):
        if key in data:
            one_of(_text(data[key], key), known, key)
    dims = [dim.name for dim in program.dims]
    if "large" in data:
        if not isinstance(data["large"], list):
            raise NtksymError('large is not a list such as ["n", "L"]')
        out["large"] = [one_of(_text(name, "large"), dims, "dimension") for name in data["large"]]
    for pattern, columns in _tables(data).items():
        for column, powers in columns.items():
            one_of(column, COLUMNS, f"entry of {pattern} named")
            for dim in powers if isinstance(powers, Mapping) else ():
                one_of(dim, dims, f"dimension in {column} of {pattern} named")
    return out


def _tables(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables by pattern of parameter names; every entry of one is a table of exponents."""
    parameters = data.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise NtksymError('it has no entries; write tables such as [parameters."block.*.w"] with lr = {n = "-1"}')
    for pattern, columns in parameters.items():
        if not isinstance(columns, Mapping):
            raise NtksymError(f'the entry for {pattern} is not a table such as lr = {{n = "-1"}}')
        for column, powers in columns.items():
            if not isinstance(powers, Mapping):
                raise NtksymError(f'{pattern}: {column} = {powers!r} is not a table of exponents such as {{n = "-1"}}')
    return dict(parameters)


def _optimizer(value: Any) -> str | dict[str, str]:
    if isinstance(value, Mapping):
        return {p: one_of(_text(name, "optimizer"), optimizers, "optimizer") for p, name in value.items()}
    return optimizers_of(_text(value, "optimizer"), optimizers, "optimizer")


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise NtksymError(f"{key} = {value!r} is not a text")
    return value
