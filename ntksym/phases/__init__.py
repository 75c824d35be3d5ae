"""Order and chaos: what many copies of a block do to lengths and correlations, from the map of one copy."""

from ntksym.phases.classes import UniversalityClass, universality_class
from ntksym.phases.curve import EdgeCurve, edge_curve
from ntksym.phases.depth import DepthFlow, DepthLaw, depth_flow, depth_law
from ntksym.phases.diagram import PhaseDiagram, phase_diagram
from ntksym.phases.edge import edge_of_chaos
from ntksym.phases.record import CorrelationPoint, EdgeOfChaos, EdgePoint, FixedPoint, PhaseReport
from ntksym.phases.report import phase_report

__all__ = [
    "CorrelationPoint",
    "DepthFlow",
    "DepthLaw",
    "EdgeCurve",
    "EdgeOfChaos",
    "EdgePoint",
    "FixedPoint",
    "PhaseDiagram",
    "PhaseReport",
    "UniversalityClass",
    "depth_flow",
    "depth_law",
    "edge_curve",
    "edge_of_chaos",
    "phase_diagram",
    "phase_report",
    "universality_class",
]
