"""How long a scaling table takes, against the number of operations; printed, never asserted.

The time for one operation should not depend on how many there are: quote two lines when you compare.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from ntksym import language as ns
from ntksym import zoo
from ntksym.scaling import check_recipe, predict_slopes, scaling_table

pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]
n = ns.dim("n")


@ns.program
def stacked(x: ns.Vector("d_in"), *, blocks: int = 1) -> ns.Value:
    """Written-out residual blocks: norm, two dense layers with biases, a nonlinearity and a sum are nine operations."""
    h = ns.dense(x, n, name="embed")
    for k in range(blocks):
        h = h + ns.mlp_block(ns.layernorm(h), n, name=f"block{k}")
    return ns.dense(h, 1, name="readout")


@ns.program
def widths(x: ns.Vector("d_in")) -> ns.Value:
    """Three widths that grow independently: a derivation for each region of their directions."""
    h = ns.map("tanh", ns.dense(x, n, name="w1"))
    h = ns.map("tanh", ns.dense(h, ns.dim("m"), name="w2"))
    h = ns.map("tanh", ns.dense(h, ns.dim("d"), name="w3"))
    return ns.dense(h, 1, name="w4")


def best(function: Callable[[], Any], repeats: int = 3) -> float:
    """Seconds of the fastest of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def process(command: list[str]) -> float:
    """Seconds of the fastest of a few processes."""
    return best(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120))


def line(what: str, seconds: float, remark: str = "") -> None:
    print(f"{what:<48}{1000 * seconds:>10.1f} ms  {remark}")


def test_tables_of_the_zoo() -> None:
    print()
    for name in zoo.names:
        program = zoo.load(name)()
        assert isinstance(program, ns.Program)
        seconds = best(lambda program=program: scaling_table(program))  # type: ignore[misc]
        line(f"scaling_table(zoo.{name})", seconds, f"{len(program.nodes)} operations")


def test_time_for_one_operation() -> None:
    print()
    for operations in (100, 1000, 10_000):
        program = stacked(blocks=operations // 9)
        count = len(program.nodes)
        seconds = best(lambda program=program: scaling_table(program), repeats=1)  # type: ignore[misc]
        line(f"scaling_table of {count} operations", seconds, f"{1e6 * seconds / count:.0f} us for each")


def test_several_large_dimensions() -> None:
    print()
    program = widths()
    for large in (["n"], ["n", "m"], ["n", "m", "d"]):
        line(f"scaling_table(large={large})", best(lambda large=large: scaling_table(program, large=large)))  # type: ignore[misc]


def test_other_answers() -> None:
    print()
    program = zoo.load("transformer")()
    line("tracing zoo.transformer", best(zoo.load("transformer")))
    line("predict_slopes(zoo.transformer)", best(lambda: predict_slopes(program)))
    recipe = {"parameters": {"block.*": {"lr": {"n": "-1"}}}}
    line("check_recipe(zoo.transformer)", best(lambda: check_recipe(program, recipe)))


def test_processes() -> None:
    print()
    python = process([sys.executable, "-c", "pass"])
    line("python -c pass", python)
    for statement in ("import ntksym", "import ntksym.scaling"):
        seconds = process([sys.executable, "-c", statement])
        line(statement, seconds, f"{1000 * (seconds - python):.1f} ms more than python alone")
    table = "import ntksym as ns; print(ns.scaling_table(ns.zoo.load('transformer')))"
    line("a table of zoo.transformer, printed", process([sys.executable, "-c", table]))
    command = which("ntksym", path=str(Path(sys.executable).parent))
    if command:
        line("ntksym scaling transformer", process([command, "scaling", "transformer"]))


if __name__ == "__main__":
    for test in (
        test_tables_of_the_zoo,
        test_time_for_one_operation,
        test_several_large_dimensions,
        test_other_answers,
        test_processes,
    ):
        test()
