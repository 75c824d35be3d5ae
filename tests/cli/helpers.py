"""What the tests of the command share: an architecture of one's own, what a refusal looks like, a child process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Answer = tuple[int, str, str]
Run = Callable[..., Answer]
Write = Callable[[str, str], Path]

NET = """
    from fractions import Fraction
    import ntksym as ns

    n = ns.dims("n")

    @ns.program
    def net(
        x: ns.Vector("d"), *, phi=ns.tanh, depth=2, power=Fraction("-1/2"), wide=False, rate=0.5, tag="w",
        extra=None, size=n,
    ):
        h = ns.dense(x, n, name=tag)
        for i in range(depth):
            h = phi(ns.dense(h, n, name=f"hidden{i}", bias=wide))
        return ns.dense(n**power * h, 1, name="out")
"""


def refused(answer: Answer) -> str:
    """The one line that says what was wrong."""
    code, out, err = answer
    assert code == 2, err
    assert out == ""
    assert err.startswith("ntksym: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.removeprefix("ntksym: ").rstrip("\n")


def command_line(*words: str) -> list[str]:
    return [sys.executable, "-m", "ntksym", *words]


def environment(**changes: str) -> dict[str, str]:
    """This process's own, with the checkout on Python's path."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def child(*words: str, cwd: Path | None = None, stdout: Any = subprocess.PIPE, **changes: str) -> Any:
    """The command as a process of its own."""
    return subprocess.run(
        command_line(*words),
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        env=environment(**changes),
    )
