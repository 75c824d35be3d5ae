"""The phase diagram: against single points, its size and speed, and its limits."""

from __future__ import annotations

import time

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import PhaseError


@pytest.mark.parametrize("phi", ["tanh", "relu"])
def test_a_diagram_is_made_of_points(phi: str) -> None:
    found = ns.phase_diagram(phi, sigma_w=[0.8, 2.5], sigma_b=[0.05, 0.7])
    for i, b in enumerate(found.sigma_b):
        for j, w in enumerate(found.sigma_w):
            point = ns.phase_report(phi, sigma_w=w, sigma_b=b)
            assert found.phase[i, j] == {"ordered": -1, "critical": 0, "chaotic": 1}[point.phase]
            for name in ("q_star", "chi_1", "chi_parallel"):
                assert getattr(found, name)[i, j] == pytest.approx(getattr(point, name), rel=1e-7)
            if np.isfinite(point.q_star):
                assert found.c_star[i, j] == pytest.approx(point.c_star, abs=1e-5)
                assert found.xi_c[i, j] == pytest.approx(point.xi_c, rel=1e-4)


def test_the_edge_parts_the_phases() -> None:
    found = ns.phase_diagram("tanh", sigma_w=np.linspace(1, 2, 41), sigma_b=[0.1, 0.5, 1.0])
    for b, row in zip(found.sigma_b, found.phase, strict=True):
        edge = ns.edge_of_chaos("tanh", sigma_b=float(b)).point
        assert edge is not None
        assert ((row > 0) == (found.sigma_w > edge.sigma_w)).all()


def test_forty_thousand_points_of_tanh_are_quick() -> None:
    """Under 10 s on two cores; in time of the processor, of one."""
    start = time.process_time()
    found = ns.phase_diagram("tanh")
    assert time.process_time() - start < 10
    assert found.q_star.shape == (200, 200)
    assert found.to_json()["schema"] == "ntksym.phase_diagram/1"


def test_axes_are_checked() -> None:
    with pytest.raises(PhaseError, match="arrays of numbers, positive and not negative"):
        ns.phase_diagram("tanh", sigma_w=[-1.0, 1.0])


def test_derivatives_that_overflow_far_out_end_the_table() -> None:
    edge = ns.edge_of_chaos("sigmoid", sigma_b=2).point
    assert edge is not None
    found = ns.phase_diagram("sigmoid", sigma_w=[edge.sigma_w], sigma_b=[2.0])
    assert found.chi_1[0, 0] == pytest.approx(1, abs=1e-7)
    assert found.q_star[0, 0] == pytest.approx(edge.q_star, rel=1e-7)
