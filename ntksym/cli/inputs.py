"""What kernels are evaluated at: a program, numbers for its sizes and sigmas, and inputs from a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ntksym._lazy import lazy
from ntksym.cli.architectures import find, program_of, traced
from ntksym.cli.settings import positive, rational, settings_of, suggestion
from ntksym.errors import NtksymError
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Node, Program
from ntksym.language.trace import Architecture
from ntksym.language.types import MatrixType

np = lazy("numpy")
data, gram = lazy("ntksym.kernels.data"), lazy("ntksym.kernels.gram")  # SymPy comes with them

Shorthands = Mapping[str, str | None]


def program_and_numbers(
    arch: str | None, assignments: Sequence[str], shorthands: Shorthands, **sigmas: str | None
) -> tuple[Program, dict[str, Any], dict[str, Any]]:
    """A program, sizes of its dimensions and values of its sigmas, from ``--set`` and options that are short for it."""
    program, texts = _program(arch, assignments, shorthands)
    given = [f"{name}={text}" for name, text in sigmas.items() if text is not None]
    return program, *_numbers(program, [*texts, *given])


def _program(arch: str | None, assignments: Sequence[str], shorthands: Shorthands) -> tuple[Program, list[str]]:
    """The program, and those assignments that are no settings of its architecture."""
    if arch is None:
        return program_of(arch, assignments, shorthands), []
    found = find(arch)
    if not isinstance(found, Architecture):
        return program_of(arch, [], shorthands), list(assignments)
    settings = dict(found.keywords)
    own = [text for text in assignments if "=" not in text or text.partition("=")[0].strip() in settings]
    rest = [text for text in assignments if text not in own]
    return traced(found, settings_of(found, own, shorthands)), rest


def _numbers(program: Program, assignments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sizes of dimensions and values of sigmas, each by name."""
    dims = [dim.name for dim in program.dims if dim.equals is None]
    sigmas = sorted({node.attr("sigma") for node in program.parameters if node.attr("sigma")})
    sizes: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise NtksymError(f"--set {text!r} is not of the form key=value")
        if name in sizes or name in values:
            raise NtksymError(f"{name} is set twice")
        if name in dims:
            sizes[name] = positive(value, f"--set {name}")
        elif name in sigmas:
            values[name] = _sigma(name, value)
        else:
            raise NtksymError(
                f"--set: {program.name} has no setting, size or sigma {name!r}{suggestion(name, dims + sigmas)}"
            )
    return sizes, values


def _sigma(name: str, text: str) -> Any:
    number = rational(text)
    if number < 0:
        raise NtksymError(f"{name} = {text} is a standard deviation, so it is not negative")
    return int(number) if number.denominator == 1 else float(number)


def read_data(name: str, program: Program, sizes: Mapping[str, Any]) -> Any:
    """The inputs in an ``.npy`` file, or in a file of text as ``read_csv`` takes it."""
    return read_npy(name, program) if Path(name).suffix.lower() == ".npy" else read_csv(name, program, sizes)


def read_npy(name: str, program: Program) -> Any:
    """The inputs in an ``.npy`` file, as a memory map where they are no tokens; the first axis is over inputs.

    Raises NtksymError for a file that cannot be read, other numbers of axes, and what is no finite number.
    """
    node = _one_input(name, program)
    try:
        array = np.lib.format.open_memmap(name, mode="r")  # which reads no pickled objects
    except OSError as error:
        raise NtksymError(f"cannot read {name}: {error.strerror or error}") from None
    except (ValueError, EOFError):
        array = None
    if not isinstance(array, np.ndarray):
        raise NtksymError(
            f"{name} is no .npy file of numbers: it holds text, objects or several arrays, or is cut short"
        )
    axes = 1 + data.rank(node)
    if array.ndim != axes:
        raise NtksymError(f"{name}: found the shape {array.shape}, expected {axes} axes, the first over inputs")
    array = gram.finite_inputs(array, name)
    return _tokens(array, name) if node.attr("kind") == "tokens" else array


def _one_input(name: str, program: Program) -> Node:
    if len(program.inputs) != 1:
        names = ", ".join(node.name for node in program.inputs)
        raise NtksymError(f"{name} holds one input, and {program.name} has several: {names}; evaluate it in Python")
    return program.inputs[0]


def read_csv(name: str, program: Program, sizes: Mapping[str, Any]) -> Any:
    """The inputs in a file, one in each line, as an array; positions first, then coordinates, if it has positions.

    Raises NtksymError for a file that cannot be read, lines of different lengths, and what is no number.
    """
    node = _one_input(name, program)
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            lines = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(map(str.strip, row))]
    except OSError as error:
        raise NtksymError(f"cannot read {name}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise NtksymError(f"{name} is no table of numbers: {error}") from None
    if not lines:
        raise NtksymError(f"{name} is empty; write one input in each line, its numbers separated by commas")
    width = len(lines[0][1])
    for number, row in lines:
        if len(row) != width:
            raise NtksymError(f"{name}, line {number}: found {len(row)} numbers, expected {width} as in the first line")
    rows = [[_finite(text, f"{name}, line {number}") for text in row] for number, row in lines]
    assert not isinstance(node.type, MatrixType)
    array = np.array(rows)
    if node.attr("kind") == "tokens":
        array = _tokens(array, name)
    elif not node.type.positions:
        return array
    shape = Numbers(program, sizes).shape(node.type)
    shape = shape[: len(node.type.positions)] if node.attr("kind") == "tokens" else shape
    if int(np.prod(shape)) != width:
        wanted = " × ".join(map(str, shape))
        raise NtksymError(f"{name}: found {width} numbers in a line, expected {wanted}, the shape of {node.name}")
    return array.reshape(len(rows), *shape)


def _finite(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise NtksymError(f"{where}: {text.strip()!r} is not a number") from None
    if not isfinite(number):
        raise NtksymError(f"{where}: {text.strip()} is not a finite number")
    return number


def _tokens(array: Any, name: str) -> Any:
    if (array != array.astype(int)).any() or (array < 0).any():
        raise NtksymError(f"{name}: the inputs are tokens, so whole numbers from 0 are expected")
    return array.astype(int)
