"""What `import ntksym` costs: nothing heavy is loaded and nothing is printed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = {
    *("numpy", "sympy", "scipy", "numba", "matplotlib", "pandas", "jax", "optax", "sklearn", "torch"),
    *("typer", "rich"),
}
LIGHT_ROOMS = ("language", "zoo", "records", "scaling")


def loaded_by(statement: str, heavy: set[str]) -> tuple[str, str]:
    """What a fresh interpreter writes (stdout, stderr): whatever the statement does, then what it loaded."""
    report = f"print(sorted({heavy} & set(sys.modules) - before))"
    script = f"import sys; before = set(sys.modules); {statement}; {report}"
    child = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    return child.stdout, child.stderr


def test_what_is_loaded_is_seen() -> None:
    assert loaded_by("import json", {"json", "numpy"}) == ("['json']\n", "")


def test_importing_ntksym_loads_nothing_heavy_and_prints_nothing() -> None:
    assert loaded_by("import ntksym", HEAVY) == ("[]\n", "")


@pytest.mark.parametrize("room", [room for room in LIGHT_ROOMS if (ROOT / "ntksym" / room).is_dir()])
def test_a_light_room_loads_nothing_heavy(room: str) -> None:
    assert loaded_by(f"import ntksym.{room}", HEAVY) == ("[]\n", "")
