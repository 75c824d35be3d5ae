"""``ntksym scaling``: the scaling table of an architecture, its reasons, its numbers, a recipe held against it."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Any

from ntksym.cli.architectures import program_of
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi, option
from ntksym.cli.output import Answer, answer, complain, format_of
from ntksym.cli.recipes import read_parametrization, read_recipe
from ntksym.cli.settings import names_of, one_of, optimizers_of, positive, sizes_of, suggestion
from ntksym.errors import NtksymError
from ntksym.language.program import Program
from ntksym.scaling.alignment import alignments
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.numbers import Numbers
from ntksym.scaling.optimizers import optimizers
from ntksym.scaling.parametrizations import forms, parametrizations
from ntksym.scaling.recipe import check_recipe
from ntksym.scaling.table import ScalingTable

DEFAULTS = {"optimizer": "adam", "parametrization": "mup", "alignment": "tensor_programs"}


def _listed(names: Iterable[str], key: str) -> str:
    return ", ".join(f"{name} (default)" if name == DEFAULTS[key] else name for name in names)


def scaling_command(
    arch: Arch = None,
    optimizer: Annotated[
        str | None,
        option(
            metavar="NAME",
            help=f"{_listed(sorted(optimizers), 'optimizer')}; or one by pattern of names: '*.b=adamw,*=muon'.",
        ),
    ] = None,
    parametrization: Annotated[
        str | None,
        option(
            metavar="NAME",
            help=f"{_listed(parametrizations, 'parametrization')}; or FILE.toml with your own multipliers and inits.",
        ),
    ] = None,
    alignment: Annotated[
        str | None,
        option(metavar="NAME", help=f"{_listed(alignments, 'alignment')}."),
    ] = None,
    large: Annotated[
        str | None,
        option(metavar="n,L", help="Dimensions that grow; all declared large if not given."),
    ] = None,
    form: Annotated[
        str | None,
        option(metavar="NAME", help=f"How entries are divided between multiplier and init: {', '.join(forms)}."),
    ] = None,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    explain: Annotated[
        str | None,
        option(
            metavar="[PARAMETER]",
            help="Print the reasons instead: for one parameter, those that match a pattern, or all.",
        ),
    ] = None,
    check: Annotated[
        str | None,
        option(
            metavar="RECIPE.TOML", help="Hold a recipe against the derivation; exit code 1 if something is wrong in it."
        ),
    ] = None,
    at: Annotated[
        str | None,
        option(
            metavar="n=4096,L=12", help="Print the numbers at these sizes; --format json or toml for a training script."
        ),
    ] = None,
    base: Annotated[
        str | None,
        option(metavar="n=256,L=4", help="Sizes that were tuned; for --at."),
    ] = None,
    lr: Annotated[str | None, option(metavar="RATE", help="Tuned learning rate; for --at.")] = None,
    format: Format = None,
    output: Output = None,
) -> Answer:
    """Derive how every parameter must be scaled, and why.

    Multiplier, init, learning rate, eps and weight decay, as powers of what grows.
    """
    if arch is None and explain:  # in `ntksym scaling --explain mlp` the option has taken the architecture
        arch, explain = explain, ""
    _compatible(explain=explain, check=check, at=at, form=form, format=format, base=base, lr=lr)
    shown = format_of(format, output, *(["toml"] if at is not None else []))
    options = _options(optimizer, parametrization, alignment, large)
    if form is not None:
        one_of(form, forms, "form")
    program = program_of(arch, assignments or [], {"phi": phi, "depth": depth})
    for name in options.get("large", ()):
        one_of(name, [dim.name for dim in program.dims], "dimension")
    if check is not None:
        report = check_recipe(program, read_recipe(check, program, options))
        code = 0 if report.ok else 1
        return answer(shown, output, report.to_table(), report.to_json, text=report.to_text(), code=code)
    _note_idle_patterns(program, options.get("optimizer"))
    table = scaling_table(program, form=form, **{**DEFAULTS, **options})
    if explain is not None:
        return Answer(_explained(table, explain or None), output)
    if at is not None:
        numbers = _numbers(table, program, at, base, lr)
        if shown == "toml":
            return Answer(numbers.to_toml(), output)
        return answer(shown, output, numbers.to_table(), numbers.to_json)
    return answer(shown, output, table.to_table(), table.to_json)


def _options(
    optimizer: str | None, parametrization: str | None, alignment: str | None, large: str | None
) -> dict[str, Any]:
    """What was asked for, by the names of ``scaling_table``; raises NtksymError for unknown names."""
    out: dict[str, Any] = {}
    if optimizer is not None:
        out["optimizer"] = optimizers_of(optimizer, optimizers)
    if parametrization is not None:
        if parametrization.endswith(".toml"):
            out["parametrization"] = read_parametrization(parametrization)
        else:
            out["parametrization"] = one_of(parametrization, parametrizations, "parametrization")
    if alignment is not None:
        out["alignment"] = one_of(alignment, alignments, "alignment")
    if large is not None:
        out["large"] = names_of(large, "--large")
    return out


def _compatible(**given: str | None) -> None:
    """Raises NtksymError for options that do not go together."""
    apart = (("explain", "check"), ("explain", "at"), ("explain", "format"), ("check", "at"), ("check", "form"))
    for one, other in apart:
        if given[one] is not None and given[other] is not None:
            raise NtksymError(f"--{one} and --{other} do not go together; leave one out")
    for name in ("base", "lr"):
        if given[name] is not None and given["at"] is None:
            raise NtksymError(f"--{name} needs --at, the sizes to print numbers for")


def _note_idle_patterns(program: Program, optimizer: Any) -> None:
    """Says which patterns name no parameter: often a slip, but a recipe for many architectures may have such."""
    for pattern in optimizer if isinstance(optimizer, dict) else ():
        if not any(fnmatchcase(node.name, pattern) for node in program.parameters):
            complain(f"note: --optimizer: no parameter of {program.name} is named {pattern}")


def _explained(table: ScalingTable, name: str | None) -> str:
    names = [row.name for row in table.parameters]
    if name is not None and not any(row == name or fnmatchcase(row, name) for row in names):
        raise NtksymError(f"{table.program} has no parameter {name!r}{suggestion(name, names)}")
    return table.explain(name)


def _numbers(table: ScalingTable, program: Program, at: str, base: str | None, lr: str | None) -> Numbers:
    """The numbers at the sizes asked for."""
    dims = [dim.name for dim in program.dims]
    wanted: dict[str, Any] = dict(sizes_of(at, dims, "--at"))
    if base is not None:
        wanted["base"] = sizes_of(base, dims, "--base")
    if lr is not None:
        wanted["lr"] = float(positive(lr, "--lr"))
    return table.at(**wanted)
