"""Where no kernel exists, or none is known: one line that says why, and in which line of the program."""

from collections.abc import Callable
from typing import Any

import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.errors import KernelError

n = ns.dim("n")


@ns.program
def tied(tokens: ns.Tokens(4)) -> ns.Value:
    h, table = ns.embedding(tokens, n, name="embed", vocab=8)
    return ns.tied_readout(ns.rmsnorm(h), table)


@ns.program
def without_readout(x: ns.Vector("d")) -> ns.Value:
    return ns.relu(ns.dense(x, n, name="hidden"))


@ns.program
def bottleneck(x: ns.Vector("d")) -> ns.Value:
    return ns.dense(ns.relu(ns.dense(ns.relu(ns.dense(x, n, name="wide")), 3, name="narrow")), 1, name="readout")


@ns.program
def shared_readout(x: ns.Sequence("T", "d")) -> ns.Value:
    return ns.pick(ns.scan(lambda h, x: ns.dense(x, n, name="step") + h, ns.constant(x, 0, n), x, "T"), "T", -1)


@ns.program
def post_activation(x: ns.Vector("d")) -> ns.Value:
    h = ns.repeat(4, lambda h: ns.relu(h + ns.dense(h, n, name="branch")), ns.relu(ns.dense(x, n, name="embed")))
    return ns.dense(h, 1, name="readout")


@ns.program
def sharp_attention(x: ns.Sequence(4, "d")) -> ns.Value:
    h = ns.dense(x, n, name="embed")
    return ns.dense(ns.attention(h, 2, name="attn", scale=(n / 2) ** -0.5), 1, name="readout")


@pytest.mark.parametrize(
    ("architecture", "says"),
    [
        (tied, "two directions"),
        (without_readout, "without random weights behind it"),
        (bottleneck, "stays random at infinite width"),
        (post_activation, "not Gaussian"),
        (sharp_attention, "stays random"),
        (zoo.load("moe"), "random"),
        (zoo.load("lora"), "stays finite"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_refuses_with_the_reason_and_the_line(architecture: Callable[[], Any], says: str) -> None:
    with pytest.raises(KernelError, match=says) as caught:
        ns.kernel_recursion(architecture)
    text = str(caught.value)
    assert "\n" not in text
    assert ".py:" in text


def test_scan_needs_the_length_of_its_time_axis() -> None:
    with pytest.raises(KernelError, match="sizes="):
        ns.kernel_recursion(zoo.load("rnn"))


@pytest.mark.parametrize("bad", [{"parameterization": "mup"}, {"rates": {"nothing.w": 1}}])
def test_unknown_options(bad: dict[str, Any]) -> None:
    with pytest.raises(KernelError):
        ns.kernel_recursion(zoo.load("mlp"), **bad)


@pytest.mark.parametrize(
    ("x", "values", "says"),
    [
        ([[1.0, 2.0]], {"sigma_x": 1.0}, "has no sigma_x"),
        ([[1.0, 2.0], [1.0]], {}, "rows differ"),
        ([["a", "b"]], {}, "not real numbers"),
        ([[float("nan")]], {}, "finite"),
        ([[[1.0]]], {}, "axes"),
    ],
)
def test_bad_inputs(x: Any, values: dict[str, float], says: str) -> None:
    with pytest.raises(KernelError, match=says):
        ns.kernel_recursion(zoo.load("mlp")).evaluate(x, **values)
