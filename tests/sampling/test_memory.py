"""The bound on memory: in XLA's account of what is compiled, and in the operating system's of what a process took."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ntksym import language as ns
from ntksym.sampling import TangentKernel, ensemble, kernel, network
from ntksym.sampling.chunks import Statistic, Task, _working_memory, chunk_size, compiled
from tests.sampling.architectures import architecture, zoo_inputs, zoo_sizes

pytest.importorskip("jax", reason='needs the extra "networks"')

ROOT = Path(__file__).parents[2]
BOUND = 128 * 2**20


@pytest.mark.parametrize(
    "name", ["mlp", *(pytest.param(name, marks=pytest.mark.long) for name in ("cnn", "transformer"))]
)
@pytest.mark.parametrize("statistic", ["kernel", "tangents"])
def test_a_chunk_stays_under_the_bound(name: str, statistic: str) -> None:
    """The chunk that is chosen holds several networks and uses at most the memory that is given."""
    program = architecture(name)
    sizes = zoo_sizes(program)
    net = network(program, sizes)
    measured: Statistic = kernel(net.labels[-1]) if statistic == "kernel" else TangentKernel()
    task = Task(net, zoo_inputs(program, sizes, 2), measured, 0, {}, False)
    bound = 12 * _working_memory(compiled(task, 1))
    size = chunk_size(task, 10_000, bound, None)
    assert size > 1
    assert _working_memory(compiled(task, size)) <= bound


@ns.program
def linear(x: ns.Vector(128)):
    return ns.dense(x, 128, name="linear", bias=False)


def print_peaks() -> None:
    """The most memory that this process took so far: after a small ensemble, a large bounded one, a large free one."""
    net = network(linear, {})
    for samples, memory in ((32, BOUND), (2048, BOUND), (2048, 16 * BOUND)):
        ensemble(net, samples, np.ones(128), lambda net, weights, x, key: weights, memory=memory, chunk=samples)
        status = Path("/proc/self/status").read_text()  # getrusage counts what a parent took before it started this
        print(2**10 * int(status.split("VmHWM:")[1].split()[0]))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a process from /proc")
def test_a_process_stays_under_the_bound() -> None:
    """2048 networks, each measured by 16,384 numbers; compilers and allocators may take the bound once more.

    Under a bound that is large enough for all at once, the same process is seen to take more than that.
    """
    child = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import print_peaks; print_peaks()"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ".", "XLA_FLAGS": ""},  # compiled to run fast
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    start, bounded, free = map(int, child.stdout.split())
    assert bounded - start < 2 * BOUND
    assert free - start > 2 * BOUND
