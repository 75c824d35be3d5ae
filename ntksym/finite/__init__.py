"""Finite width: 1/n terms of kernels, vertices, fluctuations of the NTK; exact results; how wide is wide enough."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym.finite import rendering
from ntksym.finite.asymptotics import DepthLaw, DepthLaws, depth_laws
from ntksym.finite.clusters import Correlator, correlator, scaling_of_correlators
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
from ntksym.finite.one_input import OneInput, one_input_recursion
from ntksym.finite.pairs import CompiledPairs, PairValues
from ntksym.finite.record import FiniteWidth, finite_width
from ntksym.finite.values import ExactValues, FiniteValues
