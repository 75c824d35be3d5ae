"""What a training set-up sets, parameter by parameter: its optimizers' groups, and its initial entries, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FrameworkError
from ntksym.scaling.optimizers import optimizers as known_rules

torch = lazy("torch")

_ENTRIES = 4096
"""Drawn of each parameter, where that takes few builds: its std is then known to 1.1 percent."""
_BUILDS = 64

Build = Callable[[], tuple[Any, tuple[Any, ...]]]
"""A new module with its optimizers, at one size."""


def made(build: Callable[..., Any], point: Mapping[str, int]) -> tuple[Any, tuple[Any, ...]]:
    """The module at some sizes and its optimizers; raises FrameworkError for anything else."""
    pair = build(**point)
    model, given = pair if isinstance(pair, tuple) and len(pair) == 2 else (pair, ())
    optimizers = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not isinstance(model, torch.nn.Module) or not all(hasattr(o, "param_groups") for o in optimizers) or not given:
        raise FrameworkError(
            f"build returned {type(pair).__name__}; expected a pair: the module, and its optimizer (or several)"
        )
    return model, optimizers


@dataclass(frozen=True)
class Settings:
    """What an optimizer's group sets for a parameter: ntksym's name of its rule, and its numbers by column."""

    rule: str
    numbers: Mapping[str, float]


def settings(model: Any, optimizers: Sequence[Any], rule: str | None) -> dict[str, Settings]:
    """Every trained parameter's settings by its name.

    The rate is that before a schedule has changed it. Raises FrameworkError for an optimizer without a name here, and
    for a parameter that no optimizer moves.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    out = {}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            numbers = {"lr": group.get("initial_lr", group["lr"])}
            numbers |= {column: group[column] for column in ("eps", "weight_decay") if column in group}
            found = Settings(
                rule or _rule(optimizer, group),
                {column: float(value) for column, value in numbers.items() if not isinstance(value, tuple)},
            )
            out.update({names[id(p)]: found for p in group["params"] if id(p) in names})
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not (name in out and out[name].numbers["lr"]):
            why = "its rate is 0" if name in out else "it is in no group of an optimizer"
            raise FrameworkError(f"the parameter {name} is never moved: {why}; mend that, or freeze it")
    return out


def _rule(optimizer: Any, group: Mapping[str, Any]) -> str:
    """The update rule of an optimizer's class, and of what its group says."""
    name = type(optimizer).__name__.lower()
    if name == "sgd" and group.get("momentum"):
        name = "momentum"
    if name == "adam" and group.get("decoupled_weight_decay"):
        name = "adamw"
    if name not in known_rules:
        raise FrameworkError(
            f"ntksym knows no update rule named {name}; say which it is: optimizer= one of "
            f"{', '.join(sorted(known_rules))}"
        )
    return name


@dataclass(frozen=True)
class Start:
    """The sum of squares of initial entries, how many they are, and whether all are one number."""

    squares: float
    entries: int
    constant: bool

    @property
    def size(self) -> float:
        """The root mean square."""
        return math.sqrt(self.squares / self.entries)

    @property
    def error(self) -> float:
        """The standard error of the logarithm of the size, at most: that of Gaussian entries."""
        return 0.0 if self.constant else math.sqrt(0.5 / self.entries)


def pooled(starts: Iterable[Start]) -> Start:
    """All entries of several parameters, or of several builds."""
    all_of = tuple(starts)
    squares, entries = math.fsum(s.squares for s in all_of), sum(s.entries for s in all_of)
    same = all(math.isclose(s.squares / s.entries, squares / entries, rel_tol=1e-9) for s in all_of)
    return Start(squares, entries, same and all(s.constant for s in all_of))


def starts(build: Build) -> dict[str, Start]:
    """The initial entries of every parameter, of as many builds as the smallest random one needs, 64 at most."""
    out: dict[str, Start] = {}
    for _ in range(_BUILDS):
        for name, parameter in build()[0].named_parameters():
            start = _start(parameter)
            out[name] = pooled((out[name], start)) if name in out else start
        if all(start.constant or start.entries >= _ENTRIES for start in out.values()):
            break
    return out


def _start(parameter: Any) -> Start:
    values = parameter.detach().double()
    return Start(float((values**2).sum()), values.numel(), bool((values == values.flatten()[0]).all()))
