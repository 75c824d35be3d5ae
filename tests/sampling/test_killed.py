"""An ensemble that is killed for good, in a process of its own, and goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ntksym import zoo
from ntksym.sampling import ensemble, kernel, network

pytest.importorskip("jax", reason='needs the extra "networks"')

ROOT = Path(__file__).parents[2]
X = np.array([[1.0, 0.0, 0.5], [0.3, -1.0, 0.2]])
NET = network(zoo.load("mlp")(depth=1, bias=False), {"n": 8, "d_in": 3})
OPTIONS = {"seed": 7, "chunk": 32, "covariance": True}
SCRIPT = """
import sys
from tests.sampling.test_killed import NET, OPTIONS, X
from ntksym.sampling import ensemble, kernel

sys.modules["ntksym.sampling.ensemble"].SECONDS_BETWEEN_SAVES = 0.0
ensemble(NET, 10**7, X, kernel("v2"), checkpoint=sys.argv[1], **OPTIONS)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a signal that cannot be caught")
def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    """Not a digit differs from a run that was never interrupted; the file is whole although the process was not."""
    file = tmp_path / "state.npz"
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(file)], cwd=ROOT, env={**os.environ, "PYTHONPATH": "."})
    try:
        end = monotonic() + 240
        while not file.exists():
            assert child.poll() is None, "the child ended by itself"
            assert monotonic() < end
            sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    with np.load(file) as state:
        done = int(state["count"].sum())
    assert 0 < done < 10**7
    assert done % 32 == 0
    resumed = ensemble(NET, done + 100, X, kernel("v2"), checkpoint=file, **OPTIONS)
    whole = ensemble(NET, done + 100, X, kernel("v2"), **OPTIONS)
    for a, b in zip(resumed.groups.arrays(), whole.groups.arrays(), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(resumed.mean, whole.mean)
