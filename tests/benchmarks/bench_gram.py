"""Large Gram matrices in files: the memory that the command takes, and what it leaves when it is killed half way.

A perceptron of three layers with bias, N = 20,000, nngp and ntk: 6.4 GB, written twice into a temporary folder (TMPDIR
names the one around it). Memory is read in /proc while the command runs, so this needs Linux. Printed, never asserted.

pytest tests/benchmarks/bench_gram.py -s -m bench
"""

from __future__ import annotations

import filecmp
import signal
import subprocess
import sys
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import pytest

pytestmark = pytest.mark.bench

N, D = 20_000, 64
SETTINGS = ["mlp", "--sigma-w", "1.3", "--sigma-b", "0.3", "--depth", "3", "--get", "both"]


def run(folder: Path, kill_after: float = float("inf")) -> tuple[float, float, float]:
    """Seconds, and the most memory: resident, and what of it belongs to no file, in MiB."""
    words = [sys.executable, "-m", "ntksym", "gram", *SETTINGS, "--data", "x.npy", "-o", folder.name]
    start, most, alone = perf_counter(), 0.0, 0.0
    with subprocess.Popen(words, cwd=folder.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            sizes = memory(process.pid)
            most, alone = max(most, sizes.get("VmRSS", 0)), max(alone, sizes.get("RssAnon", 0))
            if perf_counter() - start > kill_after:
                process.kill()
            sleep(0.02)
    assert process.returncode in (0, -signal.SIGKILL)
    return perf_counter() - start, most, alone


def memory(process: int) -> dict[str, float]:
    """What the system says of a process that runs, in MiB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    found = (line.split() for line in lines if line.endswith(" kB"))
    return {name.removesuffix(":"): int(size) / 1024 for name, size, _ in found}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_twenty_thousand_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((N, D)))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    seconds, most, alone = run(whole)
    print(f"\nN = {N}: {seconds:.1f} s, at most {most:.0f} MiB resident, {alone:.0f} MiB of them of no file")
    killed, *_ = run(broken, seconds / 2)
    again, *_ = run(broken)
    names = sorted(path.name for path in whole.iterdir())
    same = all(filecmp.cmp(whole / name, broken / name, shallow=False) for name in names)
    print(f"killed after {killed:.1f} s, then {again:.1f} s: {', '.join(names)} {'equal' if same else 'DIFFER'}")
