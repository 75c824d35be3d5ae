"""Attention with many heads: logits at scale d_head^-1/2 stay random in a head, and are averaged over the heads."""

from fractions import Fraction

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import KernelError
from ntksym.kernels import kernel_recursion
from ntksym.kernels.attended import means
from ntksym.language.program import Program
from ntksym.sampling import TangentKernel, ensemble, network

n, H = ns.dim("n"), ns.dim("H")
SIGMAS = {"sigma_w": 1.3, "sigma_b": 0.4}


def attention(
    causal: bool = True, power: Fraction = Fraction(-1, 2), heads: ns.Dim = H, biased: bool = False
) -> Program:
    """An embedding, attention and a readout."""

    @ns.program
    def network(x: ns.Sequence("T", "d")) -> ns.Value:
        h = ns.dense(x, n, name="embed")
        scale = (n / heads) ** power
        heads_of = ns.attention(h, heads, name="attn", scale=scale, causal=causal, bias=biased)
        return ns.dense(heads_of, 1, name="readout")

    return network()


def inputs(T: int, size: float = 1.0, seed: int = 0) -> np.ndarray:
    return size * np.random.default_rng(seed).standard_normal((2, T, 3))


def flat(kernel: np.ndarray) -> np.ndarray:
    """Inputs and positions as rows, those of the other point as columns."""
    count, _, T, _ = kernel.shape
    return kernel.astype(float).transpose(0, 2, 1, 3).reshape(count * T, count * T)


# --- limits that are known ---------------------------------------------------------------------------------------


def test_one_position_is_the_path_through_the_values() -> None:
    """A softmax over one key is one, so queries and keys are never seen."""

    @ns.program
    def values(x: ns.Sequence("T", "d")) -> ns.Value:
        h = ns.dense(ns.dense(x, n, name="embed"), n, name="v", bias=False)
        return ns.dense(ns.dense(h, n, name="o", bias=False), 1, name="readout")

    x = inputs(1)
    found = kernel_recursion(attention()).evaluate(x, **SIGMAS)
    expected = kernel_recursion(values).evaluate(x, **SIGMAS)
    for name in ("nngp", "ntk"):
        a, b = (getattr(kernels, name).astype(float) for kernels in (found, expected))
        assert a == pytest.approx(b, rel=1e-14)


@pytest.mark.parametrize("causal", [True, False])
def test_small_logits_attend_to_all_keys_alike(causal: bool) -> None:
    """The limit is that of the scale 1/d_head, whose logits vanish; corrections go with their variance, |x|^4."""
    alike = kernel_recursion(attention(causal, Fraction(-1), ns.fixed("heads", 2)))
    recursion = kernel_recursion(attention(causal))
    for name in ("nngp", "ntk"):
        errors = []
        for size in (0.02, 0.01):
            x = inputs(2, size)
            a, b = (flat(getattr(each.evaluate(x, digits=None), name)) for each in (recursion, alike))
            errors.append(np.abs(a - b).max() / np.abs(b).max())
        assert errors[0] < 1e-5
        assert errors[0] == pytest.approx(16 * errors[1], rel=1e-3)


def test_two_keys_by_a_formula() -> None:
    """One query and two keys: the first weight is a logistic function of one Gaussian, A = 1/(1 + exp(-u))."""
    rng = np.random.default_rng(3)
    root, other, slope = (rng.standard_normal((2, 2)) for _ in range(3))
    K, V, S = root @ root.T, other @ other.T, slope @ slope.T
    found = means(np.block([[K, K], [K, K]])[None], np.ones((1, 4), dtype=bool), V[None])
    changes = means(np.block([[K, K], [K, K]])[None], np.ones((1, 4), dtype=bool), V[None], S[None])
    variance = K[0, 0] - 2 * K[0, 1] + K[1, 1]
    u = np.linspace(-12, 12, 4001)
    w = np.exp(-(u**2) / 2)
    a = 1 / (1 + np.exp(-np.sqrt(variance) * u))
    w = w / w.sum()
    both = np.stack([a, 1 - a])
    assert found.value[0] == pytest.approx(np.einsum("ip,ij,jp,p->", both, V, both, w), rel=1e-8)
    across = V[0, 0] - 2 * V[0, 1] + V[1, 1]
    steps = S[0, 0] - 2 * S[0, 1] + S[1, 1]
    assert changes.value[0] == pytest.approx(across * steps * (w @ (a * (1 - a)) ** 2), rel=1e-8)
    assert found.kind == changes.kind == "quadrature"


