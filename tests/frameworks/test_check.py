"""What a training set-up does at scale: known-good and known-bad ones."""

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

SIZES = {"n": (32, 64)}
X = torch.zeros(3, 64)


@pytest.fixture(scope="module")
def table(models):
    return ns.scaling_table(ns.from_torch(models.MLP, SIZES, X))


def test_the_default_set_up_of_pytorch_is_wrong_in_the_known_places(models):
    torch.manual_seed(0)

    def build(n):
        model = models.MLP(n)
        return model, torch.optim.Adam(model.parameters(), lr=1e-3)

    report = ns.check_torch(build, SIZES, X)
    # nn.Linear draws with a std of one over the root of the fan-in, and one rate serves all
    assert {(p.parameter, p.field, str(p.off)) for p in report.problems} == {
        ("net.weight", "lr", "n"),
        ("net.6.weight", "lr", "n"),
        ("net.6.weight", "init_std", "n^(1/2)"),
    }


def test_what_param_groups_and_apply_init_make_is_right(models, table):
    torch.manual_seed(0)

    def build(n):
        model = models.MLP(n)
        if next(model.parameters()).device.type != "meta":
            ns.apply_init(model, table, base={"n": 32})
        return model, torch.optim.Adam(ns.param_groups(model, table, lr=1e-3, base={"n": 32}))

    assert ns.check_torch(build, SIZES, X).ok


def test_what_follows_no_power_is_named(models):
    def build(n):
        model = models.MLP(n)
        return model, torch.optim.Adam(model.parameters(), lr=1e-3 if n == 32 else 1e-3 / 3)

    with pytest.raises(FrameworkError, match=r"the learning rate of net.0.weight is 0.001, 0.0003333"):
        ns.check_torch(build, {"n": (32, 64, 128)}, X)
    with pytest.raises(FrameworkError, match="expected a pair"):
        ns.check_torch(models.MLP, SIZES, X)
    with pytest.raises(FrameworkError, match="no update rule named rprop"):
        ns.check_torch(lambda n: (m := models.MLP(n), torch.optim.Rprop(m.parameters())), SIZES, X)
