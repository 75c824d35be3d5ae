"""The stored reference kernels: their two sources agree, they are kernels, and finite networks approach them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ntksym.sampling import ensemble, network
from ntksym.sampling.network import Network
from ntksym.sampling.tangents import tangent_kernels
from tests.kernels.references import Reference, references

PLAIN = references()
NEURAL_TANGENTS = references("neural_tangents")
BY_NAME = {reference.name: reference for reference in PLAIN}

PARALLEL = {"points": range(4), "nonzero": range(4), "images": (0, 1), "sequences": (0, 1, 2), "graphs": (0, 1, 2)}
"""Inputs that are (nearly) parallel to each other."""


def test_every_case_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(PLAIN) > 250


@pytest.mark.parametrize("reference", PLAIN, ids=lambda reference: reference.name)
def test_is_a_kernel_and_the_sum_of_its_parts(reference: Reference) -> None:
    for kernel in (reference.nngp, reference.ntk):
        assert np.linalg.eigvalsh(kernel).min() >= -1e-13 * np.trace(kernel)
    if reference.by_parameter:
        assert reference.apart(sum(reference.by_parameter.values()), reference.ntk).max() < 1e-14


def same(reference: Reference) -> np.ndarray:
    """Pairs of inputs that are (nearly) parallel, where an arccosine in floats loses half of its digits."""
    among = np.isin(np.arange(len(reference.nngp)), PARALLEL.get(reference.inputs_name, ()))
    return np.logical_and.outer(among, among) | np.eye(len(among), dtype=bool)


@pytest.mark.parametrize("reference", NEURAL_TANGENTS, ids=lambda reference: reference.name)
def test_neural_tangents_agrees(reference: Reference) -> None:
    """To 1e-13 away from parallel inputs (measured: 7e-15 at depth 50), and to 1e-6 near them."""
    plain = BY_NAME[reference.name]
    compared = 0
    for found, expected in ((reference.nngp, plain.nngp), (reference.ntk, plain.ntk)):
        apart, near = plain.apart(found, expected), same(reference)
        known = np.isfinite(found)
        compared += known.sum()
        assert apart[known & ~near].max(initial=0) < 1e-13
        assert apart[known & near].max(initial=0) < 1e-6
    # it gives no number for what follows the diagonal of a rectified monomial
    assert compared or reference.settings["phi"].startswith("relu_power")


# --- finite networks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernels:
    """The tangent kernel of one network, and that by its readout alone, which is the kernel of its last layer.

    ``variances`` turn derivatives by a parameter into those by a standard normal (by a gain itself: 1).
    """

    variances: tuple[tuple[str, float], ...]

    def __call__(self, net: Network, weights: Any, inputs: Any, key: Any) -> dict[str, Any]:
        found = tangent_kernels(net, weights, inputs)
        parts = {name: factor * found[name][:, 0, :, 0] for name, factor in self.variances}
        return {"ntk": sum(parts.values()), "nngp": parts["readout.w"] + parts["readout.b"]}


def kernels_of(reference: Reference, net: Network) -> Kernels:
    def variance(name: str) -> float:
        node = net.parameters[name].node
        if node.attr("init") == "constant":
            return 1.0
        std = reference.sigmas.get(node.attr("sigma"), float(node.attr("value")))
        return float(std) ** 2 / float(net.numbers.number(net.program.fan_in(node)))

    return Kernels(tuple((name, variance(name)) for name in net.parameters))


def one_of_each() -> list[Any]:
    """The last case of each network, two of them in the default run.

    Tangent kernels drop nothing, so no dropout; no depth 50, which is far from its limit at these widths; no
    polynomials, whose outputs have such heavy tails that 96 networks say little.
    """

    def near_its_limit(r: Reference) -> bool:
        return r.net != "dropout" and r.settings.get("depth", 1) < 50 and "**" not in r.settings.get("phi", "")

    chosen = {r.net: r for r in PLAIN if near_its_limit(r)}
    quick = ("rnn", "affine_norm_mlp")
    return [pytest.param(r, id=r.name, marks=[] if r.net in quick else pytest.mark.long) for r in chosen.values()]


@pytest.mark.parametrize("reference", one_of_each())
def test_finite_networks_approach(reference: Reference) -> None:
    """Two widths, extrapolated to remove the bias in 1/n, within 5.5 standard errors of 192 networks each.

    By Student's distribution a right reference fails less than once in 10,000 runs of one case, all entries together.
    """
    pytest.importorskip("jax", reason='needs the extra "networks"')
    ensembles = []
    for seed, width in enumerate((96, 192)):
        net = network(reference.program, {"n": width, **reference.sizes}, dtype="float64")
        statistic = kernels_of(reference, net)
        ensembles.append(ensemble(net, 192, reference.inputs, statistic, seed=seed, sigmas=reference.sigmas))
    narrow, wide = ensembles
    for kernel, expected in (("nngp", reference.nngp), ("ntk", reference.ntk)):
        limit = 2 * wide[kernel].mean - narrow[kernel].mean
        error = np.sqrt(4 * wide[kernel].standard_error ** 2 + narrow[kernel].standard_error ** 2)
        rounding = 1e-12 * np.abs(expected).max()
        assert (np.abs(limit - expected) <= 5.5 * error + rounding).all()
        # the test could tell a kernel that is wrong by a quarter from the right one
        size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        assert np.median((5.5 * error)[size > 0] / size[size > 0]) < 0.25
