"""ntksym: symbolic derivations for wide neural networks.

Write an architecture as a function (``@ns.program``); everything else is derived from what it records.
"""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from ntksym.language import *  # noqa: F403
from ntksym.language import __all__ as _HERE
from ntksym.language.activations import registry as _activations

__version__ = "0.1.0"

_LATER = {
    "zoo": "ntksym.zoo",
    "CovarianceFunction": "ntksym.dynamics.covariance",
    "NNGPRegressor": "ntksym.dynamics.regressors",
    "NTKRegressor": "ntksym.dynamics.regressors",
    "Numbers": "ntksym.scaling",
    "Prediction": "ntksym.records.predictions",
    "ScalingTable": "ntksym.scaling",
    "Validation": "ntksym.validation",
    "apply_init": "ntksym.frameworks.torch",
    "check_recipe": "ntksym.scaling",
    "check_torch": "ntksym.frameworks.torch",
    "cobweb": "ntksym.phases.cobweb",
    "connected": "ntksym.sampling",
    "convert": "ntksym.scaling",
    "coord_check": "ntksym.validation.coordinates",
    "cumulants": "ntksym.sampling",
    "depth_flow": "ntksym.phases",
    "depth_law": "ntksym.phases",
    "depth_profile": "ntksym.phases.profile",
    "dmft": "ntksym.dynamics.dmft",
    "drift": "ntksym.validation.drift",
    "edge_curve": "ntksym.phases",
    "edge_of_chaos": "ntksym.phases",
    "ensemble": "ntksym.sampling",
    "equivalent": "ntksym.scaling",
    "figure": "ntksym.reporting.figures",
    "finite_width": "ntksym.finite",
    "four_point": "ntksym.sampling",
    "from_torch": "ntksym.frameworks.torch",
    "gram": "ntksym.kernels.gram",
    "kernel": "ntksym.sampling",
    "compiled_kernel": "ntksym.kernels.compiled",
    "kernel_change": "ntksym.dynamics.kernel_change",
    "kernel_recursion": "ntksym.kernels.forms",
    "learning_curve": "ntksym.dynamics.learning_curves",
    "linear_dynamics": "ntksym.dynamics.linear",
    "mean_field": "ntksym.dynamics.mean_field",
    "moments": "ntksym.sampling",
    "mu_transfer": "ntksym.validation.transfer",
    "multipliers": "ntksym.frameworks.torch",
    "network": "ntksym.sampling",
    "optax_transform": "ntksym.frameworks.optax",
    "param_groups": "ntksym.frameworks.torch",
    "parametrization": "ntksym.scaling",
    "phase_diagram": "ntksym.phases",
    "phase_report": "ntksym.phases",
    "predict_drifts": "ntksym.scaling.drifts",
    "predict_slopes": "ntksym.scaling",
    "scaling_table": "ntksym.scaling",
    "softmax_dynamics": "ntksym.dynamics.softmax",
    "sequence_model": "ntksym.dynamics.sequence",
    "spectrum": "ntksym.dynamics.spectrum",
    "tangent_kernel": "ntksym.sampling",
    "taylor_dynamics": "ntksym.dynamics.taylor",
    "torch_numbers": "ntksym.frameworks.torch",
    "train": "ntksym.sampling",
    "training_curves": "ntksym.validation.training_curves",
    "universality_class": "ntksym.phases",
    "validate": "ntksym.validation",
    "wide_limit": "ntksym.dynamics.wide_limit",
}
"""Public names of the analyses, loaded when first used."""


def __getattr__(name: str) -> Any:
    """Analyses on first use, and every registered activation by its name (``ns.relu``)."""
    if name in _LATER:
        room = import_module(_LATER[name])
        value = room if name == "zoo" else getattr(room, name)
    elif name in _activations:
        value = _activations[name]
    else:
        raise AttributeError(_unknown(name, __dir__()))
    globals()[name] = value
    return value


def _unknown(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, 2)
    hint = f"; did you mean {' or '.join(matches)}?" if matches else ""
    return f"ntksym has no {name!r}{hint}"


def __dir__() -> list[str]:
    return sorted({*_HERE, *_LATER, *_activations})
