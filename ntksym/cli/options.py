"""Options that several commands have: the architecture and its settings, the form of the answer and where it goes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ntksym import zoo
from ntksym.cli.architectures import FORMS
from ntksym.cli.output import FORMATS


def _option(*names: str, metavar: str, text: str) -> Any:
    return typer.Option(*names, metavar=metavar, show_default=False, help=text)


Arch = Annotated[
    str | None,
    typer.Argument(metavar="ARCH", show_default=False, help=f"{FORMS}. The zoo: {', '.join(zoo.names)}."),
]
Assignments = Annotated[list[str] | None, _option("--set", metavar="KEY=VALUE", text="A setting of ARCH; repeatable.")]
Phi = Annotated[str | None, _option("--phi", metavar="NAME", text="Short for --set phi=NAME.")]
Depth = Annotated[str | None, _option("--depth", metavar="N", text="Short for --set depth=N.")]
SigmaW = Annotated[str | None, _option("--sigma-w", metavar="X", text="Short for --set sigma_w=X.")]
SigmaB = Annotated[str | None, _option("--sigma-b", metavar="X", text="Short for --set sigma_b=X.")]
Format = Annotated[
    str | None,
    _option(
        "--format", metavar="FORM", text=f"{', '.join((*FORMATS, 'json'))}; if not given, what FILE ends in, else text."
    ),
]
Output = Annotated[str | None, _option("-o", "--output", metavar="FILE", text="Write to FILE.")]
