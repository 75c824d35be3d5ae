"""Kernel recursions against the stored references: plain recursions of other hands, and neural-tangents."""

from functools import cache
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from tests.kernels.references import Reference, references

SLOW = ("cnn", "glu", "gru", "lstm", "transformer", "nested", "activated_sum")
QUADRATURE = ("tanh", "sigmoid", "silu", "softplus", "mish")


def cases(source: str) -> list[Any]:
    """All references; the first of each network and activation that is quick stands in the default run."""
    out, seen = [], set()
    for reference in references(source):
        phi = str(reference.settings.get("phi", reference.settings.get("outer", "")))
        deep = reference.settings.get("depth", 0) > 3
        slow = reference.net in SLOW or phi.startswith(QUADRATURE) or deep
        key = (reference.net, phi)
        marks = pytest.mark.long if slow or key in seen else ()
        if not slow:
            seen.add(key)
        out.append(pytest.param(reference, id=reference.name, marks=marks))
    return out


@cache
def _recursion(digest: str, program: ns.Program, T: int) -> Any:
    return ns.kernel_recursion(program, sizes={"T": T} if T else None)


def kernels(reference: Reference) -> Any:
    T = reference.sizes.get("T", 0)
    recursion = _recursion(reference.program.digest, reference.program, T)
    sizes = {k: v for k, v in reference.sizes.items() if k != "T"}
    # integrals in mpmath take minutes, and are no more exact than their bound
    digits = 16 if recursion.evidence.kind == "exact" else None
    return recursion.evaluate(reference.inputs, digits=digits, **reference.sigmas, **sizes)


@pytest.mark.parametrize("reference", cases("plain"))
def test_plain_recursions_agree(reference: Reference) -> None:
    """To 1e-12 with closed forms (measured: below 1e-13 everywhere), and to the stated errors of quadratures."""
    found = kernels(reference)
    allowed = 1e-12 + 3 * (reference.error + (found.evidence.bound or 0))
    assert reference.apart(found.nngp.astype(float), reference.nngp).max() < allowed
    assert reference.apart(found.ntk.astype(float), reference.ntk).max() < allowed


def away_from_parallel(reference: Reference) -> np.ndarray:
    """Pairs that are apart at the input and at the output: a steep activation takes parallel inputs apart again."""
    (x, *_) = reference.inputs.values()
    flat = x.reshape(len(x), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _apart(flat @ flat.T) & _apart(reference.nngp)


def _apart(products: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    return np.abs(products / size) < 0.999


@pytest.mark.parametrize("reference", cases("neural_tangents"))
def test_neural_tangents_agrees(reference: Reference) -> None:
    """To 1e-12 where it gives a number; its own arccosines lose half of their digits near parallel inputs."""
    found = kernels(reference)
    apart = away_from_parallel(reference)
    for ours, theirs in ((found.nngp, reference.nngp), (found.ntk, reference.ntk)):
        gap = reference.apart(ours.astype(float), theirs)
        known = np.isfinite(theirs)
        assert gap[known & apart].max(initial=0) < 1e-12
        assert gap[known & ~apart].max(initial=0) < 1e-6
