"""``ntksym kernel``: the kernels of an architecture as formulas, or as numbers for the inputs in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from ntksym._lazy import lazy
from ntksym.cli.inputs import program_and_numbers, read_csv
from ntksym.cli.options import Arch, Assignments, Depth, Digits, Format, Output, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer, answer, format_of
from ntksym.errors import NtksymError
from ntksym.records.tables import Cell, Table

if TYPE_CHECKING:
    from ntksym.kernels import KernelRecursion, KernelValues

np = lazy("numpy")
kernels = lazy("ntksym.kernels")  # brings SymPy along, which other commands do not need

FORMULAS = ("text", "markdown", "latex", "json")


def kernel_command(
    arch: Arch = None,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    evaluate: Annotated[
        str | None,
        option(
            metavar="X.CSV",
            help="Print the kernel matrices of these inputs instead: one input in each line, numbers only.",
        ),
    ] = None,
    digits: Digits = None,
    format: Format = None,
    output: Output = None,
) -> Answer:
    """Derive NNGP and tangent kernel at infinite width.

    As a recursion of closed forms; --set also takes sizes and sigmas.
    """
    shown = format_of(format, output)
    if evaluate is None and digits is not None:
        raise NtksymError("--digits needs --evaluate, the inputs to give numbers for")
    if evaluate is None and shown not in FORMULAS:
        raise NtksymError(f"formulas have no form {shown}; write --format with one of: {', '.join(FORMULAS)}")
    program, sizes, sigmas = program_and_numbers(
        arch, assignments or [], {"phi": phi, "depth": depth}, sigma_w=sigma_w, sigma_b=sigma_b
    )
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
