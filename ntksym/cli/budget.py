"""Options of the commands that draw finite networks: what is trained, widths, samples or seconds, a seed, memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Annotated

from ntksym.cli.options import option
from ntksym.cli.settings import one_of, optimizers_of
from ntksym.errors import NtksymError
from ntksym.sampling.optimizers import builders
from ntksym.scaling.parametrizations import parametrizations

OPTIMIZER, PARAMETRIZATION = "adam", "mup"
DEFAULT_SEED, DEFAULT_MEMORY = "0", "256MiB"
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_AMOUNT = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmg]?i?b|)", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


@dataclass(frozen=True)
class Budget:
    """How many networks may be drawn, or for how long, with which seed and in how many bytes at once.

    At most one of ``samples`` and ``seconds`` is given; with neither, the command's own number of samples holds.
    """

    samples: int | None = None
    seconds: float | None = None
    seed: int = 0
    memory: int = 2**28


def budget_of(samples: str | None, seconds: str | None, seed: str, memory: str) -> Budget:
    """The budget of these options; raises NtksymError for a text that cannot be read, or two that contradict."""
    if samples is not None and seconds is not None:
        raise NtksymError("--samples and --seconds do not go together; leave one out")
    return Budget(
        None if samples is None else _samples(samples),
        None if seconds is None else _seconds(seconds),
        seed_of(seed),
        memory_of(memory),
    )


def optimizer_of(text: str | None) -> str | dict[str, str]:
    """An optimizer that networks can be trained with, or one by pattern of names; OPTIMIZER if not given."""
    return optimizers_of(OPTIMIZER if text is None else text, builders)


def parametrization_of(text: str | None) -> str:
    """A parametrization by its name; PARAMETRIZATION if not given."""
    return one_of(PARAMETRIZATION if text is None else text, parametrizations, "parametrization")


def _samples(text: str) -> int:
    """A number of networks."""
    if not re.fullmatch(r"\d{1,12}", text) or int(text) < 2:
        raise NtksymError(f"--samples {text!r} is not a whole number of networks, 2 or more")
    return int(text)


def _seconds(text: str) -> float:
    """A time in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and seconds > 0):
        raise NtksymError(f"--seconds {text!r} is not a positive time in seconds")
    return seconds


def seed_of(text: str) -> int:
    """A seed, from 0 to 2**32 - 1."""
    if not re.fullmatch(r"\d{1,10}", text) or int(text) >= 2**32:
        raise NtksymError(f"--seed {text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def memory_of(text: str) -> int:
    """``512MB`` or ``2GiB`` in bytes."""
    found = _AMOUNT.fullmatch(text.strip())
    size = int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if size < 1:
        raise NtksymError(f"--memory {text!r} is not an amount such as 512MB or 2GiB")
    return size


def widths_of(text: str) -> tuple[int, ...]:
    """``64,128,256``, or ``64..256`` for all doublings between; at least two, growing."""
    ends = _RANGE.fullmatch(text.strip())
    if ends:
        low, high = int(ends[1]), int(ends[2])
        widths = [low << k for k in range(64) if 0 < low << k <= high]
    else:
        parts = [part.strip() for part in text.split(",")]
        widths = [int(part) if re.fullmatch(r"\d{1,9}", part) else 0 for part in parts]
    if len(widths) < 2 or widths[0] < 1 or any(a >= b for a, b in pairwise(widths)):
        raise NtksymError(f"--widths {text!r} is not a growing list such as 64,128,256 or 64..256")
    return tuple(widths)


Samples = Annotated[str | None, option("--samples", metavar="N", help="How many networks of each size.")]
Seconds = Annotated[
    str | None, option("--seconds", metavar="TIME", help="As many networks as take about so long, instead.")
]
Seed = Annotated[
    str, option("--seed", metavar="N", help=f"Which random numbers are drawn; {DEFAULT_SEED} if not given.")
]
Memory = Annotated[
    str,
    option(
        "--memory",
        metavar="SIZE",
        help=f"What networks drawn at once may take, as 512MB; {DEFAULT_MEMORY} if not given.",
    ),
]
Widths = Annotated[
    str | None,
    option("--widths", metavar="64,128,256", help="The widths that networks are drawn at; 64..256 for all doublings."),
]
Dimension = Annotated[
    str | None, option("--dim", metavar="n", help="The dimension that grows; else the first large one.")
]
At = Annotated[str | None, option("--at", metavar="L=4,T=8", help="Sizes of the other dimensions.")]
Optimizer = Annotated[
    str | None,
    option(
        "--optimizer",
        metavar="NAME",
        help=f"{', '.join(builders)}, or one by pattern of names: '*.b=adamw,*=muon'; {OPTIMIZER} if not given.",
    ),
]
Parametrization = Annotated[
    str | None,
    option("--parametrization", metavar="NAME", help=f"{', '.join(parametrizations)}; {PARAMETRIZATION} if not given."),
]
Plot = Annotated[
    str | None, option("--plot", metavar="FILE", help="Draw a figure, too: into FILE.png, .svg, .pdf or .html.")
]
