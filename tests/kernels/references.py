"""The stored reference kernels (tests/references/kernels), each with the program of ntksym that it is about.

``references()`` gives them all; a test is one loop over it: evaluate ``reference.program`` at ``sizes`` and ``sigmas``
on ``inputs``, and compare with ``nngp``, ``ntk`` and, where it is not empty, ``by_parameter``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ntksym.language import Program
from tests.kernels.reference_programs import BUILDERS

FOLDER = Path(__file__).parents[1] / "references" / "kernels"

SOURCES = ("plain", "neural_tangents")


@dataclass(frozen=True)
class Reference:
    """One answer: the network and its settings, inputs, hyperparameters, kernels (batch x batch).

    ``error`` bounds the error of every entry relative to the geometric mean of the two diagonal entries; for
    neural-tangents away from (anti)parallel inputs only. nan stands where a source gives no number.
    """

    source: str
    net: str
    settings: dict[str, Any]
    inputs_name: str
    sigma_w: float
    sigma_b: float
    error: float
    nngp: np.ndarray
    ntk: np.ndarray
    by_parameter: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The network, its settings and hyperparameters, as a test's id."""
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.net}({settings}) sigma_w={self.sigma_w}, sigma_b={self.sigma_b}"

    @cached_property
    def program(self) -> Program:
        return BUILDERS[self.net](**self.settings)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Arrays by the names of the program's inputs; a batch first, but for a graph, which is shared."""
        given = json.loads((FOLDER / "inputs.json").read_text(encoding="utf-8"))[self.inputs_name]
        return {name: np.array(array) for name, array in given.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """The dimensions of the program that are not large."""
        (x, *_), names = self.inputs.values(), {dim.name for dim in self.program.dims}
        known = {"d_in": x.shape[-1], "T": x.shape[1] if x.ndim > 2 else 0}
        return {name: length for name, length in known.items() if name in names}

    @property
    def sigmas(self) -> dict[str, float]:
        """Values of the sigma symbols that the program has."""
        symbols = {node.attr("sigma") for node in self.program.parameters}
        values = {"sigma_w": self.sigma_w, "sigma_b": self.sigma_b}
        return {name: value for name, value in values.items() if name in symbols}

    def apart(self, nngp_or_ntk: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Entrywise differences, relative to the geometric mean of the expected diagonal entries."""
        size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        return np.abs(nngp_or_ntk - expected) / np.where(size > 0, size, 1)


def references(source: str = "plain") -> list[Reference]:
    """All stored references of one source: "plain" or "neural_tangents"."""
    return [found for file in sorted((FOLDER / source).glob("*.json")) for found in _read(source, file)]


def _read(source: str, file: Path) -> Iterator[Reference]:
    stored = json.loads(file.read_text(encoding="utf-8"))
    for case in stored["cases"]:
        yield Reference(
            source,
            stored["network"],
            case["settings"],
            case["inputs"],
            case["sigma_w"],
            case["sigma_b"],
            case["error"],
            _matrix(case["nngp"]),
            _matrix(case["ntk"]),
            {name: _matrix(part) for name, part in case.get("by_parameter", {}).items()},
        )


def _matrix(triangle: list[list[float | None]]) -> np.ndarray:
    """A symmetric matrix from the rows of its upper triangle."""
    full = np.zeros((len(triangle), len(triangle)))
    for i, row in enumerate(triangle):
        full[i, i:] = full[i:, i] = np.array(row, dtype=float)
    return full