def test_samples_agree_with_a_sum_over_draws() -> None:
    """Plain draws of four logits at each point; off by five standard errors in one of a million seeds."""
    rng = np.random.default_rng(5)
    root, other, slope = (rng.standard_normal((size, size)) for size in (8, 8, 8))
    K, V, S = root @ root.T / 4, (other @ other.T)[:4, 4:], (slope @ slope.T)[:4, 4:]
    seen = np.ones((1, 8), dtype=bool)
    seen[0, 6:] = False
    z = root @ rng.standard_normal((8, 200_000)) / 2
    a, b = (np.exp(part) / np.exp(part).sum(axis=0) for part in (z[:4], z[4:6]))
    b = np.concatenate([b, np.zeros_like(b)])
    jacobians = [np.einsum("ij,ip->ijp", np.eye(4), x) - x[:, None] * x[None] for x in (a, b)]
    plain = np.einsum("ip,ij,jp->p", a, V, b)
    changes = np.einsum("ikp,ij,jlp,kl->p", jacobians[0], V, jacobians[1], S)
    for draws, slopes in ((plain, None), (changes, S[None])):
        found = means(K[None], seen, V[None], slopes)
        error = draws.std() / np.sqrt(len(draws))
        assert found.kind == "sampled"
        assert 0 < found.bound[0] < error
        assert abs(found.value[0] - draws.mean()) < 5 * error + found.bound[0]


# --- finite networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("T", "width", "samples"), [(3, 8, 128), pytest.param(3, 32, 128, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_networks_with_many_heads_show_both_kernels(T: int, width: int, samples: int) -> None:
    """``width`` heads of as many coordinates: within five standard errors and 1/width, the size of their bias.

    Right kernels are off in one of ten thousand seeds. The kernel of the outputs is what the readout adds to the
    tangent kernel. Those of uniform attention are three times farther away.
    """
    pytest.importorskip("jax", reason='needs the extra "networks"')
    x, program, sigmas = inputs(T, seed=1), attention(causal=False), {"sigma_w": 1.5, "sigma_b": 0.5}
    recursion = kernel_recursion(program)
    parts = recursion.contributions(x, digits=None, **sigmas)
    made = network(program, {"n": width**2, "H": width, "T": T, "d": 3})
    found = ensemble(made, samples, x, TangentKernel(by_parameter=True), sigmas=sigmas)
    measured = {}
    for node in program.parameters:
        # networks differentiate by the weights themselves, the recursion by unit Gaussians
        per_unit = sigmas[node.attr("sigma")] ** 2 / float(made.numbers.number(program.fan_in(node)))
        part = found[node.name]
        measured[node.name] = tuple(per_unit * np.reshape(y, (2 * T, 2 * T)) for y in (part.mean, part.standard_error))
    uniform = kernel_recursion(attention(False, Fraction(-1), ns.fixed("heads", 2))).evaluate(x, digits=None, **sigmas)
    for names, kernel in ((("readout.w", "readout.b"), uniform.nngp), (tuple(parts), uniform.ntk)):
        expected = sum(flat(parts[name]) for name in names)
        mean, error = (sum(measured[name][k] for name in names) for k in (0, 1))
        allowed = 5 * error + np.abs(expected).max() / width
        assert (np.abs(mean - expected) < allowed).all()
        assert np.linalg.norm(mean - expected) < np.linalg.norm(mean - flat(kernel)) / 3
    mean, error = measured["attn.q.w"]
    expected = flat(parts["attn.q.w"])
    assert (np.abs(mean - expected) < 5 * error + np.abs(expected).max() / width).all()
    assert (np.abs(mean) > 5 * error).any()


# --- what the record says ----------------------------------------------------------------------------------------


def test_evidence_and_numbers_of_few_and_many_keys() -> None:
    recursion = kernel_recursion(attention())
    assert recursion.evidence.kind == "quadrature"
    for T, kind, most in ((2, "quadrature", 1e-10), (3, "sampled", 1e-2)):
        x = inputs(T, 0.5)
        found = recursion.evaluate(x, digits=None, **SIGMAS)
        assert found.evidence.kind == kind
        assert 0 < found.evidence.bound < most
        for kernel in (flat(found.nngp), flat(found.ntk)):
            slack = 100 * found.evidence.bound
            assert np.abs(kernel - kernel.T).max() <= slack
            assert np.linalg.eigvalsh((kernel + kernel.T) / 2).min() > -slack


def test_parts_sum_to_the_tangent_kernel_and_queries_count_as_keys_do() -> None:
    x, recursion = inputs(2), kernel_recursion(attention())
    parts = recursion.contributions(x, digits=None, **SIGMAS)
    whole = flat(recursion.evaluate(x, digits=None, **SIGMAS).ntk)
    assert sum(flat(part) for part in parts.values()) == pytest.approx(whole, rel=1e-10)
    assert flat(parts["attn.q.w"]) == pytest.approx(flat(parts["attn.k.w"]), rel=1e-10)
    assert np.abs(flat(parts["attn.q.w"])).max() > 0.1


