"""Message passing over lists of edges: torch_geometric's, and written with indices."""

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import FrameworkError
from tests.frameworks.comparing import loaded, same_rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

NODES, EDGES = 7, 12
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(NODES, 6, generator=GENERATOR, dtype=torch.float64)
ENDS = torch.randint(0, NODES, (2, EDGES), generator=GENERATOR)
WEIGHTS = torch.rand(EDGES, generator=GENERATOR, dtype=torch.float64)


class ByIndex(torch.nn.Module):
    """Two layers: a dense map, and the weighted sum over the edges that end in a node."""

    def __init__(self, n):
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, n, bias=False), torch.nn.Linear(n, n, bias=False)
        self.bias = torch.nn.Parameter(torch.zeros(n))
        self.last = torch.nn.Linear(n, 3)

    def around(self, h, edges, weights):
        return torch.zeros_like(h).index_add(0, edges[1], weights[:, None] * h[edges[0]])

    def forward(self, x, edges, weights):
        h = torch.relu(self.around(self.first(x), edges, weights))
        h = torch.relu(self.around(self.second(h), edges, weights) + self.bias)
        return self.last(h.mean(0, keepdim=True))


@ns.program
def layers(x: ns.Sequence(NODES, 6, name="N"), adjacency: ns.Graph(NODES, name="N")):
    n = ns.dim("n")
    h = ns.relu(ns.graph_conv(x, adjacency, n, name="first", bias=False))
    h = ns.relu(ns.bias(ns.graph_conv(h, adjacency, n, name="second", bias=False), name="second"))
    return ns.dense(ns.pool(h, "N"), 3, name="last")


NAMES = {
    "first.weight": "first.w",
    "second.weight": "second.w",
    "bias": "second",
    "last.weight": "last.w",
    "last.bias": "last.b",
}


def matrix(weights):
    """What weights of edges are as a matrix from the nodes where they begin to those where they end."""
    out = np.zeros((NODES, NODES))
    np.add.at(out, (ENDS[1].numpy(), ENDS[0].numpy()), weights.numpy())
    return out


def difference(build, inputs, weights):
    """Of the module and its program, over the size of the output; the program has the matrix for the edges."""
    example = tuple(x.float() if x.is_floating_point() else x for x in inputs)
    read = ns.from_torch(build, {"n": (8, 16)}, example, batched=False)
    assert len(read.inputs) == 2
    model = build(8).double()
    values = loaded(model, read, {"n": 8})
    with torch.no_grad():
        expected = model(*inputs).numpy()
    data = {read.inputs[0].name: X.numpy()[None], read.inputs[1].name: matrix(weights)[None]}
    found = np.asarray(ns.run(read, values, data, {"n": 8})).reshape(expected.shape)
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_sums_over_edges_are_a_matrix():
    inputs = (X, ENDS, WEIGHTS)
    assert difference(ByIndex, inputs, WEIGHTS) < 1e-12
    example = (X.float(), ENDS, WEIGHTS.float())
    read = ns.from_torch(ByIndex, {"n": (8, 16)}, example, batched=False)
    same_rows(ns.scaling_table(read), ns.scaling_table(layers), NAMES)


class Backwards(ByIndex):
    def forward(self, x, edges, weights):
        h = torch.relu(self.around(self.first(x), edges, weights))
        return self.last(self.around(h, edges.flip(0), weights))


class TwoWays(ByIndex):
    def forward(self, x, edges, weights):
        h = self.around(self.first(x), edges, weights)
        return self.last(torch.zeros_like(h).index_add(0, edges[0], weights[:, None] * h[edges[1]]))


class Attending(ByIndex):
    """Weights of edges that are computed of the nodes' values."""

    def forward(self, x, edges, weights):
        h = self.first(x)
        return self.last(self.around(h, edges, h.sum(-1)[edges[0]]))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (TwoWays, "one list of edges stands for two matrices"),
        pytest.param(Backwards, "the operation flip", marks=pytest.mark.long),
        pytest.param(Attending, "taken at places that a tensor names", marks=pytest.mark.long),
    ],
)
def test_what_is_no_matrix_is_refused(build, says):
    with pytest.raises(FrameworkError, match=says):
        ns.from_torch(build, {"n": (8, 16)}, (X.float(), ENDS, WEIGHTS.float()), batched=False)


class Convolutions(torch.nn.Module):
    """torch_geometric's."""

    def __init__(self, n, geometric, **options):
        super().__init__()
        self.first, self.second = geometric.GCNConv(6, n, **options), geometric.GCNConv(n, n, **options)
        self.last = torch.nn.Linear(n, 3)

    def forward(self, x, edges, *weights):
        h = torch.relu(self.first(x, edges, *weights))
        return self.last(torch.relu(self.second(h, edges, *weights)).mean(0, keepdim=True))


@pytest.mark.long
def test_graph_convolutions_of_torch_geometric():
    geometric = pytest.importorskip("torch_geometric.nn")
    degree = torch.zeros(NODES, dtype=torch.float64).index_add(0, ENDS[1], torch.ones(EDGES, dtype=torch.float64))
    root = torch.where(degree > 0, degree**-0.5, 0.0)
    normal = root[ENDS[0]] * root[ENDS[1]]
    ones = torch.ones(EDGES, dtype=torch.float64)
    for options, inputs, weights in (
        ({"normalize": False}, (X, ENDS, WEIGHTS), WEIGHTS),  # normalised once before, by transforms.GCNNorm
        ({"normalize": False}, (X, ENDS), ones),
        ({"add_self_loops": False}, (X, ENDS), normal),
    ):

        def build(n, options=options):
            return Convolutions(n, geometric, **options)

        assert difference(build, inputs, weights) < 1e-6  # degrees are single precision
    example = (X.float(), ENDS)
    with pytest.raises(FrameworkError, match=r"^first: .*depends on data.*GCNNorm"):  # it looks for self-loops
        ns.from_torch(lambda n: Convolutions(n, geometric), {"n": (8, 16)}, example, batched=False)
