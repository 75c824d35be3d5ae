"""Every notebook runs from top to bottom in a fresh kernel, and every picture in it is drawn."""

import os
from pathlib import Path

import pytest

WHY = "notebooks need jupytext, nbclient and ipykernel: pip install 'ntksym[test]'"
jupytext = pytest.importorskip("jupytext", reason=WHY)
nbclient = pytest.importorskip("nbclient", reason=WHY)
pytest.importorskip("ipykernel", reason=WHY)

ROOT = Path(__file__).parents[2]
DRAWS = ("plt.subplots", "ns.figure(")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
LONG = ("gallery",)
"""Pages that draw what others are about once more; each figure has a test of its own."""


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.long] if path.stem in LONG else []) for path in NOTEBOOKS],
)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = jupytext.read(path)
    if "import torch" in path.read_text(encoding="utf-8"):
        pytest.importorskip("torch", reason="this notebook needs PyTorch: pip install 'ntksym[torch]'")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code, "cells of code begin with ```{code-cell}"
    client = nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    client.execute(env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    outputs = [output for cell in code for output in cell.outputs]
    drawn = sum("image/png" in output.get("data", {}) for output in outputs)
    assert drawn == sum(any(word in cell.source for word in DRAWS) for cell in code)
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
