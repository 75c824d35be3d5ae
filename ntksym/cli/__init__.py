"""The ``ntksym`` command: the only place that combines analyses.

Every command computes an ``Answer`` first; ``main`` writes it, whole or not at all. Whatever a person got wrong
becomes one line on standard error and the exit code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

from ntksym._lazy import lazy
from ntksym.cli.output import Answer, abandon_output, complain, deliver
from ntksym.errors import NtksymError

metadata = lazy("importlib.metadata")

NAME = "ntksym"
BAD_INPUT, BUG, INTERRUPTED, PIPE_CLOSED = 2, 70, 130, 141
OPTIONAL_VALUES = ("--explain",)
# click's own base class, under whatever name this release of typer has it
UsageProblem = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

COMMANDS = (
    "scaling",
    "kernel",
    "gram",
    "finite",
    "phase",
    "coordcheck",
    "validate",
    "drift",
    "train",
    "spectrum",
    "report",
    "derive",
    "doctor",
)
"""Each stands in a file of its name, as a function ``<name>_command``, and is loaded when it is asked for."""


def app_with(names: Sequence[str]) -> typer.Typer:
    """The application with some of its commands; loading one brings what its analysis needs."""
    app = typer.Typer(name=NAME, add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True)(_ntksym)
    for name in names:
        app.command(name)(getattr(lazy(f"{__name__}.{name}"), f"{name}_command"))
    return app


def _ntksym(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> Answer | None:
    """Derive how an architecture must be scaled as its dimensions grow, and its kernels; check both on networks."""
    if version:
        typer.echo(f"{NAME} {_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    return None


def _version() -> str:
    try:
        return str(metadata.version(NAME))
    except metadata.PackageNotFoundError:
        return "(not installed)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    words = with_empty_values(sys.argv[1:] if arguments is None else arguments)
    path = list(sys.path)
    try:
        app = app_with([words[0]] if words and words[0] in COMMANDS else COMMANDS)
        answer: Any = get_command(app).main(args=words, prog_name=NAME, standalone_mode=False)
        return deliver(answer) if isinstance(answer, Answer) else int(answer or 0)
    except NtksymError as error:
        complain(str(error))
        return BAD_INPUT
    except UsageProblem as error:
        complain(f"{error.format_message()} ({error.ctx.command_path if error.ctx else NAME} --help says more)")
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        abandon_output()
        return PIPE_CLOSED
    except Exception as error:
        if os.environ.get("NTKSYM_TRACEBACK"):
            raise
        complain(f"a bug in ntksym: {type(error).__name__}: {error} (NTKSYM_TRACEBACK=1 shows where)")
        return BUG
    finally:
        sys.path[:] = path


def with_empty_values(words: Sequence[str]) -> list[str]:
    """The words, with ``--explain`` as ``--explain=`` where no value follows it."""
    out = list(words)
    for i, word in enumerate(out):
        if word == "--":
            break
        following = out[i + 1] if i + 1 < len(out) else "-"
        if word in OPTIONAL_VALUES and following.startswith("-"):
            out[i] = f"{word}="
    return out
