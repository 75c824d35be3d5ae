"""Every derivation is executed, and every exponent, formula and number that it claims is shown to matter."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path
from shutil import which

import pytest

from ntksym.errors import NtksymError
from ntksym.records.derivation import Derivation, Step

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "derivations").glob("[!_]*.py"))
LATEX = next(filter(None, map(which, ("lualatex", "pdflatex", "xelatex", "tectonic"))), None)


def load(module: str) -> Derivation:
    found = import_module(f"derivations.{module}").DERIVATION
    assert isinstance(found, Derivation)
    return found


DERIVATIONS = [load(module) for module in MODULES]
STEPS = [
    pytest.param(derivation, step, id=f"{derivation.number}.{i} {step.label}")
    for derivation in DERIVATIONS
    for i, step in enumerate(derivation.steps, 1)
]


def wrong_claims(step: Step) -> Iterator[tuple[str, Step]]:
    """The step with each entry of its claim wrong by a half, one at a time."""
    assert isinstance(step.check, partial), "bind what the step claims: partial(check, claim={...})"
    claim = step.check.keywords["claim"]
    for name, entry in claim.items():
        check = partial(step.check, claim={**claim, name: entry + Fraction(1, 2)})
        yield name, replace(step, check=check)


def passes(step: Step) -> bool:
    try:
        step.check()
    except NtksymError:
        return False
    return True


def test_numbers_are_consecutive_and_stand_in_the_names() -> None:
    assert [d.number for d in DERIVATIONS] == list(range(1, len(DERIVATIONS) + 1))
    assert [f"d{d.number:03}_{d.name}" for d in DERIVATIONS] == MODULES


def test_labels_are_unique() -> None:
    labels = [(d.name, step.label) for d in DERIVATIONS for step in d.steps]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(("derivation", "step"), STEPS)
def test_the_step_holds_and_every_entry_of_its_claim_matters(derivation: Derivation, step: Step) -> None:
    (checked,) = replace(derivation, steps=(step,)).run()
    assert len(checked.evidence) > 10
    wrong = list(wrong_claims(step))
    assert wrong
    assert [name for name, altered in wrong if passes(altered)] == []


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
@pytest.mark.parametrize("derivation", DERIVATIONS, ids=MODULES)
def test_its_latex_compiles(derivation: Derivation, tmp_path: Path) -> None:
    (tmp_path / "page.tex").write_text(derivation.to_latex(), encoding="utf-8")
    assert LATEX is not None
    options = [] if "tectonic" in LATEX else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [LATEX, *options, "page.tex"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000


@pytest.mark.parametrize("module", MODULES)
def test_it_is_also_importable_where_the_wheel_puts_it(module: str, tmp_path: Path) -> None:
    package = tmp_path / "ntksym"
    package.mkdir()
    for path in (ROOT / "ntksym").iterdir():
        (package / path.name).symlink_to(path, target_is_directory=path.is_dir())
    (package / "derivations").symlink_to(ROOT / "derivations", target_is_directory=True)
    child = subprocess.run(
        [sys.executable, "-c", f"from ntksym.derivations.{module} import DERIVATION; print(DERIVATION.number)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.stdout.strip().isdigit(), child.stderr


def test_the_example_for_a_new_one_runs(tmp_path: Path) -> None:
    text = (ROOT / "derivations" / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(compile(code, "derivations/README.md", "exec"), names)
    example = names["DERIVATION"]
    assert isinstance(example, Derivation)
    assert "slopes" in example.run()[0].evidence
    assert [name for name, altered in wrong_claims(example.steps[0]) if passes(altered)] == []
