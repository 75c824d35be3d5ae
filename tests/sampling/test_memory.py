"""The bound on memory, in XLA's account of what is compiled."""

import pytest

from ntksym.sampling import TangentKernel, kernel, network
from ntksym.sampling.chunks import Statistic, Task, _working_memory, chunk_size, compiled
from tests.sampling.architectures import architecture, zoo_inputs, zoo_sizes

pytest.importorskip("jax", reason='needs the extra "networks"')


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
