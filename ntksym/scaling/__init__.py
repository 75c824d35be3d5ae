"""Powers of every large dimension: sizes, budgets, gradients, optimizers, parametrizations."""

from ntksym.scaling import predictions, rendering, serial  # noqa: F401 (they fill in what is made of a table)
from ntksym.scaling.convert import convert, equivalent
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.growth import Growth
from ntksym.scaling.numbers import Numbers
from ntksym.scaling.optimizers import Optimizer, optimizers
from ntksym.scaling.parametrizations import Parametrization, parametrization, parametrizations
from ntksym.scaling.recipe import Problem, RecipeReport, check_recipe
from ntksym.scaling.slopes import Slopes, ValueSlopes, predict_slopes
from ntksym.scaling.table import ParameterScaling, ScalingTable, Verdict

__all__ = [
    "Growth",
    "Numbers",
    "Optimizer",
    "ParameterScaling",
    "Parametrization",
    "Problem",
    "RecipeReport",
    "ScalingTable",
    "Slopes",
    "ValueSlopes",
    "Verdict",
    "check_recipe",
    "convert",
    "equivalent",
    "optimizers",
    "parametrization",
    "parametrizations",
    "predict_slopes",
    "scaling_table",
]
