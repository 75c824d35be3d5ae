"""Figures of order and chaos: the edge stands where it is, depths are labelled, and no colour is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.contour import ContourSet

import ntksym as ns
from ntksym.phases.profile import Measured
from ntksym.reporting.figures import figure, image

GRID = {"sigma_w": np.linspace(0.1, 3, 30), "sigma_b": np.linspace(0, 1, 11)}


@pytest.fixture(scope="module")
def diagram() -> Any:
    return ns.phase_diagram("erf", **GRID)


@pytest.fixture(scope="module")
def profile() -> Any:
    return ns.depth_profile("erf", sigma_w=2, sigma_b=0.3, cosines=(0.0, 0.9), depth=5)


@pytest.fixture(scope="module")
def web() -> Any:
    return ns.cobweb("erf", sigma_w=2, sigma_b=0.3)


def test_the_diagram_has_the_edge_and_the_phases(diagram: Any) -> None:
    made = figure(diagram)
    for axes in made.axes:
        assert {"ordered", "chaotic"} <= {text.get_text() for text in axes.texts}
        (edge,) = (line for line in axes.lines if np.isfinite(line.get_ydata()).any())
        w, b = edge.get_data()
        point = ns.edge_of_chaos("erf", sigma_b=0.5).point
        assert point is not None
        assert np.interp(0.5, b, w) == pytest.approx(point.sigma_w, abs=1e-3)


def test_lines_of_equal_depth_lie_where_points_have_that_depth(diagram: Any) -> None:
    correlations = figure(diagram).axes[0]
    texts = {text.get_text() for text in correlations.texts}
    assert {"1", "2", "5"} <= texts
    for depth in (2, 5):
        drawn = [c for c in correlations.collections if isinstance(c, ContourSet) and not c.filled]
        (found,) = (c for c in drawn if np.isclose(c.levels[0], 1 / depth))
        for w, b in found.get_paths()[0].vertices[5:-5:7]:
            assert ns.phase_report("erf", sigma_w=w, sigma_b=b).xi_c == pytest.approx(depth, rel=0.1)


def test_an_edge_of_one_point_and_an_unstable_one_are_marked() -> None:
    point = figure(ns.phase_diagram("relu", **GRID)).axes[0].lines[-1]
    assert point.get_marker() == "o"
    assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((2**0.5, 0))
    legend = figure(ns.phase_diagram("gelu", **GRID)).legends[0]
    assert "edge, unstable lengths" in [text.get_text() for text in legend.get_texts()]


def test_a_block_without_an_edge_has_a_diagram(diagram: Any) -> None:
    labels = [text.get_text() for text in figure(replace(diagram, edge=None)).legends[0].get_texts()]
    assert r"edge of chaos, $\chi_1 = 1$" not in labels


def test_a_cobweb_shows_maps_stairs_and_what_is_kept(web: Any) -> None:
    lengths, correlations = figure(web).axes
    assert list(lengths.lines[-1].get_xdata()) == pytest.approx([web.report.q_star])
    assert list(correlations.lines[-1].get_xdata()) == pytest.approx([point.c for point in web.report.correlations])
    stairs = lengths.lines[2].get_xydata()
    assert ((np.diff(stairs, axis=0) == 0).any(axis=1)).all()  # each step is level or upright


def test_a_cobweb_where_no_length_is_kept_has_room_for_both_maps() -> None:
    made = figure(ns.cobweb("relu", sigma_w=2, sigma_b=0.2))
    made.canvas.draw()
    assert all(axes.get_position().width > 0.3 for axes in made.axes)


def test_a_profile_shows_theory_and_networks(profile: Any) -> None:
    correlations, lengths = figure(profile).axes
    assert not correlations.containers
    assert list(lengths.lines[0].get_ydata()) == list(profile.q)
    measured = Measured({"n": 64}, 10, profile.c[:, 1:], np.full((2, 5), 0.1))
    made = figure(replace(profile, measured=measured))
    assert [len(bars.lines[0].get_xdata()) for bars in made.axes[0].containers] == [5, 5]
    assert made.get_suptitle().endswith("chaotic; points: 10 networks, n = 64")


@pytest.mark.parametrize("name", ["diagram", "web", "profile"])
def test_they_are_files_without_colours(name: str, request: pytest.FixtureRequest) -> None:
    record = request.getfixturevalue(name)
    assert image(record, "png").startswith(b"\x89PNG")
    assert b"<svg" in image(record, "svg")
    page = image(record, "html").decode()
    assert page.startswith("<!DOCTYPE html>")
    assert (page.count("<svg"), page.count("<?xml"), page.count("<title>erf")) == (1, 0, 1)
    for axes in figure(record).axes:
        for line in axes.lines:
            assert len(set(to_rgb(line.get_color()))) == 1
