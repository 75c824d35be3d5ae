"""``ntk``: the tangent kernel, the inner product of the outputs' derivatives by all trainable parameters.

Arguments: ``index`` (input, output, input, output); ``parameterization``, "ntk" for derivatives by the standard
normal variables that parameters are made of, "standard" (the default) for those by the parameters themselves;
``parameter``, one that alone is wanted, or several whose parts are added; ``over`` networks the mean, the variance or
the std.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ntksym.errors import ValidationError
from ntksym.records.predictions import Arguments, Experiment
from ntksym.sampling.estimates import Summary
from ntksym.sampling.network import Network
from ntksym.sampling.tangents import TangentKernel
from ntksym.validation.measurements._base import Measurement, entry, register


@dataclass(frozen=True)
class Unit:
    """A parameter written as its standard deviation times a standard normal variable."""

    multiplier: float
    init_std: float
    lr: float | None = None
    eps: None = None
    weight_decay: None = None


def unit_settings(network: Network, experiment: Experiment, arguments: Arguments) -> Any:
    """Every parameter in the ntk parameterization; None for the standard one.

    One that starts at a constant has sigma = 1: weights that start at zero are 1/sqrt(fan-in) times weights that do.
    """
    chosen = arguments.get("parameterization", "standard")
    if chosen not in ("ntk", "standard"):
        raise ValidationError(f"parameterization={chosen!r} is not known; write ntk or standard")
    if chosen == "standard":
        return None
    out = {}
    for stored in network.parameters.values():
        node = stored.node
        constant = node.attr("init") == "constant"
        sigma = 1.0 if constant else experiment.sigmas.get(node.attr("sigma"), float(node.attr("value")))
        fan_in = float(network.numbers.number(network.program.fan_in(node)))
        out[stored.name] = Unit(sigma / fan_in**0.5, 0.0 if constant else 1.0)
    return out


def _read(summary: Summary, arguments: Arguments) -> float:
    chosen = arguments.get("parameter", "total")
    parts = chosen if isinstance(chosen, tuple) else (chosen,)
    known = [name for name, _ in summary.shapes]
    for part in parts:
        if part not in known:
            raise ValidationError(f"there is no trainable parameter {part}; there are: {', '.join(known[1:])}")
    if len(parts) > 1 and (arguments.get("over", "mean") != "mean" or "minus" in arguments):
        raise ValidationError("parts of several parameters are added, so ask for their mean, without minus")
    return sum(entry(summary, arguments, str(part)) for part in parts)


NTK = register(
    Measurement(
        "ntk",
        lambda network, requests: TangentKernel(by_parameter=True),
        _read,
        settings=unit_settings,
        needs=("index",),
        apart=("parameterization",),
    )
)
