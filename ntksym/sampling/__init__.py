"""Finite networks: draw them from a Program, run, differentiate and train them, accumulate what they show."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym._chunks import map_chunks
from ntksym.sampling.ensemble import ensemble
from ntksym.sampling.estimates import Estimate, Summary
from ntksym.sampling.network import Network, network
from ntksym.sampling.precision import precision
from ntksym.sampling.statistics import connected, cumulants, four_point, kernel, moments
from ntksym.sampling.tangents import TangentKernel, tangent_kernel, tangent_kernels
from ntksym.sampling.training import Training, train
