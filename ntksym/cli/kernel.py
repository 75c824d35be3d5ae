"""``ntksym kernel``: the kernels of an architecture as formulas, or as numbers for the inputs in a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ntksym._lazy import lazy
from ntksym.cli.architectures import find, program_of, traced
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi
from ntksym.cli.output import Answer, answer, format_of
from ntksym.cli.settings import positive, rational, settings_of, suggestion
from ntksym.errors import NtksymError
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.language.types import MatrixType
from ntksym.records.tables import Cell, Table

if TYPE_CHECKING:
    from ntksym.kernels import KernelRecursion, KernelValues

np = lazy("numpy")
kernels = lazy("ntksym.kernels")  # brings SymPy along, which other commands do not need

FORMULAS = ("text", "markdown", "latex", "json")
MOST_DIGITS = 1000
Shorthands = Mapping[str, str | None]


def kernel_command(
    arch: Arch = None,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: Annotated[
        str | None, typer.Option("--sigma-w", metavar="X", show_default=False, help="Short for --set sigma_w=X.")
    ] = None,
    sigma_b: Annotated[
        str | None, typer.Option("--sigma-b", metavar="X", show_default=False, help="Short for --set sigma_b=X.")
    ] = None,
    evaluate: Annotated[
        str | None,
        typer.Option(
            metavar="X.CSV",
            show_default=False,
            help="Print the kernel matrices of these inputs instead: one input in each line, numbers only.",
        ),
    ] = None,
    digits: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_DIGITS, metavar="N", show_default=False, help="Digits of the numbers, not double precision."
        ),
    ] = None,
    format: Format = None,
    output: Output = None,
) -> Answer:
    """Derive NNGP and NTK at infinite width, as a recursion of closed forms; --set also takes sizes and sigmas."""
    shown = format_of(format, output)
    if evaluate is None and digits is not None:
        raise NtksymError("--digits needs --evaluate, the inputs to give numbers for")
    if evaluate is None and shown not in FORMULAS:
        raise NtksymError(f"formulas have no form {shown}; write --format with one of: {', '.join(FORMULAS)}")
    program, texts = _program(arch, assignments or [], {"phi": phi, "depth": depth})
    sizes, sigmas = _numbers(program, [*texts, *_given(sigma_w=sigma_w, sigma_b=sigma_b)])
    if evaluate is None and sigmas:
        raise NtksymError(f"{next(iter(sigmas))} stays a symbol in formulas; a number for it needs --evaluate")
    inputs = None if evaluate is None else read_csv(evaluate, program, sizes)
    recursion = kernels.kernel_recursion(program, sizes=sizes)
    if inputs is None:
        return answer_with_formulas(recursion, shown, output)
    found = recursion.evaluate(inputs, digits=digits, **sizes, **sigmas)
    return answer(shown, output, to_table(recursion, found, digits), lambda: to_json(found, digits))


def answer_with_formulas(recursion: KernelRecursion, shown: str, output: str | None) -> Answer:
    """The recursion in one of FORMULAS; LaTeX as a document."""
    forms: dict[str, Callable[[], str]] = {
        "json": lambda: json.dumps(recursion.to_json(), indent=2),
        "text": recursion.to_text,
        "markdown": recursion.to_markdown,
        "latex": lambda: recursion.to_latex(document=True),
    }
    return Answer(forms[shown](), output)


# --- what is asked for --------------------------------------------------------------------------------------------


def _given(**options: str | None) -> list[str]:
    return [f"{name}={text}" for name, text in options.items() if text is not None]


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


def read_csv(name: str, program: Program, sizes: Mapping[str, Any]) -> Any:
    """The inputs in a file, one in each line, as an array; positions first, then coordinates, if it has positions.

    Raises NtksymError for a file that cannot be read, lines of different lengths, and what is no number.
    """
    if len(program.inputs) != 1:
        names = ", ".join(node.name for node in program.inputs)
        raise NtksymError(f"--evaluate reads one input, and {program.name} has several: {names}; evaluate it in Python")
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
    (node,) = program.inputs
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


# --- numbers ------------------------------------------------------------------------------------------------------


def to_json(found: KernelValues, digits: int | None) -> dict[str, Any]:
    """Both matrices, rows and columns in the order of the inputs; numbers are texts where digits were asked for."""
    return {
        "schema": "ntksym.kernel_values/1",
        "nngp": _listed(found.nngp, digits),
        "ntk": None if found.ntk is None else _listed(found.ntk, digits),
        "evidence": str(found.evidence),
    }


def _listed(kernel: Any, digits: int | None) -> Any:
    if isinstance(kernel, np.ndarray):
        return [_listed(part, digits) for part in kernel]
    return float(kernel) if digits is None else _text(kernel, digits)


def _text(number: Any, digits: int | None) -> str:
    if digits is None:
        return f"{float(number):.10g}"
    return str(number.context.nstr(number, digits)) if hasattr(number, "context") else str(number)


def to_table(recursion: KernelRecursion, found: KernelValues, digits: int | None) -> Table:
    """A row for every pair of inputs (with positions of the output, if it has any)."""
    kernels = {name: kernel for name, kernel in (("nngp", found.nngp), ("ntk", found.ntk)) if kernel is not None}
    half = (found.nngp.ndim - 2) // 2
    rows = []
    for index in np.ndindex(*found.nngp.shape):
        left, right = (index[0], *index[2 : 2 + half]), (index[1], *index[2 + half :])
        if left <= right:
            numbers = (Cell(_text(kernel[index], digits)) for kernel in kernels.values())
            rows.append((Cell(_point(left)), Cell(_point(right)), *numbers))
    heads = tuple(map(Cell, ("x", "x'", *kernels)))
    return Table(f"{recursion.program.name}: kernels", heads, tuple(rows), (f"evidence: {found.evidence}",))


def _point(point: tuple[int, ...]) -> str:
    """An input, counted from 0, and positions."""
    return str(point[0]) if len(point) == 1 else str(point)
