"""Options that several commands have: the architecture and its settings, the form of the answer and where it goes."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ntksym import zoo
from ntksym.cli.architectures import FORMS
from ntksym.cli.output import FORMATS

option = partial(typer.Option, show_default=False)
"""An option that says in its help what holds where it is not given."""
MOST_DIGITS = 1000

Arch = Annotated[
    str | None,
    typer.Argument(metavar="ARCH", show_default=False, help=f"{FORMS}. The zoo: {', '.join(zoo.names)}."),
]
Assignments = Annotated[list[str] | None, option("--set", metavar="KEY=VALUE", help="A setting of ARCH; repeatable.")]
Phi = Annotated[str | None, option("--phi", metavar="NAME", help="Short for --set phi=NAME.")]
Depth = Annotated[str | None, option("--depth", metavar="N", help="Short for --set depth=N.")]
SigmaW = Annotated[str | None, option("--sigma-w", metavar="X", help="Short for --set sigma_w=X.")]
SigmaB = Annotated[str | None, option("--sigma-b", metavar="X", help="Short for --set sigma_b=X.")]
Format = Annotated[
    str | None,
    option(
        "--format", metavar="FORM", help=f"{', '.join((*FORMATS, 'json'))}; if not given, what FILE ends in, else text."
    ),
]
Output = Annotated[str | None, option("-o", "--output", metavar="FILE", help="Write to FILE.")]
Digits = Annotated[
    int | None,
    option("--digits", min=1, max=MOST_DIGITS, metavar="N", help="Digits of the numbers, not double precision."),
]
