"""Finite width: 1/n terms of kernels, vertices, fluctuations of the NTK; exact results; how wide is wide enough."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym.finite.joint import fluctuation_limit
from ntksym.finite.observables import (
    DepthToWidth,
    Regression,
    depth_to_width,
    excess_kurtosis,
    expected_nngp,
    expected_ntk,
    kernel_regression,
    ntk_covariance,
    ntk_drift,
    ntk_fluctuation,
)
from ntksym.finite.record import FiniteWidth, finite_width
from ntksym.finite.values import ExactValues, FiniteValues