def test_pages_and_derivatives() -> None:
    recursion = kernel_recursion(attention())
    assert "softmax(u)_{j} softmax(u')_{j'}" in recursion.to_text()
    assert "no closed form" in recursion.to_text()
    assert r"\partial \operatorname{softmax}(u)_{j}" in recursion.to_latex()
    assert "hron2020infinite" in recursion.bibtex()
    assert type(recursion).from_json(recursion.to_json()) == recursion
    with pytest.raises(KernelError, match="random attention weights by sigma_w are not derived"):
        recursion.derivative("sigma_w")


def test_layers_of_a_repeat() -> None:
    """Two blocks written out and a repeat of two are the same network."""

    def block(h: ns.Value, name: str = "attn") -> ns.Value:
        return h + ns.attention(h, H, name=name, scale=(n / H) ** Fraction(-1, 2))

    @ns.program
    def repeated(x: ns.Sequence(2, 3)) -> ns.Value:
        return ns.dense(ns.repeat(2, block, ns.dense(x, n, name="embed")), 1, name="readout")

    @ns.program
    def written(x: ns.Sequence(2, 3)) -> ns.Value:
        h = ns.dense(x, n, name="embed")
        return ns.dense(block(block(h, "one"), "two"), 1, name="readout")

    x = inputs(2, 0.4)
    found, expected = (kernel_recursion(each).evaluate(x, digits=None, **SIGMAS) for each in (repeated, written))
    assert found.ntk == pytest.approx(expected.ntk, rel=1e-9)
    assert found.nngp == pytest.approx(expected.nngp, rel=1e-9)


def test_keys_that_several_queries_share_do_not_change_the_kernel() -> None:
    """Sums over coordinates never see two heads at once."""

    @ns.program
    def grouped(x: ns.Sequence("T", "d")) -> ns.Value:
        h = ns.dense(x, n, name="embed")
        heads = ns.attention(h, H, name="attn", scale=(n / H) ** Fraction(-1, 2), kv_heads=H / 2)
        return ns.dense(heads, 1, name="readout")

    x = inputs(2)
    found, expected = (kernel_recursion(each).evaluate(x, digits=None, **SIGMAS) for each in (grouped, attention()))
    assert found.nngp == pytest.approx(expected.nngp, rel=1e-9)
    assert found.ntk == pytest.approx(expected.ntk, rel=1e-9)


def test_normalised_queries_and_keys_have_logits_of_unit_variance() -> None:
    """Causal, the second query sees two keys: one weight is logistic in a Gaussian of variance 2 - 2 c."""

    @ns.program
    def normed(x: ns.Sequence("T", "d")) -> ns.Value:
        h = ns.dense(x, n, name="embed")
        heads = ns.attention(h, H, name="attn", scale=(n / H) ** Fraction(-1, 2), qk_norm=True)
        return ns.dense(heads, 1, name="readout", bias=False)

    x = inputs(2)
    found = kernel_recursion(normed, ntk=False).evaluate(x, digits=None).nngp
    K = x[0] @ x[0].T / 3
    c = K[0, 1] / np.sqrt(K[0, 0] * K[1, 1])
    u = np.linspace(-12, 12, 4001)
    w = np.exp(-(u**2) / 2)
    a = 1 / (1 + np.exp(-np.sqrt(2 - 2 * c) * u))
    both = np.stack([a, 1 - a])
    assert found[0, 0, 1, 1] == pytest.approx(np.einsum("ip,ij,jp,p->", both, K, both, w / w.sum()), rel=1e-9)


# --- refusals ----------------------------------------------------------------------------------------------------


def few_coordinates() -> Program:
    few = ns.fixed("few", 4)

    @ns.program
    def network(x: ns.Sequence("T", "d")) -> ns.Value:
        h = ns.dense(x, n, name="embed")
        return ns.dense(ns.attention(h, n / few, name="attn", scale=few ** Fraction(-1, 2)), 1, name="readout")

    return network()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (lambda: attention(heads=ns.fixed("heads", 2)), "stays random"),
        (lambda: attention(power=Fraction(0)), "stays random"),
        (few_coordinates, "stays"),
    ],
)
def test_refusals(program, says: str) -> None:
    with pytest.raises(KernelError, match=says) as caught:
        kernel_recursion(program())
    assert "\n" not in str(caught.value)
