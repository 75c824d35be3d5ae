"""Lengths and correlations copy by copy: what the map of a block says, and what finite networks show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym import zoo
from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.kernels.blocks import BlockMap
from ntksym.kernels.recursion import kernel_recursion
from ntksym.language.activations import activation
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.phases.blocks import BIAS, WEIGHT, chosen, exact, program_of
from ntksym.phases.maps import carried_map
from ntksym.phases.record import PhaseReport
from ntksym.phases.report import phase_report
from ntksym.phases.systems import algebra, floats
from ntksym.records.formula import Formula, Gram, ref
from ntksym.sampling import Network, ensemble, kernel, network
from ntksym.sampling.estimates import Summary

sympy = lazy("sympy")

COSINES = (-0.5, 0.0, 0.5, 0.9, 0.99)
_DEPTH = 30


@dataclass(frozen=True)
class Measured:
    """Correlations in finite networks after every copy: (pairs, copies), of mean kernels, with standard errors."""

    sizes: dict[str, Any]
    samples: int
    c: Any
    error: Any


@dataclass(frozen=True)
class DepthProfile:
    """Pairs of inputs of norm sqrt(d) on their way through the copies of a block, one pair for each of ``cosines``.

    ``q`` (copies + 1) is their length and ``c`` (pairs, copies + 1) their correlation in what the loop carries, before
    the first copy and after each, at infinite width.
    """

    report: PhaseReport
    cosines: tuple[float, ...]
    q: Any
    c: Any
    measured: Measured | None


def depth_profile(
    source: Any,
    *,
    sigma_w: Any = 1,
    sigma_b: Any = 0,
    cosines: Sequence[float] = COSINES,
    depth: int | None = None,
    width: int | None = None,
    samples: int = 32,
    seed: int = 0,
    block: str | None = None,
    **values: Any,
) -> DepthProfile:
    """Lengths and correlations against depth, in theory and, with ``width``, in networks (extra ``[networks]``).

    Args:
        source, sigma_w, sigma_b, block, values: as for ``phase_report``.
        cosines: between the inputs of each pair, from -1 to 1.
        depth: the number of copies for an activation, 30 if not given; a program has its own.
        width: the value of every other dimension in ``samples`` networks drawn from ``seed``.

    Raises PhaseError as ``phase_report`` does, and for a loop that does not begin with weights on the inputs.
    """
    if not cosines or not all(-1 <= cosine <= 1 for cosine in cosines):
        raise PhaseError(f"cosines={list(cosines)}: one or more numbers from -1 to 1 are expected")
    report = phase_report(source, sigma_w=sigma_w, sigma_b=sigma_b, block=block, **values)
    program = _program(source, depth)
    recursion = kernel_recursion(program, ntk=False)
    loop = chosen(program, recursion.blocks, block)
    given = {**recursion.hyperparameters, WEIGHT: sigma_w, BIAS: sigma_b, **values}
    known = {name: float(exact(value, name)) for name, value in given.items()}
    q, c = _iterated(loop, known, _inputs(recursion.formula), np.array(cosines, float))
    measured = None
    if width is not None:
        sizes = {dim.name: values.get(dim.name, width) for dim in program.dims if dim.default is None}
        sigmas = {name: known[name] for name in recursion.hyperparameters}
        measured = _measured(network(program, sizes), loop.name, cosines, samples, seed, sigmas)
    return DepthProfile(report, tuple(cosines), q, c, measured)


def _program(source: Any, depth: int | None) -> Program:
    """The program, or a perceptron whose loop has ``depth`` copies."""
    if not isinstance(source, Architecture | Program):
        perceptron: Program = zoo.load("mlp")(phi=activation(source), depth=1 + (_DEPTH if depth is None else depth))
        return perceptron
    if depth is not None:
        raise PhaseError("depth= is for an activation; a program has a number of copies of its own")
    return program_of(source)[0]


def _inputs(formula: Formula) -> str:
    """The name of the line with the inner products of the inputs, empty where that is not one number for a pair."""
    found = [line.name for line in formula if isinstance(line, Gram) and line.layout.is_scalar]
    return found[0] if len(found) == 1 else ""


def _iterated(loop: BlockMap, known: Mapping[str, float], inputs: str, cosines: Any) -> tuple[Any, Any]:
    """Lengths and correlations of what a loop carries, at infinite width."""
    plain = loop.two_inputs
    maps = carried_map(plain)
    given = {s: np.array(known[s.name]) for s in _symbols(loop) if s.name in known}
    given |= {ref(inputs, "11"): np.ones(1), ref(inputs, "12"): cosines, ref(inputs, "22"): np.ones(1)}
    if any(x.free_symbols - set(given) for x in plain.start):
        raise PhaseError(f"{loop.name}: the loop does not begin with a layer of weights on the inputs")
    start = {s: algebra(x, given, cosines.shape) for s, x in zip(plain.state, plain.start, strict=True)}
    q, r = start[maps.q], start[maps.r]
    numbers = {s: given[s] for s in maps.parameters}
    lengths, correlations = [q[0]], [r / q]
    for _ in range(int(algebra(sympy.sympify(loop.times), given, ()))):
        q, r = floats([maps.q_map, maps.both], {**numbers, maps.q: q, maps.q2: q, maps.r: r})
        lengths.append(q[0])
        correlations.append(r / q)
    return np.array(lengths), np.array(correlations).T


def _symbols(loop: BlockMap) -> set[Any]:
    """What numbers are needed for: in the map, in its start, and in the number of copies."""
    return {*loop.parameters}.union(*(x.free_symbols for x in (*loop.start, sympy.sympify(loop.times))))


def _measured(
    net: Network, block: str, cosines: Sequence[float], samples: int, seed: int, sigmas: Mapping[str, float]
) -> Measured:
    """The correlations of what a loop carries, in networks; one input is in all pairs."""
    (size,) = net.numbers.shape(net.program.inputs[0].type)
    X = np.zeros((1 + len(cosines), size))
    X[0, 0], X[1:, 0], X[1:, 1] = 1, cosines, np.sqrt(1 - np.square(cosines))
    (loop,) = (node for node in net.program.nodes.values() if node.op == "repeat" and node.name == block)
    label = net.plan.labels[loop.body.outputs[0]]
    found = ensemble(net, samples, np.sqrt(size) * X, kernel(label), seed=seed, sigmas=sigmas)
    return Measured(dict(net.sizes), found.count, *found.derived(_correlations))


def _correlations(kernels: Summary) -> Any:
    """Of the first input with each of the others: (pairs, copies), from kernels (copies, inputs, inputs)."""
    K = kernels.mean
    own = np.diagonal(K, axis1=1, axis2=2)
    return (K[:, 0, 1:] / np.sqrt(own[:, :1] * own[:, 1:])).T
