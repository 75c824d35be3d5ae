"""The examples in docstrings write what stands below them; ``pytest --doctest-modules ntksym`` runs them, too."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "ntksym").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
NEEDS = {
    **dict.fromkeys(("ntksym.sampling", "ntksym.validation", "ntksym.frameworks.optax"), "jax"),
    **dict.fromkeys((f"ntksym.dynamics.{name}" for name in ("dmft", "mean_field", "wide_limit")), "jax"),
    "ntksym.dynamics.regressors": "sklearn",
    "ntksym.frameworks.torch": "torch",
}
"""What the examples below a name need beside the package."""
LONG = {
    *(f"ntksym.dynamics.{name}" for name in ("dmft", "kernel_change", "linear", "mean_field", "regressors", "softmax")),
    *(f"ntksym.frameworks.torch.{name}" for name in ("groups", "program")),
    *("ntksym.dynamics.wide_limit", "ntksym.kernels.compiled", "ntksym.sampling.network", "ntksym.validation.validate"),
}
"""Examples that take seconds, most of them for compilation."""


def test_there_are_examples() -> None:
    assert {"ntksym.scaling.derive", "ntksym.phases.edge", *LONG} <= set(MODULES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in MODULES]
)
def test_the_examples_of_a_module_hold(name: str) -> None:
    for beginning, package in NEEDS.items():
        if name.startswith(beginning):
            pytest.importorskip(package)
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0, "what was expected and what was found stands in the output above"
