"""Cobwebs: curves against formulas, staircases that are iterates, and limits in which no length is kept."""

from __future__ import annotations

import numpy as np
import pytest

import ntksym as ns


def test_curves_of_relu_are_its_maps() -> None:
    web = ns.cobweb("relu", sigma_w=1.2, sigma_b=0.5)
    assert web.q_after == pytest.approx(0.72 * web.q + 0.25)
    q, c = 0.25 / 0.28, web.c
    arc = (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / np.pi
    assert web.c_after == pytest.approx((0.72 * q * arc + 0.25) / q, abs=1e-9)


def test_staircases_climb_on_the_curves_to_what_is_kept() -> None:
    web = ns.cobweb("erf", sigma_w=2, sigma_b=0.3)
    for orbit in web.q_orbits:
        assert orbit[1:] == pytest.approx(np.interp(orbit[:-1], web.q, web.q_after), rel=1e-3)
        assert orbit[-1] == pytest.approx(web.report.q_star)
    for orbit in web.c_orbits:
        assert orbit[1:] == pytest.approx(np.interp(orbit[:-1], web.c, web.c_after), abs=1e-3)
        assert orbit[-1] == pytest.approx(web.report.c_star, abs=1e-3)


def test_a_length_that_grows_without_bound_leaves_the_picture() -> None:
    web = ns.cobweb("relu", sigma_w=2, sigma_b=0.2)
    assert np.isinf(web.report.q_star)
    for orbit in web.q_orbits:
        assert len(orbit) < 10
        assert orbit.max() <= web.q[-1]


def test_a_block_that_keeps_every_length_is_drawn_at_one() -> None:
    web = ns.cobweb("relu", sigma_w="sqrt(2)")
    assert web.at == 1
    assert web.q_after == pytest.approx(web.q)
